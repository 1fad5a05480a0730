/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The .cfg of a multi-layer perceptron from features to classes, with the training options that
 * darknet needs. */

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define NET_HIDDEN_MAX 8

typedef struct NetShape {
        uint32_t hidden[NET_HIDDEN_MAX]; /* units of each hidden layer */
        size_t n_hidden;
        uint32_t batches;
        uint32_t dropout; /* per cent after each hidden layer; 0: none */
        double decay;
} NetShape;

/* "32,32" to hidden layers. Returns 0 or -EINVAL. */
int net_shape_parse_hidden(const char *text, NetShape *ret);

/* Newly allocated text; NULL: out of memory. */
char *net_cfg_new(const NetShape *shape);

/* The same network with another schedule: max_batches, steps of the learning rate, and the rate
 * that it begins with. Newly allocated; NULL: out of memory. */
char *net_cfg_reschedule(const char *cfg, uint32_t batches, double learning_rate);

/* Rows of a batch; 1 where unset, as darknet has it. */
uint32_t net_cfg_batch(const char *cfg);

/*
 * Options of [net] that darknet crashes on are refused here, the rest by
 * import_darknet_check_cfg(): batch 1..4096, subdivisions and time_steps 1. ret_batches:
 * max_batches, 0 where unset.
 */
int net_cfg_check(const char *cfg, size_t size, uint32_t *ret_batches, Error *e);
