/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "daemon/process.h"
#include "daemon/service-manager.h"
#include "daemon/unit-drop-in.h"
#include "util/io.h"

#define TIMEOUT_MACHINE USEC_PER_SEC
#define TIMEOUT_USER (500 * USEC_PER_MSEC)
#define REST (30 * USEC_PER_SEC)
#define SILENT_MAX 16
#define WEIGHT_MAX 10000
/* Who has just answered is given more time to carry something out: without an answer nobody knows
 * whether he did. */
#define LONGER 4

/* A manager that did not answer, or not by the rules. */
typedef struct Silence {
        uid_t owner;
        usec_t until; /* CLOCK_MONOTONIC */
} Silence;

struct Units {
        int root_fd;
        Silence silent[SILENT_MAX];
        UnitsPatience patience;
};

static const char *const properties[_UNIT_WEIGHT_COUNT] = {
        [UNIT_CPU_WEIGHT] = "CPUWeight",
        [UNIT_IO_WEIGHT] = "IOWeight",
};

int units_new(int root_fd, Units **ret) {
        Units *u = calloc(1, sizeof(*u));

        if (!u)
                return -ENOMEM;
        u->root_fd = root_fd;
        u->patience = (UnitsPatience){TIMEOUT_MACHINE, TIMEOUT_USER, REST};
        *ret = u;
        return 0;
}

Units *units_free(Units *u) {
        free(u);
        return NULL;
}

void units_set_patience(Units *u, const UnitsPatience *patience) {
        u->patience = *patience;
}

void units_end_rest(Units *u) {
        if (u)
                memset(u->silent, 0, sizeof(u->silent));
}

int units_probe(Units *u, Error *e) {
        char text[512];
        ssize_t n;

        if (faccessat(u->root_fd, "run/systemd/system", F_OK, 0) < 0)
                return error_set(e, -EOPNOTSUPP, "systemd does not manage this machine");
        n = io_read_at(u->root_fd, "sys/fs/cgroup/cgroup.controllers", text, sizeof(text));
        if (n < 0)
                return error_set(e, -EOPNOTSUPP,
                                 "systemd does not use cgroup v2 alone: weights of units are not "
                                 "tuned there");
        for (char *save = NULL, *word = strtok_r(text, " \n", &save); word;
             word = strtok_r(NULL, " \n", &save))
                if (streq(word, "cpu"))
                        return 0;
        return error_set(e, -EOPNOTSUPP, "cgroup v2 has no cpu controller here");
}

/* --- managers -------------------------------------------------------------------------------- */

/* One that is made to wait for again and again would slow down every tick. The entry that ends
 * first makes place. */
static void note_silence(Units *u, uid_t owner, usec_t now) {
        Silence *s = &u->silent[0];

        for (size_t i = 1; i < SILENT_MAX; i++)
                if (u->silent[i].until < s->until)
                        s = &u->silent[i];
        *s = (Silence){.owner = owner, .until = now + u->patience.rest};
}

static bool is_silent(const Units *u, uid_t owner, usec_t now) {
        for (size_t i = 0; i < SILENT_MAX; i++)
                if (u->silent[i].owner == owner && u->silent[i].until > now)
                        return true;
        return false;
}

/* A manager that executes itself anew has no socket for a moment. It is gone when its group is. */
static bool is_gone(const Units *u, uid_t owner) {
        char path[160];

        if (owner == UNIT_OWNER_MACHINE)
                return false;
        (void)snprintf(path, sizeof(path),
                       "sys/fs/cgroup/user.slice/user-%" PRIu32 ".slice/user@%" PRIu32 ".service",
                       (uint32_t)owner, (uint32_t)owner);
        return faccessat(u->root_fd, path, F_OK, 0) < 0;
}

static usec_t patience_with(const Units *u, uid_t owner) {
        return owner == UNIT_OWNER_MACHINE ? u->patience.machine : u->patience.user;
}

static int connect_manager(Units *u, uid_t owner, ServiceManager **ret) {
        int r;

        if (is_silent(u, owner, usec_now(CLOCK_MONOTONIC)))
                return -ETIMEDOUT;
        r = service_manager_connect(u->root_fd, owner, patience_with(u, owner), ret);
        if ((r == -ENOENT || r == -ECONNREFUSED) && is_gone(u, owner))
                return -ESRCH;
        return r;
}

/* Sees to it that who broke the rules is left alone for a while. Returns r. */
static int judge_manager(Units *u, uid_t owner, int r) {
        if (r == -ETIMEDOUT || r == -EMSGSIZE || r == -EPROTO || r == -EPERM || r == -ECONNRESET) {
                usec_t now = usec_now(CLOCK_MONOTONIC);

                if (!is_silent(u, owner, now))
                        note_silence(u, owner, now);
        }
        return r;
}

/* --- weights --------------------------------------------------------------------------------- */

static bool is_valid(UnitWeight weight, uint64_t value) {
        return value == UNIT_WEIGHT_UNSET ||
               (value == UNIT_WEIGHT_IDLE ? weight == UNIT_CPU_WEIGHT : value <= WEIGHT_MAX);
}

/* As the manager writes it. */
static void format_weight(uint64_t value, char ret[24]) {
        if (value == UNIT_WEIGHT_UNSET)
                ret[0] = '\0';
        else if (value == UNIT_WEIGHT_IDLE)
                (void)snprintf(ret, 24, "idle");
        else
                (void)snprintf(ret, 24, "%" PRIu64, value);
}

static int ask_weight(Units *u, const UnitName *unit, UnitWeight weight, uint64_t *ret) {
        _cleanup_(service_manager_freep)
        ServiceManager *m = NULL;
        uint64_t value;
        int r;

        r = connect_manager(u, unit->owner, &m);
        if (r >= 0)
                r = service_manager_check_unit(m, unit);
        if (r >= 0)
                r = service_manager_get_u64(m, unit, properties[weight], &value);
        if (r >= 0 && !is_valid(weight, value))
                r = -EPROTO;
        if (r >= 0)
                *ret = value;
        return r;
}

int units_get_weight(Units *u, const char *cgroup, UnitWeight weight, UnitSetting *ret) {
        UnitSetting setting;
        char text[24];
        UnitName unit;
        int r;

        r = unit_name_from_cgroup(cgroup, &unit);
        if (r < 0)
                return r;
        r = judge_manager(u, unit.owner, ask_weight(u, &unit, weight, &setting.value));
        if (r < 0)
                return r;
        format_weight(setting.value, text);
        r = unit_drop_in_find(u->root_fd, &unit, properties[weight], text);
        if (r < 0)
                return r;
        setting.by_set_property = r > 0;
        *ret = setting;
        return 0;
}

static int tell_weight(Units *u, const UnitName *unit, UnitWeight weight, uint64_t value) {
        _cleanup_(service_manager_freep)
        ServiceManager *m = NULL;
        int r;

        r = connect_manager(u, unit->owner, &m);
        if (r >= 0)
                r = service_manager_check_unit(m, unit);
        if (r < 0)
                return r;
        service_manager_extend(m, LONGER * patience_with(u, unit->owner));
        return service_manager_set_u64(m, unit, properties[weight], value);
}

int units_set_weight(Units *u, const char *cgroup, UnitWeight weight, const UnitSetting *setting) {
        UnitName unit;
        int r;

        if (!is_valid(weight, setting->value))
                return -EINVAL;
        r = unit_name_from_cgroup(cgroup, &unit);
        if (r >= 0)
                r = judge_manager(u, unit.owner, tell_weight(u, &unit, weight, setting->value));
        if (r < 0 || setting->by_set_property)
                return r;
        r = units_remove_drop_in(u, cgroup, weight, setting->value);
        return MIN(r, 0);
}

int units_remove_drop_in(Units *u, const char *cgroup, UnitWeight weight, uint64_t value) {
        UnitName unit;
        char text[24];
        int r;

        r = unit_name_from_cgroup(cgroup, &unit);
        if (r < 0)
                return r;
        format_weight(value, text);
        return unit_drop_in_remove(u->root_fd, &unit, properties[weight], text);
}

/* --- scopes ---------------------------------------------------------------------------------- */

int units_start_scope(Units *u, pid_t pid, const char *description, Error *e) {
        _cleanup_(service_manager_freep)
        ServiceManager *m = NULL;
        char name[64];
        ProcStat stat;
        int r;

        r = proc_stat_read(u->root_fd, pid, &stat);
        if (r < 0)
                return error_set(e, r, "process %d: %s", pid, strerror(-r));
        if (pid <= 1 || (stat.flags & PF_KTHREAD))
                return error_set(e, -EPERM, "process %d belongs to the system", pid);
        r = connect_manager(u, UNIT_OWNER_MACHINE, &m);
        if (r < 0) {
                (void)judge_manager(u, UNIT_OWNER_MACHINE, r);
                return error_set(e, r, "the service manager: %s", strerror(-r));
        }
        service_manager_extend(m, LONGER * patience_with(u, UNIT_OWNER_MACHINE));
        (void)snprintf(name, sizeof(name), "aikm-%d.scope", pid);
        r = service_manager_start_scope(m, name, "aikm.slice", description, pid, NULL);
        if (r == -EEXIST) {
                /* Children of a process that had this number are still in it. */
                (void)snprintf(name, sizeof(name), "aikm-%d-%" PRIu64 ".scope", pid, stat.start);
                r = service_manager_start_scope(m, name, "aikm.slice", description, pid, e);
        }
        return judge_manager(u, UNIT_OWNER_MACHINE,
                             r < 0 ? error_set(e, r, "%s: %s", name, strerror(-r)) : 0);
}
