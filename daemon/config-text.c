/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-text.h"

#include <errno.h>

#include "daemon/json.h"
#include "util/hash.h"

#define DEPTH_MAX 16

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

int config_text_parse(const char *name, char *text, size_t size, json_object **ret,
                      ConfigMark **ret_marks, size_t *ret_n_marks, Error *e) {
        _cleanup_json_ json_object *o = NULL;
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
        if (r < 0) {
                free(scan.marks);
                return r;
        }
        *ret = TAKE_PTR(o);
        *ret_marks = scan.marks;
        *ret_n_marks = scan.n_marks;
        return 0;
}
