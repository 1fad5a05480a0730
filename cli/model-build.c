/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `model train` and `model tune`: what becomes of a model that was trained. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "cli/model-train.h"
#include "cli/model.h"
#include "util/io.h"

#define TUNED "tuned-"
#define TUNED_KEPT 2 /* tuned models beside the current one and the one before */
#define TUNE_EPOCHS "10"
#define TUNE_LIMIT (3600 * USEC_PER_SEC)
#define WAIT_STEP (5 * USEC_PER_SEC)

static int fail_train(int r, const Error *e) {
        if (r == -EINTR)
                (void)fail("interrupted; nothing is left of it");
        else if (e->text[0])
                (void)fail("%s", e->text);
        else
                (void)fail("no model was made");
        return CLI_FAILURE;
}

static int parse_limit(const Args *args, usec_t otherwise, usec_t *ret) {
        const char *text = args->value[MODEL_OPTION_LIMIT];
        uint64_t seconds;

        *ret = otherwise;
        if (!text)
                return 0;
        if (parse_u64(text, 1, 7 * 86400, &seconds) < 0) {
                fail("--limit %s: not a number of seconds from 1 to 604800", text);
                return -EINVAL;
        }
        *ret = seconds * USEC_PER_SEC;
        return 0;
}

/* The model's folder takes its place among others, or none is there. */
static int keep(const TrainFolder *folder, const char *dir, const char *name, char *ret,
                size_t size, Error *e) {
        char from[sizeof(folder->path) + 16];

        snprintf(from, sizeof(from), "%s/model", folder->path);
        if ((size_t)snprintf(ret, size, "%s/%s", dir, name) >= size)
                return error_set(e, -ENAMETOOLONG, "%s: the path is too long", dir);
        if (renameat2(AT_FDCWD, from, AT_FDCWD, ret, RENAME_NOREPLACE) < 0)
                return error_set(e, -errno, "cannot make %s: %s", ret, strerror(errno));
        return 0;
}

/* What the manifest says of a model that lies at path. */
static json_object *describe(const char *path, const char *name) {
        json_object *o = json_object_new_object();
        _cleanup_json_ json_object *manifest = NULL;
        const json_object *validation;
        char file[8192];
        double f1;

        snprintf(file, sizeof(file), "%s/%s.json", path, name);
        manifest = json_object_from_file(file);
        validation = json_get(manifest, "validation", json_type_object);
        json_set(o, "name", json_object_new_string(name));
        json_set(o, "path", json_object_new_string(path));
        if (validation && json_num(validation, "macro_f1", &f1))
                json_set(o, "macro_f1", json_new_double(f1));
        return o;
}

static int tell_kept(const Context *c, const char *path, const char *name) {
        _cleanup_json_ json_object *o = describe(path, name);
        double f1;

        if (c->json) {
                /* The last line, as progress has one each. */
                puts(json_object_to_json_string(o));
                return CLI_OK;
        }
        printf("Model %s is in %s", name, path);
        if (json_num(o, "macro_f1", &f1))
                printf(": macro-F1 %.3f on its validation rows", f1);
        printf(".\naikmctl model install %s makes it known to aikmd.\n", path);
        return CLI_OK;
}

/* Installs what lies in bundle, and uses it where asked. */
static int bring_in(Context *c, const ModelBundle *b, bool force, bool use) {
        _cleanup_json_ json_object *verdict = NULL, *used = NULL;
        Error e = ERROR_INIT;
        int r;

        r = model_bundle_install(c, b, force, &verdict, &e);
        if (r == CLI_OK && use)
                r = model_call(c, "Use", /* rows= */ false, &used, &e, "sb",
                               json_str(verdict, "name"), force);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (c->json) {
                puts(json_object_to_json_string(used ?: verdict));
                return CLI_OK;
        }
        model_print_verdict(used ?: verdict,
                            use ? "predicts from now on, over restarts too" : "is installed");
        return CLI_OK;
}

/* Trains below dir; where: the model is to stay there, else it is gone but for the bundle. */
static int train_into(const TrainJob *job, const char *dir, bool stays, char *ret_path, size_t size,
                      ModelBundle *ret, Error *e) {
        _cleanup_(train_folder_done)
        TrainFolder folder = {};
        char model[sizeof(folder.path) + 16];
        int r;

        r = train_folder_make(dir, &folder, e);
        if (r >= 0)
                r = train_run(job, &folder, e);
        if (r < 0)
                return r;
        if (stays)
                return keep(&folder, dir, job->name, ret_path, size, e);
        snprintf(model, sizeof(model), "%s/model", folder.path);
        return model_bundle_read(model, ret, e);
}

static const char *temporary_dir(void) {
        const char *dir = secure_getenv("TMPDIR");

        return dir && dir[0] == '/' ? dir : "/tmp";
}

int model_train(Context *c, const Args *args) {
        bool use = args->value[MODEL_OPTION_USE];
        bool install = use || args->value[MODEL_OPTION_INSTALL];
        const char *output = args->value[MODEL_OPTION_OUTPUT];
        _cleanup_(model_bundle_done)
        ModelBundle b = MODEL_BUNDLE_INIT;
        TrainJob job = {
                .data = args->value[MODEL_OPTION_DATA],
                .name = args->value[MODEL_OPTION_NAME] ?: "trained",
                .split = args->value[MODEL_OPTION_SPLIT],
                .seed = args->value[MODEL_OPTION_SEED],
                .epochs = args->value[MODEL_OPTION_EPOCHS],
                .idle = args->value[MODEL_OPTION_IDLE],
                .json = c->json,
        };
        bool stays = output || !install;
        Error e = ERROR_INIT;
        char path[4096];
        int r;

        if (c->host || c->machine) {
                fail("model train works on this machine alone");
                return CLI_USAGE;
        }
        if (parse_limit(args, USEC_INFINITY, &job.limit) < 0)
                return CLI_USAGE;
        if (strchr(job.name, '/') || job.name[0] == '.' || !job.name[0]) {
                fail("--name %s: not a name of letters, digits and '._+-'", job.name);
                return CLI_USAGE;
        }
        snprintf(path, sizeof(path), "%s/%s", output ?: ".", job.name);
        if (stays && access(path, F_OK) == 0)
                return fail("%s is there already: --name or --output names another place", path);
        child_hold_signals();
        r = train_into(&job, stays ? output ?: "." : temporary_dir(), stays, path, sizeof(path), &b,
                       &e);
        child_release_signals();
        if (r >= 0 && stays && install)
                r = model_bundle_read(path, &b, &e);
        if (r < 0)
                return fail_train(r, &e);
        if (stays)
                (void)tell_kept(c, path, job.name);
        return install ? bring_in(c, &b, args->value[MODEL_OPTION_FORCE], use) : CLI_OK;
}

int model_verify_path(Context *c, const char *path) {
        char manifest[4096];
        Error e = ERROR_INIT;
        int r;

        if (c->host || c->machine || c->json) {
                fail("model verify of a path works on this machine alone, and has no --json");
                return CLI_USAGE;
        }
        r = model_find_manifest(path, manifest, sizeof(manifest), &e);
        if (r < 0)
                return client_fail(CLI_FAILURE, &e);
        child_hold_signals();
        r = train_verify(manifest, &e);
        child_release_signals();
        if (r < 0 && e.text[0])
                (void)fail("%s", e.text);
        return r < 0 ? CLI_FAILURE : CLI_OK;
}

/* ---- tune ---- */

/* While the machine is short of something, and where nobody can say whether it is. */
static bool is_contended(void *userdata) {
        _cleanup_json_ json_object *status = NULL;
        const json_object *contended;
        Error e = ERROR_INIT;

        if (client_get_status(userdata, &status, &e) != CLI_OK)
                return true;
        contended = json_get(status, "contended", json_type_array);
        return !contended || json_object_array_length(contended) > 0;
}

/* Returns 0 where there is none any more, -EINTR, or -ETIME. */
static int wait_for_calm(Context *c, usec_t end) {
        while (is_contended(c)) {
                if (usec_now(CLOCK_MONOTONIC) + WAIT_STEP > end)
                        return -ETIME;
                if (child_sleep(WAIT_STEP) < 0)
                        return -EINTR;
        }
        return 0;
}

static int is_allowed(Context *c, bool *ret, Error *e) {
        _cleanup_json_ json_object *policy = NULL;
        int r = client_get_policy(c, &policy, e);

        if (r == CLI_OK)
                *ret = json_flag(policy, "fine_tuning");
        return r;
}

/* The manifest of the model that runs, "" where that is the rules. */
static int find_current(Context *c, char *ret, size_t size, Error *e) {
        _cleanup_json_ json_object *rows = NULL, *info = NULL;
        const char *name = NULL;
        int r;

        ret[0] = '\0';
        r = model_call(c, "List", /* rows= */ true, &rows, e, "", NULL, 0);
        if (r != CLI_OK)
                return r;
        for (size_t i = 0; i < json_object_array_length(rows); i++)
                if (json_flag(json_object_array_get_idx(rows, i), "current"))
                        name = json_str(json_object_array_get_idx(rows, i), "name");
        if (!name || streq(name, "rules"))
                return CLI_OK;
        r = model_call(c, "Info", /* rows= */ false, &info, e, "s", name, 0);
        if (r == CLI_OK)
                snprintf(ret, size, "%s", json_str(info, "manifest_path") ?: "");
        return r;
}

/* Old ones of ours make room; the names sort by age. */
static void forget_old(Context *c) {
        _cleanup_json_ json_object *rows = NULL;
        Error e = ERROR_INIT;
        size_t kept = 0;

        if (model_call(c, "List", /* rows= */ true, &rows, &e, "", NULL, 0) != CLI_OK)
                return;
        for (size_t i = json_object_array_length(rows); i-- > 0;) {
                const json_object *row = json_object_array_get_idx(rows, i);
                const char *name = json_str(row, "name");

                if (!name || strncmp(name, TUNED, strlen(TUNED)) != 0 ||
                    !streq(json_str(row, "source") ?: "", "installed") ||
                    json_flag(row, "current") || json_flag(row, "previous") || kept++ < TUNED_KEPT)
                        continue;
                (void)model_call(c, "Remove", /* rows= */ false, NULL, &e, "s", name, 0);
        }
}

/* Taken only where it is better, not merely as good. */
static int take_if_better(Context *c, const ModelBundle *b) {
        _cleanup_json_ json_object *verdict = NULL, *used = NULL;
        double f1, other;
        Error e = ERROR_INIT;
        const char *name;
        int r;

        r = model_bundle_install(c, b, /* force= */ false, &verdict, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        name = json_str(verdict, "name") ?: "";
        if (!json_num(verdict, "macro_f1", &f1) || !json_num(verdict, "against_macro_f1", &other) ||
            f1 <= other) {
                (void)model_call(c, "Remove", /* rows= */ false, NULL, &e, "s", name, 0);
                return c->json ? json_print(verdict)
                               : (model_print_verdict(verdict, "is no better, and was dropped"),
                                  CLI_OK);
        }
        r = model_call(c, "Use", /* rows= */ false, &used, &e, "sb", name, 0);
        if (r != CLI_OK)
                return client_fail(r, &e);
        forget_old(c);
        if (c->json)
                return json_print(used);
        model_print_verdict(used, "predicts from now on, over restarts too");
        return CLI_OK;
}

int model_tune(Context *c, const Args *args) {
        _cleanup_(model_bundle_done)
        ModelBundle b = MODEL_BUNDLE_INIT;
        char name[64], from[4096], path[4096];
        usec_t end, now = usec_now(CLOCK_MONOTONIC);
        time_t today = time(NULL);
        struct tm tm = {};
        TrainJob job = {
                .data = args->value[MODEL_OPTION_DATA],
                .name = name,
                .seed = args->value[MODEL_OPTION_SEED],
                .epochs = args->value[MODEL_OPTION_EPOCHS] ?: TUNE_EPOCHS,
                .idle = true,
                .hold = is_contended,
                .userdata = c,
        };
        Error e = ERROR_INIT;
        bool allowed = false;
        int r;

        if (c->host || c->machine) {
                fail("model tune works on this machine alone");
                return CLI_USAGE;
        }
        if (parse_limit(args, TUNE_LIMIT, &job.limit) < 0)
                return CLI_USAGE;
        end = now + job.limit;
        r = is_allowed(c, &allowed, &e);
        if (r == CLI_OK && !allowed)
                return fail(
                        "fine_tuning is false in the policy: nothing is trained on this machine");
        if (r == CLI_OK)
                r = find_current(c, from, sizeof(from), &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        job.from = from[0] ? from : NULL;
        (void)gmtime_r(&today, &tm);
        (void)strftime(name, sizeof(name), TUNED "%Y%m%d-%H%M%S", &tm);
        child_hold_signals();
        r = wait_for_calm(c, end);
        if (r == -ETIME) {
                puts("The machine is busy: another time.");
                return CLI_OK;
        }
        job.limit = end - usec_now(CLOCK_MONOTONIC);
        if (r >= 0)
                r = train_into(&job, temporary_dir(), /* stays= */ false, path, sizeof(path), &b,
                               &e);
        child_release_signals();
        return r < 0 ? fail_train(r, &e) : take_if_better(c, &b);
}
