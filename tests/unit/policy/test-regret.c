/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/regret.h"

#define MINUTE (60 * USEC_PER_SEC)
#define T0 (1000 * USEC_PER_SEC)

static const ImpactSettings settings = {.remember = 10 * MINUTE, .remember_max = 60 * MINUTE};
static const RegretKey tar = {"/usr/bin/tar", 1U << CONTENTION_CPU, 1};
static Regret r;

static int setup(void **state) {
        memset(&r, 0, sizeof(r));
        return 0;
}

static void test_remembers_what_it_was(void **state) {
        RegretKey other = tar;

        assert_int_equal(regret_note(&r, &tar, TREAT_NICE, &settings, T0), T0 + 10 * MINUTE);
        assert_int_equal(regret_blocked(&r, &tar, T0 + MINUTE), TREAT_NICE);
        assert_int_equal(regret_blocked(&r, &tar, T0 + 10 * MINUTE), 0);
        other.name = "/usr/bin/ta";
        assert_int_equal(regret_blocked(&r, &other, T0), 0);
        other = tar;
        other.kinds = 1U << CONTENTION_IO;
        assert_int_equal(regret_blocked(&r, &other, T0), 0);
        other = tar;
        other.victim_kind = 2;
        assert_int_equal(regret_blocked(&r, &other, T0), 0);
}

static void test_doubles_and_ages(void **state) {
        usec_t at = T0, until = regret_note(&r, &tar, TREAT_NICE, &settings, at);

        for (uint64_t times = 2; times <= 5; times++) {
                at = until + MINUTE;
                until = regret_note(&r, &tar, TREAT_NICE, &settings, at);
                assert_int_equal(until - at, MIN((10 * MINUTE) << (times - 1), 60 * MINUTE));
        }
        /* As long again in peace: it begins anew. */
        at = until + 60 * MINUTE;
        assert_int_equal(regret_note(&r, &tar, TREAT_NICE, &settings, at) - at, 10 * MINUTE);
}

static void test_together_is_once(void **state) {
        regret_note(&r, &tar, TREAT_NICE, &settings, T0);
        assert_int_equal(regret_note(&r, &tar, TREAT_NICE, &settings, T0), T0 + 10 * MINUTE);
        assert_int_equal(r.entries[0].times, 1);
}

static void test_success_clears(void **state) {
        regret_note(&r, &tar, TREAT_NICE | TREAT_AUTOGROUP, &settings, T0);
        regret_clear(&r, &tar, TREAT_NICE);
        assert_int_equal(regret_blocked(&r, &tar, T0), TREAT_AUTOGROUP);
        regret_clear(&r, &tar, TREAT_AUTOGROUP);
        assert_int_equal(regret_count(&r, T0), 0);
        assert_int_equal(regret_note(&r, &tar, TREAT_NICE, &settings, T0 + 1),
                         T0 + 1 + 10 * MINUTE);
}

static void test_bounds(void **state) {
        char name[300];

        for (uint64_t i = 0; i < 3 * REGRET_MAX; i++) {
                snprintf(name, sizeof(name), "/bin/%" PRIu64, i);
                regret_note(&r, &(RegretKey){name, 1, 1}, TREAT_NICE, &settings, T0 + i);
        }
        assert_int_equal(regret_count(&r, T0 + MINUTE), REGRET_MAX);
        assert_int_equal(regret_blocked(&r, &(RegretKey){name, 1, 1}, T0 + MINUTE), TREAT_NICE);
        assert_int_equal(regret_blocked(&r, &(RegretKey){"/bin/0", 1, 1}, T0 + MINUTE), 0);

        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        regret_note(&r, &(RegretKey){name, 1, 1}, TREAT_NICE, &settings, T0 + MINUTE);
        assert_int_equal(regret_blocked(&r, &(RegretKey){name, 1, 1}, T0 + MINUTE), TREAT_NICE);
}

static void test_nothing_to_note(void **state) {
        regret_note(&r, &tar, 0, &settings, T0);
        regret_note(&r, &(RegretKey){"", 1, 1}, TREAT_NICE, &settings, T0);
        assert_int_equal(regret_count(&r, T0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_remembers_what_it_was, setup),
                cmocka_unit_test_setup(test_doubles_and_ages, setup),
                cmocka_unit_test_setup(test_together_is_once, setup),
                cmocka_unit_test_setup(test_success_clears, setup),
                cmocka_unit_test_setup(test_bounds, setup),
                cmocka_unit_test_setup(test_nothing_to_note, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
