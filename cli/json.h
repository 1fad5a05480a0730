/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Replies as JSON objects: what arrives on the bus becomes one tree with snake_case keys, and both
 * `--json` and the texts are made from it. A key that is not there is unknown, never zero.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/context.h"

typedef struct sd_bus_message sd_bus_message;

static inline void json_putp(json_object **o) {
        json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* "RssBytes" -> rss_bytes, "IntervalUSec" -> interval_usec, "PPid" -> ppid. */
void json_key(const char *name, char *ret, size_t size);

/* Reads the next a{sv} (json_read_dict) or aa{sv} (json_read_rows) of a message. Returns 0 or
 * -errno. Values of a type that no contract names are skipped. */
int json_read_dict(sd_bus_message *m, json_object **ret);
int json_read_rows(sd_bus_message *m, json_object **ret);

/* A number that prints with six significant digits; null where it is not finite. */
json_object *json_new_double(double d);

/* Adds value (may be NULL: out of memory) to o, taking it. Returns 0 or -ENOMEM. */
int json_set(json_object *o, const char *key, json_object *value);

/* The value of a key with the wanted type; NULL or false where it is absent or of another. */
const char *json_str(const json_object *o, const char *key);
bool json_u64(const json_object *o, const char *key, uint64_t *ret);
bool json_i64(const json_object *o, const char *key, int64_t *ret);
bool json_num(const json_object *o, const char *key, double *ret);
bool json_flag(const json_object *o, const char *key); /* absent: false */
json_object *json_get(const json_object *o, const char *key, json_type type);

/* One document and a newline on stdout. Returns CLI_OK or CLI_FAILURE. */
int json_print(json_object *o);
