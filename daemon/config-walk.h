/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A JSON object to a struct and back, key by key as a table of ConfigFields says. A key with a dot
 * in it, "thresholds.dwell", is a key "dwell" in an object "thresholds". Not for use outside
 * config*.c.
 */

#include "daemon/config-value.h"

/* The keys of one level, and the one that was probably meant. */
typedef struct ConfigKeys {
        const char *wanted;
        char text[384];
        char nearest[64];
        size_t distance; /* SIZE_MAX to begin with */
} ConfigKeys;

void config_keys_add(ConfigKeys *l, const char *key, size_t n);
/* Says that the wanted key is none of them; returns -EINVAL. */
int config_keys_error(const ConfigContext *c, const char *path, ConfigKeys *l);

/* The same for the table's keys directly below prefix ("", "thresholds."): of "thresholds.dwell"
 * that is "thresholds" below "" and "dwell" below "thresholds.". */
int config_unknown_key(const ConfigContext *c, const char *path, const ConfigField *fields,
                       const char *prefix, const char *key);

void config_path_join(char path[CONFIG_PATH_SIZE], const char *parent, const char *key);

/* The field whose key is prefix and key together, or NULL. */
const ConfigField *config_field_find(const ConfigField *fields, const char *prefix,
                                     const char *key);
/* Whether any key begins with section, "thresholds.". */
bool config_section_exists(const ConfigField *fields, const char *section);

/* Return 0 or -errno with a message in c->e; base may be half changed then. */
int config_field_load(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v);
int config_object_load(const ConfigContext *c, const char *path, const ConfigField *fields,
                       const char *prefix, void *base, json_object *o);

/* NULL: out of memory. */
json_object *config_object_format(const ConfigField *fields, const void *base);

/* Adds value to o; drops it and returns -ENOMEM where that fails or value is NULL. */
int config_object_put(json_object *o, const char *key, json_object *value);
