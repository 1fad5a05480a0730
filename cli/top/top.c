/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/top/top.h"

#include <errno.h>
#include <systemd/sd-bus.h>

#include "cli/remote.h"
#include "cli/verbs.h"
#include "util/io.h"

enum {
        OPTION_ONCE,
        OPTION_BATCH,
        OPTION_N,
        OPTION_DELAY,
        OPTION_SORT,
        OPTION_REVERSE,
        OPTION_TREATED,
        OPTION_ALL
};

static const Option options[] = {
        [OPTION_ONCE] = {'1', "once", NULL, "print one screen as text and exit"},
        [OPTION_BATCH] = {'b', "batch", NULL, "print screen after screen as text"},
        [OPTION_N] = {'n', "iterations", "N", "with --batch: end after so many"},
        [OPTION_DELAY] = {'d', "delay", "SECONDS",
                          "refresh so often (0.1 to 3600), not at each tick"},
        [OPTION_SORT] = {'s', "sort", "KEY",
                         "cpu, wait, io, memory, class, pid, confidence or name"},
        [OPTION_REVERSE] = {'r', "reverse", NULL, "turn the order round"},
        [OPTION_TREATED] = {'t', "treated", NULL, "only processes that aikmd has changed"},
        [OPTION_ALL] = {'a', "all", NULL, "sleeping processes as well"},
        {0},
};

int top_fetch(Context *c, TopModel *m, Error *e) {
        _cleanup_json_ json_object *status = NULL, *rows = NULL;
        int r;

        r = client_get_status(c, &status, e);
        if (r == CLI_OK)
                r = client_get_processes(c, &rows, e);
        if (r != CLI_OK)
                return r;
        if (top_model_take(m, TAKE_PTR(status), TAKE_PTR(rows)) < 0) {
                error_set(e, -ENOMEM, "out of memory");
                return CLI_FAILURE;
        }
        return CLI_OK;
}

static int print_screen(const Context *c, const TopModel *m) {
        _cleanup_(table_freep)
        Table *t = process_list_table(&m->list, 0, remote_is_foreign(c), c->utf8);

        if (c->legend) {
                for (int i = 0; i < TOP_HEADER_LINES; i++) {
                        char line[1024];

                        top_model_header(m, i, c->utf8, line, sizeof(line));
                        puts(line);
                }
                putchar('\n');
        }
        if (!t || table_print(t, c, stdout) < 0)
                return fail("out of memory");
        return CLI_OK;
}

static int print_json(const TopModel *m) {
        _cleanup_json_ json_object *o = json_object_new_object(), *list = json_object_new_array();

        if (!o || !list)
                return fail("out of memory");
        for (size_t i = 0; i < m->list.n; i++)
                if (json_object_array_add(
                            list, json_object_get((json_object *)m->list.processes[i].row)) < 0)
                        return fail("out of memory");
        if (json_set(o, "status", json_object_get(m->status)) < 0 ||
            json_set(o, "processes", TAKE_PTR(list)) < 0)
                return fail("out of memory");
        return json_print(o);
}

static int on_ticked(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        bool *ticked = userdata;

        *ticked = true;
        return 0;
}

/* Sleeps until the next tick, or for delay. Returns 0 or -errno. */
static int wait_next(Context *c, usec_t delay) {
        _cleanup_(sd_bus_slot_unrefp)
        sd_bus_slot *slot = NULL;
        bool ticked = false;
        int r;

        if (delay > 0) {
                struct timespec ts = {.tv_sec = (time_t)(delay / USEC_PER_SEC),
                                      .tv_nsec = (long)(delay % USEC_PER_SEC * NSEC_PER_USEC)};

                while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
                        ;
                return 0;
        }
        r = sd_bus_match_signal(c->bus, &slot, NULL, AIKM_BUS_PATH, AIKM_BUS_MANAGER, "Ticked",
                                on_ticked, &ticked);
        while (r >= 0 && !ticked) {
                r = sd_bus_process(c->bus, NULL);
                if (r == 0) {
                        r = sd_bus_wait(c->bus, 5 * USEC_PER_SEC);
                        /* No tick for long: ask, and hear what is the matter. */
                        if (r == 0)
                                return 0;
                }
        }
        return MIN(r, 0);
}

static int run_text(Context *c, TopModel *m, uint64_t n, usec_t delay) {
        for (uint64_t i = 0; n == 0 || i < n; i++) {
                Error e = ERROR_INIT;
                int r;

                if (i > 0) {
                        r = wait_next(c, delay);
                        if (r < 0)
                                return fail("waiting for aikmd failed: %s", strerror(-r));
                        if (!c->json)
                                putchar('\n');
                }
                r = top_fetch(c, m, &e);
                if (r != CLI_OK)
                        return client_fail(r, &e);
                r = c->json ? print_json(m) : print_screen(c, m);
                if (r != CLI_OK)
                        return r;
                fflush(stdout);
        }
        return CLI_OK;
}

static int read_options(const Args *args, TopModel *m, uint64_t *n, usec_t *delay, Error *e) {
        const char *iterations = args->value[OPTION_N], *seconds = args->value[OPTION_DELAY];
        const char *sort = args->value[OPTION_SORT];
        double d;

        if (args->value[OPTION_ONCE] && (args->value[OPTION_BATCH] || iterations))
                return error_set(e, -EINVAL, "--once and --batch exclude each other");
        if (iterations && !args->value[OPTION_BATCH])
                return error_set(e, -EINVAL, "--iterations goes with --batch");
        if (iterations && parse_u64(iterations, 1, UINT32_MAX, n) < 0)
                return error_set(e, -EINVAL, "--iterations %s: not a number from 1", iterations);
        if (seconds) {
                if (parse_double(seconds, 0.1, 3600, &d) < 0)
                        return error_set(e, -EINVAL, "--delay %s: not seconds from 0.1 to 3600",
                                         seconds);
                *delay = (usec_t)(d * (double)USEC_PER_SEC);
        }
        if (sort) {
                int k = process_key_from_string(sort);

                if (k < 0)
                        return error_set(e, -EINVAL,
                                         "--sort %s: not one of cpu, wait, io, memory, class, pid, "
                                         "confidence, name",
                                         sort);
                top_model_set_key(m, (ProcessKey)k);
        }
        m->reverse = args->value[OPTION_REVERSE];
        m->treated = args->value[OPTION_TREATED];
        m->all = args->value[OPTION_ALL];
        return 0;
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_(top_model_done)
        TopModel m = TOP_MODEL_INIT;
        Error e = ERROR_INIT;
        usec_t delay = 0;
        uint64_t n = 0;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_top, argc, argv, &args, &r))
                return r;
        if (read_options(&args, &m, &n, &delay, &e) < 0) {
                fail("%s", e.text);
                return CLI_USAGE;
        }
        m.where = remote_name(c);
        if (args.value[OPTION_BATCH])
                return run_text(c, &m, n, delay);
        if (args.value[OPTION_ONCE])
                return run_text(c, &m, 1, delay);
        if (c->json) {
                fail("top --json goes with --once or --batch");
                return CLI_USAGE;
        }
        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
                fail("top needs a terminal; --once and --batch print text");
                return CLI_USAGE;
        }
        return top_screen_run(c, &m, delay);
}

#if !HAVE_TOP
int top_screen_run(Context *c, TopModel *m, usec_t delay) {
        return fail("built without ncurses, so there is no full screen: use top --once or --batch");
}
#endif

const Verb verb_spec_top = {
        .name = "top",
        .summary = "Follows processes, contention and changes on a full screen.",
        .options = options,
        .run = run,
        .details =
                "Keys: P W I M C N sort by CPU, wait, I/O, memory, class, PID; r reverses; arrows "
                "select;\n"
                "e explains; b rolls back; m changes the mode; t treated only; a all; / filters;\n"
                "h helps; q quits.",
};
