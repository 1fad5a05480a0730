/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/cells.h"

/* y = x, as a cell that is quantised in its own way. */
static int64_t add_copy(Cells *c, uint32_t of) {
        Term t = {of, 1};
        Cell copy = {.kind = CELL_AFFINE,
                     .node = c->cells[of].node,
                     .n_terms = 1,
                     .terms = &t,
                     .low = -(double)INFINITY,
                     .high = (double)INFINITY};

        return cells_add(c, &copy);
}

/* Cells take only cells before their own, so copies of fields have to stand first: everything moves
 * up by their number. */
static int insert_copies(Cells *c, const uint32_t *fields, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int64_t r = add_copy(c, fields[i]);

                if (r < 0)
                        return (int)r;
        }
        if (n > 0) {
                _cleanup_free_
                Cell *copies = malloc(n * sizeof(*copies));

                if (!copies)
                        return -ENOMEM;
                memcpy(copies, c->cells + c->n - n, n * sizeof(*copies));
                memmove(c->cells + c->n_fields + n, c->cells + c->n_fields,
                        (c->n - n - c->n_fields) * sizeof(*c->cells));
                memcpy(c->cells + c->n_fields, copies, n * sizeof(*copies));
        }
        for (size_t i = c->n_fields + n; i < c->n; i++)
                for (size_t k = 0; k < c->cells[i].n_terms; k++)
                        if (c->cells[i].terms[k].cell >= c->n_fields)
                                c->cells[i].terms[k].cell += (uint32_t)n;
        for (size_t i = 0; i < c->n_forests; i++)
                for (size_t k = 0; k < c->forests[i].n_inputs; k++)
                        if (c->forests[i].inputs[k] >= c->n_fields)
                                c->forests[i].inputs[k] += (uint32_t)n;
        for (size_t i = 0; i < c->decision.n_outputs; i++)
                if (c->decision.outputs[i] >= c->n_fields)
                        c->decision.outputs[i] += (uint32_t)n;
        return 0;
}

static bool takes_field(const Cells *c, const Cell *cell, uint32_t field) {
        return cell->kind == CELL_TREES ||
               (cell->kind == CELL_AFFINE && !cells_is_exact_field(c, field));
}

/* As many forests as a model has, each with a few dozen inputs: looked up once per field. */
static int separate_fields(Cells *c) {
        _cleanup_free_
        uint32_t *copied = calloc(c->n_fields + 1, sizeof(*copied)), *at = NULL;
        _cleanup_free_
        uint8_t *exact = calloc(c->n_fields + 1, 1), *needs = NULL;
        size_t n = 0;
        int r;

        at = calloc(c->n_fields + 1, sizeof(*at));
        needs = calloc(c->n_fields + 1, 1);
        if (!copied || !exact || !at || !needs)
                return -ENOMEM;
        for (size_t i = c->n_fields; i < c->n; i++)
                for (size_t k = 0; !c->cells[i].dead && k < c->cells[i].n_terms; k++) {
                        uint32_t field = c->cells[i].terms[k].cell;

                        if (field < c->n_fields && !takes_field(c, &c->cells[i], field))
                                needs[field] = 1;
                }
        for (size_t i = 0; i < c->n_fields; i++) {
                exact[i] = cells_is_exact_field(c, (uint32_t)i);
                if (!needs[i])
                        continue;
                at[i] = (uint32_t)(c->n_fields + n);
                copied[n++] = (uint32_t)i;
        }
        r = insert_copies(c, copied, n);
        if (r < 0)
                return r;
        for (size_t i = c->n_fields + n; i < c->n; i++)
                for (size_t k = 0; k < c->cells[i].n_terms; k++) {
                        Cell *cell = &c->cells[i];
                        uint32_t field = cell->terms[k].cell;

                        if (field < c->n_fields && needs[field] && cell->kind != CELL_TREES &&
                            (cell->kind != CELL_AFFINE || exact[field]))
                                cell->terms[k].cell = at[field];
                }
        return 0;
}

static bool has_user(const Cells *c, uint32_t cell) {
        for (size_t i = c->n_fields; i < c->n; i++)
                for (size_t k = 0; !c->cells[i].dead && k < c->cells[i].n_terms; k++)
                        if (c->cells[i].terms[k].cell == cell)
                                return true;
        return false;
}

static int separate_outputs(Cells *c) {
        Decision *d = &c->decision;
        size_t n_trees = 0;
        bool separate = false;

        for (size_t i = 0; i < d->n_outputs; i++) {
                const Cell *cell = &c->cells[d->outputs[i]];

                separate |= d->outputs[i] < c->n_fields || has_user(c, d->outputs[i]);
                n_trees += cell->kind == CELL_TREES;
                separate |= cell->kind == CELL_TREES &&
                            cell->forest != c->cells[d->outputs[0]].forest;
                for (size_t k = 0; k < i; k++)
                        separate |= d->outputs[k] == d->outputs[i];
        }
        if (!separate && (n_trees == 0 || n_trees == d->n_outputs))
                return 0;
        for (size_t i = 0; i < d->n_outputs; i++) {
                int64_t r = add_copy(c, d->outputs[i]);

                if (r < 0)
                        return (int)r;
                d->outputs[i] = (uint32_t)r;
        }
        return 0;
}

int cells_separate(Cells *c) {
        int r;

        r = separate_outputs(c);
        if (r < 0)
                return r;
        cells_mark_dead(c);
        r = separate_fields(c);
        if (r < 0)
                return r;
        cells_mark_dead(c);
        return 0;
}
