/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the float engine says of a row, in the terms of the program that was made of the same graph:
 * whom the integer reference is held against. */

#include "models/compiler/compile.h"

typedef struct FloatModel FloatModel;

/* options: those that the program was made with; g is borrowed. Returns 0 or what compile_graph()
 * does. */
int float_model_new(const Graph *g, const CompileOptions *options, FloatModel **ret, Error *e);
FloatModel *float_model_free(FloatModel *m);
DEFINE_CLEANUP(FloatModel *, float_model_free);

/* ret_outputs: what the program's outputs stand for (cell * output_scale + output_offset). Returns
 * 0 or what graph_run() returns. */
int float_model_run(FloatModel *m, const uint32_t *raw, int64_t *ret_decision, double *ret_outputs,
                    Error *e);
