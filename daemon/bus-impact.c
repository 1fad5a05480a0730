/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Ledger.ListImpact: episodes of waiting, and whether acting helped. */
#include <errno.h>

#include "daemon/bus-method.h"
#include "daemon/bus.h"
#include "daemon/owner.h"

static const char *const kind_names[_CONTENTION_COUNT] = {"cpu", "io", "memory"};

/* "Before": a{sv} in a variant. */
static void append_figures(Reply *reply, const char *key, const WaitingFigures *f) {
        reply_open_array(reply, key, "{sv}");
        reply_put_double(reply, "Seconds", f->seconds);
        reply_put_u64(reply, "Wakeups", f->wakeups);
        reply_put_u32(reply, "Intervals", f->intervals);
        if (f->intervals > 0)
                reply_put_double(reply, "DelayPerWakeup", (double)f->delay_per_wakeup);
        if (f->seconds > 0) {
                reply_put_double(reply, "Delay", (double)f->delay_share);
                reply_put_double(reply, "WakeupRate", (double)f->wakeup_rate);
                reply_put_double(reply, "Cpu", (double)f->cpu_share);
        }
        reply_close_array(reply);
}

/* What a process moves to and from storage the kernel shows to its owner and root alone. */
static bool may_see_io(const Manager *m, uid_t uid, const ImpactLine *l) {
        ProcView view;

        if (uid == 0)
                return true;
        return !l->unit[0] && l->pid > 0 && pipeline_find_proc(m->pipeline, l->pid, &view) == 0 &&
               view.sample.start == l->start && owner_may_inspect(m, uid, &view.sample);
}

static void append_line(Reply *reply, const Manager *m, uid_t uid, const ImpactLine *l) {
        float lost = impact_line_lost(l);

        reply_open_row(reply);
        reply_put_u32(reply, "Processes", l->n);
        if (l->pid > 0) {
                reply_put_u32(reply, "Pid", (uint32_t)l->pid);
                reply_put_string(reply, "Comm", l->comm);
                reply_put_string(reply, "Class", class_to_string(l->load_class));
                reply_put_double(reply, "Confidence", (double)l->confidence);
        }
        if (l->unit[0])
                reply_put_string(reply, "Unit", l->unit);
        if (l->action > 0)
                reply_put_u64(reply, "Action", l->action);
        if (l->has_before)
                reply_put_double(reply, "CpuBefore", (double)l->cpu_before);
        if (l->has_before && may_see_io(m, uid, l))
                reply_put_double(reply, "IoBefore", (double)l->io_before);
        if (l->seconds > 0) {
                reply_put_double(reply, "Seconds", l->seconds);
                reply_put_double(reply, "CpuDuring", (double)impact_line_cpu(l));
        }
        if (l->seconds > 0 && may_see_io(m, uid, l))
                reply_put_double(reply, "IoDuring", (double)impact_line_io(l));
        if (lost >= 0)
                reply_put_double(reply, "Lost", (double)lost);
        reply_close_row(reply);
}

static void append_lines(Reply *reply, const Manager *m, uid_t uid, const ImpactEpisode *e) {
        reply_open_array(reply, "Cost", "a{sv}");
        for (size_t i = 0; i < e->n_lines; i++)
                append_line(reply, m, uid, e->lines + i);
        reply_close_array(reply);
}

static void append_kinds(Reply *reply, uint32_t kinds) {
        char text[32] = "";
        size_t n = 0;

        for (int k = 0; k < _CONTENTION_COUNT; k++)
                if (kinds & 1U << k)
                        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? " " : "",
                                              kind_names[k]);
        reply_put_string(reply, "Kind", text);
}

/* Who waited, and how it was judged. */
static void append_judgement(Reply *reply, const ImpactEpisode *e) {
        append_kinds(reply, e->kinds);
        reply_put_u32(reply, "Victim", (uint32_t)e->victim);
        reply_put_string(reply, "VictimComm", e->victim_comm);
        reply_put_string(reply, "Phase", impact_phase_to_string(e->phase));
        reply_put_string(reply, "Verdict", impact_verdict_to_string(e->verdict));
        reply_put_string(reply, "VerdictSentence", impact_verdict_sentence(e->verdict));
        if (e->ratio > 0)
                reply_put_double(reply, "Ratio", (double)e->ratio);
        if (e->has_control)
                reply_put_double(reply, "Control", (double)e->control);
        reply_put_u32(reply, "Controls", (uint32_t)e->n_controls);
        reply_put_bool(reply, "Proven", e->proven);
        reply_put_bool(reply, "Probed", e->probed);
        reply_put_bool(reply, "Undone", e->undone);
        reply_put_bool(reply, "Revised", e->revised);
}

static void append_episode(Reply *reply, const Manager *m, uid_t uid, const ImpactEpisode *e) {
        usec_t now = pipeline_impact(m->pipeline)->at, until = e->ended ?: now;
        /* Samples are timed since boot, and people by the calendar. */
        usec_t boot = usec_now(CLOCK_REALTIME) - usec_now(CLOCK_BOOTTIME);

        reply_open_row(reply);
        reply_put_u32(reply, "Id", e->id);
        reply_put_u64(reply, "AtUSec", boot + e->begun);
        reply_put_u64(reply, "DurationUSec", until > e->begun ? until - e->begun : 0);
        append_judgement(reply, e);
        append_figures(reply, "Before", &e->before);
        append_figures(reply, "During", &e->during);
        append_figures(reply, "After", &e->after);
        reply_put_u64(reply, "Wakeups", e->wakeups);
        if (e->seconds > 0)
                reply_put_double(reply, "Delay", e->delay / e->seconds);
        if (e->model[0])
                reply_put_string(reply, "Model", e->model);
        append_lines(reply, m, uid, e);
        reply_close_row(reply);
}

int bus_ledger_list_impact(sd_bus_message *request, Manager *m, const Caller *caller,
                           sd_bus_error *error) {
        const Impact *impact = pipeline_impact(m->pipeline);
        _cleanup_(reply_done)
        Reply reply = {};
        uint32_t id, first;
        int r;

        r = sd_bus_message_read(request, "u", &id);
        if (r < 0)
                return r;
        if (id > 0 && !impact_find(impact, id))
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_ACTION, "episode %u is not kept",
                                         id);
        reply = reply_begin(request, "a{sv}");
        first = impact->last_id - MIN(impact->last_id, (uint32_t)IMPACT_EPISODES_MAX) + 1;
        for (uint32_t i = id ?: first; i <= (id ?: impact->last_id); i++) {
                const ImpactEpisode *e = impact_find(impact, i);

                if (e)
                        append_episode(&reply, m, caller->uid, e);
        }
        return reply_send(&reply);
}
