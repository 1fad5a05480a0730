/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The system bus of another machine: --host by ssh and systemd-stdio-bridge, --machine by a
 * container's namespaces, both as systemctl has them and by sd-bus's own means.
 */

#include "cli/context.h"

typedef struct Error Error;

/* Whether a name may be handed to ssh or sd-bus: [USER@]HOST[:PORT][/CONTAINER], [USER@]CONTAINER
 * or [USER@].host. Nothing in it can be taken for an option or mean anything to a shell. 0, or
 * -EINVAL with *e set. */
int remote_check_host(const char *host, Error *e);
int remote_check_machine(const char *machine, Error *e);

/* Connects to where c->host or c->machine says, and waits until the bus there has answered (ssh may
 * ask for a password meanwhile). An exit status; what failed is in *e. */
int remote_open(Context *c, Error *e);

/* Whether the bus is another system's, whose users are not this one's. ".host" is this one. */
bool remote_is_foreign(const Context *c);

/* "--host" or "--machine", for messages. NULL: neither was given. */
const char *remote_option(const Context *c);

/* The host or machine; NULL: neither was given. */
const char *remote_name(const Context *c);
