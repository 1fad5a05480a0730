/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Frames of a recording or a feed to rows of a data set, a transaction at a time.
 *
 * Of a process a row is written where a byte of its ProcSample differs from its last row, so that
 * what sleeps costs nothing; a reader puts the samples together again, bit by bit. Every
 * WRITER_SEGMENT a tick is complete, with a row for everybody, so that older ones can go.
 *
 * A failure undoes the transaction. The writer goes on taking frames, so that it stays in step;
 * with writer_resume() it begins to write again, with a complete tick.
 */

#include "daemon/recording-reader.h"
#include "record/store.h"

#define WRITER_SEGMENT (10 * 60 * USEC_PER_SEC)

typedef struct Writer Writer;

/* Where frames come from. */
typedef struct WriterOrigin {
        const char *boot_id;
        const char *name; /* "daemon", or a file's */
        const char *uuid; /* of the stream; what is there already is refused with -EALREADY */
        int64_t epoch;    /* what makes time since boot time since 1970, µs */
} WriterOrigin;

/* Borrows the store. Returns 0 or -ENOMEM. */
int writer_new(Store *store, Writer **ret);
Writer *writer_free(Writer *w);
DEFINE_CLEANUP(Writer *, writer_free);

/* A stream begins: header and policy of its first frame. Strings of origin are copied. 0 or
 * -errno with *e set. */
int writer_begin(Writer *w, const RecordedHeader *header, const char *policy, size_t size,
                 const WriterOrigin *origin, Error *e);

/* The reader's latest frame. -EBADMSG: it is impossible; anything else: it could not be written,
 * and the transaction is undone. */
int writer_frame(Writer *w, Reader *reader, Error *e);

/* Time since boot to time since 1970 may have changed (the clock was set). */
void writer_set_epoch(Writer *w, int64_t epoch);

/* Ends the transaction, if there is one. 0 or -errno with *e set. */
int writer_commit(Writer *w, Error *e);
/* Undoes it. Until writer_resume() frames are followed and not written; missed ticks count. */
void writer_hold(Writer *w);
/* From the next tick on it is written again; why: what losses are filed under. */
void writer_resume(Writer *w, const char *why);
/* After the stream: everybody in it has ended. 0 or -errno. */
int writer_end(Writer *w, Error *e);

/* Where the store had to be opened anew; NULL, while the old one is still open: it is closed. */
void writer_set_store(Writer *w, Store *store);

/* Whether a tick was just finished: a good moment to commit. */
bool writer_is_between_ticks(const Writer *w);
bool writer_is_holding(const Writer *w);
bool writer_has_uncommitted(const Writer *w);
uint64_t writer_missed(const Writer *w);
/* Ticks written since writer_new(). */
uint64_t writer_ticks(const Writer *w);
