/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "subject.h"

#include <glob.h>
#include <sys/mount.h>

#include "tests/unit/folder.h"

#define BOOT "11111111-2222-3333-4444-555555555555"
#define ELEMENTS(a) (a), ELEMENTSOF(a)

typedef struct Fixture {
        char path[64], cgroup[64];
        int dir_fd, root_fd;
        Ledger *ledger;
        Executor *x;
        Subject subject;
} Fixture;

static const int nices[] = {0, 0, 5, 19, -5};
static const Treatment lower = {
        .set = TREAT_NICE | TREAT_SLICE | TREAT_IOPRIO | TREAT_CPUS,
        .nice = 19,
        .slice_usec = 20000,
        .ioprio_class = 2,
        .ioprio_level = 7,
        .cpus = 1,
};
static const Treatment nice19 = {.set = TREAT_NICE, .nice = 19};

static void fixture_open(Fixture *f) {
        Error e = ERROR_INIT;

        if (ledger_open(f->dir_fd, BOOT, &f->ledger, NULL, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(executor_new(f->root_fd, f->ledger, f->cgroup, &f->x), 0);
}

static void fixture_close(Fixture *f) {
        f->x = executor_free(f->x);
        f->ledger = ledger_close(f->ledger);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void)snprintf(f->path, sizeof(f->path), "/tmp/aikm-test-executor-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        (void)snprintf(f->cgroup, sizeof(f->cgroup), "aikmd-test-%d", getpid());
        f->dir_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        f->root_fd = open("/", O_PATH | O_CLOEXEC);
        fixture_open(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        subject_kill(&f->subject);
        (void)executor_restore(f->x, RESTORE_ALL, 0, NULL);
        fixture_close(f);
        close(f->dir_fd);
        close(f->root_fd);
        assert_int_equal(folder_remove(f->path), 0);
        free(f);
        return 0;
}

static Outcome act(Fixture *f, const Subject *s, Treatment t, uint64_t *ret_action) {
        Decision d = {
                .kind = DECISION_APPLY,
                .pid = s->pid,
                .start = s->start,
                .treatment = t,
                .load_class = CLASS_BATCH,
                .confidence = 0.9f,
                .victim = 1,
                .victim_comm = "victim",
                .victim_delay = 4000,
                .comm = "subject",
        };
        Error e = ERROR_INIT;
        Outcome o = executor_carry_out(f->x, &d, "test", ret_action, &e);

        if (o == OUTCOME_FAILED)
                print_message("%s\n", e.text);
        return o;
}

static bool has(Fixture *f, const Actuator *a) {
        const char *text = "";
        int r = executor_probe_result(f->x, a, &text);

        if (r < 0)
                print_message("skipped: %s: %s\n", a->name, text);
        return r >= 0;
}

static void expect_nice(pid_t pid, int nice) {
        size_t n, k = count_nice(pid, nice, &n);

        assert_int_equal(k, n);
        assert_true(n > 0);
}

static void expect_restore(Fixture *f, size_t restored, size_t foreign, size_t gone) {
        RestoreCount n;

        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, &n), 0);
        assert_int_equal(n.failed, 0);
        assert_int_equal(n.foreign, foreign);
        assert_int_equal(n.gone, gone);
        if (restored != SIZE_MAX)
                assert_int_equal(n.restored, restored);
        assert_int_equal(ledger_count(f->ledger, false), 0);
}

/* Threads that differ come back as they were, one by one, the one that had the value included. */
static void test_every_thread(void **state) {
        _cleanup_free_
        char *before = NULL, *during = NULL, *after = NULL;
        Fixture *f = *state;
        uint64_t action = 0;

        subject_new(&f->subject, ELEMENTS(nices), true);
        before = picture(f->subject.pid);
        assert_int_equal(act(f, &f->subject, lower, &action), OUTCOME_DONE);
        assert_true(action > 0);
        expect_nice(f->subject.pid, 19);
        during = picture(f->subject.pid);
        assert_string_not_equal(before, during);
        for (size_t i = 0; i < ledger_count(f->ledger, false); i++) {
                const LedgerEntry *e = ledger_get(f->ledger, i, false);

                assert_int_equal(e->action, action);
                assert_int_equal(e->pid, f->subject.pid);
                assert_string_equal(e->comm, "subject");
                assert_non_null(strstr(e->why, "victim"));
        }
        assert_int_equal(act(f, &f->subject, lower, &action), OUTCOME_NOTHING);
        assert_int_equal(executor_restore(f->x, RESTORE_PID, 1, NULL), -ENOENT);
        assert_int_equal(executor_restore(f->x, RESTORE_ACTION, 99, NULL), -ENOENT);
        expect_restore(f, SIZE_MAX, 0, 0);
        after = picture(f->subject.pid);
        assert_string_equal(before, after);
        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, NULL), -ENOENT);
}

static void test_release(void **state) {
        _cleanup_free_
        char *before = NULL, *after = NULL;
        Fixture *f = *state;
        Decision d = {.kind = DECISION_RELEASE};

        subject_new(&f->subject, ELEMENTS(nices), true);
        d.pid = f->subject.pid;
        d.start = f->subject.start;
        before = picture(f->subject.pid);
        assert_int_equal(executor_carry_out(f->x, &d, NULL, NULL, NULL), OUTCOME_NOTHING);
        assert_int_equal(act(f, &f->subject, lower, NULL), OUTCOME_DONE);
        assert_int_equal(executor_carry_out(f->x, &d, NULL, NULL, NULL), OUTCOME_DONE);
        after = picture(f->subject.pid);
        assert_string_equal(before, after);
}

/* A stronger treatment on top of a weaker one: both are undone. */
static void test_stacked(void **state) {
        _cleanup_free_
        char *before = NULL, *after = NULL;
        Treatment weaker = {.set = TREAT_NICE, .nice = 10};
        Fixture *f = *state;

        subject_new(&f->subject, ELEMENTS(nices), true);
        before = picture(f->subject.pid);
        assert_int_equal(act(f, &f->subject, weaker, NULL), OUTCOME_DONE);
        assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_DONE);
        (void)subject_ask(&f->subject, 't'); /* inherits 19 */
        expect_nice(f->subject.pid, 19);
        expect_restore(f, SIZE_MAX, 0, 0);
        after = picture(f->subject.pid);
        assert_int_equal(strncmp(before, after, 20), 0);
        {
                size_t n;

                assert_int_equal(count_nice(f->subject.pid, 19, &n), 1);
                assert_int_equal(count_nice(f->subject.pid, 10, &n), 0);
                assert_int_equal(count_nice(f->subject.pid, 0, &n), 4);
        }
}

static void test_foreign(void **state) {
        Fixture *f = *state;

        subject_new(&f->subject, ELEMENTS(nices), true);
        assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_DONE);
        assert_int_equal(setpriority(PRIO_PROCESS, (id_t)f->subject.pid, 7), 0);
        expect_restore(f, SIZE_MAX, 1, 0);
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)f->subject.pid), 7);

        assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_DONE);
        assert_int_equal(setpriority(PRIO_PROCESS, (id_t)f->subject.pid, 8), 0);
        assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_FOREIGN);
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)f->subject.pid), 8);
        expect_restore(f, SIZE_MAX, 0, 0);
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)f->subject.pid), 8);
}

static void test_vanished(void **state) {
        _cleanup_free_
        char *before = NULL, *after = NULL;
        Fixture *f = *state;
        Subject other;

        subject_new(&f->subject, ELEMENTS(nices), true);
        before = picture(f->subject.pid);
        other = f->subject;
        other.start--; /* the number was reused */
        assert_int_equal(act(f, &other, nice19, NULL), OUTCOME_VANISHED);
        after = picture(f->subject.pid);
        assert_string_equal(before, after);
        other = f->subject;
        assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_DONE);
        subject_kill(&f->subject);
        assert_int_equal(act(f, &other, nice19, NULL), OUTCOME_VANISHED);
        executor_sweep(f->x);
        assert_int_equal(ledger_count(f->ledger, false), 0);
        assert_int_equal(ledger_get(f->ledger, 0, true)->state, LEDGER_GONE);
}

/* The number now belongs to another process, which has the very value: hands off. */
static void test_reused_number(void **state) {
        Fixture *f = *state;
        LedgerEntry e = {
                .actuator = "sched",
                .old_value = (char *)"other nice=0 slice=0 reset=0",
                .new_value = (char *)"other nice=19 slice=0 reset=0",
        };
        size_t n;

        subject_new(&f->subject, NULL, 0, true);
        assert_int_equal(setpriority(PRIO_PROCESS, (id_t)f->subject.pid, 19), 0);
        e.pid = e.tid = f->subject.pid;
        e.start = f->subject.start - 1;
        assert_int_equal(ledger_begin(f->ledger, &e, 1), 0);
        expect_restore(f, 0, 0, 1);
        assert_int_equal(count_nice(f->subject.pid, 19, &n), 1);
}

static void test_refused(void **state) {
        Fixture *f = *state;
        Subject self = {.pid = getpid(), .start = start_of(getpid())};

        assert_int_equal(act(f, &self, nice19, NULL), OUTCOME_FAILED);
        assert_int_equal(getpriority(PRIO_PROCESS, 0), 0);
        assert_int_equal(ledger_count(f->ledger, true), 0);
}

/* Without a record nothing is changed. */
static void test_no_record_no_change(void **state) {
        _cleanup_free_
        char *before = NULL, *after = NULL;
        struct rlimit unlimited, tight;
        Fixture *f = *state;
        Outcome o;

        subject_new(&f->subject, ELEMENTS(nices), true);
        before = picture(f->subject.pid);
        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
        tight = (struct rlimit){300, unlimited.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        o = act(f, &f->subject, lower, NULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
        assert_int_equal(o, OUTCOME_FAILED);
        after = picture(f->subject.pid);
        assert_string_equal(before, after);
        assert_int_equal(ledger_count(f->ledger, true), 0);
}

/* Threads make threads all the while: none escapes, and none stays demoted. */
static void test_thread_churn(void **state) {
        Fixture *f = *state;
        size_t n;

        subject_new(&f->subject, NULL, 0, true);
        for (int round = 0; round < 5; round++) {
                (void)subject_ask(&f->subject, 'c');
                (void)usleep(20000);
                assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_DONE);
                (void)usleep(20000);
                assert_int_equal(count_nice(f->subject.pid, 0, &n), 0);
                assert_true(n > 2);
                if (round % 2)
                        (void)subject_ask(&f->subject, 's');
                assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, NULL), 0);
                (void)subject_ask(&f->subject, 's');
                expect_nice(f->subject.pid, 0);
        }
}

/* A child that came before us with the same value is not ours; those that came after are. */
static void test_forks(void **state) {
        Fixture *f = *state;
        pid_t before, after, noted;

        subject_new(&f->subject, NULL, 0, true);
        before = subject_ask(&f->subject, 'f');
        assert_int_equal(setpriority(PRIO_PROCESS, (id_t)before, 19), 0);
        (void)usleep(60000); /* three ticks of the clock that starts are counted in */
        assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_DONE);
        after = subject_ask(&f->subject, 'f');
        noted = subject_ask(&f->subject, 'f');
        assert_true(executor_note_fork(f->x, f->subject.pid, noted, start_of(noted)));
        assert_int_equal(ledger_count(f->ledger, false), 2);
        assert_int_equal(ledger_get(f->ledger, 1, false)->pid, noted);
        assert_int_equal(ledger_get(f->ledger, 1, false)->action,
                         ledger_get(f->ledger, 0, false)->action);
        (void)executor_note_fork(f->x, f->subject.pid, noted, start_of(noted)); /* once is enough */
        assert_false(executor_note_fork(f->x, f->subject.pid, before, start_of(before) - 1));
        assert_int_equal(ledger_count(f->ledger, false), 2);
        expect_nice(after, 19);
        expect_restore(f, 2, 0, 0);
        expect_nice(before, 19);
        expect_nice(after, 0);
        expect_nice(noted, 0);
        for (size_t i = 0; i < 3; i++)
                (void)kill((pid_t[]){before, after, noted}[i], SIGKILL);
}

static void test_adopt_outlives_parent(void **state) {
        Fixture *f = *state;
        Decision d = {.kind = DECISION_ADOPT, .comm = "child"};
        pid_t child;

        subject_new(&f->subject, NULL, 0, true);
        assert_int_equal(act(f, &f->subject, nice19, NULL), OUTCOME_DONE);
        child = d.pid = subject_ask(&f->subject, 'f');
        d.start = start_of(child);
        d.parent = f->subject.pid;
        assert_int_equal(executor_carry_out(f->x, &d, "test", NULL, NULL), OUTCOME_DONE);
        assert_int_equal(executor_carry_out(f->x, &d, "test", NULL, NULL), OUTCOME_DONE);
        assert_int_equal(ledger_count(f->ledger, false), 2);
        assert_int_equal(executor_restore(f->x, RESTORE_PID, (uint64_t)f->subject.pid, NULL), 0);
        expect_nice(f->subject.pid, 0);
        expect_nice(child, 19); /* its own entry holds */
        expect_restore(f, 1, 0, 0);
        expect_nice(child, 0);
        (void)kill(child, SIGKILL);
}

/* One value for a whole session: the last of those who share it puts it back, also for one that has
 * ended. */
static void test_autogroup(void **state) {
        Treatment t = {.set = TREAT_AUTOGROUP, .autogroup_nice = 10};
        _cleanup_free_
        char *before = NULL, *during = NULL, *after = NULL;
        Fixture *f = *state;
        Subject child = {0};

        if (!has(f, &actuator_autogroup))
                skip();
        subject_new(&f->subject, NULL, 0, true);
        child.pid = subject_ask(&f->subject, 'f');
        child.start = start_of(child.pid);
        before = picture(child.pid);
        assert_int_equal(act(f, &f->subject, t, NULL), OUTCOME_DONE);
        assert_int_equal(act(f, &child, t, NULL), OUTCOME_DONE);
        assert_int_equal(act(f, &child, t, NULL), OUTCOME_NOTHING);
        during = picture(child.pid);
        assert_non_null(strstr(during, "nice 10"));
        assert_int_equal(executor_restore(f->x, RESTORE_PID, (uint64_t)child.pid, NULL), 0);
        free(during);
        during = picture(child.pid);
        assert_non_null(strstr(during, "nice 10"));
        /* The process of the last entry moves to another group: its old one is still put back. */
        assert_int_equal(ledger_count(f->ledger, false), 1);
        {
                LedgerEntry e = *ledger_get(f->ledger, 0, false);
                char *old = strdup(e.old_value), *new = strdup(e.new_value);

                e.old_value = old;
                e.new_value = new;
                e.why = NULL;
                e.start--; /* stands for a process that has ended */
                assert_int_equal(ledger_begin(f->ledger, &e, 1), 0);
                assert_int_equal(
                        ledger_end(f->ledger, ledger_get(f->ledger, 0, false)->id, LEDGER_UNDONE),
                        0);
                free(old);
                free(new);
        }
        expect_restore(f, 1, 0, 0);
        after = picture(child.pid);
        assert_string_equal(before, after);
        (void)kill(child.pid, SIGKILL);
}

/* Groups stand directly below the root: a weight counts among siblings alone. */
static bool cgroup_exists(Fixture *f) {
        static const char *const mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup"};
        size_t found = 0;

        for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                glob_t list;
                char pattern[256];

                (void)snprintf(pattern, sizeof(pattern), "%s/%s*", mounts[i], f->cgroup);
                if (glob(pattern, 0, NULL, &list) == 0)
                        found += list.gl_pathc;
                globfree(&list);
        }
        return found > 0;
}

static void test_cgroup(void **state) {
        static const uint32_t weights[] = {5, 0};
        Fixture *f = *state;

        if (!has(f, &actuator_cgroup))
                skip();
        for (size_t i = 0; i < ELEMENTSOF(weights); i++) {
                Treatment t = {.set = TREAT_CPU_WEIGHT, .cpu_weight = weights[i]};
                _cleanup_free_
                char *before = NULL, *during = NULL, *after = NULL;
                char wanted[128];
                pid_t orphan;

                subject_new(&f->subject, ELEMENTS(nices), true);
                before = picture(f->subject.pid);
                assert_int_equal(act(f, &f->subject, t, NULL), OUTCOME_DONE);
                assert_int_equal(act(f, &f->subject, t, NULL), OUTCOME_NOTHING);
                during = picture(f->subject.pid);
                (void)snprintf(wanted, sizeof(wanted), ":/%s-low-%u\n", f->cgroup, weights[i]);
                assert_non_null(strstr(during, wanted));
                assert_true(cgroup_exists(f));
                orphan = subject_ask(&f->subject, 'f');
                /* A new process does it, as aikmd --restore would. */
                fixture_close(f);
                fixture_open(f);
                expect_restore(f, 1, 0, 0);
                after = picture(f->subject.pid);
                assert_string_equal(before, after);
                assert_false(cgroup_exists(f));
                (void)kill(orphan, SIGKILL);
                subject_kill(&f->subject);
        }
}

static void test_cgroup_read_only(void **state) {
        Fixture *f = *state;
        int status;
        pid_t pid;

        if (!has(f, &actuator_cgroup) || access("/sys/fs/cgroup/cpu/cgroup.procs", F_OK) < 0) {
                print_message("skipped: no v1 cpu hierarchy to make read-only\n");
                skip();
        }
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                Executor *x = NULL;
                const char *text;

                if (unshare(CLONE_NEWNS) < 0 ||
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount(NULL, "/sys/fs/cgroup/cpu", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
                          NULL) < 0)
                        _exit(77);
                if (executor_new(open("/", O_PATH | O_CLOEXEC), f->ledger, f->cgroup, &x) < 0)
                        _exit(1);
                status = executor_probe_result(x, &actuator_cgroup, &text) == -EOPNOTSUPP &&
                         strstr(text, "Read-only");
                executor_free(x);
                _exit(status ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77) {
                print_message("skipped: no mount namespace of our own\n");
                skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- knobs, in a fake tree ------------------------------------------------------------------- */

typedef struct Fake {
        char path[128];
        int fd;
} Fake;

static void fake_put(const Fake *k, const char *path, const char *text) {
        char full[512];
        FILE *f;

        (void)snprintf(full, sizeof(full), "%s/%s", k->path, path);
        *strrchr(full, '/') = '\0';
        assert_int_equal(io_mkdir_p(full, 0755), 0);
        full[strlen(full)] = '/';
        if (text[0] == '@') {
                assert_int_equal(symlink(text + 1, full), 0);
                return;
        }
        f = fopen(full, "we");
        assert_non_null(f);
        (void)fputs(text, f);
        (void)fclose(f);
}

static void fake_expect(const Fake *k, const char *path, const char *text) {
        char value[64];

        assert_true(io_read_at(k->fd, path, value, sizeof(value)) >= 0);
        assert_string_equal(value, text);
}

static Outcome tune(Executor *x, DecisionKind kind, const char *name, const char *value, Error *e) {
        Decision d = {.kind = kind};

        (void)snprintf(d.tunable, sizeof(d.tunable), "%s", name);
        (void)snprintf(d.value, sizeof(d.value), "%s", value);
        return executor_carry_out(x, &d, "test", NULL, e);
}

#define AHEAD "block.read_ahead_kb"

static void test_knobs(void **state) {
        static const char *const files[] = {
                "sys/block/sda/queue/read_ahead_kb", "sys/block/sdb/queue/read_ahead_kb",
                "sys/block/sdc/queue/read_ahead_kb", "proc/sys/vm/swappiness",
                "proc/sys/vm/dirty_ratio",
        };
        Fake k = {0};
        Error e = ERROR_INIT;
        Fixture *f = *state;
        Executor *x = NULL;

        (void)snprintf(k.path, sizeof(k.path), "%s/fake-XXXXXX", f->path);
        assert_non_null(mkdtemp(k.path));
        k.fd = open(k.path, O_PATH | O_CLOEXEC);
        fake_put(&k, files[0], "128\n");
        fake_put(&k, files[1], "512\n");
        fake_put(&k, files[3], "60\n");
        fake_put(&k, files[4], "0\n");
        assert_int_equal(executor_new(k.fd, f->ledger, NULL, &x), 0);

        assert_int_equal(tune(x, DECISION_TUNE, AHEAD, "512", NULL), OUTCOME_DONE);
        assert_int_equal(ledger_count(f->ledger, false), 1); /* sdb had it */
        assert_string_equal(ledger_get(f->ledger, 0, false)->path, files[0]);
        assert_int_equal(tune(x, DECISION_TUNE, AHEAD, "512", NULL), OUTCOME_NOTHING);
        fake_expect(&k, files[0], "512\n");
        assert_int_equal(tune(x, DECISION_UNTUNE, AHEAD, "", NULL), OUTCOME_DONE);
        fake_expect(&k, files[0], "128\n");
        assert_int_equal(tune(x, DECISION_UNTUNE, AHEAD, "", NULL), OUTCOME_NOTHING);

        /* The fake files are not cut by a shorter value, so the lengths are equal from here. */
        fake_put(&k, files[0], "1024\n");
        fake_put(&k, files[1], "2048\n");
        /* One device refuses: /proc/self/oom_score_adj takes no 4096. The others go on. */
        fake_put(&k, files[2], "@/proc/self/oom_score_adj");
        assert_int_equal(tune(x, DECISION_TUNE, AHEAD, "4096", &e), OUTCOME_DONE);
        assert_non_null(strstr(e.text, "\"4096\""));
        assert_non_null(strstr(e.text, files[2]));
        assert_int_equal(ledger_count(f->ledger, false), 2);
        fake_put(&k, files[0], "2560\n"); /* somebody else */
        assert_int_equal(tune(x, DECISION_UNTUNE, AHEAD, "", NULL), OUTCOME_DONE);
        fake_expect(&k, files[0], "2560\n");
        assert_int_equal(ledger_count(f->ledger, false), 0);

        assert_int_equal(tune(x, DECISION_TUNE, "vm.swappiness", "10", NULL), OUTCOME_DONE);
        fake_put(&k, files[3], "30\n");
        assert_int_equal(tune(x, DECISION_TUNE, "vm.swappiness", "20", NULL), OUTCOME_FOREIGN);
        fake_expect(&k, files[3], "30\n");

        /* vm.dirty_bytes rules: it would be lost. */
        assert_int_equal(tune(x, DECISION_TUNE, "vm.dirty_ratio", "10", NULL), OUTCOME_INERT);
        fake_expect(&k, files[4], "0\n");
        assert_int_equal(tune(x, DECISION_TUNE, "vm.swappiness", "9999", NULL), OUTCOME_FAILED);
        assert_int_equal(tune(x, DECISION_TUNE, "no.such", "1", NULL), OUTCOME_FAILED);
        assert_int_equal(tune(x, DECISION_TUNE, "cpufreq.scaling_governor", "powersave", NULL),
                         OUTCOME_INERT);
        assert_int_equal(ledger_count(f->ledger, false), 0);

        executor_free(x);
        close(k.fd);
}

/* No disk scheduler looks at priorities in a tree without disks. */
static void test_inert(void **state) {
        char path[128];
        Treatment t = {.set = TREAT_IOPRIO, .ioprio_class = 3};
        _cleanup_close_
        int root = -EBADF;
        Fixture *f = *state;
        Executor *mine = f->x;
        Error e = ERROR_INIT;
        Decision d;

        (void)snprintf(path, sizeof(path), "%s/fake-XXXXXX", f->path);
        assert_non_null(mkdtemp(path));
        root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(symlinkat("/proc", root, "proc"), 0);
        subject_new(&f->subject, NULL, 0, true);
        assert_int_equal(executor_new(root, f->ledger, NULL, &f->x), 0);
        d = (Decision){.kind = DECISION_APPLY,
                       .pid = f->subject.pid,
                       .start = f->subject.start,
                       .treatment = t};
        assert_int_equal(executor_carry_out(f->x, &d, NULL, NULL, &e), OUTCOME_INERT);
        assert_non_null(strstr(e.text, "ioprio"));
        assert_int_equal(ledger_count(f->ledger, true), 0);
        executor_free(f->x);
        f->x = mine;
}

/* --- SIGKILL --------------------------------------------------------------------------------- */

/* Killed at any moment while it applies and puts back, again and again: a fresh start finds all. */
static void kill_rounds(Fixture *f, Treatment t, int rounds) {
        _cleanup_free_
        char *before = NULL;

        subject_new(&f->subject, ELEMENTS(nices), true);
        before = picture(f->subject.pid);
        fixture_close(f);
        for (int round = 0; round < rounds; round++) {
                _cleanup_free_
                char *after = NULL;
                RestoreCount n = {0};
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0) {
                        fixture_open(f);
                        for (;;) {
                                (void)act(f, &f->subject, t, NULL);
                                (void)executor_restore(f->x, RESTORE_ALL, 0, NULL);
                        }
                }
                (void)usleep((useconds_t)(3000 + round * 613 % 7000));
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                fixture_open(f);
                (void)executor_restore(f->x, RESTORE_ALL, 0, &n);
                assert_int_equal(n.failed + n.foreign + n.gone, 0);
                assert_int_equal(ledger_count(f->ledger, false), 0);
                after = picture(f->subject.pid);
                assert_string_equal(before, after);
                assert_false(cgroup_exists(f));
                fixture_close(f);
        }
        fixture_open(f);
}

static void test_killed(void **state) {
        Fixture *f = *state;
        Treatment t = lower;

        if (executor_probe_result(f->x, &actuator_cgroup, NULL) >= 0) {
                t.set |= TREAT_CPU_WEIGHT;
                t.cpu_weight = 5;
        }
        if (executor_probe_result(f->x, &actuator_autogroup, NULL) >= 0) {
                t.set |= TREAT_AUTOGROUP;
                t.autogroup_nice = 12;
        }
        kill_rounds(f, t, 50);
}

/* One knob that one of the threads has at our value already: it must not be taken for an heir. */
static void test_killed_nice(void **state) {
        kill_rounds(*state, nice19, 300);
}

int main(void) {
        int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_every_thread),
                TEST(test_release),
                TEST(test_stacked),
                TEST(test_foreign),
                TEST(test_vanished),
                TEST(test_reused_number),
                TEST(test_refused),
                TEST(test_no_record_no_change),
                TEST(test_thread_churn),
                TEST(test_forks),
                TEST(test_adopt_outlives_parent),
                TEST(test_autogroup),
                TEST(test_cgroup),
                TEST(test_cgroup_read_only),
                TEST(test_knobs),
                TEST(test_inert),
                TEST(test_killed),
                TEST(test_killed_nice),
        };

        if (pidfd < 0) {
                printf("skipped: no pidfd_open(2) here: %s\n", strerror(errno));
                return 77;
        }
        close(pidfd);
        /* What is expected of nice is counted from 0, even where the tests are run under nice(1).
         */
        if (setpriority(PRIO_PROCESS, 0, 0) < 0)
                return 1;

        if (geteuid() != 0) {
                (void)puts("skipped: needs root to put priorities back");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
