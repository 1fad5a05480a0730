/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Where rows go: a CSV file or the table `rows` of a new SQLite file, both as pandas reads them.
 * A file appears under its name when it is whole.
 */

#include "record/sql.h"

typedef enum CellKind { CELL_NONE, CELL_INTEGER, CELL_FLOAT, CELL_SECONDS, CELL_TEXT } CellKind;

typedef struct Cell {
        CellKind kind;
        int64_t integer;
        double number; /* FLOAT: so that reading gives the same float; SECONDS: to a millisecond */
        const char *text; /* NULL: none */
} Cell;

typedef enum SheetFormat { SHEET_CSV, SHEET_SQLITE } SheetFormat;

typedef struct Sheet Sheet;

/* path "-": standard output, for CSV alone. columns: copied. Returns 0 or -errno with *e set;
 * -EEXIST where the file is there already. */
int sheet_new(const char *path, SheetFormat format, const char *const *columns, size_t n,
              Sheet **ret, Error *e);
/* What is not finished leaves nothing behind. */
Sheet *sheet_free(Sheet *s);
DEFINE_CLEANUP(Sheet *, sheet_free);

/* One for each column. Returns 0 or -errno with *e set. */
int sheet_put(Sheet *s, const Cell *cells, Error *e);

/* What is told about the rows: the table `meta` in SQLite, PATH.meta.json beside a CSV; json is
 * the whole of it. */
int sheet_finish(Sheet *s, const char *json, Error *e);
