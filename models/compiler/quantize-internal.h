/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Between the quantize*.c files. */

#include "models/compiler/quantize.h"

typedef struct CellScale {
        double scale; /* real = zero + scale * integer */
        double zero;  /* only of fields */
        int32_t low;  /* bounds of the integer */
        int32_t high;
} CellScale;

/* How far the leaves of a forest are shifted: real = integer * 2^-shift. exact: no leaf is rounded.
 */
int forest_shift(const Forest *f, int *ret_shift, bool *ret_exact, Error *e);
/* The step of a forest whose outputs are `outputs` (of the ensemble's scores). */
int forest_step(const Forest *f, const CellScale *scales, const uint32_t *outputs, int shift,
                Step *s, Error *e);
/* The range that branches can tell apart in a field that is compared as it is. */
FieldQuant forest_field(const Cells *c, uint32_t field);
/* What a sum of one weights' unit becomes in the output's: ratio as multiplier and shift, such that
 * `bound` times the multiplier fits 64 bits. Returns 0 or -EOVERFLOW. */
int requant_set(Requant *q, double ratio, double bound);
int32_t to_i32(double x); /* rounded, saturated */

#define Q16_ONE 65536.0

typedef struct Quantizer {
        const Cells *c;
        const Groups *groups;
        const Calibration *calibration; /* NULL where all is trees */
        const CellRange *ranges;        /* of it, or NULL */
        const Interval *field_ranges;
        const Quantization *q;
        uint32_t *class; /* of cells with one scale: union-find */
        double *unit;    /* per cell: the value that becomes needs */
        double *extent;  /* per cell: how many units the largest value is */
        double *needs;   /* per class; 0: not said */
        CellScale *scales;
        uint32_t *place; /* the cell's number in the program */
        Program *program;
        Error *e;
} Quantizer;

/* quantize-round.c: how the weights of rows with the same inputs are rounded. n is 0: each for
 * itself. */
typedef struct Rounding {
        size_t n;
        double *mean;   /* [n] of the inputs */
        double *factor; /* [n][n] */
} Rounding;
int rounding_init(const Quantizer *z, const uint32_t *inputs, size_t n, Rounding *ret);
void rounding_done(Rounding *r);
/* weights, scratch: [n]. Returns what the bias has to grow by, in the weights' unit. */
double rounding_apply(const Rounding *r, const double *weights, double limit, double *scratch,
                      int32_t *ret);

/* quantize-scales.c: every cell's scale, and how a field is brought to it. z->ranges is set. */
int quantizer_set_scales(Quantizer *z);
int quantizer_set_field(Quantizer *z, size_t i);
/* Beyond this a function has nothing new to tell. */
double function_domain(const Function *f);
