/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that were recorded and how they are split: test-split FOLDER with corpus.conf and
 * split.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/train/split.h"

#define PROGRAMS_MAX 400

typedef struct Program {
        char name[PROGRAM_NAME_MAX];
        char executable[128];
        LoadClass intent;
        int side; /* negative: only later recordings have it */
} Program;

static Program programs[PROGRAMS_MAX];
static size_t n_programs;
static Split split = SPLIT_INIT;

/* The sections of the table, and of their keys the two that matter here. */
static int read_programs(const char *folder) {
        _cleanup_free_
        char *path = NULL, *line = NULL;
        _cleanup_fclose_
        FILE *f = NULL;
        size_t size = 0;

        if (asprintf(&path, "%s/corpus.conf", folder) < 0 || !(f = fopen(path, "re")))
                return -1;
        while (getline(&line, &size, f) > 0) {
                Program *p = &programs[n_programs > 0 ? n_programs - 1 : 0];
                char name[PROGRAM_NAME_MAX], class_name[32];
                int c;

                if (sscanf(line, "[%47[^]]]", name) == 1) {
                        if (n_programs == PROGRAMS_MAX)
                                return -1;
                        p = &programs[n_programs++];
                        *p = (Program){.side = split_side(&split, name), .intent = _CLASS_COUNT};
                        memcpy(p->name, name, sizeof(name));
                } else if (sscanf(line, "class = %31s", class_name) == 1) {
                        c = class_from_string(class_name);
                        if (c < 0) {
                                fprintf(stderr, "%s: bad line: %s", path, line);
                                return -1;
                        }
                        p->intent = (LoadClass)c;
                } else {
                        sscanf(line, "executable = %127s", p->executable);
                }
        }
        return 0;
}

static int read_all(const char *folder) {
        _cleanup_free_
        char *path = NULL;
        Error e = ERROR_INIT;

        if (asprintf(&path, "%s/split.json", folder) < 0)
                return -1;
        if (split_read(path, &split, &e) < 0) {
                fprintf(stderr, "%s\n", e.text);
                return -1;
        }
        return read_programs(folder);
}

static void test_names(void **state) {
        size_t n_split = 0;

        for (size_t i = 0; i < n_programs; i++) {
                assert_true(program_name_is_valid(programs[i].name));
                assert_true(programs[i].executable[0] == '/');
                assert_true(programs[i].intent < _CLASS_COUNT);
                n_split += programs[i].side >= 0;
        }
        assert_true(n_split >= 24);
}

/* What training saw under one name must not come back under another. */
static void test_no_executable_on_two_sides(void **state) {
        for (size_t i = 0; i < n_programs; i++)
                for (size_t k = 0; k < i; k++)
                        if (streq(programs[i].executable, programs[k].executable) &&
                            programs[i].side >= 0 && programs[k].side >= 0 &&
                            programs[i].side != programs[k].side)
                                fail_msg("%s and %s are both %s, but on two sides",
                                         programs[i].name, programs[k].name,
                                         programs[i].executable);
}

static void test_sizes(void **state) {
        size_t n[_SIDE_COUNT] = {0}, by_class[_SIDE_COUNT][_CLASS_COUNT] = {{0}};

        for (size_t i = 0; i < n_programs; i++) {
                if (programs[i].side < 0)
                        continue;
                n[programs[i].side]++;
                by_class[programs[i].side][programs[i].intent]++;
        }
        assert_true(n[SIDE_TEST] * 2 >= n[SIDE_TRAIN] + n[SIDE_VALIDATION]);
        for (size_t c = 0; c < _CLASS_COUNT; c++) {
                assert_true(by_class[SIDE_TEST][c] >= 2);
                /* choose.py needs some of each to teach and some to hold out. */
                assert_true(by_class[SIDE_TRAIN][c] + by_class[SIDE_VALIDATION][c] >= 4);
        }
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_no_executable_on_two_sides),
                cmocka_unit_test(test_sizes),
        };
        int r;

        if (argc != 2 || read_all(argv[1]) < 0)
                return EXIT_FAILURE;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        split_done(&split);
        return r;
}
