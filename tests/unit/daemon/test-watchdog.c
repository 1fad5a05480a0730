/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/watchdog.h"
#include "util/macro.h"

#define S USEC_PER_SEC
#define LIMIT (30 * S)
#define START (1000 * S)

/* Intervals that the configuration allows, ends included. */
static const usec_t intervals[] = {100 * USEC_PER_MSEC, S, 10 * S, 29 * S, 30 * S, 31 * S, 60 * S};

/* A loop that is never stuck: asks at each period, looks at each interval, in vain from fail on
 * until work. Returns when the service manager loses its patience, or end. */
static usec_t run(usec_t interval, usec_t fail, usec_t work, usec_t end) {
        Watchdog w;
        usec_t fed = START;

        watchdog_init(&w, LIMIT, START);
        for (usec_t now = START; now < end; now += 50 * USEC_PER_MSEC) {
                if ((now - START) % interval == 0 && (now < fail || now >= work))
                        watchdog_note_good(&w, now);
                if ((now - START) % watchdog_period(&w) == 0 &&
                    watchdog_is_alive(&w, interval, now))
                        fed = now;
                if (now - fed > LIMIT)
                        return now;
        }
        return end;
}

static void test_good_looks_are_fed(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(intervals); i++)
                assert_int_equal(run(intervals[i], UINT64_MAX, 0, START + 600 * S),
                                 START + 600 * S);
}

static void test_one_look_may_fail(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(intervals); i++) {
                usec_t fail = START + 4 * intervals[i];

                assert_int_equal(run(intervals[i], fail, fail + 1, START + 600 * S),
                                 START + 600 * S);
        }
}

/* Asking goes on, so that it is only the looks that are missing. */
static void test_failing_for_long_ends(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(intervals); i++) {
                usec_t fail = START + 180 * S, killed;

                killed = run(intervals[i], fail, UINT64_MAX, START + 3600 * S);
                assert_true(killed > fail + LIMIT / 2);
                assert_true(killed <= fail + 2 * intervals[i] + 2 * LIMIT + S);
        }
}

static void test_never_looked(void **state) {
        usec_t killed = run(S, 0, UINT64_MAX, START + 3600 * S);

        assert_true(killed >= START + LIMIT && killed <= START + 3 * LIMIT);
}

static void test_edges(void **state) {
        Watchdog w;

        watchdog_init(&w, LIMIT, START);
        assert_true(watchdog_is_alive(&w, S, START));
        assert_true(watchdog_is_alive(&w, S, START + 2 * S + LIMIT));
        assert_false(watchdog_is_alive(&w, S, START + 2 * S + LIMIT + 1));
        watchdog_note_good(&w, START + 40 * S);
        assert_true(watchdog_is_alive(&w, S, START + 40 * S));
        /* A clock that was read before the look ended. */
        assert_true(watchdog_is_alive(&w, S, START + 39 * S));
        assert_true(watchdog_is_alive(&w, S, START + 72 * S));
        assert_false(watchdog_is_alive(&w, S, START + 73 * S));
        /* sd_watchdog_enabled(3): at least twice in each limit. */
        assert_true(watchdog_period(&w) > 0 && 2 * watchdog_period(&w) < LIMIT);
        watchdog_init(&w, 1, START);
        assert_true(watchdog_period(&w) > 0);
        watchdog_init(&w, USEC_INFINITY / 4, START);
        assert_true(watchdog_is_alive(&w, 60 * S, START + 3600 * S));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good_looks_are_fed),
                cmocka_unit_test(test_one_look_may_fail),
                cmocka_unit_test(test_failing_for_long_ends),
                cmocka_unit_test(test_never_looked),
                cmocka_unit_test(test_edges),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
