/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-compile MODEL -o OUT: source, object, skeleton, sheet. */
#include <errno.h>
#include <sys/stat.h>

#include "models/compiler/build.h"
#include "models/compiler/job.h"
#include "models/compiler/kernel.h"
#include "models/compiler/publish.h"
#include "models/compiler/sheet.h"
#include "models/compiler/verbs.h"

#define RUNS 5
#define REPEAT 50000

/* MODEL.json beside MODEL.onnx is often the features' file; the sheet must not take its place. */
static int refuse_to_overwrite_input(const CommandOptions *o, Error *e) {
        const char *const inputs[] = {o->model, o->weights, o->features, o->calibrate};

        for (size_t i = 0; i < PUBLISH_ENDS_MAX; i++) {
                _cleanup_free_
                char *to = NULL;
                struct stat in, out;

                if (asprintf(&to, "%s%s", o->output, publish_ends[i]) < 0)
                        return error_set(e, -ENOMEM, "out of memory");
                if (stat(to, &out) < 0)
                        continue;
                for (size_t k = 0; k < ELEMENTSOF(inputs); k++)
                        if (inputs[k] && stat(inputs[k], &in) == 0 && in.st_dev == out.st_dev &&
                            in.st_ino == out.st_ino)
                                return error_set(e, -EINVAL,
                                                 "-o %s: %s is an input and would be overwritten: "
                                                 "another name is accepted",
                                                 o->output, to);
        }
        return 0;
}

static int write_source(const Job *j, const BuildFolder *folder, Target target, Error *e) {
        FrameFields fields = {.names = (const char *const *)j->names, .packet_ids = j->packet_ids};
        char path[BUILD_PATH_MAX];
        FILE *f;
        int r;

        r = build_source(folder, j->program, target, &fields, e);
        if (r < 0 || target != TARGET_FUNC)
                return r;
        snprintf(path, sizeof(path), "%s/%s.h", folder->path, j->program->name);
        f = fopen(path, "we");
        if (!f)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        frame_print_header(f, j->program, &fields);
        return fclose(f) == 0 ? 0 : error_set(e, -EIO, "%s: cannot be written", path);
}

/* The kernel's word is welcome, not needed: objects are made for other machines, too. */
static void ask_kernel(const Job *j, SheetKernel *ret) {
        _cleanup_(kernel_model_freep)
        KernelModel *m = NULL;
        const CalibrationRows *rows = &j->calibration_rows;

        *ret = (SheetKernel){.loaded = false};
        if (kernel_model_make(j->program, &m, &ret->refusal) < 0 ||
            kernel_model_size(m, &ret->size, &ret->refusal) < 0)
                return;
        ret->loaded = true;
        if (rows->n_rows >= FRAME_ROWS)
                ret->timed = kernel_model_time(m, rows->rows, rows->n_rows, RUNS, REPEAT,
                                               &ret->time, &ret->refusal) >= 0;
}

static int write_sheet(const Job *j, const BuildFolder *folder, Target target,
                       const SheetKernel *kernel, json_object **ret, Error *e) {
        char path[BUILD_PATH_MAX];

        *ret = sheet_new(j, target, kernel);
        if (!*ret)
                return error_set(e, -ENOMEM, "out of memory");
        snprintf(path, sizeof(path), "%s/%s.json", folder->path, j->program->name);
        if (json_object_to_file_ext(path, *ret, JSON_C_TO_STRING_PRETTY) < 0)
                return error_set(e, -EIO, "%s: %s", path, json_util_get_last_err());
        return 0;
}

int verb_compile(const CommandOptions *o, Error *e) {
        _cleanup_(job_done)
        Job j = JOB_INIT;
        _cleanup_(build_folder_done)
        BuildFolder folder = {};
        _cleanup_json_ json_object *sheet = NULL;
        SheetKernel kernel = {.loaded = false};
        int r;

        r = publish_check(o->output, e);
        if (r >= 0)
                r = refuse_to_overwrite_input(o, e);
        if (r >= 0)
                r = job_compile(&j, o, e);
        if (r >= 0)
                r = build_folder_init(&folder, e);
        if (r >= 0)
                r = write_source(&j, &folder, j.target, e);
        if (r >= 0)
                r = build_object(&folder, j.program->name, /* skeleton= */ true, e);
        if (r < 0)
                return r;
        if (!o->no_kernel)
                ask_kernel(&j, &kernel);
        r = write_sheet(&j, &folder, j.target, o->no_kernel ? NULL : &kernel, &sheet, e);
        if (r >= 0)
                r = build_check_interrupted(e);
        if (r >= 0)
                r = publish(&folder, j.program->name, o->output, e);
        if (r < 0)
                return r;
        if (o->json)
                puts(json_object_to_json_string_ext(sheet, JSON_C_TO_STRING_PRETTY));
        else
                sheet_print(sheet, stdout);
        return 0;
}
