/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The sheet of a compiled model: JSON that says what it is, what it was made from, how well it
 * agrees and what it costs. */

#include <json-c/json.h>

#include "models/compiler/job.h"
#include "models/compiler/kernel.h"

static inline void json_putp(json_object **o) {
        json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* What the running kernel said; refusal: why it said nothing. */
typedef struct SheetKernel {
        bool loaded;
        bool timed;
        KernelSize size;
        KernelTime time;
        Error refusal;
} SheetKernel;

/* NULL: out of memory. */
json_object *sheet_new(const Job *j, Target target, const SheetKernel *kernel);

/* For people. Also of a sheet that was read from a file: what it lacks is left out. */
void sheet_print(json_object *sheet, FILE *f);

/* Adds value to o, taking it. */
void sheet_set(json_object *o, const char *key, json_object *value);
json_object *sheet_number(double d);
