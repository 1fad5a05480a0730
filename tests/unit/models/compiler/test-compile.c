/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "build.h"

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
                assert_true(fresh >= 0.985);
                assert_int_equal(p->decision, cases[i].widths[cases[i].n - 1] == 1
                                                      ? DECISION_THRESHOLD
                                                      : DECISION_ARGMAX);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mlp),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
