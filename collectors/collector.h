/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Where samples come from. One call a tick fills a Sample; the BPF iterator is preferred, and where
 * it cannot be had (no BTF, no right to load BPF, AIKM_ROOT set) the /proc fallback takes over and
 * `collector_reason` says why.
 */

#include "collectors/sample.h"
#include "util/error.h"

typedef struct Collector Collector;

typedef enum CollectorChoice { COLLECTOR_AUTO, COLLECTOR_BPF, COLLECTOR_PROC } CollectorChoice;

/*
 * root_fd: the directory that holds proc/ and sys/ (borrowed; must outlive the collector).
 * COLLECTOR_AUTO never fails for want of BPF. Returns 0 or -errno with *e set.
 */
int collector_new(int root_fd, CollectorChoice choice, Collector **ret, Error *e);
Collector *collector_free(Collector *c);
DEFINE_CLEANUP(Collector *, collector_free);

/* Replaces what is in s by the machine's state now: processes, CPUs, PSI. Returns 0 or -errno; on
 * failure s is empty. */
int collector_read(Collector *c, Sample *s);

SampleSource collector_source(const Collector *c);

/* Why it is not the BPF iterator; "" where it is. */
const char *collector_reason(const Collector *c);
