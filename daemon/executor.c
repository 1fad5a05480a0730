/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/executor.h"

#include <errno.h>

#include "daemon/executor-internal.h"
#include "daemon/units.h"
#include "util/macro.h"

/* --- the object ------------------------------------------------------------------------------ */

int executor_new(int root_fd, Ledger *ledger, const char *cgroup_name, Executor **ret) {
        _cleanup_(executor_freep)
        Executor *x = calloc(1, sizeof(*x));
        int r;

        if (!x)
                return -ENOMEM;
        r = units_new(root_fd, &x->context.units);
        if (r < 0)
                return r;
        x->ledger = ledger;
        x->context.root_fd = root_fd;
        x->context.cgroup_name = cgroup_name ? cgroup_name : "aikmd";
        for (size_t i = 0; i < EXECUTOR_ACTUATORS && actuator_all[i]; i++)
                x->probed[i] = actuator_all[i]->probe(&x->context, &x->probe_text[i]);
        *ret = TAKE_PTR(x);
        return 0;
}

Executor *executor_free(Executor *x) {
        if (!x)
                return NULL;
        free(x->context.cgroup);
        units_free(x->context.units);
        free(x);
        return NULL;
}

int executor_probe_result(const Executor *x, const Actuator *a, const char **ret_text) {
        for (size_t i = 0; i < EXECUTOR_ACTUATORS && actuator_all[i]; i++)
                if (actuator_all[i] == a) {
                        if (ret_text)
                                *ret_text = x->probe_text[i].text;
                        return x->probed[i];
                }
        return -EOPNOTSUPP;
}

bool actuator_works(const Executor *x, const Actuator *a) {
        return executor_probe_result(x, a, NULL) >= 0;
}

ActuatorTarget entry_target(const LedgerEntry *e) {
        return (ActuatorTarget){.pid = e->pid, .tid = e->tid, .path = e->path};
}

/* --- ledger ---------------------------------------------------------------------------------- */

const LedgerEntry *executor_find_id(const Executor *x, uint64_t id) {
        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->id == id)
                        return e;
        }
        return NULL;
}

const LedgerEntry *executor_find_entry(const Executor *x, const Actuator *a, pid_t pid, pid_t tid,
                                       uint64_t start) {
        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->pid == pid && e->tid == tid && e->start == start &&
                    streq(e->actuator, a->name))
                        return e;
        }
        return NULL;
}

/* --- entry ----------------------------------------------------------------------------------- */

static void write_why(Action *a, const char *model) {
        const Decision *d = a->decision;
        char victim[128] = "";

        if (d->victim > 0)
                (void)snprintf(victim, sizeof(victim), "; %s (%d) waits %.1f ms per second",
                               d->victim_comm, d->victim, (double)d->victim_delay / 1000);
        if (d->kind == DECISION_TUNE)
                (void)snprintf(a->why, sizeof(a->why), "policy sets %s to %s%s", d->tunable,
                               d->value, victim);
        else
                (void)snprintf(a->why, sizeof(a->why), "%s, confidence %.2f, model %s%s",
                               class_to_string(d->load_class), (double)d->confidence,
                               model ? model : "none", victim);
}

static Outcome release_decision(Action *a) {
        RestoreCount n;

        if (executor_restore(a->x, RESTORE_PID, (uint64_t)a->decision->pid, &n) < 0)
                return OUTCOME_NOTHING;
        if (n.failed > 0) {
                (void)error_set(a->error, 0, "%zu values of %s (%d) could not be put back: %s",
                                n.failed, a->decision->comm, a->decision->pid, n.why.text);
                return OUTCOME_FAILED;
        }
        return n.foreign > 0 ? OUTCOME_FOREIGN : n.restored > 0 ? OUTCOME_DONE : OUTCOME_VANISHED;
}

Outcome executor_carry_out(Executor *x, const Decision *d, const char *model, uint64_t *ret_action,
                           Error *e) {
        Action a = {.x = x, .decision = d, .error = e};
        Outcome outcome = OUTCOME_NOTHING;

        write_why(&a, model);
        switch (d->kind) {
        case DECISION_APPLY:
                outcome = executor_apply(&a);
                break;
        case DECISION_ADOPT:
                (void)snprintf(a.why, sizeof(a.why), "inherited from its parent %d by fork",
                               d->parent);
                outcome = executor_adopt(&a);
                break;
        case DECISION_RELEASE:
                outcome = release_decision(&a);
                break;
        case DECISION_TUNE:
                outcome = executor_tune(&a);
                break;
        case DECISION_UNTUNE:
                outcome = executor_untune(&a);
                break;
        case DECISION_DEMOTE_UNIT:
                outcome = executor_demote_unit(&a);
                break;
        case DECISION_RELEASE_UNIT:
                outcome = executor_release_unit(&a);
                break;
        }
        free(a.done);
        if (ret_action)
                *ret_action = a.number;
        return outcome;
}
