/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/explain.h"

#include <errno.h>
#include <math.h>

#include "cli/client.h"
#include "cli/format.h"
#include "cli/ledger.h"
#include "cli/process.h"
#include "cli/remote.h"
#include "cli/report.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "util/io.h"

static const struct {
        const char *name, *phrase;
} class_phrases[] = {
        {"idle", "does nothing that matters"},
        {"interactive", "works in short bursts for people or timers, and its waits are felt"},
        {"server", "answers requests in short bursts, and its latency matters"},
        {"batch", "computes in long bursts; throughput matters"},
        {"io", "waits for storage"},
        {"memory", "works through memory: faults and reclaim"},
};

/* How a feature reads. Those that are log1p on the bus are turned back. */
typedef enum Kind { KIND_SHARE, KIND_COUNT, KIND_BYTES, KIND_TIME } Kind;

static const struct {
        const char *name;
        Kind kind;
        bool logarithm;
        double notable; /* from here on it stands out */
        const char *phrase;
} notable_features[] = {
        {"cpu", KIND_SHARE, false, 0.3, "CPU use %s of one CPU"},
        {"delay", KIND_SHARE, false, 0.02, "waits for a CPU %s of the time"},
        {"burst", KIND_TIME, true, 2000, "runs %s at a stretch"},
        {"wait", KIND_TIME, true, 1000, "waits %s before each run"},
        {"voluntary", KIND_COUNT, true, 50, "gives the CPU up %s times a second"},
        {"involuntary", KIND_COUNT, true, 50, "is pushed off the CPU %s times a second"},
        {"min_flt", KIND_COUNT, true, 1000, "takes %s page faults a second"},
        {"maj_flt", KIND_COUNT, true, 5, "takes %s page faults from storage a second"},
        {"rchar", KIND_BYTES, true, 1 << 20, "reads %s a second"},
        {"wchar", KIND_BYTES, true, 1 << 20, "writes %s a second"},
        {"read", KIND_BYTES, true, 1 << 18, "fetches %s a second from storage"},
        {"write", KIND_BYTES, true, 1 << 18, "sends %s a second to storage"},
        {"rss_growth", KIND_BYTES, true, 1 << 20, "grows by %s a second"},
};

static char *format_feature(char buffer[FORMAT_MAX], Kind kind, double v) {
        switch (kind) {
        case KIND_SHARE:
                return format_share(buffer, v);
        case KIND_BYTES:
                return format_bytes(buffer, v);
        case KIND_TIME:
                return format_duration(buffer, (usec_t)CLAMP(v, 0.0, 1e15));
        default:
                return format_count(buffer, v >= 10 ? round(v) : v);
        }
}

/* The features whose value says something, as one line; "" for none. */
static void describe_features(const json_object *features, char *buffer, size_t size) {
        size_t n = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(notable_features); i++) {
                const char *phrase = notable_features[i].phrase, *slot = strstr(phrase, "%s");
                char number[FORMAT_MAX];
                double v;
                int k;

                if (!json_num(features, notable_features[i].name, &v))
                        continue;
                if (notable_features[i].logarithm)
                        v = expm1(v);
                if (!(v >= notable_features[i].notable))
                        continue;
                format_feature(number, notable_features[i].kind, v);
                k = snprintf(buffer + n, size - n, "%s%.*s%s%s", n > 0 ? "; " : "",
                             (int)(slot - phrase), phrase, number, slot + 2);
                if (k < 0 || (size_t)k >= size - n)
                        return;
                n += (size_t)k;
        }
}

/* What its class rests on beside its own figures. */
static void print_origin(const Context *c, const json_object *x, FILE *f) {
        const char *exe = json_str(x, "exe");
        double weight = 0, churn = 0;
        char share[FORMAT_MAX];
        uint64_t n = 0;

        if (json_flag(x, "brood") && json_num(x, "churn", &churn))
                report_field(c, f, "Brood", STYLE_NONE,
                             "judged by its children, which come and go and use %s",
                             format_share(share, churn));
        if (json_num(x, "prior_weight", &weight) && weight > 0 &&
            json_u64(x, "prior_processes", &n))
                report_field(c, f, "Known", STYLE_NONE,
                             "%s, from %" PRIu64 " earlier process%s of %s%s",
                             format_share(share, weight), n, n == 1 ? "" : "es",
                             json_flag(x, "prior_other_build") ? "another build of " : "",
                             exe && exe[0] ? exe : "its program");
}

static void print_sentences(const Context *c, const json_object *x, FILE *f) {
        const char *class = json_str(x, "class") ?: "",
                   *verdict = json_str(x, "verdict") ?: "unknown";
        const char *phrase = "has no class yet", *rule = json_str(x, "rule");
        const char *lowered = json_str(x, "lowered_unit");
        uint64_t pid = 0, since, victim = 0, delay = 0;
        char number[FORMAT_MAX], share[FORMAT_MAX];
        double confidence;

        for (size_t i = 0; i < ELEMENTSOF(class_phrases); i++)
                if (streq(class_phrases[i].name, class))
                        phrase = class_phrases[i].phrase;
        (void)json_u64(x, "pid", &pid);
        if (json_num(x, "confidence", &confidence))
                report_paragraph(c, f, STYLE_BOLD, "%s (%" PRIu64 ") %s: class %s, %s sure.",
                                 json_str(x, "comm") ?: "?", pid, phrase,
                                 class[0] ? class : "unknown", format_share(share, confidence));
        else
                report_paragraph(c, f, STYLE_BOLD, "%s (%" PRIu64 ") %s.",
                                 json_str(x, "comm") ?: "?", pid, phrase);
        if (json_u64(x, "verdict_for_usec", &since))
                report_field(c, f, "Verdict", json_flag(x, "treated") ? STYLE_WARN : STYLE_NONE,
                             "%s for %s: %s", verdict, format_duration(number, since),
                             json_str(x, "verdict_sentence") ?: "");
        else
                report_field(c, f, "Verdict", STYLE_NONE, "%s: %s", verdict,
                             json_str(x, "verdict_sentence") ?: "");
        if (json_u64(x, "victim", &victim) && victim > 0) {
                (void)json_u64(x, "victim_delay_usec", &delay);
                report_field(c, f, "For", STYLE_NONE, "%s (%" PRIu64 "), which waits %s a second",
                             json_str(x, "victim_comm") ?: "?", victim,
                             format_duration(number, delay));
        }
        print_origin(c, x, f);
        if (lowered && lowered[0])
                report_field(c, f, "Lowered", STYLE_WARN, "%s, with all that runs in it", lowered);
        if (rule && rule[0])
                report_field(c, f, "Rule", STYLE_NONE, "%s", rule);
}

typedef struct Likelihood {
        const char *name;
        double p;
} Likelihood;

static int compare_likelihood(const void *x, const void *y) {
        const Likelihood *a = x, *b = y;

        return (b->p > a->p) - (b->p < a->p);
}

static void print_probabilities(const Context *c, const json_object *x, FILE *f) {
        json_object *map = json_get(x, "probabilities", json_type_object);
        Likelihood list[16];
        size_t n = 0;

        if (!map)
                return;
        json_object_object_foreach(map, key, value) {
                if (n < ELEMENTSOF(list))
                        list[n++] = (Likelihood){key, json_object_get_double(value)};
        }
        qsort(list, n, sizeof(list[0]), compare_likelihood);
        if (n > 0)
                report_heading(c, f, "In the next seconds it will be");
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_
                char *name = text_escape(list[i].name, c->utf8);
                char bar[128], share[FORMAT_MAX];
                Style style = style_of_class(list[i].name);

                format_bar(bar, sizeof(bar), list[i].p, 24, c->utf8);
                fprintf(f, "  %-12s %s%s%s %6s\n", name ? name : "", style_begin(c->color, style),
                        bar, style_end(c->color, style), format_share(share, list[i].p));
        }
}

static void print_details(const Context *c, const json_object *x, FILE *f) {
        static const struct {
                const char *key, *label;
        } texts[] = {{"exe", "Executable"},
                     {"unit", "Unit"},
                     {"cgroup", "Cgroup"},
                     {"group", "Group"},
                     {"group_reason", "Weighed as"},
                     {"sched", "Scheduling"},
                     {"model", "Model"}};
        double cpu = 0, delay = 0, io = 0, rss = 0;
        char a[FORMAT_MAX], b[FORMAT_MAX], d[FORMAT_MAX], user[64];
        uint64_t ppid = 0, uid = 0, threads = 0;
        int64_t nice = 0;

        report_heading(c, f, "Details");
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                const char *s = json_str(x, texts[i].key);

                if (s && s[0])
                        report_field(c, f, texts[i].label, STYLE_NONE, "%s", s);
        }
        if (json_u64(x, "uid", &uid))
                report_field(c, f, "User", STYLE_NONE, "%s",
                             process_user((uint32_t)uid, remote_is_foreign(c), user, sizeof(user))
                                     ?: "?");
        if (json_u64(x, "ppid", &ppid))
                report_field(c, f, "Parent", STYLE_NONE, "%" PRIu64, ppid);
        if (json_u64(x, "threads", &threads) && json_i64(x, "nice", &nice))
                report_field(c, f, "Threads", STYLE_NONE, "%" PRIu64 ", nice %" PRId64, threads,
                             nice);
        if (json_num(x, "cpu", &cpu) && json_num(x, "delay", &delay))
                report_field(c, f, "CPU", STYLE_NONE, "%s, waits for it %s", format_share(a, cpu),
                             format_share(b, delay));
        if (json_num(x, "rss_bytes", &rss))
                report_field(c, f, "Memory", STYLE_NONE, "%s", format_bytes(d, rss));
        if (json_num(x, "io_bytes", &io))
                report_field(c, f, "Storage", STYLE_NONE, "%s a second", format_bytes(d, io));
}

static void print_features(const Context *c, const json_object *x, FILE *f) {
        json_object *features = json_get(x, "features", json_type_object);
        char text[1024];
        size_t n = 0;

        if (!features)
                return;
        describe_features(features, text, sizeof(text));
        report_heading(c, f, "What stands out");
        report_paragraph(c, f, STYLE_NONE, "%s.",
                         text[0] ? text : "Nothing: all its figures are low");
        report_heading(c, f, "Features as the model sees them (zeros left out)");
        json_object_object_foreach(features, key, value) {
                _cleanup_free_
                char *name = text_escape(key, c->utf8);
                double v = json_object_get_double(value);

                if (v == 0 || !name)
                        continue;
                fprintf(f, "  %-20s %10.4g%s", name, v,
                        n % 2 == 1 || (c->width > 0 && c->width < 70) ? "\n" : "");
                n++;
        }
        if (n == 0)
                fputs("  none\n", f);
        else if (n % 2 == 1 && !(c->width > 0 && c->width < 70))
                fputc('\n', f);
}

int explain_print(const Context *c, const json_object *x, uint64_t now, FILE *f) {
        json_object *entries = json_get(x, "entries", json_type_array);

        print_sentences(c, x, f);
        if (entries && json_object_array_length(entries) > 0) {
                _cleanup_(table_freep)
                Table *t = ledger_table(entries, now, c->utf8);

                report_heading(c, f, "What was changed");
                if (!t || table_print(t, c, f) < 0)
                        return -ENOMEM;
        }
        print_probabilities(c, x, f);
        print_features(c, x, f);
        print_details(c, x, f);
        return 0;
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_json_ json_object *x = NULL;
        Error e = ERROR_INIT;
        uint64_t pid;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_explain, argc, argv, &args, &r))
                return r;
        if (parse_u64(args.positional[0], 1, INT32_MAX, &pid) < 0) {
                fail("explain %s: not a PID, which is a number from 1 to %d", args.positional[0],
                     INT32_MAX);
                return CLI_USAGE;
        }
        r = client_get_explanation(c, (uint32_t)pid, &x, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(x);
        if (explain_print(c, x, usec_now(CLOCK_REALTIME), stdout) < 0)
                return fail("out of memory");
        return CLI_OK;
}

const Verb verb_spec_explain = {
        .name = "explain",
        .args = "PID",
        .summary = "Says what a process is, what is done about it, and why.",
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
