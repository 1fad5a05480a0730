/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that a manifest names, and the model that they make. */
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>

#include "models/manifest.h"

#include "models/engine.h"
#include "models/graph-model.h"
#include "models/import-darknet.h"
#include "models/import-onnx.h"
#include "util/io.h"

#define FILE_SIZE_MAX ((size_t)64 * 1024 * 1024)

/* What a reader needs besides the file: the manifest's path. */
typedef struct Reader {
        const char *path;
        Error *e;
} Reader;

static void digest_hex(const void *data, size_t size, char ret_hex[65]) {
        SHA2_CTX context;
        uint8_t digest[SHA256_DIGEST_LENGTH];

        SHA256Init(&context);
        SHA256Update(&context, data, size);
        SHA256Final(digest, &context);
        for (size_t i = 0; i < sizeof(digest); i++)
                snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

int manifest_digest_file(const char *path, char ret_hex[65]) {
        _cleanup_free_
        char *data = NULL;
        size_t size;
        int r;

        r = io_read_all_at(AT_FDCWD, path, FILE_SIZE_MAX, &data, &size);
        if (r < 0)
                return r;
        digest_hex(data, size, ret_hex);
        return 0;
}

/* The file beside the manifest, its digest checked on the very bytes that are returned. */
static int read_member(const Reader *in, const char *what, const ManifestFile *file,
                       char **ret_data, size_t *ret_size) {
        const char *slash = strrchr(in->path, '/');
        _cleanup_free_
        char *path = NULL, *data = NULL;
        char hex[65];
        size_t size;
        int r;

        if (asprintf(&path, "%.*s%s", slash ? (int)(slash - in->path) + 1 : 0, in->path,
                     file->file) < 0) {
                path = NULL;
                return error_set(in->e, -ENOMEM, "out of memory");
        }
        r = io_read_all_at(AT_FDCWD, path, FILE_SIZE_MAX, &data, &size);
        if (r == -EFBIG)
                return error_set(in->e, r, "%s: larger than %zu bytes", path, FILE_SIZE_MAX);
        if (r < 0)
                return error_set(in->e, r, "%s: %s", path, strerror(-r));
        digest_hex(data, size, hex);
        if (!streq(hex, file->sha256))
                return error_set(in->e, -EBADMSG,
                                 "%s: the %s's sha256 is %s, but the manifest says %s", path, what,
                                 hex, file->sha256);
        *ret_data = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int manifest_read_validation(const char *path, const Manifest *m, char **ret, size_t *ret_size,
                             Error *e) {
        if (!m->validation.file[0])
                return -ENODATA;
        return read_member(&(Reader){.path = path, .e = e}, "validation rows", &m->validation, ret,
                           ret_size);
}

static const char *weights_name(const Manifest *m) {
        return m->format == MODEL_FORMAT_ONNX ? "model" : "weights";
}

int manifest_load(const char *path, Manifest *ret, Error *e) {
        Reader in = {.path = path, .e = e};
        Manifest m;
        int r;

        r = manifest_read(path, &m, e);
        if (r < 0)
                return r;
        for (int i = 0; i < 2; i++) {
                const ManifestFile *file = i ? &m.weights : &m.cfg;
                _cleanup_free_
                char *data = NULL;
                size_t size;

                if (!file->file[0])
                        continue;
                r = read_member(&in, i ? weights_name(&m) : "cfg", file, &data, &size);
                if (r < 0)
                        return r;
        }
        *ret = m;
        return 0;
}

static int load_darknet(const Reader *in, const Manifest *m, const char *weights, size_t size,
                        Model **ret) {
        _cleanup_free_
        char *cfg = NULL;
        _cleanup_(engine_freep)
        Engine *engine = NULL;
        size_t cfg_size;
        Error inner = ERROR_INIT;
        int r;

        r = read_member(in, "cfg", &m->cfg, &cfg, &cfg_size);
        if (r < 0)
                return r;
        r = import_darknet(cfg, cfg_size, weights, size, &engine, &inner);
        if (r < 0)
                return error_set(in->e, r, "%s: %.40s: %.380s", in->path, m->cfg.file, inner.text);
        if (engine_inputs(engine) != FEATURE_COUNT || engine_outputs(engine) != _CLASS_COUNT)
                return error_set(in->e, -EINVAL,
                                 "%s: %.40s: a network of %zu inputs and %zu outputs; must be %d "
                                 "and %d",
                                 in->path, m->cfg.file, engine_inputs(engine),
                                 engine_outputs(engine), FEATURE_COUNT, _CLASS_COUNT);
        r = network_model_new(m->name, m->version, m->weights.sha256, m->mean, m->deviation, engine,
                              ret);
        if (r < 0)
                return error_set(in->e, r, "%s: %s", in->path, strerror(-r));
        TAKE_PTR(engine);
        return 0;
}

static int load_onnx(const Reader *in, const Manifest *m, const char *data, size_t size,
                     Model **ret) {
        GraphModelSpec spec = {
                .name = m->name,
                .version = m->version,
                .digest = m->weights.sha256,
                .n_features = m->n_features,
                .feature = m->feature,
                .mean = m->standardised ? m->mean : NULL,
                .deviation = m->standardised ? m->deviation : NULL,
                .classes = m->classes,
                .output = m->output,
                .logits = m->logits,
        };
        _cleanup_(graph_freep)
        Graph *g = NULL;
        Error inner = ERROR_INIT;
        int r;

        r = import_onnx(data, size, &g, &inner);
        if (r >= 0)
                r = graph_model_new(&spec, g, ret, &inner);
        error_clean(&inner);
        if (r < 0)
                return error_set(in->e, r, "%s: %.40s: %.380s", in->path, m->weights.file,
                                 inner.text[0] ? inner.text : strerror(-r));
        TAKE_PTR(g);
        return 0;
}

int manifest_load_model(const char *path, Model **ret, Error *e) {
        _cleanup_free_
        char *weights = NULL;
        size_t size;
        Reader in = {.path = path, .e = e};
        Manifest m;
        int r;

        r = manifest_read(path, &m, e);
        if (r >= 0)
                r = read_member(&in, weights_name(&m), &m.weights, &weights, &size);
        if (r < 0)
                return r;
        return m.format == MODEL_FORMAT_ONNX ? load_onnx(&in, &m, weights, size, ret)
                                             : load_darknet(&in, &m, weights, size, ret);
}
