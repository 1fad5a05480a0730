/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Small models on disk, good ones and bad ones, for those who test what is done with models. */

#include <stddef.h>

typedef enum ModelFlaw {
        FLAW_NONE,
        FLAW_SCHEMA,    /* made for other features */
        FLAW_DIGEST,    /* weights that are not the manifest's */
        FLAW_TRUNCATED, /* weights that end too early, though their digest is right */
        FLAW_NAN,       /* a weight that is no number, though its digest is right */
        FLAW_OVERFLOW,  /* finite weights whose outputs are not */
        FLAW_CLAIM,     /* a macro-F1 that its rows do not give */
        FLAW_ROWS,      /* a validation row that is none */
        _MODEL_FLAW_COUNT,
} ModelFlaw;

/*
 * Writes NAME.cfg, NAME.weights, NAME.validation.csv and NAME.json into dir, which is made.
 * n_wrong: so many classes, 0 or 2 to 6, are taken for one another: the macro-F1 is 1 - n_wrong
 * / 6. n_rows 0: without validation rows. Returns 0 or -errno.
 */
int model_maker(const char *dir, const char *name, size_t n_wrong, size_t n_rows, ModelFlaw flaw);
