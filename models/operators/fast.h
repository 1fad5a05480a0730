/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The inner loops that most of a network's time goes to, in vectors as wide as the machine has.
 * Every element has a lane of its own and no sum is split, so the width changes no bit.
 */

#include "models/operators/common.h"

/* Columns of a matrix side by side, as doubles: [column / PANEL][k][PANEL], the last filled up with
 * zeros. */
#define PANEL ((size_t)16)
/* Rows that share each load of a panel. */
#define PANEL_ROWS ((size_t)4)

/* sums[r][j] += sum over k upwards of a[r][k] * panels[j][k], for rows <= PANEL_ROWS, columns <=
 * BLOCK and k <= BLOCK; filled up to PANEL, the columns beside the last add 0 times something.
 * Panels lie `stride` doubles apart. */
typedef struct Tile {
        const Block *a;
        const double *panels;
        size_t rows, k, columns;
        size_t stride;
} Tile;
void fast_tile(const Tile *t, Block *sums);
/* ret[i] = alpha * sums[i] + beta * c[i], rounded once. */
void fast_combine(double alpha, const Block *sums, double beta, const Block *c, float *ret,
                  size_t n);

/* Of floats, to the last bit but for one in many thousands: relative errors are below 1e-12 before
 * the result is rounded. x and ret may be the same. */
void fast_tanh(const float *x, float *ret, size_t n);
void fast_sigmoid(const float *x, float *ret, size_t n);
void fast_exp(const float *x, float *ret, size_t n);
/* In place, below 1e-12. */
void fast_exp_f64(double *x, size_t n);

/* From now on with at most so many doubles in a vector, where the machine has such: 2, 4, 8. Tests
 * hold them against each other. */
void fast_limit(unsigned lanes);
