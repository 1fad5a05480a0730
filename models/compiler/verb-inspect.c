/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-compile inspect: what is in a model's file, or in a sheet. */
#include <errno.h>

#include "models/compiler/lower.h"
#include "models/compiler/model-file.h"
#include "models/compiler/sheet.h"
#include "models/compiler/verbs.h"
#include "models/operator.h"

static bool is_sheet(const char *path) {
        size_t n = strlen(path);

        return n > 5 && streq(path + n - 5, ".json");
}

static int inspect_sheet(const CommandOptions *o, Error *e) {
        _cleanup_json_ json_object *sheet = json_object_from_file(o->model);
        json_object *format;

        if (!sheet)
                return error_set(e, -EINVAL, "%s: %s", o->model, json_util_get_last_err());
        if (!json_object_is_type(sheet, json_type_object) ||
            !json_object_object_get_ex(sheet, "sheet", &format))
                return error_set(e, -EINVAL, "%s: no sheet of aikm-compile", o->model);
        if (o->json)
                puts(json_object_to_json_string_ext(sheet, JSON_C_TO_STRING_PRETTY));
        else
                sheet_print(sheet, stdout);
        return 0;
}

/* ---- a graph ---- */

/* "float32[?,12]" */
static void print_shape(char *to, size_t size, ElementType type, size_t rank, const int64_t *dim) {
        size_t used = (size_t)snprintf(to, size, "%s", element_type_name(type));

        if (rank == GRAPH_RANK_ANY) {
                snprintf(to + used, size - used, "[…]");
                return;
        }
        for (size_t i = 0; i < rank && used < size; i++) {
                char text[24] = "?";

                if (dim[i] >= 0)
                        snprintf(text, sizeof(text), "%lld", (long long)dim[i]);
                used += (size_t)snprintf(to + used, size - used, "%s%s", i > 0 ? "," : "[", text);
        }
        if (rank > 0 && used < size)
                snprintf(to + used, size - used, "]");
}

typedef struct Shapes {
        const Graph *g;
        char (*text)[96]; /* of each node's first output */
} Shapes;

static int on_node(void *userdata, size_t node, const Tensor *const *in, const Tensor *const *out,
                   Error *e) {
        Shapes *s = userdata;

        if (s->g->nodes[node].n_outputs > 0 && out[0])
                print_shape(s->text[node], sizeof(s->text[node]), out[0]->type, out[0]->rank,
                            out[0]->dim);
        return 0;
}

/* One row of zeros tells the shapes; where it does not run, they stay empty. */
static void find_shapes(const Graph *g, Shapes *s) {
        _cleanup_(graph_row_freep)
        GraphRow *row = NULL;
        _cleanup_free_
        Tensor **outputs = calloc(g->n_outputs + 1, sizeof(Tensor *));
        Error ignored = ERROR_INIT;

        if (!outputs || graph_row_new(g, &row, &ignored) < 0)
                return;
        if (graph_run_visit(g, (const Tensor *const *)row->tensors, row->n, outputs, on_node, s,
                            &ignored) < 0)
                return;
        for (size_t i = 0; i < g->n_outputs; i++)
                tensor_free(outputs[i]);
}

static json_object *describe_node(const Graph *g, size_t i, const char *shape) {
        const Node *n = &g->nodes[i];
        json_object *o = json_object_new_object();

        sheet_set(o, "operator", json_object_new_string(n->op->name));
        sheet_set(o, "domain",
                  json_object_new_string(n->op->domain[0] ? n->op->domain : "ai.onnx"));
        sheet_set(o, "opset", json_object_new_int(n->opset));
        sheet_set(o, "name", json_object_new_string(n->name));
        sheet_set(o, "output", shape[0] ? json_object_new_string(shape) : NULL);
        return o;
}

static json_object *describe_inputs(const Graph *g) {
        json_object *a = json_object_new_array();

        for (size_t i = 0; i < g->n_inputs; i++) {
                const GraphInput *in = &g->inputs[i];
                json_object *o = json_object_new_object();
                char shape[96];

                print_shape(shape, sizeof(shape), in->type, in->rank, in->dim);
                sheet_set(o, "name", json_object_new_string(g->values[in->value].name));
                sheet_set(o, "shape", json_object_new_string(shape));
                json_object_array_add(a, o);
        }
        return a;
}

static json_object *describe(const ModelFile *m, const Shapes *s) {
        const Graph *g = m->graph;
        json_object *o = json_object_new_object(), *nodes = json_object_new_array(),
                    *outputs = json_object_new_array();
        size_t fields, constants = 0;
        Error ignored = ERROR_INIT;

        for (size_t i = 0; i < g->n_nodes; i++)
                json_object_array_add(nodes, describe_node(g, i, s->text[i]));
        for (size_t i = 0; i < g->n_outputs; i++)
                json_object_array_add(outputs,
                                      json_object_new_string(g->values[g->outputs[i]].name));
        for (size_t i = 0; i < g->n_values; i++)
                if (g->values[i].constant)
                        constants += g->values[i].constant->count;
        sheet_set(o, "sha256", json_object_new_string(m->digest));
        if (lower_count_fields(g, &fields, &ignored) >= 0)
                sheet_set(o, "fields", json_object_new_int64((int64_t)fields));
        sheet_set(o, "constants", json_object_new_int64((int64_t)constants));
        sheet_set(o, "inputs", describe_inputs(g));
        sheet_set(o, "nodes", nodes);
        sheet_set(o, "outputs", outputs);
        return o;
}

static void print_graph(const ModelFile *m, const Shapes *s) {
        const Graph *g = m->graph;
        char shape[96];

        for (size_t i = 0; i < g->n_inputs; i++) {
                const GraphInput *in = &g->inputs[i];

                print_shape(shape, sizeof(shape), in->type, in->rank, in->dim);
                printf("input   %-24s %s\n", g->values[in->value].name, shape);
        }
        for (size_t i = 0; i < g->n_nodes; i++)
                printf("node    %-24s %-24s %s\n", g->nodes[i].op->name, s->text[i],
                       g->nodes[i].name);
        for (size_t i = 0; i < g->n_outputs; i++)
                printf("output  %s\n", g->values[g->outputs[i]].name);
}

int verb_inspect(const CommandOptions *o, Error *e) {
        _cleanup_(model_file_done)
        ModelFile m = MODEL_FILE_INIT;
        _cleanup_free_
        char(*text)[96] = NULL;
        Shapes s;
        int r;

        if (is_sheet(o->model))
                return inspect_sheet(o, e);
        r = model_file_read(&m, o->model, o->weights, e);
        if (r < 0)
                return r;
        text = calloc(m.graph->n_nodes + 1, sizeof(*text));
        if (!text)
                return error_set(e, -ENOMEM, "out of memory");
        s = (Shapes){.g = m.graph, .text = text};
        find_shapes(m.graph, &s);
        if (o->json) {
                _cleanup_json_ json_object *graph = describe(&m, &s);

                puts(json_object_to_json_string_ext(graph, JSON_C_TO_STRING_PRETTY));
        } else {
                print_graph(&m, &s);
        }
        return 0;
}
