/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/compiler/lower.h"

/* LayerNormalization: sums, squares, and a table of 1 / sqrt. */

static int mean_of(Lowerer *l, const Ref *x, size_t n, double bias, Ref *ret) {
        _cleanup_free_
        RefTerm *terms = calloc(n, sizeof(*terms));

        if (!terms)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                terms[i] = (RefTerm){x[i], 1 / (double)n};
        return lower_sum(l, terms, n, bias, ret);
}

/* x becomes (x - mean) / deviation. */
static int normalize(Lowerer *l, Ref *x, size_t n, double epsilon) {
        Function inverse = {.kind = FUNCTION_POWER, .exponent = -0.5};
        _cleanup_free_
        Ref *squares = calloc(n, sizeof(*squares));
        Ref mean, variance;
        int r;

        if (!squares)
                return -ENOMEM;
        r = mean_of(l, x, n, 0, &mean);
        for (size_t i = 0; i < n && r >= 0; i++) {
                RefTerm terms[2] = {{x[i], 1}, {mean, -1}};

                r = lower_sum(l, terms, 2, 0, &x[i]);
                if (r >= 0)
                        r = lower_product(l, x[i], x[i], &squares[i]);
        }
        if (r >= 0)
                r = mean_of(l, squares, n, epsilon, &variance);
        if (r >= 0)
                r = lower_function(l, variance, &inverse, &variance);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = lower_product(l, x[i], variance, &x[i]);
        return r;
}

static int lower_layer_normalization(Lowerer *l, const Node *n, const Tensor *const *in,
                                     const Tensor *const *out) {
        int64_t axis = attribute_int(n, "axis", -1);
        double epsilon = (double)attribute_float(n, "epsilon", 1e-5f);
        bool biased = n->n_inputs > 2 && in[2];
        size_t length = 1, count = in[0]->count;
        _cleanup_free_
        Ref *x = NULL;
        int r;

        for (size_t k = 1; k < n->n_outputs; k++)
                if (n->outputs[k] != GRAPH_NO_VALUE)
                        return lower_refuse(l, n, "its output %zu", k);
        for (size_t k = 1; k < n->n_inputs; k++)
                if (lower_role(l, n, k) != ROLE_CONSTANT)
                        return lower_refuse(l, n, "input %zu is not constant", k);
        axis += axis < 0 ? (int64_t)in[0]->rank : 0;
        for (size_t i = (size_t)axis; i < in[0]->rank; i++)
                length *= (size_t)in[0]->dim[i];
        if (in[1]->count != length || (biased && in[2]->count != length))
                return lower_refuse(l, n,
                                    "its scale or bias are not of the size of what it scales");
        r = lower_input(l, n, 0, in[0], &x);
        for (size_t at = 0; at < count && r >= 0; at += length)
                r = normalize(l, x + at, length, epsilon);
        for (size_t i = 0; i < count && r >= 0; i++) {
                RefTerm term = {x[i], tensor_get_f64(in[1], i % length)};

                r = lower_sum(l, &term, 1, biased ? tensor_get_f64(in[2], i % length) : 0, &x[i]);
        }
        if (r < 0)
                return r;
        return lower_output(l, n, 0, count, TAKE_PTR(x));
}

const LowerEntry lower_normalize[] = {
        {DOMAIN_ONNX, "LayerNormalization", lower_layer_normalization},
        {NULL, NULL, NULL},
};
