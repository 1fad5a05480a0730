/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/quantize-internal.h"

#define OUTPUT_LIMIT (1 << 30)

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

double function_domain(const Function *f) {
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

static bool is_from_zero(const Cell *x) {
        return (x->kind == CELL_AFFINE && x->low >= 0) ||
               (x->kind == CELL_FUNCTION && x->function.kind == FUNCTION_SIGMOID);
}

/* Of a maximum as far as its arguments tell at once. */
static bool never_negative(const Cells *c, uint32_t cell) {
        const Cell *x = &c->cells[cell];

        if (x->kind != CELL_MAX)
                return is_from_zero(x);
        for (size_t i = 0; i < x->n_terms; i++)
                if (is_from_zero(&c->cells[x->terms[i].cell]))
                        return true;
        return false;
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
        if (!isfinite(sum))
                return 0; /* set_row() refuses it */
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
        bool decides = max >= q->output_max;
        CellScale *s = &z->scales[cell];

        if (max < 1)
                max = q->activation_max;
        s->scale = z->unit[cell] / max;
        if (q->precision == PRECISION_Q16) {
                s->scale = power_of_two(z->unit[cell] / q->activation_max);
                if (!decides)
                        s->scale = MAX(s->scale, 1 / Q16_ONE);
                max = z->unit[cell] / s->scale * z->q->room;
        }
        /* What is decided by never saturates: two outliers would be equal. */
        s->high = decides ? OUTPUT_LIMIT : to_i32(max);
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

int quantizer_set_field(Quantizer *z, size_t i) {
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

int quantizer_set_scales(Quantizer *z) {
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
