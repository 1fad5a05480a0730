/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sched.h>

#include "policy/floor.h"

#define CPU_KNOBS ((uint32_t)(TREAT_WITHIN_GROUP | TREAT_ACROSS_GROUPS | TREAT_CPUS))
#define IO_KNOBS ((uint32_t)(TREAT_IOPRIO | TREAT_IO_WEIGHT | TREAT_UNIT_IO_WEIGHT))
/* It has to want a CPU for at least this part of the window to starve. */
#define WANTS_SHARE 0.5
#define FAIR_PART 8
#define LEVEL_FADES (3600 * USEC_PER_SEC)
#define WEIGHT_DEFAULT 100U
/* Of what stands at "idle" the first step up. */
#define WEIGHT_FIRST 10U

void floor_restart(Floor *f) {
        *f = (Floor){.level = f->level, .changed = f->changed};
}

void floor_add(Floor *f, const Load *load, usec_t dt) {
        double seconds = (double)dt * 1e-6;

        if (!load->measured)
                return;
        f->cpu += (double)load->cpu * seconds;
        f->demand += ((double)load->cpu + (double)load->delay) * seconds;
        f->bytes += (double)load->io_bytes * seconds;
        f->io_moved |= load->in_iowait == 0;
}

static bool starves(const Floor *f, const ImpactSettings *s, float fair, uint32_t set) {
        double span = (double)f->span * 1e-6;
        double least = MIN((double)s->floor_share, (double)fair / FAIR_PART) * span;

        if (set & CPU_KNOBS && f->demand >= WANTS_SHARE * span && f->cpu < least)
                return true;
        return set & IO_KNOBS && !f->io_moved && f->bytes < (double)s->floor_io * span;
}

bool floor_close(Floor *f, const ImpactSettings *s, usec_t at, usec_t dt, float fair,
                 uint32_t set) {
        bool result;

        f->span += dt;
        if (f->span < s->floor_after)
                return false;
        result = starves(f, s, fair, set);
        if (result) {
                f->level = MIN(f->level + 1, FLOOR_LEVEL_MAX);
                f->changed = at;
        } else if (f->level > 0 && at - MIN(at, f->changed) >= LEVEL_FADES) {
                f->level--;
                f->changed = at;
        }
        floor_restart(f);
        return result;
}

static void soften_weight(Treatment *t, uint32_t *weight, uint32_t bit) {
        *weight = *weight ? *weight * 2 : WEIGHT_FIRST;
        if (*weight >= WEIGHT_DEFAULT)
                t->set &= ~bit;
}

static void soften_nice(Treatment *t, int8_t *nice, uint32_t bit) {
        *nice = (int8_t)(*nice / 2);
        if (*nice == 0)
                t->set &= ~bit;
}

/* One step. A policy that never runs beside others goes before a nice value does. */
static void soften(Treatment *t) {
        if (t->set & TREAT_SCHED && t->sched == SCHED_IDLE) {
                t->set &= ~(uint32_t)TREAT_SCHED;
                if (!(t->set & TREAT_NICE)) {
                        t->set |= TREAT_NICE;
                        t->nice = 19;
                }
        } else if (t->set & TREAT_NICE)
                soften_nice(t, &t->nice, TREAT_NICE);
        if (t->set & TREAT_AUTOGROUP)
                soften_nice(t, &t->autogroup_nice, TREAT_AUTOGROUP);
        if (t->set & TREAT_IOPRIO && t->ioprio_class == 3) {
                t->ioprio_class = 2;
                t->ioprio_level = 7;
        } else if (t->set & TREAT_IOPRIO)
                t->set &= ~(uint32_t)TREAT_IOPRIO;
        if (t->set & TREAT_CPU_WEIGHT)
                soften_weight(t, &t->cpu_weight, TREAT_CPU_WEIGHT);
        if (t->set & TREAT_IO_WEIGHT)
                soften_weight(t, &t->io_weight, TREAT_IO_WEIGHT);
        if (t->set & TREAT_UNIT_CPU_WEIGHT)
                soften_weight(t, &t->unit_cpu_weight, TREAT_UNIT_CPU_WEIGHT);
        if (t->set & TREAT_UNIT_IO_WEIGHT)
                soften_weight(t, &t->unit_io_weight, TREAT_UNIT_IO_WEIGHT);
}

void floor_soften(Treatment *t, uint8_t level) {
        if (level >= FLOOR_LEVEL_MAX)
                t->set = 0;
        for (uint8_t i = 0; i < level && t->set; i++)
                soften(t);
        /* A slice or a set of CPUs starves nobody while the weight is right; but not without end.
         */
        if (level >= 2)
                t->set &= ~(uint32_t)(TREAT_CPUS | TREAT_SCOPE);
}
