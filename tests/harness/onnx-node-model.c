/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "onnx.pb-c.h"

#include "models/operator.h"
#include "tests/harness/onnx-node-model.h"

#define ATTRIBUTES_MAX 16
#define ELEMENTS_MAX 32

typedef struct Elements {
        size_t n;
        int64_t ints[ELEMENTS_MAX];
        float floats[ELEMENTS_MAX];
        ProtobufCBinaryData strings[ELEMENTS_MAX];
} Elements;

typedef struct NodeModel {
        char *text; /* cut into words, which the messages point to */
        Onnx__NodeProto node;
        size_t n;
        Onnx__AttributeProto attributes[ATTRIBUTES_MAX];
        Onnx__AttributeProto *pointers[ATTRIBUTES_MAX];
        Elements elements[ATTRIBUTES_MAX];
} NodeModel;

static int parse_attribute(char *word, Onnx__AttributeProto *a, Elements *e) {
        char *value = strchr(word, '='), *next;

        if (!value || !value[1] || value[2] != ':')
                return -EINVAL;
        *value++ = 0;
        for (char *p = value + 2; p; p = next) {
                next = strchr(p, ',');
                if (next)
                        *next++ = 0;
                if (e->n == ELEMENTS_MAX)
                        return -EINVAL;
                e->ints[e->n] = strtoll(p, NULL, 10);
                e->floats[e->n] = strtof(p, NULL);
                e->strings[e->n] = (ProtobufCBinaryData){.data = (uint8_t *)p, .len = strlen(p)};
                e->n++;
        }
        *a = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
        a->name = word;
        a->has_type = 1;
        switch (*value) {
        case 'i':
                a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
                a->has_i = 1;
                a->i = e->ints[0];
                return 0;
        case 'f':
                a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
                a->has_f = 1;
                a->f = e->floats[0];
                return 0;
        case 's':
                a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
                a->has_s = 1;
                a->s = e->strings[0];
                return 0;
        case 'I':
                a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
                a->n_ints = e->n;
                a->ints = e->ints;
                return 0;
        case 'F':
                a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
                a->n_floats = e->n;
                a->floats = e->floats;
                return 0;
        case 'S':
                a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
                a->n_strings = e->n;
                a->strings = e->strings;
                return 0;
        default:
                return -EINVAL;
        }
}

static int parse_node(NodeModel *m) {
        char *rest, *word = strtok_r(m->text, " ", &rest);
        int r;

        m->node = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
        m->node.domain = (char *)DOMAIN_ML;
        m->node.name = (char *)"n";
        m->node.op_type = word;
        while ((word = strtok_r(NULL, " ", &rest))) {
                if (m->n == ATTRIBUTES_MAX)
                        return -EINVAL;
                r = parse_attribute(word, m->attributes + m->n, m->elements + m->n);
                if (r < 0)
                        return r;
                m->pointers[m->n] = m->attributes + m->n;
                m->n++;
        }
        m->node.n_attribute = m->n;
        m->node.attribute = m->pointers;
        return 0;
}

static int pack(NodeModel *m, void **ret, size_t *ret_size) {
        const Operator *op = operator_find(DOMAIN_ML, m->node.op_type);
        Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
        Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
        Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
        Onnx__TypeProto type = ONNX__TYPE_PROTO__INIT;
        Onnx__TypeProto__Tensor tensor = ONNX__TYPE_PROTO__TENSOR__INIT;
        Onnx__TensorShapeProto shape = ONNX__TENSOR_SHAPE_PROTO__INIT;
        Onnx__TensorShapeProto__Dimension dim[2] = {ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT,
                                                    ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT};
        Onnx__TensorShapeProto__Dimension *dims[] = {dim, dim + 1};
        Onnx__ValueInfoProto x = ONNX__VALUE_INFO_PROTO__INIT, *inputs[] = {&x};
        Onnx__ValueInfoProto output[] = {ONNX__VALUE_INFO_PROTO__INIT,
                                         ONNX__VALUE_INFO_PROTO__INIT};
        Onnx__ValueInfoProto *outputs[] = {output, output + 1};
        Onnx__TensorProto index = ONNX__TENSOR_PROTO__INIT, *initializers[] = {&index};
        char *names_in[] = {(char *)"x", (char *)"i"}, *names_out[] = {(char *)"y", (char *)"z"};
        Onnx__NodeProto *nodes[] = {&m->node};
        int64_t one[] = {1};

        if (!op || op->inputs_min > 2)
                return -EINVAL;
        m->node.n_input = op->inputs_min;
        m->node.input = names_in;
        m->node.n_output = MIN(op->outputs_max, 2u);
        m->node.output = names_out;
        opset.domain = (char *)DOMAIN_ML;
        opset.has_version = 1;
        opset.version = 3;
        for (size_t i = 0; i < 2; i++) {
                dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
                dim[i].dim_value = i ? 2 : 3;
                output[i].name = names_out[i];
        }
        shape.n_dim = 2;
        shape.dim = dims;
        tensor.has_elem_type = 1;
        tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        tensor.shape = &shape;
        type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        type.tensor_type = &tensor;
        x.name = names_in[0];
        x.type = &type;
        index.name = names_in[1];
        index.n_dims = index.n_int64_data = 1;
        index.dims = index.int64_data = one;
        index.has_data_type = 1;
        index.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
        graph.n_node = graph.n_input = graph.n_initializer = 1;
        graph.node = nodes;
        graph.input = inputs;
        graph.initializer = initializers;
        graph.n_output = m->node.n_output;
        graph.output = outputs;
        model.has_ir_version = 1;
        model.ir_version = 8;
        model.n_opset_import = 1;
        model.opset_import = opsets;
        model.graph = &graph;
        *ret_size = onnx__model_proto__get_packed_size(&model);
        *ret = malloc(*ret_size);
        if (!*ret)
                return -ENOMEM;
        onnx__model_proto__pack(&model, *ret);
        return 0;
}

int onnx_node_model(const char *text, void **ret, size_t *ret_size) {
        _cleanup_free_
        NodeModel *m = calloc(1, sizeof(*m));
        _cleanup_free_
        char *copy = strdup(text);
        int r;

        if (!m || !copy)
                return -ENOMEM;
        m->text = copy;
        r = parse_node(m);
        return r < 0 ? r : pack(m, ret, ret_size);
}
