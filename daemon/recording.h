/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A run on disk: everything that entered the pipeline, in order, and every decision that left it.
 * Replaying the inputs must give the same decisions bit by bit. Training takes its samples from the
 * same files.
 *
 * Format: "AIKMREC1", then frames { u32 type, u32 size, u64 fnv1a64 of type and size, u64 fnv1a64
 * of payload, payload } (recording-format.h), little-endian as the machine writes it. A torn last
 * frame ends the reading with a note, not an error; damage before it is an error that names the
 * offset.
 */

#include <stdio.h>

#include "daemon/pipeline.h"
#include "util/error.h"

#define RECORDING_VERSION 3

typedef struct Recording Recording;

/* model_digest: Model.digest. Creates the file (O_EXCL) with mode 0600. Returns 0 or -errno with *e
 * set. */
int recording_create(const char *path, const Policy *policy, const Model *model, pid_t self,
                     Recording **ret, Error *e);

/* The same to a descriptor open for writing, which it takes over in any case. */
int recording_create_fd(int fd, const Policy *policy, const Model *model, pid_t self,
                        Recording **ret, Error *e);

/* Where the bytes go, where that is no file. Each returns 0 or -errno; the first failure ends the
 * recording. */
typedef struct RecordingSink {
        int (*put)(void *userdata, const void *data, size_t size);
        int (*flush)(void *userdata); /* what was put since the last flush belongs together */
        void *userdata;
} RecordingSink;

/* The same to a sink, which is copied. Nothing is closed at the end. */
int recording_create_sink(const RecordingSink *sink, const Policy *policy, const Model *model,
                          pid_t self, Recording **ret, Error *e);
Recording *recording_close(Recording *r);
DEFINE_CLEANUP(Recording *, recording_close);

/* One per pipeline entry point, called just before it; the decisions just after pipeline_decide(),
 * each tick, also where there are none (this flushes). A write error is remembered and ends the
 * recording, never the daemon: 0 or -errno. Nothing but a policy allocates memory. ident NULL: it
 * could not be read. */
int recording_write_sample(Recording *r, const Sample *s);
int recording_write_ident(Recording *r, pid_t pid, const Ident *ident);
int recording_write_exec(Recording *r, pid_t pid);
int recording_write_policy(Recording *r, const Policy *policy);
int recording_write_trial(Recording *r, pid_t root, Mode mode);
int recording_write_rollback(Recording *r, pid_t pid);
int recording_write_unit(Recording *r, const char *unit, bool foreign);
int recording_write_treated(Recording *r, pid_t pid, uint64_t start);
int recording_write_priors(Recording *r, const PriorEntry *entries, size_t n);
/* exe NULL: all. */
int recording_write_forget(Recording *r, const char *exe);
int recording_write_decisions(Recording *r, const Decision *d, size_t n);
int recording_write_model(Recording *r, const Model *model);
int recording_write_feedback(Recording *r, const Decision *d, Outcome outcome);

typedef struct ReplayResult {
        uint64_t n_samples;
        uint64_t n_decisions;
        uint64_t n_different; /* decisions that did not come out as recorded */
        char next_model[64];  /* another model predicts from here on: what follows was left out; ""
                               */
        bool torn;            /* the file ends in the middle of a frame */
} ReplayResult;

/* Runs a recording through a new pipeline and compares. log: a line per decision, NULL: quiet.
 * Returns 0 or -errno with *e set: -EPROTO another version, record size or feature table, -EXDEV
 * another model, -EBADMSG damaged. */
int recording_replay(const char *path, Model *model, FILE *log, ReplayResult *ret, Error *e);

/* What recording_visit() tells, in the order in which it happened. */
typedef struct RecordingVisitor {
        int (*sample)(const Sample *s, void *userdata); /* 0 to go on, else that is returned */
        void (*exec)(pid_t pid, void *userdata); /* before the next sample; NULL: not wanted */
} RecordingVisitor;

/* What was collected alone, for data sets; a feature table or model other than now is fine. */
int recording_visit(const char *path, const RecordingVisitor *visitor, void *userdata, Error *e);
