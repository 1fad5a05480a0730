/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One tick: sample -> features -> predictions -> contention -> decisions. No clock, no system call,
 * no logging: everything that influences a decision enters through the functions below, in the
 * order in which a recording replays them.
 *
 *   pipeline_observe()      merge a sample into the table of processes; lists those whose Ident is
 * wanted pipeline_set_ident()    for each of them pipeline_decide()       predict and decide
 *   pipeline_feedback()     what became of each decision
 */

#include "collectors/sample.h"
#include "models/model.h"
#include "policy/guard.h"
#include "policy/impact.h"
#include "policy/policy.h"
#include "policy/verdict.h"

typedef struct Pipeline Pipeline;

typedef enum DecisionKind {
        DECISION_APPLY,   /* demote: treatment */
        DECISION_ADOPT,   /* it inherited pid `parent`'s demotion by fork: write it to the ledger,
                             change nothing */
        DECISION_RELEASE, /* put back */
        DECISION_TUNE,    /* set a machine-wide knob: tunable, value */
        DECISION_UNTUNE,  /* put it back */
        /* lower the systemd unit `unit`: treatment; pid and what belongs to it is the first hog in
         * it */
        DECISION_DEMOTE_UNIT,
        DECISION_RELEASE_UNIT, /* put it back; the last kind */
} DecisionKind;

typedef struct Decision {
        DecisionKind kind;
        pid_t pid;
        uint64_t start;
        pid_t parent;        /* DECISION_ADOPT */
        Treatment treatment; /* DECISION_APPLY */
        LoadClass load_class;
        float confidence;
        Verdict verdict; /* why: TREATED, ADOPTED, RELEASED, EXEMPT … */
        pid_t victim;    /* the protected process that waits most, 0: none */
        char victim_comm[16];
        uint32_t victim_delay; /* its run delay, µs per second */
        char comm[16];
        char tunable[48]; /* DECISION_TUNE, DECISION_UNTUNE: name in tunable_table */
        char value[64];
        char unit[256]; /* DECISION_DEMOTE_UNIT, DECISION_RELEASE_UNIT: its cgroup */
} Decision;

/* What the executor reports. */
typedef enum Outcome {
        OUTCOME_DONE,
        OUTCOME_NOTHING, /* it had that value already */
        OUTCOME_FOREIGN, /* somebody else changed it since: hands off */
        OUTCOME_INERT,
        OUTCOME_FAILED,
        OUTCOME_VANISHED,
        /* Asked for, and not answered: it may be done, and is in the ledger. Counts as done. */
        OUTCOME_UNANSWERED,
        _OUTCOME_COUNT,
} Outcome;

/* A process as the last tick left it. Valid until the next pipeline_observe(). */
typedef struct ProcView {
        ProcSample sample;
        const Ident *ident; /* NULL: not read */
        Prediction prediction;
        LoadClass load_class;
        float confidence;
        float prior_weight;       /* part of what is known of its program in prediction, 0..1 */
        uint32_t prior_processes; /* from so many earlier ones */
        bool prior_other_build;   /* of another build of it */
        Verdict verdict;
        usec_t verdict_since; /* as Sample.at */
        bool treated;         /* by us, now (applied or adopted) */
        bool dormant;
        bool inferred;       /* in the last tick; else row and prediction are of an earlier one */
        float cpu_share;     /* CPU time per wall time over the last interval */
        float delay_share;   /* run delay per wall time */
        float churn_share;   /* CPU time of its children that came and went, per wall time */
        bool brood;          /* those make it a load, and its class is theirs */
        float io_bytes_rate; /* storage bytes per second */
        pid_t victim;
        char victim_comm[16];
        uint32_t victim_delay;    /* µs per second */
        const char *lowered;      /* cgroup of the systemd unit that is lowered with it in; NULL */
        const char *rule;         /* name of the rule that matched, NULL: none */
        float row[FEATURE_COUNT]; /* features as the model saw them */
} ProcView;

typedef struct PipelineStatus {
        usec_t at;
        size_t n_procs;
        size_t n_treated;
        size_t n_inferred; /* rows that the model ran on in the last tick */
        size_t n_skipped;  /* nothing moved: what it said last stands */
        bool contended[_CONTENTION_COUNT];
        usec_t contended_since[_CONTENTION_COUNT];
        pid_t victim; /* the one that waits most */
        char victim_comm[16];
        uint32_t victim_delay;      /* µs per second */
        float busy_share;           /* CPU use of all processes / CPUs */
        float pressure[_PSI_COUNT]; /* PSI some, s/s; negative: unknown */
        bool hog;                   /* something would be demoted where others waited for it */
        size_t n_born;              /* processes first seen in the last tick */
        uint32_t changes_last_minute;
} PipelineStatus;

/* Borrows the model. self: the daemon's own pid, never acted on. Returns 0 or -ENOMEM. */
int pipeline_new(const Policy *policy, Model *model, pid_t self, Pipeline **ret);
Pipeline *pipeline_free(Pipeline *p);
DEFINE_CLEANUP(Pipeline *, pipeline_free);

/* Between ticks. A copy of the policy is taken; treatments already applied stay until the new
 * policy releases them. 0 or -ENOMEM. */
int pipeline_set_policy(Pipeline *p, const Policy *policy);
void pipeline_set_model(Pipeline *p, Model *model);

/*
 * A trial: the tree below root is under mode `mode` and nothing else decides for it, whatever the
 * policy's mode and scope are; the rest of the machine goes on under the policy. root 0 ends it.
 */
void pipeline_set_trial(Pipeline *p, pid_t root, Mode mode);

/* ret_wanted: pids whose Ident should be read now, valid until the next call. Returns 0 or -ENOMEM.
 */
int pipeline_observe(Pipeline *p, const Sample *s, const pid_t **ret_wanted, size_t *ret_n_wanted);
void pipeline_set_ident(Pipeline *p, pid_t pid, const Ident *ident);

/* The process executed another program: its Ident is read again at the next tick and its history
 * starts anew. */
void pipeline_note_exec(Pipeline *p, pid_t pid);

/* ret: decisions of this tick, valid until the next call. Returns 0 or -ENOMEM. */
int pipeline_decide(Pipeline *p, const Decision **ret, size_t *ret_n);
void pipeline_feedback(Pipeline *p, const Decision *d, Outcome outcome);

/* For the books alone: the ledger's number for what was done. */
void pipeline_note_action(Pipeline *p, const Decision *d, uint64_t action);

/* What demotions bought and cost. */
const Impact *pipeline_impact(const Pipeline *p);

/* The administrator rolled this process back (0: all): cool-down starts, nothing is treated any
 * more. */
void pipeline_note_rollback(Pipeline *p, pid_t pid);

/* A unit's weight was set by somebody else, or rolled back by the administrator. */
void pipeline_note_unit(Pipeline *p, const char *unit, bool foreign);

/* The daemon took over a demotion from the ledger of an earlier run: it counts as treated and is
 * released in due course. */
void pipeline_note_treated(Pipeline *p, pid_t pid, uint64_t start);

/* Whether pid counts as treated, or will from its first sample on (pipeline_note_treated()). A fork
 * below such a process is to be noted in the ledger and by pipeline_note_treated(), so that a
 * grandchild is ours too, although its parent came and went between two samples. */
bool pipeline_is_treated(const Pipeline *p, pid_t pid);

/* What was learned of programs replaces what is known. 0, -EINVAL or -ENOMEM: nothing is changed.
 */
int pipeline_set_priors(Pipeline *p, const PriorEntry *entries, size_t n);
/* exe NULL: of all. Returns of how many. */
size_t pipeline_forget_priors(Pipeline *p, const char *exe);
/* Until the next call that is not const. */
const PriorTable *pipeline_get_priors(const Pipeline *p);

void pipeline_get_status(const Pipeline *p, PipelineStatus *ret);
size_t pipeline_count(const Pipeline *p);
/* index < pipeline_count(), ordered by pid. */
void pipeline_get_proc(const Pipeline *p, size_t index, ProcView *ret);
/* Returns 0 or -ESRCH. */
int pipeline_find_proc(const Pipeline *p, pid_t pid, ProcView *ret);
