/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bench-effect AIKMD [REPEATS]: what demotion buys a server beside 6 hogs in its own session. Arms,
 * interleaved: nothing, the settings that an expert would make by hand, and aikmd deciding by
 * itself. Medians over the repeats.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/demo-load.h"
#include "util/io.h"
#include "util/macro.h"
#include "util/time.h"

enum { N_HOGS = 6, REPEATS_MAX = 25, SNAPSHOT_SIZE = 64 * 1024 };

typedef struct Bench {
        DemoLoad *load;
        const pid_t *hogs;
        size_t n_hogs;
        const char *aikmd;
        char runtime[64];
        char group[128]; /* a v1 cpu cgroup of our own; "" : none */
        pid_t daemon;
} Bench;

typedef struct Arm {
        const char *name;
        bool by_hand; /* counts for "best hand-made" */
        int (*begin)(Bench *b);
        void (*end)(Bench *b);
} Arm;

static int nothing(_unused_ Bench *b) {
        return 0;
}

static void nothing_end(_unused_ Bench *b) {
}

static int set_nice(Bench *b, int nice) {
        for (size_t i = 0; i < b->n_hogs; i++)
                if (setpriority(PRIO_PROCESS, (id_t)b->hogs[i], nice) < 0)
                        return -errno;
        return 0;
}

static int nice_begin(Bench *b) {
        return set_nice(b, 19);
}

static void nice_end(Bench *b) {
        (void)set_nice(b, 0);
}

static int set_policy(Bench *b, int policy) {
        const struct sched_param p = {};

        for (size_t i = 0; i < b->n_hogs; i++)
                if (sched_setscheduler(b->hogs[i], policy, &p) < 0)
                        return -errno;
        return 0;
}

static int idle_begin(Bench *b) {
        return set_policy(b, SCHED_IDLE);
}

static void idle_end(Bench *b) {
        (void)set_policy(b, SCHED_OTHER);
}

static int group_put(const Bench *b, const char *group) {
        char path[192], text[16];

        snprintf(path, sizeof(path), "%s/cgroup.procs", group);
        for (size_t i = 0; i < b->n_hogs; i++) {
                int r;

                snprintf(text, sizeof(text), "%d", b->hogs[i]);
                r = io_write_at(AT_FDCWD, path, text);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int group_begin(Bench *b, const char *file, const char *value) {
        char path[192];
        int r;

        snprintf(b->group, sizeof(b->group), "/sys/fs/cgroup/cpu/aikmd-bench-%d", getpid());
        if (mkdir(b->group, 0755) < 0) {
                b->group[0] = '\0';
                return -errno;
        }
        snprintf(path, sizeof(path), "%s/%s", b->group, file);
        r = io_write_at(AT_FDCWD, path, value);
        return r < 0 ? r : group_put(b, b->group);
}

static int shares_begin(Bench *b) {
        return group_begin(b, "cpu.shares", "20");
}

static int group_idle_begin(Bench *b) {
        return group_begin(b, "cpu.idle", "1");
}

static void group_end(Bench *b) {
        if (!b->group[0])
                return;
        (void)group_put(b, "/sys/fs/cgroup/cpu");
        for (int i = 0; rmdir(b->group) < 0 && errno == EBUSY && i < 100; i++)
                usleep(10000);
        b->group[0] = '\0';
}

static int hogs_demoted(const Bench *b) {
        for (size_t i = 0; i < b->n_hogs; i++) {
                errno = 0;
                if (getpriority(PRIO_PROCESS, (id_t)b->hogs[i]) <= 0)
                        return 0;
        }
        return 1;
}

static int aikmd_begin(Bench *b) {
        char runtime[96], scope[48];

        snprintf(runtime, sizeof(runtime), "--runtime-dir=%s", b->runtime);
        snprintf(scope, sizeof(scope), "scope=tree:%d", demo_load_root(b->load));
        b->daemon = fork();
        if (b->daemon < 0)
                return -errno;
        if (b->daemon == 0) {
                int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

                (void)dup2(null, STDERR_FILENO);
                execl(b->aikmd, b->aikmd, "--no-bus", "--mode=enforce", "--config-dir=/nonexistent",
                      runtime, "--set", scope, NULL);
                _exit(127);
        }
        for (int i = 0; i < 300; i++) {
                if (hogs_demoted(b))
                        return 0;
                if (waitpid(b->daemon, NULL, WNOHANG) != 0) {
                        b->daemon = 0;
                        return -EPIPE;
                }
                usleep(100000);
        }
        return -ETIMEDOUT;
}

static void aikmd_end(Bench *b) {
        if (b->daemon <= 0)
                return;
        (void)kill(b->daemon, SIGTERM);
        (void)waitpid(b->daemon, NULL, 0);
        b->daemon = 0;
}

static const Arm arms[] = {
        {"nothing", false, nothing, nothing_end},
        {"hogs nice 19", true, nice_begin, nice_end},
        {"hogs SCHED_IDLE", true, idle_begin, idle_end},
        {"hogs cgroup cpu.shares=20", true, shares_begin, group_end},
        {"hogs cgroup cpu.idle=1", true, group_idle_begin, group_end},
        {"aikmd", false, aikmd_begin, aikmd_end},
};

enum { ARM_NOTHING = 0, ARM_AIKMD = ELEMENTSOF(arms) - 1 };

static int compare_doubles(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static double median(double *v, size_t n) {
        qsort(v, n, sizeof(v[0]), compare_doubles);
        return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

typedef struct Column {
        double p50[REPEATS_MAX], p99[REPEATS_MAX], throughput[REPEATS_MAX], hog_work[REPEATS_MAX];
        size_t n;
        int error;
} Column;

static void run_arm(Bench *b, const Arm *arm, Column *c) {
        DemoMeasure m;
        int r;

        r = arm->begin(b);
        if (r >= 0) {
                usleep(1000000); /* until requests that queued up before are answered */
                r = demo_load_measure(b->load, 3 * USEC_PER_SEC, 1500 * USEC_PER_MSEC, &m);
        }
        arm->end(b);
        usleep(300000);
        if (r < 0) {
                c->error = r;
                return;
        }
        c->p50[c->n] = m.p50;
        c->p99[c->n] = m.p99;
        c->throughput[c->n] = m.throughput;
        c->hog_work[c->n] = m.hog_work;
        c->n++;
}

static int print_table(Column *columns) {
        double best_throughput = 0, best_p99 = 0, p99[ELEMENTSOF(arms)],
               throughput[ELEMENTSOF(arms)];

        printf("%-28s %9s %9s %12s %12s %4s\n", "6 hogs beside a server", "p50 us", "p99 us",
               "requests/s", "hog Mturn/s", "n");
        for (size_t i = 0; i < ELEMENTSOF(arms); i++) {
                Column *c = &columns[i];

                if (c->n == 0) {
                        printf("%-28s not possible here: %s\n", arms[i].name, strerror(-c->error));
                        continue;
                }
                p99[i] = median(c->p99, c->n);
                throughput[i] = median(c->throughput, c->n);
                printf("%-28s %9.0f %9.0f %12.0f %12.0f %4zu\n", arms[i].name, median(c->p50, c->n),
                       p99[i], throughput[i], median(c->hog_work, c->n), c->n);
                if (arms[i].by_hand) {
                        best_throughput = MAX(best_throughput, throughput[i]);
                        best_p99 = best_p99 > 0 ? MIN(best_p99, p99[i]) : p99[i];
                }
        }
        if (columns[ARM_NOTHING].n == 0 || columns[ARM_AIKMD].n == 0 || best_throughput <= 0)
                return 1;
        printf("aikmd: p99 %.1f times lower than untreated (best by hand: %.1f times); "
               "throughput %.2f of the best hand-made setting\n",
               p99[ARM_NOTHING] / p99[ARM_AIKMD], p99[ARM_NOTHING] / best_p99,
               throughput[ARM_AIKMD] / best_throughput);
        return 0;
}

int main(int argc, char **argv) {
        _cleanup_(demo_load_stopp)
        DemoLoad *load = NULL;
        _cleanup_free_
        char *before = malloc(SNAPSHOT_SIZE), *after = malloc(SNAPSHOT_SIZE);
        static Column columns[ELEMENTSOF(arms)];
        Bench b = {.runtime = "/tmp/aikmd-effect.XXXXXX"};
        uint64_t repeats = 7;
        int r;

        if (argc < 2 || (argc > 2 && parse_u64(argv[2], 1, REPEATS_MAX, &repeats) < 0) || !before ||
            !after) {
                fprintf(stderr, "usage: bench-effect AIKMD [REPEATS up to %d]\n", REPEATS_MAX);
                return 2;
        }
        b.aikmd = argv[1];
        if (!mkdtemp(b.runtime))
                return 1;
        r = demo_load_start(N_HOGS, &load);
        if (r < 0) {
                fprintf(stderr, "the load did not start: %s\n", strerror(-r));
                return 1;
        }
        b.load = load;
        b.n_hogs = demo_load_hogs(load, &b.hogs);
        usleep(1000000);
        r = demo_load_snapshot(load, before, SNAPSHOT_SIZE);
        for (uint64_t i = 0; i < repeats; i++)
                for (size_t a = 0; a < ELEMENTSOF(arms); a++)
                        run_arm(&b, &arms[a], &columns[a]);
        if (r >= 0)
                r = demo_load_snapshot(load, after, SNAPSHOT_SIZE);
        if (rmdir(b.runtime) < 0) {
                char path[128];

                snprintf(path, sizeof(path), "%s/ledger", b.runtime);
                (void)unlink(path);
                (void)rmdir(b.runtime);
        }
        if (r < 0 || !streq(before, after)) {
                fprintf(stderr, "something is left changed:\n--- before\n%s--- after\n%s", before,
                        after);
                return 1;
        }
        return print_table(columns);
}
