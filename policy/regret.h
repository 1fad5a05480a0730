/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What was tried and did not help: not tried again with the same knob on the same program for the
 * sake of the same kind of group, for a time that doubles each time it fails again. An entry ages:
 * when as much time again has passed without a failure, it is forgotten; a success clears it. Pure;
 * a table of fixed size, where the one that ends soonest gives way.
 */

#include "policy/policy.h"

#define REGRET_MAX 128

typedef struct RegretKey {
        const char *name;     /* executable, or a unit's cgroup; where neither is known, the comm */
        uint32_t kinds;       /* bit per ContentionKind */
        uint32_t victim_kind; /* SchedGroupKind of those for whose sake it was */
} RegretKey;

typedef struct RegretEntry {
        char name[256]; /* "": free */
        uint32_t kinds;
        uint32_t victim_kind;
        uint32_t set;   /* TreatmentField bits that did not help */
        uint32_t times; /* that it failed in a row */
        usec_t noted, until;
} RegretEntry;

typedef struct Regret {
        RegretEntry entries[REGRET_MAX];
} Regret;

/* Those knobs did not help. Returns until when they are not tried again. */
usec_t regret_note(Regret *r, const RegretKey *key, uint32_t set, const ImpactSettings *s,
                   usec_t at);

/* TreatmentField bits that are not to be tried now. */
uint32_t regret_blocked(const Regret *r, const RegretKey *key, usec_t at);

/* They helped after all. */
void regret_clear(Regret *r, const RegretKey *key, uint32_t set);

size_t regret_count(const Regret *r, usec_t at);
