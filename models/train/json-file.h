/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* JSON documents that describe the data set: read whole, errors with file and place. */

#include <json-c/json.h>

#include "util/error.h"
#include "util/macro.h"

static inline void json_putp(json_object **o) {
        json_object_put(*o);
}

#define _cleanup_json_ _cleanup_(json_putp)

/* Reads path; the document must be an object. Returns 0 or -errno with *e set; the caller puts
 * *ret. */
int json_file_read(const char *path, json_object **ret, Error *e);

/* A member that must be a string; -EINVAL with *e naming `where` and key. Borrowed. */
int json_file_string(json_object *o, const char *key, const char *where, const char **ret,
                     Error *e);

/* A member that must be a number. */
int json_file_double(json_object *o, const char *key, const char *where, double *ret, Error *e);
