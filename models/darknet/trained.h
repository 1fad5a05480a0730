/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A network that came out of training, and the three files that it becomes: NAME.cfg, NAME.weights,
 * NAME.validation.csv where programs were kept from teaching, and NAME.json, the manifest. */

#include "models/train/dataset.h"
#include "models/train/split.h"

typedef struct Trained {
        const char *name, *version, *description;
        char *cfg;
        char *weights;
        size_t weights_size;
        Standard standard;
        uint64_t seed;
        uint32_t batches; /* trained with */
        double noise;
        uint32_t members;   /* networks that were made one */
        double temperature; /* that the last layer was divided by */
        double epochs;      /* the same, as often as there were rows to teach with */
        bool stopped;       /* before all batches, for it had not been better for long */
        const char *from;   /* the model whose weights it went on from; NULL: none */
        bool refit; /* trained on the validation programs too, after they chose the batches */
} Trained;

void trained_done(Trained *t);

/* The network as the daemon would run it. Returns 0 or -errno with *e set. */
int trained_load(const Trained *t, Model **ret, Error *e);

/*
 * Checks the weights with the importer, judges them on each side's programs, and writes the files
 * into dir, which must exist, the manifest last. Equal input gives equal files. Returns 0 or -errno
 * with *e set.
 */
int trained_write(const Trained *t, const RowTable *all, const Split *split, const char *dir,
                  Error *e);
