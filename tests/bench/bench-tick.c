/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU time of one tick, and of the look at the machine alone, against the plain way of looking:
 * reading /proc/PID/{stat,schedstat,status,io}. All with N sleeping children; medians of 9 rounds,
 * the three taking turns. Prints the ratios.
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
#include "daemon/pipeline.h"
#include "models/manifest.h"
#include "tests/bench/bench.h"
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

/* All that happens between two timers, save acting: read, features, network, contention, decisions.
 */
static int tick(int root_fd, Collector *c, Pipeline *p, Sample *s) {
        const Decision *decisions;
        const pid_t *wanted;
        size_t n;
        int r;

        r = collector_read(c, s);
        if (r >= 0)
                r = pipeline_observe(p, s, &wanted, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                Ident ident;

                if (ident_read(root_fd, NULL, NULL, wanted[i], &ident) >= 0)
                        pipeline_set_ident(p, wanted[i], &ident);
        }
        return r < 0 ? r : pipeline_decide(p, &decisions, &n);
}

/* Until every sleeper counts as one: 10 s without a move, on the sample's clock. */
static int settle(int root_fd, Collector *c, Pipeline *p, Sample *s) {
        for (int i = 0; i < 13; i++) {
                if (tick(root_fd, c, p, s) < 0)
                        return -EIO;
                (void)sleep(1);
        }
        return 0;
}

static int measure(int root_fd, Collector *c, Pipeline *p, size_t n_children) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        _cleanup_close_
        int proc_fd = openat(root_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        double collector[ROUNDS], ticks[ROUNDS], plain[ROUNDS];
        PipelineStatus status;
        size_t n_plain = 0;

        if (proc_fd < 0 || settle(root_fd, c, p, &s) < 0)
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
                for (int k = 0; k < repeat; k++)
                        if (tick(root_fd, c, p, &s) < 0)
                                return 1;
                ticks[i] = (cpu_ms() - t) / repeat;
                t = cpu_ms();
                n_plain = read_proc(proc_fd);
                plain[i] = cpu_ms() - t;
        }
        qsort(collector, ROUNDS, sizeof(double), bench_compare);
        qsort(ticks, ROUNDS, sizeof(double), bench_compare);
        qsort(plain, ROUNDS, sizeof(double), bench_compare);
        pipeline_get_status(p, &status);
        printf("%zu children: plain /proc %.2f ms for %zu processes (%.1f us each); look %.3f ms "
               "(%.2f us each), %.0f times cheaper; whole tick %.3f ms (%zu judged), %.0f times "
               "cheaper\n",
               n_children, plain[ROUNDS / 2], n_plain,
               plain[ROUNDS / 2] * 1e3 / (double)MAX(n_plain, (size_t)1), collector[ROUNDS / 2],
               collector[ROUNDS / 2] * 1e3 / (double)s.n_procs,
               plain[ROUNDS / 2] / collector[ROUNDS / 2], ticks[ROUNDS / 2], status.n_inferred,
               plain[ROUNDS / 2] / ticks[ROUNDS / 2]);
        return 0;
}

int main(void) {
        static const size_t counts[] = {300, 5000};
        static pid_t children[5000];
        _cleanup_(collector_freep)
        Collector *c = NULL;
        _cleanup_(model_freep)
        Model *model = NULL;
        _cleanup_(policy_done)
        Policy policy = {};
        _cleanup_(pipeline_freep)
        Pipeline *p = NULL;
        const char *model_dir = getenv("AIKM_MODEL_DIR");
        char manifest[4096];
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
        snprintf(manifest, sizeof(manifest), "%s/default.json",
                 model_dir ? model_dir : AIKM_MODEL_DIR);
        if (manifest_load_model(manifest, &model, &e) < 0) {
                printf("by the rules: %s\n", e.text);
                r = rules_model_new(&model);
        }
        if (r < 0 || policy_init_default(&policy) < 0 || pipeline_new(&policy, model, self, &p) < 0)
                return 1;
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
                        r = measure(root_fd, c, p, n);
        }
        for (size_t i = 0; i < n; i++)
                (void)kill(children[i], SIGKILL);
        for (size_t i = 0; i < n; i++)
                (void)waitpid(children[i], NULL, 0);
        return r;
}
