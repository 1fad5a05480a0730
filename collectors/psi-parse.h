/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Text of /proc/pressure/{cpu,io,memory} to totals. Pure. */

#include "collectors/sample.h"

/* A file without a "full" line (cpu before 5.13) has full_total 0. Returns 0, or -EBADMSG where
 * "some" is missing or a total is no number. */
int psi_parse(const char *text, Psi *ret);
