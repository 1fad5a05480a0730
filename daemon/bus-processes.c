/* SPDX-License-Identifier: GPL-2.0-or-later */
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
static int append_identity(sd_bus_message *reply, const ProcView *v) {
        const ProcSample *s = &v->sample;
        char group[48];
        int r;

        r = bus_append_u32(reply, "Pid", (uint32_t)s->pid);
        if (r >= 0)
                r = bus_append_u32(reply, "PPid", (uint32_t)s->ppid);
        if (r >= 0 && (s->valid & SAMPLE_UID))
                r = bus_append_u32(reply, "Uid", s->uid);
        if (r >= 0)
                r = bus_append_string(reply, "Comm", s->comm);
        if (r >= 0 && (s->valid & SAMPLE_RSS))
                r = bus_append_u64(reply, "RssBytes", s->rss_bytes);
        if (r >= 0)
                r = bus_append_u32(reply, "Threads", s->n_threads);
        if (r >= 0 && (s->valid & SAMPLE_SCHED))
                r = sd_bus_message_append(reply, "{sv}", "Nice", "i", (int32_t)s->nice);
        if (r >= 0 && (s->valid & SAMPLE_SCHED))
                r = bus_append_string(reply, "Sched", sched_to_string(s->sched_policy));
        if (r >= 0 && v->ident && v->ident->unit[0])
                r = bus_append_string(reply, "Unit", v->ident->unit);
        if (r >= 0 && (s->valid & SAMPLE_GROUP)) {
                group_format(s, group, sizeof(group));
                r = bus_append_string(reply, "Group", group);
        }
        return r;
}

/* open: the caller may see what the kernel keeps from other users. */
static int append_row(sd_bus_message *reply, const ProcView *v, bool open) {
        const ProcSample *s = &v->sample;
        int r;

        r = append_identity(reply, v);
        if (r >= 0)
                r = bus_append_string(reply, "Class", class_to_string(v->load_class));
        if (r >= 0)
                r = bus_append_double(reply, "Confidence", (double)v->confidence);
        if (r >= 0 && (s->valid & SAMPLE_EXEC))
                r = bus_append_double(reply, "Cpu", (double)v->cpu_share);
        if (r >= 0 && (s->valid & SAMPLE_DELAY))
                r = bus_append_double(reply, "Delay", (double)v->delay_share);
        if (r >= 0 && (s->valid & SAMPLE_BLOCK) && open)
                r = bus_append_double(reply, "IoBytes", (double)v->io_bytes_rate);
        if (r >= 0)
                r = bus_append_string(reply, "Verdict", verdict_to_string(v->verdict));
        if (r >= 0)
                r = bus_append_bool(reply, "Treated", v->treated);
        if (r >= 0)
                r = bus_append_bool(reply, "Dormant", v->dormant);
        return r;
}

int bus_processes_list(sd_bus_message *request, Manager *m, const Caller *caller,
                       sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        int r;

        manager_note_watched(m);
        r = sd_bus_message_new_method_return(request, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < pipeline_count(m->pipeline); i++) {
                ProcView view;

                pipeline_get_proc(m->pipeline, i, &view);
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
                if (r >= 0)
                        r = append_row(reply, &view,
                                       owner_may_inspect(m, caller->uid, &view.sample));
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* "Key": variant a{sd} of n values, of which shown is true; NULL: all. */
static int append_numbers(sd_bus_message *reply, const char *key, const char *(*name)(size_t index),
                          const float *values, size_t n, bool (*shown)(size_t index)) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "a{sd}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sd}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!shown || shown(i))
                        r = sd_bus_message_append(reply, "{sd}", name(i), (double)values[i]);
        for (int depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(reply);
        return r;
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

static int append_entries(sd_bus_message *reply, const Ledger *l, pid_t pid) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "Entries");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < ledger_count(l, /* all= */ true); i++) {
                const LedgerEntry *entry = ledger_get(l, i, /* all= */ true);

                if (entry->pid == pid)
                        r = bus_append_entry(reply, entry);
        }
        for (int depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(reply);
        return r;
}

/* Which group it is and why that one: what every weight and nice value is measured against. */
static int append_group(sd_bus_message *reply, const ProcView *v) {
        const ProcSample *s = &v->sample;
        char path[sizeof(v->ident->cgroup)] = "", text[sizeof(path) + 128];
        int r = 0;

        if (v->ident && v->ident->group_length > 0)
                snprintf(path, sizeof(path), "%.*s", v->ident->group_length, v->ident->cgroup);
        if (path[0])
                r = bus_append_string(reply, "GroupPath", path);
        if (r < 0 || !(s->valid & SAMPLE_GROUP))
                return r;
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
        return bus_append_string(reply, "GroupReason", text);
}

static int append_prior(sd_bus_message *reply, const ProcView *v) {
        int r = bus_append_double(reply, "PriorWeight", (double)v->prior_weight);

        if (r >= 0)
                r = bus_append_u32(reply, "PriorProcesses", v->prior_processes);
        return r < 0 ? r : bus_append_bool(reply, "PriorOtherBuild", v->prior_other_build);
}

static int append_reasons(sd_bus_message *reply, const Manager *m, const ProcView *v, bool open) {
        PipelineStatus status;
        int r = 0;

        pipeline_get_status(m->pipeline, &status);
        if (open && v->ident && v->ident->exe[0])
                r = bus_append_string(reply, "Exe", v->ident->exe);
        if (r >= 0 && v->ident && v->ident->cgroup[0])
                r = bus_append_string(reply, "Cgroup", v->ident->cgroup);
        if (r >= 0)
                r = append_group(reply, v);
        if (r >= 0 && v->lowered)
                r = bus_append_string(reply, "LoweredUnit", v->lowered);
        if (r >= 0 && v->rule)
                r = bus_append_string(reply, "Rule", v->rule);
        if (r >= 0)
                r = bus_append_string(reply, "VerdictSentence", verdict_sentence(v->verdict));
        if (r >= 0)
                r = bus_append_u64(reply, "VerdictForUSec",
                                   status.at > v->verdict_since ? status.at - v->verdict_since : 0);
        if (r >= 0 && v->brood)
                r = bus_append_bool(reply, "Brood", true);
        if (r >= 0 && v->churn_share > 0)
                r = bus_append_double(reply, "Churn", (double)v->churn_share);
        if (r >= 0 && v->prior_weight > 0)
                r = append_prior(reply, v);
        if (r >= 0 && v->victim > 0)
                r = bus_append_u32(reply, "Victim", (uint32_t)v->victim);
        if (r >= 0 && v->victim > 0)
                r = bus_append_string(reply, "VictimComm", v->victim_comm);
        if (r >= 0 && v->victim > 0)
                r = bus_append_u32(reply, "VictimDelayUSec", v->victim_delay);
        if (r >= 0)
                r = bus_append_string(reply, "Model", m->model->name);
        return r;
}

int bus_processes_explain(sd_bus_message *request, Manager *m, const Caller *caller,
                          sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
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
        r = sd_bus_message_new_method_return(request, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = append_row(reply, &view, open);
        if (r >= 0)
                r = append_reasons(reply, m, &view, open);
        if (r >= 0)
                r = append_numbers(reply, "Probabilities", class_name, view.prediction.probability,
                                   _CLASS_COUNT, /* shown= */ NULL);
        if (r >= 0)
                r = append_numbers(reply, "Features", feature_name, view.row, FEATURE_COUNT,
                                   open ? NULL : feature_is_open);
        if (r >= 0)
                r = append_entries(reply, m->ledger, (pid_t)pid);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
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
