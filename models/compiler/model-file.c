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

static int read_onnx(ModelFile *m, Error *e) {
        _cleanup_free_
        char *data = NULL;
        Error inner = ERROR_INIT;
        size_t size;
        int r = read_all(m->path, &data, &size, e);

        if (r < 0)
                return r;
        return name_file(import_onnx(data, size, &m->graph, &inner), m->path, &inner, e);
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
