/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One JSON value to one member of a struct and back. A table of ConfigFields says which keys a
 * struct has, where each of them lives in it and by which codec it is read and written. Not for use
 * outside config*.c.
 */

#include <stddef.h>

#include "daemon/config-json.h"

/* "thresholds.confidence", "rules[2].match.comm": longer paths are cut in messages. */
#define CONFIG_PATH_SIZE 320

typedef struct ConfigField ConfigField;

/* Where values come from, and where complaints go. */
typedef struct ConfigContext {
        const ConfigSource *source;
        Error *e;
} ConfigContext;

typedef enum RangeKind { RANGE_NONE, RANGE_NUMBER, RANGE_DURATION } RangeKind;

/* How a kind of value is read and written. load: 0, or -errno; where it sets no text,
 * config_field_load() says what is accepted. format: NULL where there is nothing to say. */
typedef struct ConfigCodec {
        const char *accepted;
        RangeKind range;
        bool is_list; /* of strings: a setting separates them by commas */
        bool is_text; /* a setting's digits stay text */
        int (*load)(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                    json_object *v);
        json_object *(*format)(const ConfigField *f, const void *base);
} ConfigCodec;

/* One key: where its value lives in the struct that the table is for. Tables end with {0}. */
struct ConfigField {
        const char *key;
        const ConfigCodec *codec;
        size_t offset;
        double min, max;
        uint32_t bit; /* in Treatment.set; null clears it */
        size_t size;  /* of a char array */
};

static inline void *config_field_at(const ConfigField *f, void *base) {
        return (char *)base + f->offset;
}

static inline const void *config_field_at_const(const ConfigField *f, const void *base) {
        return (const char *)base + f->offset;
}

/* A string without NUL in it, or NULL. */
const char *config_text(json_object *v);

/* In the largest unit that leaves no fraction: "1500ms". */
void config_duration_format(usec_t t, char *buffer, size_t size);

/* The member's type: usec_t, uint32_t (µs), float, uint32_t, int8_t, bool; a
 * switch is a bool whose default need not be false. */
extern const ConfigCodec codec_duration, codec_duration32, codec_float, codec_u32, codec_i8,
        codec_bool, codec_switch;
/* A char array: any text, an absolute path, the name of a model. */
extern const ConfigCodec codec_string, codec_cgroup, codec_model;
/* Mode; bool for "keep"; int, a LoadClass or -1; Rule.uid with Rule.has_uid. */
extern const ConfigCodec codec_mode, codec_on_stop, codec_class, codec_uid;
