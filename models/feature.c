/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "models/feature.h"

#include "policy/class.h"
#include "util/hash.h"

#define TAU_FAST 5.0 /* s */
#define TAU_SLOW 30.0

/* 1/s, voluntary; its square fits a float. */
#define RATE_MAX 1e15

/* Deviation by mean is cut here. */
#define VARIATION_MAX 6.0

const FeatureInfo feature_table[FEATURE_COUNT] = {
#define X(id, label, what, how, sources) \
        [FEATURE_##id] = {               \
                .name = label, .unit = what, .transform = TRANSFORM_##how, .needs = sources},
        AIKM_FEATURES(X)
#undef X
};

_Static_assert(FEATURE_HISTORY_COUNT <= 32, "FeatureHistory.seeded has a bit for each");

/* Where each history's source is. */
static const uint32_t history_needs[FEATURE_HISTORY_COUNT] = {
        [FEATURE_HISTORY_CPU] = SAMPLE_EXEC,
        [FEATURE_HISTORY_DELAY] = SAMPLE_DELAY,
        [FEATURE_HISTORY_SLICES] = SAMPLE_DELAY,
        [FEATURE_HISTORY_VOLUNTARY] = SAMPLE_SWITCHES,
        [FEATURE_HISTORY_INVOLUNTARY] = SAMPLE_SWITCHES,
        [FEATURE_HISTORY_MIN_FLT] = SAMPLE_FAULTS,
        [FEATURE_HISTORY_MAJ_FLT] = SAMPLE_FAULTS,
        [FEATURE_HISTORY_CHARS] = SAMPLE_CHARS,
        [FEATURE_HISTORY_SYSCALLS] = SAMPLE_CHARS,
        [FEATURE_HISTORY_BLOCK] = SAMPLE_BLOCK,
        [FEATURE_HISTORY_IOWAIT] = SAMPLE_IOWAIT,
        [FEATURE_HISTORY_READ_CHARS] = SAMPLE_CHARS,
        [FEATURE_HISTORY_READ_CALLS] = SAMPLE_CHARS,
        [FEATURE_HISTORY_READ_BLOCK] = SAMPLE_BLOCK,
        [FEATURE_HISTORY_CPU_SQUARE] = SAMPLE_EXEC,
        [FEATURE_HISTORY_VOLUNTARY_SQUARE] = SAMPLE_SWITCHES,
        [FEATURE_HISTORY_ACTIVE] = SAMPLE_EXEC,
        [FEATURE_HISTORY_SYSTEM] = SAMPLE_EXEC | SAMPLE_SYSTEM,
};

static uint64_t hash_string(uint64_t hash, const char *s) {
        return fnv1a64(hash, s, strlen(s) + 1);
}

uint64_t feature_schema_hash(void) {
        static const char *const transforms[] = {
                [TRANSFORM_NONE] = "none",
                [TRANSFORM_LOG1P] = "log1p",
                [TRANSFORM_FLAG] = "flag",
        };
        uint64_t hash = FNV1A64_INIT;

        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                hash = hash_string(hash, feature_table[i].name);
                hash = hash_string(hash, feature_table[i].unit);
                hash = hash_string(hash, transforms[feature_table[i].transform]);
        }
        for (int c = 0; c < _CLASS_COUNT; c++)
                hash = hash_string(hash, class_to_string((LoadClass)c));
        return hash;
}

static double delta(uint64_t now, uint64_t prev) {
        return now > prev ? (double)(now - prev) : 0.0;
}

/* The interval's figures; rates are per second. Doubles, because u64 sums overflow and because a
 * result rounded once to float is the same whichever variant of log1p() or exp() libm picks. */
typedef struct Interval {
        double rate[FEATURE_HISTORY_COUNT];
        double rchar, wchar, syscr, syscw, read, write;
        double migrations, growth;
        double burst, wait, voluntary_burst, bytes_per_call; /* ratios of this interval */
} Interval;

static double ratio(double amount, double events) {
        return amount / MAX(events, 1.0);
}

static void interval_measure(Interval *v, const ProcSample *now, const ProcSample *prev,
                             double seconds) {
        double exec = delta(now->exec_ns, prev->exec_ns);
        double wait = delta(now->delay_ns, prev->delay_ns);
        double slices = delta(now->timeslices, prev->timeslices);
        double voluntary = delta(now->nvcsw, prev->nvcsw);
        double rchar = delta(now->rchar, prev->rchar), wchar = delta(now->wchar, prev->wchar);
        double syscr = delta(now->syscr, prev->syscr), syscw = delta(now->syscw, prev->syscw);
        double read = delta(now->read_bytes, prev->read_bytes);
        double write = delta(now->write_bytes, prev->write_bytes);
        double per = 1.0 / seconds, cpu = exec * 1e-9 * per;
        double switches = MIN(voluntary * per, RATE_MAX);
        bool active = cpu >= FEATURE_QUIET_CPU || voluntary * per >= FEATURE_QUIET_SWITCHES ||
                      read + write > 0;

        *v = (Interval){
                .rate =
                        {
                                [FEATURE_HISTORY_CPU] = cpu,
                                [FEATURE_HISTORY_DELAY] = wait * 1e-9 * per,
                                [FEATURE_HISTORY_SLICES] = slices * per,
                                [FEATURE_HISTORY_VOLUNTARY] = voluntary * per,
                                [FEATURE_HISTORY_INVOLUNTARY] = delta(now->nivcsw, prev->nivcsw) *
                                                                per,
                                [FEATURE_HISTORY_MIN_FLT] = delta(now->min_flt, prev->min_flt) *
                                                            per,
                                [FEATURE_HISTORY_MAJ_FLT] = delta(now->maj_flt, prev->maj_flt) *
                                                            per,
                                [FEATURE_HISTORY_CHARS] = (rchar + wchar) * per,
                                [FEATURE_HISTORY_SYSCALLS] = (syscr + syscw) * per,
                                [FEATURE_HISTORY_BLOCK] = (read + write) * per,
                                [FEATURE_HISTORY_IOWAIT] = now->in_iowait,
                                [FEATURE_HISTORY_READ_CHARS] = rchar * per,
                                [FEATURE_HISTORY_READ_CALLS] = syscr * per,
                                [FEATURE_HISTORY_READ_BLOCK] = read * per,
                                [FEATURE_HISTORY_CPU_SQUARE] = cpu * cpu,
                                [FEATURE_HISTORY_VOLUNTARY_SQUARE] = switches * switches,
                                [FEATURE_HISTORY_ACTIVE] = active,
                                [FEATURE_HISTORY_SYSTEM] = delta(now->system_ns, prev->system_ns) *
                                                           1e-9 * per,
                        },
                .rchar = rchar * per,
                .wchar = wchar * per,
                .syscr = syscr * per,
                .syscw = syscw * per,
                .read = read * per,
                .write = write * per,
                .migrations = delta(now->migrations, prev->migrations) * per,
                .growth = delta(now->rss_bytes, prev->rss_bytes) * per,
                .burst = ratio(exec * 1e-3, slices),
                .wait = ratio(wait * 1e-3, slices),
                .voluntary_burst = ratio(exec * 1e-3, voluntary),
                .bytes_per_call = ratio(rchar + wchar, syscr + syscw),
        };
}

static void history_advance(FeatureHistory *h, const Interval *v, uint32_t known, double seconds) {
        double fast = -expm1(-seconds / TAU_FAST), slow = -expm1(-seconds / TAU_SLOW);

        for (size_t i = 0; i < FEATURE_HISTORY_COUNT; i++) {
                uint32_t bit = UINT32_C(1) << i;

                if ((known & history_needs[i]) != history_needs[i])
                        continue;
                if (!(h->seeded & bit)) {
                        h->seeded |= bit;
                        h->fast[i] = h->slow[i] = (float)v->rate[i];
                        continue;
                }
                h->fast[i] = (float)((double)h->fast[i] + fast * (v->rate[i] - (double)h->fast[i]));
                h->slow[i] = (float)((double)h->slow[i] + slow * (v->rate[i] - (double)h->slow[i]));
        }
        if (h->n_intervals < UINT32_MAX)
                h->n_intervals++;
}

static void fill_interval(double *x, const Interval *v) {
        x[FEATURE_CPU] = v->rate[FEATURE_HISTORY_CPU];
        x[FEATURE_DELAY] = v->rate[FEATURE_HISTORY_DELAY];
        x[FEATURE_SLICES] = v->rate[FEATURE_HISTORY_SLICES];
        x[FEATURE_BURST] = v->burst;
        x[FEATURE_WAIT] = v->wait;
        x[FEATURE_VOLUNTARY] = v->rate[FEATURE_HISTORY_VOLUNTARY];
        x[FEATURE_INVOLUNTARY] = v->rate[FEATURE_HISTORY_INVOLUNTARY];
        x[FEATURE_VOLUNTARY_BURST] = v->voluntary_burst;
        x[FEATURE_MIN_FLT] = v->rate[FEATURE_HISTORY_MIN_FLT];
        x[FEATURE_MAJ_FLT] = v->rate[FEATURE_HISTORY_MAJ_FLT];
        x[FEATURE_RCHAR] = v->rchar;
        x[FEATURE_WCHAR] = v->wchar;
        x[FEATURE_SYSCR] = v->syscr;
        x[FEATURE_SYSCW] = v->syscw;
        x[FEATURE_BYTES_PER_CALL] = v->bytes_per_call;
        x[FEATURE_READ] = v->read;
        x[FEATURE_WRITE] = v->write;
        x[FEATURE_MIGRATIONS] = v->migrations;
        x[FEATURE_RSS_GROWTH] = v->growth;
}

/* Against the fast history as it was before this interval; 0 where there was none. */
static void fill_change(double *x, const Interval *v, const FeatureHistory *h) {
        if (h->seeded & (UINT32_C(1) << FEATURE_HISTORY_CPU))
                x[FEATURE_CPU_CHANGE] = v->rate[FEATURE_HISTORY_CPU] -
                                        (double)h->fast[FEATURE_HISTORY_CPU];
        if (h->seeded & (UINT32_C(1) << FEATURE_HISTORY_VOLUNTARY))
                x[FEATURE_VOLUNTARY_CHANGE] = log1p(v->rate[FEATURE_HISTORY_VOLUNTARY]) -
                                              log1p((double)h->fast[FEATURE_HISTORY_VOLUNTARY]);
}

static double history_ratio(const float *h, int amount, int events, double tau) {
        return (double)h[amount] * 1e6 / MAX((double)h[events], 1.0 / tau);
}

static void fill_history(double *x, const FeatureHistory *h) {
        const float *fast = h->fast, *slow = h->slow;
        double voluntary = (double)fast[FEATURE_HISTORY_VOLUNTARY];
        double switches = voluntary + (double)fast[FEATURE_HISTORY_INVOLUNTARY];

        x[FEATURE_CPU_FAST] = (double)fast[FEATURE_HISTORY_CPU];
        x[FEATURE_CPU_SLOW] = (double)slow[FEATURE_HISTORY_CPU];
        x[FEATURE_DELAY_FAST] = (double)fast[FEATURE_HISTORY_DELAY];
        x[FEATURE_DELAY_SLOW] = (double)slow[FEATURE_HISTORY_DELAY];
        x[FEATURE_SLICES_FAST] = (double)fast[FEATURE_HISTORY_SLICES];
        x[FEATURE_SLICES_SLOW] = (double)slow[FEATURE_HISTORY_SLICES];
        x[FEATURE_BURST_FAST] = history_ratio(fast, FEATURE_HISTORY_CPU, FEATURE_HISTORY_SLICES,
                                              TAU_FAST);
        x[FEATURE_BURST_SLOW] = history_ratio(slow, FEATURE_HISTORY_CPU, FEATURE_HISTORY_SLICES,
                                              TAU_SLOW);
        x[FEATURE_VOLUNTARY_FAST] = voluntary;
        x[FEATURE_VOLUNTARY_SLOW] = (double)slow[FEATURE_HISTORY_VOLUNTARY];
        x[FEATURE_INVOLUNTARY_FAST] = (double)fast[FEATURE_HISTORY_INVOLUNTARY];
        x[FEATURE_VOLUNTARY_SHARE] = switches > 0 ? voluntary / switches : 0;
        x[FEATURE_VOLUNTARY_BURST_FAST] = history_ratio(fast, FEATURE_HISTORY_CPU,
                                                        FEATURE_HISTORY_VOLUNTARY, TAU_FAST);
        x[FEATURE_VOLUNTARY_BURST_SLOW] = history_ratio(slow, FEATURE_HISTORY_CPU,
                                                        FEATURE_HISTORY_VOLUNTARY, TAU_SLOW);
        x[FEATURE_MIN_FLT_FAST] = (double)fast[FEATURE_HISTORY_MIN_FLT];
        x[FEATURE_MIN_FLT_SLOW] = (double)slow[FEATURE_HISTORY_MIN_FLT];
        x[FEATURE_MAJ_FLT_FAST] = (double)fast[FEATURE_HISTORY_MAJ_FLT];
        x[FEATURE_CHARS_FAST] = (double)fast[FEATURE_HISTORY_CHARS];
        x[FEATURE_CHARS_SLOW] = (double)slow[FEATURE_HISTORY_CHARS];
        x[FEATURE_SYSCALLS_FAST] = (double)fast[FEATURE_HISTORY_SYSCALLS];
        x[FEATURE_BLOCK_FAST] = (double)fast[FEATURE_HISTORY_BLOCK];
        x[FEATURE_BLOCK_SLOW] = (double)slow[FEATURE_HISTORY_BLOCK];
        x[FEATURE_IOWAIT_FAST] = (double)fast[FEATURE_HISTORY_IOWAIT];
        x[FEATURE_IOWAIT_SLOW] = (double)slow[FEATURE_HISTORY_IOWAIT];
}

/* Deviation by mean, of a history and that of its squares; small: what counts as nothing. */
static double variation(const float *h, int mean, int square, double small) {
        double m = (double)h[mean];

        return MIN(sqrt(MAX((double)h[square] - m * m, 0.0)) / MAX(m, small), VARIATION_MAX);
}

static double share(double part, double whole) {
        return whole > 0 ? MIN(part / whole, 1.0) : 0;
}

static void fill_evenness(double *x, const FeatureHistory *h) {
        const float *fast = h->fast, *slow = h->slow;

        x[FEATURE_ACTIVE_FAST] = (double)fast[FEATURE_HISTORY_ACTIVE];
        x[FEATURE_ACTIVE_SLOW] = (double)slow[FEATURE_HISTORY_ACTIVE];
        x[FEATURE_CPU_VARIATION_FAST] = variation(fast, FEATURE_HISTORY_CPU,
                                                  FEATURE_HISTORY_CPU_SQUARE, FEATURE_QUIET_CPU);
        x[FEATURE_CPU_VARIATION_SLOW] = variation(slow, FEATURE_HISTORY_CPU,
                                                  FEATURE_HISTORY_CPU_SQUARE, FEATURE_QUIET_CPU);
        x[FEATURE_VOLUNTARY_VARIATION] = variation(slow, FEATURE_HISTORY_VOLUNTARY,
                                                   FEATURE_HISTORY_VOLUNTARY_SQUARE,
                                                   FEATURE_QUIET_SWITCHES);
}

static void fill_work(double *x, const FeatureHistory *h) {
        const float *fast = h->fast, *slow = h->slow;
        double cpu = (double)fast[FEATURE_HISTORY_CPU];
        double ran = MAX(cpu, FEATURE_QUIET_CPU);
        double switches = MAX((double)fast[FEATURE_HISTORY_VOLUNTARY], 1.0 / TAU_FAST);
        double chars = (double)fast[FEATURE_HISTORY_CHARS];
        double calls = (double)fast[FEATURE_HISTORY_SYSCALLS];
        double block = (double)fast[FEATURE_HISTORY_BLOCK];
        double iowait = (double)fast[FEATURE_HISTORY_IOWAIT];

        x[FEATURE_SYSTEM_FAST] = share((double)fast[FEATURE_HISTORY_SYSTEM], ran);
        x[FEATURE_SYSTEM_SLOW] = share((double)slow[FEATURE_HISTORY_SYSTEM],
                                       MAX((double)slow[FEATURE_HISTORY_CPU], FEATURE_QUIET_CPU));
        x[FEATURE_IOWAIT_SHARE] = share(iowait, iowait + cpu + (double)fast[FEATURE_HISTORY_DELAY]);
        x[FEATURE_FAULTS_PER_CPU] = (double)fast[FEATURE_HISTORY_MIN_FLT] / ran;
        x[FEATURE_CALLS_PER_CPU] = calls / ran;
        x[FEATURE_CHARS_PER_CPU] = chars / ran;
        x[FEATURE_BLOCK_PER_CPU] = block / ran;
        x[FEATURE_CHARS_PER_CALL] = chars / MAX(calls, 1.0 / TAU_FAST);
        x[FEATURE_CALLS_PER_SWITCH] = calls / switches;
        x[FEATURE_CHARS_PER_SWITCH] = chars / switches;
        x[FEATURE_BLOCK_PER_SWITCH] = block / switches;
        x[FEATURE_BLOCK_SHARE] = share(block, chars + block);
        x[FEATURE_READ_SHARE] = share((double)fast[FEATURE_HISTORY_READ_CHARS], chars);
        x[FEATURE_READ_CALL_SHARE] = share((double)fast[FEATURE_HISTORY_READ_CALLS], calls);
        x[FEATURE_READ_BLOCK_SHARE] = share((double)fast[FEATURE_HISTORY_READ_BLOCK], block);
}

static bool is_level(size_t feature) {
        switch (feature) {
        case FEATURE_RSS:
        case FEATURE_UTIL:
        case FEATURE_IOWAIT:
        case FEATURE_THREADS:
        case FEATURE_HAS_TTY:
                return true;
        default:
                return false;
        }
}

void feature_compute(const ProcSample *now, const ProcSample *prev, FeatureHistory *history,
                     usec_t dt, float *row) {
        double x[FEATURE_COUNT] = {
                [FEATURE_RSS] = (double)now->rss_bytes,
                [FEATURE_UTIL] = (double)now->util_avg / 1024.0,
                [FEATURE_IOWAIT] = now->in_iowait,
                [FEATURE_THREADS] = now->n_threads,
                [FEATURE_HAS_TTY] = now->has_tty,
        };
        uint32_t known = prev ? now->valid & prev->valid : 0;

        if (prev) {
                double seconds = (double)MAX(dt, (usec_t)1) * 1e-6;
                Interval v;

                interval_measure(&v, now, prev, seconds);
                fill_interval(x, &v);
                fill_change(x, &v, history);
                history_advance(history, &v, known, seconds);
                fill_history(x, history);
                fill_evenness(x, history);
                fill_work(x, history);
        }

        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                uint32_t needs = feature_table[i].needs;

                if (((is_level(i) ? now->valid : known) & needs) != needs)
                        row[i] = 0;
                else if (feature_table[i].transform == TRANSFORM_LOG1P)
                        row[i] = x[i] > 0 ? (float)log1p(x[i]) : 0;
                else
                        row[i] = (float)x[i];
        }
}

bool feature_is_asleep(const ProcSample *now, const ProcSample *prev) {
        uint32_t known;

        if (!prev || now->valid != prev->valid || now->n_threads != prev->n_threads ||
            now->has_tty != prev->has_tty)
                return false;
        known = now->valid;
        if (!(known & (SAMPLE_EXEC | SAMPLE_SWITCHES)))
                return false;
        /* Unknown values are 0 in both, and so compare equal. UTIL is left out: it decays while a
         * process sleeps, and cannot rise without CPU time. */
        return now->exec_ns == prev->exec_ns && now->delay_ns == prev->delay_ns &&
               now->timeslices == prev->timeslices && now->nvcsw == prev->nvcsw &&
               now->nivcsw == prev->nivcsw && now->min_flt == prev->min_flt &&
               now->maj_flt == prev->maj_flt && now->rchar == prev->rchar &&
               now->wchar == prev->wchar && now->syscr == prev->syscr &&
               now->syscw == prev->syscw && now->read_bytes == prev->read_bytes &&
               now->write_bytes == prev->write_bytes && now->migrations == prev->migrations &&
               now->rss_bytes == prev->rss_bytes && now->in_iowait == 0;
}
