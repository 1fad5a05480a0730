/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>

#include "util/io.h"

#define RUNS 9
#define RUNS_MAX 99

enum {
        OPT_VERSION = 0x100,
        OPT_WEIGHTS,
        OPT_FEATURES,
        OPT_CALIBRATE,
        OPT_ROWS,
        OPT_NAME,
        OPT_PRECISION,
        OPT_TARGET,
        OPT_AGREEMENT,
        OPT_THRESHOLD,
        OPT_VALUES,
        OPT_FORCE,
        OPT_JSON,
        OPT_NO_KERNEL,
        OPT_RUNS,
};

static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPT_VERSION},
        {"output", required_argument, NULL, 'o'},
        {"weights", required_argument, NULL, OPT_WEIGHTS},
        {"features", required_argument, NULL, OPT_FEATURES},
        {"calibrate", required_argument, NULL, OPT_CALIBRATE},
        {"rows", required_argument, NULL, OPT_ROWS},
        {"name", required_argument, NULL, OPT_NAME},
        {"precision", required_argument, NULL, OPT_PRECISION},
        {"target", required_argument, NULL, OPT_TARGET},
        {"agreement", required_argument, NULL, OPT_AGREEMENT},
        {"threshold", required_argument, NULL, OPT_THRESHOLD},
        {"values", no_argument, NULL, OPT_VALUES},
        {"force", no_argument, NULL, OPT_FORCE},
        {"json", no_argument, NULL, OPT_JSON},
        {"no-kernel", no_argument, NULL, OPT_NO_KERNEL},
        {"runs", required_argument, NULL, OPT_RUNS},
        {NULL, 0, NULL, 0},
};

static const char *const verb_names[_COMPILE_VERB_COUNT] = {
        [COMPILE_VERB_COMPILE] = "",
        [COMPILE_VERB_INSPECT] = "inspect",
        [COMPILE_VERB_VERIFY] = "verify",
        [COMPILE_VERB_BENCH] = "bench",
};

void command_options_print_help(FILE *f) {
        fputs("aikm-compile MODEL -o OUT [OPTION...]\n"
              "aikm-compile inspect MODEL|OUT.json [--json]\n"
              "aikm-compile verify MODEL --rows ROWS [OPTION...]\n"
              "aikm-compile bench MODEL --rows ROWS [OPTION...]\n\n"
              "Makes an eBPF program of a model: ONNX, or darknet's .cfg with .weights beside "
              "it.\n\n"
              "  -h, --help               show this and exit\n"
              "      --version            show the version and exit\n"
              "  -o, --output=OUT         writes OUT.bpf.c, OUT.bpf.o, OUT.skel.h, OUT.json, and\n"
              "                           OUT.h with --target=func\n"
              "      --weights=FILE       of a .cfg, where they lie elsewhere\n"
              "      --features=SPEC      JSON: which fields the model's inputs are\n"
              "      --calibrate=ROWS     CSV: fields as the kernel will have them\n"
              "      --rows=ROWS          CSV: what to verify or time it on; also calibrates, "
              "where\n"
              "                           no other rows are given\n"
              "      --precision=WHICH    auto, int8, int16 or q16\n"
              "      --target=WHICH       func, xdp, tc or rows\n"
              "      --name=NAME          of the program, a C identifier; default: from OUT\n"
              "      --agreement=SHARE    of rows that have to be decided as the float engine "
              "does\n"
              "      --threshold=NUMBER   a model that gives one number decides 1 above it\n"
              "      --values             the model decides nothing, its outputs are numbers\n"
              "      --runs=N             bench: the median of so many\n"
              "      --no-kernel          ask nothing of the kernel at hand; verify: float engine\n"
              "                           and integer reference alone\n"
              "      --force              go on where too few rows agree\n"
              "      --json               write JSON\n"
              "\nSee aikm-compile(1).\n",
              f);
}

static int parse_number(const char *name, const char *text, double low, double high, double *ret,
                        Error *e) {
        if (parse_double(text, low, high, ret) >= 0)
                return 0;
        return error_set(e, -EINVAL, "--%s: '%.60s' is not a number from %g to %g", name, text, low,
                         high);
}

static int parse_option(int c, CommandOptions *o, Error *e) {
        uint64_t n;
        int k;

        switch (c) {
        case 'h':
                o->help = true;
                return 0;
        case OPT_VERSION:
                o->version = true;
                return 0;
        case 'o':
                o->output = optarg;
                return 0;
        case OPT_WEIGHTS:
                o->weights = optarg;
                return 0;
        case OPT_FEATURES:
                o->features = optarg;
                return 0;
        case OPT_CALIBRATE:
                o->calibrate = optarg;
                return 0;
        case OPT_ROWS:
                o->rows = optarg;
                return 0;
        case OPT_NAME:
                o->name = optarg;
                return 0;
        case OPT_PRECISION:
                k = streq(optarg, "auto") ? -1 : precision_from_name(optarg);
                if (k < -1)
                        return error_set(e, -EINVAL,
                                         "--precision: '%.60s' is none of auto, int8, int16, q16",
                                         optarg);
                o->precision = k;
                return 0;
        case OPT_TARGET:
                k = target_from_name(optarg);
                if (k < 0)
                        return error_set(e, -EINVAL,
                                         "--target: '%.60s' is none of func, xdp, tc, rows",
                                         optarg);
                o->target = (Target)k;
                o->has_target = true;
                return 0;
        case OPT_AGREEMENT:
                return parse_number("agreement", optarg, 0, 1, &o->agreement_min, e);
        case OPT_THRESHOLD:
                return parse_number("threshold", optarg, -1e30, 1e30, &o->threshold, e);
        case OPT_VALUES:
                o->values = true;
                return 0;
        case OPT_FORCE:
                o->force = true;
                return 0;
        case OPT_JSON:
                o->json = true;
                return 0;
        case OPT_NO_KERNEL:
                o->no_kernel = true;
                return 0;
        case OPT_RUNS:
                if (parse_u64(optarg, 1, RUNS_MAX, &n) < 0)
                        return error_set(e, -EINVAL,
                                         "--runs: '%.60s' is not a whole number from 1 to %d",
                                         optarg, RUNS_MAX);
                o->runs = (size_t)n;
                return 0;
        default:
                return -EINVAL;
        }
}

/* What is left: [VERB] MODEL. A model that is called like a verb needs its folder. */
static int parse_words(int argc, char *argv[], CommandOptions *o, Error *e) {
        int i = optind;

        for (int v = 1; i < argc && v < _COMPILE_VERB_COUNT; v++)
                if (streq(argv[i], verb_names[v])) {
                        o->verb = (CompileVerb)v;
                        i++;
                        break;
                }
        if (i >= argc)
                return error_set(e, -EINVAL, "no model is given");
        o->model = argv[i++];
        if (i < argc)
                return error_set(e, -EINVAL, "'%.60s' is too much", argv[i]);
        if (o->verb == COMPILE_VERB_COMPILE && !o->output)
                return error_set(e, -EINVAL, "needs -o OUT (or a verb: inspect, verify, bench)");
        if (o->verb != COMPILE_VERB_COMPILE && o->output)
                return error_set(e, -EINVAL, "%s writes no files: -o is not for it",
                                 verb_names[o->verb]);
        if ((o->verb == COMPILE_VERB_VERIFY || o->verb == COMPILE_VERB_BENCH) && !o->rows)
                return error_set(e, -EINVAL, "%s needs --rows ROWS", verb_names[o->verb]);
        if (o->values && !isnan(o->threshold))
                return error_set(e, -EINVAL, "--values and --threshold exclude each other");
        return 0;
}

int command_options_parse(int argc, char *argv[], CommandOptions *ret, Error *e) {
        CommandOptions o = {
                .precision = -1,
                .target = TARGET_FUNC,
                .agreement_min = (double)NAN,
                .threshold = (double)NAN,
                .runs = RUNS,
        };
        int c, r = 0;

        opterr = 0;
        while (r >= 0 && (c = getopt_long(argc, argv, ":ho:", long_options, NULL)) >= 0)
                if (c == ':')
                        r = error_set(e, -EINVAL, "%s needs a value", argv[optind - 1]);
                else if (c == '?')
                        r = error_set(e, -EINVAL, "unknown option %s", argv[optind - 1]);
                else
                        r = parse_option(c, &o, e);
        if (r >= 0 && !o.help && !o.version)
                r = parse_words(argc, argv, &o, e);
        if (r < 0)
                return r;
        *ret = o;
        return 0;
}
