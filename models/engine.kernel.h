/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The engine's inner loops, written once over vectors of LANES floats; engine.c includes this file
 * for each width, with LANES, TARGET (function attribute) and NAME(x) defined. Which width runs
 * changes no bit: each output has a lane of its own.
 */

typedef float NAME(vector) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(mask) __attribute__((vector_size(4 * LANES)));
typedef uint32_t NAME(bits) __attribute__((vector_size(4 * LANES)));
#define V NAME(vector)
#define M NAME(mask)

#define PARTS (ENGINE_LANES / LANES) /* vectors in a block */

/* exp() after Cephes expf (Moshier): 2^n times a polynomial on ±ln(2)/2; relative error 2e-7.
 * Saturates at exp(±87); NaN stays NaN. */
_inlined_ TARGET void NAME(exp)(V *p) {
        V x = *p, t, y;
        M high = x > 87.0f, low = x < -87.0f;
        V top = {}, bottom = {};
        NAME(bits) n;

        top += 87.0f;
        bottom -= 87.0f;
        x = (V)(((M)x & ~high & ~low) | ((M)top & high) | ((M)bottom & low));
        /* 1.5 * 2^23 leaves no room for a fraction: the sum's low bits are the rounded integer. */
        t = x * 1.44269504f + 12582912.0f;
        n = (NAME(bits))t << 23;
        t -= 12582912.0f;
        x -= t * 0.693359375f;
        x -= t * -2.12194440e-4f;
        y = x * 1.9875691500e-4f + 1.3981999507e-3f;
        y = y * x + 8.3334519073e-3f;
        y = y * x + 4.1665795894e-2f;
        y = y * x + 1.6666665459e-1f;
        y = y * x + 5.0000001201e-1f;
        y = y * x * x + x + 1.0f;
        *p = (V)((NAME(bits))y + n);
}

_inlined_ TARGET void NAME(activate)(V *p, Activation activation) {
        V x = *p;

        switch (activation) {
        case ACTIVATION_RELU:
                *p = (V)((M)x & (x > 0.0f));
                break;
        case ACTIVATION_LEAKY: {
                M positive = x > 0.0f;

                *p = (V)(((M)x & positive) | ((M)(x * 0.1f) & ~positive));
                break;
        }
        case ACTIVATION_LOGISTIC:
                x = -x;
                NAME(exp)(&x);
                *p = 1.0f / (1.0f + x);
                break;
        case ACTIVATION_TANH:
                x = x * 2.0f;
                NAME(exp)(&x);
                *p = 1.0f - 2.0f / (x + 1.0f);
                break;
        case ACTIVATION_LINEAR:
        default:
                break;
        }
}

/* rows × vectors sums, kept in registers because both are constants where this is inlined. `at`:
 * the first vector, counted over the layer's blocks. */
_inlined_ TARGET void NAME(tile)(const EngineLayer *l, size_t at, const float *in, size_t in_stride,
                                 Block *out, size_t out_stride, const size_t rows,
                                 const size_t vectors) {
        const V *w[4];
        V sum[8];

        for (size_t v = 0; v < vectors; v++) {
                w[v] = (const V *)(l->weights + (at + v) / PARTS * l->inputs) + (at + v) % PARTS;
                for (size_t r = 0; r < rows; r++)
                        sum[r * vectors + v] = ((const V *)l->biases)[at + v];
        }
        for (size_t i = 0; i < l->inputs; i++)
                for (size_t r = 0; r < rows; r++)
                        for (size_t v = 0; v < vectors; v++)
                                sum[r * vectors + v] += w[v][i * PARTS] * in[r * in_stride + i];
        for (size_t r = 0; r < rows; r++)
                for (size_t v = 0; v < vectors; v++) {
                        NAME(activate)(&sum[r * vectors + v], l->activation);
                        ((V *)(out + r * out_stride))[at + v] = sum[r * vectors + v];
                }
}

TARGET static void NAME(connected)(const EngineLayer *l, const float *in, size_t in_stride,
                                   Block *out, size_t out_stride, size_t rows) {
        const size_t n = l->blocks * PARTS;
        size_t v = 0;

        if (rows == ROWS) {
                for (; v + 2 <= n; v += 2)
                        NAME(tile)(l, v, in, in_stride, out, out_stride, ROWS, 2);
                for (; v < n; v++)
                        NAME(tile)(l, v, in, in_stride, out, out_stride, ROWS, 1);
                return;
        }
        for (size_t r = 0; r < rows; r++, in += in_stride, out += out_stride) {
                for (v = 0; v + 4 <= n; v += 4)
                        NAME(tile)(l, v, in, in_stride, out, out_stride, 1, 4);
                for (; v < n; v++)
                        NAME(tile)(l, v, in, in_stride, out, out_stride, 1, 1);
        }
}

TARGET static void NAME(exponents)(Block *x, size_t n) {
        for (size_t i = 0; i < n * PARTS; i++)
                NAME(exp)((V *)x + i);
}

#undef PARTS
#undef V
#undef M
#undef LANES
#undef TARGET
#undef NAME
