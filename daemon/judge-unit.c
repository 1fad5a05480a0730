/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "daemon/judge-impact.h"
#include "daemon/judge-unit.h"
#include "policy/scope.h"

/* Where processes go that policy wants moved. */
#define OWN_SLICE "/aikm.slice"

static GroupPath path_of(const char *text) {
        return (GroupPath){text, strlen(text)};
}

GroupPath judge_unit_of(const Proc *p, const ContentionMeeting *m) {
        GroupPath path = {p->ident ? p->ident->cgroup : NULL, m->weighed_length};

        return p->ident && reach_is_unit(path) ? path : (GroupPath){NULL, 0};
}

/*
 * Whether all who are in the unit may be touched and none of them is one for whose sake others are
 * demoted. Climbs for every member, the dormant included, so it is asked only where a unit's weight
 * is about to be set or is set.
 */
static bool holds_others(Judge *j, const char *path, bool in_trial) {
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *q = j->table.procs[i];

                if (q->sample.zombie || q->sample.kthread || !q->ident ||
                    !cgroup_is_below(q->ident->cgroup, path))
                        continue;
                judge_match_rule(j, q);
                if (q->sample.pid == j->self || q->sample.pid == 1 || q->sample.has_rt ||
                    (q->rule && q->rule->exempt) || judge_is_firmly_protected(j, q))
                        return true;
                judge_find_scope(j, q);
                if (q->in_trial != in_trial || !(q->in_scope || q->in_trial))
                        return true;
        }
        return false;
}

static void block(UnitState *u, Verdict v, usec_t until) {
        u->blocked = v;
        u->blocked_until = until;
}

Verdict judge_unit_check(Judge *j, const Proc *p, const ContentionMeeting *m) {
        GroupPath path = judge_unit_of(p, m);
        UnitState *u;

        if (path.length == 0)
                return VERDICT_UNKNOWN;
        u = unit_table_get(&j->units, path);
        if (!u)
                return VERDICT_FAILED;
        if (j->at < u->blocked_until)
                return u->blocked;
        /* While it is lowered judge_units() looks, once a tick. And what one hog was told of the
         * unit holds for all others in this tick. */
        if (u->treatment.set || !holds_others(j, u->path, p->in_trial))
                return VERDICT_TREATED;
        block(u, VERDICT_MIXED_GROUP, j->at + 1);
        return VERDICT_MIXED_GROUP;
}

static Decision *push_unit(Judge *j, const UnitState *u, DecisionKind kind, Verdict v) {
        Decision *d = judge_push(j);

        if (!d)
                return NULL;
        d->kind = kind;
        d->pid = u->pid;
        d->start = u->start;
        d->load_class = u->load_class;
        d->confidence = u->confidence;
        d->verdict = v;
        memcpy(d->comm, u->comm, sizeof(d->comm));
        memcpy(d->unit, u->path, sizeof(d->unit));
        return d;
}

uint32_t judge_unit_demote(Judge *j, Proc *p, const ContentionMeeting *m, const Treatment *t) {
        UnitState *u = unit_table_get(&j->units, judge_unit_of(p, m));
        uint32_t wanted = t->set & TREAT_UNIT;
        Decision *d;

        if (!u)
                return 0;
        if (!u->treatment.set) {
                u->pid = p->sample.pid;
                u->start = p->sample.start;
                u->load_class = p->load_class;
                u->confidence = p->confidence;
                memcpy(u->comm, p->sample.comm, sizeof(u->comm));
                u->in_trial = p->in_trial;
        }
        u->held_at = j->at;
        p->unit = u->id;
        if (!(wanted & ~u->treatment.set))
                return wanted;
        d = push_unit(j, u, DECISION_DEMOTE_UNIT, VERDICT_TREATED);
        if (!d)
                return 0;
        d->treatment = *t;
        d->treatment.set = wanted & ~u->treatment.set;
        d->victim = p->victim;
        d->victim_delay = p->victim_delay;
        memcpy(d->victim_comm, p->victim_comm, sizeof(d->victim_comm));
        judge_note_change(j);
        /* Taken for done until the feedback says otherwise: another hog in it need not ask, too. */
        u->treatment.set |= wanted;
        u->treatment.unit_cpu_weight = t->unit_cpu_weight;
        u->treatment.unit_io_weight = t->unit_io_weight;
        return wanted;
}

void judge_unit_hold(Judge *j, const Proc *p) {
        UnitState *u = unit_table_find_id(&j->units, p->unit);

        if (u)
                u->held_at = j->at;
}

/* Its processes stand for themselves again. */
static void forget(Judge *j, UnitState *u, Verdict v) {
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i];

                if (p->unit != u->id)
                        continue;
                p->unit = 0;
                p->treatment.set &= ~(uint32_t)TREAT_UNIT;
                if (p->treated && !p->treatment.set)
                        judge_forget_treatment(j, p, v);
        }
        u->treatment = (Treatment){};
}

/* Somebody else set it: not ours before the policy is set anew. */
static void leave_alone(Judge *j, UnitState *u) {
        forget(j, u, VERDICT_HANDS_OFF);
        block(u, VERDICT_HANDS_OFF, USEC_INFINITY);
}

static bool is_of_impact(Verdict v) {
        return v == VERDICT_NO_HELP || v == VERDICT_PROBE || v == VERDICT_STARVING;
}

static void judge_unit(Judge *j, UnitState *u) {
        Mode mode = u->in_trial ? j->trial_mode : j->policy.mode;
        Verdict v = judge_impact_check_unit(j, u);
        usec_t until;

        if (u->in_trial && !j->trial_root)
                mode = MODE_OBSERVE;
        if (mode != MODE_ENFORCE)
                v = mode == MODE_ADVISE ? VERDICT_MODE_ADVISE : VERDICT_MODE_OBSERVE;
        else if (holds_others(j, u->path, u->in_trial))
                v = VERDICT_MIXED_GROUP;
        else if (j->at - MIN(j->at, u->held_at) >= j->policy.thresholds.release_after)
                v = VERDICT_RELEASED;
        if (v == VERDICT_TREATED || !push_unit(j, u, DECISION_RELEASE_UNIT, v))
                return;
        until = judge_impact_note_unit_release(j, u, v);
        forget(j, u, v);
        block(u, is_of_impact(v) ? v : VERDICT_COOL_DOWN, until);
}

void judge_units(Judge *j) {
        for (size_t i = 0; i < j->units.n; i++)
                /* What was asked for in this tick is judged in the next. */
                if (j->units.units[i].treatment.set)
                        judge_unit(j, j->units.units + i);
                else
                        judge_impact_settle_unit(j, j->units.units + i);
        unit_table_sweep(&j->units, j->at);
}

void judge_unit_feedback(Judge *j, const Decision *d, Outcome outcome) {
        UnitState *u = unit_table_find(&j->units, path_of(d->unit));

        if (!u)
                return;
        if (outcome == OUTCOME_FOREIGN) {
                leave_alone(j, u);
                return;
        }
        if (outcome == OUTCOME_DONE || outcome == OUTCOME_UNANSWERED) {
                if (d->kind == DECISION_DEMOTE_UNIT)
                        judge_impact_note_unit_demoted(j, u, d);
                return;
        }
        if (d->kind == DECISION_RELEASE_UNIT) {
                /* It is tried again after release_after. */
                if (outcome == OUTCOME_FAILED) {
                        u->treatment.set = TREAT_UNIT_CPU_WEIGHT;
                        u->held_at = j->at;
                }
                return;
        }
        u->treatment.set &= ~d->treatment.set;
        if (!u->treatment.set)
                forget(j, u, outcome == OUTCOME_NOTHING ? VERDICT_ALREADY_LOW : VERDICT_FAILED);
        if (outcome == OUTCOME_INERT)
                block(u, VERDICT_INERT, USEC_INFINITY);
        else
                block(u,
                      outcome == OUTCOME_NOTHING    ? VERDICT_ALREADY_LOW
                      : outcome == OUTCOME_VANISHED ? VERDICT_VANISHED
                                                    : VERDICT_FAILED,
                      j->at + j->policy.thresholds.cool_down);
}

void judge_unit_note_foreign(Judge *j, const char *path) {
        UnitState *u = unit_table_find(&j->units, path_of(path));

        if (u)
                leave_alone(j, u);
}

void judge_unit_note_rollback(Judge *j, const char *path) {
        for (size_t i = 0; i < j->units.n; i++) {
                UnitState *u = j->units.units + i;

                if (!u->treatment.set || (path && strcmp(u->path, path) != 0))
                        continue;
                forget(j, u, VERDICT_RELEASED);
                block(u, VERDICT_COOL_DOWN, j->at + j->policy.thresholds.cool_down);
        }
}

bool judge_is_in_own_slice(const Proc *p) {
        return p->ident && cgroup_is_below(p->ident->cgroup, OWN_SLICE);
}
