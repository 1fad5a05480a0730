/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The manager's traffic filters: what policy wants and what was asked for over the bus, through the
 * ledger, and what became of them, to the journal and the bus.
 */

#include "daemon/manager.h"

/* At start, after the policy is known: what an earlier run left is taken over or detached, as
 * policy says, then what policy wants is attached. What fails is told; the daemon goes on. */
void manager_start_filters(Manager *m);
/* The policy is another. reload: somebody wants it as the files say, whatever was asked for since.
 */
void manager_apply_filters(Manager *m, bool reload);
/* At stop, before the rest is put back. */
void manager_stop_filters(Manager *m);
/* After the ledger was rolled back: those that are gone are forgotten. */
void manager_forget_filters(Manager *m);
/* Before a request is carried out: interfaces that went or were renamed since the last look must
 * not be taken for those that have their names now. */
void manager_check_filters(Manager *m);
/* The daemon's mode went to observe: leases end. */
void manager_end_filter_leases(Manager *m);

/* All return 0 or -errno with *e set: -ENODEV no such interface, -ENOENT no such model, or no
 * filter there, -EEXIST it has one of ours, -EBUSY of somebody else's, -EINVAL for the model or a
 * value. */

/* who: for the ledger's why. An interface that has one gets the other model in its place. */
int manager_attach_filter(Manager *m, const char *interface, const FilterFile *model,
                          const char *who, Error *e);
int manager_detach_filter(Manager *m, const char *interface, Error *e);
/* duration: of a lease; 0 for shadow. */
int manager_set_filter_mode(Manager *m, const char *interface, FilterMode mode, usec_t duration,
                            Error *e);

/* share: 0.001 to 1, of at least packets_min in a second, which is not 0; until the lease that is
 * running or comes next is over, or the configuration is read again. */
int manager_set_filter_kill_switch(Manager *m, const char *interface, double share,
                                   uint64_t packets_min, Error *e);

FilterFolders manager_filter_folders(const Manager *m);
/* CLOCK_BOOTTIME, ns. */
uint64_t filter_now(void);
