/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include <errno.h>

#include "cli/process.h"

static const char text[] =
        "[{\"pid\":10,\"comm\":\"beta\",\"class\":\"batch\",\"cpu\":0.5,\"delay\":0.1,\"io_bytes\":"
        "5,\"rss_bytes\":100,\"treated\":true,\"dormant\":true},"
        "{\"pid\":9,\"comm\":\"Alpha\",\"class\":\"idle\",\"cpu\":0.5,\"delay\":0.3,\"rss_bytes\":"
        "300,\"confidence\":0.4,\"unit\":\"web.service\"},"
        "{\"pid\":300,\"comm\":\"gamma\",\"class\":\"nonsense\",\"cpu\":0.9,\"delay\":0.2,\"io_"
        "bytes\":0,\"rss_bytes\":200},"
        "{\"pid\":8,\"comm\":\"sleeper\",\"class\":\"idle\",\"cpu\":0,\"dormant\":true},"
        "{\"comm\":7}]";

static void assert_order(const char *name, bool reverse, const uint32_t *pids, size_t n) {
        _cleanup_json_ json_object *rows = json_tokener_parse(text);
        _cleanup_(process_list_done)
        ProcessList l = {0};
        const ProcessFilter filter = {.dormant = true};

        assert_non_null(rows);
        assert_int_equal(process_list_init(&l, rows, &filter), 0);
        assert_int_equal(l.n, n);
        process_list_sort(&l, (ProcessKey)process_key_from_string(name), reverse);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(l.processes[i].pid, pids[i]);
}

static void test_sort(void **state) {
        /* The row without a pid counts as 0, what is unknown as less than anything. */
        assert_order("cpu", false, (const uint32_t[]){300, 9, 10, 8, 0}, 5);
        assert_order("cpu", true, (const uint32_t[]){0, 8, 10, 9, 300}, 5);
        assert_order("wait", false, (const uint32_t[]){9, 300, 10, 0, 8}, 5);
        assert_order("io", false, (const uint32_t[]){10, 300, 0, 8, 9}, 5);
        assert_order("memory", false, (const uint32_t[]){9, 300, 10, 0, 8}, 5);
        assert_order("pid", false, (const uint32_t[]){0, 8, 9, 10, 300}, 5);
        assert_order("class", false, (const uint32_t[]){8, 9, 10, 0, 300}, 5);
        assert_order("name", false, (const uint32_t[]){0, 9, 10, 300, 8}, 5);
        assert_order("confidence", false, (const uint32_t[]){9, 0, 8, 10, 300}, 5);
        assert_int_equal(process_key_from_string("colour"), -EINVAL);
}

static size_t count_of(const ProcessFilter *filter, size_t *ret_hidden) {
        _cleanup_json_ json_object *rows = json_tokener_parse(text);
        _cleanup_(process_list_done)
        ProcessList l = {0};

        assert_non_null(rows);
        assert_int_equal(process_list_init(&l, rows, filter), 0);
        *ret_hidden = l.n_hidden;
        return l.n;
}

static void test_filter(void **state) {
        size_t hidden;

        /* A treated process is shown even while it sleeps. */
        assert_int_equal(count_of(&(ProcessFilter){0}, &hidden), 4);
        assert_int_equal(hidden, 1);
        assert_int_equal(count_of(&(ProcessFilter){.dormant = true}, &hidden), 5);
        assert_int_equal(hidden, 0);
        assert_int_equal(count_of(&(ProcessFilter){.treated = true}, &hidden), 1);
        assert_int_equal(count_of(&(ProcessFilter){.load_class = "idle"}, &hidden), 1);
        assert_int_equal(hidden, 1);
        assert_int_equal(count_of(&(ProcessFilter){.name = "ALPH"}, &hidden), 1);
        assert_int_equal(count_of(&(ProcessFilter){.name = "web."}, &hidden), 1);
        assert_int_equal(count_of(&(ProcessFilter){.name = ""}, &hidden), 4);
        assert_int_equal(count_of(&(ProcessFilter){.name = "zzz"}, &hidden), 0);
}

static void test_table(void **state) {
        _cleanup_json_ json_object *rows = json_tokener_parse(text);
        _cleanup_(process_list_done)
        ProcessList l = {0};
        _cleanup_(table_freep)
        Table *all = NULL, *two = NULL;

        assert_int_equal(process_list_init(&l, rows, &(ProcessFilter){.dormant = true}), 0);
        all = process_list_table(&l, 0, /* numeric= */ false, true);
        two = process_list_table(&l, 2, /* numeric= */ true, true);
        assert_non_null(all);
        assert_non_null(two);
        assert_int_equal(table_rows(all), 5);
        assert_int_equal(table_rows(two), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sort),
                cmocka_unit_test(test_filter),
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
