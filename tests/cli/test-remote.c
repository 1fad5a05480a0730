/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikmctl --host through an ssh of the test's own and systemd's real bridge; what --machine
 * refuses. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "util/macro.h"

static Fixture fixture;
static Output o;

static void run(const char *line, int status) {
        fixture_expect(&fixture, line, status, &o);
}

/* What ssh was called with since the last time; "": it was not. */
static const char *ssh_arguments(void) {
        static char text[4096];
        char path[128];
        _cleanup_close_
        int fd = -EBADF;
        ssize_t n = 0;

        snprintf(path, sizeof(path), "%s/ssh-args", fixture.dir);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                n = read(fd, text, sizeof(text) - 1);
        assert_true(n >= 0);
        text[n] = '\0';
        (void)unlink(path);
        return text;
}

static int start(void **state) {
        fixture_start_fake(&fixture, NULL);
        return fixture_start_ssh(&fixture) ? 0 : -1;
}

static int stop(void **state) {
        fixture_stop_ssh(&fixture);
        fixture_stop_fake(&fixture);
        return 0;
}

/* The fake registers on the bus before the way to it is ssh. */
static int start_without_daemon(void **state) {
        return fixture_start_ssh(&fixture) ? 0 : -1;
}

static int stop_without_daemon(void **state) {
        fixture_stop_ssh(&fixture);
        return 0;
}

static void test_verbs(void **state) {
        run("-H admin@server status", 0);
        assert_says(o.out, "aikmd 9.9.9 on admin@server, running for");
        assert_string_equal(ssh_arguments(), "-xT -- admin@server systemd-stdio-bridge\n");
        run("mode --host=server", 0);
        assert_says(o.out, "observe");
        run("mode enforce -Hserver", 0);
        run("--host server mode", 0);
        assert_says(o.out, "enforce");
        run("-H server ledger", 0);
        assert_says(o.out, "nice=19");
        run("-H server policy set classes.batch.nice=5", 0);
        run("-H server rollback all", 0);
        run("-H server top --once", 0);
        assert_int_equal(strncmp(o.out, "aikmd 9.9.9 on server  mode ", 28), 0);
        run("-H server top --batch -n 2 --json", 0);
        run("-H server ps --json", 0);
        assert_true(o.out[0] == '[' && !o.err[0]);
}

/* uid 0 has a name here; there it might have another. */
static void test_no_local_facts(void **state) {
        run("-H server ps", 0);
        assert_says(o.out, "4242 0 ");
        assert_null(strstr(o.out, "root"));
        run("-H server explain 4242", 0);
        assert_says(o.out, "User          0\n");
        run("-H server top --once", 0);
        assert_null(strstr(o.out, "root"));
}

static void test_addresses(void **state) {
        static const struct {
                const char *host, *arguments;
        } good[] = {
                {"h.example.org", "-xT -- h.example.org systemd-stdio-bridge\n"},
                {"u@h:2222", "-xT -p 2222 -- u@h systemd-stdio-bridge\n"},
                {"[fe80::1%eth0]:22", "-xT -p 22 -- fe80::1%eth0 systemd-stdio-bridge\n"},
                {"u@h/web", "-xT -- u@h systemd-stdio-bridge --machine=web\n"},
                {"u@h:22/web", "-xT -p 22 -- u@h systemd-stdio-bridge --machine=web\n"},
        };
        static const char *const bad[] = {
                "-oProxyCommand=id",
                "u@-oProxyCommand=id",
                "-u@h",
                "@h",
                "u@",
                "h:",
                "h:0",
                "h:65536",
                "h:22x",
                "h:-1",
                "h;id",
                "$(id)",
                "h/-x",
                "h/$(id)",
                "h/",
                "[::1",
                "[]",
                "[::1]x",
                "h\nid",
                "h/a/b",
                "/web",
                "h:22:22",
                "a,b",
                "h=1",
                "[-oProxyCommand]",
                "h\xc3\xa4",
                "u@h/w@eb",
        };
        char line[128];

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                snprintf(line, sizeof(line), "mode -H %s", good[i].host);
                run(line, 0);
                assert_string_equal(ssh_arguments(), good[i].arguments);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                snprintf(line, sizeof(line), "mode --host=%s", bad[i]);
                run(line, 2);
                assert_says(o.err, "--host");
                assert_says(o.err, "not [USER@]HOST[:PORT][/CONTAINER]");
        }
        run("mode --host=", 2);
        run("mode -H", 2);
        assert_says(o.err, "--host needs [USER@]HOST");
        assert_string_equal(ssh_arguments(), "");
}

static void test_failures(void **state) {
        run("-H unreachable mode", 1);
        assert_says(o.err, "ssh: connect to host unreachable port 22: Connection refused\n");
        assert_says(o.err, "aikmctl: cannot reach unreachable: ssh failed to connect or to log in");
        run("-H nobridge status", 1);
        assert_says(o.err, "cannot reach the system bus of nobridge: systemd-stdio-bridge, a part "
                           "of systemd, cannot be run there");
        run("-H nobus ps", 1);
        assert_says(o.err, "cannot reach the system bus of nobus: systemd-stdio-bridge ended there "
                           "with status 1");
        run("-H killed top --once", 1);
        assert_says(o.err, "cannot reach the system bus of killed by ssh: ");
        run("-H brief top --batch --delay 0.2", 1);
        assert_says(o.out, "aikmd 9.9.9 on brief");
        assert_says(o.err, "the connection to brief was lost");
}

static void test_no_ssh(void **state) {
        char here[2048];

        snprintf(here, sizeof(here), "%s", getenv("PATH"));
        assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
        run("-H server mode", 1);
        assert_string_equal(o.err, "aikmctl: cannot reach server: ssh is not installed here\n");
        run("-M root@web mode", 1);
        assert_string_equal(o.err,
                            "aikmctl: cannot reach root@web: systemd-run is not installed here\n");
        assert_int_equal(setenv("PATH", here, 1), 0);
}

static void test_not_running(void **state) {
        run("-H server status", 3);
        assert_says(o.err, "aikmd is not running on server (nobody owns the name org.aikm1): start "
                           "it with systemctl --host server start aikmd");
        run("-H server top --once", 3);
}

static void test_refused(void **state) {
        run("-H server demo", 2);
        assert_says(o.err, "demo works on this machine alone: it takes no --host");
        run("--machine=web config check", 2);
        assert_says(o.err, "config works on this machine alone: it takes no --machine");
        run("-H server -M web mode", 2);
        assert_says(o.err, "--host HOST/CONTAINER");
        assert_int_equal(setenv("AIKM_BUS_ADDRESS", "unix:path=/other", 1), 0);
        run("-H server mode", 2);
        assert_says(o.err, "AIKM_BUS_ADDRESS is set (unix:path=/other)");
        run("-M web mode", 2);
        /* Help helps whatever else is wrong. */
        run("-H server demo --help", 0);
        assert_int_equal(unsetenv("AIKM_BUS_ADDRESS"), 0);
        assert_string_equal(ssh_arguments(), "");
}

static void test_machine(void **state) {
        static const char *const bad[] = {"-x",  "a@b@c",  "@web", "a@-x", "we/b",
                                          "w:b", "we$(b)", "@",    "-a@b"};
        char line[64];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                snprintf(line, sizeof(line), "mode --machine=%s", bad[i]);
                run(line, 2);
                assert_says(o.err, "not [USER@]CONTAINER or [USER@].host");
        }
        run("mode --machine=", 2);
        run("-M no-such-machine-here mode", 1);
        assert_says(o.err, "machine no-such-machine-here is not running");
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_verbs, start, stop),
                cmocka_unit_test_setup_teardown(test_no_local_facts, start, stop),
                cmocka_unit_test_setup_teardown(test_addresses, start, stop),
                cmocka_unit_test_setup_teardown(test_failures, start, stop),
                cmocka_unit_test_setup_teardown(test_no_ssh, start_without_daemon,
                                                stop_without_daemon),
                cmocka_unit_test_setup_teardown(test_not_running, start_without_daemon,
                                                stop_without_daemon),
                cmocka_unit_test_setup_teardown(test_refused, start_without_daemon,
                                                stop_without_daemon),
                cmocka_unit_test_setup_teardown(test_machine, start_without_daemon,
                                                stop_without_daemon),
        };
        int r;

        if (argc != 3)
                return 2;
        fixture_aikmctl = argv[1];
        fixture_fake = argv[2];
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("COLUMNS");
        unsetenv("SYSTEMD_SSH");
        if (!fixture_start(&fixture)) {
                puts("no dbus-daemon");
                return 77;
        }
        if (!fixture_start_ssh(&fixture)) {
                fixture_stop(&fixture);
                puts("no systemd-stdio-bridge");
                return 77;
        }
        fixture_stop_ssh(&fixture);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        fixture_stop(&fixture);
        return r;
}
