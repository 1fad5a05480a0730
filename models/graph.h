/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A model as a typed graph: values, the nodes that compute them in order, inputs and outputs.
 * Importers build it, the float engine runs it, the compiler lowers it.
 */

#include "models/tensor.h"

typedef struct Operator Operator;

typedef enum AttributeKind {
        ATTRIBUTE_INT,
        ATTRIBUTE_FLOAT,
        ATTRIBUTE_STRING,
        ATTRIBUTE_INTS,
        ATTRIBUTE_FLOATS,
        ATTRIBUTE_STRINGS,
        ATTRIBUTE_TENSOR
} AttributeKind;

typedef struct Attribute {
        char *name;
        AttributeKind kind;
        size_t n; /* of ints, floats, strings; 1 for the scalars, which are element 0 */
        union {
                int64_t *ints;
                float *floats;
                char **strings;
                Tensor *tensor;
        };
} Attribute;

#define GRAPH_NO_VALUE SIZE_MAX /* an optional input that is not given */

typedef struct Node {
        const Operator *op;
        char *name; /* never NULL; "" where the model names none */
        int opset;  /* version of the operator's domain that the model was written for */
        size_t n_inputs;
        size_t *inputs; /* indices of values, or GRAPH_NO_VALUE */
        size_t n_outputs;
        size_t *outputs; /* the same; GRAPH_NO_VALUE: nobody wants it */
        size_t n_attributes;
        Attribute *attributes;
        uint64_t *work; /* NULL but while graph_run() runs it: what operator_spend() draws on */
        void *state;    /* what op->prepare() made of the attributes, or NULL */
} Node;

typedef struct Value {
        char *name;
        Tensor *constant; /* initializer, or NULL where an input or a node gives it */
} Value;

#define GRAPH_RANK_ANY SIZE_MAX

typedef struct GraphInput {
        size_t value;
        ElementType type;
        size_t rank;                  /* or GRAPH_RANK_ANY */
        int64_t dim[TENSOR_RANK_MAX]; /* -1: any */
} GraphInput;

#define GRAPH_NODES_MAX ((size_t)65536)
#define GRAPH_VALUES_MAX ((size_t)262144)
#define GRAPH_EDGES_MAX ((size_t)4096) /* inputs or outputs of one node */
/* One run: multiply-accumulates and elements moved; elements that are held at one time. */
#define GRAPH_WORK_MAX (UINT64_C(1) << 32)
#define GRAPH_ELEMENTS_MAX ((size_t)1 << 26)

typedef struct Graph {
        size_t n_values;
        Value *values;
        size_t n_nodes;
        Node *nodes; /* each after the nodes that it takes values from */
        size_t n_inputs;
        GraphInput *inputs;
        size_t n_outputs;
        size_t *outputs;   /* indices of values */
        uint64_t work_max; /* of one run; 0: GRAPH_WORK_MAX */
} Graph;

/* calloc(1, sizeof(Graph)) is an empty graph. */
Graph *graph_free(Graph *g);
DEFINE_CLEANUP(Graph *, graph_free);

/* Building: each copies what it is given. Return an index >= 0, or -ENOMEM / -EFBIG. */
ssize_t graph_add_value(Graph *g, const char *name);
ssize_t graph_add_input(Graph *g, size_t value, ElementType type, size_t rank, const int64_t *dim);
/* The node is appended without attributes; outputs are values that nothing else gives. */
ssize_t graph_add_node(Graph *g, const Operator *op, const char *name, int opset, size_t n_inputs,
                       const size_t *inputs, size_t n_outputs, const size_t *outputs);
int graph_add_output(Graph *g, size_t value);
/* Takes over what *a holds, and empties it; left as it is on failure. Returns 0, -EEXIST or
 * -ENOMEM. */
int graph_add_attribute(Graph *g, size_t node, Attribute *a);
void attribute_done(Attribute *a);

/* Puts nodes into an order in which each stands after what it needs, and checks that every value
 * needed has exactly one source and every node as many inputs and outputs as its operator takes.
 * Then prepares the nodes' state: attributes stay as they are from here on. Returns 0, -EINVAL with
 * *e naming node or value, or -ENOMEM. */
int graph_finish(Graph *g, Error *e);

/* Makes output number i of a finished graph its only one, and takes away what nothing else needs:
 * nodes, and single outputs of nodes (GRAPH_NO_VALUE). Returns 0, -EINVAL or -ENOMEM. */
int graph_keep_output(Graph *g, size_t i);

/* Runs the graph: inputs in the order of g->inputs (type must be equal; shape is for the operators
 * to judge, but rank and fixed dimensions are checked), outputs new tensors in the order of
 * g->outputs. Returns 0, -EINVAL or -ENOTSUP (the node and the reason are in *e), -EFBIG (more work
 * or elements than the bounds above) or -ENOMEM. Shapes need no inference of their own: running on
 * one row of zeros tells them. */
int graph_run(const Graph *g, const Tensor *const *inputs, size_t n_inputs, Tensor **ret_outputs,
              Error *e);

/* The same, and hands every node's inputs and outputs to visit when it has run: what the compiler
 * calibrates and lowers by. NULL among them: not given, or not wanted. A negative return of visit
 * ends the run with it. */
typedef int (*graph_visit_t)(void *userdata, size_t node, const Tensor *const *in,
                             const Tensor *const *out, Error *e);
int graph_run_visit(const Graph *g, const Tensor *const *inputs, size_t n_inputs,
                    Tensor **ret_outputs, graph_visit_t visit, void *userdata, Error *e);

/* Attributes by name; the fallback where there is none. Of another kind than asked for: the
 * fallback, too, so operators check kinds with attribute_find() where it matters. */
const Attribute *attribute_find(const Node *n, const char *name, AttributeKind kind);
int64_t attribute_int(const Node *n, const char *name, int64_t fallback);
float attribute_float(const Node *n, const char *name, float fallback);
const char *attribute_string(const Node *n, const char *name, const char *fallback);
