/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The build of the program that a process executes. A file that was read once is known by device,
 * inode, size and times, so that a compiler's hundredth child costs one statx(2).
 */

#include <sys/types.h>

#include "collectors/build-id-parse.h"

#define BUILD_ID_CACHE_SIZE ((size_t)256)

typedef struct BuildIdCacheEntry {
        uint64_t file; /* hash of what statx(2) told; 0: empty */
        BuildId id;
} BuildIdCacheEntry;

/* Zeroed: empty. A file pushes out another that has the same place. */
typedef struct BuildIdCache {
        BuildIdCacheEntry entries[BUILD_ID_CACHE_SIZE];
} BuildIdCache;

/* Reads proc/PID/exe below root_fd, at most 40 KiB of it, and waits for no other machine to say
 * what the file is. What may not be seen (that takes CAP_SYS_PTRACE) is unknown, what may not be
 * read is a BUILD_ID_FILE. */
void build_id_read(BuildIdCache *cache, int root_fd, pid_t pid, BuildId *ret);
