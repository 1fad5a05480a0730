/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Treating one process: every thread of it, then the process itself. */

#include <errno.h>

#include "daemon/executor-internal.h"
#include "util/macro.h"

/* Somebody in the same group has set it before us: both hold it now. */
static const LedgerEntry *find_shared(const Executor *x, const Actuator *a, const char *value) {
        for (size_t i = 0; i < ledger_count(x->ledger, false); i++) {
                const LedgerEntry *e = ledger_get(x->ledger, i, false);

                if (streq(e->actuator, a->name) && streq(e->new_value, value))
                        return e;
        }
        return NULL;
}

/* Reads a target and adds what the treatment makes of it. Returns 1 where something changes. */
static int plan_target(Action *a, Plan *p, const Actuator *actuator, const ActuatorTarget *t,
                       char value[ACTUATOR_VALUE_MAX]) {
        char new[ACTUATOR_VALUE_MAX];
        const LedgerEntry *shared;
        int r;

        r = actuator->read(&a->x->context, t, value);
        if (r < 0)
                return r;
        r = actuator->plan(&a->x->context, &a->decision->treatment, value, new);
        if (r < 0)
                return r;
        if (r == 0 && actuator->stand_in) {
                shared = find_shared(a->x, actuator, value);
                if (!shared ||
                    executor_find_entry(a->x, actuator, t->pid, t->tid, a->decision->start))
                        return 0;
                r = plan_add(p, a, actuator, t, shared->old_value, value);
                return r < 0 ? r : 1;
        }
        if (r == 0)
                return 0;
        r = plan_add(p, a, actuator, t, value, new);
        return r < 0 ? r : 1;
}

static bool plan_writes(const Plan *p, const Actuator *actuator, const char *value) {
        for (size_t i = 0; i < p->n; i++)
                if (streq(p->entries[i].actuator, actuator->name) &&
                    streq(p->entries[i].new_value, value))
                        return true;
        return false;
}

/*
 * The threads of one actuator. In the first pass, before anything is changed, a thread that already
 * has what others will get is written down as well: later it could not be told from one that
 * inherited the value and must be put back.
 */
static int plan_threads(Action *a, Plan *p, const Actuator *actuator, const pid_t *tids, size_t n,
                        bool first) {
        char value[ACTUATOR_VALUE_MAX];
        size_t n_before = p->n;
        bool any_same = false;
        int r;

        for (size_t i = 0; i < n; i++) {
                ActuatorTarget t = {.pid = a->decision->pid, .tid = tids[i]};

                r = plan_target(a, p, actuator, &t, value);
                if (r == -ESRCH)
                        continue;
                if (r < 0)
                        return error_set(a->error, r, "cannot read %s of thread %d: %s",
                                         actuator->name, t.tid, strerror(-r));
                any_same = any_same || r == 0;
        }
        if (!first || !any_same || p->n == n_before)
                return 0;
        for (size_t i = 0; i < n; i++) {
                ActuatorTarget t = {.pid = a->decision->pid, .tid = tids[i]};

                if (actuator->read(&a->x->context, &t, value) < 0 ||
                    !plan_writes(p, actuator, value) ||
                    executor_find_entry(a->x, actuator, t.pid, t.tid, a->decision->start))
                        continue;
                r = plan_add(p, a, actuator, &t, value, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One pass over all threads. Returns how many entries were carried out, or -errno. */
static int pass_threads(Action *a, bool first) {
        _cleanup_(plan_done)
        Plan p = {0};
        _cleanup_free_
        pid_t *tids = NULL;
        size_t n = 0;
        int r;

        r = proc_list_threads(a->x->context.root_fd, a->decision->pid, &tids, &n);
        for (size_t i = 0; r >= 0 && actuator_all[i]; i++)
                if (actuator_all[i]->level == ACTUATOR_THREAD &&
                    (actuator_all[i]->fields & a->decision->treatment.set) &&
                    actuator_works(a->x, actuator_all[i]))
                        r = plan_threads(a, &p, actuator_all[i], tids, n, first);
        return r < 0 ? r : plan_carry_out(&p, a);
}

static int do_processes(Action *a) {
        for (size_t i = 0; actuator_all[i]; i++) {
                _cleanup_(plan_done)
                Plan p = {0};
                ActuatorTarget t = {.pid = a->decision->pid};
                char value[ACTUATOR_VALUE_MAX];
                int r;

                if (actuator_all[i]->level != ACTUATOR_PROCESS ||
                    !(actuator_all[i]->fields & a->decision->treatment.set) ||
                    !actuator_works(a->x, actuator_all[i]))
                        continue;
                r = plan_target(a, &p, actuator_all[i], &t, value);
                if (r == -ENOTTY || r == -EBUSY)
                        continue; /* without effect on this process, or not ours to move */
                if (r >= 0)
                        r = plan_carry_out(&p, a);
                if (r < 0)
                        return error_set(a->error, r, "cannot change %s: %s", actuator_all[i]->name,
                                         strerror(-r));
        }
        return 0;
}

static void survey(Action *a) {
        for (size_t i = 0; actuator_all[i]; i++) {
                if (!(actuator_all[i]->fields & a->decision->treatment.set))
                        continue;
                if (actuator_works(a->x, actuator_all[i]))
                        a->any_works = true;
                else {
                        a->any_inert = true;
                        if (!a->any_works)
                                (void)error_set(a->error, 0, "%s: %s", actuator_all[i]->name,
                                                a->x->probe_text[i].text);
                }
        }
        if (a->any_works && a->error)
                a->error->text[0] = '\0';
}

/* True where a value that we wrote is neither ours any more nor what was there before us. */
static bool is_foreign(Action *a) {
        bool foreign = false;

        for (size_t i = ledger_count(a->x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(a->x->ledger, i - 1, false);
                const Actuator *actuator = actuator_find(e->actuator);
                char value[ACTUATOR_VALUE_MAX];
                ActuatorTarget t;

                if (e->pid != a->decision->pid || e->start != a->decision->start || !actuator ||
                    !(actuator->fields & a->decision->treatment.set))
                        continue;
                t = entry_target(e);
                if (actuator->read(&a->x->context, &t, value) < 0 || streq(value, e->new_value))
                        continue;
                if (streq(value, e->old_value)) {
                        (void)ledger_end(a->x->ledger, e->id, LEDGER_RESTORED);
                        continue;
                }
                (void)error_set(a->error, 0, "%s of %s is \"%s\", and we had set \"%s\"",
                                e->actuator, e->comm, value, e->new_value);
                (void)ledger_end(a->x->ledger, e->id, LEDGER_FOREIGN);
                foreign = true;
        }
        return foreign;
}

Outcome executor_apply(Action *a) {
        const Decision *d = a->decision;
        _cleanup_close_
        int pidfd = -EBADF;
        ProcStat s;
        int r;

        r = identity_open(a->x->context.root_fd, d->pid, d->start, &pidfd);
        if (r == -ESRCH)
                return OUTCOME_VANISHED;
        if (r >= 0)
                r = proc_stat_read(a->x->context.root_fd, d->pid, &s);
        if (r == -ESRCH)
                return OUTCOME_VANISHED;
        if (r < 0) {
                (void)error_set(a->error, r, "cannot look at process %d: %s", d->pid, strerror(-r));
                return OUTCOME_FAILED;
        }
        if (d->pid <= 1 || d->pid == getpid() || (s.flags & PF_KTHREAD)) {
                (void)error_set(a->error, 0, "process %d is never changed", d->pid);
                return OUTCOME_FAILED;
        }
        survey(a);
        if (!a->any_works)
                return a->any_inert ? OUTCOME_INERT : OUTCOME_NOTHING;
        if (is_foreign(a))
                return OUTCOME_FOREIGN;

        for (int pass = 0, quiet = 0; pass < EXECUTOR_PASSES && quiet < EXECUTOR_QUIET_PASSES;
             pass++) {
                r = pass_threads(a, pass == 0);
                if (r < 0)
                        break;
                quiet = r == 0 ? quiet + 1 : 0;
        }
        if (r >= 0)
                r = do_processes(a);
        if (r == -ESRCH || identity_check(pidfd) == -ESRCH) {
                action_undo(a, LEDGER_GONE);
                return OUTCOME_VANISHED;
        }
        if (r < 0) {
                action_undo(a, LEDGER_UNDONE);
                return a->without_effect ? OUTCOME_INERT : OUTCOME_FAILED;
        }
        return a->n_held > 0 ? OUTCOME_DONE : OUTCOME_NOTHING;
}
