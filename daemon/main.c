/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>

#include "daemon/config.h"
#include "daemon/filters.h"
#include "daemon/manager.h"
#include "daemon/model-store.h"
#include "util/io.h"

#define EXIT_USAGE 2

static int fail(const Error *e, int r) {
        journal_log(LOG_ERR, "%s", e->text[0] ? e->text : strerror(-r));
        return EXIT_FAILURE;
}

/* The files and the command line's settings. */
static int load_policy(const Options *o, Policy *ret, Error *e) {
        _cleanup_close_
        int root_fd = io_root_open();
        Manager m = {.options = o, .root_fd = root_fd};

        if (root_fd < 0)
                return error_set(e, root_fd, "cannot open the root directory: %s",
                                 strerror(-root_fd));
        return manager_load_policy(&m, ret, e);
}

static int run(const Options *o) {
        _cleanup_(manager_freep)
        Manager *m = NULL;
        Error e = ERROR_INIT;
        int r;

        r = manager_new(o, &m, &e);
        if (r < 0)
                return fail(&e, r);
        return manager_run(m) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Files that are not in their place yet, in the order given, on top of the defaults. */
static int load_files(const Options *o, Policy *ret, Error *e) {
        int r = policy_init_default(ret);

        for (size_t i = 0; r >= 0 && i < o->n_files; i++) {
                _cleanup_free_
                char *text = NULL;
                size_t size;

                r = io_read_all_at(AT_FDCWD, o->files[i], CONFIG_SIZE_MAX, &text, &size);
                if (r < 0)
                        return error_set(e, r, "%s: %s", o->files[i], strerror(-r));
                r = config_apply_json(ret, text, size, o->files[i], e);
        }
        return r;
}

static int check_config(const Options *o) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        Error e = ERROR_INIT;
        int r;

        r = o->n_files > 0 ? load_files(o, &p, &e) : load_policy(o, &p, &e);
        if (r < 0)
                return fail(&e, r);
        puts("The configuration is good.");
        return EXIT_SUCCESS;
}

static int replay(const Options *o) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        _cleanup_(model_freep)
        Model *model = NULL;
        _cleanup_(model_store_freep)
        ModelStore *models = NULL;
        ReplayResult result = {};
        char reason[512];
        Error e = ERROR_INIT;
        int r;

        r = load_policy(o, &p, &e);
        if (r < 0)
                return fail(&e, r);
        r = model_store_open(o->state_dir, model_shipped_dir(), &models, /* e= */ NULL);
        if (r >= 0)
                r = model_choose(models, p.model, &model, reason, sizeof(reason));
        if (r < 0)
                return fail(&e, r);
        model_note_refused(model, reason);
        r = recording_replay(o->recording, model, stdout, &result, &e);
        if (r < 0)
                return fail(&e, r);
        if (result.torn)
                journal_log(LOG_NOTICE, "%s ends in the middle of a frame, ignoring its rest",
                            o->recording);
        if (result.next_model[0])
                journal_log(LOG_NOTICE,
                            "%s goes on with model %s after %" PRIu64
                            " samples, which is not decided again",
                            o->recording, result.next_model, result.n_samples);
        printf("%" PRIu64 " samples, %" PRIu64 " decisions, %" PRIu64 " different\n",
               result.n_samples, result.n_decisions, result.n_different);
        return result.n_different > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A service that comes back takes filters over where policy keeps them. */
static bool keeps_filters(const Options *o) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;

        return load_policy(o, &p, /* e= */ NULL) >= 0 && p.keep_filters;
}

/* What the ledger says. Returns how many could not be put back, or -errno; 0 entries say nothing.
 */
static int restore_ledger(const Options *o, RestoreWhat what, bool *ret_any, Error *e) {
        _cleanup_close_
        int root_fd = -EBADF, runtime_fd = -EBADF;
        _cleanup_(ledger_closep)
        Ledger *ledger = NULL;
        _cleanup_(executor_freep)
        Executor *executor = NULL;
        LedgerReport report = {};
        RestoreCount count = {};
        char text[RESTORE_TEXT_MAX];
        int r;

        if (access(o->runtime_dir, F_OK) < 0)
                return 0;
        root_fd = io_root_open();
        if (root_fd < 0)
                return root_fd;
        runtime_fd = runtime_open(o->runtime_dir, e);
        if (runtime_fd < 0)
                return runtime_fd;
        r = runtime_open_ledger(root_fd, runtime_fd, &ledger, &report, e);
        if (r < 0)
                return r;
        if (report.n_damaged > 0)
                journal_log(LOG_WARNING, "%zu damaged lines of the ledger were not trusted",
                            report.n_damaged);
        r = executor_new(root_fd, ledger, o->cgroup_name, &executor);
        if (r < 0)
                return r;
        if (executor_count(executor, what, 0) == 0)
                return 0;
        r = executor_restore(executor, what, 0, &count);
        if (r < 0 && r != -ENOENT)
                return r;
        puts(restore_count_format(&count, text));
        *ret_any = true;
        return (int)count.failed;
}

/* Pins alone make a filter ours, also where somebody has cleaned the runtime directory. */
static int restore_pins(const Options *o, bool *ret_any) {
        size_t detached, failed;

        filters_clear(o->filter_dir, &detached, &failed);
        if (detached + failed > 0) {
                printf("Traffic filters that the ledger did not know: %zu detached, %zu failed\n",
                       detached, failed);
                *ret_any = true;
        }
        return (int)failed;
}

static int restore(const Options *o) {
        RestoreWhat what = RESTORE_ALL;
        Error e = ERROR_INIT;
        bool any = false;
        int failed;

        if (o->restore_not_needed) {
                puts("The service ended with success: nothing to put back.");
                return EXIT_SUCCESS;
        }
        if (o->restore_after_failure && keeps_filters(o))
                what = RESTORE_OTHERS;
        failed = restore_ledger(o, what, &any, &e);
        if (failed < 0)
                return fail(&e, failed);
        if (what == RESTORE_ALL)
                failed += restore_pins(o, &any);
        if (!any)
                puts("Nothing to put back.");
        return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int perform(const Options *o) {
        switch (o->task) {
        case TASK_RUN:
                return run(o);
        case TASK_REPLAY:
                return replay(o);
        case TASK_RESTORE:
                return restore(o);
        case TASK_CHECK_CONFIG:
                return check_config(o);
        case TASK_HELP:
                options_print_help(stdout);
                return EXIT_SUCCESS;
        case TASK_VERSION:
                puts("aikmd " AIKM_VERSION);
                return EXIT_SUCCESS;
        }
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        _cleanup_(options_done)
        Options options = OPTIONS_INIT;
        Error e = ERROR_INIT;
        int r;

        /* Large blocks, such as the kernel's BTF at the start, go back to the kernel when they are
         * freed: a fixed threshold keeps malloc from learning otherwise. */
        (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
        (void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
        journal_init();
        r = options_parse(argc, argv, &options, &e);
        if (r < 0) {
                fprintf(stderr, "aikmd: %s\nTry 'aikmd --help'.\n",
                        e.text[0] ? e.text : strerror(-r));
                return r == -ENOMEM ? EXIT_FAILURE : EXIT_USAGE;
        }
        r = perform(&options);
        journal_done();
        return r;
}
