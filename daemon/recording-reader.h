/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The frames of a recording or of a feed (feed.h), one after the other, each checked before it is
 * believed. */

#include "daemon/recording-format.h"

/* Where bytes come from, where that is no file. Returns how many, 0 at the end, or -errno. */
typedef ssize_t (*ReaderGet)(void *userdata, void *data, size_t size);

typedef struct Reader {
        const char *path;
        FILE *file; /* NULL: get */
        ReaderGet get;
        void *userdata;
        uint64_t size;   /* of the file when it was opened; a stream's is not known: UINT64_MAX */
        uint64_t offset; /* of the frame in head */
        uint64_t next;
        FrameHead head;
        char *payload;
        size_t allocated;
        char *sample; /* payload of the latest sample: the pipeline may look at it until the next */
        size_t sample_allocated;
        usec_t at; /* of the latest sample */
        bool torn;
} Reader;

/* Opens a file and checks its magic. Returns 0 or -errno with *e set. */
int reader_open(Reader *r, const char *path, Error *e);

/* The same of a stream; name: for messages. Frames that a feed alone has are taken. */
int reader_open_stream(Reader *r, const char *name, ReaderGet get, void *userdata, Error *e);
void reader_done(Reader *r);

/* Returns 1 with head and payload set, 0 at the end (torn or not), or -errno. */
int reader_next(Reader *r, Error *e);

/* The first frame: whose recording is it? Returns 0 or -errno. */
int reader_header(Reader *r, RecordedHeader *ret, Error *e);

/* Takes the payload as the latest sample; *ret points into it. Returns 0 or -EBADMSG. */
int reader_sample(Reader *r, Sample *ret, Error *e);

/* What a frame of that type holds, checked; pointers are into it. Return 0 or -EBADMSG. */
int reader_ident(const Reader *r, pid_t *ret_pid, Ident *ret, bool *ret_known, Error *e);
int reader_decisions(const Reader *r, const RecordedDecision **ret, size_t *ret_n, Error *e);
int reader_feedback(const Reader *r, const RecordedDecision **ret, Outcome *ret_outcome, Error *e);
int reader_lost(const Reader *r, uint64_t *ret, Error *e);

/* Says where; returns -EBADMSG. */
_printf_(3, 4) int reader_damaged(const Reader *r, Error *e, const char *format, ...);

/* Whether a text of fixed size has its NUL. */
bool text_ends(const char *text, size_t size);
