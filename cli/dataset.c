/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dataset` hands over to aikm-record, the one program that knows the database. */
#include <errno.h>

#include "cli/program.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "util/error.h"

/* Where aikm-record may lie, seen from aikmctl's folder: installed together, the build tree. */
static const char *const places[] = {"aikm-record", "../record/aikm-record"};

static const char *const verbs[] = {"export", "info", "label", "prune", "import"};

static bool is_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(name, verbs[i]))
                        return true;
        return false;
}

/* Becomes aikm-record; returns only where that fails. */
static int hand_over(const Context *c, int argc, char **argv) {
        _cleanup_free_
        char **with = calloc((size_t)argc + 3, sizeof(*with));
        char path[4096];
        size_t n = 0;
        int r;

        if (!with)
                return fail("out of memory");
        r = program_find("AIKM_RECORD", places, ELEMENTSOF(places), path, sizeof(path));
        if (r < 0)
                return fail("aikm-record is not found beside aikmctl (%s): the package aikm-record "
                            "has it, and AIKM_RECORD may name it",
                            strerror(-r));
        with[n++] = path;
        for (int i = 1; i < argc; i++)
                with[n++] = argv[i];
        if (c->json && !streq(argv[1], "export")) /* whose rows are no document */
                with[n++] = (char *)"--json";
        execv(path, with);
        return fail("cannot run %s: %s", path, strerror(errno));
}

static int run(Context *c, int argc, char **argv) {
        if (argc < 2 || streq(argv[1], "--help") || streq(argv[1], "-h")) {
                args_print_help(&verb_spec_dataset, argc < 2 ? stderr : stdout);
                return argc < 2 ? CLI_USAGE : CLI_OK;
        }
        if (remote_option(c)) {
                (void)fail("dataset works on this machine alone: it takes no %s", remote_option(c));
                return CLI_USAGE;
        }
        if (!is_verb(argv[1])) {
                (void)fail("dataset %s: not export, info, label, prune or import", argv[1]);
                return CLI_USAGE;
        }
        return hand_over(c, argc, argv);
}

const Verb verb_spec_dataset = {
        .name = "dataset",
        .args = "export|info|label|prune|import [OPTIONS]",
        .summary = "Works on the data set that aikm-record has written.",
        .min_args = 1,
        .max_args = SIZE_MAX,
        .run = run,
        .local = true,
        .details = "Runs aikm-record with the same arguments; aikm-record(8) has the options of "
                   "each.",
};
