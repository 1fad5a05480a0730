/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Darknet behind two functions; glue.c is the only file that includes darknet.h. Both run in a
 * worker process alone (worker.h): darknet answers bad input with exit(0), abort() or a crash.
 */

#include "models/train/dataset.h"

/* What training tells while it goes on. */
typedef struct GlueProgress {
        uint32_t batch;
        uint32_t batches;
        float loss;    /* cross-entropy a row, mean since the last report */
        float f1;      /* macro-F1 on the validation rows now; -1: there are none */
        float best_f1; /* the best so far, whose weights are the ones saved */
        uint32_t best_batch;
        uint32_t stopped; /* early: it has not been better for long */
} GlueProgress;

typedef struct GlueTraining {
        const char *cfg_path;
        const char *weights_path; /* written */
        const char *from_path;    /* weights to go on from; NULL: drawn by the seed */
        const Sampler *train;
        const Sampler *validation; /* NULL: the last weights are saved */
        const Standard *standard;
        uint64_t seed;
        uint32_t batches;
        uint32_t check_every; /* batches between reports, > 0 */
        uint32_t patience;    /* checks without a better one after which it stops; 0: never */
        double noise;         /* deviation of what is added to each standardised input */
} GlueTraining;

/* Trains and saves weights. Returns 0, -EINVAL where cfg and rows do not fit, -ERANGE where the
 * loss is no number any more, -ENOMEM. */
int glue_train(const GlueTraining *t, void (*report)(const GlueProgress *p, void *userdata),
               void *userdata);

/* Runs n rows of n_inputs floats through the network; out: n × n_outputs. Returns 0, -EINVAL or
 * -ENOMEM. */
int glue_predict(const char *cfg_path, const char *weights_path, const float *rows, size_t n,
                 size_t n_inputs, size_t n_outputs, float *out);
