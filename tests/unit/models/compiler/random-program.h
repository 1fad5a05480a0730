/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Integer programs made at random, and rows to run them on: the same seed, the same program. */

#include "models/compiler/program.h"

/* What the program is to be: anything, or one of the shapes that a back end may treat apart. */
typedef enum RandomShape {
        RANDOM_ANY,
        RANDOM_MLP_SMALL,      /* 12-16-8-2 */
        RANDOM_MLP,            /* 6-32-32-2 */
        RANDOM_MLP_WIDE,       /* 64-100-10: more than a stack holds */
        RANDOM_MLP_NEGATIVE,   /* all outputs below 0 */
        RANDOM_SPARSE,         /* most weights are 0 */
        RANDOM_TREE,           /* one, depth 10 */
        RANDOM_TREE_SMALL,     /* one of four leaves, two outputs: tables of few bytes */
        RANDOM_FOREST,         /* 50 of depth 8 */
        RANDOM_FOREST_CLASSES, /* 20 of depth 5, seven outputs */
        RANDOM_FOREST_MANY,    /* 300 of depth 4 */
        RANDOM_TREE_LARGE,     /* one of 10,000 leaves */
        RANDOM_TREE_DEEP,      /* one that is a list of 60 */
        RANDOM_TREES_ON_CELLS, /* behind a layer */
        _RANDOM_SHAPE_COUNT
} RandomShape;

const char *random_shape_name(RandomShape shape);

/* Checked and analysed. Never NULL: a failure ends the process, with a message. */
Program *random_program(const char *name, RandomShape shape, Precision precision, uint64_t seed);

/* One row of n_fields: a mix of extremes, of what is in the fields' ranges, and of anything. */
void random_row(const Program *p, uint64_t *state, uint32_t *ret);

uint64_t random_next(uint64_t *state);
/* In [low, high]. */
int64_t random_between(uint64_t *state, int64_t low, int64_t high);
