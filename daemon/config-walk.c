/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-walk.h"

#include <errno.h>

void config_path_join(char path[CONFIG_PATH_SIZE], const char *parent, const char *key) {
        int n = snprintf(path, CONFIG_PATH_SIZE, "%s%s%s", parent, parent[0] ? "." : "", key);

        if (n >= CONFIG_PATH_SIZE)
                memcpy(path + CONFIG_PATH_SIZE - 4, "...", 4);
}

static size_t edit_distance(const char *a, const char *b) {
        size_t row[65] = {0}, na = strlen(a), nb = strlen(b);

        if (na > 64 || nb > 64)
                return SIZE_MAX;
        for (size_t j = 0; j <= nb; j++)
                row[j] = j;
        for (size_t i = 1; i <= na; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= nb; j++) {
                        size_t change = diagonal + (a[i - 1] != b[j - 1]);

                        diagonal = row[j];
                        row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), change);
                }
        }
        return row[nb];
}

void config_keys_add(ConfigKeys *l, const char *key, size_t n) {
        size_t used = strlen(l->text), distance;
        char word[64];

        if (n >= sizeof(word))
                return;
        memcpy(word, key, n);
        word[n] = '\0';
        distance = edit_distance(l->wanted, word);
        if (distance < l->distance) {
                l->distance = distance;
                memcpy(l->nearest, word, n + 1);
        }
        if (used + n + 3 < sizeof(l->text))
                snprintf(l->text + used, sizeof(l->text) - used, "%s%s", used ? ", " : "", word);
}

int config_keys_error(const ConfigContext *c, const char *path, ConfigKeys *l) {
        bool near = l->distance <= 1 + strlen(l->wanted) / 4;

        return config_error(c->source, path, -EINVAL, c->e, "unknown key%s%s%s accepted here: %s",
                            near ? ", did you mean \"" : "", near ? l->nearest : "",
                            near ? "\"?" : ";", l->text);
}

int config_unknown_key(const ConfigContext *c, const char *path, const ConfigField *fields,
                       const char *prefix, const char *key) {
        ConfigKeys l = {.wanted = key, .distance = SIZE_MAX};
        const char *last = "";
        size_t n_last = 0;

        for (const ConfigField *f = fields; f->key; f++) {
                const char *rest = f->key + strlen(prefix);
                size_t n;

                if (strncmp(f->key, prefix, strlen(prefix)) != 0)
                        continue;
                n = strcspn(rest, ".");
                if (n == n_last && strncmp(rest, last, n) == 0)
                        continue;
                config_keys_add(&l, rest, n);
                last = rest;
                n_last = n;
        }
        return config_keys_error(c, path, &l);
}

int config_field_load(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        Treatment *t = base;
        char range[80] = "";
        const char *value;
        int r;

        if (f->bit && !v) {
                t->set &= ~f->bit;
                return 0;
        }
        r = f->codec->load(c, path, f, base, v);
        if (r >= 0) {
                if (f->bit)
                        t->set |= f->bit;
                return 0;
        }
        if (r == -ENOMEM)
                return config_error(c->source, path, r, c->e, "out of memory");
        if (f->codec->range == RANGE_NUMBER)
                snprintf(range, sizeof(range), " from %.12g to %.12g", f->min, f->max);
        else if (f->codec->range == RANGE_DURATION) {
                char min[24], max[24];

                config_duration_format((usec_t)f->min, min, sizeof(min));
                config_duration_format((usec_t)f->max, max, sizeof(max));
                snprintf(range, sizeof(range), " from %s to %s", min, max);
        }
        value = json_object_to_json_string_ext(v, JSON_C_TO_STRING_NOSLASHESCAPE);
        return config_error(c->source, path, r, c->e, "must be %s%s, not %.60s", f->codec->accepted,
                            range, value ? value : "this");
}

const ConfigField *config_field_find(const ConfigField *fields, const char *prefix,
                                     const char *key) {
        size_t n = strlen(prefix);

        for (const ConfigField *f = fields; f->key; f++)
                if (strncmp(f->key, prefix, n) == 0 && streq(f->key + n, key))
                        return f;
        return NULL;
}

bool config_section_exists(const ConfigField *fields, const char *section) {
        for (const ConfigField *f = fields; f->key; f++)
                if (strncmp(f->key, section, strlen(section)) == 0)
                        return true;
        return false;
}

int config_object_load(const ConfigContext *c, const char *path, const ConfigField *fields,
                       const char *prefix, void *base, json_object *o) {
        if (!json_object_is_type(o, json_type_object))
                return config_error(c->source, path, -EINVAL, c->e, "must be an object {…}, not %s",
                                    json_type_to_name(json_object_get_type(o)));

        json_object_object_foreach(o, key, value) {
                char child[CONFIG_PATH_SIZE], section[CONFIG_PATH_SIZE];
                const ConfigField *f;
                int r;

                config_path_join(child, path, key);
                f = config_field_find(fields, prefix, key);
                if (f && !strchr(key, '.'))
                        r = config_field_load(c, child, f, base, value);
                else if (!strchr(key, '.') &&
                         snprintf(section, sizeof(section), "%s%s.", prefix, key) <
                                 CONFIG_PATH_SIZE &&
                         config_section_exists(fields, section))
                        r = config_object_load(c, child, fields, section, base, value);
                else
                        r = config_unknown_key(c, child, fields, prefix, key);
                if (r < 0)
                        return r;
        }
        return 0;
}

int config_object_put(json_object *o, const char *key, json_object *value) {
        if (value && json_object_object_add(o, key, value) >= 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

json_object *config_object_format(const ConfigField *fields, const void *base) {
        json_object *o = json_object_new_object();

        for (const ConfigField *f = fields; o && f->key; f++) {
                const Treatment *t = base;
                const char *dot = strchr(f->key, '.');
                json_object *at = o, *v;

                if (f->bit && !(t->set & f->bit))
                        continue;
                v = f->codec->format(f, base);
                if (!v)
                        continue;
                if (dot) {
                        char section[64];

                        snprintf(section, sizeof(section), "%.*s", (int)(dot - f->key), f->key);
                        if (!json_object_object_get_ex(o, section, &at)) {
                                at = json_object_new_object();
                                if (config_object_put(o, section, at) < 0)
                                        at = NULL;
                        }
                }
                if (!at || config_object_put(at, dot ? dot + 1 : f->key, v) < 0) {
                        json_object_put(o);
                        return NULL;
                }
        }
        return o;
}
