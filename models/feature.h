/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the model sees of a process: one row of FEATURE_COUNT floats, declared once in
 * AIKM_FEATURES.
 *
 * Each entry: name, unit, transform, source. The table's text makes the schema hash, which a
 * model's manifest must carry: a model trained on another table is refused. feature_compute() is
 * pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "collectors/sample.h"

/* Below both, and without storage I/O, a process is quiet: in features and in labels. */
#define FEATURE_QUIET_CPU 0.001    /* s/s */
#define FEATURE_QUIET_SWITCHES 1.0 /* voluntary, 1/s */

/* How a raw value becomes a network input. Standardisation comes later, with the manifest's mean
 * and deviation. */
typedef enum FeatureTransform {
        TRANSFORM_NONE,  /* as it is */
        TRANSFORM_LOG1P, /* log(1 + x) for heavy tails, x >= 0 */
        TRANSFORM_FLAG,  /* 0 or 1 */
} FeatureTransform;

/* The table: X(identifier, name, unit, transform, SampleField bits that it needs). */
#include "models/feature-table.h"

typedef enum Feature {
#define X(id, name, unit, transform, needs) FEATURE_##id,
        AIKM_FEATURES(X)
#undef X
                FEATURE_COUNT,
} Feature;

typedef struct FeatureInfo {
        const char *name; /* lower case, as in CSV headers and manifests */
        const char *unit;
        FeatureTransform transform;
        uint32_t needs;
} FeatureInfo;

extern const FeatureInfo feature_table[FEATURE_COUNT];

/* FNV-1a 64 over name, unit, transform of every feature and the class names, in order. */
uint64_t feature_schema_hash(void);

/*
 * Two exponentially weighted histories (time constants 5 s and 30 s) of the raw rates, per process.
 * Zeroed: no history yet; the first interval of which a rate is known seeds both.
 */
typedef struct FeatureHistory {
        uint32_t n_intervals; /* intervals folded in, saturating */
        uint32_t seeded;      /* bit per FEATURE_HISTORY_*: has had its first known interval */
        float fast[FEATURE_HISTORY_COUNT]; /* ~5 s */
        float slow[FEATURE_HISTORY_COUNT]; /* ~30 s */
} FeatureHistory;

/*
 * now, prev: two samples of the same process (same pid and start), prev NULL for a process first
 * seen now (row then holds what one sample shows, and history is left alone). dt: µs between them,
 * > 0. history is advanced by this interval. row: FEATURE_COUNT values after transform, all finite
 * whatever the counters do. Where a source is unknown in either sample its features are 0 and its
 * histories are left alone; levels (RSS, UTIL, IOWAIT, THREADS, HAS_TTY) ask the later sample only.
 * Counters that ran backwards (a dead thread's share) count as no change.
 */
void feature_compute(const ProcSample *now, const ProcSample *prev, FeatureHistory *history,
                     usec_t dt, float *row);

/* Whether nothing the features are made of moved between the two samples: the process slept
 * throughout. False where neither CPU time nor switches are known, or where prev is NULL. A task
 * that is runnable but was never given a CPU looks the same: the kernel books its run delay when it
 * runs. */
bool feature_is_asleep(const ProcSample *now, const ProcSample *prev);
