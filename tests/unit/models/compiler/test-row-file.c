/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "models/compiler/row-file.h"

static int read_text(RowFile *r, const char *text, size_t size, const char *const *names, size_t n,
                     Error *e) {
        _cleanup_fclose_
        FILE *f = fmemopen((void *)(uintptr_t)text, size, "r");

        assert_non_null(f);
        return row_file_read(r, f, "rows.csv", names, n, e);
}

static void test_all_columns(void **state) {
        static const char text[] = "a,b,c\n0,1,2\r\n\n4294967295,0,7\n";
        _cleanup_(row_file_done)
        RowFile r = ROW_FILE_INIT;
        static const uint32_t wanted[] = {0, 1, 2, UINT32_MAX, 0, 7};
        Error e = ERROR_INIT;

        assert_int_equal(read_text(&r, text, strlen(text), NULL, 0, &e), 0);
        assert_int_equal(r.n_rows, 2);
        assert_int_equal(r.n_fields, 3);
        assert_string_equal(r.names[2], "c");
        assert_memory_equal(r.rows, wanted, sizeof(wanted));
}

/* By name, in the order asked for; what nobody asked for may be anything. */
static void test_named_columns(void **state) {
        static const char text[] = "label,b,a,note\nbenign,1,2,\nx y,3,4,-1.5";
        static const char *const names[] = {"a", "b"};
        _cleanup_(row_file_done)
        RowFile r = ROW_FILE_INIT;
        static const uint32_t wanted[] = {2, 1, 4, 3};
        Error e = ERROR_INIT;

        assert_int_equal(read_text(&r, text, strlen(text), names, 2, &e), 0);
        assert_int_equal(r.n_rows, 2);
        assert_int_equal(r.n_fields, 2);
        assert_string_equal(r.names[0], "a");
        assert_memory_equal(r.rows, wanted, sizeof(wanted));
}

/* More rows than the first allocation has room for. */
static void test_many_rows(void **state) {
        enum { N = 5000 };
        _cleanup_free_
        char *text = malloc(N * 8 + 8);
        _cleanup_(row_file_done)
        RowFile r = ROW_FILE_INIT;
        size_t used = 0;
        Error e = ERROR_INIT;

        assert_non_null(text);
        used += (size_t)sprintf(text, "a\n");
        for (int i = 0; i < N; i++)
                used += (size_t)sprintf(text + used, "%d\n", i);
        assert_int_equal(read_text(&r, text, used, NULL, 0, &e), 0);
        assert_int_equal(r.n_rows, N);
        for (uint32_t i = 0; i < N; i++)
                assert_int_equal(r.rows[i], i);
}

static void test_refused(void **state) {
        static const char *const names[] = {"a", "z"};
        static const struct {
                const char *text;
                bool named;
                int r;
                const char *says;
        } cases[] = {
                {"a,b\n1,x\n", false, -EINVAL, "rows.csv:2: b 'x' is not a whole number"},
                {"a,b\n1,2\n3,-4\n", false, -EINVAL, "rows.csv:3: b '-4'"},
                {"a\n4294967296\n", false, -EINVAL, "rows.csv:2: a '4294967296'"},
                {"a\n1.5\n", false, -EINVAL, "rows.csv:2: a '1.5'"},
                {"a\n 1\n", false, -EINVAL, "rows.csv:2: a ' 1'"},
                {"a,b\n1,\n", false, -EINVAL, "rows.csv:2: b ''"},
                {"a,b\n1\n", false, -EINVAL, "rows.csv:2: 1 columns, the header has 2"},
                {"a,b\n1,2,3\n", false, -EINVAL, "rows.csv:2: 3 columns, the header has 2"},
                {"a,a\n1,2\n", false, -EINVAL, "rows.csv:1: column 'a' is there twice"},
                {"a,,b\n1,2,3\n", false, -EINVAL, "rows.csv:1: column 2 has no name"},
                {"a,b\n1,2\n", true, -EINVAL, "rows.csv:1: no column 'z'"},
                {"a,b\n", false, -ENODATA, "rows.csv: no rows"},
                {"\n1\n", false, -EINVAL, "rows.csv:1: column 1 has no name"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(row_file_done)
                RowFile r = ROW_FILE_INIT;
                Error e = ERROR_INIT;

                assert_int_equal(read_text(&r, cases[i].text, strlen(cases[i].text),
                                           cases[i].named ? names : NULL, 2, &e),
                                 cases[i].r);
                if (!strstr(e.text, cases[i].says))
                        fail_msg("'%s' does not say '%s'", e.text, cases[i].says);
                assert_null(r.rows);
                assert_null(r.names);
        }
}

static void test_nul_byte(void **state) {
        static const char text[] = "a\n1\0\n";
        RowFile r;
        Error e = ERROR_INIT;

        assert_int_equal(read_text(&r, text, sizeof(text) - 1, NULL, 0, &e), -EINVAL);
        assert_string_equal(e.text, "rows.csv:2: a NUL byte");
}

static void test_no_file(void **state) {
        RowFile r;
        Error e = ERROR_INIT;

        assert_int_equal(row_file_read_path(&r, "/nonexistent/rows.csv", NULL, 0, &e), -ENOENT);
        assert_non_null(strstr(e.text, "/nonexistent/rows.csv: No such file"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_columns), cmocka_unit_test(test_named_columns),
                cmocka_unit_test(test_many_rows),   cmocka_unit_test(test_refused),
                cmocka_unit_test(test_nul_byte),    cmocka_unit_test(test_no_file),
        };

        return cmocka_run_group_tests_name("row-file", tests, NULL, NULL);
}
