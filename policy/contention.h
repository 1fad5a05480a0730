/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Who waits for what, because of whom. Each tick: contention_begin(), contention_add() for every
 * process that counts, contention_close(); then contention_meet() says how one hog meets it. Pure;
 * memory grows with the number of scheduling groups and is kept from tick to tick.
 */

#include "collectors/sample.h"
#include "policy/policy.h"
#include "policy/reach.h"

/* What one process did in one interval, per second of wall time. */
typedef struct Load {
        bool measured;      /* two samples were at hand */
        bool delay_known;   /* SAMPLE_DELAY in both */
        float cpu;          /* CPU time, s/s */
        float churn;        /* CPU time of its children that came and went unseen, s/s */
        float delay;        /* run delay, s/s */
        float wait;         /* mean run delay per time slice, µs */
        float io_bytes;     /* storage bytes per second */
        uint32_t in_iowait; /* threads, at the sample */
        uint64_t voluntary; /* voluntary switches in the interval; time slices where those are
                               unknown */
        uint64_t faults;    /* page faults in the interval */
} Load;

/* prev NULL: the process was born within the interval. dt: µs, 0: nothing is measured. Counters
 * that ran backwards count as no change. */
void load_compute(const ProcSample *now, const ProcSample *prev, usec_t dt, Load *ret);

/* What a process counts as. */
typedef enum ContentionRole {
        ROLE_NONE,      /* adds to the use of CPUs only */
        ROLE_PROTECTED, /* its waiting is a reason to act */
        ROLE_HOG,       /* its class is demoted */
} ContentionRole;

/* Protected processes of one scheduling group. */
typedef struct ContentionGroup {
        uint32_t kind; /* SchedGroupKind, or UINT32_MAX: unknown */
        uint64_t id;
        GroupPath path;           /* where it is in the tree; unknown outside the v2 hierarchy */
        bool active;              /* one of them ran and slept again in the interval */
        uint64_t active_cpus;     /* CPUs that those may use */
        uint64_t waiting_cpus;    /* CPUs of those who wait for one; 0: none waits */
        const ProcSample *victim; /* who waits most; NULL: none */
        float victim_delay;       /* s/s */
} ContentionGroup;

typedef struct Contention {
        usec_t since[_CONTENTION_COUNT]; /* beginning of the episode; USEC_INFINITY: none */
        usec_t last[_CONTENTION_COUNT];  /* when it was last seen */
        bool lasting[_CONTENTION_COUNT]; /* here now, and for contention_after */

        /* Of the present tick */
        const Thresholds *thresholds;
        usec_t at, dt;
        uint32_t n_cpus;
        float pressure[_PSI_COUNT]; /* PSI some, s/s; negative: unknown */
        float cpu;                  /* sum over all processes, s/s */
        float busy;                 /* cpu / n_cpus */
        ContentionGroup *groups;    /* ordered by kind and id */
        size_t n_groups, n_allocated;
        bool hog[_CONTENTION_COUNT];                   /* one that takes the resource is there */
        bool user[_CONTENTION_COUNT];                  /* a protected process uses it */
        const ProcSample *sufferer[_CONTENTION_COUNT]; /* IO, MEMORY: the protected process that
                                                          uses it most */
        float sufferer_use[_CONTENTION_COUNT];
        GroupPath sufferer_path[_CONTENTION_COUNT]; /* its cgroup */
} Contention;

#define CONTENTION_INIT ((Contention){.since = {USEC_INFINITY, USEC_INFINITY, USEC_INFINITY}})

/* How one process meets it. */
typedef struct ContentionMeeting {
        bool contended[_CONTENTION_COUNT]; /* somebody protected waits for what this one takes */
        bool within_group;                 /* one who waits is in its scheduling group */
        bool across_groups;                /* one who waits is in another */
        bool shares_cpus;                  /* and may use a CPU that this one uses */
        bool group_holds_protected; /* an active protected process is in its scheduling group */
        /* Its ancestor, or the group itself, that is weighed against the one of those who wait
         * most in another group: so many bytes of its cgroup's path. 0: none, or not known. */
        size_t weighed_length;
        /* No group of its own stands between its tasks and the root: their own weights reach
         * everywhere. */
        bool at_root;
        const ProcSample *victim; /* of them, who waits most; NULL: not known */
        float victim_delay;       /* s/s */
} ContentionMeeting;

void contention_done(Contention *c);

/* psi_some: stall of the interval in s/s for each resource, negative where unknown. thresholds is
 * borrowed until the next begin. */
void contention_begin(Contention *c, const Thresholds *thresholds, usec_t at, usec_t dt,
                      uint32_t n_cpus, const float psi_some[_PSI_COUNT]);

/* proc and ident (NULL: unknown) are borrowed until the next begin. fields: TreatmentField bits
 * that a hog's treatment sets. Returns 0 or -ENOMEM. */
int contention_add(Contention *c, const ProcSample *proc, const Ident *ident, const Load *load,
                   ContentionRole role, uint32_t fields);
void contention_close(Contention *c);

/* How a process that is not treated meets lasting contention. */
void contention_meet(const Contention *c, const ProcSample *proc, const Ident *ident,
                     const Load *load, ContentionMeeting *ret);

/*
 * Whether the reason to keep a demotion goes on. Once a hog is demoted its victims wait no more, so
 * their waiting cannot be the test: protected processes within the treatment's reach run, and the
 * resource is still saturated or the demoted one still wants it. kinds: bit per ContentionKind.
 */
bool contention_holds(const Contention *c, const ProcSample *proc, const Load *load, uint32_t kinds,
                      const Treatment *treatment);

/* The protected process that waits most anywhere; NULL: none. */
const ProcSample *contention_victim(const Contention *c, float *ret_delay);
