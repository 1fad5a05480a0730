/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-value.h"

#include <errno.h>
#include <math.h>

#include "daemon/model-store.h"
#include "util/io.h"

#define USEC_PER_MINUTE (60 * USEC_PER_SEC)

/* ---- scalars ---- */

static int json_number(json_object *v, double *ret) {
        double d;

        if (!json_object_is_type(v, json_type_int) && !json_object_is_type(v, json_type_double))
                return -EINVAL;
        d = json_object_get_double(v);
        if (!isfinite(d))
                return -EINVAL;
        *ret = d;
        return 0;
}

static int json_integer_in(json_object *v, double min, double max, int64_t *ret) {
        double d;
        int r;

        r = json_number(v, &d);
        if (r < 0)
                return r;
        if (d < min || d > max)
                return -ERANGE;
        if (floor(d) < d)
                return -EINVAL;
        *ret = (int64_t)d;
        return 0;
}

const char *config_text(json_object *v) {
        const char *text;

        if (!json_object_is_type(v, json_type_string))
                return NULL;
        text = json_object_get_string(v);
        return strlen(text) == (size_t)json_object_get_string_len(v) ? text : NULL;
}

static const struct {
        const char *suffix;
        usec_t usec;
} duration_units[] = {
        /* The longer suffix first: "ms" also ends in "s". */
        {"min", USEC_PER_MINUTE},
        {"us", 1},
        {"ms", USEC_PER_MSEC},
        {"h", 60 * USEC_PER_MINUTE},
        {"d", 24 * 60 * USEC_PER_MINUTE},
        {"s", USEC_PER_SEC},
};

static int duration_parse(const char *text, double min, double max, usec_t *ret) {
        size_t n = strlen(text);
        char number[32];

        for (size_t i = 0; i < ELEMENTSOF(duration_units); i++) {
                size_t k = strlen(duration_units[i].suffix);
                double d;

                if (n <= k || !streq(text + n - k, duration_units[i].suffix))
                        continue;
                if (n - k >= sizeof(number) || text[0] < '0' || text[0] > '9' ||
                    strspn(text, "0123456789.") != n - k)
                        return -EINVAL;
                memcpy(number, text, n - k);
                number[n - k] = '\0';
                if (parse_double(number, 0, HUGE_VAL, &d) < 0)
                        return -EINVAL;
                d *= (double)duration_units[i].usec;
                if (d < min || d > max)
                        return -ERANGE;
                *ret = (usec_t)llround(d);
                return 0;
        }
        return -EINVAL;
}

void config_duration_format(usec_t t, char *buffer, size_t size) {
        size_t best = 1; /* us */

        for (size_t i = 0; i < ELEMENTSOF(duration_units); i++)
                if (t > 0 && t % duration_units[i].usec == 0 &&
                    duration_units[i].usec > duration_units[best].usec)
                        best = i;
        if (t == 0)
                best = ELEMENTSOF(duration_units) - 1;
        snprintf(buffer, size, "%" PRIu64 "%s", t / duration_units[best].usec,
                 duration_units[best].suffix);
}

static int load_duration(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                         json_object *v) {
        const char *text = config_text(v);

        return text ? duration_parse(text, f->min, f->max, config_field_at(f, base)) : -EINVAL;
}

static json_object *format_duration(const ConfigField *f, const void *base) {
        const usec_t *t = config_field_at_const(f, base);
        char text[32];

        config_duration_format(*t, text, sizeof(text));
        return json_object_new_string(text);
}

static int load_duration32(const ConfigContext *c, const char *path, const ConfigField *f,
                           void *base, json_object *v) {
        const char *text = config_text(v);
        usec_t t;
        int r;

        r = text ? duration_parse(text, f->min, f->max, &t) : -EINVAL;
        if (r >= 0)
                *(uint32_t *)config_field_at(f, base) = (uint32_t)t;
        return r;
}

static json_object *format_duration32(const ConfigField *f, const void *base) {
        const uint32_t *t = config_field_at_const(f, base);
        char text[32];

        config_duration_format(*t, text, sizeof(text));
        return json_object_new_string(text);
}

static int load_float(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        double d;
        int r;

        r = json_number(v, &d);
        if (r < 0)
                return r;
        if (d < f->min || d > f->max)
                return -ERANGE;
        *(float *)config_field_at(f, base) = (float)d;
        return 0;
}

/* The shortest text that reads back as the same float. */
static json_object *format_float(const ConfigField *f, const void *base) {
        const float *value = config_field_at_const(f, base);
        double d = (double)*value;
        char text[32];

        for (int digits = 1; digits <= 9; digits++) {
                float back;

                snprintf(text, sizeof(text), "%.*g", digits, d);
                back = (float)strtod(text, NULL);
                if (!(back < *value) && !(back > *value))
                        break;
        }
        return json_object_new_double_s(d, text);
}

static int load_u32(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                    json_object *v) {
        int64_t i;
        int r;

        r = json_integer_in(v, f->min, f->max, &i);
        if (r >= 0)
                *(uint32_t *)config_field_at(f, base) = (uint32_t)i;
        return r;
}

static json_object *format_u32(const ConfigField *f, const void *base) {
        return json_object_new_int64(*(const uint32_t *)config_field_at_const(f, base));
}

static int load_i8(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                   json_object *v) {
        int64_t i;
        int r;

        r = json_integer_in(v, f->min, f->max, &i);
        if (r >= 0)
                *(int8_t *)config_field_at(f, base) = (int8_t)i;
        return r;
}

static json_object *format_i8(const ConfigField *f, const void *base) {
        return json_object_new_int(*(const int8_t *)config_field_at_const(f, base));
}

static int load_string(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                       json_object *v) {
        const char *text = config_text(v);
        char *to = config_field_at(f, base);

        if (!text)
                return -EINVAL;
        if (strlen(text) >= f->size)
                return config_error(c->source, path, -ERANGE, c->e,
                                    "%zu bytes are too long, at most %zu fit", strlen(text),
                                    f->size - 1);
        memset(to, 0, f->size);
        snprintf(to, f->size, "%s", text);
        return 0;
}

static int load_cgroup(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                       json_object *v) {
        const char *text = config_text(v);

        return text && text[0] == '/' ? load_string(c, path, f, base, v) : -EINVAL;
}

static json_object *format_string(const ConfigField *f, const void *base) {
        const char *text = config_field_at_const(f, base);

        return text[0] ? json_object_new_string(text) : NULL;
}

static int load_bool(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                     json_object *v) {
        if (!json_object_is_type(v, json_type_boolean))
                return -EINVAL;
        *(bool *)config_field_at(f, base) = json_object_get_boolean(v);
        return 0;
}

static json_object *format_true(const ConfigField *f, const void *base) {
        return *(const bool *)config_field_at_const(f, base) ? json_object_new_boolean(true) : NULL;
}

const ConfigCodec codec_duration = {
        .accepted = "a duration such as \"200us\", \"500ms\", \"1.5s\", \"2min\"",
        .range = RANGE_DURATION,
        .is_text = true,
        .load = load_duration,
        .format = format_duration,
};
const ConfigCodec codec_duration32 = {
        .accepted = "a duration such as \"500us\" or \"3ms\"",
        .range = RANGE_DURATION,
        .is_text = true,
        .load = load_duration32,
        .format = format_duration32,
};
const ConfigCodec codec_float = {
        .accepted = "a number",
        .range = RANGE_NUMBER,
        .load = load_float,
        .format = format_float,
};
const ConfigCodec codec_u32 = {
        .accepted = "a whole number",
        .range = RANGE_NUMBER,
        .load = load_u32,
        .format = format_u32,
};
const ConfigCodec codec_i8 = {
        .accepted = "a whole number",
        .range = RANGE_NUMBER,
        .load = load_i8,
        .format = format_i8,
};
const ConfigCodec codec_string = {
        .accepted = "a text",
        .is_text = true,
        .load = load_string,
        .format = format_string,
};
const ConfigCodec codec_cgroup = {
        .accepted = "a path such as \"/system.slice\"",
        .is_text = true,
        .load = load_cgroup,
        .format = format_string,
};
const ConfigCodec codec_bool = {
        .accepted = "true or false",
        .load = load_bool,
        .format = format_true,
};

/* False is said as well: it is not the default. */
static json_object *format_switch(const ConfigField *f, const void *base) {
        return json_object_new_boolean(*(const bool *)config_field_at_const(f, base));
}

const ConfigCodec codec_switch = {
        .accepted = "true or false", .load = load_bool, .format = format_switch};

/* ---- words ---- */

static int load_mode(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                     json_object *v) {
        const char *text = config_text(v);
        int m = text ? mode_from_string(text) : -EINVAL;

        if (m < 0)
                return m;
        *(Mode *)config_field_at(f, base) = (Mode)m;
        return 0;
}

static json_object *format_mode(const ConfigField *f, const void *base) {
        return json_object_new_string(
                mode_to_string(*(const Mode *)config_field_at_const(f, base)));
}

static int load_on_stop(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                        json_object *v) {
        const char *text = config_text(v);

        if (!text || (!streq(text, "keep") && !streq(text, "restore")))
                return -EINVAL;
        *(bool *)config_field_at(f, base) = streq(text, "keep");
        return 0;
}

static json_object *format_on_stop(const ConfigField *f, const void *base) {
        return json_object_new_string(*(const bool *)config_field_at_const(f, base) ? "keep"
                                                                                    : "restore");
}

static int load_model(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        const char *text = config_text(v);

        if (!text || (text[0] && text[0] != '/' && !model_name_is_valid(text)))
                return -EINVAL;
        return load_string(c, path, f, base, v);
}

static json_object *format_model(const ConfigField *f, const void *base) {
        return json_object_new_string(config_field_at_const(f, base));
}

static int load_class(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        const char *text = config_text(v);
        int k = text ? class_from_string(text) : -EINVAL;

        if (k < 0)
                return -EINVAL;
        *(int *)config_field_at(f, base) = k;
        return 0;
}

static json_object *format_class(const ConfigField *f, const void *base) {
        int k = *(const int *)config_field_at_const(f, base);

        return k < 0 ? NULL : json_object_new_string(class_to_string((LoadClass)k));
}

static int load_uid(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                    json_object *v) {
        Rule *rule = base;
        int64_t i;
        int r;

        r = json_integer_in(v, f->min, f->max, &i);
        if (r < 0)
                return r;
        rule->uid = (uid_t)i;
        rule->has_uid = true;
        return 0;
}

static json_object *format_uid(const ConfigField *f, const void *base) {
        const Rule *rule = base;

        return rule->has_uid ? json_object_new_int64(rule->uid) : NULL;
}

const ConfigCodec codec_mode = {
        .accepted = "\"observe\", \"advise\" or \"enforce\"",
        .is_text = true,
        .load = load_mode,
        .format = format_mode,
};
const ConfigCodec codec_on_stop = {
        .accepted = "\"restore\" or \"keep\"",
        .is_text = true,
        .load = load_on_stop,
        .format = format_on_stop,
};
const ConfigCodec codec_model = {
        .accepted = "\"default\", \"rules\", the name of a model, or a manifest's absolute path",
        .is_text = true,
        .load = load_model,
        .format = format_model,
};
const ConfigCodec codec_class = {
        .accepted = "\"idle\", \"interactive\", \"server\", \"batch\", \"io\" or \"memory\"",
        .is_text = true,
        .load = load_class,
        .format = format_class,
};
const ConfigCodec codec_uid = {
        .accepted = "a user's number",
        .range = RANGE_NUMBER,
        .load = load_uid,
        .format = format_uid,
};
