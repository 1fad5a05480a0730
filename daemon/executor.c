/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/executor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/syscall.h>

#include "daemon/executor-internal.h"
#include "util/io.h"
#include "util/macro.h"

#define PF_KTHREAD 0x00200000u /* include/linux/sched.h */

/* One decision on its way. */
typedef struct Action {
        Executor *x;
        const Decision *decision;
        Error *error;
        char why[LEDGER_VALUE_MAX];
        uint64_t number;
        uint64_t *done; /* ids of entries that were written, in order */
        size_t n_done;
        size_t n_held;       /* of them, those that took effect */
        bool without_effect; /* the kernel took a value and kept the old one */
        bool any_works;      /* an actuator that serves the treatment works here … */
        bool any_inert;      /* … or is there without effect */
} Action;

/* Entries of one pass, before they are written. */
typedef struct Plan {
        LedgerEntry *entries;
        size_t n;
} Plan;

/* --- processes ------------------------------------------------------------------------------- */

int proc_stat_read(int root_fd, pid_t pid, ProcStat *ret) {
        char path[64], text[1024], *p, *field, *save = NULL;
        ProcStat s = {.pid = pid};
        uint64_t v;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "proc/%d/stat", pid);
        n = io_read_at(root_fd, path, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        /* The name may hold blanks and parentheses: what counts is behind the last one. */
        p = strrchr(text, ')');
        if (!p)
                return -EBADMSG;
        field = strtok_r(p + 1, " \n", &save);
        for (int i = 3; field; field = strtok_r(NULL, " \n", &save), i++) {
                if (i != 4 && i != 9 && i != 22)
                        continue;
                if (parse_u64(field, 0, UINT64_MAX, &v) < 0)
                        return -EBADMSG;
                if (i == 4)
                        s.ppid = (pid_t)v;
                else if (i == 9)
                        s.kernel_thread = v & PF_KTHREAD;
                else {
                        s.start = v;
                        *ret = s;
                        return 0;
                }
        }
        return -EBADMSG;
}

int proc_list(int root_fd, const char *path, pid_t **ret, size_t *ret_n) {
        _cleanup_free_
        pid_t *list = NULL;
        size_t n = 0, allocated = 0;
        int fd, r = 0;
        DIR *dir;

        fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                r = errno == ENOENT ? -ESRCH : -errno;
                if (fd >= 0)
                        close(fd);
                return r;
        }
        for (struct dirent *d; r >= 0 && (d = readdir(dir));) {
                uint64_t number;

                if (parse_u64(d->d_name, 1, INT32_MAX, &number) < 0)
                        continue;
                if (n == allocated) {
                        pid_t *p = reallocarray(list, allocated * 2 + 16, sizeof(pid_t));

                        if (!p) {
                                r = -ENOMEM;
                                continue;
                        }
                        list = p;
                        allocated = allocated * 2 + 16;
                }
                list[n++] = (pid_t)number;
        }
        (void)closedir(dir);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int proc_list_threads(int root_fd, pid_t pid, pid_t **ret, size_t *ret_n) {
        char path[64];

        (void)snprintf(path, sizeof(path), "proc/%d/task", pid);
        return proc_list(root_fd, path, ret, ret_n);
}

int identity_open(int root_fd, pid_t pid, uint64_t start, int *ret_fd) {
        _cleanup_close_
        int fd = -EBADF;
        ProcStat s;
        int r;

        fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0)
                return errno == EINVAL ? -ESRCH : -errno; /* EINVAL: a thread's number by now */
        r = proc_stat_read(root_fd, pid, &s);
        if (r < 0)
                return r;
        if (s.start != start)
                return -ESRCH;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int identity_check(int pidfd) {
        return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 ? -errno : 0;
}

/* --- the object ------------------------------------------------------------------------------ */

int executor_new(int root_fd, Ledger *ledger, const char *cgroup_name, Executor **ret) {
        Executor *x = calloc(1, sizeof(*x));

        if (!x)
                return -ENOMEM;
        x->ledger = ledger;
        x->context.root_fd = root_fd;
        x->context.cgroup_name = cgroup_name ? cgroup_name : "aikmd";
        for (size_t i = 0; actuator_all[i] && i < EXECUTOR_ACTUATORS; i++)
                x->probed[i] = actuator_all[i]->probe(&x->context, &x->probe_text[i]);
        *ret = x;
        return 0;
}

Executor *executor_free(Executor *x) {
        if (!x)
                return NULL;
        free(x->context.cgroup);
        free(x);
        return NULL;
}

int executor_probe_result(const Executor *x, const Actuator *a, const char **ret_text) {
        for (size_t i = 0; actuator_all[i] && i < EXECUTOR_ACTUATORS; i++)
                if (actuator_all[i] == a) {
                        if (ret_text)
                                *ret_text = x->probe_text[i].text;
                        return x->probed[i];
                }
        return -EOPNOTSUPP;
}

bool actuator_works(const Executor *x, const Actuator *a) {
        return executor_probe_result(x, a, NULL) >= 0;
}

ActuatorTarget entry_target(const LedgerEntry *e) {
        return (ActuatorTarget){.pid = e->pid, .tid = e->tid, .path = e->path};
}

/* --- ledger ---------------------------------------------------------------------------------- */

static const LedgerEntry *find_entry(const Executor *x, const Actuator *a, pid_t pid, pid_t tid,
                                     uint64_t start) {
        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->pid == pid && e->tid == tid && e->start == start &&
                    streq(e->actuator, a->name))
                        return e;
        }
        return NULL;
}

/* Somebody in the same group has set it before us: both hold it now. */
static const LedgerEntry *find_shared(const Executor *x, const Actuator *a, const char *value) {
        for (size_t i = 0; i < ledger_count(x->ledger, false); i++) {
                const LedgerEntry *e = ledger_get(x->ledger, i, false);

                if (streq(e->actuator, a->name) && streq(e->new_value, value))
                        return e;
        }
        return NULL;
}

static void plan_done(Plan *p) {
        for (size_t i = 0; i < p->n; i++) {
                free(p->entries[i].path);
                free(p->entries[i].old_value);
                free(p->entries[i].new_value);
        }
        free(p->entries);
}

static int plan_add(Plan *p, const Action *a, const Actuator *actuator, const ActuatorTarget *t,
                    const char *old, const char *new) {
        LedgerEntry *entries, *e;

        entries = reallocarray(p->entries, p->n + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        p->entries = entries;
        e = &entries[p->n];
        *e = (LedgerEntry){
                .action = a->number,
                .pid = t->pid,
                .tid = t->tid,
                .start = t->pid ? a->decision->start : 0,
                .why = (char *)a->why,
        };
        (void)snprintf(e->actuator, sizeof(e->actuator), "%s", actuator->name);
        (void)snprintf(e->comm, sizeof(e->comm), "%s", t->pid ? a->decision->comm : "");
        e->path = t->path ? strdup(t->path) : NULL;
        e->old_value = strdup(old);
        e->new_value = strdup(new);
        p->n++;
        return (t->path && !e->path) || !e->old_value || !e->new_value ? -ENOMEM : 0;
}

static void write_why(Action *a, const char *model) {
        const Decision *d = a->decision;
        char victim[128] = "";

        if (d->victim > 0)
                (void)snprintf(victim, sizeof(victim), "; %s (%d) waits %.1f ms per second",
                               d->victim_comm, d->victim, (double)d->victim_delay / 1000);
        if (d->kind == DECISION_TUNE)
                (void)snprintf(a->why, sizeof(a->why), "policy sets %s to %s%s", d->tunable,
                               d->value, victim);
        else
                (void)snprintf(a->why, sizeof(a->why), "%s, confidence %.2f, model %s%s",
                               class_to_string(d->load_class), (double)d->confidence,
                               model ? model : "none", victim);
}

/* --- doing ----------------------------------------------------------------------------------- */

static int note_done(Action *a, uint64_t id) {
        uint64_t *done = reallocarray(a->done, a->n_done + 1, sizeof(*done));

        if (!done)
                return -ENOMEM;
        done[a->n_done++] = id;
        a->done = done;
        return 0;
}

static const LedgerEntry *find_id(const Executor *x, uint64_t id) {
        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->id == id)
                        return e;
        }
        return NULL;
}

/* All or nothing: what this action changed so far is put back, newest first. */
static void undo(Action *a, LedgerState state) {
        for (size_t i = a->n_done; i > 0; i--) {
                const LedgerEntry *e = find_id(a->x, a->done[i - 1]);
                char value[ACTUATOR_VALUE_MAX];
                const Actuator *actuator;
                ActuatorTarget t;

                if (!e)
                        continue;
                actuator = actuator_find(e->actuator);
                t = entry_target(e);
                if (state == LEDGER_UNDONE && actuator->read(&a->x->context, &t, value) >= 0 &&
                    streq(value, e->new_value) && !streq(value, e->old_value))
                        (void)actuator->apply(&a->x->context, &t, e->old_value);
                (void)ledger_end(a->x->ledger, e->id, state);
        }
        a->n_done = 0;
}

/* Returns 0, -ESRCH where that thread is gone (its entry is ended), or -errno with the text set. */
static int apply_entry(Action *a, const LedgerEntry *e) {
        const Actuator *actuator = actuator_find(e->actuator);
        char value[ACTUATOR_VALUE_MAX];
        ActuatorTarget t = entry_target(e);
        int r;

        if (streq(e->old_value, e->new_value))
                return 0;
        r = actuator->apply(&a->x->context, &t, e->new_value);
        if (r >= 0)
                r = actuator->read(&a->x->context, &t, value);
        if (r == -ESRCH) {
                (void)ledger_end(a->x->ledger, e->id, LEDGER_GONE);
                return r;
        }
        if (r < 0)
                return error_set(a->error, r, "cannot set %s of %s%s to \"%s\": %s", e->actuator,
                                 e->path ? "/" : "process ", e->path ? e->path : e->comm,
                                 e->new_value, strerror(-r));
        if (!streq(value, e->new_value)) {
                a->without_effect = streq(value, e->old_value);
                return error_set(a->error, -EIO,
                                 "%s of %s%s was set to \"%s\", but it reads \"%s\"", e->actuator,
                                 e->path ? "/" : "process ", e->path ? e->path : e->comm,
                                 e->new_value, value);
        }
        return 0;
}

/* Ledger first, then the changes. Returns how many entries there were, or -errno. */
static int carry_out_plan(Action *a, Plan *p) {
        int r;

        if (a->number == 0 && p->n > 0) {
                a->number = ledger_new_action(a->x->ledger);
                for (size_t i = 0; i < p->n; i++)
                        p->entries[i].action = a->number;
        }
        r = ledger_begin(a->x->ledger, p->entries, p->n);
        if (r < 0)
                return error_set(a->error, r,
                                 "nothing is changed, because the ledger cannot be written: %s",
                                 strerror(-r));
        for (size_t i = 0; i < p->n; i++) {
                r = note_done(a, p->entries[i].id);
                if (r < 0) {
                        for (; i < p->n; i++)
                                (void)ledger_end(a->x->ledger, p->entries[i].id, LEDGER_UNDONE);
                        return r;
                }
        }
        for (size_t i = 0; i < p->n; i++) {
                r = apply_entry(a, &p->entries[i]);
                if (r < 0 && r != -ESRCH)
                        return r;
                a->n_held += r >= 0;
        }
        return (int)p->n;
}

/* Reads a target and adds what the treatment makes of it. Returns 1 where something changes. */
static int plan_target(Action *a, Plan *p, const Actuator *actuator, const ActuatorTarget *t,
                       char value[ACTUATOR_VALUE_MAX]) {
        char new[ACTUATOR_VALUE_MAX];
        const LedgerEntry *shared;
        int r;

        r = actuator->read(&a->x->context, t, value);
        if (r < 0)
                return r;
        r = actuator->plan(&a->x->context, &a->decision->treatment, value, new);
        if (r < 0)
                return r;
        if (r == 0 && actuator->stand_in) {
                shared = find_shared(a->x, actuator, value);
                if (!shared || find_entry(a->x, actuator, t->pid, t->tid, a->decision->start))
                        return 0;
                r = plan_add(p, a, actuator, t, shared->old_value, value);
                return r < 0 ? r : 1;
        }
        if (r == 0)
                return 0;
        r = plan_add(p, a, actuator, t, value, new);
        return r < 0 ? r : 1;
}

static bool plan_writes(const Plan *p, const Actuator *actuator, const char *value) {
        for (size_t i = 0; i < p->n; i++)
                if (streq(p->entries[i].actuator, actuator->name) &&
                    streq(p->entries[i].new_value, value))
                        return true;
        return false;
}

/*
 * The threads of one actuator. In the first pass, before anything is changed, a thread that already
 * has what others will get is written down as well: later it could not be told from one that
 * inherited the value and must be put back.
 */
static int plan_threads(Action *a, Plan *p, const Actuator *actuator, const pid_t *tids, size_t n,
                        bool first) {
        char value[ACTUATOR_VALUE_MAX];
        size_t n_before = p->n;
        bool any_same = false;
        int r;

        for (size_t i = 0; i < n; i++) {
                ActuatorTarget t = {.pid = a->decision->pid, .tid = tids[i]};

                r = plan_target(a, p, actuator, &t, value);
                if (r == -ESRCH)
                        continue;
                if (r < 0)
                        return error_set(a->error, r, "cannot read %s of thread %d: %s",
                                         actuator->name, t.tid, strerror(-r));
                any_same = any_same || r == 0;
        }
        if (!first || !any_same || p->n == n_before)
                return 0;
        for (size_t i = 0; i < n; i++) {
                ActuatorTarget t = {.pid = a->decision->pid, .tid = tids[i]};

                if (actuator->read(&a->x->context, &t, value) < 0 ||
                    !plan_writes(p, actuator, value) ||
                    find_entry(a->x, actuator, t.pid, t.tid, a->decision->start))
                        continue;
                r = plan_add(p, a, actuator, &t, value, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One pass over all threads. Returns how many entries were carried out, or -errno. */
static int pass_threads(Action *a, bool first) {
        _cleanup_(plan_done)
        Plan p = {0};
        _cleanup_free_
        pid_t *tids = NULL;
        size_t n = 0;
        int r;

        r = proc_list_threads(a->x->context.root_fd, a->decision->pid, &tids, &n);
        for (size_t i = 0; r >= 0 && actuator_all[i]; i++)
                if (actuator_all[i]->level == ACTUATOR_THREAD &&
                    (actuator_all[i]->fields & a->decision->treatment.set) &&
                    actuator_works(a->x, actuator_all[i]))
                        r = plan_threads(a, &p, actuator_all[i], tids, n, first);
        return r < 0 ? r : carry_out_plan(a, &p);
}

static int do_processes(Action *a) {
        for (size_t i = 0; actuator_all[i]; i++) {
                _cleanup_(plan_done)
                Plan p = {0};
                ActuatorTarget t = {.pid = a->decision->pid};
                char value[ACTUATOR_VALUE_MAX];
                int r;

                if (actuator_all[i]->level != ACTUATOR_PROCESS ||
                    !(actuator_all[i]->fields & a->decision->treatment.set) ||
                    !actuator_works(a->x, actuator_all[i]))
                        continue;
                r = plan_target(a, &p, actuator_all[i], &t, value);
                if (r == -ENOTTY || r == -EBUSY)
                        continue; /* without effect on this process, or not ours to move */
                if (r >= 0)
                        r = carry_out_plan(a, &p);
                if (r < 0)
                        return error_set(a->error, r, "cannot change %s: %s", actuator_all[i]->name,
                                         strerror(-r));
        }
        return 0;
}

static void survey(Action *a) {
        for (size_t i = 0; actuator_all[i]; i++) {
                if (!(actuator_all[i]->fields & a->decision->treatment.set))
                        continue;
                if (actuator_works(a->x, actuator_all[i]))
                        a->any_works = true;
                else {
                        a->any_inert = true;
                        if (!a->any_works)
                                (void)error_set(a->error, 0, "%s: %s", actuator_all[i]->name,
                                                a->x->probe_text[i].text);
                }
        }
        if (a->any_works && a->error)
                a->error->text[0] = '\0';
}

/* True where a value that we wrote is neither ours any more nor what was there before us. */
static bool is_foreign(Action *a) {
        bool foreign = false;

        for (size_t i = ledger_count(a->x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(a->x->ledger, i - 1, false);
                const Actuator *actuator = actuator_find(e->actuator);
                char value[ACTUATOR_VALUE_MAX];
                ActuatorTarget t;

                if (e->pid != a->decision->pid || e->start != a->decision->start || !actuator ||
                    !(actuator->fields & a->decision->treatment.set))
                        continue;
                t = entry_target(e);
                if (actuator->read(&a->x->context, &t, value) < 0 || streq(value, e->new_value))
                        continue;
                if (streq(value, e->old_value)) {
                        (void)ledger_end(a->x->ledger, e->id, LEDGER_RESTORED);
                        continue;
                }
                (void)error_set(a->error, 0, "%s of %s is \"%s\", and we had set \"%s\"",
                                e->actuator, e->comm, value, e->new_value);
                (void)ledger_end(a->x->ledger, e->id, LEDGER_FOREIGN);
                foreign = true;
        }
        return foreign;
}

static Outcome apply_decision(Action *a) {
        const Decision *d = a->decision;
        _cleanup_close_
        int pidfd = -EBADF;
        ProcStat s;
        int r;

        r = identity_open(a->x->context.root_fd, d->pid, d->start, &pidfd);
        if (r == -ESRCH)
                return OUTCOME_VANISHED;
        if (r >= 0)
                r = proc_stat_read(a->x->context.root_fd, d->pid, &s);
        if (r == -ESRCH)
                return OUTCOME_VANISHED;
        if (r < 0) {
                (void)error_set(a->error, r, "cannot look at process %d: %s", d->pid, strerror(-r));
                return OUTCOME_FAILED;
        }
        if (d->pid <= 1 || d->pid == getpid() || s.kernel_thread) {
                (void)error_set(a->error, 0, "process %d is never changed", d->pid);
                return OUTCOME_FAILED;
        }
        survey(a);
        if (!a->any_works)
                return a->any_inert ? OUTCOME_INERT : OUTCOME_NOTHING;
        if (is_foreign(a))
                return OUTCOME_FOREIGN;

        for (int pass = 0; pass < EXECUTOR_PASSES; pass++) {
                r = pass_threads(a, pass == 0);
                if (r <= 0)
                        break;
        }
        if (r >= 0)
                r = do_processes(a);
        if (r == -ESRCH || identity_check(pidfd) == -ESRCH) {
                undo(a, LEDGER_GONE);
                return OUTCOME_VANISHED;
        }
        if (r < 0) {
                undo(a, LEDGER_UNDONE);
                return a->without_effect ? OUTCOME_INERT : OUTCOME_FAILED;
        }
        return a->n_held > 0 ? OUTCOME_DONE : OUTCOME_NOTHING;
}

/* --- machine-wide knobs ---------------------------------------------------------------------- */

static Outcome tune_file(Action *a, const Tunable *tunable, const char *path) {
        _cleanup_(plan_done)
        Plan p = {0};
        ActuatorTarget t = {.path = path};
        char value[ACTUATOR_VALUE_MAX];
        int r;

        r = actuator_knob.read(&a->x->context, &t, value);
        if (r == -ESRCH)
                return OUTCOME_INERT;
        if (r < 0) {
                (void)error_set(a->error, r, "cannot read /%s: %s", path, strerror(-r));
                return OUTCOME_FAILED;
        }
        for (size_t i = ledger_count(a->x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(a->x->ledger, i - 1, false);

                if (!e->path || !streq(e->path, path) || streq(value, e->new_value))
                        continue;
                if (!streq(value, e->old_value)) {
                        (void)error_set(a->error, 0, "/%s is \"%s\", and we had set \"%s\"", path,
                                        value, e->new_value);
                        (void)ledger_end(a->x->ledger, e->id, LEDGER_FOREIGN);
                        return OUTCOME_FOREIGN;
                }
                (void)ledger_end(a->x->ledger, e->id, LEDGER_RESTORED);
        }
        if (streq(value, a->decision->value))
                return OUTCOME_NOTHING;
        /* A number that the table does not hold may be more than it seems: vm.dirty_ratio is 0
         * while vm.dirty_bytes rules, and setting it clears that for good. */
        if (tunable->kind == TUNABLE_NUMBER && tunable_check(tunable, value, NULL) < 0) {
                (void)error_set(a->error, 0, "/%s is %s, which could not be put back; left alone",
                                path, value);
                return OUTCOME_INERT;
        }
        r = plan_add(&p, a, &actuator_knob, &t, value, a->decision->value);
        if (r >= 0)
                r = carry_out_plan(a, &p);
        if (r < 0) {
                undo(a, LEDGER_UNDONE);
                return a->without_effect ? OUTCOME_INERT : OUTCOME_FAILED;
        }
        a->n_done = 0; /* another device's refusal does not take this one back */
        return r > 0 ? OUTCOME_DONE : OUTCOME_INERT;
}

/* What of several files to report: a change above all, then what needs somebody's attention. */
static Outcome weigh(Outcome a, Outcome b) {
        static const int rank[_OUTCOME_COUNT] = {
                [OUTCOME_DONE] = 5,    [OUTCOME_FOREIGN] = 4, [OUTCOME_FAILED] = 3,
                [OUTCOME_NOTHING] = 2, [OUTCOME_INERT] = 1,
        };

        return rank[a] >= rank[b] ? a : b;
}

/* The '*' of a tunable's path stands for one name: a device, a CPU. */
static Outcome tune_decision(Action *a) {
        const Tunable *tunable = tunable_find(a->decision->tunable);
        char folder[PATH_MAX], pattern[256];
        const char *star, *end;
        Outcome outcome = OUTCOME_INERT;
        size_t n;
        DIR *dir;
        int fd;

        if (!tunable) {
                (void)error_set(a->error, 0, "%s is not in the table of tunables",
                                a->decision->tunable);
                return OUTCOME_FAILED;
        }
        if (tunable_check(tunable, a->decision->value, a->error) < 0)
                return OUTCOME_FAILED;
        star = strchr(tunable->path, '*');
        if (!star)
                return tune_file(a, tunable, tunable->path);
        n = (size_t)(star - tunable->path);
        while (n > 0 && tunable->path[n - 1] != '/')
                n--;
        end = strchrnul(star, '/');
        (void)snprintf(folder, sizeof(folder), "%.*s.", (int)n, tunable->path);
        (void)snprintf(pattern, sizeof(pattern), "%.*s", (int)(end - tunable->path - n),
                       tunable->path + n);
        fd = openat(a->x->context.root_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                (void)error_set(a->error, 0, "/%s is not there", tunable->path);
                if (fd >= 0)
                        close(fd);
                return OUTCOME_INERT;
        }
        for (struct dirent *d; (d = readdir(dir));) {
                char path[PATH_MAX];

                if (d->d_name[0] == '.' || fnmatch(pattern, d->d_name, FNM_PERIOD) != 0)
                        continue;
                (void)snprintf(path, sizeof(path), "%.*s%s%s", (int)n, tunable->path, d->d_name,
                               end);
                outcome = weigh(outcome, tune_file(a, tunable, path));
        }
        (void)closedir(dir);
        return outcome;
}

static Outcome untune_decision(Action *a) {
        const Tunable *tunable = tunable_find(a->decision->tunable);
        Outcome outcome = OUTCOME_NOTHING;

        for (size_t i = ledger_count(a->x->ledger, false); tunable && i > 0; i--) {
                const LedgerEntry *e = ledger_get(a->x->ledger, i - 1, false);

                if (!e->path || e->pid != 0 || fnmatch(tunable->path, e->path, FNM_PATHNAME) != 0)
                        continue;
                a->number = e->action;
                outcome = weigh(outcome, restore_one(a->x, e->id, a->error));
        }
        return outcome;
}

/* --- forks ----------------------------------------------------------------------------------- */

/* The parent's entry whose value the child inherited: its leader's where that fits, else that of
 * whichever thread forked. */
static const LedgerEntry *find_origin(const Executor *x, const Actuator *a, pid_t parent,
                                      const char *value) {
        const LedgerEntry *origin = NULL;

        for (size_t i = ledger_count(x->ledger, false); i > 0; i--) {
                const LedgerEntry *e = ledger_get(x->ledger, i - 1, false);

                if (e->pid != parent || !streq(e->actuator, a->name) ||
                    !streq(e->new_value, value) || streq(e->old_value, e->new_value))
                        continue;
                if (e->tid == parent || e->tid == 0)
                        return e;
                origin = e;
        }
        return origin;
}

static bool has_entries(const Executor *x, pid_t pid) {
        for (size_t i = 0; i < ledger_count(x->ledger, false); i++)
                if (ledger_get(x->ledger, i, false)->pid == pid)
                        return true;
        return false;
}

static int adopt_target(Action *a, Plan *p, const Actuator *actuator, const ActuatorTarget *t,
                        pid_t parent) {
        char value[ACTUATOR_VALUE_MAX];
        const LedgerEntry *origin;
        int r;

        if (find_entry(a->x, actuator, t->pid, t->tid, a->decision->start) ||
            actuator->read(&a->x->context, t, value) < 0)
                return 0;
        origin = find_origin(a->x, actuator, parent, value);
        if (!origin)
                return 0;
        a->number = origin->action; /* rolled back with it */
        r = plan_add(p, a, actuator, t, origin->old_value, value);
        if (r >= 0 && p->entries[p->n - 1].comm[0] == '\0')
                memcpy(p->entries[p->n - 1].comm, origin->comm, sizeof(origin->comm));
        return r;
}

static Outcome adopt_decision(Action *a) {
        _cleanup_(plan_done)
        Plan p = {0};
        _cleanup_free_
        pid_t *tids = NULL;
        _cleanup_close_
        int pidfd = -EBADF;
        const Decision *d = a->decision;
        size_t n = 0;
        int r;

        if (!has_entries(a->x, d->parent))
                return OUTCOME_NOTHING;
        r = identity_open(a->x->context.root_fd, d->pid, d->start, &pidfd);
        if (r >= 0)
                r = proc_list_threads(a->x->context.root_fd, d->pid, &tids, &n);
        for (size_t i = 0; r >= 0 && actuator_all[i]; i++) {
                const Actuator *actuator = actuator_all[i];

                /* A shared value is not the child's own: it follows the group. */
                if (actuator->level == ACTUATOR_MACHINE || actuator->stand_in ||
                    !actuator_works(a->x, actuator))
                        continue;
                if (actuator->level == ACTUATOR_PROCESS) {
                        ActuatorTarget t = {.pid = d->pid};

                        r = adopt_target(a, &p, actuator, &t, d->parent);
                        continue;
                }
                for (size_t k = 0; r >= 0 && k < n; k++) {
                        ActuatorTarget t = {.pid = d->pid, .tid = tids[k]};

                        r = adopt_target(a, &p, actuator, &t, d->parent);
                }
        }
        if (r == -ESRCH || (r >= 0 && identity_check(pidfd) == -ESRCH))
                return OUTCOME_VANISHED;
        if (r >= 0)
                r = ledger_begin(a->x->ledger, p.entries, p.n);
        if (r < 0) {
                (void)error_set(a->error, r, "cannot write down that %d inherited from %d: %s",
                                d->pid, d->parent, strerror(-r));
                return OUTCOME_FAILED;
        }
        return p.n > 0 || has_entries(a->x, d->pid) ? OUTCOME_DONE : OUTCOME_NOTHING;
}

void executor_note_fork(Executor *x, pid_t parent, pid_t child, uint64_t child_start) {
        Decision d = {.kind = DECISION_ADOPT, .pid = child, .start = child_start, .parent = parent};
        Action a = {.x = x, .decision = &d};

        (void)snprintf(a.why, sizeof(a.why), "inherited from its parent %d by fork", parent);
        (void)adopt_decision(&a);
}

/* --- entry ----------------------------------------------------------------------------------- */

static Outcome release_decision(Action *a) {
        RestoreCount n;

        if (executor_restore(a->x, RESTORE_PID, (uint64_t)a->decision->pid, &n) < 0)
                return OUTCOME_NOTHING;
        if (n.failed > 0) {
                (void)error_set(a->error, 0, "%zu values of %s (%d) could not be put back",
                                n.failed, a->decision->comm, a->decision->pid);
                return OUTCOME_FAILED;
        }
        return n.foreign > 0 ? OUTCOME_FOREIGN : n.restored > 0 ? OUTCOME_DONE : OUTCOME_VANISHED;
}

Outcome executor_carry_out(Executor *x, const Decision *d, const char *model, uint64_t *ret_action,
                           Error *e) {
        Action a = {.x = x, .decision = d, .error = e};
        Outcome outcome = OUTCOME_NOTHING;

        write_why(&a, model);
        switch (d->kind) {
        case DECISION_APPLY:
                outcome = apply_decision(&a);
                break;
        case DECISION_ADOPT:
                (void)snprintf(a.why, sizeof(a.why), "inherited from its parent %d by fork",
                               d->parent);
                outcome = adopt_decision(&a);
                break;
        case DECISION_RELEASE:
                outcome = release_decision(&a);
                break;
        case DECISION_TUNE:
                outcome = tune_decision(&a);
                break;
        case DECISION_UNTUNE:
                outcome = untune_decision(&a);
                break;
        }
        free(a.done);
        if (ret_action)
                *ret_action = a.number;
        return outcome;
}
