/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The daemon: owns the event loop and everything that lives as long as it does, runs the ticks, and
 * carries out what comes over the bus and by signals. manager.c starts and stops, manager-pace.c
 * chooses when to look, manager-tick.c looks and acts, manager-policy.c holds the configuration,
 * manager-model.c the model, manager-undo.c puts back,
 * manager-filter.c looks after the traffic filters. The bus-*.c files read its fields; only the
 * functions below change them.
 */

#include <systemd/sd-event.h>

#include "collectors/build-id.h"
#include "collectors/cgroup-tree.h"
#include "collectors/collector.h"
#include "collectors/events.h"
#include "collectors/psi-trigger.h"
#include "daemon/executor.h"
#include "daemon/feed.h"
#include "daemon/filters.h"
#include "daemon/journal.h"
#include "daemon/ledger.h"
#include "daemon/options.h"
#include "daemon/pace.h"
#include "daemon/pipeline.h"
#include "daemon/recording.h"
#include "daemon/settings.h"
#include "daemon/usage.h"
#include "daemon/watchdog.h"

typedef struct Bus Bus;
typedef struct ModelStore ModelStore;

typedef struct Trial {
        pid_t root;     /* 0: none */
        uint64_t start; /* of root, clock ticks; 0: not seen in a sample yet */
        Mode mode;
        uid_t uid; /* it ends when a process of anybody else appears in the tree; 0: it goes on */
} Trial;

/* An interface that policy wants a filter on. */
typedef struct FilterWant {
        bool declined; /* somebody detached it: not again until the configuration is read again */
        int error;     /* of the last try, so that a lasting failure is told once; 0: none */
        usec_t retry;  /* CLOCK_BOOTTIME: not before */
} FilterWant;

typedef struct Manager {
        const Options *options; /* borrowed */
        sd_event *event;
        sd_event_source *timer;
        sd_event_source *events_source;
        sd_event_source *watchdog_source; /* NULL: nobody watches */
        int root_fd;
        int runtime_fd;

        CgroupTree cgroups;  /* for identities */
        BuildIdCache builds; /* as well */
        Collector *collector;
        Events *events;          /* NULL: processes are found by scanning alone */
        char events_reason[512]; /* why */
        uint64_t events_lost;    /* as of the last look */
        PsiTriggers triggers;
        sd_event_source *trigger_sources[_PSI_COUNT]; /* on while the pause is stretched */
        char triggers_reason[512];                    /* why there are none; "": there are */

        Ledger *ledger;
        LedgerReport ledger_report;
        Executor *executor;

        Policy policy;             /* as configured */
        Policy effective_policy;   /* without what this machine lacks: what decides */
        Settings runtime_settings; /* what came over the bus */
        char policy_error[512];    /* why the files were refused; "" they were not */
        ModelStore *models;
        Model *model;
        char model_reason[512]; /* why it is the rules though a network is asked for; "" it is not
                                 */
        Pipeline *pipeline;
        Recording *recording;
        Feed *feed; /* NULL: it could not be set up */
        Sample sample;
        Trial trial;

        Filters filters;
        FilterWant *filter_wants; /* as policy.filters */
        size_t n_filter_wants;
        sd_event_source *filter_timer; /* NULL: there is nothing to look after */

        Bus *bus;

        Pace pace;
        usec_t looked_at;  /* CLOCK_MONOTONIC, here and below: when the last look began */
        usec_t watched_at; /* when a client last asked; 0: never */
        Usage usage;
        Watchdog watchdog;
        usec_t fed_at;
        bool watchdog_starved;
        uint64_t impact_judged, impact_closed; /* so far what demotions did was told */
        uint64_t ticks;
        uint64_t rescans;
        size_t n_decisions;     /* in the last tick */
        usec_t started_at;      /* CLOCK_BOOTTIME */
        usec_t tick_cpu;        /* CPU time of the last tick */
        uint64_t priors_saved;  /* PriorTable.generation that is on disk */
        usec_t priors_saved_at; /* CLOCK_BOOTTIME; 0: not yet looked at */
        int priors_error;       /* of the last time, so that a lasting failure is told once */
        int tick_error;         /* of the last tick, so that a lasting failure is told once */
} Manager;

/* options must outlive the manager. Returns 0 or -errno with *e set. */
int manager_new(const Options *options, Manager **ret, Error *e);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free);

/* Runs until SIGTERM or SIGINT. Returns 0 or -errno. */
int manager_run(Manager *m);

/* One look at the machine and what follows from it. */
void manager_tick(Manager *m);
/* The next tick comes at once, or after delay at the latest. */
void manager_tick_soon(Manager *m);
void manager_tick_in(Manager *m, usec_t delay);
/* What wakes it from a stretched pause; without, pauses are short. */
void manager_setup_triggers(Manager *m);
void manager_free_triggers(Manager *m);
/* Something happens: a stretched pause ends, but no two looks are closer than the interval. */
void manager_wake(Manager *m);
/* A client asks: what it is told is no older than the interval. */
void manager_note_watched(Manager *m);
/* A look succeeded. */
void manager_note_look(Manager *m);
void manager_read_usage(UsageCounters *ret);
/* Where a service manager watches, it is told that the daemon lives. 0 or -errno. */
int manager_setup_watchdog(Manager *m);
/* The timer begins anew with the policy's interval. 0 or -errno. */
int manager_arm_timer(Manager *m);
/* After events were read: where some were lost, another look follows soon. */
void manager_check_lost_events(Manager *m);

/* Hands on what waits in the ring buffer. */
void manager_read_events(Manager *m);
void manager_on_event(const struct aikm_event *event, void *userdata);

/* Files, command line, settings of the bus to one policy. Returns 0 or -errno with *e set. */
int manager_load_policy(const Manager *m, Policy *ret, Error *e);
/* A copy of p without the knobs that this machine lacks. Returns 0 or -ENOMEM. */
int manager_make_effective(const Manager *m, const Policy *p, Policy *ret);
/* All or none; until manager_reset(). 0 or -errno with *e set. */
int manager_set(Manager *m, const Settings *settings, Error *e);
int manager_reset(Manager *m, Error *e);
int manager_reload(Manager *m, Error *e);
/* The model that the setting names, or what takes its place with the reason why. 0 or -errno. */
int model_choose(const ModelStore *store, const char *setting, Model **ret, char *ret_reason,
                 size_t size);
/* Tells it where there is a reason. */
void model_note_refused(const Model *instead, const char *reason);
/* Takes the model's place between two ticks, and the model over. */
void manager_take_model(Manager *m, Model *model, const char *reason);
/* The folder of the shipped models; the environment's is for running from the build folder. */
const char *model_shipped_dir(void);

/* root 0 ends the trial and puts back what was done in the tree. */
void manager_set_trial(Manager *m, pid_t root, Mode mode, uid_t uid);
/* After a sample: where root is no more, the trial ends, for its pid may soon be another's. */
void manager_check_trial(Manager *m);
/* -ENOENT where nothing matches. */
int manager_rollback(Manager *m, RestoreWhat what, uint64_t number, RestoreCount *ret);
/* At start, what a crash left; at the end, what is still changed. */
void manager_restore_leftovers(Manager *m);
void manager_restore_at_stop(Manager *m);

/* What was learned of programs: from the state directory, and to it, where it is time or at_stop.
 * What fails is told and does no harm. */
void manager_load_priors(Manager *m);
void manager_save_priors(Manager *m, bool at_stop);
/* exe NULL: all. Returns how many programs. */
size_t manager_forget_priors(Manager *m, const char *exe);

/* What enters or leaves the pipeline, into the recording and the feed where there is one:
 * manager_record(m, exec, pid). The first failure ends the recording; a feed has none. */
#define manager_record(m, what, ...)                                                           \
        do {                                                                                   \
                if ((m)->recording)                                                            \
                        manager_recorded((m),                                                  \
                                         recording_write_##what((m)->recording, __VA_ARGS__)); \
                if (feed_recording((m)->feed))                                                 \
                        (void)recording_write_##what(feed_recording((m)->feed), __VA_ARGS__);  \
        } while (0)
void manager_recorded(Manager *m, int r);

/* Tells what demotions bought and cost, where one was judged or has ended since. */
void manager_tell_impact(Manager *m);

/* Tells what became of a decision. */
void manager_note_decision(Manager *m, const Decision *d, Outcome outcome, uint64_t action,
                           const Error *e);

/* Opens the runtime directory, making it where needed. Returns the descriptor or -errno with *e
 * set. */
int runtime_open(const char *path, Error *e);
/* Opens the ledger in it. 0, -EBUSY where another process holds it, or -errno with *e set. */
int runtime_open_ledger(int root_fd, int runtime_fd, Ledger **ret, LedgerReport *ret_report,
                        Error *e);
