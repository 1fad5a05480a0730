/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/operators/common.h"

/*
 * Operators that copy parts of tensors, or put them into another order.
 */

static int transpose_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0];
        Shape s = shape_of(x), to = {.rank = s.rank};
        int64_t own[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX];
        bool marked[TENSOR_RANK_MAX];
        Ints perm;
        int r;

        r = ints_from_attribute(n, "perm", &perm, e);
        if (r < 0)
                return r;
        if (!perm.given)
                for (; perm.n < s.rank; perm.n++)
                        perm.at[perm.n] = (int64_t)(s.rank - 1 - perm.n);
        if (perm.n != s.rank)
                return error_set(e, -EINVAL, "perm has %zu numbers for %zu dimensions", perm.n,
                                 s.rank);
        r = axes_mark(&perm, s.rank, marked, e);
        if (r < 0)
                return r;
        shape_strides(&s, own);
        for (size_t i = 0; i < s.rank; i++) {
                size_t from = (size_t)(perm.at[i] + (perm.at[i] < 0 ? (int64_t)s.rank : 0));

                to.dim[i] = s.dim[from];
                stride[i] = own[from];
        }
        return tensor_strided(n, x, 0, &to, stride, out, e);
}

static int expand_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Shape s = shape_of(in[0]), to = {};
        int64_t own[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX] = {};
        Ints shape;
        int r;

        r = ints_from_tensor(in[1], "input shape", &shape, e);
        if (r < 0)
                return r;
        if (shape.n > TENSOR_RANK_MAX)
                return error_set(e, -EINVAL, "a shape of %zu dimensions", shape.n);
        to.rank = shape.n;
        memcpy(to.dim, shape.at, shape.n * sizeof(to.dim[0]));
        r = shape_broadcast(&to, &s, e);
        if (r < 0)
                return r;
        shape_strides(&s, own);
        for (size_t i = 0; i < s.rank; i++)
                stride[to.rank - s.rank + i] = s.dim[i] == 1 ? 0 : own[i];
        return tensor_strided(n, in[0], 0, &to, stride, out, e);
}

static int concat_shape(const Node *n, const Tensor *const *in, size_t *ret_axis, Shape *ret,
                        Error *e) {
        Shape to = shape_of(in[0]), s;
        ShapeText a, b;
        int r;

        if (n->opset >= 4 && !attribute_find(n, "axis", ATTRIBUTE_INT))
                return error_set(e, -EINVAL, "attribute axis is missing");
        r = axis_check(attribute_int(n, "axis", 1), to.rank, ret_axis, e);
        if (r < 0)
                return r;
        for (size_t i = 1; i < n->n_inputs; i++) {
                bool fits;

                if (!in[i])
                        return error_set(e, -EINVAL, "input %zu is not given", i);
                s = shape_of(in[i]);
                fits = s.rank == to.rank && in[i]->type == in[0]->type;
                for (size_t k = 0; fits && k < s.rank; k++)
                        fits = k == *ret_axis || s.dim[k] == to.dim[k];
                if (!fits)
                        return error_set(e, -EINVAL, "%s %s does not join %s %s along axis %zu",
                                         element_type_name(in[i]->type), shape_text(&s, &a),
                                         element_type_name(in[0]->type), shape_text(&to, &b),
                                         *ret_axis);
                to.dim[*ret_axis] += s.dim[*ret_axis];
        }
        *ret = to;
        return 0;
}

static int concat_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        size_t axis, outer, row, offset = 0;
        Shape to;
        int r;

        r = concat_shape(n, in, &axis, &to, e);
        if (r < 0)
                return r;
        r = output_new(in[0]->type, &to, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        outer = shape_count(&to, 0, axis);
        row = (*out)->count / outer;
        for (size_t i = 0; i < n->n_inputs; i++) {
                size_t part = in[i]->count / outer;

                r = strings_check(n, in[i], in[i]->count, e);
                for (size_t k = 0; r == 0 && part > 0 && k < outer; k++)
                        r = elements_copy(*out, k * row + offset, in[i], (int64_t)(k * part), 1,
                                          part);
                if (r < 0)
                        return r;
                offset += part;
        }
        return 0;
}

static int split_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Shape s = shape_of(in[0]), to = s;
        int64_t stride[TENSOR_RANK_MAX], at = 0, left, even;
        size_t axis;
        Ints parts;
        int r;

        r = axis_check(attribute_int(n, "axis", 0), s.rank, &axis, e);
        if (r < 0)
                return r;
        r = ints_get(n, in, "split", 13, 1, &parts, e);
        if (r < 0)
                return r;
        left = s.dim[axis];
        /* From version 18 on the last part may be smaller. */
        even = (left + (int64_t)n->n_outputs - 1) / (int64_t)n->n_outputs;
        if (parts.given ? parts.n != n->n_outputs
                        : n->opset < 18 && even * (int64_t)n->n_outputs != left)
                return error_set(e, -EINVAL, "dimension %zu of %" PRId64 " is not split into %zu",
                                 axis, left, n->n_outputs);
        shape_strides(&s, stride);
        for (size_t i = 0; i < n->n_outputs; i++) {
                to.dim[axis] = parts.given ? parts.at[i] : MIN(even, left);
                if (to.dim[axis] < 0 || to.dim[axis] > left)
                        return error_set(e, -EINVAL, "part %zu is not within dimension %zu", i,
                                         axis);
                left -= to.dim[axis];
                r = tensor_strided(n, in[0], at * stride[axis], &to, stride, out + i, e);
                if (r < 0)
                        return r;
                at += to.dim[axis];
        }
        return left == 0 ? 0
                         : error_set(e, -EINVAL, "the parts do not make up dimension %zu", axis);
}

/* One axis of a slice: from the first to before the last, every step-th; negative ones count from
 * the end, and what is outside is cut. */
static void slice_axis(int64_t dim, int64_t first, int64_t end, int64_t step, int64_t *ret_first,
                       int64_t *ret_count) {
        uint64_t pace = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
        int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim, span;

        first = CLAMP(first < 0 ? first + dim : first, step < 0 ? 0 : low, high);
        end = CLAMP(end < 0 ? end + dim : end, low, high);
        if (dim == 0)
                first = end = 0;
        span = step < 0 ? first - end : end - first;
        *ret_first = first;
        *ret_count = span <= 0 ? 0 : (int64_t)(1 + ((uint64_t)span - 1) / pace);
}

static int slice_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        static const char *const names[] = {"starts", "ends", "axes", "steps"};
        Ints given[4]; /* in the order of names */
        Shape to = shape_of(in[0]);
        int64_t stride[TENSOR_RANK_MAX], at = 0;
        bool marked[TENSOR_RANK_MAX];
        int r;

        for (size_t i = 0; i < 4; i++) {
                r = ints_get(n, in, names[i], 10, i + 1, given + i, e);
                if (r < 0)
                        return r;
                if (i < 2 && !given[i].given)
                        return error_set(e, -EINVAL, "%s are not given", names[i]);
                if (given[i].given && given[i].n != given[0].n)
                        return error_set(e, -EINVAL, "%zu %s for %zu starts", given[i].n, names[i],
                                         given[0].n);
        }
        if (!given[2].given)
                for (; given[2].n < given[0].n; given[2].n++)
                        given[2].at[given[2].n] = (int64_t)given[2].n;
        r = axes_mark(given + 2, to.rank, marked, e);
        if (r < 0)
                return r;
        shape_strides(&to, stride);
        for (size_t i = 0; i < given[0].n; i++) {
                int64_t step = given[3].given && n->opset >= 10 ? given[3].at[i] : 1, first;
                size_t axis;

                if (step == 0)
                        return error_set(e, -EINVAL, "a step of 0");
                axis_check(given[2].at[i], to.rank, &axis, NULL);
                slice_axis(to.dim[axis], given[0].at[i], given[1].at[i], step, &first,
                           &to.dim[axis]);
                at += first * stride[axis];
                stride[axis] = to.dim[axis] > 1 ? stride[axis] * step : 0;
        }
        return tensor_strided(n, in[0], at, &to, stride, out, e);
}

/* Indices of dimension `dim`, from the end where negative. */
static int indices_check(const Tensor *t, int64_t dim, int64_t **ret, Error *e) {
        _cleanup_free_
        int64_t *at = NULL;
        int r = type_check(t, TYPES_INDEX, "input indices", e);

        if (r < 0)
                return r;
        at = calloc(MAX(t->count, 1u), sizeof(*at));
        if (!at)
                return -ENOMEM;
        elements_load(t, 0, 1, t->count, at);
        for (size_t i = 0; i < t->count; i++) {
                if (at[i] < -dim || at[i] >= dim)
                        return error_set(e, -EINVAL,
                                         "index %" PRId64 " is outside a dimension of %" PRId64,
                                         at[i], dim);
                at[i] += at[i] < 0 ? dim : 0;
        }
        *ret = TAKE_PTR(at);
        return 0;
}

static int gather_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0], *indices = in[1];
        _cleanup_free_
        int64_t *at = NULL;
        Shape s = shape_of(x), to = {};
        size_t axis, inner, done = 0;
        int r;

        r = axis_check(attribute_int(n, "axis", 0), s.rank, &axis, e);
        if (r < 0)
                return r;
        r = indices_check(indices, s.dim[axis], &at, e);
        if (r < 0)
                return r;
        if (s.rank - 1 + indices->rank > TENSOR_RANK_MAX)
                return error_set(e, -EINVAL, "an output of %zu dimensions: at most %d are accepted",
                                 s.rank - 1 + indices->rank, TENSOR_RANK_MAX);
        for (size_t i = 0; i < axis; i++)
                to.dim[to.rank++] = s.dim[i];
        for (size_t i = 0; i < indices->rank; i++)
                to.dim[to.rank++] = indices->dim[i];
        for (size_t i = axis + 1; i < s.rank; i++)
                to.dim[to.rank++] = s.dim[i];
        r = output_new(x->type, &to, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        r = strings_check(n, x, (*out)->count, e);
        inner = shape_count(&s, axis + 1, s.rank);
        for (size_t i = 0; done < (*out)->count; i++)
                for (size_t k = 0; k < indices->count; k++, done += inner) {
                        if (r < 0)
                                return r;
                        r = elements_copy(*out, done, x,
                                          ((int64_t)i * s.dim[axis] + at[k]) * (int64_t)inner, 1,
                                          inner);
                }
        return r;
}

static int where_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Shape shapes[3], all = {};
        Walk walks[3];
        int r;

        r = type_check(in[0], TYPE(BOOL), "the condition", e);
        if (r < 0)
                return r;
        if (in[1]->type != in[2]->type)
                return error_set(e, -EINVAL, "inputs of types %s and %s: they must be equal",
                                 element_type_name(in[1]->type), element_type_name(in[2]->type));
        for (size_t i = 0; i < 3; i++) {
                shapes[i] = shape_of(in[i]);
                r = shape_broadcast(&all, shapes + i, e);
                if (r < 0)
                        return r;
        }
        r = output_new(in[1]->type, &all, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        for (size_t i = 0; i < 3; i++) {
                walk_init_broadcast(walks + i, shapes + i, &all);
                r = strings_check(n, in[i], (*out)->count, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < (*out)->count && r == 0; i++) {
                int64_t at[3], step;
                size_t from;

                for (size_t k = 0; k < 3; k++)
                        walk_next(walks + k, 1, at + k, &step);
                from = in[0]->u8[at[0]] ? 1 : 2;
                r = elements_copy(*out, i, in[from], at[from], 1, 1);
        }
        return r;
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "Transpose", 1, OPERATOR_MOVE, 1, 1, 1, transpose_run},
        {DOMAIN_ONNX, "Slice", 1, OPERATOR_MOVE, 1, 5, 1, slice_run},
        {DOMAIN_ONNX, "Gather", 1, OPERATOR_MOVE, 2, 2, 1, gather_run},
        {DOMAIN_ONNX, "Expand", 8, OPERATOR_MOVE, 2, 2, 1, expand_run},
        {DOMAIN_ONNX, "Split", 1, OPERATOR_MOVE, 1, 2, GRAPH_EDGES_MAX, split_run},
        {DOMAIN_ONNX, "Concat", 1, OPERATOR_OTHER, 1, GRAPH_EDGES_MAX, 1, concat_run},
        {DOMAIN_ONNX, "Where", 9, OPERATOR_OTHER, 3, 3, 1, where_run},
};

const OperatorTable operators_move = {operators, ELEMENTSOF(operators)};
