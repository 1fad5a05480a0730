/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/verbs.h"

static const Column columns[] = {
        {"CLASS", 0, 0, 0, false},       {"SHARE", 1, 0, 0, true},
        {"MASS", 2, 0, 0, true},         {"PROCESSES", 2, 0, 0, true},
        {"AGE", 3, 0, 0, true},          {"COMM", 0, 6, 16, false},
        {"EXECUTABLE", 0, 12, 0, false}, {0},
};

/* Of what most is known first. */
static int compare_rows(const void *x, const void *y) {
        json_object *const *a = x, *const *b = y;
        double m = 0, n = 0;

        (void)json_num(*a, "mass", &m);
        (void)json_num(*b, "mass", &n);
        return (n > m) - (n < m);
}

static int show(const Context *c, json_object *rows) {
        _cleanup_(table_freep)
        Table *t = NULL;

        json_object_array_sort(rows, compare_rows);
        if (c->json)
                return json_print(rows);
        if (json_object_array_length(rows) == 0) {
                puts("Nothing is known of any program yet.");
                return CLI_OK;
        }
        t = table_new(columns, c->utf8);
        for (size_t i = 0; t && i < json_object_array_length(rows); i++) {
                const json_object *row = json_object_array_get_idx(rows, i);
                const char *class = json_str(row, "class");
                char text[FORMAT_MAX];
                double mass = 0, share = 0;
                uint64_t n = 0, age = 0;

                (void)json_num(row, "mass", &mass);
                (void)json_u64(row, "processes", &n);
                (void)json_u64(row, "age_usec", &age);
                table_add(t, class, style_of_class(class ?: ""));
                table_add(t, json_num(row, "share", &share) ? format_share(text, share) : NULL,
                          STYLE_NONE);
                table_addf(t, STYLE_NONE, "%.1f", mass);
                table_addf(t, STYLE_NONE, "%" PRIu64, n);
                table_add(t, format_duration(text, age), STYLE_NONE);
                table_add(t, json_str(row, "comm"), STYLE_NONE);
                table_add(t, json_str(row, "exe"), STYLE_NONE);
        }
        return t && table_print(t, c, stdout) >= 0 ? CLI_OK : fail("out of memory");
}

static int forget(Context *c, const char *exe) {
        _cleanup_json_ json_object *answer = NULL;
        Error e = ERROR_INIT;
        uint32_t n = 0;
        int r;

        r = client_forget_priors(c, exe ?: "", &n, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json) {
                answer = json_object_new_object();
                if (!answer ||
                    json_object_object_add(answer, "forgotten", json_object_new_int64(n)) < 0)
                        return fail("out of memory");
                return json_print(answer);
        }
        if (n == 0 && exe)
                return fail("nothing is known of %s; aikmctl priors lists what is", exe);
        printf("Forgotten: %u program%s.\n", n, n == 1 ? "" : "s");
        return CLI_OK;
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_json_ json_object *rows = NULL;
        Error e = ERROR_INIT;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_priors, argc, argv, &args, &r))
                return r;
        if (args.n_positional > 0 && !streq(args.positional[0], "forget")) {
                fail("priors %s: only forget [PATH] may follow", args.positional[0]);
                return CLI_USAGE;
        }
        if (args.n_positional > 1 && args.positional[1][0] != '/') {
                fail("priors forget %s: not an absolute path", args.positional[1]);
                return CLI_USAGE;
        }
        if (args.n_positional > 0)
                return forget(c, args.n_positional > 1 ? args.positional[1] : NULL);
        r = client_get_priors(c, &rows, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        return show(c, rows);
}

const Verb verb_spec_priors = {
        .name = "priors",
        .args = "[forget [PATH]]",
        .summary = "Lists what was learned of programs, or forgets it.",
        .max_args = 2,
        .run = run,
        .details = "A program's next process begins as what its earlier ones proved to be. Without "
                   "PATH "
                   "all is forgotten.",
};
