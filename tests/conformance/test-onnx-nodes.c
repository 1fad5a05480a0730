/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the ONNX project's backend tests: test-onnx-nodes DATA TABLE [--write]
 *
 * A model all of whose operators are supported has to give the outputs that stand beside it; every
 * other has to be refused by the name of an operator that is not. TABLE says what passed: it is
 * compared, or with --write made anew.
 */
#include <errno.h>
#include <math.h>

#include "onnx.pb-c.h"

#include "models/import-onnx.h"
#include "models/operator.h"
#include "tests/harness/onnx-data.h"

#define RTOL 1e-3
#define ATOL 1e-7
#define OPERATORS_MAX 512

#define TRUNCATED "made by cutting the float's low bits off, where others round to nearest"
#define LIKE_SHAPE "the data have another shape than the model declares for input 'like'"

#define WRAPPED "made by wrapping around, where the standard saturates"
#define CORRECTED "the standard was unclear, and later data are otherwise"
#define TENSORS "keys and values as tensors are not supported"
#define STRINGS "strings are not compared"
#define RANDOM "the mask that is expected was drawn by numpy's random generator"

/* What cannot be passed, or not without being wrong. The table tells which of them did not. */
static struct {
        const char *name, *reason;
        bool met;
} exceptions[] = {
        {"node/test_ai_onnx_ml_label_encoder_tensor_mapping", TENSORS},
        {"node/test_ai_onnx_ml_label_encoder_tensor_value_only_mapping", TENSORS},
        {"node/test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
         CORRECTED},
        {"node/test_cast_FLOAT_to_BFLOAT16", TRUNCATED},
        {"node/test_castlike_BFLOAT16_to_FLOAT", LIKE_SHAPE},
        {"node/test_castlike_BFLOAT16_to_FLOAT_expanded", LIKE_SHAPE},
        {"node/test_castlike_FLOAT_to_BFLOAT16", LIKE_SHAPE},
        {"node/test_castlike_FLOAT_to_BFLOAT16_expanded", LIKE_SHAPE},
        {"node/test_equal_string", STRINGS},
        {"node/test_equal_string_broadcast", STRINGS},
        {"node/test_qlinearmatmul_2D_int8_float16", WRAPPED},
        {"node/test_qlinearmatmul_2D_int8_float32", WRAPPED},
        {"node/test_qlinearmatmul_3D_int8_float16", WRAPPED},
        {"node/test_qlinearmatmul_3D_int8_float32", WRAPPED},
        {"node/test_training_dropout", RANDOM},
        {"node/test_training_dropout_default", RANDOM},
        {"node/test_training_dropout_default_mask", RANDOM},
        {"node/test_training_dropout_mask", RANDOM},
};

/* What users were promised. Those of ai.onnx have to pass a model at least. */
static const char *const promised[] = {
        "Add",
        "ArgMax",
        "AveragePool",
        "BatchNormalization",
        "Cast",
        "Clip",
        "Concat",
        "Constant",
        "Conv",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "Flatten",
        "GRU",
        "Gather",
        "Gemm",
        "GlobalAveragePool",
        "Identity",
        "LSTM",
        "LeakyRelu",
        "MatMul",
        "MatMulInteger",
        "MaxPool",
        "Mul",
        "QLinearMatMul",
        "QuantizeLinear",
        "Relu",
        "Reshape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Squeeze",
        "Sub",
        "Tanh",
        "Transpose",
        "Unsqueeze",
        "ai.onnx.ml.ArrayFeatureExtractor",
        "ai.onnx.ml.Binarizer",
        "ai.onnx.ml.Imputer",
        "ai.onnx.ml.LinearClassifier",
        "ai.onnx.ml.LinearRegressor",
        "ai.onnx.ml.Normalizer",
        "ai.onnx.ml.SVMClassifier",
        "ai.onnx.ml.Scaler",
        "ai.onnx.ml.TreeEnsembleClassifier",
        "ai.onnx.ml.TreeEnsembleRegressor",
        "ai.onnx.ml.ZipMap",
};

typedef enum Result {
        RESULT_PASSED,
        RESULT_FAILED,
        RESULT_UNSUPPORTED, /* refused by the name of an operator */
        RESULT_TYPE,        /* refused for a type that no tensor here has */
        RESULT_NEWER,       /* refused by the number of an opset */
        RESULT_EXCEPTED,
        _RESULT_COUNT
} Result;

static const char *const result_names[] = {"passed",  "FAILED",  "refused",
                                           "refused", "refused", "excepted"};

typedef struct Tally {
        char name[96]; /* "Add" or "ai.onnx.ml.Scaler" */
        size_t n;
} Tally;

typedef struct Tallies {
        Tally entries[OPERATORS_MAX];
        size_t n;
} Tallies;

static Tallies passed, refused;
static size_t results[_RESULT_COUNT];

static void count(Tallies *t, const char *name) {
        size_t i;

        for (i = 0; i < t->n && !streq(t->entries[i].name, name); i++)
                ;
        if (i == OPERATORS_MAX)
                return;
        if (i == t->n) {
                snprintf(t->entries[i].name, sizeof(t->entries[i].name), "%s", name);
                t->n++;
        }
        t->entries[i].n++;
}

static size_t counted(const Tallies *t, const char *name) {
        for (size_t i = 0; i < t->n; i++)
                if (streq(t->entries[i].name, name))
                        return t->entries[i].n;
        return 0;
}

static int compare_tallies(const void *a, const void *b) {
        return strcmp(((const Tally *)a)->name, ((const Tally *)b)->name);
}

static void operator_name(const char *domain, const char *type, char *ret, size_t size) {
        bool plain = !domain || !domain[0] || streq(domain, "ai.onnx");

        snprintf(ret, size, "%s%s%s", plain ? "" : domain, plain ? "" : ".", type ? type : "");
}

static void model_freep(Onnx__ModelProto **m) {
        if (*m)
                onnx__model_proto__free_unpacked(*m, NULL);
}

static bool close_enough(double got, double wanted) {
        if (isnan(got) || isnan(wanted))
                return isnan(got) && isnan(wanted);
        if (isinf(got) || isinf(wanted))
                return got == wanted;
        return fabs(got - wanted) <= ATOL + RTOL * fabs(wanted);
}

static bool is_float(ElementType type) {
        return type <= ELEMENT_BF16;
}

static int compare(const Tensor *got, const Tensor *wanted, Error *e) {
        if (got->type != wanted->type)
                return error_set(e, -EINVAL, "is %s and should be %s", element_type_name(got->type),
                                 element_type_name(wanted->type));
        if (got->rank != wanted->rank)
                return error_set(e, -EINVAL, "has %zu dimensions and should have %zu", got->rank,
                                 wanted->rank);
        for (size_t i = 0; i < got->rank; i++)
                if (got->dim[i] != wanted->dim[i])
                        return error_set(e, -EINVAL, "has dimension %zu = %jd and should have %jd",
                                         i, (intmax_t)got->dim[i], (intmax_t)wanted->dim[i]);
        for (size_t i = 0; i < got->count; i++) {
                if (got->type == ELEMENT_STRING) {
                        if (!streq(got->string[i], wanted->string[i]))
                                return error_set(e, -EINVAL, "[%zu] is '%s' and should be '%s'", i,
                                                 got->string[i], wanted->string[i]);
                        continue;
                }
                if (is_float(got->type)
                            ? !close_enough(tensor_get_f64(got, i), tensor_get_f64(wanted, i))
                            : tensor_get_i64(got, i) != tensor_get_i64(wanted, i))
                        return error_set(e, -EINVAL, "[%zu] is %.9g and should be %.9g", i,
                                         tensor_get_f64(got, i), tensor_get_f64(wanted, i));
        }
        return 0;
}

static int read_tensor(const OnnxCase *c, int set, const char *what, size_t i, Tensor **ret,
                       Error *e) {
        _cleanup_free_
        void *data = NULL;
        char file[64];
        size_t size;
        int r;

        snprintf(file, sizeof(file), "test_data_set_%d/%s_%zu.pb", set, what, i);
        r = onnx_case_read(c, file, &data, &size);
        if (r < 0)
                return r == -ENOENT ? r : error_set(e, r, "%s: %s", file, strerror(-r));
        r = import_onnx_tensor(data, size, ret, e);
        return r;
}

static void free_tensors(Tensor **t, size_t n) {
        for (size_t i = 0; i < n; i++)
                tensor_free(t[i]);
}

#define PLACES 64

/* The data were written by numpy, which has no bfloat16: there they are called uint16. */
static void name_bfloat16(Tensor *t, ElementType wanted) {
        if (t->type == ELEMENT_U16 && wanted == ELEMENT_BF16)
                t->type = ELEMENT_BF16;
}

/* Returns 0, -ENOENT where there is no such set, or another error with *e. */
static int run_set(const OnnxCase *c, const Graph *g, int set, Error *e) {
        Tensor *in[PLACES] = {NULL}, *out[PLACES] = {NULL};
        int r = 0;

        if (g->n_inputs > PLACES || g->n_outputs > PLACES)
                return error_set(e, -EFBIG, "more inputs or outputs than this test has places");
        for (size_t i = 0; i < g->n_inputs && r >= 0; i++) {
                r = read_tensor(c, set, "input", i, in + i, e);
                if (r >= 0)
                        name_bfloat16(in[i], g->inputs[i].type);
                else if (r == -ENOENT && i > 0)
                        r = error_set(e, -EINVAL, "input %zu is missing", i);
        }
        if (r >= 0)
                r = graph_run(g, (const Tensor *const *)in, g->n_inputs, out, e);
        free_tensors(in, g->n_inputs);
        for (size_t i = 0; i < g->n_outputs && r >= 0; i++) {
                _cleanup_(tensor_freep)
                Tensor *wanted = NULL;
                Error inner = ERROR_INIT;

                r = read_tensor(c, set, "output", i, &wanted, e);
                if (r < 0)
                        break;
                name_bfloat16(wanted, out[i]->type);
                r = compare(out[i], wanted, &inner);
                if (r < 0)
                        error_set(e, r, "output %zu %s", i, inner.text);
        }
        free_tensors(out, g->n_outputs);
        return r;
}

static int run_case(const OnnxCase *c, const void *data, size_t size, Error *e) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        int r, set;

        r = import_onnx(data, size, &g, e);
        if (r < 0)
                return r;
        for (set = 0;; set++) {
                r = run_set(c, g, set, e);
                if (r < 0)
                        break;
        }
        if (r == -ENOENT && set > 0)
                return 0;
        return error_set(e, r, "no test data");
}

static bool is_initializer(const Onnx__GraphProto *g, const char *name) {
        for (size_t i = 0; i < g->n_initializer; i++)
                if (streq(g->initializer[i]->name, name))
                        return true;
        return false;
}

static bool is_foreign(const Onnx__TypeProto *type) {
        int32_t t;

        if (type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
                return true;
        t = type->tensor_type->elem_type;
        return t == ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64 ||
               t == ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128 ||
               t > ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

/* Whether an input or output is a sequence, optional, or of a type such as float8. */
static bool has_foreign_type(const Onnx__GraphProto *g) {
        for (size_t i = 0; i < g->n_input; i++)
                if (!is_initializer(g, g->input[i]->name) && is_foreign(g->input[i]->type))
                        return true;
        for (size_t i = 0; i < g->n_output; i++)
                if (is_foreign(g->output[i]->type))
                        return true;
        return false;
}

static bool is_newer(const Onnx__ModelProto *m) {
        if (m->ir_version > ONNX_IR_MAX)
                return true;
        for (size_t i = 0; i < m->n_opset_import; i++) {
                const Onnx__OperatorSetIdProto *o = m->opset_import[i];
                bool ml = o->domain && streq(o->domain, DOMAIN_ML);
                bool plain = !o->domain || !o->domain[0] || streq(o->domain, "ai.onnx");

                if ((plain && o->version > ONNX_OPSET_MAX) ||
                    (ml && o->version > ONNX_OPSET_ML_MAX))
                        return true;
        }
        return false;
}

/* Whether the text has the name of an operator that is not supported, of its node, and the opset.
 */
static bool names_unsupported(const Onnx__GraphProto *g, const char *text) {
        for (size_t i = 0; i < g->n_node; i++) {
                const Onnx__NodeProto *n = g->node[i];
                char name[96], wanted[256];

                if (operator_find(n->domain ? n->domain : "", n->op_type))
                        continue;
                operator_name(n->domain, n->op_type, name, sizeof(name));
                snprintf(wanted, sizeof(wanted), "operator %s (node '%s', opset ", name,
                         n->name ? n->name : "");
                if (strstr(text, wanted))
                        return true;
        }
        return false;
}

static size_t count_unsupported(const Onnx__GraphProto *g) {
        size_t n = 0;

        for (size_t i = 0; i < g->n_node; i++) {
                const Onnx__NodeProto *node = g->node[i];
                char name[96];
                bool again = false;

                if (operator_find(node->domain ? node->domain : "", node->op_type))
                        continue;
                for (size_t k = 0; k < i; k++)
                        again |= streq(g->node[k]->op_type, node->op_type);
                operator_name(node->domain, node->op_type, name, sizeof(name));
                if (!again)
                        count(&refused, name);
                n++;
        }
        return n;
}

static void count_passed(const Onnx__GraphProto *g) {
        for (size_t i = 0; i < g->n_node; i++) {
                char name[96];
                bool again = false;

                for (size_t k = 0; k < i; k++)
                        again |= streq(g->node[k]->op_type, g->node[i]->op_type);
                operator_name(g->node[i]->domain, g->node[i]->op_type, name, sizeof(name));
                if (!again)
                        count(&passed, name);
        }
}

static bool excepted(const OnnxCase *c) {
        for (size_t i = 0; i < ELEMENTSOF(exceptions); i++)
                if (streq(exceptions[i].name, c->name))
                        return exceptions[i].met = true;
        return false;
}

/* What the model should lead to, and whether it did. */
static Result judge(const OnnxCase *c, Error *e) {
        _cleanup_(model_freep)
        Onnx__ModelProto *m = NULL;
        _cleanup_free_
        void *data = NULL;
        size_t size;
        int r;

        r = onnx_case_read(c, "model.onnx", &data, &size);
        if (r < 0) {
                error_set(e, r, "model.onnx: %s", strerror(-r));
                return RESULT_FAILED;
        }
        m = onnx__model_proto__unpack(NULL, size, data);
        if (!m || !m->graph) {
                error_set(e, -EINVAL, "model.onnx has no graph");
                return RESULT_FAILED;
        }
        r = run_case(c, data, size, e);
        if (is_newer(m))
                return r < 0 && (strstr(e->text, "opset") || strstr(e->text, "IR version"))
                               ? RESULT_NEWER
                               : RESULT_FAILED;
        if (count_unsupported(m->graph) > 0)
                return r < 0 && names_unsupported(m->graph, e->text) ? RESULT_UNSUPPORTED
                                                                     : RESULT_FAILED;
        if (has_foreign_type(m->graph))
                return r < 0 ? RESULT_TYPE : RESULT_FAILED;
        if (r < 0)
                return excepted(c) ? RESULT_EXCEPTED : RESULT_FAILED;
        count_passed(m->graph);
        return RESULT_PASSED;
}

/* Version of the package that the data come from; "unknown" without one. */
static void data_version(char *ret, size_t size) {
        FILE *f = popen("dpkg-query -W -f '${Version}' libonnx-testdata 2>/dev/null", "r");
        size_t n = f ? fread(ret, 1, size - 1, f) : 0;

        ret[n] = 0;
        if (f)
                (void)pclose(f);
        if (n == 0)
                snprintf(ret, size, "unknown");
}

/* Returns how many of the promised operators are missing or have passed nothing. */
static size_t count_broken_promises(void) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(promised); i++) {
                bool ml = strncmp(promised[i], "ai.onnx.ml.", 11) == 0;

                if (ml ? !operator_find(DOMAIN_ML, promised[i] + 11)
                       : counted(&passed, promised[i]) == 0) {
                        printf("%s is promised, and %s\n", promised[i],
                               ml ? "not supported" : "passed no model");
                        n++;
                }
        }
        return n;
}

static void write_supported(FILE *f) {
        Tallies all = {0};
        const Operator *op;
        char name[96];

        for (size_t i = 0; (op = operator_at(i)); i++) {
                operator_name(op->domain, op->name, name, sizeof(name));
                count(&all, name);
        }
        qsort(all.entries, all.n, sizeof(*all.entries), compare_tallies);
        fputs("| operator | domain | opsets | models passed |\n|---|---|---|---|\n", f);
        for (size_t k = 0; k < all.n; k++)
                for (size_t i = 0; (op = operator_at(i)); i++) {
                        bool ml = streq(op->domain, DOMAIN_ML);

                        operator_name(op->domain, op->name, name, sizeof(name));
                        if (streq(name, all.entries[k].name))
                                fprintf(f, "| %s | %s | %d to %d | %zu |\n", op->name,
                                        ml ? DOMAIN_ML : "ai.onnx", op->since,
                                        ml ? ONNX_OPSET_ML_MAX : ONNX_OPSET_MAX,
                                        counted(&passed, name));
                }
}

static void write_table(FILE *f, const char *version, size_t n) {
        fprintf(f,
                "# ONNX operators\n\n"
                "Written by `ninja -C BUILD onnx-operators`, which runs the ONNX project's backend "
                "tests; "
                "a test fails where it is out of date.\n\n"
                "Data: libonnx-testdata %s, %zu models. %zu pass, %zu are refused for an operator, "
                "%zu "
                "for a type (sequences, float8 and the like), %zu for an opset above %d, %zu are "
                "exceptions.\n\n"
                "## Supported\n\n"
                "A model counts for each operator that it has. What has 0 is tested in "
                "tests/unit/models "
                "alone: the package has no tests of ai.onnx.ml, nor of what is newer than it.\n\n",
                version, n, results[RESULT_PASSED], results[RESULT_UNSUPPORTED],
                results[RESULT_TYPE], results[RESULT_NEWER], ONNX_OPSET_MAX,
                results[RESULT_EXCEPTED]);
        write_supported(f);
        fputs("\n## Exceptions\n\n| model | why it is not passed |\n|---|---|\n", f);
        for (size_t i = 0; i < ELEMENTSOF(exceptions); i++)
                if (exceptions[i].met)
                        fprintf(f, "| %s | %s |\n", exceptions[i].name, exceptions[i].reason);
        fputs("\n## Refused\n\n| operator | models |\n|---|---|\n", f);
        qsort(refused.entries, refused.n, sizeof(*refused.entries), compare_tallies);
        for (size_t i = 0; i < refused.n; i++)
                fprintf(f, "| %s | %zu |\n", refused.entries[i].name, refused.entries[i].n);
}

/* Returns 0, 1 where the table is out of date, or -errno. */
static int check_table(const char *path, const char *text, const char *version, size_t n_models) {
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        char old[65536], mark[128];
        size_t n;

        if (!f)
                return -errno;
        n = fread(old, 1, sizeof(old) - 1, f);
        old[n] = 0;
        snprintf(mark, sizeof(mark), "libonnx-testdata %s, %zu models.", version, n_models);
        if (!strstr(old, mark)) {
                printf("%s is of other data: not compared\n", path);
                return 0;
        }
        return streq(old, text) ? 0 : 1;
}

static int finish_table(const char *path, size_t n, bool write) {
        _cleanup_free_
        char *text = NULL;
        _cleanup_fclose_
        FILE *out = NULL;
        char version[64];
        size_t size;
        FILE *f;
        int r;

        data_version(version, sizeof(version));
        f = open_memstream(&text, &size);
        if (!f)
                return -errno;
        write_table(f, version, n);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (!write) {
                r = check_table(path, text, version, n);
                if (r != 0)
                        fprintf(stderr, "%s is out of date (%s): ninja onnx-operators writes it\n",
                                path, r < 0 ? strerror(-r) : "it says otherwise");
                return r;
        }
        out = fopen(path, "we");
        if (!out || fputs(text, out) < 0 || fflush(out) != 0)
                return -errno;
        return 0;
}

int main(int argc, char **argv) {
        _cleanup_free_
        OnnxCase *cases = NULL;
        size_t n;
        int r;

        if (argc < 3) {
                fprintf(stderr, "usage: test-onnx-nodes DATA TABLE [--write]\n");
                return 2;
        }
        r = onnx_cases_list(argv[1], &cases, &n);
        if (r < 0 || n == 0) {
                printf("SKIP: no ONNX test data below %s (package libonnx-testdata)\n", argv[1]);
                return 77;
        }
        for (size_t i = 0; i < n; i++) {
                Error e = ERROR_INIT;
                Result result = judge(cases + i, &e);

                results[result]++;
                printf("%-9s %s%s%s\n", result_names[result], cases[i].name, e.text[0] ? ": " : "",
                       e.text);
                fflush(stdout);
        }
        r = finish_table(argv[2], n, argc > 3);
        printf("%zu models: %zu passed, %zu failed, %zu refused for an operator, %zu for a type, "
               "%zu for an opset, "
               "%zu excepted\n",
               n, results[RESULT_PASSED], results[RESULT_FAILED], results[RESULT_UNSUPPORTED],
               results[RESULT_TYPE], results[RESULT_NEWER], results[RESULT_EXCEPTED]);
        return results[RESULT_FAILED] > 0 || r != 0 ||
               /* Data of newer releases have no tests of older versions. */
               (results[RESULT_NEWER] == 0 && count_broken_promises() > 0);
}
