/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-darknet train: rows and a split to cfg, weights and manifest. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>

#include "models/darknet/command.h"
#include "models/darknet/committee.h"
#include "models/darknet/glue.h"
#include "models/darknet/net-cfg.h"
#include "models/darknet/progress.h"
#include "models/darknet/trained.h"
#include "models/darknet/verbs.h"
#include "models/darknet/worker.h"

#include "models/engine.h"
#include "models/import-darknet.h"
#include "models/verify.h"
#include "util/io.h"

#define CFG_MAX ((size_t)1024 * 1024)
#define WEIGHTS_MAX ((size_t)64 * 1024 * 1024)
#define BATCHES_MAX 10000000
#define RATE 0.1
#define FINE_RATE 0.01 /* what is known is not to be shaken off */

typedef struct Options {
        const char *rows, *split, *dir, *cfg, *from, *name, *version, *description;
        NetShape shape;
        uint64_t seed;
        uint32_t batches;  /* 0: the cfg's */
        uint64_t epochs;   /* 0: by batches */
        uint64_t patience; /* checks; 0: none */
        uint64_t members;  /* networks that become one */
        double noise;
        bool refit;
        bool json; /* progress */
} Options;

/* What --from goes on from. */
typedef struct Origin {
        Manifest manifest;
        char *cfg, *weights;
        size_t weights_size;
        RowTable rows; /* that judged it */
} Origin;

static void origin_done(Origin *o) {
        free(o->cfg);
        free(o->weights);
        row_table_done(&o->rows);
}

typedef struct Job {
        GlueTraining training;
        Progress progress;
        int report_fd;
        char cfg_path[MEMORY_FILE_PATH_MAX];
        char weights_path[MEMORY_FILE_PATH_MAX];
        char from_path[MEMORY_FILE_PATH_MAX];
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
        GlueProgress p;

        if (size != sizeof(p))
                return;
        memcpy(&p, report, size);
        progress_report(&((Job *)userdata)->progress, &p);
}

/* One training in the worker; ret: weights, the file's bytes, and how long it took. */
static int train_once(const Options *o, const Origin *origin, const char *cfg, const Sampler *train,
                      const Sampler *validation, const Standard *standard, uint32_t batches,
                      uint64_t seed, Trained *ret, Error *e) {
        _cleanup_close_
        int cfg_fd = -EBADF, weights_fd = -EBADF, from_fd = -EBADF;
        Job j = {};
        int r;

        cfg_fd = memory_file_new("cfg", cfg, strlen(cfg), j.cfg_path);
        weights_fd = memory_file_new("weights", "", 0, j.weights_path);
        from_fd = memory_file_new("from", origin->weights ?: "", origin->weights_size, j.from_path);
        if (cfg_fd < 0 || weights_fd < 0 || from_fd < 0)
                return MIN(cfg_fd, MIN(weights_fd, from_fd));
        progress_begin(&j.progress, o->json, (double)sampler_rows(train) / net_cfg_batch(cfg));
        j.training = (GlueTraining){
                .cfg_path = j.cfg_path,
                .weights_path = j.weights_path,
                .from_path = origin->weights ? j.from_path : NULL,
                .train = train,
                .validation = validation,
                .standard = standard,
                .seed = seed,
                .batches = batches,
                .check_every = MAX(batches / 40, 1U),
                .patience = (uint32_t)o->patience,
                .noise = o->noise,
        };
        r = worker_run(work, &j,
                       &(WorkerOptions){.fds = (const int[]){cfg_fd, weights_fd, from_fd},
                                        .n_fds = 3,
                                        .cpu_seconds = 1800,
                                        .memory = (size_t)1 << 30,
                                        .on_report = on_progress,
                                        .userdata = &j},
                       e);
        if (r == -ERANGE)
                return error_set(e, r, "training diverged: the loss is no number any more");
        if (r < 0)
                return error_set(e, r, "darknet could not train the network: %s", strerror(-r));
        ret->batches = j.progress.last.best_batch;
        ret->epochs = ret->batches / j.progress.epoch_batches;
        ret->stopped = j.progress.last.stopped;
        return memory_file_read(weights_fd, &ret->weights, &ret->weights_size);
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

/* Inputs are standardised as the weights are used to. */
static void choose_standard(const Origin *origin, const Sampler *s, Standard *ret) {
        if (!origin->weights) {
                sampler_standard(s, ret);
                return;
        }
        memcpy(ret->mean, origin->manifest.mean, sizeof(ret->mean));
        memcpy(ret->deviation, origin->manifest.deviation, sizeof(ret->deviation));
}

typedef struct Members {
        char *weights[COMMITTEE_MAX];
        size_t sizes[COMMITTEE_MAX];
        size_t n;
} Members;

static void members_done(Members *m) {
        for (size_t k = 0; k < m->n; k++)
                free(m->weights[k]);
}

/* Each to the end: what stopping at the right moment does for one network, averaging does for them
 * all. ret: the cfg of one goes in, that of the whole and its weights come out. */
static int train_members(const Options *o, const Sampler *s, uint32_t batches, Members *m,
                         Trained *ret, Error *e) {
        static const Origin none = {};
        int r;

        for (; m->n < o->members; m->n++) {
                Trained one = {};

                if (!o->json)
                        fprintf(stderr, "network %zu of %" PRIu64 "\n", m->n + 1, o->members);
                r = train_once(o, &none, ret->cfg, s, NULL, &ret->standard, batches, o->seed + m->n,
                               &one, e);
                if (r < 0)
                        return r;
                m->weights[m->n] = one.weights;
                m->sizes[m->n] = one.weights_size;
                ret->batches = one.batches;
                ret->epochs = one.epochs;
        }
        return 0;
}

/* The members as one network, in ret in place of what was there. */
static int fold_members(const Options *o, const Members *m, Trained *ret, Error *e) {
        NetShape wide = committee_shape(&o->shape, m->n);
        int r;

        free(TAKE_PTR(ret->cfg));
        free(TAKE_PTR(ret->weights));
        ret->cfg = net_cfg_new(&wide);
        if (!ret->cfg)
                return -ENOMEM;
        r = committee_fold(&o->shape, FEATURE_COUNT, (const char *const *)m->weights, m->sizes,
                           m->n, ret->temperature, &ret->weights, &ret->weights_size);
        return r < 0 ? error_set(e, r, "darknet wrote weights of another shape") : 0;
}

/* How much surer the network is of programs that it does not know than it should be. */
static int fit_temperature(const Sampler *s, Trained *t, Error *e) {
        _cleanup_(model_freep)
        Model *model = NULL;
        _cleanup_free_
        Prediction *predictions = calloc(sampler_rows(s), sizeof(*predictions));
        _cleanup_free_
        LoadClass *truth = calloc(sampler_rows(s), sizeof(*truth));
        int r;

        if (!predictions || !truth || !s->table)
                return -ENOMEM;
        r = trained_load(t, &model, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sampler_rows(s); i++) {
                model_predict(model, s->table->rows[i].x, 1, &predictions[i]);
                truth[i] = s->table->rows[i].label;
        }
        t->temperature = temperature_fit(predictions, truth, NULL, sampler_rows(s));
        return 0;
}

static int train_committee(const Options *o, uint32_t batches, const RowTable *all,
                           const Split *split, const Sampler *teach, const Sampler *choose,
                           Trained *ret, Error *e) {
        _cleanup_(members_done)
        Members first = {}, again = {};
        _cleanup_(phase_done)
        Phase both = {.table = ROW_TABLE_INIT};
        _cleanup_free_
        char *cfg = strdup(ret->cfg);
        int r;

        if (!cfg)
                return -ENOMEM;
        sampler_standard(teach, &ret->standard);
        if ((r = train_members(o, teach, batches, &first, ret, e)) < 0 ||
            (r = fold_members(o, &first, ret, e)) < 0 || !choose)
                return r;
        if ((r = fit_temperature(choose, ret, e)) < 0)
                return r;
        fprintf(stderr, "temperature %.3f by the validation programs\n", ret->temperature);
        if (!o->refit)
                return fold_members(o, &first, ret, e);
        fprintf(stderr, "training anew on train and validation programs\n");
        if ((r = phase_init(&both, all, split, 1U << SIDE_TRAIN | 1U << SIDE_VALIDATION)) < 0)
                return r;
        free(ret->cfg);
        ret->cfg = TAKE_PTR(cfg);
        sampler_standard(&both.sampler, &ret->standard);
        if ((r = train_members(o, &both.sampler, batches, &again, ret, e)) < 0)
                return r;
        return fold_members(o, &again, ret, e);
}

static int train(const Options *o, const Origin *origin, uint32_t batches, const RowTable *all,
                 const Split *split, Trained *ret, Error *e) {
        _cleanup_(phase_done)
        Phase teach = {.table = ROW_TABLE_INIT}, choose = teach, both = teach;
        bool chosen;
        int r;

        r = phase_init(&teach, all, split, 1U << SIDE_TRAIN);
        if (r < 0)
                return error_set(e, r, "%s: no rows of train programs", o->rows);
        /* The weights of before know the others. */
        r = origin->weights ? 0 : check_classes(&teach.sampler, o->rows, e);
        if (r < 0)
                return r;
        r = phase_init(&choose, all, split, 1U << SIDE_VALIDATION);
        if (r < 0 && r != -ENODATA)
                return r;
        chosen = r >= 0;
        if (o->members > 1)
                return train_committee(o, batches, all, split, &teach.sampler,
                                       chosen ? &choose.sampler : NULL, ret, e);
        choose_standard(origin, &teach.sampler, &ret->standard);
        r = train_once(o, origin, ret->cfg, &teach.sampler, chosen ? &choose.sampler : NULL,
                       &ret->standard, batches, o->seed, ret, e);
        if (r < 0 || !o->refit || !chosen)
                return r;
        fprintf(stderr, "training anew on train and validation programs, %u batches\n",
                ret->batches);
        if ((r = phase_init(&both, all, split, 1U << SIDE_TRAIN | 1U << SIDE_VALIDATION)) < 0)
                return r;
        free(ret->weights);
        ret->weights = NULL;
        choose_standard(origin, &both.sampler, &ret->standard);
        return train_once(o, origin, ret->cfg, &both.sampler, NULL, &ret->standard, ret->batches,
                          o->seed, ret, e);
}

/* The model to go on from, checked as if it were to be used. */
static int read_origin(const Options *o, Origin *ret, Error *e) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        _cleanup_free_
        char *cfg_path = NULL, *weights_path = NULL;
        const char *slash = strrchr(o->from, '/');
        int folder = slash ? (int)(slash - o->from) + 1 : 0, r;
        size_t size;

        r = verification_run(o->from, &v, e);
        if (r < 0)
                return r;
        if (v.manifest.format != MODEL_FORMAT_DARKNET)
                return error_set(e, -EINVAL,
                                 "%s: an ONNX model: darknet trains its own networks further, and "
                                 "no others",
                                 o->from);
        ret->manifest = v.manifest;
        ret->rows = v.rows;
        v.rows = ROW_TABLE_INIT;
        if (asprintf(&cfg_path, "%.*s%s", folder, o->from, v.manifest.cfg.file) < 0 ||
            asprintf(&weights_path, "%.*s%s", folder, o->from, v.manifest.weights.file) < 0)
                return -ENOMEM;
        r = io_read_all_at(AT_FDCWD, cfg_path, CFG_MAX, &ret->cfg, &size);
        if (r >= 0)
                r = io_read_all_at(AT_FDCWD, weights_path, WEIGHTS_MAX, &ret->weights,
                                   &ret->weights_size);
        return r < 0 ? error_set(e, r, "%s: %s", o->from, strerror(-r)) : 0;
}

/* The cfg without regard to how long it will be trained. */
static int read_cfg(const Options *o, const Origin *origin, char **ret, Error *e) {
        size_t size;
        int r;

        if (!o->cfg) {
                *ret = origin->cfg ? strdup(origin->cfg) : net_cfg_new(&o->shape);
                return *ret ? 0 : -ENOMEM;
        }
        r = io_read_all_at(AT_FDCWD, o->cfg, CFG_MAX, ret, &size);
        return r < 0 ? error_set(e, r, "%s: %s", o->cfg, strerror(-r)) : 0;
}

/* What judged the model that it goes on from judges this one too, and so do those programs' rows
 * here: what is forgotten counts, and nothing teaches that judges. */
static int add_origin(const Origin *origin, RowTable *all, Split *split, Error *e) {
        for (size_t i = 0; i < origin->rows.n; i++) {
                Row *row = row_table_add(all);
                int r;

                if (!row)
                        return -ENOMEM;
                *row = origin->rows.rows[i];
                r = split_set(split, row->program, SIDE_VALIDATION);
                if (r < 0)
                        return error_set(e, r, "out of memory");
        }
        return 0;
}

static size_t count_side(const RowTable *all, const Split *split, Side side) {
        size_t n = 0;

        for (size_t i = 0; i < all->n; i++)
                n += !all->rows[i].dormant && split_side(split, all->rows[i].program) == (int)side;
        return n;
}

/* How long to train, and a cfg whose schedule goes with it. */
static int plan(const Options *o, const Origin *origin, const RowTable *all, const Split *split,
                char **cfg, uint32_t *ret_batches, Error *e) {
        uint64_t batches = o->batches;
        char *again;
        int r;

        r = net_cfg_check(*cfg, strlen(*cfg), ret_batches, e);
        if (r < 0)
                return r;
        if (o->epochs > 0) {
                size_t n = count_side(all, split, SIDE_TRAIN), batch = net_cfg_batch(*cfg);

                batches = (o->epochs * n + batch - 1) / batch;
                if (batches == 0 || batches > BATCHES_MAX)
                        return error_set(e, -EINVAL,
                                         "%" PRIu64 " epochs of %zu rows are %" PRIu64
                                         " batches, must be 1 to %d",
                                         o->epochs, n, batches, BATCHES_MAX);
        }
        if (batches > 0)
                *ret_batches = (uint32_t)batches;
        if (*ret_batches == 0)
                return error_set(e, -EINVAL, "%s: max_batches is not set, and no --batches given",
                                 o->cfg);
        /* A cfg of one's own keeps its schedule. */
        if (o->cfg || !(origin->cfg || o->epochs > 0))
                return 0;
        again = net_cfg_reschedule(*cfg, *ret_batches, origin->cfg ? FINE_RATE : RATE);
        if (!again)
                return -ENOMEM;
        free(*cfg);
        *cfg = again;
        return net_cfg_check(*cfg, strlen(*cfg), ret_batches, e);
}

static int run(const Options *o, Error *e) {
        _cleanup_(row_table_done)
        RowTable all = ROW_TABLE_INIT;
        _cleanup_(split_done)
        Split split = SPLIT_INIT;
        _cleanup_(origin_done)
        Origin origin = {};
        _cleanup_(trained_done)
        Trained t = {.name = o->name,
                     .version = o->version,
                     .description = o->description,
                     .seed = o->seed,
                     .noise = o->noise,
                     .members = (uint32_t)o->members,
                     .temperature = 1,
                     .refit = o->refit};
        uint32_t batches;
        int r;

        if ((o->from && (r = read_origin(o, &origin, e)) < 0) ||
            (r = read_cfg(o, &origin, &t.cfg, e)) < 0 ||
            (r = net_cfg_check(t.cfg, strlen(t.cfg), &batches, e)) < 0 ||
            (r = row_table_read_path(&all, o->rows, e)) < 0 ||
            (r = o->split ? split_read(o->split, &split, e)
                          : split_make(&all, /* every_class= */ !o->from, &split, e)) < 0 ||
            (r = add_origin(&origin, &all, &split, e)) < 0 ||
            (r = split_check(&split, &all, e)) < 0 ||
            (r = plan(o, &origin, &all, &split, &t.cfg, &batches, e)) < 0)
                return r;
        if (o->from)
                t.from = origin.manifest.name;
        if ((r = train(o, &origin, batches, &all, &split, &t, e)) < 0)
                return r;
        return trained_write(&t, &all, &split, o->dir, e);
}

static int parse_options(int argc, char *argv[], Options *o) {
        enum {
                REFIT = 256,
                HIDDEN,
                NOISE,
                DROPOUT,
                DECAY,
                DESCRIPTION,
                EPOCHS,
                PATIENCE,
                PROGRESS,
                FROM,
                MEMBERS,
        };
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
                {"members", required_argument, NULL, MEMBERS},
                {"refit", no_argument, NULL, REFIT},
                {"epochs", required_argument, NULL, EPOCHS},
                {"patience", required_argument, NULL, PATIENCE},
                {"progress", required_argument, NULL, PROGRESS},
                {"from", required_argument, NULL, FROM},
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
                        if (command_number("train", "--batches", optarg, 1, BATCHES_MAX, &number) <
                            0)
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
                case MEMBERS:
                        if (command_number("train", "--members", optarg, 1, COMMITTEE_MAX,
                                           &o->members) < 0)
                                return 2;
                        break;
                case EPOCHS:
                        if (command_number("train", "--epochs", optarg, 1, 100000, &o->epochs) < 0)
                                return 2;
                        break;
                case PATIENCE:
                        if (command_number("train", "--patience", optarg, 0, 1000, &o->patience) <
                            0)
                                return 2;
                        break;
                case PROGRESS:
                        if (!streq(optarg, "text") && !streq(optarg, "json"))
                                return command_usage("train",
                                                     "--progress: '%s' is neither text nor json",
                                                     optarg);
                        o->json = streq(optarg, "json");
                        break;
                case FROM:
                        o->from = optarg;
                        break;
                case REFIT:
                        o->refit = true;
                        break;
                default:
                        return command_usage("train", "unknown option or missing value");
                }
        if (optind != argc)
                return command_usage("train", "'%s' is too much", argv[optind]);
        if (!o->rows || !o->dir)
                return command_usage("train", "needs --rows FILE and -o DIRECTORY");
        if (o->epochs > 0 && o->batches > 0)
                return command_usage("train", "takes --epochs or --batches, not both");
        if (o->from && o->cfg)
                return command_usage("train", "takes --from or --cfg, not both");
        if (o->members > 1 && (o->from || o->cfg))
                return command_usage("train", "takes --members with neither --from nor --cfg");
        for (size_t i = 0; i < o->shape.n_hidden; i++)
                if (o->shape.hidden[i] * o->members > ENGINE_WIDTH_MAX)
                        return command_usage("train",
                                             "--members: %" PRIu64 " layers of %u units are wider "
                                             "than %zu",
                                             o->members, o->shape.hidden[i], ENGINE_WIDTH_MAX);
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
                .members = 1,
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
