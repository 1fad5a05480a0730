/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Darknet's own forward pass over rows, in a worker: the reference that the engine is held to. */

#include "models/train/row-table.h"
#include "util/error.h"

/*
 * cfg and weights: the files' bytes; refused (-EINVAL) where the importer refuses them or the
 * network does not have FEATURE_COUNT inputs and _CLASS_COUNT outputs. x: n × FEATURE_COUNT,
 * standardised. out: n × _CLASS_COUNT. Returns 0 or -errno with *e set.
 */
int predict_rows(const char *cfg, size_t cfg_size, const void *weights, size_t weights_size,
                 const float *x, size_t n, float *out, Error *e);
