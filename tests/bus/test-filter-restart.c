/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic filters that are rolled back, and what is left of them when the daemon stops or crashes:
 * detached, or kept and taken over. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/bus/filter-fixture.h"
#include "util/time.h"

#define LEDGER "org.aikm1.Ledger"

static void test_rollback(void **state) {
        const Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        assert_false(only(f).there || is_attached() || is_pinned());
        assert_int_equal(in_force(f), 0);
        /* What policy brought is not brought again. */
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"all\"}]}");
        reload(f);
        assert_true(only(f).there);
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        usleep(1500000);
        assert_false(only(f).there || is_attached());
}

static void test_stop_detaches(void **state) {
        Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        assert_false(is_attached() || is_pinned());
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
}

static void test_crash_detaches(void **state) {
        Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        (void)fixture_stop_daemon(f, SIGKILL);
        assert_true(is_attached() && is_pinned());
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there || is_attached() || is_pinned());
        assert_int_equal(in_force(f), 0);
}

static void attach_to_keep(const Fixture *f, const char *interface) {
        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        call(f, NULL, "Attach", interface, "all");
}

static void test_keep(void **state) {
        Fixture *f = *state;
        Row row;

        attach_to_keep(f, "f0");
        call(f, NULL, "AddAllowed", "f0", "192.0.2.9");
        set_mode(f, NULL, "enforce", LEASE);
        assert_int_equal(judge(f, 7, 20).dropped, 20);
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        assert_true(is_attached() && is_pinned());
        /* It goes on, and the next daemon knows what it did meanwhile. */
        send_frames(7, 32);
        usleep(100000);
        fixture_start_daemon(f, "observe");
        row = only(f);
        assert_true(row.there);
        assert_string_equal(row.model, "all");
        assert_string_equal(row.mode, "enforce");
        assert_true(row.lease > 0 && row.lease < LEASE);
        assert_int_equal(row.dropped, 52);
        assert_int_equal(judge(f, 9, 5).allowed, 5);
        assert_int_equal(in_force(f), 1);
        /* After a crash as well. */
        restart(f, SIGKILL, "observe");
        assert_int_equal(judge(f, 7, 8).dropped, 60);
        assert_int_equal(in_force(f), 1);
        call(f, NULL, "Detach", "f0", NULL);
        assert_false(is_attached() || is_pinned());
}

/* The kernel ends a lease, whoever is there to see it. */
static void test_lease_without_daemon(void **state) {
        Fixture *f = *state;
        Row row;

        attach_to_keep(f, "f0");
        set_mode(f, NULL, "enforce", 2 * USEC_PER_SEC);
        assert_int_equal(judge(f, 7, 20).dropped, 20);
        (void)fixture_stop_daemon(f, SIGKILL);
        usleep(2100000);
        send_frames(7, 32);
        usleep(100000);
        fixture_start_daemon(f, "observe");
        row = only(f);
        assert_string_equal(row.mode, "shadow");
        assert_int_equal(row.lease, 0);
        assert_int_equal(row.malicious, 52);
        assert_int_equal(row.dropped, 20);
}

/* An interface that goes while nobody looks takes its filter along. */
static void test_gone_while_down(void **state) {
        Fixture *f = *state;
        char command[160];

        run_here("ip link add late0 type veth peer name late1");
        attach_to_keep(f, "late0");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        run_here("ip link del late0");
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
        snprintf(command, sizeof(command), "! ls %s | grep .", filter_dir);
        run_here(command);
}

/* One that moved while nobody looked is none of ours, even where its new number is that of another
 * interface here; and it is told by the name that it had. */
static void test_moved_while_down(void **state) {
        Fixture *f = *state;
        char command[192];

        run_here("ip link add late0 index 300 type veth peer name late1");
        attach_to_keep(f, "late0");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        /* 300 is taken there; what it gets instead is given to another one here. */
        assert_int_equal(
                filter_net_run(&net, true, "ip link add taken index 300 type veth peer name t1"),
                0);
        snprintf(command, sizeof(command),
                 "ip link set late0 netns %d && "
                 "n=$(nsenter -t %d -n ip -o link show late0 | cut -d: -f1) && "
                 "{ ip -o link | grep -q \"^$n: \" || "
                 "ip link add same index $n type veth peer name same1; }",
                 net.peer, net.peer);
        run_here(command);
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
        assert_int_equal(filter_net_run(&net, true, "! ip link show late0 | grep -q xdp"), 0);
        assert_true(log_says(f, "The filter that an earlier run left on late0 is detached"));
        assert_int_equal(filter_net_run(&net, true, "ip link del late0; ip link del taken"), 0);
        run_here("ip link del same 2>/dev/null; true");
}

/* What policy enforced does not go on in a daemon that observes. */
static void test_keep_and_observe(void **state) {
        Fixture *f = *state;

        policy(f, "{\"on_stop\": \"keep\", \"interfaces\": [{\"interface\": \"f0\", \"model\": "
                  "\"all\","
                  " \"mode\": \"enforce\"}]}");
        restart(f, SIGTERM, "enforce");
        assert_int_equal(judge(f, 7, 20).dropped, 20);
        restart(f, SIGTERM, "observe");
        assert_string_equal(only(f).mode, "shadow");
        assert_int_equal(judge(f, 7, 20).dropped, 20);
}

static bool says(const Fixture *f, const char *option, const char *part) {
        char runtime[96], config[96], pins[128], output[1024];

        snprintf(runtime, sizeof(runtime), "--runtime-dir=%s/run", f->dir);
        snprintf(config, sizeof(config), "--config-dir=%s/conf", f->dir);
        snprintf(pins, sizeof(pins), "--filter-dir=%s", filter_dir);
        (void)fixture_run(f, (const char *const[]){runtime, config, pins, option, NULL}, output,
                          sizeof(output));
        if (!strstr(output, part))
                print_message("%s", output);
        return strstr(output, part) != NULL;
}

/* Without a daemon: by hand everything goes, after a failure what policy keeps stays. */
static void test_restore(void **state) {
        Fixture *f = *state;

        attach_to_keep(f, "f0");
        (void)fixture_stop_daemon(f, SIGKILL);
        (void)setenv("SERVICE_RESULT", "signal", 1);
        assert_true(says(f, "--restore=after-failure", "Nothing to put back."));
        assert_true(is_attached());
        assert_true(says(f, "--restore", "1 put back"));
        assert_false(is_attached() || is_pinned());
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);

        policy(f, "{}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        (void)fixture_stop_daemon(f, SIGKILL);
        assert_true(says(f, "--restore=after-failure", "1 put back"));
        assert_false(is_attached());
        (void)unsetenv("SERVICE_RESULT");
        fixture_start_daemon(f, "observe");
}

static void lose_ledger(const Fixture *f) {
        char command[128];

        snprintf(command, sizeof(command), "rm -rf %s/run", f->dir);
        run_here(command);
}

/* Nor does that need the ledger. */
static void test_restore_without_ledger(void **state) {
        Fixture *f = *state;

        attach_to_keep(f, "f0");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        lose_ledger(f);
        (void)setenv("SERVICE_RESULT", "signal", 1);
        assert_true(says(f, "--restore=after-failure", "Nothing to put back."));
        (void)unsetenv("SERVICE_RESULT");
        assert_true(is_attached() && is_pinned());
        assert_true(
                says(f, "--restore", "Traffic filters that the ledger did not know: 1 detached"));
        assert_false(is_attached() || is_pinned());
        assert_true(says(f, "--restore", "Nothing to put back."));
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
}

/* Somebody cleaned the runtime directory; the filter is still ours. */
static void test_lost_ledger(void **state) {
        Fixture *f = *state;

        attach_to_keep(f, "f0");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        lose_ledger(f);
        fixture_start_daemon(f, "observe");
        assert_true(only(f).there);
        assert_int_equal(in_force(f), 1);
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        lose_ledger(f);
        policy(f, "{}");
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there || is_attached() || is_pinned());
}

/* What is in pieces is cleared, not adopted. */
static void test_broken_pins(void **state) {
        Fixture *f = *state;
        char path[128];

        attach_to_keep(f, "f0");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        snprintf(path, sizeof(path), "%s/if%u/flows", filter_dir, net.interface);
        assert_int_equal(unlink(path), 0);
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there || is_attached());
        assert_int_equal(in_force(f), 0);
        call(f, NULL, "Attach", "f0", "all");
}

static int run(int sender) {
        const struct CMUnitTest tests[] = {
                TEST(test_rollback),         TEST(test_stop_detaches),
                TEST(test_crash_detaches),   TEST(test_keep),
                TEST(test_keep_and_observe), TEST(test_lease_without_daemon),
                TEST(test_gone_while_down),  TEST(test_moved_while_down),
                TEST(test_restore),          TEST(test_restore_without_ledger),
                TEST(test_lost_ledger),      TEST(test_broken_pins),
        };

        filter_fixture_begin(sender);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char *argv[]) {
        return filter_fixture_main(argc, argv, run);
}
