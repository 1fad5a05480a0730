/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

/*
 * What stands between the scores and the decision. Softmax, logistic and norms keep the order of
 * the scores, so the decision needs none of them: only their place is kept.
 */

/* Softmax over one group that is the whole tensor: on zeros it gives 1 / size of the group. */
static int lower_softmax(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        _cleanup_(tensor_freep)
        Tensor *zero = NULL;
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        Ref *refs;
        double share;
        int r;

        if (lower_role(l, n, 0) == ROLE_PROBABILITIES)
                return lower_pass(l, n, 0, 0);
        r = tensor_new(in[0]->type, in[0]->rank, in[0]->dim, &zero);
        if (r >= 0)
                r = n->op->run(n, (const Tensor *const[]){zero}, &y, l->e);
        if (r < 0)
                return r;
        share = y->count > 0 ? tensor_get_f64(y, 0) : 0;
        if (streq(n->op->name, "LogSoftmax"))
                share = exp(share);
        if (fabs(share * (double)in[0]->count - 1) > 1e-3)
                return lower_refuse(l, n, "its groups are not the whole row");
        r = lower_input(l, n, 0, in[0], &refs);
        if (r < 0)
                return r;
        return lower_decided(l, n, 0, ROLE_PROBABILITIES, in[0]->count, refs, 0, NULL);
}

/* A norm divides a row by one positive number. */
static int lower_normalizer(Lowerer *l, const Node *n, const Tensor *const *in,
                            const Tensor *const *out) {
        Ref *refs;
        int r;

        if (lower_role(l, n, 0) == ROLE_PROBABILITIES)
                return lower_pass(l, n, 0, 0);
        r = lower_input(l, n, 0, in[0], &refs);
        if (r < 0)
                return r;
        return lower_decided(l, n, 0, ROLE_PROBABILITIES, in[0]->count, refs, 0, NULL);
}

static int lower_argmax(Lowerer *l, const Node *n, const Tensor *const *in,
                        const Tensor *const *out) {
        const Lowered *v = lower_input_value(l, n, 0);
        Ref *refs;
        int r;

        if (out[0]->count != 1)
                return lower_refuse(l, n, "it decides more than once");
        if (attribute_int(n, "select_last_index", 0) != 0)
                return lower_refuse(l, n, "select_last_index is not 0");
        if (v->role == ROLE_PROBABILITIES)
                r = lower_refs_copy(v, &refs);
        else
                r = lower_input(l, n, 0, in[0], &refs);
        if (r < 0)
                return r;
        return lower_decided(l, n, 0, ROLE_INDEX, v->n, refs, v->threshold, NULL);
}

int lower_labels_of(const Tensor *t, ClassLabels *ret) {
        if (t->count > ELEMENTSOF(ret->numbers))
                return -EFBIG;
        ret->n = t->count;
        ret->named = t->type == ELEMENT_STRING;
        for (size_t i = 0; i < t->count; i++) {
                ret->numbers[i] = ret->named ? (int64_t)i : tensor_get_i64(t, i);
                if (ret->named && t->string[i])
                        snprintf(ret->names[i], sizeof(ret->names[i]), "%s", t->string[i]);
        }
        return 0;
}

/* Of a list of classes the one that ArgMax names. */
static int lower_label(Lowerer *l, const Node *n, const Tensor *const *in,
                       const Tensor *const *out) {
        const Lowered *index = lower_input_value(l, n, 1);
        _cleanup_free_
        ClassLabels *labels = NULL;
        Ref *refs;
        int r;

        if (!index || index->role != ROLE_INDEX || lower_role(l, n, 0) != ROLE_CONSTANT)
                return lower_move(l, n, in, out);
        labels = calloc(1, sizeof(*labels));
        if (!labels)
                return -ENOMEM;
        if (lower_labels_of(in[0], labels) < 0)
                return lower_refuse(l, n, "more than %d classes", PROGRAM_OUTPUTS_MAX);
        r = lower_refs_copy(index, &refs);
        if (r < 0)
                return r;
        return lower_decided(l, n, 0, ROLE_LABEL, index->n, refs, index->threshold,
                             TAKE_PTR(labels));
}

static int lower_zip_map(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        return lower_pass(l, n, 0, 0);
}

int lower_class_labels(Lowerer *l, const Node *n, const Labels *from, ClassLabels **ret) {
        ClassLabels *labels;

        if (from->n > PROGRAM_OUTPUTS_MAX)
                return lower_refuse(l, n, "more than %d classes", PROGRAM_OUTPUTS_MAX);
        labels = calloc(1, sizeof(*labels));
        if (!labels)
                return -ENOMEM;
        labels->n = from->n;
        labels->named = from->strings;
        for (size_t i = 0; i < from->n; i++) {
                labels->numbers[i] = from->ints ? from->ints[i] : (int64_t)i;
                if (from->strings)
                        snprintf(labels->names[i], sizeof(labels->names[i]), "%s",
                                 from->strings[i]);
        }
        *ret = labels;
        return 0;
}

int lower_raw_scores(Lowerer *l, const Node *n, const Tensor *const *in, Ref **ret, size_t *ret_n) {
        _cleanup_free_
        Attribute *attributes = NULL;
        _cleanup_free_
        Ref *x = NULL;
        Node raw;
        int r;

        r = node_without(n, "post_transform", &raw);
        if (r < 0)
                return r;
        attributes = raw.attributes;
        raw.n_outputs = 2;
        raw.state = NULL;
        r = lower_input(l, n, 0, in[0], &x);
        if (r < 0)
                return r;
        return lower_probe(l, &raw, in, 0, 1, x, ret, ret_n);
}

/* Output 0 is the label of the largest score, output 1 the scores after their transform. */
static int lower_linear_classifier(Lowerer *l, const Node *n, const Tensor *const *in,
                                   const Tensor *const *out) {
        _cleanup_free_
        Ref *scores = NULL;
        _cleanup_free_
        ClassLabels *class_labels = NULL;
        PostTransform transform;
        Labels labels;
        size_t count;
        Ref *copy;
        int r;

        r = node_post_transform(n, &transform, l->e);
        if (r >= 0)
                r = node_labels(n, "classlabels_ints", &labels, l->e);
        if (r >= 0)
                r = lower_class_labels(l, n, &labels, &class_labels);
        if (r >= 0)
                r = lower_raw_scores(l, n, in, &scores, &count);
        if (r < 0)
                return r;
        copy = malloc(MAX(count, (size_t)1) * sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        memcpy(copy, scores, count * sizeof(*copy));
        r = lower_decided(l, n, 0, ROLE_LABEL, count, copy, 0, TAKE_PTR(class_labels));
        if (r < 0)
                return r;
        return lower_decided(l, n, 1, transform == POST_NONE ? ROLE_NUMBERS : ROLE_PROBABILITIES,
                             count, TAKE_PTR(scores), 0, NULL);
}

int lower_transformed(Lowerer *l, const Node *n, size_t output, PostTransform transform,
                      size_t count, Ref *refs) {
        static const Function sigmoid = {.kind = FUNCTION_SIGMOID};
        Role role = ROLE_NUMBERS;
        int r = 0;

        if (transform == POST_SOFTMAX && count > 1)
                role = ROLE_PROBABILITIES;
        else if (transform == POST_LOGISTIC)
                for (size_t i = 0; i < count && r >= 0; i++)
                        r = lower_function(l, refs[i], &sigmoid, &refs[i]);
        else if (transform != POST_NONE)
                r = lower_refuse(l, n, "its post_transform");
        if (r < 0) {
                free(refs);
                return r;
        }
        return lower_decided(l, n, output, role, count, refs, 0, NULL);
}

static int lower_linear_regressor(Lowerer *l, const Node *n, const Tensor *const *in,
                                  const Tensor *const *out) {
        _cleanup_free_
        Attribute *attributes = NULL;
        _cleanup_free_
        Ref *x = NULL;
        PostTransform transform;
        Node raw;
        size_t count;
        Ref *refs;
        int r;

        r = node_post_transform(n, &transform, l->e);
        if (r >= 0)
                r = node_without(n, "post_transform", &raw);
        if (r < 0)
                return r;
        attributes = raw.attributes;
        raw.state = NULL;
        r = lower_input(l, n, 0, in[0], &x);
        if (r >= 0)
                r = lower_probe(l, &raw, in, 0, 0, x, &refs, &count);
        if (r < 0)
                return r;
        return lower_transformed(l, n, 0, transform, count, refs);
}

const LowerEntry lower_classify[] = {
        {DOMAIN_ONNX, "Softmax", lower_softmax},
        {DOMAIN_ONNX, "LogSoftmax", lower_softmax},
        {DOMAIN_ONNX, "ArgMax", lower_argmax},
        {DOMAIN_ONNX, "Gather", lower_label},
        {DOMAIN_ML, "ArrayFeatureExtractor", lower_label},
        {DOMAIN_ML, "ZipMap", lower_zip_map},
        {DOMAIN_ML, "Normalizer", lower_normalizer},
        {DOMAIN_ML, "LinearClassifier", lower_linear_classifier},
        {DOMAIN_ML, "LinearRegressor", lower_linear_regressor},
        {NULL, NULL, NULL},
};
