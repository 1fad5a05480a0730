/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Who sends requests: credentials as the bus vouches for them, asked once for each client. */

#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "util/macro.h"
#include "util/time.h"

typedef struct Caller {
        char name[64]; /* unique name; never given out twice */
        uid_t uid;
        pid_t pid;             /* 0: unknown */
        char comm[16];         /* for the journal: printable, as proc had it; "" unknown */
        usec_t may_read_until; /* CLOCK_MONOTONIC */
        bool own_only;         /* of this request: granted for what is the caller's own */
} Caller;

typedef struct CallerCache CallerCache;

int caller_cache_new(sd_bus *bus, int root_fd, CallerCache **ret);
CallerCache *caller_cache_free(CallerCache *c);
DEFINE_CLEANUP(CallerCache *, caller_cache_free);

/* The client if it is known; NULL: caller_ask(). Valid until the next caller_*(). */
Caller *caller_find(CallerCache *c, const char *name);

/* caller: as caller_find(); NULL where the bus does not say who it is, or it has left. */
typedef void (*caller_callback_t)(const Caller *caller, void *userdata);

typedef struct CallerQuery CallerQuery;

/* Asks the bus without waiting. The callback may free the query. 0 or -errno. */
int caller_ask(CallerCache *c, const char *name, caller_callback_t callback, void *userdata,
               CallerQuery **ret);
CallerQuery *caller_query_free(CallerQuery *q);
