/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forests: tables of nodes, and a loop that goes down several trees at once.
 *
 * A node is 64 bits, threshold << 31 | input << 21 | child << 3. Inputs are kept as input << 31, so
 * node - input is negative where input > threshold: the way goes to the node at byte child << 3, or
 * then to the one behind it. Nothing branches, so there is nothing to mispredict, and nothing that
 * the verifier follows twice; loads of different trees hide each other. Every tree takes the steps
 * of the deepest: a leaf goes to itself, by an input that is always 0, and has its number, or its
 * only output, in the place of the threshold.
 *
 * A comparison is of unsigned 32 bits: of a raw field with the largest raw value whose cell is <=
 * the threshold, which makes the field's quantisation unnecessary, or else of the stored element of
 * a cell. What leaves give is taken off its minimum, so that several outputs fit side by side into
 * 64 bits.
 *
 * Measured against one function of comparisons per tree, on rows in random order: 50 trees of depth
 * 8 467 ns and 3 kB of code, not 1,079 and 98 kB; one of depth 10 14 ns, not 27.
 */
#include "models/compiler/emit-internal.h"

#include <errno.h>
#include <inttypes.h>

#define NODES_MAX ((size_t)1 << 18) /* 21 bits of byte offset */
#define INPUTS_MAX 255              /* and the one that is 0 */
#define THRESHOLD_SHIFT 31
#define INPUT_SHIFT 21
#define SIDE_BY_SIDE 4
#define LEVELS_UNROLLED 16
/* The verifier follows each step, a million instructions in all. */
#define STEPS_MAX 50000

struct Forest {
        bool raw; /* inputs and thresholds are of raw fields */
        unsigned lanes;
        unsigned lane_bits;
        size_t words; /* that a leaf's outputs take */
        size_t n_leaves;
        size_t n_nodes;
        size_t depth;   /* comparisons on the longest way, over all trees */
        int64_t *base;  /* [n_outputs]: the step's base and each tree's least value */
        int64_t *least; /* [n_trees][n_outputs] */
        size_t n_slots; /* inputs that some node reads */
        uint32_t *slot; /* [n_inputs]: where they stand in the array that is made of them */
};

Forest *emit_trees_free(Forest *f) {
        if (!f)
                return NULL;
        free(f->base);
        free(f->least);
        free(f->slot);
        free(f);
        return NULL;
}

bool emit_trees_are_raw(const Program *p, const Step *s) {
        for (size_t i = 0; i < s->n_inputs; i++)
                if (s->inputs[i] >= p->n_fields || p->fields[s->inputs[i]].requant.multiplier <= 0)
                        return false;
        return true;
}

/* ---- thresholds ---- */

typedef enum Way { WAY_BOTH, WAY_YES, WAY_NO } Way;

/* What an unsigned element is compared with in place of the cell, or where all of them go. */
static Way find_threshold(const Emit *e, const Step *s, const Forest *f, const TreeNode *n,
                          uint32_t *ret) {
        uint32_t cell = s->inputs[n->cell];
        int64_t t;

        if (f->raw) {
                const FieldQuant *q = &e->p->fields[cell];
                int64_t low = 0, high = UINT32_MAX; /* of raw: the last that goes to yes */

                if (emit_field_value(q, 0) > n->threshold)
                        return WAY_NO;
                if (emit_field_value(q, UINT32_MAX) <= n->threshold)
                        return WAY_YES;
                while (high - low > 1) {
                        int64_t middle = low + (high - low) / 2;

                        if (emit_field_value(q, (uint32_t)middle) <= n->threshold)
                                low = middle;
                        else
                                high = middle;
                }
                *ret = (uint32_t)low;
                return WAY_BOTH;
        }
        t = CLAMP(n->threshold, (int64_t)INT32_MIN - 1, (int64_t)INT32_MAX + 1) -
            emit_bank_of(e, cell)->low;
        if (t < 0)
                return WAY_NO;
        if (t >= UINT32_MAX)
                return WAY_YES;
        *ret = (uint32_t)t;
        return WAY_BOTH;
}

/* ---- layout ---- */

static size_t tree_depth(const Tree *t, uint32_t *depth) {
        size_t deepest = 0;

        memset(depth, 0, t->n_nodes * sizeof(*depth));
        for (size_t i = 0; i < t->n_nodes; i++) {
                const TreeNode *n = &t->nodes[i];

                deepest = MAX(deepest, depth[i]);
                if (n->cell < 0)
                        continue;
                depth[n->yes] = MAX(depth[n->yes], depth[i] + 1);
                depth[n->no] = MAX(depth[n->no], depth[i] + 1);
        }
        return deepest;
}

/* Returns -EINVAL where a node names what is not there, stands before its parent or has two. */
static int check_tree(const Step *s, const Tree *t) {
        _cleanup_free_
        bool *seen = calloc(t->n_nodes + 1, sizeof(*seen));

        if (!seen)
                return -ENOMEM;
        if (t->n_nodes == 0)
                return -EINVAL;
        for (size_t i = 0; i < t->n_nodes; i++) {
                const TreeNode *n = &t->nodes[i];

                if (n->cell < 0) {
                        if (n->yes >= t->n_leaves)
                                return -EINVAL;
                        continue;
                }
                if ((size_t)n->cell >= s->n_inputs || n->yes <= i || n->no <= i ||
                    n->yes >= t->n_nodes || n->no >= t->n_nodes || n->yes == n->no ||
                    seen[n->yes] || seen[n->no])
                        return -EINVAL;
                seen[n->yes] = seen[n->no] = true;
        }
        return 0;
}

static int measure(const Step *s, Forest *f) {
        for (size_t i = 0; i < s->n_trees; i++) {
                const Tree *t = &s->trees[i];
                _cleanup_free_
                uint32_t *depth = calloc(t->n_nodes + 1, sizeof(*depth));
                int r = check_tree(s, t);

                if (r < 0)
                        return r;
                if (!depth)
                        return -ENOMEM;
                f->n_leaves += t->n_leaves;
                f->n_nodes += t->n_nodes;
                f->depth = MAX(f->depth, tree_depth(t, depth));
        }
        return f->n_nodes > NODES_MAX || s->n_trees * f->depth > STEPS_MAX ? -EFBIG : 0;
}

/* Numbers the inputs that are read. */
static int number_slots(const Step *s, Forest *f) {
        f->slot = malloc((s->n_inputs + 1) * sizeof(*f->slot));
        if (!f->slot)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_inputs; i++)
                f->slot[i] = UINT32_MAX;
        for (size_t i = 0; i < s->n_trees; i++)
                for (size_t k = 0; k < s->trees[i].n_nodes; k++) {
                        int32_t cell = s->trees[i].nodes[k].cell;

                        if (cell >= 0 && f->slot[cell] == UINT32_MAX)
                                f->slot[cell] = (uint32_t)f->n_slots++;
                }
        return f->n_slots > INPUTS_MAX ? -EFBIG : 0;
}

/* How wide each output's sum is, and with it how many fit into a word. */
static int choose_lanes(const Step *s, Forest *f) {
        Wide widest = 0;

        f->base = calloc(s->n_outputs, sizeof(*f->base));
        f->least = calloc(s->n_trees * s->n_outputs + 1, sizeof(*f->least));
        if (!f->base || !f->least)
                return -ENOMEM;
        for (size_t o = 0; o < s->n_outputs; o++) {
                Wide range = 0;

                f->base[o] = s->bias[o];
                for (size_t i = 0; i < s->n_trees; i++) {
                        const Tree *t = &s->trees[i];
                        int64_t low = INT32_MAX, high = INT32_MIN;

                        for (size_t k = 0; k < t->n_leaves; k++) {
                                low = MIN(low, t->values[k * s->n_outputs + o]);
                                high = MAX(high, t->values[k * s->n_outputs + o]);
                        }
                        f->least[i * s->n_outputs + o] = low;
                        f->base[o] = (int64_t)((uint64_t)f->base[o] + (uint64_t)low);
                        range += high - low;
                }
                widest = MAX(widest, range);
        }
        f->lanes = widest < 1 << 16 ? 4 : widest < 1 << 21 ? 3 : widest < (Wide)1 << 32 ? 2 : 1;
        f->lanes = (unsigned)MIN(f->lanes, s->n_outputs);
        f->lane_bits = 64 / f->lanes;
        f->words = (s->n_outputs + f->lanes - 1) / f->lanes;
        return 0;
}

int emit_trees_plan(Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        Forest *f = calloc(1, sizeof(*f));
        int r;

        e->plans[step].forest = f;
        if (!f)
                return -ENOMEM;
        if (s->n_trees == 0)
                return -EINVAL;
        f->raw = emit_trees_are_raw(e->p, s);
        r = measure(s, f);
        if (r >= 0)
                r = choose_lanes(s, f);
        if (r >= 0)
                r = number_slots(s, f);
        return r;
}

/* Word w of what a leaf adds. */
static uint64_t leaf_word(const Step *s, const Forest *f, size_t tree, size_t leaf, size_t w) {
        uint64_t word = 0;

        for (unsigned k = 0; k < f->lanes; k++) {
                size_t o = w * f->lanes + k;

                if (o < s->n_outputs)
                        word += ((uint64_t)(int64_t)s->trees[tree].values[leaf * s->n_outputs + o] -
                                 (uint64_t)f->least[tree * s->n_outputs + o])
                                << (k * f->lane_bits);
        }
        return word;
}

static size_t power_of_two(size_t n) {
        size_t p = 1;

        while (p < n)
                p *= 2;
        return p;
}

/* Leaves' words, where they do not stand in the code: [leaves, rounded up for the mask][words]. */
static void leaf_table(const Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        const Forest *f = e->plans[step].forest;
        size_t size = power_of_two(f->n_leaves);

        emit_table_begin(e, "__u64", "v", step, size * f->words);
        for (size_t i = 0, n = 0; i < s->n_trees; i++)
                for (size_t k = 0; k < s->trees[i].n_leaves; k++)
                        for (size_t w = 0; w < f->words; w++)
                                fprintf(e->f, "%s0x%" PRIx64 "ULL,", n++ % 5 ? " " : "\n\t",
                                        leaf_word(s, f, i, k, w));
        fputs("\n};\n\n", e->f);
}

/* ---- tables ---- */

static size_t table_size(const Forest *f) {
        return power_of_two(f->n_nodes);
}

static size_t array_size(const Forest *f) {
        return power_of_two(f->n_slots + 1);
}

static uint64_t node_word(uint32_t threshold, size_t slot, size_t child) {
        return (uint64_t)threshold << THRESHOLD_SHIFT | (uint64_t)slot << INPUT_SHIFT |
               (uint64_t)child << 3;
}

/* Whether a leaf's word is in its node. */
static bool has_values(const Forest *f) {
        return f->lanes == 1 && f->words == 1;
}

/* Puts the nodes of one tree into the table: its root at position `tree`, then children in pairs
 * from *next on. */
static void place_tree(const Emit *e, size_t step, size_t tree, size_t first_leaf, uint32_t *place,
                       size_t *next, uint64_t *table) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        const Tree *t = &s->trees[tree];

        place[0] = (uint32_t)tree;
        for (size_t i = 0; i < t->n_nodes; i++) {
                const TreeNode *n = &t->nodes[i];
                uint32_t threshold = UINT32_MAX;
                Way way;

                if (n->cell < 0) {
                        uint64_t v = has_values(f) ? leaf_word(s, f, tree, n->yes, 0)
                                                   : first_leaf + n->yes;

                        table[place[i]] = node_word((uint32_t)v, f->n_slots, place[i]);
                        continue;
                }
                place[n->yes] = (uint32_t)*next;
                place[n->no] = (uint32_t)*next + 1;
                *next += 2;
                way = find_threshold(e, s, f, n, &threshold);
                table[place[i]] = node_word(threshold, f->slot[n->cell],
                                            place[way == WAY_NO ? n->no : n->yes]);
        }
}

static int node_table(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        /* A node that nothing leads to still has a place; one more for the carry. */
        size_t size = table_size(f) + 1, next = s->n_trees, leaf = 0;
        _cleanup_free_
        uint64_t *table = calloc(size, sizeof(*table));

        if (!table)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_trees; i++) {
                _cleanup_free_
                uint32_t *place = calloc(s->trees[i].n_nodes, sizeof(*place));

                if (!place)
                        return -ENOMEM;
                place_tree(e, step, i, leaf, place, &next, table);
                leaf += s->trees[i].n_leaves;
        }
        emit_table_u64(e, "n", step, table, size);
        return 0;
}

/* ---- statements ---- */

/* One step in each of n trees, then, at the last, what their leaves add. */
static void emit_level(const Emit *e, size_t step, size_t n) {
        const Forest *f = e->plans[step].forest;

        for (size_t i = 0; i < n; i++)
                fprintf(e->f,
                        "\t\t\tlook = n%zu - *(const __u64 *)(in + (n%zu >> %d & 0x%zx));\n"
                        "\t\t\t%s_HIDE(look);\n"
                        "\t\t\tn%zu = *(const __u64 *)(nodes + (n%zu & 0x%zx) + (look >> 60 & "
                        "8));\n",
                        i, i, INPUT_SHIFT - 3, array_size(f) * 8 - 8, e->p->name, i, i,
                        table_size(f) * 8 - 8);
}

static void emit_leaves(const Emit *e, size_t step, size_t n) {
        const Forest *f = e->plans[step].forest;

        for (size_t i = 0; i < n; i++)
                for (size_t w = 0; w < f->words; w++) {
                        fprintf(e->f, "\t\t\ts%zu += ", w);
                        if (has_values(f))
                                fprintf(e->f, "n%zu >> %d;\n", i, THRESHOLD_SHIFT);
                        else
                                fprintf(e->f, "%s_v%zu[(n%zu >> %d & 0x%zx) * %zu + %zu];\n",
                                        e->p->name, step, i, THRESHOLD_SHIFT,
                                        power_of_two(f->n_leaves) - 1, f->words, w);
                }
}

/* From the roots of n trees, the first of which root points to, to their leaves. */
static void emit_descent(const Emit *e, size_t step, size_t n) {
        const Forest *f = e->plans[step].forest;
        bool rolled = f->depth > LEVELS_UNROLLED;

        for (size_t i = 0; i < n; i++)
                fprintf(e->f, "\t\t\tn%zu = root[%zu];\n", i, i);
        if (rolled)
                fprintf(e->f, "\t\t\t%s_ROLLED\n\t\t\tfor (__u32 l = 0; l < %zu; l++) {\n",
                        e->p->name, f->depth);
        for (size_t i = 0; i < (rolled ? 1 : f->depth); i++)
                emit_level(e, step, n);
        if (rolled)
                fputs("\t\t\t}\n", e->f);
        emit_leaves(e, step, n);
}

static void emit_walk(const Emit *e, size_t step) {
        const Step *s = &e->p->steps[step];
        size_t turns = s->n_trees / SIDE_BY_SIDE, rest = s->n_trees % SIDE_BY_SIDE;

        fprintf(e->f, "\t\t%s_KEEP(in);\n\t\t%s_KEEP(nodes);\n", e->p->name, e->p->name);
        if (turns > 0) {
                fprintf(e->f, "\t\t%s_ROLLED\n\t\tfor (__u32 t = 0; t < %zu; t++, root += %d) {\n",
                        e->p->name, turns, SIDE_BY_SIDE);
                emit_descent(e, step, SIDE_BY_SIDE);
                fputs("\t\t}\n", e->f);
        }
        if (rest > 0)
                emit_descent(e, step, rest);
}

/* Copies the inputs, in the form in which they are compared. */
static void emit_inputs(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        char text[EMIT_TEXT_MAX];

        for (size_t i = 0; i < s->n_inputs; i++) {
                if (f->slot[i] == UINT32_MAX)
                        continue;
                if (f->raw)
                        snprintf(text, sizeof(text), "raw[%" PRIu32 "]", s->inputs[i]);
                else
                        emit_stored(e, s->inputs[i], NULL, text);
                fprintf(e->f, "\t\tscratch->in%zu[%" PRIu32 "] = (__u64)%s << %d;\n", step,
                        f->slot[i], text, THRESHOLD_SHIFT);
        }
        fprintf(e->f, "\t\tscratch->in%zu[%zu] = 0;\n", step, f->n_slots);
}

static void emit_declarations(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;

        fputs("\t\t__u64 look", e->f);
        for (size_t i = 0; i < MIN(e->p->steps[step].n_trees, (size_t)SIDE_BY_SIDE); i++)
                fprintf(e->f, ", n%zu", i);
        for (size_t w = 0; w < f->words; w++)
                fprintf(e->f, ", s%zu = 0", w);
        fprintf(e->f, ";\n\t\tconst __u64 *root = %s_n%zu;\n", e->p->name, step);
        fputs("\t\tconst char *nodes = (const char *)root;\n", e->f);
        fprintf(e->f, "\t\tconst char *in = (const char *)scratch->in%zu;\n\n", step);
}

void emit_trees(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        const Bank *b = &e->banks[step + 1];
        char text[EMIT_TEXT_MAX];

        emit_declarations(e, step);
        emit_inputs(e, step);
        emit_walk(e, step);
        if (f->depth == 0)
                fputs("\t\t(void)look;\n", e->f);
        for (size_t o = 0; o < s->n_outputs; o++) {
                unsigned shift = (unsigned)(o % f->lanes) * f->lane_bits;
                uint64_t mask = f->lanes > 1 ? ((uint64_t)1 << f->lane_bits) - 1 : UINT64_MAX;

                fprintf(e->f, "\t\t%s[%zu] = (s%zu >> %u & 0x%" PRIx64 "ULL) + (__u64)%s;\n",
                        b->place, o, o / f->lanes, shift, mask,
                        emit_literal((int64_t)((uint64_t)f->base[o] - (uint64_t)b->low), text));
        }
}

void emit_trees_scratch(const Emit *e, size_t step) {
        fprintf(e->f, "\t__u64 in%zu[%zu];\n", step, array_size(e->plans[step].forest));
}

int emit_trees_tables(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;

        if (!has_values(f))
                leaf_table(e, step);
        return node_table(e, step);
}
