/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operators/product.h"
#include "models/operators/window.h"

/*
 * Integers that stand for (integer - zero point) * scale. Quotients are rounded to even and
 * saturate; sums of products are int32 that wrap.
 */

#define TYPES_QUANTIZED (TYPE(I8) | TYPE(U8))
/* Of QuantizeLinear and its inverse. */
#define TYPES_LINEAR(N) \
        ((N)->opset < 21 ? TYPES_QUANTIZED : TYPES_QUANTIZED | TYPE(I16) | TYPE(U16))

/* One number, or one for each of `count` parts of `inner` neighbours, again and again. */
static int check_parts(const Tensor *t, size_t count, const char *what, Error *e) {
        if (t->count == 1 || t->count == count)
                return 0;
        return error_set(e, -EINVAL, "%s has %zu numbers: 1 or %zu are accepted", what, t->count,
                         count);
}

static size_t part(const Tensor *t, size_t i, size_t inner) {
        return t->count == 1 ? 0 : i / inner % t->count;
}

/* A scale of floats, and a zero point (or NULL) with as many numbers. */
static int check_scale(const Tensor *scale, const Tensor *zero, size_t count, const char *what,
                       Error *e) {
        int r = type_check(scale, TYPES_FLOAT, what, e);

        if (r < 0)
                return r;
        r = check_parts(scale, count, what, e);
        if (r < 0)
                return r;
        if (zero && zero->count != scale->count)
                return error_set(e, -EINVAL, "%s has %zu numbers, its zero point %zu", what,
                                 scale->count, zero->count);
        return 0;
}

/*
 * QuantizeLinear, DequantizeLinear: per tensor, from version 13 on also along an axis, from 21 on
 * also for each block of neighbours along it.
 */

/* Which number of the scale is for element i. */
typedef struct Scales {
        size_t count;  /* numbers that the scale should have; 1: one for all */
        size_t length; /* of the axis */
        size_t inner;  /* elements between neighbours along it */
        size_t block;  /* neighbours that share a number; 0: all that have the same index */
        size_t blocks; /* along the axis */
} Scales;

static size_t scale_at(const Scales *s, size_t i) {
        size_t k = i / s->inner % s->length;

        if (s->count == 1)
                return 0;
        if (s->block == 0)
                return k;
        return (i / s->inner / s->length * s->blocks + k / s->block) * s->inner + i % s->inner;
}

static int scales_of_blocks(const Tensor *x, const Tensor *scale, size_t axis, int64_t block,
                            Scales *ret, Error *e) {
        for (size_t i = 0; i < x->rank; i++) {
                int64_t wanted = x->dim[i];

                if (i == axis)
                        wanted = wanted / block + (wanted % block != 0);
                if (scale->rank != x->rank || scale->dim[i] != wanted)
                        return error_set(e, -EINVAL,
                                         "the scale's dimensions are not those of the input in "
                                         "blocks of %" PRId64,
                                         block);
        }
        ret->count = MAX(scale->count, 2u);
        ret->block = (size_t)block;
        ret->blocks = (size_t)scale->dim[axis];
        return 0;
}

static int scales_init(const Node *n, const Tensor *x, const Tensor *scale, Scales *ret, Error *e) {
        int64_t block = n->opset < 21 ? 0 : attribute_int(n, "block_size", 0);
        Shape s = shape_of(x);
        size_t axis;
        int r;

        *ret = (Scales){.count = 1, .length = 1, .inner = 1};
        if (n->opset < 13 || scale->rank == 0)
                return 0;
        if (block < 0 || (scale->rank > 1 && block == 0))
                return error_set(e, -EINVAL, "a scale of %zu dimensions in blocks of %" PRId64,
                                 scale->rank, block);
        r = axis_check(attribute_int(n, "axis", 1), s.rank, &axis, e);
        if (r < 0) /* of no importance where the scale is the same everywhere */
                return scale->count == 1 && block == 0 ? 0 : r;
        ret->count = ret->length = (size_t)s.dim[axis];
        ret->inner = shape_count(&s, axis + 1, s.rank);
        if (scale->count == 1)
                ret->count = 1;
        return block > 0 ? scales_of_blocks(x, scale, axis, block, ret, e) : 0;
}

/* The type of QuantizeLinear's output. */
static int quantized_type(const Node *n, const Tensor *zero, ElementType *ret, Error *e) {
        int64_t wanted = n->opset < 21 ? 0 : attribute_int(n, "output_dtype", 0);

        *ret = zero ? zero->type : ELEMENT_U8;
        if (wanted == 0)
                return 0;
        if (type_from_onnx(wanted, ret) < 0 || (zero && zero->type != *ret) ||
            !(1u << *ret & TYPES_LINEAR(n)))
                return error_set(e, -EINVAL, "output_dtype %" PRId64 " is not accepted", wanted);
        return 0;
}

static int quantize_linear_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0], *scale = in[1], *zero = n->n_inputs > 2 ? in[2] : NULL;
        Wide wide = type_wide(x->type);
        Shape s = shape_of(x);
        ElementType type;
        Scales scales;
        Block from, to;
        int r;

        r = type_check(x, TYPES_FLOAT | TYPE(I32), "the input", e);
        if (r == 0 && zero)
                r = type_check(zero, TYPES_LINEAR(n), "the zero point", e);
        if (r == 0)
                r = scales_init(n, x, scale, &scales, e);
        if (r == 0)
                r = check_scale(scale, zero, scales.count, "the scale", e);
        if (r == 0)
                r = quantized_type(n, zero, &type, e);
        if (r == 0)
                r = output_new(type, &s, out, e);
        for (size_t at = 0; r == 0 && at < x->count; at += BLOCK) {
                size_t now = MIN(BLOCK, x->count - at);

                elements_load(x, (int64_t)at, 1, now, &from);
                for (size_t i = 0; i < now; i++) {
                        size_t k = scale_at(&scales, at + i);
                        double q = wide_number(wide, &from, i) / tensor_get_f64(scale, k);

                        /* Halves of a float's quotient are what the standard rounds. */
                        q = wide == WIDE_F64 && x->type != ELEMENT_F64 ? (double)(float)q : q;
                        to.f64[i] = rint(q) + (zero ? tensor_get_f64(zero, k) : 0);
                }
                elements_store(*out, at, now, WIDE_F64, &to);
        }
        return r;
}

static int dequantize_linear_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0], *scale = in[1], *zero = n->n_inputs > 2 ? in[2] : NULL;
        Wide wide = type_wide(x->type);
        Shape s = shape_of(x);
        Scales scales;
        Block from, to;
        int r;

        r = type_check(x, TYPES_LINEAR(n) | TYPE(I32), "the input", e);
        if (r == 0 && zero)
                r = type_check(zero, 1u << x->type, "the zero point", e);
        if (r == 0)
                r = scales_init(n, x, scale, &scales, e);
        if (r == 0)
                r = check_scale(scale, zero, scales.count, "the scale", e);
        if (r == 0)
                r = output_new(scale->type, &s, out, e);
        for (size_t at = 0; r == 0 && at < x->count; at += BLOCK) {
                size_t now = MIN(BLOCK, x->count - at);

                elements_load(x, (int64_t)at, 1, now, &from);
                for (size_t i = 0; i < now; i++) {
                        size_t k = scale_at(&scales, at + i);

                        to.f64[i] = (wide_number(wide, &from, i) -
                                     (zero ? tensor_get_f64(zero, k) : 0)) *
                                    tensor_get_f64(scale, k);
                }
                elements_store(*out, at, now, WIDE_F64, &to);
        }
        return r;
}

/* The least and largest of the input and 0 become 0 and 255. */
static int dynamic_quantize_linear_run(const Node *n, const Tensor *const *in, Tensor **out,
                                       Error *e) {
        const Tensor *x = in[0];
        Shape s = shape_of(x), scalar = {};
        double min = 0, max = 0, zero;
        float scale;
        int r;

        r = type_check(x, TYPE(F32), "the input", e);
        for (size_t i = 0; r == 0 && i < x->count; i++) {
                if (!isfinite(x->f32[i]))
                        return error_set(e, -EINVAL, "element %zu is not finite", i);
                min = MIN(min, (double)x->f32[i]);
                max = MAX(max, (double)x->f32[i]);
        }
        scale = (float)((max - min) / 255);
        zero = scale > 0 ? CLAMP(rint((double)(float)(-min / (double)scale)), 0, 255) : 0;
        if (r == 0)
                r = output_new(ELEMENT_U8, &s, out, e);
        for (size_t i = 0; r == 0 && i < x->count; i++)
                tensor_set_f64(out[0], i, scale > 0 ? rint((double)(x->f32[i] / scale)) + zero : 0);
        for (size_t i = 1; r == 0 && i < n->n_outputs; i++) {
                r = output_new(i == 1 ? ELEMENT_F32 : ELEMENT_U8, &scalar, out + i, e);
                if (r == 0)
                        tensor_set_f64(out[i], 0, i == 1 ? (double)scale : zero);
        }
        return r;
}

/*
 * Products and convolutions of integers.
 */

/* x less its zero point, as int32. The zero point is one number, or one for each of `count` parts
 * of `inner` neighbours. */
static int centred(const Tensor *x, const Tensor *zero, size_t count, size_t inner,
                   const char *what, Tensor **ret, Error *e) {
        int r = type_check(x, TYPES_QUANTIZED, what, e);

        if (r < 0)
                return r;
        if (zero && (zero->type != x->type || check_parts(zero, count, what, NULL) < 0))
                return error_set(e, -EINVAL, "the zero point of %s must be %s, 1 or %zu of them",
                                 what, element_type_name(x->type), count);
        r = tensor_convert(x, ELEMENT_I32, ret, e);
        for (size_t i = 0; r == 0 && zero && i < x->count; i++)
                (*ret)->i32[i] -= (int32_t)tensor_get_i64(zero, part(zero, i, inner));
        return r;
}

/* How a sum becomes an element of the output. */
typedef struct Requantization {
        const Tensor *a_scale, *b_scale, *y_scale, *y_zero;
        const int32_t *bias; /* for each part of b, or NULL */
} Requantization;

static double requantize(const Requantization *q, int64_t sum, size_t a, size_t b) {
        double scale = tensor_get_f64(q->a_scale, q->a_scale->count == 1 ? 0 : a) *
                       tensor_get_f64(q->b_scale, q->b_scale->count == 1 ? 0 : b) /
                       tensor_get_f64(q->y_scale, 0);

        return rint((double)(sum + (q->bias ? q->bias[b] : 0)) * scale) +
               tensor_get_f64(q->y_zero, 0);
}

static int requantization_init(Requantization *q, const Tensor *a_scale, size_t a_parts,
                               const Tensor *b_scale, size_t b_parts, const Tensor *y_scale,
                               const Tensor *y_zero, Error *e) {
        int r = check_scale(a_scale, NULL, a_parts, "the first scale", e);

        if (r == 0)
                r = check_scale(b_scale, NULL, b_parts, "the second scale", e);
        if (r == 0)
                r = check_scale(y_scale, y_zero, 1, "the output's scale", e);
        if (r == 0)
                r = type_check(y_zero, TYPES_QUANTIZED, "the output's zero point", e);
        *q = (Requantization){a_scale, b_scale, y_scale, y_zero, NULL};
        return r;
}

/* a may have a zero point for each row, b one for each column. */
static int integer_stacks(Stacks *s, const Node *n, const Tensor *a, const Tensor *a_zero,
                          const Tensor *b, const Tensor *b_zero, Tensor **ret_a, Tensor **ret_b,
                          Error *e) {
        Shape x = shape_of(a), y = shape_of(b);
        int r = stacks_init(s, n, &x, &y, e);

        if (r < 0)
                return r;
        r = centred(a, a_zero, s->product.m, MAX(s->product.k, 1u), "the first input", ret_a, e);
        if (r < 0)
                return r;
        return centred(b, b_zero, s->product.n, 1, "the second input", ret_b, e);
}

static int matmul_integer_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *a = NULL, *b = NULL;
        size_t row, column, count;
        Block sums;
        Stacks s;
        int r;

        r = integer_stacks(&s, n, in[0], n->n_inputs > 2 ? in[2] : NULL, in[1],
                           n->n_inputs > 3 ? in[3] : NULL, &a, &b, e);
        if (r < 0)
                return r;
        r = output_new(ELEMENT_I32, &s.out, out, e);
        if (r < 0)
                return r;
        for (size_t at = 0; (count = stacks_next(&s, a, b, &sums, &row, &column)) > 0; at += count)
                elements_store(*out, at, count, WIDE_I64, &sums);
        return 0;
}

static int qlinear_matmul_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *a = NULL, *b = NULL;
        size_t row, column, count;
        Requantization q;
        Block sums;
        Stacks s;
        int r;

        r = integer_stacks(&s, n, in[0], in[2], in[3], in[5], &a, &b, e);
        if (r < 0)
                return r;
        r = requantization_init(&q, in[1], s.product.m, in[4], s.product.n, in[6], in[7], e);
        if (r < 0)
                return r;
        r = output_new(in[7]->type, &s.out, out, e);
        if (r < 0)
                return r;
        for (size_t at = 0; (count = stacks_next(&s, a, b, &sums, &row, &column)) > 0;
             at += count) {
                for (size_t i = 0; i < count; i++)
                        sums.f64[i] = requantize(&q, sums.i64[i], row, column + i);
                elements_store(*out, at, count, WIDE_F64, &sums);
        }
        return 0;
}

/* The weights may have a zero point for each map. */
static int integer_convolution(Convolution *c, const Node *n, const Tensor *x, const Tensor *x_zero,
                               const Tensor *w, const Tensor *w_zero, Tensor **ret_sums, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *a = NULL, *b = NULL;
        Shape s = shape_of(x), t = shape_of(w);
        int r = convolution_init(c, n, &s, &t, e);

        if (r < 0)
                return r;
        r = centred(x, x_zero, 1, 1, "the input", &a, e);
        if (r < 0)
                return r;
        r = centred(w, w_zero, c->maps, MAX(shape_count(&t, 1, t.rank), 1u), "the weights", &b, e);
        if (r < 0)
                return r;
        return convolution_sums(c, a, b, ret_sums, e);
}

static int conv_integer_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *sums = NULL;
        Convolution c;
        int r = integer_convolution(&c, n, in[0], n->n_inputs > 2 ? in[2] : NULL, in[1],
                                    n->n_inputs > 3 ? in[3] : NULL, &sums, e);

        return r < 0 ? r : tensor_convert(sums, ELEMENT_I32, out, e);
}

static int qlinear_conv_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *sums = NULL;
        const Tensor *bias = n->n_inputs > 8 ? in[8] : NULL;
        Requantization q;
        Convolution c;
        int r;

        r = integer_convolution(&c, n, in[0], in[2], in[3], in[5], &sums, e);
        if (r < 0)
                return r;
        r = requantization_init(&q, in[1], 1, in[4], c.maps, in[6], in[7], e);
        if (r < 0)
                return r;
        if (bias && (bias->type != ELEMENT_I32 || bias->count != c.maps))
                return error_set(e, -EINVAL, "the bias must be %zu numbers of type int32", c.maps);
        q.bias = bias ? bias->i32 : NULL;
        r = output_new(in[7]->type, &c.out, out, e);
        for (size_t i = 0; r == 0 && i < sums->count; i++)
                tensor_set_f64(*out, i,
                               requantize(&q, sums->i64[i], 0, i / c.window.out_count % c.maps));
        return r;
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "QuantizeLinear", 10, OPERATOR_OTHER, 2, 3, 1, quantize_linear_run},
        {DOMAIN_ONNX, "DequantizeLinear", 10, OPERATOR_AFFINE, 2, 3, 1, dequantize_linear_run},
        {DOMAIN_ONNX, "DynamicQuantizeLinear", 11, OPERATOR_OTHER, 1, 1, 3,
         dynamic_quantize_linear_run},
        {DOMAIN_ONNX, "MatMulInteger", 10, OPERATOR_AFFINE, 2, 4, 1, matmul_integer_run},
        {DOMAIN_ONNX, "QLinearMatMul", 10, OPERATOR_OTHER, 8, 8, 1, qlinear_matmul_run},
        {DOMAIN_ONNX, "ConvInteger", 10, OPERATOR_AFFINE, 2, 4, 1, conv_integer_run},
        {DOMAIN_ONNX, "QLinearConv", 10, OPERATOR_OTHER, 8, 9, 1, qlinear_conv_run},
};

const OperatorTable operators_quantized = {operators, ELEMENTSOF(operators)};
