/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Prints an integer program as BPF C, for clang -target bpf and, with the same bits, for any C
 * compiler: the only thing that a target (XDP, tc, function) adds is its frame.
 */

#include <stdio.h>

#include "models/compiler/program.h"

/*
 * The text defines, beside static helpers and tables named NAME_…:
 *
 *   #define NAME_FIELDS n  #define NAME_CELLS n  #define NAME_OUTPUTS n
 *   struct NAME_scratch { … };        what one inference needs besides the stack
 *   #define NAME_SCRATCH 0 or 1       0: nothing, the struct is a placeholder
 *   struct NAME_raw { __u32 field[NAME_FIELDS]; };
 *   static __always_inline long NAME_run(const __u32 *raw, struct NAME_scratch *scratch,
 *                                        __s32 *outputs);
 *
 * which returns what reference_run() returns and stores the outputs where outputs is not NULL. raw
 * is best in a map: of what is on the stack the verifier knows too much, and follows each case.
 */
int emit_program(FILE *f, const Program *p);
