/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator-case.h"

#define X23 "float32[2,3] 1 2 3 4 5 6"

static void test_reshape(void **state) {
        static const Case cases[] = {
                {"Reshape", 1, "shape=[3,2]", {X23}, {"float32[3,2] 1 2 3 4 5 6"}},
                {"Reshape", 5, NULL, {X23, "int64[2] 3 -1"}, {"float32[3,2] 1 2 3 4 5 6"}},
                {"Reshape", 5, NULL, {X23, "int64[3] 0 -1 1"}, {"float32[2,3,1] 1 2 3 4 5 6"}},
                {"Reshape", 13, NULL, {"float32[1] 5", "int64[0]"}, {"float32[] 5"}},
                {"Reshape",
                 14,
                 "allowzero=1",
                 {"float32[0,3]", "int64[3] 3 0 7"},
                 {"float32[3,0,7]"}},
                {"Reshape",
                 13,
                 "allowzero=1",
                 {"float32[0,3]", "int64[3] 3 0 7"},
                 .refused = "cannot have shape"},
                {"Reshape",
                 13,
                 NULL,
                 {"float32[0,3]", "int64[2] 0 -1"},
                 .refused = "could be anything"},
                {"Reshape", 5, NULL, {"string[2] a b", "int64[2] 2 1"}, {"string[2,1] a b"}},
                {"Reshape", 5, NULL, {X23, "int64[2] -1 -1"}, .refused = "more than one"},
                {"Reshape", 5, NULL, {X23, "int64[2] -2 3"}, .refused = "below -1"},
                {"Reshape", 5, NULL, {X23, "int64[2] 4 -1"}, .refused = "cannot have shape"},
                {"Reshape",
                 5,
                 NULL,
                 {X23, "int64[2] 4294967296 4294967296"},
                 .refused = "cannot have shape"},
                {"Reshape",
                 5,
                 NULL,
                 {X23, "int64[3] 4294967296 4294967296 -1"},
                 .refused = "cannot have shape"},
                {"Reshape", 5, NULL, {X23, "int64[3] 2 3 0"}, .refused = "has only 2"},
                {"Reshape", 5, NULL, {X23, "int64[9] 1 1 1 1 1 1 1 2 3"}, .refused = "at most 8"},
                {"Reshape", 5, NULL, {X23, "float32[1] 6"}, .refused = "float32"},
                {"Reshape", 5, NULL, {X23}, .refused = "at most 8"},
                {"Reshape",
                 1,
                 "shape=[6]",
                 {X23, "int64[1] 6"},
                 .refused = "no input before version 5"},
                {"Flatten", 9, NULL, {"float32[2,1,2] 1 2 3 4"}, {"float32[2,2] 1 2 3 4"}},
                {"Flatten", 9, "axis=0", {"float32[2,1] 1 2"}, {"float32[1,2] 1 2"}},
                {"Flatten", 11, "axis=-1", {"float32[2,1,2] 1 2 3 4"}, {"float32[2,2] 1 2 3 4"}},
                {"Flatten", 9, "axis=2", {"float32[1,2] 1 2"}, {"float32[2,1] 1 2"}},
                {"Flatten", 9, "axis=3", {"float32[1,2] 1 2"}, .refused = "axis 3"},
                {"Flatten", 9, NULL, {"float32[] 1"}, .refused = "axis 1"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_squeeze(void **state) {
        static const Case cases[] = {
                {"Squeeze", 1, "axes=[0]", {"float32[1,1,2] 1 2"}, {"float32[1,2] 1 2"}},
                {"Squeeze", 11, "axes=[-2]", {"float32[1,1,2] 1 2"}, {"float32[1,2] 1 2"}},
                {"Squeeze", 11, NULL, {"float32[1,1,2] 1 2"}, {"float32[2] 1 2"}},
                {"Squeeze", 13, NULL, {"float32[1,1,2] 1 2", "int64[1] 1"}, {"float32[1,2] 1 2"}},
                /* From 13 on the attribute means nothing. */
                {"Squeeze", 13, "axes=[0]", {"float32[1,1,2] 1 2"}, {"float32[2] 1 2"}},
                {"Squeeze", 13, NULL, {"float32[1,2] 1 2", "int64[1] 1"}, .refused = "is 2, not 1"},
                {"Squeeze",
                 13,
                 NULL,
                 {"float32[1,2] 1 2", "int64[2] 0 -2"},
                 .refused = "named twice"},
                {"Squeeze",
                 11,
                 NULL,
                 {"float32[1,2] 1 2", "int64[1] 0"},
                 .refused = "no input before version 13"},
                {"Squeeze", 13, NULL, {"float32[1,2] 1 2", "int64[1] 2"}, .refused = "axis 2"},
                {"Unsqueeze", 1, "axes=[0,2]", {"float32[2] 1 2"}, {"float32[1,2,1] 1 2"}},
                {"Unsqueeze",
                 13,
                 NULL,
                 {"float32[2] 1 2", "int64[2] -1 0"},
                 {"float32[1,2,1] 1 2"}},
                {"Unsqueeze", 13, NULL, {"float32[] 1", "int64[] 0"}, {"float32[1] 1"}},
                {"Unsqueeze", 11, NULL, {"float32[2] 1 2"}, .refused = "axes"},
                {"Unsqueeze",
                 13,
                 NULL,
                 {"float32[2] 1 2", "int64[2] 0 -3"},
                 .refused = "named twice"},
                {"Unsqueeze",
                 13,
                 NULL,
                 {"float32[2] 1 2", "int64[1] 9223372036854775807"},
                 .refused = "axis 92"},
                {"Unsqueeze",
                 13,
                 NULL,
                 {"float32[2] 1 2", "int64[8] 0 1 2 3 4 5 6 7"},
                 .refused = "at most 8"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

#define RAMP "float32[5] 0 1 2 3 4"
#define MIN64 "-9223372036854775808"
#define MAX64 "9223372036854775807"

static void test_slice(void **state) {
        static const Case cases[] = {
                {"Slice", 1, "starts=[1] ends=[-1]", {RAMP}, {"float32[3] 1 2 3"}},
                {"Slice", 9, "axes=[1] starts=[0] ends=[9223372036854775807]", {X23}, {X23}},
                {"Slice",
                 1,
                 "axes=[1] starts=[1,2] ends=[2]",
                 {X23},
                 .refused = "1 ends for 2 starts"},
                {"Slice", 1, "ends=[2]", {X23}, .refused = "starts are not given"},
                {"Slice",
                 9,
                 "starts=[0] ends=[1]",
                 {RAMP, "int64[1] 0", "int64[1] 1"},
                 .refused = "no input before version 10"},
                {"Slice",
                 10,
                 NULL,
                 {RAMP, "int64[1] 4", "int64[1] 1", "int64[1] 0", "int64[1] -2"},
                 {"float32[2] 4 2"}},
                {"Slice",
                 10,
                 NULL,
                 {RAMP, "int32[1] -1", "int32[1] -9", "int32[1] 0", "int32[1] -1"},
                 {"float32[5] 4 3 2 1 0"}},
                {"Slice",
                 13,
                 NULL,
                 {RAMP, "int64[1] " MAX64, "int64[1] " MIN64, "int64[1] 0", "int64[1] -1"},
                 {"float32[5] 4 3 2 1 0"}},
                {"Slice",
                 13,
                 NULL,
                 {RAMP, "int64[1] " MIN64, "int64[1] " MAX64, "int64[1] 0", "int64[1] " MAX64},
                 {"float32[1] 0"}},
                {"Slice",
                 13,
                 NULL,
                 {RAMP, "int64[1] " MAX64, "int64[1] " MIN64, "int64[1] 0", "int64[1] " MIN64},
                 {"float32[1] 4"}},
                {"Slice", 13, NULL, {RAMP, "int64[1] 3", "int64[1] 2"}, {"float32[0]"}},
                {"Slice", 13, NULL, {RAMP, "int64[1] 5", "int64[1] 9"}, {"float32[0]"}},
                {"Slice",
                 13,
                 NULL,
                 {"float32[2,0]", "int64[2] 0 0", "int64[2] 1 5", NULL, "int64[2] 1 -1"},
                 {"float32[1,0]"}},
                {"Slice",
                 13,
                 NULL,
                 {X23, "int64[2] 1 0", "int64[2] 2 3", "int64[2] 0 -1", "int64[2] 1 2"},
                 {"float32[1,2] 4 6"}},
                {"Slice",
                 13,
                 NULL,
                 {"string[3] a b c", "int64[1] 2", "int64[1] 0", NULL, "int64[1] -1"},
                 {"string[2] c b"}},
                {"Slice",
                 13,
                 NULL,
                 {RAMP, "int64[1] 0", "int64[1] 1", NULL, "int64[1] 0"},
                 .refused = "step of 0"},
                {"Slice", 13, NULL, {RAMP, "int64[2] 0 0", "int64[2] 1 1"}, .refused = "axis 1"},
                {"Slice",
                 13,
                 NULL,
                 {RAMP, "int64[2] 0 0", "int64[2] 1 1", "int64[2] 0 -1"},
                 .refused = "named twice"},
                {"Slice",
                 13,
                 NULL,
                 {RAMP, "float32[1] 0", "int64[1] 1"},
                 .refused = "input starts"},
                {"Slice",
                 13,
                 NULL,
                 {RAMP, "int64[1,1,1] 0", "int64[1] 1"},
                 .refused = "input starts"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_order(void **state) {
        static const Case cases[] = {
                {"Transpose", 1, NULL, {X23}, {"float32[3,2] 1 4 2 5 3 6"}},
                {"Transpose",
                 13,
                 "perm=[1,0,2]",
                 {"int8[2,2,2] 1 2 3 4 5 6 7 8"},
                 {"int8[2,2,2] 1 2 5 6 3 4 7 8"}},
                {"Transpose", 13, NULL, {"int16[2,2] 1 2 3 4"}, {"int16[2,2] 1 3 2 4"}},
                {"Transpose", 13, NULL, {"float64[2,2] 1 2 3 4"}, {"float64[2,2] 1 3 2 4"}},
                {"Transpose", 13, NULL, {"string[2,2] a b c d"}, {"string[2,2] a c b d"}},
                {"Transpose", 13, NULL, {"float32[2,0]"}, {"float32[0,2]"}},
                {"Transpose", 13, NULL, {"float32[] 1"}, {"float32[] 1"}},
                {"Transpose", 13, "perm=[0,0]", {X23}, .refused = "named twice"},
                {"Transpose", 13, "perm=[0,2]", {X23}, .refused = "axis 2"},
                {"Transpose", 13, "perm=[0]", {X23}, .refused = "1 numbers for 2"},
                {"Concat", 1, NULL, {"float32[1,1] 1", "float32[1,2] 2 3"}, {"float32[1,3] 1 2 3"}},
                {"Concat", 4, "axis=0", {"string[1] a", "string[2] b c"}, {"string[3] a b c"}},
                {"Concat",
                 11,
                 "axis=-1",
                 {"float32[2,1] 1 2", "float32[2,0]", "float32[2,2] 3 4 5 6"},
                 {"float32[2,3] 1 3 4 2 5 6"}},
                {"Concat", 4, NULL, {"float32[1,1] 1"}, .refused = "axis is missing"},
                {"Concat",
                 11,
                 "axis=0",
                 {"float32[1,1] 1", "float32[1,2] 2 3"},
                 .refused = "does not join"},
                {"Concat",
                 11,
                 "axis=0",
                 {"float32[1] 1", "float64[1] 2"},
                 .refused = "does not join"},
                {"Concat",
                 11,
                 "axis=0",
                 {"float32[1] 1", "float32[] 2"},
                 .refused = "does not join"},
                {"Concat", 11, "axis=0", {"float32[] 1", "float32[] 2"}, .refused = "axis 0"},
                {"Concat",
                 11,
                 "axis=0",
                 {"int8[16777216,0]", "int8[16777216,0]"},
                 .refused = "more than"},
                {"Split",
                 11,
                 "split=[1,2] axis=-1",
                 {X23},
                 {"float32[2,1] 1 4", "float32[2,2] 2 3 5 6"}},
                {"Split", 13, NULL, {"float32[4] 1 2 3 4"}, {"float32[2] 1 2", "float32[2] 3 4"}},
                {"Split",
                 13,
                 NULL,
                 {"float32[3] 1 2 3", "int64[2] 3 0"},
                 {"float32[3] 1 2 3", "float32[0]"}},
                {"Split", 13, NULL, {"float32[3] 1 2 3"}, {"", ""}, .refused = "not split into 2"},
                {"Split",
                 18,
                 "num_outputs=2",
                 {"float32[3] 1 2 3"},
                 {"float32[2] 1 2", "float32[1] 3"}},
                {"Split",
                 13,
                 NULL,
                 {"float32[3] 1 2 3", "int64[2] 1 1"},
                 {"", ""},
                 .refused = "do not make up"},
                {"Split",
                 13,
                 NULL,
                 {"float32[3] 1 2 3", "int64[2] 4 -1"},
                 {"", ""},
                 .refused = "part 0"},
                {"Expand", 8, NULL, {"float32[2,1] 1 2", "int64[2] 1 2"}, {"float32[2,2] 1 1 2 2"}},
                {"Expand", 8, NULL, {"float32[2] 1 2", "int64[2] -1 2"}, .refused = "not possible"},
                {"Expand",
                 8,
                 NULL,
                 {"float32[2] 1 2", "int64[2] 1073741824 2"},
                 .refused = "more than"},
                {"Where",
                 9,
                 NULL,
                 {"bool[2,1] 1 0", "float32[2] 1 2", "float32[] 9"},
                 {"float32[2,2] 1 2 9 9"}},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_gather(void **state) {
        static const Case cases[] = {
                {"Gather", 1, NULL, {X23, "int64[2] 1 0"}, {"float32[2,3] 4 5 6 1 2 3"}},
                {"Gather", 11, "axis=1", {X23, "int32[1,2] -1 0"}, {"float32[2,1,2] 3 1 6 4"}},
                {"Gather", 13, NULL, {"string[2] a b", "int64[] -1"}, {"string[] b"}},
                {"Gather", 13, NULL, {X23, "int64[0]"}, {"float32[0,3]"}},
                {"Gather", 13, "axis=1", {"float32[0,3]", "int64[1] 2"}, {"float32[0,1]"}},
                {"Gather",
                 13,
                 NULL,
                 {"float32[0,3]", "int64[1] 0"},
                 .refused = "index 0 is outside a dimension of 0"},
                {"Gather", 13, NULL, {X23, "int64[1] 2"}, .refused = "index 2"},
                {"Gather", 13, NULL, {X23, "int64[1] -3"}, .refused = "index -3"},
                {"Gather", 13, NULL, {X23, "int64[1] " MIN64}, .refused = "index -92"},
                {"Gather", 13, NULL, {X23, "float32[1] 0"}, .refused = "float32"},
                {"Gather", 13, NULL, {"float32[] 1", "int64[] 0"}, .refused = "axis 0"},
                {"Gather",
                 13,
                 NULL,
                 {"float32[1,1,1,1,1] 1", "int64[1,1,1,1,1] 0"},
                 .refused = "9 dimensions"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_constant(void **state) {
        static const Case cases[] = {
                {"Constant", 1, "value=tensor:float32[2] 1 2", {NULL}, {"float32[2] 1 2"}},
                {"Constant", 12, "value_int=-5", {NULL}, {"int64[] -5"}},
                {"Constant", 12, "value_ints=[1,2]", {NULL}, {"int64[2] 1 2"}},
                {"Constant", 12, "value_float=0.5", {NULL}, {"float32[] 0.5"}},
                {"Constant", 12, "value_floats=[0.5,1.5]", {NULL}, {"float32[2] 0.5 1.5"}},
                {"Constant", 12, "value_string='a'", {NULL}, {"string[] a"}},
                {"Constant", 12, "value_strings=['a','b']", {NULL}, {"string[2] a b"}},
                {"Constant", 12, NULL, {NULL}, .refused = "no value"},
                {"Constant",
                 12,
                 "value_int=1 value_float=0.5",
                 {NULL},
                 .refused = "one is accepted"},
                {"ConstantOfShape",
                 9,
                 "value=tensor:int64[1] 7",
                 {"int64[2] 1 2"},
                 {"int64[1,2] 7 7"}},
                {"ConstantOfShape", 9, NULL, {"int64[0]"}, {"float32[] 0"}},
                {"ConstantOfShape", 9, NULL, {"int64[2] 65536 65536"}, .refused = "more than"},
                {"ConstantOfShape", 9, NULL, {"int64[1] -1"}, .refused = "not possible"},
                {"Shape", 13, NULL, {X23}, {"int64[2] 2 3"}},
                {"Shape", 15, "start=-1", {X23}, {"int64[1] 3"}},
                {"Shape",
                 15,
                 "start=-9223372036854775808 end=9223372036854775807",
                 {X23},
                 {"int64[2] 2 3"}},
                {"Size", 13, NULL, {X23}, {"int64[] 6"}},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_dropout(void **state) {
        static const Case cases[] = {
                {"Identity", 1, NULL, {"string[2] a b"}, {"string[2] a b"}},
                {"Dropout",
                 6,
                 "is_test=1",
                 {"float32[2] 1 2"},
                 {"float32[2] 1 2", "float32[2] 1 1"}},
                {"Dropout", 6, NULL, {"float32[2] 1 2"}, .refused = "training mode"},
                {"Dropout", 7, NULL, {"float32[2] 1 2"}, {"float32[2] 1 2", "float32[2] 1 1"}},
                {"Dropout", 10, NULL, {"float32[2] 1 2"}, {"float32[2] 1 2", "bool[2] 1 1"}},
                {"Dropout",
                 12,
                 NULL,
                 {"float32[2] 1 2", "float32[] 0.9"},
                 {"float32[2] 1 2", "bool[2] 1 1"}},
                {"Dropout",
                 12,
                 NULL,
                 {"float32[2] 1 2", "float32[] 0", "bool[] 1"},
                 {"float32[2] 1 2", "bool[2] 1 1"}},
                {"Dropout",
                 13,
                 NULL,
                 {"float32[2] 1 2", NULL, "bool[] 1"},
                 .refused = "training mode"},
                {"Dropout",
                 13,
                 NULL,
                 {"float32[2] 1 2", "float32[0]"},
                 .refused = "ratio must be one number"},
                {"Dropout",
                 13,
                 NULL,
                 {"float32[2] 1 2", NULL, "bool[0]"},
                 .refused = "training_mode must be one"},
                {"Dropout",
                 7,
                 NULL,
                 {"float32[2] 1 2", "float32[] 0"},
                 .refused = "before version 12"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

/* One long text copied often is refused before memory is full of it. */
static void test_string_bomb(void **state) {
        const Operator *op = operator_find(DOMAIN_ONNX, "Expand");
        _cleanup_(graph_freep)
        Graph *g = calloc(1, sizeof(*g));
        _cleanup_(tensor_freep)
        Tensor *x = NULL, *shape = NULL;
        size_t v[3];
        Tensor *out = NULL;
        Error e = ERROR_INIT;

        for (size_t i = 0; i < 3; i++)
                v[i] = (size_t)graph_add_value(g, "v");
        graph_add_input(g, v[0], ELEMENT_STRING, GRAPH_RANK_ANY, NULL);
        graph_add_input(g, v[1], ELEMENT_I64, GRAPH_RANK_ANY, NULL);
        graph_add_node(g, op, "", 13, 2, v, 1, v + 2);
        graph_add_output(g, v[2]);
        assert_int_equal(tensor_new(ELEMENT_STRING, 0, NULL, &x), 0);
        x->string[0] = calloc(1, 1 << 20);
        memset(x->string[0], 'a', (1 << 20) - 1);
        shape = tensor_from_text("int64[1] 1000000");
        assert_int_equal(graph_run(g, (const Tensor *[]){x, shape}, 2, &out, &e), -EFBIG);
        shape->i64[0] = 2;
        assert_int_equal(graph_run(g, (const Tensor *[]){x, shape}, 2, &out, &e), 0);
        assert_string_equal(out->string[1], x->string[0]);
        tensor_free(out);
}

static void test_pad(void **state) {
#define X3 "float32[3] 1 2 3"
        static const Case cases[] = {
                {"Pad", 13, NULL, {X3, "int64[2] 2 1"}, {"float32[6] 0 0 1 2 3 0"}},
                {"Pad", 13, NULL, {X3, "int64[2] 1 -1", "float32[] 7"}, {"float32[3] 7 1 2"}},
                {"Pad", 1, "paddings=[1,0] value=5.0", {X3}, {"float32[4] 5 1 2 3"}},
                {"Pad", 2, "pads=[0,2] value=-1.0", {X3}, {"float32[5] 1 2 3 -1 -1"}},
                {"Pad",
                 11,
                 "mode='edge'",
                 {"int64[2,2] 1 2 3 4", "int64[4] 1 0 0 2"},
                 {"int64[3,4] 1 2 2 2 1 2 2 2 3 4 4 4"}},
                {"Pad",
                 13,
                 "mode='reflect'",
                 {X3, "int64[2] 3 4"},
                 {"float32[10] 2 3 2 1 2 3 2 1 2 3"}},
                {"Pad", 19, "mode='wrap'", {X3, "int64[2] 4 1"}, {"float32[8] 3 1 2 3 1 2 3 1"}},
                {"Pad",
                 18,
                 NULL,
                 {"bool[2,1] 1 1", "int64[2] 0 1", NULL, "int64[1] -1"},
                 {"bool[2,2] 1 0 1 0"}},
                {"Pad", 13, "mode='wrap'", {X3, "int64[2] 1 1"}, .refused = "mode 'wrap'"},
                {"Pad", 13, NULL, {X3, "int64[3] 1 1 1"}, .refused = "3 pads for 1 axes"},
                {"Pad", 13, NULL, {X3, "int64[2] -2 -2"}, .refused = "pads -2 and -2 of axis 0"},
                {"Pad",
                 13,
                 NULL,
                 {X3, "int64[2] 1 1", "int64[] 1"},
                 .refused = "one number of type float32"},
                {"Pad",
                 13,
                 "mode='edge'",
                 {"float32[0]", "int64[2] 1 1"},
                 .refused = "pads 1 and 1 of axis 0"},
                {"Pad",
                 18,
                 NULL,
                 {"float32[1,1] 1", "int64[4] 0 0 1 1", NULL, "int64[2] 0 -2"},
                 .refused = "twice"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

static void test_layer_normalization(void **state) {
        static const Case cases[] = {
                {"LayerNormalization",
                 17,
                 "epsilon=0.25",
                 {"float32[2,4] 1 2 3 4 5 5 5 5", "float32[4] 1 2 3 4", "float32[4] 0 0 0 1"},
                 {"float32[2,4] -1.22474492 -0.816496611 1.22474492 5.8989796 0 0 0 1",
                  "float32[2,1] 2.5 5", "float32[2,1] 0.816496611 2"}},
                {"LayerNormalization",
                 17,
                 "axis=0 epsilon=0.0",
                 {"float64[2,2] 1 -1 1 -1", "float64[1] 3"},
                 {"float64[2,2] 3 -3 3 -3"}},
                {"LayerNormalization",
                 17,
                 NULL,
                 {"float32[2] 1 2", "float32[3] 1 1 1"},
                 .refused = "the scale is float32 [3], which does not broadcast"},
                {"LayerNormalization",
                 17,
                 "axis=1",
                 {"float32[2] 1 2", "float32[2] 1 1"},
                 .refused = "axis 1"},
        };

        check_cases(cases, ELEMENTSOF(cases));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reshape), cmocka_unit_test(test_squeeze),
                cmocka_unit_test(test_slice),   cmocka_unit_test(test_order),
                cmocka_unit_test(test_gather),  cmocka_unit_test(test_constant),
                cmocka_unit_test(test_dropout), cmocka_unit_test(test_string_bomb),
                cmocka_unit_test(test_pad),     cmocka_unit_test(test_layer_normalization),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
