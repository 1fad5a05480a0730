/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "prelude.h"

#include <errno.h>

#include "cli/args.h"
#include "cli/remote.h"
#include "util/error.h"

static void test_hosts(void **state) {
        static const char *const good[] = {"h",        "h.example.org", "10.0.0.1",
                                           "u@h",      "u.s-e_r+1@h",   "u@domain@h",
                                           "h:1",      "u@h:65535",     "[::1]",
                                           "[::1]:22", "u@[::1]:22",    "[fe80::1%eth0]",
                                           "h/web",    "h:22/web1",     "u@h:22/web.local_1",
                                           "h_x",      "[::1]/web",     "u@[::1]:2/web"};
        static const char *const bad[] = {
                "",      " ",        "h ",   " h",   "-h",      "--host",  "u@-h",     "-u@h",
                "@h",    "u@",       "h:",   "h:0",  "h:-1",    "h:99999", "h:1x",     ":22",
                "[]",    "[-x]",     "[",    "]",    "[::1",    "::1",     "h/",       "h/-x",
                "h/a/b", "/web",     "h;id", "h|id", "h&",      "h`id`",   "$HOME",    "h\\",
                "h'",    "h\"",      "h,x",  "h=x",  "h\tx",    "h\nx",    "h*",       "h?",
                "~h",    "u!@h",     "%h",   "h%x",  "u@h/w@b", "u:p@h",   "u@[::1]x", "h\x01",
                "\xff",  "u@h:22:22"};
        char many[70000];

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                Error e = ERROR_INIT;

                if (remote_check_host(good[i], &e) != 0)
                        print_error("%s: %s\n", good[i], e.text);
                assert_int_equal(remote_check_host(good[i], &e), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Error e = ERROR_INIT;

                if (remote_check_host(bad[i], &e) != -EINVAL)
                        print_error("\"%s\" is taken\n", bad[i]);
                assert_int_equal(remote_check_host(bad[i], &e), -EINVAL);
                assert_non_null(strstr(e.text, "--host"));
        }
        /* A digit too many, however many. */
        memset(many, '1', sizeof(many) - 1);
        memcpy(many, "h:", 2);
        many[sizeof(many) - 1] = '\0';
        assert_int_equal(remote_check_host(many, &(Error){0}), -EINVAL);
}

static void test_machines(void **state) {
        static const char *const good[] = {"web",   ".host",       "root@.host", "u@web",
                                           "root@", "web.local_1", "u.x@web-2"};
        static const char *const bad[] = {"",    "-x",  "u@-x", "-u@x", "@",   "@x",  "a@b@c",
                                          "w b", "w/b", "w:1",  "w;id", "$w",  "w=b", "w,b",
                                          "w%b", "[w]", "w\n",  "~w",   "\xff"};

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_int_equal(remote_check_machine(good[i], &(Error){0}), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(remote_check_machine(bad[i], &(Error){0}), -EINVAL);
}

/* Whose users have names here. */
static void test_foreign(void **state) {
        static const struct {
                const char *host, *machine, *name;
                bool foreign;
        } cases[] = {
                {NULL, NULL, NULL, false},       {"localhost", NULL, "localhost", true},
                {NULL, "web", "web", true},      {NULL, "u@web", "u@web", true},
                {NULL, ".host", ".host", false}, {NULL, "u@.host", "u@.host", false},
                {NULL, "u@", "u@", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Context c = {.host = cases[i].host, .machine = cases[i].machine};

                assert_int_equal(remote_is_foreign(&c), cases[i].foreign);
                if (cases[i].name)
                        assert_string_equal(remote_name(&c), cases[i].name);
                else
                        assert_null(remote_name(&c));
        }
        assert_string_equal(remote_option(&(Context){.host = "h"}), "--host");
        assert_string_equal(remote_option(&(Context){.machine = "m"}), "--machine");
        assert_null(remote_option(&(Context){0}));
}

static void test_arguments(void **state) {
        static const Verb verb = {.name = "mode", .args = "[MODE]", .max_args = 1};
        static char *lines[][4] = {
                {(char *)"mode", (char *)"-jHserver"},
                {(char *)"mode", (char *)"-jH", (char *)"server"},
                {(char *)"mode", (char *)"--host=server", (char *)"-j"},
                {(char *)"mode", (char *)"--host", (char *)"server", (char *)"--json"}};
        static const int n[] = {2, 3, 3, 4};
        char *empty[] = {(char *)"mode", (char *)"--host="};

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                Context c = CONTEXT_INIT;
                Error e = ERROR_INIT;
                Args args;

                assert_int_equal(args_parse(&c, &verb, false, n[i], lines[i], &args, &e), ARGS_GO);
                assert_string_equal(c.host, "server");
                assert_true(c.json);
                assert_int_equal(args.n_positional, 0);
        }
        assert_int_equal(args_parse(&(Context){0}, &verb, false, 2, empty, &(Args){0}, &(Error){0}),
                         -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_machines),
                cmocka_unit_test(test_foreign),
                cmocka_unit_test(test_arguments),
        };

        return cmocka_run_group_tests(tests, use_utf8, NULL);
}
