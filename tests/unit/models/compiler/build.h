/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Small graphs by hand, and random numbers that are the same in every run. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "models/compiler/compile.h"
#include "models/compiler/lower.h"
#include "models/compiler/reference.h"
#include "models/operator.h"

static uint64_t random_state = 1;

static inline uint32_t random_u32(void) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(random_state >> 33);
}

/* In -1 … 1. */
static inline double random_real(void) {
        return (double)random_u32() / (double)(1u << 30) - 1;
}

/* Sum of uniform ones: close enough to a normal distribution of deviation 1. */
static inline double random_normal(void) {
        double sum = 0;

        for (int i = 0; i < 6; i++)
                sum += random_real();
        return sum / sqrt(2);
}

static inline size_t value_of(Graph *g) {
        char name[32];
        ssize_t v;

        snprintf(name, sizeof(name), "v%zu", g->n_values);
        v = graph_add_value(g, name);
        assert_true(v >= 0);
        return (size_t)v;
}

static inline Graph *graph_of(size_t *input, ElementType type, size_t rank, const int64_t *dim) {
        Graph *g = calloc(1, sizeof(*g));

        assert_non_null(g);
        *input = value_of(g);
        assert_true(graph_add_input(g, *input, type, rank, dim) >= 0);
        return g;
}

/* [-1, width] of float. */
static inline Graph *graph_of_rows(size_t width, size_t *input) {
        return graph_of(input, ELEMENT_F32, 2, (int64_t[]){-1, (int64_t)width});
}

static inline size_t constant(Graph *g, ElementType type, size_t rank, const int64_t *dim,
                              const double *x) {
        size_t v = value_of(g);
        Tensor *t;

        assert_int_equal(tensor_new(type, rank, dim, &t), 0);
        for (size_t i = 0; i < t->count; i++)
                tensor_set_f64(t, i, x[i]);
        g->values[v].constant = t;
        return v;
}

/* Random numbers of that deviation. */
static inline size_t random_constant(Graph *g, size_t rank, const int64_t *dim, double deviation) {
        size_t count;
        double *x;
        size_t v;

        assert_int_equal(tensor_count(rank, dim, &count), 0);
        x = calloc(count + 1, sizeof(*x));
        assert_non_null(x);
        for (size_t i = 0; i < count; i++)
                x[i] = random_normal() * deviation;
        v = constant(g, ELEMENT_F32, rank, dim, x);
        free(x);
        return v;
}

/* Output 0 of a new node; outputs of a node stand one after the other. */
static inline size_t node_of(Graph *g, const char *domain, const char *op, size_t n_outputs,
                             size_t n_inputs, const size_t *inputs) {
        size_t outputs[8];
        char name[64];
        const Operator *o = operator_find(domain, op);

        if (!o)
                fail_msg("no operator %s", op);
        for (size_t i = 0; i < n_outputs; i++)
                outputs[i] = value_of(g);
        snprintf(name, sizeof(name), "%s_%zu", op, g->n_nodes);
        assert_true(graph_add_node(g, o, name, streq(domain, "") ? 13 : 3, n_inputs, inputs,
                                   n_outputs, outputs) >= 0);
        return outputs[0];
}

static inline size_t unary(Graph *g, const char *op, size_t x) {
        return node_of(g, "", op, 1, 1, &x);
}

static inline size_t binary(Graph *g, const char *op, size_t x, size_t y) {
        return node_of(g, "", op, 1, 2, (size_t[]){x, y});
}

static inline void attribute(Graph *g, const char *name, AttributeKind kind, size_t n,
                             const double *x) {
        Attribute a = {.name = strdup(name), .kind = kind, .n = n};

        if (kind == ATTRIBUTE_INT || kind == ATTRIBUTE_INTS) {
                a.ints = calloc(n + 1, sizeof(*a.ints));
                assert_non_null(a.ints);
                for (size_t i = 0; i < n; i++)
                        a.ints[i] = (int64_t)x[i];
        } else {
                a.floats = calloc(n + 1, sizeof(*a.floats));
                assert_non_null(a.floats);
                for (size_t i = 0; i < n; i++)
                        a.floats[i] = (float)x[i];
        }
        assert_int_equal(graph_add_attribute(g, g->n_nodes - 1, &a), 0);
}

static inline void attribute_words(Graph *g, const char *name, AttributeKind kind, size_t n,
                                   const char *const *words) {
        Attribute a = {.name = strdup(name), .kind = kind, .n = n};

        a.strings = calloc(n + 1, sizeof(char *));
        assert_non_null(a.strings);
        for (size_t i = 0; i < n; i++)
                a.strings[i] = strdup(words[i]);
        assert_int_equal(graph_add_attribute(g, g->n_nodes - 1, &a), 0);
}

static inline void finish(Graph *g, size_t output) {
        Error e = ERROR_INIT;

        assert_true(graph_add_output(g, output) >= 0);
        if (graph_finish(g, &e) < 0)
                fail_msg("%s", e.text);
}

/* x W + b, of about the deviation of x. */
static inline size_t gemm(Graph *g, size_t x, size_t in, size_t out) {
        size_t w = random_constant(g, 2, (int64_t[]){(int64_t)in, (int64_t)out},
                                   1 / sqrt((double)in));
        size_t b = random_constant(g, 1, (int64_t[]){(int64_t)out}, 0.3);

        return node_of(g, "", "Gemm", 1, 3, (size_t[]){x, w, b});
}

/* Every output of the graph's float run on one row of fields. */
static inline size_t graph_values(const Graph *g, const double *fields, double *ret) {
        GraphRow *row;
        Tensor *outputs[4] = {NULL};
        Error e = ERROR_INIT;
        size_t n = 0;

        assert_int_equal(graph_row_new(g, &row, &e), 0);
        graph_row_set(row, fields);
        if (graph_run(g, (const Tensor *const *)row->tensors, row->n, outputs, &e) < 0)
                fail_msg("%s", e.text);
        for (size_t i = 0; i < outputs[0]->count; i++)
                ret[n++] = tensor_get_f64(outputs[0], i);
        for (size_t i = 0; i < g->n_outputs; i++)
                tensor_free(outputs[i]);
        graph_row_free(row);
        return n;
}

static inline Cells *lowered(const Graph *g) {
        Cells *c;
        Error e = ERROR_INIT;

        if (lower_graph(g, (double)NAN, false, &c, &e) < 0)
                fail_msg("%s", e.text);
        return c;
}

/* The cells' outputs are the graph's. */
static inline void check_cells(const Graph *g, const Cells *c, const double *fields,
                               double tolerance) {
        double expected[256];
        double *values = calloc(c->n + 1, sizeof(*values));
        Error e = ERROR_INIT;
        size_t n;

        assert_non_null(values);
        n = graph_values(g, fields, expected);
        assert_int_equal(n, c->decision.n_outputs);
        assert_int_equal(cells_run(c, fields, values, &e), 0);
        for (size_t i = 0; i < n; i++) {
                double y = values[c->decision.outputs[i]];

                if (fabs(y - expected[i]) > tolerance * (1 + fabs(expected[i])))
                        fail_msg("output %zu is %.9g, not %.9g", i, y, expected[i]);
        }
        free(values);
}

/* Before and after the passes. */
static inline void check_lowering(Graph *g, size_t fields, double scale) {
        Cells *c = lowered(g);
        double row[PROGRAM_FIELDS_MAX];

        for (int pass = 0; pass < 2; pass++) {
                for (int i = 0; i < 50; i++) {
                        for (size_t k = 0; k < fields; k++)
                                row[k] = floor(fabs(random_normal()) * scale);
                        check_cells(g, c, row, 1e-5);
                }
                assert_int_equal(cells_fold(c), 0);
        }
        cells_free(c);
}

static inline uint32_t *random_rows(size_t n, size_t fields, double scale) {
        uint32_t *rows = calloc(n * fields, sizeof(*rows));

        assert_non_null(rows);
        for (size_t i = 0; i < n * fields; i++)
                rows[i] = (uint32_t)fmax(0, floor((random_normal() + 3) * scale));
        return rows;
}
