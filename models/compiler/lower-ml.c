/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

/* Missing values: fields never are, and only whole numbers from 0 on. */
static int lower_imputer(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        bool real = in[0]->type == ELEMENT_F32 || in[0]->type == ELEMENT_F64;
        double replaced = real ? (double)attribute_float(n, "replaced_value_float", 0)
                               : (double)attribute_int(n, "replaced_value_int64", 0);
        _cleanup_free_
        Ref *x = NULL;
        int r;

        r = lower_input(l, n, 0, in[0], &x);
        if (r < 0)
                return r;
        for (size_t i = 0; i < in[0]->count && !isnan(replaced); i++)
                if (ref_is_constant(x[i]) || (size_t)x[i] >= l->cells->n_fields ||
                    (replaced >= 0 && rint(replaced) <= replaced && rint(replaced) >= replaced))
                        return lower_refuse(l, n, "it replaces the number %g", replaced);
        return lower_output(l, n, 0, in[0]->count, TAKE_PTR(x));
}

static int lower_vectorizer(Lowerer *l, const Node *n, const Tensor *const *in,
                            const Tensor *const *out) {
        _cleanup_free_
        Ref *refs = calloc(MAX(out[0]->count, (size_t)1), sizeof(*refs));
        size_t at = 0;

        if (!refs)
                return -ENOMEM;
        if (out[0]->dim[0] != 1)
                return lower_refuse(l, n, "more than one row");
        for (size_t k = 0; k < n->n_inputs; k++) {
                _cleanup_free_
                Ref *x = NULL;
                int r;

                r = lower_input(l, n, k, in[k], &x);
                if (r < 0)
                        return r;
                if (at + in[k]->count > out[0]->count)
                        return -EINVAL;
                memcpy(refs + at, x, in[k]->count * sizeof(*refs));
                at += in[k]->count;
        }
        return lower_output(l, n, 0, out[0]->count, TAKE_PTR(refs));
}

/* Other names for the classes: the operator itself maps them. */
static int lower_label_encoder(Lowerer *l, const Node *n, const Tensor *const *in,
                               const Tensor *const *out) {
        const Lowered *v = lower_input_value(l, n, 0);
        _cleanup_(tensor_freep)
        Tensor *from = NULL;
        _cleanup_(tensor_freep)
        Tensor *to = NULL;
        _cleanup_free_
        ClassLabels *labels = NULL;
        Ref *refs;
        int r;

        if (v->role != ROLE_LABEL)
                return lower_refuse(l, n, "its input is no class");
        labels = calloc(1, sizeof(*labels));
        if (!labels)
                return -ENOMEM;
        r = tensor_new(in[0]->type, 1, (int64_t[]){(int64_t)v->labels->n}, &from);
        for (size_t i = 0; r >= 0 && i < v->labels->n; i++) {
                if (from->type != ELEMENT_STRING)
                        tensor_set_f64(from, i, (double)v->labels->numbers[i]);
                else if (!(from->string[i] = strdup(v->labels->names[i])))
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = n->op->run(n, (const Tensor *const[]){from}, &to, l->e);
        if (r >= 0)
                r = lower_labels_of(to, labels);
        if (r >= 0)
                r = lower_refs_copy(v, &refs);
        if (r < 0)
                return r;
        return lower_decided(l, n, 0, ROLE_LABEL, v->n, refs, v->threshold, TAKE_PTR(labels));
}

/* libsvm's pairs of classes: each votes for one of its two. A vote is a tree with one branch. */
static TreeEnsemble *votes_new(size_t n_classes) {
        size_t pairs = n_classes * (n_classes - 1) / 2, pair = 0;
        TreeEnsemble *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->nodes = calloc(3 * pairs, sizeof(*t->nodes));
        t->trees = calloc(pairs, sizeof(*t->trees));
        t->votes = calloc(2 * pairs, sizeof(*t->votes));
        t->base = calloc(n_classes, sizeof(*t->base));
        if (!t->nodes || !t->trees || !t->votes || !t->base)
                return tree_ensemble_free(t);
        t->n_nodes = 3 * pairs;
        t->n_trees = t->n_features = pairs;
        t->n_votes = 2 * pairs;
        t->n_scores = n_classes;
        for (uint32_t i = 0; i < n_classes; i++)
                for (uint32_t j = i + 1; j < n_classes; j++, pair++) {
                        uint32_t root = (uint32_t)(3 * pair), vote = (uint32_t)(2 * pair);

                        t->trees[pair] = (EnsembleTree){.root = root, .n_nodes = 3, .depth = 1};
                        t->nodes[root] = (EnsembleNode){.feature = (uint32_t)pair,
                                                        .yes = root + 1,
                                                        .no = root + 2,
                                                        .mode = ENSEMBLE_LEQ};
                        t->nodes[root + 1] = (EnsembleNode){
                                .yes = vote, .no = vote + 1, .mode = ENSEMBLE_LEAF};
                        t->nodes[root + 2] = (EnsembleNode){
                                .yes = vote + 1, .no = vote + 2, .mode = ENSEMBLE_LEAF};
                        t->votes[vote] = (EnsembleVote){.score = j, .weight = 1};
                        t->votes[vote + 1] = (EnsembleVote){.score = i, .weight = 1};
                }
        return t;
}

static int lower_svm(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *const *out) {
        bool vectors = node_ints(n, "vectors_per_class").n > 0;
        _cleanup_free_
        Ref *scores = NULL, *votes = NULL;
        _cleanup_free_
        ClassLabels *class_labels = NULL;
        TreeEnsemble *ensemble = NULL;
        PostTransform transform;
        Labels labels;
        size_t count = 0;
        Ref *copy;
        int r;

        r = node_labels(n, "classlabels_ints", &labels, l->e);
        if (r >= 0)
                r = node_post_transform(n, &transform, l->e);
        if (r >= 0)
                r = lower_class_labels(l, n, &labels, &class_labels);
        if (r >= 0)
                r = lower_raw_scores(l, n, in, &scores, &count);
        if (r < 0)
                return r;
        if (vectors && labels.n > 2) {
                ensemble = votes_new(labels.n);
                if (!ensemble)
                        return -ENOMEM;
                r = lower_forest(l, n, ensemble, scores, &votes);
        } else {
                votes = calloc(count + 1, sizeof(*votes));
                if (!votes)
                        return -ENOMEM;
                /* Of two classes a score above 0 is a vote for the first, though it stands second.
                 */
                for (size_t i = 0; i < count; i++)
                        votes[i] = scores[vectors ? count - 1 - i : i];
        }
        if (r < 0)
                return r;
        copy = TAKE_PTR(votes);
        r = lower_decided(l, n, 0, ROLE_LABEL, labels.n, copy, 0, TAKE_PTR(class_labels));
        if (r < 0)
                return r;
        return lower_decided(l, n, 1, transform == POST_NONE ? ROLE_NUMBERS : ROLE_PROBABILITIES,
                             count, TAKE_PTR(scores), 0, NULL);
}

const LowerEntry lower_ml[] = {
        {DOMAIN_ML, "Imputer", lower_imputer},
        {DOMAIN_ML, "FeatureVectorizer", lower_vectorizer},
        {DOMAIN_ML, "LabelEncoder", lower_label_encoder},
        {DOMAIN_ML, "SVMClassifier", lower_svm},
        {NULL, NULL, NULL},
};
