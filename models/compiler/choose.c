/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/choose.h"

#include "models/compiler/lower.h"
#include "models/compiler/reference.h"

#define VALUE_TOLERANCE 0.01 /* of the range of an output, where there is no decision */

/* The held-out rows and what the float engine makes of them. */
typedef struct Judge {
        const Cells *c;
        size_t n;
        size_t stride;
        const CalibrationRows *rows;
        int64_t *decisions;
        double *outputs; /* [n][n_outputs], the cells that the decision is taken from */
        double range;    /* of all of them */
        double distance; /* sum of squares of what they and the graph's output differ by */
} Judge;

static void judge_done(Judge *j) {
        free(j->decisions);
        free(j->outputs);
}

static const uint32_t *judge_row(const Judge *j, size_t i) {
        return j->rows->rows + (i * j->stride + j->stride - 1) * j->rows->n_fields;
}

/* One row by the float engine and by the cells, which have to agree but for rounding at a tie. */
static int judge_add(Judge *j, size_t i, GraphRow *row, double *fields, double *values,
                     size_t *differ, Error *e) {
        const Decision *d = &j->c->decision;
        double *outputs = j->outputs + i * d->n_outputs, numbers[PROGRAM_OUTPUTS_MAX] = {0};
        size_t best = 0;
        int r;

        for (size_t k = 0; k < j->c->n_fields; k++)
                fields[k] = (double)judge_row(j, i)[k];
        graph_row_set(row, fields);
        r = lower_graph_decide(j->c, row, &j->decisions[i], numbers, e);
        if (r >= 0)
                r = cells_run(j->c, fields, values, e);
        if (r < 0)
                return r;
        for (size_t k = 0; k < d->n_outputs; k++) {
                outputs[k] = values[d->outputs[k]];
                if (!isfinite(outputs[k]))
                        return error_set(e, -EINVAL,
                                         "the model's output is %g on a calibration row",
                                         outputs[k]);
                if (outputs[k] > outputs[best])
                        best = k;
                j->distance += (outputs[k] - numbers[k]) * (outputs[k] - numbers[k]);
        }
        if (d->kind == DECISION_THRESHOLD)
                best = outputs[0] > d->threshold;
        if (d->kind != DECISION_VALUE)
                *differ += (int64_t)best != j->decisions[i];
        return 0;
}

static int judge_init(Judge *j, const Cells *c, const CalibrationRows *rows, Error *e) {
        _cleanup_(graph_row_freep)
        GraphRow *row = NULL;
        _cleanup_free_
        double *fields = calloc(c->n_fields + 1, sizeof(*fields)), *values = NULL;
        size_t differ = 0;
        double low = (double)INFINITY, high = -(double)INFINITY;
        int r;

        *j = (Judge){.c = c, .rows = rows, .stride = rows->n_rows > 1 ? 2 : 1};
        j->n = rows->n_rows / j->stride;
        values = calloc(c->n + 1, sizeof(*values));
        j->decisions = calloc(j->n + 1, sizeof(*j->decisions));
        j->outputs = calloc(j->n * c->decision.n_outputs + 1, sizeof(*j->outputs));
        if (!fields || !values || !j->decisions || !j->outputs)
                return -ENOMEM;
        r = graph_row_new(c->graph, &row, e);
        for (size_t i = 0; i < j->n && r >= 0; i++)
                r = judge_add(j, i, row, fields, values, &differ, e);
        if (r < 0)
                return r;
        if (differ > j->n / 100 + 1)
                return error_set(e, -ENOTSUP,
                                 "the lowered model decides otherwise than the float engine on %zu "
                                 "of %zu rows",
                                 differ, j->n);
        for (size_t i = 0; i < j->n * c->decision.n_outputs; i++) {
                low = MIN(low, j->outputs[i]);
                high = MAX(high, j->outputs[i]);
        }
        j->range = MAX(high - low, 1e-30);
        if (c->decision.kind == DECISION_VALUE && c->decision.scores &&
            sqrt(j->distance / (double)MAX(j->n * c->decision.n_outputs, (size_t)1)) >
                    VALUE_TOLERANCE * j->range + 1e-6 * (1 + MAX(fabs(low), fabs(high))))
                return error_set(e, -ENOTSUP,
                                 "the lowered model computes other numbers than the float engine");
        return 0;
}

/* Share of rows on which p agrees, and the largest error of an output. */
static int judge(const Judge *j, const Program *p, double *ret, double *ret_error) {
        const Decision *d = &j->c->decision;
        _cleanup_free_
        int32_t *scratch = calloc(p->n_cells + 1, sizeof(*scratch));
        int32_t outputs[PROGRAM_OUTPUTS_MAX];
        size_t same = 0;
        double worst = 0;

        if (!scratch)
                return -ENOMEM;
        for (size_t i = 0; i < j->n; i++) {
                int64_t decision = reference_run(p, judge_row(j, i), scratch, outputs);
                double off = 0;

                for (size_t k = 0; k < d->n_outputs; k++)
                        off = MAX(off, fabs((double)outputs[k] * p->output_scale -
                                            j->outputs[i * d->n_outputs + k]));
                worst = MAX(worst, off);
                if (d->kind == DECISION_VALUE)
                        same += off <= VALUE_TOLERANCE * j->range;
                else
                        same += decision == j->decisions[i];
        }
        *ret = j->n > 0 ? (double)same / (double)j->n : 1;
        *ret_error = worst;
        return 0;
}

typedef struct Choice {
        Program *program;
        double agreement;
        double error;
        bool sure; /* rows not seen will agree as well as is asked for */
} Choice;

#define QUANTILE_99 2.3263 /* of the normal distribution */

double choose_agreement_bound(double agreement, size_t n) {
        double p = CLAMP(agreement, 0.0, 1.0), rows = (double)n, z = QUANTILE_99;
        double spread = z * sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows));

        return n > 0 ? MAX((p + z * z / (2 * rows) - spread) / (1 + z * z / rows), 0.0) : 0;
}

/* Of the ways of one precision the first that is sure to agree, or the best. */
static int try_precision(const Cells *c, const Groups *groups, const Calibration *calibration,
                         const CompileOptions *o, const Judge *j, Precision precision, Choice *ret,
                         Error *e) {
        const Quantization *q;
        int failed = -EOVERFLOW;

        for (size_t i = 0; !ret->sure && (q = quantization_at(precision, i)); i++) {
                _cleanup_(program_freep)
                Program *p = NULL;
                Error inner = ERROR_INIT;
                Choice one = {.agreement = 1};
                int r;

                r = quantize(c, groups, calibration, o->field_ranges, q, &p, &inner);
                if (r == -EOVERFLOW) {
                        (void)error_set(e, r, "%s", inner.text);
                        continue;
                }
                if (r >= 0 && j)
                        r = judge(j, p, &one.agreement, &one.error);
                if (r < 0)
                        return error_set(e, r, "%s", inner.text);
                failed = 0;
                one.sure = p->trees_only ||
                           (j && choose_agreement_bound(one.agreement, j->n) >= o->agreement_min);
                if (!ret->program || one.sure || one.agreement > ret->agreement) {
                        program_free(ret->program);
                        *ret = one;
                        ret->program = TAKE_PTR(p);
                }
        }
        return failed;
}

static int refuse(const CompileOptions *o, const CompileReport *report, Error *e) {
        char text[128] = "";
        size_t used = 0;

        for (int p = 0; p < _PRECISION_COUNT && used < sizeof(text); p++)
                if (!isnan(report->agreement[p]))
                        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %.4f",
                                                 used > 0 ? ", " : "", precision_name((Precision)p),
                                                 report->agreement[p]);
        return error_set(e, -EDOM,
                         "no precision decides as the float engine does on %.4f of %zu held-out "
                         "rows: %s. A precision that is asked for by name is taken as it is",
                         o->agreement_min, report->rows, text);
}

/* Where none is sure, as too few rows tell little: int16 rounds so much less than int8 that it is
 * better if it agrees as well; q16 has to agree better. */
static bool is_better(const Choice *one, const Choice *than, Precision p) {
        if (!than->program || than->sure)
                return !than->program;
        return one->sure || one->agreement > than->agreement ||
               (p != PRECISION_Q16 && one->agreement >= than->agreement);
}

/* The first precision that is sure, from cheap to dear, else the best. */
static int try_all(const Cells *c, const Groups *groups, const Calibration *calibration,
                   const CompileOptions *o, const Judge *j, Choice *ret, CompileReport *report,
                   Error *e) {
        Error overflow = ERROR_INIT;

        for (int p = 0; p < _PRECISION_COUNT; p++) {
                Choice one = {0};
                int r;

                if (o->precision >= 0 && o->precision != p)
                        continue;
                r = try_precision(c, groups, calibration, o, j, (Precision)p, &one, &overflow);
                if (r < 0) {
                        program_free(one.program);
                        if (r == -EOVERFLOW && o->precision < 0)
                                continue;
                        return error_set(e, r, "%s: %s", precision_name((Precision)p),
                                         overflow.text);
                }
                report->agreement[p] = one.agreement;
                if (is_better(&one, ret, (Precision)p)) {
                        program_free(ret->program);
                        *ret = one;
                } else
                        program_free(one.program);
        }
        return ret->program ? 0 : error_set(e, -EOVERFLOW, "%s", overflow.text);
}

static int choose_by_rows(const Cells *c, const Groups *groups, const CompileOptions *o,
                          Program **ret, CompileReport *report, Error *e) {
        _cleanup_(judge_done)
        Judge j = {0};
        _cleanup_(calibration_freep)
        Calibration *calibration = NULL;
        Choice chosen = {0};
        int r;

        r = judge_init(&j, c, o->calibration, e);
        if (r >= 0)
                r = calibrate(c, o->calibration, 0, j.stride, &calibration, e);
        if (r < 0)
                return r;
        report->rows = j.n;
        r = try_all(c, groups, calibration, o, &j, &chosen, report, e);
        if (r >= 0 && o->precision < 0 && !chosen.sure && !o->force &&
            chosen.agreement < o->agreement_min)
                r = refuse(o, report, e);
        if (r < 0) {
                program_free(chosen.program);
                return r;
        }
        report->error_max = chosen.error;
        report->agreement_bound = chosen.program->trees_only
                                          ? 1
                                          : choose_agreement_bound(chosen.agreement, j.n);
        *ret = chosen.program;
        return 0;
}

int choose_precision(const Cells *c, const Groups *groups, const CompileOptions *o, Program **ret,
                     CompileReport *report, Error *e) {
        Precision precision = o->precision >= 0 ? (Precision)o->precision : PRECISION_INT8;
        Choice one = {0};
        int r;

        for (int p = 0; p < _PRECISION_COUNT; p++)
                report->agreement[p] = (double)NAN;
        report->agreement_bound = (double)NAN;
        if (o->calibration && o->calibration->n_rows > 0)
                r = choose_by_rows(c, groups, o, &one.program, report, e);
        else {
                for (size_t i = 0; i < groups->n; i++)
                        if (groups->groups[i].kind != STEP_TREES)
                                return error_set(e, -EINVAL,
                                                 "the model needs calibration rows: only trees on "
                                                 "fields can do without");
                r = try_precision(c, groups, NULL, o, NULL, precision, &one, e);
        }
        if (r < 0)
                return r;
        *ret = one.program;
        return 0;
}
