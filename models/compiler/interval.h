/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Interval analysis: proves of every step that nothing in it leaves its type, whatever the fields.
 */

#include "models/compiler/program.h"

/* What input cell `field` can be. */
Interval interval_of_field(const FieldQuant *q);

/*
 * Fills Step.outputs, .accumulator and .wide of every step. p has passed program_check(). Returns
 * 0, -EOVERFLOW with *e naming step, output and the value that does not fit, or -ENOMEM.
 */
int interval_analyse(Program *p, Error *e);
