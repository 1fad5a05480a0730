/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A model between graph and program: numbered cells, each one real number with the expression that
 * gives it from cells before its own. Fields come first. Lowering appends cells, the passes rewrite
 * them, quantisation turns groups of them into steps.
 */

#include "models/compiler/program.h"
#include "models/graph.h"
#include "models/operators/tree.h"

typedef enum CellKind {
        CELL_FIELD,
        CELL_AFFINE,   /* clamp(bias + sum of weight * term, low, high) */
        CELL_LEAKY,    /* x >= 0 ? x : slope * x */
        CELL_FUNCTION, /* f(x) */
        CELL_PRODUCT,  /* x * y */
        CELL_MAX,
        CELL_TREES, /* output `output` of forest `forest`; its terms are the forest's inputs */
        _CELL_KIND_COUNT
} CellKind;

typedef enum FunctionKind {
        FUNCTION_SIGMOID,
        FUNCTION_TANH,
        FUNCTION_POWER, /* x to the exponent */
        FUNCTION_NODE   /* what the node's operator computes of one element */
} FunctionKind;

typedef struct Function {
        FunctionKind kind;
        const Node *node; /* NODE: of the graph, which outlives the cells */
        double exponent;  /* POWER */
} Function;

typedef struct Term {
        uint32_t cell;
        double weight; /* AFFINE; else 1 */
} Term;

typedef struct Cell {
        CellKind kind;
        uint32_t node; /* index into the graph's nodes, for names */
        bool dead;     /* nothing needs it */
        size_t n_terms;
        Term *terms;             /* AFFINE: by cell, each once */
        double bias, low, high;  /* AFFINE; -INFINITY, INFINITY: not clamped */
        double slope;            /* LEAKY */
        Function function;       /* FUNCTION */
        uint32_t forest, output; /* TREES */
} Cell;

/* A branch on a field: yes where (field <= last) != flip; with `between` only where also field >
 * before. -1: no field is. */
typedef struct Split {
        int64_t last;
        int64_t before;
        bool between;
        bool flip;
} Split;

typedef struct Forest {
        const Node *node;
        uint32_t node_index;
        TreeEnsemble *ensemble;
        size_t n_inputs;    /* those that a branch asks for */
        uint32_t *inputs;   /* cells */
        uint32_t *features; /* index into the node's row, ascending */
        uint8_t *exact;     /* [n_inputs], by forest_resolve(): the input is a field */
        Split *splits;      /* [nodes of the ensemble], where the input is */
} Forest;

/* How the float engine's outputs tell the decision. */
typedef enum Telling {
        TELLING_ARGMAX,    /* the largest number of the output */
        TELLING_THRESHOLD, /* the one number of the output, above a threshold */
        TELLING_INDEX,     /* the output is the index itself */
        TELLING_LABEL,     /* the output is one of labels */
        TELLING_VALUE      /* there is none: numbers */
} Telling;

typedef struct ClassLabels {
        size_t n;
        int64_t numbers[PROGRAM_OUTPUTS_MAX];
        bool named; /* the labels are strings, cut to what fits here, and the numbers 0, 1, … */
        char names[PROGRAM_OUTPUTS_MAX][PROGRAM_LABEL_SIZE];
} ClassLabels;

typedef struct Decision {
        DecisionKind kind;
        size_t n_outputs;
        uint32_t outputs[PROGRAM_OUTPUTS_MAX]; /* cells */
        double threshold;
        bool scores; /* the graph's output is the cells' values, and not a function of them */
        Telling telling;
        size_t graph_output;
        double graph_threshold;
        ClassLabels labels; /* of the decision's indices; n is 0: it has none */
} Decision;

typedef struct Cells {
        const Graph *graph;
        size_t n_fields;
        size_t n;
        size_t allocated;
        Cell *cells;
        size_t n_forests;
        Forest *forests;
        Decision decision;
} Cells;

Cells *cells_free(Cells *c);
DEFINE_CLEANUP(Cells *, cells_free);

/* Appends; terms are copied, those of AFFINE merged and sorted. Returns the index, -ENOMEM or
 * -EFBIG (CELLS_MAX). */
#define CELLS_MAX 262144
int64_t cells_add(Cells *c, const Cell *cell);

/* fields: n_fields numbers, as the graph's inputs have them. values: n. Dead cells are left alone.
 * Returns 0 or what an operator's run returns. */
int cells_run(const Cells *c, const double *fields, double *values, Error *e);

double function_value(const Function *f, double x);
/* False where nothing is known. */
bool function_increases(const Function *f);
/* The x with f(x) = y, for functions that increase; ±INFINITY beyond what f reaches. */
double function_inverse(const Function *f, double y);
bool function_equal(const Function *a, const Function *b);

bool cells_is_exact_field(const Cells *c, uint32_t cell);

/* Passes. */

/* Marks what no output needs. */
void cells_mark_dead(Cells *c);
/* Multiplies affine cells into the affine cells that use them, as long as that makes no more
 * weights. Returns 0 or -ENOMEM. */
int cells_fold(Cells *c);
/* Points every input of a forest that increases or decreases with one field at that field, and
 * finds the branches' thresholds as whole numbers by asking the graph itself: exact. Returns 0 or
 * what graph_run() returns. */
int forest_resolve(Cells *c, Error *e);
/* Puts a cell of its own between a field and those that cannot take it as forests and affine cells
 * do, and before outputs that are of different scales or have other users. */
int cells_separate(Cells *c);
/* Leaves away what does not change the decision: a function that increases, in all outputs. */
int cells_simplify_decision(Cells *c);
