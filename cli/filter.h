/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Parts of `aikmctl filter`. Each returns an exit status and prints what went wrong. */

#include "cli/args.h"
#include "cli/client.h"

/* Calls a method of org.aikm1.Filter; an answer is read as rows or as one dictionary. ret NULL:
 * there is none. Returns an exit status with *e set. */
int filter_call(Context *c, const char *method, bool rows, json_object **ret, Error *e,
                const char *types, ...);

int filter_show_status(Context *c);
int filter_show_top(Context *c, const char *interface, uint32_t lines);
int filter_show_source(Context *c, const char *interface, const char *source);
