/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/quantize.h"

#include "models/compiler/interval.h"

/*
 * From cheap to dear. Fields whose largest value is far from the usual one (bytes, times between
 * packets) leave nothing for the usual one if scaled by the largest: the later ways scale them by
 * their deviation and let them become large.
 */
static const Quantization int8_ways[] = {
        {PRECISION_INT8, 127, 0x1p21, 0x1p16, 96, 4095, 511, 0x1p24, 0, 0.5, 1},
        {PRECISION_INT8, 127, 0x1p21, 0, 127, 4095, 511, 0x1p24, 0, 0.5, 1},
        {PRECISION_INT8, 127, 0x1p21, 0, 127, 4095, 511, 0x1p24, 4, 0.5, 1},
        {PRECISION_INT8, 127, 0x1p32, 0, 127, 16383, 511, 0x1p24, 4, 0.5, 1},
};
static const Quantization int16_ways[] = {
        {PRECISION_INT16, 4095, 0x1p32, 0, 1023, 32767, 2047, 0x1p26, 4, 0.5, 2},
        {PRECISION_INT16, 32767, 0x1p60, 0, 32767, 32767, 4095, 0x1p26, 4, 0.5, 2},
};
static const Quantization q16_ways[] = {
        {PRECISION_Q16, 0x1p23, 0x1p62, 0, 0x1p24, 0x1p24, 4095, 0x1p26, 1, 0, 4},
};

const Quantization *quantization_at(Precision p, size_t i) {
        switch (p) {
        case PRECISION_INT8:
                return i < ELEMENTSOF(int8_ways) ? &int8_ways[i] : NULL;
        case PRECISION_INT16:
                return i < ELEMENTSOF(int16_ways) ? &int16_ways[i] : NULL;
        case PRECISION_Q16:
        default:
                return i < ELEMENTSOF(q16_ways) ? &q16_ways[i] : NULL;
        }
}

#define Q16_ONE 65536.0
#define TABLE_ENTRIES_MAX 8192
#define WEIGHT_SHIFT_MAX 40

typedef struct Quantizer {
        const Cells *c;
        const Groups *groups;
        const CellRange *ranges;
        const Interval *field_ranges;
        const Quantization *q;
        uint32_t *class; /* of cells with one scale: union-find */
        double *unit;    /* per cell: the value that becomes needs */
        double *extent;  /* per cell: how many units the largest value is */
        double *needs;   /* per class; 0: not said */
        CellScale *scales;
        uint32_t *place; /* the cell's number in the program */
        Program *program;
        Error *e;
} Quantizer;

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

static int32_t to_i32(double x) {
        return (int32_t)rint(CLAMP(x, (double)INT32_MIN, (double)INT32_MAX));
}

/* Scales. */

static uint32_t find(Quantizer *z, uint32_t cell) {
        while (z->class[cell] != cell)
                cell = z->class[cell] = z->class[z->class[cell]];
        return cell;
}

static void unite(Quantizer *z, uint32_t a, uint32_t b) {
        a = find(z, a);
        b = find(z, b);
        z->class[MAX(a, b)] = MIN(a, b);
}

/* Cells that share a scale: what is compared, what a table maps, both sides of a kink. */
static void unite_cells(Quantizer *z) {
        const Cells *c = z->c;
        const Decision *d = &c->decision;

        for (size_t i = c->n_fields; i < c->n; i++) {
                const Cell *cell = &c->cells[i];

                if (cell->dead)
                        continue;
                if (cell->kind == CELL_LEAKY)
                        unite(z, (uint32_t)i, cell->terms[0].cell);
                for (size_t k = 0; cell->kind == CELL_MAX && k < cell->n_terms; k++)
                        unite(z, (uint32_t)i, cell->terms[k].cell);
                /* One table for each function of the program, not for each step. */
                for (size_t k = i + 1; cell->kind == CELL_FUNCTION && k < c->n; k++)
                        if (!c->cells[k].dead && c->cells[k].kind == CELL_FUNCTION &&
                            function_equal(&cell->function, &c->cells[k].function)) {
                                unite(z, (uint32_t)i, (uint32_t)k);
                                unite(z, cell->terms[0].cell, c->cells[k].terms[0].cell);
                                break; /* that one goes on */
                        }
        }
        for (size_t i = 1; i < d->n_outputs; i++)
                if (c->cells[d->outputs[i]].kind != CELL_TREES)
                        unite(z, d->outputs[0], d->outputs[i]);
}

/* Beyond this a table has nothing new to tell. */
static double function_domain(const Function *f) {
        return f->kind == FUNCTION_SIGMOID ? 10 : f->kind == FUNCTION_TANH ? 5 : 1e30;
}

static double largest(const Quantizer *z, size_t cell) {
        return MAX(fabs(z->ranges[cell].low), fabs(z->ranges[cell].high));
}

/* Of every cell the value that its scale is made from: its class's largest, mixed with its group's.
 */
static int find_units(Quantizer *z) {
        const Cells *c = z->c;
        _cleanup_free_
        double *of_class = calloc(c->n + 1, sizeof(*of_class)), *of_group = NULL;

        of_group = calloc(c->n + 1, sizeof(*of_group));
        if (!of_class || !of_group)
                return -ENOMEM;
        for (size_t i = c->n_fields; i < c->n; i++)
                if (!c->cells[i].dead)
                        of_class[find(z, (uint32_t)i)] = MAX(of_class[find(z, (uint32_t)i)],
                                                             largest(z, i));
        for (size_t i = c->n_fields; i < c->n; i++)
                if (!c->cells[i].dead && c->cells[i].kind == CELL_FUNCTION) {
                        uint32_t k = find(z, c->cells[i].terms[0].cell);

                        of_class[k] = MIN(of_class[k], function_domain(&c->cells[i].function));
                }
        for (size_t g = 0; g < z->groups->n; g++) {
                const Group *group = &z->groups->groups[g];
                double max = 0;

                for (size_t i = 0; i < group->n_outputs; i++)
                        max = MAX(max, of_class[find(z, group->outputs[i])]);
                for (size_t i = 0; i < group->n_outputs; i++) {
                        uint32_t k = find(z, group->outputs[i]);

                        of_group[k] = MAX(of_group[k], max);
                }
        }
        for (size_t i = c->n_fields; i < c->n; i++) {
                double own = of_class[find(z, (uint32_t)i)], all = of_group[find(z, (uint32_t)i)];

                if (own < 1e-30)
                        own = all < 1e-30 ? 1 : all;
                if (all > own)
                        own = pow(own, z->q->balance) * pow(all, 1 - z->q->balance);
                z->unit[i] = own;
        }
        return 0;
}

static bool never_negative(const Cells *c, uint32_t cell) {
        const Cell *x = &c->cells[cell];

        if (x->kind == CELL_MAX)
                return never_negative(c, x->terms[0].cell);
        return (x->kind == CELL_AFFINE && x->low >= 0) ||
               (x->kind == CELL_FUNCTION && x->function.kind == FUNCTION_SIGMOID);
}

/* The largest value that inputs of the row can have while its sum stays in range. */
static double row_capacity(const Quantizer *z, const Cell *row, double range) {
        double most = 0, sum = 0;

        for (size_t k = 0; k < row->n_terms; k++) {
                uint32_t cell = row->terms[k].cell;
                double w = fabs(row->terms[k].weight) * z->unit[cell];

                most = MAX(most, w);
                sum += w * z->extent[cell] * (never_negative(z->c, cell) ? 1 : 2);
        }
        return sum > 0 ? 0.98 * range / (sum / most * z->q->weight_max) : range;
}

static double group_capacity(const Quantizer *z, const Group *g, double range) {
        double least = (double)INFINITY;

        for (size_t o = 0; o < g->n_outputs; o++)
                least = MIN(least, row_capacity(z, &z->c->cells[g->outputs[o]], range));
        return least;
}

/* What largest value the inputs of affine steps get. */
static void find_capacities(Quantizer *z, double *capacity) {
        const Quantization *q = z->q;

        for (size_t g = 0; g < z->groups->n; g++) {
                const Group *group = &z->groups->groups[g];
                double most = 0;

                if (group->kind != STEP_AFFINE && group->kind != STEP_SUM)
                        continue;
                if (q->sum_range_small > 0)
                        most = group_capacity(z, group, q->sum_range_small);
                if (most < q->activation_min)
                        most = group_capacity(z, group, q->sum_range);
                most = CLAMP(floor(most), q->activation_min, q->activation_max);
                for (size_t o = 0; o < group->n_outputs; o++) {
                        const Cell *row = &z->c->cells[group->outputs[o]];

                        for (size_t k = 0; k < row->n_terms; k++)
                                capacity[row->terms[k].cell] = MIN(capacity[row->terms[k].cell],
                                                                   most);
                }
        }
}

static void need(Quantizer *z, uint32_t cell, double max) {
        uint32_t k = find(z, cell);

        z->needs[k] = MAX(z->needs[k], max);
}

static int find_needs(Quantizer *z) {
        const Cells *c = z->c;
        const Quantization *q = z->q;
        _cleanup_free_
        double *capacity = malloc((c->n + 1) * sizeof(*capacity));

        if (!capacity)
                return -ENOMEM;
        for (size_t i = 0; i < c->n; i++)
                capacity[i] = q->activation_max;
        find_capacities(z, capacity);
        for (size_t i = c->n_fields; i < c->n; i++) {
                const Cell *cell = &c->cells[i];

                for (size_t k = 0; !cell->dead && k < cell->n_terms; k++) {
                        uint32_t from = cell->terms[k].cell;

                        if (cell->kind == CELL_FUNCTION)
                                need(z, from, q->table_max);
                        else if (cell->kind == CELL_TREES)
                                need(z, from, q->output_max);
                        else if (cell->kind == CELL_AFFINE || cell->kind == CELL_PRODUCT)
                                need(z, from, capacity[from]);
                }
        }
        for (size_t i = 0; i < c->decision.n_outputs; i++)
                need(z, c->decision.outputs[i], q->output_max);
        return 0;
}

static double power_of_two(double x) {
        return exp2(ceil(log2(x)));
}

static void set_scale(Quantizer *z, uint32_t cell) {
        const Quantization *q = z->q;
        double max = z->needs[find(z, cell)];
        CellScale *s = &z->scales[cell];

        if (max < 1)
                max = q->activation_max;
        s->scale = z->unit[cell] / max;
        if (q->precision == PRECISION_Q16) {
                s->scale = power_of_two(z->unit[cell] / q->activation_max);
                if (max < q->output_max)
                        s->scale = MAX(s->scale, 1 / Q16_ONE);
                max = z->unit[cell] / s->scale * z->q->room;
        }
        s->high = to_i32(max);
        s->low = never_negative(z->c, cell) ? 0 : -s->high;
}

/* Fields. */

static bool is_plain_field(const Quantizer *z, size_t i) {
        return z->ranges && !cells_is_exact_field(z->c, (uint32_t)i);
}

static void set_field_range(Quantizer *z, size_t i) {
        FieldQuant *f = &z->program->fields[i];
        const CellRange *r = &z->ranges[i];
        double low = 0, high = (double)UINT32_MAX, spread = (r->high - r->low) * (z->q->room - 1);

        if (z->field_ranges) {
                low = MAX(low, (double)z->field_ranges[i].low);
                high = MIN(high, (double)z->field_ranges[i].high);
        }
        f->high = (int64_t)MAX(MIN(high, r->high + spread), 1.0);
        f->low = (int64_t)MAX(low, r->low - spread);
        f->low = MIN(f->low, f->high - 1);
        f->offset = z->q->deviations > 0 ? (int64_t)rint(r->mean) : (f->low + f->high) / 2;
        f->offset = CLAMP(f->offset, f->low, f->high);
}

static double field_side(const FieldQuant *f) {
        return (double)MAX(f->high - f->offset, f->offset - f->low);
}

static void set_field_unit(Quantizer *z, size_t i) {
        double side = field_side(&z->program->fields[i]);

        z->unit[i] = side;
        if (z->q->deviations > 0 && z->ranges[i].deviation > 0)
                z->unit[i] = MIN(side, z->q->deviations * z->ranges[i].deviation);
        z->extent[i] = side / z->unit[i];
}

static int set_field(Quantizer *z, size_t i) {
        FieldQuant *f = &z->program->fields[i];
        CellScale *s = &z->scales[i];
        double most = MAX(z->needs[i], 1.0), side;

        if (!is_plain_field(z, i)) {
                *f = forest_field(z->c, (uint32_t)i);
                *s = (CellScale){1, (double)f->offset, f->requant.low, f->requant.high};
                return 0;
        }
        side = field_side(f);
        if (z->q->precision == PRECISION_Q16)
                most = MIN(Q16_ONE, 0x1p30 / z->extent[i]);
        s->scale = z->unit[i] / most;
        s->zero = (double)f->offset;
        s->high = f->requant.high = to_i32(ceil(side / s->scale));
        s->low = f->requant.low = -f->requant.high;
        if (requant_set(&f->requant, 1 / s->scale, side) < 0)
                return error_set(z->e, -EOVERFLOW, "field %zu: its range does not fit", i);
        return 0;
}

static int set_scales(Quantizer *z) {
        const Cells *c = z->c;
        int r;

        unite_cells(z);
        r = find_units(z);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c->n_fields; i++)
                if (is_plain_field(z, i)) {
                        set_field_range(z, i);
                        set_field_unit(z, i);
                } else
                        z->unit[i] = 1;
        r = find_needs(z);
        if (r < 0)
                return r;
        for (size_t i = c->n_fields; i < c->n; i++)
                if (!c->cells[i].dead)
                        set_scale(z, (uint32_t)i);
        return 0;
}

/* Steps. */

static double magnitude(const CellScale *s) {
        return MAX(fabs((double)s->low), fabs((double)s->high));
}

/* One row: its weights against the largest, the bias in their unit, and back to the cell's scale.
 */
static int set_row(Quantizer *z, const Cell *cell, const CellScale *to, const uint32_t *inputs,
                   size_t n, int32_t *weights, int64_t *bias, Requant *requant) {
        const Quantization *q = z->q;
        double real_bias = cell->bias, most = 0, unit, bound;

        for (size_t k = 0; k < cell->n_terms; k++) {
                const CellScale *s = &z->scales[cell->terms[k].cell];

                most = MAX(most, fabs(cell->terms[k].weight) * s->scale);
                real_bias += cell->terms[k].weight * s->zero;
        }
        if (q->precision == PRECISION_Q16) {
                double shift = most > 0 ? floor(log2(q->weight_max * to->scale / most)) : 16;

                unit = ldexp(to->scale, -(int)CLAMP(shift, 0, WEIGHT_SHIFT_MAX));
        } else
                unit = most > 0 ? most / q->weight_max : to->scale / q->weight_max;
        unit = MAX(unit, fabs(real_bias) * 0x1p-52);
        bound = fabs(real_bias / unit);
        *bias = (int64_t)rint(real_bias / unit);
        for (size_t k = 0, i = 0; k < cell->n_terms; k++) {
                const Term *t = &cell->terms[k];
                const CellScale *s = &z->scales[t->cell];
                double w = rint(t->weight * s->scale / unit);

                while (i < n && inputs[i] != t->cell)
                        i++;
                if (i == n)
                        return -EINVAL;
                if (fabs(w) > (double)INT32_MAX)
                        return error_set(z->e, -EOVERFLOW, "a weight of node '%.128s' does not fit",
                                         z->c->graph->nodes[cell->node].name);
                weights[i] = (int32_t)w;
                bound += fabs(w) * magnitude(s);
        }
        requant->low = isinf(cell->low) ? to->low
                                        : CLAMP(to_i32(cell->low / to->scale), to->low, to->high);
        requant->high = isinf(cell->high)
                                ? to->high
                                : CLAMP(to_i32(cell->high / to->scale), to->low, to->high);
        if (requant_set(requant, unit / to->scale, bound) < 0)
                return error_set(z->e, -EOVERFLOW, "a sum of node '%.128s' does not fit 64 bits",
                                 z->c->graph->nodes[cell->node].name);
        return 0;
}

static int fill_sums(Quantizer *z, const Group *g, Step *s, const uint32_t *inputs) {
        size_t n = g->kind == STEP_AFFINE ? g->n_inputs : g->n_terms;

        for (size_t o = 0; o < g->n_outputs; o++) {
                const uint32_t *from = g->kind == STEP_AFFINE ? inputs : inputs + o * n;
                int r = set_row(z, &z->c->cells[g->outputs[o]], &z->scales[g->outputs[o]], from, n,
                                s->weights + o * n, &s->bias[o], &s->requant[o]);

                if (r < 0)
                        return r;
        }
        return 0;
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

        while (reach / ldexp(1, d.shift) * 2 + 3 > TABLE_ENTRIES_MAX)
                d.shift++;
        d.high = to_i32(ceil(reach / ldexp(1, d.shift)));
        d.low = -d.high;
        return d;
}

static int fill_table(Quantizer *z, const Group *g, Step *s, const Domain *d) {
        const Cell *cell = &z->c->cells[g->outputs[0]];
        const CellScale *from = &z->scales[cell->terms[0].cell], *to = &z->scales[g->outputs[0]];

        s->requant[0] = (Requant){
                .multiplier = 1, .shift = d->shift, .low = d->low, .high = d->high};
        for (size_t i = 0; i < s->n_table; i++) {
                double x = ldexp((double)(d->low + (int64_t)i), d->shift) * from->scale;
                double y = function_value(&cell->function, x);

                if (isnan(y))
                        return error_set(z->e, -EINVAL, "node '%.128s' computes no number of %g",
                                         z->c->graph->nodes[cell->node].name, x);
                s->table[i] = CLAMP(to_i32(y / to->scale), to->low, to->high);
        }
        return 0;
}

/* Trees. */

static int fill_trees(Quantizer *z, const Group *g, Step *s) {
        const Forest *f = &z->c->forests[z->c->cells[g->outputs[0]].forest];
        _cleanup_free_
        uint32_t *scores = calloc(g->n_outputs, sizeof(*scores));
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

int quantize(const Cells *c, const Groups *groups, const CellRange *ranges,
             const Interval *field_ranges, const Quantization *q, Program **ret, Error *e) {
        _cleanup_(quantizer_done)
        Quantizer z = {.c = c,
                       .groups = groups,
                       .ranges = ranges,
                       .field_ranges = field_ranges,
                       .q = q,
                       .e = e};
        int r;

        r = quantizer_init(&z);
        if (r >= 0 && ranges)
                r = set_scales(&z);
        if (r >= 0)
                r = set_tree_scales(&z);
        for (size_t i = 0; i < c->n_fields && r >= 0; i++)
                r = set_field(&z, i);
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
