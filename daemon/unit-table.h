/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The systemd units whose weight is lowered, or was and must not be for a while: each an object of
 * its own, because the processes in it come and go while its weight stays. Pure.
 */

#include "policy/floor.h"
#include "policy/policy.h"
#include "policy/reach.h"
#include "policy/verdict.h"

typedef struct UnitState {
        uint32_t id;         /* unique; what Proc.unit names */
        char path[256];      /* cgroup, "/system.slice/hogs.service" */
        Treatment treatment; /* .set: TREAT_UNIT bits that are in force; 0: not lowered */
        bool in_trial;       /* by which authority */
        usec_t held_at;      /* when there was last a reason */
        usec_t blocked_until;
        Verdict blocked;        /* why it may not be lowered until then */
        uint32_t episode, line; /* where its last demotion is accounted, see policy/impact.h */
        bool credited;          /* that it helped was noted */
        Floor floor;
        /* Of the process for which it was lowered, for the books. */
        pid_t pid;
        uint64_t start;
        char comm[16];
        LoadClass load_class;
        float confidence;
} UnitState;

typedef struct UnitTable {
        UnitState *units;
        size_t n, n_allocated;
        uint32_t last_id;
} UnitTable;

void unit_table_done(UnitTable *t);

/* NULL: not in the table, or path unknown. */
UnitState *unit_table_find(const UnitTable *t, GroupPath path);

UnitState *unit_table_find_id(const UnitTable *t, uint32_t id);

/* Finds or adds; NULL: out of memory, or the path is too long. */
UnitState *unit_table_get(UnitTable *t, GroupPath path);

/* Forgets units that are neither lowered nor blocked any more. */
void unit_table_sweep(UnitTable *t, usec_t now);

/* A new policy: what the kernel or the service manager refused, and what others changed, may be
 * tried again. */
void unit_table_unblock(UnitTable *t);
