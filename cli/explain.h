/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One process in words: what it is, what is done about it and why, then the figures. */

#include "cli/json.h"

/* x: from client_get_explanation(). now: realtime. Returns 0 or -ENOMEM. */
int explain_print(const Context *c, const json_object *x, uint64_t now, FILE *f);
