/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-model [RUNS [SHAPE]]: what models cost in the kernel, in ns per inference above an XDP
 * program that only picks the row, and above an empty one: each inference is on a row that a random
 * number picks out of 1,024, so neither caches nor branch predictor know it. Models are random, so
 * every comparison of a tree is as good as a coin: real ones are easier to predict. Medians of
 * RUNS, and what is aimed at; nothing is judged.
 */
#include <errno.h>

#include "models/compiler/frame.h"
#include "models/compiler/kernel.h"
#include "tests/unit/models/compiler/random-program.h"
#include "util/io.h"

#define SKIPPED 77
#define REPEAT 200000

static const struct {
        RandomShape shape;
        double aim; /* ns above an empty program, at most; 0: none */
} shapes[] = {
        {RANDOM_MLP_SMALL, 150}, {RANDOM_MLP, 350},      {RANDOM_MLP_WIDE, 0},
        {RANDOM_TREE, 60},       {RANDOM_FOREST, 1200},  {RANDOM_FOREST_CLASSES, 0},
        {RANDOM_FOREST_MANY, 0}, {RANDOM_TREE_LARGE, 0},
};

static int run(RandomShape shape, Precision precision, size_t runs, KernelTime *ret,
               KernelSize *ret_size, Error *e) {
        static uint32_t rows[FRAME_ROWS * PROGRAM_FIELDS_MAX];
        _cleanup_(program_freep)
        Program *p = random_program("model", shape, precision, 1);
        _cleanup_(kernel_model_freep)
        KernelModel *m = NULL;
        uint64_t seed = 5;
        int r;

        for (size_t i = 0; i < FRAME_ROWS; i++)
                for (size_t k = 0; k < p->n_fields; k++)
                        rows[i * p->n_fields + k] = (uint32_t)random_between(
                                &seed, p->fields[k].low, p->fields[k].high);
        r = kernel_model_make(p, &m, e);
        if (r >= 0)
                r = kernel_model_size(m, ret_size, e);
        if (r < 0)
                return r;
        return kernel_model_time(m, rows, FRAME_ROWS, runs, REPEAT, ret, e);
}

int main(int argc, char *argv[]) {
        uint64_t runs = 9;

        if (argc > 3 || (argc > 1 && parse_u64(argv[1], 1, 99, &runs) < 0)) {
                fputs("usage: bench-model [RUNS [SHAPE]]\n", stderr);
                return 2;
        }
        printf("%-18s %-5s %8s %8s %6s %9s %9s %9s\n", "shape", "", "ns", "gross", "aim",
               "verified", "insns", "JIT bytes");
        for (size_t i = 0; i < ELEMENTSOF(shapes); i++)
                for (int precision = 0; precision < _PRECISION_COUNT; precision++) {
                        bool trees = shapes[i].shape >= RANDOM_TREE;
                        KernelTime time;
                        KernelSize size;
                        Error e = ERROR_INIT;
                        char aim[16] = "";
                        int r;

                        if ((trees && precision > 0) ||
                            (argc == 3 && !streq(argv[2], random_shape_name(shapes[i].shape))))
                                continue;
                        r = run(shapes[i].shape, (Precision)precision, runs, &time, &size, &e);
                        if (r == -EPERM || r == -ENOENT) {
                                printf("SKIP: %s\n", e.text);
                                return SKIPPED;
                        }
                        if (r < 0) {
                                printf("%s: %s\n", random_shape_name(shapes[i].shape), e.text);
                                return 1;
                        }
                        if (precision == PRECISION_INT8 && shapes[i].aim > 0)
                                (void)snprintf(aim, sizeof(aim), "%.0f", shapes[i].aim);
                        printf("%-18s %-5s %8.0f %8.0f %6s %9u %9u %9u\n",
                               random_shape_name(shapes[i].shape),
                               trees ? "" : precision_name((Precision)precision), time.run,
                               time.gross, aim, size.verified, size.instructions, size.jit_bytes);
                }
        return 0;
}
