/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Tries the precisions and takes the cheapest that is sure to agree with the float engine. */

#include "models/compiler/quantize.h"

/* The groups are of c. Returns 0, -EDOM with *e where none agrees well enough, or what quantize()
 * and graph_run() return. */
int choose_precision(const Cells *c, const Groups *groups, const CompileOptions *options,
                     Program **ret, CompileReport *ret_report, Error *e);

/*
 * What share of all rows agrees where that share of n rows did, with 99 % certainty: the lower end
 * of Wilson's score interval (J. Am. Stat. Assoc. 22, 1927). Of 1,000 rows one may differ for
 * 0.995; below 539 even no row that differs is not enough.
 */
double choose_agreement_bound(double agreement, size_t n);

/* The passes before that: the model as real numbers, and what it decides by (compile.c). */
int compile_cells(const Graph *g, const CompileOptions *o, Cells **ret, Error *e);
