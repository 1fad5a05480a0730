/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the executor's files share: executor.c, executor-*.c and restore.c (putting back). */

#include "daemon/executor.h"
#include "daemon/process.h"

#define EXECUTOR_ACTUATORS ACTUATOR_COUNT
#define EXECUTOR_PASSES 32 /* over the threads of one process, until nothing new is found … */
/* … so often in a row: readdir(3) of task/ may pass over a thread while another one ends. */
#define EXECUTOR_QUIET_PASSES 2

struct Executor {
        ActuatorContext context;
        Ledger *ledger;
        int probed[EXECUTOR_ACTUATORS];
        Error probe_text[EXECUTOR_ACTUATORS];
};

/* One decision on its way. */
typedef struct Action {
        Executor *x;
        const Decision *decision;
        Error *error;
        char why[LEDGER_VALUE_MAX];
        uint64_t number;
        uint64_t *done; /* ids of entries that were written, in order */
        size_t n_done;
        size_t n_held;       /* of them, those that took effect */
        size_t n_unanswered; /* of them, those that may have, or may yet */
        bool without_effect; /* the kernel took a value and kept the old one */
        bool any_works;      /* an actuator that serves the treatment works here … */
        bool any_inert;      /* … or is there without effect */
} Action;

/* Entries of one pass, before they are written. */
typedef struct Plan {
        LedgerEntry *entries;
        size_t n;
} Plan;

/* The target that an entry speaks of. */
ActuatorTarget entry_target(const LedgerEntry *e);
bool actuator_works(const Executor *x, const Actuator *a);

/* Active entries; NULL where there is none. */
const LedgerEntry *executor_find_id(const Executor *x, uint64_t id);
const LedgerEntry *executor_find_entry(const Executor *x, const Actuator *a, pid_t pid, pid_t tid,
                                       uint64_t start);

void plan_done(Plan *p);
int plan_add(Plan *p, const Action *a, const Actuator *actuator, const ActuatorTarget *t,
             const char *old, const char *new);
/* Ledger first, then the changes. Returns how many entries there were, or -errno with the text set;
 * then action_undo() is due. */
int plan_carry_out(Plan *p, Action *a);
/* All or nothing: what this action changed so far is put back, newest first. */
void action_undo(Action *a, LedgerState state);

/* A file a kind of decision. */
Outcome executor_apply(Action *a);
Outcome executor_adopt(Action *a);
Outcome executor_tune(Action *a);
Outcome executor_untune(Action *a);
Outcome executor_demote_unit(Action *a);
Outcome executor_release_unit(Action *a);

/* Puts one entry back, where it still is what we wrote. OUTCOME_DONE, _FOREIGN, _VANISHED, or
 * _FAILED with the entry still active. */
Outcome restore_one(Executor *x, uint64_t id, Error *e);
