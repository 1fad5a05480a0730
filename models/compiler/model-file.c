/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/model-file.h"

#include <errno.h>
#include <fcntl.h>

#include "models/import-darknet.h"
#include "models/import-onnx.h"
#include "models/manifest.h"
#include "util/io.h"

void model_file_done(ModelFile *m) {
        free(m->path);
        free(m->weights);
        graph_free(m->graph);
        *m = MODEL_FILE_INIT;
}

static bool has_suffix(const char *text, const char *suffix) {
        size_t n = strlen(text), k = strlen(suffix);

        return n >= k && streq(text + n - k, suffix);
}

static int read_all(const char *path, char **ret, size_t *ret_size, Error *e) {
        int r = io_read_all_at(AT_FDCWD, path, ONNX_FILE_MAX, ret, ret_size);

        return r < 0 ? error_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

/* Puts the file's name before what an importer complains of. */
static int name_file(int r, const char *path, const Error *inner, Error *e) {
        if (r < 0)
                (void)error_set(e, r, "%s: %.400s", path,
                                inner->text[0] ? inner->text : strerror(-r));
        return r;
}

/* The file beside an ONNX model with data of its initializers. */
typedef struct Beside {
        ModelFile *model;
        char *name; /* NULL: not read yet */
        char *data;
        size_t size;
} Beside;

static void beside_done(Beside *b) {
        free(b->name);
        free(b->data);
}

/* PyTorch and onnx write one such file; more are not taken. */
static int read_beside(void *userdata, const char *name, const void **ret, size_t *ret_size,
                       Error *e) {
        Beside *b = userdata;
        const char *slash = strrchr(b->model->path, '/');
        int folder = slash ? (int)(slash + 1 - b->model->path) : 0, r;

        if (b->name && !streq(b->name, name))
                return error_set(e, -EINVAL,
                                 "data in '%.100s' and in '%.100s': one file beside the model is "
                                 "accepted",
                                 b->name, name);
        if (!b->name) {
                if (asprintf(&b->model->weights, "%.*s%s", folder, b->model->path, name) < 0)
                        b->model->weights = NULL;
                b->name = strdup(name);
                if (!b->model->weights || !b->name)
                        return -ENOMEM;
                r = read_all(b->model->weights, &b->data, &b->size, e);
                if (r < 0)
                        return r;
        }
        *ret = b->data;
        *ret_size = b->size;
        return 0;
}

static int read_onnx(ModelFile *m, Error *e) {
        _cleanup_free_
        char *data = NULL;
        _cleanup_(beside_done)
        Beside beside = {.model = m};
        OnnxBeside reader = {.read = read_beside, .userdata = &beside};
        Error inner = ERROR_INIT;
        size_t size;
        int r = read_all(m->path, &data, &size, e);

        if (r < 0)
                return r;
        return name_file(import_onnx_beside(data, size, &reader, &m->graph, &inner), m->path,
                         &inner, e);
}

static int read_darknet(ModelFile *m, const char *weights, Error *e) {
        _cleanup_free_
        char *cfg = NULL, *data = NULL;
        Error inner = ERROR_INIT;
        size_t cfg_size, size;
        int r;

        if (weights)
                m->weights = strdup(weights);
        else if (asprintf(&m->weights, "%.*s.weights", (int)(strlen(m->path) - 4), m->path) < 0)
                m->weights = NULL;
        if (!m->weights)
                return error_set(e, -ENOMEM, "out of memory");
        r = read_all(m->path, &cfg, &cfg_size, e);
        if (r >= 0)
                r = read_all(m->weights, &data, &size, e);
        if (r < 0)
                return r;
        return name_file(import_darknet_graph(cfg, cfg_size, data, size, &m->graph, &inner),
                         m->path, &inner, e);
}

int model_file_read(ModelFile *m, const char *path, const char *weights, Error *e) {
        int r;

        *m = (ModelFile){.path = strdup(path)};
        if (!m->path)
                return error_set(e, -ENOMEM, "out of memory");
        if (has_suffix(path, ".cfg"))
                r = read_darknet(m, weights, e);
        else if (weights)
                r = error_set(e, -EINVAL, "%s: weights go with a darknet .cfg", path);
        else
                r = read_onnx(m, e);
        if (r >= 0)
                r = manifest_digest_file(path, m->digest);
        if (r >= 0 && m->weights)
                r = manifest_digest_file(m->weights, m->weights_digest);
        if (r < 0) {
                (void)error_set(e, r, "%s: %s", path, strerror(-r));
                model_file_done(m);
        }
        return r;
}
