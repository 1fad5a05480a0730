/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-darknet evaluate: the engine and the rules on programs of one side, mostly those that
 * training never saw. */
#include <errno.h>
#include <getopt.h>

#include "models/darknet/command.h"
#include "models/darknet/verbs.h"

#include "models/manifest.h"
#include "models/train/dataset.h"
#include "models/train/evaluate.h"
#include "models/train/split.h"

typedef struct Arguments {
        const char *manifest, *rows, *split;
        Side side;
        bool json, rules_only, require_better;
} Arguments;

static int keep_side(const RowTable *all, const Split *split, Side side, RowTable *ret) {
        for (size_t i = 0; i < all->n; i++) {
                Row *row;

                if (all->rows[i].dormant || split_side(split, all->rows[i].program) != (int)side)
                        continue;
                row = row_table_add(ret);
                if (!row)
                        return -ENOMEM;
                *row = all->rows[i];
        }
        return 0;
}

/* The network where there is one, then the rules. */
static void print_json(const Evaluation *const *list, size_t n) {
        json_object *o = json_object_new_object();

        for (size_t i = 0; i < n; i++)
                json_object_object_add(o, i + 1 < n ? "network" : "rules",
                                       evaluation_to_json(list[i]));
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
        json_object_put(o);
}

/* Whether the network is worth its keep. */
static int compare(const Arguments *a, const Evaluation *network, const Evaluation *rules,
                   Error *e) {
        const Confusion *n = &network->confusion, *r = &rules->confusion;

        if (!a->require_better || (confusion_accuracy(n) > confusion_accuracy(r) &&
                                   confusion_macro_f1(n) > confusion_macro_f1(r)))
                return 0;
        return error_set(e, -ERANGE,
                         "the network is not better than the rules: accuracy %.3f against %.3f, "
                         "macro-F1 %.3f against %.3f",
                         confusion_accuracy(n), confusion_accuracy(r), confusion_macro_f1(n),
                         confusion_macro_f1(r));
}

static int run(const Arguments *a, Error *e) {
        _cleanup_(row_table_done)
        RowTable all = ROW_TABLE_INIT, table = ROW_TABLE_INIT;
        _cleanup_(split_done)
        Split split = SPLIT_INIT;
        _cleanup_(model_freep)
        Model *network = NULL, *rules = NULL;
        _cleanup_(evaluation_done)
        Evaluation by_network = EVALUATION_INIT, by_rules = EVALUATION_INIT;
        int r;

        if ((r = row_table_read_path(&all, a->rows, e)) < 0 ||
            (r = split_read(a->split, &split, e)) < 0 || (r = split_check(&split, &all, e)) < 0 ||
            (r = keep_side(&all, &split, a->side, &table)) < 0)
                return r;
        if (table.n == 0)
                return error_set(e, -ENODATA, "%s: no rows of %s programs", a->rows,
                                 side_to_string(a->side));
        if ((r = rules_model_new(&rules)) < 0 || (r = evaluate_model(rules, &table, &by_rules)) < 0)
                return r;
        if (a->manifest && ((r = manifest_load_model(a->manifest, &network, e)) < 0 ||
                            (r = evaluate_model(network, &table, &by_network)) < 0))
                return r;
        if (a->json) {
                const Evaluation *both[] = {network ? &by_network : &by_rules, &by_rules};

                print_json(network ? both : both + 1, network ? 2 : 1);
                return network ? compare(a, &by_network, &by_rules, e) : 0;
        }
        printf("Programs of side '%s'.\n\n", side_to_string(a->side));
        if (network) {
                evaluation_print(&by_network, network->name, stdout);
                putchar('\n');
        }
        evaluation_print(&by_rules, rules->name, stdout);
        putchar('\n');
        evaluation_print_programs(network ? &by_network : &by_rules, &by_rules, stdout);
        return network ? compare(a, &by_network, &by_rules, e) : 0;
}

static int parse_side(const char *text, Side *ret) {
        for (size_t s = 0; s < _SIDE_COUNT; s++)
                if (streq(text, side_to_string((Side)s))) {
                        *ret = (Side)s;
                        return 0;
                }
        return -EINVAL;
}

int verb_evaluate(int argc, char *argv[]) {
        static const struct option options[] = {
                {"manifest", required_argument, NULL, 'm'}, {"rows", required_argument, NULL, 'r'},
                {"split", required_argument, NULL, 's'},    {"side", required_argument, NULL, 'S'},
                {"model", required_argument, NULL, 'M'},    {"json", no_argument, NULL, 'j'},
                {"require-better", no_argument, NULL, 'B'}, {},
        };
        Arguments a = {.side = SIDE_TEST};
        Error e = ERROR_INIT;
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'm':
                        a.manifest = optarg;
                        break;
                case 'r':
                        a.rows = optarg;
                        break;
                case 's':
                        a.split = optarg;
                        break;
                case 'S':
                        if (parse_side(optarg, &a.side) < 0)
                                return command_usage(
                                        "evaluate",
                                        "--side: '%s' is none of train, validation, test", optarg);
                        break;
                case 'M':
                        if (!streq(optarg, "rules"))
                                return command_usage("evaluate",
                                                     "--model: '%s' is not 'rules'; a network is "
                                                     "named by --manifest",
                                                     optarg);
                        a.rules_only = true;
                        break;
                case 'j':
                        a.json = true;
                        break;
                case 'B':
                        a.require_better = true;
                        break;
                default:
                        return command_usage("evaluate", "unknown option or missing value");
                }
        if (optind != argc)
                return command_usage("evaluate", "'%s' is too much", argv[optind]);
        if (!a.rows || !a.split || !a.manifest == !a.rules_only)
                return command_usage("evaluate", "needs --rows FILE, --split FILE and either "
                                                 "--manifest FILE or --model rules");
        r = run(&a, &e);
        return command_finish("evaluate", r, &e);
}
