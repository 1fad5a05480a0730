/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Broods: processes whose children come and go faster than they are looked at, as those of a build
 * do. What such children used is seen in the parent that waited for them alone; it is weighed as
 * the parent's own, and the parent, though it only waits itself, is judged by what its children
 * are: demoted once, it hands that on by fork. Of several such, one below the other, the topmost
 * stands for all; shells that somebody sits at, and what is protected, never do. Pure.
 */

#include "daemon/judge.h"

/* CPU time of p's children that came and went since the last look, s/s: what it waited for, less
 * what was seen of those while they lived. prev NULL: p began within the interval. dt > 0. */
float brood_churn(const Proc *p, const ProcSample *now, const ProcSample *prev, usec_t dt);

/* Once all are classified and before they are weighed: gathers the broods of this tick, and gives
 * those that are loads their class. */
void judge_broods(Judge *j, usec_t dt);

/* Whether p is a young member of a brood for which the root is demoted, or about to be: it will
 * have ended by then, or is judged for itself. */
bool judge_brood_covers(const Judge *j, const Proc *p);

/* When there was last a reason for the demotion of p that lies in the brood that p inherited it
 * from; 0: none. */
usec_t judge_brood_held(const Judge *j, const Proc *p);
