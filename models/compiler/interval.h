/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Interval analysis: proves of every step that nothing in it leaves its type, whatever the fields.
 */

#include "models/compiler/program.h"

/* What the field's cell can be. Returns false where that needs more than 64 bits. */
bool interval_of_field(const FieldQuant *q, Interval *ret);

/*
 * Fills Step.outputs, .accumulator and .wide of every step. p has passed program_check(). Returns
 * 0, -EOVERFLOW with *e naming step, output and the value that does not fit, or -ENOMEM.
 */
int interval_analyse(Program *p, Error *e);
