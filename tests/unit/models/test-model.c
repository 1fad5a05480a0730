/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "models/engine.h"
#include "models/model.h"

static void check_sum(const Prediction *p) {
        float sum = 0;

        for (int c = 0; c < _CLASS_COUNT; c++) {
                assert_true(p->probability[c] >= 0.0f && p->probability[c] <= 1.0f);
                sum += p->probability[c];
        }
        assert_true(fabsf(sum - 1.0f) < 1e-5f);
}

static void test_class(_unused_ void **state) {
        Prediction p = {
                .probability = {[CLASS_SERVER] = 0.4f, [CLASS_IO] = 0.4f, [CLASS_IDLE] = 0.2f}};

        assert_int_equal(prediction_class(&p), CLASS_SERVER);
        p.probability[CLASS_MEMORY] = 0.5f;
        assert_int_equal(prediction_class(&p), CLASS_MEMORY);
}

/* What one second of such a program looks like, in the row that ten of them give. */
static const struct {
        const char *what;
        ProcSample second;
        LoadClass expected;
} programs[] = {
        {"a daemon that does nothing",
         {.nvcsw = 1, .timeslices = 1, .exec_ns = 50000, .rss_bytes = 5 << 20},
         CLASS_IDLE},
        {"a number cruncher alone",
         {.exec_ns = 1000000000, .timeslices = 5, .nivcsw = 5, .rss_bytes = 5 << 20},
         CLASS_BATCH},
        {"a compressor among six",
         {.exec_ns = 330000000,
          .delay_ns = 660000000,
          .timeslices = 120,
          .nivcsw = 110,
          .nvcsw = 8,
          .min_flt = 20,
          .rchar = 30000000,
          .syscr = 500,
          .rss_bytes = 20 << 20},
         CLASS_BATCH},
        {"a compiler",
         {.exec_ns = 950000000,
          .timeslices = 40,
          .nivcsw = 38,
          .nvcsw = 2,
          .min_flt = 4000,
          .rss_bytes = 120 << 20},
         CLASS_BATCH},
        {"a key-value store under load",
         {.exec_ns = 600000000,
          .timeslices = 20000,
          .nvcsw = 19000,
          .nivcsw = 1000,
          .rchar = 3000000,
          .syscr = 60000,
          .syscw = 60000,
          .rss_bytes = 50 << 20},
         CLASS_SERVER},
        {"a web server",
         {.exec_ns = 100000000,
          .timeslices = 1500,
          .nvcsw = 1400,
          .nivcsw = 50,
          .rss_bytes = 10 << 20},
         CLASS_SERVER},
        {"an editor being typed in",
         {.exec_ns = 10000000,
          .timeslices = 20,
          .nvcsw = 18,
          .nivcsw = 1,
          .rchar = 12,
          .syscr = 12,
          .has_tty = true,
          .rss_bytes = 15 << 20},
         CLASS_INTERACTIVE},
        {"a copy between disks",
         {.exec_ns = 150000000,
          .timeslices = 900,
          .nvcsw = 850,
          .nivcsw = 30,
          .read_bytes = 200 << 20,
          .write_bytes = 200 << 20,
          .in_iowait = 1,
          .rchar = 200 << 20,
          .syscr = 1600,
          .rss_bytes = 2 << 20},
         CLASS_IO},
        {"random reads",
         {.exec_ns = 60000000,
          .timeslices = 9000,
          .nvcsw = 9000,
          .read_bytes = 36 << 20,
          .in_iowait = 1,
          .rss_bytes = 30 << 20},
         CLASS_IO},
        {"one that maps and unmaps",
         {.exec_ns = 1000000000,
          .timeslices = 30,
          .nivcsw = 30,
          .min_flt = 200000,
          .rss_bytes = 256 << 20},
         CLASS_MEMORY},
        {"one that is thrashing",
         {.exec_ns = 80000000,
          .timeslices = 2000,
          .nvcsw = 1900,
          .maj_flt = 1500,
          .in_iowait = 1,
          .read_bytes = 6 << 20,
          .rss_bytes = 400 << 20},
         CLASS_MEMORY},
};

static void add(ProcSample *to, const ProcSample *second) {
        to->exec_ns += second->exec_ns;
        to->delay_ns += second->delay_ns;
        to->timeslices += second->timeslices;
        to->nvcsw += second->nvcsw;
        to->nivcsw += second->nivcsw;
        to->min_flt += second->min_flt;
        to->maj_flt += second->maj_flt;
        to->rchar += second->rchar;
        to->syscr += second->syscr;
        to->syscw += second->syscw;
        to->read_bytes += second->read_bytes;
        to->write_bytes += second->write_bytes;
        to->in_iowait = second->in_iowait;
        to->has_tty = second->has_tty;
        to->rss_bytes = second->rss_bytes;
        to->n_threads = 1;
        to->valid = SAMPLE_ALL;
}

static void test_rules(_unused_ void **state) {
        _cleanup_(model_freep)
        Model *m = NULL;
        float rows[ELEMENTSOF(programs) * FEATURE_COUNT];
        Prediction p[ELEMENTSOF(programs)], one;

        assert_int_equal(rules_model_new(&m), 0);
        assert_string_equal(m->name, "rules");
        assert_string_equal(m->digest, "");
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                FeatureHistory h = {};
                ProcSample now = {}, prev;

                add(&now, &programs[i].second);
                for (int second = 0; second < 10; second++) {
                        prev = now;
                        add(&now, &programs[i].second);
                        feature_compute(&now, &prev, &h, USEC_PER_SEC, rows + i * FEATURE_COUNT);
                }
        }
        model_predict(m, rows, ELEMENTSOF(programs), p);
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                check_sum(&p[i]);
                if (prediction_class(&p[i]) != programs[i].expected)
                        fail_msg("%s is taken for %s", programs[i].what,
                                 class_to_string(prediction_class(&p[i])));
                model_predict(m, rows + i * FEATURE_COUNT, 1, &one);
                assert_memory_equal(&one, &p[i], sizeof(one));
        }
}

/* A network whose outputs are the first standardised inputs. */
static Engine *mirror_new(size_t inputs, size_t outputs, float weight, bool softmax) {
        static float weights[128 * 128], biases[128];
        Layer layers[] = {
                {.kind = LAYER_CONNECTED,
                 .inputs = inputs,
                 .outputs = outputs,
                 .weights = weights,
                 .biases = biases},
                {.kind = LAYER_SOFTMAX,
                 .inputs = outputs,
                 .outputs = outputs,
                 .temperature = 1,
                 .groups = 1},
        };
        Engine *e = NULL;

        memset(weights, 0, sizeof(weights));
        for (size_t o = 0; o < outputs; o++)
                weights[o * inputs + o] = weight;
        assert_int_equal(engine_new(layers, softmax ? 2 : 1, &e), 0);
        return e;
}

static void test_network(_unused_ void **state) {
        enum { N = 150 };
        _cleanup_(model_freep)
        Model *m = NULL;
        float mean[FEATURE_COUNT], deviation[FEATURE_COUNT], rows[N * FEATURE_COUNT];
        Prediction p[N];

        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                mean[i] = (float)i;
                deviation[i] = 2;
        }
        assert_int_equal(network_model_new("n", "1", "d", mean, deviation,
                                           mirror_new(FEATURE_COUNT, _CLASS_COUNT, 1, true), &m),
                         0);
        assert_string_equal(m->name, "n");
        assert_string_equal(m->version, "1");
        assert_string_equal(m->digest, "d");
        for (size_t r = 0; r < N; r++) {
                for (size_t i = 0; i < FEATURE_COUNT; i++)
                        rows[r * FEATURE_COUNT + i] = (float)i;
                rows[r * FEATURE_COUNT + r % _CLASS_COUNT] += 4; /* two deviations */
        }
        rows[1] = 1e30f; /* clamped to ten deviations */
        model_predict(m, rows, N, p);
        for (size_t r = 1; r < N; r++) {
                check_sum(&p[r]);
                assert_int_equal(prediction_class(&p[r]), r % _CLASS_COUNT);
                assert_true(fabs((double)p[r].probability[r % _CLASS_COUNT] -
                                 exp(2) / (exp(2) + 5)) < 1e-5);
        }
        assert_true(fabs((double)p[0].probability[1] - exp(10) / (exp(10) + exp(2) + 4)) < 1e-5);
}

static void test_network_refused(_unused_ void **state) {
        _cleanup_(engine_freep)
        Engine *narrow = mirror_new(FEATURE_COUNT - 1, _CLASS_COUNT, 1, true);
        _cleanup_(engine_freep)
        Engine *many = mirror_new(FEATURE_COUNT, _CLASS_COUNT + 1, 1, true);
        _cleanup_(engine_freep)
        Engine *good = mirror_new(FEATURE_COUNT, _CLASS_COUNT, 1, true);
        float mean[FEATURE_COUNT] = {}, deviation[FEATURE_COUNT];
        Model *m = NULL;

        for (size_t i = 0; i < FEATURE_COUNT; i++)
                deviation[i] = 1;
        assert_int_equal(network_model_new("n", "", "", mean, deviation, narrow, &m), -EINVAL);
        assert_int_equal(network_model_new("n", "", "", mean, deviation, many, &m), -EINVAL);
        deviation[3] = 0;
        assert_int_equal(network_model_new("n", "", "", mean, deviation, good, &m), -EINVAL);
        deviation[3] = 1;
        mean[4] = NAN;
        assert_int_equal(network_model_new("n", "", "", mean, deviation, good, &m), -EINVAL);
        assert_null(m);
}

/* Weights may be finite and yet overflow: the answer is then "no idea", and a distribution. */
static void test_overflow(_unused_ void **state) {
        for (int softmax = 0; softmax < 2; softmax++) {
                _cleanup_(model_freep)
                Model *m = NULL;
                float mean[FEATURE_COUNT] = {}, deviation[FEATURE_COUNT], row[FEATURE_COUNT];
                Prediction p;

                for (size_t i = 0; i < FEATURE_COUNT; i++)
                        deviation[i] = row[i] = 1;
                row[0] = row[1] = 9;
                assert_int_equal(
                        network_model_new("n", "", "", mean, deviation,
                                          mirror_new(FEATURE_COUNT, _CLASS_COUNT, 3e38f, softmax),
                                          &m),
                        0);
                model_predict(m, row, 1, &p);
                check_sum(&p);
                assert_true(p.probability[0] == p.probability[5]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_class),    cmocka_unit_test(test_rules),
                cmocka_unit_test(test_network),  cmocka_unit_test(test_network_refused),
                cmocka_unit_test(test_overflow),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
