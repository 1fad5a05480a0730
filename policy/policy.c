/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/scope.h"
#include "util/macro.h"

static const char *const mode_names[_MODE_COUNT] = {
        [MODE_OBSERVE] = "observe",
        [MODE_ADVISE] = "advise",
        [MODE_ENFORCE] = "enforce",
};

const char *mode_to_string(Mode m) {
        return (size_t)m < ELEMENTSOF(mode_names) ? mode_names[m] : NULL;
}

int mode_from_string(const char *name) {
        for (int m = 0; m < _MODE_COUNT; m++)
                if (streq(mode_names[m], name))
                        return m;
        return -EINVAL;
}

/*
 * Times are no multiples of the interval, so that a timer that fires a little early does not cost
 * a whole further tick. Waiting 2 % of the time is what people and clients begin to notice while an
 * idle machine stays far below it. The mean of a wait says little of the longest ones: where one
 * request in a hundred waits for 4 ms, most are served at once and the mean is 40 to 180 µs.
 * To take a hog's side against somebody who waits costs more than the other way round, so less is
 * asked of those who are to be protected.
 */
static const Thresholds default_thresholds = {
        .interval = 1 * USEC_PER_SEC,
        .interval_max = 10 * USEC_PER_SEC,
        .confidence = 0.7f,
        .protect_confidence = 0.5f,
        .delay_share = 0.02f,
        .delay_per_slice = 20,
        .busy_share = 0.85f,
        .io_pressure = 0.10f,
        .memory_pressure = 0.10f,
        .hog_share = 0.10f,
        .infer_change = 0.05f,
        .contention_after = 1800 * USEC_PER_MSEC,
        .dwell = 1800 * USEC_PER_MSEC,
        .release_after = 4800 * USEC_PER_MSEC,
        .cool_down = 9800 * USEC_PER_MSEC,
        .changes_per_minute = 120,
        .nice_max = 19,
};

static const ImpactSettings default_impact = {
        .undo = true,
        .effect = 0.2f,
        .intervals = 5,
        .wakeups = 20,
        .before = 10 * USEC_PER_SEC,
        .probe = 300 * USEC_PER_SEC,
        .remember = 600 * USEC_PER_SEC,
        .remember_max = 86400 * USEC_PER_SEC,
        .floor_share = 0.005f,
        .floor_io = 65536,
        .floor_after = 20 * USEC_PER_SEC,
};

int policy_init_default(Policy *p) {
        Treatment cpu = {
                .set = TREAT_NICE | TREAT_SLICE | TREAT_AUTOGROUP | TREAT_UNIT_CPU_WEIGHT |
                       TREAT_CPU_WEIGHT,
                .nice = 19,
                .slice_usec = 20000,
                .autogroup_nice = 19,
                .unit_cpu_weight = 20,
                .cpu_weight = 0, /* idle */
        };
        ScopeEntry *scope = calloc(1, sizeof(*scope));

        if (!scope)
                return -ENOMEM;
        scope->kind = SCOPE_MACHINE;

        *p = (Policy){
                .mode = MODE_OBSERVE,
                .scope = scope,
                .n_scope = 1,
                .treatment =
                        {
                                [CLASS_BATCH] = cpu,
                                [CLASS_MEMORY] = cpu,
                                [CLASS_IO] = {.set = TREAT_IOPRIO,
                                              .ioprio_class = 2,
                                              .ioprio_level = 7},
                        },
                .thresholds = default_thresholds,
                .impact = default_impact,
                .priors = {.enabled = true, .max = 1024, .half_life = 14 * 86400 * USEC_PER_SEC},
                .model = "rules",
        };
        return 0;
}

void policy_done(Policy *p) {
        free(p->scope);
        free(p->rules);
        free(p->tunables);
        free(p->filters);
        *p = POLICY_INIT;
}

/* Sets *ret to a copy of n elements, NULL for none. */
static int copy_array(const void *from, size_t n, size_t size, void **ret) {
        void *copy = NULL;

        if (n > 0) {
                copy = calloc(n, size);
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, from, n * size);
        }
        *ret = copy;
        return 0;
}

int policy_copy(const Policy *from, Policy *ret) {
        _cleanup_free_
        void *scope = NULL, *rules = NULL, *tunables = NULL, *filters = NULL;

        if (copy_array(from->scope, from->n_scope, sizeof(*from->scope), &scope) < 0 ||
            copy_array(from->rules, from->n_rules, sizeof(*from->rules), &rules) < 0 ||
            copy_array(from->tunables, from->n_tunables, sizeof(*from->tunables), &tunables) < 0 ||
            copy_array(from->filters, from->n_filters, sizeof(*from->filters), &filters) < 0)
                return -ENOMEM;

        *ret = *from;
        ret->scope = TAKE_PTR(scope);
        ret->rules = TAKE_PTR(rules);
        ret->tunables = TAKE_PTR(tunables);
        ret->filters = TAKE_PTR(filters);
        return 0;
}

void policy_drop_knobs(Policy *p, uint32_t knobs) {
        for (size_t i = 0; i < ELEMENTSOF(p->treatment); i++)
                p->treatment[i].set &= ~knobs;
        for (size_t i = 0; i < p->n_rules; i++)
                p->rules[i].treatment.set &= ~knobs;
}

static bool glob_matches(const char *pattern, const char *text) {
        return !pattern[0] || (text && text[0] && fnmatch(pattern, text, 0) == 0);
}

static bool rule_matches(const Rule *r, const ProcSample *proc, const Ident *ident) {
        if (r->has_uid && (!(proc->valid & SAMPLE_UID) || proc->uid != r->uid))
                return false;
        if (r->cgroup[0] && !(ident && cgroup_is_below(ident->cgroup, r->cgroup)))
                return false;
        return glob_matches(r->comm, proc->comm) && glob_matches(r->exe, ident ? ident->exe : "") &&
               glob_matches(r->unit, ident ? ident->unit : "");
}

const Rule *policy_match(const Policy *p, const ProcSample *proc, const Ident *ident) {
        for (size_t i = 0; i < p->n_rules; i++)
                if (rule_matches(p->rules + i, proc, ident))
                        return p->rules + i;
        return NULL;
}
