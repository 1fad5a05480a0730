/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recorded packets: from CSV files of headers, and from pcap files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "models/packets/capture.h"

#define NAMES                                                                                   \
        "src,file,label,cls,ts_us,sid,did,v,proto,iplen,ihl,ttl,df,frag,sport,dport,flags,win," \
        "plen\n"

static FILE *opened(const void *data, size_t size) {
        FILE *f = fmemopen((void *)(uintptr_t)data, size, "r");

        assert_non_null(f);
        return f;
}

static int read_headers(Capture *c, const char *text, Error *e) {
        _cleanup_fclose_
        FILE *f = opened(text, strlen(text));

        return capture_read_headers(c, f, "x.csv", e);
}

static void test_headers_become_packets(void **state) {
        _cleanup_(capture_done)
        Capture c = CAPTURE_INIT;
        Error e = ERROR_INIT;
        const struct filter_packet *p;

        assert_int_equal(read_headers(&c,
                                      NAMES
                                      "s,b,1,scan,50,1,2,4,6,44,20,64,1,0,40009,111,258,1024,0\n"
                                      "s,a,0,talk,7,3,4,6,17,68,40,64,1,0,53,5353,0,0,20\n"
                                      "s,b,1,scan,-50,2,1,4,6,40,20,64,1,0,111,40009,20,0,0\r\n",
                                      &e),
                         0);
        assert_string_equal(e.text, "");
        assert_int_equal(c.n_packets, 3);
        assert_int_equal(c.n_files, 2);
        capture_sort(&c);
        /* File by file as they first came, within one by time. */
        assert_int_equal(c.packets[0].at_ns, -50000);
        assert_int_equal(c.packets[1].at_ns, 50000);
        assert_int_equal(c.packets[2].file, 1);
        assert_string_equal(c.packets[1].class, "scan");
        assert_string_equal(c.packets[1].label, "1");

        p = &c.packets[1].packet;
        assert_int_equal(p->kind, FILTER_TCP);
        assert_int_equal(p->ip_length, 44);
        assert_int_equal(p->transport_header_length, 24);
        assert_int_equal(p->payload_length, 0);
        assert_int_equal(p->tcp_flags, 2); /* without the bits that are in another byte */
        assert_int_equal(p->source_port, 40009);
        assert_int_equal(p->dont_fragment, 1);
        /* Numbers are addresses: the same one the same, whichever way. */
        assert_memory_equal(&p->source, &c.packets[0].packet.destination, sizeof(p->source));
        assert_memory_not_equal(&p->source, &p->destination, sizeof(p->source));

        p = &c.packets[2].packet;
        assert_int_equal(p->kind, FILTER_UDP);
        assert_int_equal(p->version, 6);
        assert_int_equal(p->dont_fragment, 0); /* IPv4's alone */
        assert_int_equal(p->payload_length, 20);
}

static void test_what_the_filter_does_not_judge_is_left_out(void **state) {
        static const char *const bad[] = {
                "s,a,0,x,0,1,2,4,17,1500,20,64,0,0,53,53,0,0,9000\n", /* longer than the packet */
                "s,a,0,x,0,1,2,4,6,30,20,64,0,0,1,2,2,0,0\n",         /* half a TCP header */
                "s,a,0,x,0,1,2,4,6,0,20,64,0,0,1,2,2,0,0\n",          /* no length */
                "s,a,0,x,0,1,2,6,6,40,20,64,0,0,1,2,2,0,0\n",         /* not IPv6 */
                "s,a,0,x,0,1,2,4,1,24,20,64,0,0,0,0,0,0,4\n",         /* half of ICMP */
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(capture_done)
                Capture c = CAPTURE_INIT;
                char text[512];

                snprintf(text, sizeof(text), NAMES "%s", bad[i]);
                assert_int_equal(read_headers(&c, text, NULL), 0);
                assert_int_equal(c.n_packets, 0);
                assert_int_equal(c.n_unknown, 1);
        }
}

static void test_later_fragments_have_no_ports(void **state) {
        _cleanup_(capture_done)
        Capture c = CAPTURE_INIT;
        const struct filter_packet *p;

        assert_int_equal(
                read_headers(&c, NAMES "s,a,0,x,0,1,2,4,6,1500,20,64,0,1,0,0,0,0,1480\n", NULL), 0);
        assert_int_equal(c.n_packets, 1);
        p = &c.packets[0].packet;
        assert_int_equal(p->kind, FILTER_OTHER);
        assert_int_equal(p->protocol, 6);
        assert_int_equal(p->transport_header_length, 0);
        assert_int_equal(p->payload_length, 1480);
        assert_int_equal(p->fragment, 1);
}

static void test_headers_that_are_refused(void **state) {
        static const struct {
                const char *text;
                const char *words;
        } cases[] = {
                {"", "empty"},
                {"src,file,label\n", "names no column cls"},
                {NAMES "s,a,0\n", "3 columns, not 19"},
                {NAMES "s,a,0,x,0,1,2,5x,6,40,20,64,0,0,1,2,2,0,0\n", "line 2, v: '5x'"},
                {NAMES "s,a,0,x,0,1,2,4,6,40,20,64,0,0,1,65536,2,0,0\n", "dport: '65536'"},
                {NAMES "s,a,0,x,0,,2,4,6,40,20,64,0,0,1,2,2,0,0\n", "sid: ''"},
                {NAMES "s,a,benign traffic,x,0,1,2,4,6,40,20,64,0,0,1,2,2,0,0\n", "too long"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(capture_done)
                Capture c = CAPTURE_INIT;
                Error e = ERROR_INIT;

                if (i > 0)
                        assert_int_equal(read_headers(&c, cases[i].text, &e), -EINVAL);
                else
                        assert_int_equal(read_headers(&c, "\n", &e), -EINVAL);
                if (i > 0 && !strstr(e.text, cases[i].words))
                        fail_msg("'%s' does not say '%s'", e.text, cases[i].words);
        }
}

/* Ethernet, IPv4, UDP with four bytes */
static const unsigned char frame[] = {
        2,  0, 0, 0,  0, 1, 2, 0,  0, 0, 0, 2, 8,  0,  0x45, 0, 0,  32, 0, 0, 0, 0, 64,
        17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 20, 233,  0, 12, 0,  0, 1, 2, 3, 4,
};

static size_t put32(unsigned char *to, uint32_t v, bool swapped) {
        v = swapped ? __builtin_bswap32(v) : v;
        memcpy(to, &v, sizeof(v));
        return sizeof(v);
}

static size_t pcap(unsigned char *to, uint32_t magic, uint32_t link, bool swapped,
                   uint32_t fraction) {
        const uint32_t words[] = {magic,        0, 0, 0, 65535, link, 3, fraction, sizeof(frame),
                                  sizeof(frame)};
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                n += put32(to + n, words[i], swapped);
        memcpy(to + n, frame, sizeof(frame));
        return n + sizeof(frame);
}

static int read_pcap(Capture *c, const unsigned char *data, size_t size, Error *e) {
        _cleanup_fclose_
        FILE *f = opened(data, size);

        return capture_read_pcap(c, f, "dir/x.pcap", "home", "1", e);
}

static void test_pcap_of_either_order_and_unit(void **state) {
        for (int i = 0; i < 4; i++) {
                _cleanup_(capture_done)
                Capture c = CAPTURE_INIT;
                unsigned char data[256];
                bool nano = i & 1;
                size_t n = pcap(data, nano ? 0xa1b23c4d : 0xa1b2c3d4, 1, i & 2, 500);

                assert_int_equal(read_pcap(&c, data, n, NULL), 0);
                assert_int_equal(c.n_packets, 1);
                assert_int_equal(c.packets[0].at_ns, INT64_C(3000000000) + (nano ? 500 : 500000));
                assert_int_equal(c.packets[0].packet.destination_port, 5353);
                assert_int_equal(c.packets[0].packet.payload_length, 4);
                assert_string_equal(c.packets[0].label, "1");
                assert_string_equal(c.files[0].name, "dir/x.pcap");
        }
}

static void test_pcap_that_is_refused(void **state) {
        unsigned char data[256];
        size_t n = pcap(data, 0xa1b2c3d4, 1, false, 0);

        for (size_t cut = 0; cut <= n; cut++) {
                _cleanup_(capture_done)
                Capture c = CAPTURE_INIT;
                Error e = ERROR_INIT;
                unsigned char copy[257] = {0};
                int r;

                memcpy(copy, data, n);
                r = cut > 0 ? read_pcap(&c, copy, cut, &e) : -EINVAL;
                /* Whole, or without any frame. */
                assert_int_equal(r, cut == n || cut == 24 ? 0 : -EINVAL);
                assert_int_equal(c.n_packets, cut == n);
        }
        for (int i = 0; i < 3; i++) {
                _cleanup_(capture_done)
                Capture c = CAPTURE_INIT;
                static const char *const words[] = {"no pcap file", "link type 113", "frame 1"};
                Error e = ERROR_INIT;

                n = pcap(data, i == 0 ? 0x0a0d0d0a : 0xa1b2c3d4, i == 1 ? 113 : 1, false, 0);
                if (i == 2)
                        put32(data + 32, 1U << 30, false);
                assert_int_equal(read_pcap(&c, data, n, &e), -EINVAL);
                assert_non_null(strstr(e.text, words[i]));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_headers_become_packets),
                cmocka_unit_test(test_what_the_filter_does_not_judge_is_left_out),
                cmocka_unit_test(test_later_fragments_have_no_ports),
                cmocka_unit_test(test_headers_that_are_refused),
                cmocka_unit_test(test_pcap_of_either_order_and_unit),
                cmocka_unit_test(test_pcap_that_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
