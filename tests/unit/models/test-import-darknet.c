/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "models/import-darknet.h"

static const char good_cfg[] = "# a comment\n"
                               "[net]\n"
                               "inputs = 3\n"
                               "batch=64\n"
                               "subdivisions=1\n"
                               "learning_rate=0.1\n"
                               "momentum=.9\n"
                               "policy=steps\n"
                               "steps=10,20\n"
                               "scales=.1, .1\n"
                               "max_batches=100\n"
                               "\n"
                               "; another\n"
                               "[connected]\n"
                               "output=2\n"
                               "batch_normalize=1\n"
                               "activation=leaky\n"
                               "[dropout]\n"
                               "probability=.5\n"
                               "[connected]\n"
                               "output=2\n"
                               "activation=linear\n"
                               "[softmax]\n"
                               "groups=1\n";

enum { N_FLOATS = 2 + 6 + 2 + 2 + 2 + 2 + 4, HEADER = 20, SIZE = HEADER + 4 * N_FLOATS };

static const float good_values[N_FLOATS] = {
        .5f, -.5f, 1, 2, 3, -1, -2, -3, 2, 1, .25f, .5f, 4, 1, .1f, .2f, 1, -1, .5f, .5f,
};

static void put_le32(unsigned char *p, uint32_t v) {
        for (int i = 0; i < 4; i++)
                p[i] = (unsigned char)(v >> (8 * i));
}

static void put_float(unsigned char *p, float f) {
        uint32_t bits;

        memcpy(&bits, &f, sizeof(bits));
        put_le32(p, bits);
}

static void good_weights(unsigned char *w) {
        memset(w, 0, HEADER);
        put_le32(w + 4, 2);
        for (size_t i = 0; i < N_FLOATS; i++)
                put_float(w + HEADER + 4 * i, good_values[i]);
}

static void test_good(_unused_ void **state) {
        _cleanup_(engine_freep)
        Engine *e = NULL;
        const float in[] = {1, 0.5f, -1};
        unsigned char w[SIZE];
        float out[2];
        double h[2], z[2], k;
        size_t inputs, outputs;
        Error error = ERROR_INIT;

        good_weights(w);
        assert_int_equal(import_darknet(good_cfg, strlen(good_cfg), w, SIZE, &e, &error), 0);
        assert_string_equal(error.text, "");
        assert_int_equal(engine_inputs(e), 3);
        assert_int_equal(engine_outputs(e), 2);
        engine_run(e, in, 1, out);

        /* By hand: Wx = -1, 1; normalised (-1 - .25)/2 * 2 + .5, (1 - .5)/1 * 1 - .5. */
        h[0] = 0.1 * ((-1 - 0.25) / (2 + 1e-6) * 2 + 0.5);
        h[1] = (1 - 0.5) / (1 + 1e-6) - 0.5;
        h[1] = h[1] > 0 ? h[1] : 0.1 * h[1];
        z[0] = 0.1 + h[0] - h[1];
        z[1] = 0.2 + 0.5 * h[0] + 0.5 * h[1];
        k = exp(z[0]) + exp(z[1]);
        assert_true(fabs((double)out[0] - exp(z[0]) / k) < 1e-6);
        assert_true(fabs((double)out[1] - exp(z[1]) / k) < 1e-6);

        assert_int_equal(
                import_darknet_check_cfg(good_cfg, strlen(good_cfg), &inputs, &outputs, &error), 0);
        assert_int_equal(inputs, 3);
        assert_int_equal(outputs, 2);
}

/* The graph computes what the engine does: every activation, batch normalisation, temperature,
 * groups. */
static void test_graph(_unused_ void **state) {
        static const char cfg[] = "[net]\ninputs=3\n"
                                  "[connected]\noutput=4\nbatch_normalize=1\nactivation=leaky\n"
                                  "[connected]\noutput=4\nactivation=relu\n"
                                  "[connected]\noutput=4\nactivation=tanh\n"
                                  "[connected]\noutput=4\nactivation=logistic\n"
                                  "[dropout]\nprobability=.5\n"
                                  "[connected]\noutput=4\nactivation=linear\n"
                                  "[softmax]\ngroups=2\ntemperature=2.5\n";
        enum { FLOATS = 4 * (3 + 4) + 4 * (4 * 5) };
        unsigned char w[HEADER + 4 * FLOATS] = {[4] = 2};
        _cleanup_(engine_freep)
        Engine *engine = NULL;
        _cleanup_(graph_freep)
        Graph *g = NULL;
        _cleanup_(tensor_freep)
        Tensor *in = NULL, *out = NULL;
        float wanted[5 * 4];
        Error e = ERROR_INIT;

        for (size_t i = 0; i < FLOATS; i++)
                put_float(w + HEADER + 4 * i,
                          (float)((i * 37) % 41) / 20.0f - (i < 28 ? 0.0f : 1.0f));
        assert_int_equal(import_darknet(cfg, strlen(cfg), w, sizeof(w), &engine, &e), 0);
        assert_int_equal(import_darknet_graph(cfg, strlen(cfg), w, sizeof(w), &g, &e), 0);
        assert_int_equal(tensor_new(ELEMENT_F32, 2, (int64_t[]){5, 3}, &in), 0);
        for (size_t i = 0; i < 15; i++)
                in->f32[i] = (float)((i * 7) % 11) / 5.0f - 1.0f;
        engine_run(engine, in->f32, 5, wanted);
        if (graph_run(g, (const Tensor *const[]){in}, 1, &out, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(out->count, 20);
        assert_int_equal(out->rank, 2);
        for (size_t i = 0; i < 20; i++)
                assert_true(fabsf(out->f32[i] - wanted[i]) < 1e-6f);
        /* Two groups: each sums to 1. */
        assert_true(fabsf(out->f32[0] + out->f32[1] - 1.0f) < 1e-6f);
        assert_true(fabsf(out->f32[0] - out->f32[4]) > 1e-4f);
}

/* The engine's checks are the graph's, too. */
static void test_bad_graph(_unused_ void **state) {
        unsigned char w[SIZE];
        Graph *g = NULL;
        Error e = ERROR_INIT;

        good_weights(w);
        assert_int_equal(import_darknet_graph(good_cfg, strlen(good_cfg), w, SIZE - 4, &g, &e),
                         -EINVAL);
        assert_non_null(strstr(e.text, "truncated"));
        /* A scale of batch normalisation. */
        put_float(w + HEADER + 4 * 8, 3e38f);
        e = ERROR_INIT;
        assert_int_equal(import_darknet_graph(good_cfg, strlen(good_cfg), w, SIZE, &g, &e),
                         -EINVAL);
        assert_null(g);
}

/* Before version 0.2 the count of images seen had four bytes. */
static void test_old_header(_unused_ void **state) {
        _cleanup_(engine_freep)
        Engine *e = NULL;
        unsigned char w[SIZE];
        Error error = ERROR_INIT;

        good_weights(w);
        put_le32(w + 4, 1);
        memmove(w + 16, w + 20, SIZE - 20);
        assert_int_equal(import_darknet(good_cfg, strlen(good_cfg), w, SIZE - 4, &e, &error), 0);
        assert_int_equal(engine_inputs(e), 3);
}

static void test_defaults(_unused_ void **state) {
        const char cfg[] = "[network]\n\tin puts=1\n[connected]\noutput=1";
        _cleanup_(engine_freep)
        Engine *e = NULL;
        unsigned char w[HEADER + 8] = {[4] = 2};
        const float in = 0;
        float out;

        assert_int_equal(import_darknet(cfg, strlen(cfg), w, sizeof(w), &e, NULL), 0);
        engine_run(e, &in, 1, &out);
        assert_true(out == 0.5f); /* darknet's default is logistic */
}

#define NET "[net]\ninputs=4\n"

static const struct {
        const char *cfg, *word;
} bad_cfgs[] = {
        {"", "inputs=N is required"},
        {"# nothing\n", "inputs=N is required"},
        {"inputs=4\n", "line 1: option 'inputs' before the first section"},
        {"[net]\n[connected]\noutput=2\n", "line 1: [net] lacks inputs"},
        {"[connected]\noutput=2\n", "line 1: the first section must be [net]"},
        {NET, "at least one [connected]"},
        {NET NET, "line 3: [net] is accepted only once"},
        {NET "[convolutional]\nfilters=1\n", "line 3: section '[convolutional]'"},
        {NET "[connected\noutput=2\n", "section '[connected'"},
        {NET "[gru]\n", "accepted are [net] first"},
        {"[net]\ninputs=0\n", "line 2: [net] inputs=0: accepted is a whole number from 1 to 4096"},
        {"[net]\ninputs=-4\n", "inputs=-4"},
        {"[net]\ninputs=4097\n", "inputs=4097"},
        {"[net]\ninputs=99999999999999999999999\n", "accepted is a whole number"},
        {"[net]\ninputs=4.5\n", "inputs=4.5"},
        {"[net]\ninputs=4x\n", "inputs=4x"},
        {"[net]\ninputs=\n", "inputs=:"},
        {"[net]\ninputs=0x10\n", "inputs=0x10"},
        {"[net]\ninputs\n", "neither [section] nor key=value"},
        {"[net]\n=4\n", "neither [section] nor key=value"},
        {"[net]\ninputs=4\ninputs=5\n", "line 3: [net] inputs is given twice"},
        {"[net]\nheight=4\n", "[net] has no option 'height'; known are inputs"},
        {"[net]\ninputs=4\r\n", "control character 0x0d"},
        {NET "time_steps=4\n", "no option 'time_steps'"},
        {NET "batch=0\n", "batch=0"},
        {NET "batch=64\nsubdivisions=7\n[connected]\noutput=1\n", "no multiple of subdivisions=7"},
        {NET "learning_rate=nan\n", "learning_rate=nan"},
        {NET "learning_rate=-1\n", "learning_rate=-1"},
        {NET "learning_rate=1e999\n", "accepted is a number from 0"},
        {NET "momentum=1.5\n", "momentum=1.5"},
        {NET "policy=cosine\n", "one of constant, step, exp"},
        {NET "policy=steps\nsteps=1,2\n[connected]\noutput=1\n", "policy=steps lacks scales"},
        {NET "policy=poly\n[connected]\noutput=1\n", "policy=poly lacks power"},
        {NET "steps=1,2\nscales=.1\n[connected]\noutput=1\n", "2 steps but 1 scales"},
        {NET "steps=1,,2\n", "[net] steps="},
        {NET "steps=1,x\n", "steps=x"},
        {NET "[connected]\nactivation=relu\n", "line 3: [connected] lacks output"},
        {NET "[connected]\noutput=0\n", "output=0"},
        {NET "[connected]\noutput=-1\n", "output=-1"},
        {NET "[connected]\noutput=1000000\n", "from 1 to 4096"},
        {NET "[connected]\noutput=2\nactivation=mish\n", "linear, relu, leaky, logistic, tanh"},
        {NET "[connected]\noutput=2\nbatch_normalize=2\n", "batch_normalize=2"},
        {NET "[connected]\noutput=2\nfilters=3\n", "[connected] has no option 'filters'"},
        {NET "[dropout]\nprobability=.5\n[connected]\noutput=1\n", "needs a layer before it"},
        {NET "[connected]\noutput=2\n[dropout]\nprobability=1\n", "probability=1"},
        {NET "[softmax]\ngroups=3\n", "divisor of the 4 units"},
        {NET "[softmax]\ngroups=0\n", "groups=0"},
        {NET "[softmax]\ntemperature=0\n", "temperature=0"},
        {NET "[softmax]\ntree=x\n", "no option 'tree'"},
        {"[net]\ninputs=4096\n[connected]\noutput=4096\n[connected]\noutput=4096\n",
         "line 5: [connected] brings the network to"},
};

static void test_bad_cfg(_unused_ void **state) {
        unsigned char w[SIZE];

        good_weights(w);
        for (size_t i = 0; i < ELEMENTSOF(bad_cfgs); i++) {
                const char *cfg = bad_cfgs[i].cfg;
                Error error = ERROR_INIT;
                size_t inputs = 77, outputs = 77;
                Engine *e = NULL;

                assert_int_equal(
                        import_darknet_check_cfg(cfg, strlen(cfg), &inputs, &outputs, &error),
                        -EINVAL);
                assert_int_equal(inputs, 77);
                assert_int_equal(outputs, 77);
                if (!strstr(error.text, bad_cfgs[i].word))
                        fail_msg("case %zu: '%s' does not say '%s'", i, error.text,
                                 bad_cfgs[i].word);
                assert_int_equal(import_darknet(cfg, strlen(cfg), w, SIZE, &e, NULL), -EINVAL);
                assert_null(e);
        }
}

static void expect_cfg(const char *cfg, size_t size, const char *word) {
        size_t inputs, outputs;
        Error error = ERROR_INIT;

        assert_int_equal(import_darknet_check_cfg(cfg, size, &inputs, &outputs, &error), -EINVAL);
        assert_non_null(strstr(error.text, word));
}

static void test_bad_shape(_unused_ void **state) {
        static char text[2 * 1024 * 1024];
        size_t n = 0;

        expect_cfg("[net]\0inputs=4\n", 15, "control character 0x00");

        memset(text, 'a', sizeof(text));
        expect_cfg(text, 4096, "longer than");
        expect_cfg(text, sizeof(text), "at most");

        n = (size_t)snprintf(text, sizeof(text), NET);
        for (size_t i = 0; i <= ENGINE_LAYERS_MAX; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "[softmax]\n");
        expect_cfg(text, n, "more than 64 layers");

        n = (size_t)snprintf(text, sizeof(text), NET "steps=1");
        for (size_t i = 0; i < 70; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, ",1");
        expect_cfg(text, n, "more than 64 items");
}

static void expect_weights(const unsigned char *w, size_t size, const char *word) {
        Error error = ERROR_INIT;
        Engine *e = NULL;

        assert_int_equal(import_darknet(good_cfg, strlen(good_cfg), w, size, &e, &error), -EINVAL);
        assert_null(e);
        if (!strstr(error.text, word))
                fail_msg("'%s' does not say '%s'", error.text, word);
}

static void test_bad_weights(_unused_ void **state) {
        static const struct {
                size_t value;
                float bad;
                const char *word;
        } values[] = {
                {0, NAN, "biases of the [connected] in line 14, value 1 of 2"},
                {7, INFINITY, "weights of the [connected] in line 14, value 6 of 6, is inf"},
                {9, -INFINITY, "scales of"},
                {10, NAN, "rolling_mean of"},
                {13, NAN, "rolling_variance of"},
                {13, -0.5f,
                 "value 2 of 2, is -0.5; accepted is a finite number that is not negative"},
                {19, NAN, "weights of the [connected] in line 20, value 4 of 4"},
        };
        unsigned char w[SIZE + 4] = {};

        good_weights(w);
        for (size_t size = 0; size < SIZE; size++)
                expect_weights(w, size, size < HEADER ? "no darknet header" : "truncated");
        expect_weights(w, SIZE + 4, "too long");
        expect_weights(w, SIZE + 1, "too long");

        put_le32(w, 1001);
        expect_weights(w, SIZE, "transposed");
        put_le32(w, 0);
        put_le32(w + 4, 1002);
        expect_weights(w, SIZE, "transposed");
        put_le32(w + 4, UINT32_MAX);
        expect_weights(w, SIZE, "no darknet version");

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                good_weights(w);
                put_float(w + HEADER + 4 * values[i].value, values[i].bad);
                expect_weights(w, SIZE, values[i].word);
        }

        good_weights(w);
        put_float(w + HEADER + 4 * 8, 3e38f); /* scale … */
        put_float(w + HEADER + 4 * 12, 0);    /* … over a deviation of nothing */
        expect_weights(w, SIZE, "too large");
}

static uint64_t seed = 88172645463325252;

static size_t random_below(size_t n) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (size_t)(seed >> 11) % n;
}

/* Bytes overwritten, cut out, doubled; the good files stand in buffers of exactly their size, so
 * that a sanitizer sees any step beyond. */
static void test_mutations(_unused_ void **state) {
        static const char *const tokens[] = {
                "[",       "]\n",           "=",          "\n",         "-1", "99999999", ",",
                "[net]\n", "[connected]\n", "output=3\n", "inputs=3\n", "\0", "nan"};
        size_t n_loaded = 0, n_refused = 0;

        for (int round = 0; round < 20000; round++) {
                size_t cfg_size = strlen(good_cfg), size = SIZE;
                char cfg[sizeof(good_cfg) + 64];
                unsigned char w[SIZE];
                _cleanup_free_
                char *exact_cfg = NULL;
                _cleanup_free_
                unsigned char *exact = NULL;
                _cleanup_(engine_freep)
                Engine *e = NULL;
                Error error = ERROR_INIT;
                int r;

                memcpy(cfg, good_cfg, sizeof(good_cfg));
                good_weights(w);
                for (size_t n = random_below(3); n > 0; n--) {
                        size_t at = random_below(cfg_size);
                        const char *token = tokens[random_below(ELEMENTSOF(tokens))];
                        size_t length = MAX(strlen(token), (size_t)1);

                        switch (random_below(4)) {
                        case 0:
                                cfg[at] = (char)random_below(256);
                                break;
                        case 1:
                                cfg_size -= MIN(cfg_size - 1, random_below(20));
                                break;
                        case 2:
                                memmove(cfg + at, cfg + at + 1, cfg_size - at - 1);
                                cfg_size--;
                                break;
                        default:
                                memmove(cfg + at + length, cfg + at, cfg_size - at);
                                memcpy(cfg + at, token, length);
                                cfg_size += length;
                                break;
                        }
                        cfg_size = MAX(cfg_size, (size_t)1);
                }
                for (size_t n = random_below(3); n > 0; n--)
                        w[random_below(SIZE)] = (unsigned char)random_below(256);
                if (random_below(8) == 0)
                        size = random_below(SIZE);

                exact_cfg = malloc(cfg_size);
                exact = malloc(MAX(size, (size_t)1));
                assert_non_null(exact_cfg);
                assert_non_null(exact);
                memcpy(exact_cfg, cfg, cfg_size);
                memcpy(exact, w, size);
                r = import_darknet(exact_cfg, cfg_size, exact, size, &e, &error);
                if (r == 0) {
                        const float in[4096] = {1, -1, 0.5f};
                        float out[4096];

                        assert_non_null(e);
                        engine_run(e, in, 1, out);
                        n_loaded++;
                } else {
                        assert_int_equal(r, -EINVAL);
                        assert_null(e);
                        assert_true(error.text[0] != 0);
                        assert_null(strchr(error.text, '\n'));
                        n_refused++;
                }
        }
        /* Both outcomes must occur, or the mutations test nothing. */
        assert_true(n_loaded > 1000);
        assert_true(n_refused > 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),      cmocka_unit_test(test_old_header),
                cmocka_unit_test(test_defaults),  cmocka_unit_test(test_bad_cfg),
                cmocka_unit_test(test_bad_shape), cmocka_unit_test(test_bad_weights),
                cmocka_unit_test(test_mutations), cmocka_unit_test(test_graph),
                cmocka_unit_test(test_bad_graph),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
