/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The table of machine-wide knobs that may be tuned at all: where each lives, what it does, why one
 * would change it, and the range that is accepted. What is not in the table is never written.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef enum TunableKind {
        TUNABLE_NUMBER, /* decimal in [min, max] */
        TUNABLE_CHOICE, /* one word of the file's own list; the selected one may stand in brackets
                         */
} TunableKind;

typedef struct Tunable {
        const char *name; /* "vm.swappiness", "block.read_ahead_kb": as in the policy */
        const char *path; /* below the root, without leading slash; may hold one '*' for devices or
                             CPUs */
        TunableKind kind;
        int64_t min, max;    /* TUNABLE_NUMBER */
        const char *choices; /* TUNABLE_CHOICE: blank-separated words that we accept */
        const char *unit;
        const char *what; /* what the knob does */
        const char *why;  /* when changing it helps */
} Tunable;

/* Ends with an entry whose name is NULL. */
extern const Tunable tunable_table[];

const Tunable *tunable_find(const char *name);

/* Whether value is acceptable; -EINVAL or -ERANGE with *e naming the value and the range. */
int tunable_check(const Tunable *t, const char *value, Error *e);
