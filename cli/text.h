/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Text of strangers made fit for a terminal: width in columns, escaping of what would move the
 * cursor, cutting at a column. Works on UTF-8 and needs a UTF-8 LC_CTYPE for widths beyond ASCII.
 */

#include <stdbool.h>
#include <stddef.h>

/* Control characters, invalid UTF-8 and unprintable code points become \n, \t, \xNN; utf8 false: so
 * does all that is not ASCII. Newly allocated; NULL: out of memory. */
char *text_escape(const char *s, bool utf8);

/* Columns that escaped text takes. */
size_t text_width(const char *s);

/* Bytes of s that fit into columns; *ret_width (may be NULL) is how many columns they take. */
size_t text_fit(const char *s, size_t columns, size_t *ret_width);

/* s in at most columns, its end replaced by "…" (or "~" without utf8) where it does not fit. Newly
 * allocated; NULL: out of memory. */
char *text_ellipsize(const char *s, size_t columns, bool utf8);
