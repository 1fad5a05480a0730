/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/calibrate.h"

static int add_row(const Cells *c, const double *values, CellRange *ranges, double n, Error *e) {
        for (size_t i = 0; i < c->n; i++) {
                CellRange *r = &ranges[i];
                double x = values[i], delta = x - r->mean;

                if (c->cells[i].dead)
                        continue;
                if (!isfinite(x))
                        return error_set(e, -EINVAL,
                                         "node '%.128s' computes %g on a calibration row",
                                         c->graph->nodes[c->cells[i].node].name, x);
                r->low = n <= 1 ? x : MIN(r->low, x);
                r->high = n <= 1 ? x : MAX(r->high, x);
                /* Welford: deviation holds the sum of squares until the end. */
                r->mean += delta / n;
                r->deviation += delta * (x - r->mean);
        }
        return 0;
}

int calibrate(const Cells *c, const CalibrationRows *rows, size_t first, size_t stride,
              CellRange **ret, Error *e) {
        _cleanup_free_
        CellRange *ranges = calloc(c->n + 1, sizeof(*ranges));
        _cleanup_free_
        double *values = calloc(c->n + 1, sizeof(*values)), *fields = NULL;
        double n = 0;

        fields = calloc(c->n_fields + 1, sizeof(*fields));
        if (!ranges || !values || !fields)
                return -ENOMEM;
        for (size_t row = first; row < rows->n_rows; row += stride) {
                int r;

                for (size_t i = 0; i < c->n_fields; i++)
                        fields[i] = (double)rows->rows[row * rows->n_fields + i];
                r = cells_run(c, fields, values, e);
                if (r >= 0)
                        r = add_row(c, values, ranges, ++n, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < c->n; i++)
                ranges[i].deviation = n > 0 ? sqrt(ranges[i].deviation / n) : 0;
        *ret = TAKE_PTR(ranges);
        return 0;
}
