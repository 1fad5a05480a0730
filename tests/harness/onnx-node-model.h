/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* ONNX files of one node of ai.onnx.ml, for which the ONNX project has no tests. */

#include <stddef.h>

/* "Scaler offset=F:1,2 scale=F:0.5,2": the operator and its attributes, each with the letter of its
 * kind (i, f, s, or I, F, S for lists). The first input is x, float32 of (3, 2); a second one is an
 * initializer, int64 of (1) that holds 1. Every output that the operator has is an output. Returns
 * 0, or -ENOMEM or -EINVAL. */
int onnx_node_model(const char *text, void **ret, size_t *ret_size);
