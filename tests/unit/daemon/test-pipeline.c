/* SPDX-License-Identifier: GPL-2.0-or-later */
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

/* Two hogs and a server that waits, in one session; runs until the hogs are demoted. */
static void start_demotion(void) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_int_equal(w.n_decisions, 2);
}

/* Verdict on a hog after the time in which it would have been demoted. */
static Verdict verdict_after_wait(pid_t pid) {
        for (int i = 0; i < 10; i++) {
                world_tick_for(&w, USEC_PER_SEC);
                assert_null(world_decision(&w, pid));
        }
        return world_view(&w, pid).verdict;
}

static void test_demote(void **state) {
        const Decision *d;
        PipelineStatus status;

        start_demotion();
        d = world_decision(&w, HOG);
        assert_non_null(d);
        assert_int_equal(d->kind, DECISION_APPLY);
        assert_int_equal(d->verdict, VERDICT_TREATED);
        assert_int_equal(d->treatment.set, TREAT_NICE | TREAT_SLICE);
        assert_int_equal(d->treatment.nice, 19);
        assert_int_equal(d->load_class, CLASS_BATCH);
        assert_int_equal(d->victim, SERVER);
        assert_string_equal(d->victim_comm, "p50");
        assert_in_range(d->victim_delay, 290000, 310000);
        assert_string_equal(d->comm, "p100");
        assert_true(world_view(&w, HOG).treated);
        assert_int_equal(world_view(&w, SERVER).verdict, VERDICT_PROTECTED);

        pipeline_get_status(w.pipeline, &status);
        assert_int_equal(status.n_procs, 3);
        assert_int_equal(status.n_treated, 2);
        assert_int_equal(status.n_inferred, 3);
        assert_true(status.contended[CONTENTION_CPU]);
        assert_false(status.contended[CONTENTION_IO]);
        assert_int_equal(status.victim, SERVER);
        assert_int_equal(status.changes_last_minute, 2);
        assert_true(status.busy_share > 0.9f && status.busy_share < 1.1f);
}

static void test_demote_at_100ms(void **state) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        for (int i = 0; i < 60; i++) {
                world_tick_for(&w, 100 * USEC_PER_MSEC);
                if (w.n_decisions > 0) {
                        /* Not before class and contention have lasted. */
                        assert_in_range(i, 18, 45);
                        return;
                }
        }
        fail_msg("never demoted");
}

static void test_no_reason(void **state) {
        Actor *server = world_add_server(&w, SERVER);

        actor_stop_waiting(server);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        assert_int_equal(verdict_after_wait(HOG), VERDICT_NO_CONTENTION);
}

static void test_idle_machine(void **state) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG)->cpu = 0.5;
        assert_int_equal(verdict_after_wait(HOG), VERDICT_NO_CONTENTION);
}

static void test_small_hog(void **state) {
        Actor *a = world_add_hog(&w, HOG + 2);

        a->cpu = 0.01;
        a->delay = 0.01;
        start_demotion();
        assert_null(world_decision(&w, HOG + 2));
        assert_int_equal(world_view(&w, HOG + 2).verdict, VERDICT_NO_CONTENTION);
}

/* Torn between two classes that mean the same, it is sure of what to do. */
static void test_classes_dealt_with_alike(void **state) {
        Actor *server = world_add_server(&w, SERVER), *hog = world_add_hog(&w, HOG);

        hog->percent = server->percent = 55;
        hog->second = CLASS_MEMORY;
        server->second = CLASS_INTERACTIVE;
        world_add_hog(&w, HOG + 1);
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_APPLY);
        assert_int_equal(world_decision(&w, HOG)->load_class, CLASS_BATCH);
        assert_true(world_decision(&w, HOG)->confidence > 0.99f);
        assert_int_equal(world_view(&w, SERVER).verdict, VERDICT_PROTECTED);
}

static void test_torn_between_dealings(void **state) {
        Actor *hog;

        world_add_server(&w, SERVER);
        hog = world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        hog->percent = 55;
        hog->second = CLASS_SERVER;
        assert_int_equal(verdict_after_wait(HOG), VERDICT_LOW_CONFIDENCE);
        /* A policy that deals with the two in different ways makes them two. */
        hog->second = CLASS_MEMORY;
        w.policy.treatment[CLASS_MEMORY].nice = 5;
        world_set_policy(&w);
        assert_int_equal(verdict_after_wait(HOG), VERDICT_LOW_CONFIDENCE);
}

static void test_hold_release_cool_down(void **state) {
        const Decision *d;

        start_demotion();
        actor_stop_waiting(world_find(&w, SERVER));
        /* The server is fine now, and because of the demotion: it stays. */
        assert_int_equal(world_tick(&w, 30), 30);
        assert_int_equal(w.n_decisions, 0);
        assert_true(world_view(&w, HOG).treated);

        /* The server has nothing more to do. */
        world_find(&w, SERVER)->cpu = 0;
        world_find(&w, SERVER)->slices = world_find(&w, SERVER)->voluntary = 0;
        world_find(&w, SERVER)->delay = 0;
        assert_in_range(world_tick(&w, 20), 5, 6);
        d = world_decision(&w, HOG);
        assert_non_null(d);
        assert_int_equal(d->kind, DECISION_RELEASE);
        assert_int_equal(d->verdict, VERDICT_RELEASED);
        assert_int_equal(w.n_decisions, 2);
        assert_false(world_view(&w, HOG).treated);

        /* It comes back at once, and has to bear it for the cool-down. */
        world_find(&w, SERVER)->cpu = 0.1;
        world_find(&w, SERVER)->slices = world_find(&w, SERVER)->voluntary = 400;
        world_find(&w, SERVER)->delay = 0.3;
        for (int i = 0; i < 6; i++) {
                world_tick_for(&w, USEC_PER_SEC);
                assert_int_equal(w.n_decisions, 0);
        }
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_COOL_DOWN);
        assert_in_range(world_tick(&w, 10), 3, 5);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_APPLY);
}

static void test_hog_becomes_protected(void **state) {
        const Decision *d;

        start_demotion();
        world_find(&w, HOG)->load_class = CLASS_INTERACTIVE;
        assert_in_range(world_tick(&w, 8), 2, 3);
        d = world_decision(&w, HOG);
        assert_non_null(d);
        assert_int_equal(d->kind, DECISION_RELEASE);
        assert_int_equal(d->verdict, VERDICT_PROTECTED);
        assert_null(world_decision(&w, HOG + 1));
}

static void test_hog_falls_asleep(void **state) {
        Actor *hog;

        start_demotion();
        hog = world_find(&w, HOG);
        hog->cpu = hog->delay = hog->slices = hog->voluntary = 0;
        assert_in_range(world_tick(&w, 10), 5, 6);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        world_tick_for(&w, 10 * USEC_PER_SEC);
        world_tick_for(&w, 10 * USEC_PER_SEC);
        assert_true(world_view(&w, HOG).dormant);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_DORMANT);
        assert_int_equal(world_view(&w, HOG).load_class, CLASS_IDLE);
}

static void test_rate_limit(void **state) {
        w.policy.thresholds.changes_per_minute = 1;
        world_set_policy(&w);
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        assert_int_equal(w.n_decisions, 1);
        assert_non_null(world_decision(&w, HOG));
        assert_int_equal(world_view(&w, HOG + 1).verdict, VERDICT_RATE_LIMIT);
        assert_int_equal(world_tick(&w, 59), 59);
        assert_int_equal(w.n_decisions, 0);
        world_tick(&w, 2);
        assert_non_null(world_decision(&w, HOG + 1));
}

static void set_rule(const Rule *r) {
        free(w.policy.rules);
        w.policy.rules = calloc(1, sizeof(*r));
        assert_non_null(w.policy.rules);
        w.policy.rules[0] = *r;
        w.policy.n_rules = 1;
        world_set_policy(&w);
}

static void test_rule_exempts(void **state) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        set_rule(&(Rule){.name = "mine", .comm = "p100", .exempt = true, .load_class = -1});
        world_tick(&w, 8);
        assert_null(world_decision(&w, HOG));
        assert_non_null(world_decision(&w, HOG + 1));
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_EXEMPT);
        assert_string_equal(world_view(&w, HOG).rule, "mine");
        assert_null(world_view(&w, HOG + 1).rule);
}

static void test_rule_releases_at_once(void **state) {
        start_demotion();
        set_rule(&(Rule){.name = "mine", .exe = "/bin/x", .exempt = true, .load_class = -1});
        assert_int_equal(world_tick(&w, 3), 1);
        assert_int_equal(w.n_decisions, 2);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        assert_int_equal(world_decision(&w, HOG)->verdict, VERDICT_EXEMPT);
}

static void test_rule_forces_class(void **state) {
        set_rule(&(Rule){.name = "s", .comm = "p50", .load_class = CLASS_SERVER});
        start_demotion();
        world_find(&w, SERVER)->load_class = CLASS_BATCH; /* whatever the model says */
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, SERVER).load_class, CLASS_SERVER);
        assert_int_equal(world_view(&w, SERVER).verdict, VERDICT_PROTECTED);
}

static void test_scope(void **state) {
        w.policy.scope[0] = (ScopeEntry){.kind = SCOPE_TREE, .number = 40};
        world_set_policy(&w);
        world_add(&w, 40, CLASS_IDLE);
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG)->s.ppid = 45;
        world_add(&w, 45, CLASS_IDLE)->s.ppid = 40;
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        assert_int_equal(w.n_decisions, 1);
        assert_non_null(world_decision(&w, HOG));
        assert_int_equal(world_view(&w, HOG + 1).verdict, VERDICT_OUT_OF_SCOPE);

        /* Its parent is gone, it is no longer below 40: put back at once. */
        world_remove(&w, 45);
        world_find(&w, HOG)->s.ppid = 1;
        assert_int_equal(world_tick(&w, 3), 1);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        assert_int_equal(world_decision(&w, HOG)->verdict, VERDICT_OUT_OF_SCOPE);
}

static void test_scope_cycle(void **state) {
        w.policy.scope[0] = (ScopeEntry){.kind = SCOPE_TREE, .number = 40};
        world_set_policy(&w);
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG)->s.ppid = HOG + 1;
        world_add_hog(&w, HOG + 1)->s.ppid = HOG;
        assert_int_equal(verdict_after_wait(HOG), VERDICT_OUT_OF_SCOPE);
}

static void test_trial(void **state) {
        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        world_add(&w, 40, CLASS_IDLE);
        pipeline_set_trial(w.pipeline, 40, MODE_ENFORCE);
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG)->s.ppid = 40;
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_APPLY);
        assert_int_equal(world_view(&w, HOG + 1).verdict, VERDICT_MODE_OBSERVE);

        pipeline_set_trial(w.pipeline, 0, MODE_OBSERVE);
        assert_int_equal(world_tick(&w, 3), 1);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        assert_int_equal(world_decision(&w, HOG)->verdict, VERDICT_MODE_OBSERVE);
}

static void test_trial_observes_within_enforce(void **state) {
        world_add(&w, 40, CLASS_IDLE);
        pipeline_set_trial(w.pipeline, 40, MODE_OBSERVE);
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG)->s.ppid = 40;
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        assert_null(world_decision(&w, HOG));
        assert_non_null(world_decision(&w, HOG + 1));
}

static void test_modes(void **state) {
        w.policy.mode = MODE_ADVISE;
        world_set_policy(&w);
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        assert_int_equal(verdict_after_wait(HOG), VERDICT_MODE_ADVISE);

        w.policy.mode = MODE_ENFORCE;
        world_set_policy(&w);
        assert_int_equal(world_tick(&w, 2), 1);
        assert_int_equal(w.n_decisions, 2);

        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        assert_int_equal(world_tick(&w, 2), 1);
        assert_int_equal(w.n_decisions, 2);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        assert_int_equal(world_decision(&w, HOG)->verdict, VERDICT_MODE_OBSERVE);
}

static void test_never_touched(void **state) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, 1);
        world_add_hog(&w, WORLD_SELF);
        world_add_hog(&w, 60)->s.kthread = true;
        world_add_hog(&w, 61)->s.has_rt = true;
        world_add_hog(&w, 62)->s.sched_policy = SCHED_DEADLINE;
        world_add_hog(&w, 63)->s.valid &= ~(uint32_t)SAMPLE_SCHED;
        world_add_hog(&w, 64)->s.zombie = true;
        world_add_hog(&w, HOG);
        for (int i = 0; i < 12; i++) {
                world_tick_for(&w, USEC_PER_SEC);
                for (size_t k = 0; k < w.n_decisions; k++)
                        assert_int_equal(w.decisions[k].pid, HOG);
        }
        assert_true(world_view(&w, HOG).treated);
        assert_int_equal(world_view(&w, 1).verdict, VERDICT_INIT);
        assert_int_equal(world_view(&w, WORLD_SELF).verdict, VERDICT_SELF);
        assert_int_equal(world_view(&w, 60).verdict, VERDICT_KERNEL_THREAD);
        assert_int_equal(world_view(&w, 61).verdict, VERDICT_REALTIME);
        assert_int_equal(world_view(&w, 62).verdict, VERDICT_REALTIME);
        assert_int_equal(world_view(&w, 63).verdict, VERDICT_UNKNOWN);
        assert_int_equal(world_view(&w, 64).verdict, VERDICT_VANISHED);
}

static void test_pid_reuse(void **state) {
        Actor *a;
        ProcView v;

        start_demotion();
        world_remove(&w, HOG);
        w.at += 20000;
        a = world_add_hog(&w, HOG);
        a->s.ppid = 1;
        world_tick_for(&w, USEC_PER_SEC);
        assert_null(world_decision(&w, HOG));
        v = world_view(&w, HOG);
        assert_false(v.treated);
        assert_int_equal(v.verdict, VERDICT_DWELL);
        assert_int_equal(w.n_wanted, 1);
}

static void test_vanish(void **state) {
        ProcView v;
        PipelineStatus status;

        start_demotion();
        world_remove(&w, HOG);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(pipeline_find_proc(w.pipeline, HOG, &v), -ESRCH);
        pipeline_get_status(w.pipeline, &status);
        assert_int_equal(status.n_treated, 1);
        assert_int_equal(pipeline_count(w.pipeline), 2);
}

/* An untreated one, too: what ran before the exec says nothing of what comes. */
static void test_exec_resets_history(void **state) {
        Actor *a = world_add_hog(&w, HOG);
        ProcView v;

        world_tick(&w, 30);
        a->cpu = 0.1;
        pipeline_note_exec(w.pipeline, HOG);
        world_tick_for(&w, USEC_PER_SEC);
        v = world_view(&w, HOG);
        assert_true(v.row[FEATURE_CPU_SLOW] > 0.09f && v.row[FEATURE_CPU_SLOW] < 0.11f);

        /* Its class is not known before it was seen to run, nor is its program. */
        w.policy.priors.enabled = false;
        world_set_policy(&w);
        pipeline_note_exec(w.pipeline, HOG);
        world_tick_for(&w, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_UNKNOWN);
}

static void test_dormancy_resets_history(void **state) {
        Actor *a = world_add_hog(&w, HOG);

        world_tick(&w, 30);
        a->cpu = a->delay = a->slices = a->voluntary = 0;
        world_tick(&w, 11);
        assert_true(world_view(&w, HOG).dormant);
        a->cpu = 0.1;
        world_tick_for(&w, USEC_PER_SEC);
        assert_true(world_view(&w, HOG).row[FEATURE_CPU_SLOW] < 0.11f);
}

static void test_exec_resets(void **state) {
        ProcView v;

        start_demotion();
        pipeline_note_exec(w.pipeline, HOG);
        v = world_view(&w, HOG);
        assert_null(v.ident);
        assert_int_equal(v.load_class, CLASS_IDLE);
        assert_true(v.treated); /* nice survives exec */
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_wanted, 1);
        assert_non_null(world_view(&w, HOG).ident);
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_wanted, 0);

        pipeline_note_exec(w.pipeline, 12345); /* not known: nothing happens */
}

static void test_feedback_foreign(void **state) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        w.outcome = OUTCOME_FOREIGN;
        world_tick(&w, 8);
        assert_int_equal(w.n_decisions, 2);
        w.outcome = OUTCOME_DONE;
        assert_int_equal(world_tick(&w, 60), 60);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_HANDS_OFF);
        assert_false(world_view(&w, HOG).treated);
}

static void test_feedback_foreign_on_release(void **state) {
        start_demotion();
        w.outcome = OUTCOME_FOREIGN;
        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        world_tick(&w, 1);
        w.outcome = OUTCOME_DONE;
        w.policy.mode = MODE_ENFORCE;
        world_set_policy(&w);
        assert_int_equal(world_tick(&w, 30), 30);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_HANDS_OFF);
}

static void test_feedback_others(void **state) {
        static const struct {
                Outcome outcome;
                Verdict verdict;
                bool again;
        } rows[] = {
                {OUTCOME_FAILED, VERDICT_FAILED, true},
                {OUTCOME_INERT, VERDICT_INERT, false},
                {OUTCOME_NOTHING, VERDICT_ALREADY_LOW, true},
                {OUTCOME_VANISHED, VERDICT_VANISHED, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                world_done(&w);
                world_init(&w);
                world_add_server(&w, SERVER);
                world_add_hog(&w, HOG);
                world_add_hog(&w, HOG + 1);
                w.outcome = rows[i].outcome;
                world_tick(&w, 8);
                assert_int_equal(w.n_decisions, 2);
                assert_int_equal(world_view(&w, HOG).verdict, rows[i].verdict);
                assert_false(world_view(&w, HOG).treated);
                w.outcome = OUTCOME_DONE;
                world_tick(&w, 9);
                assert_int_equal(w.n_decisions, 0);
                assert_int_equal(world_view(&w, HOG).verdict, rows[i].verdict);
                world_tick(&w, 60);
                assert_int_equal(w.n_decisions, rows[i].again ? 2 : 0);
        }
}

static void test_release_failed_is_retried(void **state) {
        start_demotion();
        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        w.outcome = OUTCOME_FAILED;
        world_tick(&w, 1);
        assert_true(world_view(&w, HOG).treated);
        w.outcome = OUTCOME_DONE;
        world_tick(&w, 1);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
        assert_false(world_view(&w, HOG).treated);
}

static void test_rollback(void **state) {
        start_demotion();
        pipeline_note_rollback(w.pipeline, HOG);
        world_find(&w, HOG)->s.nice = 0;
        assert_false(world_view(&w, HOG).treated);
        assert_true(world_view(&w, HOG + 1).treated);
        assert_in_range(world_tick(&w, 20), 10, 11);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_APPLY);
        pipeline_note_rollback(w.pipeline, 0);
        assert_false(world_view(&w, HOG).treated);
        assert_false(world_view(&w, HOG + 1).treated);
}

static void test_note_treated(void **state) {
        world_add_hog(&w, HOG)->s.nice = 19;
        world_add_hog(&w, HOG + 1);
        pipeline_note_treated(w.pipeline, HOG, world_find(&w, HOG)->s.start);
        pipeline_note_treated(w.pipeline, HOG + 1, 4711); /* another one of that number */
        world_tick_for(&w, USEC_PER_SEC);
        assert_true(world_view(&w, HOG).treated);
        assert_false(world_view(&w, HOG + 1).treated);
        /* Nobody needs it: put back in due course. */
        assert_in_range(world_tick(&w, 10), 5, 6);
        assert_int_equal(world_decision(&w, HOG)->kind, DECISION_RELEASE);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_demote),
                T(test_demote_at_100ms),
                T(test_no_reason),
                T(test_idle_machine),
                T(test_small_hog),
                T(test_classes_dealt_with_alike),
                T(test_torn_between_dealings),
                T(test_hold_release_cool_down),
                T(test_hog_becomes_protected),
                T(test_hog_falls_asleep),
                T(test_rate_limit),
                T(test_rule_exempts),
                T(test_rule_releases_at_once),
                T(test_rule_forces_class),
                T(test_scope),
                T(test_scope_cycle),
                T(test_trial),
                T(test_trial_observes_within_enforce),
                T(test_modes),
                T(test_never_touched),
                T(test_pid_reuse),
                T(test_vanish),
                T(test_exec_resets),
                T(test_exec_resets_history),
                T(test_dormancy_resets_history),
                T(test_feedback_foreign),
                T(test_feedback_foreign_on_release),
                T(test_feedback_others),
                T(test_release_failed_is_retried),
                T(test_rollback),
                T(test_note_treated),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
