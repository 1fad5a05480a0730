/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "models/graph.h"
#include "models/operator.h"

/* A graph of operators that only this test has: sum of all inputs; a pair (x, -x); one that lies.
 */
static int run_sum(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        int r;

        r = tensor_copy(in[0], out);
        for (size_t i = 1; i < n->n_inputs && r >= 0; i++)
                for (size_t k = 0; in[i] && k < in[i]->count; k++)
                        out[0]->f32[k] += in[i]->f32[k];
        return r;
}

static int run_pair(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        int r;

        r = tensor_copy(in[0], out);
        if (r >= 0)
                r = tensor_copy(in[0], out + 1);
        for (size_t k = 0; r >= 0 && k < in[0]->count; k++)
                out[1]->f32[k] *= -1;
        return r;
}

static int run_lazy(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return tensor_copy(in[0], out);
}

static int run_fails(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return error_set(e, -EINVAL, "the moon\n is \xff");
}

static int run_spends(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        int r;

        r = operator_spend(n, 1000, 1000, 1, e);
        return r < 0 ? r : tensor_copy(in[0], out);
}

static int run_huge(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return tensor_new(ELEMENT_BOOL, 1, (int64_t[]){TENSOR_ELEMENTS_MAX}, out);
}

static const Operator sum = {"", "Sum", 1, OPERATOR_OTHER, 1, SIZE_MAX, 1, run_sum};
static const Operator pair = {"", "Pair", 1, OPERATOR_OTHER, 1, 1, 2, run_pair};
static const Operator lazy = {"", "Lazy", 1, OPERATOR_OTHER, 1, 1, 2, run_lazy};
static const Operator fails = {"", "Fails", 1, OPERATOR_OTHER, 1, 1, 1, run_fails};
static const Operator spends = {"", "Spends", 1, OPERATOR_OTHER, 1, 1, 1, run_spends};
static const Operator huge = {"", "Huge", 1, OPERATOR_OTHER, 1, 1, 1, run_huge};

static Graph *graph_with(size_t n_values) {
        Graph *g = calloc(1, sizeof(*g));

        assert_non_null(g);
        for (size_t i = 0; i < n_values; i++) {
                char name[16];

                snprintf(name, sizeof(name), "v%zu", i);
                assert_int_equal(graph_add_value(g, name), i);
        }
        return g;
}

/* Inputs and outputs end with -1. */
static void add(Graph *g, const Operator *op, const char *name, const int *in, const int *out) {
        size_t inputs[8], outputs[8], n_in = 0, n_out = 0;

        for (; in[n_in] != -1; n_in++)
                inputs[n_in] = in[n_in] == -2 ? GRAPH_NO_VALUE : (size_t)in[n_in];
        for (; out[n_out] != -1; n_out++)
                outputs[n_out] = out[n_out] == -2 ? GRAPH_NO_VALUE : (size_t)out[n_out];
        assert_true(graph_add_node(g, op, name, 13, n_in, inputs, n_out, outputs) >= 0);
}
#define LIST(...) ((const int[]){__VA_ARGS__, -1})

static void add_input(Graph *g, size_t value, int64_t n) {
        assert_true(graph_add_input(g, value, ELEMENT_F32, 1, &n) >= 0);
}

static Tensor *vector(float a, float b) {
        Tensor *t = NULL;

        assert_int_equal(tensor_new(ELEMENT_F32, 1, (int64_t[]){2}, &t), 0);
        t->f32[0] = a;
        t->f32[1] = b;
        return t;
}

static void test_run(void **state) {
        _cleanup_(graph_freep)
        Graph *g = graph_with(6);
        _cleanup_(tensor_freep)
        Tensor *x = vector(1, 2), *y = NULL, *z = NULL, *c = NULL;
        Tensor *out[4] = {NULL};
        Error e = ERROR_INIT;

        /* v4 = x + -x + constant, given in the wrong order; v2 is wanted twice, v5 not at all. */
        g->values[3].constant = vector(10, 20);
        add(g, &sum, "last", LIST(1, 2, -2, 3), LIST(4));
        add(g, &pair, "first", LIST(0), LIST(1, 2));
        add(g, &pair, "unwanted", LIST(4), LIST(5, -2));
        add_input(g, 0, -1);
        assert_int_equal(graph_add_output(g, 4), 0);
        assert_int_equal(graph_add_output(g, 2), 0);
        assert_int_equal(graph_add_output(g, 2), 0);
        assert_int_equal(graph_add_output(g, 3), 0);
        assert_int_equal(graph_finish(g, &e), 0);
        assert_string_equal(g->nodes[0].name, "first");
        assert_string_equal(g->nodes[1].name, "last");

        assert_int_equal(graph_run(g, (const Tensor *const[]){x}, 1, out, &e), 0);
        y = out[0];
        z = out[1];
        c = out[3];
        assert_true(y->f32[0] == 10 && y->f32[1] == 20);
        assert_true(z->f32[0] == -1 && z->f32[1] == -2);
        assert_ptr_not_equal(out[2], out[1]);
        assert_true(out[2]->f32[1] == -2);
        assert_ptr_not_equal(c, g->values[3].constant);
        assert_true(c->f32[1] == 20);
        tensor_free(out[2]);
}

/* An order that is right stays; a long chain in the wrong order needs no stack. */
static void test_order(void **state) {
        enum { N = 20000 };
        _cleanup_(graph_freep)
        Graph *g = graph_with(N + 1);
        _cleanup_(tensor_freep)
        Tensor *x = vector(3, 4), *y = NULL;
        Error e = ERROR_INIT;

        for (int i = N - 1; i >= 0; i--)
                add(g, &sum, i == 0 ? "root" : "", LIST(i), LIST(i + 1));
        add_input(g, 0, 2);
        assert_int_equal(graph_add_output(g, N), 0);
        assert_int_equal(graph_finish(g, &e), 0);
        assert_string_equal(g->nodes[0].name, "root");
        assert_int_equal(g->nodes[N - 1].outputs[0], N);
        assert_int_equal(graph_finish(g, &e), 0);
        assert_string_equal(g->nodes[0].name, "root");
        assert_int_equal(graph_run(g, (const Tensor *const[]){x}, 1, &y, &e), 0);
        assert_true(y->f32[1] == 4);
}

static void refuse(Graph *g, const char *text) {
        Error e = ERROR_INIT;

        assert_int_equal(graph_finish(g, &e), -EINVAL);
        if (!strstr(e.text, text))
                fail_msg("'%s' does not say '%s'", e.text, text);
        graph_free(g);
}

static void test_refused(void **state) {
        Graph *g;

        g = graph_with(3); /* a cycle of two */
        add(g, &sum, "a", LIST(0, 2), LIST(1));
        add(g, &sum, "b", LIST(1), LIST(2));
        add_input(g, 0, 2);
        graph_add_output(g, 2);
        refuse(g, "needs its own output");

        g = graph_with(2); /* a node that feeds itself */
        add(g, &sum, "self", LIST(1), LIST(1));
        graph_add_output(g, 1);
        refuse(g, "'self'");

        g = graph_with(2); /* two nodes give one value */
        add(g, &sum, "a", LIST(0), LIST(1));
        add(g, &sum, "b", LIST(0), LIST(1));
        add_input(g, 0, 2);
        graph_add_output(g, 1);
        refuse(g, "value 'v1' has more than one source");

        g = graph_with(2); /* a node gives one value twice */
        add(g, &pair, "a", LIST(0), LIST(1, 1));
        add_input(g, 0, 2);
        graph_add_output(g, 1);
        refuse(g, "more than one source");

        g = graph_with(1); /* an input that is a constant */
        g->values[0].constant = vector(1, 1);
        add_input(g, 0, 2);
        graph_add_output(g, 0);
        refuse(g, "more than one source");

        g = graph_with(1); /* an input given twice */
        add_input(g, 0, 2);
        add_input(g, 0, 2);
        graph_add_output(g, 0);
        refuse(g, "more than one source");

        g = graph_with(3); /* a dead node's input counts, too */
        add(g, &sum, "dead", LIST(1), LIST(2));
        add_input(g, 0, 2);
        graph_add_output(g, 0);
        refuse(g, "'v1', which node 'dead' takes, comes from nowhere");

        g = graph_with(2);
        add_input(g, 0, 2);
        graph_add_output(g, 1);
        refuse(g, "output 'v1' comes from nowhere");

        g = graph_with(1);
        add_input(g, 0, 2);
        refuse(g, "no outputs");
}

static void test_arity(void **state) {
        static const struct {
                const Operator *op;
                int in[4], out[4];
                const char *text;
        } cases[] = {
                {&sum, {-1}, {1, -1}, "0 inputs"},
                {&pair, {0, 0, -1}, {1, -1}, "2 inputs"},
                {&sum, {-2, 0, -1}, {1, -1}, "lacks input 0"},
                {&sum, {0, -1}, {-1}, "0 outputs"},
                {&sum, {0, -1}, {1, -2, -1}, "2 outputs"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Graph *g = graph_with(2);

                add(g, cases[i].op, "a", cases[i].in, cases[i].out);
                add_input(g, 0, 2);
                graph_add_output(g, 0);
                refuse(g, cases[i].text);
        }
}

/* One node between input v0 and output v1. */
static Graph *one_node(const Operator *op) {
        Graph *g = graph_with(2);

        add(g, op, "n", LIST(0), LIST(1));
        add_input(g, 0, 2);
        graph_add_output(g, 1);
        assert_int_equal(graph_finish(g, NULL), 0);
        return g;
}

static void test_inputs(void **state) {
        _cleanup_(graph_freep)
        Graph *g = one_node(&sum);
        _cleanup_(tensor_freep)
        Tensor *scalar = NULL, *three = NULL, *integers = NULL;
        static const char *const texts[] = {
                "0 dimensions, but the model wants 1",
                "dimension 0 of input 'v0' is 3, but the model wants 2",
                "input 'v0' is int64, but the model wants float32",
        };
        Tensor *y = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(tensor_new(ELEMENT_F32, 0, NULL, &scalar), 0);
        assert_int_equal(tensor_new(ELEMENT_F32, 1, (int64_t[]){3}, &three), 0);
        assert_int_equal(tensor_new(ELEMENT_I64, 1, (int64_t[]){2}, &integers), 0);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                const Tensor *in[] = {scalar, three, integers};

                e = ERROR_INIT;
                assert_int_equal(graph_run(g, in + i, 1, &y, &e), -EINVAL);
                assert_non_null(strstr(e.text, texts[i]));
        }
        e = ERROR_INIT;
        assert_int_equal(graph_run(g, NULL, 0, &y, &e), -EINVAL);
        assert_string_equal(e.text, "0 inputs given, but the model has 1");
        assert_int_equal(graph_run(g, (const Tensor *const[]){NULL}, 1, &y, NULL), -EINVAL);
        g->inputs[0].rank = GRAPH_RANK_ANY;
        assert_int_equal(graph_run(g, (const Tensor *const[]){scalar}, 1, &y, NULL), 0);
        tensor_free(y);
}

static int run_one(const Operator *op, uint64_t work_max, Error *e) {
        _cleanup_(graph_freep)
        Graph *g = one_node(op);
        _cleanup_(tensor_freep)
        Tensor *x = vector(1, 2), *y = NULL;

        g->work_max = work_max;
        return graph_run(g, (const Tensor *const[]){x}, 1, &y, e);
}

static void test_node_errors(void **state) {
        Error e = ERROR_INIT;

        assert_int_equal(run_one(&fails, 0, &e), -EINVAL);
        assert_string_equal(e.text, "Fails (node 'n', opset 13): the moon? is ?");
        assert_int_equal(run_one(&lazy, 0, NULL), 0);

        /* 10^6 of its own, and one pass over two elements in and two out. */
        e = ERROR_INIT;
        assert_int_equal(run_one(&spends, 1000000, &e), -EFBIG);
        assert_int_equal(run_one(&spends, 999999, NULL), -EFBIG);
        assert_int_equal(run_one(&spends, 1000010, NULL), 0);
        assert_int_equal(run_one(&sum, 3, NULL), -EFBIG);
}

static void test_lazy(void **state) {
        _cleanup_(graph_freep)
        Graph *g = graph_with(3);
        _cleanup_(tensor_freep)
        Tensor *x = vector(1, 2), *y = NULL;
        Error e = ERROR_INIT;

        add(g, &lazy, "n", LIST(0), LIST(1, 2));
        add_input(g, 0, 2);
        graph_add_output(g, 1);
        assert_int_equal(graph_finish(g, &e), 0);
        assert_int_equal(graph_run(g, (const Tensor *const[]){x}, 1, &y, &e), -EINVAL);
        assert_non_null(strstr(e.text, "output 1 is not given"));
}

/* Five tensors of 2^24 elements: too many to hold, unless each is let go before the next. */
static void test_memory(void **state) {
        for (int held = 0; held < 2; held++) {
                _cleanup_(graph_freep)
                Graph *g = graph_with(6);
                _cleanup_(tensor_freep)
                Tensor *x = vector(1, 2);
                Tensor *out[6] = {NULL};
                Error e = ERROR_INIT;
                int r;

                for (int i = 0; i < 5; i++)
                        add(g, &huge, "n", LIST(held ? 0 : i), LIST(i + 1));
                add_input(g, 0, 2);
                for (int i = held ? 1 : 5; i <= 5; i++)
                        graph_add_output(g, (size_t)i);
                assert_int_equal(graph_finish(g, &e), 0);
                r = graph_run(g, (const Tensor *const[]){x}, 1, out, &e);
                assert_int_equal(r, held ? -EFBIG : 0);
                tensor_free(out[0]);
        }
}

static int stop_at_second(void *userdata, size_t node, const Tensor *const *in,
                          const Tensor *const *out, Error *e) {
        size_t *n = userdata;

        assert_non_null(in[0]);
        assert_non_null(out[0]);
        assert_int_equal(node, (*n)++);
        return node == 1 ? -ECANCELED : 0;
}

static void test_visit(void **state) {
        _cleanup_(graph_freep)
        Graph *g = graph_with(4);
        _cleanup_(tensor_freep)
        Tensor *x = vector(1, 2), *y = NULL;
        size_t n = 0;

        for (int i = 0; i < 3; i++)
                add(g, &sum, "n", LIST(i), LIST(i + 1));
        add_input(g, 0, 2);
        graph_add_output(g, 3);
        assert_int_equal(graph_finish(g, NULL), 0);
        assert_int_equal(
                graph_run_visit(g, (const Tensor *const[]){x}, 1, &y, stop_at_second, &n, NULL),
                -ECANCELED);
        assert_int_equal(n, 2);
        assert_null(y);
}

/* 0 -> 1 -> 3, and 0 -> 2 -> 4: of the two outputs one stays, with what it needs. */
static void test_keep_output(void **state) {
        _cleanup_(graph_freep)
        Graph *g = graph_with(5);
        _cleanup_(tensor_freep)
        Tensor *x = vector(1, 2), *y = NULL;

        add(g, &sum, "a", LIST(0), LIST(1));
        add(g, &sum, "b", LIST(0), LIST(2));
        add(g, &sum, "c", LIST(1), LIST(3));
        add(g, &sum, "d", LIST(2), LIST(4));
        add_input(g, 0, 2);
        graph_add_output(g, 3);
        graph_add_output(g, 4);
        assert_int_equal(graph_finish(g, NULL), 0);
        assert_int_equal(graph_keep_output(g, 2), -EINVAL);
        assert_int_equal(g->n_nodes, 4);
        assert_int_equal(graph_keep_output(g, 1), 0);
        assert_int_equal(g->n_outputs, 1);
        assert_int_equal(g->outputs[0], 4);
        assert_int_equal(g->n_nodes, 2);
        assert_string_equal(g->nodes[0].name, "b");
        assert_string_equal(g->nodes[1].name, "d");
        assert_int_equal(graph_run(g, (const Tensor *const[]){x}, 1, &y, NULL), 0);
        assert_non_null(y);
}

static void test_attributes(void **state) {
        _cleanup_(graph_freep)
        Graph *g = one_node(&sum);
        _cleanup_(attribute_done)
        Attribute a = {.name = strdup("alpha"), .kind = ATTRIBUTE_FLOAT, .n = 1};
        _cleanup_(attribute_done)
        Attribute b = {.name = strdup("alpha"), .kind = ATTRIBUTE_INT, .n = 1};

        a.floats = calloc(1, sizeof(*a.floats));
        a.floats[0] = 0.5f;
        b.ints = calloc(1, sizeof(*b.ints));
        assert_int_equal(graph_add_attribute(g, 0, &a), 0);
        assert_null(a.name);
        assert_int_equal(graph_add_attribute(g, 0, &b), -EEXIST);
        assert_non_null(b.name);
        assert_true(attribute_float(g->nodes, "alpha", 2) == 0.5f);
        assert_int_equal(attribute_int(g->nodes, "alpha", 7), 7);
        assert_string_equal(attribute_string(g->nodes, "beta", "none"), "none");
        assert_null(attribute_find(g->nodes, "alpha", ATTRIBUTE_FLOATS));
}

/* What the tables promise to those who look names up. */
static void test_tables(void **state) {
        const Operator *op;
        size_t n = 0;

        for (; (op = operator_at(n)); n++) {
                assert_non_null(op->run);
                assert_true(op->inputs_min <= op->inputs_max);
                assert_true(op->outputs_max >= 1);
                assert_true(op->since >= 1);
                assert_ptr_equal(operator_find(op->domain, op->name), op);
        }
        assert_null(operator_at(n + 1));
        assert_null(operator_find("", "NoSuchOperator"));
        assert_null(operator_find("com.example", "Relu"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_run),        cmocka_unit_test(test_order),
                cmocka_unit_test(test_refused),    cmocka_unit_test(test_arity),
                cmocka_unit_test(test_inputs),     cmocka_unit_test(test_node_errors),
                cmocka_unit_test(test_lazy),       cmocka_unit_test(test_memory),
                cmocka_unit_test(test_visit),      cmocka_unit_test(test_keep_output),
                cmocka_unit_test(test_attributes), cmocka_unit_test(test_tables),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
