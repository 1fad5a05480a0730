/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include "cli/text.h"
#include "util/macro.h"

static void assert_escaped(const char *in, bool utf8, const char *want) {
        _cleanup_free_
        char *got = text_escape(in, utf8);

        assert_non_null(got);
        assert_string_equal(got, want);
}

static void test_escape(void **state) {
        assert_escaped("", true, "");
        assert_escaped("plain name", true, "plain name");
        assert_escaped("a\nb\tc\rd", true, "a\\nb\\tc\\rd");
        assert_escaped("\033[31mred\177", true, "\\x1b[31mred\\x7f");
        assert_escaped("back\\slash", true, "back\\\\slash");
        assert_escaped("größe 漢", true, "größe 漢");
        assert_escaped("gr\303\266", false, "gr\\xc3\\xb6");
        /* C1 controls, direction overrides, and what is no UTF-8 at all */
        assert_escaped("\302\233x", true, "\\xc2\\x9bx");
        assert_escaped("a\342\200\256b", true, "a\\xe2\\x80\\xaeb");
        assert_escaped("\377\300\257\355\240\200", true, "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
        assert_escaped("cut\342\202", true, "cut\\xe2\\x82");
        assert_escaped("\364\220\200\200", true, "\\xf4\\x90\\x80\\x80");
}

static void test_width(void **state) {
        size_t w;

        assert_int_equal(text_width(""), 0);
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("größe"), 5);
        assert_int_equal(text_width("漢字"), 4);
        assert_int_equal(text_width("e\314\201"), 1); /* combining accent */
        assert_int_equal(text_fit("漢字", 3, &w), 3);
        assert_int_equal(w, 2);
}

static void assert_cut(const char *in, size_t columns, bool utf8, const char *want) {
        _cleanup_free_
        char *got = text_ellipsize(in, columns, utf8);

        assert_non_null(got);
        assert_string_equal(got, want);
}

static void test_ellipsize(void **state) {
        assert_cut("abcdef", 6, true, "abcdef");
        assert_cut("abcdef", 5, true, "abcd…");
        assert_cut("abcdef", 5, false, "abcd~");
        assert_cut("abcdef", 1, true, "…");
        assert_cut("abcdef", 0, true, "");
        /* Half of a wide character is never shown. */
        assert_cut("漢字漢", 4, true, "漢…");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escape),
                cmocka_unit_test(test_width),
                cmocka_unit_test(test_ellipsize),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
