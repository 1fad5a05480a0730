/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>

#include "models/darknet/trained.h"

#include "models/import-darknet.h"
#include "models/manifest.h"
#include "models/train/evaluate.h"
#include "models/train/extract.h"
#include "util/io.h"

void trained_done(Trained *t) {
        free(t->cfg);
        free(t->weights);
        t->cfg = t->weights = NULL;
}

static int load(const Trained *t, Model **ret, Error *e) {
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

static int manifest_text(const Trained *t, Model *m, const RowTable *all, const Split *split,
                         const char *dir, const char *cfg_name, const char *weights_name,
                         char **ret, Error *e) {
        json_object *o = json_object_new_object(), *list, *cfg, *weights, *training = NULL;
        char schema[32], *text = NULL;
        int r = -EIO;

        snprintf(schema, sizeof(schema), "0x%016llx", (unsigned long long)feature_schema_hash());
        cfg = file_object(dir, cfg_name, e);
        weights = cfg ? file_object(dir, weights_name, e) : NULL;
        if (!cfg || !weights || (r = training_object(t, m, all, split, &training)) < 0) {
                json_object_put(cfg);
                json_object_put(weights);
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
        char cfg_name[80], weights_name[80], manifest_name[80];
        int r;

        if (dir_fd < 0)
                return error_set(e, -errno, "%s: %s", dir, strerror(errno));
        r = load(t, &model, e);
        if (r < 0)
                return r;
        snprintf(cfg_name, sizeof(cfg_name), "%s.cfg", t->name);
        snprintf(weights_name, sizeof(weights_name), "%s.weights", t->name);
        snprintf(manifest_name, sizeof(manifest_name), "%s.json", t->name);
        r = io_replace_at(dir_fd, cfg_name, t->cfg, strlen(t->cfg), 0644);
        if (r >= 0)
                r = io_replace_at(dir_fd, weights_name, t->weights, t->weights_size, 0644);
        if (r >= 0)
                r = manifest_text(t, model, all, split, dir, cfg_name, weights_name, &manifest, e);
        if (r >= 0)
                r = io_replace_at(dir_fd, manifest_name, manifest, strlen(manifest), 0644);
        if (r < 0)
                return error_set(e, r, "cannot write the model to %s: %s", dir, strerror(-r));
        fprintf(stderr, "wrote %s/%s.{cfg,weights,json}\n", dir, t->name);
        return 0;
}
