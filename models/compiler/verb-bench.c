/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-compile bench: what one inference costs in the running kernel. */
#include <errno.h>

#include "models/compiler/job.h"
#include "models/compiler/kernel.h"
#include "models/compiler/sheet.h"
#include "models/compiler/verbs.h"

#define REPEAT 200000

static void print(const Job *j, const KernelTime *t, const KernelSize *s) {
        printf("%s (%s): %.0f ns per inference on rows in random order\n", j->program->name,
               j->program->trees_only ? "exact" : precision_name(j->program->precision), t->run);
        printf("  %.0f ns above an empty program, which takes %.0f; medians of %zu runs of %d "
               "each\n",
               t->gross, t->empty, t->runs, REPEAT);
        printf("  %u instructions verified, %u in the program, %u bytes compiled\n", s->verified,
               s->instructions, s->jit_bytes);
}

static int print_json(const Job *j, const KernelTime *t, const KernelSize *s, Error *e) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o)
                return error_set(e, -ENOMEM, "out of memory");
        sheet_set(o, "name", json_object_new_string(j->program->name));
        sheet_set(o, "ns_per_inference", sheet_number(t->run));
        sheet_set(o, "ns_above_empty", sheet_number(t->gross));
        sheet_set(o, "ns_empty", sheet_number(t->empty));
        sheet_set(o, "runs", json_object_new_int64((int64_t)t->runs));
        sheet_set(o, "inferences_per_run", json_object_new_int64(REPEAT));
        sheet_set(o, "verified_instructions", json_object_new_int64(s->verified));
        sheet_set(o, "instructions", json_object_new_int64(s->instructions));
        sheet_set(o, "jit_bytes", json_object_new_int64(s->jit_bytes));
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
        return 0;
}

int verb_bench(const CommandOptions *o, Error *e) {
        _cleanup_(job_done)
        Job j = JOB_INIT;
        _cleanup_(kernel_model_freep)
        KernelModel *m = NULL;
        KernelSize size;
        KernelTime time;
        int r;

        r = job_compile(&j, o, e);
        if (r < 0)
                return r;
        if (j.rows.n_rows < 1000)
                return error_set(
                        e, -EINVAL,
                        "%s: %zu rows: fewer than 1000 flatter caches and branch predictor",
                        o->rows, j.rows.n_rows);
        r = kernel_model_make(j.program, &m, e);
        if (r >= 0)
                r = kernel_model_size(m, &size, e);
        if (r >= 0)
                r = kernel_model_time(m, j.rows.rows, j.rows.n_rows, o->runs, REPEAT, &time, e);
        if (r < 0)
                return r;
        if (o->json)
                return print_json(&j, &time, &size, e);
        print(&j, &time, &size);
        return 0;
}
