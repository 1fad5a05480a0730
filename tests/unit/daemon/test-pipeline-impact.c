/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What demotions do is looked at, and has consequences. */

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"

#define HOG 100
#define EXEMPT 110
#define SERVER 50
#define MINUTE 60

static World w;

static int setup(void **state) {
        world_init(&w);
        w.policy.impact.undo = true;
        world_set_policy(&w);
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

/* The next decisions come within so many seconds, and this is the one on pid. */
static const Decision *next_decision(pid_t pid, int within) {
        const Decision *d;
        int n = world_tick(&w, within);

        if (w.n_decisions == 0)
                fail_msg("no decision within %d s", n);
        d = world_decision(&w, pid);
        assert_non_null(d);
        return d;
}

static const ImpactEpisode *episode(uint32_t id) {
        const ImpactEpisode *e = impact_find(pipeline_impact(w.pipeline), id);

        assert_non_null(e);
        return e;
}

static void test_helps_and_stays(void **state) {
        const ImpactEpisode *e;

        start_demotion();
        pipeline_note_action(w.pipeline, world_decision(&w, HOG), 17);
        actor_stop_waiting(world_find(&w, SERVER));
        world_find(&w, HOG)->cpu = 0.8;
        assert_int_equal(world_tick(&w, 60), 60);
        assert_int_equal(w.n_decisions, 0);
        e = episode(1);
        assert_int_equal(e->verdict, IMPACT_HELPED);
        assert_int_equal(e->victim, SERVER);
        assert_int_equal(e->n_lines, 2);
        assert_int_equal(e->lines[0].pid, HOG);
        assert_int_equal(e->lines[0].action, 17);
        assert_true(e->lines[0].cpu_before > 0.94f && e->lines[0].cpu_before < 0.96f);
        assert_true(impact_line_lost(e->lines) > 0.14f && impact_line_lost(e->lines) < 0.17f);
        assert_true(e->before.delay_per_wakeup > 740 && e->before.delay_per_wakeup < 760);
        assert_true(e->during.delay_per_wakeup < 4);
        assert_null(impact_find(pipeline_impact(w.pipeline), 2));
}

/* The wait stays as it is: both are put back, and left alone for longer each time. */
static void test_undone_and_not_repeated(void **state) {
        const Decision *d;
        int span = 10 * MINUTE;

        start_demotion();
        for (int i = 0; i < 3; i++) {
                d = next_decision(HOG, 12);
                assert_int_equal(w.n_decisions, 2);
                assert_int_equal(d->kind, DECISION_RELEASE);
                assert_int_equal(d->verdict, VERDICT_NO_HELP);
                assert_int_equal(world_view(&w, HOG).verdict, VERDICT_NO_HELP);
                assert_int_equal(world_tick(&w, span - 1), span - 1);
                assert_int_equal(w.n_decisions, 0);
                assert_int_equal(world_view(&w, HOG).verdict, VERDICT_NO_HELP);
                d = next_decision(HOG, 2);
                assert_int_equal(d->kind, DECISION_APPLY);
                span *= 2;
        }
        assert_true(episode(1)->undone);
        assert_int_equal(episode(1)->verdict, IMPACT_NO_EFFECT);

        /* Now it helps; and that is the end of the bad memory. */
        actor_stop_waiting(world_find(&w, SERVER));
        assert_int_equal(world_tick(&w, 30), 30);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(episode(4)->verdict, IMPACT_HELPED);
        world_find(&w, SERVER)->voluntary = world_find(&w, SERVER)->cpu = 0;
        assert_int_equal(next_decision(HOG, 20)->verdict, VERDICT_RELEASED);
        world_find(&w, SERVER)->voluntary = 400;
        world_find(&w, SERVER)->cpu = 0.1;
        world_find(&w, SERVER)->delay = 0.3;
        assert_int_equal(next_decision(HOG, 20)->kind, DECISION_APPLY);
        assert_int_equal(next_decision(HOG, 12)->verdict, VERDICT_NO_HELP);
        assert_int_equal(world_tick(&w, 10 * MINUTE - 1), 10 * MINUTE - 1);
        assert_int_equal(next_decision(HOG, 2)->kind, DECISION_APPLY);
}

/* The next process of that program is the same mistake; another program's is not. */
static void test_remembered_for_the_program(void **state) {
        Actor *a;

        start_demotion();
        assert_int_equal(next_decision(HOG, 12)->verdict, VERDICT_NO_HELP);
        world_remove(&w, HOG);
        world_remove(&w, HOG + 1);
        world_add_hog(&w, HOG + 2);
        world_add_hog(&w, HOG + 3);
        assert_int_equal(world_tick(&w, 60), 60);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG + 2).verdict, VERDICT_NO_HELP);
        a = world_add_hog(&w, HOG + 4);
        snprintf(a->ident.exe, sizeof(a->ident.exe), "/bin/y");
        assert_int_equal(next_decision(HOG + 4, 10)->kind, DECISION_APPLY);
        assert_int_equal(w.n_decisions, 1);
}

static void test_not_undone_where_not_wanted(void **state) {
        w.policy.impact.undo = false;
        world_set_policy(&w);
        start_demotion();
        assert_int_equal(world_tick(&w, 60), 60);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(episode(1)->verdict, IMPACT_NO_EFFECT);
}

/* Those who take the CPU may not be touched, and one who does not has to suffer for it. */
static void test_innocent(void **state) {
        Rule *rule = calloc(1, sizeof(*rule));
        Actor *small;

        assert_non_null(rule);
        *rule = (Rule){.name = "hands off", .comm = "p11?", .exempt = true, .load_class = -1};
        w.policy.rules = rule;
        w.policy.n_rules = 1;
        world_set_policy(&w);
        world_add_server(&w, SERVER);
        world_add_hog(&w, EXEMPT);
        world_add_hog(&w, EXEMPT + 1);
        small = world_add_hog(&w, HOG);
        small->cpu = 0.1;
        small->delay = 0.05;
        assert_int_equal(next_decision(HOG, 8)->kind, DECISION_APPLY);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(next_decision(HOG, 12)->verdict, VERDICT_NO_HELP);
        assert_int_equal(world_tick(&w, 9 * MINUTE), 9 * MINUTE);
        assert_int_equal(w.n_decisions, 0);
}

/* Undoing it made things worse: it had helped. */
static void test_revised(void **state) {
        start_demotion();
        assert_int_equal(next_decision(HOG, 12)->verdict, VERDICT_NO_HELP);
        world_find(&w, SERVER)->delay = 1.2;
        assert_int_equal(next_decision(HOG, 13)->kind, DECISION_APPLY);
        assert_true(episode(1)->revised);
        assert_int_equal(episode(1)->verdict, IMPACT_HELPED);
}

static void test_probe(void **state) {
        const Decision *d;

        start_demotion();
        world_find(&w, SERVER)->delay = 0.15;
        d = next_decision(HOG, 310);
        assert_int_equal(d->kind, DECISION_RELEASE);
        assert_int_equal(d->verdict, VERDICT_PROBE);
        assert_int_equal(w.n_decisions, 2);
        world_find(&w, SERVER)->delay = 0.3;
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_PROBE);
        /* Without a cool-down. */
        d = next_decision(HOG, 4);
        assert_int_equal(d->kind, DECISION_APPLY);
        assert_int_equal(w.n_decisions, 2);
        assert_true(episode(1)->proven);
        assert_int_equal(episode(1)->n_lines, 2);
        world_find(&w, SERVER)->delay = 0.15;
        assert_int_equal(world_tick(&w, 700), 700);
        assert_int_equal(w.n_decisions, 0);
}

static void test_probe_finds_nothing(void **state) {
        start_demotion();
        world_find(&w, SERVER)->delay = 0.15;
        assert_int_equal(next_decision(HOG, 310)->verdict, VERDICT_PROBE);
        assert_int_equal(world_tick(&w, 9 * MINUTE), 9 * MINUTE);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_NO_HELP);
        assert_true(episode(1)->undone);
}

/* The floor: what starves is put back, and then demoted less strongly. */
static void test_starving(void **state) {
        const Decision *d;
        Actor *a;

        start_demotion();
        actor_stop_waiting(world_find(&w, SERVER));
        a = world_find(&w, HOG);
        a->cpu = 0.0001;
        a->delay = 0.99;
        d = next_decision(HOG, 22);
        assert_int_equal(w.n_decisions, 1);
        assert_int_equal(d->kind, DECISION_RELEASE);
        assert_int_equal(d->verdict, VERDICT_STARVING);
        a->cpu = 0.9;
        a->delay = 0.5;
        world_find(&w, SERVER)->delay = 0.3;
        world_tick_for(&w, USEC_PER_SEC);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_NO_CONTENTION);
        d = next_decision(HOG, 12);
        assert_int_equal(d->kind, DECISION_APPLY);
        assert_int_equal(d->treatment.nice, 9);
        assert_true(world_view(&w, HOG + 1).treated);
}

/* At last nothing is left of the treatment, and it is left alone. */
static void test_starving_for_good(void **state) {
        int times = 0;

        w.policy.treatment[CLASS_BATCH] = (Treatment){.set = TREAT_SCHED, .sched = SCHED_IDLE};
        world_set_policy(&w);
        start_demotion();
        assert_int_equal(world_decision(&w, HOG)->treatment.set, TREAT_SCHED);
        w.policy.impact.undo = false;
        world_set_policy(&w);
        world_find(&w, HOG)->cpu = 0;
        world_find(&w, HOG)->delay = 1;
        world_find(&w, HOG + 1)->cpu = 1.9;
        for (int i = 0; i < 600; i++) {
                const Decision *d;

                world_tick_for(&w, USEC_PER_SEC);
                d = world_decision(&w, HOG);
                times += d && d->kind == DECISION_APPLY;
                if (d && d->kind == DECISION_APPLY && times == 1) {
                        assert_int_equal(d->treatment.set, TREAT_NICE);
                        assert_int_equal(d->treatment.nice, 19);
                }
        }
        assert_in_range(times, 3, 5);
        assert_false(world_view(&w, HOG).treated);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_STARVING);
}

#define HOGS "/system.slice/hogs.service"

static Actor *put(Actor *a, const char *cgroup, uint64_t id) {
        a->s.group_kind = SCHED_GROUP_CGROUP;
        a->s.group_id = a->s.cgroup_id = id;
        snprintf(a->ident.cgroup, sizeof(a->ident.cgroup), "%s", cgroup);
        a->ident.group_length = (uint16_t)strlen(cgroup);
        return a;
}

static void start_unit(void) {
        put(world_add_server(&w, SERVER), "/system.slice/db.service", 3);
        put(world_add_hog(&w, HOG), HOGS, 4);
        put(world_add_hog(&w, HOG + 1), HOGS, 4);
        assert_in_range(world_tick(&w, 8), 3, 6);
        assert_int_equal(w.decisions[0].kind, DECISION_DEMOTE_UNIT);
}

static void test_unit_undone(void **state) {
        const Decision *d;

        start_unit();
        d = next_decision(HOG, 12);
        assert_int_equal(d->kind, DECISION_RELEASE_UNIT);
        assert_int_equal(d->verdict, VERDICT_NO_HELP);
        assert_int_equal(w.n_decisions, 1);
        assert_string_equal(episode(1)->lines[0].unit, HOGS);
        assert_int_equal(episode(1)->n_lines, 1);
        assert_true(episode(1)->lines[0].cpu_before > 1.8f);
        assert_int_equal(world_tick(&w, 10 * MINUTE - 1), 10 * MINUTE - 1);
        assert_int_equal(w.n_decisions, 0);
        assert_int_equal(world_view(&w, HOG).verdict, VERDICT_NO_HELP);
        assert_int_equal(next_decision(HOG, 2)->kind, DECISION_DEMOTE_UNIT);
        /* It fails again. */
        assert_int_equal(next_decision(HOG, 12)->kind, DECISION_RELEASE_UNIT);
        assert_int_equal(world_tick(&w, 20 * MINUTE - 1), 20 * MINUTE - 1);
        assert_int_equal(w.n_decisions, 0);
}

static void test_unit_probe(void **state) {
        start_unit();
        world_find(&w, SERVER)->delay = 0.15;
        assert_int_equal(next_decision(HOG, 310)->verdict, VERDICT_PROBE);
        world_find(&w, SERVER)->delay = 0.3;
        assert_int_equal(next_decision(HOG, 6)->kind, DECISION_DEMOTE_UNIT);
        assert_true(episode(1)->proven);
        assert_null(impact_find(pipeline_impact(w.pipeline), 2));
}

static void test_unit_starving(void **state) {
        const Decision *d;

        start_unit();
        actor_stop_waiting(world_find(&w, SERVER));
        for (pid_t pid = HOG; pid <= HOG + 1; pid++) {
                world_find(&w, pid)->cpu = 0.0001;
                world_find(&w, pid)->delay = 0.99;
        }
        assert_int_equal(next_decision(HOG, 22)->verdict, VERDICT_STARVING);
        for (pid_t pid = HOG; pid <= HOG + 1; pid++)
                world_find(&w, pid)->cpu = 0.9;
        world_find(&w, SERVER)->delay = 0.3;
        d = next_decision(HOG, 20);
        assert_int_equal(d->kind, DECISION_DEMOTE_UNIT);
        assert_int_equal(d->treatment.unit_cpu_weight, 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_helps_and_stays),
                TEST(test_undone_and_not_repeated),
                TEST(test_remembered_for_the_program),
                TEST(test_not_undone_where_not_wanted),
                TEST(test_innocent),
                TEST(test_revised),
                TEST(test_probe),
                TEST(test_probe_finds_nothing),
                TEST(test_starving),
                TEST(test_starving_for_good),
                TEST(test_unit_undone),
                TEST(test_unit_probe),
                TEST(test_unit_starving),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
