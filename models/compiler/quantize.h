/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Groups of real-valued cells to the steps of an integer program.
 *
 * Every cell has a scale of its own (real = scale * integer): weights take up the scales of their
 * inputs, and are then rounded against the largest of their row. Cells that are compared or share a
 * table have one scale in common.
 */

#include "models/compiler/calibrate.h"
#include "models/compiler/group.h"

/*
 * Back ends compute several sums in one 64-bit register, as many as the difference between the
 * largest and the smallest value of each lets fit: 4 below 2^16, 3 below 2^21, 2 below 2^32. So
 * activations take what the weights of the layer that reads them leave of that.
 */
typedef struct Quantization {
        Precision precision;
        double weight_max;      /* the largest weight of a row becomes that */
        double sum_range;       /* what the sums of an affine step may differ by, if ... */
        double sum_range_small; /* (tried first) */
        double activation_min;  /* ... the inputs' largest value can stay that */
        double activation_max;  /* more is no use */
        double table_max;       /* largest argument of a table */
        double table_entries;   /* at most; arguments are shifted until they are as few */
        double output_max;      /* and of what is decided by */
        double deviations; /* a field's unit is that many standard deviations; 0: its largest value
                            */
        double balance; /* 0: cells of a layer have one scale, 1: each its own, between: between */
        double room;    /* fields are cut beyond so many times what calibration saw */
} Quantization;

/* How many ways of each precision there are to try, from cheap to dear. NULL past the last. */
const Quantization *quantization_at(Precision p, size_t i);

/* calibration: of the cells; NULL where all is trees. field_ranges: what the spec states, or NULL.
 * The program is complete but for its name, and has been checked and analysed. Returns 0,
 * -EOVERFLOW or -EINVAL with *e, or -ENOMEM. */
int quantize(const Cells *c, const Groups *groups, const Calibration *calibration,
             const Interval *field_ranges, const Quantization *q, Program **ret, Error *e);
