/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * fast.c includes this file for each width, with LANES (doubles in a vector), TARGET (function
 * attribute) and NAME(x) defined.
 */

typedef double NAME(vector) __attribute__((vector_size(8 * LANES)));
typedef int64_t NAME(mask) __attribute__((vector_size(8 * LANES)));
typedef uint64_t NAME(bits) __attribute__((vector_size(8 * LANES)));
typedef float NAME(floats) __attribute__((vector_size(4 * LANES)));
#define V NAME(vector)
#define M NAME(mask)
#define B NAME(bits)
#define F NAME(floats)

#define PARTS (PANEL / LANES) /* vectors in a panel's row */
#define SELECT(WHERE, X, Y) ((V)(((M)(X) & (WHERE)) | ((M)(Y) & ~(WHERE))))

/* 2^n times the Taylor polynomial on ±ln(2)/2, whose error is 2e-13. Saturates at exp(±708), which
 * no float holds; NaN stays NaN. */
_inlined_ TARGET void NAME(exp)(V *p) {
        const V zero = {};
        V x = *p, t, y;

        x = SELECT(x > 708.0, zero + 708.0, x);
        x = SELECT(x < -708.0, zero - 708.0, x);
        /* 1.5 * 2^52 leaves no room for a fraction: the sum's low bits are the rounded integer. */
        t = x * 0x1.71547652b82fep0 + 0x1.8p52;
        *p = (V)(((B)t + 1023) << 52);
        t -= 0x1.8p52;
        x -= t * 0x1.62e42fefa3800p-1;
        x -= t * 0x1.ef35793c76730p-45;
        y = x * (1.0 / 3628800) + 1.0 / 362880;
        y = y * x + 1.0 / 40320;
        y = y * x + 1.0 / 5040;
        y = y * x + 1.0 / 720;
        y = y * x + 1.0 / 120;
        y = y * x + 1.0 / 24;
        y = y * x + 1.0 / 6;
        y = y * x + 0.5;
        y = y * x + 1.0;
        *p *= y * x + 1.0;
}

/* 1 - 2 / (exp(2 x) + 1) loses what is small to rounding: there, the series does. */
_inlined_ TARGET void NAME(tanh)(V *p) {
        V x = *p, square = x * x, y = x * 2.0;
        M small = square < 0x1p-16;

        NAME(exp)(&y);
        *p = SELECT(small, x * (1.0 - square * (1.0 / 3 - square * (2.0 / 15))),
                    1.0 - 2.0 / (y + 1.0));
}

_inlined_ TARGET void NAME(sigmoid)(V *p) {
        V x = -*p;

        NAME(exp)(&x);
        *p = 1.0 / (1.0 + x);
}

#define MAP(FUNCTION)                                                                   \
        TARGET static void NAME(map_##FUNCTION)(const float *x, float *ret, size_t n) { \
                for (size_t i = 0; i < n; i += LANES) {                                 \
                        size_t size = MIN(n - i, (size_t)LANES) * sizeof(float);        \
                        F in = {};                                                      \
                        V v;                                                            \
                                                                                        \
                        if (size == sizeof(in))                                         \
                                memcpy(&in, x + i, sizeof(in));                         \
                        else                                                            \
                                memcpy(&in, x + i, size);                               \
                        v = __builtin_convertvector(in, V);                             \
                        NAME(FUNCTION)(&v);                                             \
                        in = __builtin_convertvector(v, F);                             \
                        if (size == sizeof(in))                                         \
                                memcpy(ret + i, &in, sizeof(in));                       \
                        else                                                            \
                                memcpy(ret + i, &in, size);                             \
                }                                                                       \
        }

MAP(exp)
MAP(tanh)
MAP(sigmoid)
#undef MAP

TARGET static void NAME(exp_f64)(double *x, size_t n) {
        for (size_t i = 0; i < n; i += LANES) {
                size_t size = MIN(n - i, (size_t)LANES) * sizeof(double);
                V v = {};

                memcpy(&v, x + i, size);
                NAME(exp)(&v);
                memcpy(x + i, &v, size);
        }
}

/* rows × 2 sums, kept in registers because rows is a constant where this is inlined. */
_inlined_ TARGET void NAME(pair)(const Tile *t, size_t at, const Block *a, Block *sums,
                                 const size_t rows) {
        const V *panel = (const V *)(t->panels + at / PANEL * t->stride) + at % PANEL / LANES;
        V sum[2 * PANEL_ROWS] = {};

        for (size_t r = 0; r < rows; r++)
                memcpy(sum + 2 * r, sums[r].f64 + at, 2 * sizeof(V));
        for (size_t k = 0; k < t->k; k++)
                for (size_t r = 0; r < rows; r++) {
                        sum[2 * r] += panel[k * PARTS] * a[r].f64[k];
                        sum[2 * r + 1] += panel[k * PARTS + 1] * a[r].f64[k];
                }
        for (size_t r = 0; r < rows; r++)
                memcpy(sums[r].f64 + at, sum + 2 * r, 2 * sizeof(V));
}

TARGET static void NAME(tile)(const Tile *t, Block *sums) {
        for (size_t at = 0; at < t->columns; at += 2 * LANES) {
                if (t->rows == PANEL_ROWS)
                        NAME(pair)(t, at, t->a, sums, PANEL_ROWS);
                else
                        for (size_t r = 0; r < t->rows; r++)
                                NAME(pair)(t, at, t->a + r, sums + r, 1);
        }
}

TARGET static void NAME(combine)(double alpha, const Block *sums, double beta, const Block *c,
                                 float *ret, size_t n) {
        for (size_t i = 0; i < n; i++)
                ret[i] = (float)(alpha * sums->f64[i] + beta * c->f64[i]);
}

static const Kernels NAME(kernels) = {
        .combine = NAME(combine),
        .tile = NAME(tile),
        .exp = NAME(map_exp),
        .tanh = NAME(map_tanh),
        .sigmoid = NAME(map_sigmoid),
        .exp_f64 = NAME(exp_f64),
};

#undef PARTS
#undef SELECT
#undef V
#undef M
#undef B
#undef F
#undef LANES
#undef TARGET
#undef NAME
