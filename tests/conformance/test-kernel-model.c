/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random programs in the running kernel give the reference's bits, row by row; what each costs the
 * verifier is printed. Exits with 77 where nothing can be loaded here.
 *
 *   test-kernel-model ROWS        makes each object, loads it, compares
 *   test-kernel-model make DIR    makes the objects alone: for machines without a compiler
 *   test-kernel-model run DIR ROWS
 */
#include <errno.h>

#include "models/compiler/build.h"
#include "models/compiler/frame.h"
#include "models/compiler/kernel.h"
#include "models/compiler/reference.h"
#include "tests/unit/models/compiler/random-program.h"
#include "util/io.h"

#define SKIPPED 77
#define ANY_SEEDS 8

typedef struct Case {
        RandomShape shape;
        Precision precision;
        uint64_t seed;
        char name[48];
} Case;

static int make_object(const Case *c, const char *dir, Error *e) {
        _cleanup_(program_freep)
        Program *p = random_program(c->name, c->shape, c->precision, c->seed);
        BuildFolder folder = {};
        int r;

        snprintf(folder.path, sizeof(folder.path), "%s", dir);
        r = build_source(&folder, p, TARGET_ROWS, NULL, e);
        return r < 0 ? r : build_object(&folder, c->name, /* skeleton= */ false, e);
}

static int compare(const Program *p, const KernelModel *m, size_t n_rows, Error *e) {
        _cleanup_free_
        int32_t *cells = calloc(p->n_cells, sizeof(*cells));
        int32_t wanted[PROGRAM_OUTPUTS_MAX], got[PROGRAM_OUTPUTS_MAX];
        uint32_t raw[PROGRAM_FIELDS_MAX];
        uint64_t seed = 99;

        if (!cells)
                return -ENOMEM;
        for (size_t i = 0; i < n_rows; i++) {
                int64_t decision, reference;
                int r;

                random_row(p, &seed, raw);
                reference = reference_run(p, raw, cells, wanted);
                r = kernel_model_run(m, raw, &decision, got, e);
                if (r < 0)
                        return r;
                if (decision != reference)
                        return error_set(e, -EBADMSG, "row %zu: decision %lld, reference %lld", i,
                                         (long long)decision, (long long)reference);
                for (size_t o = 0; o < p->n_outputs; o++)
                        if (got[o] != wanted[o])
                                return error_set(e, -EBADMSG,
                                                 "row %zu, output %zu: %d, reference %d", i, o,
                                                 got[o], wanted[o]);
        }
        return 0;
}

static int run_object(const Case *c, const char *dir, size_t n_rows, Error *e) {
        _cleanup_(program_freep)
        Program *p = random_program(c->name, c->shape, c->precision, c->seed);
        _cleanup_(kernel_model_freep)
        KernelModel *m = NULL;
        char path[BUILD_PATH_MAX];
        KernelSize size = {};
        int r;

        snprintf(path, sizeof(path), "%s/%s.bpf.o", dir, c->name);
        r = kernel_model_load(path, p, &m, e);
        if (r >= 0)
                r = kernel_model_size(m, &size, e);
        if (r >= 0 && !size.has_types)
                r = error_set(e, -EBADMSG, "the kernel does not take its BTF");
        if (r >= 0)
                r = compare(p, m, n_rows, e);
        if (r >= 0)
                printf("%8u verified %7u instructions %8u bytes: %zu rows equal\n", size.verified,
                       size.instructions, size.jit_bytes, n_rows);
        return r;
}

/* Returns 0, SKIPPED or -errno. */
static int run_case(const Case *c, const char *dir, bool make, size_t n_rows) {
        Error e = ERROR_INIT;
        int r = 0;

        printf("%-20s %-5s seed %-3llu ", random_shape_name(c->shape), precision_name(c->precision),
               (unsigned long long)c->seed);
        fflush(stdout);
        if (make)
                r = make_object(c, dir, &e);
        if (r >= 0 && n_rows > 0)
                r = run_object(c, dir, n_rows, &e);
        if (r == -EPERM || (make && r == -ENOENT)) {
                printf("SKIP: %s\n", e.text);
                return SKIPPED;
        }
        if (r < 0)
                printf("FAILED: %s\n", e.text[0] ? e.text : strerror(-r));
        else if (n_rows == 0)
                puts("made");
        return r;
}

static int run_all(const char *dir, bool make, size_t n_rows) {
        bool failed = false;

        for (int shape = 0; shape < _RANDOM_SHAPE_COUNT; shape++)
                for (int precision = 0; precision < _PRECISION_COUNT; precision++) {
                        bool trees = shape >= RANDOM_TREE && shape <= RANDOM_TREE_DEEP;

                        if (trees && precision > 0)
                                continue;
                        for (uint64_t seed = 1; seed <= (shape == RANDOM_ANY ? ANY_SEEDS : 1);
                             seed++) {
                                Case c = {.shape = (RandomShape)shape,
                                          .precision = (Precision)precision,
                                          .seed = seed};
                                int r;

                                snprintf(c.name, sizeof(c.name), "model_%d_%d_%llu", shape,
                                         precision, (unsigned long long)seed);
                                r = run_case(&c, dir, make, n_rows);
                                if (r == SKIPPED)
                                        return SKIPPED;
                                failed |= r < 0;
                        }
                }
        return failed;
}

int main(int argc, char *argv[]) {
        bool make = argc == 3 && streq(argv[1], "make"), run = argc == 4 && streq(argv[1], "run");
        _cleanup_(build_folder_done)
        BuildFolder folder = {};
        uint64_t rows = 0;
        Error e = ERROR_INIT;

        if ((argc != 2 && !make && !run) ||
            (!make && parse_u64(argv[argc - 1], 1, 10000000, &rows) < 0)) {
                fputs("usage: test-kernel-model ROWS | make DIR | run DIR ROWS\n", stderr);
                return 2;
        }
        if (make || run)
                return run_all(argv[2], make, rows);
        if (build_folder_init(&folder, &e) < 0) {
                puts(e.text);
                return 1;
        }
        return run_all(folder.path, true, rows);
}
