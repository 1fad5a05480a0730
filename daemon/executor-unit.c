/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Units of systemd as a whole: lowered, looked at, put back. */

#include <errno.h>

#include "daemon/executor-internal.h"
#include "daemon/units.h"
#include "util/macro.h"

static const LedgerEntry *find_unit(const Executor *x, const char *actuator, const char *unit) {
        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->path && streq(e->path, unit) && streq(e->actuator, actuator))
                        return e;
        }
        return NULL;
}

/* What the service manager did not answer for is as it was: it never heard of it. Asked again; true
 * where that is the matter. */
static bool ask_again(Executor *x, const Actuator *a, const LedgerEntry *e, const char *value) {
        ActuatorTarget t = entry_target(e);

        if (!e->unanswered || !streq(value, e->old_value))
                return false;
        if (a->apply(&x->context, &t, e->new_value) >= 0)
                ledger_set_unanswered(x->ledger, e->id, false);
        return true;
}

/* Whether somebody has set the entry's value anew, or put it back: then it is theirs, and the entry
 * ends. */
static bool has_left(Executor *x, const LedgerEntry *e, Error *error) {
        const Actuator *a = actuator_find(e->actuator);
        char value[ACTUATOR_VALUE_MAX];
        ActuatorTarget t = entry_target(e);

        if (!a || a->read(&x->context, &t, value) < 0)
                return false;
        if (streq(value, e->new_value)) {
                ledger_set_unanswered(x->ledger, e->id, false);
                return false;
        }
        if (ask_again(x, a, e, value))
                return false;
        if (a->disown)
                a->disown(&x->context, &t, e->new_value);
        (void)error_set(error, 0, "%s of %s is \"%s\", and we had set \"%s\"", e->actuator, e->path,
                        value, e->new_value);
        (void)ledger_end(x->ledger, e->id, LEDGER_FOREIGN);
        return true;
}

/* Returns how many entries were carried out, -ECANCELED where somebody else has it, or -errno. */
static int lower(Action *a, const Actuator *actuator) {
        _cleanup_(plan_done)
        Plan p = {0};
        const LedgerEntry *before = find_unit(a->x, actuator->name, a->decision->unit);
        ActuatorTarget t = {.path = a->decision->unit};
        char value[ACTUATOR_VALUE_MAX], new[ACTUATOR_VALUE_MAX];
        int r;

        if (before)
                return has_left(a->x, before, a->error) ? -ECANCELED : 0;
        r = actuator->read(&a->x->context, &t, value);
        if (r >= 0)
                r = actuator->plan(&a->x->context, &a->decision->treatment, value, new);
        if (r > 0)
                r = plan_add(&p, a, actuator, &t, value, new);
        if (r >= 0 && p.n > 0) {
                /* For whom: the books of a unit name the hog that was seen first. */
                (void)snprintf(p.entries[0].comm, sizeof(p.entries[0].comm), "%s",
                               a->decision->comm);
                r = plan_carry_out(&p, a);
                /* The kernel has a weight that the service manager does not know of. */
                return r == -EBUSY ? -ECANCELED : r;
        }
        if (r < 0 && r != -ESRCH)
                return error_set(a->error, r, "cannot read %s of %s: %s", actuator->name,
                                 a->decision->unit, strerror(-r));
        return r;
}

static void count_outcome(Outcome outcome, RestoreCount *count) {
        count->restored += outcome == OUTCOME_DONE;
        count->foreign += outcome == OUTCOME_FOREIGN;
        count->gone += outcome == OUTCOME_VANISHED;
        count->failed += outcome == OUTCOME_FAILED;
}

static uint64_t restore_unit(Executor *x, const char *unit, RestoreCount *count, Error *e) {
        uint64_t action = 0;

        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *entry = ledger_get(x->ledger, i - 1, false);

                if (entry->pid != 0 || !entry->path || !streq(entry->path, unit))
                        continue;
                action = entry->action;
                count_outcome(restore_one(x, entry->id, e), count);
        }
        return action;
}

Outcome executor_demote_unit(Action *a) {
        RestoreCount count = {0};
        int r = 0;

        for (size_t i = 0; r >= 0 && actuator_all[i]; i++) {
                const Actuator *actuator = actuator_all[i];

                if (actuator->level != ACTUATOR_UNIT ||
                    !(actuator->fields & a->decision->treatment.set))
                        continue;
                if (!actuator_works(a->x, actuator)) {
                        a->any_inert = true;
                        (void)error_set(a->error, 0, "%s: %s", actuator->name,
                                        a->x->probe_text[i].text);
                        continue;
                }
                r = lower(a, actuator);
        }
        if (r == -ESRCH)
                return OUTCOME_VANISHED;
        if (r < 0) {
                action_undo(a, LEDGER_UNDONE);
                if (r == -ECANCELED) {
                        /* Hands off the unit: its other weight is not ours to hold either. */
                        (void)restore_unit(a->x, a->decision->unit, &count, NULL);
                        return OUTCOME_FOREIGN;
                }
                if (a->n_unanswered > 0)
                        return OUTCOME_UNANSWERED;
                return a->without_effect ? OUTCOME_INERT : OUTCOME_FAILED;
        }
        return a->n_held > 0 ? OUTCOME_DONE : a->any_inert ? OUTCOME_INERT : OUTCOME_NOTHING;
}

Outcome executor_release_unit(Action *a) {
        RestoreCount count = {0};

        a->number = restore_unit(a->x, a->decision->unit, &count, a->error);
        return count.failed     ? OUTCOME_FAILED
               : count.foreign  ? OUTCOME_FOREIGN
               : count.restored ? OUTCOME_DONE
               : count.gone     ? OUTCOME_VANISHED
                                : OUTCOME_NOTHING;
}

void executor_restore_unit(Executor *x, const char *unit, RestoreCount *ret) {
        units_end_rest(x->context.units);
        (void)restore_unit(x, unit, ret, &ret->why);
}

void executor_check_units(Executor *x, void (*callback)(const char *unit, void *userdata),
                          void *userdata) {
        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);
                RestoreCount count = {0};
                const Actuator *a;
                char unit[256];

                if (e->pid != 0 || !e->path)
                        continue;
                a = actuator_find(e->actuator);
                if (!a || a->level != ACTUATOR_UNIT)
                        continue;
                (void)snprintf(unit, sizeof(unit), "%s", e->path);
                if (!has_left(x, e, NULL))
                        continue;
                /* Hands off the unit: its other weight is not ours to hold either. */
                (void)restore_unit(x, unit, &count, NULL);
                i = MIN(i, ledger_count(x->ledger, false) + 1);
                callback(unit, userdata);
        }
}
