/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-tunable.h"

#include <errno.h>

#include "daemon/config-walk.h"
#include "daemon/json.h"
#include "util/io.h"

static const struct {
        const char *name;
        int when;
} when_names[] = {
        {"always", -1},
        {"cpu", CONTENTION_CPU},
        {"io", CONTENTION_IO},
        {"memory", CONTENTION_MEMORY},
};

static const char *when_to_string(int when) {
        for (size_t i = 0; i < ELEMENTSOF(when_names); i++)
                if (when_names[i].when == when)
                        return when_names[i].name;
        return "always";
}

static int when_from_json(const ConfigContext *c, const char *path, json_object *v, int *ret) {
        const char *text = config_text(v);

        for (size_t i = 0; text && i < ELEMENTSOF(when_names); i++)
                if (streq(text, when_names[i].name)) {
                        *ret = when_names[i].when;
                        return 0;
                }
        return config_error(c->source, path, -EINVAL, c->e,
                            "must be \"always\", \"cpu\", \"io\" or \"memory\"");
}

static size_t tunable_index(const Policy *p, const Tunable *t) {
        size_t i = 0;

        while (i < p->n_tunables && p->tunables[i].tunable != t)
                i++;
        return i;
}

static void tunable_remove(Policy *p, const Tunable *t) {
        size_t i = tunable_index(p, t);

        if (i == p->n_tunables)
                return;
        p->n_tunables--;
        memmove(&p->tunables[i], &p->tunables[i + 1], (p->n_tunables - i) * sizeof(p->tunables[0]));
}

static int tunable_put(const ConfigContext *c, const char *path, Policy *p, const Tunable *t,
                       const char *value, int when) {
        TunableSetting setting = {.tunable = t, .when = when};
        size_t i = tunable_index(p, t);
        Error inner = ERROR_INIT;
        int r;

        if (strlen(value) >= sizeof(setting.value))
                return config_error(c->source, path, -ERANGE, c->e, "the value is too long");
        r = tunable_check(t, value, &inner);
        if (r < 0)
                return config_error(c->source, path, r, c->e, "%s",
                                    inner.text[0] ? inner.text : "not acceptable");
        memcpy(setting.value, value, strlen(value));
        if (i == p->n_tunables) {
                TunableSetting *grown = realloc(p->tunables, (i + 1) * sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                p->tunables = grown;
                p->n_tunables++;
        }
        p->tunables[i] = setting;
        return 0;
}

/* 10, "10", or {"value": 10, "when": "io"}. */
static int tunable_load(const ConfigContext *c, const char *path, Policy *p, const Tunable *t,
                        json_object *v) {
        json_object *value = v;
        const char *text;
        int when = -1;

        if (!v) {
                tunable_remove(p, t);
                return 0;
        }
        if (json_object_is_type(v, json_type_object)) {
                value = NULL;
                json_object_object_foreach(v, key, member) {
                        ConfigKeys l = {.wanted = key, .distance = SIZE_MAX};
                        char child[CONFIG_PATH_SIZE];
                        int r;

                        config_path_join(child, path, key);
                        if (streq(key, "value")) {
                                value = member;
                                continue;
                        }
                        if (!streq(key, "when")) {
                                config_keys_add(&l, "value", 5);
                                config_keys_add(&l, "when", 4);
                                return config_keys_error(c, child, &l);
                        }
                        r = when_from_json(c, child, member, &when);
                        if (r < 0)
                                return r;
                }
        }
        if (json_object_is_type(value, json_type_int))
                text = json_object_to_json_string(value);
        else
                text = config_text(value);
        if (!text)
                return config_error(c->source, path, -EINVAL, c->e,
                                    "must be a whole number, a text, or {\"value\": …, \"when\": "
                                    "\"always|cpu|io|memory\"}");
        return tunable_put(c, path, p, t, text, when);
}

static int unknown_tunable(const ConfigContext *c, const char *path, const char *key) {
        ConfigKeys l = {.wanted = key, .distance = SIZE_MAX};

        for (const Tunable *t = tunable_table; t->name; t++)
                config_keys_add(&l, t->name, strlen(t->name));
        return config_keys_error(c, path, &l);
}

static int load_tunables(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                         json_object *v) {
        if (!json_object_is_type(v, json_type_object))
                return -EINVAL;

        json_object_object_foreach(v, key, value) {
                const Tunable *t = tunable_find(key);
                char child[CONFIG_PATH_SIZE];
                int r;

                config_path_join(child, path, key);
                r = t ? tunable_load(c, child, base, t, value) : unknown_tunable(c, child, key);
                if (r < 0)
                        return r;
        }
        return 0;
}

static json_object *tunable_format_value(const TunableSetting *s) {
        char text[32];
        int64_t i;

        if (s->tunable->kind == TUNABLE_NUMBER &&
            parse_i64(s->value, INT64_MIN, INT64_MAX, &i) >= 0) {
                snprintf(text, sizeof(text), "%" PRIi64, i);
                if (streq(text, s->value))
                        return json_object_new_int64(i);
        }
        return json_object_new_string(s->value);
}

static json_object *format_tunables(const ConfigField *f, const void *base) {
        json_object *o = json_object_new_object();
        const Policy *p = base;

        for (size_t i = 0; o && i < p->n_tunables; i++) {
                const TunableSetting *s = &p->tunables[i];
                json_object *v = tunable_format_value(s);

                if (v && s->when >= 0) {
                        json_object *pair = json_object_new_object();

                        if (!pair)
                                json_object_put(v);
                        else if (config_object_put(pair, "value", v) < 0 ||
                                 config_object_put(
                                         pair, "when",
                                         json_object_new_string(when_to_string(s->when))) < 0) {
                                json_object_put(pair);
                                pair = NULL;
                        }
                        v = pair;
                }
                if (config_object_put(o, s->tunable->name, v) < 0) {
                        json_object_put(o);
                        return NULL;
                }
        }
        return o;
}

const ConfigCodec codec_tunables = {
        .accepted = "an object {…}",
        .load = load_tunables,
        .format = format_tunables,
};

int config_tunable_set(const ConfigContext *c, const char *key, Policy *p, const char *value) {
        const char *name = key + strlen("tunables."), *end = name + strlen(name);
        const Tunable *t = tunable_find(name);
        char stem[64];
        size_t i;

        if (t && !value[0]) {
                tunable_remove(p, t);
                return 0;
        }
        if (t) {
                i = tunable_index(p, t);
                return tunable_put(c, key, p, t, value,
                                   i < p->n_tunables ? p->tunables[i].when : -1);
        }
        if (end - name > 5 && (size_t)(end - name) < sizeof(stem) && streq(end - 5, ".when")) {
                snprintf(stem, sizeof(stem), "%.*s", (int)(end - name - 5), name);
                t = tunable_find(stem);
                i = t ? tunable_index(p, t) : p->n_tunables;
                if (t && i == p->n_tunables)
                        return config_error(c->source, key, -EINVAL, c->e, "set tunables.%s first",
                                            stem);
                if (t) {
                        _cleanup_json_ json_object *v = json_object_new_string(value);

                        return when_from_json(c, key, v, &p->tunables[i].when);
                }
        }
        return unknown_tunable(c, key, name);
}
