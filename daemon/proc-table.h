/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the pipeline remembers of each process, ordered by pid and kept in step with the samples by
 * a merge: no hash, so that order and cost do not depend on where memory lies. Identity is pid and
 * start.
 */

#include "daemon/seen-row.h"
#include "models/model.h"
#include "policy/floor.h"
#include "policy/contention.h"
#include "policy/prior.h"
#include "policy/verdict.h"

/* What a process does while nothing is done to it, on average over the last seconds. */
typedef struct Progress {
        bool known;
        float cpu, demand, io_bytes; /* s/s; CPU time and run delay, s/s; bytes/s */
} Progress;

/* Why a process was put back, where its demotion's effect was the reason. */
typedef struct Past {
        Verdict verdict; /* NO_HELP, PROBE, STARVING; else UNKNOWN */
        uint32_t set, kinds;
} Past;

/* What a process's children did in one tick. */
typedef struct BroodTick {
        float demand;              /* CPU time and run delay, s/s */
        float votes[_CLASS_COUNT]; /* demand by class */
        float others, same;        /* young children of another name than its own, and of it */
} BroodTick;

/* A process and its children that come and go, over the last seconds (judge-brood.h). */
typedef struct Brood {
        bool active;  /* it is a load, and has its class from its children */
        usec_t since; /* its own churn is that of a load; 0: it is not */
        pid_t root;   /* who stands for it; 0: itself */
        bool proved;  /* it was for long enough: what it is else taken for is a mistake */
        float churn;  /* of itself alone, s/s */
        float demand;
        float votes[_CLASS_COUNT];
        float others, same;
        BroodTick now;
} Brood;

typedef struct Proc {
        ProcSample sample; /* of the last tick */
        Ident *ident;      /* owned; NULL: not read */
        const Rule *rule;  /* borrowed from the policy */
        bool rule_stale;   /* what rules look at has changed */

        FeatureHistory history;
        Load load;
        uint64_t reaped_ns; /* CPU time that was known of children that ended since the last look */
        Brood brood;
        bool was_protected; /* since it began or executed */
        ssize_t row;        /* in the feature matrix of this tick; -1: not inferred */
        SeenRow seen;
        Prediction prediction;
        LoadClass load_class;
        float confidence;
        usec_t class_since;

        Prior prior;        /* what was known of its program */
        bool prior_known;   /* it was looked up */
        float prior_weight; /* its part in prediction */
        usec_t lesson;      /* of its life, learned from */

        bool kept;    /* it is in the sample that is being merged */
        bool classed; /* its class was predicted or forced since it began or executed */
        bool born;    /* first seen in this tick */
        bool dormant;
        bool has_run;        /* since it was first seen */
        usec_t asleep_since; /* USEC_INFINITY: it ran in the last interval */

        Verdict verdict;
        usec_t verdict_since;
        bool in_scope, in_trial; /* as last found out */
        bool hands_off;
        uint32_t inert;  /* TreatmentField bits that the executor found to have no effect */
        Verdict blocked; /* what the executor reported */
        usec_t blocked_until;
        usec_t released_at; /* USEC_INFINITY: never */

        bool treated;
        bool adopted;
        pid_t through; /* treated by the autogroup nice that this process carries; 0: by itself */
        uint32_t unit; /* UnitState.id of the lowered unit that it is in; 0: none */
        Treatment treatment;
        uint32_t kinds; /* bit per ContentionKind that it was treated for */
        usec_t treated_at;
        usec_t held_at; /* when there was last a reason for it */

        uint32_t episode, line; /* where its last demotion is accounted, see policy/impact.h */
        bool credited;          /* that it helped was noted */
        bool starves_others;    /* by its session's nice value, which it carries */
        Progress progress;
        Past past;
        Floor floor;

        pid_t victim;
        char victim_comm[16];
        uint32_t victim_delay; /* µs per second */
} Proc;

typedef struct ProcTable {
        Proc **procs; /* ordered by pid */
        pid_t *pids;  /* the same pids, close together for searching */
        size_t n;
        /* The other half of a merge */
        Proc **spare_procs;
        pid_t *spare_pids;
        size_t n_allocated;
} ProcTable;

void proc_table_done(ProcTable *t);

/*
 * Brings the table in step with a sample that is ordered by pid: afterwards procs[i] belongs to
 * s->procs[i]. New processes have .born set and their sample not filled in yet; those that are gone
 * are freed. Returns 0 or -ENOMEM, and then the table is as it was.
 */
int proc_table_merge(ProcTable *t, const Sample *s);

Proc *proc_table_find(const ProcTable *t, pid_t pid);

/* The living parent; NULL where it is unknown, or where the number belongs to a younger process. */
Proc *proc_table_parent(const ProcTable *t, const Proc *p);

/* pids from the process itself upwards, at most max of them. Returns how many. */
size_t proc_table_ancestors(const ProcTable *t, const Proc *p, pid_t *ret, size_t max);
