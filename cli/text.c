/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/text.h"

#include <stdint.h>
#include <wchar.h>

#include "util/macro.h"

/* One code point. Returns its bytes (1..4), or 0 where s does not begin with valid UTF-8
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t utf8_decode(const char *s, uint32_t *ret) {
        const unsigned char *p = (const unsigned char *)s;
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t c;
        size_t n;

        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }
        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                n = 2;
        else if ((p[0] & 0xf0) == 0xe0)
                n = 3;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                n = 4;
        else
                return 0;
        c = p[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3f);
        }
        if (c < least[n] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
                return 0;
        *ret = c;
        return n;
}

static int columns_of(uint32_t c) {
        if (c < 0x20 || c == 0x7f)
                return -1;
        if (c < 0x7f)
                return 1;
        /* C1 controls move cursors as well. */
        return c < 0xa0 ? -1 : wcwidth((wchar_t)c);
}

/* Marks that turn the direction of what follows can make a line read as something else. */
static bool is_bidi_control(uint32_t c) {
        return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
               c == 0x200f || c == 0x061c;
}

char *text_escape(const char *s, bool utf8) {
        static const char hex[] = "0123456789abcdef";
        size_t n = strlen(s);
        char *out = malloc(4 * n + 1), *q = out;

        if (!out)
                return NULL;
        while (*s) {
                uint32_t c = 0;
                size_t k = utf8_decode(s, &c);

                if (k == 1 && c == '\\') {
                        *q++ = '\\';
                        *q++ = '\\';
                } else if (k == 1 && (c == '\n' || c == '\t' || c == '\r')) {
                        *q++ = '\\';
                        *q++ = c == '\n' ? 'n' : c == '\t' ? 't' : 'r';
                } else if (k > 0 && (utf8 || k == 1) && columns_of(c) >= 0 && !is_bidi_control(c)) {
                        memcpy(q, s, k);
                        q += k;
                } else {
                        k = MAX(k, (size_t)1);
                        for (size_t i = 0; i < k; i++) {
                                unsigned char b = (unsigned char)s[i];

                                *q++ = '\\';
                                *q++ = 'x';
                                *q++ = hex[b >> 4];
                                *q++ = hex[b & 15];
                        }
                }
                s += k;
        }
        *q = '\0';
        return out;
}

size_t text_fit(const char *s, size_t columns, size_t *ret_width) {
        size_t bytes = 0, width = 0;

        while (s[bytes]) {
                uint32_t c = 0;
                size_t k = utf8_decode(s + bytes, &c);
                int w = k > 0 ? columns_of(c) : 1;

                if (width + (size_t)MAX(w, 0) > columns)
                        break;
                width += (size_t)MAX(w, 0);
                bytes += MAX(k, (size_t)1);
        }
        if (ret_width)
                *ret_width = width;
        return bytes;
}

size_t text_width(const char *s) {
        size_t width;

        (void)text_fit(s, SIZE_MAX / 2, &width);
        return width;
}

char *text_ellipsize(const char *s, size_t columns, bool utf8) {
        const char *mark = utf8 ? "…" : "~";
        size_t bytes;
        char *out;

        if (text_width(s) <= columns)
                return strdup(s);
        bytes = columns > 0 ? text_fit(s, columns - 1, NULL) : 0;
        out = malloc(bytes + strlen(mark) + 1);
        if (!out)
                return NULL;
        memcpy(out, s, bytes);
        memcpy(out + bytes, columns > 0 ? mark : "", columns > 0 ? strlen(mark) + 1 : 1);
        return out;
}
