/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Objects of target rows in the running kernel: loaded, run on rows, timed, measured. */

#include "models/compiler/program.h"

typedef struct KernelModel KernelModel;

typedef struct KernelSize {
        uint32_t verified;     /* instructions that the verifier went through */
        uint32_t instructions; /* of the program as the kernel keeps it */
        uint32_t jit_bytes;
        bool has_types; /* the kernel took the object's BTF; libbpf goes on without */
} KernelSize;

/* Target rows of p, in a folder that is gone afterwards, and in the running kernel. Returns 0, or
 * what build_source(), build_object() and kernel_model_load() do. */
int kernel_model_make(const Program *p, KernelModel **ret, Error *e);
/* Loads the object of program p. Returns 0; -EPERM without the right to; -ENOTSUP and other errnos
 * where the kernel refuses it, *e with libbpf's first complaint and the verifier's last lines. */
int kernel_model_load(const char *object, const Program *p, KernelModel **ret, Error *e);
KernelModel *kernel_model_free(KernelModel *m);
DEFINE_CLEANUP(KernelModel *, kernel_model_free);

/* Of the program that has the model in it, above one that is the same but for the model. */
int kernel_model_size(const KernelModel *m, KernelSize *ret, Error *e);

/* One row by BPF_PROG_TEST_RUN. Returns 0, or -errno with *e. */
int kernel_model_run(const KernelModel *m, const uint32_t *raw, int64_t *ret_decision,
                     int32_t *ret_outputs, Error *e);

typedef struct KernelTime {
        double run;   /* ns per inference: the model above the program that only picks a row */
        double gross; /* the same above an empty program */
        double empty; /* of that itself */
        size_t runs;  /* each a median of so many */
} KernelTime;

/* Times `repeat` inferences, each on another of the rows (at least 1,000, n_fields each). */
int kernel_model_time(const KernelModel *m, const uint32_t *rows, size_t n_rows, size_t runs,
                      uint32_t repeat, KernelTime *ret, Error *e);
