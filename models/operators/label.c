/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/operators/ml-common.h"

/* A list of keys or of values; one of the three is not empty. */
typedef struct List {
        ElementType type; /* STRING, I64 or F32 */
        size_t n;
        Strings strings;
        Ints ints;
        Numbers floats;
} List;

typedef struct Encoder {
        List keys;
        List values;
        size_t *order; /* of the keys, ascending, the first of equal ones first */
        const char *default_string;
        int64_t default_int;
        float default_float;
} Encoder;

static void encoder_done(Encoder *c) {
        free(c->order);
}

/* prefix: "keys" or "values". */
static int read_list(const Node *n, const char *prefix, List *ret, Error *e) {
        char name[32];

        snprintf(name, sizeof(name), "%s_strings", prefix);
        ret->strings = node_strings(n, name);
        snprintf(name, sizeof(name), "%s_int64s", prefix);
        ret->ints = node_ints(n, name);
        snprintf(name, sizeof(name), "%s_floats", prefix);
        ret->floats = node_floats(n, name);
        ret->n = ret->strings.n + ret->ints.n + ret->floats.n;
        if ((ret->strings.n > 0) + (ret->ints.n > 0) + (ret->floats.n > 0) != 1)
                return error_set(e, -EINVAL,
                                 "exactly one of the attributes %s_strings, %s_int64s and "
                                 "%s_floats is what it takes",
                                 prefix, prefix, prefix);
        ret->type = ret->strings.n > 0 ? ELEMENT_STRING
                    : ret->ints.n > 0  ? ELEMENT_I64
                                       : ELEMENT_F32;
        return 0;
}

/* NaN is above all numbers, and equal to itself. */
static int compare_floats(float a, float b) {
        if (isnan(a) || isnan(b))
                return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
        return (a > b) - (a < b);
}

static int compare_key(const List *keys, size_t i, const Tensor *x, size_t at) {
        switch (keys->type) {
        case ELEMENT_STRING:
                return strcmp(keys->strings.x[i], x->string[at]);
        case ELEMENT_I64:
                return (keys->ints.x[i] > x->i64[at]) - (keys->ints.x[i] < x->i64[at]);
        default:
                return compare_floats(keys->floats.f32[i], x->f32[at]);
        }
}

static int compare_order(const void *a, const void *b, void *userdata) {
        const List *keys = userdata;
        size_t i = *(const size_t *)a, k = *(const size_t *)b;
        int r;

        if (keys->type == ELEMENT_STRING)
                r = strcmp(keys->strings.x[i], keys->strings.x[k]);
        else if (keys->type == ELEMENT_I64)
                r = (keys->ints.x[i] > keys->ints.x[k]) - (keys->ints.x[i] < keys->ints.x[k]);
        else
                r = compare_floats(keys->floats.f32[i], keys->floats.f32[k]);
        return r != 0 ? r : (i > k) - (i < k);
}

static int sort_keys(Encoder *c) {
        c->order = calloc(c->keys.n, sizeof(*c->order));
        if (!c->order)
                return -ENOMEM;
        for (size_t i = 0; i < c->keys.n; i++)
                c->order[i] = i;
        qsort_r(c->order, c->keys.n, sizeof(*c->order), compare_order, &c->keys);
        return 0;
}

/* Index of the first key that equals element `at`, or SIZE_MAX. */
static size_t find_key(const Encoder *c, const Tensor *x, size_t at) {
        size_t low = 0, high = c->keys.n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (compare_key(&c->keys, c->order[middle], x, at) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == c->keys.n || compare_key(&c->keys, c->order[low], x, at) != 0)
                return SIZE_MAX;
        return c->order[low];
}

/* Version 1 has one list: a string is its index in it, an index its string. */
static int read_classes(const Node *n, const Tensor *x, Encoder *c, Error *e) {
        Strings classes = node_strings(n, "classes_strings");

        if (classes.n == 0)
                return error_set(e, -EINVAL, "attribute classes_strings is empty");
        if (x->type != ELEMENT_STRING && x->type != ELEMENT_I64)
                return error_set(e, -EINVAL, "input is %s, but string and int64 are what it takes",
                                 element_type_name(x->type));
        if (x->type == ELEMENT_STRING) {
                c->keys = (List){ELEMENT_STRING, classes.n, .strings = classes};
                c->values = (List){ELEMENT_I64, classes.n, .ints = {0}};
                return sort_keys(c);
        }
        c->keys = (List){ELEMENT_I64, classes.n, .ints = {0}};
        c->values = (List){ELEMENT_STRING, classes.n, .strings = classes};
        return 0;
}

static int read_encoder(const Node *n, const Tensor *x, Encoder *c, Error *e) {
        int r;

        c->default_string = attribute_string(n, "default_string", "_Unused");
        c->default_int = attribute_int(n, "default_int64", -1);
        c->default_float = attribute_float(n, "default_float", -0.0f);
        if (n->opset < 2)
                return read_classes(n, x, c, e);
        r = read_list(n, "keys", &c->keys, e);
        if (r < 0)
                return r;
        r = read_list(n, "values", &c->values, e);
        if (r < 0)
                return r;
        if (c->keys.n != c->values.n)
                return error_set(e, -EINVAL, "%zu keys, but %zu values", c->keys.n, c->values.n);
        if (x->type != c->keys.type)
                return error_set(e, -EINVAL, "input is %s, but the keys are %s",
                                 element_type_name(x->type), element_type_name(c->keys.type));
        return sort_keys(c);
}

static size_t look_up(const Encoder *c, const Tensor *x, size_t at) {
        if (c->order)
                return find_key(c, x, at);
        return x->i64[at] >= 0 && (uint64_t)x->i64[at] < c->keys.n ? (size_t)x->i64[at] : SIZE_MAX;
}

/* key: SIZE_MAX for the default. */
static int store_value(const Encoder *c, size_t key, Tensor *y, size_t at) {
        const List *values = &c->values;
        bool found = key != SIZE_MAX;

        switch (values->type) {
        case ELEMENT_F32:
                y->f32[at] = found ? values->floats.f32[key] : c->default_float;
                return 0;
        case ELEMENT_I64: /* version 1 has no list of them: the index */
                y->i64[at] = !found           ? c->default_int
                             : values->ints.x ? values->ints.x[key]
                                              : (int64_t)key;
                return 0;
        default:
                y->string[at] = strdup(found ? values->strings.x[key] : c->default_string);
                return y->string[at] ? 0 : -ENOMEM;
        }
}

static int run_encoder(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(encoder_done)
        Encoder c = {0};
        _cleanup_(tensor_freep)
        Tensor *y = NULL;
        int r;

        r = read_encoder(n, in[0], &c, e);
        if (r < 0)
                return r;
        r = operator_spend(n, in[0]->count + c.keys.n, 32, 1, e);
        if (r < 0)
                return r;
        r = tensor_new(c.values.type, in[0]->rank, in[0]->dim, &y);
        if (r < 0)
                return r;
        for (size_t i = 0; i < y->count; i++) {
                r = store_value(&c, look_up(&c, in[0], i), y, i);
                if (r < 0)
                        return r;
        }
        out[0] = TAKE_PTR(y);
        return 0;
}

static const Operator operators[] = {
        {.domain = DOMAIN_ML,
         .name = "LabelEncoder",
         .since = 1,
         .inputs_min = 1,
         .inputs_max = 1,
         .outputs_max = 1,
         .run = run_encoder},
};

const OperatorTable operators_label = {operators, ELEMENTSOF(operators)};
