/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/cgroup-parse.h"

#include <errno.h>

static bool list_contains(const char *list, size_t length, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list, *end = list + length; p < end;) {
                const char *comma = memchr(p, ',', (size_t)(end - p));
                size_t k = (size_t)((comma ? comma : end) - p);

                if (k == n && memcmp(p, word, n) == 0)
                        return true;
                p += k + 1;
        }
        return false;
}

static CgroupPath path_of(const char *start, const char *end) {
        static const char deleted[] = " (deleted)";
        size_t length = (size_t)(end - start), n = sizeof(deleted) - 1;

        if (length > n && memcmp(end - n, deleted, n) == 0)
                length -= n;
        return (CgroupPath){.start = start, .length = length};
}

/* Lines are "id:controllers:path"; a path may hold colons, controllers may not. */
void cgroup_parse_paths(const char *text, CgroupPath ret[_CGROUP_HIERARCHY_COUNT]) {
        memset(ret, 0, sizeof(CgroupPath) * _CGROUP_HIERARCHY_COUNT);
        for (const char *line = text; *line;) {
                const char *end = line + strcspn(line, "\n");
                const char *list = memchr(line, ':', (size_t)(end - line));
                const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;

                if (path && path[1] == '/') {
                        size_t n = (size_t)(path - list - 1);

                        if (n == 0 && list - line == 1 && *line == '0')
                                ret[CGROUP_V2] = path_of(path + 1, end);
                        else if (list_contains(list + 1, n, "name=systemd"))
                                ret[CGROUP_V1_SYSTEMD] = path_of(path + 1, end);
                        else if (list_contains(list + 1, n, "cpu"))
                                ret[CGROUP_V1_CPU] = path_of(path + 1, end);
                }
                line = *end ? end + 1 : end;
        }
}

/* Copies a word of mountinfo with its octal escapes decoded. */
static int copy_word(const char *word, size_t length, char *ret, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < length; i++) {
                char c = word[i];

                if (c == '\\' && i + 3 < length && word[i + 1] >= '0' && word[i + 1] <= '3') {
                        c = (char)((word[i + 1] - '0') << 6 | (word[i + 2] - '0') << 3 |
                                   (word[i + 3] - '0'));
                        i += 3;
                }
                if (n + 1 >= size)
                        return -ENAMETOOLONG;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return 0;
}

typedef struct Word {
        const char *start;
        size_t length;
} Word;

static size_t split(const char *line, const char *end, Word *words, size_t max) {
        size_t n = 0;

        while (line < end && n < max) {
                const char *blank = memchr(line, ' ', (size_t)(end - line));
                const char *stop = blank ? blank : end;

                words[n++] = (Word){.start = line, .length = (size_t)(stop - line)};
                line = stop + 1;
        }
        return n;
}

static bool word_is(Word w, const char *text) {
        return w.length == strlen(text) && memcmp(w.start, text, w.length) == 0;
}

static bool is_hierarchy(Word type, Word options, CgroupHierarchy hierarchy) {
        switch (hierarchy) {
        case CGROUP_V2:
                return word_is(type, "cgroup2");
        case CGROUP_V1_SYSTEMD:
                return word_is(type, "cgroup") &&
                       list_contains(options.start, options.length, "name=systemd");
        case CGROUP_V1_CPU:
                return word_is(type, "cgroup") &&
                       list_contains(options.start, options.length, "cpu");
        case _CGROUP_HIERARCHY_COUNT:
                break;
        }
        return false;
}

/* "36 35 98:0 /root /point options [optional …] - type source super-options" */
int cgroup_parse_mount(const char *text, CgroupHierarchy hierarchy, char *ret_root, char *ret_point,
                       size_t size) {
        for (const char *line = text; *line;) {
                const char *end = line + strcspn(line, "\n");
                Word w[32];
                size_t n = split(line, end, w, ELEMENTSOF(w)), dash = 6;

                while (dash < n && !word_is(w[dash], "-"))
                        dash++;
                if (dash + 3 < n && is_hierarchy(w[dash + 1], w[dash + 3], hierarchy)) {
                        int r = copy_word(w[3].start, w[3].length, ret_root, size);

                        return r < 0 ? r : copy_word(w[4].start, w[4].length, ret_point, size);
                }
                line = *end ? end + 1 : end;
        }
        return -ENOENT;
}
