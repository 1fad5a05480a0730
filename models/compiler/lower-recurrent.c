/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <strings.h>

#include "models/compiler/lower.h"

/* GRU and LSTM, unrolled over the steps of one sequence. */

typedef enum Input { IN_X, IN_W, IN_R, IN_B, IN_LENGTHS, IN_H, IN_C, IN_P, _INPUT_COUNT } Input;

typedef enum Gate { GATE_SIGMOID, GATE_TANH, GATE_RELU } Gate;

typedef struct Unroll {
        Lowerer *l;
        const Node *node;
        const Tensor *in[_INPUT_COUNT];
        bool lstm;
        size_t n_gates, steps, length, width, hidden, directions;
        bool linear_before_reset;
        double clip;
        Gate gates[3]; /* f, g, h of the direction */
        size_t direction;
        Ref *x;     /* [steps][width] */
        Ref *h, *c; /* [hidden] */
        Ref *y;     /* [steps][directions][hidden] */
        RefTerm *terms;
        Ref *work; /* [4][hidden] */
} Unroll;

static void unroll_done(Unroll *u) {
        free(u->x);
        free(u->h);
        free(u->c);
        free(u->y);
        free(u->terms);
        free(u->work);
}

static int read_gates(Unroll *u, size_t direction) {
        static const Gate defaults[] = {GATE_SIGMOID, GATE_TANH, GATE_TANH};
        static const char *const names[] = {"Sigmoid", "Tanh", "Relu"};
        const Attribute *a = attribute_find(u->node, "activations", ATTRIBUTE_STRINGS);
        size_t n = u->lstm ? 3 : 2;

        for (size_t i = 0; i < n; i++) {
                size_t k = 0;

                u->gates[i] = defaults[i];
                if (!a || a->n != n * u->directions)
                        continue;
                while (k < ELEMENTSOF(names) &&
                       strcasecmp(names[k], a->strings[direction * n + i]) != 0)
                        k++;
                if (k == ELEMENTSOF(names))
                        return lower_refuse(u->l, u->node, "activation %s",
                                            a->strings[direction * n + i]);
                u->gates[i] = (Gate)k;
        }
        return 0;
}

static int read_node(Unroll *u) {
        const Tensor *x = u->in[IN_X];
        bool batch_first = attribute_int(u->node, "layout", 0) == 1;

        if (!x || !u->in[IN_R])
                return lower_refuse(u->l, u->node, "an input is not given");
        if (x->rank != 3 || x->dim[batch_first ? 0 : 1] != 1)
                return lower_refuse(u->l, u->node, "more than one sequence");
        for (size_t k = 1; k < u->node->n_inputs && k < _INPUT_COUNT; k++)
                if (k != IN_H && k != IN_C && lower_role(u->l, u->node, k) != ROLE_CONSTANT)
                        return lower_refuse(u->l, u->node, "input %zu is not constant", k);
        if (u->in[IN_P])
                return lower_refuse(u->l, u->node, "peepholes");
        if (attribute_int(u->node, "input_forget", 0) != 0)
                return lower_refuse(u->l, u->node, "input_forget");
        u->directions = streq(attribute_string(u->node, "direction", "forward"), "bidirectional")
                                ? 2
                                : 1;
        u->steps = (size_t)x->dim[batch_first ? 1 : 0];
        u->length = u->in[IN_LENGTHS] ? (size_t)tensor_get_i64(u->in[IN_LENGTHS], 0) : u->steps;
        u->width = (size_t)x->dim[2];
        u->hidden = (size_t)u->in[IN_R]->dim[2];
        u->linear_before_reset = attribute_int(u->node, "linear_before_reset", 0) != 0;
        u->clip = (double)attribute_float(u->node, "clip", INFINITY);
        return 0;
}

static int unroll_init(Unroll *u) {
        size_t n = MAX(u->hidden, (size_t)1);
        Ref zero;
        int r;

        r = lower_input(u->l, u->node, IN_X, u->in[IN_X], &u->x);
        if (r >= 0)
                r = lower_constant(u->l, 0, &zero);
        if (r < 0)
                return r;
        u->h = calloc(n, sizeof(*u->h));
        u->c = calloc(n, sizeof(*u->c));
        u->work = calloc(4 * n, sizeof(*u->work));
        u->terms = calloc(u->width + n + 1, sizeof(*u->terms));
        u->y = calloc(u->steps * u->directions * n + 1, sizeof(*u->y));
        if (!u->h || !u->c || !u->work || !u->terms || !u->y)
                return -ENOMEM;
        for (size_t i = 0; i < u->steps * u->directions * u->hidden; i++)
                u->y[i] = zero;
        return 0;
}

/* The direction's initial state: 0 where none is given. */
static int init_state(Unroll *u, Input which, Ref *ret) {
        _cleanup_free_
        Ref *refs = NULL;
        Ref zero;
        int r;

        if (u->in[which]) {
                r = lower_input(u->l, u->node, which, u->in[which], &refs);
                if (r >= 0)
                        memcpy(ret, refs + u->direction * u->hidden, u->hidden * sizeof(*ret));
                return r;
        }
        r = lower_constant(u->l, 0, &zero);
        for (size_t i = 0; r >= 0 && i < u->hidden; i++)
                ret[i] = zero;
        return r;
}

/* Row k of all gates' rows: W x + Wb if x is given, R h + Rb if h is, plus `more` if it is. */
static int row(Unroll *u, size_t k, const Ref *x, const Ref *h, const Ref *more, Ref *ret) {
        size_t rows = u->n_gates * u->hidden, n = 0, d = u->direction;
        double bias = 0;

        for (size_t i = 0; x && i < u->width; i++)
                u->terms[n++] = (RefTerm){
                        x[i], tensor_get_f64(u->in[IN_W], (d * rows + k) * u->width + i)};
        for (size_t i = 0; h && i < u->hidden; i++)
                u->terms[n++] = (RefTerm){
                        h[i], tensor_get_f64(u->in[IN_R], (d * rows + k) * u->hidden + i)};
        if (more)
                u->terms[n++] = (RefTerm){*more, 1};
        if (u->in[IN_B]) {
                bias += x ? tensor_get_f64(u->in[IN_B], d * 2 * rows + k) : 0;
                bias += h ? tensor_get_f64(u->in[IN_B], (d * 2 + 1) * rows + k) : 0;
        }
        return lower_sum(u->l, u->terms, n, bias, ret);
}

static int activate(Unroll *u, Gate gate, Ref *x) {
        static const Function functions[] = {{.kind = FUNCTION_SIGMOID}, {.kind = FUNCTION_TANH}};
        int r = 0;

        if (!isinf(u->clip))
                r = lower_clamp(u->l, *x, -u->clip, u->clip, x);
        if (r < 0)
                return r;
        if (gate == GATE_RELU)
                return lower_clamp(u->l, *x, 0, (double)INFINITY, x);
        return lower_function(u->l, *x, &functions[gate], x);
}

/* What the state of a GRU adds to its third gate, before the activation. */
static int gru_state(Unroll *u, size_t k, const Ref *reset, const Ref *reset_h, const Ref *x,
                     Ref *ret) {
        size_t at = 2 * u->hidden + k;
        Ref state;
        int r;

        if (!u->linear_before_reset)
                return row(u, at, x, reset_h, NULL, ret);
        r = row(u, at, NULL, u->h, NULL, &state);
        if (r >= 0)
                r = lower_product(u->l, reset[k], state, &state);
        if (r >= 0)
                r = row(u, at, x, NULL, &state, ret);
        return r;
}

/* h = (1 - z) n + z h = n + z (h - n). */
static int step_gru(Unroll *u, const Ref *x) {
        size_t hidden = u->hidden;
        Ref *z = u->work, *reset = z + hidden, *n = reset + hidden, *reset_h = n + hidden;
        int r = 0;

        for (size_t k = 0; k < 2 * hidden && r >= 0; k++) {
                r = row(u, k, x, u->h, NULL, &u->work[k]);
                if (r >= 0)
                        r = activate(u, u->gates[0], &u->work[k]);
        }
        for (size_t k = 0; k < hidden && r >= 0 && !u->linear_before_reset; k++)
                r = lower_product(u->l, reset[k], u->h[k], &reset_h[k]);
        for (size_t k = 0; k < hidden && r >= 0; k++) {
                r = gru_state(u, k, reset, reset_h, x, &n[k]);
                if (r >= 0)
                        r = activate(u, u->gates[1], &n[k]);
        }
        for (size_t k = 0; k < hidden && r >= 0; k++) {
                Ref y;

                r = lower_sum(u->l, (RefTerm[]){{u->h[k], 1}, {n[k], -1}}, 2, 0, &y);
                if (r >= 0)
                        r = lower_product(u->l, z[k], y, &y);
                if (r >= 0)
                        r = lower_sum(u->l, (RefTerm[]){{n[k], 1}, {y, 1}}, 2, 0, &u->h[k]);
        }
        return r;
}

/* Gates i, o, f, c. */
static int step_lstm(Unroll *u, const Ref *x) {
        size_t hidden = u->hidden;
        Ref *i = u->work, *o = i + hidden, *f = o + hidden, *c = f + hidden;
        int r = 0;

        for (size_t k = 0; k < 4 * hidden && r >= 0; k++) {
                r = row(u, k, x, u->h, NULL, &u->work[k]);
                if (r >= 0)
                        r = activate(u, u->gates[k < 3 * hidden ? 0 : 1], &u->work[k]);
        }
        for (size_t k = 0; k < hidden && r >= 0; k++) {
                Ref kept, added, h;

                r = lower_product(u->l, f[k], u->c[k], &kept);
                if (r >= 0)
                        r = lower_product(u->l, i[k], c[k], &added);
                if (r >= 0)
                        r = lower_sum(u->l, (RefTerm[]){{kept, 1}, {added, 1}}, 2, 0, &u->c[k]);
                h = u->c[k];
                if (r >= 0)
                        r = activate(u, u->gates[2], &h);
                if (r >= 0)
                        r = lower_product(u->l, o[k], h, &u->h[k]);
        }
        return r;
}

static int run_direction(Unroll *u, size_t direction) {
        bool reverse = direction == 1 ||
                       streq(attribute_string(u->node, "direction", "forward"), "reverse");
        int r;

        u->direction = direction;
        r = read_gates(u, direction);
        if (r >= 0)
                r = init_state(u, IN_H, u->h);
        if (r >= 0 && u->lstm)
                r = init_state(u, IN_C, u->c);
        for (size_t i = 0; i < u->length && r >= 0; i++) {
                size_t t = reverse ? u->length - 1 - i : i;
                const Ref *x = u->x + t * u->width;

                r = u->lstm ? step_lstm(u, x) : step_gru(u, x);
                memcpy(u->y + (t * u->directions + direction) * u->hidden, u->h,
                       u->hidden * sizeof(*u->h));
        }
        return r;
}

static int add_output(Unroll *u, size_t output, const Ref *refs, size_t n) {
        Ref *copy = malloc(MAX(n, (size_t)1) * sizeof(*copy));

        if (!copy)
                return -ENOMEM;
        memcpy(copy, refs, n * sizeof(*copy));
        return lower_output(u->l, u->node, output, n, copy);
}

static int unroll(Unroll *u) {
        size_t n = u->directions * u->hidden;
        _cleanup_free_
        Ref *last = calloc(2 * n + 1, sizeof(*last));
        int r = 0;

        if (!last)
                return -ENOMEM;
        for (size_t d = 0; d < u->directions && r >= 0; d++) {
                r = run_direction(u, d);
                memcpy(last + d * u->hidden, u->h, u->hidden * sizeof(*last));
                memcpy(last + n + d * u->hidden, u->c, u->hidden * sizeof(*last));
        }
        if (r >= 0)
                r = add_output(u, 0, u->y, u->steps * n);
        if (r >= 0)
                r = add_output(u, 1, last, n);
        if (r >= 0 && u->lstm)
                r = add_output(u, 2, last + n, n);
        return r;
}

static int lower_unrolled(Lowerer *l, const Node *n, const Tensor *const *in,
                          const Tensor *const *out) {
        _cleanup_(unroll_done)
        Unroll u = {.l = l, .node = n, .lstm = streq(n->op->name, "LSTM")};
        int r;

        for (size_t k = 0; k < n->n_inputs && k < _INPUT_COUNT; k++)
                u.in[k] = in[k];
        u.n_gates = u.lstm ? 4 : 3;
        r = read_node(&u);
        if (r >= 0)
                r = unroll_init(&u);
        if (r >= 0)
                r = unroll(&u);
        return r;
}

const LowerEntry lower_recurrent[] = {
        {DOMAIN_ONNX, "GRU", lower_unrolled},
        {DOMAIN_ONNX, "LSTM", lower_unrolled},
        {NULL, NULL, NULL},
};
