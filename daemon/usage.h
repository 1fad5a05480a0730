/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the daemon itself costs, over the last minutes and not since it started: how often it was
 * woken, and its CPU time. Pure: the caller reads the counters.
 */

#include <stdbool.h>
#include <stddef.h>

#include "util/time.h"

#define USAGE_SLOTS 16
/* Between two slots, at least: together they reach back for more than two minutes. */
#define USAGE_STEP (10 * USEC_PER_SEC)

/* Counters since the start of the process. */
typedef struct UsageCounters {
        usec_t at;        /* CLOCK_MONOTONIC */
        uint64_t wakeups; /* times that it slept and was woken: voluntary context switches */
        usec_t cpu;       /* µs */
} UsageCounters;

typedef struct Usage {
        UsageCounters slots[USAGE_SLOTS]; /* ring */
        size_t first, n;
} Usage;

/* Remembers now where the last slot is old enough. */
void usage_note(Usage *u, const UsageCounters *now);

/* Against the oldest slot. False where less than a second has passed since. */
bool usage_rate(const Usage *u, const UsageCounters *now, double *ret_wakeups_per_minute,
                double *ret_cpu_share);
