/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/watchdog.h"

#include "util/macro.h"

void watchdog_init(Watchdog *w, usec_t limit, usec_t now) {
        *w = (Watchdog){.limit = limit, .good = now};
}

void watchdog_note_good(Watchdog *w, usec_t now) {
        w->good = now;
}

/* One look may fail: the next comes after another interval, and has the limit's time to end. */
bool watchdog_is_alive(const Watchdog *w, usec_t interval, usec_t now) {
        return now <= w->good || now - w->good <= 2 * interval + w->limit;
}

/* Half of the limit is what sd_watchdog_enabled(3) asks for; a third lets one be late. */
usec_t watchdog_period(const Watchdog *w) {
        return MAX(w->limit / 3, (usec_t)1);
}
