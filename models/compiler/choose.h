/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Tries the precisions and takes the cheapest that agrees with the float engine. */

#include "models/compiler/quantize.h"

/* The groups are of c. Returns 0, -EDOM with *e where none agrees well enough, or what quantize()
 * and graph_run() return. */
int choose_precision(const Cells *c, const Groups *groups, const CompileOptions *options,
                     Program **ret, CompileReport *ret_report, Error *e);
