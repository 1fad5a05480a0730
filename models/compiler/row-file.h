/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Rows of raw fields as CSV: a line of names, then unsigned 32-bit integers, none missing. Columns
 * are found by name; those that nobody asked for may hold anything.
 */

#include <stdio.h>

#include "util/error.h"
#include "util/macro.h"

typedef struct RowFile {
        size_t n_fields;
        char **names; /* of the columns taken */
        size_t n_rows;
        uint32_t *rows; /* [n_rows][n_fields] */
} RowFile;

#define ROW_FILE_INIT ((RowFile){.n_fields = 0})
#define ROW_FILE_COLUMNS_MAX ((size_t)1024)
#define ROW_FILE_ROWS_MAX ((size_t)16 * 1024 * 1024)

/*
 * names: n columns to take, in this order; NULL: all, in the file's. file: for messages. Returns 0,
 * -EINVAL (refused: *e names file, line and column), -ENODATA (header alone), -EFBIG or -ENOMEM.
 */
int row_file_read(RowFile *r, FILE *f, const char *file, const char *const *names, size_t n,
                  Error *e);

/* Opens and reads; "-" is standard input. */
int row_file_read_path(RowFile *r, const char *path, const char *const *names, size_t n, Error *e);

void row_file_done(RowFile *r);
