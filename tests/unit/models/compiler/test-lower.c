/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "build.h"

/* The cells of small graphs compute what the float engine computes, before and after folding. */

static size_t live(const Cells *c, CellKind kind) {
        size_t n = 0;

        for (size_t i = c->n_fields; i < c->n; i++)
                n += !c->cells[i].dead && c->cells[i].kind == kind;
        return n;
}

static size_t weights(const Cells *c) {
        size_t n = 0;

        for (size_t i = c->n_fields; i < c->n; i++)
                if (!c->cells[i].dead && c->cells[i].kind == CELL_AFFINE)
                        n += c->cells[i].n_terms;
        return n;
}

/* Sub, Div, MatMul, Add, BatchNormalization, Relu, MatMul, Mul: two layers are left. */
static void test_fold(void **state) {
        size_t x, y;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(5, &x);
        size_t mean = constant(g, ELEMENT_F32, 1, (int64_t[]){5}, (double[]){10, 20, 30, 40, 50});
        size_t deviation = constant(g, ELEMENT_F32, 2, (int64_t[]){1, 5},
                                    (double[]){4, 5, 6, 7, 1000});
        size_t norm[5];
        Cells *c;

        y = binary(g, "Div", binary(g, "Sub", x, mean), deviation);
        y = binary(g, "MatMul", y, random_constant(g, 2, (int64_t[]){5, 7}, 0.5));
        y = binary(g, "Add", y, random_constant(g, 1, (int64_t[]){7}, 0.5));
        norm[0] = y;
        for (int i = 1; i < 4; i++)
                norm[i] = random_constant(g, 1, (int64_t[]){7}, 1);
        norm[4] = constant(g, ELEMENT_F32, 1, (int64_t[]){7}, (double[]){1, 2, 3, 4, 5, 6, 0.1});
        y = node_of(g, "", "BatchNormalization", 1, 5, norm);
        y = unary(g, "Relu", y);
        y = binary(g, "MatMul", y, random_constant(g, 2, (int64_t[]){7, 3}, 0.5));
        y = binary(g, "Mul", constant(g, ELEMENT_F32, 0, NULL, (double[]){-2.5}), y);
        finish(g, y);
        check_lowering(g, 5, 100);
        c = lowered(g);
        assert_int_equal(cells_fold(c), 0);
        assert_int_equal(live(c, CELL_AFFINE), 7 + 3);
        assert_int_equal(weights(c), 5 * 7 + 7 * 3);
        cells_free(c);
}

/* 20 → 2 → 20 stays two layers, 4 → 20 → 2 becomes one. */
static void test_fold_rank(void **state) {
        size_t x;
        Graph *g = graph_of_rows(20, &x);
        Cells *c;

        finish(g, gemm(g, gemm(g, x, 20, 2), 2, 20));
        check_lowering(g, 20, 100);
        c = lowered(g);
        assert_int_equal(cells_fold(c), 0);
        assert_int_equal(weights(c), 80);
        cells_free(c);
        graph_free(g);

        g = graph_of_rows(4, &x);
        finish(g, gemm(g, gemm(g, x, 4, 20), 20, 2));
        check_lowering(g, 4, 100);
        c = lowered(g);
        assert_int_equal(cells_fold(c), 0);
        assert_int_equal(weights(c), 8);
        cells_free(c);
        graph_free(g);
}

static void test_move(void **state) {
        size_t x, y, z;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(12, &x);

        y = node_of(
                g, "", "Reshape", 1, 2,
                (size_t[]){x, constant(g, ELEMENT_I64, 1, (int64_t[]){3}, (double[]){1, 3, 4})});
        y = unary(g, "Transpose", y); /* 4, 3, 1 */
        z = node_of(g, "", "Gather", 1, 2,
                    (size_t[]){y, constant(g, ELEMENT_I64, 1, (int64_t[]){2}, (double[]){3, 1})});
        y = node_of(g, "", "Concat", 1, 3,
                    (size_t[]){z, y, random_constant(g, 3, (int64_t[]){2, 3, 1}, 1)});
        attribute(g, "axis", ATTRIBUTE_INT, 1, (double[]){0});
        y = unary(g, "Identity", unary(g, "Flatten", y));
        finish(g, y);
        check_lowering(g, 12, 1000);
}

static void test_activations(void **state) {
        size_t x, y, z;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(4, &x);

        x = binary(g, "Mul", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
        y = gemm(g, x, 4, 6);
        z = unary(g, "LeakyRelu", y);
        attribute(g, "alpha", ATTRIBUTE_FLOAT, 1, (double[]){0.2});
        z = binary(g, "Add", z, unary(g, "Sigmoid", y));
        z = binary(g, "Mul", z, unary(g, "Tanh", y));
        z = binary(g, "Sub", z, unary(g, "Abs", y));
        z = node_of(g, "", "Clip", 1, 3,
                    (size_t[]){z, constant(g, ELEMENT_F32, 0, NULL, (double[]){-0.5}),
                               constant(g, ELEMENT_F32, 0, NULL, (double[]){0.75})});
        finish(g, z);
        check_lowering(g, 4, 200);
}

static void test_refusals(void **state) {
        static const struct {
                const char *op, *text;
        } cases[] = {{"Div", "divides by"}, {"Softmax", "where the decision follows"}};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t x, y;
                _cleanup_(graph_freep)
                Graph *g = graph_of_rows(3, &x);
                Cells *c;
                Error e = ERROR_INIT;

                if (streq(cases[i].op, "Div"))
                        y = binary(g, "Div", x, unary(g, "Sigmoid", x));
                else
                        y = unary(g, "Relu", unary(g, cases[i].op, x));
                finish(g, y);
                assert_int_equal(lower_graph(g, (double)NAN, false, &c, &e), -ENOTSUP);
                if (!strstr(e.text, cases[i].text) || !strstr(e.text, "_"))
                        fail_msg("'%s'", e.text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fold),     cmocka_unit_test(test_fold_rank),
                cmocka_unit_test(test_move),     cmocka_unit_test(test_activations),
                cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
