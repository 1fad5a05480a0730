/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-compile verify: float engine, integer reference and running kernel, row by row. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/compiler/float-model.h"
#include "models/compiler/job.h"
#include "models/compiler/kernel.h"
#include "models/compiler/reference.h"
#include "models/compiler/sheet.h"
#include "models/compiler/verbs.h"

#define TOLD_MAX 5           /* rows that differ are told one by one up to here */
#define VALUE_TOLERANCE 0.01 /* of the outputs' range, where there is no decision */

typedef struct Verification {
        const Job *j;
        FloatModel *floats;
        KernelModel *kernel; /* NULL: not asked */
        int32_t *cells;
        double *wanted; /* of the float engine: [n_rows][n_outputs] */
        double *got;    /* of the reference */
        int64_t *wanted_decision;
        int64_t *decision;
        size_t agree;
        size_t kernel_differs;
        double error_max;
} Verification;

static void verification_done(Verification *v) {
        float_model_free(v->floats);
        kernel_model_free(v->kernel);
        free(v->cells);
        free(v->wanted);
        free(v->got);
        free(v->wanted_decision);
        free(v->decision);
}

static int verification_init(Verification *v, const Job *j, Error *e) {
        size_t n = j->rows.n_rows, outputs = j->program->n_outputs;

        *v = (Verification){.j = j};
        v->cells = calloc(j->program->n_cells + 1, sizeof(*v->cells));
        v->wanted = calloc(n * outputs + 1, sizeof(*v->wanted));
        v->got = calloc(n * outputs + 1, sizeof(*v->got));
        v->wanted_decision = calloc(n + 1, sizeof(*v->wanted_decision));
        v->decision = calloc(n + 1, sizeof(*v->decision));
        if (!v->cells || !v->wanted || !v->got || !v->wanted_decision || !v->decision)
                return error_set(e, -ENOMEM, "out of memory");
        return float_model_new(j->model.graph, &j->compile, &v->floats, e);
}

/* Line of the rows' file, if it has no empty ones. */
static void tell(const Verification *v, size_t row, const char *who, int64_t got, int64_t wanted) {
        fprintf(stderr, "row %zu: %s says %" PRId64 ", not %" PRId64 ":", row + 1, who, got,
                wanted);
        for (size_t i = 0; i < v->j->n_fields; i++)
                fprintf(stderr, "%s%" PRIu32, i > 0 ? "," : " ",
                        v->j->rows.rows[row * v->j->n_fields + i]);
        fputc('\n', stderr);
}

static int ask_kernel(Verification *v, size_t row, const int32_t *outputs, Error *e) {
        const Program *p = v->j->program;
        int32_t got[PROGRAM_OUTPUTS_MAX];
        int64_t decision;
        int r;

        r = kernel_model_run(v->kernel, v->j->rows.rows + row * v->j->n_fields, &decision, got, e);
        if (r < 0)
                return r;
        if (decision == v->decision[row] && memcmp(got, outputs, p->n_outputs * sizeof(*got)) == 0)
                return 0;
        if (v->kernel_differs++ < TOLD_MAX)
                tell(v, row, "the kernel", decision, v->decision[row]);
        return 0;
}

static int run_row(Verification *v, size_t row, Error *e) {
        const Program *p = v->j->program;
        const uint32_t *raw = v->j->rows.rows + row * v->j->n_fields;
        int32_t outputs[PROGRAM_OUTPUTS_MAX];
        int r;

        r = float_model_run(v->floats, raw, &v->wanted_decision[row],
                            v->wanted + row * p->n_outputs, e);
        if (r < 0)
                return r;
        v->decision[row] = reference_run(p, raw, v->cells, outputs);
        for (size_t i = 0; i < p->n_outputs; i++) {
                double *got = &v->got[row * p->n_outputs + i];

                *got = (double)outputs[i] * p->output_scale + p->output_offset;
                v->error_max = fmax(v->error_max, fabs(*got - v->wanted[row * p->n_outputs + i]));
        }
        return v->kernel ? ask_kernel(v, row, outputs, e) : 0;
}

/* Rows on which reference and float engine agree; those that do not are told, but for values. */
static void count_agreement(Verification *v) {
        const Program *p = v->j->program;
        size_t n = v->j->rows.n_rows, told = 0;
        double low = (double)INFINITY, high = -(double)INFINITY;

        for (size_t i = 0; i < n * p->n_outputs; i++) {
                low = fmin(low, v->wanted[i]);
                high = fmax(high, v->wanted[i]);
        }
        for (size_t i = 0; i < n; i++) {
                bool same = v->decision[i] == v->wanted_decision[i];

                for (size_t k = 0; p->decision == DECISION_VALUE && k < p->n_outputs; k++)
                        same &= fabs(v->got[i * p->n_outputs + k] -
                                     v->wanted[i * p->n_outputs + k]) <=
                                VALUE_TOLERANCE * (high - low);
                v->agree += same;
                if (!same && p->decision != DECISION_VALUE && told++ < TOLD_MAX)
                        tell(v, i, "the integer program", v->decision[i], v->wanted_decision[i]);
        }
}

static int print_json(const Verification *v, double agreement, Error *e) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o)
                return error_set(e, -ENOMEM, "out of memory");
        sheet_set(o, "name", json_object_new_string(v->j->program->name));
        sheet_set(o, "rows", json_object_new_int64((int64_t)v->j->rows.n_rows));
        sheet_set(o, "agreement", sheet_number(agreement));
        sheet_set(o, "error_max", sheet_number(v->error_max));
        sheet_set(o, "kernel_differs",
                  v->kernel ? json_object_new_int64((int64_t)v->kernel_differs) : NULL);
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
        return 0;
}

static int report(const Verification *v, const CommandOptions *o, Error *e) {
        const Program *p = v->j->program;
        size_t n = v->j->rows.n_rows;
        double agreement = (double)v->agree / (double)n, least = job_agreement_min(v->j, o);
        int r = 0;

        if (o->json) {
                r = print_json(v, agreement, e);
        } else {
                printf("%s (%s) on %zu rows\n", p->name,
                       p->trees_only ? "exact" : precision_name(p->precision), n);
                printf("  float engine = integer reference: %zu (%.2f %%), largest error %.4g\n",
                       v->agree, 100 * agreement, v->error_max);
                if (v->kernel)
                        printf("  integer reference = kernel: %zu (%.2f %%)\n",
                               n - v->kernel_differs,
                               100 * (double)(n - v->kernel_differs) / (double)n);
        }
        if (r < 0)
                return r;
        if (v->kernel_differs > 0)
                return error_set(e, -EBADMSG,
                                 "the kernel differs from the reference on %zu of %zu "
                                 "rows",
                                 v->kernel_differs, n);
        if (agreement < least)
                return error_set(e, -EDOM,
                                 "the integer program agrees with the float engine on %.4f of the "
                                 "rows: asked for is %.4f",
                                 agreement, least);
        return 0;
}

int verb_verify(const CommandOptions *o, Error *e) {
        _cleanup_(job_done)
        Job j = JOB_INIT;
        _cleanup_(verification_done)
        Verification v = {0};
        int r;

        r = job_compile(&j, o, e);
        if (r >= 0)
                r = verification_init(&v, &j, e);
        if (r >= 0 && !o->no_kernel)
                r = kernel_model_make(j.program, &v.kernel, e);
        for (size_t i = 0; r >= 0 && i < j.rows.n_rows; i++)
                r = run_row(&v, i, e);
        if (r < 0)
                return r;
        count_agreement(&v);
        return report(&v, o, e);
}
