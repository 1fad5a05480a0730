/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the files that print a program share: where the text keeps each cell, and how it writes a
 * requantisation.
 */

#include <stdbool.h>

#include "models/compiler/emit.h"

__extension__ typedef __int128 Wide; /* bounds of 64-bit arithmetic are computed in this */

/* The cells that the fields, or one step, make: an array of unsigned elements. */
typedef struct Bank {
        char place[48]; /* the array in C: "c3" on the stack, "scratch->c3" in the map */
        uint32_t first; /* its first cell */
        size_t n;
        size_t elements; /* >= n: a packed layer stores whole groups; 0: nobody reads it */
        int64_t low;     /* element = cell - low */
        unsigned bytes;  /* of an element: 1, 2 or 4 */
        bool indexed;    /* written in a loop */
        bool memory;     /* written or read in a loop, so that it can't be registers */
        bool in_scratch;
        char kept[48]; /* place, while a loop has another name for it; else "" */
} Bank;

typedef struct Affine Affine; /* how a layer is packed: emit-affine.c */
typedef struct Forest Forest; /* how trees are laid out: emit-trees.c */

typedef struct StepPlan {
        Affine *affine; /* STEP_AFFINE */
        Forest *forest; /* STEP_TREES */
        bool used;      /* somebody reads what it makes */
} StepPlan;

typedef struct Emit {
        FILE *f;
        const Program *p;
        size_t n_banks;
        Bank *banks;     /* [1 + n_steps]: the fields', then each step's */
        StepPlan *plans; /* [n_steps] */
        bool *used;      /* [n_fields]: somebody reads the field's cell */
} Emit;

/* The bank that holds a cell; the cell's bounds, as proved or as a field's quantisation gives them.
 */
Bank *emit_bank_of(const Emit *e, uint32_t cell);
Interval emit_bounds(const Emit *e, uint32_t cell);
/* What a field's quantisation makes of a raw value. */
int64_t emit_field_value(const FieldQuant *q, uint32_t raw);

/* Expressions. stored: the element as the bank has it; cell: its true value, an __s64. With at, an
 * index in C is added ("i"). */
#define EMIT_TEXT_MAX 160
void emit_stored(const Emit *e, uint32_t cell, const char *at, char ret[EMIT_TEXT_MAX]);
void emit_cell(const Emit *e, uint32_t cell, const char *at, char ret[EMIT_TEXT_MAX]);
/* A loop of step writes its bank, and reads its inputs'. */
void emit_set_indexed(Emit *e, size_t step);
/* At the loop's beginning: names for the inputs' banks (p0, p1 …) that the compiler has to load
 * from each time, as it has fewer registers than they are; emit_release() takes them back. */
void emit_keep(const Emit *e, const Step *s);
void emit_release(const Emit *e);
const char *emit_literal(int64_t v, char ret[EMIT_TEXT_MAX]);

/* How clamp(rsh(v * multiplier, shift), low, high) - origin is computed for v within bounds. */
typedef struct Scaling {
        int64_t multiplier;
        unsigned shift;
        int64_t add;   /* before the shift: the rounding and, where it fits, the origin */
        int64_t after; /* behind the shift; 0 where the origin is in add */
        int64_t low;   /* bounds of the result, and whether they can bind */
        int64_t high;
        bool clamp_low;
        bool clamp_high;
} Scaling;

typedef struct WideInterval {
        Wide low;
        Wide high;
} WideInterval;

/* fold: put the origin into add. Returns 0, or -ERANGE where that or the product leaves 64 bits. */
int emit_scaling(int64_t multiplier, unsigned shift, Interval clamp, WideInterval v, int64_t origin,
                 bool fold, Scaling *ret);
/* The same with the origin folded where it fits. */
int emit_requant(Requant q, WideInterval v, int64_t origin, Scaling *ret);
/* Prints it for v, an expression whose value is an __s64 or wraps to it. */
void emit_scaled(const Emit *e, const Scaling *s, const char *v);

/* An array of constants, several a line. */
/* The beginning of one, up to its first brace. */
void emit_table_begin(const Emit *e, const char *type, const char *name, size_t step, size_t n);
void emit_table_u64(const Emit *e, const char *name, size_t step, const uint64_t *t, size_t n);

/* Each kind of step: _plan chooses layout and the bank's elements, _tables prints what stands
 * outside of the function, the plain one the statements. Those that can fail return 0 or -errno. */
int emit_affine_plan(Emit *e, size_t step);
void emit_affine_tables(const Emit *e, size_t step);
void emit_affine(const Emit *e, size_t step);
Affine *emit_affine_free(Affine *a);

/* Whether the trees of this step read the raw fields themselves. */
bool emit_trees_are_raw(const Program *p, const Step *s);
int emit_trees_plan(Emit *e, size_t step);
int emit_trees_tables(const Emit *e, size_t step);
void emit_trees_scratch(const Emit *e, size_t step); /* members of the struct */
void emit_trees(const Emit *e, size_t step);
Forest *emit_trees_free(Forest *f);

void emit_simple_plan(Emit *e, size_t step);
int emit_simple_tables(const Emit *e, size_t step);
int emit_simple(const Emit *e, size_t step);
