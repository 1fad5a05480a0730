/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `model compile` hands over to aikm-compile. */
#include <errno.h>

#include "cli/model.h"
#include "cli/program.h"
#include "cli/remote.h"

/* Where aikm-compile may lie, seen from aikmctl's folder: installed together, the build tree. */
static const char *const places[] = {"aikm-compile", "../models/compiler/aikm-compile"};

int model_compile(Context *c, int argc, char **argv) {
        _cleanup_free_
        char **with = calloc((size_t)argc + 2, sizeof(*with));
        char path[4096];
        size_t n = 0;
        int r;

        if (!with)
                return fail("out of memory");
        if (remote_option(c)) {
                (void)fail("model compile works on this machine alone: it takes no %s",
                           remote_option(c));
                return CLI_USAGE;
        }
        r = program_find("AIKM_COMPILE", places, ELEMENTSOF(places), path, sizeof(path));
        if (r < 0)
                return fail("aikm-compile is not found beside aikmctl (%s): the package "
                            "aikm-compile has it, and AIKM_COMPILE may name it",
                            strerror(-r));
        with[n++] = path;
        if (c->json)
                with[n++] = (char *)"--json";
        for (int i = 1; i < argc; i++)
                with[n++] = argv[i];
        execv(path, with);
        return fail("cannot run %s: %s", path, strerror(errno));
}
