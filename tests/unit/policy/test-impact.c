/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/impact.h"

#define HOG 100
#define SERVER 50
#define OTHER 60
#define SESSION 7
#define OTHER_SESSION 8

/* A group of protected processes: so many wake-ups per second, each after so many µs. */
typedef struct Crowd {
        ProcSample proc;
        double rate, wait;
} Crowd;

typedef struct Scene {
        Policy policy;
        Waiting waiting;
        Impact impact;
        usec_t at;
        Crowd victims, others;
        ProcSample hog;
        float hog_cpu, hog_delay;
        bool treated;
        uint32_t episode, line;
} Scene;

static Scene s;

static ProcSample make_proc(pid_t pid, uint64_t session) {
        return (ProcSample){
                .pid = pid,
                .start = (uint64_t)pid,
                .valid = SAMPLE_ALL,
                .group_kind = SCHED_GROUP_AUTOGROUP,
                .group_id = session,
                .cpus_allowed = 3,
                .comm = "x",
        };
}

static int setup(void **state) {
        memset(&s, 0, sizeof(s));
        assert_int_equal(policy_init_default(&s.policy), 0);
        s.at = 1000 * USEC_PER_SEC;
        s.victims = (Crowd){make_proc(SERVER, SESSION), 500, 2000};
        s.others = (Crowd){make_proc(OTHER, OTHER_SESSION), 0, 0};
        s.hog = make_proc(HOG, SESSION);
        s.hog_cpu = 0.9f;
        s.hog_delay = 0.5f;
        return 0;
}

static int teardown(void **state) {
        impact_done(&s.impact);
        policy_done(&s.policy);
        return 0;
}

static void crowd_add(const Crowd *c, double seconds) {
        Load load = {
                .measured = true,
                .delay_known = true,
                .cpu = 0.1f,
                .delay = (float)(c->rate * c->wait * 1e-6),
                .voluntary = (uint64_t)(c->rate * seconds + 0.5),
        };

        if (c->rate > 0)
                waiting_add(&s.waiting, &c->proc, &load);
}

static void tick_for(usec_t dt) {
        const ImpactEpisode *e = impact_find(&s.impact, s.episode);
        Load load = {.measured = true, .delay_known = true, .cpu = s.hog_cpu, .delay = s.hog_delay};

        s.at += dt;
        waiting_begin(&s.waiting, s.at, dt);
        impact_observe_begin(&s.impact, s.at, dt, 200);
        crowd_add(&s.victims, (double)dt * 1e-6);
        crowd_add(&s.others, (double)dt * 1e-6);
        if (e && (s.treated || e->phase == IMPACT_PROBING))
                impact_add_progress(&s.impact, s.episode, s.line, &load);
        waiting_close(&s.waiting);
        impact_observe_close(&s.impact, &s.waiting, &s.policy.impact);
}

static void ticks(int n) {
        for (int i = 0; i < n; i++)
                tick_for(USEC_PER_SEC);
}

static ImpactAction action_for(const ProcSample *hog) {
        return (ImpactAction){
                .kinds = 1U << CONTENTION_CPU,
                .since = s.at - 3 * USEC_PER_SEC,
                .proc = hog,
                .load_class = CLASS_BATCH,
                .confidence = 0.9f,
                .set = TREAT_NICE,
                .victim = &s.victims.proc,
                .has_before = true,
                .cpu = s.hog_cpu,
                .demand = s.hog_cpu + s.hog_delay,
        };
}

static void demote(void) {
        ImpactAction a = action_for(&s.hog);

        s.episode = impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &s.line);
        assert_true(s.episode > 0);
        s.treated = true;
}

/* After three seconds in which the victims waited. */
static void start(void) {
        ticks(3);
        demote();
}

static const ImpactEpisode *episode(void) {
        const ImpactEpisode *e = impact_find(&s.impact, s.episode);

        assert_non_null(e);
        return e;
}

static void assert_near(double a, double b) {
        if (!(a > b * 0.98 && a < b * 1.02))
                print_error("%g is not near %g\n", a, b);
        assert_true(a > b * 0.98 && a < b * 1.02);
}

static void test_helped(void **state) {
        const ImpactLine *l;

        start();
        assert_near(episode()->before.delay_per_wakeup, 2000);
        assert_int_equal(episode()->before.wakeups, 1500);
        s.victims.wait = 100;
        s.hog_cpu = 0.6f;
        ticks(4);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
        ticks(1);
        assert_int_equal(episode()->verdict, IMPACT_HELPED);
        assert_near(episode()->during.delay_per_wakeup, 100);
        assert_near(episode()->ratio, 0.05);
        assert_int_equal(s.impact.n_judged, 1);
        assert_false(episode()->undo);

        l = episode()->lines;
        assert_int_equal(l->pid, HOG);
        assert_near(l->cpu_before, 0.9);
        assert_near(impact_line_cpu(l), 0.6);
        assert_near(impact_line_lost(l), 1.0 / 3);

        /* It ends, and what comes after is looked at. */
        s.treated = false;
        s.victims.wait = 1900;
        ticks(1);
        assert_int_equal(episode()->phase, IMPACT_AFTER);
        assert_int_equal(episode()->ended, s.at - USEC_PER_SEC);
        ticks(4);
        assert_int_equal(episode()->phase, IMPACT_CLOSED);
        assert_near(episode()->after.delay_per_wakeup, 1900);
        assert_near(episode()->during.delay_per_wakeup, 100);
        assert_false(episode()->undone);
        assert_int_equal(s.impact.n_closed, 1);
}

static void test_no_effect(void **state) {
        start();
        s.victims.wait = 1700; /* 15 % less: within what just happens */
        ticks(9);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
        ticks(1);
        assert_int_equal(episode()->verdict, IMPACT_NO_EFFECT);
        assert_true(episode()->undo);
        s.treated = false;
        ticks(6);
        assert_int_equal(episode()->phase, IMPACT_CLOSED);
        assert_true(episode()->undone);
        assert_false(episode()->revised);
        assert_int_equal(episode()->verdict, IMPACT_NO_EFFECT);
}

static void test_no_undo(void **state) {
        s.policy.impact.undo = false;
        start();
        ticks(10);
        assert_int_equal(episode()->verdict, IMPACT_NO_EFFECT);
        assert_false(episode()->undo);
}

static void test_harm(void **state) {
        start();
        s.victims.wait = 2600;
        ticks(10);
        assert_int_equal(episode()->verdict, IMPACT_HARMED);
        assert_true(episode()->undo);
}

/* A peak passes, everywhere: where the action does not reach as well. */
static void test_regression_to_the_mean(void **state) {
        s.others = (Crowd){s.others.proc, 400, 3000};
        start();
        assert_int_equal(episode()->n_controls, 1);
        s.victims.wait = 500;
        s.others.wait = 720;
        ticks(10);
        assert_true(episode()->has_control);
        assert_near(episode()->control, 0.24);
        assert_int_equal(episode()->verdict, IMPACT_NO_EFFECT);
}

static void test_help_against_control(void **state) {
        s.others = (Crowd){s.others.proc, 400, 3000};
        start();
        s.victims.wait = 500;
        s.others.wait = 2900;
        ticks(5);
        assert_int_equal(episode()->verdict, IMPACT_HELPED);
        assert_true(episode()->proven);
}

/* Those whom the action reaches are no control, nor those who did not wait. */
static void test_what_is_no_control(void **state) {
        ImpactAction a;

        s.others = (Crowd){s.others.proc, 400, 3000};
        ticks(3);
        a = action_for(&s.hog);
        a.set = TREAT_AUTOGROUP;
        s.episode = impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &s.line);
        assert_int_equal(episode()->n_controls, 0);

        teardown(NULL);
        setup(NULL);
        s.others = (Crowd){s.others.proc, 400, 20};
        start();
        assert_int_equal(episode()->n_controls, 0);

        /* On other CPUs a weight does not reach it either. */
        teardown(NULL);
        setup(NULL);
        s.others = (Crowd){s.others.proc, 400, 3000};
        s.others.proc.cpus_allowed = 4;
        ticks(3);
        a = action_for(&s.hog);
        a.set = TREAT_AUTOGROUP;
        s.episode = impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &s.line);
        assert_int_equal(episode()->n_controls, 1);
}

static void test_wakeups_vanish(void **state) {
        start();
        s.victims.wait = 100;
        s.victims.rate = 100;
        ticks(20);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
        s.treated = false;
        ticks(1);
        assert_int_equal(episode()->verdict, IMPACT_UNKNOWN);
        assert_false(episode()->undone);
}

static void test_hogs_vanish(void **state) {
        start();
        s.victims.wait = 100;
        s.hog_cpu = 0.05f;
        s.hog_delay = 0;
        ticks(20);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
}

static void test_few_wakeups(void **state) {
        s.victims.rate = 4;
        start();
        s.victims.wait = 1;
        ticks(30);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
        s.treated = false;
        ticks(1);
        assert_int_equal(episode()->verdict, IMPACT_UNKNOWN);
        ticks(20);
        assert_int_equal(episode()->phase, IMPACT_CLOSED);
}

/* Storage and memory are not told by run delay. */
static void test_other_kinds(void **state) {
        ImpactAction a;

        ticks(3);
        a = action_for(&s.hog);
        a.kinds = 1U << CONTENTION_IO;
        s.episode = impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &s.line);
        s.treated = true;
        s.victims.wait = 9000;
        ticks(30);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
        assert_near(episode()->during.delay_per_wakeup, 9000);
}

/* Before the hogs came nobody waited: that is not what it is compared with. */
static void test_before_begins_with_contention(void **state) {
        s.victims.wait = 10;
        ticks(6);
        s.victims.wait = 2000;
        ticks(3);
        demote();
        assert_near(episode()->before.delay_per_wakeup, 2000);
        assert_int_equal(episode()->before.intervals, 3);
}

/* Who did not wait before, or does not any more, cannot be helped; that is nobody's fault. */
static void test_nothing_to_relieve(void **state) {
        s.victims.wait = 60;
        start();
        ticks(30);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
        teardown(NULL);
        setup(NULL);
        s.victims.wait = 110;
        start();
        s.victims.wait = 95;
        ticks(30);
        assert_int_equal(episode()->verdict, IMPACT_MEASURING);
}

/* The victims' load grew while it was in force, which looked like no effect. */
static void test_revised(void **state) {
        start();
        s.victims.wait = 1900;
        ticks(10);
        assert_int_equal(episode()->verdict, IMPACT_NO_EFFECT);
        s.treated = false;
        s.victims.wait = 6000;
        ticks(5);
        assert_int_equal(episode()->phase, IMPACT_CLOSED);
        assert_true(episode()->undone);
        assert_true(episode()->revised);
        assert_int_equal(episode()->verdict, IMPACT_HELPED);
}

static void start_probe(void) {
        start();
        s.victims.wait = 800;
        ticks(5);
        assert_int_equal(episode()->verdict, IMPACT_HELPED);
        assert_false(episode()->proven);
        ticks(294);
        assert_int_equal(episode()->phase, IMPACT_RUNNING);
        ticks(1);
        assert_int_equal(episode()->phase, IMPACT_PROBING);
        s.treated = false;
}

static void test_probe_proves(void **state) {
        start_probe();
        s.victims.wait = 2000;
        ticks(3);
        assert_int_equal(episode()->phase, IMPACT_RESUMING);
        assert_true(episode()->proven);
        ticks(2);
        /* The same again: it goes on in its line, and is not probed a second time. */
        demote();
        assert_int_equal(s.episode, 1);
        assert_int_equal(episode()->n_lines, 1);
        assert_int_equal(episode()->phase, IMPACT_RUNNING);
        s.victims.wait = 800;
        ticks(700);
        assert_int_equal(episode()->phase, IMPACT_RUNNING);
        assert_int_equal(episode()->verdict, IMPACT_HELPED);
}

static void test_probe_disproves(void **state) {
        start_probe();
        ticks(3);
        assert_int_equal(episode()->verdict, IMPACT_NO_EFFECT);
        assert_true(episode()->undone);
        ticks(5);
        assert_int_equal(episode()->phase, IMPACT_CLOSED);
        assert_int_equal(s.impact.n_judged, 2);
}

/* It is measured by what was just before: their load has changed meanwhile. */
static void test_probe_compares_with_now(void **state) {
        start();
        s.victims.wait = 800;
        ticks(200);
        s.victims.wait = 1500;
        ticks(100);
        assert_int_equal(episode()->phase, IMPACT_PROBING);
        s.treated = false;
        ticks(3);
        assert_int_equal(episode()->verdict, IMPACT_NO_EFFECT);
}

/* No probe where it would hurt, or is not wanted. */
static void test_no_probe(void **state) {
        start();
        s.victims.wait = 100;
        ticks(700);
        assert_int_equal(episode()->phase, IMPACT_RUNNING);
        teardown(NULL);
        setup(NULL);
        s.policy.impact.probe = 0;
        start();
        s.victims.wait = 800;
        ticks(700);
        assert_int_equal(episode()->phase, IMPACT_RUNNING);
}

static void test_joined(void **state) {
        uint32_t line, first;
        ImpactAction a;

        start();
        first = s.episode;
        for (pid_t pid = HOG + 1; pid < HOG + 20; pid++) {
                ProcSample hog = make_proc(pid, SESSION);

                a = action_for(&hog);
                assert_int_equal(impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &line),
                                 first);
                assert_int_equal(line, MIN(pid - HOG, IMPACT_LINES_MAX - 1));
        }
        assert_int_equal(episode()->n_lines, IMPACT_LINES_MAX);
        assert_int_equal(episode()->lines[IMPACT_LINES_MAX - 1].n, 9);
        assert_int_equal(episode()->lines[IMPACT_LINES_MAX - 1].pid, 0);
        s.victims.wait = 100;
        ticks(5);
        assert_int_equal(episode()->verdict, IMPACT_HELPED);
        /* One more that changes nothing belongs to it; one with whom the wait rises is another
         * episode. */
        a = action_for(&s.hog);
        assert_int_equal(impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &line), first);
        s.victims.wait = 1000;
        ticks(3);
        a = action_for(&s.hog);
        assert_int_equal(impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &line),
                         first + 1);
}

static void test_bounds(void **state) {
        uint32_t line, last = 0;

        ticks(3);
        for (uint32_t i = 0; i < 3 * IMPACT_EPISODES_MAX; i++) {
                ProcSample victim = make_proc(SERVER, i);
                ImpactAction a = action_for(&s.hog);

                a.victim = &victim;
                last = impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &line);
                assert_int_equal(last, i + 1);
        }
        ticks(2);
        assert_null(impact_find(&s.impact, 0));
        assert_null(impact_find(&s.impact, last - IMPACT_EPISODES_MAX));
        assert_non_null(impact_find(&s.impact, last - IMPACT_EPISODES_MAX + 1));
        assert_int_equal(impact_find(&s.impact, last)->id, last);
}

static void test_nobody_to_serve(void **state) {
        ImpactAction a = action_for(&s.hog);
        uint32_t line;

        a.victim = NULL;
        assert_int_equal(impact_begin(&s.impact, &s.waiting, &a, &s.policy.impact, &line), 0);
        assert_null(impact_find(&s.impact, 1));
}

/* Ticks of 100 ms share slots; what was before and what is during stay apart. */
static void test_short_ticks(void **state) {
        for (int i = 0; i < 33; i++)
                tick_for(100 * USEC_PER_MSEC);
        demote();
        assert_near(episode()->before.delay_per_wakeup, 2000);
        s.victims.wait = 100;
        for (int i = 0; i < 40; i++)
                tick_for(100 * USEC_PER_MSEC);
        assert_int_equal(episode()->verdict, IMPACT_HELPED);
        assert_near(episode()->during.delay_per_wakeup, 100);
}

static void test_many_groups(void **state) {
        uint32_t kind;
        uint64_t id;

        for (uint64_t i = 0; i < 3 * WAITING_SERIES_MAX; i++) {
                s.others = (Crowd){make_proc(OTHER, 1000 + i), 10, 10};
                ticks(1);
        }
        waiting_key(&s.victims.proc, &kind, &id);
        assert_non_null(waiting_find(&s.waiting, kind, id));
        waiting_key(&s.others.proc, &kind, &id);
        assert_non_null(waiting_find(&s.waiting, kind, id));
        assert_null(waiting_find(&s.waiting, kind, 1000));
        /* More at once than there is room for. */
        waiting_begin(&s.waiting, s.at + 1, 1);
        for (uint64_t i = 0; i < 3 * WAITING_SERIES_MAX; i++) {
                Crowd c = {make_proc(OTHER, 2000 + i), 10, 10};

                crowd_add(&c, 1);
        }
        waiting_close(&s.waiting);
}

static void test_median(void **state) {
        float odd[] = {5, 1, 3}, even[] = {4, 1, 2, 100};

        assert_near(waiting_median(odd, 3), 3);
        assert_near(waiting_median(even, 4), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_helped),
                TEST(test_no_effect),
                TEST(test_no_undo),
                TEST(test_harm),
                TEST(test_regression_to_the_mean),
                TEST(test_help_against_control),
                TEST(test_what_is_no_control),
                TEST(test_wakeups_vanish),
                TEST(test_hogs_vanish),
                TEST(test_few_wakeups),
                TEST(test_other_kinds),
                TEST(test_before_begins_with_contention),
                TEST(test_nothing_to_relieve),
                TEST(test_revised),
                TEST(test_probe_proves),
                TEST(test_probe_disproves),
                TEST(test_probe_compares_with_now),
                TEST(test_no_probe),
                TEST(test_joined),
                TEST(test_bounds),
                TEST(test_nobody_to_serve),
                TEST(test_short_ticks),
                TEST(test_many_groups),
                TEST(test_median),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
