/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds: processes whose children come and go between two looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"

#define SERVER 50
#define SHELL 90
#define MAKE 100
#define CHILD 1000 /* … */

static World w;
static pid_t next_child;
static pid_t alive[8];
static size_t n_alive;
static double child_cpu;

static int setup(void **state) {
        world_init(&w);
        next_child = CHILD;
        n_alive = 0;
        child_cpu = 0.01;
        return 0;
}

static int teardown(void **state) {
        world_done(&w);
        return 0;
}

static void name(Actor *a, const char *comm) {
        memset(a->s.comm, 0, sizeof(a->s.comm));
        snprintf(a->s.comm, sizeof(a->s.comm), "%s", comm);
        snprintf(a->ident.exe, sizeof(a->ident.exe), "/usr/bin/%s", comm);
}

static Actor *add(pid_t pid, pid_t parent, const char *comm, LoadClass c) {
        Actor *a = world_add(&w, pid, c);

        a->s.ppid = parent;
        name(a, comm);
        return a;
}

/* A terminal's shell, which waits for make. make(1) itself wakes for a moment now and then. */
static void add_shell_and_make(void) {
        Actor *a = add(SHELL, 1, "bash", CLASS_INTERACTIVE);

        a->s.sid = SHELL;
        a->s.has_tty = true;
        a->cpu = 0.005;
        a->slices = a->voluntary = 20;
        a = add(MAKE, SHELL, "make", CLASS_SERVER);
        a->s.sid = SHELL;
        a->s.has_tty = true;
        a->cpu = 0.01;
        a->slices = a->voluntary = 100;
}

/*
 * Of a hundred children a second that use `used` s/s together, n are alive at the tick: so young
 * that nothing can be told from them but their name. What ended was waited for.
 */
static void churn(pid_t parent, double used, size_t n, const char *comm) {
        Actor *p = world_find(&w, parent);

        assert_non_null(p);
        while (n_alive > 0)
                world_remove(&w, alive[--n_alive]);
        p->s.child_exec_ns += (uint64_t)(used * 1e9);
        next_child += 100;
        for (size_t i = 0; i < n; i++) {
                Actor *a = add(next_child, parent, comm, CLASS_BATCH);

                p = world_find(&w, parent);
                a->s.sid = p->s.sid;
                a->s.nice = p->s.nice;
                a->s.start = (w.at + 990 * USEC_PER_MSEC) / 10000;
                a->cpu = child_cpu;
                a->slices = 1;
                alive[n_alive++] = next_child++;
        }
        world_tick_for(&w, USEC_PER_SEC);
}

static size_t count(DecisionKind kind) {
        size_t n = 0;

        for (size_t i = 0; i < w.n_decisions; i++)
                n += w.decisions[i].kind == kind;
        return n;
}

/* Returns the tick of the demotion of MAKE, which must be the only one; 0: none. */
static int build(int ticks, double used) {
        int demoted = 0;

        for (int i = 1; i <= ticks; i++) {
                churn(MAKE, used, 4, "cc1");
                if (count(DECISION_APPLY) == 0)
                        continue;
                assert_int_equal(count(DECISION_APPLY), 1);
                assert_non_null(world_decision(&w, MAKE));
                assert_int_equal(demoted, 0);
                demoted = i;
        }
        return demoted;
}

/* One decision for thousands of processes; what is alive is adopted; all is put back at the end. */
static void test_build(void **state) {
        PipelineStatus status;
        const Decision *d;
        ProcView v;

        world_add_server(&w, SERVER);
        add_shell_and_make();
        assert_in_range(build(4, 1.7), 2, 4);
        v = world_view(&w, MAKE);
        assert_true(v.treated && v.brood);
        assert_int_equal(v.load_class, CLASS_BATCH);
        assert_true(v.churn_share > 1.6f && v.churn_share < 1.8f);
        assert_false(world_view(&w, SHELL).brood);

        actor_stop_waiting(world_find(&w, SERVER));
        for (int i = 0; i < 30; i++) {
                churn(MAKE, 1.8, 4, "cc1");
                assert_int_equal(count(DECISION_ADOPT), 4);
                assert_int_equal(w.n_decisions, 4);
                assert_true(world_view(&w, alive[0]).treated);
        }
        pipeline_get_status(w.pipeline, &status);
        assert_int_equal(status.changes_last_minute, 1);
        assert_true(status.busy_share > 0.7f);
        assert_false(world_view(&w, SHELL).treated);

        /* The build is over; make goes on doing little. */
        churn(MAKE, 0, 0, "");
        for (int i = 0; i < 15 && w.n_decisions == 0; i++)
                world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(w.n_decisions, 1);
        d = world_decision(&w, MAKE);
        assert_non_null(d);
        assert_int_equal(d->kind, DECISION_RELEASE);
        assert_int_equal(world_find(&w, MAKE)->s.nice, 0);
}

/* Each would be demoted as soon as it is seen, so well is its program known. */
static void test_known_children(void **state) {
        PriorTable t = {.limits = w.policy.priors};
        Prediction p = {.probability = {[CLASS_BATCH] = 1}};
        const Ident cc1 = {.exe = "/usr/bin/cc1"};

        for (int i = 0; i < 40; i++)
                prior_learn(&t, &cc1, "cc1", &p, 0, PRIOR_LESSON, (int64_t)w.at);
        assert_int_equal(pipeline_set_priors(w.pipeline, t.entries[0], 1), 0);
        prior_table_done(&t);
        world_add_server(&w, SERVER);
        world_add_hog(&w, 300);
        world_add_hog(&w, 301);
        world_tick(&w, 8);
        add_shell_and_make();
        child_cpu = 0.3;
        for (int i = 0; i < 6; i++) {
                churn(MAKE, 1.7, 4, "cc1");
                assert_true(world_view(&w, alive[0]).prior_weight > 0.9f);
                for (size_t k = 0; k < n_alive; k++) {
                        const Decision *d = world_decision(&w, alive[k]);

                        assert_true(!d || d->kind == DECISION_ADOPT);
                }
        }
        assert_true(world_view(&w, MAKE).treated);
}

static void test_small_make(void **state) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, 300);
        world_add_hog(&w, 301);
        add_shell_and_make();
        for (int i = 0; i < 12; i++) {
                churn(MAKE, 0.03, 2, "cc1");
                assert_null(world_decision(&w, MAKE));
        }
        assert_false(world_view(&w, MAKE).brood);
}

/* A loop that is typed at a prompt: the shell that somebody sits at is never demoted. */
static void test_shell_loop(void **state) {
        world_add_server(&w, SERVER);
        add_shell_and_make();
        for (int i = 0; i < 7; i++) {
                churn(SHELL, 1.7, 2, "expr");
                assert_null(world_decision(&w, SHELL));
        }
        assert_false(world_view(&w, SHELL).brood);
        assert_int_equal(world_view(&w, SHELL).load_class, CLASS_INTERACTIVE);
}

/* A script's shell is its own session's leader, but nobody sits there. */
static void test_script(void **state) {
        Actor *a;

        world_add_server(&w, SERVER);
        add_shell_and_make();
        a = world_find(&w, SHELL);
        a->s.has_tty = false;
        a->load_class = CLASS_IDLE;
        for (int i = 0; i < 4 && !world_decision(&w, SHELL); i++)
                churn(SHELL, 1.7, 2, "expr");
        assert_non_null(world_decision(&w, SHELL));
        assert_int_equal(world_decision(&w, SHELL)->kind, DECISION_APPLY);
}

/* A shell within the session that was typed at before it raised anything. */
static void test_inner_shell(void **state) {
        Actor *a;

        world_add_server(&w, SERVER);
        add_shell_and_make();
        a = world_find(&w, MAKE);
        name(a, "zsh");
        a->load_class = CLASS_INTERACTIVE;
        world_tick(&w, 6);
        for (int i = 0; i < 12; i++) {
                churn(MAKE, 1.7, 2, "expr");
                assert_null(world_decision(&w, MAKE));
        }
}

/* A server whose workers come and go is no build, though it was never seen to be one before. */
static void test_forking_server(void **state) {
        world_add_server(&w, SERVER);
        add_shell_and_make();
        name(world_find(&w, MAKE), "postgres");
        for (int i = 0; i < 12; i++) {
                churn(MAKE, 1.7, 4, "postgres");
                assert_null(world_decision(&w, MAKE));
        }
        assert_int_equal(world_view(&w, MAKE).verdict, VERDICT_PROTECTED);
}

/* make below make: the topmost that raises children itself stands for all. */
static void test_recursive(void **state) {
        Actor *a;

        world_add_server(&w, SERVER);
        add_shell_and_make();
        a = add(MAKE + 1, MAKE, "make", CLASS_SERVER);
        a->s.sid = SHELL;
        a->cpu = 0.01;
        a->slices = a->voluntary = 100;
        for (int i = 0; i < 4; i++) {
                world_find(&w, MAKE)->s.child_exec_ns += 200 * 1000 * 1000;
                churn(MAKE + 1, 1.5, 4, "cc1");
                assert_null(world_decision(&w, MAKE + 1));
        }
        assert_true(world_view(&w, MAKE).treated);
        assert_true(world_view(&w, MAKE).churn_share > 1.6f);
        assert_int_equal(world_view(&w, MAKE + 1).load_class, CLASS_BATCH);
        assert_false(world_view(&w, MAKE + 1).treated);
}

/* What a child that was seen had used when it ended is no churn, nor counts it twice. */
static void test_known_child_ends(void **state) {
        Actor *a;

        world_add_server(&w, SERVER);
        add_shell_and_make();
        a = add(MAKE + 1, MAKE, "ld", CLASS_BATCH);
        a->s.sid = SHELL;
        a->cpu = 0.9;
        for (int i = 0; i < 9; i++)
                world_tick_for(&w, USEC_PER_SEC);
        world_find(&w, MAKE)->s.child_exec_ns += world_find(&w, MAKE + 1)->s.exec_ns + 20000000;
        world_remove(&w, MAKE + 1);
        world_tick_for(&w, USEC_PER_SEC);
        assert_true(world_view(&w, MAKE).churn_share > 0.015f);
        assert_true(world_view(&w, MAKE).churn_share < 0.025f);
        assert_false(world_view(&w, MAKE).brood);
}

/* A brood's member that waits for something long is put back with the brood, not before. */
static void test_member_that_sleeps(void **state) {
        Actor *a;
        int n = 0;

        world_add_server(&w, SERVER);
        add_shell_and_make();
        assert_in_range(build(4, 1.7), 2, 4);
        actor_stop_waiting(world_find(&w, SERVER));
        a = add(MAKE + 5, MAKE, "sh", CLASS_IDLE);
        a->s.sid = SHELL;
        a->s.nice = 19;
        for (int i = 0; i < 20; i++) {
                churn(MAKE, 1.8, 1, "cc1");
                if (i > 0)
                        assert_null(world_decision(&w, MAKE + 5));
        }
        assert_true(world_view(&w, MAKE + 5).treated);
        churn(MAKE, 0, 0, "");
        for (int i = 0; i < 15 && n < 2; i++) {
                world_tick_for(&w, USEC_PER_SEC);
                n += (int)count(DECISION_RELEASE);
                /* Together */
                assert_true(n == 0 || n == 2);
        }
        assert_int_equal(n, 2);
}

static void test_rule(void **state) {
        world_add_server(&w, SERVER);
        add_shell_and_make();
        w.policy.rules = calloc(1, sizeof(Rule));
        assert_non_null(w.policy.rules);
        w.policy.rules[0] = (Rule){.comm = "make", .load_class = CLASS_IDLE};
        w.policy.n_rules = 1;
        world_set_policy(&w);
        for (int i = 0; i < 8; i++) {
                churn(MAKE, 1.7, 4, "cc1");
                assert_null(world_decision(&w, MAKE));
        }
        w.policy.rules[0] = (Rule){.comm = "make", .load_class = -1, .exempt = true};
        world_set_policy(&w);
        for (int i = 0; i < 8; i++) {
                churn(MAKE, 1.7, 4, "cc1");
                assert_null(world_decision(&w, MAKE));
        }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_build),
                T(test_known_children),
                T(test_small_make),
                T(test_shell_loop),
                T(test_script),
                T(test_inner_shell),
                T(test_forking_server),
                T(test_recursive),
                T(test_known_child_ends),
                T(test_member_that_sleeps),
                T(test_rule),
        };
#undef T

        return cmocka_run_group_tests(tests, NULL, NULL);
}
