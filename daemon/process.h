/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A process by its number: what proc says of it, its threads, and whether it is still the same. */

#include <sys/types.h>

#include "collectors/proc-stat-parse.h"

#define PF_KTHREAD 0x00200000u /* ProcStat.flags; include/linux/sched.h */

/* 0, -ESRCH or -errno. */
int proc_stat_read(int root_fd, pid_t pid, ProcStat *ret);

/* Numbers that name entries of a folder: tids of proc/PID/task, pids of proc. Newly allocated. 0,
 * -ESRCH or -errno. */
int proc_list(int root_fd, const char *path, pid_t **ret, size_t *ret_n);
int proc_list_threads(int root_fd, pid_t pid, pid_t **ret, size_t *ret_n);

/*
 * Holds on to a process: *ret_fd is a pidfd and start is what proc says now. 0 or -ESRCH. Whoever
 * acted on the number asks identity_check() afterwards: 0 means that it belonged to that process
 * all the while.
 */
int identity_open(int root_fd, pid_t pid, uint64_t start, int *ret_fd);
int identity_check(int pidfd);
