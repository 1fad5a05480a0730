/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One node as a line of a table: operator, version, attributes, inputs and what comes out or why it
 * is refused, all as text.
 *
 * A tensor: "float32[2,3] 1 2 3 4 5 6", a scalar "int64[] 7", not given NULL. Attributes:
 * "axis=1 perm=[1,0] alpha=0.5 to='FLOAT' scales=[0.5,1.5]"; a number without a point is an
 * integer.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/operator.h"

typedef struct Case {
        const char *op;
        int opset;
        const char *attributes;
        const char *in[6];
        const char *out[3];
        const char *refused; /* part of the error; the others are not looked at */
} Case;

static Tensor *tensor_from_text(const char *text) {
        const char *p = strchr(text, '[');
        int64_t dim[TENSOR_RANK_MAX] = {};
        size_t rank = 0;
        ElementType type = 0;
        Tensor *t = NULL;

        assert_non_null(p);
        while (type < _ELEMENT_TYPE_COUNT &&
               (strlen(element_type_name(type)) != (size_t)(p - text) ||
                strncmp(text, element_type_name(type), (size_t)(p - text)) != 0))
                type++;
        assert_int_not_equal(type, _ELEMENT_TYPE_COUNT);
        for (p++; *p != ']'; p += *p == ',') {
                char *end;

                assert_true(rank < TENSOR_RANK_MAX);
                dim[rank++] = strtoll(p, &end, 10);
                assert_true(end > p && (*end == ',' || *end == ']'));
                p = end;
        }
        p++;
        assert_int_equal(tensor_new(type, rank, dim, &t), 0);
        for (size_t i = 0; i < t->count; i++) {
                size_t n;

                p += strspn(p, " ");
                n = strcspn(p, " ");
                if (n == 0)
                        fail_msg("'%s' has fewer elements than its shape says", text);
                if (type == ELEMENT_STRING)
                        t->string[i] = strndup(p, n);
                else if (type == ELEMENT_I64)
                        t->i64[i] = strtoll(p, NULL, 10);
                else if (type == ELEMENT_U64)
                        t->u64[i] = strtoull(p, NULL, 10);
                else
                        tensor_set_f64(t, i, strtod(p, NULL));
                p += n;
        }
        if (p[strspn(p, " ")])
                fail_msg("'%s' has more elements than its shape says", text);
        return t;
}

/* A list or one value from p: where it ends. */
static const char *attribute_value(Attribute *a, const char *p) {
        const char *end = *p == '[' ? strchr(p, ']') + 1 : p + strcspn(p, " ");
        bool list = *p == '[', text = p[list] == '\'', real = false;
        size_t n = 1;

        for (const char *c = p; c < end; c++) {
                real |= *c == '.';
                n += *c == ',';
        }
        if (list && p + 2 == end)
                n = 0;
        a->n = n;
        a->ints = calloc(n + 1, sizeof(int64_t));
        a->kind = text   ? (list ? ATTRIBUTE_STRINGS : ATTRIBUTE_STRING)
                  : real ? (list ? ATTRIBUTE_FLOATS : ATTRIBUTE_FLOAT)
                         : (list ? ATTRIBUTE_INTS : ATTRIBUTE_INT);
        p += list;
        for (size_t i = 0; i < n; i++) {
                size_t length = strcspn(p, list ? ",]" : " ");

                if (text)
                        a->strings[i] = strndup(p + 1, length - 2);
                else if (real)
                        a->floats[i] = strtof(p, NULL);
                else
                        a->ints[i] = strtoll(p, NULL, 10);
                p += length + 1;
        }
        return end;
}

static void add_attributes(Graph *g, size_t node, const char *text) {
        for (const char *p = text; p && *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, "=");
                Attribute a = {.name = strndup(p, n)};

                p += n + 1;
                if (strncmp(p, "tensor:", 7) == 0) { /* the rest of the text */
                        a.kind = ATTRIBUTE_TENSOR;
                        a.n = 1;
                        a.tensor = tensor_from_text(p + 7);
                        p = "";
                } else {
                        p = attribute_value(&a, p);
                }
                assert_int_equal(graph_add_attribute(g, node, &a), 0);
        }
}

/* Equal as numbers, any NaN for a NaN; doubles within what libm may be off. */
static bool same_element(const Tensor *a, const Tensor *b, size_t i) {
        double x, y;

        if (a->type == ELEMENT_STRING)
                return streq(a->string[i], b->string[i]);
        if (a->type > ELEMENT_BF16)
                return memcmp(a->u8 + i * element_type_size(a->type),
                              b->u8 + i * element_type_size(b->type),
                              element_type_size(a->type)) == 0;
        x = tensor_get_f64(a, i);
        y = tensor_get_f64(b, i);
        return x == y || (isnan(x) && isnan(y)) ||
               (a->type == ELEMENT_F64 && fabs(x - y) <= 1e-15 * fabs(y));
}

static void check_output(const Case *c, const Tensor *got, const char *text) {
        _cleanup_(tensor_freep)
        Tensor *want = tensor_from_text(text);

        if (got->type != want->type || got->rank != want->rank ||
            memcmp(got->dim, want->dim, want->rank * sizeof(want->dim[0])) != 0)
                fail_msg("%s-%d(%s %s): a %s of %zu dimensions (%" PRId64 " …), wanted %s", c->op,
                         c->opset, c->attributes ? c->attributes : "", c->in[0] ? c->in[0] : "",
                         element_type_name(got->type), got->rank, got->rank ? got->dim[0] : 1,
                         text);
        for (size_t i = 0; i < want->count; i++)
                if (!same_element(got, want, i))
                        fail_msg("%s-%d(%s %s): element %zu is %s%.9g, wanted %s", c->op, c->opset,
                                 c->attributes ? c->attributes : "", c->in[0] ? c->in[0] : "", i,
                                 got->type == ELEMENT_STRING ? got->string[i] : "",
                                 tensor_get_f64(got, i), text);
}

static Graph *case_graph(const Case *c, Tensor **in, size_t *ret_in, size_t *ret_out) {
        const Operator *op = operator_find(DOMAIN_ONNX, c->op);
        Graph *g = calloc(1, sizeof(*g));
        size_t inputs[ELEMENTSOF(c->in)], outputs[ELEMENTSOF(c->out)], n_in = 0, n_out = 0,
                                                                       given = 0;
        ssize_t node;

        if (!op)
                fail_msg("there is no operator %s", c->op);
        for (size_t i = 0; i < ELEMENTSOF(c->in); i++)
                if (c->in[i])
                        n_in = i + 1;
        while (n_out < ELEMENTSOF(c->out) && c->out[n_out])
                n_out++;
        n_out += n_out == 0;
        for (size_t i = 0; i < n_in; i++) {
                inputs[i] = GRAPH_NO_VALUE;
                if (!c->in[i])
                        continue;
                in[given] = tensor_from_text(c->in[i]);
                inputs[i] = (size_t)graph_add_value(g, "in");
                graph_add_input(g, inputs[i], in[given++]->type, GRAPH_RANK_ANY, NULL);
        }
        for (size_t i = 0; i < n_out; i++)
                outputs[i] = (size_t)graph_add_value(g, "out");
        node = graph_add_node(g, op, "node", c->opset, n_in, inputs, n_out, outputs);
        assert_int_equal(node, 0);
        add_attributes(g, 0, c->attributes);
        for (size_t i = 0; i < n_out; i++)
                assert_int_equal(graph_add_output(g, outputs[i]), 0);
        *ret_in = given;
        *ret_out = n_out;
        return g;
}

static void check_case(const Case *c) {
        Tensor *in[ELEMENTSOF(c->in)] = {}, *out[ELEMENTSOF(c->out)] = {};
        size_t n_in, n_out;
        _cleanup_(graph_freep)
        Graph *g = case_graph(c, in, &n_in, &n_out);
        Error e = ERROR_INIT;
        int r;

        r = graph_finish(g, &e);
        if (r == 0)
                r = graph_run(g, (const Tensor *const *)in, n_in, out, &e);
        if (c->refused) {
                if (r != -EINVAL && r != -EFBIG)
                        fail_msg("%s-%d(%s): %d, wanted a refusal: %s", c->op, c->opset,
                                 c->attributes ? c->attributes : "", r, c->refused);
                if (!strstr(e.text, c->refused))
                        fail_msg("%s-%d(%s): '%s', wanted '%s'", c->op, c->opset,
                                 c->attributes ? c->attributes : "", e.text, c->refused);
        } else if (r < 0) {
                fail_msg("%s-%d(%s): %d, %s", c->op, c->opset, c->attributes ? c->attributes : "",
                         r, e.text);
        } else {
                for (size_t i = 0; i < n_out; i++)
                        check_output(c, out[i], c->out[i]);
        }
        for (size_t i = 0; i < n_in; i++)
                tensor_free(in[i]);
        for (size_t i = 0; r == 0 && i < n_out; i++)
                tensor_free(out[i]);
}

static void check_cases(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                check_case(cases + i);
}
