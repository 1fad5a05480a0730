/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * From graph to cells. The graph runs once, on one row of zeros, and every node is lowered as it
 * runs: shapes and constants are known. An element of a computed tensor is a Ref: a cell, or a
 * constant.
 */

#include "models/compiler/cells.h"
#include "models/operator.h"

/* threshold: NAN, or what a model with one number decides by: above it, 1. values: the model
 * decides nothing, its outputs are numbers. Returns 0, -ENOTSUP with *e naming the operator and the
 * node that has no integer form, -EINVAL, -EFBIG or -ENOMEM. */
int lower_graph(const Graph *g, double threshold, bool values, Cells **ret, Error *e);

/* How many fields the graph takes: the elements of all inputs for one row. Returns 0, or -ENOTSUP
 * with *e where a dimension other than the first is not fixed. */
int lower_count_fields(const Graph *g, size_t *ret, Error *e);

/* The graph's inputs for one row of fields, in their types. Free with inputs_free(). */
typedef struct GraphRow {
        size_t n;
        Tensor **tensors;
} GraphRow;
int graph_row_new(const Graph *g, GraphRow **ret, Error *e);
void graph_row_set(GraphRow *row, const double *fields);
GraphRow *graph_row_free(GraphRow *row);
DEFINE_CLEANUP(GraphRow *, graph_row_free);

/* What the graph decides on the row: the index as the decision counts it, or -1 where it is a label
 * that is none of the decision's. ret_numbers: the output's elements, n_outputs of them, where the
 * decision is by scores; NULL: not wanted. Returns 0 or what graph_run() returns. */
int lower_graph_decide(const Cells *c, const GraphRow *row, int64_t *ret, double *ret_numbers,
                       Error *e);

/* From here on: between the lower-*.c files. */

#define LOWER_WORK_MAX (UINT64_C(1) << 33)

typedef int64_t Ref; /* >= 0: cell; < 0: constant -1 - ref */

typedef enum Role {
        ROLE_CONSTANT,      /* nothing of the input is in it */
        ROLE_NUMBERS,       /* refs are its elements */
        ROLE_PROBABILITIES, /* refs are scores, of which it keeps the order */
        ROLE_INDEX,         /* where the largest of the refs is */
        ROLE_LABEL,         /* and what that is called */
        ROLE_NOTHING        /* cannot be lowered: refused where it is needed */
} Role;

typedef struct Lowered { /* of one graph value */
        Role role;
        size_t n;
        Ref *refs;
        double threshold;    /* INDEX, LABEL with one ref: 1 where it is above */
        ClassLabels *labels; /* LABEL */
} Lowered;

typedef struct Lowerer {
        const Graph *graph;
        Cells *cells;
        Lowered *values;
        size_t n_constants, constants_allocated;
        double *constants;
        size_t node;
        uint64_t work; /* that operators may still do for lowering, in operator_spend()'s units */
        Error *e;
        Error refusal; /* of the first node that has no integer form */
} Lowerer;

/* One per operator; in and out are what ran. */
typedef int (*lower_t)(Lowerer *l, const Node *n, const Tensor *const *in,
                       const Tensor *const *out);
lower_t lower_find(const Operator *op);

_printf_(3, 4) int lower_refuse(Lowerer *l, const Node *n, const char *format, ...);

/* Cells. All simplify: constants fold, x * 1 + 0 is x. */
int lower_constant(Lowerer *l, double x, Ref *ret);
bool ref_is_constant(Ref ref);
double ref_value(const Lowerer *l, Ref ref);
typedef struct RefTerm {
        Ref ref;
        double weight;
} RefTerm;
int lower_sum(Lowerer *l, const RefTerm *terms, size_t n, double bias, Ref *ret);
int lower_clamp(Lowerer *l, Ref x, double low, double high, Ref *ret);
int lower_leaky(Lowerer *l, Ref x, double slope, Ref *ret);
int lower_function(Lowerer *l, Ref x, const Function *f, Ref *ret);
int lower_product(Lowerer *l, Ref x, Ref y, Ref *ret);
int lower_max(Lowerer *l, const Ref *x, size_t n, Ref *ret);

/* Inputs and outputs of a node. */
Role lower_role(const Lowerer *l, const Node *n, size_t input);
/* Numbers, constants too: t->count of them. Refuses other roles. */
int lower_input(Lowerer *l, const Node *n, size_t input, const Tensor *t, Ref **ret);
/* Takes refs over, also on failure. */
int lower_output(Lowerer *l, const Node *n, size_t output, size_t count, Ref *refs);
/* Output k is what input i is, whatever its role. */
int lower_pass(Lowerer *l, const Node *n, size_t input, size_t output);
/* Output k stands for refs (taken over) in that role; labels (taken over) may be NULL. */
int lower_decided(Lowerer *l, const Node *n, size_t output, Role role, size_t count, Ref *refs,
                  double threshold, ClassLabels *labels);
/* A copy of an input's refs. */
int lower_refs_copy(const Lowered *v, Ref **ret);
const Lowered *lower_input_value(const Lowerer *l, const Node *n, size_t input);

/* Output of an operator that is affine in one input (refs x, as many as in[input] has elements)
 * while all others are constant, by running n on 0 and on one unit after the other. n need not be
 * the graph's. */
int lower_probe(Lowerer *l, const Node *n, const Tensor *const *in, size_t input, size_t output,
                const Ref *x, Ref **ret, size_t *ret_count);
/* n without one of its attributes. Free the attributes' array (alone). */
int node_without(const Node *n, const char *attribute, Node *ret);

/* Scores of the classes (or of pairs of them) without their transform, as output 1 has them. */
int lower_raw_scores(Lowerer *l, const Node *n, const Tensor *const *in, Ref **ret, size_t *ret_n);

/* Labels of an attribute; a score's post_transform of a regressor (refs are taken over). */
int lower_class_labels(Lowerer *l, const Node *n, const Labels *from, ClassLabels **ret);
int lower_transformed(Lowerer *l, const Node *n, size_t output, PostTransform transform,
                      size_t count, Ref *refs);

/* A tensor's elements as labels: 0 or -EFBIG. */
int lower_labels_of(const Tensor *t, ClassLabels *ret);
/* The scores of an ensemble (taken over, also on failure) on a row of refs: [n_scores]. */
int lower_forest(Lowerer *l, const Node *n, TreeEnsemble *ensemble, const Ref *row, Ref **ret);

int lower_move(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out);
int lower_affine(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out);
int lower_pointwise(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out);

typedef struct LowerEntry {
        const char *domain;
        const char *name;
        lower_t lower;
} LowerEntry;
extern const LowerEntry lower_elementwise[];
extern const LowerEntry lower_classify[];
extern const LowerEntry lower_normalize[];
extern const LowerEntry lower_window[];
extern const LowerEntry lower_recurrent[];
extern const LowerEntry lower_quantized[];
extern const LowerEntry lower_trees[];
extern const LowerEntry lower_ml[];
