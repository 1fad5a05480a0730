/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What every cell was over rows of fields. */

#include "models/compiler/cells.h"
#include "models/compiler/compile.h"

typedef struct CellRange {
        double low;
        double high;
        double mean;
        double deviation;
} CellRange;

typedef struct Calibration {
        size_t n_cells;
        CellRange *ranges; /* [n_cells], of live cells */
        size_t n_samples;  /* rows that are kept whole: the first ones, at most SAMPLES_MAX */
        double *samples;   /* [n_samples][n_cells] */
} Calibration;

/* Rows first, first + stride … of rows. Returns 0, -EINVAL with *e where a number is out of bounds,
 * or -ENOMEM. */
int calibrate(const Cells *c, const CalibrationRows *rows, size_t first, size_t stride,
              Calibration **ret, Error *e);
Calibration *calibration_free(Calibration *c);
DEFINE_CLEANUP(Calibration *, calibration_free);
