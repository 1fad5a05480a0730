/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* JSON with comments: from text to a tree, and to the line of each key in it. Not for use outside
 * config*.c. */

#include "daemon/config-json.h"

/*
 * text: size bytes and a NUL behind them; scribbled on. ret: one object. ret_marks (to be freed):
 * sorted by hash; a key that is there twice is an error. Returns 0 or -errno with *e set.
 */
int config_text_parse(const char *name, char *text, size_t size, json_object **ret,
                      ConfigMark **ret_marks, size_t *ret_n_marks, Error *e);
