/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/models/ml-nodes.h"

static Result run(const char *op, int opset, Attribute *attributes, size_t n, Tensor *x,
                  size_t n_out) {
        const Tensor *in[] = {x};
        Result result = node_run(node_of(DOMAIN_ML, op, opset, attributes, n), in, 1, n_out);

        tensor_free(x);
        return result;
}
#define RUN(op, attributes, x) run(op, 3, attributes, ELEMENTSOF(attributes), x, 1)
#define CLASSIFY(op, attributes, x) run(op, 3, attributes, ELEMENTSOF(attributes), x, 2)

static Tensor *strings_of(size_t n, const char *const *x) {
        Tensor *t;

        assert_int_equal(tensor_new(ELEMENT_STRING, DIM((int64_t)n), &t), 0);
        for (size_t i = 0; i < n; i++) {
                t->string[i] = strdup(x[i]);
                assert_non_null(t->string[i]);
        }
        return t;
}

static void assert_strings(const Tensor *t, size_t n, const char *const *x) {
        assert_int_equal(t->type, ELEMENT_STRING);
        assert_int_equal(t->count, n);
        for (size_t i = 0; i < n; i++)
                assert_string_equal(t->string[i], x[i]);
}

static void test_scaler(_unused_ void **state) {
        static const ElementType types[] = {ELEMENT_F32, ELEMENT_F64, ELEMENT_I32, ELEMENT_I64};
        Attribute each[] = {A_FLOATS("offset", 1, 2, 3), A_FLOATS("scale", 2, -1, 0.5f)};
        Attribute one[] = {A_FLOATS("offset", 1), A_FLOATS("scale", 4)};
        Attribute two[] = {A_FLOATS("offset", 1, 2)};
        Attribute two_scales[] = {A_FLOATS("scale", 1, 2)};
        Result x;

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                x = RUN("Scaler", each, TENSOR(types[i], DIM(2, 3), 0, 0, 0, 5, 6, 7));
                assert_int_equal(x.r, 0);
                assert_int_equal(x.out[0]->type, ELEMENT_F32);
                assert_int_equal(x.out[0]->rank, 2);
                ASSERT_CLOSE(x.out[0], 0, -2, 2, -1.5, 8, -4, 2);
                result_done(&x);
        }
        x = RUN("Scaler", one, TENSOR(ELEMENT_F32, DIM(3), 1, 2, -3));
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->rank, 1);
        ASSERT_CLOSE(x.out[0], 0, 0, 4, -16);
        result_done(&x);
        x = run("Scaler", 1, NULL, 0, TENSOR(ELEMENT_I64, DIM(1, 2), 1, 2), 1);
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 0, 1, 2);
        result_done(&x);
        x = RUN("Scaler", two, TENSOR(ELEMENT_F32, DIM(1, 3), 1, 2, 3));
        assert_refused(&x, -EINVAL, "offset has 2 elements, but the input has 3 columns");
        x = RUN("Scaler", two_scales, TENSOR(ELEMENT_F32, DIM(1, 3), 1, 2, 3));
        assert_refused(&x, -EINVAL, "scale has 2 elements");
        x = RUN("Scaler", one, TENSOR(ELEMENT_F32, DIM(1, 1, 1), 1));
        assert_refused(&x, -EINVAL, "3 dimensions");
        x = RUN("Scaler", one, TENSOR(ELEMENT_U8, DIM(1, 1), 1));
        assert_refused(&x, -EINVAL, "input is uint8");
}

static void test_normalizer(_unused_ void **state) {
        static const struct {
                const char *norm;
                double expected[9];
        } cases[] = {
                {"MAX", {0.75, 1, 0, -1, 0.5, 0.25, 0, 0, 0}},
                {"L1", {3.0 / 7, 4.0 / 7, 0, -4.0 / 7, 2.0 / 7, 1.0 / 7, 0, 0, 0}},
                {"L2", {0.6, 0.8, 0, -0.8728715609, 0.4364357805, 0.2182178902, 0, 0, 0}},
        };
        Attribute wrong[] = {A_STRING("norm", "L3")};
        Result x;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {A_STRING("norm", cases[i].norm)};

                x = RUN("Normalizer", a,
                        TENSOR(ELEMENT_F32, DIM(3, 3), 3, 4, 0, -8, 4, 2, 0, 0, 0));
                assert_int_equal(x.r, 0);
                assert_close(x.out[0], cases[i].expected, 9, 1e-7);
                result_done(&x);
                x = RUN("Normalizer", a, TENSOR(ELEMENT_I32, DIM(3), 3, 4, 0));
                assert_int_equal(x.r, 0);
                assert_int_equal(x.out[0]->type, ELEMENT_F32);
                assert_close(x.out[0], cases[i].expected, 3, 1e-7);
                result_done(&x);
        }
        x = RUN("Normalizer", wrong, TENSOR(ELEMENT_F32, DIM(1, 1), 1));
        assert_refused(&x, -EINVAL, "norm is 'L3'");
}

static void test_binarizer(_unused_ void **state) {
        Attribute a[] = {A_FLOAT("threshold", 1.5f)};
        Result x = RUN("Binarizer", a,
                       TENSOR(ELEMENT_F64, DIM(2, 1, 2), 1, 1.5, 1.75, (double)NAN));

        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->type, ELEMENT_F64);
        assert_int_equal(x.out[0]->rank, 3);
        ASSERT_CLOSE(x.out[0], 0, 0, 0, 1, 0);
        result_done(&x);
        x = run("Binarizer", 1, NULL, 0, TENSOR(ELEMENT_I32, DIM(3), -1, 0, 1), 1);
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->type, ELEMENT_I32);
        ASSERT_CLOSE(x.out[0], 0, 0, 0, 1);
        result_done(&x);
        x = RUN("Binarizer", a, TENSOR(ELEMENT_BOOL, DIM(1), 1));
        assert_refused(&x, -EINVAL, "input is bool");
}

static void test_imputer(_unused_ void **state) {
        Attribute nan_each[] = {A_FLOATS("imputed_value_floats", 10, 20),
                                A_FLOAT("replaced_value_float", NAN)};
        Attribute zero_one[] = {A_FLOATS("imputed_value_floats", -1)};
        Attribute ints[] = {A_INTS("imputed_value_int64s", 7, (int64_t)1 << 40),
                            A_INT("replaced_value_int64", -9)};
        Attribute both[] = {A_FLOATS("imputed_value_floats", 1), A_INTS("imputed_value_int64s", 1)};
        Attribute three[] = {A_FLOATS("imputed_value_floats", 1, 2, 3)};
        Result x;

        x = RUN("Imputer", nan_each,
                TENSOR(ELEMENT_F32, DIM(2, 2), (double)NAN, 0, 1, (double)NAN));
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 0, 10, 0, 1, 20);
        result_done(&x);
        x = RUN("Imputer", zero_one, TENSOR(ELEMENT_F64, DIM(4), (double)NAN, 0, -0.0, 3));
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->type, ELEMENT_F64);
        ASSERT_CLOSE(x.out[0], 0, (double)NAN, -1, -1, 3);
        result_done(&x);
        x = RUN("Imputer", ints, TENSOR(ELEMENT_I64, DIM(2, 2), -9, -9, 0, 5));
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->i64[0], 7);
        assert_int_equal(x.out[0]->i64[1], (int64_t)1 << 40);
        assert_int_equal(x.out[0]->i64[2], 0);
        assert_int_equal(x.out[0]->i64[3], 5);
        result_done(&x);
        x = RUN("Imputer", ints, TENSOR(ELEMENT_I32, DIM(1, 2), 0, 0));
        assert_refused(&x, -EINVAL,
                       "imputed_value_int64s[1] is 1099511627776, but the input is int32");
        ints[0].ints[1] = INT32_MIN;
        x = RUN("Imputer", ints, TENSOR(ELEMENT_I32, DIM(1, 2), 0, -9));
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 0, 0, INT32_MIN);
        result_done(&x);
        x = RUN("Imputer", ints, TENSOR(ELEMENT_F32, DIM(1, 2), 0, 0));
        assert_refused(&x, -EINVAL, "imputed_value_floats is empty, but the input is float32");
        x = RUN("Imputer", zero_one, TENSOR(ELEMENT_I64, DIM(1, 2), 0, 0));
        assert_refused(&x, -EINVAL, "imputed_value_int64s is empty");
        x = RUN("Imputer", both, TENSOR(ELEMENT_I64, DIM(1, 2), 0, 0));
        assert_refused(&x, -EINVAL, "one is taken");
        x = RUN("Imputer", three, TENSOR(ELEMENT_F32, DIM(1, 2), 0, 0));
        assert_refused(&x, -EINVAL, "imputed_value_floats has 3 elements");
        x = RUN("Imputer", zero_one, tensor_of(ELEMENT_F32, 0, NULL, (double[]){0}));
        assert_refused(&x, -EINVAL, "scalar");
}

/* Scores are 1.5, 2, -3.25 and -0.5, -1, 1.75; their transforms by Python's math. */
static void test_linear_classifier(_unused_ void **state) {
        static const struct {
                const char *transform;
                double expected[6];
        } cases[] = {
                {"NONE", {1.5, 2, -3.25, -0.5, -1, 1.75}},
                {"LOGISTIC",
                 {0.81757448, 0.88079708, 0.03732689, 0.37754067, 0.26894142, 0.85195280}},
                {"SOFTMAX",
                 {0.37631150, 0.62043277, 0.00325573, 0.09013665, 0.05467064, 0.85519271}},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {
                        A_FLOATS("coefficients", 1, 0, 0, 1, -1, -1),
                        A_FLOATS("intercepts", 0.5f, 0, -0.25f),
                        A_STRINGS("classlabels_strings", "a", "b", "c"),
                        A_INT("multi_class", 1),
                        A_STRING("post_transform", cases[i].transform),
                };
                Result x = CLASSIFY("LinearClassifier", a,
                                    TENSOR(ELEMENT_I32, DIM(2, 2), 1, 2, -1, -1));

                assert_int_equal(x.r, 0);
                assert_int_equal(x.out[1]->type, ELEMENT_F32);
                assert_int_equal(x.out[1]->dim[1], 3);
                assert_close(x.out[1], cases[i].expected, 6, 1e-6);
                assert_strings(x.out[0], 2, (const char *const[]){"b", "c"});
                result_done(&x);
        }
}

/* One row of coefficients for two classes: s = 2 x - 1. */
static void test_linear_pair(_unused_ void **state) {
        static const struct {
                const char *transform;
                double expected[6];
        } cases[] = {
                {"NONE", {-3, 3, 0, 0, 1, -1}},
                {"LOGISTIC", {0.04742587, 0.95257413, 0.5, 0.5, 0.73105858, 0.26894142}},
                {"SOFTMAX", {0.00247262, 0.99752738, 0.5, 0.5, 0.88079708, 0.11920292}},
        };
        Attribute refused[] = {A_FLOATS("coefficients", 2), A_INTS("classlabels_ints", 1, 2, 3)};
        Attribute intercepts[] = {A_FLOATS("coefficients", 2), A_INTS("classlabels_ints", 1, 2),
                                  A_FLOATS("intercepts", 1, 2)};
        Result x;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {
                        A_FLOATS("coefficients", 2),
                        A_FLOATS("intercepts", -1),
                        A_INTS("classlabels_ints", 7, -7),
                        A_STRING("post_transform", cases[i].transform),
                };

                x = CLASSIFY("LinearClassifier", a, TENSOR(ELEMENT_F64, DIM(3, 1), 2, 0.5, 0));
                assert_int_equal(x.r, 0);
                assert_close(x.out[1], cases[i].expected, 6, 1e-6);
                ASSERT_CLOSE(x.out[0], 0, -7, 7, 7);
                result_done(&x);
                x = run("LinearClassifier", 1, a, ELEMENTSOF(a), TENSOR(ELEMENT_F32, DIM(1), 2), 1);
                assert_int_equal(x.r, 0);
                ASSERT_CLOSE(x.out[0], 0, -7);
                result_done(&x);
        }
        x = CLASSIFY("LinearClassifier", refused, TENSOR(ELEMENT_F32, DIM(1, 1), 0));
        assert_refused(&x, -EINVAL,
                       "coefficients has 1 elements, but 3 scores of 1 columns want 3");
        x = CLASSIFY("LinearClassifier", intercepts, TENSOR(ELEMENT_F32, DIM(1, 1), 0));
        assert_refused(&x, -EINVAL, "intercepts has 2 elements, but there are 1 scores");
        x = run("LinearClassifier", 1, intercepts, 1, TENSOR(ELEMENT_F32, DIM(1, 1), 0), 2);
        assert_refused(&x, -EINVAL, "classlabels_ints nor classlabels_strings");
}

static void test_linear_regressor(_unused_ void **state) {
        Attribute a[] = {A_FLOATS("coefficients", 1, 2, 3, -1, 0, 0.5f),
                         A_FLOATS("intercepts", 10, -10), A_INT("targets", 2)};
        Attribute one[] = {A_FLOATS("coefficients", 1, 2, 3),
                           A_STRING("post_transform", "LOGISTIC")};
        Attribute none[] = {A_FLOATS("coefficients", 1), A_INT("targets", 0)};
        Result x = RUN("LinearRegressor", a, TENSOR(ELEMENT_F32, DIM(2, 3), 1, 1, 1, -1, 2, 4));

        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->dim[0], 2);
        assert_int_equal(x.out[0]->dim[1], 2);
        ASSERT_CLOSE(x.out[0], 1e-6, 16, -10.5, 25, -7);
        result_done(&x);
        x = RUN("LinearRegressor", one, TENSOR(ELEMENT_F32, DIM(1, 3), -4, -1, 3));
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 1e-6, 0.95257413);
        result_done(&x);
        x = RUN("LinearRegressor", one, TENSOR(ELEMENT_F32, DIM(1, 2), -4, -1));
        assert_refused(&x, -EINVAL,
                       "coefficients has 3 elements, but 1 scores of 2 columns want 2");
        x = RUN("LinearRegressor", none, TENSOR(ELEMENT_F32, DIM(1, 1), 0));
        assert_refused(&x, -EINVAL, "targets is 0");
        x = run("LinearRegressor", 1, NULL, 0, TENSOR(ELEMENT_F32, DIM(1, 1), 0), 1);
        assert_refused(&x, -EINVAL, "coefficients has 0 elements");
}

#define SVM_3                                                                             \
        A_FLOATS("support_vectors", 1, 0, 0, 2, -1, 1, 2, -1),                            \
                A_FLOATS("coefficients", 0.5f, 0.25f, -1, -2, 1, -0.5f, 0.75f, -1.5f),    \
                A_FLOATS("rho", 0.1f, -0.2f, 0.3f), A_INTS("vectors_per_class", 2, 1, 1), \
                A_STRINGS("classlabels_strings", "a", "b", "c"), A_STRING("kernel_type", "LINEAR")

/* Expected by the pairs' own weights: ab (1.5, -0.5), ac (-3, 1), bc (-3.75, 2.25), and rho. */
static void test_svm_vectors(_unused_ void **state) {
        Attribute three[] = {SVM_3};
        Attribute two[] = {
                A_FLOATS("support_vectors", 1, 0, 0, 2, -1, 1),
                A_FLOATS("coefficients", 0.5f, 0.25f, -1),
                A_FLOATS("rho", 0.1f),
                A_INTS("vectors_per_class", 2, 1),
                A_INTS("classlabels_ints", 4, 5),
                A_STRING("post_transform", "LOGISTIC"),
        };
        Result x = CLASSIFY("SVMClassifier", three,
                            TENSOR(ELEMENT_F32, DIM(3, 2), 1, 1, -1, 0, 0, 0));

        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[1], 1e-6, 1.1, -2.2, -1.2, -1.4, 2.8, 4.05, 0.1, -0.2, 0.3);
        assert_strings(x.out[0], 3, (const char *const[]){"c", "b", "a"});
        result_done(&x);
        x = CLASSIFY("SVMClassifier", two, TENSOR(ELEMENT_F64, DIM(2, 2), 1, 1, -1, 0));
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[1], 1e-6, 0.24973989, 0.75026011, 0.80218389, 0.19781611);
        ASSERT_CLOSE(x.out[0], 0, 4, 5);
        result_done(&x);
        x = run("SVMClassifier", 1, two, ELEMENTSOF(two) - 1, TENSOR(ELEMENT_F32, DIM(2), 1, 1), 2);
        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[1], 1e-6, -1.1, 1.1);
        result_done(&x);
}

static void test_svm_rows(_unused_ void **state) {
        Attribute a[] = {A_FLOATS("coefficients", 1, 0, 0, 1, -1, -1), A_FLOATS("rho", 0.5f),
                         A_INTS("classlabels_ints", 1, 2, 3)};
        Attribute many[] = {A_FLOATS("coefficients", 1, 0, 0, 1, -1, -1),
                            A_FLOATS("rho", 0.5f, 0, 1), A_INTS("classlabels_ints", 1, 2, 3)};
        Result x = CLASSIFY("SVMClassifier", a, TENSOR(ELEMENT_I64, DIM(2, 2), 1, 2, -1, -1));

        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[1], 0, 1.5, 2.5, -2.5, -0.5, -0.5, 2.5);
        ASSERT_CLOSE(x.out[0], 0, 2, 3);
        result_done(&x);
        x = CLASSIFY("SVMClassifier", many, TENSOR(ELEMENT_F32, DIM(1, 2), 1, 2));
        assert_refused(&x, -EINVAL, "rho has 3 elements, not 1");
}

static void test_svm_refused(_unused_ void **state) {
        const struct {
                size_t replaces; /* index in SVM_3; 6: added */
                Attribute a;
                int r;
                const char *text;
        } cases[] = {
                {5, A_STRING("kernel_type", "RBF"), -ENOTSUP, "kernel_type is 'RBF'"},
                {6, A_FLOATS("prob_a", 1, 2, 3), -ENOTSUP, "prob_a"},
                {6, A_FLOATS("prob_b", 1, 2, 3), -ENOTSUP, "prob_b"},
                {6, A_STRING("post_transform", "?"), -EINVAL, "post_transform is '?'"},
                {0, A_FLOATS("support_vectors", 1, 2), -EINVAL,
                 "support_vectors has 2 elements, not 8"},
                {0, A_INTS("support_vectors", 1, 2), -EINVAL, "support_vectors is empty"},
                {1, A_FLOATS("coefficients", 1, 2, 3, 4), -EINVAL,
                 "coefficients has 4 elements, not 8"},
                {1, A_INTS("coefficients", 1), -EINVAL, "vectors_per_class[0] is 2"},
                {2, A_FLOATS("rho", 1), -EINVAL, "rho has 1 elements, not 3"},
                {3, A_INTS("vectors_per_class", 1, 1), -EINVAL, "vectors_per_class has 2 elements"},
                {3, A_INTS("vectors_per_class", 2, -1, 3), -EINVAL, "vectors_per_class[1] is -1"},
                {3, A_INTS("vectors_per_class", 1, INT64_MAX, 1), -EINVAL,
                 "vectors_per_class[1] is 9"},
                {3, A_INTS("vectors_per_class", 8, 8, 8), -EINVAL, "24 support vectors"},
                {4, A_INTS("classlabels_ints", 1), -EINVAL, "there is one"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Attribute a[] = {SVM_3, A_INT("ignored", 0)};
                Result x;

                a[cases[i].replaces] = cases[i].a;
                x = CLASSIFY("SVMClassifier", a, TENSOR(ELEMENT_F32, DIM(1, 2), 1, 1));
                assert_refused(&x, cases[i].r, cases[i].text);
        }
}

static void test_extractor(_unused_ void **state) {
        const char *const words[] = {"zero", "one", "two"};
        Tensor *indices = TENSOR(ELEMENT_I64, DIM(1, 2), 2, 0);
        Tensor *in[] = {TENSOR(ELEMENT_F64, DIM(2, 1, 3), 1, 2, 3, 4, 5, 6), indices};
        Node n = node_of(DOMAIN_ML, "ArrayFeatureExtractor", 1, NULL, 0);
        Result x = node_run(n, (const Tensor *const *)in, 2, 1);

        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->rank, 3);
        assert_int_equal(x.out[0]->dim[2], 2);
        ASSERT_CLOSE(x.out[0], 0, 3, 1, 6, 4);
        result_done(&x);
        tensor_free(in[0]);
        in[0] = strings_of(3, words);
        x = node_run(n, (const Tensor *const *)in, 2, 1);
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->rank, 2);
        assert_int_equal(x.out[0]->dim[0], 1);
        assert_strings(x.out[0], 2, (const char *const[]){"two", "zero"});
        result_done(&x);
        for (int64_t bad = -1; bad < 4; bad += 4) {
                indices->i64[1] = bad;
                x = node_run(n, (const Tensor *const *)in, 2, 1);
                assert_refused(&x, -EINVAL, bad < 0 ? "Y[1] is -1, but" : "Y[1] is 3, but X has 3");
        }
        tensor_free(indices);
        in[1] = TENSOR(ELEMENT_F32, DIM(1), 0);
        x = node_run(n, (const Tensor *const *)in, 2, 1);
        assert_refused(&x, -EINVAL, "int64");
        tensor_free(in[1]);
        in[1] = tensor_of(ELEMENT_I64, DIM(0), NULL);
        x = node_run(n, (const Tensor *const *)in, 2, 1);
        assert_refused(&x, -EINVAL, "Y has 0 elements");
        tensor_free(in[0]);
        tensor_free(in[1]);
}

static void test_zip_map(_unused_ void **state) {
        Attribute a[] = {A_STRINGS("classlabels_strings", "x", "y")};
        Result x = RUN("ZipMap", a, TENSOR(ELEMENT_F32, DIM(2, 2), 1, 2, 3, 4));

        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 0, 1, 2, 3, 4);
        result_done(&x);
        x = RUN("ZipMap", a, TENSOR(ELEMENT_F32, DIM(1, 3), 1, 2, 3));
        assert_refused(&x, -EINVAL, "2 class labels, but the input has 3 columns");
        x = run("ZipMap", 1, NULL, 0, TENSOR(ELEMENT_F32, DIM(1, 3), 1, 2, 3), 1);
        assert_refused(&x, -EINVAL, "neither attribute classlabels_int64s");
}

static void test_vectorizer(_unused_ void **state) {
        Attribute a[] = {A_INTS("inputdimensions", 2, 1)};
        Tensor *in[] = {TENSOR(ELEMENT_I64, DIM(2, 2), 1, 2, 3, 4),
                        TENSOR(ELEMENT_F32, DIM(2, 1), 5, 6), TENSOR(ELEMENT_F32, DIM(3), 7, 8, 9)};
        Node n = node_of(DOMAIN_ML, "FeatureVectorizer", 1, a, 1);
        Result x = node_run(n, (const Tensor *const *)in, 2, 1);

        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->dim[1], 3);
        ASSERT_CLOSE(x.out[0], 0, 1, 2, 5, 3, 4, 6);
        result_done(&x);
        x = node_run(n, (const Tensor *const *)in, 3, 1);
        assert_refused(&x, -EINVAL, "inputdimensions has 2 elements, but there are 3 inputs");
        a[0].ints[0] = 3;
        x = node_run(n, (const Tensor *const *)in, 2, 1);
        assert_refused(&x, -EINVAL, "inputdimensions[0] is 3");
        n.n_attributes = 0;
        x = node_run(n, (const Tensor *const *)in, 3, 1);
        assert_refused(&x, -EINVAL, "input 2 has 1 rows, but input 0 has 2");
        for (size_t i = 0; i < ELEMENTSOF(in); i++)
                tensor_free(in[i]);
}

static void test_label_encoder(_unused_ void **state) {
        Attribute to_int[] = {A_STRINGS("keys_strings", "Amy", "Sally", "Bob", "Amy"),
                              A_INTS("values_int64s", 5, 6, 7, 8), A_INT("default_int64", -3)};
        Attribute to_string[] = {A_INTS("keys_int64s", 9, INT64_MIN, 3),
                                 A_STRINGS("values_strings", "nine", "least", "three")};
        Attribute floats[] = {A_FLOATS("keys_floats", 2, NAN, -1, 0),
                              A_FLOATS("values_floats", 20, 30, 10, 0.5f)};
        Result x;

        x = RUN("LabelEncoder", to_int,
                strings_of(5, (const char *const[]){"Dori", "Amy", "Bob", "Sally", ""}));
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->type, ELEMENT_I64);
        ASSERT_CLOSE(x.out[0], 0, -3, 5, 7, 6, -3);
        result_done(&x);
        x = RUN("LabelEncoder", to_string, TENSOR(ELEMENT_I64, DIM(4), 3, 4, 9, (double)INT64_MIN));
        assert_int_equal(x.r, 0);
        assert_strings(x.out[0], 4, (const char *const[]){"three", "_Unused", "nine", "least"});
        result_done(&x);
        x = RUN("LabelEncoder", floats,
                TENSOR(ELEMENT_F32, DIM(3, 2), -1, (double)NAN, -0.0, 2, 1, 3));
        assert_int_equal(x.r, 0);
        assert_int_equal(x.out[0]->rank, 2);
        ASSERT_CLOSE(x.out[0], 0, 10, 30, 0.5, 20, 0, 0);
        assert_true(signbit(x.out[0]->f32[4]));
        result_done(&x);

        x = RUN("LabelEncoder", to_int, TENSOR(ELEMENT_I64, DIM(1), 3));
        assert_refused(&x, -EINVAL, "input is int64, but the keys are string");
        to_int[1].n = 3;
        x = RUN("LabelEncoder", to_int, strings_of(1, (const char *const[]){"Amy"}));
        assert_refused(&x, -EINVAL, "4 keys, but 3 values");
        x = run("LabelEncoder", 2, to_int, 1, strings_of(1, (const char *const[]){"Amy"}), 1);
        assert_refused(&x, -EINVAL, "values_strings, values_int64s and values_floats");
        to_int[1] = A_INTS("keys_int64s", 1);
        x = RUN("LabelEncoder", to_int, strings_of(1, (const char *const[]){"Amy"}));
        assert_refused(&x, -EINVAL, "exactly one of the attributes keys_strings");
}

static void test_label_encoder_1(_unused_ void **state) {
        Attribute a[] = {A_STRINGS("classes_strings", "b", "a", "c"),
                         A_STRING("default_string", "?")};
        Result x = run("LabelEncoder", 1, a, 2,
                       strings_of(4, (const char *const[]){"a", "b", "c", "d"}), 1);

        assert_int_equal(x.r, 0);
        ASSERT_CLOSE(x.out[0], 0, 1, 0, 2, -1);
        result_done(&x);
        x = run("LabelEncoder", 1, a, 2, TENSOR(ELEMENT_I64, DIM(4), 2, 3, -1, 0), 1);
        assert_int_equal(x.r, 0);
        assert_strings(x.out[0], 4, (const char *const[]){"c", "?", "?", "b"});
        result_done(&x);
        x = run("LabelEncoder", 1, a, 2, TENSOR(ELEMENT_F32, DIM(1), 2), 1);
        assert_refused(&x, -EINVAL, "input is float32");
        x = run("LabelEncoder", 1, a + 1, 1, TENSOR(ELEMENT_I64, DIM(1), 2), 1);
        assert_refused(&x, -EINVAL, "classes_strings is empty");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_scaler),
                cmocka_unit_test(test_normalizer),
                cmocka_unit_test(test_binarizer),
                cmocka_unit_test(test_imputer),
                cmocka_unit_test(test_linear_classifier),
                cmocka_unit_test(test_linear_pair),
                cmocka_unit_test(test_linear_regressor),
                cmocka_unit_test(test_svm_vectors),
                cmocka_unit_test(test_svm_rows),
                cmocka_unit_test(test_svm_refused),
                cmocka_unit_test(test_extractor),
                cmocka_unit_test(test_zip_map),
                cmocka_unit_test(test_vectorizer),
                cmocka_unit_test(test_label_encoder),
                cmocka_unit_test(test_label_encoder_1),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
