/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The cgroup actuator on a real v2 hierarchy, on a child that is put into its root. It refuses
 * where systemd manages the tree; on a machine made for tests that is got round by
 *     unshare -m sh -c 'mount -t tmpfs none /run/systemd && exec test-cgroup-v2'
 */

#include "subject.h"

#include <mntent.h>
#include <sys/mount.h>

#define BOOT "11111111-2222-3333-4444-555555555555"

typedef struct Fixture {
        char path[64], cgroup[64], home[256], control[256];
        int dir_fd, root_fd;
        Ledger *ledger;
        Executor *x;
        Subject subject;
} Fixture;

static char mount_point[128];
static const Treatment low5 = {.set = TREAT_CPU_WEIGHT, .cpu_weight = 5};

/* --- what the kernel says -------------------------------------------------------------------- */

static const char *group_path(const char *group, const char *file) {
        static char path[512];

        (void)snprintf(path, sizeof(path), "%s%s/%s", mount_point, group, file);
        return path;
}

static void read_group(const char *group, const char *file, char text[256]) {
        assert_true(io_read_at(AT_FDCWD, group_path(group, file), text, 256) >= 0);
        text[strcspn(text, "\n")] = '\0';
}

static void expect_file(const Fixture *f, const char *group, const char *file, const char *value) {
        char full[128], text[256];

        (void)snprintf(full, sizeof(full), "/%s-%s", f->cgroup, group);
        read_group(full, file, text);
        assert_string_equal(text, value);
}

static void member_of(pid_t pid, char ret[256]) {
        char path[64], text[4096], *line;

        (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
        assert_true(io_read_at(AT_FDCWD, path, text, sizeof(text)) > 0);
        line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        assert_non_null(line);
        line += strspn(line, "\n") + 3;
        (void)snprintf(ret, 256, "%.*s", (int)strcspn(line, "\n"), line);
}

static void expect_member(const Fixture *f, pid_t pid, const char *group) {
        char expected[256], text[256];

        (void)snprintf(expected, sizeof(expected), "/%s-%s", f->cgroup, group);
        member_of(pid, text);
        assert_string_equal(text, expected);
}

static void move(pid_t pid, const char *group) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%d", pid);
        assert_int_equal(io_write_at(AT_FDCWD, group_path(group, "cgroup.procs"), text), 0);
}

static void expect_as_before(const Fixture *f) {
        char text[256], group[128];

        member_of(f->subject.pid, text);
        assert_string_equal(text, "/");
        (void)snprintf(group, sizeof(group), "/%s", f->cgroup);
        assert_int_equal(access(group_path(group, ""), F_OK), -1);
        (void)snprintf(group, sizeof(group), "/%s-low-5", f->cgroup);
        assert_int_equal(access(group_path(group, ""), F_OK), -1);
        read_group("", "cgroup.subtree_control", text);
        assert_string_equal(text, f->control);
}

/* --- a ledger, an executor and a child in the root ------------------------------------------- */

static int fixture_open(Fixture *f) {
        int r = ledger_open(f->dir_fd, BOOT, &f->ledger, NULL, NULL);

        return r < 0 ? r : executor_new(f->root_fd, f->ledger, f->cgroup, &f->x);
}

static void fixture_close(Fixture *f) {
        f->x = executor_free(f->x);
        f->ledger = ledger_close(f->ledger);
}

static int setup(void **state) {
        static const int nices[] = {0, 0};
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void)snprintf(f->path, sizeof(f->path), "/tmp/aikm-test-cgroup-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        (void)snprintf(f->cgroup, sizeof(f->cgroup), "aikmd-test-%d", getpid());
        f->dir_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        f->root_fd = open("/", O_PATH | O_CLOEXEC);
        assert_int_equal(fixture_open(f), 0);
        subject_new(&f->subject, nices, ELEMENTSOF(nices), true);
        member_of(f->subject.pid, f->home);
        move(f->subject.pid, "");
        read_group("", "cgroup.subtree_control", f->control);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        if (!f->x)
                assert_int_equal(fixture_open(f), 0);
        (void)executor_restore(f->x, RESTORE_ALL, 0, NULL);
        fixture_close(f);
        move(f->subject.pid, f->home);
        subject_kill(&f->subject);
        (void)unlinkat(f->dir_fd, "ledger", 0);
        (void)unlinkat(f->dir_fd, "ledger.lock", 0);
        close(f->dir_fd);
        close(f->root_fd);
        assert_int_equal(rmdir(f->path), 0);
        free(f);
        return 0;
}

static Outcome act(Fixture *f, const Subject *s, Treatment t, Error *e) {
        Decision d = {
                .kind = DECISION_APPLY,
                .pid = s->pid,
                .start = s->start,
                .treatment = t,
                .load_class = CLASS_BATCH,
                .comm = "subject",
        };
        uint64_t action;
        Outcome o = executor_carry_out(f->x, &d, "test", &action, e);

        if (o == OUTCOME_FAILED && e->text[0])
                print_message("%s\n", e->text);
        return o;
}

static void expect_act(Fixture *f, const Subject *s, Treatment t) {
        Error e = ERROR_INIT;

        assert_int_equal(act(f, s, t, &e), OUTCOME_DONE);
}

static void expect_restore(Fixture *f, size_t restored, size_t foreign) {
        RestoreCount n;

        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, &n), 0);
        assert_int_equal(n.restored, restored);
        assert_int_equal(n.foreign, foreign);
        assert_int_equal(n.failed + n.gone, 0);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_weight(void **state) {
        Fixture *f = *state;
        char text[256];

        expect_act(f, &f->subject, low5);
        expect_member(f, f->subject.pid, "low-5");
        expect_file(f, "low-5", "cpu.weight", "5");
        expect_restore(f, 1, 0);
        expect_as_before(f);
        /* Once more: nothing of the first time may be in the way. */
        expect_act(f, &f->subject, low5);
        expect_file(f, "low-5", "cpu.weight", "5");
        expect_restore(f, 1, 0);
        expect_as_before(f);
        move(f->subject.pid, f->home);
        member_of(f->subject.pid, text);
        assert_string_equal(text, f->home);
}

static void test_idle(void **state) {
        Fixture *f = *state;

        expect_act(f, &f->subject, (Treatment){.set = TREAT_CPU_WEIGHT, .cpu_weight = 0});
        expect_member(f, f->subject.pid, "low-0");
        expect_file(f, "low-0", "cpu.idle", "1");
        expect_restore(f, 1, 0);
        expect_as_before(f);
}

/* A second group needs a controller that the first did not. Both go back off. */
static void test_io_weight(void **state) {
        Treatment both = {
                .set = TREAT_CPU_WEIGHT | TREAT_IO_WEIGHT, .cpu_weight = 5, .io_weight = 10};
        Fixture *f = *state;
        const char *text = "";
        char value[256], group[128];
        Subject other;

        assert_int_equal(executor_probe_result(f->x, &actuator_cgroup, &text), 0);
        if (strchr(text, ';')) {
                expect_act(f, &f->subject, both);
                expect_member(f, f->subject.pid, "low-5");
                expect_restore(f, 1, 0);
                expect_as_before(f);
                print_message("skipped: %s\n", text);
                return;
        }
        subject_new(&other, NULL, 0, true);
        move(other.pid, "");
        expect_act(f, &other, low5);
        expect_act(f, &f->subject, both);
        expect_member(f, other.pid, "low-5");
        expect_member(f, f->subject.pid, "low-5-10");
        expect_file(f, "low-5-10", "cpu.weight", "5");
        (void)snprintf(group, sizeof(group), "/%s-low-5-10", f->cgroup);
        read_group(group, "io.bfq.weight", value);
        assert_string_equal(strrchr(value, ' ') ? strrchr(value, ' ') + 1 : value, "10");
        expect_restore(f, 2, 0);
        expect_as_before(f);
        subject_kill(&other);
}

static void test_descendant(void **state) {
        Fixture *f = *state;
        char text[256];
        pid_t child;

        expect_act(f, &f->subject, low5);
        child = subject_ask(&f->subject, 'f');
        expect_member(f, child, "low-5");
        expect_restore(f, 1, 0);
        member_of(child, text);
        assert_string_equal(text, "/");
        expect_as_before(f);
}

static void test_foreign(void **state) {
        Fixture *f = *state;
        char other[128], text[256];

        (void)snprintf(other, sizeof(other), "/%s-other", f->cgroup);
        assert_int_equal(mkdir(group_path(other, ""), 0755), 0);
        expect_act(f, &f->subject, low5);
        move(f->subject.pid, other);
        expect_restore(f, 0, 1);
        member_of(f->subject.pid, text);
        assert_string_equal(text, other);
        move(f->subject.pid, "");
        assert_int_equal(rmdir(group_path(other, "")), 0);
        expect_as_before(f);
}

/* Killed with the group in use: the next process puts everything back. */
static void test_killed(void **state) {
        Fixture *f = *state;
        int status;
        pid_t pid;

        fixture_close(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                Error e = ERROR_INIT;

                if (fixture_open(f) >= 0 && act(f, &f->subject, low5, &e) == OUTCOME_DONE)
                        (void)kill(getpid(), SIGKILL);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        expect_member(f, f->subject.pid, "low-5");
        assert_int_equal(fixture_open(f), 0);
        expect_restore(f, 1, 0);
        expect_as_before(f);
}

/* Killed right after the folder was made: what is switched on later is noted all the same. */
static void test_folder_left(void **state) {
        Fixture *f = *state;
        char group[128];

        (void)snprintf(group, sizeof(group), "/%s", f->cgroup);
        assert_int_equal(mkdir(group_path(group, ""), 0755), 0);
        expect_act(f, &f->subject, low5);
        expect_restore(f, 1, 0);
        expect_as_before(f);
}

/* Returns the number of the first step that went wrong. */
static int act_read_only(Fixture *f) {
        Error e = ERROR_INIT;
        const char *text = "";

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 1;
        /* The old one is a path to the old mounts. */
        close(f->root_fd);
        f->root_fd = open("/", O_PATH | O_CLOEXEC);
        if (fixture_open(f) < 0 ||
            mount(NULL, mount_point, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
                return 1;
        /* It was writable when it was probed. */
        if (act(f, &f->subject, low5, &e) != OUTCOME_FAILED || !strstr(e.text, strerror(EROFS)) ||
            ledger_count(f->ledger, false) != 0)
                return 2;
        fixture_close(f);
        if (fixture_open(f) < 0)
                return 3;
        if (executor_probe_result(f->x, &actuator_cgroup, &text) != -EOPNOTSUPP ||
            !strstr(text, strerror(EROFS)))
                return 4;
        e = ERROR_INIT;
        if (act(f, &f->subject, low5, &e) != OUTCOME_INERT || !strstr(e.text, strerror(EROFS)))
                return 5;
        return 0;
}

static void test_read_only(void **state) {
        Fixture *f = *state;
        int status;
        pid_t pid;

        fixture_close(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(act_read_only(f));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        expect_as_before(f);
}

/* --- where it can run ------------------------------------------------------------------------ */

static bool find_mount(void) {
        FILE *mounts = setmntent("/proc/self/mounts", "re");
        struct mntent *m;
        bool found = false;

        while (mounts && !found && (m = getmntent(mounts))) {
                found = streq(m->mnt_type, "cgroup2");
                if (found)
                        (void)snprintf(mount_point, sizeof(mount_point), "%s", m->mnt_dir);
        }
        if (mounts)
                (void)endmntent(mounts);
        return found;
}

static int usable(void) {
        ActuatorContext c = {.root_fd = open("/", O_PATH | O_CLOEXEC), .cgroup_name = "aikmd-test"};
        Error e = ERROR_INIT;
        int r = actuator_cgroup.probe(&c, &e);

        close(c.root_fd);
        free(c.cgroup);
        if (r >= 0 && (strncmp(e.text, "cgroup v2", 9) != 0 || !find_mount())) {
                (void)puts("skipped: the cpu controller is not with cgroup v2");
                return 0;
        }
        if (r < 0)
                (void)printf("skipped: %s\n", e.text);
        return r >= 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_weight),      TEST(test_idle),      TEST(test_io_weight),
                TEST(test_descendant),  TEST(test_foreign),   TEST(test_killed),
                TEST(test_folder_left), TEST(test_read_only),
        };

        if (geteuid() != 0) {
                (void)puts("skipped: needs root to move processes between groups");
                return 77;
        }
        if (!usable())
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
