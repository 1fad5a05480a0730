/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "daemon/judge-impact.h"
#include "daemon/judge-brood.h"
#include "daemon/judge-unit.h"
#include "daemon/pipeline-internal.h"
#include "daemon/pipeline-prior.h"

/* Asleep for as long as this: its past says nothing of what it does when it wakes. */
#define DORMANT_AFTER (10 * USEC_PER_SEC)
#define USEC_PER_START_TICK (USEC_PER_SEC / START_TICKS_PER_SEC)
/* Before that a process has done no more than begin. */
#define BIRTH_LONG_ENOUGH (100 * USEC_PER_MSEC)

int pipeline_new(const Policy *policy, Model *model, pid_t self, Pipeline **ret) {
        _cleanup_(pipeline_freep)
        Pipeline *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->model = model;
        p->judge.self = self;
        p->judge.contention = CONTENTION_INIT;
        p->judge.policy = POLICY_INIT;
        if (policy_copy(policy, &p->judge.policy) < 0 || tuner_set_policy(&p->tuner, policy) < 0)
                return -ENOMEM;
        prior_table_set_limits(&p->priors, &policy->priors);
        *ret = TAKE_PTR(p);
        return 0;
}

Pipeline *pipeline_free(Pipeline *p) {
        if (!p)
                return NULL;
        judge_done(&p->judge);
        tuner_done(&p->tuner);
        prior_table_done(&p->priors);
        free(p->rows);
        free(p->predictions);
        free(p->wanted);
        free(p->pending);
        free(p);
        return NULL;
}

int pipeline_set_policy(Pipeline *p, const Policy *policy) {
        Policy copy = POLICY_INIT;

        if (policy_copy(policy, &copy) < 0)
                return -ENOMEM;
        if (tuner_set_policy(&p->tuner, policy) < 0) {
                policy_done(&copy);
                return -ENOMEM;
        }
        policy_done(&p->judge.policy);
        p->judge.policy = copy;
        prior_table_set_limits(&p->priors, &policy->priors);
        unit_table_unblock(&p->judge.units);
        for (size_t i = 0; i < p->judge.table.n; i++) {
                Proc *proc = p->judge.table.procs[i];

                proc->rule = NULL;
                proc->rule_stale = true;
                proc->blocked_until = 0;
                proc->inert = 0;
        }
        return 0;
}

void pipeline_set_model(Pipeline *p, Model *model) {
        p->model = model;
        /* What the old one said does not stand for this one. */
        for (size_t i = 0; i < p->judge.table.n; i++)
                p->judge.table.procs[i]->seen.at = 0;
}

void pipeline_set_trial(Pipeline *p, pid_t root, Mode mode) {
        p->judge.trial_root = root;
        p->judge.trial_mode = mode;
}

static int reserve(void **array, size_t *n_allocated, size_t n, size_t size) {
        void *grown = NULL;

        if (n <= *n_allocated)
                return 0;
        n = MAX(n, *n_allocated * 2);
        grown = reallocarray(*array, n, size);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *n_allocated = n;
        return 0;
}

/* Room for one more row and its prediction. */
static int reserve_row(Pipeline *p) {
        size_t n = MAX(p->n_rows_allocated * 2, (size_t)64);
        float *rows = NULL;
        Prediction *predictions = NULL;

        if (p->n_rows < p->n_rows_allocated)
                return 0;
        rows = reallocarray(p->rows, n, FEATURE_COUNT * sizeof(*p->rows));
        if (!rows)
                return -ENOMEM;
        p->rows = rows;
        predictions = reallocarray(p->predictions, n, sizeof(*p->predictions));
        if (!predictions)
                return -ENOMEM;
        p->predictions = predictions;
        p->n_rows_allocated = n;
        return 0;
}

static void observe_pressure(Pipeline *p, const Sample *s) {
        for (int r = 0; r < _PSI_COUNT; r++) {
                const Psi *now = s->psi + r, *prev = p->psi + r;

                p->psi_some[r] = -1;
                if (p->dt > 0 && now->valid && prev->valid && now->some_total >= prev->some_total)
                        p->psi_some[r] = (float)((double)(now->some_total - prev->some_total) /
                                                 (double)p->dt);
                p->psi[r] = *now;
        }
}

static void observe_sleep(Proc *proc, const ProcSample *now, usec_t at, usec_t dt) {
        bool asleep = feature_is_asleep(now, &proc->sample);

        if (dt == 0)
                return;
        if (!asleep) {
                proc->has_run = true;
                proc->asleep_since = USEC_INFINITY;
                proc->dormant = false;
                return;
        }
        if (proc->asleep_since == USEC_INFINITY)
                proc->asleep_since = at - dt;
        if (proc->dormant || (proc->has_run && at - proc->asleep_since < DORMANT_AFTER))
                return;
        proc->dormant = true;
        memset(&proc->history, 0, sizeof(proc->history));
        proc->seen = (SeenRow){};
}

/* Not before its program's prior has heard how it began. */
static bool may_skip(const Pipeline *p, const Proc *proc) {
        return p->judge.policy.thresholds.infer_change > 0 &&
               (!proc->ident || proc->lesson >= PRIOR_LESSON);
}

/* Its row, where the model is to be asked. 0 or -ENOMEM. */
static int observe_row(Pipeline *p, Proc *proc, const ProcSample *now, usec_t at) {
        float change = p->judge.policy.thresholds.infer_change;
        bool slept = proc->asleep_since != USEC_INFINITY && at - proc->asleep_since > p->dt;
        bool skip = may_skip(p, proc);
        float *row;
        int r;

        if (skip && seen_row_rests(&proc->seen, slept, at)) {
                proc->seen.rest += p->dt;
                p->n_skipped++;
                return 0;
        }
        r = reserve_row(p);
        if (r < 0)
                return r;
        row = p->rows + p->n_rows * FEATURE_COUNT;
        seen_row_wake(&proc->seen, &proc->sample, &proc->history);
        feature_compute(now, &proc->sample, &proc->history, p->dt, row);
        if (skip && seen_row_stands(&proc->seen, row, change, at)) {
                p->n_skipped++;
                return 0;
        }
        seen_row_note(&proc->seen, row, at);
        proc->row = (ssize_t)p->n_rows++;
        return 0;
}

/* What it has done since it began is its first row; its history begins with a whole interval. */
static int observe_birth(Pipeline *p, Proc *proc, usec_t at) {
        const ProcSample unborn = {.valid = proc->sample.valid};
        FeatureHistory history = {};
        usec_t start = proc->sample.start * USEC_PER_START_TICK;
        float *row;
        int r;

        if (start + BIRTH_LONG_ENOUGH > at || proc->sample.kthread || proc->sample.zombie)
                return 0;
        r = reserve_row(p);
        if (r < 0)
                return r;
        row = p->rows + p->n_rows * FEATURE_COUNT;
        feature_compute(&proc->sample, &unborn, &history, at - start, row);
        seen_row_note(&proc->seen, row, at);
        proc->row = (ssize_t)p->n_rows++;
        return 0;
}

/* One process from the last sample to this one. -ENOMEM costs it its row, nothing else. */
static int observe_proc(Pipeline *p, Proc *proc, const ProcSample *now, usec_t at) {
        const ProcSample *prev = &proc->sample;
        int r = 0;

        proc->row = -1;
        if (proc->born) {
                /* What began within the interval did within it all that it has done so far. */
                bool within = (now->start + 1) * USEC_PER_START_TICK > at - p->dt;

                load_compute(now, NULL, within ? p->dt : 0, &proc->load);
                proc->load.churn = brood_churn(proc, now, NULL, within ? p->dt : 0);
                proc->class_since = proc->verdict_since = at;
                proc->sample = *now;
                return within ? observe_birth(p, proc, at) : 0;
        }

        load_compute(now, prev, p->dt, &proc->load);
        proc->load.churn = brood_churn(proc, now, prev, p->dt);
        observe_sleep(proc, now, at, p->dt);
        /* It was moved, or a service manager gave its group the cpu controller or took it away. */
        if (now->group_kind != prev->group_kind || now->group_id != prev->group_id ||
            now->cgroup_id != prev->cgroup_id)
                free(TAKE_PTR(proc->ident));
        if (memcmp(now->comm, prev->comm, sizeof(now->comm)) != 0 || now->uid != prev->uid ||
            now->valid != prev->valid)
                proc->rule_stale = true;
        /* Another name is another program: where no event tells of it, this does. */
        if (memcmp(now->comm, prev->comm, sizeof(now->comm)) != 0) {
                free(TAKE_PTR(proc->ident));
                proc_forget_prior(proc);
        }
        if (!proc->dormant && !now->kthread && !now->zombie && p->dt > 0)
                r = observe_row(p, proc, now, at);
        proc->sample = *now;
        return r;
}

static void observe_pending(Pipeline *p) {
        for (size_t i = 0; i < p->n_pending; i++) {
                Proc *proc = proc_table_find(&p->judge.table, p->pending[i].pid);

                if (proc && proc->sample.start == p->pending[i].start)
                        judge_take_over(&p->judge, proc);
        }
        p->n_pending = 0;
}

int pipeline_observe(Pipeline *p, const Sample *s, const pid_t **ret_wanted, size_t *ret_n_wanted) {
        ProcTable *t = &p->judge.table;
        int result = 0;

        if (reserve((void **)&p->wanted, &p->n_wanted_allocated, s->n_procs, sizeof(*p->wanted)) <
                    0 ||
            proc_table_merge(t, s) < 0)
                return -ENOMEM;

        p->dt = p->judge.at != 0 && s->at > p->judge.at ? s->at - p->judge.at : 0;
        p->judge.at = s->at;
        p->n_cpus = s->n_cpus;
        p->n_rows = p->n_wanted = p->n_skipped = 0;
        observe_pressure(p, s);
        for (size_t i = 0; i < t->n; i++) {
                Proc *proc = t->procs[i];
                int r = observe_proc(p, proc, s->procs + i, s->at);

                if (r < 0)
                        result = r;
                if (!proc->ident && !proc->sample.kthread && !proc->sample.zombie)
                        p->wanted[p->n_wanted++] = proc->sample.pid;
        }
        observe_pending(p);
        if (result < 0)
                return result;
        *ret_wanted = p->wanted;
        *ret_n_wanted = p->n_wanted;
        return 0;
}

void pipeline_set_ident(Pipeline *p, pid_t pid, const Ident *ident) {
        Proc *proc = proc_table_find(&p->judge.table, pid);

        if (!proc || !ident)
                return;
        if (!proc->ident)
                proc->ident = malloc(sizeof(*proc->ident));
        /* Out of memory: it stays unknown, is left alone, and is asked for again. */
        if (!proc->ident)
                return;
        *proc->ident = *ident;
        proc->rule_stale = true;
}

void pipeline_note_exec(Pipeline *p, pid_t pid) {
        Proc *proc = proc_table_find(&p->judge.table, pid);

        if (!proc)
                return;
        free(TAKE_PTR(proc->ident));
        proc_forget_prior(proc);
        memset(&proc->history, 0, sizeof(proc->history));
        proc->rule = NULL;
        proc->rule_stale = true;
        proc->classed = false;
        proc->was_protected = false;
        proc->brood = (Brood){};
        proc->dormant = false;
        proc->has_run = true;
        proc->asleep_since = USEC_INFINITY;
        proc->seen = (SeenRow){};
        proc->prediction = (Prediction){};
        proc->load_class = CLASS_IDLE;
        proc->confidence = 0;
        proc->class_since = p->judge.at;
}

/* Since when it has been of the class that it has now, as far as this tick tells: of a stretched
 * interval the end. */
static usec_t class_beginning(const Pipeline *p, const Proc *proc, LoadClass c) {
        usec_t at = p->judge.at, dt = MIN(p->dt, p->judge.policy.thresholds.interval);
        usec_t begin = at - MIN(at, dt);

        if (!proc->classed && proc_is_known_as(proc, c))
                return 0;
        return proc->born ? MAX(begin, proc->sample.start * USEC_PER_START_TICK) : begin;
}

/* The length of the interval that its row tells of. */
static usec_t row_length(const Pipeline *p, const Proc *proc) {
        usec_t start = proc->sample.start * USEC_PER_START_TICK;

        return proc->born ? p->judge.at - MIN(start, p->judge.at) : p->dt;
}

static void classify(Pipeline *p, Proc *proc) {
        const Prediction *own = proc->row >= 0 ? p->predictions + proc->row : NULL;
        usec_t at = p->judge.at;
        bool heard;
        LoadClass c;

        judge_match_rule(&p->judge, proc);
        /* Its children tell its class, and what its program is to be known as. */
        if (proc->brood.active) {
                proc_teach(proc, &p->priors, &proc->prediction, p->dt, at);
                return;
        }
        if (proc->dormant) {
                proc->prediction = (Prediction){.probability = {[CLASS_IDLE] = 1}};
                proc->prior_weight = 0;
                judge_set_class(&p->judge, proc, CLASS_IDLE, 1, at);
                proc->classed = true;
                return;
        }
        proc_find_prior(proc, &p->priors, at);
        if (own)
                proc_teach(proc, &p->priors, own, row_length(p, proc), at);
        /* What is known of its program is for the time before it has shown anything. */
        heard = (own || !proc->classed) && !proc->sample.kthread && !proc->sample.zombie &&
                proc_predict(proc, own);
        if (proc->rule && proc->rule->load_class >= 0) {
                judge_set_class(&p->judge, proc, (LoadClass)proc->rule->load_class, 1, 0);
                proc->class_since = 0;
                proc->classed = true;
        } else if (heard) {
                c = prediction_class(&proc->prediction);
                judge_set_class(&p->judge, proc, c,
                                judge_confidence(&p->judge, proc, &proc->prediction, c),
                                class_beginning(p, proc, c));
                proc->classed = true;
        }
}

static bool covers_machine(const Policy *policy) {
        for (size_t i = 0; i < policy->n_scope; i++)
                if (policy->scope[i].kind == SCOPE_MACHINE)
                        return true;
        return false;
}

static void decide_tunables(Pipeline *p) {
        Judge *j = &p->judge;
        TunerInput in = {
                .at = j->at,
                .release_after = j->policy.thresholds.release_after,
                .allowed = j->policy.mode == MODE_ENFORCE && covers_machine(&j->policy),
        };

        for (int k = 0; k < _CONTENTION_COUNT; k++) {
                in.begins[k] = j->contention.lasting[k];
                in.holds[k] = in.begins[k] || j->treated_for[k];
        }
        for (size_t i = 0; i < p->tuner.n; i++) {
                TunerAction action = tuner_step(&p->tuner, i, &in);
                const TunableSetting *s = &p->tuner.entries[i].setting;
                Decision *d = NULL;

                if (action == TUNER_NOTHING)
                        continue;
                d = judge_push(j);
                if (!d)
                        return;
                d->kind = action == TUNER_SET ? DECISION_TUNE : DECISION_UNTUNE;
                d->verdict = action == TUNER_SET ? VERDICT_TREATED : VERDICT_RELEASED;
                snprintf(d->tunable, sizeof(d->tunable), "%s", s->tunable->name);
                snprintf(d->value, sizeof(d->value), "%s", s->value);
                tuner_note_done(&p->tuner, i, action);
        }
}

static void note_victim(Pipeline *p) {
        float delay = 0;
        const ProcSample *victim = contention_victim(&p->judge.contention, &delay);

        p->victim = victim ? victim->pid : 0;
        p->victim_delay = (uint32_t)CLAMP(delay * 1e6f, 0.0f, 4e9f);
        memset(p->victim_comm, 0, sizeof(p->victim_comm));
        if (victim)
                memcpy(p->victim_comm, victim->comm, sizeof(p->victim_comm));
}

int pipeline_decide(Pipeline *p, const Decision **ret, size_t *ret_n) {
        Judge *j = &p->judge;
        int r;

        j->n_decisions = 0;
        if (p->n_rows > 0)
                model_predict(p->model, p->rows, p->n_rows, p->predictions);
        for (size_t i = 0; i < j->table.n; i++)
                classify(p, j->table.procs[i]);
        judge_broods(j, p->dt);
        r = judge_weigh(j, p->dt, p->n_cpus, p->psi_some);
        if (r < 0)
                return r;
        note_victim(p);
        r = judge_decide(j);
        if (r < 0)
                return r;
        decide_tunables(p);
        *ret = j->decisions;
        *ret_n = j->n_decisions;
        return 0;
}

static void feedback_tunable(Pipeline *p, const Decision *d, Outcome outcome) {
        TunerEntry *e = tuner_find(&p->tuner, d->tunable, d->value);

        if (!e || d->kind != DECISION_TUNE || outcome == OUTCOME_DONE || outcome == OUTCOME_NOTHING)
                return;
        /* What the kernel refuses it will refuse again, and what others set is theirs: not before
         * the policy is set anew. */
        e->applied = false;
        e->blocked_until = USEC_INFINITY;
}

void pipeline_feedback(Pipeline *p, const Decision *d, Outcome outcome) {
        if (d->kind == DECISION_TUNE || d->kind == DECISION_UNTUNE)
                feedback_tunable(p, d, outcome);
        else
                judge_feedback(&p->judge, d, outcome);
}

void pipeline_note_action(Pipeline *p, const Decision *d, uint64_t action) {
        judge_impact_note_action(&p->judge, d, action, p->model->name);
}

const Impact *pipeline_impact(const Pipeline *p) {
        return &p->judge.impact;
}

void pipeline_note_rollback(Pipeline *p, pid_t pid) {
        Judge *j = &p->judge;

        for (size_t i = 0; i < j->table.n; i++)
                if (pid == 0 || j->table.pids[i] == pid)
                        judge_roll_back(j, j->table.procs[i]);
        for (size_t i = 0; i < p->tuner.n && pid == 0; i++) {
                TunerEntry *e = p->tuner.entries + i;

                e->applied = false;
                if (e->blocked_until != USEC_INFINITY)
                        e->blocked_until = j->at + j->policy.thresholds.cool_down;
        }
        if (pid != 0)
                return;
        p->n_pending = 0;
        judge_unit_note_rollback(j, NULL);
}

void pipeline_note_unit(Pipeline *p, const char *unit, bool foreign) {
        if (foreign)
                judge_unit_note_foreign(&p->judge, unit);
        else
                judge_unit_note_rollback(&p->judge, unit);
}

void pipeline_note_treated(Pipeline *p, pid_t pid, uint64_t start) {
        Proc *proc = proc_table_find(&p->judge.table, pid);

        if (proc && proc->sample.start == start) {
                judge_take_over(&p->judge, proc);
                return;
        }
        /* Out of memory: its entry stays in the ledger, and is put back at the end. */
        if (reserve((void **)&p->pending, &p->n_pending_allocated, p->n_pending + 1,
                    sizeof(*p->pending)) == 0)
                p->pending[p->n_pending++] = (Pending){pid, start};
}

bool pipeline_is_treated(const Pipeline *p, pid_t pid) {
        const Proc *proc = proc_table_find(&p->judge.table, pid);

        if (proc && proc->treated)
                return true;
        for (size_t i = 0; i < p->n_pending; i++)
                if (p->pending[i].pid == pid)
                        return true;
        return false;
}

int pipeline_set_priors(Pipeline *p, const PriorEntry *entries, size_t n) {
        return prior_table_load(&p->priors, entries, n);
}

size_t pipeline_forget_priors(Pipeline *p, const char *exe) {
        return prior_table_forget(&p->priors, exe);
}

const PriorTable *pipeline_get_priors(const Pipeline *p) {
        return &p->priors;
}
