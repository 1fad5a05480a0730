/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every model of the ONNX project's backend tests through the compiler: it becomes a program whose
 * every bit the running kernel gives, too, or it is refused for a reason that names what is at
 * fault.
 *
 *   test-compile-onnx DATA [SHARE]    every SHARE-th of the programs goes through clang and the
 *                                     kernel (1: all; 0: none), the others through the reference
 *
 * Exits with 77 where there are no tests. Without clang or the right to load programs the kernel is
 * left out, and that is said.
 */
#include <errno.h>
#include <math.h>

#include "models/compiler/compile.h"
#include "models/compiler/frame.h"
#include "models/compiler/kernel.h"
#include "models/compiler/reference.h"
#include "models/import-onnx.h"
#include "models/operator.h"
#include "models/train/dataset.h"
#include "tests/harness/onnx-data.h"
#include "util/io.h"

#define ROWS 200
#define SHARE 8
#define SKIPPED 77

typedef struct Corpus {
        uint64_t share;
        const char *no_kernel; /* why not, or NULL */
        size_t n_models, n_imported, n_compiled, n_in_kernel, n_failed;
} Corpus;

static void fail(Corpus *c, const char *name, const char *what, const char *text) {
        printf("FAILED %s: %s: %s\n", name, what, text);
        c->n_failed++;
}

/* Whether the text tells one of the nodes by its operator and opset, or another thing by its name.
 */
static bool names_reason(const Graph *g, const char *text) {
        static const char *const others[] = {
                "input '",      " inputs: accepted", " outputs: accepted", " numbers in one",
                "no output of", "calibration row",   "the lowered model",  " steps: accepted",
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (strstr(text, others[i]))
                        return true;
        for (size_t i = 0; i < g->n_nodes; i++)
                if (strstr(text, g->nodes[i].op->name) && strstr(text, "(node '") &&
                    strstr(text, "opset "))
                        return true;
        return false;
}

/* One line of text that any terminal will take. */
static bool is_text(const char *text) {
        for (const char *p = text; *p; p++)
                if (*p < ' ' || *p > '~')
                        return false;
        return text[0];
}

static void make_rows(uint32_t *rows, size_t n_fields) {
        static const uint32_t few[] = {0, 1, 2, 3, 7};
        Random random = {.state = 1};

        for (size_t i = 0; i < ROWS * n_fields; i++)
                rows[i] = random_below(&random, 3) == 0
                                  ? (uint32_t)random_below(&random, 100)
                                  : few[random_below(&random, ELEMENTSOF(few))];
        for (size_t i = 0; i < n_fields; i++) /* what no calibration row has */
                rows[(ROWS - 1) * n_fields + i] = i % 2 ? UINT32_MAX : 1u << 31;
}

/* The reference on every row, and where m is given the kernel against it. */
static int compare(const Program *p, const KernelModel *m, const uint32_t *rows, Error *e) {
        _cleanup_free_
        int32_t *cells = calloc(p->n_cells + 1, sizeof(*cells));
        int32_t wanted[PROGRAM_OUTPUTS_MAX], got[PROGRAM_OUTPUTS_MAX];

        if (!cells)
                return -ENOMEM;
        for (size_t i = 0; i < ROWS; i++) {
                const uint32_t *row = rows + i * p->n_fields;
                int64_t reference = reference_run(p, row, cells, wanted), decision;
                int r = m ? kernel_model_run(m, row, &decision, got, e) : 0;

                if (r < 0)
                        return r;
                if (m && (decision != reference ||
                          memcmp(got, wanted, p->n_outputs * sizeof(*got)) != 0))
                        return error_set(e, -EBADMSG, "row %zu: the kernel gives something else",
                                         i);
        }
        return 0;
}

static void try_program(Corpus *c, const char *name, const Program *p, const uint32_t *rows) {
        _cleanup_(kernel_model_freep)
        KernelModel *m = NULL;
        Error e = ERROR_INIT;
        bool asked = !c->no_kernel && c->share > 0 && c->n_compiled % c->share == 0;
        int r = 0;

        c->n_compiled++;
        if (asked)
                r = kernel_model_make(p, &m, &e);
        if (r == -EPERM || r == -ENOENT) {
                c->no_kernel = r == -EPERM ? "no right to load programs" : "no clang or bpftool";
                r = 0;
        }
        if (r >= 0)
                r = compare(p, m, rows, &e);
        if (r < 0)
                fail(c, name, "in the kernel", e.text[0] ? e.text : strerror(-r));
        c->n_in_kernel += m && r >= 0;
}

static void try_graph(Corpus *c, const char *name, const Graph *g) {
        _cleanup_(program_freep)
        Program *p = NULL;
        _cleanup_free_
        uint32_t *rows = NULL;
        CalibrationRows calibration = {.n_rows = ROWS - 1};
        CompileOptions o = COMPILE_OPTIONS_INIT;
        Error e = ERROR_INIT;
        int r;

        r = compile_count_fields(g, &calibration.n_fields, &e);
        if (r >= 0) {
                rows = calloc(ROWS * calibration.n_fields, sizeof(*rows));
                if (!rows)
                        return fail(c, name, "rows", "out of memory");
                make_rows(rows, calibration.n_fields);
                calibration.rows = rows;
                o.calibration = &calibration;
                o.force = true;
                r = compile_graph(g, &o, &p, NULL, &e);
        }
        if (r >= 0)
                return try_program(c, name, p, rows);
        if (r != -ENOTSUP && r != -EINVAL && r != -EFBIG && r != -EOVERFLOW)
                fail(c, name, "not a refusal", strerror(-r));
        if (!is_text(e.text) || !names_reason(g, e.text))
                fail(c, name, "refused without a reason", e.text);
}

static void try_model(Corpus *c, const OnnxCase *model) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        _cleanup_free_
        void *data = NULL;
        Error e = ERROR_INIT;
        size_t size;

        c->n_models++;
        if (onnx_case_read(model, "model.onnx", &data, &size) < 0)
                return fail(c, model->name, "model.onnx", "cannot be read");
        if (import_onnx(data, size, &g, &e) < 0) {
                if (!is_text(e.text))
                        fail(c, model->name, "refused without a reason", e.text);
                return;
        }
        c->n_imported++;
        try_graph(c, model->name, g);
}

int main(int argc, char *argv[]) {
        _cleanup_free_
        OnnxCase *cases = NULL;
        Corpus c = {.share = SHARE};
        size_t n;

        if (argc < 2 || argc > 3 || (argc == 3 && parse_u64(argv[2], 0, 100000, &c.share) < 0)) {
                fputs("usage: test-compile-onnx DATA [SHARE]\n", stderr);
                return 2;
        }
        if (onnx_cases_list(argv[1], &cases, &n) < 0 || n == 0) {
                printf("SKIP: no ONNX test data below %s (package libonnx-testdata)\n", argv[1]);
                return SKIPPED;
        }
        for (size_t i = 0; i < n; i++)
                try_model(&c, cases + i);
        printf("%zu models: %zu read, %zu compiled, the rest refused by name; %zu equal in the "
               "kernel%s%s; %zu failed\n",
               c.n_models, c.n_imported, c.n_compiled, c.n_in_kernel, c.no_kernel ? ": " : "",
               c.no_kernel ?: "", c.n_failed);
        return c.n_failed > 0 || c.n_compiled == 0;
}
