/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <json-c/json.h>

#include "util/hash.h"
#include "util/io.h"

#define LEDGER_NAME "ledger"
#define LEDGER_LOCK "ledger.lock"
#define LEDGER_READ_MAX ((size_t)64 << 20)
#define LEDGER_LINE_MAX ((size_t)32 << 10)
#define IDLE_SIZE_MAX ((size_t)64 << 10) /* rewritten above it, where nothing is active */
#define DEAD_SIZE_MAX ((size_t)1 << 20)
#define ENDED_MAX 256
#define PREFIX_SIZE 17 /* checksum and blank */

/* json-c is given text that came with a valid checksum; the depth bounds what a forged one costs.
 */
#define JSON_DEPTH 4

/* Bytes that are not UTF-8 travel as U+EF80..U+EFFF (the private use block that MirBSD's OPTU
 * encodings took for the same purpose); those code points themselves travel as raw bytes, so every
 * string comes back as it was. */
#define RAW_BYTE_BASE 0xef00u

typedef struct Item {
        LedgerEntry entry;
        size_t size; /* of its line */
} Item;

struct Ledger {
        int dir_fd; /* borrowed */
        int fd;
        int lock_fd;
        char *boot_id;
        uint64_t next_id, next_action;
        size_t size;      /* of the file */
        size_t live_size; /* of the lines of active entries */
        bool broken;      /* a half-written line could not be cut off */
        Item *active;     /* by id */
        size_t n_active, n_allocated;
        LedgerEntry ended[ENDED_MAX]; /* ring */
        size_t n_ended, first_ended;
};

typedef struct Buffer {
        char *data;
        size_t size, allocated;
        bool failed;
} Buffer;

static const char *const state_names[_LEDGER_STATE_COUNT] = {
        [LEDGER_ACTIVE] = "active", [LEDGER_RESTORED] = "restored", [LEDGER_FOREIGN] = "foreign",
        [LEDGER_GONE] = "gone",     [LEDGER_UNDONE] = "undone",
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

static void entry_done(LedgerEntry *e) {
        free(e->path);
        free(e->old_value);
        free(e->new_value);
        free(e->why);
        *e = (LedgerEntry){0};
}

static int string_dup(const char *from, char **ret) {
        char *s = NULL;

        if (from) {
                s = strdup(from);
                if (!s)
                        return -ENOMEM;
        }
        *ret = s;
        return 0;
}

static int entry_copy(const LedgerEntry *from, LedgerEntry *ret) {
        LedgerEntry e = *from;

        e.path = e.old_value = e.new_value = e.why = NULL;
        if (string_dup(from->path, &e.path) < 0 || string_dup(from->old_value, &e.old_value) < 0 ||
            string_dup(from->new_value, &e.new_value) < 0 || string_dup(from->why, &e.why) < 0) {
                entry_done(&e);
                return -ENOMEM;
        }
        *ret = e;
        return 0;
}

/* --- text ------------------------------------------------------------------------------------ */

static void buffer_done(Buffer *b) {
        free(b->data);
}

static void buffer_append(Buffer *b, const void *data, size_t size) {
        if (b->failed)
                return;
        if (size > b->allocated - b->size) {
                size_t allocated = (b->size + size) * 2 + 256;
                char *p = realloc(b->data, allocated);

                if (!p) {
                        b->failed = true;
                        return;
                }
                b->data = p;
                b->allocated = allocated;
        }
        memcpy(b->data + b->size, data, size);
        b->size += size;
}

_printf_(2, 3) static void buffer_printf(Buffer *b, const char *format, ...) {
        char text[512];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= sizeof(text))
                b->failed = true;
        else
                buffer_append(b, text, (size_t)n);
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

static void buffer_string(Buffer *b, const char *key, const char *text) {
        const unsigned char *p = (const unsigned char *)text;

        if (!text)
                return;
        buffer_printf(b, ",\"%s\":\"", key);
        while (*p) {
                size_t n = utf8_length(p);

                if (n == 0) {
                        buffer_printf(b, "\\u%04x", RAW_BYTE_BASE + *p);
                        n = 1;
                } else if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f)
                        buffer_printf(b, "\\u%04x", *p);
                else
                        buffer_append(b, p, n);
                p += n;
        }
        buffer_append(b, "\"", 1);
}

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

/* A line is begun with room for the checksum, which line_end() fills in. */
static size_t line_begin(Buffer *b) {
        size_t at = b->size;

        buffer_append(b, "0000000000000000 ", PREFIX_SIZE);
        return at;
}

static void line_end(Buffer *b, size_t at) {
        char hex[PREFIX_SIZE];

        if (b->failed)
                return;
        (void)snprintf(
                hex, sizeof(hex), "%016" PRIx64,
                fnv1a64(FNV1A64_INIT, b->data + at + PREFIX_SIZE, b->size - at - PREFIX_SIZE));
        memcpy(b->data + at, hex, PREFIX_SIZE - 1);
        buffer_append(b, "\n", 1);
}

static void write_header(Buffer *b, const Ledger *l) {
        size_t at = line_begin(b);

        buffer_printf(b, "{\"op\":\"boot\",\"id\":%" PRIu64 ",\"action\":%" PRIu64, l->next_id,
                      l->next_action);
        buffer_string(b, "boot", l->boot_id);
        buffer_append(b, "}", 1);
        line_end(b, at);
}

static void write_begin(Buffer *b, const LedgerEntry *e) {
        char actuator[sizeof(e->actuator) + 1], comm[sizeof(e->comm) + 1];
        size_t at = line_begin(b);

        (void)snprintf(actuator, sizeof(actuator), "%.*s", (int)sizeof(e->actuator), e->actuator);
        (void)snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(e->comm), e->comm);
        buffer_printf(b,
                      "{\"op\":\"begin\",\"id\":%" PRIu64 ",\"action\":%" PRIu64 ",\"at\":%" PRIu64
                      ",\"pid\":%d,\"tid\":%d,\"start\":%" PRIu64 ",\"since\":%" PRIu64,
                      e->id, e->action, e->at, e->pid, e->tid, e->start, e->since);
        buffer_string(b, "actuator", actuator);
        buffer_string(b, "comm", comm);
        buffer_string(b, "path", e->path);
        buffer_string(b, "old", e->old_value);
        buffer_string(b, "new", e->new_value);
        buffer_string(b, "why", e->why);
        buffer_append(b, "}", 1);
        line_end(b, at);
}

/* --- the file -------------------------------------------------------------------------------- */

/* All or nothing: a part of a record would swallow the next one. */
static int file_append(Ledger *l, const Buffer *b) {
        ssize_t n;
        int r;

        if (b->failed)
                return -ENOMEM;
        if (l->broken)
                return -EIO;
        do
                n = write(l->fd, b->data, b->size);
        while (n < 0 && errno == EINTR);
        if (n >= 0 && (size_t)n == b->size) {
                l->size += b->size;
                return 0;
        }
        r = n < 0 ? -errno : -ENOSPC;
        if (n > 0 && ftruncate(l->fd, (off_t)l->size) < 0)
                l->broken = true;
        return r;
}

static int file_open(Ledger *l) {
        struct stat st;
        int fd;

        fd = openat(l->dir_fd, LEDGER_NAME,
                    O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (l->fd >= 0)
                close(l->fd);
        l->fd = fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ENOTSUP;
        l->size = (size_t)st.st_size;
        return 0;
}

/* Rewrites the file with what is active. Until the rename the old file is complete and in use. */
static int file_compact(Ledger *l) {
        _cleanup_(buffer_done)
        Buffer b = {0};
        size_t live = 0;
        int r;

        write_header(&b, l);
        for (size_t i = 0; i < l->n_active; i++) {
                size_t at = b.size;

                write_begin(&b, &l->active[i].entry);
                live += b.size - at;
        }
        if (b.failed)
                return -ENOMEM;
        r = io_replace_at(l->dir_fd, LEDGER_NAME, b.data, b.size, 0600);
        if (r < 0)
                return r;
        r = file_open(l);
        if (r < 0) {
                l->broken = true;
                return r;
        }
        l->live_size = live;
        l->broken = false;
        return 0;
}

static void file_compact_if_due(Ledger *l) {
        if ((l->n_active == 0 && l->size > IDLE_SIZE_MAX) || l->size > l->live_size + DEAD_SIZE_MAX)
                (void)file_compact(l); /* the longer file is as good; the next end tries again */
}

/* Somebody cleaned the runtime directory under us: what is written now must be found later. */
static int file_check_linked(Ledger *l) {
        struct stat st;

        if (fstat(l->fd, &st) < 0)
                return -errno;
        return st.st_nlink > 0 ? 0 : file_compact(l);
}

/* --- active and ended ------------------------------------------------------------------------ */

static Item *find_active(const Ledger *l, uint64_t id) {
        size_t low = 0, high = l->n_active;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (l->active[middle].entry.id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < l->n_active && l->active[low].entry.id == id ? &l->active[low] : NULL;
}

static int reserve(Ledger *l, size_t n) {
        size_t allocated = l->n_allocated;
        Item *p;

        if (n <= allocated - l->n_active)
                return 0;
        allocated = MAX(allocated * 2, l->n_active + n);
        p = reallocarray(l->active, allocated, sizeof(Item));
        if (!p)
                return -ENOMEM;
        l->active = p;
        l->n_allocated = allocated;
        return 0;
}

static void retire(Ledger *l, Item *item, LedgerState state) {
        size_t index = (size_t)(item - l->active);
        LedgerEntry *slot;

        if (l->n_ended < ENDED_MAX)
                slot = &l->ended[(l->first_ended + l->n_ended++) % ENDED_MAX];
        else {
                slot = &l->ended[l->first_ended];
                l->first_ended = (l->first_ended + 1) % ENDED_MAX;
        }
        entry_done(slot);
        *slot = item->entry;
        slot->state = state;
        l->live_size -= item->size;
        memmove(item, item + 1, (l->n_active - index - 1) * sizeof(Item));
        l->n_active--;
}

/* --- reading --------------------------------------------------------------------------------- */

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

static void json_putp(struct json_object **o) {
        if (*o)
                json_object_put(*o);
}

static void tokener_freep(struct json_tokener **t) {
        if (*t)
                json_tokener_free(*t);
}

static struct json_object *line_parse(const char *line, size_t size) {
        _cleanup_(tokener_freep)
        struct json_tokener *tokener = NULL;
        _cleanup_(json_putp)
        struct json_object *o = NULL;
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

static int replay_begin(Ledger *l, struct json_object *o, size_t size) {
        LedgerEntry e = {.state = LEDGER_ACTIVE};
        uint64_t pid, tid;

        if (!get_u64(o, "id", &e.id) || !get_u64(o, "action", &e.action) ||
            !get_u64(o, "at", &e.at) || !get_u64(o, "pid", &pid) || !get_u64(o, "tid", &tid) ||
            !get_u64(o, "start", &e.start) || !get_u64(o, "since", &e.since) || pid > INT32_MAX ||
            tid > INT32_MAX || !get_text(o, "actuator", e.actuator, sizeof(e.actuator)) ||
            !get_text(o, "comm", e.comm, sizeof(e.comm)) ||
            (l->n_active > 0 && e.id <= l->active[l->n_active - 1].entry.id) ||
            !get_string(o, "path", &e.path) || !get_string(o, "old", &e.old_value) ||
            !get_string(o, "new", &e.new_value) || !get_string(o, "why", &e.why) || !e.old_value ||
            !e.new_value || reserve(l, 1) < 0) {
                entry_done(&e);
                return -EBADMSG;
        }
        e.pid = (pid_t)pid;
        e.tid = (pid_t)tid;
        l->active[l->n_active++] = (Item){.entry = e, .size = size};
        l->live_size += size;
        l->next_id = MAX(l->next_id, e.id + 1);
        l->next_action = MAX(l->next_action, e.action + 1);
        return 0;
}

/* Returns 0, -EBADMSG, or -ESTALE where it is another boot's header. */
static int replay_line(Ledger *l, const char *line, size_t size, bool *has_header) {
        _cleanup_(json_putp)
        struct json_object *o = line_parse(line, size);
        char op[16], text[64];
        uint64_t id, action;
        Item *item;
        int state;

        if (!o || !get_text(o, "op", op, sizeof(op)))
                return -EBADMSG;
        if (streq(op, "begin"))
                return replay_begin(l, o, size + 1);
        if (!get_u64(o, "id", &id))
                return -EBADMSG;
        if (streq(op, "end")) {
                state = get_text(o, "state", text, sizeof(text)) ? state_from_string(text)
                                                                 : -EINVAL;
                if (state <= LEDGER_ACTIVE)
                        return -EBADMSG;
                item = find_active(l, id);
                if (item)
                        retire(l, item, (LedgerState)state);
                return 0;
        }
        if (!streq(op, "boot") || !get_u64(o, "action", &action) ||
            !get_text(o, "boot", text, sizeof(text)))
                return -EBADMSG;
        if (!streq(text, l->boot_id))
                return -ESTALE;
        /* A rewritten file has its active entries, with smaller ids, behind the header. */
        l->next_id = MAX(l->next_id, id);
        l->next_action = MAX(l->next_action, action);
        *has_header = true;
        return 0;
}

/* Keeps one: the latest is what somebody may want to look at. */
static int set_aside(Ledger *l, const char *data, size_t size) {
        char name[sizeof(LEDGER_NAME) + 64];
        const char *boot = memmem(data, size, "\"boot\":\"", 8);
        DIR *dir;
        int fd;

        fd = openat(l->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return -errno;
        }
        for (struct dirent *d; (d = readdir(dir));) {
                size_t n = strlen(d->d_name);

                if (strncmp(d->d_name, LEDGER_NAME ".", 7) == 0 && n > 11 &&
                    streq(d->d_name + n - 4, ".old"))
                        (void)unlinkat(l->dir_fd, d->d_name, 0);
        }
        (void)closedir(dir);
        (void)snprintf(name, sizeof(name), LEDGER_NAME ".%.8s.old", boot ? boot + 8 : "unknown");
        for (char *p = name; *p; p++)
                if (*p == '/' || *p == '"')
                        *p = '_';
        return renameat(l->dir_fd, LEDGER_NAME, l->dir_fd, name) < 0 ? -errno : 0;
}

static void forget_all(Ledger *l) {
        for (size_t i = 0; i < l->n_active; i++)
                entry_done(&l->active[i].entry);
        for (size_t i = 0; i < ENDED_MAX; i++)
                entry_done(&l->ended[i]);
        l->n_active = l->n_ended = l->first_ended = l->live_size = 0;
        l->next_id = l->next_action = 1;
}

static int start_anew(Ledger *l, const char *data, size_t size) {
        int r;

        forget_all(l);
        r = set_aside(l, data, size);
        return r < 0 ? r : file_open(l);
}

static int load(Ledger *l, LedgerReport *report) {
        _cleanup_free_
        char *data = NULL;
        bool has_header = false;
        size_t size, at = 0;
        int r;

        r = io_read_all_at(l->dir_fd, LEDGER_NAME, LEDGER_READ_MAX, &data, &size);
        if (r < 0)
                return r;
        while (at < size) {
                const char *end = memchr(data + at, '\n', size - at);

                if (!end)
                        break;
                r = replay_line(l, data + at, (size_t)(end - data) - at, &has_header);
                if (r == -ESTALE) {
                        *report = (LedgerReport){.other_boot = true};
                        r = start_anew(l, data, size);
                        if (r < 0)
                                return r;
                        has_header = false;
                        at = size;
                        break;
                }
                if (r < 0)
                        report->n_damaged++;
                at = (size_t)(end - data) + 1;
        }
        if (at < size) {
                /* Its write(2) never returned, so what it announces was not done. */
                report->torn = true;
                if (ftruncate(l->fd, (off_t)at) < 0)
                        return -errno;
                l->size = at;
        }
        if (!has_header) {
                _cleanup_(buffer_done)
                Buffer b = {0};

                write_header(&b, l);
                return file_append(l, &b);
        }
        return 0;
}

int ledger_open(int dir_fd, const char *boot_id, Ledger **ret, LedgerReport *ret_report, Error *e) {
        _cleanup_(ledger_closep)
        Ledger *l = NULL;
        LedgerReport report = {0};
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return error_set(e, -ENOMEM, "out of memory");
        l->dir_fd = dir_fd;
        l->fd = l->lock_fd = -EBADF;
        l->next_id = l->next_action = 1;
        l->boot_id = strndup(boot_id, strcspn(boot_id, "\n"));
        if (!l->boot_id)
                return error_set(e, -ENOMEM, "out of memory");
        /* A file of its own, because the ledger itself is replaced when it is rewritten. */
        l->lock_fd = openat(dir_fd, LEDGER_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (l->lock_fd < 0)
                return error_set(e, -errno, "cannot open %s: %m", LEDGER_LOCK);
        if (flock(l->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno == EWOULDBLOCK)
                        return error_set(e, -EBUSY,
                                         "the ledger is in use by another aikmd that is running");
                return error_set(e, -errno, "cannot lock the ledger: %m");
        }
        r = file_open(l);
        if (r >= 0)
                r = load(l, &report);
        if (r < 0)
                return error_set(e, r, "cannot read the ledger: %s", strerror(-r));
        file_compact_if_due(l);
        *ret = TAKE_PTR(l);
        if (ret_report)
                *ret_report = report;
        return 0;
}

Ledger *ledger_close(Ledger *l) {
        if (!l)
                return NULL;
        forget_all(l);
        if (l->fd >= 0)
                close(l->fd);
        if (l->lock_fd >= 0)
                close(l->lock_fd);
        free(l->active);
        free(l->boot_id);
        free(l);
        return NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

static uint64_t ticks_since_boot(void) {
        return usec_now(CLOCK_BOOTTIME) * (uint64_t)sysconf(_SC_CLK_TCK) / USEC_PER_SEC;
}

uint64_t ledger_new_action(Ledger *l) {
        return l->next_action++;
}

int ledger_begin(Ledger *l, LedgerEntry *entries, size_t n) {
        _cleanup_(buffer_done)
        Buffer b = {0};
        uint64_t action = 0, since = ticks_since_boot();
        size_t n_before = l->n_active;
        usec_t at = usec_now(CLOCK_REALTIME);
        int r;

        if (n == 0)
                return 0;
        r = reserve(l, n);
        if (r >= 0)
                r = file_check_linked(l);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                LedgerEntry e = entries[i];
                size_t start = b.size;

                if (e.action == 0)
                        e.action = action = action ? action : ledger_new_action(l);
                e.id = l->next_id + i;
                e.at = at;
                e.since = since;
                e.state = LEDGER_ACTIVE;
                write_begin(&b, &e);
                r = b.failed                           ? -ENOMEM
                    : b.size - start > LEDGER_LINE_MAX ? -E2BIG
                    : !e.old_value || !e.new_value     ? -EINVAL
                                                       : 0;
                if (r >= 0)
                        r = entry_copy(&e, &l->active[l->n_active].entry);
                if (r < 0)
                        goto undo;
                l->active[l->n_active++].size = b.size - start;
        }
        r = file_append(l, &b);
        if (r < 0)
                goto undo;
        for (size_t i = 0; i < n; i++) {
                const LedgerEntry *e = &l->active[n_before + i].entry;

                entries[i].id = e->id;
                entries[i].action = e->action;
                entries[i].at = at;
                entries[i].since = since;
                entries[i].state = LEDGER_ACTIVE;
        }
        l->next_id += n;
        l->live_size += b.size;
        return 0;

undo:
        while (l->n_active > n_before)
                entry_done(&l->active[--l->n_active].entry);
        return r;
}

int ledger_end(Ledger *l, uint64_t id, LedgerState state) {
        _cleanup_(buffer_done)
        Buffer b = {0};
        Item *item = find_active(l, id);
        size_t at;
        int r;

        if (!item || state == LEDGER_ACTIVE || state >= _LEDGER_STATE_COUNT)
                return -ENOENT;
        retire(l, item, state);
        at = line_begin(&b);
        buffer_printf(&b, "{\"op\":\"end\",\"id\":%" PRIu64 ",\"state\":\"%s\"}", id,
                      state_names[state]);
        line_end(&b, at);
        r = file_append(l, &b);
        file_compact_if_due(l);
        return r;
}

size_t ledger_count(const Ledger *l, bool all) {
        return l->n_active + (all ? l->n_ended : 0);
}

const LedgerEntry *ledger_get(const Ledger *l, size_t index, bool all) {
        if (index < l->n_active)
                return &l->active[index].entry;
        if (!all || index - l->n_active >= l->n_ended)
                return NULL;
        return &l->ended[(l->first_ended + index - l->n_active) % ENDED_MAX];
}
