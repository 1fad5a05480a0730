/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/actuators/actuator.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "util/io.h"
#include "util/macro.h"

#define WRITE_RETRIES 8
#define WRITE_RETRY_NSEC (25 * 1000 * 1000)

/* Splits "/autogroup-17 nice 0": a number that is never used twice, and the nice value. */
static int group_parse(const char *value, uint64_t *ret_group, int *ret_nice) {
        char group[24], nice[8];
        uint64_t g;
        int64_t n;

        if (sscanf(value, "/autogroup-%23[0-9] nice %7[-0-9]", group, nice) != 2 ||
            parse_u64(group, 0, UINT64_MAX, &g) < 0 || parse_i64(nice, -20, 19, &n) < 0)
                return -EINVAL;
        *ret_group = g;
        *ret_nice = (int)n;
        return 0;
}

static int autogroup_probe(ActuatorContext *c, Error *e) {
        char text[16];
        ssize_t n;

        n = io_read_at(c->root_fd, "proc/sys/kernel/sched_autogroup_enabled", text, sizeof(text));
        if (n < 0)
                return error_set(e, -EOPNOTSUPP, "the kernel has no autogroups");
        if (text[0] == '0')
                return error_set(e, -ENOTTY, "kernel.sched_autogroup_enabled is 0");
        return 0;
}

static int autogroup_read(ActuatorContext *c, const ActuatorTarget *t,
                          char value[ACTUATOR_VALUE_MAX]) {
        char path[64];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "proc/%d/autogroup", t->pid);
        n = io_read_at(c->root_fd, path, value, ACTUATOR_VALUE_MAX);
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        value[strcspn(value, "\n")] = '\0';
        /* Empty: it is in none, as a kernel thread or a process of the first session. */
        return value[0] ? 0 : -ENOTTY;
}

static int autogroup_plan(ActuatorContext *c, const Treatment *t, const char *old,
                          char ret_new[ACTUATOR_VALUE_MAX]) {
        uint64_t group;
        int nice;

        if (!(t->set & TREAT_AUTOGROUP) || group_parse(old, &group, &nice) < 0 ||
            t->autogroup_nice <= nice || t->autogroup_nice > 19)
                return 0;
        (void)snprintf(ret_new, ACTUATOR_VALUE_MAX, "/autogroup-%" PRIu64 " nice %d", group,
                       t->autogroup_nice);
        return 1;
}

/* Without CAP_SYS_ADMIN the kernel takes ten of these a second, from the whole machine, for each
 * takes global locks. Waiting for the next turn is short, and a restore has no later. */
static int autogroup_write(ActuatorContext *c, const char *path, const char *text) {
        int r;

        for (unsigned int n = 0;; n++) {
                r = io_write_at(c->root_fd, path, text);
                if (r != -EAGAIN || n == WRITE_RETRIES)
                        return r;
                (void)clock_nanosleep(CLOCK_MONOTONIC, /* flags= */ 0,
                                      &(struct timespec){.tv_nsec = WRITE_RETRY_NSEC}, NULL);
        }
}

static int autogroup_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        char path[64], present[ACTUATOR_VALUE_MAX], text[16];
        uint64_t group, group_now;
        int nice, nice_now, r;

        r = group_parse(value, &group, &nice);
        if (r < 0)
                return r;
        /* setsid(2) since then: the value names a group that this process is no longer in. */
        r = autogroup_read(c, t, present);
        if (r < 0)
                return r;
        if (group_parse(present, &group_now, &nice_now) < 0 || group_now != group)
                return -ESTALE;
        (void)snprintf(path, sizeof(path), "proc/%d/autogroup", t->pid);
        (void)snprintf(text, sizeof(text), "%d", nice);
        r = autogroup_write(c, path, text);
        return r == -ENOENT ? -ESRCH : r;
}

static pid_t autogroup_stand_in(ActuatorContext *c, const char *value) {
        uint64_t group, wanted;
        pid_t found = 0;
        _cleanup_closedir_ DIR *dir = NULL;
        int nice;

        if (group_parse(value, &wanted, &nice) < 0)
                return 0;
        if (io_open_dir_at(c->root_fd, "proc", &dir) < 0)
                return 0;
        for (struct dirent *d; found == 0 && (d = readdir(dir));) {
                char present[ACTUATOR_VALUE_MAX];
                uint64_t pid;

                if (parse_u64(d->d_name, 1, INT32_MAX, &pid) >= 0 &&
                    autogroup_read(c, &(ActuatorTarget){.pid = (pid_t)pid}, present) >= 0 &&
                    group_parse(present, &group, &nice) >= 0 && group == wanted)
                        found = (pid_t)pid;
        }
        return found;
}

const Actuator actuator_autogroup = {
        .name = "autogroup",
        .what = "nice of the session's autogroup, against other sessions",
        .level = ACTUATOR_PROCESS,
        .fields = TREAT_AUTOGROUP,
        .probe = autogroup_probe,
        .read = autogroup_read,
        .plan = autogroup_plan,
        .apply = autogroup_apply,
        .stand_in = autogroup_stand_in,
};
