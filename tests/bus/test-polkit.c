/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may do what, as polkit says: asked for everybody but root, answered once whatever polkit and
 * callers do. test-polkit AIKMD FAKE-POLKIT. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/bus/polkit.h"

#define FILTER "org.aikm1.Filter"
#define PER_CLIENT 8
#define PER_USER 16

static void expect_mode(const Fixture *f, const char *expected) {
        char mode[32];

        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, expected);
}

/* One call from beginning to end. */
static void ask(sd_bus *bus, bool interactive, const char *mode, const char *error) {
        Call c;

        call_start(&c, bus, interactive, MANAGER, "SetMode", "s", mode);
        call_finish(&c, bus, error);
        call_done(&c);
}

static void test_root_is_not_asked_for(void **state) {
        Fixture *f = *state;
        PolkitAsked before, after;

        polkit_set(f, "no");
        polkit_get(f, &before);
        ask(f->bus, /* interactive= */ true, "advise", NULL);
        sd_bus_message_unref(fixture_call(f->bus, NULL, PROCESSES, "List", ""));
        ask(f->bus, /* interactive= */ false, "observe", NULL);
        polkit_get(f, &after);
        assert_int_equal(after.questions, before.questions);
        assert_true(log_has(f, "Mode set: mode advise, on request of uid 0 ("));
}

static void test_question(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        PolkitAsked asked;
        const char *name;
        char subject[96];

        polkit_set(f, "yes");
        ask(bus, /* interactive= */ false, "advise", NULL);
        expect_mode(f, "advise");
        polkit_get(f, &asked);
        assert_string_equal(asked.action, "org.aikm1.set-mode");
        assert_string_equal(asked.details, "mode=advise");
        assert_int_equal(asked.flags, 0);
        assert_true(sd_bus_get_unique_name(bus, &name) >= 0);
        snprintf(subject, sizeof(subject), "system-bus-name name=%s", name);
        assert_string_equal(asked.subject, subject);
        assert_true(log_has(f, "Mode set: mode advise, on request of uid 65534 ("));

        ask(bus, /* interactive= */ true, "observe", NULL);
        polkit_get(f, &asked);
        assert_int_equal(asked.flags, 1);

        sd_bus_message_unref(fixture_call(bus, NULL, POLICY, "Set", "a(ss)", 2, "interval", "200ms",
                                          "mode", "observe"));
        polkit_get(f, &asked);
        assert_string_equal(asked.action, "org.aikm1.set-policy");
        assert_string_equal(asked.details, "settings=interval=200ms mode=observe");
        sd_bus_message_unref(fixture_call(bus, NULL, POLICY, "Reset", ""));
        polkit_get(f, &asked);
        assert_string_equal(asked.action, "org.aikm1.reset-policy");
        sd_bus_message_unref(fixture_call(bus, NULL, MANAGER, "Reload", ""));
        polkit_get(f, &asked);
        assert_string_equal(asked.action, "org.aikm1.reload");
        sd_bus_message_unref(fixture_call(bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        polkit_get(f, &asked);
        assert_string_equal(asked.action, "org.aikm1.rollback");
        assert_string_equal(asked.details, "what=all number=0");
}

/* Attaching and enforcing are asked for apart; what they are about is told. */
static void test_filters(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        PolkitAsked asked;

        polkit_set(f, "yes");
        sd_bus_message_unref(fixture_call(bus, "org.aikm1.Error.NoSuchModel", FILTER, "Attach",
                                          "ss", "nowhere", "nothing"));
        polkit_get(f, &asked);
        assert_string_equal(asked.action, "org.aikm1.manage-filters");
        assert_string_equal(asked.details, "interface=nowhere model=nothing");
        sd_bus_message_unref(fixture_call(bus, "org.aikm1.Error.NoSuchFilter", FILTER, "SetMode",
                                          "sst", "nowhere", "enforce", UINT64_C(1000000)));
        polkit_get(f, &asked);
        assert_string_equal(asked.action, "org.aikm1.enforce-filter");
        assert_string_equal(asked.details, "interface=nowhere mode=enforce");
        sd_bus_message_unref(fixture_call(bus, "org.aikm1.Error.NoSuchFilter", FILTER, "AddAllowed",
                                          "ss", "nowhere", "::/0"));
        polkit_get(f, &asked);
        assert_string_equal(asked.details, "interface=nowhere prefix=::/0");
        /* Whoever may attach a model by name may still not bring a program of one's own. */
        sd_bus_message_unref(fixture_call(bus, ACCESS_DENIED, FILTER, "Attach", "ss", "nowhere",
                                          "/tmp/x.bpf.o"));
        sd_bus_message_unref(fixture_call(bus, ACCESS_DENIED, FILTER, "AttachObject", "sshh",
                                          "nowhere", "x", STDIN_FILENO, STDIN_FILENO));
        polkit_set(f, "no");
        sd_bus_message_unref(fixture_call(bus, ACCESS_DENIED, FILTER, "Detach", "s", "nowhere"));
        assert_true(log_has(f, "Refused manage-filters: interface nowhere, on request of uid "
                               "65534 ("));
        sd_bus_message_unref(fixture_call(bus, ACCESS_DENIED, FILTER, "SetMode", "sst", "nowhere",
                                          "shadow", UINT64_C(0)));
}

static void test_refusals(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;

        polkit_set(f, "no");
        ask(bus, /* interactive= */ true, "enforce", ACCESS_DENIED);
        assert_true(log_has(f, "Refused set-mode: mode enforce, on request of uid 65534 ("));
        polkit_set(f, "challenge");
        ask(bus, /* interactive= */ false, "enforce", AUTHENTICATION_REQUIRED);
        expect_mode(f, "observe");
}

/* Allowed is not yet right. */
static void test_arguments_are_checked(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        _cleanup_free_
        char *big = malloc((1 << 20) + 1);
        PolkitAsked before, after;

        assert_non_null(big);
        memset(big, 'x', 1 << 20);
        big[1 << 20] = '\0';
        polkit_set(f, "yes");
        ask(bus, /* interactive= */ false, "nonsense", INVALID_ARGS);
        sd_bus_message_unref(fixture_call(bus, INVALID_ARGS, POLICY, "Set", "a(ss)", 1, "no", "1"));
        sd_bus_message_unref(fixture_call(bus, INVALID_ARGS, MANAGER, "Trial", "us", 1, "enforce"));
        /* What is far too large is not even asked for. */
        polkit_get(f, &before);
        ask(bus, /* interactive= */ false, big, LIMITS_EXCEEDED);
        sd_bus_message_unref(
                fixture_call(bus, LIMITS_EXCEEDED, POLICY, "Set", "a(ss)", 1, "scope", big));
        polkit_get(f, &after);
        assert_int_equal(after.questions, before.questions);
        expect_mode(f, "observe");
}

static void test_control_characters(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;

        polkit_set(f, "no");
        ask(bus, /* interactive= */ false, "a\nb\033[31m", ACCESS_DENIED);
        assert_true(log_has(f, "mode a?b?[31m"));
}

/* Details are cut, and not through a character: the bus would take that for a broken message. */
static void test_long_details(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        char mode[401] = "x";
        PolkitAsked asked;

        for (size_t i = 1; i + 2 < sizeof(mode); i += 2)
                memcpy(mode + i, "\xc3\xa4", 3);
        polkit_set(f, "yes");
        ask(bus, /* interactive= */ false, mode, INVALID_ARGS);
        polkit_get(f, &asked);
        assert_int_equal(strlen(asked.details), strlen("mode=") + 255);
        ask(bus, /* interactive= */ false, mode + 1, INVALID_ARGS);
        polkit_get(f, &asked);
        assert_int_equal(strlen(asked.details), strlen("mode=") + 254);
}

/* Reads are asked for once in a while, or top would keep polkit busy. */
static void test_reading(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY),
               *other = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        PolkitAsked before, after;

        polkit_set(f, "yes");
        polkit_get(f, &before);
        for (int i = 0; i < 5; i++)
                sd_bus_message_unref(fixture_call(bus, NULL, PROCESSES, "List", ""));
        sd_bus_message_unref(fixture_call(bus, NULL, POLICY, "Get", ""));
        polkit_get(f, &after);
        assert_int_equal(after.questions, before.questions + 1);
        assert_string_equal(after.action, "org.aikm1.read");

        polkit_set(f, "no");
        sd_bus_message_unref(fixture_call(other, ACCESS_DENIED, PROCESSES, "List", ""));
        sd_bus_message_unref(fixture_call(other, ACCESS_DENIED, LEDGER, "List", "b", true));
}

static bool has_ticked(void *userdata) {
        const uint64_t *since = userdata;
        sd_bus *bus = (sd_bus *)(uintptr_t)since[1];

        return fixture_status_u64(bus, "Ticks") > since[0] + 3;
}

static void test_late_answer(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        uint64_t since[2] = {fixture_status_u64(f->bus, "Ticks"), (uintptr_t)f->bus};
        Call c;

        polkit_set(f, "hold");
        call_start(&c, bus, /* interactive= */ true, MANAGER, "SetMode", "s", "advise");
        polkit_wait_held(f, 1);
        /* Meanwhile life goes on. */
        assert_true(fixture_wait(has_ticked, since));
        ask(f->bus, /* interactive= */ false, "observe", NULL);
        call_process(bus);
        assert_int_equal(c.n_replies, 0);
        expect_mode(f, "observe");
        assert_int_equal(polkit_release(f, "yes"), 1);
        call_finish(&c, bus, NULL);
        expect_mode(f, "advise");
        ask(f->bus, /* interactive= */ false, "observe", NULL);
        call_process(bus);
        call_done(&c);
}

/* Without a person to wait for, patience ends after seconds. */
static void test_no_answer(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        PolkitAsked before, after;

        polkit_set(f, "hold");
        polkit_get(f, &before);
        ask(bus, /* interactive= */ false, "advise", ACCESS_DENIED);
        polkit_wait_held(f, 0);
        polkit_get(f, &after);
        assert_int_equal(after.withdrawn, before.withdrawn + 1);
        expect_mode(f, "observe");
}

static void test_caller_leaves(void **state) {
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        PolkitAsked before, after;
        Call c;

        polkit_set(f, "hold");
        polkit_get(f, &before);
        call_start(&c, bus, /* interactive= */ true, MANAGER, "SetMode", "s", "advise");
        polkit_wait_held(f, 1);
        call_done(&c);
        sd_bus_close_unref(bus);
        polkit_wait_held(f, 0);
        polkit_get(f, &after);
        assert_int_equal(after.withdrawn, before.withdrawn + 1);
        expect_mode(f, "observe");

        /* At once, again and again. */
        for (int i = 0; i < 50; i++) {
                bus = fixture_connect_as(f, NOBODY);
                call_start(&c, bus, /* interactive= */ true, MANAGER, "SetMode", "s", "advise");
                call_done(&c);
                sd_bus_close_unref(bus);
        }
        expect_mode(f, "observe");
        polkit_wait_held(f, 0);
}

static void test_flood(void **state) {
        enum { N_CLIENTS = 5, N_CALLS = 30 };
        static Call calls[N_CLIENTS][N_CALLS];
        sd_bus *clients[N_CLIENTS];
        sd_bus *other = fixture_connect_as(*state, SOMEBODY);
        Fixture *f = *state;
        size_t refused = 0;
        Call c;

        polkit_set(f, "hold");
        for (size_t i = 0; i < N_CLIENTS; i++) {
                clients[i] = fixture_connect_as(f, NOBODY);
                for (size_t k = 0; k < N_CALLS; k++)
                        call_start(&calls[i][k], clients[i], /* interactive= */ true, MANAGER,
                                   "SetMode", "s", "enforce");
                polkit_wait_held(f, (uint32_t)MIN((i + 1) * PER_CLIENT, (size_t)PER_USER));
        }
        /* Nobody else is kept waiting. */
        expect_mode(f, "observe");
        call_start(&c, other, /* interactive= */ true, MANAGER, "SetMode", "s", "advise");
        polkit_wait_held(f, PER_USER + 1);
        call_done(&c);
        sd_bus_close_unref(other);
        polkit_wait_held(f, PER_USER);

        for (size_t i = 0; i < N_CLIENTS; i++) {
                /* Answers come in the order of requests: after this one, the refusals are here. */
                sd_bus_message_unref(
                        fixture_call(clients[i], NULL, "org.freedesktop.DBus.Peer", "Ping", ""));
                call_process(clients[i]);
                for (size_t k = 0; k < N_CALLS; k++)
                        if (calls[i][k].n_replies > 0) {
                                call_finish(&calls[i][k], clients[i], LIMITS_EXCEEDED);
                                refused++;
                        }
        }
        assert_int_equal(refused, N_CLIENTS * N_CALLS - PER_USER);
        for (size_t i = 0; i < N_CLIENTS; i++) {
                for (size_t k = 0; k < N_CALLS; k++)
                        call_done(&calls[i][k]);
                sd_bus_close_unref(clients[i]);
        }
        polkit_wait_held(f, 0);
        expect_mode(f, "observe");
}

static void test_polkit_leaves(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        Fixture *f = *state;
        Call c;

        polkit_set(f, "hold");
        call_start(&c, bus, /* interactive= */ true, MANAGER, "SetMode", "s", "advise");
        polkit_wait_held(f, 1);
        polkit_stop();
        call_finish(&c, bus, ACCESS_DENIED);
        call_done(&c);

        /* Now there is none: root alone changes, everybody reads. */
        call_start(&c, bus, /* interactive= */ true, MANAGER, "SetMode", "s", "advise");
        call_finish(&c, bus, ACCESS_DENIED);
        assert_non_null(strstr(sd_bus_message_get_error(c.reply)->message, "only root"));
        call_done(&c);
        sd_bus_message_unref(fixture_call(bus, NULL, PROCESSES, "List", ""));
        ask(f->bus, /* interactive= */ false, "advise", NULL);
        expect_mode(f, "advise");
        ask(f->bus, /* interactive= */ false, "observe", NULL);

        polkit_start(f);
        polkit_set(f, "yes");
        ask(bus, /* interactive= */ false, "advise", NULL);
        ask(bus, /* interactive= */ false, "observe", NULL);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_root_is_not_asked_for),
                cmocka_unit_test(test_question),
                cmocka_unit_test(test_filters),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_arguments_are_checked),
                cmocka_unit_test(test_control_characters),
                cmocka_unit_test(test_long_details),
                cmocka_unit_test(test_reading),
                cmocka_unit_test(test_late_answer),
                cmocka_unit_test(test_no_answer),
                cmocka_unit_test(test_caller_leaves),
                cmocka_unit_test(test_flood),
                cmocka_unit_test(test_polkit_leaves),
        };

        if (argc != 3) {
                fprintf(stderr, "usage: test-polkit AIKMD FAKE-POLKIT\n");
                return 2;
        }
        if (geteuid() != 0) {
                puts("needs root: it calls as other users");
                return 77;
        }
        fixture_aikmd = argv[1];
        polkit_program = argv[2];
        return cmocka_run_group_tests(tests, polkit_setup, polkit_teardown);
}
