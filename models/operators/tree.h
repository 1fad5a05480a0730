/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A tree ensemble of ai.onnx.ml, checked: what the engine evaluates and the compiler lowers.
 *
 * Every tree is one: its root is the node that the attributes list first, each other node is the
 * child of exactly one node, and none is out of reach. So evaluation ends, whatever the input.
 */

#include "models/operators/ml-common.h"

#define TREE_NODES_MAX ((size_t)1 << 22)
#define TREE_DEPTH_MAX 1024
#define TREE_FEATURES_MAX ((size_t)1 << 24)

typedef enum EnsembleMode {
        ENSEMBLE_LEQ, /* x <= threshold goes to yes, anything else to no; and so on */
        ENSEMBLE_LT,
        ENSEMBLE_GTE,
        ENSEMBLE_GT,
        ENSEMBLE_EQ,
        ENSEMBLE_NEQ,
        ENSEMBLE_LEAF,
        _ENSEMBLE_MODE_COUNT
} EnsembleMode;

typedef struct EnsembleNode {
        double threshold; /* never NaN */
        uint32_t feature;
        uint32_t yes; /* branch: index into nodes, after its own; leaf: first of its votes */
        uint32_t no;  /* branch: likewise; leaf: one past its last vote */
        uint8_t mode;
        uint8_t missing_yes; /* a NaN goes to yes, else to no: whatever the mode */
} EnsembleNode;

typedef struct EnsembleVote {
        uint32_t score; /* index of the score that it counts for */
        double weight;  /* finite */
} EnsembleVote;

typedef struct EnsembleTree {
        uint32_t root; /* its nodes are root … root + n_nodes - 1, level by level */
        uint32_t n_nodes;
        uint32_t depth; /* branches from the root to the deepest leaf; 0: the root is a leaf */
} EnsembleTree;

typedef enum Aggregate {
        AGGREGATE_SUM,
        AGGREGATE_AVERAGE, /* the sum over the number of trees */
        AGGREGATE_MIN,     /* of all votes; 0 where there is none */
        AGGREGATE_MAX,
        _AGGREGATE_COUNT
} Aggregate;

typedef struct TreeEnsemble {
        size_t n_nodes;
        EnsembleNode *nodes; /* of all trees, one after the other */
        bool other_modes;    /* than ENSEMBLE_LEQ, of a branch */
        size_t n_trees;
        EnsembleTree *trees;
        size_t n_votes;
        EnsembleVote *votes;
        size_t n_features;  /* one more than the largest that a branch asks for */
        size_t features_at; /* index into nodes_featureids of that one */
        size_t n_scores;    /* what aggregation gives: targets, classes, or 1 where binary */
        double *base;       /* [n_scores], added after aggregation */
        Aggregate aggregate;
        PostTransform post_transform;

        /* Classifiers. binary: two classes, but votes for one class id only, so that the one score
         * s is for the second class, which wins where s > threshold; scores_pair() makes two of it.
         */
        Labels labels; /* n is 0: a regressor. The node's */
        bool binary;
        bool probability; /* the pair is {1 - s, s} and the threshold 0.5; else {-s, s} and 0 */
        double threshold;

        size_t cost; /* steps of one evaluation, at most */
} TreeEnsemble;

/* n: a node of one of the two operators, which must outlive what is made. Returns 0, -EINVAL with
 * *e naming attribute and index, or -ENOMEM. O(n) where trees and nodes are listed in ascending
 * order of their ids, as exporters do, else O(n log n). */
int tree_ensemble_parse(const Node *n, TreeEnsemble **ret, Error *e);
TreeEnsemble *tree_ensemble_free(TreeEnsemble *t);
DEFINE_CLEANUP(TreeEnsemble *, tree_ensemble_free);

/* Aggregated and with the base, before any transform: rows of width values, at least n_features, to
 * rows of n_scores. */
void tree_ensemble_scores(const TreeEnsemble *t, const double *rows, size_t width, size_t n,
                          double *ret);
