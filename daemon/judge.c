/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "daemon/judge-impact.h"
#include "daemon/judge-brood.h"
#include "daemon/judge-unit.h"
#include "daemon/judge.h"

#define ANCESTORS_MAX 64
#define MINUTE (60 * USEC_PER_SEC)
/* The clock tick in which starts are counted, twice: rounding and the walk's own duration. */
#define START_SLACK (20 * USEC_PER_MSEC)
#define USEC_PER_START_TICK (USEC_PER_SEC / START_TICKS_PER_SEC)

/* What a child takes over by fork. */
#define INHERITED_FIELDS                                                                \
        ((uint32_t)(TREAT_WITHIN_GROUP | TREAT_IOPRIO | TREAT_CPUS | TREAT_CPU_WEIGHT | \
                    TREAT_IO_WEIGHT))

static usec_t elapsed(usec_t now, usec_t since) {
        return now > since ? now - since : 0;
}

void judge_done(Judge *j) {
        policy_done(&j->policy);
        proc_table_done(&j->table);
        contention_done(&j->contention);
        unit_table_done(&j->units);
        impact_done(&j->impact);
        free(j->decisions);
        free(j->carriers);
}

static int grow(void **array, size_t *n_allocated, size_t n, size_t size) {
        size_t wanted = MAX(*n_allocated * 2, (size_t)16);
        void *grown = NULL;

        if (n < *n_allocated)
                return 0;
        grown = reallocarray(*array, wanted, size);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *n_allocated = wanted;
        return 0;
}

Decision *judge_push(Judge *j) {
        if (grow((void **)&j->decisions, &j->n_decisions_allocated, j->n_decisions,
                 sizeof(*j->decisions)) < 0)
                return NULL;
        /* Padding, too: decisions are compared byte by byte. */
        memset(j->decisions + j->n_decisions, 0, sizeof(*j->decisions));
        return j->decisions + j->n_decisions++;
}

static Decision *push_for(Judge *j, const Proc *p, DecisionKind kind, Verdict v) {
        Decision *d = judge_push(j);

        if (!d)
                return NULL;
        d->kind = kind;
        d->pid = p->sample.pid;
        d->start = p->sample.start;
        d->load_class = p->load_class;
        d->confidence = p->confidence;
        d->verdict = v;
        memcpy(d->comm, p->sample.comm, sizeof(d->comm));
        d->victim = p->victim;
        d->victim_delay = p->victim_delay;
        memcpy(d->victim_comm, p->victim_comm, sizeof(d->victim_comm));
        return d;
}

/* Demotions in the minute before j->at. */
static uint32_t changes_last_minute(Judge *j) {
        while (j->n_changes > 0 && elapsed(j->at, j->changes[j->change_first]) >= MINUTE) {
                j->change_first = (j->change_first + 1) % JUDGE_CHANGES_MAX;
                j->n_changes--;
        }
        return (uint32_t)j->n_changes;
}

void judge_note_change(Judge *j) {
        if (j->n_changes < JUDGE_CHANGES_MAX)
                j->changes[(j->change_first + j->n_changes++) % JUDGE_CHANGES_MAX] = j->at;
}

void judge_match_rule(Judge *j, Proc *p) {
        if (!p->rule_stale)
                return;
        p->rule = policy_match(&j->policy, &p->sample, p->ident);
        p->rule_stale = false;
}

/* A flip between classes that are dealt with alike is no change that would have to prove itself. */
static bool is_same_dealing(const Judge *j, const Proc *p, LoadClass a, LoadClass b) {
        Treatment ta, tb;

        if (a == b)
                return true;
        if (class_is_protected(a) || class_is_protected(b))
                return class_is_protected(a) && class_is_protected(b);
        ta = guard_wanted(&j->policy, p->rule, a);
        tb = guard_wanted(&j->policy, p->rule, b);
        return ta.set && memcmp(&ta, &tb, sizeof(ta)) == 0;
}

float judge_confidence(const Judge *j, const Proc *p, const Prediction *prediction, LoadClass c) {
        float sum = 0;

        for (int k = 0; k < _CLASS_COUNT; k++)
                if (is_same_dealing(j, p, c, (LoadClass)k))
                        sum += prediction->probability[k];
        return MIN(sum, 1.0f);
}

void judge_set_class(Judge *j, Proc *p, LoadClass load_class, float confidence, usec_t since) {
        bool alike = is_same_dealing(j, p, p->load_class, load_class);

        p->load_class = load_class;
        p->confidence = confidence;
        if (!alike)
                p->class_since = since;
}

void judge_set_verdict(Judge *j, Proc *p, Verdict v) {
        if (p->verdict == v)
                return;
        p->verdict = v;
        p->verdict_since = j->at;
}

bool judge_is_firmly_protected(const Judge *j, const Proc *p) {
        const Thresholds *t = &j->policy.thresholds;

        return class_is_protected(p->load_class) && p->confidence >= t->protect_confidence &&
               !p->dormant && elapsed(j->at, p->class_since) >= t->dwell;
}

static ContentionRole role_of(const Judge *j, const Proc *p, uint32_t *ret_fields) {
        const ProcSample *s = &p->sample;

        *ret_fields = 0;
        if (p->dormant || s->kthread || s->zombie || s->pid == j->self ||
            (s->valid & SAMPLE_SCHED && s->has_rt))
                return ROLE_NONE;
        if (judge_is_firmly_protected(j, p))
                return ROLE_PROTECTED;
        *ret_fields = guard_wanted(&j->policy, p->rule, p->load_class).set;
        return *ret_fields && p->confidence >= j->policy.thresholds.confidence &&
                               !(p->rule && p->rule->exempt)
                       ? ROLE_HOG
                       : ROLE_NONE;
}

int judge_weigh(Judge *j, usec_t dt, uint32_t n_cpus, const float psi_some[_PSI_COUNT]) {
        Contention *c = &j->contention;
        int r;

        judge_impact_begin(j, dt);
        contention_begin(c, &j->policy.thresholds, j->at, dt, n_cpus, psi_some);
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i];
                uint32_t fields;
                ContentionRole role = role_of(j, p, &fields);

                p->was_protected |= role == ROLE_PROTECTED;

                judge_impact_add(j, p, role);

                r = contention_add(c, &p->sample, p->ident, &p->load, role, fields);
                if (r < 0)
                        return r;
        }
        contention_close(c);
        judge_impact_close(j);
        return 0;
}

/* Not asked for the dormant: climbing to the ancestors of thousands costs more than all else. */
void judge_find_scope(Judge *j, Proc *p) {
        pid_t ancestors[ANCESTORS_MAX];
        const Policy *policy = &j->policy;
        ScopeSubject subject = {.proc = &p->sample, .ident = p->ident, .ancestors = ancestors};
        bool climb = j->trial_root != 0;

        for (size_t i = 0; i < policy->n_scope && !climb; i++)
                climb = policy->scope[i].kind == SCOPE_TREE;
        if (climb)
                subject.n_ancestors = proc_table_ancestors(&j->table, p, ancestors,
                                                           ELEMENTSOF(ancestors));
        p->in_trial = false;
        for (size_t i = 0; i < subject.n_ancestors && j->trial_root != 0; i++)
                p->in_trial |= ancestors[i] == j->trial_root;
        /* Between exec and the next look at it, what was known holds. */
        if (p->treated && !p->ident && p->in_scope)
                return;
        p->in_scope = scope_contains(policy->scope, policy->n_scope, &subject);
}

/*
 * Whether p's autogroup also holds processes that must not be touched: its nice weighs on all of
 * them. Climbs for every member, the dormant included, so it is asked only where a session's nice
 * is about to be set or is set.
 */
static bool group_holds_others(Judge *j, const Proc *p) {
        const ProcSample *s = &p->sample;

        if (!(s->valid & SAMPLE_GROUP) || s->group_kind != SCHED_GROUP_AUTOGROUP)
                return false;
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *q = j->table.procs[i];

                if (q == p || q->sample.zombie || !(q->sample.valid & SAMPLE_GROUP) ||
                    q->sample.group_kind != s->group_kind || q->sample.group_id != s->group_id)
                        continue;
                if (q->sample.pid == j->self || q->sample.pid == 1 || (q->rule && q->rule->exempt))
                        return true;
                judge_find_scope(j, q);
                if (q->in_trial != p->in_trial || !(q->in_scope || q->in_trial))
                        return true;
        }
        return false;
}

static bool wants_autogroup(const Judge *j, const Proc *p, const ContentionMeeting *m) {
        return p->treatment.set & TREAT_AUTOGROUP ||
               (m->across_groups &&
                guard_wanted(&j->policy, p->rule, p->load_class).set & TREAT_AUTOGROUP);
}

static void fill_input(Judge *j, Proc *p, GuardInput *ret) {
        if (!p->dormant || p->treated)
                judge_find_scope(j, p);
        *ret = (GuardInput){
                .policy = &j->policy,
                .proc = &p->sample,
                .ident = p->ident,
                .rule = p->rule,
                .load_class = p->load_class,
                .confidence = p->confidence,
                .class_age = elapsed(j->at, p->class_since),
                .since_release = p->released_at == USEC_INFINITY ? USEC_INFINITY
                                                                 : elapsed(j->at, p->released_at),
                .changes_last_minute = changes_last_minute(j),
                .mode = p->in_trial ? j->trial_mode : j->policy.mode,
                .in_scope = p->in_scope || p->in_trial,
                .is_self = p->sample.pid == j->self,
                .hands_off = p->hands_off,
                .dormant = p->dormant,
                .inert = p->inert,
        };
        if (!p->dormant)
                contention_meet(&j->contention, &p->sample, p->ident, &p->load, &ret->meeting);
        if (!(p->in_scope || p->in_trial))
                return;
        if (wants_autogroup(j, p, &ret->meeting))
                ret->group_holds_others = group_holds_others(j, p);
        if (guard_wanted(&j->policy, p->rule, p->load_class).set & TREAT_UNIT)
                ret->unit = judge_unit_check(j, p, &ret->meeting);
        ret->in_own_scope = judge_is_in_own_slice(p);
        judge_impact_fill(j, p, ret);
}

static void note_victim(Proc *p, const ContentionMeeting *m) {
        p->victim = m->victim ? m->victim->pid : 0;
        p->victim_delay = (uint32_t)CLAMP(m->victim_delay * 1e6f, 0.0f, 4e9f);
        memset(p->victim_comm, 0, sizeof(p->victim_comm));
        if (m->victim)
                memcpy(p->victim_comm, m->victim->comm, sizeof(p->victim_comm));
}

void judge_forget_treatment(Judge *j, Proc *p, Verdict v) {
        p->treated = p->adopted = false;
        p->through = 0;
        p->unit = 0;
        p->kinds = 0;
        p->treatment = (Treatment){};
        judge_set_verdict(j, p, v);
}

/* What was done to its unit ends with the unit's reasons, not with one process's. */
static void release(Judge *j, Proc *p, Verdict v) {
        bool unit_alone = p->unit && !(p->treatment.set & ~(uint32_t)TREAT_UNIT);
        bool own = !p->through && !unit_alone;

        if (own && !push_for(j, p, DECISION_RELEASE, v))
                return;
        if (own)
                p->released_at = j->at;
        judge_forget_treatment(j, p, v);
}

/* Who lowers the session's weight already; 0: nobody. */
static pid_t find_carrier(const Judge *j, const ProcSample *s) {
        if (!(s->valid & SAMPLE_GROUP) || s->group_kind != SCHED_GROUP_AUTOGROUP)
                return 0;
        for (size_t i = 0; i < j->n_carriers; i++)
                if (j->carriers[i].autogroup == s->group_id)
                        return j->carriers[i].pid;
        return 0;
}

static int note_carrier(Judge *j, const Proc *p) {
        if (grow((void **)&j->carriers, &j->n_carriers_allocated, j->n_carriers,
                 sizeof(*j->carriers)) < 0)
                return -ENOMEM;
        j->carriers[j->n_carriers++] = (Carrier){p->sample.group_id, p->sample.pid};
        return 0;
}

static uint32_t kinds_of(const ContentionMeeting *m) {
        uint32_t kinds = 0;

        for (int k = 0; k < _CONTENTION_COUNT; k++)
                if (m->contended[k])
                        kinds |= 1U << k;
        return kinds;
}

void judge_merge_treatment(Treatment *into, const Treatment *from) {
        Treatment merged = *from;

        /* Of fields set in both, the newer: it is only asked for where it was missing. */
        if (!(from->set & TREAT_NICE))
                merged.nice = into->nice;
        if (!(from->set & TREAT_SCHED))
                merged.sched = into->sched;
        if (!(from->set & TREAT_CPUS))
                merged.cpus = into->cpus;
        merged.set |= into->set;
        *into = merged;
}

static void count_as_treated(Judge *j, Proc *p, const GuardInput *in, const Treatment *t) {
        judge_merge_treatment(&p->treatment, t);
        p->kinds |= kinds_of(&in->meeting);
        if (!p->treated)
                p->treated_at = p->held_at = j->at;
        p->treated = true;
        judge_set_verdict(j, p, VERDICT_TREATED);
}

static void demote_unit(Judge *j, Proc *p, const GuardInput *in, const Treatment *t) {
        Treatment unit = *t;

        unit.set = judge_unit_demote(j, p, &in->meeting, t);
        if (unit.set)
                count_as_treated(j, p, in, &unit);
}

/*
 * Demotes p by those knobs of t that it does not have yet. Of several hogs in a session one carries
 * the session's autogroup nice: a second entry for the same value would remember ours as the old
 * one.
 */
static void demote(Judge *j, Proc *p, const GuardInput *in, Treatment t) {
        pid_t carrier = t.set & TREAT_AUTOGROUP ? find_carrier(j, &p->sample) : 0;
        Treatment whole = t;
        Decision *d;

        if (carrier)
                t.set &= ~(uint32_t)TREAT_AUTOGROUP;
        t.set &= ~p->treatment.set;
        if (!t.set && p->treated)
                return;

        note_victim(p, &in->meeting);
        if (t.set & TREAT_UNIT) {
                demote_unit(j, p, in, &t);
                t.set &= ~(uint32_t)TREAT_UNIT;
                if (!t.set)
                        return;
        }
        if (t.set) {
                if ((t.set & TREAT_AUTOGROUP) && note_carrier(j, p) < 0)
                        return;
                d = push_for(j, p, DECISION_APPLY, VERDICT_TREATED);
                if (!d)
                        return;
                d->treatment = t;
                judge_note_change(j);
                /* Becomes treated by the executor's word. */
                p->held_at = p->treated ? p->held_at : j->at;
                p->kinds |= kinds_of(&in->meeting);
                judge_set_verdict(j, p, VERDICT_TREATED);
                return;
        }
        p->through = carrier;
        count_as_treated(j, p, in, &whole);
        judge_impact_note_demoted(j, p, whole.set);
}

static void judge_untreated(Judge *j, Proc *p, const GuardInput *in) {
        Treatment t;
        Verdict v = guard_check(in, &t);

        if (v == VERDICT_COOL_DOWN && p->past.verdict)
                v = p->past.verdict;

        if (!p->classed && (v == VERDICT_NOT_A_HOG || v == VERDICT_LOW_CONFIDENCE))
                v = VERDICT_UNKNOWN;
        if (v == VERDICT_TREATED && j->at < p->blocked_until)
                v = p->blocked;
        if (v == VERDICT_TREATED && judge_brood_covers(j, p))
                v = VERDICT_DWELL;
        if (v == VERDICT_TREATED) {
                demote(j, p, in, t);
                return;
        }
        if (kinds_of(&in->meeting))
                note_victim(p, &in->meeting);
        else
                note_victim(p, &(ContentionMeeting){});
        judge_set_verdict(j, p, v);
}

/* What a brood's members wait for is the brood's reason, too: they are put back together. */
static usec_t last_held(const Judge *j, Proc *p) {
        if (p->adopted)
                p->held_at = MAX(p->held_at, judge_brood_held(j, p));
        return p->held_at;
}

static void judge_treated(Judge *j, Proc *p, const GuardInput *in) {
        const Thresholds *t = &j->policy.thresholds;
        Verdict v = guard_check_standing(in);
        bool is_hog = guard_wanted(&j->policy, p->rule, p->load_class).set && !p->dormant;
        Treatment more;

        if (v == VERDICT_VANISHED) {
                judge_forget_treatment(j, p, v);
                return;
        }
        if (v != VERDICT_TREATED && v != VERDICT_UNKNOWN) {
                release(j, p, v);
                return;
        }
        if (judge_is_firmly_protected(j, p)) {
                release(j, p, VERDICT_PROTECTED);
                return;
        }
        if (p->treatment.set & TREAT_AUTOGROUP && in->group_holds_others) {
                release(j, p, VERDICT_MIXED_GROUP);
                return;
        }
        v = judge_impact_check(j, p);
        if (v != VERDICT_TREATED) {
                judge_impact_note_release(j, p, v);
                release(j, p, v);
                return;
        }
        if (is_hog &&
            contention_holds(&j->contention, &p->sample, &p->load, p->kinds, &p->treatment)) {
                p->held_at = j->at;
                judge_unit_hold(j, p);
        } else if (elapsed(j->at, last_held(j, p)) >= t->release_after) {
                release(j, p, VERDICT_RELEASED);
                return;
        }
        if (!p->through && j->at >= p->blocked_until && guard_check(in, &more) == VERDICT_TREATED)
                demote(j, p, in, more);
}

static bool shows_inheritance(const ProcSample *s, const Treatment *t) {
        if (!(t->set & INHERITED_FIELDS))
                return false;
        if ((t->set & (TREAT_NICE | TREAT_SCHED)) && !(s->valid & SAMPLE_SCHED))
                return false;
        if (t->set & TREAT_NICE && s->nice != t->nice)
                return false;
        if (t->set & TREAT_SCHED && s->sched_policy != t->sched)
                return false;
        return !(t->set & TREAT_CPUS && s->valid & SAMPLE_CPUS && s->cpus_allowed != t->cpus);
}

static void inherit(Judge *j, Proc *p, const Proc *parent) {
        judge_impact_note_inherited(j, p, parent);
        p->adopted = true;
        p->treatment = parent->treatment;
        p->treatment.set &= INHERITED_FIELDS;
        p->kinds = parent->kinds;
        p->treated_at = parent->treated_at; /* what its own children show began there */
}

/* Whatever scope and rules say of the child: what it inherited is our doing, and has to be put
 * back. */
static bool adopt(Judge *j, Proc *p) {
        const Proc *parent = proc_table_parent(&j->table, p);
        Decision *d;

        if (!parent || !parent->treated || parent->through || p->treated || p->sample.kthread ||
            p->sample.zombie || p->sample.has_rt || p->sample.pid == j->self ||
            !shows_inheritance(&p->sample, &parent->treatment))
                return false;
        /* Older than the demotion: what it shows is its own. */
        if (p->sample.start * USEC_PER_START_TICK + START_SLACK < parent->treated_at)
                return false;
        d = push_for(j, p, DECISION_ADOPT, VERDICT_ADOPTED);
        if (!d)
                return false;
        d->parent = parent->sample.pid;
        inherit(j, p, parent);
        p->treated = true;
        p->held_at = j->at;
        judge_set_verdict(j, p, VERDICT_ADOPTED);
        return true;
}

/* Children of children, too: pids wrap, so a child may come before its parent. */
static void adopt_born(Judge *j) {
        for (bool again = true; again;) {
                again = false;
                for (size_t i = 0; i < j->table.n; i++)
                        if (j->table.procs[i]->born)
                                again |= adopt(j, j->table.procs[i]);
        }
}

static int collect_carriers(Judge *j) {
        j->n_carriers = 0;
        for (size_t i = 0; i < j->table.n; i++) {
                const Proc *p = j->table.procs[i];

                if (p->treated && !p->through && (p->treatment.set & TREAT_AUTOGROUP) &&
                    (p->sample.valid & SAMPLE_GROUP) && note_carrier(j, p) < 0)
                        return -ENOMEM;
        }
        /* Where the one that carried it is gone, those beside it stand for themselves again. */
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i];

                if (p->through && find_carrier(j, &p->sample) != p->through)
                        judge_forget_treatment(j, p, VERDICT_RELEASED);
        }
        return 0;
}

void judge_count_treated(Judge *j) {
        j->n_treated = 0;
        for (int k = 0; k < _CONTENTION_COUNT; k++)
                j->treated_for[k] = false;
        for (size_t i = 0; i < j->table.n; i++) {
                const Proc *p = j->table.procs[i];

                j->n_treated += p->treated;
                for (int k = 0; k < _CONTENTION_COUNT && p->treated; k++)
                        j->treated_for[k] |= p->kinds & 1U << k;
        }
}

/* Thousands of processes sleep: nothing about them is found out twice. */
static bool sleeps_on(const Proc *p) {
        const ProcSample *s = &p->sample;

        return p->dormant && !p->treated &&
               ((p->verdict == VERDICT_DORMANT && !s->has_rt && !s->zombie) ||
                (p->verdict == VERDICT_KERNEL_THREAD && s->kthread));
}

int judge_decide(Judge *j) {
        GuardInput in;

        if (collect_carriers(j) < 0)
                return -ENOMEM;
        adopt_born(j);
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i];

                if (p->adopted && p->born)
                        continue;
                if (sleeps_on(p))
                        continue;
                if (!p->treated && p->past.verdict && judge_impact_settle(j, p) == VERDICT_PROBE)
                        continue;
                fill_input(j, p, &in);
                if (p->treated)
                        judge_treated(j, p, &in);
                else
                        judge_untreated(j, p, &in);
        }
        judge_units(j);
        judge_count_treated(j);
        return 0;
}

void judge_take_over(Judge *j, Proc *p) {
        const Proc *parent = proc_table_parent(&j->table, p);

        if (p->treated)
                return;
        p->treated = true;
        p->held_at = j->at;
        if (parent && parent->treated && !parent->through &&
            shows_inheritance(&p->sample, &parent->treatment)) {
                inherit(j, p, parent);
                judge_set_verdict(j, p, VERDICT_ADOPTED);
        } else {
                /* What exactly was set the ledger knows. This decides only for how long it
                 * holds. */
                p->treatment = (Treatment){.set = TREAT_SLICE | TREAT_IOPRIO};
                p->kinds = (1U << _CONTENTION_COUNT) - 1;
                p->treated_at = j->at;
                judge_set_verdict(j, p, VERDICT_TREATED);
        }
        judge_count_treated(j);
}

void judge_roll_back(Judge *j, Proc *p) {
        const UnitState *u = unit_table_find_id(&j->units, p->unit);

        p->released_at = j->at;
        p->past = (Past){};
        if (u)
                judge_unit_note_rollback(j, u->path);
        if (p->treated)
                judge_forget_treatment(j, p, VERDICT_RELEASED);
        judge_count_treated(j);
}
