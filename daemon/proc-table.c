/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "daemon/proc-table.h"

static Proc *proc_free(Proc *p) {
        if (p)
                free(p->ident);
        free(p);
        return NULL;
}

static Proc *proc_new(const ProcSample *s) {
        Proc *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        p->sample.pid = s->pid;
        p->sample.start = s->start;
        p->born = true;
        p->rule_stale = true;
        p->row = -1;
        p->asleep_since = USEC_INFINITY;
        p->released_at = USEC_INFINITY;
        return p;
}

void proc_table_done(ProcTable *t) {
        for (size_t i = 0; i < t->n; i++)
                proc_free(t->procs[i]);
        free(t->procs);
        free(t->pids);
        free(t->spare_procs);
        free(t->spare_pids);
        *t = (ProcTable){};
}

static int reserve_array(void **array, size_t n, size_t size) {
        void *grown = reallocarray(*array, n, size);

        if (!grown)
                return -ENOMEM;
        *array = grown;
        return 0;
}

static int proc_table_reserve(ProcTable *t, size_t n) {
        if (n <= t->n_allocated)
                return 0;
        n = MAX(n, t->n_allocated * 2);
        if (reserve_array((void **)&t->procs, n, sizeof(*t->procs)) < 0 ||
            reserve_array((void **)&t->pids, n, sizeof(*t->pids)) < 0 ||
            reserve_array((void **)&t->spare_procs, n, sizeof(*t->spare_procs)) < 0 ||
            reserve_array((void **)&t->spare_pids, n, sizeof(*t->spare_pids)) < 0)
                return -ENOMEM;
        t->n_allocated = n;
        return 0;
}

/* The table's entry for a sampled process, from *at on; NULL: there is none. */
static Proc *merge_match(const ProcTable *t, size_t *at, const ProcSample *s) {
        while (*at < t->n && t->pids[*at] < s->pid)
                (*at)++;
        if (*at < t->n && t->pids[*at] == s->pid && t->procs[*at]->sample.start == s->start)
                return t->procs[(*at)++];
        return NULL;
}

/* Nothing of the old half is touched before the new one is complete. */
static int merge_fill(ProcTable *t, const Sample *s) {
        size_t at = 0;

        for (size_t i = 0; i < s->n_procs; i++) {
                Proc *p = merge_match(t, &at, s->procs + i);

                if (!p)
                        p = proc_new(s->procs + i);
                if (p)
                        p->kept = true;
                t->spare_procs[i] = p;
                t->spare_pids[i] = s->procs[i].pid;
                if (p)
                        continue;
                while (i-- > 0)
                        if (t->spare_procs[i]->born)
                                proc_free(t->spare_procs[i]);
                return -ENOMEM;
        }
        return 0;
}

/* What was seen of those that ended is no news to their parents. */
static void merge_bury(ProcTable *t, size_t n_now) {
        const ProcTable now = {.procs = t->spare_procs, .pids = t->spare_pids, .n = n_now};

        for (size_t i = 0; i < n_now; i++)
                now.procs[i]->reaped_ns = 0;
        for (size_t i = 0; i < t->n; i++) {
                Proc *p = t->procs[i], *parent;

                if (p->kept)
                        continue;
                parent = proc_table_find(&now, p->sample.ppid);
                if (parent)
                        parent->reaped_ns += p->sample.exec_ns + p->sample.child_exec_ns;
                proc_free(p);
        }
}

int proc_table_merge(ProcTable *t, const Sample *s) {
        Proc **procs = NULL;
        pid_t *pids = NULL;
        int r;

        r = proc_table_reserve(t, s->n_procs);
        if (r < 0)
                return r;
        for (size_t i = 0; i < t->n; i++)
                t->procs[i]->born = t->procs[i]->kept = false;
        r = merge_fill(t, s);
        if (r < 0)
                return r;

        merge_bury(t, s->n_procs);

        procs = t->procs;
        pids = t->pids;
        t->procs = t->spare_procs;
        t->pids = t->spare_pids;
        t->spare_procs = procs;
        t->spare_pids = pids;
        t->n = s->n_procs;
        return 0;
}

Proc *proc_table_find(const ProcTable *t, pid_t pid) {
        size_t lo = 0, hi = t->n;

        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;

                if (t->pids[mid] < pid)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo < t->n && t->pids[lo] == pid ? t->procs[lo] : NULL;
}

Proc *proc_table_parent(const ProcTable *t, const Proc *p) {
        Proc *parent = p->sample.ppid > 0 ? proc_table_find(t, p->sample.ppid) : NULL;

        return parent && parent != p && parent->sample.start <= p->sample.start ? parent : NULL;
}

size_t proc_table_ancestors(const ProcTable *t, const Proc *p, pid_t *ret, size_t max) {
        size_t n = 0;

        /* A torn sample may show a cycle: max ends it. */
        for (; p && n < max; p = proc_table_parent(t, p))
                ret[n++] = p->sample.pid;
        return n;
}
