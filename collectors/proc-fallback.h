/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The same sample from /proc: dearer, with fewer valid bits. What a file does not tell, or we may
 * not read, is unknown, never zero. in_iowait, migrations and util_avg are always unknown.
 */

#include "collectors/sample.h"
#include "util/error.h"

typedef struct ProcFallback ProcFallback;

/* root_fd: the directory that holds proc/ and sys/ (borrowed). Returns 0 or -errno with *e set. */
int proc_fallback_new(int root_fd, ProcFallback **ret, Error *e);
ProcFallback *proc_fallback_free(ProcFallback *f);
DEFINE_CLEANUP(ProcFallback *, proc_fallback_free);

/* Adds all processes to s, sorted by pid. Processes that vanish meanwhile are left out. Returns 0
 * or -errno. */
int proc_fallback_read(ProcFallback *f, Sample *s);
