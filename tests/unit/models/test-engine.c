/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "models/engine.h"

#define WIDTH 128
#define ROWS 11

static uint32_t seed = 1;

/* In -1 .. 1. */
static float random_float(void) {
        seed = seed * 1664525u + 1013904223u;
        return (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
}

static void fill(float *x, size_t n, float scale, float offset) {
        for (size_t i = 0; i < n; i++)
                x[i] = random_float() * scale + offset;
}

typedef struct Weights {
        float weights[WIDTH * WIDTH], biases[WIDTH], scales[WIDTH], means[WIDTH], variances[WIDTH];
} Weights;

static Layer connected(Weights *w, size_t inputs, size_t outputs, Activation a, bool normalize) {
        fill(w->weights, inputs * outputs, 1.0f / sqrtf((float)inputs), 0.0f);
        fill(w->biases, outputs, 0.5f, 0.0f);
        fill(w->scales, outputs, 1.0f, 1.2f);
        fill(w->means, outputs, 0.3f, 0.0f);
        fill(w->variances, outputs, 0.5f, 0.6f);
        return (Layer){
                .kind = LAYER_CONNECTED,
                .activation = a,
                .inputs = inputs,
                .outputs = outputs,
                .weights = w->weights,
                .biases = w->biases,
                .scales = normalize ? w->scales : NULL,
                .means = normalize ? w->means : NULL,
                .variances = normalize ? w->variances : NULL,
        };
}

static double activate(double x, Activation a) {
        switch (a) {
        case ACTIVATION_RELU:
                return x > 0 ? x : 0;
        case ACTIVATION_LEAKY:
                return x > 0 ? x : 0.1 * x;
        case ACTIVATION_LOGISTIC:
                return 1 / (1 + exp(-x));
        case ACTIVATION_TANH:
                return tanh(x);
        default:
                return x;
        }
}

/* As plainly as can be, in double. */
static void reference(const Layer *layers, size_t n, const float *in, double *out) {
        double x[WIDTH], y[WIDTH];

        for (size_t i = 0; i < layers[0].inputs; i++)
                x[i] = (double)in[i];
        for (size_t k = 0; k < n; k++) {
                const Layer *l = &layers[k];

                for (size_t o = 0; o < l->outputs && l->kind == LAYER_CONNECTED; o++) {
                        double sum = 0;

                        for (size_t i = 0; i < l->inputs; i++)
                                sum += (double)l->weights[o * l->inputs + i] * x[i];
                        if (l->scales)
                                sum = (sum - (double)l->means[o]) /
                                      (sqrt((double)l->variances[o]) + 1e-6) * (double)l->scales[o];
                        y[o] = activate(sum + (double)l->biases[o], l->activation);
                }
                for (size_t g = 0; l->kind == LAYER_SOFTMAX && g < l->groups; g++) {
                        size_t width = l->inputs / l->groups;
                        double sum = 0;

                        for (size_t i = g * width; i < (g + 1) * width; i++)
                                sum += exp(x[i] / (double)l->temperature);
                        for (size_t i = g * width; i < (g + 1) * width; i++)
                                y[i] = exp(x[i] / (double)l->temperature) / sum;
                }
                memcpy(x, y, sizeof(x));
        }
        memcpy(out, x, layers[n - 1].outputs * sizeof(double));
}

/* Against the reference, and row by row against the batch. */
static void check(const Layer *layers, size_t n) {
        _cleanup_(engine_freep)
        Engine *e = NULL;
        static float in[ROWS * WIDTH], out[ROWS * WIDTH], one[WIDTH];
        size_t inputs = layers[0].inputs, outputs = layers[n - 1].outputs;
        double expected[WIDTH];

        assert_int_equal(engine_new(layers, n, &e), 0);
        assert_int_equal(engine_inputs(e), inputs);
        assert_int_equal(engine_outputs(e), outputs);
        fill(in, ROWS * inputs, 2.0f, 0.0f);
        engine_run(e, in, ROWS, out);
        for (size_t r = 0; r < ROWS; r++) {
                reference(layers, n, in + r * inputs, expected);
                for (size_t o = 0; o < outputs; o++)
                        if (!(fabs((double)out[r * outputs + o] - expected[o]) < 1e-5))
                                fail_msg("row %zu output %zu: %.9g is not %.9g", r, o,
                                         (double)out[r * outputs + o], expected[o]);
                engine_run(e, in + r * inputs, 1, one);
                assert_memory_equal(one, out + r * outputs, outputs * sizeof(float));
        }
        for (size_t batch = 2; batch < ROWS; batch++) {
                static float again[ROWS * WIDTH];

                for (size_t r = 0; r < ROWS; r += batch)
                        engine_run(e, in + r * inputs, MIN(batch, ROWS - r), again + r * outputs);
                assert_memory_equal(again, out, ROWS * outputs * sizeof(float));
        }
        engine_run(e, in, 0, NULL);

        /* The vectors that every machine has give the same bits as the widest. */
        {
                static float narrow[ROWS * WIDTH];

                engine_use_narrow(e);
                engine_run(e, in, ROWS, narrow);
                assert_memory_equal(narrow, out, ROWS * outputs * sizeof(float));
        }
}

static void test_single(_unused_ void **state) {
        static const size_t widths[] = {1, 7, 8, 33, 100};
        static Weights w;

        for (int a = 0; a < _ACTIVATION_COUNT; a++)
                for (size_t i = 0; i < ELEMENTSOF(widths); i++)
                        for (size_t o = 0; o < ELEMENTSOF(widths); o++)
                                for (int normalize = 0; normalize < 2; normalize++) {
                                        Layer l = connected(&w, widths[i], widths[o], (Activation)a,
                                                            normalize);

                                        check(&l, 1);
                                }
}

static void test_deep(_unused_ void **state) {
        static Weights w[3];

        for (int normalize = 0; normalize < 2; normalize++) {
                Layer layers[] = {
                        connected(&w[0], 46, 33, ACTIVATION_LEAKY, normalize),
                        connected(&w[1], 33, 100, ACTIVATION_TANH, normalize),
                        connected(&w[2], 100, 6, ACTIVATION_LINEAR, false),
                        {.kind = LAYER_SOFTMAX,
                         .inputs = 6,
                         .outputs = 6,
                         .temperature = 1,
                         .groups = 1},
                };

                check(layers, ELEMENTSOF(layers));
                layers[3].groups = 3;
                layers[3].temperature = 0.5f;
                check(layers, ELEMENTSOF(layers));
        }
}

/* Large values neither overflow nor become NaN. */
static void test_extremes(_unused_ void **state) {
        const float weight = 1, bias = 0;
        const float in[] = {-1e30f, -200, -88, 0, 88, 200, 1e30f};
        float out[ELEMENTSOF(in)];

        for (int a = ACTIVATION_LOGISTIC; a <= ACTIVATION_TANH; a++) {
                Layer l = {.activation = (Activation)a,
                           .inputs = 1,
                           .outputs = 1,
                           .weights = &weight,
                           .biases = &bias};
                _cleanup_(engine_freep)
                Engine *e = NULL;

                assert_int_equal(engine_new(&l, 1, &e), 0);
                engine_run(e, in, ELEMENTSOF(in), out);
                for (size_t i = 0; i < ELEMENTSOF(in); i++)
                        if (!(fabs((double)out[i] - activate((double)in[i], (Activation)a)) < 1e-6))
                                fail_msg("%g gives %g", (double)in[i], (double)out[i]);
        }
        {
                Layer l = {.kind = LAYER_SOFTMAX,
                           .inputs = 7,
                           .outputs = 7,
                           .temperature = 1,
                           .groups = 1};
                _cleanup_(engine_freep)
                Engine *e = NULL;

                assert_int_equal(engine_new(&l, 1, &e), 0);
                engine_run(e, in, 1, out);
                assert_true(out[6] == 1.0f);
                assert_true(out[0] < 1e-30f && out[5] < 1e-30f);
        }
}

static void test_refused(_unused_ void **state) {
        static Weights w;
        const Layer good = connected(&w, 4, 4, ACTIVATION_RELU, true);
        const Layer soft = {
                .kind = LAYER_SOFTMAX, .inputs = 4, .outputs = 4, .temperature = 1, .groups = 2};
        Layer l[ENGINE_LAYERS_MAX + 1];
        Engine *e = NULL;

#define REFUSED(n, change)                                       \
        do {                                                     \
                for (size_t i = 0; i < ELEMENTSOF(l); i++)       \
                        l[i] = i == 1 ? soft : good;             \
                change;                                          \
                assert_int_equal(engine_new(l, n, &e), -EINVAL); \
                assert_null(e);                                  \
        } while (0)

        REFUSED(0, (void)0);
        REFUSED(ENGINE_LAYERS_MAX + 1, (void)0);
        REFUSED(1, l[0].inputs = 0);
        REFUSED(1, l[0].inputs = ENGINE_WIDTH_MAX + 1);
        REFUSED(1, l[0].outputs = 0);
        REFUSED(1, l[0].outputs = SIZE_MAX);
        REFUSED(2, l[0].outputs = 5);
        REFUSED(1, l[0].weights = NULL);
        REFUSED(1, l[0].biases = NULL);
        REFUSED(1, l[0].means = NULL);
        REFUSED(1, l[0].scales = NULL);
        REFUSED(1, l[0].activation = _ACTIVATION_COUNT);
        REFUSED(1, l[0].kind = (LayerKind)7);
        REFUSED(2, l[1].groups = 3);
        REFUSED(2, l[1].groups = 0);
        REFUSED(2, l[1].temperature = 0);
        REFUSED(2, l[1].temperature = NAN);
        REFUSED(1, w.variances[2] = -1);
        w.variances[2] = 1;
        REFUSED(1, w.weights[3] = INFINITY);
        w.weights[3] = 1;
        REFUSED(1, (w.scales[1] = 1e38f, w.variances[1] = 0));
#undef REFUSED
        assert_null(engine_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_single),
                cmocka_unit_test(test_deep),
                cmocka_unit_test(test_extremes),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
