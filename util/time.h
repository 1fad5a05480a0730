/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Time as this project counts it: usec_t in user space, nanoseconds only where the kernel gives
 * them. */

#include <inttypes.h>
#include <stdint.h>
#include <time.h>

typedef uint64_t usec_t;

#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MSEC ((usec_t)1000)
#define NSEC_PER_USEC ((uint64_t)1000)
#define NSEC_PER_SEC ((uint64_t)1000000000)
#define USEC_INFINITY UINT64_MAX

/* Reads CLOCK. Only the daemon's edges and the programs call it; the pure core takes time as an
 * argument. */
static inline usec_t usec_now(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / NSEC_PER_USEC;
}
