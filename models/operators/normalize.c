/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/operators/common.h"

/*
 * LayerNormalization: what stands behind an axis gets mean 0 and deviation 1, then a scale and a
 * bias.
 */

typedef struct Normal {
        size_t outer, length;
        double epsilon;
        bool biased;
        Walk scale, bias;
        double *line;        /* [length] */
        Tensor *mean, *rest; /* of each line: the mean, 1 / deviation; NULL: nobody wants them */
} Normal;

static void normal_done(Normal *m) {
        free(m->line);
        tensor_free(m->mean);
        tensor_free(m->rest);
}

static int check_factor(const Tensor *t, const Tensor *x, const Shape *s, const char *what,
                        Walk *ret, Error *e) {
        Shape own = shape_of(t);
        ShapeText a, b;

        if (t->type != x->type || !shape_broadcasts_to(&own, s))
                return error_set(e, -EINVAL, "%s is %s %s, which does not broadcast to %s %s", what,
                                 element_type_name(t->type), shape_text(&own, &a),
                                 element_type_name(x->type), shape_text(s, &b));
        walk_init_broadcast(ret, &own, s);
        return 0;
}

static int normal_init(Normal *m, const Node *n, const Tensor *const *in, Error *e) {
        Shape s = shape_of(in[0]), lines;
        size_t axis;
        int r;

        r = axis_check(attribute_int(n, "axis", -1), s.rank, &axis, e);
        if (r < 0)
                return r;
        m->epsilon = (double)attribute_float(n, "epsilon", 1e-5f);
        m->outer = shape_count(&s, 0, axis);
        m->length = shape_count(&s, axis, s.rank);
        lines = s;
        for (size_t i = axis; i < s.rank; i++)
                lines.dim[i] = 1;
        r = output_new(ELEMENT_F32, &lines, &m->mean, e);
        if (r >= 0)
                r = output_new(ELEMENT_F32, &lines, &m->rest, e);
        if (r < 0 || in[0]->count == 0)
                return r;
        r = check_factor(in[1], in[0], &s, "the scale", &m->scale, e);
        m->biased = n->n_inputs > 2 && in[2];
        if (r >= 0 && m->biased)
                r = check_factor(in[2], in[0], &s, "the bias", &m->bias, e);
        if (r < 0)
                return r;
        m->line = calloc(m->length, sizeof(*m->line));
        return m->line ? operator_spend(n, in[0]->count, 4, 1, e) : -ENOMEM;
}

static void load_line(const Tensor *x, size_t at, size_t n, double *line) {
        for (size_t i = 0; i < n; i += BLOCK)
                elements_load(x, (int64_t)(at + i), 1, MIN(BLOCK, n - i), line + i);
}

static void normalize_line(Normal *m, size_t i) {
        double mean = 0, variance = 0, rest;

        for (size_t k = 0; k < m->length; k++)
                mean += m->line[k];
        mean /= (double)m->length;
        for (size_t k = 0; k < m->length; k++)
                variance += (m->line[k] - mean) * (m->line[k] - mean);
        rest = 1 / sqrt(variance / (double)m->length + m->epsilon);
        for (size_t k = 0; k < m->length; k++)
                m->line[k] = (m->line[k] - mean) * rest;
        tensor_set_f64(m->mean, i, mean);
        tensor_set_f64(m->rest, i, rest);
}

static int layer_normalization_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        _cleanup_(normal_done)
        Normal m = {0};
        Shape s = shape_of(in[0]);
        Block factor;
        int r;

        r = type_check(in[0], TYPES_FLOAT, "the input", e);
        if (r >= 0)
                r = normal_init(&m, n, in, e);
        if (r >= 0)
                r = output_new(in[0]->type, &s, out, e);
        if (r < 0)
                return r;
        for (size_t i = 0; in[0]->count > 0 && i < m.outer; i++) {
                load_line(in[0], i * m.length, m.length, m.line);
                normalize_line(&m, i);
                for (size_t at = 0; at < m.length; at += BLOCK) {
                        size_t count = MIN(BLOCK, m.length - at);

                        walk_load(&m.scale, in[1], count, &factor);
                        for (size_t k = 0; k < count; k++)
                                m.line[at + k] *= factor.f64[k];
                        if (m.biased)
                                walk_load(&m.bias, in[2], count, &factor);
                        for (size_t k = 0; m.biased && k < count; k++)
                                m.line[at + k] += factor.f64[k];
                        elements_store(out[0], i * m.length + at, count, WIDE_F64, m.line + at);
                }
        }
        if (n->n_outputs > 1)
                out[1] = TAKE_PTR(m.mean);
        if (n->n_outputs > 2)
                out[2] = TAKE_PTR(m.rest);
        return 0;
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "LayerNormalization", 17, OPERATOR_OTHER, 2, 3, 3, layer_normalization_run},
};

const OperatorTable operators_normalize = {operators, ELEMENTSOF(operators)};
