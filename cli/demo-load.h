/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The demo's own processes, in a session of their own: a server that answers over a socket, the
 * client that measures it, and hogs that spin. All of them die with the process that started them.
 *
 * The server burns 300 µs of CPU per request; requests are due at exponential gaps of 2 ms on
 * average (open: latency counts) or none (closed: throughput counts).
 */

#include <stddef.h>
#include <sys/types.h>

#include "util/macro.h"
#include "util/time.h"

#define DEMO_HOGS_MAX 64

typedef struct DemoLoad DemoLoad;

typedef struct DemoMeasure {
        size_t n_requests;    /* whose latency was measured */
        double p50, p99, max; /* latency, µs */
        double throughput;    /* requests per second without gaps */
        double hog_work;      /* million loop turns per second of all hogs */
} DemoMeasure;

/* Starts everything; the load runs (open) from then on. Returns 0 or -errno. */
int demo_load_start(size_t n_hogs, DemoLoad **ret);
/* Ends and reaps all of it. */
DemoLoad *demo_load_stop(DemoLoad *l);
DEFINE_CLEANUP(DemoLoad *, demo_load_stop);

/* The parent of all the others. */
pid_t demo_load_root(const DemoLoad *l);
pid_t demo_load_server(const DemoLoad *l);
pid_t demo_load_client(const DemoLoad *l);
size_t demo_load_hogs(const DemoLoad *l, const pid_t **ret_pids);

/* Measures for open µs with gaps, then for closed µs without. Returns 0, or -EPIPE where a process
 * has died. */
int demo_load_measure(DemoLoad *l, usec_t open, usec_t closed, DemoMeasure *ret);

/* Text of every attribute of every thread of all its processes. Returns 0 or -errno. */
int demo_load_snapshot(const DemoLoad *l, char *buffer, size_t size);
