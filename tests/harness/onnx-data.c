/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>

#include "tests/harness/onnx-data.h"

#include "models/import-onnx.h"
#include "util/io.h"

typedef struct Cases {
        OnnxCase *cases;
        size_t n;
} Cases;

static int add_case(Cases *c, const char *root, const char *group, const char *name) {
        OnnxCase one, *more;
        char file[sizeof(one.path) + 16];

        if (strlen(root) + strlen(group) + strlen(name) + 3 > sizeof(one.path))
                return -ENAMETOOLONG;
        snprintf(one.name, sizeof(one.name), "%s/%s", group, name);
        snprintf(one.path, sizeof(one.path), "%s/%s", root, one.name);
        snprintf(file, sizeof(file), "%s/model.onnx", one.path);
        if (access(file, R_OK) < 0)
                return 0;
        more = reallocarray(c->cases, c->n + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        c->cases = more;
        c->cases[c->n++] = one;
        return 0;
}

static int compare_cases(const void *a, const void *b) {
        return strcmp(((const OnnxCase *)a)->name, ((const OnnxCase *)b)->name);
}

static int list_group(Cases *c, const char *root, const char *group) {
        _cleanup_closedir_ DIR *dir = NULL;
        char path[512];
        const struct dirent *d;
        int r;

        snprintf(path, sizeof(path), "%s/%s", root, group);
        r = io_open_dir_at(AT_FDCWD, path, &dir);
        if (r < 0)
                return r == -ENOTDIR ? 0 : r;
        while ((d = readdir(dir))) {
                if (d->d_name[0] == '.')
                        continue;
                r = add_case(c, root, group, d->d_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

int onnx_cases_list(const char *root, OnnxCase **ret, size_t *ret_n) {
        _cleanup_closedir_ DIR *dir = NULL;
        _cleanup_free_
        OnnxCase *cases = NULL;
        Cases c = {0};
        const struct dirent *d;
        int r;

        r = io_open_dir_at(AT_FDCWD, root, &dir);
        if (r < 0)
                return r;
        while ((d = readdir(dir))) {
                if (d->d_name[0] == '.')
                        continue;
                r = list_group(&c, root, d->d_name);
                cases = c.cases;
                if (r < 0)
                        return r;
        }
        if (c.n > 0)
                qsort(c.cases, c.n, sizeof(*c.cases), compare_cases);
        *ret = TAKE_PTR(cases);
        *ret_n = c.n;
        return 0;
}

int onnx_case_read(const OnnxCase *c, const char *file, void **ret, size_t *ret_size) {
        char path[sizeof(c->path) + 64], *data;
        int r;

        snprintf(path, sizeof(path), "%s/%s", c->path, file);
        r = io_read_all_at(AT_FDCWD, path, ONNX_FILE_MAX, &data, ret_size);
        if (r >= 0)
                *ret = data;
        return r;
}
