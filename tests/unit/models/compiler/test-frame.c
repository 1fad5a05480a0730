/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "models/compiler/frame.h"
#include "tests/unit/models/compiler/random-program.h"

static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
static const char *const ids[] = {"TCP_SYN",     "IP_LENGTH", "SOURCE_PACKETS",
                                  "SOURCE_SYNS", "PROTOCOL",  "LOW_PORT"};

/* The file's text, the caller's to free. */
static char *print(const Program *p, Target t, const FrameFields *fields, int wanted, Error *e) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        assert_non_null(f);
        r = frame_print(f, p, t, fields, e);
        fclose(f);
        if (r != wanted)
                fail_msg("%s: %d, not %d: %s", target_name(t), r, wanted, e->text);
        return text;
}

static void need(const char *text, const char *part) {
        if (!strstr(text, part))
                fail_msg("no '%s'", part);
}

static void test_names(void **state) {
        for (int t = 0; t < _TARGET_COUNT; t++)
                assert_int_equal(target_from_name(target_name((Target)t)), t);
        assert_int_equal(target_from_name("kprobe"), -EINVAL);
}

static void test_rows(void **state) {
        _cleanup_(program_freep)
        Program *p = random_program("frame", RANDOM_MLP, PRECISION_INT8, 3);
        Error e = ERROR_INIT;
        _cleanup_free_
        char *text = print(p, TARGET_ROWS, NULL, 0, &e);

        need(text, "int frame_rows(struct xdp_md *ctx)");
        need(text, "int frame_bench(struct xdp_md *ctx)");
        need(text, "int frame_idle(struct xdp_md *ctx)");
        need(text, "#define frame_FIELDS 6\n");
        assert_null(strchr(text, '@')); /* all names are filled in */
}

static void test_func(void **state) {
        _cleanup_(program_freep)
        Program *p = random_program("frame", RANDOM_MLP, PRECISION_INT8, 3);
        FrameFields fields = {.names = names};
        Error e = ERROR_INIT;
        _cleanup_free_
        char *text = print(p, TARGET_FUNC, &fields, 0, &e);
        _cleanup_free_
        char *header = NULL;
        size_t size;
        FILE *f = open_memstream(&header, &size);

        need(text, "struct frame_fields {\n\t__u32 a;\n\t__u32 b;\n");
        need(text, "__noinline int frame(const struct frame_fields *fields)");
        assert_non_null(f);
        frame_print_header(f, p, &fields);
        fclose(f);
        need(header, "\t__u32 f;\n};\n");
        need(header, "int frame(const struct frame_fields *fields);");
        need(header, "__s32 output[2];");
}

static void test_filter(void **state) {
        _cleanup_(program_freep)
        Program *p = random_program("frame", RANDOM_MLP, PRECISION_INT8, 3);
        FrameFields fields = {.names = names, .packet_ids = ids};
        Error e = ERROR_INIT;
        _cleanup_free_
        char *xdp = print(p, TARGET_XDP, &fields, 0, &e);
        _cleanup_free_
        char *tc = print(p, TARGET_TC, &fields, 0, &e);
        _cleanup_free_
        char *none = NULL;
        _cleanup_free_
        char *value = NULL;

        need(xdp, "#define FILTER_FIELDS(X) X(TCP_SYN) X(IP_LENGTH) X(SOURCE_PACKETS)");
        need(xdp, "#define FILTER_RUN frame_run\n");
        need(xdp, "#include \"collectors/bpf/filter-shell.h\"\n");
        assert_null(strstr(xdp, "FILTER_TC"));
        need(tc, "#define FILTER_TC\n");
        fields.packet_ids = NULL;
        none = print(p, TARGET_XDP, &fields, -EINVAL, &e);
        need(e.text, "packet fields");
        /* A number is no class. */
        fields.packet_ids = ids;
        p->decision = DECISION_VALUE;
        e = ERROR_INIT;
        value = print(p, TARGET_XDP, &fields, -EINVAL, &e);
        need(e.text, "needs a decision");
}

static void test_bad_tree(void **state) {
        _cleanup_(program_freep)
        Program *p = random_program("frame", RANDOM_TREE, PRECISION_INT8, 3);
        Tree *t = &p->steps[0].trees[0];
        Error e = ERROR_INIT;
        _cleanup_free_
        char *text = NULL;

        /* A child that has another parent, too. */
        t->nodes[2].yes = t->nodes[1].yes;
        text = print(p, TARGET_ROWS, NULL, -EINVAL, &e);
        need(e.text, "program frame cannot be printed");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),    cmocka_unit_test(test_rows),
                cmocka_unit_test(test_func),     cmocka_unit_test(test_filter),
                cmocka_unit_test(test_bad_tree),
        };

        return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
