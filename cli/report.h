/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Lines of "Label   text", the text escaped, wrapped at the terminal's width and indented below
 * itself. */

#include "cli/context.h"

/* style is for the text. */
_printf_(5, 6) void report_field(const Context *c, FILE *f, const char *label, Style style,
                                 const char *format, ...);

/* A paragraph from the first column. */
_printf_(4, 5) void report_paragraph(const Context *c, FILE *f, Style style, const char *format,
                                     ...);

/* A heading above a table or a list, after an empty line. */
void report_heading(const Context *c, FILE *f, const char *text);
