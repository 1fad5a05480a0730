/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus.h"
#include "daemon/manager-filter.h"
#include "daemon/owner.h"

static void tell_report(const LedgerReport *report) {
        if (report->other_boot)
                journal_log(LOG_INFO, "the ledger was of another boot and was set aside");
        if (report->torn)
                journal_log(LOG_NOTICE, "the last line of the ledger was cut; it was dropped");
        if (report->n_damaged > 0)
                journal_log(LOG_WARNING, "%zu damaged lines of the ledger were not trusted",
                            report->n_damaged);
}

void manager_restore_leftovers(Manager *m) {
        RestoreCount count = {};
        char text[RESTORE_TEXT_MAX];
        int r;

        tell_report(&m->ledger_report);
        /* What becomes of filters is policy's, which is not known yet. */
        if (executor_count(m->executor, RESTORE_OTHERS, 0) == 0)
                return;
        r = executor_restore(m->executor, RESTORE_OTHERS, 0, &count);
        if (r < 0 && r != -ENOENT)
                journal_log(LOG_ERR, "cannot put back what an earlier run changed: %s",
                            strerror(-r));
        journal_note(count.failed ? LOG_WARNING : LOG_NOTICE, MESSAGE_RESTORED_AFTER_CRASH, NULL,
                     "An earlier run left changes: %s", restore_count_format(&count, text));
}

void manager_restore_at_stop(Manager *m) {
        RestoreCount count = {};
        char text[RESTORE_TEXT_MAX];
        size_t n = executor_count(m->executor, RESTORE_OTHERS, 0);
        int r;

        if (n == 0)
                return;
        if (m->policy.keep_on_stop) {
                journal_log(LOG_NOTICE, "policy keeps %zu changes; aikmd --restore undoes them", n);
                return;
        }
        r = executor_restore(m->executor, RESTORE_OTHERS, 0, &count);
        if (r < 0 && r != -ENOENT)
                journal_log(LOG_ERR, "cannot put everything back: %s", strerror(-r));
        bus_emit_ledger_changes(m->bus);
        journal_note(count.failed ? LOG_WARNING : LOG_INFO, MESSAGE_PUT_BACK, NULL,
                     "Changes at stop: %s", restore_count_format(&count, text));
}

/* The cgroup of the unit that an action lowered; "" where it did not. */
static void find_unit(const Ledger *l, uint64_t action, char *ret, size_t size) {
        ret[0] = '\0';
        for (size_t i = 0; i < ledger_count(l, /* all= */ false); i++) {
                const LedgerEntry *entry = ledger_get(l, i, /* all= */ false);

                if (entry->action == action && entry->pid == 0 && entry->path &&
                    entry->path[0] == '/')
                        snprintf(ret, size, "%s", entry->path);
        }
}

/* The processes that an action touched have to be left alone by the pipeline for a while; found
 * before the action's entries end. */
static int collect_pids(const Ledger *l, uint64_t action, pid_t **ret, size_t *ret_n) {
        size_t n = ledger_count(l, /* all= */ false), found = 0;
        _cleanup_free_
        pid_t *pids = calloc(n + 1, sizeof(*pids));

        if (!pids)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const LedgerEntry *entry = ledger_get(l, i, /* all= */ false);

                if (entry->action == action && entry->pid > 0 &&
                    (found == 0 || pids[found - 1] != entry->pid))
                        pids[found++] = entry->pid;
        }
        *ret = TAKE_PTR(pids);
        *ret_n = found;
        return 0;
}

static void manager_note_rollback(Manager *m, pid_t pid) {
        manager_record(m, rollback, pid);
        pipeline_note_rollback(m->pipeline, pid);
}

static void manager_note_unit_rollback(Manager *m, const char *unit) {
        manager_record(m, unit, unit, /* foreign= */ false);
        pipeline_note_unit(m->pipeline, unit, /* foreign= */ false);
}

int manager_rollback(Manager *m, RestoreWhat what, uint64_t number, RestoreCount *ret) {
        _cleanup_free_
        pid_t *pids = NULL;
        RestoreCount count = {};
        char unit[256] = "", text[RESTORE_TEXT_MAX];
        size_t n_pids = 0;
        ProcView view;
        int r;

        if (what == RESTORE_ACTION) {
                find_unit(m->ledger, number, unit, sizeof(unit));
                r = collect_pids(m->ledger, number, &pids, &n_pids);
                if (r < 0)
                        return r;
        } else if (what == RESTORE_PID &&
                   pipeline_find_proc(m->pipeline, (pid_t)number, &view) >= 0 && view.lowered)
                snprintf(unit, sizeof(unit), "%s", view.lowered);
        r = executor_restore(m->executor, what, number, &count);
        if (r < 0 && !(r == -ENOENT && what == RESTORE_PID && unit[0]))
                return r;
        /* What weighs on a process because of its unit is taken off the whole unit. */
        if (what == RESTORE_PID && unit[0])
                executor_restore_unit(m->executor, unit, &count);
        if (what == RESTORE_ALL)
                manager_note_rollback(m, 0);
        else if (what == RESTORE_PID)
                manager_note_rollback(m, (pid_t)number);
        for (size_t i = 0; i < n_pids; i++)
                manager_note_rollback(m, pids[i]);
        if (unit[0])
                manager_note_unit_rollback(m, unit);
        manager_forget_filters(m);
        bus_emit_ledger_changes(m->bus);
        journal_note(LOG_NOTICE, MESSAGE_PUT_BACK,
                     &(JournalFields){.pid = what == RESTORE_PID ? (pid_t)number : 0,
                                      .action = what == RESTORE_ACTION ? number : 0},
                     "Rolled back on request: %s", restore_count_format(&count, text));
        *ret = count;
        return 0;
}

static void manager_change_trial(Manager *m, pid_t root, Mode mode, uid_t uid) {
        pid_t old = m->trial.root;

        manager_record(m, trial, root, mode);
        pipeline_set_trial(m->pipeline, root, mode);
        m->trial = (Trial){.root = root, .mode = mode, .uid = uid};
        if (old > 0)
                journal_note(LOG_INFO, MESSAGE_TRIAL_ENDED, &(JournalFields){.pid = old},
                             "The trial below process %d has ended", old);
        if (root > 0)
                journal_note(LOG_INFO, MESSAGE_TRIAL_BEGUN, &(JournalFields){.pid = root},
                             "A trial below process %d has begun: mode %s", root,
                             mode_to_string(mode));
}

void manager_set_trial(Manager *m, pid_t root, Mode mode, uid_t uid) {
        bool other = m->trial.root > 0;

        if (root == 0 && !other)
                return;
        manager_change_trial(m, root, mode, uid);
        manager_wake(m);
        /* What was done in the old tree is put back by the decisions of a tick without it. */
        if (other)
                manager_tick(m);
}

void manager_check_trial(Manager *m) {
        ProcView root;

        if (m->trial.root == 0)
                return;
        if (pipeline_find_proc(m->pipeline, m->trial.root, &root) >= 0 && !root.sample.zombie &&
            (m->trial.start == 0 || m->trial.start == root.sample.start) &&
            (m->trial.uid == 0 || owner_has_tree(m, m->trial.uid, m->trial.root))) {
                m->trial.start = root.sample.start;
                return;
        }
        bus_trial_clear_owner(m->bus);
        manager_change_trial(m, 0, MODE_OBSERVE, /* uid= */ 0);
}
