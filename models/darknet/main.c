/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-darknet: the worker that makes and checks networks; the only program that links darknet. */
#include <fenv.h>

#include "models/darknet/verbs.h"

#include "util/macro.h"

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
} verbs[] = {
        {"rows", verb_rows},         {"train", verb_train},   {"predict", verb_predict},
        {"evaluate", verb_evaluate}, {"verify", verb_verify},
};

static const char help[] =
        "Usage: aikm-darknet VERB …\n"
        "\n"
        "Makes and checks the networks that aikmd runs. See aikm-darknet(1).\n"
        "\n"
        "  rows RECORDING --labels FILE -o ROWS\n"
        "        labelled feature rows (CSV) from a recording of aikmd --record\n"
        "  train --rows ROWS [--split FILE] -o DIRECTORY\n"
        "        a network trained by darknet: NAME.cfg, NAME.weights, NAME.validation.csv,\n"
        "        NAME.json\n"
        "        --name NAME --model-version TEXT --description TEXT\n"
        "        --cfg FILE | --hidden N,N… --dropout PERCENT --decay D --members N\n"
        "        --epochs N | --batches N, --patience N, --seed N --noise DEVIATION --refit\n"
        "        --from MANIFEST, --progress text|json\n"
        "  predict --manifest FILE | --model rules | --cfg FILE --weights FILE, --rows ROWS [-o "
        "FILE]\n"
        "        darknet's own probabilities for each row\n"
        "  evaluate --manifest FILE | --model rules, --rows ROWS --split FILE\n"
        "        accuracy, macro-F1 and confusion matrix on programs not trained with\n"
        "        --side train|validation|test, --json, --require-better\n"
        "  verify --manifest FILE\n"
        "        what aikmd asks of a model before it takes it\n"
        "\n"
        "ROWS may be - for standard input (rows: output).\n";

int main(int argc, char *argv[]) {
        /* Libdarknet was built with -Ofast: its constructor made the processor flush small numbers
         * to zero, for the whole process. The engine's figures are those of the daemon again. */
        fesetenv(FE_DFL_ENV);

        if (argc >= 2 && (streq(argv[1], "--help") || streq(argv[1], "-h"))) {
                fputs(help, stdout);
                return EXIT_SUCCESS;
        }
        if (argc >= 2 && streq(argv[1], "--version")) {
                puts("aikm-darknet " AIKM_VERSION);
                return EXIT_SUCCESS;
        }
        for (size_t i = 0; argc >= 2 && i < ELEMENTSOF(verbs); i++)
                if (streq(argv[1], verbs[i].name))
                        return verbs[i].run(argc - 1, argv + 1);
        if (argc >= 2)
                fprintf(stderr, "aikm-darknet: unknown verb '%s'\n", argv[1]);
        fputs("Try 'aikm-darknet --help'.\n", stderr);
        return 2;
}
