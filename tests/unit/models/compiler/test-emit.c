/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is emitted computes the reference's bits: programs of every kind are printed as C, built by
 * the C compiler into one library, and run beside the reference, under its undefined-behaviour
 * sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "models/compiler/emit.h"
#include "models/compiler/interval.h"
#include "models/compiler/reference.h"
#include "tests/unit/models/compiler/random-program.h"

extern char **environ;

typedef long (*run_t)(const uint32_t *raw, int32_t *outputs);

static char folder[] = "/tmp/aikm-test-emit.XXXXXX";

static int setup(void **state) {
        return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
        char path[64];

        snprintf(path, sizeof(path), "%s/programs.c", folder);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/programs.so", folder);
        (void)unlink(path);
        return rmdir(folder);
}

static bool compile(void) {
        char c[64], so[64];
        /* clang-format off */
        const char *argv[] = {"cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                              "-fsanitize=undefined", "-fno-sanitize-recover=all", "-o", so, c, NULL};
        /* clang-format on */
        int status;
        pid_t pid;

        snprintf(c, sizeof(c), "%s/programs.c", folder);
        snprintf(so, sizeof(so), "%s/programs.so", folder);
        assert_int_equal(posix_spawnp(&pid, "cc", NULL, NULL, (char *const *)argv, environ), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void emit(FILE *f, const Program *p) {
        int r = emit_program(f, p);

        if (r < 0)
                fail_msg("%s: emit_program: %s", p->name, strerror(-r));
        fprintf(f,
                "long %s_entry(const __u32 *raw, __s32 *outputs);\n"
                "long %s_entry(const __u32 *raw, __s32 *outputs)\n{\n"
                "\tstatic struct %s_scratch scratch;\n\n"
                "\treturn %s_run(raw, &scratch, outputs);\n}\n\n",
                p->name, p->name, p->name, p->name);
}

static void compare(const Program *p, run_t run, size_t n_rows, uint64_t seed) {
        _cleanup_free_
        int32_t *cells = calloc(p->n_cells, sizeof(*cells));
        int32_t wanted[PROGRAM_OUTPUTS_MAX], got[PROGRAM_OUTPUTS_MAX];
        uint32_t raw[PROGRAM_FIELDS_MAX];

        assert_non_null(cells);
        for (size_t i = 0; i < n_rows; i++) {
                int64_t decision;

                random_row(p, &seed, raw);
                decision = reference_run(p, raw, cells, wanted);
                memset(got, 0x55, sizeof(got));
                if (run(raw, got) != decision)
                        fail_msg("%s: row %zu: decision %ld, reference %ld", p->name, i,
                                 run(raw, got), (long)decision);
                if (run(raw, NULL) != decision)
                        fail_msg("%s: row %zu: another decision without outputs", p->name, i);
                for (size_t o = 0; o < p->n_outputs; o++)
                        if (got[o] != wanted[o])
                                fail_msg("%s: row %zu, output %zu: %d, reference %d", p->name, i, o,
                                         got[o], wanted[o]);
        }
}

/* Prints, builds, loads and compares. */
static void run_all(Program **programs, size_t n, size_t n_rows) {
        char path[64];
        void *library;
        FILE *f;

        snprintf(path, sizeof(path), "%s/programs.c", folder);
        f = fopen(path, "we");
        assert_non_null(f);
        for (size_t i = 0; i < n; i++)
                emit(f, programs[i]);
        assert_int_equal(fclose(f), 0);
        assert_true(compile());
        snprintf(path, sizeof(path), "%s/programs.so", folder);
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library)
                fail_msg("%s", dlerror());
        for (size_t i = 0; i < n; i++) {
                char name[96];
                run_t run;

                snprintf(name, sizeof(name), "%s_entry", programs[i]->name);
                *(void **)&run = dlsym(library, name);
                assert_non_null(run);
                compare(programs[i], run, n_rows, i);
        }
        dlclose(library);
}

static void run_random(RandomShape shape, Precision precision, size_t n, size_t n_rows) {
        Program *programs[64];

        assert_true(n <= ELEMENTSOF(programs));
        for (size_t i = 0; i < n; i++) {
                char name[64];

                snprintf(name, sizeof(name), "%s_%zu", precision_name(precision), i);
                programs[i] = random_program(name, shape, precision, i + 1);
        }
        run_all(programs, n, n_rows);
        for (size_t i = 0; i < n; i++)
                program_free(programs[i]);
}

static void test_int8(void **state) {
        run_random(RANDOM_ANY, PRECISION_INT8, 40, 500);
}

static void test_int16(void **state) {
        run_random(RANDOM_ANY, PRECISION_INT16, 40, 500);
}

static void test_q16(void **state) {
        run_random(RANDOM_ANY, PRECISION_Q16, 40, 500);
}

static void test_shapes(void **state) {
        Program *programs[_RANDOM_SHAPE_COUNT];

        for (int i = 0; i < _RANDOM_SHAPE_COUNT; i++) {
                char name[64];

                snprintf(name, sizeof(name), "shape_%d", i);
                programs[i] = random_program(name, (RandomShape)i, PRECISION_INT8, 7);
        }
        run_all(programs, _RANDOM_SHAPE_COUNT, 2000);
        for (int i = 0; i < _RANDOM_SHAPE_COUNT; i++)
                program_free(programs[i]);
}

/* The generator makes what the tests are about. */
static void test_generator(void **state) {
        bool kinds[_STEP_KIND_COUNT] = {false}, positive = false;
        _cleanup_(program_freep)
        Program *p = random_program("negative", RANDOM_MLP_NEGATIVE, PRECISION_INT8, 7);
        int32_t cells[128], outputs[PROGRAM_OUTPUTS_MAX];
        uint32_t raw[PROGRAM_FIELDS_MAX];
        uint64_t seed = 1;

        for (uint64_t i = 1; i <= 40; i++) {
                _cleanup_(program_freep)
                Program *q = random_program("any", RANDOM_ANY, PRECISION_INT8, i);

                for (size_t k = 0; k < q->n_steps; k++)
                        kinds[q->steps[k].kind] = true;
        }
        for (size_t k = 0; k < _STEP_KIND_COUNT; k++)
                assert_true(kinds[k]);
        for (size_t i = 0; i < 1000; i++) {
                random_row(p, &seed, raw);
                (void)reference_run(p, raw, cells, outputs);
                for (size_t o = 0; o < p->n_outputs; o++)
                        positive |= outputs[o] >= 0;
        }
        assert_false(positive);
}

/* A tree that is not one is refused, not printed. */
static void test_bad_tree(void **state) {
        _cleanup_(program_freep)
        Program *p = random_program("bad", RANDOM_TREE, PRECISION_INT8, 1);
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        assert_int_equal(emit_program(f, p), 0);
        p->steps[0].trees[0].nodes[1].no = p->steps[0].trees[0].nodes[0].no;
        assert_int_equal(emit_program(f, p), -EINVAL);
        fclose(f);
        free(text);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_generator), cmocka_unit_test(test_bad_tree),
                cmocka_unit_test(test_int8),      cmocka_unit_test(test_int16),
                cmocka_unit_test(test_q16),       cmocka_unit_test(test_shapes),
        };

        return cmocka_run_group_tests_name("emit", tests, setup, teardown);
}
