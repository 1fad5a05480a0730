/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the traffic filters see, as text. */
#include "cli/filter.h"
#include "cli/format.h"
#include "cli/report.h"
#include "cli/table.h"

static uint64_t number(const json_object *o, const char *key) {
        uint64_t n;

        return json_u64(o, key, &n) ? n : 0;
}

static const char *count(char buffer[FORMAT_MAX], const json_object *o, const char *key) {
        return format_count(buffer, (double)number(o, key));
}

/* "12k (0.3%)" */
static void add_part(Table *t, const json_object *row, const char *key, Style style) {
        uint64_t n = number(row, key), all = number(row, "packets");
        char a[FORMAT_MAX], b[FORMAT_MAX];

        if (n > 0 && all > 0)
                table_addf(t, style, "%s (%s)", format_count(a, (double)n),
                           format_share(b, (double)n / (double)all));
        else
                table_add(t, "0", STYLE_NONE);
}

static void add_mode(Table *t, const json_object *row) {
        bool enforce = streq(json_str(row, "mode") ?: "", "enforce");
        char text[FORMAT_MAX];
        uint64_t lease;

        if (json_flag(row, "tripped"))
                table_add(t, "shadow: kill switch", STYLE_BAD);
        else if (enforce && json_u64(row, "lease_usec", &lease))
                table_addf(t, STYLE_WARN, "enforce, %s left", format_duration(text, lease));
        else if (enforce)
                table_add(t, "enforce, by policy", STYLE_WARN);
        else
                table_add(t, "shadow", STYLE_NONE);
}

int filter_show_status(Context *c) {
        static const Column columns[] = {{"INTERFACE", 0, 0, 0, false}, {"MODE", 0, 0, 0, false},
                                         {"MODEL", 2, 8, 40, false},    {"PATH", 5, 0, 0, false},
                                         {"BY", 6, 0, 0, false},        {"PACKETS", 1, 0, 0, true},
                                         {"MALICIOUS", 0, 0, 0, true},  {"DROPPED", 1, 0, 0, true},
                                         {"ALLOWED", 4, 0, 0, true},    {"UNKNOWN", 3, 0, 0, true},
                                         {"MEMORY", 7, 0, 0, true},     {0}};
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(table_freep)
        Table *t = NULL;
        Error e = ERROR_INIT;
        int r;

        r = filter_call(c, "List", /* rows= */ true, &rows, &e, "");
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(rows);
        if (json_object_array_length(rows) == 0) {
                puts("No interface has a filter.");
                return CLI_OK;
        }
        t = table_new(columns, c->utf8);
        for (size_t i = 0; t && i < json_object_array_length(rows); i++) {
                const json_object *row = json_object_array_get_idx(rows, i);
                char text[FORMAT_MAX];

                table_add(t, json_str(row, "interface"), STYLE_BOLD);
                add_mode(t, row);
                table_add(t, json_str(row, "model"), STYLE_NONE);
                table_add(t, json_str(row, "path"), STYLE_NONE);
                table_add(t, json_flag(row, "by_policy") ? "policy" : "request", STYLE_NONE);
                table_add(t, count(text, row, "packets"), STYLE_NONE);
                add_part(t, row, "malicious", STYLE_WARN);
                add_part(t, row, "dropped", STYLE_BAD);
                add_part(t, row, "allowed", STYLE_NONE);
                add_part(t, row, "unknown", STYLE_NONE);
                table_add(t,
                          number(row, "memory") > 0
                                  ? format_bytes(text, (double)number(row, "memory"))
                                  : "-",
                          STYLE_NONE);
        }
        return t && table_print(t, c, stdout) >= 0 ? CLI_OK : fail("out of memory");
}

int filter_show_top(Context *c, const char *interface, uint32_t lines) {
        static const Column columns[] = {
                {"SOURCE", 0, 0, 0, false},   {"PACKETS", 0, 0, 0, true}, {"BYTES", 3, 0, 0, true},
                {"MALICIOUS", 0, 0, 0, true}, {"DROPPED", 1, 0, 0, true}, {"CLASS", 2, 0, 0, false},
                {"KNOWN FOR", 5, 0, 0, true}, {"LAST", 4, 0, 0, true},    {0}};
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(table_freep)
        Table *t = NULL;
        Error e = ERROR_INIT;
        int r;

        r = filter_call(c, "Top", /* rows= */ true, &rows, &e, "su", interface, lines);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(rows);
        if (json_object_array_length(rows) == 0) {
                printf("No packet that came in on %s has been judged yet.\n", interface);
                return CLI_OK;
        }
        t = table_new(columns, c->utf8);
        for (size_t i = 0; t && i < json_object_array_length(rows); i++) {
                const json_object *row = json_object_array_get_idx(rows, i);
                bool malicious = number(row, "malicious") > 0;
                char text[FORMAT_MAX];

                table_add(t, json_str(row, "source"), malicious ? STYLE_WARN : STYLE_NONE);
                table_add(t, count(text, row, "packets"), STYLE_NONE);
                table_add(t, format_bytes(text, (double)number(row, "bytes")), STYLE_NONE);
                add_part(t, row, "malicious", STYLE_WARN);
                add_part(t, row, "dropped", STYLE_BAD);
                table_add(t, json_str(row, "class"), STYLE_NONE);
                table_add(t, format_duration(text, number(row, "age_usec")), STYLE_NONE);
                table_addf(t, STYLE_NONE, "%s ago",
                           format_duration(text, number(row, "silent_usec")));
        }
        return t && table_print(t, c, stdout) >= 0 ? CLI_OK : fail("out of memory");
}

static void print_numbers(const Context *c, const json_object *o, const char *key,
                          const char *heading) {
        const json_object *numbers = json_get(o, key, json_type_object);

        if (!numbers)
                return;
        report_heading(c, stdout, heading);
        json_object_object_foreach(numbers, name, value) {
                printf("  %-32s %.0f\n", name, json_object_get_double(value));
        }
}

static void print_sample(const Context *c, const json_object *x) {
        const char *verdict = json_str(x, "sample_verdict");
        char text[FORMAT_MAX];

        if (!verdict)
                return;
        report_field(c, stdout, "Sample", streq(verdict, "malicious") ? STYLE_WARN : STYLE_NONE,
                     "%s ago: %s, class %s, %s; to %s port %" PRIu64 " from port %" PRIu64
                     ", protocol %" PRIu64,
                     format_duration(text, number(x, "sample_age_usec")), verdict,
                     json_str(x, "sample_class") ?: "?",
                     json_flag(x, "sample_dropped") ? "dropped" : "passed",
                     json_str(x, "sample_destination") ?: "?", number(x, "sample_destination_port"),
                     number(x, "sample_source_port"), number(x, "sample_protocol"));
        print_numbers(c, x, "sample_fields", "What the model saw of that packet");
}

int filter_show_source(Context *c, const char *interface, const char *source) {
        _cleanup_json_ json_object *x = NULL;
        char a[FORMAT_MAX], b[FORMAT_MAX];
        Error e = ERROR_INIT;
        const char *allowed;
        int r;

        r = filter_call(c, "Explain", /* rows= */ false, &x, &e, "ss", interface, source);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(x);
        report_field(c, stdout, "Source", STYLE_BOLD, "%s on %s", json_str(x, "source") ?: source,
                     interface);
        allowed = json_str(x, "allowed_by");
        if (allowed)
                report_field(c, stdout, "Allowed", STYLE_GOOD,
                             "by %s: its packets are passed unjudged", allowed);
        if (!json_flag(x, "known")) {
                report_field(c, stdout, "Packets", STYLE_NONE, "%s",
                             allowed ? "those that are passed unjudged are not counted by source"
                                     : "nothing is remembered of it");
                return CLI_OK;
        }
        report_field(c, stdout, "Packets", STYLE_NONE, "%s, %s, in %s; the last %s ago",
                     format_count(a, (double)number(x, "packets")),
                     format_bytes(b, (double)number(x, "bytes")),
                     format_duration((char[FORMAT_MAX]){""}, number(x, "age_usec")),
                     format_duration((char[FORMAT_MAX]){""}, number(x, "silent_usec")));
        report_field(c, stdout, "Malicious", number(x, "malicious") > 0 ? STYLE_WARN : STYLE_GOOD,
                     "%s, of which %s were dropped",
                     format_count(a, (double)number(x, "malicious")),
                     format_count(b, (double)number(x, "dropped")));
        report_field(c, stdout, "Last class", STYLE_NONE, "%s", json_str(x, "class") ?: "?");
        report_field(c, stdout, "Flows", STYLE_NONE, "%" PRIu64 " remembered", number(x, "flows"));
        print_sample(c, x);
        print_numbers(c, x, "fields", "What it did lately");
        return CLI_OK;
}
