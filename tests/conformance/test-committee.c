/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks made one and divided by a temperature: what comes out is run by the daemon's engine. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/darknet/committee.h"
#include "models/import-darknet.h"
#include "models/train/dataset.h"

#define MEMBERS 3
#define ROWS 50

typedef struct World {
        NetShape shape;
        char *weights[MEMBERS];
        size_t sizes[MEMBERS];
        float rows[ROWS][FEATURE_COUNT];
} World;

static void world_done(World *w) {
        for (size_t k = 0; k < MEMBERS; k++)
                free(w->weights[k]);
}

static size_t count_weights(const NetShape *s) {
        size_t n = 0, in = FEATURE_COUNT;

        for (size_t i = 0; i < s->n_hidden; i++) {
                n += s->hidden[i] * (in + 1);
                in = s->hidden[i];
        }
        return n + _CLASS_COUNT * (in + 1);
}

static void world_init(World *w, NetShape shape) {
        Random random = {.state = 7};

        w->shape = shape;
        for (size_t k = 0; k < MEMBERS; k++) {
                size_t n = count_weights(&shape);

                w->sizes[k] = 20 + n * sizeof(float);
                w->weights[k] = calloc(1, w->sizes[k]);
                assert_non_null(w->weights[k]);
                w->weights[k][4] = 2; /* version 0.2.0 */
                for (size_t i = 0; i < n; i++) {
                        float f = (float)(0.3 * random_normal(&random));

                        memcpy(w->weights[k] + 20 + i * sizeof(f), &f, sizeof(f));
                }
        }
        for (size_t i = 0; i < ROWS; i++)
                for (size_t k = 0; k < FEATURE_COUNT; k++)
                        w->rows[i][k] = (float)random_normal(&random);
}

static void run(const NetShape *shape, const char *weights, size_t size, const World *w,
                Prediction *ret) {
        static const float mean[FEATURE_COUNT];
        float deviation[FEATURE_COUNT];
        _cleanup_free_
        char *cfg = net_cfg_new(shape);
        Engine *engine = NULL;
        _cleanup_(model_freep)
        Model *model = NULL;
        Error e = ERROR_INIT;

        for (size_t k = 0; k < FEATURE_COUNT; k++)
                deviation[k] = 1;
        assert_non_null(cfg);
        if (import_darknet(cfg, strlen(cfg), weights, size, &engine, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(network_model_new("n", "1", "", mean, deviation, engine, &model), 0);
        for (size_t i = 0; i < ROWS; i++)
                model_predict(model, w->rows[i], 1, &ret[i]);
}

/* softmax(mean of the members' outputs / temperature), from the members' own probabilities. */
static void check_fold(NetShape shape, size_t n, double temperature) {
        _cleanup_(world_done)
        World w;
        NetShape wide = committee_shape(&shape, n);
        Prediction one[MEMBERS][ROWS], all[ROWS];
        _cleanup_free_
        char *folded = NULL;
        size_t size;

        world_init(&w, shape);
        assert_int_equal(committee_fold(&shape, FEATURE_COUNT, (const char *const *)w.weights,
                                        w.sizes, n, temperature, &folded, &size),
                         0);
        for (size_t k = 0; k < n; k++)
                run(&shape, w.weights[k], w.sizes[k], &w, one[k]);
        run(&wide, folded, size, &w, all);
        for (size_t i = 0; i < ROWS; i++) {
                double z[_CLASS_COUNT] = {0}, sum = 0;

                for (size_t c = 0; c < _CLASS_COUNT; c++) {
                        for (size_t k = 0; k < n; k++)
                                z[c] += log((double)one[k][i].probability[c]) / (double)n;
                        sum += exp(z[c] / temperature);
                }
                for (size_t c = 0; c < _CLASS_COUNT; c++)
                        if (fabs((double)all[i].probability[c] - exp(z[c] / temperature) / sum) >
                            1e-5)
                                fail_msg("row %zu, class %zu: %.9g", i, c,
                                         (double)all[i].probability[c]);
        }
}

static void test_fold(_unused_ void **state) {
        const NetShape none = {.n_hidden = 0}, flat = {.hidden = {5}, .n_hidden = 1},
                       deep = {.hidden = {7, 4, 3}, .n_hidden = 3};

        check_fold(flat, 1, 1);
        check_fold(flat, MEMBERS, 1);
        check_fold(deep, MEMBERS, 1);
        check_fold(none, 2, 1);
        check_fold(flat, 1, 2.5);
        check_fold(deep, MEMBERS, 0.4);
}

static void test_fold_bad(_unused_ void **state) {
        const NetShape shape = {.hidden = {5}, .n_hidden = 1};
        _cleanup_(world_done)
        World w;
        char *folded = NULL;
        size_t size = 1;

        world_init(&w, shape);
        w.sizes[1]--;
        assert_int_equal(committee_fold(&shape, FEATURE_COUNT, (const char *const *)w.weights,
                                        w.sizes, MEMBERS, 1, &folded, &size),
                         -EINVAL);
        assert_int_equal(committee_fold(&shape, FEATURE_COUNT, NULL, NULL, 0, 1, &folded, &size),
                         -EINVAL);
        assert_null(folded);
        assert_int_equal(size, 1);
}

static void test_temperature_apply(_unused_ void **state) {
        const Prediction p = {.probability = {0.5f, 0.25f, 0.25f, 0, 0, 0}};
        Prediction q;

        temperature_apply(&p, 1, &q);
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                assert_true(fabsf(p.probability[c] - q.probability[c]) < 1e-6f);
        temperature_apply(&p, 0.5, &q); /* squares: 4 : 1 : 1 */
        assert_true(fabsf(q.probability[0] - 4.0f / 6) < 1e-6f);
        assert_true(fabsf(q.probability[1] - 1.0f / 6) < 1e-6f);
}

/* 0.9 for a class that is right in `right` rows of a hundred. */
static double fit(size_t right, const double *weights) {
        Prediction p[100];
        LoadClass truth[100];

        for (size_t i = 0; i < 100; i++) {
                p[i] = (Prediction){.probability = {0.02f, 0.9f, 0.02f, 0.02f, 0.02f, 0.02f}};
                truth[i] = i < right ? (LoadClass)1 : (LoadClass)(i % 5 == 1 ? 0 : i % 5 + 1);
                if (truth[i] == 1 && i >= right)
                        truth[i] = (LoadClass)2;
        }
        return temperature_fit(p, truth, weights, 100);
}

static void test_temperature_fit(_unused_ void **state) {
        const Prediction p = {.probability = {0.02f, 0.9f, 0.02f, 0.02f, 0.02f, 0.02f}};
        double weights[100];
        Prediction q;

        assert_true(fabs(fit(90, NULL) - 1) < 0.01);
        assert_true(fit(99, NULL) < 1);
        /* What it says at the temperature is how often it is right. */
        temperature_apply(&p, fit(60, NULL), &q);
        assert_true(fabsf(q.probability[1] - 0.6f) < 0.005f);
        /* Sixty rows right in a hundred, but six times as heavy: 360 of 400. */
        for (size_t i = 0; i < 100; i++)
                weights[i] = i < 60 ? 6 : 1;
        assert_true(fabs(fit(60, weights) - 1) < 0.01);
        assert_true(temperature_fit(NULL, NULL, NULL, 0) == 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fold),
                cmocka_unit_test(test_fold_bad),
                cmocka_unit_test(test_temperature_apply),
                cmocka_unit_test(test_temperature_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
