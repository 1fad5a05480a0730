/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/cells.h"

#include "models/operator.h"

Cells *cells_free(Cells *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n; i++)
                free(c->cells[i].terms);
        free(c->cells);
        for (size_t i = 0; i < c->n_forests; i++) {
                tree_ensemble_free(c->forests[i].ensemble);
                free(c->forests[i].inputs);
                free(c->forests[i].features);
                free(c->forests[i].exact);
                free(c->forests[i].splits);
        }
        free(c->forests);
        free(c);
        return NULL;
}

static int term_compare(const void *a, const void *b) {
        const Term *x = a, *y = b;

        return x->cell < y->cell ? -1 : x->cell > y->cell;
}

/* Sorts by cell, adds up what is there twice, leaves away zeros. Returns how many are left. */
static size_t terms_merge(Term *t, size_t n) {
        size_t kept = 0;

        if (n == 0)
                return 0;
        qsort(t, n, sizeof(*t), term_compare);
        for (size_t i = 0; i < n;) {
                Term sum = t[i++];

                while (i < n && t[i].cell == sum.cell)
                        sum.weight += t[i++].weight;
                if (sum.weight < 0 || sum.weight > 0)
                        t[kept++] = sum;
        }
        return kept;
}

int64_t cells_add(Cells *c, const Cell *cell) {
        Cell *to;

        if (c->n >= CELLS_MAX)
                return -EFBIG;
        if (c->n == c->allocated) {
                size_t n = MAX((size_t)256, 2 * c->allocated);
                Cell *cells = reallocarray(c->cells, n, sizeof(*cells));

                if (!cells)
                        return -ENOMEM;
                c->cells = cells;
                c->allocated = n;
        }
        to = &c->cells[c->n];
        *to = *cell;
        to->terms = malloc(MAX(cell->n_terms, (size_t)1) * sizeof(*to->terms));
        if (!to->terms)
                return -ENOMEM;
        if (cell->n_terms > 0)
                memcpy(to->terms, cell->terms, cell->n_terms * sizeof(*to->terms));
        if (cell->kind == CELL_AFFINE)
                to->n_terms = terms_merge(to->terms, to->n_terms);
        return (int64_t)c->n++;
}

static int node_value(const Node *n, double x, double *ret, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *in = NULL;
        Tensor *out[4] = {NULL};
        const Tensor **inputs;
        Node one = *n;
        int r;

        if (n->n_outputs > ELEMENTSOF(out))
                return -ENOTSUP;
        r = tensor_new(ELEMENT_F32, 1, (int64_t[]){1}, &in);
        if (r < 0)
                return r;
        inputs = calloc(n->n_inputs, sizeof(const Tensor *));
        if (!inputs)
                return -ENOMEM;
        tensor_set_f64(in, 0, x);
        inputs[0] = in;
        one.n_inputs = 1;
        r = n->op->run(&one, inputs, out, e);
        if (r >= 0)
                *ret = tensor_get_f64(out[0], 0);
        for (size_t i = 0; i < n->n_outputs; i++)
                tensor_free(out[i]);
        free(inputs);
        return r;
}

double function_value(const Function *f, double x) {
        double y = (double)NAN;

        switch (f->kind) {
        case FUNCTION_SIGMOID:
                return 1 / (1 + exp(-x));
        case FUNCTION_TANH:
                return tanh(x);
        case FUNCTION_POWER:
                return pow(x, f->exponent);
        default:
                return node_value(f->node, x, &y, NULL) < 0 ? (double)NAN : y;
        }
}

bool function_increases(const Function *f) {
        return f->kind == FUNCTION_SIGMOID || f->kind == FUNCTION_TANH;
}

double function_inverse(const Function *f, double y) {
        if (f->kind == FUNCTION_SIGMOID)
                return y <= 0 ? -(double)INFINITY : y >= 1 ? (double)INFINITY : log(y / (1 - y));
        return y <= -1 ? -(double)INFINITY : y >= 1 ? (double)INFINITY : atanh(y);
}

bool function_equal(const Function *a, const Function *b) {
        return a->kind == b->kind && (a->kind != FUNCTION_NODE || a->node == b->node) &&
               (a->kind != FUNCTION_POWER ||
                (a->exponent <= b->exponent && a->exponent >= b->exponent));
}

static double affine_value(const Cell *c, const double *values) {
        double sum = c->bias;

        for (size_t i = 0; i < c->n_terms; i++)
                sum += c->terms[i].weight * values[c->terms[i].cell];
        return CLAMP(sum, c->low, c->high);
}

static bool split_yes(const Split *s, double field) {
        bool yes = field <= (double)s->last && !(s->between && field <= (double)s->before);

        return yes != s->flip;
}

/* A forest whose inputs are fields now: its branches are the splits. */
static void split_scores(const Forest *f, const double *row, double *scores) {
        const TreeEnsemble *t = f->ensemble;

        for (size_t s = 0; s < t->n_scores; s++)
                scores[s] = 0;
        for (size_t i = 0; i < t->n_trees; i++) {
                size_t at = t->trees[i].root;

                while (t->nodes[at].mode != ENSEMBLE_LEAF)
                        at = split_yes(&f->splits[at], row[t->nodes[at].feature]) ? t->nodes[at].yes
                                                                                  : t->nodes[at].no;
                for (size_t k = t->nodes[at].yes; k < t->nodes[at].no; k++)
                        scores[t->votes[k].score] += t->votes[k].weight;
        }
        for (size_t s = 0; s < t->n_scores; s++)
                scores[s] = (t->aggregate == AGGREGATE_AVERAGE ? scores[s] / (double)t->n_trees
                                                               : scores[s]) +
                            t->base[s];
}

/* All outputs of a forest at once: they are neighbours. */
static int forest_values(const Cells *c, size_t first, double *values) {
        const Cell *cell = &c->cells[first];
        const Forest *f = &c->forests[cell->forest];
        _cleanup_free_
        double *row = calloc(MAX(f->ensemble->n_features, (size_t)1), sizeof(*row));
        _cleanup_free_
        double *scores = calloc(MAX(f->ensemble->n_scores, (size_t)1), sizeof(*scores));

        if (!row || !scores)
                return -ENOMEM;
        for (size_t i = 0; i < f->n_inputs; i++)
                row[f->features[i]] = values[f->inputs[i]];
        if (f->exact && f->exact[0])
                split_scores(f, row, scores);
        else
                tree_ensemble_scores(f->ensemble, row, /* width= */ 0, 1, scores);
        for (size_t i = first;
             i < c->n && c->cells[i].kind == CELL_TREES && c->cells[i].forest == cell->forest; i++)
                values[i] = scores[c->cells[i].output];
        return 0;
}

static double max_value(const Cell *c, const double *values) {
        double max = values[c->terms[0].cell];

        for (size_t i = 1; i < c->n_terms; i++)
                max = MAX(max, values[c->terms[i].cell]);
        return max;
}

int cells_run(const Cells *c, const double *fields, double *values, Error *e) {
        for (size_t i = 0; i < c->n_fields; i++)
                values[i] = fields[i];
        for (size_t i = c->n_fields; i < c->n; i++) {
                const Cell *cell = &c->cells[i];
                double x = cell->n_terms > 0 ? values[cell->terms[0].cell] : 0;
                int r;

                if (cell->dead)
                        continue;
                switch (cell->kind) {
                case CELL_AFFINE:
                        values[i] = affine_value(cell, values);
                        break;
                case CELL_LEAKY:
                        values[i] = x >= 0 ? x : cell->slope * x;
                        break;
                case CELL_FUNCTION:
                        if (cell->function.kind == FUNCTION_NODE) {
                                r = node_value(cell->function.node, x, &values[i], e);
                                if (r < 0)
                                        return r;
                        } else
                                values[i] = function_value(&cell->function, x);
                        break;
                case CELL_PRODUCT:
                        values[i] = x * values[cell->terms[1].cell];
                        break;
                case CELL_MAX:
                        values[i] = max_value(cell, values);
                        break;
                case CELL_TREES:
                        if (i > 0 && c->cells[i - 1].kind == CELL_TREES && !c->cells[i - 1].dead &&
                            c->cells[i - 1].forest == cell->forest)
                                break; /* done with the one before */
                        r = forest_values(c, i, values);
                        if (r < 0)
                                return r;
                        break;
                default:
                        return -EINVAL;
                }
        }
        return 0;
}
