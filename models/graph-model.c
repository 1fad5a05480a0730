/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/graph-model.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operator.h"

#define BLOCK ((size_t)64) /* rows of one run */
#define NEARLY 1e-4        /* rounding */

typedef struct GraphModel {
        Model model;
        Graph *graph;
        Tensor *in;       /* BLOCK rows or as many as the graph wants */
        Tensor **outputs; /* of one run */
        size_t output;    /* that has the classes */
        size_t rows;      /* of one run, at most */
        bool fixed;       /* no fewer, either */
        size_t n_features;
        size_t feature[FEATURE_COUNT];
        LoadClass classes[_CLASS_COUNT];
        bool standardised, logits;
        float mean[FEATURE_COUNT];
        float deviation[FEATURE_COUNT];
} GraphModel;

static void drop_outputs(GraphModel *g) {
        for (size_t i = 0; i < g->graph->n_outputs; i++)
                g->outputs[i] = tensor_free(g->outputs[i]);
}

static void put_row(GraphModel *g, size_t i, const float *row) {
        float z[FEATURE_COUNT];

        if (g->standardised) {
                for (size_t f = 0; f < FEATURE_COUNT; f++) {
                        float x = (row[f] - g->mean[f]) / g->deviation[f];

                        z[f] = CLAMP(x, -MODEL_INPUT_MAX, MODEL_INPUT_MAX);
                }
                row = z;
        }
        if (g->in->type == ELEMENT_F32)
                for (size_t k = 0; k < g->n_features; k++)
                        g->in->f32[i * g->n_features + k] = row[g->feature[k]];
        else
                for (size_t k = 0; k < g->n_features; k++)
                        g->in->f64[i * g->n_features + k] = (double)row[g->feature[k]];
}

/* The first n rows of g->in; what a fixed number of rows leaves over is what was there before. */
static int run_rows(GraphModel *g, size_t n, Error *e) {
        size_t rows = g->fixed ? g->rows : n;

        g->in->dim[0] = (int64_t)rows;
        g->in->count = rows * g->n_features;
        return graph_run(g->graph, (const Tensor *const[]){g->in}, 1, g->outputs, e);
}

static void softmax(double *x) {
        double max = x[0], sum = 0;

        for (int c = 1; c < _CLASS_COUNT; c++)
                max = MAX(max, x[c]);
        for (int c = 0; c < _CLASS_COUNT; c++)
                sum += x[c] = exp(x[c] - max);
        for (int c = 0; c < _CLASS_COUNT; c++)
                x[c] /= sum;
}

/* Row i of the output. Returns the column that is no probability, or -1. */
static int take_row(const GraphModel *g, size_t i, Prediction *ret) {
        const Tensor *t = g->outputs[g->output];
        double x[_CLASS_COUNT], sum = 0;
        bool finite = true;
        int wrong = -1;

        for (int c = 0; c < _CLASS_COUNT; c++) {
                x[c] = tensor_get_f64(t, i * _CLASS_COUNT + (size_t)c);
                finite = finite && isfinite(x[c]);
        }
        if (finite && g->logits)
                softmax(x);
        for (int c = _CLASS_COUNT - 1; c >= 0; c--) {
                if (finite && !(x[c] >= -NEARLY && x[c] <= 1 + NEARLY))
                        wrong = c;
                x[c] = CLAMP(x[c], 0.0, 1.0);
                sum += x[c];
        }
        for (int c = 0; c < _CLASS_COUNT; c++)
                ret->probability[g->classes[c]] = finite && wrong < 0 && sum > 0
                                                          ? (float)(x[c] / sum)
                                                          : 1.0f / _CLASS_COUNT;
        return wrong;
}

static bool has_classes(const Tensor *t, size_t rows) {
        return (t->type == ELEMENT_F32 || t->type == ELEMENT_F64 || t->type == ELEMENT_F16) &&
               t->rank == 2 && t->dim[0] == (int64_t)rows && t->dim[1] == _CLASS_COUNT;
}

static void graph_model_predict(Model *m, const float *rows, size_t n, Prediction *ret) {
        GraphModel *g = (GraphModel *)m;

        for (size_t first = 0; first < n; first += g->rows) {
                size_t count = MIN(g->rows, n - first);
                bool fine;

                for (size_t i = 0; i < count; i++)
                        put_row(g, i, rows + (first + i) * FEATURE_COUNT);
                fine = run_rows(g, count, /* e= */ NULL) >= 0;
                /* What a graph gives may have another shape for other rows. */
                fine = fine && has_classes(g->outputs[g->output], g->fixed ? g->rows : count);
                for (size_t i = 0; i < count; i++)
                        if (fine)
                                (void)take_row(g, i, &ret[first + i]);
                        else
                                for (int c = 0; c < _CLASS_COUNT; c++)
                                        ret[first + i].probability[c] = 1.0f / _CLASS_COUNT;
                drop_outputs(g);
        }
}

static void graph_model_free(Model *m) {
        GraphModel *g = (GraphModel *)m;

        if (g->outputs)
                drop_outputs(g);
        free(g->outputs);
        tensor_free(g->in);
        graph_free(g->graph);
        free(g);
}

static int check_input(const Graph *graph, size_t n_features, size_t *ret_rows, bool *ret_fixed,
                       Error *e) {
        const GraphInput *in = graph->inputs;
        const char *name;

        if (graph->n_inputs != 1)
                return error_set(e, -EINVAL, "the model has %zu inputs, must have one",
                                 graph->n_inputs);
        name = graph->values[in->value].name;
        if (in->type != ELEMENT_F32 && in->type != ELEMENT_F64)
                return error_set(e, -EINVAL, "input '%.60s' is %s, must be float32 or float64",
                                 name, element_type_name(in->type));
        if (in->rank != GRAPH_RANK_ANY && in->rank != 2)
                return error_set(e, -EINVAL,
                                 "input '%.60s' has %zu dimensions, must have 2: rows, features",
                                 name, in->rank);
        if (in->rank == 2 && in->dim[1] >= 0 && in->dim[1] != (int64_t)n_features)
                return error_set(e, -EINVAL,
                                 "input '%.60s' takes %" PRId64
                                 " features, but the manifest names %zu",
                                 name, in->dim[1], n_features);
        *ret_fixed = in->rank == 2 && in->dim[0] >= 0;
        *ret_rows = *ret_fixed ? (size_t)in->dim[0] : BLOCK;
        if (*ret_rows == 0 || *ret_rows > BLOCK)
                return error_set(e, -EINVAL,
                                 "input '%.60s' takes %" PRId64
                                 " rows at once, must be any number, or 1 to %zu",
                                 name, in->dim[0], BLOCK);
        return 0;
}

/* So much for so many rows; nodes cost something even where they do nothing. */
static int bound_work(Graph *graph, size_t rows, Error *e) {
        uint64_t all = rows * GRAPH_MODEL_ROW_WORK, nodes = graph->n_nodes * GRAPH_MODEL_NODE_WORK;

        if (nodes >= all)
                return error_set(
                        e, -EFBIG,
                        "%zu nodes for %zu rows at once are too much work: at most %" PRIu64
                        " are taken",
                        graph->n_nodes, rows, (all - 1) / GRAPH_MODEL_NODE_WORK);
        graph->work_max = all - nodes;
        return 0;
}

/* The output that is named, or the only one with a number for each class. */
static int find_output(GraphModel *g, const char *wanted, size_t rows, Error *e) {
        const Graph *graph = g->graph;
        size_t found = SIZE_MAX;

        for (size_t i = 0; i < graph->n_outputs; i++) {
                const char *name = graph->values[graph->outputs[i]].name;

                if (wanted && wanted[0] && !streq(name, wanted))
                        continue;
                if (!has_classes(g->outputs[i], rows))
                        continue;
                if (found != SIZE_MAX)
                        return error_set(e, -EINVAL,
                                         "outputs '%.60s' and '%.60s' both have %d numbers for a "
                                         "row: the manifest must name one, as \"output\"",
                                         graph->values[graph->outputs[found]].name, name,
                                         _CLASS_COUNT);
                found = i;
        }
        if (found == SIZE_MAX)
                return error_set(e, -EINVAL,
                                 "no output%s%.60s%s has %d floats for a row, one for "
                                 "each class",
                                 wanted && wanted[0] ? " '" : "", wanted && wanted[0] ? wanted : "",
                                 wanted && wanted[0] ? "'" : "", _CLASS_COUNT);
        g->output = found;
        return 0;
}

/* A row that nobody measured: around the mean, at most five deviations away. */
static void make_up(const GraphModel *g, size_t i, float row[FEATURE_COUNT]) {
        for (size_t f = 0; f < FEATURE_COUNT; f++) {
                uint32_t h = (uint32_t)(i * FEATURE_COUNT + f + 1) * UINT32_C(2654435761);
                float z = (float)(h >> 16) / 6553.6f - 5.0f;

                row[f] = g->standardised ? g->mean[f] + z * g->deviation[f] : z;
        }
}

static int run_made_up(GraphModel *g, const char *wanted, Error *e) {
        float row[FEATURE_COUNT];
        int r;

        for (size_t i = 0; i < g->rows; i++) {
                make_up(g, i, row);
                put_row(g, i, row);
        }
        r = run_rows(g, g->rows, e);
        return r < 0 ? r : find_output(g, wanted, g->rows, e);
}

/* Alone, or with others beside it, a row is the same. */
static int check_rows_alone(GraphModel *g, const Prediction *together, Error *e) {
        float row[FEATURE_COUNT];
        Prediction p;

        for (size_t i = 0; i < MIN(g->rows, (size_t)3); i++) {
                make_up(g, i, row);
                for (size_t k = 0; g->fixed && k < g->in->count; k++)
                        tensor_set_f64(g->in, k, 0);
                graph_model_predict(&g->model, row, 1, &p);
                for (int c = 0; c < _CLASS_COUNT; c++)
                        if (fabs((double)p.probability[c] - (double)together[i].probability[c]) >
                            NEARLY)
                                return error_set(e, -EINVAL,
                                                 "what it says of a row depends on the rows that "
                                                 "are computed with it");
        }
        return 0;
}

/* One row at a time where the graph says any number, but was made from a single one. */
static int try_out(GraphModel *g, const char *wanted, Error *e) {
        Prediction p[BLOCK];
        Error first = ERROR_INIT;
        int r;

        r = bound_work(g->graph, g->rows, e);
        if (r < 0)
                return r;
        r = run_made_up(g, wanted, &first);
        if (r == -EINVAL && !g->fixed) {
                drop_outputs(g);
                g->rows = 1;
                r = bound_work(g->graph, g->rows, e);
                if (r >= 0)
                        r = run_made_up(g, wanted, /* e= */ NULL);
        }
        if (r == -EFBIG)
                return error_set(e, r,
                                 "too much work: at most %" PRIu64
                                 " multiplications and elements for a row are taken; %.200s",
                                 GRAPH_MODEL_ROW_WORK, first.text);
        if (r < 0)
                return error_set(e, r, "%s", first.text[0] ? first.text : strerror(-r));
        for (size_t i = 0; i < g->rows; i++) {
                int wrong = take_row(g, i, &p[i]);

                if (wrong < 0)
                        continue;
                return error_set(
                        e, -EINVAL,
                        "output '%.60s' gives %g for class %s on a made-up row, and that "
                        "is no probability: end the model with Softmax, or say "
                        "\"logits\": true in the manifest",
                        g->graph->values[g->graph->outputs[g->output]].name,
                        tensor_get_f64(g->outputs[g->output], i * _CLASS_COUNT + (size_t)wrong),
                        class_to_string(g->classes[wrong]));
        }
        drop_outputs(g);
        return check_rows_alone(g, p, e);
}

static int check_label(const Node *n, size_t i, const char *label, LoadClass c, Error *e) {
        if (streq(label, class_to_string(c)))
                return 0;
        return error_set(e, -EINVAL,
                         "%s (node '%.60s') has class %zu as '%.60s', but the manifest as '%s'",
                         n->op->name, n->name, i, label, class_to_string(c));
}

/* The labels nearest to the end, where the file has as many as there are classes. */
static int check_labels(const Graph *graph, const LoadClass *classes, Error *e) {
        static const char *const names[] = {"classlabels_strings", "classlabels_int64s",
                                            "classlabels_ints"};

        for (size_t i = graph->n_nodes; i-- > 0;)
                for (size_t k = 0; k < ELEMENTSOF(names); k++) {
                        const Node *n = &graph->nodes[i];
                        const Attribute *a = attribute_find(
                                n, names[k], k == 0 ? ATTRIBUTE_STRINGS : ATTRIBUTE_INTS);

                        if (!a || a->n == 0)
                                continue;
                        for (size_t c = 0; a->n == _CLASS_COUNT && c < a->n; c++) {
                                char number[24];
                                int r = 0;

                                if (k == 0) {
                                        r = check_label(n, c, a->strings[c], classes[c], e);
                                } else if (a->ints[c] != (int64_t)c) {
                                        snprintf(number, sizeof(number), "%" PRId64, a->ints[c]);
                                        r = check_label(n, c, number, classes[c], e);
                                }
                                if (r < 0)
                                        return r;
                        }
                        return 0;
                }
        return 0;
}

static int check_spec(const GraphModelSpec *spec) {
        unsigned classes = 0;

        if (spec->n_features == 0 || spec->n_features > FEATURE_COUNT ||
            !spec->mean != !spec->deviation)
                return -EINVAL;
        for (size_t i = 0; i < spec->n_features; i++) {
                size_t f = spec->feature[i];

                if (f >= FEATURE_COUNT)
                        return -EINVAL;
                if (spec->mean && (!isfinite(spec->mean[f]) || !isfinite(spec->deviation[f]) ||
                                   spec->deviation[f] <= 0.0f))
                        return -EINVAL;
        }
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                classes |= (unsigned)spec->classes[c] < _CLASS_COUNT ? 1u << spec->classes[c] : 0;
        return classes == (1u << _CLASS_COUNT) - 1 ? 0 : -EINVAL;
}

static void take_spec(GraphModel *g, const GraphModelSpec *spec) {
        snprintf(g->model.name, sizeof(g->model.name), "%s", spec->name);
        snprintf(g->model.version, sizeof(g->model.version), "%s", spec->version);
        snprintf(g->model.digest, sizeof(g->model.digest), "%s", spec->digest);
        g->n_features = spec->n_features;
        memcpy(g->feature, spec->feature, spec->n_features * sizeof(*g->feature));
        memcpy(g->classes, spec->classes, sizeof(g->classes));
        g->logits = spec->logits;
        g->standardised = spec->mean;
        if (spec->mean) {
                memcpy(g->mean, spec->mean, sizeof(g->mean));
                memcpy(g->deviation, spec->deviation, sizeof(g->deviation));
        }
}

int graph_model_new(const GraphModelSpec *spec, Graph *graph, Model **ret, Error *e) {
        static const ModelVTable vtable = {.predict = graph_model_predict,
                                           .free = graph_model_free};
        int64_t dim[2];
        GraphModel *g;
        size_t rows = 0;
        bool fixed = false;
        int r;

        r = check_spec(spec);
        if (r < 0)
                return error_set(e, r, "features or classes are not as they must be");
        r = check_input(graph, spec->n_features, &rows, &fixed, e);
        if (r >= 0)
                r = check_labels(graph, spec->classes, e);
        if (r < 0)
                return r;
        g = calloc(1, sizeof(*g));
        if (!g)
                return error_set(e, -ENOMEM, "out of memory");
        g->model.vtable = &vtable;
        g->graph = graph;
        g->rows = rows;
        g->fixed = fixed;
        take_spec(g, spec);
        dim[0] = (int64_t)rows;
        dim[1] = (int64_t)spec->n_features;
        g->outputs = calloc(MAX(graph->n_outputs, (size_t)1), sizeof(Tensor *));
        if (!g->outputs || tensor_new(graph->inputs[0].type, 2, dim, &g->in) < 0)
                r = error_set(e, -ENOMEM, "out of memory");
        else
                r = try_out(g, spec->output, e);
        if (r >= 0) /* what else it gives, labels say, is for nobody */
                r = graph_keep_output(graph, g->output);
        if (r < 0) {
                if (g->outputs)
                        drop_outputs(g);
                free(TAKE_PTR(g->outputs));
                g->graph = NULL; /* still the caller's */
                graph_model_free(&g->model);
                return r;
        }
        g->output = 0;
        *ret = &g->model;
        return 0;
}
