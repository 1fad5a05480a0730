/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Who a process is, beyond its numbers: executable and its build, cgroup, unit. Read once per
 * process and again after exec, because it costs a few system calls; rules match on it.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "collectors/build-id-parse.h"
#include "util/macro.h"

typedef struct Ident {
        char exe[256];    /* target of /proc/PID/exe without " (deleted)"; "" unknown */
        char cgroup[256]; /* path in the v2 hierarchy, else in v1 name=systemd, else in v1 cpu; ""
                             unknown */
        char unit[128]; /* innermost systemd unit named in cgroup (foo.service, session-2.scope); ""
                           none */
        /* So many bytes of cgroup name the group that the scheduler weighs: the nearest one with
         * the cpu controller. 1: that is the root; 0: unknown, or not in the v2 hierarchy. */
        uint16_t group_length;
        BuildId build; /* of exe */
} Ident;

typedef struct BuildIdCache BuildIdCache;
typedef struct CgroupTree CgroupTree;

/* Reads proc/PID/{exe,cgroup} below root_fd. tree may be NULL: group_length is then unknown, as is
 * the build where builds is NULL, and as other parts are that cannot be read. Returns 0, or -ESRCH
 * where the process is gone. */
int ident_read(int root_fd, const CgroupTree *tree, BuildIdCache *builds, pid_t pid, Ident *ret);

/* Pure: fills cgroup and unit from the text of /proc/PID/cgroup. */
void ident_parse_cgroup(const char *text, Ident *ret);
