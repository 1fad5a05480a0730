/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/models/compiler/random-program.h"

#include "models/compiler/interval.h"

static const char *const names[_RANDOM_SHAPE_COUNT] = {
        [RANDOM_ANY] = "any",
        [RANDOM_MLP_SMALL] = "mlp-12-16-8-2",
        [RANDOM_MLP] = "mlp-6-32-32-2",
        [RANDOM_MLP_WIDE] = "mlp-64-100-10",
        [RANDOM_MLP_NEGATIVE] = "mlp-negative",
        [RANDOM_SPARSE] = "sparse",
        [RANDOM_TREE] = "tree-depth-10",
        [RANDOM_TREE_SMALL] = "tree-4-leaves",
        [RANDOM_FOREST] = "forest-50-depth-8",
        [RANDOM_FOREST_CLASSES] = "forest-7-classes",
        [RANDOM_FOREST_MANY] = "forest-300",
        [RANDOM_TREE_LARGE] = "tree-10000-leaves",
        [RANDOM_TREE_DEEP] = "tree-depth-60",
        [RANDOM_TREES_ON_CELLS] = "trees-on-cells",
};

typedef struct Maker {
        Program *p;
        uint64_t state;
        int64_t cell_max; /* of the precision */
        int64_t weight_max;
} Maker;

const char *random_shape_name(RandomShape shape) {
        return names[shape];
}

/* splitmix64 */
uint64_t random_next(uint64_t *state) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

int64_t random_between(uint64_t *state, int64_t low, int64_t high) {
        return low + (int64_t)(random_next(state) % ((uint64_t)high - (uint64_t)low + 1));
}

static int64_t between(Maker *m, int64_t low, int64_t high) {
        return random_between(&m->state, low, high);
}

static bool chance(Maker *m, unsigned percent) {
        return between(m, 1, 100) <= (int64_t)percent;
}

static void *must(void *p) {
        if (p)
                return p;
        fputs("random-program: out of memory\n", stderr);
        exit(1);
}

static Interval bounds(const Program *p, uint32_t cell) {
        if (cell < p->n_fields) {
                const FieldQuant *q = &p->fields[cell];
                Interval x = {.low = q->requant.low, .high = q->requant.high};

                (void)interval_of_field(q, &x);
                return x;
        }
        for (size_t i = p->n_steps; i-- > 0;)
                if (cell >= p->steps[i].first)
                        return p->steps[i].outputs[cell - p->steps[i].first];
        abort();
}

static void analyse(Maker *m) {
        Error e = ERROR_INIT;

        if (interval_analyse(m->p, &e) >= 0)
                return;
        fprintf(stderr, "random-program: %s\n", e.text);
        exit(1);
}

/* A requantisation that brings a largest value to about the precision's, often beyond. */
static Requant requant_for(Maker *m, int64_t largest, bool relu) {
        Requant q = {.multiplier = 1, .low = (int32_t)-m->cell_max, .high = (int32_t)m->cell_max};
        int64_t target = m->cell_max / between(m, 1, 3) * between(m, 1, 3);
        int bits = 0;

        while (bits < 62 && largest >> bits > 0)
                bits++;
        /* The product and its rounding stay below 2^62. */
        q.shift = (uint8_t)between(m, 0, 61 - bits > 30 ? 30 : MAX(61 - bits, 0));
        q.multiplier = (int32_t)CLAMP((double)target / (double)MAX(largest, 1) *
                                              (double)(INT64_C(1) << q.shift),
                                      1.0, (double)((INT64_C(1) << CLAMP(61 - bits, 1, 30)) - 1));
        if (relu)
                q.low = 0;
        else if (chance(m, 10))
                q.low = (int32_t)between(m, -m->cell_max, m->cell_max / 2);
        if (chance(m, 10))
                q.high = (int32_t)between(m, q.low, m->cell_max);
        return q;
}

static void make_field(Maker *m, FieldQuant *q, bool exact) {
        static const uint32_t tops[] = {1, 255, 1500, 65535, 1000000, INT32_MAX, UINT32_MAX};
        int64_t top = tops[between(m, 0, ELEMENTSOF(tops) - 1)], middle;

        if (exact) {
                *q = (FieldQuant){
                        .high = top,
                        .offset = top > INT32_MAX ? INT64_C(1) << 31 : 0,
                        .requant = {.multiplier = 1, .low = INT32_MIN, .high = INT32_MAX}};
                return;
        }
        q->low = chance(m, 50) ? 0 : between(m, 0, top / 2);
        q->high = between(m, q->low, top);
        middle = q->low + (q->high - q->low) / 2;
        q->offset = chance(m, 30) ? q->low : middle;
        q->requant = requant_for(m, q->high - q->low + 1, /* relu= */ false);
}

static Step *add(Maker *m, StepKind kind, size_t n_inputs, const uint32_t *inputs, size_t n_outputs,
                 size_t n_table, size_t n_trees) {
        return must(program_add_step(m->p, kind, step_kind_name(kind), n_inputs, inputs, n_outputs,
                                     n_table, n_trees));
}

/* A run of cells, or cells from all over. */
static void pick_inputs(Maker *m, size_t n, uint32_t *ret) {
        int64_t cells = (int64_t)m->p->n_cells;
        bool run = (int64_t)n <= cells && chance(m, 70);
        int64_t first = run ? between(m, 0, cells - (int64_t)n) : 0;

        for (size_t i = 0; i < n; i++)
                ret[i] = (uint32_t)(run ? first + (int64_t)i : between(m, 0, cells - 1));
}

static int64_t largest_of(Interval v) {
        return MAX(v.high, -v.low);
}

/* The largest |sum| of an output of AFFINE or SUM. */
static int64_t largest_sum(const Maker *m, const Step *s, size_t o) {
        size_t n = s->kind == STEP_AFFINE ? s->n_inputs : s->n_inputs / s->n_outputs;
        const uint32_t *inputs = s->kind == STEP_AFFINE ? s->inputs : s->inputs + o * n;
        int64_t sum = llabs(s->bias[o]);

        for (size_t i = 0; i < n; i++)
                sum += llabs((int64_t)s->weights[o * n + i]) * largest_of(bounds(m->p, inputs[i]));
        return sum;
}

static void fill_weights(Maker *m, Step *s, unsigned zeros, bool relu, bool negative) {
        size_t n = s->kind == STEP_AFFINE ? s->n_inputs : s->n_inputs / s->n_outputs;
        int64_t w = m->weight_max;
        Requant alike = {0};

        /* Q16.16 times Q16.16, of many: the sum is to stay below 2^58. */
        for (int64_t terms = (int64_t)n; w > 127 && m->cell_max > 32767 && terms > 0; terms /= 2)
                w /= 2;
        for (size_t o = 0; o < s->n_outputs; o++) {
                bool same = s->kind == STEP_SUM && o > 0 && alike.multiplier != 0;

                for (size_t i = 0; i < n; i++)
                        s->weights[o * n + i] = same               ? s->weights[i]
                                                : chance(m, zeros) ? 0
                                                                   : (int32_t)between(m, -w, w);
                s->bias[o] = same       ? s->bias[0]
                             : negative ? -(largest_sum(m, s, o) + 5)
                                        : between(m, -w, w) * between(m, 1, m->cell_max / 2);
                s->requant[o] = same ? alike : requant_for(m, largest_sum(m, s, o), relu);
                if (s->kind == STEP_SUM && o == 0 && chance(m, 50))
                        alike = s->requant[0];
        }
        analyse(m);
}

static void layer(Maker *m, uint32_t first, size_t n_inputs, size_t n_outputs, unsigned zeros,
                  bool relu, bool negative) {
        uint32_t *inputs = must(calloc(n_inputs + 1, sizeof(*inputs)));

        for (size_t i = 0; i < n_inputs; i++)
                inputs[i] = first + (uint32_t)i;
        fill_weights(m, add(m, STEP_AFFINE, n_inputs, inputs, n_outputs, 0, 0), zeros, relu,
                     negative);
        free(inputs);
}

/* ---- trees ---- */

/* Grows breadth first, or as a list, until there are enough leaves. */
static void grow(Maker *m, const Step *s, Tree *t, size_t n_leaves, bool list) {
        t->n_leaves = n_leaves;
        t->n_nodes = 2 * n_leaves - 1;
        t->nodes = must(calloc(t->n_nodes, sizeof(*t->nodes)));
        t->values = must(calloc(n_leaves * s->n_outputs, sizeof(*t->values)));
        for (size_t i = 0, inner = 0, leaf = 0; i < t->n_nodes; i++) {
                TreeNode *n = &t->nodes[i];
                Interval v;

                if (list ? i > 0 && i % 2 == 1 : i >= n_leaves - 1) {
                        *n = (TreeNode){.cell = -1, .yes = (uint32_t)leaf++};
                        continue;
                }
                if (list && i == t->n_nodes - 1) {
                        *n = (TreeNode){.cell = -1, .yes = (uint32_t)leaf++};
                        continue;
                }
                n->cell = list ? 0 : (int32_t)between(m, 0, (int64_t)s->n_inputs - 1);
                v = bounds(m->p, s->inputs[n->cell]);
                /* A list goes on to the end for large inputs. */
                n->threshold = list ? v.low + (v.high - v.low) / (int64_t)n_leaves *
                                                       (int64_t)(inner + 1)
                               : chance(m, 3) ? between(m, INT32_MIN, INT32_MAX)
                                              : between(m, v.low, v.high);
                n->yes = (uint32_t)(2 * inner + 1);
                n->no = (uint32_t)(2 * inner + 2);
                inner++;
        }
        for (size_t i = 0; i < n_leaves * s->n_outputs; i++)
                t->values[i] = (int32_t)between(m, -10000, 10000);
}

static void forest(Maker *m, size_t n_inputs, size_t n_outputs, size_t n_trees, size_t n_leaves,
                   bool list) {
        uint32_t *inputs = must(calloc(n_inputs, sizeof(*inputs)));
        Step *s;

        for (size_t i = 0; i < n_inputs; i++)
                inputs[i] = (uint32_t)(m->p->n_cells - n_inputs + i);
        s = add(m, STEP_TREES, n_inputs, inputs, n_outputs, 0, n_trees);
        for (size_t i = 0; i < n_trees; i++)
                grow(m, s, &s->trees[i], n_leaves, list);
        for (size_t o = 0; o < n_outputs; o++)
                s->bias[o] = between(m, -100000, 100000);
        free(inputs);
        analyse(m);
}

/* ---- anything ---- */

static void any_step(Maker *m) {
        StepKind kind = (StepKind)between(m, 0, _STEP_KIND_COUNT - 1);
        size_t n = (size_t)between(m, 1, chance(m, 20) ? 40 : 9), group = 1;
        uint32_t inputs[256];
        Step *s;

        if (kind == STEP_SUM || kind == STEP_MAX)
                group = (size_t)between(m, 1, 4);
        if (kind == STEP_PRODUCT)
                group = 2;
        pick_inputs(m, n * group, inputs);
        if (kind == STEP_TREES) {
                forest(m, MIN(n, m->p->n_cells), (size_t)between(m, 1, 7), (size_t)between(m, 1, 5),
                       (size_t)between(m, 1, 20), false);
                return;
        }
        if (kind == STEP_AFFINE) {
                s = add(m, kind, n, inputs, (size_t)between(m, 1, chance(m, 20) ? 40 : 9), 0, 0);
                fill_weights(m, s, chance(m, 20) ? 80 : 5, chance(m, 50), false);
                return;
        }
        s = add(m, kind, n * group, inputs, n, kind == STEP_TABLE ? (size_t)between(m, 1, 300) : 0,
                0);
        for (size_t o = 0; o < n; o++) {
                int64_t x = largest_of(bounds(m->p, inputs[o])), y = 1;

                if (kind == STEP_PRODUCT)
                        y = largest_of(bounds(m->p, inputs[n + o]));
                s->requant[o] = requant_for(m, MAX(x, 1) * MAX(y, 1), false);
                if (kind == STEP_LEAKY && chance(m, 10))
                        s->requant[o].multiplier *= -1;
        }
        if (kind == STEP_TABLE) {
                s->requant[0].low = (int32_t)between(m, -200, 50);
                s->requant[0].high = s->requant[0].low + (int32_t)s->n_table - 1;
                for (size_t i = 0; i < s->n_table; i++)
                        s->table[i] = (int32_t)between(m, -m->cell_max, m->cell_max);
        }
        if (kind == STEP_SUM)
                fill_weights(m, s, 0, false, false);
        else
                analyse(m);
}

/* Sums of trees may be beyond the precision's cells; only the next step's products mind. */
static void make_any(Maker *m) {
        for (int64_t n = between(m, 1, 7); n > 0; n--)
                any_step(m);
}

static void make_shape(Maker *m, RandomShape shape) {
        uint32_t n = (uint32_t)m->p->n_fields;

        switch (shape) {
        case RANDOM_MLP_SMALL:
                layer(m, 0, 12, 16, 0, true, false);
                layer(m, n, 16, 8, 0, true, false);
                layer(m, n + 16, 8, 2, 0, false, false);
                break;
        case RANDOM_MLP:
                layer(m, 0, 6, 32, 0, true, false);
                layer(m, n, 32, 32, 0, true, false);
                layer(m, n + 32, 32, 2, 0, false, false);
                break;
        case RANDOM_MLP_WIDE:
                layer(m, 0, 64, 100, 0, true, false);
                layer(m, n, 100, 10, 0, false, false);
                break;
        case RANDOM_MLP_NEGATIVE:
                layer(m, 0, n, 8, 0, true, false);
                layer(m, n, 8, 4, 0, false, true);
                break;
        case RANDOM_SPARSE:
                layer(m, 0, n, 30, 85, true, false);
                layer(m, n, 30, 5, 85, false, false);
                break;
        case RANDOM_TREE:
                forest(m, n, 1, 1, 1024, false);
                break;
        case RANDOM_TREE_SMALL:
                forest(m, n, 2, 1, 4, false);
                break;
        case RANDOM_FOREST:
                forest(m, n, 2, 50, 256, false);
                break;
        case RANDOM_FOREST_CLASSES:
                forest(m, n, 7, 20, 32, false);
                break;
        case RANDOM_FOREST_MANY:
                forest(m, n, 3, 300, 16, false);
                break;
        case RANDOM_TREE_LARGE:
                forest(m, n, 1, 1, 10000, false);
                break;
        case RANDOM_TREE_DEEP:
                forest(m, n, 1, 1, 61, true);
                break;
        case RANDOM_TREES_ON_CELLS:
                layer(m, 0, n, 10, 0, true, false);
                forest(m, 10, 3, 4, 16, false);
                break;
        default:
                make_any(m);
        }
}

static size_t fields_of(Maker *m, RandomShape shape) {
        switch (shape) {
        case RANDOM_MLP:
                return 6;
        case RANDOM_MLP_WIDE:
                return 64;
        case RANDOM_ANY:
                return (size_t)between(m, 1, 20);
        default:
                return 12;
        }
}

static void choose_outputs(Maker *m, RandomShape shape) {
        Program *p = m->p;
        const Step *last = &p->steps[p->n_steps - 1];

        p->n_outputs = MIN(last->n_outputs, (size_t)PROGRAM_OUTPUTS_MAX);
        for (size_t i = 0; i < p->n_outputs; i++)
                p->outputs[i] = last->first + (uint32_t)i;
        if (shape == RANDOM_ANY && chance(m, 40)) {
                p->n_outputs = (size_t)between(m, 1, 5);
                for (size_t i = 0; i < p->n_outputs; i++)
                        p->outputs[i] = (uint32_t)between(m, 0, (int64_t)p->n_cells - 1);
        }
        p->decision = p->n_outputs > 1 ? DECISION_ARGMAX : DECISION_THRESHOLD;
        if (shape == RANDOM_ANY && chance(m, 10))
                p->decision = DECISION_VALUE;
        if (p->decision == DECISION_THRESHOLD) {
                Interval v = bounds(p, p->outputs[0]);

                p->threshold = chance(m, 5) ? v.high + 1 : between(m, v.low, v.high);
        }
}

Program *random_program(const char *name, RandomShape shape, Precision precision, uint64_t seed) {
        Maker m = {
                .p = must(calloc(1, sizeof(Program))),
                .state = seed,
                .cell_max = precision == PRECISION_INT8    ? 127
                            : precision == PRECISION_INT16 ? INT16_MAX
                                                           : INT32_MAX / 2,
                .weight_max = precision == PRECISION_INT8    ? 127
                              : precision == PRECISION_INT16 ? INT16_MAX
                                                             : 1 << 20,
        };
        bool trees = shape >= RANDOM_TREE && shape <= RANDOM_TREE_DEEP;
        Error e = ERROR_INIT;

        m.p->precision = precision;
        m.p->trees_only = trees;
        snprintf(m.p->name, sizeof(m.p->name), "%s", name);
        m.p->n_fields = m.p->n_cells = fields_of(&m, shape);
        m.p->fields = must(calloc(m.p->n_fields, sizeof(*m.p->fields)));
        for (size_t i = 0; i < m.p->n_fields; i++)
                make_field(&m, &m.p->fields[i], trees);
        make_shape(&m, shape);
        choose_outputs(&m, shape);
        analyse(&m);
        if (program_check(m.p, &e) < 0) {
                fprintf(stderr, "random-program: %s\n", e.text);
                exit(1);
        }
        return m.p;
}

void random_row(const Program *p, uint64_t *state, uint32_t *ret) {
        int64_t kind = random_between(state, 0, 9);

        for (size_t i = 0; i < p->n_fields; i++) {
                const FieldQuant *q = &p->fields[i];
                int64_t v = random_between(state, q->low, q->high);

                switch (kind < 5 ? 4 : kind == 9 ? random_between(state, 0, 4) : kind - 5) {
                case 0:
                        v = 0;
                        break;
                case 1:
                        v = UINT32_MAX;
                        break;
                case 2:
                        v = (uint32_t)random_next(state);
                        break;
                case 3:
                        v = q->low + random_between(state, -2, 2);
                        break;
                default:
                        break;
                }
                ret[i] = (uint32_t)CLAMP(v, 0, (int64_t)UINT32_MAX);
        }
}
