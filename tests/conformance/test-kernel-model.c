/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-kernel-model ROWS [SHAPE]: random programs in the running kernel give the reference's bits,
 * row by row. Exits with 77 where nothing can be loaded here. Prints what each costs the verifier.
 */
#include <errno.h>

#include "models/compiler/build.h"
#include "models/compiler/frame.h"
#include "models/compiler/kernel.h"
#include "models/compiler/reference.h"
#include "tests/unit/models/compiler/random-program.h"
#include "util/io.h"

#define SKIPPED 77

static int make_object(const BuildFolder *folder, const Program *p, char *ret, size_t size,
                       Error *e) {
        char path[96];
        FILE *f;
        int r;

        snprintf(path, sizeof(path), "%s/model.bpf.c", folder->path);
        f = fopen(path, "we");
        if (!f)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        r = frame_print(f, p, TARGET_ROWS, NULL, e);
        if (fclose(f) != 0 && r >= 0)
                r = error_set(e, -EIO, "%s: cannot be written", path);
        if (r >= 0)
                r = build_object(folder, "model", /* skeleton= */ false, e);
        snprintf(ret, size, "%s/model.bpf.o", folder->path);
        return r;
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

/* Returns 0, SKIPPED or -errno. */
static int run(RandomShape shape, Precision precision, uint64_t seed, size_t n_rows) {
        _cleanup_(program_freep)
        Program *p = random_program("model", shape, precision, seed);
        _cleanup_(kernel_model_freep)
        KernelModel *m = NULL;
        _cleanup_(build_folder_done)
        BuildFolder folder = {};
        char object[96];
        KernelSize size = {};
        Error e = ERROR_INIT;
        int r;

        printf("%-20s %-5s seed %-3llu ", random_shape_name(shape), precision_name(precision),
               (unsigned long long)seed);
        fflush(stdout);
        r = build_folder_init(&folder, &e);
        if (r >= 0)
                r = make_object(&folder, p, object, sizeof(object), &e);
        if (r >= 0)
                r = kernel_model_load(object, p, &m, &e);
        if (r == -EPERM || r == -ENOENT) {
                printf("SKIP: %s\n", e.text);
                return SKIPPED;
        }
        if (r >= 0)
                r = kernel_model_size(m, &size, &e);
        if (r >= 0)
                r = compare(p, m, n_rows, &e);
        if (r < 0) {
                printf("FAILED: %s\n", e.text[0] ? e.text : strerror(-r));
                return r;
        }
        printf("%8u verified %7u instructions %8u bytes: %zu rows equal\n", size.verified,
               size.instructions, size.jit_bytes, n_rows);
        return 0;
}

int main(int argc, char *argv[]) {
        uint64_t rows = 0;
        bool failed = false;

        if (argc < 2 || argc > 3 || parse_u64(argv[1], 1, 10000000, &rows) < 0) {
                fputs("usage: test-kernel-model ROWS [SHAPE]\n", stderr);
                return 2;
        }
        for (int shape = 0; shape < _RANDOM_SHAPE_COUNT; shape++)
                for (int precision = 0; precision < _PRECISION_COUNT; precision++)
                        for (uint64_t seed = 1; seed <= (shape == RANDOM_ANY ? 8 : 1); seed++) {
                                int r;

                                if (argc == 3 &&
                                    !streq(argv[2], random_shape_name((RandomShape)shape)))
                                        continue;
                                /* Trees have no precision. */
                                if (precision > 0 && shape >= RANDOM_TREE &&
                                    shape <= RANDOM_TREE_DEEP)
                                        continue;
                                r = run((RandomShape)shape, (Precision)precision, seed, rows);
                                if (r == SKIPPED)
                                        return SKIPPED;
                                failed |= r < 0;
                        }
        return failed;
}
