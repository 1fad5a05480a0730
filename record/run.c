/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * aikm-record run: reads the daemon's feed and writes it down, until it is told to stop. Whatever
 * happens to the database, the feed is read on, so that the daemon's memory for it stays empty.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "daemon/journal.h"
#include "record/parse.h"
#include "record/verbs.h"
#include "record/writer.h"
#include "util/io.h"

#define SOCKET_PATH "/run/aikmd/record"
#define RECONNECT_AFTER (5 * USEC_PER_SEC)

typedef struct RunOptions {
        const char *database, *socket;
        uint64_t max_size;
        usec_t max_age, batch, retry;
} RunOptions;

typedef struct Run {
        const RunOptions *options;
        Store *store;
        Writer *writer;
        int fd;           /* the feed */
        int signal_fd;    /* SIGTERM, SIGINT */
        usec_t commit_at; /* USEC_INFINITY: nothing waits; CLOCK_MONOTONIC */
        usec_t retry_at;  /* while the writer holds */
        usec_t reopen_at; /* not sooner: what is damaged is checked whole each time */
        bool told;        /* that it is held up, or that nobody is there */
        bool connected_told;
} Run;

static void run_done(Run *r) {
        writer_free(r->writer);
        store_close(r->store);
        closep(&r->fd);
        closep(&r->signal_fd);
}

/* ---- the database ---- */

static int run_open(Run *r, Error *e) {
        char aside[4096];
        int k;

        k = store_open(r->options->database, r->options->max_size, r->options->max_age, &r->store,
                       aside, e);
        if (k >= 0 && aside[0])
                journal_note(LOG_ERR, MESSAGE_DATASET_BROKEN, NULL,
                             "%s was damaged beyond repair: it is %s now, and a new one is begun",
                             r->options->database, aside);
        return k;
}

/* A damaged file is put aside and a new one begun; where that fails it is tried again later. */
static int run_reopen(Run *r, Error *e) {
        int k;

        writer_set_store(r->writer, NULL);
        r->store = store_close(r->store);
        k = run_open(r, e);
        if (k >= 0)
                writer_set_store(r->writer, r->store);
        return k;
}

static void run_hold_up(Run *r, int error, const Error *e) {
        writer_hold(r->writer);
        r->commit_at = USEC_INFINITY;
        r->retry_at = usec_now(CLOCK_MONOTONIC) + r->options->retry;
        if (!r->told)
                journal_note(
                        LOG_WARNING, MESSAGE_DATASET_HELD_UP, NULL,
                        "Cannot write the data set: %s; it is tried again every %g s, and what is "
                        "left out meanwhile is counted",
                        e->text[0] ? e->text : strerror(-error),
                        (double)r->options->retry / (double)USEC_PER_SEC);
        r->told = true;
}

/* A full disk is the only thing that older rows can make good for. */
static void run_retry(Run *r) {
        StorePruned pruned = {0};
        Error e = ERROR_INIT;

        r->retry_at = usec_now(CLOCK_MONOTONIC) + r->options->retry;
        if (!r->store && run_reopen(r, &e) < 0)
                return;
        store_shrink(r->store);
        if (store_prune_segment(r->store, &pruned, &e) > 0)
                store_shrink(r->store);
        writer_resume(r->writer, "disk");
}

static void run_failed(Run *r, int error, const Error *e) {
        StorePruned pruned = {0};
        Error again = ERROR_INIT;

        if (error == -EUCLEAN && usec_now(CLOCK_MONOTONIC) >= r->reopen_at) {
                r->reopen_at = usec_now(CLOCK_MONOTONIC) + r->options->retry;
                if (run_reopen(r, &again) >= 0)
                        writer_resume(r->writer, "damage");
                else
                        run_hold_up(r, error, &again);
                return;
        }
        writer_hold(r->writer);
        /* The bound of its own is no trouble: older ones go. */
        if (error == -ENOSPC && !r->told &&
            store_keep_bounds(r->store, (int64_t)usec_now(CLOCK_REALTIME), &pruned, &again) >= 0 &&
            pruned.ticks > 0) {
                writer_resume(r->writer, "bound");
                return;
        }
        run_hold_up(r, error, e);
}

static void run_commit(Run *r) {
        StorePruned pruned = {0};
        Error e = ERROR_INIT;
        int k;

        r->commit_at = USEC_INFINITY;
        if (writer_is_holding(r->writer))
                return;
        k = writer_commit(r->writer, &e);
        if (k >= 0 && r->told) {
                journal_note(LOG_NOTICE, MESSAGE_DATASET_RESUMED, NULL,
                             "The data set is written again; %" PRIu64
                             " ticks are missing since the start",
                             writer_missed(r->writer));
                r->told = false;
        }
        if (k >= 0)
                k = store_keep_bounds(r->store, (int64_t)usec_now(CLOCK_REALTIME), &pruned, &e);
        if (k < 0)
                run_failed(r, k, &e);
}

/* ---- the feed ---- */

/* -ECANCELED: it is to stop. 0: the time has come. 1: fd can be read. */
static int run_wait(const Run *r, int fd, usec_t until) {
        struct pollfd fds[] = {{.fd = r->signal_fd, .events = POLLIN},
                               {.fd = fd, .events = POLLIN}};
        usec_t now = usec_now(CLOCK_MONOTONIC);
        int timeout = -1, k;

        if (until != USEC_INFINITY)
                timeout = until > now ? (int)MIN((until - now) / USEC_PER_MSEC + 1, 3600000) : 0;
        k = poll(fds, ELEMENTSOF(fds), timeout);
        if (k < 0)
                return errno == EINTR ? 0 : -errno;
        if (fds[0].revents)
                return -ECANCELED;
        return fds[1].revents != 0;
}

static ssize_t run_get(void *userdata, void *data, size_t size) {
        Run *r = userdata;

        for (;;) {
                int k = run_wait(r, r->fd, r->commit_at);
                ssize_t n;

                if (k < 0)
                        return k;
                if (k == 0) {
                        if (usec_now(CLOCK_MONOTONIC) >= r->commit_at)
                                run_commit(r);
                        continue;
                }
                n = recv(r->fd, data, size, MSG_DONTWAIT);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        continue;
                return n < 0 ? -errno : n;
        }
}

static int64_t epoch_now(void) {
        return (int64_t)usec_now(CLOCK_REALTIME) - (int64_t)usec_now(CLOCK_BOOTTIME);
}

static int run_begin(Run *r, Reader *reader, Error *e) {
        char boot_id[64] = "unknown", uuid[33];
        unsigned char random[16];
        RecordedHeader header;
        WriterOrigin origin = {
                .boot_id = boot_id, .name = "daemon", .uuid = uuid, .epoch = epoch_now()};
        _cleanup_close_
        int root_fd = io_root_open();
        int k;

        k = reader_header(reader, &header, e);
        if (k < 0)
                return k;
        if (io_read_at(root_fd, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) > 0)
                boot_id[strcspn(boot_id, "\n")] = '\0';
        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return error_set(e, -errno, "no random numbers: %s", strerror(errno));
        for (size_t i = 0; i < sizeof(random); i++)
                snprintf(uuid + 2 * i, 3, "%02x", random[i]);
        return writer_begin(r->writer, &header, reader->payload + sizeof(header),
                            reader->head.size - sizeof(header), &origin, e);
}

static int run_frames(Run *r, Reader *reader, Error *e) {
        int k;

        while ((k = reader_next(reader, e)) > 0) {
                usec_t now = usec_now(CLOCK_MONOTONIC);
                Error inner = ERROR_INIT;

                writer_set_epoch(r->writer, epoch_now());
                if (writer_is_holding(r->writer) && writer_is_between_ticks(r->writer) &&
                    now >= r->retry_at)
                        run_retry(r);
                k = writer_frame(r->writer, reader, &inner);
                if (k == -EBADMSG)
                        return error_set(e, k, "%s", inner.text);
                if (k < 0)
                        run_failed(r, k, &inner);
                if (writer_has_uncommitted(r->writer) && r->commit_at == USEC_INFINITY)
                        r->commit_at = now + r->options->batch;
                /* Whole ticks, where frames keep coming. */
                if (now >= r->commit_at && writer_is_between_ticks(r->writer))
                        run_commit(r);
        }
        return k;
}

/* -ENOTCONN where it was hung up on before it heard anything. */
static int run_stream(Run *r, Error *e) {
        _cleanup_(reader_done)
        Reader reader = {0};
        Error end = ERROR_INIT;
        int k;

        k = reader_open_stream(&reader, r->options->socket, run_get, r, e);
        if (k == -EPROTO && reader.next == 0)
                return -ENOTCONN;
        if (k >= 0)
                k = run_begin(r, &reader, e);
        if (k < 0)
                return k;
        if (!r->connected_told)
                journal_note(LOG_INFO, MESSAGE_DATASET_STARTED, NULL,
                             "Recording what aikmd sees to %s", r->options->database);
        r->connected_told = true;
        k = run_frames(r, &reader, e);
        run_commit(r);
        if (writer_end(r->writer, &end) < 0)
                writer_hold(r->writer);
        return k;
}

static int run_connect(Run *r, Error *e) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *path = r->options->socket;

        if (strlen(path) >= sizeof(address.sun_path))
                return error_set(e, -EINVAL, "%s: a socket's path is shorter than %zu bytes", path,
                                 sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path));
        closep(&r->fd);
        r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (r->fd < 0 || connect(r->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        return 0;
}

/* Until it is to stop: -ECANCELED. */
static int run_loop(Run *r) {
        bool absent_told = false;

        for (;;) {
                Error e = ERROR_INIT;
                int k;

                k = run_connect(r, &e);
                if (k >= 0)
                        k = run_stream(r, &e);
                if (k == -ECANCELED)
                        return k;
                if (k >= 0) {
                        journal_log(LOG_INFO, "The daemon has ended, waiting for it to come back");
                        absent_told = true;
                } else if (!absent_told) {
                        if (k == -ENOTCONN)
                                journal_log(LOG_WARNING,
                                            "%s: hung up on: it admits root and the user "
                                            "aikm-record, and one recorder at a time; trying again",
                                            r->options->socket);
                        else
                                journal_log(LOG_NOTICE, "%s; trying again",
                                            e.text[0] ? e.text : strerror(-k));
                        absent_told = true;
                }
                if (k == -EINVAL)
                        return k;
                do
                        k = run_wait(r, -1, usec_now(CLOCK_MONOTONIC) + RECONNECT_AFTER);
                while (k > 0);
                if (k < 0)
                        return k;
        }
}

static int run(const RunOptions *options, Error *e) {
        _cleanup_(run_done)
        Run r = {.options = options, .fd = -EBADF, .signal_fd = -EBADF, .commit_at = USEC_INFINITY};
        sigset_t mask;
        int k;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        r.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC);
        if (r.signal_fd < 0)
                return -errno;
        k = run_open(&r, e);
        if (k >= 0)
                k = writer_new(r.store, &r.writer);
        if (k < 0)
                return k;
        (void)sd_notify(0, "READY=1");
        k = run_loop(&r);
        (void)sd_notify(0, "STOPPING=1");
        journal_note(LOG_INFO, MESSAGE_DATASET_STOPPED, NULL,
                     "Stopped recording after %" PRIu64 " ticks, %" PRIu64 " are missing",
                     writer_ticks(r.writer), writer_missed(r.writer));
        return k == -ECANCELED ? 0 : k;
}

static int parse(int argc, char *argv[], RunOptions *o, Error *e) {
        static const struct option options[] = {
                {"database", required_argument, NULL, 'd'},
                {"socket", required_argument, NULL, 's'},
                {"max-size", required_argument, NULL, 'm'},
                {"max-age", required_argument, NULL, 'a'},
                {"batch", required_argument, NULL, 'b'},
                {"retry", required_argument, NULL, 'r'},
                {},
        };
        int c, r = 0;

        while (r >= 0 && (c = getopt_long(argc, argv, "d:", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        o->database = optarg;
                        break;
                case 's':
                        o->socket = optarg;
                        break;
                case 'm':
                        r = parse_size("--max-size", optarg, &o->max_size, e);
                        if (r >= 0 && o->max_size < STORE_SIZE_MIN)
                                r = error_set(e, -EINVAL, "--max-size: %s is less than 4M", optarg);
                        break;
                case 'a':
                        r = parse_span("--max-age", optarg, &o->max_age, e);
                        break;
                case 'b':
                        r = parse_span("--batch", optarg, &o->batch, e);
                        break;
                case 'r':
                        r = parse_span("--retry", optarg, &o->retry, e);
                        break;
                default:
                        r = error_set(e, -EINVAL, "unknown option or missing value");
                        break;
                }
        if (r >= 0 && optind != argc)
                r = error_set(e, -EINVAL, "takes no argument");
        return r;
}

int verb_run(int argc, char *argv[]) {
        RunOptions o = {
                .database = database_default(),
                .socket = SOCKET_PATH,
                .max_size = STORE_SIZE_DEFAULT,
                .max_age = STORE_AGE_DEFAULT,
                .batch = 5 * USEC_PER_SEC,
                .retry = 10 * USEC_PER_SEC,
        };
        Error e = ERROR_INIT;
        int r;

        if (parse(argc, argv, &o, &e) < 0)
                return usage_error("run", "%s", e.text);
        journal_init_as("aikm-record");
        r = run(&o, &e);
        if (r < 0)
                journal_log(LOG_ERR, "%s", e.text[0] ? e.text : strerror(-r));
        journal_done();
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
