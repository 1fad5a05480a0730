/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A machine that exists on paper only: a server that waits behind six hogs on two CPUs, sleepers
 * around them, and a pipeline run over it and recorded as the daemon does. The same seconds give
 * the same bytes.
 */

#include <errno.h>

#include "daemon/pipeline.h"
#include "daemon/recording.h"

#define SYNTHETIC_SELF 77
#define SYNTHETIC_SERVER 100
#define SYNTHETIC_HOG 201
#define SYNTHETIC_HOGS 6
#define SYNTHETIC_SLEEPERS 20

static inline ProcSample *synthetic_proc(Sample *s, pid_t pid, const char *comm) {
        ProcSample *p = sample_add(s);

        if (!p)
                return NULL;
        p->pid = pid;
        p->ppid = 1;
        p->sid = 50;
        p->uid = 1000;
        p->start = 1000 + (uint64_t)pid;
        p->valid = SAMPLE_ALL;
        p->n_threads = 1;
        snprintf(p->comm, sizeof(p->comm), "%s", comm);
        p->group_kind = SCHED_GROUP_AUTOGROUP;
        p->group_id = 17;
        p->cgroup_id = 1;
        p->cpus_allowed = 3;
        p->rss_bytes = UINT64_C(8) << 20;
        return p;
}

/* The machine after so many seconds. Returns 0 or -ENOMEM. */
static inline int synthetic_sample(Sample *s, uint64_t second) {
        bool contended = second < 14 || second > 30;
        ProcSample *p;

        sample_clear(s);
        s->at = (100 + second) * USEC_PER_SEC;
        s->source = SAMPLE_SOURCE_BPF;
        s->n_cpus = 2;
        p = synthetic_proc(s, SYNTHETIC_SERVER, "server");
        if (!p)
                return -ENOMEM;
        p->exec_ns = second * 60000000;
        p->delay_ns = second * 300000000;
        p->timeslices = second * 400;
        p->nvcsw = second * 390;
        p->nivcsw = second * 10;
        p->rchar = second * 100000;
        p->wchar = second * 200000;
        p->syscr = second * 400;
        p->syscw = second * 400;
        p->util_avg = 60;
        for (int i = 0; contended && i < SYNTHETIC_HOGS; i++) {
                p = synthetic_proc(s, SYNTHETIC_HOG + i, "hog");
                if (!p)
                        return -ENOMEM;
                p->exec_ns = second * 320000000;
                p->delay_ns = second * 670000000;
                p->timeslices = second * 80;
                p->nivcsw = second * 80;
                p->util_avg = 330;
        }
        for (int i = 0; i < SYNTHETIC_SLEEPERS; i++)
                if (!synthetic_proc(s, 300 + i, "sleeper"))
                        return -ENOMEM;
        sample_sort(s);
        return 0;
}

/* One tick as the daemon does it. Returns the number of decisions, or -errno. */
static inline int synthetic_tick(Pipeline *p, Recording *r, const Sample *s) {
        const Decision *decisions;
        const pid_t *wanted;
        size_t n;
        int k;

        k = recording_write_sample(r, s);
        if (k < 0)
                return k;
        k = pipeline_observe(p, s, &wanted, &n);
        if (k < 0)
                return k;
        for (size_t i = 0; i < n; i++) {
                Ident ident = {.exe = "/usr/bin/x", .cgroup = "/user.slice", .unit = ""};

                k = recording_write_ident(r, wanted[i], wanted[i] % 5 ? &ident : NULL);
                if (k < 0)
                        return k;
                pipeline_set_ident(p, wanted[i], wanted[i] % 5 ? &ident : NULL);
        }
        k = pipeline_decide(p, &decisions, &n);
        if (k < 0)
                return k;
        k = recording_write_decisions(r, decisions, n);
        for (size_t i = 0; k >= 0 && i < n; i++) {
                Decision d = decisions[i];
                Outcome outcome = d.pid == SYNTHETIC_HOG + 3 ? OUTCOME_FOREIGN : OUTCOME_DONE;

                k = recording_write_feedback(r, &d, outcome);
                if (k >= 0)
                        pipeline_feedback(p, &d, outcome);
        }
        return k < 0 ? k : (int)n;
}
