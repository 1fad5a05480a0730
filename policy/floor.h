/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * That nothing is starved: what is demoted, rightly or wrongly, and wants to run gets at least a
 * little. Looked at over windows of ImpactSettings.floor_after; where it got less, it is put back
 * for a cool-down and then demoted one step less strongly. Pure.
 *
 * The floor is ImpactSettings.floor_share of a CPU, but never more than an eighth of the share that
 * each would have if all were alike: where a hundred compete for a CPU, one percent is no starving.
 * For storage it is floor_io bytes per second, for a process that is seen in iowait at every look.
 * nice 19 leaves a process one to two percent of a CPU beside one that runs without a break, so it
 * stays above this by itself; SCHED_IDLE, cpu.idle, weight 1 and idle I/O priority do not.
 */

#include "policy/contention.h"
#include "policy/policy.h"

/* From here on nothing is left of any treatment. */
#define FLOOR_LEVEL_MAX 5

typedef struct Floor {
        usec_t span;    /* of this window, so far */
        double cpu;     /* s */
        double demand;  /* CPU time and run delay, s */
        double bytes;   /* of storage */
        bool io_moved;  /* it was seen outside iowait, or made progress */
        uint8_t level;  /* how much softer it is treated; FLOOR_LEVEL_MAX: not at all */
        usec_t changed; /* when level last rose */
} Floor;

/* What one process did in an interval of dt; several where a group is treated as one. */
void floor_add(Floor *f, const Load *load, usec_t dt);

/*
 * After all were added. fair: CPU share that it would have among equals, s/s. set: what it is
 * treated by (TreatmentField bits). Returns whether it starves, once for each window; then level
 * has risen. The level falls again by one for each quiet hour.
 */
bool floor_close(Floor *f, const ImpactSettings *s, usec_t at, usec_t dt, float fair, uint32_t set);

/* A new window: it was demoted or put back. */
void floor_restart(Floor *f);

/* Makes t softer by so many levels; knobs of which nothing is left are dropped. */
void floor_soften(Treatment *t, uint8_t level);
