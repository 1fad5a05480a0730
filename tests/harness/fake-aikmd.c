/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An org.aikm1 with canned rows, for the tests of the client: fake-aikmd [--deny] [--slow].
 * It serves $AIKM_BUS_ADDRESS until it is killed, and prints "ready" when it owns the name. Ticked
 * is sent ten times a second. --deny: refuses every change; --slow: answers Rollback after a
 * second.
 */
#include <errno.h>
#include <signal.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/bus-reply.h"
#include "util/macro.h"
#include "util/time.h"

typedef struct Fake {
        sd_bus *bus;
        bool deny, slow;
        char mode[16];
        char nice[16]; /* classes.batch.nice */
        bool rolled_back;
        bool forgotten;
        unsigned filters; /* interfaces that have one */
        double kill_share;
        uint64_t kill_min;
        unsigned ticks;
} Fake;

static int refuse(const Fake *f, sd_bus_error *error) {
        return f->deny ? sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "caller is not root")
                       : 0;
}

static int method_status(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply m = {};
        Fake *f = userdata;

        m = reply_begin(call, "{sv}");
        reply_put(&m, "Version", "s", "9.9.9");
        reply_put(&m, "Mode", "s", f->mode);
        reply_put(&m, "Source", "s", "proc");
        reply_put(&m, "SourceReason", "s", "no right to load BPF");
        reply_put(&m, "Events", "s", "scan");
        reply_put(&m, "EventsReason", "s", "no tp_btf");
        reply_put(&m, "LostEvents", "t", UINT64_C(7));
        reply_put(&m, "Rescans", "t", UINT64_C(2));
        reply_put(&m, "Model", "s", "rules");
        reply_put(&m, "ModelVersion", "s", "1");
        reply_put(&m, "ModelDigest", "s", "");
        reply_put(&m, "ModelReason", "s", "the manifest's sha256 differs");
        reply_put(&m, "IntervalUSec", "t", UINT64_C(1000000));
        reply_put(&m, "PauseUSec", "t", UINT64_C(4000000));
        reply_put(&m, "Pace", "s", "quiet");
        reply_put(&m, "PaceSentence", "s", "nothing changes and nothing waits");
        reply_put(&m, "Triggers", "s", "none");
        reply_put(&m, "TriggersReason", "s", "the kernel has no PSI");
        reply_put(&m, "WakeupsPerMinute", "d", 12.4);
        reply_put(&m, "CpuShare", "d", 0.00034);
        reply_put(&m, "Ticks", "t", UINT64_C(123));
        reply_put(&m, "TickUSec", "t", UINT64_C(450));
        reply_put(&m, "CpuUSec", "t", UINT64_C(50000));
        reply_put(&m, "UptimeUSec", "t", UINT64_C(100000000));
        reply_put(&m, "ResidentBytes", "t", UINT64_C(8493465));
        reply_put(&m, "Processes", "u", 312);
        reply_put(&m, "Inferred", "u", 20);
        reply_put(&m, "Skipped", "u", 5);
        reply_put(&m, "Treated", "u", f->rolled_back ? 0 : 1);
        reply_put(&m, "Contended", "as", 1, "cpu");
        reply_put(&m, "Victim", "u", 77);
        reply_put(&m, "VictimComm", "s", "redis-server");
        reply_put(&m, "VictimDelayUSec", "u", 430000);
        reply_put(&m, "BusyShare", "d", 0.97);
        reply_put(&m, "ChangesLastMinute", "u", 3);
        reply_put(&m, "Scope", "as", 1, "machine");
        reply_put(&m, "TrialRoot", "u", 0);
        reply_put(&m, "TrialMode", "s", "");
        reply_put(&m, "LedgerActive", "u", 2);
        reply_put(&m, "LedgerDamaged", "u", 0);
        reply_put(&m, "PolicyError", "s", "/etc/aikmd/aikmd.json:3: unknown key colour");
        reply_put(&m, "FromTheFuture", "ai", 2, 1, 2); /* a type that no client knows */
        reply_put(&m, "Actuators", "a(sss)", 3, "sched", "works", "", "ioprio", "inert",
                  "no disk uses bfq or mq-deadline", "cgroup", "unsupported", "read-only");
        return reply_send(&m);
}

typedef struct Row {
        uint32_t pid;
        const char *comm, *load_class, *verdict, *unit;
        double confidence, cpu, delay, io;
        uint64_t rss;
        bool treated, dormant;
} Row;

static const Row rows[] = {
        {77, "redis-server", "server", "protected", "redis.service", 0.93, 0.2, 0.43, 1024,
         50 << 20, false, false},
        {4242, "stress-ng", "batch", "treated", "", 0.9876, 0.85, 0.1, 0, 4 << 20, true, false},
        {17, "rsync", "io", "no-contention", "backup.service", 0.7, 0.05, 0, 9e6, 12 << 20, false,
         false},
        {900, "evil\n\033[31mname", "idle", "dormant", "", 0.99, 0, 0, 0, 1 << 20, false, true},
        {901, "sleeper", "idle", "dormant", "", 0.99, 0, 0, 0, 1 << 20, false, true},
};

static void put_row(const Fake *f, Reply *m, const Row *r) {
        bool treated = r->treated && !f->rolled_back;

        reply_put(m, "Pid", "u", r->pid);
        reply_put(m, "PPid", "u", 1);
        reply_put(m, "Uid", "u", 0);
        reply_put(m, "Comm", "s", r->comm);
        reply_put(m, "Class", "s", r->load_class);
        reply_put(m, "Confidence", "d", r->confidence);
        reply_put(m, "Cpu", "d", r->cpu);
        reply_put(m, "Delay", "d", r->delay);
        /* Unknown is absent. */
        if (r->pid != 4242)
                reply_put(m, "IoBytes", "d", r->io);
        reply_put(m, "RssBytes", "t", r->rss);
        reply_put(m, "Threads", "u", 4);
        reply_put(m, "Nice", "i", treated ? 19 : 0);
        reply_put(m, "Sched", "s", "other");
        reply_put(m, "Verdict", "s", treated || !r->treated ? r->verdict : "cool-down");
        reply_put(m, "Treated", "b", (int)treated);
        reply_put(m, "Dormant", "b", (int)r->dormant);
        reply_put(m, "Unit", "s", r->unit);
        reply_put(m, "Group", "s", "autogroup-17");
}

static int method_processes(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply m = reply_begin(call, "a{sv}");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                reply_open_row(&m);
                put_row(userdata, &m, rows + i);
                reply_close_row(&m);
        }
        return reply_send(&m);
}

static void put_entries(const Fake *f, Reply *m, bool all) {
        for (unsigned i = 0; i < 3; i++) {
                bool active = i < 2 && !f->rolled_back;

                if (!active && !all)
                        continue;
                reply_open_row(m);
                reply_put(m, "Id", "t", (uint64_t)(i + 1));
                reply_put(m, "Action", "t", (uint64_t)(i < 2 ? 17 : 4));
                reply_put(m, "State", "s", active ? "active" : i < 2 ? "restored" : "foreign");
                reply_put(m, "AtUSec", "t", usec_now(CLOCK_REALTIME) - 12 * USEC_PER_SEC);
                reply_put(m, "Actuator", "s", "sched");
                reply_put(m, "Pid", "u", i < 2 ? 4242 : 555);
                reply_put(m, "Tid", "u", i < 2 ? 4242 + i : 555);
                reply_put(m, "Comm", "s", i < 2 ? "stress-ng" : "old-one");
                reply_put(m, "Old", "s", "other nice=0");
                reply_put(m, "New", "s", "other nice=19");
                reply_put(m, "Why", "s", "batch (99%) while redis-server waits");
                reply_close_row(m);
        }
}

static int method_explain(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply m = {};
        uint32_t pid;
        int r;

        r = sd_bus_message_read(call, "u", &pid);
        if (r < 0)
                return r;
        if (pid != 4242)
                return sd_bus_error_setf(error, "org.aikm1.Error.NoSuchProcess",
                                         "there is no process %" PRIu32, pid);
        m = reply_begin(call, "{sv}");
        put_row(userdata, &m, rows + 1);
        reply_put(&m, "Exe", "s", "/usr/bin/stress-ng");
        reply_put(&m, "Cgroup", "s", "/user.slice");
        reply_put(&m, "Rule", "s", "");
        reply_put(&m, "VerdictSentence", "s",
                  "demoted now, because protected processes wait while it runs");
        reply_put(&m, "VerdictForUSec", "t", UINT64_C(12000000));
        reply_put(&m, "Probabilities", "a{sd}", 3, "server", 0.002, "batch", 0.9876, "io", 0.0104);
        reply_put(&m, "Features", "a{sd}", 4, "cpu", 0.85, "delay", 0.1, "burst", 9.21044, "read",
                  0.0);
        reply_put(&m, "Victim", "u", 77);
        reply_put(&m, "VictimComm", "s", "redis-server");
        reply_put(&m, "VictimDelayUSec", "u", 430000);
        reply_put(&m, "Model", "s", "rules 1");
        reply_put(&m, "PriorWeight", "d", 0.72);
        reply_put(&m, "PriorProcesses", "u", 99);
        reply_put(&m, "PriorOtherBuild", "b", 1);
        reply_put(&m, "Brood", "b", 1);
        reply_put(&m, "Churn", "d", 1.5);
        reply_open_array(&m, "Entries", "a{sv}");
        put_entries(userdata, &m, /* all= */ false);
        reply_close_array(&m);
        return reply_send(&m);
}

static int method_ledger(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply m = {};
        int all, r;

        r = sd_bus_message_read(call, "b", &all);
        if (r < 0)
                return r;
        m = reply_begin(call, "a{sv}");
        put_entries(userdata, &m, all);
        return reply_send(&m);
}

static void put_figures(Reply *m, const char *key, uint64_t wakeups, double delay) {
        reply_open_array(m, key, "{sv}");
        reply_put(m, "Seconds", "d", 4.0);
        reply_put(m, "Wakeups", "t", wakeups);
        if (wakeups > 0)
                reply_put(m, "DelayPerWakeup", "d", delay);
        reply_put(m, "Delay", "d", 0.25);
        reply_put(m, "WakeupRate", "d", (double)wakeups / 4);
        reply_close_array(m);
}

static void put_cost(Reply *m) {
        reply_open_array(m, "Cost", "a{sv}");
        for (unsigned i = 0; i < 3; i++) {
                reply_open_row(m);
                reply_put(m, "Processes", "u", i < 2 ? 1 : 7);
                if (i < 2) {
                        reply_put(m, "Pid", "u", 4242 + i);
                        reply_put(m, "Comm", "s", "stress-ng");
                        reply_put(m, "Class", "s", "batch");
                        reply_put(m, "Confidence", "d", 0.99);
                        reply_put(m, "CpuBefore", "d", 0.98);
                        reply_put(m, "Lost", "d", 0.5);
                        reply_put(m, "Action", "t", (uint64_t)17);
                }
                reply_put(m, "CpuDuring", "d", 0.49);
                reply_close_row(m);
        }
        reply_close_array(m);
}

static int method_impact(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        static const char *const verdicts[] = {"helped", "no-effect", "unknown"};
        _cleanup_(reply_done)
        Reply m = {};
        uint32_t id;
        int r;

        r = sd_bus_message_read(call, "u", &id);
        if (r < 0)
                return r;
        if (id > ELEMENTSOF(verdicts))
                return sd_bus_error_setf(error, "org.aikm1.Error.NoSuchAction",
                                         "episode %" PRIu32 " is not kept", id);
        m = reply_begin(call, "a{sv}");
        for (uint32_t i = 1; i <= ELEMENTSOF(verdicts); i++) {
                if (id > 0 && id != i)
                        continue;
                reply_open_row(&m);
                reply_put(&m, "Id", "u", i);
                reply_put(&m, "AtUSec", "t", usec_now(CLOCK_REALTIME) - 12 * USEC_PER_SEC);
                reply_put(&m, "DurationUSec", "t", (uint64_t)9 * USEC_PER_SEC);
                reply_put(&m, "Kind", "s", "cpu");
                reply_put(&m, "Victim", "u", 77);
                reply_put(&m, "VictimComm", "s", "redis-server");
                reply_put(&m, "Phase", "s", "closed");
                reply_put(&m, "Verdict", "s", verdicts[i - 1]);
                reply_put(&m, "VerdictSentence", "s", "those who waited wait less");
                reply_put(&m, "Undone", "b", i == 2);
                if (i == 1)
                        reply_put(&m, "Ratio", "d", 0.05);
                put_figures(&m, "Before", 800, 2000.0);
                put_figures(&m, "During", i < 3 ? 900 : 0, 2000.0 / (i == 1 ? 20 : 1));
                reply_put(&m, "Wakeups", "t", (uint64_t)1700);
                put_cost(&m);
                reply_close_row(&m);
        }
        return reply_send(&m);
}

static int method_rollback(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        uint64_t number;
        const char *what;
        bool known;
        int r;

        r = refuse(f, error);
        if (r >= 0)
                r = sd_bus_message_read(call, "st", &what, &number);
        if (r < 0)
                return r;
        known = streq(what, "all") || (streq(what, "pid") && number == 4242) ||
                (streq(what, "action") && (number == 17 || number == 4));
        if (!known)
                return sd_bus_error_setf(error, "org.aikm1.Error.NoSuchAction",
                                         "there is no %s %" PRIu64, what, number);
        if (f->slow)
                usleep(1200000);
        r = f->rolled_back ? 0 : 2;
        f->rolled_back = true;
        return sd_bus_reply_method_return(call, "a{sv}", 4, "Restored", "u", (uint32_t)r, "Foreign",
                                          "u", 1, "Gone", "u", 0, "Failed", "u", 0);
}

static int method_set_mode(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        const char *mode;
        int r;

        r = refuse(f, error);
        if (r >= 0)
                r = sd_bus_message_read(call, "s", &mode);
        if (r < 0)
                return r;
        snprintf(f->mode, sizeof(f->mode), "%s", mode);
        return sd_bus_reply_method_return(call, "");
}

static int method_nothing(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        int r = refuse(userdata, error);

        return r < 0 ? r : sd_bus_reply_method_return(call, "");
}

static int method_policy_get(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        char json[1024];

        snprintf(json, sizeof(json),
                 "{\"mode\":\"%s\",\"scope\":[\"machine\"],\"classes\":{\"idle\":{},\"batch\":{"
                 "\"nice\":%s,"
                 "\"autogroup_nice\":19}},\"thresholds\":{\"interval\":\"1s\",\"confidence\":0.6},"
                 "\"rules\":[{\"name\":\"audio\",\"comm\":\"pipewire*\",\"exempt\":true}],"
                 "\"tunables\":{\"vm.swappiness\":{\"value\":10,\"when\":\"memory\"}}}",
                 f->mode, f->nice);
        return sd_bus_reply_method_return(call, "s", json);
}

static int method_policy_set(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        const char *key, *value;
        int r;

        r = refuse(f, error);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(call, "(ss)", &key, &value)) > 0)
                if (streq(key, "classes.batch.nice"))
                        snprintf(f->nice, sizeof(f->nice), "%s", value);
                else
                        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                                 "%s: unknown key", key);
        return r < 0 ? r : sd_bus_reply_method_return(call, "");
}

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetStatus", "", "a{sv}", method_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetMode", "s", "", method_set_mode, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", "", "", method_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("Ticked", "tuu", 0),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable processes[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("List", "", "aa{sv}", method_processes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Explain", "u", "a{sv}", method_explain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable policy[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Get", "", "s", method_policy_get, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Set", "a(ss)", "", method_policy_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reset", "", "", method_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable ledger[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("List", "b", "aa{sv}", method_ledger, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListImpact", "u", "aa{sv}", method_impact, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Rollback", "st", "a{sv}", method_rollback, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int method_priors(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        _cleanup_(reply_done)
        Reply m = reply_begin(call, "a{sv}");
        for (unsigned i = 0; i < 2 && !f->forgotten; i++) {
                reply_open_row(&m);
                reply_put(&m, "Exe", "s", i ? "/usr/lib/gcc/cc1" : "/usr/bin/perl");
                reply_put(&m, "Comm", "s", i ? "cc1" : "perl");
                reply_put(&m, "Class", "s", i ? "batch" : "server");
                reply_put(&m, "Share", "d", i ? 0.97 : 0.51);
                reply_put(&m, "Mass", "d", i ? 41.26 : 3.0);
                reply_put(&m, "Processes", "u", i ? 1234 : 5);
                reply_put(&m, "AgeUSec", "t", UINT64_C(3000000));
                reply_close_row(&m);
        }
        return reply_send(&m);
}

static int method_forget(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        const char *exe;
        int r;

        r = sd_bus_message_read(call, "s", &exe);
        if (r < 0)
                return r;
        f->forgotten |= !exe[0];
        return sd_bus_reply_method_return(call, "u",
                                          !exe[0]                          ? 2
                                          : streq(exe, "/usr/lib/gcc/cc1") ? 1
                                                                           : 0);
}

static const sd_bus_vtable priors[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("List", "", "aa{sv}", method_priors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Forget", "s", "u", method_forget, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* --- org.aikm1.Filter: on lan0, and with two of them on lan1 --------------------------------- */

static void put_filter(Reply *m, const Fake *f, unsigned i) {
        reply_put(m, "Interface", "s", i ? "lan1" : "lan0");
        reply_put(m, "Index", "u", i + 2);
        reply_put(m, "Path", "s", i ? "generic" : "native");
        reply_put(m, "Model", "s", i ? "00000000deadbeef" : "default-filter");
        reply_put(m, "ModelIdentity", "s", "00000000deadbeef");
        reply_put(m, "Mode", "s", i ? "shadow" : "enforce");
        if (i == 0)
                reply_put(m, "LeaseUSec", "t", UINT64_C(600000000));
        reply_put(m, "ByPolicy", "b", i == 1);
        reply_put(m, "Tripped", "b", i == 1);
        reply_put(m, "Trips", "t", (uint64_t)i);
        reply_put(m, "KillShare", "d", f->kill_share);
        reply_put(m, "KillMin", "t", f->kill_min);
        reply_put(m, "Memory", "t", UINT64_C(29360128));
        reply_put(m, "Packets", "t", UINT64_C(200000));
        reply_put(m, "Malicious", "t", UINT64_C(50000));
        reply_put(m, "Dropped", "t", i ? UINT64_C(0) : UINT64_C(40000));
        reply_put(m, "Allowed", "t", UINT64_C(1000));
        reply_put(m, "Unknown", "t", UINT64_C(0));
        reply_put(m, "Classes", "a{sd}", 2, "0 benign", 150000.0, "1 flood", 50000.0);
}

static int method_filters(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        _cleanup_(reply_done)
        Reply m = reply_begin(call, "a{sv}");
        for (unsigned i = 0; i < f->filters; i++) {
                reply_open_row(&m);
                put_filter(&m, f, i);
                reply_close_row(&m);
        }
        return reply_send(&m);
}

static int no_filter(sd_bus_message *call, const Fake *f, sd_bus_error *error) {
        const char *interface;
        int r = sd_bus_message_read(call, "s", &interface);

        if (r < 0 || (streq(interface, "lan0") && f->filters > 0) ||
            (streq(interface, "lan1") && f->filters > 1))
                return r < 0 ? r : 0;
        return sd_bus_error_setf(error, "org.aikm1.Error.NoSuchFilter",
                                 "no filter is attached to %s", interface);
}

static int method_attach(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *interface, *model;
        Fake *f = userdata;
        int r = refuse(f, error);

        if (r >= 0)
                r = sd_bus_message_read(call, "ss", &interface, &model);
        if (r < 0)
                return r;
        if (streq(model, "three"))
                return sd_bus_error_set(error, "org.aikm1.Error.NoSuchModel",
                                        "there is no filter model three");
        f->filters++;
        return sd_bus_reply_method_return(call, NULL);
}

/* The object's bytes are its complaint, so that the client's test sees that they arrived. */
static int method_attach_object(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *interface, *name;
        char object[64] = "", sheet[64] = "";
        int fds[2], r;

        r = sd_bus_message_read(call, "sshh", &interface, &name, &fds[0], &fds[1]);
        if (r < 0)
                return r;
        if (pread(fds[0], object, sizeof(object) - 1, 0) < 0 ||
            pread(fds[1], sheet, sizeof(sheet) - 1, 0) < 0)
                return -errno;
        return sd_bus_error_setf(error, "org.aikm1.Error.ModelRefused", "%s: %s, sheet %s", name,
                                 object, sheet[0] ? sheet : "none");
}

static int method_detach(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        int r = refuse(f, error);

        if (r >= 0)
                r = no_filter(call, f, error);
        if (r < 0)
                return r;
        f->filters--;
        return sd_bus_reply_method_return(call, NULL);
}

static int method_filter_mode(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        const char *mode;
        uint64_t duration;
        int r = refuse(f, error);

        if (r >= 0)
                r = no_filter(call, f, error);
        if (r >= 0)
                r = sd_bus_message_read(call, "st", &mode, &duration);
        if (r < 0)
                return r;
        /* Else the client has multiplied wrongly. */
        if (duration != (streq(mode, "shadow") ? 0 : UINT64_C(900000000)))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s for %" PRIu64, mode,
                                         duration);
        return sd_bus_reply_method_return(call, NULL);
}

static int method_kill_switch(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        int r = no_filter(call, f, error);

        if (r >= 0)
                r = sd_bus_message_read(call, "dt", &f->kill_share, &f->kill_min);
        return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int method_allow(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        const char *prefix;
        int r = no_filter(call, f, error);

        if (r >= 0)
                r = sd_bus_message_read(call, "s", &prefix);
        if (r < 0)
                return r;
        if (streq(prefix, "nonsense"))
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "nonsense: an IPv4 or IPv6 address is accepted");
        return sd_bus_reply_method_return(call, "b", streq(prefix, "192.0.2.0/24"));
}

static int method_list_allowed(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        int r = no_filter(call, f, error);

        return r < 0 ? r : sd_bus_reply_method_return(call, "as", 2, "192.0.2.0/24", "2001:db8::1");
}

static void put_source(Reply *m, bool bad) {
        reply_put(m, "Source", "s", bad ? "198.51.100.66" : "2001:db8::7");
        reply_put(m, "Packets", "t", bad ? UINT64_C(90000) : UINT64_C(12));
        reply_put(m, "Bytes", "t", bad ? UINT64_C(5400000) : UINT64_C(4000));
        reply_put(m, "Malicious", "t", bad ? UINT64_C(45000) : UINT64_C(0));
        reply_put(m, "Dropped", "t", bad ? UINT64_C(40000) : UINT64_C(0));
        reply_put(m, "Class", "s", bad ? "1 flood" : "0 benign");
        reply_put(m, "AgeUSec", "t", UINT64_C(120000000));
        reply_put(m, "SilentUSec", "t", UINT64_C(300000));
}

static int method_filter_top(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        _cleanup_(reply_done)
        Reply m = {};
        uint32_t n;
        int r = no_filter(call, f, error);

        if (r >= 0)
                r = sd_bus_message_read(call, "u", &n);
        if (r < 0)
                return r;
        m = reply_begin(call, "a{sv}");
        for (uint32_t i = 0; i < MIN(n, 2U); i++) {
                reply_open_row(&m);
                put_source(&m, i == 0);
                reply_close_row(&m);
        }
        return reply_send(&m);
}

static void put_explanation(Reply *m, bool known) {
        reply_put(m, "Source", "s", "198.51.100.66");
        reply_put(m, "Model", "s", "default-filter");
        reply_put(m, "Known", "b", (int)known);
        reply_put(m, "Flows", "t", UINT64_C(17));
        if (!known) {
                reply_put(m, "AllowedBy", "s", "192.0.2.0/24");
                return;
        }
        put_source(m, true);
        reply_put(m, "Fields", "a{sd}", 1, "source_syns", 4500.0);
        reply_put(m, "SampleAgeUSec", "t", UINT64_C(800000));
        reply_put(m, "SampleVerdict", "s", "malicious");
        reply_put(m, "SampleClass", "s", "1 flood");
        reply_put(m, "SampleDropped", "b", 1);
        reply_put(m, "SampleDestination", "s", "203.0.113.5");
        reply_put(m, "SampleProtocol", "u", 6);
        reply_put(m, "SampleSourcePort", "u", 40000);
        reply_put(m, "SampleDestinationPort", "u", 80);
        reply_put(m, "SampleFields", "a{sd}", 1, "tcp_syn", 1.0);
}

static int method_filter_explain(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;
        _cleanup_(reply_done)
        Reply m = {};
        const char *source;
        int r = no_filter(call, f, error);

        if (r >= 0)
                r = sd_bus_message_read(call, "s", &source);
        if (r < 0)
                return r;
        m = reply_begin(call, "{sv}");
        put_explanation(&m, streq(source, "198.51.100.66"));
        return reply_send(&m);
}

static const sd_bus_vtable filter[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("List", "", "aa{sv}", method_filters, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Attach", "ss", "", method_attach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AttachObject", "sshh", "", method_attach_object, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Detach", "s", "", method_detach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetMode", "sst", "", method_filter_mode, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetKillSwitch", "sdt", "", method_kill_switch, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddAllowed", "ss", "b", method_allow, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RemoveAllowed", "ss", "b", method_allow, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListAllowed", "s", "as", method_list_allowed, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Top", "su", "aa{sv}", method_filter_top, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Explain", "ss", "a{sv}", method_filter_explain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int on_timer(sd_event_source *source, uint64_t at, void *userdata) {
        Fake *f = userdata;

        (void)sd_bus_emit_signal(f->bus, "/org/aikm1", "org.aikm1.Manager", "Ticked", "tuu",
                                 (uint64_t)++f->ticks, 312, 1);
        (void)sd_event_source_set_time_relative(source, 100 * USEC_PER_MSEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int serve(Fake *f) {
        static const struct {
                const char *name;
                const sd_bus_vtable *vtable;
        } interfaces[] = {{"org.aikm1.Manager", manager},
                          {"org.aikm1.Processes", processes},
                          {"org.aikm1.Policy", policy},
                          {"org.aikm1.Ledger", ledger},
                          {"org.aikm1.Priors", priors}};
        _cleanup_(sd_event_unrefp)
        sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, getenv("AIKM_BUS_ADDRESS") ?: "");
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(interfaces); i++)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/aikm1", interfaces[i].name,
                                             interfaces[i].vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/aikm1/filter", "org.aikm1.Filter",
                                             filter, f);
        if (r >= 0)
                r = sd_bus_request_name(bus, "org.aikm1", 0);
        if (r >= 0)
                r = sd_event_new(&event);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        if (r >= 0)
                r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 100 * USEC_PER_MSEC, 0,
                                               on_timer, f);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(bus, 1);
        if (r < 0)
                return r;
        f->bus = bus;
        puts("ready");
        fflush(stdout);
        return sd_event_loop(event);
}

int main(int argc, char **argv) {
        Fake f = {.mode = "observe", .nice = "19", .kill_min = 400};
        int r;

        for (int i = 1; i < argc; i++) {
                f.deny |= streq(argv[i], "--deny");
                f.slow |= streq(argv[i], "--slow");
        }
        r = serve(&f);
        if (r < 0)
                fprintf(stderr, "fake-aikmd: %s\n", strerror(-r));
        return r < 0;
}
