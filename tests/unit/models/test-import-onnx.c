/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "onnx.pb-c.h"

#include "models/import-onnx.h"
#include "models/operator.h"

/* y = Add(x, w) with w = (10, 20), in parts that each test may turn to something else. */
typedef struct Sheet {
        Onnx__ModelProto model;
        Onnx__OperatorSetIdProto opset[2], *opsets[2];
        Onnx__GraphProto graph;
        Onnx__NodeProto node[2], *nodes[2];
        Onnx__TensorProto w, *initializers[2];
        Onnx__ValueInfoProto x, y, *inputs[2], *outputs[1];
        Onnx__TypeProto type;
        Onnx__TypeProto__Tensor tensor_type;
        Onnx__TensorShapeProto shape;
        Onnx__TensorShapeProto__Dimension dim[9], *dims[9];
        Onnx__AttributeProto attribute[2], *attributes[2];
        Onnx__TensorProto value;
        char *in[2], *out[2];
        int64_t w_dims[9];
        float w_data[2];
} Sheet;

static void sheet_init(Sheet *s) {
        *s = (Sheet){
                .model = ONNX__MODEL_PROTO__INIT,
                .graph = ONNX__GRAPH_PROTO__INIT,
                .w = ONNX__TENSOR_PROTO__INIT,
                .value = ONNX__TENSOR_PROTO__INIT,
                .x = ONNX__VALUE_INFO_PROTO__INIT,
                .y = ONNX__VALUE_INFO_PROTO__INIT,
                .type = ONNX__TYPE_PROTO__INIT,
                .tensor_type = ONNX__TYPE_PROTO__TENSOR__INIT,
                .shape = ONNX__TENSOR_SHAPE_PROTO__INIT,
                .w_dims = {2},
                .w_data = {10, 20},
                .in = {(char *)"x", (char *)"w"},
                .out = {(char *)"y", (char *)"z"},
        };
        for (size_t i = 0; i < 2; i++) {
                s->opset[i] = (Onnx__OperatorSetIdProto)ONNX__OPERATOR_SET_ID_PROTO__INIT;
                s->opset[i].domain = (char *)(i ? "ai.onnx.ml" : "");
                s->opset[i].has_version = 1;
                s->opset[i].version = i ? 3 : 13;
                s->opsets[i] = s->opset + i;
                s->node[i] = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
                s->node[i].op_type = (char *)(i ? "Relu" : "Add");
                s->node[i].name = (char *)(i ? "second" : "first");
                s->node[i].n_input = i ? 1 : 2;
                s->node[i].input = s->in;
                s->node[i].n_output = 1;
                s->node[i].output = s->out + i;
                s->node[i].attribute = s->attributes;
                s->nodes[i] = s->node + i;
                s->attribute[i] = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
                s->attribute[i].name = (char *)"a";
                s->attributes[i] = s->attribute + i;
        }
        for (size_t i = 0; i < ELEMENTSOF(s->dim); i++) {
                s->dim[i] = (Onnx__TensorShapeProto__Dimension)
                        ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
                s->dims[i] = s->dim + i;
        }
        s->model.has_ir_version = 1;
        s->model.ir_version = 8;
        s->model.n_opset_import = 2;
        s->model.opset_import = s->opsets;
        s->model.graph = &s->graph;
        s->graph.n_node = 1;
        s->graph.node = s->nodes;
        s->graph.n_initializer = 1;
        s->graph.initializer = s->initializers;
        s->initializers[0] = s->initializers[1] = &s->w;
        s->w.name = (char *)"w";
        s->w.n_dims = 1;
        s->w.dims = s->w_dims;
        s->w.has_data_type = 1;
        s->w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        s->w.n_float_data = 2;
        s->w.float_data = s->w_data;
        s->graph.n_input = s->graph.n_output = 1;
        s->graph.input = s->inputs;
        s->graph.output = s->outputs;
        s->inputs[0] = s->inputs[1] = &s->x;
        s->outputs[0] = &s->y;
        s->x.name = (char *)"x";
        s->y.name = (char *)"y";
        s->x.type = &s->type;
        s->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        s->type.tensor_type = &s->tensor_type;
        s->tensor_type.has_elem_type = 1;
        s->tensor_type.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        s->tensor_type.shape = &s->shape;
        s->shape.n_dim = 1;
        s->shape.dim = s->dims;
        s->dim[0].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        s->dim[0].dim_value = 2;
}

static int import(const Sheet *s, Graph **ret, Error *e) {
        size_t size = onnx__model_proto__get_packed_size(&s->model);
        _cleanup_free_
        uint8_t *bytes = malloc(size);

        assert_non_null(bytes);
        assert_int_equal(onnx__model_proto__pack(&s->model, bytes), size);
        return import_onnx(bytes, size, ret, e);
}

static void accept(const Sheet *s, float y0, float y1) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        _cleanup_(tensor_freep)
        Tensor *x = NULL, *y = NULL;
        Error e = ERROR_INIT;

        if (import(s, &g, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(tensor_new(ELEMENT_F32, 1, (int64_t[]){2}, &x), 0);
        x->f32[0] = 1;
        x->f32[1] = 2;
        if (graph_run(g, (const Tensor *const[]){x}, g->n_inputs, &y, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(y->type, ELEMENT_F32);
        assert_int_equal(y->count, 2);
        assert_true(y->f32[0] == y0 && y->f32[1] == y1);
}

static void refuse(const Sheet *s, int r, const char *text) {
        Graph *g = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(import(s, &g, &e), r);
        assert_null(g);
        if (!strstr(e.text, text))
                fail_msg("'%s' does not say '%s'", e.text, text);
}

/* What a file beside the model has: 3 and -10, 20 in float32 behind 4 other bytes. */
static int read_beside(void *userdata, const char *name, const void **ret, size_t *ret_size,
                       Error *e) {
        static const uint8_t bytes[] = {1, 2, 3, 4, 0, 0, 0x20, 0xc1, 0, 0, 0xa0, 0x41};

        (*(int *)userdata)++;
        if (!streq(name, "w.data"))
                return error_set(e, -ENOENT, "there is no %s", name);
        *ret = bytes;
        *ret_size = sizeof(bytes);
        return 0;
}

/* text: NULL where it is accepted. */
static void check_beside(const Sheet *s, const char *text) {
        size_t size = onnx__model_proto__get_packed_size(&s->model);
        _cleanup_free_
        uint8_t *bytes = malloc(size);
        _cleanup_(graph_freep)
        Graph *g = NULL;
        Error e = ERROR_INIT;
        int read = 0, r;
        OnnxBeside beside = {.read = read_beside, .userdata = &read};

        assert_non_null(bytes);
        assert_int_equal(onnx__model_proto__pack(&s->model, bytes), size);
        r = import_onnx_beside(bytes, size, &beside, &g, &e);
        if (text) {
                assert_true(r < 0);
                if (!strstr(e.text, text))
                        fail_msg("'%s' does not say '%s'", e.text, text);
                assert_null(g);
                return;
        }
        if (r < 0)
                fail_msg("%s", e.text);
        assert_int_equal(read, 1);
        assert_int_equal(beside.used, 8);
        for (size_t i = 0; i < g->n_values; i++)
                if (streq(g->values[i].name, "w")) {
                        assert_float_equal(g->values[i].constant->f32[0], -10, 0);
                        assert_float_equal(g->values[i].constant->f32[1], 20, 0);
                }
}

/* As PyTorch's newer exporter writes every model. */
static void test_beside(void **state) {
        static const char *const keys[] = {"location", "offset", "length"};
        static const struct {
                const char *value[3];
                const char *text;
        } cases[] = {
                {{"w.data", "4", "8"}, NULL},
                {{"v.data", "4", "8"}, "there is no v.data"},
                {{"../w.data", "4", "8"}, "'../w.data': accepted is the plain name"},
                {{"/w.data", "4", "8"}, "'/w.data': accepted is the plain name"},
                {{"", "4", "8"}, "accepted is the plain name"},
                {{"w.data", "5", "8"}, "initializer 'w': bytes 5 to 13 of 'w.data', which has 12"},
                {{"w.data", "200", "8"}, "which has 12"},
                {{"w.data", "4", "4"}, "initializer 'w' has 4 bytes, but its dimensions want 8"},
                {{"w.data", "-4", "8"}, "offset '-4'"},
                {{"w.data", "4", "99999999999"}, "length '99999999999'"},
        };
        Onnx__StringStringEntryProto entry[3], *entries[3];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Sheet s;

                sheet_init(&s);
                for (size_t k = 0; k < 3; k++) {
                        entry[k] = (Onnx__StringStringEntryProto)
                                ONNX__STRING_STRING_ENTRY_PROTO__INIT;
                        entry[k].key = (char *)keys[k];
                        entry[k].value = (char *)cases[i].value[k];
                        entries[k] = entry + k;
                }
                s.w.n_external_data = 3;
                s.w.external_data = entries;
                s.w.has_data_location = 1;
                s.w.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
                check_beside(&s, "data here and in another file");
                s.w.n_float_data = 0;
                check_beside(&s, cases[i].text);
                refuse(&s, -EINVAL, "outside of the file");
        }
}

static void test_model(void **state) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        Onnx__TrainingInfoProto training = ONNX__TRAINING_INFO_PROTO__INIT,
                                *trainings[] = {&training};
        Sheet s;

        sheet_init(&s);
        accept(&s, 11, 22);
        assert_int_equal(import(&s, &g, NULL), 0);
        assert_int_equal(g->n_inputs, 1);
        assert_int_equal(g->inputs[0].rank, 1);
        assert_int_equal(g->inputs[0].dim[0], 2);
        assert_string_equal(g->values[g->inputs[0].value].name, "x");
        assert_string_equal(g->values[g->outputs[0]].name, "y");
        assert_string_equal(g->nodes[0].name, "first");
        assert_ptr_equal(g->nodes[0].op, operator_find("", "Add"));
        assert_int_equal(g->nodes[0].opset, 13);

        s.node[0].domain = (char *)"ai.onnx";
        s.opset[0].domain = (char *)"ai.onnx";
        accept(&s, 11, 22);

        s.model.n_training_info = 1;
        s.model.training_info = trainings;
        accept(&s, 11, 22);

        /* Two nodes in the wrong order, the first of which has no name. */
        sheet_init(&s);
        s.graph.n_node = 2;
        s.node[0].name = NULL;
        s.node[0].input = (char *[]){(char *)"z", (char *)"w"};
        s.nodes[0] = s.node;
        accept(&s, 11, 22);

        /* Up to IR version 3, weights are inputs, too. */
        sheet_init(&s);
        s.model.ir_version = 3;
        s.graph.n_input = 2;
        s.inputs[0] = &(Onnx__ValueInfoProto){
                .base = s.x.base, .name = (char *)"w", .type = &s.type};
        accept(&s, 11, 22);

        /* The output may be a weight, and there need not be an input or a node. */
        sheet_init(&s);
        s.graph.n_node = s.graph.n_input = 0;
        s.y.name = (char *)"w";
        accept(&s, 10, 20);
}

static void test_shapes(void **state) {
        _cleanup_(graph_freep)
        Graph *any = NULL, *three = NULL, *scalar = NULL;
        Sheet s;

        sheet_init(&s);
        s.tensor_type.shape = NULL;
        assert_int_equal(import(&s, &any, NULL), 0);
        assert_int_equal(any->inputs[0].rank, GRAPH_RANK_ANY);

        sheet_init(&s);
        s.shape.n_dim = 3;
        s.dim[1].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        s.dim[1].dim_param = (char *)"batch";
        s.dim[2].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        s.dim[2].dim_value = -5;
        assert_int_equal(import(&s, &three, NULL), 0);
        assert_int_equal(three->inputs[0].rank, 3);
        assert_int_equal(three->inputs[0].dim[0], 2);
        assert_int_equal(three->inputs[0].dim[1], -1);
        assert_int_equal(three->inputs[0].dim[2], -1);

        s.shape.n_dim = 0;
        assert_int_equal(import(&s, &scalar, NULL), 0);
        assert_int_equal(scalar->inputs[0].rank, 0);

        s.shape.n_dim = 9;
        refuse(&s, -EINVAL, "input 'x' has 9 dimensions");
}

static void test_versions(void **state) {
        Sheet s;

        sheet_init(&s);
        s.opset[0].version = ONNX_OPSET_MAX + 1;
        refuse(&s, -EINVAL, "opset 23 of ai.onnx: 1 to 22 are known");
        s.opset[0].version = 0;
        refuse(&s, -EINVAL, "opset 0 of ai.onnx");
        s.opset[0].version = INT64_MAX;
        refuse(&s, -EINVAL, "opset 9223372036854775807 of ai.onnx");
        s.opset[0].version = 13;
        s.opset[1].version = ONNX_OPSET_ML_MAX + 1;
        refuse(&s, -EINVAL, "opset 6 of ai.onnx.ml: 1 to 5 are known");
        s.opset[1].domain = (char *)"ai.onnx";
        refuse(&s, -EINVAL, "two opsets of ai.onnx, 13 and 6");
        s.opset[1].domain = (char *)"com.example";
        s.opset[1].version = 99;
        accept(&s, 11, 22);
        s.model.n_opset_import = 0;
        refuse(&s, -EINVAL, "operator Add (node 'first'): the model imports no opset of ai.onnx");

        sheet_init(&s);
        s.model.ir_version = 99;
        refuse(&s, -EINVAL, "IR version 99");
        s.model.has_ir_version = 0;
        refuse(&s, -EINVAL, "IR version");
}

static void test_operators(void **state) {
        Sheet s;

        sheet_init(&s);
        s.node[0].op_type = (char *)"NoSuch\n\xff";
        refuse(&s, -EINVAL, "operator NoSuch?? (node 'first', opset 13) is not supported");
        s.node[0].op_type = NULL;
        refuse(&s, -EINVAL, "operator  (node 'first', opset 13) is not supported");
        s.node[0].op_type = (char *)"Add";
        s.node[0].domain = (char *)"com.example";
        refuse(&s, -EINVAL, "operator com.example.Add (node 'first', opset 0) is not supported");
        s.node[0].domain = (char *)"ai.onnx.ml";
        refuse(&s, -EINVAL, "operator ai.onnx.ml.Add (node 'first', opset 3) is not supported");

        /* A missing operator is said before a wrong weight. */
        sheet_init(&s);
        s.w.n_float_data = 1;
        s.node[0].op_type = (char *)"NoSuch";
        refuse(&s, -EINVAL, "operator NoSuch");
}

static void test_names(void **state) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        char name[300];
        Sheet s;

        sheet_init(&s);
        s.x.name = NULL;
        refuse(&s, -EINVAL, "an input has no name");
        s.x.name = (char *)"";
        refuse(&s, -EINVAL, "an input has no name");
        sheet_init(&s);
        s.w.name = NULL;
        refuse(&s, -EINVAL, "an initializer has no name");
        sheet_init(&s);
        s.y.name = NULL;
        refuse(&s, -EINVAL, "an output has no name");

        /* Equal but for what is cut or replaced: two values all the same. */
        sheet_init(&s);
        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        s.w.name = s.in[1] = name;
        s.in[0] = s.x.name = name + 1;
        accept(&s, 11, 22);
        s.w.name = s.in[1] = (char *)"\x01";
        s.in[0] = s.x.name = (char *)"\x02";
        accept(&s, 11, 22);
        assert_int_equal(import(&s, &g, NULL), 0);
        assert_string_equal(g->values[g->inputs[0].value].name, "?");
}

static void test_structure(void **state) {
        Onnx__FunctionProto function = ONNX__FUNCTION_PROTO__INIT, *functions[] = {&function};
        Onnx__SparseTensorProto sparse = ONNX__SPARSE_TENSOR_PROTO__INIT, *sparses[] = {&sparse};
        Sheet s;

        sheet_init(&s);
        s.graph.n_initializer = 2;
        refuse(&s, -EINVAL, "initializer 'w' is there twice");
        sheet_init(&s);
        s.graph.n_input = 2;
        refuse(&s, -EINVAL, "value 'x' has more than one source");
        sheet_init(&s);
        s.out[0] = (char *)"w";
        refuse(&s, -EINVAL, "value 'w' has more than one source");
        sheet_init(&s);
        s.out[0] = (char *)"x";
        refuse(&s, -EINVAL, "value 'x' has more than one source");
        sheet_init(&s);
        s.in[0] = (char *)"y";
        refuse(&s, -EINVAL, "node 'first' (Add) needs its own output");
        sheet_init(&s);
        s.in[0] = (char *)"nowhere";
        refuse(&s, -EINVAL, "value 'nowhere', which node 'first' takes, comes from nowhere");
        sheet_init(&s);
        s.in[0] = (char *)"";
        refuse(&s, -EINVAL, "Add (node 'first', opset 13) lacks input 0");
        sheet_init(&s);
        s.node[0].n_input = 1;
        refuse(&s, -EINVAL, "Add (node 'first', opset 13) has 1 inputs");
        sheet_init(&s);
        s.node[0].n_output = 0;
        refuse(&s, -EINVAL, "Add (node 'first', opset 13) has 0 outputs");
        sheet_init(&s);
        s.graph.n_output = 0;
        refuse(&s, -EINVAL, "no outputs");
        sheet_init(&s);
        s.model.graph = NULL;
        refuse(&s, -EINVAL, "the model has no graph");

        sheet_init(&s);
        function.name = (char *)"f";
        s.model.n_functions = 1;
        s.model.functions = functions;
        refuse(&s, -EINVAL, "the first is 'f'");
        sheet_init(&s);
        s.graph.n_sparse_initializer = 1;
        s.graph.sparse_initializer = sparses;
        refuse(&s, -EINVAL, "sparse initializers");
}

static void test_input_types(void **state) {
        Onnx__TypeProto__Sequence sequence = ONNX__TYPE_PROTO__SEQUENCE__INIT;
        Onnx__TypeProto__Optional optional = ONNX__TYPE_PROTO__OPTIONAL__INIT;
        Sheet s;

        sheet_init(&s);
        s.type.value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        s.type.sequence_type = &sequence;
        refuse(&s, -EINVAL, "input 'x' is a sequence: tensors are accepted");
        s.type.value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
        s.type.optional_type = &optional;
        refuse(&s, -EINVAL, "input 'x' is optional");
        s.type.value_case = ONNX__TYPE_PROTO__VALUE__NOT_SET;
        refuse(&s, -EINVAL, "input 'x' is of no known type");
        s.x.type = NULL;
        refuse(&s, -EINVAL, "input 'x' is of no known type");
        sheet_init(&s);
        s.tensor_type.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64;
        refuse(&s, -EINVAL, "input 'x' has element type 14");

        /* An output may be declared as what it likes: ZipMap's are maps. */
        sheet_init(&s);
        s.y.type = &(Onnx__TypeProto){.base = s.type.base,
                                      .value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE,
                                      .sequence_type = &sequence};
        accept(&s, 11, 22);
}

static void test_weights(void **state) {
        static const int64_t dims[][2] = {{INT64_C(1) << 40, 1},
                                          {INT64_MAX, INT64_MAX},
                                          {INT64_C(1) << 32, INT64_C(1) << 32},
                                          {-1, -2}};
        Onnx__StringStringEntryProto entry = ONNX__STRING_STRING_ENTRY_PROTO__INIT;
        Onnx__StringStringEntryProto *entries[] = {&entry};
        Onnx__TensorProto__Segment segment = ONNX__TENSOR_PROTO__SEGMENT__INIT;
        float raw[3] = {10, 20, 30};
        Sheet s;

        sheet_init(&s);
        s.w.n_float_data = 1;
        refuse(&s, -EINVAL, "initializer 'w' has 1 elements, but its dimensions want 2");
        s.w.n_float_data = 0;
        refuse(&s, -EINVAL, "initializer 'w' has 0 elements");
        s.w.has_raw_data = 1;
        s.w.raw_data = (ProtobufCBinaryData){.data = (uint8_t *)raw, .len = 8};
        accept(&s, 11, 22);
        for (size_t len = 0; len <= sizeof(raw); len++) {
                s.w.raw_data.len = len;
                if (len != 8)
                        refuse(&s, -EINVAL, "bytes, but its dimensions want 8");
        }
        s.w.raw_data.len = 8;
        s.w.n_float_data = 2;
        refuse(&s, -EINVAL, "more than the field of its type");
        s.w.has_raw_data = 0;
        s.w.n_int32_data = 2;
        s.w.int32_data = (int32_t[]){1, 2};
        refuse(&s, -EINVAL, "more than the field of its type");

        for (size_t i = 0; i < ELEMENTSOF(dims); i++) {
                sheet_init(&s);
                s.w.n_dims = 2;
                memcpy(s.w_dims, dims[i], sizeof(dims[i]));
                refuse(&s, dims[i][0] < 0 ? -EINVAL : -EFBIG,
                       "initializer 'w': at most 8 dimensions");
        }
        sheet_init(&s);
        s.w.n_dims = 9;
        refuse(&s, -EINVAL, "at most 8 dimensions");

        sheet_init(&s);
        s.w.n_external_data = 1;
        s.w.external_data = entries;
        refuse(&s, -EINVAL, "outside of the file");
        sheet_init(&s);
        s.w.has_data_location = 1;
        s.w.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
        refuse(&s, -EINVAL, "outside of the file");
        sheet_init(&s);
        s.w.segment = &segment;
        refuse(&s, -EINVAL, "is a segment");
        sheet_init(&s);
        s.w.data_type = 99;
        refuse(&s, -EINVAL, "initializer 'w' has element type 99");
        s.w.has_data_type = 0;
        refuse(&s, -EINVAL, "initializer 'w' has element type 0");
}

static int import_tensor(const Onnx__TensorProto *p, Tensor **ret, Error *e) {
        size_t size = onnx__tensor_proto__get_packed_size(p);
        _cleanup_free_
        uint8_t *bytes = malloc(size);

        assert_non_null(bytes);
        onnx__tensor_proto__pack(p, bytes);
        return import_onnx_tensor(bytes, size, ret, e);
}

/* Two elements of each integer type, from int32_data and as raw bytes. */
static void test_element_types(void **state) {
        static const struct {
                Onnx__TensorProto__DataType type;
                ElementType element;
                int32_t low, high;
        } cases[] = {
                {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, ELEMENT_I8, INT8_MIN, INT8_MAX},
                {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, ELEMENT_U8, 0, UINT8_MAX},
                {ONNX__TENSOR_PROTO__DATA_TYPE__INT16, ELEMENT_I16, INT16_MIN, INT16_MAX},
                {ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, ELEMENT_U16, 0, UINT16_MAX},
                {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, ELEMENT_I32, INT32_MIN, INT32_MAX},
                {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, ELEMENT_BOOL, 0, 1},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
                _cleanup_(tensor_freep)
                Tensor *typed = NULL, *raw = NULL;
                int32_t data[2] = {cases[i].low, cases[i].high};
                Error e = ERROR_INIT;

                p.n_dims = 1;
                p.dims = (int64_t[]){2};
                p.has_data_type = 1;
                p.data_type = cases[i].type;
                p.n_int32_data = 2;
                p.int32_data = data;
                assert_int_equal(import_tensor(&p, &typed, &e), 0);
                assert_int_equal(typed->type, cases[i].element);
                assert_int_equal(tensor_get_i64(typed, 0), cases[i].low);
                assert_int_equal(tensor_get_i64(typed, 1), cases[i].high);

                p.n_int32_data = 0;
                p.has_raw_data = 1;
                p.raw_data = (ProtobufCBinaryData){.data = typed->u8,
                                                   .len = 2 * element_type_size(typed->type)};
                assert_int_equal(import_tensor(&p, &raw, &e), 0);
                assert_int_equal(tensor_get_i64(raw, 0), cases[i].low);
                assert_int_equal(tensor_get_i64(raw, 1), cases[i].high);

                p.has_raw_data = 0;
                p.n_int32_data = 2;
                if (cases[i].element == ELEMENT_I32)
                        continue;
                data[1]++;
                assert_int_equal(import_tensor(&p, &raw, &e), -EINVAL);
                assert_non_null(strstr(e.text, "element 1 of the tensor is out of the range"));
                data[1] = cases[i].low - 1;
                assert_int_equal(import_tensor(&p, &raw, NULL), -EINVAL);
        }
}

static void test_wide_types(void **state) {
        Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
        _cleanup_(tensor_freep)
        Tensor *i64 = NULL, *u64 = NULL, *u32 = NULL, *f64 = NULL, *half = NULL, *flags = NULL;
        Error e = ERROR_INIT;

        p.has_data_type = 1;
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
        p.n_int64_data = 1;
        p.int64_data = (int64_t[]){INT64_MIN};
        assert_int_equal(import_tensor(&p, &i64, &e), 0);
        assert_true(i64->rank == 0 && i64->i64[0] == INT64_MIN);

        p.n_int64_data = 0;
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT64;
        p.n_uint64_data = 1;
        p.uint64_data = (uint64_t[]){UINT64_MAX};
        assert_int_equal(import_tensor(&p, &u64, &e), 0);
        assert_true(u64->u64[0] == UINT64_MAX);
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT32;
        assert_int_equal(import_tensor(&p, &u32, &e), -EINVAL);
        p.uint64_data = (uint64_t[]){UINT32_MAX};
        assert_int_equal(import_tensor(&p, &u32, &e), 0);
        assert_true(u32->u32[0] == UINT32_MAX);

        p.n_uint64_data = 0;
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
        p.n_double_data = 1;
        p.double_data = (double[]){0.1};
        assert_int_equal(import_tensor(&p, &f64, &e), 0);
        assert_true(f64->f64[0] == 0.1);

        p.n_double_data = 0;
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
        p.n_int32_data = 1;
        p.int32_data = (int32_t[]){0x3c00};
        assert_int_equal(import_tensor(&p, &half, &e), 0);
        assert_true(tensor_get_f64(half, 0) == 1);

        /* Any byte but 0 is true, and stored as 1. */
        p.n_int32_data = 0;
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
        p.has_raw_data = 1;
        p.raw_data = (ProtobufCBinaryData){.data = (uint8_t *)"\x80", .len = 1};
        assert_int_equal(import_tensor(&p, &flags, &e), 0);
        assert_int_equal(flags->u8[0], 1);
}

static void test_strings(void **state) {
        ProtobufCBinaryData data[2] = {{.data = (uint8_t *)"yes", .len = 3},
                                       {.data = NULL, .len = 0}};
        Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
        _cleanup_(tensor_freep)
        Tensor *t = NULL;
        Error e = ERROR_INIT;

        p.n_dims = 1;
        p.dims = (int64_t[]){2};
        p.has_data_type = 1;
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
        p.n_string_data = 2;
        p.string_data = data;
        assert_int_equal(import_tensor(&p, &t, &e), 0);
        assert_string_equal(t->string[0], "yes");
        assert_string_equal(t->string[1], "");
        data[1] = (ProtobufCBinaryData){.data = (uint8_t *)"a\0b", .len = 3};
        assert_int_equal(import_tensor(&p, &t, &e), -EINVAL);
        assert_non_null(strstr(e.text, "NUL"));
        p.n_string_data = 0;
        p.has_raw_data = 1;
        p.raw_data = (ProtobufCBinaryData){.data = (uint8_t *)"0123456789abcdef", .len = 16};
        e = ERROR_INIT;
        assert_int_equal(import_tensor(&p, &t, &e), -EINVAL);
        assert_non_null(strstr(e.text, "strings as raw data"));
}

static void test_empty_tensor(void **state) {
        Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
        _cleanup_(tensor_freep)
        Tensor *t = NULL;

        p.n_dims = 2;
        p.dims = (int64_t[]){3, 0};
        p.has_data_type = 1;
        p.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        assert_int_equal(import_tensor(&p, &t, NULL), 0);
        assert_int_equal(t->count, 0);
        assert_int_equal(t->dim[0], 3);
}

static void test_attributes(void **state) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        Onnx__GraphProto body = ONNX__GRAPH_PROTO__INIT;
        Sheet s;

        sheet_init(&s);
        s.node[0].n_attribute = 1;
        s.attribute[0].g = &body;
        s.attribute[0].has_type = 1;
        s.attribute[0].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
        refuse(&s, -EINVAL,
               "attribute 'a' of operator Add (node 'first', opset 13) has no value, or");
        s.attribute[0].has_type = 0;
        refuse(&s, -EINVAL, "attribute 'a' of operator Add");
        s.attribute[0].g = NULL;
        refuse(&s, -EINVAL, "attribute 'a' of operator Add");
        s.attribute[0].ref_attr_name = (char *)"b";
        refuse(&s, -EINVAL, "refers to a function's attribute");
        s.attribute[0].ref_attr_name = NULL;

        /* A kind is told by what is set where the file does not say; a scalar of 0 may be left out.
         */
        s.attribute[0].n_ints = 2;
        s.attribute[0].ints = (int64_t[]){5, -6};
        s.attribute[1].name = (char *)"b";
        s.attribute[1].has_type = 1;
        s.attribute[1].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        s.node[0].n_attribute = 2;
        assert_int_equal(import(&s, &g, NULL), 0);
        assert_int_equal(g->nodes[0].n_attributes, 2);
        assert_int_equal(g->nodes[0].attributes[0].kind, ATTRIBUTE_INTS);
        assert_int_equal(g->nodes[0].attributes[0].n, 2);
        assert_int_equal(g->nodes[0].attributes[0].ints[1], -6);
        assert_int_equal(attribute_int(g->nodes, "b", 7), 0);
        s.attribute[1].name = (char *)"a";
        refuse(&s, -EINVAL, "is there twice");

        s.node[0].n_attribute = 1;
        s.attribute[0].has_type = 1;
        s.attribute[0].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
        refuse(&s, -EINVAL, "is a tensor, but has none");
        s.attribute[0].t = &s.value;
        refuse(&s, -EINVAL, "has element type 0");
        s.attribute[0].type = (Onnx__AttributeProto__AttributeType)77;
        refuse(&s, -EINVAL, "a kind that is not supported");
}

typedef struct Bytes {
        uint8_t *data;
        size_t n;
} Bytes;

/* Puts a field of that number around what is there. */
static void wrap(Bytes *b, unsigned field) {
        uint8_t head[6] = {(uint8_t)(field << 3 | 2)};
        size_t n = 1, length = b->n;

        for (; length >= 128; length >>= 7)
                head[n++] = (uint8_t)(length | 128);
        head[n++] = (uint8_t)length;
        b->data = realloc(b->data, b->n + n);
        assert_non_null(b->data);
        memmove(b->data + n, b->data, b->n);
        memcpy(b->data, head, n);
        b->n += n;
}

static void refuse_bytes(const void *data, size_t n, int r, const char *text) {
        Graph *g = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(import_onnx(data, n, &g, &e), r);
        assert_null(g);
        if (!strstr(e.text, text))
                fail_msg("'%s' does not say '%s'", e.text, text);
}

/* Graphs in attributes of nodes of graphs: the parser would recurse for each. */
static void test_depth(void **state) {
        Bytes b = {0};

        for (int i = 0; i < 20; i++) {
                wrap(&b, 6); /* attribute.g */
                wrap(&b, 5); /* node.attribute */
                wrap(&b, 1); /* graph.node */
        }
        wrap(&b, 7);
        refuse_bytes(b.data, b.n, -EINVAL, "IR version"); /* 62 levels are read */
        free(b.data);

        b = (Bytes){0};
        for (int i = 0; i < 2000; i++) {
                wrap(&b, 6);
                wrap(&b, 5);
                wrap(&b, 1);
        }
        wrap(&b, 7);
        refuse_bytes(b.data, b.n, -EINVAL, "nested more than 64 levels deep");
        free(b.data);
}

/* Two bytes for each of very many nodes, which are some 150 in memory. */
static void test_memory(void **state) {
        Bytes b = {.n = 2 * (size_t)3000000};

        b.data = malloc(b.n);
        assert_non_null(b.data);
        for (size_t i = 0; i < b.n; i += 2) {
                b.data[i] = 1 << 3 | 2;
                b.data[i + 1] = 0;
        }
        wrap(&b, 7);
        refuse_bytes(b.data, b.n, -EFBIG, "would take more than 256 MB");
        free(b.data);
}

static void test_broken(void **state) {
        static const struct {
                const char *bytes;
                size_t n;
                const char *text;
        } cases[] = {
                {"", 0, "the model is empty"},
                {"\x3a", 1, "broken off"},         /* a tag alone */
                {"\x3a\x05\x0a", 3, "broken off"}, /* a length that is longer than the file */
                {"\x3a\xff\xff\xff\xff\x7f", 6, "broken off"},
                {"\x3a\xff\xff\xff\xff\xff\xff", 7, "broken off"},
                {"\x00\x00", 2, "broken off"}, /* field 0 */
                {"\x3b\x3c", 2, "broken off"}, /* a group */
                {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "broken off"},
                {"\x09\x01\x02", 3, "broken off"},     /* 8 bytes wanted */
                {"\x3d\x01\x02", 3, "broken off"},     /* 4 bytes wanted */
                {"\x3a\x00\x3a\x00", 4, "twice"},      /* the parser would merge two graphs */
                {"\x3a\x02\x0a\x05", 4, "broken off"}, /* a node that is longer than its graph */
                {"\x3d\x00\x00\x00\x00", 5,
                 "no valid protocol buffer"}, /* a graph that is a number */
                {"\x08\x08", 2, "no graph"},
                {"\x08\x08\x3a\x00", 4, "no outputs"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                /* In memory of its own, so that a sanitizer sees a read beyond it. */
                uint8_t *copy = malloc(MAX(cases[i].n, 1u));

                assert_non_null(copy);
                memcpy(copy, cases[i].bytes, cases[i].n);
                refuse_bytes(copy, cases[i].n, -EINVAL, cases[i].text);
                free(copy);
        }
        refuse_bytes("", ONNX_FILE_MAX + 1, -EFBIG, "larger than 256 MB");
        assert_int_equal(import_onnx_tensor("\x08", 1, NULL, NULL), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_model),        cmocka_unit_test(test_shapes),
                cmocka_unit_test(test_versions),     cmocka_unit_test(test_operators),
                cmocka_unit_test(test_names),        cmocka_unit_test(test_structure),
                cmocka_unit_test(test_input_types),  cmocka_unit_test(test_weights),
                cmocka_unit_test(test_beside),       cmocka_unit_test(test_element_types),
                cmocka_unit_test(test_wide_types),   cmocka_unit_test(test_strings),
                cmocka_unit_test(test_empty_tensor), cmocka_unit_test(test_attributes),
                cmocka_unit_test(test_depth),        cmocka_unit_test(test_memory),
                cmocka_unit_test(test_broken),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
