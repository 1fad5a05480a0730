/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "policy/verdict.h"

static void test_names(void **state) {
        for (int c = 0; c < _CLASS_COUNT; c++)
                assert_int_equal(class_from_string(class_to_string((LoadClass)c)), c);
        assert_int_equal(class_from_string("Batch"), -EINVAL);
        assert_int_equal(class_from_string(""), -EINVAL);
        assert_null(class_to_string(_CLASS_COUNT));
        for (int m = 0; m < _MODE_COUNT; m++)
                assert_int_equal(mode_from_string(mode_to_string((Mode)m)), m);
        assert_int_equal(mode_from_string("on"), -EINVAL);
        assert_string_equal(verdict_to_string(VERDICT_MODE_OBSERVE), "mode-observe");
        for (int v = 0; v < _VERDICT_COUNT; v++) {
                assert_non_null(verdict_sentence((Verdict)v));
                for (int u = 0; u < v; u++)
                        assert_string_not_equal(verdict_to_string((Verdict)u),
                                                verdict_to_string((Verdict)v));
        }
        assert_null(verdict_to_string(_VERDICT_COUNT));
}

static void test_default_writes_nothing(void **state) {
        Policy p = POLICY_INIT;

        assert_int_equal(policy_init_default(&p), 0);
        assert_int_equal(p.mode, MODE_OBSERVE);
        assert_false(p.keep_on_stop);
        assert_int_equal(p.n_scope, 1);
        assert_int_equal(p.n_tunables, 0);
        for (int c = 0; c < _CLASS_COUNT; c++)
                if (class_is_protected((LoadClass)c) || c == CLASS_IDLE)
                        assert_int_equal(p.treatment[c].set, 0);
        policy_done(&p);
        assert_null(p.scope);
        policy_done(&p);
}

static void test_copy_is_deep(void **state) {
        Policy a = POLICY_INIT, b = POLICY_INIT;

        assert_int_equal(policy_init_default(&a), 0);
        a.rules = calloc(1, sizeof(*a.rules));
        assert_non_null(a.rules);
        a.n_rules = 1;
        strcpy(a.rules[0].comm, "make");
        assert_int_equal(policy_copy(&a, &b), 0);
        a.rules[0].comm[0] = 'x';
        a.scope[0].kind = SCOPE_UID;
        policy_done(&a);
        assert_string_equal(b.rules[0].comm, "make");
        assert_int_equal(b.scope[0].kind, SCOPE_MACHINE);
        assert_int_equal(b.n_tunables, 0);
        policy_done(&b);
}

static void test_match(void **state) {
        ProcSample proc = {.comm = "cc1plus", .uid = 1000, .valid = SAMPLE_ALL};
        Ident ident = {.exe = "/usr/libexec/gcc/cc1plus",
                       .cgroup = "/user.slice/user-1000.slice",
                       .unit = "session-2.scope"};
        Rule rules[] = {
                {.name = "all must match", .comm = "cc1*", .exe = "/opt/*"},
                {.name = "other user", .has_uid = true, .uid = 0},
                {.name = "below", .cgroup = "/user.slice", .unit = "session-*.scope"},
                {.name = "second", .comm = "cc1plus"},
        };
        Policy p = {.rules = rules, .n_rules = ELEMENTSOF(rules)};

        assert_string_equal(policy_match(&p, &proc, &ident)->name, "below");
        /* Not identified: only what the sample shows can match. */
        assert_string_equal(policy_match(&p, &proc, NULL)->name, "second");
        proc.uid = 0;
        assert_string_equal(policy_match(&p, &proc, &ident)->name, "other user");
        proc.valid &= ~(uint32_t)SAMPLE_UID; /* 0 means unknown here, not root */
        assert_string_equal(policy_match(&p, &proc, NULL)->name, "second");
        strcpy(proc.comm, "bash");
        assert_null(policy_match(&p, &proc, NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_default_writes_nothing),
                cmocka_unit_test(test_copy_is_deep),
                cmocka_unit_test(test_match),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
