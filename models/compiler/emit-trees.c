/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forests: each tree a function of comparisons, or all of them tables that one loop walks.
 *
 * The functions are global, so that the verifier looks at each once and by itself; inlined, or
 * static with a decision behind them, their leaves multiply. A comparison is of unsigned 32 bits:
 * a raw field with the largest raw value whose cell is <= the threshold, which makes the field's
 * quantisation unnecessary, or else the stored element of a cell.
 *
 * In the tables a node is 64 bits, threshold << 32 | byte offset of its input << 22 | child: the
 * way goes to child where input <= threshold, else to the node behind it, without a branch to
 * mispredict. Every tree takes the steps of the deepest: a leaf goes to itself, by an input that is
 * always 0, and has its number, or its only output, where others have the threshold.
 *
 * What leaves give is taken off its minimum, so that several outputs fit side by side into 64 bits.
 */
#include "models/compiler/emit-internal.h"

#include <errno.h>
#include <inttypes.h>

/* A program has at most 256 functions, and a jump goes at most 32767 instructions far. */
#define FUNCTIONS_MAX 200
#define FUNCTION_NODES_MAX 4096
#define WALK_NODES_MAX ((size_t)1 << 18)
#define WALK_INPUTS_MAX 255
#define WALK_CHILD_BITS 22
/* The verifier follows each of a walk's steps, a million instructions in all. */
#define WALK_STEPS_MAX 50000

struct Forest {
        bool raw;  /* thresholds are of raw fields */
        bool walk; /* tables, not functions */
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
        size_t largest = 0;

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
                largest = MAX(largest, t->n_nodes);
        }
        f->walk = s->n_trees > FUNCTIONS_MAX || largest > FUNCTION_NODES_MAX;
        if (f->n_nodes > WALK_NODES_MAX || (f->walk && s->n_trees * f->depth > WALK_STEPS_MAX))
                return -EFBIG;
        return 0;
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
        return f->walk && f->n_slots > WALK_INPUTS_MAX ? -EFBIG : 0;
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

        fprintf(e->f, "static const __u64 %s_v%zu[%zu] = {", e->p->name, step, size * f->words);
        for (size_t i = 0, n = 0; i < s->n_trees; i++)
                for (size_t k = 0; k < s->trees[i].n_leaves; k++)
                        for (size_t w = 0; w < f->words; w++)
                                fprintf(e->f, "%s0x%" PRIx64 "ULL,", n++ % 5 ? " " : "\n\t",
                                        leaf_word(s, f, i, k, w));
        fputs("\n};\n\n", e->f);
}

/* ---- functions ---- */

static void emit_leaf(const Emit *e, size_t step, size_t tree, size_t first_leaf, size_t leaf) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];

        if (f->words == 1)
                fprintf(e->f, "\treturn 0x%" PRIx64 "ULL;\n", leaf_word(s, f, tree, leaf, 0));
        else
                fprintf(e->f, "\treturn %zu;\n", first_leaf + leaf);
}

/* From node i down to a leaf, yes after yes; the others are left on the stack, to be jumped to. */
static void emit_path(const Emit *e, size_t step, size_t tree, size_t first_leaf, uint32_t i,
                      uint32_t *stack, size_t *n) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        const TreeNode *nodes = s->trees[tree].nodes;

        while (nodes[i].cell >= 0) {
                uint32_t input = (uint32_t)nodes[i].cell, threshold;
                Way way = find_threshold(e, s, f, &nodes[i], &threshold);

                if (way == WAY_BOTH) {
                        fprintf(e->f,
                                "\tif (r->field[%" PRIu32 "] > %" PRIu32 "U)\n\t\tgoto n%" PRIu32
                                ";\n",
                                f->raw ? s->inputs[input] : f->slot[input], threshold, nodes[i].no);
                        stack[(*n)++] = nodes[i].no;
                }
                i = way == WAY_NO ? nodes[i].no : nodes[i].yes;
        }
        emit_leaf(e, step, tree, first_leaf, nodes[i].yes);
}

static int tree_function(const Emit *e, size_t step, size_t tree, size_t first_leaf) {
        const Tree *t = &e->p->steps[step].trees[tree];
        _cleanup_free_
        uint32_t *stack = malloc(t->n_nodes * sizeof(*stack));
        size_t n = 0;

        if (!stack)
                return -ENOMEM;
        fprintf(e->f, "__noinline __u64 %s_s%zu_t%zu(const struct %s_", e->p->name, step, tree,
                e->p->name);
        if (e->plans[step].forest->raw)
                fputs("raw *r)\n{\n", e->f);
        else
                fprintf(e->f, "in%zu *r)\n{\n", step);
        fputs("\tif (!r)\n\t\treturn 0;\n", e->f);
        emit_path(e, step, tree, first_leaf, 0, stack, &n);
        while (n > 0) {
                uint32_t i = stack[--n];

                fprintf(e->f, "n%" PRIu32 ":\n", i);
                emit_path(e, step, tree, first_leaf, i, stack, &n);
        }
        fputs("}\n\n", e->f);
        return 0;
}

/* ---- walk ---- */

static size_t walk_size(const Forest *f) {
        return power_of_two(f->n_nodes);
}

static size_t walk_inputs(const Forest *f) {
        return power_of_two(f->n_slots + 1);
}

static uint64_t walk_word(uint32_t threshold, size_t slot, size_t child) {
        return (uint64_t)threshold << 32 | (uint64_t)slot << (WALK_CHILD_BITS + 2) |
               (uint64_t)child;
}

/* Whether a leaf's word is in its node. */
static bool walk_has_values(const Forest *f) {
        return f->lanes == 1 && f->words == 1;
}

/* Puts the nodes of one tree into the table: its root at position `tree`, then children in pairs
 * from *next on. */
static void walk_tree(const Emit *e, size_t step, size_t tree, size_t first_leaf, uint32_t *place,
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
                        uint64_t v = walk_has_values(f) ? leaf_word(s, f, tree, n->yes, 0)
                                                        : first_leaf + n->yes;

                        table[place[i]] = walk_word((uint32_t)v, f->n_slots, place[i]);
                        continue;
                }
                place[n->yes] = (uint32_t)*next;
                place[n->no] = (uint32_t)*next + 1;
                *next += 2;
                way = find_threshold(e, s, f, n, &threshold);
                table[place[i]] = walk_word(threshold, f->slot[n->cell],
                                            place[way == WAY_NO ? n->no : n->yes]);
        }
}

static int walk_table(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        /* A node that nothing leads to still has a place; one more for the carry. */
        size_t size = walk_size(f) + 1, next = s->n_trees, leaf = 0;
        _cleanup_free_
        uint64_t *table = calloc(size, sizeof(*table));

        if (!table)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_trees; i++) {
                _cleanup_free_
                uint32_t *place = calloc(s->trees[i].n_nodes, sizeof(*place));

                if (!place)
                        return -ENOMEM;
                walk_tree(e, step, i, leaf, place, &next, table);
                leaf += s->trees[i].n_leaves;
        }
        emit_table_u64(e, "n", step, table, size);
        return 0;
}

/* A rolled loop over trees; in it each level's step. */
static void emit_walk(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        bool rolled = f->depth > 16;
        char node[EMIT_TEXT_MAX];

        snprintf(node, sizeof(node),
                 "\t\t\tlook = (n >> 32) - *(const __u32 *)((const char *)in + "
                 "(n >> %d & 0x%zx));\n",
                 WALK_CHILD_BITS, walk_inputs(f) * 4 - 4);
        fprintf(e->f, "\t\t%s_ROLLED\n\t\tfor (__u32 t = 0; t < %zu; t++) {\n", e->p->name,
                s->n_trees);
        fprintf(e->f, "\t\t\tn = %s_n%zu[t];\n", e->p->name, step);
        if (rolled)
                fprintf(e->f, "\t\t\t%s_ROLLED\n\t\t\tfor (__u32 l = 0; l < %zu; l++) {\n",
                        e->p->name, f->depth);
        for (size_t i = 0; i < (rolled ? 1 : f->depth); i++) {
                fputs(node, e->f);
                fprintf(e->f, "\t\t\t%s_HIDE(look);\n", e->p->name);
                fprintf(e->f, "\t\t\tn = %s_n%zu[(n & 0x%zx) + (look >> 63)];\n", e->p->name, step,
                        walk_size(f) - 1);
        }
        if (rolled)
                fputs("\t\t\t}\n", e->f);
        if (walk_has_values(f))
                fputs("\t\t\ts0 += n >> 32;\n", e->f);
        else
                for (size_t w = 0; w < f->words; w++)
                        fprintf(e->f, "\t\t\ts%zu += %s_v%zu[(n >> 32 & 0x%zx) * %zu + %zu];\n", w,
                                e->p->name, step, power_of_two(f->n_leaves) - 1, f->words, w);
        fputs("\t\t}\n", e->f);
}

/* ---- the step ---- */

/* The trees read an array that is made for them, not the raw fields as they lie. */
static bool has_inputs(const Forest *f) {
        return f->walk || !f->raw;
}

int emit_trees_tables(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        int r = 0;

        if (has_inputs(f))
                fprintf(e->f, "struct %s_in%zu {\n\t__u32 field[%zu];\n};\n\n", e->p->name, step,
                        f->walk ? walk_inputs(f) : MAX(f->n_slots, 1));
        if (f->walk) {
                r = walk_table(e, step);
        } else {
                size_t leaf = 0;

                for (size_t i = 0; i < s->n_trees && r >= 0; i++) {
                        r = tree_function(e, step, i, leaf);
                        leaf += s->trees[i].n_leaves;
                }
        }
        if (f->words > 1 || (f->walk && !walk_has_values(f)))
                leaf_table(e, step);
        return r;
}

void emit_trees_scratch(const Emit *e, size_t step) {
        if (has_inputs(e->plans[step].forest))
                fprintf(e->f, "\tstruct %s_in%zu in%zu;\n", e->p->name, step, step);
}

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
                fprintf(e->f, "\t\tscratch->in%zu.field[%" PRIu32 "] = %s;\n", step, f->slot[i],
                        text);
        }
        if (f->walk)
                fprintf(e->f, "\t\tscratch->in%zu.field[%zu] = 0;\n", step, f->n_slots);
}

static void emit_calls(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        char argument[EMIT_TEXT_MAX];

        if (f->raw)
                snprintf(argument, sizeof(argument), "(const struct %s_raw *)raw", e->p->name);
        else
                snprintf(argument, sizeof(argument), "&scratch->in%zu", step);
        for (size_t i = 0; i < e->p->steps[step].n_trees; i++) {
                fputs(f->words == 1 ? "\t\ts0 += " : "\t\tleaf = ", e->f);
                fprintf(e->f, "%s_s%zu_t%zu(%s)", e->p->name, step, i, argument);
                if (f->words == 1) {
                        fputs(";\n", e->f);
                        continue;
                }
                fprintf(e->f, " & 0x%zx;\n", power_of_two(f->n_leaves) - 1);
                for (size_t w = 0; w < f->words; w++)
                        fprintf(e->f, "\t\ts%zu += %s_v%zu[leaf * %zu + %zu];\n", w, e->p->name,
                                step, f->words, w);
        }
}

void emit_trees(const Emit *e, size_t step) {
        const Forest *f = e->plans[step].forest;
        const Step *s = &e->p->steps[step];
        const Bank *b = &e->banks[step + 1];
        char text[EMIT_TEXT_MAX];

        fputs("\t\t__u64 leaf = 0, n, look", e->f);
        for (size_t w = 0; w < f->words; w++)
                fprintf(e->f, ", s%zu = 0", w);
        fputs(";\n", e->f);
        if (f->walk)
                fprintf(e->f, "\t\tconst __u32 *in = scratch->in%zu.field;\n", step);
        fputs("\n\t\t(void)leaf, (void)n, (void)look;\n", e->f);
        if (has_inputs(f))
                emit_inputs(e, step);
        if (f->walk)
                emit_walk(e, step);
        else
                emit_calls(e, step);
        for (size_t o = 0; o < s->n_outputs; o++) {
                unsigned shift = (unsigned)(o % f->lanes) * f->lane_bits;
                uint64_t mask = f->lanes > 1 ? ((uint64_t)1 << f->lane_bits) - 1 : UINT64_MAX;

                fprintf(e->f, "\t\t%s[%zu] = (s%zu >> %u & 0x%" PRIx64 "ULL) + (__u64)%s;\n",
                        b->place, o, o / f->lanes, shift, mask,
                        emit_literal((int64_t)((uint64_t)f->base[o] - (uint64_t)b->low), text));
        }
}
