/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of programs when one of them starts, under contention. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"

#define HOG 100
#define SERVER 50
#define NEW 200
#define CC1 "/usr/lib/gcc/cc1"

static World w;

static int setup(void **state) {
        world_init(&w);
        return 0;
}

static int teardown(void **state) {
        world_done(&w);
        return 0;
}

/* A server waits for two hogs, all the time. */
static void start_contention(void) {
        world_add_server(&w, SERVER);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        assert_in_range(world_tick(&w, 8), 3, 6);
}

static Ident program(const char *exe) {
        Ident i = {.cgroup = "/a", .build = {.kind = BUILD_ID_NOTE, .size = 1, .bytes = {1}}};

        snprintf(i.exe, sizeof(i.exe), "%s", exe);
        return i;
}

/* As the state directory would have it. */
static void know(const char *exe, const char *comm, LoadClass c, int n) {
        PriorTable t = {.limits = w.policy.priors};
        const Ident ident = program(exe);
        Prediction p = {};

        p.probability[c] = 1;
        while (n-- > 0)
                prior_learn(&t, &ident, comm, &p, 0, PRIOR_LESSON, (int64_t)w.at);
        assert_int_equal(pipeline_set_priors(w.pipeline, t.entries[0], 1), 0);
        prior_table_done(&t);
}

static Actor *start(pid_t pid, const char *exe, const char *comm) {
        Actor *a = world_add_hog(&w, pid);

        a->ident = program(exe);
        memset(a->s.comm, 0, sizeof(a->s.comm));
        snprintf(a->s.comm, sizeof(a->s.comm), "%s", comm);
        return a;
}

/* In how many ticks it is demoted; 0: never. */
static int demoted_after(pid_t pid) {
        for (int i = 1; i < 12; i++) {
                const Decision *d;

                world_tick_for(&w, USEC_PER_SEC);
                d = world_decision(&w, pid);
                if (d)
                        return d->kind == DECISION_APPLY ? i : 0;
        }
        return 0;
}

static void test_known_at_first_tick(void **state) {
        ProcView v;

        know(CC1, "cc1", CLASS_BATCH, 10);
        start_contention();
        start(NEW, CC1, "cc1");
        assert_int_equal(demoted_after(NEW), 1);
        v = world_view(&w, NEW);
        assert_true(v.prior_weight > 0.5f);
        assert_int_equal(v.prior_processes, 10);
        assert_false(v.prior_other_build);
}

/* It began just before the tick: there is no word of the model's yet. */
static void test_known_without_a_row(void **state) {
        Actor *a;

        know(CC1, "cc1", CLASS_BATCH, 10);
        start_contention();
        a = start(NEW, CC1, "cc1");
        a->s.start = (w.at + 950 * USEC_PER_MSEC) / 10000;
        assert_int_equal(demoted_after(NEW), 1);
        assert_true(world_view(&w, NEW).row[FEATURE_CPU] <= 0);
        /* From five intervals of its own on, only those count. */
        world_tick_for(&w, USEC_PER_SEC);
        assert_true(world_view(&w, NEW).prior_weight > 0);
        for (int i = 0; i < 4; i++)
                world_tick_for(&w, USEC_PER_SEC);
        assert_true(world_view(&w, NEW).prior_weight <= 0);
}

static void test_unknown(void **state) {
        start_contention();
        start(NEW, CC1, "cc1");
        assert_int_equal(demoted_after(NEW), 2);
        start(NEW + 1, CC1, "cc1")->s.start = (w.at + 950 * USEC_PER_MSEC) / 10000;
        /* Two intervals after it was first seen. */
        assert_in_range(demoted_after(NEW + 1), 2, 3);
}

/* Believed to be one thing it shows that it is another. */
static void test_wrong(void **state) {
        know(CC1, "cc1", CLASS_SERVER, 40);
        start_contention();
        start(NEW, CC1, "cc1");
        assert_in_range(demoted_after(NEW), 4, 7);
        know("/bin/daemon", "daemon", CLASS_BATCH, 40);
        start(NEW + 1, "/bin/daemon", "daemon")->load_class = CLASS_SERVER;
        world_tick_for(&w, USEC_PER_SEC);
        for (int i = 0; i < 12 && world_view(&w, NEW + 1).treated; i++)
                world_tick_for(&w, USEC_PER_SEC);
        assert_false(world_view(&w, NEW + 1).treated);
        assert_int_equal(world_view(&w, NEW + 1).load_class, CLASS_SERVER);
}

static void test_known_as_protected(void **state) {
        Actor *a;

        know("/usr/sbin/httpd", "httpd", CLASS_SERVER, 40);
        world_add_hog(&w, HOG);
        world_add_hog(&w, HOG + 1);
        world_tick(&w, 8);
        a = start(SERVER, "/usr/sbin/httpd", "httpd");
        a->load_class = CLASS_SERVER;
        a->cpu = 0.1;
        a->delay = 0.3;
        a->voluntary = a->slices = 400;
        /* Its waiting counts from its first tick on: only contention has to last. */
        assert_in_range(world_tick(&w, 8), 2, 2);
        assert_non_null(world_decision(&w, HOG));
        assert_int_equal(world_view(&w, SERVER).verdict, VERDICT_PROTECTED);
}

static void test_interpreter(void **state) {
        PriorTable t = {.limits = w.policy.priors};
        const Ident ident = program("/usr/bin/perl");
        Prediction p;
        Prior prior;

        for (int i = 0; i < 40; i++) {
                p = (Prediction){.probability = {[CLASS_BATCH] = (float)(i % 2),
                                                 [CLASS_SERVER] = (float)((i + 1) % 2)}};
                prior_learn(&t, &ident, "perl", &p, 0, PRIOR_LESSON, (int64_t)w.at);
        }
        prior_get(&t, &ident, "perl", (int64_t)w.at, &prior);
        assert_int_equal(prior.processes, 40);
        assert_int_equal(pipeline_set_priors(w.pipeline, t.entries[0], 1), 0);
        prior_table_done(&t);
        start_contention();
        start(NEW, "/usr/bin/perl", "perl");
        /* Not sooner, and no later, than what nothing is known of. */
        assert_int_equal(demoted_after(NEW), 2);
}

/* A rule has the first word, and the administrator's exemption the last. */
static void test_rule_wins(void **state) {
        Rule rule = {.comm = "cc1", .load_class = CLASS_INTERACTIVE};

        know(CC1, "cc1", CLASS_BATCH, 10);
        w.policy.rules = calloc(1, sizeof(rule));
        assert_non_null(w.policy.rules);
        w.policy.rules[0] = rule;
        w.policy.n_rules = 1;
        world_set_policy(&w);
        start_contention();
        start(NEW, CC1, "cc1");
        assert_int_equal(demoted_after(NEW), 0);
        assert_int_equal(world_view(&w, NEW).load_class, CLASS_INTERACTIVE);
        assert_int_equal(world_view(&w, NEW).verdict, VERDICT_PROTECTED);
}

/* Each is seen once, half a second old, and none would be demoted in its life by what it shows. */
static void test_hundredth_child(void **state) {
        const PriorTable *t = pipeline_get_priors(w.pipeline);

        start_contention();
        for (pid_t pid = NEW; pid < NEW + 100; pid++) {
                start(pid, CC1, "cc1")->s.start = (w.at + 500 * USEC_PER_MSEC) / 10000;
                world_tick_for(&w, USEC_PER_SEC);
                world_remove(&w, pid);
        }
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(t->n, 4); /* SERVER, two hogs, all under names of their own */
        start(NEW, CC1, "cc1")->s.start = (w.at + 950 * USEC_PER_MSEC) / 10000;
        assert_int_equal(demoted_after(NEW), 1);
        assert_int_equal(world_view(&w, NEW).prior_processes, 100);

        world_remove(&w, NEW);
        assert_int_equal(pipeline_forget_priors(w.pipeline, CC1), 1);
        start(NEW + 1, CC1, "cc1");
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(world_view(&w, NEW + 1).prior_processes, 0);
}

static void test_exec(void **state) {
        const PriorTable *t = pipeline_get_priors(w.pipeline);
        Actor *a;

        know(CC1, "cc1", CLASS_BATCH, 10);
        start_contention();
        a = start(NEW, "/bin/sh", "sh");
        a->cpu = a->delay = 0.001;
        a->load_class = CLASS_IDLE;
        world_tick(&w, 3);
        assert_null(world_decision(&w, NEW));
        a->ident = program(CC1);
        memcpy(a->s.comm, "cc1", 4);
        a->cpu = a->delay = 0.5;
        a->load_class = CLASS_BATCH;
        pipeline_note_exec(w.pipeline, NEW);
        assert_int_equal(demoted_after(NEW), 1);
        for (size_t i = 0; i < t->n; i++)
                if (strcmp(t->entries[i]->exe, "/bin/sh") == 0)
                        assert_true(t->entries[i]->mass[CLASS_BATCH] < 0.05f);
}

static void test_disabled(void **state) {
        know(CC1, "cc1", CLASS_BATCH, 10);
        w.policy.priors.enabled = false;
        world_set_policy(&w);
        assert_int_equal(pipeline_get_priors(w.pipeline)->n, 0);
        start_contention();
        start(NEW, CC1, "cc1");
        assert_int_equal(demoted_after(NEW), 2);
        assert_int_equal(pipeline_get_priors(w.pipeline)->n, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_known_at_first_tick),
                T(test_known_without_a_row),
                T(test_unknown),
                T(test_wrong),
                T(test_known_as_protected),
                T(test_interpreter),
                T(test_rule_wins),
                T(test_hundredth_child),
                T(test_exec),
                T(test_disabled),
        };
#undef T

        return cmocka_run_group_tests(tests, NULL, NULL);
}
