/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collectors/sample.h"

static void done(Sample *s) {
        sample_done(s);
}

static void test_grow(_unused_ void **state) {
        _cleanup_(done)
        Sample s = SAMPLE_INIT;
        const ProcSample *kept;

        for (int i = 0; i < 5000; i++) {
                ProcSample *p = sample_add(&s);

                assert_non_null(p);
                assert_int_equal(p->pid, 0);
                assert_int_equal(p->exec_ns, 0);
                p->pid = 2 * (5000 - i);
                p->exec_ns = (uint64_t)i;
        }
        sample_sort(&s);
        assert_int_equal(s.n_procs, 5000);
        for (size_t i = 0; i < s.n_procs; i++) {
                assert_int_equal(s.procs[i].pid, 2 * ((int)i + 1));
                assert_int_equal(s.procs[i].exec_ns, 4999 - i);
                assert_ptr_equal(sample_find(&s, 2 * ((int)i + 1)), &s.procs[i]);
                assert_null(sample_find(&s, 2 * (int)i + 1));
        }
        assert_null(sample_find(&s, 10001));
        assert_null(sample_find(&s, -1));

        kept = s.procs;
        s.at = 7;
        sample_clear(&s);
        assert_int_equal(s.n_procs, 0);
        assert_int_equal(s.at, 0);
        assert_null(sample_find(&s, 2));
        /* The memory is kept, and an entry in it comes back as zeroes. */
        assert_ptr_equal(sample_add(&s), kept);
        assert_int_equal(s.procs[0].pid, 0);
}

static void add_thread(Sample *s, pid_t pid, const char *comm, uint64_t exec, uint32_t valid) {
        ProcSample *p = sample_add(s);

        assert_non_null(p);
        p->pid = pid;
        p->n_threads = 1;
        p->exec_ns = exec;
        p->system_ns = 10 * exec;
        p->nvcsw = 2;
        p->start = comm[0] ? 100 : 101 + exec;
        p->nice = comm[0] ? 5 : 1;
        p->rss_bytes = 4096;
        p->rss_anon_bytes = comm[0] ? 1024 : 0;
        p->child_exec_ns = comm[0] ? 70 : 0;
        p->cpus_allowed = UINT64_C(1) << (exec % 64);
        p->has_rt = exec == 3;
        p->zombie = comm[0] != 0;
        p->valid = valid;
        snprintf(p->comm, sizeof(p->comm), "%s", comm);
}

static void check_folded(const ProcSample *p) {
        assert_int_equal(p->pid, 10);
        assert_string_equal(p->comm, "leader");
        assert_int_equal(p->start, 100);
        assert_int_equal(p->nice, 5);
        assert_int_equal(p->n_threads, 3);
        assert_int_equal(p->exec_ns, 6);
        assert_int_equal(p->system_ns, 60);
        assert_int_equal(p->rss_bytes, 4096);
        assert_int_equal(p->rss_anon_bytes, 1024);
        assert_int_equal(p->child_exec_ns, 70);
        assert_int_equal(p->cpus_allowed, 0xe);
        assert_true(p->has_rt);
        assert_false(p->zombie);
        /* One thread did not know its switches: then the process does not. */
        assert_int_equal(p->valid, SAMPLE_EXEC | SAMPLE_SYSTEM | SAMPLE_CPUS | SAMPLE_UID |
                                           SAMPLE_RSS_ANON | SAMPLE_CHILDREN);
        assert_int_equal(p->nvcsw, 0);
}

static void test_fold(_unused_ void **state) {
        const uint32_t all = SAMPLE_EXEC | SAMPLE_SYSTEM | SAMPLE_SWITCHES | SAMPLE_CPUS;
        const uint32_t leader = all | SAMPLE_UID | SAMPLE_RSS_ANON | SAMPLE_CHILDREN;
        _cleanup_(done)
        Sample s = SAMPLE_INIT, t = SAMPLE_INIT;

        add_thread(&s, 30, "other", 9, all);
        add_thread(&s, 10, "", 2, all);
        add_thread(&s, 10, "leader", 1, leader);
        add_thread(&s, 10, "", 3, all & ~(uint32_t)SAMPLE_SWITCHES);
        sample_sort(&s);
        assert_int_equal(s.n_procs, 2);
        check_folded(&s.procs[0]);
        assert_int_equal(s.procs[1].pid, 30);
        assert_int_equal(s.procs[1].exec_ns, 9);
        assert_int_equal(s.procs[1].nvcsw, 2);

        add_thread(&t, 10, "", 3, all & ~(uint32_t)SAMPLE_SWITCHES);
        add_thread(&t, 10, "leader", 1, leader);
        add_thread(&t, 10, "", 2, all);
        add_thread(&t, 30, "other", 9, all);
        sample_sort(&t);
        assert_int_equal(t.n_procs, 2);
        assert_memory_equal(s.procs, t.procs, 2 * sizeof(ProcSample));

        sample_sort(&t);
        assert_memory_equal(s.procs, t.procs, 2 * sizeof(ProcSample));
}

/* One thread does not know its time in the kernel: then the process's is unknown, and 0. */
static void test_fold_unknown(_unused_ void **state) {
        _cleanup_(done)
        Sample s = SAMPLE_INIT;

        add_thread(&s, 10, "leader", 1, SAMPLE_EXEC | SAMPLE_SYSTEM);
        add_thread(&s, 10, "", 2, SAMPLE_EXEC | SAMPLE_RSS_ANON);
        sample_sort(&s);
        assert_int_equal(s.n_procs, 1);
        assert_int_equal(s.procs[0].valid, SAMPLE_EXEC | SAMPLE_RSS_ANON);
        assert_int_equal(s.procs[0].exec_ns, 3);
        assert_int_equal(s.procs[0].system_ns, 0);
        assert_int_equal(s.procs[0].rss_anon_bytes, 1024);
}

static void test_empty(_unused_ void **state) {
        _cleanup_(done)
        Sample s = SAMPLE_INIT;

        sample_sort(&s);
        assert_null(sample_find(&s, 1));
        sample_clear(&s);
        assert_int_equal(s.n_procs, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_grow),
                cmocka_unit_test(test_fold),
                cmocka_unit_test(test_fold_unknown),
                cmocka_unit_test(test_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
