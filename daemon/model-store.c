/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/model-store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/model-state.h"
#include "util/io.h"

#define MODELS_DIR "models"
#define STATE_FILE "models.json"
#define STATE_SIZE_MAX ((size_t)64 * 1024)
#define STAGING ".new"  /* no model's name: those begin with a letter or digit */
#define LEAVING ".gone" /* the same, on the way out */
#define SHIPPED_MAX ((size_t)64)

struct ModelStore {
        char *dir;     /* STATE */
        char *shipped; /* folder of NAME.json */
        ModelState state;
};

static const char *const source_names[_MODEL_SOURCE_COUNT] = {
        [MODEL_SOURCE_BUILT_IN] = "built-in",
        [MODEL_SOURCE_SHIPPED] = "shipped",
        [MODEL_SOURCE_INSTALLED] = "installed",
};

const char *model_source_to_string(ModelSource s) {
        return source_names[s];
}

bool model_name_is_valid(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n >= MODEL_NAME_MAX || !isalnum((unsigned char)name[0]))
                return false;
        /* A manifest's path, not absolute. */
        if (n >= 5 && streq(name + n - 5, ".json"))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)name[i]) && !strchr("._+-", name[i]))
                        return false;
        return true;
}

/* Of STATE/models, opened each time: it may not be there yet. Returns a descriptor or -errno. */
static int open_models(const ModelStore *s) {
        char path[PATH_MAX];
        int fd;

        if ((size_t)snprintf(path, sizeof(path), "%s/" MODELS_DIR, s->dir) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* A folder of plain files, as all of ours are. */
static int remove_folder(int models_fd, const char *name) {
        _cleanup_closedir_ DIR *dir = NULL;
        int r;

        r = io_open_dir_at(models_fd, name, &dir);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        for (struct dirent *d; (d = readdir(dir));)
                if (!streq(d->d_name, ".") && !streq(d->d_name, "..") &&
                    unlinkat(dirfd(dir), d->d_name, 0) < 0)
                        return -errno;
        return unlinkat(models_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int read_state(ModelStore *s, Error *e) {
        char path[PATH_MAX];
        _cleanup_free_
        char *text = NULL;
        size_t size;
        int r;

        snprintf(path, sizeof(path), "%s/" STATE_FILE, s->dir);
        r = io_read_all_at(AT_FDCWD, path, STATE_SIZE_MAX, &text, &size);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0)
                return error_set(e, r, "%s: %s", path, strerror(-r));
        return model_state_parse(text, size, path, &s->state, e);
}

int model_store_open(const char *state_dir, const char *shipped_dir, ModelStore **ret, Error *e) {
        _cleanup_(model_store_freep)
        ModelStore *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->dir = strdup(state_dir);
        s->shipped = strdup(shipped_dir);
        if (!s->dir || !s->shipped)
                return -ENOMEM;
        model_store_drop_staged(s);
        (void)read_state(s, e);
        *ret = TAKE_PTR(s);
        return 0;
}

ModelStore *model_store_free(ModelStore *s) {
        if (s) {
                free(s->dir);
                free(s->shipped);
                free(s);
        }
        return NULL;
}

static bool is_shipped(const ModelStore *s, const char *name) {
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s.json", s->shipped, name);
        return access(path, F_OK) == 0;
}

int model_store_find(const ModelStore *s, const char *name, char *ret_path, size_t size,
                     ModelSource *ret_source, Error *e) {
        ModelSource source;
        int n;

        if (!model_name_is_valid(name))
                return error_set(e, -EINVAL,
                                 "'%.60s' is not a model's name: 1 to %d letters, digits and "
                                 "'._+-', beginning with a letter or digit",
                                 name, MODEL_NAME_MAX - 1);
        if (streq(name, MODEL_RULES)) {
                source = MODEL_SOURCE_BUILT_IN;
                ret_path[0] = '\0';
                n = 0;
        } else if (is_shipped(s, name)) {
                source = MODEL_SOURCE_SHIPPED;
                n = snprintf(ret_path, size, "%s/%s.json", s->shipped, name);
        } else {
                source = MODEL_SOURCE_INSTALLED;
                n = snprintf(ret_path, size, "%s/" MODELS_DIR "/%s/%s.json", s->dir, name, name);
                if (access(ret_path, F_OK) < 0)
                        return error_set(e, -ENOENT, "there is no model %s", name);
        }
        if ((size_t)n >= size)
                return error_set(e, -ENAMETOOLONG, "the path of model %s is too long", name);
        *ret_source = source;
        return 0;
}

typedef struct List {
        ModelEntry *entries;
        size_t n;
} List;

static int list_add(List *l, const char *name, ModelSource source) {
        ModelEntry *entries = reallocarray(l->entries, l->n + 1, sizeof(*entries));

        if (!entries)
                return -ENOMEM;
        l->entries = entries;
        entries[l->n] = (ModelEntry){.source = source};
        snprintf(entries[l->n++].name, MODEL_NAME_MAX, "%s", name);
        return 0;
}

static int compare_entries(const void *a, const void *b) {
        const ModelEntry *x = a, *y = b;

        if (x->source != y->source)
                return x->source < y->source ? -1 : 1;
        return strcmp(x->name, y->name);
}

static int list_shipped(const ModelStore *s, List *l) {
        _cleanup_closedir_ DIR *dir = NULL;

        if (io_open_dir_at(AT_FDCWD, s->shipped, &dir) < 0)
                return 0;
        for (struct dirent *d; (d = readdir(dir)) && l->n < SHIPPED_MAX;) {
                size_t n = strlen(d->d_name);
                char name[MODEL_NAME_MAX];

                if (n <= 5 || n - 5 >= sizeof(name) || !streq(d->d_name + n - 5, ".json"))
                        continue;
                memcpy(name, d->d_name, n - 5);
                name[n - 5] = '\0';
                if (model_name_is_valid(name) && list_add(l, name, MODEL_SOURCE_SHIPPED) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int list_installed(const ModelStore *s, List *l) {
        _cleanup_close_
        int fd = open_models(s);
        _cleanup_closedir_ DIR *dir = NULL;
        size_t before = l->n;

        if (fd < 0 || io_open_dir_at(fd, ".", &dir) < 0)
                return 0;
        for (struct dirent *d; (d = readdir(dir)) && l->n - before < MODEL_STORE_MAX;)
                if (model_name_is_valid(d->d_name) && !is_shipped(s, d->d_name) &&
                    list_add(l, d->d_name, MODEL_SOURCE_INSTALLED) < 0)
                        return -ENOMEM;
        return 0;
}

int model_store_list(const ModelStore *s, ModelEntry **ret, size_t *ret_n) {
        List l = {};
        int r;

        r = list_add(&l, MODEL_RULES, MODEL_SOURCE_BUILT_IN);
        if (r >= 0)
                r = list_shipped(s, &l);
        if (r >= 0)
                r = list_installed(s, &l);
        if (r < 0) {
                free(l.entries);
                return r;
        }
        qsort(l.entries, l.n, sizeof(*l.entries), compare_entries);
        *ret = l.entries;
        *ret_n = l.n;
        return 0;
}

const char *model_store_current(const ModelStore *s) {
        return s->state.current;
}

const char *model_store_previous(const ModelStore *s) {
        return s->state.n_history > 0 ? s->state.history[0] : NULL;
}

/* STATE, made where needed. Returns a descriptor or -errno with *e set. */
static int make_state_dir(const ModelStore *s, Error *e) {
        int fd, r;

        r = io_mkdir_p(s->dir, 0700);
        if (r < 0)
                return error_set(e, r, "cannot make state directory %s: %s", s->dir, strerror(-r));
        fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, -errno, "%s: %s", s->dir, strerror(errno)) : fd;
}

static int write_state(ModelStore *s, const ModelState *new, Error *e) {
        _cleanup_close_
        int fd = make_state_dir(s, e);
        _cleanup_free_
        char *text = model_state_format(new);
        int r;

        if (fd < 0)
                return fd;
        if (!text)
                return error_set(e, -ENOMEM, "out of memory");
        r = io_replace_at(fd, STATE_FILE, text, strlen(text), 0600);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r < 0)
                return error_set(e, r, "cannot write %s/" STATE_FILE ": %s", s->dir, strerror(-r));
        s->state = *new;
        return 0;
}

int model_store_choose(ModelStore *s, const char *name, Error *e) {
        ModelState new = s->state;

        model_state_choose(&new, name);
        return write_state(s, &new, e);
}

int model_store_rollback(ModelStore *s, Error *e) {
        ModelState new = s->state;

        model_state_rollback(&new);
        return write_state(s, &new, e);
}

void model_store_drop_staged(ModelStore *s) {
        _cleanup_close_
        int fd = open_models(s);

        if (fd < 0)
                return;
        (void)remove_folder(fd, STAGING);
        (void)remove_folder(fd, LEAVING);
}

static int check_new_name(const ModelStore *s, const char *name, Error *e) {
        char path[PATH_MAX];
        ModelSource source;
        Error none = ERROR_INIT;
        _cleanup_free_
        ModelEntry *entries = NULL;
        size_t n, installed = 0;
        int r;

        r = model_store_find(s, name, path, sizeof(path), &source, &none);
        if (r >= 0)
                return error_set(e, -EEXIST,
                                 source == MODEL_SOURCE_INSTALLED
                                         ? "there is a model %s already: give this one another "
                                           "name, or remove the other"
                                         : "the name %s is that of a model that comes with aikmd: "
                                           "give this one another",
                                 name);
        if (r != -ENOENT)
                return error_set(e, r, "%s", none.text);
        r = model_store_list(s, &entries, &n);
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        for (size_t i = 0; i < n; i++)
                installed += entries[i].source == MODEL_SOURCE_INSTALLED;
        if (installed >= MODEL_STORE_MAX)
                return error_set(e, -ENOSPC,
                                 "%zu models are installed, and no more can be: remove "
                                 "one",
                                 installed);
        return 0;
}

static int check_member_names(const Manifest *m, const char *manifest_name, Error *e) {
        const char *names[] = {manifest_name, m->cfg.file, m->weights.file, m->validation.file};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                for (size_t k = 0; k < i; k++)
                        if (names[i][0] && streq(names[i], names[k]))
                                return error_set(e, -EINVAL,
                                                 "the manifest has two files with the name '%s'",
                                                 names[i]);
        return 0;
}

static int write_members(int fd, const Manifest *m, const ModelFiles *files, Error *e) {
        const struct {
                const ManifestFile *as;
                const ModelFile *file;
                const char *what;
        } members[] = {
                {&m->cfg, &files->cfg, "a cfg was"},
                {&m->weights, &files->weights, "weights were"},
                {&m->validation, &files->validation, "validation rows were"},
        };

        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                const char *name = members[i].as->file;
                int r;

                if (!name[0] != !members[i].file->size)
                        return error_set(e, -EINVAL,
                                         name[0] ? "the file '%s' that the manifest names is empty "
                                                   "or was not given"
                                                 : "%s given that the manifest does not name",
                                         name[0] ? name : members[i].what);
                if (!name[0])
                        continue;
                r = io_replace_at(fd, name, members[i].file->data, members[i].file->size, 0600);
                if (r < 0)
                        return error_set(e, r, "cannot write %s: %s", name, strerror(-r));
        }
        return 0;
}

/* STATE/models/.new, empty. Returns a descriptor or -errno with *e set. */
static int make_staging(ModelStore *s, Error *e) {
        _cleanup_close_
        int state_fd = make_state_dir(s, e), models_fd = -EBADF;
        int fd = -EBADF;

        if (state_fd < 0)
                return state_fd;
        model_store_drop_staged(s);
        if (mkdirat(state_fd, MODELS_DIR, 0700) < 0 && errno != EEXIST)
                return error_set(e, -errno, "cannot make %s/" MODELS_DIR ": %s", s->dir,
                                 strerror(errno));
        models_fd = open_models(s);
        if (models_fd >= 0 && mkdirat(models_fd, STAGING, 0700) >= 0)
                fd = openat(models_fd, STAGING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, -errno, "cannot make %s/" MODELS_DIR "/" STAGING ": %s", s->dir,
                                 strerror(errno));
        return fd;
}

int model_store_stage(ModelStore *s, const ModelFiles *files, ModelStaged *ret, Error *e) {
        _cleanup_close_
        int fd = make_staging(s, e);
        char path[PATH_MAX], name[MODEL_NAME_MAX + 8];
        ModelStaged staged = {};
        Error inner = ERROR_INIT;
        Manifest m;
        int r;

        if (fd < 0)
                return fd;
        /* The manifest says what it is called. */
        r = io_replace_at(fd, "manifest", files->manifest.data, files->manifest.size, 0600);
        if (r < 0)
                return error_set(e, r, "cannot write the manifest: %s", strerror(-r));
        snprintf(path, sizeof(path), "%s/" MODELS_DIR "/" STAGING "/manifest", s->dir);
        r = manifest_read(path, &m, &inner);
        if (r < 0) {
                /* Whoever sent it has no such file. */
                size_t skip = strncmp(inner.text, path, strlen(path)) == 0 ? strlen(path) : 0;

                r = error_set(e, r, "%s%s", skip ? "the manifest" : "", inner.text + skip);
        }
        if (r >= 0)
                r = check_new_name(s, m.name, e);
        if (r >= 0) {
                snprintf(name, sizeof(name), "%s.json", m.name);
                r = check_member_names(&m, name, e);
        }
        if (r >= 0 && renameat(fd, "manifest", fd, name) < 0)
                r = error_set(e, -errno, "cannot write the manifest: %s", strerror(errno));
        if (r >= 0)
                r = write_members(fd, &m, files, e);
        if (r >= 0 &&
            (size_t)snprintf(staged.path, sizeof(staged.path), "%s/" MODELS_DIR "/" STAGING "/%s",
                             s->dir, name) >= sizeof(staged.path))
                r = error_set(e, -ENAMETOOLONG, "the path %s is too long", s->dir);
        if (r >= 0 && fsync(fd) < 0)
                r = error_set(e, -errno, "cannot write the model: %s", strerror(errno));
        if (r < 0) {
                model_store_drop_staged(s);
                return r;
        }
        snprintf(staged.name, sizeof(staged.name), "%s", m.name);
        *ret = staged;
        return 0;
}

int model_store_commit(ModelStore *s, const ModelStaged *staged, Error *e) {
        _cleanup_close_
        int fd = open_models(s);

        if (fd < 0 || renameat2(fd, STAGING, fd, staged->name, RENAME_NOREPLACE) < 0)
                return error_set(e, fd < 0 ? fd : -errno, "cannot install model %s: %s",
                                 staged->name, strerror(fd < 0 ? -fd : errno));
        /* It is there; whether a power cut now takes it back is all that can fail. */
        (void)fsync(fd);
        return 0;
}

int model_store_remove(ModelStore *s, const char *name, Error *e) {
        _cleanup_close_
        int fd = -EBADF;
        ModelState new = s->state;
        ModelSource source;
        char path[PATH_MAX];
        int r;

        r = model_store_find(s, name, path, sizeof(path), &source, e);
        if (r < 0)
                return r;
        if (source != MODEL_SOURCE_INSTALLED)
                return error_set(e, -EPERM, "model %s comes with aikmd and stays", name);
        if (streq(name, s->state.current))
                return error_set(e, -EBUSY, "model %s is in use: use another one first", name);
        fd = open_models(s);
        if (fd < 0)
                return error_set(e, fd, "%s: %s", s->dir, strerror(-fd));
        model_state_forget(&new, name);
        if (new.n_history != s->state.n_history) {
                r = write_state(s, &new, e);
                if (r < 0)
                        return r;
        }
        model_store_drop_staged(s);
        if (renameat(fd, name, fd, LEAVING) < 0)
                return error_set(e, -errno, "cannot remove model %s: %s", name, strerror(errno));
        (void)remove_folder(fd, LEAVING);
        (void)fsync(fd);
        return 0;
}
