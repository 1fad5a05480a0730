/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A user without privilege does its worst: test-fuzz AIKMD BUS-FUZZ. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/bus/polkit.h"

static const char *fuzz_program;

static int setup(void **state) {
        int r = fixture_setup(state);

        if (r == 0)
                fixture_start_daemon(*state, "observe");
        return r;
}

static int run_fuzz(const Fixture *f, const char *calls) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                        _exit(127);
                (void)setenv("AIKM_BUS_ADDRESS", f->address, 1);
                execl(fuzz_program, "bus-fuzz", calls, (char *)NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_fuzz(void **state) {
        Fixture *f = *state;
        uint64_t before;
        char mode[32];

        /* Caches fill. */
        assert_int_equal(run_fuzz(f, "200"), 0);
        before = fixture_status_u64(f->bus, "ResidentBytes");
        assert_int_equal(run_fuzz(f, "3000"), 0);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed */
        assert_true(fixture_status_u64(f->bus, "ResidentBytes") < before + (16 << 20));
#else
        (void)before;
#endif
        /* It is alive, and root is served. */
        assert_int_equal(waitpid(f->daemon_pid, NULL, WNOHANG), 0);
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "observe");
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "advise"));
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "advise");
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fuzz),
        };

        if (argc != 3) {
                fprintf(stderr, "usage: test-fuzz AIKMD BUS-FUZZ\n");
                return 2;
        }
        if (geteuid() != 0) {
                puts("needs root: it calls as another user");
                return 77;
        }
        fixture_aikmd = argv[1];
        fuzz_program = argv[2];
        return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
