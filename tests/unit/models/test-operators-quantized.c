/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator-case.h"

static void test_quantize(void **state) {
        static const Case cases[] = {
                /* Halves to even, and the zero point comes after rounding. */
                {"QuantizeLinear",
                 10,
                 NULL,
                 {"float32[6] 1 3 5 -1 1000 -1000", "float32[] 2", "uint8[] 1"},
                 {"uint8[6] 1 3 3 1 255 0"}},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[4] 1 -3 1000 -1000", "float32[] 2", "int8[] -1"},
                 {"int8[4] -1 -3 127 -128"}},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[3] 1 2 -5", "float32[] 1"},
                 {"uint8[3] 1 2 0"}},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[3] inf -inf nan", "float32[] 1", "int8[] 5"},
                 {"int8[3] 127 -128 0"}},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[2] 1 0", "float32[] 0", "int8[] 5"},
                 {"int8[2] 127 0"}},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"int32[2] 5 2147483647", "float32[] 2"},
                 {"uint8[2] 2 255"}},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[2,2] 2 4 6 8", "float32[2] 1 2", "uint8[2] 10 20"},
                 {"uint8[2,2] 12 22 16 24"}},
                {"QuantizeLinear",
                 13,
                 "axis=-2",
                 {"float32[2,2] 2 4 6 8", "float32[2] 1 2", "uint8[2] 10 20"},
                 {"uint8[2,2] 12 14 23 24"}},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[2] 2 4", "float32[1] 2", "uint8[1] 10"},
                 {"uint8[2] 11 12"}},
                {"QuantizeLinear",
                 10,
                 NULL,
                 {"float32[1,2] 2 4", "float32[2] 1 2", "uint8[2] 10 20"},
                 .refused = "2 numbers: 1 or 1"},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[1,2] 2 4", "float32[3] 1 2 3", "uint8[3] 1 2 3"},
                 .refused = "3 numbers: 1 or 2"},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[1,2] 2 4", "float32[2] 1 2", "uint8[1] 1"},
                 .refused = "its zero point 1"},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[2] 2 4", "float32[2] 1 2"},
                 .refused = "axis 1"},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[1] 1", "float32[] 1", "int32[] 0"},
                 .refused = "int32"},
                {"QuantizeLinear", 13, NULL, {"float32[0]", "float32[0]"}, .refused = "axis 1"},
                {"QuantizeLinear",
                 13,
                 NULL,
                 {"float32[1] 1", "float32[] 1", "int16[] 0"},
                 .refused = "int16"},
                {"QuantizeLinear",
                 21,
                 NULL,
                 {"float32[2] 1000 -1e9", "float32[] 2", "int16[] 1"},
                 {"int16[2] 501 -32768"}},
                {"QuantizeLinear",
                 21,
                 "output_dtype=3",
                 {"float32[2] 3 -1000", "float32[] 1"},
                 {"int8[2] 3 -128"}},
                {"QuantizeLinear",
                 21,
                 "output_dtype=3",
                 {"float32[1] 3", "float32[] 1", "uint8[] 0"},
                 .refused = "output_dtype 3"},
                {"QuantizeLinear",
                 21,
                 "output_dtype=17",
                 {"float32[1] 3", "float32[] 1"},
                 .refused = "output_dtype 17"},
                /* Blocks of two columns, the last one cut; of two rows. */
                {"QuantizeLinear",
                 21,
                 "block_size=2",
                 {"float32[2,3] 8 8 8 8 8 8", "float32[2,2] 1 2 4 8"},
                 {"uint8[2,3] 8 8 4 2 2 1"}},
                {"QuantizeLinear",
                 21,
                 "block_size=2 axis=0",
                 {"float32[3,2] 8 8 8 8 8 8", "float32[2,2] 1 2 4 8", "uint8[2,2] 0 1 2 3"},
                 {"uint8[3,2] 8 5 8 5 4 4"}},
                {"QuantizeLinear",
                 21,
                 "block_size=3",
                 {"float32[2,3] 8 8 8 8 8 8", "float32[2,2] 1 2 4 8"},
                 .refused = "blocks of 3"},
                {"QuantizeLinear",
                 21,
                 "block_size=-1",
                 {"float32[2,3] 8 8 8 8 8 8", "float32[2,2] 1 2 4 8"},
                 .refused = "blocks of -1"},
                {"DequantizeLinear",
                 21,
                 "block_size=2",
                 {"uint16[1,3] 1000 2 3", "float32[1,2] 0.5 2", "uint16[1,2] 0 1"},
                 {"float32[1,3] 500 1 4"}},
                {"DequantizeLinear",
                 10,
                 NULL,
                 {"uint8[3] 0 128 255", "float32[] 0.5", "uint8[] 128"},
                 {"float32[3] -64 0 63.5"}},
                {"DequantizeLinear",
                 13,
                 NULL,
                 {"int8[2] -128 127", "float32[] 2"},
                 {"float32[2] -256 254"}},
                {"DequantizeLinear",
                 13,
                 NULL,
                 {"int32[2] -2147483648 2147483647", "float32[] 1", "int32[] 1"},
                 {"float32[2] -2147483648 2147483648"}},
                {"DequantizeLinear",
                 13,
                 "axis=0",
                 {"int8[2,1] 1 2", "float32[2] 1 10", "int8[2] 0 1"},
                 {"float32[2,1] 1 10"}},
                {"DequantizeLinear",
                 13,
                 NULL,
                 {"int8[1] 1", "float32[] 1", "uint8[] 1"},
                 .refused = "uint8"},
                {"DequantizeLinear",
                 13,
                 NULL,
                 {"int8[1] 1", "int8[] 1"},
                 .refused = "the scale of type int8"},
                {"DequantizeLinear",
                 13,
                 NULL,
                 {"int8[2,0]", "float32[0]", "int8[0]"},
                 {"float32[2,0]"}},
                {"DynamicQuantizeLinear",
                 11,
                 NULL,
                 {"float32[3] 0 -1 4.1"},
                 {"uint8[3] 50 0 255", "float32[] 0.02", "uint8[] 50"}},
                {"DynamicQuantizeLinear",
                 11,
                 NULL,
                 {"float32[2] 0 0"},
                 {"uint8[2] 0 0", "float32[] 0", "uint8[] 0"}},
                {"DynamicQuantizeLinear",
                 11,
                 NULL,
                 {"float32[2] 0 inf"},
                 .refused = "element 1 is not finite"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

#define ONE "float32[] 1"

static void test_products(void **state) {
        static const Case cases[] = {
                {"MatMulInteger",
                 10,
                 NULL,
                 {"uint8[1,2] 255 1", "int8[2,1] -128 1"},
                 {"int32[1,1] -32639"}},
                /* Zero points per row of A, per column of B. */
                {"MatMulInteger",
                 10,
                 NULL,
                 {"uint8[2,2] 1 2 3 4", "uint8[2,2] 1 2 3 4", "uint8[2] 1 2", "uint8[2] 1 0"},
                 {"int32[2,2] 2 4 4 10"}},
                {"MatMulInteger",
                 10,
                 NULL,
                 {"uint8[2,2] 1 2 3 4", "uint8[2,2] 1 2 3 4", "uint8[2,1] 1 2"},
                 {"int32[2,2] 3 4 7 10"}},
                {"MatMulInteger", 10, NULL, {"uint8[1,0]", "uint8[0,1]"}, {"int32[1,1] 0"}},
                {"MatMulInteger",
                 10,
                 NULL,
                 {"uint8[1,1] 1", "uint8[1,1] 1", "uint8[2] 1 2"},
                 .refused = "1 or 1 of them"},
                {"MatMulInteger",
                 10,
                 NULL,
                 {"uint8[1,1] 1", "uint8[1,1] 1", "int8[] 1"},
                 .refused = "zero point of the first input"},
                {"MatMulInteger", 10, NULL, {"int32[1,1] 1", "uint8[1,1] 1"}, .refused = "int32"},
                {"QLinearMatMul",
                 10,
                 NULL,
                 {"uint8[1,1] 3", ONE, "uint8[] 0", "uint8[1,3] 1 3 250", "float32[] 0.5"},
                 .refused = "inputs"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

/* Eight inputs: more than a table's line has. Scales per row and column, halves to even. */
static void test_qlinear_matmul(void **state) {
        static const char *const texts[] = {
                "uint8[2,1] 3 4",   "float32[2] 1 2", "uint8[2] 1 2", "int8[1,3] 1 3 100",
                "float32[3] 1 1 4", "int8[3] 0 0 0",  "float32[] 4",  "int8[] -1"};
        /* 0.5 1.5 200 and 1 3 400, before the zero point. */
        static const int8_t wanted[] = {-1, 1, 127, 0, 2, 127};
        _cleanup_(graph_freep)
        Graph *g = calloc(1, sizeof(*g));
        Tensor *in[8], *out = NULL;
        size_t v[9];
        Error e = ERROR_INIT;

        for (size_t i = 0; i < 9; i++) {
                v[i] = (size_t)graph_add_value(g, "v");
                if (i == 8)
                        break;
                in[i] = tensor_from_text(texts[i]);
                graph_add_input(g, v[i], in[i]->type, GRAPH_RANK_ANY, NULL);
        }
        graph_add_node(g, operator_find(DOMAIN_ONNX, "QLinearMatMul"), "", 10, 8, v, 1, v + 8);
        graph_add_output(g, v[8]);
        assert_int_equal(graph_run(g, (const Tensor *const *)in, 8, &out, &e), 0);
        assert_int_equal(out->type, ELEMENT_I8);
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                assert_int_equal(out->i8[i], wanted[i]);
        tensor_free(out);
        out = NULL;
        in[6]->type = ELEMENT_I32;
        g->inputs[6].type = ELEMENT_I32;
        assert_int_equal(graph_run(g, (const Tensor *const *)in, 8, &out, &e), -EINVAL);
        assert_non_null(strstr(e.text, "the output's scale of type int32"));
        for (size_t i = 0; i < 8; i++)
                tensor_free(in[i]);
}

static void test_convolutions(void **state) {
        static const Case cases[] = {
                /* Padding is the zero point, not 0. */
                {"ConvInteger",
                 10,
                 "pads=[1,0]",
                 {"uint8[1,1,2] 11 12", "uint8[1,1,2] 1 2", "uint8[] 10"},
                 {"int32[1,1,2] 2 5"}},
                {"ConvInteger",
                 10,
                 NULL,
                 {"uint8[1,1,2] 1 2", "uint8[2,1,2] 1 2 3 4", NULL, "uint8[2] 1 2"},
                 {"int32[1,2,1] 2 5"}},
                {"ConvInteger",
                 10,
                 NULL,
                 {"uint8[1,1,1] 1", "uint8[1,1,1] 1", "uint8[2] 1 2"},
                 .refused = "1 or 1 of them"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_quantize),
                cmocka_unit_test(test_products),
                cmocka_unit_test(test_qlinear_matmul),
                cmocka_unit_test(test_convolutions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
