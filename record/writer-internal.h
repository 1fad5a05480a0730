/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What writer.c (streams, transactions, frames) and writer-rows.c (rows) share. */

#include "record/writer.h"

typedef enum Statement {
        STATEMENT_TICK,
        STATEMENT_PSI,
        STATEMENT_SAMPLE,
        STATEMENT_PROCESS,
        STATEMENT_ENDED,
        STATEMENT_PROGRAM,
        STATEMENT_EVENT,
        STATEMENT_EVENTS_AT,
        STATEMENT_DECISION,
        STATEMENT_FEEDBACK,
        STATEMENT_LOSS,
        _STATEMENT_COUNT,
} Statement;

typedef enum Lost { LOST_IN_FEED, LOST_HERE, _LOST_COUNT } Lost;

/* A process of the stream. */
typedef struct Entry {
        ProcSample last;
        int64_t process;      /* its row; 0: not written yet */
        int64_t program_tick; /* of its newest row in programs */
        bool has_ident;
        Ident ident;
} Entry;

struct Writer {
        Store *store;
        sqlite3_stmt *statement[_STATEMENT_COUNT]; /* prepared when first needed */

        RecordedHeader header;
        char *policy;
        char boot_id[64], origin[256], uuid[64];
        int64_t epoch;
        int64_t stream; /* its row; 0: not written yet */
        uint64_t n_streams;

        int64_t tick; /* the last; the next one's frames come before its sample */
        int64_t at;   /* of the last sample */
        bool between;
        bool complete_wanted;
        usec_t complete_at;  /* boot time */
        uint64_t in_segment; /* rows of samples since */

        Entry *entries; /* by pid */
        size_t n_entries, n_allocated;

        bool open;
        bool holding;
        const char *why;
        uint64_t n_ticks, n_uncommitted, missed;
        uint64_t lost[_LOST_COUNT], lost_uncommitted[_LOST_COUNT];
};

typedef struct WriterEvent {
        const char *kind, *text; /* text NULL: none */
        pid_t pid;
        uint64_t start, number;
} WriterEvent;

int writer_need_transaction(Writer *w, Error *e);
int writer_begin_stream(Writer *w, Error *e);

int writer_sample(Writer *w, const Sample *s, Error *e);
int writer_ident(Writer *w, pid_t pid, const Ident *ident, Error *e);
int writer_decision(Writer *w, const RecordedDecision *d, Error *e);
int writer_feedback(Writer *w, const Reader *reader, Error *e);
int writer_event(Writer *w, const WriterEvent *event, Error *e);
