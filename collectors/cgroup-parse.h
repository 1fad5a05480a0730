/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* /proc/PID/cgroup and the cgroup lines of /proc/PID/mountinfo. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"

typedef enum CgroupHierarchy {
        CGROUP_V2,
        CGROUP_V1_SYSTEMD, /* name=systemd */
        CGROUP_V1_CPU,
        _CGROUP_HIERARCHY_COUNT,
} CgroupHierarchy;

/* A piece of somebody's text, without NUL at its end. start NULL: none. */
typedef struct CgroupPath {
        const char *start;
        size_t length;
} CgroupPath;

/* Paths of a process in each hierarchy, from the text of /proc/PID/cgroup, without " (deleted)". */
void cgroup_parse_paths(const char *text, CgroupPath ret[_CGROUP_HIERARCHY_COUNT]);

/*
 * Where a hierarchy is mounted, from the text of mountinfo; escapes (\040) are decoded. ret_root:
 * which of its cgroups the mount point shows. Only the first mount counts. Returns 0, -ENOENT, or
 * -ENAMETOOLONG where one of the two does not fit.
 */
int cgroup_parse_mount(const char *text, CgroupHierarchy hierarchy, char *ret_root, char *ret_point,
                       size_t size);
