/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/schema.h"

#include <errno.h>
#include <inttypes.h>

#define COLUMN(member, sign) \
        { #member, offsetof(ProcSample, member), sizeof(((ProcSample *)0)->member), sign }
const SampleColumn sample_columns[] = {
        COLUMN(ppid, true),
        COLUMN(sid, true),
        COLUMN(uid, false),
        COLUMN(valid, false),
        COLUMN(n_threads, false),
        COLUMN(nice, true),
        COLUMN(sched_policy, false),
        COLUMN(group_kind, false),
        COLUMN(kthread, false),
        COLUMN(has_rt, false),
        COLUMN(has_tty, false),
        COLUMN(zombie, false),
        COLUMN(in_iowait, false),
        COLUMN(util_avg, false),
        COLUMN(group_id, false),
        COLUMN(cgroup_id, false),
        COLUMN(cpus_allowed, false),
        COLUMN(exec_ns, false),
        COLUMN(delay_ns, false),
        COLUMN(timeslices, false),
        COLUMN(nvcsw, false),
        COLUMN(nivcsw, false),
        COLUMN(min_flt, false),
        COLUMN(maj_flt, false),
        COLUMN(rchar, false),
        COLUMN(wchar, false),
        COLUMN(syscr, false),
        COLUMN(syscw, false),
        COLUMN(read_bytes, false),
        COLUMN(write_bytes, false),
        COLUMN(migrations, false),
        COLUMN(rss_bytes, false),
        COLUMN(child_exec_ns, false),
        COLUMN(system_ns, false),
        COLUMN(rss_anon_bytes, false),
};
#undef COLUMN
const size_t n_sample_columns = ELEMENTSOF(sample_columns);

int64_t sample_column_get(const SampleColumn *c, const ProcSample *p) {
        const char *from = (const char *)p + c->offset;
        uint64_t v = 0;
        int shift = 64 - 8 * c->size;

        memcpy(&v, from, c->size);
        /* The machine is little-endian, as recordings are. */
        return c->is_signed ? (int64_t)(v << shift) >> shift : (int64_t)v;
}

void sample_column_set(const SampleColumn *c, ProcSample *p, int64_t value) {
        memcpy((char *)p + c->offset, &value, c->size);
}

/* One entry a version: from that version - 1 to it. */
static const char *const migrations[SCHEMA_VERSION] = {
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
        /* When the clocks met: at = boot_at + epoch. */
        "CREATE TABLE boots(boot INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE,"
        " epoch INTEGER NOT NULL);"
        "CREATE TABLE streams(stream INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE,"
        " boot INTEGER NOT NULL, origin TEXT NOT NULL, begun INTEGER NOT NULL, ended INTEGER,"
        " self INTEGER NOT NULL, model TEXT NOT NULL, digest TEXT NOT NULL, features TEXT NOT NULL,"
        " policy TEXT NOT NULL);"
        /* complete: every process that lived has its row in samples */
        "CREATE TABLE ticks(tick INTEGER PRIMARY KEY, stream INTEGER NOT NULL, at INTEGER NOT NULL,"
        " boot_at INTEGER NOT NULL, source INTEGER NOT NULL, n_cpus INTEGER NOT NULL,"
        " n_processes INTEGER NOT NULL, complete INTEGER NOT NULL);"
        "CREATE INDEX ticks_at ON ticks(at); CREATE INDEX ticks_stream ON ticks(stream);"
        /* pid and start together are the process; ended: its first tick without it */
        "CREATE TABLE processes(process INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
        " pid INTEGER NOT NULL, start INTEGER NOT NULL, first INTEGER NOT NULL, ended INTEGER);"
        "CREATE INDEX processes_ended ON processes(ended);"
        "CREATE TABLE programs(process INTEGER NOT NULL, tick INTEGER NOT NULL,"
        " at INTEGER NOT NULL, comm TEXT NOT NULL, exe TEXT, cgroup TEXT, unit TEXT,"
        " group_length INTEGER, build BLOB, PRIMARY KEY(process, tick)) WITHOUT ROWID;"
        "CREATE INDEX programs_tick ON programs(tick);"
        "CREATE TABLE psi(tick INTEGER PRIMARY KEY, at INTEGER NOT NULL, cpu_some INTEGER,"
        " cpu_full INTEGER, io_some INTEGER, io_full INTEGER, memory_some INTEGER,"
        " memory_full INTEGER);"
        "CREATE TABLE events(event INTEGER PRIMARY KEY, tick INTEGER NOT NULL, at INTEGER,"
        " kind TEXT NOT NULL, pid INTEGER, start INTEGER, number INTEGER, text TEXT);"
        "CREATE INDEX events_tick ON events(tick);"
        "CREATE TABLE decisions(decision INTEGER PRIMARY KEY, tick INTEGER NOT NULL,"
        " at INTEGER NOT NULL, pid INTEGER, start INTEGER, kind TEXT NOT NULL, class TEXT,"
        " confidence REAL, verdict TEXT, comm TEXT, victim INTEGER, victim_comm TEXT,"
        " victim_delay INTEGER, unit TEXT, tunable TEXT, value TEXT, treatment TEXT);"
        "CREATE INDEX decisions_tick ON decisions(tick);"
        "CREATE TABLE feedback(feedback INTEGER PRIMARY KEY, tick INTEGER NOT NULL,"
        " at INTEGER NOT NULL, pid INTEGER, start INTEGER, kind TEXT NOT NULL, outcome TEXT NOT "
        "NULL,"
        " unit TEXT, tunable TEXT);"
        "CREATE INDEX feedback_tick ON feedback(tick);"
        /* What people say of processes; the newest that fits counts. since, until: NULL is open. */
        "CREATE TABLE labels(label INTEGER PRIMARY KEY, class TEXT, program TEXT, comm TEXT,"
        " exe TEXT, pid INTEGER, start INTEGER, since INTEGER, until INTEGER, by TEXT NOT NULL,"
        " made INTEGER NOT NULL, note TEXT);"
        /* Runs of an imported recording, as its labels file has them. */
        "CREATE TABLE runs(run INTEGER PRIMARY KEY, stream INTEGER NOT NULL, json TEXT NOT NULL);"
        /* ticks that are missing before that tick */
        "CREATE TABLE losses(loss INTEGER PRIMARY KEY, tick INTEGER NOT NULL, at INTEGER NOT NULL,"
        " ticks INTEGER NOT NULL, why TEXT NOT NULL);",
};

const char *const schema_tables[] = {
        "boots",     "streams",  "ticks",  "processes", "programs", "psi",     "events",
        "decisions", "feedback", "labels", "runs",      "losses",   "samples", NULL,
};

/* By tick, so that a tick's rows lie together, for reading and for pruning. */
static int create_samples(sqlite3 *db, Error *e) {
        char sql[2048] = "CREATE TABLE samples(tick INTEGER NOT NULL, process INTEGER NOT NULL";
        size_t n = strlen(sql);

        for (size_t i = 0; i < n_sample_columns; i++)
                n += (size_t)snprintf(sql + n, sizeof(sql) - n, ", %s INTEGER NOT NULL",
                                      sample_columns[i].name);
        (void)snprintf(sql + n, sizeof(sql) - n, ", PRIMARY KEY(tick, process)) WITHOUT ROWID");
        return sql_run(db, sql, e);
}

int schema_check(sqlite3 *db, const char *path, int64_t *ret_version, Error *e) {
        int64_t application = 0, version = 0, tables = 0;
        int r;

        r = sql_get_i64(db, "PRAGMA application_id", 0, &application, e);
        if (r >= 0)
                r = sql_get_i64(db, "PRAGMA user_version", 0, &version, e);
        if (r >= 0)
                r = sql_get_i64(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, e);
        if (r < 0)
                return r;
        if (application == 0 && tables == 0) {
                *ret_version = 0;
                return 0;
        }
        if (application != SCHEMA_APPLICATION_ID)
                return error_set(e, -EMEDIUMTYPE,
                                 "%s: is a database, but no data set of aikm-record", path);
        if (version > SCHEMA_VERSION)
                return error_set(e, -EPROTO,
                                 "%s: has schema version %" PRId64
                                 ", made by a newer aikm-record; this one knows up to %d",
                                 path, version, SCHEMA_VERSION);
        if (version < 1)
                return error_set(e, -EPROTO, "%s: has schema version %" PRId64 ", expected 1 to %d",
                                 path, version, SCHEMA_VERSION);
        *ret_version = version;
        return 0;
}

static int migrate(sqlite3 *db, int64_t from, Error *e) {
        char sql[128];
        int r = 0;

        for (int64_t v = from; r >= 0 && v < SCHEMA_VERSION; v++) {
                r = sql_run(db, migrations[v], e);
                if (r >= 0 && v == 0)
                        r = create_samples(db, e);
        }
        if (r < 0)
                return r;
        snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
        return sql_run(db, sql, e);
}

int schema_prepare(sqlite3 *db, const char *path, Error *e) {
        int64_t version;
        int r;

        r = sql_run(db, "BEGIN IMMEDIATE", e);
        if (r < 0)
                return r;
        r = schema_check(db, path, &version, e);
        if (r >= 0 && version < SCHEMA_VERSION)
                r = migrate(db, version, e);
        if (r >= 0)
                r = sql_run(db, "COMMIT", e);
        if (r < 0 && !sqlite3_get_autocommit(db))
                (void)sql_run(db, "ROLLBACK", /* e= */ NULL);
        return r;
}
