/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/bus-method.h"
#include "daemon/bus.h"
#include "daemon/owner.h"

#define PUT(what, ...) (r < 0 ? r : (r = bus_append_##what(reply, __VA_ARGS__)))

static const char *const kind_names[_CONTENTION_COUNT] = {"cpu", "io", "memory"};

/* "Before": a{sv} in a variant. */
static int append_figures(sd_bus_message *reply, const char *key, const WaitingFigures *f) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "a{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        PUT(double, "Seconds", f->seconds);
        PUT(u64, "Wakeups", f->wakeups);
        PUT(u32, "Intervals", f->intervals);
        if (f->intervals > 0)
                PUT(double, "DelayPerWakeup", (double)f->delay_per_wakeup);
        if (f->seconds > 0) {
                PUT(double, "Delay", (double)f->delay_share);
                PUT(double, "WakeupRate", (double)f->wakeup_rate);
                PUT(double, "Cpu", (double)f->cpu_share);
        }
        for (int depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(reply);
        return r;
}

/* What a process moves to and from storage the kernel shows to its owner and root alone. */
static bool may_see_io(const Manager *m, uid_t uid, const ImpactLine *l) {
        ProcView view;

        if (uid == 0)
                return true;
        return !l->unit[0] && l->pid > 0 && pipeline_find_proc(m->pipeline, l->pid, &view) == 0 &&
               view.sample.start == l->start && owner_may_inspect(m, uid, &view.sample);
}

static int append_line(sd_bus_message *reply, const Manager *m, uid_t uid, const ImpactLine *l) {
        float lost = impact_line_lost(l);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        PUT(u32, "Processes", l->n);
        if (l->pid > 0) {
                PUT(u32, "Pid", (uint32_t)l->pid);
                PUT(string, "Comm", l->comm);
                PUT(string, "Class", class_to_string(l->load_class));
                PUT(double, "Confidence", (double)l->confidence);
        }
        if (l->unit[0])
                PUT(string, "Unit", l->unit);
        if (l->action > 0)
                PUT(u64, "Action", l->action);
        if (l->has_before)
                PUT(double, "CpuBefore", (double)l->cpu_before);
        if (l->has_before && may_see_io(m, uid, l))
                PUT(double, "IoBefore", (double)l->io_before);
        if (l->seconds > 0) {
                PUT(double, "Seconds", l->seconds);
                PUT(double, "CpuDuring", (double)impact_line_cpu(l));
        }
        if (l->seconds > 0 && may_see_io(m, uid, l))
                PUT(double, "IoDuring", (double)impact_line_io(l));
        if (lost >= 0)
                PUT(double, "Lost", (double)lost);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_lines(sd_bus_message *reply, const Manager *m, uid_t uid,
                        const ImpactEpisode *e) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "Cost");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < e->n_lines; i++)
                r = append_line(reply, m, uid, e->lines + i);
        for (int depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(reply);
        return r;
}

static int append_kinds(sd_bus_message *reply, uint32_t kinds) {
        char text[32] = "";
        size_t n = 0;

        for (int k = 0; k < _CONTENTION_COUNT; k++)
                if (kinds & 1U << k)
                        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? " " : "",
                                              kind_names[k]);
        return bus_append_string(reply, "Kind", text);
}

/* Who waited, and how it was judged. */
static int append_judgement(sd_bus_message *reply, const ImpactEpisode *e) {
        int r;

        r = append_kinds(reply, e->kinds);
        PUT(u32, "Victim", (uint32_t)e->victim);
        PUT(string, "VictimComm", e->victim_comm);
        PUT(string, "Phase", impact_phase_to_string(e->phase));
        PUT(string, "Verdict", impact_verdict_to_string(e->verdict));
        PUT(string, "VerdictSentence", impact_verdict_sentence(e->verdict));
        if (e->ratio > 0)
                PUT(double, "Ratio", (double)e->ratio);
        if (e->has_control)
                PUT(double, "Control", (double)e->control);
        PUT(u32, "Controls", (uint32_t)e->n_controls);
        PUT(bool, "Proven", e->proven);
        PUT(bool, "Probed", e->probed);
        PUT(bool, "Undone", e->undone);
        PUT(bool, "Revised", e->revised);
        return r;
}

static int append_episode(sd_bus_message *reply, const Manager *m, uid_t uid,
                          const ImpactEpisode *e) {
        usec_t now = pipeline_impact(m->pipeline)->at, until = e->ended ?: now;
        /* Samples are timed since boot, and people by the calendar. */
        usec_t boot = usec_now(CLOCK_REALTIME) - usec_now(CLOCK_BOOTTIME);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        PUT(u32, "Id", e->id);
        PUT(u64, "AtUSec", boot + e->begun);
        PUT(u64, "DurationUSec", until > e->begun ? until - e->begun : 0);
        if (r >= 0)
                r = append_judgement(reply, e);
        if (r >= 0)
                r = append_figures(reply, "Before", &e->before);
        if (r >= 0)
                r = append_figures(reply, "During", &e->during);
        if (r >= 0)
                r = append_figures(reply, "After", &e->after);
        PUT(u64, "Wakeups", e->wakeups);
        if (e->seconds > 0)
                PUT(double, "Delay", e->delay / e->seconds);
        if (e->model[0])
                PUT(string, "Model", e->model);
        if (r >= 0)
                r = append_lines(reply, m, uid, e);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_ledger_list_impact(sd_bus_message *request, Manager *m, const Caller *caller,
                           sd_bus_error *error) {
        const Impact *impact = pipeline_impact(m->pipeline);
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        uint32_t id, first;
        int r;

        r = sd_bus_message_read(request, "u", &id);
        if (r < 0)
                return r;
        if (id > 0 && !impact_find(impact, id))
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_ACTION, "episode %u is not kept",
                                         id);
        r = sd_bus_message_new_method_return(request, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        first = impact->last_id - MIN(impact->last_id, (uint32_t)IMPACT_EPISODES_MAX) + 1;
        for (uint32_t i = id ?: first; r >= 0 && i <= (id ?: impact->last_id); i++) {
                const ImpactEpisode *e = impact_find(impact, i);

                if (e)
                        r = append_episode(reply, m, caller->uid, e);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
