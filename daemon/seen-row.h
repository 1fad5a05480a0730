/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The row of features that the model last saw of a process: while nothing in it has moved, or the
 * process sleeps, the prediction made then stands and nothing is computed. Pure.
 */

#include "models/feature.h"

/* Looked at again after so long, whatever moved. */
#define SEEN_ROW_FOR (5 * USEC_PER_SEC)

typedef struct SeenRow {
        float row[FEATURE_COUNT];
        usec_t at;   /* Sample.at; 0: it saw none yet */
        usec_t rest; /* slept since, and not yet in the history */
} SeenRow;

/* Whether the model's word on it stands without a look at features. slept: for this interval and
 * the one before it. */
bool seen_row_rests(const SeenRow *s, bool slept, usec_t at);

/* Brings the history up to the beginning of the interval that ends now: one long interval without a
 * move. then: the process as it slept. */
void seen_row_wake(SeenRow *s, const ProcSample *then, FeatureHistory *history);

/* Whether no feature moved by more than change, after its transform, since the model saw row. */
bool seen_row_stands(const SeenRow *s, const float *row, float change, usec_t at);

void seen_row_note(SeenRow *s, const float *row, usec_t at);
