/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/operators/common.h"
#include "models/operators/fast.h"

/*
 * What runs along an axis or takes axes away: Softmax, ArgMax, ReduceSum and their kin.
 */

/* A tensor as outer × length × inner, the middle being the axis. */
typedef struct Lines {
        size_t outer, length, inner;
} Lines;

static Lines lines_of(const Shape *s, size_t first, size_t end) {
        return (Lines){
                .outer = shape_count(s, 0, first),
                .length = shape_count(s, first, end),
                .inner = shape_count(s, end, s->rank),
        };
}

/*
 * Functions of all the elements of a line. Before version 13 a line is everything from the axis on.
 */

static void softmax(double *x, size_t n) {
        double max = x[0], sum = 0;

        for (size_t i = 1; i < n; i++)
                max = MAX(max, x[i]);
        for (size_t i = 0; i < n; i++)
                sum += x[i] = exp(x[i] - max);
        for (size_t i = 0; i < n; i++)
                x[i] /= sum;
}

static void log_softmax(double *x, size_t n) {
        double max = x[0], sum = 0;

        for (size_t i = 1; i < n; i++)
                max = MAX(max, x[i]);
        for (size_t i = 0; i < n; i++)
                sum += exp(x[i] - max);
        for (size_t i = 0; i < n; i++)
                x[i] = x[i] - max - log(sum);
}

static void hardmax(double *x, size_t n) {
        size_t best = 0;

        for (size_t i = 1; i < n; i++)
                best = x[i] > x[best] ? i : best;
        for (size_t i = 0; i < n; i++)
                x[i] = i == best;
}

/* Lines of at most BLOCK floats, one after the other: as many at a time as a block takes. */
static void softmax_floats(const float *x, float *ret, size_t lines, size_t length) {
        Block block;

        for (size_t n; lines > 0; lines -= n, x += n * length, ret += n * length) {
                n = MIN(lines, BLOCK / length);
                for (size_t at = 0; at < n * length; at += length) {
                        float max = x[at];

                        for (size_t i = 1; i < length; i++)
                                max = MAX(max, x[at + i]);
                        for (size_t i = 0; i < length; i++)
                                block.f64[at + i] = (double)x[at + i] - (double)max;
                }
                fast_exp_f64(block.f64, n * length);
                for (size_t at = 0; at < n * length; at += length) {
                        double sum = 0;

                        for (size_t i = 0; i < length; i++)
                                sum += block.f64[at + i];
                        for (size_t i = 0; i < length; i++)
                                ret[at + i] = (float)(block.f64[at + i] / sum);
                }
        }
}

static int line_run(void (*function)(double *x, size_t n), const Node *n, const Tensor *x,
                    Tensor **out, Error *e) {
        _cleanup_free_
        double *line = NULL;
        Shape s = shape_of(x);
        Lines l;
        size_t axis;
        int r;

        r = type_check(x, TYPES_FLOAT, "the input", e);
        if (r < 0)
                return r;
        r = axis_check(attribute_int(n, "axis", n->opset < 13 ? 1 : -1), s.rank, &axis, e);
        if (r < 0)
                return r;
        r = output_new(x->type, &s, out, e);
        if (r < 0 || x->count == 0)
                return r;
        r = operator_spend(n, x->count, 4, 1, e);
        if (r < 0)
                return r;
        l = lines_of(&s, axis, n->opset < 13 ? s.rank : axis + 1);
        if (function == softmax && x->type == ELEMENT_F32 && l.inner == 1 && l.length <= BLOCK) {
                softmax_floats(x->f32, (*out)->f32, l.outer, l.length);
                return 0;
        }
        line = calloc(l.length, sizeof(*line));
        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < l.outer; i++)
                for (size_t k = 0; k < l.inner; k++) {
                        size_t at = i * l.length * l.inner + k;

                        elements_load(x, (int64_t)at, (int64_t)l.inner, l.length, line);
                        function(line, l.length);
                        if (l.inner == 1)
                                elements_store(*out, at, l.length, WIDE_F64, line);
                        else
                                for (size_t j = 0; j < l.length; j++)
                                        elements_store(*out, at + j * l.inner, 1, WIDE_F64,
                                                       line + j);
                }
        return 0;
}

static int softmax_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return line_run(softmax, n, in[0], out, e);
}

static int log_softmax_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return line_run(log_softmax, n, in[0], out, e);
}

static int hardmax_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return line_run(hardmax, n, in[0], out, e);
}

/*
 * ArgMax, ArgMin: the first of the best, or the last from version 12 on where asked for. A NaN is
 * better than any number, as in numpy.
 */

#define BETTER(V, B) (least ? (V) < (B) : (V) > (B))

static bool is_better(Wide wide, const Block *line, size_t i, const Block *best, bool least,
                      bool last) {
        switch (wide) {
        case WIDE_F64: {
                double v = line->f64[i], b = best->f64[0];

                if (isnan(v) || isnan(b))
                        return isnan(v) && (last || !isnan(b));
                return BETTER(v, b) || (last && v == b);
        }
        case WIDE_I64:
                return BETTER(line->i64[i], best->i64[0]) || (last && line->i64[i] == best->i64[0]);
        case WIDE_U64:
        default:
                return BETTER(line->u64[i], best->u64[0]) || (last && line->u64[i] == best->u64[0]);
        }
}

static int64_t line_best(const Tensor *x, size_t at, const Lines *l, bool least, bool last) {
        Block line, best;
        size_t found = 0;

        elements_load(x, (int64_t)at, 1, 1, &best);
        for (size_t i = 0; i < l->length; i += BLOCK) {
                size_t count = MIN(BLOCK, l->length - i);

                elements_load(x, (int64_t)(at + i * l->inner), (int64_t)l->inner, count, &line);
                for (size_t k = 0; k < count; k++)
                        if (is_better(type_wide(x->type), &line, k, &best, least, last)) {
                                best.u64[0] = line.u64[k];
                                found = i + k;
                        }
        }
        return (int64_t)found;
}

static int arg_run(bool least, const Node *n, const Tensor *x, Tensor **out, Error *e) {
        bool last = n->opset >= 12 && attribute_int(n, "select_last_index", 0) != 0;
        Shape s = shape_of(x), to = {};
        Lines l;
        size_t axis;
        int r;

        r = type_check(x, TYPES_NUMBER, "the input", e);
        if (r < 0)
                return r;
        r = axis_check(attribute_int(n, "axis", 0), s.rank, &axis, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < s.rank; i++)
                if (i != axis)
                        to.dim[to.rank++] = s.dim[i];
                else if (attribute_int(n, "keepdims", 1) != 0)
                        to.dim[to.rank++] = 1;
        r = output_new(ELEMENT_I64, &to, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        l = lines_of(&s, axis, axis + 1);
        if (l.length == 0)
                return error_set(e, -EINVAL, "axis %zu has no elements to choose from", axis);
        for (size_t i = 0; i < (*out)->count; i++)
                (*out)->i64[i] = line_best(x, i / l.inner * l.length * l.inner + i % l.inner, &l,
                                           least, last);
        return 0;
}

static int arg_max_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return arg_run(false, n, in[0], out, e);
}

static int arg_min_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return arg_run(true, n, in[0], out, e);
}

/*
 * Reductions: a start, which is what no elements come to, a step for each element, and what is done
 * with the sum of n elements.
 */

typedef struct Reduction {
        double start;
        double (*step)(double sum, double x);
        double (*finish)(double sum, double n); /* or NULL */
        bool booleans;                          /* taken from version 20 on */
} Reduction;

static double step_sum(double sum, double x) {
        return sum + x;
}
static double step_square(double sum, double x) {
        return sum + x * x;
}
static double step_absolute(double sum, double x) {
        return sum + fabs(x);
}
static double step_product(double sum, double x) {
        return sum * x;
}
static double step_max(double sum, double x) {
        return x > sum || isnan(x) ? x : sum;
}
static double step_min(double sum, double x) {
        return x < sum || isnan(x) ? x : sum;
}
static double finish_mean(double sum, double n) {
        return sum / n;
}
static double finish_root(double sum, double n) {
        return sqrt(sum);
}
static double finish_log(double sum, double n) {
        return log(sum);
}

/* Axes are an attribute; from version 18 on, of ReduceSum from 13 on, an input. None: all of them.
 */
static int reduce_axes(const Node *n, const Tensor *const *in, size_t rank, bool *ret_reduced,
                       Error *e) {
        int since = streq(n->op->name, "ReduceSum") ? 13 : 18;
        bool all = n->opset < since || attribute_int(n, "noop_with_empty_axes", 0) == 0;
        Ints axes;
        size_t axis;
        int r;

        r = ints_get(n, in, "axes", since, 1, &axes, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < rank; i++)
                ret_reduced[i] = axes.n == 0 && all;
        for (size_t i = 0; i < axes.n; i++) {
                r = axis_check(axes.at[i], rank, &axis, e);
                if (r < 0)
                        return r;
                ret_reduced[axis] = true;
        }
        return 0;
}

static double reduce_one(const Reduction *f, const Tensor *x, Walk *w, size_t length) {
        Wide wide = type_wide(x->type);
        double sum = f->start;
        Block block;

        for (size_t i = 0; i < length; i += BLOCK) {
                size_t count = MIN(BLOCK, length - i);

                walk_load(w, x, count, &block);
                for (size_t k = 0; k < count; k++)
                        sum = f->step(sum, wide_number(wide, &block, k));
        }
        return f->finish ? f->finish(sum, (double)length) : sum;
}

static int reduce_run(const Reduction *f, const Node *n, const Tensor *const *in, Tensor **out,
                      Error *e) {
        const Tensor *x = in[0];
        Shape s = shape_of(x), to = {}, kept = {}, gone = {};
        int64_t own[TENSOR_RANK_MAX], kept_stride[TENSOR_RANK_MAX], gone_stride[TENSOR_RANK_MAX];
        bool reduced[TENSOR_RANK_MAX];
        Walk starts, line;
        int r;

        r = type_check(x, n->opset >= 20 && f->booleans ? TYPES_NUMBER | TYPE(BOOL) : TYPES_NUMBER,
                       "the input", e);
        if (r < 0)
                return r;
        r = reduce_axes(n, in, s.rank, reduced, e);
        if (r < 0)
                return r;
        shape_strides(&s, own);
        for (size_t i = 0; i < s.rank; i++) {
                if (!reduced[i] || attribute_int(n, "keepdims", 1) != 0)
                        to.dim[to.rank++] = reduced[i] ? 1 : s.dim[i];
                if (reduced[i]) {
                        gone_stride[gone.rank] = own[i];
                        gone.dim[gone.rank++] = s.dim[i];
                } else {
                        kept_stride[kept.rank] = own[i];
                        kept.dim[kept.rank++] = s.dim[i];
                }
        }
        r = output_new(x->type, &to, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        if (x->count == 0 && f->finish == finish_mean)
                return error_set(e, -EINVAL, "there are no elements to take the mean of");
        walk_init(&starts, 0, &kept, kept_stride);
        for (size_t i = 0; i < (*out)->count; i++) {
                int64_t at, step;
                double sum;

                walk_next(&starts, 1, &at, &step);
                walk_init(&line, at, &gone, gone_stride);
                sum = reduce_one(f, x, &line, x->count / (*out)->count);
                tensor_set_f64(*out, i, x->type == ELEMENT_BOOL ? sum > 0 : sum);
        }
        return 0;
}

#define REDUCTION(NAME, ...)                                                                    \
        static int NAME##_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) { \
                static const Reduction f = {.start = __VA_ARGS__};                              \
                return reduce_run(&f, n, in, out, e);                                           \
        }

REDUCTION(reduce_sum, 0, .step = step_sum)
REDUCTION(reduce_mean, 0, .step = step_sum, .finish = finish_mean)
REDUCTION(reduce_max, (double)-INFINITY, .step = step_max, .booleans = true)
REDUCTION(reduce_min, (double)INFINITY, .step = step_min, .booleans = true)
REDUCTION(reduce_prod, 1, .step = step_product)
REDUCTION(reduce_l1, 0, .step = step_absolute)
REDUCTION(reduce_l2, 0, .step = step_square, .finish = finish_root)
REDUCTION(reduce_sum_square, 0, .step = step_square)
REDUCTION(reduce_log_sum, 0, .step = step_sum, .finish = finish_log)

#define ONE_TO_ONE(NAME, RUN) \
        { DOMAIN_ONNX, NAME, 1, OPERATOR_OTHER, 1, 1, 1, RUN }

#define REDUCE(NAME, RUN) \
        { DOMAIN_ONNX, NAME, 1, OPERATOR_OTHER, 1, 2, 1, RUN }

static const Operator operators[] = {
        ONE_TO_ONE("Softmax", softmax_run),
        ONE_TO_ONE("LogSoftmax", log_softmax_run),
        ONE_TO_ONE("Hardmax", hardmax_run),
        ONE_TO_ONE("ArgMax", arg_max_run),
        ONE_TO_ONE("ArgMin", arg_min_run),
        REDUCE("ReduceSum", reduce_sum_run),
        REDUCE("ReduceMean", reduce_mean_run),
        REDUCE("ReduceMax", reduce_max_run),
        REDUCE("ReduceMin", reduce_min_run),
        REDUCE("ReduceProd", reduce_prod_run),
        REDUCE("ReduceL1", reduce_l1_run),
        REDUCE("ReduceL2", reduce_l2_run),
        REDUCE("ReduceSumSquare", reduce_sum_square_run),
        REDUCE("ReduceLogSum", reduce_log_sum_run),
};

const OperatorTable operators_reduce = {operators, ELEMENTSOF(operators)};
