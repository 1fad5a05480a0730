/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/mman.h>

#include "models/darknet/predict.h"

#include "models/darknet/command.h"
#include "models/darknet/glue.h"
#include "models/darknet/worker.h"
#include "models/import-darknet.h"

typedef struct Job {
        char cfg_path[MEMORY_FILE_PATH_MAX];
        char weights_path[MEMORY_FILE_PATH_MAX];
        const float *x;
        size_t n;
        float *out; /* shared with the parent */
} Job;

static int work(int report_fd, void *userdata) {
        const Job *j = userdata;

        return glue_predict(j->cfg_path, j->weights_path, j->x, j->n, FEATURE_COUNT, _CLASS_COUNT,
                            j->out);
}

static int check(const char *cfg, size_t cfg_size, const void *weights, size_t weights_size,
                 Error *e) {
        _cleanup_(engine_freep)
        Engine *engine = NULL;
        int r = import_darknet(cfg, cfg_size, weights, weights_size, &engine, e);

        if (r < 0)
                return r;
        if (engine_inputs(engine) != FEATURE_COUNT || engine_outputs(engine) != _CLASS_COUNT)
                return error_set(e, -EINVAL,
                                 "the network has %zu inputs and %zu outputs, expected %d and %d",
                                 engine_inputs(engine), engine_outputs(engine), FEATURE_COUNT,
                                 _CLASS_COUNT);
        return 0;
}

int predict_rows(const char *cfg, size_t cfg_size, const void *weights, size_t weights_size,
                 const float *x, size_t n, float *out, Error *e) {
        _cleanup_close_
        int cfg_fd = -EBADF, weights_fd = -EBADF;
        size_t size = n * _CLASS_COUNT * sizeof(float);
        Job job = {.x = x, .n = n};
        int r;

        r = check(cfg, cfg_size, weights, weights_size, e);
        if (r < 0)
                return r;
        cfg_fd = memory_file_new("cfg", cfg, cfg_size, job.cfg_path);
        weights_fd = memory_file_new("weights", weights, weights_size, job.weights_path);
        if (cfg_fd < 0 || weights_fd < 0)
                return cfg_fd < 0 ? cfg_fd : weights_fd;
        job.out = mmap(NULL, MAX(size, (size_t)1), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (job.out == MAP_FAILED)
                return -errno;
        r = worker_run(work, &job,
                       &(WorkerOptions){.fds = (const int[]){cfg_fd, weights_fd},
                                        .n_fds = 2,
                                        .cpu_seconds = 300,
                                        .memory = (size_t)1 << 30},
                       e);
        if (r >= 0)
                memcpy(out, job.out, size);
        else
                (void)error_set(e, r, "darknet could not run the network: %s", strerror(-r));
        (void)munmap(job.out, MAX(size, (size_t)1));
        return r;
}
