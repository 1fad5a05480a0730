/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "models/compiler/feature-spec.h"

static void test_good(void **state) {
        static const char text[] =
                "/* comments are fine */ {\"name\": \"flood_1\", \"target\": \"tc\", \"fields\": "
                "[\"tcp_syn\", {\"name\": \"ip_length\", \"low\": 20, \"high\": 1500}, {\"name\": "
                "\"protocol\"}]}\n";
        FeatureSpec s;
        Error e = ERROR_INIT;

        if (feature_spec_parse(text, strlen(text), &s, &e) < 0)
                fail_msg("%s", e.text);
        assert_string_equal(s.name, "flood_1");
        assert_true(s.has_target && s.target == TARGET_TC);
        assert_int_equal(s.n_fields, 3);
        assert_int_equal(s.table, FIELD_TABLE_PACKET);
        assert_string_equal(feature_spec_field_name(&s, 0), "tcp_syn");
        assert_int_equal(s.ranges[0].high, 1);
        assert_string_equal(feature_spec_field_name(&s, 1), "ip_length");
        assert_int_equal(s.ranges[1].low, 20);
        assert_int_equal(s.ranges[1].high, 1500);
        assert_int_equal(s.ranges[2].high, 255);
        assert_int_equal(feature_spec_check_width(&s, 3, &e), 0);
        assert_int_equal(feature_spec_check_width(&s, 12, &e), -EINVAL);
        assert_non_null(strstr(e.text, "12"));
        assert_non_null(strstr(e.text, "3"));
}

static void test_process(void **state) {
        static const char text[] = "{\"fields\":[\"cpu\",\"delay\"],\"name\":\"p\"}";
        FeatureSpec s;
        Error e = ERROR_INIT;

        if (feature_spec_parse(text, strlen(text), &s, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(s.table, FIELD_TABLE_PROCESS);
        assert_false(s.has_target);
        assert_string_equal(feature_spec_field_name(&s, 1), "delay");
        assert_int_equal(s.ranges[1].high, UINT32_MAX);
}

static void test_refused(void **state) {
        static const struct {
                const char *text, *what;
        } cases[] = {
                {"", ""},
                {"[1]", "object"},
                {"{\"name\":\"a\"", "line 1"},
                {"{\"name\":\"a\"} x", "behind"},
                {"{\"name\":\"a\"}", "fields"},
                {"{\"fields\":[\"tcp_syn\"]}", "name"},
                {"{\"name\":\"1a\",\"fields\":[\"tcp_syn\"]}", "name"},
                {"{\"name\":\"a-b\",\"fields\":[\"tcp_syn\"]}", "name"},
                {"{\"name\":\"a\",\"fields\":[]}", "fields"},
                {"{\"name\":\"a\",\"fields\":[1]}", "field 0"},
                {"{\"name\":\"a\",\"fields\":[\"nope\"]}", "nope"},
                {"{\"name\":\"a\",\"fields\":[\"tcp_syn\",\"tcp_syn\"]}", "twice"},
                {"{\"name\":\"a\",\"fields\":[\"tcp_syn\",\"cpu\"]}", "process"},
                {"{\"name\":\"a\",\"more\":1,\"fields\":[\"tcp_syn\"]}", "more"},
                {"{\"name\":\"a\",\"target\":\"x\",\"fields\":[\"tcp_syn\"]}", "xdp, tc, func"},
                {"{\"name\":\"a\",\"fields\":[{\"name\":\"tcp_syn\",\"max\":3}]}", "max"},
                {"{\"name\":\"a\",\"fields\":[{\"name\":\"tcp_syn\",\"high\":2}]}", "0 to 1"},
                {"{\"name\":\"a\",\"fields\":[{\"name\":\"ip_length\",\"low\":-1}]}", "-1"},
                {"{\"name\":\"a\",\"fields\":[{\"name\":\"ip_length\",\"low\":1.5}]}", "whole"},
                {"{\"name\":\"a\",\"fields\":[{\"name\":\"ip_length\",\"low\":9,\"high\":9}]}",
                 "below"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FeatureSpec s;
                Error e = ERROR_INIT;

                assert_int_equal(feature_spec_parse(cases[i].text, strlen(cases[i].text), &s, &e),
                                 -EINVAL);
                if (!strstr(e.text, cases[i].what))
                        fail_msg("%s: '%s' does not tell of '%s'", cases[i].text, e.text,
                                 cases[i].what);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_process),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
