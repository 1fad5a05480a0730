/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/status.h"

#include <errno.h>

#include "cli/client.h"
#include "cli/format.h"
#include "cli/remote.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/verbs.h"

/* Appends to a string of a fixed size; what does not fit is cut. */
_printf_(3, 4) static void append(char *buffer, size_t size, const char *format, ...) {
        size_t n = strlen(buffer);
        va_list ap;

        if (n + 1 >= size)
                return;
        va_start(ap, format);
        vsnprintf(buffer + n, size - n, format, ap);
        va_end(ap);
}

/* The strings of an array, with commas between. */
static void join(const json_object *list, char *buffer, size_t size) {
        size_t n = list ? json_object_array_length(list) : 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < n; i++)
                append(buffer, size, "%s%s", i > 0 ? ", " : "",
                       json_object_get_string(json_object_array_get_idx(list, i)));
}

void status_contention(const json_object *status, char *buffer, size_t size) {
        uint64_t victim = 0, delay = 0;
        char number[FORMAT_MAX];
        double busy;

        join(json_get(status, "contended", json_type_array), buffer, size);
        if (!buffer[0])
                append(buffer, size, "none");
        if (json_u64(status, "victim", &victim) && victim > 0) {
                (void)json_u64(status, "victim_delay_usec", &delay);
                append(buffer, size, "; %s (%" PRIu64 ") waits %s a second",
                       json_str(status, "victim_comm") ?: "?", victim,
                       format_duration(number, delay));
        }
        if (json_num(status, "busy_share", &busy))
                append(buffer, size, "; CPUs %s busy", format_share(number, busy));
}

void status_cost(const json_object *status, char *buffer, size_t size) {
        uint64_t cpu, uptime, resident, tick;
        char number[FORMAT_MAX];
        double wakeups, share;

        buffer[0] = '\0';
        /* Lately; where that is not told, since it started. */
        if (json_num(status, "cpu_share", &share))
                append(buffer, size, "%.2f%% of one CPU", share * 100);
        else if (json_u64(status, "cpu_usec", &cpu) && json_u64(status, "uptime_usec", &uptime) &&
                 uptime > 0)
                append(buffer, size, "%s of one CPU",
                       format_share(number, (double)cpu / (double)uptime));
        if (json_num(status, "wakeups_per_minute", &wakeups))
                append(buffer, size, "%s%.0f wake-ups a minute", buffer[0] ? ", " : "", wakeups);
        if (json_u64(status, "resident_bytes", &resident))
                append(buffer, size, "%s%s memory", buffer[0] ? ", " : "",
                       format_bytes(number, (double)resident));
        if (json_u64(status, "tick_usec", &tick))
                append(buffer, size, "%s%s CPU per tick", buffer[0] ? ", " : "",
                       format_duration(number, tick));
}

static const char *nonempty(const json_object *o, const char *key) {
        const char *s = json_str(o, key);

        return s && s[0] ? s : NULL;
}

static void print_state(const Context *c, const json_object *s, FILE *f) {
        const char *mode = json_str(s, "mode") ?: "unknown";
        const char *means = streq(mode, "observe")   ? "nothing is changed"
                            : streq(mode, "advise")  ? "says what it would do, changes nothing"
                            : streq(mode, "enforce") ? "acts by itself within the scope"
                                                     : "";
        char number[FORMAT_MAX], scope[1024];
        uint64_t uptime, trial = 0;

        report_paragraph(c, f, STYLE_BOLD, "aikmd %s%s%s, running%s%s",
                         json_str(s, "version") ?: "?", remote_name(c) ? " on " : "",
                         remote_name(c) ?: "", json_u64(s, "uptime_usec", &uptime) ? " for " : "",
                         json_u64(s, "uptime_usec", &uptime) ? format_duration(number, uptime)
                                                             : "");
        report_field(c, f, "Mode", streq(mode, "enforce") ? STYLE_WARN : STYLE_GOOD, "%s: %s", mode,
                     means);
        join(json_get(s, "scope", json_type_array), scope, sizeof(scope));
        report_field(c, f, "Scope", STYLE_NONE, "%s", scope[0] ? scope : "nothing");
        if (json_u64(s, "trial_root", &trial) && trial > 0)
                report_field(c, f, "Trial", STYLE_WARN,
                             "the process tree below %" PRIu64 " is under mode %s", trial,
                             json_str(s, "trial_mode") ?: "?");
        if (nonempty(s, "policy_error"))
                report_field(c, f, "Policy", STYLE_BAD, "refused, the last good one goes on: %s",
                             json_str(s, "policy_error"));
}

static void print_sources(const Context *c, const json_object *s, FILE *f) {
        const char *why = nonempty(s, "source_reason"), *events_why = nonempty(s, "events_reason");
        const char *model_why = nonempty(s, "model_reason"), *digest = nonempty(s, "model_digest");
        const char *version = nonempty(s, "model_version"), *pace = nonempty(s, "pace_sentence");
        const char *no_triggers = nonempty(s, "triggers_reason");
        uint64_t lost = 0, rescans = 0, interval, ticks = 0, recorder = 0, unrecorded = 0;
        char number[FORMAT_MAX];

        report_field(c, f, "Source", why ? STYLE_WARN : STYLE_NONE, "%s%s%s",
                     json_str(s, "source") ?: "unknown", why ? ": " : "", why ? why : "");
        (void)json_u64(s, "lost_events", &lost);
        (void)json_u64(s, "rescans", &rescans);
        report_field(c, f, "Events", events_why || lost > 0 ? STYLE_WARN : STYLE_NONE,
                     "%s, %" PRIu64 " lost, %" PRIu64 " rescans%s%s",
                     json_str(s, "events") ?: "unknown", lost, rescans, events_why ? ": " : "",
                     events_why ? events_why : "");
        (void)json_u64(s, "recorder", &recorder);
        (void)json_u64(s, "recorder_lost_ticks", &unrecorded);
        if (recorder > 0 || unrecorded > 0)
                report_field(c, f, "Data set", unrecorded > 0 ? STYLE_WARN : STYLE_NONE,
                             "%s, %" PRIu64 " ticks lost",
                             recorder > 0 ? "a recorder is connected" : "no recorder is connected",
                             unrecorded);
        report_field(c, f, "Model", model_why ? STYLE_WARN : STYLE_NONE, "%s%s%s%s%.12s%s%s%s",
                     json_str(s, "model") ?: "unknown", version ? " " : "", version ? version : "",
                     digest ? " (sha256 " : "", digest ? digest : "", digest ? ")" : "",
                     model_why ? ": " : "", model_why ? model_why : "");
        if (json_u64(s, "interval_usec", &interval)) {
                (void)json_u64(s, "ticks", &ticks);
                (void)json_u64(s, "pause_usec", &interval);
                report_field(c, f, "Interval", STYLE_NONE, "%s%s%s, %" PRIu64 " ticks",
                             format_duration(number, interval), pace ? ": " : "", pace ? pace : "",
                             ticks);
        }
        if (json_str(s, "triggers"))
                report_field(c, f, "Triggers", no_triggers ? STYLE_WARN : STYLE_NONE, "%s%s%s",
                             json_str(s, "triggers"), no_triggers ? ": " : "",
                             no_triggers ? no_triggers : "");
}

static void print_counts(const Context *c, const json_object *s, FILE *f) {
        uint64_t processes = 0, inferred = 0, skipped = 0, treated = 0, changes = 0, active = 0,
                 damaged = 0, filters = 0, enforcing = 0;
        json_object *contended = json_get(s, "contended", json_type_array);
        bool any = contended && json_object_array_length(contended) > 0;
        char text[512];

        (void)json_u64(s, "processes", &processes);
        (void)json_u64(s, "inferred", &inferred);
        (void)json_u64(s, "skipped", &skipped);
        (void)json_u64(s, "treated", &treated);
        (void)json_u64(s, "changes_last_minute", &changes);
        (void)json_u64(s, "ledger_active", &active);
        (void)json_u64(s, "ledger_damaged", &damaged);
        status_contention(s, text, sizeof(text));
        report_field(c, f, "Contention", any ? STYLE_WARN : STYLE_NONE, "%s", text);
        report_field(c, f, "Processes", STYLE_NONE,
                     "%" PRIu64 ", %" PRIu64 " judged in the last tick, %" PRIu64
                     " as before, %" PRIu64 " treated",
                     processes, inferred, skipped, treated);
        report_field(c, f, "Changes", STYLE_NONE,
                     "%" PRIu64 " in the last minute, %" PRIu64 " in force", changes, active);
        if (damaged > 0)
                report_field(c, f, "Ledger", STYLE_BAD,
                             "%" PRIu64 " damaged records were skipped, and cannot be put back",
                             damaged);
        (void)json_u64(s, "filters", &filters);
        (void)json_u64(s, "filters_enforcing", &enforcing);
        if (filters > 0)
                report_field(c, f, "Filters", enforcing > 0 ? STYLE_WARN : STYLE_NONE,
                             "on %" PRIu64 " interface%s, %" PRIu64 " drop%s packets", filters,
                             filters == 1 ? "" : "s", enforcing, enforcing == 1 ? "s" : "");
        status_cost(s, text, sizeof(text));
        report_field(c, f, "Own cost", STYLE_NONE, "%s", text[0] ? text : "unknown");
}

static int print_actuators(const Context *c, const json_object *s, FILE *f) {
        static const Column columns[] = {{"ACTUATOR", 0, 0, 0, false},
                                         {"STATE", 0, 0, 0, false},
                                         {"WHY", 0, 10, 0, false},
                                         {0}};
        json_object *list = json_get(s, "actuators", json_type_array);
        size_t n = list ? json_object_array_length(list) : 0;
        _cleanup_(table_freep)
        Table *t = NULL;

        if (n == 0)
                return 0;
        t = table_new(columns, c->utf8);
        if (!t)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const json_object *a = json_object_array_get_idx(list, i);
                const char *state = json_str(a, "state") ?: "";

                table_add(t, json_str(a, "name"), STYLE_NONE);
                table_add(t, state, streq(state, "works") ? STYLE_GOOD : STYLE_WARN);
                table_add(t, json_str(a, "why") ?: "", STYLE_NONE);
        }
        fputc('\n', f);
        return table_print(t, c, f);
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_json_ json_object *s = NULL;
        Error e = ERROR_INIT;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_status, argc, argv, &args, &r))
                return r;
        r = client_get_status(c, &s, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(s);
        print_state(c, s, stdout);
        print_counts(c, s, stdout);
        print_sources(c, s, stdout);
        return print_actuators(c, s, stdout) < 0 ? fail("out of memory") : CLI_OK;
}

const Verb verb_spec_status = {
        .name = "status",
        .summary = "Shows the state of the daemon: mode, contention, source, model, cost.",
        .run = run,
};
