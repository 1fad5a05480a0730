/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Manager: how the daemon does, its mode, and trials. */
#include <errno.h>
#include <fcntl.h>

#include "daemon/bus-method.h"
#include "daemon/bus.h"
#include "daemon/manager-model.h"
#include "util/io.h"

static void append_mode(Reply *reply, const Manager *m) {
        reply_put_string(reply, "Version", AIKM_VERSION);
        reply_put_string(reply, "Mode", mode_to_string(m->policy.mode));
        reply_put_u32(reply, "TrialRoot", (uint32_t)m->trial.root);
        if (m->trial.root > 0)
                reply_put_string(reply, "TrialMode", mode_to_string(m->trial.mode));
        reply_put_string(reply, "PolicyError", m->policy_error);
}

static void append_feed(Reply *reply, const Manager *m) {
        FeedStatus feed;

        feed_get_status(m->feed, &feed);
        reply_put_u32(reply, "Recorder", (uint32_t)feed.client);
        reply_put_u64(reply, "RecorderLostTicks", feed.lost);
}

static void append_sources(Reply *reply, const Manager *m) {
        bool bpf = collector_source(m->collector) == SAMPLE_SOURCE_BPF;

        reply_put_string(reply, "Source", bpf ? "bpf" : "proc");
        reply_put_string(reply, "SourceReason", collector_reason(m->collector));
        reply_put_string(reply, "Events", m->events ? "bpf" : "scan");
        reply_put_string(reply, "EventsReason", m->events_reason);
        reply_put_u64(reply, "LostEvents", m->events_lost);
        reply_put_u64(reply, "Rescans", m->rescans);
        append_feed(reply, m);
}

static void append_model(Reply *reply, const Manager *m) {
        reply_put_string(reply, "Model", m->model->name);
        reply_put_string(reply, "ModelVersion", m->model->version);
        reply_put_string(reply, "ModelDigest", m->model->digest);
        reply_put_string(reply, "ModelReason", m->model_reason);
        reply_put_string(reply, "ModelChosenBy", manager_model_chosen_by(m));
}

/* The second word of statm is the resident size in pages. */
static uint64_t resident_bytes(void) {
        uint64_t pages = 0;
        char text[128], *word, *rest = text;

        if (io_read_at(AT_FDCWD, "/proc/self/statm", text, sizeof(text)) < 0)
                return 0;
        (void)strsep(&rest, " ");
        word = strsep(&rest, " ");
        if (!word || parse_u64(word, 0, UINT32_MAX, &pages) < 0)
                return 0;
        return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void append_pace(Reply *reply, const Manager *m) {
        reply_put_u64(reply, "IntervalUSec", m->policy.thresholds.interval);
        reply_put_u64(reply, "IntervalMaxUSec", m->policy.thresholds.interval_max);
        reply_put_u64(reply, "PauseUSec", m->pace.interval);
        reply_put_string(reply, "Pace", pace_reason_to_string(m->pace.reason));
        reply_put_string(reply, "PaceSentence", pace_reason_sentence(m->pace.reason));
        reply_put_string(reply, "Triggers", m->triggers_reason[0] ? "none" : "psi");
        reply_put_string(reply, "TriggersReason", m->triggers_reason);
}

static void append_cost(Reply *reply, const Manager *m) {
        double wakeups, share;
        UsageCounters usage;

        manager_read_usage(&usage);
        reply_put_u64(reply, "Ticks", m->ticks);
        reply_put_u64(reply, "TickUSec", m->tick_cpu);
        reply_put_u64(reply, "CpuUSec", usage.cpu);
        if (usage_rate(&m->usage, &usage, &wakeups, &share)) {
                reply_put_double(reply, "WakeupsPerMinute", wakeups);
                reply_put_double(reply, "CpuShare", share);
        }
        reply_put_u64(reply, "UptimeUSec", usec_now(CLOCK_BOOTTIME) - m->started_at);
        reply_put_u64(reply, "ResidentBytes", resident_bytes());
}

static void append_contended(Reply *reply, const PipelineStatus *status) {
        static const char *const names[] = {
                [CONTENTION_CPU] = "cpu", [CONTENTION_IO] = "io", [CONTENTION_MEMORY] = "memory"};

        reply_open_array(reply, "Contended", "s");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (status->contended[i])
                        reply_append(reply, "s", names[i]);
        reply_close_array(reply);
}

static void append_filters(Reply *reply, const Manager *m) {
        uint32_t enforcing = 0;

        for (size_t i = 0; i < m->filters.n; i++)
                enforcing += m->filters.entries[i]->enforcing;
        reply_put_u32(reply, "Filters", (uint32_t)m->filters.n);
        reply_put_u32(reply, "FiltersEnforcing", enforcing);
}

static void append_machine(Reply *reply, const Manager *m) {
        PipelineStatus status;

        pipeline_get_status(m->pipeline, &status);
        reply_put_u32(reply, "Processes", (uint32_t)status.n_procs);
        reply_put_u32(reply, "Inferred", (uint32_t)status.n_inferred);
        reply_put_u32(reply, "Skipped", (uint32_t)status.n_skipped);
        reply_put_u32(reply, "Treated", (uint32_t)status.n_treated);
        append_contended(reply, &status);
        if (status.victim > 0) {
                reply_put_u32(reply, "Victim", (uint32_t)status.victim);
                reply_put_string(reply, "VictimComm", status.victim_comm);
                reply_put_u32(reply, "VictimDelayUSec", status.victim_delay);
        }
        reply_put_double(reply, "BusyShare", (double)status.busy_share);
        reply_put_u32(reply, "ChangesLastMinute", status.changes_last_minute);
        reply_put_u32(reply, "LedgerActive", (uint32_t)ledger_count(m->ledger, /* all= */ false));
        reply_put_u32(reply, "LedgerDamaged", (uint32_t)m->ledger_report.n_damaged);
        append_filters(reply, m);
}

static void append_scope(Reply *reply, const Manager *m) {
        reply_open_array(reply, "Scope", "s");
        for (size_t i = 0; i < m->policy.n_scope; i++) {
                char text[300];

                scope_format(&m->policy.scope[i], text, sizeof(text));
                reply_append(reply, "s", text);
        }
        reply_close_array(reply);
}

static void append_actuators(Reply *reply, const Manager *m) {
        reply_open_array(reply, "Actuators", "(sss)");
        for (size_t i = 0; actuator_all[i]; i++) {
                const char *why = "";
                int probe = executor_probe_result(m->executor, actuator_all[i], &why);

                reply_append(reply, "(sss)", actuator_all[i]->name,
                             probe == 0         ? "works"
                             : probe == -ENOTTY ? "inert"
                                                : "unsupported",
                             why ?: "");
        }
        reply_close_array(reply);
}

int bus_manager_get_status(sd_bus_message *request, Manager *m, const Caller *caller,
                           sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = reply_begin(request, "{sv}");

        append_mode(&reply, m);
        append_sources(&reply, m);
        append_model(&reply, m);
        append_pace(&reply, m);
        append_cost(&reply, m);
        append_machine(&reply, m);
        append_scope(&reply, m);
        append_actuators(&reply, m);
        return reply_send(&reply);
}

static int parse_mode(const char *text, Mode *ret, sd_bus_error *error) {
        int mode = mode_from_string(text);

        if (mode < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "mode '%s' is not one of observe, advise, enforce", text);
        *ret = (Mode)mode;
        return 0;
}

int bus_manager_set_mode(sd_bus_message *request, Manager *m, const Caller *caller,
                         sd_bus_error *error) {
        _cleanup_(settings_done)
        Settings settings = SETTINGS_INIT;
        Error e = ERROR_INIT;
        const char *text;
        Mode mode = MODE_OBSERVE;
        int r;

        r = sd_bus_message_read(request, "s", &text);
        if (r >= 0)
                r = parse_mode(text, &mode, error);
        if (r >= 0)
                r = settings_put(&settings, "mode", text);
        if (r < 0)
                return r;
        r = manager_set(m, &settings, &e);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "%s", e.text);
        return sd_bus_reply_method_return(request, NULL);
}

int bus_manager_reload(sd_bus_message *request, Manager *m, const Caller *caller,
                       sd_bus_error *error) {
        Error e = ERROR_INIT;

        if (manager_reload(m, &e) < 0)
                return sd_bus_error_setf(error, BUS_ERROR_CONFIGURATION, "%s", e.text);
        return sd_bus_reply_method_return(request, NULL);
}

/* Process 1's tree is the machine, and our own is not for trying. */
static int check_trial_root(const Manager *m, uint32_t root, sd_bus_error *error) {
        char path[64];

        if (root > 1 && root <= INT32_MAX && (pid_t)root != getpid()) {
                snprintf(path, sizeof(path), "proc/%u", root);
                if (faccessat(m->root_fd, path, F_OK, 0) == 0)
                        return 0;
        }
        return sd_bus_error_setf(error,
                                 root > 1 && root <= INT32_MAX && (pid_t)root != getpid()
                                         ? BUS_ERROR_NO_SUCH_PROCESS
                                         : SD_BUS_ERROR_INVALID_ARGS,
                                 "%u is not a process that a trial can begin at", root);
}

int bus_manager_trial(sd_bus_message *request, Manager *m, const Caller *caller,
                      sd_bus_error *error) {
        Bus *b = bus_of(m);
        const char *text;
        uint32_t root;
        Mode mode = MODE_OBSERVE;
        int r;

        r = sd_bus_message_read(request, "us", &root, &text);
        if (r < 0)
                return r;
        /* Nobody without privilege can keep others from theirs. */
        if (m->trial.root > 0 && !bus_trial_is_owner(b, request) &&
            (caller->own_only || m->trial.uid == 0))
                return sd_bus_error_setf(error, BUS_ERROR_TRIAL_BUSY,
                                         "somebody else's trial goes on below process %d",
                                         m->trial.root);
        if (root == 0) {
                bus_trial_clear_owner(b);
        } else {
                r = parse_mode(text, &mode, error);
                if (r >= 0)
                        r = check_trial_root(m, root, error);
                if (r >= 0)
                        r = bus_trial_set_owner(b, request);
                if (r < 0)
                        return r;
        }
        manager_set_trial(m, (pid_t)root, mode, caller->own_only ? caller->uid : 0);
        return sd_bus_reply_method_return(request, NULL);
}

static int bus_property_get_version(sd_bus *bus, const char *path, const char *interface,
                                    const char *property, sd_bus_message *reply, void *userdata,
                                    sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", AIKM_VERSION);
}

static int bus_property_get_mode(sd_bus *bus, const char *path, const char *interface,
                                 const char *property, sd_bus_message *reply, void *userdata,
                                 sd_bus_error *error) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "s", mode_to_string(m->policy.mode));
}

const sd_bus_vtable bus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", bus_property_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Mode", "s", bus_property_get_mode, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("GetStatus", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetMode", SD_BUS_ARGS("s", mode), SD_BUS_NO_RESULT, bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Trial", SD_BUS_ARGS("u", root_pid, "s", mode), SD_BUS_NO_RESULT,
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Ticked",
                                SD_BUS_ARGS("t", at_usec, "u", n_processes, "u", n_treated), 0),
        SD_BUS_VTABLE_END,
};
