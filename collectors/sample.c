/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collectors/sample.h"

/* Groups of fields that are sums over threads: known only where known of each. */
#define FOLD_SUMMED                                                                     \
        (SAMPLE_EXEC | SAMPLE_SYSTEM | SAMPLE_DELAY | SAMPLE_SWITCHES | SAMPLE_FAULTS | \
         SAMPLE_CHARS | SAMPLE_BLOCK | SAMPLE_MIGRATIONS | SAMPLE_UTIL | SAMPLE_CPUS |  \
         SAMPLE_IOWAIT)

void sample_done(Sample *s) {
        free(s->procs);
        *s = SAMPLE_INIT;
}

void sample_clear(Sample *s) {
        ProcSample *procs = s->procs;
        size_t n_allocated = s->n_allocated;

        *s = SAMPLE_INIT;
        s->procs = procs;
        s->n_allocated = n_allocated;
}

ProcSample *sample_add(Sample *s) {
        if (s->n_procs == s->n_allocated) {
                size_t n = s->n_allocated > 0 ? s->n_allocated * 2 : 64;
                ProcSample *p = reallocarray(s->procs, n, sizeof(ProcSample));

                if (!p)
                        return NULL;
                s->procs = p;
                s->n_allocated = n;
        }
        memset(&s->procs[s->n_procs], 0, sizeof(ProcSample));
        return &s->procs[s->n_procs++];
}

/* By pid; of one pid the leader first. The rest of the order only makes the outcome independent of
 * the order of adding: folding itself is commutative. */
static int proc_sample_compare(const void *a, const void *b) {
        const ProcSample *x = a, *y = b;

        if (x->pid != y->pid)
                return x->pid < y->pid ? -1 : 1;
        if ((x->comm[0] == 0) != (y->comm[0] == 0))
                return x->comm[0] ? -1 : 1;
        if (x->start != y->start)
                return x->start < y->start ? -1 : 1;
        return memcmp(x, y, sizeof(ProcSample));
}

static void proc_sample_fold(ProcSample *into, const ProcSample *from) {
        into->valid = (into->valid & from->valid & FOLD_SUMMED) | (into->valid & ~FOLD_SUMMED) |
                      (from->valid & (SAMPLE_RSS | SAMPLE_RSS_ANON | SAMPLE_CHILDREN));
        into->n_threads += from->n_threads;
        into->has_rt |= from->has_rt;
        into->zombie = into->zombie && from->zombie;
        into->in_iowait += from->in_iowait;
        into->util_avg += from->util_avg;
        into->cpus_allowed |= from->cpus_allowed;
        into->exec_ns += from->exec_ns;
        into->system_ns += from->system_ns;
        into->delay_ns += from->delay_ns;
        into->timeslices += from->timeslices;
        into->nvcsw += from->nvcsw;
        into->nivcsw += from->nivcsw;
        into->min_flt += from->min_flt;
        into->maj_flt += from->maj_flt;
        into->rchar += from->rchar;
        into->wchar += from->wchar;
        into->syscr += from->syscr;
        into->syscw += from->syscw;
        into->read_bytes += from->read_bytes;
        into->write_bytes += from->write_bytes;
        into->migrations += from->migrations;
        into->rss_bytes = MAX(into->rss_bytes, from->rss_bytes);
        into->rss_anon_bytes = MAX(into->rss_anon_bytes, from->rss_anon_bytes);
        into->child_exec_ns = MAX(into->child_exec_ns, from->child_exec_ns);
}

/* "Unknown" is 0 in every field, also where only some threads knew. */
static void proc_sample_blank_unknown(ProcSample *p) {
        if (!(p->valid & SAMPLE_EXEC))
                p->exec_ns = 0;
        if (!(p->valid & SAMPLE_SYSTEM))
                p->system_ns = 0;
        if (!(p->valid & SAMPLE_DELAY))
                p->delay_ns = p->timeslices = 0;
        if (!(p->valid & SAMPLE_SWITCHES))
                p->nvcsw = p->nivcsw = 0;
        if (!(p->valid & SAMPLE_FAULTS))
                p->min_flt = p->maj_flt = 0;
        if (!(p->valid & SAMPLE_CHARS))
                p->rchar = p->wchar = p->syscr = p->syscw = 0;
        if (!(p->valid & SAMPLE_BLOCK))
                p->read_bytes = p->write_bytes = 0;
        if (!(p->valid & SAMPLE_MIGRATIONS))
                p->migrations = 0;
        if (!(p->valid & SAMPLE_UTIL))
                p->util_avg = 0;
        if (!(p->valid & SAMPLE_CPUS))
                p->cpus_allowed = 0;
        if (!(p->valid & SAMPLE_IOWAIT))
                p->in_iowait = 0;
}

void sample_sort(Sample *s) {
        size_t n = 0;
        bool ordered = true;

        /* Both sources walk by pid, so that the look is usually all there is to do. */
        for (size_t i = 1; i < s->n_procs && ordered; i++)
                ordered = s->procs[i - 1].pid < s->procs[i].pid;
        if (ordered)
                return;

        qsort(s->procs, s->n_procs, sizeof(ProcSample), proc_sample_compare);
        for (size_t i = 0; i < s->n_procs; n++) {
                size_t first = i;

                if (n != i)
                        s->procs[n] = s->procs[i];
                for (i++; i < s->n_procs && s->procs[i].pid == s->procs[n].pid; i++)
                        proc_sample_fold(&s->procs[n], &s->procs[i]);
                if (i - first > 1)
                        proc_sample_blank_unknown(&s->procs[n]);
        }
        s->n_procs = n;
}

const ProcSample *sample_find(const Sample *s, pid_t pid) {
        size_t low = 0, high = s->n_procs;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (s->procs[middle].pid < pid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < s->n_procs && s->procs[low].pid == pid ? &s->procs[low] : NULL;
}
