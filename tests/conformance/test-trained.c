/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trained models on rows that neither training nor calibration saw: what the compiler chooses by
 * itself decides as the float engine does. Networks on at least 99.5 % of the rows, trees on all.
 *
 *   test-trained FOLDER [ROWS]              each *.onnx there, on so many rows (20,000)
 *   test-trained packets|sequence N SEED    rows as CSV: what make-trained.py trains with
 *
 * A model of 24 inputs gets rows of sequences, another the first so many fields of packets.
 */
#include <errno.h>
#include <glob.h>
#include <math.h>

#include "models/compiler/float-model.h"
#include "models/compiler/lower.h"
#include "models/compiler/model-file.h"
#include "models/compiler/reference.h"
#include "models/train/dataset.h"
#include "util/io.h"

#define PACKET_FIELDS 12
#define STEPS 6
#define STEP_FIELDS 4
#define SEQUENCE_FIELDS (STEPS * STEP_FIELDS)
#define CALIBRATION_ROWS 4000
#define CALIBRATION_SEED 2
#define HELD_OUT_SEED 3
#define AGREEMENT_MIN 0.995

static uint32_t whole(double x) {
        return (uint32_t)CLAMP(floor(x), 0.0, (double)UINT32_MAX);
}

/* ---- rows ---- */

/* Ports, lengths, flags, counts and times: some on few values, some with a heavy tail, all of them
 * going together a little. Returns a class of 3 that bends around in them. */
static unsigned packet_row(Random *r, uint32_t *ret) {
        static const uint32_t ports[] = {22, 53, 80, 123, 443, 8080};
        double base = random_normal(r), z[PACKET_FIELDS], score;

        for (size_t i = 0; i < PACKET_FIELDS; i++)
                z[i] = 0.6 * base + 0.8 * random_normal(r);
        ret[0] = z[0] > 0.3 ? ports[random_below(r, ELEMENTSOF(ports))]
                            : 1024 + (uint32_t)random_below(r, 64512);
        ret[1] = z[1] > 0 ? whole(1500 - 100 * fabs(random_normal(r))) : whole(40 - 30 * z[1]);
        ret[2] = z[2] > 0.5;
        ret[3] = whole(exp(7 + 2.5 * z[3]));
        ret[4] = whole(24 + 8 * z[4]);
        ret[5] = whole(1 + exp(1.5 + 1.2 * z[5]));
        ret[6] = z[6] > 0 ? 64 : 128 - (uint32_t)random_below(r, 20);
        ret[7] = z[7] > -0.5;
        ret[8] = whole(64 + 20 * z[8]);
        ret[9] = whole(exp(10 + 2 * z[9]));
        ret[10] = z[10] > 1 ? 17 : 6;
        ret[11] = whole(1000 * z[11] * z[11]);
        score = tanh(z[3]) * z[4] + fabs(z[5]) + (z[2] > 0.5 ? 0.5 : -0.5) * z[1] +
                0.4 * sin(2 * z[0]) + 0.2 * random_normal(r);
        return (score > 0.4) + (score > 1.4);
}

/* A walk in each of the step's numbers; the class is where it was, and when it turned. */
static unsigned sequence_row(Random *r, uint32_t *ret) {
        double at[STEP_FIELDS], memory = 0;

        for (size_t i = 0; i < STEP_FIELDS; i++)
                at[i] = random_normal(r);
        for (size_t t = 0; t < STEPS; t++) {
                for (size_t i = 0; i < STEP_FIELDS; i++) {
                        at[i] = 0.8 * at[i] + 0.6 * random_normal(r);
                        ret[t * STEP_FIELDS + i] = whole(300 + 100 * at[i]);
                }
                memory = 0.7 * memory + (at[0] > 0 ? tanh(at[1] * at[2]) : at[3]);
        }
        memory += 0.2 * random_normal(r);
        return (memory > -0.6) + (memory > 0.6);
}

static int print_rows(bool sequence, uint64_t n, uint64_t seed) {
        size_t n_fields = sequence ? SEQUENCE_FIELDS : PACKET_FIELDS;
        Random random = {.state = seed};

        for (size_t i = 0; i < n_fields; i++)
                printf("f%zu,", i);
        puts("label");
        for (uint64_t i = 0; i < n; i++) {
                uint32_t row[SEQUENCE_FIELDS];
                unsigned label = sequence ? sequence_row(&random, row) : packet_row(&random, row);

                for (size_t k = 0; k < n_fields; k++)
                        printf("%u,", row[k]);
                printf("%u\n", label);
        }
        return fflush(stdout) == 0 ? 0 : 1;
}

static uint32_t *make_rows(size_t n, size_t n_fields, uint64_t seed) {
        uint32_t *rows = calloc(n, n_fields * sizeof(*rows));
        Random random = {.state = seed};

        for (size_t i = 0; rows && i < n; i++) {
                uint32_t row[SEQUENCE_FIELDS];

                (void)(n_fields == SEQUENCE_FIELDS ? sequence_row(&random, row)
                                                   : packet_row(&random, row));
                memcpy(rows + i * n_fields, row, n_fields * sizeof(*rows));
        }
        return rows;
}

/* ---- models ---- */

/* Share of rows on which p decides as the graph does; below 0: an error. */
static double agreement(const Graph *g, const CompileOptions *o, const Program *p,
                        const uint32_t *rows, size_t n, Error *e) {
        _cleanup_(float_model_freep)
        FloatModel *floats = NULL;
        _cleanup_free_
        int32_t *cells = calloc(p->n_cells + 1, sizeof(*cells));
        size_t same = 0;

        if (!cells || float_model_new(g, o, &floats, e) < 0)
                return -1;
        for (size_t i = 0; i < n; i++) {
                const uint32_t *row = rows + i * p->n_fields;
                double outputs[PROGRAM_OUTPUTS_MAX];
                int64_t wanted;

                if (float_model_run(floats, row, &wanted, outputs, e) < 0)
                        return -1;
                same += reference_run(p, row, cells, NULL) == wanted;
        }
        return (double)same / (double)n;
}

/* Of one precision, or where it is -1 of the one chosen. Below 0: an error, told. */
static double try_precision(const Graph *g, int precision, const CalibrationRows *calibration,
                            const uint32_t *held_out, size_t n) {
        _cleanup_(program_freep)
        Program *p = NULL;
        CompileOptions o = COMPILE_OPTIONS_INIT;
        CompileReport report;
        Error e = ERROR_INIT;
        double share;

        o.calibration = calibration;
        o.precision = precision;
        if (compile_graph(g, &o, &p, &report, &e) < 0) {
                printf("FAILED: %s\n", e.text);
                return -1;
        }
        share = agreement(g, &o, p, held_out, n, &e);
        if (share < 0)
                printf("FAILED: %s\n", e.text);
        else
                printf(precision >= 0 ? "  %s %.4f" : "  chosen: %s %.4f",
                       p->trees_only ? "exact" : precision_name(p->precision), share);
        return share;
}

static int test_model(const char *path, size_t n) {
        _cleanup_(model_file_done)
        ModelFile model = MODEL_FILE_INIT;
        _cleanup_free_
        uint32_t *rows = NULL, *held_out = NULL;
        CalibrationRows calibration = {.n_rows = CALIBRATION_ROWS};
        const char *name = strrchr(path, '/') + 1;
        bool trees = strstr(name, "tree") || strstr(name, "forest");
        Error e = ERROR_INIT;
        double share = 0;

        printf("%-24s", name);
        if (model_file_read(&model, path, NULL, &e) < 0 ||
            lower_count_fields(model.graph, &calibration.n_fields, &e) < 0) {
                printf("FAILED: %s\n", e.text);
                return -EINVAL;
        }
        if (calibration.n_fields > PACKET_FIELDS && calibration.n_fields != SEQUENCE_FIELDS) {
                printf("FAILED: %zu inputs\n", calibration.n_fields);
                return -EINVAL;
        }
        rows = make_rows(CALIBRATION_ROWS, calibration.n_fields, CALIBRATION_SEED);
        held_out = make_rows(n, calibration.n_fields, HELD_OUT_SEED);
        if (!rows || !held_out)
                return -ENOMEM;
        calibration.rows = rows;
        for (int p = trees ? -1 : _PRECISION_COUNT - 1; p >= -1 && share >= 0; p--)
                share = try_precision(model.graph, p, &calibration, held_out, n);
        if (share < (trees ? 1 : AGREEMENT_MIN)) {
                puts("  FAILED: too few rows");
                return -EDOM;
        }
        putchar('\n');
        return 0;
}

static int test_models(const char *folder, size_t n) {
        _cleanup_free_
        char *pattern = NULL;
        glob_t found;
        int failed = 0;

        if (asprintf(&pattern, "%s/*.onnx", folder) < 0 || glob(pattern, 0, NULL, &found) != 0) {
                printf("FAILED: no models in %s\n", folder);
                return 1;
        }
        for (size_t i = 0; i < found.gl_pathc; i++)
                failed |= test_model(found.gl_pathv[i], n) < 0;
        globfree(&found);
        return failed;
}

int main(int argc, char *argv[]) {
        uint64_t n = 20000, seed;

        if (argc == 4 && (streq(argv[1], "packets") || streq(argv[1], "sequence")) &&
            parse_u64(argv[2], 1, 1000000, &n) >= 0 &&
            parse_u64(argv[3], 0, UINT32_MAX, &seed) >= 0)
                return print_rows(streq(argv[1], "sequence"), n, seed);
        if (argc == 2 || (argc == 3 && parse_u64(argv[2], 1, 1000000, &n) >= 0))
                return test_models(argv[1], (size_t)n);
        fputs("usage: test-trained FOLDER [ROWS] | packets|sequence N SEED\n", stderr);
        return 2;
}
