/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/task-iter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "collectors/bpf-support.h"
#include "collectors/bpf/task.h"
#include "collectors/task.skel.h"

/* The kernel hands out at most 32 KiB a read; whole records only. */
#define BUFFER_RECORDS ((size_t)64 * 1024 / sizeof(struct aikm_task))

/* Start times are kept as /proc/PID/stat has them: USER_HZ, which is 100 in user space's eyes. */
#define NSEC_PER_TICK (NSEC_PER_SEC / START_TICKS_PER_SEC)

struct TaskIter {
        struct task_bpf *skel;
        struct bpf_link *link;
        uint64_t page_size;
        /* Threads whose leader has a higher id (ids wrapped around): they wait for the end. */
        struct aikm_task *pending;
        size_t n_pending;
        size_t n_pending_allocated;
        struct aikm_task buffer[BUFFER_RECORDS];
};

TaskIter *task_iter_free(TaskIter *it) {
        if (!it)
                return NULL;
        bpf_link__destroy(it->link);
        task_bpf__destroy(it->skel);
        free(it->pending);
        free(it);
        return NULL;
}

static int task_iter_load(TaskIter *it) {
        it->skel = task_bpf__open_and_load();
        if (!it->skel)
                return -errno;
        it->link = bpf_program__attach_iter(it->skel->progs.aikm_task_iter, /* opts= */ NULL);
        return it->link ? 0 : -errno;
}

int task_iter_new(TaskIter **ret, Error *e) {
        _cleanup_(task_iter_freep)
        TaskIter *it = NULL;
        int r;

        r = bpf_support_check(e);
        if (r < 0)
                return r;
        it = calloc(1, sizeof(*it));
        if (!it)
                return error_set(e, -ENOMEM, "out of memory");
        it->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
        bpf_support_capture();
        r = bpf_support_finish(task_iter_load(it), "BPF task iterator", e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(it);
        return 0;
}

static uint32_t valid_fields(uint32_t has) {
        static const struct {
                uint32_t has;
                uint32_t field;
        } table[] = {
                {AIKM_TASK_HAS_DELAY, SAMPLE_DELAY},
                {AIKM_TASK_HAS_CHARS, SAMPLE_CHARS},
                {AIKM_TASK_HAS_BLOCK, SAMPLE_BLOCK},
                {AIKM_TASK_HAS_RSS, SAMPLE_RSS | SAMPLE_RSS_ANON},
                {AIKM_TASK_HAS_UTIL, SAMPLE_UTIL},
                {AIKM_TASK_HAS_GROUP, SAMPLE_GROUP},
                {AIKM_TASK_HAS_CGROUP, SAMPLE_CGROUP},
        };
        uint32_t valid = SAMPLE_EXEC | SAMPLE_SYSTEM | SAMPLE_SWITCHES | SAMPLE_FAULTS |
                         SAMPLE_MIGRATIONS | SAMPLE_SCHED | SAMPLE_CPUS | SAMPLE_TTY |
                         SAMPLE_IOWAIT | SAMPLE_UID | SAMPLE_CHILDREN;

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (has & table[i].has)
                        valid |= table[i].field;
        return valid;
}

static void add_thread(ProcSample *p, const struct aikm_task *t) {
        bool alive = !(t->flags & AIKM_TASK_DEAD);

        p->n_threads += alive;
        p->has_rt |= alive && (t->flags & AIKM_TASK_RT);
        p->in_iowait += alive && (t->flags & AIKM_TASK_IOWAIT);
        p->util_avg += alive ? t->util_avg : 0;
        p->cpus_allowed |= t->cpus;
        p->exec_ns += t->exec_ns;
        p->system_ns += t->system_ns;
        p->delay_ns += t->delay_ns;
        p->timeslices += t->timeslices;
        p->nvcsw += t->nvcsw;
        p->nivcsw += t->nivcsw;
        p->min_flt += t->min_flt;
        p->maj_flt += t->maj_flt;
        p->rchar += t->rchar;
        p->wchar += t->wchar;
        p->syscr += t->syscr;
        p->syscw += t->syscw;
        p->read_bytes += t->read_bytes;
        p->write_bytes += t->write_bytes;
        p->migrations += t->migrations;
}

static void set_leader(const TaskIter *it, ProcSample *p, const struct aikm_task *t) {
        static const uint8_t kinds[] = {
                [AIKM_TASK_ROOT] = SCHED_GROUP_ROOT,
                [AIKM_TASK_AUTOGROUP] = SCHED_GROUP_AUTOGROUP,
                [AIKM_TASK_CGROUP] = SCHED_GROUP_CGROUP,
        };

        p->pid = t->tgid;
        p->ppid = t->ppid;
        p->sid = t->sid;
        p->uid = t->uid;
        p->start = t->start_ns / NSEC_PER_TICK;
        p->valid = valid_fields(t->has);
        memcpy(p->comm, t->comm, sizeof(p->comm));
        p->comm[sizeof(p->comm) - 1] = '\0';
        p->nice = t->nice;
        p->sched_policy = t->policy;
        p->group_kind = kinds[t->group_kind];
        p->group_id = t->group_id;
        p->cgroup_id = t->cgroup_id;
        p->kthread = t->flags & AIKM_TASK_KTHREAD;
        p->has_tty = t->flags & AIKM_TASK_TTY;
        p->rss_bytes = t->rss_pages * it->page_size;
        p->rss_anon_bytes = t->anon_pages * it->page_size;
        p->child_exec_ns = t->child_exec_ns;
}

static ProcSample *find_process(Sample *s, pid_t pid) {
        const ProcSample *p;

        /* A thread mostly follows its leader at once. */
        if (s->n_procs > 0 && s->procs[s->n_procs - 1].pid == pid)
                return &s->procs[s->n_procs - 1];
        p = sample_find(s, pid);
        return p ? &s->procs[p - s->procs] : NULL;
}

static int defer_thread(TaskIter *it, const struct aikm_task *t) {
        if (it->n_pending == it->n_pending_allocated) {
                size_t n = MAX(it->n_pending_allocated * 2, (size_t)16);
                struct aikm_task *p = reallocarray(it->pending, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                it->pending = p;
                it->n_pending_allocated = n;
        }
        it->pending[it->n_pending++] = *t;
        return 0;
}

/* The iterator walks thread ids upwards, so that leaders arrive sorted and s can be searched
 * meanwhile. */
static int task_iter_add(TaskIter *it, Sample *s, const struct aikm_task *t) {
        ProcSample *p;

        if (t->version != AIKM_TASK_VERSION || t->group_kind > AIKM_TASK_CGROUP)
                return -EBADMSG;
        if (t->tid == t->tgid) {
                /* A thread that executes a program takes its leader's id; met in that moment, the
                 * process comes twice. */
                if (s->n_procs > 0 && s->procs[s->n_procs - 1].pid >= t->tgid)
                        return 0;
                p = sample_add(s);
                if (!p)
                        return -ENOMEM;
                set_leader(it, p, t);
        } else {
                p = find_process(s, t->tgid);
                if (!p)
                        return defer_thread(it, t);
        }
        add_thread(p, t);
        return 0;
}

static int task_iter_walk(TaskIter *it, Sample *s) {
        _cleanup_close_
        int fd = -EBADF;

        fd = bpf_iter_create(bpf_link__fd(it->link));
        if (fd < 0)
                return fd;
        for (;;) {
                ssize_t n = read(fd, it->buffer, sizeof(it->buffer));

                if (n < 0) {
                        if (errno == EINTR || errno == EAGAIN)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        return 0;
                if ((size_t)n % sizeof(it->buffer[0]) != 0)
                        return -EBADMSG;
                for (size_t i = 0; i < (size_t)n / sizeof(it->buffer[0]); i++) {
                        int r = task_iter_add(it, s, &it->buffer[i]);

                        if (r < 0)
                                return r;
                }
        }
}

int task_iter_read(TaskIter *it, Sample *s) {
        int r;

        it->n_pending = 0;
        r = task_iter_walk(it, s);
        if (r < 0)
                return r;
        for (size_t i = 0; i < it->n_pending; i++) {
                ProcSample *p = find_process(s, it->pending[i].tgid);

                if (p) /* else it ended during the walk */
                        add_thread(p, &it->pending[i]);
        }
        for (size_t i = 0; i < s->n_procs; i++)
                s->procs[i].zombie = s->procs[i].n_threads == 0;
        return 0;
}
