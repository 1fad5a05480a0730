/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU time of one look at the machine: collector_read() against the plain way, reading
 * /proc/PID/{stat,schedstat,status,io}. Both with N sleeping children; median of 9 rounds, the two
 * taking turns. Prints the ratio.
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "collectors/collector.h"
#include "collectors/proc-io-parse.h"
#include "collectors/proc-schedstat-parse.h"
#include "collectors/proc-stat-parse.h"
#include "collectors/proc-status-parse.h"
#include "util/io.h"

#define ROUNDS 9

static double cpu_ms(void) {
        struct rusage u;

        (void)getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static size_t read_proc(int proc_fd) {
        union {
                ProcStat stat;
                ProcSchedstat schedstat;
                ProcIo io;
                ProcStatus status;
        } parsed;
        char text[8192], path[64];
        size_t n = 0;
        int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!d)
                return 0;
        while ((entry = readdir(d))) {
                uint64_t pid;

                if (parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0)
                        continue;
                (void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
                n += io_read_at(proc_fd, path, text, sizeof(text)) > 0 &&
                     proc_stat_parse(text, &parsed.stat) >= 0;
                (void)snprintf(path, sizeof(path), "%d/schedstat", (int)pid);
                if (io_read_at(proc_fd, path, text, sizeof(text)) > 0)
                        (void)proc_schedstat_parse(text, &parsed.schedstat);
                (void)snprintf(path, sizeof(path), "%d/status", (int)pid);
                if (io_read_at(proc_fd, path, text, sizeof(text)) > 0)
                        proc_status_parse(text, &parsed.status);
                (void)snprintf(path, sizeof(path), "%d/io", (int)pid);
                if (io_read_at(proc_fd, path, text, sizeof(text)) > 0)
                        (void)proc_io_parse(text, &parsed.io);
        }
        closedir(d);
        return n;
}

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static int measure(int root_fd, Collector *c, size_t n_children) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        _cleanup_close_
        int proc_fd = openat(root_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        double collector[ROUNDS], plain[ROUNDS];
        size_t n_plain = 0;

        if (proc_fd < 0 || collector_read(c, &s) < 0)
                return 1;
        for (size_t i = 0; i < ROUNDS; i++) {
                /* One look may be shorter than the clock's grain. */
                int repeat = n_children > 1000 ? 4 : 32;
                double t = cpu_ms();

                for (int k = 0; k < repeat; k++)
                        if (collector_read(c, &s) < 0)
                                return 1;
                collector[i] = (cpu_ms() - t) / repeat;
                t = cpu_ms();
                n_plain = read_proc(proc_fd);
                plain[i] = cpu_ms() - t;
        }
        qsort(collector, ROUNDS, sizeof(double), compare);
        qsort(plain, ROUNDS, sizeof(double), compare);
        printf("%zu children: collector %.3f ms for %zu processes (%.2f us each), plain /proc %.3f "
               "ms for %zu (%.2f us "
               "each): %.1f times cheaper\n",
               n_children, collector[ROUNDS / 2], s.n_procs,
               collector[ROUNDS / 2] * 1e3 / (double)s.n_procs, plain[ROUNDS / 2], n_plain,
               plain[ROUNDS / 2] * 1e3 / (double)MAX(n_plain, (size_t)1),
               plain[ROUNDS / 2] / collector[ROUNDS / 2]);
        return 0;
}

int main(void) {
        static const size_t counts[] = {300, 5000};
        static pid_t children[5000];
        _cleanup_(collector_freep)
        Collector *c = NULL;
        _cleanup_close_
        int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        Error e = ERROR_INIT;
        pid_t self = getpid();
        size_t n = 0;
        int r = 0;

        if (root_fd < 0 || collector_new(root_fd, COLLECTOR_BPF, &c, &e) < 0) {
                printf("skipped: %s\n", e.text);
                return 77;
        }
        for (size_t i = 0; i < ELEMENTSOF(counts) && r == 0; i++) {
                for (; n < counts[i]; n++) {
                        children[n] = fork();
                        if (children[n] < 0)
                                break;
                        if (children[n] == 0) {
                                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != self)
                                        _exit(1);
                                for (;;)
                                        pause();
                        }
                }
                if (n < counts[i]) {
                        printf("cannot start %zu children: %s\n", counts[i], strerror(errno));
                        r = 1;
                } else
                        r = measure(root_fd, c, n);
        }
        for (size_t i = 0; i < n; i++)
                (void)kill(children[i], SIGKILL);
        for (size_t i = 0; i < n; i++)
                (void)waitpid(children[i], NULL, 0);
        return r;
}
