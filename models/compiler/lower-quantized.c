/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

/*
 * Quantised operators as what they stand for: (integer - zero point) * scale. Their saturation is
 * kept, their rounding is not: the program rounds by scales of its own, which calibration finds.
 * DequantizeLinear, MatMulInteger and ConvInteger are affine and need no code of their own.
 */

static double zero_of(const Tensor *zero, size_t i) {
        return zero && zero->count > 0 ? tensor_get_f64(zero, zero->count == 1 ? 0 : i) : 0;
}

static double scale_of(const Tensor *scale, size_t i) {
        return tensor_get_f64(scale, scale->count == 1 ? 0 : i);
}

static void type_range(ElementType type, double *low, double *high) {
        *low = type == ELEMENT_I8 ? -128 : 0;
        *high = type == ELEMENT_I8 ? 127 : 255;
}

/* x / scale + zero, saturated. */
static int quantized(Lowerer *l, Ref x, double scale, double zero, ElementType type, Ref *ret) {
        double low, high;
        int r;

        type_range(type, &low, &high);
        r = lower_sum(l, &(RefTerm){x, 1 / scale}, 1, zero, ret);
        return r < 0 ? r : lower_clamp(l, *ret, low, high, ret);
}

/* Of which element of a scale along an axis element i of x is. */
static size_t part_of(const Node *n, const Tensor *x, size_t i) {
        int64_t axis = attribute_int(n, "axis", 1);
        size_t inner = 1;

        axis += axis < 0 ? (int64_t)x->rank : 0;
        if (axis < 0 || (size_t)axis >= x->rank || x->dim[axis] <= 0)
                return 0;
        for (size_t k = (size_t)axis + 1; k < x->rank; k++)
                inner *= (size_t)x->dim[k];
        return i / MAX(inner, (size_t)1) % (size_t)x->dim[axis];
}

static int others_constant(Lowerer *l, const Node *n) {
        for (size_t k = 1; k < n->n_inputs; k++)
                if (lower_role(l, n, k) != ROLE_CONSTANT)
                        return lower_refuse(l, n, "input %zu is not constant", k);
        return 0;
}

static int lower_quantize(Lowerer *l, const Node *n, const Tensor *const *in,
                          const Tensor *const *out) {
        const Tensor *zero = n->n_inputs > 2 ? in[2] : NULL;
        _cleanup_free_
        Ref *x = NULL;
        int r;

        r = others_constant(l, n);
        if (r >= 0)
                r = lower_input(l, n, 0, in[0], &x);
        for (size_t i = 0; r >= 0 && i < in[0]->count; i++) {
                size_t k = part_of(n, in[0], i);

                r = quantized(l, x[i], scale_of(in[1], k), zero_of(zero, k), out[0]->type, &x[i]);
        }
        if (r < 0)
                return r;
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(x));
}

/* The weights, and a bias in units of both scales, as numbers. inner: neighbours of one scale. */
static int dequantized(const Tensor *q, const Tensor *scale, const Tensor *zero, double factor,
                       size_t inner, Tensor **ret) {
        size_t n = MAX(scale->count, (size_t)1);
        int r;

        r = tensor_new(ELEMENT_F32, q->rank, q->dim, ret);
        for (size_t i = 0; r >= 0 && i < q->count; i++) {
                size_t k = i / MAX(inner, (size_t)1) % n;

                tensor_set_f64(*ret, i,
                               (tensor_get_f64(q, i) - zero_of(zero, k)) * scale_of(scale, k) *
                                       factor);
        }
        return r;
}

typedef struct Quantized { /* the operator on numbers */
        Tensor *x, *w, *bias;
        Ref *refs;
} Quantized;

static void quantized_done(Quantized *q) {
        tensor_free(q->x);
        tensor_free(q->w);
        tensor_free(q->bias);
        free(q->refs);
}

/* QLinearMatMul and QLinearConv: x, its scale and zero point, weights, theirs, the output's. */
static int lower_qlinear(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        bool conv = streq(n->op->name, "QLinearConv");
        _cleanup_(quantized_done)
        Quantized q = {0};
        const Tensor *inputs[3] = {NULL};
        double scale_x = scale_of(in[1], 0), zero_x = zero_of(in[2], 0);
        Node real = *n;
        size_t count = 0, inner;
        Ref *y = NULL;
        int r;

        r = others_constant(l, n);
        if (r < 0)
                return r;
        if (in[1]->count != 1 || in[6]->count != 1)
                return lower_refuse(l, n, "a scale for each row");
        real.op = operator_find(DOMAIN_ONNX, conv ? "Conv" : "MatMul");
        if (!real.op)
                return -EINVAL;
        real.n_inputs = conv && n->n_inputs > 8 && in[8] ? 3 : 2;
        inner = conv ? in[3]->count / MAX((size_t)in[3]->dim[0], (size_t)1) : 1;
        r = lower_input(l, n, 0, in[0], &q.refs);
        for (size_t i = 0; r >= 0 && i < in[0]->count; i++)
                r = lower_sum(l, &(RefTerm){q.refs[i], scale_x}, 1, -zero_x * scale_x, &q.refs[i]);
        if (r >= 0)
                r = tensor_new(ELEMENT_F32, in[0]->rank, in[0]->dim, &q.x);
        if (r >= 0)
                r = dequantized(in[3], in[4], in[5], 1, inner, &q.w);
        if (r >= 0 && real.n_inputs == 3)
                r = dequantized(in[8], in[4], NULL, scale_x, 1, &q.bias);
        if (r < 0)
                return r;
        inputs[0] = q.x;
        inputs[1] = q.w;
        inputs[2] = q.bias;
        r = lower_probe(l, &real, inputs, 0, 0, q.refs, &y, &count);
        for (size_t i = 0; r >= 0 && i < count; i++)
                r = quantized(l, y[i], scale_of(in[6], 0), zero_of(in[7], 0), out[0]->type, &y[i]);
        if (r < 0) {
                free(y);
                return r;
        }
        return lower_output(l, n, 0, count, y);
}

const LowerEntry lower_quantized[] = {
        {DOMAIN_ONNX, "QuantizeLinear", lower_quantize},
        {DOMAIN_ONNX, "QLinearMatMul", lower_qlinear},
        {DOMAIN_ONNX, "QLinearConv", lower_qlinear},
        {NULL, NULL, NULL},
};
