/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Matrix products of tensors: numpy's rules for stacks of matrices, and sums of products in wide
 * numbers. Every sum runs over k upwards, so that equal input gives equal bits.
 */

#include "models/operators/common.h"

/* m × k times k × n. Strides are in elements: a transposed matrix has them swapped. */
typedef struct Product {
        size_t m, k, n;
        int64_t a_row, a_column;
        int64_t b_row, b_column;
} Product;

/* Types that product_sums() reads as they are. */
#define TYPES_PRODUCT (TYPE(F32) | TYPE(F64) | TYPE(I32) | TYPE(I64) | TYPE(U64))

/* t, or for halves a copy in float32 and for uint32 one in int64, which *owned keeps. Refuses types
 * without a product. */
int product_operand(const Tensor *t, const char *what, Tensor **owned, const Tensor **ret,
                    Error *e);

/* count <= BLOCK sums of row `row`, from column `column` on, of the matrices that start at a[a_at]
 * and b[b_at], in the wide type of their type; those of integers wrap. Both tensors are of one
 * type. */
void product_sums(const Product *p, const Tensor *a, int64_t a_at, const Tensor *b, int64_t b_at,
                  size_t row, size_t column, size_t count, Block *sums);

/* alpha A B + beta C, where C may be NULL. Steps of C are in elements: 0 where it is broadcast. */
typedef struct Sum {
        double alpha, beta;
        const Tensor *c;
        int64_t c_row, c_column;
} Sum;

/* The whole of a product of floats, each matrix at the start of its tensor, to out: m × n, one
 * after the other. sum: NULL for the product alone. The same bits as by product_sums(). Returns 0
 * or -ENOMEM. */
int product_floats(const Product *p, const Tensor *a, const Tensor *b, const Sum *sum, Tensor *out);

/* A product of two stacks of matrices, computed piece by piece in the order of the result. */
typedef struct Stacks {
        Product product;
        Shape out;
        size_t left;        /* elements of the result that are still to come */
        size_t row, column; /* of the piece that comes next */
        Walk a, b;          /* where the next pair starts: set up only where something is left */
        int64_t a_at, b_at;
} Stacks;

/* Shapes as for MatMul; spends the work on n. */
int stacks_init(Stacks *s, const Node *n, const Shape *a, const Shape *b, Error *e);
/* Up to BLOCK sums of one row: returns how many, 0 at the end. */
size_t stacks_next(Stacks *s, const Tensor *a, const Tensor *b, Block *sums, size_t *ret_row,
                   size_t *ret_column);
