/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include <errno.h>

#include "policy/prior.h"

#define DAY ((int64_t)86400 * (int64_t)USEC_PER_SEC)
#define NOW (100 * DAY)

static PriorTable table;

static int setup(void **state) {
        table = (PriorTable){};
        prior_table_set_limits(
                &table, &(PriorLimits){.enabled = true, .max = 8, .half_life = 14 * (usec_t)DAY});
        return 0;
}

static int teardown(void **state) {
        prior_table_done(&table);
        return 0;
}

static Ident program(const char *exe, uint8_t build) {
        Ident i = {.build = {.kind = BUILD_ID_NOTE, .size = 1, .bytes = {build}}};

        snprintf(i.exe, sizeof(i.exe), "%s", exe);
        return i;
}

static Prediction surely(LoadClass c) {
        Prediction p;

        for (int k = 0; k < _CLASS_COUNT; k++)
                p.probability[k] = k == (int)c ? 0.95f : 0.01f;
        return p;
}

/* n whole lives. */
static void learn(const Ident *i, const char *comm, LoadClass c, size_t n, int64_t at) {
        const Prediction p = surely(c);

        while (n-- > 0)
                prior_learn(&table, i, comm, &p, 0, PRIOR_LESSON, at);
}

static Prior known(const Ident *i, const char *comm, int64_t at) {
        Prior p;

        prior_get(&table, i, comm, at, &p);
        return p;
}

static void test_unknown(void **state) {
        const Ident cc = program("/usr/bin/cc", 1), none = {};
        const Prediction p = surely(CLASS_BATCH);

        assert_true(known(&cc, "cc", NOW).strength <= 0);
        prior_learn(&table, &none, "cc", &p, 0, USEC_PER_SEC, NOW);
        prior_learn(&table, NULL, "cc", &p, 0, USEC_PER_SEC, NOW);
        assert_int_equal(table.n, 0);
        learn(&cc, "cc", CLASS_BATCH, 1, NOW);
        assert_true(known(&cc, "other", NOW).strength <= 0);
        assert_true(known(&none, "cc", NOW).strength <= 0);
}

static void test_learn(void **state) {
        const Ident cc = program("/usr/bin/cc", 1);
        Prior one, four, many;

        learn(&cc, "cc", CLASS_BATCH, 1, NOW);
        one = known(&cc, "cc", NOW);
        assert_int_equal(prediction_class(&one.prediction), CLASS_BATCH);
        assert_int_equal(one.processes, 1);
        assert_true(one.strength > 0.3f && one.strength < PRIOR_STRONG);
        learn(&cc, "cc", CLASS_BATCH, 3, NOW);
        four = known(&cc, "cc", NOW);
        assert_true(four.strength > PRIOR_STRONG);
        learn(&cc, "cc", CLASS_BATCH, 1000, NOW);
        many = known(&cc, "cc", NOW);
        assert_true(many.strength > 0.95f && many.strength <= 1);
        assert_int_equal(many.processes, 1004);
        assert_true(prior_entry_mass(table.entries[0]) <= PRIOR_MASS_MAX * 1.001f);
        /* What it was for a thousand lives it need not be for ever. */
        learn(&cc, "cc", CLASS_SERVER, 100, NOW);
        many = known(&cc, "cc", NOW);
        assert_int_equal(prediction_class(&many.prediction), CLASS_SERVER);
}

/* Ten thousand seconds of one process count as ten. */
static void test_one_life(void **state) {
        const Ident cc = program("/usr/bin/cc", 1);
        const Prediction p = surely(CLASS_BATCH);
        usec_t lesson = 0;

        for (int i = 0; i < 10000; i++, lesson += USEC_PER_SEC)
                prior_learn(&table, &cc, "cc", &p, lesson, USEC_PER_SEC, NOW + i);
        assert_int_equal(table.entries[0]->processes, 1);
        assert_true(fabsf(prior_entry_mass(table.entries[0]) - 1) < 0.01f);
        prior_learn(&table, &cc, "cc", &p, PRIOR_LESSON - 1, 1000 * USEC_PER_SEC, NOW);
        assert_true(fabsf(prior_entry_mass(table.entries[0]) - 1) < 0.01f);
}

static void test_age(void **state) {
        const Ident cc = program("/usr/bin/cc", 1);
        float fresh, old;

        learn(&cc, "cc", CLASS_BATCH, 4, -5 * DAY); /* before this boot */
        fresh = known(&cc, "cc", -5 * DAY).strength;
        assert_true(known(&cc, "cc", -6 * DAY).strength <= fresh);
        old = known(&cc, "cc", 9 * DAY).strength;
        assert_true(fabsf(fresh - 4.0f / 5) < 0.01f && fabsf(old - 2.0f / 3) < 0.01f);
        assert_true(known(&cc, "cc", 10000 * DAY).strength < 0.01f);
        learn(&cc, "cc", CLASS_BATCH, 1, 9 * DAY);
        assert_true(fabsf(prior_entry_mass(table.entries[0]) - 3) < 0.01f);
        assert_int_equal(table.entries[0]->seen, 9 * DAY);
}

/* Does this and that: its processes are not held back from showing what they are. */
static void test_interpreter(void **state) {
        const Ident python = program("/usr/bin/python3.11", 1);

        for (LoadClass c = CLASS_IDLE; c < _CLASS_COUNT; c++)
                learn(&python, "python3", c, 20, NOW);
        assert_true(known(&python, "python3", NOW).strength < 0.01f);
        /* Of two kinds, half and half */
        learn(&python, "half", CLASS_BATCH, 20, NOW);
        learn(&python, "half", CLASS_SERVER, 20, NOW);
        assert_true(known(&python, "half", NOW).strength < 0.1f);
        /* A script that the kernel names is a program of its own. */
        learn(&python, "backup.py", CLASS_IO, 20, NOW);
        assert_true(known(&python, "backup.py", NOW).strength > 0.9f);
        assert_true(known(&python, "python3", NOW).strength < 0.01f);
}

static void test_build(void **state) {
        const Ident old = program("/usr/bin/cc", 1), new = program("/usr/bin/cc", 2);
        Prior p;

        learn(&old, "cc", CLASS_BATCH, 20, NOW);
        p = known(&new, "cc", NOW);
        assert_true(p.other_build);
        assert_true(p.strength > 0.1f && p.strength < 0.3f);
        learn(&new, "cc", CLASS_SERVER, 4, NOW);
        p = known(&new, "cc", NOW);
        assert_false(p.other_build);
        assert_int_equal(prediction_class(&p.prediction), CLASS_SERVER);
        p = known(&old, "cc", NOW);
        assert_int_equal(prediction_class(&p.prediction), CLASS_BATCH);
        /* Of two others the one of which most is known. */
        p = known(&(Ident){.exe = "/usr/bin/cc"}, "cc", NOW);
        assert_int_equal(prediction_class(&p.prediction), CLASS_BATCH);
}

static void test_bound(void **state) {
        Ident first = program("/bin/0", 0);
        char exe[32];

        for (int i = 0; i < 100; i++) {
                Ident ident;

                snprintf(exe, sizeof(exe), "/bin/%d", i);
                ident = program(exe, 0);
                learn(&ident, "x", CLASS_BATCH, 1, NOW + i);
                learn(&first, "x", CLASS_BATCH, 1, NOW + i); /* in use all the time */
                assert_true(table.n <= 8);
        }
        assert_int_equal(table.n, 8);
        assert_true(known(&first, "x", NOW).strength > 0);
        for (int i = 1; i < 100; i++) {
                Ident ident;

                snprintf(exe, sizeof(exe), "/bin/%d", i);
                ident = program(exe, 0);
                assert_true((known(&ident, "x", NOW).strength > 0) == (i >= 93));
        }
        for (size_t i = 1; i < table.n; i++)
                assert_true(table.entries[i - 1]->name < table.entries[i]->name);
        prior_table_set_limits(&table, &(PriorLimits){.enabled = true, .max = 2, .half_life = 1});
        assert_int_equal(table.n, 2);
        prior_table_set_limits(&table, &(PriorLimits){.max = 2, .half_life = 1});
        assert_int_equal(table.n, 0);
        learn(&first, "x", CLASS_BATCH, 1, NOW);
        assert_int_equal(table.n, 0);
}

static void test_blend(void **state) {
        const Ident cc = program("/usr/bin/cc", 1);
        float last = 1;
        Prior prior;

        learn(&cc, "cc", CLASS_BATCH, 20, NOW);
        prior = known(&cc, "cc", NOW);
        for (uint32_t n = 0; n < 10; n++) {
                Prediction p = surely(CLASS_SERVER);
                float weight = prior_weight(&prior, n), sum = 0;

                assert_true(n >= PRIOR_INTERVALS ? weight <= 0 : weight < last && weight > 0);
                last = weight;
                prior_blend(&prior, weight, &p);
                for (int c = 0; c < _CLASS_COUNT; c++)
                        sum += p.probability[c];
                assert_true(fabsf(sum - 1) < 1e-5f);
                assert_int_equal(prediction_class(&p), weight > 0.5f ? CLASS_BATCH : CLASS_SERVER);
        }
        assert_true(prior_weight(&prior, 0) >= prior.strength);
}

static void test_forget(void **state) {
        const Ident a = program("/bin/a", 1), a2 = program("/bin/a", 2), b = program("/bin/b", 1);
        uint64_t generation;

        learn(&a, "a", CLASS_BATCH, 2, NOW);
        learn(&a2, "a", CLASS_BATCH, 2, NOW);
        learn(&a, "x", CLASS_BATCH, 2, NOW);
        learn(&b, "b", CLASS_BATCH, 2, NOW);
        generation = table.generation;
        assert_int_equal(prior_table_forget(&table, "/bin/c"), 0);
        assert_int_equal(table.generation, generation);
        assert_int_equal(prior_table_forget(&table, "/bin/a"), 3);
        assert_true(table.generation > generation);
        assert_true(known(&a, "a", NOW).strength <= 0 && known(&b, "b", NOW).strength > 0);
        assert_int_equal(prior_table_forget(&table, NULL), 1);
        assert_int_equal(table.n, 0);
}

static void test_load(void **state) {
        const Ident a = program("/bin/a", 1), b = program("/bin/b", 1);
        PriorEntry good[2], bad[2];
        float strength;

        learn(&a, "a", CLASS_BATCH, 2, NOW);
        learn(&b, "b", CLASS_SERVER, 2, NOW + 1);
        strength = known(&a, "a", NOW).strength;
        good[0] = *table.entries[1];
        good[1] = *table.entries[0];
        assert_int_equal(prior_table_load(&table, good, 2), 0);
        assert_int_equal(table.n, 2);
        assert_true(fabsf(known(&a, "a", NOW).strength - strength) < 1e-6f);
        for (int i = 0; i < 8; i++) {
                memcpy(bad, good, sizeof(bad));
                switch (i) {
                case 0:
                        bad[1] = bad[0];
                        break;
                case 1:
                        bad[1].mass[2] = NAN;
                        break;
                case 2:
                        bad[1].mass[2] = -1;
                        break;
                case 3:
                        bad[1].mass[2] = INFINITY;
                        break;
                case 4:
                        memset(bad[1].exe, '/', sizeof(bad[1].exe));
                        break;
                case 5:
                        memset(bad[1].comm, 'x', sizeof(bad[1].comm));
                        break;
                case 6:
                        bad[1].name++;
                        break;
                default:
                        bad[1].exe[0] = '\0';
                        break;
                }
                assert_int_equal(prior_table_load(&table, bad, 2), -EINVAL);
                assert_int_equal(table.n, 2);
        }
        prior_table_set_limits(&table, &(PriorLimits){.enabled = true, .max = 1, .half_life = 1});
        assert_int_equal(prior_table_load(&table, good, 2), 0);
        assert_int_equal(table.n, 1);
        assert_string_equal(table.entries[0]->exe, "/bin/b");
        prior_table_set_limits(&table, &(PriorLimits){.max = 1, .half_life = 1});
        assert_int_equal(prior_table_load(&table, good, 2), 0);
        assert_int_equal(table.n, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_unknown),     T(test_learn), T(test_one_life), T(test_age),
                T(test_interpreter), T(test_build), T(test_bound),    T(test_blend),
                T(test_forget),      T(test_load),
        };
#undef T

        return cmocka_run_group_tests(tests, NULL, NULL);
}
