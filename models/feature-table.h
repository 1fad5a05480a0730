/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The features, one line each; feature.h turns the lines into enum, table and schema hash. Changing
 * any line changes the hash, and every model has to be trained anew.
 */

/*
 * Rates that are kept as histories (fast 5 s, slow 30 s), raw, before any transform.
 * X(identifier): a FEATURE_HISTORY_identifier index.
 */
#define AIKM_FEATURE_HISTORIES(X) \
        X(CPU)                    \
        X(DELAY)                  \
        X(SLICES)                 \
        X(VOLUNTARY)              \
        X(INVOLUNTARY)            \
        X(MIN_FLT)                \
        X(MAJ_FLT)                \
        X(CHARS)                  \
        X(SYSCALLS)               \
        X(BLOCK)                  \
        X(IOWAIT)

enum {
#define X(id) FEATURE_HISTORY_##id,
        AIKM_FEATURE_HISTORIES(X)
#undef X
                FEATURE_HISTORY_COUNT,
};

/* X(identifier, unit, transform, needs): "s/s" is seconds of it per second of wall time. */
#define AIKM_FEATURES(X)                                               \
        /* this interval */                                            \
        X(CPU, "s/s", NONE, SAMPLE_EXEC)                               \
        X(DELAY, "s/s", NONE, SAMPLE_DELAY)                            \
        X(SLICES, "1/s", LOG1P, SAMPLE_DELAY)                          \
        X(BURST, "us", LOG1P, SAMPLE_EXEC | SAMPLE_DELAY)              \
        X(WAIT, "us", LOG1P, SAMPLE_DELAY)                             \
        X(VOLUNTARY, "1/s", LOG1P, SAMPLE_SWITCHES)                    \
        X(INVOLUNTARY, "1/s", LOG1P, SAMPLE_SWITCHES)                  \
        X(VOLUNTARY_BURST, "us", LOG1P, SAMPLE_EXEC | SAMPLE_SWITCHES) \
        X(MIN_FLT, "1/s", LOG1P, SAMPLE_FAULTS)                        \
        X(MAJ_FLT, "1/s", LOG1P, SAMPLE_FAULTS)                        \
        X(RCHAR, "B/s", LOG1P, SAMPLE_CHARS)                           \
        X(WCHAR, "B/s", LOG1P, SAMPLE_CHARS)                           \
        X(SYSCR, "1/s", LOG1P, SAMPLE_CHARS)                           \
        X(SYSCW, "1/s", LOG1P, SAMPLE_CHARS)                           \
        X(BYTES_PER_CALL, "B", LOG1P, SAMPLE_CHARS)                    \
        X(READ, "B/s", LOG1P, SAMPLE_BLOCK)                            \
        X(WRITE, "B/s", LOG1P, SAMPLE_BLOCK)                           \
        X(MIGRATIONS, "1/s", LOG1P, SAMPLE_MIGRATIONS)                 \
        X(RSS, "B", LOG1P, SAMPLE_RSS)                                 \
        X(RSS_GROWTH, "B/s", LOG1P, SAMPLE_RSS)                        \
        X(UTIL, "1", NONE, SAMPLE_UTIL)                                \
        X(IOWAIT, "threads", LOG1P, SAMPLE_IOWAIT)                     \
        /* the change against the fast history */                      \
        X(CPU_CHANGE, "s/s", NONE, SAMPLE_EXEC)                        \
        X(VOLUNTARY_CHANGE, "log ratio", NONE, SAMPLE_SWITCHES)        \
        /* histories */                                                \
        X(CPU_FAST, "s/s", NONE, SAMPLE_EXEC)                          \
        X(CPU_SLOW, "s/s", NONE, SAMPLE_EXEC)                          \
        X(DELAY_FAST, "s/s", NONE, SAMPLE_DELAY)                       \
        X(DELAY_SLOW, "s/s", NONE, SAMPLE_DELAY)                       \
        X(SLICES_FAST, "1/s", LOG1P, SAMPLE_DELAY)                     \
        X(SLICES_SLOW, "1/s", LOG1P, SAMPLE_DELAY)                     \
        X(BURST_FAST, "us", LOG1P, SAMPLE_EXEC | SAMPLE_DELAY)         \
        X(BURST_SLOW, "us", LOG1P, SAMPLE_EXEC | SAMPLE_DELAY)         \
        X(VOLUNTARY_FAST, "1/s", LOG1P, SAMPLE_SWITCHES)               \
        X(VOLUNTARY_SLOW, "1/s", LOG1P, SAMPLE_SWITCHES)               \
        X(INVOLUNTARY_FAST, "1/s", LOG1P, SAMPLE_SWITCHES)             \
        X(FAULTS_FAST, "1/s", LOG1P, SAMPLE_FAULTS)                    \
        X(FAULTS_SLOW, "1/s", LOG1P, SAMPLE_FAULTS)                    \
        X(CHARS_FAST, "B/s", LOG1P, SAMPLE_CHARS)                      \
        X(CHARS_SLOW, "B/s", LOG1P, SAMPLE_CHARS)                      \
        X(SYSCALLS_FAST, "1/s", LOG1P, SAMPLE_CHARS)                   \
        X(BLOCK_FAST, "B/s", LOG1P, SAMPLE_BLOCK)                      \
        X(BLOCK_SLOW, "B/s", LOG1P, SAMPLE_BLOCK)                      \
        X(IOWAIT_FAST, "threads", LOG1P, SAMPLE_IOWAIT)                \
        /* the process */                                              \
        X(THREADS, "threads", LOG1P, 0)                                \
        X(HAS_TTY, "bool", FLAG, SAMPLE_TTY)                           \
        X(AGE, "s", LOG1P, 0)
