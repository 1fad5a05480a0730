/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Several networks as one, and how sure it may be. Averaging the outputs before the softmax evens
 * out what each network owes to its first weights and the order of its rows. The average of
 * networks of one shape is again such a network, with hidden layers as many times as wide, and so
 * is a network divided by a temperature: neither needs anything of who runs it. Pure.
 */

#include "models/darknet/net-cfg.h"
#include "models/model.h"

#define COMMITTEE_MAX 16
#define TEMPERATURE_MIN 0.25
#define TEMPERATURE_MAX 8.0

/* The shape of n networks of shape *one in one. */
NetShape committee_shape(const NetShape *one, size_t n);

/*
 * weights: n files' bytes, as darknet writes them, each of a network from n_inputs by shape to
 * _CLASS_COUNT outputs without batch normalisation. The result's outputs before the softmax are the
 * mean of theirs, divided by temperature. Returns 0, -EINVAL (a size is not that of the shape) or
 * -ENOMEM; *ret is newly allocated.
 */
int committee_fold(const NetShape *shape, size_t n_inputs, const char *const *weights,
                   const size_t *sizes, size_t n, double temperature, char **ret, size_t *ret_size);

/*
 * The temperature at which the predictions say best how often they are right: that of the lowest
 * mean of -log p(truth). predictions are at temperature 1. weights: of each; NULL: all alike. 1
 * where n is 0.
 */
double temperature_fit(const Prediction *predictions, const LoadClass *truth, const double *weights,
                       size_t n);

/* softmax(log(p) / temperature), which is softmax(z / temperature) for p = softmax(z). */
void temperature_apply(const Prediction *p, double temperature, Prediction *ret);
