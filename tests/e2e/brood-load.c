/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads for brood.sh; each prints its pid first and ends with its parent.
 *
 *   brood-load storm N MS     keeps N children at work, each a program that burns MS ms of CPU and
 *                             ends; SIGUSR1: goes on without any
 *   brood-load burn MS        such a child
 *   brood-load spin           burns for ever
 *   brood-load pingpong S     a server and a client that asks every 2 ms, for S seconds; prints the
 *                             99th percentile of the answers' delays in µs
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/io.h"
#include "util/time.h"

#define SAMPLES_MAX ((size_t)100000)

static volatile sig_atomic_t ended;
static const char *program; /* absolute: what is executed by another name is another program */

static void on_usr1(int signal) {
        ended = 1;
}

static void burn(usec_t usec) {
        usec_t until = usec_now(CLOCK_THREAD_CPUTIME_ID) + usec;

        while (usec_now(CLOCK_THREAD_CPUTIME_ID) < until)
                ;
}

static void say_pid(void) {
        printf("%d\n", getpid());
        fflush(stdout);
}

static pid_t start_child(char *argv[]) {
        pid_t parent = getpid(), pid = fork();

        if (pid != 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
                execv(program, argv);
        _exit(127);
}

static int storm(unsigned n, char *ms) {
        char *argv[] = {(char *)"brood-load", (char *)"burn", ms, NULL};
        unsigned running = 0;

        (void)prctl(PR_SET_NAME, "e2e-make");
        (void)signal(SIGUSR1, on_usr1);
        say_pid();
        while (!ended || running > 0) {
                for (; running < n && !ended; running++)
                        if (start_child(argv) < 0)
                                return 1;
                if (wait(NULL) > 0)
                        running--;
                else if (errno != EINTR)
                        return 1;
        }
        for (;;)
                pause();
}

static void serve(int fd) {
        char byte;

        (void)prctl(PR_SET_NAME, "test-server");
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (read(fd, &byte, 1) == 1) {
                burn(200);
                if (write(fd, &byte, 1) != 1)
                        break;
        }
        _exit(0);
}

static int compare(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static int pingpong(unsigned seconds) {
        static usec_t delays[SAMPLES_MAX];
        usec_t until = usec_now(CLOCK_MONOTONIC) + seconds * USEC_PER_SEC;
        size_t n = 0;
        int pair[2];
        pid_t pid;

        (void)prctl(PR_SET_NAME, "test-client");
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
                return 1;
        pid = fork();
        if (pid < 0)
                return 1;
        if (pid == 0) {
                close(pair[0]);
                serve(pair[1]);
        }
        close(pair[1]);
        say_pid();
        while (n < SAMPLES_MAX && usec_now(CLOCK_MONOTONIC) < until) {
                char byte = 'x';
                usec_t asked = usec_now(CLOCK_MONOTONIC);

                if (write(pair[0], &byte, 1) != 1 || read(pair[0], &byte, 1) != 1)
                        return 1;
                delays[n++] = usec_now(CLOCK_MONOTONIC) - asked;
                (void)poll(NULL, 0, 2);
        }
        close(pair[0]);
        (void)waitpid(pid, NULL, 0);
        qsort(delays, n, sizeof(*delays), compare);
        printf("%llu\n", n > 0 ? (unsigned long long)delays[n * 99 / 100] : 0ULL);
        return n > 0 ? 0 : 1;
}

int main(int argc, char *argv[]) {
        uint64_t n = 0;

        program = argv[0];
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (argc == 4 && strcmp(argv[1], "storm") == 0 && parse_u64(argv[2], 1, 1000, &n) >= 0)
                return storm((unsigned)n, argv[3]);
        if (argc == 3 && strcmp(argv[1], "burn") == 0 && parse_u64(argv[2], 1, 10000, &n) >= 0) {
                burn(n * USEC_PER_MSEC);
                return 0;
        }
        if (argc == 3 && strcmp(argv[1], "pingpong") == 0 && parse_u64(argv[2], 1, 600, &n) >= 0)
                return pingpong((unsigned)n);
        if (argc == 2 && strcmp(argv[1], "spin") == 0) {
                say_pid();
                burn(USEC_INFINITY / 2);
                return 0;
        }
        fputs("usage: brood-load storm N MS | burn MS | spin | pingpong S\n", stderr);
        return 2;
}
