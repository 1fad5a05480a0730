/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the filter remembers of sources, destinations and flows, and the fields made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "collectors/filter-twin.h"
#include "models/packet-field.h"
#include "util/time.h"

#define WINDOW ((uint64_t)1 << FILTER_WINDOW_SHIFT)
#define SLOW ((uint64_t)1 << FILTER_SLOW_SHIFT)
#define START (1000 * SLOW) /* where both kinds of window begin */

static uint32_t fields[PACKET_FIELD_COUNT];

#define FIELD(id) (fields[PACKET_FIELD_##id])

static struct filter_packet tcp(unsigned source, unsigned destination, unsigned source_port,
                                unsigned destination_port, unsigned flags, unsigned payload) {
        return (struct filter_packet){
                .source.lower = FILTER_HALF(0, (uint64_t)source) | FILTER_V4_PREFIX,
                .destination.lower = FILTER_HALF(0, (uint64_t)destination) | FILTER_V4_PREFIX,
                .version = 4,
                .protocol = 6,
                .kind = FILTER_TCP,
                .ip_header_length = 20,
                .transport_header_length = 20,
                .payload_length = payload,
                .ip_length = 40 + payload,
                .source_port = (uint16_t)source_port,
                .destination_port = (uint16_t)destination_port,
                .tcp_flags = (uint8_t)flags,
        };
}

static void track(FilterTwin *t, const struct filter_packet *p, uint64_t now) {
        memset(fields, 0xff, sizeof(fields));
        assert_int_equal(filter_twin_track(t, p, now, fields), 0);
        for (size_t i = 0; i < PACKET_FIELD_COUNT; i++)
                if (fields[i] > packet_field_table[i].max)
                        fail_msg("%s is %u, above its maximum of %u", packet_field_table[i].name,
                                 fields[i], packet_field_table[i].max);
}

static int set_up(void **state) {
        FilterTwin *t;

        if (filter_twin_new(&t) < 0)
                return -1;
        *state = t;
        return 0;
}

static int tear_down(void **state) {
        filter_twin_free(*state);
        return 0;
}

/* The real logarithm lies above the straight line between powers of two by at most 0.0861. */
static void test_log2(void **state) {
        uint32_t before = 0;

        assert_int_equal(filter_log2(0), 0);
        assert_int_equal(filter_log2(1), 16);
        assert_int_equal(filter_log2(3), 32);
        assert_int_equal(filter_log2(2), 24);
        assert_int_equal(filter_log2(65534), 255);
        assert_int_equal(filter_log2(65535), 256);
        assert_int_equal(filter_log2(UINT32_MAX - 1), 511);
        assert_int_equal(filter_log2(UINT32_MAX), 511);
        for (unsigned i = 1; i < 32; i++) {
                assert_int_equal(filter_log2((1U << i) - 1), 16 * i);
                assert_true(filter_log2((1U << i) - 2) < 16 * i);
        }
        for (uint64_t x = 0; x < UINT32_MAX; x += 1 + x / 97) {
                uint32_t log = filter_log2((uint32_t)x);
                double real = 16 * log2(1 + (double)x);

                assert_true(log >= before);
                assert_true((double)log <= real + 1e-9 && (double)log > real - 2.4);
                before = log;
        }
}

static void test_bits_shares_and_means(void **state) {
        assert_int_equal(filter_bits(0), 0);
        assert_int_equal(filter_bits(~0ULL), 64);
        assert_int_equal(filter_bits(0x8000000000000001ULL), 2);
        for (unsigned i = 0; i < 64; i++)
                assert_int_equal(filter_bits((1ULL << i) - 1), i);
        assert_int_equal(filter_share(0, 0), 0);
        assert_int_equal(filter_share(7, 7), 255);
        assert_int_equal(filter_share(1, 2), 127);
        assert_int_equal(filter_share(UINT64_C(1) << 48, UINT64_C(1) << 48), 255);
        assert_int_equal(filter_mean(100, 0), 0);
        assert_int_equal(filter_mean(7, 2), 3);
}

static void test_headers_of_the_packet(void **state) {
        struct filter_packet p = tcp(1, 2, 50000, 443, 0xff, 1000);

        track(*state, &p, START);
        assert_int_equal(FIELD(IP_LENGTH), 1040);
        assert_int_equal(FIELD(PAYLOAD_LENGTH), 1000);
        assert_int_equal(FIELD(PAYLOAD_LENGTH_LOG2), filter_log2(1000));
        assert_int_equal(FIELD(IS_TCP), 1);
        assert_int_equal(FIELD(IS_UDP), 0);
        assert_int_equal(FIELD(LOW_PORT), 443);
        assert_int_equal(FIELD(HIGH_PORT), 50000);
        assert_int_equal(FIELD(TCP_FLAGS), 255);
        assert_int_equal(FIELD(TCP_SYN) + FIELD(TCP_FIN) + FIELD(TCP_RST) + FIELD(TCP_PSH) +
                                 FIELD(TCP_ACK) + FIELD(TCP_URG),
                         6);
        p = tcp(2, 1, 443, 50000, 0x10, 0);
        track(*state, &p, START);
        assert_int_equal(FIELD(LOW_PORT), 443);
        assert_int_equal(FIELD(HIGH_PORT), 50000);
        assert_int_equal(FIELD(SOURCE_PORT), 443);
        assert_int_equal(FIELD(TCP_ACK), 1);
        assert_int_equal(FIELD(TCP_SYN) + FIELD(TCP_FIN) + FIELD(TCP_RST) + FIELD(TCP_PSH), 0);
}

/* Known at the first packet; each counts itself. */
static void test_window_counts(void **state) {
        static const unsigned flags[] = {0x02, 0x12, 0x04, 0x14, 0x01, 0x11, 0x10, 0x10};
        struct filter_packet p;

        for (unsigned i = 0; i < ELEMENTSOF(flags); i++) {
                p = tcp(1, 2, 50000, 80, flags[i], i == 7 ? 800 : 0);
                track(*state, &p, START + i * NSEC_PER_USEC);
                assert_int_equal(FIELD(SOURCE_PACKETS), i + 1);
        }
        assert_int_equal(FIELD(SOURCE_PACKETS_LOG2), filter_log2(8));
        assert_int_equal(FIELD(SOURCE_BYTES), 8 * 40 + 800);
        assert_int_equal(FIELD(SOURCE_PAYLOAD_MEAN), 100);
        assert_int_equal(FIELD(SOURCE_SYNS), 1);
        assert_int_equal(FIELD(SOURCE_SYN_ACKS), 1);
        assert_int_equal(FIELD(SOURCE_RESETS), 2);
        assert_int_equal(FIELD(SOURCE_FINS), 2);
        assert_int_equal(FIELD(SOURCE_UDP), 0);
        assert_int_equal(FIELD(SOURCE_SYN_SHARE), 255 / 8);
        assert_int_equal(FIELD(SOURCE_RESET_SHARE), 255 * 2 / 8);
        assert_int_equal(FIELD(SOURCE_EMPTY_SHARE), 255 * 7 / 8);
        assert_int_equal(FIELD(SOURCE_PORTS), 1);
        assert_int_equal(FIELD(SOURCE_PEERS), 1);
        assert_int_equal(FIELD(DESTINATION_PACKETS), 8);
        assert_int_equal(FIELD(DESTINATION_SYNS), 1);
        /* Another source to the same destination, and other protocols. */
        p = tcp(3, 2, 50000, 80, 0, 0);
        p.protocol = 17;
        p.kind = FILTER_UDP;
        track(*state, &p, START + WINDOW / 2);
        assert_int_equal(FIELD(SOURCE_PACKETS), 1);
        assert_int_equal(FIELD(SOURCE_UDP), 1);
        assert_int_equal(FIELD(SOURCE_ICMP), 0);
        assert_int_equal(FIELD(DESTINATION_PACKETS), 9);
        assert_int_equal(FIELD(DESTINATION_PEERS), 2);
        p.protocol = 1;
        p.kind = FILTER_ICMP;
        track(*state, &p, START + WINDOW / 2);
        assert_int_equal(FIELD(SOURCE_UDP), 1);
        assert_int_equal(FIELD(SOURCE_ICMP), 1);
        assert_int_equal(FIELD(IS_ICMP), 1);
}

/* The window before fades evenly, then is forgotten; the slow one remembers. */
static void test_windows_slide(void **state) {
        struct filter_packet p = tcp(1, 2, 50000, 80, 2, 100);

        for (unsigned i = 0; i < 256; i++)
                track(*state, &p, START + i);
        track(*state, &p, START + WINDOW);
        assert_int_equal(FIELD(SOURCE_PACKETS), 257);
        track(*state, &p, START + WINDOW + WINDOW / 2);
        assert_int_equal(FIELD(SOURCE_PACKETS), 128 + 2);
        assert_int_equal(FIELD(SOURCE_SYNS), 128 + 2);
        assert_int_equal(FIELD(SOURCE_BYTES), 140 * 130);
        assert_int_equal(FIELD(SOURCE_PAYLOAD_MEAN), 100);
        assert_int_equal(FIELD(SOURCE_SYN_SHARE), 255);
        track(*state, &p, START + 2 * WINDOW - 1);
        assert_int_equal(FIELD(SOURCE_PACKETS), 1 + 3);
        track(*state, &p, START + 2 * WINDOW);
        assert_int_equal(FIELD(SOURCE_PACKETS), 3 + 1);
        track(*state, &p, START + 4 * WINDOW);
        assert_int_equal(FIELD(SOURCE_PACKETS), 1);
        assert_int_equal(FIELD(SOURCE_PACKETS_SLOW_LOG2), filter_log2(261));
        assert_int_equal(FIELD(DESTINATION_PACKETS), 1);
        assert_int_equal(FIELD(DESTINATION_PACKETS_SLOW_LOG2), filter_log2(261));
        track(*state, &p, START + SLOW + SLOW / 2);
        assert_int_equal(FIELD(SOURCE_PACKETS_SLOW_LOG2), filter_log2(1 + 130));
        track(*state, &p, START + 3 * SLOW);
        assert_int_equal(FIELD(SOURCE_PACKETS_SLOW_LOG2), filter_log2(1));
}

/* A mean stays one however the two windows are weighted. */
static void test_mean_is_of_what_was_sent(void **state) {
        struct filter_packet p = tcp(1, 2, 50000, 80, 2, 65000);

        track(*state, &p, START);
        track(*state, &p, START + WINDOW + WINDOW / 256 * 255);
        assert_int_equal(FIELD(SOURCE_PAYLOAD_MEAN), 65000);
        assert_int_equal(FIELD(SOURCE_SYN_SHARE), 255);
}

static void test_scan_shows_in_ports_and_peers(void **state) {
        struct filter_packet p;

        for (unsigned i = 1; i <= 20; i++) {
                p = tcp(1, 2, 40000, i, 2, 0);
                track(*state, &p, START);
                assert_int_equal(FIELD(SOURCE_PEERS), 1);
                assert_int_equal(FIELD(SOURCE_OWN_PORTS), 1);
                assert_true(FIELD(SOURCE_PORTS) <= i);
        }
        /* Few of the 20 share a bit of 64. */
        assert_true(FIELD(SOURCE_PORTS) >= 14);
        assert_int_equal(FIELD(SOURCE_SPREAD), FIELD(SOURCE_PORTS));
        for (unsigned i = 1; i <= 1000; i++) {
                p = tcp(1, i, 40000 + i, 80, 2, 0);
                track(*state, &p, START + WINDOW * 4);
        }
        assert_int_equal(FIELD(SOURCE_PORTS), 1);
        assert_true(FIELD(SOURCE_PEERS) >= 60);
        assert_true(FIELD(SOURCE_OWN_PORTS) >= 60);
        assert_true(FIELD(SOURCE_PORTS_SLOW) >= 14);
        assert_int_equal(FIELD(SOURCE_SPREAD), FIELD(SOURCE_PEERS));
        assert_int_equal(FIELD(SOURCE_SPREAD_SLOW), FIELD(SOURCE_PEERS_SLOW));
        /* IPv6 addresses that differ in their upper half alone. */
        for (unsigned i = 1; i <= 20; i++) {
                p = tcp(7, 2, 40000, 80, 2, 0);
                p.destination.upper = i;
                track(*state, &p, START);
        }
        assert_true(FIELD(SOURCE_PEERS) >= 14);
}

static void test_gaps(void **state) {
        struct filter_packet p = tcp(1, 2, 50000, 80, 0x10, 0);
        uint64_t now = START;

        track(*state, &p, now);
        assert_int_equal(FIELD(SOURCE_GAP), UINT32_MAX);
        assert_int_equal(FIELD(SOURCE_GAP_MEAN), UINT32_MAX);
        assert_int_equal(FIELD(SOURCE_GAP_LOG2), 511);
        assert_int_equal(FIELD(FLOW_GAP), UINT32_MAX);
        now += 1024 * 80;
        track(*state, &p, now);
        assert_int_equal(FIELD(SOURCE_GAP), 80);
        assert_int_equal(FIELD(SOURCE_GAP_MEAN), 80);
        assert_int_equal(FIELD(FLOW_GAP_MEAN), 80);
        now += 1024 * 160;
        track(*state, &p, now);
        assert_int_equal(FIELD(SOURCE_GAP), 160);
        assert_int_equal(FIELD(SOURCE_GAP_MEAN), 90);
        /* Small gaps are not lost to the eighths. */
        for (unsigned i = 0; i < 200; i++) {
                now += 1024 * 3;
                track(*state, &p, now);
        }
        assert_int_equal(FIELD(SOURCE_GAP_MEAN), 3);
        /* Longer than fits. */
        now += (uint64_t)1 << 43;
        track(*state, &p, now);
        assert_int_equal(FIELD(SOURCE_GAP), UINT32_MAX - 1);
}

static void test_flows_have_two_ways(void **state) {
        struct filter_packet there = tcp(9, 2, 50000, 80, 2, 0);
        struct filter_packet back = tcp(2, 9, 80, 50000, 0x12, 0);

        track(*state, &there, START);
        assert_int_equal(FIELD(FLOW_PACKETS), 1);
        assert_int_equal(FIELD(FLOW_PACKETS_BACK), 0);
        assert_int_equal(FIELD(FLOW_IS_REPLY), 0);
        assert_int_equal(FIELD(FLOW_FLAGS), 2);
        back.payload_length = 60;
        back.ip_length = 100;
        track(*state, &back, START + 1024 * 1000);
        assert_int_equal(FIELD(FLOW_PACKETS), 1);
        assert_int_equal(FIELD(FLOW_PACKETS_BACK), 1);
        assert_int_equal(FIELD(FLOW_IS_REPLY), 1);
        assert_int_equal(FIELD(FLOW_FLAGS), 0x12);
        assert_int_equal(FIELD(FLOW_FLAGS_BACK), 2);
        assert_int_equal(FIELD(FLOW_PAYLOAD_MEAN), 60);
        assert_int_equal(FIELD(FLOW_DURATION), 1000);
        assert_int_equal(FIELD(FLOW_GAP), 1000);
        there.tcp_flags = 0x18;
        track(*state, &there, START + 1024 * 1500);
        assert_int_equal(FIELD(FLOW_PACKETS), 2);
        assert_int_equal(FIELD(FLOW_BYTES), 80);
        assert_int_equal(FIELD(FLOW_BYTES_BACK_LOG2), filter_log2(100));
        assert_int_equal(FIELD(FLOW_FLAGS), 0x1a);
        assert_int_equal(FIELD(FLOW_SYNS), 1);
        assert_int_equal(FIELD(FLOW_IS_REPLY), 0);
        assert_int_equal(FIELD(FLOW_DURATION), 1500);
        /* Another port, another protocol: other flows. */
        there.source_port++;
        track(*state, &there, START + 1024 * 1600);
        assert_int_equal(FIELD(FLOW_PACKETS), 1);
        there.source_port--;
        there.protocol = 17;
        track(*state, &there, START + 1024 * 1600);
        assert_int_equal(FIELD(FLOW_PACKETS), 1);
        assert_int_equal(FIELD(FLOW_PACKETS_BACK), 0);
}

/* From one port to another of one address: still two ways. */
static void test_flow_with_itself(void **state) {
        struct filter_packet there = tcp(1, 1, 50000, 80, 2, 0);
        struct filter_packet back = tcp(1, 1, 80, 50000, 0x12, 0);

        track(*state, &there, START);
        track(*state, &back, START);
        assert_int_equal(FIELD(FLOW_PACKETS), 1);
        assert_int_equal(FIELD(FLOW_PACKETS_BACK), 1);
        assert_int_equal(FIELD(FLOW_IS_REPLY), 1);
}

/* A flow of more packets than can be counted is not a new one. */
static void test_flow_of_many_packets(void **state) {
        struct filter_packet p = tcp(1, 2, 50000, 80, 2, 0);
        struct filter_flow f = {
                .first_ns = START, .last_ns = START, .way = {{.packets = UINT32_MAX - 1}}};

        for (int i = 0; i < 3; i++)
                filter_flow_update(&f, &p, 0, START + 1000);
        assert_int_equal(f.way[0].packets, UINT32_MAX);
        assert_int_equal(f.way[0].syns, 3);
        assert_int_equal(f.first_ns, START);
        f.way[0].syns = UINT32_MAX;
        filter_flow_update(&f, &p, 0, START + 1000);
        assert_int_equal(f.way[0].syns, UINT32_MAX);
}

static void test_silence_ends_a_flow(void **state) {
        struct filter_packet there = tcp(1, 2, 50000, 80, 2, 0);
        struct filter_packet back = tcp(2, 1, 80, 50000, 0x10, 0);
        uint64_t silence = (uint64_t)1 << FILTER_FLOW_SHIFT;

        track(*state, &there, START);
        track(*state, &there, START + silence - 1);
        assert_int_equal(FIELD(FLOW_PACKETS), 2);
        track(*state, &back, START + silence - 1 + silence);
        assert_int_equal(FIELD(FLOW_PACKETS), 1);
        assert_int_equal(FIELD(FLOW_PACKETS_BACK), 0);
        assert_int_equal(FIELD(FLOW_IS_REPLY), 0);
        assert_int_equal(FIELD(FLOW_DURATION), 0);
        assert_int_equal(FIELD(FLOW_GAP), UINT32_MAX);
}

/* Two CPUs may see a packet each with clocks a little apart. */
static void test_clock_that_steps_back(void **state) {
        struct filter_packet p = tcp(1, 2, 50000, 80, 2, 0);

        track(*state, &p, START + SLOW);
        track(*state, &p, START + SLOW - 1);
        assert_int_equal(FIELD(SOURCE_PACKETS), 2);
        assert_int_equal(FIELD(SOURCE_GAP), 0);
        assert_int_equal(FIELD(FLOW_PACKETS), 2);
        assert_int_equal(FIELD(FLOW_DURATION), 0);
        track(*state, &p, START + SLOW + 2048);
        assert_int_equal(FIELD(SOURCE_PACKETS), 3);
        assert_int_equal(FIELD(SOURCE_GAP), 2);
}

/* As `explain` shows a source: at a later time, without another packet. */
static void test_source_as_it_stands(void **state) {
        struct filter_host h = {0};
        struct filter_packet p = tcp(1, 2, 50000, 80, 2, 100);
        struct filter_step step;

        filter_step(&p, &p.destination, &step);
        for (unsigned i = 0; i < 4; i++)
                filter_host_update(&h, &step, START);
        filter_twin_source_fields(&h, START, fields);
        assert_int_equal(FIELD(SOURCE_PACKETS), 4);
        filter_twin_source_fields(&h, START + WINDOW + WINDOW / 2, fields);
        assert_int_equal(FIELD(SOURCE_PACKETS), 2);
        filter_twin_source_fields(&h, START + 2 * WINDOW, fields);
        assert_int_equal(FIELD(SOURCE_PACKETS), 0);
        assert_int_equal(FIELD(SOURCE_PAYLOAD_MEAN), 0);
        assert_int_equal(FIELD(SOURCE_PACKETS_SLOW_LOG2), filter_log2(4));
        assert_int_equal(h.fast.now.packets, 4);
}

/* Many keys: tables grow and lose nothing; every field within its range (track() looks). */
static void test_many_sources(void **state) {
        uint64_t x = 88172645463325252U;
        unsigned seen[3000] = {0};

        for (unsigned i = 0; i < 60000; i++) {
                struct filter_packet p;
                unsigned source;

                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                source = (unsigned)(x % ELEMENTSOF(seen));
                p = tcp(source, (unsigned)(x >> 12 & 1023), (unsigned)(x >> 22 & 15),
                        (unsigned)(x >> 26 & 15), (unsigned)(x >> 30 & 255),
                        (unsigned)(x >> 38 & 1023));
                track(*state, &p, START + i);
                seen[source]++;
                assert_int_equal(FIELD(SOURCE_PACKETS), seen[source]);
        }
        filter_twin_reset(*state);
        track(*state, &(struct filter_packet){0}, START);
        assert_int_equal(FIELD(SOURCE_PACKETS), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_log2),
                cmocka_unit_test(test_bits_shares_and_means),
                TEST(test_headers_of_the_packet),
                TEST(test_window_counts),
                TEST(test_windows_slide),
                TEST(test_mean_is_of_what_was_sent),
                TEST(test_scan_shows_in_ports_and_peers),
                TEST(test_gaps),
                TEST(test_flows_have_two_ways),
                TEST(test_flow_with_itself),
                TEST(test_flow_of_many_packets),
                TEST(test_silence_ends_a_flow),
                TEST(test_clock_that_steps_back),
                cmocka_unit_test(test_source_as_it_stands),
                TEST(test_many_sources),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
