/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "cli/client.h"
#include "cli/verbs.h"
#include "util/io.h"

enum { OPTION_PID, OPTION_ACTION };

static const Option options[] = {
        [OPTION_PID] = {'p', "pid", NULL, "the number is a PID"},
        [OPTION_ACTION] = {0, "action", NULL, "the number is an action of the ledger"},
        {0},
};

typedef struct Target {
        const char *what; /* all, pid, action */
        uint64_t number;
        bool guessed;  /* a plain number that had to be looked up */
        bool also_pid; /* it is an action, and a treated process has that PID too */
} Target;

static int parse_target(const Args *args, Target *ret, Error *e) {
        const char *text = args->n_positional > 0 ? args->positional[0] : "all";
        Target t = {.what = args->value[OPTION_PID]      ? "pid"
                            : args->value[OPTION_ACTION] ? "action"
                                                         : NULL};

        if (args->value[OPTION_PID] && args->value[OPTION_ACTION])
                return error_set(e, -EINVAL, "--pid and --action exclude each other");
        if (!t.what && streq(text, "all")) {
                *ret = (Target){.what = "all"};
                return 0;
        }
        if (!t.what && strncmp(text, "pid:", 4) == 0) {
                t.what = "pid";
                text += 4;
        } else if (!t.what && strncmp(text, "action:", 7) == 0) {
                t.what = "action";
                text += 7;
        }
        if (parse_u64(text, 1, t.what && streq(t.what, "pid") ? INT32_MAX : UINT64_MAX, &t.number) <
            0)
                return error_set(e, -EINVAL,
                                 "rollback %s: not \"all\", an action's number, a PID, pid:NUMBER "
                                 "or action:NUMBER",
                                 args->n_positional > 0 ? args->positional[0] : "(nothing)");
        t.guessed = !t.what;
        *ret = t;
        return 0;
}

/* What a plain number means: an action in force, else a process with changes in force, else an
 * action that has ended. */
static int resolve(Context *c, Target *t, Error *e) {
        bool in_force = false, ended = false, is_pid = false;
        _cleanup_json_ json_object *rows = NULL;
        int r;

        r = client_get_ledger(c, /* all= */ true, &rows, e);
        if (r != CLI_OK)
                return r;
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                const json_object *row = json_object_array_get_idx(rows, i);
                bool active = streq(json_str(row, "state") ?: "", "active");
                uint64_t u;

                if (json_u64(row, "action", &u) && u == t->number) {
                        in_force |= active;
                        ended |= !active;
                }
                is_pid |= json_u64(row, "pid", &u) && u == t->number && active;
        }
        if (!in_force && !ended && !is_pid) {
                error_set(e, -ENOENT,
                          "%" PRIu64 " is neither an action of the ledger nor the PID of a treated "
                          "process; see aikmctl ledger",
                          t->number);
                return CLI_FAILURE;
        }
        t->what = in_force || !is_pid ? "action" : "pid";
        t->also_pid = in_force && is_pid;
        return CLI_OK;
}

static uint64_t count(const json_object *result, const char *key) {
        uint64_t u;

        return json_u64(result, key, &u) ? u : 0;
}

static void print_result(const Target *t, const json_object *result) {
        uint64_t restored = count(result, "restored"), foreign = count(result, "foreign");
        uint64_t gone = count(result, "gone"), failed = count(result, "failed");
        uint64_t kept = count(result, "kept");

        if (t->also_pid)
                printf("%" PRIu64 " is taken as the action; pid:%" PRIu64
                       " means the process of that number.\n",
                       t->number, t->number);
        if (streq(t->what, "all"))
                fputs("Everything: ", stdout);
        else
                printf("%s %" PRIu64 ": ", streq(t->what, "pid") ? "Process" : "Action", t->number);
        if (restored + foreign + gone + failed + kept == 0)
                puts("nothing was changed, nothing to put back.");
        else {
                printf("%" PRIu64 " restored", restored);
                if (foreign > 0)
                        printf(", %" PRIu64 " left alone (somebody else changed it since)",
                               foreign);
                if (gone > 0)
                        printf(", %" PRIu64 " gone", gone);
                if (kept > 0)
                        printf(", %" PRIu64 " that cannot be put back", kept);
                if (failed > 0)
                        printf(", %" PRIu64 " failed", failed);
                puts(".");
        }
}

static int run(Context *c, int argc, char **argv) {
        _cleanup_json_ json_object *result = NULL;
        Error e = ERROR_INIT;
        Target t = {.what = "all"};
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_rollback, argc, argv, &args, &r))
                return r;
        if (parse_target(&args, &t, &e) < 0) {
                fail("%s", e.text);
                return CLI_USAGE;
        }
        if (t.guessed) {
                r = resolve(c, &t, &e);
                if (r != CLI_OK)
                        return client_fail(r, &e);
        }
        r = client_rollback(c, t.what, t.number, &result, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json) {
                if (json_set(result, "what", json_object_new_string(t.what)) < 0 ||
                    json_set(result, "number", json_object_new_uint64(t.number)) < 0)
                        return fail("out of memory");
                r = json_print(result);
        } else
                print_result(&t, result);
        if (r == CLI_OK && count(result, "failed") > 0)
                r = fail("%" PRIu64 " values could not be put back; the daemon's log says why",
                         count(result, "failed"));
        return r;
}

const Verb verb_spec_rollback = {
        .name = "rollback",
        .args = "[ACTION|PID|all]",
        .summary = "Puts back what aikmd changed, as far as it is still its own.",
        .options = options,
        .max_args = 1,
        .run = run,
        .details = "A plain number is an action in force if there is one of that number, else the\n"
                   "PID of a treated process, else an action that has ended; pid:NUMBER and\n"
                   "action:NUMBER say which. Without an argument: all.",
};
