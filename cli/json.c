/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json.h"

#include <errno.h>
#include <math.h>
#include <systemd/sd-bus.h>

void json_key(const char *name, char *ret, size_t size) {
        size_t n = 0;

        for (const char *p = name; *p && n + 2 < size; p++) {
                bool upper = *p >= 'A' && *p <= 'Z', after = p > name;

                /* USec and PPid are one word each. */
                if (strncmp(p, "USec", 4) == 0 || strncmp(p, "PPid", 4) == 0) {
                        if (n + 6 >= size)
                                break;
                        if (after)
                                ret[n++] = '_';
                        memcpy(ret + n, *p == 'U' ? "usec" : "ppid", 4);
                        n += 4;
                        p += 3;
                        continue;
                }
                if (upper && after)
                        ret[n++] = '_';
                ret[n++] = (char)(upper ? *p - 'A' + 'a' : *p);
        }
        ret[n] = '\0';
}

json_object *json_new_double(double d) {
        json_object *o;

        if (!isfinite(d))
                return NULL;
        o = json_object_new_double(d);
        if (o)
                json_object_set_serializer(o, json_object_double_to_json_string, (void *)"%.6g",
                                           NULL);
        return o;
}

int json_set(json_object *o, const char *key, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(o, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

static int read_basic(sd_bus_message *m, char type, json_object **ret) {
        union {
                const char *s;
                uint32_t u;
                int32_t i;
                uint64_t t;
                int64_t x;
                double d;
                int b;
                uint8_t y;
                uint16_t q;
                int16_t n;
        } v;
        int r;

        r = sd_bus_message_read_basic(m, type, &v);
        if (r < 0)
                return r;
        switch (type) {
        case 's':
        case 'o':
        case 'g':
                *ret = json_object_new_string(v.s);
                break;
        case 'u':
                *ret = json_object_new_uint64(v.u);
                break;
        case 'i':
                *ret = json_object_new_int64(v.i);
                break;
        case 't':
                *ret = json_object_new_uint64(v.t);
                break;
        case 'x':
                *ret = json_object_new_int64(v.x);
                break;
        case 'd':
                /* Not finite is unknown: JSON's null. */
                *ret = json_new_double(v.d);
                return *ret || !isfinite(v.d) ? 0 : -ENOMEM;
        case 'b':
                *ret = json_object_new_boolean(v.b);
                break;
        case 'y':
                *ret = json_object_new_int(v.y);
                break;
        case 'q':
                *ret = json_object_new_int(v.q);
                break;
        default:
                *ret = json_object_new_int(v.n);
        }
        return *ret ? 0 : -ENOMEM;
}

static int read_strings(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *list = json_object_new_array();
        const char *s;
        int r;

        if (!list)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r > 0 && (r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                json_object *o = json_object_new_string(s);

                if (!o)
                        return -ENOMEM;
                if (json_object_array_add(list, o) < 0) {
                        json_object_put(o);
                        return -ENOMEM;
                }
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        return sd_bus_message_exit_container(m);
}

/* a{sd}: the keys are data (class and feature names) and stay as they are. */
static int read_numbers(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *map = json_object_new_object();
        const char *key;
        double d;
        int r;

        if (!map)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "{sd}");
        while (r > 0 && (r = sd_bus_message_read(m, "{sd}", &key, &d)) > 0)
                if (json_object_object_add(map, key, json_new_double(d)) < 0)
                        return -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(map);
        return sd_bus_message_exit_container(m);
}

/* a(sss): name, state and why of something. */
static int read_states(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *list = json_object_new_array();
        const char *name, *state, *why;
        int r;

        if (!list)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "(sss)");
        while (r > 0 && (r = sd_bus_message_read(m, "(sss)", &name, &state, &why)) > 0) {
                _cleanup_json_ json_object *o = json_object_new_object();

                if (!o || json_set(o, "name", json_object_new_string(name)) < 0 ||
                    json_set(o, "state", json_object_new_string(state)) < 0 ||
                    json_set(o, "why", json_object_new_string(why)) < 0 ||
                    json_object_array_add(list, o) < 0)
                        return -ENOMEM;
                TAKE_PTR(o);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        return sd_bus_message_exit_container(m);
}

/* Returns 1 where *ret was set, 0 where the type is unknown and was skipped. */
static int read_variant(sd_bus_message *m, json_object **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (strchr("sogutixdbyqn", contents[0]) && !contents[1]) {
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r >= 0)
                        r = read_basic(m, contents[0], ret);
        } else if (streq(contents, "as") || streq(contents, "a{sd}") || streq(contents, "a(sss)") ||
                   streq(contents, "aa{sv}") || streq(contents, "a{sv}")) {
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r < 0)
                        return r;
                r = contents[1] == 's'         ? read_strings(m, ret)
                    : contents[1] == '('       ? read_states(m, ret)
                    : contents[1] == 'a'       ? json_read_rows(m, ret)
                    : streq(contents, "a{sd}") ? read_numbers(m, ret)
                                               : json_read_dict(m, ret);
        } else {
                r = sd_bus_message_skip(m, "v");
                return r < 0 ? r : 0;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

int json_read_dict(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r > 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                _cleanup_json_ json_object *value = NULL;
                const char *name;
                char key[128];

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;
                json_key(name, key, sizeof(key));
                r = read_variant(m, &value);
                if (r < 0)
                        return r;
                if (r > 0) {
                        if (json_object_object_add(o, key, value) < 0)
                                return -ENOMEM;
                        value = NULL;
                }
                r = sd_bus_message_exit_container(m);
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

int json_read_rows(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *list = json_object_new_array();
        int r;

        if (!list)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "a{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, /* complete= */ 0)) == 0) {
                _cleanup_json_ json_object *row = NULL;

                r = json_read_dict(m, &row);
                if (r < 0)
                        return r;
                if (json_object_array_add(list, row) < 0)
                        return -ENOMEM;
                row = NULL;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        return 0;
}

json_object *json_get(const json_object *o, const char *key, json_type type) {
        json_object *v;

        return o && json_object_is_type(o, json_type_object) &&
                               json_object_object_get_ex(o, key, &v) && json_object_is_type(v, type)
                       ? v
                       : NULL;
}

const char *json_str(const json_object *o, const char *key) {
        json_object *v = json_get(o, key, json_type_string);

        return v ? json_object_get_string(v) : NULL;
}

bool json_u64(const json_object *o, const char *key, uint64_t *ret) {
        json_object *v = json_get(o, key, json_type_int);

        if (!v)
                return false;
        *ret = json_object_get_uint64(v);
        return true;
}

bool json_i64(const json_object *o, const char *key, int64_t *ret) {
        json_object *v = json_get(o, key, json_type_int);

        if (!v)
                return false;
        *ret = json_object_get_int64(v);
        return true;
}

bool json_num(const json_object *o, const char *key, double *ret) {
        json_object *v = json_get(o, key, json_type_double);

        if (!v)
                v = json_get(o, key, json_type_int);
        if (!v)
                return false;
        *ret = json_object_get_double(v);
        return true;
}

bool json_flag(const json_object *o, const char *key) {
        json_object *v = json_get(o, key, json_type_boolean);

        return v && json_object_get_boolean(v);
}

int json_print(json_object *o) {
        const char *text = json_object_to_json_string_ext(
                o,
                JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);

        if (!text || puts(text) < 0 || fflush(stdout) < 0)
                return fail("cannot write the JSON document: %s", strerror(errno));
        return CLI_OK;
}
