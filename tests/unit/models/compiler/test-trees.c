/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "build.h"

/* Trees decide exactly as the float engine does, also at their thresholds. */

#define FIELDS 5
#define NODES_MAX 4096

typedef struct Ensemble {
        size_t n; /* nodes */
        double tree[NODES_MAX], node[NODES_MAX], feature[NODES_MAX], threshold[NODES_MAX];
        double yes[NODES_MAX], no[NODES_MAX];
        const char *mode[NODES_MAX];
        size_t n_votes;
        double vote_tree[NODES_MAX], vote_node[NODES_MAX], vote_class[NODES_MAX];
        double weight[NODES_MAX];
} Ensemble;

typedef struct Kind {
        const char *name;
        bool classifier, binary, scaler, average, integer_input;
        const char *modes[6];
        size_t n_modes;
        size_t trees, depth, classes;
        double weight; /* leaves are multiples of that; 0: any */
        const char *transform;
} Kind;

static size_t grow(Ensemble *e, const Kind *k, size_t tree, size_t *next, size_t depth) {
        size_t node = (*next)++, at = e->n++;

        assert_true(e->n < NODES_MAX && e->n_votes + k->classes < NODES_MAX);
        e->tree[at] = (double)tree;
        e->node[at] = (double)node;
        e->feature[at] = (double)(random_u32() % FIELDS);
        e->mode[at] = k->modes[random_u32() % k->n_modes];
        /* Whole, halves, odd ones; around 0 also below. */
        e->threshold[at] = k->scaler ? random_normal() : random_normal() * 60;
        if (random_u32() % 3 == 0)
                e->threshold[at] = floor(e->threshold[at]);
        if (depth == k->depth || (depth > 0 && random_u32() % 6 == 0)) {
                e->mode[at] = "LEAF";
                for (size_t c = 0; c < (k->binary ? 1 : k->classes); c++) {
                        size_t v = e->n_votes++;

                        e->vote_tree[v] = (double)tree;
                        e->vote_node[v] = (double)node;
                        e->vote_class[v] = k->binary ? 1 : (double)c;
                        e->weight[v] = k->weight > 0 ? floor(random_normal() * 20) * k->weight
                                                     : random_real();
                }
                return node;
        }
        e->yes[at] = (double)grow(e, k, tree, next, depth + 1);
        e->no[at] = (double)grow(e, k, tree, next, depth + 1);
        return node;
}

static Graph *ensemble_graph(const Kind *k, Ensemble *e) {
        size_t x, y;
        const char *prefix = k->classifier ? "class" : "target";
        Graph *g = graph_of(&x, k->integer_input ? ELEMENT_I64 : ELEMENT_F32, 2,
                            (int64_t[]){-1, FIELDS});
        double labels[8] = {7, -3, 11, 2, 5, 6, 1, 0};
        char name[32];

        if (k->scaler) {
                x = node_of(g, DOMAIN_ML, "Scaler", 1, 1, &x);
                attribute(g, "offset", ATTRIBUTE_FLOATS, FIELDS, (double[]){50, 60, 70, 3.3, 1e6});
                attribute(g, "scale", ATTRIBUTE_FLOATS, FIELDS,
                          (double[]){0.03, 0.1, 1 / 30.0, -0.02, 1e-6});
        }
        for (size_t t = 0, next = 0; t < k->trees; t++, next = 0)
                (void)grow(e, k, t, &next, 0);
        y = node_of(g, DOMAIN_ML,
                    k->classifier ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor",
                    k->classifier ? 2 : 1, 1, &x);
        attribute(g, "nodes_treeids", ATTRIBUTE_INTS, e->n, e->tree);
        attribute(g, "nodes_nodeids", ATTRIBUTE_INTS, e->n, e->node);
        attribute(g, "nodes_featureids", ATTRIBUTE_INTS, e->n, e->feature);
        attribute(g, "nodes_values", ATTRIBUTE_FLOATS, e->n, e->threshold);
        attribute(g, "nodes_truenodeids", ATTRIBUTE_INTS, e->n, e->yes);
        attribute(g, "nodes_falsenodeids", ATTRIBUTE_INTS, e->n, e->no);
        attribute_words(g, "nodes_modes", ATTRIBUTE_STRINGS, e->n, e->mode);
        snprintf(name, sizeof(name), "%s_treeids", prefix);
        attribute(g, name, ATTRIBUTE_INTS, e->n_votes, e->vote_tree);
        snprintf(name, sizeof(name), "%s_nodeids", prefix);
        attribute(g, name, ATTRIBUTE_INTS, e->n_votes, e->vote_node);
        snprintf(name, sizeof(name), "%s_ids", prefix);
        attribute(g, name, ATTRIBUTE_INTS, e->n_votes, e->vote_class);
        snprintf(name, sizeof(name), "%s_weights", prefix);
        attribute(g, name, ATTRIBUTE_FLOATS, e->n_votes, e->weight);
        if (k->classifier)
                attribute(g, "classlabels_int64s", ATTRIBUTE_INTS, k->classes, labels);
        else
                attribute(g, "n_targets", ATTRIBUTE_INT, 1, (double[]){(double)k->classes});
        if (k->average)
                attribute_words(g, "aggregate_function", ATTRIBUTE_STRING, 1,
                                (const char *const[]){"AVERAGE"});
        if (k->transform)
                attribute_words(g, "post_transform", ATTRIBUTE_STRING, 1,
                                (const char *const[]){k->transform});
        if (k->classifier)
                assert_true(graph_add_output(g, y) >= 0);
        finish(g, k->classifier ? y + 1 : y);
        return g;
}

/* Near a threshold of that field, or anywhere. */
static uint32_t random_field(const Kind *k, const Ensemble *e, size_t field) {
        size_t at = random_u32() % e->n;
        double x = e->threshold[at];

        if (random_u32() % 4 == 0)
                return random_u32() << (random_u32() % 2);
        if (random_u32() % 4 == 0)
                return random_u32() % 200;
        if (k->scaler)
                x = field == 4 ? 1e6 + x * 1e6 : 60 + 20 * x;
        return (uint32_t)fmax(0, floor(x) + (double)(random_u32() % 3) - 1);
}

/* Regressors: the largest score's index is compared. */
static int64_t expected(const Graph *g, const uint32_t *raw, size_t n, bool classifier) {
        double fields[FIELDS], y[16];
        size_t best = 0;

        for (size_t i = 0; i < FIELDS; i++)
                fields[i] = (double)raw[i];
        (void)graph_values(g, fields, y);
        if (classifier)
                return (int64_t)y[0];
        for (size_t i = 1; i < n; i++)
                if (y[i] > y[best])
                        best = i;
        return (int64_t)best;
}

/* With rows to measure by all of them agree, through scalers, too. */
static void check_rows(const Kind *k, const Ensemble *e, const Graph *g) {
        uint32_t rows[100 * FIELDS];
        CalibrationRows calibration = {100, FIELDS, rows};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        CompileReport report;
        _cleanup_(program_freep)
        Program *p = NULL;
        Error error = ERROR_INIT;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                rows[i] = random_field(k, e, i % FIELDS);
        o.calibration = &calibration;
        if (compile_graph(g, &o, &p, &report, &error) < 0)
                fail_msg("%s: %s", k->name, error.text);
        assert_int_equal(report.rows, 50);
        assert_true(report.agreement[p->precision] >= 1);
        assert_true(report.error_max < 1e-6);
}

static void check_kind(const Kind *k, int rounds, int rows) {
        Ensemble *e = calloc(1, sizeof(*e));

        assert_non_null(e);
        for (int round = 0; round < rounds; round++) {
                _cleanup_(graph_freep)
                Graph *g = NULL;
                _cleanup_(program_freep)
                Program *p = NULL;
                CompileOptions o = COMPILE_OPTIONS_INIT;
                Error error = ERROR_INIT;
                int32_t scratch[32];

                memset(e, 0, sizeof(*e));
                g = ensemble_graph(k, e);
                if (compile_graph(g, &o, &p, NULL, &error) < 0)
                        fail_msg("%s: %s", k->name, error.text);
                assert_int_equal(p->n_steps, 1);
                assert_true(p->trees_only == (k->weight > 0));
                check_rows(k, e, g);
                for (int row = 0; row < rows; row++) {
                        uint32_t raw[FIELDS];
                        int64_t d, want;

                        for (size_t i = 0; i < FIELDS; i++)
                                raw[i] = random_field(k, e, i);
                        d = reference_run(p, raw, scratch, NULL);
                        want = expected(g, raw, k->classes, k->classifier);
                        if ((k->classifier ? p->labels[d] : d) != want)
                                fail_msg("%s, round %d, row %d (%u %u %u %u %u): %lld, not %lld",
                                         k->name, round, row, raw[0], raw[1], raw[2], raw[3],
                                         raw[4], (long long)d, (long long)want);
                }
        }
        free(e);
}

static void test_exact(void **state) {
        static const Kind kinds[] = {
                {"tree", true, .modes = {"BRANCH_LEQ"}, .n_modes = 1, .trees = 1, .depth = 8,
                 .classes = 3, .weight = 1},
                {"forest", true, .modes = {"BRANCH_LEQ"}, .n_modes = 1, .trees = 20, .depth = 5,
                 .classes = 4},
                {"forest of halves", true, .modes = {"BRANCH_LEQ"}, .n_modes = 1, .trees = 20,
                 .depth = 5, .classes = 2, .weight = 0.25},
                {"integers", true, .integer_input = true, .modes = {"BRANCH_LEQ"}, .n_modes = 1,
                 .trees = 5, .depth = 5, .classes = 3, .weight = 1},
                {"all modes", true,
                 .modes = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
                           "BRANCH_NEQ"},
                 .n_modes = 6, .trees = 6, .depth = 5, .classes = 3, .weight = 0.5},
                {"scaler", true, .scaler = true,
                 .modes = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
                           "BRANCH_NEQ"},
                 .n_modes = 6, .trees = 6, .depth = 5, .classes = 3, .weight = 0.5},
                {"binary", true, .binary = true, .modes = {"BRANCH_LEQ"}, .n_modes = 1, .trees = 7,
                 .depth = 4, .classes = 2, .weight = 0.125},
                {"binary, logistic", true, .binary = true, .modes = {"BRANCH_LT"}, .n_modes = 1,
                 .trees = 7, .depth = 4, .classes = 2, .weight = 0.125, .transform = "LOGISTIC"},
                {"softmax", true, .modes = {"BRANCH_LT"}, .n_modes = 1, .trees = 7, .depth = 4,
                 .classes = 5, .weight = 0.125, .transform = "SOFTMAX"},
                {"regressor", false, .modes = {"BRANCH_LEQ"}, .n_modes = 1, .trees = 8, .depth = 5,
                 .classes = 3},
                {"average", false, .average = true, .modes = {"BRANCH_LEQ"}, .n_modes = 1,
                 .trees = 8, .depth = 5, .classes = 3, .weight = 1},
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                check_kind(&kinds[i], 6, 1500);
}

/* floor, not truncation: -0.5 and -1.5 are different from 0 and -1; no field is below 0. */
static void test_floor(void **state) {
        static const struct {
                double threshold;
                uint32_t at; /* the first field that is above */
        } cases[] = {{-1.5, 0},
                     {-0.5, 0},
                     {0, 1},
                     {0.5, 1},
                     {0.999, 1},
                     {1, 2},
                     {6.5, 7},
                     {7, 8},
                     {1e10, 0},
                     {4294967295.0, 0},
                     {16777216.5, 16777217}};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t x;
                _cleanup_(graph_freep)
                Graph *g = graph_of(&x, ELEMENT_F64, 2, (int64_t[]){-1, 1});
                _cleanup_(program_freep)
                Program *p = NULL;
                CompileOptions o = COMPILE_OPTIONS_INIT;
                Error e = ERROR_INIT;
                int32_t scratch[8];
                size_t y = node_of(g, DOMAIN_ML, "TreeEnsembleClassifier", 2, 1, &x);

                attribute(g, "nodes_treeids", ATTRIBUTE_INTS, 3, (double[]){0, 0, 0});
                attribute(g, "nodes_nodeids", ATTRIBUTE_INTS, 3, (double[]){0, 1, 2});
                attribute(g, "nodes_featureids", ATTRIBUTE_INTS, 3, (double[]){0, 0, 0});
                attribute(g, "nodes_values", ATTRIBUTE_FLOATS, 3,
                          (double[]){cases[i].threshold, 0, 0});
                attribute(g, "nodes_truenodeids", ATTRIBUTE_INTS, 3, (double[]){1, 0, 0});
                attribute(g, "nodes_falsenodeids", ATTRIBUTE_INTS, 3, (double[]){2, 0, 0});
                attribute_words(g, "nodes_modes", ATTRIBUTE_STRINGS, 3,
                                (const char *const[]){"BRANCH_LEQ", "LEAF", "LEAF"});
                attribute(g, "class_treeids", ATTRIBUTE_INTS, 2, (double[]){0, 0});
                attribute(g, "class_nodeids", ATTRIBUTE_INTS, 2, (double[]){1, 2});
                attribute(g, "class_ids", ATTRIBUTE_INTS, 2, (double[]){0, 1});
                attribute(g, "class_weights", ATTRIBUTE_FLOATS, 2, (double[]){1, 1});
                attribute_words(g, "classlabels_strings", ATTRIBUTE_STRINGS, 2,
                                (const char *const[]){"good", "bad"});
                finish(g, y);
                if (compile_graph(g, &o, &p, NULL, &e) < 0)
                        fail_msg("%s", e.text);
                assert_string_equal(p->label_names[1], "bad");
                if (cases[i].at > 0) {
                        uint32_t below = cases[i].at - 1;

                        assert_int_equal(reference_run(p, &below, scratch, NULL), 0);
                        assert_int_equal(reference_run(p, &cases[i].at, scratch, NULL), 1);
                } else
                        for (uint32_t raw = 0; raw < 3; raw++)
                                assert_int_equal(reference_run(p, &raw, scratch, NULL),
                                                 cases[i].threshold < 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_exact),
                cmocka_unit_test(test_floor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
