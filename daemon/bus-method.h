/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The methods of org.aikm1 in one table: what each needs to be allowed, and what does it. A method
 * that is not in the table cannot be called.
 */

#include <systemd/sd-bus.h>

#include "daemon/bus-caller.h"
#include "daemon/manager.h"

#define ACTION_PREFIX "org.aikm1."

/* What a request is about, for polkit's rules and the journal. */
typedef struct BusDetails {
        const char *key[2]; /* NULL: no more */
        char value[2][256];
} BusDetails;

/* Replies, or returns -errno with the error set, as any sd-bus handler. The arguments are read
 * here, however long ago the request came. */
typedef int (*bus_handler_t)(sd_bus_message *request, Manager *m, const Caller *caller,
                             sd_bus_error *error);

typedef struct BusMethod {
        const char *interface; /* without org.aikm1. */
        const char *member;
        bus_handler_t handler;
        const char *action; /* polkit's, without org.aikm1. */
        /* The action for those who act on what is theirs; NULL: there is nothing of that kind. */
        const char *own_action;
        /* Whether it is; asked when the request comes and again just before it is carried out.
         * Reads the arguments. */
        bool (*is_own)(const Manager *m, sd_bus_message *request, const Caller *caller);
        const char *done; /* what has happened then, for the journal; NULL: it only reads */
        void (*describe)(sd_bus_message *request, BusDetails *ret); /* NULL: no arguments */
} BusMethod;

/* Ended by .member NULL. */
extern const BusMethod bus_methods[];

/* NULL: no such method. */
const BusMethod *bus_method_find(const char *interface, const char *member);

int bus_manager_get_status(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_manager_set_mode(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_manager_reload(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_manager_trial(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_processes_list(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_processes_explain(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_policy_get(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_policy_set(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_policy_reset(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_ledger_list(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_ledger_list_impact(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_ledger_rollback(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_models_list(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_models_info(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_models_verify(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_models_install(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_models_use(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_models_rollback(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_models_remove(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_priors_list(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_priors_forget(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_attach(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_attach_object(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_detach(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_list(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_set_mode(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_set_kill_switch(sd_bus_message *request, Manager *m, const Caller *c,
                               sd_bus_error *e);
int bus_filter_add_allowed(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_remove_allowed(sd_bus_message *request, Manager *m, const Caller *c,
                              sd_bus_error *e);
int bus_filter_list_allowed(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_top(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
int bus_filter_explain(sd_bus_message *request, Manager *m, const Caller *c, sd_bus_error *e);
