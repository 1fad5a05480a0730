/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/ledger.h"
#include "tests/unit/folder.h"
#include "util/io.h"
#include "util/macro.h"

#define BOOT "11111111-2222-3333-4444-555555555555"

typedef struct Fixture {
        char path[64];
        int fd;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void)snprintf(f->path, sizeof(f->path), "/tmp/aikm-test-ledger-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->fd >= 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        close(f->fd);
        assert_int_equal(folder_remove(f->path), 0);
        free(f);
        return 0;
}

static Ledger *open_ledger(Fixture *f, LedgerReport *report) {
        Error e = ERROR_INIT;
        Ledger *l = NULL;

        if (ledger_open(f->fd, BOOT "\n", &l, report, &e) < 0)
                fail_msg("%s", e.text);
        return l;
}

static void add_with(Ledger *l, const char *comm, const char *old, const char *why, uint64_t *ret) {
        LedgerEntry e = {
                .pid = 42,
                .tid = 43,
                .start = 4711,
                .actuator = "sched",
                .old_value = (char *)old,
                .new_value = (char *)"new",
                .why = (char *)why,
        };

        memcpy(e.comm, comm, strlen(comm) + 1);
        assert_int_equal(ledger_begin(l, &e, 1), 0);
        assert_true(e.id > 0 && e.action > 0 && e.at > 0 && e.since > 0);
        *ret = e.id;
}

static uint64_t add(Ledger *l, const char *old) {
        uint64_t id;

        add_with(l, "comm", old, "why", &id);
        return id;
}

static off_t file_size(Fixture *f) {
        struct stat st;

        assert_int_equal(fstatat(f->fd, "ledger", &st, 0), 0);
        return st.st_size;
}

static void set_file(Fixture *f, const char *data, size_t size) {
        assert_int_equal(io_replace_at(f->fd, "ledger", data, size, 0600), 0);
}

static void test_survives(void **state) {
        LedgerReport report;
        Ledger *l = open_ledger(*state, &report);
        uint64_t first, second, third;

        assert_false(report.torn || report.other_boot || report.n_damaged);
        first = add(l, "one");
        second = add(l, "two");
        assert_true(second > first);
        assert_int_equal(ledger_end(l, first, LEDGER_FOREIGN), 0);
        assert_int_equal(ledger_end(l, first, LEDGER_RESTORED), -ENOENT);
        assert_int_equal(ledger_end(l, second, LEDGER_ACTIVE), -ENOENT);
        ledger_close(l);

        l = open_ledger(*state, &report);
        assert_int_equal(report.n_damaged, 0);
        assert_int_equal(ledger_count(l, false), 1);
        assert_int_equal(ledger_count(l, true), 2);
        assert_int_equal(ledger_get(l, 0, true)->id, second);
        assert_int_equal(ledger_get(l, 0, true)->pid, 42);
        assert_int_equal(ledger_get(l, 0, true)->tid, 43);
        assert_int_equal(ledger_get(l, 0, true)->start, 4711);
        assert_string_equal(ledger_get(l, 0, true)->old_value, "two");
        assert_null(ledger_get(l, 0, true)->path);
        assert_int_equal(ledger_get(l, 1, true)->state, LEDGER_FOREIGN);
        assert_null(ledger_get(l, 2, true));
        assert_null(ledger_get(l, 1, false));
        third = add(l, "three");
        assert_true(third > second);
        ledger_close(l);
}

static void test_any_bytes(void **state) {
        static const char *const texts[] = {
                "",
                "\"quotes\" and \\ and \n and \t and \x01 and \x7f",
                "\xff\xfe\x80 broken \xc3",
                "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7",
                "\xee\xbe\x80 and \xee\xbf\xbf: what raw bytes become",
                "\xc0\x80 overlong, \xed\xa0\x80 surrogate, \xf4\x90\x80\x80 too far",
                "\xf0\x9f",
                "\\u0041 </script> {\"op\":\"end\"}",
        };
        Ledger *l = open_ledger(*state, NULL);
        uint64_t id;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                add_with(l,
                         i == 2 ? "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                : "\"\\\n",
                         texts[i], texts[i], &id);
        for (int pass = 0; pass < 2; pass++) {
                for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                        assert_string_equal(ledger_get(l, i, false)->old_value, texts[i]);
                        assert_string_equal(ledger_get(l, i, false)->why, texts[i]);
                }
                assert_int_equal(strlen(ledger_get(l, 2, false)->comm), 15);
                assert_string_equal(ledger_get(l, 1, false)->comm, "\"\\\n");
                ledger_close(l);
                l = open_ledger(*state, NULL);
        }
        ledger_close(l);
}

/* A write that was cut anywhere within its line: what came before stands, what comes later is not
 * glued to it. */
static void test_torn_everywhere(void **state) {
        Fixture *f = *state;
        _cleanup_free_
        char *data = NULL;
        Ledger *l = open_ledger(f, NULL);
        size_t size, keep;

        (void)add(l, "one");
        keep = (size_t)file_size(f);
        (void)add(l, "two");
        ledger_close(l);
        assert_int_equal(io_read_all_at(f->fd, "ledger", 1 << 20, &data, &size), 0);
        for (size_t cut = keep; cut < size; cut++) {
                LedgerReport report;

                set_file(f, data, cut);
                l = open_ledger(f, &report);
                assert_int_equal(report.torn, cut > keep);
                assert_int_equal(report.n_damaged, 0);
                assert_int_equal(ledger_count(l, false), 1);
                (void)add(l, "three");
                ledger_close(l);
                l = open_ledger(f, &report);
                assert_false(report.torn || report.n_damaged);
                assert_int_equal(ledger_count(l, false), 2);
                assert_string_equal(ledger_get(l, 1, false)->old_value, "three");
                ledger_close(l);
        }
}

static void test_damage_everywhere(void **state) {
        Fixture *f = *state;
        _cleanup_free_
        char *data = NULL;
        Ledger *l = open_ledger(f, NULL);
        size_t size, from, to;

        (void)add(l, "one");
        from = (size_t)file_size(f);
        (void)add(l, "two");
        to = (size_t)file_size(f);
        (void)add(l, "three");
        ledger_close(l);
        assert_int_equal(io_read_all_at(f->fd, "ledger", 1 << 20, &data, &size), 0);
        for (size_t at = from; at < to - 1; at++) {
                LedgerReport report;
                char was = data[at];

                data[at] ^= 0x11;
                set_file(f, data, size);
                data[at] = was;
                l = open_ledger(f, &report);
                assert_true(report.n_damaged >= 1);
                assert_int_equal(ledger_count(l, false), 2);
                assert_string_equal(ledger_get(l, 0, false)->old_value, "one");
                assert_string_equal(ledger_get(l, 1, false)->old_value, "three");
                ledger_close(l);
        }
}

static void test_garbage(void **state) {
        static const char *const files[] = {
                "\n\n\n",         "hello\n", "0000000000000000 {}\n", "cbf29ce484222325 \n",
                "\x00\x00\x00\n",
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                LedgerReport report;
                Ledger *l;

                set_file(f, files[i], i == 4 ? 4 : strlen(files[i]));
                l = open_ledger(f, &report);
                assert_true(report.n_damaged > 0);
                assert_int_equal(ledger_count(l, true), 0);
                (void)add(l, "one");
                ledger_close(l);
                l = open_ledger(f, &report);
                assert_int_equal(ledger_count(l, false), 1);
                ledger_close(l);
        }
}

static void test_other_boot(void **state) {
        static const char *const boots[] = {"aaaaaaaa-0000", "bbbbbbbb-0000", BOOT};
        Fixture *f = *state;
        LedgerReport report;
        struct stat st;
        Ledger *l;

        for (size_t i = 0; i < ELEMENTSOF(boots); i++) {
                assert_int_equal(ledger_open(f->fd, boots[i], &l, &report, NULL), 0);
                assert_int_equal(report.other_boot, i > 0);
                assert_int_equal(ledger_count(l, true), 0);
                (void)add(l, boots[i]);
                ledger_close(l);
        }
        /* One is kept, the latest. */
        assert_int_equal(fstatat(f->fd, "ledger.bbbbbbbb.old", &st, 0), 0);
        assert_int_equal(fstatat(f->fd, "ledger.aaaaaaaa.old", &st, 0), -1);
        l = open_ledger(f, &report);
        assert_int_equal(ledger_count(l, false), 1);
        assert_string_equal(ledger_get(l, 0, false)->old_value, BOOT);
        ledger_close(l);
}

static void test_two_writers(void **state) {
        Fixture *f = *state;
        Ledger *l = open_ledger(f, NULL), *second = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(ledger_open(f->fd, BOOT, &second, NULL, &e), -EBUSY);
        assert_null(second);
        assert_non_null(strstr(e.text, "another aikmd"));
        ledger_close(l);
        assert_int_equal(ledger_open(f->fd, BOOT, &second, NULL, NULL), 0);
        ledger_close(second);
}

/* RLIMIT_FSIZE cuts a write short as a full disk does: first a part is written, then none. */
static void test_no_space(void **state) {
        Fixture *f = *state;
        struct rlimit before, tight;
        LedgerReport report;
        Ledger *l = open_ledger(f, NULL);
        LedgerEntry more[2] = {
                {.pid = 1, .actuator = "sched", .old_value = (char *)"a", .new_value = (char *)"b"},
                {.pid = 1, .actuator = "sched", .old_value = (char *)"c", .new_value = (char *)"d"},
        };
        uint64_t first = add(l, "one"), later;
        off_t size = file_size(f);

        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        for (off_t room = 0; room < 300; room += 37) {
                int r;

                tight = (struct rlimit){(rlim_t)(size + room), before.rlim_max};
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
                r = ledger_begin(l, more, 2);
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
                assert_true(r < 0);
                assert_int_equal(file_size(f), size);
                assert_int_equal(ledger_count(l, false), 1);
                assert_int_equal(more[0].id, 0);
        }
        later = add(l, "two");
        assert_true(later > first);
        /* The end of an entry counts in memory whether or not it can be written. */
        tight = (struct rlimit){(rlim_t)file_size(f) + 5, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        assert_true(ledger_end(l, first, LEDGER_GONE) < 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(ledger_count(l, false), 1);
        ledger_close(l);
        l = open_ledger(f, &report);
        assert_false(report.torn || report.n_damaged);
        assert_int_equal(ledger_count(l, false), 2);
        ledger_close(l);
}

static void test_refused_entries(void **state) {
        Ledger *l = open_ledger(*state, NULL);
        _cleanup_free_
        char *huge = malloc(100000);
        LedgerEntry e = {
                .pid = 1, .actuator = "sched", .old_value = huge, .new_value = (char *)"b"};

        assert_non_null(huge);
        memset(huge, 'x', 99999);
        huge[99999] = '\0';
        assert_int_equal(ledger_begin(l, &e, 1), -E2BIG);
        e.old_value = NULL;
        assert_int_equal(ledger_begin(l, &e, 1), -EINVAL);
        assert_int_equal(ledger_begin(l, &e, 0), 0);
        assert_int_equal(ledger_count(l, true), 0);
        ledger_close(l);
}

static void test_actions(void **state) {
        Ledger *l = open_ledger(*state, NULL);
        LedgerEntry two[2] = {
                {.pid = 1, .actuator = "sched", .old_value = (char *)"a", .new_value = (char *)"b"},
                {.pid = 1,
                 .actuator = "ioprio",
                 .old_value = (char *)"c",
                 .new_value = (char *)"d"},
        };
        uint64_t action;

        assert_int_equal(ledger_begin(l, two, 2), 0);
        assert_int_equal(two[0].action, two[1].action);
        assert_true(two[1].id > two[0].id);
        action = ledger_new_action(l);
        assert_true(action > two[0].action);
        two[0].action = two[1].action = action;
        assert_int_equal(ledger_begin(l, two, 2), 0);
        ledger_close(l);
        l = open_ledger(*state, NULL);
        assert_int_equal(ledger_get(l, 3, false)->action, action);
        assert_true(ledger_new_action(l) > action);
        ledger_close(l);
}

static void test_compaction(void **state) {
        Fixture *f = *state;
        Ledger *l = open_ledger(f, NULL);
        uint64_t kept = add(l, "kept"), last = 0;
        LedgerReport report;
        off_t largest = 0;

        for (int i = 0; i < 12000; i++) {
                last = add(l, "passing");
                assert_int_equal(ledger_end(l, last, LEDGER_RESTORED), 0);
                largest = MAX(largest, file_size(f));
        }
        assert_true(largest > (1 << 20) - 4096 && largest < (1 << 20) + 4096);
        assert_int_equal(ledger_count(l, true), 1 + 256);
        assert_int_equal(ledger_get(l, 256, true)->id, last);
        assert_int_equal(ledger_get(l, 1, true)->id, last - 255);
        ledger_close(l);
        l = open_ledger(f, &report);
        assert_int_equal(report.n_damaged, 0);
        assert_int_equal(ledger_count(l, false), 1);
        assert_int_equal(ledger_get(l, 0, false)->id, kept);
        assert_true(add(l, "next") > last);
        assert_int_equal(ledger_end(l, last + 1, LEDGER_RESTORED), 0);
        assert_int_equal(ledger_end(l, kept, LEDGER_RESTORED), 0);
        assert_true(file_size(f) < 1024); /* nothing is active: down to the header */
        ledger_close(l);
}

/* Somebody empties the runtime directory: what is written later must still be found. */
static void test_unlinked(void **state) {
        Fixture *f = *state;
        Ledger *l = open_ledger(f, NULL);

        (void)add(l, "one");
        assert_int_equal(unlinkat(f->fd, "ledger", 0), 0);
        (void)add(l, "two");
        ledger_close(l);
        l = open_ledger(f, NULL);
        assert_int_equal(ledger_count(l, false), 2);
        ledger_close(l);
}

/* SIGKILL between any two instructions: a fresh start reads a prefix of what was written. */
static void test_killed_writer(void **state) {
        Fixture *f = *state;

        for (int round = 0; round < 20; round++) {
                LedgerReport report;
                uint64_t previous = 0;
                int status;
                Ledger *l;
                pid_t pid;

                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        l = open_ledger(f, NULL);
                        for (;;) {
                                uint64_t id = add(l, "one");

                                if (id % 3)
                                        (void)ledger_end(l, id, LEDGER_RESTORED);
                        }
                }
                (void)usleep((useconds_t)(2000 + round * 300));
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status));
                l = open_ledger(f, &report);
                assert_int_equal(report.n_damaged, 0);
                for (size_t i = 0; i < ledger_count(l, false); i++) {
                        assert_true(ledger_get(l, i, false)->id > previous);
                        previous = ledger_get(l, i, false)->id;
                }
                while (ledger_count(l, false) > 0)
                        (void)ledger_end(l, ledger_get(l, ledger_count(l, false) - 1, false)->id,
                                         LEDGER_GONE);
                ledger_close(l);
        }
}

static void test_symlink_refused(void **state) {
        Fixture *f = *state;
        Error e = ERROR_INIT;
        Ledger *l = NULL;

        assert_int_equal(symlinkat("/etc/passwd", f->fd, "ledger"), 0);
        assert_int_equal(ledger_open(f->fd, BOOT, &l, NULL, &e), -ELOOP);
        assert_true(e.text[0]);
}

/* io_replace_at() was killed. */
static void test_leftover(void **state) {
        Fixture *f = *state;
        Ledger *l = NULL;
        int fd;

        fd = openat(f->fd, "ledger.4711~", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        fd = openat(f->fd, "other.4711~", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(ledger_open(f->fd, BOOT, &l, NULL, NULL), 0);
        ledger_close(l);
        assert_int_equal(faccessat(f->fd, "ledger.4711~", F_OK, 0), -1);
        assert_int_equal(faccessat(f->fd, "other.4711~", F_OK, 0), 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_survives),        TEST(test_any_bytes),
                TEST(test_torn_everywhere), TEST(test_damage_everywhere),
                TEST(test_garbage),         TEST(test_other_boot),
                TEST(test_two_writers),     TEST(test_no_space),
                TEST(test_refused_entries), TEST(test_actions),
                TEST(test_compaction),      TEST(test_unlinked),
                TEST(test_killed_writer),   TEST(test_symlink_refused),
                TEST(test_leftover),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
