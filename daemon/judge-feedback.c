/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What became of the judge's decisions. */

#include "daemon/judge-impact.h"
#include "daemon/judge-unit.h"
#include "daemon/judge.h"

static void feedback_apply(Judge *j, Proc *p, const Decision *d, Outcome outcome) {
        static const Verdict verdicts[_OUTCOME_COUNT] = {
                [OUTCOME_NOTHING] = VERDICT_ALREADY_LOW, [OUTCOME_FOREIGN] = VERDICT_HANDS_OFF,
                [OUTCOME_INERT] = VERDICT_INERT,         [OUTCOME_FAILED] = VERDICT_FAILED,
                [OUTCOME_VANISHED] = VERDICT_VANISHED,
        };

        if (outcome == OUTCOME_DONE || outcome == OUTCOME_UNANSWERED) {
                judge_merge_treatment(&p->treatment, &d->treatment);
                if (!p->treated)
                        p->treated_at = p->held_at = j->at;
                p->treated = true;
                judge_set_verdict(j, p, VERDICT_TREATED);
                judge_impact_note_demoted(j, p, d->treatment.set);
                return;
        }
        p->hands_off |= outcome == OUTCOME_FOREIGN;
        /* Without these knobs; others may yet reach the victims. */
        if (outcome == OUTCOME_INERT)
                p->inert |= d->treatment.set;
        else {
                p->blocked = verdicts[outcome];
                p->blocked_until = j->at + j->policy.thresholds.cool_down;
        }
        /* Knobs that were set before stay set, and are put back in due course. */
        if (!p->treated)
                judge_forget_treatment(j, p, verdicts[outcome]);
}

static void feedback_adopt(Judge *j, Proc *p, Outcome outcome) {
        if (outcome == OUTCOME_DONE || outcome == OUTCOME_UNANSWERED)
                return;
        p->hands_off |= outcome == OUTCOME_FOREIGN;
        judge_forget_treatment(j, p,
                               outcome == OUTCOME_FOREIGN    ? VERDICT_HANDS_OFF
                               : outcome == OUTCOME_VANISHED ? VERDICT_VANISHED
                               : outcome == OUTCOME_NOTHING  ? VERDICT_NO_CONTENTION
                                                             : VERDICT_FAILED);
}

static void feedback_release(Judge *j, Proc *p, Outcome outcome) {
        if (outcome == OUTCOME_FOREIGN) {
                p->hands_off = true;
                judge_set_verdict(j, p, VERDICT_HANDS_OFF);
        } else if (outcome == OUTCOME_FAILED) {
                /* Tried again after release_after: kinds of 0 hold nothing. */
                p->treated = true;
                p->held_at = j->at;
                judge_set_verdict(j, p, VERDICT_FAILED);
        }
}

void judge_feedback(Judge *j, const Decision *d, Outcome outcome) {
        Proc *p = proc_table_find(&j->table, d->pid);

        if (d->unit[0]) {
                judge_unit_feedback(j, d, outcome);
                judge_count_treated(j);
                return;
        }
        if (!p || p->sample.start != d->start || (unsigned)outcome >= _OUTCOME_COUNT)
                return;
        if (d->kind == DECISION_APPLY)
                feedback_apply(j, p, d, outcome);
        else if (d->kind == DECISION_ADOPT)
                feedback_adopt(j, p, outcome);
        else if (d->kind == DECISION_RELEASE)
                feedback_release(j, p, outcome);
        judge_count_treated(j);
}
