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

size_t tree_ensemble_leaf(const TreeEnsemble *t, size_t tree, const double *row) {
        const EnsembleNode *node = t->nodes + t->trees[tree].root;

        while (node->mode != ENSEMBLE_LEAF)
                node = t->nodes + (branch_yes(node, row[node->feature]) ? node->yes : node->no);
        return (size_t)(node - t->nodes);
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

void tree_ensemble_scores(const TreeEnsemble *t, const double *row, double *ret) {
        bool extreme = t->aggregate == AGGREGATE_MIN || t->aggregate == AGGREGATE_MAX;

        for (size_t i = 0; i < t->n_scores; i++)
                ret[i] = extreme ? (double)NAN : 0;
        for (size_t i = 0; i < t->n_trees; i++) {
                const EnsembleNode *leaf = t->nodes + tree_ensemble_leaf(t, i, row);

                for (size_t k = leaf->yes; k < leaf->no; k++) {
                        const EnsembleVote *vote = t->votes + k;

                        ret[vote->score] = aggregate(t->aggregate, ret[vote->score], vote->weight);
                }
        }
        for (size_t i = 0; i < t->n_scores; i++) {
                if (isnan(ret[i]))
                        ret[i] = 0;
                if (t->aggregate == AGGREGATE_AVERAGE)
                        ret[i] /= (double)t->n_trees;
                ret[i] += t->base[i];
        }
}

/* labels: NULL for a regressor. */
static int score_rows(const TreeEnsemble *t, const Rows *rows, Tensor *labels, Tensor *scores) {
        _cleanup_free_
        double *row = calloc(rows->width + 1, sizeof(*row)), *score = NULL;
        size_t width = t->binary ? 2 : t->n_scores;

        score = calloc(width, sizeof(*score));
        if (!row || !score)
                return -ENOMEM;
        for (size_t i = 0; i < rows->n; i++) {
                rows_get(rows, i, row);
                tree_ensemble_scores(t, row, score);
                if (t->binary)
                        scores_pair(score[0], t->probability, score);
                if (labels) {
                        int r = labels_set(&t->labels, labels, i, scores_argmax(score, width));

                        if (r < 0)
                                return r;
                }
                post_transform_apply(t->post_transform, score, width);
                for (size_t k = 0; k < width; k++)
                        scores->f32[i * width + k] = (float)score[k];
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
        if (classifier) {
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
