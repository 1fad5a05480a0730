/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/writer.h"

#include <errno.h>

#include "daemon/pipeline.h"
#include "record/schema.h"
#include "record/writer-internal.h"

#define UUID_SIZE 64

int writer_new(Store *store, Writer **ret) {
        Writer *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->store = store;
        *ret = w;
        return 0;
}

static void forget_statements(Writer *w) {
        for (size_t i = 0; i < _STATEMENT_COUNT; i++) {
                (void)sqlite3_finalize(w->statement[i]);
                w->statement[i] = NULL;
        }
}

void writer_set_store(Writer *w, Store *store) {
        writer_hold(w);
        forget_statements(w);
        w->store = store;
}

Writer *writer_free(Writer *w) {
        if (!w)
                return NULL;
        writer_hold(w);
        forget_statements(w);
        free(w->entries);
        free(w->policy);
        free(w);
        return NULL;
}

bool writer_is_between_ticks(const Writer *w) {
        return w->between;
}

bool writer_is_holding(const Writer *w) {
        return w->holding;
}

bool writer_has_uncommitted(const Writer *w) {
        return w->open;
}

uint64_t writer_missed(const Writer *w) {
        return w->missed;
}

uint64_t writer_ticks(const Writer *w) {
        return w->n_ticks;
}

void writer_set_epoch(Writer *w, int64_t epoch) {
        w->epoch = epoch;
}

/* ---- transactions ---- */

int writer_need_transaction(Writer *w, Error *e) {
        int r;

        if (w->open)
                return 0;
        r = sql_run(w->store->db, "BEGIN IMMEDIATE", e);
        w->open = r >= 0;
        return r;
}

int writer_commit(Writer *w, Error *e) {
        int r;

        if (!w->open)
                return 0;
        r = sql_run(w->store->db, "COMMIT", e);
        if (r < 0)
                return r;
        w->open = false;
        w->n_uncommitted = 0;
        memset(w->lost_uncommitted, 0, sizeof(w->lost_uncommitted));
        return 0;
}

/* The numbers of what was written and is undone are not to be referred to: all begins anew. */
void writer_hold(Writer *w) {
        for (size_t i = 0; i < _STATEMENT_COUNT; i++)
                if (w->statement[i])
                        (void)sqlite3_reset(w->statement[i]);
        if (w->store && !sqlite3_get_autocommit(w->store->db))
                (void)sql_run(w->store->db, "ROLLBACK", /* e= */ NULL);
        w->missed += w->n_uncommitted;
        w->n_ticks -= w->n_uncommitted;
        w->lost[LOST_HERE] += w->n_uncommitted;
        for (size_t i = 0; i < _LOST_COUNT; i++) {
                w->lost[i] += w->lost_uncommitted[i];
                w->lost_uncommitted[i] = 0;
        }
        w->n_uncommitted = 0;
        w->open = false;
        w->holding = true;
        w->stream = 0;
        for (size_t i = 0; i < w->n_entries; i++)
                w->entries[i].process = 0;
}

void writer_resume(Writer *w, const char *why) {
        w->holding = false;
        w->why = why;
}

/* ---- streams ---- */

static int find_boot(Writer *w, int64_t *ret, Error *e) {
        static const char insert[] = "INSERT OR IGNORE INTO boots(boot_id, epoch) VALUES(?1, ?2)";
        _cleanup_statement_ sqlite3_stmt *put = NULL, *get = NULL;
        int r;

        r = sql_prepare(w->store->db, insert, &put, e);
        if (r >= 0)
                r = sql_prepare(w->store->db, "SELECT boot FROM boots WHERE boot_id = ?1", &get, e);
        if (r < 0)
                return r;
        sqlite3_bind_text(put, 1, w->boot_id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(put, 2, w->epoch);
        sqlite3_bind_text(get, 1, w->boot_id, -1, SQLITE_STATIC);
        r = sql_finish(put, e);
        if (r >= 0)
                r = sql_step(get, e);
        if (r > 0)
                *ret = sqlite3_column_int64(get, 0);
        return MIN(r, 0);
}

static int insert_stream(Writer *w, int64_t boot, Error *e) {
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        char features[24], uuid[UUID_SIZE + 24];
        int r;

        r = sql_prepare(w->store->db,
                        "INSERT INTO streams(uuid, boot, origin, begun, self, model, digest, "
                        "features, policy) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                        &s, e);
        if (r < 0)
                return r;
        /* What begins again after a failure is another stream of the same source. */
        if (w->n_streams++ == 0)
                snprintf(uuid, sizeof(uuid), "%s", w->uuid);
        else
                snprintf(uuid, sizeof(uuid), "%s.%" PRIu64, w->uuid, w->n_streams);
        snprintf(features, sizeof(features), "%016" PRIx64, w->header.schema);
        sqlite3_bind_text(s, 1, uuid, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, boot);
        sqlite3_bind_text(s, 3, w->origin, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 4, w->at);
        sqlite3_bind_int64(s, 5, w->header.self);
        sqlite3_bind_text(s, 6, w->header.model, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 7, w->header.digest, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 8, features, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 9, w->policy, -1, SQLITE_STATIC);
        r = sql_finish(s, e);
        if (r >= 0)
                w->stream = sqlite3_last_insert_rowid(w->store->db);
        return r;
}

/* Numbers of ticks and processes go on behind the last. */
int writer_begin_stream(Writer *w, Error *e) {
        int64_t boot = 0, tick = 0;
        Error inner = ERROR_INIT;
        int r;

        r = find_boot(w, &boot, e);
        if (r < 0)
                return r;
        r = insert_stream(w, boot, &inner);
        if (r == -EEXIST)
                return error_set(e, -EALREADY, "it is in the data set already");
        if (r < 0)
                error_set(e, r, "%s", inner.text);
        else
                r = sql_get_i64(w->store->db,
                                "SELECT max((SELECT coalesce(max(tick), 0) FROM ticks), (SELECT "
                                "coalesce(max(ended), 0) FROM processes))",
                                0, &tick, e);
        if (r < 0)
                return r;
        w->tick = MAX(tick, w->tick);
        w->complete_wanted = true;
        w->in_segment = 0;
        return 0;
}

static int copy_string(char **to, const char *from, size_t size, Error *e) {
        char *copy = strndup(from, size);

        if (!copy)
                return error_set(e, -ENOMEM, "out of memory");
        free(*to);
        *to = copy;
        return 0;
}

int writer_begin(Writer *w, const RecordedHeader *header, const char *policy, size_t size,
                 const WriterOrigin *origin, Error *e) {
        int r;

        r = copy_string(&w->policy, policy, size, e);
        if (r < 0)
                return r;
        w->header = *header;
        w->epoch = origin->epoch;
        w->stream = 0;
        w->n_streams = 0;
        w->n_entries = 0;
        snprintf(w->boot_id, sizeof(w->boot_id), "%s", origin->boot_id);
        snprintf(w->origin, sizeof(w->origin), "%s", origin->name);
        snprintf(w->uuid, sizeof(w->uuid), "%s", origin->uuid);
        return 0;
}

int writer_end(Writer *w, Error *e) {
        char sql[256];
        int r;

        if (w->stream == 0 || w->holding)
                return 0;
        r = writer_need_transaction(w, e);
        if (r < 0)
                return r;
        snprintf(sql, sizeof(sql),
                 "UPDATE streams SET ended = %" PRId64 " WHERE stream = %" PRId64
                 "; UPDATE events SET at = %" PRId64 " WHERE tick > %" PRId64 " AND at IS NULL",
                 w->at, w->stream, w->at, w->tick);
        r = sql_run(w->store->db, sql, e);
        w->stream = 0;
        return r < 0 ? r : writer_commit(w, e);
}

/* ---- frames ---- */

static int take_sample(Writer *w, Reader *reader, Error *e) {
        Sample sample;
        int r;

        r = reader_sample(reader, &sample, e);
        if (r < 0)
                return r;
        w->between = false;
        w->at = (int64_t)sample.at + w->epoch;
        return writer_sample(w, &sample, e);
}

static int take_ident(Writer *w, const Reader *reader, Error *e) {
        Ident ident;
        bool known;
        pid_t pid;
        int r;

        r = reader_ident(reader, &pid, &ident, &known, e);
        return r < 0 || !known ? r : writer_ident(w, pid, &ident, e);
}

static int take_decisions(Writer *w, const Reader *reader, Error *e) {
        const RecordedDecision *d;
        size_t n;
        int r;

        r = reader_decisions(reader, &d, &n, e);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = writer_decision(w, &d[i], e);
        w->between = r >= 0;
        return r;
}

static int take_lost(Writer *w, const Reader *reader, Error *e) {
        uint64_t n;
        int r;

        r = reader_lost(reader, &n, e);
        if (r < 0)
                return r;
        w->lost[LOST_IN_FEED] += n;
        w->complete_wanted = true;
        return 0;
}

static int take_event(Writer *w, const Reader *reader, Error *e) {
        static const char *const kinds[] = {
                [FRAME_EXEC] = "exec",         [FRAME_TRIAL] = "trial",
                [FRAME_ROLLBACK] = "rollback", [FRAME_TREATED] = "treated",
                [FRAME_UNIT] = "unit",         [FRAME_POLICY] = "policy",
                [FRAME_MODEL] = "model",       [FRAME_PRIORS] = "priors",
                [FRAME_FORGET] = "forget",
        };
        const RecordedPid *head = (const RecordedPid *)reader->payload;
        uint32_t type = reader->head.type;
        const char *kind = type < ELEMENTSOF(kinds) && kinds[type] ? kinds[type] : "other";
        WriterEvent event = {.kind = kind};

        if (type == FRAME_POLICY || type == FRAME_MODEL) {
                event.text = reader->payload; /* a model's name is at the beginning */
        } else if (type == FRAME_PRIORS) {
                event.number = reader->head.size / sizeof(PriorEntry);
        } else if (streq(kind, "other")) {
                event.number = type;
        } else {
                event.pid = head->pid;
                event.number = head->number;
                event.start = head->start;
                if (type == FRAME_UNIT || type == FRAME_FORGET)
                        event.text = reader->payload + sizeof(*head);
        }
        return writer_event(w, &event, e);
}

static int take_frame(Writer *w, Reader *reader, Error *e) {
        switch (reader->head.type) {
        case FRAME_SAMPLE:
                return take_sample(w, reader, e);
        case FRAME_IDENT:
                return take_ident(w, reader, e);
        case FRAME_DECISIONS:
                return take_decisions(w, reader, e);
        case FRAME_FEEDBACK:
                return writer_feedback(w, reader, e);
        case FRAME_LOST:
                return take_lost(w, reader, e);
        case FRAME_HEADER:
                return reader_damaged(reader, e, "a second header");
        default:
                return take_event(w, reader, e);
        }
}

int writer_frame(Writer *w, Reader *reader, Error *e) {
        int r = take_frame(w, reader, e);

        if (r < 0 && r != -EBADMSG && !w->holding)
                writer_hold(w);
        return r;
}
