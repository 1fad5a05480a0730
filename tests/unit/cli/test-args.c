/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include <errno.h>

#include "cli/args.h"
#include "cli/verbs.h"
#include "util/error.h"

enum { SORT, ALL };
static const Option options[] = {
        [SORT] = {'s', "sort", "KEY", ""}, [ALL] = {'a', "all", NULL, ""}, {0}};
static const Verb verb = {.name = "ps", .args = "[A B]", .options = options, .max_args = 2};

static int parse_with(const Verb *v, bool early, const char *const *words, Context *c, Args *args,
                      Error *e) {
        static char *argv[16];
        int n = 0;

        *e = ERROR_INIT;
        while (words[n]) {
                argv[n] = (char *)words[n];
                n++;
        }
        return args_parse(c, v, early, n, argv, args, e);
}

#define PARSE(...) \
        parse_with(&verb, false, (const char *const[]){"ps", __VA_ARGS__, NULL}, &c, &args, &e)

static void test_options(void **state) {
        Context c = CONTEXT_INIT;
        Args args;
        Error e;

        assert_int_equal(PARSE("x", "--sort=cpu", "-a", "y"), ARGS_GO);
        assert_string_equal(args.value[SORT], "cpu");
        assert_non_null(args.value[ALL]);
        assert_int_equal(args.n_positional, 2);
        assert_string_equal(args.positional[0], "x");
        assert_string_equal(args.positional[1], "y");

        assert_int_equal(PARSE("-aspid"), ARGS_GO);
        assert_string_equal(args.value[SORT], "pid");
        assert_non_null(args.value[ALL]);
        assert_int_equal(PARSE("-s", "io", "--json", "--no-legend"), ARGS_GO);
        assert_string_equal(args.value[SORT], "io");
        assert_null(args.value[ALL]);
        assert_true(c.json);
        assert_false(c.legend);
        assert_int_equal(PARSE("--", "--all", "-"), ARGS_GO);
        assert_null(args.value[ALL]);
        assert_string_equal(args.positional[0], "--all");
        assert_string_equal(args.positional[1], "-");
        assert_int_equal(PARSE("--sort=", "--help"), ARGS_HELP);
        assert_int_equal(PARSE("--version"), ARGS_VERSION);
}

static void test_mistakes(void **state) {
        Context c = CONTEXT_INIT;
        Args args = {0};
        Error e;

        assert_int_equal(PARSE("--srot", "cpu"), -EINVAL);
        assert_non_null(strstr(e.text, "--srot"));
        assert_non_null(strstr(e.text, "did you mean --sort"));
        assert_int_equal(PARSE("--jsno"), -EINVAL);
        assert_non_null(strstr(e.text, "did you mean --json"));
        assert_int_equal(PARSE("-ax"), -EINVAL);
        assert_non_null(strstr(e.text, "-x"));
        assert_int_equal(PARSE("--sort"), -EINVAL);
        assert_non_null(strstr(e.text, "needs KEY"));
        assert_int_equal(PARSE("--all=yes"), -EINVAL);
        assert_non_null(strstr(e.text, "takes no argument"));
        assert_int_equal(PARSE("--json=1"), -EINVAL);
        assert_int_equal(PARSE("1", "2", "three"), -EINVAL);
        assert_non_null(strstr(e.text, "three"));
        /* Nothing is handed out on failure. */
        assert_int_equal(args.n_positional, 0);
}

static void test_stop_early(void **state) {
        const char *const words[] = {"aikmctl", "--json", "ps", "--sort", "cpu", NULL};
        static const Verb any = {.name = "", .args = "", .max_args = SIZE_MAX};
        Context c = CONTEXT_INIT;
        Args args;
        Error e;

        assert_int_equal(parse_with(&any, true, words, &c, &args, &e), ARGS_GO);
        assert_true(c.json);
        assert_int_equal(args.n_positional, 3);
        assert_string_equal(args.positional[0], "ps");
        assert_string_equal(args.positional[1], "--sort");
}

static const char *next_name(const void *table, size_t i) {
        return ((const char *const *)table)[i];
}

static void test_nearest(void **state) {
        static const char *const names[] = {"status", "ps", "top", "explain", NULL};

        assert_string_equal(args_nearest("staus", next_name, names), "status");
        assert_string_equal(args_nearest("expl", next_name, names), "explain");
        assert_string_equal(args_nearest("tpo", next_name, names), "top");
        assert_null(args_nearest("frobnicate", next_name, names));
        assert_null(args_nearest("", next_name, names));
}

/* Every verb's table fits what Args holds, and no letter or name stands for two options. */
static void test_tables(void **state) {
        for (size_t v = 0; verb_table[v]; v++) {
                const Option *o = verb_table[v]->options;

                for (size_t i = 0; o && o[i].name; i++) {
                        assert_true(i < ARGS_OPTIONS_MAX);
                        for (size_t j = 0; j < i; j++) {
                                assert_string_not_equal(o[i].name, o[j].name);
                                assert_true(!o[i].letter || o[i].letter != o[j].letter);
                        }
                        for (const Option *g = args_global_options; g->name; g++) {
                                assert_string_not_equal(o[i].name, g->name);
                                assert_true(!o[i].letter || o[i].letter != g->letter);
                        }
                }
                assert_ptr_equal(verb_find(verb_table[v]->name), verb_table[v]);
        }
        assert_null(verb_find("nosuch"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_options),    cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_stop_early), cmocka_unit_test(test_nearest),
                cmocka_unit_test(test_tables),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
