/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/tensor.h"

static const struct {
        const char *name;
        size_t size;
} element_types[_ELEMENT_TYPE_COUNT] = {
        [ELEMENT_F32] = {"float32", sizeof(float)},
        [ELEMENT_F64] = {"float64", sizeof(double)},
        [ELEMENT_F16] = {"float16", sizeof(uint16_t)},
        [ELEMENT_BF16] = {"bfloat16", sizeof(uint16_t)},
        [ELEMENT_I8] = {"int8", sizeof(int8_t)},
        [ELEMENT_I16] = {"int16", sizeof(int16_t)},
        [ELEMENT_I32] = {"int32", sizeof(int32_t)},
        [ELEMENT_I64] = {"int64", sizeof(int64_t)},
        [ELEMENT_U8] = {"uint8", sizeof(uint8_t)},
        [ELEMENT_U16] = {"uint16", sizeof(uint16_t)},
        [ELEMENT_U32] = {"uint32", sizeof(uint32_t)},
        [ELEMENT_U64] = {"uint64", sizeof(uint64_t)},
        [ELEMENT_BOOL] = {"bool", sizeof(uint8_t)},
        [ELEMENT_STRING] = {"string", sizeof(char *)},
};

const char *element_type_name(ElementType type) {
        return type < _ELEMENT_TYPE_COUNT ? element_types[type].name : "unknown";
}

size_t element_type_size(ElementType type) {
        return type < _ELEMENT_TYPE_COUNT ? element_types[type].size : 0;
}

int tensor_count(size_t rank, const int64_t *dim, size_t *ret) {
        size_t n = 1;
        bool empty = false, big = false;

        if (rank > TENSOR_RANK_MAX)
                return -EINVAL;
        for (size_t i = 0; i < rank; i++) {
                if (dim[i] < 0)
                        return -EINVAL;
                empty |= dim[i] == 0;
                /* Dimensions beside a 0 count, too: elements of one row may be counted somewhere.
                 */
                big |= dim[i] != 0 && (uint64_t)dim[i] > TENSOR_ELEMENTS_MAX / n;
                if (!big && dim[i] != 0)
                        n *= (size_t)dim[i];
        }
        if (big)
                return -EFBIG;
        *ret = empty ? 0 : n;
        return 0;
}

int tensor_new(ElementType type, size_t rank, const int64_t *dim, Tensor **ret) {
        _cleanup_(tensor_freep)
        Tensor *t = NULL;
        size_t n;
        int r;

        if (type >= _ELEMENT_TYPE_COUNT)
                return -EINVAL;
        r = tensor_count(rank, dim, &n);
        if (r < 0)
                return r;
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->type = type;
        t->rank = rank;
        if (rank > 0)
                memcpy(t->dim, dim, rank * sizeof(*dim));
        t->data = calloc(MAX(n, 1u), element_type_size(type));
        if (!t->data)
                return -ENOMEM;
        t->count = n;
        *ret = TAKE_PTR(t);
        return 0;
}

int tensor_copy(const Tensor *t, Tensor **ret) {
        _cleanup_(tensor_freep)
        Tensor *copy = NULL;
        int r;

        r = tensor_new(t->type, t->rank, t->dim, &copy);
        if (r < 0)
                return r;
        if (t->type != ELEMENT_STRING) {
                memcpy(copy->data, t->data, t->count * element_type_size(t->type));
        } else {
                for (size_t i = 0; i < t->count; i++) {
                        copy->string[i] = strdup(t->string[i] ? t->string[i] : "");
                        if (!copy->string[i])
                                return -ENOMEM;
                }
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

Tensor *tensor_free(Tensor *t) {
        if (!t)
                return NULL;
        if (t->type == ELEMENT_STRING)
                for (size_t i = 0; i < t->count; i++)
                        free(t->string[i]);
        free(t->data);
        free(t);
        return NULL;
}

double tensor_get_f64(const Tensor *t, size_t i) {
        switch (t->type) {
        case ELEMENT_F32:
                return (double)t->f32[i];
        case ELEMENT_F64:
                return t->f64[i];
        case ELEMENT_F16:
                return (double)half_to_f32(t->half[i]);
        case ELEMENT_BF16:
                return (double)bfloat16_to_f32(t->half[i]);
        case ELEMENT_U64:
                return (double)t->u64[i];
        case ELEMENT_I8:
        case ELEMENT_I16:
        case ELEMENT_I32:
        case ELEMENT_I64:
        case ELEMENT_U8:
        case ELEMENT_U16:
        case ELEMENT_U32:
        case ELEMENT_BOOL:
                return (double)tensor_get_i64(t, i);
        case ELEMENT_STRING:
        default:
                return 0;
        }
}

/* Cut towards zero into [low, high]; NaN is 0. Both bounds are integers that a double holds. */
static double cut(double x, double low, double high) {
        return isnan(x) ? 0 : trunc(CLAMP(x, low, high));
}

static int64_t f64_to_i64(double x) {
        if (x >= 0x1p63)
                return INT64_MAX;
        return (int64_t)cut(x, -0x1p63, 0x1p63);
}

static uint64_t f64_to_u64(double x) {
        if (x >= 0x1p64)
                return UINT64_MAX;
        return (uint64_t)cut(x, 0, 0x1p64);
}

int64_t tensor_get_i64(const Tensor *t, size_t i) {
        switch (t->type) {
        case ELEMENT_I8:
                return t->i8[i];
        case ELEMENT_I16:
                return t->i16[i];
        case ELEMENT_I32:
                return t->i32[i];
        case ELEMENT_I64:
                return t->i64[i];
        case ELEMENT_U8:
        case ELEMENT_BOOL:
                return t->u8[i];
        case ELEMENT_U16:
                return t->u16[i];
        case ELEMENT_U32:
                return t->u32[i];
        case ELEMENT_U64:
                return t->u64[i] > INT64_MAX ? INT64_MAX : (int64_t)t->u64[i];
        case ELEMENT_F32:
        case ELEMENT_F64:
        case ELEMENT_F16:
        case ELEMENT_BF16:
                return f64_to_i64(tensor_get_f64(t, i));
        case ELEMENT_STRING:
        default:
                return 0;
        }
}

/* To the nearest number of so many binary digits, ties to even; below 2^exponent_min the spacing no
 * longer shrinks (subnormal numbers). */
static double round_binary(double x, int digits, int exponent_min) {
        int exponent;

        if (x == 0 || !isfinite(x))
                return x;
        (void)frexp(x, &exponent); /* x = m * 2^exponent, m in [0.5, 1) */
        exponent = MAX(exponent - 1, exponent_min) - (digits - 1);
        return ldexp(rint(ldexp(x, -exponent)), exponent);
}

static uint16_t f64_to_half(double x) {
        uint16_t sign = signbit(x) ? 0x8000 : 0;
        int exponent;

        if (isnan(x))
                return sign | 0x7e00;
        x = fabs(round_binary(x, 11, -14));
        if (x > 65504)
                return sign | 0x7c00;
        if (x < 0x1p-14) /* subnormal: units of 2^-24 */
                return (uint16_t)(sign | (uint16_t)ldexp(x, 24));
        x = frexp(x, &exponent); /* in [0.5, 1): 11 digits, of which the first is implied */
        return (uint16_t)(sign | ((exponent + 14) << 10) | ((int)ldexp(x, 11) - 1024));
}

void tensor_set_f64(Tensor *t, size_t i, double x) {
        switch (t->type) {
        case ELEMENT_F32:
                t->f32[i] = (float)x;
                break;
        case ELEMENT_F64:
                t->f64[i] = x;
                break;
        case ELEMENT_F16:
                t->half[i] = f64_to_half(x);
                break;
        case ELEMENT_BF16:
                t->half[i] = f32_to_bfloat16((float)round_binary(x, 8, -126));
                break;
        case ELEMENT_I8:
                t->i8[i] = (int8_t)cut(x, INT8_MIN, INT8_MAX);
                break;
        case ELEMENT_I16:
                t->i16[i] = (int16_t)cut(x, INT16_MIN, INT16_MAX);
                break;
        case ELEMENT_I32:
                t->i32[i] = (int32_t)cut(x, INT32_MIN, INT32_MAX);
                break;
        case ELEMENT_I64:
                t->i64[i] = f64_to_i64(x);
                break;
        case ELEMENT_U8:
                t->u8[i] = (uint8_t)cut(x, 0, UINT8_MAX);
                break;
        case ELEMENT_U16:
                t->u16[i] = (uint16_t)cut(x, 0, UINT16_MAX);
                break;
        case ELEMENT_U32:
                t->u32[i] = (uint32_t)cut(x, 0, UINT32_MAX);
                break;
        case ELEMENT_U64:
                t->u64[i] = f64_to_u64(x);
                break;
        case ELEMENT_BOOL:
                t->u8[i] = x != 0;
                break;
        case ELEMENT_STRING:
        default:
                break;
        }
}

float half_to_f32(uint16_t h) {
        int exponent = (h >> 10) & 0x1f;
        float mantissa = (float)(h & 0x3ff), x;

        if (exponent == 0)
                x = ldexpf(mantissa, -24);
        else if (exponent == 0x1f)
                x = mantissa > 0 ? NAN : INFINITY;
        else
                x = ldexpf(1024.0f + mantissa, exponent - 25);
        return h & 0x8000 ? -x : x;
}

uint16_t f32_to_half(float x) {
        return f64_to_half((double)x);
}

float bfloat16_to_f32(uint16_t h) {
        uint32_t bits = (uint32_t)h << 16;
        float x;

        memcpy(&x, &bits, sizeof(x));
        return x;
}

uint16_t f32_to_bfloat16(float x) {
        uint32_t bits;

        memcpy(&bits, &x, sizeof(bits));
        if (isnan(x))
                return (uint16_t)(bits >> 16 | 0x40);
        return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
