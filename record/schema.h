/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The tables of a data set, and how an older one becomes a newer one.
 *
 * All numbers are integers. Times are µs: `at` since the epoch, `boot_at` of CLOCK_BOOTTIME. What
 * hangs together in one stream (one connection to the daemon, or one imported recording) is
 * numbered by tick; a row without an `at` of its own has its tick's.
 */

#include <stddef.h>
#include <stdint.h>

#include "collectors/sample.h"
#include "record/sql.h"

#define SCHEMA_APPLICATION_ID 0x41494b4d /* "AIKM" */
#define SCHEMA_VERSION 1

/* Columns of `samples` that are members of ProcSample. pid and start are in `processes`, comm in
 * `programs`. */
typedef struct SampleColumn {
        const char *name;
        uint16_t offset;
        uint8_t size;
        bool is_signed;
} SampleColumn;

extern const SampleColumn sample_columns[];
extern const size_t n_sample_columns;

int64_t sample_column_get(const SampleColumn *c, const ProcSample *p);
void sample_column_set(const SampleColumn *c, ProcSample *p, int64_t value);

/* Makes the tables in an empty database, or brings older ones up to date, in one transaction.
 * Returns 0, -EPROTO for a newer schema, -EMEDIUMTYPE for another program's database, or -errno;
 * *e says which. */
int schema_prepare(sqlite3 *db, const char *path, Error *e);

/* What it is, without changing it: 0 with the version (0: empty), or as above. */
int schema_check(sqlite3 *db, const char *path, int64_t *ret_version, Error *e);

/* The tables, in the order in which rows may be copied; NULL at the end. */
extern const char *const schema_tables[];
