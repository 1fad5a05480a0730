/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-onnx [MANIFEST]: what a model costs that comes as ONNX, in ns per row of a thousand, and
 * over what the network that comes along costs in darknet's format: the same network as ONNX, one
 * of eight layers of tanh, the dearest that is taken, a random forest of 50 trees of depth 8, and
 * the filter's forest. They take turns; medians. Nothing is judged.
 */
#include <fcntl.h>
#include <unistd.h>

#include "models/graph-model.h"
#include "models/import-onnx.h"
#include "models/manifest.h"
#include "models/operator.h"
#include "tests/bench/bench.h"
#include "tests/harness/onnx-write.h"
#include "util/io.h"
#include "util/time.h"

#define ROWS ((size_t)1000)
#define RUN_ROWS ((size_t)64) /* of a run, as a model takes them */
#define ROUNDS 15
#define REPEATS 4
#define TREES 50
#define DEPTH 8
#define WIDTH 64
#define LAYERS 8
#define CHAIN 900 /* of Tanh: as much as a row may be */
#define MODEL_SIZE_MAX ((size_t)1 << 20)

typedef enum Arm {
        ARM_DARKNET,
        ARM_ONNX,
        ARM_TANH,
        ARM_DEAREST,
        ARM_FOREST,
        ARM_FILTER,
        _ARM_COUNT
} Arm;

static const char *const names[_ARM_COUNT] = {"default, darknet",    "default, ONNX",
                                              "8 x 64 tanh, ONNX",   "nothing but tanh, ONNX",
                                              "forest 50 x 8, ONNX", "filter's forest, ONNX"};

static float rows[ROWS * FEATURE_COUNT];
static Prediction predictions[ROWS];
static uint32_t seed = 1;

static float noise(void) {
        seed = seed * 1664525u + 1013904223u;
        return (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
}

static _Noreturn void give_up(const char *what) {
        fprintf(stderr, "bench-onnx: %s\n", what);
        exit(1);
}

static void *must(void *p) {
        if (!p)
                give_up("out of memory");
        return p;
}

static size_t add_value(Graph *g, const char *name) {
        ssize_t v = graph_add_value(g, name);

        if (v < 0)
                give_up("out of memory");
        return (size_t)v;
}

static size_t add_constant(Graph *g, int64_t height, int64_t width, float scale) {
        size_t v = add_value(g, "w");
        Tensor *t;

        if (tensor_new(ELEMENT_F32, 2, (int64_t[]){height, width}, &t) < 0)
                give_up("out of memory");
        for (size_t i = 0; i < t->count; i++)
                t->f32[i] = noise() * scale;
        g->values[v].constant = t;
        return v;
}

static size_t add_node(Graph *g, const char *domain, const char *op, size_t n,
                       const size_t *inputs) {
        size_t output = add_value(g, op);

        if (graph_add_node(g, operator_find(domain, op), op, domain[0] ? 3 : 13, n, inputs, 1,
                           &output) < 0)
                give_up("out of memory");
        return output;
}

static size_t add_input(Graph *g) {
        size_t v = add_value(g, "x");

        if (graph_add_input(g, v, ELEMENT_F32, 2, (int64_t[]){-1, FEATURE_COUNT}) < 0)
                give_up("out of memory");
        return v;
}

static void add_attribute(Graph *g, const char *name, AttributeKind kind, size_t n, void *x) {
        Attribute a = {.name = must(strdup(name)), .kind = kind, .n = n, .ints = x};

        if (graph_add_attribute(g, g->n_nodes - 1, &a) < 0)
                give_up(name);
}

static Graph *tanh_new(void) {
        Graph *g = must(calloc(1, sizeof(*g)));
        size_t x = add_input(g);

        for (int i = 0, width = FEATURE_COUNT; i <= LAYERS; i++) {
                int to = i < LAYERS ? WIDTH : _CLASS_COUNT;

                x = add_node(g, DOMAIN_ONNX, "MatMul", 2,
                             (size_t[]){x, add_constant(g, width, to, 0.3f)});
                x = add_node(g, DOMAIN_ONNX, "Add", 2, (size_t[]){x, add_constant(g, 1, to, 1)});
                x = add_node(g, DOMAIN_ONNX, i < LAYERS ? "Tanh" : "Softmax", 1, &x);
                width = to;
        }
        if (graph_add_output(g, x) < 0)
                give_up("out of memory");
        return g;
}

static Graph *dearest_new(void) {
        Graph *g = must(calloc(1, sizeof(*g)));
        size_t x = add_input(g);

        for (int i = 0; i < CHAIN; i++)
                x = add_node(g, DOMAIN_ONNX, "Tanh", 1, &x);
        x = add_node(g, DOMAIN_ONNX, "MatMul", 2,
                     (size_t[]){x, add_constant(g, FEATURE_COUNT, _CLASS_COUNT, 1)});
        x = add_node(g, DOMAIN_ONNX, "Softmax", 1, &x);
        if (graph_add_output(g, x) < 0)
                give_up("out of memory");
        return g;
}

/* A leaf votes for one class; each comparison is as good as a coin. */
static Graph *forest_new(void) {
        enum { LEAVES = 1 << DEPTH, NODES = 2 * LEAVES - 1, ALL = TREES * NODES };
        static const char *const lists[] = {
                "nodes_treeids",      "nodes_nodeids", "nodes_featureids", "nodes_truenodeids",
                "nodes_falsenodeids", "class_treeids", "class_nodeids",    "class_ids"};
        int64_t *ints[ELEMENTSOF(lists)], *labels = must(calloc(_CLASS_COUNT, sizeof(int64_t)));
        float *values = must(calloc(ALL, sizeof(float)));
        float *weights = must(calloc((size_t)TREES * LEAVES, sizeof(float)));
        char **modes = must(calloc(ALL, sizeof(char *)));
        Graph *g = must(calloc(1, sizeof(*g)));
        size_t x = add_input(g), out[] = {add_value(g, "label"), add_value(g, "probabilities")};

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                ints[i] = must(calloc(ALL, sizeof(int64_t)));
        for (size_t i = 0; i < ALL; i++) {
                size_t id = i % NODES, tree = i / NODES, leaf = id - (LEAVES - 1);
                bool branch = id < LEAVES - 1;

                ints[0][i] = (int64_t)tree;
                ints[1][i] = (int64_t)id;
                ints[2][i] = branch ? (int64_t)((noise() + 1) / 2 * FEATURE_COUNT) : 0;
                ints[3][i] = branch ? (int64_t)(2 * id + 1) : 0;
                ints[4][i] = branch ? (int64_t)(2 * id + 2) : 0;
                values[i] = branch ? noise() : 0;
                modes[i] = must(strdup(branch ? "BRANCH_LEQ" : "LEAF"));
                if (branch)
                        continue;
                leaf += tree * LEAVES;
                ints[5][leaf] = (int64_t)tree;
                ints[6][leaf] = (int64_t)id;
                ints[7][leaf] = (int64_t)(leaf % _CLASS_COUNT);
                weights[leaf] = 1.0f / TREES;
        }
        for (int i = 0; i < _CLASS_COUNT; i++)
                labels[i] = i;
        if (graph_add_node(g, operator_find(DOMAIN_ML, "TreeEnsembleClassifier"), "forest", 3, 1,
                           &x, 2, out) < 0 ||
            graph_add_output(g, out[0]) < 0 || graph_add_output(g, out[1]) < 0)
                give_up("out of memory");
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                add_attribute(g, lists[i], ATTRIBUTE_INTS, i < 5 ? ALL : TREES * LEAVES, ints[i]);
        add_attribute(g, "nodes_values", ATTRIBUTE_FLOATS, ALL, values);
        add_attribute(g, "nodes_modes", ATTRIBUTE_STRINGS, ALL, modes);
        add_attribute(g, "class_weights", ATTRIBUTE_FLOATS, (size_t)TREES * LEAVES, weights);
        add_attribute(g, "classlabels_int64s", ATTRIBUTE_INTS, _CLASS_COUNT, labels);
        return g;
}

static Model *graph_model(Graph *g) {
        static size_t all[FEATURE_COUNT];
        static const LoadClass classes[_CLASS_COUNT] = {0, 1, 2, 3, 4, 5};
        GraphModelSpec spec = {.name = "bench",
                               .version = "1",
                               .digest = "",
                               .n_features = FEATURE_COUNT,
                               .feature = all,
                               .classes = classes};
        Error e = ERROR_INIT;
        Model *m;

        for (size_t i = 0; i < FEATURE_COUNT; i++)
                all[i] = i;
        if (graph_finish(g, &e) < 0 || graph_model_new(&spec, g, &m, &e) < 0)
                give_up(e.text);
        return m;
}

static Model *shipped_as_onnx(const char *manifest) {
        char folder[] = "/tmp/aikm-bench-onnx-XXXXXX", path[128];
        Error e = ERROR_INIT;
        Model *m = NULL;

        if (!mkdtemp(folder) || onnx_write_model(manifest, folder, "m") < 0)
                give_up("the network cannot be written as ONNX");
        (void)snprintf(path, sizeof(path), "%s/m.json", folder);
        (void)manifest_load_model(path, &m, &e);
        (void)unlink(path);
        (void)snprintf(path, sizeof(path), "%s/m.onnx", folder);
        (void)unlink(path);
        (void)rmdir(folder);
        if (!m)
                give_up(e.text);
        return m;
}

/* Beside the manifest; NULL where there is none. */
static Graph *filter_graph(const char *manifest) {
        _cleanup_free_
        char *data = malloc(MODEL_SIZE_MAX);
        const char *slash = strrchr(manifest, '/');
        char path[PATH_MAX];
        Error e = ERROR_INIT;
        Graph *g = NULL;
        ssize_t size;

        (void)snprintf(path, sizeof(path), "%.*sfilter/default-filter.onnx",
                       slash ? (int)(slash - manifest + 1) : 0, manifest);
        size = io_read_at(AT_FDCWD, path, must(data), MODEL_SIZE_MAX);
        if (size < 0)
                return NULL;
        if (import_onnx(data, (size_t)size, &g, &e) < 0)
                give_up(e.text);
        return g;
}

static void run_graph(const Graph *g) {
        size_t width = (size_t)MAX(g->inputs[0].dim[1], (int64_t)1);
        Tensor *x, *out[8] = {};

        if (g->n_inputs != 1 || g->n_outputs > ELEMENTSOF(out) || width > FEATURE_COUNT)
                give_up("the filter's model is not as it was");
        for (size_t at = 0; at < ROWS; at += RUN_ROWS) {
                size_t n = MIN(RUN_ROWS, ROWS - at);

                if (tensor_new(ELEMENT_F32, 2, (int64_t[]){(int64_t)n, (int64_t)width}, &x) < 0)
                        give_up("out of memory");
                for (size_t i = 0; i < x->count; i++)
                        x->f32[i] = rows[at * FEATURE_COUNT + i] * 100.0f;
                if (graph_run(g, (const Tensor *const[]){x}, 1, out, NULL) < 0)
                        give_up("the filter's model fails");
                tensor_free(x);
                for (size_t i = 0; i < g->n_outputs; i++)
                        out[i] = tensor_free(out[i]);
        }
}

int main(int argc, char *argv[]) {
        _cleanup_(graph_freep)
        Graph *filter = NULL;
        Model *models[_ARM_COUNT] = {};
        double ns[_ARM_COUNT][ROUNDS];
        const char *dir = getenv("AIKM_MODEL_DIR");
        char manifest[PATH_MAX];
        Error e = ERROR_INIT;

        (void)snprintf(manifest, sizeof(manifest), "%s%s",
                       argc > 1 ? argv[1]
                       : dir    ? dir
                                : "",
                       argc > 1 ? "" : "/default.json");
        if (manifest_load_model(manifest, &models[ARM_DARKNET], &e) < 0)
                give_up(e.text);
        models[ARM_ONNX] = shipped_as_onnx(manifest);
        models[ARM_TANH] = graph_model(tanh_new());
        models[ARM_DEAREST] = graph_model(dearest_new());
        models[ARM_FOREST] = graph_model(forest_new());
        filter = filter_graph(manifest);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                rows[i] = noise();

        for (int round = -1; round < ROUNDS; round++) /* the first only warms up */
                for (int arm = 0; arm < _ARM_COUNT; arm++) {
                        int repeats = arm == ARM_DEAREST ? 1 : REPEATS;
                        double before = bench_now_ns();

                        for (int i = 0; i < repeats; i++)
                                if (models[arm])
                                        model_predict(models[arm], rows, ROWS, predictions);
                                else if (filter)
                                        run_graph(filter);
                        if (round >= 0)
                                ns[arm][round] = (bench_now_ns() - before) /
                                                 (double)(ROWS * (size_t)repeats);
                }

        printf("median of %d rounds of %d x %zu rows\n", ROUNDS, REPEATS, ROWS);
        for (int arm = 0; arm < _ARM_COUNT; arm++)
                qsort(ns[arm], ROUNDS, sizeof(double), bench_compare);
        for (int arm = 0; arm < _ARM_COUNT; arm++)
                if (models[arm] || filter)
                        printf("%-24s %8.0f ns/row  %7.2f times darknet's\n", names[arm],
                               ns[arm][ROUNDS / 2],
                               ns[arm][ROUNDS / 2] / ns[ARM_DARKNET][ROUNDS / 2]);
        for (int arm = 0; arm < _ARM_COUNT; arm++)
                models[arm] = model_free(models[arm]);
        return 0;
}
