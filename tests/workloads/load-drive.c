/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load-drive (--tcp PORT | --udp PORT | --unix PATH) --request TEXT --rate N [--connections N]
 *            [--close yes] [--seed N]
 *
 * Sends a request over and over and waits for what comes back, as the phases of phase.h say: "use"
 * is N requests a second with exponential gaps, "trickle" a few a second, "rush" one after another
 * on every connection, "pause" silence. N may be "max". The first answer begins the phases. TEXT
 * knows \r \n \xHH \\. A connection that the server closes is opened anew; --close opens one for
 * each request. Everything is on the loopback.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "phase.h"

#define CONNECTIONS_MAX 64
#define ANSWER_WAIT_MS 1000
#define GAP_MAX 1.5 /* s: silence is for pauses */
#define TRICKLE 3.0 /* requests a second */

typedef struct Connection {
        int fd;          /* -1: none */
        int64_t sent_at; /* µs; 0: nothing is awaited */
} Connection;

static struct sockaddr_storage address;
static socklen_t address_size;
static int socket_type = SOCK_STREAM;
static char request[4096];
static size_t request_size;
static bool close_each;
static double base_rate = -2; /* requests a second; -1: as fast as answers come */
static uint64_t random_state = 1;
static PhaseClock phases;

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
                if (n > 0) {
                        c->sent_at = 0;
                        phase_clock_begin(&phases);
                } else if (errno == EAGAIN)
                        return;
                else
                        break;
        }
        drop(c);
}

static bool send_request(Connection *c) {
        if (c->fd >= 0)
                drain(c);
        if (close_each)
                drop(c);
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

static double rate_of(const Phase *p) {
        if (phase_is(p, "pause"))
                return 0;
        if (phase_is(p, "trickle"))
                return TRICKLE;
        return phase_is(p, "rush") ? -1 : base_rate;
}

static void run(Connection *list, size_t n) {
        int64_t next = now_us();

        for (;;) {
                double left, rate = rate_of(phase_clock_now(&phases, &left));
                int64_t now = now_us(), end = now + (int64_t)(left * 1e6);
                Connection *c;

                if (rate >= 0 && !(rate > 0)) {
                        wait_answers(list, n, end);
                        next = now_us();
                        continue;
                }
                if (rate > 0 && now < next) {
                        wait_answers(list, n, next < end ? next : end);
                        continue;
                }
                c = find_free(list, n);
                if (!c) {
                        wait_answers(list, n, now + 100000);
                        continue;
                }
                if (rate > 0)
                        next += (int64_t)(fmin(-log(1 - random_unit(&random_state)) / rate,
                                               GAP_MAX) *
                                          1e6);
                /* What could not be sent in time is not made up for later. */
                if (next < now - 1000000)
                        next = now;
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

static void set_inet(const char *port, int type) {
        struct sockaddr_in in = {
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
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
        size_t n_connections = 1;

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
                else if (strcmp(argv[i], "--rate") == 0)
                        base_rate = strcmp(value, "max") == 0 ? -1 : strtod(value, NULL);
                else if (strcmp(argv[i], "--connections") == 0)
                        n_connections = (size_t)strtoul(value, NULL, 10);
                else if (strcmp(argv[i], "--close") == 0)
                        close_each = strcmp(value, "yes") == 0;
                else if (strcmp(argv[i], "--seed") == 0)
                        random_state = strtoull(value, NULL, 10);
        }
        if (address_size == 0 || request_size == 0 || base_rate < -1 || n_connections < 1 ||
            n_connections > CONNECTIONS_MAX || !phase_clock_read(&phases)) {
                fputs("usage: load-drive (--tcp PORT | --udp PORT | --unix PATH) --request TEXT "
                      "--rate N [--connections N] [--close yes] [--seed N]\n",
                      stderr);
                return EXIT_FAILURE;
        }
        for (size_t i = 0; i < n_connections; i++)
                connections[i] = (Connection){.fd = -1};
        run(connections, n_connections);
}
