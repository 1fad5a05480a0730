/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * darknet's .cfg and .weights to an Engine, after full validation: nothing here trusts the files.
 *
 * Accepted: [net] or [network] first with inputs=N (training options are known and ignored), then
 * [connected] (output, activation, batch_normalize), [dropout], [softmax] (temperature, groups).
 * Everything else is refused by section, option and line. Weights: little-endian header i32 major,
 * minor, revision, u64 seen (i32 before 0.2), then for each connected layer biases[out],
 * weights[out][in] and, with batch_normalize, scales, rolling_mean, rolling_variance; the size must
 * be exact and every value finite (variance >= 0).
 */

#include "models/engine.h"
#include "models/graph.h"
#include "util/error.h"

/* cfg: text of cfg_size bytes. weights: the file's bytes. Returns 0, -EINVAL (refused, *e says why)
 * or -ENOMEM. */
int import_darknet(const char *cfg, size_t cfg_size, const void *weights, size_t weights_size,
                   Engine **ret, Error *e);

/* The same as layers; what they point to is in *ret_values, the caller's to free. */
int import_darknet_layers(const char *cfg, size_t cfg_size, const void *weights,
                          size_t weights_size, Layer ret_layers[ENGINE_LAYERS_MAX], size_t *ret_n,
                          float **ret_values, Error *e);

/* The same as a graph of Gemm, activation and Softmax nodes: one input "input", one output
 * "output", float rows of any number. */
int import_darknet_graph(const char *cfg, size_t cfg_size, const void *weights, size_t weights_size,
                         Graph **ret, Error *e);

/* Checks a cfg alone, before training: inputs and outputs of the network. */
int import_darknet_check_cfg(const char *cfg, size_t cfg_size, size_t *ret_inputs,
                             size_t *ret_outputs, Error *e);
