/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A filter's models on disk: by name and by path, sheets good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "daemon/filter-file.h"
#include "tests/unit/folder.h"

static char folder[64], shipped[80], state_dir[80];
static FilterFolders in;

static void write_file(const char *dir, const char *name, const char *text) {
        char path[PATH_MAX];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static int setup(void **state) {
        char path[96];

        snprintf(folder, sizeof(folder), "/tmp/aikm-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
        snprintf(shipped, sizeof(shipped), "%s/shipped", folder);
        snprintf(state_dir, sizeof(state_dir), "%s/state", folder);
        snprintf(path, sizeof(path), "%s/filters", state_dir);
        assert_int_equal(mkdir(shipped, 0755), 0);
        assert_int_equal(mkdir(state_dir, 0755), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        write_file(shipped, "one.bpf.o", "object one");
        write_file(shipped, "one.json",
                   "{\"classes\": [\"benign\", \"scan\", \"flood\"], \"malicious\": [\"flood\"],"
                   " \"precision\": \"int8\"}");
        write_file(path, "two.bpf.o", "object two");
        write_file(path, "one.bpf.o", "not the shipped one");
        write_file(path, "note.txt", "object two");
        in = (FilterFolders){.shipped = shipped, .state = state_dir};
        return 0;
}

static int teardown(void **state) {
        folder_remove(folder);
        return 0;
}

static FilterFile read_good(const char *model) {
        Error e = ERROR_INIT;
        FilterFile f;

        if (filter_file_read(&in, model, &f, &e) < 0)
                fail_msg("%s: %s", model, e.text);
        return f;
}

static void test_names(void **state) {
        FilterFile one = read_good("one"), two = read_good("two");

        assert_string_equal(one.name, "one");
        assert_int_equal(one.size, strlen("object one"));
        assert_memory_equal(one.data, "object one", one.size);
        assert_int_equal(one.n_classes, 3);
        assert_int_equal(one.malicious, 1 << 2);
        assert_string_equal(filter_file_class(&one, 1), "scan");
        assert_string_equal(filter_file_class(&one, 3), "");
        assert_string_equal(filter_file_class(&one, UINT32_MAX), "");
        assert_int_not_equal(one.identity, 0);
        assert_int_not_equal(one.identity, two.identity);
        /* Without a sheet every class but the first is malicious: the loader's default. */
        assert_int_equal(two.n_classes, 0);
        assert_int_equal(two.malicious, 0);
        assert_int_equal(filter_file_model(&two).identity, two.identity);
        filter_file_done(&one);
        filter_file_done(&two);
        assert_null(one.data);
}

static void test_paths(void **state) {
        Error e = ERROR_INIT;
        char path[PATH_MAX];
        FilterFile f;

        snprintf(path, sizeof(path), "%s/one.bpf.o", shipped);
        assert_int_equal(chmod(path, 0644), 0);
        f = read_good(path);
        assert_string_equal(f.name, path);
        assert_int_equal(f.n_classes, 3);
        filter_file_done(&f);
        /* By its name it is in a folder of ours; by its path anybody's. */
        assert_int_equal(chmod(path, 0664), 0);
        assert_int_equal(filter_file_read(&in, path, &f, &e), -EPERM);
        assert_non_null(strstr(e.text, "root's alone"));
        e = ERROR_INIT;
        assert_int_equal(filter_file_read(&in, shipped, &f, &e), -EINVAL);
        assert_int_equal(chmod(path, 0644), 0);
}

static void test_absent(void **state) {
        static const struct {
                const char *model, *part;
                int error;
        } wrong[] = {
                {"three", "there is no filter model three", ENOENT},
                {FILTER_MODEL_DEFAULT, "comes with aikmd", ENOENT},
                {"/nowhere/x.bpf.o", "/nowhere/x.bpf.o", ENOENT},
                {"", "neither the name", EINVAL},
                {"../shipped/one", "neither the name", EINVAL},
                {"a b", "neither the name", EINVAL},
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                Error e = ERROR_INIT;
                FilterFile f;

                assert_int_equal(filter_file_read(&in, wrong[i].model, &f, &e), -wrong[i].error);
                if (!strstr(e.text, wrong[i].part))
                        fail_msg("%s: %s", wrong[i].model, e.text);
        }
}

static void test_identity(void **state) {
        FilterFile two = read_good("two"), found;

        assert_int_equal(filter_file_find(&in, two.identity, &found), 0);
        assert_string_equal(found.name, "two");
        filter_file_done(&found);
        assert_int_equal(filter_file_find(&in, two.identity + 1, &found), -ENOENT);
        filter_file_done(&two);
        assert_int_equal(filter_file_find(&(FilterFolders){.shipped = "/nowhere", .state = "/none"},
                                          1, &found),
                         -ENOENT);
}

static void test_sheets(void **state) {
        static const struct {
                const char *sheet, *part; /* part NULL: taken */
                uint64_t malicious;
        } sheets[] = {
                {"{}", NULL, 0},
                {"{\"malicious\": [1, 3]}", NULL, 1 << 1 | 1 << 3},
                {"{\"malicious\": [63]}", NULL, UINT64_C(1) << 63},
                {"{\"classes\": []}", NULL, 0},
                {"{\"classes\": [\"benign\", \"dos\"]}", NULL, 0},
                {"{\"decision\": {\"labels\": [0, 1]}}", NULL, 0},
                {"{\"decision\": {\"labels\": [\"dos\", \"normal\", \"probe\"]},"
                 " \"malicious\": [\"dos\", \"probe\"]}",
                 NULL, 1 << 0 | 1 << 2},
                {"{\"decision\": {\"labels\": [\"dos\", \"Normal\", \"probe\"]}}",
                 "class 1 is normal, and every class but the first", 0},
                {"{\"classes\": [\"attack\", \"benign\"]}", "has to name those that are", 0},
                {"{\"decision\": 1}", NULL, 0},
                {"{\"decision\": {\"labels\": {}}}", NULL, 0},
                {"", "not a JSON object", 0},
                {"[]", "not a JSON object", 0},
                {"{\"classes\": {}}", "list of names", 0},
                {"{\"classes\": [1]}", "list of names", 0},
                {"{\"malicious\": []}", "list of classes", 0},
                {"{\"malicious\": \"flood\"}", "list of classes", 0},
                {"{\"malicious\": [64]}", "does not have", 0},
                {"{\"malicious\": [-1]}", "does not have", 0},
                {"{\"malicious\": [null]}", "does not have", 0},
                {"{\"classes\": [\"a\", \"b\"], \"malicious\": [\"c\"]}", "does not have", 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(sheets); i++) {
                Error e = ERROR_INIT;
                FilterFile f;
                int r = filter_file_init("x", strdup("object"), 6, sheets[i].sheet, &f, &e);

                if (!sheets[i].part) {
                        if (r < 0)
                                fail_msg("%s: %s", sheets[i].sheet, e.text);
                        assert_int_equal(f.malicious, sheets[i].malicious);
                        filter_file_done(&f);
                        continue;
                }
                assert_int_equal(r, -EINVAL);
                if (!strstr(e.text, sheets[i].part))
                        fail_msg("%s: %s", sheets[i].sheet, e.text);
        }
}

/* As aikm-compile writes it: the model's own labels. */
static void test_labels(void **state) {
        Error e = ERROR_INIT;
        FilterFile f;

        assert_int_equal(filter_file_init("x", strdup("object"), 6,
                                          "{\"decision\": {\"kind\": \"argmax\", \"labels\": "
                                          "[\"benign\", \"scan\", 7, \"flood\"]}}",
                                          &f, &e),
                         0);
        assert_int_equal(f.n_classes, 4);
        assert_string_equal(filter_file_class(&f, 1), "scan");
        assert_string_equal(filter_file_class(&f, 2), "");
        assert_string_equal(filter_file_class(&f, 3), "flood");
        filter_file_done(&f);
}

/* More classes than are counted apart, names that are too long, bytes that are no text. */
static void test_odd_sheets(void **state) {
        char text[4096] = "{\"classes\": [\"\xff\x1b[31m\", \"";
        Error e = ERROR_INIT;
        FilterFile f;
        size_t n = strlen(text);

        memset(text + n, 'x', 100);
        snprintf(text + n + 100, sizeof(text) - n - 100, "\"");
        for (int i = 0; i < 40; i++)
                strncat(text, ", \"c\"", sizeof(text) - strlen(text) - 1);
        strncat(text, "]}", sizeof(text) - strlen(text) - 1);
        assert_int_equal(filter_file_init("x", strdup("object"), 6, text, &f, &e), 0);
        assert_int_equal(f.n_classes, FILTER_CLASSES);
        assert_int_equal(strlen(f.classes[1]), FILTER_CLASS_NAME_MAX - 1);
        assert_string_equal(f.classes[0], "??[31m");
        filter_file_done(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),  cmocka_unit_test(test_paths),
                cmocka_unit_test(test_absent), cmocka_unit_test(test_identity),
                cmocka_unit_test(test_sheets), cmocka_unit_test(test_odd_sheets),
                cmocka_unit_test(test_labels),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
