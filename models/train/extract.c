/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/train/extract.h"

#include "daemon/pipeline.h"

/* Rows that wait to be labelled: more ticks than this in a spell are not recorded. */
#define PENDING_MAX 128

typedef struct Pending {
        Row row;
        LoadClass intent;
        usec_t at;
        usec_t quiet_since; /* as it was at that time */
} Pending;

typedef struct Member {
        const LabelRun *run;
        ProcSample last;
        usec_t last_at;
        usec_t quiet_since; /* when it was last seen at work, or first seen at all */
        uint64_t seen;      /* number of the last sample that had it */
        bool executed;      /* another program, since that sample */
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
        ExtractFind find; /* NULL: nobody knows better than the labels */
        void *find_userdata;
        usec_t horizon;
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
        x->horizon = EXTRACT_HORIZON;
        r = policy_init_default(&policy);
        if (r < 0)
                return r;
        /* A row for each look, whatever moved. */
        policy.thresholds.infer_change = 0;
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

void extract_set_finder(Extract *x, ExtractFind find, void *userdata) {
        x->find = find;
        x->find_userdata = userdata;
}

void extract_set_horizon(Extract *x, usec_t horizon) {
        x->horizon = horizon;
}

static const LabelRun *find_run(const Extract *x, const ProcSample *p, usec_t at) {
        const LabelRun *found = x->find ? x->find(p, at, x->find_userdata) : NULL;
        const Member *parent;

        if (found)
                return found;
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

/* One voluntary switch in an interval is always quiet. */
static bool was_quiet(const ProcSample *then, const ProcSample *now, double seconds) {
        return rate(now->exec_ns, then->exec_ns, seconds) < FEATURE_QUIET_CPU * 1e9 &&
               rate(now->nvcsw, then->nvcsw, seconds) <
                       MAX(FEATURE_QUIET_SWITCHES, 1.5 / seconds) &&
               now->read_bytes == then->read_bytes && now->write_bytes == then->write_bytes;
}

/* Whether a row can be labelled by now; *ret_idle: it was quiet for long enough. */
static bool is_clear(const Member *m, const Pending *p, usec_t at, usec_t horizon, bool *ret_idle) {
        bool worked = m->quiet_since > p->at;

        *ret_idle = !worked && at - p->quiet_since >= MAX(EXTRACT_SPELL, horizon);
        return at >= p->at + horizon && (worked || *ret_idle);
}

/* Labels and stores the rows of which enough has been seen. */
static int settle(Extract *x, Member *m, usec_t at) {
        size_t kept = 0;

        for (size_t i = 0; i < m->n_pending; i++) {
                Pending *p = &m->pending[i];
                bool idle;
                Row *row;

                if (!is_clear(m, p, at, x->horizon, &idle)) {
                        if (kept != i)
                                m->pending[kept] = *p;
                        kept++;
                        continue;
                }
                if (label_run_class(m->run, p->intent, p->at, p->at + x->horizon, &p->row.label) <
                    0)
                        continue;
                if (idle)
                        p->row.label = CLASS_IDLE;
                row = row_table_add(x->table);
                if (!row)
                        return -ENOMEM;
                *row = p->row;
        }
        m->n_pending = kept;
        return 0;
}

static int advance(Extract *x, Member *m, const ProcSample *now, usec_t at) {
        const LabelComm *label = label_run_find(m->run, now->comm);
        ProcView view;
        Pending *p;
        int r;

        if (!was_quiet(&m->last, now, (double)MAX(at - m->last_at, (usec_t)1) / 1e6))
                m->quiet_since = at;
        m->last = *now;
        m->last_at = at;
        r = settle(x, m, at);
        if (r < 0)
                return r;
        r = pipeline_find_proc(x->pipeline, now->pid, &view);
        if (r < 0)
                return r;
        if (!label || m->n_pending == PENDING_MAX)
                return 0;
        p = &m->pending[m->n_pending++];
        p->intent = label->intent;
        p->quiet_since = m->quiet_since;
        p->at = at;
        p->row = (Row){
                .pid = now->pid, .at = (double)(at - x->first_at) / 1e6, .dormant = view.dormant};
        snprintf(p->row.program, sizeof(p->row.program), "%s", label->program);
        snprintf(p->row.run, sizeof(p->row.run), "%s", m->run->name);
        if (!view.dormant) /* the daemon asks no model about it */
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
        m->last_at = m->quiet_since = at;
        m->seen = x->n_samples;
        return 0;
}

/* Another program in the same process: as the daemon is told of an exec, before the sample. What
 * the old one did next was not seen. */
static void note_execs(Extract *x, const Sample *s) {
        for (size_t i = 0; i < x->n; i++) {
                Member *m = x->members[i];
                const ProcSample *now = sample_find(s, m->last.pid);
                const LabelRun *found = NULL;

                if (!now || (streq(now->comm, m->last.comm) && !m->executed))
                        continue;
                m->n_pending = 0;
                pipeline_note_exec(x->pipeline, now->pid);
                if (x->find)
                        found = x->find(now, s->at, x->find_userdata);
                if (found)
                        m->run = found;
                m->executed = false;
        }
}

void extract_note_exec(Extract *x, pid_t pid) {
        Member *m = find_member(x, pid, 0);

        if (m)
                m->executed = true;
        else
                pipeline_note_exec(x->pipeline, pid);
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
