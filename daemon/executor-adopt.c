/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Forks: what a child inherited from a treated parent becomes its own entry. */

#include <errno.h>

#include "daemon/executor-internal.h"
#include "util/macro.h"

/* The parent's entry whose value the child inherited: its leader's where that fits, else that of
 * whichever thread forked. */
static const LedgerEntry *find_origin(const Executor *x, const Actuator *a, pid_t parent,
                                      const char *value) {
        const LedgerEntry *origin = NULL;

        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->pid != parent || !streq(e->actuator, a->name) ||
                    !streq(e->new_value, value) || streq(e->old_value, e->new_value))
                        continue;
                if (e->tid == parent || e->tid == 0)
                        return e;
                origin = e;
        }
        return origin;
}

static bool has_entries(const Executor *x, pid_t pid) {
        for (size_t i = 0; i < ledger_count(x->ledger, false); i++)
                if (ledger_get(x->ledger, i, false)->pid == pid)
                        return true;
        return false;
}

static int adopt_target(Action *a, Plan *p, const Actuator *actuator, const ActuatorTarget *t,
                        pid_t parent) {
        char value[ACTUATOR_VALUE_MAX];
        const LedgerEntry *origin;
        int r;

        if (executor_find_entry(a->x, actuator, t->pid, t->tid, a->decision->start) ||
            actuator->read(&a->x->context, t, value) < 0)
                return 0;
        origin = find_origin(a->x, actuator, parent, value);
        if (!origin)
                return 0;
        a->number = origin->action; /* rolled back with it */
        r = plan_add(p, a, actuator, t, origin->old_value, value);
        if (r >= 0 && p->entries[p->n - 1].comm[0] == '\0')
                memcpy(p->entries[p->n - 1].comm, origin->comm, sizeof(origin->comm));
        return r;
}

Outcome executor_adopt(Action *a) {
        _cleanup_(plan_done)
        Plan p = {0};
        _cleanup_free_
        pid_t *tids = NULL;
        _cleanup_close_
        int pidfd = -EBADF;
        const Decision *d = a->decision;
        size_t n = 0;
        int r;

        if (!has_entries(a->x, d->parent))
                return OUTCOME_NOTHING;
        r = identity_open(a->x->context.root_fd, d->pid, d->start, &pidfd);
        if (r >= 0)
                r = proc_list_threads(a->x->context.root_fd, d->pid, &tids, &n);
        for (size_t i = 0; r >= 0 && actuator_all[i]; i++) {
                const Actuator *actuator = actuator_all[i];

                /* A shared value is not the child's own: it follows the group. */
                if (actuator->level >= ACTUATOR_UNIT || actuator->stand_in || actuator->for_good ||
                    !actuator_works(a->x, actuator))
                        continue;
                if (actuator->level == ACTUATOR_PROCESS) {
                        ActuatorTarget t = {.pid = d->pid};

                        r = adopt_target(a, &p, actuator, &t, d->parent);
                        continue;
                }
                for (size_t k = 0; r >= 0 && k < n; k++) {
                        ActuatorTarget t = {.pid = d->pid, .tid = tids[k]};

                        r = adopt_target(a, &p, actuator, &t, d->parent);
                }
        }
        if (r == -ESRCH || (r >= 0 && identity_check(pidfd) == -ESRCH))
                return OUTCOME_VANISHED;
        if (r >= 0)
                r = ledger_begin(a->x->ledger, p.entries, p.n);
        if (r < 0) {
                (void)error_set(a->error, r, "cannot write down that %d inherited from %d: %s",
                                d->pid, d->parent, strerror(-r));
                return OUTCOME_FAILED;
        }
        return p.n > 0 || has_entries(a->x, d->pid) ? OUTCOME_DONE : OUTCOME_NOTHING;
}

bool executor_note_fork(Executor *x, pid_t parent, pid_t child, uint64_t child_start) {
        Decision d = {.kind = DECISION_ADOPT, .pid = child, .start = child_start, .parent = parent};
        Action a = {.x = x, .decision = &d};

        (void)snprintf(a.why, sizeof(a.why), "inherited from its parent %d by fork", parent);
        return executor_adopt(&a) == OUTCOME_DONE;
}
