/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lifecycle events of the test's own children, on the running kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "collectors/events.h"

/* What was heard of one process. */
typedef struct Heard {
        pid_t pid;
        size_t n;
        struct aikm_event events[16];
} Heard;

static void on_event(const struct aikm_event *event, void *userdata) {
        Heard *h = userdata;

        if (event->pid == h->pid && h->n < ELEMENTSOF(h->events))
                h->events[h->n++] = *event;
}

static void *thread_nothing(void *userdata) {
        return NULL;
}

static void test_order(void **state) {
        _cleanup_(events_freep)
        Events *ev = NULL;
        Heard heard = {};
        Error e = ERROR_INIT;
        struct pollfd p;

        assert_int_equal(events_new(NULL, on_event, &heard, &ev, &e), 0);
        p = (struct pollfd){.fd = events_fd(ev), .events = POLLIN};
        heard.pid = fork();
        assert_true(heard.pid >= 0);
        if (heard.pid == 0) {
                pthread_t thread;

                /* Threads come and go unheard. */
                if (pthread_create(&thread, NULL, thread_nothing, NULL) != 0 ||
                    pthread_join(thread, NULL) != 0)
                        _exit(2);
                execl("/bin/true", "true", NULL);
                _exit(1);
        }
        assert_int_equal(waitpid(heard.pid, NULL, 0), heard.pid);
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_true(events_dispatch(ev) >= 3);
        assert_int_equal(heard.n, 3);
        assert_int_equal(heard.events[0].kind, AIKM_EVENT_FORK);
        assert_int_equal(heard.events[1].kind, AIKM_EVENT_EXEC);
        assert_int_equal(heard.events[2].kind, AIKM_EVENT_EXIT);
        assert_int_equal(heard.events[0].ppid, getpid());
        assert_string_equal(heard.events[1].comm, "true");
        for (size_t i = 0; i < heard.n; i++) {
                assert_int_equal(heard.events[i].version, AIKM_EVENT_VERSION);
                assert_true(heard.events[i].start_ns == heard.events[0].start_ns);
                assert_true(heard.events[i].at_ns >= heard.events[i].start_ns);
                if (i > 0)
                        assert_true(heard.events[i].at_ns > heard.events[i - 1].at_ns);
        }
        assert_true(events_lost(ev) == 0);
        assert_true(events_dispatch(ev) >= 0);
}

static void fork_quickly(int n) {
        for (int i = 0; i < n; i++) {
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0)
                        _exit(0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
        }
}

/* A page holds 73 events of 56 bytes; 500 forks make 1,000. */
static void test_lost(void **state) {
        _cleanup_(events_freep)
        Events *ev = NULL;
        EventsOptions options = {.ring_size = (size_t)sysconf(_SC_PAGESIZE)};
        size_t room = options.ring_size / (sizeof(struct aikm_event) + 8);
        Heard heard = {};
        Error e = ERROR_INIT;
        uint64_t lost;
        int n;

        assert_int_equal(events_new(&options, on_event, &heard, &ev, &e), 0);
        assert_true(events_lost(ev) == 0);
        fork_quickly(500);
        lost = events_lost(ev);
        n = events_dispatch(ev);
        assert_true(n > 0 && (size_t)n <= room);
        assert_true(lost + (uint64_t)n >= 1000);
        /* Once read, there is room again. */
        heard.pid = fork();
        assert_true(heard.pid >= 0);
        if (heard.pid == 0)
                _exit(0);
        assert_int_equal(waitpid(heard.pid, NULL, 0), heard.pid);
        assert_true(events_dispatch(ev) > 0);
        assert_int_equal(heard.n, 2);
}

/* Each is a fork, an exec and an exit. */
static void exec_quickly(int n) {
        for (int i = 0; i < n; i++) {
                pid_t pid = fork();
                int status;

                assert_true(pid >= 0);
                if (pid == 0) {
                        execl("/bin/true", "true", NULL);
                        _exit(1);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(status, 0);
        }
}

/* Others on this machine execute programs, too: what must not wake is tried until they do not. */
static void test_storm(void **state) {
        _cleanup_(events_freep)
        Events *ev = NULL;
        Heard heard = {};
        Error e = ERROR_INIT;
        struct pollfd p;
        bool still = false;

        assert_int_equal(events_new(NULL, on_event, &heard, &ev, &e), 0);
        p = (struct pollfd){.fd = events_fd(ev), .events = POLLIN};
        events_set_wake(ev, AIKM_WAKE_STORM);
        /* Wakes that came before the mode was set are drained; poll(2) is level-triggered. */
        for (int i = 0; i < 100 && !still; i++) {
                assert_true(events_dispatch(ev) >= 0);
                (void)poll(&p, 1, 0);
                exec_quickly(2);
                still = poll(&p, 1, 0) == 0;
        }
        assert_true(still);
        assert_true(events_dispatch(ev) >= 0);
        exec_quickly(AIKM_STORM_EXECS);
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_true(events_dispatch(ev) >= 3 * AIKM_STORM_EXECS);
        /* Read, it counts from 0 again, and forks alone are no storm. */
        still = false;
        for (int i = 0; i < 100 && !still; i++) {
                assert_true(events_dispatch(ev) >= 0);
                (void)poll(&p, 1, 0);
                fork_quickly(2 * AIKM_STORM_EXECS);
                still = poll(&p, 1, 0) == 0;
        }
        assert_true(still);
}

static void test_ring_size(void **state) {
        static const size_t bad[] = {1, 5000, (size_t)3 * 65536, (size_t)1 << 33};
        Events *ev = NULL;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                EventsOptions options = {.ring_size = bad[i]};
                Error e = ERROR_INIT;

                assert_int_equal(events_new(&options, on_event, NULL, &ev, &e), -EINVAL);
                assert_non_null(strstr(e.text, "power of two"));
        }
        assert_null(ev);
}

static void test_unprivileged(void **state) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                Events *ev = NULL;
                Error e = ERROR_INIT;

                if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                        _exit(10);
                if (events_new(NULL, on_event, NULL, &ev, &e) != -EPERM)
                        _exit(11);
                _exit(strstr(e.text, "CAP_BPF") && !ev ? 0 : 12);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),        cmocka_unit_test(test_lost),
                cmocka_unit_test(test_storm),        cmocka_unit_test(test_ring_size),
                cmocka_unit_test(test_unprivileged),
        };
        Events *ev = NULL;
        Error e = ERROR_INIT;
        int r;

        r = geteuid() == 0 ? events_new(NULL, on_event, NULL, &ev, &e)
                           : error_set(&e, -EPERM, "not root");
        events_free(ev);
        if (r < 0) {
                printf("skipped: %s\n", e.text);
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
