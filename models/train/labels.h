/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What ran while a recording was made: for each run the process that everything descends from, when
 * it began and ended, and which class its programs were started for.
 *
 * {"runs": [{"run": "nginx.2", "root": 4711, "start": 812.25, "end": 840.5,
 *   "comms": {"nginx": {"program": "nginx", "class": "server"}, "wrk": null}}]}
 *
 * start and end are seconds since boot. comms: glob patterns over the process name, the first that
 * matches counts; null: neither taught nor judged.
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

typedef struct LabelRun {
        char name[PROGRAM_NAME_MAX];
        pid_t root; /* also its session id */
        usec_t start, end;
        LabelComm *comms;
        size_t n_comms;
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
