/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include "cli/top/model.h"

static json_object *status(const char *mode) {
        json_object *o = json_object_new_object();

        assert_non_null(o);
        assert_int_equal(json_set(o, "mode", json_object_new_string(mode)), 0);
        assert_int_equal(json_set(o, "version", json_object_new_string("1\n2")), 0);
        return o;
}

static json_object *rows(const char *text) {
        json_object *o = json_tokener_parse(text);

        assert_non_null(o);
        return o;
}

static void test_selection(void **state) {
        _cleanup_(top_model_done)
        TopModel m = TOP_MODEL_INIT;

        assert_null(top_model_selected(&m));
        top_model_move(&m, 3);
        assert_null(top_model_selected(&m));
        assert_int_equal(top_model_take(&m, status("observe"),
                                        rows("[{\"pid\":1,\"cpu\":0.1},{\"pid\":2,\"cpu\":0.2},{"
                                             "\"pid\":3,\"cpu\":0.3}]")),
                         0);
        assert_int_equal(top_model_selected(&m)->pid, 3);
        top_model_move(&m, 1);
        assert_int_equal(top_model_selected(&m)->pid, 2);
        /* It stays on its process when the order changes … */
        top_model_set_key(&m, PROCESS_KEY_PID);
        m.reverse = true;
        assert_int_equal(top_model_update(&m), 0);
        assert_int_equal(top_model_selected(&m)->pid, 2);
        assert_int_equal(m.index, 1);
        /* … and on its place when the process is gone. */
        assert_int_equal(top_model_take(&m, status("observe"), rows("[{\"pid\":1},{\"pid\":3}]")),
                         0);
        assert_int_equal(top_model_selected(&m)->pid, 1);
        top_model_move(&m, -100);
        assert_int_equal(top_model_selected(&m)->pid, 3);
        top_model_move(&m, 100);
        assert_int_equal(top_model_selected(&m)->pid, 1);
        assert_int_equal(top_model_take(&m, status("observe"), rows("[]")), 0);
        assert_null(top_model_selected(&m));
}

static void test_filter(void **state) {
        _cleanup_(top_model_done)
        TopModel m = TOP_MODEL_INIT;

        assert_int_equal(
                top_model_take(
                        &m, status("enforce"),
                        rows("[{\"pid\":1,\"comm\":\"one\",\"treated\":true},{\"pid\":2,\"comm\":"
                             "\"two\"},{\"pid\":3,\"comm\":\"three\",\"dormant\":true}]")),
                0);
        assert_int_equal(m.list.n, 2);
        assert_int_equal(m.list.n_hidden, 1);
        m.all = true;
        snprintf(m.filter, sizeof(m.filter), "t");
        assert_int_equal(top_model_update(&m), 0);
        assert_int_equal(m.list.n, 2);
        m.filter[0] = '\0';
        m.treated = true;
        assert_int_equal(top_model_update(&m), 0);
        assert_int_equal(m.list.n, 1);
        assert_int_equal(top_model_selected(&m)->pid, 1);
}

static void test_modes(void **state) {
        static const char *const next[][2] = {{"observe", "advise"},
                                              {"advise", "enforce"},
                                              {"enforce", "observe"},
                                              {"odd", "observe"}};

        for (size_t i = 0; i < ELEMENTSOF(next); i++) {
                _cleanup_(top_model_done)
                TopModel m = TOP_MODEL_INIT;

                assert_int_equal(top_model_take(&m, status(next[i][0]), rows("[]")), 0);
                assert_string_equal(top_model_next_mode(&m), next[i][1]);
        }
}

static void test_header(void **state) {
        _cleanup_(top_model_done)
        TopModel m = TOP_MODEL_INIT;
        char line[512];

        top_model_header(&m, 0, true, line, sizeof(line));
        assert_string_equal(line, "waiting for the first tick");
        assert_int_equal(top_model_take(&m, status("advise"), rows("[]")), 0);
        top_model_header(&m, 0, true, line, sizeof(line));
        assert_non_null(strstr(line, "mode advise"));
        assert_non_null(strstr(line, "1\\n2")); /* escaped */
        m.reverse = true;
        snprintf(m.filter, sizeof(m.filter), "abc");
        top_model_header(&m, 3, true, line, sizeof(line));
        assert_string_equal(line, "By cpu, reversed, matching abc");
        snprintf(m.error, sizeof(m.error), "gone");
        top_model_header(&m, 3, true, line, sizeof(line));
        assert_string_equal(line, "gone");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_selection),
                cmocka_unit_test(test_filter),
                cmocka_unit_test(test_modes),
                cmocka_unit_test(test_header),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
