/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What training tells while it goes on: for people one line that is written anew on a terminal and
 * a line for each check elsewhere, or for programs a JSON object a line on standard output,
 * {"epoch", "epochs", "batch", "batches", "loss", "macro_f1", "best_macro_f1", "best_batch",
 * "seconds_left", "stopped"}; without validation rows the macro-F1s are left out.
 */

#include "models/darknet/glue.h"
#include "util/time.h"

typedef struct Progress {
        bool json;
        bool terminal;
        usec_t begin;         /* CLOCK_MONOTONIC */
        double epoch_batches; /* batches that draw as many rows as there are to train with */
        GlueProgress last;
} Progress;

void progress_begin(Progress *p, bool json, double epoch_batches);
void progress_report(Progress *p, const GlueProgress *now);
