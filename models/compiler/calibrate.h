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

/* Rows first, first + stride … of rows. ret: [c->n], of live cells. Returns 0, -EINVAL with *e
 * where a number is not finite, or -ENOMEM. */
int calibrate(const Cells *c, const CalibrationRows *rows, size_t first, size_t stride,
              CellRange **ret, Error *e);
