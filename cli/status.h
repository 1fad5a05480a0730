/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Phrases about the daemon's state that `status` and `top` share. */

#include "cli/json.h"

/* "none", or "cpu, io; redis-server (12) waits 430ms a second; CPUs 97% busy" */
void status_contention(const json_object *status, char *buffer, size_t size);

/* "0.05% of one CPU, 8.1M memory, 400us CPU per tick" */
void status_cost(const json_object *status, char *buffer, size_t size);
