/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every method and property of org.aikm1 with good and bad arguments, as root and as another user:
 * test-interface AIKMD XML. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/bus/fixture.h"
#include "util/io.h"
#include "util/macro.h"

#define MANAGER "org.aikm1.Manager"
#define PROCESSES "org.aikm1.Processes"
#define POLICY "org.aikm1.Policy"
#define LEDGER "org.aikm1.Ledger"
#define PRIORS "org.aikm1.Priors"
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define NO_SUCH_PROCESS "org.aikm1.Error.NoSuchProcess"
#define NO_SUCH_ACTION "org.aikm1.Error.NoSuchAction"
#define NOBODY 65534
#define NO_PID 4194304 /* PID_MAX_LIMIT: never a process */

static const char *xml_path;

static int setup(void **state) {
        int r = fixture_setup(state);

        if (r == 0)
                fixture_start_daemon(*state, "observe");
        return r;
}

static void call(sd_bus *bus, const char *error, const char *interface, const char *method) {
        sd_bus_message_unref(fixture_call(bus, error, interface, method, ""));
}

/*
 * One XML document to lines "INTERFACE|MEMBER|PLACE|TAG", so that neither blanks, comments, the
 * order of interfaces nor the way to close an empty element matter. Standard interfaces are left
 * out.
 */
static size_t flatten(char *xml, char *lines[], size_t max) {
        char interface[160] = "", member[160] = "";
        size_t n = 0, place = 0;

        for (char *p = strchr(xml, '<'); p; p = strchr(p, '<')) {
                char *end, *tag;

                if (strncmp(p, "<!--", 4) == 0) {
                        p = strstr(p, "-->");
                        assert_non_null(p);
                        continue;
                }
                end = strchr(p, '>');
                assert_non_null(end);
                tag = p + 1;
                p = end + 1;
                *(end[-1] == '/' ? end - 1 : end) = '\0';
                if (tag[0] == '!' || tag[0] == '/' || strncmp(tag, "node", 4) == 0)
                        continue;
                if (strncmp(tag, "interface ", 10) == 0)
                        snprintf(interface, sizeof(interface), "%s", tag);
                if (strncmp(tag, "arg ", 4) != 0 && strncmp(tag, "annotation ", 11) != 0) {
                        snprintf(member, sizeof(member), "%s", tag);
                        place = 0;
                }
                if (strstr(interface, "org.freedesktop.DBus"))
                        continue;
                assert_true(n < max);
                assert_true(asprintf(&lines[n++], "%s|%s|%02zu|%s", interface, member, ++place,
                                     tag) > 0);
        }
        return n;
}

static int compare_lines(const void *a, const void *b) {
        const char *const *x = a, *const *y = b;

        return strcmp(*x, *y);
}

static void test_introspection(void **state) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL, *filter = NULL;
        const char *filter_text;
        Fixture *f = *state;
        _cleanup_free_
        char *want_xml = NULL, *have_xml = NULL;
        char *want[200], *have[200];
        size_t n_want, n_have, size;
        const char *text;

        assert_int_equal(io_read_all_at(AT_FDCWD, xml_path, 1 << 20, &want_xml, &size), 0);
        reply = fixture_call(f->bus, NULL, "org.freedesktop.DBus.Introspectable", "Introspect", "");
        assert_true(sd_bus_message_read(reply, "s", &text) > 0);
        assert_non_null(strstr(text, "<node name=\"filter\"/>"));
        assert_true(sd_bus_call_method(f->bus, "org.aikm1", "/org/aikm1/filter",
                                       "org.freedesktop.DBus.Introspectable", "Introspect", NULL,
                                       &filter, NULL) >= 0);
        assert_true(sd_bus_message_read(filter, "s", &filter_text) > 0);
        assert_true(asprintf(&have_xml, "%s%s", text, filter_text) > 0);
        n_want = flatten(want_xml, want, ELEMENTSOF(want));
        n_have = flatten(have_xml, have, ELEMENTSOF(have));
        assert_int_equal(n_want, n_have);
        assert_true(n_want > 30);
        qsort(want, n_want, sizeof(*want), compare_lines);
        qsort(have, n_have, sizeof(*have), compare_lines);
        for (size_t i = 0; i < n_want; i++) {
                assert_string_equal(want[i], have[i]);
                free(want[i]);
                free(have[i]);
        }
}

static void test_status(void **state) {
        Fixture *f = *state;
        _cleanup_free_
        char *version = NULL, *mode = NULL;
        char text[64];

        assert_true(sd_bus_get_property_string(f->bus, "org.aikm1", "/org/aikm1", MANAGER,
                                               "Version", NULL, &version) >= 0);
        assert_true(sd_bus_get_property_string(f->bus, "org.aikm1", "/org/aikm1", MANAGER, "Mode",
                                               NULL, &mode) >= 0);
        assert_string_equal(mode, "observe");
        fixture_status_string(f->bus, "Version", text, sizeof(text));
        assert_string_equal(text, version);
        fixture_status_string(f->bus, "Model", text, sizeof(text));
        assert_string_equal(text, "rules");
        fixture_status_string(f->bus, "ModelReason", text, sizeof(text));
        assert_string_equal(text, "");
        assert_int_equal(fixture_status_u64(f->bus, "IntervalUSec"), 100000);
        assert_true(fixture_status_u64(f->bus, "CpuUSec") > 0);
        assert_true(fixture_status_u64(f->bus, "ResidentBytes") > 1 << 20);
        assert_true(fixture_status_u32(f->bus, "Processes") > 2);
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), 0);
        assert_int_equal(fixture_status_u32(f->bus, "LedgerActive"), 0);
}

/* The string or u32 of key in the a{sv} that the message stands before; false: not there. */
static bool find_pid(sd_bus_message *row, uint32_t *ret) {
        bool found = false;
        const char *key;

        while (sd_bus_message_enter_container(row, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(row, "s", &key) > 0);
                if (streq(key, "Pid")) {
                        assert_true(sd_bus_message_read(row, "v", "u", ret) > 0);
                        found = true;
                } else
                        assert_true(sd_bus_message_skip(row, "v") >= 0);
                assert_true(sd_bus_message_exit_container(row) >= 0);
        }
        return found;
}

static void test_processes(void **state) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *list = NULL, *one = NULL;
        Fixture *f = *state;
        uint32_t pid = 0, last = 0;
        bool own = false;

        list = fixture_call(f->bus, NULL, PROCESSES, "List", "");
        assert_true(sd_bus_message_enter_container(list, 'a', "a{sv}") > 0);
        while (sd_bus_message_enter_container(list, 'a', "{sv}") > 0) {
                assert_true(find_pid(list, &pid));
                assert_true(pid > last);
                last = pid;
                own |= pid == (uint32_t)getpid();
                assert_true(sd_bus_message_exit_container(list) >= 0);
        }
        assert_true(own);

        one = fixture_call(f->bus, NULL, PROCESSES, "Explain", "u", (uint32_t)getpid());
        assert_true(sd_bus_message_enter_container(one, 'a', "{sv}") > 0);
        assert_true(find_pid(one, &pid));
        assert_int_equal(pid, getpid());
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, PROCESSES, "Explain", "u", 0));
        sd_bus_message_unref(
                fixture_call(f->bus, INVALID_ARGS, PROCESSES, "Explain", "u", UINT32_MAX));
        sd_bus_message_unref(
                fixture_call(f->bus, NO_SUCH_PROCESS, PROCESSES, "Explain", "u", NO_PID));
        /* The wrong signature */
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, PROCESSES, "Explain", "s", "1"));
}

static void test_policy(void **state) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        Fixture *f = *state;
        const char *json;

        sd_bus_message_unref(
                fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1, "interval", "200ms"));
        assert_int_equal(fixture_status_u64(f->bus, "IntervalUSec"), 200000);
        reply = fixture_call(f->bus, NULL, POLICY, "Get", "");
        assert_true(sd_bus_message_read(reply, "s", &json) > 0);
        assert_non_null(strstr(json, "\"interval\": \"200ms\""));

        /* All or none */
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, POLICY, "Set", "a(ss)", 2,
                                          "interval", "300ms", "no.such.key", "1"));
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, POLICY, "Set", "a(ss)", 2,
                                          "interval", "300ms", "thresholds.confidence", "2"));
        sd_bus_message_unref(
                fixture_call(f->bus, INVALID_ARGS, POLICY, "Set", "a(ss)", 1, "interval", "0"));
        assert_int_equal(fixture_status_u64(f->bus, "IntervalUSec"), 200000);
        sd_bus_message_unref(fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 0));

        call(f->bus, NULL, MANAGER, "Reload");
        assert_int_equal(fixture_status_u64(f->bus, "IntervalUSec"), 200000);
        call(f->bus, NULL, POLICY, "Reset");
        assert_int_equal(fixture_status_u64(f->bus, "IntervalUSec"), 100000);
}

static void test_mode(void **state) {
        Fixture *f = *state;
        char mode[32];

        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "advise"));
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "advise");
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, MANAGER, "SetMode", "s", ""));
        sd_bus_message_unref(
                fixture_call(f->bus, INVALID_ARGS, MANAGER, "SetMode", "s", "Enforce"));
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "advise");
        call(f->bus, NULL, POLICY, "Reset");
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "observe");
}

static void test_ledger(void **state) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        Fixture *f = *state;
        uint32_t own = (uint32_t)getpid();

        reply = fixture_call(f->bus, NULL, LEDGER, "List", "b", true);
        assert_true(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
        assert_true(sd_bus_message_at_end(reply, false) > 0);
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "pid", (uint64_t)own));
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, LEDGER, "Rollback", "st",
                                          "everything", UINT64_C(0)));
        sd_bus_message_unref(
                fixture_call(f->bus, INVALID_ARGS, LEDGER, "Rollback", "st", "pid", UINT64_C(0)));
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, LEDGER, "Rollback", "st", "pid",
                                          (UINT64_C(1) << 32) + own));
        sd_bus_message_unref(fixture_call(f->bus, NO_SUCH_PROCESS, LEDGER, "Rollback", "st", "pid",
                                          (uint64_t)NO_PID));
        sd_bus_message_unref(fixture_call(f->bus, NO_SUCH_ACTION, LEDGER, "Rollback", "st",
                                          "action", UINT64_C(12345)));
}

/* What it says of episodes is seen in tests/e2e/impact.sh; here nothing was done to anybody. */
static void test_impact(void **state) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        Fixture *f = *state;

        reply = fixture_call(f->bus, NULL, LEDGER, "ListImpact", "u", 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
        assert_true(sd_bus_message_at_end(reply, false) > 0);
        sd_bus_message_unref(fixture_call(f->bus, NO_SUCH_ACTION, LEDGER, "ListImpact", "u", 1));
        sd_bus_message_unref(
                fixture_call(f->bus, NO_SUCH_ACTION, LEDGER, "ListImpact", "u", UINT32_MAX));
}

static void test_priors(void **state) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        Fixture *f = *state;
        uint32_t n = 7;

        reply = fixture_call(f->bus, NULL, PRIORS, "Forget", "s", "/nonexistent");
        assert_true(sd_bus_message_read(reply, "u", &n) > 0);
        assert_int_equal(n, 0);
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, PRIORS, "Forget", "s", "relative"));
        sd_bus_message_unref(fixture_call(f->bus, NULL, PRIORS, "Forget", "s", ""));
        sd_bus_message_unref(fixture_call(f->bus, NULL, PRIORS, "List", ""));
}

static void test_trial_arguments(void **state) {
        Fixture *f = *state;
        uint32_t own = (uint32_t)getpid();

        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "Trial", "us", 0, ""));
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, MANAGER, "Trial", "us", own, ""));
        sd_bus_message_unref(
                fixture_call(f->bus, INVALID_ARGS, MANAGER, "Trial", "us", 1, "enforce"));
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, MANAGER, "Trial", "us",
                                          (uint32_t)f->daemon_pid, "enforce"));
        sd_bus_message_unref(
                fixture_call(f->bus, NO_SUCH_PROCESS, MANAGER, "Trial", "us", NO_PID, "enforce"));
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), 0);
}

/* As nobody: all that reads works, all that changes is refused, bad arguments or good. */
static void act_as_nobody(const Fixture *f) {
        sd_bus *bus;

        assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
        assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
        bus = fixture_connect(f);
        call(bus, NULL, MANAGER, "GetStatus");
        call(bus, NULL, PROCESSES, "List");
        call(bus, NULL, POLICY, "Get");
        sd_bus_message_unref(fixture_call(bus, NULL, LEDGER, "List", "b", false));
        sd_bus_message_unref(fixture_call(bus, NULL, LEDGER, "ListImpact", "u", 0));
        sd_bus_message_unref(
                fixture_call(bus, NULL, PROCESSES, "Explain", "u", (uint32_t)getppid()));
        call(bus, ACCESS_DENIED, MANAGER, "Reload");
        call(bus, ACCESS_DENIED, POLICY, "Reset");
        fixture_call(bus, ACCESS_DENIED, MANAGER, "SetMode", "s", "enforce");
        fixture_call(bus, ACCESS_DENIED, MANAGER, "SetMode", "s", "nonsense");
        fixture_call(bus, ACCESS_DENIED, MANAGER, "Trial", "us", (uint32_t)getpid(), "enforce");
        fixture_call(bus, ACCESS_DENIED, POLICY, "Set", "a(ss)", 1, "mode", "enforce");
        fixture_call(bus, ACCESS_DENIED, LEDGER, "Rollback", "st", "all", UINT64_C(0));
        call(bus, NULL, PRIORS, "List");
        fixture_call(bus, ACCESS_DENIED, PRIORS, "Forget", "s", "");
        sd_bus_flush_close_unref(bus);
}

static void test_unprivileged(void **state) {
        Fixture *f = *state;
        char mode[32];
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                act_as_nobody(f);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "observe");
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), 0);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_introspection),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_processes),
                cmocka_unit_test(test_policy),
                cmocka_unit_test(test_mode),
                cmocka_unit_test(test_ledger),
                cmocka_unit_test(test_impact),
                cmocka_unit_test(test_priors),
                cmocka_unit_test(test_trial_arguments),
                cmocka_unit_test(test_unprivileged),
        };

        if (argc != 3) {
                fprintf(stderr, "usage: test-interface AIKMD XML\n");
                return 2;
        }
        if (geteuid() != 0) {
                puts("needs root: the daemon writes to processes of any user");
                return 77;
        }
        fixture_aikmd = argv[1];
        xml_path = argv[2];
        return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
