/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The file that a data set is in: opened, checked, kept within its bounds.
 *
 * SQLite in WAL mode with synchronous=NORMAL: a crash or a power failure loses at most the last
 * transactions and never the consistency. What is damaged nevertheless is moved aside, never
 * deleted: PATH.broken-N, of which the newest STORE_BROKEN_MAX are kept.
 */

#include "record/sql.h"
#include "util/time.h"

#define STORE_PATH "/var/lib/aikm-record/dataset.db"
#define STORE_SIZE_MIN ((uint64_t)4 * 1024 * 1024)
#define STORE_SIZE_DEFAULT ((uint64_t)1024 * 1024 * 1024)
#define STORE_AGE_DEFAULT ((usec_t)30 * 86400 * USEC_PER_SEC)
#define STORE_BROKEN_MAX 3

typedef struct Store {
        sqlite3 *db;
        char path[4096];
        uint64_t max_size; /* bytes on disk, the write-ahead log included; 0: no bound */
        usec_t max_age;    /* 0: no bound */
} Store;

typedef struct StoreSize {
        uint64_t main, log; /* bytes on disk */
        uint64_t used;      /* by rows; what pruning frees is used again */
} StoreSize;

typedef struct StorePruned {
        uint64_t ticks;
} StorePruned;

/*
 * For the recorder: makes the file where there is none, or where what is there is damaged beyond
 * repair: ret_aside is then where the old one is now, otherwise "". A newer schema or another
 * program's database is an error. Returns 0 or -errno with *e set.
 */
int store_open(const char *path, uint64_t max_size, usec_t max_age, Store **ret,
               char ret_aside[4096], Error *e);

/* For everybody else: an existing file, nothing in it changed by opening it but its schema where
 * that is older and writable is set. */
int store_open_existing(const char *path, bool writable, Store **ret, Error *e);

Store *store_close(Store *s);
DEFINE_CLEANUP(Store *, store_close);

int store_get_size(const Store *s, StoreSize *ret, Error *e);

/*
 * Removes the oldest ticks, a segment (what lies between two complete ticks) a transaction, until
 * those that are older than `before` are gone and no more than `size` bytes are in use (0: any).
 * The newest segment stays. Returns 0 or -errno.
 */
int store_prune(Store *s, int64_t before, uint64_t size, StorePruned *ret, Error *e);

/* The same for one segment, whatever its age: 1, or 0 where only the newest is left. */
int store_prune_segment(Store *s, StorePruned *ret, Error *e);

/* Hands what pruning left over back to the file system, as far as that is possible now. */
void store_shrink(Store *s);

/* Prunes by the store's own bounds; now: epoch. -ENOSPC where the size cannot be kept, because a
 * reader keeps the log from being emptied. */
int store_keep_bounds(Store *s, int64_t now, StorePruned *ret, Error *e);
