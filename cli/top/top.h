/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Between top's verb and its full screen. */

#include "cli/client.h"
#include "cli/top/model.h"
#include "util/time.h"

/* Asks the daemon and gives the answers to m; on failure m keeps what it has. An exit status. */
int top_fetch(Context *c, TopModel *m, Error *e);

/* The full screen until q or a signal. delay: between refreshes, 0: at each tick. An exit status.
 */
int top_screen_run(Context *c, TopModel *m, usec_t delay);
