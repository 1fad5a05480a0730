/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/usage.h"

void usage_note(Usage *u, const UsageCounters *now) {
        const UsageCounters *last = &u->slots[(u->first + u->n + USAGE_SLOTS - 1) % USAGE_SLOTS];

        if (u->n > 0 && now->at < last->at + USAGE_STEP)
                return;
        if (u->n == USAGE_SLOTS) {
                u->first = (u->first + 1) % USAGE_SLOTS;
                u->n--;
        }
        u->slots[(u->first + u->n++) % USAGE_SLOTS] = *now;
}

bool usage_rate(const Usage *u, const UsageCounters *now, double *ret_wakeups_per_minute,
                double *ret_cpu_share) {
        const UsageCounters *then = &u->slots[u->first];
        double seconds;

        if (u->n == 0 || now->at < then->at + USEC_PER_SEC || now->wakeups < then->wakeups ||
            now->cpu < then->cpu)
                return false;
        seconds = (double)(now->at - then->at) / (double)USEC_PER_SEC;
        *ret_wakeups_per_minute = (double)(now->wakeups - then->wakeups) * 60 / seconds;
        *ret_cpu_share = (double)(now->cpu - then->cpu) / (double)USEC_PER_SEC / seconds;
        return true;
}
