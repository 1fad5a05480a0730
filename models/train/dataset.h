/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * From rows to what a network is fed: mean and deviation of each feature, and an endless stream of
 * rows in which every class counts alike, and within a class every program. Darknet knows no class
 * weights; drawing rows evenly does the same. Pure, and deterministic for a seed.
 */

#include "models/model.h"
#include "models/train/row-table.h"

/* A deviation below this would blow up a feature that hardly ever moves. */
#define DEVIATION_MIN 0.05f

typedef struct Standard {
        float mean[FEATURE_COUNT];
        float deviation[FEATURE_COUNT]; /* >= DEVIATION_MIN */
} Standard;

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers on every machine. */
typedef struct Random {
        uint64_t state;
} Random;

uint64_t random_next(Random *r);
size_t random_below(Random *r, size_t n); /* 0 .. n - 1, n > 0 */
double random_unit(Random *r);            /* [0, 1) */
double random_normal(Random *r);          /* mean 0, deviation 1 */

typedef struct Group {
        size_t first; /* into Sampler.order */
        size_t n;
        LoadClass label;
} Group;

/* Rows by class and program. Borrows the table. */
typedef struct Sampler {
        const RowTable *table;
        size_t *order;
        Group *groups; /* by class, then by program */
        size_t n_groups;
        size_t first_group[_CLASS_COUNT + 1];
        LoadClass classes[_CLASS_COUNT]; /* those that have rows */
        size_t n_classes;
} Sampler;

#define SAMPLER_INIT ((Sampler){.table = NULL})

/* Returns 0, -ENODATA (no rows) or -ENOMEM. */
int sampler_init(Sampler *s, const RowTable *t);
void sampler_done(Sampler *s);

/* Rows in all. */
static inline size_t sampler_rows(const Sampler *s) {
        return s->n_groups > 0 ? s->groups[s->n_groups - 1].first + s->groups[s->n_groups - 1].n
                               : 0;
}

/* A row: class by chance, program of that class by chance, row of that program by chance. */
const Row *sampler_next(const Sampler *s, Random *random);

/* Mean and deviation as the stream has them: every class and program weighs the same. */
void sampler_standard(const Sampler *s, Standard *ret);

/* Weight of a row of group g, so that every class sums to 1 and its programs share evenly. */
double sampler_weight(const Sampler *s, size_t g);

/* What the network gets: (row - mean) / deviation, cut at MODEL_INPUT_MAX as in the daemon. */
void standard_apply(const Standard *s, const float *row, float *ret);
