/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-compile: model files to eBPF objects. */
#include <errno.h>

#include "models/compiler/verbs.h"

int main(int argc, char *argv[]) {
        static int (*const verbs[_COMPILE_VERB_COUNT])(const CommandOptions *, Error *) = {
                [COMPILE_VERB_COMPILE] = verb_compile,
                [COMPILE_VERB_INSPECT] = verb_inspect,
                [COMPILE_VERB_VERIFY] = verb_verify,
                [COMPILE_VERB_BENCH] = verb_bench,
        };
        CommandOptions o;
        Error e = ERROR_INIT;
        int r;

        if (command_options_parse(argc, argv, &o, &e) < 0) {
                fprintf(stderr, "aikm-compile: %s\nTry 'aikm-compile --help'.\n", e.text);
                return 2;
        }
        if (o.help) {
                command_options_print_help(stdout);
                return EXIT_SUCCESS;
        }
        if (o.version) {
                puts("aikm-compile " AIKM_VERSION);
                return EXIT_SUCCESS;
        }
        r = verbs[o.verb](&o, &e);
        if (r >= 0 && (fflush(stdout) < 0 || ferror(stdout)))
                r = error_set(&e, -EIO, "standard output cannot be written");
        if (r >= 0)
                return EXIT_SUCCESS;
        fprintf(stderr, "aikm-compile: %s\n", e.text[0] ? e.text : strerror(-r));
        return EXIT_FAILURE;
}
