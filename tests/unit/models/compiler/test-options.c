/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <getopt.h>
#include <math.h>

#include "models/compiler/options.h"

/* line: words with one blank between them. */
static int parse(const char *line, CommandOptions *ret, Error *e) {
        static char words[512];
        char *argv[32] = {(char *)(uintptr_t) "aikm-compile"}, *save = NULL;
        int argc = 1;

        snprintf(words, sizeof(words), "%s", line);
        for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
                argv[argc++] = w;
        optind = 0; /* getopt(3): begin anew */
        return command_options_parse(argc, argv, ret, e);
}

static void test_compile(void **state) {
        CommandOptions o;
        Error e = ERROR_INIT;

        assert_int_equal(parse("m.onnx -o out", &o, &e), 0);
        assert_int_equal(o.verb, COMPILE_VERB_COMPILE);
        assert_string_equal(o.model, "m.onnx");
        assert_string_equal(o.output, "out");
        assert_int_equal(o.precision, -1);
        assert_int_equal(o.target, TARGET_FUNC);
        assert_false(o.has_target || o.force || o.json || o.values || o.no_kernel);
        assert_true(isnan(o.threshold) && isnan(o.agreement_min));
        assert_null(o.calibrate);
}

static void test_everything(void **state) {
        CommandOptions o;
        Error e = ERROR_INIT;

        assert_int_equal(
                parse("--features=f.json --calibrate r.csv --precision q16 --target xdp m.cfg "
                      "--weights w --name n --agreement 0.9 --threshold -1.5 --force --json "
                      "--output=out",
                      &o, &e),
                0);
        assert_string_equal(o.features, "f.json");
        assert_string_equal(o.calibrate, "r.csv");
        assert_int_equal(o.precision, PRECISION_Q16);
        assert_true(o.has_target && o.target == TARGET_XDP);
        assert_string_equal(o.weights, "w");
        assert_string_equal(o.name, "n");
        assert_true(fabs(o.agreement_min - 0.9) < 1e-12 && fabs(o.threshold + 1.5) < 1e-12);
        assert_true(o.force && o.json);
        assert_string_equal(o.output, "out");
}

static void test_verbs(void **state) {
        CommandOptions o;
        Error e = ERROR_INIT;

        assert_int_equal(parse("inspect out.json --json", &o, &e), 0);
        assert_int_equal(o.verb, COMPILE_VERB_INSPECT);
        assert_int_equal(parse("verify m.onnx --rows r.csv --no-kernel", &o, &e), 0);
        assert_int_equal(o.verb, COMPILE_VERB_VERIFY);
        assert_true(o.no_kernel);
        assert_string_equal(o.rows, "r.csv");
        assert_int_equal(parse("bench m.onnx --rows - --runs 3", &o, &e), 0);
        assert_int_equal(o.verb, COMPILE_VERB_BENCH);
        assert_int_equal(o.runs, 3);
        /* A model of that name lies in a folder. */
        assert_int_equal(parse("./verify -o out", &o, &e), 0);
        assert_int_equal(o.verb, COMPILE_VERB_COMPILE);
        assert_int_equal(parse("--help", &o, &e), 0);
        assert_true(o.help);
        assert_int_equal(parse("--version nothing else counts", &o, &e), 0);
        assert_true(o.version);
}

static void test_refused(void **state) {
        static const struct {
                const char *line;
                const char *says;
        } cases[] = {
                {"", "no model"},
                {"m.onnx", "needs -o OUT"},
                {"verify", "no model"},
                {"verify m.onnx", "verify needs --rows"},
                {"bench m.onnx", "bench needs --rows"},
                {"inspect m.onnx -o x", "inspect writes no files"},
                {"m.onnx other -o x", "'other' is too much"},
                {"m.onnx -o x --precision int9", "'int9' is none of auto, int8"},
                {"m.onnx -o x --target bpf", "'bpf' is none of func, xdp"},
                {"m.onnx -o x --agreement 1.1", "--agreement: '1.1' is not a number from 0 to 1"},
                {"m.onnx -o x --threshold abc", "--threshold: 'abc'"},
                {"m.onnx -o x --runs 0", "--runs: '0'"},
                {"m.onnx -o x --threshold 1 --values", "exclude each other"},
                {"m.onnx --nothing", "unknown option --nothing"},
                {"m.onnx -o", "-o needs a value"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                CommandOptions o;
                Error e = ERROR_INIT;

                assert_int_equal(parse(cases[i].line, &o, &e), -EINVAL);
                if (!strstr(e.text, cases[i].says))
                        fail_msg("'%s': '%s' does not say '%s'", cases[i].line, e.text,
                                 cases[i].says);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_compile),
                cmocka_unit_test(test_everything),
                cmocka_unit_test(test_verbs),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
