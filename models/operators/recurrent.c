/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <strings.h>

#include "models/operator.h"

/* The functions that gates may have, with the defaults of ONNX's operators of the same names. */
typedef struct Function {
        const char *name;
        double (*f)(double x, double alpha, double beta);
        bool has_alpha;
        bool has_beta;
        double alpha;
        double beta;
} Function;

static double f_sigmoid(double x, double alpha, double beta) {
        return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double f_tanh(double x, double alpha, double beta) {
        return tanh(x);
}

static double f_relu(double x, double alpha, double beta) {
        return x > 0 ? x : 0;
}

static double f_affine(double x, double alpha, double beta) {
        return alpha * x + beta;
}

static double f_leaky_relu(double x, double alpha, double beta) {
        return x >= 0 ? x : alpha * x;
}

static double f_thresholded_relu(double x, double alpha, double beta) {
        return x >= alpha ? x : 0;
}

static double f_scaled_tanh(double x, double alpha, double beta) {
        return alpha * tanh(beta * x);
}

static double f_hard_sigmoid(double x, double alpha, double beta) {
        return fmin(fmax(alpha * x + beta, 0), 1);
}

static double f_elu(double x, double alpha, double beta) {
        return x >= 0 ? x : alpha * expm1(x);
}

static double f_softsign(double x, double alpha, double beta) {
        return x / (1 + fabs(x));
}

static double f_softplus(double x, double alpha, double beta) {
        return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static const Function functions[] = {
        {"Sigmoid", f_sigmoid, false, false, 0, 0},
        {"Tanh", f_tanh, false, false, 0, 0},
        {"Relu", f_relu, false, false, 0, 0},
        {"Affine", f_affine, true, true, 1, 0},
        {"LeakyRelu", f_leaky_relu, true, false, 0.01, 0},
        {"ThresholdedRelu", f_thresholded_relu, true, false, 1, 0},
        {"ScaledTanh", f_scaled_tanh, true, true, 1, 1},
        {"HardSigmoid", f_hard_sigmoid, true, true, 0.2, 0.5},
        {"Elu", f_elu, true, false, 1, 0},
        {"Softsign", f_softsign, false, false, 0, 0},
        {"Softplus", f_softplus, false, false, 0, 0},
};

typedef struct Activation {
        const Function *function;
        double alpha;
        double beta;
} Activation;

#define ACTIVATIONS_MAX 3 /* f, g, h */
#define DIRECTIONS_MAX 2

typedef enum Input { IN_X, IN_W, IN_R, IN_B, IN_LENGTHS, IN_H, IN_C, IN_P, _INPUT_COUNT } Input;
static const char *const input_names[_INPUT_COUNT] = {
        "X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P",
};

/* A node with its inputs. */
typedef struct Recurrent {
        const Node *node;
        const Tensor *in[_INPUT_COUNT]; /* NULL: not given */
        bool lstm;
        size_t n_gates;
        size_t n_activations; /* of one direction */
        size_t steps, batch, width, hidden, directions;
        bool batch_first;
        bool reverse; /* the first direction */
        bool linear_before_reset;
        bool input_forget;
        double clip; /* INFINITY: none */
        Activation activations[DIRECTIONS_MAX * ACTIVATIONS_MAX];
        Tensor *y, *y_h, *y_c;
} Recurrent;

/* One direction's weights, and the state of one sequence. */
typedef struct Cell {
        const Recurrent *of;
        const Activation *activations;
        double *w;  /* [gates][hidden][width] */
        double *r;  /* [gates][hidden][hidden] */
        double *wb; /* [gates][hidden]; 0 where there is no bias */
        double *rb;
        double *p;     /* [3][hidden] of i, o, f */
        double *x;     /* [width] */
        double *h, *c; /* [hidden] */
        double *gate;  /* [gates][hidden] */
        double *reset; /* [hidden] */
        double *all;   /* what the pointers above point into */
} Cell;

static double activate(const Cell *cell, size_t which, double x) {
        const Activation *a = cell->activations + which;
        double limit = cell->of->clip;

        return a->function->f(CLAMP(x, -limit, limit), a->alpha, a->beta);
}

static double dot(const double *a, const double *b, size_t n) {
        double sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += a[i] * b[i];
        return sum;
}

/* W x + Wb and R v + Rb of row k of all gates' rows. */
static double from_input(const Cell *cell, size_t k) {
        size_t width = cell->of->width;

        return dot(cell->w + k * width, cell->x, width) + cell->wb[k];
}

static double from_state(const Cell *cell, size_t k, const double *v) {
        size_t hidden = cell->of->hidden;

        return dot(cell->r + k * hidden, v, hidden) + cell->rb[k];
}

/* Gates z, r, h. */
static void step_gru(Cell *cell) {
        size_t hidden = cell->of->hidden;
        double *z = cell->gate, *r = z + hidden, *n = r + hidden;

        for (size_t k = 0; k < 2 * hidden; k++)
                cell->gate[k] = activate(cell, 0,
                                         from_input(cell, k) + from_state(cell, k, cell->h));
        for (size_t k = 0; k < hidden; k++)
                cell->reset[k] = r[k] * cell->h[k];
        for (size_t k = 0; k < hidden; k++) {
                double state = cell->of->linear_before_reset
                                       ? r[k] * from_state(cell, 2 * hidden + k, cell->h)
                                       : from_state(cell, 2 * hidden + k, cell->reset);

                n[k] = activate(cell, 1, from_input(cell, 2 * hidden + k) + state);
        }
        for (size_t k = 0; k < hidden; k++)
                cell->h[k] = (1 - z[k]) * n[k] + z[k] * cell->h[k];
}

/* Gates i, o, f, c; peepholes of i, o, f. */
static void step_lstm(Cell *cell) {
        size_t hidden = cell->of->hidden;
        double *i = cell->gate, *o = i + hidden, *f = o + hidden, *c = f + hidden;
        const double *pi = cell->p, *po = pi + hidden, *pf = po + hidden;

        for (size_t k = 0; k < 4 * hidden; k++)
                cell->gate[k] = from_input(cell, k) + from_state(cell, k, cell->h);
        for (size_t k = 0; k < hidden; k++) {
                i[k] = activate(cell, 0, i[k] + pi[k] * cell->c[k]);
                f[k] = cell->of->input_forget ? 1 - i[k]
                                              : activate(cell, 0, f[k] + pf[k] * cell->c[k]);
                cell->c[k] = f[k] * cell->c[k] + i[k] * activate(cell, 1, c[k]);
                o[k] = activate(cell, 0, o[k] + po[k] * cell->c[k]);
                cell->h[k] = o[k] * activate(cell, 2, cell->c[k]);
        }
}

static void load(const Tensor *t, size_t from, size_t n, double *ret) {
        for (size_t i = 0; i < n; i++)
                ret[i] = t ? tensor_get_f64(t, from + i) : 0;
}

static void cell_done(Cell *cell) {
        free(cell->all);
}

static int cell_init(const Recurrent *of, size_t direction, Cell *ret) {
        size_t rows = of->n_gates * of->hidden, peepholes = 3 * of->hidden;
        const struct {
                double **place;
                size_t n;
        } parts[] = {
                {&ret->w, rows * of->width},
                {&ret->r, rows * of->hidden},
                {&ret->wb, rows},
                {&ret->rb, rows},
                {&ret->p, peepholes},
                {&ret->x, of->width},
                {&ret->h, of->hidden},
                {&ret->c, of->hidden},
                {&ret->gate, rows},
                {&ret->reset, of->hidden},
        };
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                n += parts[i].n;
        ret->all = calloc(n + 1, sizeof(*ret->all));
        if (!ret->all)
                return -ENOMEM;
        n = 0;
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                *parts[i].place = ret->all + n;
                n += parts[i].n;
        }
        ret->of = of;
        ret->activations = of->activations + direction * of->n_activations;
        load(of->in[IN_W], direction * rows * of->width, rows * of->width, ret->w);
        load(of->in[IN_R], direction * rows * of->hidden, rows * of->hidden, ret->r);
        load(of->in[IN_B], direction * 2 * rows, rows, ret->wb);
        load(of->in[IN_B], (direction * 2 + 1) * rows, rows, ret->rb);
        load(of->in[IN_P], direction * peepholes, peepholes, ret->p);
        return 0;
}

static size_t state_at(const Recurrent *of, size_t direction, size_t sequence) {
        return of->hidden * (of->batch_first ? sequence * of->directions + direction
                                             : direction * of->batch + sequence);
}

static void store(Tensor *t, size_t at, const double *x, size_t n) {
        for (size_t i = 0; i < n; i++)
                tensor_set_f64(t, at + i, x[i]);
}

/* Steps behind the sequence's length stay 0 in Y. */
static void run_sequence(Recurrent *of, Cell *cell, size_t direction, size_t b) {
        const Tensor *lengths = of->in[IN_LENGTHS];
        size_t length = lengths ? (size_t)lengths->i32[b] : of->steps;
        bool reverse = of->reverse || direction == 1;
        size_t state = state_at(of, direction, b);

        load(of->in[IN_H], state, of->hidden, cell->h);
        load(of->in[IN_C], state, of->hidden, cell->c);
        for (size_t i = 0; i < length; i++) {
                size_t t = reverse ? length - 1 - i : i;
                size_t x = of->batch_first ? b * of->steps + t : t * of->batch + b;
                size_t y = of->batch_first ? x * of->directions + direction
                                           : (t * of->directions + direction) * of->batch + b;

                load(of->in[IN_X], x * of->width, of->width, cell->x);
                if (of->lstm)
                        step_lstm(cell);
                else
                        step_gru(cell);
                store(of->y, y * of->hidden, cell->h, of->hidden);
        }
        store(of->y_h, state, cell->h, of->hidden);
        if (of->lstm)
                store(of->y_c, state, cell->c, of->hidden);
}

static int find_function(const char *name, const Function **ret, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(functions); i++)
                if (strcasecmp(name, functions[i].name) == 0) {
                        *ret = functions + i;
                        return 0;
                }
        return error_set(e, -ENOTSUP,
                         "attribute activations has '%.32s', but Sigmoid, Tanh, Relu, Affine, "
                         "LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign and "
                         "Softplus are what it takes",
                         name);
}

/* The next value of the list, which has one for each function that takes such a value. */
static double next_value(const Attribute *a, size_t *used, double fallback) {
        return a && *used < a->n ? (double)a->floats[(*used)++] : fallback;
}

static int read_activations(Recurrent *of, Error *e) {
        static const char *const defaults[ACTIVATIONS_MAX] = {"Sigmoid", "Tanh", "Tanh"};
        const Attribute *names = attribute_find(of->node, "activations", ATTRIBUTE_STRINGS);
        const Attribute *alpha = attribute_find(of->node, "activation_alpha", ATTRIBUTE_FLOATS);
        const Attribute *beta = attribute_find(of->node, "activation_beta", ATTRIBUTE_FLOATS);
        size_t n = of->directions * of->n_activations, n_alpha = 0, n_beta = 0;

        if (names && names->n != n)
                return error_set(e, -EINVAL, "attribute activations has %zu elements, not %zu",
                                 names->n, n);
        for (size_t i = 0; i < n; i++) {
                Activation *a = of->activations + i;
                int r = find_function(names ? names->strings[i] : defaults[i % of->n_activations],
                                      &a->function, e);

                if (r < 0)
                        return r;
                if (a->function->has_alpha)
                        a->alpha = next_value(alpha, &n_alpha, a->function->alpha);
                if (a->function->has_beta)
                        a->beta = next_value(beta, &n_beta, a->function->beta);
        }
        if (alpha && n_alpha != alpha->n)
                return error_set(e, -EINVAL,
                                 "attribute activation_alpha has %zu elements, but the functions "
                                 "take %zu",
                                 alpha->n, n_alpha);
        if (beta && n_beta != beta->n)
                return error_set(e, -EINVAL,
                                 "attribute activation_beta has %zu elements, but the functions "
                                 "take %zu",
                                 beta->n, n_beta);
        return 0;
}

static int read_direction(Recurrent *of, Error *e) {
        const char *direction = attribute_string(of->node, "direction", "forward");
        const Attribute *clip = attribute_find(of->node, "clip", ATTRIBUTE_FLOAT);
        int64_t layout = attribute_int(of->node, "layout", 0);

        of->directions = streq(direction, "bidirectional") ? 2 : 1;
        of->reverse = streq(direction, "reverse");
        if (of->directions == 1 && !of->reverse && !streq(direction, "forward"))
                return error_set(e, -EINVAL,
                                 "attribute direction is '%.32s', but forward, reverse and "
                                 "bidirectional are what it takes",
                                 direction);
        if (layout != 0 && layout != 1)
                return error_set(e, -EINVAL,
                                 "attribute layout is %" PRId64 ", but 0 and 1 are taken", layout);
        of->batch_first = layout == 1;
        of->clip = clip ? (double)clip->floats[0] : (double)INFINITY;
        if (!(of->clip > 0))
                return error_set(e, -EINVAL, "attribute clip is %g, but it must be above 0",
                                 of->clip);
        of->linear_before_reset = attribute_int(of->node, "linear_before_reset", 0) != 0;
        of->input_forget = attribute_int(of->node, "input_forget", 0) != 0;
        return 0;
}

static int check_shape(const Recurrent *of, Input which, size_t rank, size_t a, size_t b, size_t c,
                       Error *e) {
        const Tensor *t = of->in[which];
        ElementType type = which == IN_LENGTHS ? ELEMENT_I32 : of->in[IN_X]->type;
        const size_t dim[] = {a, b, c};

        if (!t)
                return 0;
        if (t->type != type)
                return error_set(e, -EINVAL, "%s is %s, but %s is what it takes",
                                 input_names[which], element_type_name(t->type),
                                 element_type_name(type));
        if (t->rank != rank)
                return error_set(e, -EINVAL, "%s has %zu dimensions, not %zu", input_names[which],
                                 t->rank, rank);
        for (size_t i = 0; i < rank; i++)
                if ((size_t)t->dim[i] != dim[i])
                        return error_set(e, -EINVAL, "dimension %zu of %s is %" PRId64 ", not %zu",
                                         i, input_names[which], t->dim[i], dim[i]);
        return 0;
}

static int check_lengths(const Recurrent *of, Error *e) {
        const Tensor *lengths = of->in[IN_LENGTHS];

        for (size_t i = 0; lengths && i < of->batch; i++)
                if (lengths->i32[i] < 0 || (size_t)lengths->i32[i] > of->steps)
                        return error_set(e, -EINVAL,
                                         "sequence_lens[%zu] is %" PRId32
                                         ", but sequences have %zu steps",
                                         i, lengths->i32[i], of->steps);
        return 0;
}

static int read_shapes(Recurrent *of, Error *e) {
        const Tensor *x = of->in[IN_X], *r = of->in[IN_R];
        size_t rows, d = of->directions;
        int64_t hidden;

        if (x->type != ELEMENT_F32 && x->type != ELEMENT_F64 && x->type != ELEMENT_F16)
                return error_set(e, -EINVAL,
                                 "X is %s, but float16, float32 and float64 are what it takes",
                                 element_type_name(x->type));
        if (x->rank != 3 || r->rank != 3)
                return error_set(e, -EINVAL, "X and R have %zu and %zu dimensions, not 3", x->rank,
                                 r->rank);
        of->steps = (size_t)x->dim[of->batch_first ? 1 : 0];
        of->batch = (size_t)x->dim[of->batch_first ? 0 : 1];
        of->width = (size_t)x->dim[2];
        of->hidden = (size_t)r->dim[2];
        rows = of->n_gates * of->hidden;
        hidden = attribute_int(of->node, "hidden_size", r->dim[2]);
        if (hidden < 1 || hidden != r->dim[2])
                return error_set(e, -EINVAL,
                                 "attribute hidden_size is %" PRId64 ", but R is for %" PRId64,
                                 hidden, r->dim[2]);
        {
                const struct {
                        Input which;
                        size_t rank, a, b, c;
                } shapes[] = {
                        {IN_W, 3, d, rows, of->width},
                        {IN_R, 3, d, rows, of->hidden},
                        {IN_B, 2, d, 2 * rows, 0},
                        {IN_LENGTHS, 1, of->batch, 0, 0},
                        {IN_H, 3, of->batch_first ? of->batch : d, of->batch_first ? d : of->batch,
                         of->hidden},
                        {IN_C, 3, of->batch_first ? of->batch : d, of->batch_first ? d : of->batch,
                         of->hidden},
                        {IN_P, 2, d, 3 * of->hidden, 0},
                };

                for (size_t i = 0; i < ELEMENTSOF(shapes); i++) {
                        int k = check_shape(of, shapes[i].which, shapes[i].rank, shapes[i].a,
                                            shapes[i].b, shapes[i].c, e);

                        if (k < 0)
                                return k;
                }
        }
        return check_lengths(of, e);
}

static int new_outputs(Recurrent *of) {
        int64_t d = (int64_t)of->directions, batch = (int64_t)of->batch,
                hidden = (int64_t)of->hidden;
        int64_t steps = (int64_t)of->steps;
        const int64_t y[2][4] = {{steps, d, batch, hidden}, {batch, steps, d, hidden}};
        const int64_t state[2][3] = {{d, batch, hidden}, {batch, d, hidden}};
        ElementType type = of->in[IN_X]->type;
        int r;

        r = tensor_new(type, 4, y[of->batch_first], &of->y);
        if (r < 0)
                return r;
        r = tensor_new(type, 3, state[of->batch_first], &of->y_h);
        if (r < 0 || !of->lstm)
                return r;
        return tensor_new(type, 3, state[of->batch_first], &of->y_c);
}

static void recurrent_done(Recurrent *of) {
        tensor_free(of->y);
        tensor_free(of->y_h);
        tensor_free(of->y_c);
}

static int run_recurrent(const Node *n, bool lstm, const Tensor *const *in, Tensor **out,
                         Error *e) {
        _cleanup_(recurrent_done)
        Recurrent of = {
                .node = n,
                .lstm = lstm,
                .n_gates = lstm ? 4 : 3,
                .n_activations = lstm ? 3 : 2,
        };
        int r;

        for (size_t i = 0; i < MIN(n->n_inputs, (size_t)_INPUT_COUNT); i++)
                of.in[i] = in[i];
        r = read_direction(&of, e);
        if (r < 0)
                return r;
        r = read_activations(&of, e);
        if (r < 0)
                return r;
        r = read_shapes(&of, e);
        if (r < 0)
                return r;
        /* 8: calls of exp() and the like, and what else there is for each gate. */
        r = operator_spend(n, of.directions * of.batch * of.steps, of.n_gates * of.hidden,
                           of.width + of.hidden + 8, e);
        if (r < 0)
                return r;
        r = new_outputs(&of);
        if (r < 0)
                return r;
        for (size_t d = 0; d < of.directions; d++) {
                _cleanup_(cell_done)
                Cell cell = {0};

                r = cell_init(&of, d, &cell);
                if (r < 0)
                        return r;
                for (size_t b = 0; b < of.batch; b++)
                        run_sequence(&of, &cell, d, b);
        }
        out[0] = TAKE_PTR(of.y);
        if (n->n_outputs > 1)
                out[1] = TAKE_PTR(of.y_h);
        if (n->n_outputs > 2)
                out[2] = TAKE_PTR(of.y_c);
        return 0;
}

static int run_gru(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return run_recurrent(n, /* lstm= */ false, in, out, e);
}

static int run_lstm(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return run_recurrent(n, /* lstm= */ true, in, out, e);
}

static const Operator operators[] = {
        {.domain = DOMAIN_ONNX,
         .name = "GRU",
         .since = 1,
         .inputs_min = 3,
         .inputs_max = 6,
         .outputs_max = 2,
         .run = run_gru},
        {.domain = DOMAIN_ONNX,
         .name = "LSTM",
         .since = 1,
         .inputs_min = 3,
         .inputs_max = 8,
         .outputs_max = 3,
         .run = run_lstm},
};

const OperatorTable operators_recurrent = {operators, ELEMENTSOF(operators)};
