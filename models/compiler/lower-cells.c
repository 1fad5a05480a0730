/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

bool ref_is_constant(Ref ref) {
        return ref < 0;
}

double ref_value(const Lowerer *l, Ref ref) {
        return l->constants[-1 - ref];
}

int lower_constant(Lowerer *l, double x, Ref *ret) {
        if (!isfinite(x))
                return lower_refuse(l, &l->graph->nodes[l->node], "a constant is %g", x);
        if (l->n_constants == l->constants_allocated) {
                size_t n = MAX((size_t)256, 2 * l->constants_allocated);
                double *constants = reallocarray(l->constants, n, sizeof(*constants));

                if (!constants)
                        return -ENOMEM;
                l->constants = constants;
                l->constants_allocated = n;
        }
        l->constants[l->n_constants] = x;
        *ret = -1 - (Ref)l->n_constants++;
        return 0;
}

static int add(Lowerer *l, Cell *cell, Ref *ret) {
        int64_t r;

        cell->node = (uint32_t)l->node;
        r = cells_add(l->cells, cell);
        if (r == -EFBIG)
                return error_set(l->e, -EFBIG, "more than %d numbers in one inference", CELLS_MAX);
        if (r < 0)
                return (int)r;
        *ret = r;
        return 0;
}

int lower_sum(Lowerer *l, const RefTerm *terms, size_t n, double bias, Ref *ret) {
        _cleanup_free_
        Term *t = malloc(MAX(n, (size_t)1) * sizeof(*t));
        Cell cell = {.kind = CELL_AFFINE,
                     .terms = t,
                     .low = -(double)INFINITY,
                     .high = (double)INFINITY};

        if (!t)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (ref_is_constant(terms[i].ref)) {
                        bias += terms[i].weight * ref_value(l, terms[i].ref);
                        continue;
                }
                if (!isfinite(terms[i].weight))
                        return lower_refuse(l, &l->graph->nodes[l->node], "a weight is %g",
                                            terms[i].weight);
                t[cell.n_terms++] = (Term){(uint32_t)terms[i].ref, terms[i].weight};
        }
        if (cell.n_terms == 0)
                return lower_constant(l, bias, ret);
        if (!isfinite(bias))
                return lower_refuse(l, &l->graph->nodes[l->node], "a constant is %g", bias);
        if (cell.n_terms == 1 && !(t[0].weight < 1) && !(t[0].weight > 1) && !(bias < 0) &&
            !(bias > 0)) {
                *ret = t[0].cell;
                return 0;
        }
        cell.bias = bias;
        return add(l, &cell, ret);
}

int lower_clamp(Lowerer *l, Ref x, double low, double high, Ref *ret) {
        Term t = {.cell = (uint32_t)x, .weight = 1};
        Cell cell = {
                .kind = CELL_AFFINE, .n_terms = 1, .terms = &t, .low = low, .high = MAX(low, high)};

        if (isnan(low) || isnan(high))
                return lower_refuse(l, &l->graph->nodes[l->node], "a bound is not a number");
        if (ref_is_constant(x))
                return lower_constant(l, CLAMP(ref_value(l, x), cell.low, cell.high), ret);
        return add(l, &cell, ret);
}

int lower_leaky(Lowerer *l, Ref x, double slope, Ref *ret) {
        Term t = {.cell = (uint32_t)x, .weight = 1};
        Cell cell = {.kind = CELL_LEAKY, .n_terms = 1, .terms = &t, .slope = slope};

        if (ref_is_constant(x)) {
                double value = ref_value(l, x);

                return lower_constant(l, value >= 0 ? value : slope * value, ret);
        }
        if (!isfinite(slope))
                return lower_refuse(l, &l->graph->nodes[l->node], "its slope is %g", slope);
        return add(l, &cell, ret);
}

int lower_function(Lowerer *l, Ref x, const Function *f, Ref *ret) {
        Term t = {.cell = (uint32_t)x, .weight = 1};
        Cell cell = {.kind = CELL_FUNCTION, .n_terms = 1, .terms = &t, .function = *f};

        if (ref_is_constant(x))
                return lower_constant(l, function_value(f, ref_value(l, x)), ret);
        return add(l, &cell, ret);
}

int lower_product(Lowerer *l, Ref x, Ref y, Ref *ret) {
        Term t[2] = {{.cell = (uint32_t)x, .weight = 1}, {.cell = (uint32_t)y, .weight = 1}};
        Cell cell = {.kind = CELL_PRODUCT, .n_terms = 2, .terms = t};

        if (ref_is_constant(x))
                return lower_sum(l, &(RefTerm){y, ref_value(l, x)}, 1, 0, ret);
        if (ref_is_constant(y))
                return lower_sum(l, &(RefTerm){x, ref_value(l, y)}, 1, 0, ret);
        return add(l, &cell, ret);
}

int lower_max(Lowerer *l, const Ref *x, size_t n, Ref *ret) {
        _cleanup_free_
        Term *t = malloc(MAX(n, (size_t)1) * sizeof(*t));
        Cell cell = {.kind = CELL_MAX, .n_terms = 0, .terms = t};
        double constant = -(double)INFINITY;
        Ref max = 0;
        int r;

        if (!t)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (ref_is_constant(x[i]))
                        constant = MAX(constant, ref_value(l, x[i]));
                else
                        t[cell.n_terms++] = (Term){(uint32_t)x[i], 1};
        if (cell.n_terms == 0)
                return lower_constant(l, constant, ret);
        if (cell.n_terms == 1)
                max = t[0].cell;
        else {
                r = add(l, &cell, &max);
                if (r < 0)
                        return r;
        }
        if (!isinf(constant))
                return lower_clamp(l, max, constant, (double)INFINITY, ret);
        *ret = max;
        return 0;
}

const Lowered *lower_input_value(const Lowerer *l, const Node *n, size_t input) {
        if (input >= n->n_inputs || n->inputs[input] == GRAPH_NO_VALUE)
                return NULL;
        return &l->values[n->inputs[input]];
}

Role lower_role(const Lowerer *l, const Node *n, size_t input) {
        const Lowered *v = lower_input_value(l, n, input);

        return v ? v->role : ROLE_CONSTANT;
}

int lower_refs_copy(const Lowered *v, Ref **ret) {
        Ref *refs = malloc(MAX(v->n, (size_t)1) * sizeof(*refs));

        if (!refs)
                return -ENOMEM;
        if (v->n > 0)
                memcpy(refs, v->refs, v->n * sizeof(*refs));
        *ret = refs;
        return 0;
}

int lower_input(Lowerer *l, const Node *n, size_t input, const Tensor *t, Ref **ret) {
        const Lowered *v = lower_input_value(l, n, input);
        _cleanup_free_
        Ref *refs = NULL;

        if (!v || !t)
                return lower_refuse(l, n, "input %zu is not given", input);
        switch (v->role) {
        case ROLE_NUMBERS:
                if (v->n != t->count)
                        return lower_refuse(l, n, "input %zu has %zu elements, not %zu", input,
                                            t->count, v->n);
                return lower_refs_copy(v, ret);
        case ROLE_CONSTANT:
                if (t->type == ELEMENT_STRING)
                        return lower_refuse(l, n, "input %zu is of strings", input);
                refs = malloc(MAX(t->count, (size_t)1) * sizeof(*refs));
                if (!refs)
                        return -ENOMEM;
                for (size_t i = 0; i < t->count; i++) {
                        int r = lower_constant(l, tensor_get_f64(t, i), &refs[i]);

                        if (r < 0)
                                return r;
                }
                *ret = TAKE_PTR(refs);
                return 0;
        case ROLE_PROBABILITIES:
                return lower_refuse(l, n,
                                    "probabilities are only lowered where the decision "
                                    "follows");
        case ROLE_INDEX:
        case ROLE_LABEL:
                return lower_refuse(l, n, "the decision is only lowered where it ends the model");
        case ROLE_NOTHING:
        default:
                return lower_refuse(l, n, "input %zu cannot be lowered", input);
        }
}

static int set(Lowerer *l, const Node *n, size_t output, Lowered *to) {
        if (output >= n->n_outputs || n->outputs[output] == GRAPH_NO_VALUE) {
                free(to->refs);
                free(to->labels);
                return 0;
        }
        l->values[n->outputs[output]] = *to;
        return 0;
}

int lower_output(Lowerer *l, const Node *n, size_t output, size_t count, Ref *refs) {
        Lowered v = {.role = ROLE_NUMBERS, .n = count, .refs = refs};

        return set(l, n, output, &v);
}

int lower_decided(Lowerer *l, const Node *n, size_t output, Role role, size_t count, Ref *refs,
                  double threshold, ClassLabels *labels) {
        Lowered v = {
                .role = role, .n = count, .refs = refs, .threshold = threshold, .labels = labels};

        return set(l, n, output, &v);
}

int lower_pass(Lowerer *l, const Node *n, size_t input, size_t output) {
        const Lowered *from = lower_input_value(l, n, input);
        _cleanup_free_
        ClassLabels *labels = NULL;
        Lowered v;

        if (!from)
                return lower_refuse(l, n, "input %zu is not given", input);
        v = *from;
        if (from->labels) {
                labels = malloc(sizeof(*labels));
                if (!labels)
                        return -ENOMEM;
                *labels = *from->labels;
        }
        if (lower_refs_copy(from, &v.refs) < 0)
                return -ENOMEM;
        v.labels = TAKE_PTR(labels);
        return set(l, n, output, &v);
}
