/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/engine.h"

/*
 * Outputs are computed eight abreast, each as bias + w[0] x[0] + w[1] x[1] + … in that order: no
 * sum is ever split over lanes, so that neither the instruction set nor the number of rows in a
 * batch changes a bit. Multiply and add stay apart (-ffp-contract=off), and exp() is our own,
 * because libm picks another variant on machines with fused multiply-add.
 */
typedef float v8 __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef uint32_t v8u __attribute__((vector_size(32)));

_Static_assert(sizeof(v8) == ENGINE_LANES * sizeof(float), "a vector is a block of outputs");

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__has_attribute)
#if __has_attribute(target_clones)
#define _clones_ __attribute__((target_clones("default", "avx2")))
#endif
#endif
#ifndef _clones_
#define _clones_
#endif

/* Into each clone, where it is compiled for that clone's instruction set. */
#define _inlined_ static inline __attribute__((always_inline))

#define ROWS ((size_t)4) /* rows that share each load of a weight */
#define ALIGNMENT ((size_t)64)

typedef struct EngineLayer {
        LayerKind kind;
        Activation activation;
        size_t inputs;
        size_t outputs;
        size_t blocks; /* of 8 outputs */
        v8 *weights;   /* [blocks][inputs], batch normalisation folded in */
        v8 *biases;    /* [blocks] */
        float temperature;
        size_t groups;
} EngineLayer;

struct Engine {
        size_t n_layers;
        EngineLayer *layers;
        size_t blocks; /* of the widest layer */
        v8 *scratch;   /* two buffers of [ROWS][blocks] */
};

/* exp() after Cephes expf (Moshier): 2^n times a polynomial on ±ln(2)/2; relative error 2e-7.
 * Saturates at exp(±87); NaN stays NaN. */
_inlined_ void vector_exp(v8 *p) {
        v8 x = *p, t, y;
        v8i high = x > 87.0f, low = x < -87.0f;
        v8u n;

        x = (v8)(((v8i)x & ~high & ~low) | ((v8i)(x * 0.0f + 87.0f) & high) |
                 ((v8i)(x * 0.0f - 87.0f) & low));
        /* 1.5 * 2^23 leaves no room for a fraction: the sum's low bits are the rounded integer. */
        t = x * 1.44269504f + 12582912.0f;
        n = (v8u)t << 23;
        t -= 12582912.0f;
        x -= t * 0.693359375f;
        x -= t * -2.12194440e-4f;
        y = x * 1.9875691500e-4f + 1.3981999507e-3f;
        y = y * x + 8.3334519073e-3f;
        y = y * x + 4.1665795894e-2f;
        y = y * x + 1.6666665459e-1f;
        y = y * x + 5.0000001201e-1f;
        y = y * x * x + x + 1.0f;
        *p = (v8)((v8u)y + n);
}

_inlined_ void vector_activate(v8 *p, Activation activation) {
        v8 x = *p;

        switch (activation) {
        case ACTIVATION_RELU:
                *p = (v8)((v8i)x & (x > 0.0f));
                break;
        case ACTIVATION_LEAKY: {
                v8i positive = x > 0.0f;

                *p = (v8)(((v8i)x & positive) | ((v8i)(x * 0.1f) & ~positive));
                break;
        }
        case ACTIVATION_LOGISTIC:
                x = -x;
                vector_exp(&x);
                *p = 1.0f / (1.0f + x);
                break;
        case ACTIVATION_TANH:
                x = x * 2.0f;
                vector_exp(&x);
                *p = 1.0f - 2.0f / (x + 1.0f);
                break;
        case ACTIVATION_LINEAR:
        default:
                break;
        }
}

/* A tile of rows × blocks; both are constants where this is inlined, so that the sums live in
 * registers. */
_inlined_ void tile(const EngineLayer *l, size_t block, const float *in, size_t in_stride, v8 *out,
                    size_t out_stride, const size_t rows, const size_t blocks) {
        const v8 *w = l->weights + block * l->inputs;
        v8 sum[8];

        for (size_t r = 0; r < rows; r++)
                for (size_t b = 0; b < blocks; b++)
                        sum[r * blocks + b] = l->biases[block + b];
        for (size_t i = 0; i < l->inputs; i++)
                for (size_t r = 0; r < rows; r++)
                        for (size_t b = 0; b < blocks; b++)
                                sum[r * blocks + b] += w[b * l->inputs + i] * in[r * in_stride + i];
        for (size_t r = 0; r < rows; r++)
                for (size_t b = 0; b < blocks; b++) {
                        vector_activate(&sum[r * blocks + b], l->activation);
                        out[r * out_stride + block + b] = sum[r * blocks + b];
                }
}

_clones_ static void connected_run(const EngineLayer *l, const float *in, size_t in_stride, v8 *out,
                                   size_t out_stride, size_t rows) {
        size_t b = 0;

        if (rows == ROWS) {
                for (; b + 2 <= l->blocks; b += 2)
                        tile(l, b, in, in_stride, out, out_stride, ROWS, 2);
                for (; b < l->blocks; b++)
                        tile(l, b, in, in_stride, out, out_stride, ROWS, 1);
                return;
        }
        for (size_t r = 0; r < rows; r++, in += in_stride, out += out_stride) {
                for (b = 0; b + 4 <= l->blocks; b += 4)
                        tile(l, b, in, in_stride, out, out_stride, 1, 4);
                for (; b < l->blocks; b++)
                        tile(l, b, in, in_stride, out, out_stride, 1, 1);
        }
}

/* One row. Group by group: subtract the maximum, exp, divide by the sum. */
_clones_ static void softmax_run(const EngineLayer *l, const float *in, v8 *out) {
        size_t width = l->inputs / l->groups;
        float *o = (float *)out;

        for (size_t g = 0; g < l->groups; g++) {
                float max = in[g * width];

                for (size_t i = 1; i < width; i++)
                        max = MAX(max, in[g * width + i]);
                for (size_t i = 0; i < width; i++)
                        o[g * width + i] = (in[g * width + i] - max) / l->temperature;
        }
        for (size_t i = l->inputs; i < l->blocks * ENGINE_LANES; i++)
                o[i] = 0;
        for (size_t b = 0; b < l->blocks; b++)
                vector_exp(&out[b]);
        for (size_t g = 0; g < l->groups; g++) {
                float sum = 0;

                for (size_t i = 0; i < width; i++)
                        sum += o[g * width + i];
                for (size_t i = 0; i < width; i++)
                        o[g * width + i] /= sum;
        }
}

void engine_run(Engine *e, const float *in, size_t n, float *out) {
        size_t inputs = engine_inputs(e), outputs = engine_outputs(e);
        size_t lanes = e->blocks * ENGINE_LANES;

        for (size_t row = 0; row < n; row += ROWS) {
                size_t rows = MIN(ROWS, n - row);
                const float *from = in + row * inputs;
                size_t stride = inputs;
                v8 *to = e->scratch, *other = e->scratch + ROWS * e->blocks;

                for (size_t i = 0; i < e->n_layers; i++) {
                        const EngineLayer *l = &e->layers[i];
                        v8 *done = to;

                        if (l->kind == LAYER_CONNECTED)
                                connected_run(l, from, stride, to, e->blocks, rows);
                        else
                                for (size_t r = 0; r < rows; r++)
                                        softmax_run(l, from + r * stride, to + r * e->blocks);
                        from = (const float *)done;
                        stride = lanes;
                        to = other;
                        other = done;
                }
                for (size_t r = 0; r < rows; r++)
                        memcpy(out + (row + r) * outputs, from + r * lanes,
                               outputs * sizeof(float));
        }
}

size_t engine_inputs(const Engine *e) {
        return e->layers[0].inputs;
}

size_t engine_outputs(const Engine *e) {
        return e->layers[e->n_layers - 1].outputs;
}

static v8 *vectors_new(size_t n) {
        size_t size = (n * sizeof(v8) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        v8 *v = aligned_alloc(ALIGNMENT, size);

        if (v)
                memset(v, 0, size);
        return v;
}

/* Transposes into blocks of eight outputs, folding y = (Wx - mean) k + bias, k = scale /
 * (sqrt(variance) + 1e-6), into weights and biases. */
static int connected_init(EngineLayer *to, const Layer *from) {
        bool normalize = from->scales;

        to->weights = vectors_new(to->blocks * to->inputs);
        to->biases = vectors_new(to->blocks);
        if (!to->weights || !to->biases)
                return -ENOMEM;

        for (size_t o = 0; o < to->outputs; o++) {
                float *w = (float *)(to->weights + o / ENGINE_LANES * to->inputs) +
                           o % ENGINE_LANES;
                float k = 1, bias = from->biases[o];

                if (normalize) {
                        k = from->scales[o] / (sqrtf(from->variances[o]) + 1e-6f);
                        bias -= from->means[o] * k;
                }
                if (!isfinite(k) || !isfinite(bias))
                        return -EINVAL;
                ((float *)to->biases)[o] = bias;
                for (size_t i = 0; i < to->inputs; i++) {
                        float weight = from->weights[o * to->inputs + i] * k;

                        if (!isfinite(weight))
                                return -EINVAL;
                        w[i * ENGINE_LANES] = weight;
                }
        }
        return 0;
}

static bool layer_is_valid(const Layer *l, size_t inputs) {
        if (l->inputs != inputs || l->outputs == 0 || l->outputs > ENGINE_WIDTH_MAX)
                return false;
        switch (l->kind) {
        case LAYER_CONNECTED:
                return (unsigned)l->activation < _ACTIVATION_COUNT && l->weights && l->biases &&
                       !l->scales == !l->means && !l->scales == !l->variances;
        case LAYER_SOFTMAX:
                return l->outputs == l->inputs && isfinite(l->temperature) &&
                       l->temperature > 0.0f && l->groups > 0 && l->inputs % l->groups == 0;
        default:
                return false;
        }
}

int engine_new(const Layer *layers, size_t n_layers, Engine **ret) {
        _cleanup_(engine_freep)
        Engine *e = NULL;
        size_t n_weights = 0;

        if (n_layers == 0 || n_layers > ENGINE_LAYERS_MAX || layers[0].inputs == 0 ||
            layers[0].inputs > ENGINE_WIDTH_MAX)
                return -EINVAL;

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->layers = calloc(n_layers, sizeof(*e->layers));
        if (!e->layers)
                return -ENOMEM;

        for (size_t i = 0; i < n_layers; i++) {
                const Layer *from = &layers[i];
                EngineLayer *to = &e->layers[i];
                int r;

                if (!layer_is_valid(from, i > 0 ? layers[i - 1].outputs : from->inputs))
                        return -EINVAL;
                *to = (EngineLayer){
                        .kind = from->kind,
                        .activation = from->activation,
                        .inputs = from->inputs,
                        .outputs = from->outputs,
                        .blocks = (from->outputs + ENGINE_LANES - 1) / ENGINE_LANES,
                        .temperature = from->temperature,
                        .groups = from->groups,
                };
                e->n_layers = i + 1;
                e->blocks = MAX(e->blocks, to->blocks);
                if (to->kind != LAYER_CONNECTED)
                        continue;
                n_weights += to->blocks * ENGINE_LANES * to->inputs;
                if (n_weights > ENGINE_WEIGHTS_MAX)
                        return -EINVAL;
                r = connected_init(to, from);
                if (r < 0)
                        return r;
        }

        e->scratch = vectors_new(2 * ROWS * e->blocks);
        if (!e->scratch)
                return -ENOMEM;
        *ret = TAKE_PTR(e);
        return 0;
}

Engine *engine_free(Engine *e) {
        if (!e)
                return NULL;
        for (size_t i = 0; i < e->n_layers; i++) {
                free(e->layers[i].weights);
                free(e->layers[i].biases);
        }
        free(e->layers);
        free(e->scratch);
        free(e);
        return NULL;
}
