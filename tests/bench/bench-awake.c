/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Milliseconds for 1,000 processes that are all awake, made up: the model alone, and a whole tick
 * but for reading and acting (features, model, contention, decisions), where every rate moves,
 * where none does, and where all are asked about whatever moves. Medians, in turn in one run.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/pipeline.h"
#include "models/manifest.h"
#include "tests/bench/bench.h"

#define PROCS ((size_t)1000)
#define ROUNDS 41
#define WARM 12 /* looks until the beginnings are over, in seconds */

typedef enum Way { WAY_MOVING, WAY_STEADY, WAY_ALL, _WAY_COUNT } Way;

typedef struct Bench {
        Pipeline *pipeline;
        Sample sample;
        size_t n_inferred;
        double ms[ROUNDS];
} Bench;

static double now_ms(void) {
        return (double)usec_now(CLOCK_MONOTONIC) / 1e3;
}

static void advance(Bench *b, bool moving) {
        static uint32_t seed = 1;

        b->sample.at += USEC_PER_SEC;
        for (size_t i = 0; i < PROCS; i++) {
                ProcSample *s = &b->sample.procs[i];
                uint64_t k;

                seed = seed * 1664525U + 1013904223U;
                k = moving ? 1 + (seed >> 24) % 64 : 16;
                s->exec_ns += k * 100000;
                s->delay_ns += k * 1000;
                s->timeslices += k * 2;
                s->nvcsw += k * 2;
                s->min_flt += k;
                s->rchar += k * 4096;
                s->syscr += k;
        }
}

static int tick(Bench *b) {
        static const Ident ident = {.exe = "/usr/bin/x", .cgroup = "/x"};
        const Decision *decisions;
        const pid_t *wanted;
        size_t n;
        int r;

        r = pipeline_observe(b->pipeline, &b->sample, &wanted, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                pipeline_set_ident(b->pipeline, wanted[i], &ident);
        return r < 0 ? r : pipeline_decide(b->pipeline, &decisions, &n);
}

static int begin(Bench *b, Model *model, bool all) {
        Policy policy = POLICY_INIT;
        int r;

        r = policy_init_default(&policy);
        if (r < 0)
                return r;
        if (all)
                policy.thresholds.infer_change = 0;
        r = pipeline_new(&policy, model, /* self= */ 1, &b->pipeline);
        policy_done(&policy);
        b->sample = (Sample){.n_cpus = 2, .at = 1000 * USEC_PER_SEC, .n_procs = PROCS};
        b->sample.procs = calloc(PROCS, sizeof(ProcSample));
        for (size_t i = 0; b->sample.procs && i < PROCS; i++) {
                ProcSample *s = &b->sample.procs[i];

                s->pid = (pid_t)(100 + i);
                s->ppid = 1;
                s->valid = SAMPLE_ALL;
                s->n_threads = 1;
                s->cpus_allowed = 3;
                s->rss_bytes = (i + 1) << 16;
                (void)snprintf(s->comm, sizeof(s->comm), "p%zu", i);
        }
        return b->sample.procs ? r : -ENOMEM;
}

static int measure(Bench *benches) {
        for (int round = -WARM; round < ROUNDS; round++)
                for (int way = 0; way < _WAY_COUNT; way++) {
                        Bench *b = &benches[way];
                        PipelineStatus status;
                        double before;

                        advance(b, way != WAY_STEADY);
                        before = now_ms();
                        if (tick(b) < 0)
                                return -EIO;
                        if (round < 0)
                                continue;
                        b->ms[round] = now_ms() - before;
                        pipeline_get_status(b->pipeline, &status);
                        b->n_inferred += status.n_inferred;
                }
        return 0;
}

static double measure_model(Model *model) {
        static float rows[PROCS * FEATURE_COUNT];
        static Prediction predictions[PROCS];
        double ms[ROUNDS];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                rows[i] = (float)(i % 97) / 97;
        for (int round = -1; round < ROUNDS; round++) {
                double before = now_ms();

                for (int k = 0; k < 10; k++)
                        model_predict(model, rows, PROCS, predictions);
                if (round >= 0)
                        ms[round] = (now_ms() - before) / 10;
        }
        qsort(ms, ROUNDS, sizeof(double), bench_compare);
        return ms[ROUNDS / 2];
}

int main(void) {
        static const char *const names[_WAY_COUNT] = {"every rate moves", "no rate moves",
                                                      "all are asked about"};
        static Bench benches[_WAY_COUNT];
        const char *dir = getenv("AIKM_MODEL_DIR");
        _cleanup_(model_freep)
        Model *model = NULL;
        Error e = ERROR_INIT;
        char manifest[4096];
        int r = 0;

        snprintf(manifest, sizeof(manifest), "%s/default.json", dir ? dir : AIKM_MODEL_DIR);
        if (manifest_load_model(manifest, &model, &e) < 0) {
                printf("by the rules: %s\n", e.text);
                r = rules_model_new(&model);
        }
        for (int way = 0; way < _WAY_COUNT && r >= 0; way++)
                r = begin(&benches[way], model, way == WAY_ALL);
        if (r >= 0)
                r = measure(benches);
        if (r >= 0)
                printf("%zu processes awake: the model alone %.3f ms\n", PROCS,
                       measure_model(model));
        for (int way = 0; way < _WAY_COUNT; way++) {
                Bench *b = &benches[way];

                qsort(b->ms, ROUNDS, sizeof(double), bench_compare);
                if (r >= 0)
                        printf("%-20s a tick without reading and acting %.3f ms, %zu put to the "
                               "model\n",
                               names[way], b->ms[ROUNDS / 2], b->n_inferred / ROUNDS);
                pipeline_free(b->pipeline);
                free(b->sample.procs);
        }
        return r < 0;
}
