/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "util/io.h"

#define RESULT_MAX ((size_t)64 * 1024 * 1024)

const char *const publish_ends[PUBLISH_ENDS_MAX] = {".bpf.c", ".bpf.o", ".skel.h", ".h", ".json"};

int publish_check(const char *out, Error *e) {
        const char *slash = strrchr(out, '/'), *name = slash ? slash + 1 : out;

        if (!name[0] || streq(name, ".") || streq(name, ".."))
                return error_set(e, -EINVAL,
                                 "-o '%s' names no file: accepted is a path to which .bpf.o, "
                                 ".json … are added",
                                 out);
        for (size_t i = 0; i < PUBLISH_ENDS_MAX; i++) {
                _cleanup_free_
                char *to = NULL;
                struct stat st;

                if (asprintf(&to, "%s%s", out, publish_ends[i]) < 0)
                        return error_set(e, -ENOMEM, "out of memory");
                if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
                        return error_set(e, -EINVAL, "-o %s: %s is a folder", out, to);
        }
        return 0;
}

typedef struct Copy {
        char *to;
        char *fresh; /* beside it, under another name; NULL: not made */
} Copy;

typedef struct Copies {
        Copy of[PUBLISH_ENDS_MAX];
} Copies;

static void copies_done(Copies *c) {
        for (size_t i = 0; i < PUBLISH_ENDS_MAX; i++) {
                if (c->of[i].fresh)
                        (void)unlink(c->of[i].fresh);
                free(c->of[i].fresh);
                free(c->of[i].to);
        }
}

static int make_copy(const char *from, const char *out, const char *end, Copy *c, Error *e) {
        _cleanup_free_
        char *data = NULL, *fresh = NULL;
        size_t size;
        int r;

        if (asprintf(&c->to, "%s%s", out, end) < 0) {
                c->to = NULL;
                return error_set(e, -ENOMEM, "out of memory");
        }
        if (asprintf(&fresh, "%s.new~", c->to) < 0) {
                fresh = NULL;
                return error_set(e, -ENOMEM, "out of memory");
        }
        r = io_read_all_at(AT_FDCWD, from, RESULT_MAX, &data, &size);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = io_replace_at(AT_FDCWD, fresh, data, size, 0644);
        if (r < 0)
                return error_set(e, r, "%s: %s", c->to, strerror(-r));
        c->fresh = TAKE_PTR(fresh);
        return 0;
}

int publish(const BuildFolder *folder, const char *name, const char *out, Error *e) {
        _cleanup_(copies_done)
        Copies copies = {0};

        for (size_t i = 0; i < PUBLISH_ENDS_MAX; i++) {
                char from[BUILD_PATH_MAX];
                int r;

                snprintf(from, sizeof(from), "%s/%s%s", folder->path, name, publish_ends[i]);
                r = make_copy(from, out, publish_ends[i], &copies.of[i], e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < PUBLISH_ENDS_MAX; i++) {
                Copy *c = &copies.of[i];

                if (c->fresh && rename(c->fresh, c->to) < 0)
                        return error_set(e, -errno, "%s: %s", c->to, strerror(errno));
                free(c->fresh);
                c->fresh = NULL;
        }
        return 0;
}
