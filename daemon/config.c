/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/config-json.h"
#include "daemon/config-text.h"
#include "daemon/json.h"
#include "util/io.h"

#define DROP_INS_MAX 1024

static const char *const standard_dirs[] = {AIKM_LIB_DIR, "/run/aikmd", "/etc/aikmd", NULL};

/* ---- documents ---- */

/* Changes p step by step; text is scribbled on. */
static int document_apply(Policy *p, char *text, size_t size, const char *name, Error *e) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_
        ConfigMark *marks = NULL;
        size_t n_marks;
        int r;

        r = config_text_parse(name, text, size, &o, &marks, &n_marks, e);
        if (r < 0)
                return r;
        return config_policy_load(
                p, o, &(ConfigSource){.name = name, .marks = marks, .n_marks = n_marks}, e);
}

static void policy_replace(Policy *p, Policy *with) {
        policy_done(p);
        *p = *with;
        *with = POLICY_INIT;
}

int config_apply_json(Policy *p, const char *json, size_t size, const char *name, Error *e) {
        _cleanup_(policy_done)
        Policy new = POLICY_INIT;
        _cleanup_free_
        char *text = NULL;
        int r;

        if (size > CONFIG_SIZE_MAX)
                return error_set(e, -EFBIG, "%s: %zu bytes are too many, at most 1 MiB is read",
                                 name, size);
        text = malloc(size + 1);
        if (!text || policy_copy(p, &new) < 0)
                return error_set(e, -ENOMEM, "%s: out of memory", name);
        if (size > 0)
                memcpy(text, json, size);
        text[size] = '\0';
        r = document_apply(&new, text, size, name, e);
        if (r < 0)
                return r;
        policy_replace(p, &new);
        return 0;
}

int config_apply_setting(Policy *p, const char *key, const char *value, Error *e) {
        _cleanup_(policy_done)
        Policy new = POLICY_INIT;
        int r;

        if (policy_copy(p, &new) < 0)
                return error_set(e, -ENOMEM, "%.100s: out of memory", key);
        r = config_policy_set(&new, key, value, e);
        if (r < 0)
                return r;
        policy_replace(p, &new);
        return 0;
}

char *config_to_json(const Policy *p) {
        _cleanup_json_ json_object *o = config_policy_format(p);
        const char *text;

        if (!o)
                return NULL;
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? strdup(text) : NULL;
}

/* ---- files ---- */

/*
 * What steers a root daemon must be root's. A fake root (AIKM_ROOT) belongs to whoever set it up,
 * so this holds for the real one alone, and that is known from the descriptor itself: it is "/" as
 * this process sees it, whatever the environment says.
 */
static bool root_is_real(int root_fd) {
        struct stat a, b;

        if (fstat(root_fd, &a) < 0 || stat("/", &b) < 0)
                return true;
        return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int file_error(Error *e, const char *name) {
        int r = errno > 0 ? -errno : -EIO;

        return error_set(e, r, "%s: %s", name, strerror(-r));
}

static int check_owner(int fd, const char *name, Error *e) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return file_error(e, name);
        if (st.st_uid != 0)
                return error_set(e, -EPERM, "%s: belongs to user %u; it must be root's", name,
                                 st.st_uid);
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return error_set(e, -EPERM,
                                 "%s: others than root may write to it (mode %04o); it must be "
                                 "root's alone",
                                 name, st.st_mode & 07777);
        return 0;
}

static int read_text(int fd, const char *name, char **ret, size_t *ret_size, Error *e) {
        _cleanup_free_
        char *text = NULL;
        size_t size = 0, allocated = 0;

        for (;;) {
                ssize_t n;

                if (allocated - size < 2) {
                        char *grown = realloc(text, allocated + 16384);

                        if (!grown)
                                return error_set(e, -ENOMEM, "%s: out of memory", name);
                        text = grown;
                        allocated += 16384;
                }
                n = read(fd, text + size, allocated - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return file_error(e, name);
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > CONFIG_SIZE_MAX)
                        return error_set(e, -EFBIG, "%s: is too big, at most 1 MiB is read", name);
        }
        text[size] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

/* Applies dir_fd/file to p. name: for messages. Returns 1, or 0 where there is no such file. */
static int file_apply(Policy *p, int dir_fd, const char *file, const char *name, bool real,
                      Error *e) {
        _cleanup_free_
        char *text = NULL;
        _cleanup_close_
        int fd = -EBADF;
        size_t size = 0;
        struct stat st;
        int r;

        /* O_NONBLOCK: a FIFO would hold the daemon up */
        fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0)
                return file_error(e, name);
        if (fstat(fd, &st) < 0)
                return file_error(e, name);
        if (!S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "%s: is not a regular file", name);
        if (real) {
                r = check_owner(dir_fd, name, NULL);
                if (r < 0)
                        return error_set(e, r, "%s: others than root may write to its folder",
                                         name);
                r = check_owner(fd, name, e);
                if (r < 0)
                        return r;
        }
        r = read_text(fd, name, &text, &size, e);
        if (r < 0 || !text)
                return r;
        r = document_apply(p, text, size, name, e);
        return r < 0 ? r : 1;
}

/* Folder `dir` (absolute, below the root). Returns 1, or 0 where it is not there. */
static int folder_open(int root_fd, const char *dir, const char *sub, int *ret_fd, Error *e) {
        char path[512];
        int fd, n;

        while (*dir == '/')
                dir++;
        n = snprintf(path, sizeof(path), "%s%s", *dir ? dir : ".", sub);
        if ((size_t)n >= sizeof(path))
                return error_set(e, -ENAMETOOLONG, "/%.100s…: the name is too long", dir);
        fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : error_set(e, -errno, "/%s: %s", path, strerror(errno));
        *ret_fd = fd;
        return 1;
}

typedef struct DropIn {
        char name[256];
        const char *dir; /* the last folder that has it */
} DropIn;

typedef struct DropIns {
        DropIn *items;
        size_t n;
} DropIns;

static void drop_ins_done(DropIns *d) {
        free(d->items);
}

static int drop_in_compare(const void *a, const void *b) {
        return strcmp(((const DropIn *)a)->name, ((const DropIn *)b)->name);
}

static int drop_ins_add(DropIns *d, const char *name, const char *dir) {
        DropIn *grown;

        for (size_t i = 0; i < d->n; i++)
                if (streq(d->items[i].name, name)) {
                        d->items[i].dir = dir;
                        return 0;
                }
        if (d->n == DROP_INS_MAX)
                return -E2BIG;
        grown = realloc(d->items, (d->n + 1) * sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        d->items = grown;
        d->items[d->n] = (DropIn){.dir = dir};
        snprintf(d->items[d->n++].name, sizeof(d->items[0].name), "%s", name);
        return 0;
}

/* dir/policy.d/ *.json; what starts with a dot or ends otherwise (editors' backups) is not ours. */
static int drop_ins_collect(DropIns *d, int root_fd, const char *dir, Error *e) {
        _cleanup_(closedirp)
        DIR *stream = NULL;
        _cleanup_close_
        int fd = -EBADF;
        int r;

        r = folder_open(root_fd, dir, "/policy.d", &fd, e);
        if (r <= 0)
                return r;
        stream = fdopendir(fd);
        if (!stream)
                return error_set(e, -errno, "%s/policy.d: %s", dir, strerror(errno));
        (void)TAKE_FD(fd);
        for (;;) {
                const struct dirent *entry;
                size_t n;

                errno = 0;
                entry = readdir(stream);
                if (!entry)
                        return errno == 0 ? 0
                                          : error_set(e, -errno, "%s/policy.d: %s", dir,
                                                      strerror(errno));
                n = strlen(entry->d_name);
                if (entry->d_name[0] == '.' || n <= 5 || !streq(entry->d_name + n - 5, ".json"))
                        continue;
                r = drop_ins_add(d, entry->d_name, dir);
                if (r < 0)
                        return error_set(e, r, "%s/policy.d: %s", dir,
                                         r == -E2BIG ? "too many files" : strerror(-r));
        }
}

int config_load(int root_fd, const char *const *dirs, Policy *ret, Error *e) {
        _cleanup_(drop_ins_done)
        DropIns drop_ins = {0};
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        bool real = root_is_real(root_fd);
        char name[640];
        int r;

        if (!dirs)
                dirs = standard_dirs;
        r = policy_init_default(&p);
        if (r < 0)
                return error_set(e, r, "out of memory");
        snprintf(p.model, sizeof(p.model), "default");

        for (const char *const *dir = dirs; *dir; dir++) {
                _cleanup_close_
                int fd = -EBADF;

                r = folder_open(root_fd, *dir, "", &fd, e);
                if (r < 0)
                        return r;
                if (r > 0) {
                        snprintf(name, sizeof(name), "%s/aikmd.json", *dir);
                        r = file_apply(&p, fd, "aikmd.json", name, real, e);
                        if (r < 0)
                                return r;
                }
                r = drop_ins_collect(&drop_ins, root_fd, *dir, e);
                if (r < 0)
                        return r;
        }

        if (drop_ins.n > 1)
                qsort(drop_ins.items, drop_ins.n, sizeof(drop_ins.items[0]), drop_in_compare);
        for (size_t i = 0; i < drop_ins.n; i++) {
                const DropIn *d = &drop_ins.items[i];
                _cleanup_close_
                int fd = -EBADF;

                r = folder_open(root_fd, d->dir, "/policy.d", &fd, e);
                if (r < 0)
                        return r;
                snprintf(name, sizeof(name), "%s/policy.d/%s", d->dir, d->name);
                r = r == 0 ? 0 : file_apply(&p, fd, d->name, name, real, e);
                if (r < 0)
                        return r;
        }
        *ret = p;
        p = POLICY_INIT;
        return 0;
}
