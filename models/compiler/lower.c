/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

static const LowerEntry *const tables[] = {lower_elementwise, lower_classify,  lower_window,
                                           lower_recurrent,   lower_quantized, lower_trees,
                                           lower_ml,          lower_normalize};

lower_t lower_find(const Operator *op) {
        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                for (const LowerEntry *t = tables[i]; t->name; t++)
                        if (streq(t->name, op->name) && streq(t->domain, op->domain))
                                return t->lower;
        switch (op->kind) {
        case OPERATOR_MOVE:
                return lower_move;
        case OPERATOR_AFFINE:
                return lower_affine;
        case OPERATOR_POINTWISE:
                return lower_pointwise;
        default:
                return NULL;
        }
}

int lower_refuse(Lowerer *l, const Node *n, const char *format, ...) {
        char text[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return error_set(l->e, -ENOTSUP, "%s (node '%.128s', opset %d): %s", n->op->name, n->name,
                         n->opset, text);
}

static void lowered_done(Lowered *v) {
        free(v->refs);
        free(v->labels);
}

static void lowerer_done(Lowerer *l) {
        for (size_t i = 0; l->values && i < l->graph->n_values; i++)
                lowered_done(&l->values[i]);
        free(l->values);
        free(l->constants);
        cells_free(l->cells);
}

/* Nothing that this node reads comes from the input. */
static bool is_constant(const Lowerer *l, const Node *n) {
        for (size_t i = 0; i < n->n_inputs; i++)
                if (n->inputs[i] != GRAPH_NO_VALUE && l->values[n->inputs[i]].role != ROLE_CONSTANT)
                        return false;
        return true;
}

static int on_node(void *userdata, size_t node, const Tensor *const *in, const Tensor *const *out,
                   Error *e) {
        Lowerer *l = userdata;
        const Node *n = &l->graph->nodes[node];
        Error inner = ERROR_INIT;
        lower_t lower;
        int r;

        if (is_constant(l, n))
                return 0;
        l->node = node;
        l->e = &inner;
        lower = lower_find(n->op);
        if (lower)
                r = lower(l, n, in, out);
        else
                r = lower_refuse(l, n, "the kernel cannot compute it");
        l->e = e;
        if (r == -ENOTSUP) {
                /* Refused only where something needs it: a model may also have outputs that the
                 * decision is not taken from. */
                for (size_t k = 0; k < n->n_outputs; k++) {
                        if (n->outputs[k] != GRAPH_NO_VALUE &&
                            l->values[n->outputs[k]].role == ROLE_CONSTANT)
                                l->values[n->outputs[k]].role = ROLE_NOTHING;
                }
                if (!l->refusal.text[0])
                        l->refusal = inner;
                return 0;
        }
        if (r < 0)
                return error_set(e, r, "%s (node '%.128s', opset %d): %s", n->op->name, n->name,
                                 n->opset, inner.text[0] ? inner.text : strerror(-r));
        return 0;
}

/* Inputs. */

static int one_row_shape(const Graph *g, const GraphInput *input, int64_t *dim, Error *e) {
        size_t open = 0;

        if (input->rank == GRAPH_RANK_ANY)
                return error_set(e, -ENOTSUP,
                                 "input '%.128s' has no shape: a model for the kernel needs one",
                                 g->values[input->value].name);
        for (size_t i = 0; i < input->rank; i++) {
                dim[i] = input->dim[i];
                if (dim[i] >= 0)
                        continue;
                dim[i] = 1;
                /* [rows, …], or [time, rows, …] */
                if (++open > 1 || (i > 0 && input->rank < 3) || i > 1)
                        return error_set(e, -ENOTSUP,
                                         "dimension %zu of input '%.128s' is not fixed: only the "
                                         "number of rows may be open",
                                         i, g->values[input->value].name);
        }
        return 0;
}

int lower_count_fields(const Graph *g, size_t *ret, Error *e) {
        size_t sum = 0;

        for (size_t i = 0; i < g->n_inputs; i++) {
                int64_t dim[TENSOR_RANK_MAX];
                size_t n;
                int r;

                r = one_row_shape(g, &g->inputs[i], dim, e);
                if (r < 0)
                        return r;
                r = tensor_count(g->inputs[i].rank, dim, &n);
                if (r < 0 || n > CELLS_MAX)
                        return error_set(e, -EFBIG, "input '%.128s' is too large for the kernel",
                                         g->values[g->inputs[i].value].name);
                sum += n;
        }
        *ret = sum;
        return 0;
}

GraphRow *graph_row_free(GraphRow *row) {
        if (!row)
                return NULL;
        for (size_t i = 0; row->tensors && i < row->n; i++)
                tensor_free(row->tensors[i]);
        free(row->tensors);
        free(row);
        return NULL;
}

int graph_row_new(const Graph *g, GraphRow **ret, Error *e) {
        _cleanup_(graph_row_freep)
        GraphRow *row = calloc(1, sizeof(*row));
        int r;

        if (!row)
                return -ENOMEM;
        row->tensors = calloc(MAX(g->n_inputs, (size_t)1), sizeof(*row->tensors));
        if (!row->tensors)
                return -ENOMEM;
        row->n = g->n_inputs;
        for (size_t i = 0; i < g->n_inputs; i++) {
                int64_t dim[TENSOR_RANK_MAX];

                if (g->inputs[i].type == ELEMENT_STRING)
                        return error_set(e, -ENOTSUP, "input '%.128s' is of strings",
                                         g->values[g->inputs[i].value].name);
                r = one_row_shape(g, &g->inputs[i], dim, e);
                if (r < 0)
                        return r;
                r = tensor_new(g->inputs[i].type, g->inputs[i].rank, dim, &row->tensors[i]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(row);
        return 0;
}

void graph_row_set(GraphRow *row, const double *fields) {
        for (size_t i = 0; i < row->n; i++)
                for (size_t k = 0; k < row->tensors[i]->count; k++)
                        tensor_set_f64(row->tensors[i], k, *fields++);
}

static int lower_inputs(Lowerer *l) {
        const Graph *g = l->graph;
        int64_t r;

        for (size_t i = 0; i < g->n_inputs; i++) {
                Lowered *v = &l->values[g->inputs[i].value];
                int64_t dim[TENSOR_RANK_MAX];

                r = one_row_shape(g, &g->inputs[i], dim, l->e);
                if (r < 0)
                        return (int)r;
                r = tensor_count(g->inputs[i].rank, dim, &v->n);
                if (r < 0)
                        return (int)r;
                v->refs = calloc(MAX(v->n, (size_t)1), sizeof(*v->refs));
                if (!v->refs)
                        return -ENOMEM;
                v->role = ROLE_NUMBERS;
                for (size_t k = 0; k < v->n; k++) {
                        Cell cell = {.kind = CELL_FIELD};

                        r = cells_add(l->cells, &cell);
                        if (r < 0)
                                return (int)r;
                        v->refs[k] = r;
                }
        }
        l->cells->n_fields = l->cells->n;
        return 0;
}

/* Decision. */

static int set_labels(Lowerer *l, Decision *d, const Lowered *v) {
        size_t n = d->kind == DECISION_THRESHOLD ? 2 : d->n_outputs;

        if (!v->labels || v->labels->n != n)
                return error_set(l->e, -ENOTSUP, "the model has %zu labels for %zu classes",
                                 v->labels ? v->labels->n : 0, n);
        d->labels = *v->labels;
        return 0;
}

static int take_outputs(Lowerer *l, Decision *d, const Lowered *v) {
        if (v->n == 0 || v->n > PROGRAM_OUTPUTS_MAX)
                return error_set(l->e, -ENOTSUP, "%zu outputs: accepted is 1 to %d", v->n,
                                 PROGRAM_OUTPUTS_MAX);
        d->n_outputs = v->n;
        for (size_t i = 0; i < v->n; i++) {
                Ref ref = v->refs[i];

                if (ref_is_constant(ref)) {
                        /* Without terms: lower_sum() would make a constant of it again. */
                        Cell cell = {.kind = CELL_AFFINE,
                                     .bias = ref_value(l, ref),
                                     .low = -(double)INFINITY,
                                     .high = (double)INFINITY};

                        ref = cells_add(l->cells, &cell);
                        if (ref < 0)
                                return (int)ref;
                }
                d->outputs[i] = (uint32_t)ref;
        }
        return 0;
}

static void decide_by_numbers(Decision *d, const Cells *c, const Lowered *v, double threshold,
                              bool values) {
        const Cell *cell = &c->cells[d->outputs[0]];

        d->scores = v->role == ROLE_NUMBERS;
        d->kind = DECISION_ARGMAX;
        d->telling = TELLING_ARGMAX;
        if (v->role == ROLE_PROBABILITIES && v->n == 1) {
                d->kind = DECISION_THRESHOLD;
                d->threshold = v->threshold;
        } else if (values) {
                d->kind = DECISION_VALUE;
                d->telling = TELLING_VALUE;
        } else if (v->n == 1) {
                if (isnan(threshold) && cell->kind == CELL_FUNCTION &&
                    cell->function.kind == FUNCTION_SIGMOID)
                        threshold = 0.5;
                d->kind = isnan(threshold) ? DECISION_VALUE : DECISION_THRESHOLD;
                d->telling = isnan(threshold) ? TELLING_VALUE : TELLING_THRESHOLD;
                d->threshold = d->graph_threshold = isnan(threshold) ? 0 : threshold;
        }
}

/* The output that tells most: a label or an index, then probabilities, then numbers. */
static int lower_decision(Lowerer *l, double threshold, bool values) {
        static const Role order[] = {ROLE_LABEL, ROLE_INDEX, ROLE_PROBABILITIES, ROLE_NUMBERS};
        const Graph *g = l->graph;
        Decision *d = &l->cells->decision;

        for (size_t k = values ? 3 : 0; k < ELEMENTSOF(order); k++)
                for (size_t i = 0; i < g->n_outputs; i++) {
                        const Lowered *v = &l->values[g->outputs[i]];
                        int r;

                        if (v->role != order[k])
                                continue;
                        r = take_outputs(l, d, v);
                        if (r < 0)
                                return r;
                        d->graph_output = i;
                        if (k >= 2) {
                                decide_by_numbers(d, l->cells, v, threshold, values);
                                return 0;
                        }
                        d->kind = v->n == 1 ? DECISION_THRESHOLD : DECISION_ARGMAX;
                        d->threshold = v->threshold;
                        d->telling = k == 0 ? TELLING_LABEL : TELLING_INDEX;
                        return k == 0 ? set_labels(l, d, v) : 0;
                }
        if (l->refusal.text[0])
                return error_set(l->e, -ENOTSUP, "%s", l->refusal.text);
        return error_set(l->e, -EINVAL, "no output of the model depends on its inputs");
}

int lower_graph(const Graph *g, double threshold, bool values, Cells **ret, Error *e) {
        _cleanup_(lowerer_done)
        Lowerer l = {.graph = g, .e = e, .work = LOWER_WORK_MAX};
        _cleanup_(graph_row_freep)
        GraphRow *row = NULL;
        _cleanup_free_
        Tensor **outputs = NULL;
        int r;

        l.cells = calloc(1, sizeof(*l.cells));
        l.values = calloc(MAX(g->n_values, (size_t)1), sizeof(*l.values));
        outputs = calloc(MAX(g->n_outputs, (size_t)1), sizeof(Tensor *));
        if (!l.cells || !l.values || !outputs)
                return -ENOMEM;
        l.cells->graph = g;
        r = lower_inputs(&l);
        if (r < 0)
                return r;
        r = graph_row_new(g, &row, e);
        if (r < 0)
                return r;
        r = graph_run_visit(g, (const Tensor *const *)row->tensors, row->n, outputs, on_node, &l,
                            e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < g->n_outputs; i++)
                tensor_free(outputs[i]);
        l.e = e;
        r = lower_decision(&l, threshold, values);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l.cells);
        return 0;
}

static bool has_label(const ClassLabels *l, size_t i, const Tensor *t) {
        if (t->type != ELEMENT_STRING)
                return tensor_get_i64(t, 0) == l->numbers[i];
        return l->named && t->string[0] &&
               strncmp(l->names[i], t->string[0], sizeof(l->names[i]) - 1) == 0;
}

static int64_t decide(const Cells *c, const Tensor *t) {
        const Decision *d = &c->decision;
        int64_t best = 0;

        if (t->count == 0)
                return -1;
        switch (d->telling) {
        case TELLING_ARGMAX:
                for (size_t i = 1; i < t->count; i++)
                        if (tensor_get_f64(t, i) > tensor_get_f64(t, (size_t)best))
                                best = (int64_t)i;
                return best;
        case TELLING_THRESHOLD:
                return tensor_get_f64(t, 0) > d->graph_threshold;
        case TELLING_INDEX:
                return tensor_get_i64(t, 0);
        case TELLING_LABEL:
                for (size_t i = 0; i < d->labels.n; i++)
                        if (has_label(&d->labels, i, t))
                                return (int64_t)i;
                return -1;
        case TELLING_VALUE:
        default:
                return 0;
        }
}

int lower_graph_decide(const Cells *c, const GraphRow *row, int64_t *ret, double *ret_numbers,
                       Error *e) {
        const Graph *g = c->graph;
        _cleanup_free_
        Tensor **outputs = calloc(MAX(g->n_outputs, (size_t)1), sizeof(Tensor *));
        const Tensor *t;
        int r;

        if (!outputs)
                return -ENOMEM;
        r = graph_run(g, (const Tensor *const *)row->tensors, row->n, outputs, e);
        if (r < 0)
                return r;
        t = outputs[c->decision.graph_output];
        *ret = decide(c, t);
        for (size_t i = 0; ret_numbers && i < t->count && i < PROGRAM_OUTPUTS_MAX; i++)
                ret_numbers[i] = tensor_get_f64(t, i);
        for (size_t i = 0; i < g->n_outputs; i++)
                tensor_free(outputs[i]);
        return 0;
}
