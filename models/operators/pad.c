/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/operators/common.h"

/*
 * Pad: a tensor with more around it, or, where a pad is negative, less.
 */

typedef enum PadMode { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP, _PAD_MODE_COUNT } PadMode;

typedef struct Pads {
        PadMode mode;
        int64_t before[TENSOR_RANK_MAX];
        Shape from, to;
} Pads;

static int read_mode(const Node *n, PadMode *ret, Error *e) {
        static const char *const names[_PAD_MODE_COUNT] = {"constant", "edge", "reflect", "wrap"};
        const char *mode = attribute_string(n, "mode", "constant");
        int known = n->opset < 19 ? PAD_WRAP : _PAD_MODE_COUNT;

        for (int i = 0; i < known; i++)
                if (streq(mode, names[i])) {
                        *ret = (PadMode)i;
                        return 0;
                }
        return error_set(e, -EINVAL, "mode '%.40s': accepted are constant, edge, reflect%s", mode,
                         n->opset < 19 ? "" : " and wrap");
}

/* The axes that the pads are of: all, but where they are named. */
static int read_axes(const Node *n, const Tensor *const *in, size_t rank, Ints *ret, Error *e) {
        bool marked[TENSOR_RANK_MAX];
        int r;

        *ret = (Ints){.n = rank};
        for (size_t i = 0; i < rank; i++)
                ret->at[i] = (int64_t)i;
        if (n->n_inputs <= 3 || !in[3])
                return 0;
        r = ints_from_tensor(in[3], "input axes", ret, e);
        return r < 0 ? r : axes_mark(ret, rank, marked, e);
}

static int pads_init(Pads *p, const Node *n, const Tensor *const *in, Error *e) {
        Ints axes, pads;
        ShapeText text;
        int r;

        p->from = p->to = shape_of(in[0]);
        r = read_mode(n, &p->mode, e);
        if (r >= 0)
                r = read_axes(n, in, p->from.rank, &axes, e);
        if (r >= 0)
                r = ints_get(n, in, n->opset < 2 ? "paddings" : "pads", 11, 1, &pads, e);
        if (r < 0)
                return r;
        if (pads.n != 2 * axes.n)
                return error_set(e, -EINVAL, "%zu pads for %zu axes: two of each are needed",
                                 pads.n, axes.n);
        for (size_t i = 0; i < axes.n; i++) {
                int64_t before = pads.at[i], after = pads.at[axes.n + i];
                size_t axis;

                axis_check(axes.at[i], p->from.rank, &axis, NULL);
                p->before[axis] = before;
                if (before < -INT32_MAX || before > INT32_MAX || after < -INT32_MAX ||
                    after > INT32_MAX || p->from.dim[axis] + before + after < 0 ||
                    (p->mode != PAD_CONSTANT && p->from.dim[axis] == 0 && before + after > 0))
                        return error_set(e, -EINVAL,
                                         "pads %" PRId64 " and %" PRId64 " of axis %zu of %s",
                                         before, after, axis, shape_text(&p->from, &text));
                p->to.dim[axis] += before + after;
        }
        return 0;
}

/* Which of dim elements stands at i, which may be beyond either end; -1: none. */
static int64_t source(PadMode mode, int64_t i, int64_t dim) {
        int64_t period = 2 * (dim - 1);

        if (i >= 0 && i < dim)
                return i;
        switch (mode) {
        case PAD_EDGE:
                return CLAMP(i, 0, dim - 1);
        case PAD_REFLECT:
                if (period == 0)
                        return 0;
                i = ((i % period) + period) % period;
                return i < dim ? i : period - i;
        case PAD_WRAP:
                return ((i % dim) + dim) % dim;
        default:
                return -1;
        }
}

/* What goes around: a tensor of one element. */
static int read_fill(const Node *n, const Tensor *const *in, Tensor **owned, const Tensor **ret,
                     Error *e) {
        int r;

        if (n->opset >= 11 && n->n_inputs > 2 && in[2]) {
                *ret = in[2];
                if (in[2]->count != 1 || in[2]->type != in[0]->type)
                        return error_set(e, -EINVAL, "the constant must be one number of type %s",
                                         element_type_name(in[0]->type));
                return 0;
        }
        r = tensor_new(in[0]->type, 0, NULL, owned);
        if (r < 0)
                return r;
        if (n->opset < 11)
                tensor_set_f64(*owned, 0, (double)attribute_float(n, "value", 0));
        *ret = *owned;
        return 0;
}

static int pad_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *owned = NULL;
        const Tensor *fill = NULL;
        int64_t index[TENSOR_RANK_MAX] = {0}, stride[TENSOR_RANK_MAX];
        Pads p = {0};
        int r;

        r = type_check(in[0], n->opset < 11 ? TYPES_FLOAT : TYPES_NUMBER | TYPE(BOOL), "the input",
                       e);
        if (r >= 0)
                r = pads_init(&p, n, in, e);
        if (r >= 0)
                r = read_fill(n, in, &owned, &fill, e);
        if (r >= 0)
                r = output_new(in[0]->type, &p.to, out, e);
        if (r >= 0)
                r = operator_spend(n, (*out)->count, p.to.rank + 1, 1, e);
        if (r < 0)
                return r;
        shape_strides(&p.from, stride);
        for (size_t i = 0; i < (*out)->count && r >= 0; i++) {
                int64_t at = 0;

                for (size_t k = 0; k < p.to.rank && at >= 0; k++) {
                        int64_t from = source(p.mode, index[k] - p.before[k], p.from.dim[k]);

                        at = from < 0 ? -1 : at + from * stride[k];
                }
                r = elements_copy(*out, i, at < 0 ? fill : in[0], MAX(at, 0), 1, 1);
                for (size_t k = p.to.rank; k-- > 0 && ++index[k] == p.to.dim[k];)
                        index[k] = 0;
        }
        return r;
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "Pad", 1, OPERATOR_AFFINE, 1, 4, 1, pad_run},
};

const OperatorTable operators_pad = {operators, ELEMENTSOF(operators)};
