/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/cells.h"

#include "models/compiler/lower.h"

/*
 * A branch asks whether f(field) <= t, where f is what the model does with the field before: a
 * cast, a scaler, nothing. f never decreases (or never increases), rounding included, so the answer
 * changes at one whole number, which a binary search over the field finds by running f as the float
 * engine does. That is floor(t) where f is the identity, also for negative t.
 */

typedef struct Query {
        double threshold;
        bool strict;  /* f < t (f > t where it decreases), else <= (>=) */
        int64_t last; /* the largest field for which it holds, or -1 */
} Query;

typedef struct Feature {
        uint32_t field;
        bool decreases;
        size_t n;
        Query *queries; /* sorted, each once */
} Feature;

typedef struct Resolver {
        const Cells *c;
        Forest *forest;
        Graph part; /* what the forest's node needs */
        GraphRow *row;
        double *fields;
        double *values; /* of the features, after run() */
        Feature *features;
} Resolver;

static void resolver_done(Resolver *r) {
        free(r->part.nodes);
        graph_row_free(r->row);
        free(r->fields);
        free(r->values);
        for (size_t i = 0; r->features && i < r->forest->n_inputs; i++)
                free(r->features[i].queries);
        free(r->features);
}

/* True where the cell is a chain of functions, each of one argument, down to a field. */
static bool trace(const Cells *c, uint32_t cell, uint32_t *ret_field, bool *ret_decreases) {
        bool decreases = false;

        while (cell >= c->n_fields) {
                const Cell *x = &c->cells[cell];

                if (x->kind == CELL_AFFINE && x->n_terms == 1)
                        decreases ^= x->terms[0].weight < 0;
                else if (x->kind == CELL_LEAKY && x->slope >= 0)
                        ;
                else if (x->kind != CELL_FUNCTION || !function_increases(&x->function))
                        return false;
                cell = x->terms[0].cell;
        }
        *ret_field = cell;
        *ret_decreases = decreases;
        return true;
}

/* The graph's nodes that the forest's input needs, and that value as the only output. */
static int cut_graph(Resolver *r, size_t *value) {
        const Graph *g = r->c->graph;
        _cleanup_free_
        uint8_t *needed = calloc(MAX(g->n_values, (size_t)1), 1);
        size_t n = 0;

        r->part = *g;
        r->part.nodes = calloc(MAX(g->n_nodes, (size_t)1), sizeof(*r->part.nodes));
        if (!needed || !r->part.nodes)
                return -ENOMEM;
        needed[*value] = 1;
        for (size_t i = r->forest->node_index; i-- > 0;) {
                const Node *node = &g->nodes[i];
                bool wanted = false;

                for (size_t k = 0; k < node->n_outputs; k++)
                        wanted |= node->outputs[k] != GRAPH_NO_VALUE && needed[node->outputs[k]];
                if (!wanted)
                        continue;
                for (size_t k = 0; k < node->n_inputs; k++)
                        if (node->inputs[k] != GRAPH_NO_VALUE)
                                needed[node->inputs[k]] = 1;
                r->part.nodes[n++] = *node;
        }
        for (size_t i = 0; i < n / 2; i++) {
                Node swap = r->part.nodes[i];

                r->part.nodes[i] = r->part.nodes[n - 1 - i];
                r->part.nodes[n - 1 - i] = swap;
        }
        r->part.n_nodes = n;
        r->part.n_outputs = 1;
        r->part.outputs = value;
        return 0;
}

static int run(Resolver *r, Error *e) {
        Tensor *out = NULL;
        int k;

        graph_row_set(r->row, r->fields);
        k = graph_run(&r->part, (const Tensor *const *)r->row->tensors, r->row->n, &out, e);
        if (k < 0)
                return k;
        for (size_t i = 0; i < r->forest->n_inputs; i++)
                r->values[i] = tensor_get_f64(out, r->forest->features[i]);
        tensor_free(out);
        return 0;
}

static int query_compare(const void *a, const void *b) {
        const Query *x = a, *y = b;

        if (x->threshold < y->threshold || x->threshold > y->threshold)
                return x->threshold < y->threshold ? -1 : 1;
        return (int)x->strict - (int)y->strict;
}

/* Which of f < t and f <= t (or > and >=) a branch needs: both for equality. */
static void wanted(const EnsembleNode *node, bool decreases, bool *loose, bool *strict) {
        bool leq = node->mode == ENSEMBLE_LEQ || node->mode == ENSEMBLE_GT;
        bool equal = node->mode == ENSEMBLE_EQ || node->mode == ENSEMBLE_NEQ;

        *loose = equal || leq != decreases;
        *strict = equal || leq == decreases;
}

static size_t input_of(const Forest *f, uint32_t feature) {
        size_t low = 0, high = f->n_inputs;

        while (high - low > 1) {
                size_t middle = (low + high) / 2;

                if (f->features[middle] <= feature)
                        low = middle;
                else
                        high = middle;
        }
        return low;
}

static int collect_queries(Resolver *r) {
        const Forest *f = r->forest;
        const TreeEnsemble *t = f->ensemble;

        for (int pass = 0; pass < 2; pass++) {
                for (size_t i = 0; i < t->n_nodes; i++) {
                        const EnsembleNode *node = &t->nodes[i];
                        bool want[2];
                        Feature *feature;

                        if (node->mode == ENSEMBLE_LEAF)
                                continue;
                        feature = &r->features[input_of(f, node->feature)];
                        wanted(node, feature->decreases, &want[0], &want[1]);
                        for (size_t strict = 0; strict < 2; strict++) {
                                if (!want[strict])
                                        continue;
                                if (pass == 1)
                                        feature->queries[feature->n] = (Query){node->threshold,
                                                                               strict == 1, 0};
                                feature->n++;
                        }
                }
                for (size_t i = 0; pass == 0 && i < f->n_inputs; i++) {
                        r->features[i].queries = calloc(MAX(r->features[i].n, (size_t)1),
                                                        sizeof(Query));
                        if (!r->features[i].queries)
                                return -ENOMEM;
                        r->features[i].n = 0;
                }
        }
        for (size_t i = 0; i < f->n_inputs; i++) {
                Feature *feature = &r->features[i];
                size_t n = 0;

                qsort(feature->queries, feature->n, sizeof(Query), query_compare);
                for (size_t k = 0; k < feature->n; k++)
                        if (n == 0 || query_compare(&feature->queries[n - 1], &feature->queries[k]))
                                feature->queries[n++] = feature->queries[k];
                feature->n = n;
        }
        return 0;
}

static bool holds(const Query *q, bool decreases, double x) {
        if (decreases)
                return q->strict ? x > q->threshold : x >= q->threshold;
        return q->strict ? x < q->threshold : x <= q->threshold;
}

/* Query k of every feature at once: their fields are different ones, or f does not mind. */
static int search(Resolver *r, size_t k, Error *e) {
        size_t n = r->forest->n_inputs;
        _cleanup_free_
        int64_t *low = calloc(n, sizeof(*low)), *high = NULL;
        bool open = true;

        high = calloc(n, sizeof(*high));
        if (!low || !high)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                low[i] = -1; /* holds, so to speak */
                high[i] = INT64_C(1) << 32;
        }
        while (open) {
                int s;

                open = false;
                for (size_t i = 0; i < n; i++)
                        if (k < r->features[i].n && high[i] - low[i] > 1)
                                r->fields[r->features[i].field] = (double)((low[i] + high[i]) >> 1);
                s = run(r, e);
                if (s < 0)
                        return s;
                for (size_t i = 0; i < n; i++) {
                        const Feature *f = &r->features[i];
                        int64_t middle = (low[i] + high[i]) >> 1;

                        if (k >= f->n || high[i] - low[i] <= 1)
                                continue;
                        if (holds(&f->queries[k], f->decreases, r->values[i]))
                                low[i] = middle;
                        else
                                high[i] = middle;
                        open |= high[i] - low[i] > 1;
                }
        }
        for (size_t i = 0; i < n; i++)
                if (k < r->features[i].n)
                        r->features[i].queries[k].last = low[i];
        return 0;
}

static int64_t answer(const Feature *f, double threshold, bool strict) {
        Query key = {.threshold = threshold, .strict = strict};
        const Query *q = bsearch(&key, f->queries, f->n, sizeof(key), query_compare);

        return q ? q->last : 0; /* every node's was asked for */
}

static void make_splits(Resolver *r) {
        Forest *f = r->forest;

        for (size_t i = 0; i < f->ensemble->n_nodes; i++) {
                const EnsembleNode *node = &f->ensemble->nodes[i];
                const Feature *feature;
                Split *s = &f->splits[i];
                bool loose, strict;

                if (node->mode == ENSEMBLE_LEAF)
                        continue;
                feature = &r->features[input_of(f, node->feature)];
                wanted(node, feature->decreases, &loose, &strict);
                s->between = loose && strict;
                s->last = answer(feature, node->threshold, !loose);
                if (s->between)
                        s->before = answer(feature, node->threshold, true);
                s->flip = s->between ? node->mode == ENSEMBLE_NEQ
                                     : (node->mode == ENSEMBLE_GT || node->mode == ENSEMBLE_GTE) !=
                                               feature->decreases;
        }
}

/* Two features of one field are searched one after the other. */
static bool fields_differ(const Resolver *r) {
        for (size_t i = 0; i < r->forest->n_inputs; i++)
                for (size_t k = 0; k < i; k++)
                        if (r->features[i].field == r->features[k].field)
                                return false;
        return true;
}

static int search_all(Resolver *r, Error *e) {
        size_t n = r->forest->n_inputs, most = 0;
        int s = 0;

        for (size_t i = 0; i < n; i++)
                most = MAX(most, r->features[i].n);
        if (fields_differ(r)) {
                for (size_t k = 0; k < most && s >= 0; k++)
                        s = search(r, k, e);
                return s;
        }
        for (size_t i = 0; i < n && s >= 0; i++) {
                _cleanup_free_
                size_t *counts = calloc(n, sizeof(*counts));

                if (!counts)
                        return -ENOMEM;
                for (size_t k = 0; k < n; k++) {
                        counts[k] = r->features[k].n;
                        if (k != i)
                                r->features[k].n = 0;
                }
                for (size_t k = 0; k < counts[i] && s >= 0; k++)
                        s = search(r, k, e);
                for (size_t k = 0; k < n; k++)
                        r->features[k].n = counts[k];
        }
        return s;
}

/* All inputs or none: a forest that mixes fields and other cells is compared in fixed point. */
static int resolve(Cells *c, Forest *f, Error *e) {
        _cleanup_(resolver_done)
        Resolver r = {.c = c, .forest = f};
        size_t value = f->node->inputs[0];
        int s;

        f->exact = calloc(MAX(f->n_inputs, (size_t)1), 1);
        f->splits = calloc(MAX(f->ensemble->n_nodes, (size_t)1), sizeof(*f->splits));
        r.features = calloc(MAX(f->n_inputs, (size_t)1), sizeof(*r.features));
        r.fields = calloc(MAX(c->n_fields, (size_t)1), sizeof(*r.fields));
        r.values = calloc(MAX(f->n_inputs, (size_t)1), sizeof(*r.values));
        if (!f->exact || !f->splits || !r.features || !r.fields || !r.values)
                return -ENOMEM;
        if (strncmp(f->node->op->name, "TreeEnsemble", strlen("TreeEnsemble")) != 0)
                return 0; /* its features are no columns of the node's input */
        for (size_t i = 0; i < f->n_inputs; i++)
                if (!trace(c, f->inputs[i], &r.features[i].field, &r.features[i].decreases))
                        return 0;
        s = cut_graph(&r, &value);
        if (s >= 0)
                s = graph_row_new(c->graph, &r.row, e);
        if (s >= 0)
                s = collect_queries(&r);
        if (s >= 0)
                s = search_all(&r, e);
        if (s < 0)
                return s;
        make_splits(&r);
        for (size_t i = 0; i < f->n_inputs; i++) {
                f->inputs[i] = r.features[i].field;
                f->exact[i] = 1;
        }
        for (size_t i = c->n_fields; i < c->n; i++)
                if (c->cells[i].kind == CELL_TREES && &c->forests[c->cells[i].forest] == f)
                        for (size_t k = 0; k < f->n_inputs; k++)
                                c->cells[i].terms[k].cell = f->inputs[k];
        return 0;
}

int forest_resolve(Cells *c, Error *e) {
        for (size_t i = 0; i < c->n_forests; i++) {
                int r = resolve(c, &c->forests[i], e);

                if (r < 0)
                        return r;
        }
        return 0;
}

bool cells_is_exact_field(const Cells *c, uint32_t cell) {
        for (size_t i = 0; i < c->n_forests; i++)
                for (size_t k = 0; k < c->forests[i].n_inputs; k++)
                        if (c->forests[i].inputs[k] == cell && c->forests[i].exact &&
                            c->forests[i].exact[k])
                                return true;
        return false;
}
