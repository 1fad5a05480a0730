/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "collectors/cpu-list-parse.h"
#include "collectors/psi-parse.h"

static void test_psi(void **state) {
        Psi psi = {};

        assert_int_equal(psi_parse("some avg10=1.00 avg60=0.50 avg300=0.10 total=123456789012\n"
                                   "full avg10=0.00 avg60=0.00 avg300=0.00 total=42\n",
                                   &psi),
                         0);
        assert_true(psi.some_total == 123456789012);
        assert_int_equal(psi.full_total, 42);
        assert_int_equal(psi.valid, 1);
        assert_int_equal(psi_parse("some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", &psi), 0);
        assert_int_equal(psi.some_total, 7);
        assert_int_equal(psi.full_total, 0);
}

static void test_psi_malformed(void **state) {
        static const char *const bad[] = {
                "",
                "full avg10=0.00 total=42\n",
                "some avg10=0.00\n",
                "some total=\n",
                "some total=1x\n",
                "some total=-1\n",
                "some total=99999999999999999999\n",
                "some avg10=0.00\ntotal=5\n",
                "some total=5\nfull avg10=0.00\n",
        };
        Psi psi = {.some_total = 99};

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(psi_parse(bad[i], &psi), -EBADMSG);
        assert_int_equal(psi.some_total, 99);
        assert_int_equal(psi.valid, 0);
}

static void test_cpu_list(void **state) {
        static const struct {
                const char *text;
                uint32_t n;
        } good[] = {{"0\n", 1}, {"0-1\n", 2}, {"0-3,8,10-11\n", 7}, {"5", 1}, {"0-1023\n", 1024}};
        static const char *const bad[] = {"",     "\n",     "a\n",  "0-\n",        "3-1\n",
                                          "0,\n", "0-1x\n", "-1\n", "0-99999999\n"};
        uint32_t n = 99;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(cpu_list_parse(bad[i], &n), -EBADMSG);
        assert_int_equal(n, 99);
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                assert_int_equal(cpu_list_parse(good[i].text, &n), 0);
                assert_int_equal(n, good[i].n);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_psi),
                cmocka_unit_test(test_psi_malformed),
                cmocka_unit_test(test_cpu_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
