/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/lower.h"

/*
 * Operators that take the largest of some elements. Which ones, the operator itself tells: where
 * one element alone is 1 and all others are 0, exactly the outputs that take it are 1.
 */

typedef struct Windows {
        size_t n;
        size_t *count;
        Ref **refs;
} Windows;

static void windows_done(Windows *w) {
        for (size_t i = 0; w->refs && i < w->n; i++)
                free(w->refs[i]);
        free(w->refs);
        free(w->count);
}

static int windows_init(Windows *w, size_t n) {
        w->n = n;
        w->count = calloc(MAX(n, (size_t)1), sizeof(*w->count));
        w->refs = calloc(MAX(n, (size_t)1), sizeof(Ref *));
        return w->count && w->refs ? 0 : -ENOMEM;
}

static int window_add(Windows *w, size_t i, Ref ref) {
        if ((w->count[i] & (w->count[i] - 1)) == 0) { /* grows by doubling */
                Ref *refs = reallocarray(w->refs[i], MAX((size_t)1, 2 * w->count[i]),
                                         sizeof(*refs));

                if (!refs)
                        return -ENOMEM;
                w->refs[i] = refs;
        }
        w->refs[i][w->count[i]++] = ref;
        return 0;
}

/* Which outputs the unit reaches. */
static int probe(Lowerer *l, const Node *n, const Tensor *const *in, const Tensor *unit, Ref ref,
                 Windows *w) {
        Tensor *y[4] = {NULL};
        const Tensor *inputs[4] = {unit};
        Node own = *n;
        int r;

        own.work = &l->work;
        if (n->n_outputs > ELEMENTSOF(y) || n->n_inputs > ELEMENTSOF(inputs))
                return -EINVAL;
        for (size_t k = 1; k < n->n_inputs; k++)
                inputs[k] = in[k];
        r = n->op->run(&own, inputs, y, l->e);
        for (size_t i = 0; r >= 0 && i < w->n && i < y[0]->count; i++)
                if (tensor_get_f64(y[0], i) > 0.5)
                        r = window_add(w, i, ref);
        for (size_t k = 0; k < n->n_outputs; k++)
                tensor_free(y[k]);
        return r;
}

static int lower_largest(Lowerer *l, const Node *n, const Tensor *const *in,
                         const Tensor *const *out) {
        _cleanup_(windows_done)
        Windows w = {0};
        _cleanup_(tensor_freep)
        Tensor *unit = NULL;
        _cleanup_free_
        Ref *x = NULL, *y = NULL;
        int r;

        if (n->n_outputs > 1 && n->outputs[1] != GRAPH_NO_VALUE)
                return lower_refuse(l, n, "output 1 (where the largest is)");
        r = lower_input(l, n, 0, in[0], &x);
        if (r >= 0)
                r = windows_init(&w, out[0]->count);
        if (r >= 0)
                r = tensor_new(in[0]->type, in[0]->rank, in[0]->dim, &unit);
        if (r < 0)
                return r;
        for (size_t i = 0; i < unit->count && r >= 0; i++) {
                tensor_set_f64(unit, i, 1);
                r = probe(l, n, in, unit, x[i], &w);
                tensor_set_f64(unit, i, 0);
        }
        y = calloc(MAX(w.n, (size_t)1), sizeof(*y));
        if (!y)
                return -ENOMEM;
        for (size_t i = 0; i < w.n && r >= 0; i++)
                r = w.count[i] > 0 ? lower_max(l, w.refs[i], w.count[i], &y[i])
                                   : lower_refuse(l, n, "a window of padding alone");
        if (r < 0)
                return r;
        return lower_output(l, n, 0, w.n, TAKE_PTR(y));
}

const LowerEntry lower_window[] = {
        {DOMAIN_ONNX, "MaxPool", lower_largest},
        {DOMAIN_ONNX, "GlobalMaxPool", lower_largest},
        {DOMAIN_ONNX, "ReduceMax", lower_largest},
        {NULL, NULL, NULL},
};
