/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "models/operators/common.h"
#include "models/operators/fast.h"

/*
 * Operators on each element for itself: arithmetic with broadcasting, comparisons, activations,
 * Clip.
 */

/*
 * Functions of two or more tensors: a[i] = f(a[i], b[i]) over blocks, folded from the left.
 */

typedef struct Fold {
        unsigned types;
        bool truth;    /* the result is bool */
        bool variadic; /* legacy shapes must be equal */
        void (*f64)(double *a, const double *b, size_t n);
        void (*i64)(int64_t *a, const int64_t *b, size_t n);
        void (*u64)(uint64_t *a, const uint64_t *b, size_t n);
        /* Two tensors of float32: the same bits without the way by double. Or NULL. */
        void (*f32)(const float *a, const float *b, float *ret, size_t n);
} Fold;

static void fold_block(const Fold *f, Wide wide, Block *a, const Block *b, size_t n) {
        switch (wide) {
        case WIDE_F64:
                f->f64(a->f64, b->f64, n);
                break;
        case WIDE_I64:
                f->i64(a->i64, b->i64, n);
                break;
        case WIDE_U64:
        default:
                f->u64(a->u64, b->u64, n);
                break;
        }
}

/* Before version 7, a second operand broadcasts only where attribute broadcast is set, and lies
 * along the first from dimension `axis` on (by default: at its end). */
static int legacy_shape(const Node *n, const Shape *a, Shape *b, Error *e) {
        int64_t axis = attribute_int(n, "axis", (int64_t)a->rank - (int64_t)b->rank);
        Shape wide = {.rank = a->rank};
        ShapeText x, y;
        bool fits;

        if (attribute_int(n, "broadcast", 0) == 0) {
                if (a->rank != b->rank || memcmp(a->dim, b->dim, a->rank * sizeof(a->dim[0])) != 0)
                        return error_set(e, -EINVAL,
                                         "shapes %s and %s differ, and broadcast is not set",
                                         shape_text(a, &x), shape_text(b, &y));
                return 0;
        }
        if (axis < 0) /* also of a b that has more dimensions than a */
                axis += (int64_t)a->rank;
        fits = b->rank <= a->rank && axis >= 0 && axis <= (int64_t)(a->rank - b->rank);
        for (size_t i = 0; i < wide.rank; i++)
                wide.dim[i] = 1;
        for (size_t i = 0; fits && i < b->rank; i++) {
                wide.dim[(size_t)axis + i] = b->dim[i];
                fits = b->dim[i] == 1 || b->dim[i] == a->dim[(size_t)axis + i];
        }
        if (!fits)
                return error_set(e, -EINVAL, "shape %s does not lie along %s from axis %" PRId64,
                                 shape_text(b, &y), shape_text(a, &x),
                                 attribute_int(n, "axis", -1));
        *b = wide;
        return 0;
}

static int fold_shapes(const Fold *f, const Node *n, const Tensor *const *in, Shape *shapes,
                       Shape *all, Error *e) {
        int r;

        for (size_t i = 0; i < n->n_inputs; i++) {
                if (!in[i])
                        return error_set(e, -EINVAL, "input %zu is not given", i);
                shapes[i] = shape_of(in[i]);
        }
        *all = shapes[0];
        for (size_t i = 1; i < n->n_inputs; i++) {
                if (n->opset < 7 && !f->variadic) {
                        r = legacy_shape(n, shapes, shapes + i, e);
                        if (r < 0)
                                return r;
                }
                r = shape_broadcast(all, shapes + i, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int fold_types(const Fold *f, const Node *n, const Tensor *const *in, Error *e) {
        int r = type_check(in[0], f->types, "an input", e);

        if (r < 0)
                return r;
        for (size_t i = 1; i < n->n_inputs; i++)
                if (in[i]->type != in[0]->type)
                        return error_set(
                                e, -EINVAL, "inputs of types %s and %s: they must be equal",
                                element_type_name(in[0]->type), element_type_name(in[i]->type));
        return 0;
}

/* The part of a walk that comes next, its elements side by side. */
typedef struct Piece {
        Walk walk;
        int64_t at, step;
        size_t left;
        float copy[BLOCK];
} Piece;

static size_t piece_size(Piece *p) {
        if (p->left == 0)
                p->left = walk_next(&p->walk, SIZE_MAX, &p->at, &p->step);
        return MIN(p->left, BLOCK);
}

static const float *piece_take(Piece *p, const float *from, size_t n) {
        const float *start = from + p->at;

        if (p->step != 1) {
                for (size_t i = 0; i < n; i++)
                        p->copy[i] = start[(int64_t)i * p->step];
                start = p->copy;
        }
        p->at += (int64_t)n * p->step;
        p->left -= n;
        return start;
}

static void fold_floats(const Fold *f, const Tensor *const *in, const Walk *walks, Tensor *out) {
        Piece a = {.walk = walks[0]}, b = {.walk = walks[1]};

        for (size_t at = 0, n; at < out->count; at += n) {
                const float *x, *y;

                n = piece_size(&a);
                n = MIN(n, piece_size(&b));
                x = piece_take(&a, in[0]->f32, n);
                y = piece_take(&b, in[1]->f32, n);
                f->f32(x, y, out->f32 + at, n);
        }
}

/* divisor: of the result, for Mean. */
static int fold_run_divided(const Fold *f, const Node *n, const Tensor *const *in, double divisor,
                            Tensor **out, Error *e) {
        _cleanup_free_
        Shape *shapes = calloc(n->n_inputs, sizeof(*shapes));
        _cleanup_free_
        Walk *walks = calloc(n->n_inputs, sizeof(*walks));
        Block a, b;
        Shape all;
        Wide wide;
        int r;

        if (!shapes || !walks)
                return -ENOMEM;
        r = fold_shapes(f, n, in, shapes, &all, e);
        if (r < 0)
                return r;
        r = fold_types(f, n, in, e);
        if (r < 0)
                return r;
        r = output_new(f->truth ? ELEMENT_BOOL : in[0]->type, &all, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        r = operator_spend(n, (*out)->count, n->n_inputs, 1, e);
        if (r < 0)
                return r;
        wide = type_wide(in[0]->type);
        for (size_t i = 0; i < n->n_inputs; i++)
                walk_init_broadcast(walks + i, shapes + i, &all);
        if (f->f32 && in[0]->type == ELEMENT_F32 && n->n_inputs == 2) {
                fold_floats(f, in, walks, *out);
                return 0;
        }
        for (size_t at = 0; at < (*out)->count; at += BLOCK) {
                size_t count = MIN(BLOCK, (*out)->count - at);

                walk_load(walks, in[0], count, &a);
                for (size_t i = 1; i < n->n_inputs; i++) {
                        walk_load(walks + i, in[i], count, &b);
                        fold_block(f, wide, &a, &b, count);
                }
                for (size_t i = 0; divisor != 1 && i < count; i++)
                        a.f64[i] /= divisor;
                elements_store(*out, at, count, wide, &a);
        }
        return 0;
}

static int fold_run(const Fold *f, const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return fold_run_divided(f, n, in, 1, out, e);
}

/* x and y are the operands, and what the operator gives is stored in x's place. */
#define FOLD_LOOP(NAME, T, EXPR)                       \
        static void NAME(T *a, const T *b, size_t n) { \
                for (size_t i = 0; i < n; i++) {       \
                        T x = a[i], y = b[i];          \
                                                       \
                        (void)y;                       \
                        a[i] = EXPR;                   \
                }                                      \
        }

#define FOLD_FLOATS(NAME, EXPR)                                                        \
        static void NAME##_f32(const float *a, const float *b, float *ret, size_t n) { \
                for (size_t i = 0; i < n; i++) {                                       \
                        float x = a[i], y = b[i];                                      \
                                                                                       \
                        ret[i] = EXPR;                                                 \
                }                                                                      \
        }

/* Also defines NAME_run. */
#define FOLD(NAME, TYPES, TRUTH, VARIADIC, F64, I64, U64, ...)                                  \
        FOLD_LOOP(NAME##_f64, double, F64)                                                      \
        FOLD_LOOP(NAME##_i64, int64_t, I64)                                                     \
        FOLD_LOOP(NAME##_u64, uint64_t, U64)                                                    \
        static const Fold NAME##_fold = {TYPES,      TRUTH,      VARIADIC,     NAME##_f64,      \
                                         NAME##_i64, NAME##_u64, ##__VA_ARGS__};                \
        static int NAME##_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) { \
                return fold_run(&NAME##_fold, n, in, out, e);                                   \
        }

/* Signed integers wrap, as in numpy. Quotients are cut towards zero; what has no value gives 0, and
 * the smallest by -1 wraps. */
#define WRAP(x, op, y) ((int64_t)((uint64_t)(x)op(uint64_t)(y)))

static int64_t quotient(int64_t x, int64_t y) {
        if (y == 0)
                return 0;
        return y == -1 ? WRAP(0, -, x) : x / y;
}

/* The powers of an integer, wrapping; below 0 the exponent gives what is left of 1 / x^|y|. */
static int64_t power(int64_t x, int64_t y) {
        uint64_t base = (uint64_t)x, result = 1;

        if (y < 0)
                return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
        for (; y > 0; y >>= 1, base *= base)
                if (y & 1)
                        result *= base;
        return (int64_t)result;
}

FOLD_FLOATS(add, x + y)
FOLD_FLOATS(sub, x - y)
FOLD_FLOATS(mul, x *y)
FOLD_FLOATS(div, x / y)
FOLD(add, TYPES_NUMBER, false, false, x + y, WRAP(x, +, y), x + y, add_f32)
FOLD(sub, TYPES_NUMBER, false, false, x - y, WRAP(x, -, y), x - y, sub_f32)
FOLD(mul, TYPES_NUMBER, false, false, x *y, WRAP(x, *, y), x *y, mul_f32)
FOLD(div, TYPES_NUMBER, false, false, x / y, quotient(x, y), y ? x / y : 0, div_f32)
FOLD(prelu, TYPES_NUMBER, false, false, x < 0 ? x * y : x, x < 0 ? WRAP(x, *, y) : x, x)
FOLD(power, TYPES_NUMBER, false, false, pow(x, y), power(x, y),
     (uint64_t)power((int64_t)x, (int64_t)y))
/* NaN wins. */
FOLD(max, TYPES_NUMBER, false, true, x > y || isnan(x) ? x : y, MAX(x, y), MAX(x, y))
FOLD(min, TYPES_NUMBER, false, true, x < y || isnan(x) ? x : y, MIN(x, y), MIN(x, y))
FOLD(sum, TYPES_FLOAT, false, true, x + y, WRAP(x, +, y), x + y)
FOLD(equal, TYPES_NUMBER | TYPE(BOOL), true, false, x == y, x == y, x == y)
FOLD(less, TYPES_NUMBER, true, false, x < y, x < y, x < y)
FOLD(less_equal, TYPES_NUMBER, true, false, x <= y, x <= y, x <= y)
FOLD(greater, TYPES_NUMBER, true, false, x > y, x > y, x > y)
FOLD(greater_equal, TYPES_NUMBER, true, false, x >= y, x >= y, x >= y)
FOLD(and, TYPE(BOOL), true, false, x, x, x &y)
FOLD(or, TYPE(BOOL), true, false, x, x, x | y)
FOLD(xor, TYPE(BOOL), true, false, x, x, x ^ y)

static int mean_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return fold_run_divided(&sum_fold, n, in, (double)n->n_inputs, out, e);
}

/* Before version 7 the slopes are those of the channels, dimension 1. */
static int prelu_legacy_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Node later = *n;
        Tensor slope = *in[1]; /* the same elements in another shape */
        ShapeText a, b;
        Shape s, x;

        later.opset = 7;
        if (n->opset < 7 && slope.rank == 1 && in[0]->rank > 1)
                while (slope.rank < in[0]->rank - 1)
                        slope.dim[slope.rank++] = 1;
        s = shape_of(&slope);
        x = shape_of(in[0]);
        if (!shape_broadcasts_to(&s, &x))
                return error_set(e, -EINVAL, "a slope of shape %s does not broadcast to %s",
                                 shape_text(&s, &a), shape_text(&x, &b));
        return prelu_run(&later, (const Tensor *[]){in[0], &slope}, out, e);
}

/* From version 12 the exponent may have a type of its own; the result has the base's. */
static int pow_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *x = NULL, *y = NULL, *result = NULL;
        unsigned floats = TYPES_FLOAT & (1u << in[0]->type | 1u << in[1]->type);
        ElementType type = floats ? ELEMENT_F64 : ELEMENT_I64;
        Node two = *n;
        int r;

        two.n_inputs = 2; /* as it is; clang's analyzer does not know */
        if (in[0]->type == in[1]->type)
                return power_run(n, in, out, e);
        for (size_t i = 0; i < 2; i++) {
                r = type_check(in[i], TYPES_NUMBER, "an input", e);
                if (r < 0)
                        return r;
        }
        r = tensor_convert(in[0], type, &x, e);
        if (r < 0)
                return r;
        r = tensor_convert(in[1], type, &y, e);
        if (r < 0)
                return r;
        r = power_run(&two, (const Tensor *[]){x, y}, &result, e);
        if (r < 0)
                return r;
        return tensor_convert(result, in[0]->type, out, e);
}

/*
 * Functions of one tensor, with up to two numbers as attributes.
 */

typedef struct Map {
        unsigned types;
        const char *parameter[2];
        float fallback[2];
        void (*f64)(double *a, size_t n, const double *p);
        void (*i64)(int64_t *a, size_t n);
        void (*u64)(uint64_t *a, size_t n);
        void (*f32)(const float *x, float *ret, size_t n, const double *p); /* or NULL */
} Map;

static int map_run(const Map *m, const Node *n, const Tensor *x, Tensor **out, Error *e) {
        Shape s = shape_of(x);
        Wide wide = type_wide(x->type);
        double p[2] = {};
        Block a;
        int r;

        r = type_check(x, m->types, "the input", e);
        if (r < 0)
                return r;
        r = output_new(x->type, &s, out, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < 2 && m->parameter[i]; i++)
                p[i] = (double)attribute_float(n, m->parameter[i], m->fallback[i]);
        if (m->f32 && x->type == ELEMENT_F32) {
                m->f32(x->f32, (*out)->f32, x->count, p);
                return 0;
        }
        for (size_t at = 0; at < x->count; at += BLOCK) {
                size_t count = MIN(BLOCK, x->count - at);

                elements_load(x, (int64_t)at, 1, count, &a);
                if (wide == WIDE_F64)
                        m->f64(a.f64, count, p);
                else if (wide == WIDE_I64 && m->i64)
                        m->i64(a.i64, count);
                else if (m->u64)
                        m->u64(a.u64, count);
                elements_store(*out, at, count, wide, &a);
        }
        return 0;
}

#define MAP_LOOP(T, EXPR)                        \
        {                                        \
                for (size_t i = 0; i < n; i++) { \
                        T x = a[i];              \
                                                 \
                        a[i] = EXPR;             \
                }                                \
        }

#define MAP_RUN(NAME)                                                                           \
        static int NAME##_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) { \
                return map_run(&NAME##_map, n, in[0], out, e);                                  \
        }

/* x: the element; p: the parameters. */
#define MAP_FLOAT(NAME, EXPR, ...)                                               \
        static void NAME##_f64(double *a, size_t n, const double *p)             \
                MAP_LOOP(double, EXPR) static const Map NAME##_map = {           \
                        .types = TYPES_FLOAT, .f64 = NAME##_f64, ##__VA_ARGS__}; \
        MAP_RUN(NAME)

#define MAP_NUMBER(NAME, TYPES, F64, I64, U64, ...)                                               \
        static void NAME##_f64(double *a, size_t n, const double *p)                              \
                MAP_LOOP(double, F64) static void NAME##_i64(int64_t *a, size_t n) MAP_LOOP(      \
                        int64_t, I64) static void NAME##_u64(uint64_t *a, size_t n)               \
                        MAP_LOOP(uint64_t, U64) static const Map NAME##_map = {.types = TYPES,    \
                                                                               .f64 = NAME##_f64, \
                                                                               .i64 = NAME##_i64, \
                                                                               .u64 = NAME##_u64, \
                                                                               ##__VA_ARGS__};    \
        MAP_RUN(NAME)

#define PARAMETER(NAME, FALLBACK) .parameter = {NAME}, .fallback = {FALLBACK}
#define PARAMETERS(A, FA, B, FB) .parameter = {A, B}, .fallback = {FA, FB}

static void relu_f32(const float *x, float *ret, size_t n, const double *p) {
        for (size_t i = 0; i < n; i++)
                ret[i] = x[i] < 0 ? 0 : x[i];
}

/* The product of two floats is exact in double, so it is rounded once either way. By bits, because
 * a branch on the sign is wrong every other time. */
static void leaky_relu_f32(const float *x, float *ret, size_t n, const double *p) {
        float slope = (float)p[0];

        for (size_t i = 0; i < n; i++) {
                float v = x[i], below = v * slope;
                uint32_t negative = v < 0 ? UINT32_MAX : 0, a, b;

                memcpy(&a, &below, sizeof(a));
                memcpy(&b, &v, sizeof(b));
                a = (a & negative) | (b & ~negative);
                memcpy(ret + i, &a, sizeof(a));
        }
}

static void sigmoid_f32(const float *x, float *ret, size_t n, const double *p) {
        fast_sigmoid(x, ret, n);
}

static void tanh_f32(const float *x, float *ret, size_t n, const double *p) {
        fast_tanh(x, ret, n);
}

static void exp_f32(const float *x, float *ret, size_t n, const double *p) {
        fast_exp(x, ret, n);
}

/* NaN stays NaN. */
MAP_NUMBER(relu, TYPES_FLOAT | TYPES_SIGNED, x < 0 ? 0 : x, x < 0 ? 0 : x, x, .f32 = relu_f32)
MAP_NUMBER(abs, TYPES_NUMBER, fabs(x), x < 0 ? WRAP(0, -, x) : x, x)
MAP_NUMBER(neg, TYPES_FLOAT | TYPES_SIGNED, -x, WRAP(0, -, x), x)
MAP_NUMBER(sign, TYPES_NUMBER, isnan(x) ? x : (double)((x > 0) - (x < 0)), (x > 0) - (x < 0), x > 0)
MAP_NUMBER(not, TYPE(BOOL), x, x, !x)
MAP_FLOAT(leaky_relu, x < 0 ? x * p[0] : x, PARAMETER("alpha", 0.01f), .f32 = leaky_relu_f32)
MAP_FLOAT(thresholded_relu, x > p[0] ? x : 0, PARAMETER("alpha", 1.0f))
MAP_FLOAT(elu, x < 0 ? p[0] * expm1(x) : x, PARAMETER("alpha", 1.0f))
MAP_FLOAT(celu, x < 0 ? p[0] * expm1(x / p[0]) : x, PARAMETER("alpha", 1.0f))
MAP_FLOAT(selu, p[1] * (x > 0 ? x : p[0] * expm1(x)),
          PARAMETERS("alpha", 1.67326319f, "gamma", 1.05070102f))
MAP_FLOAT(hard_sigmoid, CLAMP(p[0] * x + p[1], 0, 1), PARAMETERS("alpha", 0.2f, "beta", 0.5f))
MAP_FLOAT(hard_swish, x *CLAMP(x / 6 + 0.5, 0, 1))
MAP_FLOAT(sigmoid, 1 / (1 + exp(-x)), .f32 = sigmoid_f32)
MAP_FLOAT(softplus, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))
MAP_FLOAT(softsign, x / (1 + fabs(x)))
MAP_FLOAT(tanh, tanh(x), .f32 = tanh_f32)
MAP_FLOAT(exp, exp(x), .f32 = exp_f32)
MAP_FLOAT(log, log(x))
MAP_FLOAT(sqrt, sqrt(x))
MAP_FLOAT(reciprocal, 1 / x)
MAP_FLOAT(floor, floor(x))
MAP_FLOAT(ceil, ceil(x))
MAP_FLOAT(round, rint(x))
MAP_FLOAT(erf, erf(x))
MAP_FLOAT(mish, x *tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))))
MAP_FLOAT(gelu, x * 0.5 * (1 + erf(x * M_SQRT1_2)))
MAP_FLOAT(gelu_tanh, x * 0.5 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x))))
MAP_FLOAT(sin, sin(x))
MAP_FLOAT(cos, cos(x))

static int any_gelu_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const char *how = attribute_string(n, "approximate", "none");

        if (streq(how, "none"))
                return gelu_run(n, in, out, e);
        if (streq(how, "tanh"))
                return gelu_tanh_run(n, in, out, e);
        return error_set(e, -EINVAL, "approximate is '%.40s': accepted are none and tanh", how);
}

/*
 * Clip: bounds are attributes before version 11 (where version 6 has those of float32 by default),
 * then inputs that may be left out.
 */

typedef struct Bounds {
        bool low, high; /* whether there is one */
        Block min, max; /* the first element */
} Bounds;

static int bound_load(const Tensor *t, const Tensor *x, bool *ret_given, Block *ret, Error *e) {
        *ret_given = t;
        if (!t)
                return 0;
        if (t->count != 1 || t->type != x->type)
                return error_set(e, -EINVAL, "a bound must be one number of type %s",
                                 element_type_name(x->type));
        elements_load(t, 0, 0, 1, ret);
        return 0;
}

static int bounds_init(Bounds *b, const Node *n, const Tensor *const *in, Error *e) {
        int r;

        if (n->opset >= 11) {
                r = bound_load(n->n_inputs > 1 ? in[1] : NULL, in[0], &b->low, &b->min, e);
                if (r < 0)
                        return r;
                return bound_load(n->n_inputs > 2 ? in[2] : NULL, in[0], &b->high, &b->max, e);
        }
        if (n->n_inputs > 1)
                return error_set(e, -EINVAL, "bounds are no inputs before version 11");
        b->low = n->opset >= 6 || attribute_find(n, "min", ATTRIBUTE_FLOAT);
        b->high = n->opset >= 6 || attribute_find(n, "max", ATTRIBUTE_FLOAT);
        b->min.f64[0] = (double)attribute_float(n, "min", -FLT_MAX);
        b->max.f64[0] = (double)attribute_float(n, "max", FLT_MAX);
        return 0;
}

/* The upper bound is the last to cut: it holds where it is below the lower one. */
#define CLIP_LOOP(MEMBER)                                              \
        for (size_t i = 0; i < count; i++) {                           \
                if (bounds.low && a.MEMBER[i] < bounds.min.MEMBER[0])  \
                        a.MEMBER[i] = bounds.min.MEMBER[0];            \
                if (bounds.high && a.MEMBER[i] > bounds.max.MEMBER[0]) \
                        a.MEMBER[i] = bounds.max.MEMBER[0];            \
        }

static int clip_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0];
        Wide wide = type_wide(x->type);
        Shape s = shape_of(x);
        Bounds bounds;
        Block a;
        int r;

        r = type_check(x, n->opset >= 11 ? TYPES_NUMBER : TYPES_FLOAT, "the input", e);
        if (r < 0)
                return r;
        r = bounds_init(&bounds, n, in, e);
        if (r < 0)
                return r;
        r = output_new(x->type, &s, out, e);
        if (r < 0)
                return r;
        for (size_t at = 0; at < x->count; at += BLOCK) {
                size_t count = MIN(BLOCK, x->count - at);

                elements_load(x, (int64_t)at, 1, count, &a);
                if (wide == WIDE_F64)
                        CLIP_LOOP(f64)
                else if (wide == WIDE_I64)
                        CLIP_LOOP(i64)
                else
                        CLIP_LOOP(u64)
                elements_store(*out, at, count, wide, &a);
        }
        return 0;
}

#define ONE_TO_ONE(NAME, SINCE, RUN) \
        { DOMAIN_ONNX, NAME, SINCE, OPERATOR_POINTWISE, 1, 1, 1, RUN }
#define TWO_TO_ONE(NAME, SINCE, KIND, RUN) \
        { DOMAIN_ONNX, NAME, SINCE, KIND, 2, 2, 1, RUN }
#define MANY_TO_ONE(NAME, SINCE, RUN) \
        { DOMAIN_ONNX, NAME, SINCE, OPERATOR_OTHER, 1, GRAPH_EDGES_MAX, 1, RUN }

static const Operator operators[] = {
        TWO_TO_ONE("Add", 1, OPERATOR_AFFINE, add_run),
        TWO_TO_ONE("Sub", 1, OPERATOR_AFFINE, sub_run),
        TWO_TO_ONE("Mul", 1, OPERATOR_AFFINE, mul_run),
        TWO_TO_ONE("Div", 1, OPERATOR_AFFINE, div_run),
        TWO_TO_ONE("Pow", 1, OPERATOR_OTHER, pow_run),
        TWO_TO_ONE("PRelu", 1, OPERATOR_OTHER, prelu_legacy_run),
        MANY_TO_ONE("Max", 1, max_run),
        MANY_TO_ONE("Min", 1, min_run),
        MANY_TO_ONE("Sum", 1, sum_run),
        MANY_TO_ONE("Mean", 1, mean_run),
        TWO_TO_ONE("Equal", 1, OPERATOR_OTHER, equal_run),
        TWO_TO_ONE("Less", 1, OPERATOR_OTHER, less_run),
        TWO_TO_ONE("LessOrEqual", 12, OPERATOR_OTHER, less_equal_run),
        TWO_TO_ONE("Greater", 1, OPERATOR_OTHER, greater_run),
        TWO_TO_ONE("GreaterOrEqual", 12, OPERATOR_OTHER, greater_equal_run),
        TWO_TO_ONE("And", 1, OPERATOR_OTHER, and_run),
        TWO_TO_ONE("Or", 1, OPERATOR_OTHER, or_run),
        TWO_TO_ONE("Xor", 1, OPERATOR_OTHER, xor_run),
        ONE_TO_ONE("Not", 1, not_run),
        {DOMAIN_ONNX, "Clip", 1, OPERATOR_POINTWISE, 1, 3, 1, clip_run},
        ONE_TO_ONE("Relu", 1, relu_run),
        ONE_TO_ONE("LeakyRelu", 1, leaky_relu_run),
        ONE_TO_ONE("ThresholdedRelu", 10, thresholded_relu_run),
        ONE_TO_ONE("Elu", 1, elu_run),
        ONE_TO_ONE("Celu", 12, celu_run),
        /* Version 1 had other numbers. */
        ONE_TO_ONE("Selu", 6, selu_run),
        ONE_TO_ONE("Sigmoid", 1, sigmoid_run),
        ONE_TO_ONE("HardSigmoid", 1, hard_sigmoid_run),
        ONE_TO_ONE("HardSwish", 14, hard_swish_run),
        ONE_TO_ONE("Softplus", 1, softplus_run),
        ONE_TO_ONE("Softsign", 1, softsign_run),
        ONE_TO_ONE("Tanh", 1, tanh_run),
        ONE_TO_ONE("Exp", 1, exp_run),
        ONE_TO_ONE("Log", 1, log_run),
        ONE_TO_ONE("Sqrt", 1, sqrt_run),
        ONE_TO_ONE("Reciprocal", 1, reciprocal_run),
        ONE_TO_ONE("Abs", 1, abs_run),
        ONE_TO_ONE("Neg", 1, neg_run),
        ONE_TO_ONE("Sign", 9, sign_run),
        ONE_TO_ONE("Floor", 1, floor_run),
        ONE_TO_ONE("Ceil", 1, ceil_run),
        ONE_TO_ONE("Round", 11, round_run),
        ONE_TO_ONE("Erf", 9, erf_run),
        ONE_TO_ONE("Mish", 18, mish_run),
        ONE_TO_ONE("Gelu", 20, any_gelu_run),
        ONE_TO_ONE("Sin", 7, sin_run),
        ONE_TO_ONE("Cos", 7, cos_run),
};

const OperatorTable operators_elementwise = {operators, ELEMENTSOF(operators)};
