/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Entries of one action: collected, written to the ledger, carried out, taken back. */

#include <errno.h>

#include "daemon/executor-internal.h"
#include "util/macro.h"

void plan_done(Plan *p) {
        for (size_t i = 0; i < p->n; i++) {
                free(p->entries[i].path);
                free(p->entries[i].old_value);
                free(p->entries[i].new_value);
        }
        free(p->entries);
}

int plan_add(Plan *p, const Action *a, const Actuator *actuator, const ActuatorTarget *t,
             const char *old, const char *new) {
        LedgerEntry *entries, *e;

        entries = reallocarray(p->entries, p->n + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        p->entries = entries;
        e = &entries[p->n];
        *e = (LedgerEntry){
                .action = a->number,
                .pid = t->pid,
                .tid = t->tid,
                .start = t->pid ? a->decision->start : 0,
                .why = (char *)a->why,
        };
        (void)snprintf(e->actuator, sizeof(e->actuator), "%s", actuator->name);
        (void)snprintf(e->comm, sizeof(e->comm), "%s", t->pid ? a->decision->comm : "");
        e->path = t->path ? strdup(t->path) : NULL;
        e->old_value = strdup(old);
        e->new_value = strdup(new);
        p->n++;
        return (t->path && !e->path) || !e->old_value || !e->new_value ? -ENOMEM : 0;
}

static int note_done(Action *a, uint64_t id) {
        uint64_t *done = reallocarray(a->done, a->n_done + 1, sizeof(*done));

        if (!done)
                return -ENOMEM;
        done[a->n_done++] = id;
        a->done = done;
        return 0;
}

void action_undo(Action *a, LedgerState state) {
        for (size_t i = a->n_done; i > 0; i--) {
                const LedgerEntry *e = executor_find_id(a->x, a->done[i - 1]);
                LedgerState end = state;
                char value[ACTUATOR_VALUE_MAX];
                const Actuator *actuator;
                ActuatorTarget t;
                int r;

                if (!e)
                        continue;
                actuator = actuator_find(e->actuator);
                t = entry_target(e);
                r = state == LEDGER_UNDONE ? actuator->read(&a->x->context, &t, value) : -ECANCELED;
                /* A service manager that does not answer: it may have set it, or do so yet. The
                 * entry stays, to be put back later. */
                if (r == -ETIMEDOUT) {
                        ledger_set_unanswered(a->x->ledger, e->id, true);
                        a->n_unanswered++;
                        continue;
                }
                if (r >= 0 && streq(value, e->new_value) && !streq(value, e->old_value)) {
                        if (actuator->for_good)
                                end = LEDGER_KEPT;
                        else
                                (void)actuator->apply(&a->x->context, &t, e->old_value);
                }
                (void)ledger_end(a->x->ledger, e->id, end);
        }
        a->n_done = 0;
}

static int apply_entry(Action *a, const LedgerEntry *e) {
        const Actuator *actuator = actuator_find(e->actuator);
        char value[ACTUATOR_VALUE_MAX];
        ActuatorTarget t = entry_target(e);
        int r;

        if (streq(e->old_value, e->new_value))
                return 0;
        r = actuator->apply(&a->x->context, &t, e->new_value);
        if (r >= 0)
                r = actuator->read(&a->x->context, &t, value);
        if (r == -ESRCH) {
                (void)ledger_end(a->x->ledger, e->id, LEDGER_GONE);
                return r;
        }
        if (r < 0)
                return error_set(a->error, r, "cannot set %s of %s%s to \"%s\": %s", e->actuator,
                                 e->path ? "/" : "process ", e->path ? e->path : e->comm,
                                 e->new_value, strerror(-r));
        if (!streq(value, e->new_value)) {
                a->without_effect = streq(value, e->old_value);
                return error_set(a->error, -EIO,
                                 "%s of %s%s was set to \"%s\", but it reads \"%s\"", e->actuator,
                                 e->path ? "/" : "process ", e->path ? e->path : e->comm,
                                 e->new_value, value);
        }
        return 0;
}

/*
 * Threads that have the value already come first. A SIGKILL may cut the write between two lines:
 * whoever then finds the entry of a change finds these, too, and takes none of them for an heir.
 */
static void put_kept_first(Plan *p) {
        size_t n_kept = 0;

        for (size_t i = 0; i < p->n; i++) {
                LedgerEntry e = p->entries[i];

                if (!streq(e.old_value, e.new_value))
                        continue;
                memmove(p->entries + n_kept + 1, p->entries + n_kept,
                        (i - n_kept) * sizeof(*p->entries));
                p->entries[n_kept++] = e;
        }
}

int plan_carry_out(Plan *p, Action *a) {
        int r;

        if (a->number == 0 && p->n > 0) {
                a->number = ledger_new_action(a->x->ledger);
                for (size_t i = 0; i < p->n; i++)
                        p->entries[i].action = a->number;
        }
        put_kept_first(p);
        r = ledger_begin(a->x->ledger, p->entries, p->n);
        if (r < 0)
                return error_set(a->error, r,
                                 "nothing is changed, because the ledger cannot be written: %s",
                                 strerror(-r));
        for (size_t i = 0; i < p->n; i++) {
                r = note_done(a, p->entries[i].id);
                if (r < 0) {
                        for (; i < p->n; i++)
                                (void)ledger_end(a->x->ledger, p->entries[i].id, LEDGER_UNDONE);
                        return r;
                }
        }
        for (size_t i = 0; i < p->n; i++) {
                r = apply_entry(a, &p->entries[i]);
                if (r < 0 && r != -ESRCH)
                        return r;
                a->n_held += r >= 0;
        }
        return (int)p->n;
}
