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
 *   struct NAME_scratch { … };   what one inference needs besides the stack; may be empty of use
 *   static __always_inline long NAME_run(const __u32 *raw, struct NAME_scratch *scratch, __s32
 * *outputs);
 *
 * which returns what reference_run() returns and stores the outputs where outputs is not NULL.
 */
int emit_program(FILE *f, const Program *p);
