/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operators/product.h"

/*
 * MatMul, Gemm and BatchNormalization.
 */

/* As many rows are worth the packing of the other matrix. */
#define FAST_ROWS ((size_t)4)

static int same_types(const Tensor *a, const Tensor *b, Error *e) {
        if (a->type == b->type)
                return 0;
        return error_set(e, -EINVAL, "inputs of types %s and %s: they must be equal",
                         element_type_name(a->type), element_type_name(b->type));
}

static int matmul_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *own_a = NULL, *own_b = NULL;
        const Tensor *a, *b;
        Shape x = shape_of(in[0]), y = shape_of(in[1]);
        size_t row, column, count;
        Stacks s;
        Block sums;
        int r;

        r = same_types(in[0], in[1], e);
        if (r < 0)
                return r;
        r = product_operand(in[0], "input A", &own_a, &a, e);
        if (r < 0)
                return r;
        r = product_operand(in[1], "input B", &own_b, &b, e);
        if (r < 0)
                return r;
        r = stacks_init(&s, n, &x, &y, e);
        if (r < 0)
                return r;
        r = output_new(in[0]->type, &s.out, out, e);
        if (r < 0)
                return r;
        if (type_wide(a->type) == WIDE_F64 && b->rank == 2 && s.left > 0) {
                /* A stack of matrices is one higher matrix. */
                s.product.m = s.left / s.product.n;
                if (s.product.m >= FAST_ROWS)
                        return product_floats(&s.product, a, b, /* sum= */ NULL, *out);
        }
        for (size_t at = 0; (count = stacks_next(&s, a, b, &sums, &row, &column)) > 0; at += count)
                elements_store(*out, at, count, type_wide(a->type), &sums);
        return 0;
}

/*
 * Gemm: Y = alpha A' B' + beta C.
 */

static int gemm_product(const Node *n, const Tensor *a, const Tensor *b, Product *ret, Error *e) {
        bool trans_a = attribute_int(n, "transA", 0), trans_b = attribute_int(n, "transB", 0);
        Shape x = shape_of(a), y = shape_of(b);
        ShapeText s, t;

        if (a->rank != 2 || b->rank != 2 || a->dim[!trans_a] != b->dim[trans_b])
                return error_set(e, -EINVAL, "A %s%s and B %s%s do not multiply",
                                 shape_text(&x, &s), trans_a ? " transposed" : "",
                                 shape_text(&y, &t), trans_b ? " transposed" : "");
        *ret = (Product){
                .m = (size_t)a->dim[trans_a],
                .k = (size_t)a->dim[!trans_a],
                .n = (size_t)b->dim[!trans_b],
                .a_row = trans_a ? 1 : a->dim[1],
                .a_column = trans_a ? a->dim[1] : 1,
                .b_row = trans_b ? 1 : b->dim[1],
                .b_column = trans_b ? b->dim[1] : 1,
        };
        return 0;
}

static int gemm_bias_check(const Node *n, const Tensor *a, const Tensor *c, const Shape *to,
                           Error *e) {
        bool equal = n->opset < 7 && attribute_int(n, "broadcast", 0) == 0;
        Shape s = shape_of(c);
        ShapeText x, y;
        int r = same_types(a, c, e);

        if (r < 0)
                return r;
        if (!shape_broadcasts_to(&s, to) || (equal && c->count != shape_count(to, 0, 2)))
                return error_set(e, -EINVAL, "C %s does not broadcast to %s", shape_text(&s, &x),
                                 shape_text(to, &y));
        return 0;
}

/* Integers stay integers, and wrap, unless a factor makes numbers with a fraction of them. */
static Wide gemm_combine(Wide wide, Block *sums, Block *bias, size_t count, double alpha,
                         double beta) {
        if (wide != WIDE_F64 && alpha == 1 && beta == 1) {
                for (size_t i = 0; i < count; i++)
                        sums->u64[i] += bias->u64[i];
                return wide;
        }
        for (size_t i = 0; i < count; i++)
                sums->f64[i] = alpha * wide_number(wide, sums, i) +
                               beta * wide_number(wide, bias, i);
        return WIDE_F64;
}

static int gemm_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *own_a = NULL, *own_b = NULL;
        const Tensor *a, *b, *c = n->n_inputs > 2 ? in[2] : NULL;
        double alpha = (double)attribute_float(n, "alpha", 1);
        double beta = (double)attribute_float(n, "beta", 1);
        Block sums, bias = {};
        Shape to = {.rank = 2}, from;
        int64_t c_row = 0, c_column = 0;
        Product p;
        Walk walk;
        int r;

        r = same_types(in[0], in[1], e);
        if (r < 0)
                return r;
        r = product_operand(in[0], "input A", &own_a, &a, e);
        if (r < 0)
                return r;
        r = product_operand(in[1], "input B", &own_b, &b, e);
        if (r < 0)
                return r;
        r = gemm_product(n, a, b, &p, e);
        if (r < 0)
                return r;
        to.dim[0] = (int64_t)p.m;
        to.dim[1] = (int64_t)p.n;
        if (c) {
                r = gemm_bias_check(n, in[0], c, &to, e);
                if (r < 0)
                        return r;
                from = shape_of(c);
                c_column = c->rank > 0 && c->dim[c->rank - 1] != 1;
                c_row = c->rank > 1 && c->dim[0] != 1 ? c->dim[1] : 0;
        }
        r = output_new(in[0]->type, &to, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        r = operator_spend(n, p.m, p.k, p.n, e);
        if (r < 0)
                return r;
        if (type_wide(a->type) == WIDE_F64 && p.m >= FAST_ROWS)
                return product_floats(&p, a, b, &(Sum){alpha, beta, c, c_row, c_column}, *out);
        if (c)
                walk_init_broadcast(&walk, &from, &to);
        for (size_t row = 0; row < p.m; row++)
                for (size_t j = 0; j < p.n; j += BLOCK) {
                        size_t count = MIN(BLOCK, p.n - j);
                        Wide wide = type_wide(a->type);

                        product_sums(&p, a, 0, b, 0, row, j, count, &sums);
                        if (c)
                                walk_load(&walk, c, count, &bias);
                        wide = gemm_combine(wide, &sums, &bias, count, alpha, beta);
                        elements_store(*out, row * p.n + j, count, wide, &sums);
                }
        return 0;
}

/*
 * BatchNormalization: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, for each channel
 * (dimension 1), or before version 9 for each element of a row where attribute spatial is 0.
 */

typedef struct Normalization {
        size_t channels;
        size_t inner;  /* elements of one channel that lie side by side */
        double *mean;  /* [channels] */
        double *scale; /* over the deviation */
        double *bias;
} Normalization;

static void normalization_done(Normalization *b) {
        free(b->mean);
        free(b->scale);
        free(b->bias);
}

static int normalization_init(Normalization *b, const Node *n, const Tensor *const *in, Error *e) {
        static const char *const names[] = {"X", "scale", "B", "mean", "variance"};
        Shape s = shape_of(in[0]);
        bool spatial = n->opset >= 9 || attribute_int(n, "spatial", 1) != 0;
        int r;

        for (size_t i = 0; i < 5; i++) {
                r = type_check(in[i], TYPES_FLOAT, names[i], e);
                if (r < 0)
                        return r;
        }
        if (s.rank == 0)
                return error_set(e, -EINVAL, "X has no dimensions");
        b->channels = s.rank < 2 ? 1 : shape_count(&s, 1, spatial ? 2 : s.rank);
        b->inner = s.rank < 2 || !spatial ? 1 : shape_count(&s, 2, s.rank);
        for (size_t i = 1; i < 5; i++)
                if (in[i]->count != b->channels)
                        return error_set(e, -EINVAL, "%s has %zu elements for %zu channels",
                                         names[i], in[i]->count, b->channels);
        b->mean = calloc(MAX(b->channels, 1u), sizeof(double));
        b->scale = calloc(MAX(b->channels, 1u), sizeof(double));
        b->bias = calloc(MAX(b->channels, 1u), sizeof(double));
        if (!b->mean || !b->scale || !b->bias)
                return -ENOMEM;
        elements_load(in[1], 0, 1, b->channels, b->scale);
        elements_load(in[2], 0, 1, b->channels, b->bias);
        return 0;
}

/* Sum of (x - centre)^power of one channel. */
static double channel_sum(const Normalization *b, const Tensor *x, size_t channel, double centre,
                          bool square) {
        Block block;
        double sum = 0;

        for (size_t at = channel * b->inner; at < x->count; at += b->channels * b->inner)
                for (size_t i = 0; i < b->inner; i += BLOCK) {
                        size_t count = MIN(BLOCK, b->inner - i);

                        elements_load(x, (int64_t)(at + i), 1, count, &block);
                        for (size_t k = 0; k < count; k++) {
                                double d = block.f64[k] - centre;

                                sum += square ? d * d : d;
                        }
                }
        return sum;
}

/* Training mode: mean and variance are the batch's own, and those given move towards them. */
static int normalization_train(Normalization *b, const Node *n, const Tensor *const *in,
                               Tensor **out, Error *e) {
        double momentum = (double)attribute_float(n, "momentum", 0.9f);
        _cleanup_free_
        double *variance = NULL;
        const Tensor *x = in[0];
        size_t count;
        int r;

        if (x->count == 0)
                return error_set(e, -EINVAL, "an empty batch has no mean");
        variance = calloc(b->channels, sizeof(double));
        if (!variance)
                return -ENOMEM;
        count = x->count / b->channels;
        for (size_t c = 0; c < b->channels; c++) {
                b->mean[c] = channel_sum(b, x, c, 0, false) / (double)count;
                variance[c] = channel_sum(b, x, c, b->mean[c], true) / (double)count;
        }
        r = 0;
        for (size_t i = 1; i < n->n_outputs && i < 3 && r == 0; i++) {
                const double *now = i == 1 ? b->mean : variance;
                Shape s = {.rank = 1, .dim = {(int64_t)b->channels}};

                r = output_new(in[2 + i]->type, &s, out + i, e);
                for (size_t c = 0; c < b->channels && r == 0; c++)
                        tensor_set_f64(out[i], c,
                                       tensor_get_f64(in[2 + i], c) * momentum +
                                               now[c] * (1 - momentum));
        }
        for (size_t c = 0; c < b->channels; c++)
                b->scale[c] /= sqrt(variance[c] + (double)attribute_float(n, "epsilon", 1e-5f));
        return r;
}

static int batch_normalization_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(normalization_done)
        Normalization b = {};
        double epsilon = (double)attribute_float(n, "epsilon", 1e-5f);
        bool train = n->opset >= 14 && attribute_int(n, "training_mode", 0) != 0;
        const Tensor *x = in[0];
        Shape s = shape_of(x);
        size_t inner, channels;
        Block block;
        int r;

        if (!train && n->n_outputs > 1)
                return error_set(e, -EINVAL,
                                 n->opset < 14 ? "training mode (more than one output) is not known"
                                               : "more than one output without training mode");
        r = normalization_init(&b, n, in, e);
        if (r < 0)
                return r;
        if (train) {
                r = normalization_train(&b, n, in, out, e);
                if (r < 0)
                        return r;
        } else {
                elements_load(in[3], 0, 1, b.channels, b.mean);
                for (size_t c = 0; c < b.channels; c++)
                        b.scale[c] /= sqrt(tensor_get_f64(in[4], c) + epsilon);
        }
        r = output_new(x->type, &s, out, e);
        if (r < 0)
                return r;
        inner = MAX(b.inner, (size_t)1);
        channels = MAX(b.channels, (size_t)1);
        for (size_t at = 0; at < x->count; at += BLOCK) {
                size_t count = MIN(BLOCK, x->count - at);

                elements_load(x, (int64_t)at, 1, count, &block);
                for (size_t i = 0; i < count; i++) {
                        size_t c = (at + i) / inner % channels;

                        block.f64[i] = (block.f64[i] - b.mean[c]) * b.scale[c] + b.bias[c];
                }
                elements_store(*out, at, count, WIDE_F64, &block);
        }
        return 0;
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "Gemm", 1, OPERATOR_AFFINE, 2, 3, 1, gemm_run},
        {DOMAIN_ONNX, "MatMul", 1, OPERATOR_AFFINE, 2, 2, 1, matmul_run},
        {DOMAIN_ONNX, "BatchNormalization", 1, OPERATOR_AFFINE, 5, 5, 5, batch_normalization_run},
};

const OperatorTable operators_matrix = {operators, ELEMENTSOF(operators)};
