/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capture files: both byte orders and both units, and those that are cut or something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "models/packets/pcap.h"

typedef struct File {
        uint8_t bytes[128];
        size_t size;
        bool swapped;
} File;

static void put(File *f, uint32_t v) {
        v = f->swapped ? __builtin_bswap32(v) : v;
        memcpy(f->bytes + f->size, &v, sizeof(v));
        f->size += sizeof(v);
}

static File file_make(uint32_t magic, uint32_t link_type, bool swapped) {
        File f = {.swapped = swapped};

        put(&f, magic);
        f.size = 20;
        put(&f, link_type);
        return f;
}

static void put_frame(File *f, uint32_t seconds, uint32_t fraction, const char *text,
                      uint32_t length) {
        uint32_t n = (uint32_t)strlen(text);

        put(f, seconds);
        put(f, fraction);
        put(f, n);
        put(f, length);
        memcpy(f->bytes + f->size, text, n);
        f->size += n;
}

static FILE *file_open(File *f) {
        FILE *stream = fmemopen(f->bytes, f->size, "r");

        assert_non_null(stream);
        return stream;
}

static void check_frames(uint32_t magic, bool swapped, int64_t unit_ns) {
        File f = file_make(magic, 1, swapped);
        _cleanup_(pcap_done)
        Pcap p = PCAP_INIT;
        _cleanup_fclose_
        FILE *stream = NULL;
        Error e = ERROR_INIT;
        PcapFrame frame;

        put_frame(&f, 4000000000U, 7, "first", 1500);
        put_frame(&f, 1, 0, "next", 0);
        stream = file_open(&f);
        assert_int_equal(pcap_open(stream, "a.pcap", &p, &e), 0);
        assert_int_equal(pcap_next(&p, &frame, &e), 1);
        assert_int_equal(frame.at_ns, INT64_C(4000000000000000000) + 7 * unit_ns);
        assert_int_equal(frame.size, 5);
        assert_int_equal(frame.length, 1500);
        assert_memory_equal(frame.bytes, "first", 5);
        assert_int_equal(pcap_next(&p, &frame, &e), 1);
        /* No frame is shorter than what was captured of it. */
        assert_int_equal(frame.length, 4);
        assert_int_equal(p.n_frames, 2);
        assert_int_equal(pcap_next(&p, &frame, &e), 0);
}

static void test_frames(void **state) {
        check_frames(0xa1b2c3d4, false, 1000);
        check_frames(0xa1b2c3d4, true, 1000);
        check_frames(0xa1b23c4d, false, 1);
        check_frames(0xa1b23c4d, true, 1);
}

static void check_refused(File f, size_t size, const char *words) {
        _cleanup_(pcap_done)
        Pcap p = PCAP_INIT;
        _cleanup_fclose_
        FILE *stream = NULL;
        Error e = ERROR_INIT;
        PcapFrame frame;
        int r;

        f.size = size;
        stream = file_open(&f);
        r = pcap_open(stream, "a.pcap", &p, &e);
        while (r >= 0 && (r = pcap_next(&p, &frame, &e)) > 0)
                ;
        assert_int_equal(r, -EINVAL);
        assert_non_null(strstr(e.text, "a.pcap"));
        if (!strstr(e.text, words))
                fail_msg("\"%s\" does not say \"%s\"", e.text, words);
}

static void test_what_is_none_is_refused(void **state) {
        File f = file_make(0xa1b2c3d4, 1, false);

        check_refused(file_make(0x0a0d0d0a, 1, false), 24, "pcapng");
        check_refused(file_make(0xa1b2c3d4, 113, true), 24, "link type 113");
        check_refused(f, 23, "shorter than the header");
        put_frame(&f, 1, 2, "frame", 5);
        check_refused(f, f.size - 1, "frame 1");
        check_refused(f, 24 + 15, "frame 1");
        put(&f, 1);
        put(&f, 2);
        put(&f, UINT32_MAX);
        put(&f, 5);
        check_refused(f, f.size, "frame 2");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames),
                cmocka_unit_test(test_what_is_none_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
