/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "models/compiler/interval.h"
#include "models/compiler/reference.h"

/* Programs by hand: every step kind, and what is told of rounding, ties and bounds. */

static const Requant identity = {.multiplier = 1, .low = INT32_MIN, .high = INT32_MAX};

static Program *program_of(size_t n_fields) {
        Program *p = calloc(1, sizeof(*p));

        assert_non_null(p);
        *p = (Program){.name = "hand", .n_fields = n_fields, .n_cells = n_fields};
        p->fields = calloc(n_fields, sizeof(*p->fields));
        assert_non_null(p->fields);
        for (size_t i = 0; i < n_fields; i++)
                p->fields[i] = (FieldQuant){.high = 1000, .requant = identity};
        p->decision = DECISION_VALUE;
        return p;
}

static Step *add(Program *p, StepKind kind, size_t n_inputs, const uint32_t *inputs,
                 size_t n_outputs) {
        Step *s = program_add_step(p, kind, "step", n_inputs, inputs, n_outputs,
                                   kind == STEP_TABLE ? 5 : 0, kind == STEP_TREES ? 1 : 0);

        assert_non_null(s);
        for (size_t o = 0; o < n_outputs; o++)
                s->requant[o] = identity;
        p->n_outputs = n_outputs;
        for (size_t o = 0; o < n_outputs; o++)
                p->outputs[o] = s->first + (uint32_t)o;
        return s;
}

static void check(Program *p) {
        Error e = ERROR_INIT;

        if (program_check(p, &e) < 0 || interval_analyse(p, &e) < 0)
                fail_msg("%s", e.text);
}

static int64_t run(Program *p, const uint32_t *raw, int32_t *outputs) {
        int32_t scratch[64];

        check(p);
        assert_true(p->n_cells <= ELEMENTSOF(scratch));
        return reference_run(p, raw, scratch, outputs);
}

static void test_field(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(1);
        static const struct {
                uint32_t raw;
                int32_t cell;
        } cases[] = {{0, -50},  {10, -50}, {60, -25},       {61, -24},
                     {62, -24}, {200, 45}, {4294967295, 45}};

        p->fields[0] = (FieldQuant){
                .low = 10,
                .high = 200,
                .offset = 110,
                .requant = {.multiplier = 1, .shift = 1, .low = -100, .high = 100}};
        p->n_outputs = 1;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int32_t y;

                (void)run(p, &cases[i].raw, &y);
                assert_int_equal(y, cases[i].cell);
        }
}

/* All 32 bits of a field fit a cell by an offset. */
static void test_field_full_range(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(1);
        uint32_t raw[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};

        p->fields[0] = (FieldQuant){
                .high = UINT32_MAX, .offset = INT64_C(1) << 31, .requant = identity};
        p->n_outputs = 1;
        for (size_t i = 0; i < ELEMENTSOF(raw); i++) {
                int32_t y;

                (void)run(p, &raw[i], &y);
                assert_int_equal((int64_t)y, (int64_t)raw[i] - (INT64_C(1) << 31));
        }
}

/* Halves go up, also below zero: rsh(-3, 1) is -1, rsh(-5, 1) is -2; bytes from 128 on stay
 * positive. */
static void test_affine_rounding(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(2);
        uint32_t raw[2] = {200, 3};
        int32_t y[4];
        Step *s = add(p, STEP_AFFINE, 2, (uint32_t[]){0, 1}, 4);
        static const int32_t weights[] = {1, 0, 0, -1, 0, 1, -1, 1};

        memcpy(s->weights, weights, sizeof(weights));
        s->bias[1] = -2;
        for (size_t o = 1; o < 4; o++)
                s->requant[o].shift = 1;
        s->requant[3].low = -98;
        (void)run(p, raw, y);
        assert_int_equal(y[0], 200);
        assert_int_equal(y[1], -2); /* (-5 + 1) >> 1 */
        assert_int_equal(y[2], 2);
        assert_int_equal(y[3], -98); /* clamped */
        raw[1] = 1;
        (void)run(p, raw, y);
        assert_int_equal(y[1], -1); /* -1.5 goes up */
}

static void test_leaky_product_sum_max(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(2);
        int32_t y[2];
        Step *s;

        p->fields[0].offset = p->fields[1].offset = 100;
        s = add(p, STEP_LEAKY, 2, (uint32_t[]){0, 1}, 2); /* cells 2, 3 */
        s->requant[0] = s->requant[1] = (Requant){
                .multiplier = -3, .shift = 2, .low = -50, .high = 60};
        (void)run(p, (uint32_t[]){90, 110}, y);
        assert_int_equal(y[0], 8); /* -10 * -0.75 = 7.5 */
        assert_int_equal(y[1], 10);
        (void)run(p, (uint32_t[]){0, 200}, y);
        assert_int_equal(y[0], 60);
        assert_int_equal(y[1], 100); /* bounds are those of the slope's side alone */

        s = add(p, STEP_PRODUCT, 4, (uint32_t[]){0, 2, 1, 1}, 2); /* x0 x1, y0 x1: cells 4, 5 */
        s->requant[0].shift = s->requant[1].shift = 3;
        (void)run(p, (uint32_t[]){99, 104}, y);
        assert_int_equal(y[0], 0); /* -4 / 8 goes up */
        assert_int_equal(y[1], 1); /* 1 * 4 / 8 */

        s = add(p, STEP_SUM, 4, (uint32_t[]){0, 1, 1, 5}, 2); /* cells 6, 7 */
        memcpy(s->weights, (int32_t[]){2, -3, 5, 7}, 4 * sizeof(int32_t));
        s->bias[1] = 1000;
        (void)run(p, (uint32_t[]){99, 104}, y);
        assert_int_equal(y[0], -14);
        assert_int_equal(y[1], 1027);

        (void)add(p, STEP_MAX, 4, (uint32_t[]){6, 0, 1, 0}, 2);
        (void)run(p, (uint32_t[]){99, 104}, y);
        assert_int_equal(y[0], -1);
        assert_int_equal(y[1], 4);
}

static void test_table(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(1);
        Step *s;
        static const struct {
                uint32_t raw;
                int32_t y;
        } cases[] = {{0, 10},   {95, 11},  {97, 11} /* (-3 + 2) >> 2 */, {98, 12}, {100, 12},
                     {105, 13}, {1000, 14}};

        p->fields[0].offset = 100;
        s = add(p, STEP_TABLE, 1, (uint32_t[]){0}, 1);
        s->requant[0] = (Requant){.multiplier = 1, .shift = 2, .low = -2, .high = 2};
        for (int i = 0; i < 5; i++)
                s->table[i] = 10 + i;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int32_t y;

                (void)run(p, &cases[i].raw, &y);
                assert_int_equal(y, cases[i].y);
        }
        assert_int_equal(p->steps[0].outputs[0].low, 10);
        assert_int_equal(p->steps[0].outputs[0].high, 14);
}

/* x0 <= 5 ? {1, -1} : x1 <= -3 ? {2, -2} : {3, -3} */
static Step *small_tree(Program *p) {
        Step *s = add(p, STEP_TREES, 2, (uint32_t[]){0, 1}, 2);
        static const TreeNode nodes[] = {{.cell = 0, .threshold = 5, .yes = 1, .no = 2},
                                         {.cell = -1, .yes = 0},
                                         {.cell = 1, .threshold = -3, .yes = 3, .no = 4},
                                         {.cell = -1, .yes = 1},
                                         {.cell = -1, .yes = 2}};
        static const int32_t values[] = {1, -1, 2, -2, 3, -3};

        s->trees[0].n_nodes = ELEMENTSOF(nodes);
        s->trees[0].nodes = malloc(sizeof(nodes));
        s->trees[0].n_leaves = 3;
        s->trees[0].values = malloc(sizeof(values));
        assert_true(s->trees[0].nodes && s->trees[0].values);
        memcpy(s->trees[0].nodes, nodes, sizeof(nodes));
        memcpy(s->trees[0].values, values, sizeof(values));
        s->bias[0] = 100;
        return s;
}

static void test_trees(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(2);
        int32_t y[2];
        Step *s;

        p->fields[1].offset = 10;
        s = small_tree(p);
        (void)run(p, (uint32_t[]){5, 0}, y);
        assert_int_equal(y[0], 101);
        assert_int_equal(y[1], -1);
        (void)run(p, (uint32_t[]){6, 7}, y);
        assert_int_equal(y[0], 102);
        (void)run(p, (uint32_t[]){6, 8}, y);
        assert_int_equal(y[0], 103);
        assert_int_equal(y[1], -3);
        assert_int_equal(s->accumulator.low, -3);
        assert_int_equal(s->accumulator.high, 103);
        s->bias[0] = INT32_MAX - 2;
        assert_int_equal(interval_analyse(p, NULL), -EOVERFLOW);
}

/* All negative: the largest wins, not class 0; of equal ones the first. */
static void test_argmax(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(3);

        for (size_t i = 0; i < 3; i++) {
                p->fields[i].offset = 500;
                p->outputs[i] = (uint32_t)i;
        }
        p->n_outputs = 3;
        p->decision = DECISION_ARGMAX;
        assert_int_equal(run(p, (uint32_t[]){1, 2, 3}, NULL), 2);
        assert_int_equal(run(p, (uint32_t[]){1, 3, 3}, NULL), 1);
        assert_int_equal(run(p, (uint32_t[]){3, 3, 3}, NULL), 0);
        p->n_outputs = 1;
        p->decision = DECISION_THRESHOLD;
        p->threshold = -400;
        assert_int_equal(run(p, (uint32_t[]){100, 0, 0}, NULL), 0);
        assert_int_equal(run(p, (uint32_t[]){101, 0, 0}, NULL), 1);
}

static void test_interval(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(2);
        Error e = ERROR_INIT;
        Step *s = add(p, STEP_AFFINE, 2, (uint32_t[]){0, 1}, 1);

        s->weights[0] = 1000;
        s->weights[1] = -1000;
        s->bias[0] = 7;
        check(p);
        assert_int_equal(s->accumulator.low, -1000000);
        assert_int_equal(s->accumulator.high, 1000007);
        assert_int_equal(s->outputs[0].low, -999993);
        assert_false(s->wide);
        s->bias[0] = INT32_MAX - 1000000;
        check(p);
        assert_false(s->wide);
        s->bias[0]++;
        check(p);
        assert_true(s->wide);
        s->bias[0] = INT64_MAX - 1000001;
        s->requant[0].shift = 1;
        assert_int_equal(interval_analyse(p, &e), 0);
        s->requant[0].shift = 30; /* the half that rounds does not fit any more */
        assert_int_equal(interval_analyse(p, &e), -EOVERFLOW);
        assert_non_null(strstr(e.text, "affine"));
        s->requant[0] = (Requant){.multiplier = 3, .low = 0, .high = 1};
        assert_int_equal(interval_analyse(p, NULL), -EOVERFLOW);
        s->bias[0] = INT64_MAX;
        s->requant[0].multiplier = 1;
        assert_int_equal(interval_analyse(p, NULL), -EOVERFLOW);
}

/* Every run of a random program stays within what the intervals tell. */
static void test_interval_holds(void **state) {
        uint32_t seed = 1;

        for (int round = 0; round < 200; round++) {
                _cleanup_(program_freep)
                Program *p = program_of(3);
                int32_t scratch[64];
                Step *s;

#define RANDOM(n) ((seed = seed * 1664525u + 1013904223u) >> 8) % (n)
                for (size_t i = 0; i < 3; i++)
                        p->fields[i].offset = (int64_t)(RANDOM(1000));
                s = add(p, STEP_AFFINE, 3, (uint32_t[]){0, 1, 2}, 4);
                for (size_t i = 0; i < 12; i++)
                        s->weights[i] = (int32_t)(RANDOM(255)) - 127;
                for (size_t o = 0; o < 4; o++) {
                        s->bias[o] = (int64_t)(RANDOM(20000)) - 10000;
                        s->requant[o] = (Requant){.multiplier = (int32_t)(RANDOM(1000)) + 1,
                                                  .shift = (uint8_t)(RANDOM(20)),
                                                  .low = -300,
                                                  .high = 300};
                }
                s = add(p, STEP_LEAKY, 2, (uint32_t[]){3, 4}, 2);
                s->requant[0].multiplier = (int32_t)(RANDOM(100)) - 50;
                s->requant[0].shift = 4;
                s = add(p, STEP_PRODUCT, 4, (uint32_t[]){3, 4, 5, 6}, 2);
                s->requant[1].shift = (uint8_t)(RANDOM(10));
                (void)add(p, STEP_MAX, 4, (uint32_t[]){5, 6, 7, 8}, 2);
                check(p);
                for (int row = 0; row < 50; row++) {
                        uint32_t raw[3] = {RANDOM(1200), RANDOM(1200), RANDOM(1200)};

                        (void)reference_run(p, raw, scratch, NULL);
                        for (size_t k = 0; k < p->n_steps; k++)
                                for (size_t o = 0; o < p->steps[k].n_outputs; o++) {
                                        Interval x = p->steps[k].outputs[o];
                                        int32_t y = scratch[p->steps[k].first + o];

                                        assert_true(y >= x.low && y <= x.high);
                                }
                }
#undef RANDOM
        }
}

static void refused(const Program *p, const char *what) {
        Error e = ERROR_INIT;

        assert_int_equal(program_check(p, &e), -EINVAL);
        if (!strstr(e.text, what))
                fail_msg("'%s' does not tell of '%s'", e.text, what);
}

static void test_check(void **state) {
        _cleanup_(program_freep)
        Program *p = program_of(2);
        Step *s = small_tree(p);
        TreeNode *n = s->trees[0].nodes;

        check(p);
        n[0].yes = 0;
        refused(p, "child 0");
        n[0].yes = 5;
        refused(p, "child 5");
        n[0].yes = 2;
        refused(p, "two parents");
        n[0].yes = 1;
        n[3].yes = 3;
        refused(p, "no leaf 3");
        n[3].yes = 1;
        n[2].cell = 2;
        refused(p, "no input 2");
        n[2].cell = 1;
        n[2].threshold = INT64_C(1) << 31;
        refused(p, "32 bits");
        n[2].threshold = 0;
        s->inputs[1] = 2;
        refused(p, "cell 2");
        s->inputs[1] = 1;
        p->outputs[1] = 4;
        refused(p, "output 1");
        p->outputs[1] = 3;
        snprintf(p->name, sizeof(p->name), "a-b");
        refused(p, "identifier");
        snprintf(p->name, sizeof(p->name), "a_b");
        p->fields[1].requant.multiplier = 0;
        refused(p, "field 1");
        p->fields[1].requant.multiplier = 1;
        p->fields[1].high = INT64_C(1) << 32;
        refused(p, "field 1");
        p->fields[1].high = 3;
        check(p);

        s = add(p, STEP_SUM, 3, (uint32_t[]){0, 1, 2}, 2);
        refused(p, "3 inputs for 2 outputs");
        s->n_inputs = 2;
        check(p);
        s->requant[1].shift = 63;
        refused(p, "shift 63");
        s->requant[1].shift = 62;
        s->requant[1].low = 5;
        s->requant[1].high = 4;
        refused(p, "bounds");
        s->requant[1].high = 5;
        check(p);
        (void)add(p, STEP_TABLE, 1, (uint32_t[]){0}, 1);
        refused(p, "5 entries");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_field),
                cmocka_unit_test(test_field_full_range),
                cmocka_unit_test(test_affine_rounding),
                cmocka_unit_test(test_leaky_product_sum_max),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_trees),
                cmocka_unit_test(test_argmax),
                cmocka_unit_test(test_interval),
                cmocka_unit_test(test_interval_holds),
                cmocka_unit_test(test_check),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
