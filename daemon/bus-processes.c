/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Processes: what is known of each process, and why it is dealt with as it is. */
#include <errno.h>
#include <sched.h>

#include "daemon/bus-method.h"
#include "daemon/bus.h"
#include "daemon/owner.h"

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif
#define SCHED_EXTENSIBLE 7

static const char *sched_to_string(uint8_t policy) {
        static const char *const names[] = {
                [SCHED_OTHER] = "other",    [SCHED_FIFO] = "fifo", [SCHED_RR] = "rr",
                [SCHED_BATCH] = "batch",    [SCHED_IDLE] = "idle", [SCHED_DEADLINE] = "deadline",
                [SCHED_EXTENSIBLE] = "ext",
        };

        return policy < ELEMENTSOF(names) && names[policy] ? names[policy] : "unknown";
}

static void group_format(const ProcSample *s, char *buffer, size_t size) {
        switch ((SchedGroupKind)s->group_kind) {
        case SCHED_GROUP_AUTOGROUP:
                snprintf(buffer, size, "autogroup-%" PRIu64, s->group_id);
                break;
        case SCHED_GROUP_CGROUP:
                snprintf(buffer, size, "cgroup-%" PRIu64, s->group_id);
                break;
        default:
                snprintf(buffer, size, "root");
                break;
        }
}

/* Who it is and how it is scheduled. */
static void append_identity(Reply *reply, const ProcView *v) {
        const ProcSample *s = &v->sample;
        char group[48];

        reply_put_u32(reply, "Pid", (uint32_t)s->pid);
        reply_put_u32(reply, "PPid", (uint32_t)s->ppid);
        if (s->valid & SAMPLE_UID)
                reply_put_u32(reply, "Uid", s->uid);
        reply_put_string(reply, "Comm", s->comm);
        if (s->valid & SAMPLE_RSS)
                reply_put_u64(reply, "RssBytes", s->rss_bytes);
        reply_put_u32(reply, "Threads", s->n_threads);
        if (s->valid & SAMPLE_SCHED) {
                reply_put(reply, "Nice", "i", (int32_t)s->nice);
                reply_put_string(reply, "Sched", sched_to_string(s->sched_policy));
        }
        if (v->ident && v->ident->unit[0])
                reply_put_string(reply, "Unit", v->ident->unit);
        if (s->valid & SAMPLE_GROUP) {
                group_format(s, group, sizeof(group));
                reply_put_string(reply, "Group", group);
        }
}

/* open: the caller may see what the kernel keeps from other users. */
static void append_row(Reply *reply, const ProcView *v, bool open) {
        const ProcSample *s = &v->sample;

        append_identity(reply, v);
        reply_put_string(reply, "Class", class_to_string(v->load_class));
        reply_put_double(reply, "Confidence", (double)v->confidence);
        if (s->valid & SAMPLE_EXEC)
                reply_put_double(reply, "Cpu", (double)v->cpu_share);
        if (s->valid & SAMPLE_DELAY)
                reply_put_double(reply, "Delay", (double)v->delay_share);
        if ((s->valid & SAMPLE_BLOCK) && open)
                reply_put_double(reply, "IoBytes", (double)v->io_bytes_rate);
        reply_put_string(reply, "Verdict", verdict_to_string(v->verdict));
        reply_put_bool(reply, "Treated", v->treated);
        reply_put_bool(reply, "Dormant", v->dormant);
}

int bus_processes_list(sd_bus_message *request, Manager *m, const Caller *caller,
                       sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};

        manager_note_watched(m);
        reply = reply_begin(request, "a{sv}");
        for (size_t i = 0; i < pipeline_count(m->pipeline); i++) {
                ProcView view;

                pipeline_get_proc(m->pipeline, i, &view);
                reply_open_row(&reply);
                append_row(&reply, &view, owner_may_inspect(m, caller->uid, &view.sample));
                reply_close_row(&reply);
        }
        return reply_send(&reply);
}

/* "Key": variant a{sd} of n values, of which shown is true; NULL: all. */
static void append_numbers(Reply *reply, const char *key, const char *(*name)(size_t index),
                           const float *values, size_t n, bool (*shown)(size_t index)) {
        reply_open_array(reply, key, "{sd}");
        for (size_t i = 0; i < n; i++)
                if (!shown || shown(i))
                        reply_append(reply, "{sd}", name(i), (double)values[i]);
        reply_close_array(reply);
}

static const char *class_name(size_t index) {
        return class_to_string((LoadClass)index);
}

static const char *feature_name(size_t index) {
        return feature_table[index].name;
}

/* Not made of the counters in /proc/PID/io. */
static bool feature_is_open(size_t index) {
        return !(feature_table[index].needs & (SAMPLE_CHARS | SAMPLE_BLOCK));
}

static void append_entries(Reply *reply, const Ledger *l, pid_t pid) {
        reply_open_array(reply, "Entries", "a{sv}");
        for (size_t i = 0; i < ledger_count(l, /* all= */ true); i++) {
                const LedgerEntry *entry = ledger_get(l, i, /* all= */ true);

                if (entry->pid == pid)
                        bus_append_entry(reply, entry);
        }
        reply_close_array(reply);
}

/* Which group it is and why that one: what every weight and nice value is measured against. */
static void append_group(Reply *reply, const ProcView *v) {
        const ProcSample *s = &v->sample;
        char path[sizeof(v->ident->cgroup)] = "", text[sizeof(path) + 128];

        if (v->ident && v->ident->group_length > 0)
                snprintf(path, sizeof(path), "%.*s", v->ident->group_length, v->ident->cgroup);
        if (path[0])
                reply_put_string(reply, "GroupPath", path);
        if (!(s->valid & SAMPLE_GROUP))
                return;
        switch ((SchedGroupKind)s->group_kind) {
        case SCHED_GROUP_CGROUP:
                snprintf(text, sizeof(text), "control group %s has the cpu controller",
                         path[0] ? path : "of its own");
                break;
        case SCHED_GROUP_AUTOGROUP:
                snprintf(text, sizeof(text),
                         "autogroup of session %d: no control group of it has the cpu controller, "
                         "and kernel.sched_autogroup_enabled is 1",
                         s->sid);
                break;
        default:
                snprintf(text, sizeof(text),
                         "root group: no control group of it has the cpu controller, and it is in "
                         "no autogroup");
                break;
        }
        reply_put_string(reply, "GroupReason", text);
}

static void append_prior(Reply *reply, const ProcView *v) {
        reply_put_double(reply, "PriorWeight", (double)v->prior_weight);
        reply_put_u32(reply, "PriorProcesses", v->prior_processes);
        reply_put_bool(reply, "PriorOtherBuild", v->prior_other_build);
}

static void append_reasons(Reply *reply, const Manager *m, const ProcView *v, bool open) {
        PipelineStatus status;

        pipeline_get_status(m->pipeline, &status);
        if (open && v->ident && v->ident->exe[0])
                reply_put_string(reply, "Exe", v->ident->exe);
        if (v->ident && v->ident->cgroup[0])
                reply_put_string(reply, "Cgroup", v->ident->cgroup);
        append_group(reply, v);
        if (v->lowered)
                reply_put_string(reply, "LoweredUnit", v->lowered);
        if (v->rule)
                reply_put_string(reply, "Rule", v->rule);
        reply_put_string(reply, "VerdictSentence", verdict_sentence(v->verdict));
        reply_put_u64(reply, "VerdictForUSec",
                      status.at > v->verdict_since ? status.at - v->verdict_since : 0);
        if (v->brood)
                reply_put_bool(reply, "Brood", true);
        if (v->churn_share > 0)
                reply_put_double(reply, "Churn", (double)v->churn_share);
        if (v->prior_weight > 0)
                append_prior(reply, v);
        if (v->victim > 0) {
                reply_put_u32(reply, "Victim", (uint32_t)v->victim);
                reply_put_string(reply, "VictimComm", v->victim_comm);
                reply_put_u32(reply, "VictimDelayUSec", v->victim_delay);
        }
        reply_put_string(reply, "Model", m->model->name);
}

int bus_processes_explain(sd_bus_message *request, Manager *m, const Caller *caller,
                          sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};
        ProcView view;
        uint32_t pid;
        bool open;
        int r;

        r = sd_bus_message_read(request, "u", &pid);
        if (r < 0)
                return r;
        if (pid == 0 || pid > INT32_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%u is not a process id",
                                         pid);
        manager_note_watched(m);
        if (pipeline_find_proc(m->pipeline, (pid_t)pid, &view) < 0)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_PROCESS,
                                         "process %u is not there", pid);
        open = owner_may_inspect(m, caller->uid, &view.sample);
        reply = reply_begin(request, "{sv}");
        append_row(&reply, &view, open);
        append_reasons(&reply, m, &view, open);
        append_numbers(&reply, "Probabilities", class_name, view.prediction.probability,
                       _CLASS_COUNT, /* shown= */ NULL);
        append_numbers(&reply, "Features", feature_name, view.row, FEATURE_COUNT,
                       open ? NULL : feature_is_open);
        append_entries(&reply, m->ledger, (pid_t)pid);
        return reply_send(&reply);
}

const sd_bus_vtable bus_processes_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", processes),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("u", pid),
                                SD_BUS_RESULT("a{sv}", explanation), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
