/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * How long the protected processes of each scheduling group waited, interval by interval, for as
 * far back as a judgement on an action has to look. Each tick: waiting_begin(), waiting_add() for
 * every protected process, waiting_close(). Pure; bounded, without allocation.
 */

#include "policy/contention.h"

#define WAITING_SERIES_MAX 32
#define WAITING_SLOTS_MAX 32

/* What happened in one stretch of time. Ticks shorter than half a second share a slot. */
typedef struct WaitingSlot {
        usec_t from, to;
        double delay;     /* run delay, s */
        double cpu;       /* CPU time, s */
        uint64_t wakeups; /* voluntary switches */
} WaitingSlot;

/* A scheduling group. */
typedef struct WaitingSeries {
        bool used;
        uint32_t kind; /* SchedGroupKind, or UINT32_MAX: unknown */
        uint64_t id;
        uint64_t cpus; /* CPUs that its protected processes may use, as last seen */
        usec_t seen;
        WaitingSlot now; /* of this tick */
        WaitingSlot slots[WAITING_SLOTS_MAX];
        size_t first, n;
} WaitingSeries;

typedef struct Waiting {
        usec_t at, dt;
        bool cut; /* the next tick begins a slot of its own */
        WaitingSeries series[WAITING_SERIES_MAX];
} Waiting;

/* A stretch of time in one figure each. */
typedef struct WaitingFigures {
        double seconds;         /* that were looked at */
        uint64_t wakeups;       /* counted in them */
        uint32_t intervals;     /* slots with enough wake-ups to speak of a mean */
        float delay_per_wakeup; /* µs: median of those slots' means */
        float delay_share;      /* run delay, s/s */
        float wakeup_rate;      /* per second */
        float cpu_share;        /* s/s */
} WaitingFigures;

void waiting_begin(Waiting *w, usec_t at, usec_t dt);
void waiting_add(Waiting *w, const ProcSample *proc, const Load *load);
void waiting_close(Waiting *w);

/* What comes is kept apart from what was: something was begun or ended. */
void waiting_cut(Waiting *w);

/* The scheduling group by which series are told apart. */
void waiting_key(const ProcSample *proc, uint32_t *ret_kind, uint64_t *ret_id);

/* NULL: nothing is known of that group. */
const WaitingSeries *waiting_find(const Waiting *w, uint32_t kind, uint64_t id);

/* The slots that lie within from and to. Of no slot all figures are 0. */
void waiting_figures(const WaitingSeries *s, usec_t from, usec_t to, WaitingFigures *ret);

/* The median; reorders values. n > 0. */
float waiting_median(float *values, size_t n);
