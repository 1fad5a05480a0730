/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/floor.h"

static const ImpactSettings settings = {
        .floor_share = 0.02f,
        .floor_io = 65536,
        .floor_after = 10 * USEC_PER_SEC,
};
static Floor f;
static usec_t at;

static int setup(void **state) {
        f = (Floor){};
        at = 1000 * USEC_PER_SEC;
        return 0;
}

/* Seconds until it starves; 0: not within so many. */
static int starves_after(int seconds, Load load, float fair, uint32_t set) {
        load.measured = load.delay_known = true;
        for (int i = 1; i <= seconds; i++) {
                at += USEC_PER_SEC;
                floor_add(&f, &load, USEC_PER_SEC);
                if (floor_close(&f, &settings, at, USEC_PER_SEC, fair, set))
                        return i;
        }
        return 0;
}

static void test_starves(void **state) {
        const Load starving = {.cpu = 0.005f, .delay = 0.99f}, fed = {.cpu = 0.03f, .delay = 0.9f};
        const Load content = {.cpu = 0.005f, .delay = 0.001f};

        assert_int_equal(starves_after(60, fed, 1, TREAT_SCHED), 0);
        assert_int_equal(starves_after(60, content, 1, TREAT_SCHED), 0);
        assert_int_equal(f.level, 0);
        assert_int_equal(starves_after(60, starving, 1, TREAT_SCHED), 10);
        assert_int_equal(f.level, 1);
        assert_int_equal(starves_after(60, starving, 1, TREAT_SCHED), 10);
        assert_int_equal(f.level, 2);
}

/* Where hundreds compete, little is no less than it would have undemoted. */
static void test_fair(void **state) {
        const Load little = {.cpu = 0.005f, .delay = 0.99f};

        assert_int_equal(starves_after(60, little, 0.02f, TREAT_SCHED), 0);
        assert_int_equal(starves_after(60, little, 0.05f, TREAT_SCHED), 10);
}

static void test_io(void **state) {
        const Load stuck = {.in_iowait = 1, .io_bytes = 4096},
                   moves = {.in_iowait = 1, .io_bytes = 1e6f};
        Load seen_free = stuck;

        assert_int_equal(starves_after(60, moves, 1, TREAT_IOPRIO), 0);
        /* Nice has nothing to do with it. */
        assert_int_equal(starves_after(60, stuck, 1, TREAT_NICE), 0);
        seen_free.in_iowait = 0;
        assert_int_equal(starves_after(5, stuck, 1, TREAT_IOPRIO), 0);
        assert_int_equal(starves_after(1, seen_free, 1, TREAT_IOPRIO), 0);
        assert_int_equal(starves_after(4, stuck, 1, TREAT_IOPRIO), 0);
        assert_int_equal(starves_after(60, stuck, 1, TREAT_IOPRIO), 10);
}

static void test_level_fades_and_is_bounded(void **state) {
        const Load starving = {.cpu = 0, .delay = 1}, fed = {.cpu = 0.5f, .delay = 0.5f};

        for (int i = 0; i < 10; i++)
                starves_after(10, starving, 1, TREAT_NICE);
        assert_int_equal(f.level, FLOOR_LEVEL_MAX);
        starves_after(3500, fed, 1, TREAT_NICE);
        assert_int_equal(f.level, FLOOR_LEVEL_MAX);
        starves_after(200, fed, 1, TREAT_NICE);
        assert_int_equal(f.level, FLOOR_LEVEL_MAX - 1);
        starves_after(3400, fed, 1, TREAT_NICE);
        assert_int_equal(f.level, FLOOR_LEVEL_MAX - 1);
}

static void test_soften_sched(void **state) {
        Treatment t = {.set = TREAT_SCHED | TREAT_SLICE, .sched = SCHED_IDLE, .slice_usec = 500};

        floor_soften(&t, 0);
        assert_int_equal(t.set, TREAT_SCHED | TREAT_SLICE);
        floor_soften(&t, 1);
        assert_int_equal(t.set, TREAT_NICE | TREAT_SLICE);
        assert_int_equal(t.nice, 19);
        floor_soften(&t, 1);
        assert_int_equal(t.nice, 9);
        floor_soften(&t, FLOOR_LEVEL_MAX);
        assert_int_equal(t.set, 0);
}

static void test_soften_weights(void **state) {
        const Treatment whole = {
                .set = TREAT_AUTOGROUP | TREAT_UNIT_CPU_WEIGHT | TREAT_CPU_WEIGHT | TREAT_IOPRIO,
                .autogroup_nice = 19,
                .unit_cpu_weight = 20,
                .cpu_weight = 0,
                .ioprio_class = 3,
        };
        Treatment t = whole;

        floor_soften(&t, 1);
        assert_int_equal(t.set, whole.set);
        assert_int_equal(t.autogroup_nice, 9);
        assert_int_equal(t.unit_cpu_weight, 40);
        assert_int_equal(t.cpu_weight, 10);
        assert_int_equal(t.ioprio_class, 2);
        assert_int_equal(t.ioprio_level, 7);
        t = whole;
        floor_soften(&t, 3);
        assert_int_equal(t.set, TREAT_AUTOGROUP | TREAT_CPU_WEIGHT);
        assert_int_equal(t.autogroup_nice, 2);
        assert_int_equal(t.cpu_weight, 40);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_starves, setup),
                cmocka_unit_test_setup(test_fair, setup),
                cmocka_unit_test_setup(test_io, setup),
                cmocka_unit_test_setup(test_level_fades_and_is_bounded, setup),
                cmocka_unit_test_setup(test_soften_sched, setup),
                cmocka_unit_test_setup(test_soften_weights, setup),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
