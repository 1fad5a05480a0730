/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A data set tick by tick: the samples put together again as the daemon had them, bit by bit, and
 * who the processes were.
 */

#include "collectors/sample.h"
#include "record/store.h"

typedef struct PlaybackProcess {
        int64_t process; /* its row */
        pid_t pid;
        uint64_t start;
        char comm[16];
        char *exe, *cgroup, *unit; /* NULL: unknown */
} PlaybackProcess;

typedef struct PlaybackTick {
        int64_t tick, stream;
        int64_t at;         /* µs since 1970 */
        bool fresh;         /* what was before is not known: a stream begins, or ticks were lost */
        Sample sample;      /* borrowed, as the rest, until the next tick */
        const pid_t *execs; /* executed another program since the last tick */
        size_t n_execs;
} PlaybackTick;

typedef struct Playback Playback;

/* From the last complete tick at or before since to until, both µs since 1970. Borrows the store.
 * Returns 0 or -errno with *e set. */
int playback_open(Store *store, int64_t since, int64_t until, Playback **ret, Error *e);
Playback *playback_close(Playback *p);
DEFINE_CLEANUP(Playback *, playback_close);

/* 1, 0 at the end, or -errno with *e set. */
int playback_next(Playback *p, PlaybackTick *ret, Error *e);

/* A process of the latest tick; NULL: there is none. */
const PlaybackProcess *playback_find(const Playback *p, pid_t pid);
