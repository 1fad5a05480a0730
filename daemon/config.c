/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/config-json.h"
#include "daemon/json.h"
#include "util/hash.h"
#include "util/io.h"

#define DEPTH_MAX 16
#define DROP_INS_MAX 1024

static const char *const standard_dirs[] = {AIKM_LIB_DIR, "/run/aikmd", "/etc/aikmd", NULL};

DEFINE_CLEANUP(json_tokener *, json_tokener_free);

/* ---- messages ---- */

static int mark_compare(const void *a, const void *b) {
        const ConfigMark *x = a, *y = b;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return x->line < y->line ? -1 : x->line > y->line;
}

/* Keys and values come from files: nothing in them may break the one line of a message. */
static void make_one_line(char *text) {
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        *p = '?';
}

int config_error(const ConfigSource *s, const char *path, int r, Error *e, const char *format,
                 ...) {
        char text[sizeof(e->text)], line[16] = "";
        va_list ap;

        if (!e || e->text[0])
                return r;
        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (s->name && s->n_marks > 0) {
                uint64_t hash = fnv1a64(FNV1A64_INIT, path, strlen(path));

                for (size_t i = 0; i < s->n_marks; i++)
                        if (s->marks[i].hash == hash) {
                                snprintf(line, sizeof(line), "%u:", s->marks[i].line);
                                break;
                        }
        }
        error_set(e, r, "%s%s%s%s%.200s%s%s", s->name ? s->name : "", s->name ? ":" : "", line,
                  s->name ? " " : "", path, path[0] ? ": " : "", text);
        make_one_line(e->text);
        return r;
}

/* ---- text to tree ---- */

static void text_position(const char *text, size_t offset, unsigned *ret_line,
                          unsigned *ret_column) {
        *ret_line = *ret_column = 1;
        for (size_t i = 0; i < offset; i++) {
                if (text[i] == '\n') {
                        (*ret_line)++;
                        *ret_column = 1;
                } else if (((unsigned char)text[i] & 0xc0) != 0x80) /* not inside a UTF-8 char */
                        (*ret_column)++;
        }
}

static int syntax_error(const char *name, const char *text, size_t offset, Error *e,
                        const char *what) {
        unsigned line, column;

        text_position(text, offset, &line, &column);
        error_set(e, -EINVAL, "%s:%u:%u: %s", name, line, column, what);
        if (e)
                make_one_line(e->text);
        return -EINVAL;
}

/*
 * Comments become blanks of the same length, so that positions stay true. json-c would accept them
 * itself, but only in a mode that also accepts garbage behind the object, single quotes and other
 * surprises.
 */
static int blank_comments(const char *name, char *text, size_t size, Error *e) {
        for (size_t i = 0; i < size; i++) {
                size_t end;

                if (text[i] == '"') {
                        for (i++; i < size && text[i] != '"'; i++)
                                if (text[i] == '\\')
                                        i++;
                        continue;
                }
                if (text[i] != '/' || i + 1 >= size)
                        continue;
                if (text[i + 1] == '/')
                        end = i + strcspn(text + i, "\n");
                else if (text[i + 1] == '*') {
                        const char *close = strstr(text + i + 2, "*/");

                        if (!close)
                                return syntax_error(name, text, i, e,
                                                    "this comment has no end (*/)");
                        end = (size_t)(close + 2 - text);
                } else
                        continue;
                for (; i < end; i++)
                        if (text[i] != '\n')
                                text[i] = ' ';
                i = end - 1;
        }
        return 0;
}

/* One run of json-c over the text and the NUL behind it, which says that nothing follows. */
static int tokens_parse(const char *text, size_t size, int flags, json_object **ret,
                        enum json_tokener_error *ret_error, size_t *ret_end) {
        _cleanup_(json_tokener_freep)
        json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);

        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, flags);
        *ret = json_tokener_parse_ex(tokener, text, (int)size + 1);
        *ret_error = json_tokener_get_error(tokener);
        *ret_end = MIN(json_tokener_get_parse_end(tokener), size);
        return 0;
}

/*
 * Strict json-c 0.18 takes each byte from 0x80 on for a control character (its issue 892): it is
 * strict about a copy that has none of them, and then checks the text itself for UTF-8.
 */
static int tokens_parse_strictly(const char *text, size_t size, json_object **ret,
                                 enum json_tokener_error *ret_error, size_t *ret_end) {
        _cleanup_json_ json_object *unused = NULL;
        _cleanup_free_
        char *ascii = strndup(text, size);
        int r;

        if (!ascii)
                return -ENOMEM;
        for (char *p = ascii; *p; p++)
                if ((unsigned char)*p >= 0x80)
                        *p = 'x';
        r = tokens_parse(ascii, size, JSON_TOKENER_STRICT, &unused, ret_error, ret_end);
        if (r < 0 || *ret_error != json_tokener_success)
                return r;
        return tokens_parse(text, size, JSON_TOKENER_VALIDATE_UTF8, ret, ret_error, ret_end);
}

static int tree_parse(const char *name, const char *text, size_t size, json_object **ret,
                      Error *e) {
        _cleanup_json_ json_object *o = NULL;
        enum json_tokener_error error;
        char what[128];
        size_t end;

        if (tokens_parse_strictly(text, size, &o, &error, &end) < 0)
                return error_set(e, -ENOMEM, "%s: out of memory", name);
        if (error == json_tokener_continue || error == json_tokener_error_parse_eof)
                return syntax_error(name, text, size, e,
                                    strspn(text, " \t\r\n") == size
                                            ? "the file holds no JSON; {} says nothing"
                                            : "the text ends too early");
        if (error == json_tokener_error_depth)
                return syntax_error(name, text, end, e, "nested deeper than 16 levels");
        if (error != json_tokener_success) {
                snprintf(what, sizeof(what), "not JSON: %s", json_tokener_error_desc(error));
                return syntax_error(name, text, end, e, what);
        }
        if (!json_object_is_type(o, json_type_object))
                return syntax_error(name, text, strspn(text, " \t\r\n"), e,
                                    "must be one object {…}");
        *ret = TAKE_PTR(o);
        return 0;
}

/* A walk over text that is known to be JSON. */
typedef struct Scan {
        const char *p;
        unsigned line;
        ConfigMark *marks;
        size_t n_marks, n_allocated;
} Scan;

static int scan_mark(Scan *s, uint64_t hash) {
        if (s->n_marks == s->n_allocated) {
                size_t n = s->n_allocated ? s->n_allocated * 2 : 64;
                ConfigMark *grown = realloc(s->marks, n * sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                s->marks = grown;
                s->n_allocated = n;
        }
        s->marks[s->n_marks++] = (ConfigMark){.hash = hash, .line = s->line};
        return 0;
}

static void scan_blanks(Scan *s) {
        for (; *s->p && strchr(" \t\r\n", *s->p); s->p++)
                if (*s->p == '\n')
                        s->line++;
}

/* Over a string; its content is left in [*ret, *ret + *ret_size). */
static void scan_string(Scan *s, const char **ret, size_t *ret_size) {
        *ret = ++s->p;
        for (; *s->p && *s->p != '"'; s->p++) {
                if (*s->p == '\n')
                        s->line++;
                if (*s->p == '\\' && s->p[1])
                        s->p++;
        }
        *ret_size = (size_t)(s->p - *ret);
        if (*s->p)
                s->p++;
}

/* Notes the line of each key and list entry. Nesting is at most DEPTH_MAX: the parser saw to it. */
static int scan_value(Scan *s, uint64_t path) {
        bool object = *s->p == '{';
        const char *text;
        size_t size;
        int r;

        if (*s->p == '"') {
                scan_string(s, &text, &size);
                return 0;
        }
        if (*s->p != '{' && *s->p != '[') {
                s->p += strcspn(s->p, ",]} \t\r\n");
                return 0;
        }
        s->p++;
        for (size_t i = 0;; i++) {
                uint64_t child = path;
                char index[32];

                scan_blanks(s);
                if (*s->p == ',') {
                        s->p++;
                        scan_blanks(s);
                }
                if (*s->p == '}' || *s->p == ']' || !*s->p) {
                        s->p += *s->p != '\0';
                        return 0;
                }
                if (object && *s->p != '"') /* json-c takes 'key' even when it is strict */
                        return -EBADMSG;
                if (object) {
                        if (path != FNV1A64_INIT)
                                child = fnv1a64(child, ".", 1);
                        scan_string(s, &text, &size);
                        child = fnv1a64(child, text, size);
                        if (memchr(text, '\\', size))
                                return -EINVAL;
                } else {
                        snprintf(index, sizeof(index), "[%zu]", i);
                        child = fnv1a64(child, index, strlen(index));
                }
                r = scan_mark(s, child);
                if (r < 0)
                        return r;
                scan_blanks(s);
                if (object && *s->p == ':') {
                        s->p++;
                        scan_blanks(s);
                }
                r = scan_value(s, child);
                if (r < 0)
                        return r;
        }
}

/* Lines of all keys; refuses a key that is there twice, of which json-c would keep the last without
 * a word. */
static int scan_marks(const char *name, const char *text, Scan *s, Error *e) {
        int r;

        *s = (Scan){.p = text, .line = 1};
        scan_blanks(s);
        r = scan_value(s, FNV1A64_INIT);
        if (r == -EBADMSG)
                return syntax_error(name, text, (size_t)(s->p - text), e,
                                    "a key must stand in double quotes");
        if (r == -EINVAL)
                return syntax_error(name, text, (size_t)(s->p - text), e,
                                    "this key has an escape (\\) in it; no key needs one");
        if (r < 0)
                return error_set(e, r, "%s: out of memory", name);
        if (s->n_marks > 1)
                qsort(s->marks, s->n_marks, sizeof(s->marks[0]), mark_compare);
        for (size_t i = 1; i < s->n_marks; i++)
                if (s->marks[i].hash == s->marks[i - 1].hash)
                        return error_set(e, -EINVAL, "%s:%u: this key is already there in line %u",
                                         name, s->marks[i].line, s->marks[i - 1].line);
        return 0;
}

/* ---- documents ---- */

/* Changes p step by step; text is scribbled on. */
static int document_apply(Policy *p, char *text, size_t size, const char *name, Error *e) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_
        ConfigMark *marks = NULL;
        const char *nul = memchr(text, '\0', size);
        Scan scan = {0};
        int r;

        if (nul)
                return syntax_error(name, text, (size_t)(nul - text), e,
                                    "a NUL byte: this is no text");
        r = blank_comments(name, text, size, e);
        if (r < 0)
                return r;
        r = tree_parse(name, text, size, &o, e);
        if (r < 0)
                return r;
        r = scan_marks(name, text, &scan, e);
        marks = scan.marks;
        if (r < 0)
                return r;
        return config_policy_load(
                p, o, &(ConfigSource){.name = name, .marks = marks, .n_marks = scan.n_marks}, e);
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
