/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/harness/workers.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/macro.h"
#include "util/time.h"

static void *spin(_unused_ void *unused) {
        for (volatile unsigned long n = 0;; n++)
                ;
        return NULL;
}

static void burn(usec_t usec) {
        usec_t until = usec_now(CLOCK_THREAD_CPUTIME_ID) + usec;

        while (usec_now(CLOCK_THREAD_CPUTIME_ID) < until)
                ;
}

/* In the child: ends with the parent, whatever happens to it. */
static pid_t start(const char *name) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                        _exit(1);
                (void)prctl(PR_SET_NAME, name);
        }
        return pid;
}

pid_t worker_hog(int n_threads) {
        pid_t pid = start("test-hog");

        if (pid != 0)
                return pid;
        for (int i = 1; i < n_threads; i++) {
                pthread_t t;

                if (pthread_create(&t, NULL, spin, NULL) != 0)
                        _exit(1);
        }
        spin(NULL);
        _exit(0);
}

pid_t worker_forker(void) {
        pid_t pid = start("test-forker");

        if (pid != 0)
                return pid;
        for (;;) {
                pid_t child = fork();

                if (child == 0) {
                        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                        burn(200 * USEC_PER_MSEC);
                        _exit(0);
                }
                if (child > 0)
                        (void)waitpid(child, NULL, 0);
        }
}

pid_t worker_server(unsigned busy_usec, unsigned pause_usec, pid_t *ret_client) {
        int pair[2];
        pid_t server, client;

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
                return -1;
        server = start("test-server");
        if (server == 0) {
                char byte;

                close(pair[1]);
                while (read(pair[0], &byte, 1) == 1) {
                        burn(busy_usec);
                        if (write(pair[0], &byte, 1) != 1)
                                break;
                }
                _exit(0);
        }
        client = server < 0 ? -1 : start("test-client");
        if (client == 0) {
                char byte = 'x';

                close(pair[0]);
                for (;;) {
                        usleep(pause_usec);
                        if (write(pair[1], &byte, 1) != 1 || read(pair[1], &byte, 1) != 1)
                                break;
                }
                _exit(0);
        }
        close(pair[0]);
        close(pair[1]);
        *ret_client = client;
        return server;
}

void worker_stop(pid_t pid) {
        if (pid <= 0)
                return;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}
