/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-treatment.h"

#include <errno.h>
#include <sched.h>

#include "daemon/config-walk.h"
#include "util/io.h"

#define IOPRIO_BE 2
#define IOPRIO_IDLE 3

static const struct {
        const char *name;
        uint8_t policy;
} sched_names[] = {
        {"other", SCHED_OTHER},
        {"batch", SCHED_BATCH},
        {"idle", SCHED_IDLE},
};

static int load_sched(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        const char *text = config_text(v);

        for (size_t i = 0; text && i < ELEMENTSOF(sched_names); i++)
                if (streq(text, sched_names[i].name)) {
                        *(uint8_t *)config_field_at(f, base) = sched_names[i].policy;
                        return 0;
                }
        return -EINVAL;
}

static json_object *format_sched(const ConfigField *f, const void *base) {
        for (size_t i = 0; i < ELEMENTSOF(sched_names); i++)
                if (sched_names[i].policy == *(const uint8_t *)config_field_at_const(f, base))
                        return json_object_new_string(sched_names[i].name);
        return NULL;
}

static int load_ioprio(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                       json_object *v) {
        const char *text = config_text(v);
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

static json_object *format_ioprio(const ConfigField *f, const void *base) {
        const Treatment *t = base;
        char text[16];

        if (t->ioprio_class == IOPRIO_IDLE)
                return json_object_new_string("idle");
        snprintf(text, sizeof(text), "be:%u", t->ioprio_level);
        return json_object_new_string(text);
}

/* "0-1,3" as the kernel writes lists of CPUs. */
static int load_cpus(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                     json_object *v) {
        const char *text = config_text(v);
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
        *(uint64_t *)config_field_at(f, base) = cpus;
        return 0;
}

static json_object *format_cpus(const ConfigField *f, const void *base) {
        uint64_t cpus = *(const uint64_t *)config_field_at_const(f, base);
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
static int load_cpu_weight(const ConfigContext *c, const char *path, const ConfigField *f,
                           void *base, json_object *v) {
        const char *text = config_text(v);

        if (!text)
                return codec_u32.load(c, path, f, base, v);
        if (!streq(text, "idle"))
                return -EINVAL;
        *(uint32_t *)config_field_at(f, base) = 0;
        return 0;
}

static json_object *format_cpu_weight(const ConfigField *f, const void *base) {
        return *(const uint32_t *)config_field_at_const(f, base) == 0
                       ? json_object_new_string("idle")
                       : codec_u32.format(f, base);
}

/* "aikm.slice" is the only place there is; naming it leaves room for others. */
static int load_aikm_slice(const ConfigContext *c, const char *path, const ConfigField *f,
                           void *base, json_object *v) {
        const char *text = config_text(v);

        return text && streq(text, "aikm.slice") ? 0 : -EINVAL;
}

static json_object *format_aikm_slice(const ConfigField *f, const void *base) {
        return json_object_new_string("aikm.slice");
}

static const ConfigCodec codec_aikm_slice = {
        .accepted = "\"aikm.slice\"",
        .is_text = true,
        .load = load_aikm_slice,
        .format = format_aikm_slice,
};
static const ConfigCodec codec_sched = {
        .accepted = "\"other\", \"batch\" or \"idle\"",
        .is_text = true,
        .load = load_sched,
        .format = format_sched,
};
static const ConfigCodec codec_ioprio = {
        .accepted = "\"be:0\" to \"be:7\" or \"idle\"",
        .is_text = true,
        .load = load_ioprio,
        .format = format_ioprio,
};
static const ConfigCodec codec_cpus = {
        .accepted = "CPUs 0 to 63 such as \"0-1,3\"",
        .is_text = true,
        .load = load_cpus,
        .format = format_cpus,
};
static const ConfigCodec codec_cpu_weight = {
        .accepted = "\"idle\" or a whole number",
        .range = RANGE_NUMBER,
        .load = load_cpu_weight,
        .format = format_cpu_weight,
};

#define T(member) offsetof(Treatment, member)
const ConfigField config_treatment_fields[] = {
        {"nice", &codec_i8, T(nice), 0, 19, TREAT_NICE, 0},
        {"sched", &codec_sched, T(sched), 0, 0, TREAT_SCHED, 0},
        {"slice", &codec_duration32, T(slice_usec), 100, 100000, TREAT_SLICE, 0},
        {"ioprio", &codec_ioprio, T(ioprio_class), 0, 0, TREAT_IOPRIO, 0},
        {"cpus", &codec_cpus, T(cpus), 0, 0, TREAT_CPUS, 0},
        {"autogroup_nice", &codec_i8, T(autogroup_nice), 0, 19, TREAT_AUTOGROUP, 0},
        {"cpu_weight", &codec_cpu_weight, T(cpu_weight), 1, 10000, TREAT_CPU_WEIGHT, 0},
        {"io_weight", &codec_u32, T(io_weight), 1, 10000, TREAT_IO_WEIGHT, 0},
        {"unit_cpu_weight", &codec_cpu_weight, T(unit_cpu_weight), 1, 10000, TREAT_UNIT_CPU_WEIGHT,
         0},
        {"unit_io_weight", &codec_u32, T(unit_io_weight), 1, 10000, TREAT_UNIT_IO_WEIGHT, 0},
        {"scope", &codec_aikm_slice, 0, 0, 0, TREAT_SCOPE, 0},
        {0},
};

/* The whole treatment is replaced: what one reads in the last file is what holds. */
static int load_treatment(const ConfigContext *c, const char *path, const ConfigField *f,
                          void *base, json_object *v) {
        Treatment t = {0};
        int r;

        if (v) {
                r = config_object_load(c, path, config_treatment_fields, "", &t, v);
                if (r < 0)
                        return r;
        }
        *(Treatment *)config_field_at(f, base) = t;
        return 0;
}

static json_object *format_treatment(const ConfigField *f, const void *base) {
        return config_object_format(config_treatment_fields, config_field_at_const(f, base));
}

const ConfigCodec codec_treatment = {
        .accepted = "an object {…} or null",
        .load = load_treatment,
        .format = format_treatment,
};
