/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

/*
 * Whole kinds of operators without code for each: the operator's own run() tells what it does, on
 * element numbers where it moves elements, on units where it is affine.
 */

/* Large against every bias of a sane model, so that its rounding does not reach the weight; a power
 * of two, so that it does not round itself. */
#define UNIT 65536.0

typedef struct Outputs {
        size_t n;
        Tensor **tensors;
} Outputs;

static void outputs_done(Outputs *o) {
        for (size_t i = 0; o->tensors && i < o->n; i++)
                tensor_free(o->tensors[i]);
        free(o->tensors);
}

static int run(Lowerer *l, const Node *n, const Tensor *const *in, Outputs *o) {
        Node own = *n;

        for (size_t i = 0; o->tensors && i < o->n; i++)
                o->tensors[i] = tensor_free(o->tensors[i]);
        if (!o->tensors)
                o->tensors = calloc(MAX(n->n_outputs, (size_t)1), sizeof(Tensor *));
        if (!o->tensors)
                return -ENOMEM;
        o->n = n->n_outputs;
        own.work = &l->work;
        return n->op->run(&own, in, o->tensors, l->e);
}

static bool moves_all_inputs(const Node *n) {
        return streq(n->op->name, "Concat");
}

/* Input k as element numbers: refs. */
static int refs_tensor(Lowerer *l, const Node *n, size_t k, const Tensor *t, Tensor **ret) {
        _cleanup_free_
        Ref *refs = NULL;
        int r;

        r = lower_input(l, n, k, t, &refs);
        if (r < 0)
                return r;
        r = tensor_new(ELEMENT_I64, t->rank, t->dim, ret);
        if (r < 0)
                return r;
        for (size_t i = 0; i < t->count; i++)
                (*ret)->i64[i] = refs[i];
        return 0;
}

/* The decision itself, and probabilities as a whole, may change their shape. */
static int move_decision(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        if (out[0]->count != in[0]->count)
                return lower_refuse(l, n, "it takes a part of the decision or the probabilities");
        if (in[0]->count > 1 && (streq(n->op->name, "Transpose") || streq(n->op->name, "Gather") ||
                                 streq(n->op->name, "Slice")))
                return lower_refuse(l, n, "it reorders probabilities");
        return lower_pass(l, n, 0, 0);
}

int lower_move(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out) {
        _cleanup_(outputs_done)
        Outputs o = {0};
        _cleanup_free_
        const Tensor **inputs = calloc(n->n_inputs, sizeof(const Tensor *));
        _cleanup_free_
        Tensor **owned = calloc(n->n_inputs, sizeof(Tensor *));
        Role role = lower_role(l, n, 0);
        int r = 0;

        if (!inputs || !owned)
                return -ENOMEM;
        for (size_t k = 1; !moves_all_inputs(n) && k < n->n_inputs; k++)
                if (lower_role(l, n, k) != ROLE_CONSTANT)
                        return lower_refuse(l, n, "what it takes depends on data (input %zu)", k);
        if (role != ROLE_NUMBERS && role != ROLE_CONSTANT && !moves_all_inputs(n))
                return move_decision(l, n, in, out);
        for (size_t k = 0; k < n->n_inputs && r >= 0; k++) {
                inputs[k] = in[k];
                if (k > 0 && !moves_all_inputs(n))
                        continue;
                r = refs_tensor(l, n, k, in[k], &owned[k]);
                inputs[k] = owned[k];
        }
        if (r >= 0)
                r = run(l, n, inputs, &o);
        for (size_t k = 0; k < n->n_inputs; k++)
                tensor_free(owned[k]);
        for (size_t k = 0; k < n->n_outputs && r >= 0; k++) {
                const Tensor *t = o.tensors[k];
                Ref *refs;

                if (!t)
                        continue;
                if (t->type != ELEMENT_I64)
                        return lower_refuse(l, n, "output %zu is not what it took", k);
                refs = malloc(MAX(t->count, (size_t)1) * sizeof(*refs));
                if (!refs)
                        return -ENOMEM;
                for (size_t i = 0; i < t->count; i++)
                        refs[i] = t->i64[i];
                r = lower_output(l, n, k, t->count, refs);
        }
        return r;
}

int node_without(const Node *n, const char *attribute, Node *ret) {
        Attribute *kept = calloc(MAX(n->n_attributes, (size_t)1), sizeof(*kept));

        if (!kept)
                return -ENOMEM;
        *ret = *n;
        ret->attributes = kept;
        ret->n_attributes = 0;
        for (size_t i = 0; i < n->n_attributes; i++)
                if (!streq(n->attributes[i].name, attribute))
                        kept[ret->n_attributes++] = n->attributes[i];
        return 0;
}

typedef struct Columns { /* what each element of the output takes */
        size_t n;
        size_t *count, *allocated;
        RefTerm **terms;
        double *bias;
} Columns;

static void columns_done(Columns *c) {
        for (size_t i = 0; c->terms && i < c->n; i++)
                free(c->terms[i]);
        free(c->terms);
        free(c->count);
        free(c->allocated);
        free(c->bias);
}

static int columns_init(Columns *c, const Tensor *zero) {
        c->n = zero->count;
        c->count = calloc(MAX(c->n, (size_t)1), sizeof(*c->count));
        c->allocated = calloc(MAX(c->n, (size_t)1), sizeof(*c->allocated));
        c->terms = calloc(MAX(c->n, (size_t)1), sizeof(RefTerm *));
        c->bias = calloc(MAX(c->n, (size_t)1), sizeof(*c->bias));
        if (!c->count || !c->allocated || !c->terms || !c->bias)
                return -ENOMEM;
        for (size_t i = 0; i < c->n; i++)
                c->bias[i] = tensor_get_f64(zero, i);
        return 0;
}

static int columns_add(Columns *c, size_t i, RefTerm term) {
        if (c->count[i] == c->allocated[i]) {
                size_t n = MAX((size_t)4, 2 * c->allocated[i]);
                RefTerm *terms = reallocarray(c->terms[i], n, sizeof(*terms));

                if (!terms)
                        return -ENOMEM;
                c->terms[i] = terms;
                c->allocated[i] = n;
        }
        c->terms[i][c->count[i]++] = term;
        return 0;
}

static int columns_cells(Lowerer *l, const Columns *c, Ref **ret, size_t *ret_count) {
        _cleanup_free_
        Ref *refs = calloc(MAX(c->n, (size_t)1), sizeof(*refs));

        if (!refs)
                return -ENOMEM;
        for (size_t i = 0; i < c->n; i++) {
                int r = lower_sum(l, c->terms[i], c->count[i], c->bias[i], &refs[i]);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(refs);
        *ret_count = c->n;
        return 0;
}

typedef struct Inputs {
        size_t n;
        const Tensor **tensors;
        Tensor **owned;
} Inputs;

static void inputs_done(Inputs *inputs) {
        for (size_t k = 0; inputs->owned && k < inputs->n; k++)
                tensor_free(inputs->owned[k]);
        free(inputs->owned);
        free(inputs->tensors);
}

/* 16 bits of float have no room for UNIT, nor could a weight be told from its rounding: such inputs
 * become wider. */
static int inputs_init(Inputs *ret, const Node *n, const Tensor *const *in) {
        size_t size = MAX(n->n_inputs, (size_t)1);

        *ret = (Inputs){.n = n->n_inputs,
                        .tensors = calloc(size, sizeof(const Tensor *)),
                        .owned = calloc(size, sizeof(Tensor *))};
        if (!ret->tensors || !ret->owned)
                return -ENOMEM;
        for (size_t k = 0; k < n->n_inputs; k++) {
                bool half = in[k] && (in[k]->type == ELEMENT_F16 || in[k]->type == ELEMENT_BF16);
                int r;

                ret->tensors[k] = in[k];
                if (!half)
                        continue;
                r = tensor_new(ELEMENT_F32, in[k]->rank, in[k]->dim, &ret->owned[k]);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < in[k]->count; i++)
                        tensor_set_f64(ret->owned[k], i, tensor_get_f64(in[k], i));
                ret->tensors[k] = ret->owned[k];
        }
        return 0;
}

int lower_probe(Lowerer *l, const Node *n, const Tensor *const *in, size_t input, size_t output,
                const Ref *x, Ref **ret, size_t *ret_count) {
        _cleanup_(outputs_done)
        Outputs o = {0};
        _cleanup_(columns_done)
        Columns c = {0};
        _cleanup_(tensor_freep)
        Tensor *probe = NULL;
        _cleanup_(inputs_done)
        Inputs inputs = {0};
        const Tensor *t;
        int r;

        r = inputs_init(&inputs, n, in);
        if (r < 0)
                return r;
        t = inputs.tensors[input];
        r = tensor_new(t->type, t->rank, t->dim, &probe);
        if (r < 0)
                return r;
        inputs.tensors[input] = probe;
        r = run(l, n, inputs.tensors, &o);
        if (r < 0)
                return r;
        r = columns_init(&c, o.tensors[output]);
        for (size_t i = 0; i < probe->count && r >= 0; i++) {
                double unit;

                tensor_set_f64(probe, i, UNIT); /* small integers saturate */
                unit = tensor_get_f64(probe, i);
                r = run(l, n, inputs.tensors, &o);
                if (r >= 0 && o.tensors[output]->count != c.n)
                        r = lower_refuse(l, n, "its shape depends on data");
                for (size_t k = 0; k < c.n && r >= 0; k++) {
                        double y = tensor_get_f64(o.tensors[output], k);

                        if (y < c.bias[k] || y > c.bias[k] || isnan(y))
                                r = columns_add(&c, k, (RefTerm){x[i], (y - c.bias[k]) / unit});
                }
                tensor_set_f64(probe, i, 0);
        }
        if (r < 0)
                return r;
        return columns_cells(l, &c, ret, ret_count);
}

/* Gemm, MatMul … : the first input, or the other one where that is symmetric. */
int lower_affine(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out) {
        static const char *const symmetric[] = {"Gemm", "MatMul"};
        _cleanup_free_
        Ref *x = NULL;
        size_t computed = SIZE_MAX, count;
        Ref *refs;
        int r;

        for (size_t k = 1; k < n->n_outputs; k++)
                if (n->outputs[k] != GRAPH_NO_VALUE)
                        return lower_refuse(l, n, "its output %zu", k);
        if (attribute_int(n, "training_mode", 0) != 0)
                return lower_refuse(l, n, "it is in training");
        for (size_t k = 0; k < n->n_inputs; k++) {
                if (lower_role(l, n, k) == ROLE_CONSTANT)
                        continue;
                if (computed != SIZE_MAX)
                        return lower_refuse(l, n, "more than one of its inputs is computed");
                computed = k;
        }
        if (computed != 0) {
                bool found = false;

                for (size_t i = 0; i < ELEMENTSOF(symmetric); i++)
                        found |= streq(symmetric[i], n->op->name);
                if (!found)
                        return lower_refuse(l, n, "input %zu is not constant", computed);
        }
        r = lower_input(l, n, computed, in[computed], &x);
        if (r < 0)
                return r;
        r = lower_probe(l, n, in, computed, 0, x, &refs, &count);
        if (r < 0)
                return r;
        return lower_output(l, n, 0, count, refs);
}

/* What no file of its own knows becomes a table of the operator's values. */
int lower_pointwise(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out) {
        Function f = {.kind = FUNCTION_NODE, .node = n};
        _cleanup_free_
        Ref *refs = NULL;
        int r;

        if (streq(n->op->name, "Sigmoid"))
                f.kind = FUNCTION_SIGMOID;
        else if (streq(n->op->name, "Tanh"))
                f.kind = FUNCTION_TANH;
        for (size_t k = 1; k < n->n_inputs; k++)
                if (n->inputs[k] != GRAPH_NO_VALUE)
                        return lower_refuse(l, n, "input %zu is not expected", k);
        if (in[0]->type == ELEMENT_BOOL)
                return lower_refuse(l, n, "of what is true or false");
        r = lower_input(l, n, 0, in[0], &refs);
        for (size_t i = 0; i < in[0]->count && r >= 0; i++)
                r = lower_function(l, refs[i], &f, &refs[i]);
        if (r < 0)
                return r;
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(refs));
}
