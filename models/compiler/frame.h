/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What stands around an emitted program: a whole BPF source file for a target.
 *
 *   rows  an XDP program NAME_rows that takes the fields as consecutive __u32 from the packet's
 *         start and writes decision and outputs behind them, for BPF_PROG_TEST_RUN; and two that
 *         are timed against each other: NAME_bench picks a row of a map and runs the model on it,
 *         NAME_idle picks it alone; NAME_empty does nothing
 *   func  a global function for other BPF programs to be linked with
 *   xdp   the traffic filter (collectors/bpf/filter-shell.h), the model in it
 *   tc    the same as a classifier
 */

#include <stdio.h>

#include "models/compiler/program.h"
#include "models/compiler/target.h"

#define FRAME_ROWS 1024 /* of the map that NAME_bench picks from */

/* What the models read, by name; of NAME_rows' packet: behind the fields. */
typedef struct FrameFields {
        const char *const *names;      /* [n_fields]: C identifiers; NULL: f0, f1 … */
        const char *const *packet_ids; /* [n_fields] of models/packet-fields.h: xdp and tc */
} FrameFields;

/* Returns 0 or -errno: emit_program()'s, -EINVAL for xdp and tc without packet_ids. */
int frame_print(FILE *f, const Program *p, Target t, const FrameFields *fields, Error *e);

/* The header that goes with target func. */
void frame_print_header(FILE *f, const Program *p, const FrameFields *fields);
