/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * effect-client: asks a server at a fixed mean rate, whether it keeps up or not, and measures each
 * answer from when its request was DUE: one that waits for a free connection, or for this client
 * itself to be scheduled, waits all the same.
 *
 * It asks from its start on. A number of seconds, written to the fifo, opens a window: the
 * latencies of the requests that are due within are written to RESULT once all are answered, or
 * GRACE after the window's end; one that is unanswered then counts with what it has waited so far.
 * The first line of RESULT is 'due answered bad', each further one a latency in µs.
 *
 * It knows no protocol: what the server answers to the first request, in length and beginning, is
 * what it has to answer to all others.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/io.h"
#include "util/macro.h"
#include "util/time.h"

enum {
        CONNECTIONS_MAX = 64,
        REQUEST_MAX = 1024,
        QUEUE_SIZE = 1 << 20, /* requests that are due and not yet sent; a power of 2 */
        HEAD_SIZE = 12,       /* of an answer, compared with the first one's */
        QUIET_MS = 200,       /* no more bytes for so long: the first answer is complete */
        CONNECT_TRIES = 200,  /* one each 50 ms */
};
#define GRACE (2 * USEC_PER_SEC)

typedef struct Connection {
        int fd;
        bool busy;
        usec_t due;
        size_t got;
        char head[HEAD_SIZE];
} Connection;

typedef struct Window {
        usec_t start, end; /* 0: none open */
        size_t n_due, n_answered, n_bad, size;
        float *latency; /* µs, of the answered */
} Window;

typedef struct Client {
        struct sockaddr_storage address;
        socklen_t address_size;
        char request[REQUEST_MAX];
        size_t request_size;
        double rate;
        uint64_t n_connections, random;
        const char *go, *result;

        Connection connection[CONNECTIONS_MAX];
        char head[HEAD_SIZE];
        size_t answer_size;
        usec_t *queue; /* ring */
        size_t queued, first;
        Window window;
} Client;

static double random_gap(Client *c) {
        c->random = c->random * 6364136223846793005u + 1442695040888963407u;
        return -log(1 - (double)(c->random >> 11) / 9007199254740992.0) / c->rate * 1e6;
}

static int dial(const Client *c) {
        _cleanup_close_
        int fd = socket(c->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int one = 1;

        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&c->address, c->address_size) < 0 &&
            errno != EINPROGRESS)
                return -errno;
        if (c->address.ss_family == AF_INET)
                (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return TAKE_FD(fd);
}

static bool window_holds(const Window *w, usec_t due) {
        return w->start > 0 && due >= w->start && due < w->end;
}

static void window_add(Window *w, usec_t due, usec_t now) {
        if (w->n_answered < w->size)
                w->latency[w->n_answered++] = (float)(now - due);
}

static bool send_due(Client *c, Connection *k, usec_t due) {
        k->due = due;
        k->busy = true;
        k->got = 0;
        return send(k->fd, c->request, c->request_size, MSG_NOSIGNAL) == (ssize_t)c->request_size;
}

/* A connection that broke: its request goes out again on a new one, and still waits since it was
 * due. */
static void redial(Client *c, Connection *k) {
        struct pollfd p;

        c->window.n_bad += window_holds(&c->window, k->due);
        close(k->fd);
        k->fd = dial(c);
        if (k->fd < 0)
                return;
        p = (struct pollfd){.fd = k->fd, .events = POLLOUT};
        (void)poll(&p, 1, QUIET_MS);
        if (k->busy)
                (void)send_due(c, k, k->due);
}

static void on_readable(Client *c, Connection *k) {
        char buffer[65536];
        ssize_t n = recv(k->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0 || !k->busy || k->got + (size_t)n > c->answer_size) {
                redial(c, k);
                return;
        }
        for (size_t i = 0; i < (size_t)n && k->got + i < HEAD_SIZE; i++)
                k->head[k->got + i] = buffer[i];
        k->got += (size_t)n;
        if (k->got < c->answer_size)
                return;
        k->busy = false;
        if (!window_holds(&c->window, k->due))
                return;
        c->window.n_bad += memcmp(k->head, c->head, MIN(c->answer_size, (size_t)HEAD_SIZE)) != 0;
        window_add(&c->window, k->due, usec_now(CLOCK_MONOTONIC));
}

static void put_due(Client *c, usec_t due) {
        c->window.n_due += window_holds(&c->window, due);
        if (c->queued < QUEUE_SIZE)
                c->queue[(c->first + c->queued++) % QUEUE_SIZE] = due;
}

static void send_queued(Client *c) {
        for (size_t i = 0; i < c->n_connections && c->queued > 0; i++) {
                Connection *k = &c->connection[i];

                if (k->busy || k->fd < 0)
                        continue;
                c->queued--;
                if (!send_due(c, k, c->queue[c->first++ % QUEUE_SIZE]))
                        redial(c, k);
        }
}

/* Gives the result under its name when it is complete. */
static int window_write(Client *c, usec_t now) {
        _cleanup_fclose_
        FILE *f = NULL;
        char temporary[4096];
        Window *w = &c->window;
        size_t answered = w->n_answered;

        for (size_t i = 0; i < c->n_connections; i++)
                if (c->connection[i].busy && window_holds(w, c->connection[i].due))
                        window_add(w, c->connection[i].due, now);
        for (size_t i = 0; i < c->queued; i++)
                if (window_holds(w, c->queue[(c->first + i) % QUEUE_SIZE]))
                        window_add(w, c->queue[(c->first + i) % QUEUE_SIZE], now);
        snprintf(temporary, sizeof(temporary), "%s.new", c->result);
        f = fopen(temporary, "we");
        if (!f)
                return -errno;
        fprintf(f, "%zu %zu %zu\n", w->n_due, answered, w->n_bad);
        for (size_t i = 0; i < w->n_answered; i++)
                fprintf(f, "%.0f\n", (double)w->latency[i]);
        if (fflush(f) != 0 || rename(temporary, c->result) < 0)
                return -errno;
        w->start = 0;
        return 0;
}

static int window_open(Client *c, int go, usec_t now) {
        char text[32];
        ssize_t n = read(go, text, sizeof(text) - 1);
        double seconds;
        Window *w = &c->window;

        if (n <= 0)
                return 0;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        if (parse_double(text, 0.01, 3600, &seconds) < 0)
                return -EINVAL;
        free(w->latency);
        *w = (Window){.start = now, .end = now + (usec_t)(seconds * 1e6)};
        /* Arrivals are random: room for twice as many as there are on average. */
        w->size = (size_t)(c->rate * seconds * 2) + 1000;
        w->latency = malloc(w->size * sizeof(w->latency[0]));
        return w->latency ? 0 : -ENOMEM;
}

/* Waits until at the latest. Returns whether the fifo can be read. */
static bool wait_until(Client *c, int go, usec_t until) {
        struct pollfd p[CONNECTIONS_MAX + 1];
        usec_t now = usec_now(CLOCK_MONOTONIC), left = until > now ? until - now : 0;
        struct timespec ts = {.tv_sec = (time_t)(left / USEC_PER_SEC),
                              .tv_nsec = (long)(left % USEC_PER_SEC * NSEC_PER_USEC)};
        size_t n = (size_t)c->n_connections;

        for (size_t i = 0; i < n; i++)
                p[i] = (struct pollfd){.fd = c->connection[i].fd, .events = POLLIN};
        p[n] = (struct pollfd){.fd = go, .events = POLLIN};
        if (ppoll(p, n + 1, &ts, NULL) <= 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (p[i].revents)
                        on_readable(c, &c->connection[i]);
        return p[n].revents & POLLIN;
}

static int run(Client *c, int go) {
        double next = (double)usec_now(CLOCK_MONOTONIC);

        for (;;) {
                usec_t now;
                int r = 0;

                if (wait_until(c, go, (usec_t)next))
                        r = window_open(c, go, usec_now(CLOCK_MONOTONIC));
                now = usec_now(CLOCK_MONOTONIC);
                while (next <= (double)now) {
                        put_due(c, (usec_t)next);
                        next += random_gap(c);
                }
                send_queued(c);
                if (c->window.start > 0 && now >= c->window.end &&
                    (c->window.n_answered >= c->window.n_due || now > c->window.end + GRACE))
                        r = window_write(c, now);
                if (r < 0)
                        return r;
        }
}

static int connect_all(Client *c) {
        for (size_t i = 0; i < c->n_connections; i++) {
                int fd = -ECONNREFUSED;

                for (int try = 0; fd < 0 && try < CONNECT_TRIES; try++) {
                        fd = dial(c);
                        if (fd < 0)
                                usleep(50000);
                }
                if (fd < 0)
                        return fd;
                c->connection[i] = (Connection){.fd = fd};
        }
        return 0;
}

/* What the server answers, in length and beginning. */
static int learn_answer(Client *c) {
        struct pollfd p = {.fd = c->connection[0].fd, .events = POLLOUT};
        char buffer[65536];

        if (poll(&p, 1, 5000) != 1 ||
            send(p.fd, c->request, c->request_size, MSG_NOSIGNAL) != (ssize_t)c->request_size)
                return -ECONNREFUSED;
        p.events = POLLIN;
        for (int wait = 5000; poll(&p, 1, wait) == 1; wait = QUIET_MS) {
                ssize_t n = recv(p.fd, buffer, sizeof(buffer), 0);

                if (n <= 0)
                        return -ECONNRESET;
                for (size_t i = 0; i < (size_t)n && c->answer_size + i < HEAD_SIZE; i++)
                        c->head[c->answer_size + i] = buffer[i];
                c->answer_size += (size_t)n;
        }
        return c->answer_size > 0 ? 0 : -ENODATA;
}

/* \r, \n and \0 as in C. */
static size_t decode(const char *text, char *out, size_t size) {
        size_t n = 0;

        for (; *text && n < size; text++) {
                if (*text == '\\' && text[1]) {
                        text++;
                        out[n++] = (char)(*text == 'r'   ? '\r'
                                          : *text == 'n' ? '\n'
                                          : *text == '0' ? '\0'
                                                         : *text);
                } else
                        out[n++] = *text;
        }
        return n;
}

static int set_unix(Client *c, const char *path) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};

        if (strlen(path) >= sizeof(un.sun_path))
                return -ENAMETOOLONG;
        memcpy(un.sun_path, path, strlen(path));
        memcpy(&c->address, &un, sizeof(un));
        c->address_size = sizeof(un);
        return 0;
}

static int set_tcp(Client *c, const char *port) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        uint64_t value;
        int r = parse_u64(port, 1, UINT16_MAX, &value);

        if (r < 0)
                return r;
        in.sin_port = htons((uint16_t)value);
        memcpy(&c->address, &in, sizeof(in));
        c->address_size = sizeof(in);
        return 0;
}

static int parse_options(Client *c, int argc, char **argv) {
        static const struct option options[] = {
                {"unix", required_argument, NULL, 'u'},
                {"tcp", required_argument, NULL, 't'},
                {"request", required_argument, NULL, 'q'},
                {"rate", required_argument, NULL, 'r'},
                {"connections", required_argument, NULL, 'c'},
                {"seed", required_argument, NULL, 's'},
                {NULL, 0, NULL, 0},
        };
        int o, r = 0;

        while (r >= 0 && (o = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (o == 'u')
                        r = set_unix(c, optarg);
                else if (o == 't')
                        r = set_tcp(c, optarg);
                else if (o == 'q')
                        c->request_size = decode(optarg, c->request, sizeof(c->request));
                else if (o == 'r')
                        r = parse_double(optarg, 0.1, 100000, &c->rate);
                else if (o == 'c')
                        r = parse_u64(optarg, 1, CONNECTIONS_MAX, &c->n_connections);
                else if (o == 's')
                        r = parse_u64(optarg, 0, UINT64_MAX, &c->random);
                else
                        r = -EINVAL;
        }
        if (r < 0 || argc - optind != 2 || c->address_size == 0 || c->request_size == 0 ||
            !(c->rate > 0))
                return -EINVAL;
        c->go = argv[optind];
        c->result = argv[optind + 1];
        return 0;
}

int main(int argc, char **argv) {
        static Client c = {.n_connections = 4};
        _cleanup_close_
        int go = -EBADF;
        int r;

        if (parse_options(&c, argc, argv) < 0) {
                fprintf(stderr,
                        "usage: effect-client --unix PATH|--tcp PORT --request TEXT --rate N "
                        "[--connections N, up to %d] [--seed N] FIFO RESULT\n",
                        CONNECTIONS_MAX);
                return 2;
        }
        c.queue = malloc(QUEUE_SIZE * sizeof(c.queue[0]));
        /* Open for writing, too: a fifo that a writer has closed would be readable for good. */
        go = open(c.go, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        r = !c.queue ? -ENOMEM : go < 0 ? -errno : 0;
        /* The kernel's 50 µs of slack are not the server's latency. */
        (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
        if (r >= 0)
                r = connect_all(&c);
        if (r >= 0)
                r = learn_answer(&c);
        if (r >= 0)
                r = run(&c, go);
        fprintf(stderr, "effect-client: %s\n", strerror(-r));
        free(c.queue);
        free(c.window.latency);
        return 1;
}
