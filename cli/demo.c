/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * aikmctl demo: shows on processes of its own what aikmd does for a server beside hogs, and that
 * nothing is left changed. The daemon acts on them under a trial, which ends by itself should this
 * program die.
 */

#include <errno.h>
#include <systemd/sd-bus.h>

#include "cli/client.h"
#include "cli/demo-load.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "util/io.h"

#define SNAPSHOT_SIZE ((size_t)256 * 1024)
#define WARM_USEC (3 * USEC_PER_SEC)
#define SETTLE_USEC USEC_PER_SEC /* until requests that queued up before are answered */
#define CLOSED_USEC (1500 * USEC_PER_MSEC)
#define TREAT_TIMEOUT_USEC (20 * USEC_PER_SEC)
#define RESTORE_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define POLL_USEC (200 * USEC_PER_MSEC)

enum { OPTION_HOGS, OPTION_TIME };

static const Option options[] = {
        {'n', "hogs", "N", "CPU hogs to start (1 to 64, default 6)"},
        {'t', "time", "SECONDS", "how long each phase measures latency (1 to 15, default 4)"},
        {},
};

typedef enum Phase { PHASE_UNTREATED, PHASE_TREATED, PHASE_ROLLED_BACK, _PHASE_COUNT } Phase;

static const char *const phase_names[_PHASE_COUNT] = {
        [PHASE_UNTREATED] = "untreated",
        [PHASE_TREATED] = "under aikmd",
        [PHASE_ROLLED_BACK] = "after rollback",
};

typedef struct Demo {
        Context *c;
        DemoLoad *load;
        usec_t time;
        char *before, *now;
        json_object *status; /* of the daemon */
        json_object *rows;   /* Processes.List while treated */
        DemoMeasure measure[_PHASE_COUNT];
        bool treated;   /* every hog */
        bool unchanged; /* every attribute, in the end */
} Demo;

static void demo_done(Demo *d) {
        demo_load_stop(d->load);
        json_object_put(d->status);
        json_object_put(d->rows);
        free(d->before);
        free(d->now);
}

_printf_(2, 3) static void progress(const Demo *d, const char *format, ...) {
        va_list ap;

        if (!d->c->progress)
                return;
        fputs("\r\x1b[K", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
}

static int trial(Demo *d, pid_t root, const char *mode, Error *e) {
        return client_call(d->c, NULL, e, AIKM_BUS_MANAGER, "Trial", "us", (uint32_t)root, mode);
}

static const json_object *find_row(const json_object *rows, pid_t pid) {
        for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
                const json_object *row = json_object_array_get_idx(rows, i);
                uint64_t u;

                if (json_u64(row, "pid", &u) && (pid_t)u == pid)
                        return row;
        }
        return NULL;
}

static size_t count_treated(const Demo *d) {
        const pid_t *hogs;
        size_t n = demo_load_hogs(d->load, &hogs), treated = 0;

        for (size_t i = 0; i < n; i++) {
                const json_object *row = find_row(d->rows, hogs[i]);

                treated += row && json_flag(row, "treated");
        }
        return treated;
}

/* Waits until the daemon has demoted every hog. CLI_OK whether or not it did: the report says. */
static int wait_treated(Demo *d, Error *e) {
        const pid_t *hogs;
        size_t n = demo_load_hogs(d->load, &hogs);

        for (usec_t waited = 0; waited <= TREAT_TIMEOUT_USEC; waited += POLL_USEC) {
                int status;

                json_object_put(TAKE_PTR(d->rows));
                status = client_get_processes(d->c, &d->rows, e);
                if (status != CLI_OK)
                        return status;
                if (count_treated(d) == n) {
                        d->treated = true;
                        break;
                }
                progress(d, "aikmd decides: %zu of %zu hogs demoted …", count_treated(d), n);
                usleep((useconds_t)POLL_USEC);
        }
        return CLI_OK;
}

static void wait_restored(Demo *d) {
        for (usec_t waited = 0; waited <= RESTORE_TIMEOUT_USEC; waited += POLL_USEC) {
                if (demo_load_snapshot(d->load, d->now, SNAPSHOT_SIZE) >= 0 &&
                    streq(d->before, d->now))
                        return;
                progress(d, "waiting until everything is put back …");
                usleep((useconds_t)POLL_USEC);
        }
}

static int measure(Demo *d, Phase phase, Error *e) {
        int r;

        progress(d, "measuring %s: %.1f s …", phase_names[phase],
                 (double)(d->time + CLOSED_USEC) / 1e6);
        usleep((useconds_t)SETTLE_USEC);
        r = demo_load_measure(d->load, d->time, CLOSED_USEC, &d->measure[phase]);
        if (r < 0) {
                error_set(e, r, "the demo's processes ended before they were measured");
                return CLI_FAILURE;
        }
        return CLI_OK;
}

static int run_phases(Demo *d, Error *e) {
        pid_t root = demo_load_root(d->load);
        int status;

        status = trial(d, root, "observe", e);
        if (status == CLI_OK) {
                progress(d, "a server and its hogs run …");
                usleep((useconds_t)WARM_USEC);
                status = measure(d, PHASE_UNTREATED, e);
        }
        if (status == CLI_OK)
                status = trial(d, root, "enforce", e);
        if (status == CLI_OK)
                status = wait_treated(d, e);
        if (status == CLI_OK)
                status = measure(d, PHASE_TREATED, e);
        if (status == CLI_OK)
                status = trial(d, root, "observe", e);
        if (status == CLI_OK) {
                wait_restored(d);
                status = measure(d, PHASE_ROLLED_BACK, e);
        }
        return status;
}

static double ratio(double a, double b) {
        return b > 0 ? a / b : 0;
}

static int print_phases(const Demo *d) {
        static const Column columns[] = {
                {"", 0, 0, 0, false},
                {"P50", 0, 0, 0, true},
                {"P99", 0, 0, 0, true},
                {"MAX", 2, 0, 0, true},
                {"REQUESTS/S", 1, 0, 0, true},
                {"HOGS' WORK", 3, 0, 0, true},
                {},
        };
        _cleanup_(table_freep)
        Table *t = table_new(columns, d->c->utf8);

        if (!t)
                return -ENOMEM;
        for (int p = 0; p < _PHASE_COUNT; p++) {
                const DemoMeasure *m = &d->measure[p];
                char buffer[FORMAT_MAX];

                table_add(t, phase_names[p], p == PHASE_TREATED ? STYLE_BOLD : STYLE_NONE);
                table_add(t, format_duration(buffer, (usec_t)m->p50), STYLE_NONE);
                table_add(t, format_duration(buffer, (usec_t)m->p99),
                          p == PHASE_TREATED ? STYLE_GOOD : STYLE_NONE);
                table_add(t, format_duration(buffer, (usec_t)m->max), STYLE_NONE);
                table_addf(t, STYLE_NONE, "%.0f", m->throughput);
                table_addf(t, STYLE_NONE, "%.0f%%",
                           100 * ratio(m->hog_work, d->measure[PHASE_UNTREATED].hog_work));
        }
        return table_print(t, d->c, stdout);
}

static void print_decision(const Demo *d, const char *who, pid_t pid) {
        const json_object *row = find_row(d->rows, pid);
        double confidence = 0;

        if (!row)
                return;
        (void)json_num(row, "confidence", &confidence);
        printf("  %-18s pid %-7d %-12s %3.0f%%  %s\n", who, pid,
               json_str(row, "class") ?: "unknown", confidence * 100,
               json_str(row, "verdict") ?: "unknown");
}

static void print_report(const Demo *d) {
        const char *model = json_str(d->status, "model") ?: "unknown",
                   *digest = json_str(d->status, "model_digest") ?: "";
        const DemoMeasure *m = d->measure;
        const pid_t *hogs;
        size_t n = demo_load_hogs(d->load, &hogs);

        if (streq(model, "rules"))
                printf("Decided by the built-in rules (%s):\n",
                       json_str(d->status, "model_reason") ?: "");
        else
                printf("Decided by the network \"%s\" %s (sha256 %.12s…), from what the processes "
                       "did, not from their names:\n",
                       model, json_str(d->status, "model_version") ?: "", digest);
        print_decision(d, "server", demo_load_server(d->load));
        print_decision(d, "its client", demo_load_client(d->load));
        for (size_t i = 0; i < n; i++)
                print_decision(d, "hog", hogs[i]);
        putchar('\n');
        (void)print_phases(d);
        putchar('\n');
        if (d->treated)
                printf("Under aikmd p99 was %.1f times lower and throughput %.2f times what it was "
                       "untreated.\n",
                       ratio(m[PHASE_UNTREATED].p99, m[PHASE_TREATED].p99),
                       ratio(m[PHASE_TREATED].throughput, m[PHASE_UNTREATED].throughput));
        else
                printf("%zu of %zu hogs were demoted; the verdicts above say why not all.\n",
                       count_treated(d), n);
        printf("%s\n",
               d->unchanged
                       ? "Nothing is left changed: every attribute of every thread is what it was."
                       : "Something is left changed; `aikmctl ledger --all` shows what.");
}

static json_object *measure_to_json(const DemoMeasure *m) {
        json_object *o = json_object_new_object();

        json_set(o, "requests", json_object_new_uint64(m->n_requests));
        json_set(o, "p50_usec", json_new_double(m->p50));
        json_set(o, "p99_usec", json_new_double(m->p99));
        json_set(o, "max_usec", json_new_double(m->max));
        json_set(o, "requests_per_second", json_new_double(m->throughput));
        json_set(o, "hog_mturns_per_second", json_new_double(m->hog_work));
        return o;
}

static void add_process(const Demo *d, json_object *list, const char *role, pid_t pid) {
        const json_object *row = find_row(d->rows, pid);
        json_object *o;

        if (!row)
                return;
        o = json_object_new_object();
        json_set(o, "role", json_object_new_string(role));
        json_object_object_foreach(row, key, value) {
                json_set(o, key, json_object_get(value));
        }
        json_object_array_add(list, o);
}

static int print_json(const Demo *d) {
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *processes = json_object_new_array(), *phases = json_object_new_object();
        const pid_t *hogs;
        size_t n = demo_load_hogs(d->load, &hogs);

        add_process(d, processes, "server", demo_load_server(d->load));
        add_process(d, processes, "client", demo_load_client(d->load));
        for (size_t i = 0; i < n; i++)
                add_process(d, processes, "hog", hogs[i]);
        for (int p = 0; p < _PHASE_COUNT; p++)
                json_set(phases, phase_names[p], measure_to_json(&d->measure[p]));
        json_set(o, "model", json_object_new_string(json_str(d->status, "model") ?: ""));
        json_set(o, "model_digest",
                 json_object_new_string(json_str(d->status, "model_digest") ?: ""));
        json_set(o, "processes", processes);
        json_set(o, "phases", phases);
        json_set(o, "treated", json_object_new_boolean(d->treated));
        json_set(o, "unchanged", json_object_new_boolean(d->unchanged));
        return json_print(o);
}

static int demo_run(Demo *d, size_t n_hogs, Error *e) {
        int r, status;

        d->before = malloc(SNAPSHOT_SIZE);
        d->now = malloc(SNAPSHOT_SIZE);
        if (!d->before || !d->now) {
                error_set(e, -ENOMEM, "out of memory");
                return CLI_FAILURE;
        }
        status = client_get_status(d->c, &d->status, e);
        if (status != CLI_OK)
                return status;
        r = demo_load_start(n_hogs, &d->load);
        if (r >= 0)
                r = demo_load_snapshot(d->load, d->before, SNAPSHOT_SIZE);
        if (r < 0) {
                error_set(e, r, "the demo's processes could not be started: %s", strerror(-r));
                return CLI_FAILURE;
        }
        status = run_phases(d, e);
        r = trial(d, 0, "observe", NULL); /* leaving the bus would end it as well */
        (void)r;
        wait_restored(d);
        d->unchanged = demo_load_snapshot(d->load, d->now, SNAPSHOT_SIZE) >= 0 &&
                       streq(d->before, d->now);
        progress(d, "%s", "");
        return status;
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_(demo_done)
        Demo d = {.c = c};
        uint64_t hogs = 6, seconds = 4;
        Error e = ERROR_INIT;
        int status;
        Args args;

        if (!args_begin(c, &verb_spec_demo, argc, argv, &args, &status))
                return status;
        if (args.value[OPTION_HOGS] &&
            parse_u64(args.value[OPTION_HOGS], 1, DEMO_HOGS_MAX, &hogs) < 0) {
                (void)fail("--hogs %s: a number from 1 to %d is accepted", args.value[OPTION_HOGS],
                           DEMO_HOGS_MAX);
                return CLI_USAGE;
        }
        if (args.value[OPTION_TIME] && parse_u64(args.value[OPTION_TIME], 1, 15, &seconds) < 0) {
                (void)fail("--time %s: a number of seconds from 1 to 15 is accepted",
                           args.value[OPTION_TIME]);
                return CLI_USAGE;
        }
        d.time = seconds * USEC_PER_SEC;
        status = demo_run(&d, hogs, &e);
        if (status != CLI_OK)
                return client_fail(status, &e);
        if (c->json)
                status = print_json(&d);
        else
                print_report(&d);
        if (status != CLI_OK)
                return status;
        return d.treated && d.unchanged ? CLI_OK : CLI_FAILURE;
}

const Verb verb_spec_demo = {
        .name = "demo",
        .args = "",
        .summary = "Shows the effect on processes of its own: untreated, under aikmd, rolled back.",
        .options = options,
        .run = run,
        .local = true,
        .details =
                "Starts a server, its client and CPU hogs in a session of their own, measures "
                "them\n"
                "untreated, under aikmd and after rollback, and compares every attribute of every\n"
                "thread before and after. Takes under a minute. Needs root, as all that acts.",
};
