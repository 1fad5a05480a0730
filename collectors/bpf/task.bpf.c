/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks every thread of the machine when somebody reads the iterator: no hook, no cost in between.
 * Pointers are followed directly: the verifier turns such loads into ones that cannot fault, and
 * what changes under our feet is wrong for one sample only.
 */
#include <linux/bpf.h>

#include "kernel.h"
#include "task.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

/* Depth of the reader's pid namespace; ids in the records are those of depth 0. */
volatile __u32 reader_level = 0;

static __always_inline void copy_io(struct aikm_task *r, const struct task_io_accounting *io)
{
	if (bpf_core_field_exists(io->rchar)) {
		r->has |= AIKM_TASK_HAS_CHARS;
		r->rchar += io->rchar;
		r->wchar += io->wchar;
		r->syscr += io->syscr;
		r->syscw += io->syscw;
	}
	if (bpf_core_field_exists(io->read_bytes)) {
		r->has |= AIKM_TASK_HAS_BLOCK;
		r->read_bytes += io->read_bytes;
		r->write_bytes += io->write_bytes;
	}
}

static __always_inline void copy_thread(struct aikm_task *r, const struct task_struct *t)
{
	r->version = AIKM_TASK_VERSION;
	r->tgid = t->tgid;
	r->tid = t->pid;
	r->cpus = t->cpus_ptr->bits[0];
	r->exec_ns = t->se.sum_exec_runtime;
	r->system_ns = t->stime;
	r->migrations = t->se.nr_migrations;
	r->nvcsw = t->nvcsw;
	r->nivcsw = t->nivcsw;
	r->min_flt = t->min_flt;
	r->maj_flt = t->maj_flt;
	if (bpf_core_field_exists(t->sched_info.run_delay)) {
		r->has |= AIKM_TASK_HAS_DELAY;
		r->delay_ns = t->sched_info.run_delay;
		r->timeslices = t->sched_info.pcount;
	}
	if (bpf_core_field_exists(t->se.avg.util_avg)) {
		r->has |= AIKM_TASK_HAS_UTIL;
		r->util_avg = t->se.avg.util_avg;
	}
	copy_io(r, &t->ioac);
	if (t->flags & PF_KTHREAD)
		r->flags |= AIKM_TASK_KTHREAD;
	if (t->exit_state)
		r->flags |= AIKM_TASK_DEAD;
	if (BPF_CORE_READ_BITFIELD(t, in_iowait))
		r->flags |= AIKM_TASK_IOWAIT;
	switch (t->policy) {
	case 1: /* SCHED_FIFO */
	case 2: /* SCHED_RR */
	case 6: /* SCHED_DEADLINE */
		r->flags |= AIKM_TASK_RT;
	}
}

static __always_inline void add_dead_threads(struct aikm_task *r, const struct signal_struct *s)
{
	r->exec_ns += s->sum_sched_runtime;
	r->system_ns += s->stime;
	r->nvcsw += s->nvcsw;
	r->nivcsw += s->nivcsw;
	r->min_flt += s->min_flt;
	r->maj_flt += s->maj_flt;
	copy_io(r, &s->ioac);
}

static __always_inline void copy_group(struct aikm_task *r, const struct task_struct *t)
{
	const struct task_group *tg;

	if (bpf_core_field_exists(t->cgroups)) {
		r->has |= AIKM_TASK_HAS_CGROUP;
		r->cgroup_id = t->cgroups->dfl_cgrp->kn->id;
	}
	if (!bpf_core_field_exists(t->sched_task_group))
		return;
	r->has |= AIKM_TASK_HAS_GROUP;
	tg = t->sched_task_group;
	if (bpf_core_field_exists(tg->autogroup) && tg->autogroup) {
		r->group_kind = AIKM_TASK_AUTOGROUP;
		r->group_id = tg->autogroup->id;
	} else if (tg->parent) {
		r->group_kind = AIKM_TASK_CGROUP;
		r->group_id = tg->css.cgroup->kn->id;
	}
}

static __always_inline __u64 positive(__s64 pages)
{
	return pages > 0 ? pages : 0;
}

/* Since 6.2 each CPU keeps a share of up to max(32, 2 × CPUs) pages to itself, so a count may be
 * off by that much, and below zero. */
static __always_inline void count_rss(struct aikm_task *r, const struct mm_struct *mm)
{
	r->anon_pages = positive(mm->rss_stat[AIKM_MM_ANONPAGES].count);
	r->rss_pages = r->anon_pages + positive(mm->rss_stat[AIKM_MM_FILEPAGES].count) +
		       positive(mm->rss_stat[AIKM_MM_SHMEMPAGES].count);
}

/* The verifier of 6.1 does not see through the typedef of an array's elements: read by helper. */
static __always_inline void count_rss_array(struct aikm_task *r, const struct mm_struct___array *mm)
{
	r->anon_pages = positive(BPF_CORE_READ(mm, rss_stat.count[AIKM_MM_ANONPAGES].counter));
	r->rss_pages = r->anon_pages +
		       positive(BPF_CORE_READ(mm, rss_stat.count[AIKM_MM_FILEPAGES].counter)) +
		       positive(BPF_CORE_READ(mm, rss_stat.count[AIKM_MM_SHMEMPAGES].counter));
}

static __always_inline void copy_rss(struct aikm_task *r, const struct mm_struct *mm)
{
	const struct mm_struct___array *old = (const void *)mm;

	if (bpf_core_field_exists(mm->rss_stat[0].count)) {
		r->has |= AIKM_TASK_HAS_RSS;
		if (mm)
			count_rss(r, mm);
	} else if (bpf_core_field_exists(old->rss_stat.count)) {
		r->has |= AIKM_TASK_HAS_RSS;
		if (old)
			count_rss_array(r, old);
	}
}

static __always_inline void copy_leader(struct aikm_task *r, const struct task_struct *t)
{
	const struct signal_struct *s = t->signal;

	r->ppid = t->real_parent->tgid;
	r->sid = s->pids[AIKM_PIDTYPE_SID]->numbers[0].nr;
	r->uid = t->real_cred->uid.val;
	r->nice = t->static_prio - DEFAULT_PRIO;
	r->policy = t->policy;
	r->start_ns = t->start_boottime;
	if (s->tty)
		r->flags |= AIKM_TASK_TTY;
	__builtin_memcpy(r->comm, t->comm, sizeof(r->comm));
	r->child_exec_ns = s->cutime + s->cstime;
	add_dead_threads(r, s);
	copy_group(r, t);
	copy_rss(r, t->mm);
}

SEC("iter/task")
int aikm_task_iter(struct bpf_iter__task *ctx)
{
	const struct task_struct *t = ctx->task;
	struct aikm_task r = {};

	if (!t) {
		const struct task_struct *self = (const void *)bpf_get_current_task_btf();

		reader_level = self->thread_pid->level;
		return 0;
	}
	copy_thread(&r, t);
	if (t->pid == t->tgid)
		copy_leader(&r, t);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
