/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/priors-file.h"
#include "tests/unit/folder.h"
#include "util/io.h"

#define DAY ((int64_t)86400 * (int64_t)USEC_PER_SEC)
#define REAL ((usec_t)20000 * 86400 * USEC_PER_SEC)

static char folder[64];
static int fd = -EBADF;
static PriorTable table;

static int setup(void **state) {
        const Prediction p = {.probability = {[CLASS_BATCH] = 1}};

        snprintf(folder, sizeof(folder), "/tmp/aikm-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        table = (PriorTable){
                .limits = {.enabled = true, .max = 1024, .half_life = 14 * (usec_t)DAY}};
        for (int i = 0; i < 20; i++) {
                Ident ident = {};

                snprintf(ident.exe, sizeof(ident.exe), "/bin/%d", i);
                prior_learn(&table, &ident, "x", &p, 0, PRIOR_LESSON, i * DAY);
        }
        assert_int_equal(priors_file_save(fd, &table, 30 * DAY, REAL), 0);
        return 0;
}

static int teardown(void **state) {
        prior_table_done(&table);
        close(fd);
        folder_remove(folder);
        return 0;
}

static int load(int64_t at, usec_t realtime, PriorTable *ret) {
        _cleanup_free_
        PriorEntry *entries = NULL;
        Error e = ERROR_INIT;
        size_t n = 0;
        int r;

        r = priors_file_load(fd, at, realtime, &entries, &n, &e);
        if (r < 0)
                assert_true(e.text[0]);
        if (r <= 0)
                return r;
        *ret = (PriorTable){.limits = table.limits};
        r = prior_table_load(ret, entries, n);
        return r < 0 ? r : 1;
}

/* After a boot: the clock begins at 0, and four days have passed. */
static void test_round_trip(void **state) {
        PriorTable t = {};
        struct stat st;

        assert_int_equal(load(100, REAL + 4 * (usec_t)DAY, &t), 1);
        assert_int_equal(t.n, 20);
        for (size_t i = 0; i < t.n; i++) {
                assert_string_equal(t.entries[i]->exe, table.entries[i]->exe);
                assert_int_equal(t.entries[i]->seen, 100 + table.entries[i]->seen - 34 * DAY);
                assert_memory_equal(t.entries[i]->mass, table.entries[i]->mass,
                                    sizeof(t.entries[i]->mass));
        }
        prior_table_done(&t);
        /* A clock that was set back */
        assert_int_equal(load(100, REAL - 1000 * (usec_t)DAY, &t), 1);
        assert_int_equal(t.entries[0]->seen, 100 + table.entries[0]->seen - 30 * DAY);
        prior_table_done(&t);
        assert_int_equal(load(100, UINT64_MAX, &t), 1);
        prior_table_done(&t);

        assert_int_equal(fstatat(fd, PRIORS_FILE, &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(unlinkat(fd, PRIORS_FILE, 0), 0);
        assert_int_equal(load(100, REAL, &t), 0);
}

static void test_empty(void **state) {
        PriorTable none = {.limits = table.limits}, t = {};

        assert_int_equal(priors_file_save(fd, &none, 0, REAL), 0);
        assert_int_equal(load(0, REAL, &t), 1);
        assert_int_equal(t.n, 0);
        prior_table_done(&t);
}

static void put(const char *data, size_t size) {
        _cleanup_close_
        int file = openat(fd, PRIORS_FILE, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);

        assert_true(file >= 0);
        assert_int_equal(write(file, data, size), size);
}

/* Cut or changed anywhere it is refused. */
static void test_damaged(void **state) {
        _cleanup_free_
        char *data = NULL, *copy = NULL;
        PriorTable t = {};
        size_t size = 0;

        assert_int_equal(io_read_all_at(fd, PRIORS_FILE, 1 << 20, &data, &size), 0);
        copy = malloc(size + 1);
        assert_non_null(copy);
        for (size_t n = 0; n < size; n += n < 64 ? 1 : 97) {
                put(data, n);
                assert_in_set(load(0, REAL, &t),
                              ((uintmax_t[]){(uintmax_t)-EBADMSG, (uintmax_t)-EPROTO}), 2);
        }
        for (size_t n = 0; n < size; n += n < 64 ? 1 : 97) {
                /* When it was written may be any time. */
                if (n >= 24 && n < 32)
                        continue;
                memcpy(copy, data, size);
                copy[n] = (char)(copy[n] ^ 0x41);
                put(copy, size);
                assert_true(load(0, REAL, &t) < 0);
        }
        memcpy(copy, data, size);
        copy[size] = '\0';
        put(copy, size + 1);
        assert_int_equal(load(0, REAL, &t), -EBADMSG);
        put("AIKMREC1 of another kind", 24);
        assert_int_equal(load(0, REAL, &t), -EPROTO);
        put("", 0);
        assert_int_equal(load(0, REAL, &t), -EPROTO);
}

static void test_huge(void **state) {
        PriorTable t = {};
        _cleanup_close_
        int file = openat(fd, PRIORS_FILE, O_WRONLY | O_CLOEXEC);

        assert_int_equal(ftruncate(file, (off_t)1 << 40), 0);
        assert_int_equal(load(0, REAL, &t), -EFBIG);
        assert_int_equal(unlinkat(fd, PRIORS_FILE, 0), 0);
        assert_int_equal(mkdirat(fd, PRIORS_FILE, 0700), 0);
        assert_int_equal(load(0, REAL, &t), -EISDIR);
        assert_true(priors_file_save(fd, &table, 0, REAL) < 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {T(test_round_trip), T(test_empty), T(test_damaged),
                                           T(test_huge)};
#undef T

        return cmocka_run_group_tests(tests, NULL, NULL);
}
