/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What waits and what makes others wait, for impact.sh:
 *   impact-load server          a server that burns 300 µs per request, and its client
 *   impact-load spin NAME N     N processes of that name that compute without a pause
 *   impact-load part NAME       one that computes for 30 ms and sleeps for 70
 * Prints the pids, a line, and runs until it is killed; then all of it ends.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/harness/workers.h"
#include "util/io.h"
#include "util/macro.h"
#include "util/time.h"

static void burn(usec_t usec) {
        usec_t until = usec_now(CLOCK_THREAD_CPUTIME_ID) + usec;

        while (usec_now(CLOCK_THREAD_CPUTIME_ID) < until)
                ;
}

/* pause 0: never. */
static pid_t start(const char *name, usec_t busy, useconds_t pause) {
        pid_t parent = getpid(), pid = fork();

        if (pid != 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        (void)prctl(PR_SET_NAME, name);
        for (;;) {
                burn(busy);
                if (pause > 0)
                        usleep(pause);
        }
}

int main(int argc, char **argv) {
        uint64_t n = 1;
        pid_t pid = -1, client;

        if (argc == 2 && streq(argv[1], "server")) {
                pid = worker_server(300, 2000, &client);
                printf("%d %d", pid, client);
        } else if (argc == 4 && streq(argv[1], "spin") && parse_u64(argv[3], 1, 64, &n) >= 0) {
                for (uint64_t i = 0; i < n; i++) {
                        pid = start(argv[2], 100 * USEC_PER_MSEC, 0);
                        if (pid < 0)
                                break;
                        printf("%d ", pid);
                }
        } else if (argc == 3 && streq(argv[1], "part")) {
                pid = start(argv[2], 30 * USEC_PER_MSEC, 70000);
                printf("%d", pid);
        }
        if (pid < 0) {
                fprintf(stderr, "impact-load: cannot start what was asked for\n");
                return 1;
        }
        printf("\n");
        fflush(stdout);
        for (;;)
                (void)pause();
}
