/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reads all threads through the BPF task iterator and folds them into processes. */

#include "collectors/sample.h"
#include "util/error.h"

typedef struct TaskIter TaskIter;

/* Loads and attaches. Returns 0, -EOPNOTSUPP (no BTF, no iterator, not the initial pid namespace),
 * -EPERM, or -errno, with *e set. */
int task_iter_new(TaskIter **ret, Error *e);
TaskIter *task_iter_free(TaskIter *it);
DEFINE_CLEANUP(TaskIter *, task_iter_free);

/* Adds all processes to s, sorted by pid. Returns 0 or -errno. */
int task_iter_read(TaskIter *it, Sample *s);
