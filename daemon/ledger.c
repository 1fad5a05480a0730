/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "daemon/ledger-record.h"
#include "util/io.h"

#define LEDGER_NAME "ledger"
#define LEDGER_LOCK "ledger.lock"
#define LEDGER_READ_MAX ((size_t)64 << 20)
#define IDLE_SIZE_MAX ((size_t)64 << 10) /* rewritten above it, where nothing is active */
#define DEAD_SIZE_MAX ((size_t)1 << 20)
#define ENDED_MAX 256

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
                ledger_entry_done(&e);
                return -ENOMEM;
        }
        *ret = e;
        return 0;
}

/* --- the file -------------------------------------------------------------------------------- */

/* All or nothing: a part of a record would swallow the next one. */
static int file_append(Ledger *l, const LedgerText *text) {
        ssize_t n;
        int r;

        if (text->failed)
                return -ENOMEM;
        if (l->broken)
                return -EIO;
        do
                n = write(l->fd, text->data, text->size);
        while (n < 0 && errno == EINTR);
        if (n >= 0 && (size_t)n == text->size) {
                l->size += text->size;
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
        _cleanup_(ledger_text_done)
        LedgerText text = {0};
        size_t live = 0;
        int r;

        ledger_record_write_boot(&text, l->next_id, l->next_action, l->boot_id);
        for (size_t i = 0; i < l->n_active; i++) {
                size_t at = text.size;

                ledger_record_write_begin(&text, &l->active[i].entry);
                live += text.size - at;
        }
        if (text.failed)
                return -ENOMEM;
        r = io_replace_lazily_at(l->dir_fd, LEDGER_NAME, text.data, text.size, 0600);
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
        ledger_entry_done(slot);
        *slot = item->entry;
        slot->state = state;
        l->live_size -= item->size;
        memmove(item, item + 1, (l->n_active - index - 1) * sizeof(Item));
        l->n_active--;
}

/* --- reading --------------------------------------------------------------------------------- */

static int replay_begin(Ledger *l, LedgerRecord *record, size_t size) {
        LedgerEntry *e = &record->entry;

        if ((l->n_active > 0 && e->id <= l->active[l->n_active - 1].entry.id) || reserve(l, 1) < 0)
                return -EBADMSG;
        l->active[l->n_active++] = (Item){.entry = *e, .size = size};
        l->live_size += size;
        l->next_id = MAX(l->next_id, e->id + 1);
        l->next_action = MAX(l->next_action, e->action + 1);
        *e = (LedgerEntry){0};
        return 0;
}

/* Returns 0, -EBADMSG, or -ESTALE where it is another boot's header. */
static int replay_line(Ledger *l, const char *line, size_t size, bool *has_header) {
        _cleanup_(ledger_record_done)
        LedgerRecord record = {0};
        Item *item;
        int r;

        r = ledger_record_parse(line, size, &record);
        if (r < 0)
                return r;
        switch (record.op) {
        case LEDGER_RECORD_BEGIN:
                return replay_begin(l, &record, size + 1);
        case LEDGER_RECORD_END:
                item = find_active(l, record.entry.id);
                if (item)
                        retire(l, item, record.entry.state);
                return 0;
        default:
                if (!streq(record.boot_id, l->boot_id))
                        return -ESTALE;
                /* A rewritten file has its active entries, with smaller ids, behind the header. */
                l->next_id = MAX(l->next_id, record.entry.id);
                l->next_action = MAX(l->next_action, record.entry.action);
                *has_header = true;
                return 0;
        }
}

/* "ledger.<anything><suffix>" */
static int remove_by_suffix(Ledger *l, const char *suffix) {
        _cleanup_closedir_ DIR *dir = NULL;
        size_t n_suffix = strlen(suffix), n_prefix = strlen(LEDGER_NAME ".");
        int r;

        r = io_open_dir_at(l->dir_fd, ".", &dir);
        if (r < 0)
                return r;
        for (struct dirent *d; (d = readdir(dir));) {
                size_t n = strlen(d->d_name);

                if (strncmp(d->d_name, LEDGER_NAME ".", n_prefix) == 0 && n > n_prefix + n_suffix &&
                    streq(d->d_name + n - n_suffix, suffix))
                        (void)unlinkat(l->dir_fd, d->d_name, 0);
        }
        return 0;
}

/* Keeps one: the latest is what somebody may want to look at. */
static int set_aside(Ledger *l, const char *data, size_t size) {
        char name[sizeof(LEDGER_NAME) + 64];
        const char *boot = memmem(data, size, "\"boot\":\"", 8);
        int r;

        r = remove_by_suffix(l, ".old");
        if (r < 0)
                return r;
        (void)snprintf(name, sizeof(name), LEDGER_NAME ".%.8s.old", boot ? boot + 8 : "unknown");
        for (char *p = name; *p; p++)
                if (*p == '/' || *p == '"')
                        *p = '_';
        return renameat(l->dir_fd, LEDGER_NAME, l->dir_fd, name) < 0 ? -errno : 0;
}

static void forget_all(Ledger *l) {
        for (size_t i = 0; i < l->n_active; i++)
                ledger_entry_done(&l->active[i].entry);
        for (size_t i = 0; i < ENDED_MAX; i++)
                ledger_entry_done(&l->ended[i]);
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
                _cleanup_(ledger_text_done)
                LedgerText text = {0};

                ledger_record_write_boot(&text, l->next_id, l->next_action, l->boot_id);
                return file_append(l, &text);
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
        /* io_replace_lazily_at()'s, where the process was killed in the middle of it. */
        (void)remove_by_suffix(l, "~");
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
        _cleanup_(ledger_text_done)
        LedgerText text = {0};
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
                size_t start = text.size;

                if (e.action == 0)
                        e.action = action = action ? action : ledger_new_action(l);
                e.id = l->next_id + i;
                e.at = at;
                e.since = since;
                e.state = LEDGER_ACTIVE;
                ledger_record_write_begin(&text, &e);
                r = text.failed                           ? -ENOMEM
                    : text.size - start > LEDGER_LINE_MAX ? -E2BIG
                    : !e.old_value || !e.new_value        ? -EINVAL
                                                          : 0;
                if (r >= 0)
                        r = entry_copy(&e, &l->active[l->n_active].entry);
                if (r < 0)
                        goto undo;
                l->active[l->n_active++].size = text.size - start;
        }
        r = file_append(l, &text);
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
        l->live_size += text.size;
        return 0;

undo:
        while (l->n_active > n_before)
                ledger_entry_done(&l->active[--l->n_active].entry);
        return r;
}

void ledger_set_unanswered(Ledger *l, uint64_t id, bool unanswered) {
        Item *item = find_active(l, id);

        if (item)
                item->entry.unanswered = unanswered;
}

int ledger_end(Ledger *l, uint64_t id, LedgerState state) {
        _cleanup_(ledger_text_done)
        LedgerText text = {0};
        Item *item = find_active(l, id);
        int r;

        if (!item || state == LEDGER_ACTIVE || state >= _LEDGER_STATE_COUNT)
                return -ENOENT;
        retire(l, item, state);
        ledger_record_write_end(&text, id, state);
        r = file_append(l, &text);
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
