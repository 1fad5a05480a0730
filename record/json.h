/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the verbs print with --json. */

#include <json-c/json.h>

#include "util/error.h"
#include "util/macro.h"

static inline void json_object_putp(json_object **o) {
        if (*o)
                json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_object_putp)

/* Takes the value over; NULL is a value, too. */
static inline void json_set(json_object *o, const char *key, json_object *value) {
        if (json_object_object_add(o, key, value) < 0)
                json_object_put(value);
}

static inline void json_set_i64(json_object *o, const char *key, int64_t value) {
        json_set(o, key, json_object_new_int64(value));
}

static inline void json_set_text(json_object *o, const char *key, const char *value) {
        json_set(o, key, value ? json_object_new_string(value) : NULL);
}

/* On stdout. Returns 0 or -errno. */
static inline int json_print(json_object *o) {
        const char *text = json_object_to_json_string_ext(
                o,
                JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);

        if (!text)
                return -12; /* ENOMEM */
        puts(text);
        return 0;
}
