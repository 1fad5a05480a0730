/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Ledger rows as a table; entries of one action that differ in nothing but the thread are one row.
 */

#include "cli/json.h"
#include "cli/table.h"
#include "util/time.h"

/* now: realtime, for the ages. NULL: out of memory. */
Table *ledger_table(const json_object *rows, usec_t now, bool utf8);
