/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verbs.h"

#include <errno.h>

#include "util/error.h"

/* A line each: checks read it. */
/* clang-format off */
const Verb *const verb_table[] = {
        &verb_spec_status,
        &verb_spec_ps,
        &verb_spec_top,
        &verb_spec_explain,
        &verb_spec_policy,
        &verb_spec_mode,
        &verb_spec_ledger,
        &verb_spec_impact,
        &verb_spec_priors,
        &verb_spec_rollback,
        &verb_spec_demo,
        &verb_spec_model,
        &verb_spec_config,
        &verb_spec_dataset,
        &verb_spec_filter,
        NULL,
};
/* clang-format on */

const Verb *verb_find(const char *name) {
        for (size_t i = 0; verb_table[i]; i++)
                if (streq(verb_table[i]->name, name))
                        return verb_table[i];
        return NULL;
}

static const char *verb_name(const void *table, size_t i) {
        const Verb *const *verbs = table;

        return verbs[i] ? verbs[i]->name : NULL;
}

static void print_help(FILE *f) {
        fputs("Usage: aikmctl [OPTIONS] VERB [ARGUMENTS]\n\n"
              "Shows what aikmd sees and why it acts, and tells it what it may do.\n\n",
              f);
        for (size_t i = 0; verb_table[i]; i++)
                fprintf(f, "  %-10s %s\n", verb_table[i]->name, verb_table[i]->summary);
        fputc('\n', f);
        args_print_options(args_global_options, f);
        fputs("\naikmctl VERB --help says more of a verb; aikmctl(1) all of it.\n", f);
}

int verbs_run(Context *c, int argc, char **argv) {
        static const Verb global = {.name = "", .args = "", .max_args = SIZE_MAX};
        Error e = ERROR_INIT;
        const Verb *v;
        Args args;
        int r;

        r = args_parse(c, &global, /* stop_early= */ true, argc, argv, &args, &e);
        if (r < 0) {
                fail("%s", e.text);
                return CLI_USAGE;
        }
        if (r == ARGS_VERSION) {
                puts("aikmctl " AIKM_VERSION);
                return CLI_OK;
        }
        if (r == ARGS_HELP || (args.n_positional > 0 && streq(args.positional[0], "help"))) {
                print_help(stdout);
                return CLI_OK;
        }
        if (args.n_positional == 0) {
                print_help(stderr);
                return CLI_USAGE;
        }
        v = verb_find(args.positional[0]);
        if (!v) {
                const char *near = args_nearest(args.positional[0], verb_name, verb_table);

                if (near)
                        fail("unknown verb %s; did you mean %s?", args.positional[0], near);
                else
                        fail("unknown verb %s; see aikmctl --help", args.positional[0]);
                return CLI_USAGE;
        }
        return v->run(c, (int)args.n_positional, args.positional);
}
