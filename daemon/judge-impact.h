/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The judge's part that looks at what demotions did: feeds the accounting in policy/impact, and
 * says what is to be put back because it does not help, for a probe, or because it starves; pure.
 */

#include "daemon/judge.h"

/* Around the judge's look at all processes; dt: µs. */
void judge_impact_begin(Judge *j, usec_t dt);
void judge_impact_add(Judge *j, Proc *p, ContentionRole role);
void judge_impact_close(Judge *j);

/* For guard_check(): by how much softer p is treated, and which knobs did not help lately. */
void judge_impact_fill(Judge *j, Proc *p, GuardInput *in);

/* Whether p's demotion goes on as far as its effect tells: TREATED, or why not. */
Verdict judge_impact_check(Judge *j, Proc *p);

/* p is about to be put back for that reason. */
void judge_impact_note_release(Judge *j, Proc *p, Verdict v);

/* p, not treated: what it was put back for may have come to an end. Returns PROBE while a probe
 * goes on, else TREATED. */
Verdict judge_impact_settle(Judge *j, Proc *p);

/* p was demoted, or counts as such, by the knobs in set. */
void judge_impact_note_demoted(Judge *j, Proc *p, uint32_t set);
/* It inherited its parent's demotion. */
void judge_impact_note_inherited(Judge *j, Proc *p, const Proc *parent);

/* The ledger's number of that, and who predicted. */
void judge_impact_note_action(Judge *j, const Decision *d, uint64_t action, const char *model);

/* The same for units. */
Verdict judge_impact_check_unit(Judge *j, UnitState *u);
/* Returns until when the unit is to be left alone. */
usec_t judge_impact_note_unit_release(Judge *j, UnitState *u, Verdict v);
void judge_impact_settle_unit(Judge *j, UnitState *u);
void judge_impact_note_unit_demoted(Judge *j, UnitState *u, const Decision *d);
