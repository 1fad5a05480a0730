/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/text-parse.h"

#include <errno.h>

static const char *skip_blanks(const char *p) {
        return p + strspn(p, " \t");
}

int text_parse_u64(const char **p, uint64_t *ret) {
        const char *q = skip_blanks(*p);
        uint64_t v = 0;

        if (*q < '0' || *q > '9')
                return -EBADMSG;
        for (; *q >= '0' && *q <= '9'; q++)
                if (__builtin_mul_overflow(v, 10U, &v) ||
                    __builtin_add_overflow(v, (uint64_t)(*q - '0'), &v))
                        return -EBADMSG;
        *ret = v;
        *p = q;
        return 0;
}

int text_parse_i64(const char **p, int64_t *ret) {
        const char *q = skip_blanks(*p);
        bool negative = *q == '-';
        uint64_t v;

        q += negative;
        if (*q < '0' || *q > '9' || text_parse_u64(&q, &v) < 0 || v > INT64_MAX)
                return -EBADMSG;
        *ret = negative ? -(int64_t)v : (int64_t)v;
        *p = q;
        return 0;
}

const char *text_find_key(const char *text, const char *key) {
        size_t length = strlen(key);

        for (const char *line = text; line && *line;) {
                if (strncmp(line, key, length) == 0)
                        return skip_blanks(line + length);
                line = strchr(line, '\n');
                if (line)
                        line++;
        }
        return NULL;
}
