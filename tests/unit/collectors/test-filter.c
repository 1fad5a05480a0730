/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter's program on the running kernel, frame by frame and at times that the test says; and
 * what its loader makes of it. No interface is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <sys/wait.h>

#include "collectors/bpf/filter-track.h"
#include "collectors/filter.h"
#include "tests/harness/filter-subject.h"
#include "tests/harness/packets.h"
#include "util/time.h"

#define RACE 200000U /* packets of each CPU */
#define START (UINT64_C(1000) << FILTER_SLOW_SHIFT)

static const char *folder;
static Subject always_0, always_1, all_fields, syn_flood, tc;
static uint64_t now;

static Frame syn(unsigned source, unsigned port) {
        Frame f;

        frame_ethernet(&f, 0x0800);
        frame_ipv4(&f, source, 1, 6, 5);
        frame_tcp(&f, 40000, port, 2, 5);
        frame_finish(&f, 0);
        return f;
}

static Filter *load(const Subject *s, const FilterOptions *more) {
        FilterOptions options = more ? *more : (FilterOptions){0};
        Error e = ERROR_INIT;
        Filter *f = NULL;
        int r;

        options.test_clock = true;
        if (options.sources_max == 0)
                options.sources_max = options.flows_max = 4096;
        r = filter_load(&s->model, &options, &f, &e);
        if (r < 0)
                fail_msg("%s", e.text);
        now = START;
        filter_set_test_clock(f, now);
        assert_int_equal(filter_set_kill_switch(f, 1000, 1), 0);
        return f;
}

static bool dropped(Filter *f, const Frame *frame) {
        Error e = ERROR_INIT;
        bool drop;

        filter_set_test_clock(f, now);
        if (filter_run(f, frame->bytes, frame->size, 1, &drop, NULL, &e) < 0)
                fail_msg("%s", e.text);
        return drop;
}

static struct filter_counters counters(const Filter *f, enum filter_slot slot, uint64_t model) {
        struct filter_counters c;
        Error e = ERROR_INIT;
        uint64_t has;

        assert_int_equal(filter_get_counters(f, slot, &has, &c, &e), 0);
        assert_int_equal(has, model);
        return c;
}

static FilterStatus status(const Filter *f) {
        Error e = ERROR_INIT;
        FilterStatus st;

        assert_int_equal(filter_get_status(f, now, &st, &e), 0);
        return st;
}

/* Judged, counted, and passed. */
static void test_starts_in_shadow(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        Frame frame = syn(2, 80);
        struct filter_counters c;

        for (int i = 0; i < 50; i++)
                assert_false(dropped(f, &frame));
        c = counters(f, FILTER_SLOT_A, 2);
        assert_int_equal(c.verdict[FILTER_MALICIOUS].packets, 50);
        assert_int_equal(c.verdict[FILTER_MALICIOUS].bytes, 50 * frame.size);
        assert_int_equal(c.dropped.packets, 0);
        assert_int_equal(c.reason[FILTER_KNOWN], 50);
        assert_int_equal(c.protocol[FILTER_TCP][FILTER_MALICIOUS], 50);
        assert_int_equal(c.class[1], 50);
        assert_int_equal(status(f).enforcing, false);
        assert_int_equal(status(f).attached, false);
}

/* The lease ends at its nanosecond, with nobody there to end it. */
static void test_lease_ends_in_the_kernel(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        Frame frame = syn(2, 80);
        struct filter_counters c;

        filter_set_enforce(f, START + 1000);
        assert_true(status(f).enforcing);
        assert_true(dropped(f, &frame));
        now = START + 999;
        assert_true(dropped(f, &frame));
        now = START + 1000;
        assert_false(status(f).enforcing);
        assert_false(dropped(f, &frame));
        filter_set_enforce(f, FILTER_FOREVER);
        now = START + (UINT64_C(1) << 60);
        assert_true(dropped(f, &frame));
        filter_set_enforce(f, 0);
        assert_false(dropped(f, &frame));
        c = counters(f, FILTER_SLOT_A, 2);
        assert_int_equal(c.verdict[FILTER_MALICIOUS].packets, 5);
        assert_int_equal(c.dropped.packets, 3);
        assert_int_equal(c.dropped.bytes, 3 * frame.size);
}

static void test_unknown_passes(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        struct filter_counters c;
        Frame frame;

        filter_set_enforce(f, FILTER_FOREVER);
        frame_ethernet(&frame, 0x0806);
        frame_finish(&frame, 46);
        assert_false(dropped(f, &frame));
        frame = syn(2, 80);
        frame.bytes[frame.ip + 2] = 0xff;
        assert_false(dropped(f, &frame));
        c = counters(f, FILTER_SLOT_A, 2);
        assert_int_equal(c.verdict[FILTER_UNKNOWN].packets, 2);
        assert_int_equal(c.reason[FILTER_NOT_IP], 1);
        assert_int_equal(c.reason[FILTER_TRUNCATED], 1);
        assert_int_equal(c.reason[FILTER_KNOWN], 0);
        assert_int_equal(c.dropped.packets, 0);
}

/* Which classes are malicious is the model's owner's to say. */
static void test_classes_that_are_malicious(void **state) {
        Subject other = always_1;
        _cleanup_(filter_freep)
        Filter *f = NULL;
        Frame frame = syn(2, 80);

        other.model.malicious = 1 << 2 | 1 << 0;
        f = load(&other, NULL);
        filter_set_enforce(f, FILTER_FOREVER);
        assert_false(dropped(f, &frame));
        f = filter_free(f);
        other.model.malicious = 1 << 1;
        f = load(&other, NULL);
        filter_set_enforce(f, FILTER_FOREVER);
        assert_true(dropped(f, &frame));
}

static FilterPrefix prefix(const char *text) {
        Error e = ERROR_INIT;
        FilterPrefix p;

        if (filter_prefix_parse(text, &p, &e) < 0)
                fail_msg("%s", e.text);
        return p;
}

/* Each of so many sources n SYNs; returns how many were dropped. */
static unsigned flood(Filter *f, unsigned sources, unsigned n) {
        unsigned dropped_n = 0;

        for (unsigned host = 10; host < 10 + sources; host++) {
                Frame frame = syn(host, 80);

                for (unsigned i = 0; i < n; i++)
                        dropped_n += dropped(f, &frame);
        }
        return dropped_n;
}

/* A flood is most of the packets, but one source: nothing to stop, with or without others. */
static void test_kill_switch_lets_a_flood_be_dropped(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&syn_flood, NULL);
        Frame bad = syn(2, 80), good = syn(3, 80);
        unsigned n = 0;

        good.bytes[good.ip + 20 + 13] = 0x10;
        filter_set_enforce(f, FILTER_FOREVER);
        assert_int_equal(filter_set_kill_switch(f, FILTER_KILL_PERMILLE, FILTER_KILL_PACKETS_MIN),
                         0);
        for (unsigned i = 0; i < 4000; i++) {
                n += dropped(f, &bad);
                if (i % 100 == 0)
                        assert_false(dropped(f, &good));
        }
        assert_int_equal(n, 3900);
        for (unsigned window = 0; window < 4; window++) {
                now += UINT64_C(1) << FILTER_WINDOW_SHIFT;
                assert_true(flood(f, 3, 1000) >= 3 * 900);
        }
        assert_int_equal(status(f).tripped_ns, 0);
        assert_true(status(f).enforcing);
}

/* A model that would drop nearly everybody. */
static void test_kill_switch(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&syn_flood, NULL);
        Frame frame = syn(10, 80);
        unsigned n;

        filter_set_enforce(f, FILTER_FOREVER);
        assert_int_equal(filter_set_kill_switch(f, 1001, 1), -EINVAL);
        assert_int_equal(filter_set_kill_switch(f, FILTER_KILL_PERMILLE, FILTER_KILL_PACKETS_MIN),
                         0);
        n = flood(f, 10, 200);
        assert_true(n >= 300 && n < 500);
        assert_int_equal(status(f).tripped_ns, now);
        assert_int_equal(status(f).trips, 1);
        assert_false(status(f).enforcing);
        /* It stays so, in the next window too, until somebody says otherwise. */
        now += UINT64_C(1) << FILTER_WINDOW_SHIFT;
        assert_int_equal(flood(f, 10, 200), 0);
        assert_int_equal(status(f).trips, 1);
        filter_set_enforce(f, FILTER_FOREVER);
        assert_true(dropped(f, &frame));
        /* Nor does it trip where it was told not to. */
        assert_int_equal(filter_set_kill_switch(f, 1000, FILTER_KILL_PACKETS_MIN), 0);
        now += UINT64_C(1) << FILTER_WINDOW_SHIFT;
        filter_set_enforce(f, FILTER_FOREVER);
        assert_true(flood(f, 40, 200) > 40 * 90);
        assert_int_equal(status(f).tripped_ns, 0);
        assert_int_equal(status(f).trips, 1);
}

/* Half of the sources is not more than half; one more is. Who is allowed does not count. */
static void test_kill_switch_share(void **state) {
        static const unsigned good[] = {1600, 1000};
        _cleanup_(filter_freep)
        Filter *f = load(&syn_flood, NULL);
        FilterPrefix p = prefix("192.0.2.250");
        Error e = ERROR_INIT;

        assert_int_equal(filter_allow_add(f, &p, &e), 1);
        filter_set_enforce(f, FILTER_FOREVER);
        for (unsigned i = 0; i < 2; i++) {
                Frame frame = syn(250, 80);

                now += UINT64_C(4) << FILTER_SLOW_SHIFT;
                assert_int_equal(filter_set_kill_switch(f, 500, 256), 0);
                for (unsigned k = 0; k < 5000; k++)
                        assert_false(dropped(f, &frame));
                for (unsigned k = 0; k < good[i]; k++) {
                        frame = syn(50 + k % 20, 80);
                        frame.bytes[frame.ip + 20 + 13] = 0x10;
                        assert_false(dropped(f, &frame));
                }
                (void)flood(f, 18, 300);
                assert_int_equal(status(f).trips, i);
        }
}

/* Few packets mean nothing. */
static void test_kill_switch_waits_for_packets(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);

        filter_set_enforce(f, FILTER_FOREVER);
        assert_int_equal(filter_set_kill_switch(f, 10, 500), 0);
        for (unsigned window = 0; window < 4; window++) {
                assert_int_equal(flood(f, 10, 40), 400);
                now += UINT64_C(1) << FILTER_WINDOW_SHIFT;
        }
        assert_int_equal(status(f).tripped_ns, 0);
        (void)flood(f, 10, 60);
        assert_int_equal(status(f).tripped_ns, now);
        /* In shadow there is nothing to stop. */
        filter_set_enforce(f, 0);
        now += UINT64_C(1) << FILTER_WINDOW_SHIFT;
        (void)flood(f, 20, 60);
        assert_int_equal(status(f).tripped_ns, 0);
}

static void test_allow_list(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        FilterPrefix narrow = prefix("192.0.2.2"), wide = prefix("192.0.2.0/24");
        Frame two = syn(2, 80), three = syn(3, 80), six;
        _cleanup_free_
        FilterPrefix *list = NULL;
        Error e = ERROR_INIT;
        size_t n;

        frame_ethernet(&six, 0x86dd);
        frame_ipv6(&six, 2, 1, 17);
        frame_udp(&six, 1, 2);
        frame_finish(&six, 0);
        filter_set_enforce(f, FILTER_FOREVER);
        assert_int_equal(filter_allow_add(f, &narrow, &e), 1);
        assert_int_equal(filter_allow_add(f, &narrow, &e), 0);
        assert_false(dropped(f, &two));
        assert_true(dropped(f, &three));
        assert_int_equal(filter_allow_add(f, &wide, &e), 1);
        assert_false(dropped(f, &three));
        assert_true(dropped(f, &six));
        wide = prefix("2001:db8::/32");
        assert_int_equal(filter_allow_add(f, &wide, &e), 1);
        assert_false(dropped(f, &six));
        assert_int_equal(filter_allow_list(f, &list, &n, &e), 0);
        assert_int_equal(n, 3);
        assert_int_equal(list[0].length, 120);
        assert_int_equal(list[1].length, 128);
        assert_int_equal(list[2].length, 32);
        assert_int_equal(filter_allow_del(f, &list[0], &e), 1);
        assert_int_equal(filter_allow_del(f, &list[0], &e), 0);
        assert_true(dropped(f, &three));
        assert_false(dropped(f, &two));
        assert_int_equal(counters(f, FILTER_SLOT_A, 2).verdict[FILTER_ALLOWED].packets, 4);
}

/* All of IPv6 is not all of IPv4, nor the other way round. */
static void test_allow_list_of_families(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        FilterPrefix all_six = prefix("::/0"), some_six = prefix("::/64"),
                     all_four = prefix("0.0.0.0/0");
        Frame four = syn(2, 80), six;
        FilterExplanation x;
        Error e = ERROR_INIT;

        frame_ethernet(&six, 0x86dd);
        frame_ipv6(&six, 2, 1, 17);
        frame_udp(&six, 1, 2);
        frame_finish(&six, 0);
        filter_set_enforce(f, FILTER_FOREVER);
        assert_int_equal(filter_allow_add(f, &all_six, &e), 1);
        assert_int_equal(filter_allow_add(f, &some_six, &e), 1);
        assert_false(dropped(f, &six));
        assert_true(dropped(f, &four));
        assert_int_equal(filter_explain(f, prefix("192.0.2.2").address, now, &x, &e), 0);
        assert_false(x.allowed);
        assert_int_equal(filter_explain(f, prefix("2001:db8::2").address, now, &x, &e), 0);
        assert_true(x.allowed);
        assert_int_equal(filter_allow_add(f, &all_four, &e), 1);
        assert_false(dropped(f, &four));
        assert_int_equal(filter_explain(f, prefix("192.0.2.2").address, now, &x, &e), 0);
        assert_true(x.allowed);
        assert_int_equal(x.allowed_by.length, 96);
        assert_int_equal(filter_allow_del(f, &all_six, &e), 1);
        assert_true(dropped(f, &six));
}

static void test_allow_list_full(void **state) {
        FilterOptions options = {.allow_max = 4};
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, &options);
        Error e = ERROR_INIT;
        FilterPrefix p;

        for (unsigned i = 0; i < 5; i++) {
                p = prefix("192.0.2.0/32");
                p.address[15] = (uint8_t)i;
                assert_int_equal(filter_allow_add(f, &p, &e), i < 4 ? 1 : -ENOSPC);
        }
        assert_non_null(strstr(e.text, "full"));
}

static void test_prefixes_as_text(void **state) {
        static const char *const good[] = {"192.0.2.0/24",  "192.0.2.1",   "0.0.0.0/0", "::/0",
                                           "2001:db8::/33", "2001:db8::1", "10.0.0.0/8"};
        static const char *const bad[] = {"",
                                          "192.0.2",
                                          "192.0.2.1/24",
                                          "10.0.0.0/",
                                          "10.0.0.0/33",
                                          "10.0.0.0/-1",
                                          "::/129",
                                          "2001:db8::1/64",
                                          "10.0.0.0/8x",
                                          "eth0",
                                          "10.0.0.0 /8",
                                          "1:2:3:4:5:6:7:8:9",
                                          "10.0.0.0/08a"};
        FilterPrefix p;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char text[FILTER_PREFIX_TEXT];

                p = prefix(good[i]);
                filter_prefix_format(&p, text);
                assert_string_equal(text, good[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Error e = ERROR_INIT;

                assert_int_equal(filter_prefix_parse(bad[i], &p, &e), -EINVAL);
                assert_true(e.text[0] != '\0');
        }
        assert_int_equal(prefix("0.0.0.0/0").length, 96);
}

typedef struct Seen {
        size_t n;
        struct filter_sample last;
} Seen;

static void on_sample(const struct filter_sample *sample, void *userdata) {
        Seen *seen = userdata;

        seen->n++;
        seen->last = *sample;
}

static void test_samples_are_rationed(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&syn_flood, NULL);
        Frame frame = syn(2, 80);
        Error e = ERROR_INIT;
        Seen seen = {0};

        assert_int_equal(filter_samples_open(f, on_sample, &seen, &e), 0);
        assert_true(filter_samples_fd(f) >= 0);
        assert_false(dropped(f, &frame));
        assert_int_equal(filter_samples_dispatch(f), 0);
        filter_set_sampling(f, FILTER_BENIGN, 1000);
        for (unsigned i = 0; i < 10; i++) {
                assert_false(dropped(f, &frame));
                now += 250;
        }
        (void)filter_samples_dispatch(f);
        assert_int_equal(seen.n, 3);
        assert_int_equal(seen.last.version, FILTER_SAMPLE_VERSION);
        assert_int_equal(seen.last.at_ns, START + 2000);
        assert_int_equal(seen.last.verdict, FILTER_BENIGN);
        /* The other verdicts have a ration of their own: here none. */
        for (unsigned i = 0; i < 200; i++)
                (void)dropped(f, &frame);
        (void)filter_samples_dispatch(f);
        assert_int_equal(seen.n, 3);
        filter_set_enforce(f, FILTER_FOREVER);
        filter_set_sampling(f, FILTER_MALICIOUS, UINT64_MAX / 2);
        assert_true(dropped(f, &frame));
        (void)filter_samples_dispatch(f);
        assert_int_equal(seen.n, 4);
        assert_int_equal(seen.last.model, 4);
        assert_int_equal(seen.last.verdict, FILTER_MALICIOUS);
        assert_int_equal(seen.last.dropped, 1);
        assert_int_equal(seen.last.class, 1);
        assert_int_equal(seen.last.n_outputs, 1);
        assert_int_equal(seen.last.outputs[0], 1);
        assert_int_equal(seen.last.n_fields, 3);
        assert_int_equal(seen.last.fields[0], 1);
        assert_int_equal(seen.last.fields[1], 212);
        assert_int_equal(seen.last.fields[2], 255);
        assert_int_equal(seen.last.fields[3], 0);
        assert_int_equal(seen.last.protocol, 6);
        assert_int_equal(seen.last.tcp_flags, 2);
        assert_int_equal(seen.last.source_port, 40000);
        assert_int_equal(seen.last.destination_port, 80);
        assert_int_equal(seen.last.frame_length, frame.size);
        assert_memory_equal(seen.last.source, prefix("192.0.2.2").address, 16);
        assert_memory_equal(seen.last.destination, prefix("192.0.2.1").address, 16);
}

/* Nothing of the packet before shows in a sample of one that is unknown. */
static void test_sample_of_unknown_is_empty(void **state) {
        static const uint8_t zero[16];
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        Frame frame = syn(2, 80);
        Error e = ERROR_INIT;
        Seen seen = {0};

        assert_int_equal(filter_samples_open(f, on_sample, &seen, &e), 0);
        (void)dropped(f, &frame);
        filter_set_sampling(f, FILTER_UNKNOWN, 1);
        frame.bytes[12] = 0x12;
        (void)dropped(f, &frame);
        (void)filter_samples_dispatch(f);
        assert_int_equal(seen.n, 1);
        assert_int_equal(seen.last.reason, FILTER_NOT_IP);
        assert_int_equal(seen.last.n_fields, 0);
        assert_int_equal(seen.last.class, 0);
        assert_int_equal(seen.last.protocol, 0);
        assert_memory_equal(seen.last.source, zero, 16);
        for (size_t i = 0; i < FILTER_SAMPLE_FIELDS; i++)
                assert_int_equal(seen.last.fields[i], 0);
}

static void test_samples_without_reader_are_lost(void **state) {
        FilterOptions options = {.ring_size = 4096};
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, &options);
        Frame frame = syn(2, 80);

        filter_set_sampling(f, FILTER_MALICIOUS, 1);
        for (unsigned i = 0; i < 50; i++) {
                now++;
                (void)dropped(f, &frame);
        }
        assert_true(status(f).samples_lost >= 50 - 4096 / sizeof(struct filter_sample));
        assert_int_equal(counters(f, FILTER_SLOT_A, 2).reason[FILTER_KNOWN], 50);
}

/* The other model takes over with all that is known; what each counted stays apart, then is kept.
 */
static void test_swap(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        Frame frame = syn(2, 80);
        FilterExplanation x;
        Error e = ERROR_INIT;

        filter_set_enforce(f, FILTER_FOREVER);
        for (unsigned i = 0; i < 10; i++)
                assert_true(dropped(f, &frame));
        assert_int_equal(filter_swap(f, &always_0.model, &e), 0);
        for (unsigned i = 0; i < 7; i++)
                assert_false(dropped(f, &frame));
        assert_int_equal(counters(f, FILTER_SLOT_A, 2).verdict[FILTER_MALICIOUS].packets, 10);
        assert_int_equal(counters(f, FILTER_SLOT_B, 1).verdict[FILTER_BENIGN].packets, 7);
        assert_int_equal(filter_explain(f, prefix("192.0.2.2").address, now, &x, &e), 0);
        assert_int_equal(x.source.packets, 17);
        assert_int_equal(x.source.dropped, 10);
        assert_int_equal(status(f).model, 1);
        assert_true(status(f).enforcing);
        assert_int_equal(filter_swap(f, &syn_flood.model, &e), 0);
        assert_false(dropped(f, &frame));
        assert_int_equal(counters(f, FILTER_SLOT_GONE, 0).verdict[FILTER_MALICIOUS].packets, 10);
        assert_int_equal(counters(f, FILTER_SLOT_A, 4).reason[FILTER_KNOWN], 1);
        assert_int_equal(counters(f, FILTER_SLOT_COUNT, 4).reason[FILTER_KNOWN], 18);
        assert_int_equal(status(f).n_fields, 3);
        assert_int_equal(status(f).fields[1], PACKET_FIELD_SOURCE_SYNS);
        /* One that asks for what the others did not track. */
        assert_int_equal(filter_swap(f, &all_fields.model, &e), 0);
        (void)dropped(f, &frame);
        assert_int_equal(counters(f, FILTER_SLOT_COUNT, 3).reason[FILTER_KNOWN], 19);
        assert_int_equal(filter_explain(f, prefix("192.0.2.2").address, now, &x, &e), 0);
        assert_int_equal(x.n_flows, 1);
}

/* What cannot be loaded leaves the one at work alone. */
static void test_failed_swap_changes_nothing(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&always_1, NULL);
        Frame frame = syn(2, 80);
        FilterModel junk = {.object = "junk", .size = 4, .name = "junk.o", .identity = 9};
        Error e = ERROR_INIT;

        filter_set_enforce(f, FILTER_FOREVER);
        assert_true(dropped(f, &frame));
        assert_int_equal(filter_swap(f, &junk, &e), -EINVAL);
        assert_non_null(strstr(e.text, "junk.o: not an eBPF object"));
        assert_true(dropped(f, &frame));
        assert_int_equal(status(f).model, 2);
        assert_int_equal(counters(f, FILTER_SLOT_COUNT, 2).dropped.packets, 2);
}

static void test_top_and_explain(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&syn_flood, NULL);
        FilterSource top[3];
        FilterExplanation x;
        FilterPrefix p = prefix("192.0.2.0/24");
        Error e = ERROR_INIT;
        Frame frame;

        for (unsigned host = 2; host < 30; host++) {
                /* Host 20 floods, 10 to 12 talk much. */
                unsigned n = host == 20 ? 300 : host >= 10 && host <= 12 ? 400 + host : host;

                frame = syn(host, 80);
                if (host != 20)
                        frame.bytes[frame.ip + 20 + 13] = 0x10;
                for (unsigned i = 0; i < n; i++) {
                        now += 1000;
                        (void)dropped(f, &frame);
                }
        }
        assert_int_equal(filter_top(f, now, top, ELEMENTSOF(top), &e), 3);
        assert_int_equal(top[0].address[15], 20);
        assert_int_equal(top[0].malicious, 200);
        assert_int_equal(top[0].dropped, 0);
        assert_int_equal(top[0].packets, 300);
        assert_int_equal(top[0].class, 1);
        assert_int_equal(top[1].address[15], 12);
        assert_int_equal(top[1].packets, 412);
        assert_int_equal(top[2].address[15], 11);
        assert_int_equal(filter_allow_add(f, &p, &e), 1);
        assert_int_equal(filter_explain(f, top[0].address, now, &x, &e), 0);
        assert_true(x.known && x.allowed);
        assert_int_equal(x.allowed_by.length, 120);
        assert_int_equal(x.source.fields[PACKET_FIELD_SOURCE_SYNS], 300);
        assert_int_equal(x.source.fields[PACKET_FIELD_SOURCE_SYN_SHARE], 255);
        assert_int_equal(filter_explain(f, prefix("203.0.113.1").address, now, &x, &e), 0);
        assert_false(x.known || x.allowed);
        assert_int_equal(filter_top(f, now, top, 0, &e), 0);
}

/* The oldest are forgotten, the newest judged as ever. */
static void test_more_sources_than_room(void **state) {
        FilterOptions options = {.sources_max = 1024, .flows_max = 1024};
        _cleanup_(filter_freep)
        Filter *f = load(&all_fields, &options);
        struct filter_counters c;

        for (unsigned i = 0; i < 20000; i++) {
                Frame frame = syn(2, 80);

                put16(frame.bytes + frame.ip + 12, i);
                (void)dropped(f, &frame);
        }
        c = counters(f, FILTER_SLOT_A, 3);
        assert_int_equal(c.reason[FILTER_KNOWN], 20000);
        assert_int_equal(c.reason[FILTER_NO_STATE], 0);
}

static void judge_elsewhere(Filter *f, const Frame *frame, size_t cpu) {
        Error e = ERROR_INIT;
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
        _exit(filter_run(f, frame->bytes, frame->size, RACE, NULL, NULL, &e) < 0);
}

/* Two CPUs, one source, one flow: no packet is lost from the counters, hardly one from the windows,
 * which go on without the lock rather than wait. */
static void test_two_cpus_at_once(void **state) {
        _cleanup_(filter_freep)
        Filter *f = load(&all_fields, NULL);
        Frame frame = syn(2, 80);
        struct filter_counters c;
        FilterExplanation x;
        Error e = ERROR_INIT;
        pid_t pid[2];
        int how;

        filter_set_enforce(f, FILTER_FOREVER);
        for (size_t i = 0; i < 2; i++) {
                pid[i] = fork();
                assert_true(pid[i] >= 0);
                if (pid[i] == 0)
                        judge_elsewhere(f, &frame, i);
        }
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(waitpid(pid[i], &how, 0), pid[i]);
                assert_int_equal(how, 0);
        }
        c = counters(f, FILTER_SLOT_A, 3);
        assert_int_equal(c.reason[FILTER_KNOWN], 2 * RACE);
        assert_int_equal(filter_explain(f, prefix("192.0.2.2").address, now, &x, &e), 0);
        assert_int_equal(x.source.malicious, c.verdict[FILTER_MALICIOUS].packets);
        assert_int_equal(x.source.dropped, c.dropped.packets);
        assert_true(x.source.packets <= 2 * RACE && x.source.packets > 2 * RACE * 9 / 10);
        assert_int_equal(x.n_flows, 1);
}

/* One word of the sheet changed. */
static void refuse(size_t offset, uint8_t change, const char *words) {
        static const uint8_t magic[] = {0x41, 0x4b, 0x4d, 0x46};
        FilterModel model = always_0.model;
        Error e = ERROR_INIT;
        Filter *f = NULL;
        char *copy = malloc(always_0.size);
        char *sheet;

        assert_non_null(copy);
        memcpy(copy, always_0.object, always_0.size);
        sheet = memmem(copy, always_0.size, magic, sizeof(magic));
        assert_non_null(sheet);
        sheet[offset] = (char)(sheet[offset] ^ change);
        model.object = copy;
        assert_int_equal(filter_load(&model, NULL, &f, &e), -EINVAL);
        assert_non_null(strstr(e.text, "always-0"));
        if (!strstr(e.text, words))
                fail_msg("\"%s\" does not say \"%s\"", e.text, words);
        free(copy);
}

static void test_objects_of_another_make_are_refused(void **state) {
        FilterModel model = always_0.model;
        Error e = ERROR_INIT;
        Filter *f = NULL;

        refuse(offsetof(struct filter_sheet, magic), 1, "sheet");
        refuse(offsetof(struct filter_sheet, layout), 2, "layout");
        refuse(offsetof(struct filter_sheet, field_hash), 0x80, "table of packet fields");
        refuse(offsetof(struct filter_sheet, n_fields) + 1, 1, "fields");
        refuse(offsetof(struct filter_sheet, fields) + 1, 1, "unknown");
        model.identity = 0;
        assert_int_equal(filter_load(&model, NULL, &f, &e), -EINVAL);
        e = ERROR_INIT;
        assert_int_equal(filter_load(&tc.model, NULL, &f, &e), -EINVAL);
        assert_non_null(strstr(e.text, "filter_tc"));
}

/* The tc frame around the same: it loads, passes in shadow, and counts. */
static void test_tc(void **state) {
        struct bpf_object *o = bpf_object__open_mem(tc.object, tc.size, NULL);
        int cpus = libbpf_num_possible_cpus();
        struct filter_counters *rows = calloc((size_t)cpus, sizeof(*rows));
        uint32_t slot = FILTER_SLOT_A;
        uint64_t known = 0;
        Frame frame = syn(2, 80);
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.bytes,
                    .data_size_in = (uint32_t)frame.size, .repeat = 1);

        assert_non_null(o);
        assert_non_null(rows);
        assert_int_equal(bpf_object__load(o), 0);
        assert_int_equal(
                bpf_prog_test_run_opts(
                        bpf_program__fd(bpf_object__find_program_by_name(o, "filter_tc")), &opts),
                0);
        assert_int_equal((int)opts.retval, -1); /* TC_ACT_UNSPEC */
        assert_int_equal(
                bpf_map_lookup_elem(bpf_map__fd(bpf_object__find_map_by_name(o, "counters")), &slot,
                                    rows),
                0);
        for (int i = 0; i < cpus; i++)
                known += rows[i].reason[FILTER_KNOWN];
        assert_int_equal(known, 1);
        bpf_object__close(o);
        free(rows);
}

/* Whatever is cut off an object, it is refused, with a reason. */
static void test_cut_objects_are_refused(void **state) {
        for (size_t n = 0; n < always_0.size; n += always_0.size / 60) {
                FilterModel model = always_0.model;
                Error e = ERROR_INIT;
                Filter *f = NULL;

                model.size = n;
                assert_true(filter_load(&model, NULL, &f, &e) < 0);
                assert_true(e.text[0] != '\0');
        }
}

static int set_up(void **state) {
        return subject_load(folder, "always-0", 1, &always_0) |
               subject_load(folder, "always-1", 2, &always_1) |
               subject_load(folder, "all-fields", 3, &all_fields) |
               subject_load(folder, "syn-flood", 4, &syn_flood) |
               subject_load(folder, "tree-10-tc", 5, &tc);
}

static int tear_down(void **state) {
        subject_done(&always_0);
        subject_done(&always_1);
        subject_done(&all_fields);
        subject_done(&syn_flood);
        subject_done(&tc);
        return 0;
}

/* Whether this process may load BPF programs at all. */
static bool skips(void) {
        _cleanup_(filter_freep)
        Filter *f = NULL;
        Error e = ERROR_INIT;
        bool skip;

        if (set_up(NULL) != 0)
                return false;
        skip = subject_skips(filter_load(&always_0.model, NULL, &f, &e), &e);
        tear_down(NULL);
        return skip;
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_starts_in_shadow),
                cmocka_unit_test(test_lease_ends_in_the_kernel),
                cmocka_unit_test(test_unknown_passes),
                cmocka_unit_test(test_classes_that_are_malicious),
                cmocka_unit_test(test_kill_switch_lets_a_flood_be_dropped),
                cmocka_unit_test(test_kill_switch),
                cmocka_unit_test(test_kill_switch_share),
                cmocka_unit_test(test_kill_switch_waits_for_packets),
                cmocka_unit_test(test_allow_list),
                cmocka_unit_test(test_allow_list_of_families),
                cmocka_unit_test(test_allow_list_full),
                cmocka_unit_test(test_prefixes_as_text),
                cmocka_unit_test(test_samples_are_rationed),
                cmocka_unit_test(test_sample_of_unknown_is_empty),
                cmocka_unit_test(test_samples_without_reader_are_lost),
                cmocka_unit_test(test_swap),
                cmocka_unit_test(test_failed_swap_changes_nothing),
                cmocka_unit_test(test_top_and_explain),
                cmocka_unit_test(test_more_sources_than_room),
                cmocka_unit_test(test_two_cpus_at_once),
                cmocka_unit_test(test_objects_of_another_make_are_refused),
                cmocka_unit_test(test_cut_objects_are_refused),
                cmocka_unit_test(test_tc),
        };

        if (argc != 2) {
                fprintf(stderr, "usage: test-filter OBJECT-FOLDER\n");
                return 2;
        }
        folder = argv[1];
        if (skips())
                return SKIPPED;
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
