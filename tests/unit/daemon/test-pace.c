/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/pace.h"
#include "daemon/usage.h"

#define S USEC_PER_SEC
#define BASE S
#define MAX_PAUSE (10 * S)

static const PaceInput quiet = {.pressure = {-1, 0, 0.049f}, .triggers = true};

/* The pauses after so many looks that all see in. */
static void run(Pace *p, const PaceInput *in, usec_t base, usec_t max, size_t n, usec_t *ret) {
        for (size_t i = 0; i < n; i++) {
                ret[i] = pace_next(p, in, base, max);
                assert_int_equal(p->interval, ret[i]);
        }
}

static void test_stretches_step_by_step(void **state) {
        static const usec_t expected[] = {S, S, 2 * S, 4 * S, 8 * S, 10 * S, 10 * S};
        usec_t pauses[ELEMENTSOF(expected)];
        Pace p = {};

        run(&p, &quiet, BASE, MAX_PAUSE, ELEMENTSOF(pauses), pauses);
        assert_memory_equal(pauses, expected, sizeof(expected));
        assert_int_equal(p.reason, PACE_QUIET);
        assert_true(pace_is_stretched(&p, BASE));
}

/* A long run, and the counter must not wrap into a stretch or out of one. */
static void test_stays(void **state) {
        Pace p = {};

        for (size_t i = 0; i < 100000; i++)
                (void)pace_next(&p, &quiet, BASE, MAX_PAUSE);
        assert_int_equal(p.interval, MAX_PAUSE);
        assert_int_equal(p.quiet, PACE_QUIET_LOOKS);
}

static void test_anything_ends_it(void **state) {
        const struct {
                PaceInput in;
                PaceReason reason;
        } table[] = {
                {{.failed = true, .triggers = true}, PACE_FAILED},
                {{.trial = true, .triggers = true}, PACE_TRIAL},
                {{.n_treated = 1, .triggers = true}, PACE_TREATED},
                {{.contended = true, .triggers = true}, PACE_CONTENDED},
                {{.hog = true, .triggers = true}, PACE_HOG},
                {{.n_decisions = 1, .triggers = true}, PACE_CHANGED},
                {{.n_born = PACE_BIRTHS, .triggers = true}, PACE_BORN},
                {{.watched = true, .triggers = true}, PACE_WATCHED},
                {{.pressure = {[PSI_CPU] = PACE_PRESSURE}, .triggers = true}, PACE_PRESSURE_HIGH},
                {{.pressure = {[PSI_IO] = 1}, .triggers = true}, PACE_PRESSURE_HIGH},
                {{.pressure = {[PSI_MEMORY] = 0.5f}, .triggers = true}, PACE_PRESSURE_HIGH},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Pace p = {.interval = MAX_PAUSE, .quiet = PACE_QUIET_LOOKS, .reason = PACE_QUIET};

                assert_int_equal(pace_next(&p, &table[i].in, BASE, MAX_PAUSE), BASE);
                assert_int_equal(p.reason, table[i].reason);
                /* And it has to be quiet for as long as at first again. */
                assert_int_equal(pace_next(&p, &quiet, BASE, MAX_PAUSE), BASE);
                assert_int_equal(p.reason, PACE_STARTING);
                assert_int_equal(pace_next(&p, &quiet, BASE, MAX_PAUSE), BASE);
                assert_int_equal(pace_next(&p, &quiet, BASE, MAX_PAUSE), 2 * BASE);
        }
}

static void test_a_few_births_do_not(void **state) {
        PaceInput in = quiet;
        Pace p = {.interval = 4 * S, .quiet = PACE_QUIET_LOOKS};

        in.n_born = PACE_BIRTHS - 1;
        assert_int_equal(pace_next(&p, &in, BASE, MAX_PAUSE), 8 * S);
}

static void test_fixed(void **state) {
        static const usec_t max[] = {0, S / 10, S};

        for (size_t i = 0; i < ELEMENTSOF(max); i++) {
                Pace p = {};

                for (size_t k = 0; k < 20; k++)
                        assert_int_equal(pace_next(&p, &quiet, BASE, max[i]), BASE);
                assert_int_equal(p.reason, PACE_FIXED);
                assert_false(pace_is_stretched(&p, BASE));
        }
}

static void test_blind(void **state) {
        PaceInput in = quiet;
        Pace p = {};

        in.triggers = false;
        for (size_t i = 0; i < 20; i++)
                assert_true(pace_next(&p, &in, S / 2, MAX_PAUSE) <= PACE_BLIND_MAX);
        assert_int_equal(p.interval, PACE_BLIND_MAX);
        assert_int_equal(p.reason, PACE_BLIND);
        /* Whoever looks less often anyway is not made to look more often. */
        p = (Pace){};
        for (size_t i = 0; i < 20; i++)
                assert_int_equal(pace_next(&p, &in, 5 * S, MAX_PAUSE), 5 * S);
        assert_int_equal(p.reason, PACE_BLIND);
        /* A limit below the blind one is the limit. */
        p = (Pace){};
        for (size_t i = 0; i < 20; i++)
                (void)pace_next(&p, &in, S / 2, S);
        assert_int_equal(p.interval, S);
        assert_int_equal(p.reason, PACE_QUIET);
}

static void test_wake(void **state) {
        Pace p = {.interval = MAX_PAUSE, .quiet = PACE_QUIET_LOOKS, .reason = PACE_QUIET};

        pace_wake(&p, BASE, PACE_WOKEN);
        assert_false(pace_is_stretched(&p, BASE));
        assert_int_equal(p.reason, PACE_WOKEN);
        assert_int_equal(pace_next(&p, &quiet, BASE, MAX_PAUSE), BASE);
}

static void test_policy_changes(void **state) {
        Pace p = {.interval = MAX_PAUSE, .quiet = PACE_QUIET_LOOKS, .reason = PACE_QUIET};

        /* A shorter limit holds at once; a base above the pause is the pause. */
        assert_int_equal(pace_next(&p, &quiet, BASE, 3 * S), 3 * S);
        assert_int_equal(pace_next(&p, &quiet, 20 * S, 60 * S), 20 * S);
}

static void test_names(void **state) {
        for (int r = 0; r < _PACE_REASON_COUNT; r++) {
                assert_non_null(pace_reason_to_string((PaceReason)r));
                assert_non_null(pace_reason_sentence((PaceReason)r));
        }
        assert_null(pace_reason_to_string(_PACE_REASON_COUNT));
        assert_null(pace_reason_sentence(_PACE_REASON_COUNT));
}

static void test_usage(void **state) {
        Usage u = {};
        double wakeups = 0, share = 0;

        assert_false(usage_rate(&u, &(UsageCounters){.at = 5 * S}, &wakeups, &share));
        usage_note(&u, &(UsageCounters){.at = S, .wakeups = 10, .cpu = 1000});
        assert_false(usage_rate(&u, &(UsageCounters){.at = S + S / 2}, &wakeups, &share));
        assert_true(usage_rate(&u, &(UsageCounters){.at = 31 * S, .wakeups = 16, .cpu = 31000},
                               &wakeups, &share));
        assert_float_equal(wakeups, 12, 1e-9);
        assert_float_equal(share, 0.001, 1e-9);
        /* Only every ten seconds is kept, so that the ring reaches back for minutes … */
        for (usec_t at = S; at <= 20 * 60 * S; at += S)
                usage_note(&u, &(UsageCounters){.at = at, .wakeups = at / S, .cpu = at / 10});
        assert_int_equal(u.n, USAGE_SLOTS);
        assert_true(usage_rate(
                &u, &(UsageCounters){.at = 1201 * S, .wakeups = 1201, .cpu = 1201 * S / 10},
                &wakeups, &share));
        assert_float_equal(wakeups, 60, 1e-6);
        assert_float_equal(share, 0.1, 1e-6);
        /* … and no further: what was long ago does not count. */
        assert_true(u.slots[u.first].at >= 1200 * S - (USAGE_SLOTS + 1) * USAGE_STEP);
        assert_false(usage_rate(&u, &(UsageCounters){.at = 1300 * S}, &wakeups, &share));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stretches_step_by_step),
                cmocka_unit_test(test_stays),
                cmocka_unit_test(test_anything_ends_it),
                cmocka_unit_test(test_a_few_births_do_not),
                cmocka_unit_test(test_fixed),
                cmocka_unit_test(test_blind),
                cmocka_unit_test(test_wake),
                cmocka_unit_test(test_policy_changes),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_usage),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
