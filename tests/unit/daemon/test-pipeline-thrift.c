/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only what moved is put to the model: the same decisions as when everything is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"

#define SLEEPER 30
#define STEADY 40
#define CHANGE 0.05f

static World thrifty, lavish, again;

static int setup(void **state) {
        world_init(&thrifty);
        world_init(&lavish);
        world_init(&again);
        thrifty.policy.thresholds.infer_change = again.policy.thresholds.infer_change = CHANGE;
        world_set_policy(&thrifty);
        world_set_policy(&again);
        return 0;
}

static int teardown(void **state) {
        world_done(&thrifty);
        world_done(&lavish);
        world_done(&again);
        return 0;
}

static PipelineStatus status_of(const World *w) {
        PipelineStatus s;

        pipeline_get_status(w->pipeline, &s);
        return s;
}

/* Steady to the last count, as far as whole numbers go. */
static Actor *add_steady(World *w, pid_t pid) {
        Actor *a = world_add(w, pid, CLASS_SERVER);

        a->cpu = 0.1;
        a->slices = a->voluntary = 400;
        return a;
}

static void test_what_stands_is_not_asked_again(void **state) {
        World *w = &thrifty;

        add_steady(w, STEADY);
        world_tick(w, 40);
        /* Its histories have settled: nothing moves, but every five seconds it is asked. */
        for (int i = 0; i < 20; i++) {
                size_t n = 0;

                for (int k = 0; k < 5; k++) {
                        world_tick_for(w, USEC_PER_SEC);
                        assert_int_equal(status_of(w).n_inferred + status_of(w).n_skipped, 1);
                        n += status_of(w).n_inferred;
                        assert_int_equal(world_view(w, STEADY).inferred, status_of(w).n_inferred);
                        assert_int_equal(world_view(w, STEADY).load_class, CLASS_SERVER);
                        /* The row is the one that the model saw. */
                        assert_float_equal(world_view(w, STEADY).row[FEATURE_CPU], 0.1, 0.01);
                }
                assert_int_equal(n, 1);
        }
        /* It moves: at once. */
        world_find(w, STEADY)->cpu = 0.3;
        world_tick_for(w, USEC_PER_SEC);
        assert_true(world_view(w, STEADY).inferred);
        assert_float_equal(world_view(w, STEADY).row[FEATURE_CPU], 0.3, 0.01);
}

static void test_another_program_or_model_is_asked_for(void **state) {
        World *w = &thrifty;

        add_steady(w, STEADY);
        world_tick(w, 41);
        while (status_of(w).n_inferred == 0)
                world_tick_for(w, USEC_PER_SEC);
        world_tick_for(w, USEC_PER_SEC);
        assert_int_equal(status_of(w).n_inferred, 0);
        pipeline_set_model(w->pipeline, &w->model);
        world_tick_for(w, USEC_PER_SEC);
        assert_int_equal(status_of(w).n_inferred, 1);
        world_tick_for(w, USEC_PER_SEC);
        assert_int_equal(status_of(w).n_inferred, 0);
        pipeline_note_exec(w->pipeline, STEADY);
        world_tick_for(w, USEC_PER_SEC);
        assert_int_equal(status_of(w).n_inferred, 1);
        /* And a policy that wants every look has it. */
        w->policy.thresholds.infer_change = 0;
        world_set_policy(w);
        for (int i = 0; i < 10; i++) {
                world_tick_for(w, USEC_PER_SEC);
                assert_int_equal(status_of(w).n_inferred, 1);
                assert_int_equal(status_of(w).n_skipped, 0);
        }
}

static void test_sleep(void **state) {
        static const bool asked[] = {true, false, false, false, false, true, false, false, false};
        World *w = &thrifty;
        Actor *a = add_steady(w, SLEEPER);

        /* How it begins is its program's lesson: every look counts. */
        for (int i = 0; i < 12; i++) {
                world_tick_for(w, USEC_PER_SEC);
                assert_true(i == 0 || i > 9 || world_view(w, SLEEPER).inferred);
        }
        *a = (Actor){.s = a->s, .load_class = a->load_class, .percent = 95, .second = -1};
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                world_tick_for(w, USEC_PER_SEC);
                assert_false(world_view(w, SLEEPER).dormant);
                assert_int_equal(world_view(w, SLEEPER).inferred, asked[i]);
                assert_int_equal(status_of(w).n_skipped, !asked[i]);
        }
        world_tick_for(w, USEC_PER_SEC);
        assert_true(world_view(w, SLEEPER).dormant);
        assert_int_equal(status_of(w).n_inferred + status_of(w).n_skipped, 0);
        assert_float_equal(world_view(w, SLEEPER).row[FEATURE_CPU_FAST], 0, 0);
}

/* What it slept through is one long interval for its histories, whatever looks fell into it. */
static void test_history_after_sleep(void **state) {
        static const usec_t pauses[] = {USEC_PER_SEC, 2 * USEC_PER_SEC, USEC_PER_SEC / 3,
                                        USEC_PER_SEC};
        World *worlds[] = {&thrifty, &lavish};
        ProcView views[2];

        for (size_t i = 0; i < ELEMENTSOF(worlds); i++) {
                World *w = worlds[i];
                Actor *a = add_steady(w, SLEEPER);

                world_tick(w, 12);
                *a = (Actor){.s = a->s, .load_class = a->load_class, .percent = 95, .second = -1};
                for (size_t k = 0; k < ELEMENTSOF(pauses); k++)
                        world_tick_for(w, pauses[k]);
                assert_int_equal(world_view(w, SLEEPER).inferred, w == &lavish);
                a->cpu = 0.5;
                a->slices = a->voluntary = 50;
                world_tick_for(w, USEC_PER_SEC);
                views[i] = world_view(w, SLEEPER);
                assert_true(views[i].inferred);
        }
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                assert_float_equal(views[0].row[i], views[1].row[i], 1e-4);
}

static uint32_t next(uint32_t *seed) {
        *seed = *seed * 1664525U + 1013904223U;
        return *seed >> 8;
}

/* Hogs and servers that come, go, sleep and change what they do: the same for every world. */
static void add_cast(World *w) {
        for (pid_t pid = 50; pid < 60; pid++)
                world_add_server(w, pid);
        for (pid_t pid = 100; pid < 110; pid++)
                world_add_hog(w, pid)->cpu = 0.19;
        for (pid_t pid = 200; pid < 240; pid++)
                world_add(w, pid, CLASS_IDLE);
}

static void act(World *w, uint32_t *seed) {
        for (size_t i = 0; i < w->n; i++) {
                Actor *a = w->actors + i;
                uint32_t dice = next(seed) % 100;

                if (dice < 2) {
                        a->cpu = a->delay = a->slices = a->voluntary = 0;
                } else if (dice < 4) {
                        bool hog = a->s.pid >= 100;

                        a->cpu = hog ? 0.19 : 0.1;
                        a->delay = hog ? 0.5 : 0.3;
                        a->slices = hog ? 100 : 400;
                        a->voluntary = hog ? 1 : 400;
                } else if (dice < 30) {
                        a->cpu *= 1 + ((double)(next(seed) % 100) - 50) * 1e-4;
                        a->voluntary *= 1 + ((double)(next(seed) % 100) - 50) * 1e-4;
                }
        }
}

static usec_t pause_after(uint32_t *seed) {
        return USEC_PER_SEC * (next(seed) % 8 == 0 ? 4 : 1);
}

static void test_same_decisions(void **state) {
        World *worlds[] = {&thrifty, &lavish, &again};
        uint32_t seeds[] = {1, 1, 1};
        size_t n_inferred[3] = {}, n_decisions = 0;

        for (size_t i = 0; i < 3; i++)
                add_cast(worlds[i]);
        for (int tick = 0; tick < 400; tick++) {
                for (size_t i = 0; i < 3; i++) {
                        act(worlds[i], &seeds[i]);
                        world_tick_for(worlds[i], pause_after(&seeds[i]));
                        n_inferred[i] += status_of(worlds[i]).n_inferred;
                }
                /* A replay is the same to the last bit. */
                assert_int_equal(again.n_decisions, thrifty.n_decisions);
                assert_memory_equal(again.decisions, thrifty.decisions,
                                    thrifty.n_decisions * sizeof(Decision));
                /* Who, and what: the same as if all had been looked into. */
                assert_int_equal(lavish.n_decisions, thrifty.n_decisions);
                for (size_t i = 0; i < lavish.n_decisions; i++) {
                        assert_int_equal(lavish.decisions[i].kind, thrifty.decisions[i].kind);
                        assert_int_equal(lavish.decisions[i].pid, thrifty.decisions[i].pid);
                }
                n_decisions += lavish.n_decisions;
                for (size_t i = 0; i < thrifty.n; i++) {
                        pid_t pid = thrifty.actors[i].s.pid;
                        ProcView a = world_view(&thrifty, pid), b = world_view(&lavish, pid);
                        ProcView c = world_view(&again, pid);

                        assert_int_equal(a.load_class, b.load_class);
                        assert_memory_equal(&a.prediction, &c.prediction, sizeof(a.prediction));
                        assert_memory_equal(a.row, c.row, sizeof(a.row));
                }
        }
        assert_true(n_decisions > 20);
        assert_true(n_inferred[0] < n_inferred[1]);
        assert_int_equal(n_inferred[0], n_inferred[2]);
        printf("of %zu rows %zu were put to the model\n", n_inferred[1], n_inferred[0]);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_what_stands_is_not_asked_again),
                T(test_another_program_or_model_is_asked_for),
                T(test_sleep),
                T(test_history_after_sleep),
                T(test_same_decisions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
