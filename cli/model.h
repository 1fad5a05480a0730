/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Parts of `aikmctl model`. Each returns an exit status and prints what went wrong. */

#include "cli/args.h"
#include "cli/client.h"

enum ModelOption {
        MODEL_OPTION_FORCE,
        _MODEL_OPTION_COUNT,
};

/* Installs the model whose manifest is path, or the only manifest in the folder path; result: what
 * the daemon answers. */
int model_install(Context *c, const char *path, bool force, json_object **ret, Error *e);

/* Name, macro-F1 and what it was held against, on stdout. */
void model_print_verdict(const json_object *verdict, const char *what);
