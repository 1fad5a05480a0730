/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "tests/unit/daemon/world.h"

/* What the model says hides in the resident size: 10000 * (second class + 1, 0: the rest is spread
 * evenly) + 1000 * (class + 1) + percent. */
static void fake_predict(Model *m, const float *rows, size_t n, Prediction *ret) {
        for (size_t i = 0; i < n; i++) {
                long rss = lroundf(expm1f(rows[i * FEATURE_COUNT + FEATURE_RSS]));
                long c = CLAMP(rss % 10000 / 1000 - 1, 0, _CLASS_COUNT - 1);
                long second = rss / 10000 - 1;
                float sure = (float)(rss % 1000) / 100;

                for (int k = 0; k < _CLASS_COUNT; k++)
                        ret[i].probability[k] = k == c        ? sure
                                                : second < 0  ? (1 - sure) / (_CLASS_COUNT - 1)
                                                : k == second ? 1 - sure
                                                              : 0;
        }
}

static const ModelVTable fake_vtable = {.predict = fake_predict};

void world_init(World *w) {
        memset(w, 0, sizeof(*w));
        assert_int_equal(policy_init_default(&w->policy), 0);
        /* As where systemd has the tree of control groups. */
        policy_drop_knobs(&w->policy, TREAT_CPU_WEIGHT | TREAT_IO_WEIGHT);
        w->policy.mode = MODE_ENFORCE;
        /* Actors' rates are what the test says, whatever is done to them. */
        w->policy.impact.undo = false;
        /* The class is in the last digits of a feature, and every look is asked for. */
        w->policy.thresholds.infer_change = 0;
        w->model.vtable = &fake_vtable;
        w->sample = (Sample){.n_cpus = 2};
        w->actors = calloc(WORLD_ACTORS_MAX, sizeof(*w->actors));
        assert_non_null(w->actors);
        w->sample.procs = calloc(WORLD_ACTORS_MAX, sizeof(ProcSample));
        assert_non_null(w->sample.procs);
        w->at = 1000 * USEC_PER_SEC;
        w->psi_valid = true;
        assert_int_equal(pipeline_new(&w->policy, &w->model, WORLD_SELF, &w->pipeline), 0);
}

void world_done(World *w) {
        pipeline_free(w->pipeline);
        policy_done(&w->policy);
        free(w->sample.procs);
        free(w->actors);
}

void world_set_policy(World *w) {
        assert_int_equal(pipeline_set_policy(w->pipeline, &w->policy), 0);
}

Actor *world_find(World *w, pid_t pid) {
        for (size_t i = 0; i < w->n; i++)
                if (w->actors[i].s.pid == pid)
                        return w->actors + i;
        return NULL;
}

Actor *world_add(World *w, pid_t pid, LoadClass c) {
        size_t i = w->n;
        Actor *a;

        assert_true(w->n < WORLD_ACTORS_MAX);
        while (i > 0 && w->actors[i - 1].s.pid > pid)
                i--;
        memmove(w->actors + i + 1, w->actors + i, (w->n - i) * sizeof(*w->actors));
        w->n++;
        a = w->actors + i;
        *a = (Actor){.load_class = c,
                     .percent = 95,
                     .second = -1,
                     .ident = {.exe = "/bin/x", .cgroup = "/a"}};
        a->s.pid = pid;
        a->s.ppid = 1;
        a->s.sid = 7;
        a->s.uid = 1000;
        a->s.start = w->at / 10000;
        a->s.valid = SAMPLE_ALL;
        a->s.n_threads = 1;
        a->s.group_kind = SCHED_GROUP_AUTOGROUP;
        a->s.group_id = 7;
        a->s.cpus_allowed = 3;
        snprintf(a->s.comm, sizeof(a->s.comm), "p%d", pid);
        return a;
}

void world_remove(World *w, pid_t pid) {
        Actor *a = world_find(w, pid);

        assert_non_null(a);
        memmove(a, a + 1, (size_t)(w->actors + --w->n - a) * sizeof(*a));
}

Actor *world_add_hog(World *w, pid_t pid) {
        Actor *a = world_add(w, pid, CLASS_BATCH);

        a->cpu = 0.95;
        a->delay = 0.5;
        a->slices = 100;
        a->voluntary = 1;
        return a;
}

Actor *world_add_server(World *w, pid_t pid) {
        Actor *a = world_add(w, pid, CLASS_SERVER);

        a->cpu = 0.1;
        a->delay = 0.3;
        a->slices = 400;
        a->voluntary = 400;
        return a;
}

void actor_stop_waiting(Actor *a) {
        a->delay = 0.001;
}

static void actor_advance(Actor *a, double wall) {
        ProcSample *s = &a->s;

        s->exec_ns += (uint64_t)(a->cpu * wall * 1e9);
        s->delay_ns += (uint64_t)(a->delay * wall * 1e9);
        s->timeslices += (uint64_t)(a->slices * wall);
        s->nvcsw += (uint64_t)(a->voluntary * wall);
        s->read_bytes += (uint64_t)(a->io_bytes * wall);
        s->min_flt += (uint64_t)(a->faults * wall);
        s->rss_bytes = 10000 * (uint64_t)(a->second + 1) + 1000 * ((uint64_t)a->load_class + 1) +
                       (uint64_t)a->percent;
}

static void carry_out(World *w, const Decision *d) {
        Actor *a = world_find(w, d->pid);

        if (!a || w->outcome != OUTCOME_DONE)
                return;
        if (d->kind == DECISION_APPLY && d->treatment.set & TREAT_NICE)
                a->s.nice = d->treatment.nice;
        if (d->kind == DECISION_RELEASE)
                a->s.nice = a->own_nice;
}

void world_tick_for(World *w, usec_t dt) {
        const Decision *d = NULL;
        const pid_t *wanted = NULL;

        w->at += dt;
        for (int r = 0; r < _PSI_COUNT; r++) {
                w->sample.psi[r].some_total += w->psi_usec[r] * dt / USEC_PER_SEC;
                w->sample.psi[r].valid = w->psi_valid;
        }
        for (size_t i = 0; i < w->n; i++) {
                actor_advance(w->actors + i, (double)dt * 1e-6);
                w->sample.procs[i] = w->actors[i].s;
        }
        w->sample.n_procs = w->n;
        w->sample.at = w->at;

        assert_int_equal(pipeline_observe(w->pipeline, &w->sample, &wanted, &w->n_wanted), 0);
        for (size_t i = 0; i < w->n_wanted; i++)
                pipeline_set_ident(w->pipeline, wanted[i], &world_find(w, wanted[i])->ident);
        assert_int_equal(pipeline_decide(w->pipeline, &d, &w->n_decisions), 0);
        assert_true(w->n_decisions <= WORLD_DECISIONS_MAX);
        for (size_t i = 0; i < w->n_decisions; i++) {
                w->decisions[i] = d[i];
                carry_out(w, w->decisions + i);
                pipeline_feedback(w->pipeline, w->decisions + i, w->outcome);
        }
}

int world_tick(World *w, int n) {
        for (int i = 1; i <= n; i++) {
                world_tick_for(w, USEC_PER_SEC);
                if (w->n_decisions > 0)
                        return i;
        }
        return n;
}

const Decision *world_decision(const World *w, pid_t pid) {
        for (size_t i = 0; i < w->n_decisions; i++)
                if (w->decisions[i].pid == pid)
                        return w->decisions + i;
        return NULL;
}

ProcView world_view(const World *w, pid_t pid) {
        ProcView v;

        assert_int_equal(pipeline_find_proc(w->pipeline, pid, &v), 0);
        return v;
}
