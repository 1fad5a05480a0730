/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include "cli/table.h"
#include "cli/text.h"

static const Column columns[] = {
        {"PID", 0, 0, 0, true},    {"USER", 3, 4, 8, false}, {"CLASS", 0, 0, 0, false},
        {"UNIT", 2, 6, 24, false}, {"COMM", 0, 6, 0, false}, {0},
};

static Table *make(void) {
        Table *t = table_new(columns, /* utf8= */ true);

        assert_non_null(t);
        table_add(t, "1234567", STYLE_NONE);
        table_add(t, "administrator", STYLE_NONE);
        table_add(t, "interactive", STYLE_INTERACTIVE);
        table_add(t, "a-very-long-name-of-a-unit-indeed.service", STYLE_NONE);
        table_add(t, "command-with-a-name-that-goes-on-and-on-for-more-than-forty-columns",
                  STYLE_NONE);
        table_addf(t, STYLE_NONE, "%d", 7);
        table_add(t, NULL, STYLE_NONE);
        table_add(t, "io", STYLE_IO);
        table_add(t, "größe", STYLE_NONE);
        table_add(t, "bad\nname", STYLE_NONE);
        assert_int_equal(table_rows(t), 2);
        return t;
}

static char *print(size_t width, bool color) {
        _cleanup_(table_freep)
        Table *t = make();
        Context c = {.width = width, .legend = true, .color = color, .utf8 = true};
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        assert_int_equal(table_print(t, &c, f), 0);
        assert_int_equal(fclose(f), 0);
        return text;
}

static size_t widest(const char *text) {
        size_t most = 0;

        while (*text) {
                const char *end = strchrnul(text, '\n');
                _cleanup_free_
                char *line = strndup(text, (size_t)(end - text));

                assert_non_null(line);
                most = MAX(most, text_width(line));
                text = *end ? end + 1 : end;
        }
        return most;
}

static void test_no_terminal(void **state) {
        _cleanup_free_
        char *text = print(0, false);

        /* Nothing is cut, whatever a column's greatest width is. */
        assert_non_null(strstr(text, " administrator "));
        assert_non_null(strstr(text, "a-very-long-name-of-a-unit-indeed.service"));
        assert_non_null(strstr(text, "more-than-forty-columns\n"));
        assert_null(strstr(text, "…"));
        assert_non_null(strstr(text, "bad\\nname\n"));
        assert_non_null(strstr(text, "      7 -"));
}

static void test_widths(void **state) {
        for (size_t width = 30; width <= 200; width++) {
                _cleanup_free_
                char *text = print(width, false);

                assert_true(widest(text) <= width);
                /* What may not go is there. */
                assert_non_null(strstr(text, "1234567"));
                assert_non_null(strstr(text, "interactive"));
                assert_non_null(strstr(text, "COMM"));
        }
}

static void test_dropping(void **state) {
        _cleanup_free_
        char *narrow = print(30, false), *middle = print(37, false), *wide = print(200, false);

        /* 30 columns hold PID, CLASS and COMM; USER has the greatest number and goes first. */
        assert_null(strstr(narrow, "USER"));
        assert_null(strstr(narrow, "UNIT"));
        assert_null(strstr(middle, "USER"));
        assert_non_null(strstr(middle, "UNIT"));
        assert_non_null(strstr(wide, "USER"));
        /* The greatest width counts on a terminal: 8 and 24 columns. */
        assert_non_null(strstr(wide, "adminis… "));
        assert_non_null(strstr(wide, "a-very-long-name-of-a-u… "));
}

static void test_color(void **state) {
        _cleanup_free_
        char *plain = print(80, false), *color = print(80, true);

        assert_null(strchr(plain, '\033'));
        assert_non_null(strstr(color, "\033[32minteractive\033[0m"));
}

static void test_empty(void **state) {
        _cleanup_(table_freep)
        Table *t = table_new(columns, true);

        assert_non_null(t);
        assert_int_equal(table_layout(t, 1), 0);
        assert_int_equal(table_layout(t, 0), 0);
        assert_int_equal(table_rows(t), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_terminal), cmocka_unit_test(test_widths),
                cmocka_unit_test(test_dropping),    cmocka_unit_test(test_color),
                cmocka_unit_test(test_empty),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
