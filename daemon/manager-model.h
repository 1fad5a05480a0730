/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The manager's model: chosen by configuration or, where that leaves it at "default", by what was
 * asked for over the bus, which outlives the daemon. A model is read and tried before it takes the
 * other's place between two ticks, and one that does worse on its own validation rows than the
 * current one does on them is refused.
 */

#include "daemon/manager.h"
#include "daemon/model-store.h"
#include "models/verify.h"

/* By how much the macro-F1 may be lower; less is chance. */
#define MODEL_WORSE 0.005

/* How a model does beside the one that runs, on the rows that came with it. */
typedef struct ModelVerdict {
        char name[MODEL_NAME_MAX];
        char current[MODEL_NAME_MAX];
        ModelScore score; /* n_rows 0: there is nothing to judge by */
        double current_f1;
} ModelVerdict;

/* All return 0 or -errno with *e set: -EINVAL a name that is none, -ENOENT no such model,
 * -EKEYREJECTED it is refused, -EPERM and -EBUSY it is not to be touched, -EPROTO the configuration
 * decides. force: though it does worse, or cannot be judged; never though it does not work. */
int manager_verify_model(const Manager *m, const char *name, ModelVerdict *ret, Error *e);
int manager_use_model(Manager *m, const char *name, bool force, ModelVerdict *ret, Error *e);
int manager_install_model(Manager *m, const ModelFiles *files, bool force, ModelVerdict *ret,
                          Error *e);
/* To the one before: it was fit once, so that only whether it works is asked. */
int manager_rollback_model(Manager *m, ModelVerdict *ret, Error *e);
int manager_remove_model(Manager *m, const char *name, Error *e);

/* Who chose the model that runs: "policy", "use", or "built-in" where nobody did. */
const char *manager_model_chosen_by(const Manager *m);
