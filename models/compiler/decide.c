/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/cells.h"

static bool is_affine_of_one(const Cell *c) {
        return c->kind == CELL_AFFINE && c->n_terms == 1 && isinf(c->low) && isinf(c->high);
}

/* argmax f(x) = argmax x where every output has the same f and f increases. */
static bool strip_argmax(Cells *c) {
        Decision *d = &c->decision;
        const Cell *first = &c->cells[d->outputs[0]];

        for (size_t i = 0; i < d->n_outputs; i++) {
                const Cell *cell = &c->cells[d->outputs[i]];

                if (first->kind == CELL_FUNCTION) {
                        if (cell->kind != CELL_FUNCTION || !function_increases(&cell->function) ||
                            !function_equal(&cell->function, &first->function))
                                return false;
                } else if (!is_affine_of_one(cell) || cell->terms[0].weight <= 0 ||
                           cell->terms[0].weight < first->terms[0].weight ||
                           cell->terms[0].weight > first->terms[0].weight ||
                           cell->bias < first->bias || cell->bias > first->bias)
                        return false;
        }
        if (first->kind == CELL_AFFINE && first->terms[0].cell < c->n_fields)
                return false;
        for (size_t i = 0; i < d->n_outputs; i++)
                d->outputs[i] = c->cells[d->outputs[i]].terms[0].cell;
        return true;
}

/* f(x) > t is x > inverse of f at t. */
static bool strip_threshold(Cells *c) {
        Decision *d = &c->decision;
        const Cell *cell = &c->cells[d->outputs[0]];
        double t;

        if (cell->kind == CELL_FUNCTION && function_increases(&cell->function))
                t = function_inverse(&cell->function, d->threshold);
        else if (is_affine_of_one(cell) && cell->terms[0].weight > 0 &&
                 cell->terms[0].cell >= c->n_fields)
                t = (d->threshold - cell->bias) / cell->terms[0].weight;
        else
                return false;
        if (!isfinite(t))
                return false; /* always or never: not worth a case of its own */
        d->threshold = t;
        d->outputs[0] = cell->terms[0].cell;
        return true;
}

typedef struct Line { /* bias + weight * cell */
        uint32_t cell;
        double weight, bias;
} Line;

static Line line_of(const Cells *c, uint32_t output) {
        const Cell *cell = &c->cells[output];

        if (is_affine_of_one(cell))
                return (Line){cell->terms[0].cell, cell->terms[0].weight, cell->bias};
        return (Line){output, 1, 0};
}

/* Two outputs that are affine in the same one cell, such as 1 - p and p: a threshold. */
static int pair_to_threshold(Cells *c) {
        Decision *d = &c->decision;
        Line a = line_of(c, d->outputs[0]), b = line_of(c, d->outputs[1]);
        Term t = {.cell = a.cell, .weight = b.weight - a.weight};
        Cell difference = {.kind = CELL_AFFINE,
                           .node = c->cells[d->outputs[0]].node,
                           .n_terms = 1,
                           .terms = &t,
                           .bias = b.bias - a.bias,
                           .low = -(double)INFINITY,
                           .high = (double)INFINITY};
        int64_t r;

        if (a.cell != b.cell || fabs(t.weight) < 1e-300)
                return 0;
        r = cells_add(c, &difference);
        if (r < 0)
                return (int)r;
        d->outputs[0] = (uint32_t)r;
        d->n_outputs = 1;
        d->threshold = 0;
        d->kind = DECISION_THRESHOLD;
        return 1;
}

int cells_simplify_decision(Cells *c) {
        Decision *d = &c->decision;

        for (;;) {
                bool changed = false;
                int r;

                if (d->kind == DECISION_ARGMAX) {
                        changed = strip_argmax(c);
                        if (!changed && d->n_outputs == 2) {
                                r = pair_to_threshold(c);
                                if (r < 0)
                                        return r;
                                changed = r;
                        }
                } else if (d->kind == DECISION_THRESHOLD)
                        changed = strip_threshold(c);
                if (!changed)
                        return 0;
                d->scores = false;
        }
}
