/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/graph.h"
#include "models/operator.h"

void attribute_done(Attribute *a) {
        switch (a->kind) {
        case ATTRIBUTE_INT:
        case ATTRIBUTE_INTS:
        case ATTRIBUTE_FLOAT:
        case ATTRIBUTE_FLOATS:
                free(a->ints);
                break;
        case ATTRIBUTE_STRING:
        case ATTRIBUTE_STRINGS:
                for (size_t i = 0; i < a->n && a->strings; i++)
                        free(a->strings[i]);
                free(a->strings);
                break;
        case ATTRIBUTE_TENSOR:
                tensor_free(a->tensor);
                break;
        default:
                break;
        }
        free(a->name);
        *a = (Attribute){0};
}

static void node_release(Node *n) {
        if (n->state)
                n->op->release(n->state);
        n->state = NULL;
}

static void node_done(Node *n) {
        node_release(n);
        for (size_t i = 0; i < n->n_attributes; i++)
                attribute_done(n->attributes + i);
        free(n->attributes);
        free(n->inputs);
        free(n->outputs);
        free(n->name);
}

Graph *graph_free(Graph *g) {
        if (!g)
                return NULL;
        for (size_t i = 0; i < g->n_values; i++) {
                free(g->values[i].name);
                tensor_free(g->values[i].constant);
        }
        for (size_t i = 0; i < g->n_nodes; i++)
                node_done(g->nodes + i);
        free(g->values);
        free(g->nodes);
        free(g->inputs);
        free(g->outputs);
        free(g);
        return NULL;
}

/* Makes room for one element more: arrays double when their length is a power of two, so that no
 * capacity has to be kept. Returns false where there is no memory. */
static bool grow(void *array, size_t n, size_t size) {
        void **p = array, *bigger;

        if (n & (n - 1))
                return true;
        bigger = reallocarray(*p, n ? 2 * n : 1, size);
        if (!bigger)
                return false;
        *p = bigger;
        return true;
}

ssize_t graph_add_value(Graph *g, const char *name) {
        char *copy;

        if (g->n_values >= GRAPH_VALUES_MAX)
                return -EFBIG;
        if (!grow(&g->values, g->n_values, sizeof(*g->values)))
                return -ENOMEM;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        g->values[g->n_values] = (Value){.name = copy};
        return (ssize_t)g->n_values++;
}

ssize_t graph_add_input(Graph *g, size_t value, ElementType type, size_t rank, const int64_t *dim) {
        GraphInput input = {.value = value, .type = type, .rank = rank};

        if (value >= g->n_values || (rank > TENSOR_RANK_MAX && rank != GRAPH_RANK_ANY))
                return -EINVAL;
        if (!grow(&g->inputs, g->n_inputs, sizeof(*g->inputs)))
                return -ENOMEM;
        if (rank > 0 && rank != GRAPH_RANK_ANY)
                memcpy(input.dim, dim, rank * sizeof(*dim));
        g->inputs[g->n_inputs] = input;
        return (ssize_t)g->n_inputs++;
}

int graph_add_output(Graph *g, size_t value) {
        if (value >= g->n_values)
                return -EINVAL;
        if (!grow(&g->outputs, g->n_outputs, sizeof(*g->outputs)))
                return -ENOMEM;
        g->outputs[g->n_outputs++] = value;
        return 0;
}

/* A copy of indices, each below limit or GRAPH_NO_VALUE. */
static int copy_indices(const size_t *from, size_t n, size_t limit, size_t **ret) {
        _cleanup_free_
        size_t *copy = NULL;

        if (n > GRAPH_EDGES_MAX)
                return -EFBIG;
        copy = calloc(MAX(n, 1u), sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (from[i] >= limit && from[i] != GRAPH_NO_VALUE)
                        return -EINVAL;
                copy[i] = from[i];
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

ssize_t graph_add_node(Graph *g, const Operator *op, const char *name, int opset, size_t n_inputs,
                       const size_t *inputs, size_t n_outputs, const size_t *outputs) {
        _cleanup_free_
        size_t *in = NULL, *out = NULL;
        _cleanup_free_
        char *copy = NULL;
        int r;

        if (g->n_nodes >= GRAPH_NODES_MAX)
                return -EFBIG;
        r = copy_indices(inputs, n_inputs, g->n_values, &in);
        if (r < 0)
                return r;
        r = copy_indices(outputs, n_outputs, g->n_values, &out);
        if (r < 0)
                return r;
        copy = strdup(name);
        if (!copy || !grow(&g->nodes, g->n_nodes, sizeof(*g->nodes)))
                return -ENOMEM;
        g->nodes[g->n_nodes] = (Node){
                .op = op,
                .name = TAKE_PTR(copy),
                .opset = opset,
                .n_inputs = n_inputs,
                .inputs = TAKE_PTR(in),
                .n_outputs = n_outputs,
                .outputs = TAKE_PTR(out),
        };
        return (ssize_t)g->n_nodes++;
}

int graph_add_attribute(Graph *g, size_t node, Attribute *a) {
        Node *n = g->nodes + node;

        if (node >= g->n_nodes)
                return -EINVAL;
        for (size_t i = 0; i < n->n_attributes; i++)
                if (streq(n->attributes[i].name, a->name))
                        return -EEXIST;
        if (!grow(&n->attributes, n->n_attributes, sizeof(*n->attributes)))
                return -ENOMEM;
        n->attributes[n->n_attributes++] = *a;
        *a = (Attribute){0};
        return 0;
}

const Attribute *attribute_find(const Node *n, const char *name, AttributeKind kind) {
        for (size_t i = 0; i < n->n_attributes; i++)
                if (n->attributes[i].kind == kind && streq(n->attributes[i].name, name))
                        return n->attributes + i;
        return NULL;
}

int64_t attribute_int(const Node *n, const char *name, int64_t fallback) {
        const Attribute *a = attribute_find(n, name, ATTRIBUTE_INT);

        return a ? a->ints[0] : fallback;
}

float attribute_float(const Node *n, const char *name, float fallback) {
        const Attribute *a = attribute_find(n, name, ATTRIBUTE_FLOAT);

        return a ? a->floats[0] : fallback;
}

const char *attribute_string(const Node *n, const char *name, const char *fallback) {
        const Attribute *a = attribute_find(n, name, ATTRIBUTE_STRING);

        return a ? a->strings[0] : fallback;
}

#define SOURCE_NONE SIZE_MAX
#define SOURCE_OUTSIDE (SIZE_MAX - 1) /* an input or a constant */

static int doubled(const Graph *g, size_t value, Error *e) {
        return error_set(e, -EINVAL, "value '%.128s' has more than one source",
                         g->values[value].name);
}

/* Which node gives each value. */
static int find_sources(const Graph *g, size_t *source, Error *e) {
        for (size_t i = 0; i < g->n_values; i++)
                source[i] = g->values[i].constant ? SOURCE_OUTSIDE : SOURCE_NONE;
        for (size_t i = 0; i < g->n_inputs; i++) {
                size_t v = g->inputs[i].value;

                if (source[v] != SOURCE_NONE)
                        return doubled(g, v, e);
                source[v] = SOURCE_OUTSIDE;
        }
        for (size_t i = 0; i < g->n_nodes; i++)
                for (size_t k = 0; k < g->nodes[i].n_outputs; k++) {
                        size_t v = g->nodes[i].outputs[k];

                        if (v == GRAPH_NO_VALUE)
                                continue;
                        if (source[v] != SOURCE_NONE)
                                return doubled(g, v, e);
                        source[v] = i;
                }
        return 0;
}

/* What an operator may rely on: its number of inputs, and that the first of them are there. */
static int check_arity(const Node *n, Error *e) {
        const Operator *op = n->op;

        if (n->n_inputs < op->inputs_min || n->n_inputs > op->inputs_max)
                return error_set(e, -EINVAL,
                                 "%s (node '%.128s', opset %d) has %zu inputs: at least %zu and at "
                                 "most %zu are accepted",
                                 op->name, n->name, n->opset, n->n_inputs, op->inputs_min,
                                 op->inputs_max);
        for (size_t i = 0; i < op->inputs_min; i++)
                if (n->inputs[i] == GRAPH_NO_VALUE)
                        return error_set(e, -EINVAL, "%s (node '%.128s', opset %d) lacks input %zu",
                                         op->name, n->name, n->opset, i);
        if (n->n_outputs < 1 || n->n_outputs > op->outputs_max)
                return error_set(e, -EINVAL,
                                 "%s (node '%.128s', opset %d) has %zu outputs: at least 1 and at "
                                 "most %zu are accepted",
                                 op->name, n->name, n->opset, n->n_outputs, op->outputs_max);
        return 0;
}

static int check_needed(const Graph *g, const size_t *source, Error *e) {
        for (size_t i = 0; i < g->n_nodes; i++)
                for (size_t k = 0; k < g->nodes[i].n_inputs; k++) {
                        size_t v = g->nodes[i].inputs[k];

                        if (v != GRAPH_NO_VALUE && source[v] == SOURCE_NONE)
                                return error_set(e, -EINVAL,
                                                 "value '%.128s', which node '%.128s' takes, comes "
                                                 "from nowhere",
                                                 g->values[v].name, g->nodes[i].name);
                }
        for (size_t i = 0; i < g->n_outputs; i++)
                if (source[g->outputs[i]] == SOURCE_NONE)
                        return error_set(e, -EINVAL, "output '%.128s' comes from nowhere",
                                         g->values[g->outputs[i]].name);
        return 0;
}

typedef struct Visit {
        size_t node;
        size_t next; /* input to look at */
} Visit;

typedef enum Mark { MARK_NEW, MARK_OPEN, MARK_DONE } Mark;

/* Depth first in the order that stands, so that a good order stays as it is. */
static int find_order(const Graph *g, const size_t *source, size_t *order, Error *e) {
        _cleanup_free_
        unsigned char *mark = calloc(MAX(g->n_nodes, 1u), 1);
        _cleanup_free_
        Visit *stack = calloc(MAX(g->n_nodes, 1u), sizeof(*stack));
        size_t n = 0;

        if (!mark || !stack)
                return -ENOMEM;
        for (size_t i = 0; i < g->n_nodes; i++) {
                size_t depth = 0;

                if (mark[i] != MARK_NEW)
                        continue;
                mark[i] = MARK_OPEN;
                stack[depth++] = (Visit){.node = i};
                while (depth > 0) {
                        Visit *top = stack + depth - 1;
                        const Node *node = g->nodes + top->node;
                        size_t from, v;

                        if (top->next == node->n_inputs) {
                                mark[top->node] = MARK_DONE;
                                order[n++] = top->node;
                                depth--;
                                continue;
                        }
                        v = node->inputs[top->next++];
                        from = v == GRAPH_NO_VALUE ? SOURCE_OUTSIDE : source[v];
                        if (from == SOURCE_OUTSIDE || mark[from] == MARK_DONE)
                                continue;
                        if (mark[from] == MARK_OPEN)
                                return error_set(e, -EINVAL,
                                                 "node '%.128s' (%s) needs its own output",
                                                 g->nodes[from].name, g->nodes[from].op->name);
                        mark[from] = MARK_OPEN;
                        stack[depth++] = (Visit){.node = from};
                }
        }
        return 0;
}

static int prepare(Node *n, Error *e) {
        Error inner = ERROR_INIT;
        int r;

        node_release(n);
        if (!n->op->prepare)
                return 0;
        r = n->op->prepare(n, &n->state, &inner);
        error_clean(&inner);
        if (r < 0 && r != -ENOMEM)
                return error_set(e, r, "%s (node '%.128s', opset %d): %s", n->op->name, n->name,
                                 n->opset, inner.text[0] ? inner.text : strerror(-r));
        return r;
}

int graph_finish(Graph *g, Error *e) {
        _cleanup_free_
        size_t *source = calloc(MAX(g->n_values, 1u), sizeof(*source));
        _cleanup_free_
        size_t *order = calloc(MAX(g->n_nodes, 1u), sizeof(*order));
        _cleanup_free_
        Node *nodes = NULL;
        int r;

        if (!source || !order)
                return -ENOMEM;
        if (g->n_outputs == 0)
                return error_set(e, -EINVAL, "the graph has no outputs");
        for (size_t i = 0; i < g->n_nodes; i++) {
                r = check_arity(g->nodes + i, e);
                if (r < 0)
                        return r;
                r = operator_check_attributes(g->nodes + i, e);
                if (r < 0)
                        return r;
        }
        r = find_sources(g, source, e);
        if (r < 0)
                return r;
        r = check_needed(g, source, e);
        if (r < 0)
                return r;
        r = find_order(g, source, order, e);
        if (r < 0)
                return r;
        nodes = calloc(MAX(g->n_nodes, 1u), sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; i < g->n_nodes; i++)
                nodes[i] = g->nodes[order[i]];
        if (g->n_nodes > 0)
                memcpy(g->nodes, nodes, g->n_nodes * sizeof(*nodes));
        for (size_t i = 0; i < g->n_nodes; i++) {
                r = prepare(g->nodes + i, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool drop_unused_outputs(Node *n, const bool *used) {
        bool any = false;

        for (size_t k = 0; k < n->n_outputs; k++)
                if (n->outputs[k] != GRAPH_NO_VALUE && used[n->outputs[k]])
                        any = true;
                else
                        n->outputs[k] = GRAPH_NO_VALUE;
        return any;
}

int graph_keep_output(Graph *g, size_t i) {
        _cleanup_free_
        bool *used = calloc(MAX(g->n_values, 1u), sizeof(*used)), *stays = NULL;
        size_t n = 0;

        if (i >= g->n_outputs)
                return -EINVAL;
        stays = calloc(MAX(g->n_nodes, 1u), sizeof(*stays));
        if (!used || !stays)
                return -ENOMEM;
        g->outputs[0] = g->outputs[i];
        g->n_outputs = 1;
        used[g->outputs[0]] = true;
        for (size_t k = g->n_nodes; k-- > 0;) {
                const Node *node = g->nodes + k;

                stays[k] = drop_unused_outputs(g->nodes + k, used);
                for (size_t m = 0; stays[k] && m < node->n_inputs; m++)
                        if (node->inputs[m] != GRAPH_NO_VALUE)
                                used[node->inputs[m]] = true;
        }
        for (size_t k = 0; k < g->n_nodes; k++)
                if (stays[k])
                        g->nodes[n++] = g->nodes[k];
                else
                        node_done(g->nodes + k);
        g->n_nodes = n;
        return 0;
}
