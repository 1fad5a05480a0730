/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Machines at random, for many ticks: the same run twice gives the same decisions byte by byte, and
 * whatever happens, nothing is decided about those that are to be left alone.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"
#include "util/hash.h"

#define TICKS 2000
#define ACTORS 60
#define PIDS 400
#define MINE 1000 /* the uid in scope */
#define TRIAL_ROOT 40

typedef struct Run {
        World w;
        uint64_t dice;
        uint64_t hash;
        bool ours[PIDS]; /* by applied or adopted decisions, as we were told */
        uint64_t starts[PIDS];
        pid_t trial;
        size_t n[DECISION_UNTUNE + 1];
        size_t reasons[_VERDICT_COUNT];
} Run;

/* xorshift64 (Marsaglia 2003) */
static uint32_t roll(Run *r, uint32_t sides) {
        r->dice ^= r->dice << 13;
        r->dice ^= r->dice >> 7;
        r->dice ^= r->dice << 17;
        return (uint32_t)(r->dice >> 32) % sides;
}

static void change_load(Run *r, Actor *a) {
        a->load_class = (LoadClass)roll(r, _CLASS_COUNT);
        a->percent = 50 + (int)roll(r, 50);
        a->cpu = roll(r, 3) ? roll(r, 100) / 100.0 : 0;
        a->delay = a->cpu > 0 ? roll(r, 80) / 100.0 : 0;
        a->slices = a->cpu > 0 ? roll(r, 500) : 0;
        a->voluntary = a->cpu > 0 ? roll(r, 500) : 0;
        a->io_bytes = a->cpu > 0 && !roll(r, 3) ? roll(r, 100000000) : 0;
        a->faults = a->cpu > 0 && !roll(r, 3) ? roll(r, 1000) : 0;
        a->s.in_iowait = !roll(r, 10);
}

static void give_birth(Run *r) {
        pid_t pid = 1 + (pid_t)roll(r, PIDS - 1), parent = 1;
        const Actor *p = NULL;
        Actor *a;

        if (world_find(&r->w, pid))
                return;
        if (r->w.n > 0)
                parent = r->w.actors[roll(r, (uint32_t)r->w.n)].s.pid;
        a = world_add(&r->w, pid, CLASS_IDLE);
        p = world_find(&r->w, parent);
        change_load(r, a);
        a->s.ppid = parent;
        a->s.nice = p ? p->s.nice : 0;
        a->s.uid = roll(r, 4) ? MINE : 0;
        a->s.kthread = !roll(r, 12);
        a->s.has_rt = !roll(r, 12);
        a->s.group_kind = (uint8_t)roll(r, _SCHED_GROUP_KIND_COUNT);
        a->s.group_id = roll(r, 3);
        a->s.cpus_allowed = roll(r, 4);
        if (!roll(r, 10))
                a->s.valid = roll(r, SAMPLE_ALL);
        a->s.valid |= SAMPLE_RSS;
}

static void disturb(Run *r) {
        World *w = &r->w;

        if (w->n < ACTORS || !roll(r, 4))
                give_birth(r);
        if (w->n > ACTORS)
                world_remove(w, w->actors[roll(r, (uint32_t)w->n)].s.pid);
        for (int i = 0; i < 4 && w->n > 0; i++)
                change_load(r, w->actors + roll(r, (uint32_t)w->n));
        if (!roll(r, 20))
                pipeline_note_exec(w->pipeline, (pid_t)roll(r, PIDS));
        if (!roll(r, 50))
                w->actors[roll(r, (uint32_t)w->n)].s.has_rt ^= true;
        if (!roll(r, 100)) {
                w->policy.mode = (Mode)roll(r, 2) ? MODE_ENFORCE : MODE_OBSERVE;
                world_set_policy(w);
        }
        if (!roll(r, 100)) {
                r->trial = roll(r, 2) ? TRIAL_ROOT : 0;
                pipeline_set_trial(w->pipeline, r->trial, (Mode)roll(r, _MODE_COUNT));
        }
        if (!roll(r, 200)) {
                pid_t pid = roll(r, 2) ? (pid_t)roll(r, PIDS) : 0;

                pipeline_note_rollback(w->pipeline, pid);
                for (pid_t i = 0; i < PIDS; i++)
                        if (pid == 0 || pid == i)
                                r->ours[i] = false;
        }
        for (int k = 0; k < _PSI_COUNT; k++)
                w->psi_usec[k] = roll(r, 400000);
        w->outcome = roll(r, 3) ? OUTCOME_DONE : (Outcome)roll(r, _OUTCOME_COUNT);
}

static void check(Run *r, const Decision *d) {
        World *w = &r->w;
        const Actor *a = world_find(w, d->pid);
        bool is_ours;

        r->n[d->kind]++;
        r->reasons[d->verdict]++;
        if (d->kind == DECISION_TUNE || d->kind == DECISION_UNTUNE)
                return;
        assert_non_null(a);
        assert_int_equal(a->s.start, d->start);
        is_ours = r->ours[d->pid] && r->starts[d->pid] == d->start;
        if (d->kind == DECISION_RELEASE)
                assert_true(is_ours); /* nothing is put back that was not changed */
        else {
                assert_false(a->s.kthread || a->s.has_rt);
                assert_true(a->s.pid != 1 && a->s.pid != WORLD_SELF);
        }
        if (d->kind == DECISION_APPLY) {
                assert_true(a->s.valid & SAMPLE_SCHED);
                assert_true(d->treatment.set != 0);
                assert_in_range(d->treatment.nice, 0, 19);
                assert_false(class_is_protected(d->load_class));
                assert_true(d->confidence >= w->policy.thresholds.confidence);
                if (!r->trial) {
                        assert_int_equal(w->policy.mode, MODE_ENFORCE);
                        assert_int_equal(a->s.uid, MINE);
                        assert_true(a->s.valid & SAMPLE_UID);
                }
        }
        if (d->kind == DECISION_RELEASE)
                r->ours[d->pid] = w->outcome == OUTCOME_FAILED;
        else if (w->outcome == OUTCOME_DONE || w->outcome == OUTCOME_UNANSWERED) {
                r->ours[d->pid] = true;
                r->starts[d->pid] = d->start;
        } else if (d->kind == DECISION_ADOPT)
                r->ours[d->pid] = false;
}

static void run(Run *r) {
        static const usec_t lengths[] = {0, 1, 100000, 1000000, 1000000, 1003000, 5000000};
        TunableSetting *s = calloc(1, sizeof(*s));

        memset(r, 0, sizeof(*r));
        r->dice = UINT64_C(88172645463325252);
        r->hash = FNV1A64_INIT;
        world_init(&r->w);
        r->w.policy.scope[0] = (ScopeEntry){.kind = SCOPE_UID, .number = MINE};
        assert_non_null(s);
        *s = (TunableSetting){tunable_find("vm.swappiness"), "10", CONTENTION_MEMORY};
        r->w.policy.tunables = s;
        r->w.policy.n_tunables = 1;
        r->w.policy.thresholds.dwell = r->w.policy.thresholds.contention_after = 0;
        r->w.policy.thresholds.busy_share = 0.3f;
        /* Judged soon and by little, so that much is undone, probed and starves. */
        r->w.policy.impact.undo = true;
        r->w.policy.impact.intervals = r->w.policy.impact.wakeups = 1;
        r->w.policy.impact.probe = r->w.policy.impact.floor_after = 2 * USEC_PER_SEC;
        r->w.policy.impact.remember = 3 * USEC_PER_SEC;
        r->w.policy.impact.floor_share = 0.2f;
        world_set_policy(&r->w);
        for (int i = 0; i < TICKS; i++) {
                disturb(r);
                world_tick_for(&r->w, lengths[roll(r, ELEMENTSOF(lengths))]);
                for (size_t k = 0; k < r->w.n_decisions; k++) {
                        check(r, r->w.decisions + k);
                        r->hash = fnv1a64(r->hash, r->w.decisions + k, sizeof(Decision));
                }
        }
        world_done(&r->w);
}

static void test_same_twice(void **state) {
        static Run a, b;

        run(&a);
        run(&b);
        assert_true(a.hash == b.hash);
        /* It was no empty run. */
        assert_true(a.n[DECISION_APPLY] > 100);
        assert_true(a.n[DECISION_RELEASE] > 50);
        assert_true(a.n[DECISION_ADOPT] > 10);
        assert_true(a.reasons[VERDICT_NO_HELP] > 0 && a.reasons[VERDICT_STARVING] > 0);
        /* A scope that is not the whole machine has no say in machine-wide settings. */
        assert_int_equal(a.n[DECISION_TUNE], 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_twice)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
