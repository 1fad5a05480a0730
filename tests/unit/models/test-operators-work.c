/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator-case.h"

/* Operators that do more than one pass over their tensors say so beforehand: a model that would
 * take for ever is refused. */

#define Z4 " 0 0 0 0"
#define Z8 Z4 Z4
#define Z16 Z8 Z8

typedef struct WorkCase {
        Case c;
        uint64_t work; /* multiply-accumulates or comparisons, at least */
} WorkCase;

static const WorkCase cases[] = {
        {{"MatMul", 13, NULL, {"float32[4,4]" Z16, "float32[4,4]" Z16}}, 64},
        {{"MatMul", 13, NULL, {"float32[2,2,4]" Z16, "float32[4,4]" Z16}}, 64},
        {{"Gemm", 13, NULL, {"float32[4,4]" Z16, "float32[4,4]" Z16}}, 64},
        {{"MatMulInteger", 10, NULL, {"int8[4,4]" Z16, "int8[4,4]" Z16}}, 64},
        {{"Conv", 11, NULL, {"float32[1,2,8]" Z16, "float32[2,2,4]" Z16}}, 80},
        {{"ConvInteger", 10, NULL, {"uint8[1,2,8]" Z16, "uint8[2,2,4]" Z16}}, 80},
        {{"MaxPool", 12, "kernel_shape=[4]", {"float32[1,2,8]" Z16}}, 40},
        {{"AveragePool", 11, "kernel_shape=[4]", {"float32[1,2,8]" Z16}}, 40},
        {{"Softmax", 13, NULL, {"float32[4,4]" Z16}}, 32},
};

/* Returns what graph_run() returns. */
static int run(Graph *g, Tensor *const *in, size_t n_in, uint64_t work, uint64_t *ret_elements,
               Error *e) {
        _cleanup_(tensor_freep)
        Tensor *out = NULL;
        int r;

        g->work_max = work;
        r = graph_run(g, (const Tensor *const *)in, n_in, &out, e);
        if (r == 0) {
                *ret_elements = out->count;
                for (size_t i = 0; i < n_in; i++)
                        *ret_elements += in[i]->count;
        }
        return r;
}

static void test_work(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Tensor *in[ELEMENTSOF(cases[i].c.in)] = {};
                size_t n_in, n_out;
                _cleanup_(graph_freep)
                Graph *g = case_graph(&cases[i].c, in, &n_in, &n_out);
                uint64_t elements = 0;
                Error e = ERROR_INIT;

                assert_int_equal(graph_finish(g, &e), 0);
                assert_int_equal(run(g, in, n_in, 0, &elements, &e), 0);
                if (run(g, in, n_in, cases[i].work + elements - 1, &elements, &e) != -EFBIG)
                        fail_msg("%s does more than it says", cases[i].c.op);
                assert_non_null(strstr(e.text, "more work than one run may take"));
                e = ERROR_INIT;
                assert_int_equal(run(g, in, n_in, 10 * cases[i].work, &elements, &e), 0);
                for (size_t k = 0; k < n_in; k++)
                        tensor_free(in[k]);
        }
}

/* 2^36 steps on tensors that are well within bounds: refused at once, not after a minute. */
static void test_matrix(void **state) {
        const Operator *op = operator_find(DOMAIN_ONNX, "MatMulInteger");
        _cleanup_(graph_freep)
        Graph *g = calloc(1, sizeof(*g));
        _cleanup_(tensor_freep)
        Tensor *a = NULL, *y = NULL;
        Error e = ERROR_INIT;

        assert_non_null(g);
        assert_int_equal(tensor_new(ELEMENT_I8, 2, (int64_t[]){4096, 4096}, &a), 0);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(graph_add_value(g, "v"), i);
        assert_non_null(op);
        assert_true(graph_add_input(g, 0, ELEMENT_I8, GRAPH_RANK_ANY, NULL) >= 0);
        assert_true(graph_add_node(g, op, "n", 10, 2, (size_t[]){0, 0}, 1, (size_t[]){1}) >= 0);
        assert_int_equal(graph_add_output(g, 1), 0);
        assert_int_equal(graph_finish(g, &e), 0);
        assert_int_equal(graph_run(g, (const Tensor *const[]){a}, 1, &y, &e), -EFBIG);
        assert_non_null(strstr(e.text, "more work"));
}

/* And what is no more than it may take runs. */
static void test_small(void **state) {
        static const Case one[] = {
                {"MatMul", 13, NULL, {"float32[1,1] 2", "float32[1,1] 3"}, {"float32[1,1] 6"}}};

        check_cases(one, ELEMENTSOF(one));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_work),
                cmocka_unit_test(test_matrix),
                cmocka_unit_test(test_small),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
