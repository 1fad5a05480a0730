/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include <math.h>

#include "cli/format.h"
#include "util/macro.h"

static void test_bytes(void **state) {
        static const struct {
                double n;
                const char *want;
        } cases[] = {{0, "0B"},      {512, "512B"},     {1023, "1023B"},  {1024, "1.0K"},
                     {10240, "10K"}, {1048575, "1.0M"}, {1.5e9, "1.4G"},  {8493465, "8.1M"},
                     {-5, "0B"},     {NAN, "0B"},       {INFINITY, "0B"}, {1e30, "867361737988E"}};
        char b[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_bytes(b, cases[i].n), cases[i].want);
}

static void test_duration(void **state) {
        static const struct {
                usec_t t;
                const char *want;
        } cases[] = {{0, "0us"},
                     {999, "999us"},
                     {1000, "1.0ms"},
                     {9999, "9.9ms"},
                     {430000, "430ms"},
                     {1500000, "1.5s"},
                     {59999999, "59s"},
                     {60 * USEC_PER_SEC, "1min 0s"},
                     {3661 * USEC_PER_SEC, "1h 1min"},
                     {90000 * USEC_PER_SEC, "1d 1h"}};
        char b[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_duration(b, cases[i].t), cases[i].want);
        /* The greatest must fit as well. */
        assert_non_null(strchr(format_duration(b, USEC_INFINITY), 'd'));
}

static void test_share(void **state) {
        char b[FORMAT_MAX];

        assert_string_equal(format_share(b, 0), "0%");
        assert_string_equal(format_share(b, 0.0001), "<0.1%");
        assert_string_equal(format_share(b, 0.004), "0.4%");
        assert_string_equal(format_share(b, 0.0999), "10%");
        assert_string_equal(format_share(b, 0.25), "25%");
        assert_string_equal(format_share(b, 2), "200%");
        assert_string_equal(format_share(b, -1), "0%");
        assert_string_equal(format_share(b, NAN), "0%");
}

static void test_age_and_count(void **state) {
        char b[FORMAT_MAX];

        assert_string_equal(format_age(b, 5 * USEC_PER_SEC, 17 * USEC_PER_SEC), "12s ago");
        assert_string_equal(format_age(b, 18, 17), "in the future");
        assert_string_equal(format_count(b, 0), "0");
        assert_string_equal(format_count(b, 1.5), "1.5");
        assert_string_equal(format_count(b, 1500), "1.5k");
        assert_string_equal(format_count(b, 2300000), "2.3M");
        assert_string_equal(format_count(b, -12), "-12");
}

static void test_bar(void **state) {
        char b[64];

        format_bar(b, sizeof(b), 0.5, 4, false);
        assert_string_equal(b, "##..");
        format_bar(b, sizeof(b), 7, 4, true);
        assert_string_equal(b, "████");
        format_bar(b, sizeof(b), NAN, 3, false);
        assert_string_equal(b, "...");
        /* A small buffer holds whole cells only. */
        format_bar(b, 5, 1, 4, true);
        assert_string_equal(b, "█");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes), cmocka_unit_test(test_duration),
                cmocka_unit_test(test_share), cmocka_unit_test(test_age_and_count),
                cmocka_unit_test(test_bar),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
