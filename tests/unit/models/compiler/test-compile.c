/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "build.h"

#include "models/compiler/choose.h"

/* From graph to program: whole numbers decide as floats do. */

static double agreement(const Graph *g, const Program *p, const uint32_t *rows, size_t n) {
        size_t same = 0;
        int32_t *scratch = calloc(p->n_cells, sizeof(*scratch));

        assert_non_null(scratch);
        for (size_t i = 0; i < n; i++) {
                const uint32_t *raw = rows + i * p->n_fields;
                double fields[PROGRAM_FIELDS_MAX], y[PROGRAM_OUTPUTS_MAX];
                size_t outputs, best = 0;

                for (size_t k = 0; k < p->n_fields; k++)
                        fields[k] = (double)raw[k];
                outputs = graph_values(g, fields, y);
                for (size_t k = 1; k < outputs; k++)
                        if (y[k] > y[best])
                                best = k;
                if (outputs == 1)
                        best = y[0] > 0.5;
                same += reference_run(p, raw, scratch, NULL) == (int64_t)best;
        }
        free(scratch);
        return (double)same / (double)n;
}

static Program *compiled(const Graph *g, const CompileOptions *o, CompileReport *report) {
        Program *p = NULL;
        Error e = ERROR_INIT;

        if (compile_graph(g, o, &p, report, &e) < 0)
                fail_msg("%s", e.text);
        return p;
}

/* Fields of about mean 3 scale and deviation scale, standardised, through layers of ReLU. */
static Graph *random_mlp(size_t fields, const size_t *widths, size_t n, double scale,
                         const char *activation) {
        size_t x;
        Graph *g = graph_of_rows(fields, &x);

        x = binary(g, "Sub", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){3 * scale}));
        x = binary(g, "Div", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){scale}));
        for (size_t i = 0; i < n; i++) {
                x = gemm(g, x, i > 0 ? widths[i - 1] : fields, widths[i]);
                if (i + 1 < n)
                        x = unary(g, activation, x);
        }
        finish(g, unary(g, widths[n - 1] == 1 ? "Sigmoid" : "Softmax", x));
        return g;
}

static void test_mlp(void **state) {
        static const struct {
                size_t fields, n, widths[4];
                double scale;
                const char *activation;
        } cases[] = {
                {12, 3, {16, 8, 2}, 50, "Relu"},       {6, 3, {32, 32, 2}, 1000, "Relu"},
                {6, 3, {32, 32, 5}, 1e6, "Relu"},      {30, 2, {40, 3}, 20, "LeakyRelu"},
                {8, 3, {16, 16, 1}, 100, "Relu"},      {8, 3, {16, 16, 4}, 100, "Tanh"},
                {8, 3, {16, 16, 4}, 100, "Sigmoid"},   {4, 1, {3}, 10000, "Relu"},
                {10, 4, {24, 24, 24, 6}, 300, "Relu"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(graph_freep)
                Graph *g = random_mlp(cases[i].fields, cases[i].widths, cases[i].n, cases[i].scale,
                                      cases[i].activation);
                _cleanup_free_
                uint32_t *rows = random_rows(4000, cases[i].fields, cases[i].scale);
                CalibrationRows calibration = {2000, cases[i].fields, rows};
                CompileOptions o = COMPILE_OPTIONS_INIT;
                CompileReport report;
                _cleanup_(program_freep)
                Program *p = NULL;
                double fresh;

                o.calibration = &calibration;
                p = compiled(g, &o, &report);
                fresh = agreement(g, p, rows + 2000 * cases[i].fields, 2000);
                assert_true(report.agreement[p->precision] >= 0.995);
                assert_true(report.agreement[PRECISION_INT16] >= 0.998);
                assert_true(report.agreement[PRECISION_Q16] >= 0.998);
                assert_true(fresh >= 0.995);
                assert_int_equal(p->decision, cases[i].widths[cases[i].n - 1] == 1
                                                      ? DECISION_THRESHOLD
                                                      : DECISION_ARGMAX);
        }
}

/* Held-out agreement in each precision, and the label that the graph gives on new rows. */
static void check_agreement(const Graph *g, size_t fields, double scale, double int8,
                            double int16) {
        _cleanup_free_
        uint32_t *rows = random_rows(800, fields, scale);
        CalibrationRows calibration = {800, fields, rows};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        CompileReport report;
        _cleanup_(program_freep)
        Program *p = NULL;

        o.calibration = &calibration;
        p = compiled(g, &o, &report);
        if (report.agreement[PRECISION_INT8] < int8 || report.agreement[PRECISION_INT16] < int16 ||
            report.agreement[PRECISION_Q16] < int16)
                fail_msg("agreement %.4f %.4f %.4f, %zu cells, %zu steps", report.agreement[0],
                         report.agreement[1], report.agreement[2], p->n_cells, p->n_steps);
}

static void test_convolution(void **state) {
        size_t x, y;
        _cleanup_(graph_freep)
        Graph *g = graph_of(&x, ELEMENT_F32, 3, (int64_t[]){-1, 2, 16});

        x = binary(g, "Mul",
                   binary(g, "Sub", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){300})),
                   constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
        y = node_of(g, "", "Conv", 1, 3,
                    (size_t[]){x, random_constant(g, 3, (int64_t[]){6, 2, 3}, 0.5),
                               random_constant(g, 1, (int64_t[]){6}, 0.5)});
        y = unary(g, "MaxPool", unary(g, "Relu", y));
        attribute(g, "kernel_shape", ATTRIBUTE_INTS, 1, (double[]){2});
        attribute(g, "strides", ATTRIBUTE_INTS, 1, (double[]){2});
        y = gemm(g, unary(g, "Flatten", y), 6 * 7, 4);
        y = unary(g, "ArgMax", unary(g, "LogSoftmax", y));
        attribute(g, "axis", ATTRIBUTE_INT, 1, (double[]){1});
        finish(g, y);
        check_agreement(g, 32, 100, 0.98, 0.995);
}

static void test_recurrent(void **state) {
        for (int kind = 0; kind < 2; kind++) {
                enum { STEPS = 6, WIDTH = 4, HIDDEN = 8 };
                int64_t rows = (kind == 0 ? 3 : 4) * HIDDEN;
                size_t x, y;
                _cleanup_(graph_freep)
                Graph *g = graph_of(&x, ELEMENT_F32, 3, (int64_t[]){STEPS, -1, WIDTH});

                x = binary(g, "Sub", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){300}));
                x = binary(g, "Mul", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
                y = node_of(g, "", kind == 0 ? "GRU" : "LSTM", kind == 0 ? 2 : 3, 4,
                            (size_t[]){x, random_constant(g, 3, (int64_t[]){1, rows, WIDTH}, 0.5),
                                       random_constant(g, 3, (int64_t[]){1, rows, HIDDEN}, 0.5),
                                       random_constant(g, 2, (int64_t[]){1, 2 * rows}, 0.5)});
                attribute(g, "hidden_size", ATTRIBUTE_INT, 1, (double[]){HIDDEN});
                attribute(g, "linear_before_reset", ATTRIBUTE_INT, 1, (double[]){1});
                y = gemm(g, unary(g, "Flatten", y + 1), HIDDEN, 3);
                finish(g, unary(g, "Softmax", y));
                check_agreement(g, STEPS * WIDTH, 100, 0.95, 0.99);
        }
}

/* MLPClassifier of scikit-learn for two classes: 1 - p and p, the larger's name. */
static void test_sklearn(void **state) {
        size_t x, y, p, both;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(8, &x);
        _cleanup_(program_freep)
        Program *program = NULL;
        _cleanup_free_
        uint32_t *rows = random_rows(1000, 8, 100);
        CalibrationRows calibration = {1000, 8, rows};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        CompileReport report;
        size_t classes = constant(g, ELEMENT_I64, 1, (int64_t[]){2}, (double[]){-7, 9});

        x = binary(g, "Sub", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){300}));
        x = binary(g, "Mul", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
        y = unary(g, "Relu", gemm(g, x, 8, 12));
        p = unary(g, "Sigmoid", gemm(g, y, 12, 1));
        both = node_of(
                g, "", "Concat", 1, 2,
                (size_t[]){binary(g, "Sub", constant(g, ELEMENT_F32, 0, NULL, (double[]){1}), p),
                           p});
        attribute(g, "axis", ATTRIBUTE_INT, 1, (double[]){1});
        y = unary(g, "ArgMax", both);
        attribute(g, "axis", ATTRIBUTE_INT, 1, (double[]){1});
        y = node_of(g, DOMAIN_ML, "ArrayFeatureExtractor", 1, 2, (size_t[]){classes, y});
        y = unary(g, "Cast", y);
        attribute(g, "to", ATTRIBUTE_INT, 1, (double[]){7});
        assert_true(graph_add_output(g, y) >= 0);
        finish(g, node_of(g, DOMAIN_ML, "Normalizer", 1, 1, &both));
        o.calibration = &calibration;
        program = compiled(g, &o, &report);
        assert_int_equal(program->decision, DECISION_THRESHOLD);
        assert_int_equal(program->labels[0], -7);
        assert_int_equal(program->labels[1], 9);
        assert_int_equal(report.multiplications, 8 * 12 + 12);
        assert_true(report.agreement[program->precision] >= 0.995);
}

static void test_linear(void **state) {
        static const char *const words[] = {"a", "b", "c"};

        for (int svm = 0; svm < 3; svm++) {
                size_t x, y;
                _cleanup_(graph_freep)
                Graph *g = graph_of_rows(6, &x);
                double numbers[128];

                x = node_of(g, DOMAIN_ML, "Scaler", 1, 1, &x);
                attribute(g, "offset", ATTRIBUTE_FLOATS, 1, (double[]){300});
                attribute(g, "scale", ATTRIBUTE_FLOATS, 1, (double[]){0.01});
                for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                        numbers[i] = random_normal();
                y = node_of(g, DOMAIN_ML, svm ? "SVMClassifier" : "LinearClassifier", 2, 1, &x);
                attribute_words(g, "classlabels_strings", ATTRIBUTE_STRINGS, 3, words);
                if (svm < 2)
                        attribute(g, "coefficients", ATTRIBUTE_FLOATS, 18, numbers);
                if (!svm) {
                        attribute(g, "intercepts", ATTRIBUTE_FLOATS, 3, numbers + 20);
                        attribute_words(g, "post_transform", ATTRIBUTE_STRING, 1,
                                        (const char *const[]){"SOFTMAX"});
                } else if (svm == 1)
                        attribute(g, "rho", ATTRIBUTE_FLOATS, 1, (double[]){0.1});
                else { /* two vectors for each of the three classes */
                        attribute(g, "vectors_per_class", ATTRIBUTE_INTS, 3, (double[]){2, 2, 2});
                        attribute(g, "support_vectors", ATTRIBUTE_FLOATS, 36, numbers + 30);
                        attribute(g, "coefficients", ATTRIBUTE_FLOATS, 12, numbers + 70);
                        attribute(g, "rho", ATTRIBUTE_FLOATS, 3, numbers + 90);
                }
                finish(g, y);
                check_agreement(g, 6, 100, 0.985, 0.995);
        }
}

/* A byte is 0 to 255, in every precision: a model that decides at 150, and one of which all scores
 * are far below 0. */
static void test_bytes(void **state) {
        uint32_t rows[256];
        CalibrationRows calibration = {256, 1, rows};

        for (uint32_t i = 0; i < 256; i++)
                rows[i] = i * 7 % 256;
        for (int precision = 0; precision < _PRECISION_COUNT; precision++)
                for (int scores = 0; scores < 2; scores++) {
                        size_t x, y, w, b;
                        _cleanup_(graph_freep)
                        Graph *g = graph_of_rows(1, &x);
                        _cleanup_(program_freep)
                        Program *p = NULL;
                        CompileOptions o = COMPILE_OPTIONS_INIT;
                        CompileReport report;
                        int32_t scratch[16];

                        if (scores) {
                                w = constant(g, ELEMENT_F32, 2, (int64_t[]){1, 3},
                                             (double[]){0, 1, 0.5});
                                b = constant(g, ELEMENT_F32, 1, (int64_t[]){3},
                                             (double[]){-999.75, -1149.75, -1199.75});
                        } else {
                                w = constant(g, ELEMENT_F32, 2, (int64_t[]){1, 1}, (double[]){0.1});
                                b = constant(g, ELEMENT_F32, 1, (int64_t[]){1},
                                             (double[]){-14.975});
                        }
                        y = node_of(g, "", "Gemm", 1, 3, (size_t[]){x, w, b});
                        finish(g, scores ? y : unary(g, "Sigmoid", y));
                        o.precision = precision;
                        o.calibration = &calibration;
                        p = compiled(g, &o, &report);
                        for (uint32_t raw = 0; raw < 256; raw++)
                                if (raw < 148 || raw > 152)
                                        assert_int_equal(reference_run(p, &raw, scratch, NULL),
                                                         raw >= 150);
                }
}

/* Two scores beyond all that calibration saw are still told apart. */
static void test_outliers(void **state) {
        size_t x;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(2, &x);
        uint32_t rows[64], raw[2] = {40000, 50000};
        CalibrationRows calibration = {32, 2, rows};
        const Interval ranges[2] = {{0, 100000}, {0, 100000}};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        int32_t scratch[16];

        for (uint32_t i = 0; i < ELEMENTSOF(rows); i++)
                rows[i] = i % 5 == 0 ? 20000 : i * 31 % 100;
        finish(g, node_of(g, "", "MatMul", 1, 2,
                          (size_t[]){x, constant(g, ELEMENT_F32, 2, (int64_t[]){2, 2},
                                                 (double[]){1, 0, 0, 1})}));
        o.calibration = &calibration;
        o.field_ranges = ranges;
        for (o.precision = PRECISION_INT16; o.precision < _PRECISION_COUNT; o.precision++) {
                _cleanup_(program_freep)
                Program *p = compiled(g, &o, NULL);

                raw[0] = 30000;
                raw[1] = 31000;
                assert_int_equal(reference_run(p, raw, scratch, NULL), 1);
                raw[0] = 32000;
                assert_int_equal(reference_run(p, raw, scratch, NULL), 0);
        }
}

/* What decides nothing has outputs near the float engine's. */
static void test_values(void **state) {
        size_t x;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(3, &x);
        _cleanup_free_
        uint32_t *rows = random_rows(400, 3, 100);
        CalibrationRows calibration = {400, 3, rows};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        CompileReport report;
        _cleanup_(program_freep)
        Program *p = NULL;
        int32_t scratch[256], outputs[PROGRAM_OUTPUTS_MAX];

        x = binary(g, "Mul", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){0.01}));
        finish(g, gemm(g, unary(g, "Tanh", gemm(g, x, 3, 8)), 8, 2));
        o.calibration = &calibration;
        o.values = true;
        p = compiled(g, &o, &report);
        assert_int_equal(p->decision, DECISION_VALUE);
        assert_true(p->n_cells <= ELEMENTSOF(scratch));
        for (size_t i = 0; i < 400; i++) {
                double fields[3], expected[2];

                for (size_t k = 0; k < 3; k++)
                        fields[k] = (double)rows[i * 3 + k];
                (void)graph_values(g, fields, expected);
                (void)reference_run(p, rows + i * 3, scratch, outputs);
                for (size_t k = 0; k < 2; k++)
                        assert_true(fabs(outputs[k] * p->output_scale - expected[k]) < 0.1);
        }
}

/* What the shares say of rows not seen: known values of Wilson's interval. */
static void test_bound(void **state) {
        assert_true(fabs(choose_agreement_bound(1, 1000) - 0.994617) < 1e-5);
        assert_true(fabs(choose_agreement_bound(0.5, 100) - 0.386710) < 1e-5);
        assert_true(choose_agreement_bound(1, 1077) >= 0.995);
        assert_true(choose_agreement_bound(1, 1076) < 0.995);
        assert_true(choose_agreement_bound(1 - 2.0 / 2000, 2000) >= 0.995);
        assert_true(choose_agreement_bound(1 - 3.0 / 2000, 2000) < 0.995);
        assert_true(choose_agreement_bound(0, 50) >= 0 && choose_agreement_bound(0, 50) < 1e-9);
        assert_true(choose_agreement_bound(1, 0) < 1e-9);
}

/* Few rows do not make int8 look as good as it is not; many do where it is. */
static void test_choice(void **state) {
        static const double line[] = {0.1};
        size_t x;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(1, &x);
        uint32_t rows[3000];
        CalibrationRows calibration = {200, 1, rows};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        CompileReport report;
        Program *p;

        for (uint32_t i = 0; i < ELEMENTSOF(rows); i++)
                rows[i] = i * 7 % 100;
        x = node_of(g, "", "MatMul", 1, 2,
                    (size_t[]){x, constant(g, ELEMENT_F32, 2, (int64_t[]){1, 1}, line)});
        finish(g, unary(g, "Sigmoid",
                        binary(g, "Sub", x, constant(g, ELEMENT_F32, 0, NULL, (double[]){4.95}))));
        o.calibration = &calibration;
        p = compiled(g, &o, &report);
        assert_int_equal(p->precision, PRECISION_INT16);
        assert_true(report.agreement[PRECISION_INT8] >= 1 && report.agreement_bound < 0.995);
        program_free(p);
        calibration.n_rows = ELEMENTSOF(rows);
        p = compiled(g, &o, &report);
        assert_int_equal(p->precision, PRECISION_INT8);
        assert_true(isnan(report.agreement[PRECISION_INT16]) || report.agreement_bound >= 0.995);
        program_free(p);
        o.agreement_min = 1; /* never sure, but it is so */
        p = compiled(g, &o, &report);
        assert_int_equal(p->precision, PRECISION_INT16);
        program_free(p);
}

/* Two large fields that differ by one: no precision tells them apart. Refused, but by force. */
static void test_force(void **state) {
        size_t x;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(2, &x);
        uint32_t rows[4000];
        CalibrationRows calibration = {ELEMENTSOF(rows) / 2, 2, rows};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        CompileReport report;
        Program *p;
        Error e = ERROR_INIT;
        double best = 0;

        for (size_t i = 0; i < ELEMENTSOF(rows); i += 2) {
                rows[i] = 1 + random_u32() % (1u << 23);
                rows[i + 1] = rows[i] + (random_u32() % 2 ? 1 : -1u);
        }
        finish(g, node_of(g, "", "MatMul", 1, 2,
                          (size_t[]){x, constant(g, ELEMENT_F32, 2, (int64_t[]){2, 2},
                                                 (double[]){1, 0, 0, 1})}));
        o.calibration = &calibration;
        assert_int_equal(compile_graph(g, &o, &p, NULL, &e), -EDOM);
        assert_non_null(strstr(e.text, "no precision decides"));
        o.force = true;
        p = compiled(g, &o, &report);
        for (int k = 0; k < _PRECISION_COUNT; k++)
                best = fmax(best, report.agreement[k]);
        assert_true(report.agreement[p->precision] >= best);
        program_free(p);
}

/* No calibration rows, and rows of another width. */
static void test_refusals(void **state) {
        size_t x;
        _cleanup_(graph_freep)
        Graph *g = graph_of_rows(3, &x);
        uint32_t rows[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        CalibrationRows calibration = {2, 4, rows};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        Program *p;
        Error e = ERROR_INIT;

        finish(g, gemm(g, x, 3, 2));
        assert_int_equal(compile_graph(g, &o, &p, NULL, &e), -EINVAL);
        assert_non_null(strstr(e.text, "calibration"));
        e = ERROR_INIT;
        o.calibration = &calibration;
        assert_int_equal(compile_graph(g, &o, &p, NULL, &e), -EINVAL);
        assert_non_null(strstr(e.text, "takes 3"));
        assert_non_null(strstr(e.text, "4 columns"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mlp),       cmocka_unit_test(test_convolution),
                cmocka_unit_test(test_recurrent), cmocka_unit_test(test_sklearn),
                cmocka_unit_test(test_linear),    cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_bytes),     cmocka_unit_test(test_outliers),
                cmocka_unit_test(test_values),    cmocka_unit_test(test_bound),
                cmocka_unit_test(test_choice),    cmocka_unit_test(test_force),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
