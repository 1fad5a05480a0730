/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The verbs of aikmctl, each in its own file. */

#include "cli/args.h"

extern const Verb verb_spec_status, verb_spec_ps, verb_spec_top, verb_spec_explain,
        verb_spec_policy, verb_spec_mode, verb_spec_ledger, verb_spec_rollback, verb_spec_demo,
        verb_spec_config, verb_spec_priors, verb_spec_model, verb_spec_dataset, verb_spec_impact,
        verb_spec_filter;

/* All verbs that are built in, NULL at the end. */
extern const Verb *const verb_table[];

/* NULL: no such verb. */
const Verb *verb_find(const char *name);

/* The whole program but for main's process-wide set-up. Returns the exit status. */
int verbs_run(Context *c, int argc, char **argv);
