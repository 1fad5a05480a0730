/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/float-model.h"

#include <errno.h>

#include "models/compiler/choose.h"
#include "models/compiler/lower.h"

struct FloatModel {
        Cells *cells;
        GraphRow *row;
        double *fields;
        double *values; /* of all cells */
};

FloatModel *float_model_free(FloatModel *m) {
        if (!m)
                return NULL;
        cells_free(m->cells);
        graph_row_free(m->row);
        free(m->fields);
        free(m->values);
        free(m);
        return NULL;
}

int float_model_new(const Graph *g, const CompileOptions *options, FloatModel **ret, Error *e) {
        _cleanup_(float_model_freep)
        FloatModel *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return error_set(e, -ENOMEM, "out of memory");
        r = compile_cells(g, options, &m->cells, e);
        if (r >= 0)
                r = graph_row_new(g, &m->row, e);
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        m->fields = calloc(m->cells->n_fields + 1, sizeof(*m->fields));
        m->values = calloc(m->cells->n + 1, sizeof(*m->values));
        if (!m->fields || !m->values)
                return error_set(e, -ENOMEM, "out of memory");
        *ret = TAKE_PTR(m);
        return 0;
}

int float_model_run(FloatModel *m, const uint32_t *raw, int64_t *ret_decision, double *ret_outputs,
                    Error *e) {
        const Decision *d = &m->cells->decision;
        int r;

        for (size_t i = 0; i < m->cells->n_fields; i++)
                m->fields[i] = (double)raw[i];
        graph_row_set(m->row, m->fields);
        r = lower_graph_decide(m->cells, m->row, ret_decision, NULL, e);
        if (r >= 0)
                r = cells_run(m->cells, m->fields, m->values, e);
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        for (size_t i = 0; i < d->n_outputs; i++)
                ret_outputs[i] = m->values[d->outputs[i]];
        return 0;
}
