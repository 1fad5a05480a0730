/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* From a graph to an integer program: lowering, the passes, and the choice of precision. */

#include "models/compiler/program.h"
#include "models/graph.h"

/* Rows to calibrate and to measure agreement by: raw fields, as the kernel will have them. Every
 * second row is held out from calibration, and agreement is measured on those. */
typedef struct CalibrationRows {
        size_t n_rows;
        size_t n_fields;
        const uint32_t *rows; /* [n_rows][n_fields] */
} CalibrationRows;

typedef struct CompileOptions {
        const char *name; /* of the program; a C identifier */
        int precision;    /* a Precision, or -1: measure all and take the cheapest that agrees with
                             99 % certainty, else the best */
        double agreement_min; /* share of rows with the same decision that "agrees" means; 0.995 */
        bool force;           /* the best is taken where none agrees, in place of refusing */
        const CalibrationRows *calibration; /* NULL: only models of trees, which need none */
        const Interval *field_ranges; /* [n_fields] or NULL: what the feature spec states of each */
        double threshold; /* NAN, or what a model that gives one number decides by: above it, 1 */
        bool values;      /* the model decides nothing: its outputs are wanted as numbers */
} CompileOptions;

#define COMPILE_OPTIONS_INIT                      \
        ((CompileOptions){.name = "model",        \
                          .precision = -1,        \
                          .agreement_min = 0.995, \
                          .threshold = (double)__builtin_nanf("")})

typedef struct CompileReport {
        /* With the float engine, on the calibration rows held out; NAN: not tried, or no rows. Of a
         * model that decides nothing: the share of rows whose outputs are all within 1 % of their
         * range. */
        double agreement[_PRECISION_COUNT];
        double agreement_bound; /* of the one chosen: what share of rows not seen will agree, with
                                   99 % certainty; 1 of trees alone; NAN: no rows */
        double error_max;       /* largest |output - float output| of the one chosen */
        size_t rows;            /* that agreement was measured on */
        size_t multiplications; /* multiply-accumulates of one inference */
} CompileReport;

/* How many fields the model takes. Returns 0, or -ENOTSUP with *e where that is not fixed or not 1
 * to PROGRAM_FIELDS_MAX. */
int compile_count_fields(const Graph *g, size_t *ret, Error *e);

/* Returns 0 or -errno with *e naming the operator or node and the reason: one that the float engine
 * runs but the kernel can't, a shape that depends on data, sizes above PROGRAM_*_MAX, a model
 * without trees and no calibration rows, intervals that do not fit, no precision that agrees. */
int compile_graph(const Graph *g, const CompileOptions *options, Program **ret,
                  CompileReport *ret_report, Error *e);
