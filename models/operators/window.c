/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operators/product.h"
#include "models/operators/window.h"

/* A list of count numbers within limits; not given: each is the fallback. */
static int window_list(const Node *n, const char *name, size_t count, int64_t min, int64_t fallback,
                       int64_t *ret, Error *e) {
        Ints list;
        int r = ints_from_attribute(n, name, &list, e);

        if (r < 0)
                return r;
        if (list.given && list.n != count)
                return error_set(e, -EINVAL, "%s has %zu numbers, not %zu", name, list.n, count);
        for (size_t i = 0; i < count; i++) {
                ret[i] = list.given ? list.at[i] : fallback;
                if (ret[i] < min || ret[i] > (int64_t)TENSOR_ELEMENTS_MAX)
                        return error_set(e, -EINVAL,
                                         "%s has %" PRId64 ": %" PRId64 " to %zu are accepted",
                                         name, ret[i], min, TENSOR_ELEMENTS_MAX);
        }
        return 0;
}

typedef enum AutoPad { PAD_NOTSET, PAD_VALID, PAD_SAME_UPPER, PAD_SAME_LOWER } AutoPad;

static int auto_pad(const Node *n, AutoPad *ret, Error *e) {
        static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
        const char *name = attribute_string(n, "auto_pad", "NOTSET");

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(name, names[i])) {
                        *ret = (AutoPad)i;
                        return 0;
                }
        return error_set(e, -EINVAL, "auto_pad '%.32s' is not known", name);
}

/* How often the window fits along one dimension. A last one that is only in part on the input
 * counts where ceil_mode is set, unless it would start in the padding at the end. */
static int window_fit(Window *w, size_t i, AutoPad pad, bool ceil_mode, Error *e) {
        int64_t span = (w->kernel[i] - 1) * w->dilation[i] + 1, room;

        if (pad == PAD_SAME_UPPER || pad == PAD_SAME_LOWER) {
                w->out[i] = (w->in[i] + w->stride[i] - 1) / w->stride[i];
                room = MAX((w->out[i] - 1) * w->stride[i] + span - w->in[i], 0);
                w->begin[i] = pad == PAD_SAME_UPPER ? room / 2 : room - room / 2;
                w->end[i] = room - w->begin[i];
                return 0;
        }
        if (pad == PAD_VALID)
                w->begin[i] = w->end[i] = 0;
        room = w->in[i] + w->begin[i] + w->end[i] - span;
        if (room < 0)
                return error_set(e, -EINVAL,
                                 "a window of %" PRId64
                                 " does not fit into dimension %zu of %" PRId64,
                                 span, i + 2, w->in[i] + w->begin[i] + w->end[i]);
        w->out[i] = room / w->stride[i] + 1;
        if (ceil_mode && room % w->stride[i] && w->out[i] * w->stride[i] < w->in[i] + w->begin[i])
                w->out[i]++;
        return 0;
}

int window_init(Window *w, const Node *n, const Shape *x, const Ints *kernel, Error *e) {
        int64_t pads[2 * SPATIAL_MAX];
        AutoPad pad = PAD_NOTSET;
        int r;

        if (x->rank < 3)
                return error_set(e, -EINVAL,
                                 "the input has %zu dimensions: at least 3 are accepted", x->rank);
        *w = (Window){.rank = x->rank - 2};
        if (kernel->n != w->rank)
                return error_set(e, -EINVAL, "a kernel of %zu dimensions for %zu", kernel->n,
                                 w->rank);
        for (size_t i = 0; i < w->rank; i++) {
                w->in[i] = x->dim[i + 2];
                w->kernel[i] = kernel->at[i];
                if (w->kernel[i] < 1 || w->kernel[i] > (int64_t)TENSOR_ELEMENTS_MAX)
                        return error_set(e, -EINVAL, "a kernel of size %" PRId64, w->kernel[i]);
        }
        r = window_list(n, "strides", w->rank, 1, 1, w->stride, e);
        if (r < 0)
                return r;
        r = window_list(n, "dilations", w->rank, 1, 1, w->dilation, e);
        if (r < 0)
                return r;
        r = window_list(n, "pads", 2 * w->rank, 0, 0, pads, e);
        if (r < 0)
                return r;
        r = auto_pad(n, &pad, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < w->rank; i++) {
                w->begin[i] = pads[i];
                w->end[i] = pads[w->rank + i];
                r = window_fit(w, i, pad, attribute_int(n, "ceil_mode", 0) != 0, e);
                if (r < 0)
                        return r;
        }
        if (tensor_count(w->rank, w->in, &w->in_count) < 0 ||
            tensor_count(w->rank, w->kernel, &w->kernel_count) < 0 ||
            tensor_count(w->rank, w->out, &w->out_count) < 0)
                return error_set(e, -EFBIG, "kernel or output have more than %zu elements",
                                 TENSOR_ELEMENTS_MAX);
        return 0;
}

int window_taps_new(const Window *w, Tap **ret) {
        *ret = calloc(MAX(MIN(w->in_count, w->kernel_count), 1u), sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

/* The first t >= 0 with start + t * step >= limit. */
static int64_t steps_to(int64_t start, int64_t step, int64_t limit) {
        return start >= limit ? 0 : (limit - start + step - 1) / step;
}

size_t window_taps(const Window *w, size_t at, Tap *taps, size_t *ret_padded) {
        int64_t start[SPATIAL_MAX] = {}, first[SPATIAL_MAX], end[SPATIAL_MAX] = {},
                t[SPATIAL_MAX] = {};
        size_t n = 0, padded = 1;
        bool none = false;

        for (size_t i = w->rank; i-- > 0; at /= (size_t)w->out[i]) {
                start[i] = (int64_t)(at % (size_t)w->out[i]) * w->stride[i] - w->begin[i];
                first[i] = steps_to(start[i], w->dilation[i], 0);
                end[i] = MIN(w->kernel[i], steps_to(start[i], w->dilation[i], w->in[i]));
                none |= first[i] >= end[i];
                t[i] = first[i];
                padded *= (size_t)MIN(w->kernel[i],
                                      steps_to(start[i], w->dilation[i], w->in[i] + w->end[i]));
        }
        if (ret_padded)
                *ret_padded = padded;
        while (!none) {
                int64_t in = 0, kernel = 0;
                size_t i = w->rank;

                for (size_t k = 0; k < w->rank; k++) {
                        in = in * w->in[k] + start[k] + t[k] * w->dilation[k];
                        kernel = kernel * w->kernel[k] + t[k];
                }
                taps[n++] = (Tap){(uint32_t)in, (uint32_t)kernel};
                while (i-- > 0) {
                        if (++t[i] < end[i])
                                break;
                        t[i] = first[i];
                        none = i == 0;
                }
        }
        return n;
}

/*
 * Convolutions. For each position the taps are found once, for all channels.
 */

int convolution_init(Convolution *c, const Node *n, const Shape *x, const Shape *w, Error *e) {
        int64_t group = attribute_int(n, "group", 1);
        ShapeText s, t;
        Ints kernel, asked;
        int r;

        if (x->rank != w->rank || x->rank < 3 || group < 1 || w->dim[1] > x->dim[1] ||
            group > MAX(x->dim[1], 1) || x->dim[1] != w->dim[1] * group || w->dim[0] % group != 0)
                return error_set(e, -EINVAL, "weights %s in %" PRId64 " groups do not fit input %s",
                                 shape_text(w, &s), group, shape_text(x, &t));
        kernel = (Ints){.given = true, .n = w->rank - 2};
        memcpy(kernel.at, w->dim + 2, kernel.n * sizeof(kernel.at[0]));
        r = ints_from_attribute(n, "kernel_shape", &asked, e);
        if (r < 0)
                return r;
        if (asked.given && (asked.n != kernel.n ||
                            memcmp(asked.at, kernel.at, kernel.n * sizeof(kernel.at[0])) != 0))
                return error_set(e, -EINVAL, "kernel_shape is not that of weights %s",
                                 shape_text(w, &s));
        r = window_init(&c->window, n, x, &kernel, e);
        if (r < 0)
                return r;
        c->batch = (size_t)x->dim[0];
        c->channels = (size_t)x->dim[1];
        c->group = (size_t)group;
        c->maps = (size_t)w->dim[0];
        c->out = (Shape){.rank = x->rank, .dim = {x->dim[0], w->dim[0]}};
        memcpy(c->out.dim + 2, c->window.out, c->window.rank * sizeof(c->out.dim[0]));
        return operator_spend(n, c->batch * c->maps, c->window.out_count,
                              MAX(c->channels / c->group, 1u) * c->window.kernel_count, e);
}

#define DOT(NAME, T, SUM)                                                                 \
        static SUM NAME(const Window *w, const T *x, const T *weights, size_t channels,   \
                        const Tap *taps, size_t n) {                                      \
                SUM sum = 0;                                                              \
                                                                                          \
                for (size_t c = 0; c < channels;                                          \
                     c++, x += w->in_count, weights += w->kernel_count)                   \
                        for (size_t i = 0; i < n; i++)                                    \
                                sum += (SUM)x[taps[i].in] * (SUM)weights[taps[i].kernel]; \
                return sum;                                                               \
        }

DOT(dot_f32, float, double)
DOT(dot_f64, double, double)
DOT(dot_i32, int32_t, uint64_t) /* wraps */

int convolution_sums(const Convolution *c, const Tensor *x, const Tensor *w, Tensor **ret,
                     Error *e) {
        _cleanup_(tensor_freep)
        Tensor *sums = NULL;
        _cleanup_free_
        Tap *taps = NULL;
        const Window *window = &c->window;
        size_t channels = c->channels / c->group, maps = c->maps / c->group;
        int r;

        r = output_new(x->type == ELEMENT_I32 ? ELEMENT_I64 : ELEMENT_F64, &c->out, &sums, e);
        if (r < 0)
                return r;
        r = window_taps_new(window, &taps);
        if (r < 0)
                return r;
        for (size_t at = 0; sums->count > 0 && at < window->out_count; at++) {
                size_t n = window_taps(window, at, taps, NULL);

                for (size_t i = 0; i < c->batch * c->maps; i++) {
                        size_t map = i % c->maps;
                        size_t from = (i / c->maps * c->channels + map / maps * channels) *
                                      window->in_count;
                        size_t weights = map * channels * window->kernel_count;
                        size_t to = i * window->out_count + at;

                        if (x->type == ELEMENT_I32)
                                sums->u64[to] = dot_i32(window, x->i32 + from, w->i32 + weights,
                                                        channels, taps, n);
                        else if (x->type == ELEMENT_F32)
                                sums->f64[to] = dot_f32(window, x->f32 + from, w->f32 + weights,
                                                        channels, taps, n);
                        else
                                sums->f64[to] = dot_f64(window, x->f64 + from, w->f64 + weights,
                                                        channels, taps, n);
                }
        }
        *ret = TAKE_PTR(sums);
        return 0;
}

static int conv_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *own_x = NULL, *own_w = NULL, *sums = NULL;
        const Tensor *x, *w, *b = n->n_inputs > 2 ? in[2] : NULL;
        Shape s = shape_of(in[0]), t = shape_of(in[1]);
        Convolution c;
        int r;

        for (size_t i = 0; i < 3; i++)
                if (i < 2 || b) {
                        r = type_check(in[i], TYPES_FLOAT, "an input", e);
                        if (r < 0)
                                return r;
                        if (in[i]->type != in[0]->type)
                                return error_set(e, -EINVAL, "inputs of more than one type");
                }
        r = convolution_init(&c, n, &s, &t, e);
        if (r < 0)
                return r;
        if (b && (b->rank != 1 || b->count != c.maps))
                return error_set(e, -EINVAL, "%zu biases for %zu maps", b->count, c.maps);
        r = product_operand(in[0], "input X", &own_x, &x, e);
        if (r < 0)
                return r;
        r = product_operand(in[1], "input W", &own_w, &w, e);
        if (r < 0)
                return r;
        r = convolution_sums(&c, x, w, &sums, e);
        if (r < 0)
                return r;
        for (size_t i = 0; b && i < sums->count; i++)
                sums->f64[i] += tensor_get_f64(b, i / c.window.out_count % c.maps);
        return tensor_convert(sums, in[0]->type, out, e);
}

/*
 * Pools.
 */

/* Global pools have a window as large as the input, and no attributes. */
static int pool_init(Window *w, const Node *n, const Tensor *x, bool global, Shape *ret_out,
                     Error *e) {
        Shape s = shape_of(x);
        Node plain = *n;
        Ints kernel = {};
        int r;

        if (global) {
                plain.n_attributes = 0;
                for (; kernel.n + 2 < s.rank; kernel.n++)
                        kernel.at[kernel.n] = s.dim[kernel.n + 2];
        } else {
                r = ints_from_attribute(n, "kernel_shape", &kernel, e);
                if (r < 0)
                        return r;
        }
        r = window_init(w, &plain, &s, &kernel, e);
        if (r < 0)
                return r;
        *ret_out = s;
        memcpy(ret_out->dim + 2, w->out, w->rank * sizeof(w->out[0]));
        return operator_spend(n, shape_count(&s, 0, 2), w->out_count, w->kernel_count, e);
}

/* Which tap holds the largest of the elements from `from` on; the first of equals, and any NaN. */
#define LARGEST(MEMBER, IS_NAN)                                                       \
        for (size_t i = 1; i < n; i++)                                                \
                if (x->MEMBER[from + taps[i].in] > x->MEMBER[from + taps[best].in] || \
                    IS_NAN(x->MEMBER[from + taps[i].in]))                             \
                        best = i;
#define NEVER(x) false

static size_t largest_tap(const Tensor *x, size_t from, const Tap *taps, size_t n) {
        size_t best = 0;

        if (x->type == ELEMENT_F64) {
                LARGEST(f64, isnan)
        } else if (x->type == ELEMENT_I64) {
                LARGEST(i64, NEVER)
        } else {
                LARGEST(u64, NEVER)
        }
        return best;
}

/* The number of an element if the first dimension ran fastest. */
static size_t column_major(const Window *w, size_t at) {
        size_t result = 0;

        for (size_t i = w->rank; i-- > 0; at /= (size_t)w->in[i]) {
                size_t inner = 1;

                for (size_t k = 0; k < i; k++)
                        inner *= (size_t)w->in[k];
                result += at % (size_t)w->in[i] * inner;
        }
        return result;
}

static int largest(const Node *n, const Tensor *x, bool global, Tensor **out, Error *e) {
        static const ElementType wide_types[] = {ELEMENT_F64, ELEMENT_I64, ELEMENT_U64};
        _cleanup_(tensor_freep)
        Tensor *wide = NULL;
        _cleanup_free_
        Tap *taps = NULL;
        bool indices = n->n_outputs > 1;
        bool columns = !global && attribute_int(n, "storage_order", 0) != 0;
        Shape to;
        Window w;
        int r;

        r = type_check(x, TYPES_NUMBER, "the input", e);
        if (r < 0)
                return r;
        r = pool_init(&w, n, x, global, &to, e);
        if (r < 0)
                return r;
        r = output_new(x->type, &to, out, e);
        if (r == 0 && indices)
                r = output_new(ELEMENT_I64, &to, out + 1, e);
        if (r < 0 || out[0]->count == 0)
                return r;
        r = tensor_convert(x, wide_types[type_wide(x->type)], &wide, e);
        if (r == 0)
                r = window_taps_new(&w, &taps);
        for (size_t at = 0; r == 0 && at < w.out_count; at++) {
                size_t count = window_taps(&w, at, taps, NULL);

                if (count == 0)
                        return error_set(e, -EINVAL, "window %zu lies on padding alone", at);
                for (size_t i = 0; i < out[0]->count / w.out_count; i++) {
                        size_t from = i * w.in_count,
                               tap = taps[largest_tap(wide, from, taps, count)].in;

                        elements_copy(out[0], i * w.out_count + at, x, (int64_t)(from + tap), 1, 1);
                        if (indices)
                                out[1]->i64[i * w.out_count + at] =
                                        (int64_t)(from + (columns ? column_major(&w, tap) : tap));
                }
        }
        return r;
}

static int max_pool_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return largest(n, in[0], false, out, e);
}

static int global_max_pool_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return largest(n, in[0], true, out, e);
}

static int average(const Node *n, const Tensor *x, bool global, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *own = NULL, *sums = NULL;
        _cleanup_free_
        Tap *taps = NULL;
        bool padding = !global && attribute_int(n, "count_include_pad", 0) != 0;
        Shape to;
        Window w;
        int r;

        r = type_check(x, TYPES_FLOAT, "the input", e);
        if (r < 0)
                return r;
        r = pool_init(&w, n, x, global, &to, e);
        if (r == 0)
                r = output_new(ELEMENT_F64, &to, &sums, e);
        if (r == 0)
                r = tensor_convert(x, ELEMENT_F64, &own, e);
        if (r == 0)
                r = window_taps_new(&w, &taps);
        for (size_t at = 0; r == 0 && sums->count > 0 && at < w.out_count; at++) {
                size_t padded, count = window_taps(&w, at, taps, &padded);
                double divisor = (double)(padding ? padded : count);

                if (divisor == 0)
                        return error_set(e, -EINVAL, "window %zu lies on padding alone", at);
                for (size_t i = 0; i < sums->count / w.out_count; i++) {
                        const double *from = own->f64 + i * w.in_count;
                        double sum = 0;

                        for (size_t k = 0; k < count; k++)
                                sum += from[taps[k].in];
                        sums->f64[i * w.out_count + at] = sum / divisor;
                }
        }
        return r < 0 ? r : tensor_convert(sums, x->type, out, e);
}

static int average_pool_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return average(n, in[0], false, out, e);
}

static int global_average_pool_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return average(n, in[0], true, out, e);
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "Conv", 1, OPERATOR_AFFINE, 2, 3, 1, conv_run},
        {DOMAIN_ONNX, "MaxPool", 1, OPERATOR_OTHER, 1, 1, 2, max_pool_run},
        {DOMAIN_ONNX, "AveragePool", 1, OPERATOR_AFFINE, 1, 1, 1, average_pool_run},
        {DOMAIN_ONNX, "GlobalMaxPool", 1, OPERATOR_OTHER, 1, 1, 1, global_max_pool_run},
        {DOMAIN_ONNX, "GlobalAveragePool", 1, OPERATOR_AFFINE, 1, 1, 1, global_average_pool_run},
};

const OperatorTable operators_window = {operators, ELEMENTSOF(operators)};
