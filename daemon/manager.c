/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>

#include <systemd/sd-daemon.h>

#include "daemon/bus.h"
#include "daemon/manager-filter.h"
#include "daemon/model-store.h"
#include "util/io.h"

/* A storm of forks wakes the daemon at most this often; the ring buffer holds the rest. */
#define EVENTS_WAKE_INTERVAL (100 * USEC_PER_MSEC)
#define EVENTS_WAKE_BURST 10

int runtime_open(const char *path, Error *e) {
        _cleanup_close_
        int fd = -EBADF;
        int r;

        r = io_mkdir_p(path, 0755);
        if (r < 0)
                return error_set(e, r, "cannot make runtime directory %s: %s", path, strerror(-r));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                return error_set(e, r, "cannot open runtime directory %s: %s", path, strerror(-r));
        }
        return TAKE_FD(fd);
}

int runtime_open_ledger(int root_fd, int runtime_fd, Ledger **ret, LedgerReport *ret_report,
                        Error *e) {
        char boot_id[64];

        /* A fake tree may lack it: then every ledger in the directory counts as this boot's. */
        if (io_read_at(root_fd, "proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) < 0)
                snprintf(boot_id, sizeof(boot_id), "unknown");
        boot_id[strcspn(boot_id, "\n")] = 0;
        return ledger_open(runtime_fd, boot_id, ret, ret_report, e);
}

static int manager_on_stop(sd_event_source *source, const struct signalfd_siginfo *info,
                           void *userdata) {
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int manager_on_reload(sd_event_source *source, const struct signalfd_siginfo *info,
                             void *userdata) {
        Manager *m = userdata;

        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, usec_now(CLOCK_MONOTONIC));
        (void)manager_reload(m, /* e= */ NULL);
        (void)sd_notify(0, "READY=1");
        return 0;
}

void manager_read_events(Manager *m) {
        int r;

        if (!m->events)
                return;
        r = events_dispatch(m->events);
        if (r < 0) {
                journal_log(LOG_WARNING,
                            "cannot read process events: %s; processes are found by scanning",
                            strerror(-r));
                snprintf(m->events_reason, sizeof(m->events_reason), "reading them failed: %s",
                         strerror(-r));
                m->events_source = sd_event_source_disable_unref(m->events_source);
                m->events = events_free(m->events);
                return;
        }
        manager_check_lost_events(m);
}

static int manager_on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        manager_read_events(userdata);
        manager_wake(userdata);
        return 0;
}

static int manager_add_signal(Manager *m, int signal, sd_event_signal_handler_t handler) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, signal);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        return sd_event_add_signal(m->event, NULL, signal, handler, m);
}

static int manager_setup_loop(Manager *m, Error *e) {
        int r;

        r = sd_event_new(&m->event);
        if (r >= 0)
                r = manager_add_signal(m, SIGTERM, manager_on_stop);
        if (r >= 0)
                r = manager_add_signal(m, SIGINT, manager_on_stop);
        if (r >= 0)
                r = manager_add_signal(m, SIGHUP, manager_on_reload);
        if (r < 0)
                return error_set(e, r, "cannot set up the event loop: %s", strerror(-r));
        return 0;
}

/* Lifecycle events are a refinement: what is missed is found at the next tick. */
static void manager_setup_events(Manager *m) {
        Error e = ERROR_INIT;
        int r;

        if (collector_source(m->collector) != SAMPLE_SOURCE_BPF) {
                snprintf(m->events_reason, sizeof(m->events_reason), "%s",
                         collector_reason(m->collector));
                return;
        }
        r = events_new(/* options= */ NULL, manager_on_event, m, &m->events, &e);
        if (r >= 0)
                r = sd_event_add_io(m->event, &m->events_source, events_fd(m->events), EPOLLIN,
                                    manager_on_events, m);
        if (r >= 0)
                r = sd_event_source_set_ratelimit(m->events_source, EVENTS_WAKE_INTERVAL,
                                                  EVENTS_WAKE_BURST);
        if (r >= 0)
                return;
        snprintf(m->events_reason, sizeof(m->events_reason), "%s",
                 e.text[0] ? e.text : strerror(-r));
        m->events_source = sd_event_source_disable_unref(m->events_source);
        m->events = events_free(m->events);
        journal_note(LOG_NOTICE, MESSAGE_COLLECTOR_FALLBACK, NULL,
                     "Processes are found by scanning, not by events: %s", m->events_reason);
}

static int manager_setup_collector(Manager *m, Error *e) {
        int r;

        r = collector_new(m->root_fd, m->options->collector, &m->collector, e);
        if (r < 0)
                return r;
        if (m->options->collector == COLLECTOR_AUTO &&
            collector_source(m->collector) != SAMPLE_SOURCE_BPF)
                journal_note(LOG_NOTICE, MESSAGE_COLLECTOR_FALLBACK, NULL, "Reading /proc: %s",
                             collector_reason(m->collector));
        manager_setup_events(m);
        return 0;
}

/* A file that is wrong at the start does not stop the start: the built-in policy observes. */
static int manager_setup_policy(Manager *m, Error *e) {
        Error load = ERROR_INIT;
        int r;

        r = manager_load_policy(m, &m->policy, &load);
        if (r == -ENOMEM)
                return error_set(e, r, "out of memory");
        if (r < 0) {
                journal_note(LOG_ERR, MESSAGE_CONFIG_REFUSED, NULL,
                             "Configuration refused, going on with the built-in policy: %s",
                             load.text);
                snprintf(m->policy_error, sizeof(m->policy_error), "%s", load.text);
                r = policy_init_default(&m->policy);
                if (r >= 0)
                        r = settings_apply(&m->options->settings, &m->policy, e);
                if (r < 0)
                        return error_set(e, r, "cannot make the built-in policy");
        }
        r = manager_make_effective(m, &m->policy, &m->effective_policy);
        return r < 0 ? error_set(e, r, "out of memory") : 0;
}

static int manager_setup_pipeline(Manager *m, Error *e) {
        Error state = ERROR_INIT;
        int r;

        r = model_store_open(m->options->state_dir, model_shipped_dir(), &m->models, &state);
        if (r >= 0 && state.text[0])
                journal_log(LOG_WARNING, "%s; as if no model had been chosen", state.text);
        if (r >= 0)
                r = model_choose(m->models, m->policy.model, &m->model, m->model_reason,
                                 sizeof(m->model_reason));
        if (r >= 0)
                model_note_refused(m->model, m->model_reason);
        if (r >= 0)
                r = pipeline_new(&m->effective_policy, m->model, getpid(), &m->pipeline);
        if (r < 0)
                return error_set(e, r, "cannot make the pipeline: %s", strerror(-r));
        if (m->options->recording)
                r = recording_create(m->options->recording, &m->effective_policy, m->model,
                                     getpid(), &m->recording, e);
        if (r >= 0)
                manager_load_priors(m);
        return r;
}

static int manager_begin_feed(const RecordingSink *sink, Recording **ret, void *userdata) {
        const Manager *m = userdata;

        return recording_create_sink(sink, &m->effective_policy, m->model, getpid(), ret,
                                     /* e= */ NULL);
}

static void manager_catch_up_feed(Recording *r, void *userdata) {
        const Manager *m = userdata;

        for (size_t i = 0; i < pipeline_count(m->pipeline); i++) {
                ProcView view;

                pipeline_get_proc(m->pipeline, i, &view);
                if (view.ident)
                        (void)recording_write_ident(r, view.sample.pid, view.ident);
        }
}

static void manager_on_feed_lost(uint64_t lost, void *userdata) {
        journal_note(
                LOG_NOTICE, MESSAGE_FEED_LOST, NULL,
                "The data set's recorder reads too slowly: a tick was left out; further losses "
                "are counted in the status");
}

/* The data set is a refinement: the daemon goes on without. */
static void manager_setup_feed(Manager *m) {
        static const FeedOps ops = {
                .begin = manager_begin_feed,
                .catch_up = manager_catch_up_feed,
                .lost = manager_on_feed_lost,
        };
        Error e = ERROR_INIT;

        if (feed_new(m->event, m->runtime_fd, &ops, m, &m->feed, &e) < 0)
                journal_log(LOG_WARNING, "%s, going on without a feed for the data set", e.text);
}

static int manager_setup(Manager *m, Error *e) {
        int r;

        m->root_fd = io_root_open();
        if (m->root_fd < 0)
                return error_set(e, m->root_fd, "cannot open the root directory: %s",
                                 strerror(-m->root_fd));
        m->runtime_fd = runtime_open(m->options->runtime_dir, e);
        if (m->runtime_fd < 0)
                return m->runtime_fd;
        r = runtime_open_ledger(m->root_fd, m->runtime_fd, &m->ledger, &m->ledger_report, e);
        if (r < 0)
                return r;
        r = cgroup_tree_open(m->root_fd, &m->cgroups);
        if (r < 0)
                return error_set(e, r, "cannot look for the cgroup file systems: %s", strerror(-r));
        r = executor_new(m->root_fd, m->ledger, m->options->cgroup_name, &m->executor);
        if (r < 0)
                return error_set(e, r, "cannot set up the actuators: %s", strerror(-r));
        manager_restore_leftovers(m);
        r = manager_setup_loop(m, e);
        if (r >= 0)
                r = manager_setup_collector(m, e);
        if (r >= 0)
                manager_setup_triggers(m);
        if (r >= 0)
                r = manager_setup_policy(m, e);
        if (r >= 0)
                r = manager_setup_pipeline(m, e);
        if (r >= 0 && !m->options->no_bus)
                r = bus_new(m, &m->bus, e);
        if (r < 0)
                return r;
        manager_start_filters(m);
        manager_setup_feed(m);
        r = manager_arm_timer(m);
        if (r < 0)
                return error_set(e, r, "cannot set the timer: %s", strerror(-r));
        r = manager_setup_watchdog(m);
        if (r < 0)
                return error_set(e, r, "cannot set up the watchdog: %s", strerror(-r));
        return 0;
}

int manager_new(const Options *options, Manager **ret, Error *e) {
        _cleanup_(manager_freep)
        Manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return error_set(e, -ENOMEM, "out of memory");
        m->options = options;
        m->root_fd = m->runtime_fd = -EBADF;
        m->policy = m->effective_policy = POLICY_INIT;
        m->sample = SAMPLE_INIT;
        m->cgroups = CGROUP_TREE_INIT;
        m->triggers = PSI_TRIGGERS_INIT;
        m->started_at = usec_now(CLOCK_BOOTTIME);
        r = manager_setup(m, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        bus_free(m->bus);
        manager_free_triggers(m);
        sd_event_source_disable_unref(m->events_source);
        sd_event_source_disable_unref(m->timer);
        sd_event_source_disable_unref(m->watchdog_source);
        sd_event_source_disable_unref(m->filter_timer);
        filters_done(&m->filters);
        free(m->filter_wants);
        recording_close(m->recording);
        feed_free(m->feed);
        pipeline_free(m->pipeline);
        model_free(m->model);
        model_store_free(m->models);
        settings_done(&m->runtime_settings);
        policy_done(&m->policy);
        policy_done(&m->effective_policy);
        sample_done(&m->sample);
        cgroup_tree_done(&m->cgroups);
        executor_free(m->executor);
        ledger_close(m->ledger);
        events_free(m->events);
        collector_free(m->collector);
        sd_event_unref(m->event);
        closep(&m->runtime_fd);
        closep(&m->root_fd);
        free(m);
        return NULL;
}

int manager_run(Manager *m) {
        int r;

        /* Loading BPF and JSON needs far more memory than running does. */
        (void)malloc_trim(0);
        journal_note(LOG_INFO, MESSAGE_STARTED, &(JournalFields){.model = m->model->name},
                     "aikmd " AIKM_VERSION " started: mode %s, model %s, reading by %s",
                     mode_to_string(m->policy.mode), m->model->name,
                     collector_source(m->collector) == SAMPLE_SOURCE_BPF ? "BPF" : "/proc");
        (void)sd_notify(0, "READY=1");
        r = sd_event_loop(m->event);
        (void)sd_notify(0, "STOPPING=1");
        if (r < 0)
                journal_log(LOG_ERR, "the event loop failed: %s", strerror(-r));
        manager_stop_filters(m);
        manager_restore_at_stop(m);
        manager_save_priors(m, /* at_stop= */ true);
        journal_note(LOG_INFO, MESSAGE_STOPPED, NULL, "aikmd stopped after %" PRIu64 " ticks",
                     m->ticks);
        return r;
}
