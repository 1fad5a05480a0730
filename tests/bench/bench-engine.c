/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Nanoseconds a row: engine_run() in batches, row by row, without AVX2, and a plain scalar loop, in
 * turn in one run. */

#include <stdio.h>

#include "models/engine.h"
#include "models/feature.h"
#include "tests/bench/bench.h"
#include "util/time.h"

#define ROWS ((size_t)1000)
#define ROUNDS 15
#define HIDDEN_1 ((size_t)32)
#define HIDDEN_2 ((size_t)16)
#define OUTPUTS ((size_t)6)

typedef enum Way { WAY_BATCH, WAY_SINGLE, WAY_NARROW, WAY_NAIVE, _WAY_COUNT } Way;

static float weights[3][HIDDEN_1 * FEATURE_COUNT], biases[3][HIDDEN_1];
static float in[ROWS * FEATURE_COUNT], out[_WAY_COUNT][ROWS * OUTPUTS];

static const Layer layers[] = {
        {.activation = ACTIVATION_LEAKY,
         .inputs = FEATURE_COUNT,
         .outputs = HIDDEN_1,
         .weights = weights[0],
         .biases = biases[0]},
        {.activation = ACTIVATION_LEAKY,
         .inputs = HIDDEN_1,
         .outputs = HIDDEN_2,
         .weights = weights[1],
         .biases = biases[1]},
        {.activation = ACTIVATION_LINEAR,
         .inputs = HIDDEN_2,
         .outputs = OUTPUTS,
         .weights = weights[2],
         .biases = biases[2]},
};

static void naive_run(const float *row, float *ret) {
        float x[FEATURE_COUNT], y[FEATURE_COUNT];

        memcpy(x, row, sizeof(x));
        for (size_t l = 0; l < ELEMENTSOF(layers); l++) {
                for (size_t o = 0; o < layers[l].outputs; o++) {
                        float sum = layers[l].biases[o];

                        for (size_t i = 0; i < layers[l].inputs; i++)
                                sum += layers[l].weights[o * layers[l].inputs + i] * x[i];
                        y[o] = sum > 0.0f || layers[l].activation == ACTIVATION_LINEAR ? sum
                                                                                       : 0.1f * sum;
                }
                memcpy(x, y, layers[l].outputs * sizeof(float));
        }
        memcpy(ret, x, OUTPUTS * sizeof(float));
}

static void run(Way way, Engine *wide, Engine *narrow) {
        switch (way) {
        case WAY_SINGLE:
                for (size_t r = 0; r < ROWS; r++)
                        engine_run(wide, in + r * FEATURE_COUNT, 1, out[way] + r * OUTPUTS);
                break;
        case WAY_NAIVE:
                for (size_t r = 0; r < ROWS; r++)
                        naive_run(in + r * FEATURE_COUNT, out[way] + r * OUTPUTS);
                break;
        default:
                engine_run(way == WAY_NARROW ? narrow : wide, in, ROWS, out[way]);
                break;
        }
}

static void fill(float *x, size_t n) {
        static uint32_t seed = 1;

        for (size_t i = 0; i < n; i++) {
                seed = seed * 1664525u + 1013904223u;
                x[i] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
        }
}

int main(void) {
        static const char *const names[_WAY_COUNT] = {"engine, batch", "engine, row by row",
                                                      "engine, batch, 4 lanes", "scalar loop"};
        _cleanup_(engine_freep)
        Engine *wide = NULL, *narrow = NULL;
        double ns[_WAY_COUNT][ROUNDS];

        for (size_t l = 0; l < 3; l++) {
                fill(weights[l], ELEMENTSOF(weights[l]));
                fill(biases[l], ELEMENTSOF(biases[l]));
        }
        fill(in, ELEMENTSOF(in));
        if (engine_new(layers, ELEMENTSOF(layers), &wide) < 0 ||
            engine_new(layers, ELEMENTSOF(layers), &narrow) < 0)
                return 1;
        engine_use_narrow(narrow);

        for (int round = -1; round < ROUNDS; round++) /* the first only warms up */
                for (int way = 0; way < _WAY_COUNT; way++) {
                        double before = bench_now_ns();

                        run((Way)way, wide, narrow);
                        if (round >= 0)
                                ns[way][round] = (bench_now_ns() - before) / (double)ROWS;
                }

        for (int way = 0; way < _WAY_COUNT; way++)
                qsort(ns[way], ROUNDS, sizeof(double), bench_compare);
        printf("%d-%zu-%zu-%zu, median of %d rounds of %zu rows\n", FEATURE_COUNT, HIDDEN_1,
               HIDDEN_2, OUTPUTS, ROUNDS, ROWS);
        for (int way = 0; way < _WAY_COUNT; way++)
                printf("%-24s %8.1f ns/row  %5.1f times the scalar loop's speed\n", names[way],
                       ns[way][ROUNDS / 2], ns[WAY_NAIVE][ROUNDS / 2] / ns[way][ROUNDS / 2]);
        if (memcmp(out[WAY_BATCH], out[WAY_SINGLE], sizeof(out[0])) != 0 ||
            memcmp(out[WAY_BATCH], out[WAY_NARROW], sizeof(out[0])) != 0) {
                fprintf(stderr, "The ways differ in their results.\n");
                return 1;
        }
        return 0;
}
