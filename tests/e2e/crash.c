/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * crash AIKMD [ROUNDS]: enforce, act, SIGKILL at a random moment, aikmd --restore; after every
 * round each attribute of each thread is what it was, and what somebody else changed in between is
 * left alone.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "util/attrs.h"
#include "tests/harness/workers.h"
#include "util/io.h"
#include "util/macro.h"
#include "util/time.h"

enum { N_HOGS = 3, N_WORKERS = N_HOGS + 3, FOREIGN_NICE = 7, SNAPSHOT_SIZE = 64 * 1024 };

typedef struct Scene {
        pid_t hogs[N_HOGS]; /* the last one forks */
        pid_t server, client;
        pid_t foreign; /* a hog of its own thread whose nice somebody else changes */
        char *before, *after;
} Scene;

static int scene_snapshot(const Scene *s, char *text) {
        const pid_t pids[] = {s->hogs[0], s->hogs[1], s->hogs[2], s->server, s->client};

        text[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(pids); i++) {
                int r = attrs_snapshot(pids[i], text, SNAPSHOT_SIZE);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* What batch gets beside nice 19, by turns: every knob is killed on, not nice alone. */
static const char *const knobs[][3] = {
        {"classes.batch.autogroup_nice="},
        {"classes.batch.sched=batch", "classes.batch.slice=5ms", "classes.batch.cpus=0"},
        {"classes.batch.cpu_weight=10"},
};

/* turn < 0: put back and exit. */
static pid_t run_daemon(const char *aikmd, const char *runtime, int turn) {
        char runtime_option[256], scope[64], cgroup[64];
        const char *argv[48];
        size_t n = 0;
        pid_t root = getpid(), pid = fork();

        if (pid != 0)
                return pid;
        snprintf(runtime_option, sizeof(runtime_option), "--runtime-dir=%s", runtime);
        snprintf(scope, sizeof(scope), "scope=tree:%d", root);
        snprintf(cgroup, sizeof(cgroup), "--cgroup-name=aikmd-crash-%d", root);
        argv[n++] = aikmd;
        argv[n++] = runtime_option;
        argv[n++] = cgroup;
        if (turn < 0)
                argv[n++] = "--restore";
        else {
                const char *settings[] = {
                        scope,
                        "thresholds.contention_after=100ms",
                        "thresholds.dwell=100ms",
                        "thresholds.delay_share=0.01",
                        "thresholds.busy_share=0.5",
                        "thresholds.confidence=0.5",
                        "thresholds.changes_per_minute=1000",
                };

                argv[n++] = "--no-bus";
                argv[n++] = "--config-dir=/nonexistent";
                argv[n++] = "--mode=enforce";
                argv[n++] = "--interval=100ms";
                argv[n++] = "--set";
                argv[n++] = "interval_max=100ms";
                for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                        argv[n++] = "--set";
                        argv[n++] = settings[i];
                }
                for (size_t i = 0; i < ELEMENTSOF(knobs[0]) && knobs[turn][i]; i++) {
                        argv[n++] = "--set";
                        argv[n++] = knobs[turn][i];
                }
        }
        argv[n] = NULL;
        execv(aikmd, (char **)argv);
        _exit(127);
}

static int nice_of(pid_t pid) {
        errno = 0;
        return getpriority(PRIO_PROCESS, (id_t)pid);
}

static bool anything_demoted(const Scene *s) {
        for (int i = 0; i < N_HOGS; i++)
                if (nice_of(s->hogs[i]) != 0)
                        return true;
        return nice_of(s->foreign) != 0;
}

static int scene_round(const Scene *s, const char *aikmd, const char *runtime, int turn,
                       bool meddle, bool *ret_acted) {
        usec_t end = usec_now(CLOCK_MONOTONIC) + 5 * USEC_PER_SEC;
        bool meddled = false;
        int status, r;
        pid_t pid;

        r = scene_snapshot(s, s->before);
        if (r < 0)
                return r;
        pid = run_daemon(aikmd, runtime, turn);
        if (pid < 0)
                return -errno;
        /* Half of the rounds end somewhere in the start or the first changes, half wait for a
         * change and a random while more. */
        if (random() % 2)
                usleep((useconds_t)(random() % 900000));
        else {
                while (!anything_demoted(s) && usec_now(CLOCK_MONOTONIC) < end)
                        usleep(2000);
                usleep((useconds_t)(random() % 50000));
        }
        if (meddle && nice_of(s->foreign) > FOREIGN_NICE) {
                if (setpriority(PRIO_PROCESS, (id_t)s->foreign, FOREIGN_NICE) < 0)
                        return -errno;
                meddled = true;
        }
        *ret_acted = anything_demoted(s);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        if (WIFEXITED(status)) {
                fprintf(stderr, "aikmd ended by itself with status %d\n", WEXITSTATUS(status));
                return -EIO;
        }

        pid = run_daemon(aikmd, runtime, -1);
        (void)waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                fprintf(stderr, "aikmd --restore failed (status 0x%x)\n", status);
                return -EIO;
        }
        r = scene_snapshot(s, s->after);
        if (r < 0)
                return r;
        if (!streq(s->before, s->after)) {
                fprintf(stderr, "changed:\n--- before\n%s--- after\n%s", s->before, s->after);
                return -EBADE;
        }
        if (nice_of(s->foreign) != (meddled ? FOREIGN_NICE : 0)) {
                fprintf(stderr, "the process that somebody else changed has nice %d, expected %d\n",
                        nice_of(s->foreign), meddled ? FOREIGN_NICE : 0);
                return -EBADE;
        }
        if (meddled && setpriority(PRIO_PROCESS, (id_t)s->foreign, 0) < 0)
                return -errno;
        return meddled;
}

/* Nothing forked by the forker may be left behind with our nice either. */
static int children_left_demoted(const Scene *s) {
        char path[64], text[4096];
        uint64_t child;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", s->hogs[N_HOGS - 1],
                 s->hogs[N_HOGS - 1]);
        if (io_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
                return 0;
        text[strcspn(text, " ")] = '\0';
        return parse_u64(text, 1, INT32_MAX, &child) >= 0 && nice_of((pid_t)child) > 0;
}

int main(int argc, char **argv) {
        _cleanup_free_
        char *before = malloc(SNAPSHOT_SIZE), *after = malloc(SNAPSHOT_SIZE);
        char runtime[] = "/tmp/aikmd-crash.XXXXXX", command[64];
        unsigned acted = 0, meddled = 0, left = 0;
        uint64_t rounds = 200;
        Scene s = {.before = before, .after = after};
        int r = 0;

        if (argc < 2 || (argc > 2 && parse_u64(argv[2], 1, 100000, &rounds) < 0) || !before ||
            !after) {
                fprintf(stderr, "usage: crash AIKMD [ROUNDS]\n");
                return 2;
        }
        if (geteuid() != 0) {
                fprintf(stderr, "needs root\n");
                return 77;
        }
        if (!mkdtemp(runtime))
                return 1;
        srandom(1);
        s.hogs[0] = worker_hog(1);
        s.hogs[1] = worker_hog(3);
        s.hogs[2] = worker_forker();
        s.foreign = worker_hog(1);
        s.server = worker_server(300, 2000, &s.client);

        usleep(300000); /* their threads have all begun */

        for (uint64_t i = 0; i < rounds; i++) {
                bool a = false;

                r = scene_round(&s, argv[1], runtime, (int)(i % ELEMENTSOF(knobs)), i % 4 == 3, &a);
                if (r < 0) {
                        fprintf(stderr, "round %" PRIu64 ": %s\n", i, strerror(-r));
                        break;
                }
                acted += a;
                meddled += r > 0;
                left += children_left_demoted(&s) > 0;
        }
        for (int i = 0; i < N_HOGS; i++)
                worker_stop(s.hogs[i]);
        worker_stop(s.foreign);
        worker_stop(s.server);
        worker_stop(s.client);
        snprintf(command, sizeof(command), "rm -rf %s", runtime);
        if (system(command) != 0)
                fprintf(stderr, "%s was not removed\n", runtime);

        printf("%" PRIu64 " rounds: killed while something was demoted in %u, somebody else's "
               "change respected in %u, "
               "children left demoted in %u\n",
               rounds, acted, meddled, left);
        /* A daemon that never acts would pass everything above. */
        if (r >= 0 && (acted < rounds / 4 || meddled == 0)) {
                fprintf(stderr, "too few rounds in which the daemon acted\n");
                return 1;
        }
        return r < 0 || left > 0;
}
