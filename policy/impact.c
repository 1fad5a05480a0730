/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/impact.h"

/* A ratio of waits is worth a probe above this: below it, no return to the mean explains it. */
#define PROBE_RATIO 0.25f
#define PROBE_INTERVALS 3
#define PROBE_BEFORE (10 * USEC_PER_SEC)
#define PROBE_MAX (15 * USEC_PER_SEC)
#define RESUME_MAX (30 * USEC_PER_SEC)
#define AFTER_INTERVALS 5
#define AFTER_MAX (15 * USEC_PER_SEC)
/* Victims wake, and hogs want the CPU, at least this part as much as before; else nothing compares.
 */
#define ALIKE 0.5f
#define CPU_KIND (1U << CONTENTION_CPU)

static const char *const verdict_names[] = {
#define X(id, name, sentence) name,
        IMPACT_VERDICTS(X)
#undef X
};

static const char *const verdict_sentences[] = {
#define X(id, name, sentence) sentence,
        IMPACT_VERDICTS(X)
#undef X
};

static const char *const phase_names[] = {"running", "probing", "resuming", "after", "closed"};

_Static_assert(ELEMENTSOF(phase_names) == _IMPACT_PHASE_COUNT, "a name for each");

const char *impact_verdict_to_string(ImpactVerdict v) {
        return (size_t)v < ELEMENTSOF(verdict_names) ? verdict_names[v] : NULL;
}

const char *impact_verdict_sentence(ImpactVerdict v) {
        return (size_t)v < ELEMENTSOF(verdict_sentences) ? verdict_sentences[v] : NULL;
}

const char *impact_phase_to_string(ImpactPhase p) {
        return (size_t)p < ELEMENTSOF(phase_names) ? phase_names[p] : NULL;
}

void impact_done(Impact *m) {
        for (size_t i = 0; i < IMPACT_EPISODES_MAX; i++)
                free(m->episodes[i]);
        *m = (Impact){};
}

static ImpactEpisode *find(const Impact *m, uint32_t id) {
        ImpactEpisode *e = id > 0 ? m->episodes[id % IMPACT_EPISODES_MAX] : NULL;

        return e && e->id == id ? e : NULL;
}

const ImpactEpisode *impact_find(const Impact *m, uint32_t id) {
        return find(m, id);
}

/* ---- what the demoted do ---- */

static double share(double sum, double seconds) {
        return seconds > 0 ? sum / seconds : 0;
}

float impact_line_cpu(const ImpactLine *l) {
        return (float)share(l->cpu, l->seconds);
}

float impact_line_io(const ImpactLine *l) {
        return (float)share(l->io, l->seconds);
}

float impact_line_lost(const ImpactLine *l) {
        float before = l->cpu_before > 0.001f ? l->cpu_before : l->io_before;
        float now = l->cpu_before > 0.001f ? impact_line_cpu(l) : impact_line_io(l);

        if (!l->has_before || before <= 0 || l->seconds <= 0)
                return -1;
        return CLAMP(1 - now / before, 0.0f, 1.0f);
}

void impact_observe_begin(Impact *m, usec_t at, usec_t dt, usec_t slice) {
        m->at = at;
        m->dt = dt;
        m->least = slice / 2;
        for (size_t i = 0; i < IMPACT_EPISODES_MAX; i++) {
                ImpactEpisode *e = m->episodes[i];

                for (size_t k = 0; e && e->phase != IMPACT_CLOSED && k < e->n_lines; k++)
                        e->lines[k].fed = false;
        }
}

void impact_add_progress(Impact *m, uint32_t episode, uint32_t line, const Load *load) {
        ImpactEpisode *e = find(m, episode);
        double seconds = (double)m->dt * 1e-6;
        ImpactLine *l;

        if (!e || line >= e->n_lines)
                return;
        l = e->lines + line;
        /* While a probe lasts its progress is not that of something demoted. */
        if (e->phase == IMPACT_PROBING || e->phase == IMPACT_RESUMING) {
                l->fed = true;
                return;
        }
        if (!l->fed)
                l->seconds += seconds;
        l->fed = true;
        if (!load->measured)
                return;
        l->cpu += (double)load->cpu * seconds;
        l->demand += ((double)load->cpu + (double)load->delay) * seconds;
        l->io += (double)load->io_bytes * seconds;
}

static bool is_fed(const ImpactEpisode *e) {
        for (size_t i = 0; i < e->n_lines; i++)
                if (e->lines[i].fed)
                        return true;
        return false;
}

/* Whether the hogs want the CPU about as much as before: else waiting fell for want of them. */
static bool hogs_want(const ImpactEpisode *e) {
        double before = 0, now = 0;

        for (size_t i = 0; i < e->n_lines; i++) {
                const ImpactLine *l = e->lines + i;

                if (!l->has_before || l->seconds <= 0)
                        continue;
                before += (double)l->demand_before;
                now += share(l->demand, l->seconds);
        }
        return now >= before * (double)ALIKE;
}

/* ---- what the victims have of it ---- */

static bool is_enough(const WaitingFigures *f, uint32_t intervals, const ImpactSettings *s) {
        return f->intervals >= intervals && f->wakeups >= s->wakeups;
}

/* Not at rest as compared to before: the median of the control groups' ratios. */
static bool find_control(ImpactEpisode *e, const Waiting *w, const ImpactSettings *s, usec_t to,
                         float *ret) {
        float ratios[IMPACT_CONTROLS_MAX] = {};
        size_t n = 0;

        for (size_t i = 0; i < e->n_controls; i++) {
                const ImpactControl *c = e->controls + i;
                WaitingFigures now;

                waiting_figures(waiting_find(w, c->kind, c->id), e->since, to, &now);
                if (is_enough(&now, s->intervals, s))
                        ratios[n++] = now.delay_per_wakeup / c->before.delay_per_wakeup;
        }
        if (n == 0)
                return false;
        *ret = MAX(waiting_median(ratios, n), 0.01f);
        return true;
}

static bool is_wait(const Impact *m, const WaitingFigures *f) {
        return f->delay_per_wakeup >= (float)m->least;
}

static ImpactVerdict judge(const Impact *m, const ImpactEpisode *e, const ImpactSettings *s) {
        uint32_t n = e->during.intervals;

        if (e->ratio <= 1 - s->effect)
                return n >= s->intervals ? IMPACT_HELPED : IMPACT_MEASURING;
        if (n < s->intervals * 2)
                return IMPACT_MEASURING;
        if (!e->has_control && !(is_wait(m, &e->before) && is_wait(m, &e->during)))
                return IMPACT_MEASURING;
        return e->ratio >= 1 / (1 - s->effect) ? IMPACT_HARMED : IMPACT_NO_EFFECT;
}

/* What is known at `to`. */
static ImpactVerdict evaluate(const Impact *m, ImpactEpisode *e, const Waiting *w,
                              const ImpactSettings *s, usec_t to) {
        float control = 1;

        waiting_figures(waiting_find(w, e->victim_kind, e->victim_id), e->since, to, &e->during);
        if (!(e->kinds & CPU_KIND) || !is_enough(&e->before, 1, s) ||
            e->before.delay_per_wakeup <= 0 || !is_enough(&e->during, s->intervals, s))
                return IMPACT_MEASURING;
        e->has_control = find_control(e, w, s, to, &control);
        e->control = e->has_control ? control : 0;
        e->ratio = e->during.delay_per_wakeup / e->before.delay_per_wakeup / control;
        if (e->during.wakeup_rate < e->before.wakeup_rate * ALIKE || !hogs_want(e))
                return IMPACT_MEASURING;
        return judge(m, e, s);
}

static void set_verdict(Impact *m, ImpactEpisode *e, ImpactVerdict v, const ImpactSettings *s) {
        e->verdict = v;
        e->judged = m->at;
        e->n_judged = ++m->n_judged;
        e->proven |= v == IMPACT_HELPED && e->has_control;
        e->undo = s->undo && (v == IMPACT_NO_EFFECT || v == IMPACT_HARMED);
}

/* ---- phases ---- */

static void end(Impact *m, ImpactEpisode *e, const Waiting *w, const ImpactSettings *s) {
        /* It was put back at the end of the last tick. */
        e->ended = m->at - MIN(m->at, m->dt);
        if (e->phase == IMPACT_RUNNING && e->verdict == IMPACT_MEASURING) {
                ImpactVerdict v = evaluate(m, e, w, s, e->ended);

                set_verdict(m, e, v == IMPACT_HELPED ? v : IMPACT_UNKNOWN, s);
        }
        e->undone = e->undo;
        e->undo = false;
        e->phase = IMPACT_AFTER;
}

static bool wants_probe(const Impact *m, const ImpactEpisode *e, const ImpactSettings *s) {
        return s->undo && s->probe > 0 && e->verdict == IMPACT_HELPED && !e->proven && !e->probed &&
               e->ratio > PROBE_RATIO && m->at - e->begun >= s->probe;
}

/* It is compared with how they wait now; where they hardly wake, later. */
static void begin_probe(Impact *m, ImpactEpisode *e, const WaitingSeries *victims,
                        const ImpactSettings *s) {
        WaitingFigures now;

        waiting_figures(victims, m->at - MIN(m->at, PROBE_BEFORE), m->at, &now);
        if (!is_enough(&now, PROBE_INTERVALS, s))
                return;
        e->during = now;
        e->phase = IMPACT_PROBING;
        e->probed = true;
        e->probe_begun = m->at;
}

static void run(Impact *m, ImpactEpisode *e, const Waiting *w, const ImpactSettings *s) {
        const WaitingSeries *victims = waiting_find(w, e->victim_kind, e->victim_id);
        ImpactVerdict v;

        if (!is_fed(e)) {
                end(m, e, w, s);
                return;
        }
        if (victims) {
                e->wakeups += victims->now.wakeups;
                e->delay += victims->now.delay;
        }
        e->seconds += (double)m->dt * 1e-6;
        if (e->verdict == IMPACT_MEASURING) {
                v = evaluate(m, e, w, s, m->at);
                if (v != IMPACT_MEASURING)
                        set_verdict(m, e, v, s);
                return;
        }
        if (wants_probe(m, e, s))
                begin_probe(m, e, victims, s);
}

static bool came_back(const ImpactEpisode *e, const ImpactSettings *s) {
        return e->after.delay_per_wakeup * (1 - s->effect) >= e->during.delay_per_wakeup &&
               e->after.delay_per_wakeup > 0;
}

static void probe(Impact *m, ImpactEpisode *e, const Waiting *w, const ImpactSettings *s) {
        bool enough;

        waiting_figures(waiting_find(w, e->victim_kind, e->victim_id), e->probe_begun, m->at,
                        &e->after);
        enough = is_enough(&e->after, PROBE_INTERVALS, s);
        if (!enough && is_fed(e) && m->at - e->probe_begun < PROBE_MAX)
                return;
        if (enough && is_fed(e) && !came_back(e, s)) {
                set_verdict(m, e, IMPACT_NO_EFFECT, s);
                e->undone = e->undo;
                e->undo = false;
                e->ended = e->probe_begun;
                e->phase = IMPACT_AFTER;
                return;
        }
        e->proven |= enough && is_fed(e);
        e->since = m->at;
        e->phase = IMPACT_RESUMING;
}

static void close_episode(Impact *m, ImpactEpisode *e) {
        e->phase = IMPACT_CLOSED;
        e->closed = m->at;
        e->n_closed = ++m->n_closed;
}

static void look_after(Impact *m, ImpactEpisode *e, const Waiting *w, const ImpactSettings *s) {
        waiting_figures(waiting_find(w, e->victim_kind, e->victim_id), e->ended, m->at, &e->after);
        if (e->after.intervals < AFTER_INTERVALS && m->at - e->ended < AFTER_MAX)
                return;
        if (e->undone && is_enough(&e->after, PROBE_INTERVALS, s) && came_back(e, s)) {
                e->verdict = IMPACT_HELPED;
                e->revised = e->proven = true;
        }
        close_episode(m, e);
}

void impact_observe_close(Impact *m, const Waiting *w, const ImpactSettings *s) {
        if (m->dt == 0)
                return;
        for (uint32_t i = 0; i < MIN(m->last_id, (uint32_t)IMPACT_EPISODES_MAX); i++) {
                ImpactEpisode *e = find(m, m->last_id - i);

                if (!e || e->phase == IMPACT_CLOSED)
                        continue;
                if (e->phase == IMPACT_RUNNING)
                        run(m, e, w, s);
                else if (e->phase == IMPACT_PROBING)
                        probe(m, e, w, s);
                else if (e->phase == IMPACT_RESUMING && m->at - e->since >= RESUME_MAX) {
                        e->ended = e->since;
                        close_episode(m, e);
                }
                if (e->phase == IMPACT_AFTER)
                        look_after(m, e, w, s);
        }
}

/* ---- beginnings ---- */

static bool is_open(const Impact *m, const ImpactEpisode *e) {
        if (e->phase == IMPACT_RESUMING)
                return true;
        return e->phase == IMPACT_RUNNING &&
               (e->verdict == IMPACT_MEASURING || (e->probed && m->at - e->since < RESUME_MAX));
}

/* Of the same victims, not yet judged or just back from a probe. */
static ImpactEpisode *find_open(const Impact *m, uint32_t kind, uint64_t id) {
        for (uint32_t i = 0; i < MIN(m->last_id, (uint32_t)IMPACT_EPISODES_MAX); i++) {
                ImpactEpisode *e = find(m, m->last_id - i);

                if (e && e->victim_kind == kind && e->victim_id == id && is_open(m, e))
                        return e;
        }
        return NULL;
}

/* From when on "before" is: an interval may have begun a little before the contention in it was
 * seen. */
static usec_t before_begins(const Impact *m, const ImpactAction *a, const ImpactSettings *s) {
        usec_t from = m->at - MIN(m->at, s->before);

        if (a->since != USEC_INFINITY)
                from = MAX(from, a->since - MIN(a->since, USEC_PER_SEC / 2));
        return from;
}

/* That helps the same victims already, and their wait has not risen since by what would be judged.
 */
static ImpactEpisode *find_helping(const Impact *m, const Waiting *w, const ImpactAction *a,
                                   const ImpactSettings *s, uint32_t kind, uint64_t id) {
        WaitingFigures now;

        waiting_figures(waiting_find(w, kind, id), before_begins(m, a, s), m->at, &now);
        for (uint32_t i = 0; i < MIN(m->last_id, (uint32_t)IMPACT_EPISODES_MAX); i++) {
                ImpactEpisode *e = find(m, m->last_id - i);

                if (!e || e->victim_kind != kind || e->victim_id != id ||
                    e->phase != IMPACT_RUNNING || e->verdict != IMPACT_HELPED)
                        continue;
                if (!is_wait(m, &now) ||
                    now.delay_per_wakeup * (1 - s->effect) < e->during.delay_per_wakeup)
                        return e;
        }
        return NULL;
}

static bool reaches(const ImpactAction *a) {
        return a->at_root || a->set & (TREAT_ACROSS_GROUPS | TREAT_CPUS);
}

static uint64_t cpus_of(const ProcSample *proc) {
        return (proc->valid & SAMPLE_CPUS) && proc->cpus_allowed ? proc->cpus_allowed : UINT64_MAX;
}

/* Whether what a does to its group changes how those of the series wait. */
static bool is_reached(const ImpactAction *a, const WaitingSeries *s) {
        uint32_t kind;
        uint64_t id;

        waiting_key(a->proc, &kind, &id);
        if (!(s->cpus & cpus_of(a->proc)))
                return false;
        return reaches(a) || kind == UINT32_MAX || s->kind == UINT32_MAX ||
               (s->kind == kind && s->id == id);
}

static void find_controls(ImpactEpisode *e, const Waiting *w, const ImpactAction *a,
                          const ImpactSettings *s, usec_t from, usec_t to) {
        for (size_t i = 0; i < WAITING_SERIES_MAX && e->n_controls < IMPACT_CONTROLS_MAX; i++) {
                const WaitingSeries *series = w->series + i;
                ImpactControl *c = e->controls + e->n_controls;

                if (!series->used || is_reached(a, series) ||
                    (series->kind == e->victim_kind && series->id == e->victim_id))
                        continue;
                *c = (ImpactControl){.kind = series->kind, .id = series->id};
                waiting_figures(series, from, to, &c->before);
                /* It has to wait itself, so that it could wait less. */
                if (is_enough(&c->before, 1, s) &&
                    c->before.delay_per_wakeup * 4 >= e->before.delay_per_wakeup)
                        e->n_controls++;
        }
}

/* Those whom a further action reaches are no control any more. */
static void drop_controls(ImpactEpisode *e, const Waiting *w, const ImpactAction *a) {
        for (size_t i = 0; i < e->n_controls;) {
                const WaitingSeries *s = waiting_find(w, e->controls[i].kind, e->controls[i].id);

                if (!s || is_reached(a, s))
                        e->controls[i] = e->controls[--e->n_controls];
                else
                        i++;
        }
}

static ImpactEpisode *new_episode(Impact *m, Waiting *w, const ImpactAction *a,
                                  const ImpactSettings *s) {
        ImpactEpisode **place = m->episodes + (m->last_id + 1) % IMPACT_EPISODES_MAX, *e;
        usec_t from = before_begins(m, a, s);

        if (!*place)
                *place = calloc(1, sizeof(**place));
        e = *place;
        if (!e)
                return NULL;
        memset(e, 0, sizeof(*e));
        e->id = ++m->last_id;
        e->begun = e->since = m->at;
        e->victim = a->victim->pid;
        memcpy(e->victim_comm, a->victim->comm, sizeof(e->victim_comm));
        waiting_key(a->victim, &e->victim_kind, &e->victim_id);
        waiting_figures(waiting_find(w, e->victim_kind, e->victim_id), from, m->at, &e->before);
        find_controls(e, w, a, s, from, m->at);
        waiting_cut(w);
        return e;
}

static uint32_t find_line(const ImpactEpisode *e, const ProcSample *proc, const char *unit) {
        for (uint32_t i = 0; i < e->n_lines; i++) {
                const ImpactLine *l = e->lines + i;

                if (unit ? streq(l->unit, unit)
                         : !l->unit[0] && l->pid == proc->pid && l->start == proc->start)
                        return i;
        }
        return UINT32_MAX;
}

/* The last line is everybody's. */
static ImpactLine *add_line(ImpactEpisode *e, const ProcSample *proc, const char *unit) {
        ImpactLine *l;

        if (e->n_lines < IMPACT_LINES_MAX)
                e->n_lines++;
        l = e->lines + e->n_lines - 1;
        if (e->n_lines == IMPACT_LINES_MAX) {
                l->n++;
                return l;
        }
        *l = (ImpactLine){.pid = proc->pid, .start = proc->start, .n = 1};
        memcpy(l->comm, proc->comm, sizeof(l->comm));
        if (unit)
                snprintf(l->unit, sizeof(l->unit), "%s", unit);
        return l;
}

uint32_t impact_join(Impact *m, uint32_t episode, const ProcSample *proc) {
        ImpactEpisode *e = find(m, episode);

        return e ? (uint32_t)(add_line(e, proc, NULL) - e->lines) : 0;
}

uint32_t impact_begin(Impact *m, Waiting *w, const ImpactAction *a, const ImpactSettings *s,
                      uint32_t *ret_line) {
        ImpactEpisode *e;
        uint32_t kind, i;
        uint64_t id;
        ImpactLine *l;

        if (!a->victim)
                return 0;
        waiting_key(a->victim, &kind, &id);
        e = find_open(m, kind, id);
        if (!e)
                e = find_helping(m, w, a, s, kind, id);
        if (!e) {
                e = new_episode(m, w, a, s);
                if (!e)
                        return 0;
        } else {
                drop_controls(e, w, a);
                if (e->phase == IMPACT_RESUMING) {
                        e->phase = IMPACT_RUNNING;
                        e->since = m->at;
                }
        }
        e->kinds |= a->kinds;
        e->reaches |= reaches(a);
        e->cpus |= cpus_of(a->proc);
        i = find_line(e, a->proc, a->unit);
        *ret_line = i;
        if (i != UINT32_MAX)
                return e->id;
        l = add_line(e, a->proc, a->unit);
        l->load_class = a->load_class;
        l->confidence = a->confidence;
        if (a->has_before) {
                l->has_before = true;
                l->cpu_before += a->cpu;
                l->demand_before += a->demand;
                l->io_before += a->io_bytes;
        }
        *ret_line = (uint32_t)(l - e->lines);
        return e->id;
}

void impact_note_action(Impact *m, uint32_t episode, uint32_t line, uint64_t action,
                        const char *model) {
        ImpactEpisode *e = find(m, episode);

        if (!e || line >= e->n_lines)
                return;
        /* The rest have many. */
        if (line + 1 < IMPACT_LINES_MAX)
                e->lines[line].action = action;
        snprintf(e->model, sizeof(e->model), "%s", model);
}
