/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* `aikmctl model train` and `tune`: rows to a model in a folder, by aikm-record and aikm-darknet
 * run as children. */

#include "cli/child.h"
#include "cli/context.h"

typedef struct TrainJob {
        const char *data; /* rows as CSV, or an SQLite database; NULL: aikm-record's own */
        const char *name, *split, *seed, *epochs, *version;
        const char *from; /* manifest to go on from; NULL: anew */
        bool idle;        /* lowest priority */
        bool json;        /* progress as JSON lines on standard output */
        usec_t limit;     /* ends it, USEC_INFINITY: never */
        /* Asked once a second: whether to hold still now; NULL: never. */
        bool (*hold)(void *userdata);
        void *userdata;
} TrainJob;

/* A folder of our own, removed with all in it. */
typedef struct TrainFolder {
        char path[4096]; /* "": none */
} TrainFolder;

void train_folder_done(TrainFolder *f);

/* Makes a hidden folder in the folder `in`. Returns 0 or -errno with *e set. */
int train_folder_make(const char *in, TrainFolder *ret, Error *e);

/* Runs aikm-darknet verify. As train_run(). */
int train_verify(const char *manifest, Error *e);

/* The model's files into folder/model. Returns 0; -EINTR: a signal; -ETIME: the limit; -EPROTO: a
 * program failed, which has said why itself where *e is empty; or another -errno with *e set. */
int train_run(const TrainJob *job, const TrainFolder *folder, Error *e);
