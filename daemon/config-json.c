/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-json.h"

#include <errno.h>
#include <math.h>
#include <sched.h>

#include "util/io.h"

#define PATH_SIZE 320
#define SCOPE_MAX 256
#define RULES_MAX 4096
#define IOPRIO_BE 2
#define IOPRIO_IDLE 3
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)

typedef struct Field Field;

typedef struct Context {
        const ConfigSource *source;
        Error *e;
} Context;

typedef enum RangeKind { RANGE_NONE, RANGE_NUMBER, RANGE_DURATION } RangeKind;

/* How a kind of value is read and written. load: 0, or -errno; where it sets no text, field_load()
 * says what is accepted. format: NULL where there is nothing to say. */
typedef struct Codec {
        const char *accepted;
        RangeKind range;
        bool is_list; /* of strings: a setting separates them by commas */
        bool is_text; /* a setting's digits stay text */
        int (*load)(const Context *c, const char *path, const Field *f, void *base, json_object *v);
        json_object *(*format)(const Field *f, const void *base);
} Codec;

/* One key: where its value lives in the struct that the table is for. */
struct Field {
        const char *key;
        const Codec *codec;
        size_t offset;
        double min, max;
        uint32_t bit; /* in Treatment.set; null clears it */
        size_t size;  /* of a char array */
};

static void *field_at(const Field *f, void *base) {
        return (char *)base + f->offset;
}

static const void *field_at_const(const Field *f, const void *base) {
        return (const char *)base + f->offset;
}

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

/* A string without NUL in it, or NULL. */
static const char *json_text(json_object *v) {
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

static void duration_format(usec_t t, char *buffer, size_t size) {
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

static int load_duration(const Context *c, const char *path, const Field *f, void *base,
                         json_object *v) {
        const char *text = json_text(v);

        return text ? duration_parse(text, f->min, f->max, field_at(f, base)) : -EINVAL;
}

static json_object *format_duration(const Field *f, const void *base) {
        const usec_t *t = field_at_const(f, base);
        char text[32];

        duration_format(*t, text, sizeof(text));
        return json_object_new_string(text);
}

static int load_duration32(const Context *c, const char *path, const Field *f, void *base,
                           json_object *v) {
        const char *text = json_text(v);
        usec_t t;
        int r;

        r = text ? duration_parse(text, f->min, f->max, &t) : -EINVAL;
        if (r >= 0)
                *(uint32_t *)field_at(f, base) = (uint32_t)t;
        return r;
}

static json_object *format_duration32(const Field *f, const void *base) {
        const uint32_t *t = field_at_const(f, base);
        char text[32];

        duration_format(*t, text, sizeof(text));
        return json_object_new_string(text);
}

static int load_float(const Context *c, const char *path, const Field *f, void *base,
                      json_object *v) {
        double d;
        int r;

        r = json_number(v, &d);
        if (r < 0)
                return r;
        if (d < f->min || d > f->max)
                return -ERANGE;
        *(float *)field_at(f, base) = (float)d;
        return 0;
}

/* The shortest text that reads back as the same float. */
static json_object *format_float(const Field *f, const void *base) {
        const float *value = field_at_const(f, base);
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

static int load_u32(const Context *c, const char *path, const Field *f, void *base,
                    json_object *v) {
        int64_t i;
        int r;

        r = json_integer_in(v, f->min, f->max, &i);
        if (r >= 0)
                *(uint32_t *)field_at(f, base) = (uint32_t)i;
        return r;
}

static json_object *format_u32(const Field *f, const void *base) {
        return json_object_new_int64(*(const uint32_t *)field_at_const(f, base));
}

static int load_i8(const Context *c, const char *path, const Field *f, void *base, json_object *v) {
        int64_t i;
        int r;

        r = json_integer_in(v, f->min, f->max, &i);
        if (r >= 0)
                *(int8_t *)field_at(f, base) = (int8_t)i;
        return r;
}

static json_object *format_i8(const Field *f, const void *base) {
        return json_object_new_int(*(const int8_t *)field_at_const(f, base));
}

static int load_string(const Context *c, const char *path, const Field *f, void *base,
                       json_object *v) {
        const char *text = json_text(v);
        char *to = field_at(f, base);

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

static int load_cgroup(const Context *c, const char *path, const Field *f, void *base,
                       json_object *v) {
        const char *text = json_text(v);

        return text && text[0] == '/' ? load_string(c, path, f, base, v) : -EINVAL;
}

static json_object *format_string(const Field *f, const void *base) {
        const char *text = field_at_const(f, base);

        return text[0] ? json_object_new_string(text) : NULL;
}

static int load_bool(const Context *c, const char *path, const Field *f, void *base,
                     json_object *v) {
        if (!json_object_is_type(v, json_type_boolean))
                return -EINVAL;
        *(bool *)field_at(f, base) = json_object_get_boolean(v);
        return 0;
}

static json_object *format_true(const Field *f, const void *base) {
        return *(const bool *)field_at_const(f, base) ? json_object_new_boolean(true) : NULL;
}

static const Codec codec_duration = {
        .accepted = "a duration such as \"200us\", \"500ms\", \"1.5s\", \"2min\"",
        .range = RANGE_DURATION,
        .is_text = true,
        .load = load_duration,
        .format = format_duration,
};
static const Codec codec_duration32 = {
        .accepted = "a duration such as \"500us\" or \"3ms\"",
        .range = RANGE_DURATION,
        .is_text = true,
        .load = load_duration32,
        .format = format_duration32,
};
static const Codec codec_float = {
        .accepted = "a number",
        .range = RANGE_NUMBER,
        .load = load_float,
        .format = format_float,
};
static const Codec codec_u32 = {
        .accepted = "a whole number",
        .range = RANGE_NUMBER,
        .load = load_u32,
        .format = format_u32,
};
static const Codec codec_i8 = {
        .accepted = "a whole number",
        .range = RANGE_NUMBER,
        .load = load_i8,
        .format = format_i8,
};
static const Codec codec_string = {
        .accepted = "a text",
        .is_text = true,
        .load = load_string,
        .format = format_string,
};
static const Codec codec_cgroup = {
        .accepted = "a path such as \"/system.slice\"",
        .is_text = true,
        .load = load_cgroup,
        .format = format_string,
};
static const Codec codec_bool = {
        .accepted = "true or false",
        .load = load_bool,
        .format = format_true,
};

/* ---- words ---- */

static int load_mode(const Context *c, const char *path, const Field *f, void *base,
                     json_object *v) {
        const char *text = json_text(v);
        int m = text ? mode_from_string(text) : -EINVAL;

        if (m < 0)
                return m;
        *(Mode *)field_at(f, base) = (Mode)m;
        return 0;
}

static json_object *format_mode(const Field *f, const void *base) {
        return json_object_new_string(mode_to_string(*(const Mode *)field_at_const(f, base)));
}

static int load_on_stop(const Context *c, const char *path, const Field *f, void *base,
                        json_object *v) {
        const char *text = json_text(v);

        if (!text || (!streq(text, "keep") && !streq(text, "restore")))
                return -EINVAL;
        *(bool *)field_at(f, base) = streq(text, "keep");
        return 0;
}

static json_object *format_on_stop(const Field *f, const void *base) {
        return json_object_new_string(*(const bool *)field_at_const(f, base) ? "keep" : "restore");
}

static int load_model(const Context *c, const char *path, const Field *f, void *base,
                      json_object *v) {
        const char *text = json_text(v);

        if (!text ||
            (text[0] && text[0] != '/' && !streq(text, "rules") && !streq(text, "default")))
                return -EINVAL;
        return load_string(c, path, f, base, v);
}

static json_object *format_model(const Field *f, const void *base) {
        return json_object_new_string(field_at_const(f, base));
}

static int load_class(const Context *c, const char *path, const Field *f, void *base,
                      json_object *v) {
        const char *text = json_text(v);
        int k = text ? class_from_string(text) : -EINVAL;

        if (k < 0)
                return -EINVAL;
        *(int *)field_at(f, base) = k;
        return 0;
}

static json_object *format_class(const Field *f, const void *base) {
        int k = *(const int *)field_at_const(f, base);

        return k < 0 ? NULL : json_object_new_string(class_to_string((LoadClass)k));
}

static int load_uid(const Context *c, const char *path, const Field *f, void *base,
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

static json_object *format_uid(const Field *f, const void *base) {
        const Rule *rule = base;

        return rule->has_uid ? json_object_new_int64(rule->uid) : NULL;
}

static const Codec codec_mode = {
        .accepted = "\"observe\", \"advise\" or \"enforce\"",
        .is_text = true,
        .load = load_mode,
        .format = format_mode,
};
static const Codec codec_on_stop = {
        .accepted = "\"restore\" or \"keep\"",
        .is_text = true,
        .load = load_on_stop,
        .format = format_on_stop,
};
static const Codec codec_model = {
        .accepted = "\"default\", \"rules\" or a manifest's absolute path",
        .is_text = true,
        .load = load_model,
        .format = format_model,
};
static const Codec codec_class = {
        .accepted = "\"idle\", \"interactive\", \"server\", \"batch\", \"io\" or \"memory\"",
        .is_text = true,
        .load = load_class,
        .format = format_class,
};
static const Codec codec_uid = {
        .accepted = "a user's number",
        .range = RANGE_NUMBER,
        .load = load_uid,
        .format = format_uid,
};

/* ---- treatments ---- */

static const struct {
        const char *name;
        uint8_t policy;
} sched_names[] = {
        {"other", SCHED_OTHER},
        {"batch", SCHED_BATCH},
        {"idle", SCHED_IDLE},
};

static int load_sched(const Context *c, const char *path, const Field *f, void *base,
                      json_object *v) {
        const char *text = json_text(v);

        for (size_t i = 0; text && i < ELEMENTSOF(sched_names); i++)
                if (streq(text, sched_names[i].name)) {
                        *(uint8_t *)field_at(f, base) = sched_names[i].policy;
                        return 0;
                }
        return -EINVAL;
}

static json_object *format_sched(const Field *f, const void *base) {
        for (size_t i = 0; i < ELEMENTSOF(sched_names); i++)
                if (sched_names[i].policy == *(const uint8_t *)field_at_const(f, base))
                        return json_object_new_string(sched_names[i].name);
        return NULL;
}

static int load_ioprio(const Context *c, const char *path, const Field *f, void *base,
                       json_object *v) {
        const char *text = json_text(v);
        Treatment *t = base;

        if (!text)
                return -EINVAL;
        if (streq(text, "idle")) {
                t->ioprio_class = IOPRIO_IDLE;
                t->ioprio_level = 0;
                return 0;
        }
        if (strncmp(text, "be:", 3) != 0 || text[3] < '0' || text[3] > '7' || text[4])
                return -EINVAL;
        t->ioprio_class = IOPRIO_BE;
        t->ioprio_level = (uint8_t)(text[3] - '0');
        return 0;
}

static json_object *format_ioprio(const Field *f, const void *base) {
        const Treatment *t = base;
        char text[16];

        if (t->ioprio_class == IOPRIO_IDLE)
                return json_object_new_string("idle");
        snprintf(text, sizeof(text), "be:%u", t->ioprio_level);
        return json_object_new_string(text);
}

/* "0-1,3" as the kernel writes lists of CPUs. */
static int load_cpus(const Context *c, const char *path, const Field *f, void *base,
                     json_object *v) {
        const char *text = json_text(v);
        uint64_t cpus = 0;

        for (const char *p = text; p;) {
                size_t n = strcspn(p, ",");
                char part[16], *dash;
                uint64_t first, last;

                if (n >= sizeof(part))
                        return -EINVAL;
                memcpy(part, p, n);
                part[n] = '\0';
                dash = strchr(part, '-');
                if (dash)
                        *dash++ = '\0';
                if (parse_u64(part, 0, 63, &first) < 0 ||
                    parse_u64(dash ? dash : part, first, 63, &last) < 0)
                        return -EINVAL;
                for (uint64_t i = first; i <= last; i++)
                        cpus |= UINT64_C(1) << i;
                p = p[n] ? p + n + 1 : NULL;
        }
        if (!cpus)
                return -EINVAL;
        *(uint64_t *)field_at(f, base) = cpus;
        return 0;
}

static json_object *format_cpus(const Field *f, const void *base) {
        uint64_t cpus = *(const uint64_t *)field_at_const(f, base);
        char text[256] = "";
        size_t n = 0;

        for (int i = 0; i < 64; i++) {
                int last = i;

                if (!(cpus >> i & 1))
                        continue;
                while (last < 63 && (cpus >> (last + 1) & 1))
                        last++;
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", n ? "," : "", i);
                if (last > i)
                        n += (size_t)snprintf(text + n, sizeof(text) - n, "-%d", last);
                i = last;
        }
        return json_object_new_string(text);
}

/* 0 stands for cpu.idle. */
static int load_cpu_weight(const Context *c, const char *path, const Field *f, void *base,
                           json_object *v) {
        const char *text = json_text(v);

        if (!text)
                return load_u32(c, path, f, base, v);
        if (!streq(text, "idle"))
                return -EINVAL;
        *(uint32_t *)field_at(f, base) = 0;
        return 0;
}

static json_object *format_cpu_weight(const Field *f, const void *base) {
        return *(const uint32_t *)field_at_const(f, base) == 0 ? json_object_new_string("idle")
                                                               : format_u32(f, base);
}

static const Codec codec_sched = {
        .accepted = "\"other\", \"batch\" or \"idle\"",
        .is_text = true,
        .load = load_sched,
        .format = format_sched,
};
static const Codec codec_ioprio = {
        .accepted = "\"be:0\" to \"be:7\" or \"idle\"",
        .is_text = true,
        .load = load_ioprio,
        .format = format_ioprio,
};
static const Codec codec_cpus = {
        .accepted = "CPUs 0 to 63 such as \"0-1,3\"",
        .is_text = true,
        .load = load_cpus,
        .format = format_cpus,
};
static const Codec codec_cpu_weight = {
        .accepted = "\"idle\" or a whole number",
        .range = RANGE_NUMBER,
        .load = load_cpu_weight,
        .format = format_cpu_weight,
};

#define T(member) offsetof(Treatment, member)
static const Field treatment_fields[] = {
        {"nice", &codec_i8, T(nice), 0, 19, TREAT_NICE, 0},
        {"sched", &codec_sched, T(sched), 0, 0, TREAT_SCHED, 0},
        {"slice", &codec_duration32, T(slice_usec), 100, 100000, TREAT_SLICE, 0},
        {"ioprio", &codec_ioprio, T(ioprio_class), 0, 0, TREAT_IOPRIO, 0},
        {"cpus", &codec_cpus, T(cpus), 0, 0, TREAT_CPUS, 0},
        {"autogroup_nice", &codec_i8, T(autogroup_nice), 0, 19, TREAT_AUTOGROUP, 0},
        {"cpu_weight", &codec_cpu_weight, T(cpu_weight), 1, 10000, TREAT_CPU_WEIGHT, 0},
        {"io_weight", &codec_u32, T(io_weight), 1, 10000, TREAT_IO_WEIGHT, 0},
        {0},
};

/* ---- the walk ---- */

static void path_join(char path[PATH_SIZE], const char *parent, const char *key) {
        int n = snprintf(path, PATH_SIZE, "%s%s%s", parent, parent[0] ? "." : "", key);

        if (n >= PATH_SIZE)
                memcpy(path + PATH_SIZE - 4, "...", 4);
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

/* The keys of one level, and the one that was probably meant. */
typedef struct KeyList {
        const char *wanted;
        char text[384];
        char nearest[64];
        size_t distance;
} KeyList;

static void key_list_add(KeyList *l, const char *key, size_t n) {
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

static int key_list_error(const Context *c, const char *path, KeyList *l) {
        bool near = l->distance <= 1 + strlen(l->wanted) / 4;

        return config_error(c->source, path, -EINVAL, c->e, "unknown key%s%s%s accepted here: %s",
                            near ? ", did you mean \"" : "", near ? l->nearest : "",
                            near ? "\"?" : ";", l->text);
}

/* Keys directly below prefix ("", "thresholds."): "thresholds.dwell" is "thresholds" below "". */
static int unknown_key(const Context *c, const char *path, const Field *fields, const char *prefix,
                       const char *key) {
        KeyList l = {.wanted = key, .distance = SIZE_MAX};
        const char *last = "";
        size_t n_last = 0;

        for (const Field *f = fields; f->key; f++) {
                const char *rest = f->key + strlen(prefix);
                size_t n;

                if (strncmp(f->key, prefix, strlen(prefix)) != 0)
                        continue;
                n = strcspn(rest, ".");
                if (n == n_last && strncmp(rest, last, n) == 0)
                        continue;
                key_list_add(&l, rest, n);
                last = rest;
                n_last = n;
        }
        return key_list_error(c, path, &l);
}

static int field_load(const Context *c, const char *path, const Field *f, void *base,
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

                duration_format((usec_t)f->min, min, sizeof(min));
                duration_format((usec_t)f->max, max, sizeof(max));
                snprintf(range, sizeof(range), " from %s to %s", min, max);
        }
        value = json_object_to_json_string_ext(v, JSON_C_TO_STRING_NOSLASHESCAPE);
        return config_error(c->source, path, r, c->e, "must be %s%s, not %.60s", f->codec->accepted,
                            range, value ? value : "this");
}

static const Field *field_find(const Field *fields, const char *prefix, const char *key) {
        size_t n = strlen(prefix);

        for (const Field *f = fields; f->key; f++)
                if (strncmp(f->key, prefix, n) == 0 && streq(f->key + n, key))
                        return f;
        return NULL;
}

static bool section_exists(const Field *fields, const char *section) {
        for (const Field *f = fields; f->key; f++)
                if (strncmp(f->key, section, strlen(section)) == 0)
                        return true;
        return false;
}

static int object_load(const Context *c, const char *path, const Field *fields, const char *prefix,
                       void *base, json_object *o) {
        if (!json_object_is_type(o, json_type_object))
                return config_error(c->source, path, -EINVAL, c->e, "must be an object {…}, not %s",
                                    json_type_to_name(json_object_get_type(o)));

        json_object_object_foreach(o, key, value) {
                char child[PATH_SIZE], section[PATH_SIZE];
                const Field *f;
                int r;

                path_join(child, path, key);
                f = field_find(fields, prefix, key);
                if (f && !strchr(key, '.'))
                        r = field_load(c, child, f, base, value);
                else if (!strchr(key, '.') &&
                         snprintf(section, sizeof(section), "%s%s.", prefix, key) < PATH_SIZE &&
                         section_exists(fields, section))
                        r = object_load(c, child, fields, section, base, value);
                else
                        r = unknown_key(c, child, fields, prefix, key);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Adds value to o, or drops it where that fails. */
static int object_put(json_object *o, const char *key, json_object *value) {
        if (value && json_object_object_add(o, key, value) >= 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

static json_object *object_format(const Field *fields, const void *base) {
        json_object *o = json_object_new_object();

        for (const Field *f = fields; o && f->key; f++) {
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
                                if (object_put(o, section, at) < 0)
                                        at = NULL;
                        }
                }
                if (!at || object_put(at, dot ? dot + 1 : f->key, v) < 0) {
                        json_object_put(o);
                        return NULL;
                }
        }
        return o;
}

/* ---- composite values ---- */

/* The whole treatment is replaced: what one reads in the last file is what holds. */
static int load_treatment(const Context *c, const char *path, const Field *f, void *base,
                          json_object *v) {
        Treatment t = {0};
        int r;

        if (v) {
                r = object_load(c, path, treatment_fields, "", &t, v);
                if (r < 0)
                        return r;
        }
        *(Treatment *)field_at(f, base) = t;
        return 0;
}

static json_object *format_treatment(const Field *f, const void *base) {
        return object_format(treatment_fields, field_at_const(f, base));
}

static int load_rule_treatment(const Context *c, const char *path, const Field *f, void *base,
                               json_object *v) {
        Rule *rule = base;

        rule->has_treatment = v != NULL;
        return load_treatment(c, path, f, base, v);
}

static json_object *format_rule_treatment(const Field *f, const void *base) {
        const Rule *rule = base;

        return rule->has_treatment ? format_treatment(f, base) : NULL;
}

static const Codec codec_treatment = {
        .accepted = "an object {…} or null",
        .load = load_treatment,
        .format = format_treatment,
};
static const Codec codec_rule_treatment = {
        .accepted = "an object {…} or null",
        .load = load_rule_treatment,
        .format = format_rule_treatment,
};

static int load_scope(const Context *c, const char *path, const Field *f, void *base,
                      json_object *v) {
        _cleanup_free_
        ScopeEntry *scope = NULL;
        Policy *p = base;
        size_t n;

        if (!json_object_is_type(v, json_type_array))
                return -EINVAL;
        n = json_object_array_length(v);
        if (n > SCOPE_MAX)
                return config_error(c->source, path, -E2BIG, c->e, "at most %d entries", SCOPE_MAX);
        if (n > 0) {
                scope = calloc(n, sizeof(*scope));
                if (!scope)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                const char *text = json_text(json_object_array_get_idx(v, i));
                Error inner = ERROR_INIT;
                int r;

                if (!text)
                        return -EINVAL;
                r = scope_parse(text, &scope[i], &inner);
                if (r < 0)
                        return config_error(c->source, path, r, c->e, "%s",
                                            inner.text[0] ? inner.text : "not a scope");
        }
        free(p->scope);
        p->scope = TAKE_PTR(scope);
        p->n_scope = n;
        return 0;
}

static json_object *format_scope(const Field *f, const void *base) {
        json_object *a = json_object_new_array();
        const Policy *p = base;

        for (size_t i = 0; a && i < p->n_scope; i++) {
                json_object *entry;
                char text[320];

                scope_format(&p->scope[i], text, sizeof(text));
                entry = json_object_new_string(text);
                if (!entry || json_object_array_add(a, entry) < 0) {
                        json_object_put(entry);
                        json_object_put(a);
                        return NULL;
                }
        }
        return a;
}

#define R(member) offsetof(Rule, member), 0, 0, 0, sizeof(((Rule *)NULL)->member)
static const Field rule_fields[] = {
        {"name", &codec_string, R(name)},
        {"match.comm", &codec_string, R(comm)},
        {"match.exe", &codec_string, R(exe)},
        {"match.unit", &codec_string, R(unit)},
        {"match.cgroup", &codec_cgroup, R(cgroup)},
        {"match.uid", &codec_uid, offsetof(Rule, uid), 0, 4294967294.0, 0, 0},
        {"exempt", &codec_bool, R(exempt)},
        {"class", &codec_class, R(load_class)},
        {"treatment", &codec_rule_treatment, R(treatment)},
        {"origin", &codec_string, R(origin)},
        {0},
};

static int rule_load(const Context *c, const char *path, json_object *o, Rule *ret) {
        Rule rule = {.load_class = -1};
        int r;

        r = object_load(c, path, rule_fields, "", &rule, o);
        if (r < 0)
                return r;
        if (!rule.name[0])
                return config_error(c->source, path, -EINVAL, c->e,
                                    "a rule needs a \"name\" that says why it is there");
        if (!rule.comm[0] && !rule.exe[0] && !rule.unit[0] && !rule.cgroup[0] && !rule.has_uid)
                return config_error(
                        c->source, path, -EINVAL, c->e,
                        "rule \"%s\" matches nothing: \"match\" needs at least one of comm, exe, "
                        "unit, cgroup, uid",
                        rule.name);
        if (rule.exempt && (rule.load_class >= 0 || rule.has_treatment))
                return config_error(
                        c->source, path, -EINVAL, c->e,
                        "rule \"%s\" exempts and treats at once: \"exempt\" stands alone",
                        rule.name);
        if (!rule.exempt && rule.load_class < 0 && !rule.has_treatment)
                return config_error(c->source, path, -EINVAL, c->e,
                                    "rule \"%s\" says nothing: it needs \"exempt\": true, "
                                    "\"class\" or \"treatment\"",
                                    rule.name);
        if (!rule.origin[0])
                snprintf(rule.origin, sizeof(rule.origin), "%s",
                         c->source->name ? c->source->name : "");
        *ret = rule;
        return 0;
}

/* Rules of a later document go behind those that are there. */
static int load_rules(const Context *c, const char *path, const Field *f, void *base,
                      json_object *v) {
        Policy *p = base;
        Rule *rules;
        size_t n;

        if (!json_object_is_type(v, json_type_array))
                return -EINVAL;
        n = json_object_array_length(v);
        if (n == 0)
                return 0;
        if (n > RULES_MAX - MIN(p->n_rules, (size_t)RULES_MAX))
                return config_error(c->source, path, -E2BIG, c->e, "at most %d rules in all",
                                    RULES_MAX);
        rules = realloc(p->rules, (p->n_rules + n) * sizeof(*rules));
        if (!rules)
                return -ENOMEM;
        p->rules = rules;
        for (size_t i = 0; i < n; i++) {
                char child[PATH_SIZE];
                int r;

                snprintf(child, sizeof(child), "%s[%zu]", path, i);
                r = rule_load(c, child, json_object_array_get_idx(v, i), &rules[p->n_rules]);
                if (r < 0)
                        return r;
                p->n_rules++;
        }
        return 0;
}

static json_object *format_rules(const Field *f, const void *base) {
        json_object *a = json_object_new_array();
        const Policy *p = base;

        for (size_t i = 0; a && i < p->n_rules; i++) {
                json_object *rule = object_format(rule_fields, &p->rules[i]);

                if (!rule || json_object_array_add(a, rule) < 0) {
                        json_object_put(rule);
                        json_object_put(a);
                        return NULL;
                }
        }
        return a;
}

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

static int when_from_json(const Context *c, const char *path, json_object *v, int *ret) {
        const char *text = json_text(v);

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

static int tunable_put(const Context *c, const char *path, Policy *p, const Tunable *t,
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
static int tunable_load(const Context *c, const char *path, Policy *p, const Tunable *t,
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
                        KeyList l = {.wanted = key, .distance = SIZE_MAX};
                        char child[PATH_SIZE];
                        int r;

                        path_join(child, path, key);
                        if (streq(key, "value")) {
                                value = member;
                                continue;
                        }
                        if (!streq(key, "when")) {
                                key_list_add(&l, "value", 5);
                                key_list_add(&l, "when", 4);
                                return key_list_error(c, child, &l);
                        }
                        r = when_from_json(c, child, member, &when);
                        if (r < 0)
                                return r;
                }
        }
        if (json_object_is_type(value, json_type_int))
                text = json_object_to_json_string(value);
        else
                text = json_text(value);
        if (!text)
                return config_error(c->source, path, -EINVAL, c->e,
                                    "must be a whole number, a text, or {\"value\": …, \"when\": "
                                    "\"always|cpu|io|memory\"}");
        return tunable_put(c, path, p, t, text, when);
}

static int unknown_tunable(const Context *c, const char *path, const char *key) {
        KeyList l = {.wanted = key, .distance = SIZE_MAX};

        for (const Tunable *t = tunable_table; t->name; t++)
                key_list_add(&l, t->name, strlen(t->name));
        return key_list_error(c, path, &l);
}

static int load_tunables(const Context *c, const char *path, const Field *f, void *base,
                         json_object *v) {
        if (!json_object_is_type(v, json_type_object))
                return -EINVAL;

        json_object_object_foreach(v, key, value) {
                const Tunable *t = tunable_find(key);
                char child[PATH_SIZE];
                int r;

                path_join(child, path, key);
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

static json_object *format_tunables(const Field *f, const void *base) {
        json_object *o = json_object_new_object();
        const Policy *p = base;

        for (size_t i = 0; o && i < p->n_tunables; i++) {
                const TunableSetting *s = &p->tunables[i];
                json_object *v = tunable_format_value(s);

                if (v && s->when >= 0) {
                        json_object *pair = json_object_new_object();

                        if (!pair || object_put(pair, "value", v) < 0 ||
                            object_put(pair, "when",
                                       json_object_new_string(when_to_string(s->when))) < 0) {
                                json_object_put(pair);
                                pair = NULL;
                        }
                        v = pair;
                }
                if (object_put(o, s->tunable->name, v) < 0) {
                        json_object_put(o);
                        return NULL;
                }
        }
        return o;
}

static const Codec codec_scope = {
        .accepted =
                "a list of texts such as [\"machine\"] or [\"unit:backup*.service\", \"uid:1000\"]",
        .is_list = true,
        .is_text = true,
        .load = load_scope,
        .format = format_scope,
};
static const Codec codec_rules = {
        .accepted = "a list of rules [{…}]",
        .load = load_rules,
        .format = format_rules,
};
static const Codec codec_tunables = {
        .accepted = "an object {…}",
        .load = load_tunables,
        .format = format_tunables,
};

/* The one truth about keys: loading, settings and printing all go by it. */
#define P(member) offsetof(Policy, member)
#define H(member) offsetof(Policy, thresholds.member)
#define C(class) offsetof(Policy, treatment) + (class) * sizeof(Treatment)
static const Field policy_fields[] = {
        {"mode", &codec_mode, P(mode), 0, 0, 0, 0},
        {"on_stop", &codec_on_stop, P(keep_on_stop), 0, 0, 0, 0},
        {"model", &codec_model, P(model), 0, 0, 0, sizeof(((Policy *)NULL)->model)},
        {"scope", &codec_scope, 0, 0, 0, 0, 0},
        {"interval", &codec_duration, H(interval), 100e3, 60e6, 0, 0},
        {"thresholds.confidence", &codec_float, H(confidence), 0, 1, 0, 0},
        {"thresholds.delay_share", &codec_float, H(delay_share), 0, 1000, 0, 0},
        {"thresholds.delay_per_slice", &codec_duration, H(delay_per_slice), 0, 10e6, 0, 0},
        {"thresholds.busy_share", &codec_float, H(busy_share), 0, 1, 0, 0},
        {"thresholds.io_pressure", &codec_float, H(io_pressure), 0, 1, 0, 0},
        {"thresholds.memory_pressure", &codec_float, H(memory_pressure), 0, 1, 0, 0},
        {"thresholds.hog_share", &codec_float, H(hog_share), 0, 1000, 0, 0},
        {"thresholds.contention_after", &codec_duration, H(contention_after), 0, 3600e6, 0, 0},
        {"thresholds.dwell", &codec_duration, H(dwell), 0, 3600e6, 0, 0},
        {"thresholds.release_after", &codec_duration, H(release_after), 0, 3600e6, 0, 0},
        {"thresholds.cool_down", &codec_duration, H(cool_down), 0, 86400e6, 0, 0},
        {"thresholds.changes_per_minute", &codec_u32, H(changes_per_minute), 0, 100000, 0, 0},
        {"thresholds.nice_max", &codec_i8, H(nice_max), 0, 19, 0, 0},
        {"classes.idle", &codec_treatment, C(CLASS_IDLE), 0, 0, 0, 0},
        {"classes.interactive", &codec_treatment, C(CLASS_INTERACTIVE), 0, 0, 0, 0},
        {"classes.server", &codec_treatment, C(CLASS_SERVER), 0, 0, 0, 0},
        {"classes.batch", &codec_treatment, C(CLASS_BATCH), 0, 0, 0, 0},
        {"classes.io", &codec_treatment, C(CLASS_IO), 0, 0, 0, 0},
        {"classes.memory", &codec_treatment, C(CLASS_MEMORY), 0, 0, 0, 0},
        {"rules", &codec_rules, 0, 0, 0, 0, 0},
        {"tunables", &codec_tunables, 0, 0, 0, 0, 0},
        {0},
};

_Static_assert(_CLASS_COUNT == 6, "a class more or less: policy_fields has a line for each");

/* ---- settings ---- */

static json_object *list_from_text(const char *text) {
        json_object *a = json_object_new_array();

        for (const char *p = text; a && *p;) {
                size_t n = strcspn(p, ",");
                json_object *entry = json_object_new_string_len(p, (int)n);

                if (!entry || json_object_array_add(a, entry) < 0) {
                        json_object_put(entry);
                        json_object_put(a);
                        return NULL;
                }
                p += n;
                if (*p == ',' && !*++p) /* a comma at the end: one more, empty entry */
                        json_object_array_add(a, json_object_new_string(""));
        }
        return a;
}

/* What the text would be in JSON. 0 and NULL for nothing (null), or -ENOMEM. */
static int value_from_text(const Codec *codec, const char *text, json_object **ret) {
        json_object *v;
        double d;
        int64_t i;

        if (codec->is_list)
                v = list_from_text(text);
        else if (!text[0] && !codec->is_text) {
                *ret = NULL;
                return 0;
        } else if (!codec->is_text && parse_i64(text, INT64_MIN, INT64_MAX, &i) >= 0)
                v = json_object_new_int64(i);
        else if (!codec->is_text && parse_double(text, -HUGE_VAL, HUGE_VAL, &d) >= 0)
                v = json_object_new_double(d);
        else
                v = json_object_new_string(text);
        *ret = v;
        return v ? 0 : -ENOMEM;
}

static void json_putp(json_object **o) {
        json_object_put(*o);
}

static int field_set(const Context *c, const char *key, const Field *f, void *base,
                     const char *text) {
        _cleanup_(json_putp)
        json_object *v = NULL;
        int r;

        /* Nothing unsets a part of a treatment. */
        if (f->bit && !text[0])
                return field_load(c, key, f, base, NULL);
        r = value_from_text(f->codec, text, &v);
        if (r < 0)
                return config_error(c->source, key, r, c->e, "out of memory");
        return field_load(c, key, f, base, v);
}

/* tunables.NAME=VALUE, tunables.NAME= and tunables.NAME.when=io */
static int tunable_set(const Context *c, const char *key, Policy *p, const char *value) {
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
                        _cleanup_(json_putp)
                        json_object *v = json_object_new_string(value);

                        return when_from_json(c, key, v, &p->tunables[i].when);
                }
        }
        return unknown_tunable(c, key, name);
}

static int unknown_setting(const Context *c, const char *key, const Field *fields,
                           const char *below) {
        const char *rest = key + strlen(below), *dot = strchr(rest, '.');
        char section[PATH_SIZE], word[PATH_SIZE];

        /* thresholds.confidnce: what thresholds holds is more help than the list of sections. */
        if (dot && fields == policy_fields) {
                snprintf(section, sizeof(section), "%.*s", (int)(dot + 1 - key), key);
                if (section_exists(fields, section)) {
                        snprintf(word, sizeof(word), "%.*s", (int)strcspn(dot + 1, "."), dot + 1);
                        return unknown_key(c, key, fields, section, word);
                }
        }
        snprintf(word, sizeof(word), "%s", rest);
        return unknown_key(c, key, fields, "", word);
}

int config_policy_set(Policy *p, const char *key, const char *value, Error *e) {
        const ConfigSource source = {.name = NULL};
        const Context c = {&source, e};
        const Field *f = field_find(policy_fields, "", key);
        char below[64];

        if (strlen(key) >= PATH_SIZE)
                return config_error(&source, "", -EINVAL, e, "the key \"%.60s…\" is too long", key);
        if (f && f->codec == &codec_rules)
                return config_error(&source, key, -EINVAL, e,
                                    "rules cannot be set one by one; put them into a file in "
                                    "policy.d and reload");
        if (f && f->codec == &codec_tunables)
                return config_error(&source, key, -EINVAL, e,
                                    "needs a name: tunables.NAME=VALUE, such as "
                                    "tunables.vm.swappiness=10");
        if (f && f->codec == &codec_treatment) {
                if (value[0])
                        return config_error(&source, key, -EINVAL, e,
                                            "set its parts, such as %s.nice=10; an empty value "
                                            "means no treatment",
                                            key);
                return field_load(&c, key, f, p, NULL);
        }
        if (f)
                return field_set(&c, key, f, p, value);
        if (strncmp(key, "tunables.", strlen("tunables.")) == 0)
                return tunable_set(&c, key, p, value);
        for (f = policy_fields; f->key; f++) {
                const Field *part;

                if (f->codec != &codec_treatment)
                        continue;
                snprintf(below, sizeof(below), "%s.", f->key);
                if (strncmp(key, below, strlen(below)) != 0)
                        continue;
                part = field_find(treatment_fields, "", key + strlen(below));
                return part ? field_set(&c, key, part, field_at(f, p), value)
                            : unknown_setting(&c, key, treatment_fields, below);
        }
        return unknown_setting(&c, key, policy_fields, "");
}

int config_policy_load(Policy *p, json_object *o, const ConfigSource *s, Error *e) {
        const Context c = {s, e};

        return object_load(&c, "", policy_fields, "", p, o);
}

json_object *config_policy_format(const Policy *p) {
        return object_format(policy_fields, p);
}
