/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The last word before anything is changed: given everything known of one process and what policy
 * wants for it, either the treatment, clamped, that may be applied, or the named reason why not.
 * Pure.
 */

#include "policy/contention.h"
#include "policy/floor.h"
#include "policy/policy.h"
#include "policy/verdict.h"

typedef struct GuardInput {
        const Policy *policy;
        const ProcSample *proc;
        const Ident *ident;   /* NULL: not read yet */
        const Rule *rule;     /* from policy_match(), or NULL */
        LoadClass load_class; /* predicted, or forced by the rule */
        float confidence;
        usec_t class_age;     /* how long it has had this class */
        usec_t since_release; /* USEC_INFINITY: never */
        uint32_t changes_last_minute;
        Mode mode; /* the policy's, or a trial's */
        bool in_scope;
        bool is_self;
        bool hands_off;
        bool dormant;
        uint32_t inert; /* TreatmentField bits of knobs that turned out to have no effect on it */
        /* Its autogroup also holds processes that may not be touched: out of scope, exempt,
         * ourselves. Asked for only where the autogroup's nice is wanted. */
        bool group_holds_others;
        /* Whether the systemd unit that is weighed against those who wait may be lowered: TREATED,
         * or why not. UNKNOWN: there is none, or its weight is not wanted. */
        Verdict unit;
        uint32_t regretted;    /* TreatmentField bits of knobs that did not help lately */
        uint8_t softness;      /* by so many levels it is treated less strongly: Floor.level */
        uint8_t unit_softness; /* and its unit */
        bool in_own_scope;     /* it was moved to where its weight can be set already */
        /* Contention as this process meets it, see contention_meet() */
        ContentionMeeting meeting;
} GuardInput;

/*
 * Returns VERDICT_TREATED with *ret_treatment clamped and reduced to the knobs that reach the
 * victims; any other verdict is a refusal and leaves *ret_treatment untouched. Order of the checks
 * is the order of verdict precedence, and documented in guard.c.
 */
Verdict guard_check(const GuardInput *in, Treatment *ret_treatment);

/*
 * The checks that hold for a process at all times, treated or not: what it is, scope, exemption,
 * mode. VERDICT_TREATED where none objects. A demotion that meets an objection is put back at once.
 */
Verdict guard_check_standing(const GuardInput *in);

/* What policy wants for a process of that class under that rule; .set == 0: nothing. Not clamped.
 */
Treatment guard_wanted(const Policy *policy, const Rule *rule, LoadClass load_class);
