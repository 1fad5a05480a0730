/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/train/extract.h"

#include "daemon/pipeline.h"

/* Rows that wait for the horizon to pass: more ticks than this in five seconds are not recorded. */
#define PENDING_MAX 64

typedef struct Pending {
        Row row;
        ProcSample then;
        usec_t at;
} Pending;

typedef struct Member {
        const LabelRun *run;
        ProcSample last;
        uint64_t seen; /* number of the last sample that had it */
        size_t n_pending;
        Pending pending[PENDING_MAX];
} Member;

struct Extract {
        const Labels *labels;
        RowTable *table;
        Model *model;
        Pipeline *pipeline; /* the daemon's own: rows are what the daemon's model would see */
        Member **members;
        size_t n, n_allocated;
        uint64_t n_samples;
        usec_t first_at;
};

int extract_new(const Labels *labels, RowTable *table, Extract **ret) {
        _cleanup_(extract_freep)
        Extract *x = calloc(1, sizeof(*x));
        Policy policy = POLICY_INIT;
        int r;

        if (!x)
                return -ENOMEM;
        x->labels = labels;
        x->table = table;
        r = policy_init_default(&policy);
        if (r < 0)
                return r;
        r = rules_model_new(&x->model);
        if (r >= 0)
                r = pipeline_new(&policy, x->model, /* self= */ 0, &x->pipeline);
        policy_done(&policy);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(x);
        return 0;
}

Extract *extract_free(Extract *x) {
        if (!x)
                return NULL;
        for (size_t i = 0; i < x->n; i++)
                free(x->members[i]);
        free(x->members);
        pipeline_free(x->pipeline);
        model_free(x->model);
        free(x);
        return NULL;
}

static Member *find_member(const Extract *x, pid_t pid, uint64_t start) {
        for (size_t i = 0; i < x->n; i++)
                if (x->members[i]->last.pid == pid &&
                    (start == 0 || x->members[i]->last.start == start))
                        return x->members[i];
        return NULL;
}

static const LabelRun *find_run(const Extract *x, const ProcSample *p, usec_t at) {
        const Member *parent;

        for (size_t i = 0; i < x->labels->n; i++) {
                const LabelRun *run = &x->labels->runs[i];

                if (at >= run->start && at <= run->end &&
                    (p->pid == run->root || p->sid == run->root))
                        return run;
        }
        parent = p->ppid > 1 ? find_member(x, p->ppid, 0) : NULL;
        return parent && at <= parent->run->end ? parent->run : NULL;
}

static int add_member(Extract *x, Member **ret) {
        Member *m;

        if (x->n == x->n_allocated) {
                size_t n = MAX(x->n_allocated * 2, (size_t)32);
                Member **members = reallocarray(x->members, n, sizeof(Member *));

                if (!members)
                        return -ENOMEM;
                x->members = members;
                x->n_allocated = n;
        }
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        x->members[x->n++] = m;
        *ret = m;
        return 0;
}

/* 0 where the counter ran backwards: a thread died and took its share along. */
static double rate(uint64_t now, uint64_t then, double seconds) {
        return now > then ? (double)(now - then) / seconds : 0;
}

static bool was_idle(const ProcSample *then, const ProcSample *now, double seconds) {
        return rate(now->exec_ns, then->exec_ns, seconds) < EXTRACT_IDLE_CPU * 1e9 &&
               rate(now->nvcsw, then->nvcsw, seconds) < EXTRACT_IDLE_SWITCHES &&
               now->read_bytes == then->read_bytes && now->write_bytes == then->write_bytes;
}

/* Labels and stores the rows whose horizon has passed. */
static int settle(Extract *x, Member *m, const ProcSample *now, usec_t at) {
        size_t done = 0;

        for (; done < m->n_pending; done++) {
                Pending *p = &m->pending[done];
                Row *row;

                if (at < p->at + EXTRACT_HORIZON)
                        break;
                row = row_table_add(x->table);
                if (!row)
                        return -ENOMEM;
                *row = p->row;
                if (was_idle(&p->then, now, (double)(at - p->at) / 1e6))
                        row->label = CLASS_IDLE;
        }
        m->n_pending -= done;
        memmove(m->pending, m->pending + done, m->n_pending * sizeof(m->pending[0]));
        return 0;
}

static int advance(Extract *x, Member *m, const ProcSample *now, usec_t at) {
        const LabelComm *label = label_run_find(m->run, now->comm);
        ProcView view;
        Pending *p;
        int r;

        r = settle(x, m, now, at);
        if (r < 0)
                return r;
        m->last = *now;
        r = pipeline_find_proc(x->pipeline, now->pid, &view);
        if (r < 0)
                return r;
        /* The daemon asks no model about a process that has slept for long. */
        if (view.dormant || !label || m->n_pending == PENDING_MAX)
                return 0;
        p = &m->pending[m->n_pending++];
        p->then = *now;
        p->at = at;
        p->row = (Row){.pid = now->pid, .at = (double)(at - x->first_at) / 1e6};
        p->row.label = label->intent;
        snprintf(p->row.program, sizeof(p->row.program), "%s", label->program);
        snprintf(p->row.run, sizeof(p->row.run), "%s", m->run->name);
        memcpy(p->row.x, view.row, sizeof(p->row.x));
        return 0;
}

static int take_process(Extract *x, const ProcSample *now, usec_t at) {
        Member *m = find_member(x, now->pid, now->start);
        const LabelRun *run;
        int r;

        if (m) {
                m->seen = x->n_samples;
                return at <= m->run->end ? advance(x, m, now, at) : 0;
        }
        run = find_run(x, now, at);
        if (!run)
                return 0;
        r = add_member(x, &m);
        if (r < 0)
                return r;
        /* It has no interval yet, and so no row. */
        m->run = run;
        m->last = *now;
        m->seen = x->n_samples;
        return 0;
}

/* Another program in the same process: as the daemon is told of an exec, before the sample. What
 * the old one did next was not seen. */
static void note_execs(Extract *x, const Sample *s) {
        for (size_t i = 0; i < x->n; i++) {
                const ProcSample *now = sample_find(s, x->members[i]->last.pid);

                if (now && !streq(now->comm, x->members[i]->last.comm)) {
                        x->members[i]->n_pending = 0;
                        pipeline_note_exec(x->pipeline, now->pid);
                }
        }
}

int extract_sample(Extract *x, const Sample *s) {
        const pid_t *wanted;
        size_t n_wanted;
        int r;

        if (x->n_samples++ == 0)
                x->first_at = s->at;
        note_execs(x, s);
        r = pipeline_observe(x->pipeline, s, &wanted, &n_wanted);
        if (r < 0)
                return r;
        for (size_t i = 0; i < s->n_procs; i++) {
                if (s->procs[i].kthread || s->procs[i].zombie)
                        continue;
                r = take_process(x, &s->procs[i], s->at);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < x->n;) {
                Member *m = x->members[i];

                if (m->seen == x->n_samples && s->at <= m->run->end) {
                        i++;
                        continue;
                }
                free(m);
                x->members[i] = x->members[--x->n];
        }
        return 0;
}
