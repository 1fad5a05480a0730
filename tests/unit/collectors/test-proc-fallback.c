/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The /proc collector, and ident_read(), against a tree of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "collectors/collector.h"
#include "collectors/ident.h"
#include "tests/unit/folder.h"
#include "util/io.h"

#define STAT(pid, comm, state, flags, nice, threads, policy)                                 \
#pid " (" comm ") " state " 1 " #pid " 9 34816 9 " flags                             \
             " 1500 0 7 0 250 125 14 20 20 " nice " " threads                                \
             " 0 98765 123456 100 184467440737095516 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 " policy \
             " 0 0 0\n"
#define STATUS(uid, mask, switches)                                                     \
        "Name:\tx\nUid:\t" uid "\t0\t0\t0\nRssAnon:\t     132 kB\nCpus_allowed:\t" mask \
        "\n" switches
#define SWITCHES(voluntary, other) \
        "voluntary_ctxt_switches:\t" voluntary "\nnonvoluntary_ctxt_switches:\t" other "\n"
#define IO "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n"

static char root[] = "/tmp/aikm-test-XXXXXX";
static int root_fd = -EBADF;

static void put(const char *path, const char *text) {
        char whole[4096], *slash;
        FILE *f;

        (void)snprintf(whole, sizeof(whole), "%s/%s", root, path);
        slash = strrchr(whole, '/');
        *slash = '\0';
        assert_int_equal(io_mkdir_p(whole, 0755), 0);
        *slash = '/';
        f = fopen(whole, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void put_dir(const char *path) {
        char whole[4096];

        (void)snprintf(whole, sizeof(whole), "%s/%s", root, path);
        assert_int_equal(io_mkdir_p(whole, 0755), 0);
}

static uint64_t inode_of(const char *path) {
        struct stat st;

        assert_int_equal(fstatat(root_fd, path, &st, 0), 0);
        return st.st_ino;
}

static int setup(void **state) {
        memcpy(root + strlen(root) - 6, "XXXXXX", 6);
        if (!mkdtemp(root))
                return -1;
        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root_fd < 0 || mkdirat(root_fd, "proc", 0755) < 0 ? -1 : 0;
}

static int teardown(void **state) {
        closep(&root_fd);
        return folder_remove(root);
}

static void read_tree(Sample *s) {
        _cleanup_(collector_freep)
        Collector *c = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(collector_new(root_fd, COLLECTOR_AUTO, &c, &e), 0);
        assert_int_equal(collector_source(c), SAMPLE_SOURCE_PROC);
        assert_non_null(strstr(collector_reason(c), "AIKM_ROOT"));
        /* Twice: the second look must not depend on the first. */
        assert_int_equal(collector_read(c, s), 0);
        assert_int_equal(collector_read(c, s), 0);
        assert_int_equal(s->source, SAMPLE_SOURCE_PROC);
}

static void test_single(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        const ProcSample *p;

        put("proc/77/stat", STAT(77, "a b) R (x", "S", "4194304", "-5", "1", "3"));
        put("proc/77/schedstat", "5000000001 20 30\n");
        put("proc/77/status", STATUS("1000", "3", SWITCHES("8", "9")));
        put("proc/77/io", IO);
        put("sys/devices/system/cpu/online", "0-6\n");
        put("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
        put("proc/pressure/io", "nonsense\n");
        read_tree(&s);
        assert_int_equal(s.n_cpus, 7);
        assert_int_equal(s.psi[PSI_CPU].valid, 1);
        assert_int_equal(s.psi[PSI_CPU].some_total, 7);
        assert_int_equal(s.psi[PSI_IO].valid, 0);
        assert_int_equal(s.psi[PSI_MEMORY].valid, 0);
        assert_int_equal(s.n_procs, 1);
        p = sample_find(&s, 77);
        assert_non_null(p);
        assert_string_equal(p->comm, "a b) R (x");
        assert_int_equal(p->ppid, 1);
        assert_int_equal(p->sid, 9);
        assert_int_equal(p->uid, 1000);
        assert_int_equal(p->start, 98765);
        assert_int_equal(p->n_threads, 1);
        assert_int_equal(p->nice, -5);
        assert_int_equal(p->sched_policy, 3);
        assert_true(p->has_tty && !p->kthread && !p->zombie && !p->has_rt);
        assert_int_equal(p->exec_ns, 5000000001);
        assert_int_equal(p->delay_ns, 20);
        assert_int_equal(p->timeslices, 30);
        assert_int_equal(p->nvcsw, 8);
        assert_int_equal(p->nivcsw, 9);
        assert_int_equal(p->min_flt, 1500);
        assert_int_equal(p->maj_flt, 7);
        assert_int_equal(p->child_exec_ns, 340 * 1000 * 1000);
        assert_int_equal(p->rchar, 1);
        assert_int_equal(p->syscw, 4);
        assert_int_equal(p->write_bytes, 6);
        assert_int_equal(p->cpus_allowed, 3);
        assert_int_equal(p->system_ns, 1250000000);
        assert_int_equal(p->rss_bytes, 100 * sysconf(_SC_PAGESIZE));
        assert_int_equal(p->rss_anon_bytes, 132 * 1024);
        /* No cgroup file, and what /proc never tells. */
        assert_int_equal(p->valid, SAMPLE_ALL & ~(SAMPLE_GROUP | SAMPLE_CGROUP | SAMPLE_MIGRATIONS |
                                                  SAMPLE_UTIL | SAMPLE_IOWAIT));
}

static void test_unknown(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        const ProcSample *p;

        put("proc/5/stat", STAT(5, "kworker", "I", "2097152", "0", "1", "0"));
        read_tree(&s);
        p = sample_find(&s, 5);
        assert_non_null(p);
        assert_true(p->kthread);
        /* The ticks of stat stand in for schedstat. */
        assert_int_equal(p->exec_ns, 3750000000);
        assert_int_equal(p->delay_ns, 0);
        assert_int_equal(p->system_ns, 1250000000);
        assert_int_equal(p->rss_anon_bytes, 0);
        assert_int_equal(p->valid, SAMPLE_EXEC | SAMPLE_SCHED | SAMPLE_TTY | SAMPLE_FAULTS |
                                           SAMPLE_RSS | SAMPLE_CHILDREN | SAMPLE_SYSTEM);
        assert_int_equal(s.n_cpus, 1);
        assert_int_equal(s.psi[PSI_CPU].valid, 0);
}

/* Of no memory nothing is anonymous; and never more is than there was a moment ago. */
static void test_memory(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        const ProcSample *p;

        put("proc/8/stat", "8 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 12 0 0 20 0 1 0 2 0 0 "
                           "18446744073709551615 "
                           "0 0 0 0 0 0 0 2147483647 0 0 0 0 0 1 0 0 0 0 0\n");
        put("proc/9/stat", STAT(9, "grows", "S", "0", "0", "1", "0"));
        put("proc/9/status", "RssAnon:\t   99999 kB\n");
        read_tree(&s);
        p = sample_find(&s, 8);
        assert_non_null(p);
        assert_true((p->valid & SAMPLE_RSS) && (p->valid & SAMPLE_RSS_ANON));
        assert_int_equal(p->rss_anon_bytes, 0);
        assert_int_equal(p->system_ns, 120 * 1000 * 1000);
        p = sample_find(&s, 9);
        assert_non_null(p);
        assert_true(p->valid & SAMPLE_RSS_ANON);
        assert_int_equal(p->rss_anon_bytes, 100 * sysconf(_SC_PAGESIZE));
}

static void put_threads(void) {
        put("proc/20/stat", STAT(20, "pool", "S", "0", "0", "3", "0"));
        put("proc/20/schedstat", "4000000000 1 1\n");
        put("proc/20/status", STATUS("0", "1", SWITCHES("1", "1")));
        put("proc/20/task/20/stat", STAT(20, "pool", "S", "0", "0", "3", "0"));
        put("proc/20/task/20/schedstat", "4000000000 1 1\n");
        put("proc/20/task/21/stat", STAT(21, "w1", "S", "0", "0", "3", "0"));
        put("proc/20/task/21/schedstat", "20 10 10\n");
        put("proc/20/task/21/status", STATUS("0", "2", SWITCHES("10", "10")));
        put("proc/20/task/22/stat", STAT(22, "w2", "S", "0", "0", "3", "2"));
        put("proc/20/task/22/schedstat", "300 100 100\n");
        put("proc/20/task/22/status", STATUS("0", "8", SWITCHES("100", "100")));
}

static void test_threads(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        const ProcSample *p;

        put_threads();
        /* Ended between readdir and open: only its directory is left to see. */
        put_dir("proc/20/task/23");
        read_tree(&s);
        p = sample_find(&s, 20);
        assert_non_null(p);
        assert_int_equal(s.n_procs, 1);
        assert_int_equal(p->n_threads, 3);
        assert_int_equal(p->exec_ns, 4000000320);
        /* The process's stat has all threads'. */
        assert_int_equal(p->system_ns, 1250000000);
        assert_int_equal(p->delay_ns, 111);
        assert_int_equal(p->timeslices, 111);
        assert_int_equal(p->nvcsw, 111);
        assert_int_equal(p->cpus_allowed, 11);
        assert_true(p->has_rt);
        assert_string_equal(p->comm, "pool");
        assert_true((p->valid & SAMPLE_DELAY) && (p->valid & SAMPLE_SWITCHES));
}

/* What one thread does not tell is unknown for all. */
static void test_threads_unknown(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        const ProcSample *p;

        put_threads();
        put("proc/20/task/22/schedstat", "300 100\n");
        put("proc/20/task/21/status", STATUS("0", "2", ""));
        read_tree(&s);
        p = sample_find(&s, 20);
        assert_non_null(p);
        assert_false(p->valid & (SAMPLE_DELAY | SAMPLE_SWITCHES));
        assert_int_equal(p->delay_ns, 0);
        assert_int_equal(p->nvcsw, 0);
        assert_int_equal(p->exec_ns, 3750000000);
        assert_true(p->valid & SAMPLE_CPUS);
}

static void test_zombies(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        const ProcSample *p;

        put("proc/30/stat", STAT(30, "gone", "Z", "0", "0", "1", "0"));
        put("proc/31/stat", STAT(31, "leaderless", "Z", "0", "0", "4", "0"));
        read_tree(&s);
        p = sample_find(&s, 30);
        assert_true(p && p->zombie && p->n_threads == 0);
        p = sample_find(&s, 31);
        assert_true(p && !p->zombie && p->n_threads == 3);
}

static void test_malformed(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        char large[20000];

        memset(large, '1', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        put("proc/40/stat", "");
        put("proc/41/stat", "41 (cut");
        put("proc/42/stat", STAT(99, "liar", "S", "0", "0", "1", "0"));
        put("proc/43/stat", large);
        put_dir("proc/44");
        put_dir("proc/99999999999999999999");
        put_dir("proc/-5");
        put("proc/0/stat", STAT(0, "zero", "S", "0", "0", "1", "0"));
        put("proc/7x/stat", STAT(7, "x", "S", "0", "0", "1", "0"));
        put("proc/45/stat", STAT(45, "good", "S", "0", "0", "1", "0"));
        put("proc/45/io", large);
        put("proc/45/status", "Uid:\tx\n");
        put("proc/45/cgroup", "0:/\n::\n");
        read_tree(&s);
        assert_int_equal(s.n_procs, 1);
        assert_int_equal(s.procs[0].pid, 45);
        assert_false(s.procs[0].valid & (SAMPLE_UID | SAMPLE_CHARS | SAMPLE_BLOCK | SAMPLE_GROUP));
}

static void put_process(const char *pid, const char *cgroup, const char *autogroup) {
        char path[64], text[512];

        (void)snprintf(path, sizeof(path), "proc/%s/stat", pid);
        (void)snprintf(text, sizeof(text), "%s%s", pid, STAT(, "p", "S", "0", "0", "1", "0"));
        put(path, text);
        (void)snprintf(path, sizeof(path), "proc/%s/cgroup", pid);
        put(path, cgroup);
        (void)snprintf(path, sizeof(path), "proc/%s/autogroup", pid);
        put(path, autogroup);
}

static void assert_group(const Sample *s, pid_t pid, SchedGroupKind kind, uint64_t id) {
        const ProcSample *p = sample_find(s, pid);

        assert_non_null(p);
        assert_true(p->valid & SAMPLE_GROUP);
        assert_int_equal(p->group_kind, kind);
        assert_int_equal(p->group_id, id);
}

static void test_groups_v2(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;

        put("proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        put("proc/sys/kernel/sched_autogroup_enabled", "1\n");
        put("sys/fs/cgroup/a.slice/cpu.weight", "100\n");
        put_dir("sys/fs/cgroup/a.slice/b.service/c");
        put_dir("sys/fs/cgroup/plain");
        put_process("1", "0::/a.slice/b.service/c\n", "/autogroup-4 nice 0\n");
        put_process("2", "0::/plain\n", "/autogroup-17 nice 3\n");
        put_process("3", "0::/\n", "");
        put_process("4", "0::/../outside\n", "/autogroup-17 nice 3\n");
        put_process("5", "0::/vanished\n", "garbage");
        read_tree(&s);
        assert_group(&s, 1, SCHED_GROUP_CGROUP, inode_of("sys/fs/cgroup/a.slice"));
        assert_group(&s, 2, SCHED_GROUP_AUTOGROUP, 17);
        assert_group(&s, 3, SCHED_GROUP_ROOT, 0);
        assert_group(&s, 5, SCHED_GROUP_ROOT, 0);
        assert_int_equal(sample_find(&s, 1)->cgroup_id,
                         inode_of("sys/fs/cgroup/a.slice/b.service/c"));
        assert_int_equal(sample_find(&s, 3)->cgroup_id, inode_of("sys/fs/cgroup"));
        assert_false(sample_find(&s, 4)->valid & (SAMPLE_GROUP | SAMPLE_CGROUP));
        assert_false(sample_find(&s, 5)->valid & SAMPLE_CGROUP);
}

static void test_groups_v1(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;

        put("proc/self/mountinfo", "30 22 0:26 / /cg/unified rw - cgroup2 cgroup2 rw\n"
                                   "31 22 0:28 /box /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
        put("proc/sys/kernel/sched_autogroup_enabled", "0\n");
        put_dir("cg/unified");
        put_dir("cg/cpu/grp");
        put_process("1", "3:cpu,cpuacct:/box/grp\n0::/\n", "/autogroup-4 nice 0\n");
        put_process("2", "3:cpu,cpuacct:/\n0::/\n", "/autogroup-17 nice 3\n");
        put_process("3", "3:cpu,cpuacct:/boxer\n0::/\n", "");
        put_process("4", "3:cpu,cpuacct:/box\n0::/\n", "");
        read_tree(&s);
        assert_group(&s, 1, SCHED_GROUP_CGROUP, inode_of("cg/cpu/grp"));
        assert_group(&s, 2, SCHED_GROUP_ROOT, 0);
        assert_false(sample_find(&s, 3)->valid & SAMPLE_GROUP);
        assert_group(&s, 4, SCHED_GROUP_CGROUP, inode_of("cg/cpu"));
}

static void test_refused(void **state) {
        _cleanup_(collector_freep)
        Collector *c = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(collector_new(root_fd, COLLECTOR_BPF, &c, &e), -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "AIKM_ROOT"));
        assert_null(c);
        assert_int_equal(unlinkat(root_fd, "proc", AT_REMOVEDIR), 0);
        e = ERROR_INIT;
        assert_int_equal(collector_new(root_fd, COLLECTOR_AUTO, &c, &e), -ENOENT);
        assert_non_null(strstr(e.text, "/proc"));
}

static void test_ident(void **state) {
        char long_target[400];
        Ident ident;

        put("proc/9/cgroup", "0::/system.slice/a.service\n");
        assert_int_equal(symlinkat("/usr/bin/a b (deleted)", root_fd, "proc/9/exe"), 0);
        assert_int_equal(ident_read(root_fd, NULL, NULL, 9, &ident), 0);
        assert_string_equal(ident.exe, "/usr/bin/a b");
        assert_string_equal(ident.cgroup, "/system.slice/a.service");
        assert_string_equal(ident.unit, "a.service");

        memset(long_target, 'x', sizeof(long_target) - 1);
        long_target[sizeof(long_target) - 1] = '\0';
        put_dir("proc/10");
        assert_int_equal(symlinkat(long_target, root_fd, "proc/10/exe"), 0);
        assert_int_equal(ident_read(root_fd, NULL, NULL, 10, &ident), 0);
        assert_string_equal(ident.exe, "");
        assert_string_equal(ident.cgroup, "");
        assert_string_equal(ident.unit, "");

        ident.exe[0] = '!';
        assert_int_equal(ident_read(root_fd, NULL, NULL, 11, &ident), -ESRCH);
        assert_int_equal(ident.exe[0], '!');
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_single, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
                cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
                cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
                cmocka_unit_test_setup_teardown(test_threads_unknown, setup, teardown),
                cmocka_unit_test_setup_teardown(test_zombies, setup, teardown),
                cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_groups_v2, setup, teardown),
                cmocka_unit_test_setup_teardown(test_groups_v1, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ident, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
