/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Cursor primitives for the kernel's text files: each moves *p behind what it took and leaves it
 * alone on failure. Pure.
 */

#include <stdint.h>

#include "util/macro.h"

/* A decimal number without sign, blanks before it skipped. Returns 0 or -EBADMSG. */
int text_parse_u64(const char **p, uint64_t *ret);

/* The same with an optional '-'. */
int text_parse_i64(const char **p, int64_t *ret);

/*
 * Finds the line "key:value" and returns where its value begins, blanks skipped; NULL: no such
 * line. key comes with the colon.
 */
const char *text_find_key(const char *text, const char *key);
