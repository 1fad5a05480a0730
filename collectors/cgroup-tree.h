/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The mounted cgroup file systems, asked for the ids that the kernel knows a process's groups by:
 * an id is the inode of the group's directory.
 */

#include "collectors/cgroup-parse.h"
#include "collectors/ident.h"
#include "collectors/sample.h"

struct CgroupTree {
        int fd[_CGROUP_HIERARCHY_COUNT];         /* mount points, -EBADF: not mounted */
        char root[_CGROUP_HIERARCHY_COUNT][256]; /* group that the mount point shows */
};

#define CGROUP_TREE_INIT ((CgroupTree){.fd = {-EBADF, -EBADF, -EBADF}})

/* Finds the mounts through proc/self/mountinfo below root_fd. Returns 0 or -errno; none mounted is
 * no failure. */
int cgroup_tree_open(int root_fd, CgroupTree *t);
void cgroup_tree_done(CgroupTree *t);

/* Id of the group that a process has in the v2 hierarchy. text: its /proc/PID/cgroup. Returns 0,
 * or -ENOENT where it is unknown. */
int cgroup_tree_get_id(const CgroupTree *t, const char *text, uint64_t *ret);

/*
 * Id of the nearest group with the cpu controller: what the scheduler weighs. Returns 1, or 0
 * where that is the root, or -ENOENT where it is unknown.
 */
int cgroup_tree_get_cpu_id(const CgroupTree *t, const char *text, uint64_t *ret);

/* How many bytes of a path in the v2 hierarchy name that group: 1 where it is the root. Returns 0,
 * or -ENOENT where it is unknown, as where the cpu controller is in v1. */
int cgroup_tree_get_cpu_length(const CgroupTree *t, const char *cgroup, uint16_t *ret);
