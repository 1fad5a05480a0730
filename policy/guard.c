/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sched.h>

#include "policy/guard.h"
#include "util/macro.h"

/*
 * Precedence, first objection wins:
 * 1. what it is: kernel-thread, init, self, vanished (zombie), unknown (scheduling), realtime
 * 2. whether it runs: dormant; then nothing else needs to be found out about it
 * 3. where it is: out-of-scope, exempt, unknown (rules cannot be trusted yet), hands-off
 * 4. what it does: not-a-hog, low-confidence, protected
 * 5. who waits for it: no-contention, disjoint-cpus, mixed-group, other-group, and inert where
 *    only knobs without effect here would reach them
 * 6. what would change: no-help, starving (nothing is left of it), already-low
 * 7. when: dwell, cool-down
 * 8. authority: mode-observe, mode-advise, rate-limit; late, so that "mode-observe" says that all
 *    else spoke for acting
 */

Treatment guard_wanted(const Policy *policy, const Rule *rule, LoadClass load_class) {
        if (class_is_protected(load_class))
                return (Treatment){};
        return rule && rule->has_treatment ? rule->treatment : policy->treatment[load_class];
}

static Verdict check_kind(const GuardInput *in) {
        const ProcSample *p = in->proc;

        if (p->kthread)
                return VERDICT_KERNEL_THREAD;
        if (p->pid == 1)
                return VERDICT_INIT;
        if (in->is_self)
                return VERDICT_SELF;
        if (p->zombie)
                return VERDICT_VANISHED;
        if (!(p->valid & SAMPLE_SCHED))
                return VERDICT_UNKNOWN;
        if (p->has_rt || p->sched_policy == SCHED_FIFO || p->sched_policy == SCHED_RR ||
            p->sched_policy == SCHED_DEADLINE)
                return VERDICT_REALTIME;
        return VERDICT_TREATED;
}

static Verdict check_place(const GuardInput *in) {
        if (!in->in_scope)
                return VERDICT_OUT_OF_SCOPE;
        if (in->rule && in->rule->exempt)
                return VERDICT_EXEMPT;
        return VERDICT_TREATED;
}

static Verdict check_mode(const GuardInput *in) {
        if (in->mode == MODE_ENFORCE)
                return VERDICT_TREATED;
        return in->mode == MODE_ADVISE ? VERDICT_MODE_ADVISE : VERDICT_MODE_OBSERVE;
}

Verdict guard_check_standing(const GuardInput *in) {
        Verdict v = check_kind(in);

        if (v == VERDICT_TREATED)
                v = check_place(in);
        return v == VERDICT_TREATED ? check_mode(in) : v;
}

static Verdict check_class(const GuardInput *in, const Treatment *wanted) {
        const Thresholds *t = &in->policy->thresholds;

        if (!wanted->set && !class_is_protected(in->load_class))
                return VERDICT_NOT_A_HOG;
        /* The comparison is false for NaN, too. */
        if (!(in->confidence >= (wanted->set ? t->confidence : t->protect_confidence)))
                return VERDICT_LOW_CONFIDENCE;
        return wanted->set ? VERDICT_TREATED : VERDICT_PROTECTED;
}

/* The knobs of wanted that reach those who wait. */
static Verdict reduce_to_reach(const GuardInput *in, const Treatment *wanted, uint32_t *ret_set) {
        const ContentionMeeting *m = &in->meeting;
        bool cpu = m->contended[CONTENTION_CPU], memory = m->contended[CONTENTION_MEMORY];
        bool io = m->contended[CONTENTION_IO];
        uint32_t cpu_knobs = wanted->set & (TREAT_WITHIN_GROUP | TREAT_ACROSS_GROUPS | TREAT_CPUS);
        uint32_t io_knobs = wanted->set & (TREAT_IOPRIO | TREAT_IO_WEIGHT | TREAT_UNIT_IO_WEIGHT);
        uint32_t set = 0;
        bool autogroup = (in->proc->valid & SAMPLE_GROUP) &&
                         in->proc->group_kind == SCHED_GROUP_AUTOGROUP;
        /* Groups of ours take processes from the root group of control groups alone. */
        bool rooted = !(in->proc->valid & SAMPLE_GROUP) ||
                      in->proc->group_kind == SCHED_GROUP_ROOT || autogroup;
        bool mixed = m->group_holds_protected || in->group_holds_others;

        if (!((cpu || memory) && cpu_knobs) && !((io || memory) && io_knobs))
                return VERDICT_NO_CONTENTION;

        if (!rooted)
                cpu_knobs &= ~(uint32_t)TREAT_CPU_WEIGHT;
        if (in->unit != VERDICT_TREATED) {
                cpu_knobs &= ~(uint32_t)TREAT_UNIT;
                io_knobs &= ~(uint32_t)TREAT_UNIT;
        }
        if (io || memory)
                set |= io_knobs;
        /* Memory is not divided by scheduling groups: running less is faulting less. */
        if (memory)
                set |= cpu_knobs & (TREAT_WITHIN_GROUP | TREAT_CPU_WEIGHT | TREAT_CPUS);
        if (cpu && m->shares_cpus) {
                set |= cpu_knobs & (TREAT_CPU_WEIGHT | TREAT_CPUS);
                if (m->within_group || (m->across_groups && m->at_root))
                        set |= cpu_knobs & TREAT_WITHIN_GROUP;
                if (m->across_groups && autogroup && !mixed)
                        set |= cpu_knobs & TREAT_AUTOGROUP;
                if (m->across_groups)
                        set |= cpu_knobs & TREAT_UNIT_CPU_WEIGHT;
                /* The last resort, and only by policy: it cannot be taken back. */
                if (!(set & (TREAT_UNIT_CPU_WEIGHT | TREAT_AUTOGROUP)) && !in->in_own_scope)
                        set |= cpu_knobs & TREAT_SCOPE;
        }
        if (set) {
                *ret_set = set;
                return VERDICT_TREATED;
        }
        if (!m->shares_cpus)
                return VERDICT_DISJOINT_CPUS;
        if (autogroup && mixed && (cpu_knobs & TREAT_AUTOGROUP))
                return VERDICT_MIXED_GROUP;
        return in->unit != VERDICT_UNKNOWN && in->unit != VERDICT_TREATED ? in->unit
                                                                          : VERDICT_OTHER_GROUP;
}

static void treatment_clamp(Treatment *t, const Thresholds *limits) {
        int8_t nice_max = CLAMP(limits->nice_max, 0, 19);

        t->nice = CLAMP(t->nice, 0, nice_max);
        t->autogroup_nice = CLAMP(t->autogroup_nice, 0, nice_max);
        t->slice_usec = CLAMP(t->slice_usec, 100U, 100000U);
        t->ioprio_level = MIN(t->ioprio_level, 7);
        t->cpu_weight = MIN(t->cpu_weight, 10000U);
        t->io_weight = CLAMP(t->io_weight, 1U, 10000U);
        t->unit_cpu_weight = MIN(t->unit_cpu_weight, 10000U);
        t->unit_io_weight = CLAMP(t->unit_io_weight, 1U, 10000U);
        if (t->sched != SCHED_BATCH && t->sched != SCHED_IDLE)
                t->set &= ~(uint32_t)TREAT_SCHED;
        /* Best effort and idle: anything else would raise it. */
        if (t->ioprio_class != 2 && t->ioprio_class != 3)
                t->set &= ~(uint32_t)TREAT_IOPRIO;
        if (t->autogroup_nice == 0)
                t->set &= ~(uint32_t)TREAT_AUTOGROUP;
}

/*
 * Drops what would change nothing as far as the sample tells. It shows the leader alone, so with
 * several threads only the executor can say: it plans thread by thread.
 */
static void treatment_drop_idle_knobs(Treatment *t, const ProcSample *p) {
        if (p->n_threads <= 1) {
                if (t->nice <= p->nice)
                        t->set &= ~(uint32_t)TREAT_NICE;
                if (t->sched == p->sched_policy || p->sched_policy == SCHED_IDLE)
                        t->set &= ~(uint32_t)TREAT_SCHED;
        }
        if (p->valid & SAMPLE_CPUS) {
                t->cpus &= p->cpus_allowed;
                if (t->cpus == p->cpus_allowed)
                        t->set &= ~(uint32_t)TREAT_CPUS;
        }
        if (!t->cpus)
                t->set &= ~(uint32_t)TREAT_CPUS;
}

/* The process and its unit may have starved apart from each other. */
static void treatment_soften(Treatment *t, uint8_t softness, uint8_t unit_softness) {
        Treatment unit = *t;

        unit.set &= TREAT_UNIT;
        t->set &= ~(uint32_t)TREAT_UNIT;
        floor_soften(&unit, unit_softness);
        floor_soften(t, softness);
        t->set |= unit.set;
        t->unit_cpu_weight = unit.unit_cpu_weight;
        t->unit_io_weight = unit.unit_io_weight;
}

static Verdict check_time(const GuardInput *in) {
        const Thresholds *t = &in->policy->thresholds;

        if (in->class_age < t->dwell)
                return VERDICT_DWELL;
        return in->since_release < t->cool_down ? VERDICT_COOL_DOWN : VERDICT_TREATED;
}

Verdict guard_check(const GuardInput *in, Treatment *ret_treatment) {
        Treatment wanted = guard_wanted(in->policy, in->rule, in->load_class);
        Verdict v;

        v = check_kind(in);
        if (v == VERDICT_TREATED && in->dormant)
                v = VERDICT_DORMANT;
        if (v == VERDICT_TREATED)
                v = check_place(in);
        if (v == VERDICT_TREATED && !in->ident)
                v = VERDICT_UNKNOWN;
        if (v == VERDICT_TREATED && in->hands_off)
                v = VERDICT_HANDS_OFF;
        if (v == VERDICT_TREATED)
                v = check_class(in, &wanted);
        if (v == VERDICT_TREATED)
                v = reduce_to_reach(in, &wanted, &wanted.set);
        if (v != VERDICT_TREATED)
                return v;

        wanted.set &= ~in->inert;
        if (!wanted.set)
                return VERDICT_INERT;
        wanted.set &= ~in->regretted;
        if (!wanted.set)
                return VERDICT_NO_HELP;
        treatment_soften(&wanted, in->softness, in->unit_softness);
        if (!wanted.set)
                return VERDICT_STARVING;
        treatment_clamp(&wanted, &in->policy->thresholds);
        treatment_drop_idle_knobs(&wanted, in->proc);
        if (!wanted.set)
                return VERDICT_ALREADY_LOW;

        v = check_time(in);
        if (v == VERDICT_TREATED)
                v = check_mode(in);
        if (v == VERDICT_TREATED &&
            in->changes_last_minute >= in->policy->thresholds.changes_per_minute)
                v = VERDICT_RATE_LIMIT;
        if (v == VERDICT_TREATED)
                *ret_treatment = wanted;
        return v;
}
