/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-darknet predict: darknet's or the rules' probabilities for rows. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>

#include "models/darknet/command.h"
#include "models/darknet/predict.h"
#include "models/darknet/verbs.h"

#include "models/manifest.h"
#include "models/model.h"
#include "models/train/dataset.h"
#include "util/io.h"

#define FILE_MAX ((size_t)256 * 1024 * 1024)

typedef struct Arguments {
        const char *manifest, *cfg, *weights, *rows, *out;
        bool rules;
} Arguments;

/* Path of a file beside the manifest. */
static int beside(const char *manifest, const char *file, char **ret) {
        const char *slash = strrchr(manifest, '/');
        int length = slash ? (int)(slash - manifest) + 1 : 0;
        char *path;

        if (asprintf(&path, "%.*s%s", length, manifest, file) < 0)
                return -ENOMEM;
        *ret = path;
        return 0;
}

/* As the daemon says it of a process that sleeps for long. */
static void say_idle(const RowTable *t, float *p) {
        for (size_t i = 0; i < t->n; i++, p += _CLASS_COUNT)
                if (t->rows[i].dormant)
                        for (size_t c = 0; c < _CLASS_COUNT; c++)
                                p[c] = c == CLASS_IDLE;
}

static int write_predictions(const RowTable *t, const float *p, const char *path, Error *e) {
        _cleanup_fclose_
        FILE *opened = NULL;
        FILE *f = stdout;

        if (path && !streq(path, "-")) {
                f = opened = fopen(path, "we");
                if (!opened)
                        return error_set(e, -errno, "%s: %m", path);
        }
        fprintf(f, "program,run,pid,t,label,predicted");
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                fprintf(f, ",p_%s", class_to_string((LoadClass)c));
        fputc('\n', f);
        for (size_t i = 0; i < t->n; i++, p += _CLASS_COUNT) {
                const Row *row = &t->rows[i];
                Prediction prediction;

                memcpy(prediction.probability, p, sizeof(prediction.probability));
                fprintf(f, "%s,%s,%d,%.3f,%s,%s", row->program, row->run, (int)row->pid, row->at,
                        class_to_string(row->label),
                        class_to_string(prediction_class(&prediction)));
                for (size_t c = 0; c < _CLASS_COUNT; c++)
                        fprintf(f, ",%.9g", (double)p[c]);
                fputc('\n', f);
        }
        errno = 0;
        if (fflush(f) != 0 || ferror(f))
                return error_set(e, errno > 0 ? -errno : -EIO, "%s: %m", path ? path : "output");
        return 0;
}

static int run_rules(const Arguments *a, Error *e) {
        _cleanup_(row_table_done)
        RowTable table = ROW_TABLE_INIT;
        _cleanup_(model_freep)
        Model *rules = NULL;
        _cleanup_free_
        float *out = NULL;
        int r;

        if ((r = row_table_read_path(&table, a->rows, e)) < 0 || (r = rules_model_new(&rules)) < 0)
                return r;
        out = calloc(table.n * _CLASS_COUNT, sizeof(float));
        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < table.n; i++) {
                Prediction prediction;

                model_predict(rules, table.rows[i].x, 1, &prediction);
                memcpy(out + i * _CLASS_COUNT, prediction.probability,
                       sizeof(prediction.probability));
        }
        say_idle(&table, out);
        return write_predictions(&table, out, a->out, e);
}

static int run(const Arguments *a, Error *e) {
        _cleanup_(row_table_done)
        RowTable table = ROW_TABLE_INIT;
        _cleanup_free_
        char *cfg_path = NULL, *weights_path = NULL, *cfg = NULL, *weights = NULL;
        _cleanup_free_
        float *x = NULL, *out = NULL;
        size_t cfg_size, weights_size;
        Manifest manifest;
        Standard standard;
        int r;

        if (a->manifest) {
                if ((r = manifest_load(a->manifest, &manifest, e)) < 0)
                        return r;
                if (manifest.format != MODEL_FORMAT_DARKNET)
                        return error_set(e, -EINVAL, "%s: an ONNX model, which darknet cannot run",
                                         a->manifest);
                if ((r = beside(a->manifest, manifest.cfg.file, &cfg_path)) < 0 ||
                    (r = beside(a->manifest, manifest.weights.file, &weights_path)) < 0)
                        return r;
                memcpy(standard.mean, manifest.mean, sizeof(standard.mean));
                memcpy(standard.deviation, manifest.deviation, sizeof(standard.deviation));
        } else if (!(cfg_path = strdup(a->cfg)) || !(weights_path = strdup(a->weights))) {
                return -ENOMEM;
        }
        r = io_read_all_at(AT_FDCWD, cfg_path, FILE_MAX, &cfg, &cfg_size);
        if (r < 0)
                return error_set(e, r, "%s: %s", cfg_path, strerror(-r));
        r = io_read_all_at(AT_FDCWD, weights_path, FILE_MAX, &weights, &weights_size);
        if (r < 0)
                return error_set(e, r, "%s: %s", weights_path, strerror(-r));
        r = row_table_read_path(&table, a->rows, e);
        if (r < 0)
                return r;
        x = calloc(table.n * FEATURE_COUNT, sizeof(float));
        out = calloc(table.n * _CLASS_COUNT, sizeof(float));
        if (!x || !out)
                return -ENOMEM;
        for (size_t i = 0; i < table.n; i++)
                if (a->manifest)
                        standard_apply(&standard, table.rows[i].x, x + i * FEATURE_COUNT);
                else
                        memcpy(x + i * FEATURE_COUNT, table.rows[i].x, sizeof(table.rows[i].x));
        r = predict_rows(cfg, cfg_size, weights, weights_size, x, table.n, out, e);
        if (r < 0)
                return r;
        say_idle(&table, out);
        return write_predictions(&table, out, a->out, e);
}

int verb_predict(int argc, char *argv[]) {
        static const struct option options[] = {
                {"manifest", required_argument, NULL, 'm'},
                {"cfg", required_argument, NULL, 'c'},
                {"weights", required_argument, NULL, 'w'},
                {"rows", required_argument, NULL, 'r'},
                {"output", required_argument, NULL, 'o'},
                {"model", required_argument, NULL, 'M'},
                {},
        };
        Arguments a = {.manifest = NULL};
        Error e = ERROR_INIT;
        int c, r;

        while ((c = getopt_long(argc, argv, "o:", options, NULL)) >= 0)
                switch (c) {
                case 'm':
                        a.manifest = optarg;
                        break;
                case 'c':
                        a.cfg = optarg;
                        break;
                case 'w':
                        a.weights = optarg;
                        break;
                case 'M':
                        if (!streq(optarg, "rules"))
                                return command_usage("predict", "--model: '%s' is not 'rules'",
                                                     optarg);
                        a.rules = true;
                        break;
                case 'r':
                        a.rows = optarg;
                        break;
                case 'o':
                        a.out = optarg;
                        break;
                default:
                        return command_usage("predict", "unknown option or missing value");
                }
        if (optind != argc)
                return command_usage("predict", "'%s' is too much", argv[optind]);
        if (!a.rows || a.rules + !!a.manifest + (a.cfg || a.weights) != 1 || !a.cfg != !a.weights)
                return command_usage("predict",
                                     "needs --rows FILE and one of --manifest FILE, --model rules, "
                                     "or --cfg FILE and --weights FILE");
        r = a.rules ? run_rules(&a, &e) : run(&a, &e);
        return command_finish("predict", r, &e);
}
