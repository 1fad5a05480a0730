/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/manager-model.h"

#include <errno.h>

#include "daemon/config.h"

const char *model_shipped_dir(void) {
        const char *dir = getenv("AIKM_MODEL_DIR");

        return dir && dir[0] ? dir : AIKM_MODEL_DIR;
}

/* A name of the store. */
static int load_named(const ModelStore *store, const char *name, Model **ret, Error *e) {
        ModelSource source;
        char path[512];
        int r;

        r = model_store_find(store, name, path, sizeof(path), &source, e);
        if (r < 0)
                return r;
        return source == MODEL_SOURCE_BUILT_IN ? rules_model_new(ret)
                                               : manifest_load_model(path, ret, e);
}

static bool is_standard(const char *setting) {
        return !setting[0] || streq(setting, MODEL_DEFAULT);
}

int model_choose(const ModelStore *store, const char *setting, Model **ret, char *ret_reason,
                 size_t size) {
        const char *chosen = is_standard(setting) ? model_store_current(store) : setting;
        Error e = ERROR_INIT;
        int r;

        ret_reason[0] = '\0';
        r = setting[0] == '/' ? manifest_load_model(setting, ret, &e)
                              : load_named(store, chosen[0] ? chosen : MODEL_DEFAULT, ret, &e);
        if (r >= 0)
                return 0;
        snprintf(ret_reason, size, "%s", e.text[0] ? e.text : strerror(-r));
        /* One that was chosen once and has gone bad: before it there was the one that comes along.
         */
        if (is_standard(setting) && chosen[0] && !streq(chosen, MODEL_DEFAULT) &&
            load_named(store, MODEL_DEFAULT, ret, /* e= */ NULL) >= 0)
                return 0;
        return rules_model_new(ret);
}

void model_note_refused(const Model *instead, const char *reason) {
        bool rules = streq(instead->name, MODEL_RULES);

        if (reason[0])
                journal_note(LOG_WARNING, MESSAGE_MODEL_REFUSED,
                             &(JournalFields){.model = instead->name},
                             "Model refused, going on with the %s%s: %s", rules ? "" : "model ",
                             instead->name, reason);
}

void manager_take_model(Manager *m, Model *model, const char *reason) {
        bool other = !streq(model->name, m->model->name) || !streq(model->digest, m->model->digest);

        if (!streq(reason, m->model_reason))
                model_note_refused(model, reason);
        manager_record(m, model, model);
        if (other)
                journal_note(LOG_NOTICE, MESSAGE_MODEL_CHANGED,
                             &(JournalFields){.model = model->name,
                                              .old_value = m->model->name,
                                              .new_value = model->name},
                             "The model is now %s %s, before it was %s %s", model->name,
                             model->version, m->model->name, m->model->version);
        pipeline_set_model(m->pipeline, model);
        model_free(m->model);
        m->model = model;
        snprintf(m->model_reason, sizeof(m->model_reason), "%s", reason);
}

/* What files and command line say. */
static int check_not_configured(const Manager *m, Error *e) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        Error why = ERROR_INIT;
        int r;

        r = config_load(m->root_fd, m->options->config_dirs, &p, &why);
        if (r >= 0)
                r = settings_apply(&m->options->settings, &p, &why);
        if (r < 0)
                return error_set(e, -EPROTO, "the configuration is refused: %.400s",
                                 why.text[0] ? why.text : strerror(-r));
        if (!is_standard(p.model))
                return error_set(e, -EPROTO,
                                 "the configuration says model = %.300s; a model is chosen by "
                                 "request only where it says \"default\"",
                                 p.model);
        return 0;
}

const char *manager_model_chosen_by(const Manager *m) {
        if (!is_standard(m->policy.model))
                return "policy";
        return model_store_current(m->models)[0] ? "use" : "built-in";
}

static int refuse(Manager *m, const char *name, const Error *why, Error *e) {
        journal_note(LOG_NOTICE, MESSAGE_MODEL_REFUSED, &(JournalFields){.model = m->model->name},
                     "Model refused, going on with the %s%s: %s",
                     streq(m->model->name, MODEL_RULES) ? "" : "model ", m->model->name, why->text);
        return error_set(e, -EKEYREJECTED, "model %s is refused: %.440s", name, why->text);
}

/* Both on the rows that came with the candidate. */
static int compare(const Manager *m, const Verification *v, ModelVerdict *ret) {
        ModelScore current = {};
        int r = 0;

        *ret = (ModelVerdict){.score = v->score};
        snprintf(ret->name, sizeof(ret->name), "%s", v->manifest.name);
        snprintf(ret->current, sizeof(ret->current), "%s", m->model->name);
        if (v->rows.n > 0)
                r = model_score(m->model, &v->rows, &current);
        ret->current_f1 = current.macro_f1;
        return r;
}

static int judge(const ModelVerdict *v, Error *e) {
        if (v->score.n_rows == 0)
                return error_set(e, -EKEYREJECTED,
                                 "no validation rows came with it, so nobody can tell whether it "
                                 "is better");
        if (v->score.macro_f1 < v->current_f1 - MODEL_WORSE)
                return error_set(e, -EKEYREJECTED,
                                 "on its %zu validation rows its macro-F1 is %.3f, and that of "
                                 "the current model %s is %.3f",
                                 v->score.n_rows, v->score.macro_f1, v->current, v->current_f1);
        return 0;
}

/* Finds it and tries it; nothing to try of the rules. */
static int verify(const Manager *m, const char *name, Verification *ret, ModelSource *ret_source,
                  ModelVerdict *ret_verdict, Error *e) {
        char path[512];
        Error why = ERROR_INIT;
        int r;

        r = model_store_find(m->models, name, path, sizeof(path), ret_source, e);
        if (r < 0)
                return r;
        if (*ret_source == MODEL_SOURCE_BUILT_IN) {
                *ret_verdict = (ModelVerdict){.name = MODEL_RULES};
                snprintf(ret_verdict->current, sizeof(ret_verdict->current), "%s", m->model->name);
                r = rules_model_new(&ret->model);
                return r < 0 ? error_set(e, r, "out of memory") : 0;
        }
        r = verification_run(path, ret, &why);
        /* Its folder was named by us, its manifest by nobody else. */
        if (r >= 0 && !streq(ret->manifest.name, name))
                r = error_set(&why, -EBADMSG, "%s: says that it is model %s", path,
                              ret->manifest.name);
        if (r >= 0)
                r = compare(m, ret, ret_verdict);
        if (r == -ENOMEM)
                return error_set(e, r, "out of memory");
        return r < 0 ? error_set(e, -EKEYREJECTED, "%s", why.text) : 0;
}

int manager_verify_model(const Manager *m, const char *name, ModelVerdict *ret, Error *e) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        ModelSource source;

        return verify(m, name, &v, &source, ret, e);
}

/* The setting that came over the bus gives way: the later word counts. */
static void take_chosen(Manager *m, Model *model) {
        settings_drop(&m->runtime_settings, "model");
        snprintf(m->policy.model, sizeof(m->policy.model), MODEL_DEFAULT);
        manager_take_model(m, model, "");
}

int manager_use_model(Manager *m, const char *name, bool force, ModelVerdict *ret, Error *e) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        ModelVerdict verdict;
        ModelSource source;
        Error why = ERROR_INIT;
        int r;

        r = check_not_configured(m, e);
        if (r < 0)
                return r;
        r = verify(m, name, &v, &source, &verdict, &why);
        if (r >= 0 && source == MODEL_SOURCE_INSTALLED && !force)
                r = judge(&verdict, &why);
        if (r == -EKEYREJECTED)
                return refuse(m, name, &why, e);
        if (r < 0)
                return error_set(e, r, "%s", why.text);
        r = model_store_choose(m->models, name, e);
        if (r < 0)
                return r;
        take_chosen(m, TAKE_PTR(v.model));
        *ret = verdict;
        return 0;
}

int manager_rollback_model(Manager *m, ModelVerdict *ret, Error *e) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        const char *previous = model_store_previous(m->models);
        ModelVerdict verdict;
        ModelSource source;
        Error why = ERROR_INIT;
        int r;

        r = check_not_configured(m, e);
        if (r < 0)
                return r;
        if (!previous)
                return error_set(e, -ENOENT, "no other model was chosen before this one");
        r = verify(m, previous[0] ? previous : MODEL_DEFAULT, &v, &source, &verdict, &why);
        if (r == -EKEYREJECTED)
                return refuse(m, previous[0] ? previous : MODEL_DEFAULT, &why, e);
        if (r < 0)
                return error_set(e, r, "%s", why.text);
        r = model_store_rollback(m->models, e);
        if (r < 0)
                return r;
        take_chosen(m, TAKE_PTR(v.model));
        *ret = verdict;
        return 0;
}

int manager_install_model(Manager *m, const ModelFiles *files, bool force, ModelVerdict *ret,
                          Error *e) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        ModelVerdict verdict = {};
        ModelStaged staged;
        Error why = ERROR_INIT;
        int r;

        r = model_store_stage(m->models, files, &staged, e);
        if (r < 0)
                return r;
        r = verification_run(staged.path, &v, &why);
        if (r >= 0)
                r = compare(m, &v, &verdict);
        if (r >= 0 && !force)
                r = judge(&verdict, &why);
        if (r < 0) {
                model_store_drop_staged(m->models);
                return r == -ENOMEM ? error_set(e, r, "out of memory")
                                    : refuse(m, staged.name, &why, e);
        }
        r = model_store_commit(m->models, &staged, e);
        if (r < 0) {
                model_store_drop_staged(m->models);
                return r;
        }
        *ret = verdict;
        return 0;
}

int manager_remove_model(Manager *m, const char *name, Error *e) {
        if (streq(name, m->policy.model))
                return error_set(e, -EBUSY, "model %s is in use: use another one first", name);
        return model_store_remove(m->models, name, e);
}
