/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/collector.h"

#include <errno.h>
#include <sys/stat.h>

#include "collectors/machine.h"
#include "collectors/proc-fallback.h"
#include "collectors/proc-stat-parse.h"
#include "collectors/task-iter.h"
#include "util/io.h"

struct Collector {
        int root_fd;
        TaskIter *iter; /* exactly one of the two is set */
        ProcFallback *proc;
        Error reason;
};

Collector *collector_free(Collector *c) {
        if (!c)
                return NULL;
        task_iter_free(c->iter);
        proc_fallback_free(c->proc);
        free(c);
        return NULL;
}

static bool is_real_root(int root_fd) {
        struct stat a, b;

        return fstat(root_fd, &a) >= 0 && stat("/", &b) >= 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
}

/*
 * Does the iterator know us as /proc does? In a time namespace start times differ, and then every
 * identity that is compared with /proc would be wrong.
 */
static int collector_check_iter(int root_fd, TaskIter *iter, Error *e) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        char text[1024];
        const ProcSample *own;
        ProcStat stat;
        ssize_t n;
        int r;

        r = task_iter_read(iter, &s);
        if (r < 0)
                return error_set(e, r, "BPF task iterator: cannot read: %s", strerror(-r));
        n = io_read_at(root_fd, "proc/self/stat", text, sizeof(text));
        r = n < 0 ? (int)n : proc_stat_parse(text, &stat);
        if (r < 0)
                return error_set(e, -EOPNOTSUPP, "cannot read /proc/self/stat: %s", strerror(-r));
        own = sample_find(&s, getpid());
        if (!own || own->start != stat.start)
                return error_set(e, -EOPNOTSUPP,
                                 "BPF task iterator: pids or start times are not those of /proc "
                                 "(pid or time namespace)");
        return 0;
}

static int collector_try_iter(Collector *c, Error *e) {
        _cleanup_(task_iter_freep)
        TaskIter *iter = NULL;
        int r;

        if (!is_real_root(c->root_fd))
                return error_set(e, -EOPNOTSUPP, "another root than / is given (AIKM_ROOT)");
        r = task_iter_new(&iter, e);
        if (r < 0)
                return r;
        r = collector_check_iter(c->root_fd, iter, e);
        if (r < 0)
                return r;
        c->iter = TAKE_PTR(iter);
        return 0;
}

int collector_new(int root_fd, CollectorChoice choice, Collector **ret, Error *e) {
        _cleanup_(collector_freep)
        Collector *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return error_set(e, -ENOMEM, "out of memory");
        c->root_fd = root_fd;
        if (choice == COLLECTOR_PROC)
                (void)error_set(&c->reason, 0, "/proc was asked for");
        else {
                r = collector_try_iter(c, &c->reason);
                if (r == -ENOMEM || (r < 0 && choice == COLLECTOR_BPF))
                        return error_set(e, r, "%s", c->reason.text);
        }
        if (!c->iter) {
                r = proc_fallback_new(root_fd, &c->proc, e);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

int collector_read(Collector *c, Sample *s) {
        int r;

        sample_clear(s);
        s->at = usec_now(CLOCK_BOOTTIME);
        s->source = collector_source(c);
        machine_read(c->root_fd, s);
        r = c->iter ? task_iter_read(c->iter, s) : proc_fallback_read(c->proc, s);
        if (r < 0)
                sample_clear(s);
        return r;
}

SampleSource collector_source(const Collector *c) {
        return c->iter ? SAMPLE_SOURCE_BPF : SAMPLE_SOURCE_PROC;
}

const char *collector_reason(const Collector *c) {
        return c->reason.text;
}
