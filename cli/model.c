/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/model.h"

#include <errno.h>

#include "cli/report.h"
#include "cli/table.h"
#include "cli/verbs.h"

static const Option options[] = {
        [MODEL_OPTION_FORCE] = {'f', "force", NULL, "though it does worse than the current one"},
        [MODEL_OPTION_DATA] = {0, "data", "FILE", "rows to train with: CSV, or a database"},
        [MODEL_OPTION_NAME] = {0, "name", "NAME", "of the new model"},
        [MODEL_OPTION_SPLIT] = {0, "split", "FILE", "which programs teach and which judge"},
        [MODEL_OPTION_SEED] = {0, "seed", "N", "equal rows and seed give equal weights"},
        [MODEL_OPTION_EPOCHS] = {0, "epochs", "N", "how often the rows are gone through at most"},
        [MODEL_OPTION_OUTPUT] = {'o', "output", "DIR", "the folder that the model's goes into"},
        [MODEL_OPTION_INSTALL] = {0, "install", NULL, "install it"},
        [MODEL_OPTION_USE] = {0, "use", NULL, "install and use it"},
        [MODEL_OPTION_IDLE] = {0, "idle", NULL, "train only while nobody else wants the CPU"},
        [MODEL_OPTION_LIMIT] = {0, "limit", "SECONDS", "give up after so long"},
        [_MODEL_OPTION_COUNT] = {0},
};

int model_call(Context *c, const char *method, bool rows, json_object **ret, Error *e,
               const char *types, const char *name, int force) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = client_call(c, &m, e, AIKM_BUS_MODELS, method, types, name, force);
        if (r != CLI_OK || !ret)
                return r;
        r = rows ? json_read_rows(m, ret) : json_read_dict(m, ret);
        if (r < 0) {
                error_set(e, r, "the answer of aikmd to %s is not understood: %s", method,
                          strerror(-r));
                return CLI_FAILURE;
        }
        return CLI_OK;
}

static int list(Context *c, const Args *args) {
        static const Column columns[] = {{"MODEL", 0, 8, 40, false},
                                         {"VERSION", 3, 4, 16, false},
                                         {"SOURCE", 2, 0, 0, false},
                                         {"IN USE", 0, 0, 0, false},
                                         {"MACRO-F1", 1, 0, 0, true},
                                         {"FORMAT", 4, 0, 0, false},
                                         {"DIGEST", 4, 0, 0, false},
                                         {"REFUSED FOR", 1, 8, 0, false},
                                         {0}};
        _cleanup_(table_freep)
        Table *t = NULL;
        _cleanup_json_ json_object *rows = NULL;
        Error e = ERROR_INIT;
        int r;

        r = model_call(c, "List", /* rows= */ true, &rows, &e, "", NULL, 0);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json)
                return json_print(rows);
        t = table_new(columns, c->utf8);
        for (size_t i = 0; t && i < json_object_array_length(rows); i++) {
                const json_object *row = json_object_array_get_idx(rows, i);
                bool current = json_flag(row, "current"), usable = json_flag(row, "usable");
                const char *digest = json_str(row, "digest"), *reason = json_str(row, "reason"),
                           *version = json_str(row, "model_version"),
                           *format = json_str(row, "format");
                double f1;

                table_add(t, json_str(row, "name"), current ? STYLE_BOLD : STYLE_NONE);
                table_add(t, version && version[0] ? version : NULL, STYLE_NONE);
                table_add(t, json_str(row, "source"), STYLE_NONE);
                table_add(t,
                          current                      ? "yes"
                          : json_flag(row, "previous") ? "before"
                                                       : "no",
                          current ? STYLE_GOOD : STYLE_NONE);
                if (json_num(row, "macro_f1", &f1))
                        table_addf(t, STYLE_NONE, "%.3f", f1);
                else
                        table_add(t, NULL, STYLE_NONE);
                table_add(t, format && format[0] ? format : NULL, STYLE_NONE);
                if (digest && digest[0])
                        table_addf(t, STYLE_NONE, "%.12s", digest);
                else
                        table_add(t, NULL, STYLE_NONE);
                table_add(t, usable ? "" : reason, STYLE_BAD);
        }
        if (!t || table_print(t, c, stdout) < 0)
                return fail("out of memory");
        return CLI_OK;
}

static void print_file(const Context *c, const json_object *manifest, const char *label,
                       const char *key) {
        const json_object *file = json_get(manifest, key, json_type_object);

        if (file)
                report_field(c, stdout, label, STYLE_NONE, "%s (sha256 %.16s…)",
                             json_str(file, "file") ?: "?", json_str(file, "sha256") ?: "?");
}

/* Plain values of the training block; what is nested is in --json. */
static void print_training(const Context *c, const json_object *manifest) {
        const json_object *training = json_get(manifest, "training", json_type_object);

        if (!training)
                return;
        report_heading(c, stdout, "Training, as the model's maker says");
        json_object_object_foreach(training, key, value) {
                const json_object *f1 = json_object_is_type(value, json_type_object)
                                                ? json_object_object_get(value, "macro_f1")
                                                : NULL;

                if (f1)
                        report_field(c, stdout, key, STYLE_NONE, "macro-F1 %.3f on %s rows",
                                     json_object_get_double(f1),
                                     json_object_get_string(json_object_object_get(value, "rows"))
                                             ?: "?");
                else if (!json_object_is_type(value, json_type_object) &&
                         !json_object_is_type(value, json_type_array))
                        report_field(c, stdout, key, STYLE_NONE, "%s",
                                     json_object_get_string(value));
        }
}

static int info(Context *c, const Args *args) {
        _cleanup_json_ json_object *row = NULL, *manifest = NULL;
        const char *text, *reason;
        Error e = ERROR_INIT;
        double f1;
        int r;

        r = model_call(c, "Info", /* rows= */ false, &row, &e, "s", args->positional[1], 0);
        if (r != CLI_OK)
                return client_fail(r, &e);
        text = json_str(row, "manifest");
        manifest = text ? json_tokener_parse(text) : NULL;
        if (c->json) {
                if (manifest && json_set(row, "manifest", json_object_get(manifest)) < 0)
                        return fail("out of memory");
                return json_print(row);
        }
        report_field(c, stdout, "Model", STYLE_BOLD, "%s %s", json_str(row, "name") ?: "?",
                     json_str(row, "model_version") ?: "");
        report_field(c, stdout, "Source", STYLE_NONE, "%s%s", json_str(row, "source") ?: "?",
                     json_flag(row, "current") ? ", in use" : "");
        text = json_str(row, "format");
        if (text && text[0])
                report_field(c, stdout, "Format", STYLE_NONE, "%s",
                             streq(text, "onnx") ? "ONNX" : text);
        reason = json_str(row, "reason");
        if (reason && reason[0])
                report_field(c, stdout, "Refused for", STYLE_BAD, "%s", reason);
        if (!manifest)
                return CLI_OK;
        text = json_str(manifest, "description");
        if (text && text[0])
                report_field(c, stdout, "Description", STYLE_NONE, "%s", text);
        if (json_num(row, "macro_f1", &f1))
                report_field(c, stdout, "Macro-F1", STYLE_NONE, "%.3f on its validation rows", f1);
        report_field(c, stdout, "Features", STYLE_NONE, "%s", json_str(manifest, "schema") ?: "?");
        report_field(c, stdout, "Manifest", STYLE_NONE, "%s", json_str(row, "manifest_path") ?: "");
        print_file(c, manifest, "Network", "cfg");
        print_file(c, manifest, "Weights", "weights");
        print_file(c, manifest, "Network", "onnx");
        print_file(c, manifest, "Validation", "validation");
        print_training(c, manifest);
        return CLI_OK;
}

void model_print_verdict(const json_object *verdict, const char *what) {
        const char *name = json_str(verdict, "name") ?: "?";
        const char *against = json_str(verdict, "against") ?: "?";
        double f1, other;
        uint64_t rows;

        printf("Model %s %s.\n", name, what);
        if (json_num(verdict, "macro_f1", &f1) && json_num(verdict, "against_macro_f1", &other) &&
            json_u64(verdict, "rows", &rows))
                printf("On its %" PRIu64 " validation rows: macro-F1 %.3f; %s there: %.3f.\n", rows,
                       f1, against, other);
        else if (!streq(name, "rules"))
                puts("No validation rows came with it: nobody can tell how good it is.");
}

static int finish(Context *c, int r, const Error *e, json_object *verdict, const char *what) {
        if (r != CLI_OK)
                return client_fail(r, e);
        if (c->json)
                return json_print(verdict);
        model_print_verdict(verdict, what);
        return CLI_OK;
}

static int verify(Context *c, const Args *args) {
        if (strchr(args->positional[1], '/'))
                return model_verify_path(c, args->positional[1]);

        _cleanup_json_ json_object *verdict = NULL;
        Error e = ERROR_INIT;
        int r = model_call(c, "Verify", /* rows= */ false, &verdict, &e, "s", args->positional[1],
                           0);

        return finish(c, r, &e, verdict, "is sound");
}

static int use(Context *c, const Args *args) {
        _cleanup_json_ json_object *verdict = NULL;
        Error e = ERROR_INIT;
        int r = model_call(c, "Use", /* rows= */ false, &verdict, &e, "sb", args->positional[1],
                           args->value[MODEL_OPTION_FORCE] != NULL);

        return finish(c, r, &e, verdict, "predicts from now on, over restarts too");
}

static int rollback(Context *c, const Args *args) {
        _cleanup_json_ json_object *verdict = NULL;
        Error e = ERROR_INIT;
        int r = model_call(c, "Rollback", /* rows= */ false, &verdict, &e, "", NULL, 0);

        return finish(c, r, &e, verdict, "predicts again");
}

static int install(Context *c, const Args *args) {
        _cleanup_(model_bundle_done)
        ModelBundle b = MODEL_BUNDLE_INIT;
        _cleanup_json_ json_object *verdict = NULL;
        Error e = ERROR_INIT;
        int r;

        if (model_bundle_read(args->positional[1], &b, &e) < 0)
                return client_fail(CLI_FAILURE, &e);
        r = model_bundle_install(c, &b, args->value[MODEL_OPTION_FORCE], &verdict, &e);
        return finish(c, r, &e, verdict, "is installed");
}

static int remove_model(Context *c, const Args *args) {
        Error e = ERROR_INIT;
        int r = model_call(c, "Remove", /* rows= */ false, NULL, &e, "s", args->positional[1], 0);

        if (r != CLI_OK)
                return client_fail(r, &e);
        if (!c->json)
                printf("Model %s is removed.\n", args->positional[1]);
        else
                puts("{}");
        return CLI_OK;
}

#define BIT(option) (1U << MODEL_OPTION_##option)

static const struct {
        const char *name, *wants; /* wants: its one argument, NULL: none */
        int (*run)(Context *c, const Args *args);
        unsigned options; /* a bit each that it takes */
} actions[] = {
        {"list", NULL, list, 0},
        {"info", "NAME", info, 0},
        {"verify", "NAME or PATH", verify, 0},
        {"use", "NAME", use, BIT(FORCE)},
        {"rollback", NULL, rollback, 0},
        {"install", "FOLDER or MANIFEST", install, BIT(FORCE)},
        {"remove", "NAME", remove_model, 0},
        {"train", NULL, model_train,
         BIT(FORCE) | BIT(DATA) | BIT(NAME) | BIT(SPLIT) | BIT(SEED) | BIT(EPOCHS) | BIT(OUTPUT) |
                 BIT(INSTALL) | BIT(USE) | BIT(IDLE) | BIT(LIMIT)},
        {"tune", NULL, model_tune, BIT(DATA) | BIT(EPOCHS) | BIT(SEED) | BIT(LIMIT)},
};

static int run(Context *c, int argc, char **argv) {
        const char *what;
        Args args;
        int r;

        if (argc >= 2 && streq(argv[1], "compile"))
                return model_compile(c, argc - 1, argv + 1);
        if (!args_begin(c, &verb_spec_model, argc, argv, &args, &r))
                return r;
        what = args.n_positional > 0 ? args.positional[0] : "list";
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                if (!streq(what, actions[i].name))
                        continue;
                if (actions[i].wants && args.n_positional != 2) {
                        fail("model %s takes one argument: %s", what, actions[i].wants);
                        return CLI_USAGE;
                }
                if (!actions[i].wants && args.n_positional > 1) {
                        fail("model %s takes no argument, but got %s", what, args.positional[1]);
                        return CLI_USAGE;
                }
                for (size_t k = 0; k < _MODEL_OPTION_COUNT; k++)
                        if (args.value[k] && !(actions[i].options & 1U << k)) {
                                fail("model %s takes no --%s", what, options[k].name);
                                return CLI_USAGE;
                        }
                return actions[i].run(c, &args);
        }
        fail("model %s: not one of list, info, verify, use, rollback, install, remove, train, "
             "tune, "
             "compile",
             what);
        return CLI_USAGE;
}

const Verb verb_spec_model = {
        .name = "model",
        .args = "[list|info NAME|verify NAME|PATH|use NAME|rollback|install PATH|remove "
                "NAME|train|tune|compile]",
        .summary = "Shows, trains, installs and chooses what aikmd predicts with.",
        .options = options,
        .max_args = 2,
        .run = run,
        .details =
                "A model that does not work is refused; one that does worse on its own validation\n"
                "rows than the current one does on them is refused without --force. train makes "
                "one\n"
                "with aikm-darknet; tune trains the current one further, where policy has\n"
                "fine_tuning true. compile makes an eBPF program of an ONNX or darknet model, "
                "with\n"
                "aikm-compile and its options.",
};
