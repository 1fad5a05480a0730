/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator-case.h"

static void test_matmul(void **state) {
        static const Case cases[] = {
                {"MatMul",
                 9,
                 NULL,
                 {"float32[2,2] 1 2 3 4", "float32[2,2] 5 6 7 8"},
                 {"float32[2,2] 19 22 43 50"}},
                {"MatMul", 1, NULL, {"float32[2] 1 2", "float32[2] 3 4"}, {"float32[] 11"}},
                {"MatMul",
                 9,
                 NULL,
                 {"float32[2] 1 2", "float32[2,2] 1 2 3 4"},
                 {"float32[2] 7 10"}},
                {"MatMul",
                 9,
                 NULL,
                 {"float32[2,2] 1 2 3 4", "float32[2] 1 2"},
                 {"float32[2] 5 11"}},
                /* One of the stacks is broadcast, on either side. */
                {"MatMul",
                 9,
                 NULL,
                 {"float32[2,1,2] 1 2 3 4", "float32[2,1] 1 10"},
                 {"float32[2,1,1] 21 43"}},
                {"MatMul",
                 9,
                 NULL,
                 {"float32[1,2] 1 2", "float32[2,2,1] 1 10 2 20"},
                 {"float32[2,1,1] 21 42"}},
                {"MatMul",
                 9,
                 NULL,
                 {"float32[2,1,1,2] 1 2 3 4", "float32[1,2,2,1] 1 10 2 20"},
                 {"float32[2,2,1,1] 21 42 43 86"}},
                {"MatMul",
                 9,
                 NULL,
                 {"int32[1,2] 2147483647 2", "int32[2,1] 2 2"},
                 {"int32[1,1] 2"}},
                {"MatMul",
                 9,
                 NULL,
                 {"uint32[1,1] 4294967295", "uint32[1,1] 2"},
                 {"uint32[1,1] 4294967294"}},
                {"MatMul",
                 9,
                 NULL,
                 {"int64[1,1] 9223372036854775807", "int64[1,1] 2"},
                 {"int64[1,1] -2"}},
                {"MatMul", 9, NULL, {"float16[1,2] 1 2", "float16[2,1] 3 4"}, {"float16[1,1] 11"}},
                {"MatMul",
                 9,
                 NULL,
                 {"float64[1,2] 0.1 0.2", "float64[2,1] 3 4"},
                 {"float64[1,1] 1.1"}},
                /* Nothing to add up is 0. */
                {"MatMul", 9, NULL, {"float32[2,0]", "float32[0,2]"}, {"float32[2,2] 0 0 0 0"}},
                {"MatMul", 9, NULL, {"float32[0,2]", "float32[2,3] 1 2 3 4 5 6"}, {"float32[0,3]"}},
                {"MatMul", 9, NULL, {"float32[0,2,2]", "float32[2,2] 1 2 3 4"}, {"float32[0,2,2]"}},
                {"MatMul",
                 9,
                 NULL,
                 {"float32[2,3] 1 2 3 4 5 6", "float32[2,3] 1 2 3 4 5 6"},
                 .refused = "do not multiply"},
                {"MatMul",
                 9,
                 NULL,
                 {"float32[2,1,2] 1 2 3 4", "float32[3,2,1] 1 2 3 4 5 6"},
                 .refused = "do not broadcast"},
                {"MatMul", 9, NULL, {"float32[] 1", "float32[1] 1"}, .refused = "scalar"},
                {"MatMul", 9, NULL, {"float32[1] 1", "float64[1] 1"}, .refused = "must be equal"},
                {"MatMul", 9, NULL, {"int8[1] 1", "int8[1] 1"}, .refused = "int8"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

#define A "float32[2,3] 1 2 3 4 5 6"
#define A_TRANSPOSED "float32[3,2] 1 4 2 5 3 6"
#define B "float32[3,2] 1 2 3 4 5 6"
#define B_TRANSPOSED "float32[2,3] 1 3 5 2 4 6"

static void test_gemm(void **state) {
        static const Case cases[] = {
                {"Gemm", 11, NULL, {A, B}, {"float32[2,2] 22 28 49 64"}},
                {"Gemm",
                 9,
                 "transA=1",
                 {A_TRANSPOSED, B, "float32[] 1"},
                 {"float32[2,2] 23 29 50 65"}},
                {"Gemm",
                 9,
                 "transB=1",
                 {A, B_TRANSPOSED, "float32[2] 1 2"},
                 {"float32[2,2] 23 30 50 66"}},
                {"Gemm",
                 9,
                 "transA=1 transB=1 alpha=0.5 beta=2.0",
                 {A_TRANSPOSED, B_TRANSPOSED, "float32[2,1] 1 2"},
                 {"float32[2,2] 13 16 28.5 36"}},
                {"Gemm", 6, NULL, {A, B, "float32[2,2] 1 2 3 4"}, {"float32[2,2] 23 30 52 68"}},
                {"Gemm", 6, "broadcast=1", {A, B, "float32[2] 1 2"}, {"float32[2,2] 23 30 50 66"}},
                {"Gemm", 6, NULL, {A, B, "float32[2] 1 2"}, .refused = "does not broadcast"},
                {"Gemm",
                 9,
                 NULL,
                 {"int32[1,1] 2147483647", "int32[1,1] 1", "int32[1,1] 1"},
                 {"int32[1,1] -2147483648"}},
                {"Gemm",
                 9,
                 "alpha=0.5",
                 {"int32[1,1] 2147483647", "int32[1,1] 4", "int32[1,1] 1"},
                 {"int32[1,1] 2147483647"}},
                {"Gemm",
                 11,
                 NULL,
                 {"float32[2,0]", "float32[0,2]", "float32[2] 1 2"},
                 {"float32[2,2] 1 2 1 2"}},
                {"Gemm", 11, NULL, {"float32[0,3]", B, "float32[2] 1 2"}, {"float32[0,2]"}},
                {"Gemm",
                 9,
                 NULL,
                 {A, B, "float32[3] 1 2 3"},
                 .refused = "C [3] does not broadcast to [2,2]"},
                {"Gemm",
                 9,
                 NULL,
                 {A, B, "float32[1,2,2] 1 2 3 4"},
                 .refused = "does not broadcast"},
                {"Gemm", 9, NULL, {A, B, "float64[] 1"}, .refused = "must be equal"},
                {"Gemm", 9, NULL, {A, A}, .refused = "do not multiply"},
                {"Gemm", 9, NULL, {"float32[3] 1 2 3", B}, .refused = "do not multiply"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

/* Both loops of the product, tiles and what is left of them, give the bits of the plain sum. */
static void test_wide_product(void **state) {
        enum { M = 3, K = 37, N = 523 };
        static float a[M * K], b[K * N];
        uint32_t seed = 1;

        for (size_t i = 0; i < M * K + K * N; i++) {
                seed = seed * 1664525u + 1013904223u;
                *(i < M * K ? a + i : b + i - M * K) = (float)(seed >> 8) / (float)(1 << 23) - 1;
        }
        for (int trans = 0; trans < 2; trans++) {
                const int64_t a_dim[] = {M, K}, b_dim[] = {trans ? N : K, trans ? K : N};
                Case c = {"Gemm", 11, trans ? "transB=1" : NULL, {"float32[0,0]", "float32[0,0]"}};
                Tensor *in[6] = {}, *out[1] = {};
                size_t n_in, n_out;
                _cleanup_(graph_freep)
                Graph *g = case_graph(&c, in, &n_in, &n_out);

                for (size_t i = 0; i < 2; i++)
                        tensor_free(in[i]);
                assert_int_equal(tensor_new(ELEMENT_F32, 2, a_dim, &in[0]), 0);
                assert_int_equal(tensor_new(ELEMENT_F32, 2, b_dim, &in[1]), 0);
                memcpy(in[0]->f32, a, sizeof(a));
                for (size_t k = 0; k < K; k++)
                        for (size_t j = 0; j < N; j++)
                                in[1]->f32[trans ? j * K + k : k * N + j] = b[k * N + j];
                assert_int_equal(graph_run(g, (const Tensor *const *)in, 2, out, NULL), 0);
                for (size_t i = 0; i < M; i++)
                        for (size_t j = 0; j < N; j++) {
                                double sum = 0;

                                for (size_t k = 0; k < K; k++)
                                        sum += (double)a[i * K + k] * (double)b[k * N + j];
                                assert_true(out[0]->f32[i * N + j] == (float)sum);
                        }
                tensor_free(out[0]);
                tensor_free(in[0]);
                tensor_free(in[1]);
        }
}

#define C2 "float32[2] 1 2"

static void test_batch_normalization(void **state) {
        static const Case cases[] = {
                {"BatchNormalization",
                 9,
                 "epsilon=0.0",
                 {"float32[1,2,2] 1 2 3 4", C2, "float32[2] 0 1", "float32[2] 1 3",
                  "float32[2] 4 1"},
                 {"float32[1,2,2] 0 0.5 1 3"}},
                {"BatchNormalization",
                 15,
                 "epsilon=0.0",
                 {"float32[2,2] 1 3 2 4", C2, "float32[2] 0 1", "float32[2] 1 3", "float32[2] 4 1"},
                 {"float32[2,2] 0 1 0.5 3"}},
                /* Every element of a row has its own numbers. */
                {"BatchNormalization",
                 7,
                 "spatial=0 epsilon=0.0",
                 {"float32[2,1,2] 1 2 3 4", C2, "float32[2] 0 1", "float32[2] 1 2",
                  "float32[2] 1 4"},
                 {"float32[2,1,2] 0 1 2 3"}},
                {"BatchNormalization",
                 7,
                 "spatial=0",
                 {"float32[1,1,2] 1 2", "float32[1] 1", "float32[1] 0", "float32[1] 0",
                  "float32[1] 1"},
                 .refused = "1 elements for 2 channels"},
                {"BatchNormalization",
                 14,
                 "training_mode=1 epsilon=0.0 momentum=0.5",
                 {"float32[2,1,2] 1 3 1 3", "float32[1] 1", "float32[1] 0", "float32[1] 4",
                  "float32[1] 3"},
                 {"float32[2,1,2] -1 1 -1 1", "float32[1] 3", "float32[1] 2"}},
                {"BatchNormalization",
                 14,
                 "training_mode=1",
                 {"float32[0,2]", C2, C2, C2, C2},
                 .refused = "empty batch"},
                {"BatchNormalization",
                 14,
                 NULL,
                 {"float32[0,2]", C2, C2, C2, C2},
                 {"float32[0,2]"}},
                {"BatchNormalization",
                 14,
                 NULL,
                 {"float32[1,2] 1 2", C2, C2, C2, C2},
                 {"", ""},
                 .refused = "without training mode"},
                {"BatchNormalization",
                 9,
                 NULL,
                 {"float32[1,2] 1 2", C2, C2, C2, C2},
                 {"", ""},
                 .refused = "training mode"},
                {"BatchNormalization",
                 9,
                 NULL,
                 {"float32[1,3] 1 2 3", C2, C2, C2, C2},
                 .refused = "2 elements for 3 channels"},
                {"BatchNormalization",
                 9,
                 NULL,
                 {"float32[] 1", C2, C2, C2, C2},
                 .refused = "no dimensions"},
                {"BatchNormalization",
                 9,
                 NULL,
                 {"int32[1,2] 1 2", C2, C2, C2, C2},
                 .refused = "int32"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

#define Q "0.25 0.25 0.25 0.25"
#define H "0.5 0.5"

static void test_softmax(void **state) {
        static const Case cases[] = {
                /* Before 13 all that follows the axis is one row; then it is the axis alone. */
                {"Softmax",
                 11,
                 "axis=1",
                 {"float32[2,2,2] 0 0 0 0 7 7 7 7"},
                 {"float32[2,2,2] " Q " " Q}},
                {"Softmax",
                 11,
                 NULL,
                 {"float32[2,2,2] 0 0 0 0 7 7 7 7"},
                 {"float32[2,2,2] " Q " " Q}},
                {"Softmax", 11, "axis=-1", {"float32[1,2,2] 0 0 7 7"}, {"float32[1,2,2] " H " " H}},
                {"Softmax", 13, "axis=1", {"float32[1,2,2] 0 7 0 7"}, {"float32[1,2,2] " H " " H}},
                {"Softmax", 13, NULL, {"float32[1,2,2] 0 0 7 7"}, {"float32[1,2,2] " H " " H}},
                {"Softmax", 13, NULL, {"float32[2] 1000 0"}, {"float32[2] 1 0"}},
                {"Softmax", 13, NULL, {"float32[2,0]"}, {"float32[2,0]"}},
                {"LogSoftmax", 13, NULL, {"float32[2] 1000 0"}, {"float32[2] 0 -1000"}},
                {"Softmax",
                 11,
                 NULL,
                 {"float32[2] 1 2"},
                 .refused = "axis 1 of a tensor with 1 dimensions"},
                {"Softmax", 13, "axis=-3", {"float32[1,1] 1"}, .refused = "axis -3"},
                {"Softmax", 13, NULL, {"float32[] 1"}, .refused = "axis -1"},
                {"Softmax", 13, NULL, {"int32[1] 1"}, .refused = "int32"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_argmax(void **state) {
        static const Case cases[] = {
                {"ArgMax", 1, NULL, {"float32[2,2] 1 5 3 2"}, {"int64[1,2] 1 0"}},
                {"ArgMax", 11, "axis=-1 keepdims=0", {"float32[2,2] 1 5 3 2"}, {"int64[2] 1 0"}},
                /* All below zero: the answer is not simply the first. */
                {"ArgMax", 13, NULL, {"float32[3] -3 -1 -2"}, {"int64[1] 1"}},
                {"ArgMax",
                 13,
                 NULL,
                 {"int64[2] 9223372036854775806 9223372036854775807"},
                 {"int64[1] 1"}},
                {"ArgMax", 13, NULL, {"uint64[2] 1 18446744073709551615"}, {"int64[1] 1"}},
                {"ArgMax", 13, NULL, {"float32[3] 2 2 1"}, {"int64[1] 0"}},
                {"ArgMax", 13, "select_last_index=1", {"float32[3] 2 2 1"}, {"int64[1] 1"}},
                {"ArgMax", 11, "select_last_index=1", {"float32[3] 2 2 1"}, {"int64[1] 0"}},
                {"ArgMax", 13, NULL, {"float32[4] 2 nan 3 nan"}, {"int64[1] 1"}},
                {"ArgMin", 13, "select_last_index=1", {"int8[3] -5 -5 1"}, {"int64[1] 1"}},
                {"ArgMax", 13, "keepdims=0", {"float32[0,2]"}, .refused = "no elements to choose"},
                {"ArgMax", 13, "axis=1", {"float32[0,2]"}, {"int64[0,1]"}},
                {"ArgMax", 13, "axis=2", {"float32[1,2] 1 2"}, .refused = "axis 2"},
                {"ArgMax", 13, NULL, {"string[1] a"}, .refused = "string"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

/* An attribute of the wrong type is no missing one. */
static void test_attribute_types(void **state) {
        static const Case cases[] = {
                {"Softmax", 13, "axis=1.5", {"float32[1,2] 1 2"}, .refused = "attribute 'axis'"},
                {"Gemm", 13, "transB=[1]", {A, B_TRANSPOSED}, .refused = "attribute 'transB'"},
                {"Gemm", 13, "alpha=2", {A, B}, .refused = "attribute 'alpha'"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_reduce(void **state) {
        static const Case cases[] = {
                {"ReduceSum", 11, "axes=[0]", {"float32[2,2] 1 2 3 4"}, {"float32[1,2] 4 6"}},
                {"ReduceSum",
                 13,
                 "keepdims=0",
                 {"float32[2,2] 1 2 3 4", "int64[1] -1"},
                 {"float32[2] 3 7"}},
                {"ReduceSum", 13, "keepdims=0", {"float32[2,2] 1 2 3 4"}, {"float32[] 10"}},
                {"ReduceSum",
                 13,
                 "noop_with_empty_axes=1",
                 {"float32[2] 1 2", "int64[0]"},
                 {"float32[2] 1 2"}},
                {"ReduceMean",
                 13,
                 "axes=[0,2]",
                 {"float32[2,2,2] 1 2 3 4 5 6 7 8"},
                 {"float32[1,2,1] 3.5 5.5"}},
                {"ReduceMax", 13, NULL, {"float32[3] 1 nan 2"}, {"float32[1] nan"}},
                {"ReduceSum", 11, "axes=[2]", {"float32[2,2] 1 2 3 4"}, .refused = "axis 2"},
                {"ReduceSum",
                 11,
                 NULL,
                 {"float32[2] 1 2", "int64[1] 0"},
                 .refused = "no input before version 13"},
                {"ReduceMean", 13, NULL, {"float32[0]"}, .refused = "no elements"},
                {"ReduceSum", 13, "keepdims=0", {"float32[0]"}, {"float32[] 0"}},
                {"ReduceProd", 13, NULL, {"float32[2,0]", NULL}, {"float32[1,1] 1"}},
                {"ReduceMax", 18, NULL, {"float32[0]"}, {"float32[1] -inf"}},
                {"ReduceMin", 18, NULL, {"int8[0]"}, {"int8[1] 127"}},
                {"ReduceMax", 18, NULL, {"int32[2,2] 1 2 3 4", "int64[1] -1"}, {"int32[2,1] 2 4"}},
                {"ReduceMax",
                 13,
                 NULL,
                 {"int32[2,2] 1 2 3 4", "int64[1] -1"},
                 .refused = "no input before version 18"},
                {"ReduceMax", 20, NULL, {"bool[3] 0 1 0"}, {"bool[1] 1"}},
                {"ReduceMin", 20, NULL, {"bool[3] 1 1 0"}, {"bool[1] 0"}},
                {"ReduceMax", 20, NULL, {"bool[0]"}, {"bool[1] 0"}},
                {"ReduceMin", 20, NULL, {"bool[0]"}, {"bool[1] 1"}},
                {"ReduceMax", 18, NULL, {"bool[1] 0"}, .refused = "bool"},
                {"ReduceSum", 20, NULL, {"bool[1] 0"}, .refused = "bool"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_matmul),       cmocka_unit_test(test_gemm),
                cmocka_unit_test(test_wide_product), cmocka_unit_test(test_batch_normalization),
                cmocka_unit_test(test_softmax),      cmocka_unit_test(test_argmax),
                cmocka_unit_test(test_reduce),       cmocka_unit_test(test_attribute_types),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
