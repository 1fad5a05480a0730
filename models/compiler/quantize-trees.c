/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/compiler/quantize-internal.h"

#define SUM_BITS 30 /* of all leaves together */
#define NODES_MAX ((size_t)1 << 20)

static double divisor(const TreeEnsemble *t) {
        return t->aggregate == AGGREGATE_AVERAGE ? (double)t->n_trees : 1;
}

/* A leaf's votes for one score, as one number. */
static double leaf_value(const TreeEnsemble *t, const EnsembleNode *leaf, size_t score) {
        double sum = 0;

        for (size_t k = leaf->yes; k < leaf->no; k++)
                if (t->votes[k].score == score)
                        sum += t->votes[k].weight;
        return sum;
}

static bool is_whole(double x) {
        return rint(x) >= x && rint(x) <= x;
}

/* The least shift that makes all leaves whole numbers; if none that fits does, the largest. */
int forest_shift(const Forest *f, int *ret_shift, bool *ret_exact, Error *e) {
        const TreeEnsemble *t = f->ensemble;
        double most = 0;
        int max, shift;
        bool exact = true;

        for (size_t s = 0; s < t->n_scores; s++) {
                double sum = fabs(t->base[s]) * divisor(t);

                for (size_t i = 0; i < t->n_trees; i++) {
                        double leaf = 0;

                        for (size_t k = 0; k < t->trees[i].n_nodes; k++) {
                                const EnsembleNode *n = &t->nodes[t->trees[i].root + k];

                                if (n->mode == ENSEMBLE_LEAF)
                                        leaf = MAX(leaf, fabs(leaf_value(t, n, s)));
                        }
                        sum += leaf;
                }
                most = MAX(most, sum);
        }
        if (!isfinite(most))
                return error_set(e, -EOVERFLOW, "%s (node '%.128s'): its leaves are too large",
                                 f->node->op->name, f->node->name);
        (void)frexp(MAX(most, 1e-300), &max);
        max = MIN(SUM_BITS - max, 1000);
        for (size_t s = 0; s < t->n_scores; s++)
                exact &= is_whole(ldexp(t->base[s] * divisor(t), max));
        for (size_t k = 0; k < t->n_votes; k++)
                exact &= is_whole(ldexp(t->votes[k].weight, max));
        for (shift = max; exact && shift > -1000;) {
                bool whole = true;

                for (size_t s = 0; s < t->n_scores && whole; s++)
                        whole = is_whole(ldexp(t->base[s] * divisor(t), shift - 1));
                for (size_t k = 0; k < t->n_votes && whole; k++)
                        whole = is_whole(ldexp(t->votes[k].weight, shift - 1));
                if (!whole)
                        break;
                shift--;
                if (shift <= 0)
                        break;
        }
        *ret_shift = shift;
        *ret_exact = exact;
        return 0;
}

FieldQuant forest_field(const Cells *c, uint32_t field) {
        int64_t last = 0;
        FieldQuant q = {.requant = {.multiplier = 1, .low = INT32_MIN, .high = INT32_MAX}};

        for (size_t i = 0; i < c->n_forests; i++) {
                const Forest *f = &c->forests[i];

                if (!f->splits || !f->exact[0])
                        continue;
                for (size_t k = 0; k < f->ensemble->n_nodes; k++) {
                        const EnsembleNode *n = &f->ensemble->nodes[k];

                        if (n->mode == ENSEMBLE_LEAF)
                                continue;
                        for (size_t j = 0; j < f->n_inputs; j++)
                                if (f->inputs[j] == field && f->features[j] == n->feature &&
                                    f->splits[k].last <= UINT32_MAX)
                                        last = MAX(last, f->splits[k].last);
                }
        }
        /* Above the last threshold all values are alike. */
        q.high = MIN(last + 1, (int64_t)UINT32_MAX);
        if (q.high > INT32_MAX)
                q.offset = INT64_C(1) << 31;
        q.requant.low = (int32_t)(-q.offset);
        q.requant.high = (int32_t)(q.high - q.offset);
        return q;
}

/* One branch: cell <= threshold, and where `between` also cell > before. */
typedef struct Branch {
        int32_t input;
        int64_t threshold, before;
        bool between;
        uint32_t yes, no; /* nodes of the ensemble */
        int always;       /* 1: yes, 0: no, -1: it depends */
} Branch;

static size_t find_input(const Forest *f, uint32_t feature) {
        for (size_t i = 0; i < f->n_inputs; i++)
                if (f->features[i] == feature)
                        return i;
        return 0;
}

/* In the cell's own numbers: fields by their splits, other cells by floor. */
static Branch branch_of(const Forest *f, const CellScale *scales, uint32_t index) {
        const EnsembleNode *n = &f->ensemble->nodes[index];
        size_t input = find_input(f, n->feature);
        const CellScale *scale = &scales[f->inputs[input]];
        Branch b = {.input = (int32_t)input, .yes = n->yes, .no = n->no, .always = -1};
        bool flip;

        if (f->exact[input]) {
                const Split *s = &f->splits[index];

                b.threshold = s->last - (int64_t)scale->zero;
                b.before = s->before - (int64_t)scale->zero;
                b.between = s->between;
                flip = s->flip;
        } else {
                double t = CLAMP((n->threshold - scale->zero) / scale->scale, -1e15, 1e15);
                int64_t loose = (int64_t)floor(t), strict = (int64_t)ceil(t) - 1;

                b.between = n->mode == ENSEMBLE_EQ || n->mode == ENSEMBLE_NEQ;
                b.threshold = n->mode == ENSEMBLE_LT || n->mode == ENSEMBLE_GTE ? strict : loose;
                b.before = strict;
                flip = n->mode == ENSEMBLE_GT || n->mode == ENSEMBLE_GTE || n->mode == ENSEMBLE_NEQ;
        }
        if (flip) {
                b.yes = n->no;
                b.no = n->yes;
        }
        if (b.between && b.before < scale->low)
                b.between = false;
        if (b.threshold < scale->low || (b.between && b.before >= b.threshold))
                b.always = 0;
        else if (b.threshold >= scale->high && !b.between)
                b.always = 1;
        return b;
}

typedef struct Pending { /* a node of the ensemble, and the child that shall point at it */
        uint32_t node;
        uint32_t parent;
        bool no;
} Pending;

typedef struct TreeBuilder {
        const Forest *forest;
        const CellScale *scales;
        const uint32_t *outputs;
        size_t n_outputs;
        int shift;
        Tree *tree;
        size_t allocated;
        size_t n_queue, queue_allocated;
        Pending *queue;
} TreeBuilder;

static int push(TreeBuilder *b, Pending p) {
        if (b->n_queue == b->queue_allocated) {
                size_t n = MAX((size_t)64, 2 * b->queue_allocated);
                Pending *queue = reallocarray(b->queue, n, sizeof(*queue));

                if (!queue)
                        return -ENOMEM;
                b->queue = queue;
                b->queue_allocated = n;
        }
        b->queue[b->n_queue++] = p;
        return 0;
}

static ssize_t add_node(TreeBuilder *b, TreeNode node) {
        Tree *t = b->tree;

        if (t->n_nodes >= NODES_MAX)
                return -EFBIG;
        if (t->n_nodes == b->allocated) {
                size_t n = MAX((size_t)16, 2 * b->allocated);
                TreeNode *nodes = reallocarray(t->nodes, n, sizeof(*nodes));

                if (!nodes)
                        return -ENOMEM;
                t->nodes = nodes;
                b->allocated = n;
        }
        t->nodes[t->n_nodes] = node;
        return (ssize_t)t->n_nodes++;
}

static int add_leaf(TreeBuilder *b, const EnsembleNode *leaf, uint32_t *ret) {
        Tree *t = b->tree;
        int32_t *values;

        if ((t->n_leaves & (t->n_leaves - 1)) == 0) { /* grows by doubling */
                values = reallocarray(t->values, MAX((size_t)1, 2 * t->n_leaves) * b->n_outputs,
                                      sizeof(*values));
                if (!values)
                        return -ENOMEM;
                t->values = values;
        }
        for (size_t o = 0; o < b->n_outputs; o++) {
                double x = leaf_value(b->forest->ensemble, leaf, b->outputs[o]);

                t->values[t->n_leaves * b->n_outputs + o] = (int32_t)rint(ldexp(x, b->shift));
        }
        *ret = (uint32_t)t->n_leaves++;
        return 0;
}

static int add_pending(TreeBuilder *b, Pending p) {
        const EnsembleNode *n = &b->forest->ensemble->nodes[p.node];
        TreeNode node = {.cell = -1};
        Branch branch = {.always = 1};
        ssize_t at;
        int r = 0;

        while (n->mode != ENSEMBLE_LEAF) {
                branch = branch_of(b->forest, b->scales, p.node);
                if (branch.always < 0)
                        break;
                p.node = branch.always ? branch.yes : branch.no;
                n = &b->forest->ensemble->nodes[p.node];
        }
        if (n->mode == ENSEMBLE_LEAF)
                r = add_leaf(b, n, &node.yes);
        else
                node = (TreeNode){.cell = branch.input, .threshold = branch.threshold};
        if (r < 0)
                return r;
        at = add_node(b, node);
        if (at < 0)
                return (int)at;
        if (p.parent != UINT32_MAX)
                *(p.no ? &b->tree->nodes[p.parent].no
                       : &b->tree->nodes[p.parent].yes) = (uint32_t)at;
        if (n->mode == ENSEMBLE_LEAF)
                return 0;
        r = push(b, (Pending){branch.no, (uint32_t)at, true});
        if (r < 0 || !branch.between)
                return r < 0 ? r : push(b, (Pending){branch.yes, (uint32_t)at, false});

        /* Not above the last, but above the one before? */
        b->tree->nodes[at].yes = (uint32_t)b->tree->n_nodes;
        at = add_node(b, (TreeNode){.cell = branch.input, .threshold = branch.before});
        if (at < 0)
                return (int)at;
        r = push(b, (Pending){branch.no, (uint32_t)at, false});
        return r < 0 ? r : push(b, (Pending){branch.yes, (uint32_t)at, true});
}

static int build_tree(TreeBuilder *b, uint32_t root) {
        int r;

        b->allocated = 0;
        b->n_queue = 0;
        r = push(b, (Pending){.node = root, .parent = UINT32_MAX});
        while (r >= 0 && b->n_queue > 0)
                r = add_pending(b, b->queue[--b->n_queue]);
        return r;
}

int forest_step(const Forest *f, const CellScale *scales, const uint32_t *outputs, int shift,
                Step *s, Error *e) {
        const TreeEnsemble *t = f->ensemble;
        TreeBuilder b = {.forest = f,
                         .scales = scales,
                         .outputs = outputs,
                         .n_outputs = s->n_outputs,
                         .shift = shift};
        int r = 0;

        for (size_t i = 0; i < t->n_trees && r >= 0; i++) {
                b.tree = &s->trees[i];
                r = build_tree(&b, t->trees[i].root);
        }
        free(b.queue);
        if (r == -EFBIG)
                return error_set(e, r, "%s (node '%.128s'): a tree of more than %zu nodes",
                                 f->node->op->name, f->node->name, NODES_MAX);
        for (size_t o = 0; o < s->n_outputs && r >= 0; o++)
                s->bias[o] = (int64_t)rint(ldexp(t->base[outputs[o]] * divisor(t), shift));
        return r;
}
