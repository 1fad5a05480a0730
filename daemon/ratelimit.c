/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/ratelimit.h"

#include <limits.h>

static bool has_ended(const RateLimit *l, usec_t now) {
        return now >= l->begin && now - l->begin >= l->interval;
}

bool ratelimit_pass(RateLimit *l, usec_t now) {
        if (l->burst == 0)
                return true;
        if (l->n_passed == 0 || has_ended(l, now)) {
                l->begin = now;
                l->n_passed = 0;
        }
        if (l->n_passed < l->burst) {
                l->n_passed++;
                return true;
        }
        if (l->n_suppressed < UINT_MAX)
                l->n_suppressed++;
        return false;
}

unsigned int ratelimit_take_suppressed(RateLimit *l, usec_t now) {
        unsigned int n = l->n_suppressed;

        if (n == 0 || !has_ended(l, now))
                return 0;
        l->n_suppressed = 0;
        return n;
}
