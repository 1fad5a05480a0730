/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Tries the precisions and takes the cheapest that agrees with the float engine. */

#include "models/compiler/quantize.h"

/* The groups are of c. Returns 0, -EDOM with *e where none agrees well enough, or what quantize()
 * and graph_run() return. */
int choose_precision(const Cells *c, const Groups *groups, const CompileOptions *options,
                     Program **ret, CompileReport *ret_report, Error *e);

/* The passes before that: the model as real numbers, and what it decides by (compile.c). */
int compile_cells(const Graph *g, const CompileOptions *o, Cells **ret, Error *e);
