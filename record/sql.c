/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/sql.h"

#include <errno.h>

int sql_errno(int code) {
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_CONSTRAINT:
                return -EEXIST;
        case SQLITE_CANTOPEN:
                return -ENOENT;
        default:
                return -EIO;
        }
}

int sql_fail(sqlite3 *db, Error *e, const char *what) {
        int r = db ? sql_errno(sqlite3_extended_errcode(db)) : -ENOMEM;

        return error_set(e, r < 0 ? r : -EIO, "%s: %s", what,
                         db ? sqlite3_errmsg(db) : "out of memory");
}

int sql_run(sqlite3 *db, const char *sql, Error *e) {
        return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                    : sql_fail(db, e, "database");
}

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, Error *e) {
        sqlite3_stmt *s;

        if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
                return sql_fail(db, e, "database");
        *ret = s;
        return 0;
}

int sql_step(sqlite3_stmt *s, Error *e) {
        int code = sqlite3_step(s);

        if (code == SQLITE_ROW)
                return 1;
        return code == SQLITE_DONE ? 0 : sql_fail(sqlite3_db_handle(s), e, "database");
}

int sql_finish(sqlite3_stmt *s, Error *e) {
        int k;

        do
                k = sql_step(s, e);
        while (k > 0);
        (void)sqlite3_reset(s);
        return k;
}

int sql_get_i64(sqlite3 *db, const char *sql, int64_t fallback, int64_t *ret, Error *e) {
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int k;

        k = sql_prepare(db, sql, &s, e);
        if (k >= 0)
                k = sql_step(s, e);
        if (k < 0)
                return k;
        *ret = k > 0 && sqlite3_column_type(s, 0) != SQLITE_NULL ? sqlite3_column_int64(s, 0)
                                                                 : fallback;
        return 0;
}

const char *sql_text(sqlite3_stmt *s, int column) {
        const unsigned char *text = sqlite3_column_text(s, column);

        return text ? (const char *)text : "";
}
