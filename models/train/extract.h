/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Samples and labels to rows. A process belongs to a run where it descends from the run's root or
 * lives in its session. Its rows are labelled by what it does in the NEXT five seconds: the class
 * its program was started for, or idle where it does nothing in them; a row whose next five seconds
 * were not seen is dropped. Pure: samples go in one by one, in order.
 */

#include "collectors/sample.h"
#include "models/train/labels.h"
#include "models/train/row-table.h"

#define EXTRACT_HORIZON (5 * USEC_PER_SEC)

/* Below all of these a process is idle. */
#define EXTRACT_IDLE_CPU 0.001    /* s/s */
#define EXTRACT_IDLE_SWITCHES 1.0 /* voluntary, 1/s */

typedef struct Extract Extract;

/* Borrows both; rows are appended to table. Returns 0 or -ENOMEM. */
int extract_new(const Labels *labels, RowTable *table, Extract **ret);
Extract *extract_free(Extract *x);
DEFINE_CLEANUP(Extract *, extract_free);

/* Returns 0 or -ENOMEM. */
int extract_sample(Extract *x, const Sample *s);
