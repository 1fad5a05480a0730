/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/ledger-record.h"

#include <errno.h>
#include <stdarg.h>

#include "daemon/json.h"
#include "util/hash.h"

#define PREFIX_SIZE 17 /* checksum and blank */

/* json-c is given text that came with a valid checksum; the depth bounds what a forged one costs.
 */
#define JSON_DEPTH 4

/* Bytes that are not UTF-8 travel as U+EF80..U+EFFF (the private use block that MirBSD's OPTU
 * encodings took for the same purpose); those code points themselves travel as raw bytes, so every
 * string comes back as it was. */
#define RAW_BYTE_BASE 0xef00u

static const char *const state_names[_LEDGER_STATE_COUNT] = {
        [LEDGER_ACTIVE] = "active", [LEDGER_RESTORED] = "restored", [LEDGER_FOREIGN] = "foreign",
        [LEDGER_GONE] = "gone",     [LEDGER_UNDONE] = "undone",     [LEDGER_KEPT] = "kept",
};

const char *ledger_state_to_string(LedgerState s) {
        return s < _LEDGER_STATE_COUNT ? state_names[s] : "unknown";
}

static int state_from_string(const char *name) {
        for (int i = 0; i < _LEDGER_STATE_COUNT; i++)
                if (streq(state_names[i], name))
                        return i;
        return -EINVAL;
}

void ledger_entry_done(LedgerEntry *e) {
        free(e->path);
        free(e->old_value);
        free(e->new_value);
        free(e->why);
        *e = (LedgerEntry){0};
}

/* --- writing --------------------------------------------------------------------------------- */

void ledger_text_done(LedgerText *t) {
        free(t->data);
}

static void text_append(LedgerText *t, const void *data, size_t size) {
        if (t->failed)
                return;
        if (size > t->allocated - t->size) {
                size_t allocated = (t->size + size) * 2 + 256;
                char *p = realloc(t->data, allocated);

                if (!p) {
                        t->failed = true;
                        return;
                }
                t->data = p;
                t->allocated = allocated;
        }
        memcpy(t->data + t->size, data, size);
        t->size += size;
}

_printf_(2, 3) static void text_printf(LedgerText *t, const char *format, ...) {
        char text[512];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= sizeof(text))
                t->failed = true;
        else
                text_append(t, text, (size_t)n);
}

/* Length of the UTF-8 sequence at p, 0 where there is none (overlong forms and surrogates included,
 * RFC 3629). */
static size_t utf8_length(const unsigned char *p) {
        uint32_t code, least;
        size_t n;

        if (p[0] < 0x80)
                return 1;
        if ((p[0] & 0xe0) == 0xc0)
                n = 2, code = p[0] & 0x1fu, least = 0x80;
        else if ((p[0] & 0xf0) == 0xe0)
                n = 3, code = p[0] & 0x0fu, least = 0x800;
        else if ((p[0] & 0xf8) == 0xf0)
                n = 4, code = p[0] & 0x07u, least = 0x10000;
        else
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (p[i] & 0x3fu);
        }
        if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 0;
        return code >= RAW_BYTE_BASE + 0x80 && code <= RAW_BYTE_BASE + 0xff ? 0 : n;
}

static void text_string(LedgerText *t, const char *key, const char *text) {
        const unsigned char *p = (const unsigned char *)text;

        if (!text)
                return;
        text_printf(t, ",\"%s\":\"", key);
        while (*p) {
                size_t n = utf8_length(p);

                if (n == 0) {
                        text_printf(t, "\\u%04x", RAW_BYTE_BASE + *p);
                        n = 1;
                } else if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f)
                        text_printf(t, "\\u%04x", *p);
                else
                        text_append(t, p, n);
                p += n;
        }
        text_append(t, "\"", 1);
}

/* A line is begun with room for the checksum, which line_end() fills in. */
static size_t line_begin(LedgerText *t) {
        size_t at = t->size;

        text_append(t, "0000000000000000 ", PREFIX_SIZE);
        return at;
}

static void line_end(LedgerText *t, size_t at) {
        char hex[PREFIX_SIZE];

        if (t->failed)
                return;
        (void)snprintf(
                hex, sizeof(hex), "%016" PRIx64,
                fnv1a64(FNV1A64_INIT, t->data + at + PREFIX_SIZE, t->size - at - PREFIX_SIZE));
        memcpy(t->data + at, hex, PREFIX_SIZE - 1);
        text_append(t, "\n", 1);
}

void ledger_record_write_boot(LedgerText *t, uint64_t next_id, uint64_t next_action,
                              const char *boot_id) {
        size_t at = line_begin(t);

        text_printf(t, "{\"op\":\"boot\",\"id\":%" PRIu64 ",\"action\":%" PRIu64, next_id,
                    next_action);
        text_string(t, "boot", boot_id);
        text_append(t, "}", 1);
        line_end(t, at);
}

void ledger_record_write_begin(LedgerText *t, const LedgerEntry *e) {
        char actuator[sizeof(e->actuator) + 1], comm[sizeof(e->comm) + 1];
        size_t at = line_begin(t);

        (void)snprintf(actuator, sizeof(actuator), "%.*s", (int)sizeof(e->actuator), e->actuator);
        (void)snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(e->comm), e->comm);
        text_printf(t,
                    "{\"op\":\"begin\",\"id\":%" PRIu64 ",\"action\":%" PRIu64 ",\"at\":%" PRIu64
                    ",\"pid\":%d,\"tid\":%d,\"start\":%" PRIu64 ",\"since\":%" PRIu64,
                    e->id, e->action, e->at, e->pid, e->tid, e->start, e->since);
        text_string(t, "actuator", actuator);
        text_string(t, "comm", comm);
        text_string(t, "path", e->path);
        text_string(t, "old", e->old_value);
        text_string(t, "new", e->new_value);
        text_string(t, "why", e->why);
        text_append(t, "}", 1);
        line_end(t, at);
}

void ledger_record_write_end(LedgerText *t, uint64_t id, LedgerState state) {
        size_t at = line_begin(t);

        text_printf(t, "{\"op\":\"end\",\"id\":%" PRIu64 ",\"state\":\"%s\"}", id,
                    state_names[state]);
        line_end(t, at);
}

/* --- reading --------------------------------------------------------------------------------- */

/* The reverse for what a raw byte became; json-c has undone the rest. In place: text only shrinks.
 */
static void unescape_raw_bytes(char *text) {
        const unsigned char *from = (const unsigned char *)text;
        unsigned char *to = (unsigned char *)text;

        while (*from)
                if (from[0] == 0xee && (from[1] == 0xbe || from[1] == 0xbf) &&
                    (from[2] & 0xc0) == 0x80) {
                        *to++ = (unsigned char)((from[1] & 0x03u) << 6 | (from[2] & 0x3fu));
                        from += 3;
                } else
                        *to++ = *from++;
        *to = '\0';
}

static bool get_u64(struct json_object *o, const char *key, uint64_t *ret) {
        struct json_object *v;

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int) ||
            json_object_get_int64(v) < 0)
                return false;
        *ret = (uint64_t)json_object_get_int64(v);
        return true;
}

static bool get_text(struct json_object *o, const char *key, char *ret, size_t size) {
        struct json_object *v;
        char text[256];

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string) ||
            (size_t)json_object_get_string_len(v) >= sizeof(text))
                return false;
        (void)snprintf(text, sizeof(text), "%s", json_object_get_string(v));
        unescape_raw_bytes(text);
        if (strlen(text) >= size)
                return false;
        memcpy(ret, text, strlen(text) + 1);
        return true;
}

/* Absent is NULL. */
static bool get_string(struct json_object *o, const char *key, char **ret) {
        struct json_object *v;

        if (!json_object_object_get_ex(o, key, &v))
                return true;
        if (!json_object_is_type(v, json_type_string))
                return false;
        *ret = strdup(json_object_get_string(v));
        if (!*ret)
                return false;
        unescape_raw_bytes(*ret);
        return true;
}

static void tokener_freep(struct json_tokener **t) {
        if (*t)
                json_tokener_free(*t);
}

static struct json_object *line_parse(const char *line, size_t size) {
        _cleanup_(tokener_freep)
        struct json_tokener *tokener = NULL;
        _cleanup_json_ struct json_object *o = NULL;
        char hex[PREFIX_SIZE];

        if (size <= PREFIX_SIZE || size > LEDGER_LINE_MAX || line[PREFIX_SIZE - 1] != ' ')
                return NULL;
        line += PREFIX_SIZE;
        size -= PREFIX_SIZE;
        (void)snprintf(hex, sizeof(hex), "%016" PRIx64, fnv1a64(FNV1A64_INIT, line, size));
        if (memcmp(hex, line - PREFIX_SIZE, PREFIX_SIZE - 1) != 0)
                return NULL;
        tokener = json_tokener_new_ex(JSON_DEPTH);
        if (!tokener)
                return NULL;
        o = json_tokener_parse_ex(tokener, line, (int)size);
        if (!o || json_tokener_get_error(tokener) != json_tokener_success ||
            !json_object_is_type(o, json_type_object))
                return NULL;
        return TAKE_PTR(o);
}

static bool parse_begin(struct json_object *o, LedgerEntry *e) {
        uint64_t pid, tid;

        if (!get_u64(o, "id", &e->id) || !get_u64(o, "action", &e->action) ||
            !get_u64(o, "at", &e->at) || !get_u64(o, "pid", &pid) || !get_u64(o, "tid", &tid) ||
            !get_u64(o, "start", &e->start) || !get_u64(o, "since", &e->since) || pid > INT32_MAX ||
            tid > INT32_MAX || !get_text(o, "actuator", e->actuator, sizeof(e->actuator)) ||
            !get_text(o, "comm", e->comm, sizeof(e->comm)) || !get_string(o, "path", &e->path) ||
            !get_string(o, "old", &e->old_value) || !get_string(o, "new", &e->new_value) ||
            !get_string(o, "why", &e->why))
                return false;
        e->state = LEDGER_ACTIVE;
        e->pid = (pid_t)pid;
        e->tid = (pid_t)tid;
        return e->old_value && e->new_value;
}

static bool parse_end(struct json_object *o, LedgerEntry *e) {
        char text[64];
        int state;

        if (!get_u64(o, "id", &e->id) || !get_text(o, "state", text, sizeof(text)))
                return false;
        state = state_from_string(text);
        if (state <= LEDGER_ACTIVE)
                return false;
        e->state = (LedgerState)state;
        return true;
}

static bool parse_boot(struct json_object *o, LedgerRecord *r) {
        return get_u64(o, "id", &r->entry.id) && get_u64(o, "action", &r->entry.action) &&
               get_text(o, "boot", r->boot_id, sizeof(r->boot_id));
}

int ledger_record_parse(const char *line, size_t size, LedgerRecord *ret) {
        _cleanup_json_ struct json_object *o = line_parse(line, size);
        _cleanup_(ledger_record_done)
        LedgerRecord r = {0};
        char op[16];
        bool valid = false;

        if (!o || !get_text(o, "op", op, sizeof(op)))
                return -EBADMSG;
        if (streq(op, "begin")) {
                r.op = LEDGER_RECORD_BEGIN;
                valid = parse_begin(o, &r.entry);
        } else if (streq(op, "end")) {
                r.op = LEDGER_RECORD_END;
                valid = parse_end(o, &r.entry);
        } else if (streq(op, "boot")) {
                r.op = LEDGER_RECORD_BOOT;
                valid = parse_boot(o, &r);
        }
        if (!valid)
                return -EBADMSG;
        *ret = r;
        r.entry = (LedgerEntry){0};
        return 0;
}

void ledger_record_done(LedgerRecord *r) {
        ledger_entry_done(&r->entry);
}
