/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which actions of the ledger were active when it was last looked at, so that what became of them
 * can be told. */

#include "daemon/ledger.h"

typedef struct LedgerWatch {
        uint64_t *actions; /* active, in rising order */
        size_t n;
} LedgerWatch;

typedef void (*ledger_watch_callback_t)(uint64_t action, LedgerState state, void *userdata);

void ledger_watch_done(LedgerWatch *w);

/* Calls back for each action that became active or ended since the last call. 0 or -ENOMEM. */
int ledger_watch_update(LedgerWatch *w, const Ledger *l, ledger_watch_callback_t callback,
                        void *userdata);
