/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "policy/contention.h"

#define S USEC_PER_SEC

static const float no_psi[_PSI_COUNT] = {-1, -1, -1};
static const Thresholds thresholds = {
        .delay_share = 0.02f,
        .delay_per_slice = 200,
        .busy_share = 0.85f,
        .io_pressure = 0.1f,
        .memory_pressure = 0.1f,
        .hog_share = 0.1f,
        .contention_after = 2 * S,
};

static bool near(float a, double b) {
        return a > (float)b - 0.001f && a < (float)b + 0.001f;
}

static void test_load(void **state) {
        ProcSample prev = {.valid = SAMPLE_ALL, .exec_ns = 1000, .delay_ns = 500, .nvcsw = 9};
        ProcSample now = prev;
        Load l;

        now.exec_ns += 500000000;
        now.delay_ns += 100000000;
        now.timeslices += 200;
        now.read_bytes += 3000;
        now.write_bytes += 1000;
        now.nvcsw += 7;
        load_compute(&now, &prev, 2 * S, &l);
        assert_true(l.measured && l.delay_known);
        assert_true(near(l.cpu, 0.25));
        assert_true(near(l.delay, 0.05));
        assert_true(near(l.wait, 500));
        assert_true(near(l.io_bytes, 2000));
        assert_int_equal(l.voluntary, 7);

        /* A thread that ended takes its share of the counters with it. */
        load_compute(&prev, &now, 2 * S, &l);
        assert_true(near(l.cpu, 0) && near(l.delay, 0) && near(l.io_bytes, 0));
        assert_int_equal(l.voluntary, 0);

        load_compute(&now, &prev, 0, &l);
        assert_false(l.measured);

        now.valid &= ~(uint32_t)SAMPLE_DELAY;
        load_compute(&now, &prev, 2 * S, &l);
        assert_false(l.delay_known);
        assert_true(near(l.delay, 0));

        /* Born within the interval: all that it did so far. */
        load_compute(&now, NULL, S, &l);
        assert_true(near(l.cpu, 0.500001));
}

static ProcSample victim = {.pid = 5,
                            .valid = SAMPLE_ALL,
                            .cpus_allowed = 1,
                            .group_kind = SCHED_GROUP_AUTOGROUP,
                            .group_id = 1};
static ProcSample hog = {.pid = 9,
                         .valid = SAMPLE_ALL,
                         .cpus_allowed = 3,
                         .group_kind = SCHED_GROUP_AUTOGROUP,
                         .group_id = 2};
static const Load waits = {.measured = true,
                           .delay_known = true,
                           .cpu = 0.1f,
                           .delay = 0.1f,
                           .wait = 900,
                           .voluntary = 9};
static const Load runs = {.measured = true, .delay_known = true, .cpu = 0.9f, .voluntary = 1};

/* One tick with one of each; load of the victim varies. */
static void tick(Contention *c, usec_t at, const Load *victim_load) {
        contention_begin(c, &thresholds, at, S, 1, no_psi);
        assert_int_equal(contention_add(c, &victim, NULL, victim_load, ROLE_PROTECTED, 0), 0);
        assert_int_equal(contention_add(c, &hog, NULL, &runs, ROLE_HOG, TREAT_NICE), 0);
        contention_close(c);
}

static void test_waiting(void **state) {
        static const struct {
                float delay, wait, cpu;
                uint64_t voluntary;
                bool waits;
        } rows[] = {
                {0.1f, 900, 0.1f, 9, true},  {0.01f, 900, 0.1f, 9, false}, /* seldom */
                {0.1f, 100, 0.1f, 9, false},                               /* shortly */
                {0.1f, 900, 0.1f, 0, false}, /* never sleeps: no victim */
                {0.02f, 200, 0.1f, 9, true},
        };
        float delay;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Contention c = CONTENTION_INIT;
                Load l = waits;

                l.delay = rows[i].delay;
                l.wait = rows[i].wait;
                l.cpu = rows[i].cpu;
                l.voluntary = rows[i].voluntary;
                tick(&c, 100 * S, &l);
                assert_int_equal(contention_victim(&c, &delay) == &victim, rows[i].waits);
                assert_int_equal(c.since[CONTENTION_CPU] != USEC_INFINITY, rows[i].waits);
                contention_done(&c);
        }
}

static void test_must_last(void **state) {
        Contention c = CONTENTION_INIT;
        Load calm = waits;
        ContentionMeeting m;

        calm.delay = 0;
        tick(&c, 100 * S, &waits);
        assert_false(c.lasting[CONTENTION_CPU]);
        tick(&c, 101 * S, &waits);
        assert_true(c.lasting[CONTENTION_CPU]);
        assert_true(c.since[CONTENTION_CPU] == 99 * S);
        contention_meet(&c, &hog, NULL, &runs, &m);
        assert_true(m.contended[CONTENTION_CPU] && m.across_groups && m.shares_cpus);
        assert_false(m.within_group || m.group_holds_protected);
        assert_ptr_equal(m.victim, &victim);
        contention_meet(&c, &victim, NULL, &waits, &m);
        assert_true(m.within_group && m.group_holds_protected);

        /* A pause: not contended now, but the episode goes on … */
        tick(&c, 102 * S, &calm);
        assert_false(c.lasting[CONTENTION_CPU]);
        tick(&c, 103 * S, &waits);
        assert_true(c.lasting[CONTENTION_CPU]);
        /* … until the pause is as long as what counts as lasting. */
        for (usec_t at = 104; at < 109; at++)
                tick(&c, at * S, &calm);
        tick(&c, 109 * S, &waits);
        assert_false(c.lasting[CONTENTION_CPU]);
        contention_done(&c);
}

static void test_many_groups(void **state) {
        static ProcSample procs[300];
        Contention c = CONTENTION_INIT;
        ContentionMeeting m;
        float delay;

        contention_begin(&c, &thresholds, 100 * S, 10 * S, 1, no_psi);
        for (size_t i = 0; i < ELEMENTSOF(procs); i++) {
                Load l = waits;

                procs[i] = victim;
                procs[i].pid = (pid_t)(1000 - i);
                procs[i].group_id = i * 7919 % 100;
                l.delay = 0.1f + (float)(i % 50) / 100;
                assert_int_equal(contention_add(&c, procs + i, NULL, &l, ROLE_PROTECTED, 0), 0);
        }
        assert_int_equal(contention_add(&c, &hog, NULL, &runs, ROLE_HOG, TREAT_NICE), 0);
        contention_close(&c);
        assert_int_equal(c.n_groups, 100);
        for (size_t i = 1; i < c.n_groups; i++)
                assert_true(c.groups[i - 1].id < c.groups[i].id);
        assert_non_null(contention_victim(&c, &delay));
        assert_true(near(delay, 0.59));
        contention_meet(&c, &hog, NULL, &runs, &m);
        assert_true(m.within_group && m.across_groups && m.contended[CONTENTION_CPU]);
        contention_done(&c);
}

static void test_holds(void **state) {
        const Treatment nice = {.set = TREAT_NICE}, session = {.set = TREAT_AUTOGROUP};
        const uint32_t cpu = 1U << CONTENTION_CPU;
        Contention c = CONTENTION_INIT;
        Load calm = waits, sleeps = {.measured = true}, unmeasured = {};
        ProcSample mate = hog;

        calm.delay = 0;
        mate.group_id = victim.group_id;
        tick(&c, 100 * S, &calm);
        assert_true(contention_holds(&c, &mate, &runs, cpu, &nice));
        assert_false(contention_holds(&c, &mate, &sleeps, cpu, &nice));
        assert_true(contention_holds(&c, &mate, &unmeasured, cpu, &nice));
        assert_false(contention_holds(&c, &mate, &runs, 1U << CONTENTION_IO, &nice));
        assert_false(contention_holds(&c, &mate, &runs, 0, &nice));
        /* Nice does not reach into another session, and the session's own must hold no victim. */
        assert_false(contention_holds(&c, &hog, &runs, cpu, &nice));
        assert_true(contention_holds(&c, &hog, &runs, cpu, &session));
        assert_false(contention_holds(&c, &mate, &runs, cpu, &session));
        /* Without a group of its own its nice is weighed at the root, against all others. */
        hog.group_kind = SCHED_GROUP_ROOT;
        assert_true(contention_holds(&c, &hog, &runs, cpu, &nice));
        hog.group_kind = SCHED_GROUP_AUTOGROUP;
        /* Nobody there any more. */
        tick(&c, 101 * S, &sleeps);
        assert_false(contention_holds(&c, &mate, &runs, cpu, &nice));
        contention_done(&c);
}

/* Where in the tree the hog's group is weighed against the victim's. */
static void test_weighed(void **state) {
        const struct {
                const char *hog, *victim;
                uint16_t hog_length, victim_length; /* 0: all of it */
                size_t expected;
        } cases[] = {
                {"/system.slice/hogs.service", "/system.slice/db.service", 0, 0, 26},
                {"/system.slice/hogs.service", "/user.slice/user-1.slice/session-2.scope", 0, 0,
                 13},
                {"/system.slice/hogs.service", "/system.slice/hogs.service", 0, 0, 0},
                {"/system.slice/hogs.service", "/system.slice/hogs.service2", 0, 0, 26},
                {"/a.slice/b.service/c", "/a.slice/b.service/d", 0, 0, 20},
                {"/a.slice", "/a.slice/b.service", 0, 0, 0},
                {"/a.slice/b.service", "/a.slice", 0, 0, 18},
                /* The controller ends above them */
                {"/system.slice/hogs.service", "/system.slice/db.service", 13, 13, 0},
                {"/system.slice/hogs.service", "/system.slice/db.service", 0, 1, 13},
                {"/system.slice/hogs.service", "/system.slice/db.service", 1, 0, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                GroupPath own = {cases[i].hog, cases[i].hog_length ?: strlen(cases[i].hog)};
                GroupPath other = {cases[i].victim,
                                   cases[i].victim_length ?: strlen(cases[i].victim)};

                assert_int_equal(reach_weighed(own, other), cases[i].expected);
        }
        assert_int_equal(reach_weighed((GroupPath){NULL, 0}, (GroupPath){"/a", 2}), 0);
        assert_int_equal(reach_weighed((GroupPath){"/a", 2}, (GroupPath){NULL, 0}), 0);
        assert_true(reach_is_unit((GroupPath){"/system.slice/x.service", 23}));
        assert_true(reach_is_unit((GroupPath){"/system.slice/x.service", 13}));
        assert_false(reach_is_unit((GroupPath){"/system.slice/x.service", 0}));
        static const char *const not_units[] = {
                "/x.service/payload",           "/machine.slice/c.scope/system.slice/x.service",
                "/a.slice/x.service/y.service", "/user.slice/user@1.service/user@2.service/x.scope",
                "/payload/x.service",
        };

        for (size_t i = 0; i < ELEMENTSOF(not_units); i++)
                assert_false(reach_is_unit((GroupPath){not_units[i], strlen(not_units[i])}));
        assert_true(reach_is_unit((GroupPath){"/user.slice/user@1.service/app.slice/x.scope", 44}));
        assert_true(reach_is_unit((GroupPath){"/user.slice/user@1.service", 26}));
        assert_false(reach_is_unit((GroupPath){"/.service", 9}));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_load),      cmocka_unit_test(test_waiting),
                cmocka_unit_test(test_must_last), cmocka_unit_test(test_many_groups),
                cmocka_unit_test(test_holds),     cmocka_unit_test(test_weighed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
