/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/quantize-internal.h"

#include "models/compiler/interval.h"

/*
 * From cheap to dear. Fields whose largest value is far from the usual one (bytes, times between
 * packets) leave nothing for the usual one if scaled by the largest: the later ways scale them by
 * their deviation and let them become large.
 */
#define INT8                                                                                    \
        .precision = PRECISION_INT8, .weight_max = 127, .sum_range = 0x1p21,                    \
        .activation_min = 127, .activation_max = 4095, .table_max = 511, .table_entries = 8192, \
        .output_max = 0x1p24, .balance = 0.5, .room = 1
#define INT16                                                                        \
        .precision = PRECISION_INT16, .activation_max = 32767, .output_max = 0x1p26, \
        .deviations = 4, .balance = 0.5, .room = 2

static const Quantization int8_four_sums = {INT8, .sum_range_small = 0x1p16};
static const Quantization int8_three_sums = {INT8};
static const Quantization int8_large_fields = {INT8, .deviations = 4};
static const Quantization int8_two_sums = {
        .precision = PRECISION_INT8,
        .weight_max = 127,
        .sum_range = 0x1p32,
        .activation_min = 127,
        .activation_max = 16383,
        .table_max = 511,
        .table_entries = 8192,
        .output_max = 0x1p24,
        .deviations = 4,
        .balance = 0.5,
        .room = 1,
};
static const Quantization int16_two_sums = {INT16,
                                            .weight_max = 4095,
                                            .sum_range = 0x1p32,
                                            .activation_min = 1023,
                                            .table_max = 2047,
                                            .table_entries = 8192};
static const Quantization int16_one_sum = {INT16,
                                           .weight_max = 32767,
                                           .sum_range = 0x1p60,
                                           .activation_min = 32767,
                                           .table_max = 4095,
                                           .table_entries = 8192};
static const Quantization q16 = {
        .precision = PRECISION_Q16,
        .weight_max = 0x1p23,
        .sum_range = 0x1p62,
        .activation_min = 0x1p24,
        .activation_max = 0x1p24,
        .table_max = 4095,
        .table_entries = 32768,
        .output_max = 0x1p26,
        .deviations = 1,
        .room = 4,
};

static const Quantization *const ways[_PRECISION_COUNT][5] = {
        [PRECISION_INT8] = {&int8_four_sums, &int8_three_sums, &int8_large_fields, &int8_two_sums},
        [PRECISION_INT16] = {&int16_two_sums, &int16_one_sum},
        [PRECISION_Q16] = {&q16},
};

const Quantization *quantization_at(Precision p, size_t i) {
        return i < ELEMENTSOF(ways[p]) ? ways[p][i] : NULL;
}

#define WEIGHT_SHIFT_MAX 40

static void quantizer_done(Quantizer *z) {
        free(z->class);
        free(z->unit);
        free(z->extent);
        free(z->needs);
        free(z->scales);
        free(z->place);
        program_free(z->program);
}

int requant_set(Requant *q, double ratio, double bound) {
        int exponent, bound_bits, bits;
        double f, m;

        if (!isfinite(ratio) || !isfinite(bound))
                return -EOVERFLOW;
        f = frexp(fabs(ratio), &exponent);
        (void)frexp(bound + 1, &bound_bits);
        bits = MIN(31, 62 - bound_bits);
        bits = MIN(bits, 62 + exponent); /* shift = bits - exponent */
        if (bits < exponent)
                return -EOVERFLOW;
        if (bits < 1) { /* nothing that counts gets through */
                q->multiplier = 1;
                q->shift = 62;
                return bound_bits > 61 ? -EOVERFLOW : 0;
        }
        m = rint(ldexp(f, bits));
        q->shift = (uint8_t)(bits - exponent);
        if (m > (double)INT32_MAX || m >= ldexp(1, bits)) {
                if (q->shift == 0)
                        return -EOVERFLOW;
                m /= 2;
                q->shift--;
        }
        q->multiplier = (int32_t)MAX(m, 1.0);
        while (q->shift > 0 && q->multiplier % 2 == 0) {
                q->multiplier /= 2;
                q->shift--;
        }
        if (ratio < 0)
                q->multiplier = -q->multiplier;
        return 0;
}

int32_t to_i32(double x) {
        if (isnan(x))
                return 0;
        return (int32_t)rint(CLAMP(x, (double)INT32_MIN, (double)INT32_MAX));
}

static double magnitude(const CellScale *s) {
        return MAX(fabs((double)s->low), fabs((double)s->high));
}

typedef struct Row { /* one output of an affine step */
        const Cell *cell;
        const uint32_t *inputs; /* cells, [n] */
        size_t n;
        double unit;  /* of the integer sum */
        double bias;  /* real, with what the inputs' zero points add */
        double *real; /* [n] weights in units */
        double *scratch;
        int32_t *weights; /* [n], to be made */
        int64_t *sum_bias;
        Requant *requant;
} Row;

/* The sum's unit: the largest weight becomes what it may be. */
static int row_unit(const Quantizer *z, Row *row, const CellScale *to) {
        const Cell *cell = row->cell;
        double most = 0;

        row->bias = cell->bias;
        for (size_t k = 0; k < cell->n_terms; k++) {
                const CellScale *s = &z->scales[cell->terms[k].cell];

                most = MAX(most, fabs(cell->terms[k].weight) * s->scale);
                row->bias += cell->terms[k].weight * s->zero;
        }
        if (!isfinite(most) || !isfinite(row->bias))
                return -EOVERFLOW;
        if (z->q->precision == PRECISION_Q16) {
                double shift = most > 0 ? floor(log2(z->q->weight_max * to->scale / most)) : 16;

                row->unit = ldexp(to->scale, -(int)CLAMP(shift, 0, WEIGHT_SHIFT_MAX));
        } else
                row->unit = (most > 0 ? most : to->scale) / z->q->weight_max;
        row->unit = MAX(row->unit, fabs(row->bias) * 0x1p-52);
        return 0;
}

/* The terms' weights at their inputs' places, a group's joined rows have zeros between. */
static int row_weights(const Quantizer *z, const Rounding *rounding, Row *row) {
        const Cell *cell = row->cell;

        memset(row->real, 0, row->n * sizeof(*row->real));
        for (size_t k = 0, i = 0; k < cell->n_terms; k++) {
                const Term *t = &cell->terms[k];

                while (i < row->n && row->inputs[i] != t->cell)
                        i++;
                if (i == row->n)
                        return -EINVAL;
                row->real[i] = t->weight * z->scales[t->cell].scale / row->unit;
                if (fabs(row->real[i]) > (double)INT32_MAX - 1)
                        return -EOVERFLOW;
        }
        if (rounding->n == row->n) {
                row->bias += row->unit * rounding_apply(rounding, row->real, z->q->weight_max,
                                                        row->scratch, row->weights);
                return 0;
        }
        for (size_t i = 0; i < row->n; i++)
                row->weights[i] = (int32_t)rint(row->real[i]);
        return 0;
}

static int set_row(const Quantizer *z, const Rounding *rounding, Row *row, const CellScale *to) {
        const Cell *cell = row->cell;
        double bound;
        int r;

        r = row_unit(z, row, to);
        if (r >= 0)
                r = row_weights(z, rounding, row);
        if (r < 0)
                return r;
        bound = fabs(row->bias / row->unit) + 1;
        *row->sum_bias = (int64_t)rint(row->bias / row->unit);
        for (size_t i = 0; i < row->n; i++)
                bound += fabs((double)row->weights[i]) * magnitude(&z->scales[row->inputs[i]]);
        row->requant->low = isinf(cell->low)
                                    ? to->low
                                    : CLAMP(to_i32(cell->low / to->scale), to->low, to->high);
        row->requant->high = isinf(cell->high)
                                     ? to->high
                                     : CLAMP(to_i32(cell->high / to->scale), to->low, to->high);
        return requant_set(row->requant, row->unit / to->scale, bound);
}

static int fill_sums(Quantizer *z, const Group *g, Step *s, const uint32_t *inputs) {
        bool affine = g->kind == STEP_AFFINE;
        size_t n = affine ? g->n_inputs : g->n_terms;
        _cleanup_(rounding_done)
        Rounding rounding = {0};
        _cleanup_free_
        double *real = calloc(2 * n, sizeof(*real));
        int r = 0;

        if (!real)
                return -ENOMEM;
        if (affine && z->q->precision != PRECISION_Q16)
                r = rounding_init(z, inputs, n, &rounding);
        for (size_t o = 0; o < g->n_outputs && r >= 0; o++) {
                Row row = {.cell = &z->c->cells[g->outputs[o]],
                           .inputs = affine ? inputs : inputs + o * n,
                           .n = n,
                           .real = real,
                           .scratch = real + n,
                           .weights = s->weights + o * n,
                           .sum_bias = &s->bias[o],
                           .requant = &s->requant[o]};

                r = set_row(z, &rounding, &row, &z->scales[g->outputs[o]]);
                if (r == -EOVERFLOW)
                        return error_set(z->e, r, "weights or sums of node '%.128s' do not fit",
                                         z->c->graph->nodes[row.cell->node].name);
        }
        return r;
}

static int fill_products(Quantizer *z, const Group *g, Step *s) {
        for (size_t o = 0; o < g->n_outputs; o++) {
                const Cell *cell = &z->c->cells[g->outputs[o]];
                const CellScale *a = &z->scales[cell->terms[0].cell];
                const CellScale *b = &z->scales[cell->terms[1].cell];
                const CellScale *to = &z->scales[g->outputs[o]];

                s->requant[o].low = to->low;
                s->requant[o].high = to->high;
                if (requant_set(&s->requant[o], a->scale * b->scale / to->scale,
                                magnitude(a) * magnitude(b)) < 0)
                        return error_set(z->e, -EOVERFLOW,
                                         "a product of node '%.128s' does not fit",
                                         z->c->graph->nodes[cell->node].name);
        }
        return 0;
}

static int fill_leaky(Quantizer *z, const Group *g, Step *s) {
        for (size_t o = 0; o < g->n_outputs; o++) {
                const Cell *cell = &z->c->cells[g->outputs[o]];
                const CellScale *to = &z->scales[g->outputs[o]];
                double slope = cell->slope;

                s->requant[o].low = to->low;
                s->requant[o].high = to->high;
                if (fabs(slope) < 1e-12) { /* ReLU after all */
                        s->requant[o] = (Requant){.multiplier = 1, .low = 0, .high = 0};
                        continue;
                }
                if (requant_set(&s->requant[o], slope, magnitude(to)) < 0)
                        return -EOVERFLOW;
        }
        return 0;
}

/* The table's domain: indices low … high of steps of scale * 2^shift. */
typedef struct Domain {
        uint8_t shift;
        int32_t low, high;
} Domain;

static Domain table_domain(const Quantizer *z, const Group *g) {
        const Cell *cell = &z->c->cells[g->outputs[0]];
        const CellScale *s = &z->scales[cell->terms[0].cell];
        double reach = MIN(function_domain(&cell->function), magnitude(s) * s->scale) / s->scale;
        Domain d = {.shift = 0};

        while (reach / ldexp(1, d.shift) * 2 + 3 > z->q->table_entries)
                d.shift++;
        d.high = to_i32(ceil(reach / ldexp(1, d.shift)));
        d.low = -d.high;
        return d;
}

/* Where the function is not defined its neighbour's value stands: calibration never came there. */
static int fill_table(Quantizer *z, const Group *g, Step *s, const Domain *d) {
        const Cell *cell = &z->c->cells[g->outputs[0]];
        const CellScale *from = &z->scales[cell->terms[0].cell], *to = &z->scales[g->outputs[0]];
        size_t known = 0; /* one past the last entry that is */

        s->requant[0] = (Requant){
                .multiplier = 1, .shift = d->shift, .low = d->low, .high = d->high};
        for (size_t i = 0; i < s->n_table; i++) {
                double x = ldexp((double)(d->low + (int64_t)i), d->shift) * from->scale;
                double y = function_value(&cell->function, x);

                if (!isfinite(y)) {
                        s->table[i] = known > 0 ? s->table[known - 1] : 0;
                        continue;
                }
                s->table[i] = CLAMP(to_i32(y / to->scale), to->low, to->high);
                for (size_t k = 0; known == 0 && k < i; k++)
                        s->table[k] = s->table[i];
                known = i + 1;
        }
        if (known == 0)
                return error_set(z->e, -EINVAL, "node '%.128s' computes no number",
                                 z->c->graph->nodes[cell->node].name);
        return 0;
}

/* Trees. */

static int fill_trees(Quantizer *z, const Group *g, Step *s) {
        const Forest *f = &z->c->forests[z->c->cells[g->outputs[0]].forest];
        _cleanup_free_
        uint32_t *scores = calloc(MAX(g->n_outputs, (size_t)1), sizeof(*scores));
        bool exact;
        int shift, r;

        if (!scores)
                return -ENOMEM;
        r = forest_shift(f, &shift, &exact, z->e);
        if (r < 0)
                return r;
        for (size_t o = 0; o < g->n_outputs; o++)
                scores[o] = z->c->cells[g->outputs[o]].output;
        if (!exact || !f->exact[0])
                z->program->trees_only = 0;
        return forest_step(f, z->scales, scores, shift, s, z->e);
}

/* Their cells' scale is not for choosing. */
static int set_tree_scales(Quantizer *z) {
        for (size_t g = 0; g < z->groups->n; g++) {
                const Group *group = &z->groups->groups[g];
                const Forest *f;
                bool exact;
                int shift, r;

                if (group->kind != STEP_TREES)
                        continue;
                f = &z->c->forests[z->c->cells[group->outputs[0]].forest];
                r = forest_shift(f, &shift, &exact, z->e);
                if (r < 0)
                        return r;
                for (size_t o = 0; o < group->n_outputs; o++) {
                        CellScale *s = &z->scales[group->outputs[o]];

                        s->scale = ldexp(1, -shift);
                        if (f->ensemble->aggregate == AGGREGATE_AVERAGE)
                                s->scale /= (double)f->ensemble->n_trees;
                        s->low = INT32_MIN;
                        s->high = INT32_MAX;
                }
        }
        return 0;
}

static size_t group_inputs(const Group *g) {
        switch (g->kind) {
        case STEP_AFFINE:
        case STEP_TREES:
                return g->n_inputs;
        case STEP_SUM:
        case STEP_MAX:
                return g->n_outputs * g->n_terms;
        case STEP_PRODUCT:
                return 2 * g->n_outputs;
        default:
                return g->n_outputs;
        }
}

/* The step's inputs as cells, in the order that program.h tells. */
static void list_inputs(const Cells *c, const Group *g, uint32_t *ret) {
        if (g->kind == STEP_AFFINE || g->kind == STEP_TREES) {
                memcpy(ret, g->inputs, g->n_inputs * sizeof(*ret));
                return;
        }
        for (size_t o = 0; o < g->n_outputs; o++) {
                const Cell *cell = &c->cells[g->outputs[o]];

                if (g->kind == STEP_PRODUCT) {
                        ret[o] = cell->terms[0].cell;
                        ret[g->n_outputs + o] = cell->terms[1].cell;
                } else if (g->kind == STEP_SUM || g->kind == STEP_MAX)
                        for (size_t k = 0; k < g->n_terms; k++) /* filled up with the last one */
                                ret[o * g->n_terms + k] = cell->terms[MIN(k, cell->n_terms - 1)]
                                                                  .cell;
                else
                        ret[o] = cell->terms[0].cell;
        }
}

static int add_step(Quantizer *z, const Group *g) {
        size_t n = group_inputs(g), n_table = 0, n_trees = 0;
        const Cell *first = &z->c->cells[g->outputs[0]];
        _cleanup_free_
        uint32_t *cells = calloc(n, sizeof(*cells)), *inputs = NULL;
        Domain domain = {0};
        Step *s;

        inputs = calloc(n, sizeof(*inputs));
        if (!cells || !inputs)
                return -ENOMEM;
        list_inputs(z->c, g, cells);
        for (size_t i = 0; i < n; i++)
                inputs[i] = z->place[cells[i]];
        if (g->kind == STEP_TABLE) {
                domain = table_domain(z, g);
                n_table = (size_t)(domain.high - domain.low) + 1;
        }
        if (g->kind == STEP_TREES)
                n_trees = z->c->forests[first->forest].ensemble->n_trees;
        s = program_add_step(z->program, g->kind, z->c->graph->nodes[first->node].name, n, inputs,
                             g->n_outputs, n_table, n_trees);
        if (!s)
                return -ENOMEM;
        for (size_t o = 0; o < g->n_outputs; o++)
                z->place[g->outputs[o]] = s->first + (uint32_t)o;
        switch (g->kind) {
        case STEP_AFFINE:
        case STEP_SUM:
                return fill_sums(z, g, s, cells);
        case STEP_PRODUCT:
                return fill_products(z, g, s);
        case STEP_LEAKY:
                return fill_leaky(z, g, s);
        case STEP_TABLE:
                return fill_table(z, g, s, &domain);
        case STEP_TREES:
                return fill_trees(z, g, s);
        default:
                return 0;
        }
}

static void set_decision(Quantizer *z) {
        const Decision *d = &z->c->decision;
        const CellScale *s = &z->scales[d->outputs[0]];
        Program *p = z->program;
        size_t n_labels = d->kind == DECISION_THRESHOLD ? 2 : d->n_outputs;

        p->decision = d->kind;
        p->n_outputs = d->n_outputs;
        p->output_scale = s->scale;
        for (size_t i = 0; i < d->n_outputs; i++)
                p->outputs[i] = z->place[d->outputs[i]];
        if (d->kind == DECISION_THRESHOLD)
                p->threshold = (int64_t)floor(CLAMP(d->threshold / s->scale, -1e15, 1e15));
        for (size_t i = 0; i < n_labels && i < PROGRAM_OUTPUTS_MAX; i++) {
                p->labels[i] = d->labels.n > i ? d->labels.numbers[i] : (int64_t)i;
                memcpy(p->label_names[i], d->labels.names[i], sizeof(p->label_names[i]));
        }
}

static int quantizer_init(Quantizer *z) {
        const Cells *c = z->c;

        z->class = calloc(c->n + 1, sizeof(*z->class));
        z->unit = calloc(c->n + 1, sizeof(*z->unit));
        z->extent = calloc(c->n + 1, sizeof(*z->extent));
        z->needs = calloc(c->n + 1, sizeof(*z->needs));
        z->scales = calloc(c->n + 1, sizeof(*z->scales));
        z->place = calloc(c->n + 1, sizeof(*z->place));
        z->program = calloc(1, sizeof(*z->program));
        if (!z->class || !z->unit || !z->extent || !z->needs || !z->scales || !z->place ||
            !z->program)
                return -ENOMEM;
        z->program->fields = calloc(c->n_fields, sizeof(*z->program->fields));
        if (!z->program->fields)
                return -ENOMEM;
        for (size_t i = 0; i < c->n; i++)
                z->class[i] = z->place[i] = (uint32_t)i;
        for (size_t i = 0; i < c->n; i++)
                z->extent[i] = 1;
        z->program->n_fields = z->program->n_cells = c->n_fields;
        z->program->precision = z->q->precision;
        z->program->trees_only = z->groups->n > 0;
        snprintf(z->program->name, sizeof(z->program->name), "model");
        for (size_t g = 0; g < z->groups->n; g++)
                if (z->groups->groups[g].kind != STEP_TREES)
                        z->program->trees_only = 0;
        return 0;
}

int quantize(const Cells *c, const Groups *groups, const Calibration *calibration,
             const Interval *field_ranges, const Quantization *q, Program **ret, Error *e) {
        _cleanup_(quantizer_done)
        Quantizer z = {.c = c,
                       .groups = groups,
                       .calibration = calibration,
                       .ranges = calibration ? calibration->ranges : NULL,
                       .field_ranges = field_ranges,
                       .q = q,
                       .e = e};
        int r;

        r = quantizer_init(&z);
        if (r >= 0 && calibration)
                r = quantizer_set_scales(&z);
        if (r >= 0)
                r = set_tree_scales(&z);
        for (size_t i = 0; i < c->n_fields && r >= 0; i++)
                r = quantizer_set_field(&z, i);
        for (size_t g = 0; g < groups->n && r >= 0; g++)
                r = add_step(&z, &groups->groups[g]);
        if (r < 0)
                return r;
        set_decision(&z);
        r = program_check(z.program, e);
        if (r >= 0)
                r = interval_analyse(z.program, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(z.program);
        return 0;
}
