/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * An n-dimensional array of one element type, row-major, that owns its elements. Types and their
 * meaning are those of ONNX (TensorProto.DataType); half floats are kept as their 16 bits.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"
#include "util/macro.h"

typedef enum ElementType {
        ELEMENT_F32,
        ELEMENT_F64,
        ELEMENT_F16,
        ELEMENT_BF16,
        ELEMENT_I8,
        ELEMENT_I16,
        ELEMENT_I32,
        ELEMENT_I64,
        ELEMENT_U8,
        ELEMENT_U16,
        ELEMENT_U32,
        ELEMENT_U64,
        ELEMENT_BOOL,   /* one byte, 0 or 1 */
        ELEMENT_STRING, /* char *, owned, never NULL once filled */
        _ELEMENT_TYPE_COUNT
} ElementType;

#define TENSOR_RANK_MAX 8
#define TENSOR_ELEMENTS_MAX ((size_t)1 << 24) /* of all dimensions together */

typedef struct Tensor {
        ElementType type;
        size_t rank;                  /* 0: a scalar, one element */
        int64_t dim[TENSOR_RANK_MAX]; /* each >= 0; 0: no elements at all */
        size_t count;                 /* product of dim */
        union {
                void *data;
                float *f32;
                double *f64;
                uint16_t *half; /* F16, BF16 */
                int8_t *i8;
                int16_t *i16;
                int32_t *i32;
                int64_t *i64;
                uint8_t *u8; /* also BOOL */
                uint16_t *u16;
                uint32_t *u32;
                uint64_t *u64;
                char **string;
        };
} Tensor;

/* "float32", "int64" …, as errors and sheets name them; bytes of one element. */
const char *element_type_name(ElementType type);
size_t element_type_size(ElementType type);

/* Product of the dimensions. Returns 0, -EINVAL (a negative one, rank too large) or -EFBIG (above
 * TENSOR_ELEMENTS_MAX; a dimension of 0 does not hide that the others are). */
int tensor_count(size_t rank, const int64_t *dim, size_t *ret);

/* A tensor of zeros (strings: NULL). dim may be NULL where rank is 0. Returns 0, -EINVAL, -EFBIG or
 * -ENOMEM. */
int tensor_new(ElementType type, size_t rank, const int64_t *dim, Tensor **ret);
int tensor_copy(const Tensor *t, Tensor **ret);
Tensor *tensor_free(Tensor *t);
DEFINE_CLEANUP(Tensor *, tensor_free);

/* One element as a number, whatever its type; 0 for a string. get_i64 cuts towards zero and
 * saturates. */
double tensor_get_f64(const Tensor *t, size_t i);
int64_t tensor_get_i64(const Tensor *t, size_t i);
/* Stores x in the element's type: integers are cut towards zero and saturate, halves are rounded to
 * even. Not for strings. */
void tensor_set_f64(Tensor *t, size_t i, double x);

float half_to_f32(uint16_t h);
uint16_t f32_to_half(float x);
float bfloat16_to_f32(uint16_t h);
uint16_t f32_to_bfloat16(float x);
