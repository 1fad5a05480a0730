/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/compiler/group.h"

/*
 * Affine cells with the same inputs are the rows of one matrix. A layer with zero weights has rows
 * that differ a little: matrices are joined as long as the zeros that this adds are few. Rows that
 * then still stand alone (scales, sums of two vectors) share one SUM.
 */

typedef struct Builder {
        Cells *c;
        Groups *groups;
        uint32_t *level; /* of a cell: how many steps stand before it at least */
        uint32_t *stamp;
        uint32_t now;
} Builder;

static void group_done(Group *g) {
        free(g->outputs);
        free(g->inputs);
}

Groups *groups_free(Groups *g) {
        if (!g)
                return NULL;
        for (size_t i = 0; i < g->n; i++)
                group_done(&g->groups[i]);
        free(g->groups);
        free(g);
        return NULL;
}

static int term_compare(const void *a, const void *b) {
        const Term *x = a, *y = b;

        return x->cell < y->cell ? -1 : x->cell > y->cell;
}

static int find_levels(Builder *b) {
        Cells *c = b->c;

        for (size_t i = c->n_fields; i < c->n; i++) {
                Cell *cell = &c->cells[i];
                uint32_t level = 0;

                if (cell->dead)
                        continue;
                if (cell->n_terms == 0) {
                        Term *t = calloc(1, sizeof(*t));

                        if (!t)
                                return -ENOMEM;
                        free(cell->terms);
                        cell->terms = t;
                        cell->n_terms = 1;
                }
                if (cell->kind == CELL_AFFINE)
                        qsort(cell->terms, cell->n_terms, sizeof(*cell->terms), term_compare);
                for (size_t k = 0; k < cell->n_terms; k++)
                        level = MAX(level, b->level[cell->terms[k].cell]);
                b->level[i] = level + 1;
        }
        return 0;
}

static Group *add_group(Builder *b, StepKind kind) {
        Group *groups = reallocarray(b->groups->groups, b->groups->n + 1, sizeof(*groups));

        if (!groups)
                return NULL;
        b->groups->groups = groups;
        groups[b->groups->n] = (Group){.kind = kind};
        return &groups[b->groups->n++];
}

static int add_output(Group *g, uint32_t cell) {
        /* Grows by doubling. */
        if ((g->n_outputs & (g->n_outputs - 1)) == 0) {
                uint32_t *outputs = reallocarray(g->outputs, MAX((size_t)1, 2 * g->n_outputs),
                                                 sizeof(*outputs));

                if (!outputs)
                        return -ENOMEM;
                g->outputs = outputs;
        }
        g->outputs[g->n_outputs++] = cell;
        return 0;
}

static int u32_compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return x < y ? -1 : x > y;
}

static int set_inputs(Group *g, const Cell *cell) {
        g->n_inputs = cell->n_terms;
        g->inputs = calloc(cell->n_terms, sizeof(*g->inputs));
        if (!g->inputs)
                return -ENOMEM;
        for (size_t i = 0; i < cell->n_terms; i++)
                g->inputs[i] = cell->terms[i].cell;
        return 0;
}

static bool same_inputs(const Group *g, const Cell *cell) {
        if (g->n_inputs != cell->n_terms)
                return false;
        for (size_t i = 0; i < g->n_inputs; i++)
                if (g->inputs[i] != cell->terms[i].cell)
                        return false;
        return true;
}

/* The group at or after `first` that takes exactly the cell's inputs; rows mostly come in turn. */
static int add_affine(Builder *b, size_t first, uint32_t index) {
        const Cell *cell = &b->c->cells[index];
        Group *g;
        int r;

        for (size_t i = b->groups->n; i-- > first;)
                if (b->groups->groups[i].kind == STEP_AFFINE &&
                    same_inputs(&b->groups->groups[i], cell))
                        return add_output(&b->groups->groups[i], index);
        g = add_group(b, STEP_AFFINE);
        if (!g)
                return -ENOMEM;
        r = set_inputs(g, cell);
        if (r < 0)
                return r;
        return add_output(g, index);
}

/* Joins y to x where the zeros that this makes are at most a quarter of both. */
static int join(Builder *b, Group *x, Group *y) {
        size_t n = x->n_inputs, cost = x->n_inputs * x->n_outputs + y->n_inputs * y->n_outputs;
        uint32_t *inputs;

        b->now++;
        for (size_t i = 0; i < x->n_inputs; i++)
                b->stamp[x->inputs[i]] = b->now;
        for (size_t i = 0; i < y->n_inputs; i++)
                n += b->stamp[y->inputs[i]] != b->now;
        if (4 * n * (x->n_outputs + y->n_outputs) > 5 * cost)
                return 0;
        inputs = reallocarray(x->inputs, n, sizeof(*inputs));
        if (!inputs)
                return -ENOMEM;
        x->inputs = inputs;
        for (size_t i = 0; i < y->n_inputs; i++)
                if (b->stamp[y->inputs[i]] != b->now)
                        inputs[x->n_inputs++] = y->inputs[i];
        qsort(inputs, x->n_inputs, sizeof(*inputs), u32_compare);
        for (size_t i = 0; i < y->n_outputs; i++)
                if (add_output(x, y->outputs[i]) < 0)
                        return -ENOMEM;
        qsort(x->outputs, x->n_outputs, sizeof(*x->outputs), u32_compare);
        group_done(y);
        *y = (Group){.kind = STEP_AFFINE};
        return 1;
}

static void drop_empty(Builder *b, size_t first) {
        size_t kept = first;

        for (size_t i = first; i < b->groups->n; i++)
                if (b->groups->groups[i].n_outputs > 0)
                        b->groups->groups[kept++] = b->groups->groups[i];
                else
                        group_done(&b->groups->groups[i]);
        b->groups->n = kept;
}

static int join_affine(Builder *b, size_t first) {
        for (size_t i = first; i < b->groups->n; i++)
                for (size_t k = i + 1; b->groups->groups[i].n_outputs > 0 && k < b->groups->n; k++)
                        if (b->groups->groups[k].n_outputs > 0 &&
                            join(b, &b->groups->groups[i], &b->groups->groups[k]) < 0)
                                return -ENOMEM;
        drop_empty(b, first);
        return 0;
}

/* Single rows of more than min, at most max terms: a step per row would be a waste. */
static int gather_sum(Builder *b, size_t first, size_t min, size_t max) {
        size_t n = 0, last = b->groups->n;
        Group *sum;

        for (size_t i = first; i < last; i++) {
                const Group *g = &b->groups->groups[i];

                n += g->kind == STEP_AFFINE && g->n_outputs == 1 && g->n_inputs > min &&
                     g->n_inputs <= max;
        }
        if (n < 2)
                return 0;
        sum = add_group(b, STEP_SUM);
        if (!sum)
                return -ENOMEM;
        for (size_t i = first; i < last; i++) {
                Group *g = &b->groups->groups[i];

                if (g->kind != STEP_AFFINE || g->n_outputs != 1 || g->n_inputs <= min ||
                    g->n_inputs > max)
                        continue;
                if (add_output(sum, g->outputs[0]) < 0)
                        return -ENOMEM;
                sum->n_terms = MAX(sum->n_terms, g->n_inputs);
                g->n_outputs = 0;
        }
        qsort(sum->outputs, sum->n_outputs, sizeof(*sum->outputs), u32_compare);
        drop_empty(b, first);
        return 0;
}

static int gather_sums(Builder *b, size_t first) {
        int r = 0;

        for (size_t max = 1; max <= CELLS_MAX && r >= 0; max *= 2)
                r = gather_sum(b, first, max / 2, max);
        return r;
}

static StepKind kind_of(const Cell *cell) {
        switch (cell->kind) {
        case CELL_LEAKY:
                return STEP_LEAKY;
        case CELL_FUNCTION:
                return STEP_TABLE;
        case CELL_PRODUCT:
                return STEP_PRODUCT;
        case CELL_MAX:
                return STEP_MAX;
        case CELL_TREES:
                return STEP_TREES;
        default:
                return STEP_AFFINE;
        }
}

static bool belongs(const Builder *b, const Group *g, const Cell *cell) {
        const Cell *first = &b->c->cells[g->outputs[0]];

        if (g->kind != kind_of(cell))
                return false;
        switch (g->kind) {
        case STEP_TABLE:
                return function_equal(&first->function, &cell->function);
        case STEP_MAX:
                return first->n_terms == cell->n_terms;
        case STEP_TREES:
                return first->forest == cell->forest;
        default:
                return true;
        }
}

static int add_other(Builder *b, size_t first, uint32_t index) {
        const Cell *cell = &b->c->cells[index];
        Group *g;
        int r;

        for (size_t i = first; i < b->groups->n; i++)
                if (belongs(b, &b->groups->groups[i], cell))
                        return add_output(&b->groups->groups[i], index);
        g = add_group(b, kind_of(cell));
        if (!g)
                return -ENOMEM;
        g->n_terms = cell->n_terms;
        if (g->kind == STEP_TREES) {
                r = set_inputs(g, cell);
                if (r < 0)
                        return r;
        }
        return add_output(g, index);
}

typedef struct Ordered {
        uint32_t level;
        uint32_t cell;
} Ordered;

static int ordered_compare(const void *a, const void *b) {
        const Ordered *x = a, *y = b;

        if (x->level != y->level)
                return x->level < y->level ? -1 : 1;
        return x->cell < y->cell ? -1 : x->cell > y->cell;
}

static int build_level(Builder *b, const Ordered *cells, size_t n) {
        size_t first = b->groups->n;
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                if (b->c->cells[cells[i].cell].kind == CELL_AFFINE)
                        r = add_affine(b, first, cells[i].cell);
        if (r >= 0)
                r = join_affine(b, first);
        if (r >= 0)
                r = gather_sums(b, first);
        first = b->groups->n;
        for (size_t i = 0; i < n && r >= 0; i++)
                if (b->c->cells[cells[i].cell].kind != CELL_AFFINE)
                        r = add_other(b, first, cells[i].cell);
        return r;
}

int groups_new(Cells *c, Groups **ret) {
        _cleanup_(groups_freep)
        Groups *groups = calloc(1, sizeof(*groups));
        _cleanup_free_
        uint32_t *level = calloc(c->n + 1, sizeof(*level)), *stamp = NULL;
        _cleanup_free_
        Ordered *order = calloc(c->n + 1, sizeof(*order));
        Builder b = {.c = c, .groups = groups, .level = level};
        size_t n = 0;
        int r;

        b.stamp = stamp = calloc(c->n + 1, sizeof(*stamp));
        if (!groups || !level || !stamp || !order)
                return -ENOMEM;
        r = find_levels(&b);
        if (r < 0)
                return r;
        for (size_t i = c->n_fields; i < c->n; i++)
                if (!c->cells[i].dead)
                        order[n++] = (Ordered){level[i], (uint32_t)i};
        qsort(order, n, sizeof(*order), ordered_compare);
        for (size_t i = 0, k; i < n; i = k) {
                for (k = i + 1; k < n && order[k].level == order[i].level;)
                        k++;
                r = build_level(&b, order + i, k - i);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(groups);
        return 0;
}
