/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/operators/tree.h"
#include "tests/unit/models/ml-nodes.h"

#define BRANCH "BRANCH_LEQ"

static Result run(const char *op, Attribute *attributes, size_t n, Tensor *x, size_t n_out) {
        const Tensor *in[] = {x};
        Result result = node_run(node_of(DOMAIN_ML, op, 3, attributes, n), in, 1, n_out);

        tensor_free(x);
        return result;
}
#define REGRESS(attributes, x) \
        run("TreeEnsembleRegressor", attributes, ELEMENTSOF(attributes), x, 1)
#define CLASSIFY(attributes, x) \
        run("TreeEnsembleClassifier", attributes, ELEMENTSOF(attributes), x, 2)

/* x <= 2 and so on: 1 where true, 10 where false. */
static void test_modes(_unused_ void **state) {
        static const struct {
                const char *mode;
                double expected[3]; /* of 1, 2, 3 */
        } cases[] = {
                {"BRANCH_LEQ", {1, 1, 10}}, {"BRANCH_LT", {1, 10, 10}}, {"BRANCH_GTE", {10, 1, 1}},
                {"BRANCH_GT", {10, 10, 1}}, {"BRANCH_EQ", {10, 1, 10}}, {"BRANCH_NEQ", {1, 10, 1}},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int missing = 0; missing < 2; missing++) {
                        Attribute a[] = {
                                A_INTS("nodes_treeids", 0, 0, 0),
                                A_INTS("nodes_nodeids", 0, 1, 2),
                                A_INTS("nodes_featureids", 1, 0, 0),
                                A_FLOATS("nodes_values", 2, 0, 0),
                                A_STRINGS("nodes_modes", cases[i].mode, "LEAF", "LEAF"),
                                A_INTS("nodes_truenodeids", 1, 0, 0),
                                A_INTS("nodes_falsenodeids", 2, 0, 0),
                                A_INTS("nodes_missing_value_tracks_true", missing, 0, 0),
                                A_INTS("target_treeids", 0, 0),
                                A_INTS("target_nodeids", 1, 2),
                                A_INTS("target_ids", 0, 0),
                                A_FLOATS("target_weights", 1, 10),
                                A_INT("n_targets", 1),
                        };
                        const double *y = cases[i].expected;
                        Result f = REGRESS(a, TENSOR(ELEMENT_F32, DIM(4, 2), 9, 1, 9, 2, 9, 3, 9,
                                                     (double)NAN));
                        Result k = REGRESS(a, TENSOR(ELEMENT_I64, DIM(3, 2), 9, 1, 9, 2, 9, 3));

                        assert_int_equal(f.r, 0);
                        assert_int_equal(k.r, 0);
                        assert_int_equal(f.out[0]->type, ELEMENT_F32);
                        assert_int_equal(f.out[0]->rank, 2);
                        assert_int_equal(f.out[0]->dim[0], 4);
                        assert_int_equal(f.out[0]->dim[1], 1);
                        ASSERT_CLOSE(f.out[0], 0, y[0], y[1], y[2], missing ? 1 : 10);
                        ASSERT_CLOSE(k.out[0], 0, y[0], y[1], y[2]);
                        result_done(&f);
                        result_done(&k);
                }
}

/*
 * Tree 4 (x0 <= 0.5 ? (x1 <= 2 ? A : B) : C), tree -2 (x1 <= 1 ? D : E), tree 9 (one leaf, F): ids
 * with gaps, nodes of the trees mixed, children before parents (but each root first of its tree).
 * A = {1, 0.5}, B = {-2, -}, C = {3, 4 + 1}, D = {0.25, -1}, E = {-, 8}, F = {1, -}.
 */
#define MIXED_NODES                                                                              \
        A_INTS("nodes_treeids", 4, -2, 4, 9, 4, -2, 4, -2, 4),                                   \
                A_INTS("nodes_nodeids", 100, 7, 3, 0, 50, 5, 20, 6, 51),                         \
                A_INTS("nodes_featureids", 0, 1, -5, 0, 0, 0, 1, 0, 1 << 30),                    \
                A_FLOATS("nodes_values", 0.5f, 1, 0, 0, 0, 0, 2, 0, NAN),                        \
                A_STRINGS("nodes_modes", BRANCH, BRANCH, "LEAF", "LEAF", "LEAF", "LEAF", BRANCH, \
                          "LEAF", "LEAF"),                                                       \
                A_INTS("nodes_truenodeids", 20, 5, 99, 0, 0, 0, 3, 0, 0),                        \
                A_INTS("nodes_falsenodeids", 51, 6, 99, 0, 0, 0, 50, 0, 0)
#define MIXED_VOTES                                                                \
        A_INTS("target_treeids", 9, 4, 4, -2, -2, 4, 4, -2, 4, 4),                 \
                A_INTS("target_nodeids", 0, 3, 3, 5, 5, 51, 51, 6, 50, 51),        \
                A_INTS("target_ids", 0, 0, 1, 0, 1, 0, 1, 1, 0, 1),                \
                A_FLOATS("target_weights", 1, 1, 0.5f, 0.25f, -1, 3, 4, 8, -2, 1), \
                A_INT("n_targets", 2)
/* Rows that end at A D F, A E F, B E F, C E F. */
#define MIXED_X TENSOR(ELEMENT_F32, DIM(4, 2), 0, 1, 0.5, 2, 0, 2.5, 0.75, 1.5)

static void test_aggregates(_unused_ void **state) {
        static const struct {
                const char *how;
                double expected[8];
        } cases[] = {
                {"SUM", {2.25, -0.5, 2, 8.5, -1, 8, 4, 13}},
                {"AVERAGE",
                 {0.75, -0.5 / 3, 2.0 / 3, 8.5 / 3, -1.0 / 3, 8.0 / 3, 4.0 / 3, 13.0 / 3}},
                {"MIN", {0.25, -1, 1, 0.5, -2, 8, 1, 1}},
                {"MAX", {1, 0.5, 1, 8, 1, 8, 3, 8}},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {MIXED_NODES, MIXED_VOTES,
                                 A_STRING("aggregate_function", cases[i].how),
                                 A_FLOATS("base_values", 100, -100)};
                Result without = run("TreeEnsembleRegressor", a, ELEMENTSOF(a) - 1, MIXED_X, 1);
                Result with = REGRESS(a, MIXED_X);
                double expected[8];

                assert_int_equal(without.r, 0);
                assert_int_equal(with.r, 0);
                assert_close(without.out[0], cases[i].expected, 8, 1e-6);
                for (size_t k = 0; k < 8; k++)
                        expected[k] = cases[i].expected[k] + (k % 2 ? -100 : 100);
                assert_close(with.out[0], expected, 8, 1e-6);
                result_done(&without);
                result_done(&with);
        }
}

/* More rows than are judged at once, with some over: each as it is alone. */
static void test_many_rows(_unused_ void **state) {
        static const double rows[4][2] = {{0, 1}, {0.5, 2}, {0, 2.5}, {0.75, 1.5}};
        static const double sums[4][2] = {{2.25, -0.5}, {2, 8.5}, {-1, 8}, {4, 13}};
        enum { N = 64 + 64 + 8 + 3 };
        Attribute a[] = {MIXED_NODES, MIXED_VOTES};
        double x[2 * N], expected[2 * N];
        Result y;

        for (size_t i = 0; i < N; i++) {
                size_t which = (i * i + i / 5) % 4;

                memcpy(x + 2 * i, rows[which], sizeof(rows[0]));
                memcpy(expected + 2 * i, sums[which], sizeof(sums[0]));
        }
        for (size_t n = 1; n <= N; n += n < 20 ? 1 : 17) {
                y = REGRESS(a, tensor_of(ELEMENT_F32, DIM((int64_t)n, 2), x));
                assert_int_equal(y.r, 0);
                assert_close(y.out[0], expected, 2 * n, 0);
                result_done(&y);
        }
}

/* A target that no leaf votes for is its base. */
static void test_no_vote(_unused_ void **state) {
        Attribute a[] = {
                A_INTS("nodes_treeids", 0),       A_INTS("nodes_nodeids", 0),
                A_INTS("nodes_featureids", 0),    A_FLOATS("nodes_values", 0),
                A_STRINGS("nodes_modes", "LEAF"), A_INTS("nodes_truenodeids", 0),
                A_INTS("nodes_falsenodeids", 0),  A_INTS("target_treeids", 0),
                A_INTS("target_nodeids", 0),      A_INTS("target_ids", 1),
                A_FLOATS("target_weights", 5),    A_INT("n_targets", 3),
                A_FLOATS("base_values", 1, 2, 3), A_STRING("aggregate_function", "MIN"),
        };
        Result x = REGRESS(a, TENSOR(ELEMENT_F64, DIM(1), 0)), none;

        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 0, 1, 7, 3);
        none = REGRESS(a, tensor_of(ELEMENT_F32, DIM(0, 4), NULL));
        assert_int_equal(none.r, 0);
        assert_int_equal(none.out[0]->count, 0);
        result_done(&x);
        result_done(&none);
}

/* Thresholds in double: 0.1 is below its float. */
static void test_precision(_unused_ void **state) {
        Tensor *threshold = TENSOR(ELEMENT_F64, DIM(3), 0.1, 0, 0);
        Tensor *weight = TENSOR(ELEMENT_F64, DIM(2), 1, 2);
        Attribute a[] = {
                A_INTS("nodes_treeids", 0, 0, 0),
                A_INTS("nodes_nodeids", 0, 1, 2),
                A_INTS("nodes_featureids", 0, 0, 0),
                A_STRINGS("nodes_modes", BRANCH, "LEAF", "LEAF"),
                A_INTS("nodes_truenodeids", 1, 0, 0),
                A_INTS("nodes_falsenodeids", 2, 0, 0),
                A_INTS("target_treeids", 0, 0),
                A_INTS("target_nodeids", 1, 2),
                A_INTS("target_ids", 0, 0),
                A_TENSOR("target_weights_as_tensor", weight),
                A_TENSOR("nodes_values_as_tensor", threshold),
        };
        Result d = REGRESS(a, TENSOR(ELEMENT_F64, DIM(2, 1), 0.1, (double)0.1f)), both, type;
        Attribute twice[ELEMENTSOF(a) + 1];

        assert_int_equal(d.r, 0);
        ASSERT_CLOSE(d.out[0], 0, 1, 2);

        memcpy(twice, a, sizeof(a));
        twice[ELEMENTSOF(a)] = A_FLOATS("nodes_values", 1, 2, 3);
        both = REGRESS(twice, TENSOR(ELEMENT_F64, DIM(1, 1), 0));
        assert_refused(&both, -EINVAL, "nodes_values and nodes_values_as_tensor");
        tensor_free(threshold);
        threshold = a[ELEMENTSOF(a) - 1].tensor = TENSOR(ELEMENT_I64, DIM(3), 1, 2, 3);
        type = REGRESS(a, TENSOR(ELEMENT_F64, DIM(1, 1), 0));
        assert_refused(&type, -EINVAL, "nodes_values_as_tensor is int64");
        tensor_free(threshold);
        tensor_free(weight);
        result_done(&d);
}

/* One leaf with those weights of classes 0, 1, 2. Expected values by numpy and scipy.special
 * (expit, softmax), for PROBIT by the formula of the approximation in Python. */
static void test_transforms(_unused_ void **state) {
        static const struct {
                const char *transform;
                float weight[3];
                double expected[3];
                int64_t label;
        } cases[] = {
                {"NONE", {0.25f, 0.5f, 0.5f}, {0.25, 0.5, 0.5}, 20},
                {"LOGISTIC", {-2, 0, 3}, {0.11920292, 0.5, 0.95257413}, 30},
                {"SOFTMAX", {-1, 2, 0.5f}, {0.03911257, 0.78559703, 0.17529039}, 20},
                {"SOFTMAX", {1000, 0, -1000}, {1, 0, 0}, 10},
                {"SOFTMAX_ZERO", {-1, 2, 0}, {0.04742587, 0.95257413, 0}, 20},
                {"SOFTMAX_ZERO", {0, 0, 0}, {0.5, 0.5, 0.5}, 10},
                {"PROBIT", {0.1f, 0.5f, 0.975f}, {-1.28171289, 0, 1.95904934}, 30},
                {"PROBIT", {0, 1, 2}, {-INFINITY, INFINITY, NAN}, 30},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const float *w = cases[i].weight;
                Attribute a[] = {
                        A_INTS("nodes_treeids", 0),
                        A_INTS("nodes_nodeids", 0),
                        A_INTS("nodes_featureids", 0),
                        A_FLOATS("nodes_values", 0),
                        A_STRINGS("nodes_modes", "LEAF"),
                        A_INTS("nodes_truenodeids", 0),
                        A_INTS("nodes_falsenodeids", 0),
                        A_INTS("class_treeids", 0, 0, 0),
                        A_INTS("class_nodeids", 0, 0, 0),
                        A_INTS("class_ids", 0, 1, 2),
                        A_FLOATS("class_weights", w[0], w[1], w[2]),
                        A_INTS("classlabels_int64s", 10, 20, 30),
                        A_STRING("post_transform", cases[i].transform),
                };
                Result x = CLASSIFY(a, TENSOR(ELEMENT_I32, DIM(1, 1), 0));

                assert_int_equal(x.r, 0);
                assert_close(x.out[1], cases[i].expected, 3, 1e-6);
                assert_int_equal(x.out[0]->rank, 1);
                assert_int_equal(x.out[0]->i64[0], cases[i].label);
                result_done(&x);
        }
}

/* x <= 0 ? low : high, votes for one class id of two. */
static void test_binary(_unused_ void **state) {
        static const struct {
                const char *transform;
                float low, high, base;
                double expected[4]; /* scores of -1, of 1 */
                const char *labels[2];
        } cases[] = {
                /* All weights positive: a probability. */
                {"NONE", 0.25f, 0.75f, 0, {0.75, 0.25, 0.25, 0.75}, {"no", "yes"}},
                {"NONE", 0.5f, 1, 0, {0.5, 0.5, 0, 1}, {"no", "yes"}},
                {"NONE", 0.25f, 0.375f, 0.25f, {0.5, 0.5, 0.375, 0.625}, {"no", "yes"}},
                /* A margin. */
                {"NONE", -0.25f, 0.25f, 0, {0.25, -0.25, -0.25, 0.25}, {"no", "yes"}},
                {"NONE", -1, 1, 2, {-1, 1, -3, 3}, {"yes", "yes"}},
                {"LOGISTIC",
                 -2,
                 3,
                 0,
                 {0.88079708, 0.11920292, 0.04742587, 0.95257413},
                 {"no", "yes"}},
                {"LOGISTIC", 0, 3, 0, {0.5, 0.5, 0.04742587, 0.95257413}, {"no", "yes"}},
                {"SOFTMAX",
                 -2,
                 1,
                 0,
                 {0.98201379, 0.01798621, 0.11920292, 0.88079708},
                 {"no", "yes"}},
                {"PROBIT",
                 0.1f,
                 0.9f,
                 0,
                 {1.28171276, -1.28171276, -1.28171276, 1.28171276},
                 {"no", "yes"}},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int64_t id = 0; id < 2; id++)
                        for (size_t n_base = 1; n_base < 3; n_base++) {
                                bool second = n_base == 2 && id == 1;
                                float base = cases[i].base;
                                Attribute a[] = {
                                        A_INTS("nodes_treeids", 0, 0, 0),
                                        A_INTS("nodes_nodeids", 0, 1, 2),
                                        A_INTS("nodes_featureids", 0, 0, 0),
                                        A_FLOATS("nodes_values", 0, 0, 0),
                                        A_STRINGS("nodes_modes", BRANCH, "LEAF", "LEAF"),
                                        A_INTS("nodes_truenodeids", 1, 0, 0),
                                        A_INTS("nodes_falsenodeids", 2, 0, 0),
                                        A_INTS("class_treeids", 0, 0),
                                        A_INTS("class_nodeids", 1, 2),
                                        A_INTS("class_ids", id, id),
                                        A_FLOATS("class_weights", cases[i].low, cases[i].high),
                                        A_STRINGS("classlabels_strings", "no", "yes"),
                                        A_STRING("post_transform", cases[i].transform),
                                        A_FLOATS("base_values", second ? 77 : base,
                                                 second ? base : 77),
                                };
                                Result x;

                                a[ELEMENTSOF(a) - 1].n = n_base;
                                x = CLASSIFY(a, TENSOR(ELEMENT_F32, DIM(2, 1), -1, 1));
                                assert_int_equal(x.r, 0);
                                assert_int_equal(x.out[0]->type, ELEMENT_STRING);
                                assert_close(x.out[1], cases[i].expected, 4, 1e-6);
                                for (size_t k = 0; k < 2; k++)
                                        assert_string_equal(x.out[0]->string[k],
                                                            cases[i].labels[k]);
                                result_done(&x);
                        }
}

/* Two classes with votes for both are two scores; the first of equal ones wins. */
static void test_two_classes(_unused_ void **state) {
        Attribute a[] = {
                A_INTS("nodes_treeids", 0, 0, 0),
                A_INTS("nodes_nodeids", 0, 1, 2),
                A_INTS("nodes_featureids", 0, 0, 0),
                A_FLOATS("nodes_values", 0, 0, 0),
                A_STRINGS("nodes_modes", BRANCH, "LEAF", "LEAF"),
                A_INTS("nodes_truenodeids", 1, 0, 0),
                A_INTS("nodes_falsenodeids", 2, 0, 0),
                A_INTS("class_treeids", 0, 0, 0, 0),
                A_INTS("class_nodeids", 1, 1, 2, 2),
                A_INTS("class_ids", 0, 1, 0, 1),
                A_FLOATS("class_weights", 0.5f, 0.5f, 0.25f, 0.75f),
                A_INTS("classlabels_int64s", 5, -5),
                A_FLOATS("base_values", 0.25f, 0),
        };
        Result x = run("TreeEnsembleClassifier", a, ELEMENTSOF(a) - 1,
                       TENSOR(ELEMENT_F32, DIM(2, 1), -1, 1), 2);

        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[1], 0, 0.5, 0.5, 0.25, 0.75);
        ASSERT_CLOSE(x.out[0], 0, 5, -5);
        result_done(&x);
        x = CLASSIFY(a, TENSOR(ELEMENT_F32, DIM(2, 1), -1, 1));
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[1], 0, 0.75, 0.5, 0.5, 0.75);
        ASSERT_CLOSE(x.out[0], 0, 5, -5);
        result_done(&x);
}

/* What the compiler lowers from. */
static void test_parsed(_unused_ void **state) {
        Attribute a[] = {MIXED_NODES, MIXED_VOTES};
        Node node = node_of(DOMAIN_ML, "TreeEnsembleRegressor", 3, a, ELEMENTSOF(a));
        _cleanup_(tree_ensemble_freep)
        TreeEnsemble *t = NULL;

        assert_int_equal(tree_ensemble_parse(&node, &t, NULL), 0);
        assert_int_equal(t->n_trees, 3);
        assert_int_equal(t->n_nodes, 9);
        assert_int_equal(t->n_votes, 10);
        assert_int_equal(t->n_features, 2);
        assert_int_equal(t->n_scores, 2);
        assert_int_equal(t->labels.n, 0);
        assert_int_equal(t->trees[0].depth, 1); /* ascending tree ids: -2, 4, 9 */
        assert_int_equal(t->trees[1].depth, 2);
        assert_int_equal(t->trees[2].depth, 0);
        assert_int_equal(t->trees[1].n_nodes, 5);
        assert_int_equal(t->cost, (1 + 1 + 2) + (2 + 1 + 3) + (0 + 1 + 1));
        for (size_t i = 0; i < t->n_nodes; i++)
                if (t->nodes[i].mode != ENSEMBLE_LEAF) {
                        assert_true(t->nodes[i].yes > i && t->nodes[i].no > i);
                        assert_true(t->nodes[i].yes < t->n_nodes && t->nodes[i].no < t->n_nodes);
                } else
                        assert_true(t->nodes[i].yes <= t->nodes[i].no &&
                                    t->nodes[i].no <= t->n_votes);
}

/* The good ensemble with one element changed. */
static void test_hostile(_unused_ void **state) {
        static const struct {
                const char *attribute;
                size_t i;
                int64_t value;
                const char *text;
        } cases[] = {
                {"nodes_truenodeids", 0, 100,
                 "nodes_truenodeids[0]: node 100 of tree 4 is its root"},
                {"nodes_truenodeids", 6, 100,
                 "nodes_truenodeids[6]: node 100 of tree 4 is its root"},
                {"nodes_falsenodeids", 6, 20,
                 "nodes_falsenodeids[6]: node 20 of tree 4 is its root or"},
                {"nodes_falsenodeids", 6, 3, "nodes_falsenodeids[6]: node 3 of tree 4"},
                {"nodes_falsenodeids", 1, 5, "nodes_falsenodeids[1]: node 5 of tree -2"},
                {"nodes_falsenodeids", 1, 51,
                 "nodes_falsenodeids[1]: there is no node 51 in tree -2"},
                {"nodes_truenodeids", 1, INT64_MAX, "there is no node 9223372036854775807"},
                {"nodes_truenodeids", 1, INT64_MIN, "there is no node -9223372036854775808"},
                {"nodes_truenodeids", 0, 4, "there is no node 4 in tree 4"},
                {"nodes_nodeids", 8, 50, "nodes_nodeids[8]: node 50 of tree 4 is there twice"},
                {"nodes_nodeids", 8, INT64_MIN, "nodes_falsenodeids[0]: there is no node 51"},
                {"nodes_treeids", 8, 9, "nodes_falsenodeids[0]: there is no node 51 in tree 4"},
                {"nodes_treeids", 3, 4,
                 "nodes_nodeids[3]: node 0 of tree 4 can't be reached from node 100"},
                {"nodes_featureids", 0, -1, "nodes_featureids[0] is -1, but 0 to 16777215"},
                {"nodes_featureids", 6, (int64_t)1 << 32, "nodes_featureids[6] is 4294967296"},
                {"nodes_featureids", 6, 2, "nodes_featureids[6] is 2, but the input has 2 columns"},
                {"target_treeids", 3, 5, "target_nodeids[3]: there is no node 5 in tree 5"},
                {"target_nodeids", 3, 500, "target_nodeids[3]: there is no node 500 in tree -2"},
                {"target_nodeids", 3, 7, "target_nodeids[3]: node 7 of tree -2 is no leaf"},
                {"target_ids", 9, 2, "target_ids[9] is 2, but 0 to 1 are taken"},
                {"target_ids", 0, -1, "target_ids[0] is -1"},
                {"n_targets", 0, 0, "n_targets is 0"},
                {"n_targets", 0, 1 << 20, "n_targets is 1048576"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {MIXED_NODES, MIXED_VOTES};
                Result x;

                for (size_t k = 0; k < ELEMENTSOF(a); k++)
                        if (streq(a[k].name, cases[i].attribute))
                                a[k].ints[cases[i].i] = cases[i].value;
                x = REGRESS(a, MIXED_X);
                assert_refused(&x, -EINVAL, cases[i].text);
        }
}

/* Each attribute missing, of another kind, or shorter. */
static void test_lengths(_unused_ void **state) {
        Attribute good[] = {MIXED_NODES, MIXED_VOTES};

        for (size_t i = 0; i + 1 < ELEMENTSOF(good); i++)
                for (int how = 0; how < 3; how++) {
                        Attribute a[ELEMENTSOF(good)];
                        Result x;

                        memcpy(a, good, sizeof(a));
                        if (how == 0)
                                a[i].name = (char *)"elsewhere";
                        else if (how == 1)
                                a[i].n--;
                        else
                                a[i].kind = ATTRIBUTE_INT;
                        x = REGRESS(a, MIXED_X);
                        assert_int_equal(x.r, -EINVAL);
                        assert_non_null(strstr(x.error.text, i < 7 ? "nodes_" : "target_"));
                }
}

static void test_refused(_unused_ void **state) {
        const struct {
                Attribute extra;
                const char *text;
        } cases[] = {
                {A_STRING("aggregate_function", "MEDIAN"), "aggregate_function is 'MEDIAN'"},
                {A_STRING("post_transform", "none"), "post_transform is 'none'"},
                {A_FLOATS("base_values", 1), "base_values has 1 elements, but there are 2 targets"},
                {A_FLOATS("base_values", 1, NAN), "base_values[1] is not finite"},
                {A_INTS("nodes_missing_value_tracks_true", 1),
                 "nodes_missing_value_tracks_true has 1 elements"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {MIXED_NODES, MIXED_VOTES, cases[i].extra};
                Result x = REGRESS(a, MIXED_X);

                assert_refused(&x, -EINVAL, cases[i].text);
        }
        {
                Attribute a[] = {MIXED_NODES, MIXED_VOTES};
                Result x;

                x = REGRESS(a, TENSOR(ELEMENT_U8, DIM(1, 2), 0, 0));
                assert_refused(&x, -EINVAL, "input is uint8");
                x = REGRESS(a, TENSOR(ELEMENT_F32, DIM(1, 1, 2), 0, 0));
                assert_refused(&x, -EINVAL, "3 dimensions");
                x = REGRESS(a, TENSOR(ELEMENT_F32, DIM(2, 1), 0, 0));
                assert_refused(&x, -EINVAL,
                               "nodes_featureids[1] is 1, but the input has 1 columns");
                a[3].floats[0] = NAN;
                x = REGRESS(a, MIXED_X);
                assert_refused(&x, -EINVAL, "nodes_values[0] is not a number");
                a[3].floats[0] = 0;
                a[4].strings[2] = (char *)"BRANCH";
                x = REGRESS(a, MIXED_X);
                assert_refused(&x, -EINVAL, "nodes_modes[2] is 'BRANCH'");
                a[4].strings[2] = (char *)"LEAF";
                a[10].floats[4] = INFINITY;
                x = REGRESS(a, MIXED_X);
                assert_refused(&x, -EINVAL, "target_weights[4] is not finite");
        }
        {
                Attribute none[] = {A_INTS("classlabels_int64s", 0, 1)};
                Attribute both[] = {A_INTS("classlabels_int64s", 0, 1),
                                    A_STRINGS("classlabels_strings", "a", "b")};
                Result x = CLASSIFY(none, TENSOR(ELEMENT_F32, DIM(1, 1), 0));

                assert_refused(&x, -EINVAL, "nodes_treeids is empty");
                x = CLASSIFY(both, TENSOR(ELEMENT_F32, DIM(1, 1), 0));
                assert_refused(&x, -EINVAL, "classlabels_int64s and classlabels_strings are given");
                x = run("TreeEnsembleClassifier", NULL, 0, TENSOR(ELEMENT_F32, DIM(1, 1), 0), 2);
                assert_refused(&x, -EINVAL, "neither attribute classlabels_int64s nor");
        }
}

/* A tree of n nodes; child ids are those of the heap order where chain is 0, else each branch has a
 * leaf and the next branch. Node i is listed at n - 1 - i but for the root, if backwards. */
typedef struct Grown {
        size_t n;
        int64_t *ints[5]; /* tree, node, feature, yes, no */
        float *threshold;
        char **mode;
        Attribute a[11];
} Grown;

static void grow(Grown *g, size_t n, bool chain, bool backwards) {
        static const char *const names[] = {"nodes_treeids", "nodes_nodeids", "nodes_featureids",
                                            "nodes_truenodeids", "nodes_falsenodeids"};
        static int64_t vote[1], node[1];
        static float weight[1] = {1};

        g->n = n;
        for (size_t k = 0; k < 5; k++) {
                g->ints[k] = calloc(n, sizeof(int64_t));
                assert_non_null(g->ints[k]);
        }
        g->threshold = calloc(n, sizeof(float));
        g->mode = calloc(n, sizeof(char *));
        assert_true(g->threshold && g->mode);
        for (size_t i = 0; i < n; i++) {
                size_t at = backwards && i > 0 ? n - i : i;
                size_t yes = chain ? i + 1 : 2 * i + 1, no = chain ? i + 2 : 2 * i + 2;
                bool branch = chain ? i % 2 == 0 && i + 2 < n : no < n;

                g->ints[1][at] = (int64_t)i;
                g->ints[3][at] = branch ? (int64_t)yes : 0;
                g->ints[4][at] = branch ? (int64_t)no : 0;
                g->mode[at] = (char *)(branch ? BRANCH : "LEAF");
                node[0] = (int64_t)n - 1;
        }
        for (size_t k = 0; k < 5; k++)
                g->a[k] = (Attribute){(char *)names[k], ATTRIBUTE_INTS, n, {.ints = g->ints[k]}};
        g->a[5] = (Attribute){
                (char *)"nodes_values", ATTRIBUTE_FLOATS, n, {.floats = g->threshold}};
        g->a[6] = (Attribute){(char *)"nodes_modes", ATTRIBUTE_STRINGS, n, {.strings = g->mode}};
        g->a[7] = (Attribute){(char *)"target_treeids", ATTRIBUTE_INTS, 1, {.ints = vote}};
        g->a[8] = (Attribute){(char *)"target_nodeids", ATTRIBUTE_INTS, 1, {.ints = node}};
        g->a[9] = (Attribute){(char *)"target_ids", ATTRIBUTE_INTS, 1, {.ints = vote}};
        g->a[10] = (Attribute){(char *)"target_weights", ATTRIBUTE_FLOATS, 1, {.floats = weight}};
}

static void grown_done(Grown *g) {
        for (size_t k = 0; k < 5; k++)
                free(g->ints[k]);
        free(g->threshold);
        free(g->mode);
}

/* Hundreds of thousands of nodes in any order take no quadratic time, and no recursion. */
static void test_large(_unused_ void **state) {
        for (int backwards = 0; backwards < 2; backwards++) {
                Grown g;
                Result x;

                grow(&g, ((size_t)1 << 18) - 1, false, backwards);
                x = REGRESS(g.a, TENSOR(ELEMENT_F32, DIM(2, 1), 1, 0));
                assert_int_equal(x.r, 0);
                ASSERT_CLOSE(x.out[0], 0, 1, 0);
                result_done(&x);
                grown_done(&g);
        }
}

static void test_depth(_unused_ void **state) {
        Grown g;
        Result x;

        grow(&g, 2 * TREE_DEPTH_MAX + 1, true, false);
        x = REGRESS(g.a, TENSOR(ELEMENT_F32, DIM(2, 1), 1, 0));
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 0, 1, 0);
        result_done(&x);
        grown_done(&g);
        grow(&g, 2 * TREE_DEPTH_MAX + 3, true, false);
        x = REGRESS(g.a, TENSOR(ELEMENT_F32, DIM(2, 1), 1, 0));
        assert_refused(&x, -EINVAL, "tree 0 is deeper than 1024");
        grown_done(&g);
}

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n) {
        seed = seed * 1664525u + 1013904223u;
        return (uint32_t)(((uint64_t)seed * n) >> 32);
}

/* A few elements changed at random, mostly to what is near: run, or refused with a reason. */
static void test_random(_unused_ void **state) {
        static const int64_t values[] = {-2, 0,  1,  2,  3,  4,   5,         6,        7,
                                         9,  20, 50, 51, 99, 100, INT64_MIN, INT64_MAX};
        size_t ran = 0, refused = 0;

        for (size_t i = 0; i < 20000; i++) {
                Attribute a[] = {MIXED_NODES, MIXED_VOTES};
                Result x;

                for (uint32_t changes = 1 + random_below(4); changes > 0; changes--) {
                        Attribute *b = a + random_below(ELEMENTSOF(a));
                        size_t at = random_below((uint32_t)b->n);

                        if (b->kind == ATTRIBUTE_INTS || b->kind == ATTRIBUTE_INT)
                                b->ints[at] = values[random_below(ELEMENTSOF(values))];
                        else if (b->kind == ATTRIBUTE_FLOATS)
                                b->floats[at] = (float)random_below(5) - 2;
                        else
                                b->strings[at] = (char *)(random_below(2) ? BRANCH : "LEAF");
                }
                x = REGRESS(a, MIXED_X);
                if (x.r == 0)
                        ran++;
                else {
                        assert_int_equal(x.r, -EINVAL);
                        refused++;
                }
                result_done(&x);
        }
        assert_true(ran > 1000 && refused > 1000);
}

/* Work is drawn before it is done. */
static void test_work(_unused_ void **state) {
        Attribute a[] = {MIXED_NODES, MIXED_VOTES};
        Node node = node_of(DOMAIN_ML, "TreeEnsembleRegressor", 3, a, ELEMENTSOF(a));
        Tensor *x = MIXED_X;
        const Tensor *in[] = {x};
        uint64_t work = 4 * (12 + 2);
        Result y;

        node.work = &work;
        y = node_run(node, in, 1, 1);
        assert_int_equal(y.r, 0);
        assert_int_equal(work, 0);
        result_done(&y);
        work = 4 * (12 + 2) - 1;
        y = node_run(node, in, 1, 1);
        assert_refused(&y, -EFBIG, "work");
        tensor_free(x);
}

static char *copy(const char *s) {
        char *c = strdup(s);

        assert_non_null(c);
        return c;
}

/* Into a graph, which owns its attributes. */
static void add_attributes(Graph *g, const Attribute *from, size_t n) {
        for (size_t i = 0; i < n; i++) {
                Attribute a = {.name = copy(from[i].name), .kind = from[i].kind, .n = from[i].n};
                size_t size = a.kind == ATTRIBUTE_FLOATS ? sizeof(float) : sizeof(int64_t);

                a.ints = calloc(a.n, MAX(size, sizeof(char *)));
                assert_non_null(a.ints);
                if (a.kind == ATTRIBUTE_STRINGS)
                        for (size_t k = 0; k < a.n; k++)
                                a.strings[k] = copy(from[i].strings[k]);
                else
                        memcpy(a.ints, from[i].ints, a.n * size);
                assert_int_equal(graph_add_attribute(g, 0, &a), 0);
        }
}

/* graph_finish() prepares the node: a hostile one is refused before it runs. */
static void test_in_graph(_unused_ void **state) {
        for (int hostile = 0; hostile < 2; hostile++) {
                Attribute a[] = {MIXED_NODES, MIXED_VOTES};
                _cleanup_(graph_freep)
                Graph *g = calloc(1, sizeof(*g));
                Error e = ERROR_INIT;
                Tensor *x = MIXED_X, *y = NULL;
                const Tensor *in[] = {x};
                size_t values[2];

                assert_non_null(g);
                values[0] = (size_t)graph_add_value(g, "x");
                values[1] = (size_t)graph_add_value(g, "y");
                assert_int_equal(graph_add_input(g, values[0], ELEMENT_F32, 2, (int64_t[]){-1, 2}),
                                 0);
                assert_int_equal(graph_add_node(g,
                                                operator_find(DOMAIN_ML, "TreeEnsembleRegressor"),
                                                "forest", 3, 1, values, 1, values + 1),
                                 0);
                assert_true(graph_add_output(g, values[1]) >= 0);
                a[5].ints[0] = hostile ? 100 : 20;
                add_attributes(g, a, ELEMENTSOF(a));
                if (hostile) {
                        assert_int_equal(graph_finish(g, &e), -EINVAL);
                        assert_non_null(strstr(e.text, "forest"));
                        assert_non_null(strstr(e.text, "nodes_truenodeids[0]"));
                } else {
                        assert_int_equal(graph_finish(g, &e), 0);
                        assert_non_null(g->nodes[0].state);
                        assert_int_equal(graph_run(g, in, 1, &y, &e), 0);
                        ASSERT_CLOSE(y, 1e-6, 2.25, -0.5, 2, 8.5, -1, 8, 4, 13);
                }
                tensor_free(x);
                tensor_free(y);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_modes),       cmocka_unit_test(test_aggregates),
                cmocka_unit_test(test_no_vote),     cmocka_unit_test(test_precision),
                cmocka_unit_test(test_transforms),  cmocka_unit_test(test_binary),
                cmocka_unit_test(test_two_classes), cmocka_unit_test(test_parsed),
                cmocka_unit_test(test_hostile),     cmocka_unit_test(test_lengths),
                cmocka_unit_test(test_refused),     cmocka_unit_test(test_large),
                cmocka_unit_test(test_depth),       cmocka_unit_test(test_random),
                cmocka_unit_test(test_many_rows),   cmocka_unit_test(test_work),
                cmocka_unit_test(test_in_graph),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
