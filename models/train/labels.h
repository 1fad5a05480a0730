/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What ran while a recording was made: for each run the process that everything descends from, when
 * it began and ended, and which class its programs were started for.
 *
 * {"runs": [{"run": "nginx.2", "root": 4711, "start": 812.25, "end": 840.5,
 *   "comms": {"nginx": {"program": "nginx", "class": "server"}, "wrk": null},
 *   "phases": [{"start": 813.5, "class": "intent"}, {"start": 830, "class": "idle"}]}]}
 *
 * start and end are seconds since boot. comms: glob patterns over the process name, the first that
 * matches counts; null: neither taught nor judged. phases: what the run was made to do from then on
 * until the next phase or the run's end; a class, "intent" (of each process the class in comms) or
 * null (neither taught nor judged, as is the time before the first). Without phases: intent.
 */

#include <sys/types.h>

#include "models/train/row-table.h"
#include "util/time.h"

typedef struct LabelComm {
        char pattern[32];
        bool ignored;
        char program[PROGRAM_NAME_MAX];
        LoadClass intent;
} LabelComm;

typedef enum PhaseKind { PHASE_CLASS, PHASE_INTENT, PHASE_NONE } PhaseKind;

typedef struct LabelPhase {
        usec_t start;
        PhaseKind kind;
        LoadClass load_class; /* PHASE_CLASS */
} LabelPhase;

typedef struct LabelRun {
        char name[PROGRAM_NAME_MAX];
        pid_t root; /* also its session id */
        usec_t start, end;
        LabelComm *comms;
        size_t n_comms;
        LabelPhase *phases; /* by start; none: intent throughout */
        size_t n_phases;
} LabelRun;

typedef struct Labels {
        LabelRun *runs;
        size_t n;
} Labels;

#define LABELS_INIT ((Labels){.runs = NULL})

void labels_done(Labels *l);

/* Returns 0 or -errno with *e set. */
int labels_read(const char *path, Labels *ret, Error *e);

/* The entry for a process name; NULL: none, or it is to be ignored. */
const LabelComm *label_run_find(const LabelRun *run, const char *comm);

/* The class that covers most of (from, to], the earlier one of two that cover the same; intent is
 * the process's own. -ENODATA: it is not labelled, or not all of the time is within the run. */
int label_run_class(const LabelRun *run, LoadClass intent, usec_t from, usec_t to, LoadClass *ret);
