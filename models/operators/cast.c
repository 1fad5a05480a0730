/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <strings.h>

#include "models/operators/common.h"

/*
 * Cast and CastLike: numbers by elements_store(), and text both ways.
 */

/* Whether a text gives x again in the type that x has. */
static bool text_gives(const char *text, ElementType type, double x) {
        switch (type) {
        case ELEMENT_F16:
                return (double)half_to_f32(f32_to_half(strtof(text, NULL))) == x;
        case ELEMENT_BF16:
                return (double)bfloat16_to_f32(f32_to_bfloat16(strtof(text, NULL))) == x;
        case ELEMENT_F32:
                return (double)strtof(text, NULL) == x;
        default:
                return strtod(text, NULL) == x;
        }
}

/* As Python shows them: the fewest digits that give the same number again, with an exponent below
 * 1e-4 and from 1e16 on. */
static void float_text(double x, ElementType type, char *text, size_t size) {
        char scientific[40];
        long exponent;
        int digits;

        if (isnan(x) || isinf(x)) {
                snprintf(text, size, "%s", isnan(x) ? "NaN" : x > 0 ? "INF" : "-INF");
                return;
        }
        for (digits = 0; digits <= 16; digits++) {
                snprintf(scientific, sizeof(scientific), "%.*e", digits, x);
                if (text_gives(scientific, type, x))
                        break;
        }
        exponent = strtol(strchr(scientific, 'e') + 1, NULL, 10);
        if (exponent >= -4 && exponent < 16)
                snprintf(text, size, "%.*f", (int)MAX(digits - exponent, 1),
                         strtod(scientific, NULL));
        else
                snprintf(text, size, "%s", scientific);
}

static char *element_text(const Tensor *t, size_t i) {
        char text[64];

        if (TYPES_FLOAT & (1u << t->type))
                float_text(tensor_get_f64(t, i), t->type, text, sizeof(text));
        else if (t->type == ELEMENT_BOOL)
                snprintf(text, sizeof(text), "%s", t->u8[i] ? "True" : "False");
        else if (t->type == ELEMENT_U64)
                snprintf(text, sizeof(text), "%" PRIu64, t->u64[i]);
        else
                snprintf(text, sizeof(text), "%" PRId64, tensor_get_i64(t, i));
        return strdup(text);
}

static int cast_to_text(const Tensor *x, Tensor *to) {
        for (size_t i = 0; i < x->count; i++) {
                to->string[i] = element_text(x, i);
                if (!to->string[i])
                        return -ENOMEM;
        }
        return 0;
}

/* "3.14", "-1e8", "+INF", "nan"; neither blanks nor hexadecimal numbers. */
static int text_number(const char *text, double *ret) {
        const char *sign = text + (*text == '+' || *text == '-');
        char *end;

        if (strcasecmp(sign, "inf") != 0 && strcasecmp(sign, "nan") != 0 &&
            (!*text || text[strspn(text, "0123456789+-.eE")] || !strpbrk(text, "0123456789")))
                return -EINVAL;
        *ret = strtod(text, &end);
        return *end ? -EINVAL : 0;
}

/* Whole numbers go without a double, which does not hold those beyond 2^53. */
static void text_store(Tensor *t, size_t i, const char *text, double number) {
        bool whole = !strpbrk(text, ".eEnN");

        if (whole && t->type == ELEMENT_I64)
                t->i64[i] = strtoll(text, NULL, 10);
        else if (whole && t->type == ELEMENT_U64 && *text != '-')
                t->u64[i] = strtoull(text, NULL, 10);
        else if (t->type == ELEMENT_F32)
                t->f32[i] = strtof(text, NULL);
        else
                tensor_set_f64(t, i, number);
}

static int cast_from_text(const Tensor *x, Tensor *to, Error *e) {
        for (size_t i = 0; i < x->count; i++) {
                double number;
                int r = text_number(x->string[i], &number);

                if (r < 0)
                        return error_set(e, r, "'%.64s' is not a number", x->string[i]);
                text_store(to, i, x->string[i], number);
        }
        return 0;
}

static int cast_to(const Node *n, const Tensor *x, ElementType type, Tensor **out, Error *e) {
        static const char longest[] = "-1.2345678901234567e-300";
        Shape s = shape_of(x);
        int r;

        if (x->type != ELEMENT_STRING && type != ELEMENT_STRING)
                return tensor_convert(x, type, out, e);
        if (x->type == type) {
                r = strings_check(n, x, x->count, e);
                return r < 0 ? r : tensor_convert(x, type, out, e);
        }
        r = type == ELEMENT_STRING
                    ? operator_spend(n, x->count, sizeof(longest) + 32, STRING_BYTE_WORK, e)
                    : 0;
        if (r < 0)
                return r;
        r = output_new(type, &s, out, e);
        if (r < 0)
                return r;
        return type == ELEMENT_STRING ? cast_to_text(x, *out) : cast_from_text(x, *out, e);
}

/* Before version 6 the type is a name. */
static int cast_type_by_name(const char *name, ElementType *ret) {
        static const char *const names[] = {
                NULL,    "FLOAT",  "UINT8", "INT8",    "UINT16", "INT16",  "INT32",
                "INT64", "STRING", "BOOL",  "FLOAT16", "DOUBLE", "UINT32", "UINT64",
        };

        for (size_t i = 1; name && i < ELEMENTSOF(names); i++)
                if (streq(names[i], name))
                        return type_from_onnx((int64_t)i, ret);
        return -EINVAL;
}

static int cast_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        const Attribute *to = attribute_find(n, "to", ATTRIBUTE_INT);
        ElementType type;
        int r;

        if (to)
                r = type_from_onnx(to->ints[0], &type);
        else
                r = cast_type_by_name(n->opset < 6 ? attribute_string(n, "to", NULL) : NULL, &type);
        if (r < 0)
                return error_set(e, r, "attribute 'to' names no type of a tensor");
        return cast_to(n, in[0], type, out, e);
}

static int cast_like_run(const Node *n, const Tensor *const *in, Tensor **out, Error *e) {
        return cast_to(n, in[0], in[1]->type, out, e);
}

static const Operator operators[] = {
        {DOMAIN_ONNX, "Cast", 1, OPERATOR_POINTWISE, 1, 1, 1, cast_run},
        {DOMAIN_ONNX, "CastLike", 15, OPERATOR_OTHER, 2, 2, 1, cast_like_run},
};

const OperatorTable operators_cast = {operators, ELEMENTSOF(operators)};
