/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/ledger.h"

#include "cli/client.h"
#include "cli/format.h"
#include "cli/verbs.h"

enum { OPTION_ALL };

static const Option options[] = {
        [OPTION_ALL] = {'a', "all", NULL, "changes that have ended as well"},
        {0},
};

static const Column columns[] = {
        {"ACTION", 0, 0, 0, true},
        {"STATE", 1, 0, 0, false},
        {"SINCE", 4, 0, 0, false},
        {"ACTUATOR", 2, 0, 0, false},
        {"PID", 0, 0, 0, true},
        {"COMM", 0, 6, 16, false},
        {"THR", 6, 0, 0, true},
        {"OLD", 0, 6, 32, false},
        {"NEW", 0, 6, 32, false},
        {"WHY", 3, 12, 0, false},
        {0},
};

static bool same(const json_object *a, const json_object *b, const char *key) {
        json_object *x = NULL, *y = NULL;

        (void)json_object_object_get_ex(a, key, &x);
        (void)json_object_object_get_ex(b, key, &y);
        return json_object_equal(x, y);
}

static bool is_sibling(const json_object *a, const json_object *b) {
        static const char *const keys[] = {"action", "state", "actuator", "pid",
                                           "path",   "old",   "new"};

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (!same(a, b, keys[i]))
                        return false;
        return true;
}

static Style style_of_state(const char *state) {
        return streq(state, "active")     ? STYLE_WARN
               : streq(state, "foreign")  ? STYLE_BAD
               : streq(state, "restored") ? STYLE_GOOD
                                          : STYLE_DIM;
}

static void add_entry(Table *t, const json_object *row, size_t n_threads, usec_t now) {
        const char *state = json_str(row, "state") ?: "";
        const char *comm = json_str(row, "comm"), *path = json_str(row, "path");
        char age[FORMAT_MAX];
        uint64_t u;

        table_addf(t, STYLE_NONE, "%" PRIu64, json_u64(row, "action", &u) ? u : 0);
        table_add(t, state, style_of_state(state));
        table_add(t, json_u64(row, "at_usec", &u) ? format_age(age, u, now) : NULL, STYLE_NONE);
        table_add(t, json_str(row, "actuator"), STYLE_NONE);
        if (json_u64(row, "pid", &u) && u > 0) {
                table_addf(t, STYLE_NONE, "%" PRIu64, u);
                table_add(t, comm, STYLE_NONE);
        } else {
                /* A knob of the machine: its path takes the name's place. A filter has its
                 * interface there. */
                table_add(t, NULL, STYLE_NONE);
                table_add(t, comm && comm[0] ? comm : path, STYLE_NONE);
        }
        if (json_u64(row, "tid", &u) && u > 0)
                table_addf(t, STYLE_NONE, "%zu", n_threads);
        else
                table_add(t, NULL, STYLE_NONE);
        table_add(t, json_str(row, "old"), STYLE_NONE);
        table_add(t, json_str(row, "new"), STYLE_NONE);
        table_add(t, json_str(row, "why"), STYLE_NONE);
}

Table *ledger_table(const json_object *rows, usec_t now, bool utf8) {
        Table *t = table_new(columns, utf8);
        size_t n = rows ? json_object_array_length(rows) : 0;

        for (size_t i = 0, next; t && i < n; i = next) {
                const json_object *row = json_object_array_get_idx(rows, i);

                for (next = i + 1; next < n; next++)
                        if (!is_sibling(row, json_object_array_get_idx(rows, next)))
                                break;
                add_entry(t, row, next - i, now);
        }
        return t;
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_(table_freep)
        Table *t = NULL;
        _cleanup_json_ json_object *rows = NULL;
        Error e = ERROR_INIT;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_ledger, argc, argv, &args, &r))
                return r;
        r = client_get_ledger(c, args.value[OPTION_ALL], &rows, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(rows);
        if (json_object_array_length(rows) == 0) {
                puts(args.value[OPTION_ALL] ? "The ledger is empty." : "Nothing is changed now.");
                return CLI_OK;
        }
        t = ledger_table(rows, usec_now(CLOCK_REALTIME), c->utf8);
        if (!t || table_print(t, c, stdout) < 0)
                return fail("out of memory");
        return CLI_OK;
}

const Verb verb_spec_ledger = {
        .name = "ledger",
        .summary = "Lists every change that is in force: old value, new value, why.",
        .options = options,
        .run = run,
        .details = "rollback ACTION undoes a row. JSON: an array with one element per thread.",
};
