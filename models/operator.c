/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/operator.h"

static const OperatorTable *const tables[] = {
        &operators_elementwise, &operators_cast, &operators_matrix,    &operators_reduce,
        &operators_shape,       &operators_move, &operators_window,    &operators_quantized,
        &operators_recurrent,   &operators_ml,   &operators_label,     &operators_linear,
        &operators_tree,        &operators_pad,  &operators_normalize,
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

/* What the standard's operators call by one name is of one kind. Others than these do not matter.
 */
static const struct {
        const char *name;
        AttributeKind kind;
} attribute_kinds[] = {
        {"allowzero", ATTRIBUTE_INT},
        {"alpha", ATTRIBUTE_FLOAT},
        {"auto_pad", ATTRIBUTE_STRING},
        {"axes", ATTRIBUTE_INTS},
        {"axis", ATTRIBUTE_INT},
        {"beta", ATTRIBUTE_FLOAT},
        {"broadcast", ATTRIBUTE_INT},
        {"ceil_mode", ATTRIBUTE_INT},
        {"count_include_pad", ATTRIBUTE_INT},
        {"dilations", ATTRIBUTE_INTS},
        {"end", ATTRIBUTE_INT},
        {"ends", ATTRIBUTE_INTS},
        {"epsilon", ATTRIBUTE_FLOAT},
        {"gamma", ATTRIBUTE_FLOAT},
        {"group", ATTRIBUTE_INT},
        {"is_test", ATTRIBUTE_INT},
        {"keepdims", ATTRIBUTE_INT},
        {"kernel_shape", ATTRIBUTE_INTS},
        {"max", ATTRIBUTE_FLOAT},
        {"min", ATTRIBUTE_FLOAT},
        {"momentum", ATTRIBUTE_FLOAT},
        {"noop_with_empty_axes", ATTRIBUTE_INT},
        {"pads", ATTRIBUTE_INTS},
        {"perm", ATTRIBUTE_INTS},
        {"ratio", ATTRIBUTE_FLOAT},
        {"select_last_index", ATTRIBUTE_INT},
        {"shape", ATTRIBUTE_INTS},
        {"spatial", ATTRIBUTE_INT},
        {"split", ATTRIBUTE_INTS},
        {"start", ATTRIBUTE_INT},
        {"starts", ATTRIBUTE_INTS},
        {"storage_order", ATTRIBUTE_INT},
        {"strides", ATTRIBUTE_INTS},
        {"training_mode", ATTRIBUTE_INT},
        {"transA", ATTRIBUTE_INT},
        {"transB", ATTRIBUTE_INT},
};

int operator_check_attributes(const Node *n, Error *e) {
        if (!streq(n->op->domain, DOMAIN_ONNX))
                return 0;
        for (size_t i = 0; i < n->n_attributes; i++)
                for (size_t k = 0; k < ELEMENTSOF(attribute_kinds); k++)
                        if (streq(attribute_kinds[k].name, n->attributes[i].name) &&
                            attribute_kinds[k].kind != n->attributes[i].kind)
                                return error_set(
                                        e, -EINVAL,
                                        "%s (node '%.128s', opset %d): attribute '%s' is of "
                                        "the wrong type",
                                        n->op->name, n->name, n->opset, n->attributes[i].name);
        return 0;
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
