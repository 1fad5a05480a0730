/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Models: what there is to predict with, and which one does. */
#include <errno.h>
#include <fcntl.h>

#include "daemon/bus-file.h"
#include "daemon/bus-method.h"
#include "daemon/bus.h"
#include "daemon/manager-model.h"
#include "util/io.h"

#define MANIFEST_SIZE_MAX ((size_t)1024 * 1024)
#define CFG_SIZE_MAX ((size_t)64 * 1024)
#define WEIGHTS_SIZE_MAX ((size_t)8 * 1024 * 1024)

/* What an errno of manager-model.h is on the bus. */
static int model_error(sd_bus_error *error, int r, const Error *e) {
        static const struct {
                int error;
                const char *name;
        } names[] = {
                {-EINVAL, SD_BUS_ERROR_INVALID_ARGS},     {-EEXIST, SD_BUS_ERROR_INVALID_ARGS},
                {-ENOENT, BUS_ERROR_NO_SUCH_MODEL},       {-EPROTO, BUS_ERROR_CONFIGURATION},
                {-EKEYREJECTED, BUS_ERROR_MODEL_REFUSED}, {-EPERM, SD_BUS_ERROR_INVALID_ARGS},
                {-EBUSY, SD_BUS_ERROR_INVALID_ARGS},      {-ENOMEM, SD_BUS_ERROR_NO_MEMORY},
                {-ENOSPC, SD_BUS_ERROR_LIMITS_EXCEEDED},
        };
        const char *name = SD_BUS_ERROR_FAILED;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].error == r)
                        name = names[i].name;
        return sd_bus_error_setf(error, name, "%s", e->text[0] ? e->text : strerror(-r));
}

static bool is_running(const Manager *m, const char *name, const char *digest) {
        return streq(name, m->model->name) && streq(digest, m->model->digest);
}

/* A manifest that is refused is a row too: somebody wants to see why. */
static void append_model(Reply *reply, const Manager *m, const ModelEntry *entry,
                         const char *path) {
        const char *name = entry->name;
        Error e = ERROR_INIT;
        Manifest manifest = {};

        if (path[0])
                (void)manifest_read(path, &manifest, &e);
        reply_put_string(reply, "Name", name);
        reply_put_string(reply, "Source", model_source_to_string(entry->source));
        reply_put_string(reply, "Format",
                         manifest.weights.sha256[0] ? model_format_to_string(manifest.format) : "");
        reply_put_string(reply, "ModelVersion", manifest.version);
        reply_put_string(reply, "Digest", manifest.weights.sha256);
        reply_put_bool(reply, "Current", is_running(m, name, manifest.weights.sha256));
        reply_put_bool(reply, "Usable", !e.text[0]);
        reply_put_string(reply, "Reason", e.text);
        if (manifest.validation.file[0])
                reply_put_double(reply, "MacroF1", manifest.validation_f1);
        if (model_store_previous(m->models))
                reply_put_bool(reply, "Previous",
                               streq(name, model_store_previous(m->models)[0]
                                                   ? model_store_previous(m->models)
                                                   : MODEL_DEFAULT));
}

int bus_models_list(sd_bus_message *request, Manager *m, const Caller *caller,
                    sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};
        _cleanup_free_
        ModelEntry *entries = NULL;
        size_t n;
        int r;

        r = model_store_list(m->models, &entries, &n);
        if (r < 0)
                return r;
        reply = reply_begin(request, "a{sv}");
        for (size_t i = 0; i < n; i++) {
                ModelSource source;
                char path[512];

                /* Gone in between? Then it is no row. */
                if (model_store_find(m->models, entries[i].name, path, sizeof(path), &source,
                                     /* e= */ NULL) < 0)
                        continue;
                reply_open_row(&reply);
                append_model(&reply, m, &entries[i], path);
                reply_close_row(&reply);
        }
        return reply_send(&reply);
}

/* The manifest as text, where it is text: what training wrote of itself is nobody else's matter. */
static void append_manifest(Reply *reply, const char *path) {
        _cleanup_free_
        char *text = NULL;
        size_t size;
        Manifest manifest;

        if (!path[0] || manifest_read(path, &manifest, /* e= */ NULL) < 0 ||
            io_read_all_at(AT_FDCWD, path, MANIFEST_SIZE_MAX, &text, &size) < 0)
                return;
        reply_put_string(reply, "Manifest", text);
}

int bus_models_info(sd_bus_message *request, Manager *m, const Caller *caller,
                    sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};
        ModelEntry entry = {};
        Error e = ERROR_INIT;
        const char *name;
        char path[512];
        int r;

        r = sd_bus_message_read(request, "s", &name);
        if (r < 0)
                return r;
        r = model_store_find(m->models, name, path, sizeof(path), &entry.source, &e);
        if (r < 0)
                return model_error(error, r, &e);
        snprintf(entry.name, sizeof(entry.name), "%s", name);
        reply = reply_begin(request, "{sv}");
        append_model(&reply, m, &entry, path);
        reply_put_string(&reply, "ManifestPath", path);
        append_manifest(&reply, path);
        return reply_send(&reply);
}

static int reply_verdict(sd_bus_message *request, const ModelVerdict *v) {
        _cleanup_(reply_done)
        Reply reply = reply_begin(request, "{sv}");

        reply_put_string(&reply, "Name", v->name);
        reply_put_string(&reply, "Against", v->current);
        reply_put_u32(&reply, "Rows", (uint32_t)v->score.n_rows);
        if (v->score.n_rows > 0) {
                reply_put_double(&reply, "MacroF1", v->score.macro_f1);
                reply_put_double(&reply, "AgainstMacroF1", v->current_f1);
        }
        return reply_send(&reply);
}

int bus_models_verify(sd_bus_message *request, Manager *m, const Caller *caller,
                      sd_bus_error *error) {
        ModelVerdict verdict;
        Error e = ERROR_INIT;
        const char *name;
        int r;

        r = sd_bus_message_read(request, "s", &name);
        if (r < 0)
                return r;
        r = manager_verify_model(m, name, &verdict, &e);
        return r < 0 ? model_error(error, r, &e) : reply_verdict(request, &verdict);
}

int bus_models_use(sd_bus_message *request, Manager *m, const Caller *caller, sd_bus_error *error) {
        ModelVerdict verdict;
        Error e = ERROR_INIT;
        const char *name;
        int force, r;

        r = sd_bus_message_read(request, "sb", &name, &force);
        if (r < 0)
                return r;
        r = manager_use_model(m, name, force, &verdict, &e);
        return r < 0 ? model_error(error, r, &e) : reply_verdict(request, &verdict);
}

int bus_models_rollback(sd_bus_message *request, Manager *m, const Caller *caller,
                        sd_bus_error *error) {
        ModelVerdict verdict;
        Error e = ERROR_INIT;
        int r;

        r = manager_rollback_model(m, &verdict, &e);
        return r < 0 ? model_error(error, r, &e) : reply_verdict(request, &verdict);
}

int bus_models_remove(sd_bus_message *request, Manager *m, const Caller *caller,
                      sd_bus_error *error) {
        Error e = ERROR_INIT;
        const char *name;
        int r;

        r = sd_bus_message_read(request, "s", &name);
        if (r < 0)
                return r;
        r = manager_remove_model(m, name, &e);
        return r < 0 ? model_error(error, r, &e) : sd_bus_reply_method_return(request, NULL);
}

int bus_models_install(sd_bus_message *request, Manager *m, const Caller *caller,
                       sd_bus_error *error) {
        _cleanup_free_
        char *manifest = NULL, *cfg = NULL, *weights = NULL, *validation = NULL;
        ModelFiles files = {};
        ModelVerdict verdict;
        Error e = ERROR_INIT;
        int fds[4], force, r;

        r = sd_bus_message_read(request, "hhhhb", &fds[0], &fds[1], &fds[2], &fds[3], &force);
        if (r < 0)
                return r;
        r = bus_read_sealed(fds[0], "manifest", MANIFEST_SIZE_MAX, &manifest, &files.manifest.size,
                            &e);
        if (r >= 0)
                r = bus_read_sealed(fds[1], "cfg", CFG_SIZE_MAX, &cfg, &files.cfg.size, &e);
        if (r >= 0)
                r = bus_read_sealed(fds[2], "weights", WEIGHTS_SIZE_MAX, &weights,
                                    &files.weights.size, &e);
        if (r >= 0)
                r = bus_read_sealed(fds[3], "validation", MODEL_ROWS_SIZE_MAX, &validation,
                                    &files.validation.size, &e);
        if (r < 0)
                return model_error(error, r, &e);
        files.manifest.data = manifest;
        files.cfg.data = cfg;
        files.weights.data = weights;
        files.validation.data = validation;
        r = manager_install_model(m, &files, force, &verdict, &e);
        if (r < 0)
                return model_error(error, r, &e);
        journal_log(LOG_INFO, "model %s is installed", verdict.name);
        return reply_verdict(request, &verdict);
}

const sd_bus_vtable bus_models_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", models),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Info", SD_BUS_ARGS("s", name), SD_BUS_RESULT("a{sv}", model),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Verify", SD_BUS_ARGS("s", name), SD_BUS_RESULT("a{sv}", verdict),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                "Install",
                SD_BUS_ARGS("h", manifest, "h", cfg, "h", weights, "h", validation, "b", force),
                SD_BUS_RESULT("a{sv}", verdict), bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Use", SD_BUS_ARGS("s", name, "b", force),
                                SD_BUS_RESULT("a{sv}", verdict), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Rollback", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", verdict),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Remove", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT, bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
