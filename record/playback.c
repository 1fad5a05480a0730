/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/playback.h"

#include <errno.h>
#include <inttypes.h>

#include "record/schema.h"

typedef enum Query {
        QUERY_TICKS,
        QUERY_ENDED,
        QUERY_SAMPLES,
        QUERY_PROGRAMS,
        QUERY_PROGRAM,
        QUERY_PSI,
        QUERY_EXECS,
        QUERY_LOST,
        _QUERY_COUNT,
} Query;

struct Playback {
        Store *store;
        sqlite3_stmt *query[_QUERY_COUNT];
        int64_t stream, last_tick;
        Sample sample;
        PlaybackProcess *processes; /* beside sample.procs */
        size_t n_allocated;
        pid_t *execs;
        size_t n_execs, n_execs_allocated;
};

#define PROGRAM_COLUMNS "process, comm, exe, cgroup, unit"

static const char *const sql[_QUERY_COUNT] = {
        [QUERY_TICKS] = "SELECT tick, stream, at, boot_at, source, n_cpus, n_processes, complete "
                        "FROM ticks WHERE tick >= ?1 AND at <= ?2 ORDER BY tick",
        [QUERY_ENDED] = "SELECT pid, start FROM processes WHERE ended = ?1",
        [QUERY_PROGRAMS] = "SELECT " PROGRAM_COLUMNS " FROM programs WHERE tick = ?1",
        [QUERY_PROGRAM] = "SELECT " PROGRAM_COLUMNS " FROM programs WHERE process = ?1 AND tick <= "
                          "?2 ORDER BY tick DESC LIMIT 1",
        [QUERY_PSI] = "SELECT cpu_some, cpu_full, io_some, io_full, memory_some, memory_full FROM "
                      "psi WHERE tick = ?1",
        [QUERY_EXECS] = "SELECT pid FROM events WHERE tick = ?1 AND kind = 'exec'",
        [QUERY_LOST] = "SELECT 1 FROM losses WHERE tick = ?1",
};

static void process_done(PlaybackProcess *p) {
        free(p->exe);
        free(p->cgroup);
        free(p->unit);
}

static void forget_processes(Playback *p) {
        for (size_t i = 0; i < p->sample.n_procs; i++)
                process_done(&p->processes[i]);
        p->sample.n_procs = 0;
}

Playback *playback_close(Playback *p) {
        if (!p)
                return NULL;
        forget_processes(p);
        for (size_t i = 0; i < _QUERY_COUNT; i++)
                (void)sqlite3_finalize(p->query[i]);
        free(p->processes);
        free(p->execs);
        sample_done(&p->sample);
        free(p);
        return NULL;
}

static int prepare(Playback *p, Error *e) {
        char samples[2048];
        size_t n;
        int r = 0;

        n = (size_t)snprintf(samples, sizeof(samples), "SELECT p.process, p.pid, p.start");
        for (size_t i = 0; i < n_sample_columns; i++)
                n += (size_t)snprintf(samples + n, sizeof(samples) - n, ", s.%s",
                                      sample_columns[i].name);
        (void)snprintf(samples + n, sizeof(samples) - n,
                       " FROM samples AS s JOIN processes AS p USING(process) WHERE s.tick = ?1 "
                       "ORDER BY p.pid");
        for (size_t i = 0; r >= 0 && i < _QUERY_COUNT; i++)
                r = sql_prepare(p->store->db, i == QUERY_SAMPLES ? samples : sql[i], &p->query[i],
                                e);
        return r;
}

int playback_open(Store *store, int64_t since, int64_t until, Playback **ret, Error *e) {
        _cleanup_(playback_closep)
        Playback *p = calloc(1, sizeof(*p));
        char text[192];
        int64_t first = 0;
        int r;

        if (!p)
                return error_set(e, -ENOMEM, "out of memory");
        p->store = store;
        p->sample = SAMPLE_INIT;
        /* Ticks are in the order in which they came to be here, which need not be that of time. */
        snprintf(text, sizeof(text),
                 "SELECT max(tick) FROM ticks WHERE complete AND tick <= (SELECT min(tick) FROM "
                 "ticks WHERE at >= %" PRId64 ")",
                 since);
        r = sql_get_i64(store->db, text, INT64_MIN, &first, e);
        if (r >= 0)
                r = prepare(p, e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(p->query[QUERY_TICKS], 1, first);
        sqlite3_bind_int64(p->query[QUERY_TICKS], 2, until);
        *ret = TAKE_PTR(p);
        return 0;
}

/* Where pid is, or belongs. */
static size_t position(const Playback *p, pid_t pid) {
        size_t low = 0, high = p->sample.n_procs;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (p->processes[middle].pid < pid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static PlaybackProcess *find(const Playback *p, pid_t pid) {
        size_t i = position(p, pid);

        return i < p->sample.n_procs && p->processes[i].pid == pid ? &p->processes[i] : NULL;
}

const PlaybackProcess *playback_find(const Playback *p, pid_t pid) {
        return find(p, pid);
}

static void drop_process(Playback *p, size_t i) {
        size_t behind = p->sample.n_procs - i - 1;

        process_done(&p->processes[i]);
        memmove(&p->processes[i], &p->processes[i + 1], behind * sizeof(p->processes[0]));
        memmove(&p->sample.procs[i], &p->sample.procs[i + 1], behind * sizeof(ProcSample));
        p->sample.n_procs--;
}

static int insert_process(Playback *p, size_t i, Error *e) {
        size_t behind = p->sample.n_procs - i;

        if (p->sample.n_procs == p->n_allocated) {
                size_t n = MAX(p->n_allocated * 2, (size_t)512);
                PlaybackProcess *grown = reallocarray(p->processes, n, sizeof(*grown));

                if (!grown)
                        return error_set(e, -ENOMEM, "out of memory");
                p->processes = grown;
                p->n_allocated = n;
        }
        if (!sample_add(&p->sample)) /* at the end, and moved up */
                return error_set(e, -ENOMEM, "out of memory");
        memmove(&p->processes[i + 1], &p->processes[i], behind * sizeof(p->processes[0]));
        memmove(&p->sample.procs[i + 1], &p->sample.procs[i], behind * sizeof(ProcSample));
        p->processes[i] = (PlaybackProcess){0};
        p->sample.procs[i] = (ProcSample){0};
        return 0;
}

static int copy_text(char **to, sqlite3_stmt *q, int column, Error *e) {
        const unsigned char *text = sqlite3_column_text(q, column);
        char *copy = text ? strdup((const char *)text) : NULL;

        if (text && !copy)
                return error_set(e, -ENOMEM, "out of memory");
        free(*to);
        *to = copy;
        return 0;
}

static int take_program(Playback *p, sqlite3_stmt *q, Error *e) {
        int64_t process = sqlite3_column_int64(q, 0);
        size_t i = 0;
        int r;

        /* Programs change rarely: no index is worth it. */
        while (i < p->sample.n_procs && p->processes[i].process != process)
                i++;
        if (i == p->sample.n_procs)
                return 0;
        snprintf(p->processes[i].comm, sizeof(p->processes[i].comm), "%s", sql_text(q, 1));
        memset(p->sample.procs[i].comm, 0, sizeof(p->sample.procs[i].comm));
        snprintf(p->sample.procs[i].comm, sizeof(p->sample.procs[i].comm), "%s", sql_text(q, 1));
        r = copy_text(&p->processes[i].exe, q, 2, e);
        if (r >= 0)
                r = copy_text(&p->processes[i].cgroup, q, 3, e);
        if (r >= 0)
                r = copy_text(&p->processes[i].unit, q, 4, e);
        return r;
}

/* Each row of a query about a tick. */
static int each(Playback *p, Query query, int64_t tick,
                int (*take)(Playback *p, sqlite3_stmt *q, Error *e), Error *e) {
        sqlite3_stmt *q = p->query[query];
        int r, k;

        (void)sqlite3_reset(q);
        sqlite3_bind_int64(q, 1, tick);
        while ((k = sql_step(q, e)) > 0) {
                r = take(p, q, e);
                if (r < 0) {
                        (void)sqlite3_reset(q);
                        return r;
                }
        }
        (void)sqlite3_reset(q);
        return k;
}

static int take_ended(Playback *p, sqlite3_stmt *q, Error *e) {
        pid_t pid = (pid_t)sqlite3_column_int64(q, 0);
        PlaybackProcess *gone = find(p, pid);

        if (gone && gone->start == (uint64_t)sqlite3_column_int64(q, 1))
                drop_process(p, (size_t)(gone - p->processes));
        return 0;
}

/* One that was not there yet is asked for its program. */
static int take_new(Playback *p, int64_t process, Error *e) {
        sqlite3_stmt *q = p->query[QUERY_PROGRAM];
        int r;

        (void)sqlite3_reset(q);
        sqlite3_bind_int64(q, 1, process);
        sqlite3_bind_int64(q, 2, p->last_tick);
        r = sql_step(q, e);
        if (r > 0)
                r = take_program(p, q, e);
        (void)sqlite3_reset(q);
        return r;
}

static int take_sample(Playback *p, sqlite3_stmt *q, Error *e) {
        int64_t process = sqlite3_column_int64(q, 0);
        pid_t pid = (pid_t)sqlite3_column_int64(q, 1);
        uint64_t start = (uint64_t)sqlite3_column_int64(q, 2);
        size_t i = position(p, pid);
        bool is_new;
        int r = 0;

        is_new = i == p->sample.n_procs || p->processes[i].pid != pid;
        if (is_new)
                r = insert_process(p, i, e);
        if (r < 0)
                return r;
        /* Where its end was not told (the recorder was killed) another one takes its place. */
        is_new = is_new || p->processes[i].process != process;
        p->processes[i].process = process;
        p->processes[i].pid = p->sample.procs[i].pid = pid;
        p->processes[i].start = p->sample.procs[i].start = start;
        for (size_t k = 0; k < n_sample_columns; k++)
                sample_column_set(&sample_columns[k], &p->sample.procs[i],
                                  sqlite3_column_int64(q, (int)k + 3));
        return is_new ? take_new(p, process, e) : 0;
}

static int take_psi(Playback *p, sqlite3_stmt *q, Error *e) {
        for (int i = 0; i < _PSI_COUNT; i++)
                p->sample.psi[i] = (Psi){
                        .some_total = (uint64_t)sqlite3_column_int64(q, 2 * i),
                        .full_total = (uint64_t)sqlite3_column_int64(q, 2 * i + 1),
                        .valid = sqlite3_column_type(q, 2 * i) != SQLITE_NULL,
                };
        return 0;
}

static int take_exec(Playback *p, sqlite3_stmt *q, Error *e) {
        if (p->n_execs == p->n_execs_allocated) {
                size_t n = MAX(p->n_execs_allocated * 2, (size_t)64);
                pid_t *grown = reallocarray(p->execs, n, sizeof(*grown));

                if (!grown)
                        return error_set(e, -ENOMEM, "out of memory");
                p->execs = grown;
                p->n_execs_allocated = n;
        }
        p->execs[p->n_execs++] = (pid_t)sqlite3_column_int64(q, 0);
        return 0;
}

static int take_lost(Playback *p, sqlite3_stmt *q, Error *e) {
        p->stream = 0; /* as if another began */
        return 0;
}

int playback_next(Playback *p, PlaybackTick *ret, Error *e) {
        sqlite3_stmt *q = p->query[QUERY_TICKS];
        int64_t tick, stream;
        bool fresh;
        int r;

        r = sql_step(q, e);
        if (r <= 0)
                return r;
        tick = p->last_tick = sqlite3_column_int64(q, 0);
        stream = sqlite3_column_int64(q, 1);
        r = each(p, QUERY_LOST, tick, take_lost, e);
        fresh = stream != p->stream;
        if (fresh)
                forget_processes(p);
        p->stream = stream;
        p->n_execs = 0;
        p->sample.at = (usec_t)sqlite3_column_int64(q, 3);
        p->sample.source = (uint32_t)sqlite3_column_int64(q, 4);
        p->sample.n_cpus = (uint32_t)sqlite3_column_int64(q, 5);
        if (r >= 0)
                r = each(p, QUERY_ENDED, tick, take_ended, e);
        if (r >= 0)
                r = each(p, QUERY_SAMPLES, tick, take_sample, e);
        if (r >= 0)
                r = each(p, QUERY_PROGRAMS, tick, take_program, e);
        if (r >= 0)
                r = each(p, QUERY_PSI, tick, take_psi, e);
        if (r >= 0)
                r = each(p, QUERY_EXECS, tick, take_exec, e);
        if (r < 0)
                return r;
        if (p->sample.n_procs != (size_t)sqlite3_column_int64(q, 6))
                return error_set(e, -EUCLEAN,
                                 "%s: tick %" PRId64 " has %zu processes, where %lld were written",
                                 p->store->path, tick, p->sample.n_procs,
                                 (long long)sqlite3_column_int64(q, 6));
        *ret = (PlaybackTick){
                .tick = tick,
                .stream = stream,
                .at = sqlite3_column_int64(q, 2),
                .fresh = fresh,
                .sample = p->sample,
                .execs = p->execs,
                .n_execs = p->n_execs,
        };
        return 1;
}
