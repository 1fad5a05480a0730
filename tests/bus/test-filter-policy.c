/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic filters by policy, the kill switch and the signals; interfaces that come and go. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "collectors/filter.h"
#include "tests/bus/filter-fixture.h"
#include "util/time.h"

#define POLICY "org.aikm1.Policy"

/* --- kill switch, signals -------------------------------------------------------------------- */

typedef struct Heard {
        char changes[512]; /* "attached enforce …" */
        uint64_t trips;
} Heard;

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface, *what;
        Heard *h = userdata;
        size_t n = strlen(h->changes);

        assert_true(sd_bus_message_read(m, "ss", &interface, &what) > 0);
        assert_string_equal(interface, "f0");
        snprintf(h->changes + n, sizeof(h->changes) - n, "%s%s", n ? " " : "", what);
        return 0;
}

static int on_tripped(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface;
        Heard *h = userdata;

        assert_true(sd_bus_message_read(m, "st", &interface, &h->trips) > 0);
        return 0;
}

static sd_bus *listen_to(const Fixture *f, Heard *h) {
        sd_bus *bus = fixture_connect(f);

        assert_true(sd_bus_match_signal(bus, NULL, "org.aikm1", "/org/aikm1/filter", FILTER,
                                        "Changed", on_changed, h) >= 0);
        assert_true(sd_bus_match_signal(bus, NULL, "org.aikm1", "/org/aikm1/filter", FILTER,
                                        "Tripped", on_tripped, h) >= 0);
        return bus;
}

static void take_in(sd_bus *bus) {
        /* Signals before the answer are here with it. */
        assert_true(sd_bus_call_method(bus, "org.aikm1", "/org/aikm1", "org.freedesktop.DBus.Peer",
                                       "Ping", NULL, NULL, NULL) >= 0);
        while (sd_bus_process(bus, NULL) > 0)
                ;
}

static void test_kill_switch(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = NULL;
        Heard heard = {};
        Row row;

        bus = listen_to(f, &heard);
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"all\", \"mode\": "
                  "\"enforce\","
                  " \"kill_share\": 0.5, \"kill_min\": 100}]}");
        restart(*state, SIGTERM, "enforce");
        wait_mode(f, "enforce");
        send_spread(10);
        assert_true(fixture_wait(is_as_wanted, &(Wanted){.f = f, .mode = "shadow", .tripped = 1}));
        row = only(f);
        assert_true(row.dropped >= 50 && row.dropped < 400);
        /* Told within a second, and policy does not let it drop again. */
        for (int i = 0; i < 100 && heard.trips == 0; i++) {
                usleep(50000);
                take_in(bus);
        }
        assert_int_equal(heard.trips, 1);
        row = only(f);
        assert_true(row.suspended && row.tripped);
        assert_int_equal(row.trips, 1);
        /* Nor does a daemon that comes back. */
        policy(f, "{\"on_stop\": \"keep\", \"interfaces\": [{\"interface\": \"f0\", \"model\": "
                  "\"all\","
                  " \"mode\": \"enforce\", \"kill_share\": 0.5, \"kill_min\": 100}]}");
        restart(*state, SIGKILL, "enforce");
        row = only(f);
        assert_true(row.there && row.suspended && row.tripped);
        assert_string_equal(row.mode, "shadow");
        /* Somebody who reads the configuration again means it. */
        reload(f);
        wait_mode(f, "enforce");
        assert_int_equal(only(f).suspended, false);
}

static void set_kill_switch(const Fixture *f, const char *error, double share, uint64_t n) {
        sd_bus_message_unref(
                fixture_call(f->bus, error, FILTER, "SetKillSwitch", "sdt", "f0", share, n));
}

static void test_kill_switch_on_request(void **state) {
        const Fixture *f = *state;

        set_kill_switch(f, NO_SUCH_FILTER, 1, 1);
        call(f, NULL, "Attach", "f0", "all");
        set_kill_switch(f, INVALID_ARGS, 0, 1);
        set_kill_switch(f, INVALID_ARGS, 1.1, 1);
        set_kill_switch(f, INVALID_ARGS, 0.5, 0);
        set_kill_switch(f, NULL, 1, 1);
        set_mode(f, NULL, "enforce", LEASE);
        assert_int_equal(judge(f, 7, 300).dropped, 300);
        assert_string_equal(only(f).mode, "enforce");
        set_kill_switch(f, NULL, 0.25, 100);
        send_spread(10);
        assert_true(fixture_wait(is_as_wanted, &(Wanted){.f = f, .mode = "shadow", .tripped = 1}));
        /* The lease is over with that; another one begins where somebody says so. */
        assert_int_equal(only(f).lease, 0);
        set_mode(f, NULL, "enforce", LEASE);
        assert_string_equal(only(f).mode, "enforce");
        assert_false(only(f).tripped);
}

static bool has_standard_switch(void *userdata) {
        Row row = only(userdata);

        return row.kill_share == 0.5 && row.kill_min == 256;
}

/* What is said for one lease is not for the next, however the first ends. */
static void test_kill_switch_is_the_leases(void **state) {
        Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        assert_true(has_standard_switch(f));
        for (int i = 0; i < 2; i++) {
                set_kill_switch(f, NULL, 1, 7);
                set_mode(f, NULL, "enforce", i == 0 ? LEASE : 1000000);
                assert_true(only(f).kill_share == 1 && only(f).kill_min == 7);
                if (i == 0)
                        set_mode(f, NULL, "shadow", 0);
                assert_true(fixture_wait(has_standard_switch, f));
        }
        /* Said while it runs, too. */
        set_mode(f, NULL, "enforce", LEASE);
        set_kill_switch(f, NULL, 1, 7);
        assert_true(only(f).kill_share == 1);
        set_mode(f, NULL, "shadow", 0);
        assert_true(has_standard_switch(f));
}

static void test_signals(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = NULL;
        Heard heard = {};

        bus = listen_to(f, &heard);
        call(f, NULL, "Attach", "f0", "all");
        call(f, NULL, "Attach", "f0", "never");
        set_mode(f, NULL, "enforce", LEASE);
        set_mode(f, NULL, "enforce", LEASE / 2);
        set_mode(f, NULL, "shadow", 0);
        call(f, NULL, "Detach", "f0", NULL);
        take_in(bus);
        assert_string_equal(heard.changes, "attached model enforce shadow detached");
}

/* --- policy ---------------------------------------------------------------------------------- */

static void test_policy(void **state) {
        const Fixture *f = *state;
        Row row;

        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"all\", \"mode\": "
                  "\"enforce\","
                  " \"allow\": [\"192.0.2.9\"]}]}");
        reload(f);
        row = only(f);
        assert_true(row.there && row.by_policy);
        /* While the daemon observes it never enforces. */
        assert_string_equal(row.mode, "shadow");
        assert_int_equal(judge(f, 7, 10).dropped, 0);
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "enforce"));
        assert_string_equal(only(f).mode, "enforce");
        assert_int_equal(judge(f, 7, 10).dropped, 10);
        assert_int_equal(judge(f, 9, 10).allowed, 10);
        /* Somebody's word counts more, until the files are read again. */
        set_mode(f, NULL, "shadow", 0);
        assert_int_equal(judge(f, 7, 10).dropped, 10);
        reload(f);
        assert_string_equal(only(f).mode, "enforce");
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "observe"));
        assert_string_equal(only(f).mode, "shadow");
        call(f, NULL, "Detach", "f0", NULL);
        usleep(1500000);
        assert_false(only(f).there);
        reload(f);
        (void)judge(f, 7, 10);
        /* A file that is wrong changes nothing. */
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"mode\": \"loud\"}]}");
        sd_bus_message_unref(
                fixture_call(f->bus, "org.aikm1.Error.Configuration", MANAGER, "Reload", ""));
        assert_string_equal(only(f).model, "all");
        /* Another model takes the old one's place. */
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"never\"}]}");
        reload(f);
        row = only(f);
        assert_string_equal(row.model, "never");
        assert_int_equal(row.packets, 10);
        assert_true(log_says(f, "The filter on f0 has model never now: policy wants it"));
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"mode\": \"off\"}]}");
        reload(f);
        assert_false(only(f).there || is_attached());
        assert_int_equal(in_force(f), 0);
}

static void test_requested_is_left_alone(void **state) {
        const Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        policy(f, "{\"interfaces\": []}");
        reload(f);
        assert_true(only(f).there);
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1, "interval", "200ms"));
        assert_true(only(f).there);
}

/* An interface that comes later, is renamed, and goes. */
static void test_interfaces_come_and_go(void **state) {
        const Fixture *f = *state;

        policy(f, "{\"interfaces\": [{\"interface\": \"late0\", \"model\": \"all\"}]}");
        reload(f);
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
        run_here("ip link add late0 type veth peer name late1");
        wait_mode(f, "shadow");
        assert_int_equal(in_force(f), 1);
        /* Under another name policy does not want it. */
        run_here("ip link set late0 name later0");
        wait_mode(f, NULL);
        run_here("ip link set later0 name late0");
        wait_mode(f, "shadow");
        run_here("ip link del late0");
        wait_mode(f, NULL);
        assert_int_equal(in_force(f), 0);
        run_here("ip link add late0 type veth peer name late1");
        wait_mode(f, "shadow");
        run_here("ip link del late0");
}

/* Scripts do not wait for the daemon's next look. */
static void test_interface_replaced(void **state) {
        const Fixture *f = *state;

        run_here("ip link add late0 type veth peer name late1");
        call(f, NULL, "Attach", "late0", "all");
        run_here("ip link del late0 && ip link add late0 type veth peer name late1");
        assert_false(only(f).there);
        call(f, NULL, "Attach", "late0", "all");
        run_here("ip link show late0 | grep -q xdp");
        run_here("ip link del late0 && ip link add late0 type veth peer name late1");
        call(f, NULL, "Attach", "late0", "never");
        run_here("ip link show late0 | grep -q xdp");
        run_here("ip link set late0 name later0");
        call(f, NO_SUCH_FILTER, "AddAllowed", "late0", "192.0.2.1");
        call(f, NULL, "AddAllowed", "later0", "192.0.2.1");
        run_here("ip link del later0");
        call(f, NO_SUCH_FILTER, "AddAllowed", "later0", "192.0.2.2");
        assert_int_equal(in_force(f), 0);
}

/* What a container takes along is no interface of ours any more: nothing of ours judges there. */
static void test_other_namespace(void **state) {
        const Fixture *f = *state;
        char command[96];

        run_here("ip link add late0 type veth peer name late1");
        call(f, NULL, "Attach", "late0", "all");
        snprintf(command, sizeof(command), "ip link set late0 netns %d", net.peer);
        run_here(command);
        wait_mode(f, NULL);
        assert_int_equal(in_force(f), 0);
        assert_int_equal(filter_net_run(&net, true, "! ip link show late0 | grep -q xdp"), 0);
        /* The name is free for another one. */
        run_here("ip link add late0 type veth peer name late2");
        call(f, NULL, "Attach", "late0", "all");
        run_here("ip link del late0; ip link del late1");
        wait_mode(f, NULL);
}

static void test_taken_off_by_somebody_else(void **state) {
        _cleanup_(filter_freep)
        Filter *filter = NULL;
        const Fixture *f = *state;
        char path[128];

        call(f, NULL, "Attach", "f0", "all");
        snprintf(path, sizeof(path), "%s/if%u", filter_dir, net.interface);
        assert_int_equal(filter_adopt(path, &filter, NULL), 0);
        assert_int_equal(filter_detach(filter, NULL), 0);
        wait_mode(f, NULL);
        assert_int_equal(in_force(f), 0);
        call(f, NULL, "Attach", "f0", "all");
}

static int run(int sender) {
        const struct CMUnitTest tests[] = {
                TEST(test_kill_switch),
                TEST(test_kill_switch_on_request),
                TEST(test_kill_switch_is_the_leases),
                TEST(test_signals),
                TEST(test_policy),
                TEST(test_requested_is_left_alone),
                TEST(test_interfaces_come_and_go),
                TEST(test_interface_replaced),
                TEST(test_other_namespace),
                TEST(test_taken_off_by_somebody_else),
        };

        filter_fixture_begin(sender);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char *argv[]) {
        return filter_fixture_main(argc, argv, run);
}
