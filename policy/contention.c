/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/contention.h"

/* Run delay is what victims are told by. Where the kernel does not count it, PSI has to do, and
 * then "some task waited for a CPU for a tenth of the time" is what the I/O threshold says too. */
#define CPU_PRESSURE 0.10f
/* Storage traffic below this is logging and the like, not a hog. */
#define HOG_IO_BYTES (1024.0f * 1024.0f)

#define GROUP_UNKNOWN UINT32_MAX
#define IO_FIELDS ((uint32_t)(TREAT_IOPRIO | TREAT_IO_WEIGHT | TREAT_UNIT_IO_WEIGHT))
#define CPU_FIELDS ((uint32_t)(TREAT_WITHIN_GROUP | TREAT_ACROSS_GROUPS | TREAT_CPUS))

static uint64_t counter_delta(uint64_t now, uint64_t prev) {
        return now > prev ? now - prev : 0;
}

void load_compute(const ProcSample *now, const ProcSample *prev, usec_t dt, Load *ret) {
        static const ProcSample unborn = {.valid = SAMPLE_ALL};
        const ProcSample *p = prev ? prev : &unborn;
        uint32_t valid = now->valid & p->valid;
        double wall = (double)dt * 1e-6;

        *ret = (Load){.in_iowait = now->valid & SAMPLE_IOWAIT ? now->in_iowait : 0};
        if (dt == 0)
                return;
        ret->measured = true;
        if (valid & SAMPLE_EXEC)
                ret->cpu = (float)((double)counter_delta(now->exec_ns, p->exec_ns) * 1e-9 / wall);
        if (valid & SAMPLE_DELAY) {
                uint64_t delay = counter_delta(now->delay_ns, p->delay_ns);
                uint64_t slices = counter_delta(now->timeslices, p->timeslices);

                ret->delay_known = true;
                ret->delay = (float)((double)delay * 1e-9 / wall);
                ret->wait = (float)((double)delay * 1e-3 / (double)MAX(slices, UINT64_C(1)));
        }
        if (valid & SAMPLE_SWITCHES)
                ret->voluntary = counter_delta(now->nvcsw, p->nvcsw);
        else if (valid & SAMPLE_DELAY)
                ret->voluntary = counter_delta(now->timeslices, p->timeslices);
        if (valid & SAMPLE_BLOCK)
                ret->io_bytes = (float)((double)(counter_delta(now->read_bytes, p->read_bytes) +
                                                 counter_delta(now->write_bytes, p->write_bytes)) /
                                        wall);
        if (valid & SAMPLE_FAULTS)
                ret->faults = counter_delta(now->min_flt, p->min_flt) +
                              counter_delta(now->maj_flt, p->maj_flt);
}

void contention_done(Contention *c) {
        free(c->groups);
        *c = CONTENTION_INIT;
}

void contention_begin(Contention *c, const Thresholds *thresholds, usec_t at, usec_t dt,
                      uint32_t n_cpus, const float psi_some[_PSI_COUNT]) {
        c->thresholds = thresholds;
        c->at = at;
        c->dt = dt;
        c->n_cpus = MAX(n_cpus, 1U);
        memcpy(c->pressure, psi_some, sizeof(c->pressure));
        c->cpu = 0;
        c->busy = 0;
        c->n_groups = 0;
        for (int k = 0; k < _CONTENTION_COUNT; k++) {
                c->hog[k] = c->user[k] = false;
                c->sufferer[k] = NULL;
                c->sufferer_use[k] = 0;
        }
}

/* An empty or unknown mask means "may be any": CPUs above 63 do not fit the mask. */
static uint64_t cpus_of(const ProcSample *proc) {
        return (proc->valid & SAMPLE_CPUS) && proc->cpus_allowed ? proc->cpus_allowed : UINT64_MAX;
}

static int group_compare(const ContentionGroup *g, uint32_t kind, uint64_t id) {
        if (g->kind != kind)
                return g->kind < kind ? -1 : 1;
        return g->id < id ? -1 : g->id > id;
}

/* The first group that is not before (kind, id). */
static size_t group_position(const Contention *c, uint32_t kind, uint64_t id) {
        size_t lo = 0, hi = c->n_groups;

        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;

                if (group_compare(c->groups + mid, kind, id) < 0)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo;
}

static void group_key(const ProcSample *proc, uint32_t *ret_kind, uint64_t *ret_id) {
        bool known = proc->valid & SAMPLE_GROUP;

        *ret_kind = known ? proc->group_kind : GROUP_UNKNOWN;
        *ret_id = known ? proc->group_id : 0;
}

static GroupPath group_path(const Ident *ident) {
        return ident ? (GroupPath){ident->cgroup, ident->group_length} : (GroupPath){NULL, 0};
}

static GroupPath cgroup_path(const Ident *ident) {
        return ident ? (GroupPath){ident->cgroup, strlen(ident->cgroup)} : (GroupPath){NULL, 0};
}

static int group_get(Contention *c, const ProcSample *proc, const Ident *ident,
                     ContentionGroup **ret) {
        uint32_t kind;
        uint64_t id;
        size_t i;

        group_key(proc, &kind, &id);
        i = group_position(c, kind, id);
        if (i == c->n_groups || group_compare(c->groups + i, kind, id) != 0) {
                if (c->n_groups == c->n_allocated) {
                        size_t n = MAX(c->n_allocated * 2, (size_t)16);
                        ContentionGroup *groups = reallocarray(c->groups, n, sizeof(*c->groups));

                        if (!groups)
                                return -ENOMEM;
                        c->groups = groups;
                        c->n_allocated = n;
                }
                memmove(c->groups + i + 1, c->groups + i, (c->n_groups - i) * sizeof(*c->groups));
                c->groups[i] = (ContentionGroup){.kind = kind, .id = id};
                c->n_groups++;
        }
        *ret = c->groups + i;
        if ((*ret)->path.length == 0)
                (*ret)->path = group_path(ident);
        return 0;
}

/* Ran, and went to sleep by itself: something that runs without a break cannot be said to wait. */
static bool is_active(const Load *load) {
        return load->measured && load->cpu > 0 && load->voluntary > 0;
}

static bool is_waiting(const Contention *c, const Load *load) {
        if (load->delay_known)
                return load->delay >= c->thresholds->delay_share &&
                       load->wait >= (float)c->thresholds->delay_per_slice;
        return c->pressure[PSI_CPU] >= CPU_PRESSURE;
}

static float use_of(const Load *load, ContentionKind kind) {
        if (kind == CONTENTION_IO)
                return load->io_bytes + (float)load->in_iowait;
        return (float)load->faults;
}

static bool wants(const Contention *c, const Load *load, ContentionKind kind) {
        if (!load->measured)
                return false;
        if (kind == CONTENTION_IO)
                return load->io_bytes >= HOG_IO_BYTES || load->in_iowait > 0;
        return load->cpu + load->churn + load->delay >= c->thresholds->hog_share;
}

static void add_sufferer(Contention *c, const ProcSample *proc, const Ident *ident,
                         const Load *load) {
        for (int k = CONTENTION_IO; k < _CONTENTION_COUNT; k++) {
                float use = use_of(load, (ContentionKind)k);

                if (use <= 0)
                        continue;
                c->user[k] = true;
                if (use > c->sufferer_use[k]) {
                        c->sufferer[k] = proc;
                        c->sufferer_use[k] = use;
                        c->sufferer_path[k] = cgroup_path(ident);
                }
        }
}

static int add_protected(Contention *c, const ProcSample *proc, const Ident *ident,
                         const Load *load) {
        ContentionGroup *g;
        int r;

        /* A process that stands in iowait for the whole interval uses no CPU and waits all the
         * same. */
        if (load->measured)
                add_sufferer(c, proc, ident, load);
        if (!is_active(load))
                return 0;
        r = group_get(c, proc, ident, &g);
        if (r < 0)
                return r;
        c->user[CONTENTION_CPU] = true;
        g->active = true;
        g->active_cpus |= cpus_of(proc);
        if (is_waiting(c, load)) {
                g->waiting_cpus |= cpus_of(proc);
                if (!g->victim || load->delay > g->victim_delay) {
                        g->victim = proc;
                        g->victim_delay = load->delay;
                }
        }
        return 0;
}

int contention_add(Contention *c, const ProcSample *proc, const Ident *ident, const Load *load,
                   ContentionRole role, uint32_t fields) {
        c->cpu += load->cpu + load->churn;
        if (role == ROLE_PROTECTED)
                return add_protected(c, proc, ident, load);
        if (role != ROLE_HOG)
                return 0;
        if (fields & CPU_FIELDS) {
                c->hog[CONTENTION_CPU] |= wants(c, load, CONTENTION_CPU);
                c->hog[CONTENTION_MEMORY] |= wants(c, load, CONTENTION_MEMORY);
        }
        if (fields & IO_FIELDS)
                c->hog[CONTENTION_IO] |= wants(c, load, CONTENTION_IO);
        return 0;
}

static bool contention_seen(const Contention *c, ContentionKind kind) {
        const Thresholds *t = c->thresholds;

        if (!c->hog[kind])
                return false;
        switch (kind) {
        case CONTENTION_CPU:
                return c->busy >= t->busy_share && contention_victim(c, NULL);
        case CONTENTION_IO:
                return c->pressure[PSI_IO] >= t->io_pressure && c->user[kind];
        case CONTENTION_MEMORY:
                return c->pressure[PSI_MEMORY] >= t->memory_pressure && c->user[kind];
        case _CONTENTION_COUNT:
                break;
        }
        return false;
}

/*
 * What an interval shows held from its beginning. An episode bridges gaps that are shorter than it
 * must last, for people and clients pause: with short intervals no single one decides.
 */
void contention_close(Contention *c) {
        usec_t after = c->thresholds->contention_after;

        c->busy = c->cpu / (float)c->n_cpus;
        for (int k = 0; k < _CONTENTION_COUNT; k++) {
                bool seen = contention_seen(c, (ContentionKind)k);

                if (c->since[k] != USEC_INFINITY && c->at - MIN(c->at, c->last[k]) > after + c->dt)
                        c->since[k] = USEC_INFINITY;
                if (seen) {
                        c->last[k] = c->at;
                        if (c->since[k] == USEC_INFINITY)
                                c->since[k] = c->at - MIN(c->at, c->dt);
                }
                c->lasting[k] = seen && c->at - MIN(c->at, c->since[k]) >= after;
        }
}

const ProcSample *contention_victim(const Contention *c, float *ret_delay) {
        const ContentionGroup *worst = NULL;

        /* Equal delays: the lower pid, whatever the order of the groups. */
        for (const ContentionGroup *g = c->groups; g < c->groups + c->n_groups; g++)
                if (g->victim && (!worst || g->victim_delay > worst->victim_delay ||
                                  (!(g->victim_delay < worst->victim_delay) &&
                                   g->victim->pid < worst->victim->pid)))
                        worst = g;
        if (!worst)
                return NULL;
        if (ret_delay)
                *ret_delay = worst->victim_delay;
        return worst->victim;
}

static bool same_group(const ContentionGroup *g, const ProcSample *proc) {
        uint32_t kind;
        uint64_t id;

        group_key(proc, &kind, &id);
        /* Not knowing where either is, knobs that work within a group are tried: they do no harm
         * elsewhere. */
        return kind == GROUP_UNKNOWN || g->kind == GROUP_UNKNOWN || group_compare(g, kind, id) == 0;
}

static bool is_at_root(const ProcSample *proc) {
        return (proc->valid & SAMPLE_GROUP) && proc->group_kind == SCHED_GROUP_ROOT;
}

static void meet_cpu(const Contention *c, const ProcSample *proc, const Ident *ident,
                     ContentionMeeting *ret) {
        uint64_t cpus = cpus_of(proc);
        float worst = 0;

        for (const ContentionGroup *g = c->groups; g < c->groups + c->n_groups; g++) {
                bool same = same_group(g, proc);

                ret->group_holds_protected |= same && g->active;
                if (!(g->waiting_cpus & cpus))
                        continue;
                ret->shares_cpus = true;
                if (same)
                        ret->within_group = true;
                else {
                        if (!ret->across_groups || g->victim_delay > worst) {
                                ret->weighed_length = reach_weighed(group_path(ident), g->path);
                                worst = g->victim_delay;
                        }
                        ret->across_groups = true;
                }
                if (!ret->victim || g->victim_delay > ret->victim_delay) {
                        ret->victim = g->victim;
                        ret->victim_delay = g->victim_delay;
                }
        }
}

void contention_meet(const Contention *c, const ProcSample *proc, const Ident *ident,
                     const Load *load, ContentionMeeting *ret) {
        *ret = (ContentionMeeting){.at_root = is_at_root(proc)};
        meet_cpu(c, proc, ident, ret);
        for (int k = 0; k < _CONTENTION_COUNT; k++) {
                ret->contended[k] = c->lasting[k] && wants(c, load, (ContentionKind)k);
                if (!ret->contended[k] || ret->victim)
                        continue;
                ret->victim = c->sufferer[k];
                if (k != CONTENTION_CPU && c->sufferer[k])
                        ret->weighed_length = reach_weighed(cgroup_path(ident),
                                                            c->sufferer_path[k]);
        }
}

/* Whether an active protected process is where the treatment's CPU knobs reach. */
static bool reaches_active(const Contention *c, const ProcSample *proc, const Treatment *t) {
        uint64_t cpus = cpus_of(proc);
        bool anywhere = t->set & (TREAT_CPUS | TREAT_CPU_WEIGHT | TREAT_SCOPE);

        for (const ContentionGroup *g = c->groups; g < c->groups + c->n_groups; g++) {
                bool same = same_group(g, proc);

                if (!g->active)
                        continue;
                /* CPUs that we took away ourselves are no reason to give them back. */
                if (!(t->set & TREAT_CPUS) && !(g->active_cpus & cpus))
                        continue;
                if (anywhere || ((same || is_at_root(proc)) && t->set & TREAT_WITHIN_GROUP) ||
                    (!same && t->set & (TREAT_AUTOGROUP | TREAT_UNIT_CPU_WEIGHT)))
                        return true;
        }
        return false;
}

static bool group_is_active(const Contention *c, const ProcSample *proc) {
        uint32_t kind;
        uint64_t id;
        size_t i;

        group_key(proc, &kind, &id);
        i = group_position(c, kind, id);
        return i < c->n_groups && group_compare(c->groups + i, kind, id) == 0 &&
               c->groups[i].active;
}

bool contention_holds(const Contention *c, const ProcSample *proc, const Load *load, uint32_t kinds,
                      const Treatment *treatment) {
        const Thresholds *t = c->thresholds;

        if (!load->measured)
                return true;
        /* The session's weight is everybody's in it: a protected one there must not pay. */
        if ((treatment->set & TREAT_AUTOGROUP) && group_is_active(c, proc))
                return false;
        if ((kinds & 1U << CONTENTION_CPU) && load->cpu + load->churn + load->delay > 0 &&
            (c->busy >= t->busy_share || load->delay >= t->hog_share / 4) &&
            reaches_active(c, proc, treatment))
                return true;
        if ((kinds & 1U << CONTENTION_IO) && c->user[CONTENTION_IO] &&
            c->pressure[PSI_IO] >= t->io_pressure / 4 && wants(c, load, CONTENTION_IO))
                return true;
        return (kinds & 1U << CONTENTION_MEMORY) && c->user[CONTENTION_MEMORY] &&
               c->pressure[PSI_MEMORY] >= t->memory_pressure / 4 &&
               wants(c, load, CONTENTION_MEMORY);
}
