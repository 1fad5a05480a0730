/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The data set: one labelled feature row per process and tick, and its CSV form.
 *
 * Columns: program, run, pid, t (seconds since the recording began), label (class name), dormant
 * (1: it had slept for so long that the daemon says idle without asking a model), then every
 * feature by name in the table's order, after its transform and before standardisation. Numbers are
 * written so that reading them gives the same bits.
 */

#include <stdio.h>
#include <sys/types.h>

#include "models/feature.h"
#include "policy/class.h"
#include "util/error.h"
#include "util/macro.h"

#define PROGRAM_NAME_MAX 48

typedef struct Row {
        char program[PROGRAM_NAME_MAX];
        char run[PROGRAM_NAME_MAX];
        pid_t pid;
        double at; /* seconds */
        LoadClass label;
        bool dormant; /* x is 0 then; no network learns from such a row */
        float x[FEATURE_COUNT];
} Row;

typedef struct RowTable {
        Row *rows;
        size_t n;
        size_t n_allocated;
} RowTable;

#define ROW_TABLE_INIT ((RowTable){.rows = NULL})

void row_table_done(RowTable *t);

/* Makes room for one more row and returns it zeroed; NULL: out of memory. */
Row *row_table_add(RowTable *t);

/* Letters, digits and "._+-", shorter than PROGRAM_NAME_MAX. */
bool program_name_is_valid(const char *name);

/*
 * Reads rows from f until its end. name: of the file, for messages. Every line is checked: columns,
 * class, finite numbers. Returns 0, -EINVAL (refused: *e names file, line and column), -ENODATA
 * (header alone) or -ENOMEM.
 */
int row_table_read(RowTable *t, FILE *f, const char *name, Error *e);

/* Opens and reads; "-" is standard input. */
int row_table_read_path(RowTable *t, const char *path, Error *e);

/* Returns 0 or -errno; f is flushed. */
int row_table_write(const RowTable *t, FILE *f);
