/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"
#include "cli/verbs.h"

static int run(Context *c, int argc, char **argv) {
        _cleanup_json_ json_object *s = NULL, *o = json_object_new_object();
        const char *was, *wanted;
        Error e = ERROR_INIT;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_mode, argc, argv, &args, &r))
                return r;
        wanted = args.n_positional > 0 ? args.positional[0] : NULL;
        if (wanted && !streq(wanted, "observe") && !streq(wanted, "advise") &&
            !streq(wanted, "enforce")) {
                fail("mode %s: not one of observe, advise, enforce", wanted);
                return CLI_USAGE;
        }
        r = client_get_status(c, &s, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        was = json_str(s, "mode") ?: "unknown";
        if (wanted && !streq(wanted, was)) {
                r = client_set_mode(c, wanted, &e);
                if (r != CLI_OK)
                        return client_fail(r, &e);
        }
        if (c->json) {
                if (!o || json_set(o, "mode", json_object_new_string(wanted ? wanted : was)) < 0 ||
                    (wanted && json_set(o, "was", json_object_new_string(was)) < 0))
                        return fail("out of memory");
                return json_print(o);
        }
        if (!wanted)
                puts(was);
        else if (streq(wanted, was))
                printf("The mode is %s already.\n", was);
        else
                printf("The mode is %s now, it was %s.\n", wanted, was);
        return CLI_OK;
}

const Verb verb_spec_mode = {
        .name = "mode",
        .args = "[observe|advise|enforce]",
        .summary = "Shows or sets what aikmd may do: look, say, or act.",
        .max_args = 1,
        .run = run,
        .details = "The mode holds until policy reset, or until the daemon ends.",
};
