/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The operators that a graph may have: one table, one function each that runs it on tensors.
 *
 * Meaning and names are those of ONNX (onnx.ai/onnx/operators), in every version from `since` on
 * that the standard had up to ONNX_OPSET_MAX of import-onnx.h: where versions differ, node->opset
 * decides.
 */

#include "models/graph.h"

#define DOMAIN_ONNX "" /* also "ai.onnx" in files */
#define DOMAIN_ML "ai.onnx.ml"

typedef enum OperatorKind {
        OPERATOR_OTHER,
        OPERATOR_MOVE,   /* outputs are elements of the first input, unchanged: any type will do */
        OPERATOR_AFFINE, /* affine in its first input while the others are constant */
        OPERATOR_POINTWISE /* one element in, one out, in place */
} OperatorKind;

struct Operator {
        const char *domain;
        const char *name;
        int since; /* first version of the domain that has it */
        OperatorKind kind;
        size_t inputs_min;
        size_t inputs_max; /* SIZE_MAX: any number */
        size_t outputs_max;
        /* in: n->n_inputs tensors (inputs_min … inputs_max, checked), NULL where one is not given:
         * not among the first inputs_min. out: n->n_outputs places, all NULL at the start; the
         * function fills at least the first with tensors of its own making (also those that nobody
         * wants, if that is simpler: the caller frees them). Must not trust shapes, types,
         * attributes. Returns 0, or -EINVAL / -EFBIG / -ENOTSUP with *e naming what is wrong (the
         * caller adds the node's name), or -ENOMEM. */
        int (*run)(const Node *n, const Tensor *const *in, Tensor **out, Error *e);
        /* Optional: works out of the attributes, once, what run() would otherwise work out each
         * time; graph_finish() keeps it in n->state until release(). run() must do without it, too.
         * The same errors as of run(). */
        int (*prepare)(const Node *n, void **ret, Error *e);
        void (*release)(void *state);
};

/* Refuses a node of the standard's domain whose attribute is of another kind than its name says: an
 * axis that is a float must not become the default. graph_finish() asks. */
int operator_check_attributes(const Node *n, Error *e);

/* Draws a * b * c off what the run may still do, before doing it: multiply-accumulates,
 * comparisons, calls of exp() … that go beyond one pass over the inputs and outputs (those
 * graph_run() counts itself). MatMul spends (m, k, n), a pool (output elements, window, 1), trees
 * (rows, trees, depth or nodes). Returns 0, or -EFBIG with *e. A node outside a run has no bound.
 */
int operator_spend(const Node *n, uint64_t a, uint64_t b, uint64_t c, Error *e);

/* Each file of models/operators has such a table; operator.c lists them. */
typedef struct OperatorTable {
        const Operator *operators;
        size_t n;
} OperatorTable;

/* Arithmetic with broadcasting, activations, Clip. */
extern const OperatorTable operators_elementwise;
/* Cast. */
extern const OperatorTable operators_cast;
/* Gemm, MatMul, BatchNormalization. */
extern const OperatorTable operators_matrix;
/* Along axes: Softmax, ArgMax, ReduceSum … */
extern const OperatorTable operators_reduce;
/* Reshape, Squeeze, Identity, Dropout, Constant … */
extern const OperatorTable operators_shape;
/* Transpose, Slice, Gather, Concat … */
extern const OperatorTable operators_move;
/* Pad. */
extern const OperatorTable operators_pad;
/* LayerNormalization. */
extern const OperatorTable operators_normalize;
/* Conv and the pools. */
extern const OperatorTable operators_window;
/* QuantizeLinear … MatMulInteger. */
extern const OperatorTable operators_quantized;
/* GRU, LSTM. */
extern const OperatorTable operators_recurrent;
/* ai.onnx.ml but for the following: Scaler, Normalizer, Imputer, ZipMap … */
extern const OperatorTable operators_ml;
/* LabelEncoder. */
extern const OperatorTable operators_label;
/* LinearClassifier, LinearRegressor, SVMClassifier. */
extern const OperatorTable operators_linear;
/* TreeEnsembleClassifier, TreeEnsembleRegressor. */
extern const OperatorTable operators_tree;

/* NULL where there is none of that name in that domain. "ai.onnx" is DOMAIN_ONNX. */
const Operator *operator_find(const char *domain, const char *name);
/* All of them, in the tables' order: NULL past the end. */
const Operator *operator_at(size_t i);
