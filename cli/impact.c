/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/impact.h"

#include "cli/client.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/verbs.h"
#include "util/io.h"

static const Column columns[] = {
        {"ID", 0, 0, 0, true},
        {"SINCE", 4, 0, 0, false},
        {"FOR", 5, 0, 0, true},
        {"VICTIM", 0, 8, 24, false},
        {"WAIT PER WAKE-UP", 0, 0, 0, false},
        {"CHANGE", 1, 0, 0, true},
        {"WAKE-UPS", 3, 0, 0, true},
        {"COST", 2, 12, 0, false},
        {"VERDICT", 0, 0, 0, false},
        {0},
};

static const Column cost_columns[] = {
        {"PID", 0, 0, 0, true},
        {"COMM", 0, 6, 0, false},
        {"CLASS", 2, 0, 0, false},
        {"CONF", 3, 0, 0, true},
        {"CPU BEFORE", 0, 0, 0, true},
        {"DURING", 0, 0, 0, true},
        {"IO BEFORE", 4, 0, 0, true},
        {"DURING", 4, 0, 0, true},
        {"LOST", 1, 0, 0, true},
        {"ACTION", 5, 0, 0, true},
        {0},
};

static bool delay_of(const json_object *row, const char *key, double *ret) {
        return json_num(json_get(row, key, json_type_object), "delay_per_wakeup", ret);
}

static char *format_wait(char buffer[FORMAT_MAX], double usec) {
        if (usec < 10)
                snprintf(buffer, FORMAT_MAX, "%.1fus", usec);
        else
                format_duration(buffer, (usec_t)CLAMP(usec, 0.0, 1e15));
        return buffer;
}

static Style style_of_verdict(const char *verdict) {
        return streq(verdict, "helped")      ? STYLE_GOOD
               : streq(verdict, "harmed")    ? STYLE_BAD
               : streq(verdict, "no-effect") ? STYLE_WARN
                                             : STYLE_DIM;
}

/* "helped", "no-effect, undone", "measuring" … */
static void format_verdict(const json_object *row, char *buffer, size_t size) {
        const char *phase = json_str(row, "phase") ?: "";

        snprintf(buffer, size, "%s%s%s", json_str(row, "verdict") ?: "unknown",
                 json_flag(row, "revised")  ? ", came back when undone"
                 : json_flag(row, "undone") ? ", undone"
                                            : "",
                 streq(phase, "probing") ? ", probing" : "");
}

/* "gzip 98% -> 61%, xz …": who lost most comes first where it is the first line. */
static void format_cost(const json_object *row, char *buffer, size_t size) {
        const json_object *cost = json_get(row, "cost", json_type_array);
        size_t n = cost ? json_object_array_length(cost) : 0, length = 0;

        snprintf(buffer, size, "-");
        for (size_t i = 0; i < MIN(n, (size_t)2); i++) {
                const json_object *line = json_object_array_get_idx(cost, i);
                const char *name = json_str(line, "unit") ?: json_str(line, "comm") ?: "others";
                char a[FORMAT_MAX], b[FORMAT_MAX];
                double before, during;
                int k;

                if (json_num(line, "cpu_before", &before) && json_num(line, "cpu_during", &during))
                        k = snprintf(buffer + length, size - length, "%s%s %s -> %s",
                                     i > 0 ? ", " : "", name, format_share(a, before),
                                     format_share(b, during));
                else
                        k = snprintf(buffer + length, size - length, "%s%s", i > 0 ? ", " : "",
                                     name);
                length = MIN(length + (size_t)MAX(k, 0), size - 1);
        }
        if (n > 2)
                snprintf(buffer + length, size - length, " +%zu", n - 2);
}

static void add_waits(Table *t, const json_object *row) {
        char a[FORMAT_MAX], b[FORMAT_MAX];
        double before, during;

        if (!delay_of(row, "before", &before) || !delay_of(row, "during", &during)) {
                table_add(t, NULL, STYLE_NONE);
                table_add(t, NULL, STYLE_NONE);
                return;
        }
        table_addf(t, STYLE_NONE, "%s -> %s", format_wait(a, before), format_wait(b, during));
        if (before > 0)
                table_addf(t, during < before ? STYLE_GOOD : STYLE_NONE, "%+.0f%%",
                           (during / before - 1) * 100);
        else
                table_add(t, NULL, STYLE_NONE);
}

static void add_row(Table *t, const json_object *row, usec_t now) {
        char text[FORMAT_MAX], cost[192], verdict[64];
        uint64_t u, pid = 0;

        table_addf(t, STYLE_NONE, "%" PRIu64, json_u64(row, "id", &u) ? u : 0);
        table_add(t, json_u64(row, "at_usec", &u) ? format_age(text, u, now) : NULL, STYLE_NONE);
        table_add(t, json_u64(row, "duration_usec", &u) ? format_duration(text, u) : NULL,
                  STYLE_NONE);
        (void)json_u64(row, "victim", &pid);
        table_addf(t, STYLE_NONE, "%s[%" PRIu64 "]", json_str(row, "victim_comm") ?: "?", pid);
        add_waits(t, row);
        table_add(t, json_u64(row, "wakeups", &u) ? format_count(text, (double)u) : NULL,
                  STYLE_NONE);
        format_cost(row, cost, sizeof(cost));
        table_add(t, cost, STYLE_NONE);
        format_verdict(row, verdict, sizeof(verdict));
        table_add(t, verdict, style_of_verdict(json_str(row, "verdict") ?: ""));
}

Table *impact_table(const json_object *rows, usec_t now, bool utf8) {
        Table *t = table_new(columns, utf8);

        for (size_t i = 0; t && rows && i < json_object_array_length(rows); i++)
                add_row(t, json_object_array_get_idx(rows, i), now);
        return t;
}

/* ---- one of them ---- */

static void print_window(const Context *c, const json_object *row, const char *key,
                         const char *label) {
        const json_object *w = json_get(row, key, json_type_object);
        char delay[FORMAT_MAX], share[FORMAT_MAX], rate[FORMAT_MAX];
        double usec, waits, wakeups, seconds = 0;
        uint64_t n = 0;

        if (!w || !json_num(w, "seconds", &seconds) || seconds <= 0 || !json_u64(w, "wakeups", &n))
                return;
        if (!json_num(w, "delay", &waits) || !json_num(w, "wakeup_rate", &wakeups))
                return;
        if (!json_num(w, "delay_per_wakeup", &usec)) {
                report_field(c, stdout, label, STYLE_NONE,
                             "%" PRIu64 " wake-ups in %.1f s: too few for a mean", n, seconds);
                return;
        }
        report_field(c, stdout, label, STYLE_NONE,
                     "%s per wake-up; waits %s of the time; %s wake-ups a second; seen for %.1f s",
                     format_wait(delay, usec), format_share(share, waits),
                     format_count(rate, wakeups), seconds);
}

static void print_control(const Context *c, const json_object *row) {
        double control, ratio;

        if (json_num(row, "control", &control))
                report_field(c, stdout, "Control", STYLE_NONE,
                             "where it does not reach the wait became %.2f of what it was",
                             control);
        else if (json_flag(row, "probed"))
                report_field(c, stdout, "Control", STYLE_NONE,
                             json_flag(row, "proven")
                                     ? "put back for a probe, and the wait came back"
                                     : "put back for a probe, and the wait did not come back");
        else
                report_field(c, stdout, "Control", STYLE_NONE,
                             "nobody waited whom it does not reach: nothing to compare with");
        if (json_num(row, "ratio", &ratio))
                report_field(c, stdout, "Effect", STYLE_NONE,
                             "the wait per wake-up became %.3f of what it would have been", ratio);
}

static Table *cost_table(const json_object *row, bool utf8) {
        const json_object *cost = json_get(row, "cost", json_type_array);
        Table *t = table_new(cost_columns, utf8);

        for (size_t i = 0; t && cost && i < json_object_array_length(cost); i++) {
                const json_object *line = json_object_array_get_idx(cost, i);
                static const char *const shares[] = {"cpu_before", "cpu_during"};
                static const char *const rates[] = {"io_before", "io_during"};
                char text[FORMAT_MAX];
                uint64_t u;
                double d;

                if (json_u64(line, "pid", &u))
                        table_addf(t, STYLE_NONE, "%" PRIu64, u);
                else
                        table_add(t, NULL, STYLE_NONE);
                if (json_u64(line, "processes", &u) && !json_str(line, "comm"))
                        table_addf(t, STYLE_NONE, "%" PRIu64 " others", u);
                else
                        table_add(t, json_str(line, "unit") ?: json_str(line, "comm"), STYLE_NONE);
                table_add(t, json_str(line, "class"),
                          style_of_class(json_str(line, "class") ?: ""));
                table_add(t, json_num(line, "confidence", &d) ? format_share(text, d) : NULL,
                          STYLE_NONE);
                for (size_t k = 0; k < ELEMENTSOF(shares); k++)
                        table_add(t, json_num(line, shares[k], &d) ? format_share(text, d) : NULL,
                                  STYLE_NONE);
                for (size_t k = 0; k < ELEMENTSOF(rates); k++)
                        table_add(t, json_num(line, rates[k], &d) ? format_bytes(text, d) : NULL,
                                  STYLE_NONE);
                table_add(t, json_num(line, "lost", &d) ? format_share(text, d) : NULL, STYLE_NONE);
                if (json_u64(line, "action", &u))
                        table_addf(t, STYLE_NONE, "%" PRIu64, u);
                else
                        table_add(t, NULL, STYLE_NONE);
        }
        return t;
}

static int print_one(const Context *c, const json_object *row) {
        _cleanup_(table_freep)
        Table *t = cost_table(row, c->utf8);
        char text[FORMAT_MAX], verdict[64];
        uint64_t pid = 0, u = 0;

        format_verdict(row, verdict, sizeof(verdict));
        (void)json_u64(row, "victim", &pid);
        (void)json_u64(row, "duration_usec", &u);
        report_paragraph(c, stdout, STYLE_BOLD,
                         "For the sake of %s (%" PRIu64 "), which waited for %s; for %s.",
                         json_str(row, "victim_comm") ?: "?", pid, json_str(row, "kind") ?: "?",
                         format_duration(text, u));
        report_field(c, stdout, "Verdict", style_of_verdict(json_str(row, "verdict") ?: ""),
                     "%s: %s", verdict, json_str(row, "verdict_sentence") ?: "");
        print_window(c, row, "before", "Before");
        print_window(c, row, "during", "During");
        print_window(c, row, "after", "Put back");
        print_control(c, row);
        if (json_str(row, "model"))
                report_field(c, stdout, "Model", STYLE_NONE, "%s", json_str(row, "model"));
        report_heading(c, stdout, "What it cost");
        if (!t || table_print(t, c, stdout) < 0)
                return fail("out of memory");
        return CLI_OK;
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_(table_freep)
        Table *t = NULL;
        _cleanup_json_ json_object *rows = NULL;
        Error e = ERROR_INIT;
        uint64_t id = 0;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_impact, argc, argv, &args, &r))
                return r;
        if (args.n_positional > 0 && parse_u64(args.positional[0], 1, UINT32_MAX, &id) < 0) {
                fail("impact %s: not the number of an episode, as aikmctl impact lists them",
                     args.positional[0]);
                return CLI_USAGE;
        }
        r = client_get_impact(c, (uint32_t)id, &rows, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(rows);
        if (json_object_array_length(rows) == 0) {
                puts("Nothing was demoted for anybody's sake yet.");
                return CLI_OK;
        }
        if (id > 0)
                return print_one(c, json_object_array_get_idx(rows, 0));
        t = impact_table(rows, usec_now(CLOCK_REALTIME), c->utf8);
        if (!t || table_print(t, c, stdout) < 0)
                return fail("out of memory");
        return CLI_OK;
}

const Verb verb_spec_impact = {
        .name = "impact",
        .args = "[ID]",
        .summary = "Shows what demotions bought (wait per wake-up) and what they cost.",
        .max_args = 1,
        .run = run,
        .details = "With ID the whole story of one. JSON: an array with one element per episode.",
};
