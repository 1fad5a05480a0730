/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Affine layers: several neurons share one 64-bit multiplication.
 *
 * A neuron's sum lies in [low, high]. Where every neuron's range is below 2^21 (2^32), three (two)
 * sums fit side by side into 64 bits: their weights are added up with 21 (32) bits between them,
 * and sum_i (w0 + w1 2^21 + w2 2^42) x_i mod 2^64 is exact whatever the signs, since each lane
 * starts at bias - low and so ends in [0, high - low]. Lanes are taken apart by shift and mask.
 *
 * A block of groups shares each load of an input. Its weights, and what requantises it, are one row
 * of a table of 64-bit words, in the order in which they are read:
 *
 *   start[groups]  weight[input][groups]  (multiplier, addend [, shift])[groups][lanes]
 */
#include "models/compiler/emit-internal.h"

#include <errno.h>
#include <inttypes.h>

/* From this share of weights that are not zero on, a loop over a table is faster than constants in
 * the code. */
#define DENSE 0.6
#define SPARSE_WORDS_MAX 8192
#define BLOCK_MAX 4

struct Affine {
        unsigned lanes;
        unsigned lane_bits;
        size_t groups; /* in a row */
        size_t rows;
        size_t words; /* of a row */
        bool sparse;
        bool shifts;    /* a word for each neuron's shift */
        bool clamps;    /* two words for each neuron's bounds */
        bool clamp_low; /* some neuron needs it */
        bool clamp_high;
        Scaling *scaling; /* [n_outputs] */
        WideInterval *sum;
        uint64_t *table; /* [rows][words] */
};

Affine *emit_affine_free(Affine *a) {
        if (!a)
                return NULL;
        free(a->scaling);
        free(a->sum);
        free(a->table);
        free(a);
        return NULL;
}

/* The sum of each neuron, bias and all. Returns the widest range. */
static Wide find_sums(const Emit *e, const Step *s, Affine *a) {
        Wide widest = 0;

        for (size_t o = 0; o < s->n_outputs; o++) {
                Wide low = s->bias[o], high = s->bias[o];

                for (size_t i = 0; i < s->n_inputs; i++) {
                        Interval x = emit_bounds(e, s->inputs[i]);
                        Wide w = s->weights[o * s->n_inputs + i];

                        low += MIN(w * x.low, w * x.high);
                        high += MAX(w * x.low, w * x.high);
                }
                a->sum[o] = (WideInterval){low, high};
                widest = MAX(widest, high - low);
        }
        return widest;
}

/* Brings all neurons to one shift, the largest, where that fits; rounding stays the same. */
static int scale(const Emit *e, const Step *s, Affine *a, bool one_shift, bool fold) {
        unsigned shift = 0;

        for (size_t o = 0; o < s->n_outputs; o++)
                shift = MAX(shift, s->requant[o].shift);
        for (size_t o = 0; o < s->n_outputs; o++) {
                const Requant *q = &s->requant[o];
                unsigned by = one_shift ? shift - q->shift : 0;
                Interval clamp = {q->low, q->high};
                int r;

                if (by > 31)
                        return -ERANGE;
                r = emit_scaling(q->multiplier * ((int64_t)1 << by), q->shift + by, clamp,
                                 a->sum[o], emit_bank_of(e, s->first)->low, fold, &a->scaling[o]);
                if (r < 0)
                        return r;
                a->shifts |= a->scaling[o].shift != a->scaling[0].shift;
        }
        return 0;
}

static int scale_best(const Emit *e, const Step *s, Affine *a) {
        for (unsigned k = 0; k < 4; k++) {
                a->shifts = false;
                if (scale(e, s, a, /* one_shift= */ k % 2 == 0, /* fold= */ k < 2) >= 0)
                        return 0;
        }
        return -ERANGE;
}

static void choose_clamps(const Step *s, Affine *a) {
        for (size_t o = 0; o < s->n_outputs; o++) {
                const Scaling *q = &a->scaling[o], *first = &a->scaling[0];

                a->clamp_low |= q->clamp_low;
                a->clamp_high |= q->clamp_high;
                a->clamps |= q->low != first->low || q->high != first->high;
        }
        a->clamps &= a->clamp_low || a->clamp_high;
}

/* Roughly the instructions that a block size costs. */
static size_t cost(const Step *s, unsigned lanes, size_t groups, size_t *ret_rows) {
        size_t all = (s->n_outputs + lanes - 1) / lanes;

        *ret_rows = (all + groups - 1) / groups;
        return *ret_rows * (6 + s->n_inputs * (1 + 3 * groups) + groups * (2 + lanes * 16));
}

static void choose_block(const Step *s, Affine *a) {
        size_t least = SIZE_MAX;

        for (size_t groups = 1; groups <= BLOCK_MAX; groups++) {
                size_t rows, n = cost(s, a->lanes, groups, &rows);

                /* Offsets within a row are 16 bits with a sign. */
                if (groups > 1 && s->n_inputs * groups > 3500)
                        break;
                if (n < least) {
                        least = n;
                        a->groups = groups;
                        a->rows = rows;
                }
        }
}

static size_t neuron_words(const Affine *a) {
        return 2 + (a->shifts ? 1 : 0) + (a->clamps ? 2 : 0);
}

/* The weights of one group for one input, packed; 0 beyond the last neuron. */
static uint64_t packed_weight(const Step *s, const Affine *a, size_t group, size_t i) {
        uint64_t w = 0;

        for (unsigned k = 0; k < a->lanes; k++) {
                size_t o = group * a->lanes + k;

                if (o < s->n_outputs)
                        w += (uint64_t)(int64_t)s->weights[o * s->n_inputs + i]
                             << (k * a->lane_bits);
        }
        return w;
}

/* bias - low of each neuron, and what the inputs' banks have taken off them. */
static uint64_t packed_start(const Emit *e, const Step *s, const Affine *a, size_t group) {
        uint64_t start = 0;

        for (unsigned k = 0; k < a->lanes; k++) {
                size_t o = group * a->lanes + k;
                uint64_t lane;

                if (o >= s->n_outputs)
                        break;
                lane = (uint64_t)s->bias[o];
                if (a->lanes > 1)
                        lane -= (uint64_t)a->sum[o].low;
                for (size_t i = 0; i < s->n_inputs; i++)
                        lane += (uint64_t)(int64_t)s->weights[o * s->n_inputs + i] *
                                (uint64_t)emit_bank_of(e, s->inputs[i])->low;
                start += lane << (k * a->lane_bits);
        }
        return start;
}

static void fill_neurons(const Step *s, const Affine *a, size_t group, uint64_t *t) {
        for (unsigned k = 0; k < a->lanes; k++, t += neuron_words(a)) {
                size_t o = group * a->lanes + k;
                const Scaling *q;

                if (o >= s->n_outputs)
                        break;
                q = &a->scaling[o];
                t[0] = (uint64_t)q->multiplier;
                t[1] = (uint64_t)q->add;
                if (a->lanes > 1)
                        t[1] += (uint64_t)a->sum[o].low * t[0];
                if (a->shifts)
                        t[2] = q->shift;
                if (a->clamps) {
                        t[neuron_words(a) - 2] = (uint64_t)q->low;
                        t[neuron_words(a) - 1] = (uint64_t)q->high;
                }
        }
}

static int fill_table(const Emit *e, const Step *s, Affine *a) {
        size_t nonzero = 0, all = a->rows * a->groups * s->n_inputs;

        a->words = a->groups * (1 + s->n_inputs + a->lanes * neuron_words(a));
        a->table = calloc(a->rows * a->words, sizeof(*a->table));
        if (!a->table)
                return -ENOMEM;
        for (size_t row = 0; row < a->rows; row++) {
                uint64_t *t = a->table + row * a->words;

                for (size_t g = 0; g < a->groups; g++) {
                        size_t group = row * a->groups + g;
                        uint64_t *neurons = t + a->groups * (1 + s->n_inputs) +
                                            g * a->lanes * neuron_words(a);

                        t[g] = packed_start(e, s, a, group);
                        for (size_t i = 0; i < s->n_inputs; i++) {
                                uint64_t w = packed_weight(s, a, group, i);

                                t[a->groups * (1 + i) + g] = w;
                                nonzero += w != 0;
                        }
                        fill_neurons(s, a, group, neurons);
                }
        }
        a->sparse = nonzero <= SPARSE_WORDS_MAX && (double)nonzero < DENSE * (double)all;
        return 0;
}

int emit_affine_plan(Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        Bank *b = &e->banks[step + 1];
        Affine *a = calloc(1, sizeof(*a));
        Wide widest;
        int r;

        e->plans[step].affine = a;
        if (!a)
                return -ENOMEM;
        a->scaling = calloc(s->n_outputs, sizeof(*a->scaling));
        a->sum = calloc(s->n_outputs, sizeof(*a->sum));
        if (!a->scaling || !a->sum)
                return -ENOMEM;
        widest = find_sums(e, s, a);
        a->lanes = widest < 1 << 16 ? 4 : widest < 1 << 21 ? 3 : widest < (Wide)1 << 32 ? 2 : 1;
        a->lanes = (unsigned)MIN(a->lanes, s->n_outputs);
        a->lane_bits = 64 / a->lanes;
        r = scale_best(e, s, a);
        if (r < 0)
                return r;
        choose_clamps(s, a);
        choose_block(s, a);
        r = fill_table(e, s, a);
        if (r < 0)
                return r;
        b->elements = a->rows * a->groups * a->lanes;
        if (!a->sparse && a->rows > 1)
                emit_set_indexed(e, step);
        return 0;
}

void emit_affine_tables(const Emit *e, size_t step) {
        const Affine *a = e->plans[step].affine;

        if (!a->sparse)
                emit_table_u64(e, "w", step, a->table, a->rows * a->words);
}

/* A word of the row: from the table, or the constant itself. */
static void emit_word(const Emit *e, const Affine *a, size_t row, size_t word) {
        if (a->sparse)
                fprintf(e->f, "0x%" PRIx64 "ULL", a->table[row * a->words + word]);
        else
                fprintf(e->f, "row[%zu]", word);
}

static void emit_sums(const Emit *e, const Step *s, const Affine *a, size_t row) {
        for (size_t g = 0; g < a->groups; g++) {
                fprintf(e->f, "\t\ta%zu = ", g);
                emit_word(e, a, row, g);
                fputs(";\n", e->f);
        }
        for (size_t i = 0; i < s->n_inputs; i++) {
                char x[EMIT_TEXT_MAX];
                bool loaded = false;

                emit_stored(e, s->inputs[i], NULL, x);
                for (size_t g = 0; g < a->groups; g++) {
                        size_t word = a->groups * (1 + i) + g;

                        if (a->sparse && a->table[row * a->words + word] == 0)
                                continue;
                        if (!loaded)
                                fprintf(e->f, "\t\tv = %s;\n", x);
                        loaded = true;
                        fprintf(e->f, "\t\ta%zu += v * ", g);
                        emit_word(e, a, row, word);
                        /* One after the other: clang would rather have all products first, and
                         * nowhere to put them. */
                        fprintf(e->f, ";\n\t\t%s_NEXT(a%zu);\n", e->p->name, g);
                }
        }
}

static void emit_lane(const Emit *e, const Affine *a, size_t group, unsigned lane) {
        unsigned shift = lane * a->lane_bits;

        if (a->lanes == 1)
                fprintf(e->f, "a%zu", group);
        else if (lane + 1 == a->lanes)
                fprintf(e->f, "(a%zu >> %u)", group, shift);
        else if (a->lane_bits == 32)
                fprintf(e->f, "(__u64)(__u32)a%zu", group); /* the first of two */
        else
                fprintf(e->f, "((a%zu >> %u) & 0x%x)", group, shift, (1U << a->lane_bits) - 1);
}

static void emit_bound(const Emit *e, const Affine *a, size_t row, size_t word, int64_t value) {
        char text[EMIT_TEXT_MAX];

        if (a->clamps) {
                fputs(", (__s64)", e->f);
                emit_word(e, a, row, word);
                fputc(')', e->f);
        } else {
                fprintf(e->f, ", %s)", emit_literal(value, text));
        }
}

static void emit_neuron(const Emit *e, const Affine *a, size_t row, size_t group, unsigned lane) {
        size_t words = neuron_words(a), neuron = group * a->lanes + lane;
        size_t at = a->words - (a->groups * a->lanes - neuron) * words;
        const Scaling *q = &a->scaling[0];
        char text[EMIT_TEXT_MAX];

        if (a->clamp_low)
                fprintf(e->f, "%s_floor(", e->p->name);
        if (a->clamp_high)
                fprintf(e->f, "%s_ceiling(", e->p->name);
        fputs("((__s64)(", e->f);
        emit_lane(e, a, group, lane);
        fputs(" * ", e->f);
        emit_word(e, a, row, at);
        fputs(" + ", e->f);
        emit_word(e, a, row, at + 1);
        fputs(") >> ", e->f);
        if (a->shifts)
                emit_word(e, a, row, at + 2);
        else
                fprintf(e->f, "%u", q->shift);
        fputc(')', e->f);
        if (q->after != 0)
                fprintf(e->f, " + %s", emit_literal(q->after, text));
        if (a->clamp_high)
                emit_bound(e, a, row, at + words - 1, q->high);
        if (a->clamp_low)
                emit_bound(e, a, row, at + words - 2, q->low);
}

/* Nothing of what follows may begin here. */
static void emit_barrier(const Emit *e, const Affine *a) {
        fputs("\t\t__asm__ volatile(\"\" : ", e->f);
        for (size_t g = 0; g < a->groups; g++)
                fprintf(e->f, "%s\"+r\"(a%zu)", g > 0 ? ", " : "", g);
        fputs(" : : \"memory\");\n", e->f);
}

static void emit_row(const Emit *e, size_t step, size_t row) {
        const Affine *a = e->plans[step].affine;
        const Step *s = &e->p->steps[step];
        const Bank *b = &e->banks[step + 1];

        emit_sums(e, s, a, row);
        for (size_t g = 0; g < a->groups; g++)
                for (unsigned k = 0; k < a->lanes; k++) {
                        size_t o = g * a->lanes + k;

                        if (b->indexed)
                                fprintf(e->f, "\t\tto[%zu] = ", o);
                        else
                                fprintf(e->f, "\t\t%s[%zu] = ", b->place,
                                        row * a->groups * a->lanes + o);
                        emit_neuron(e, a, row, g, k);
                        fputs(";\n", e->f);
                        emit_barrier(e, a);
                }
}

void emit_affine(const Emit *e, size_t step) {
        const Affine *a = e->plans[step].affine;
        const Bank *b = &e->banks[step + 1];
        const char *name = e->p->name;

        fputs("\t\t__u64 v", e->f);
        for (size_t g = 0; g < a->groups; g++)
                fprintf(e->f, ", a%zu", g);
        fputs(";\n", e->f);
        if (!a->sparse)
                fprintf(e->f, "\t\tconst __u64 *row = %s_w%zu;\n", name, step);
        if (b->indexed) {
                fprintf(e->f, "\t\t__u%u *to = %s;\n\n\t\t%s_ROLLED\n", b->bytes * 8, b->place,
                        name);
                fprintf(e->f, "\t\tfor (__u32 g = 0; g < %zu; g++, row += %zu, to += %zu) {\n",
                        a->rows, a->words, a->groups * a->lanes);
                emit_keep(e, &e->p->steps[step]);
                emit_row(e, step, 0);
                emit_release(e);
                fputs("\t\t}\n", e->f);
                return;
        }
        fputc('\n', e->f);
        for (size_t row = 0; row < a->rows; row++)
                emit_row(e, step, row);
}
