/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The one interface behind which a network and the rules baseline stand: rows of features in,
 * a probability for each class out. Prediction never fails once a model exists, and the network and
 * the rules allocate nothing for it.
 */

#include "models/feature.h"
#include "policy/class.h"
#include "util/error.h"
#include "util/macro.h"

/* A network's inputs are cut at so many deviations from the mean, in training and in the daemon: a
 * value that training never saw must not drown all others. */
#define MODEL_INPUT_MAX 10.0f

typedef struct Prediction {
        float probability[_CLASS_COUNT]; /* sums to 1 */
} Prediction;

typedef struct Model Model;

typedef struct ModelVTable {
        void (*predict)(Model *m, const float *rows, size_t n, Prediction *ret);
        void (*free)(Model *m);
} ModelVTable;

/* Implementations embed this as their first member. */
struct Model {
        const ModelVTable *vtable;
        char name[64];    /* "rules", or the manifest's name */
        char version[32]; /* manifest's version; "" for rules */
        char digest[65];  /* sha256 of the weights, hex; "" for rules */
};

/* rows: n × FEATURE_COUNT, row-major, as feature_compute() gives them. ret: n predictions. */
static inline void model_predict(Model *m, const float *rows, size_t n, Prediction *ret) {
        m->vtable->predict(m, rows, n, ret);
}

static inline Model *model_free(Model *m) {
        if (m)
                m->vtable->free(m);
        return NULL;
}
DEFINE_CLEANUP(Model *, model_free);

/* The most probable class; the lowest number wins a tie. */
LoadClass prediction_class(const Prediction *p);

/* Deterministic thresholds written by hand: what the network must beat, and what works when there
 * is none. Returns 0 or -ENOMEM. */
int rules_model_new(Model **ret);

/* mean, deviation: FEATURE_COUNT each, copied; finite, deviation > 0. Takes over the engine where
 * it succeeds; inputs and outputs must be FEATURE_COUNT and _CLASS_COUNT. Returns 0, -EINVAL or
 * -ENOMEM. Where the network's output is not finite, every class is equally probable. */
struct Engine;
int network_model_new(const char *name, const char *version, const char *digest, const float *mean,
                      const float *deviation, struct Engine *engine, Model **ret);
