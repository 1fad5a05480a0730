/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/model.h"

/* Histories, back in their units: rows hold log1p of them. */
typedef struct View {
        float cpu;             /* s/s */
        float demand;          /* CPU time and run delay, s/s */
        float voluntary;       /* 1/s */
        float voluntary_share; /* 0..1 */
        float voluntary_burst; /* µs */
        float min_flt;         /* 1/s */
        float maj_flt;         /* 1/s */
        float block;           /* B/s */
        float iowait;          /* threads */
        float rss;             /* B */
        float growth;          /* B/s, this interval */
        bool has_tty;
} View;

typedef struct Judgement {
        LoadClass load_class;
        float confidence;
} Judgement;

static View view_of(const float *row) {
        return (View){
                .cpu = row[FEATURE_CPU_FAST],
                .demand = row[FEATURE_CPU_FAST] + row[FEATURE_DELAY_FAST],
                .voluntary = expm1f(row[FEATURE_VOLUNTARY_FAST]),
                .voluntary_share = row[FEATURE_VOLUNTARY_SHARE],
                .voluntary_burst = expm1f(row[FEATURE_VOLUNTARY_BURST_FAST]),
                .min_flt = expm1f(row[FEATURE_MIN_FLT_FAST]),
                .maj_flt = expm1f(row[FEATURE_MAJ_FLT_FAST]),
                .block = expm1f(row[FEATURE_BLOCK_FAST]),
                .iowait = expm1f(row[FEATURE_IOWAIT_FAST]),
                .rss = expm1f(row[FEATURE_RSS]),
                .growth = expm1f(row[FEATURE_RSS_GROWTH]),
                .has_tty = row[FEATURE_HAS_TTY] > 0.5f,
        };
}

/* Two thresholds: sure beyond the far one, unsure between the two. Unsure is not to be
 * acted upon: with the class that is dealt with alike it stays below both default thresholds. */
#define SURE 0.9f
#define UNSURE 0.35f
#define GUESS 0.3f

static float surer(bool sure) {
        return sure ? SURE : UNSURE;
}

/*
 * The questions run from the scarcest evidence to the most common: a process that waits for storage
 * or lives on page faults also burns CPU and sleeps, so these come before batch and the sleepers.
 */
static Judgement judge(const View *v) {
        float fault_cost = v->min_flt * 1e-6f; /* s/s: about 1 µs of kernel time a minor fault */

        /* Below a thousandth of a CPU nobody can tell what it is, and nobody needs to. */
        if (v->demand < 0.001f && v->block < 64 * 1024.0f && v->iowait < 0.1f && v->maj_flt < 1.0f)
                return (Judgement){CLASS_IDLE, surer(v->demand < 0.0003f && v->voluntary < 20.0f)};

        /* Reclaim brings pages in again (major faults); allocation touches new ones. 2,000 minor
         * faults per CPU second is what compilers do; memory hogs do tens of thousands. */
        if (v->maj_flt > 50.0f && v->rss > 64e6f)
                return (Judgement){CLASS_MEMORY, surer(v->maj_flt > 200.0f)};
        if (fault_cost > 0.02f && v->min_flt > 20000.0f * v->cpu)
                return (Judgement){CLASS_MEMORY, surer(fault_cost > 0.05f)};
        if (v->growth > 64e6f && v->rss > 128e6f)
                return (Judgement){CLASS_MEMORY, surer(v->growth > 256e6f)};

        if (v->iowait > 0.2f && v->block > 256 * 1024.0f)
                return (Judgement){CLASS_IO, surer(v->iowait > 0.5f || v->cpu < 0.5f)};
        if (v->block > 4e6f && v->block > 20e6f * v->cpu)
                return (Judgement){CLASS_IO, surer(v->block > 20e6f)};

        /* Long bursts, or pushed off the CPU rather than leaving it. */
        if (v->demand > 0.3f && v->voluntary_burst > 20e3f)
                return (Judgement){CLASS_BATCH,
                                   surer(v->demand > 0.6f && v->voluntary_share < 0.5f)};
        if (v->demand > 0.5f && v->voluntary_burst > 5e3f && v->voluntary_share < 0.5f)
                return (Judgement){CLASS_BATCH, surer(v->demand > 0.8f)};

        /* Short bursts. People type and look at most some hundred times a second; sockets wake
         * more often, and servers have no terminal. */
        if (v->has_tty && v->voluntary < 200.0f && v->cpu < 0.5f)
                return (Judgement){CLASS_INTERACTIVE, surer(v->voluntary_burst < 10e3f)};
        if (v->voluntary > 200.0f && v->voluntary_burst < 5e3f)
                return (Judgement){CLASS_SERVER, surer(!v->has_tty)};
        if (v->voluntary_burst < 20e3f && v->voluntary > 5.0f)
                return v->voluntary < 60.0f ? (Judgement){CLASS_INTERACTIVE, GUESS}
                                            : (Judgement){CLASS_SERVER, UNSURE};
        return v->demand > 0.2f ? (Judgement){CLASS_BATCH, GUESS} : (Judgement){CLASS_IDLE, GUESS};
}

static void rules_predict(_unused_ Model *m, const float *rows, size_t n, Prediction *ret) {
        for (size_t i = 0; i < n; i++) {
                View view = view_of(rows + i * FEATURE_COUNT);
                Judgement judgement = judge(&view);
                float rest = (1.0f - judgement.confidence) / (_CLASS_COUNT - 1);

                for (int c = 0; c < _CLASS_COUNT; c++)
                        ret[i].probability[c] = c == (int)judgement.load_class
                                                        ? judgement.confidence
                                                        : rest;
        }
}

static void rules_free(Model *m) {
        free(m);
}

int rules_model_new(Model **ret) {
        static const ModelVTable vtable = {.predict = rules_predict, .free = rules_free};
        Model *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        m->vtable = &vtable;
        snprintf(m->name, sizeof(m->name), "rules");
        *ret = m;
        return 0;
}
