/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "util/attrs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include "util/io.h"
#include "util/macro.h"

struct sched_attr_v0 {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
};

static int compare_tids(const void *a, const void *b) {
        const pid_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static int append(char *buffer, size_t size, const char *text) {
        size_t used = strlen(buffer), n = strlen(text);

        if (used + n + 1 > size)
                return -ENOSPC;
        memcpy(buffer + used, text, n + 1);
        return 0;
}

static int append_file(pid_t pid, const char *name, char *buffer, size_t size) {
        char path[64], text[4096];

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
        if (io_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
                return 0;
        return append(buffer, size, text);
}

static int append_thread(pid_t tid, char *buffer, size_t size) {
        struct sched_attr_v0 a = {.size = sizeof(a)};
        cpu_set_t cpus;
        char line[256];
        long ioprio;

        if (syscall(SYS_sched_getattr, tid, &a, sizeof(a), 0) < 0)
                return errno == ESRCH ? 0 : -errno;
        ioprio = syscall(SYS_ioprio_get, 1, tid);
        CPU_ZERO(&cpus);
        if (sched_getaffinity(tid, sizeof(cpus), &cpus) < 0)
                return errno == ESRCH ? 0 : -errno;
        snprintf(line, sizeof(line),
                 "%d policy=%u nice=%d slice=%llu flags=%llu ioprio=%ld cpus=%lx\n", tid, a.policy,
                 a.nice, (unsigned long long)a.runtime, (unsigned long long)a.flags, ioprio,
                 *(unsigned long *)(void *)&cpus);
        return append(buffer, size, line);
}

int attrs_snapshot(pid_t pid, char *buffer, size_t size) {
        pid_t tids[1024];
        size_t n = 0;
        char path[64];
        DIR *d;
        int r = 0;

        snprintf(path, sizeof(path), "/proc/%d/task", pid);
        d = opendir(path);
        if (!d)
                return -ESRCH;
        for (struct dirent *e; (e = readdir(d)) && n < ELEMENTSOF(tids);) {
                uint64_t tid;

                if (parse_u64(e->d_name, 1, INT32_MAX, &tid) >= 0)
                        tids[n++] = (pid_t)tid;
        }
        closedir(d);
        qsort(tids, n, sizeof(tids[0]), compare_tids);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_thread(tids[i], buffer, size);
        if (r >= 0)
                r = append_file(pid, "autogroup", buffer, size);
        if (r >= 0)
                r = append_file(pid, "cgroup", buffer, size);
        return r;
}
