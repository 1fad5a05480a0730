/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/model.h"

#include "models/engine.h"

#define BLOCK ((size_t)64) /* rows standardised at a time; they stay in the first-level cache */

typedef struct Network {
        Model model;
        Engine *engine;
        float mean[FEATURE_COUNT];
        float deviation[FEATURE_COUNT];
        float in[BLOCK * FEATURE_COUNT];
        float out[BLOCK * _CLASS_COUNT];
} Network;

/* Finite weights can still overflow in between: then nothing is known, which is not an error. */
static void prediction_fill(Prediction *p, const float *out) {
        float sum = 0;

        for (int c = 0; c < _CLASS_COUNT; c++)
                sum += out[c] >= 0.0f && out[c] <= 1.0f ? out[c] : NAN;
        for (int c = 0; c < _CLASS_COUNT; c++)
                p->probability[c] = sum > 0.0f ? out[c] / sum : 1.0f / _CLASS_COUNT;
}

static void network_predict(Model *m, const float *rows, size_t n, Prediction *ret) {
        Network *network = (Network *)m;

        for (size_t first = 0; first < n; first += BLOCK) {
                size_t count = MIN(BLOCK, n - first);
                const float *row = rows + first * FEATURE_COUNT;

                for (size_t i = 0; i < count; i++)
                        for (size_t f = 0; f < FEATURE_COUNT; f++) {
                                float x = (row[i * FEATURE_COUNT + f] - network->mean[f]) /
                                          network->deviation[f];

                                network->in[i * FEATURE_COUNT + f] = CLAMP(x, -MODEL_INPUT_MAX,
                                                                           MODEL_INPUT_MAX);
                        }
                engine_run(network->engine, network->in, count, network->out);
                for (size_t i = 0; i < count; i++)
                        prediction_fill(&ret[first + i], network->out + i * _CLASS_COUNT);
        }
}

static void network_free(Model *m) {
        Network *network = (Network *)m;

        engine_free(network->engine);
        free(network);
}

int network_model_new(const char *name, const char *version, const char *digest, const float *mean,
                      const float *deviation, Engine *engine, Model **ret) {
        static const ModelVTable vtable = {.predict = network_predict, .free = network_free};
        Network *network;

        if (engine_inputs(engine) != FEATURE_COUNT || engine_outputs(engine) != _CLASS_COUNT)
                return -EINVAL;
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                if (!isfinite(mean[i]) || !isfinite(deviation[i]) || deviation[i] <= 0.0f)
                        return -EINVAL;

        network = calloc(1, sizeof(*network));
        if (!network)
                return -ENOMEM;
        network->model.vtable = &vtable;
        snprintf(network->model.name, sizeof(network->model.name), "%s", name);
        snprintf(network->model.version, sizeof(network->model.version), "%s", version);
        snprintf(network->model.digest, sizeof(network->model.digest), "%s", digest);
        memcpy(network->mean, mean, sizeof(network->mean));
        memcpy(network->deviation, deviation, sizeof(network->deviation));
        network->engine = engine;
        *ret = &network->model;
        return 0;
}
