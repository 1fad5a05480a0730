/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "util/attrs.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/io.h"
#include "util/macro.h"

typedef struct Tree {
        char path[64];
        int fd;
} Tree;

static int tree_setup(void **state) {
        Tree *t = calloc(1, sizeof(*t));

        if (!t)
                return -1;
        strcpy(t->path, "/tmp/aikmd-io.XXXXXX");
        if (!mkdtemp(t->path))
                return -1;
        t->fd = open(t->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *state = t;
        return t->fd < 0 ? -1 : 0;
}

static int tree_teardown(void **state) {
        Tree *t = *state;
        char command[96];

        close(t->fd);
        snprintf(command, sizeof(command), "rm -rf %s", t->path);
        if (system(command) != 0)
                return -1;
        free(t);
        return 0;
}

static void put(const Tree *t, const char *name, const char *text) {
        assert_int_equal(io_replace_at(t->fd, name, text, strlen(text), 0600), 0);
}

static void test_read(void **state) {
        Tree *t = *state;
        char buffer[6];

        put(t, "five", "12345");
        assert_int_equal(io_read_at(t->fd, "five", buffer, sizeof(buffer)), 5);
        assert_string_equal(buffer, "12345");
        put(t, "six", "123456");
        assert_int_equal(io_read_at(t->fd, "six", buffer, sizeof(buffer)), -EFBIG);
        assert_int_equal(io_read_at(t->fd, "none", buffer, sizeof(buffer)), -ENOENT);
}

static void test_read_all(void **state) {
        Tree *t = *state;
        char big[10000];
        size_t size = 77;

        memset(big, 'x', sizeof(big));
        assert_int_equal(io_replace_at(t->fd, "big", big, sizeof(big), 0600), 0);
        {
                _cleanup_free_
                char *data = NULL;

                assert_int_equal(io_read_all_at(t->fd, "big", sizeof(big), &data, &size), 0);
                assert_int_equal(size, sizeof(big));
                assert_memory_equal(data, big, sizeof(big));
                assert_int_equal(data[size], 0);
        }
        {
                _cleanup_free_
                char *data = NULL;

                size = 77;
                assert_int_equal(io_read_all_at(t->fd, "big", sizeof(big) - 1, &data, &size),
                                 -EFBIG);
                assert_null(data);
                assert_int_equal(size, 77);
                assert_int_equal(io_read_all_at(t->fd, ".", 100, &data, &size), -EISDIR);
        }
        {
                /* Files of /proc have size 0 and more than a page. */
                _cleanup_free_
                char *data = NULL;

                assert_int_equal(
                        io_read_all_at(AT_FDCWD, "/proc/self/smaps", 1 << 24, &data, &size), 0);
                assert_true(size > 4096);
                assert_int_equal(strlen(data), size);
        }
}

static void test_write(void **state) {
        Tree *t = *state;
        char buffer[16];

        put(t, "knob", "old value");
        assert_int_equal(io_write_at(t->fd, "knob", "new"), 0);
        assert_true(io_read_at(t->fd, "knob", buffer, sizeof(buffer)) > 0);
        assert_string_equal(buffer, "new value"); /* as sysfs: neither created nor cut */
        assert_int_equal(io_write_at(t->fd, "missing", "new"), -ENOENT);
}

static void test_replace(void **state) {
        Tree *t = *state;
        char buffer[16];
        struct stat st;

        put(t, "file", "first");
        put(t, "file", "2nd");
        assert_int_equal(io_read_at(t->fd, "file", buffer, sizeof(buffer)), 3);
        assert_int_equal(fstatat(t->fd, "file", &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(io_replace_at(t->fd, "no/such/file", "x", 1, 0600), -ENOENT);
}

static void test_mkdir(void **state) {
        Tree *t = *state;
        char path[128];
        struct stat st;

        snprintf(path, sizeof(path), "%s/a/b/c", t->path);
        assert_int_equal(io_mkdir_p(path, 0700), 0);
        assert_int_equal(io_mkdir_p(path, 0700), 0);
        assert_int_equal(stat(path, &st), 0);
        put(t, "plain", "");
        snprintf(path, sizeof(path), "%s/plain/b", t->path);
        assert_int_equal(io_mkdir_p(path, 0700), -ENOTDIR);
        assert_int_equal(io_mkdir_p("", 0700), -EINVAL);
}

static void test_parse_u64(_unused_ void **state) {
        static const struct {
                const char *text;
                int r;
                uint64_t value;
        } cases[] = {
                {"0", 0, 0},          {"42", 0, 42},       {"100", 0, 100},
                {"101", -ERANGE, 0},  {"", -EINVAL, 0},    {" 1", -EINVAL, 0},
                {"1 ", -EINVAL, 0},   {"+1", -EINVAL, 0},  {"-1", -EINVAL, 0},
                {"0x10", -EINVAL, 0}, {"1e3", -EINVAL, 0}, {"18446744073709551616", -ERANGE, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t v = 7;

                assert_int_equal(parse_u64(cases[i].text, 0, 100, &v), cases[i].r);
                assert_int_equal(v, cases[i].r < 0 ? 7 : cases[i].value);
        }
}

static void test_parse_signed(_unused_ void **state) {
        int64_t v;
        double d;

        assert_int_equal(parse_i64("-20", -20, 19, &v), 0);
        assert_int_equal(v, -20);
        assert_int_equal(parse_i64("-21", -20, 19, &v), -ERANGE);
        assert_int_equal(parse_i64("--1", -20, 19, &v), -EINVAL);
        assert_int_equal(parse_i64("-", -20, 19, &v), -EINVAL);
        assert_int_equal(parse_double("0.25", 0, 1, &d), 0);
        assert_true(d > 0.2499 && d < 0.2501);
        assert_int_equal(parse_double("1.5", 0, 1, &d), -ERANGE);
        assert_int_equal(parse_double("nan", 0, 1, &d), -EINVAL);
        assert_int_equal(parse_double("1e999", 0, 1, &d), -EINVAL);
        assert_int_equal(parse_double("0.5x", 0, 1, &d), -EINVAL);
}

static void test_error(_unused_ void **state) {
        Error e = ERROR_INIT;

        assert_int_equal(error_set(&e, -EINVAL, "%s:%d", "file", 3), -EINVAL);
        assert_int_equal(error_set(&e, -EIO, "later"), -EIO);
        assert_string_equal(e.text, "file:3"); /* the innermost cause stays */
        assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void test_hash(_unused_ void **state) {
        /* The published test vectors of FNV-1a 64. */
        assert_true(fnv1a64(FNV1A64_INIT, "", 0) == UINT64_C(0xcbf29ce484222325));
        assert_true(fnv1a64(FNV1A64_INIT, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
        assert_true(fnv1a64(FNV1A64_INIT, "foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void test_attrs(_unused_ void **state) {
        char text[16384] = "", again[16384] = "", small[8] = "";

        assert_int_equal(attrs_snapshot(getpid(), text, sizeof(text)), 0);
        assert_non_null(strstr(text, "nice="));
        assert_int_equal(attrs_snapshot(getpid(), again, sizeof(again)), 0);
        assert_string_equal(text, again);
        assert_int_equal(attrs_snapshot(getpid(), small, sizeof(small)), -ENOSPC);
        assert_int_equal(attrs_snapshot(INT32_MAX, text, sizeof(text)), -ESRCH);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_read, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(test_read_all, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(test_write, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(test_replace, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(test_mkdir, tree_setup, tree_teardown),
                cmocka_unit_test(test_parse_u64),
                cmocka_unit_test(test_parse_signed),
                cmocka_unit_test(test_error),
                cmocka_unit_test(test_hash),
                cmocka_unit_test(test_attrs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
