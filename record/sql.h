/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * SQLite as this project calls things: negative errno, one text that says what failed, cleanup
 * attributes.
 */

#include <sqlite3.h>

#include "util/error.h"
#include "util/macro.h"

static inline void sqlite3_finalizep(sqlite3_stmt **s) {
        (void)sqlite3_finalize(*s);
}
#define _cleanup_statement_ _cleanup_(sqlite3_finalizep)

/* A result code (extended or not) as an errno: -ENOSPC full, -EUCLEAN damaged, -EIO, -EBUSY locked
 * by somebody else, -EROFS, -ENOMEM, -EEXIST a constraint; 0 for SQLITE_OK, _ROW and _DONE. */
int sql_errno(int code);

/* What the last failed call on db was, as an errno and in *e: "what: why". */
int sql_fail(sqlite3 *db, Error *e, const char *what);

/* One or several statements without values. Returns 0 or -errno with *e set. */
int sql_run(sqlite3 *db, const char *sql, Error *e);

/* sql must outlive nothing. Returns 0 or -errno with *e set. */
int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, Error *e);

/* 1: a row is there, 0: no more, or -errno with *e set. */
int sql_step(sqlite3_stmt *s, Error *e);

/* Runs to its end and makes it ready for the next values. Returns 0 or -errno with *e set. */
int sql_finish(sqlite3_stmt *s, Error *e);

/* The first column of the first row; fallback where there is no row. Returns 0 or -errno. */
int sql_get_i64(sqlite3 *db, const char *sql, int64_t fallback, int64_t *ret, Error *e);

/* Text of a column, "" for NULL; valid until the next step. */
const char *sql_text(sqlite3_stmt *s, int column);
