/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/seen-row.h"

#include <math.h>
#include <string.h>

static bool is_fresh(const SeenRow *s, usec_t at) {
        return s->at != 0 && at < s->at + SEEN_ROW_FOR;
}

bool seen_row_rests(const SeenRow *s, bool slept, usec_t at) {
        return slept && is_fresh(s, at);
}

void seen_row_wake(SeenRow *s, const ProcSample *then, FeatureHistory *history) {
        float row[FEATURE_COUNT];

        if (s->rest == 0)
                return;
        feature_compute(then, then, history, s->rest, row);
        s->rest = 0;
}

bool seen_row_stands(const SeenRow *s, const float *row, float change, usec_t at) {
        if (!is_fresh(s, at))
                return false;
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                if (fabsf(row[i] - s->row[i]) > change)
                        return false;
        return true;
}

void seen_row_note(SeenRow *s, const float *row, usec_t at) {
        memcpy(s->row, row, sizeof(s->row));
        s->at = at;
}
