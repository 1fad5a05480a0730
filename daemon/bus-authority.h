/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Lets requests through to their methods: asks the bus who sent each, polkit whether that one may,
 * and calls the method only then. Nothing waits: a request that is under way is one small object,
 * of which there are at most so many for each client, each user, and in all; what is too much is
 * answered with LimitsExceeded. root is never asked for.
 */

#include <systemd/sd-bus.h>

#include "daemon/bus-method.h"

typedef struct Authority Authority;

int authority_new(Manager *m, sd_bus *bus, Authority **ret);
/* Drops what is under way without an answer. */
Authority *authority_free(Authority *a);
DEFINE_CLEANUP(Authority *, authority_free);

/* Answers request sooner or later, once; never, where its sender leaves the bus. As an
 * sd_bus_message_handler_t: 1, or -errno with or without the error set. */
int authority_request(Authority *a, const BusMethod *method, sd_bus_message *request,
                      sd_bus_error *error);
