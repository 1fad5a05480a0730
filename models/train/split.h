/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Which programs teach, which choose between networks, and which judge. Programs are split, never
 * rows: {"train": [names], "validation": [names], "test": [names]}, every name once.
 */

#include "models/train/row-table.h"

typedef enum Side { SIDE_TRAIN, SIDE_VALIDATION, SIDE_TEST, _SIDE_COUNT } Side;

const char *side_to_string(Side s);

typedef struct SplitEntry {
        char program[PROGRAM_NAME_MAX];
        Side side;
} SplitEntry;

typedef struct Split {
        SplitEntry *entries;
        size_t n;
} Split;

#define SPLIT_INIT ((Split){.entries = NULL})

void split_done(Split *s);

/* Returns 0 or -errno with *e set: missing or unknown key, a name twice, an invalid name. */
int split_read(const char *path, Split *ret, Error *e);

/* The side of a program, or -ENOENT. */
int split_side(const Split *s, const char *program);

/*
 * A split without a file: a fifth of the programs of the table, chosen by the hash of their names,
 * validates, the rest trains, and every class that has rows has a program on both sides. The same
 * names give the same split. every_class false: where a class has one program, that teaches.
 * Returns 0, -ENOMEM, or -EINVAL with *e naming a class with rows of
 * fewer than two programs.
 */
int split_make(const RowTable *t, bool every_class, Split *ret, Error *e);

/* Puts a program on a side, wherever it was. Returns 0 or -ENOMEM. */
int split_set(Split *s, const char *program, Side side);

/* Every program of the table must be named. Returns 0, or -EINVAL with *e naming the first that is
 * not. */
int split_check(const Split *s, const RowTable *t, Error *e);
