/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fast loops against plain ones: products to the bit at every width, functions to a float's
 * last bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "models/operators/fast.h"
#include "models/operators/product.h"

static const unsigned limits[] = {2, 4, 8};

static float noise(size_t i) {
        return (float)((i + 1) * 2654435761u % 20011) / 10005.5f - 1.0f;
}

static Tensor *matrix(ElementType type, size_t height, size_t width, size_t salt) {
        Tensor *t;

        assert_int_equal(tensor_new(type, 2, (int64_t[]){(int64_t)height, (int64_t)width}, &t), 0);
        for (size_t i = 0; i < t->count; i++)
                tensor_set_f64(t, i, (double)noise(i + salt) * (i % 7 == 0 ? 1e6 : 0.1));
        return t;
}

/* With C and without, transposed and not, across the edges of tiles, panels and blocks. */
static void check_product(ElementType type, size_t m, size_t k, size_t n, bool transposed,
                          int c_kind) {
        _cleanup_(tensor_freep)
        Tensor *a = matrix(type, transposed ? k : m, transposed ? m : k, 1);
        _cleanup_(tensor_freep)
        Tensor *b = matrix(type, transposed ? n : k, transposed ? k : n, 2);
        _cleanup_(tensor_freep)
        Tensor *c = matrix(type, c_kind == 1 ? 1 : m, c_kind == 2 ? 1 : n, 3);
        _cleanup_(tensor_freep)
        Tensor *fast = matrix(type, m, n, 4), *plain = matrix(type, m, n, 5);
        const Product p = {.m = m,
                           .k = k,
                           .n = n,
                           .a_row = transposed ? 1 : (int64_t)k,
                           .a_column = transposed ? (int64_t)m : 1,
                           .b_row = transposed ? 1 : (int64_t)n,
                           .b_column = transposed ? (int64_t)k : 1};
        const Sum sum = {.alpha = 0.3,
                         .beta = -1.7,
                         .c = c,
                         .c_row = c_kind == 1   ? 0
                                  : c_kind == 2 ? 1
                                                : (int64_t)n,
                         .c_column = c_kind == 2 ? 0 : 1};

        for (size_t row = 0; row < m; row++)
                for (size_t j = 0; j < n; j++) {
                        Block one;

                        product_sums(&p, a, 0, b, 0, row, j, 1, &one);
                        if (c_kind > 0)
                                one.f64[0] = 0.3 * one.f64[0] +
                                             -1.7 * tensor_get_f64(
                                                            c, row * (size_t)sum.c_row +
                                                                       j * (size_t)sum.c_column);
                        tensor_set_f64(plain, row * n + j, one.f64[0]);
                }
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                memset(fast->data, 0xff, fast->count * element_type_size(type));
                fast_limit(limits[i]);
                assert_int_equal(product_floats(&p, a, b, c_kind > 0 ? &sum : NULL, fast), 0);
                assert_memory_equal(fast->data, plain->data, fast->count * element_type_size(type));
        }
        fast_limit(8);
}

static void test_product(void **state) {
        static const size_t shapes[][3] = {{4, 1, 1},   {5, 3, 7}, {64, 70, 16}, {7, 300, 17},
                                           {6, 2, 300}, {4, 0, 5}, {9, 257, 8},  {66, 31, 257}};

        for (size_t i = 0; i < ELEMENTSOF(shapes); i++)
                for (int kind = 0; kind < 16; kind++)
                        check_product(kind & 1 ? ELEMENT_F64 : ELEMENT_F32, shapes[i][0],
                                      shapes[i][1], shapes[i][2], kind & 2, kind >> 2);
}

static double sigmoid(double x) {
        return 1 / (1 + exp(-x));
}

typedef struct Function {
        void (*fast)(const float *x, float *ret, size_t n);
        double (*exact)(double x);
} Function;

/* At most the last bit apart, and that seldom. */
static void check_function(const Function *f, const float *x, size_t n) {
        _cleanup_free_
        float *y = calloc(n, sizeof(*y)), *first = calloc(n, sizeof(*first));
        size_t apart = 0;

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                fast_limit(limits[i]);
                f->fast(x, y, n);
                if (i == 0)
                        memcpy(first, y, n * sizeof(*y));
                assert_memory_equal(first, y, n * sizeof(*y));
        }
        fast_limit(8);
        for (size_t i = 0; i < n; i++) {
                float exact = (float)f->exact((double)x[i]);

                if (isnan(exact)) {
                        assert_true(isnan(y[i]));
                        continue;
                }
                assert_true(signbit(exact) == signbit(y[i]));
                if (y[i] == exact)
                        continue;
                apart++;
                if (y[i] != nextafterf(exact, INFINITY) && y[i] != nextafterf(exact, -INFINITY))
                        fail_msg("f(%a) is %a, not %a", (double)x[i], (double)y[i], (double)exact);
        }
        assert_true(apart <= 1 + n / 10000);
}

static void test_functions(void **state) {
        static const Function functions[] = {
                {fast_tanh, tanh}, {fast_exp, exp}, {fast_sigmoid, sigmoid}};
        static const float edges[] = {0.0f,    -0.0f,    INFINITY,       -INFINITY, NAN,
                                      1e-45f,  -1e-45f,  1e-30f,         3e38f,     -3e38f,
                                      88.72f,  88.73f,   -87.4f,         -103.9f,   -104.1f,
                                      0x1p-8f, -0x1p-8f, 0x1.fffffep-9f, 708.5f,    -708.5f};
        static float x[100003];

        for (size_t i = 0; i < ELEMENTSOF(x); i++)
                x[i] = ldexpf(noise(i), (int)(i % 40) - 30);
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                check_function(&functions[i], x, ELEMENTSOF(x));
                for (size_t n = 1; n <= ELEMENTSOF(edges); n++)
                        check_function(&functions[i], edges, n);
        }
}

/* In place, and nothing beyond its end. */
static void test_exp_f64(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                for (size_t n = 0; n < 20; n++) {
                        double x[21];

                        for (size_t k = 0; k < ELEMENTSOF(x); k++)
                                x[k] = (double)noise(k) * 30;
                        fast_limit(limits[i]);
                        fast_exp_f64(x, n);
                        for (size_t k = 0; k < ELEMENTSOF(x); k++) {
                                double was = (double)noise(k) * 30;

                                if (k < n)
                                        assert_true(fabs(x[k] / exp(was) - 1) < 1e-12);
                                else
                                        assert_true(x[k] == was);
                        }
                }
        fast_limit(8);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_product),
                cmocka_unit_test(test_functions),
                cmocka_unit_test(test_exp_f64),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
