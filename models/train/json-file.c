/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <math.h>

#include "models/train/json-file.h"

#include "util/io.h"

#define JSON_FILE_MAX ((size_t)16 * 1024 * 1024)

static void tokener_freep(json_tokener **t) {
        if (*t)
                json_tokener_free(*t);
}

int json_file_read(const char *path, json_object **ret, Error *e) {
        _cleanup_(tokener_freep)
        json_tokener *tokener = NULL;
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_
        char *text = NULL;
        size_t size = 0, line = 1, end;
        int r;

        r = io_read_all_at(AT_FDCWD, path, JSON_FILE_MAX, &text, &size);
        if (r < 0)
                return error_set(e, r, "%s: %s", path, strerror(-r));
        tokener = json_tokener_new();
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        o = json_tokener_parse_ex(tokener, text, (int)size + 1);
        end = json_tokener_get_parse_end(tokener);
        for (size_t i = 0; i < MIN(end, size); i++)
                line += text[i] == '\n';
        if (!o)
                return error_set(e, -EINVAL, "%s:%zu: %s", path, line,
                                 json_tokener_error_desc(json_tokener_get_error(tokener)));
        if (!json_object_is_type(o, json_type_object))
                return error_set(e, -EINVAL, "%s: not a JSON object", path);
        *ret = TAKE_PTR(o);
        return 0;
}

int json_file_string(json_object *o, const char *key, const char *where, const char **ret,
                     Error *e) {
        json_object *value = NULL;

        if (!json_object_object_get_ex(o, key, &value) ||
            !json_object_is_type(value, json_type_string))
                return error_set(e, -EINVAL, "%s: '%s' is missing or not a string", where, key);
        *ret = json_object_get_string(value);
        return 0;
}

int json_file_double(json_object *o, const char *key, const char *where, double *ret, Error *e) {
        json_object *value = NULL;

        if (!json_object_object_get_ex(o, key, &value) ||
            !(json_object_is_type(value, json_type_double) ||
              json_object_is_type(value, json_type_int)) ||
            !isfinite(json_object_get_double(value)))
                return error_set(e, -EINVAL, "%s: '%s' is missing or not a number", where, key);
        *ret = json_object_get_double(value);
        return 0;
}
