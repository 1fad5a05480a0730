/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What demotions bought and cost, as a table. */

#include "cli/json.h"
#include "cli/table.h"
#include "util/time.h"

/* now: realtime, for the ages. NULL: out of memory. */
Table *impact_table(const json_object *rows, usec_t now, bool utf8);
