/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Nodes, attributes and tensors in a test's own text, and the operator's run on them. Includes come
 * after cmocka's. */

#include <errno.h>
#include <math.h>

#include "models/operator.h"

#define A_INTS(name_, ...)                                      \
        ((Attribute){.name = (char *)(name_),                   \
                     .kind = ATTRIBUTE_INTS,                    \
                     .n = sizeof((int64_t[]){__VA_ARGS__}) / 8, \
                     .ints = (int64_t[]){__VA_ARGS__}})
#define A_FLOATS(name_, ...)                                  \
        ((Attribute){.name = (char *)(name_),                 \
                     .kind = ATTRIBUTE_FLOATS,                \
                     .n = sizeof((float[]){__VA_ARGS__}) / 4, \
                     .floats = (float[]){__VA_ARGS__}})
#define A_STRINGS(name_, ...)                                                     \
        ((Attribute){.name = (char *)(name_),                                     \
                     .kind = ATTRIBUTE_STRINGS,                                   \
                     .n = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
                     .strings = (char **)(const char *[]){__VA_ARGS__}})
#define A_INT(name_, x) \
        ((Attribute){   \
                .name = (char *)(name_), .kind = ATTRIBUTE_INT, .n = 1, .ints = (int64_t[]){x}})
#define A_FLOAT(name_, x) \
        ((Attribute){     \
                .name = (char *)(name_), .kind = ATTRIBUTE_FLOAT, .n = 1, .floats = (float[]){x}})
#define A_STRING(name_, x)                     \
        ((Attribute){.name = (char *)(name_),  \
                     .kind = ATTRIBUTE_STRING, \
                     .n = 1,                   \
                     .strings = (char **)(const char *[]){x}})
#define A_TENSOR(name_, t) \
        ((Attribute){.name = (char *)(name_), .kind = ATTRIBUTE_TENSOR, .n = 1, .tensor = (t)})

#define OUTPUTS_MAX 3

/* What a run gave: freed by result_done(). */
typedef struct Result {
        int r;
        Tensor *out[OUTPUTS_MAX];
        Error error;
} Result;

static inline void result_done(Result *x) {
        for (size_t i = 0; i < OUTPUTS_MAX; i++)
                x->out[i] = tensor_free(x->out[i]);
}

static inline Node node_of(const char *domain, const char *op, int opset, Attribute *attributes,
                           size_t n) {
        static size_t nothing[16];
        Node node = {
                .op = operator_find(domain, op),
                .name = (char *)"n",
                .opset = opset,
                .inputs = nothing,
                .outputs = nothing,
                .n_attributes = n,
                .attributes = attributes,
        };

        assert_non_null(node.op);
        return node;
}

static inline Result node_run(Node node, const Tensor *const *in, size_t n_in, size_t n_out) {
        Result x = {.error = ERROR_INIT};

        node.n_inputs = n_in;
        node.n_outputs = n_out;
        x.r = node.op->run(&node, in, x.out, &x.error);
        if (x.r < 0)
                assert_true(x.r == -ENOMEM || x.error.text[0]);
        return x;
}

/* A tensor of that type from doubles. */
static inline Tensor *tensor_of(ElementType type, size_t rank, const int64_t *dim,
                                const double *x) {
        Tensor *t;

        assert_int_equal(tensor_new(type, rank, dim, &t), 0);
        for (size_t i = 0; i < t->count; i++)
                tensor_set_f64(t, i, x[i]);
        return t;
}
#define DIM(...)                                              \
        (sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[]) { \
                __VA_ARGS__                                   \
        }
#define TENSOR(type, dim, ...) tensor_of(type, dim, (double[]){__VA_ARGS__})

static inline void assert_close(const Tensor *t, const double *x, size_t n, double tolerance) {
        assert_non_null(t);
        assert_int_equal(t->count, n);
        for (size_t i = 0; i < n; i++) {
                double got = tensor_get_f64(t, i);

                if (isnan(x[i])
                            ? isnan(got)
                            : got == x[i] || fabs(got - x[i]) <= tolerance * fmax(1, fabs(x[i])))
                        continue;
                fail_msg("element %zu is %.9g, but %.9g is expected", i, got, x[i]);
        }
}
#define ASSERT_CLOSE(t, tolerance, ...)                                                            \
        assert_close(t, (double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double), \
                     tolerance)

static inline void assert_refused(const Result *x, int r, const char *text) {
        assert_int_equal(x->r, r);
        if (!strstr(x->error.text, text))
                fail_msg("'%s' does not say '%s'", x->error.text, text);
}
