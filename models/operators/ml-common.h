/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the operators of ai.onnx.ml share: rows of numbers, attributes that are lists, labels of
 * classes, and the transforms of scores. */

#include "models/operator.h"

/* A tensor of float, double, int32 or int64 as rows: [N, F], or [F] as one row. */
typedef struct Rows {
        const Tensor *tensor;
        size_t n;
        size_t width;
} Rows;

/* Returns 0, or -EINVAL with *e. */
int rows_init(const Tensor *t, Rows *ret, Error *e);
/* Row i as doubles: [width]. int64 beyond 2^53 are rounded. */
void rows_get(const Rows *rows, size_t i, double *ret);

/* Lists that the node owns: n is 0 where it has no such attribute. */
typedef struct Ints {
        size_t n;
        const int64_t *x;
} Ints;
typedef struct Strings {
        size_t n;
        char *const *x;
} Strings;
typedef struct Numbers { /* in single precision, or as the attribute NAME_as_tensor has them */
        size_t n;
        const float *f32;
        const double *f64;
} Numbers;

Ints node_ints(const Node *n, const char *name);
Strings node_strings(const Node *n, const char *name);
Numbers node_floats(const Node *n, const char *name);
/* Also takes the tensor NAME_as_tensor, float or double. Returns 0, or -EINVAL with *e: both, or of
 * another type. */
int node_numbers(const Node *n, const char *name, Numbers *ret, Error *e);

static inline double numbers_get(const Numbers *a, size_t i) {
        return a->f64 ? a->f64[i] : (double)a->f32[i];
}

typedef enum PostTransform {
        POST_NONE,
        POST_SOFTMAX,
        POST_LOGISTIC,
        POST_SOFTMAX_ZERO, /* softmax in which scores of 0 stay 0 */
        POST_PROBIT,       /* quantile of the normal distribution, by Winitzki's approximation */
        _POST_TRANSFORM_COUNT
} PostTransform;

/* Attribute post_transform. Returns 0, or -EINVAL with *e. */
int node_post_transform(const Node *n, PostTransform *ret, Error *e);
void post_transform_apply(PostTransform transform, double *scores, size_t n);

#define LABELS_MAX ((size_t)65536)

/* The classes' names: integers, or strings where strings is set. */
typedef struct Labels {
        size_t n;
        const int64_t *ints;
        char *const *strings;
} Labels;

/* Attributes classlabels_strings or `ints` (classlabels_ints, classlabels_int64s): one of the two.
 * The labels are the node's. Returns 0, or -EINVAL with *e. */
int node_labels(const Node *n, const char *ints, Labels *ret, Error *e);
/* [rows], of the labels' type; labels_set() fills each place once. Return 0 or -ENOMEM, -EFBIG. */
int labels_tensor_new(const Labels *labels, size_t rows, Tensor **ret);
int labels_set(const Labels *labels, Tensor *t, size_t row, size_t class);

/* Index of the largest, the first of equal ones; NaN never wins unless all are. */
size_t scores_argmax(const double *scores, size_t n);
/* One score s for two classes to scores of both: {1 - s, s} where s is a probability, else
 * {-s, s}. */
void scores_pair(double s, bool probability, double scores[2]);
