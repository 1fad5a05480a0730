/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load-drive (--tcp PORT | --udp PORT | --unix PATH) --request TEXT --phases RATE:SECONDS,…
 *            [--connections N] [--seed N]
 *
 * Sends a request over and over and waits for what comes back. RATE is requests a second with
 * exponential gaps, 0 for silence, or "max" for one after another on every connection; the phases
 * are run through again and again until it is told to end. TEXT knows \r \n \xHH \\. A connection
 * that the server closes is opened anew. Everything is on the loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define PHASES_MAX 16
#define ANSWER_WAIT_MS 1000

typedef struct Connection {
        int fd;          /* -1: none */
        int64_t sent_at; /* µs; 0: nothing is awaited */
} Connection;

typedef struct Phase {
        double rate; /* negative: as fast as answers come */
        double seconds;
} Phase;

static struct sockaddr_storage address;
static socklen_t address_size;
static int socket_type = SOCK_STREAM;
static char request[4096];
static size_t request_size;
static uint64_t random_state = 1;

static double random_unit(void) {
        random_state += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = random_state;

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int64_t now_us(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void drop(Connection *c) {
        if (c->fd >= 0)
                close(c->fd);
        *c = (Connection){.fd = -1};
}

static bool open_connection(Connection *c) {
        int one = 1;

        c->fd = socket(address.ss_family, socket_type | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, address_size) < 0) {
                drop(c);
                return false;
        }
        if (address.ss_family == AF_INET && socket_type == SOCK_STREAM)
                setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return true;
}

/* Throws away what waits to be read. */
static void drain(Connection *c) {
        char buffer[65536];
        ssize_t n;

        while (c->fd >= 0 && (n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) != 0) {
                if (n > 0)
                        c->sent_at = 0;
                else if (errno == EAGAIN)
                        return;
                else
                        break;
        }
        drop(c);
}

static bool send_request(Connection *c) {
        if (c->fd >= 0)
                drain(c);
        if (c->fd < 0 && !open_connection(c))
                return false;
        if (send(c->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) {
                drop(c);
                return false;
        }
        c->sent_at = now_us();
        return true;
}

/* Waits until at the latest, in µs. */
static void wait_answers(Connection *list, size_t n, int64_t until) {
        struct pollfd p[CONNECTIONS_MAX];
        int64_t now = now_us(), left = until > now ? until - now : 0;
        struct timespec ts = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};

        for (size_t i = 0; i < n; i++)
                p[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
        if (ppoll(p, n, &ts, NULL) <= 0)
                return;
        for (size_t i = 0; i < n; i++)
                if (p[i].revents)
                        drain(&list[i]);
}

static Connection *find_free(Connection *list, size_t n) {
        int64_t now = now_us();

        for (size_t i = 0; i < n; i++)
                if (list[i].sent_at == 0 || now - list[i].sent_at > ANSWER_WAIT_MS * 1000)
                        return &list[i];
        return NULL;
}

static void run_phase(const Phase *phase, Connection *list, size_t n) {
        int64_t end = now_us() + (int64_t)(phase->seconds * 1e6), next = now_us();

        while (now_us() < end) {
                Connection *c;

                if (phase->rate >= 0 && !(phase->rate > 0)) {
                        wait_answers(list, n, end);
                        continue;
                }
                if (phase->rate > 0 && now_us() < next) {
                        wait_answers(list, n, next < end ? next : end);
                        continue;
                }
                c = find_free(list, n);
                if (!c) {
                        wait_answers(list, n, now_us() + 100000);
                        continue;
                }
                if (phase->rate > 0)
                        next += (int64_t)(-log(1 - random_unit()) / phase->rate * 1e6);
                if (!send_request(c))
                        usleep(100000); /* the server is not up yet */
        }
}

static size_t decode(const char *text, char *out, size_t size) {
        size_t n = 0;

        for (; *text && n < size; text++) {
                if (*text != '\\' || !text[1]) {
                        out[n++] = *text;
                        continue;
                }
                text++;
                if (*text == 'x' && text[1] && text[2]) {
                        char hex[3] = {text[1], text[2], '\0'};

                        out[n++] = (char)strtol(hex, NULL, 16);
                        text += 2;
                } else {
                        out[n++] = *text == 'r' ? '\r' : *text == 'n' ? '\n' : *text;
                }
        }
        return n;
}

static size_t parse_phases(char *text, Phase *ret) {
        size_t n = 0;
        char *field;

        while ((field = strsep(&text, ",")) && n < PHASES_MAX) {
                char *seconds = strchr(field, ':');

                if (!seconds)
                        return 0;
                *seconds++ = '\0';
                ret[n].rate = strcmp(field, "max") == 0 ? -1 : atof(field);
                ret[n++].seconds = atof(seconds);
        }
        return n;
}

static void set_inet(const char *port, int type) {
        struct sockaddr_in in = {
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t)atoi(port)),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };

        memcpy(&address, &in, sizeof(in));
        address_size = sizeof(in);
        socket_type = type;
}

static void set_unix(const char *path) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};

        snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
        memcpy(&address, &un, sizeof(un));
        address_size = sizeof(un);
}

int main(int argc, char *argv[]) {
        Connection connections[CONNECTIONS_MAX];
        Phase phases[PHASES_MAX];
        size_t n_connections = 1, n_phases = 0;

        for (int i = 1; i + 1 < argc; i += 2) {
                char *value = argv[i + 1];

                if (strcmp(argv[i], "--tcp") == 0)
                        set_inet(value, SOCK_STREAM);
                else if (strcmp(argv[i], "--udp") == 0)
                        set_inet(value, SOCK_DGRAM);
                else if (strcmp(argv[i], "--unix") == 0)
                        set_unix(value);
                else if (strcmp(argv[i], "--request") == 0)
                        request_size = decode(value, request, sizeof(request));
                else if (strcmp(argv[i], "--phases") == 0)
                        n_phases = parse_phases(value, phases);
                else if (strcmp(argv[i], "--connections") == 0)
                        n_connections = (size_t)atoi(value);
                else if (strcmp(argv[i], "--seed") == 0)
                        random_state = strtoull(value, NULL, 10);
        }
        if (address_size == 0 || request_size == 0 || n_phases == 0 || n_connections < 1 ||
            n_connections > CONNECTIONS_MAX) {
                fputs("usage: load-drive (--tcp PORT | --udp PORT | --unix PATH) --request TEXT "
                      "--phases RATE:SECONDS,… [--connections N] [--seed N]\n",
                      stderr);
                return 2;
        }
        for (size_t i = 0; i < n_connections; i++)
                connections[i] = (Connection){.fd = -1};
        for (size_t i = 0;; i = (i + 1) % n_phases)
                run_phase(&phases[i], connections, n_connections);
}
