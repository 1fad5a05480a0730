/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The kernel's list of CPUs, "0-3,8,10-11". Pure. */

#include <stdint.h>

#include "util/macro.h"

/* Counts the CPUs of a list. Returns 0, or -EBADMSG where it is empty or malformed. */
int cpu_list_parse(const char *text, uint32_t *ret_n);
