/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The load classes: what kind of work a process will do in the next seconds. Their order is part of
 * the model schema. */

#include <stdbool.h>

typedef enum LoadClass {
        CLASS_IDLE,        /* does nothing that matters */
        CLASS_INTERACTIVE, /* short bursts, woken by people or timers; waits are felt */
        CLASS_SERVER,      /* short bursts, woken by sockets; latency matters */
        CLASS_BATCH,       /* long bursts of CPU; throughput matters */
        CLASS_IO,          /* waits for storage */
        CLASS_MEMORY,      /* faults and reclaim */
        _CLASS_COUNT,
} LoadClass;

/* "idle", "interactive" … Never NULL for a valid class. */
const char *class_to_string(LoadClass c);

/* Returns the class, or -EINVAL. */
int class_from_string(const char *name);

/* The classes whose waiting is the reason to act. */
static inline bool class_is_protected(LoadClass c) {
        return c == CLASS_INTERACTIVE || c == CLASS_SERVER;
}
