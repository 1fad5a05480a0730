/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "daemon/ratelimit.h"

#define MINUTE (60 * USEC_PER_SEC)

static void test_burst(void **state) {
        RateLimit l = {.interval = MINUTE, .burst = 3};
        usec_t t = 1000 * USEC_PER_SEC;

        for (int i = 0; i < 3; i++)
                assert_true(ratelimit_pass(&l, t + (usec_t)i));
        for (int i = 0; i < 37; i++)
                assert_false(ratelimit_pass(&l, t + MINUTE - 1));
        /* The minute still runs: nothing to tell yet. */
        assert_int_equal(ratelimit_take_suppressed(&l, t + MINUTE - 1), 0);
        assert_int_equal(ratelimit_take_suppressed(&l, t + MINUTE), 37);
        assert_int_equal(ratelimit_take_suppressed(&l, t + MINUTE), 0);
        assert_true(ratelimit_pass(&l, t + MINUTE));
}

/* A minute begins with its first event, not with the one before. */
static void test_interval_begins_with_an_event(void **state) {
        RateLimit l = {.interval = MINUTE, .burst = 1};
        usec_t t = 10 * MINUTE;

        assert_true(ratelimit_pass(&l, 0));
        assert_true(ratelimit_pass(&l, t));
        assert_false(ratelimit_pass(&l, t + MINUTE - 1));
        assert_true(ratelimit_pass(&l, t + MINUTE));
        assert_false(ratelimit_pass(&l, t + MINUTE + 1));
}

/* What was suppressed and not taken survives into the next interval. */
static void test_count_is_not_lost(void **state) {
        RateLimit l = {.interval = MINUTE, .burst = 1};

        assert_true(ratelimit_pass(&l, MINUTE));
        assert_false(ratelimit_pass(&l, MINUTE));
        assert_true(ratelimit_pass(&l, 2 * MINUTE));
        assert_false(ratelimit_pass(&l, 2 * MINUTE));
        assert_int_equal(ratelimit_take_suppressed(&l, USEC_INFINITY), 2);
}

static void test_no_limit(void **state) {
        RateLimit l = {.interval = MINUTE};

        for (int i = 0; i < 1000; i++)
                assert_true(ratelimit_pass(&l, MINUTE));
        assert_int_equal(ratelimit_take_suppressed(&l, USEC_INFINITY), 0);
}

/* A clock that went back neither opens the gate nor closes it for good. */
static void test_clock_back(void **state) {
        RateLimit l = {.interval = MINUTE, .burst = 1};

        assert_true(ratelimit_pass(&l, 10 * MINUTE));
        assert_false(ratelimit_pass(&l, 9 * MINUTE));
        assert_true(ratelimit_pass(&l, 11 * MINUTE));
}

/* 1,000 a minute for an hour: as many pass as the bursts allow, and all others are counted. */
static void test_storm(void **state) {
        RateLimit l = {.interval = MINUTE, .burst = 30};
        unsigned int passed = 0, told = 0;

        for (unsigned int i = 0; i < 60000; i++) {
                usec_t t = MINUTE + i * (MINUTE / 1000);

                told += ratelimit_take_suppressed(&l, t);
                passed += ratelimit_pass(&l, t);
        }
        told += ratelimit_take_suppressed(&l, USEC_INFINITY);
        assert_int_equal(passed, 60 * 30);
        assert_int_equal(passed + told, 60000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_burst),
                cmocka_unit_test(test_interval_begins_with_an_event),
                cmocka_unit_test(test_count_is_not_lost),
                cmocka_unit_test(test_no_limit),
                cmocka_unit_test(test_clock_back),
                cmocka_unit_test(test_storm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
