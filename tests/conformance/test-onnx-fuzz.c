/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Broken ONNX models: test-onnx-fuzz DATA [SEED [ROUNDS]]
 *
 * Of the ONNX project's test models the first ones of every supported operator, and some of
 * ai.onnx.ml, are cut, flipped and given absurd dimensions, attributes and inputs. Each has to be
 * refused with a text, or to run within bounds of work and memory. Equal seeds do equal things.
 */
#include <errno.h>
#include <math.h>

#include "onnx.pb-c.h"

#include "models/import-onnx.h"
#include "models/operator.h"
#include "tests/harness/onnx-data.h"
#include "tests/harness/onnx-node-model.h"

#define TREE                                                                        \
        " nodes_treeids=I:0,0,0,0,0,1,1,1 nodes_nodeids=I:0,1,2,3,4,0,1,2 "         \
        "nodes_featureids=I:0,1,0,0,0,1,0,0 nodes_values=F:0.5,-1,0,0,0,2,0,0 "     \
        "nodes_modes=S:BRANCH_LEQ,BRANCH_GT,LEAF,LEAF,LEAF,BRANCH_LT,LEAF,LEAF "    \
        "nodes_truenodeids=I:1,2,0,0,0,1,0,0 nodes_falsenodeids=I:4,3,0,0,0,2,0,0 " \
        "nodes_missing_value_tracks_true=I:0,1,0,0,0,0,0,0"

static const char *const ml_models[] = {
        "Scaler offset=F:1,2 scale=F:0.5,2",
        "Normalizer norm=s:L2",
        "Binarizer threshold=f:0.5",
        "Imputer imputed_value_floats=F:1,2 replaced_value_float=f:-1",
        "LinearClassifier coefficients=F:1,2,3,4,5,6 intercepts=F:1,2,3 classlabels_ints=I:5,6,7 "
        "post_transform=s:SOFTMAX",
        "LinearClassifier coefficients=F:1,2 intercepts=F:1 classlabels_strings=S:no,yes "
        "post_transform=s:LOGISTIC",
        "LinearRegressor coefficients=F:1,2,3,4 intercepts=F:1,2 targets=i:2",
        "SVMClassifier support_vectors=F:1,0,0,2,-1,1,2,-1 "
        "coefficients=F:0.5,0.25,-1,-2,1,-0.5,1,2 "
        "rho=F:0.1,-0.2,0.3 vectors_per_class=I:2,1,1 classlabels_strings=S:a,b,c "
        "kernel_type=s:LINEAR",
        "TreeEnsembleRegressor n_targets=i:2 target_treeids=I:0,0,0,1,1 "
        "target_nodeids=I:2,3,4,1,2 target_ids=I:0,1,0,1,0 target_weights=F:1,2,3,4,5" TREE,
        "TreeEnsembleClassifier classlabels_int64s=I:0,1 class_treeids=I:0,0,0,1,1 "
        "class_nodeids=I:2,3,4,1,2 class_ids=I:0,1,0,1,0 class_weights=F:1,2,3,4,5" TREE,
        "ArrayFeatureExtractor",
        "ZipMap classlabels_int64s=I:4,5",
        "FeatureVectorizer inputdimensions=I:2",
        "LabelEncoder keys_floats=F:0,1,2 values_int64s=I:7,8,9 default_int64=i:-1",
};

#define WORK_MAX (UINT64_C(1) << 22)
/* What one model may ask of the allocator in all: a few tensors of the largest size. */
#define MEMORY_MAX ((size_t)1 << 30)
#define MODEL_SIZE_MAX ((size_t)16384)
#define PER_OPERATOR 2
#define INPUTS_MAX 16

static size_t requested; /* since the model was begun */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

static void request(size_t n, size_t size) {
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes) ||
            __builtin_add_overflow(requested, bytes, &requested))
                requested = SIZE_MAX;
}

void *__wrap_malloc(size_t n) {
        request(n, 1);
        return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
        request(n, size);
        return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
        request(n, 1);
        return __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        request(n, size);
        return __real_reallocarray(p, n, size);
}

static uint64_t seed;

static uint64_t random_u64(void) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed * UINT64_C(0x2545f4914f6cdd1d);
}

static size_t random_below(size_t n) {
        return (size_t)(random_u64() % n);
}

static int64_t absurd(void) {
        static const int64_t values[] = {0,
                                         1,
                                         -1,
                                         2,
                                         -2,
                                         3,
                                         7,
                                         -3,
                                         255,
                                         65536,
                                         -65536,
                                         INT32_MAX,
                                         INT32_MIN,
                                         INT64_C(1) << 24,
                                         INT64_C(1) << 32,
                                         INT64_C(1) << 40,
                                         INT64_C(1) << 62,
                                         INT64_MAX,
                                         INT64_MAX - 1,
                                         INT64_MIN,
                                         INT64_MIN + 1};

        return values[random_below(ELEMENTSOF(values))];
}

static float absurd_float(void) {
        static const float values[] = {0.0f,  -0.0f,  1.0f,     -1.0f,     0.5f,  1e-45f,
                                       1e38f, -1e38f, INFINITY, -INFINITY, 1e10f, NAN};

        return values[random_below(ELEMENTSOF(values))];
}

static size_t n_imported, n_ran, n_refused;
static const char *current;

static void fail(const char *what, const char *text) {
        fprintf(stderr, "%s: %s: '%s'\n", current, what, text);
        exit(1);
}

/* A refusal has one line of text that any terminal and bus will take. */
static void check_refusal(int r, const Error *e) {
        if (r != -EINVAL && r != -EFBIG && r != -ENOTSUP)
                fail(strerror(-r), e->text);
        if (!e->text[0])
                fail("refused without a reason", "");
        for (const char *p = e->text; *p; p++)
                if (*p < ' ' || *p > '~')
                        fail("not printable", e->text);
        n_refused++;
}

/* Zeros of the shape that the model wants; NULL where that is large. */
static Tensor *zeros(const GraphInput *input) {
        int64_t dim[TENSOR_RANK_MAX] = {0};
        size_t rank = input->rank == GRAPH_RANK_ANY ? 1 : input->rank, count;
        Tensor *t = NULL;

        for (size_t i = 0; i < rank; i++)
                dim[i] = input->rank == GRAPH_RANK_ANY || input->dim[i] < 0 ? 2 : input->dim[i];
        if (tensor_count(rank, dim, &count) < 0 || count > 65536 ||
            tensor_new(input->type, rank, dim, &t) < 0)
                return NULL;
        for (size_t i = 0; t->type == ELEMENT_STRING && i < t->count; i++)
                t->string[i] = strdup("");
        return t;
}

static void spoil(Tensor *t) {
        for (size_t i = 0; i < t->count; i++) {
                if (random_below(4) > 0 || t->type == ELEMENT_STRING)
                        continue;
                if (t->type == ELEMENT_I64)
                        t->i64[i] = absurd();
                else if (t->type == ELEMENT_F16 || t->type == ELEMENT_BF16)
                        t->half[i] = (uint16_t)random_u64();
                else
                        tensor_set_f64(t, i,
                                       random_below(2) ? (double)absurd() : (double)absurd_float());
        }
}

/* Runs on the case's own inputs where they fit, else on zeros; spoilt: with absurd elements. */
static void run(Graph *g, const OnnxCase *c, bool spoilt) {
        Tensor *in[INPUTS_MAX] = {NULL}, **out;
        Error e = ERROR_INIT;
        int r = 0;

        if (g->n_inputs > INPUTS_MAX)
                return;
        out = calloc(g->n_outputs, sizeof(*out));
        for (size_t i = 0; i < g->n_inputs && r >= 0; i++) {
                _cleanup_free_
                void *data = NULL;
                char file[64];
                size_t size;

                snprintf(file, sizeof(file), "test_data_set_0/input_%zu.pb", i);
                if (onnx_case_read(c, file, &data, &size) < 0 ||
                    import_onnx_tensor(data, size, in + i, NULL) < 0 ||
                    in[i]->type != g->inputs[i].type) {
                        tensor_free(in[i]);
                        in[i] = zeros(g->inputs + i);
                }
                if (!in[i])
                        r = -EFBIG;
                else if (spoilt)
                        spoil(in[i]);
        }
        if (r >= 0) {
                g->work_max = WORK_MAX;
                r = graph_run(g, (const Tensor *const *)in, g->n_inputs, out, &e);
                if (r < 0)
                        check_refusal(r, &e);
                else
                        n_ran++;
        }
        for (size_t i = 0; i < g->n_inputs; i++)
                tensor_free(in[i]);
        for (size_t i = 0; i < g->n_outputs; i++)
                tensor_free(out[i]);
        free(out);
}

static void try_bytes(const OnnxCase *c, const void *data, size_t size, bool spoilt) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        /* Of its exact size, so that a sanitizer sees a read beyond it. */
        _cleanup_free_
        void *copy = malloc(MAX(size, 1u));
        Error e = ERROR_INIT;
        int r;

        memcpy(copy, data, size);
        requested = 0;
        r = import_onnx(copy, size, &g, &e);
        if (r < 0) {
                check_refusal(r, &e);
        } else {
                n_imported++;
                run(g, c, spoilt);
        }
        if (requested > MEMORY_MAX)
                fail("asked for too much memory", e.text);
}

static void cut(const OnnxCase *c, const uint8_t *data, size_t size, size_t rounds) {
        size_t step = MAX(size / rounds, 1u);

        for (size_t n = random_below(step); n < size; n += step)
                try_bytes(c, data, n, false);
}

static void flip(const OnnxCase *c, const uint8_t *data, size_t size, size_t rounds) {
        _cleanup_free_
        uint8_t *copy = malloc(size);

        for (size_t i = 0; i < rounds; i++) {
                memcpy(copy, data, size);
                for (size_t k = random_below(3) + 1; k > 0; k--)
                        copy[random_below(size)] = (uint8_t)random_u64();
                try_bytes(c, copy, size, false);
        }
}

static void spoil_proto_tensor(Onnx__TensorProto *t) {
        for (size_t i = 0; i < t->n_dims; i++)
                if (random_below(2))
                        t->dims[i] = absurd();
        if (random_below(8) == 0)
                t->data_type = (int32_t)random_below(20);
        for (size_t i = 0; i < t->n_int64_data; i++)
                t->int64_data[i] = absurd();
        for (size_t i = 0; i < t->raw_data.len; i++)
                if (random_below(4) == 0)
                        t->raw_data.data[i] = (uint8_t)random_u64();
}

static void spoil_attribute(Onnx__AttributeProto *a) {
        if (random_below(2))
                return;
        /* Often one number alone: most other mistakes hide behind the first. */
        if (a->n_ints > 0 && random_below(2)) {
                a->ints[random_below(a->n_ints)] = absurd();
                return;
        }
        a->i = absurd();
        a->f = absurd_float();
        for (size_t i = 0; i < a->n_ints; i++)
                if (random_below(2))
                        a->ints[i] = absurd();
        for (size_t i = 0; i < a->n_floats; i++)
                if (random_below(2))
                        a->floats[i] = absurd_float();
        if (a->n_ints > 0 && random_below(4) == 0)
                a->n_ints--;
        if (a->n_floats > 0 && random_below(8) == 0)
                a->n_floats--;
        if (a->t)
                spoil_proto_tensor(a->t);
        if (random_below(16) == 0)
                a->type = (Onnx__AttributeProto__AttributeType)random_below(16);
}

/* The same model with other numbers in it. */
static void spoil_model(Onnx__ModelProto *m) {
        Onnx__GraphProto *g = m->graph;

        for (size_t i = 0; i < g->n_node; i++) {
                Onnx__NodeProto *n = g->node[i];

                for (size_t k = 0; k < n->n_attribute; k++)
                        spoil_attribute(n->attribute[k]);
                if (n->n_input > 0 && random_below(8) == 0) {
                        size_t k = random_below(n->n_input);
                        char *name = n->input[k];

                        n->input[k] = n->input[0];
                        n->input[0] = name;
                }
        }
        for (size_t i = 0; i < g->n_initializer; i++)
                if (random_below(2))
                        spoil_proto_tensor(g->initializer[i]);
        for (size_t i = 0; i < g->n_input; i++) {
                Onnx__TypeProto__Tensor *t = g->input[i]->type->tensor_type;

                if (g->input[i]->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
                    !t->shape)
                        continue;
                for (size_t k = 0; k < t->shape->n_dim; k++)
                        if (random_below(8) == 0) {
                                if (t->shape->dim[k]->value_case ==
                                    ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM)
                                        free(t->shape->dim[k]->dim_param);
                                t->shape->dim[k]->value_case =
                                        ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
                                t->shape->dim[k]->dim_value = absurd(); /* in the place of a name */
                        }
                if (random_below(16) == 0)
                        t->elem_type = (int32_t)random_below(17);
        }
        if (m->n_opset_import > 0 && random_below(8) == 0)
                m->opset_import[0]->version = (int64_t)random_below(24);
}

static void spoil_numbers(const OnnxCase *c, const uint8_t *data, size_t size, size_t rounds) {
        for (size_t i = 0; i < rounds; i++) {
                Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, data);
                _cleanup_free_
                uint8_t *bytes = NULL;
                size_t packed;

                if (!m || !m->graph || m->graph->n_node == 0)
                        fail("does not parse", "");
                spoil_model(m);
                packed = onnx__model_proto__get_packed_size(m);
                bytes = malloc(packed);
                onnx__model_proto__pack(m, bytes);
                onnx__model_proto__free_unpacked(m, NULL);
                try_bytes(c, bytes, packed, i % 2 == 1);
        }
}

/* Whether the case has an operator that few of the cases before it had. */
static bool choose(const uint8_t *data, size_t size, unsigned char *seen, size_t n_seen) {
        Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, data);
        bool chosen = false, all = true;

        for (size_t i = 0; m && m->graph && i < m->graph->n_node; i++) {
                const Operator *op = operator_find(
                        m->graph->node[i]->domain ? m->graph->node[i]->domain : "",
                        m->graph->node[i]->op_type);
                size_t k = 0;

                while (op && k < n_seen && operator_at(k) != op)
                        k++;
                all &= op != NULL;
                if (op && k < n_seen && seen[k] < PER_OPERATOR) {
                        seen[k]++;
                        chosen = true;
                }
        }
        if (m)
                onnx__model_proto__free_unpacked(m, NULL);
        return chosen && all;
}

static void vary(const OnnxCase *c, const uint8_t *data, size_t size, size_t rounds) {
        try_bytes(c, data, size, false);
        cut(c, data, size, rounds);
        flip(c, data, size, 2 * rounds);
        spoil_numbers(c, data, size, 2 * rounds);
}

int main(int argc, char **argv) {
        _cleanup_free_
        OnnxCase *cases = NULL;
        unsigned char seen[512] = {0};
        size_t n, chosen = 0, rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 64;

        seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        if (argc < 2 || rounds == 0 || seed == 0) {
                fprintf(stderr, "usage: test-onnx-fuzz DATA [SEED [ROUNDS]], both at least 1\n");
                return 2;
        }
        if (onnx_cases_list(argv[1], &cases, &n) < 0 || n == 0) {
                printf("SKIP: no ONNX test data below %s (package libonnx-testdata)\n", argv[1]);
                return 77;
        }
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_
                void *data = NULL;
                size_t size;

                current = cases[i].name;
                if (onnx_case_read(cases + i, "model.onnx", &data, &size) < 0)
                        fail("cannot be read", "");
                if (size > MODEL_SIZE_MAX || !choose(data, size, seen, ELEMENTSOF(seen)))
                        continue;
                chosen++;
                vary(cases + i, data, size, rounds);
        }
        for (size_t i = 0; i < ELEMENTSOF(ml_models); i++) {
                static const OnnxCase none = {.name = "", .path = "/nonexistent"};
                _cleanup_free_
                void *data = NULL;
                size_t size, ran = n_ran;

                current = ml_models[i];
                if (onnx_node_model(ml_models[i], &data, &size) < 0)
                        fail("cannot be made", "");
                try_bytes(&none, data, size, false);
                if (n_ran != ran + 1)
                        fail("does not run as it is", "");
                chosen++;
                vary(&none, data, size, rounds);
        }
        printf("%zu models; of their variants %zu were imported, %zu ran, %zu were refused\n",
               chosen, n_imported, n_ran, n_refused);
        return n_ran == 0 || n_refused == 0;
}
