/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * effect-server PATH WORK: answers each request of REQUEST_SIZE bytes on the Unix socket PATH with
 * as many, after WORK µs of CPU time. One thread, as many small servers are.
 */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/io.h"
#include "util/macro.h"
#include "util/time.h"

enum { REQUEST_SIZE = 64, CONNECTIONS_MAX = 256, BACKLOG = 64 };

static void work(usec_t usec) {
        usec_t until = usec_now(CLOCK_THREAD_CPUTIME_ID) + usec;

        while (usec_now(CLOCK_THREAD_CPUTIME_ID) < until)
                ;
}

/* Returns false where the connection is over. */
static bool answer(int fd, usec_t usec) {
        char request[REQUEST_SIZE];

        if (recv(fd, request, sizeof(request), MSG_WAITALL) != sizeof(request))
                return false;
        work(usec);
        return send(fd, request, sizeof(request), MSG_NOSIGNAL) == sizeof(request);
}

static int listen_at(const char *path) {
        _cleanup_close_
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un un = {.sun_family = AF_UNIX};

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(un.sun_path))
                return -ENAMETOOLONG;
        memcpy(un.sun_path, path, strlen(path));
        if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int main(int argc, char **argv) {
        struct pollfd p[1 + CONNECTIONS_MAX] = {};
        nfds_t n = 1;
        uint64_t usec;

        if (argc != 3 || parse_u64(argv[2], 0, USEC_PER_SEC, &usec) < 0) {
                fputs("usage: effect-server PATH WORK, with WORK in µs, up to 1000000\n", stderr);
                return 2;
        }
        p[0] = (struct pollfd){.fd = listen_at(argv[1]), .events = POLLIN};
        if (p[0].fd < 0) {
                fprintf(stderr, "effect-server: %s: %s\n", argv[1], strerror(-p[0].fd));
                return 1;
        }
        while (poll(p, n, -1) >= 0) {
                for (nfds_t i = n - 1; i > 0; i--)
                        if (p[i].revents && !answer(p[i].fd, usec)) {
                                close(p[i].fd);
                                p[i] = p[--n];
                        }
                if (p[0].revents) {
                        int fd = accept4(p[0].fd, NULL, NULL, SOCK_CLOEXEC);

                        if (fd >= 0 && n < ELEMENTSOF(p))
                                p[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
                        else if (fd >= 0)
                                close(fd);
                }
        }
        return 1;
}
