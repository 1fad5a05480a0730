/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/priors-file.h"

#include <errno.h>

#include "util/hash.h"
#include "util/io.h"

#define MAGIC "AIKMPRI1"
#define MAGIC_SIZE ((size_t)8)
#define VERSION 1U
#define SIZE_MAX_READ (sizeof(FileHeader) + PRIORS_MAX * sizeof(PriorEntry))
/* A hundred years: nothing learned is older, and no sum overflows. */
#define AGE_MAX (INT64_C(3155760000) * (int64_t)USEC_PER_SEC)

typedef struct FileHeader {
        char magic[8];
        uint32_t version;
        uint32_t entry_size;
        uint32_t n_classes;
        uint32_t n;
        uint64_t realtime; /* when it was written */
        uint64_t hash;     /* fnv1a64 of the entries */
} FileHeader;

_Static_assert(sizeof(FileHeader) == 40, "no holes");

static int check_header(const FileHeader *h, size_t size, Error *e) {
        if (size < sizeof(*h) || memcmp(h->magic, MAGIC, MAGIC_SIZE) != 0)
                return error_set(e, -EPROTO, "it does not begin with " MAGIC);
        if (h->version != VERSION || h->entry_size != sizeof(PriorEntry) ||
            h->n_classes != _CLASS_COUNT)
                return error_set(e, -EPROTO, "it has format version %u; this program reads %u",
                                 h->version, VERSION);
        if (h->n > PRIORS_MAX || size != sizeof(*h) + h->n * sizeof(PriorEntry))
                return error_set(e, -EBADMSG, "it has %zu bytes, not those of %u entries", size,
                                 h->n);
        return 0;
}

int priors_file_load(int dir_fd, int64_t at, usec_t realtime, PriorEntry **ret_entries,
                     size_t *ret_n, Error *e) {
        _cleanup_free_
        char *data = NULL;
        _cleanup_free_
        PriorEntry *entries = NULL;
        FileHeader h = {};
        size_t size = 0;
        int64_t away;
        int r;

        r = io_read_all_at(dir_fd, PRIORS_FILE, SIZE_MAX_READ, &data, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        memcpy(&h, data, MIN(size, sizeof(h)));
        r = check_header(&h, size, e);
        if (r < 0)
                return r;
        if (h.hash != fnv1a64(FNV1A64_INIT, data + sizeof(h), size - sizeof(h)))
                return error_set(e, -EBADMSG, "it does not match its check sum");
        entries = calloc(MAX(h.n, 1U), sizeof(*entries));
        if (!entries)
                return error_set(e, -ENOMEM, "out of memory");
        memcpy(entries, data + sizeof(h), h.n * sizeof(*entries));
        away = realtime > h.realtime ? (int64_t)MIN(realtime - h.realtime, (usec_t)AGE_MAX) : 0;
        for (size_t i = 0; i < h.n; i++) {
                int64_t age = CLAMP(entries[i].seen, 0, AGE_MAX);

                entries[i].seen = at - age - away;
        }
        *ret_entries = TAKE_PTR(entries);
        *ret_n = h.n;
        return 1;
}

int priors_file_save(int dir_fd, const PriorTable *t, int64_t at, usec_t realtime) {
        size_t size = sizeof(FileHeader) + t->n * sizeof(PriorEntry);
        FileHeader h = {
                .version = VERSION,
                .entry_size = sizeof(PriorEntry),
                .n_classes = _CLASS_COUNT,
                .n = (uint32_t)t->n,
                .realtime = realtime,
                .hash = FNV1A64_INIT,
        };
        _cleanup_free_
        char *data = malloc(size);

        if (!data)
                return -ENOMEM;
        for (size_t i = 0; i < t->n; i++) {
                PriorEntry e = *t->entries[i];

                e.seen = CLAMP(at - e.seen, 0, AGE_MAX);
                memcpy(data + sizeof(h) + i * sizeof(e), &e, sizeof(e));
                h.hash = fnv1a64(h.hash, &e, sizeof(e));
        }
        memcpy(h.magic, MAGIC, MAGIC_SIZE);
        memcpy(data, &h, sizeof(h));
        return io_replace_lazily_at(dir_fd, PRIORS_FILE, data, size, 0600);
}
