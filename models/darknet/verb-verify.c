/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-darknet verify: what aikmd asks of a model before it takes it, for one that lies in a
 * folder. */
#include <errno.h>
#include <getopt.h>

#include "models/darknet/command.h"
#include "models/darknet/verbs.h"

#include "models/verify.h"

static int run(const char *path, Error *e) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        int r = verification_run(path, &v, e);

        if (r < 0)
                return r;
        printf("Model %s %s is sound.\n", v.manifest.name, v.manifest.version);
        if (v.score.n_rows == 0) {
                puts("No validation rows came with it: nobody can tell how good it is.");
                return 0;
        }
        printf("On its %zu validation rows: macro-F1 %.3f", v.score.n_rows, v.score.macro_f1);
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                printf("%s%s %.3f", c > 0 ? ", " : " (", class_to_string((LoadClass)c),
                       v.score.f1[c]);
        puts(").");
        return 0;
}

int verb_verify(int argc, char *argv[]) {
        static const struct option options[] = {{"manifest", required_argument, NULL, 'm'}, {}};
        const char *manifest = NULL;
        Error e = ERROR_INIT;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'm':
                        manifest = optarg;
                        break;
                default:
                        return command_usage("verify", "unknown option or missing value");
                }
        if (optind != argc)
                return command_usage("verify", "'%s' is too much", argv[optind]);
        if (!manifest)
                return command_usage("verify", "needs --manifest FILE");
        c = run(manifest, &e);
        return command_finish("verify", c, &e);
}
