/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus.h"
#include "daemon/manager.h"

/* After lost events, at the soonest: a ring that stays full must not turn the daemon into a
 * spinner. */
#define RESCAN_AFTER (100 * USEC_PER_MSEC)

void manager_recorded(Manager *m, int r) {
        if (r >= 0)
                return;
        journal_log(LOG_ERR, "cannot go on recording: %s; the recording ends here", strerror(-r));
        m->recording = recording_close(m->recording);
}

/* The ids that the pipeline asked for, read and handed in. */
static void manager_feed_idents(Manager *m, const pid_t *wanted, size_t n) {
        for (size_t i = 0; i < n; i++) {
                Ident ident = {};

                if (ident_read(m->root_fd, &m->cgroups, &m->builds, wanted[i], &ident) < 0)
                        continue;
                manager_record(m, ident, wanted[i], &ident);
                pipeline_set_ident(m->pipeline, wanted[i], &ident);
        }
}

static void manager_carry_out(Manager *m, const Decision *decisions, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const Decision *d = &decisions[i];
                Error e = ERROR_INIT;
                uint64_t action = 0;
                Outcome outcome;

                outcome = executor_carry_out(m->executor, d, m->model->name, &action, &e);
                manager_record(m, feedback, d, outcome);
                pipeline_feedback(m->pipeline, d, outcome);
                if (action > 0)
                        pipeline_note_action(m->pipeline, d, action);
                manager_note_decision(m, d, outcome, action, &e);
        }
        if (n > 0)
                bus_emit_ledger_changes(m->bus);
}

static void manager_note_unit_foreign(const char *unit) {
        journal_note(LOG_NOTICE, MESSAGE_UNIT_HANDS_OFF, &(JournalFields){.unit = unit},
                     "The weight of %s was set by somebody else: left alone from now on", unit);
}

static void manager_on_unit_foreign(const char *unit, void *userdata) {
        Manager *m = userdata;

        manager_record(m, unit, unit, /* foreign= */ true);
        pipeline_note_unit(m->pipeline, unit, /* foreign= */ true);
        manager_note_unit_foreign(unit);
}

static int manager_look_and_act(Manager *m) {
        const Decision *decisions;
        const pid_t *wanted;
        size_t n_wanted, n;
        int r;

        /* What executed another program since, before its counters are compared. */
        manager_read_events(m);
        r = collector_read(m->collector, &m->sample);
        if (r < 0)
                return r;
        manager_record(m, sample, &m->sample);
        r = pipeline_observe(m->pipeline, &m->sample, &wanted, &n_wanted);
        if (r < 0)
                return r;
        feed_catch_up(m->feed);
        manager_feed_idents(m, wanted, n_wanted);
        executor_sweep(m->executor);
        executor_check_units(m->executor, manager_on_unit_foreign, m);
        manager_check_trial(m);
        r = pipeline_decide(m->pipeline, &decisions, &n);
        if (r < 0)
                return r;
        manager_record(m, decisions, decisions, n);
        m->n_decisions = n;
        manager_carry_out(m, decisions, n);
        manager_tell_impact(m);
        return 0;
}

/* Losing events costs nothing but time: the next look finds the processes. */
void manager_check_lost_events(Manager *m) {
        uint64_t lost = m->events ? events_lost(m->events) : m->events_lost;

        if (lost == m->events_lost)
                return;
        if (m->events_lost == 0)
                journal_note(LOG_NOTICE, MESSAGE_EVENTS_LOST, NULL,
                             "%" PRIu64 " process events did not fit into the ring buffer, looking "
                             "at all processes again; further losses are counted in the status",
                             lost);
        m->events_lost = lost;
        m->rescans++;
        manager_tick_in(m, RESCAN_AFTER);
}

void manager_tick(Manager *m) {
        usec_t cpu = usec_now(CLOCK_PROCESS_CPUTIME_ID);
        int r;

        m->looked_at = usec_now(CLOCK_MONOTONIC);
        r = manager_look_and_act(m);
        if (r < 0) {
                if (r != m->tick_error)
                        journal_log(LOG_ERR, "cannot look at the processes: %s, trying again",
                                    strerror(-r));
        } else {
                m->ticks++;
                bus_emit_ticked(m->bus);
                manager_note_look(m);
        }
        m->tick_error = r;
        manager_save_priors(m, /* at_stop= */ false);
        journal_flush();
        m->tick_cpu = usec_now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}

/* A child of a demoted process is ours from its birth on, so that its own children are, too. */
static void manager_note_fork(Manager *m, const struct aikm_event *event) {
        uint64_t start = event->start_ns / (NSEC_PER_SEC / START_TICKS_PER_SEC);

        if (!pipeline_is_treated(m->pipeline, event->ppid) ||
            !executor_note_fork(m->executor, event->ppid, event->pid, start))
                return;
        manager_record(m, treated, event->pid, start);
        pipeline_note_treated(m->pipeline, event->pid, start);
}

void manager_on_event(const struct aikm_event *event, void *userdata) {
        Manager *m = userdata;

        switch (event->kind) {
        case AIKM_EVENT_EXEC:
                manager_record(m, exec, event->pid);
                pipeline_note_exec(m->pipeline, event->pid);
                break;
        case AIKM_EVENT_FORK:
                manager_note_fork(m, event);
                break;
        default:
                /* An exit shows in the next sample. */
                break;
        }
}

/* The newest ledger entry of an action: what was written first there and what it was. */
static const LedgerEntry *find_entry(const Ledger *l, uint64_t action) {
        for (size_t i = ledger_count(l, /* all= */ true); action > 0 && i-- > 0;) {
                const LedgerEntry *entry = ledger_get(l, i, /* all= */ true);

                if (entry->action == action)
                        return entry;
        }
        return NULL;
}

static void note_failure(const Decision *d, const JournalFields *fields, const Error *e) {
        if (d->unit[0])
                journal_note(LOG_WARNING, MESSAGE_CHANGE_FAILED, fields, "Cannot lower %s: %s",
                             d->unit, e->text[0] ? e->text : "the service manager refused it");
        else if (d->tunable[0])
                journal_note(LOG_WARNING, MESSAGE_CHANGE_FAILED, fields, "Cannot change %s: %s",
                             d->tunable, e->text[0] ? e->text : "the kernel refused it");
        else
                journal_note(LOG_WARNING, MESSAGE_CHANGE_FAILED, fields, "Cannot change %s[%d]: %s",
                             d->comm, d->pid, e->text[0] ? e->text : "the kernel refused it");
}

static void note_demoted(const Decision *d, const JournalFields *f) {
        if (d->victim > 0)
                journal_note(
                        LOG_INFO, MESSAGE_DEMOTED, f,
                        "Demoted %s[%d], %s with probability %s: %s[%d] waits %u ms per second",
                        d->comm, d->pid, f->load_class, f->confidence, d->victim_comm, d->victim,
                        d->victim_delay / 1000);
        else
                journal_note(LOG_INFO, MESSAGE_DEMOTED, f, "Demoted %s[%d], %s with probability %s",
                             d->comm, d->pid, f->load_class, f->confidence);
}

/* The verdicts' sentences speak of what is; here it is why something ended. */
static const char *release_reason(Verdict v) {
        switch (v) {
        case VERDICT_RELEASED:
                return "the reason to demote it has ended";
        case VERDICT_MODE_OBSERVE:
                return "the mode is observe";
        case VERDICT_MODE_ADVISE:
                return "the mode is advise";
        default:
                return verdict_sentence(v);
        }
}

static void note_done(const Decision *d, const JournalFields *f) {
        switch (d->kind) {
        case DECISION_APPLY:
                note_demoted(d, f);
                break;
        case DECISION_RELEASE:
                journal_note(LOG_INFO, MESSAGE_PUT_BACK, f, "Put back %s[%d]: %s", d->comm, d->pid,
                             release_reason(d->verdict));
                break;
        case DECISION_TUNE:
                journal_note(LOG_INFO, MESSAGE_KNOB_CHANGED, f, "Set %s to %s", d->tunable,
                             d->value);
                break;
        case DECISION_UNTUNE:
                journal_note(LOG_INFO, MESSAGE_KNOB_PUT_BACK, f, "Put back %s", d->tunable);
                break;
        case DECISION_ADOPT:
                /* Its parent's demotion was told. */
                break;
        case DECISION_DEMOTE_UNIT:
                journal_note(LOG_INFO, MESSAGE_UNIT_DEMOTED, f,
                             "Lowered %s from \"%s\" to \"%s\" for %s[%d], %s with probability %s: "
                             "%s[%d] waits %u ms per second",
                             d->unit, f->old_value ?: "", f->new_value ?: "", d->comm, d->pid,
                             f->load_class, f->confidence, d->victim_comm, d->victim,
                             d->victim_delay / 1000);
                break;
        case DECISION_RELEASE_UNIT:
                journal_note(LOG_INFO, MESSAGE_UNIT_PUT_BACK, f, "Put back %s: %s", d->unit,
                             release_reason(d->verdict));
                break;
        }
}

void manager_note_decision(Manager *m, const Decision *d, Outcome outcome, uint64_t action,
                           const Error *e) {
        bool knob = d->kind == DECISION_TUNE || d->kind == DECISION_UNTUNE;
        const LedgerEntry *entry = find_entry(m->ledger, action);
        char confidence[16];
        JournalFields f = {
                .pid = d->pid,
                .comm = d->comm,
                .load_class = knob ? NULL : class_to_string(d->load_class),
                .verdict = verdict_to_string(d->verdict),
                .path = entry && !d->unit[0] ? entry->path : NULL,
                .unit = d->unit,
                .old_value = entry ? entry->old_value : NULL,
                .new_value = entry ? entry->new_value : NULL,
                .action = action,
                .victim = d->victim,
                .victim_comm = d->victim_comm,
                .model = m->model->name,
        };

        snprintf(confidence, sizeof(confidence), "%.2f", (double)d->confidence);
        if (!knob)
                f.confidence = confidence;
        switch (outcome) {
        case OUTCOME_DONE:
                note_done(d, &f);
                break;
        case OUTCOME_FOREIGN:
                if (d->unit[0])
                        manager_note_unit_foreign(d->unit);
                else if (knob)
                        journal_note(LOG_NOTICE, MESSAGE_KNOB_HANDS_OFF, &f,
                                     "%s was changed by somebody else: left alone", d->tunable);
                else
                        journal_note(LOG_NOTICE, MESSAGE_HANDS_OFF, &f,
                                     "%s[%d] was changed by somebody else: left alone from now on",
                                     d->comm, d->pid);
                break;
        case OUTCOME_FAILED:
                note_failure(d, &f, e);
                break;
        case OUTCOME_UNANSWERED:
                journal_note(LOG_WARNING, MESSAGE_CHANGE_FAILED, &f,
                             "Whether %s is lowered is not known yet, it is asked for again: %s",
                             d->unit, e->text);
                break;
        default:
                break;
        }
}
