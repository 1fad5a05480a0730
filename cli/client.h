/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Calls of org.aikm1. Every function returns an exit status (CLI_OK …) and puts what went wrong
 * into *e, in words that name the value and what to do; client_fail() prints it.
 */

#include <systemd/sd-bus.h>

#include "cli/context.h"
#include "cli/json.h"
#include "util/error.h"

#define AIKM_BUS_NAME "org.aikm1"
#define AIKM_BUS_PATH "/org/aikm1"
#define AIKM_BUS_FILTER_PATH "/org/aikm1/filter" /* of AIKM_BUS_FILTER alone */
#define AIKM_BUS_MANAGER "org.aikm1.Manager"
#define AIKM_BUS_PROCESSES "org.aikm1.Processes"
#define AIKM_BUS_POLICY "org.aikm1.Policy"
#define AIKM_BUS_LEDGER "org.aikm1.Ledger"
#define AIKM_BUS_MODELS "org.aikm1.Models"
#define AIKM_BUS_PRIORS "org.aikm1.Priors"
#define AIKM_BUS_FILTER "org.aikm1.Filter"

/* Connects to $AIKM_BUS_ADDRESS, to --host or --machine, or to the system bus; nothing where it is
 * connected. */
int client_open(Context *c, Error *e);

/* Whose bus it is, for messages: a host, a machine, an address, "the system bus". */
const char *client_where(const Context *c);

/* Calls a method; types and what follows: its arguments, as sd_bus_message_append(). ret may be
 * NULL. Where c->progress is set and the answer takes long, says so on stderr. */
int client_call(Context *c, sd_bus_message **ret, Error *e, const char *interface,
                const char *method, const char *types, ...);

/* The same in two steps, for arguments that one format string cannot say. */
int client_begin(Context *c, sd_bus_message **ret, Error *e, const char *interface,
                 const char *method);
int client_send(Context *c, sd_bus_message *m, sd_bus_message **ret, Error *e);

/* GetStatus, Processes.List, Explain, Ledger.List as JSON. */
int client_get_status(Context *c, json_object **ret, Error *e);
int client_get_processes(Context *c, json_object **ret, Error *e);
int client_get_explanation(Context *c, uint32_t pid, json_object **ret, Error *e);
int client_get_priors(Context *c, json_object **ret, Error *e);
/* exe "": all. *ret: of how many programs. */
int client_forget_priors(Context *c, const char *exe, uint32_t *ret, Error *e);
int client_get_ledger(Context *c, bool all, json_object **ret, Error *e);

/* id 0: all that are kept. */
int client_get_impact(Context *c, uint32_t id, json_object **ret, Error *e);

int client_set_mode(Context *c, const char *mode, Error *e);

/* Policy.Get, parsed. */
int client_get_policy(Context *c, json_object **ret, Error *e);

/* what: "all", "pid" or "action". */
int client_rollback(Context *c, const char *what, uint64_t number, json_object **ret, Error *e);

/* Prints *e where status is a failure; returns status. */
int client_fail(int status, const Error *e);

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
