/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Graphs as models: the shipped network through both engines, columns by name, what is refused and
 * why, and manifests of ONNX models. test-model-onnx MANIFEST. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>

#include "models/graph-model.h"
#include "models/import-onnx.h"
#include "models/manifest.h"
#include "models/operator.h"
#include "tests/harness/onnx-write.h"
#include "util/io.h"

#define COLUMNS 3
#define N_ROWS ((size_t)150) /* more than a run takes, and no multiple of it */

static const char *shipped;

static float noise(size_t i) {
        return (float)((i + 1) * 2654435761u % 20011) / 10005.5f - 1.0f;
}

static void fill(float *rows, size_t n) {
        for (size_t i = 0; i < n * FEATURE_COUNT; i++)
                rows[i] = 8.0f * noise(i);
}

/* ---- graphs ---- */

static size_t add_value(Graph *g, const char *name) {
        ssize_t v = graph_add_value(g, name);

        assert_true(v >= 0);
        return (size_t)v;
}

static size_t add_node(Graph *g, const char *domain, const char *op, const char *name, size_t n,
                       const size_t *inputs) {
        size_t output = add_value(g, name);
        ssize_t node = graph_add_node(g, operator_find(domain, op), name, domain[0] ? 3 : 13, n,
                                      inputs, 1, &output);

        assert_true(node >= 0);
        return output;
}

static size_t add_constant(Graph *g, const char *name, size_t rank, const int64_t *dim) {
        size_t v = add_value(g, name);

        assert_int_equal(tensor_new(ELEMENT_F32, rank, dim, &g->values[v].constant), 0);
        for (size_t i = 0; i < g->values[v].constant->count; i++)
                g->values[v].constant->f32[i] = noise(i);
        return v;
}

static void add_ints(Graph *g, const char *name, size_t n, const int64_t *ints, bool list) {
        Attribute a = {.name = strdup(name),
                       .kind = list ? ATTRIBUTE_INTS : ATTRIBUTE_INT,
                       .n = n,
                       .ints = malloc(n * sizeof(*ints))};

        memcpy(a.ints, ints, n * sizeof(*ints));
        assert_int_equal(graph_add_attribute(g, g->n_nodes - 1, &a), 0);
}

static size_t add_input(Graph *g, const char *name, ElementType type, int64_t rows,
                        int64_t columns) {
        size_t v = add_value(g, name);

        assert_true(graph_add_input(g, v, type, 2, (int64_t[]){rows, columns}) >= 0);
        return v;
}

/* x W, of six columns. */
static size_t add_product(Graph *g, size_t x, int64_t columns) {
        size_t w = add_constant(g, "w", 2, (int64_t[]){columns, _CLASS_COUNT});

        return add_node(g, DOMAIN_ONNX, "MatMul", "scores", 2, (size_t[]){x, w});
}

static size_t add_softmax(Graph *g, size_t x, int64_t axis) {
        size_t v = add_node(g, DOMAIN_ONNX, "Softmax", "probabilities", 1, &x);

        add_ints(g, "axis", 1, &axis, false);
        return v;
}

static Graph *finish(Graph *g, size_t output) {
        Error e = ERROR_INIT;

        assert_int_equal(graph_add_output(g, output), 0);
        if (graph_finish(g, &e) < 0)
                fail_msg("%s", e.text);
        return g;
}

static Graph *classifier(int64_t rows, bool probabilities) {
        Graph *g = calloc(1, sizeof(*g));
        size_t v = add_product(g, add_input(g, "x", ELEMENT_F32, rows, COLUMNS), COLUMNS);

        return finish(g, probabilities ? add_softmax(g, v, 1) : v);
}

/* ---- specs ---- */

static const size_t columns[COLUMNS] = {5, 0, 40};
static const LoadClass in_order[_CLASS_COUNT] = {0, 1, 2, 3, 4, 5};
static const LoadClass backwards[_CLASS_COUNT] = {5, 4, 3, 2, 1, 0};

static GraphModelSpec make_spec(void) {
        return (GraphModelSpec){.name = "m",
                                .version = "1",
                                .digest = "",
                                .n_features = COLUMNS,
                                .feature = columns,
                                .classes = in_order};
}

/* What the classifier says of a row, worked out here. */
static void expect_row(const float *row, const GraphModelSpec *s, const Prediction *p) {
        double x[_CLASS_COUNT] = {}, sum = 0;

        for (size_t k = 0; k < COLUMNS; k++) {
                double v = (double)row[columns[k]];

                if (s->mean)
                        v = CLAMP((v - (double)s->mean[columns[k]]) /
                                          (double)s->deviation[columns[k]],
                                  -10.0, 10.0);
                for (size_t c = 0; c < _CLASS_COUNT; c++)
                        x[c] += v * (double)noise(k * _CLASS_COUNT + c);
        }
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                sum += exp(x[c]);
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                assert_true(fabs((double)p->probability[s->classes[c]] - exp(x[c]) / sum) < 1e-5);
}

static void expect_classifier(const GraphModelSpec *s, Graph *g) {
        _cleanup_(model_freep)
        Model *m = NULL;
        _cleanup_free_
        float *rows = malloc(N_ROWS * FEATURE_COUNT * sizeof(*rows));
        Prediction p[N_ROWS];
        Error e = ERROR_INIT;

        if (graph_model_new(s, g, &m, &e) < 0)
                fail_msg("%s", e.text);
        fill(rows, N_ROWS);
        model_predict(m, rows, N_ROWS, p);
        for (size_t i = 0; i < N_ROWS; i++)
                expect_row(rows + i * FEATURE_COUNT, s, &p[i]);
}

static void refuse(const GraphModelSpec *s, Graph *g, int expected, const char *word) {
        _cleanup_(graph_freep)
        Graph *mine = g; /* still the caller's */
        Error e = ERROR_INIT;
        Model *m = NULL;
        int r = graph_model_new(s, g, &m, &e);

        if (r != expected || !strstr(e.text, word))
                fail_msg("%d '%s', not %d '%s'", r, e.text, expected, word);
        assert_null(m);
}

/* ---- tests ---- */

static void test_columns(_unused_ void **state) {
        float mean[FEATURE_COUNT], deviation[FEATURE_COUNT];
        GraphModelSpec s = make_spec();

        expect_classifier(&s, classifier(-1, true));
        s.classes = backwards;
        expect_classifier(&s, classifier(-1, true));
        s.logits = true;
        expect_classifier(&s, classifier(-1, false));
        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                mean[i] = noise(i);
                deviation[i] = 0.5f + (float)(i % 3);
        }
        s.mean = mean;
        s.deviation = deviation;
        expect_classifier(&s, classifier(-1, false));
}

/* However many rows the graph wants at once. */
static void test_rows(_unused_ void **state) {
        GraphModelSpec s = make_spec();
        Graph *g = calloc(1, sizeof(*g));
        size_t v, shape;

        expect_classifier(&s, classifier(1, true));
        expect_classifier(&s, classifier(7, true));
        expect_classifier(&s, classifier(64, true));
        refuse(&s, classifier(65, true), -EINVAL, "takes 65 rows at once");
        refuse(&s, classifier(0, true), -EINVAL, "takes 0 rows at once");
        /* It says any number, but was traced with one. */
        v = add_input(g, "x", ELEMENT_F32, -1, COLUMNS);
        shape = add_value(g, "shape");
        assert_int_equal(tensor_new(ELEMENT_I64, 1, (int64_t[]){2}, &g->values[shape].constant), 0);
        g->values[shape].constant->i64[0] = 1;
        g->values[shape].constant->i64[1] = COLUMNS;
        v = add_node(g, DOMAIN_ONNX, "Reshape", "r", 2, (size_t[]){v, shape});
        expect_classifier(&s, finish(g, add_softmax(g, add_product(g, v, COLUMNS), 1)));
}

static void test_outputs(_unused_ void **state) {
        GraphModelSpec s = make_spec();
        Graph *g = classifier(-1, true);

        refuse(&s, classifier(-1, false), -EINVAL, "no probability");
        /* Scores and probabilities: which? */
        assert_int_equal(graph_add_output(g, 2), 0);
        assert_string_equal(g->values[2].name, "scores");
        refuse(&s, g, -EINVAL, "outputs 'probabilities' and 'scores' both");
        g = classifier(-1, true);
        assert_int_equal(graph_add_output(g, 2), 0);
        s.output = "probabilities";
        expect_classifier(&s, g);
        s.output = "label";
        refuse(&s, classifier(-1, true), -EINVAL, "no output 'label' has 6");
        s.output = "scores";
        s.logits = true;
        g = classifier(-1, true);
        assert_int_equal(graph_add_output(g, 2), 0);
        expect_classifier(&s, g);
}

static void test_inputs(_unused_ void **state) {
        GraphModelSpec s = make_spec();
        Graph *g = classifier(-1, true);
        size_t two[COLUMNS] = {0, 1, FEATURE_COUNT};

        s.n_features = 2;
        refuse(&s, g, -EINVAL, "input 'x' takes 3 features, but the manifest names 2");
        s.n_features = COLUMNS;
        s.feature = two;
        refuse(&s, classifier(-1, true), -EINVAL, "features");
        s.feature = columns;
        s.classes = (const LoadClass[_CLASS_COUNT]){0, 1, 2, 3, 4, 4};
        refuse(&s, classifier(-1, true), -EINVAL, "classes");
        s.classes = in_order;
        g = calloc(1, sizeof(*g));
        add_input(g, "y", ELEMENT_F32, -1, 1);
        refuse(&s,
               finish(g,
                      add_softmax(g, add_product(g, add_input(g, "x", ELEMENT_F32, -1, 3), 3), 1)),
               -EINVAL, "has 2 inputs, must have one");
        g = calloc(1, sizeof(*g));
        refuse(&s, finish(g, add_input(g, "x", ELEMENT_I64, -1, COLUMNS)), -EINVAL,
               "input 'x' is int64, must be float32 or float64");
        /* Its own weights do not fit: the graph's word, with the node's name. */
        g = calloc(1, sizeof(*g));
        refuse(&s, finish(g, add_product(g, add_input(g, "x", ELEMENT_F32, -1, -1), 4)), -EINVAL,
               "MatMul (node 'scores'");
}

/* A softmax over the rows. */
static void test_rows_depend(_unused_ void **state) {
        GraphModelSpec s = make_spec();
        Graph *g = calloc(1, sizeof(*g));

        refuse(&s,
               finish(g,
                      add_softmax(g, add_product(g, add_input(g, "x", ELEMENT_F32, -1, COLUMNS), 3),
                                  0)),
               -EINVAL, "depends on the rows");
}

/* Rows of 3, 512 of them wide, and wide again: 786,432 multiplications each. */
static Graph *heavy(int64_t rows, int64_t width) {
        Graph *g = calloc(1, sizeof(*g));
        size_t x = add_input(g, "x", ELEMENT_F32, rows, COLUMNS);
        size_t a = add_constant(g, "a", 2, (int64_t[]){COLUMNS, width});
        size_t b = add_constant(g, "b", 2, (int64_t[]){width, width});
        size_t w;

        x = add_node(g, DOMAIN_ONNX, "MatMul", "first", 2, (size_t[]){x, a});
        x = add_node(g, DOMAIN_ONNX, "MatMul", "second", 2, (size_t[]){x, b});
        w = add_constant(g, "w", 2, (int64_t[]){width, _CLASS_COUNT});
        x = add_node(g, DOMAIN_ONNX, "MatMul", "scores", 2, (size_t[]){x, w});
        return finish(g, add_softmax(g, x, 1));
}

static void test_work(_unused_ void **state) {
        GraphModelSpec s = make_spec();
        _cleanup_(model_freep)
        Model *m = NULL;
        Graph *g = calloc(1, sizeof(*g));
        size_t v;
        Error e = ERROR_INIT;

        /* 300 by 300 is within it, 512 by 512 is not, however it is cut into rows. */
        if (graph_model_new(&s, heavy(-1, 300), &m, &e) < 0)
                fail_msg("%s", e.text);
        refuse(&s, heavy(-1, 512), -EFBIG, "at most 131072");
        refuse(&s, heavy(64, 512), -EFBIG, "at most 131072");
        refuse(&s, heavy(1, 512), -EFBIG, "at most 131072");
        /* Nodes that do nothing, one row at a time: a node is not free. */
        v = add_input(g, "x", ELEMENT_F32, 1, COLUMNS);
        for (size_t i = 0; i < 2100; i++) {
                char name[32];

                snprintf(name, sizeof(name), "n%zu", i);
                v = add_node(g, DOMAIN_ONNX, "Identity", name, 1, &v);
        }
        refuse(&s, finish(g, add_softmax(g, add_product(g, v, COLUMNS), 1)), -EFBIG,
               "2102 nodes for 1 rows");
}

/* Labels in the file are held against the manifest's classes. */
static Graph *labelled(bool strings, const LoadClass *order) {
        Graph *g = calloc(1, sizeof(*g));
        size_t x = add_input(g, "x", ELEMENT_F32, -1, COLUMNS);
        Attribute weights = {.name = strdup("coefficients"),
                             .kind = ATTRIBUTE_FLOATS,
                             .n = COLUMNS * _CLASS_COUNT,
                             .floats = calloc(COLUMNS * _CLASS_COUNT, sizeof(float))};
        Attribute post = {.name = strdup("post_transform"),
                          .kind = ATTRIBUTE_STRING,
                          .n = 1,
                          .strings = calloc(1, sizeof(char *))};
        size_t outputs[] = {add_value(g, "label"), add_value(g, "probabilities")};
        int64_t ints[_CLASS_COUNT];

        /* Rows of it are classes. */
        for (size_t k = 0; k < COLUMNS; k++)
                for (size_t c = 0; c < _CLASS_COUNT; c++)
                        weights.floats[c * COLUMNS + k] = noise(k * _CLASS_COUNT + c);
        post.strings[0] = strdup("SOFTMAX");
        assert_true(graph_add_node(g, operator_find(DOMAIN_ML, "LinearClassifier"), "c", 1, 1, &x,
                                   2, outputs) >= 0);
        assert_int_equal(graph_add_attribute(g, 0, &weights), 0);
        assert_int_equal(graph_add_attribute(g, 0, &post), 0);
        if (strings) {
                Attribute names = {.name = strdup("classlabels_strings"),
                                   .kind = ATTRIBUTE_STRINGS,
                                   .n = _CLASS_COUNT,
                                   .strings = calloc(_CLASS_COUNT, sizeof(char *))};

                for (size_t c = 0; c < _CLASS_COUNT; c++)
                        names.strings[c] = strdup(class_to_string(order[c]));
                assert_int_equal(graph_add_attribute(g, 0, &names), 0);
        } else {
                for (size_t c = 0; c < _CLASS_COUNT; c++)
                        ints[c] = order[c];
                add_ints(g, "classlabels_ints", _CLASS_COUNT, ints, true);
        }
        assert_int_equal(graph_add_output(g, outputs[0]), 0);
        return finish(g, outputs[1]);
}

static void test_labels(_unused_ void **state) {
        static const LoadClass mixed[_CLASS_COUNT] = {3, 0, 1, 4, 5, 2};
        GraphModelSpec s = make_spec();

        expect_classifier(&s, labelled(true, in_order));
        expect_classifier(&s, labelled(false, in_order));
        refuse(&s, labelled(true, mixed), -EINVAL,
               "LinearClassifier (node 'c') has class 0 as 'batch', but the manifest as 'idle'");
        refuse(&s, labelled(false, mixed), -EINVAL, "class 0 as '3'");
        s.classes = mixed;
        expect_classifier(&s, labelled(true, mixed));
        expect_classifier(&s, labelled(false, in_order));
        refuse(&s, labelled(true, in_order), -EINVAL, "but the manifest as 'batch'");
}

/* ---- files ---- */

static char folder[64];

static void path_of(const char *name, char ret[128]) {
        snprintf(ret, 128, "%s/%s", folder, name);
}

static int setup(_unused_ void **state) {
        snprintf(folder, sizeof(folder), "/tmp/aikm-model-onnx-XXXXXX");
        assert_non_null(mkdtemp(folder));
        assert_int_equal(onnx_write_model(shipped, folder, "m"), 0);
        return 0;
}

static int teardown(_unused_ void **state) {
        static const char *const names[] = {"m.json", "m.onnx", "bad.json"};
        char path[128];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                path_of(names[i], path);
                unlink(path);
        }
        return rmdir(folder);
}

/* The network that comes along, by darknet's files and as ONNX: the same to rounding. */
static void test_shipped(_unused_ void **state) {
        _cleanup_(model_freep)
        Model *network = NULL, *graph = NULL;
        _cleanup_free_
        float *rows = malloc(N_ROWS * FEATURE_COUNT * sizeof(*rows));
        Prediction p[N_ROWS], q[N_ROWS];
        Error e = ERROR_INIT;
        size_t classes[_CLASS_COUNT] = {}, several = 0;
        char path[128];
        Manifest m;

        path_of("m.json", path);
        if (manifest_load(path, &m, &e) < 0 || manifest_load_model(path, &graph, &e) < 0 ||
            manifest_load_model(shipped, &network, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(m.format, MODEL_FORMAT_ONNX);
        assert_string_equal(m.weights.file, "m.onnx");
        assert_string_equal(graph->name, "m");
        assert_string_equal(graph->digest, m.weights.sha256);
        fill(rows, N_ROWS);
        model_predict(network, rows, N_ROWS, p);
        model_predict(graph, rows, N_ROWS, q);
        for (size_t i = 0; i < N_ROWS; i++) {
                for (size_t c = 0; c < _CLASS_COUNT; c++)
                        assert_true(fabs((double)p[i].probability[c] -
                                         (double)q[i].probability[c]) < 1e-5);
                classes[prediction_class(&p[i])]++;
        }
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                several += classes[c] > 0;
        assert_true(several >= 3);
}

static const struct {
        const char *from, *to;
        int r;
        const char *word;
} bad[] = {
        {"\"onnx\": {", "\"cfg\": {\"file\": \"a\", \"sha256\": \"b\"}, \"onnx\": {", -EINVAL,
         "'onnx' beside 'cfg' or 'weights'"},
        {"\"onnx\": {", "\"onnx\": {\"opset\": 13, ", -EINVAL, "unknown key 'opset' in onnx"},
        {"\"onnx\": {", "\"onnx\": {\"logits\": 1, ", -EINVAL, "'logits' must be of type boolean"},
        {"\"onnx\": {", "\"onnx\": {\"output\": \"gone\", ", -EINVAL, "no output 'gone' has 6"},
        {"\"m.onnx\"", "\"../m.onnx\"", -EINVAL, "plain name"},
        {"\"m.onnx\"", "\"n.onnx\"", -ENOENT, "n.onnx: No such file"},
        {"\"m.onnx\"", "\"m.json\"", -EBADMSG, "the model's sha256 is"},
        {"\"idle\"", "\"lazy\"", -EINVAL, "classes entry 0 is no class"},
        {"\"idle\"", "\"io\"", -EINVAL, "classes entry 4 is no class, or there twice"},
        {"\"name\":\"cpu\"", "\"name\":\"CPU\"", -EINVAL, "there is no feature 'CPU'"},
        {"\"name\":\"cpu\"", "\"name\":\"delay\"", -EINVAL, "'delay' is there already, as entry 0"},
        {"\"mean\":", "\"median\":", -EINVAL, "unknown key 'median'"},
        {"\"mean\":0.174133167,", "", -EINVAL, "feature cpu: 'mean' must be a number"},
        {"\"mean\":0.174133167,\n      \"deviation\":0.213209465", "\"name\":\"cpu\"", -EINVAL,
         "all features or none"},
        {"\"deviation\":0.213209465", "\"deviation\":0", -EINVAL, "'deviation' must be above 0"},
        /* One feature fewer than the file takes. */
        {"{\n      \"name\":\"cpu\",\n      \"mean\":0.174133167,\n      "
         "\"deviation\":0.213209465\n    },",
         "", -EINVAL, "but the manifest names 69"},
};

static void test_bad_manifests(_unused_ void **state) {
        _cleanup_free_
        char *good = NULL;
        char path[128], bad_path[128];
        size_t size;

        path_of("m.json", path);
        path_of("bad.json", bad_path);
        assert_int_equal(io_read_all_at(AT_FDCWD, path, 1 << 20, &good, &size), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *at = strstr(good, bad[i].from);
                _cleanup_free_
                char *text = NULL;
                Error e = ERROR_INIT;
                Model *m = NULL;
                int r;

                if (!at)
                        fail_msg("the manifest has no %s", bad[i].from);
                assert_true(asprintf(&text, "%.*s%s%s", (int)(at - good), good, bad[i].to,
                                     at + strlen(bad[i].from)) > 0);
                assert_int_equal(io_replace_at(AT_FDCWD, bad_path, text, strlen(text), 0644), 0);
                r = manifest_load_model(bad_path, &m, &e);
                if (r != bad[i].r || !strstr(e.text, bad[i].word))
                        fail_msg("%d '%s', not %d '%s'", r, e.text, bad[i].r, bad[i].word);
                assert_non_null(strstr(e.text, folder));
                assert_null(m);
        }
}

static uint32_t next(uint32_t *state) {
        *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
        return *state >> 8;
}

static void expect_distributions(Model *m) {
        float rows[5 * FEATURE_COUNT];
        Prediction p[5];

        fill(rows, ELEMENTSOF(p));
        model_predict(m, rows, ELEMENTSOF(p), p);
        for (size_t i = 0; i < ELEMENTSOF(p); i++) {
                double sum = 0;

                for (size_t c = 0; c < _CLASS_COUNT; c++) {
                        assert_true(p[i].probability[c] >= 0.0f);
                        sum += (double)p[i].probability[c];
                }
                assert_true(fabs(sum - 1) < 1e-4);
        }
}

/* Whatever a file says: it is refused with a reason, or every answer is a distribution. */
static void test_mutated(_unused_ void **state) {
        size_t n_taken = 0, n_refused = 0;
        GraphModelSpec s = make_spec();
        uint32_t seed = 1;

        for (size_t i = 0; i < 1500; i++) {
                _cleanup_(graph_freep)
                Graph *from = i % 2 ? labelled(i % 4 == 1, in_order) : classifier(-1, true);
                _cleanup_(graph_freep)
                Graph *g = NULL;
                _cleanup_(model_freep)
                Model *m = NULL;
                _cleanup_free_
                uint8_t *data = NULL;
                Error e = ERROR_INIT;
                void *file;
                size_t size;

                assert_int_equal(onnx_write(from, &file, &size), 0);
                data = file;
                for (size_t k = 0; k <= i % 3; k++)
                        data[next(&seed) % size] ^= (uint8_t)(1u << next(&seed) % 8);
                if (import_onnx(data, size, &g, &e) < 0 || graph_model_new(&s, g, &m, &e) < 0) {
                        assert_true(e.text[0] != 0);
                        n_refused++;
                        continue;
                }
                TAKE_PTR(g);
                n_taken++;
                expect_distributions(m);
        }
        /* Both happen: weights may be any. */
        assert_true(n_taken > 100 && n_refused > 100);
}

/* A file that is no model, whatever its digest says. */
static void test_not_onnx(_unused_ void **state) {
        _cleanup_free_
        char *good = NULL, *text = NULL;
        char path[128], digest[65], *at;
        Error e = ERROR_INIT;
        Model *m = NULL;
        size_t size;

        path_of("m.json", path);
        assert_int_equal(io_read_all_at(AT_FDCWD, path, 1 << 20, &good, &size), 0);
        path_of("m.onnx", path);
        assert_int_equal(io_replace_at(AT_FDCWD, path, "not a model", 11, 0644), 0);
        assert_int_equal(manifest_digest_file(path, digest), 0);
        at = strstr(strstr(good, "\"onnx\""), "\"sha256\": \"");
        assert_non_null(at);
        memcpy(at + strlen("\"sha256\": \""), digest, 64);
        path_of("m.json", path);
        assert_int_equal(io_replace_at(AT_FDCWD, path, good, strlen(good), 0644), 0);
        assert_int_equal(manifest_load_model(path, &m, &e), -EINVAL);
        assert_non_null(strstr(e.text, "m.onnx: "));
        assert_null(m);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_columns),     cmocka_unit_test(test_rows),
                cmocka_unit_test(test_outputs),     cmocka_unit_test(test_inputs),
                cmocka_unit_test(test_rows_depend), cmocka_unit_test(test_work),
                cmocka_unit_test(test_labels),      cmocka_unit_test(test_mutated),
                cmocka_unit_test(test_shipped),     cmocka_unit_test(test_bad_manifests),
                cmocka_unit_test(test_not_onnx),
        };

        if (argc != 2)
                return 2;
        shipped = argv[1];
        return cmocka_run_group_tests(tests, setup, teardown);
}
