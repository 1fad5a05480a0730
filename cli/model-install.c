/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model's files from a folder to the daemon, as memory files that nobody can change any more. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cli/model.h"
#include "util/io.h"

#define FILE_MAX ((size_t)64 * 1024 * 1024) /* the daemon's own bounds are lower */
#define MEMBERS 4

int model_sealed_file(const char *data, size_t size) {
        _cleanup_close_
        int fd = memfd_create("aikm-model", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        for (size_t done = 0; done < size;) {
                ssize_t n = write(fd, data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t)n;
        }
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* What is no plain file might never end, or never answer. */
int model_read_file(int dir_fd, const char *name, char **ret, size_t *ret_size, Error *e) {
        struct stat st;
        int r;

        if (fstatat(dir_fd, name, &st, 0) < 0)
                return error_set(e, -errno, "%s: %s", name, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "%s: not a plain file", name);
        r = io_read_all_at(dir_fd, name, FILE_MAX, ret, ret_size);
        return r < 0 ? error_set(e, r, "%s: %s", name, strerror(-r)) : 0;
}

/* The one manifest of a folder. */
static int find_manifest(int dir_fd, const char *path, char *ret, size_t size, Error *e) {
        _cleanup_closedir_ DIR *dir = NULL;
        size_t found = 0;
        int r;

        r = io_open_dir_at(dir_fd, ".", &dir);
        if (r < 0)
                return error_set(e, r, "%s: %s", path, strerror(-r));
        for (struct dirent *d; (d = readdir(dir));) {
                size_t n = strlen(d->d_name);

                if (n <= 5 || !streq(d->d_name + n - 5, ".json") || d->d_name[0] == '.')
                        continue;
                if (found++ == 0)
                        snprintf(ret, size, "%s", d->d_name);
        }
        if (found != 1)
                return error_set(e, -EINVAL,
                                 "%s: %zu manifests (*.json) in it, must be one: name it", path,
                                 found);
        return 0;
}

/* Opens the folder of the model and finds its manifest's name there. Returns a descriptor. */
static int open_model(const char *path, char *ret_manifest, size_t size, Error *e) {
        _cleanup_close_
        int fd = -EBADF;
        const char *slash = strrchr(path, '/');
        char folder[PATH_MAX];
        struct stat st;
        int r;

        if (stat(path, &st) < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        if (S_ISDIR(st.st_mode))
                snprintf(folder, sizeof(folder), "%s", path);
        else if (slash)
                snprintf(folder, sizeof(folder), "%.*s", (int)MAX(slash - path, 1), path);
        else
                snprintf(folder, sizeof(folder), ".");
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, -errno, "%s: %s", folder, strerror(errno));
        if (!S_ISDIR(st.st_mode))
                snprintf(ret_manifest, size, "%s", slash ? slash + 1 : path);
        else {
                r = find_manifest(fd, path, ret_manifest, size, e);
                if (r < 0)
                        return r;
        }
        return TAKE_FD(fd);
}

/* The plain name that the manifest has for a member; NULL: none. */
static int member_name(json_object *manifest, const char *key, const char **ret, Error *e) {
        json_object *member = json_get(manifest, key, json_type_object);
        const char *name = member ? json_str(member, "file") : NULL;

        if (name && (strchr(name, '/') || name[0] == '.' || !name[0]))
                return error_set(e, -EINVAL,
                                 "the manifest's %s file '%.60s' is not a plain name in its folder",
                                 key, name);
        *ret = name;
        return 0;
}

/* An ONNX model is one file, in the weights' place. */
static const char *member_key(json_object *manifest, const char *key) {
        bool onnx = json_get(manifest, "onnx", json_type_object);

        return onnx && streq(key, "weights") ? "onnx" : key;
}

static int open_members(const char *path, int fds[MEMBERS], Error *e) {
        static const char *const keys[MEMBERS] = {NULL, "cfg", "weights", "validation"};
        _cleanup_close_
        int dir_fd = -EBADF;
        _cleanup_json_ json_object *manifest = NULL;
        char name[NAME_MAX + 1];

        dir_fd = open_model(path, name, sizeof(name), e);
        if (dir_fd < 0)
                return dir_fd;
        for (size_t i = 0; i < MEMBERS; i++) {
                _cleanup_free_
                char *data = NULL;
                const char *file = name;
                size_t size = 0;
                int r = 0;

                if (keys[i])
                        r = member_name(manifest, member_key(manifest, keys[i]), &file, e);
                if (r >= 0 && file)
                        r = model_read_file(dir_fd, file, &data, &size, e);
                if (r < 0)
                        return r;
                if (i == 0)
                        manifest = json_tokener_parse(data);
                if (!json_object_is_type(manifest, json_type_object))
                        return error_set(e, -EINVAL, "%s: not a manifest in JSON", name);
                fds[i] = model_sealed_file(data, size);
                if (fds[i] < 0)
                        return error_set(e, fds[i], "cannot make a memory file: %s",
                                         strerror(-fds[i]));
        }
        return 0;
}

int model_find_manifest(const char *path, char *ret, size_t size, Error *e) {
        char name[NAME_MAX + 1];
        struct stat st;
        _cleanup_close_
        int fd = open_model(path, name, sizeof(name), e);

        if (fd < 0)
                return fd;
        if (stat(path, &st) < 0 ||
            (size_t)snprintf(ret, size, S_ISDIR(st.st_mode) ? "%s/%s" : "%s", path, name) >= size)
                return error_set(e, -ENAMETOOLONG, "%s: the path is too long", path);
        return 0;
}

void model_bundle_done(ModelBundle *b) {
        for (size_t i = 0; i < MEMBERS; i++)
                closep(&b->fds[i]);
        *b = MODEL_BUNDLE_INIT;
}

int model_bundle_read(const char *path, ModelBundle *ret, Error *e) {
        _cleanup_(model_bundle_done)
        ModelBundle b = MODEL_BUNDLE_INIT;
        int r;

        r = open_members(path, b.fds, e);
        if (r < 0)
                return r;
        *ret = b;
        b = MODEL_BUNDLE_INIT;
        return 0;
}

int model_bundle_install(Context *c, const ModelBundle *b, bool force, json_object **ret,
                         Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        if (c->host || c->machine) {
                error_set(e, -EINVAL,
                          "a model is installed on the machine that it lies on: copy "
                          "it there, and run aikmctl there");
                return CLI_USAGE;
        }
        r = client_call(c, &m, e, AIKM_BUS_MODELS, "Install", "hhhhb", b->fds[0], b->fds[1],
                        b->fds[2], b->fds[3], (int)force);
        if (r != CLI_OK)
                return r;
        r = json_read_dict(m, ret);
        if (r < 0) {
                error_set(e, r, "the answer of aikmd to Install is not understood: %s",
                          strerror(-r));
                return CLI_FAILURE;
        }
        return CLI_OK;
}
