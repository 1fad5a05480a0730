/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-darknet train: rows and a split to cfg, weights and manifest. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>

#include "models/darknet/command.h"
#include "models/darknet/glue.h"
#include "models/darknet/net-cfg.h"
#include "models/darknet/trained.h"
#include "models/darknet/verbs.h"
#include "models/darknet/worker.h"

#include "models/import-darknet.h"
#include "util/io.h"

#define CFG_MAX ((size_t)1024 * 1024)

typedef struct Options {
        const char *rows, *split, *dir, *cfg, *name, *version, *description;
        NetShape shape;
        uint64_t seed;
        uint32_t batches; /* 0: the cfg's */
        double noise;
        bool refit;
} Options;

typedef struct Job {
        GlueTraining training;
        GlueProgress last;
        int report_fd;
        bool terminal;
        char cfg_path[MEMORY_FILE_PATH_MAX];
        char weights_path[MEMORY_FILE_PATH_MAX];
} Job;

static void send_progress(const GlueProgress *p, void *userdata) {
        worker_report(((const Job *)userdata)->report_fd, p, sizeof(*p));
}

static int work(int report_fd, void *userdata) {
        Job *j = userdata;

        j->report_fd = report_fd;
        return glue_train(&j->training, send_progress, j);
}

static void on_progress(const void *report, size_t size, void *userdata) {
        Job *j = userdata;
        bool last;

        if (size != sizeof(j->last))
                return;
        memcpy(&j->last, report, size);
        last = j->last.batch == j->last.batches;
        fprintf(stderr, "%sbatch %u of %u, loss %.4f", j->terminal ? "\r\033[K" : "", j->last.batch,
                j->last.batches, (double)j->last.loss);
        if (j->last.f1 >= 0)
                fprintf(stderr, ", validation macro-F1 %.3f (best %.3f at %u)", (double)j->last.f1,
                        (double)j->last.best_f1, j->last.best_batch);
        if (!j->terminal || last)
                fputc('\n', stderr);
}

/* One training in the worker; weights: the file's bytes. */
static int train_once(const Options *o, const char *cfg, const Sampler *train,
                      const Sampler *validation, const Standard *standard, uint32_t batches,
                      uint32_t *ret_best, char **ret_weights, size_t *ret_size, Error *e) {
        _cleanup_close_
        int cfg_fd = -EBADF, weights_fd = -EBADF;
        Job j = {.terminal = isatty(STDERR_FILENO)};
        int r;

        cfg_fd = memory_file_new("cfg", cfg, strlen(cfg), j.cfg_path);
        weights_fd = memory_file_new("weights", "", 0, j.weights_path);
        if (cfg_fd < 0 || weights_fd < 0)
                return cfg_fd < 0 ? cfg_fd : weights_fd;
        j.training = (GlueTraining){
                .cfg_path = j.cfg_path,
                .weights_path = j.weights_path,
                .train = train,
                .validation = validation,
                .standard = standard,
                .seed = o->seed,
                .batches = batches,
                .check_every = MAX(batches / 40, 1U),
                .noise = o->noise,
        };
        r = worker_run(work, &j,
                       &(WorkerOptions){.fds = (const int[]){cfg_fd, weights_fd},
                                        .n_fds = 2,
                                        .cpu_seconds = 1800,
                                        .memory = (size_t)1 << 30,
                                        .on_report = on_progress,
                                        .userdata = &j},
                       e);
        if (r == -ERANGE)
                return error_set(e, r, "training diverged: the loss is no number any more");
        if (r < 0)
                return error_set(e, r, "darknet could not train the network: %s", strerror(-r));
        *ret_best = j.last.best_batch;
        return memory_file_read(weights_fd, ret_weights, ret_size);
}

static int pick_sides(const RowTable *all, const Split *split, unsigned sides, RowTable *ret) {
        for (size_t i = 0; i < all->n; i++) {
                Row *row;

                if (all->rows[i].dormant ||
                    !(sides & (1U << split_side(split, all->rows[i].program))))
                        continue;
                row = row_table_add(ret);
                if (!row)
                        return -ENOMEM;
                *row = all->rows[i];
        }
        return 0;
}

typedef struct Phase {
        RowTable table;
        Sampler sampler;
} Phase;

static void phase_done(Phase *p) {
        sampler_done(&p->sampler);
        row_table_done(&p->table);
}

static int phase_init(Phase *p, const RowTable *all, const Split *split, unsigned sides) {
        int r = pick_sides(all, split, sides, &p->table);

        return r < 0 ? r : sampler_init(&p->sampler, &p->table);
}

static int check_classes(const Sampler *s, const char *path, Error *e) {
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                if (s->first_group[c] == s->first_group[c + 1])
                        return error_set(e, -ENODATA, "%s: no rows of class %s to train with", path,
                                         class_to_string((LoadClass)c));
        return 0;
}

static int train(const Options *o, const char *cfg, uint32_t batches, const RowTable *all,
                 const Split *split, Trained *ret, Error *e) {
        _cleanup_(phase_done)
        Phase teach = {.table = ROW_TABLE_INIT}, choose = teach, both = teach;
        bool chosen;
        int r;

        r = phase_init(&teach, all, split, 1U << SIDE_TRAIN);
        if (r < 0)
                return error_set(e, r, "%s: no rows of train programs", o->rows);
        r = check_classes(&teach.sampler, o->rows, e);
        if (r < 0)
                return r;
        r = phase_init(&choose, all, split, 1U << SIDE_VALIDATION);
        if (r < 0 && r != -ENODATA)
                return r;
        chosen = r >= 0;
        sampler_standard(&teach.sampler, &ret->standard);
        r = train_once(o, cfg, &teach.sampler, chosen ? &choose.sampler : NULL, &ret->standard,
                       batches, &ret->batches, &ret->weights, &ret->weights_size, e);
        if (r < 0 || !o->refit || !chosen)
                return r;
        fprintf(stderr, "training anew on train and validation programs, %u batches\n",
                ret->batches);
        if ((r = phase_init(&both, all, split, 1U << SIDE_TRAIN | 1U << SIDE_VALIDATION)) < 0)
                return r;
        free(ret->weights);
        ret->weights = NULL;
        sampler_standard(&both.sampler, &ret->standard);
        return train_once(o, cfg, &both.sampler, NULL, &ret->standard, ret->batches, &ret->batches,
                          &ret->weights, &ret->weights_size, e);
}

static int read_cfg(const Options *o, char **ret, Error *e) {
        size_t size;
        int r;

        if (!o->cfg) {
                *ret = net_cfg_new(&o->shape);
                return *ret ? 0 : -ENOMEM;
        }
        r = io_read_all_at(AT_FDCWD, o->cfg, CFG_MAX, ret, &size);
        return r < 0 ? error_set(e, r, "%s: %s", o->cfg, strerror(-r)) : 0;
}

static int run(const Options *o, Error *e) {
        _cleanup_(row_table_done)
        RowTable all = ROW_TABLE_INIT;
        _cleanup_(split_done)
        Split split = SPLIT_INIT;
        _cleanup_(trained_done)
        Trained t = {.name = o->name,
                     .version = o->version,
                     .description = o->description,
                     .seed = o->seed,
                     .noise = o->noise,
                     .refit = o->refit};
        uint32_t batches;
        int r;

        if ((r = read_cfg(o, &t.cfg, e)) < 0 ||
            (r = net_cfg_check(t.cfg, strlen(t.cfg), &batches, e)) < 0)
                return r;
        if (o->batches > 0)
                batches = o->batches;
        if (batches == 0)
                return error_set(e, -EINVAL, "%s: max_batches is not set, and no --batches given",
                                 o->cfg);
        if ((r = row_table_read_path(&all, o->rows, e)) < 0 ||
            (r = split_read(o->split, &split, e)) < 0 || (r = split_check(&split, &all, e)) < 0 ||
            (r = train(o, t.cfg, batches, &all, &split, &t, e)) < 0)
                return r;
        return trained_write(&t, &all, &split, o->dir, e);
}

static int parse_options(int argc, char *argv[], Options *o) {
        enum { REFIT = 256, HIDDEN, NOISE, DROPOUT, DECAY, DESCRIPTION };
        static const struct option options[] = {
                {"rows", required_argument, NULL, 'r'},
                {"split", required_argument, NULL, 's'},
                {"output-dir", required_argument, NULL, 'o'},
                {"cfg", required_argument, NULL, 'c'},
                {"seed", required_argument, NULL, 'S'},
                {"batches", required_argument, NULL, 'b'},
                {"name", required_argument, NULL, 'n'},
                {"model-version", required_argument, NULL, 'V'},
                {"description", required_argument, NULL, DESCRIPTION},
                {"hidden", required_argument, NULL, HIDDEN},
                {"noise", required_argument, NULL, NOISE},
                {"dropout", required_argument, NULL, DROPOUT},
                {"decay", required_argument, NULL, DECAY},
                {"refit", no_argument, NULL, REFIT},
                {},
        };
        uint64_t number;
        int c;

        while ((c = getopt_long(argc, argv, "o:", options, NULL)) >= 0)
                switch (c) {
                case 'r':
                        o->rows = optarg;
                        break;
                case 's':
                        o->split = optarg;
                        break;
                case 'o':
                        o->dir = optarg;
                        break;
                case 'c':
                        o->cfg = optarg;
                        break;
                case 'S':
                        if (command_number("train", "--seed", optarg, 0, UINT32_MAX, &o->seed) < 0)
                                return 2;
                        break;
                case 'b':
                        if (command_number("train", "--batches", optarg, 1, 10000000, &number) < 0)
                                return 2;
                        o->batches = o->shape.batches = (uint32_t)number;
                        break;
                case 'n':
                        o->name = optarg;
                        break;
                case 'V':
                        o->version = optarg;
                        break;
                case DESCRIPTION:
                        o->description = optarg;
                        break;
                case HIDDEN:
                        if (net_shape_parse_hidden(optarg, &o->shape) < 0)
                                return command_usage("train",
                                                     "--hidden: '%s' is not a list of at most %d "
                                                     "layer sizes, such as 32,32",
                                                     optarg, NET_HIDDEN_MAX);
                        break;
                case NOISE:
                        if (parse_double(optarg, 0, 10, &o->noise) < 0)
                                return command_usage("train", "--noise: '%s' is not in 0..10",
                                                     optarg);
                        break;
                case DROPOUT:
                        if (command_number("train", "--dropout", optarg, 0, 90, &number) < 0)
                                return 2;
                        o->shape.dropout = (uint32_t)number;
                        break;
                case DECAY:
                        if (parse_double(optarg, 0, 1, &o->shape.decay) < 0)
                                return command_usage("train", "--decay: '%s' is not in 0..1",
                                                     optarg);
                        break;
                case REFIT:
                        o->refit = true;
                        break;
                default:
                        return command_usage("train", "unknown option or missing value");
                }
        if (optind != argc)
                return command_usage("train", "'%s' is too much", argv[optind]);
        if (!o->rows || !o->split || !o->dir)
                return command_usage("train", "needs --rows FILE, --split FILE and -o DIRECTORY");
        if (!program_name_is_valid(o->name) || o->name[0] == '.')
                return command_usage("train", "--name: '%s' is not a name", o->name);
        if (strlen(o->version) >= 32 || o->version[0] == '\0')
                return command_usage("train", "--model-version: '%s' is not 1 to 31 characters",
                                     o->version);
        return 0;
}

int verb_train(int argc, char *argv[]) {
        Options o = {
                .name = "model",
                .version = "1",
                .description = "",
                .seed = 1,
                .noise = 0.1,
                .shape = {.hidden = {32, 32}, .n_hidden = 2, .batches = 6000, .decay = 0.0001},
        };
        Error e = ERROR_INIT;
        int r = parse_options(argc, argv, &o);

        if (r != 0)
                return r;
        r = run(&o, &e);
        return command_finish("train", r, &e);
}
