/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator-case.h"

static void test_broadcasting(void **state) {
        static const Case cases[] = {
                {"Add",
                 7,
                 NULL,
                 {"float32[2,3] 1 2 3 4 5 6", "float32[3] 10 20 30"},
                 {"float32[2,3] 11 22 33 14 25 36"}},
                {"Add",
                 7,
                 NULL,
                 {"float32[2,1] 1 2", "float32[3] 10 20 30"},
                 {"float32[2,3] 11 21 31 12 22 32"}},
                {"Add", 14, NULL, {"float32[] 1", "float32[] 2"}, {"float32[] 3"}},
                {"Sub",
                 14,
                 NULL,
                 {"int32[2,1,2] 1 2 3 4", "int32[3,1] 10 20 30"},
                 {"int32[2,3,2] -9 -8 -19 -18 -29 -28 -7 -6 -17 -16 -27 -26"}},
                {"Mul", 7, NULL, {"float32[0,3]", "float32[1] 2"}, {"float32[0,3]"}},
                {"Mul", 7, NULL, {"float32[2,0]", "float32[2,1] 1 2"}, {"float32[2,0]"}},
                {"Add",
                 7,
                 NULL,
                 {"float32[2,3] 1 2 3 4 5 6", "float32[2] 1 2"},
                 .refused = "[2,3] and [2] do not broadcast"},
                {"Add", 7, NULL, {"float32[0] ", "float32[2] 1 2"}, .refused = "do not broadcast"},
                {"Add",
                 7,
                 NULL,
                 {"float32[1] 1", "float64[1] 1"},
                 .refused = "float32 and float64"},
                {"Add", 7, NULL, {"bool[1] 1", "bool[1] 1"}, .refused = "bool"},
                {"Add", 7, NULL, {"string[1] a", "string[1] b"}, .refused = "string"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

/* Before version 7. */
static void test_legacy_broadcasting(void **state) {
        static const Case cases[] = {
                {"Add", 6, NULL, {"float32[2] 1 2", "float32[2] 3 4"}, {"float32[2] 4 6"}},
                {"Add",
                 6,
                 NULL,
                 {"float32[2] 1 2", "float32[1] 3"},
                 .refused = "broadcast is not set"},
                {"Add",
                 1,
                 "broadcast=1",
                 {"float32[2,2] 1 2 3 4", "float32[2] 10 20"},
                 {"float32[2,2] 11 22 13 24"}},
                {"Add",
                 6,
                 "broadcast=1 axis=0",
                 {"float32[2,2] 1 2 3 4", "float32[2] 10 20"},
                 {"float32[2,2] 11 12 23 24"}},
                {"Sub",
                 6,
                 "broadcast=1 axis=-2",
                 {"float32[2,2] 1 2 3 4", "float32[2] 10 20"},
                 {"float32[2,2] -9 -8 -17 -16"}},
                {"Mul",
                 6,
                 "broadcast=1",
                 {"float32[2,2] 1 2 3 4", "float32[] 2"},
                 {"float32[2,2] 2 4 6 8"}},
                {"Div",
                 6,
                 "broadcast=1 axis=1",
                 {"float32[1,2,1] 8 6", "float32[2] 2 3"},
                 {"float32[1,2,1] 4 2"}},
                /* Only the second operand broadcasts. */
                {"Add",
                 6,
                 "broadcast=1",
                 {"float32[1] 1", "float32[2] 1 2"},
                 .refused = "does not lie along"},
                {"Add",
                 6,
                 "broadcast=1",
                 {"float32[2] 1 2", "float32[1,2] 1 2"},
                 .refused = "does not lie along"},
                {"Add",
                 6,
                 "broadcast=1 axis=2",
                 {"float32[2,2] 1 2 3 4", "float32[2] 1 2"},
                 .refused = "does not lie along"},
                {"Add",
                 6,
                 "broadcast=1 axis=-9223372036854775808",
                 {"float32[2] 1 2", "float32[2] 1 2"},
                 .refused = "does not lie"},
                /* From 7 on the attributes mean nothing. */
                {"Add",
                 7,
                 "broadcast=0 axis=0",
                 {"float32[2,2] 1 2 3 4", "float32[2] 10 20"},
                 {"float32[2,2] 11 22 13 24"}},
                {"PRelu",
                 7,
                 NULL,
                 {"float32[2] 1 2", "float32[2,2] 1 2 3 4"},
                 .refused = "does not broadcast to [2]"},
                {"PRelu",
                 6,
                 NULL,
                 {"float32[1,2,2] -1 -2 -3 4", "float32[2] 0.5 2"},
                 {"float32[1,2,2] -0.5 -1 -6 4"}},
                {"PRelu",
                 7,
                 NULL,
                 {"float32[1,2,2] -1 -2 -3 4", "float32[2] 0.5 2"},
                 {"float32[1,2,2] -0.5 -4 -1.5 4"}},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_integers(void **state) {
        static const Case cases[] = {
                {"Add", 14, NULL, {"int8[2] 127 -128", "int8[2] 1 -1"}, {"int8[2] -128 127"}},
                {"Add",
                 14,
                 NULL,
                 {"int64[1] 9223372036854775807", "int64[1] 1"},
                 {"int64[1] -9223372036854775808"}},
                {"Sub", 14, NULL, {"uint8[1] 1", "uint8[1] 2"}, {"uint8[1] 255"}},
                {"Sub",
                 14,
                 NULL,
                 {"uint64[1] 0", "uint64[1] 1"},
                 {"uint64[1] 18446744073709551615"}},
                {"Mul", 14, NULL, {"int32[1] 2147483647", "int32[1] 2"}, {"int32[1] -2"}},
                {"Mul",
                 14,
                 NULL,
                 {"int64[1] -9223372036854775808", "int64[1] -1"},
                 {"int64[1] -9223372036854775808"}},
                {"Mul", 14, NULL, {"uint16[1] 65535", "uint16[1] 65535"}, {"uint16[1] 1"}},
                /* Towards zero, not down. */
                {"Div",
                 14,
                 NULL,
                 {"int32[4] 7 -7 7 -7", "int32[4] 2 2 -2 -2"},
                 {"int32[4] 3 -3 -3 3"}},
                {"Div", 14, NULL, {"int32[2] 5 0", "int32[2] 0 0"}, {"int32[2] 0 0"}},
                {"Div",
                 14,
                 NULL,
                 {"uint64[2] 5 18446744073709551615", "uint64[2] 0 2"},
                 {"uint64[2] 0 9223372036854775807"}},
                {"Div", 14, NULL, {"int8[1] -128", "int8[1] -1"}, {"int8[1] -128"}},
                {"Div",
                 14,
                 NULL,
                 {"int32[1] -2147483648", "int32[1] -1"},
                 {"int32[1] -2147483648"}},
                {"Div",
                 14,
                 NULL,
                 {"int64[1] -9223372036854775808", "int64[1] -1"},
                 {"int64[1] -9223372036854775808"}},
                {"Div",
                 7,
                 NULL,
                 {"float32[3] 1 -1 0", "float32[3] 0 0 0"},
                 {"float32[3] inf -inf nan"}},
                {"Pow",
                 12,
                 NULL,
                 {"int32[4] 3 2 -1 0", "int32[4] 4 -1 -3 0"},
                 {"int32[4] 81 0 -1 1"}},
                {"Pow", 12, NULL, {"float32[2] 2 3", "int64[] 2"}, {"float32[2] 4 9"}},
                {"Pow", 12, NULL, {"int32[2] 2 3", "float32[] 0.5"}, {"int32[2] 1 1"}},
                {"Abs", 13, NULL, {"int8[2] -128 -3"}, {"int8[2] -128 3"}},
                {"Neg",
                 13,
                 NULL,
                 {"int64[1] -9223372036854775808"},
                 {"int64[1] -9223372036854775808"}},
                {"Relu", 14, NULL, {"int32[2] -5 5"}, {"int32[2] 0 5"}},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_floats(void **state) {
        static const Case cases[] = {
                {"Relu", 6, NULL, {"float32[4] -1 2 nan -inf"}, {"float32[4] 0 2 nan 0"}},
                {"LeakyRelu", 6, NULL, {"float32[2] -1 2"}, {"float32[2] -0.01 2"}},
                {"LeakyRelu", 6, "alpha=0.5", {"float32[2] -1 2"}, {"float32[2] -0.5 2"}},
                {"Sigmoid", 13, NULL, {"float32[4] 0 1000 -1000 nan"}, {"float32[4] 0.5 1 0 nan"}},
                {"Sigmoid", 13, NULL, {"float64[1] 2"}, {"float64[1] 0.880797077977882444"}},
                {"Tanh", 13, NULL, {"float32[3] 0.5 1000 -1000"}, {"float32[3] 0.46211716 1 -1"}},
                {"Softplus",
                 1,
                 NULL,
                 {"float32[3] 0 1000 -1000"},
                 {"float32[3] 0.69314718 1000 0"}},
                {"Add",
                 13,
                 NULL,
                 {"float16[2] 2048 65504", "float16[2] 1 65504"},
                 {"float16[2] 2048 inf"}},
                {"Mul", 13, NULL, {"bfloat16[1] 3", "bfloat16[1] 5"}, {"bfloat16[1] 15"}},
                {"Max",
                 13,
                 NULL,
                 {"float32[2] 1 nan", "float32[2] nan 2", "float32[1] 0"},
                 {"float32[2] nan nan"}},
                {"Sum",
                 13,
                 NULL,
                 {"float32[2] 1 2", NULL, "float32[1] 0"},
                 .refused = "input 1 is not given"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_clip(void **state) {
        static const Case cases[] = {
                {"Clip", 6, "min=-1.0 max=1.0", {"float32[3] -2 0 2"}, {"float32[3] -1 0 1"}},
                {"Clip", 1, "max=1.0", {"float32[3] -2 0 2"}, {"float32[3] -2 0 1"}},
                {"Clip", 6, NULL, {"float32[2] -inf 3e38"}, {"float32[2] -3.4028235e38 3e38"}},
                {"Clip", 1, NULL, {"float32[2] -inf 3e38"}, {"float32[2] -inf 3e38"}},
                {"Clip", 10, NULL, {"float32[1] 1", "float32[] 2"}, .refused = "before version 11"},
                /* From 11 on the attributes mean nothing. */
                {"Clip", 11, "min=-1.0 max=1.0", {"float32[2] -2 2"}, {"float32[2] -2 2"}},
                {"Clip", 11, NULL, {"float32[3] -2 0 2", "float32[] -1"}, {"float32[3] -1 0 2"}},
                {"Clip",
                 11,
                 NULL,
                 {"float32[3] -2 0 2", NULL, "float32[] 1"},
                 {"float32[3] -2 0 1"}},
                {"Clip",
                 12,
                 NULL,
                 {"int64[3] -9223372036854775808 0 9223372036854775807", "int64[] -1",
                  "int64[] 9223372036854775806"},
                 {"int64[3] -1 0 9223372036854775806"}},
                {"Clip",
                 12,
                 NULL,
                 {"uint64[2] 0 18446744073709551615", "uint64[] 1",
                  "uint64[] 18446744073709551614"},
                 {"uint64[2] 1 18446744073709551614"}},
                {"Clip", 12, NULL, {"int8[3] -5 0 5", "int8[] 3", "int8[] 1"}, {"int8[3] 1 1 1"}},
                {"Clip",
                 12,
                 NULL,
                 {"float32[1] nan", "float32[] 3", "float32[] 4"},
                 {"float32[1] nan"}},
                {"Clip", 12, NULL, {"float32[1] 1", "float32[2] 3 4"}, .refused = "one number"},
                {"Clip", 12, NULL, {"float32[1] 1", "float64[] 3"}, .refused = "float32"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

/* ONNX TensorProto.DataType: 1 float32, 2 uint8, 3 int8, 6 int32, 7 int64, 8 string, 9 bool, 10
 * float16, 11 float64, 13 uint64, 16 bfloat16. */
static void test_cast(void **state) {
        static const Case cases[] = {
                {"Cast", 9, "to=6", {"float32[4] 1.9 -1.9 0.5 -0.5"}, {"int32[4] 1 -1 0 0"}},
                {"Cast",
                 9,
                 "to=3",
                 {"float32[5] 200 -200 nan inf -inf"},
                 {"int8[5] 127 -128 0 127 -128"}},
                {"Cast",
                 9,
                 "to=7",
                 {"float64[3] 1e30 -1e30 9223372036854775807"},
                 {"int64[3] 9223372036854775807 -9223372036854775808 9223372036854775807"}},
                {"Cast",
                 9,
                 "to=13",
                 {"float32[3] -1 1e30 3.5"},
                 {"uint64[3] 0 18446744073709551615 3"}},
                {"Cast", 13, "to=3", {"int16[3] 200 -200 5"}, {"int8[3] -56 56 5"}},
                {"Cast", 13, "to=13", {"int8[1] -1"}, {"uint64[1] 18446744073709551615"}},
                {"Cast", 13, "to=7", {"uint64[1] 18446744073709551615"}, {"int64[1] -1"}},
                {"Cast", 13, "to=9", {"float32[4] 0 -0.0 0.1 nan"}, {"bool[4] 0 0 1 1"}},
                {"Cast", 13, "to=9", {"int64[2] 256 0"}, {"bool[2] 1 0"}},
                {"Cast", 13, "to=1", {"bool[2] 1 0"}, {"float32[2] 1 0"}},
                {"Cast", 13, "to=10", {"float32[3] 65519 65520 1e-8"}, {"float16[3] 65504 inf 0"}},
                {"Cast",
                 13,
                 "to=1",
                 {"float16[2] 0.000061035156 5.9604645e-8"},
                 {"float32[2] 6.1035156e-5 5.9604645e-8"}},
                {"Cast", 13, "to=16", {"float32[1] 3.1415927"}, {"bfloat16[1] 3.140625"}},
                {"Cast", 1, "to='DOUBLE'", {"float32[1] 1.5"}, {"float64[1] 1.5"}},
                {"Cast", 1, "to='NUMBER'", {"float32[1] 1.5"}, .refused = "'to'"},
                {"Cast", 9, "to='DOUBLE'", {"float32[1] 1.5"}, .refused = "'to'"},
                {"Cast", 9, "to=14", {"float32[1] 1.5"}, .refused = "'to'"},
                {"Cast", 9, NULL, {"float32[1] 1.5"}, .refused = "'to'"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

/* Just above the middle of two floats: by way of a double it would become the lower one. Valgrind
 * converts like that. */
static void test_cast_rounds_once(void **state) {
        static const Case one = {
                "Cast", 13, "to=1", {"int64[1] 9007199791611905"}, {"float32[1] 9007200328482816"}};
        volatile int64_t number = 9007199791611905;

        if ((float)number != 9007200328482816.0F)
                skip();
        check_case(&one);
}

static void test_cast_text(void **state) {
        static const Case cases[] = {
                {"Cast",
                 9,
                 "to=8",
                 {"float32[8] 0.1 1 -1.5 1e16 123456789 1e-5 nan -inf"},
                 {"string[8] 0.1 1.0 -1.5 1e+16 123456790.0 1e-05 NaN -INF"}},
                {"Cast",
                 9,
                 "to=8",
                 {"float64[3] 0.1 3.141592653589793 1e300"},
                 {"string[3] 0.1 3.141592653589793 1e+300"}},
                {"Cast", 13, "to=8", {"float16[1] 0.1"}, {"string[1] 0.1"}},
                {"Cast",
                 9,
                 "to=8",
                 {"int64[2] -9223372036854775808 5"},
                 {"string[2] -9223372036854775808 5"}},
                {"Cast",
                 9,
                 "to=8",
                 {"uint64[1] 18446744073709551615"},
                 {"string[1] 18446744073709551615"}},
                {"Cast", 9, "to=8", {"bool[2] 1 0"}, {"string[2] True False"}},
                {"Cast", 9, "to=8", {"string[2] a bc"}, {"string[2] a bc"}},
                {"Cast",
                 9,
                 "to=1",
                 {"string[6] 3.14 1e-5 1E8 INF -inf NaN"},
                 {"float32[6] 3.14 1e-5 1e8 inf -inf nan"}},
                {"Cast",
                 9,
                 "to=7",
                 {"string[3] 9223372036854775807 100.5 -3"},
                 {"int64[3] 9223372036854775807 100 -3"}},
                {"Cast",
                 9,
                 "to=13",
                 {"string[2] 18446744073709551615 -3"},
                 {"uint64[2] 18446744073709551615 0"}},
                {"Cast", 9, "to=3", {"string[2] 300 -3"}, {"int8[2] 127 -3"}},
                {"Cast", 9, "to=1", {"string[1] 0x10"}, .refused = "'0x10' is not a number"},
                {"Cast", 9, "to=1", {"string[1] hello"}, .refused = "not a number"},
                {"Cast", 9, "to=1", {"string[1] 1-2"}, .refused = "not a number"},
                {"Cast", 9, "to=1", {"string[1] e"}, .refused = "not a number"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_broadcasting),
                cmocka_unit_test(test_legacy_broadcasting),
                cmocka_unit_test(test_integers),
                cmocka_unit_test(test_floats),
                cmocka_unit_test(test_clip),
                cmocka_unit_test(test_cast),
                cmocka_unit_test(test_cast_rounds_once),
                cmocka_unit_test(test_cast_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
