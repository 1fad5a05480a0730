/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/darknet/progress.h"

void progress_begin(Progress *p, bool json, double epoch_batches) {
        *p = (Progress){
                .json = json,
                .terminal = isatty(STDERR_FILENO),
                .begin = usec_now(CLOCK_MONOTONIC),
                .epoch_batches = epoch_batches,
        };
}

static void report_json(const Progress *p, const GlueProgress *g, double left) {
        printf("{\"epoch\": %.3f, \"epochs\": %.3f, \"batch\": %u, \"batches\": %u, \"loss\": %.6f",
               g->batch / p->epoch_batches, g->batches / p->epoch_batches, g->batch, g->batches,
               (double)g->loss);
        if (g->f1 >= 0)
                printf(", \"macro_f1\": %.6f, \"best_macro_f1\": %.6f, \"best_batch\": %u",
                       (double)g->f1, (double)g->best_f1, g->best_batch);
        printf(", \"seconds_left\": %.1f, \"stopped\": %s}\n", left, g->stopped ? "true" : "false");
        fflush(stdout);
}

static void report_text(const Progress *p, const GlueProgress *g, double left) {
        fprintf(stderr, "%sepoch %.1f of %.1f, loss %.4f", p->terminal ? "\r\033[K" : "",
                g->batch / p->epoch_batches, g->batches / p->epoch_batches, (double)g->loss);
        if (g->f1 >= 0)
                fprintf(stderr, ", validation macro-F1 %.3f (best %.3f at %.1f)", (double)g->f1,
                        (double)g->best_f1, g->best_batch / p->epoch_batches);
        if (g->stopped)
                fputs(", no better for long: stopped", stderr);
        else if (g->batch < g->batches)
                fprintf(stderr, ", %.0f s left", left);
        if (!p->terminal || g->stopped || g->batch == g->batches)
                fputc('\n', stderr);
}

void progress_report(Progress *p, const GlueProgress *now) {
        double passed = (double)(usec_now(CLOCK_MONOTONIC) - p->begin) / USEC_PER_SEC;
        double left = now->stopped ? 0 : passed / now->batch * (now->batches - now->batch);

        p->last = *now;
        if (p->json)
                report_json(p, now, left);
        else
                report_text(p, now, left);
}
