/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/parse.h"

#include <errno.h>

#include "util/io.h"

typedef struct Suffix {
        const char *name;
        uint64_t factor;
} Suffix;

/* A number with a suffix of the table, whose first entry is for none. */
static int parse_scaled(const char *text, const Suffix *table, size_t n, double *ret) {
        size_t length = strspn(text, "0123456789.");
        char number[32];
        double v;

        if (length == 0 || length >= sizeof(number))
                return -EINVAL;
        memcpy(number, text, length);
        number[length] = '\0';
        if (parse_double(number, 0, 1e15, &v) < 0)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (streq(text + length, table[i].name)) {
                        *ret = v * (double)table[i].factor;
                        return *ret < 9e18 ? 0 : -EINVAL;
                }
        return -EINVAL;
}

int parse_size(const char *name, const char *text, uint64_t *ret, Error *e) {
        static const Suffix suffixes[] = {
                {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1ULL << 30}, {"T", 1ULL << 40}};
        double v;

        if (parse_scaled(text, suffixes, ELEMENTSOF(suffixes), &v) < 0)
                return error_set(e, -EINVAL,
                                 "%s: '%.40s' is not a size: a number, with K, M, G or T where "
                                 "wanted (512M)",
                                 name, text);
        *ret = (uint64_t)v;
        return 0;
}

int parse_span(const char *name, const char *text, usec_t *ret, Error *e) {
        static const Suffix suffixes[] = {
                {"", USEC_PER_SEC},          {"us", 1},
                {"ms", USEC_PER_MSEC},       {"s", USEC_PER_SEC},
                {"min", 60 * USEC_PER_SEC},  {"h", 3600 * USEC_PER_SEC},
                {"d", 86400 * USEC_PER_SEC}, {"w", 7 * 86400 * USEC_PER_SEC}};
        double v;

        if (parse_scaled(text, suffixes, ELEMENTSOF(suffixes), &v) < 0)
                return error_set(e, -EINVAL,
                                 "%s: '%.40s' is not a span of time: a number with us, ms, s, min, "
                                 "h, d or w (30d)",
                                 name, text);
        *ret = (usec_t)v;
        return 0;
}

static bool parse_date(const char *text, int64_t *ret) {
        static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
                                              "%Y-%m-%dT%H:%M:%S"};

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                struct tm tm = {.tm_isdst = -1};
                const char *end = strptime(text, formats[i], &tm);
                time_t t;

                if (!end || *end)
                        continue;
                t = mktime(&tm);
                if (t < 0)
                        return false;
                *ret = (int64_t)t * (int64_t)USEC_PER_SEC;
                return true;
        }
        return false;
}

int parse_when(const char *name, const char *text, int64_t now, int64_t *ret, Error *e) {
        double seconds;
        usec_t span = 0;

        if (streq(text, "now")) {
                *ret = now;
                return 0;
        }
        if (text[0] == '@' && parse_double(text + 1, 0, 9e12, &seconds) >= 0) {
                *ret = (int64_t)(seconds * 1e6);
                return 0;
        }
        if (text[0] == '-' && parse_span(name, text + 1, &span, NULL) >= 0) {
                *ret = now - (int64_t)span;
                return 0;
        }
        if (parse_date(text, ret))
                return 0;
        return error_set(e, -EINVAL,
                         "%s: '%.40s' is not a time: YYYY-MM-DD [HH:MM[:SS]], @SECONDS since 1970, "
                         "now, or a span ago (-2h)",
                         name, text);
}
