/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What executor.c (doing) and restore.c (putting back) share. Nobody else includes it. */

#include "daemon/executor.h"

#define EXECUTOR_ACTUATORS 8
#define EXECUTOR_PASSES 32 /* over the threads of one process, until nothing new is found */

struct Executor {
        ActuatorContext context;
        Ledger *ledger;
        int probed[EXECUTOR_ACTUATORS];
        Error probe_text[EXECUTOR_ACTUATORS];
};

typedef struct ProcStat {
        pid_t pid;
        pid_t ppid;
        uint64_t start; /* clock ticks since boot */
        bool kernel_thread;
} ProcStat;

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

/* The target that an entry speaks of. */
ActuatorTarget entry_target(const LedgerEntry *e);
bool actuator_works(const Executor *x, const Actuator *a);

/* Puts one entry back, where it still is what we wrote. OUTCOME_DONE, _FOREIGN, _VANISHED, or
 * _FAILED with the entry still active. */
Outcome restore_one(Executor *x, uint64_t id, Error *e);
