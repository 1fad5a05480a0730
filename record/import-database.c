/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "record/import.h"
#include "record/schema.h"

/*
 * Ticks come in front of all that are here, so that a recorder that is at work meets none of its
 * next numbers, and so that they are the first to be pruned. ?1 is added to ticks, ?2 to streams,
 * ?3 to processes.
 */
static const char *const steps[] = {
        "INSERT INTO temp.fresh SELECT stream FROM other.streams WHERE uuid NOT IN (SELECT uuid "
        "FROM "
        "main.streams)",
        "INSERT OR IGNORE INTO main.boots(boot_id, epoch) SELECT boot_id, epoch FROM other.boots",
        "INSERT INTO main.streams SELECT stream + ?2, uuid, (SELECT b.boot FROM main.boots AS b "
        "JOIN other.boots AS o USING(boot_id) WHERE o.boot = s.boot), origin, begun, ended, self, "
        "model, digest, features, policy FROM other.streams AS s WHERE stream IN temp.fresh",
        "INSERT INTO main.ticks SELECT tick + ?1, stream + ?2, at, boot_at, source, n_cpus, "
        "n_processes, complete FROM other.ticks WHERE stream IN temp.fresh",
        "INSERT INTO main.processes SELECT process + ?3, stream + ?2, pid, start, first + ?1, "
        "ended "
        "+ ?1 FROM other.processes WHERE stream IN temp.fresh",
        "INSERT INTO main.programs SELECT process + ?3, tick + ?1, at, comm, exe, cgroup, unit, "
        "group_length, build FROM other.programs WHERE process IN (SELECT process FROM "
        "other.processes WHERE stream IN temp.fresh)",
        "INSERT INTO main.psi SELECT tick + ?1, at, cpu_some, cpu_full, io_some, io_full, "
        "memory_some, memory_full FROM other.psi WHERE tick IN (SELECT tick FROM other.ticks WHERE "
        "stream IN temp.fresh)",
        "INSERT INTO main.events(tick, at, kind, pid, start, number, text) SELECT tick + ?1, at, "
        "kind, pid, start, number, text FROM other.events WHERE tick IN (SELECT tick FROM "
        "other.ticks WHERE stream IN temp.fresh) ORDER BY event",
        "INSERT INTO main.decisions(tick, at, pid, start, kind, class, confidence, verdict, comm, "
        "victim, victim_comm, victim_delay, unit, tunable, value, treatment) SELECT tick + ?1, at, "
        "pid, start, kind, class, confidence, verdict, comm, victim, victim_comm, victim_delay, "
        "unit, tunable, value, treatment FROM other.decisions WHERE tick IN (SELECT tick FROM "
        "other.ticks WHERE stream IN temp.fresh) ORDER BY decision",
        "INSERT INTO main.feedback(tick, at, pid, start, kind, outcome, unit, tunable) SELECT tick "
        "+ ?1, at, pid, start, kind, outcome, unit, tunable FROM other.feedback WHERE tick IN "
        "(SELECT tick FROM other.ticks WHERE stream IN temp.fresh) ORDER BY feedback",
        "INSERT INTO main.losses(tick, at, ticks, why) SELECT tick + ?1, at, ticks, why FROM "
        "other.losses WHERE tick IN (SELECT tick FROM other.ticks WHERE stream IN temp.fresh)",
        "INSERT INTO main.runs(stream, json) SELECT stream + ?2, json FROM other.runs WHERE stream "
        "IN temp.fresh ORDER BY run",
        "INSERT INTO main.labels(class, program, comm, exe, pid, start, since, until, by, made, "
        "note) SELECT class, program, comm, exe, pid, start, since, until, by, made, note FROM "
        "other.labels AS o WHERE NOT EXISTS (SELECT 1 FROM main.labels AS m WHERE m.made = o.made "
        "AND m.by = o.by AND m.class IS o.class AND m.comm IS o.comm AND m.exe IS o.exe AND m.pid "
        "IS o.pid AND m.since IS o.since AND m.until IS o.until) ORDER BY label",
};

static int run_step(Store *store, const char *sql, const int64_t offsets[3], uint64_t *ret_rows,
                    Error *e) {
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r;

        r = sql_prepare(store->db, sql, &q, e);
        if (r < 0)
                return r;
        /* Only those that a statement has can be set. */
        for (int i = 0; i < sqlite3_bind_parameter_count(q) && i < 3; i++)
                sqlite3_bind_int64(q, i + 1, offsets[i]);
        r = sql_finish(q, e);
        if (r >= 0)
                *ret_rows = (uint64_t)sqlite3_changes64(store->db);
        return r;
}

/* Its columns are as many as ours are, whatever they are. */
static int copy_samples(Store *store, const int64_t offsets[3], Error *e) {
        char sql[4096];
        uint64_t rows;
        size_t n;

        n = (size_t)snprintf(sql, sizeof(sql),
                             "INSERT INTO main.samples SELECT tick + ?1, process + ?3");
        for (size_t i = 0; i < n_sample_columns; i++)
                n += (size_t)snprintf(sql + n, sizeof(sql) - n, ", %s", sample_columns[i].name);
        (void)snprintf(sql + n, sizeof(sql) - n,
                       " FROM other.samples WHERE tick IN (SELECT tick FROM other.ticks WHERE "
                       "stream IN temp.fresh) ORDER BY 1, 2");
        return run_step(store, sql, offsets, &rows, e);
}

static int find_offsets(Store *store, int64_t ret[3], Error *e) {
        static const char *const sql[] = {
                "SELECT (SELECT coalesce(min(tick), 1) FROM main.ticks) - 1 - (SELECT "
                "coalesce(max(tick), 0) FROM other.ticks) - (SELECT coalesce(max(max(ended) - "
                "(SELECT coalesce(max(tick), 0) FROM other.ticks), 0), 0) FROM other.processes)",
                "SELECT coalesce(max(stream), 0) FROM main.streams",
                "SELECT coalesce(max(process), 0) FROM main.processes",
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(sql); i++)
                r = sql_get_i64(store->db, sql[i], 0, &ret[i], e);
        return r;
}

static int copy(Store *store, Imported *ret, Error *e) {
        uint64_t rows[ELEMENTSOF(steps)] = {0};
        int64_t offsets[3];
        int r;

        r = find_offsets(store, offsets, e);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(steps); i++)
                r = run_step(store, steps[i], offsets, &rows[i], e);
        if (r >= 0)
                r = copy_samples(store, offsets, e);
        if (r < 0)
                return r;
        *ret = (Imported){
                .streams = rows[2], .ticks = rows[3], .labels = rows[ELEMENTSOF(steps) - 1]};
        return 0;
}

static int attach(Store *store, const char *path, Error *e) {
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r;

        r = sql_prepare(store->db, "ATTACH ?1 AS other", &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
        return sql_finish(q, e);
}

int import_database(Store *store, const char *path, Imported *ret, Error *e) {
        Store *other = NULL;
        int r;

        /* Is it one, and one of ours? */
        r = store_open_existing(path, /* writable= */ false, &other, e);
        store_close(other);
        if (r >= 0)
                r = attach(store, path, e);
        if (r < 0)
                return r;
        r = sql_run(store->db,
                    "CREATE TEMP TABLE fresh(stream INTEGER PRIMARY KEY); BEGIN IMMEDIATE", e);
        if (r >= 0)
                r = copy(store, ret, e);
        if (r >= 0)
                r = sql_run(store->db, "COMMIT", e);
        if (r < 0 && !sqlite3_get_autocommit(store->db))
                (void)sql_run(store->db, "ROLLBACK", /* e= */ NULL);
        (void)sql_run(store->db, "DROP TABLE IF EXISTS temp.fresh", /* e= */ NULL);
        (void)sql_run(store->db, "DETACH other", /* e= */ NULL);
        return r;
}
