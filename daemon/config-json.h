/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One JSON value to a part of a Policy and back, by one table of keys: what config.c does after a
 * file has become a tree. Not for use outside config*.c.
 */

#include <json-c/json.h>

#include "policy/policy.h"
#include "util/error.h"

/* Where a key stands in a document. */
typedef struct ConfigMark {
        uint64_t hash; /* FNV-1a of the path, "rules[2].match.comm" */
        uint32_t line; /* from 1 */
} ConfigMark;

/* Where values come from, for messages. */
typedef struct ConfigSource {
        const char *name;        /* file; NULL: a setting, which its key names well enough */
        const ConfigMark *marks; /* sorted by hash */
        size_t n_marks;
} ConfigSource;

/* Stores "NAME:LINE: PATH: text" (what is known of it) on one line; returns r. */
_printf_(5, 6) int config_error(const ConfigSource *s, const char *path, int r, Error *e,
                                const char *format, ...);

/* Both change p step by step and may fail half-way: the caller hands in a copy. Return 0 or -errno
 * with *e set. */
int config_policy_load(Policy *p, json_object *o, const ConfigSource *s, Error *e);
int config_policy_set(Policy *p, const char *key, const char *value, Error *e);

/* All keys with their values. NULL: out of memory. */
json_object *config_policy_format(const Policy *p);
