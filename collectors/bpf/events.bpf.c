/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells of processes, not threads, that begin, execute another program, and end. */
#include <linux/bpf.h>

#include "kernel.h"
#include "events.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} ring SEC(".maps");

/* Events that found no room. */
volatile __u64 lost = 0;

/* enum aikm_event_wake, set by the reader. */
volatile __u32 wake = AIKM_WAKE_ALL;

/* Since the reader last read, which sets both to 0: programs executed, and whether it was woken for
 * that. Two CPUs may wake it twice. */
volatile __u32 execs = 0;
volatile __u32 stormed = 0;

static __always_inline bool storm_begins(__u32 kind)
{
	if (kind != AIKM_EVENT_EXEC)
		return false;
	__sync_fetch_and_add(&execs, 1);
	if (wake != AIKM_WAKE_STORM || stormed || execs < AIKM_STORM_EXECS)
		return false;
	stormed = 1;
	return true;
}

/* A reader that is behind is not told by default, so what is urgent has to force it. */
static __always_inline __u64 wakeup_flags(__u32 kind)
{
	if (wake == AIKM_WAKE_ALL)
		return 0;
	if (wake == AIKM_WAKE_FORKS && kind == AIKM_EVENT_FORK)
		return BPF_RB_FORCE_WAKEUP;
	if (storm_begins(kind))
		return BPF_RB_FORCE_WAKEUP;
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
			       bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

static __always_inline void tell(__u32 kind, const struct task_struct *t)
{
	struct aikm_event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	e->version = AIKM_EVENT_VERSION;
	e->kind = kind;
	e->pid = t->tgid;
	e->ppid = t->real_parent->tgid;
	e->at_ns = bpf_ktime_get_boot_ns();
	e->start_ns = t->group_leader->start_boottime;
	__builtin_memcpy(e->comm, t->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, wakeup_flags(kind));
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	if (child->pid == child->tgid)
		tell(AIKM_EVENT_FORK, child);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *t)
{
	tell(AIKM_EVENT_EXEC, t);
	return 0;
}

/* live was counted down just before: 0 means that this thread is the last. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	if (t->signal->live.counter == 0)
		tell(AIKM_EVENT_EXIT, t);
	return 0;
}
