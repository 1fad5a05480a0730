/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operators/ml-common.h"

static double dot(const double *x, const float *w, size_t n) {
        double sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += x[i] * (double)w[i];
        return sum;
}

/* One row of coefficients for each score. */
typedef struct Linear {
        size_t n_scores;
        size_t width;
        const float *coefficients; /* [n_scores][width] */
        const float *intercepts;   /* [n_scores], or NULL */
} Linear;

static void linear_scores(const Linear *l, const double *row, double *ret) {
        for (size_t i = 0; i < l->n_scores; i++)
                ret[i] = dot(row, l->coefficients + i * l->width, l->width) +
                         (l->intercepts ? (double)l->intercepts[i] : 0);
}

/* ret->n_scores is set: that many scores are wanted. */
static int linear_init(const Node *n, const Rows *rows, Linear *ret, Error *e) {
        Numbers coefficients = node_floats(n, "coefficients");
        Numbers intercepts = node_floats(n, "intercepts");

        if (coefficients.n == 0 || coefficients.n != ret->n_scores * rows->width)
                return error_set(e, -EINVAL,
                                 "attribute coefficients has %zu elements, but %zu scores of %zu "
                                 "columns want %zu",
                                 coefficients.n, ret->n_scores, rows->width,
                                 ret->n_scores * rows->width);
        if (intercepts.n > 0 && intercepts.n != ret->n_scores)
                return error_set(e, -EINVAL,
                                 "attribute intercepts has %zu elements, but there are %zu scores",
                                 intercepts.n, ret->n_scores);
        ret->width = rows->width;
        ret->coefficients = coefficients.f32;
        ret->intercepts = intercepts.n > 0 ? intercepts.f32 : NULL;
        return 0;
}

static int new_scores(const Rows *rows, size_t width, Tensor **ret) {
        return tensor_new(ELEMENT_F32, 2, (const int64_t[]){(int64_t)rows->n, (int64_t)width}, ret);
}

static void store(Tensor *t, size_t row, const double *x, size_t n) {
        for (size_t i = 0; i < n; i++)
                t->f32[row * n + i] = (float)x[i];
}

/* What classifiers fill, and the room that they need for one row. */
typedef struct Classified {
        Labels labels;
        PostTransform transform;
        Rows rows;
        Tensor *y;
        Tensor *z;
        double *row;
        double *scores;
} Classified;

static void classified_done(Classified *c) {
        tensor_free(c->y);
        tensor_free(c->z);
        free(c->row);
        free(c->scores);
}

static int classified_read(const Node *n, const Tensor *x, Classified *c, Error *e) {
        int r;

        r = rows_init(x, &c->rows, e);
        if (r < 0)
                return r;
        r = node_labels(n, "classlabels_ints", &c->labels, e);
        if (r < 0)
                return r;
        return node_post_transform(n, &c->transform, e);
}

static int classified_new(Classified *c, size_t n_scores) {
        int r;

        c->row = calloc(c->rows.width + 1, sizeof(*c->row));
        c->scores = calloc(n_scores + 1, sizeof(*c->scores));
        if (!c->row || !c->scores)
                return -ENOMEM;
        r = labels_tensor_new(&c->labels, c->rows.n, &c->y);
        if (r < 0)
                return r;
        return new_scores(&c->rows, n_scores, &c->z);
}

static void classified_give(Classified *c, const Node *n, Tensor **out) {
        out[0] = TAKE_PTR(c->y);
        if (n->n_outputs > 1)
                out[1] = TAKE_PTR(c->z);
}

/* With one row of coefficients for two classes, {-s, s} are their scores, as ONNX's reference
 * implementation has it (onnxruntime gives {1 - s, s}, and no transform): the class is the same.
 * multi_class changes nothing, in either. */
static int run_linear_classifier(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(classified_done)
        Classified c = {0};
        Linear linear = {0};
        size_t n_scores;
        bool pair;
        int r;

        r = classified_read(n, in[0], &c, e);
        if (r < 0)
                return r;
        n_scores = c.labels.n;
        pair = n_scores == 2 && node_floats(n, "coefficients").n == c.rows.width;
        linear.n_scores = pair ? 1 : n_scores;
        r = linear_init(n, &c.rows, &linear, e);
        if (r < 0)
                return r;
        r = operator_spend(n, c.rows.n, linear.n_scores, linear.width + 8, e);
        if (r < 0)
                return r;
        r = classified_new(&c, n_scores);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c.rows.n; i++) {
                rows_get(&c.rows, i, c.row);
                linear_scores(&linear, c.row, c.scores);
                if (pair)
                        scores_pair(c.scores[0], /* probability= */ false, c.scores);
                r = labels_set(&c.labels, c.y, i, scores_argmax(c.scores, n_scores));
                if (r < 0)
                        return r;
                post_transform_apply(c.transform, c.scores, n_scores);
                store(c.z, i, c.scores, n_scores);
        }
        classified_give(&c, n, out);
        return 0;
}

static int run_linear_regressor(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        _cleanup_free_
        double *row = NULL, *scores = NULL;
        int64_t targets = attribute_int(n, "targets", 1);
        PostTransform transform;
        Linear linear = {0};
        Rows rows;
        int r;

        if (targets < 1 || (uint64_t)targets > LABELS_MAX)
                return error_set(e, -EINVAL,
                                 "attribute targets is %" PRId64 ", but 1 to %zu are taken",
                                 targets, LABELS_MAX);
        linear.n_scores = (size_t)targets;
        r = node_post_transform(n, &transform, e);
        if (r < 0)
                return r;
        r = rows_init(in[0], &rows, e);
        if (r < 0)
                return r;
        r = linear_init(n, &rows, &linear, e);
        if (r < 0)
                return r;
        r = operator_spend(n, rows.n, linear.n_scores, linear.width + 8, e);
        if (r < 0)
                return r;
        r = new_scores(&rows, linear.n_scores, &y);
        if (r < 0)
                return r;
        row = calloc(rows.width, sizeof(*row));
        scores = calloc(linear.n_scores, sizeof(*scores));
        if (!row || !scores)
                return -ENOMEM;
        for (size_t i = 0; i < rows.n; i++) {
                rows_get(&rows, i, row);
                linear_scores(&linear, row, scores);
                post_transform_apply(transform, scores, linear.n_scores);
                store(y, i, scores, linear.n_scores);
        }
        out[0] = TAKE_PTR(y);
        return 0;
}

/* Support vectors, class by class, as libsvm has them: between classes i < j, the vectors of i
 * count with row j - 1 of the coefficients, those of j with row i. */
typedef struct Svm {
        size_t n_classes;
        size_t n_vectors;
        size_t width;
        Ints per_class;
        const float *vectors;      /* [n_vectors][width] */
        const float *coefficients; /* [n_classes - 1][n_vectors] */
        const float *rho;          /* [pairs] */
        double *kernel;            /* [n_vectors] of the row */
        uint32_t *votes;           /* [n_classes] */
} Svm;

static void svm_done(Svm *s) {
        free(s->kernel);
        free(s->votes);
}

static size_t pairs_of(size_t n_classes) {
        return n_classes * (n_classes - 1) / 2;
}

static int check_count(const char *name, size_t n, size_t wanted, Error *e) {
        if (n == wanted)
                return 0;
        return error_set(e, -EINVAL, "attribute %s has %zu elements, not %zu", name, n, wanted);
}

static int svm_init(const Node *n, const Classified *c, Svm *ret, Error *e) {
        Numbers vectors = node_floats(n, "support_vectors");
        Numbers coefficients = node_floats(n, "coefficients");
        Numbers rho = node_floats(n, "rho");
        int r;

        ret->n_classes = c->labels.n;
        ret->width = c->rows.width;
        ret->per_class = node_ints(n, "vectors_per_class");
        if (ret->n_classes < 2)
                return error_set(e, -EINVAL, "support vectors want two classes, but there is one");
        r = check_count("vectors_per_class", ret->per_class.n, ret->n_classes, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ret->n_classes; i++) {
                if (ret->per_class.x[i] < 0 || (uint64_t)ret->per_class.x[i] > coefficients.n)
                        return error_set(e, -EINVAL,
                                         "vectors_per_class[%zu] is %" PRId64
                                         ", but there are %zu coefficients",
                                         i, ret->per_class.x[i], coefficients.n);
                ret->n_vectors += (size_t)ret->per_class.x[i];
        }
        if (ret->n_vectors > coefficients.n)
                return error_set(e, -EINVAL, "%zu support vectors, but there are %zu coefficients",
                                 ret->n_vectors, coefficients.n);
        if (vectors.n == 0)
                return error_set(e, -EINVAL, "attribute support_vectors is empty");
        r = check_count("support_vectors", vectors.n, ret->n_vectors * ret->width, e);
        if (r < 0)
                return r;
        r = check_count("coefficients", coefficients.n, (ret->n_classes - 1) * ret->n_vectors, e);
        if (r < 0)
                return r;
        r = check_count("rho", rho.n, pairs_of(ret->n_classes), e);
        if (r < 0)
                return r;
        ret->vectors = vectors.f32;
        ret->coefficients = coefficients.f32;
        ret->rho = rho.f32;
        ret->kernel = calloc(ret->n_vectors + 1, sizeof(*ret->kernel));
        ret->votes = calloc(ret->n_classes, sizeof(*ret->votes));
        return ret->kernel && ret->votes ? 0 : -ENOMEM;
}

/* scores: [pairs]. Returns the class with the most votes, the first of equal ones. */
static size_t svm_scores(Svm *s, const double *row, double *scores) {
        size_t pair = 0, start_i = 0, best = 0;

        memset(s->votes, 0, s->n_classes * sizeof(*s->votes));
        for (size_t i = 0; i < s->n_vectors; i++)
                s->kernel[i] = dot(row, s->vectors + i * s->width, s->width);
        for (size_t i = 0; i < s->n_classes; i++) {
                size_t n_i = (size_t)s->per_class.x[i], start_j = start_i + n_i;

                for (size_t j = i + 1; j < s->n_classes; j++) {
                        size_t n_j = (size_t)s->per_class.x[j];

                        scores[pair] = dot(s->kernel + start_i,
                                           s->coefficients + (j - 1) * s->n_vectors + start_i,
                                           n_i) +
                                       dot(s->kernel + start_j,
                                           s->coefficients + i * s->n_vectors + start_j, n_j) +
                                       (double)s->rho[pair];
                        s->votes[scores[pair] > 0 ? i : j]++;
                        start_j += n_j;
                        pair++;
                }
                start_i += n_i;
        }
        for (size_t i = 1; i < s->n_classes; i++)
                if (s->votes[i] > s->votes[best])
                        best = i;
        return best;
}

/* Z holds the scores of all pairs of classes; of two classes {-s, s}, where s > 0 is a vote for the
 * first: both other engines have it so. */
static int run_vectors(const Node *n, Classified *c, Error *e) {
        _cleanup_(svm_done)
        Svm svm = {0};
        size_t n_scores;
        int r;

        r = svm_init(n, c, &svm, e);
        if (r < 0)
                return r;
        n_scores = svm.n_classes == 2 ? 2 : pairs_of(svm.n_classes);
        r = operator_spend(n, c->rows.n, svm.n_vectors + svm.n_classes, svm.width + svm.n_classes,
                           e);
        if (r < 0)
                return r;
        r = classified_new(c, n_scores);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c->rows.n; i++) {
                size_t best;

                rows_get(&c->rows, i, c->row);
                best = svm_scores(&svm, c->row, c->scores);
                if (svm.n_classes == 2)
                        scores_pair(c->scores[0], /* probability= */ false, c->scores);
                r = labels_set(&c->labels, c->y, i, best);
                if (r < 0)
                        return r;
                post_transform_apply(c->transform, c->scores, n_scores);
                store(c->z, i, c->scores, n_scores);
        }
        return 0;
}

/* Without support vectors, as liblinear: one row of coefficients for each class, one rho for all.
 */
static int run_rows(const Node *n, Classified *c, Error *e) {
        Numbers rho = node_floats(n, "rho");
        Linear linear = {.n_scores = c->labels.n};
        int r;

        r = linear_init(n, &c->rows, &linear, e);
        if (r < 0)
                return r;
        r = check_count("rho", rho.n, 1, e);
        if (r < 0)
                return r;
        linear.intercepts = NULL;
        r = operator_spend(n, c->rows.n, linear.n_scores, linear.width + 8, e);
        if (r < 0)
                return r;
        r = classified_new(c, linear.n_scores);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c->rows.n; i++) {
                rows_get(&c->rows, i, c->row);
                linear_scores(&linear, c->row, c->scores);
                for (size_t k = 0; k < linear.n_scores; k++)
                        c->scores[k] += (double)rho.f32[0];
                r = labels_set(&c->labels, c->y, i, scores_argmax(c->scores, linear.n_scores));
                if (r < 0)
                        return r;
                post_transform_apply(c->transform, c->scores, linear.n_scores);
                store(c->z, i, c->scores, linear.n_scores);
        }
        return 0;
}

static int run_svm_classifier(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const char *kernel = attribute_string(n, "kernel_type", "LINEAR");
        _cleanup_(classified_done)
        Classified c = {0};
        Ints per_class = node_ints(n, "vectors_per_class");
        int r;

        if (!streq(kernel, "LINEAR"))
                return error_set(e, -ENOTSUP,
                                 "attribute kernel_type is '%.32s', but LINEAR is taken", kernel);
        if (node_floats(n, "prob_a").n > 0 || node_floats(n, "prob_b").n > 0)
                return error_set(e, -ENOTSUP,
                                 "attributes prob_a and prob_b (calibrated probabilities) are not "
                                 "supported");
        r = classified_read(n, in[0], &c, e);
        if (r < 0)
                return r;
        r = per_class.n > 0 ? run_vectors(n, &c, e) : run_rows(n, &c, e);
        if (r < 0)
                return r;
        classified_give(&c, n, out);
        return 0;
}

static const Operator operators[] = {
        {.domain = DOMAIN_ML,
         .name = "LinearClassifier",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 2,
         .run = run_linear_classifier},
        {.domain = DOMAIN_ML,
         .name = "LinearRegressor",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_linear_regressor},
        {.domain = DOMAIN_ML,
         .name = "SVMClassifier",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 2,
         .run = run_svm_classifier},
};

const OperatorTable operators_linear = {operators, ELEMENTSOF(operators)};
