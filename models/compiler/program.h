/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A model as the kernel can compute it: integer steps over numbered cells, every rounding spelt
 * out.
 *
 * The passes make it, the reference (reference.h) runs it, the back ends print it: all three
 * compute the same bits. Cells are s32. The first n_fields cells are the input after its own
 * quantisation; each step appends its outputs. A step reads only cells before its own.
 *
 *   rounding shift   rsh(v, s) = s ? (v + (1 << (s - 1))) >> s : v   on s64, arithmetic
 *   requantisation   requant(v, c) = clamp(rsh(v * c.multiplier, c.shift), c.low, c.high)
 *
 * What a step may read and produce is bounded (Interval), and the interval pass has proved that no
 * intermediate value leaves its type: accumulators fit 32 bits where `wide` is not set, and every
 * v * multiplier with its rounding fits 64.
 */

#include <stdint.h>

#include "util/error.h"
#include "util/macro.h"

#define PROGRAM_FIELDS_MAX 128  /* inputs */
#define PROGRAM_CELLS_MAX 16384 /* inputs and all that steps compute */
#define PROGRAM_OUTPUTS_MAX 64
#define PROGRAM_STEPS_MAX 256
#define PROGRAM_LABEL_SIZE 32

typedef enum Precision {
        PRECISION_INT8,  /* weights and activations in 8 bits, accumulators in 32 */
        PRECISION_INT16, /* 16 bits, accumulators in 64 */
        PRECISION_Q16,   /* Q16.16 in 32 bits, accumulators in 64 */
        _PRECISION_COUNT
} Precision;

typedef struct Interval {
        int64_t low;
        int64_t high;
} Interval;

typedef struct Requant {
        int32_t multiplier; /* > 0, but for leaky slopes, which may have any sign */
        uint8_t shift;      /* 0 … 62 */
        int32_t low;        /* ReLU is low = 0, Clip is low and high */
        int32_t high;
} Requant;

/* Input i: requant(clamp(raw, low, high) - offset). A tree's input is left as it is (multiplier 1,
 * shift 0): exact; its offset is not 0 only where its range goes beyond 2^31. raw is an unsigned
 * 32-bit field, widened. */
typedef struct FieldQuant {
        int64_t low; /* the range that calibration saw or the spec states; within [0, 2^32 - 1] */
        int64_t high;
        int64_t offset;
        Requant requant;
} FieldQuant;

typedef enum StepKind {
        STEP_AFFINE, /* y[o] = requant(bias[o] + sum_i weight[o][i] * x[i]) */
        STEP_LEAKY,  /* y = x >= 0 ? x : requant(x) */
        STEP_TABLE,  /* y = table[clamp(rsh(x * multiplier, shift), low, high) - low]: sigmoid, tanh
                      */
        STEP_PRODUCT, /* y[i] = requant(x[i] * x[n_outputs + i]) */
        STEP_SUM,     /* y[i] = requant(bias[i] + sum over the cells of group i of weight * x) */
        STEP_MAX,     /* y[i] = max of the cells of group i */
        STEP_TREES,   /* y[o] = base[o] + sum over trees of the leaf's value[o] */
        _STEP_KIND_COUNT
} StepKind;
/* Group i of SUM and MAX: inputs i * k … i * k + k - 1, with k = n_inputs / n_outputs (no
 * remainder). A SUM is an AFFINE whose outputs have few inputs each and share none: scales, sums of
 * two vectors. */

/* One binary tree node: cell <= threshold goes to yes, else to no. Children are indices within the
 * tree's nodes; a leaf has cell < 0 and `yes` is its index into leaf values. */
typedef struct TreeNode {
        int32_t cell;      /* index into the step's inputs, or -1 */
        int64_t threshold; /* fits 32 bits */
        uint32_t yes;
        uint32_t no;
} TreeNode;

typedef struct Tree {
        size_t n_nodes; /* node 0 is the root; children come after their parent */
        TreeNode *nodes;
        size_t n_leaves;
        int32_t *values; /* [n_leaves][n_outputs of the step] */
} Tree;

typedef struct Step {
        StepKind kind;
        char name[48]; /* of the node that it came from, for people */
        size_t n_inputs;
        uint32_t *inputs; /* cells */
        size_t n_outputs;
        uint32_t first;    /* its outputs are cells first … first + n_outputs - 1 */
        Interval *outputs; /* [n_outputs], what the interval pass proved */

        Requant *requant;     /* AFFINE, SUM, LEAKY, PRODUCT: [n_outputs]; TABLE: [1] */
        int32_t *weights;     /* AFFINE: [n_outputs][n_inputs]; SUM: [n_inputs] */
        int64_t *bias;        /* AFFINE, SUM: [n_outputs]; TREES: base */
        int wide;             /* AFFINE, SUM: the accumulator needs 64 bits */
        Interval accumulator; /* AFFINE, SUM, TREES: of all partial sums of any output, in any order
                               */
        size_t n_table;       /* TABLE: high - low + 1 of its requant */
        int32_t *table;
        size_t n_trees; /* TREES; their sums fit 32 bits */
        Tree *trees;
} Step;

typedef enum DecisionKind {
        DECISION_ARGMAX,    /* the output with the largest value, the lowest index of equal ones */
        DECISION_THRESHOLD, /* one output: 1 where value > threshold, else 0 */
        DECISION_VALUE      /* no decision: the outputs themselves (regression) */
} DecisionKind;

typedef struct Program {
        char name[64];
        Precision precision;
        int trees_only; /* no rounding anywhere: agrees with the float engine on every input */
        size_t n_fields;
        FieldQuant *fields;
        size_t n_steps;
        Step *steps;
        size_t n_cells;
        DecisionKind decision;
        int64_t threshold;
        size_t n_outputs;
        uint32_t outputs[PROGRAM_OUTPUTS_MAX]; /* cells; all of one scale */
        double output_scale; /* value = cell * output_scale + output_offset, for people and reports
                              */
        double output_offset;
        /* What argmax i (or threshold 0, 1) is called in the model: a number, and its name where
         * the model has names, else "". */
        int64_t labels[PROGRAM_OUTPUTS_MAX];
        char label_names[PROGRAM_OUTPUTS_MAX][PROGRAM_LABEL_SIZE];
} Program;

#define PROGRAM_TREE_DEPTH_MAX 64
#define PROGRAM_TREE_NODES_MAX 262144 /* of all trees that are lowered */
#define PROGRAM_TABLE_MAX 65536

Program *program_free(Program *p);
DEFINE_CLEANUP(Program *, program_free);

/* Appends an empty step whose outputs start at p->n_cells, and raises n_cells by n_outputs; inputs
 * are copied. The arrays that its kind needs are allocated, zeroed: requant, weights, bias,
 * outputs, n_table entries, n_trees trees. NULL: out of memory. */
Step *program_add_step(Program *p, StepKind kind, const char *name, size_t n_inputs,
                       const uint32_t *inputs, size_t n_outputs, size_t n_table, size_t n_trees);

/* Everything that reference and back ends rely on but for ranges (interval.h): counts, indices,
 * order, shifts, bounds. Returns 0 or -EINVAL with *e naming the step. */
int program_check(const Program *p, Error *e);

/* Multiply-accumulates of one inference. */
size_t program_multiplications(const Program *p);

/* "int8", "int16", "q16"; -EINVAL for another name. */
const char *precision_name(Precision p);
int precision_from_name(const char *name);
/* "affine", "trees" … */
const char *step_kind_name(StepKind k);
