/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text around the steps: what it defines, the fields' quantisation, the decision. */
#include "models/compiler/emit-internal.h"

#include <errno.h>
#include <inttypes.h>

/* What cells may take of the 512 bytes of stack that a chain of BPF functions has. */
#define STACK_MAX 192

static int64_t clamp_i64(Wide v, int64_t low, int64_t high) {
        return v < low ? low : v > high ? high : (int64_t)v;
}

static Wide round_shift(Wide v, unsigned shift) {
        return shift ? (v + ((Wide)1 << (shift - 1))) >> shift : v;
}

int64_t emit_field_value(const FieldQuant *q, uint32_t raw) {
        Wide v = (Wide)clamp_i64(raw, q->low, q->high) - q->offset;

        return clamp_i64(round_shift(v * q->requant.multiplier, q->requant.shift), q->requant.low,
                         q->requant.high);
}

Bank *emit_bank_of(const Emit *e, uint32_t cell) {
        size_t low = 0, high = e->n_banks;

        while (high - low > 1) {
                size_t middle = (low + high) / 2;

                if (e->banks[middle].first <= cell)
                        low = middle;
                else
                        high = middle;
        }
        return &e->banks[low];
}

Interval emit_bounds(const Emit *e, uint32_t cell) {
        const Bank *b = emit_bank_of(e, cell);

        if (b == e->banks) {
                const FieldQuant *q = &e->p->fields[cell];
                int64_t x = emit_field_value(q, 0), y = emit_field_value(q, UINT32_MAX);

                return (Interval){MIN(x, y), MAX(x, y)};
        }
        return e->p->steps[b - e->banks - 1].outputs[cell - b->first];
}

const char *emit_literal(int64_t v, char ret[EMIT_TEXT_MAX]) {
        if (v == INT64_MIN)
                snprintf(ret, EMIT_TEXT_MAX, "(-%" PRId64 "LL - 1)", INT64_MAX);
        else if (v > INT32_MAX || v < INT32_MIN)
                snprintf(ret, EMIT_TEXT_MAX, v < 0 ? "(%" PRId64 "LL)" : "%" PRId64 "LL", v);
        else
                snprintf(ret, EMIT_TEXT_MAX, v < 0 ? "(%" PRId64 ")" : "%" PRId64, v);
        return ret;
}

void emit_stored(const Emit *e, uint32_t cell, const char *at, char ret[EMIT_TEXT_MAX]) {
        const Bank *b = emit_bank_of(e, cell);

        snprintf(ret, EMIT_TEXT_MAX, "%s[%" PRIu32 "%s%s]", b->place, cell - b->first,
                 at ? " + " : "", at ?: "");
}

void emit_cell(const Emit *e, uint32_t cell, const char *at, char ret[EMIT_TEXT_MAX]) {
        char stored[EMIT_TEXT_MAX], low[EMIT_TEXT_MAX];
        int64_t origin = emit_bank_of(e, cell)->low;

        emit_stored(e, cell, at, stored);
        if (origin == 0)
                snprintf(ret, EMIT_TEXT_MAX, "(__s64)%.100s", stored);
        else
                snprintf(ret, EMIT_TEXT_MAX, "((__s64)%.100s + %.40s)", stored,
                         emit_literal(origin, low));
}

void emit_set_indexed(Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];

        e->banks[step + 1].indexed = e->banks[step + 1].memory = true;
        for (size_t i = 0; i < s->n_inputs; i++)
                emit_bank_of(e, s->inputs[i])->memory = true;
}

static const char *element_type(const Bank *b) {
        return b->bytes == 1 ? "__u8" : b->bytes == 2 ? "__u16" : "__u32";
}

void emit_keep(const Emit *e, const Step *s) {
        for (size_t i = 0; i < e->n_banks; i++) {
                Bank *b = &e->banks[i];
                bool read = false;

                for (size_t k = 0; k < s->n_inputs && !read; k++)
                        read = emit_bank_of(e, s->inputs[k]) == b;
                if (!read)
                        continue;
                fprintf(e->f, "\t\t\tconst %s *p%zu = %s;\n", element_type(b), i, b->place);
                memcpy(b->kept, b->place, sizeof(b->kept));
                snprintf(b->place, sizeof(b->place), "p%zu", i);
        }
        fputc('\n', e->f);
        for (size_t i = 0; i < e->n_banks; i++)
                if (e->banks[i].kept[0])
                        fprintf(e->f, "\t\t\t%s_KEEP(p%zu);\n", e->p->name, i);
}

void emit_release(const Emit *e) {
        for (size_t i = 0; i < e->n_banks; i++)
                if (e->banks[i].kept[0]) {
                        memcpy(e->banks[i].place, e->banks[i].kept, sizeof(e->banks[i].place));
                        e->banks[i].kept[0] = '\0';
                }
}

/* ---- requantisation ---- */

static bool fits(Wide v) {
        return v >= INT64_MIN && v <= INT64_MAX;
}

int emit_scaling(int64_t multiplier, unsigned shift, Interval clamp, WideInterval v, int64_t origin,
                 bool fold, Scaling *ret) {
        Wide round = shift ? (Wide)1 << (shift - 1) : 0, a = v.low * multiplier,
             b = v.high * multiplier;
        Wide low = round_shift(MIN(a, b), shift), high = round_shift(MAX(a, b), shift);
        Wide add = round - (fold ? (Wide)origin * ((Wide)1 << shift) : 0);

        if (shift > 62 || !fits(a + round) || !fits(b + round) || !fits(add) || !fits(a + add) ||
            !fits(b + add))
                return -ERANGE;
        /* The clamps subtract from what they compare with. */
        if (low < -((Wide)1 << 62) || high > (Wide)1 << 62)
                return -ERANGE;
        *ret = (Scaling){
                .multiplier = multiplier,
                .shift = shift,
                .add = (int64_t)add,
                .after = fold ? 0 : -origin,
                .low = clamp.low - origin,
                .high = clamp.high - origin,
                .clamp_low = low<clamp.low, .clamp_high = high> clamp.high,
        };
        return 0;
}

int emit_requant(Requant q, WideInterval v, int64_t origin, Scaling *ret) {
        Interval clamp = {q.low, q.high};

        if (emit_scaling(q.multiplier, q.shift, clamp, v, origin, /* fold= */ true, ret) >= 0)
                return 0;
        return emit_scaling(q.multiplier, q.shift, clamp, v, origin, /* fold= */ false, ret);
}

void emit_scaled(const Emit *e, const Scaling *s, const char *v) {
        char text[EMIT_TEXT_MAX];

        if (s->clamp_low)
                fprintf(e->f, "%s_floor(", e->p->name);
        if (s->clamp_high)
                fprintf(e->f, "%s_ceiling(", e->p->name);
        fputs("((__s64)(", e->f);
        if (s->multiplier != 1)
                fprintf(e->f, "(__u64)(%s) * (__u64)%s", v, emit_literal(s->multiplier, text));
        else
                fprintf(e->f, "(__u64)(%s)", v);
        if (s->add != 0)
                fprintf(e->f, " + (__u64)%s", emit_literal(s->add, text));
        fputc(')', e->f);
        if (s->shift != 0)
                fprintf(e->f, " >> %u", s->shift);
        fputc(')', e->f);
        if (s->after != 0)
                fprintf(e->f, " + %s", emit_literal(s->after, text));
        if (s->clamp_high)
                fprintf(e->f, ", %s)", emit_literal(s->high, text));
        if (s->clamp_low)
                fprintf(e->f, ", %s)", emit_literal(s->low, text));
}

/* "used": its address counts as taken. Else one of 4, 8, 16 or 32 bytes would go to a section of
 * mergeable constants, while the BTF says .rodata, at a place that another variable has (clang 14),
 * or to a second .rodata (clang 19): the kernel takes no such BTF, bpftool links no such object. */
void emit_table_begin(const Emit *e, const char *type, const char *name, size_t step, size_t n) {
        fprintf(e->f, "static const %s %s_%s%zu[%zu] __attribute__((used)) = {", type, e->p->name,
                name, step, n);
}

void emit_table_u64(const Emit *e, const char *name, size_t step, const uint64_t *t, size_t n) {
        emit_table_begin(e, "__u64", name, step, n);
        for (size_t i = 0; i < n; i++)
                fprintf(e->f, "%s0x%" PRIx64 "ULL,", i % 5 ? " " : "\n\t", t[i]);
        fputs("\n};\n\n", e->f);
}

/* ---- layout ---- */

static void use(Emit *e, uint32_t cell) {
        const Bank *b = emit_bank_of(e, cell);

        if (b == e->banks)
                e->used[cell] = true;
        else
                e->plans[b - e->banks - 1].used = true;
}

/* What the outputs need, from the last step to the first. */
static void mark_used(Emit *e) {
        const Program *p = e->p;

        for (size_t i = 0; i < p->n_outputs; i++)
                use(e, p->outputs[i]);
        for (size_t k = p->n_steps; k-- > 0;) {
                const Step *s = &p->steps[k];

                if (!e->plans[k].used || (s->kind == STEP_TREES && emit_trees_are_raw(p, s)))
                        continue;
                for (size_t i = 0; i < s->n_inputs; i++)
                        use(e, s->inputs[i]);
        }
}

static int bank_plan(Emit *e, size_t i) {
        Bank *b = &e->banks[i];
        int64_t low = INT64_MAX, high = INT64_MIN;

        if (i == 0) {
                b->n = e->p->n_fields;
                for (size_t k = 0; k < b->n; k++)
                        if (e->used[k])
                                b->elements = b->n;
        } else {
                const Step *s = &e->p->steps[i - 1];

                b->first = s->first;
                b->n = s->n_outputs;
                b->elements = e->plans[i - 1].used ? b->n : 0;
        }
        for (size_t k = 0; k < b->n; k++) {
                Interval v = emit_bounds(e, b->first + (uint32_t)k);

                if (i == 0 && !e->used[k])
                        continue;
                if (v.low < INT32_MIN || v.high > INT32_MAX || v.low > v.high)
                        return -ERANGE;
                low = MIN(low, v.low);
                high = MAX(high, v.high);
        }
        if (low > high)
                low = high = 0;
        b->low = low;
        b->bytes = high - low <= UINT8_MAX ? 1 : high - low <= UINT16_MAX ? 2 : 4;
        return 0;
}

#define OUTPUTS_FEW 12

static size_t stack_size(const Emit *e, const Bank *b) {
        if (b->memory)
                return (b->elements * b->bytes + 7) & ~(size_t)7;
        /* Read twice, many outputs are held twice by clang 14. */
        if (e->p->n_outputs > OUTPUTS_FEW && emit_bank_of(e, e->p->outputs[0]) == b)
                return b->elements * 16;
        return b->elements * 8;
}

/* Small banks stay on the stack, the first ones first; what is written by constant index alone ends
 * up in registers, or in eight bytes of stack each. */
static void place_banks(Emit *e) {
        size_t left = STACK_MAX;

        for (size_t i = 0; i < e->n_banks; i++) {
                Bank *b = &e->banks[i];
                size_t size = stack_size(e, b);

                b->in_scratch = size > left;
                if (!b->in_scratch)
                        left -= size;
                snprintf(b->place, sizeof(b->place), "%sc%zu", b->in_scratch ? "scratch->" : "", i);
        }
}

static int plan(Emit *e) {
        const Program *p = e->p;
        int r = 0;

        /* Banks are looked up by their first cell, so all have it before the first look. */
        for (size_t i = 0; i < p->n_steps; i++)
                e->banks[i + 1].first = p->steps[i].first;
        mark_used(e);
        for (size_t i = 0; i < e->n_banks && r >= 0; i++)
                r = bank_plan(e, i);
        for (size_t i = 0; i < p->n_steps && r >= 0; i++) {
                if (!e->plans[i].used)
                        continue;
                switch (p->steps[i].kind) {
                case STEP_AFFINE:
                        r = emit_affine_plan(e, i);
                        break;
                case STEP_TREES:
                        r = emit_trees_plan(e, i);
                        break;
                default:
                        emit_simple_plan(e, i);
                }
        }
        place_banks(e);
        return r;
}

/* ---- text ---- */

static void emit_preamble(const Emit *e) {
        const char *name = e->p->name;

        fprintf(e->f,
                "/* Made by aikm-compile " AIKM_VERSION ": the integer program %s. */\n"
                "#include <linux/types.h>\n\n"
                "#ifndef __always_inline\n"
                "#define __always_inline inline __attribute__((always_inline))\n"
                "#endif\n"
                "#ifndef __noinline\n"
                "#define __noinline __attribute__((noinline))\n"
                "#endif\n\n",
                name);
        fprintf(e->f, "#define %s_FIELDS %zu\n#define %s_CELLS %zu\n#define %s_OUTPUTS %zu\n\n",
                name, e->p->n_fields, name, e->p->n_cells, name, e->p->n_outputs);
        fprintf(e->f,
                "/* A mask that the compiler does not know must not become a branch. */\n"
                "#define %s_HIDE(x) __asm__(\"\" : \"+r\"(x))\n"
                "/* What is computed next comes after this. */\n"
                "#define %s_NEXT(x) __asm__ volatile(\"\" : \"+r\"(x))\n"
                "/* The compiler knows neither p nor what it points to. */\n"
                "#define %s_KEEP(p) __asm__ volatile(\"\" : \"+r\"(p) : : \"memory\")\n"
                "#ifdef __clang__\n"
                "#define %s_ROLLED _Pragma(\"clang loop unroll(disable)\")\n"
                "#else\n"
                "#define %s_ROLLED\n"
                "#endif\n\n",
                name, name, name, name, name);
        fprintf(e->f,
                "static __always_inline __s64 %s_floor(__s64 v, __s64 low)\n{\n"
                "\t__s64 d = v - low, m = d >> 63;\n\n"
                "\t%s_HIDE(m);\n\treturn v - (d & m);\n}\n\n"
                "static __always_inline __s64 %s_ceiling(__s64 v, __s64 high)\n{\n"
                "\t__s64 d = high - v, m = d >> 63;\n\n"
                "\t%s_HIDE(m);\n\treturn v + (d & m);\n}\n\n",
                name, name, name, name);
        fprintf(e->f, "struct %s_raw {\n\t__u32 field[%zu];\n};\n\n", name, e->p->n_fields);
}

static void emit_scratch(const Emit *e) {
        bool needed = false;

        for (size_t i = 0; i < e->n_banks; i++)
                needed |= e->banks[i].in_scratch && e->banks[i].elements > 0;
        for (size_t i = 0; i < e->p->n_steps; i++)
                needed |= e->plans[i].used && e->p->steps[i].kind == STEP_TREES;
        fprintf(e->f, "#define %s_SCRATCH %d /* 0: the struct is of no use */\n", e->p->name,
                needed);
        fprintf(e->f, "struct %s_scratch {\n", e->p->name);
        for (size_t i = 0; i < e->p->n_steps; i++)
                if (e->plans[i].used && e->p->steps[i].kind == STEP_TREES)
                        emit_trees_scratch(e, i);
        for (size_t i = 0; i < e->n_banks; i++)
                if (e->banks[i].in_scratch && e->banks[i].elements > 0)
                        fprintf(e->f, "\t%s c%zu[%zu];\n", element_type(&e->banks[i]), i,
                                e->banks[i].elements);
        fputs("\t__u32 unused;\n};\n\n", e->f);
}

/* Behind what writes a bank in scratch: else the compiler keeps what it wrote in registers, of
 * which there are not as many, and what is left over on the stack, which has no room for it. */
static void emit_written(const Emit *e, size_t bank) {
        const Bank *b = &e->banks[bank];

        if (b->in_scratch && b->elements > 0)
                fprintf(e->f, "\t%s_KEEP(scratch);\n", e->p->name);
}

static int emit_fields(const Emit *e) {
        const Bank *b = &e->banks[0];

        for (size_t i = 0; i < e->p->n_fields; i++) {
                const FieldQuant *q = &e->p->fields[i];
                char text[EMIT_TEXT_MAX];
                WideInterval v = {(Wide)q->low - q->offset, (Wide)q->high - q->offset};
                Scaling s;

                if (!e->used[i])
                        continue;
                if (emit_requant(q->requant, v, b->low, &s) < 0)
                        return -ERANGE;
                /* The offset joins what is added: the sums wrap to the same. */
                s.add = (int64_t)((uint64_t)s.add - (uint64_t)q->offset * (uint64_t)s.multiplier);
                fprintf(e->f, "\tx = raw[%zu];\n", i);
                if (q->low > 0)
                        fprintf(e->f, "\tx = %s_floor(x, %s);\n", e->p->name,
                                emit_literal(q->low, text));
                if (q->high < UINT32_MAX)
                        fprintf(e->f, "\tx = %s_ceiling(x, %s);\n", e->p->name,
                                emit_literal(q->high, text));
                fprintf(e->f, "\t%s[%zu] = ", b->place, i);
                emit_scaled(e, &s, "x");
                fputs(";\n", e->f);
        }
        emit_written(e, 0);
        return 0;
}

static void emit_output(const Emit *e, size_t i, char cell[EMIT_TEXT_MAX]) {
        emit_cell(e, e->p->outputs[i], NULL, cell);
        fprintf(e->f, "\tif (outputs)\n\t\toutputs[%zu] = (__s32)%s;\n", i, cell);
}

/* Each output where it is compared, and one comparison after the other: else the compiler keeps all
 * of them, and all masks, until the end, on a stack that has no room. */
static void emit_decision(const Emit *e) {
        const Program *p = e->p;
        char cell[EMIT_TEXT_MAX], text[EMIT_TEXT_MAX];
        int64_t t = CLAMP(p->threshold, (int64_t)INT32_MIN - 1, (int64_t)INT32_MAX);

        if (p->decision == DECISION_VALUE || p->n_outputs == 0) {
                for (size_t i = 0; i < p->n_outputs; i++)
                        emit_output(e, i, cell);
                fputs("\treturn 0;\n}\n", e->f);
                return;
        }
        emit_output(e, 0, cell);
        fprintf(e->f, "\tx = %s;\n", cell);
        if (p->decision == DECISION_THRESHOLD) {
                fprintf(e->f, "\tm = (%s - x) >> 63;\n\t%s_HIDE(m);\n\treturn m & 1;\n}\n",
                        emit_literal(t, text), p->name);
                return;
        }
        for (size_t i = 1; i < p->n_outputs; i++) {
                emit_output(e, i, cell);
                fprintf(e->f, "\td = %s - x;\n\tm = -d >> 63;\n\t%s_HIDE(m);\n", cell, p->name);
                fprintf(e->f, "\tx += d & m;\n\tdecision += (%zu - decision) & m;\n", i);
                fprintf(e->f, "\t%s_NEXT(decision);\n", p->name);
        }
        fputs("\treturn decision;\n}\n", e->f);
}

static int emit_run(const Emit *e) {
        const Program *p = e->p;
        int r;

        fprintf(e->f,
                "static __always_inline long %s_run(const __u32 *raw, struct %s_scratch *scratch, "
                "__s32 *outputs)\n{\n\t__s64 x, m, d, decision = 0;\n",
                p->name, p->name);
        for (size_t i = 0; i < e->n_banks; i++)
                if (!e->banks[i].in_scratch && e->banks[i].elements > 0)
                        fprintf(e->f, "\t%s c%zu[%zu];\n", element_type(&e->banks[i]), i,
                                e->banks[i].elements);
        fputs("\n\t(void)raw, (void)scratch, (void)x, (void)m, (void)d, (void)decision;\n", e->f);
        r = emit_fields(e);
        for (size_t i = 0; i < p->n_steps && r >= 0; i++) {
                if (!e->plans[i].used)
                        continue;
                fprintf(e->f, "\t{ /* %.*s */\n", (int)strcspn(p->steps[i].name, "*\n\\"),
                        p->steps[i].name);
                if (p->steps[i].kind == STEP_AFFINE)
                        emit_affine(e, i);
                else if (p->steps[i].kind == STEP_TREES)
                        emit_trees(e, i);
                else
                        r = emit_simple(e, i);
                fputs("\t}\n", e->f);
                emit_written(e, i + 1);
        }
        emit_decision(e);
        return r;
}

static int emit_all(Emit *e) {
        int r = plan(e);

        if (r < 0)
                return r;
        emit_preamble(e);
        for (size_t i = 0; i < e->p->n_steps && r >= 0; i++) {
                if (!e->plans[i].used)
                        continue;
                switch (e->p->steps[i].kind) {
                case STEP_AFFINE:
                        emit_affine_tables(e, i);
                        break;
                case STEP_TREES:
                        r = emit_trees_tables(e, i);
                        break;
                default:
                        r = emit_simple_tables(e, i);
                }
        }
        if (r < 0)
                return r;
        emit_scratch(e);
        return emit_run(e);
}

int emit_program(FILE *f, const Program *p) {
        Emit e = {.f = f, .p = p, .n_banks = 1 + p->n_steps};
        int r = -ENOMEM;

        e.banks = calloc(e.n_banks, sizeof(*e.banks));
        e.plans = calloc(e.n_banks, sizeof(*e.plans));
        e.used = calloc(p->n_fields + 1, sizeof(*e.used));
        if (e.banks && e.plans && e.used)
                r = emit_all(&e);
        for (size_t i = 0; e.plans && i < p->n_steps; i++) {
                emit_affine_free(e.plans[i].affine);
                emit_trees_free(e.plans[i].forest);
        }
        free(e.banks);
        free(e.plans);
        free(e.used);
        if (r >= 0 && ferror(f))
                r = -EIO;
        return r;
}
