/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Runs a feed-forward network on rows of floats. Layers come from an importer; the engine owns
 * their weights, folds batch normalisation, and computes in one fixed order, so that equal rows
 * give equal bits on any machine.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

typedef enum Activation {
        ACTIVATION_LINEAR,
        ACTIVATION_RELU,
        ACTIVATION_LEAKY,
        ACTIVATION_LOGISTIC,
        ACTIVATION_TANH,
        _ACTIVATION_COUNT
} Activation;

typedef enum LayerKind {
        LAYER_CONNECTED,
        LAYER_SOFTMAX
} LayerKind; /* dropout is the identity and leaves no layer */

typedef struct Layer {
        LayerKind kind;
        Activation activation;
        size_t inputs;
        size_t outputs;
        const float *weights; /* [outputs][inputs], row = output; NULL for softmax */
        const float *biases;  /* [outputs] */
        /* batch_normalize: [outputs] each, else NULL. y = (Wx - mean) / (sqrt(variance) + 1e-6) *
         * scale + bias */
        const float *scales;
        const float *means;
        const float *variances;
        float temperature; /* softmax; 1 where unset */
        size_t groups;     /* softmax; 1 where unset */
} Layer;

#define ENGINE_WIDTH_MAX ((size_t)4096) /* units in a layer */
#define ENGINE_LAYERS_MAX ((size_t)64)
#define ENGINE_LANES ((size_t)8) /* outputs computed side by side; layers are padded to it */
#define ENGINE_WEIGHTS_MAX ((size_t)16 * 1024 * 1024) /* floats in all, padding included */

typedef struct Engine Engine;

/* Copies (and folds) the layers' weights; each layer's inputs equal the previous one's outputs.
 * Returns 0, -EINVAL (also where a weight is not finite after folding) or -ENOMEM. */
int engine_new(const Layer *layers, size_t n_layers, Engine **ret);
Engine *engine_free(Engine *e);
DEFINE_CLEANUP(Engine *, engine_free);

size_t engine_inputs(const Engine *e);
size_t engine_outputs(const Engine *e);

/* in: n × inputs, out: n × outputs, both row-major. A row's result depends on that row alone, to
 * the bit. Not reentrant: one engine has one scratch buffer. */
void engine_run(Engine *e, const float *in, size_t n, float *out);

/* Runs e with the vectors that every machine has, even where wider ones are at hand: tests hold the
 * two against each other, bit by bit. */
void engine_use_narrow(Engine *e);
