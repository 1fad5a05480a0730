/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Scheduling groups, other resources than the CPU, forks, and machine-wide settings. */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"

#define HOG 100
#define SERVER 50

static World w;

static int setup(void **state) {
        world_init(&w);
        return 0;
}

static int teardown(void **state) {
        world_done(&w);
        return 0;
}

static void start_demotion(void) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_int_equal(w.n_decisions, 2);
}

static void test_other_session(void **state) {
        const Decision *d;

        world_add_server(&w, SERVER)->s.group_id = 8;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        /* One carries it for all of the session. */
        assert_int_equal(w.n_decisions, 1);
        d = world_decision(&w, HOG);
        assert_non_null(d);
        assert_int_equal(d->treatment.set, TREAT_AUTOGROUP);
        assert_int_equal(d->treatment.autogroup_nice, 19);
        assert_true(world_view(&w, HOG + 1).treated);
        assert_int_equal(world_view(&w, HOG + 1).verdict, VERDICT_TREATED);

        actor_stop_waiting(world_find(&w, SERVER));
        assert_int_equal(world_tick(&w, 20), 20);
        assert_int_equal(w.n_decisions, 0);

        /* Put back once, too. */
        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        world_tick(&w, 1);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 0);
        assert_false(world_view(&w, HOG + 1).treated);
}

static void test_carrier_is_gone(void **state) {
        world_add_server(&w, SERVER)->s.group_id = 8;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_add_hog(&w, HOG + 2);
        world_tick(&w, 8);
        world_remove(&w, HOG);
        assert_int_equal(world_tick(&w, 3), 1);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, HOG + 1)->kind, DECISION_APPLY);
        assert_true(world_view(&w, HOG + 2).treated);
}

static void test_mixed_group(void **state) {
        Actor *calm = world_add_server(&w, SERVER + 1);

        actor_stop_waiting(calm); /* does not wait, but must not pay */
        world_add_server(&w, SERVER)->s.group_id = 8;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_MIXED_GROUP);
}

static void test_protected_joins_session(void **state) {
        world_add_server(&w, SERVER)->s.group_id = 8;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        assert_true(world_view(&w, HOG).treated);
        actor_stop_waiting(world_add_server(&w, SERVER + 1));
        assert_in_range(world_tick(&w, 12), 5, 9);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
}

/* An autogroup's nice weighs on everyone in the session: on those out of scope, too. */
static void test_session_holds_others(void **state) {
        Actor *other;

        w.policy.scope[0] = (ScopeEntry){.kind = SCOPE_UID, .number = 1000};
        world_set_policy(&w);
        world_add_server(&w, SERVER)->s.group_id = 8;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        other = world_add(&w, SERVER + 1, CLASS_IDLE);
        other->s.uid = 0;
        world_tick(&w, 12);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_MIXED_GROUP);

        /* It comes into scope: the session may be lowered. It leaves it: put back at once. */
        other->s.uid = 1000;
        world_tick(&w, 4);
        assert_non_null(world_decision(&w, HOG));
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_AUTOGROUP);
        world_tick_for(&w, USEC_PER_SEC);
        other->s.uid = 0;
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_MIXED_GROUP);
}

static void test_session_holds_us(void **state) {
        world_add_server(&w, SERVER)->s.group_id = 8;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_add(&w, WORLD_SELF, CLASS_IDLE);
        world_tick(&w, 12);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_MIXED_GROUP);
}

static void test_cgroup_out_of_reach(void **state) {
        Actor *hogs[2];

        world_add_server(&w, SERVER);
        for (pid_t i = 0; i < 2; i++) {
                hogs[i] = world_add_hog(&w, HOG + i);
                hogs[i]->s.group_kind = SCHED_GROUP_CGROUP;
                hogs[i]->s.group_id = 99;
        }
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_OTHER_GROUP);

        w.policy.treatment[CLASS_BATCH].set |= TREAT_CPU_WEIGHT;
        w.policy.treatment[CLASS_BATCH].cpu_weight = 5;
        world_set_policy(&w);
        world_tick(&w, 3);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_OTHER_GROUP);

        /* From a session there is a way into a group of ours. */
        for (pid_t i = 0; i < 2; i++)
                hogs[i]->s.group_kind = SCHED_GROUP_AUTOGROUP;
        w.policy.treatment[CLASS_BATCH].set = TREAT_NICE | TREAT_CPU_WEIGHT;
        world_set_policy(&w);
        world_tick(&w, 3);
        assert_int_equal(w.n_decisions, 2);
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_CPU_WEIGHT);
        assert_int_equal(world_decision(&w, HOG)->treatment.cpu_weight, 5);
}

/* A knob without effect is dropped for good; the others are used when they reach. */
static void test_inert_knob(void **state) {
        w.policy.treatment[CLASS_BATCH].set = TREAT_NICE | TREAT_CPU_WEIGHT;
        w.policy.treatment[CLASS_BATCH].cpu_weight = 5;
        world_set_policy(&w);
        world_add_server(&w, SERVER)->s.group_id = 8;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        w.outcome = OUTCOME_INERT;
        world_tick(&w, 8);
        assert_int_equal(w.n_decisions, 2);
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_CPU_WEIGHT);
        w.outcome = OUTCOME_DONE;
        assert_int_equal(world_tick(&w, 10), 10);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_INERT);

        world_add_server(&w, SERVER + 1);
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 2);
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_NICE);
}

static void test_unknown_group(void **state) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG)->s.valid &= ~(uint32_t)SAMPLE_GROUP;
        world_add_hog(&w, HOG + 1)->s.valid &= ~(uint32_t)SAMPLE_GROUP;
        world_tick(&w, 8);
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_NICE | TREAT_SLICE);
}

static void test_disjoint_cpus(void **state) {
        world_add_server(&w, SERVER)->s.cpus_allowed = 1;
        world_add_hog(&w, HOG)->s.cpus_allowed = 1;
        world_add_hog(&w, HOG + 1)->s.cpus_allowed = 2;
        world_tick(&w, 8);
        assert_int_equal(w.n_decisions, 1);
        assert_non_null(world_decision(&w, HOG));
        assert_int_equal(world_view(&w, HOG + 1).verdict, VERDICT_DISJOINT_CPUS);
}

/* Victims in its own session first, then in another as well: the session's nice comes on top. */
static void test_treatment_is_extended(void **state) {
        start_demotion();
        world_remove(&w, SERVER);
        world_add_server(&w, SERVER + 1)->s.group_id = 8;
        world_tick(&w, 5);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_APPLY);
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_AUTOGROUP);
}

static void test_without_delay_psi_counts(void **state) {
        world_add_server(&w, SERVER)->s.valid &= ~(uint32_t)SAMPLE_DELAY;
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0); /* unknown is not "waits", nor "does not" … */
        w.psi_usec[PSI_CPU] = 300000;
        world_tick(&w, 5);
        assert_int_equal(w.n_decisions, 2); /* … PSI tells */
}

static void test_io_contention(void **state) {
        const Decision *d;
        Actor *a;

        world_add_server(&w, SERVER)->io_bytes = 4096;
        a = world_add(&w, HOG, CLASS_IO);
        a->cpu = 0.05;
        a->voluntary = 100;
        a->io_bytes = 100e6;
        a = world_add(&w, HOG + 1, CLASS_IO);
        a->cpu = 0.05;
        a->io_bytes = 1000; /* an I/O class, but takes nothing */
        world_tick(&w, 6);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_NO_CONTENTION);

        w.psi_usec[PSI_IO] = 200000;
        world_tick(&w, 6);
        assert_int_equal(w.n_decisions, 1);
        d = world_decision(&w, HOG);
        assert_int_equal(d->treatment.set, TREAT_IOPRIO);
        assert_int_equal(d->treatment.ioprio_class, 2);
        assert_int_equal(d->treatment.ioprio_level, 7);
        assert_int_equal(d->victim, SERVER);

        w.psi_usec[PSI_IO] = 30000; /* less, for its sake */
        assert_int_equal(world_tick(&w, 20), 20);
        assert_int_equal(w.n_decisions, 0);
        w.psi_usec[PSI_IO] = 0;
        assert_in_range(world_tick(&w, 20), 5, 6);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
}

static void test_no_psi_no_io_contention(void **state) {
        Actor *a = world_add(&w, HOG, CLASS_IO);

        a->cpu = 0.05;
        a->io_bytes = 100e6;
        world_add_server(&w, SERVER)->io_bytes = 4096;
        w.psi_valid = false;
        w.psi_usec[PSI_IO] = 900000;
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
}

static void test_memory_contention(void **state) {
        Actor *a = world_add(&w, HOG, CLASS_MEMORY);

        a->cpu = 0.3;
        a->slices = a->voluntary = 10;
        world_add_server(&w, SERVER)->faults = 50;
        world_tick(&w, 6);
        assert_int_equal(w.n_decisions, 0);
        w.psi_usec[PSI_MEMORY] = 200000;
        world_tick(&w, 6);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_NICE | TREAT_SLICE);
}

static Actor *fork_below(pid_t parent, pid_t child, int8_t nice) {
        Actor *a = world_add_hog(&w, child);

        a->s.ppid = parent;
        a->s.nice = nice;
        return a;
}

static void test_adopt(void **state) {
        const Decision *d;

        start_demotion();
        actor_stop_waiting(world_find(&w, SERVER));
        fork_below(HOG, 30, 19);      /* the pids have wrapped: before its parent … */
        fork_below(30, 20, 19);       /* … and its child before it */
        fork_below(HOG, HOG + 50, 0); /* set back to 0 in between: not ours */
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 2);
        d = world_decision(&w, 30);
        assert_int_equal(d->kind, DECISION_ADOPT);
        assert_int_equal(d->verdict, VERDICT_ADOPTED);
        assert_int_equal(d->parent, HOG);
        assert_int_equal(world_decision(&w, 20)->parent, 30);
        assert_true(world_view(&w, 20).treated);
        assert_int_equal(world_view(&w, 20).verdict, VERDICT_ADOPTED);
        assert_false(world_view(&w, HOG + 50).treated);

        world_remove(&w, 20); /* short-lived: forgotten */
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 0);

        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        world_tick(&w, 1);
        assert_int_equal(w.n_decisions, 3);
        assert_int_equal(world_decision(&w, 30)->kind, DECISION_RELEASE);
}

static void test_adopted_is_released_when_it_is_something_else(void **state) {
        Actor *a;

        start_demotion();
        actor_stop_waiting(world_find(&w, SERVER));
        a = fork_below(HOG, HOG + 20, 19);
        a->load_class = CLASS_INTERACTIVE;
        world_tick_for(&w, USEC_PER_SEC);
        assert_true(world_view(&w, HOG + 20).treated);
        assert_in_range(world_tick(&w, 8), 1, 3);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, HOG + 20)->verdict, VERDICT_PROTECTED);
}

/* Seen by its fork alone: its parent came and went between two samples. */
static void test_orphan_is_ours(void **state) {
        Actor *a;

        start_demotion();
        actor_stop_waiting(world_find(&w, SERVER));
        assert_true(pipeline_is_treated(w.pipeline, HOG));
        pipeline_note_treated(w.pipeline, 300, w.at / 10000);
        assert_true(pipeline_is_treated(w.pipeline, 300));
        assert_false(pipeline_is_treated(w.pipeline, 301));
        pipeline_note_treated(w.pipeline, 301, w.at / 10000);
        fork_below(1, 301, 19);
        fork_below(HOG, 302, 19);
        pipeline_note_treated(w.pipeline, 302, w.at / 10000);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 0); /* in the ledger already */
        assert_true(world_view(&w, 301).treated);
        assert_int_equal(world_view(&w, 302).verdict, VERDICT_ADOPTED);
        assert_false(pipeline_is_treated(w.pipeline, 300));
        assert_int_equal(world_tick(&w, 20), 20);

        a = world_find(&w, 301);
        a->load_class = CLASS_INTERACTIVE;
        assert_in_range(world_tick(&w, 8), 2, 3);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, 301)->kind, DECISION_RELEASE);
}

static void test_older_child_is_not_adopted(void **state) {
        Actor *a;

        start_demotion();
        a = fork_below(HOG, HOG + 20, 19);
        a->s.start = world_find(&w, HOG)->s.start; /* was there before, unseen */
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 0);
}

static void set_tunables(int n, const TunableSetting *s) {
        free(w.policy.tunables);
        w.policy.tunables = calloc((size_t)n + 1, sizeof(*s));
        assert_non_null(w.policy.tunables);
        for (int i = 0; i < n; i++)
                w.policy.tunables[i] = s[i];
        w.policy.n_tunables = (size_t)n;
        world_set_policy(&w);
}

static void test_tunables(void **state) {
        TunableSetting settings[] = {
                {.tunable = tunable_find("vm.swappiness"), .value = "10", .when = CONTENTION_CPU},
                {.tunable = tunable_find("vm.swappiness"), .value = "40", .when = -1},
                {.tunable = tunable_find("vm.dirty_ratio"), .value = "15", .when = -1},
        };

        set_tunables(3, settings);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 2);
        assert_int_equal(w.decisions[0].kind, DECISION_TUNE);
        assert_string_equal(w.decisions[0].tunable, "vm.swappiness");
        assert_string_equal(w.decisions[0].value, "40");
        assert_int_equal(world_tick(&w, 5), 5);
        assert_int_equal(w.n_decisions, 0); /* once */

        /* The first whose reason is there counts: put back, then set. */
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        assert_int_equal(w.n_decisions, 3);
        assert_int_equal(w.decisions[2].kind, DECISION_UNTUNE);
        assert_string_equal(w.decisions[2].value, "40");
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.decisions[0].kind, DECISION_TUNE);
        assert_string_equal(w.decisions[0].value, "10");

        /* Dropped from the policy, and out of enforce: all is put back at once. */
        set_tunables(1, settings + 2);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 1);
        assert_string_equal(w.decisions[0].value, "10");
        assert_int_equal(w.decisions[0].kind, DECISION_UNTUNE);
        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.decisions[w.n_decisions - 1].kind, DECISION_UNTUNE);
        assert_string_equal(w.decisions[w.n_decisions - 1].tunable, "vm.dirty_ratio");
}

static void test_tunables_need_the_machine(void **state) {
        TunableSetting s = {.tunable = tunable_find("vm.swappiness"), .value = "10", .when = -1};

        w.policy.scope[0] = (ScopeEntry){.kind = SCOPE_UID, .number = 1000};
        set_tunables(1, &s);
        world_tick(&w, 5);
        assert_int_equal(w.n_decisions, 0);

        /* What the kernel refused is not tried again before the policy is set anew. */
        w.policy.scope[0] = (ScopeEntry){.kind = SCOPE_MACHINE};
        world_set_policy(&w);
        w.outcome = OUTCOME_FAILED;
        assert_int_equal(world_tick(&w, 5), 1);
        w.outcome = OUTCOME_DONE;
        world_tick(&w, 30);
        assert_int_equal(w.n_decisions, 0);
        world_set_policy(&w);
        assert_int_equal(world_tick(&w, 5), 1);
        /* Rolled back by hand: it has its cool-down. */
        pipeline_note_rollback(w.pipeline, 0);
        assert_in_range(world_tick(&w, 20), 10, 11);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(w.decisions[0].kind, DECISION_TUNE);
}

static void test_thousands_sleep(void **state) {
        PipelineStatus status;

        for (pid_t pid = 200; pid < 5200; pid++)
                world_add(&w, pid, CLASS_BATCH);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_wanted, 5000);
        start_demotion();
        pipeline_get_status(w.pipeline, &status);
        assert_int_equal(status.n_procs, 5003);
        assert_int_equal(status.n_inferred, 3);
        assert_int_equal(w.n_wanted, 0);
        assert_true(world_view(&w, 3000).dormant);
        assert_int_equal(world_view(&w, 3000).load_class, CLASS_IDLE);
        assert_int_equal(world_view(&w, 3000).verdict, VERDICT_DORMANT);

        world_find(&w, 3000)->cpu = 0.01;
        world_tick_for(&w, USEC_PER_SEC);
        pipeline_get_status(w.pipeline, &status);
        assert_int_equal(status.n_inferred, 4);
        assert_false(world_view(&w, 3000).dormant);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_other_session),
                T(test_carrier_is_gone),
                T(test_mixed_group),
                T(test_session_holds_others),
                T(test_session_holds_us),
                T(test_protected_joins_session),
                T(test_cgroup_out_of_reach),
                T(test_inert_knob),
                T(test_unknown_group),
                T(test_disjoint_cpus),
                T(test_treatment_is_extended),
                T(test_without_delay_psi_counts),
                T(test_io_contention),
                T(test_no_psi_no_io_contention),
                T(test_memory_contention),
                T(test_adopt),
                T(test_adopted_is_released_when_it_is_something_else),
                T(test_orphan_is_ours),
                T(test_older_child_is_not_adopted),
                T(test_tunables),
                T(test_tunables_need_the_machine),
                T(test_thousands_sleep),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
