/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Two network namespaces of a test's own with a veth pair between them, and a bpffs in a mount
 * namespace of its own. All of it ends with the process and its child.
 *
 *   ours: f0 02:00:00:00:00:01 10.9.0.1      peer: p0 02:00:00:00:00:02 10.9.0.2
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct FilterNet {
        pid_t peer; /* holds the other namespace */
        int own_ns;
        int peer_ns;
        unsigned interface;         /* index of f0 */
        unsigned interface_of_peer; /* index of p0, over there */
        char bpffs[64];
} FilterNet;

/* Returns 0, 1 where the process may not do so (says why), or -errno. */
int filter_net_set_up(FilterNet *n);
void filter_net_tear_down(FilterNet *n);

/* A test's main, with a packet socket of the peer's: sets up, runs, tears down. Returns the test's
 * exit status, 77 where the process may not do so. */
int filter_net_main(FilterNet *n, int (*run)(int sender));

/* Moves this process into the peer's namespace, or back. */
int filter_net_enter_peer(const FilterNet *n);
int filter_net_leave_peer(const FilterNet *n);

/* A command line in one of the namespaces. Returns 0 or -EIO. */
int filter_net_run(const FilterNet *n, bool in_peer, const char *command);

/* An AF_PACKET socket on f0 or, in the peer's namespace, p0; for whole frames. Returns it or
 * -errno. */
int filter_net_packet_socket(const FilterNet *n, bool in_peer);
