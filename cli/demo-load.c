/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "cli/demo-load.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/attrs.h"

#define BUSY_USEC 300
#define GAP_USEC 2000.0
#define LATENCIES_MAX ((size_t)65536)

typedef enum Phase { PHASE_OPEN, PHASE_RECORD, PHASE_CLOSED } Phase;

/* Shared with the children; each field has one writer. */
typedef struct Shared {
        _Atomic int phase;            /* Phase, written by the measuring parent */
        _Atomic pid_t server, client; /* written by the root */
        _Atomic pid_t hogs[DEMO_HOGS_MAX];
        _Atomic bool failed;          /* a child ended by itself */
        _Atomic size_t n_latencies;   /* written by the client */
        _Atomic uint64_t n_closed;    /* requests answered in PHASE_CLOSED */
        float latency[LATENCIES_MAX]; /* µs */
        struct {
                _Atomic uint64_t turns;
                char pad[56]; /* a cache line each */
        } hog[DEMO_HOGS_MAX];
} Shared;

struct DemoLoad {
        Shared *shared;
        pid_t root;
        size_t n_hogs;
        pid_t hogs[DEMO_HOGS_MAX];
};

static usec_t cpu_now(void) {
        return usec_now(CLOCK_THREAD_CPUTIME_ID);
}

static double now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

_Noreturn static void hog_run(Shared *s, size_t index) {
        for (uint64_t turns = 0;;) {
                for (volatile int i = 0; i < 100000; i++)
                        ;
                turns += 100000;
                atomic_store_explicit(&s->hog[index].turns, turns, memory_order_relaxed);
        }
}

_Noreturn static void server_run(int fd) {
        char byte;

        while (read(fd, &byte, 1) == 1) {
                usec_t until = cpu_now() + BUSY_USEC;

                while (cpu_now() < until)
                        ;
                if (write(fd, &byte, 1) != 1)
                        break;
        }
        _exit(1);
}

static void sleep_until(double usec) {
        struct timespec ts = {.tv_sec = (time_t)(usec / 1e6),
                              .tv_nsec = (long)(fmod(usec, 1e6) * 1e3)};

        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/*
 * Requests arrive at times that are set in advance, whether or not the one before was answered in
 * time, and a request's latency counts from then: a client that is itself kept from running must
 * not leave its wait out (what G. Tene calls coordinated omission).
 */
_Noreturn static void client_run(Shared *s, int fd) {
        unsigned short seed[3] = {0x41, 0x49, 0x4b};
        double due = now_usec();
        char byte = 'x';

        (void)prctl(PR_SET_TIMERSLACK, 1);
        for (;;) {
                int phase = atomic_load(&s->phase);

                due += -GAP_USEC * log(1.0 - erand48(seed));
                if (phase == PHASE_CLOSED)
                        due = now_usec();
                else
                        sleep_until(due);
                if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
                        _exit(1);
                if (phase == PHASE_RECORD) {
                        size_t n = atomic_load(&s->n_latencies);

                        if (n < LATENCIES_MAX) {
                                s->latency[n] = (float)(now_usec() - due);
                                atomic_store(&s->n_latencies, n + 1);
                        }
                } else if (phase == PHASE_CLOSED)
                        atomic_fetch_add(&s->n_closed, 1);
        }
}

/* Forks a child that dies with its parent and carries a name of its own. */
static pid_t fork_named(const char *name) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                        _exit(1);
                (void)prctl(PR_SET_NAME, name);
        }
        return pid;
}

/* The root: a session (and so an autogroup) of its own that holds server, client and hogs. */
_Noreturn static void root_run(Shared *s, size_t n_hogs) {
        int pair[2];
        pid_t pid;

        if (setsid() < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                _exit(1);
        pid = fork_named("pingpong");
        if (pid == 0)
                server_run(pair[0]);
        atomic_store(&s->server, pid);
        pid = fork_named("pingclient");
        if (pid == 0)
                client_run(s, pair[1]);
        atomic_store(&s->client, pid);
        for (size_t i = 0; i < n_hogs; i++) {
                pid = fork_named("spinner");
                if (pid == 0)
                        hog_run(s, i);
                atomic_store(&s->hogs[i], pid);
        }
        close(pair[0]);
        close(pair[1]);
        (void)wait(NULL); /* none of them ends by itself */
        atomic_store(&s->failed, true);
        _exit(1);
}

static bool all_started(const DemoLoad *l) {
        if (atomic_load(&l->shared->server) == 0 || atomic_load(&l->shared->client) == 0)
                return false;
        for (size_t i = 0; i < l->n_hogs; i++)
                if (atomic_load(&l->shared->hogs[i]) == 0)
                        return false;
        return true;
}

int demo_load_start(size_t n_hogs, DemoLoad **ret) {
        _cleanup_(demo_load_stopp)
        DemoLoad *l = NULL;

        if (n_hogs > DEMO_HOGS_MAX)
                return -EINVAL;
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->n_hogs = n_hogs;
        l->shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                         -1, 0);
        if (l->shared == MAP_FAILED) {
                l->shared = NULL;
                return -errno;
        }
        l->root = fork_named("demo");
        if (l->root < 0)
                return -errno;
        if (l->root == 0)
                root_run(l->shared, n_hogs);
        for (int i = 0; !all_started(l); i++) {
                if (i > 2000 || waitpid(l->root, NULL, WNOHANG) != 0)
                        return -EPIPE;
                usleep(5000);
        }
        for (size_t i = 0; i < n_hogs; i++)
                l->hogs[i] = atomic_load(&l->shared->hogs[i]);
        *ret = TAKE_PTR(l);
        return 0;
}

DemoLoad *demo_load_stop(DemoLoad *l) {
        if (!l)
                return NULL;
        if (l->root > 0) {
                (void)kill(l->root, SIGKILL); /* the others have it as their parent-death signal */
                (void)waitpid(l->root, NULL, 0);
        }
        if (l->shared)
                (void)munmap(l->shared, sizeof(Shared));
        free(l);
        return NULL;
}

pid_t demo_load_root(const DemoLoad *l) {
        return l->root;
}

pid_t demo_load_server(const DemoLoad *l) {
        return atomic_load(&l->shared->server);
}

pid_t demo_load_client(const DemoLoad *l) {
        return atomic_load(&l->shared->client);
}

size_t demo_load_hogs(const DemoLoad *l, const pid_t **ret_pids) {
        *ret_pids = l->hogs;
        return l->n_hogs;
}

static int compare_floats(const void *a, const void *b) {
        const float *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static uint64_t hog_turns(const DemoLoad *l) {
        uint64_t sum = 0;

        for (size_t i = 0; i < l->n_hogs; i++)
                sum += atomic_load_explicit(&l->shared->hog[i].turns, memory_order_relaxed);
        return sum;
}

/* Switches the phase, lets it last, and returns how long it was, in µs. */
static double phase_last(DemoLoad *l, Phase phase, usec_t duration) {
        double begin = now_usec();

        atomic_store(&l->shared->phase, phase);
        usleep((useconds_t)duration);
        atomic_store(&l->shared->phase, PHASE_OPEN);
        return now_usec() - begin;
}

int demo_load_measure(DemoLoad *l, usec_t open, usec_t closed, DemoMeasure *ret) {
        Shared *s = l->shared;
        DemoMeasure m = {};
        uint64_t turns;
        double lasted;

        atomic_store(&s->n_latencies, 0);
        atomic_store(&s->n_closed, 0);
        turns = hog_turns(l);
        lasted = phase_last(l, PHASE_RECORD, open);
        m.hog_work = (double)(hog_turns(l) - turns) / lasted;
        m.n_requests = atomic_load(&s->n_latencies);
        if (m.n_requests > 0) {
                qsort(s->latency, m.n_requests, sizeof(s->latency[0]), compare_floats);
                m.p50 = (double)s->latency[m.n_requests / 2];
                m.p99 = (double)s->latency[m.n_requests * 99 / 100];
                m.max = (double)s->latency[m.n_requests - 1];
        }
        if (closed > 0) {
                lasted = phase_last(l, PHASE_CLOSED, closed);
                m.throughput = (double)atomic_load(&s->n_closed) * 1e6 / lasted;
        }
        if (atomic_load(&s->failed) || m.n_requests == 0)
                return -EPIPE;
        *ret = m;
        return 0;
}

int demo_load_snapshot(const DemoLoad *l, char *buffer, size_t size) {
        int r;

        buffer[0] = '\0';
        r = attrs_snapshot(demo_load_server(l), buffer, size);
        if (r >= 0)
                r = attrs_snapshot(demo_load_client(l), buffer, size);
        for (size_t i = 0; i < l->n_hogs && r >= 0; i++)
                r = attrs_snapshot(l->hogs[i], buffer, size);
        return r;
}
