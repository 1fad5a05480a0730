/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The as-of join: to each moment of one series the last entry of another at or before it, no older
 * than a tolerance. Pure.
 */

#include <stddef.h>
#include <sys/types.h>

#include "util/time.h"

/* An entry joins only with its own key: a process of a stream, so that neither a process that came
 * to the same pid later nor one before a reboot is taken for it. */
typedef struct AsofEntry {
        int64_t key;
        int64_t at;
        int64_t id; /* what it stands for, or its number in an array beside */
} AsofEntry;

/* entries: ordered by at, equal ones in the order in which they came (the later counts). tolerance:
 * µs, inclusive. Returns the index, or -1. */
ssize_t asof_find(const AsofEntry *entries, size_t n, int64_t key, int64_t at, usec_t tolerance);

/* Entries at or before `until` that no later moment than it can join are of no use any more:
 * how many there are at the beginning. */
size_t asof_count_before(const AsofEntry *entries, size_t n, int64_t until);
