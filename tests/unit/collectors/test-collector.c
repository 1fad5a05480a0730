/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF iterator on the running kernel, against /proc, by the test's own children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "collectors/collector.h"
#include "util/io.h"

static int root_fd = -EBADF;
static Collector *bpf;
static Collector *proc;

/* A child that did what it has to do and now sleeps; told is what it wrote. */
typedef struct Child {
        pid_t pid;
        uint64_t told;
} Child;

static uint64_t cpu_time(void) {
        struct timespec ts;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void burn(uint64_t ns) {
        for (uint64_t end = cpu_time() + ns; cpu_time() < end;)
                ;
}

static void sleep_for_ever(void) {
        for (;;)
                pause();
}

/* In a child: ends with its parent, also where that ended before. */
static void end_with(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(1);
}

static void tell(int fd) {
        uint64_t used = cpu_time();

        if (write(fd, &used, sizeof(used)) != sizeof(used))
                _exit(1);
}

/* main_function tells by itself, or, where it returns, is told for and sleeps. */
static Child spawn(void (*main_function)(int fd)) {
        pid_t self = getpid();
        Child child = {};
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        child.pid = fork();
        assert_true(child.pid >= 0);
        if (child.pid == 0) {
                end_with(self);
                close(fds[0]);
                main_function(fds[1]);
                tell(fds[1]);
                sleep_for_ever();
        }
        close(fds[1]);
        assert_int_equal(read(fds[0], &child.told, sizeof(child.told)), sizeof(child.told));
        close(fds[0]);
        return child;
}

static void reap(const Child *child) {
        assert_int_equal(kill(child->pid, SIGKILL), 0);
        assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

static char state_of(pid_t pid) {
        char path[64], text[1024];
        const char *p;

        (void)snprintf(path, sizeof(path), "proc/%d/stat", pid);
        if (io_read_at(root_fd, path, text, sizeof(text)) <= 0)
                return '?';
        p = strrchr(text, ')');
        return p ? p[2] : '?';
}

static void wait_for_state(pid_t pid, char state) {
        for (int i = 0; i < 1000 && state_of(pid) != state; i++)
                usleep(1000);
        assert_int_equal(state_of(pid), state);
}

/* A thread that was only just made is on its way to sleep, and its counters move meanwhile. */
static void wait_for_threads(pid_t pid) {
        _cleanup_closedir_ DIR *task = NULL;
        const struct dirent *entry;
        char path[64];

        (void)snprintf(path, sizeof(path), "proc/%d/task", pid);
        assert_int_equal(io_open_dir_at(root_fd, path, &task), 0);
        while ((entry = readdir(task)))
                if (entry->d_name[0] != '.')
                        wait_for_state(atoi(entry->d_name), 'S');
}

/* Both sources' view of a process that sleeps. */
static void look(pid_t pid, ProcSample *ret_bpf, ProcSample *ret_proc) {
        _cleanup_(sample_done)
        Sample a = SAMPLE_INIT, b = SAMPLE_INIT;
        const ProcSample *p, *q;

        assert_int_equal(collector_read(bpf, &a), 0);
        assert_int_equal(collector_read(proc, &b), 0);
        p = sample_find(&a, pid);
        q = sample_find(&b, pid);
        assert_true(p && q);
        *ret_bpf = *p;
        *ret_proc = *q;
}

#define assert_same(field)                                                                  \
        do {                                                                                \
                if (a->field != b->field)                                                   \
                        fail_msg(#field ": iterator %lld, /proc %lld", (long long)a->field, \
                                 (long long)b->field);                                      \
        } while (0)

/* How far three counters of pages may be off, see count_rss() of task.bpf.c. */
static uint64_t memory_slack(void) {
        return 3 * (uint64_t)MAX(32L, 2 * sysconf(_SC_NPROCESSORS_CONF)) *
               (uint64_t)sysconf(_SC_NPROCESSORS_CONF) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Everything that /proc knows of a sleeping process with one thread, to the last digit. */
static void assert_agree(const ProcSample *a, const ProcSample *b) {
        uint64_t slack = memory_slack();

        assert_int_equal(a->valid & b->valid, b->valid);
        assert_string_equal(a->comm, b->comm);
        assert_same(ppid);
        assert_same(sid);
        assert_same(uid);
        assert_same(start);
        assert_same(n_threads);
        assert_same(nice);
        assert_same(sched_policy);
        assert_same(has_rt);
        assert_same(has_tty);
        assert_same(zombie);
        assert_same(kthread);
        assert_same(group_kind);
        assert_same(group_id);
        assert_same(cpus_allowed);
        assert_same(exec_ns);
        assert_same(delay_ns);
        assert_same(timeslices);
        assert_same(nvcsw);
        assert_same(nivcsw);
        assert_same(min_flt);
        assert_same(maj_flt);
        assert_same(rchar);
        assert_same(wchar);
        assert_same(syscr);
        assert_same(syscw);
        assert_same(read_bytes);
        assert_same(write_bytes);
        /* /proc tells it in ticks of 10 ms, user and system time each cut. */
        assert_true(a->child_exec_ns >= b->child_exec_ns &&
                    a->child_exec_ns - b->child_exec_ns < 20 * 1000 * 1000);
        if (b->valid & SAMPLE_CGROUP)
                assert_same(cgroup_id);
        assert_true(a->rss_bytes + slack >= b->rss_bytes && b->rss_bytes + slack >= a->rss_bytes);
        assert_true(a->rss_anon_bytes + slack >= b->rss_anon_bytes &&
                    b->rss_anon_bytes + slack >= a->rss_anon_bytes);
        assert_true(a->rss_anon_bytes <= a->rss_bytes && b->rss_anon_bytes <= b->rss_bytes);
}

/* A child that burns, ends and is waited for; its child did the same. */
static void run_child(uint64_t ns) {
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                if (ns > 30 * 1000 * 1000)
                        run_child(ns / 2);
                burn(ns);
                _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                _exit(1);
}

static void be_special(int fd) {
        struct sched_param none = {};
        cpu_set_t cpus;

        CPU_ZERO(&cpus);
        CPU_SET(0, &cpus);
        if (setsid() < 0 || setpriority(PRIO_PROCESS, 0, 7) < 0 ||
            sched_setscheduler(0, SCHED_BATCH, &none) < 0 ||
            sched_setaffinity(0, sizeof(cpus), &cpus) < 0 || prctl(PR_SET_NAME, "a b) R (1") < 0 ||
            setreuid(4711, 0) < 0)
                _exit(1);
        (void)prctl(PR_SET_DUMPABLE, 1);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        burn(50 * 1000 * 1000);
        run_child(60 * 1000 * 1000);
}

static void test_agree(void **state) {
        Child child = spawn(be_special);
        ProcSample a, b;

        wait_for_state(child.pid, 'S');
        look(child.pid, &a, &b);
        assert_agree(&a, &b);
        assert_string_equal(a.comm, "a b) R (1");
        assert_int_equal(a.ppid, getpid());
        assert_int_equal(a.sid, child.pid);
        assert_int_equal(a.uid, 4711);
        assert_int_equal(a.nice, 7);
        assert_int_equal(a.sched_policy, SCHED_BATCH);
        assert_int_equal(a.cpus_allowed, 1);
        assert_int_equal(a.n_threads, 1);
        assert_true(a.exec_ns >= child.told);
        assert_true(a.rss_bytes > 0);
        assert_true(a.valid & b.valid & SAMPLE_CHILDREN);
        assert_true(a.child_exec_ns >= 90 * 1000 * 1000);
        reap(&child);
}

/* The identity must be the one that /proc gives, for every process of the machine. */
static void test_start(void **state) {
        _cleanup_(sample_done)
        Sample a = SAMPLE_INIT, b = SAMPLE_INIT;
        size_t n = 0;

        assert_int_equal(collector_read(bpf, &a), 0);
        assert_int_equal(collector_read(proc, &b), 0);
        assert_int_equal(a.source, SAMPLE_SOURCE_BPF);
        assert_int_equal(b.source, SAMPLE_SOURCE_PROC);
        assert_int_equal(a.n_cpus, sysconf(_SC_NPROCESSORS_ONLN));
        for (size_t i = 0; i < a.n_procs; i++) {
                const ProcSample *q = sample_find(&b, a.procs[i].pid);

                if (i > 0)
                        assert_true(a.procs[i - 1].pid < a.procs[i].pid);
                if (!q)
                        continue; /* ended in between */
                assert_int_equal(a.procs[i].start, q->start);
                assert_int_equal(a.procs[i].ppid, q->ppid);
                n++;
        }
        assert_true(n > 1);
        assert_non_null(sample_find(&a, getpid()));
}

static void *thread_burn(void *userdata) {
        burn(40 * 1000 * 1000);
        return NULL;
}

static void *thread_sleep(void *userdata) {
        sleep_for_ever();
        return NULL;
}

static void run_threads(int fd) {
        pthread_t thread;

        for (int i = 0; i < 2; i++)
                if (pthread_create(&thread, NULL, thread_burn, NULL) != 0 ||
                    pthread_join(thread, NULL) != 0)
                        _exit(1);
        for (int i = 0; i < 3; i++)
                if (pthread_create(&thread, NULL, thread_sleep, NULL) != 0)
                        _exit(1);
}

/* Two threads burned and ended, three and the leader live. */
static void test_threads(void **state) {
        Child child = spawn(run_threads);
        ProcSample a, b;

        assert_true(child.told >= 80 * 1000 * 1000);
        wait_for_threads(child.pid);
        look(child.pid, &a, &b);
        assert_int_equal(a.n_threads, 4);
        assert_int_equal(b.n_threads, 4);
        assert_true(a.exec_ns >= child.told);
        /* /proc counts what ended in ticks of 10 ms. */
        assert_true(b.exec_ns + 30 * 1000 * 1000 >= a.exec_ns &&
                    a.exec_ns + 30 * 1000 * 1000 >= b.exec_ns);
        assert_true(a.min_flt == b.min_flt && a.rchar == b.rchar);
        assert_true(a.nvcsw >= b.nvcsw && a.nvcsw > 0);
        reap(&child);
}

#define WORK_NS (UINT64_C(200) * 1000 * 1000)

/* Looks at the clock, which is the kernel's work, hardly ever. */
static void compute(void) {
        for (uint64_t end = cpu_time() + WORK_NS; cpu_time() < end;)
                for (volatile unsigned i = 0; i < 1000 * 1000; i++)
                        ;
}

static void work_in_kernel(void) {
        static char zeroes[256 * 1024];
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                _exit(1);
        for (uint64_t end = cpu_time() + WORK_NS; cpu_time() < end;)
                if (read(fd, zeroes, sizeof(zeroes)) != sizeof(zeroes))
                        _exit(1);
        close(fd);
}

static void *thread_in_kernel(void *userdata) {
        work_in_kernel();
        return NULL;
}

static void be_computing(int fd) {
        compute();
}

static void be_in_kernel(int fd) {
        work_in_kernel();
}

static void end_in_kernel(int fd) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, thread_in_kernel, NULL) != 0 ||
            pthread_join(thread, NULL) != 0)
                _exit(1);
}

/* Shares of the CPU time: the iterator has ticks, /proc scales them. What a thread left behind when
 * it ended counts, and once. */
static void test_system(void **state) {
        static const struct {
                void (*work)(int fd);
                double low, high;
        } cases[] = {
                {be_computing, 0, 0.25},
                {be_in_kernel, 0.3, 1.7},
                {end_in_kernel, 0.3, 1.7},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Child child = spawn(cases[i].work);
                ProcSample a, b;

                wait_for_state(child.pid, 'S');
                look(child.pid, &a, &b);
                assert_true(a.valid & b.valid & SAMPLE_SYSTEM);
                for (int k = 0; k < 2; k++) {
                        const ProcSample *p = k == 0 ? &a : &b;
                        double share = (double)p->system_ns / (double)p->exec_ns;

                        if (share < cases[i].low || share > cases[i].high)
                                fail_msg("case %zu, %s: %.3f of the CPU time in the kernel", i,
                                         k == 0 ? "iterator" : "/proc", share);
                }
                reap(&child);
        }
}

#define ANON_BYTES ((size_t)16 << 20)
#define SHARED_BYTES ((size_t)8 << 20)

static void fill_memory(int fd) {
        char *anon = mmap(NULL, ANON_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                          0);
        char *shared = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                            -1, 0);

        if (anon == MAP_FAILED || shared == MAP_FAILED)
                _exit(1);
        memset(anon, 1, ANON_BYTES);
        memset(shared, 1, SHARED_BYTES);
}

/* What is shared is not anonymous, though no file that one can see holds it. */
static void test_memory(void **state) {
        Child child = spawn(fill_memory);
        ProcSample a, b;

        wait_for_state(child.pid, 'S');
        look(child.pid, &a, &b);
        assert_agree(&a, &b);
        assert_true(a.valid & b.valid & SAMPLE_RSS_ANON);
        assert_true(a.rss_anon_bytes + memory_slack() >= ANON_BYTES);
        assert_true(b.rss_anon_bytes + memory_slack() >= ANON_BYTES);
        assert_true(a.rss_bytes + memory_slack() >= a.rss_anon_bytes + SHARED_BYTES);
        assert_true(b.rss_bytes + memory_slack() >= b.rss_anon_bytes + SHARED_BYTES);
        reap(&child);
}

static void *thread_tell(void *userdata) {
        const int *fd = userdata;

        while (state_of(getpid()) != 'Z')
                usleep(1000);
        tell(*fd);
        sleep_for_ever();
        return NULL;
}

static void end_leader(int fd) {
        static int static_fd;
        pthread_t thread;

        static_fd = fd;
        if (pthread_create(&thread, NULL, thread_tell, &static_fd) != 0)
                _exit(1);
        pthread_exit(NULL);
}

static void test_leader_ended(void **state) {
        Child child = spawn(end_leader);
        ProcSample a, b;

        look(child.pid, &a, &b);
        assert_int_equal(a.n_threads, 1);
        assert_int_equal(b.n_threads, 1);
        assert_true(!a.zombie && !b.zombie);
        reap(&child);
}

static void do_nothing(int fd) {
}

static void test_zombie(void **state) {
        Child child = spawn(do_nothing);
        ProcSample a, b;

        assert_int_equal(kill(child.pid, SIGKILL), 0);
        wait_for_state(child.pid, 'Z');
        look(child.pid, &a, &b);
        assert_true(a.zombie && b.zombie);
        assert_int_equal(a.n_threads, 0);
        assert_int_equal(b.n_threads, 0);
        assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
}

#define N_FORKS 20

static void fork_many(int fd) {
        pid_t self = getpid();

        for (int i = 0; i < N_FORKS; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        _exit(1);
                if (pid == 0) {
                        end_with(self);
                        sleep_for_ever();
                }
        }
}

static void test_forker(void **state) {
        _cleanup_(sample_done)
        Sample s = SAMPLE_INIT;
        Child child = spawn(fork_many);
        size_t n = 0;

        assert_int_equal(collector_read(bpf, &s), 0);
        for (size_t i = 0; i < s.n_procs; i++)
                n += s.procs[i].ppid == child.pid;
        assert_int_equal(n, N_FORKS);
        reap(&child);
}

/* Without rights /proc takes over and says why; who insists on BPF gets the error. */
static void test_unprivileged(void **state) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                Collector *c = NULL;
                Error e = ERROR_INIT;
                Sample s = SAMPLE_INIT;

                if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                        _exit(10);
                if (collector_new(root_fd, COLLECTOR_AUTO, &c, &e) < 0)
                        _exit(11);
                if (collector_source(c) != SAMPLE_SOURCE_PROC ||
                    !strstr(collector_reason(c), "CAP_BPF"))
                        _exit(12);
                if (collector_read(c, &s) < 0 || !sample_find(&s, getpid()))
                        _exit(13);
                collector_free(c);
                if (collector_new(root_fd, COLLECTOR_BPF, &c, &e) != -EPERM || !e.text[0])
                        _exit(14);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_start),        cmocka_unit_test(test_agree),
                cmocka_unit_test(test_threads),      cmocka_unit_test(test_leader_ended),
                cmocka_unit_test(test_zombie),       cmocka_unit_test(test_forker),
                cmocka_unit_test(test_unprivileged), cmocka_unit_test(test_system),
                cmocka_unit_test(test_memory),
        };
        Error e = ERROR_INIT;
        int r;

        root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return 1;
        r = geteuid() == 0 ? collector_new(root_fd, COLLECTOR_BPF, &bpf, &e)
                           : error_set(&e, -EPERM, "not root");
        if (r < 0) {
                printf("skipped: %s\n", e.text);
                return 77;
        }
        r = collector_new(root_fd, COLLECTOR_PROC, &proc, &e);
        if (r < 0) {
                printf("%s\n", e.text);
                return 1;
        }
        r = cmocka_run_group_tests(tests, NULL, NULL);
        collector_free(bpf);
        collector_free(proc);
        close(root_fd);
        return r;
}
