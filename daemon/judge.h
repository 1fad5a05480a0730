/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What to do about each process in one tick, once its class is known: who is demoted, adopted, kept
 * or put back, and the verdict on all others. The pipeline's second half; pure.
 */

#include "daemon/pipeline.h"
#include "daemon/proc-table.h"
#include "daemon/unit-table.h"
#include "policy/impact.h"
#include "policy/regret.h"

/* Demotions of the last minute are remembered one by one: a higher limit in the policy counts as
 * this one. */
#define JUDGE_CHANGES_MAX 4096

/* A process whose demotion lowers the whole session. */
typedef struct Carrier {
        uint64_t autogroup;
        pid_t pid;
} Carrier;

typedef struct Judge {
        Policy policy; /* owned */
        pid_t self;
        pid_t trial_root; /* 0: none */
        Mode trial_mode;
        ProcTable table;
        Contention contention;
        UnitTable units;
        usec_t at, dt;

        Waiting waiting;
        Impact impact;
        Regret regret;
        float demand; /* of all processes in the last interval: CPU time and run delay, s/s */
        float fair;   /* CPU share that each would have among equals, s/s */

        size_t n_treated;
        bool treated_for[_CONTENTION_COUNT]; /* some process is */

        Decision *decisions; /* of this tick */
        size_t n_decisions, n_decisions_allocated;
        Carrier *carriers;
        size_t n_carriers, n_carriers_allocated;

        usec_t changes[JUDGE_CHANGES_MAX]; /* ring */
        size_t change_first, n_changes;
} Judge;

void judge_done(Judge *j);

/* Finds the rule anew where what it looks at has changed. */
void judge_match_rule(Judge *j, Proc *p);

/* How sure it is that p is to be dealt with as one of class c: the probability of c and of all that
 * means the same to it. */
float judge_confidence(const Judge *j, const Proc *p, const Prediction *prediction, LoadClass c);

/* Sets class and confidence, and when the change means another treatment, the time since. */
void judge_set_class(Judge *j, Proc *p, LoadClass load_class, float confidence, usec_t since);
void judge_set_verdict(Judge *j, Proc *p, Verdict v);

/* Of a protected class, surely enough, for long enough, and awake. */
bool judge_is_firmly_protected(const Judge *j, const Proc *p);

/* Fills p->in_scope and p->in_trial. */
void judge_find_scope(Judge *j, Proc *p);

/* Counts against changes_per_minute. */
void judge_note_change(Judge *j);

/* Fills the contention of this tick; dt in µs. Returns 0 or -ENOMEM. */
int judge_weigh(Judge *j, usec_t dt, uint32_t n_cpus, const float psi_some[_PSI_COUNT]);

/* Judges all processes: j->decisions. Returns 0, or -ENOMEM where not even one decision could be
 * stored; what could not be stored is decided at the next tick. */
int judge_decide(Judge *j);

/* A zeroed decision at the end of j->decisions; NULL: out of memory. */
Decision *judge_push(Judge *j);

/* Ends a demotion in the books. */
void judge_forget_treatment(Judge *j, Proc *p, Verdict v);

/* into has from's knobs as well; of those set in both, from's. */
void judge_merge_treatment(Treatment *into, const Treatment *from);

/* Brings n_treated and treated_for up to date. */
void judge_count_treated(Judge *j);

/* What the executor made of a decision. */
void judge_feedback(Judge *j, const Decision *d, Outcome outcome);

/* Counts a demotion that an earlier run or a fork left behind as ours. */
void judge_take_over(Judge *j, Proc *p);

/* The administrator put it back: cool-down begins. */
void judge_roll_back(Judge *j, Proc *p);
