/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "collectors/proc-status-parse.h"
#include "daemon/process.h"
#include "policy/scope.h"
#include "util/io.h"

/* 0, -ESRCH or -errno. Where the number passed to another process in between, that shows. */
static int read_owner(int root_fd, pid_t pid, uid_t *ret_uid, uint64_t *ret_start) {
        ProcStat before, after;
        ProcStatus status;
        char path[64], text[4096];
        ssize_t n;
        int r;

        r = proc_stat_read(root_fd, pid, &before);
        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "proc/%d/status", pid);
        n = io_read_at(root_fd, path, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        proc_status_parse(text, &status);
        if (!status.has_uid)
                return -ENODATA;
        r = proc_stat_read(root_fd, pid, &after);
        if (r < 0)
                return r;
        if (after.start != before.start)
                return -ESRCH;
        *ret_uid = status.uid;
        *ret_start = before.start;
        return 0;
}

bool owner_has_process(const Manager *m, uid_t uid, pid_t pid, uint64_t start) {
        uint64_t now_start;
        uid_t now_uid;

        return read_owner(m->root_fd, pid, &now_uid, &now_start) >= 0 && now_uid == uid &&
               (start == 0 || start == now_start);
}

typedef enum Place { PLACE_UNKNOWN, PLACE_INSIDE, PLACE_OUTSIDE } Place;

static ssize_t find_index(const Sample *s, pid_t pid) {
        const ProcSample *p = sample_find(s, pid);

        return p ? p - s->procs : -1;
}

/* Climbs to what is known already, then writes that down for the whole way: each process is passed
 * once, however deep the tree is. */
static Place find_place(const Sample *s, Place *places, size_t i, pid_t root) {
        Place place = PLACE_OUTSIDE;
        size_t steps = 0;

        for (ssize_t at = (ssize_t)i; at >= 0 && steps <= s->n_procs; steps++) {
                if (places[at] != PLACE_UNKNOWN) {
                        place = places[at];
                        break;
                }
                if (s->procs[at].pid == root) {
                        place = PLACE_INSIDE;
                        break;
                }
                at = find_index(s, s->procs[at].ppid);
        }
        for (ssize_t at = (ssize_t)i; at >= 0 && places[at] == PLACE_UNKNOWN;) {
                places[at] = place;
                at = s->procs[at].pid == root ? -1 : find_index(s, s->procs[at].ppid);
        }
        return place;
}

bool owner_has_tree(const Manager *m, uid_t uid, pid_t root) {
        const Sample *s = &m->sample;
        _cleanup_free_
        Place *places = calloc(s->n_procs + 1, sizeof(*places));

        if (!places || !owner_has_process(m, uid, root, /* start= */ 0))
                return false;
        for (size_t i = 0; i < s->n_procs; i++)
                if (find_place(s, places, i, root) == PLACE_INSIDE &&
                    !((s->procs[i].valid & SAMPLE_UID) && s->procs[i].uid == uid))
                        return false;
        return true;
}

/* No process of another user is in the group of processes that pid is in: its unit, else its
 * cgroup, and its autogroup. */
static bool owns_group(const Manager *m, uid_t uid, pid_t pid) {
        ProcView own, other;

        if (pipeline_find_proc(m->pipeline, pid, &own) < 0 || !own.ident || !own.ident->cgroup[0])
                return false;
        for (size_t i = 0; i < pipeline_count(m->pipeline); i++) {
                bool shared;

                pipeline_get_proc(m->pipeline, i, &other);
                if (other.sample.kthread ||
                    ((other.sample.valid & SAMPLE_UID) && other.sample.uid == uid))
                        continue;
                shared = !other.ident ||
                         (own.ident->unit[0] ? streq(own.ident->unit, other.ident->unit)
                                             : streq(own.ident->cgroup, other.ident->cgroup)) ||
                         (own.sample.group_kind == SCHED_GROUP_AUTOGROUP &&
                          other.sample.group_kind == SCHED_GROUP_AUTOGROUP &&
                          own.sample.group_id == other.sample.group_id);
                if (shared)
                        return false;
        }
        return true;
}

/* What is named here belongs to one process; anything else counts as a group's. */
static bool is_attribute(const LedgerEntry *entry) {
        static const char *const names[] = {"sched", "ioprio", "affinity", "cgroup"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(entry->actuator, names[i]))
                        return true;
        return false;
}

static bool owns_entry(const Manager *m, uid_t uid, const LedgerEntry *entry) {
        uint64_t start = 0;
        uid_t owner = 0;
        int r;

        if (entry->pid <= 0)
                return false;
        r = read_owner(m->root_fd, entry->pid, &owner, &start);
        /* An attribute that is gone with its process harms nobody. */
        if (r == -ESRCH || (r >= 0 && start != entry->start))
                return is_attribute(entry);
        if (r < 0 || owner != uid)
                return false;
        return is_attribute(entry) || owns_group(m, uid, entry->pid);
}

/* A unit that is lowered with the process in it goes back with it: for those alone who share it
 * with nobody. */
static bool owns_lowered_unit(const Manager *m, uid_t uid, pid_t pid) {
        ProcView own, other;

        if (pipeline_find_proc(m->pipeline, pid, &own) < 0 || !own.lowered)
                return true;
        for (size_t i = 0; i < pipeline_count(m->pipeline); i++) {
                pipeline_get_proc(m->pipeline, i, &other);
                if (other.sample.kthread ||
                    ((other.sample.valid & SAMPLE_UID) && other.sample.uid == uid))
                        continue;
                if (!other.ident || cgroup_is_below(other.ident->cgroup, own.lowered))
                        return false;
        }
        return true;
}

bool owner_has_changes(const Manager *m, uid_t uid, RestoreWhat what, uint64_t number) {
        size_t n = ledger_count(m->ledger, /* all= */ false), found = 0;

        if (what == RESTORE_ALL)
                return false;
        if (what == RESTORE_PID && (number == 0 || number > INT32_MAX ||
                                    !owner_has_process(m, uid, (pid_t)number, /* start= */ 0) ||
                                    !owns_lowered_unit(m, uid, (pid_t)number)))
                return false;
        for (size_t i = 0; i < n; i++) {
                const LedgerEntry *entry = ledger_get(m->ledger, i, /* all= */ false);

                if (what == RESTORE_PID ? entry->pid != (pid_t)number : entry->action != number)
                        continue;
                found++;
                if (!owns_entry(m, uid, entry))
                        return false;
        }
        return what == RESTORE_PID || found > 0;
}

/* proc gives the files that only the owner may read to root where the process changed its rights or
 * may not be traced: what was read there of people's passwords once. */
bool owner_may_inspect(const Manager *m, uid_t uid, const ProcSample *s) {
        struct stat st;
        char path[64];

        if (uid == 0)
                return true;
        if (!(s->valid & SAMPLE_UID) || s->uid != uid)
                return false;
        snprintf(path, sizeof(path), "proc/%d/environ", s->pid);
        return fstatat(m->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == uid;
}
