/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The actuators for systemd's units by hand, without the daemon:
 *   unit-tool ACTUATOR probe
 *   unit-tool ACTUATOR read TARGET
 *   unit-tool ACTUATOR plan TARGET WEIGHT     prints what it would become, or nothing
 *   unit-tool ACTUATOR apply|disown TARGET VALUE
 * TARGET: a cgroup ("/system.slice/a.service") or, for scope, a PID. Prints the value, or the
 * error's name to stderr and exits 1.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "daemon/actuators/actuator.h"
#include "daemon/units.h"
#include "util/io.h"

static int usage(void) {
        (void)fprintf(stderr, "usage: unit-tool ACTUATOR probe|read|plan|apply|disown "
                              "[TARGET [VALUE]]\n");
        return -EINVAL;
}

static int run(ActuatorContext *c, const Actuator *a, char **argv, int n) {
        ActuatorTarget t = {.path = n > 0 ? argv[1] : NULL};
        char old[ACTUATOR_VALUE_MAX], new[ACTUATOR_VALUE_MAX] = "";
        Treatment treatment = {.set = a->fields};
        Error e = ERROR_INIT;
        uint64_t number;
        int r;

        if (streq(argv[0], "probe")) {
                r = a->probe(c, &e);
                (void)printf("%s\n", e.text);
                return r;
        }
        if (n < 1)
                return usage();
        if (a->level == ACTUATOR_PROCESS) {
                r = parse_u64(argv[1], 1, INT32_MAX, &number);
                if (r < 0)
                        return r;
                t.pid = (pid_t)number;
        }
        if (streq(argv[0], "read")) {
                r = a->read(c, &t, old);
                if (r >= 0)
                        (void)printf("%s\n", old);
                return r;
        }
        if (n < 2)
                return usage();
        if (streq(argv[0], "apply"))
                return a->apply(c, &t, argv[2]);
        if (streq(argv[0], "disown")) {
                if (a->disown)
                        a->disown(c, &t, argv[2]);
                return 0;
        }
        if (!streq(argv[0], "plan"))
                return usage();
        r = parse_u64(argv[2], 0, 10000, &number);
        if (r < 0)
                return r;
        treatment.unit_cpu_weight = treatment.unit_io_weight = (uint32_t)number;
        r = a->read(c, &t, old);
        if (r >= 0)
                r = a->plan(c, &treatment, old, new);
        if (r > 0)
                (void)printf("%s\n", new);
        return MIN(r, 0);
}

int main(int argc, char **argv) {
        _cleanup_(units_freep)
        Units *units = NULL;
        _cleanup_close_
        int root_fd = -EBADF;
        const Actuator *a;
        int r;

        a = argc >= 3 ? actuator_find(argv[1]) : NULL;
        if (!a)
                return usage(), EXIT_FAILURE;
        root_fd = io_root_open();
        r = root_fd < 0 ? root_fd : units_new(root_fd, &units);
        if (r >= 0) {
                units_set_patience(units, &(UnitsPatience){.machine = 60 * USEC_PER_SEC,
                                                           .user = 60 * USEC_PER_SEC});
                r = run(&(ActuatorContext){.root_fd = root_fd, .units = units}, a, argv + 2,
                        argc - 3);
        }
        if (r < 0)
                (void)fprintf(stderr, "%s\n", strerrorname_np(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
