/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What aikm-compile does. Each returns 0 or -errno with *e; what it found wrong (rows that differ)
 * is an error, too. */

#include "models/compiler/options.h"

int verb_compile(const CommandOptions *o, Error *e);
int verb_inspect(const CommandOptions *o, Error *e);
int verb_verify(const CommandOptions *o, Error *e);
int verb_bench(const CommandOptions *o, Error *e);
