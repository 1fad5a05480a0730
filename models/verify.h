/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Whether a model may be run at all, and how well it does: files as the manifest says, a network of
 * the right shape, outputs that mean something on made-up rows and on its own validation rows, and
 * the macro-F1 on those. Nothing here waits: MODEL_ROWS_MAX bounds the time.
 */

#include "models/manifest.h"
#include "models/train/row-table.h"

#define MODEL_ROWS_MAX ((size_t)5000)
#define MODEL_ROWS_SIZE_MAX ((size_t)8 * 1024 * 1024) /* of the file */

/* Every class, and within it every program, weighs the same, as in training. */
typedef struct ModelScore {
        size_t n_rows; /* 0: nothing to judge by */
        double macro_f1;
        double f1[_CLASS_COUNT]; /* 0 where the class has no rows */
} ModelScore;

/* Returns 0, -ENODATA where there are no rows, or -ENOMEM. */
int model_score(Model *m, const RowTable *rows, ModelScore *ret);

typedef struct Verification {
        Manifest manifest;
        Model *model;
        RowTable rows;
        ModelScore score;
} Verification;

#define VERIFICATION_INIT ((Verification){.model = NULL})

void verification_done(Verification *v);

/* path: of the manifest. Returns 0, or -errno with *e saying what is wrong with the model. */
int verification_run(const char *path, Verification *ret, Error *e);
