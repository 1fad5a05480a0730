/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The weights of a systemd unit, as its service manager has them. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/actuators/actuator.h"
#include "daemon/units.h"
#include "util/io.h"
#include "util/macro.h"

#define WEIGHT_DEFAULT 100
#define WEIGHT_MAX 10000
#define MARK " set-property"

/* --- values ---------------------------------------------------------------------------------- */

static void setting_format(const UnitSetting *s, char value[ACTUATOR_VALUE_MAX]) {
        const char *mark = s->by_set_property ? MARK : "";

        if (s->value == UNIT_WEIGHT_UNSET)
                (void)snprintf(value, ACTUATOR_VALUE_MAX, "unset%s", mark);
        else if (s->value == UNIT_WEIGHT_IDLE)
                (void)snprintf(value, ACTUATOR_VALUE_MAX, "idle%s", mark);
        else
                (void)snprintf(value, ACTUATOR_VALUE_MAX, "%" PRIu64 "%s", s->value, mark);
}

static int setting_parse(UnitWeight weight, const char *value, UnitSetting *ret) {
        char number[16];
        size_t n = strcspn(value, " ");
        UnitSetting s = {.by_set_property = value[n] != '\0'};

        if (n >= sizeof(number) || (s.by_set_property && !streq(value + n, MARK)))
                return -EINVAL;
        memcpy(number, value, n);
        number[n] = '\0';
        if (streq(number, "unset"))
                s.value = UNIT_WEIGHT_UNSET;
        else if (weight == UNIT_CPU_WEIGHT && streq(number, "idle"))
                s.value = UNIT_WEIGHT_IDLE;
        else if (number[0] == '0' || parse_u64(number, 1, WEIGHT_MAX, &s.value) < 0)
                return -EINVAL;
        *ret = s;
        return 0;
}

/* --- of either kind -------------------------------------------------------------------------- */

/* Without a weight in the unit the kernel's is the default, unless somebody wrote it past the
 * service manager, or old CPUShares= rule: his, then. */
static bool is_default_in_kernel(ActuatorContext *c, const char *cgroup) {
        char path[640], text[32];
        uint64_t weight;

        (void)snprintf(path, sizeof(path), "sys/fs/cgroup%s/cpu.weight", cgroup);
        if (io_read_at(c->root_fd, path, text, sizeof(text)) < 0)
                return true; /* its group has no controller, or it does not run */
        text[strcspn(text, "\n")] = '\0';
        return parse_u64(text, 0, WEIGHT_MAX, &weight) >= 0 && weight == WEIGHT_DEFAULT;
}

static int read_weight(ActuatorContext *c, const ActuatorTarget *t, UnitWeight weight,
                       char value[ACTUATOR_VALUE_MAX]) {
        UnitSetting s;
        int r;

        if (!t->path)
                return -EINVAL;
        r = units_get_weight(c->units, t->path, weight, &s);
        if (r < 0)
                return r;
        if (weight == UNIT_CPU_WEIGHT && s.value == UNIT_WEIGHT_UNSET &&
            !is_default_in_kernel(c, t->path))
                return -EBUSY;
        setting_format(&s, value);
        return 0;
}

static int plan_weight(UnitWeight weight, uint64_t wanted, const char *old,
                       char ret_new[ACTUATOR_VALUE_MAX]) {
        UnitSetting s;

        if (setting_parse(weight, old, &s) < 0)
                return 0;
        if (wanted >= (s.value == UNIT_WEIGHT_UNSET ? WEIGHT_DEFAULT : s.value))
                return 0;
        if (wanted == UNIT_WEIGHT_IDLE && weight != UNIT_CPU_WEIGHT)
                return 0;
        setting_format(&(UnitSetting){.value = wanted, .by_set_property = true}, ret_new);
        return 1;
}

static int apply_weight(ActuatorContext *c, const ActuatorTarget *t, UnitWeight weight,
                        const char *value) {
        UnitSetting s;

        if (!t->path || setting_parse(weight, value, &s) < 0)
                return -EINVAL;
        return units_set_weight(c->units, t->path, weight, &s);
}

static void disown_weight(ActuatorContext *c, const ActuatorTarget *t, UnitWeight weight,
                          const char *value) {
        UnitSetting s;

        if (t->path && setting_parse(weight, value, &s) >= 0 && s.by_set_property)
                (void)units_remove_drop_in(c->units, t->path, weight, s.value);
}

/* --- CPU ------------------------------------------------------------------------------------- */

static int cpu_probe(ActuatorContext *c, Error *e) {
        return c->units ? units_probe(c->units, e)
                        : error_set(e, -EOPNOTSUPP, "no service manager");
}

static int cpu_read(ActuatorContext *c, const ActuatorTarget *t, char value[ACTUATOR_VALUE_MAX]) {
        return read_weight(c, t, UNIT_CPU_WEIGHT, value);
}

static int cpu_plan(ActuatorContext *c, const Treatment *t, const char *old,
                    char ret_new[ACTUATOR_VALUE_MAX]) {
        return t->set & TREAT_UNIT_CPU_WEIGHT
                       ? plan_weight(UNIT_CPU_WEIGHT, t->unit_cpu_weight, old, ret_new)
                       : 0;
}

static int cpu_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        return apply_weight(c, t, UNIT_CPU_WEIGHT, value);
}

static void cpu_disown(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        disown_weight(c, t, UNIT_CPU_WEIGHT, value);
}

const Actuator actuator_unit_cpu = {
        .name = "unit-cpu",
        .what = "CPU weight of a systemd unit, until it is put back",
        .level = ACTUATOR_UNIT,
        .fields = TREAT_UNIT_CPU_WEIGHT,
        .probe = cpu_probe,
        .read = cpu_read,
        .plan = cpu_plan,
        .apply = cpu_apply,
        .disown = cpu_disown,
};

/* --- I/O ------------------------------------------------------------------------------------- */

static bool file_holds(int dir_fd, const char *path, const char *word) {
        char text[1024];

        return io_read_at(dir_fd, path, text, sizeof(text)) > 0 && strstr(text, word);
}

/* BFQ looks at weights, and the cost model where somebody enabled it. */
static int io_probe(ActuatorContext *c, Error *e) {
        _cleanup_closedir_ DIR *dir = NULL;
        int r;

        r = cpu_probe(c, e);
        if (r < 0)
                return r;
        if (!file_holds(c->root_fd, "sys/fs/cgroup/cgroup.controllers", "io"))
                return error_set(e, -EOPNOTSUPP, "cgroup v2 has no io controller here");
        if (file_holds(c->root_fd, "sys/fs/cgroup/io.cost.qos", "enable=1"))
                return 0;
        r = io_open_dir_at(c->root_fd, "sys/block", &dir);
        if (r < 0)
                return error_set(e, -EOPNOTSUPP, "/sys/block: %s", strerror(-r));
        for (struct dirent *d; (d = readdir(dir));) {
                char path[512];

                (void)snprintf(path, sizeof(path), "%s/queue/scheduler", d->d_name);
                if (d->d_name[0] != '.' && file_holds(dirfd(dir), path, "[bfq]"))
                        return 0;
        }
        return error_set(e, -ENOTTY, "no disk uses the bfq I/O scheduler, and io.cost.qos is off");
}

static int io_read(ActuatorContext *c, const ActuatorTarget *t, char value[ACTUATOR_VALUE_MAX]) {
        return read_weight(c, t, UNIT_IO_WEIGHT, value);
}

static int io_plan(ActuatorContext *c, const Treatment *t, const char *old,
                   char ret_new[ACTUATOR_VALUE_MAX]) {
        return t->set & TREAT_UNIT_IO_WEIGHT
                       ? plan_weight(UNIT_IO_WEIGHT, t->unit_io_weight, old, ret_new)
                       : 0;
}

static int io_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        return apply_weight(c, t, UNIT_IO_WEIGHT, value);
}

static void io_disown(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        disown_weight(c, t, UNIT_IO_WEIGHT, value);
}

const Actuator actuator_unit_io = {
        .name = "unit-io",
        .what = "I/O weight of a systemd unit, until it is put back",
        .level = ACTUATOR_UNIT,
        .fields = TREAT_UNIT_IO_WEIGHT,
        .probe = io_probe,
        .read = io_read,
        .plan = io_plan,
        .apply = io_apply,
        .disown = io_disown,
};
