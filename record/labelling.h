/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What people have said of processes, as rules: of those that fit at a moment the newest counts.
 * As runs for models/train/extract.h: what is said of a process from one moment on to another.
 */

#include "models/train/labels.h"
#include "record/playback.h"

/* The run of processes of which nothing is said. */
#define LABELLING_NOTHING "unlabelled"

typedef struct LabelRule {
        int64_t id;
        int load_class;                 /* LoadClass; -1: neither taught nor judged */
        char program[PROGRAM_NAME_MAX]; /* "": the process's name */
        char *comm, *exe;               /* glob patterns; NULL: any */
        pid_t pid;                      /* 0: any */
        int64_t since, until;           /* µs since 1970; INT64_MIN, INT64_MAX: open */
} LabelRule;

typedef struct Labelling {
        LabelRule *rules; /* the newest first */
        size_t n;
        LabelRun **runs; /* as they were asked for */
        size_t n_runs;
} Labelling;

#define LABELLING_INIT ((Labelling){.rules = NULL})

/* Returns 0 or -errno with *e set. */
int labelling_read(Store *store, Labelling *ret, Error *e);
void labelling_done(Labelling *l);

/* Pure: the rule that counts, NULL where there is none. ret_until: from then on another may. */
const LabelRule *labelling_find(const Labelling *l, const PlaybackProcess *p, int64_t at,
                                int64_t *ret_until);

/* The run that a process is in. epoch: at - epoch is time since boot, in which runs count. NULL:
 * out of memory. */
const LabelRun *labelling_run(Labelling *l, const PlaybackProcess *p, int64_t at, int64_t epoch,
                              int64_t stream);

/* A process name as the name of a program: what may not be in one is "_". */
void labelling_program_name(const char *comm, char ret[PROGRAM_NAME_MAX]);
