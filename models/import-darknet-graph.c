/* SPDX-License-Identifier: GPL-2.0-or-later */
/* darknet's networks as graphs of ONNX operators. */
#include <errno.h>
#include <math.h>

#include "models/import-darknet.h"
#include "models/operator.h"

#define OPSET 13
#define LEAKY_SLOPE 0.1f

typedef struct Builder {
        Graph *g;
        size_t value; /* what the last node gave */
        size_t layer;
        Error *e;
} Builder;

static int out_of_memory(Error *e) {
        return error_set(e, -ENOMEM, "out of memory");
}

/* A constant of these dimensions; the tensor's elements are the caller's to fill. */
static ssize_t add_constant(Builder *b, const char *what, ElementType type, size_t rank,
                            const int64_t *dim, Tensor **ret) {
        char name[64];
        ssize_t v;

        snprintf(name, sizeof(name), "layer%zu.%s", b->layer, what);
        v = graph_add_value(b->g, name);
        if (v < 0 || tensor_new(type, rank, dim, &b->g->values[v].constant) < 0)
                return out_of_memory(b->e);
        *ret = b->g->values[v].constant;
        return v;
}

/* A node that takes the last value first, then the others. Returns its index. */
static ssize_t add_node(Builder *b, const char *operator, size_t n, const size_t *others) {
        const Operator *op = operator_find(DOMAIN_ONNX, operator);
        size_t inputs[4] = {b->value}, output;
        char name[64];
        ssize_t v, node;

        if (!op)
                return error_set(b->e, -ENOTSUP, "no operator %s", operator);
        for (size_t i = 0; i < n; i++)
                inputs[i + 1] = others[i];
        snprintf(name, sizeof(name), "layer%zu.%s", b->layer, operator);
        v = graph_add_value(b->g, name);
        if (v < 0)
                return out_of_memory(b->e);
        output = (size_t)v;
        node = graph_add_node(b->g, op, name, OPSET, n + 1, inputs, 1, &output);
        if (node < 0)
                return out_of_memory(b->e);
        b->value = output;
        return node;
}

static int set_attribute(Builder *b, ssize_t node, AttributeKind kind, const char *name, int64_t i,
                         float x) {
        _cleanup_(attribute_done)
        Attribute a = {.name = strdup(name), .kind = kind, .n = 1};

        if (kind == ATTRIBUTE_INT)
                a.ints = malloc(sizeof(*a.ints));
        else
                a.floats = malloc(sizeof(*a.floats));
        if (!a.name || !a.ints)
                return out_of_memory(b->e);
        if (kind == ATTRIBUTE_INT)
                a.ints[0] = i;
        else
                a.floats[0] = x;
        return graph_add_attribute(b->g, (size_t)node, &a) < 0 ? out_of_memory(b->e) : 0;
}

/* y = Wx + b, batch normalisation folded in as the engine does it. */
static int add_gemm(Builder *b, const Layer *l) {
        const int64_t dim[] = {(int64_t)l->outputs, (int64_t)l->inputs};
        Tensor *weights = NULL, *biases = NULL;
        size_t others[2];
        ssize_t w, c, node;

        w = add_constant(b, "weights", ELEMENT_F32, 2, dim, &weights);
        c = w < 0 ? w : add_constant(b, "biases", ELEMENT_F32, 1, dim, &biases);
        if (!weights || !biases)
                return (int)(w < 0 ? w : c);
        for (size_t o = 0; o < l->outputs; o++) {
                float k = l->scales ? l->scales[o] / (sqrtf(l->variances[o]) + 1e-6f) : 1.0f;

                bool finite = isfinite(k);

                biases->f32[o] = l->biases[o] - (l->scales ? l->means[o] * k : 0.0f);
                finite &= isfinite(biases->f32[o]) != 0;
                for (size_t i = 0; i < l->inputs; i++) {
                        weights->f32[o * l->inputs + i] = l->weights[o * l->inputs + i] * k;
                        finite &= isfinite(weights->f32[o * l->inputs + i]) != 0;
                }
                if (!finite)
                        return error_set(b->e, -EINVAL,
                                         "weights: batch normalisation makes a weight too large "
                                         "for a float");
        }
        others[0] = (size_t)w;
        others[1] = (size_t)c;
        node = add_node(b, "Gemm", 2, others);
        return node < 0 ? (int)node : set_attribute(b, node, ATTRIBUTE_INT, "transB", 1, 0);
}

static int add_activation(Builder *b, Activation a) {
        static const char *const names[_ACTIVATION_COUNT] = {
                [ACTIVATION_RELU] = "Relu",
                [ACTIVATION_LEAKY] = "LeakyRelu",
                [ACTIVATION_LOGISTIC] = "Sigmoid",
                [ACTIVATION_TANH] = "Tanh",
        };
        ssize_t node;

        if (a == ACTIVATION_LINEAR)
                return 0;
        node = add_node(b, names[a], 0, NULL);
        if (node < 0 || a != ACTIVATION_LEAKY)
                return node < 0 ? (int)node : 0;
        return set_attribute(b, node, ATTRIBUTE_FLOAT, "alpha", 0, LEAKY_SLOPE);
}

static int add_reshape(Builder *b, const char *what, size_t rank, const int64_t *shape) {
        int64_t dim[] = {(int64_t)rank};
        Tensor *t = NULL;
        ssize_t v = add_constant(b, what, ELEMENT_I64, 1, dim, &t);
        size_t other = (size_t)v;
        ssize_t node;

        if (!t)
                return (int)v;
        memcpy(t->i64, shape, rank * sizeof(*shape));
        node = add_node(b, "Reshape", 1, &other);
        return node < 0 ? (int)node : 0;
}

static int add_softmax(Builder *b, const Layer *l) {
        int64_t groups = (int64_t)MAX(l->groups, (size_t)1), width = (int64_t)l->outputs;
        const int64_t apart[] = {-1, groups, width / groups}, together[] = {-1, width};
        ssize_t node;
        int r = 0;

        if (l->temperature > 0.0f && l->temperature != 1.0f) {
                Tensor *t = NULL;
                ssize_t v = add_constant(b, "temperature", ELEMENT_F32, 0, NULL, &t);
                size_t other = (size_t)v;

                if (!t)
                        return (int)v;
                t->f32[0] = l->temperature;
                node = add_node(b, "Div", 1, &other);
                if (node < 0)
                        return (int)node;
        }
        if (groups > 1)
                r = add_reshape(b, "groups", 3, apart);
        if (r < 0)
                return r;
        node = add_node(b, "Softmax", 0, NULL);
        if (node < 0)
                return (int)node;
        r = set_attribute(b, node, ATTRIBUTE_INT, "axis", -1, 0);
        return r < 0 || groups == 1 ? r : add_reshape(b, "outputs", 2, together);
}

static int add_layers(Builder *b, const Layer *layers, size_t n) {
        const int64_t dim[] = {-1, (int64_t)layers[0].inputs};
        ssize_t input = graph_add_value(b->g, "input");
        int r;

        if (input < 0 || graph_add_input(b->g, (size_t)input, ELEMENT_F32, 2, dim) < 0)
                return out_of_memory(b->e);
        b->value = (size_t)input;
        for (b->layer = 0; b->layer < n; b->layer++) {
                const Layer *l = &layers[b->layer];

                if (l->kind == LAYER_SOFTMAX) {
                        r = add_softmax(b, l);
                } else {
                        r = add_gemm(b, l);
                        if (r >= 0)
                                r = add_activation(b, l->activation);
                }
                if (r < 0)
                        return r;
        }
        return graph_add_output(b->g, b->value) < 0 ? out_of_memory(b->e) : 0;
}

int import_darknet_graph(const char *cfg, size_t cfg_size, const void *weights, size_t weights_size,
                         Graph **ret, Error *e) {
        _cleanup_free_
        float *values = NULL;
        _cleanup_(graph_freep)
        Graph *g = calloc(1, sizeof(*g));
        Builder b = {.g = g, .e = e};
        Layer layers[ENGINE_LAYERS_MAX];
        size_t n;
        int r;

        if (!g)
                return out_of_memory(e);
        r = import_darknet_layers(cfg, cfg_size, weights, weights_size, layers, &n, &values, e);
        if (r >= 0)
                r = add_layers(&b, layers, n);
        if (r >= 0)
                r = graph_finish(g, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(g);
        return 0;
}
