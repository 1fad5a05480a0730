/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/build-id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/hash.h"

static ssize_t read_fd(void *userdata, void *buffer, size_t size, uint64_t offset) {
        const int *fd = userdata;

        return pread(*fd, buffer, size, (off_t)offset);
}

/* A file replaced in place has another size or change time. 0 is kept for "empty". */
static uint64_t hash_file(const struct statx *st) {
        const uint64_t words[] = {
                (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor,
                st->stx_ino,
                st->stx_size,
                (uint64_t)st->stx_mtime.tv_sec,
                st->stx_mtime.tv_nsec,
                (uint64_t)st->stx_ctime.tv_sec,
                st->stx_ctime.tv_nsec,
        };
        uint64_t hash = fnv1a64(FNV1A64_INIT, words, sizeof(words));

        return hash ? hash : 1;
}

/* Device numbers change from boot to boot and a copy has another inode: of what can be known of a
 * file these two stay. */
static void set_file(const struct statx *st, BuildId *ret) {
        const uint64_t words[] = {
                st->stx_size,
                (uint64_t)st->stx_mtime.tv_sec,
                st->stx_mtime.tv_nsec,
        };
        uint64_t hash = fnv1a64(FNV1A64_INIT, words, sizeof(words));

        *ret = (BuildId){.kind = BUILD_ID_FILE, .size = sizeof(hash)};
        memcpy(ret->bytes, &hash, sizeof(hash));
}

void build_id_read(BuildIdCache *cache, int root_fd, pid_t pid, BuildId *ret) {
        _cleanup_close_
        int fd = -EBADF;
        BuildIdCacheEntry *entry;
        struct statx st;
        uint64_t file;
        char path[64];

        *ret = (BuildId){};
        (void)snprintf(path, sizeof(path), "proc/%d/exe", pid);
        if (statx(root_fd, path, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0 ||
            !S_ISREG(st.stx_mode))
                return;
        file = hash_file(&st);
        entry = &cache->entries[file % BUILD_ID_CACHE_SIZE];
        if (entry->file == file) {
                *ret = entry->id;
                return;
        }
        fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || build_id_parse(read_fd, &fd, ret) == 0)
                set_file(&st, ret);
        *entry = (BuildIdCacheEntry){.file = file, .id = *ret};
}
