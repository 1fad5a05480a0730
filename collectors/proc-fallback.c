/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/proc-fallback.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>

#include "collectors/cgroup-tree.h"
#include "collectors/proc-io-parse.h"
#include "collectors/proc-schedstat-parse.h"
#include "collectors/proc-stat-parse.h"
#include "collectors/proc-status-parse.h"
#include "collectors/text-parse.h"
#include "util/io.h"

#define PF_KTHREAD 0x00200000U
#define NSEC_PER_TICK (NSEC_PER_SEC / START_TICKS_PER_SEC)
#define TEXT_MAX ((size_t)16 * 1024)

struct ProcFallback {
        int root_fd;
        DIR *proc;
        uint64_t page_size;
        CgroupTree cgroups;
        char text[TEXT_MAX];
};

ProcFallback *proc_fallback_free(ProcFallback *f) {
        if (!f)
                return NULL;
        if (f->proc)
                closedir(f->proc);
        cgroup_tree_done(&f->cgroups);
        free(f);
        return NULL;
}

int proc_fallback_new(int root_fd, ProcFallback **ret, Error *e) {
        _cleanup_(proc_fallback_freep)
        ProcFallback *f = NULL;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f)
                return error_set(e, -ENOMEM, "out of memory");
        f->cgroups = CGROUP_TREE_INIT;
        f->root_fd = root_fd;
        f->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
        r = io_open_dir_at(root_fd, "proc", &f->proc);
        if (r < 0)
                return error_set(e, r, "cannot open /proc: %s", strerror(-r));
        r = cgroup_tree_open(root_fd, &f->cgroups);
        if (r < 0)
                return error_set(e, r, "cannot read /proc/self/mountinfo: %s", strerror(-r));
        *ret = TAKE_PTR(f);
        return 0;
}

/* The next entry that is a number. Returns 1, 0 at the end, or -errno. */
static int next_id(DIR *d, pid_t *ret) {
        for (;;) {
                const struct dirent *entry;
                uint64_t id;

                errno = 0;
                entry = readdir(d);
                if (!entry)
                        return errno > 0 ? -errno : 0;
                if (parse_u64(entry->d_name, 1, INT_MAX, &id) >= 0) {
                        *ret = (pid_t)id;
                        return 1;
                }
        }
}

/* Reads dir/name into f->text. Returns whether there is something to parse. */
static bool read_text(ProcFallback *f, int dir_fd, const char *name) {
        return io_read_at(dir_fd, name, f->text, sizeof(f->text)) > 0;
}

/* Sums of what is counted per thread, and which of them every thread knew. */
typedef struct ThreadSums {
        uint32_t known;
        uint64_t exec_ns, delay_ns, timeslices;
        uint64_t nvcsw, nivcsw;
        uint64_t cpus;
        bool has_rt;
} ThreadSums;

static bool is_realtime(uint32_t policy) {
        return policy == SCHED_FIFO || policy == SCHED_RR || policy == /* SCHED_DEADLINE */ 6;
}

/* Reads one thread's schedstat and status into sums; adds its user id to ret_status. */
static void read_thread(ProcFallback *f, int dir_fd, ThreadSums *sums, ProcStatus *ret_status) {
        ProcSchedstat schedstat = {};

        sums->known = 0;
        if (read_text(f, dir_fd, "schedstat") && proc_schedstat_parse(f->text, &schedstat) >= 0)
                sums->known |= SAMPLE_EXEC | SAMPLE_DELAY;
        sums->exec_ns = schedstat.exec_ns;
        sums->delay_ns = schedstat.delay_ns;
        sums->timeslices = schedstat.timeslices;

        *ret_status = (ProcStatus){};
        if (read_text(f, dir_fd, "status"))
                proc_status_parse(f->text, ret_status);
        if (ret_status->has_switches)
                sums->known |= SAMPLE_SWITCHES;
        if (ret_status->has_cpus)
                sums->known |= SAMPLE_CPUS;
        sums->nvcsw = ret_status->nvcsw;
        sums->nivcsw = ret_status->nivcsw;
        sums->cpus = ret_status->cpus;
}

static void add_sums(ThreadSums *sums, const ThreadSums *thread) {
        sums->known &= thread->known;
        sums->exec_ns += thread->exec_ns;
        sums->delay_ns += thread->delay_ns;
        sums->timeslices += thread->timeslices;
        sums->nvcsw += thread->nvcsw;
        sums->nivcsw += thread->nivcsw;
        sums->cpus |= thread->cpus;
        sums->has_rt |= thread->has_rt;
}

/* schedstat and status tell of one thread: those of a process with many are read one by one. */
static void add_other_threads(ProcFallback *f, int dir_fd, pid_t pid, ThreadSums *sums) {
        _cleanup_closedir_ DIR *task = NULL;
        pid_t tid = 0;
        int r = -ENOENT;

        (void)io_open_dir_at(dir_fd, "task", &task);
        while (task && (r = next_id(task, &tid)) > 0) {
                _cleanup_close_
                int fd = -EBADF;
                ThreadSums thread = {};
                ProcStatus status;
                ProcStat stat = {};
                char name[16];

                if (tid == pid)
                        continue;
                (void)snprintf(name, sizeof(name), "%d", tid);
                fd = openat(dirfd(task), name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                read_thread(f, fd, &thread, &status);
                /* stat comes last: where it can be read, the thread was there all the time. */
                if (!read_text(f, fd, "stat") || proc_stat_parse(f->text, &stat) < 0)
                        continue;
                thread.has_rt = is_realtime(stat.policy);
                add_sums(sums, &thread);
        }
        if (r < 0)
                sums->known = 0;
}

static void set_io(ProcFallback *f, int dir_fd, ProcSample *p) {
        ProcIo io;

        if (!read_text(f, dir_fd, "io") || proc_io_parse(f->text, &io) < 0)
                return;
        p->valid |= (io.has_chars ? SAMPLE_CHARS : 0) | (io.has_block ? SAMPLE_BLOCK : 0);
        p->rchar = io.rchar;
        p->wchar = io.wchar;
        p->syscr = io.syscr;
        p->syscw = io.syscw;
        p->read_bytes = io.read_bytes;
        p->write_bytes = io.write_bytes;
}

/* "/autogroup-17 nice 0"; the file is empty for a process in none, and missing without the feature.
 */
static bool read_autogroup(ProcFallback *f, int dir_fd, uint64_t *ret) {
        static const char prefix[] = "/autogroup-";
        const char *p = f->text + sizeof(prefix) - 1;

        return read_text(f, dir_fd, "autogroup") &&
               strncmp(f->text, prefix, sizeof(prefix) - 1) == 0 && text_parse_u64(&p, ret) >= 0;
}

static bool autogroup_enabled(ProcFallback *f) {
        return read_text(f, f->root_fd, "proc/sys/kernel/sched_autogroup_enabled") &&
               f->text[0] == '1';
}

static void set_groups(ProcFallback *f, int dir_fd, bool autogroups, ProcSample *p) {
        uint64_t id;
        int r;

        if (!read_text(f, dir_fd, "cgroup"))
                return;
        if (cgroup_tree_get_id(&f->cgroups, f->text, &id) >= 0) {
                p->cgroup_id = id;
                p->valid |= SAMPLE_CGROUP;
        }
        r = cgroup_tree_get_cpu_id(&f->cgroups, f->text, &id);
        if (r < 0)
                return;
        p->valid |= SAMPLE_GROUP;
        if (r > 0) {
                p->group_kind = SCHED_GROUP_CGROUP;
                p->group_id = id;
        } else if (autogroups && read_autogroup(f, dir_fd, &id)) {
                p->group_kind = SCHED_GROUP_AUTOGROUP;
                p->group_id = id;
        }
}

static void set_stat(const ProcFallback *f, ProcSample *p, const ProcStat *stat) {
        bool dead = stat->state == 'Z' || stat->state == 'X';

        p->pid = stat->pid;
        p->ppid = stat->ppid;
        p->sid = stat->sid;
        p->start = stat->start;
        memcpy(p->comm, stat->comm, sizeof(p->comm));
        p->nice = (int8_t)CLAMP(stat->nice, -20, 19);
        p->sched_policy = (uint8_t)stat->policy;
        p->kthread = stat->flags & PF_KTHREAD;
        p->has_tty = stat->tty != 0;
        /* A leader that ended stays counted until its last thread does. */
        p->n_threads = stat->n_threads - (dead && stat->n_threads > 0);
        p->zombie = p->n_threads == 0;
        p->min_flt = stat->min_flt;
        p->maj_flt = stat->maj_flt;
        p->rss_bytes = (uint64_t)MAX(stat->rss_pages, 0) * f->page_size;
        p->child_exec_ns = stat->child_cpu_ticks * NSEC_PER_TICK;
        p->system_ns = stat->system_ticks * NSEC_PER_TICK;
        p->valid = SAMPLE_SCHED | SAMPLE_TTY | SAMPLE_FAULTS | SAMPLE_RSS | SAMPLE_CHILDREN |
                   SAMPLE_SYSTEM;
}

static void set_status(ProcSample *p, const ProcStatus *status) {
        if (status->has_uid) {
                p->uid = status->uid;
                p->valid |= SAMPLE_UID;
        }
        /* What has no memory has no such line. stat was read before: what grew since is cut. */
        if (status->has_rss_anon || p->rss_bytes == 0) {
                p->rss_anon_bytes = MIN(status->rss_anon_bytes, p->rss_bytes);
                p->valid |= SAMPLE_RSS_ANON;
        }
}

static void set_sums(ProcSample *p, const ThreadSums *sums, uint64_t cpu_ticks) {
        p->valid |= sums->known | SAMPLE_EXEC;
        p->has_rt = sums->has_rt;
        /* The ticks include threads that ended, schedstat has the resolution. */
        p->exec_ns = MAX(sums->known & SAMPLE_EXEC ? sums->exec_ns : 0, cpu_ticks * NSEC_PER_TICK);
        if (sums->known & SAMPLE_DELAY) {
                p->delay_ns = sums->delay_ns;
                p->timeslices = sums->timeslices;
        }
        if (sums->known & SAMPLE_SWITCHES) {
                p->nvcsw = sums->nvcsw;
                p->nivcsw = sums->nivcsw;
        }
        if (sums->known & SAMPLE_CPUS)
                p->cpus_allowed = sums->cpus;
}

/* Returns 1 added, 0 the process is gone or cannot be told, or -ENOMEM. */
static int read_process(ProcFallback *f, Sample *s, pid_t pid, bool autogroups) {
        _cleanup_close_
        int fd = -EBADF;
        ThreadSums sums = {};
        ProcStatus status;
        ProcStat stat = {};
        ProcSample *p;
        char name[16];

        (void)snprintf(name, sizeof(name), "%d", pid);
        fd = openat(dirfd(f->proc), name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || !read_text(f, fd, "stat") || proc_stat_parse(f->text, &stat) < 0 ||
            stat.pid != pid)
                return 0;
        p = sample_add(s);
        if (!p)
                return -ENOMEM;
        set_stat(f, p, &stat);
        read_thread(f, fd, &sums, &status);
        sums.has_rt = is_realtime(stat.policy);
        set_status(p, &status);
        if (stat.n_threads > 1)
                add_other_threads(f, fd, pid, &sums);
        set_sums(p, &sums, stat.cpu_ticks);
        set_io(f, fd, p);
        set_groups(f, fd, autogroups, p);
        return 1;
}

int proc_fallback_read(ProcFallback *f, Sample *s) {
        bool autogroups = autogroup_enabled(f);
        pid_t pid = 0;
        int r;

        rewinddir(f->proc);
        while ((r = next_id(f->proc, &pid)) > 0) {
                r = read_process(f, s, pid, autogroups);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        sample_sort(s);
        return 0;
}
