/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Whose a process is, so that people may act on their own without an administrator, and see what
 * the kernel would show them anyway. All of it is as the kernel says now, not as the last tick saw
 * it, but for the processes beside it in a tree or unit. */

#include "daemon/manager.h"

/* Its real user is uid; start: clock ticks, 0: any. False where it is gone. */
bool owner_has_process(const Manager *m, uid_t uid, pid_t pid, uint64_t start);

/* The process and everything below it. */
bool owner_has_tree(const Manager *m, uid_t uid, pid_t root);

/*
 * Everything that a rollback of this pid or action would put back: attributes of the user's own
 * processes, and of groups of processes only those that the user shares with nobody. False where
 * nothing matches but a pid that is not the user's.
 */
bool owner_has_changes(const Manager *m, uid_t uid, RestoreWhat what, uint64_t number);

/* Whether the kernel would let uid read the files in /proc that it keeps from other users: exe, io
 * and the like. */
bool owner_may_inspect(const Manager *m, uid_t uid, const ProcSample *s);
