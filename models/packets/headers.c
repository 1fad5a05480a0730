/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A CSV file of packet headers to packets. */

#include <errno.h>
#include <limits.h>

#include "models/packets/capture.h"

#define TEXT_COLUMNS(X) X(src) X(file) X(label) X(cls)
#define NUMBER_COLUMNS(X)                            \
        X(ts_us, INT64_MIN / 1000, INT64_MAX / 1000) \
        X(sid, 0, UINT32_MAX)                        \
        X(did, 0, UINT32_MAX)                        \
        X(v, 4, 6)                                   \
        X(proto, 0, 255)                             \
        X(iplen, 0, 65575)                           \
        X(ihl, 0, 65575)                             \
        X(df, 0, 1)                                  \
        X(frag, 0, 1)                                \
        X(sport, 0, 65535) X(dport, 0, 65535) X(flags, 0, 65535) X(win, 0, 65535) X(plen, 0, 65575)

enum {
#define X(name, ...) TEXT_##name,
        TEXT_COLUMNS(X)
#undef X
                TEXT_COUNT
};
enum {
#define X(name, ...) NUMBER_##name,
        NUMBER_COLUMNS(X)
#undef X
                NUMBER_COUNT
};

#define COLUMNS_MAX 64

typedef struct Reader {
        const char *path;
        size_t line;
        size_t n_columns;
        size_t text_at[TEXT_COUNT];
        size_t number_at[NUMBER_COUNT];
        const char *text[TEXT_COUNT];
        int64_t number[NUMBER_COUNT];
} Reader;

static const char *const text_names[] = {
#define X(name, ...) #name,
        TEXT_COLUMNS(X)
#undef X
};
static const struct {
        const char *name;
        int64_t min;
        int64_t max;
} numbers[] = {
#define X(name, min, max) {#name, min, max},
        NUMBER_COLUMNS(X)
#undef X
};

/* Cuts the line at its commas; returns how many parts, at most COLUMNS_MAX + 1. */
static size_t split(char *line, char *ret[COLUMNS_MAX]) {
        size_t n = 0;

        line[strcspn(line, "\r\n")] = 0;
        for (char *p = line; p; n++) {
                char *comma = strchr(p, ',');

                if (n == COLUMNS_MAX)
                        return n + 1;
                ret[n] = p;
                if (comma)
                        *comma++ = 0;
                p = comma;
        }
        return n;
}

static int find(const Reader *r, char *parts[], const char *name, size_t *ret, Error *e) {
        for (size_t i = 0; i < r->n_columns; i++)
                if (streq(parts[i], name)) {
                        *ret = i;
                        return 0;
                }
        return error_set(e, -EINVAL, "%s: its first line names no column %s", r->path, name);
}

static int read_names(Reader *r, char *line, Error *e) {
        char *parts[COLUMNS_MAX];
        int status = 0;

        r->n_columns = split(line, parts);
        if (r->n_columns > COLUMNS_MAX)
                return error_set(e, -EINVAL, "%s: more than %d columns", r->path, COLUMNS_MAX);
        for (size_t i = 0; i < TEXT_COUNT && status >= 0; i++)
                status = find(r, parts, text_names[i], &r->text_at[i], e);
        for (size_t i = 0; i < NUMBER_COUNT && status >= 0; i++)
                status = find(r, parts, numbers[i].name, &r->number_at[i], e);
        return status;
}

static int read_values(Reader *r, char *line, Error *e) {
        char *parts[COLUMNS_MAX], *end;
        size_t n = split(line, parts);

        if (n != r->n_columns)
                return error_set(e, -EINVAL, "%s line %zu: %zu columns, not %zu", r->path, r->line,
                                 n, r->n_columns);
        for (size_t i = 0; i < TEXT_COUNT; i++)
                r->text[i] = parts[r->text_at[i]];
        for (size_t i = 0; i < NUMBER_COUNT; i++) {
                const char *text = parts[r->number_at[i]];

                errno = 0;
                r->number[i] = strtoll(text, &end, 10);
                if (errno != 0 || end == text || *end || r->number[i] < numbers[i].min ||
                    r->number[i] > numbers[i].max)
                        return error_set(e, -EINVAL,
                                         "%s line %zu, %s: '%s' is not a whole number from %lld to "
                                         "%lld",
                                         r->path, r->line, numbers[i].name, text,
                                         (long long)numbers[i].min, (long long)numbers[i].max);
        }
        return 0;
}

/* Numbers that count up are spread as addresses are, one to one (Murmur3's finalizer). */
static struct filter_address address(int64_t id) {
        const uint32_t one = 1;
        uint32_t h = (uint32_t)id;
        bool little = *(const unsigned char *)&one == 1;

        h = (h ^ h >> 16) * 0x85ebca6bU;
        h = (h ^ h >> 13) * 0xc2b2ae35U;
        h ^= h >> 16;
        return (struct filter_address){.lower = little ? (uint64_t)h << 32 | 0xffff0000U
                                                       : 0x0000ffff00000000ULL | h};
}

/* As filter-parse.h would have it, which says false where the filter does not judge. */
static bool to_packet(const Reader *r, struct filter_packet *ret) {
        const int64_t *v = r->number;
        int64_t rest = v[NUMBER_iplen] - v[NUMBER_ihl], transport = rest - v[NUMBER_plen];
        struct filter_packet p = {.kind = FILTER_OTHER};

        if (v[NUMBER_ihl] < (v[NUMBER_v] == 4 ? 20 : 40) || rest < 0)
                return false;
        /* A later fragment has no ports. */
        if (v[NUMBER_proto] == 6 && !(v[NUMBER_frag] && transport < 20)) {
                if (transport < 20 || transport > 60 || transport > rest)
                        return false;
                p.kind = FILTER_TCP;
                p.transport_header_length = (uint32_t)transport;
                p.tcp_flags = (uint8_t)(v[NUMBER_flags] & 255);
                p.tcp_window = (uint16_t)v[NUMBER_win];
        } else if (v[NUMBER_proto] == 17 && !(v[NUMBER_frag] && v[NUMBER_sport] == 0)) {
                if (rest < 8 || (transport != 8 && !v[NUMBER_frag]))
                        return false;
                p.kind = FILTER_UDP;
                p.transport_header_length = 8;
        } else if (v[NUMBER_proto] == (v[NUMBER_v] == 4 ? 1 : 58) && !v[NUMBER_frag]) {
                if (rest < 8)
                        return false;
                p.kind = FILTER_ICMP;
                p.transport_header_length = 8;
        }
        if (p.kind == FILTER_TCP || p.kind == FILTER_UDP) {
                p.source_port = (uint16_t)v[NUMBER_sport];
                p.destination_port = (uint16_t)v[NUMBER_dport];
        }
        p.source = address(v[NUMBER_sid]);
        p.destination = address(v[NUMBER_did]);
        p.ip_length = (uint32_t)v[NUMBER_iplen];
        p.ip_header_length = (uint32_t)v[NUMBER_ihl];
        p.payload_length = (uint32_t)rest - p.transport_header_length;
        p.version = (uint8_t)v[NUMBER_v];
        p.protocol = (uint8_t)v[NUMBER_proto];
        p.dont_fragment = v[NUMBER_v] == 4 && v[NUMBER_df];
        p.fragment = (uint8_t)v[NUMBER_frag];
        *ret = p;
        return true;
}

static int add(Capture *c, const Reader *r, Error *e) {
        struct filter_packet packet;
        CapturePacket *p;
        int64_t file;

        if (!to_packet(r, &packet)) {
                c->n_unknown++;
                return 0;
        }
        file = capture_file(c, r->text[TEXT_src], r->text[TEXT_file]);
        p = file >= 0 ? capture_add(c) : NULL;
        if (!p)
                return error_set(e, -ENOMEM, "%s: out of memory", r->path);
        p->packet = packet;
        p->at_ns = r->number[NUMBER_ts_us] * 1000;
        p->file = (size_t)file;
        p->line = r->line;
        if ((size_t)snprintf(p->label, sizeof(p->label), "%s", r->text[TEXT_label]) >=
                    sizeof(p->label) ||
            (size_t)snprintf(p->class, sizeof(p->class), "%s", r->text[TEXT_cls]) >=
                    sizeof(p->class))
                return error_set(e, -EINVAL, "%s line %zu: label or cls is too long", r->path,
                                 r->line);
        return 0;
}

int capture_read_headers(Capture *c, FILE *f, const char *path, Error *e) {
        Reader r = {.path = path};
        _cleanup_free_
        char *line = NULL;
        size_t size = 0;
        int status = 0;

        while (status >= 0 && getline(&line, &size, f) >= 0) {
                r.line++;
                if (r.line == 1) {
                        status = read_names(&r, line, e);
                        continue;
                }
                status = read_values(&r, line, e);
                if (status >= 0)
                        status = add(c, &r, e);
        }
        if (status >= 0 && r.line == 0)
                return error_set(e, -EINVAL, "%s: is empty", path);
        return status;
}
