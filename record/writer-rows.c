/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/writer-internal.h"

#include <errno.h>

#include "daemon/pipeline.h"
#include "record/schema.h"

#define SAMPLE_SQL_MAX 2048
/* Of the store's bound, the least that pruning takes away at once; and the bytes of a row. */
#define SEGMENTS 32
#define ROW_BYTES 96

static const char *const sql[_STATEMENT_COUNT] = {
        [STATEMENT_TICK] = "INSERT INTO ticks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [STATEMENT_PSI] = "INSERT INTO psi VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [STATEMENT_PROCESS] = "INSERT INTO processes(stream, pid, start, first) VALUES(?1, ?2, ?3, "
                              "?4)",
        [STATEMENT_ENDED] = "UPDATE processes SET ended = ?2 WHERE process = ?1",
        [STATEMENT_PROGRAM] = "INSERT OR REPLACE INTO programs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                              "?8, ?9)",
        [STATEMENT_EVENT] = "INSERT INTO events(tick, at, kind, pid, start, number, text) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        [STATEMENT_EVENTS_AT] = "UPDATE events SET at = ?2 WHERE tick = ?1 AND at IS NULL",
        [STATEMENT_DECISION] =
                "INSERT INTO decisions(tick, at, pid, start, kind, class, confidence, verdict, "
                "comm, victim, victim_comm, victim_delay, unit, tunable, value, treatment) "
                "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        [STATEMENT_FEEDBACK] = "INSERT INTO feedback(tick, at, pid, start, kind, outcome, unit, "
                               "tunable) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [STATEMENT_LOSS] = "INSERT INTO losses(tick, at, ticks, why) VALUES(?1, ?2, ?3, ?4)",
};

static void sample_sql(char text[SAMPLE_SQL_MAX]) {
        size_t n = (size_t)snprintf(text, SAMPLE_SQL_MAX, "INSERT INTO samples VALUES(?1, ?2");

        for (size_t i = 0; i < n_sample_columns && n < SAMPLE_SQL_MAX; i++)
                n += (size_t)snprintf(text + n, SAMPLE_SQL_MAX - n, ", ?%zu", i + 3);
        (void)snprintf(text + n, SAMPLE_SQL_MAX - n, ")");
}

static int take_statement(Writer *w, Statement which, sqlite3_stmt **ret, Error *e) {
        char text[SAMPLE_SQL_MAX];
        int r;

        r = writer_need_transaction(w, e);
        if (r < 0)
                return r;
        if (!w->statement[which]) {
                if (which == STATEMENT_SAMPLE)
                        sample_sql(text);
                r = sql_prepare(w->store->db, which == STATEMENT_SAMPLE ? text : sql[which],
                                &w->statement[which], e);
                if (r < 0)
                        return r;
        }
        *ret = w->statement[which];
        (void)sqlite3_clear_bindings(*ret);
        return 0;
}

/* NULL where there is nothing to say. */
static void bind_text(sqlite3_stmt *s, int index, const char *text) {
        if (text && text[0])
                sqlite3_bind_text(s, index, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *s, int index, int64_t number) {
        if (number != 0)
                sqlite3_bind_int64(s, index, number);
}

/* ---- one tick ---- */

static int put_tick(Writer *w, const Sample *s, bool complete, Error *e) {
        sqlite3_stmt *q;
        int r;

        r = take_statement(w, STATEMENT_TICK, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, w->tick);
        sqlite3_bind_int64(q, 2, w->stream);
        sqlite3_bind_int64(q, 3, w->at);
        sqlite3_bind_int64(q, 4, (int64_t)s->at);
        sqlite3_bind_int64(q, 5, s->source);
        sqlite3_bind_int64(q, 6, s->n_cpus);
        sqlite3_bind_int64(q, 7, (int64_t)s->n_procs);
        sqlite3_bind_int64(q, 8, complete);
        return sql_finish(q, e);
}

static int put_psi(Writer *w, const Sample *s, Error *e) {
        sqlite3_stmt *q;
        int r;

        r = take_statement(w, STATEMENT_PSI, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, w->tick);
        sqlite3_bind_int64(q, 2, w->at);
        for (int i = 0; i < _PSI_COUNT; i++) {
                if (!s->psi[i].valid)
                        continue;
                sqlite3_bind_int64(q, 3 + 2 * i, (int64_t)s->psi[i].some_total);
                sqlite3_bind_int64(q, 4 + 2 * i, (int64_t)s->psi[i].full_total);
        }
        return sql_finish(q, e);
}

static int put_loss(Writer *w, Lost which, Error *e) {
        sqlite3_stmt *q;
        int r;

        if (w->lost[which] == 0)
                return 0;
        r = take_statement(w, STATEMENT_LOSS, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, w->tick);
        sqlite3_bind_int64(q, 2, w->at);
        sqlite3_bind_int64(q, 3, (int64_t)w->lost[which]);
        sqlite3_bind_text(q, 4, which == LOST_IN_FEED ? "feed" : w->why ?: "unknown", -1,
                          SQLITE_STATIC);
        r = sql_finish(q, e);
        if (r < 0)
                return r;
        w->lost_uncommitted[which] += w->lost[which];
        w->lost[which] = 0;
        return 0;
}

static int put_events_at(Writer *w, Error *e) {
        sqlite3_stmt *q;
        int r;

        r = take_statement(w, STATEMENT_EVENTS_AT, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, w->tick);
        sqlite3_bind_int64(q, 2, w->at);
        return sql_finish(q, e);
}

/* ---- one process ---- */

static int put_process(Writer *w, Entry *entry, Error *e) {
        sqlite3_stmt *q;
        int r;

        r = take_statement(w, STATEMENT_PROCESS, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, w->stream);
        sqlite3_bind_int64(q, 2, entry->last.pid);
        sqlite3_bind_int64(q, 3, (int64_t)entry->last.start);
        sqlite3_bind_int64(q, 4, w->tick);
        r = sql_finish(q, e);
        if (r >= 0)
                entry->process = sqlite3_last_insert_rowid(w->store->db);
        return r;
}

static int put_program(Writer *w, Entry *entry, Error *e) {
        const Ident *ident = &entry->ident;
        sqlite3_stmt *q;
        int r;

        r = take_statement(w, STATEMENT_PROGRAM, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, entry->process);
        sqlite3_bind_int64(q, 2, w->tick);
        sqlite3_bind_int64(q, 3, w->at);
        sqlite3_bind_text(q, 4, entry->last.comm, -1, SQLITE_STATIC);
        if (entry->has_ident) {
                bind_text(q, 5, ident->exe);
                bind_text(q, 6, ident->cgroup);
                bind_text(q, 7, ident->unit);
                sqlite3_bind_int64(q, 8, ident->group_length);
                if (ident->build.kind != BUILD_ID_UNKNOWN)
                        sqlite3_bind_blob(q, 9, ident->build.bytes, ident->build.size,
                                          SQLITE_STATIC);
        }
        return sql_finish(q, e);
}

static int put_counters(Writer *w, const Entry *entry, Error *e) {
        sqlite3_stmt *q;
        int r;

        r = take_statement(w, STATEMENT_SAMPLE, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, w->tick);
        sqlite3_bind_int64(q, 2, entry->process);
        for (size_t i = 0; i < n_sample_columns; i++)
                sqlite3_bind_int64(q, (int)i + 3,
                                   sample_column_get(&sample_columns[i], &entry->last));
        w->in_segment++;
        return sql_finish(q, e);
}

static int put_ended(Writer *w, const Entry *entry, Error *e) {
        sqlite3_stmt *q;
        int r;

        if (entry->process == 0)
                return 0;
        r = take_statement(w, STATEMENT_ENDED, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, entry->process);
        sqlite3_bind_int64(q, 2, w->tick);
        return sql_finish(q, e);
}

/* What became of it since its last row. */
static int put_entry(Writer *w, Entry *entry, const ProcSample *now, bool complete, Error *e) {
        bool renamed = !streq(entry->last.comm, now->comm);
        bool moved = complete || memcmp(&entry->last, now, sizeof(*now)) != 0;
        bool is_new = entry->process == 0;
        int r = 0;

        entry->last = *now;
        if (is_new)
                r = put_process(w, entry, e);
        if (r >= 0 && (is_new || renamed))
                r = put_program(w, entry, e);
        if (r >= 0 && (is_new || moved))
                r = put_counters(w, entry, e);
        return r;
}

/* ---- in step with the sample ---- */

static Entry *find_entry(Writer *w, pid_t pid) {
        size_t low = 0, high = w->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (w->entries[middle].last.pid < pid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < w->n_entries && w->entries[low].last.pid == pid ? &w->entries[low] : NULL;
}

/* Both are ordered by pid. The new table goes behind the old one, so that memory is asked for
 * once. */
static int merge(Writer *w, const Sample *s, bool write, bool complete, Error *e) {
        size_t need = w->n_entries + s->n_procs, old = 0, n = w->n_entries;
        int r = 0;

        if (need > w->n_allocated) {
                Entry *grown = reallocarray(w->entries, MAX(need, 2 * w->n_allocated),
                                            sizeof(*grown));

                if (!grown)
                        return error_set(e, -ENOMEM, "out of memory");
                w->entries = grown;
                w->n_allocated = MAX(need, 2 * w->n_allocated);
        }
        for (size_t i = 0; i < s->n_procs; i++) {
                const ProcSample *now = &s->procs[i];
                Entry *entry = &w->entries[n++];

                for (; old < w->n_entries && w->entries[old].last.pid < now->pid; old++)
                        if (write && r >= 0)
                                r = put_ended(w, &w->entries[old], e);
                if (old < w->n_entries && w->entries[old].last.pid == now->pid &&
                    w->entries[old].last.start == now->start) {
                        *entry = w->entries[old++];
                } else {
                        *entry = (Entry){.last = *now};
                }
                if (write && r >= 0)
                        r = put_entry(w, entry, now, complete, e);
                else
                        entry->last = *now;
        }
        for (; old < w->n_entries; old++)
                if (write && r >= 0)
                        r = put_ended(w, &w->entries[old], e);
        memmove(w->entries, w->entries + w->n_entries, s->n_procs * sizeof(*w->entries));
        w->n_entries = s->n_procs;
        return r;
}

static bool segment_is_full(const Writer *w, usec_t at) {
        uint64_t rows = w->store->max_size / SEGMENTS / ROW_BYTES;

        return at - w->complete_at >= WRITER_SEGMENT || (rows > 0 && w->in_segment >= rows);
}

static int write_sample(Writer *w, const Sample *s, Error *e) {
        bool complete;
        int r;

        r = writer_need_transaction(w, e);
        if (r >= 0 && w->stream == 0)
                r = writer_begin_stream(w, e);
        if (r < 0)
                return r;
        w->tick++;
        complete = w->complete_wanted || segment_is_full(w, s->at);
        r = put_tick(w, s, complete, e);
        if (r >= 0)
                r = put_psi(w, s, e);
        for (Lost which = 0; r >= 0 && which < _LOST_COUNT; which++)
                r = put_loss(w, which, e);
        if (r >= 0)
                r = put_events_at(w, e);
        if (r >= 0 && complete) {
                w->complete_wanted = false;
                w->complete_at = s->at;
                w->in_segment = 0;
        }
        return r < 0 ? r : merge(w, s, /* write= */ true, complete, e);
}

int writer_sample(Writer *w, const Sample *s, Error *e) {
        int r;

        if (w->holding) {
                w->missed++;
                w->lost[LOST_HERE]++;
                return merge(w, s, /* write= */ false, /* complete= */ false, e);
        }
        r = write_sample(w, s, e);
        if (r >= 0) {
                w->n_ticks++;
                w->n_uncommitted++;
                return 0;
        }
        /* This one, too, is followed and missed. */
        writer_hold(w);
        w->missed++;
        w->lost[LOST_HERE]++;
        return r;
}

/* A stream begins to be written with its first sample. */
static bool is_writing(const Writer *w) {
        return !w->holding && w->stream != 0;
}

int writer_ident(Writer *w, pid_t pid, const Ident *ident, Error *e) {
        Entry *entry = find_entry(w, pid);

        if (!entry)
                return 0;
        entry->ident = *ident;
        entry->has_ident = true;
        return is_writing(w) && entry->process != 0 ? put_program(w, entry, e) : 0;
}

/* ---- what is told beside ---- */

int writer_event(Writer *w, const WriterEvent *event, Error *e) {
        sqlite3_stmt *q;
        int r;

        if (!is_writing(w))
                return 0;
        r = take_statement(w, STATEMENT_EVENT, &q, e);
        if (r < 0)
                return r;
        /* Of the tick that follows, whose sample will tell its time. */
        sqlite3_bind_int64(q, 1, w->tick + 1);
        sqlite3_bind_text(q, 3, event->kind, -1, SQLITE_STATIC);
        bind_number(q, 4, event->pid);
        bind_number(q, 5, (int64_t)event->start);
        bind_number(q, 6, (int64_t)event->number);
        bind_text(q, 7, event->text);
        w->in_segment++;
        return sql_finish(q, e);
}

static const char *kind_name(uint32_t kind) {
        static const char *const names[] = {
                [DECISION_APPLY] = "apply",
                [DECISION_ADOPT] = "adopt",
                [DECISION_RELEASE] = "release",
                [DECISION_TUNE] = "tune",
                [DECISION_UNTUNE] = "untune",
                [DECISION_DEMOTE_UNIT] = "demote-unit",
                [DECISION_RELEASE_UNIT] = "release-unit",
        };

        return kind < ELEMENTSOF(names) && names[kind] ? names[kind] : "other";
}

/* What is set of it, as "nice=19 sched=3". */
static void treatment_text(const RecordedDecision *d, char *text, size_t size) {
        const struct {
                uint32_t bit;
                const char *name;
                int64_t value;
        } parts[] = {
                {TREAT_NICE, "nice", d->nice},
                {TREAT_SCHED, "sched", d->sched},
                {TREAT_SLICE, "slice_usec", d->slice_usec},
                {TREAT_IOPRIO, "ioprio_class", d->ioprio_class},
                {TREAT_IOPRIO, "ioprio_level", d->ioprio_level},
                {TREAT_CPUS, "cpus", (int64_t)d->cpus},
                {TREAT_AUTOGROUP, "autogroup_nice", d->autogroup_nice},
                {TREAT_CPU_WEIGHT, "cpu_weight", d->cpu_weight},
                {TREAT_IO_WEIGHT, "io_weight", d->io_weight},
                {TREAT_UNIT_CPU_WEIGHT, "unit_cpu_weight", d->unit_cpu_weight},
                {TREAT_UNIT_IO_WEIGHT, "unit_io_weight", d->unit_io_weight},
        };
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(parts) && n < size; i++)
                if (d->treatment & parts[i].bit)
                        n += (size_t)snprintf(text + n, size - n, "%s%s=%" PRId64, n ? " " : "",
                                              parts[i].name, parts[i].value);
}

int writer_decision(Writer *w, const RecordedDecision *d, Error *e) {
        char treatment[256];
        float confidence;
        sqlite3_stmt *q;
        int r;

        if (!is_writing(w))
                return 0;
        r = take_statement(w, STATEMENT_DECISION, &q, e);
        if (r < 0)
                return r;
        memcpy(&confidence, &d->confidence, sizeof(confidence));
        treatment_text(d, treatment, sizeof(treatment));
        sqlite3_bind_int64(q, 1, w->tick);
        sqlite3_bind_int64(q, 2, w->at);
        bind_number(q, 3, d->pid);
        bind_number(q, 4, (int64_t)d->start);
        sqlite3_bind_text(q, 5, kind_name(d->kind), -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 6, class_to_string((LoadClass)d->load_class), -1, SQLITE_STATIC);
        sqlite3_bind_double(q, 7, (double)confidence);
        sqlite3_bind_text(q, 8, verdict_to_string((Verdict)d->verdict), -1, SQLITE_STATIC);
        bind_text(q, 9, d->comm);
        bind_number(q, 10, d->victim);
        bind_text(q, 11, d->victim_comm);
        bind_number(q, 12, d->victim_delay);
        bind_text(q, 13, d->unit);
        bind_text(q, 14, d->tunable);
        bind_text(q, 15, d->value);
        bind_text(q, 16, treatment);
        return sql_finish(q, e);
}

int writer_feedback(Writer *w, const Reader *reader, Error *e) {
        static const char *const names[_OUTCOME_COUNT] = {
                [OUTCOME_DONE] = "done",
                [OUTCOME_NOTHING] = "nothing",
                [OUTCOME_FOREIGN] = "foreign",
                [OUTCOME_INERT] = "inert",
                [OUTCOME_FAILED] = "failed",
                [OUTCOME_VANISHED] = "vanished",
                [OUTCOME_UNANSWERED] = "unanswered",
        };
        const RecordedDecision *d;
        Outcome outcome;
        sqlite3_stmt *q;
        int r;

        r = reader_feedback(reader, &d, &outcome, e);
        if (r < 0 || !is_writing(w))
                return r;
        r = take_statement(w, STATEMENT_FEEDBACK, &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, w->tick);
        sqlite3_bind_int64(q, 2, w->at);
        bind_number(q, 3, d->pid);
        bind_number(q, 4, (int64_t)d->start);
        sqlite3_bind_text(q, 5, kind_name(d->kind), -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 6, names[outcome] ?: "other", -1, SQLITE_STATIC);
        bind_text(q, 7, d->unit);
        bind_text(q, 8, d->tunable);
        return sql_finish(q, e);
}
