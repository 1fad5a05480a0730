/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>

#include "record/store.h"
#include "record/verbs.h"

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
        const char *help;
} verbs[] = {
        {"run", verb_run, "records what aikmd sees until it is stopped"},
        {"info", verb_info, "what a data set holds"},
        {"export", verb_export, "rows for training: CSV or SQLite"},
        {"label", verb_label, "says of which class processes are"},
        {"prune", verb_prune, "removes the oldest"},
        {"import", verb_import, "takes in another data set, a recording, or labels"},
};

static void print_help(FILE *f) {
        fputs("Usage: aikm-record VERB [OPTIONS]\n\nThe data set of aikmd.\n\n", f);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                fprintf(f, "  %-8s %s\n", verbs[i].name, verbs[i].help);
        fputs("\naikm-record(8) says more.\n", f);
}

int usage_error(const char *verb, const char *format, ...) {
        va_list ap;

        fprintf(stderr, "aikm-record %s: ", verb);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputs("\nTry 'aikm-record --help'.\n", stderr);
        return EXIT_USAGE;
}

int verb_finish(const char *verb, int r, const Error *e) {
        if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout))) {
                fprintf(stderr, "aikm-record %s: cannot write: %s\n", verb, strerror(errno));
                return EXIT_FAILURE;
        }
        if (r < 0)
                fprintf(stderr, "aikm-record %s: %s\n", verb, e->text[0] ? e->text : strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

const char *database_default(void) {
        const char *given = secure_getenv("AIKM_DATASET");

        return given && given[0] ? given : STORE_PATH;
}

int main(int argc, char *argv[]) {
        opterr = 0;
        if (argc < 2) {
                print_help(stderr);
                return EXIT_USAGE;
        }
        if (streq(argv[1], "--help") || streq(argv[1], "-h") || streq(argv[1], "help")) {
                print_help(stdout);
                return EXIT_SUCCESS;
        }
        if (streq(argv[1], "--version")) {
                puts("aikm-record " AIKM_VERSION);
                return EXIT_SUCCESS;
        }
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(argv[1], verbs[i].name))
                        return verbs[i].run(argc - 1, argv + 1);
        fprintf(stderr, "aikm-record: unknown verb %s\nTry 'aikm-record --help'.\n", argv[1]);
        return EXIT_USAGE;
}
