/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Machine-wide knobs: the files of the tunable table. */

#include <errno.h>
#include <fnmatch.h>

#include "daemon/executor-internal.h"
#include "util/io.h"
#include "util/macro.h"

static Outcome tune_file(Action *a, const Tunable *tunable, const char *path) {
        _cleanup_(plan_done)
        Plan p = {0};
        ActuatorTarget t = {.path = path};
        char value[ACTUATOR_VALUE_MAX];
        int r;

        r = actuator_knob.read(&a->x->context, &t, value);
        if (r == -ESRCH)
                return OUTCOME_INERT;
        if (r < 0) {
                (void)error_set(a->error, r, "cannot read /%s: %s", path, strerror(-r));
                return OUTCOME_FAILED;
        }
        for (size_t i = ledger_count(a->x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(a->x->ledger, i - 1, false);

                if (!e->path || !streq(e->path, path) || streq(value, e->new_value))
                        continue;
                if (!streq(value, e->old_value)) {
                        (void)error_set(a->error, 0, "/%s is \"%s\", and we had set \"%s\"", path,
                                        value, e->new_value);
                        (void)ledger_end(a->x->ledger, e->id, LEDGER_FOREIGN);
                        return OUTCOME_FOREIGN;
                }
                (void)ledger_end(a->x->ledger, e->id, LEDGER_RESTORED);
        }
        if (streq(value, a->decision->value))
                return OUTCOME_NOTHING;
        /* A number that the table does not hold may be more than it seems: vm.dirty_ratio is 0
         * while vm.dirty_bytes rules, and setting it clears that for good. */
        if (tunable->kind == TUNABLE_NUMBER && tunable_check(tunable, value, NULL) < 0) {
                (void)error_set(a->error, 0, "/%s is %s, which could not be put back; left alone",
                                path, value);
                return OUTCOME_INERT;
        }
        r = plan_add(&p, a, &actuator_knob, &t, value, a->decision->value);
        if (r >= 0)
                r = plan_carry_out(&p, a);
        if (r < 0) {
                action_undo(a, LEDGER_UNDONE);
                return a->without_effect ? OUTCOME_INERT : OUTCOME_FAILED;
        }
        a->n_done = 0; /* another device's refusal does not take this one back */
        return r > 0 ? OUTCOME_DONE : OUTCOME_INERT;
}

/* What of several files to report: a change above all, then what needs somebody's attention. */
static Outcome weigh(Outcome a, Outcome b) {
        static const int rank[_OUTCOME_COUNT] = {
                [OUTCOME_DONE] = 5,    [OUTCOME_FOREIGN] = 4, [OUTCOME_FAILED] = 3,
                [OUTCOME_NOTHING] = 2, [OUTCOME_INERT] = 1,
        };

        return rank[a] >= rank[b] ? a : b;
}

/* The '*' of a tunable's path stands for one name: a device, a CPU. */
Outcome executor_tune(Action *a) {
        const Tunable *tunable = tunable_find(a->decision->tunable);
        char folder[PATH_MAX], pattern[256];
        const char *star, *end;
        Outcome outcome = OUTCOME_INERT;
        _cleanup_closedir_ DIR *dir = NULL;
        size_t n;

        if (!tunable) {
                (void)error_set(a->error, 0, "%s is not in the table of tunables",
                                a->decision->tunable);
                return OUTCOME_FAILED;
        }
        if (tunable_check(tunable, a->decision->value, a->error) < 0)
                return OUTCOME_FAILED;
        star = strchr(tunable->path, '*');
        if (!star)
                return tune_file(a, tunable, tunable->path);
        n = (size_t)(star - tunable->path);
        while (n > 0 && tunable->path[n - 1] != '/')
                n--;
        end = strchrnul(star, '/');
        (void)snprintf(folder, sizeof(folder), "%.*s.", (int)n, tunable->path);
        (void)snprintf(pattern, sizeof(pattern), "%.*s", (int)(end - tunable->path - n),
                       tunable->path + n);
        if (io_open_dir_at(a->x->context.root_fd, folder, &dir) < 0) {
                (void)error_set(a->error, 0, "/%s is not there", tunable->path);
                return OUTCOME_INERT;
        }
        for (struct dirent *d; (d = readdir(dir));) {
                char path[PATH_MAX];

                if (d->d_name[0] == '.' || fnmatch(pattern, d->d_name, FNM_PERIOD) != 0)
                        continue;
                (void)snprintf(path, sizeof(path), "%.*s%s%s", (int)n, tunable->path, d->d_name,
                               end);
                outcome = weigh(outcome, tune_file(a, tunable, path));
        }
        return outcome;
}

Outcome executor_untune(Action *a) {
        const Tunable *tunable = tunable_find(a->decision->tunable);
        Outcome outcome = OUTCOME_NOTHING;

        for (size_t i = ledger_count(a->x->ledger, false); tunable && i > 0; i--) {
                const LedgerEntry *e = ledger_get(a->x->ledger, i - 1, false);

                if (!e->path || e->pid != 0 || fnmatch(tunable->path, e->path, FNM_PATHNAME) != 0)
                        continue;
                a->number = e->action;
                outcome = weigh(outcome, restore_one(a->x, e->id, a->error));
        }
        return outcome;
}
