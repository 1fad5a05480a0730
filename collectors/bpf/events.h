/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_EVENTS_H
#define AIKM_BPF_EVENTS_H

/* Wire format of lifecycle events: written by events.bpf.c, read by events.c. */

#include <linux/types.h>

#define AIKM_EVENT_VERSION 1

enum aikm_event_kind {
	AIKM_EVENT_FORK =
		1, /* a new process (not a thread): pid, ppid, start_ns, comm of the parent */
	AIKM_EVENT_EXEC = 2, /* pid, comm after exec */
	AIKM_EVENT_EXIT = 3, /* the last thread of a process ended: pid */
};

/* Which events wake the reader at once; the others wait for it, or for a ring that is half full. */
enum aikm_event_wake {
	AIKM_WAKE_NONE,
	AIKM_WAKE_FORKS,
	AIKM_WAKE_ALL,
	AIKM_WAKE_STORM, /* when so many programs were executed since it last read: */
};

#define AIKM_STORM_EXECS 16

struct aikm_event {
	__u32 version;
	__u32 kind;
	__s32 pid;	/* thread group id */
	__s32 ppid;	/* parent's thread group id */
	__u64 at_ns;	/* CLOCK_BOOTTIME */
	__u64 start_ns; /* start since boot of the process */
	char comm[16];
};

_Static_assert(sizeof(struct aikm_event) == 48, "wire format");

#endif
