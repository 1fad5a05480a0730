/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "models/tensor.h"

static void test_count(void **state) {
        static const struct {
                size_t rank;
                int64_t dim[TENSOR_RANK_MAX + 1];
                int r;
                size_t count;
        } cases[] = {
                {0, {0}, 0, 1},
                {1, {7}, 0, 7},
                {3, {2, 3, 4}, 0, 24},
                {2, {5, 0}, 0, 0},
                {8, {1, 1, 1, 1, 1, 1, 1, 2}, 0, 2},
                {9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, -EINVAL, 0},
                {2, {2, -1}, -EINVAL, 0},
                {2, {0, INT64_MIN}, -EINVAL, 0},
                {1, {1 << 24}, 0, 1 << 24},
                {1, {(1 << 24) + 1}, -EFBIG, 0},
                {2, {INT64_C(1) << 40, INT64_C(1) << 24}, -EFBIG, 0}, /* product 0 modulo 2^64 */
                {3, {INT64_MAX, INT64_MAX, INT64_MAX}, -EFBIG, 0},
                {2, {0, INT64_C(1) << 40}, -EFBIG, 0},
                {2, {INT64_C(1) << 40, 0}, -EFBIG, 0},
                {2, {INT64_C(1) << 40, -1}, -EINVAL, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t n = 4711;

                assert_int_equal(tensor_count(cases[i].rank, cases[i].dim, &n), cases[i].r);
                assert_int_equal(n, cases[i].r < 0 ? 4711 : cases[i].count);
        }
}

static Tensor *scalar(ElementType type) {
        Tensor *t = NULL;

        assert_int_equal(tensor_new(type, 0, NULL, &t), 0);
        assert_int_equal(t->count, 1);
        return t;
}

static void test_elements(void **state) {
        static const struct {
                ElementType type;
                double set, get;
                int64_t integer;
        } cases[] = {
                {ELEMENT_F32, 1.5, 1.5, 1},
                {ELEMENT_F32, -1.75, -1.75, -1},
                {ELEMENT_F64, 1e300, 1e300, INT64_MAX},
                {ELEMENT_F64, -1e300, -1e300, INT64_MIN},
                {ELEMENT_F64, -INFINITY, -INFINITY, INT64_MIN},
                {ELEMENT_I8, 200, 127, 127},
                {ELEMENT_I8, -200, -128, -128},
                {ELEMENT_I8, -1.9, -1, -1},
                {ELEMENT_I8, NAN, 0, 0},
                {ELEMENT_I16, 40000, 32767, 32767},
                {ELEMENT_I32, 1e10, 2147483647, INT32_MAX},
                {ELEMENT_I32, -1e10, -2147483648.0, INT32_MIN},
                {ELEMENT_I64, 1e19, 0x1p63, INT64_MAX},
                {ELEMENT_I64, -1e19, -0x1p63, INT64_MIN},
                {ELEMENT_I64, NAN, 0, 0},
                {ELEMENT_U8, 300, 255, 255},
                {ELEMENT_U8, -1, 0, 0},
                {ELEMENT_U16, 65536, 65535, 65535},
                {ELEMENT_U32, INFINITY, 4294967295.0, UINT32_MAX},
                {ELEMENT_U64, 1e19, 1e19, INT64_MAX},
                {ELEMENT_U64, 1e20, 0x1p64, INT64_MAX},
                {ELEMENT_U64, -0.5, 0, 0},
                {ELEMENT_BOOL, 0.25, 1, 1},
                {ELEMENT_BOOL, 0, 0, 0},
                {ELEMENT_F16, 2.5, 2.5, 2},
                {ELEMENT_BF16, -3.0, -3.0, -3},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(tensor_freep)
                Tensor *t = scalar(cases[i].type);

                tensor_set_f64(t, 0, cases[i].set);
                assert_true(tensor_get_f64(t, 0) == cases[i].get);
                assert_true(tensor_get_i64(t, 0) == cases[i].integer);
        }
}

/* Every half is the number that IEEE 754 says, and comes back from it. */
static void test_halves(void **state) {
        for (unsigned h = 0; h < 65536; h++) {
                int exponent = (int)(h >> 10 & 0x1f);
                double m = (double)(h & 0x3ff) / 1024, x;

                x = exponent == 0 ? ldexp(m, -14) : ldexp(1 + m, exponent - 15);
                if (exponent == 31)
                        x = m > 0 ? (double)NAN : (double)INFINITY;
                if (h & 0x8000)
                        x = -x;
                if (isnan(x)) {
                        assert_true(isnan(half_to_f32((uint16_t)h)));
                        assert_true(isnan(half_to_f32(f32_to_half(half_to_f32((uint16_t)h)))));
                        continue;
                }
                assert_true((double)half_to_f32((uint16_t)h) == x);
                assert_int_equal(f32_to_half((float)x), h);
        }
}

static void test_half_rounding(void **state) {
        static const struct {
                double x;
                uint16_t half, bfloat;
        } cases[] = {
                {0.0, 0, 0},
                {1.0, 0x3c00, 0x3f80},
                {1 + 0x1p-11, 0x3c00, 0x3f80},           /* a tie: to even */
                {1 + 3 * 0x1p-11, 0x3c02, 0x3f80},       /* the other tie */
                {1 + 0x1p-11 + 0x1p-40, 0x3c01, 0x3f80}, /* above it, but not as a float */
                {1 + 0x1p-8, 0x3c04, 0x3f80},
                {1 + 0x1p-8 + 0x1p-40, 0x3c04, 0x3f81},
                {65504, 0x7bff, 0x4780},
                {65519.99, 0x7bff, 0x4780},
                {65520, 0x7c00, 0x4780},
                {-1e30, 0xfc00, 0xf14a},
                {0x1p-24, 0x0001, 0x3380},
                {0x1p-25, 0x0000, 0x3300},
                {0x1.8p-25, 0x0001, 0x3340},
                {0x1.ffcp-15, 0x0400, 0x3880}, /* rounds up into the normal numbers */
                {1e300, 0x7c00, 0x7f80},
                {-(double)INFINITY, 0xfc00, 0xff80},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(tensor_freep)
                Tensor *h = scalar(ELEMENT_F16), *b = scalar(ELEMENT_BF16);

                tensor_set_f64(h, 0, cases[i].x);
                tensor_set_f64(b, 0, cases[i].x);
                assert_int_equal(h->half[0], cases[i].half);
                assert_int_equal(b->half[0], cases[i].bfloat);
        }
        assert_true(isnan(bfloat16_to_f32(f32_to_bfloat16(NAN))));
        assert_true(isinf(bfloat16_to_f32(f32_to_bfloat16(INFINITY))));
}

static void test_copy(void **state) {
        _cleanup_(tensor_freep)
        Tensor *t = NULL, *copy = NULL, *strings = NULL, *other = NULL;

        assert_int_equal(tensor_new(ELEMENT_I32, 2, (int64_t[]){2, 3}, &t), 0);
        for (int i = 0; i < 6; i++)
                t->i32[i] = i * i;
        assert_int_equal(tensor_copy(t, &copy), 0);
        assert_int_equal(copy->rank, 2);
        assert_int_equal(copy->dim[1], 3);
        assert_memory_equal(copy->data, t->data, 24);

        assert_int_equal(tensor_new(ELEMENT_STRING, 1, (int64_t[]){2}, &strings), 0);
        strings->string[1] = strdup("b");
        assert_int_equal(tensor_copy(strings, &other), 0);
        assert_string_equal(other->string[0], "");
        assert_string_equal(other->string[1], "b");
        assert_ptr_not_equal(other->string[1], strings->string[1]);
        assert_true(tensor_get_f64(strings, 1) == 0);
}

static void test_refused(void **state) {
        Tensor *t = (Tensor *)&t;

        assert_int_equal(tensor_new(_ELEMENT_TYPE_COUNT, 0, NULL, &t), -EINVAL);
        assert_int_equal(tensor_new(ELEMENT_F32, 1, (int64_t[]){-1}, &t), -EINVAL);
        assert_int_equal(tensor_new(ELEMENT_F32, 1, (int64_t[]){INT64_MAX}, &t), -EFBIG);
        assert_ptr_equal(t, &t);
        assert_null(tensor_free(NULL));
        assert_string_equal(element_type_name(ELEMENT_BF16), "bfloat16");
        assert_string_equal(element_type_name(_ELEMENT_TYPE_COUNT), "unknown");
        assert_int_equal(element_type_size(ELEMENT_U16), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_count),  cmocka_unit_test(test_elements),
                cmocka_unit_test(test_halves), cmocka_unit_test(test_half_rounding),
                cmocka_unit_test(test_copy),   cmocka_unit_test(test_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
