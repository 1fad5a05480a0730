/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/operators/ml-common.h"

int rows_init(const Tensor *t, Rows *ret, Error *e) {
        if (t->type != ELEMENT_F32 && t->type != ELEMENT_F64 && t->type != ELEMENT_I32 &&
            t->type != ELEMENT_I64)
                return error_set(
                        e, -EINVAL,
                        "input is %s, but float32, float64, int32 and int64 are what it takes",
                        element_type_name(t->type));
        if (t->rank != 1 && t->rank != 2)
                return error_set(e, -EINVAL, "input has %zu dimensions, but [N, F] or [F] is taken",
                                 t->rank);
        *ret = (Rows){
                .tensor = t,
                .n = t->rank == 1 ? 1 : (size_t)t->dim[0],
                .width = (size_t)t->dim[t->rank - 1],
        };
        return 0;
}

void rows_get(const Rows *rows, size_t i, double *ret) {
        if (rows->tensor->type == ELEMENT_F32) {
                for (size_t k = 0; k < rows->width; k++)
                        ret[k] = (double)rows->tensor->f32[i * rows->width + k];
                return;
        }
        for (size_t k = 0; k < rows->width; k++)
                ret[k] = tensor_get_f64(rows->tensor, i * rows->width + k);
}

Ints node_ints(const Node *n, const char *name) {
        const Attribute *a = attribute_find(n, name, ATTRIBUTE_INTS);

        return a ? (Ints){a->n, a->ints} : (Ints){0};
}

Strings node_strings(const Node *n, const char *name) {
        const Attribute *a = attribute_find(n, name, ATTRIBUTE_STRINGS);

        return a ? (Strings){a->n, a->strings} : (Strings){0};
}

Numbers node_floats(const Node *n, const char *name) {
        const Attribute *a = attribute_find(n, name, ATTRIBUTE_FLOATS);

        return a ? (Numbers){.n = a->n, .f32 = a->floats} : (Numbers){0};
}

int node_numbers(const Node *n, const char *name, Numbers *ret, Error *e) {
        Numbers floats = node_floats(n, name);
        char as_tensor[64];
        const Attribute *a;

        snprintf(as_tensor, sizeof(as_tensor), "%s_as_tensor", name);
        a = attribute_find(n, as_tensor, ATTRIBUTE_TENSOR);
        if (!a || a->tensor->count == 0) {
                *ret = floats;
                return 0;
        }
        if (floats.n > 0)
                return error_set(e, -EINVAL, "attributes %s and %s are given, but one is taken",
                                 name, as_tensor);
        if (a->tensor->type == ELEMENT_F64)
                *ret = (Numbers){.n = a->tensor->count, .f64 = a->tensor->f64};
        else if (a->tensor->type == ELEMENT_F32)
                *ret = (Numbers){.n = a->tensor->count, .f32 = a->tensor->f32};
        else
                return error_set(e, -EINVAL,
                                 "attribute %s is %s, but float32 and float64 are what it takes",
                                 as_tensor, element_type_name(a->tensor->type));
        return 0;
}

int node_post_transform(const Node *n, PostTransform *ret, Error *e) {
        static const char *const names[_POST_TRANSFORM_COUNT] = {
                [POST_NONE] = "NONE",         [POST_SOFTMAX] = "SOFTMAX",
                [POST_LOGISTIC] = "LOGISTIC", [POST_SOFTMAX_ZERO] = "SOFTMAX_ZERO",
                [POST_PROBIT] = "PROBIT",
        };
        const char *name = attribute_string(n, "post_transform", "NONE");

        for (int i = 0; i < _POST_TRANSFORM_COUNT; i++)
                if (streq(name, names[i])) {
                        *ret = (PostTransform)i;
                        return 0;
                }
        return error_set(e, -EINVAL,
                         "attribute post_transform is '%.32s', but NONE, SOFTMAX, LOGISTIC, "
                         "SOFTMAX_ZERO and PROBIT are what it takes",
                         name);
}

static double largest(const double *x, size_t n) {
        double most = -INFINITY;

        for (size_t i = 0; i < n; i++)
                most = x[i] > most ? x[i] : most;
        return most;
}

static void softmax(double *x, size_t n) {
        double most = largest(x, n), sum = 0;

        for (size_t i = 0; i < n; i++) {
                x[i] = exp(x[i] - most);
                sum += x[i];
        }
        for (size_t i = 0; i < n; i++)
                x[i] /= sum;
}

/* 1e-7 and the 0.5 where all are zero are those of ONNX's reference implementation. */
static void softmax_zero(double *x, size_t n) {
        double most = largest(x, n), sum = 0;

        for (size_t i = 0; i < n; i++) {
                x[i] = fabs(x[i]) > 1e-7 ? exp(x[i] - most) : x[i] * exp(-most);
                sum += x[i];
        }
        for (size_t i = 0; i < n; i++)
                x[i] = sum == 0 ? 0.5 : x[i] / sum;
}

static double logistic(double x) {
        return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* S. Winitzki, "A handy approximation for the error function and its inverse", 2008, with a =
 * 0.147: what other engines compute, within 2e-3 of the truth. */
static double probit(double p) {
        const double a = 0.147;
        double x = 2 * p - 1, l = log1p(-x * x), v = 2 / (M_PI * a) + 0.5 * l;

        return copysign(M_SQRT2 * sqrt(sqrt(v * v - l / a) - v), x);
}

void post_transform_apply(PostTransform transform, double *scores, size_t n) {
        switch (transform) {
        case POST_SOFTMAX:
                softmax(scores, n);
                break;
        case POST_SOFTMAX_ZERO:
                softmax_zero(scores, n);
                break;
        case POST_LOGISTIC:
                for (size_t i = 0; i < n; i++)
                        scores[i] = logistic(scores[i]);
                break;
        case POST_PROBIT:
                for (size_t i = 0; i < n; i++)
                        scores[i] = probit(scores[i]);
                break;
        default:
                break;
        }
}

int node_labels(const Node *n, const char *ints, Labels *ret, Error *e) {
        Ints i = node_ints(n, ints);
        Strings s = node_strings(n, "classlabels_strings");
        size_t count = i.n + s.n;

        if (count == 0)
                return error_set(e, -EINVAL,
                                 "neither attribute %s nor classlabels_strings is given", ints);
        if (i.n > 0 && s.n > 0)
                return error_set(
                        e, -EINVAL,
                        "attributes %s and classlabels_strings are given, but one is taken", ints);
        if (count > LABELS_MAX)
                return error_set(e, -EINVAL, "%zu class labels, but at most %zu are taken", count,
                                 LABELS_MAX);
        *ret = (Labels){.n = count, .ints = i.n > 0 ? i.x : NULL, .strings = s.n > 0 ? s.x : NULL};
        return 0;
}

int labels_tensor_new(const Labels *labels, size_t rows, Tensor **ret) {
        return tensor_new(labels->strings ? ELEMENT_STRING : ELEMENT_I64, 1,
                          (const int64_t[]){(int64_t)rows}, ret);
}

int labels_set(const Labels *labels, Tensor *t, size_t row, size_t class) {
        if (!labels->strings) {
                t->i64[row] = labels->ints[class];
                return 0;
        }
        t->string[row] = strdup(labels->strings[class]);
        return t->string[row] ? 0 : -ENOMEM;
}

size_t scores_argmax(const double *scores, size_t n) {
        size_t best = 0;

        for (size_t i = 1; i < n; i++)
                if (scores[i] > scores[best] || (isnan(scores[best]) && !isnan(scores[i])))
                        best = i;
        return best;
}

void scores_pair(double s, bool probability, double scores[2]) {
        scores[0] = probability ? 1 - s : -s;
        scores[1] = s;
}
