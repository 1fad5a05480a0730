/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Where in the tree of scheduling groups two of them compete. The scheduler shares a CPU among the
 * children of one group by their weights: of two groups it is the ancestors right below the last
 * common one that are weighed against each other, and no weight further down counts. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"

/* A group by its path in the v2 hierarchy; borrowed, without NUL at its end. length 0: unknown. */
typedef struct GroupPath {
        const char *start;
        size_t length;
} GroupPath;

/*
 * How many bytes of own name the group that is weighed against other ("/system.slice/hogs.service"
 * against "/system.slice/db.service": all of it; against "/user.slice/…": "/system.slice"). 0 where
 * own's tasks themselves are weighed, because own is the root or holds other, and where either is
 * unknown.
 */
size_t reach_weighed(GroupPath own, GroupPath other);

/* Whether the group is a service's, scope's or slice's of a service manager: in slices, the
 * machine's or, below a user@UID.service, a user's. What is below other services and scopes is
 * delegated: it looks after itself, whatever the names there are. */
bool reach_is_unit(GroupPath group);
