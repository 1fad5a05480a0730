/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The judge's part that deals with systemd units as a whole; pure. */

#include "daemon/judge.h"

/* The unit that is weighed against those whom p keeps waiting; length 0: none. */
GroupPath judge_unit_of(const Proc *p, const ContentionMeeting *m);

/* Whether p's wish to lower that unit may be fulfilled: TREATED, or why not. UNKNOWN: no unit. */
Verdict judge_unit_check(Judge *j, const Proc *p, const ContentionMeeting *m);

/*
 * Lowers it by t's TREAT_UNIT knobs, or counts p as treated where that is done already. Returns the
 * bits that are in force or asked for.
 */
uint32_t judge_unit_demote(Judge *j, Proc *p, const ContentionMeeting *m, const Treatment *t);

/* In a scope to which policy had it moved. */
bool judge_is_in_own_slice(const Proc *p);

/* p goes on having a reason. */
void judge_unit_hold(Judge *j, const Proc *p);

/* After all processes were judged: units are put back whose reason has ended, or where somebody has
 * come to be who may not be touched. */
void judge_units(Judge *j);

void judge_unit_feedback(Judge *j, const Decision *d, Outcome outcome);

/* Somebody else set it, or the administrator rolled it back (path NULL: all). */
void judge_unit_note_foreign(Judge *j, const char *path);
void judge_unit_note_rollback(Judge *j, const char *path);
