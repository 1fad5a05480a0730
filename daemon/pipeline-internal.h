/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The pipeline's own state: pipeline.c changes it, pipeline-view.c shows it. */

#include "daemon/judge.h"
#include "daemon/pipeline.h"
#include "daemon/tuner.h"
#include "policy/prior.h"

/* A demotion announced before the process was sampled. */
typedef struct Pending {
        pid_t pid;
        uint64_t start;
} Pending;

struct Pipeline {
        Judge judge;
        Tuner tuner;
        PriorTable priors;
        Model *model; /* borrowed */

        usec_t dt; /* of the last interval; 0: none */
        uint32_t n_cpus;
        Psi psi[_PSI_COUNT];
        float psi_some[_PSI_COUNT]; /* s/s, negative: unknown */

        /* Who waited most at the last decision: copied, for processes end */
        pid_t victim;
        char victim_comm[16];
        uint32_t victim_delay;

        float *rows; /* n_rows × FEATURE_COUNT */
        Prediction *predictions;
        size_t n_rows, n_rows_allocated;
        size_t n_skipped;

        pid_t *wanted;
        size_t n_wanted, n_wanted_allocated;
        Pending *pending;
        size_t n_pending, n_pending_allocated;
};
