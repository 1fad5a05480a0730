/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "record/schema.h"
#include "util/io.h"

#define PAGE_SIZE ((uint64_t)4096)
#define LOG_MAX ((uint64_t)8 * 1024 * 1024)
#define BUSY_TIMEOUT_MSEC 5000
#define BROKEN ".broken-"
/* Of the bound: pruning begins above the first and goes down to the second. */
#define PRUNE_ABOVE 0.95
#define PRUNE_TO 0.90

/* A sixteenth, so that log and shared memory index fit in beside the tables. */
static uint64_t log_budget(uint64_t max_size) {
        return max_size == 0 ? LOG_MAX : MIN(LOG_MAX, max_size / 16);
}

static uint64_t main_budget(uint64_t max_size) {
        return max_size - 4 * log_budget(max_size);
}

Store *store_close(Store *s) {
        if (s) {
                (void)sqlite3_close_v2(s->db);
                free(s);
        }
        return NULL;
}

static int store_alloc(const char *path, Store **ret, Error *e) {
        Store *s = calloc(1, sizeof(*s));

        if (!s)
                return error_set(e, -ENOMEM, "out of memory");
        if (snprintf(s->path, sizeof(s->path), "%s", path) >= (int)sizeof(s->path)) {
                free(s);
                return error_set(e, -ENAMETOOLONG, "%.60s…: the path is too long", path);
        }
        *ret = s;
        return 0;
}

static int store_connect(Store *s, int flags, Error *e) {
        Error inner = ERROR_INIT;
        struct stat st;
        int r;

        if (stat(s->path, &st) == 0 && !S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "%s: is not a regular file", s->path);
        if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK) {
                r = -sqlite3_system_errno(s->db);
                if (r == 0)
                        return error_set(e, sql_fail(s->db, &inner, s->path), "%s", inner.text);
                return error_set(e, r, "%s: %s", s->path, strerror(-r));
        }
        sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MSEC);
        return 0;
}

/* Without a look at the pages' contents beyond their structure: a gigabyte takes seconds. */
static int quick_check(Store *s, Error *e) {
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r;

        r = sql_prepare(s->db, "PRAGMA quick_check(1)", &q, e);
        if (r >= 0)
                r = sql_step(q, e);
        if (r < 0)
                return r;
        if (r == 0 || !streq(sql_text(q, 0), "ok"))
                return error_set(e, -EUCLEAN, "%s: is damaged: %s", s->path,
                                 r > 0 ? sql_text(q, 0) : "it cannot be checked");
        return 0;
}

static int set_pragmas(Store *s, Error *e) {
        uint64_t log = log_budget(s->max_size);
        char sql[512];
        int r;

        /* The first only takes effect in an empty file, and has to come before it has a page. */
        r = sql_run(s->db,
                    "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                    "PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY",
                    e);
        if (r < 0)
                return r;
        snprintf(sql, sizeof(sql),
                 "PRAGMA wal_autocheckpoint=%" PRIu64 "; PRAGMA journal_size_limit=%" PRIu64
                 "; PRAGMA cache_size=-4096",
                 log / 2 / PAGE_SIZE, log);
        r = sql_run(s->db, sql, e);
        if (r < 0 || s->max_size == 0)
                return r;
        snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%" PRIu64,
                 main_budget(s->max_size) / PAGE_SIZE);
        return sql_run(s->db, sql, e);
}

static int store_begin(Store *s, Error *e) {
        int64_t version;
        int r;

        r = schema_check(s->db, s->path, &version, e);
        if (r >= 0 && version > 0)
                r = quick_check(s, e);
        if (r >= 0)
                r = set_pragmas(s, e);
        if (r >= 0)
                r = schema_prepare(s->db, s->path, e);
        return r;
}

/* The highest number among those that were moved aside, and how many there are; 0: none. */
static uint64_t find_last(const char *path, uint64_t numbers[], size_t max, size_t *ret_n) {
        const char *slash = strrchr(path, '/');
        const char *name = slash ? slash + 1 : path;
        size_t length = strlen(name), n = 0;
        _cleanup_closedir_ DIR *dir = NULL;
        char folder[4096] = ".";
        uint64_t last = 0;

        if (slash)
                snprintf(folder, sizeof(folder), "%.*s", (int)MAX(slash - path, 1), path);
        if (io_open_dir_at(AT_FDCWD, folder, &dir) < 0)
                return 0;
        for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
                uint64_t number;

                if (strncmp(entry->d_name, name, length) != 0 ||
                    strncmp(entry->d_name + length, BROKEN, strlen(BROKEN)) != 0 ||
                    parse_u64(entry->d_name + length + strlen(BROKEN), 1, UINT32_MAX, &number) < 0)
                        continue;
                last = MAX(last, number);
                if (n < max)
                        numbers[n++] = number;
        }
        *ret_n = n;
        return last;
}

/* Moves the file and what belongs to it; the oldest of its kind go. */
static int move_aside(const char *path, char ret_aside[4096], Error *e) {
        static const char *const parts[] = {"", "-wal", "-shm"};
        char from[4096 + 8], to[4096 + 48];
        uint64_t numbers[64], number;
        size_t n = 0;

        number = find_last(path, numbers, ELEMENTSOF(numbers), &n) + 1;
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                snprintf(from, sizeof(from), "%s%s", path, parts[i]);
                snprintf(to, sizeof(to), "%s" BROKEN "%" PRIu64 "%s", path, number, parts[i]);
                if (rename(from, to) < 0 && (errno != ENOENT || i == 0))
                        return error_set(e, -errno, "%s: cannot be moved aside: %s", from,
                                         strerror(errno));
        }
        for (size_t k = 0; k < n; k++)
                for (size_t i = 0; numbers[k] + STORE_BROKEN_MAX <= number && i < ELEMENTSOF(parts);
                     i++) {
                        snprintf(to, sizeof(to), "%s" BROKEN "%" PRIu64 "%s", path, numbers[k],
                                 parts[i]);
                        (void)unlink(to);
                }
        snprintf(ret_aside, 4096, "%.4060s" BROKEN "%" PRIu64, path, number);
        return 0;
}

int store_open(const char *path, uint64_t max_size, usec_t max_age, Store **ret,
               char ret_aside[4096], Error *e) {
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
        _cleanup_(store_closep)
        Store *s = NULL;
        Error damage = ERROR_INIT;
        int r;

        ret_aside[0] = '\0';
        for (int attempt = 0;; attempt++) {
                s = store_close(s);
                r = store_alloc(path, &s, e);
                if (r < 0)
                        return r;
                s->max_size = max_size;
                s->max_age = max_age;
                r = store_connect(s, flags, e);
                if (r >= 0)
                        r = store_begin(s, attempt == 0 ? &damage : e);
                if (r != -EUCLEAN || attempt > 0)
                        break;
                s = store_close(s);
                r = move_aside(path, ret_aside, e);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return error_set(e, r, "%s", damage.text[0] ? damage.text : strerror(-r));
        *ret = TAKE_PTR(s);
        return 0;
}

int store_open_existing(const char *path, bool writable, Store **ret, Error *e) {
        _cleanup_(store_closep)
        Store *s = NULL;
        Error inner = ERROR_INIT;
        int64_t version = 0;
        int r;

        r = store_alloc(path, &s, e);
        if (r >= 0)
                r = store_connect(s, writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, e);
        if (r < 0)
                return r;
        r = schema_check(s->db, path, &version, &inner);
        if (r == -EUCLEAN)
                return error_set(e, r, "%s: is no data set, or damaged (%s)", path, inner.text);
        if (r < 0)
                return error_set(e, r, "%s", inner.text);
        if (version == 0)
                return error_set(e, -EMEDIUMTYPE, "%s: is empty: no data set", path);
        if (version < SCHEMA_VERSION && !writable)
                return error_set(e, -EPROTO,
                                 "%s: has the older schema version %" PRId64
                                 "; a verb that writes, or aikm-record run, makes it %d",
                                 path, version, SCHEMA_VERSION);
        if (writable) {
                r = set_pragmas(s, e);
                if (r >= 0)
                        r = schema_prepare(s->db, path, e);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

static uint64_t file_size(const char *path, const char *suffix) {
        char full[4096 + 8];
        struct stat st;

        snprintf(full, sizeof(full), "%s%s", path, suffix);
        return stat(full, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int store_get_size(const Store *s, StoreSize *ret, Error *e) {
        int64_t pages = 0, unused = 0;
        int r;

        r = sql_get_i64(s->db, "PRAGMA page_count", 0, &pages, e);
        if (r >= 0)
                r = sql_get_i64(s->db, "PRAGMA freelist_count", 0, &unused, e);
        if (r < 0)
                return r;
        *ret = (StoreSize){
                .main = file_size(s->path, ""),
                .log = file_size(s->path, "-wal"),
                .used = (uint64_t)(pages - unused) * PAGE_SIZE,
        };
        return 0;
}

/* Everything before a complete tick. What a process was called last stays while it lives. */
static int delete_before(Store *s, int64_t cut, Error *e) {
        static const char *const tables[] = {"samples",  "psi",    "events", "decisions",
                                             "feedback", "losses", "ticks"};
        char sql[1024];
        int r;

        r = sql_run(s->db, "BEGIN IMMEDIATE", e);
        if (r < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(tables); i++) {
                snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE tick < %" PRId64, tables[i], cut);
                r = sql_run(s->db, sql, e);
        }
        if (r >= 0) {
                snprintf(sql, sizeof(sql),
                         "DELETE FROM streams WHERE NOT EXISTS (SELECT 1 FROM ticks WHERE "
                         "ticks.stream = streams.stream);"
                         "DELETE FROM processes WHERE ended <= %" PRId64
                         " OR stream NOT IN (SELECT stream FROM streams);"
                         "DELETE FROM runs WHERE stream NOT IN (SELECT stream FROM streams);"
                         "DELETE FROM boots WHERE boot NOT IN (SELECT boot FROM streams)",
                         cut);
                r = sql_run(s->db, sql, e);
        }
        if (r >= 0) {
                snprintf(sql, sizeof(sql),
                         "DELETE FROM programs WHERE process NOT IN (SELECT process FROM "
                         "processes) OR (tick < %" PRId64
                         " AND EXISTS (SELECT 1 FROM programs AS n WHERE n.process = "
                         "programs.process AND n.tick > programs.tick AND n.tick <= %" PRId64 "))",
                         cut, cut);
                r = sql_run(s->db, sql, e);
        }
        if (r >= 0)
                r = sql_run(s->db, "COMMIT", e);
        if (r < 0 && !sqlite3_get_autocommit(s->db))
                (void)sql_run(s->db, "ROLLBACK", /* e= */ NULL);
        return r;
}

/* The second complete tick: where the oldest segment ends. 0: there is one segment at most. */
static int next_cut(const Store *s, int64_t *ret, Error *e) {
        return sql_get_i64(s->db,
                           "SELECT tick FROM ticks WHERE complete AND tick > (SELECT min(tick) "
                           "FROM ticks) ORDER BY tick LIMIT 1",
                           0, ret, e);
}

static int prune_to(Store *s, int64_t cut, StorePruned *ret, Error *e) {
        char sql[128];
        int64_t n = 0;
        int r;

        snprintf(sql, sizeof(sql), "SELECT count(*) FROM ticks WHERE tick < %" PRId64, cut);
        r = sql_get_i64(s->db, sql, 0, &n, e);
        if (r >= 0)
                r = delete_before(s, cut, e);
        if (r >= 0)
                ret->ticks += (uint64_t)n;
        return r;
}

int store_prune_segment(Store *s, StorePruned *ret, Error *e) {
        int64_t cut = 0;
        int r;

        r = next_cut(s, &cut, e);
        if (r < 0 || cut == 0)
                return r;
        r = prune_to(s, cut, ret, e);
        return r < 0 ? r : 1;
}

int store_prune(Store *s, int64_t before, uint64_t size, StorePruned *ret, Error *e) {
        int r;

        for (;;) {
                StoreSize now = {0};
                int64_t cut = 0, at = 0;
                char sql[128];

                r = next_cut(s, &cut, e);
                if (r < 0 || cut == 0)
                        return r;
                snprintf(sql, sizeof(sql), "SELECT at FROM ticks WHERE tick = %" PRId64, cut);
                r = sql_get_i64(s->db, sql, 0, &at, e);
                if (r >= 0)
                        r = store_get_size(s, &now, e);
                if (r < 0)
                        return r;
                if (at > before && (size == 0 || now.used <= size))
                        return 0;
                r = prune_to(s, cut, ret, e);
                if (r < 0)
                        return r;
        }
}

void store_shrink(Store *s) {
        (void)sql_run(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", /* e= */ NULL);
        (void)sql_run(s->db, "PRAGMA incremental_vacuum", /* e= */ NULL);
        (void)sql_run(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", /* e= */ NULL);
}

int store_keep_bounds(Store *s, int64_t now, StorePruned *ret, Error *e) {
        uint64_t budget = s->max_size > 0 ? main_budget(s->max_size) : 0;
        int64_t before = s->max_age > 0 ? now - (int64_t)s->max_age : INT64_MIN;
        StoreSize size = {0};
        int r;

        r = store_get_size(s, &size, e);
        if (r < 0)
                return r;
        if (budget > 0 && (double)size.used > PRUNE_ABOVE * (double)budget)
                budget = (uint64_t)(PRUNE_TO * (double)budget);
        r = store_prune(s, before, budget, ret, e);
        if (r < 0 || s->max_size == 0)
                return r;
        r = store_get_size(s, &size, e);
        if (r >= 0 && size.main + size.log > s->max_size) {
                store_shrink(s);
                r = store_get_size(s, &size, e);
                if (r >= 0 && size.main + size.log > s->max_size)
                        return error_set(e, -ENOSPC,
                                         "%s: a reader keeps its log from being emptied", s->path);
        }
        return r;
}
