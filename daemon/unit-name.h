/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which unit of which service manager a cgroup belongs to. Pure. */

#include <sys/types.h>

#include <stdbool.h>

#include "util/macro.h"

#define UNIT_NAME_SIZE 256             /* with NUL; systemd's limit */
#define UNIT_OWNER_MACHINE ((uid_t)-1) /* PID 1 */

typedef struct UnitName {
        uid_t owner; /* the user whose manager has it, or UNIT_OWNER_MACHINE */
        char name[UNIT_NAME_SIZE];
        const char *section; /* of its files and its D-Bus interface: "Service" */
} UnitName;

/*
 * cgroup: as /proc/PID/cgroup has it. It is a unit's where nothing but slices lies above it, and
 * above those nothing, or the user@UID.service that PID 1 runs in user-UID.slice. What lies below a
 * service or a scope is no unit, whatever its name: it was delegated, and its owner names things as
 * he likes. Returns 0 or -EINVAL; the root has no unit.
 */
int unit_name_from_cgroup(const char *cgroup, UnitName *ret);
