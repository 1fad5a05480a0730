/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "models/feature.h"

#include "policy/class.h"

static void assert_near(float value, double expected) {
        if (fabs((double)value - expected) > 1e-5 * MAX(1.0, fabs(expected)))
                fail_msg("%.9g is not %.9g", (double)value, expected);
}

static ProcSample before(void) {
        return (ProcSample){
                .pid = 10,
                .start = 5,
                .valid = SAMPLE_ALL,
                .n_threads = 2,
                .exec_ns = 1000000000,
                .delay_ns = 500000000,
                .timeslices = 100,
                .nvcsw = 60,
                .nivcsw = 40,
                .min_flt = 10,
                .maj_flt = 1,
                .rchar = 1000,
                .wchar = 2000,
                .syscr = 10,
                .syscw = 20,
                .read_bytes = 4096,
                .write_bytes = 8192,
                .migrations = 3,
                .rss_bytes = 1 << 20,
        };
}

/* Two seconds later. */
static ProcSample after(void) {
        ProcSample p = before();

        p.exec_ns += 500000000;   /* 0.25 s/s */
        p.delay_ns += 200000000;  /* 0.1 s/s */
        p.timeslices += 50;       /* 25 /s, 10 ms each, 4 ms of waiting for each */
        p.nvcsw += 20;            /* 10 /s, 25 ms each */
        p.nivcsw += 60;           /* 30 /s */
        p.min_flt += 400;         /* 200 /s */
        p.maj_flt += 8;           /* 4 /s */
        p.rchar += 6000;          /* 3000 B/s */
        p.wchar += 2000;          /* 1000 B/s */
        p.syscr += 30;            /* 15 /s */
        p.syscw += 10;            /* 5 /s; 200 bytes a call */
        p.read_bytes += 1 << 20;  /* 524288 B/s */
        p.write_bytes += 1 << 10; /* 512 B/s */
        p.migrations += 4;        /* 2 /s */
        p.rss_bytes += 2 << 20;   /* 1 MiB/s */
        p.system_ns += 100000000; /* 0.05 s/s */
        p.util_avg = 512;
        p.in_iowait = 1;
        p.has_tty = true;
        return p;
}

static void test_table(_unused_ void **state) {
        assert_string_equal(feature_table[FEATURE_CPU].name, "cpu");
        assert_string_equal(feature_table[FEATURE_HAS_TTY].name, "has_tty");
        assert_int_equal(feature_table[FEATURE_HAS_TTY].transform, TRANSFORM_FLAG);
        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                assert_true(strlen(feature_table[i].name) < 32);
                assert_int_equal(feature_table[i].needs & ~(uint32_t)SAMPLE_ALL, 0);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(feature_table[i].name, feature_table[k].name);
        }
        assert_int_not_equal(feature_schema_hash(), 0);
        assert_int_equal(feature_schema_hash(), feature_schema_hash());
}

static void test_interval(_unused_ void **state) {
        ProcSample prev = before(), now = after();
        FeatureHistory h = {};
        float row[FEATURE_COUNT];

        feature_compute(&now, &prev, &h, 2 * USEC_PER_SEC, row);
        assert_near(row[FEATURE_CPU], 0.25);
        assert_near(row[FEATURE_DELAY], 0.1);
        assert_near(row[FEATURE_SLICES], log(26));
        assert_near(row[FEATURE_BURST], log(10001));
        assert_near(row[FEATURE_WAIT], log(4001));
        assert_near(row[FEATURE_VOLUNTARY], log(11));
        assert_near(row[FEATURE_INVOLUNTARY], log(31));
        assert_near(row[FEATURE_VOLUNTARY_BURST], log(25001));
        assert_near(row[FEATURE_MIN_FLT], log(201));
        assert_near(row[FEATURE_MAJ_FLT], log(5));
        assert_near(row[FEATURE_RCHAR], log(3001));
        assert_near(row[FEATURE_WCHAR], log(1001));
        assert_near(row[FEATURE_SYSCR], log(16));
        assert_near(row[FEATURE_SYSCW], log(6));
        assert_near(row[FEATURE_BYTES_PER_CALL], log(201));
        assert_near(row[FEATURE_READ], log(524289));
        assert_near(row[FEATURE_WRITE], log(513));
        assert_near(row[FEATURE_MIGRATIONS], log(3));
        assert_near(row[FEATURE_RSS], log((3 << 20) + 1));
        assert_near(row[FEATURE_RSS_GROWTH], log((1 << 20) + 1));
        assert_near(row[FEATURE_UTIL], 0.5);
        assert_near(row[FEATURE_IOWAIT], log(2));
        assert_near(row[FEATURE_THREADS], log(3));
        assert_near(row[FEATURE_HAS_TTY], 1);
        /* The first interval seeds both histories, and there is nothing to change against. */
        assert_near(row[FEATURE_CPU_CHANGE], 0);
        assert_near(row[FEATURE_VOLUNTARY_CHANGE], 0);
        assert_near(row[FEATURE_CPU_FAST], 0.25);
        assert_near(row[FEATURE_CPU_SLOW], 0.25);
        assert_near(row[FEATURE_VOLUNTARY_SHARE], 0.25);
        assert_near(row[FEATURE_BURST_FAST], log(10001));
        assert_near(row[FEATURE_VOLUNTARY_BURST_SLOW], log(25001));
        assert_near(row[FEATURE_CHARS_FAST], log(4001));
        assert_near(row[FEATURE_SYSCALLS_FAST], log(21));
        assert_near(row[FEATURE_BLOCK_SLOW], log(524801));
        assert_near(row[FEATURE_ACTIVE_FAST], 1);
        assert_near(row[FEATURE_ACTIVE_SLOW], 1);
        assert_near(row[FEATURE_CPU_VARIATION_FAST], 0);
        assert_near(row[FEATURE_VOLUNTARY_VARIATION], 0);
        assert_near(row[FEATURE_SYSTEM_FAST], 0.2);
        assert_near(row[FEATURE_SYSTEM_SLOW], 0.2);
        assert_near(row[FEATURE_IOWAIT_SHARE], 1 / 1.35);
        assert_near(row[FEATURE_FAULTS_PER_CPU], log(801));
        assert_near(row[FEATURE_CALLS_PER_CPU], log(81));
        assert_near(row[FEATURE_CHARS_PER_CPU], log(16001));
        assert_near(row[FEATURE_BLOCK_PER_CPU], log(4 * 524800 + 1));
        assert_near(row[FEATURE_CHARS_PER_CALL], log(201));
        assert_near(row[FEATURE_CALLS_PER_SWITCH], log(3));
        assert_near(row[FEATURE_CHARS_PER_SWITCH], log(401));
        assert_near(row[FEATURE_BLOCK_PER_SWITCH], log(52481));
        assert_near(row[FEATURE_BLOCK_SHARE], 524800.0 / 528800);
        assert_near(row[FEATURE_READ_SHARE], 0.75);
        assert_near(row[FEATURE_READ_CALL_SHARE], 0.75);
        assert_near(row[FEATURE_READ_BLOCK_SHARE], 524288.0 / 524800);
        assert_int_equal(h.n_intervals, 1);
}

static void test_history(_unused_ void **state) {
        ProcSample prev = before(), now = after(), later = after();
        FeatureHistory h = {};
        float row[FEATURE_COUNT];
        double fast = 1 - exp(-1.0 / 5), slow = 1 - exp(-1.0 / 30);

        later.exec_ns += 1000000000; /* 1 s/s */
        later.nvcsw += 100;
        feature_compute(&now, &prev, &h, 2 * USEC_PER_SEC, row);
        feature_compute(&later, &now, &h, USEC_PER_SEC, row);
        assert_near(row[FEATURE_CPU], 1);
        assert_near(row[FEATURE_CPU_CHANGE], 0.75);
        assert_near(row[FEATURE_CPU_FAST], 0.25 + fast * 0.75);
        assert_near(row[FEATURE_CPU_SLOW], 0.25 + slow * 0.75);
        assert_near(row[FEATURE_DELAY_FAST], 0.1 - fast * 0.1);
        assert_near(row[FEATURE_DELAY_SLOW], 0.1 - slow * 0.1);
        assert_near(row[FEATURE_VOLUNTARY_CHANGE], log(101) - log(11));
        assert_near(row[FEATURE_VOLUNTARY_FAST], log(11 + fast * 90));
        assert_near(row[FEATURE_VOLUNTARY_SLOW], log(11 + slow * 90));
        assert_near(row[FEATURE_VOLUNTARY_BURST_FAST],
                    log1p((0.25 + fast * 0.75) * 1e6 / (10 + fast * 90)));
        assert_near(row[FEATURE_MIN_FLT_SLOW], log(201 - slow * 200));
        assert_near(row[FEATURE_MAJ_FLT_FAST], log(5 - fast * 4));
        assert_int_equal(h.n_intervals, 2);

        /* Works and rests by turns: active half of the time, deviation as large as the mean. */
        {
                FeatureHistory turns = {};
                ProcSample a = later, b = later;

                for (int n = 0; n < 4000; n++) {
                        if (n % 2 == 0)
                                b.exec_ns += 100000000;
                        feature_compute(&b, &a, &turns, USEC_PER_SEC / 10, row);
                        a = b;
                }
                assert_true(fabsf(row[FEATURE_ACTIVE_SLOW] - 0.5f) < 0.01f);
                assert_true(fabsf(row[FEATURE_CPU_VARIATION_SLOW] - 1.0f) < 0.01f);
                assert_true(row[FEATURE_VOLUNTARY_VARIATION] == 0.0f);
        }

        /* One interval of two seconds weighs as much as two of one second with equal rates. */
        {
                FeatureHistory one = h, two = h;
                ProcSample a = later, b = later, c = later;

                b.exec_ns += 300000000;
                c.exec_ns += 600000000;
                feature_compute(&c, &a, &one, 2 * USEC_PER_SEC, row);
                feature_compute(&b, &a, &two, USEC_PER_SEC, row);
                feature_compute(&c, &b, &two, USEC_PER_SEC, row);
                assert_near(one.fast[FEATURE_HISTORY_CPU], (double)two.fast[FEATURE_HISTORY_CPU]);
                assert_near(one.slow[FEATURE_HISTORY_CPU], (double)two.slow[FEATURE_HISTORY_CPU]);
        }
}

static void test_unknown(_unused_ void **state) {
        ProcSample prev = before(), now = after();
        FeatureHistory h = {}, kept;
        float row[FEATURE_COUNT];

        feature_compute(&now, &prev, &h, 2 * USEC_PER_SEC, row);
        kept = h;
        prev = now;
        now.exec_ns = now.nvcsw = UINT64_C(1) << 40;
        prev.valid &= ~(uint32_t)(SAMPLE_SWITCHES | SAMPLE_UTIL);
        now.valid &= ~(uint32_t)SAMPLE_CHARS;
        feature_compute(&now, &prev, &h, USEC_PER_SEC, row);
        assert_true(row[FEATURE_CPU] > 1000.0f);
        assert_true(row[FEATURE_VOLUNTARY] == 0.0f);
        assert_true(row[FEATURE_VOLUNTARY_FAST] == 0.0f);
        assert_true(row[FEATURE_VOLUNTARY_SHARE] == 0.0f);
        assert_true(row[FEATURE_VOLUNTARY_BURST] == 0.0f);
        assert_true(row[FEATURE_RCHAR] == 0.0f);
        assert_true(row[FEATURE_CHARS_SLOW] == 0.0f);
        assert_true(row[FEATURE_CALLS_PER_CPU] == 0.0f);
        assert_true(row[FEATURE_READ_SHARE] == 0.0f);
        assert_true(row[FEATURE_VOLUNTARY_VARIATION] == 0.0f);
        assert_true(row[FEATURE_SYSTEM_FAST] >= 0.0f && row[FEATURE_SYSTEM_FAST] < 0.2f);
        assert_near(row[FEATURE_UTIL], 0.5);
        assert_true(h.fast[FEATURE_HISTORY_VOLUNTARY] == kept.fast[FEATURE_HISTORY_VOLUNTARY]);
        assert_true(h.slow[FEATURE_HISTORY_CHARS] == kept.slow[FEATURE_HISTORY_CHARS]);
        assert_true(h.fast[FEATURE_HISTORY_CPU] > kept.fast[FEATURE_HISTORY_CPU]);

        /* A rate that becomes known late is seeded then, not mixed with zero. */
        h = (FeatureHistory){};
        prev = before();
        now = after();
        prev.valid &= ~(uint32_t)SAMPLE_EXEC;
        feature_compute(&now, &prev, &h, 2 * USEC_PER_SEC, row);
        prev = before();
        feature_compute(&now, &prev, &h, 2 * USEC_PER_SEC, row);
        assert_near(row[FEATURE_CPU_SLOW], 0.25);
}

static void test_first(_unused_ void **state) {
        ProcSample now = after();
        FeatureHistory h = {}, zero = {};
        float row[FEATURE_COUNT];

        memset(row, 0xff, sizeof(row));
        feature_compute(&now, NULL, &h, USEC_PER_SEC, row);
        assert_memory_equal(&h, &zero, sizeof(h));
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                if (i != FEATURE_RSS && i != FEATURE_UTIL && i != FEATURE_IOWAIT &&
                    i != FEATURE_THREADS && i != FEATURE_HAS_TTY)
                        assert_true(row[i] == 0.0f);
        assert_near(row[FEATURE_RSS], log((3 << 20) + 1));
        assert_near(row[FEATURE_THREADS], log(3));
}

static uint64_t random_next(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

static uint64_t random_counter(uint64_t *seed) {
        switch (random_next(seed) % 4) {
        case 0:
                return 0;
        case 1:
                return UINT64_MAX - random_next(seed) % 3;
        case 2:
                return random_next(seed) % 1000;
        default:
                return random_next(seed);
        }
}

/* Backwards, wrapped, absurd: every row stays finite, and backwards means no change. */
static void test_wild(_unused_ void **state) {
        static const usec_t dts[] = {0, 1, USEC_PER_SEC, UINT64_MAX};
        ProcSample prev = after(), now = before();
        FeatureHistory h = {};
        float row[FEATURE_COUNT];
        uint64_t seed = 88172645463325252;

        feature_compute(&now, &prev, &h, USEC_PER_SEC, row);
        assert_true(row[FEATURE_CPU] == 0.0f);
        assert_true(row[FEATURE_CHARS_FAST] == 0.0f);
        assert_true(row[FEATURE_RSS_GROWTH] == 0.0f);

        for (int n = 0; n < 20000; n++) {
                uint64_t *counters[] = {
                        &now.exec_ns,        &now.delay_ns,   &now.timeslices, &now.nvcsw,
                        &now.nivcsw,         &now.min_flt,    &now.maj_flt,    &now.rchar,
                        &now.wchar,          &now.syscr,      &now.syscw,      &now.read_bytes,
                        &now.write_bytes,    &now.migrations, &now.rss_bytes,  &now.system_ns,
                        &now.rss_anon_bytes,
                };

                prev = now;
                for (size_t i = 0; i < ELEMENTSOF(counters); i++)
                        *counters[i] = random_counter(&seed);
                now.valid = n % 3 ? SAMPLE_ALL : (uint32_t)random_next(&seed);
                now.in_iowait = now.util_avg = now.n_threads = (uint32_t)random_counter(&seed);
                feature_compute(&now, &prev, &h, dts[n % 4], row);
                for (size_t i = 0; i < FEATURE_COUNT; i++)
                        if (!isfinite(row[i]))
                                fail_msg("%s is not finite", feature_table[i].name);
                for (size_t i = 0; i < FEATURE_HISTORY_COUNT; i++)
                        assert_true(isfinite(h.fast[i]) && h.fast[i] >= 0.0f);
        }
}

static void test_asleep(_unused_ void **state) {
        const size_t counters[] = {
                offsetof(ProcSample, exec_ns),     offsetof(ProcSample, delay_ns),
                offsetof(ProcSample, timeslices),  offsetof(ProcSample, nvcsw),
                offsetof(ProcSample, nivcsw),      offsetof(ProcSample, min_flt),
                offsetof(ProcSample, maj_flt),     offsetof(ProcSample, rchar),
                offsetof(ProcSample, wchar),       offsetof(ProcSample, syscr),
                offsetof(ProcSample, syscw),       offsetof(ProcSample, read_bytes),
                offsetof(ProcSample, write_bytes), offsetof(ProcSample, rss_bytes),
        };
        ProcSample prev = before(), now = before();

        assert_true(feature_is_asleep(&now, &prev));
        assert_false(feature_is_asleep(&now, NULL));
        for (size_t i = 0; i < ELEMENTSOF(counters); i++) {
                now = before();
                ++*(uint64_t *)(void *)((char *)&now + counters[i]);
                assert_false(feature_is_asleep(&now, &prev));
        }
        now = before();
        now.in_iowait = 1;
        assert_false(feature_is_asleep(&now, &prev));
        now = before();
        now.n_threads++;
        assert_false(feature_is_asleep(&now, &prev));
        now = prev = before();
        now.valid = prev.valid = SAMPLE_RSS | SAMPLE_UID;
        assert_false(feature_is_asleep(&now, &prev));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),   cmocka_unit_test(test_interval),
                cmocka_unit_test(test_history), cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_first),   cmocka_unit_test(test_wild),
                cmocka_unit_test(test_asleep),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
