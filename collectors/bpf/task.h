/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_TASK_H
#define AIKM_BPF_TASK_H

/*
 * Wire format of the task iterator: one record per thread, in the order of thread ids; written by
 * task.bpf.c, read by task-iter.c. The leader's record carries the process's own facts and, in its
 * counters, what threads that ended have left behind, so that sums over the records of a process
 * never lose a thread (run delay, timeslices and migrations excepted, which the kernel forgets).
 */

#include <linux/types.h>

#define AIKM_TASK_VERSION 3

enum aikm_task_flag {
	AIKM_TASK_KTHREAD = 1 << 0,
	AIKM_TASK_DEAD = 1 << 1,   /* zombie */
	AIKM_TASK_RT = 1 << 2,	   /* FIFO, RR or DEADLINE */
	AIKM_TASK_TTY = 1 << 3,	   /* leader: has a controlling terminal */
	AIKM_TASK_IOWAIT = 1 << 4, /* waits for I/O now */
};

/* What this kernel can tell; a clear bit: the fields are 0 and mean nothing. */
enum aikm_task_has {
	AIKM_TASK_HAS_DELAY = 1 << 0,
	AIKM_TASK_HAS_CHARS = 1 << 1,
	AIKM_TASK_HAS_BLOCK = 1 << 2,
	AIKM_TASK_HAS_RSS = 1 << 3,
	AIKM_TASK_HAS_UTIL = 1 << 4,
	AIKM_TASK_HAS_GROUP = 1 << 5,
	AIKM_TASK_HAS_CGROUP = 1 << 6,
};

enum aikm_task_group { AIKM_TASK_ROOT, AIKM_TASK_AUTOGROUP, AIKM_TASK_CGROUP };

struct aikm_task {
	__u32 version;
	__u32 has;
	__s32 tgid;
	__s32 tid;
	__u64 cpus; /* CPUs 0..63 that it may run on */
	__u64 exec_ns;
	__u64 system_ns; /* as accounted, not scaled to exec_ns */
	__u64 delay_ns;
	__u64 timeslices;
	__u64 nvcsw;
	__u64 nivcsw;
	__u64 min_flt;
	__u64 maj_flt;
	__u64 rchar;
	__u64 wchar;
	__u64 syscr;
	__u64 syscw;
	__u64 read_bytes;
	__u64 write_bytes;
	__u64 migrations;
	__u32 util_avg;
	__u32 flags;
	/* From here on the leader's alone, 0 for other threads. */
	__s32 ppid;
	__s32 sid;
	__u32 uid;
	__s8 nice;
	__u8 policy;
	__u8 group_kind;
	__u8 pad;
	__u64 start_ns; /* since boot */
	__u64 group_id;
	__u64 cgroup_id;
	__u64 rss_pages;
	__u64 anon_pages;    /* of rss_pages */
	__u64 child_exec_ns; /* of children that were waited for */
	char comm[16];
};

_Static_assert(sizeof(struct aikm_task) == 232, "wire format");

#endif
