/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames to packets: what is understood, what is not, and that nothing is read behind the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collectors/filter-twin.h"
#include "tests/harness/packets.h"

/* In memory of its own, so that sanitizers see a byte too many. */
static enum filter_reason parse_cut(const Frame *f, size_t at_hand, size_t frame_length,
                                    struct filter_packet *ret) {
        static const struct filter_packet zero;
        enum filter_reason reason;
        uint8_t *copy = malloc(at_hand + (at_hand == 0));

        assert_non_null(copy);
        memcpy(copy, f->bytes, at_hand);
        memset(ret, 0x55, sizeof(*ret));
        reason = filter_twin_parse(copy, at_hand, (uint32_t)frame_length, ret);
        free(copy);
        if (reason != FILTER_KNOWN)
                assert_memory_equal(ret, &zero, sizeof(zero));
        return reason;
}

static enum filter_reason parse(const Frame *f, struct filter_packet *ret) {
        return parse_cut(f, f->size, f->size, ret);
}

static enum filter_reason reason_of(const Frame *f) {
        struct filter_packet p;

        return parse(f, &p);
}

static Frame tcp4(size_t payload) {
        Frame f;

        frame_ethernet(&f, 0x0800);
        frame_ipv4(&f, 1, 2, 6, 5);
        frame_tcp(&f, 0xc001, 443, 0x18, 8);
        frame_finish(&f, payload);
        return f;
}

static Frame udp6(size_t payload) {
        Frame f;

        frame_ethernet(&f, 0x86dd);
        frame_ipv6(&f, 1, 2, 17);
        frame_udp(&f, 0xffff, 53);
        frame_finish(&f, payload);
        return f;
}

static void test_tcp_over_ipv4(void **state) {
        static const uint8_t source[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
        static const uint8_t destination[16] = {[10] = 0xff, 0xff, 192, 0, 2, 2};
        Frame f = tcp4(100);
        struct filter_packet p;

        f.bytes[f.ip + 6] = 0x40;
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_memory_equal(&p.source, source, 16);
        assert_memory_equal(&p.destination, destination, 16);
        assert_int_equal(p.version, 4);
        assert_int_equal(p.protocol, 6);
        assert_int_equal(p.kind, FILTER_TCP);
        assert_int_equal(p.ip_length, 152);
        assert_int_equal(p.ip_header_length, 20);
        assert_int_equal(p.transport_header_length, 32);
        assert_int_equal(p.payload_length, 100);
        assert_int_equal(p.source_port, 0xc001);
        assert_int_equal(p.destination_port, 443);
        assert_int_equal(p.tcp_flags, 0x18);
        assert_int_equal(p.tcp_window, 0xfaf0);
        assert_int_equal(p.dont_fragment, 1);
        assert_int_equal(p.fragment, 0);
        assert_int_equal(p.icmp_type, 0);
}

static void test_udp_over_ipv6(void **state) {
        Frame f = udp6(30);
        struct filter_packet p;

        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_memory_equal(&p.source, f.bytes + f.ip + 8, 16);
        assert_memory_equal(&p.destination, f.bytes + f.ip + 24, 16);
        assert_int_equal(p.version, 6);
        assert_int_equal(p.kind, FILTER_UDP);
        assert_int_equal(p.ip_length, 78);
        assert_int_equal(p.ip_header_length, 40);
        assert_int_equal(p.transport_header_length, 8);
        assert_int_equal(p.payload_length, 30);
        assert_int_equal(p.source_port, 0xffff);
        assert_int_equal(p.destination_port, 53);
        assert_int_equal(p.tcp_window, 0);
}

/* Bytes above 127 are not signed. */
static void test_bytes_are_unsigned(void **state) {
        struct filter_packet p;
        Frame f;

        frame_ethernet(&f, 0x0800);
        frame_ipv4(&f, 255, 254, 1, 15);
        frame_icmp(&f, 200, 255);
        frame_finish(&f, 1300);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.icmp_type, 200);
        assert_int_equal(p.icmp_code, 255);
        assert_int_equal(p.ip_header_length, 60);
        assert_int_equal(p.ip_length, 1368);
        frame_ethernet(&f, 0x0800);
        frame_ipv4(&f, 1, 2, 250, 5);
        frame_finish(&f, 9);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.protocol, 250);
        assert_int_equal(p.kind, FILTER_OTHER);
        assert_int_equal(p.transport_header_length, 0);
        assert_int_equal(p.payload_length, 9);
}

/* ICMP belongs to IPv4, ICMPv6 to IPv6; the other way round it is just a number. */
static void test_icmp_goes_with_its_version(void **state) {
        struct filter_packet p;
        Frame f;

        frame_ethernet(&f, 0x86dd);
        frame_ipv6(&f, 1, 2, 58);
        frame_icmp(&f, 135, 0);
        frame_finish(&f, 16);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.kind, FILTER_ICMP);
        assert_int_equal(p.icmp_type, 135);
        f.bytes[f.ip + 6] = 1;
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.kind, FILTER_OTHER);
        assert_int_equal(p.icmp_type, 0);
        f.bytes[f.ip + 6] = 58;
        f.size -= 20;
        put16(f.bytes + f.ip + 4, 4);
        assert_int_equal(reason_of(&f), FILTER_SHORT_TRANSPORT);
}

/* Whatever is cut off, the frame is unknown; and no byte behind the cut is looked at. */
static void test_truncated_at_every_byte(void **state) {
        Frame frames[4] = {tcp4(20), udp6(20)};

        frame_ethernet(&frames[2], 0x86dd);
        frame_vlan(&frames[2], 0x88a8, 5);
        frame_vlan(&frames[2], 0x8100, 6);
        frame_ipv6(&frames[2], 1, 2, 6);
        frame_extension(&frames[2], 0, 16);
        frame_extension(&frames[2], 60, 8);
        frame_extension(&frames[2], 44, 8);
        frame_tcp(&frames[2], 1, 2, 2, 10);
        frame_finish(&frames[2], 3);
        frame_ethernet(&frames[3], 0x0800);
        frame_ipv4(&frames[3], 1, 2, 1, 9);
        frame_icmp(&frames[3], 8, 0);
        frame_finish(&frames[3], 5);
        for (size_t i = 0; i < ELEMENTSOF(frames); i++) {
                struct filter_packet p;

                for (size_t n = 0; n < frames[i].size; n++)
                        assert_int_not_equal(parse_cut(&frames[i], n, n, &p), FILTER_KNOWN);
                assert_int_equal(parse(&frames[i], &p), FILTER_KNOWN);
        }
}

/* A frame may go on where the program can not read: its headers are enough. */
static void test_headers_at_hand_are_enough(void **state) {
        Frame f = tcp4(1000);
        struct filter_packet p;
        size_t headers = 14 + 20 + 20;

        for (size_t n = 0; n < headers; n++)
                assert_int_not_equal(parse_cut(&f, n, f.size, &p), FILTER_KNOWN);
        assert_int_equal(parse_cut(&f, headers, f.size, &p), FILTER_KNOWN);
        assert_int_equal(p.payload_length, 1000);
        assert_int_equal(parse_cut(&f, headers, f.size - 1, &p), FILTER_TRUNCATED);
}

static void test_vlan_tags(void **state) {
        static const unsigned tpids[] = {0x8100, 0x88a8, 0x9100};
        struct filter_packet plain, p;
        Frame f = tcp4(10);

        assert_int_equal(parse(&f, &plain), FILTER_KNOWN);
        for (size_t tags = 1; tags <= 3; tags++) {
                frame_ethernet(&f, 0x0800);
                for (size_t i = 0; i < tags; i++)
                        frame_vlan(&f, tpids[(tags + i) % 3], 4095);
                frame_ipv4(&f, 1, 2, 6, 5);
                frame_tcp(&f, 0xc001, 443, 0x18, 8);
                frame_finish(&f, 10);
                assert_int_equal(parse(&f, &p), tags < 3 ? FILTER_KNOWN : FILTER_VLAN_DEPTH);
                if (tags < 3)
                        assert_memory_equal(&p, &plain, sizeof(p));
        }
        frame_ethernet(&f, 0x0806);
        frame_finish(&f, 46);
        assert_int_equal(reason_of(&f), FILTER_NOT_IP);
}

static void test_ipv4_lengths_that_cannot_be(void **state) {
        Frame f = tcp4(10);
        struct filter_packet p;

        for (unsigned words = 0; words < 5; words++) {
                f.bytes[f.ip] = (uint8_t)(0x40 | words);
                assert_int_equal(reason_of(&f), FILTER_BAD_HEADER_LENGTH);
        }
        f = tcp4(10);
        for (unsigned version = 0; version < 16; version++) {
                f.bytes[f.ip] = (uint8_t)(version << 4 | 5);
                assert_int_equal(reason_of(&f), version == 4 ? FILTER_KNOWN : FILTER_BAD_VERSION);
        }
        f = tcp4(10);
        put16(f.bytes + f.ip + 2, 19);
        assert_int_equal(reason_of(&f), FILTER_BAD_LENGTH);
        put16(f.bytes + f.ip + 2, 0);
        assert_int_equal(reason_of(&f), FILTER_BAD_LENGTH);
        put16(f.bytes + f.ip + 2, 63);
        assert_int_equal(reason_of(&f), FILTER_TRUNCATED);
        put16(f.bytes + f.ip + 2, 0xffff);
        assert_int_equal(reason_of(&f), FILTER_TRUNCATED);
        put16(f.bytes + f.ip + 2, 20);
        assert_int_equal(reason_of(&f), FILTER_SHORT_TRANSPORT);
        /* Short frames are padded: what is behind the IP length does not count. */
        f = tcp4(0);
        memset(frame_push(&f, 9), 0xee, 9);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.payload_length, 0);
}

static void test_transport_lengths_that_cannot_be(void **state) {
        struct filter_packet p;
        Frame f;

        for (unsigned words = 0; words < 16; words++) {
                f = tcp4(10); /* 42 bytes of TCP */
                f.bytes[f.ip + 20 + 12] = (uint8_t)(words << 4 | 15);
                assert_int_equal(parse(&f, &p), words >= 5 && words <= 10
                                                        ? FILTER_KNOWN
                                                        : FILTER_BAD_TRANSPORT_LENGTH);
                if (words == 10)
                        assert_int_equal(p.payload_length, 2);
        }
        for (unsigned length = 0; length < 60; length++) {
                f = udp6(30);
                put16(f.bytes + f.udp + 4, length);
                assert_int_equal(parse(&f, &p), length >= 8 && length <= 38
                                                        ? FILTER_KNOWN
                                                        : FILTER_BAD_TRANSPORT_LENGTH);
        }
}

static void test_ipv4_fragments(void **state) {
        struct filter_packet p;
        Frame f;

        /* First: the UDP length is that of the whole. */
        frame_ethernet(&f, 0x0800);
        frame_ipv4(&f, 1, 2, 17, 5);
        frame_udp(&f, 1000, 53);
        frame_finish(&f, 24);
        put16(f.bytes + f.udp + 4, 3000);
        assert_int_equal(parse(&f, &p), FILTER_BAD_TRANSPORT_LENGTH);
        put16(f.bytes + f.ip + 6, 0x2000);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.fragment, 1);
        assert_int_equal(p.source_port, 1000);
        assert_int_equal(p.payload_length, 24);
        /* Last: no transport header, whatever the bytes there look like. */
        put16(f.bytes + f.ip + 6, 0x0001);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.fragment, 1);
        assert_int_equal(p.kind, FILTER_OTHER);
        assert_int_equal(p.protocol, 17);
        assert_int_equal(p.source_port, 0);
        assert_int_equal(p.transport_header_length, 0);
        assert_int_equal(p.payload_length, 32);
        /* The bit that has no meaning yet and "don't fragment" make no fragment. */
        put16(f.bytes + f.udp + 4, 32);
        put16(f.bytes + f.ip + 6, 0xc000);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.fragment, 0);
        assert_int_equal(p.dont_fragment, 1);
}

static Frame extended(const unsigned *kinds, size_t n) {
        Frame f;

        frame_ethernet(&f, 0x86dd);
        frame_ipv6(&f, 1, 2, 6);
        for (size_t i = 0; i < n; i++)
                frame_extension(&f, kinds[i], kinds[i] == 51 ? 24 : 8);
        frame_tcp(&f, 5000, 22, 2, 5);
        frame_finish(&f, 7);
        return f;
}

static void test_ipv6_extensions(void **state) {
        static const unsigned kinds[] = {0, 60, 43, 51, 135, 140, 139};
        struct filter_packet p;
        Frame f;

        for (size_t n = 0; n <= FILTER_EXTENSIONS_MAX; n++) {
                f = extended(kinds, n);
                assert_int_equal(parse(&f, &p), FILTER_KNOWN);
                assert_int_equal(p.protocol, 6);
                assert_int_equal(p.ip_header_length, 40 + 8 * n + (n > 3 ? 16 : 0));
                assert_int_equal(p.destination_port, 22);
                assert_int_equal(p.payload_length, 7);
        }
        f = extended(kinds, FILTER_EXTENSIONS_MAX + 1);
        assert_int_equal(reason_of(&f), FILTER_EXTENSIONS);
        /* One that claims to be longer than the packet. */
        f = extended(kinds, 1);
        for (unsigned units = 1; units < 256; units++) {
                f.bytes[f.ip + 41] = (uint8_t)units;
                assert_int_not_equal(reason_of(&f), FILTER_KNOWN);
        }
        /* Encrypted, or none: an end like any other protocol. */
        f = extended(kinds, 1);
        f.bytes[f.ip + 40] = 50;
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.protocol, 50);
        assert_int_equal(p.payload_length, 27);
        assert_int_equal(p.transport_header_length, 0);
}

/* Nobody gets on an IPv4 host's place of the allow-list by IPv6. */
static void test_ipv4_addresses_in_ipv6(void **state) {
        static const size_t places[] = {8, 24};

        for (size_t i = 0; i < 2; i++) {
                Frame f = udp6(10);
                uint8_t *address = f.bytes + f.ip + places[i];

                memset(address, 0, 10);
                memset(address + 10, 0xff, 2);
                assert_int_equal(reason_of(&f), FILTER_MAPPED);
                address[9] = 1;
                assert_int_equal(reason_of(&f), FILTER_KNOWN);
                address[9] = 0;
                address[10] = 0xfe;
                assert_int_equal(reason_of(&f), FILTER_KNOWN);
        }
}

static void test_ipv6_fragments(void **state) {
        static const unsigned kinds[] = {0, 44};
        Frame f = extended(kinds, 2);
        uint8_t *fragment = f.bytes + f.ip + 48;
        struct filter_packet p;

        /* "Atomic": the header is there, and the packet is whole (RFC 6946). */
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.fragment, 0);
        put16(fragment + 2, 1);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.fragment, 1);
        assert_int_equal(p.destination_port, 22);
        put16(fragment + 2, 8);
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.fragment, 1);
        assert_int_equal(p.protocol, 6);
        assert_int_equal(p.kind, FILTER_OTHER);
        assert_int_equal(p.destination_port, 0);
        assert_int_equal(p.payload_length, 27);
        /* Even where the rest would go on with an extension header. */
        fragment[0] = 60;
        assert_int_equal(parse(&f, &p), FILTER_KNOWN);
        assert_int_equal(p.protocol, 60);
}

/* Seeded noise: lengths always add up, and nothing is read that is not there. */
static void test_noise(void **state) {
        static const unsigned kinds[] = {0, 60, 44, 43};
        uint64_t x = 88172645463325252U;
        size_t known = 0;

        for (int round = 0; round < 20000; round++) {
                Frame f = round % 3 == 0   ? tcp4((size_t)round % 64)
                          : round % 3 == 1 ? udp6((size_t)round % 64)
                                           : extended(kinds, (size_t)round % 5);
                struct filter_packet p;

                for (int i = 0; i < round % 4; i++) {
                        x ^= x << 13;
                        x ^= x >> 7;
                        x ^= x << 17;
                        f.bytes[12 + x % (f.size - 12)] ^= (uint8_t)(x >> 32);
                }
                if (parse_cut(&f, f.size - (x >> 40) % 3, f.size, &p) != FILTER_KNOWN)
                        continue;
                known++;
                assert_int_equal(p.ip_header_length + p.transport_header_length + p.payload_length,
                                 p.ip_length);
                assert_true(p.ip_length <= f.size - 14);
                assert_true(p.version == 4 || p.version == 6);
        }
        assert_true(known > 5000 && known < 20000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tcp_over_ipv4),
                cmocka_unit_test(test_udp_over_ipv6),
                cmocka_unit_test(test_bytes_are_unsigned),
                cmocka_unit_test(test_icmp_goes_with_its_version),
                cmocka_unit_test(test_truncated_at_every_byte),
                cmocka_unit_test(test_headers_at_hand_are_enough),
                cmocka_unit_test(test_vlan_tags),
                cmocka_unit_test(test_ipv4_lengths_that_cannot_be),
                cmocka_unit_test(test_transport_lengths_that_cannot_be),
                cmocka_unit_test(test_ipv4_fragments),
                cmocka_unit_test(test_ipv6_extensions),
                cmocka_unit_test(test_ipv4_addresses_in_ipv6),
                cmocka_unit_test(test_ipv6_fragments),
                cmocka_unit_test(test_noise),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
