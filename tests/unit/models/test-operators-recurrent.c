/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/models/ml-nodes.h"

#define STEPS 3
#define BATCH 2
#define WIDTH 2
#define HIDDEN 2

typedef struct Case {
        const char *op;
        Attribute attributes[8];
        int64_t directions;
        const int32_t *lengths; /* NULL: not given */
        bool bias, h, c, p;
        double y[24];
        double y_h[8];
        double y_c[8];
} Case;

/* Values that the Python program below has, too: ((37 i + 11 salt) mod 19 - 9) / 10. */
static Tensor *filled(ElementType type, int64_t salt, size_t rank, const int64_t *dim) {
        Tensor *t;

        assert_int_equal(tensor_new(type, rank, dim, &t), 0);
        for (size_t i = 0; i < t->count; i++)
                tensor_set_f64(t, i, (double)((int64_t)(i * 37 + (size_t)salt * 11) % 19 - 9) / 10);
        return t;
}

/* Swaps the axes a and a + 1: what layout 1 wants of inputs, and back. */
static void swap_axes(Tensor **t, size_t a) {
        int64_t dim[TENSOR_RANK_MAX];
        size_t outer = 1, first, second, inner = 1;
        Tensor *new;

        if (!*t)
                return;
        memcpy(dim, (*t)->dim, sizeof(dim));
        first = (size_t)dim[a];
        second = (size_t)dim[a + 1];
        for (size_t i = 0; i < (*t)->rank; i++)
                if (i < a)
                        outer *= (size_t)dim[i];
                else if (i > a + 1)
                        inner *= (size_t)dim[i];
        dim[a] = (int64_t)second;
        dim[a + 1] = (int64_t)first;
        assert_int_equal(tensor_new((*t)->type, (*t)->rank, dim, &new), 0);
        for (size_t o = 0; o < outer; o++)
                for (size_t i = 0; i < first; i++)
                        for (size_t k = 0; k < second; k++)
                                for (size_t n = 0; n < inner; n++)
                                        tensor_set_f64(
                                                new, ((o * second + k) * first + i) * inner + n,
                                                tensor_get_f64(*t, ((o * first + i) * second + k) *
                                                                                   inner +
                                                                           n));
        tensor_free(*t);
        *t = new;
}

static void make_inputs(const Case *c, ElementType type, bool batch_first, Tensor *in[8]) {
        bool lstm = streq(c->op, "LSTM");
        int64_t d = c->directions, rows = (lstm ? 4 : 3) * HIDDEN;

        in[0] = filled(type, 1, DIM(STEPS, BATCH, WIDTH));
        in[1] = filled(type, 2, DIM(d, rows, WIDTH));
        in[2] = filled(type, 3, DIM(d, rows, HIDDEN));
        if (c->bias)
                in[3] = filled(type, 4, DIM(d, 2 * rows));
        if (c->lengths) {
                assert_int_equal(tensor_new(ELEMENT_I32, DIM(BATCH), &in[4]), 0);
                memcpy(in[4]->i32, c->lengths, BATCH * sizeof(int32_t));
        }
        if (c->h)
                in[5] = filled(type, 5, DIM(d, BATCH, HIDDEN));
        if (c->c)
                in[6] = filled(type, 6, DIM(d, BATCH, HIDDEN));
        if (c->p)
                in[7] = filled(type, 7, DIM(d, 3 * HIDDEN));
        if (batch_first) {
                swap_axes(&in[0], 0);
                swap_axes(&in[5], 0);
                swap_axes(&in[6], 0);
        }
}

static void check_case(const Case *c, ElementType type, bool batch_first) {
        bool lstm = streq(c->op, "LSTM");
        size_t n = (size_t)c->directions * BATCH * HIDDEN, n_attributes = 0;
        Attribute attributes[ELEMENTSOF(c->attributes) + 1];
        Tensor *in[8] = {0};
        Result x;

        while (n_attributes < ELEMENTSOF(c->attributes) && c->attributes[n_attributes].name) {
                attributes[n_attributes] = c->attributes[n_attributes];
                n_attributes++;
        }
        attributes[n_attributes++] = A_INT("layout", batch_first);
        make_inputs(c, type, batch_first, in);
        x = node_run(node_of(DOMAIN_ONNX, c->op, 14, attributes, n_attributes),
                     (const Tensor *const *)in, lstm ? 8 : 6, lstm ? 3 : 2);
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->type, type);
        if (batch_first) {
                assert_int_equal(x.out[0]->dim[0], BATCH);
                assert_int_equal(x.out[0]->dim[1], STEPS);
                assert_int_equal(x.out[0]->dim[2], c->directions);
                swap_axes(&x.out[0], 0);
                swap_axes(&x.out[0], 1);
                swap_axes(&x.out[1], 0);
                swap_axes(&x.out[2], 0);
        }
        assert_int_equal(x.out[0]->rank, 4);
        assert_int_equal(x.out[0]->dim[1], c->directions);
        assert_int_equal(x.out[1]->rank, 3);
        assert_close(x.out[0], c->y, STEPS * n, 1e-6);
        assert_close(x.out[1], c->y_h, n, 1e-6);
        if (lstm)
                assert_close(x.out[2], c->y_c, n, 1e-6);
        result_done(&x);
        for (size_t i = 0; i < ELEMENTSOF(in); i++)
                tensor_free(in[i]);
}

/* Expected values: the equations of the operators' documentation, written in Python with numpy on
 * whole gates, in double. */
static void test_equations(_unused_ void **state) {
        const Case cases[] = {
                {.op = "GRU",
                 .directions = 1,
                 .bias = true,
                 .y = {0.03200662, -0.0947967, -0.1051315, -0.110381, -0.2021707, -0.1765004,
                       -0.3285331, -0.1860418, -0.428852, -0.2354186, -0.5286428, -0.2400406},
                 .y_h = {-0.428852, -0.2354186, -0.5286428, -0.2400406}},
                {.op = "GRU",
                 .attributes = {A_STRING("direction", "reverse"), A_INT("linear_before_reset", 1),
                                A_FLOAT("clip", 0.5f), A_INT("hidden_size", 2)},
                 .directions = 1,
                 .lengths = (const int32_t[]){3, 2},
                 .bias = true,
                 .h = true,
                 .y = {-0.161904, -0.1675347, -0.2443069, -0.08933946, -0.1849085, -0.01184833,
                       0.03976262, 0.1367616, 0.2721313, 0.2612535, 0, 0},
                 .y_h = {-0.161904, -0.1675347, -0.2443069, -0.08933946}},
                {.op = "GRU",
                 .attributes = {A_STRING("direction", "bidirectional"),
                                A_STRINGS("activations", "HardSigmoid", "Softsign", "sigmoid",
                                          "Elu"),
                                A_FLOATS("activation_alpha", 0.3f, 0.5f),
                                A_FLOATS("activation_beta", 0.4f)},
                 .directions = 2,
                 .bias = true,
                 .h = true,
                 .y = {0.00255675, 0.2526946,  -0.05543957, 0.2068201,  -0.01556058, -0.2350648,
                       0.08567842, -0.254563,  -0.2159637,  0.07792814, -0.2738241,  0.08858408,
                       0.1965311,  -0.153438,  0.3289898,   -0.1990439, -0.3522941,  0.01764546,
                       -0.3976951, 0.07118838, 0.4893121,   0.026572,   0.4899519,   -0.07746949},
                 .y_h = {-0.3522941, 0.01764546, -0.3976951, 0.07118838, -0.01556058, -0.2350648,
                         0.08567842, -0.254563}},
                {.op = "LSTM",
                 .directions = 1,
                 .y = {0.005110745, -0.009623095, 0, 0.00506729, -0.002061256, 0.01352198,
                       -0.009029562, 0.03674602, -0.012586, 0.05129898, -0.01649755, 0.06722578},
                 .y_h = {-0.012586, 0.05129898, -0.01649755, 0.06722578},
                 .y_c = {-0.05044697, 0.1721028, -0.08640601, 0.2773916}},
                {.op = "LSTM",
                 .attributes = {A_STRING("direction", "bidirectional"), A_FLOAT("clip", 0.7f)},
                 .directions = 2,
                 .lengths = (const int32_t[]){1, 3},
                 .bias = true,
                 .h = true,
                 .c = true,
                 .p = true,
                 .y = {-0.1989417,  0.1793481,   -0.1819346, 0.141967,   -0.2193431, -0.2617999,
                       -0.08570206, -0.09771382, 0,          0,          -0.1685155, 0.2047947,
                       0,           0,           -0.155963,  -0.1360739, 0,          0,
                       -0.1757292,  0.1736961,   0,          0,          -0.2877703, -0.2760783},
                 .y_h = {-0.1989417, 0.1793481, -0.1757292, 0.1736961, -0.2193431, -0.2617999,
                         -0.08570206, -0.09771382},
                 .y_c = {-0.4038312, 0.3458467, -0.5895953, 0.5811172, -0.3504385, -0.4630262,
                         -0.1317735, -0.1694751}},
                {.op = "LSTM",
                 .attributes = {A_STRING("direction", "reverse"), A_INT("input_forget", 1),
                                A_STRINGS("activations", "Sigmoid", "ScaledTanh", "Affine"),
                                A_FLOATS("activation_alpha", 1.5f, 2),
                                A_FLOATS("activation_beta", 0.5f, -0.25f)},
                 .directions = 1,
                 .bias = true,
                 .h = true,
                 .c = true,
                 .p = true,
                 .y = {-0.6890415, 1.125437, -0.5734008, 1.091807, -0.4310441, 0.8026484,
                       -0.3405995, 0.7611076, -0.3127342, 0.3563749, -0.226445, 0.3485296},
                 .y_h = {-0.6890415, 1.125437, -0.5734008, 1.091807},
                 .y_c = {-0.6839536, 0.9545387, -0.7151081, 0.9959178}},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int batch_first = 0; batch_first < 2; batch_first++) {
                        check_case(cases + i, ELEMENT_F32, batch_first);
                        check_case(cases + i, ELEMENT_F64, batch_first);
                }
}

/* One neuron whose update gate is shut: each output is the function of its input. */
static void test_functions(_unused_ void **state) {
        static const struct {
                const char *name;
                float alpha, beta;  /* NaN: not given */
                double expected[5]; /* of -3, -0.5, 0, 0.5, 3 */
        } cases[] = {
                {"Sigmoid", NAN, NAN, {0.04742587, 0.37754067, 0.5, 0.62245933, 0.95257413}},
                {"Tanh", NAN, NAN, {-0.99505475, -0.46211716, 0, 0.46211716, 0.99505475}},
                {"Relu", NAN, NAN, {0, 0, 0, 0.5, 3}},
                {"Affine", NAN, NAN, {-3, -0.5, 0, 0.5, 3}},
                {"Affine", 2, 0.5f, {-5.5, -0.5, 0.5, 1.5, 6.5}},
                {"LeakyRelu", NAN, NAN, {-0.03, -0.005, 0, 0.5, 3}},
                {"LeakyRelu", 0.25f, NAN, {-0.75, -0.125, 0, 0.5, 3}},
                {"ThresholdedRelu", NAN, NAN, {0, 0, 0, 0, 3}},
                {"ThresholdedRelu", 0.5f, NAN, {0, 0, 0, 0.5, 3}},
                {"ScaledTanh", NAN, NAN, {-0.99505475, -0.46211716, 0, 0.46211716, 0.99505475}},
                {"ScaledTanh", 3, 2, {-2.99996313, -2.28478247, 0, 2.28478247, 2.99996313}},
                {"HardSigmoid", NAN, NAN, {0, 0.4, 0.5, 0.6, 1}},
                {"HardSigmoid", 0.5f, 0.25f, {0, 0, 0.25, 0.5, 1}},
                {"Elu", NAN, NAN, {-0.95021293, -0.39346934, 0, 0.5, 3}},
                {"Elu", 2, NAN, {-1.90042586, -0.78693868, 0, 0.5, 3}},
                {"Softsign", NAN, NAN, {-0.75, -1.0 / 3, 0, 1.0 / 3, 0.75}},
                {"Softplus",
                 NAN,
                 NAN,
                 {0.04858735, 0.47407698, 0.69314718, 0.97407698, 3.04858735}},
        };
        Tensor *in[] = {
                TENSOR(ELEMENT_F32, DIM(1, 5, 1), -3, -0.5, 0, 0.5, 3),
                TENSOR(ELEMENT_F32, DIM(1, 3, 1), 0, 0, 1),
                TENSOR(ELEMENT_F32, DIM(1, 3, 1), 0, 0, 0),
                TENSOR(ELEMENT_F32, DIM(1, 6), -200, 0, 0, 0, 0, 0),
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {
                        A_STRINGS("activations", "Sigmoid", cases[i].name),
                        A_FLOATS("activation_alpha", cases[i].alpha),
                        A_FLOATS("activation_beta", cases[i].beta),
                };
                Result x;

                a[1].n = isnan(cases[i].alpha) ? 0 : 1;
                a[2].n = isnan(cases[i].beta) ? 0 : 1;
                x = node_run(node_of(DOMAIN_ONNX, "GRU", 7, a, ELEMENTSOF(a)),
                             (const Tensor *const *)in, ELEMENTSOF(in), 1);
                assert_int_equal(x.r, 0);
                assert_close(x.out[0], cases[i].expected, 5, 1e-6);
                result_done(&x);
        }
        for (size_t i = 0; i < ELEMENTSOF(in); i++)
                tensor_free(in[i]);
}

/* A sequence without steps keeps its state. */
static void test_no_steps(_unused_ void **state) {
        static const double h[] = {0.1, -0.7, 0.4, -0.4};
        Tensor *in[] = {
                filled(ELEMENT_F64, 1, DIM(STEPS, BATCH, WIDTH)),
                filled(ELEMENT_F64, 2, DIM(1, 3 * HIDDEN, WIDTH)),
                filled(ELEMENT_F64, 3, DIM(1, 3 * HIDDEN, HIDDEN)),
                NULL,
                TENSOR(ELEMENT_I32, DIM(BATCH), 0, 0),
                tensor_of(ELEMENT_F64, DIM(1, BATCH, HIDDEN), h),
        };
        Result x = node_run(node_of(DOMAIN_ONNX, "GRU", 1, NULL, 0), (const Tensor *const *)in,
                            ELEMENTSOF(in), 2);

        assert_int_equal(x.r, 0);
        assert_close(x.out[1], h, 4, 0);
        ASSERT_CLOSE(x.out[0], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        result_done(&x);
        for (size_t i = 0; i < ELEMENTSOF(in); i++)
                tensor_free(in[i]);
}

static void test_refused_attributes(_unused_ void **state) {
        const struct {
                Attribute a;
                int r;
                const char *text;
        } cases[] = {
                {A_STRING("direction", "sideways"), -EINVAL, "direction is 'sideways'"},
                {A_STRING("direction", "bidirectional"), -EINVAL, "dimension 0 of W is 1, not 2"},
                {A_STRINGS("activations", "Sigmoid", "Gelu", "Tanh"), -ENOTSUP, "'Gelu'"},
                {A_STRINGS("activations", "Sigmoid", "Tanh"), -EINVAL,
                 "activations has 2 elements, not 3"},
                {A_FLOATS("activation_alpha", 1), -EINVAL, "activation_alpha has 1 elements"},
                {A_FLOATS("activation_beta", 1), -EINVAL, "activation_beta has 1 elements"},
                {A_FLOAT("clip", 0), -EINVAL, "clip is 0"},
                {A_FLOAT("clip", NAN), -EINVAL, "clip is nan"},
                {A_INT("layout", 2), -EINVAL, "layout is 2"},
                {A_INT("layout", 1), -EINVAL, "dimension 0 of initial_h is 1, not 3"},
                {A_INT("hidden_size", 3), -EINVAL, "hidden_size is 3"},
                {A_INT("hidden_size", 0), -EINVAL, "hidden_size is 0"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Case c = {.op = "LSTM", .directions = 1, .h = true};
                Attribute a[] = {cases[i].a};
                Tensor *in[8] = {0};
                Result x;

                make_inputs(&c, ELEMENT_F32, false, in);
                x = node_run(node_of(DOMAIN_ONNX, "LSTM", 14, a, 1), (const Tensor *const *)in, 8,
                             3);
                assert_refused(&x, cases[i].r, cases[i].text);
                for (size_t k = 0; k < ELEMENTSOF(in); k++)
                        tensor_free(in[k]);
        }
}

static void test_refused_inputs(_unused_ void **state) {
        const struct {
                size_t input;
                ElementType type;
                size_t rank;
                int64_t dim[4];
                const char *text;
        } cases[] = {
                {0, ELEMENT_I32, 3, {3, 2, 2}, "X is int32"},
                {0, ELEMENT_F32, 2, {3, 2}, "X and R have 2 and 3 dimensions"},
                {1, ELEMENT_F64, 3, {1, 8, 2}, "W is float64, but float32"},
                {1, ELEMENT_F32, 3, {1, 6, 2}, "dimension 1 of W is 6, not 8"},
                {1, ELEMENT_F32, 3, {1, 8, 3}, "dimension 2 of W is 3, not 2"},
                {2, ELEMENT_F32, 3, {1, 8, 0}, "hidden_size is 0"},
                {2, ELEMENT_F32, 3, {1, 8, 4}, "dimension 1 of W is 8, not 16"},
                {2, ELEMENT_F32, 4, {1, 8, 2, 1}, "X and R have 3 and 4 dimensions"},
                {3, ELEMENT_F32, 2, {1, 8}, "dimension 1 of B is 8, not 16"},
                {3, ELEMENT_F32, 1, {16}, "B has 1 dimensions, not 2"},
                {4, ELEMENT_I64, 1, {2}, "sequence_lens is int64, but int32"},
                {4, ELEMENT_I32, 1, {3}, "dimension 0 of sequence_lens is 3, not 2"},
                {6, ELEMENT_F32, 3, {1, 2, 1}, "dimension 2 of initial_c is 1, not 2"},
                {7, ELEMENT_F32, 2, {1, 8}, "dimension 1 of P is 8, not 6"},
        };
        static const int32_t bad[][BATCH] = {{4, 0}, {0, -1}};

        for (size_t i = 0; i < ELEMENTSOF(cases) + ELEMENTSOF(bad); i++) {
                bool length = i >= ELEMENTSOF(cases);
                Case c = {
                        .op = "LSTM",
                        .directions = 1,
                        .lengths = length ? bad[i - ELEMENTSOF(cases)] : NULL,
                        .bias = true,
                };
                Tensor *in[8] = {0};
                Result x;

                make_inputs(&c, ELEMENT_F32, false, in);
                if (!length) {
                        size_t k = cases[i].input;

                        tensor_free(in[k]);
                        assert_int_equal(
                                tensor_new(cases[i].type, cases[i].rank, cases[i].dim, &in[k]), 0);
                }
                x = node_run(node_of(DOMAIN_ONNX, "LSTM", 14, NULL, 0), (const Tensor *const *)in,
                             8, 3);
                assert_refused(&x, -EINVAL, length ? "sequence_lens[" : cases[i].text);
                for (size_t k = 0; k < ELEMENTSOF(in); k++)
                        tensor_free(in[k]);
        }
}

static void test_work(_unused_ void **state) {
        Case c = {.op = "LSTM", .directions = 1};
        uint64_t work = STEPS * BATCH * 4 * HIDDEN * (WIDTH + HIDDEN) - 1;
        Node n = node_of(DOMAIN_ONNX, "LSTM", 14, NULL, 0);
        Tensor *in[8] = {0};
        Result x;

        n.work = &work;
        make_inputs(&c, ELEMENT_F32, false, in);
        x = node_run(n, (const Tensor *const *)in, 8, 3);
        assert_refused(&x, -EFBIG, "work");
        for (size_t k = 0; k < ELEMENTSOF(in); k++)
                tensor_free(in[k]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_equations),      cmocka_unit_test(test_functions),
                cmocka_unit_test(test_no_steps),       cmocka_unit_test(test_refused_attributes),
                cmocka_unit_test(test_refused_inputs), cmocka_unit_test(test_work),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
