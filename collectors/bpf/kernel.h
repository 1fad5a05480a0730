/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_KERNEL_H
#define AIKM_BPF_KERNEL_H

/*
 * The few kernel types that the programs read, by hand: the build needs no BTF of the machine it
 * runs on. Only the fields named here matter, neither order nor size: CO-RE finds each by name in
 * the running kernel. A field that some kernel lacks is read behind bpf_core_field_exists(); a
 * type that changed its shape has a flavour, struct name___shape.
 */

#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

typedef struct {
	__u32 val;
} kuid_t;

struct upid {
	int nr;
};

struct pid {
	unsigned int level; /* depth of the pid namespace, 0: the initial one */
	struct upid numbers[1];
};

enum aikm_pid_type { AIKM_PIDTYPE_SID = 3 }; /* enum pid_type, unchanged since 4.19 */

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct autogroup {
	unsigned long id;
};

struct task_group {
	struct cgroup_subsys_state css;
	struct task_group *parent;
	struct autogroup *autogroup; /* CONFIG_SCHED_AUTOGROUP */
};

struct sched_avg {
	unsigned long util_avg;
};

struct sched_entity {
	__u64 sum_exec_runtime;
	__u64 nr_migrations;
	struct sched_avg avg; /* CONFIG_SMP before 6.17 */
};

struct sched_info { /* empty without CONFIG_SCHED_INFO */
	unsigned long pcount;
	unsigned long long run_delay;
};

struct task_io_accounting {
	__u64 rchar, wchar, syscr, syscw; /* CONFIG_TASK_XACCT */
	__u64 read_bytes, write_bytes;	  /* CONFIG_TASK_IO_ACCOUNTING */
};

/* Indices of resident pages in mm_struct.rss_stat. */
enum aikm_mm_counter { AIKM_MM_FILEPAGES = 0, AIKM_MM_ANONPAGES = 1, AIKM_MM_SHMEMPAGES = 3 };

struct percpu_counter {
	__s64 count;
};

struct mm_struct { /* since 6.2 */
	struct percpu_counter rss_stat[4];
};

struct mm_rss_stat___array {
	atomic_long_t count[4];
};

struct mm_struct___array { /* until 6.1 */
	struct mm_rss_stat___array rss_stat;
};

struct tty_struct;

struct signal_struct {
	atomic_t live;
	struct pid *pids[4];
	struct tty_struct *tty;
	__u64 cutime, cstime;
	/* What threads that ended have left behind. */
	__u64 stime;
	unsigned long long sum_sched_runtime;
	unsigned long nvcsw, nivcsw;
	unsigned long min_flt, maj_flt;
	struct task_io_accounting ioac;
};

struct cred {
	kuid_t uid;
};

typedef struct cpumask {
	unsigned long bits[1];
} cpumask_t;

struct task_struct {
	unsigned int flags;
	int static_prio;
	unsigned int policy;
	int exit_state;
	unsigned in_iowait : 1;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct sched_entity se;
	struct task_group *sched_task_group; /* CONFIG_CGROUP_SCHED */
	struct sched_info sched_info;
	const cpumask_t *cpus_ptr;
	struct mm_struct *mm;
	__u64 stime;
	unsigned long nvcsw, nivcsw;
	unsigned long min_flt, maj_flt;
	__u64 start_boottime;
	const struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
	struct task_io_accounting ioac;
	struct css_set *cgroups; /* CONFIG_CGROUPS */
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

enum {
	PF_EXITING = 0x00000004,
	PF_KTHREAD = 0x00200000,
	MAX_RT_PRIO = 100,
	DEFAULT_PRIO = 120,
};

#endif
