/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/waiting.h"

#define SLOT_MIN (USEC_PER_SEC / 2)
/* A mean over fewer wake-ups than these is no mean. */
#define SLOT_WAKEUPS_MIN 5
#define GROUP_UNKNOWN UINT32_MAX

void waiting_key(const ProcSample *proc, uint32_t *ret_kind, uint64_t *ret_id) {
        bool known = proc->valid & SAMPLE_GROUP;

        *ret_kind = known ? proc->group_kind : GROUP_UNKNOWN;
        *ret_id = known ? proc->group_id : 0;
}

void waiting_begin(Waiting *w, usec_t at, usec_t dt) {
        w->at = at;
        w->dt = dt;
        for (size_t i = 0; i < WAITING_SERIES_MAX; i++)
                w->series[i].now = (WaitingSlot){.from = at - MIN(at, dt), .to = at};
}

const WaitingSeries *waiting_find(const Waiting *w, uint32_t kind, uint64_t id) {
        for (size_t i = 0; i < WAITING_SERIES_MAX; i++) {
                const WaitingSeries *s = w->series + i;

                if (s->used && s->kind == kind && s->id == id)
                        return s;
        }
        return NULL;
}

/* The group's series, or a free one, or the one that was not seen for longest; NULL: all are in use
 * in this very tick. */
static WaitingSeries *series_get(Waiting *w, uint32_t kind, uint64_t id) {
        WaitingSeries *oldest = NULL;

        for (size_t i = 0; i < WAITING_SERIES_MAX; i++) {
                WaitingSeries *s = w->series + i;

                if (s->used && s->kind == kind && s->id == id)
                        return s;
                if (!oldest || (oldest->used && (!s->used || s->seen < oldest->seen)))
                        oldest = s;
        }
        if (oldest->used && oldest->seen == w->at)
                return NULL;
        *oldest = (WaitingSeries){
                .used = true,
                .kind = kind,
                .id = id,
                .now = {.from = w->at - MIN(w->at, w->dt), .to = w->at},
        };
        return oldest;
}

void waiting_add(Waiting *w, const ProcSample *proc, const Load *load) {
        WaitingSeries *s;
        uint32_t kind;
        uint64_t id;

        if (!load->measured || !load->delay_known || w->dt == 0)
                return;
        waiting_key(proc, &kind, &id);
        s = series_get(w, kind, id);
        if (!s)
                return;
        if (s->seen != w->at)
                s->cpus = 0;
        s->seen = w->at;
        s->cpus |= (proc->valid & SAMPLE_CPUS) && proc->cpus_allowed ? proc->cpus_allowed
                                                                     : UINT64_MAX;
        s->now.delay += (double)load->delay * (double)w->dt * 1e-6;
        s->now.cpu += (double)load->cpu * (double)w->dt * 1e-6;
        s->now.wakeups += load->voluntary;
}

static void series_append(WaitingSeries *s, bool apart) {
        WaitingSlot *last = s->slots + (s->first + s->n - 1) % WAITING_SLOTS_MAX;

        if (s->n > 0 && !apart && last->to == s->now.from && s->now.to - last->from <= SLOT_MIN) {
                last->to = s->now.to;
                last->delay += s->now.delay;
                last->cpu += s->now.cpu;
                last->wakeups += s->now.wakeups;
                return;
        }
        if (s->n == WAITING_SLOTS_MAX) {
                s->first = (s->first + 1) % WAITING_SLOTS_MAX;
                s->n--;
        }
        s->slots[(s->first + s->n++) % WAITING_SLOTS_MAX] = s->now;
}

void waiting_close(Waiting *w) {
        if (w->dt == 0)
                return;
        for (size_t i = 0; i < WAITING_SERIES_MAX; i++)
                if (w->series[i].used)
                        series_append(w->series + i, w->cut);
        w->cut = false;
}

void waiting_cut(Waiting *w) {
        w->cut = true;
}

float waiting_median(float *values, size_t n) {
        for (size_t i = 1; i < n; i++) {
                float v = values[i];
                size_t k = i;

                for (; k > 0 && values[k - 1] > v; k--)
                        values[k] = values[k - 1];
                values[k] = v;
        }
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void waiting_figures(const WaitingSeries *s, usec_t from, usec_t to, WaitingFigures *ret) {
        float means[WAITING_SLOTS_MAX] = {};
        double delay = 0, cpu = 0;

        *ret = (WaitingFigures){};
        for (size_t i = 0; s && i < s->n; i++) {
                const WaitingSlot *slot = s->slots + (s->first + i) % WAITING_SLOTS_MAX;

                if (slot->from < from || slot->to > to)
                        continue;
                ret->seconds += (double)(slot->to - slot->from) * 1e-6;
                ret->wakeups += slot->wakeups;
                delay += slot->delay;
                cpu += slot->cpu;
                if (slot->wakeups >= SLOT_WAKEUPS_MIN)
                        means[ret->intervals++] = (float)(slot->delay * 1e6 /
                                                          (double)slot->wakeups);
        }
        if (ret->intervals > 0)
                ret->delay_per_wakeup = waiting_median(means, ret->intervals);
        if (ret->seconds <= 0)
                return;
        ret->delay_share = (float)(delay / ret->seconds);
        ret->cpu_share = (float)(cpu / ret->seconds);
        ret->wakeup_rate = (float)((double)ret->wakeups / ret->seconds);
}
