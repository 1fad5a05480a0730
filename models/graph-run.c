/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/graph.h"
#include "models/operator.h"

/* What a value is while the graph runs. */
typedef struct Slot {
        const Tensor *tensor; /* NULL: not computed yet, or let go */
        Tensor *owned;        /* the same where a node made it */
        size_t uses;          /* by nodes that have not run yet, and as an output */
} Slot;

typedef struct Run {
        const Graph *graph;
        Slot *slots;
        const Tensor **in; /* of the node that runs */
        Tensor **out;
        size_t n_out;
        uint64_t work;
        size_t elements; /* held */
        graph_visit_t visit;
        void *userdata;
} Run;

static void clear_outputs(Run *run) {
        for (size_t i = 0; i < run->n_out; i++)
                run->out[i] = tensor_free(run->out[i]);
        run->n_out = 0;
}

static void run_done(Run *run) {
        if (run->slots)
                for (size_t i = 0; i < run->graph->n_values; i++)
                        tensor_free(run->slots[i].owned);
        if (run->out)
                clear_outputs(run);
        free(run->slots);
        free(run->in);
        free(run->out);
}

static int run_init(Run *run) {
        const Graph *g = run->graph;
        size_t n_in = 1, n_out = 1;

        for (size_t i = 0; i < g->n_nodes; i++) {
                n_in = MAX(n_in, g->nodes[i].n_inputs);
                n_out = MAX(n_out, g->nodes[i].n_outputs);
        }
        run->slots = calloc(MAX(g->n_values, 1u), sizeof(*run->slots));
        run->in = calloc(n_in, sizeof(*run->in));
        run->out = calloc(n_out, sizeof(*run->out));
        if (!run->slots || !run->in || !run->out)
                return -ENOMEM;
        for (size_t i = 0; i < g->n_values; i++)
                run->slots[i].tensor = g->values[i].constant;
        for (size_t i = 0; i < g->n_nodes; i++)
                for (size_t k = 0; k < g->nodes[i].n_inputs; k++)
                        if (g->nodes[i].inputs[k] != GRAPH_NO_VALUE)
                                run->slots[g->nodes[i].inputs[k]].uses++;
        for (size_t i = 0; i < g->n_outputs; i++)
                run->slots[g->outputs[i]].uses++;
        run->work = g->work_max ? g->work_max : GRAPH_WORK_MAX;
        return 0;
}

static int check_input(const Graph *g, const GraphInput *input, const Tensor *t, Error *e) {
        const char *name = g->values[input->value].name;

        if (!t)
                return error_set(e, -EINVAL, "input '%.128s' is not given", name);
        if (t->type != input->type)
                return error_set(e, -EINVAL, "input '%.128s' is %s, but the model wants %s", name,
                                 element_type_name(t->type), element_type_name(input->type));
        if (input->rank == GRAPH_RANK_ANY)
                return 0;
        if (t->rank != input->rank)
                return error_set(e, -EINVAL,
                                 "input '%.128s' has %zu dimensions, but the model wants %zu", name,
                                 t->rank, input->rank);
        for (size_t i = 0; i < t->rank; i++)
                if (input->dim[i] >= 0 && input->dim[i] != t->dim[i])
                        return error_set(e, -EINVAL,
                                         "dimension %zu of input '%.128s' is %" PRId64
                                         ", but the model wants %" PRId64,
                                         i, name, t->dim[i], input->dim[i]);
        return 0;
}

static int take_inputs(Run *run, const Tensor *const *inputs, size_t n_inputs, Error *e) {
        const Graph *g = run->graph;
        int r;

        if (n_inputs != g->n_inputs)
                return error_set(e, -EINVAL, "%zu inputs given, but the model has %zu", n_inputs,
                                 g->n_inputs);
        for (size_t i = 0; i < n_inputs; i++) {
                r = check_input(g, g->inputs + i, inputs[i], e);
                if (r < 0)
                        return r;
                run->slots[g->inputs[i].value].tensor = inputs[i];
        }
        return 0;
}

/* Counts what the node made against the run's bounds. */
static int account(Run *run, const Node *n, Error *e) {
        uint64_t elements = 0;
        int r;

        for (size_t i = 0; i < n->n_outputs; i++)
                if (run->out[i])
                        elements += run->out[i]->count;
        for (size_t i = 0; i < n->n_inputs; i++)
                if (run->in[i])
                        elements += run->in[i]->count;
        r = operator_spend(n, elements + 1, 1, 1, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n->n_outputs; i++) {
                if (!run->out[i]) {
                        if (n->outputs[i] == GRAPH_NO_VALUE)
                                continue;
                        return error_set(e, -EINVAL, "output %zu is not given by this operator", i);
                }
                run->elements += run->out[i]->count;
        }
        if (run->elements > GRAPH_ELEMENTS_MAX)
                return error_set(e, -EFBIG, "more than %zu elements at one time",
                                 GRAPH_ELEMENTS_MAX);
        return 0;
}

static void let_go(Run *run, Slot *slot) {
        if (slot->uses > 0 || !slot->owned)
                return;
        run->elements -= slot->owned->count;
        slot->owned = tensor_free(slot->owned);
        slot->tensor = NULL;
}

static int call(Run *run, size_t i, Error *e) {
        Node n = run->graph->nodes[i];
        int r;

        n.work = &run->work;
        r = n.op->run(&n, run->in, run->out, e);
        if (r < 0)
                return r;
        return account(run, &n, e);
}

static int run_node(Run *run, size_t i, Error *e) {
        const Node *n = run->graph->nodes + i;
        Error inner = ERROR_INIT;
        int r;

        for (size_t k = 0; k < n->n_inputs; k++)
                run->in[k] = n->inputs[k] == GRAPH_NO_VALUE ? NULL
                                                            : run->slots[n->inputs[k]].tensor;
        run->n_out = n->n_outputs;
        r = call(run, i, &inner);
        if (r == -ENOMEM)
                return r;
        error_clean(&inner);
        if (r < 0)
                return error_set(e, r, "%s (node '%.128s', opset %d): %s", n->op->name, n->name,
                                 n->opset, inner.text[0] ? inner.text : strerror(-r));
        if (run->visit) {
                r = run->visit(run->userdata, i, run->in, (const Tensor *const *)run->out, e);
                if (r < 0)
                        return r;
        }
        for (size_t k = 0; k < n->n_outputs; k++) {
                Slot *slot;

                if (n->outputs[k] == GRAPH_NO_VALUE) {
                        if (run->out[k])
                                run->elements -= run->out[k]->count;
                        run->out[k] = tensor_free(run->out[k]);
                        continue;
                }
                slot = run->slots + n->outputs[k];
                slot->owned = TAKE_PTR(run->out[k]);
                slot->tensor = slot->owned;
                let_go(run, slot);
        }
        run->n_out = 0;
        for (size_t k = 0; k < n->n_inputs; k++)
                if (n->inputs[k] != GRAPH_NO_VALUE) {
                        Slot *slot = run->slots + n->inputs[k];

                        slot->uses--;
                        let_go(run, slot);
                }
        return 0;
}

/* Hands out the last use of what a node made, and copies of everything else. */
static int give_outputs(Run *run, Tensor **ret) {
        const Graph *g = run->graph;
        int r = 0;

        for (size_t i = 0; i < g->n_outputs; i++)
                ret[i] = NULL;
        for (size_t i = 0; i < g->n_outputs && r >= 0; i++) {
                Slot *slot = run->slots + g->outputs[i];

                if (--slot->uses == 0 && slot->owned)
                        ret[i] = TAKE_PTR(slot->owned);
                else
                        r = tensor_copy(slot->tensor, ret + i);
        }
        if (r < 0)
                for (size_t i = 0; i < g->n_outputs; i++)
                        ret[i] = tensor_free(ret[i]);
        return r;
}

int graph_run_visit(const Graph *g, const Tensor *const *inputs, size_t n_inputs,
                    Tensor **ret_outputs, graph_visit_t visit, void *userdata, Error *e) {
        _cleanup_(run_done)
        Run run = {.graph = g, .visit = visit, .userdata = userdata};
        int r;

        r = run_init(&run);
        if (r < 0)
                return r;
        r = take_inputs(&run, inputs, n_inputs, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < g->n_nodes; i++) {
                r = run_node(&run, i, e);
                if (r < 0)
                        return r;
        }
        return give_outputs(&run, ret_outputs);
}

int graph_run(const Graph *g, const Tensor *const *inputs, size_t n_inputs, Tensor **ret_outputs,
              Error *e) {
        return graph_run_visit(g, inputs, n_inputs, ret_outputs, NULL, NULL, e);
}
