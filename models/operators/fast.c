/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/operators/fast.h"

typedef struct Kernels {
        void (*tile)(const Tile *t, Block *sums);
        void (*combine)(double alpha, const Block *sums, double beta, const Block *c, float *ret,
                        size_t n);
        void (*exp)(const float *x, float *ret, size_t n);
        void (*tanh)(const float *x, float *ret, size_t n);
        void (*sigmoid)(const float *x, float *ret, size_t n);
        void (*exp_f64)(double *x, size_t n);
} Kernels;

#define _inlined_ static inline __attribute__((always_inline))

#define LANES 2
#define TARGET
#define NAME(x) narrow_##x
#include "models/operators/fast.kernel.h"

#if defined(__x86_64__)
/* Nothing contracts: the build says -ffp-contract=off. */
#define LANES 4
#define TARGET __attribute__((target("avx2")))
#define NAME(x) wide_##x
#include "models/operators/fast.kernel.h"

#define LANES 8
#define TARGET __attribute__((target("avx512f")))
#define NAME(x) widest_##x
#include "models/operators/fast.kernel.h"
#endif

static unsigned limit = 8;

void fast_limit(unsigned lanes) {
        limit = lanes;
}

static const Kernels *kernels(void) {
#if defined(__x86_64__)
        if (limit >= 8 && __builtin_cpu_supports("avx512f"))
                return &widest_kernels;
        if (limit >= 4 && __builtin_cpu_supports("avx2"))
                return &wide_kernels;
#endif
        return &narrow_kernels;
}

void fast_tile(const Tile *t, Block *sums) {
        kernels()->tile(t, sums);
}

void fast_combine(double alpha, const Block *sums, double beta, const Block *c, float *ret,
                  size_t n) {
        kernels()->combine(alpha, sums, beta, c, ret, n);
}

void fast_exp(const float *x, float *ret, size_t n) {
        kernels()->exp(x, ret, n);
}

void fast_tanh(const float *x, float *ret, size_t n) {
        kernels()->tanh(x, ret, n);
}

void fast_sigmoid(const float *x, float *ret, size_t n) {
        kernels()->sigmoid(x, ret, n);
}

void fast_exp_f64(double *x, size_t n) {
        kernels()->exp_f64(x, n);
}
