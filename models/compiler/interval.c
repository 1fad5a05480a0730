/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/compiler/interval.h"

/* Products are taken in 128 bits, where those of any 64-bit and 32-bit number fit. */
typedef __int128 Wide;

typedef struct Bounds {
        Wide low;
        Wide high;
} Bounds;

static Bounds times(Interval x, int64_t factor) {
        Wide a = (Wide)x.low * factor, b = (Wide)x.high * factor;

        return (Bounds){.low = MIN(a, b), .high = MAX(a, b)};
}

static Wide rsh(Wide v, unsigned s) {
        return s == 0 ? v : (v + ((Wide)1 << (s - 1))) >> s;
}

/* False where v * multiplier with its rounding leaves 64 bits. */
static bool requant(Bounds v, const Requant *q, Interval *ret) {
        Wide half = q->shift == 0 ? 0 : (Wide)1 << (q->shift - 1);
        Wide a = v.low * q->multiplier, b = v.high * q->multiplier;
        Bounds product = {.low = MIN(a, b), .high = MAX(a, b)};

        if (product.low < INT64_MIN || product.high + half > INT64_MAX)
                return false;
        *ret = (Interval){
                .low = (int64_t)CLAMP(rsh(product.low, q->shift), q->low, q->high),
                .high = (int64_t)CLAMP(rsh(product.high, q->shift), q->low, q->high),
        };
        return true;
}

bool interval_of_field(const FieldQuant *q, Interval *ret) {
        return requant((Bounds){(Wide)q->low - q->offset, (Wide)q->high - q->offset}, &q->requant,
                       ret);
}

static int refuse(const Program *p, const Step *s, size_t output, const char *what, Error *e) {
        return error_set(e, -EOVERFLOW, "step %zu (%s '%s') output %zu: %s", (size_t)(s - p->steps),
                         step_kind_name(s->kind), s->name, output, what);
}

/* All partial sums in any order: 0 and the bias count, too. */
static void accumulate(Bounds *sum, Bounds term) {
        sum->low += MIN(term.low, (Wide)0);
        sum->high += MAX(term.high, (Wide)0);
}

static int analyse_sums(const Program *p, Step *s, const Interval *cells, Error *e) {
        bool affine = s->kind == STEP_AFFINE;
        size_t n = affine ? s->n_inputs : s->n_inputs / s->n_outputs;
        Bounds all = {0, 0};

        for (size_t o = 0; o < s->n_outputs; o++) {
                const uint32_t *inputs = affine ? s->inputs : s->inputs + o * n;
                Bounds partial = {0, 0}, sum = {s->bias[o], s->bias[o]};

                accumulate(&partial, sum);
                for (size_t i = 0; i < n; i++) {
                        Bounds term = times(cells[inputs[i]], s->weights[o * n + i]);

                        accumulate(&partial, term);
                        sum.low += term.low;
                        sum.high += term.high;
                }
                if (partial.low < INT64_MIN || partial.high > INT64_MAX)
                        return refuse(p, s, o, "a sum that 64 bits do not hold", e);
                if (!requant(sum, &s->requant[o], &s->outputs[o]))
                        return refuse(p, s, o, "sum times multiplier beyond 64 bits", e);
                all.low = MIN(all.low, partial.low);
                all.high = MAX(all.high, partial.high);
        }
        s->accumulator = (Interval){.low = (int64_t)all.low, .high = (int64_t)all.high};
        s->wide = all.low < INT32_MIN || all.high > INT32_MAX;
        return 0;
}

static int analyse_leaky(const Program *p, Step *s, const Interval *cells, Error *e) {
        for (size_t o = 0; o < s->n_outputs; o++) {
                Interval x = cells[s->inputs[o]], y;
                Bounds negative = {x.low, MIN(x.high, (int64_t)-1)};

                s->outputs[o] = x;
                if (x.low >= 0)
                        continue;
                if (!requant(negative, &s->requant[o], &y))
                        return refuse(p, s, o, "value times slope beyond 64 bits", e);
                if (x.high >= 0) {
                        y.low = MIN(y.low, (int64_t)0);
                        y.high = MAX(y.high, x.high);
                }
                s->outputs[o] = y;
        }
        return 0;
}

static int analyse_table(const Program *p, Step *s, const Interval *cells, Error *e) {
        const Requant *q = &s->requant[0];

        for (size_t o = 0; o < s->n_outputs; o++) {
                Interval x = cells[s->inputs[o]], at, *y = &s->outputs[o];

                if (!requant((Bounds){x.low, x.high}, q, &at))
                        return refuse(p, s, o, "value times multiplier beyond 64 bits", e);
                *y = (Interval){INT32_MAX, INT32_MIN};
                for (int64_t i = at.low - q->low; i <= at.high - q->low; i++) {
                        y->low = MIN(y->low, (int64_t)s->table[i]);
                        y->high = MAX(y->high, (int64_t)s->table[i]);
                }
        }
        return 0;
}

static int analyse_product(const Program *p, Step *s, const Interval *cells, Error *e) {
        for (size_t o = 0; o < s->n_outputs; o++) {
                Interval b = cells[s->inputs[s->n_outputs + o]];
                Bounds low = times(cells[s->inputs[o]], b.low);
                Bounds high = times(cells[s->inputs[o]], b.high);
                Bounds v = {.low = MIN(low.low, high.low), .high = MAX(low.high, high.high)};

                if (!requant(v, &s->requant[o], &s->outputs[o]))
                        return refuse(p, s, o, "product times multiplier beyond 64 bits", e);
        }
        return 0;
}

static void analyse_max(Step *s, const Interval *cells) {
        size_t group = s->n_inputs / s->n_outputs;

        for (size_t o = 0; o < s->n_outputs; o++) {
                Interval *y = &s->outputs[o];

                *y = cells[s->inputs[o * group]];
                for (size_t i = o * group + 1; i < (o + 1) * group; i++) {
                        y->low = MAX(y->low, cells[s->inputs[i]].low);
                        y->high = MAX(y->high, cells[s->inputs[i]].high);
                }
        }
}

static int analyse_trees(const Program *p, Step *s, Error *e) {
        Bounds all = {0, 0};

        for (size_t o = 0; o < s->n_outputs; o++) {
                Bounds partial = {0, 0}, sum = {s->bias[o], s->bias[o]};

                accumulate(&partial, sum);
                for (size_t t = 0; t < s->n_trees; t++) {
                        const Tree *tree = &s->trees[t];
                        Bounds leaf = {tree->values[o], tree->values[o]};

                        for (size_t i = 1; i < tree->n_leaves; i++) {
                                leaf.low = MIN(leaf.low, (Wide)tree->values[i * s->n_outputs + o]);
                                leaf.high = MAX(leaf.high,
                                                (Wide)tree->values[i * s->n_outputs + o]);
                        }
                        accumulate(&partial, leaf);
                        sum.low += leaf.low;
                        sum.high += leaf.high;
                }
                if (partial.low < INT32_MIN || partial.high > INT32_MAX)
                        return refuse(p, s, o, "a sum of leaves that 32 bits do not hold", e);
                s->outputs[o] = (Interval){.low = (int64_t)sum.low, .high = (int64_t)sum.high};
                all.low = MIN(all.low, partial.low);
                all.high = MAX(all.high, partial.high);
        }
        s->accumulator = (Interval){.low = (int64_t)all.low, .high = (int64_t)all.high};
        return 0;
}

static int analyse_step(const Program *p, Step *s, const Interval *cells, Error *e) {
        switch (s->kind) {
        case STEP_AFFINE:
        case STEP_SUM:
                return analyse_sums(p, s, cells, e);
        case STEP_LEAKY:
                return analyse_leaky(p, s, cells, e);
        case STEP_TABLE:
                return analyse_table(p, s, cells, e);
        case STEP_PRODUCT:
                return analyse_product(p, s, cells, e);
        case STEP_MAX:
                analyse_max(s, cells);
                return 0;
        case STEP_TREES:
                return analyse_trees(p, s, e);
        default:
                return -EINVAL;
        }
}

int interval_analyse(Program *p, Error *e) {
        _cleanup_free_
        Interval *cells = calloc(MAX(p->n_cells, (size_t)1), sizeof(*cells));

        if (!cells)
                return error_set(e, -ENOMEM, "out of memory");
        for (size_t i = 0; i < p->n_fields; i++)
                if (!interval_of_field(&p->fields[i], &cells[i]))
                        return error_set(e, -EOVERFLOW,
                                         "field %zu: value times multiplier beyond 64 bits", i);
        for (size_t i = 0; i < p->n_steps; i++) {
                Step *s = &p->steps[i];
                int r = analyse_step(p, s, cells, e);

                if (r < 0)
                        return r;
                memcpy(cells + s->first, s->outputs, s->n_outputs * sizeof(*cells));
        }
        return 0;
}
