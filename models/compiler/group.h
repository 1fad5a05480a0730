/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Cells that can be computed side by side, in groups that each become one step. */

#include "models/compiler/cells.h"

typedef struct Group {
        StepKind kind;
        size_t n_outputs;
        uint32_t *outputs; /* cells, ascending */
        size_t n_inputs;   /* AFFINE: of all outputs together, ascending; TREES: the forest's */
        uint32_t *inputs;
        size_t n_terms; /* SUM: each output has so many at most; MAX: exactly so many */
} Group;

typedef struct Groups {
        size_t n;
        Group *groups; /* each after those that it takes cells from */
} Groups;

/* Of the live cells. A constant gets a term of weight 0. Returns 0 or -ENOMEM. */
int groups_new(Cells *c, Groups **ret);
Groups *groups_free(Groups *g);
DEFINE_CLEANUP(Groups *, groups_free);
