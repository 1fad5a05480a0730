/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

/* Which columns of its row the ensemble looks at. */
static int forest_inputs(Forest *f, const Ref *row, Lowerer *l) {
        const TreeEnsemble *t = f->ensemble;
        _cleanup_free_
        uint8_t *used = calloc(MAX(t->n_features, (size_t)1), 1);

        if (!used)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_nodes; i++)
                if (t->nodes[i].mode != ENSEMBLE_LEAF)
                        used[t->nodes[i].feature] = 1;
        f->inputs = calloc(t->n_features + 1, sizeof(*f->inputs));
        f->features = calloc(t->n_features + 1, sizeof(*f->features));
        if (!f->inputs || !f->features)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_features; i++) {
                Ref ref = row[i];

                if (!used[i])
                        continue;
                if (ref_is_constant(ref)) {
                        Cell cell = {.kind = CELL_AFFINE,
                                     .node = (uint32_t)l->node,
                                     .bias = ref_value(l, ref),
                                     .low = -(double)INFINITY,
                                     .high = (double)INFINITY};

                        ref = cells_add(l->cells, &cell);
                        if (ref < 0)
                                return (int)ref;
                }
                f->inputs[f->n_inputs] = (uint32_t)ref;
                f->features[f->n_inputs++] = (uint32_t)i;
        }
        if (f->n_inputs == 0) /* leaves alone: a step has at least one input */
                f->n_inputs = 1;
        return 0;
}

static int forest_add(Lowerer *l, const Node *n, TreeEnsemble *ensemble, const Ref *row,
                      Forest **ret) {
        Cells *c = l->cells;
        Forest *forests;
        int r;

        forests = reallocarray(c->forests, c->n_forests + 1, sizeof(*forests));
        if (!forests) {
                tree_ensemble_free(ensemble);
                return -ENOMEM;
        }
        c->forests = forests;
        *ret = &forests[c->n_forests++];
        **ret = (Forest){.node = n, .node_index = (uint32_t)l->node, .ensemble = ensemble};
        if (ensemble->aggregate == AGGREGATE_MIN || ensemble->aggregate == AGGREGATE_MAX)
                return lower_refuse(l, n, "aggregate_function MIN and MAX");
        if (ensemble->n_nodes > PROGRAM_TREE_NODES_MAX)
                return lower_refuse(l, n, "%zu nodes: accepted is %d", ensemble->n_nodes,
                                    PROGRAM_TREE_NODES_MAX);
        r = forest_inputs(*ret, row, l);
        return r < 0 ? r : 0;
}

static int forest_scores(Lowerer *l, const Forest *f, Ref **ret) {
        size_t n = f->ensemble->n_scores;
        _cleanup_free_
        Term *terms = calloc(MAX(f->n_inputs, (size_t)1), sizeof(*terms));
        _cleanup_free_
        Ref *refs = calloc(n, sizeof(*refs));
        Cell cell = {.kind = CELL_TREES,
                     .node = (uint32_t)l->node,
                     .n_terms = f->n_inputs,
                     .terms = terms,
                     .forest = (uint32_t)(f - l->cells->forests)};

        if (!terms || !refs)
                return -ENOMEM;
        for (size_t i = 0; i < f->n_inputs; i++)
                terms[i] = (Term){f->inputs[i], 1};
        for (size_t i = 0; i < n; i++) {
                cell.output = (uint32_t)i;
                refs[i] = cells_add(l->cells, &cell);
                if (refs[i] < 0)
                        return (int)refs[i];
        }
        *ret = TAKE_PTR(refs);
        return 0;
}

int lower_forest(Lowerer *l, const Node *n, TreeEnsemble *ensemble, const Ref *row, Ref **ret) {
        Forest *f = NULL;
        int r;

        r = forest_add(l, n, ensemble, row, &f);
        return r < 0 ? r : forest_scores(l, f, ret);
}

static int refs_dup(const Ref *from, size_t n, Ref **ret) {
        *ret = malloc(MAX(n, (size_t)1) * sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, from, n * sizeof(**ret));
        return 0;
}

/* Scores of a classifier: the pair of a binary one is made of its score. */
static int classifier_scores(Lowerer *l, const Node *n, const TreeEnsemble *t, const Ref *scores) {
        _cleanup_free_
        Ref *refs = NULL;
        int r;

        if (t->post_transform != POST_NONE || !t->binary) {
                r = refs_dup(scores, t->n_scores, &refs);
                if (r < 0)
                        return r;
                return lower_decided(
                        l, n, 1, t->post_transform == POST_NONE ? ROLE_NUMBERS : ROLE_PROBABILITIES,
                        t->n_scores, TAKE_PTR(refs), t->threshold, NULL);
        }
        refs = calloc(2, sizeof(*refs));
        if (!refs)
                return -ENOMEM;
        r = lower_sum(l, &(RefTerm){scores[0], -1}, 1, t->probability ? 1 : 0, &refs[0]);
        if (r < 0)
                return r;
        refs[1] = scores[0];
        return lower_output(l, n, 1, 2, TAKE_PTR(refs));
}

static int lower_ensemble(Lowerer *l, const Node *n, const Tensor *const *in,
                          const Tensor *const *out) {
        _cleanup_free_
        Ref *row = NULL, *scores = NULL;
        _cleanup_free_
        ClassLabels *labels = NULL;
        TreeEnsemble *t = NULL;
        Ref *copy;
        int r;

        if (out[0]->rank > 0 && out[0]->dim[0] != 1)
                return lower_refuse(l, n, "more than one row");
        r = lower_input(l, n, 0, in[0], &row);
        if (r >= 0)
                r = tree_ensemble_parse(n, &t, l->e);
        if (r >= 0)
                r = lower_forest(l, n, t, row, &scores);
        if (r < 0)
                return r;
        if (t->labels.n == 0)
                return lower_transformed(l, n, 0, t->post_transform, t->n_scores, TAKE_PTR(scores));
        r = lower_class_labels(l, n, &t->labels, &labels);
        if (r >= 0)
                r = classifier_scores(l, n, t, scores);
        if (r >= 0)
                r = refs_dup(scores, t->n_scores, &copy);
        if (r < 0)
                return r;
        return lower_decided(l, n, 0, ROLE_LABEL, t->n_scores, copy, t->threshold,
                             TAKE_PTR(labels));
}

const LowerEntry lower_trees[] = {
        {DOMAIN_ML, "TreeEnsembleClassifier", lower_ensemble},
        {DOMAIN_ML, "TreeEnsembleRegressor", lower_ensemble},
        {NULL, NULL, NULL},
};
