/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "collectors/proc-io-parse.h"
#include "collectors/proc-schedstat-parse.h"
#include "collectors/proc-stat-parse.h"
#include "collectors/proc-status-parse.h"

#define STAT(comm)                                                                                 \
        "4711 (" comm ") S 1 4711 4700 34816 4711 4194560 1500 90000 7 80 250 125 9 9 15 -5 3 0 "  \
        "98765 123456 4321 18446744073709551615 94000 95000 140000 0 0 0 0 4096 17475 0 0 0 17 1 " \
        "99 3 0 0 0 1 2 3 4 5 6 7 0\n"

static void test_stat(void **state) {
        ProcStat s;

        assert_int_equal(proc_stat_parse(STAT("server"), &s), 0);
        assert_int_equal(s.pid, 4711);
        assert_string_equal(s.comm, "server");
        assert_int_equal(s.state, 'S');
        assert_int_equal(s.ppid, 1);
        assert_int_equal(s.sid, 4700);
        assert_int_equal(s.tty, 34816);
        assert_int_equal(s.flags, 4194560);
        assert_int_equal(s.min_flt, 1500);
        assert_int_equal(s.maj_flt, 7);
        assert_int_equal(s.cpu_ticks, 375);
        assert_int_equal(s.system_ticks, 125);
        assert_int_equal(s.child_cpu_ticks, 18);
        assert_int_equal(s.nice, -5);
        assert_int_equal(s.n_threads, 3);
        assert_int_equal(s.start, 98765);
        assert_int_equal(s.rss_pages, 4321);
        assert_int_equal(s.policy, 3);
}

static void test_stat_comm(void **state) {
        static const struct {
                const char *text;
                const char *comm;
        } cases[] = {
                {STAT(""), ""},
                {STAT(") R 1 2 3"), ") R 1 2 3"},
                {STAT("((a) b) (c"), "((a) b) (c"},
                {STAT("tmux: server"), "tmux: server"},
                {STAT("new\nline"), "new\nline"},
                {STAT("kworker/u8:0-ev_unbound"), "kworker/u8:0-ev"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                ProcStat s;

                assert_int_equal(proc_stat_parse(cases[i].text, &s), 0);
                assert_string_equal(s.comm, cases[i].comm);
                assert_int_equal(s.state, 'S');
                assert_int_equal(s.start, 98765);
        }
}

/* Cut anywhere, the text is refused or, from the policy on, whole; the result is untouched. */
static void test_stat_truncated(void **state) {
        static const char whole[] = STAT("a b) c");
        const char *after_policy = strstr(whole, " 99 3 ") + 5;

        for (size_t n = 0; n < (size_t)(after_policy - whole); n++) {
                char text[sizeof(whole)] = "";
                ProcStat s = {.pid = -7};

                memcpy(text, whole, n);
                assert_int_equal(proc_stat_parse(text, &s), -EBADMSG);
                assert_int_equal(s.pid, -7);
        }
}

static void test_stat_malformed(void **state) {
        static const char *const bad[] = {
                "",
                "x (a) S 1 1 1",
                "12345678901 (a) S 1",
                "1 a S 1 1 1",
                "1 )a( S 1 1 1",
                "1 (a)S 1 1 1 1",
                "1 (a) ",
                "1 (a) S one 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 "
                "28 "
                "29 30 31 32 33 34 35 36 37 38",
                "1 (a) S 1x 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 "
                "28 29 "
                "30 31 32 33 34 35 36 37 38",
        };
        ProcStat s;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(proc_stat_parse(bad[i], &s), -EBADMSG);
}

static void test_schedstat(void **state) {
        static const char *const bad[] = {
                "",      "1",       "1 2",      "1 2 ",
                "1 2 3", "1 2 x\n", "1 -2 3\n", "1 2 99999999999999999999\n"};
        ProcSchedstat s = {};

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(proc_schedstat_parse(bad[i], &s), -EBADMSG);
        assert_int_equal(proc_schedstat_parse("183456789012 20496068 333\n", &s), 0);
        assert_true(s.exec_ns == 183456789012);
        assert_int_equal(s.delay_ns, 20496068);
        assert_int_equal(s.timeslices, 333);
}

static void test_io(void **state) {
        static const char whole[] = "rchar: 5\nwchar: 6\nsyscr: 7\nsyscw: 8\nread_bytes: 9\n"
                                    "write_bytes: 10\ncancelled_write_bytes: 11\n";
        ProcIo io = {};

        assert_int_equal(proc_io_parse(whole, &io), 0);
        assert_true(io.has_chars && io.has_block);
        assert_int_equal(io.rchar, 5);
        assert_int_equal(io.wchar, 6);
        assert_int_equal(io.syscr, 7);
        assert_int_equal(io.syscw, 8);
        assert_int_equal(io.read_bytes, 9);
        assert_int_equal(io.write_bytes, 10);

        /* Without CONFIG_TASK_IO_ACCOUNTING: half of it, the rest unknown and 0. */
        assert_int_equal(
                proc_io_parse("rchar: 5\nwchar: 6\nsyscr: 7\nsyscw: 8\nread_bytes: 9\n", &io), 0);
        assert_true(io.has_chars && !io.has_block);
        assert_int_equal(io.read_bytes, 0);
        assert_int_equal(proc_io_parse("rchar: 5\nread_bytes: 9\nwrite_bytes: 10\n", &io), 0);
        assert_true(!io.has_chars && io.has_block);
        assert_int_equal(io.rchar, 0);
        assert_int_equal(proc_io_parse("", &io), -EBADMSG);
        assert_int_equal(proc_io_parse("rchar: x\n", &io), -EBADMSG);
        assert_int_equal(proc_io_parse("Xrchar: 5\nwchar: 6\nsyscr: 7\nsyscw: 8\n", &io), -EBADMSG);
}

static void test_status(void **state) {
        ProcStatus s;

        proc_status_parse("Name:\ta\nUid:\t1000\t0\t0\t0\nCpus_allowed:\tff,00000001,80000003\n"
                          "Cpus_allowed_list:\t0-1\nvoluntary_ctxt_switches:\t12\n"
                          "nonvoluntary_ctxt_switches:\t34\n",
                          &s);
        assert_true(s.has_uid && s.has_switches && s.has_cpus);
        assert_int_equal(s.uid, 1000);
        assert_int_equal(s.nvcsw, 12);
        assert_int_equal(s.nivcsw, 34);
        assert_true(s.cpus == 0x0000000180000003);
        assert_false(s.has_rss_anon);
}

static void test_status_memory(void **state) {
        static const char *const bad[] = {
                "RssAnon:\t132\n",         "RssAnon:\t     132 kB",
                "RssAnon:\t132 MB\n",      "RssAnon:\tx kB\n",
                "RssFile:\t     132 kB\n", "RssAnon:\t-1 kB\n",
                "XRssAnon:\t1 kB\n",       "RssAnon:\t18014398509481984 kB\n",
        };
        ProcStatus s;

        proc_status_parse("VmRSS:\t    4000 kB\nRssAnon:\t     132 kB\nRssFile:\t    3868 kB\n",
                          &s);
        assert_true(s.has_rss_anon);
        assert_int_equal(s.rss_anon_bytes, 132 * 1024);
        proc_status_parse("RssAnon:\t       0 kB\n", &s);
        assert_true(s.has_rss_anon);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                proc_status_parse(bad[i], &s);
                if (s.has_rss_anon || s.rss_anon_bytes != 0)
                        fail_msg("taken: %s", bad[i]);
        }
}

static void test_status_unknown(void **state) {
        ProcStatus s;

        proc_status_parse("", &s);
        assert_true(!s.has_uid && !s.has_switches && !s.has_cpus);
        /* A name cannot pass for a key: the kernel escapes its newlines, and keys begin a line. */
        proc_status_parse("Name:\tUid: 7\nvoluntary_ctxt_switches:\t12\nCpus_allowed:\tfg\nUid:\t",
                          &s);
        assert_true(!s.has_uid && !s.has_switches && !s.has_cpus);
        assert_int_equal(s.nvcsw, 0);
        proc_status_parse("Cpus_allowed:\t\nUid:\t99999999999\n", &s);
        assert_true(!s.has_uid && !s.has_cpus);
        proc_status_parse("Cpus_allowed:\tff", &s);
        assert_false(s.has_cpus);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stat),           cmocka_unit_test(test_stat_comm),
                cmocka_unit_test(test_stat_truncated), cmocka_unit_test(test_stat_malformed),
                cmocka_unit_test(test_schedstat),      cmocka_unit_test(test_io),
                cmocka_unit_test(test_status),         cmocka_unit_test(test_status_unknown),
                cmocka_unit_test(test_status_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
