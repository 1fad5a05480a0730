/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "cli/client.h"
#include "cli/process.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "util/io.h"

enum {
        OPTION_SORT,
        OPTION_REVERSE,
        OPTION_CLASS,
        OPTION_NAME,
        OPTION_TREATED,
        OPTION_ALL,
        OPTION_N
};

static const Option options[] = {
        [OPTION_SORT] = {'s', "sort", "KEY",
                         "cpu, wait, io, memory, class, pid, confidence or name"},
        [OPTION_REVERSE] = {'r', "reverse", NULL, "turn the order round"},
        [OPTION_CLASS] = {'c', "class", "CLASS",
                          "only idle, interactive, server, batch, io or memory"},
        [OPTION_NAME] = {0, "name", "TEXT", "only names and units that contain it"},
        [OPTION_TREATED] = {'t', "treated", NULL, "only processes that aikmd has changed"},
        [OPTION_ALL] = {'a', "all", NULL, "sleeping processes as well"},
        [OPTION_N] = {'n', "lines", "N", "at most so many processes"},
        {0},
};

/* Turns the options into filter, order and count. 0 or -EINVAL with *e set. */
static int read_options(const Args *args, ProcessFilter *filter, ProcessKey *key, size_t *n,
                        Error *e) {
        const char *sort = args->value[OPTION_SORT], *class = args->value[OPTION_CLASS];
        const char *lines = args->value[OPTION_N];
        uint64_t u;

        if (sort) {
                int k = process_key_from_string(sort);

                if (k < 0)
                        return error_set(e, -EINVAL,
                                         "--sort %s: not one of cpu, wait, io, memory, class, pid, "
                                         "confidence, name",
                                         sort);
                *key = (ProcessKey)k;
        }
        if (class) {
                size_t i = 0;

                while (process_class_name(i) && !streq(process_class_name(i), class))
                        i++;
                if (!process_class_name(i))
                        return error_set(e, -EINVAL,
                                         "--class %s: not one of idle, interactive, server, batch, "
                                         "io, memory",
                                         class);
        }
        if (lines) {
                if (parse_u64(lines, 1, UINT32_MAX, &u) < 0)
                        return error_set(e, -EINVAL, "--lines %s: not a number from 1", lines);
                *n = (size_t)u;
        }
        *filter = (ProcessFilter){
                .load_class = class,
                .name = args->value[OPTION_NAME],
                .treated = args->value[OPTION_TREATED],
                .dormant = args->value[OPTION_ALL],
        };
        return 0;
}

static int print_json(const ProcessList *l, size_t n) {
        _cleanup_json_ json_object *list = json_object_new_array();

        if (!list)
                return fail("out of memory");
        for (size_t i = 0; i < l->n && (n == 0 || i < n); i++) {
                json_object *row = json_object_get((json_object *)l->processes[i].row);

                if (json_object_array_add(list, row) < 0) {
                        json_object_put(row);
                        return fail("out of memory");
                }
        }
        return json_print(list);
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_(process_list_done)
        ProcessList l = {0};
        _cleanup_(table_freep)
        Table *t = NULL;
        _cleanup_json_ json_object *rows = NULL;
        ProcessFilter filter = {0};
        ProcessKey key = PROCESS_KEY_CPU;
        Error e = ERROR_INIT;
        size_t n = 0;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_ps, argc, argv, &args, &r))
                return r;
        if (read_options(&args, &filter, &key, &n, &e) < 0) {
                fail("%s", e.text);
                return CLI_USAGE;
        }
        r = client_get_processes(c, &rows, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (process_list_init(&l, rows, &filter) < 0)
                return fail("out of memory");
        process_list_sort(&l, key, args.value[OPTION_REVERSE]);
        if (c->json)
                return print_json(&l, n);
        t = process_list_table(&l, n, remote_is_foreign(c), c->utf8);
        if (!t || table_print(t, c, stdout) < 0)
                return fail("out of memory");
        if (c->legend && l.n_hidden > 0)
                printf("%s%zu sleeping %s not shown (--all shows them)%s\n",
                       style_begin(c->color, STYLE_DIM), l.n_hidden,
                       l.n_hidden == 1 ? "process is" : "processes are",
                       style_end(c->color, STYLE_DIM));
        return CLI_OK;
}

const Verb verb_spec_ps = {
        .name = "ps",
        .summary = "Lists processes with their load class and what is done about them.",
        .options = options,
        .run = run,
        .details = "WAIT% is run delay: time runnable but waiting for a CPU, summed over threads. "
                   "JSON: an array of rows.",
};
