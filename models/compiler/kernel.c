/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "models/compiler/build.h"

#define RUNS_MAX 99

enum { PROGRAM_ROWS, PROGRAM_BENCH, PROGRAM_IDLE, PROGRAM_EMPTY, _PROGRAMS };
static const char *const suffixes[_PROGRAMS] = {"rows", "bench", "idle", "empty"};

struct KernelModel {
        const Program *p;
        struct bpf_object *object;
        int fd[_PROGRAMS]; /* owned by the object */
        int rows;
};

/* ---- what libbpf says ---- */

static char complaint[512]; /* the first line, and the verifier's last */

static void keep_complaint(const char *text) {
        const char *log = strstr(text, "-- BEGIN PROG LOAD LOG --");

        if (!complaint[0])
                snprintf(complaint, sizeof(complaint), "%.*s", (int)strcspn(text, "\n"), text);
        if (!log)
                return;
        /* The verifier's verdict is the line before the counts at its end. */
        const char *end = strstr(log, "\nprocessed "), *from = end;

        if (!end)
                return;
        while (from > log && from[-1] != '\n')
                from--;
        snprintf(complaint, sizeof(complaint), "%.*s", (int)(end - from), from);
}

_printf_(2, 0) static int on_libbpf(enum libbpf_print_level level, const char *format, va_list ap) {
        char *text = NULL;

        if (level != LIBBPF_WARN || vasprintf(&text, format, ap) < 0)
                return 0;
        keep_complaint(text);
        free(text);
        return 0;
}

static int refuse(int r, const char *what, Error *e) {
        if (r == -EPERM)
                return error_set(e, r,
                                 "%s: no right to load BPF programs (CAP_BPF, CAP_PERFMON and "
                                 "CAP_NET_ADMIN)",
                                 what);
        return error_set(e, r, "%s: %s%s%s", what, strerror(-r), complaint[0] ? ": " : "",
                         complaint);
}

/* ---- loading ---- */

KernelModel *kernel_model_free(KernelModel *m) {
        if (!m)
                return NULL;
        bpf_object__close(m->object);
        free(m);
        return NULL;
}

static int find_parts(KernelModel *m, Error *e) {
        char name[96];
        const struct bpf_map *map;

        for (int i = 0; i < _PROGRAMS; i++) {
                const struct bpf_program *program;

                snprintf(name, sizeof(name), "%s_%s", m->p->name, suffixes[i]);
                program = bpf_object__find_program_by_name(m->object, name);
                if (!program)
                        return error_set(e, -EINVAL, "object without program %s", name);
                m->fd[i] = bpf_program__fd(program);
        }
        snprintf(name, sizeof(name), "%s_row_map", m->p->name);
        map = bpf_object__find_map_by_name(m->object, name);
        if (!map)
                return error_set(e, -EINVAL, "object without map %s", name);
        m->rows = bpf_map__fd(map);
        return 0;
}

int kernel_model_load(const char *object, const Program *p, KernelModel **ret, Error *e) {
        _cleanup_(kernel_model_freep)
        KernelModel *m = calloc(1, sizeof(*m));
        libbpf_print_fn_t before;
        int r;

        if (!m)
                return -ENOMEM;
        m->p = p;
        complaint[0] = '\0';
        before = libbpf_set_print(on_libbpf);
        m->object = bpf_object__open_file(object, NULL);
        r = m->object ? bpf_object__load(m->object) : -errno;
        libbpf_set_print(before);
        if (r < 0)
                return refuse(r, object, e);
        r = find_parts(m, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int kernel_model_make(const Program *p, KernelModel **ret, Error *e) {
        _cleanup_(build_folder_done)
        BuildFolder folder = {};
        char path[BUILD_PATH_MAX];
        int r;

        r = build_folder_init(&folder, e);
        if (r >= 0)
                r = build_source(&folder, p, TARGET_ROWS, NULL, e);
        if (r >= 0)
                r = build_object(&folder, p->name, /* skeleton= */ false, e);
        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "%s/%s.bpf.o", folder.path, p->name);
        return kernel_model_load(path, p, ret, e);
}

static int size_of(int fd, KernelSize *ret) {
        struct bpf_prog_info info = {};
        uint32_t length = sizeof(info);

        if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
                return -errno;
        *ret = (KernelSize){
                .verified = info.verified_insns,
                .instructions = info.xlated_prog_len / 8,
                .jit_bytes = info.jited_prog_len,
        };
        return 0;
}

int kernel_model_size(const KernelModel *m, KernelSize *ret, Error *e) {
        KernelSize with, without;
        int r = size_of(m->fd[PROGRAM_BENCH], &with);

        if (r >= 0)
                r = size_of(m->fd[PROGRAM_IDLE], &without);
        if (r < 0)
                return error_set(e, r, "what the kernel says of the program: %s", strerror(-r));
        *ret = (KernelSize){
                .verified = with.verified - without.verified,
                .instructions = with.instructions - without.instructions,
                .jit_bytes = with.jit_bytes - without.jit_bytes,
                .has_types = bpf_object__btf_fd(m->object) >= 0,
        };
        return 0;
}

/* ---- running ---- */

int kernel_model_run(const KernelModel *m, const uint32_t *raw, int64_t *ret_decision,
                     int32_t *ret_outputs, Error *e) {
        /* As struct NAME_packet of frame.c. */
        uint32_t packet[PROGRAM_FIELDS_MAX + 1 + PROGRAM_OUTPUTS_MAX + 4] = {};
        size_t fields = m->p->n_fields, outputs = m->p->n_outputs;
        struct bpf_test_run_opts options = {
                .sz = sizeof(options), .data_in = packet, .data_out = packet, .repeat = 1};

        memcpy(packet, raw, fields * sizeof(*raw));
        options.data_size_in = options.data_size_out = (uint32_t)((fields + 1 + outputs + 4) *
                                                                  sizeof(*packet));
        if (bpf_prog_test_run_opts(m->fd[PROGRAM_ROWS], &options) < 0)
                return error_set(e, -errno, "BPF_PROG_TEST_RUN: %s", strerror(errno));
        if (options.retval != 2 /* XDP_PASS */)
                return error_set(e, -EIO, "the program gave up with %u", options.retval);
        *ret_decision = packet[fields];
        memcpy(ret_outputs, packet + fields + 1, outputs * sizeof(*ret_outputs));
        return 0;
}

static int fill_rows(const KernelModel *m, const uint32_t *rows, size_t n_rows, Error *e) {
        for (uint32_t i = 0; i < FRAME_ROWS; i++)
                if (bpf_map_update_elem(m->rows, &i, rows + (i % n_rows) * m->p->n_fields,
                                        BPF_ANY) < 0)
                        return error_set(e, -errno, "row %u: %s", i, strerror(errno));
        return 0;
}

static int time_one(int fd, uint32_t repeat, double *ret, Error *e) {
        char packet[64] = {};
        struct bpf_test_run_opts options = {.sz = sizeof(options),
                                            .data_in = packet,
                                            .data_size_in = sizeof(packet),
                                            .repeat = (int)repeat};

        if (bpf_prog_test_run_opts(fd, &options) < 0)
                return error_set(e, -errno, "BPF_PROG_TEST_RUN: %s", strerror(errno));
        if (options.retval != 2 /* XDP_PASS */)
                return error_set(e, -EIO, "the program gave up with %u", options.retval);
        *ret = options.duration;
        return 0;
}

static int compare_doubles(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static double median(double *x, size_t n) {
        qsort(x, n, sizeof(*x), compare_doubles);
        return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

int kernel_model_time(const KernelModel *m, const uint32_t *rows, size_t n_rows, size_t runs,
                      uint32_t repeat, KernelTime *ret, Error *e) {
        double run[RUNS_MAX], gross[RUNS_MAX], empty[RUNS_MAX];
        int r = fill_rows(m, rows, n_rows, e);

        runs = CLAMP(runs, (size_t)1, (size_t)RUNS_MAX);
        /* In turn, so that whatever else the machine does falls on all three. */
        for (size_t i = 0; i < runs && r >= 0; i++) {
                double with = 0, without = 0;

                r = time_one(m->fd[PROGRAM_EMPTY], repeat, &empty[i], e);
                if (r >= 0)
                        r = time_one(m->fd[PROGRAM_IDLE], repeat, &without, e);
                if (r >= 0)
                        r = time_one(m->fd[PROGRAM_BENCH], repeat, &with, e);
                run[i] = with - without;
                gross[i] = with - empty[i];
        }
        if (r < 0)
                return r;
        *ret = (KernelTime){
                .run = median(run, runs),
                .gross = median(gross, runs),
                .empty = median(empty, runs),
                .runs = runs,
        };
        return 0;
}
