/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The record of every change, written before the change is made, from which everything can be put
 * back after rollback, stop, SIGKILL or crash.
 *
 * An append-only text file "ledger" in the runtime directory: one record a line, "<fnv1a64 hex>
 * <json>\n", each one write(2). A torn or damaged line is skipped, counted and reported, never
 * trusted. The boot id is in the first record: a ledger of another boot holds nothing to restore
 * (processes are gone, /sys is fresh) and is set aside.
 */

#include <sys/types.h>

#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"

#define LEDGER_VALUE_MAX 512

typedef enum LedgerState {
        LEDGER_ACTIVE,   /* written; the change is made, or was about to be */
        LEDGER_RESTORED, /* put back */
        LEDGER_FOREIGN,  /* somebody else changed it since; left alone */
        LEDGER_GONE,     /* the process or file is no more */
        LEDGER_UNDONE,   /* the change itself failed; nothing to put back */
        LEDGER_KEPT,     /* of a kind that cannot be put back: stays until the process ends */
        _LEDGER_STATE_COUNT,
} LedgerState;

const char *ledger_state_to_string(LedgerState s);

typedef struct LedgerEntry {
        uint64_t id;     /* unique in the ledger, rising */
        uint64_t action; /* entries of one decision share it: what `rollback ID` names */
        LedgerState state;
        usec_t at;         /* CLOCK_REALTIME */
        char actuator[16]; /* Actuator.name */
        pid_t pid;         /* 0: machine-wide */
        pid_t tid;         /* 0: the whole process */
        uint64_t start;    /* the process's start, clock ticks */
        uint64_t since;    /* when it was written, on the clock of start: what it forked later */
        char comm[16];
        char *path; /* knob or cgroup below the root; NULL: none */
        char *old_value;
        char *new_value;
        char *why; /* sentence for people: class, confidence, model, victim */
        /* Whoever was asked for the change did not answer; in memory only: a later start puts back
         * whatever it finds. */
        bool unanswered;
} LedgerEntry;

typedef struct Ledger Ledger;

typedef struct LedgerReport {
        size_t n_damaged; /* lines skipped */
        bool other_boot;  /* an older boot's ledger was set aside */
        bool torn;        /* the last line was cut */
} LedgerReport;

/* dir_fd: runtime directory (borrowed). boot_id: text of /proc/sys/kernel/random/boot_id. Reads
 * what is there and holds the writer's lock until ledger_close(). Returns 0, -EBUSY where another
 * process holds it, or -errno with *e set. */
int ledger_open(int dir_fd, const char *boot_id, Ledger **ret, LedgerReport *ret_report, Error *e);
Ledger *ledger_close(Ledger *l);
DEFINE_CLEANUP(Ledger *, ledger_close);

uint64_t ledger_new_action(Ledger *l);

/* Writes entries (id, at, since and state are filled in) with one write(2), before the changes.
 * Strings may hold any bytes and are copied; an action of 0 becomes a new one for each call.
 * Returns 0 or -errno: then nothing is recorded, so do not change anything. */
int ledger_begin(Ledger *l, LedgerEntry *entries, size_t n);

/* Notes what became of an entry. Returns 0 or -errno; the state in memory is set in any case. */
int ledger_end(Ledger *l, uint64_t id, LedgerState state);

/* Notes whether the change was answered for; nothing where the entry is not active. */
void ledger_set_unanswered(Ledger *l, uint64_t id, bool unanswered);

/* Entries still active, oldest first, then (all = true) the latest ended ones, at most 256, in the
 * order in which they ended. Pointers are valid until the next write. */
size_t ledger_count(const Ledger *l, bool all);
const LedgerEntry *ledger_get(const Ledger *l, size_t index, bool all);
