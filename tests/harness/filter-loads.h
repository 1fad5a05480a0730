/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What goes on between the namespaces of filter-net.h: people who want to work, fetching pages and
 * typing, and a flood of SYNs from an address of its own. Each in a process that dies with the
 * test.
 */

#include "tests/harness/filter-net.h"

#define FLOOD_SOURCE "10.9.0.66"
#define BENIGN_SOURCE "10.9.0.2"
#define PAGES 150 /* each on a connection of its own */
#define KEYS 1500 /* on one */

typedef struct FilterLoads {
        const FilterNet *net;
        pid_t servers[2], clients[2], flood;
} FilterLoads;

/* Servers in our namespace, on ports 80 and 22. Returns 0 or -errno. */
int filter_loads_serve(FilterLoads *l, const FilterNet *n);
/* Clients in the peer's. */
int filter_loads_work(FilterLoads *l);
/* Waits until they are done. Returns 0 where nothing was lost, else which ones lost something: 1
 * pages, 2 keys. */
int filter_loads_wait(FilterLoads *l);
/* Some 50,000 SYNs a second, by a packet socket of the peer's. */
int filter_loads_flood(FilterLoads *l, int sender);
void filter_loads_end_flood(FilterLoads *l);
void filter_loads_done(FilterLoads *l);
