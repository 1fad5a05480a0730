/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

static bool is_float(ElementType type) {
        return type == ELEMENT_F32 || type == ELEMENT_F64 || type == ELEMENT_F16 ||
               type == ELEMENT_BF16;
}

/* Both inputs of a binary operator as its broadcasting repeats them: Add of element numbers and
 * zeros does it. */
typedef struct Pair {
        size_t n;
        Ref *a, *b;
} Pair;

static void pair_done(Pair *p) {
        free(p->a);
        free(p->b);
}

static int broadcast(Lowerer *l, const Node *n, const Tensor *const *in, size_t which, Ref **ret,
                     size_t *ret_n) {
        Tensor *ids[2] = {NULL, NULL};
        _cleanup_(tensor_freep)
        Tensor *out = NULL;
        _cleanup_free_
        Ref *refs = NULL;
        Node add = *n;
        Ref *repeated;
        int r;

        add.op = operator_find(DOMAIN_ONNX, "Add");
        if (!add.op)
                return -EINVAL;
        r = lower_input(l, n, which, in[which], &refs);
        if (r >= 0)
                r = tensor_new(ELEMENT_I64, in[0]->rank, in[0]->dim, &ids[0]);
        if (r >= 0)
                r = tensor_new(ELEMENT_I64, in[1]->rank, in[1]->dim, &ids[1]);
        if (r >= 0) {
                memcpy(ids[which]->i64, refs, ids[which]->count * sizeof(*refs));
                r = add.op->run(&add, (const Tensor *const *)ids, &out, l->e);
        }
        for (size_t k = 0; k < 2; k++)
                tensor_free(ids[k]);
        if (r < 0)
                return r;
        repeated = malloc(MAX(out->count, (size_t)1) * sizeof(*repeated));
        if (!repeated)
                return -ENOMEM;
        memcpy(repeated, out->i64, out->count * sizeof(*repeated));
        *ret = repeated;
        *ret_n = out->count;
        return 0;
}

static int pair_init(Lowerer *l, const Node *n, const Tensor *const *in, Pair *p) {
        size_t other = 0;
        int r;

        r = broadcast(l, n, in, 0, &p->a, &p->n);
        if (r >= 0)
                r = broadcast(l, n, in, 1, &p->b, &other);
        if (r >= 0 && other != p->n)
                r = -EINVAL;
        return r;
}

static int raise(Lowerer *l, Ref x, double exponent, Ref *ret) {
        Function f = {.kind = FUNCTION_POWER, .exponent = exponent};

        return lower_function(l, x, &f, ret);
}

/* By what is computed: times a table of 1 / x. */
static int divide(Lowerer *l, const Node *n, Ref a, Ref b, Ref *ret) {
        double by;
        int r;

        if (!ref_is_constant(b)) {
                r = raise(l, b, -1, &b);
                return r < 0 ? r : lower_product(l, a, b, ret);
        }
        by = ref_value(l, b);
        if (!(by < 0) && !(by > 0))
                return lower_refuse(l, n, "it divides by 0");
        return lower_sum(l, &(RefTerm){a, 1 / by}, 1, 0, ret);
}

/* Sums and products of these types wrap around, which cells do not. */
static int refuse_wrapping(Lowerer *l, const Node *n, const Tensor *out) {
        switch (out->type) {
        case ELEMENT_I8:
        case ELEMENT_I16:
        case ELEMENT_U8:
        case ELEMENT_U16:
        case ELEMENT_U32:
        case ELEMENT_U64:
                return lower_refuse(l, n, "%s wraps around", element_type_name(out->type));
        default:
                return 0;
        }
}

static int lower_arithmetic(Lowerer *l, const Node *n, const Tensor *const *in,
                            const Tensor *const *out) {
        _cleanup_(pair_done)
        Pair p = {0};
        char op = n->op->name[0] == 'S' ? '-' : n->op->name[0]; /* Add, Sub, Mul, Div */
        int r;

        if (op == 'D' && out[0]->type != ELEMENT_F32 && out[0]->type != ELEMENT_F64)
                return lower_refuse(l, n, "it divides whole numbers");
        r = refuse_wrapping(l, n, out[0]);
        if (r >= 0)
                r = pair_init(l, n, in, &p);
        for (size_t i = 0; i < p.n && r >= 0; i++) {
                RefTerm terms[2] = {{p.a[i], 1}, {p.b[i], op == '-' ? -1 : 1}};

                if (op == 'A' || op == '-')
                        r = lower_sum(l, terms, 2, 0, &p.a[i]);
                else if (op == 'M')
                        r = lower_product(l, p.a[i], p.b[i], &p.a[i]);
                else
                        r = divide(l, n, p.a[i], p.b[i], &p.a[i]);
        }
        if (r < 0)
                return r;
        return lower_output(l, n, 0, p.n, TAKE_PTR(p.a));
}

static int lower_power(Lowerer *l, const Node *n, const Tensor *const *in,
                       const Tensor *const *out) {
        _cleanup_(pair_done)
        Pair p = {0};
        int r;

        if (lower_role(l, n, 1) != ROLE_CONSTANT)
                return lower_refuse(l, n, "its exponent is computed");
        if (!is_float(out[0]->type) || in[1]->type != in[0]->type)
                return lower_refuse(l, n, "powers of whole numbers, or to whole numbers");
        r = pair_init(l, n, in, &p);
        for (size_t i = 0; i < p.n && r >= 0; i++) {
                double exponent = ref_value(l, p.b[i]);

                if (exponent >= 2 && exponent <= 2)
                        r = lower_product(l, p.a[i], p.a[i], &p.a[i]);
                else
                        r = raise(l, p.a[i], exponent, &p.a[i]);
        }
        if (r < 0)
                return r;
        return lower_output(l, n, 0, p.n, TAKE_PTR(p.a));
}

/* A comparison with a constant as the decision itself: 1 where x > c. */
static int lower_above(Lowerer *l, const Node *n, const Tensor *const *in,
                       const Tensor *const *out) {
        bool greater = n->op->name[0] == 'G', equal = strstr(n->op->name, "OrEqual");
        size_t side = greater ? 0 : 1; /* of what has to be the larger one */
        double threshold;
        Ref *x;
        int r;

        if (lower_role(l, n, side) != ROLE_NUMBERS || lower_role(l, n, !side) != ROLE_CONSTANT ||
            out[0]->count != 1 || !is_float(in[side]->type))
                return lower_refuse(l, n,
                                    "it is no decision, of one number that is computed and "
                                    "above a constant");
        threshold = tensor_get_f64(in[!side], 0);
        if (equal)
                threshold = nextafter(threshold, -(double)INFINITY);
        r = lower_input(l, n, side, in[side], &x);
        if (r < 0)
                return r;
        return lower_decided(l, n, 0, ROLE_INDEX, 1, x, threshold, NULL);
}

/* Sum, Mean, Max, Min of any number of inputs, of one shape. */
static int lower_variadic(Lowerer *l, const Node *n, const Tensor *const *in,
                          const Tensor *const *out) {
        size_t count = out[0]->count;
        bool max = streq(n->op->name, "Max"), min = streq(n->op->name, "Min");
        double weight = streq(n->op->name, "Mean") ? 1.0 / (double)n->n_inputs : 1;
        _cleanup_free_
        Ref *sum = NULL;
        int r = 0;

        for (size_t k = 0; k < n->n_inputs; k++) {
                _cleanup_free_
                Ref *x = NULL;

                if (in[k]->count != count && in[k]->count != 1)
                        return lower_refuse(l, n, "its inputs are of different shapes");
                r = lower_input(l, n, k, in[k], &x);
                if (r < 0)
                        return r;
                if (!sum) {
                        sum = calloc(MAX(count, (size_t)1), sizeof(*sum));
                        if (!sum)
                                return -ENOMEM;
                }
                for (size_t i = 0; i < count && r >= 0; i++) {
                        Ref y = x[in[k]->count == 1 ? 0 : i];
                        RefTerm terms[2] = {{y, weight}, {sum[i], 1}};
                        Ref both[2] = {sum[i], y};

                        if (k == 0 && (max || min))
                                sum[i] = y;
                        else if (max)
                                r = lower_max(l, both, 2, &sum[i]);
                        else if (!min)
                                r = lower_sum(l, terms, k == 0 ? 1 : 2, 0, &sum[i]);
                        else if (ref_is_constant(y))
                                r = lower_clamp(l, sum[i], -(double)INFINITY, ref_value(l, y),
                                                &sum[i]);
                        else if (ref_is_constant(sum[i]))
                                r = lower_clamp(l, y, -(double)INFINITY, ref_value(l, sum[i]),
                                                &sum[i]);
                        else
                                r = lower_refuse(l, n, "the lesser of two computed numbers");
                }
                if (r < 0)
                        return r;
        }
        return lower_output(l, n, 0, count, TAKE_PTR(sum));
}

/* One of Clip's bounds: an input since version 11, an attribute before. */
static double bound(const Node *n, const Tensor *const *in, size_t k, const char *attribute,
                    double fallback) {
        if (k < n->n_inputs && in[k] && in[k]->count == 1)
                return tensor_get_f64(in[k], 0);
        if (attribute_find(n, attribute, ATTRIBUTE_FLOAT))
                return (double)attribute_float(n, attribute, 0);
        return fallback;
}

static int lower_bounded(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        bool relu = streq(n->op->name, "Relu");
        double low = relu ? 0 : bound(n, in, 1, "min", -(double)INFINITY);
        double high = relu ? (double)INFINITY : bound(n, in, 2, "max", (double)INFINITY);
        _cleanup_free_
        Ref *x = NULL;
        int r;

        for (size_t k = 1; k < n->n_inputs; k++)
                if (lower_role(l, n, k) != ROLE_CONSTANT)
                        return lower_refuse(l, n, "its bounds are computed");
        /* The largest number of a type stands for no bound. */
        if (fabs(low) > 1e30)
                low = -(double)INFINITY;
        if (fabs(high) > 1e30)
                high = (double)INFINITY;
        r = lower_input(l, n, 0, in[0], &x);
        for (size_t i = 0; i < in[0]->count && r >= 0; i++)
                r = lower_clamp(l, x[i], low, high, &x[i]);
        if (r < 0)
                return r;
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(x));
}

static int lower_leaky_relu(Lowerer *l, const Node *n, const Tensor *const *in,
                            const Tensor *const *out) {
        double slope = (double)attribute_float(n, "alpha", 0.01f);
        _cleanup_free_
        Ref *x = NULL;
        int r;

        r = lower_input(l, n, 0, in[0], &x);
        for (size_t i = 0; i < in[0]->count && r >= 0; i++)
                r = lower_leaky(l, x[i], slope, &x[i]);
        if (r < 0)
                return r;
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(x));
}

/* A slope for each element of x, whichever way they are broadcast: what becomes of -1, negated. */
static int prelu_slopes(Lowerer *l, const Node *n, const Tensor *const *in, Tensor **ret) {
        _cleanup_(tensor_freep)
        Tensor *x = NULL, *y = NULL;
        Node own = *n;
        int r;

        r = tensor_new(in[0]->type, in[0]->rank, in[0]->dim, &x);
        if (r < 0)
                return r;
        for (size_t i = 0; i < x->count; i++)
                tensor_set_f64(x, i, -1);
        own.work = &l->work;
        r = n->op->run(&own, (const Tensor *const[]){x, in[1]}, &y, l->e);
        if (r < 0)
                return r;
        if (y->count != x->count)
                return lower_refuse(l, n, "its slopes are more than its numbers");
        *ret = TAKE_PTR(y);
        return 0;
}

static int lower_prelu(Lowerer *l, const Node *n, const Tensor *const *in,
                       const Tensor *const *out) {
        _cleanup_(tensor_freep)
        Tensor *slopes = NULL;
        _cleanup_free_
        Ref *x = NULL;
        int r;

        if (lower_role(l, n, 1) != ROLE_CONSTANT)
                return lower_refuse(l, n, "its slopes are computed");
        r = prelu_slopes(l, n, in, &slopes);
        if (r >= 0)
                r = lower_input(l, n, 0, in[0], &x);
        for (size_t i = 0; r >= 0 && i < in[0]->count; i++)
                r = lower_leaky(l, x[i], -tensor_get_f64(slopes, i), &x[i]);
        if (r < 0)
                return r;
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(x));
}

static int lower_neg(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out) {
        _cleanup_free_
        Ref *x = NULL;
        int r = refuse_wrapping(l, n, out[0]);

        if (r >= 0)
                r = lower_input(l, n, 0, in[0], &x);
        for (size_t i = 0; i < in[0]->count && r >= 0; i++)
                r = lower_sum(l, &(RefTerm){x[i], -1}, 1, 0, &x[i]);
        if (r < 0)
                return r;
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(x));
}

/* Fields are whole numbers: a cast to integers leaves them alone. */
static bool is_whole(const Lowerer *l, Ref x) {
        if (ref_is_constant(x))
                return ref_value(l, x) >= rint(ref_value(l, x)) &&
                       ref_value(l, x) <= rint(ref_value(l, x));
        return (size_t)x < l->cells->n_fields;
}

static int lower_cast(Lowerer *l, const Node *n, const Tensor *const *in,
                      const Tensor *const *out) {
        Function f = {.kind = FUNCTION_NODE, .node = n};
        Role role = lower_role(l, n, 0);
        _cleanup_free_
        Ref *x = NULL;
        int r;

        if (role == ROLE_LABEL || role == ROLE_INDEX || is_float(out[0]->type))
                return lower_pass(l, n, 0, 0);
        if (out[0]->type == ELEMENT_STRING)
                return lower_refuse(l, n, "numbers as strings");
        r = lower_input(l, n, 0, in[0], &x);
        for (size_t i = 0; i < in[0]->count && r >= 0; i++)
                if (!is_whole(l, x[i]) || out[0]->type == ELEMENT_BOOL)
                        r = lower_function(l, x[i], &f, &x[i]);
        if (r < 0)
                return r;
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(x));
}

/* Out of training it passes everything on. Its mask is left to those who want it: refused. */
static int lower_dropout(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        if (n->n_inputs > 2 && in[2] && in[2]->count == 1 && tensor_get_f64(in[2], 0) > 0)
                return lower_refuse(l, n, "it is in training");
        return lower_pass(l, n, 0, 0);
}

/* One row's shape does not depend on what is in it: the values stay constants. */
static int lower_shape(Lowerer *l, const Node *n, const Tensor *const *in,
                       const Tensor *const *out) {
        return 0;
}

const LowerEntry lower_elementwise[] = {
        {DOMAIN_ONNX, "Dropout", lower_dropout},
        {DOMAIN_ONNX, "Shape", lower_shape},
        {DOMAIN_ONNX, "Size", lower_shape},
        {DOMAIN_ONNX, "Add", lower_arithmetic},
        {DOMAIN_ONNX, "Sub", lower_arithmetic},
        {DOMAIN_ONNX, "Mul", lower_arithmetic},
        {DOMAIN_ONNX, "Div", lower_arithmetic},
        {DOMAIN_ONNX, "Pow", lower_power},
        {DOMAIN_ONNX, "Greater", lower_above},
        {DOMAIN_ONNX, "GreaterOrEqual", lower_above},
        {DOMAIN_ONNX, "Less", lower_above},
        {DOMAIN_ONNX, "LessOrEqual", lower_above},
        {DOMAIN_ONNX, "Sum", lower_variadic},
        {DOMAIN_ONNX, "Mean", lower_variadic},
        {DOMAIN_ONNX, "Max", lower_variadic},
        {DOMAIN_ONNX, "Min", lower_variadic},
        {DOMAIN_ONNX, "Relu", lower_bounded},
        {DOMAIN_ONNX, "Clip", lower_bounded},
        {DOMAIN_ONNX, "LeakyRelu", lower_leaky_relu},
        {DOMAIN_ONNX, "PRelu", lower_prelu},
        {DOMAIN_ONNX, "Neg", lower_neg},
        {DOMAIN_ONNX, "Cast", lower_cast},
        {DOMAIN_ONNX, "Concat", lower_move},
        {DOMAIN_ONNX, "ReduceMean", lower_affine},
        {DOMAIN_ONNX, "ReduceSum", lower_affine},
        {NULL, NULL, NULL},
};
