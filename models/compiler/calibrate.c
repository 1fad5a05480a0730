/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/calibrate.h"

#define CELL_VALUE_MAX 1e30
#define SAMPLES_MAX ((size_t)1024)
#define SAMPLE_NUMBERS_MAX ((size_t)1 << 22)

Calibration *calibration_free(Calibration *c) {
        if (!c)
                return NULL;
        free(c->ranges);
        free(c->samples);
        free(c);
        return NULL;
}

static Calibration *calibration_new(const Cells *c, size_t n_rows) {
        Calibration *to = calloc(1, sizeof(*to));

        if (!to)
                return NULL;
        to->n_cells = c->n;
        to->n_samples = MIN(n_rows, MIN(SAMPLES_MAX, SAMPLE_NUMBERS_MAX / (c->n + 1)));
        to->ranges = calloc(c->n + 1, sizeof(*to->ranges));
        to->samples = calloc(to->n_samples * c->n + 1, sizeof(*to->samples));
        return to->ranges && to->samples ? to : calibration_free(to);
}

/* Row n, from 0. */
static int add_row(const Cells *c, const double *values, Calibration *to, size_t n, Error *e) {
        for (size_t i = 0; i < c->n; i++) {
                CellRange *r = &to->ranges[i];
                double x = values[i], delta = x - r->mean;

                if (c->cells[i].dead)
                        continue;
                if (!(fabs(x) <= CELL_VALUE_MAX))
                        return error_set(e, -EINVAL,
                                         "node '%.128s' computes %g on a calibration row",
                                         c->graph->nodes[c->cells[i].node].name, x);
                r->low = n == 0 ? x : MIN(r->low, x);
                r->high = n == 0 ? x : MAX(r->high, x);
                /* Welford: deviation holds the sum of squares until the end. */
                r->mean += delta / (double)(n + 1);
                r->deviation += delta * (x - r->mean);
        }
        if (n < to->n_samples)
                memcpy(to->samples + n * c->n, values, c->n * sizeof(*values));
        return 0;
}

int calibrate(const Cells *c, const CalibrationRows *rows, size_t first, size_t stride,
              Calibration **ret, Error *e) {
        size_t n_rows = rows->n_rows > first ? (rows->n_rows - first + stride - 1) / stride : 0;
        _cleanup_(calibration_freep)
        Calibration *to = calibration_new(c, n_rows);
        _cleanup_free_
        double *values = calloc(c->n + 1, sizeof(*values)), *fields = NULL;

        fields = calloc(c->n_fields + 1, sizeof(*fields));
        if (!to || !values || !fields)
                return -ENOMEM;
        for (size_t n = 0; n < n_rows; n++) {
                const uint32_t *row = rows->rows + (first + n * stride) * rows->n_fields;
                int r;

                for (size_t i = 0; i < c->n_fields; i++)
                        fields[i] = (double)row[i];
                r = cells_run(c, fields, values, e);
                if (r >= 0)
                        r = add_row(c, values, to, n, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < c->n; i++)
                to->ranges[i].deviation = n_rows > 0
                                                  ? sqrt(to->ranges[i].deviation / (double)n_rows)
                                                  : 0;
        *ret = TAKE_PTR(to);
        return 0;
}
