/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Tells what demotions bought and cost, when one has ended or is undone. */

#include "daemon/manager.h"

#define COST_SHOWN 3

/* "2100 us" …: the fields' numbers, and a sentence's. */
typedef struct ImpactText {
        char before[24], during[24], cost[256];
} ImpactText;

static void format_cost(const ImpactEpisode *e, char *buffer, size_t size) {
        size_t n = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < MIN(e->n_lines, (size_t)COST_SHOWN); i++) {
                const ImpactLine *l = e->lines + i;
                int k = snprintf(buffer + n, size - n, "%s%s", n > 0 ? ", " : "",
                                 l->unit[0] ? l->unit
                                 : l->pid   ? l->comm
                                            : "others");

                n = MIN(n + (size_t)MAX(k, 0), size - 1);
                if (l->has_before && l->seconds > 0)
                        k = snprintf(buffer + n, size - n, " %.0f %% -> %.0f %% of a CPU",
                                     (double)l->cpu_before * 100, (double)impact_line_cpu(l) * 100);
                else
                        k = 0;
                n = MIN(n + (size_t)MAX(k, 0), size - 1);
        }
        if (e->n_lines > COST_SHOWN)
                snprintf(buffer + n, size - n, ", and %zu more", e->n_lines - COST_SHOWN);
}

static void fill(const ImpactEpisode *e, ImpactText *text, JournalFields *f) {
        *f = (JournalFields){
                .victim = e->victim,
                .victim_comm = e->victim_comm,
                .model = e->model,
                .impact_id = e->id,
                .impact_verdict = impact_verdict_to_string(e->verdict),
                .impact_wakeups = e->wakeups,
                .impact_before = text->before,
                .impact_during = text->during,
                .impact_cost = text->cost,
        };
        text->before[0] = text->during[0] = '\0';
        if (e->before.intervals > 0)
                snprintf(text->before, sizeof(text->before), "%.1f",
                         (double)e->before.delay_per_wakeup);
        if (e->during.intervals > 0)
                snprintf(text->during, sizeof(text->during), "%.1f",
                         (double)e->during.delay_per_wakeup);
        format_cost(e, text->cost, sizeof(text->cost));
}

static void tell_undone(const ImpactEpisode *e) {
        JournalFields f;
        ImpactText text;

        fill(e, &text, &f);
        journal_note(
                LOG_NOTICE, MESSAGE_IMPACT_UNDONE, &f,
                "Demoting did not help %s[%d], which waited %s us per wake-up before and %s us "
                "then: put back, and not tried again for a while",
                e->victim_comm, e->victim, text.before, text.during);
}

static void tell_closed(const ImpactEpisode *e) {
        JournalFields f;
        ImpactText text;

        fill(e, &text, &f);
        if (e->before.intervals > 0 && e->during.intervals > 0)
                journal_note(LOG_INFO, MESSAGE_IMPACT, &f,
                             "%s[%d] waited %s us per wake-up before, %s us while others were "
                             "demoted (%s%s); it cost %s",
                             e->victim_comm, e->victim, text.before, text.during,
                             impact_verdict_to_string(e->verdict),
                             e->revised ? ": the wait came back when it was undone" : "",
                             text.cost);
        else
                journal_note(LOG_INFO, MESSAGE_IMPACT, &f,
                             "Whether it helped %s[%d] that others were demoted is not known: %s; "
                             "it cost %s",
                             e->victim_comm, e->victim, impact_verdict_sentence(e->verdict),
                             text.cost);
}

void manager_tell_impact(Manager *m) {
        const Impact *impact = pipeline_impact(m->pipeline);
        uint32_t n = MIN(impact->last_id, (uint32_t)IMPACT_EPISODES_MAX);

        if (m->impact_judged == impact->n_judged && m->impact_closed == impact->n_closed)
                return;
        for (uint32_t id = impact->last_id - n + 1; id <= impact->last_id; id++) {
                const ImpactEpisode *e = impact_find(impact, id);

                if (!e)
                        continue;
                if (e->n_judged > m->impact_judged && (e->undo || e->undone))
                        tell_undone(e);
                if (e->n_closed > m->impact_closed)
                        tell_closed(e);
        }
        m->impact_judged = impact->n_judged;
        m->impact_closed = impact->n_closed;
}
