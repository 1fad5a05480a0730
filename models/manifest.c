/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <math.h>

#include <json-c/json.h>

#include "models/manifest.h"

#include "util/io.h"

#define MANIFEST_SIZE_MAX ((size_t)1024 * 1024)

DEFINE_CLEANUP(struct json_object *, json_object_put);
DEFINE_CLEANUP(struct json_tokener *, json_tokener_free);

/* What a reader needs besides the value: the manifest's path for messages. */
typedef struct Reader {
        const char *path;
        Error *e;
} Reader;

static const char *const root_keys[] = {"name",     "version",         "description", "schema",
                                        "classes",  "horizon_seconds", "cfg",         "weights",
                                        "features", "training",        "validation",  "onnx",
                                        NULL};
static const char *const file_keys[] = {"file", "sha256", NULL};
static const char *const onnx_keys[] = {"file", "sha256", "output", "logits", NULL};
static const char *const validation_keys[] = {"file", "sha256", "macro_f1", NULL};
static const char *const feature_keys[] = {"name", "mean", "deviation", NULL};

const char *model_format_to_string(ModelFormat f) {
        static const char *const names[_MODEL_FORMAT_COUNT] = {
                [MODEL_FORMAT_DARKNET] = "darknet",
                [MODEL_FORMAT_ONNX] = "onnx",
        };

        return names[f];
}

/* Refuses keys that are not in the list, so that a misspelt one is not silently without effect. */
static int check_keys(const Reader *in, struct json_object *object, const char *where,
                      const char *const *known) {
        json_object_object_foreach(object, key, value) {
                size_t i = 0;

                (void)value;
                while (known[i] && !streq(known[i], key))
                        i++;
                if (!known[i])
                        return error_set(in->e, -EINVAL, "%s: unknown key '%.40s' in %s", in->path,
                                         key, where);
        }
        return 0;
}

static int get(const Reader *in, struct json_object *object, const char *key, enum json_type type,
               struct json_object **ret) {
        struct json_object *value;

        if (!json_object_object_get_ex(object, key, &value))
                return error_set(in->e, -EINVAL, "%s: key '%s' is missing", in->path, key);
        if (!json_object_is_type(value, type))
                return error_set(in->e, -EINVAL, "%s: key '%s' must be of type %s, not %s",
                                 in->path, key, json_type_to_name(type),
                                 json_type_to_name(json_object_get_type(value)));
        *ret = value;
        return 0;
}

/* Printable ASCII that fits; a NUL or newline inside would lie in messages. */
static int get_string(const Reader *in, struct json_object *object, const char *key, char *ret,
                      size_t size) {
        struct json_object *value = NULL;
        const char *text;
        size_t length;
        int r;

        r = get(in, object, key, json_type_string, &value);
        if (r < 0)
                return r;
        text = json_object_get_string(value);
        length = (size_t)json_object_get_string_len(value);
        if (length == 0 || length >= size)
                return error_set(in->e, -EINVAL, "%s: key '%s' must have 1 to %zu characters",
                                 in->path, key, size - 1);
        for (size_t i = 0; i < length; i++)
                if (text[i] < 0x20 || text[i] > 0x7e)
                        return error_set(in->e, -EINVAL,
                                         "%s: key '%s' must be printable ASCII text", in->path,
                                         key);
        memcpy(ret, text, length + 1);
        return 0;
}

/* A float that stays finite when cut from double. */
static int get_float(const Reader *in, struct json_object *object, const char *key,
                     const char *feature, float *ret) {
        struct json_object *value;
        float f;

        if (!json_object_object_get_ex(object, key, &value) ||
            !(json_object_is_type(value, json_type_double) ||
              json_object_is_type(value, json_type_int)))
                return error_set(in->e, -EINVAL, "%s: feature %s: '%s' must be a number", in->path,
                                 feature, key);
        f = (float)json_object_get_double(value);
        if (!isfinite(f))
                return error_set(in->e, -EINVAL, "%s: feature %s: '%s' must be finite", in->path,
                                 feature, key);
        *ret = f;
        return 0;
}

static int read_file_entry(const Reader *in, struct json_object *root, const char *key,
                           const char *const *keys, ManifestFile *ret) {
        struct json_object *object;
        int r;

        r = get(in, root, key, json_type_object, &object);
        if (r < 0)
                return r;
        r = check_keys(in, object, key, keys);
        if (r < 0)
                return r;
        r = get_string(in, object, "file", ret->file, sizeof(ret->file));
        if (r < 0)
                return r;
        if (strchr(ret->file, '/') || ret->file[0] == '.')
                return error_set(in->e, -EINVAL,
                                 "%s: %s file '%s' must be a plain name in the manifest's folder, "
                                 "without '/' and not beginning with '.'",
                                 in->path, key, ret->file);
        r = get_string(in, object, "sha256", ret->sha256, sizeof(ret->sha256));
        if (r < 0)
                return r;
        if (strlen(ret->sha256) != 64 || strspn(ret->sha256, "0123456789abcdef") != 64)
                return error_set(in->e, -EINVAL,
                                 "%s: %s sha256 must be 64 lower-case hexadecimal digits", in->path,
                                 key);
        return 0;
}

static int read_validation(const Reader *in, struct json_object *root, Manifest *m) {
        struct json_object *object, *value;
        double f1;
        int r;

        if (!json_object_object_get_ex(root, "validation", &object))
                return 0;
        r = read_file_entry(in, root, "validation", validation_keys, &m->validation);
        if (r < 0)
                return r;
        f1 = json_object_object_get_ex(object, "macro_f1", &value) &&
                             (json_object_is_type(value, json_type_double) ||
                              json_object_is_type(value, json_type_int))
                     ? json_object_get_double(value)
                     : -1;
        if (!(f1 >= 0 && f1 <= 1))
                return error_set(in->e, -EINVAL,
                                 "%s: validation: 'macro_f1' must be a number from 0 to 1",
                                 in->path);
        m->validation_f1 = f1;
        return 0;
}

static int read_schema(const Reader *in, struct json_object *root, uint64_t *ret) {
        char text[19], ours[19];
        int r;

        r = get_string(in, root, "schema", text, sizeof(text));
        if (r < 0)
                return r;
        if (strlen(text) != 18 || strncmp(text, "0x", 2) != 0 ||
            strspn(text + 2, "0123456789abcdef") != 16)
                return error_set(in->e, -EINVAL,
                                 "%s: schema must be 0x and 16 lower-case hexadecimal digits",
                                 in->path);
        snprintf(ours, sizeof(ours), "0x%016" PRIx64, feature_schema_hash());
        if (!streq(text, ours))
                return error_set(in->e, -EINVAL,
                                 "%s: schema is %s, but this program's features are %s: the model "
                                 "must be retrained",
                                 in->path, text, ours);
        *ret = feature_schema_hash();
        return 0;
}

/* darknet's are in our order, so that no weight ever has to move; ONNX has its own. */
static int read_classes(const Reader *in, struct json_object *root, Manifest *m) {
        struct json_object *array;
        unsigned seen = 0;
        int r;

        r = get(in, root, "classes", json_type_array, &array);
        if (r < 0)
                return r;
        if (json_object_array_length(array) != _CLASS_COUNT)
                return error_set(in->e, -EINVAL, "%s: classes has %zu entries, must have %d",
                                 in->path, json_object_array_length(array), _CLASS_COUNT);
        for (int i = 0; i < _CLASS_COUNT; i++) {
                struct json_object *name = json_object_array_get_idx(array, (size_t)i);
                int c = json_object_is_type(name, json_type_string)
                                ? class_from_string(json_object_get_string(name))
                                : -EINVAL;

                if (m->format == MODEL_FORMAT_DARKNET && c != i)
                        return error_set(in->e, -EINVAL, "%s: classes entry %d must be \"%s\"",
                                         in->path, i, class_to_string((LoadClass)i));
                if (c < 0 || seen & 1u << c)
                        return error_set(in->e, -EINVAL,
                                         "%s: classes entry %d is no class, or there twice: "
                                         "\"idle\", \"interactive\", \"server\", \"batch\", "
                                         "\"io\" and \"memory\" must be there, in the order of "
                                         "the model's output",
                                         in->path, i);
                seen |= 1u << c;
                m->classes[i] = (LoadClass)c;
        }
        return 0;
}

/* Which feature column i is. */
static int read_feature_name(const Reader *in, struct json_object *object, size_t i, Manifest *m) {
        char name[64];
        size_t f = 0;
        int r;

        r = get_string(in, object, "name", name, sizeof(name));
        if (r < 0)
                return r;
        if (m->format == MODEL_FORMAT_DARKNET && !streq(name, feature_table[i].name))
                return error_set(in->e, -EINVAL, "%s: features entry %zu is '%s', must be '%s'",
                                 in->path, i, name, feature_table[i].name);
        while (f < FEATURE_COUNT && !streq(name, feature_table[f].name))
                f++;
        if (f == FEATURE_COUNT)
                return error_set(in->e, -EINVAL, "%s: features entry %zu: there is no feature '%s'",
                                 in->path, i, name);
        for (size_t k = 0; k < i; k++)
                if (m->feature[k] == f)
                        return error_set(in->e, -EINVAL,
                                         "%s: features entry %zu: '%s' is there "
                                         "already, as entry %zu",
                                         in->path, i, name, k);
        m->feature[i] = f;
        return 0;
}

static int read_feature(const Reader *in, struct json_object *object, size_t i, Manifest *m) {
        const char *name;
        size_t f;
        bool raw;
        int r;

        if (!json_object_is_type(object, json_type_object))
                return error_set(in->e, -EINVAL, "%s: features entry %zu must be an object",
                                 in->path, i);
        r = check_keys(in, object, "a feature", feature_keys);
        if (r >= 0)
                r = read_feature_name(in, object, i, m);
        if (r < 0)
                return r;
        f = m->feature[i];
        name = feature_table[f].name;
        raw = m->format == MODEL_FORMAT_ONNX && !json_object_object_get(object, "mean") &&
              !json_object_object_get(object, "deviation");
        if (i == 0)
                m->standardised = !raw;
        if (raw != !m->standardised)
                return error_set(in->e, -EINVAL,
                                 "%s: feature %s: all features or none have 'mean' and 'deviation'",
                                 in->path, name);
        if (raw)
                return 0;
        r = get_float(in, object, "mean", name, &m->mean[f]);
        if (r >= 0)
                r = get_float(in, object, "deviation", name, &m->deviation[f]);
        if (r >= 0 && m->deviation[f] <= 0.0f)
                r = error_set(in->e, -EINVAL, "%s: feature %s: 'deviation' must be above 0",
                              in->path, name);
        return r;
}

static int read_features(const Reader *in, struct json_object *root, Manifest *m) {
        struct json_object *array;
        size_t n;
        int r;

        r = get(in, root, "features", json_type_array, &array);
        if (r < 0)
                return r;
        n = json_object_array_length(array);
        if (m->format == MODEL_FORMAT_DARKNET && n != FEATURE_COUNT)
                return error_set(in->e, -EINVAL, "%s: features has %zu entries, must have %d",
                                 in->path, n, FEATURE_COUNT);
        if (n == 0 || n > FEATURE_COUNT)
                return error_set(in->e, -EINVAL, "%s: features has %zu entries, must have 1 to %d",
                                 in->path, n, FEATURE_COUNT);
        for (size_t f = 0; f < FEATURE_COUNT; f++)
                m->deviation[f] = 1;
        for (m->n_features = 0; m->n_features < n; m->n_features++) {
                r = read_feature(in, json_object_array_get_idx(array, m->n_features), m->n_features,
                                 m);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* darknet's two files, or the one of ONNX. */
static int read_files(const Reader *in, struct json_object *root, Manifest *m) {
        struct json_object *onnx, *value;
        int r;

        if (m->format == MODEL_FORMAT_DARKNET) {
                r = read_file_entry(in, root, "cfg", file_keys, &m->cfg);
                return r < 0 ? r : read_file_entry(in, root, "weights", file_keys, &m->weights);
        }
        if (json_object_object_get(root, "cfg") || json_object_object_get(root, "weights"))
                return error_set(
                        in->e, -EINVAL,
                        "%s: 'onnx' beside 'cfg' or 'weights': a model is one or the other",
                        in->path);
        r = read_file_entry(in, root, "onnx", onnx_keys, &m->weights);
        if (r < 0)
                return r;
        onnx = json_object_object_get(root, "onnx");
        if (json_object_object_get_ex(onnx, "output", &value)) {
                r = get_string(in, onnx, "output", m->output, sizeof(m->output));
                if (r < 0)
                        return r;
        }
        if (json_object_object_get_ex(onnx, "logits", &value)) {
                r = get(in, onnx, "logits", json_type_boolean, &value);
                if (r < 0)
                        return r;
                m->logits = json_object_get_boolean(value);
        }
        return 0;
}

/* What people read and the engine does not need: only its type is checked. */
static int check_remarks(const Reader *in, struct json_object *root) {
        struct json_object *value;
        int r;

        if (json_object_object_get_ex(root, "description", &value)) {
                r = get(in, root, "description", json_type_string, &value);
                if (r < 0)
                        return r;
        }
        if (json_object_object_get_ex(root, "training", &value)) {
                r = get(in, root, "training", json_type_object, &value);
                if (r < 0)
                        return r;
        }
        if (json_object_object_get_ex(root, "horizon_seconds", &value)) {
                double seconds = json_object_get_double(value);

                if (!(json_object_is_type(value, json_type_double) ||
                      json_object_is_type(value, json_type_int)) ||
                    !(seconds > 0 && seconds <= 3600))
                        return error_set(in->e, -EINVAL,
                                         "%s: key 'horizon_seconds' must be a number above 0, at "
                                         "most 3600",
                                         in->path);
        }
        return 0;
}

static int read_root(const Reader *in, struct json_object *root, Manifest *m) {
        int r;

        if (!json_object_is_type(root, json_type_object))
                return error_set(in->e, -EINVAL, "%s: must be a JSON object", in->path);
        r = check_keys(in, root, "the manifest", root_keys);
        if (r < 0)
                return r;
        r = get_string(in, root, "name", m->name, sizeof(m->name));
        if (r < 0)
                return r;
        r = get_string(in, root, "version", m->version, sizeof(m->version));
        if (r < 0)
                return r;
        r = check_remarks(in, root);
        if (r < 0)
                return r;
        m->format = json_object_object_get_ex(root, "onnx", NULL) ? MODEL_FORMAT_ONNX
                                                                  : MODEL_FORMAT_DARKNET;
        r = read_schema(in, root, &m->schema);
        if (r >= 0)
                r = read_classes(in, root, m);
        if (r >= 0)
                r = read_files(in, root, m);
        if (r >= 0)
                r = read_validation(in, root, m);
        return r < 0 ? r : read_features(in, root, m);
}

static int parse_json(const Reader *in, const char *text, size_t size, struct json_object **ret) {
        _cleanup_(json_tokener_freep)
        struct json_tokener *tokener = json_tokener_new_ex(16);
        _cleanup_(json_object_putp)
        struct json_object *root = NULL;
        size_t line = 1, end;

        if (!tokener)
                return error_set(in->e, -ENOMEM, "out of memory");
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        root = json_tokener_parse_ex(tokener, text,
                                     (int)size + 1); /* with the NUL: that is the end */
        end = json_tokener_get_parse_end(tokener);
        /* "null" is JSON, and a NULL pointer */
        if (!root && json_tokener_get_error(tokener) == json_tokener_success)
                return error_set(in->e, -EINVAL, "%s: must be a JSON object", in->path);
        while (root && end < size && strchr(" \t\r\n", text[end]))
                end++;
        if (root && end == size) {
                *ret = TAKE_PTR(root);
                return 0;
        }
        for (size_t i = 0; i < end && i < size; i++)
                line += text[i] == '\n';
        return error_set(in->e, -EINVAL, "%s: line %zu: not JSON: %s", in->path, line,
                         root ? "text after the end"
                              : json_tokener_error_desc(json_tokener_get_error(tokener)));
}

/* The manifest alone. */
static int read_manifest(const Reader *in, Manifest *ret) {
        _cleanup_(json_object_putp)
        struct json_object *root = NULL;
        _cleanup_free_
        char *text = NULL;
        size_t size;
        int r;

        r = io_read_all_at(AT_FDCWD, in->path, MANIFEST_SIZE_MAX, &text, &size);
        if (r == -EFBIG)
                return error_set(in->e, r, "%s: larger than %zu bytes", in->path,
                                 MANIFEST_SIZE_MAX);
        if (r < 0)
                return error_set(in->e, r, "%s: %s", in->path, strerror(-r));
        r = parse_json(in, text, size, &root);
        if (r < 0)
                return r;
        return read_root(in, root, ret);
}

int manifest_read(const char *path, Manifest *ret, Error *e) {
        Manifest m = {};
        int r;

        r = read_manifest(&(Reader){.path = path, .e = e}, &m);
        if (r >= 0)
                *ret = m;
        return r;
}
