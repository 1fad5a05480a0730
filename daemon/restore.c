/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The executor's other half: putting back what is still as we left it. */

#include <errno.h>

#include "daemon/executor-internal.h"
#include "daemon/units.h"
#include "util/io.h"
#include "util/macro.h"

/* A child may bear the tick in which its parent's entry was written. */
#define TICKS_SLACK 2

/* What a process's threads and children may have inherited, and what it was before. */
typedef struct Mapping {
        const Actuator *actuator;
        pid_t pid, tid;
        uint64_t start, since;
        char *old_value, *new_value;
        bool kept; /* the thread had this value before us: nothing to put back */
} Mapping;

typedef struct Inheritance {
        Mapping *mappings;
        size_t n;
        ProcStat *procs; /* by pid; NULL where no treated process has children */
        size_t n_procs;
} Inheritance;

static void inheritance_done(Inheritance *h) {
        for (size_t i = 0; i < h->n; i++) {
                free(h->mappings[i].old_value);
                free(h->mappings[i].new_value);
        }
        free(h->mappings);
        free(h->procs);
}

/* --- one entry ------------------------------------------------------------------------------- */

/* Whether another entry, none of the n ids that are put back already, holds the same value. */
static bool is_shared(const Executor *x, const LedgerEntry *e, const uint64_t *ids, size_t n) {
        for (size_t i = 0; i < ledger_count(x->ledger, false); i++) {
                const LedgerEntry *other = ledger_get(x->ledger, i, false);
                bool back = false;

                if (other->id == e->id || !streq(other->actuator, e->actuator) ||
                    !streq(other->new_value, e->new_value))
                        continue;
                for (size_t k = 0; k < n && !back; k++)
                        back = ids[k] == other->id;
                if (!back)
                        return true;
        }
        return false;
}

static bool is_there(const Executor *x, const LedgerEntry *e) {
        char path[64];
        ProcStat s;

        if (e->pid == 0)
                return true;
        if (proc_stat_read(x->context.root_fd, e->pid, &s) < 0 || s.start != e->start)
                return false;
        if (e->tid == 0)
                return true;
        (void)snprintf(path, sizeof(path), "proc/%d/task/%d", e->pid, e->tid);
        return faccessat(x->context.root_fd, path, F_OK, 0) >= 0;
}

/* The present value; for one that is shared, through whoever still shares it. 0, -ESRCH, -errno. */
static int read_entry(Executor *x, const Actuator *a, const LedgerEntry *e, ActuatorTarget *t,
                      char value[ACTUATOR_VALUE_MAX]) {
        int r;

        *t = entry_target(e);
        r = is_there(x, e) ? a->read(&x->context, t, value) : -ESRCH;
        if (!a->stand_in || (r >= 0 && streq(value, e->new_value)))
                return r;
        t->pid = a->stand_in(&x->context, e->new_value);
        return t->pid == 0 ? -ESRCH : a->read(&x->context, t, value);
}

/*
 * Puts one entry's value back and says what the entry should end as; LEDGER_ACTIVE: it could not be
 * put back. ids: those that were put back before and have not ended yet.
 */
static LedgerState put_back(Executor *x, const LedgerEntry *e, const uint64_t *ids, size_t n,
                            Error *error) {
        const Actuator *a = actuator_find(e->actuator);
        char value[ACTUATOR_VALUE_MAX];
        ActuatorTarget t;
        bool ours;
        int r;

        if (!a) {
                (void)error_set(error, 0, "no actuator is named \"%s\"", e->actuator);
                return LEDGER_ACTIVE;
        }
        if (a->for_good)
                return is_there(x, e) ? LEDGER_KEPT : LEDGER_GONE;
        if (a->stand_in && is_shared(x, e, ids, n))
                return LEDGER_RESTORED; /* the last of those who share it does it */
        r = read_entry(x, a, e, &t, value);
        ours = r >= 0 && (streq(value, e->new_value) ||
                          (a->is_half_way && a->is_half_way(value, e->old_value)));
        if (a->disown && (r == -ESRCH || (r >= 0 && !ours)))
                a->disown(&x->context, &t, e->new_value);
        if (r == -ESRCH)
                return LEDGER_GONE;
        if (r >= 0 && streq(value, e->old_value))
                return LEDGER_RESTORED;
        if (r >= 0 && !ours)
                return LEDGER_FOREIGN;
        if (r >= 0)
                r = a->apply(&x->context, &t, e->old_value);
        if (r >= 0)
                r = a->read(&x->context, &t, value);
        if (r == -ESRCH)
                return LEDGER_GONE;
        if (r >= 0 && streq(value, e->old_value))
                return LEDGER_RESTORED;
        (void)error_set(error, 0, "cannot put %s of %s%s back to \"%s\": %s%s", e->actuator,
                        e->path ? "/" : "", e->path ? e->path : e->comm, e->old_value,
                        r < 0 ? strerror(-r) : "it reads ", r < 0 ? "" : value);
        return LEDGER_ACTIVE;
}

Outcome restore_one(Executor *x, uint64_t id, Error *error) {
        const LedgerEntry *e = executor_find_id(x, id);
        LedgerState state = e ? put_back(x, e, NULL, 0, error) : LEDGER_ACTIVE;

        if (state == LEDGER_ACTIVE)
                return OUTCOME_FAILED;
        /* A record of the end that cannot be written only means that a later start looks again. */
        (void)ledger_end(x->ledger, id, state);
        return state == LEDGER_RESTORED  ? OUTCOME_DONE
               : state == LEDGER_KEPT    ? OUTCOME_NOTHING
               : state == LEDGER_FOREIGN ? OUTCOME_FOREIGN
                                         : OUTCOME_VANISHED;
}

/* --- what was inherited ---------------------------------------------------------------------- */

static int remember(Inheritance *h, const LedgerEntry *e) {
        const Actuator *a = actuator_find(e->actuator);
        bool kept = streq(e->old_value, e->new_value);
        Mapping *m;

        if (!a || a->level >= ACTUATOR_UNIT || a->stand_in || a->for_good)
                return 0;
        /* One of equal mappings is enough, the leader's before all; those that keep are per thread.
         */
        for (size_t i = 0; i < h->n && !kept; i++) {
                m = &h->mappings[i];
                if (m->actuator == a && m->pid == e->pid && m->start == e->start && !m->kept &&
                    streq(m->new_value, e->new_value)) {
                        if (e->tid == e->pid && m->tid != e->pid) {
                                char *old = strdup(e->old_value);

                                if (!old)
                                        return -ENOMEM;
                                free(m->old_value);
                                m->old_value = old;
                                m->tid = e->tid;
                        }
                        m->since = MIN(m->since, e->since);
                        return 0;
                }
        }
        m = reallocarray(h->mappings, h->n + 1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        h->mappings = m;
        m[h->n] = (Mapping){
                .actuator = a,
                .pid = e->pid,
                .tid = e->tid,
                .start = e->start,
                .since = e->since,
                .old_value = strdup(e->old_value),
                .new_value = strdup(e->new_value),
                .kept = kept,
        };
        if (!m[h->n].old_value || !m[h->n].new_value) {
                free(m[h->n].old_value);
                free(m[h->n].new_value);
                return -ENOMEM;
        }
        h->n++;
        return 0;
}

static bool has_entry(const Executor *x, const Actuator *a, pid_t pid, pid_t tid) {
        for (size_t i = 0; i < ledger_count(x->ledger, false); i++) {
                const LedgerEntry *e = ledger_get(x->ledger, i, false);

                if (e->pid == pid && e->tid == tid && streq(e->actuator, a->name))
                        return true;
        }
        return false;
}

static bool is_kept(const Inheritance *h, const Actuator *a, pid_t pid, pid_t tid) {
        for (size_t i = 0; i < h->n; i++)
                if (h->mappings[i].kept && h->mappings[i].actuator == a &&
                    h->mappings[i].pid == pid && h->mappings[i].tid == tid)
                        return true;
        return false;
}

/* Returns 1 where it was changed. Failures are left: this is not in the ledger. */
static int restore_inherited(Executor *x, const Inheritance *h, const Mapping *m, pid_t pid,
                             pid_t tid) {
        ActuatorTarget t = {.pid = pid, .tid = tid};
        char value[ACTUATOR_VALUE_MAX];

        if (m->actuator->read(&x->context, &t, value) < 0 || !streq(value, m->new_value) ||
            is_kept(h, m->actuator, pid, tid) || has_entry(x, m->actuator, pid, tid))
                return 0;
        return m->actuator->apply(&x->context, &t, m->old_value) >= 0;
}

/* Applies the mappings of process `from` to process `pid`, which is that one or descends from it.
 */
static int follow_process(Executor *x, const Inheritance *h, pid_t from, uint64_t from_start,
                          pid_t pid, uint64_t start) {
        _cleanup_free_
        pid_t *tids = NULL;
        _cleanup_close_
        int pidfd = -EBADF;
        size_t n_tids;
        int n = 0;

        if (identity_open(x->context.root_fd, pid, start, &pidfd) < 0 ||
            proc_list_threads(x->context.root_fd, pid, &tids, &n_tids) < 0)
                return 0;
        for (size_t i = 0; i < h->n; i++) {
                const Mapping *m = &h->mappings[i];

                if (m->kept || m->pid != from || m->start != from_start ||
                    (pid != from && start + TICKS_SLACK < m->since))
                        continue;
                if (m->actuator->level == ACTUATOR_PROCESS)
                        n += restore_inherited(x, h, m, pid, 0);
                else
                        for (size_t k = 0; k < n_tids; k++)
                                n += restore_inherited(x, h, m, pid, tids[k]);
        }
        return n;
}

static const Mapping *find_mapping(const Inheritance *h, pid_t pid, uint64_t start) {
        for (size_t i = 0; i < h->n; i++)
                if (h->mappings[i].pid == pid && h->mappings[i].start == start)
                        return &h->mappings[i];
        return NULL;
}

static int compare_procs(const void *a, const void *b) {
        pid_t x = ((const ProcStat *)a)->pid, y = ((const ProcStat *)b)->pid;

        return x < y ? -1 : x > y;
}

/* The nearest treated ancestor. The walk is bounded by the number of processes. */
static const Mapping *find_ancestor(const Inheritance *h, const ProcStat *p) {
        for (size_t hops = 0; p && hops <= h->n_procs; hops++) {
                ProcStat key = {.pid = p->ppid};
                const Mapping *m;

                p = bsearch(&key, h->procs, h->n_procs, sizeof(key), compare_procs);
                m = p ? find_mapping(h, p->pid, p->start) : NULL;
                if (m)
                        return m;
        }
        return NULL;
}

/* Whether a process has children, by proc/PID/task/TID/children; true where that is not there. */
static bool may_have_children(const Executor *x, pid_t pid) {
        _cleanup_free_
        pid_t *tids = NULL;
        size_t n;

        if (proc_list_threads(x->context.root_fd, pid, &tids, &n) < 0)
                return false;
        for (size_t i = 0; i < n; i++) {
                char path[64], text[16];
                ssize_t k;

                (void)snprintf(path, sizeof(path), "proc/%d/task/%d/children", pid, tids[i]);
                k = io_read_at(x->context.root_fd, path, text, sizeof(text));
                if (k > 0 || k == -EFBIG || (k == -ENOENT && tids[i] == pid))
                        return true;
        }
        return false;
}

static int read_table(const Executor *x, Inheritance *h) {
        _cleanup_free_
        pid_t *pids = NULL;
        bool needed = false;
        size_t n;
        int r;

        free(TAKE_PTR(h->procs));
        h->n_procs = 0;
        for (size_t i = 0; i < h->n && !needed; i++)
                needed = (i == 0 || h->mappings[i].pid != h->mappings[i - 1].pid) &&
                         may_have_children(x, h->mappings[i].pid);
        if (!needed)
                return 0;
        r = proc_list(x->context.root_fd, "proc", &pids, &n);
        if (r < 0)
                return r;
        h->procs = calloc(n + 1, sizeof(ProcStat));
        if (!h->procs)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (proc_stat_read(x->context.root_fd, pids[i], &h->procs[h->n_procs]) >= 0)
                        h->n_procs++;
        qsort(h->procs, h->n_procs, sizeof(ProcStat), compare_procs);
        return 0;
}

/* Threads and children that were born with a value of ours. Again until nothing is found, because
 * those that still have it go on giving birth. */
static void follow(Executor *x, Inheritance *h) {
        for (int pass = 0, quiet = 0; pass < EXECUTOR_PASSES && quiet < EXECUTOR_QUIET_PASSES;
             pass++) {
                int n = 0;

                for (size_t i = 0; i < h->n; i++)
                        if (find_mapping(h, h->mappings[i].pid, h->mappings[i].start) ==
                            &h->mappings[i])
                                n += follow_process(x, h, h->mappings[i].pid, h->mappings[i].start,
                                                    h->mappings[i].pid, h->mappings[i].start);
                if (read_table(x, h) < 0)
                        return;
                for (size_t i = 0; i < h->n_procs; i++) {
                        const ProcStat *p = &h->procs[i];
                        const Mapping *m;

                        if (find_mapping(h, p->pid, p->start))
                                continue;
                        m = find_ancestor(h, p);
                        if (m)
                                n += follow_process(x, h, m->pid, m->start, p->pid, p->start);
                }
                quiet = n == 0 ? quiet + 1 : 0;
        }
}

/* --- entry ----------------------------------------------------------------------------------- */

static bool is_wanted(const LedgerEntry *e, RestoreWhat what, uint64_t number) {
        switch (what) {
        case RESTORE_PID:
                return e->pid > 0 && (uint64_t)e->pid == number;
        case RESTORE_ACTION:
                return e->action == number;
        case RESTORE_FILTERS:
                return streq(e->actuator, actuator_filter.name);
        case RESTORE_OTHERS:
                return !streq(e->actuator, actuator_filter.name);
        default:
                return true;
        }
}

size_t executor_count(const Executor *x, RestoreWhat what, uint64_t number) {
        size_t n = 0;

        for (size_t i = 0; i < ledger_count(x->ledger, false); i++)
                n += is_wanted(ledger_get(x->ledger, i, false), what, number);
        return n;
}

static void cleanup_if_idle(Executor *x) {
        if (executor_count(x, RESTORE_OTHERS, 0) > 0)
                return;
        for (size_t i = 0; actuator_all[i]; i++)
                if (actuator_all[i]->cleanup)
                        actuator_all[i]->cleanup(&x->context);
}

/*
 * Ends what was put back. Entries of threads that had the value before us come last: while one is
 * there, its thread is not taken for one that inherited, by whoever goes on after a SIGKILL either.
 */
static void end_entries(Executor *x, const uint64_t *ids, const LedgerState *states, size_t n) {
        for (int kept = 0; kept < 2; kept++)
                for (size_t i = 0; i < n; i++) {
                        const LedgerEntry *e = executor_find_id(x, ids[i]);

                        if (e && states[i] != LEDGER_ACTIVE &&
                            streq(e->old_value, e->new_value) == kept)
                                (void)ledger_end(x->ledger, ids[i], states[i]);
                }
}

static RestoreCount count_states(const LedgerState *states, size_t n, const Error *why) {
        RestoreCount count = {.why = *why};

        for (size_t i = 0; i < n; i++) {
                count.restored += states[i] == LEDGER_RESTORED;
                count.foreign += states[i] == LEDGER_FOREIGN;
                count.gone += states[i] == LEDGER_GONE;
                count.kept += states[i] == LEDGER_KEPT;
                count.failed += states[i] == LEDGER_ACTIVE;
        }
        return count;
}

const char *restore_count_format(const RestoreCount *c, char buffer[RESTORE_TEXT_MAX]) {
        char kept[64] = "";

        if (c->kept > 0)
                (void)snprintf(kept, sizeof(kept), ", %zu that cannot be put back", c->kept);
        (void)snprintf(buffer, RESTORE_TEXT_MAX,
                       "%zu put back, %zu changed by somebody else and left alone, %zu gone%s, "
                       "%zu failed%s%s",
                       c->restored, c->foreign, c->gone, kept, c->failed, c->failed ? ": " : "",
                       c->failed ? c->why.text : "");
        return buffer;
}

/* First every value, then what was inherited, then the ledger: a SIGKILL between any two of these
 * steps leaves the entries from which the next start begins anew. */
int executor_restore(Executor *x, RestoreWhat what, uint64_t number, RestoreCount *ret) {
        _cleanup_(inheritance_done)
        Inheritance h = {0};
        _cleanup_free_
        uint64_t *ids = NULL;
        _cleanup_free_
        LedgerState *states = NULL;
        size_t n = 0, n_active = ledger_count(x->ledger, false);
        Error why = ERROR_INIT;

        ids = calloc(n_active + 1, sizeof(*ids));
        states = calloc(n_active + 1, sizeof(*states));
        if (!ids || !states)
                return -ENOMEM;
        for (size_t i = n_active; i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (!is_wanted(e, what, number))
                        continue;
                ids[n++] = e->id;
                if (e->pid > 0)
                        (void)remember(&h, e); /* out of memory: the entries at least go back */
        }
        units_end_rest(x->context.units);
        for (size_t i = 0; i < n; i++)
                states[i] = put_back(x, executor_find_id(x, ids[i]), ids, i, &why);
        if (h.n > 0)
                follow(x, &h);
        end_entries(x, ids, states, n);
        if (n > 0 || what == RESTORE_ALL || what == RESTORE_OTHERS)
                cleanup_if_idle(x);
        if (ret)
                *ret = count_states(states, n, &why);
        return n > 0 ? 0 : -ENOENT;
}

void executor_sweep(Executor *x) {
        pid_t pid = 0;
        bool gone = false, any = false;

        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->pid == 0)
                        continue;
                if (e->pid != pid) {
                        ProcStat s;
                        int r = proc_stat_read(x->context.root_fd, e->pid, &s);

                        pid = e->pid;
                        gone = r == -ESRCH || (r >= 0 && s.start != e->start);
                }
                if (gone) {
                        (void)restore_one(x, e->id, NULL);
                        any = true;
                }
        }
        if (any)
                cleanup_if_idle(x);
}
