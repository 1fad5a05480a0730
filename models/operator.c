/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/operator.h"

static const OperatorTable *const tables[] = {
        &operators_elementwise, &operators_cast, &operators_matrix, &operators_reduce,
        &operators_shape,       &operators_move, &operators_window, &operators_quantized,
        &operators_recurrent,   &operators_ml,   &operators_label,  &operators_linear,
        &operators_tree,
};

const Operator *operator_find(const char *domain, const char *name) {
        if (streq(domain, "ai.onnx"))
                domain = DOMAIN_ONNX;
        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                for (size_t k = 0; k < tables[i]->n; k++) {
                        const Operator *op = tables[i]->operators + k;

                        if (streq(op->name, name) && streq(op->domain, domain))
                                return op;
                }
        return NULL;
}

const Operator *operator_at(size_t i) {
        for (size_t k = 0; k < ELEMENTSOF(tables); k++) {
                if (i < tables[k]->n)
                        return tables[k]->operators + i;
                i -= tables[k]->n;
        }
        return NULL;
}

int operator_spend(const Node *n, uint64_t a, uint64_t b, uint64_t c, Error *e) {
        uint64_t work;

        if (!n->work)
                return 0;
        if (__builtin_mul_overflow(a, b, &work) || __builtin_mul_overflow(work, c, &work) ||
            work > *n->work)
                return error_set(e, -EFBIG,
                                 "%" PRIu64 " x %" PRIu64 " x %" PRIu64
                                 " steps are more work than one run may take",
                                 a, b, c);
        *n->work -= work;
        return 0;
}
