/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/import-onnx-internal.h"
#include "models/import-onnx.h"
#include "models/operator.h"

/* Names of values that a model may mention, each as often as it does. */
#define MENTIONS_MAX ((size_t)1 << 20)
#define ATTRIBUTES_MAX 64 /* of one node */

typedef struct Import {
        const Onnx__GraphProto *proto;
        int opset;    /* of ai.onnx; 0: not imported */
        int opset_ml; /* of ai.onnx.ml */
        size_t n_names;
        const char **names; /* sorted, each once: value i of the graph is called names[i] */
        OnnxBeside *beside;
        Graph *graph;
        Error *e;
} Import;

OnnxName onnx_name(const char *s) {
        OnnxName name = {0};

        for (size_t i = 0; s && s[i] && i < sizeof(name.text) - 1; i++)
                name.text[i] = (char)(s[i] >= ' ' && s[i] <= '~' ? s[i] : '?');
        return name;
}

static bool is_domain(const char *domain, const char *wanted) {
        if (!domain || streq(domain, "ai.onnx"))
                domain = DOMAIN_ONNX;
        return streq(domain, wanted);
}

static int import_opset(const Onnx__OperatorSetIdProto *o, const char *domain, int version_max,
                        int *opset, Error *e) {
        if (!is_domain(o->domain, domain))
                return 0;
        if (o->version < 1 || o->version > version_max)
                return error_set(e, -EINVAL, "opset %" PRId64 " of %s: 1 to %d are known",
                                 o->version, domain[0] ? domain : "ai.onnx", version_max);
        if (*opset != 0 && *opset != (int)o->version)
                return error_set(e, -EINVAL, "two opsets of %s, %d and %" PRId64,
                                 domain[0] ? domain : "ai.onnx", *opset, o->version);
        *opset = (int)o->version;
        return 0;
}

static int import_model(Import *m, const Onnx__ModelProto *model) {
        int r;

        if (!model->has_ir_version || model->ir_version < 1 || model->ir_version > ONNX_IR_MAX)
                return error_set(m->e, -EINVAL, "IR version %" PRId64 ": 1 to %d are known",
                                 model->ir_version, ONNX_IR_MAX);
        if (model->n_functions > 0)
                return error_set(m->e, -EINVAL,
                                 "the model defines functions (the first is '%s'): export it with "
                                 "them inlined",
                                 onnx_name(model->functions[0]->name).text);
        if (!model->graph)
                return error_set(m->e, -EINVAL, "the model has no graph");
        for (size_t i = 0; i < model->n_opset_import; i++) {
                r = import_opset(model->opset_import[i], DOMAIN_ONNX, ONNX_OPSET_MAX, &m->opset,
                                 m->e);
                if (r < 0)
                        return r;
                r = import_opset(model->opset_import[i], DOMAIN_ML, ONNX_OPSET_ML_MAX, &m->opset_ml,
                                 m->e);
                if (r < 0)
                        return r;
        }
        /* Before there were opsets. */
        if (model->n_opset_import == 0 && model->ir_version < 3)
                m->opset = 1;
        m->proto = model->graph;
        return 0;
}

/* The operator of a node, and the version of its domain that the model was written for. */
static int find_operator(const Import *m, const Onnx__NodeProto *n, const Operator **ret,
                         int *ret_opset) {
        const char *domain = is_domain(n->domain, DOMAIN_ONNX) ? DOMAIN_ONNX : n->domain;
        int opset = streq(domain, DOMAIN_ONNX) ? m->opset
                    : streq(domain, DOMAIN_ML) ? m->opset_ml
                                               : 0;
        OnnxName type = onnx_name(n->op_type), name = onnx_name(n->name);
        const Operator *op;

        op = operator_find(domain, n->op_type ? n->op_type : "");
        if (!op)
                return error_set(
                        m->e, -EINVAL, "operator %s%s%s (node '%s', opset %d) is not supported",
                        onnx_name(domain).text, domain[0] ? "." : "", type.text, name.text, opset);
        if (opset == 0)
                return error_set(m->e, -EINVAL,
                                 "operator %s (node '%s'): the model imports no opset of %s",
                                 type.text, name.text, domain[0] ? domain : "ai.onnx");
        if (opset < op->since)
                return error_set(m->e, -EINVAL,
                                 "operator %s (node '%s', opset %d) is supported from opset %d on",
                                 type.text, name.text, opset, op->since);
        *ret = op;
        *ret_opset = opset;
        return 0;
}

static int compare_names(const void *a, const void *b) {
        const char *x = *(const char *const *)a, *y = *(const char *const *)b;

        return strcmp(x ? x : "", y ? y : ""); /* they are, which clang's analyzer can't know */
}

static int add_name(Import *m, const char *name, const char *what) {
        if (!name || !name[0])
                return what ? error_set(m->e, -EINVAL, "%s has no name", what) : 0;
        m->names[m->n_names++] = name;
        return 0;
}

/* Every name that the graph mentions, in no order. */
static int collect_names(Import *m) {
        const Onnx__GraphProto *p = m->proto;
        size_t n = p->n_input + p->n_output + p->n_initializer;
        int r = 0;

        if (p->n_node > GRAPH_NODES_MAX)
                return error_set(m->e, -EFBIG, "the model has %zu nodes: at most %zu are accepted",
                                 p->n_node, GRAPH_NODES_MAX);
        for (size_t i = 0; i < p->n_node; i++)
                n += p->node[i]->n_input + p->node[i]->n_output;
        if (n > MENTIONS_MAX)
                return error_set(m->e, -EFBIG, "the model has more than %zu names", MENTIONS_MAX);
        m->names = calloc(MAX(n, 1u), sizeof(*m->names));
        if (!m->names)
                return -ENOMEM;
        for (size_t i = 0; i < p->n_input && r >= 0; i++)
                r = add_name(m, p->input[i]->name, "an input");
        for (size_t i = 0; i < p->n_output && r >= 0; i++)
                r = add_name(m, p->output[i]->name, "an output");
        for (size_t i = 0; i < p->n_initializer && r >= 0; i++)
                r = add_name(m, p->initializer[i]->name, "an initializer");
        for (size_t i = 0; i < p->n_node && r >= 0; i++) {
                for (size_t k = 0; k < p->node[i]->n_input; k++)
                        (void)add_name(m, p->node[i]->input[k], NULL);
                for (size_t k = 0; k < p->node[i]->n_output; k++)
                        (void)add_name(m, p->node[i]->output[k], NULL);
        }
        return r;
}

static int add_values(Import *m) {
        size_t n = 0;
        ssize_t v;
        int r;

        r = collect_names(m);
        if (r < 0)
                return r;
        qsort(m->names, m->n_names, sizeof(*m->names), compare_names);
        for (size_t i = 0; i < m->n_names; i++)
                if (n == 0 || !streq(m->names[n - 1], m->names[i]))
                        m->names[n++] = m->names[i];
        m->n_names = n;
        for (size_t i = 0; i < n; i++) {
                v = graph_add_value(m->graph, onnx_name(m->names[i]).text);
                if (v == -EFBIG)
                        return error_set(m->e, -EFBIG, "the model has more than %zu values",
                                         GRAPH_VALUES_MAX);
                if (v < 0)
                        return (int)v;
        }
        return 0;
}

static size_t find_value(const Import *m, const char *name) {
        const char **found;

        if (!name || !name[0])
                return GRAPH_NO_VALUE;
        found = bsearch(&name, m->names, m->n_names, sizeof(*m->names), compare_names);
        return found ? (size_t)(found - m->names) : GRAPH_NO_VALUE;
}

static int add_initializers(Import *m) {
        const Onnx__GraphProto *p = m->proto;
        char what[192];
        int r;

        if (p->n_sparse_initializer > 0)
                return error_set(m->e, -EINVAL,
                                 "the model has sparse initializers: they are not supported");
        for (size_t i = 0; i < p->n_initializer; i++) {
                size_t v = find_value(m, p->initializer[i]->name);

                snprintf(what, sizeof(what), "initializer '%s'", m->graph->values[v].name);
                if (m->graph->values[v].constant)
                        return error_set(m->e, -EINVAL, "%s is there twice", what);
                r = onnx_tensor(p->initializer[i], what, m->beside, &m->graph->values[v].constant,
                                m->e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static const char *type_case_name(const Onnx__TypeProto *type) {
        switch (type ? type->value_case : ONNX__TYPE_PROTO__VALUE__NOT_SET) {
        case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
                return "a tensor";
        case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
                return "a sequence";
        case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
                return "a map";
        case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
                return "optional";
        case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
                return "a sparse tensor";
        default:
                return "of no known type";
        }
}

static int add_input(Import *m, const Onnx__ValueInfoProto *info) {
        const Onnx__TensorShapeProto *shape;
        size_t v = find_value(m, info->name), rank = GRAPH_RANK_ANY;
        int64_t dim[TENSOR_RANK_MAX] = {0};
        ElementType type;
        char what[192];
        ssize_t r;

        /* Up to IR version 3 every initializer had to be an input, too. */
        if (m->graph->values[v].constant)
                return 0;
        snprintf(what, sizeof(what), "input '%s'", m->graph->values[v].name);
        if (!info->type || info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
            !info->type->tensor_type)
                return error_set(m->e, -EINVAL, "%s is %s: tensors are accepted", what,
                                 type_case_name(info->type));
        r = onnx_element_type(info->type->tensor_type->elem_type, what, &type, m->e);
        if (r < 0)
                return (int)r;
        shape = info->type->tensor_type->shape;
        if (shape) {
                rank = shape->n_dim;
                if (rank > TENSOR_RANK_MAX)
                        return error_set(m->e, -EINVAL,
                                         "%s has %zu dimensions: at most %d are "
                                         "accepted",
                                         what, rank, TENSOR_RANK_MAX);
                for (size_t i = 0; i < rank; i++)
                        dim[i] =
                                shape->dim[i]->value_case ==
                                                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                                        ? MAX(shape->dim[i]->dim_value, -1)
                                        : -1;
        }
        r = graph_add_input(m->graph, v, type, rank, dim);
        return r < 0 ? (int)r : 0;
}

/* ONNX files of before `type` was obligatory have one field set. */
static Onnx__AttributeProto__AttributeType attribute_type(const Onnx__AttributeProto *p) {
        if (p->has_type && p->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
                return p->type;
        if (p->has_f)
                return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        if (p->has_i)
                return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        if (p->has_s)
                return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        if (p->t)
                return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
        if (p->n_floats > 0)
                return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
        if (p->n_ints > 0)
                return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        if (p->n_strings > 0)
                return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
        return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static int new_attribute(AttributeKind kind, size_t n, const char *name, Attribute *a) {
        a->kind = kind;
        a->name = strdup(name);
        if (!a->name)
                return -ENOMEM;
        if (kind == ATTRIBUTE_TENSOR) {
                a->n = 1;
                return 0;
        }
        a->ints = calloc(MAX(n, 1u), sizeof(*a->ints)); /* the widest of them */
        if (!a->ints)
                return -ENOMEM;
        a->n = n;
        return 0;
}

static int string_attribute(const ProtobufCBinaryData *s, size_t n, AttributeKind kind,
                            const char *name, const char *what, Attribute *a, Error *e) {
        int r;

        r = new_attribute(kind, n, name, a);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = onnx_string(s + i, what, a->strings + i, e);
        return r;
}

static int convert_attribute(const Onnx__AttributeProto *p, const char *what, Attribute *a,
                             Error *e) {
        OnnxName name = onnx_name(p->name);
        int r;

        if (p->ref_attr_name && p->ref_attr_name[0])
                return error_set(e, -EINVAL, "%s refers to a function's attribute", what);
        switch (attribute_type(p)) {
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
                r = new_attribute(ATTRIBUTE_FLOAT, 1, name.text, a);
                if (r >= 0)
                        a->floats[0] = p->f;
                return r;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
                r = new_attribute(ATTRIBUTE_INT, 1, name.text, a);
                if (r >= 0)
                        a->ints[0] = p->i;
                return r;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
                return string_attribute(&p->s, 1, ATTRIBUTE_STRING, name.text, what, a, e);
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
                r = new_attribute(ATTRIBUTE_FLOATS, p->n_floats, name.text, a);
                if (r >= 0 && p->n_floats > 0)
                        memcpy(a->floats, p->floats, p->n_floats * sizeof(*p->floats));
                return r;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
                r = new_attribute(ATTRIBUTE_INTS, p->n_ints, name.text, a);
                if (r >= 0 && p->n_ints > 0)
                        memcpy(a->ints, p->ints, p->n_ints * sizeof(*p->ints));
                return r;
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
                return string_attribute(p->strings, p->n_strings, ATTRIBUTE_STRINGS, name.text,
                                        what, a, e);
        case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
                if (!p->t)
                        return error_set(e, -EINVAL, "%s is a tensor, but has none", what);
                r = new_attribute(ATTRIBUTE_TENSOR, 1, name.text, a);
                return r < 0 ? r : onnx_tensor(p->t, what, NULL, &a->tensor, e);
        default:
                return error_set(e, -EINVAL,
                                 "%s has no value, or one of a kind that is not supported (graphs, "
                                 "types, sparse tensors, lists of tensors)",
                                 what);
        }
}

static int add_attributes(Import *m, const Onnx__NodeProto *n, size_t node, int opset) {
        char what[448];
        int r;

        for (size_t i = 0; i < n->n_attribute; i++) {
                _cleanup_(attribute_done)
                Attribute a = {0};
                OnnxName name = onnx_name(n->attribute[i]->name);

                snprintf(what, sizeof(what), "attribute '%s' of operator %s (node '%s', opset %d)",
                         name.text, onnx_name(n->op_type).text, onnx_name(n->name).text, opset);
                r = convert_attribute(n->attribute[i], what, &a, m->e);
                if (r < 0)
                        return r;
                r = graph_add_attribute(m->graph, node, &a);
                if (r == -EEXIST)
                        return error_set(m->e, -EINVAL, "%s is there twice", what);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_edges(const Import *m, char **names, size_t n, size_t **ret) {
        size_t *values = calloc(MAX(n, 1u), sizeof(*values));

        if (!values)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                values[i] = find_value(m, names[i]);
        *ret = values;
        return 0;
}

static int add_node(Import *m, const Onnx__NodeProto *n) {
        _cleanup_free_
        size_t *inputs = NULL, *outputs = NULL;
        const Operator *op;
        int opset, r;
        ssize_t node;

        r = find_operator(m, n, &op, &opset);
        if (r < 0)
                return r;
        if (n->n_attribute > ATTRIBUTES_MAX)
                return error_set(m->e, -EFBIG,
                                 "operator %s (node '%s', opset %d) has %zu attributes", op->name,
                                 onnx_name(n->name).text, opset, n->n_attribute);
        r = add_edges(m, n->input, n->n_input, &inputs);
        if (r < 0)
                return r;
        r = add_edges(m, n->output, n->n_output, &outputs);
        if (r < 0)
                return r;
        node = graph_add_node(m->graph, op, onnx_name(n->name).text, opset, n->n_input, inputs,
                              n->n_output, outputs);
        if (node < 0)
                return error_set(m->e, (int)node,
                                 "operator %s (node '%s', opset %d) has %zu inputs and %zu outputs",
                                 op->name, onnx_name(n->name).text, opset, n->n_input, n->n_output);
        return add_attributes(m, n, (size_t)node, opset);
}

static int import_graph(Import *m) {
        const Onnx__GraphProto *p = m->proto;
        const Operator *op;
        int opset, r;

        /* Before anything else can be wrong: which operators are missing is what people want to
         * know. */
        for (size_t i = 0; i < p->n_node; i++) {
                r = find_operator(m, p->node[i], &op, &opset);
                if (r < 0)
                        return r;
        }
        r = add_values(m);
        if (r < 0)
                return r;
        r = add_initializers(m);
        for (size_t i = 0; i < p->n_input && r >= 0; i++)
                r = add_input(m, p->input[i]);
        for (size_t i = 0; i < p->n_node && r >= 0; i++)
                r = add_node(m, p->node[i]);
        for (size_t i = 0; i < p->n_output && r >= 0; i++)
                r = graph_add_output(m->graph, find_value(m, p->output[i]->name));
        return r < 0 ? r : graph_finish(m->graph, m->e);
}

static void model_proto_freep(Onnx__ModelProto **p) {
        if (*p)
                onnx__model_proto__free_unpacked(*p, NULL);
}

int import_onnx(const void *data, size_t size, Graph **ret, Error *e) {
        return import_onnx_beside(data, size, /* beside= */ NULL, ret, e);
}

int import_onnx_beside(const void *data, size_t size, OnnxBeside *beside, Graph **ret, Error *e) {
        _cleanup_(model_proto_freep)
        Onnx__ModelProto *model = NULL;
        _cleanup_(graph_freep)
        Graph *g = NULL;
        _cleanup_free_
        const char **names = NULL;
        Import m = {.beside = beside, .e = e};
        int r;

        r = onnx_scan(&onnx__model_proto__descriptor, data, size, "the model", e);
        if (r < 0)
                return r;
        model = onnx__model_proto__unpack(NULL, size, data);
        if (!model)
                return error_set(e, -EINVAL, "the model is no valid protocol buffer");
        g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        m.graph = g;
        r = import_model(&m, model);
        if (r >= 0)
                r = import_graph(&m);
        names = m.names;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(g);
        return 0;
}
