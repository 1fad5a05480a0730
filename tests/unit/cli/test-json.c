/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include <math.h>

#include "cli/json.h"

static void test_key(void **state) {
        static const struct {
                const char *name, *want;
        } cases[] = {{"Pid", "pid"},
                     {"PPid", "ppid"},
                     {"RssBytes", "rss_bytes"},
                     {"IntervalUSec", "interval_usec"},
                     {"VictimDelayUSec", "victim_delay_usec"},
                     {"AtUSec", "at_usec"},
                     {"already_so", "already_so"},
                     {"", ""}};
        char key[64], tiny[8];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_key(cases[i].name, key, sizeof(key));
                assert_string_equal(key, cases[i].want);
        }
        json_key("AVeryLongNameUSec", tiny, sizeof(tiny));
        assert_true(strlen(tiny) < sizeof(tiny));
}

static void test_access(void **state) {
        _cleanup_json_ json_object *o = json_tokener_parse(
                "{\"u\":18446744073709551615,\"i\":-3,\"d\":0.5,\"s\":\"x\",\"b\":true,\"n\":"
                "null}");
        uint64_t u = 1;
        int64_t i = 1;
        double d = 1;

        assert_non_null(o);
        assert_true(json_u64(o, "u", &u));
        assert_true(u == UINT64_MAX);
        assert_true(json_i64(o, "i", &i));
        assert_int_equal(i, -3);
        assert_true(json_num(o, "d", &d));
        assert_true(d == 0.5);
        assert_true(json_num(o, "i", &d));
        assert_string_equal(json_str(o, "s"), "x");
        assert_true(json_flag(o, "b"));
        /* Absent, null or of another type is unknown, and leaves the value as it was. */
        assert_false(json_u64(o, "none", &u));
        assert_false(json_u64(o, "s", &u));
        assert_false(json_num(o, "n", &d));
        assert_null(json_str(o, "u"));
        assert_null(json_str(NULL, "u"));
        assert_false(json_flag(o, "s"));
        assert_true(u == UINT64_MAX);
}

static void test_double(void **state) {
        _cleanup_json_ json_object *o = json_new_double(0.1 + 0.2);

        assert_string_equal(json_object_to_json_string(o), "0.3");
        assert_null(json_new_double(NAN));
        assert_null(json_new_double(INFINITY));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_key),
                cmocka_unit_test(test_access),
                cmocka_unit_test(test_double),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
