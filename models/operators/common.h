/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the operators share: numbers of every type by way of three wide ones, shapes, broadcasting
 * and strided walks, lists of integers from attributes and inputs.
 */

#include "models/operator.h"

/* What each byte of a copied string takes of a run's work: few enough that no graph can fill the
 * machine with copies of one. */
#define STRING_BYTE_WORK ((uint64_t)16)

typedef struct Shape {
        size_t rank;
        int64_t dim[TENSOR_RANK_MAX];
} Shape;

/* A shape as errors show it: "[2,3]". */
typedef struct ShapeText {
        char text[192];
} ShapeText;

Shape shape_of(const Tensor *t);
const char *shape_text(const Shape *s, ShapeText *text);
/* Product of dimensions first <= i < end; meaningful only where the whole tensor's count is not 0.
 */
size_t shape_count(const Shape *s, size_t first, size_t end);

/* tensor_new() with an error text. For strings it is for the caller to ask strings_check() first.
 */
int output_new(ElementType type, const Shape *s, Tensor **ret, Error *e);
/* Spends the work of count copies of the longest of t's strings; other types pass. */
int strings_check(const Node *n, const Tensor *t, size_t count, Error *e);

/* Sets of element types. */
#define TYPE(t) (1u << ELEMENT_##t)
#define TYPES_FLOAT (TYPE(F32) | TYPE(F64) | TYPE(F16) | TYPE(BF16))
#define TYPES_SIGNED (TYPE(I8) | TYPE(I16) | TYPE(I32) | TYPE(I64))
#define TYPES_UNSIGNED (TYPE(U8) | TYPE(U16) | TYPE(U32) | TYPE(U64))
#define TYPES_INTEGER (TYPES_SIGNED | TYPES_UNSIGNED)
#define TYPES_NUMBER (TYPES_FLOAT | TYPES_INTEGER)
#define TYPES_INDEX (TYPE(I32) | TYPE(I64))

/* Refuses a tensor whose type is not in the set; what: "input B". */
int type_check(const Tensor *t, unsigned types, const char *what, Error *e);
/* By the numbers of ONNX's TensorProto.DataType; -EINVAL for any that no Tensor can have. */
int type_from_onnx(int64_t number, ElementType *ret);

/*
 * Arithmetic is done in blocks of wide numbers. A single +, -, *, / or square root of narrower
 * floats done in double and rounded once gives the narrow type's own result, bit by bit (53 >= 2 *
 * 24 + 2).
 */
typedef enum Wide {
        WIDE_F64, /* of all floats */
        WIDE_I64,
        WIDE_U64 /* and of bool */
} Wide;

#define BLOCK ((size_t)256)

typedef union Block {
        double f64[BLOCK];
        int64_t i64[BLOCK];
        uint64_t u64[BLOCK];
} Block;

Wide type_wide(ElementType type);
double wide_number(Wide wide, const Block *block, size_t i);
/* Elements at, at + step, … of a tensor that is not of strings, in its type's wide one. */
void elements_load(const Tensor *t, int64_t at, int64_t step, size_t n, void *to);
/* To t[at], t[at + 1], … as ONNX casts: floats to integers are cut towards zero (here: and
 * saturate, NaN gives 0), integers to integers keep their low bits, anything but 0 is true. */
void elements_store(Tensor *t, size_t at, size_t n, Wide wide, const void *from);
/* Elements from_at, from_at + step, … to to_at, to_at + 1, … of a tensor of the same type. 0, or
 * -ENOMEM (strings). */
int elements_copy(Tensor *to, size_t to_at, const Tensor *from, int64_t from_at, int64_t step,
                  size_t n);
/* A copy in another type; neither may be strings. */
int tensor_convert(const Tensor *t, ElementType type, Tensor **ret, Error *e);

/* A way through a tensor's elements in the order of a shape. */
typedef struct Walk {
        Shape shape;
        int64_t stride[TENSOR_RANK_MAX]; /* elements; 0: stays, negative: goes back */
        int64_t index[TENSOR_RANK_MAX];
        int64_t at; /* the element that comes next */
} Walk;

/* No dimension may be 0. */
void walk_init(Walk *w, int64_t at, const Shape *s, const int64_t *stride);
/* The walk through a tensor of shape t as if it were broadcast to s. */
void walk_init_broadcast(Walk *w, const Shape *t, const Shape *s);
/* The next 1 to max elements that lie one step apart. Past the end it starts anew. */
size_t walk_next(Walk *w, size_t max, int64_t *ret_at, int64_t *ret_step);
/* The next n <= BLOCK elements of t. */
void walk_load(Walk *w, const Tensor *t, size_t n, Block *to);
void shape_strides(const Shape *s, int64_t *ret);

/* A new tensor of x's elements from `at` on, one stride apart along each dimension of `to`. For
 * strings spends the work. */
int tensor_strided(const Node *n, const Tensor *x, int64_t at, const Shape *to,
                   const int64_t *stride, Tensor **out, Error *e);

/* Widens *s so that t broadcasts into it, as numpy does. */
int shape_broadcast(Shape *s, const Shape *t, Error *e);
/* Whether t broadcasts to s without changing s. */
bool shape_broadcasts_to(const Shape *t, const Shape *s);

/* Out of -rank … rank - 1. */
int axis_check(int64_t axis, size_t rank, size_t *ret, Error *e);

#define INTS_MAX ((size_t)(2 * TENSOR_RANK_MAX))

typedef struct Ints {
        bool given;
        size_t n;
        int64_t at[INTS_MAX];
} Ints;

/* Not given: n is 0. Longer than INTS_MAX, or of another type: -EINVAL. */
int ints_from_attribute(const Node *n, const char *name, Ints *ret, Error *e);
int ints_from_tensor(const Tensor *t, const char *what, Ints *ret, Error *e);

/* From the attribute before version `since`, from input number `input` afterwards. */
int ints_get(const Node *n, const Tensor *const *in, const char *name, int since, size_t input,
             Ints *ret, Error *e);

/* Which of rank dimensions are named; naming one twice is refused. */
int axes_mark(const Ints *axes, size_t rank, bool *ret_marked, Error *e);

/* The only element of a tensor that holds one number; -EINVAL for other counts. */
int scalar_get(const Tensor *t, const char *what, double *ret, Error *e);
