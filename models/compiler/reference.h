/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Runs an integer program in user space, step by step as program.h defines them: the oracle that
 * the kernel's results are held against, bit by bit. */

#include "models/compiler/program.h"

/* raw: n_fields unsigned 32-bit fields. scratch: n_cells. ret_outputs: the n_outputs cells, may be
 * NULL. Returns the decision (index for argmax, 0 or 1 for a threshold, 0 for values). */
int64_t reference_run(const Program *p, const uint32_t *raw, int32_t *scratch,
                      int32_t *ret_outputs);
