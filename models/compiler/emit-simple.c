/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that compute each output from one or two cells, or the largest of several. */
#include "models/compiler/emit-internal.h"

#include <errno.h>
#include <inttypes.h>

/* From so many outputs on, where they are all alike, a loop. */
#define LOOP_MIN 12

/* Whether n inputs lie side by side in one bank. */
static bool is_run(const Emit *e, const Step *s, size_t from, size_t n) {
        for (size_t i = 1; i < n; i++)
                if (s->inputs[from + i] != s->inputs[from] + i ||
                    emit_bank_of(e, s->inputs[from + i]) != emit_bank_of(e, s->inputs[from]))
                        return false;
        return true;
}

static bool is_alike(const Step *s) {
        if (s->kind == STEP_TABLE || s->kind == STEP_SUM)
                return true;
        for (size_t i = 1; i < s->n_outputs; i++)
                if (memcmp(&s->requant[i], &s->requant[0], sizeof(s->requant[0])) != 0)
                        return false;
        return true;
}

static size_t operands(const Step *s) {
        return s->kind == STEP_PRODUCT || s->kind == STEP_SUM ? 2 : 1;
}

void emit_simple_plan(Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        size_t n = s->n_outputs;

        if (n < LOOP_MIN || s->kind == STEP_MAX || !is_alike(s) || !is_run(e, s, 0, n) ||
            (operands(s) == 2 && !is_run(e, s, n, n)))
                return;
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

        if (s->kind != STEP_TABLE)
                return 0;
        if (s->n_table == 0 ||
            (int64_t)s->n_table != (int64_t)s->requant[0].high - s->requant[0].low + 1)
                return -EINVAL;
        fprintf(e->f, "static const __u%u %s_t%zu[%zu] = {", b->bytes * 8, e->p->name, step, size);
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

/* Outputs from … from + n - 1, which are alike; their operands' bounds together. */
typedef struct Part {
        size_t step;
        size_t from;
        size_t n;
        const char *at;        /* "i" in a loop */
        char x[EMIT_TEXT_MAX]; /* the operands */
        char y[EMIT_TEXT_MAX];
        WideInterval a;
        WideInterval b;
} Part;

static WideInterval join_bounds(const Emit *e, const Step *s, size_t from, size_t n) {
        WideInterval v = {INT64_MAX, INT64_MIN};

        for (size_t i = from; i < from + n; i++) {
                Interval c = emit_bounds(e, s->inputs[i]);

                v.low = MIN(v.low, c.low);
                v.high = MAX(v.high, c.high);
        }
        return v;
}

static WideInterval product_bounds(WideInterval a, WideInterval b) {
        Wide x = a.low * b.low, y = a.low * b.high, z = a.high * b.low, w = a.high * b.high;

        return (WideInterval){MIN(MIN(x, y), MIN(z, w)), MAX(MAX(x, y), MAX(z, w))};
}

static int emit_leaky(const Emit *e, const Step *s, const Part *p, int64_t origin) {
        WideInterval negative = {MIN(p->a.low, 0), MIN(p->a.high, 0)};
        char text[EMIT_TEXT_MAX];
        Scaling q;
        int r = emit_requant(s->requant[p->from], negative, /* origin= */ 0, &q);

        if (r < 0)
                return r;
        /* Of what is not negative, requantisation gives anything: it is masked away. */
        fprintf(e->f, "(x & ~m) + ((");
        emit_scaled(e, &q, "x");
        fprintf(e->f, ") & m) - %s;\n", emit_literal(origin, text));
        return 0;
}

static int emit_sum(const Emit *e, const Step *s, const Part *p, int64_t origin) {
        WideInterval m0 = {s->m0, s->m0}, m1 = {s->m1, s->m1};
        WideInterval a = product_bounds(p->a, m0), b = product_bounds(p->b, m1);
        char text[EMIT_TEXT_MAX + 64];
        Requant q = s->requant[0];
        Scaling scaling;
        int r;

        q.multiplier = 1;
        r = emit_requant(q, (WideInterval){a.low + b.low, a.high + b.high}, origin, &scaling);
        if (r < 0)
                return r;
        snprintf(text, sizeof(text), "x * %" PRId64 " + y * %" PRId64, (int64_t)s->m0,
                 (int64_t)s->m1);
        emit_scaled(e, &scaling, text);
        fputs(";\n", e->f);
        return 0;
}

static int emit_value(const Emit *e, const Step *s, const Part *p, int64_t origin) {
        Scaling q;
        int r;

        switch (s->kind) {
        case STEP_LEAKY:
                return emit_leaky(e, s, p, origin);
        case STEP_SUM:
                return emit_sum(e, s, p, origin);
        case STEP_TABLE:
                r = emit_requant(s->requant[0], p->a, s->requant[0].low, &q);
                if (r < 0)
                        return r;
                fprintf(e->f, "%s_t%zu[(__u32)(", e->p->name, p->step);
                emit_scaled(e, &q, "x");
                fprintf(e->f, ") & 0x%zx];\n", table_size(s) - 1);
                return 0;
        case STEP_PRODUCT:
                r = emit_requant(s->requant[p->from], product_bounds(p->a, p->b), origin, &q);
                if (r < 0)
                        return r;
                emit_scaled(e, &q, "x * y");
                fputs(";\n", e->f);
                return 0;
        default:
                return -EINVAL;
        }
}

static int emit_part(const Emit *e, Part *p) {
        const Step *s = &e->p->steps[p->step];
        const Bank *b = &e->banks[p->step + 1];

        emit_cell(e, s->inputs[p->from], p->at, p->x);
        p->a = join_bounds(e, s, p->from, p->n);
        fprintf(e->f, "\t\tx = %s;\n", p->x);
        if (operands(s) == 2) {
                emit_cell(e, s->inputs[s->n_outputs + p->from], p->at, p->y);
                p->b = join_bounds(e, s, s->n_outputs + p->from, p->n);
                fprintf(e->f, "\t\ty = %s;\n", p->y);
        }
        if (s->kind == STEP_LEAKY)
                fprintf(e->f, "\t\tm = x >> 63;\n\t\t%s_HIDE(m);\n", e->p->name);
        fprintf(e->f, "\t\t%s[%zu%s%s] = ", b->place, p->from, p->at ? " + " : "", p->at ?: "");
        return emit_value(e, s, p, b->low);
}

static void emit_max(const Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        const Bank *b = &e->banks[step + 1];
        size_t group = s->n_inputs / s->n_outputs;
        char text[EMIT_TEXT_MAX];

        for (size_t o = 0; o < s->n_outputs; o++) {
                for (size_t i = 0; i < group; i++) {
                        emit_cell(e, s->inputs[o * group + i], NULL, text);
                        if (i == 0)
                                fprintf(e->f, "\t\tx = %s;\n", text);
                        else
                                fprintf(e->f, "\t\tx = %s_floor(x, %s);\n", e->p->name, text);
                }
                fprintf(e->f, "\t\t%s[%zu] = x - %s;\n", b->place, o, emit_literal(b->low, text));
        }
}

int emit_simple(const Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        int r = 0;

        if (s->kind == STEP_MAX) {
                emit_max(e, step);
                return 0;
        }
        if (operands(s) == 2)
                fputs("\t\t__s64 y;\n\n", e->f);
        if (e->banks[step + 1].indexed) {
                Part p = {.step = step, .n = s->n_outputs, .at = "i"};

                fprintf(e->f, "\t\t%s_ROLLED\n\t\tfor (__u32 i = 0; i < %zu; i++) {\n", e->p->name,
                        s->n_outputs);
                emit_keep(e, s);
                r = emit_part(e, &p);
                fputs("\t\t}\n", e->f);
                return r;
        }
        for (size_t o = 0; o < s->n_outputs && r >= 0; o++) {
                Part p = {.step = step, .from = o, .n = 1};

                r = emit_part(e, &p);
        }
        return r;
}
