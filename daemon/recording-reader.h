/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The frames of a recording, one after the other, each checked before it is believed. Not for use
 * outside replay.c. */

#include "daemon/recording-format.h"

typedef struct Reader {
        const char *path;
        FILE *file;
        uint64_t size;   /* of the file when it was opened */
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
void reader_done(Reader *r);

/* Returns 1 with head and payload set, 0 at the end (torn or not), or -errno. */
int reader_next(Reader *r, Error *e);

/* The first frame: whose recording is it? Returns 0 or -errno. */
int reader_header(Reader *r, RecordedHeader *ret, Error *e);

/* Takes the payload as the latest sample; *ret points into it. Returns 0 or -EBADMSG. */
int reader_sample(Reader *r, Sample *ret, Error *e);

/* Says where; returns -EBADMSG. */
_printf_(3, 4) int reader_damaged(const Reader *r, Error *e, const char *format, ...);

/* Whether a text of fixed size has its NUL. */
bool text_ends(const char *text, size_t size);
