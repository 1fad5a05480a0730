/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/quantize-internal.h"

/*
 * Weights are rounded so that the sums come out right, not each weight: after one is rounded, those
 * not yet rounded make up for it as far as their inputs go together with its own (optimal brain
 * quantisation in the order and with the factorisation of GPTQ, Frantar et al., arXiv 2210.17323).
 * What is left over on average goes into the bias.
 *
 * With C the covariance of the inputs over the samples and U upper triangular, inverse(C) = U' U:
 * rounding weight i by e moves each later weight j by e U[i][j] / U[i][i].
 */

#define INPUTS_MAX 512
#define DAMPING 0.01 /* of the mean variance, on the diagonal */

void rounding_done(Rounding *r) {
        free(r->mean);
        free(r->factor);
        *r = (Rounding){0};
}

/* a = L L' in place, lower half; the upper one is left alone. False: not positive definite. */
static bool cholesky(double *a, size_t n) {
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j <= i; j++) {
                        double sum = a[i * n + j];

                        for (size_t k = 0; k < j; k++)
                                sum -= a[i * n + k] * a[j * n + k];
                        if (i == j && !(sum > 0))
                                return false;
                        a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
                }
        return true;
}

/* From L of C to inverse(C) = M' M with M = inverse(L), all of it. */
static int invert(const double *l, size_t n, double *ret) {
        _cleanup_free_
        double *m = calloc(n * n, sizeof(*m));

        if (!m)
                return -ENOMEM;
        for (size_t j = 0; j < n; j++)
                for (size_t i = j; i < n; i++) {
                        double sum = i == j ? 1 : 0;

                        for (size_t k = j; k < i; k++)
                                sum -= l[i * n + k] * m[k * n + j];
                        m[i * n + j] = sum / l[i * n + i];
                }
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j <= i; j++) {
                        double sum = 0;

                        for (size_t k = i; k < n; k++)
                                sum += m[k * n + i] * m[k * n + j];
                        ret[i * n + j] = ret[j * n + i] = sum;
                }
        return 0;
}

/* The inputs of sample s in the integers' own unit. */
static void take_sample(const Quantizer *z, const uint32_t *inputs, size_t n, size_t s,
                        double *ret) {
        const Calibration *c = z->calibration;

        for (size_t i = 0; i < n; i++) {
                const CellScale *scale = &z->scales[inputs[i]];
                double x = (c->samples[s * c->n_cells + inputs[i]] - scale->zero) / scale->scale;

                ret[i] = CLAMP(x, (double)scale->low, (double)scale->high);
        }
}

/* Lower half, the diagonal damped. x: [n] to work in. */
static void covariance(const Quantizer *z, const uint32_t *inputs, size_t n, double *x,
                       double *mean, double *ret) {
        size_t n_samples = z->calibration->n_samples;
        double rows = (double)n_samples, trace = 0;

        for (size_t s = 0; s < n_samples; s++) {
                take_sample(z, inputs, n, s, x);
                for (size_t i = 0; i < n; i++)
                        mean[i] += x[i] / rows;
        }
        for (size_t s = 0; s < n_samples; s++) {
                take_sample(z, inputs, n, s, x);
                for (size_t i = 0; i < n; i++)
                        for (size_t j = 0; j <= i; j++)
                                ret[i * n + j] += (x[i] - mean[i]) * (x[j] - mean[j]) / rows;
        }
        for (size_t i = 0; i < n; i++)
                trace += ret[i * n + i];
        for (size_t i = 0; i < n; i++)
                ret[i * n + i] += DAMPING * trace / (double)n + 1e-9;
}

int rounding_init(const Quantizer *z, const uint32_t *inputs, size_t n, Rounding *ret) {
        _cleanup_(rounding_done)
        Rounding r = {.n = n};
        _cleanup_free_
        double *c = NULL, *x = NULL;

        *ret = (Rounding){0};
        if (!z->calibration || z->calibration->n_samples < 2 || n < 2 || n > INPUTS_MAX)
                return 0;
        c = calloc(n * n, sizeof(*c));
        x = calloc(n, sizeof(*x));
        r.mean = calloc(n, sizeof(*r.mean));
        r.factor = calloc(n * n, sizeof(*r.factor));
        if (!c || !x || !r.mean || !r.factor)
                return -ENOMEM;
        covariance(z, inputs, n, x, r.mean, c);
        if (!cholesky(c, n))
                return 0;
        if (invert(c, n, r.factor) < 0)
                return -ENOMEM;
        if (!cholesky(r.factor, n)) /* L with inverse(C) = L L', so U = L' */
                return 0;
        *ret = r;
        r = (Rounding){0};
        return 0;
}

/* Weights that are 0 stay 0: back ends leave them out. */
double rounding_apply(const Rounding *r, const double *weights, double limit, double *scratch,
                      int32_t *ret) {
        double bias = 0;

        memcpy(scratch, weights, r->n * sizeof(*scratch));
        for (size_t i = 0; i < r->n; i++) {
                bool zero = !(weights[i] < 0) && !(weights[i] > 0);
                double w = zero ? 0 : rint(CLAMP(scratch[i], -limit, limit));
                double e = (scratch[i] - w) / r->factor[i * r->n + i];

                ret[i] = (int32_t)w;
                for (size_t j = i + 1; j < r->n; j++)
                        scratch[j] -= e * r->factor[j * r->n + i];
                bias += (weights[i] - w) * r->mean[i];
        }
        return bias;
}
