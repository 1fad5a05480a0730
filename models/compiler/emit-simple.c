/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that compute each output from a few cells. */
#include "models/compiler/emit-internal.h"

#include <errno.h>
#include <inttypes.h>

/* From so many outputs on, where they are all alike, a loop. */
#define LOOP_MIN 12

/* Cells that one output is computed from. */
static size_t operands(const Step *s) {
        return s->kind == STEP_PRODUCT                      ? 2
               : s->kind == STEP_SUM || s->kind == STEP_MAX ? s->n_inputs / s->n_outputs
                                                            : 1;
}

static uint32_t operand(const Step *s, size_t o, size_t k) {
        return s->inputs[s->kind == STEP_PRODUCT ? k * s->n_outputs + o : o * operands(s) + k];
}

static bool is_equal(const Requant *a, const Requant *b) {
        return a->multiplier == b->multiplier && a->shift == b->shift && a->low == b->low &&
               a->high == b->high;
}

/* Whether each output is computed as the first one, from cells beside those. */
static bool is_alike(const Emit *e, const Step *s) {
        size_t n = operands(s);

        for (size_t o = 1; o < s->n_outputs; o++) {
                if (s->kind != STEP_TABLE && s->kind != STEP_MAX &&
                    !is_equal(&s->requant[o], &s->requant[0]))
                        return false;
                if (s->kind == STEP_SUM && s->bias[o] != s->bias[0])
                        return false;
                for (size_t k = 0; k < n; k++) {
                        uint32_t first = operand(s, 0, k), cell = operand(s, o, k);

                        if (cell != first + o || emit_bank_of(e, cell) != emit_bank_of(e, first))
                                return false;
                        if (s->kind == STEP_SUM && s->weights[o * n + k] != s->weights[k])
                                return false;
                }
        }
        return true;
}

void emit_simple_plan(Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];

        if (s->n_outputs >= LOOP_MIN && is_alike(e, s))
                emit_set_indexed(e, step);
}

/* ---- tables ---- */

static size_t table_size(const Step *s) {
        size_t size = 1;

        while (size < s->n_table)
                size *= 2;
        return size;
}

/* As many entries as the index's mask lets through; each as the bank stores it. */
int emit_simple_tables(const Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        const Bank *b = &e->banks[step + 1];
        size_t size = table_size(s);
        char type[16];

        if (s->kind != STEP_TABLE)
                return 0;
        if (s->n_table == 0 ||
            (int64_t)s->n_table != (int64_t)s->requant[0].high - s->requant[0].low + 1)
                return -EINVAL;
        (void)snprintf(type, sizeof(type), "__u%u", b->bytes * 8);
        emit_table_begin(e, type, "t", step, size);
        for (size_t i = 0; i < size; i++) {
                int64_t v = s->table[MIN(i, s->n_table - 1)] - b->low;

                /* Entries that no index reaches may lie outside of what the step is proved to give.
                 */
                fprintf(e->f, "%s%" PRIu32 ",", i % 10 ? " " : "\n\t",
                        (uint32_t)CLAMP(v, 0, (int64_t)(UINT32_MAX >> (32 - 8 * b->bytes))));
        }
        fputs("\n};\n\n", e->f);
        return 0;
}

/* ---- statements ---- */

/* Output o, or in a loop, where `at` is the index, all of them, which are alike. */
typedef struct Part {
        const Emit *e;
        size_t step;
        const Step *s;
        size_t o;
        const char *at;
} Part;

static void part_cell(const Part *p, size_t k, char ret[EMIT_TEXT_MAX]) {
        emit_cell(p->e, operand(p->s, p->o, k), p->at, ret);
}

/* Of operand k. */
static WideInterval part_bounds(const Part *p, size_t k) {
        WideInterval v = {INT64_MAX, INT64_MIN};

        for (size_t o = p->o; o < (p->at ? p->s->n_outputs : p->o + 1); o++) {
                Interval c = emit_bounds(p->e, operand(p->s, o, k));

                v.low = MIN(v.low, c.low);
                v.high = MAX(v.high, c.high);
        }
        return v;
}

static WideInterval product_bounds(WideInterval a, WideInterval b) {
        Wide x = a.low * b.low, y = a.low * b.high, z = a.high * b.low, w = a.high * b.high;

        return (WideInterval){MIN(MIN(x, y), MIN(z, w)), MAX(MAX(x, y), MAX(z, w))};
}

static void part_target(const Part *p) {
        fprintf(p->e->f, "\t\t%s[%zu%s%s] = ", p->e->banks[p->step + 1].place, p->o,
                p->at ? " + " : "", p->at ?: "");
}

static int emit_leaky(const Part *p, int64_t origin) {
        WideInterval x = part_bounds(p, 0), negative = {MIN(x.low, 0), MIN(x.high, 0)};
        char text[EMIT_TEXT_MAX];
        Scaling q;
        int r = emit_requant(p->s->requant[p->o], negative, /* origin= */ 0, &q);

        if (r < 0)
                return r;
        part_cell(p, 0, text);
        fprintf(p->e->f, "\t\tx = %s;\n\t\tm = x >> 63;\n\t\t%s_HIDE(m);\n", text, p->e->p->name);
        part_target(p);
        /* Of what is not negative, requantisation may give anything: it is masked away. */
        fputs("(x & ~m) + ((", p->e->f);
        emit_scaled(p->e, &q, "x");
        fprintf(p->e->f, ") & m) - %s;\n", emit_literal(origin, text));
        return 0;
}

static int emit_sum(const Part *p, int64_t origin) {
        const Step *s = p->s;
        size_t n = operands(s);
        WideInterval v = {s->bias[p->o], s->bias[p->o]};
        char text[EMIT_TEXT_MAX], weight[EMIT_TEXT_MAX];
        Scaling q;
        int r;

        fprintf(p->e->f, "\t\tx = %s;\n", emit_literal(s->bias[p->o], text));
        for (size_t k = 0; k < n; k++) {
                int64_t w = s->weights[p->o * n + k];
                WideInterval term = product_bounds(part_bounds(p, k), (WideInterval){w, w});

                v.low += term.low;
                v.high += term.high;
                part_cell(p, k, text);
                fprintf(p->e->f, "\t\tx += %s * %s;\n", text, emit_literal(w, weight));
        }
        r = emit_requant(s->requant[p->o], v, origin, &q);
        if (r < 0)
                return r;
        part_target(p);
        emit_scaled(p->e, &q, "x");
        fputs(";\n", p->e->f);
        return 0;
}

static int emit_product(const Part *p, int64_t origin) {
        char text[EMIT_TEXT_MAX];
        Scaling q;
        int r = emit_requant(p->s->requant[p->o],
                             product_bounds(part_bounds(p, 0), part_bounds(p, 1)), origin, &q);

        if (r < 0)
                return r;
        part_cell(p, 0, text);
        fprintf(p->e->f, "\t\tx = %s;\n", text);
        part_cell(p, 1, text);
        fprintf(p->e->f, "\t\tx *= %s;\n", text);
        part_target(p);
        emit_scaled(p->e, &q, "x");
        fputs(";\n", p->e->f);
        return 0;
}

static int emit_table(const Part *p) {
        const Requant *requant = &p->s->requant[0];
        char text[EMIT_TEXT_MAX];
        Scaling q;
        int r = emit_requant(*requant, part_bounds(p, 0), requant->low, &q);

        if (r < 0)
                return r;
        part_cell(p, 0, text);
        fprintf(p->e->f, "\t\tx = %s;\n", text);
        part_target(p);
        fprintf(p->e->f, "%s_t%zu[(__u32)(", p->e->p->name, p->step);
        emit_scaled(p->e, &q, "x");
        fprintf(p->e->f, ") & 0x%zx];\n", table_size(p->s) - 1);
        return 0;
}

static int emit_max(const Part *p, int64_t origin) {
        char text[EMIT_TEXT_MAX];

        part_cell(p, 0, text);
        fprintf(p->e->f, "\t\tx = %s;\n", text);
        for (size_t k = 1; k < operands(p->s); k++) {
                part_cell(p, k, text);
                fprintf(p->e->f, "\t\tx = %s_floor(x, %s);\n", p->e->p->name, text);
        }
        part_target(p);
        fprintf(p->e->f, "x - %s;\n", emit_literal(origin, text));
        return 0;
}

static int emit_part(const Part *p) {
        int64_t origin = p->e->banks[p->step + 1].low;

        switch (p->s->kind) {
        case STEP_LEAKY:
                return emit_leaky(p, origin);
        case STEP_SUM:
                return emit_sum(p, origin);
        case STEP_TABLE:
                return emit_table(p);
        case STEP_PRODUCT:
                return emit_product(p, origin);
        case STEP_MAX:
                return emit_max(p, origin);
        default:
                return -EINVAL;
        }
}

int emit_simple(const Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        Part p = {.e = e, .step = step, .s = s};
        int r = 0;

        if (e->banks[step + 1].indexed) {
                p.at = "i";
                fprintf(e->f, "\t\t%s_ROLLED\n\t\tfor (__u32 i = 0; i < %zu; i++) {\n", e->p->name,
                        s->n_outputs);
                emit_keep(e, s);
                r = emit_part(&p);
                emit_release(e);
                fputs("\t\t}\n", e->f);
                return r;
        }
        for (; p.o < s->n_outputs && r >= 0; p.o++)
                r = emit_part(&p);
        return r;
}
