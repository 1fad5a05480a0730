/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The as-of join and what counts of several labels, on plain data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "record/asof.h"
#include "record/labelling.h"
#include "record/parse.h"

#define SECOND ((int64_t)USEC_PER_SEC)

/* Process 7 dies at 3 s and its pid comes back as process 9; after a reboot (the clock goes on)
 * there is process 12 of the same pid. */
static const AsofEntry entries[] = {
        {7, 1 * SECOND, 100}, {8, 2 * SECOND, 101}, {7, 3 * SECOND, 102},   {7, 3 * SECOND, 103},
        {9, 4 * SECOND, 104}, {7, 9 * SECOND, 105}, {12, 60 * SECOND, 106},
};

static int64_t join(int64_t key, int64_t at, usec_t tolerance) {
        ssize_t i = asof_find(entries, ELEMENTSOF(entries), key, at, tolerance);

        return i < 0 ? -1 : entries[i].id;
}

static void test_exact(void **state) {
        assert_int_equal(join(7, 1 * SECOND, 0), 100);
        assert_int_equal(join(8, 2 * SECOND, 0), 101);
        /* Of equal times the one that came later. */
        assert_int_equal(join(7, 3 * SECOND, 0), 103);
        assert_int_equal(join(7, 1 * SECOND + 1, 0), -1);
}

static void test_tolerance(void **state) {
        assert_int_equal(join(7, 2 * SECOND, USEC_PER_SEC), 100);
        assert_int_equal(join(7, 2 * SECOND + 1, USEC_PER_SEC), -1);
        assert_int_equal(join(7, 2 * SECOND + 1, USEC_PER_SEC + 1), 100);
        /* Never one that is still to come. */
        assert_int_equal(join(7, 1 * SECOND - 1, USEC_INFINITY), -1);
        assert_int_equal(join(7, INT64_MAX, USEC_INFINITY), 105);
        assert_int_equal(join(8, INT64_MIN, USEC_INFINITY), -1);
}

static void test_gaps(void **state) {
        assert_int_equal(join(7, 8 * SECOND, 4 * USEC_PER_SEC), -1);
        assert_int_equal(join(7, 8 * SECOND, 5 * USEC_PER_SEC), 103);
        assert_int_equal(join(7, 9 * SECOND, 5 * USEC_PER_SEC), 105);
        assert_int_equal(asof_find(NULL, 0, 7, 5, USEC_INFINITY), -1);
}

static void test_restart_and_boot(void **state) {
        assert_int_equal(join(9, 3 * SECOND, USEC_INFINITY), -1);
        assert_int_equal(join(9, 5 * SECOND, 2 * USEC_PER_SEC), 104);
        assert_int_equal(join(12, 59 * SECOND, USEC_INFINITY), -1);
        assert_int_equal(join(12, 61 * SECOND, 2 * USEC_PER_SEC), 106);
        assert_int_equal(join(7, 61 * SECOND, 2 * USEC_PER_SEC), -1);
}

static void test_count_before(void **state) {
        assert_int_equal(asof_count_before(entries, ELEMENTSOF(entries), 1 * SECOND), 0);
        assert_int_equal(asof_count_before(entries, ELEMENTSOF(entries), 3 * SECOND), 2);
        assert_int_equal(asof_count_before(entries, ELEMENTSOF(entries), 3 * SECOND + 1), 4);
        assert_int_equal(asof_count_before(entries, ELEMENTSOF(entries), 99 * SECOND),
                         ELEMENTSOF(entries));
}

static int64_t rule_at(const Labelling *l, const PlaybackProcess *p, int64_t at, int64_t until) {
        int64_t got = 0;
        const LabelRule *rule = labelling_find(l, p, at, &got);

        assert_int_equal(got, until);
        return rule ? rule->id : -1;
}

static void test_labels(void **state) {
        LabelRule rules[] = {
                {.id = 3, .load_class = 3, .pid = 42, .since = 50, .until = 60},
                {.id = 2, .load_class = 1, .comm = (char *)"cc1*", .since = 20, .until = 80},
                {.id = 1,
                 .load_class = 2,
                 .exe = (char *)"/usr/sbin/*",
                 .since = INT64_MIN,
                 .until = INT64_MAX},
        };
        const Labelling l = {.rules = rules, .n = ELEMENTSOF(rules)};
        const PlaybackProcess compiler = {.pid = 42, .comm = "cc1plus"},
                              server = {.pid = 43, .comm = "nginx", .exe = (char *)"/usr/sbin/x"},
                              unknown = {.pid = 44, .comm = "nginx"};

        assert_int_equal(rule_at(&l, &compiler, 10, 19), -1);
        assert_int_equal(rule_at(&l, &compiler, 20, 49), 2);
        assert_int_equal(rule_at(&l, &compiler, 50, 60), 3);
        assert_int_equal(rule_at(&l, &compiler, 60, 60), 3);
        assert_int_equal(rule_at(&l, &compiler, 61, 80), 2);
        assert_int_equal(rule_at(&l, &compiler, 81, INT64_MAX), -1);
        assert_int_equal(rule_at(&l, &server, 55, INT64_MAX), 1);
        /* Whose executable could not be read is nobody's. */
        assert_int_equal(rule_at(&l, &unknown, 55, INT64_MAX), -1);
}

static void test_names(void **state) {
        char name[PROGRAM_NAME_MAX];

        labelling_program_name("kworker/0:1", name);
        assert_string_equal(name, "kworker_0_1");
        assert_true(program_name_is_valid(name));
        labelling_program_name("", name);
        assert_true(program_name_is_valid(name));
}

static void test_parse(void **state) {
        const int64_t now = 1000000 * SECOND;
        Error e = ERROR_INIT;
        uint64_t size;
        usec_t span;
        int64_t at;

        assert_int_equal(parse_size("--x", "512M", &size, NULL), 0);
        assert_int_equal(size, 512 << 20);
        assert_int_equal(parse_size("--x", "1.5K", &size, NULL), 0);
        assert_int_equal(size, 1536);
        assert_int_equal(parse_size("--x", "-1", &size, NULL), -22);
        assert_int_equal(parse_size("--x", "1Q", &size, &e), -22);
        assert_non_null(strstr(e.text, "1Q"));
        assert_int_equal(parse_span("--x", "2h", &span, NULL), 0);
        assert_int_equal(span, 7200 * USEC_PER_SEC);
        assert_int_equal(parse_span("--x", "", &span, NULL), -22);
        assert_int_equal(parse_span("--x", "99999999999999w", &span, NULL), -22);
        assert_int_equal(parse_when("--x", "-5s", now, &at, NULL), 0);
        assert_int_equal(at, now - 5 * SECOND);
        assert_int_equal(parse_when("--x", "@12.5", now, &at, NULL), 0);
        assert_int_equal(at, 12500000);
        assert_int_equal(parse_when("--x", "now", now, &at, NULL), 0);
        assert_int_equal(at, now);
        assert_int_equal(parse_when("--x", "2026-11-21 17:30:05", now, &at, NULL), 0);
        assert_int_equal(parse_when("--x", "2026-11-21 17:30 or so", now, &at, NULL), -22);
        assert_int_equal(parse_when("--x", "@nan", now, &at, NULL), -22);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_exact),  cmocka_unit_test(test_tolerance),
                cmocka_unit_test(test_gaps),   cmocka_unit_test(test_restart_and_boot),
                cmocka_unit_test(test_labels), cmocka_unit_test(test_count_before),
                cmocka_unit_test(test_names),  cmocka_unit_test(test_parse),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
