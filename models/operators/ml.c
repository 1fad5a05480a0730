/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operators/ml-common.h"

/* A list that is empty, or has one element for all columns or one for each. */
static int check_columns(const char *name, size_t n, size_t width, Error *e) {
        if (n == 0 || n == 1 || n == width)
                return 0;
        return error_set(e, -EINVAL, "attribute %s has %zu elements, but the input has %zu columns",
                         name, n, width);
}

static double column(const Numbers *list, size_t k, double fallback) {
        return list->n == 0 ? fallback : numbers_get(list, list->n == 1 ? 0 : k);
}

/* (x - offset) * scale. */
static int run_scaler(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Numbers offset = node_floats(n, "offset"), scale = node_floats(n, "scale");
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        Rows rows;
        int r;

        r = rows_init(in[0], &rows, e);
        if (r < 0)
                return r;
        r = check_columns("offset", offset.n, rows.width, e);
        if (r < 0)
                return r;
        r = check_columns("scale", scale.n, rows.width, e);
        if (r < 0)
                return r;
        r = tensor_new(ELEMENT_F32, in[0]->rank, in[0]->dim, &y);
        if (r < 0)
                return r;
        for (size_t i = 0; i < y->count; i++) {
                size_t k = i % rows.width;

                y->f32[i] = (float)((tensor_get_f64(in[0], i) - column(&offset, k, 0)) *
                                    column(&scale, k, 1));
        }
        out[0] = TAKE_PTR(y);
        return 0;
}

typedef enum Norm { NORM_MAX, NORM_L1, NORM_L2, _NORM_COUNT } Norm;

static double norm_of(Norm norm, const double *x, size_t n) {
        double sum = 0;

        for (size_t i = 0; i < n; i++) {
                double a = fabs(x[i]);

                sum = norm == NORM_MAX ? fmax(sum, a) : sum + (norm == NORM_L1 ? a : a * a);
        }
        return norm == NORM_L2 ? sqrt(sum) : sum;
}

/* MAX is the largest magnitude, as in ONNX's reference implementation and in scikit-learn, and not
 * the largest value, as in the operator's one-line formula: equal where nothing is negative. */
static int run_normalizer(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        static const char *const names[_NORM_COUNT] = {
                [NORM_MAX] = "MAX", [NORM_L1] = "L1", [NORM_L2] = "L2"};
        const char *name = attribute_string(n, "norm", "MAX");
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        _cleanup_free_
        double *row = NULL;
        int norm = 0, r;
        Rows rows;

        while (norm < _NORM_COUNT && !streq(name, names[norm]))
                norm++;
        if (norm == _NORM_COUNT)
                return error_set(e, -EINVAL,
                                 "attribute norm is '%.32s', but MAX, L1 and L2 are what it takes",
                                 name);
        r = rows_init(in[0], &rows, e);
        if (r < 0)
                return r;
        r = tensor_new(ELEMENT_F32, in[0]->rank, in[0]->dim, &y);
        if (r < 0)
                return r;
        row = calloc(rows.width + 1, sizeof(*row));
        if (!row)
                return -ENOMEM;
        for (size_t i = 0; i < rows.n; i++) {
                double by;

                rows_get(&rows, i, row);
                by = norm_of((Norm)norm, row, rows.width);
                for (size_t k = 0; k < rows.width; k++)
                        y->f32[i * rows.width + k] = (float)(by == 0 ? row[k] : row[k] / by);
        }
        out[0] = TAKE_PTR(y);
        return 0;
}

static int check_numeric(const Tensor *t, Error *e) {
        if (t->type == ELEMENT_F32 || t->type == ELEMENT_F64 || t->type == ELEMENT_I32 ||
            t->type == ELEMENT_I64)
                return 0;
        return error_set(e, -EINVAL,
                         "input is %s, but float32, float64, int32 and int64 are what it takes",
                         element_type_name(t->type));
}

static int run_binarizer(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        double threshold = (double)attribute_float(n, "threshold", 0);
        Tensor *y;
        int r;

        r = check_numeric(in[0], e);
        if (r < 0)
                return r;
        r = tensor_new(in[0]->type, in[0]->rank, in[0]->dim, &y);
        if (r < 0)
                return r;
        for (size_t i = 0; i < y->count; i++)
                tensor_set_f64(y, i, tensor_get_f64(in[0], i) > threshold ? 1 : 0);
        out[0] = y;
        return 0;
}

static void impute_floats(const Node *n, const Numbers *with, size_t width, Tensor *y) {
        double replaced = (double)attribute_float(n, "replaced_value_float", 0);

        for (size_t i = 0; i < y->count; i++) {
                double x = tensor_get_f64(y, i);

                if (x == replaced || (isnan(x) && isnan(replaced)))
                        tensor_set_f64(y, i, column(with, i % width, 0));
        }
}

static int impute_ints(const Node *n, const Ints *with, size_t width, Tensor *y, Error *e) {
        int64_t replaced = attribute_int(n, "replaced_value_int64", 0);

        for (size_t i = 0; i < with->n && y->type == ELEMENT_I32; i++)
                if (with->x[i] < INT32_MIN || with->x[i] > INT32_MAX)
                        return error_set(e, -EINVAL,
                                         "imputed_value_int64s[%zu] is %" PRId64
                                         ", but the input is int32",
                                         i, with->x[i]);
        for (size_t i = 0; i < y->count; i++) {
                int64_t value = with->x[with->n == 1 ? 0 : i % width];

                if (tensor_get_i64(y, i) != replaced)
                        continue;
                if (y->type == ELEMENT_I32)
                        y->i32[i] = (int32_t)value;
                else
                        y->i64[i] = value;
        }
        return 0;
}

static int run_imputer(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Numbers floats = node_floats(n, "imputed_value_floats");
        Ints ints = node_ints(n, "imputed_value_int64s");
        const Tensor *x = in[0];
        bool real = x->type == ELEMENT_F32 || x->type == ELEMENT_F64;
        const char *name = real ? "imputed_value_floats" : "imputed_value_int64s";
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        size_t width;
        int r;

        r = check_numeric(x, e);
        if (r < 0)
                return r;
        if (x->rank < 1)
                return error_set(e, -EINVAL, "input is a scalar, but [N, F] or [F] is taken");
        width = (size_t)x->dim[x->rank - 1];
        if (floats.n > 0 && ints.n > 0)
                return error_set(e, -EINVAL,
                                 "attributes imputed_value_floats and imputed_value_int64s are "
                                 "given, but one is taken");
        if ((real ? floats.n : ints.n) == 0)
                return error_set(e, -EINVAL, "attribute %s is empty, but the input is %s", name,
                                 element_type_name(x->type));
        r = check_columns(name, real ? floats.n : ints.n, width, e);
        if (r < 0)
                return r;
        r = tensor_copy(x, &y);
        if (r < 0)
                return r;
        if (real)
                impute_floats(n, &floats, width, y);
        else
                r = impute_ints(n, &ints, width, y, e);
        if (r < 0)
                return r;
        out[0] = TAKE_PTR(y);
        return 0;
}

/* Columns of the last dimension; of [F] they make [1, n], as onnxruntime does. */
static int run_extractor(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Tensor *x = in[0], *indices = in[1];
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        int64_t dim[TENSOR_RANK_MAX];
        size_t width, rows, size = element_type_size(x->type);
        int r;

        if (x->type != ELEMENT_STRING) {
                r = check_numeric(x, e);
                if (r < 0)
                        return r;
        }
        if (x->rank < 1)
                return error_set(e, -EINVAL, "X is a scalar, but [N, F] or [F] is taken");
        if (indices->type != ELEMENT_I64 || indices->count == 0)
                return error_set(e, -EINVAL, "Y has %zu elements of %s, but int64 is what it takes",
                                 indices->count, element_type_name(indices->type));
        width = (size_t)x->dim[x->rank - 1];
        for (size_t i = 0; i < indices->count; i++)
                if (indices->i64[i] < 0 || (uint64_t)indices->i64[i] >= width)
                        return error_set(e, -EINVAL, "Y[%zu] is %" PRId64 ", but X has %zu columns",
                                         i, indices->i64[i], width);
        memcpy(dim, x->dim, sizeof(dim));
        dim[0] = x->rank == 1 ? 1 : dim[0];
        dim[MAX(x->rank, (size_t)2) - 1] = (int64_t)indices->count;
        r = tensor_new(x->type, MAX(x->rank, (size_t)2), dim, &y);
        if (r < 0)
                return r;
        rows = y->count / indices->count;
        for (size_t i = 0; i < rows; i++)
                for (size_t k = 0; k < indices->count; k++) {
                        size_t from = i * width + (size_t)indices->i64[k];
                        size_t to = i * indices->count + k;

                        if (x->type != ELEMENT_STRING) {
                                memcpy(y->u8 + to * size, x->u8 + from * size, size);
                                continue;
                        }
                        y->string[to] = strdup(x->string[from]);
                        if (!y->string[to])
                                return -ENOMEM;
                }
        out[0] = TAKE_PTR(y);
        return 0;
}

/* A map of labels to probabilities for each row is what the standard makes. Here they stay the
 * tensor that they are: column i is label i's. */
static int run_zip_map(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Labels labels;
        Rows rows;
        int r;

        r = rows_init(in[0], &rows, e);
        if (r < 0)
                return r;
        r = node_labels(n, "classlabels_int64s", &labels, e);
        if (r < 0)
                return r;
        if (labels.n != rows.width)
                return error_set(e, -EINVAL, "%zu class labels, but the input has %zu columns",
                                 labels.n, rows.width);
        return tensor_copy(in[0], out);
}

/* The inputs' columns, one input after the other. */
static int run_vectorizer(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        Ints widths = node_ints(n, "inputdimensions");
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        size_t n_rows = 0, width = 0, first = 0;
        int r;

        if (widths.n > 0 && widths.n != n->n_inputs)
                return error_set(
                        e, -EINVAL,
                        "attribute inputdimensions has %zu elements, but there are %zu inputs",
                        widths.n, n->n_inputs);
        for (size_t i = 0; i < n->n_inputs; i++) {
                Rows rows;

                if (!in[i])
                        return error_set(e, -EINVAL, "input %zu is not given", i);
                r = rows_init(in[i], &rows, e);
                if (r < 0)
                        return r;
                if (i > 0 && rows.n != n_rows)
                        return error_set(e, -EINVAL, "input %zu has %zu rows, but input 0 has %zu",
                                         i, rows.n, n_rows);
                if (widths.n > 0 && (widths.x[i] < 0 || (uint64_t)widths.x[i] != rows.width))
                        return error_set(e, -EINVAL,
                                         "inputdimensions[%zu] is %" PRId64
                                         ", but the input has %zu columns",
                                         i, widths.x[i], rows.width);
                n_rows = rows.n;
                width += rows.width;
        }
        r = tensor_new(ELEMENT_F32, 2, (const int64_t[]){(int64_t)n_rows, (int64_t)width}, &y);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n->n_inputs; i++) {
                size_t own = (size_t)in[i]->dim[in[i]->rank - 1];

                for (size_t k = 0; k < in[i]->count; k++)
                        y->f32[k / own * width + first + k % own] = (float)tensor_get_f64(in[i], k);
                first += own;
        }
        out[0] = TAKE_PTR(y);
        return 0;
}

static const Operator operators[] = {
        {.domain = DOMAIN_ML,
         .name = "Scaler",
         .since = 1,
         .kind = OPERATOR_AFFINE,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_scaler},
        {.domain = DOMAIN_ML,
         .name = "Normalizer",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_normalizer},
        {.domain = DOMAIN_ML,
         .name = "Binarizer",
         .since = 1,
         .kind = OPERATOR_POINTWISE,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_binarizer},
        {.domain = DOMAIN_ML,
         .name = "Imputer",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_imputer},
        {.domain = DOMAIN_ML,
         .name = "ArrayFeatureExtractor",
         .since = 1,
         .kind = OPERATOR_MOVE,
         .inputs_min = 2,
         .inputs_max = 2,
         .outputs_max = 1,
         .run = run_extractor},
        {.domain = DOMAIN_ML,
         .name = "ZipMap",
         .since = 1,
         .kind = OPERATOR_MOVE,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_zip_map},
        {.domain = DOMAIN_ML,
         .name = "FeatureVectorizer",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = SIZE_MAX,
         .outputs_max = 1,
         .run = run_vectorizer},
};

const OperatorTable operators_ml = {operators, ELEMENTSOF(operators)};
