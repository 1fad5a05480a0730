/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/harness/onnx-write.h"

#include <errno.h>
#include <fcntl.h>

#include "onnx.pb-c.h"

#include "models/import-darknet.h"
#include "models/import-onnx.h"
#include "models/manifest.h"
#include "models/operator.h"
#include "util/io.h"

/* What the messages point to; all of it is freed at once. */
typedef struct Arena {
        void *chunks[4096];
        size_t n;
        bool failed;
} Arena;

static void arena_done(Arena *a) {
        while (a->n > 0)
                free(a->chunks[--a->n]);
}

/* Zeroes; never NULL, so that only the end has to look at a->failed. */
static void *arena_new(Arena *a, size_t n, size_t size) {
        static uint8_t nowhere[4096];
        void *p = a->n < ELEMENTSOF(a->chunks) && n * size > 0 ? calloc(n, size) : NULL;

        if (!p) {
                a->failed = a->failed || n * size > 0;
                return nowhere;
        }
        a->chunks[a->n++] = p;
        return p;
}

#define NEW(a, type, n) ((type *)arena_new(a, n, sizeof(type)))

static Onnx__TensorProto *make_tensor(Arena *a, const Tensor *t, char *name) {
        Onnx__TensorProto *to = NEW(a, Onnx__TensorProto, 1);

        *to = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
        to->name = name;
        to->n_dims = t->rank;
        to->dims = (int64_t *)t->dim;
        to->has_data_type = to->has_raw_data = 1;
        to->data_type = t->type == ELEMENT_F32 ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
                                               : ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
        to->raw_data.data = t->data;
        to->raw_data.len = t->count * element_type_size(t->type);
        a->failed = a->failed || (t->type != ELEMENT_F32 && t->type != ELEMENT_I64);
        return to;
}

static Onnx__AttributeProto *make_attribute(Arena *a, const Attribute *from) {
        Onnx__AttributeProto *to = NEW(a, Onnx__AttributeProto, 1);

        *to = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
        to->name = from->name;
        to->has_type = 1;
        switch (from->kind) {
        case ATTRIBUTE_INT:
                to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
                to->has_i = 1;
                to->i = from->ints[0];
                break;
        case ATTRIBUTE_FLOAT:
                to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
                to->has_f = 1;
                to->f = from->floats[0];
                break;
        case ATTRIBUTE_STRING:
                to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
                to->has_s = 1;
                to->s.data = (uint8_t *)from->strings[0];
                to->s.len = strlen(from->strings[0]);
                break;
        case ATTRIBUTE_INTS:
                to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
                to->n_ints = from->n;
                to->ints = from->ints;
                break;
        case ATTRIBUTE_FLOATS:
                to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
                to->n_floats = from->n;
                to->floats = from->floats;
                break;
        case ATTRIBUTE_STRINGS:
                to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
                to->n_strings = from->n;
                to->strings = NEW(a, ProtobufCBinaryData, from->n);
                for (size_t i = 0; i < from->n; i++)
                        to->strings[i] = (ProtobufCBinaryData){.data = (uint8_t *)from->strings[i],
                                                               .len = strlen(from->strings[i])};
                break;
        default:
                a->failed = true;
        }
        return to;
}

static Onnx__NodeProto *make_node(Arena *a, const Graph *g, const Node *from) {
        Onnx__NodeProto *to = NEW(a, Onnx__NodeProto, 1);

        *to = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
        to->name = from->name;
        to->domain = (char *)from->op->domain;
        to->op_type = (char *)from->op->name;
        to->n_input = from->n_inputs;
        to->input = NEW(a, char *, from->n_inputs);
        for (size_t i = 0; i < from->n_inputs; i++)
                to->input[i] = from->inputs[i] == GRAPH_NO_VALUE ? (char *)""
                                                                 : g->values[from->inputs[i]].name;
        to->n_output = from->n_outputs;
        to->output = NEW(a, char *, from->n_outputs);
        for (size_t i = 0; i < from->n_outputs; i++)
                to->output[i] = from->outputs[i] == GRAPH_NO_VALUE
                                        ? (char *)""
                                        : g->values[from->outputs[i]].name;
        to->n_attribute = from->n_attributes;
        to->attribute = NEW(a, Onnx__AttributeProto *, from->n_attributes);
        for (size_t i = 0; i < from->n_attributes; i++)
                to->attribute[i] = make_attribute(a, &from->attributes[i]);
        return to;
}

static Onnx__ValueInfoProto *make_input(Arena *a, const Graph *g, const GraphInput *from) {
        Onnx__ValueInfoProto *to = NEW(a, Onnx__ValueInfoProto, 1);
        Onnx__TypeProto *type = NEW(a, Onnx__TypeProto, 1);
        Onnx__TypeProto__Tensor *tensor = NEW(a, Onnx__TypeProto__Tensor, 1);
        Onnx__TensorShapeProto *shape = NEW(a, Onnx__TensorShapeProto, 1);

        *to = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
        *type = (Onnx__TypeProto)ONNX__TYPE_PROTO__INIT;
        *tensor = (Onnx__TypeProto__Tensor)ONNX__TYPE_PROTO__TENSOR__INIT;
        *shape = (Onnx__TensorShapeProto)ONNX__TENSOR_SHAPE_PROTO__INIT;
        to->name = g->values[from->value].name;
        to->type = type;
        type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        type->tensor_type = tensor;
        tensor->has_elem_type = 1;
        tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        tensor->shape = shape;
        shape->n_dim = from->rank;
        shape->dim = NEW(a, Onnx__TensorShapeProto__Dimension *, from->rank);
        for (size_t i = 0; i < from->rank; i++) {
                Onnx__TensorShapeProto__Dimension *dim = NEW(a, Onnx__TensorShapeProto__Dimension,
                                                             1);

                *dim = (Onnx__TensorShapeProto__Dimension)ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
                dim->value_case = from->dim[i] < 0
                                          ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                                          : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
                if (from->dim[i] < 0)
                        dim->dim_param = (char *)"N";
                else
                        dim->dim_value = from->dim[i];
                shape->dim[i] = dim;
        }
        a->failed = a->failed || from->type != ELEMENT_F32;
        return to;
}

static void fill_graph(Arena *a, const Graph *g, Onnx__GraphProto *to) {
        to->name = (char *)"graph";
        to->node = NEW(a, Onnx__NodeProto *, g->n_nodes);
        for (size_t i = 0; i < g->n_nodes; i++)
                to->node[to->n_node++] = make_node(a, g, &g->nodes[i]);
        to->initializer = NEW(a, Onnx__TensorProto *, g->n_values);
        for (size_t i = 0; i < g->n_values; i++)
                if (g->values[i].constant)
                        to->initializer[to->n_initializer++] = make_tensor(a, g->values[i].constant,
                                                                           g->values[i].name);
        to->input = NEW(a, Onnx__ValueInfoProto *, g->n_inputs);
        for (size_t i = 0; i < g->n_inputs; i++)
                to->input[to->n_input++] = make_input(a, g, &g->inputs[i]);
        to->output = NEW(a, Onnx__ValueInfoProto *, g->n_outputs);
        for (size_t i = 0; i < g->n_outputs; i++) {
                Onnx__ValueInfoProto *output = NEW(a, Onnx__ValueInfoProto, 1);

                *output = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
                output->name = g->values[g->outputs[i]].name;
                to->output[to->n_output++] = output;
        }
}

int onnx_write(const Graph *g, void **ret, size_t *ret_size) {
        static const struct {
                const char *domain;
                int version;
        } domains[] = {{DOMAIN_ONNX, 13}, {DOMAIN_ML, 3}};
        Onnx__OperatorSetIdProto opset[ELEMENTSOF(domains)], *opsets[ELEMENTSOF(domains)];
        Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
        Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
        _cleanup_(arena_done)
        Arena a = {};

        for (size_t i = 0; i < ELEMENTSOF(domains); i++) {
                opset[i] = (Onnx__OperatorSetIdProto)ONNX__OPERATOR_SET_ID_PROTO__INIT;
                opset[i].domain = (char *)domains[i].domain;
                opset[i].has_version = 1;
                opset[i].version = domains[i].version;
                opsets[i] = &opset[i];
        }
        model.has_ir_version = 1;
        model.ir_version = 8;
        model.n_opset_import = ELEMENTSOF(domains);
        model.opset_import = opsets;
        model.graph = &graph;
        fill_graph(&a, g, &graph);
        if (a.failed)
                return -EINVAL;
        *ret_size = onnx__model_proto__get_packed_size(&model);
        *ret = malloc(*ret_size);
        if (!*ret)
                return -ENOMEM;
        onnx__model_proto__pack(&model, *ret);
        return 0;
}

/* The text between two marks of the manifest gives way to other text. */
static int replace(const char *text, const char *from, const char *to, const char *with,
                   char **ret) {
        const char *a = strstr(text, from), *b = a ? strstr(a, to) : NULL;

        if (!b)
                return -EINVAL;
        return asprintf(ret, "%.*s%s%s", (int)(a - text), text, with, b) < 0 ? -ENOMEM : 0;
}

static int write_graph(const Graph *g, int dir_fd, const char *dir, const char *name,
                       char ret_digest[65]) {
        _cleanup_free_
        void *data = NULL;
        char file[160], path[512];
        size_t size;
        int r;

        r = onnx_write(g, &data, &size);
        if (r < 0)
                return r;
        snprintf(file, sizeof(file), "%s.onnx", name);
        snprintf(path, sizeof(path), "%s/%s", dir, file);
        r = io_replace_at(dir_fd, file, data, size, 0644);
        return r < 0 ? r : manifest_digest_file(path, ret_digest);
}

static int read_graph(const char *path, const Manifest *m, Graph **ret) {
        const char *slash = strrchr(path, '/');
        int folder = slash ? (int)(slash - path) + 1 : 0, r;
        _cleanup_free_
        char *cfg = NULL, *weights = NULL;
        char file[512];
        size_t cfg_size, size;

        snprintf(file, sizeof(file), "%.*s%s", folder, path, m->cfg.file);
        r = io_read_all_at(AT_FDCWD, file, 1 << 20, &cfg, &cfg_size);
        if (r < 0)
                return r;
        snprintf(file, sizeof(file), "%.*s%s", folder, path, m->weights.file);
        r = io_read_all_at(AT_FDCWD, file, 1 << 24, &weights, &size);
        if (r < 0)
                return r;
        return import_darknet_graph(cfg, cfg_size, weights, size, ret, NULL);
}

int onnx_write_model(const char *path, const char *dir, const char *name) {
        _cleanup_free_
        char *text = NULL, *named = NULL, *whole = NULL;
        _cleanup_(graph_freep)
        Graph *g = NULL;
        _cleanup_close_
        int dir_fd = -EBADF;
        char entry[256], digest[65];
        Manifest m;
        size_t size;
        int r;

        r = manifest_read(path, &m, NULL);
        if (r >= 0)
                r = io_read_all_at(AT_FDCWD, path, 1 << 20, &text, &size);
        if (r >= 0)
                r = read_graph(path, &m, &g);
        if (r >= 0)
                r = io_mkdir_p(dir, 0755);
        if (r < 0)
                return r;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;
        r = write_graph(g, dir_fd, dir, name, digest);
        if (r < 0)
                return r;
        snprintf(entry, sizeof(entry), "\"name\": \"%s\", ", name);
        r = replace(text, "\"name\"", "\"version\"", entry, &named);
        snprintf(entry, sizeof(entry), "\"onnx\": {\"file\": \"%s.onnx\", \"sha256\": \"%s\"}, ",
                 name, digest);
        if (r >= 0)
                r = replace(named, "\"cfg\"",
                            m.validation.file[0] ? "\"validation\"" : "\"features\"", entry,
                            &whole);
        if (r < 0)
                return r;
        snprintf(entry, sizeof(entry), "%s.json", name);
        return io_replace_at(dir_fd, entry, whole, strlen(whole), 0644);
}
