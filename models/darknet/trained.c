/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>

#include "models/darknet/trained.h"

#include "models/import-darknet.h"
#include "models/manifest.h"
#include "models/verify.h"
#include "models/train/evaluate.h"
#include "models/train/extract.h"
#include "util/io.h"

void trained_done(Trained *t) {
        free(t->cfg);
        free(t->weights);
        t->cfg = t->weights = NULL;
}

int trained_load(const Trained *t, Model **ret, Error *e) {
        _cleanup_(engine_freep)
        Engine *engine = NULL;
        Error why = ERROR_INIT;
        int r;

        r = import_darknet(t->cfg, strlen(t->cfg), t->weights, t->weights_size, &engine, &why);
        if (r < 0)
                return error_set(e, r, "darknet wrote weights that cannot be used: %s",
                                 why.text[0] ? why.text : strerror(-r));
        r = network_model_new(t->name, t->version, "", t->standard.mean, t->standard.deviation,
                              engine, ret);
        if (r >= 0)
                TAKE_PTR(engine);
        return r;
}

/* A number as text that reads back to the same float. */
static json_object *number(float f) {
        char text[32];

        snprintf(text, sizeof(text), "%.9g", (double)f);
        return json_object_new_double_s((double)f, text);
}

static json_object *file_object(const char *dir, const char *file, Error *e) {
        json_object *o = json_object_new_object();
        _cleanup_free_
        char *path = NULL;
        char digest[65];
        int r;

        r = asprintf(&path, "%s/%s", dir, file);
        if (r < 0) {
                path = NULL; /* asprintf() leaves anything there */
                r = -ENOMEM;
        } else
                r = manifest_digest_file(path, digest);
        if (r < 0) {
                error_set(e, r, "%s/%s: %s", dir, file, strerror(-r));
                json_object_put(o);
                return NULL;
        }
        json_object_object_add(o, "file", json_object_new_string(file));
        json_object_object_add(o, "sha256", json_object_new_string(digest));
        return o;
}

static json_object *features_array(const Standard *s) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                json_object *o = json_object_new_object();

                json_object_object_add(o, "name", json_object_new_string(feature_table[i].name));
                json_object_object_add(o, "mean", number(s->mean[i]));
                json_object_object_add(o, "deviation", number(s->deviation[i]));
                json_object_array_add(list, o);
        }
        return list;
}

/* Rows and figures of one side: how it did, by class and by program. */
static int side_object(Model *m, const RowTable *all, const Split *split, Side side,
                       json_object **ret) {
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        _cleanup_(evaluation_done)
        Evaluation evaluation = EVALUATION_INIT;
        int r;

        for (size_t i = 0; i < all->n; i++) {
                Row *row;

                if (all->rows[i].dormant || split_side(split, all->rows[i].program) != (int)side)
                        continue;
                row = row_table_add(&t);
                if (!row)
                        return -ENOMEM;
                *row = all->rows[i];
        }
        r = evaluate_model(m, &t, &evaluation);
        if (r < 0)
                return r;
        *ret = evaluation_to_json(&evaluation);
        return 0;
}

static int training_object(const Trained *t, Model *m, const RowTable *all, const Split *split,
                           json_object **ret) {
        json_object *o = json_object_new_object();
        int r;

        json_object_object_add(o, "by", json_object_new_string("darknet, SGD with momentum"));
        json_object_object_add(o, "seed", json_object_new_int64((int64_t)t->seed));
        json_object_object_add(o, "batches", json_object_new_int64(t->batches));
        json_object_object_add(o, "epochs", number((float)t->epochs));
        json_object_object_add(o, "stopped_early", json_object_new_boolean(t->stopped));
        if (t->from)
                json_object_object_add(o, "from", json_object_new_string(t->from));
        json_object_object_add(o, "members", json_object_new_int64(t->members));
        json_object_object_add(o, "temperature", number((float)t->temperature));
        json_object_object_add(o, "input_noise", number((float)t->noise));
        json_object_object_add(o, "validation_programs_taught", json_object_new_boolean(t->refit));
        for (size_t s = 0; s < _SIDE_COUNT; s++) {
                json_object *side = NULL;

                r = side_object(m, all, split, (Side)s, &side);
                if (r < 0) {
                        json_object_put(o);
                        return r;
                }
                json_object_object_add(o, side_to_string((Side)s), side);
        }
        *ret = o;
        return 0;
}

/* The most rows of each class and program so that all together are no more than a daemon takes. As
 * all weigh the same, what is few stays whole. */
static size_t rows_of_group(const Sampler *s) {
        size_t most = MODEL_ROWS_MAX, all;

        for (;; most--) {
                all = 0;
                for (size_t g = 0; g < s->n_groups; g++)
                        all += MIN(s->groups[g].n, most);
                if (all <= MODEL_ROWS_MAX || most == 1)
                        return most;
        }
}

/* Rows of programs that taught nothing, evenly picked where there are too many. */
static int pick_validation(const Trained *t, const RowTable *all, const Split *split,
                           RowTable *ret) {
        _cleanup_(row_table_done)
        RowTable rows = ROW_TABLE_INIT;
        _cleanup_(sampler_done)
        Sampler s = SAMPLER_INIT;
        size_t most;
        int r;

        for (size_t i = 0; i < all->n && !t->refit; i++) {
                Row *row;

                if (all->rows[i].dormant ||
                    split_side(split, all->rows[i].program) != SIDE_VALIDATION)
                        continue;
                row = row_table_add(&rows);
                if (!row)
                        return -ENOMEM;
                *row = all->rows[i];
        }
        r = sampler_init(&s, &rows);
        if (r < 0)
                return r == -ENODATA ? 0 : r;
        most = rows_of_group(&s);
        for (size_t g = 0; g < s.n_groups; g++) {
                const Group *group = &s.groups[g];
                size_t n = MIN(group->n, most);

                for (size_t i = 0; i < n && ret->n < MODEL_ROWS_MAX; i++) {
                        Row *row = row_table_add(ret);

                        if (!row)
                                return -ENOMEM;
                        *row = rows.rows[s.order[group->first + i * group->n / n]];
                }
        }
        return 0;
}

static int write_validation(const RowTable *rows, int dir_fd, const char *name) {
        _cleanup_free_
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return -ENOMEM;
        r = row_table_write(rows, f);
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        return r < 0 ? r : io_replace_at(dir_fd, name, text, size, 0644);
}

static json_object *validation_object(Model *m, const RowTable *rows, const char *dir,
                                      const char *name, Error *e) {
        ModelScore score;
        json_object *o;
        char text[32];

        if (model_score(m, rows, &score) < 0)
                return NULL;
        o = file_object(dir, name, e);
        snprintf(text, sizeof(text), "%.6f", score.macro_f1);
        if (o)
                json_object_object_add(o, "macro_f1",
                                       json_object_new_double_s(score.macro_f1, text));
        return o;
}

/* The files' names in the folder. */
typedef struct Names {
        char cfg[96], weights[96], validation[96], manifest[96];
} Names;

static int manifest_text(const Trained *t, Model *m, const RowTable *all, const Split *split,
                         const RowTable *validation, const char *dir, const Names *names,
                         char **ret, Error *e) {
        json_object *o = json_object_new_object(), *list, *cfg, *weights, *training = NULL;
        json_object *judged = NULL;
        char schema[32], *text = NULL;
        int r = -EIO;

        snprintf(schema, sizeof(schema), "0x%016llx", (unsigned long long)feature_schema_hash());
        cfg = file_object(dir, names->cfg, e);
        weights = cfg ? file_object(dir, names->weights, e) : NULL;
        if (weights && validation->n > 0)
                judged = validation_object(m, validation, dir, names->validation, e);
        if (!cfg || !weights || (validation->n > 0 && !judged) ||
            (r = training_object(t, m, all, split, &training)) < 0) {
                json_object_put(cfg);
                json_object_put(weights);
                json_object_put(judged);
                json_object_put(o);
                return r;
        }
        json_object_object_add(o, "name", json_object_new_string(t->name));
        json_object_object_add(o, "version", json_object_new_string(t->version));
        json_object_object_add(o, "description", json_object_new_string(t->description));
        json_object_object_add(o, "schema", json_object_new_string(schema));
        list = json_object_new_array();
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                json_object_array_add(list, json_object_new_string(class_to_string((LoadClass)c)));
        json_object_object_add(o, "classes", list);
        json_object_object_add(o, "horizon_seconds",
                               json_object_new_int64((int64_t)(EXTRACT_HORIZON / USEC_PER_SEC)));
        json_object_object_add(o, "cfg", cfg);
        json_object_object_add(o, "weights", weights);
        if (judged)
                json_object_object_add(o, "validation", judged);
        json_object_object_add(o, "features", features_array(&t->standard));
        json_object_object_add(o, "training", training);
        r = asprintf(&text, "%s\n",
                     json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
        if (r < 0)
                return -ENOMEM;
        *ret = text;
        return 0;
}

int trained_write(const Trained *t, const RowTable *all, const Split *split, const char *dir,
                  Error *e) {
        _cleanup_close_
        int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_
        char *manifest = NULL;
        _cleanup_(model_freep)
        Model *model = NULL;
        _cleanup_(row_table_done)
        RowTable validation = ROW_TABLE_INIT;
        Names names;
        int r;

        if (dir_fd < 0)
                return error_set(e, -errno, "%s: %s", dir, strerror(errno));
        r = trained_load(t, &model, e);
        if (r < 0)
                return r;
        snprintf(names.cfg, sizeof(names.cfg), "%s.cfg", t->name);
        snprintf(names.weights, sizeof(names.weights), "%s.weights", t->name);
        snprintf(names.validation, sizeof(names.validation), "%s.validation.csv", t->name);
        snprintf(names.manifest, sizeof(names.manifest), "%s.json", t->name);
        r = pick_validation(t, all, split, &validation);
        if (r >= 0)
                r = io_replace_at(dir_fd, names.cfg, t->cfg, strlen(t->cfg), 0644);
        if (r >= 0)
                r = io_replace_at(dir_fd, names.weights, t->weights, t->weights_size, 0644);
        if (r >= 0 && validation.n > 0)
                r = write_validation(&validation, dir_fd, names.validation);
        if (r >= 0)
                r = manifest_text(t, model, all, split, &validation, dir, &names, &manifest, e);
        if (r >= 0)
                r = io_replace_at(dir_fd, names.manifest, manifest, strlen(manifest), 0644);
        if (r < 0)
                return error_set(e, r, "cannot write the model to %s: %s", dir, strerror(-r));
        fprintf(stderr, "wrote %s/%s.{cfg,weights,%sjson}\n", dir, t->name,
                validation.n > 0 ? "validation.csv," : "");
        return 0;
}
