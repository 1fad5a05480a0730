/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Systemd units that are weighed against each other. */

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"

#define HOG 100
#define SERVER 50
#define HOGS "/system.slice/hogs.service"
#define DB "/system.slice/db.service"
#define SESSION "/user.slice/user-1000.slice/session-2.scope"

static World w;

static int setup(void **state) {
        world_init(&w);
        return 0;
}

static int teardown(void **state) {
        world_done(&w);
        return 0;
}

/* In a group of its own, as deep as its cgroup. */
static Actor *put(Actor *a, const char *cgroup) {
        uint64_t id = 0;

        for (const char *c = cgroup; *c; c++)
                id = id * 31 + (unsigned char)*c;
        a->s.group_kind = SCHED_GROUP_CGROUP;
        a->s.group_id = a->s.cgroup_id = id;
        memset(&a->ident, 0, sizeof(a->ident));
        snprintf(a->ident.cgroup, sizeof(a->ident.cgroup), "%s", cgroup);
        a->ident.group_length = (uint16_t)strlen(cgroup);
        return a;
}

static const Decision *unit_decision(DecisionKind kind) {
        for (size_t i = 0; i < w.n_decisions; i++)
                if (w.decisions[i].kind == kind)
                        return w.decisions + i;
        return NULL;
}

static void start(void) {
        put(world_add_server(&w, SERVER), DB);
        put(world_add_hog(&w, HOG), HOGS);
        put(world_add_hog(&w, HOG + 1), HOGS);
}

static void start_demotion(void) {
        start();
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_non_null(unit_decision(DECISION_DEMOTE_UNIT));
}

/* One decision for all that is in it, held while one has a reason, and put back once. */
static void test_lowered_and_put_back(void **state) {
        const Decision *d;

        start();
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_int_equal(w.n_decisions, 1);
        d = &w.decisions[0];
        assert_int_equal(d->kind, DECISION_DEMOTE_UNIT);
        assert_string_equal(d->unit, HOGS);
        assert_int_equal(d->treatment.set, TREAT_UNIT_CPU_WEIGHT);
        assert_int_equal(d->treatment.unit_cpu_weight, 20);
        assert_int_equal(d->victim, SERVER);
        assert_true(world_view(&w, HOG).treated && world_view(&w, HOG + 1).treated);
        assert_string_equal(world_view(&w, HOG + 1).lowered, HOGS);
        assert_null(world_view(&w, SERVER).lowered);

        actor_stop_waiting(world_find(&w, SERVER));
        assert_int_equal(world_tick(&w, 20), 20);
        assert_int_equal(w.n_decisions, 0);

        /* Processes come and go; the unit stays lowered while one of them is a hog. */
        world_remove(&w, HOG);
        put(world_add_hog(&w, HOG + 2), HOGS);
        assert_int_equal(world_tick(&w, 10), 10);
        assert_int_equal(w.n_decisions, 0);

        world_remove(&w, HOG + 1);
        world_remove(&w, HOG + 2);
        put(world_add(&w, HOG + 3, CLASS_IDLE), HOGS);
        assert_in_range(world_tick(&w, 12), 4, 7);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(w.decisions[0].kind, DECISION_RELEASE_UNIT);
        assert_string_equal(w.decisions[0].unit, HOGS);
        assert_int_equal(world_tick(&w, 20), 20);
        assert_int_equal(w.n_decisions, 0);
}

/* Its slice holds others, so nothing of the hog's is weighed against the victim. */
static void test_other_slice(void **state) {
        put(world_add_server(&w, SERVER), SESSION);
        put(world_add_hog(&w, HOG), HOGS);
        put(world_add_hog(&w, HOG + 1), HOGS);
        put(world_add(&w, 2, CLASS_IDLE), "/system.slice/cron.service");
        world_find(&w, 2)->s.uid = 0;
        w.policy.scope[0] = (ScopeEntry){.kind = SCOPE_UID, .number = 1000};
        world_set_policy(&w);
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_MIXED_GROUP);

        /* With all of the slice in scope it is the slice that counts, not the service. */
        world_find(&w, 2)->s.uid = 1000;
        assert_int_equal(world_tick(&w, 3), 1);
        assert_string_equal(w.decisions[0].unit, "/system.slice");
}

/* A protected process in it pays with the hogs. */
static void test_holds_protected(void **state) {
        start();
        actor_stop_waiting(put(world_add_server(&w, SERVER + 1), HOGS));
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_MIXED_GROUP);
}

static void test_protected_joins(void **state) {
        start_demotion();
        actor_stop_waiting(put(world_add_server(&w, SERVER + 1), HOGS));
        assert_in_range(world_tick(&w, 12), 2, 9);
        assert_non_null(unit_decision(DECISION_RELEASE_UNIT));
        assert_int_equal(w.decisions[0].verdict, VERDICT_MIXED_GROUP);
        assert_false(world_view(&w, HOG).treated);
}

static void test_exempt_and_self(void **state) {
        Rule rule = {.comm = "p30", .exempt = true, .load_class = -1, .name = "r"};

        start();
        world_add(&w, 30, CLASS_IDLE);
        put(world_find(&w, 30), HOGS);
        w.policy.rules = calloc(1, sizeof(rule));
        w.policy.rules[0] = rule;
        w.policy.n_rules = 1;
        world_set_policy(&w);
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
        world_remove(&w, 30);
        put(world_add(&w, WORLD_SELF, CLASS_IDLE), HOGS);
        world_tick(&w, 4);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_MIXED_GROUP);
        world_remove(&w, WORLD_SELF);
        assert_int_equal(world_tick(&w, 3), 1);
}

/* Without the controller both are in the root group: there it is nice that counts. */
static void test_root_group(void **state) {
        const Decision *d;

        put(world_add_server(&w, SERVER), DB);
        put(world_add_hog(&w, HOG), HOGS)->ident.group_length = 1;
        world_find(&w, HOG)->s.group_kind = SCHED_GROUP_ROOT;
        world_add_hog(&w, HOG + 1)->cpu = 0.95;
        put(world_find(&w, HOG + 1), HOGS)->ident.group_length = 1;
        world_find(&w, HOG + 1)->s.group_kind = SCHED_GROUP_ROOT;
        assert_in_range(world_tick(&w, 8), 3, 6);
        d = world_decision(&w, HOG);
        assert_int_equal(d->kind, DECISION_APPLY);
        assert_int_equal(d->treatment.set, TREAT_NICE | TREAT_SLICE);
        /* And it is held, for it reaches. */
        actor_stop_waiting(world_find(&w, SERVER));
        assert_int_equal(world_tick(&w, 10), 10);
        assert_int_equal(w.n_decisions, 0);
}

/* A service manager gives the groups the controller while the hog is demoted. */
static void test_controller_appears(void **state) {
        const Decision *d;
        Actor *a;

        put(world_add_server(&w, SERVER), DB);
        put(world_add_hog(&w, HOG), HOGS);
        put(world_add_hog(&w, HOG + 1), HOGS);
        for (pid_t pid = HOG; pid <= HOG + 1; pid++) {
                a = world_find(&w, pid);
                a->s.group_kind = SCHED_GROUP_AUTOGROUP;
                a->s.group_id = 5;
                a->ident.group_length = 1;
        }
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_AUTOGROUP);
        put(world_find(&w, HOG), HOGS);
        put(world_find(&w, HOG + 1), HOGS);
        world_find(&w, HOG)->s.cgroup_id = world_find(&w, HOG + 1)->s.cgroup_id;
        assert_in_range(world_tick(&w, 4), 1, 2);
        d = unit_decision(DECISION_DEMOTE_UNIT);
        assert_non_null(d);
        assert_string_equal(d->unit, HOGS);
}

static void test_foreign(void **state) {
        start();
        w.outcome = OUTCOME_FOREIGN;
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_false(world_view(&w, HOG).treated);
        w.outcome = OUTCOME_DONE;
        assert_int_equal(world_tick(&w, 30), 30);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_HANDS_OFF);
        /* Until the policy is set anew. */
        world_set_policy(&w);
        assert_int_equal(world_tick(&w, 4), 1);
}

/* systemctl set-property, or revert, while it is lowered. */
static void test_foreign_meanwhile(void **state) {
        start_demotion();
        pipeline_note_unit(w.pipeline, HOGS, /* foreign= */ true);
        assert_false(world_view(&w, HOG).treated);
        assert_int_equal(world_tick(&w, 30), 30);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_HANDS_OFF);
}

static void test_rollback(void **state) {
        start_demotion();
        pipeline_note_rollback(w.pipeline, HOG);
        assert_false(world_view(&w, HOG).treated);
        assert_false(world_view(&w, HOG + 1).treated);
        /* The cool-down is the unit's. */
        assert_in_range(world_tick(&w, 20), 10, 11);
        assert_non_null(unit_decision(DECISION_DEMOTE_UNIT));
        pipeline_note_unit(w.pipeline, HOGS, /* foreign= */ false);
        assert_in_range(world_tick(&w, 20), 10, 11);
        pipeline_note_rollback(w.pipeline, 0);
        assert_false(world_view(&w, HOG).treated);
        assert_in_range(world_tick(&w, 20), 10, 11);
}

static void test_failures(void **state) {
        static const Outcome outcomes[] = {OUTCOME_FAILED, OUTCOME_INERT, OUTCOME_NOTHING,
                                           OUTCOME_VANISHED};
        static const Verdict verdicts[] = {VERDICT_FAILED, VERDICT_INERT, VERDICT_ALREADY_LOW,
                                           VERDICT_VANISHED};

        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++) {
                start();
                w.outcome = outcomes[i];
                assert_in_range(world_tick(&w, 8), 3, 6);
                assert_false(world_view(&w, HOG).treated);
                world_tick(&w, 1);
                assert_int_equal(world_view(&w, HOG).verdict, verdicts[i]);
                assert_int_equal(w.n_decisions, 0);
                teardown(NULL);
                setup(NULL);
        }
}

/* PID 1 was busy: what could not be put back is tried again. */
static void test_release_failed(void **state) {
        start_demotion();
        w.outcome = OUTCOME_FAILED;
        w.policy.mode = MODE_OBSERVE;
        world_set_policy(&w);
        world_tick(&w, 1);
        assert_non_null(unit_decision(DECISION_RELEASE_UNIT));
        w.outcome = OUTCOME_DONE;
        world_tick(&w, 8);
        assert_non_null(unit_decision(DECISION_RELEASE_UNIT));
        assert_int_equal(world_tick(&w, 8), 8);
}

/* Of a delegated unit's inner groups nobody but its owner sets weights. */
static void test_not_a_unit(void **state) {
        put(world_add_server(&w, SERVER), HOGS "/a");
        put(world_add_hog(&w, HOG), HOGS "/b");
        put(world_add_hog(&w, HOG + 1), HOGS "/b");
        world_tick(&w, 10);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_OTHER_GROUP);
}

/* A session that holds others, where policy allows to move: then the slice is what is lowered. */
static void test_scope(void **state) {
        const Decision *d;

        w.policy.treatment[CLASS_BATCH].set |= TREAT_SCOPE;
        world_set_policy(&w);
        put(world_add_server(&w, SERVER), DB);
        actor_stop_waiting(put(world_add_server(&w, SERVER + 1), SESSION));
        put(world_add_hog(&w, HOG), SESSION);
        put(world_add_hog(&w, HOG + 1), SESSION);
        assert_in_range(world_tick(&w, 8), 3, 6);
        d = world_decision(&w, HOG);
        assert_int_equal(d->kind, DECISION_APPLY);
        assert_int_equal(d->treatment.set, TREAT_SCOPE);
        put(world_find(&w, HOG), "/aikm.slice/aikm-100.scope");
        put(world_find(&w, HOG + 1), "/aikm.slice/aikm-101.scope");
        assert_in_range(world_tick(&w, 3), 1, 2);
        assert_int_equal(w.n_decisions, 1);
        d = unit_decision(DECISION_DEMOTE_UNIT);
        assert_string_equal(d->unit, "/aikm.slice");
        assert_int_equal(world_tick(&w, 10), 10);
        assert_int_equal(w.n_decisions, 0);
}

/* Storage is weighed by cgroup, whatever the CPU's groups are. */
static void test_io_weight(void **state) {
        const Decision *d;
        Actor *hog;

        w.policy.treatment[CLASS_IO] = (Treatment){.set = TREAT_UNIT_IO_WEIGHT,
                                                   .unit_io_weight = 10};
        world_set_policy(&w);
        put(world_add_server(&w, SERVER), DB)->io_bytes = 1e5;
        actor_stop_waiting(world_find(&w, SERVER));
        hog = put(world_add(&w, HOG, CLASS_IO), HOGS);
        hog->io_bytes = 1e8;
        hog->cpu = 0.05;
        hog->slices = hog->voluntary = 50;
        w.psi_usec[PSI_IO] = 500000;
        assert_in_range(world_tick(&w, 8), 3, 6);
        d = unit_decision(DECISION_DEMOTE_UNIT);
        assert_non_null(d);
        assert_int_equal(d->treatment.set, TREAT_UNIT_IO_WEIGHT);
        assert_int_equal(d->treatment.unit_io_weight, 10);
        w.psi_usec[PSI_IO] = 0;
        assert_in_range(world_tick(&w, 12), 4, 7);
        assert_non_null(unit_decision(DECISION_RELEASE_UNIT));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_lowered_and_put_back),
                T(test_other_slice),
                T(test_holds_protected),
                T(test_protected_joins),
                T(test_exempt_and_self),
                T(test_root_group),
                T(test_controller_appears),
                T(test_foreign),
                T(test_foreign_meanwhile),
                T(test_rollback),
                T(test_failures),
                T(test_release_failed),
                T(test_not_a_unit),
                T(test_scope),
                T(test_io_weight),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
