/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The last word before anything is changed: given everything known of one process and what policy
 * wants for it, either the treatment, clamped, that may be applied, or the named reason why not.
 * Pure.
 */

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
        /* Contention as this process meets it */
        bool contended; /* some protected process waits for a resource that this one takes */
        bool competes_within_group; /* a victim is in its scheduling group */
        bool competes_across_groups;
        bool group_holds_protected; /* its scheduling group also holds protected processes */
        bool shares_cpus;
} GuardInput;

/*
 * Returns VERDICT_TREATED with *ret_treatment clamped and reduced to the knobs that reach the
 * victims; any other verdict is a refusal and leaves *ret_treatment untouched. Order of the checks
 * is the order of verdict precedence, and documented in guard.c.
 */
Verdict guard_check(const GuardInput *in, Treatment *ret_treatment);
