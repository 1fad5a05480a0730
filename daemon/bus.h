/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The daemon on the message bus: one connection that comes back by itself, the name org.aikm1, and
 * the objects /org/aikm1 and, for the traffic filter, /org/aikm1/filter. Everything here takes a
 * Bus that is NULL or not connected and does nothing then.
 */

#include <systemd/sd-bus.h>

#include "daemon/bus-reply.h"
#include "daemon/manager.h"

#define BUS_NAME "org.aikm1"
#define BUS_PATH "/org/aikm1"
#define BUS_FILTER_PATH "/org/aikm1/filter"
#define BUS_ERROR_NO_SUCH_PROCESS "org.aikm1.Error.NoSuchProcess"
#define BUS_ERROR_NO_SUCH_ACTION "org.aikm1.Error.NoSuchAction"
#define BUS_ERROR_NO_SUCH_MODEL "org.aikm1.Error.NoSuchModel"
#define BUS_ERROR_MODEL_REFUSED "org.aikm1.Error.ModelRefused"
#define BUS_ERROR_NO_SUCH_INTERFACE "org.aikm1.Error.NoSuchInterface"
#define BUS_ERROR_NO_SUCH_FILTER "org.aikm1.Error.NoSuchFilter"
#define BUS_ERROR_INTERFACE_BUSY "org.aikm1.Error.InterfaceBusy"
#define BUS_ERROR_TRIAL_BUSY "org.aikm1.Error.TrialBusy"
#define BUS_ERROR_CONFIGURATION "org.aikm1.Error.Configuration"

/* Connects and takes the name. Returns 0 or -errno with *e set. */
int bus_new(Manager *m, Bus **ret, Error *e);
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus *, bus_free);

void bus_emit_ticked(Bus *b);
void bus_emit_mode(Bus *b);
/* org.aikm1.Ledger.Changed for each action whose state differs from the last call's. */
void bus_emit_ledger_changes(Bus *b);
/* org.aikm1.Filter.Changed: "attached", "detached", "model", "shadow", "enforce". */
void bus_emit_filter_changed(Bus *b, const char *interface, const char *what);
void bus_emit_filter_tripped(Bus *b, const char *interface, uint64_t trips);

/* One interface each; userdata of their handlers is the Manager. */
extern const sd_bus_vtable bus_manager_vtable[];
extern const sd_bus_vtable bus_processes_vtable[];
extern const sd_bus_vtable bus_policy_vtable[];
extern const sd_bus_vtable bus_ledger_vtable[];
extern const sd_bus_vtable bus_models_vtable[];
extern const sd_bus_vtable bus_priors_vtable[];
extern const sd_bus_vtable bus_filter_vtable[];

/* Handles every method: finds it in the table of bus-method.h and has it authorized. */
int bus_on_method(sd_bus_message *request, void *userdata, sd_bus_error *error);

/* A row of the ledger; used by Ledger.List and Processes.Explain. */
void bus_append_entry(Reply *reply, const LedgerEntry *entry);

/* The caller of a trial. set_owner watches the sender of request, and ends the trial when it leaves
 * the bus. */
bool bus_trial_is_owner(const Bus *b, sd_bus_message *request);
int bus_trial_set_owner(Bus *b, sd_bus_message *request);
void bus_trial_clear_owner(Bus *b);
Bus *bus_of(const Manager *m);
