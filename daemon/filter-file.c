/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/filter-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <strings.h>
#include <sys/stat.h>

#include "daemon/json.h"
#include "daemon/model-store.h"
#include "util/hash.h"
#include "util/io.h"

#define OBJECT_SUFFIX ".bpf.o"
#define SHEET_SUFFIX ".json"

void filter_file_done(FilterFile *f) {
        free(f->data);
        *f = FILTER_FILE_INIT;
}

static int sheet_error(Error *e, const char *name, const char *what) {
        int r = error_set(e, -EINVAL, "sheet of %s: %s", name, what);

        if (e)
                error_clean(e);
        return r;
}

/* On the bus, which wants text, and on terminals. */
static void put_name(char *to, size_t size, const char *name) {
        (void)snprintf(to, size, "%s", name);
        for (char *p = to; *p; p++)
                if (*p < ' ' || *p > '~')
                        *p = '?';
}

/* Of a sheet as aikm-compile writes it: labels by class, those of the model's that are texts. */
static void read_labels(FilterFile *f, json_object *sheet) {
        json_object *decision = NULL, *labels = NULL;

        if (!json_object_object_get_ex(sheet, "decision", &decision) ||
            !json_object_object_get_ex(decision, "labels", &labels) ||
            !json_object_is_type(labels, json_type_array))
                return;
        for (size_t i = 0; i < json_object_array_length(labels) && i < FILTER_CLASSES; i++) {
                json_object *label = json_object_array_get_idx(labels, i);

                if (!json_object_is_type(label, json_type_string))
                        continue;
                put_name(f->classes[i], sizeof(f->classes[i]), json_object_get_string(label));
                f->n_classes = i + 1;
        }
}

/* An array of strings of which each has its place. */
static int read_classes(FilterFile *f, json_object *sheet, Error *e) {
        json_object *classes = NULL;

        if (!json_object_object_get_ex(sheet, "classes", &classes)) {
                read_labels(f, sheet);
                return 0;
        }
        if (!json_object_is_type(classes, json_type_array))
                return sheet_error(e, f->name, "classes: a list of names is accepted");
        for (size_t i = 0; i < json_object_array_length(classes) && i < FILTER_CLASSES; i++) {
                json_object *class = json_object_array_get_idx(classes, i);

                if (!json_object_is_type(class, json_type_string))
                        return sheet_error(e, f->name, "classes: a list of names is accepted");
                put_name(f->classes[i], sizeof(f->classes[i]), json_object_get_string(class));
                f->n_classes = i + 1;
        }
        return 0;
}

/* Trainers sort labels: "attack" comes before "benign", "dos" before "normal". */
static int check_first_is_benign(const FilterFile *f, Error *e) {
        static const char *const names[] = {"benign", "normal", "legitimate"};

        for (size_t i = 1; i < f->n_classes; i++)
                for (size_t k = 0; k < ELEMENTSOF(names); k++)
                        if (strcasecmp(f->classes[i], names[k]) == 0)
                                return error_set(e, -EINVAL,
                                                 "sheet of %.100s: class %zu is %s, and every "
                                                 "class but the first would be taken for "
                                                 "malicious: \"malicious\": [CLASS, ...] in it "
                                                 "has to name those that are",
                                                 f->name, i, names[k]);
        return 0;
}

static int class_index(const FilterFile *f, json_object *which) {
        const char *name;

        if (json_object_is_type(which, json_type_int)) {
                int64_t i = json_object_get_int64(which);

                return i >= 0 && i < 64 ? (int)i : -ENOENT;
        }
        name = json_object_is_type(which, json_type_string) ? json_object_get_string(which) : "";
        for (size_t i = 0; i < f->n_classes; i++)
                if (streq(f->classes[i], name))
                        return (int)i;
        return -ENOENT;
}

static int read_malicious(FilterFile *f, json_object *sheet, Error *e) {
        json_object *malicious = NULL;

        if (!json_object_object_get_ex(sheet, "malicious", &malicious))
                return check_first_is_benign(f, e);
        if (!json_object_is_type(malicious, json_type_array) ||
            json_object_array_length(malicious) == 0)
                return sheet_error(e, f->name, "malicious: a list of classes is accepted");
        for (size_t i = 0; i < json_object_array_length(malicious); i++) {
                int class = class_index(f, json_object_array_get_idx(malicious, i));

                if (class < 0)
                        return sheet_error(e, f->name,
                                           "malicious: names a class that it does not have");
                f->malicious |= UINT64_C(1) << class;
        }
        return 0;
}

static int read_sheet(FilterFile *f, const char *text, Error *e) {
        _cleanup_json_ json_object *sheet = json_tokener_parse(text);
        int r;

        if (!json_object_is_type(sheet, json_type_object))
                return sheet_error(e, f->name, "not a JSON object");
        r = read_classes(f, sheet, e);
        return r < 0 ? r : read_malicious(f, sheet, e);
}

int filter_file_init(const char *name, char *data, size_t size, const char *sheet, FilterFile *ret,
                     Error *e) {
        FilterFile f = {.data = data, .size = size};
        int r = 0;

        put_name(f.name, sizeof(f.name), name);
        if (sheet)
                r = read_sheet(&f, sheet, e);
        if (r < 0) {
                filter_file_done(&f);
                return r;
        }
        /* The same program with other classes to drop is another model. */
        f.identity = fnv1a64(fnv1a64(FNV1A64_INIT, data, size), &f.malicious, sizeof(f.malicious));
        if (f.identity == 0)
                f.identity = 1;
        *ret = f;
        return 0;
}

/* "…/NAME.bpf.o" -> "…/NAME.json"; any other name has ".json" behind it. */
static int sheet_path(const char *object, char ret[PATH_MAX]) {
        size_t n = strlen(object), k = strlen(OBJECT_SUFFIX);
        int length;

        if (n > k && streq(object + n - k, OBJECT_SUFFIX))
                n -= k;
        length = snprintf(ret, PATH_MAX, "%.*s" SHEET_SUFFIX, (int)n, object);
        return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* What runs in the kernel on every packet must be root's: of files that are named by their path,
 * whose folders nobody vouches for. */
static int check_owner(const char *path, Error *e) {
        struct stat st;

        if (stat(path, &st) < 0)
                return error_set(e, -errno, "filter model %s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "filter model %s: not a plain file", path);
        if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return error_set(e, -EPERM,
                                 "filter model %s: others than root may write to it; it must be "
                                 "root's alone",
                                 path);
        return 0;
}

static int read_path(const char *path, const char *name, FilterFile *ret, Error *e) {
        _cleanup_free_
        char *data = NULL, *sheet = NULL;
        char beside[PATH_MAX];
        size_t size, sheet_size;
        int r;

        r = sheet_path(path, beside);
        if (r >= 0)
                r = io_read_all_at(AT_FDCWD, path, FILTER_OBJECT_SIZE_MAX, &data, &size);
        if (r < 0)
                return error_set(e, r, "filter model %s: %s: %s", name, path, strerror(-r));
        r = io_read_all_at(AT_FDCWD, beside, FILTER_SHEET_SIZE_MAX, &sheet, &sheet_size);
        if (r < 0 && r != -ENOENT)
                return error_set(e, r, "filter model %s: %s: %s", name, beside, strerror(-r));
        return filter_file_init(name, TAKE_PTR(data), size, sheet, ret, e);
}

static int folder_path(const FilterFolders *in, size_t i, const char *rest, char ret[PATH_MAX]) {
        int n = i == 0 ? snprintf(ret, PATH_MAX, "%s%s", in->shipped, rest)
                       : snprintf(ret, PATH_MAX, "%s/filters%s", in->state, rest);

        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int filter_file_read(const FilterFolders *in, const char *model, FilterFile *ret, Error *e) {
        char path[PATH_MAX], file[FILTER_MODEL_MAX + 16];

        if (model[0] == '/') {
                int r = check_owner(model, e);

                return r < 0 ? r : read_path(model, model, ret, e);
        }
        if (!model_name_is_valid(model))
                return error_set(e, -EINVAL,
                                 "%.100s: neither the name of a filter's model nor an absolute "
                                 "path",
                                 model);
        (void)snprintf(file, sizeof(file), "/%s" OBJECT_SUFFIX, model);
        for (size_t i = 0; i < 2; i++)
                if (folder_path(in, i, file, path) >= 0 && access(path, F_OK) >= 0)
                        return read_path(path, model, ret, e);
        return error_set(e, -ENOENT,
                         "there is no filter model %s: neither %s nor %s/filters has %s%s", model,
                         in->shipped, in->state, file + 1,
                         streq(model, FILTER_MODEL_DEFAULT)
                                 ? ", which comes with aikmd where it was built with it"
                                 : "");
}

int filter_file_find(const FilterFolders *in, uint64_t identity, FilterFile *ret) {
        for (size_t i = 0; i < 2; i++) {
                _cleanup_closedir_ DIR *dir = NULL;
                char path[PATH_MAX];

                if (folder_path(in, i, "", path) < 0 || io_open_dir_at(AT_FDCWD, path, &dir) < 0)
                        continue;
                for (struct dirent *d; (d = readdir(dir));) {
                        size_t n = strlen(d->d_name), k = strlen(OBJECT_SUFFIX);
                        char name[FILTER_MODEL_MAX];
                        FilterFile f;

                        if (n <= k || n - k >= sizeof(name) ||
                            !streq(d->d_name + n - k, OBJECT_SUFFIX))
                                continue;
                        (void)snprintf(name, sizeof(name), "%.*s", (int)(n - k), d->d_name);
                        if (filter_file_read(in, name, &f, /* e= */ NULL) < 0)
                                continue;
                        if (f.identity == identity) {
                                *ret = f;
                                return 0;
                        }
                        filter_file_done(&f);
                }
        }
        return -ENOENT;
}

FilterModel filter_file_model(const FilterFile *f) {
        return (FilterModel){
                .object = f->data,
                .size = f->size,
                .name = f->name,
                .identity = f->identity,
                .malicious = f->malicious,
        };
}

const char *filter_file_class(const FilterFile *f, uint32_t class) {
        return class < f->n_classes ? f->classes[class] : "";
}
