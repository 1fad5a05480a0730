/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What scope and rules share; the scope functions themselves are declared in policy.h. */

#include <stdbool.h>

/* Whether cgroup is top or lies below it. An unknown cgroup ("") lies nowhere. */
bool cgroup_is_below(const char *cgroup, const char *top);
