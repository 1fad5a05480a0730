/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Rows and columns that adapt to a width: columns shrink to their least width, the least important
 * first, then disappear, the least important first. With width 0 nothing is cut.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/context.h"

typedef struct Column {
        const char *title; /* NULL ends a list */
        int priority;      /* 0: never dropped; greater goes earlier */
        size_t min;        /* least width where space is short; 0: never shrinks */
        size_t max;        /* greatest width on a terminal; 0: any */
        bool right;        /* numbers */
} Column;

typedef struct Table Table;

/* columns: borrowed, static. utf8: of the terminal. NULL: out of memory. */
Table *table_new(const Column *columns, bool utf8);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free);

/* Adds a cell to the last row, which is begun when the one before is full. Text is escaped; NULL is
 * shown as "-". Out of memory is remembered and reported by table_layout(). */
void table_add(Table *t, const char *text, Style style);
_printf_(3, 4) void table_addf(Table *t, Style style, const char *format, ...);

size_t table_rows(const Table *t);

/* Decides the columns' widths for a terminal of width columns (0: none). 0 or -ENOMEM. */
int table_layout(Table *t, size_t width);

/* After table_layout(): writes the header or a row, without newline. */
void table_write_header(const Table *t, FILE *f, bool color);
void table_write_row(const Table *t, size_t row, FILE *f, bool color);

/* Layout, header (where the context wants one) and all rows on f. 0 or -ENOMEM. */
int table_print(Table *t, const Context *c, FILE *f);
