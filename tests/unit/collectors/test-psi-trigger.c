/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pressure triggers on the running kernel, and on trees that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "collectors/psi-trigger.h"
#include "util/io.h"

#define STALL (100 * USEC_PER_MSEC)
#define WINDOW (2 * USEC_PER_SEC)

static int open_root(void) {
        int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* Two that never sleep on one CPU: one of them always waits. */
static pid_t start_hog(void) {
        pid_t parent = getpid(), pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                cpu_set_t cpus;

                CPU_ZERO(&cpus);
                CPU_SET(0, &cpus);
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
                    sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
                        _exit(1);
                for (;;)
                        __asm__ volatile("");
        }
        return pid;
}

static void test_fires_when_something_waits(void **state) {
        _cleanup_close_
        int root = open_root();
        PsiTriggers t = PSI_TRIGGERS_INIT;
        Error e = ERROR_INIT;
        struct pollfd p;
        pid_t hogs[2];
        int r;

        r = psi_triggers_open(root, STALL, WINDOW, &t, &e);
        if (r < 0) {
                printf("skipped: %s\n", e.text);
                skip();
        }
        for (size_t i = 0; i < ELEMENTSOF(t.fds); i++)
                assert_true(t.fds[i] >= 0);
        for (size_t i = 0; i < ELEMENTSOF(hogs); i++)
                hogs[i] = start_hog();
        p = (struct pollfd){.fd = t.fds[PSI_CPU], .events = POLLPRI};
        r = poll(&p, 1, 60000);
        for (size_t i = 0; i < ELEMENTSOF(hogs); i++) {
                (void)kill(hogs[i], SIGKILL);
                (void)waitpid(hogs[i], NULL, 0);
        }
        assert_int_equal(r, 1);
        assert_int_equal(p.revents, POLLPRI);
        /* poll(2) took it: there is no second one in the same window. */
        assert_int_equal(psi_trigger_take(t.fds[PSI_CPU]), 0);
        psi_triggers_close(&t);
        for (size_t i = 0; i < ELEMENTSOF(t.fds); i++)
                assert_int_equal(t.fds[i], -EBADF);
        assert_int_equal(psi_trigger_take(t.fds[PSI_CPU]), 0);
}

static void test_refused(void **state) {
        _cleanup_close_
        int root = open_root();
        PsiTriggers t = PSI_TRIGGERS_INIT;
        Error e = ERROR_INIT;

        if (psi_triggers_open(root, STALL, WINDOW, &t, &e) < 0) {
                printf("skipped: %s\n", e.text);
                skip();
        }
        psi_triggers_close(&t);
        /* More stall than window, and windows that the kernel has for nobody. */
        assert_true(psi_triggers_open(root, 2 * WINDOW, WINDOW, &t, &e) < 0);
        assert_non_null(strstr(e.text, "/proc/pressure/cpu"));
        assert_true(psi_triggers_open(root, STALL, 3600 * USEC_PER_SEC, &t, &e) < 0);
        for (size_t i = 0; i < ELEMENTSOF(t.fds); i++)
                assert_int_equal(t.fds[i], -EBADF);
}

static void test_not_the_kernel(void **state) {
        static const char text[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        char dir[] = "/tmp/aikmd-psi.XXXXXX", read_back[128] = "";
        _cleanup_close_
        int root = -EBADF, proc = -EBADF, pressure = -EBADF, file = -EBADF;
        PsiTriggers t = PSI_TRIGGERS_INIT;
        Error e = ERROR_INIT;

        assert_non_null(mkdtemp(dir));
        root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(psi_triggers_open(root, STALL, WINDOW, &t, &e), -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "no PSI"));

        assert_int_equal(mkdirat(root, "proc", 0755), 0);
        assert_int_equal(mkdirat(root, "proc/pressure", 0755), 0);
        file = openat(root, "proc/pressure/cpu", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(write(file, text, strlen(text)), strlen(text));
        e = ERROR_INIT;
        assert_int_equal(psi_triggers_open(root, STALL, WINDOW, &t, &e), -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "no file of the kernel"));
        assert_true(io_read_at(root, "proc/pressure/cpu", read_back, sizeof(read_back)) > 0);
        assert_string_equal(read_back, text);
        for (size_t i = 0; i < ELEMENTSOF(t.fds); i++)
                assert_int_equal(t.fds[i], -EBADF);

        assert_int_equal(unlinkat(root, "proc/pressure/cpu", 0), 0);
        assert_int_equal(unlinkat(root, "proc/pressure", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(root, "proc", AT_REMOVEDIR), 0);
        assert_int_equal(rmdir(dir), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fires_when_something_waits),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_not_the_kernel),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
