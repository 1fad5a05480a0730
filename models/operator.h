/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The operators that a graph may have: one table, one function each that runs it on tensors.
 *
 * Meaning and names are those of ONNX (onnx.ai/onnx/operators), in every version from `since` on
 * that the standard had up to opset 17 (ai.onnx.ml: 3): where versions differ, node->opset decides.
 */

#include "models/graph.h"

#define DOMAIN_ONNX "" /* also "ai.onnx" in files */
#define DOMAIN_ML "ai.onnx.ml"

typedef enum OperatorKind {
        OPERATOR_OTHER,
        OPERATOR_MOVE,   /* output elements are elements of the first input, unchanged: any type will do */
        OPERATOR_AFFINE, /* affine in its first input while the others are constant */
        OPERATOR_POINTWISE /* one element in, one out, in place */
} OperatorKind;

struct Operator {
        const char *domain;
        const char *name;
        int since; /* first version of the domain that has it */
        OperatorKind kind;
        size_t inputs_min;
        size_t inputs_max;
        size_t outputs_max;
        /* in: n->n_inputs tensors, NULL where one is not given. out: n->n_outputs places, all NULL at
         * the start; the function fills at least the first with tensors of its own making (also those
         * that nobody wants, if that is simpler: the caller frees them). Must not trust shapes, types,
         * attributes. Returns 0, or -EINVAL / -EFBIG / -ENOTSUP with *e naming what is wrong (the
         * caller adds the node's name), or -ENOMEM. */
        int (*run)(const Node *n, const Tensor *const *in, Tensor **out, Error *e);
};

/* Each file of models/operators has such a table; operator.c lists them. */
typedef struct OperatorTable {
        const Operator *operators;
        size_t n;
} OperatorTable;

extern const OperatorTable operators_elementwise; /* arithmetic with broadcasting, activations, Clip, Cast */
extern const OperatorTable operators_matrix;      /* Gemm, MatMul, BatchNormalization, Softmax, ArgMax */
extern const OperatorTable operators_move;        /* Reshape … Gather, Constant, Dropout, Identity */
extern const OperatorTable operators_window;      /* Conv and the pools */
extern const OperatorTable operators_quantized;   /* QuantizeLinear … MatMulInteger */
extern const OperatorTable operators_recurrent;   /* GRU, LSTM */
extern const OperatorTable operators_ml;          /* ai.onnx.ml but for trees */
extern const OperatorTable operators_tree;        /* TreeEnsembleClassifier, TreeEnsembleRegressor */

/* NULL where there is none of that name in that domain. */
const Operator *operator_find(const char *domain, const char *name);
/* All of them, in the tables' order: NULL past the end. */
const Operator *operator_at(size_t i);
