/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/judge-impact.h"
#include "daemon/judge-unit.h"

/* Progress before a demotion is what it was on average over about so long. */
#define PROGRESS_SPAN (3 * USEC_PER_SEC)

/* ---- the look at all processes ---- */

void judge_impact_begin(Judge *j, usec_t dt) {
        j->dt = dt;
        j->demand = 0;
        waiting_begin(&j->waiting, j->at, dt);
        impact_observe_begin(&j->impact, j->at, dt, j->policy.thresholds.delay_per_slice);
}

static void average(float *mean, float value, float part) {
        *mean += (value - *mean) * part;
}

static void note_progress(Judge *j, Proc *p) {
        Progress *mean = &p->progress;
        float part = mean->known ? (float)j->dt / (float)(j->dt + PROGRESS_SPAN) : 1;

        average(&mean->cpu, p->load.cpu, part);
        average(&mean->demand, p->load.cpu + p->load.delay, part);
        average(&mean->io_bytes, p->load.io_bytes, part);
        mean->known = true;
}

static RegretKey key_of(const Proc *p, uint32_t kinds, uint32_t victim_kind) {
        return (RegretKey){
                .name = p->ident && p->ident->exe[0] ? p->ident->exe : p->sample.comm,
                .kinds = kinds,
                .victim_kind = victim_kind,
        };
}

static void add_treated(Judge *j, Proc *p) {
        const ImpactEpisode *e = impact_find(&j->impact, p->episode);
        RegretKey key;

        floor_add(&p->floor, &p->load, j->dt);
        if (!e)
                return;
        impact_add_progress(&j->impact, p->episode, p->line, &p->load);
        if (e->verdict != IMPACT_HELPED || p->credited)
                return;
        p->credited = true;
        key = key_of(p, p->kinds, e->victim_kind);
        regret_clear(&j->regret, &key, p->treatment.set);
}

static void add_in_unit(Judge *j, Proc *p) {
        UnitState *u = unit_table_find_id(&j->units, p->unit);

        if (!u)
                return;
        floor_add(&u->floor, &p->load, j->dt);
        impact_add_progress(&j->impact, u->episode, u->line, &p->load);
}

void judge_impact_add(Judge *j, Proc *p, ContentionRole role) {
        if (p->load.measured) {
                j->demand += p->load.cpu + p->load.delay;
                if (!p->treated)
                        note_progress(j, p);
        }
        if (role == ROLE_PROTECTED)
                waiting_add(&j->waiting, &p->sample, &p->load);
        if (p->unit)
                add_in_unit(j, p);
        if (p->treated && p->treatment.set & ~(uint32_t)TREAT_UNIT)
                add_treated(j, p);
        /* It would be treated but for the probe. */
        else if (!p->treated && p->past.verdict == VERDICT_PROBE)
                impact_add_progress(&j->impact, p->episode, p->line, &p->load);
}

void judge_impact_close(Judge *j) {
        for (size_t i = 0; i < j->units.n; i++) {
                const UnitState *u = j->units.units + i;

                if (!u->treatment.set && u->blocked == VERDICT_PROBE && j->at < u->blocked_until)
                        impact_add_progress(&j->impact, u->episode, u->line, &(Load){});
        }
        waiting_close(&j->waiting);
        impact_observe_close(&j->impact, &j->waiting, &j->policy.impact);
        j->fair = (float)j->contention.n_cpus / MAX(j->demand, (float)j->contention.n_cpus);
}

/* ---- before it is demoted ---- */

void judge_impact_fill(Judge *j, Proc *p, GuardInput *in) {
        const ContentionMeeting *m = &in->meeting;
        const UnitState *u = unit_table_find(&j->units, judge_unit_of(p, m));
        uint32_t kinds = 0, victim_kind;
        uint64_t victim_id;
        RegretKey key;

        in->softness = p->floor.level;
        in->unit_softness = u ? u->floor.level : 0;
        for (int k = 0; k < _CONTENTION_COUNT; k++)
                if (m->contended[k])
                        kinds |= 1U << k;
        if (!kinds || !m->victim)
                return;
        waiting_key(m->victim, &victim_kind, &victim_id);
        key = key_of(p, kinds, victim_kind);
        in->regretted = regret_blocked(&j->regret, &key, j->at) & ~(uint32_t)TREAT_UNIT;
}

/* ---- while it is demoted ---- */

/* What holds for the whole episode. */
static Verdict check_episode(const Judge *j, uint32_t episode) {
        const ImpactEpisode *e = impact_find(&j->impact, episode);

        if (e && e->undo)
                return VERDICT_NO_HELP;
        return e && e->phase == IMPACT_PROBING ? VERDICT_PROBE : VERDICT_TREATED;
}

Verdict judge_impact_check(Judge *j, Proc *p) {
        uint32_t set = p->treatment.set & ~(uint32_t)TREAT_UNIT;
        Verdict v = set ? check_episode(j, p->episode) : VERDICT_TREATED;
        Proc *carrier;

        if (!set || v != VERDICT_TREATED)
                return v;
        if (floor_close(&p->floor, &j->policy.impact, j->at, j->dt, j->fair, set)) {
                if (!p->through)
                        return VERDICT_STARVING;
                /* What it starves by is another's doing. */
                carrier = proc_table_find(&j->table, p->through);
                if (carrier) {
                        carrier->floor.level = MAX(carrier->floor.level, p->floor.level);
                        carrier->floor.changed = j->at;
                        carrier->starves_others = true;
                }
        }
        return p->starves_others ? VERDICT_STARVING : VERDICT_TREATED;
}

void judge_impact_note_release(Judge *j, Proc *p, Verdict v) {
        const ImpactEpisode *e = impact_find(&j->impact, p->episode);
        RegretKey key;

        p->past = (Past){
                .verdict = v,
                .set = p->treatment.set & ~(uint32_t)TREAT_UNIT,
                .kinds = p->kinds,
        };
        p->starves_others = false;
        if (v != VERDICT_NO_HELP || !e)
                return;
        key = key_of(p, p->past.kinds, e->victim_kind);
        regret_note(&j->regret, &key, p->past.set, &j->policy.impact, j->at);
}

/* ---- after it was put back ---- */

Verdict judge_impact_settle(Judge *j, Proc *p) {
        const ImpactEpisode *e = impact_find(&j->impact, p->episode);
        RegretKey key = key_of(p, p->past.kinds, e ? e->victim_kind : UINT32_MAX);

        if (p->past.verdict == VERDICT_PROBE) {
                if (e && e->phase == IMPACT_PROBING)
                        return VERDICT_PROBE;
                if (e && e->undone) {
                        p->past.verdict = VERDICT_NO_HELP;
                        regret_note(&j->regret, &key, p->past.set, &j->policy.impact, j->at);
                } else {
                        /* Nothing was wrong with it: it need not cool down. */
                        p->past = (Past){};
                        p->released_at = USEC_INFINITY;
                }
        } else if (p->past.verdict == VERDICT_NO_HELP && e && e->revised) {
                regret_clear(&j->regret, &key, p->past.set);
                p->past = (Past){};
        }
        return VERDICT_TREATED;
}

/* ---- beginnings ---- */

/* When the contention began that is the earliest of these. */
static usec_t since_of(const Judge *j, uint32_t kinds) {
        usec_t since = USEC_INFINITY;

        for (int k = 0; k < _CONTENTION_COUNT; k++)
                if (kinds & 1U << k)
                        since = MIN(since, j->contention.since[k]);
        return since;
}

static ImpactAction action_for(const Judge *j, const Proc *p, pid_t victim, uint32_t kinds,
                               uint32_t set) {
        const Proc *waits = proc_table_find(&j->table, victim);

        return (ImpactAction){
                .kinds = kinds,
                .since = since_of(j, kinds),
                .proc = &p->sample,
                .load_class = p->load_class,
                .confidence = p->confidence,
                .set = set,
                .at_root = p->sample.valid & SAMPLE_GROUP &&
                           p->sample.group_kind == SCHED_GROUP_ROOT,
                .victim = waits ? &waits->sample : NULL,
        };
}

void judge_impact_note_demoted(Judge *j, Proc *p, uint32_t set) {
        ImpactAction a = action_for(j, p, p->victim, p->kinds, set);

        a.has_before = p->progress.known;
        a.cpu = p->progress.cpu;
        a.demand = p->progress.demand;
        a.io_bytes = p->progress.io_bytes;
        p->past = (Past){};
        p->credited = p->starves_others = false;
        floor_restart(&p->floor);
        p->episode = impact_begin(&j->impact, &j->waiting, &a, &j->policy.impact, &p->line);
}

void judge_impact_note_inherited(Judge *j, Proc *p, const Proc *parent) {
        p->episode = impact_find(&j->impact, parent->episode) ? parent->episode : 0;
        p->line = impact_join(&j->impact, p->episode, &p->sample);
        p->past = (Past){};
        p->credited = false;
        p->floor = parent->floor;
        floor_restart(&p->floor);
}

/* ---- units ---- */

static RegretKey unit_key(const UnitState *u, const ImpactEpisode *e) {
        return (RegretKey){.name = u->path, .kinds = e->kinds, .victim_kind = e->victim_kind};
}

Verdict judge_impact_check_unit(Judge *j, UnitState *u) {
        const ImpactEpisode *e = impact_find(&j->impact, u->episode);
        Verdict v = check_episode(j, u->episode);
        RegretKey key;

        if (v != VERDICT_TREATED)
                return v;
        if (e && e->verdict == IMPACT_HELPED && !u->credited) {
                u->credited = true;
                key = unit_key(u, e);
                regret_clear(&j->regret, &key, u->treatment.set);
        }
        return floor_close(&u->floor, &j->policy.impact, j->at, j->dt, j->fair, u->treatment.set)
                       ? VERDICT_STARVING
                       : VERDICT_TREATED;
}

usec_t judge_impact_note_unit_release(Judge *j, UnitState *u, Verdict v) {
        const ImpactEpisode *e = impact_find(&j->impact, u->episode);
        usec_t until = j->at + j->policy.thresholds.cool_down;
        RegretKey key;

        /* Ends with the probe. */
        if (v == VERDICT_PROBE)
                return USEC_INFINITY;
        if (v != VERDICT_NO_HELP || !e)
                return until;
        key = unit_key(u, e);
        return MAX(until,
                   regret_note(&j->regret, &key, u->treatment.set, &j->policy.impact, j->at));
}

void judge_impact_settle_unit(Judge *j, UnitState *u) {
        const ImpactEpisode *e = impact_find(&j->impact, u->episode);
        RegretKey key;

        if (j->at >= u->blocked_until)
                return;
        if (u->blocked == VERDICT_PROBE && !(e && e->phase == IMPACT_PROBING)) {
                u->blocked_until = 0;
                if (!e || !e->undone)
                        return;
                key = unit_key(u, e);
                u->blocked = VERDICT_NO_HELP;
                u->blocked_until = regret_note(&j->regret, &key, TREAT_UNIT, &j->policy.impact,
                                               j->at);
        } else if (u->blocked == VERDICT_NO_HELP && e && e->revised) {
                key = unit_key(u, e);
                regret_clear(&j->regret, &key, TREAT_UNIT);
                u->blocked_until = 0;
        }
}

void judge_impact_note_unit_demoted(Judge *j, UnitState *u, const Decision *d) {
        const Proc *hog = proc_table_find(&j->table, d->pid);
        uint32_t kinds = 0;
        ImpactAction a;

        u->episode = 0;
        u->credited = false;
        floor_restart(&u->floor);
        if (!hog)
                return;
        if (d->treatment.set & TREAT_UNIT_CPU_WEIGHT)
                kinds |= 1U << CONTENTION_CPU;
        if (d->treatment.set & TREAT_UNIT_IO_WEIGHT)
                kinds |= 1U << CONTENTION_IO;
        a = action_for(j, hog, d->victim, kinds, d->treatment.set);
        a.unit = u->path;
        for (size_t i = 0; i < j->table.n; i++) {
                const Proc *p = j->table.procs[i];

                if (p->unit != u->id)
                        continue;
                a.has_before |= p->progress.known;
                a.cpu += p->progress.cpu;
                a.demand += p->progress.demand;
                a.io_bytes += p->progress.io_bytes;
        }
        u->episode = impact_begin(&j->impact, &j->waiting, &a, &j->policy.impact, &u->line);
}

/* ---- the books ---- */

void judge_impact_note_action(Judge *j, const Decision *d, uint64_t action, const char *model) {
        const GroupPath path = {d->unit, strlen(d->unit)};
        const UnitState *u = unit_table_find(&j->units, path);
        const Proc *p = d->unit[0] ? NULL : proc_table_find(&j->table, d->pid);

        if (d->kind == DECISION_DEMOTE_UNIT && u)
                impact_note_action(&j->impact, u->episode, u->line, action, model);
        else if (d->kind == DECISION_APPLY && p && p->sample.start == d->start)
                impact_note_action(&j->impact, p->episode, p->line, action, model);
}
