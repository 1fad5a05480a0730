/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Processes that tests start and own: spinning hogs and a server that answers a client. Each dies
 * with its parent. */

#include <sys/types.h>

/* Starts a process that spins on n_threads threads. Returns its pid, or -1. */
pid_t worker_hog(int n_threads);

/*
 * Starts a process that forks a short-lived spinning child again and again, one after the other.
 * Returns its pid, or -1.
 */
pid_t worker_forker(void);

/*
 * Starts two processes, a server that burns busy_usec per request and the client that sends
 * requests with pauses of pause_usec. Returns the server's pid and sets *ret_client, or -1.
 */
pid_t worker_server(unsigned busy_usec, unsigned pause_usec, pid_t *ret_client);

/* Ends and reaps it. */
void worker_stop(pid_t pid);
