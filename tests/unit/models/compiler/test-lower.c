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
        y = unary(g, "Identity", unary(g, "Dropout", y));
        /* As exporters flatten: [Shape[0], -1] */
        z = node_of(g, "", "Gather", 1, 2,
                    (size_t[]){unary(g, "Shape", x),
                               constant(g, ELEMENT_I64, 1, (int64_t[]){1}, (double[]){0})});
        z = node_of(g, "", "Concat", 1, 2,
                    (size_t[]){z, constant(g, ELEMENT_I64, 1, (int64_t[]){1}, (double[]){-1})});
        attribute(g, "axis", ATTRIBUTE_INT, 1, (double[]){0});
        finish(g, binary(g, "Reshape", y, z));
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

/* Weights of 16 bits: what they are told from must not leave their range, nor round them. */
static void test_halves(void **state) {
        size_t x, y;
        _cleanup_(graph_freep)
        Graph *g = graph_of(&x, ELEMENT_F16, 2, (int64_t[]){-1, 3});
        Cells *c;

        y = constant(g, ELEMENT_F16, 2, (int64_t[]){3, 2},
                     (double[]){0.5, -3, 1.25, 100, -0.0625, 7});
        finish(g, node_of(g, "", "Gemm", 1, 3,
                          (size_t[]){x, y,
                                     constant(g, ELEMENT_F16, 1, (int64_t[]){2},
                                              (double[]){0.1, 300})}));
        c = lowered(g);
        assert_int_equal(weights(c), 6);
        for (size_t i = c->n_fields; i < c->n; i++)
                for (size_t k = 0; k < c->cells[i].n_terms; k++)
                        assert_float_equal(
                                c->cells[i].terms[k].weight,
                                tensor_get_f64(g->values[y].constant, 2 * k + (i - c->n_fields)),
                                1e-6);
        cells_free(c);
}

/* Convolution, pools, one matrix at the end. */
static void test_windows(void **state) {
        size_t x, y;
        Graph *g = graph_of(&x, ELEMENT_F32, 3, (int64_t[]){-1, 2, 16});

        x = binary(g, "Mul", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
        y = node_of(g, "", "Conv", 1, 3,
                    (size_t[]){x, random_constant(g, 3, (int64_t[]){4, 2, 3}, 0.5),
                               random_constant(g, 1, (int64_t[]){4}, 0.5)});
        attribute(g, "pads", ATTRIBUTE_INTS, 2, (double[]){1, 1});
        y = unary(g, "Relu", y);
        y = unary(g, "MaxPool", y);
        attribute(g, "kernel_shape", ATTRIBUTE_INTS, 1, (double[]){2});
        attribute(g, "strides", ATTRIBUTE_INTS, 1, (double[]){2});
        y = node_of(g, "", "Conv", 1, 2,
                    (size_t[]){y, random_constant(g, 3, (int64_t[]){3, 4, 3}, 0.5)});
        y = unary(g, "AveragePool", y);
        attribute(g, "kernel_shape", ATTRIBUTE_INTS, 1, (double[]){3});
        y = unary(g, "GlobalAveragePool", unary(g, "Sigmoid", y));
        finish(g, unary(g, "Flatten", y));
        check_lowering(g, 32, 100);
        graph_free(g);

        g = graph_of_rows(6, &x);
        y = unary(g, "ReduceMax", x);
        attribute(g, "axes", ATTRIBUTE_INTS, 1, (double[]){1});
        y = node_of(g, "", "Max", 1, 2, (size_t[]){y, y});
        finish(g, y);
        check_lowering(g, 6, 100);
        graph_free(g);
}

static void recurrent(const char *op, const char *direction, bool linear, bool states,
                      bool sequence) {
        enum { STEPS = 4, WIDTH = 3, HIDDEN = 5 };
        size_t gates = streq(op, "GRU") ? 3 : 4, d = streq(direction, "bidirectional") ? 2 : 1;
        size_t x, y, inputs[7], n = 4;
        _cleanup_(graph_freep)
        Graph *g = graph_of(&x, ELEMENT_F32, 3, (int64_t[]){STEPS, -1, WIDTH});
        int64_t rows = (int64_t)gates * HIDDEN, directions = (int64_t)d;

        inputs[0] = binary(g, "Mul", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
        inputs[1] = random_constant(g, 3, (int64_t[]){directions, rows, WIDTH}, 0.5);
        inputs[2] = random_constant(g, 3, (int64_t[]){directions, rows, HIDDEN}, 0.5);
        inputs[3] = random_constant(g, 2, (int64_t[]){directions, 2 * rows}, 0.5);
        if (states) {
                inputs[n++] = constant(g, ELEMENT_I32, 1, (int64_t[]){1}, (double[]){STEPS - 1});
                inputs[n++] = random_constant(g, 3, (int64_t[]){directions, 1, HIDDEN}, 0.5);
                if (gates == 4)
                        inputs[n++] = random_constant(g, 3, (int64_t[]){directions, 1, HIDDEN},
                                                      0.5);
        }
        y = node_of(g, "", op, gates == 3 ? 2 : 3, n, inputs);
        attribute(g, "hidden_size", ATTRIBUTE_INT, 1, (double[]){HIDDEN});
        attribute_words(g, "direction", ATTRIBUTE_STRING, 1, (const char *const[]){direction});
        if (linear)
                attribute(g, "linear_before_reset", ATTRIBUTE_INT, 1, (double[]){1});
        finish(g, unary(g, "Flatten", sequence ? y : y + 1));
        check_lowering(g, STEPS * WIDTH, 100);
}

static void test_recurrent(void **state) {
        recurrent("GRU", "forward", false, false, false);
        recurrent("GRU", "forward", true, true, false);
        recurrent("GRU", "bidirectional", true, false, false);
        recurrent("GRU", "reverse", false, true, true);
        recurrent("LSTM", "forward", false, false, false);
        recurrent("LSTM", "bidirectional", false, true, true);
}

/* The engine rounds, the cells do not: within a step of the output's scale. */
static void test_quantized(void **state) {
        size_t x, y, w;
        double weights[12], row[4], expected[8], values[256];
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(4, &x);
        _cleanup_(cells_freep)
        Cells *c = NULL;
#define SCALAR(type, x) constant(g, type, 0, NULL, (double[]){x})
        size_t zero_x = SCALAR(ELEMENT_U8, 10), zero_y = SCALAR(ELEMENT_U8, 128);

        for (size_t i = 0; i < ELEMENTSOF(weights); i++)
                weights[i] = (double)(random_u32() % 255) - 127;
        x = node_of(g, "", "QuantizeLinear", 1, 3, (size_t[]){x, SCALAR(ELEMENT_F32, 4), zero_x});
        w = constant(g, ELEMENT_I8, 2, (int64_t[]){4, 3}, weights);
        y = node_of(g, "", "QLinearMatMul", 1, 8,
                    (size_t[]){x, SCALAR(ELEMENT_F32, 4), zero_x, w,
                               constant(g, ELEMENT_F32, 1, (int64_t[]){3},
                                        (double[]){0.001, 0.002, 0.0005}),
                               constant(g, ELEMENT_I8, 1, (int64_t[]){3}, (double[]){1, 0, -2}),
                               SCALAR(ELEMENT_F32, 2), zero_y});
        y = node_of(g, "", "DequantizeLinear", 1, 3, (size_t[]){y, SCALAR(ELEMENT_F32, 2), zero_y});
#undef SCALAR
        finish(g, y);
        c = lowered(g);
        for (int fold = 0; fold < 2; fold++) {
                for (int i = 0; i < 200; i++) {
                        for (size_t k = 0; k < 4; k++)
                                row[k] = random_u32() % 1200;
                        assert_int_equal(graph_values(g, row, expected), 3);
                        assert_int_equal(cells_run(c, row, values, NULL), 0);
                        for (size_t k = 0; k < 3; k++)
                                if (fabs(values[c->decision.outputs[k]] - expected[k]) > 2.5)
                                        fail_msg("%zu: %g, not %g", k,
                                                 values[c->decision.outputs[k]], expected[k]);
                }
                assert_int_equal(cells_fold(c), 0);
        }
        /* Both ends saturate: the clamp stays. */
        assert_true(live(c, CELL_AFFINE) >= 3 + 4);
}

/* What exporters make of LayerNorm, before and since it is an operator, and of softsign. */
static void test_normalize(void **state) {
        size_t x, y, z;
        Graph *g = graph_of_rows(6, &x);
        size_t one = constant(g, ELEMENT_F32, 0, NULL, (double[]){1});

        x = binary(g, "Mul", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
        y = node_of(g, "", "LayerNormalization", 1, 3,
                    (size_t[]){x, random_constant(g, 1, (int64_t[]){6}, 1),
                               random_constant(g, 1, (int64_t[]){6}, 1)});
        z = unary(g, "ReduceMean",
                  binary(g, "Pow", y, constant(g, ELEMENT_F32, 0, NULL, (double[]){2})));
        attribute(g, "axes", ATTRIBUTE_INTS, 1, (double[]){-1});
        y = binary(g, "Div", y, unary(g, "Sqrt", binary(g, "Add", z, one)));
        z = binary(g, "Div", one, binary(g, "Add", unary(g, "Abs", y), one));
        z = binary(g, "Pow", z, constant(g, ELEMENT_F32, 0, NULL, (double[]){1.5}));
        finish(g, z);
        check_lowering(g, 6, 100);
        graph_free(g);
}

static void test_pad(void **state) {
        size_t x, y;
        Graph *g = graph_of(&x, ELEMENT_F32, 3, (int64_t[]){-1, 2, 4});

        y = node_of(g, "", "Pad", 1, 3,
                    (size_t[]){x,
                               constant(g, ELEMENT_I64, 1, (int64_t[]){6},
                                        (double[]){0, 0, 2, 0, 1, -1}),
                               constant(g, ELEMENT_F32, 0, NULL, (double[]){2.5})});
        y = node_of(g, "", "Pad", 1, 2,
                    (size_t[]){y, constant(g, ELEMENT_I64, 1, (int64_t[]){6},
                                           (double[]){0, 1, 2, 0, 0, 2})});
        finish(g, y);
        check_lowering(g, 8, 100);
        graph_free(g);
}

/* (sigmoid(x) > 0.5).long(), as people end a network: a decision. */
static void test_above(void **state) {
        static const struct {
                const char *op;
                bool constant_first;
                int at_threshold;
        } cases[] = {
                {"Greater", false, 0},    {"GreaterOrEqual", false, 1}, {"Less", true, 0},
                {"LessOrEqual", true, 1}, {"Less", false, -1},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t x, c, y;
                _cleanup_(graph_freep)
                Graph *g = graph_of_rows(1, &x);
                Cells *cells;
                double values[16];
                Error e = ERROR_INIT;

                c = constant(g, ELEMENT_F32, 0, NULL, (double[]){7});
                x = unary(g, "Abs", x);
                y = cases[i].constant_first ? binary(g, cases[i].op, c, x)
                                            : binary(g, cases[i].op, x, c);
                y = unary(g, "Cast", y);
                attribute(g, "to", ATTRIBUTE_INT, 1, (double[]){7});
                finish(g, y);
                if (cases[i].at_threshold < 0) {
                        assert_int_equal(lower_graph(g, (double)NAN, false, &cells, &e), -ENOTSUP);
                        continue;
                }
                cells = lowered(g);
                assert_int_equal(cells->decision.kind, DECISION_THRESHOLD);
                for (int field = 6; field <= 8; field++) {
                        assert_int_equal(cells_run(cells, (double[]){field}, values, NULL), 0);
                        assert_int_equal(values[cells->decision.outputs[0]] >
                                                 cells->decision.threshold,
                                         field > 7 || (field == 7 && cases[i].at_threshold));
                }
                cells_free(cells);
        }
}

static void test_refusals(void **state) {
        static const struct {
                const char *op, *text;
        } cases[] = {{"Greater", "is no decision"}, {"Softmax", "where the decision follows"}};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t x, y;
                _cleanup_(graph_freep)
                Graph *g = graph_of_rows(3, &x);
                Cells *c;
                Error e = ERROR_INIT;

                if (streq(cases[i].op, "Greater"))
                        y = binary(g, "Greater", x, unary(g, "Sigmoid", x));
                else
                        y = unary(g, "Relu", unary(g, cases[i].op, x));
                finish(g, y);
                assert_int_equal(lower_graph(g, (double)NAN, false, &c, &e), -ENOTSUP);
                if (!strstr(e.text, cases[i].text) || !strstr(e.text, "_"))
                        fail_msg("'%s'", e.text);
        }
}

/* Small and unsigned whole numbers wrap around in the float engine. */
static void test_wrapping(void **state) {
        static const ElementType types[] = {ELEMENT_I8,  ELEMENT_I16, ELEMENT_U8,  ELEMENT_U16,
                                            ELEMENT_U32, ELEMENT_U64, ELEMENT_I32, ELEMENT_F32};
        static const char *const operators[] = {"Add", "Sub", "Mul"};

        for (size_t t = 0; t < ELEMENTSOF(types); t++)
                for (size_t i = 0; i < ELEMENTSOF(operators); i++) {
                        size_t x;
                        _cleanup_(graph_freep)
                        Graph *g = graph_of(&x, types[t], 2, (int64_t[]){-1, 2});
                        Cells *c;
                        Error e = ERROR_INIT;
                        int r;

                        finish(g, binary(g, operators[i], x,
                                         constant(g, types[t], 2, (int64_t[]){1, 2},
                                                  (double[]){3, 5})));
                        r = lower_graph(g, (double)NAN, false, &c, &e);
                        if (types[t] == ELEMENT_I32 || types[t] == ELEMENT_F32) {
                                assert_int_equal(r, 0);
                                cells_free(c);
                                continue;
                        }
                        assert_int_equal(r, -ENOTSUP);
                        assert_non_null(strstr(e.text, operators[i]));
                        assert_non_null(strstr(e.text, "wraps around"));
                }
}

/* What the manual page says that the float engine alone runs (of Not it is the type that is
 * refused; constants are no work). */
static void test_floats_alone(void **state) {
        static const char *const alone[] = {"And",
                                            "ArgMin",
                                            "CastLike",
                                            "Constant",
                                            "ConstantOfShape",
                                            "Equal",
                                            "Hardmax",
                                            "Or",
                                            "ReduceL1",
                                            "ReduceL2",
                                            "ReduceMin",
                                            "ReduceProd",
                                            "ReduceLogSum",
                                            "ReduceSumSquare",
                                            "Where",
                                            "Xor",
                                            "DynamicQuantizeLinear"};
        const Operator *op;

        for (size_t i = 0; (op = operator_at(i)); i++) {
                bool said = false;

                for (size_t k = 0; k < ELEMENTSOF(alone); k++)
                        said |= streq(alone[k], op->name);
                if (said != !lower_find(op))
                        fail_msg("%s", op->name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fold),         cmocka_unit_test(test_fold_rank),
                cmocka_unit_test(test_move),         cmocka_unit_test(test_activations),
                cmocka_unit_test(test_halves),       cmocka_unit_test(test_windows),
                cmocka_unit_test(test_recurrent),    cmocka_unit_test(test_quantized),
                cmocka_unit_test(test_refusals),     cmocka_unit_test(test_wrapping),
                cmocka_unit_test(test_floats_alone), cmocka_unit_test(test_normalize),
                cmocka_unit_test(test_pad),          cmocka_unit_test(test_above),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
