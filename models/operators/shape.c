/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/operators/common.h"

/*
 * Operators that change or tell the shape alone, and those that make tensors of attributes.
 */

/* The same elements in another shape. */
static int move_reshaped(const Node *n, const Tensor *x, const Shape *to, Tensor **out, Error *e) {
        Shape from = shape_of(x);
        int64_t stride[TENSOR_RANK_MAX];
        ShapeText s, t;
        size_t count;
        int r = tensor_count(to->rank, to->dim, &count);

        if (r < 0 || count != x->count)
                return error_set(e, -EINVAL, "%zu elements of shape %s cannot have shape %s",
                                 x->count, shape_text(&from, &s), shape_text(to, &t));
        shape_strides(to, stride);
        return tensor_strided(n, x, 0, to, stride, out, e);
}

static int identity_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Shape s = shape_of(in[0]);

        return move_reshaped(n, in[0], &s, out, e);
}

static int flatten_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        int64_t axis = attribute_int(n, "axis", 1), rank = (int64_t)in[0]->rank;
        Shape s = shape_of(in[0]), to = {.rank = 2};

        if (axis < -rank || axis > rank)
                return error_set(e, -EINVAL, "axis %" PRId64 " of a tensor with %zu dimensions",
                                 axis, s.rank);
        axis += axis < 0 ? rank : 0;
        to.dim[0] = (int64_t)shape_count(&s, 0, (size_t)axis);
        to.dim[1] = (int64_t)shape_count(&s, (size_t)axis, s.rank);
        return move_reshaped(n, in[0], &to, out, e);
}

/* One -1 in the shape stands for what is left; 0 for the input's own dimension, unless allowzero.
 */
static int reshape_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0];
        bool zeros = n->opset >= 14 && attribute_int(n, "allowzero", 0) != 0;
        size_t known, inferred = SIZE_MAX;
        Shape to = {};
        Ints shape;
        int r;

        r = ints_get(n, in, "shape", 5, 1, &shape, e);
        if (r < 0)
                return r;
        if (!shape.given || shape.n > TENSOR_RANK_MAX)
                return error_set(e, -EINVAL, "the shape must have at most %d dimensions",
                                 TENSOR_RANK_MAX);
        for (; to.rank < shape.n; to.rank++) {
                int64_t dim = shape.at[to.rank];

                if (dim < -1 || (dim == -1 && inferred != SIZE_MAX))
                        return error_set(e, -EINVAL,
                                         dim == -1 ? "more than one dimension is -1"
                                                   : "a dimension is below -1");
                if (dim == 0 && !zeros && to.rank >= x->rank)
                        return error_set(e, -EINVAL,
                                         "dimension %zu is 0, but the input has only %zu", to.rank,
                                         x->rank);
                if (dim == -1)
                        inferred = to.rank;
                to.dim[to.rank] = dim == -1 ? 1 : dim == 0 && !zeros ? x->dim[to.rank] : dim;
        }
        if (inferred != SIZE_MAX && tensor_count(to.rank, to.dim, &known) == 0) {
                if (known == 0)
                        return error_set(e, -EINVAL,
                                         "-1 beside a dimension of 0 could be anything");
                to.dim[inferred] = (int64_t)(x->count / known);
        }
        return move_reshaped(n, x, &to, out, e);
}

static int squeeze_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0];
        bool marked[TENSOR_RANK_MAX];
        Shape to = {};
        Ints axes;
        int r;

        r = ints_get(n, in, "axes", 13, 1, &axes, e);
        if (r < 0)
                return r;
        r = axes_mark(&axes, x->rank, marked, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < x->rank; i++) {
                if (marked[i] && x->dim[i] != 1)
                        return error_set(e, -EINVAL, "dimension %zu is %" PRId64 ", not 1", i,
                                         x->dim[i]);
                if (axes.given ? !marked[i] : x->dim[i] != 1)
                        to.dim[to.rank++] = x->dim[i];
        }
        return move_reshaped(n, x, &to, out, e);
}

static int unsqueeze_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0];
        bool marked[TENSOR_RANK_MAX];
        Shape to = {};
        Ints axes;
        int r;

        r = ints_get(n, in, "axes", 13, 1, &axes, e);
        if (r < 0)
                return r;
        if (!axes.given || x->rank + axes.n > TENSOR_RANK_MAX)
                return error_set(e, -EINVAL,
                                 "%zu axes more than %zu: at most %d in all are accepted", axes.n,
                                 x->rank, TENSOR_RANK_MAX);
        to.rank = x->rank + axes.n;
        r = axes_mark(&axes, to.rank, marked, e);
        if (r < 0)
                return r;
        for (size_t i = 0, k = 0; i < to.rank; i++)
                to.dim[i] = marked[i] ? 1 : x->dim[k++];
        return move_reshaped(n, x, &to, out, e);
}

static int shape_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        int64_t rank = (int64_t)in[0]->rank, start = 0, end = rank;
        Shape to = {.rank = 1};
        int r;

        if (n->opset >= 15) {
                start = attribute_int(n, "start", 0);
                end = attribute_int(n, "end", rank);
        }
        start = CLAMP(start < 0 ? start + rank : start, 0, rank);
        end = CLAMP(end < 0 ? end + rank : end, 0, rank);
        to.dim[0] = MAX(end - start, 0);
        r = output_new(ELEMENT_I64, &to, out, e);
        for (int64_t i = 0; r == 0 && i < to.dim[0]; i++)
                (*out)->i64[i] = in[0]->dim[start + i];
        return r;
}

static int size_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        int r = output_new(ELEMENT_I64, &(Shape){}, out, e);

        if (r == 0)
                (*out)->i64[0] = (int64_t)in[0]->count;
        return r;
}

static int constant_list(const Attribute *a, Tensor **out, Error *e) {
        bool list = a->kind == ATTRIBUTE_INTS || a->kind == ATTRIBUTE_FLOATS ||
                    a->kind == ATTRIBUTE_STRINGS;
        bool text = a->kind == ATTRIBUTE_STRING || a->kind == ATTRIBUTE_STRINGS;
        bool whole = a->kind == ATTRIBUTE_INT || a->kind == ATTRIBUTE_INTS;
        Shape s = {.rank = list ? 1 : 0, .dim = {(int64_t)a->n}};
        int r;

        r = output_new(text ? ELEMENT_STRING : whole ? ELEMENT_I64 : ELEMENT_F32, &s, out, e);
        for (size_t i = 0; r == 0 && i < a->n; i++) {
                if (whole) {
                        (*out)->i64[i] = a->ints[i];
                } else if (!text) {
                        (*out)->f32[i] = a->floats[i];
                } else {
                        (*out)->string[i] = strdup(a->strings[i]);
                        r = (*out)->string[i] ? 0 : -ENOMEM;
                }
        }
        return r;
}

static int constant_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        static const struct {
                const char *name;
                AttributeKind kind;
        } forms[] = {
                {"value", ATTRIBUTE_TENSOR},          {"value_int", ATTRIBUTE_INT},
                {"value_ints", ATTRIBUTE_INTS},       {"value_float", ATTRIBUTE_FLOAT},
                {"value_floats", ATTRIBUTE_FLOATS},   {"value_string", ATTRIBUTE_STRING},
                {"value_strings", ATTRIBUTE_STRINGS},
        };
        const Attribute *found = NULL;

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                const Attribute *a = attribute_find(n, forms[i].name, forms[i].kind);

                if (a && found)
                        return error_set(e, -EINVAL, "attributes %s and %s: one is accepted",
                                         found->name, a->name);
                found = a ? a : found;
        }
        if (!found)
                return error_set(e, -EINVAL, "no value is given");
        if (found->kind == ATTRIBUTE_TENSOR) {
                Shape s = shape_of(found->tensor);

                return move_reshaped(n, found->tensor, &s, out, e);
        }
        return constant_list(found, out, e);
}

static int constant_of_shape_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        static const int64_t none[TENSOR_RANK_MAX];
        const Attribute *value = attribute_find(n, "value", ATTRIBUTE_TENSOR);
        Shape to = {};
        Ints shape;
        int r;

        r = ints_from_tensor(in[0], "the shape", &shape, e);
        if (r < 0)
                return r;
        if (shape.n > TENSOR_RANK_MAX)
                return error_set(e, -EINVAL, "a shape of %zu dimensions", shape.n);
        if (value && value->tensor->count != 1)
                return error_set(e, -EINVAL, "the value must have one element");
        to.rank = shape.n;
        memcpy(to.dim, shape.at, shape.n * sizeof(to.dim[0]));
        if (value)
                return tensor_strided(n, value->tensor, 0, &to, none, out, e);
        return output_new(ELEMENT_F32, &to, out, e);
}

/* Whether the node would draw random numbers. */
static bool dropout_trains(const Node *n, const Tensor *const *in, double ratio) {
        if (n->opset >= 12)
                return n->n_inputs > 2 && in[2] && tensor_get_f64(in[2], 0) != 0 && ratio != 0;
        return n->opset < 7 && attribute_int(n, "is_test", 0) == 0 && ratio != 0;
}

static int dropout_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        double ratio = n->opset < 12 ? (double)attribute_float(n, "ratio", 0.5f) : 0.5, ignored;
        Shape s = shape_of(in[0]);
        int r;

        r = type_check(in[0], TYPES_FLOAT, "the input", e);
        if (r < 0)
                return r;
        if (n->opset < 12 && n->n_inputs > 1)
                return error_set(e, -EINVAL, "ratio is no input before version 12");
        if (n->n_inputs > 1 && in[1]) {
                r = scalar_get(in[1], "the ratio", &ratio, e);
                if (r < 0)
                        return r;
        }
        if (n->n_inputs > 2 && in[2]) {
                r = scalar_get(in[2], "training_mode", &ignored, e);
                if (r < 0)
                        return r;
        }
        if (dropout_trains(n, in, ratio))
                return error_set(e, -EINVAL, "training mode draws random numbers: not supported");
        r = identity_run(n, in, out, e);
        if (r < 0 || n->n_outputs < 2)
                return r;
        /* Nothing is dropped: the mask keeps all. Before version 10 it has the input's type. */
        r = output_new(n->opset < 10 ? in[0]->type : ELEMENT_BOOL, &s, out + 1, e);
        for (size_t i = 0; r == 0 && i < in[0]->count; i++)
                tensor_set_f64(out[1], i, 1);
        return r;
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "Identity", 1, OPERATOR_MOVE, 1, 1, 1, identity_run},
        {DOMAIN_ONNX, "Dropout", 1, OPERATOR_MOVE, 1, 3, 2, dropout_run},
        {DOMAIN_ONNX, "Flatten", 1, OPERATOR_MOVE, 1, 1, 1, flatten_run},
        {DOMAIN_ONNX, "Reshape", 1, OPERATOR_MOVE, 1, 2, 1, reshape_run},
        {DOMAIN_ONNX, "Squeeze", 1, OPERATOR_MOVE, 1, 2, 1, squeeze_run},
        {DOMAIN_ONNX, "Unsqueeze", 1, OPERATOR_MOVE, 1, 2, 1, unsqueeze_run},
        {DOMAIN_ONNX, "Constant", 1, OPERATOR_OTHER, 0, 0, 1, constant_run},
        {DOMAIN_ONNX, "ConstantOfShape", 9, OPERATOR_OTHER, 1, 1, 1, constant_of_shape_run},
        {DOMAIN_ONNX, "Shape", 1, OPERATOR_OTHER, 1, 1, 1, shape_run},
        {DOMAIN_ONNX, "Size", 1, OPERATOR_OTHER, 1, 1, 1, size_run},
};

const OperatorTable operators_shape = {operators, ELEMENTSOF(operators)};
