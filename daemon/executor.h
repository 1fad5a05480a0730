/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Carries decisions out, through the ledger: check identity (pidfd, start time), read, write the
 * ledger, apply, check again; and puts back by compare-and-restore. The only place that calls
 * Actuator.apply.
 */

#include "daemon/actuators/actuator.h"
#include "daemon/ledger.h"
#include "daemon/pipeline.h"

typedef struct Executor Executor;

/* Borrows root_fd and ledger. cgroup_name NULL: "aikmd". Probes every actuator. Returns 0 or
 * -ENOMEM. */
int executor_new(int root_fd, Ledger *ledger, const char *cgroup_name, Executor **ret);
Executor *executor_free(Executor *x);
DEFINE_CLEANUP(Executor *, executor_free);

/* model: for the ledger's why. Every thread, again until no new tid appears. ret_action: ledger
 * action, 0 where nothing was written. */
Outcome executor_carry_out(Executor *x, const Decision *d, const char *model, uint64_t *ret_action,
                           Error *e);

/* A fork below a demoted process: the child's inherited values go to the ledger at once. Returns
 * whether there are any: a child born before the demotion has none. */
bool executor_note_fork(Executor *x, pid_t parent, pid_t child, uint64_t child_start);

/* Ends the entries of processes that are no more (a value that they shared with others is put
 * back); cheap where nothing is active. Call it now and then, as once a tick. */
void executor_sweep(Executor *x);

/* Looks whether the units that are lowered still are; callback for each that somebody else set
 * since, or put back: its entries have ended then. A question to the service manager for each. */
void executor_check_units(Executor *x, void (*callback)(const char *unit, void *userdata),
                          void *userdata);

typedef struct RestoreCount {
        /* ledger entries; kept: of a kind that cannot be put back */
        size_t restored, foreign, gone, failed, kept;
        Error why; /* of the first that failed */
} RestoreCount;

#define RESTORE_TEXT_MAX 768

/* "3 put back, 1 changed by somebody else and left alone …", for people. Returns buffer. */
const char *restore_count_format(const RestoreCount *c, char buffer[RESTORE_TEXT_MAX]);

typedef enum RestoreWhat {
        RESTORE_ALL,
        RESTORE_PID,
        RESTORE_ACTION,
        RESTORE_FILTERS, /* traffic filters alone: what happens to them at stop is said apart … */
        RESTORE_OTHERS   /* … and all but them */
} RestoreWhat;

/*
 * Puts back, newest first, all active entries, those of a process, or those of an action: for each,
 * where the value is still what we wrote, the old one is set. Descendants that inherited a value
 * and are not in the ledger follow their ancestor. Returns 0, or -ENOENT where nothing matches.
 */
int executor_restore(Executor *x, RestoreWhat what, uint64_t number, RestoreCount *ret);

/* How many active entries that would be about. */
size_t executor_count(const Executor *x, RestoreWhat what, uint64_t number);

/* Puts back all active entries of a unit; counts are added to *ret. */
void executor_restore_unit(Executor *x, const char *unit, RestoreCount *ret);

/* How each actuator fares here: 0 works, -EOPNOTSUPP, -ENOTTY inert; text says why. */
int executor_probe_result(const Executor *x, const Actuator *a, const char **ret_text);
