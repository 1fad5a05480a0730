/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Whether a service manager is to be told that the daemon lives. Asked by a timer of the event loop
 * (a loop that is stuck does not ask); the answer is yes only while looks at the processes succeed
 * in time. So the interval between two looks may be longer than the watchdog's, and a look that
 * hangs, never comes, or fails for long is not covered up. Pure: time is an argument.
 */

#include <stdbool.h>

#include "util/time.h"

typedef struct Watchdog {
        usec_t limit; /* the service manager's patience; 0: nobody watches */
        usec_t good;  /* when the last good look ended, at first when the daemon started */
} Watchdog;

/* now here and below: CLOCK_MONOTONIC, the clock that the service manager takes. */
void watchdog_init(Watchdog *w, usec_t limit, usec_t now);
/* A look succeeded. */
void watchdog_note_good(Watchdog *w, usec_t now);
/* interval: between two looks. */
bool watchdog_is_alive(const Watchdog *w, usec_t interval, usec_t now);
/* How often to ask, µs; not 0. */
usec_t watchdog_period(const Watchdog *w);
