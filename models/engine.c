/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/engine.h"

/*
 * Outputs are computed side by side, each as bias + w[0] x[0] + w[1] x[1] + … in that order: no
 * sum is ever split over lanes, so that neither the instruction set nor the number of rows in a
 * batch changes a bit. Multiply and add stay apart (-ffp-contract=off), and exp() is our own,
 * because libm picks another variant on machines with fused multiply-add.
 */
typedef struct Block {
        _Alignas(32) float lane[ENGINE_LANES];
} Block;

#define _inlined_ static inline __attribute__((always_inline))

#define ROWS ((size_t)4) /* rows that share each load of a weight */
#define ALIGNMENT ((size_t)64)

typedef struct EngineLayer {
        LayerKind kind;
        Activation activation;
        size_t inputs;
        size_t outputs;
        size_t blocks;  /* of 8 outputs */
        Block *weights; /* [blocks][inputs], batch normalisation folded in */
        Block *biases;  /* [blocks] */
        float temperature;
        size_t groups;
} EngineLayer;

struct Engine {
        void (*connected)(const EngineLayer *l, const float *in, size_t in_stride, Block *out,
                          size_t out_stride, size_t rows);
        void (*exponents)(Block *x, size_t n);
        size_t n_layers;
        EngineLayer *layers;
        size_t blocks;  /* of the widest layer */
        Block *scratch; /* two buffers of [ROWS][blocks] */
};

#define LANES 4
#define TARGET
#define NAME(x) narrow_##x
#include "models/engine.kernel.h"

#if defined(__x86_64__)
/* Not "fma": avx2 alone never contracts. */
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define NAME(x) wide_##x
#include "models/engine.kernel.h"
#endif

/* One row. Group by group: subtract the maximum, exp, divide by the sum. */
static void softmax_run(const Engine *e, const EngineLayer *l, const float *in, Block *out) {
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
        e->exponents(out, l->blocks);
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
                Block *to = e->scratch, *other = e->scratch + ROWS * e->blocks;

                for (size_t i = 0; i < e->n_layers; i++) {
                        const EngineLayer *l = &e->layers[i];
                        Block *done = to;

                        if (l->kind == LAYER_CONNECTED)
                                e->connected(l, from, stride, to, e->blocks, rows);
                        else
                                for (size_t r = 0; r < rows; r++)
                                        softmax_run(e, l, from + r * stride, to + r * e->blocks);
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

static Block *vectors_new(size_t n) {
        size_t size = (n * sizeof(Block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        Block *v = aligned_alloc(ALIGNMENT, size);

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

void engine_use_narrow(Engine *e) {
        e->connected = narrow_connected;
        e->exponents = narrow_exponents;
}

static void engine_choose(Engine *e) {
        engine_use_narrow(e);
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2")) {
                e->connected = wide_connected;
                e->exponents = wide_exponents;
        }
#endif
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
        engine_choose(e);
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
