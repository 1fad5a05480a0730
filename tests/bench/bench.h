/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What benchmarks measure with: a clock, and an order for medians. */

#include <time.h>

static inline double bench_now_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Of doubles, for qsort(). */
static inline int bench_compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}
