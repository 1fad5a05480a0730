/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "policy/scope.h"

static void test_parse_and_format(void **state) {
        static const char *const good[] = {
                "machine",   "unit:*.service", "unit:a:b",       "cgroup:/",     "cgroup:/a/b",
                "session:1", "uid:0",          "uid:4294967294", "tree:4194304",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char text[300];
                ScopeEntry e;

                assert_int_equal(scope_parse(good[i], &e, NULL), 0);
                scope_format(&e, text, sizeof(text));
                assert_string_equal(text, good[i]);
        }
}

static void test_parse_refuses(void **state) {
        static const char *const bad[] = {
                "",        "machines",     "machine:", "machine:x", "Machine",        "unit",
                "unit:",   "cgroup:",      "cgroup:a", "session:0", "session:",       "session:x",
                "uid:",    "uid:-1",       "uid: 1",   "uid:1 ",    "uid:4294967295", "tree:0",
                "tree:-3", "tree:4194305", "tree:1,2", ":",         "pid:3",          "uid:0x10",
        };
        char long_text[400] = "unit:";

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ScopeEntry s = {.number = 4711};
                Error e = ERROR_INIT;

                if (scope_parse(bad[i], &s, &e) >= 0)
                        fail_msg("\"%s\" was accepted", bad[i]);
                assert_int_equal(s.number, 4711);
                assert_non_null(strstr(e.text, "scope \""));
        }
        memset(long_text + 5, 'a', 256);
        assert_int_equal(scope_parse(long_text, &(ScopeEntry){}, NULL), -EINVAL);
        long_text[5 + 255] = '\0';
        assert_int_equal(scope_parse(long_text, &(ScopeEntry){}, NULL), 0);
}

static bool contains(const char *scope, const ScopeSubject *s) {
        ScopeEntry e;

        assert_int_equal(scope_parse(scope, &e, NULL), 0);
        return scope_contains(&e, 1, s);
}

static void test_contains(void **state) {
        ProcSample proc = {.pid = 30, .sid = 7, .uid = 1000, .valid = SAMPLE_ALL};
        Ident ident = {.unit = "nginx.service", .cgroup = "/system.slice/nginx.service"};
        pid_t ancestors[] = {30, 20, 10, 1};
        ScopeSubject s = {&proc, &ident, ancestors, ELEMENTSOF(ancestors)};

        assert_true(contains("machine", &s));
        assert_true(contains("unit:nginx*", &s));
        assert_false(contains("unit:ngin", &s));
        assert_true(contains("cgroup:/system.slice", &s));
        assert_true(contains("cgroup:/system.slice/", &s));
        assert_true(contains("cgroup:/system.slice/nginx.service", &s));
        assert_true(contains("cgroup:/", &s));
        assert_false(contains("cgroup:/system", &s));
        assert_false(contains("cgroup:/system.slice/nginx.service/x", &s));
        assert_true(contains("session:7", &s));
        assert_false(contains("session:8", &s));
        assert_true(contains("uid:1000", &s));
        assert_false(contains("uid:0", &s));
        assert_true(contains("tree:30", &s));
        assert_true(contains("tree:10", &s));
        assert_false(contains("tree:31", &s));
        assert_false(scope_contains(NULL, 0, &s));
}

/* What is not known is not inside. */
static void test_unknown_is_outside(void **state) {
        ProcSample proc = {.pid = 30, .valid = 0};
        ScopeSubject s = {&proc, NULL, NULL, 0};
        Ident empty = {};

        assert_false(contains("uid:0", &s));
        assert_false(contains("session:1", &s));
        assert_false(contains("unit:*", &s));
        assert_false(contains("cgroup:/", &s));
        assert_false(contains("tree:30", &s));
        s.ident = &empty;
        assert_false(contains("unit:*", &s));
        assert_false(contains("cgroup:/", &s));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse_and_format),
                cmocka_unit_test(test_parse_refuses),
                cmocka_unit_test(test_contains),
                cmocka_unit_test(test_unknown_is_outside),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
