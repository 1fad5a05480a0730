/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A burst per interval, and the count of what came above it. Plain data and pure functions: the
 * time is an argument, of any clock that does not go back.
 */

#include <stdbool.h>

#include "util/time.h"

typedef struct RateLimit {
        usec_t interval;
        unsigned int burst; /* passes in one interval; 0: no limit */
        usec_t begin;       /* of the interval that runs: that of its first event */
        unsigned int n_passed, n_suppressed;
} RateLimit;

/* Counts one event at now. Returns whether it may pass. An interval that has ended is begun anew,
 * its count of suppressed ones kept until it is taken. */
bool ratelimit_pass(RateLimit *l, usec_t now);

/* Takes the count of suppressed events out, where the interval has ended by now; 0: there was none,
 * or it still runs. USEC_INFINITY ends every interval. */
unsigned int ratelimit_take_suppressed(RateLimit *l, usec_t now);
