/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Which model was chosen, and before it: plain data, and the JSON that outlives the daemon,
 * {"current": NAME, "history": [NAME …]}, the last one before the current one first. "" is the
 * state before anything was chosen. */

#include "daemon/model-store.h"

typedef struct ModelState {
        char current[MODEL_NAME_MAX];
        char history[MODEL_HISTORY_MAX][MODEL_NAME_MAX];
        size_t n_history;
} ModelState;

/* The current one becomes history, the oldest is forgotten where it is full. */
void model_state_choose(ModelState *s, const char *name);
/* n_history > 0. */
void model_state_rollback(ModelState *s);
/* Out of the history. */
void model_state_forget(ModelState *s, const char *name);

/* Returns 0, or -EINVAL with *e naming path and what is wrong. */
int model_state_parse(const char *text, size_t size, const char *path, ModelState *ret, Error *e);
/* Newly allocated; NULL: out of memory. */
char *model_state_format(const ModelState *s);
