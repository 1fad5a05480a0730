/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Everything about a process that aikmd may change, of every thread, as text to compare before and
 * after. Reads by system calls of its own, not through the actuators: it is the witness of what
 * they did.
 */

#include <stddef.h>
#include <sys/types.h>

/*
 * Appends a line "TID policy nice slice flags ioprio cpus" for every thread of pid, then its
 * autogroup and its cgroups, to the NUL-ended text in buffer. Returns 0, -ESRCH where the process
 * is gone, -ENOSPC where the buffer is full.
 */
int attrs_snapshot(pid_t pid, char *buffer, size_t size);
