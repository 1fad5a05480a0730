/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/darknet/committee.h"

/* major, minor, revision, seen. */
#define HEADER_SIZE (3 * sizeof(int32_t) + sizeof(uint64_t))

/* Where p was rounded to 0. */
#define PROBABILITY_MIN 1e-12

NetShape committee_shape(const NetShape *one, size_t n) {
        NetShape s = *one;

        for (size_t i = 0; i < s.n_hidden; i++)
                s.hidden[i] *= (uint32_t)n;
        return s;
}

/* Units that go into layer i, the one to the outputs being n_hidden. */
static size_t layer_inputs(const NetShape *s, size_t i, size_t n_inputs) {
        return i == 0 ? n_inputs : s->hidden[i - 1];
}

static size_t layer_outputs(const NetShape *s, size_t i) {
        return i == s->n_hidden ? _CLASS_COUNT : s->hidden[i];
}

static size_t file_size(const NetShape *s, size_t n_inputs) {
        size_t n = 0;

        for (size_t i = 0; i <= s->n_hidden; i++)
                n += layer_outputs(s, i) * (layer_inputs(s, i, n_inputs) + 1);
        return HEADER_SIZE + n * sizeof(float);
}

/* One of n networks' layer i into the wide one's. Both are biases[out], weights[out][in]. */
static void put_layer(const NetShape *s, size_t i, size_t n_inputs, const float *from, size_t k,
                      size_t n, double scale, float *to) {
        size_t in = layer_inputs(s, i, n_inputs), out = layer_outputs(s, i);
        size_t wide_in = i == 0 ? in : in * n, first_in = i == 0 ? 0 : in * k;
        bool last = i == s->n_hidden;
        size_t wide_out = last ? out : out * n, first_out = last ? 0 : out * k;
        float *weights = to + wide_out;

        for (size_t o = 0; o < out; o++) {
                /* All share the last layer's outputs, and so its biases; without hidden layers
                 * its weights too. */
                to[first_out + o] += (float)((double)from[o] * scale);
                for (size_t x = 0; x < in; x++)
                        weights[(first_out + o) * wide_in + first_in + x] +=
                                (float)((double)from[out + o * in + x] * scale);
        }
}

int committee_fold(const NetShape *shape, size_t n_inputs, const char *const *weights,
                   const size_t *sizes, size_t n, double temperature, char **ret,
                   size_t *ret_size) {
        NetShape wide = committee_shape(shape, n);
        size_t size = file_size(&wide, n_inputs), one = file_size(shape, n_inputs);
        _cleanup_free_
        char *bytes = NULL;
        _cleanup_free_
        float *from = NULL, *to = NULL;

        for (size_t k = 0; k < n; k++)
                if (sizes[k] != one)
                        return -EINVAL;
        bytes = malloc(size);
        from = malloc(one - HEADER_SIZE);
        to = calloc(1, size - HEADER_SIZE);
        if (n == 0 || !bytes || !from || !to)
                return n == 0 ? -EINVAL : -ENOMEM;
        for (size_t k = 0; k < n; k++) {
                size_t at = 0, wide_at = 0;

                memcpy(from, weights[k] + HEADER_SIZE, one - HEADER_SIZE);
                for (size_t i = 0; i <= shape->n_hidden; i++) {
                        double scale = i == shape->n_hidden ? 1.0 / ((double)n * temperature) : 1;

                        put_layer(shape, i, n_inputs, from + at, k, n, scale, to + wide_at);
                        at += layer_outputs(shape, i) * (layer_inputs(shape, i, n_inputs) + 1);
                        wide_at += layer_outputs(&wide, i) * (layer_inputs(&wide, i, n_inputs) + 1);
                }
        }
        memcpy(bytes, weights[0], HEADER_SIZE);
        memcpy(bytes + HEADER_SIZE, to, size - HEADER_SIZE);
        *ret = TAKE_PTR(bytes);
        *ret_size = size;
        return 0;
}

void temperature_apply(const Prediction *p, double temperature, Prediction *ret) {
        double q[_CLASS_COUNT], sum = 0;

        for (size_t c = 0; c < _CLASS_COUNT; c++) {
                q[c] = exp(log(MAX((double)p->probability[c], PROBABILITY_MIN)) / temperature);
                sum += q[c];
        }
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                ret->probability[c] = (float)(q[c] / sum);
}

static double cross_entropy(const Prediction *predictions, const LoadClass *truth,
                            const double *weights, size_t n, double temperature) {
        double sum = 0;

        for (size_t i = 0; i < n; i++) {
                Prediction p;

                temperature_apply(&predictions[i], temperature, &p);
                sum -= (weights ? weights[i] : 1) *
                       log(MAX((double)p.probability[truth[i]], PROBABILITY_MIN));
        }
        return sum;
}

double temperature_fit(const Prediction *predictions, const LoadClass *truth, const double *weights,
                       size_t n) {
        const double golden = (sqrt(5.0) - 1) / 2;
        double low = log(TEMPERATURE_MIN), high = log(TEMPERATURE_MAX);

        if (n == 0)
                return 1;
        /* In the logarithm of the temperature it has one minimum. */
        for (int i = 0; i < 40; i++) {
                double a = high - golden * (high - low), b = low + golden * (high - low);

                if (cross_entropy(predictions, truth, weights, n, exp(a)) <
                    cross_entropy(predictions, truth, weights, n, exp(b)))
                        high = b;
                else
                        low = a;
        }
        return exp((low + high) / 2);
}
