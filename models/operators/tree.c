/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/operators/tree.h"

static bool branch_yes(const EnsembleNode *node, double x) {
        if (isnan(x))
                return node->missing_yes;
        switch (node->mode) {
        case ENSEMBLE_LEQ:
                return x <= node->threshold;
        case ENSEMBLE_LT:
                return x < node->threshold;
        case ENSEMBLE_GTE:
                return x >= node->threshold;
        case ENSEMBLE_GT:
                return x > node->threshold;
        case ENSEMBLE_EQ:
                return x == node->threshold;
        default:
                return x != node->threshold;
        }
}

#define TOGETHER ((size_t)8)    /* rows that go down a tree side by side */
#define ROWS_BLOCK ((size_t)64) /* that a tree judges while it is in the cache */

/* One step down from each node, or none from a leaf: without a branch that depends on the row.
 * Returns whether any moved. */
static bool step_down(const EnsembleNode *nodes, const double *rows, size_t width, size_t n,
                      uint32_t *at) {
        bool moved = false;

        for (size_t i = 0; i < n; i++) {
                const EnsembleNode *node = nodes + at[i];
                double x = rows[i * width + node->feature];
                bool yes = (x <= node->threshold) | (isnan(x) & node->missing_yes);
                bool leaf = node->mode == ENSEMBLE_LEAF;
                uint32_t next = yes ? node->yes : node->no;

                at[i] = leaf ? at[i] : next;
                moved |= !leaf;
        }
        return moved;
}

static uint32_t find_leaf(const TreeEnsemble *t, size_t tree, const double *row) {
        const EnsembleNode *node = t->nodes + t->trees[tree].root;

        while (node->mode != ENSEMBLE_LEAF)
                node = t->nodes + (branch_yes(node, row[node->feature]) ? node->yes : node->no);
        return (uint32_t)(node - t->nodes);
}

/* The leaves that n <= TOGETHER rows end at. */
static void find_leaves(const TreeEnsemble *t, size_t tree, const double *rows, size_t width,
                        size_t n, uint32_t *ret) {
        for (size_t i = 0; i < n; i++)
                ret[i] = t->other_modes || t->n_features == 0 ? find_leaf(t, tree, rows + i * width)
                                                              : t->trees[tree].root;
        if (t->other_modes || t->n_features == 0)
                return;
        if (n == TOGETHER)
                while (step_down(t->nodes, rows, width, TOGETHER, ret))
                        ;
        else
                while (step_down(t->nodes, rows, width, n, ret))
                        ;
}

static double aggregate(Aggregate how, double score, double weight) {
        switch (how) {
        case AGGREGATE_MIN: /* NaN: there was none before */
                return score <= weight ? score : weight;
        case AGGREGATE_MAX:
                return score >= weight ? score : weight;
        default:
                return score + weight;
        }
}

static void vote(const TreeEnsemble *t, uint32_t leaf, double *ret) {
        for (size_t k = t->nodes[leaf].yes; k < t->nodes[leaf].no; k++) {
                const EnsembleVote *vote = t->votes + k;

                ret[vote->score] = aggregate(t->aggregate, ret[vote->score], vote->weight);
        }
}

/* What the votes come to, in the order of the trees for each row. */
static void finish_scores(const TreeEnsemble *t, double *ret) {
        for (size_t i = 0; i < t->n_scores; i++) {
                if (isnan(ret[i]))
                        ret[i] = 0;
                if (t->aggregate == AGGREGATE_AVERAGE)
                        ret[i] /= (double)t->n_trees;
                ret[i] += t->base[i];
        }
}

void tree_ensemble_scores(const TreeEnsemble *t, const double *rows, size_t width, size_t n,
                          double *ret) {
        bool extreme = t->aggregate == AGGREGATE_MIN || t->aggregate == AGGREGATE_MAX;

        for (size_t i = 0; i < n * t->n_scores; i++)
                ret[i] = extreme ? (double)NAN : 0;
        for (size_t tree = 0; tree < t->n_trees; tree++)
                for (size_t i = 0; i < n; i += TOGETHER) {
                        size_t count = MIN(TOGETHER, n - i);
                        uint32_t leaves[TOGETHER];

                        find_leaves(t, tree, rows + i * width, width, count, leaves);
                        for (size_t k = 0; k < count; k++)
                                vote(t, leaves[k], ret + (i + k) * t->n_scores);
                }
        for (size_t i = 0; i < n; i++)
                finish_scores(t, ret + i * t->n_scores);
}

/* From what the trees say to labels (NULL: not wanted) and scores of row i. room: [width]. */
static int give_row(const TreeEnsemble *t, size_t i, const double *said, size_t width, double *room,
                    Tensor *labels, Tensor *scores) {
        if (t->binary)
                scores_pair(said[0], t->probability, room);
        else
                memcpy(room, said, width * sizeof(*room));
        if (labels) {
                int r = labels_set(&t->labels, labels, i, scores_argmax(room, width));

                if (r < 0)
                        return r;
        }
        post_transform_apply(t->post_transform, room, width);
        for (size_t k = 0; k < width; k++)
                scores->f32[i * width + k] = (float)room[k];
        return 0;
}

static int score_rows(const TreeEnsemble *t, const Rows *rows, Tensor *labels, Tensor *scores) {
        size_t width = t->binary ? 2 : t->n_scores, block = MIN(rows->n, ROWS_BLOCK);
        _cleanup_free_
        double *in = calloc(block * rows->width + 1, sizeof(*in)), *said = NULL;

        said = calloc(block * t->n_scores + width, sizeof(*said));
        if (!in || !said)
                return -ENOMEM;
        for (size_t first = 0, n; first < rows->n; first += n) {
                n = MIN(block, rows->n - first);
                for (size_t i = 0; i < n; i++)
                        rows_get(rows, first + i, in + i * rows->width);
                tree_ensemble_scores(t, in, rows->width, n, said);
                for (size_t i = 0; i < n; i++) {
                        int r = give_row(t, first + i, said + i * t->n_scores, width,
                                         said + block * t->n_scores, labels, scores);

                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int run_ensemble(const Node *n, const TreeEnsemble *t, const Tensor *x, Tensor **out,
                        Error *e) {
        bool classifier = t->labels.n > 0;
        _cleanup_(tensor_freep)
        Tensor *labels = NULL, *scores = NULL;
        int64_t dim[2];
        Rows rows;
        int r;

        r = rows_init(x, &rows, e);
        if (r < 0)
                return r;
        if (rows.width < t->n_features)
                return error_set(e, -EINVAL,
                                 "nodes_featureids[%zu] is %zu, but the input has %zu columns",
                                 t->features_at, t->n_features - 1, rows.width);
        r = operator_spend(n, rows.n, t->cost + t->n_scores, 1, e);
        if (r < 0)
                return r;
        dim[0] = (int64_t)rows.n;
        dim[1] = t->binary ? 2 : (int64_t)t->n_scores;
        r = tensor_new(ELEMENT_F32, 2, dim, &scores);
        if (r < 0)
                return r;
        if (classifier && (!n->outputs || n->outputs[0] != GRAPH_NO_VALUE)) {
                r = labels_tensor_new(&t->labels, rows.n, &labels);
                if (r < 0)
                        return r;
        }
        r = score_rows(t, &rows, labels, scores);
        if (r < 0)
                return r;
        if (!classifier) {
                out[0] = TAKE_PTR(scores);
                return 0;
        }
        out[0] = TAKE_PTR(labels);
        if (n->n_outputs > 1)
                out[1] = TAKE_PTR(scores);
        return 0;
}

static int run_tree(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tree_ensemble_freep)
        TreeEnsemble *own = NULL;
        int r;

        if (n->state)
                return run_ensemble(n, n->state, in[0], out, e);
        r = tree_ensemble_parse(n, &own, e);
        if (r < 0)
                return r;
        return run_ensemble(n, own, in[0], out, e);
}

static int prepare_tree(const Node *n, void **ret, Error *e) {
        TreeEnsemble *t;
        int r;

        r = tree_ensemble_parse(n, &t, e);
        if (r < 0)
                return r;
        *ret = t;
        return 0;
}

static void release_tree(void *state) {
        tree_ensemble_free(state);
}

static const Operator operators[] = {
        {.domain = DOMAIN_ML,
         .name = "TreeEnsembleClassifier",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 2,
         .run = run_tree,
         .prepare = prepare_tree,
         .release = release_tree},
        {.domain = DOMAIN_ML,
         .name = "TreeEnsembleRegressor",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_tree,
         .prepare = prepare_tree,
         .release = release_tree},
};

const OperatorTable operators_tree = {operators, ELEMENTSOF(operators)};
