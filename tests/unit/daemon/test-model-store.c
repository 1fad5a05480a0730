/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store of models, the file that says which was chosen, and what a model must be to be taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/model-state.h"
#include "models/verify.h"
#include "tests/harness/model-maker.h"
#include "util/io.h"

static char work[64], state[96], shipped[96];

static int setup(void **unused) {
        snprintf(work, sizeof(work), "/tmp/aikm-store-XXXXXX");
        assert_non_null(mkdtemp(work));
        snprintf(state, sizeof(state), "%s/state", work);
        snprintf(shipped, sizeof(shipped), "%s/shipped", work);
        return model_maker(shipped, "default", 0, 60, FLAW_NONE);
}

static int teardown(void **unused) {
        char command[128];

        snprintf(command, sizeof(command), "rm -rf %s", work);
        return system(command);
}

static ModelStore *open_store(void) {
        ModelStore *s = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(model_store_open(state, shipped, &s, &e), 0);
        assert_string_equal(e.text, "");
        return s;
}

/* The files of a model that model_maker() made in work/NAME. */
typedef struct Bundle {
        char *data[4];
        ModelFiles files;
} Bundle;

static void bundle_done(Bundle *b) {
        for (size_t i = 0; i < ELEMENTSOF(b->data); i++)
                free(b->data[i]);
}

static void bundle_read(Bundle *b, const char *name, size_t n_wrong, size_t n_rows,
                        ModelFlaw flaw) {
        static const char *const suffixes[] = {".json", ".cfg", ".weights", ".validation.csv"};
        ModelFile *files[] = {&b->files.manifest, &b->files.cfg, &b->files.weights,
                              &b->files.validation};
        char dir[160], path[320];

        *b = (Bundle){};
        snprintf(dir, sizeof(dir), "%s/made/%s", work, name);
        assert_int_equal(model_maker(dir, name, n_wrong, n_rows, flaw), 0);
        for (size_t i = 0; i < ELEMENTSOF(suffixes) - (n_rows == 0); i++) {
                snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffixes[i]);
                assert_int_equal(
                        io_read_all_at(AT_FDCWD, path, 1 << 24, &b->data[i], &files[i]->size), 0);
                files[i]->data = b->data[i];
        }
}

static int install(ModelStore *s, const char *name, Error *e) {
        _cleanup_(bundle_done)
        Bundle b;
        ModelStaged staged;
        int r;

        bundle_read(&b, name, 0, 60, FLAW_NONE);
        r = model_store_stage(s, &b.files, &staged, e);
        if (r >= 0)
                r = model_store_commit(s, &staged, e);
        return r;
}

static bool exists(const char *what) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", state, what);
        return access(path, F_OK) == 0;
}

static void test_names(void **unused) {
        static const char *const good[] = {"a", "tuned-3", "my.model_1+x", "default", "9"};
        static const char *const bad[] = {"",
                                          ".",
                                          "..",
                                          "a/b",
                                          "/etc/passwd",
                                          ".new",
                                          "-rf",
                                          "a b",
                                          "a\n",
                                          "m\xc3\xa4",
                                          "model.json",
                                          "../x",
                                          "_x",
                                          "a%s$",
                                          "0123456789012345678901234567890123456789"
                                          "012345678901234567890123"};

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(model_name_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(model_name_is_valid(bad[i]));
}

static void test_history(void **unused) {
        ModelState s = {};
        char name[16];

        for (int i = 0; i < 20; i++) {
                snprintf(name, sizeof(name), "m%d", i);
                model_state_choose(&s, name);
                model_state_choose(&s, name); /* again is no change */
        }
        assert_int_equal(s.n_history, MODEL_HISTORY_MAX);
        for (int i = 18; i > 18 - (int)MODEL_HISTORY_MAX; i--) {
                model_state_rollback(&s);
                snprintf(name, sizeof(name), "m%d", i);
                assert_string_equal(s.current, name);
        }
        assert_int_equal(s.n_history, 0);
        /* a, b, a: without b nothing is left to go back to */
        s = (ModelState){.current = "a", .history = {"b", "a", "c"}, .n_history = 3};
        model_state_forget(&s, "b");
        assert_int_equal(s.n_history, 1);
        assert_string_equal(s.history[0], "c");
}

static void test_state_text(void **unused) {
        static const char *const bad[] = {
                "",
                "null",
                "[]",
                "{\"current\": \"a\"}",
                "{\"current\": \"../a\", \"history\": []}",
                "{\"current\": 1, \"history\": []}",
                "{\"current\": \"a\", \"history\": [\"b\", null]}",
                "{\"current\": \"a\", \"history\": {}}",
                "{\"current\": \"a\\u0000b\", \"history\": []}",
                "{\"current\": \"a\", \"history\": [\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}",
                "{\"current\": \"a\", \"history\": []",
                "[[[[[[[[[[[[",
        };
        ModelState s = {.current = "x", .history = {"", "default"}, .n_history = 2}, again = {};
        _cleanup_free_
        char *text = model_state_format(&s);
        Error e = ERROR_INIT;

        assert_non_null(text);
        assert_int_equal(model_state_parse(text, strlen(text), "f", &again, &e), 0);
        assert_memory_equal(&s, &again, sizeof(s));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                e = ERROR_INIT;
                assert_int_equal(model_state_parse(bad[i], strlen(bad[i]), "f", &again, &e),
                                 -EINVAL);
                assert_memory_equal(e.text, "f: ", 3);
                assert_memory_equal(&s, &again, sizeof(s));
        }
}

static void test_choose_and_back(void **unused) {
        _cleanup_(model_store_freep)
        ModelStore *s = open_store();
        Error e = ERROR_INIT;

        assert_string_equal(model_store_current(s), "");
        assert_null(model_store_previous(s));
        assert_false(exists("")); /* nothing is made before something is written */
        assert_int_equal(model_store_choose(s, "a", &e), 0);
        assert_int_equal(model_store_choose(s, "b", &e), 0);
        /* As after a restart */
        s = model_store_free(s);
        s = open_store();
        assert_string_equal(model_store_current(s), "b");
        assert_int_equal(model_store_rollback(s, &e), 0);
        s = model_store_free(s);
        s = open_store();
        assert_string_equal(model_store_current(s), "a");
        assert_string_equal(model_store_previous(s), "");
        assert_int_equal(model_store_rollback(s, &e), 0);
        assert_string_equal(model_store_current(s), "");
        assert_null(model_store_previous(s));
}

static void test_damaged_state(void **unused) {
        ModelStore *s = NULL;
        char path[160];
        Error e = ERROR_INIT;
        _cleanup_close_
        int fd = -EBADF;

        assert_int_equal(io_mkdir_p(state, 0700), 0);
        snprintf(path, sizeof(path), "%s/models.json", state);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, "{\"curr", 6), 6);
        assert_int_equal(model_store_open(state, shipped, &s, &e), 0);
        assert_non_null(strstr(e.text, path));
        assert_string_equal(model_store_current(s), "");
        model_store_free(s);
}

static void test_install_find_remove(void **unused) {
        _cleanup_(model_store_freep)
        ModelStore *s = open_store();
        _cleanup_free_
        ModelEntry *list = NULL;
        ModelSource source;
        char path[512];
        Error e = ERROR_INIT;
        size_t n;

        assert_int_equal(install(s, "one", &e), 0);
        assert_int_equal(model_store_find(s, "one", path, sizeof(path), &source, &e), 0);
        assert_int_equal(source, MODEL_SOURCE_INSTALLED);
        assert_int_equal(access(path, R_OK), 0);
        assert_false(exists("models/.new"));
        assert_int_equal(install(s, "one", &e), -EEXIST);
        assert_non_null(strstr(e.text, "one"));
        e = ERROR_INIT;
        assert_int_equal(install(s, "default", &e), -EEXIST);
        assert_non_null(strstr(e.text, "comes with aikmd"));
        e = ERROR_INIT;
        assert_int_equal(install(s, "rules", &e), -EEXIST);
        assert_int_equal(model_store_list(s, &list, &n), 0);
        assert_int_equal(n, 3);
        assert_string_equal(list[0].name, "rules");
        assert_string_equal(list[1].name, "default");
        assert_string_equal(list[2].name, "one");

        e = ERROR_INIT;
        assert_int_equal(model_store_choose(s, "one", &e), 0);
        assert_int_equal(model_store_remove(s, "one", &e), -EBUSY);
        e = ERROR_INIT;
        assert_int_equal(model_store_remove(s, "default", &e), -EPERM);
        e = ERROR_INIT;
        assert_int_equal(model_store_remove(s, "../state", &e), -EINVAL);
        e = ERROR_INIT;
        assert_int_equal(model_store_choose(s, "default", &e), 0);
        assert_string_equal(model_store_previous(s), "one");
        assert_int_equal(model_store_remove(s, "one", &e), 0);
        assert_false(exists("models/one"));
        assert_false(exists("models/.gone"));
        /* Out of the history too; what was before it is what it goes back to. */
        assert_string_equal(model_store_previous(s), "");
        assert_int_equal(model_store_remove(s, "one", &e), -ENOENT);
}

static void test_full(void **unused) {
        _cleanup_(model_store_freep)
        ModelStore *s = open_store();
        Error e = ERROR_INIT;
        char name[16];

        for (size_t i = 0; i < MODEL_STORE_MAX; i++) {
                snprintf(name, sizeof(name), "m%zu", i);
                assert_int_equal(install(s, name, &e), 0);
        }
        assert_int_equal(install(s, "more", &e), -ENOSPC);
        assert_int_equal(model_store_remove(s, "m3", &e), 0);
        e = ERROR_INIT;
        assert_int_equal(install(s, "more", &e), 0);
}

/* A manifest whose files would lie outside the folder, or on each other. */
static void test_hostile_manifest(void **unused) {
        static const struct {
                const char *from, *to;
        } changes[] = {
                {"\"m.cfg\"", "\"../m.cfg\""},
                {"\"m.cfg\"", "\"/etc/passwd\""},
                {"\"m.cfg\"", "\"m.weights\""},
                {"\"m.cfg\"", "\"m.json\""},
                {"\"name\": \"m\"", "\"name\": \"../m\""},
                {"\"name\": \"m\"", "\"name\": \".new\""},
                {"\"name\": \"m\"", "\"name\": \"m.json\""},
                {"\"validation\"", "\"validations\""},
        };
        _cleanup_(model_store_freep)
        ModelStore *s = open_store();
        _cleanup_(bundle_done)
        Bundle b;

        bundle_read(&b, "m", 0, 60, FLAW_NONE);
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                _cleanup_free_
                char *text = NULL;
                const char *at = strstr(b.data[0], changes[i].from);
                ModelFiles files = b.files;
                ModelStaged staged;
                Error e = ERROR_INIT;
                int n;

                assert_non_null(at);
                n = asprintf(&text, "%.*s%s%s", (int)(at - b.data[0]), b.data[0], changes[i].to,
                             at + strlen(changes[i].from));
                assert_true(n > 0);
                files.manifest = (ModelFile){text, (size_t)n};
                assert_int_equal(model_store_stage(s, &files, &staged, &e), -EINVAL);
                assert_true(e.text[0]);
                assert_false(exists("models/.new"));
        }
        assert_false(exists("models/m"));
}

/* Killed at any moment of an installation, the store has the model whole or not at all. */
static void test_killed(void **unused) {
        _cleanup_(model_store_freep)
        ModelStore *s = open_store();
        Error e = ERROR_INIT;
        unsigned whole = 0;

        assert_int_equal(install(s, "old", &e), 0);
        assert_int_equal(model_store_choose(s, "old", &e), 0);
        for (unsigned i = 0; i < 40; i++) {
                _cleanup_(model_store_freep)
                ModelStore *after = NULL;
                _cleanup_(verification_done)
                Verification v = VERIFICATION_INIT;
                ModelSource source;
                char path[512];
                pid_t pid;

                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        Error own = ERROR_INIT;

                        (void)install(s, "new", &own);
                        (void)model_store_choose(s, "new", &own);
                        _exit(0);
                }
                usleep(i * 1500);
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                after = open_store();
                assert_false(exists("models/.new"));
                assert_true(streq(model_store_current(after), "old") ||
                            streq(model_store_current(after), "new"));
                if (model_store_find(after, "new", path, sizeof(path), &source, NULL) == 0) {
                        assert_int_equal(verification_run(path, &v, &e), 0);
                        whole++;
                } else
                        assert_string_equal(model_store_current(after), "old");
                assert_int_equal(model_store_choose(after, "old", &e), 0);
                (void)model_store_remove(after, "new", NULL);
                assert_int_equal(model_store_find(after, "old", path, sizeof(path), &source, &e),
                                 0);
        }
        print_message("%u of 40 were installed before they were killed\n", whole);
}

/* Each way in which a model can be wrong has its own words. */
static void test_verification(void **unused) {
        static const char *const says[_MODEL_FLAW_COUNT] = {
                [FLAW_SCHEMA] = "must be retrained", [FLAW_DIGEST] = "but the manifest says",
                [FLAW_TRUNCATED] = "weights",        [FLAW_NAN] = "finite",
                [FLAW_OVERFLOW] = "not finite",      [FLAW_CLAIM] = "macro-F1",
                [FLAW_ROWS] = "validation.csv:62",
        };
        char dir[160], path[256];

        for (int flaw = FLAW_NONE; flaw < _MODEL_FLAW_COUNT; flaw++) {
                _cleanup_(verification_done)
                Verification v = VERIFICATION_INIT;
                Error e = ERROR_INIT;
                int r;

                snprintf(dir, sizeof(dir), "%s/flaw-%d", work, flaw);
                snprintf(path, sizeof(path), "%s/m.json", dir);
                assert_int_equal(model_maker(dir, "m", 2, 60, (ModelFlaw)flaw), 0);
                r = verification_run(path, &v, &e);
                if (flaw == FLAW_NONE) {
                        assert_int_equal(r, 0);
                        assert_int_equal(v.score.n_rows, 60);
                        assert_true(v.score.macro_f1 > 0.66 && v.score.macro_f1 < 0.67);
                        continue;
                }
                assert_true(r < 0);
                assert_null(v.model);
                if (!strstr(e.text, says[flaw]))
                        fail_msg("flaw %d: '%s' does not say '%s'", flaw, e.text, says[flaw]);
        }
}

static void test_too_many_rows(void **unused) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        char dir[160], path[256];
        Error e = ERROR_INIT;

        snprintf(dir, sizeof(dir), "%s/many", work);
        snprintf(path, sizeof(path), "%s/m.json", dir);
        assert_int_equal(model_maker(dir, "m", 0, MODEL_ROWS_MAX + 1, FLAW_NONE), 0);
        assert_int_equal(verification_run(path, &v, &e), -EFBIG);
        assert_non_null(strstr(e.text, "must have at most"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_history),
                cmocka_unit_test(test_state_text),
                cmocka_unit_test_setup_teardown(test_choose_and_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_damaged_state, setup, teardown),
                cmocka_unit_test_setup_teardown(test_install_find_remove, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hostile_manifest, setup, teardown),
                cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_verification, setup, teardown),
                cmocka_unit_test_setup_teardown(test_too_many_rows, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
