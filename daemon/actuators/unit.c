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

/* A group's file: "100", or "default 100" and devices below it. false: not there. */
static bool kernel_value(ActuatorContext *c, const char *cgroup, const char *file, uint64_t *ret) {
        char path[640], text[1024];
        const char *number = text;

        (void)snprintf(path, sizeof(path), "sys/fs/cgroup%s/%s", cgroup, file);
        if (io_read_at(c->root_fd, path, text, sizeof(text)) < 0)
                return false;
        text[strcspn(text, "\n")] = '\0';
        if (strncmp(text, "default ", strlen("default ")) == 0)
                number += strlen("default ");
        return parse_u64(number, 0, WEIGHT_MAX, ret) >= 0;
}

static bool kernel_weight(ActuatorContext *c, const char *cgroup, UnitWeight weight,
                          uint64_t *ret) {
        uint64_t idle;

        if (weight == UNIT_IO_WEIGHT)
                return kernel_value(c, cgroup, "io.bfq.weight", ret) ||
                       kernel_value(c, cgroup, "io.weight", ret);
        if (!kernel_value(c, cgroup, "cpu.weight", ret))
                return false;
        if (kernel_value(c, cgroup, "cpu.idle", &idle) && idle)
                *ret = UNIT_WEIGHT_IDLE;
        return true;
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

/* Without a weight in the unit the kernel's is the default, unless somebody wrote it past the
 * service manager, or old CPUShares= rule: his, then. */
static int check_past_manager(ActuatorContext *c, const char *cgroup, UnitWeight weight) {
        UnitSetting present;
        uint64_t value;
        int r;

        if (!kernel_weight(c, cgroup, weight, &value) || value == WEIGHT_DEFAULT)
                return 0;
        r = units_get_weight(c->units, cgroup, weight, &present);
        if (r < 0)
                return r;
        return present.value == UNIT_WEIGHT_UNSET ? -EBUSY : 0;
}

static int apply_weight(ActuatorContext *c, const ActuatorTarget *t, UnitWeight weight,
                        const char *value) {
        UnitSetting s;
        int r;

        if (!t->path || setting_parse(weight, value, &s) < 0)
                return -EINVAL;
        if (s.by_set_property) {
                r = check_past_manager(c, t->path, weight);
                if (r < 0)
                        return r;
        }
        return units_set_weight(c->units, t->path, weight, &s);
}

/* systemd 257 does not give the kernel what a daemon-reload or a revert has changed: there our
 * weight would stay in force until the unit is started anew. Setting what the manager has already
 * makes it do so. */
static void disown_weight(ActuatorContext *c, const ActuatorTarget *t, UnitWeight weight,
                          const char *value) {
        UnitSetting ours, present;
        uint64_t in_force;

        if (!t->path || setting_parse(weight, value, &ours) < 0 || !ours.by_set_property)
                return;
        (void)units_remove_drop_in(c->units, t->path, weight, ours.value);
        if (kernel_weight(c, t->path, weight, &in_force) && in_force == ours.value &&
            units_get_weight(c->units, t->path, weight, &present) >= 0 &&
            present.value != ours.value)
                (void)units_set_weight(c->units, t->path, weight, &present);
}

/* The manager has the old value again, and its drop-in was not removed yet. (An administrator who
 * sets just that value at run time is noticed while the daemon runs.) */
static bool weight_is_half_way(const char *value, const char *old) {
        size_t n = strlen(old);

        return strncmp(value, old, n) == 0 && streq(value + n, MARK);
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
        .is_half_way = weight_is_half_way,
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
        .is_half_way = weight_is_half_way,
};
