/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/harness/filter-loads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness/packets.h"

#define PAGE 8192
#define REQUEST 64
#define KEY 48

static void nap(unsigned usec) {
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)usec * 1000}, NULL);
}

/* All bytes, or -1. */
static int transfer(int fd, void *data, size_t n, bool out) {
        char *p = data;

        while (n > 0) {
                ssize_t r = out ? send(fd, p, n, MSG_NOSIGNAL) : recv(fd, p, n, 0);

                if (r <= 0)
                        return -1;
                p += r;
                n -= (size_t)r;
        }
        return 0;
}

static int listen_on(unsigned port) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1, r;

        if (fd < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

static int connect_to(unsigned port) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        struct timeval patience = {.tv_sec = 20};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        address.sin_addr.s_addr = htonl(0x0a090001);
        if (fd < 0)
                return -1;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                close(fd);
                return -1;
        }
        return fd;
}

/* HTTP-like: a request, a page, the end. */
static void serve_pages(int listener) {
        static char page[PAGE];
        char request[REQUEST];

        for (;;) {
                int fd = accept(listener, NULL, NULL);

                if (fd < 0)
                        return;
                if (transfer(fd, request, sizeof(request), false) == 0)
                        (void)transfer(fd, page, sizeof(page), true);
                close(fd);
        }
}

/* SSH-like: what is typed comes back. One client after the other. */
static void serve_keys(int listener) {
        char key[KEY];

        for (;;) {
                int fd = accept(listener, NULL, NULL);

                if (fd < 0)
                        return;
                while (transfer(fd, key, sizeof(key), false) == 0 &&
                       transfer(fd, key, sizeof(key), true) == 0)
                        ;
                close(fd);
        }
}

static int fetch_pages(void) {
        static char page[PAGE];
        char request[REQUEST] = "GET /";

        for (int i = 0; i < PAGES; i++) {
                int fd = connect_to(80);

                if (fd < 0 || transfer(fd, request, sizeof(request), true) < 0 ||
                    transfer(fd, page, sizeof(page), false) < 0)
                        return 1;
                close(fd);
                nap(2000);
        }
        return 0;
}

static int type_keys(void) {
        char key[KEY] = "k", back[KEY];
        int fd = connect_to(22);

        for (int i = 0; fd >= 0 && i < KEYS; i++) {
                key[1] = (char)i;
                if (transfer(fd, key, sizeof(key), true) < 0 ||
                    transfer(fd, back, sizeof(back), false) < 0 ||
                    memcmp(key, back, sizeof(key)) != 0)
                        return 1;
                nap(200);
        }
        return fd < 0;
}

/* One source from ever other ports to our port 80. */
static void flood(int sender) {
        for (unsigned port = 1024;; port = port < 65000 ? port + 1 : 1024) {
                Frame frame;
                uint8_t *ip;

                frame_ethernet(&frame, 0x0800);
                frame_ipv4(&frame, 66, 1, 6, 5);
                frame_tcp(&frame, port, 80, 2, 5);
                frame_finish(&frame, 0);
                ip = frame.bytes + frame.ip;
                put16(ip + 12, 0x0a09);
                put16(ip + 16, 0x0a09);
                ip[14] = ip[18] = 0;
                (void)send(sender, frame.bytes, frame.size, 0);
                if (port % 64 == 0)
                        nap(1000);
        }
}

static pid_t start(void) {
        pid_t parent = getpid(), pid = fork();

        if (pid != 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(99);
        return 0;
}

static void stop(pid_t *pid) {
        if (*pid > 0) {
                (void)kill(*pid, SIGKILL);
                (void)waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

int filter_loads_serve(FilterLoads *l, const FilterNet *n) {
        *l = (FilterLoads){.net = n};
        for (int i = 0; i < 2; i++) {
                int listener = listen_on(i == 0 ? 80 : 22);

                if (listener < 0)
                        return listener;
                l->servers[i] = start();
                if (l->servers[i] == 0) {
                        if (i == 0)
                                serve_pages(listener);
                        else
                                serve_keys(listener);
                        _exit(1);
                }
                close(listener);
                if (l->servers[i] < 0)
                        return -errno;
        }
        return 0;
}

int filter_loads_work(FilterLoads *l) {
        for (int i = 0; i < 2; i++) {
                l->clients[i] = start();
                if (l->clients[i] == 0)
                        _exit(filter_net_enter_peer(l->net) < 0 ? 99
                              : i == 0                          ? fetch_pages()
                                                                : type_keys());
                if (l->clients[i] < 0)
                        return -errno;
        }
        return 0;
}

int filter_loads_wait(FilterLoads *l) {
        int lost = 0;

        for (int i = 0; i < 2; i++) {
                int how = -1;

                if (waitpid(l->clients[i], &how, 0) != l->clients[i] || how != 0)
                        lost |= 1 << i;
                l->clients[i] = 0;
        }
        return lost;
}

int filter_loads_flood(FilterLoads *l, int sender) {
        l->flood = start();
        if (l->flood == 0)
                flood(sender);
        return l->flood < 0 ? -errno : 0;
}

void filter_loads_end_flood(FilterLoads *l) {
        stop(&l->flood);
}

void filter_loads_done(FilterLoads *l) {
        stop(&l->flood);
        for (int i = 0; i < 2; i++) {
                stop(&l->clients[i]);
                stop(&l->servers[i]);
        }
}
