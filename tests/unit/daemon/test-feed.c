/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The feed with clients that read, that do not, that vanish, and that may not. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/feed.h"
#include "daemon/recording-reader.h"
#include "tests/unit/folder.h"

#define NOBODY 65534
#define BIG 5000 /* processes of a sample: about a megabyte */

typedef struct Scene {
        char folder[64], path[96];
        int folder_fd;
        sd_event *event;
        Feed *feed;
        Model *model;
        Policy policy;
        Sample sample;
        int n_begun, n_caught_up, n_lost;
} Scene;

static int on_begin(const RecordingSink *sink, Recording **ret, void *userdata) {
        Scene *s = userdata;

        s->n_begun++;
        return recording_create_sink(sink, &s->policy, s->model, 1, ret, NULL);
}

static void on_catch_up(Recording *r, void *userdata) {
        ((Scene *)userdata)->n_caught_up++;
        assert_int_equal(recording_write_ident(r, 7, &(Ident){.exe = "/usr/bin/known"}), 0);
}

static void on_lost(uint64_t lost, void *userdata) {
        ((Scene *)userdata)->n_lost++;
}

static const FeedOps ops = {.begin = on_begin, .catch_up = on_catch_up, .lost = on_lost};

static int setup(void **state) {
        Scene *s = calloc(1, sizeof(*s));
        Error e = ERROR_INIT;

        if (!s)
                return -1;
        snprintf(s->folder, sizeof(s->folder), "/tmp/test-feed.XXXXXX");
        assert_non_null(mkdtemp(s->folder));
        assert_int_equal(chmod(s->folder, 0755), 0);
        snprintf(s->path, sizeof(s->path), "%s/" FEED_SOCKET, s->folder);
        s->folder_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        s->policy = POLICY_INIT;
        s->sample = SAMPLE_INIT;
        assert_int_equal(policy_init_default(&s->policy), 0);
        assert_int_equal(rules_model_new(&s->model), 0);
        assert_int_equal(sd_event_new(&s->event), 0);
        assert_int_equal(feed_new(s->event, s->folder_fd, &ops, s, &s->feed, &e), 0);
        *state = s;
        return 0;
}

static int teardown(void **state) {
        Scene *s = *state;

        feed_free(s->feed);
        assert_int_equal(access(s->path, F_OK), -1);
        sd_event_unref(s->event);
        model_free(s->model);
        policy_done(&s->policy);
        sample_done(&s->sample);
        close(s->folder_fd);
        assert_int_equal(folder_remove(s->folder), 0);
        free(s);
        return 0;
}

static int knock(const Scene *s) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

/* What the event loop has to do now. */
static void turn(Scene *s) {
        while (sd_event_run(s->event, 0) > 0)
                ;
}

static void tick(Scene *s, usec_t at, size_t n) {
        Recording *r = feed_recording(s->feed);

        if (!r)
                return;
        sample_clear(&s->sample);
        s->sample.at = at;
        for (size_t i = 0; i < n; i++) {
                ProcSample *p = sample_add(&s->sample);

                p->pid = (pid_t)i + 1;
                snprintf(p->comm, sizeof(p->comm), "p");
        }
        assert_int_equal(recording_write_sample(r, &s->sample), 0);
        feed_catch_up(s->feed);
        assert_int_equal(recording_write_decisions(r, NULL, 0), 0);
}

typedef struct Client {
        Scene *scene;
        int fd;
} Client;

/* What the socket does not hold the feed may still have. */
static ssize_t get(void *userdata, void *data, size_t size) {
        const Client *c = userdata;
        ssize_t n = recv(c->fd, data, size, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
                turn(c->scene);
                n = recv(c->fd, data, size, MSG_DONTWAIT);
        }
        return n < 0 ? -errno : n;
}

static void begin_reading(Reader *reader, Client *c) {
        RecordedHeader header;
        Error e = ERROR_INIT;

        if (reader_open_stream(reader, "feed", get, c, &e) < 0 ||
            reader_header(reader, &header, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(header.sample_size, sizeof(ProcSample));
}

static void expect_frame(Reader *reader, FrameType type) {
        Error e = ERROR_INIT;

        if (reader_next(reader, &e) <= 0)
                fail_msg("no frame: %s", e.text);
        assert_int_equal(reader->head.type, type);
}

static FeedStatus status(const Scene *s) {
        FeedStatus f;

        feed_get_status(s->feed, &f);
        return f;
}

static void test_reads(void **state) {
        Scene *s = *state;
        _cleanup_(reader_done)
        Reader reader = {0};
        Error e = ERROR_INIT;
        Ident ident;
        bool known;
        pid_t pid;
        int fd;

        assert_null(feed_recording(s->feed));
        assert_false(status(s).connected);
        fd = knock(s);
        turn(s);
        assert_non_null(feed_recording(s->feed));
        assert_int_equal(status(s).client, getpid());
        tick(s, 10, 3);
        tick(s, 20, 3);
        begin_reading(&reader, &(Client){s, fd});
        expect_frame(&reader, FRAME_SAMPLE);
        expect_frame(&reader, FRAME_IDENT);
        assert_int_equal(reader_ident(&reader, &pid, &ident, &known, &e), 0);
        assert_int_equal(pid, 7);
        assert_string_equal(ident.exe, "/usr/bin/known");
        expect_frame(&reader, FRAME_DECISIONS);
        expect_frame(&reader, FRAME_SAMPLE);
        expect_frame(&reader, FRAME_DECISIONS);
        assert_int_equal(reader_next(&reader, &e), -EAGAIN);
        assert_int_equal(s->n_caught_up, 1);
        close(fd);
        turn(s);
        assert_false(status(s).connected);
        assert_null(feed_recording(s->feed));
}

/* A second one is hung up on, and the first goes on. */
static void test_second(void **state) {
        Scene *s = *state;
        _cleanup_(reader_done)
        Reader reader = {0};
        int first = knock(s), second;
        char c;

        turn(s);
        second = knock(s);
        turn(s);
        assert_int_equal(recv(second, &c, 1, 0), 0);
        close(second);
        tick(s, 10, 1);
        begin_reading(&reader, &(Client){s, first});
        expect_frame(&reader, FRAME_SAMPLE);
        close(first);
        turn(s);
        /* When it has gone another one may come. */
        second = knock(s);
        turn(s);
        assert_true(status(s).connected);
        assert_int_equal(s->n_begun, 2);
        close(second);
}

/* Whole ticks are left out, and said. */
static void test_slow(void **state) {
        Scene *s = *state;
        _cleanup_(reader_done)
        Reader reader = {0};
        Error e = ERROR_INIT;
        uint64_t lost = 0, n_lost = 0, n_samples = 0, n_ident = 0;
        usec_t last = 0;
        int fd = knock(s);

        turn(s);
        for (usec_t at = 1; at <= 20; at++)
                tick(s, at, BIG);
        assert_true(status(s).connected);
        assert_true(status(s).lost >= 10);
        assert_int_equal(s->n_lost, 1);
        lost = status(s).lost;

        begin_reading(&reader, &(Client){s, fd});
        for (usec_t at = 21; at < 200; at++) {
                Sample sample;
                int k;

                while ((k = reader_next(&reader, &e)) > 0) {
                        if (reader.head.type == FRAME_LOST)
                                assert_int_equal(reader_lost(&reader, &n_lost, &e), 0);
                        n_ident += reader.head.type == FRAME_IDENT;
                        if (reader.head.type != FRAME_SAMPLE)
                                continue;
                        assert_int_equal(reader_sample(&reader, &sample, &e), 0);
                        assert_true(sample.at > last);
                        last = sample.at;
                        n_samples++;
                }
                if (n_lost > 0 && last > 20)
                        break;
                /* Never in the middle of a frame. */
                assert_int_equal(k, -EAGAIN);
                assert_true(reader.next == reader.offset);
                tick(s, at, 2);
        }
        assert_int_equal(n_lost, lost);
        assert_true(last > 20);
        /* Who the processes are is told again. */
        assert_int_equal(n_ident, 2);
        close(fd);
}

static void test_vanishes(void **state) {
        Scene *s = *state;
        int fd = knock(s);

        turn(s);
        tick(s, 1, BIG);
        tick(s, 2, BIG);
        close(fd);
        /* It is not known yet, or just so. */
        tick(s, 3, BIG);
        turn(s);
        assert_false(status(s).connected);
        assert_null(feed_recording(s->feed));
        tick(s, 4, BIG);
}

/* Who speaks is no recorder. */
static void test_speaks(void **state) {
        Scene *s = *state;
        int fd = knock(s);

        turn(s);
        assert_int_equal(send(fd, "GET /", 5, 0), 5);
        turn(s);
        assert_false(status(s).connected);
        close(fd);
}

static void test_stranger(void **state) {
        Scene *s = *state;
        pid_t pid;
        int wait_status;

        if (getuid() != 0)
                skip();
        pid = fork();
        if (pid == 0) {
                struct sockaddr_un address = {.sun_family = AF_UNIX};
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                char c;

                snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
                if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                    setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
                    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                        _exit(2);
                _exit(recv(fd, &c, 1, 0) == 0 ? 0 : 1);
        }
        assert_true(pid > 0);
        do {
                turn(s);
                assert_false(status(s).connected);
                usleep(1000);
        } while (waitpid(pid, &wait_status, WNOHANG) == 0);
        assert_int_equal(wait_status, 0);
        assert_int_equal(s->n_begun, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_reads, setup, teardown),
                cmocka_unit_test_setup_teardown(test_second, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
                cmocka_unit_test_setup_teardown(test_vanishes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_speaks, setup, teardown),
                cmocka_unit_test_setup_teardown(test_stranger, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
