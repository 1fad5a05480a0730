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
        X(IOWAIT)                 \
        X(READ_CHARS)             \
        X(READ_CALLS)             \
        X(READ_BLOCK)             \
        X(CPU_SQUARE)             \
        X(VOLUNTARY_SQUARE)       \
        X(ACTIVE)                 \
        X(SYSTEM)

enum {
#define X(id) FEATURE_HISTORY_##id,
        AIKM_FEATURE_HISTORIES(X)
#undef X
                FEATURE_HISTORY_COUNT,
};

/*
 * X(identifier, name, unit, transform, needs): "s/s" is seconds of it per second of wall time.
 *
 * BURST is CPU time per time slice, WAIT run delay per time slice, VOLUNTARY_BURST CPU time per
 * voluntary switch: how long it works until it waits for something by itself. Ratios of histories
 * divide by at least one event per time constant. VOLUNTARY_SHARE is voluntary per all switches
 * over the fast history, 0 where it did not switch. UTIL is 1 for one CPU.
 *
 * ACTIVE is the share of time in intervals that were not quiet: at least 0.1 % of a CPU, a
 * voluntary switch a second, or storage I/O. *_VARIATION is deviation by mean, at most 6. SYSTEM is
 * CPU time in the kernel per CPU time, IOWAIT_SHARE time in I/O wait per time that it ran or wanted
 * to run or waited so, BLOCK_SHARE storage bytes per all bytes, READ_* what was read per what was
 * read and written: bytes through system calls, calls, storage bytes. A rate per CPU second counts
 * at least 0.1 % of a CPU.
 */
#define AIKM_FEATURES(X)                                                                       \
        /* this interval */                                                                    \
        X(CPU, "cpu", "s/s", NONE, SAMPLE_EXEC)                                                \
        X(DELAY, "delay", "s/s", NONE, SAMPLE_DELAY)                                           \
        X(SLICES, "slices", "1/s", LOG1P, SAMPLE_DELAY)                                        \
        X(BURST, "burst", "us", LOG1P, SAMPLE_EXEC | SAMPLE_DELAY)                             \
        X(WAIT, "wait", "us", LOG1P, SAMPLE_DELAY)                                             \
        X(VOLUNTARY, "voluntary", "1/s", LOG1P, SAMPLE_SWITCHES)                               \
        X(INVOLUNTARY, "involuntary", "1/s", LOG1P, SAMPLE_SWITCHES)                           \
        X(VOLUNTARY_BURST, "voluntary_burst", "us", LOG1P, SAMPLE_EXEC | SAMPLE_SWITCHES)      \
        X(MIN_FLT, "min_flt", "1/s", LOG1P, SAMPLE_FAULTS)                                     \
        X(MAJ_FLT, "maj_flt", "1/s", LOG1P, SAMPLE_FAULTS)                                     \
        X(RCHAR, "rchar", "B/s", LOG1P, SAMPLE_CHARS)                                          \
        X(WCHAR, "wchar", "B/s", LOG1P, SAMPLE_CHARS)                                          \
        X(SYSCR, "syscr", "1/s", LOG1P, SAMPLE_CHARS)                                          \
        X(SYSCW, "syscw", "1/s", LOG1P, SAMPLE_CHARS)                                          \
        X(BYTES_PER_CALL, "bytes_per_call", "B", LOG1P, SAMPLE_CHARS)                          \
        X(READ, "read", "B/s", LOG1P, SAMPLE_BLOCK)                                            \
        X(WRITE, "write", "B/s", LOG1P, SAMPLE_BLOCK)                                          \
        X(MIGRATIONS, "migrations", "1/s", LOG1P, SAMPLE_MIGRATIONS)                           \
        X(RSS, "rss", "B", LOG1P, SAMPLE_RSS)                                                  \
        X(RSS_GROWTH, "rss_growth", "B/s", LOG1P, SAMPLE_RSS)                                  \
        X(UTIL, "util", "1", NONE, SAMPLE_UTIL)                                                \
        X(IOWAIT, "iowait", "threads", LOG1P, SAMPLE_IOWAIT)                                   \
        /* the change against the fast history */                                              \
        X(CPU_CHANGE, "cpu_change", "s/s", NONE, SAMPLE_EXEC)                                  \
        X(VOLUNTARY_CHANGE, "voluntary_change", "log ratio", NONE, SAMPLE_SWITCHES)            \
        /* histories */                                                                        \
        X(CPU_FAST, "cpu_fast", "s/s", NONE, SAMPLE_EXEC)                                      \
        X(CPU_SLOW, "cpu_slow", "s/s", NONE, SAMPLE_EXEC)                                      \
        X(DELAY_FAST, "delay_fast", "s/s", NONE, SAMPLE_DELAY)                                 \
        X(DELAY_SLOW, "delay_slow", "s/s", NONE, SAMPLE_DELAY)                                 \
        X(SLICES_FAST, "slices_fast", "1/s", LOG1P, SAMPLE_DELAY)                              \
        X(SLICES_SLOW, "slices_slow", "1/s", LOG1P, SAMPLE_DELAY)                              \
        X(BURST_FAST, "burst_fast", "us", LOG1P, SAMPLE_EXEC | SAMPLE_DELAY)                   \
        X(BURST_SLOW, "burst_slow", "us", LOG1P, SAMPLE_EXEC | SAMPLE_DELAY)                   \
        X(VOLUNTARY_FAST, "voluntary_fast", "1/s", LOG1P, SAMPLE_SWITCHES)                     \
        X(VOLUNTARY_SLOW, "voluntary_slow", "1/s", LOG1P, SAMPLE_SWITCHES)                     \
        X(INVOLUNTARY_FAST, "involuntary_fast", "1/s", LOG1P, SAMPLE_SWITCHES)                 \
        X(VOLUNTARY_SHARE, "voluntary_share", "1", NONE, SAMPLE_SWITCHES)                      \
        X(VOLUNTARY_BURST_FAST, "voluntary_burst_fast", "us", LOG1P,                           \
          SAMPLE_EXEC | SAMPLE_SWITCHES)                                                       \
        X(VOLUNTARY_BURST_SLOW, "voluntary_burst_slow", "us", LOG1P,                           \
          SAMPLE_EXEC | SAMPLE_SWITCHES)                                                       \
        X(MIN_FLT_FAST, "min_flt_fast", "1/s", LOG1P, SAMPLE_FAULTS)                           \
        X(MIN_FLT_SLOW, "min_flt_slow", "1/s", LOG1P, SAMPLE_FAULTS)                           \
        X(MAJ_FLT_FAST, "maj_flt_fast", "1/s", LOG1P, SAMPLE_FAULTS)                           \
        X(CHARS_FAST, "chars_fast", "B/s", LOG1P, SAMPLE_CHARS)                                \
        X(CHARS_SLOW, "chars_slow", "B/s", LOG1P, SAMPLE_CHARS)                                \
        X(SYSCALLS_FAST, "syscalls_fast", "1/s", LOG1P, SAMPLE_CHARS)                          \
        X(BLOCK_FAST, "block_fast", "B/s", LOG1P, SAMPLE_BLOCK)                                \
        X(BLOCK_SLOW, "block_slow", "B/s", LOG1P, SAMPLE_BLOCK)                                \
        X(IOWAIT_FAST, "iowait_fast", "threads", LOG1P, SAMPLE_IOWAIT)                         \
        X(IOWAIT_SLOW, "iowait_slow", "threads", LOG1P, SAMPLE_IOWAIT)                         \
        /* how evenly it works */                                                              \
        X(ACTIVE_FAST, "active_fast", "1", NONE, SAMPLE_EXEC)                                  \
        X(ACTIVE_SLOW, "active_slow", "1", NONE, SAMPLE_EXEC)                                  \
        X(CPU_VARIATION_FAST, "cpu_variation_fast", "1", NONE, SAMPLE_EXEC)                    \
        X(CPU_VARIATION_SLOW, "cpu_variation_slow", "1", NONE, SAMPLE_EXEC)                    \
        X(VOLUNTARY_VARIATION, "voluntary_variation", "1", NONE, SAMPLE_SWITCHES)              \
        /* what it does with its time, over the fast history where not told otherwise */       \
        X(SYSTEM_FAST, "system_fast", "1", NONE, SAMPLE_EXEC | SAMPLE_SYSTEM)                  \
        X(SYSTEM_SLOW, "system_slow", "1", NONE, SAMPLE_EXEC | SAMPLE_SYSTEM)                  \
        X(IOWAIT_SHARE, "iowait_share", "1", NONE, SAMPLE_EXEC | SAMPLE_DELAY | SAMPLE_IOWAIT) \
        X(FAULTS_PER_CPU, "faults_per_cpu", "1/s", LOG1P, SAMPLE_EXEC | SAMPLE_FAULTS)         \
        X(CALLS_PER_CPU, "calls_per_cpu", "1/s", LOG1P, SAMPLE_EXEC | SAMPLE_CHARS)            \
        X(CHARS_PER_CPU, "chars_per_cpu", "B/s", LOG1P, SAMPLE_EXEC | SAMPLE_CHARS)            \
        X(BLOCK_PER_CPU, "block_per_cpu", "B/s", LOG1P, SAMPLE_EXEC | SAMPLE_BLOCK)            \
        X(CHARS_PER_CALL, "chars_per_call", "B", LOG1P, SAMPLE_CHARS)                          \
        X(CALLS_PER_SWITCH, "calls_per_switch", "1", LOG1P, SAMPLE_SWITCHES | SAMPLE_CHARS)    \
        X(CHARS_PER_SWITCH, "chars_per_switch", "B", LOG1P, SAMPLE_SWITCHES | SAMPLE_CHARS)    \
        X(BLOCK_PER_SWITCH, "block_per_switch", "B", LOG1P, SAMPLE_SWITCHES | SAMPLE_BLOCK)    \
        X(BLOCK_SHARE, "block_share", "1", NONE, SAMPLE_CHARS | SAMPLE_BLOCK)                  \
        X(READ_SHARE, "read_share", "1", NONE, SAMPLE_CHARS)                                   \
        X(READ_CALL_SHARE, "read_call_share", "1", NONE, SAMPLE_CHARS)                         \
        X(READ_BLOCK_SHARE, "read_block_share", "1", NONE, SAMPLE_BLOCK)                       \
        /* the process */                                                                      \
        X(THREADS, "threads", "threads", LOG1P, 0)                                             \
        X(HAS_TTY, "has_tty", "bool", FLAG, SAMPLE_TTY)
