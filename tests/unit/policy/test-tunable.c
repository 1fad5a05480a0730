/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/tunable.h"
#include "util/macro.h"

static void test_table(void **state) {
        for (const Tunable *t = tunable_table; t->name; t++) {
                const char *star = strchr(t->path, '*');

                assert_ptr_equal(tunable_find(t->name), t); /* no name twice */
                assert_true(strncmp(t->path, "proc/sys/", 9) == 0 ||
                            strncmp(t->path, "sys/", 4) == 0);
                assert_null(strstr(t->path, ".."));
                assert_true(!star || !strchr(star + 1, '*'));
                assert_true(t->unit && t->what[0] && t->why[0]);
                /* A decision carries the name in 48 bytes. */
                assert_true(strlen(t->name) < 48);
                if (t->kind == TUNABLE_NUMBER)
                        assert_true(t->min < t->max);
                else
                        assert_true(t->choices && t->choices[0]);
        }
        assert_null(tunable_find("kernel.panic"));
        assert_null(tunable_find(""));
}

static void test_check(void **state) {
        static const struct {
                const char *name, *value;
                int r;
        } rows[] = {
                {"vm.swappiness", "1", 0},
                {"vm.swappiness", "200", 0},
                {"vm.swappiness", "0", -ERANGE},
                {"vm.swappiness", "201", -ERANGE},
                {"vm.swappiness", "99999999999999999999", -ERANGE},
                {"vm.swappiness", "-1", -ERANGE},
                {"vm.swappiness", "", -EINVAL},
                {"vm.swappiness", "ten", -EINVAL},
                {"vm.swappiness", "10 ", -EINVAL},
                {"vm.swappiness", "10\n", -EINVAL},
                {"block.read_ahead_kb", "4096", 0},
                {"block.scheduler", "bfq", 0},
                {"block.scheduler", "mq-deadline", 0},
                {"block.scheduler", "mq", -EINVAL},
                {"block.scheduler", "[bfq]", -EINVAL},
                {"block.scheduler", "none bfq", -EINVAL},
                {"block.scheduler", "", -EINVAL},
                {"block.scheduler", " ", -EINVAL},
                {"transparent_hugepage.defrag", "defer+madvise", 0},
                {"cpufreq.energy_performance_preference", "balance_power", 0},
                {"kernel.sched_autogroup_enabled", "2", -ERANGE},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Error e = ERROR_INIT;
                int r = tunable_check(tunable_find(rows[i].name), rows[i].value, &e);

                if (r != rows[i].r)
                        fail_msg("%s=\"%s\": %d, not %d", rows[i].name, rows[i].value, r,
                                 rows[i].r);
                assert_int_equal(e.text[0] != '\0', r < 0);
                if (r < 0)
                        assert_non_null(strstr(e.text, rows[i].name));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_check),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
