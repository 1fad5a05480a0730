/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Samples and labels to rows. A process belongs to a run where it descends from the run's root or
 * lives in its session. Pure: samples go in one by one, in order.
 *
 * A row's label is of the NEXT five seconds: the class of the phase that covers most of them, or
 * idle where the process is quiet in all of them and they are part of a quiet spell of at least ten
 * seconds (EXTRACT_SPELL), which may have begun before and may go on after. A shorter pause belongs
 * to the work around it: nobody gains by taking a reader between two key strokes for idle. A row
 * whose next five seconds were not all seen, or whose spell ends with the run or the process before
 * it is clear how long it was, is dropped.
 */

#include "collectors/sample.h"
#include "models/train/labels.h"
#include "models/train/row-table.h"

#define EXTRACT_HORIZON (5 * USEC_PER_SEC)

/* As long as a process sleeps until the daemon calls it dormant. */
#define EXTRACT_SPELL (10 * USEC_PER_SEC)

typedef struct Extract Extract;

/* Borrows both; rows are appended to table. Returns 0 or -ENOMEM. */
int extract_new(const Labels *labels, RowTable *table, Extract **ret);
Extract *extract_free(Extract *x);
DEFINE_CLEANUP(Extract *, extract_free);

/* Asked before the labels about every process that is in no run, and again when it executed another
 * program: the run that it is in, or NULL. at: as Sample.at. The runs must outlive x. */
typedef const LabelRun *(*ExtractFind)(const ProcSample *p, usec_t at, void *userdata);
void extract_set_finder(Extract *x, ExtractFind find, void *userdata);

/* It executed another program: told before the next sample, as the daemon is. Not needed where its
 * name changes by it. */
void extract_note_exec(Extract *x, pid_t pid);

/* How far a label looks ahead, in place of EXTRACT_HORIZON. Before the first sample. */
void extract_set_horizon(Extract *x, usec_t horizon);

/* Returns 0 or -ENOMEM. */
int extract_sample(Extract *x, const Sample *s);
