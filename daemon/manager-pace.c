/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the manager looks: the timer, what wakes it earlier, and the watchdog, which is fed by looks
 * so that it needs no wake-ups of its own. */
#include <sys/epoll.h>
#include <sys/resource.h>

#include <systemd/sd-daemon.h>

#include "daemon/bus.h"
#include "daemon/manager.h"

/* The kernel may join our wake-ups with others' within this. */
#define ACCURACY_MAX (50 * USEC_PER_MSEC)
#define STRETCHED_ACCURACY_MAX (500 * USEC_PER_MSEC)
/* A window of 2 s needs no privilege; the stall is what pace.h calls pressure. */
#define TRIGGER_WINDOW (2 * USEC_PER_SEC)
#define TRIGGER_STALL ((usec_t)((double)PACE_PRESSURE * (double)TRIGGER_WINDOW))
/* Somebody who asked asks again within this, as aikmctl top does: until then nothing stretches. */
#define WATCHED_FOR (5 * USEC_PER_SEC)

static usec_t base_interval(const Manager *m) {
        return m->policy.thresholds.interval;
}

static bool is_stretched(const Manager *m) {
        return pace_is_stretched(&m->pace, base_interval(m));
}

static bool is_watched(const Manager *m, usec_t now) {
        return m->watched_at != 0 && now < m->watched_at + MAX(WATCHED_FOR, 3 * base_interval(m));
}

static usec_t accuracy(const Manager *m) {
        return is_stretched(m) ? MIN(m->pace.interval / 10, STRETCHED_ACCURACY_MAX)
                               : MIN(base_interval(m) / 20, ACCURACY_MAX);
}

static bool has_triggers(const Manager *m) {
        return m->triggers.fds[0] >= 0;
}

/*
 * Listens while the pause is stretched, and then alone: a busy machine would wake us for what the
 * next look sees anyway. What happened before the look is taken, not heard again.
 */
static void manager_listen(Manager *m) {
        bool on = is_stretched(m);

        /* Else only the children of demoted processes cannot wait for the next look. */
        if (m->events)
                events_set_wake(m->events, on ? AIKM_WAKE_STORM
                                           : ledger_count(m->ledger, /* all= */ false) > 0
                                                   ? AIKM_WAKE_FORKS
                                                   : AIKM_WAKE_NONE);
        for (size_t i = 0; i < ELEMENTSOF(m->trigger_sources) && has_triggers(m); i++) {
                if (on)
                        (void)psi_trigger_take(m->triggers.fds[i]);
                (void)sd_event_source_set_enabled(m->trigger_sources[i],
                                                  on ? SD_EVENT_ON : SD_EVENT_OFF);
        }
}

static int manager_plan(Manager *m, usec_t from) {
        usec_t now = usec_now(CLOCK_MONOTONIC), interval = m->pace.interval;
        int r;

        /* Even steps from the first look on, except after a suspend or a stall. */
        r = sd_event_source_set_time(m->timer, MAX(from, now - MIN(now, interval)) + interval);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(m->timer, MAX(accuracy(m), (usec_t)1));
        if (r >= 0)
                r = sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT);
        return r;
}

static void manager_choose_pace(Manager *m) {
        PaceInput in = {
                .failed = (m->tick_error < 0),
                .trial = (m->trial.root > 0),
                .watched = is_watched(m, usec_now(CLOCK_MONOTONIC)),
                .n_decisions = m->n_decisions,
                .triggers = has_triggers(m),
        };
        PipelineStatus status;

        pipeline_get_status(m->pipeline, &status);
        in.n_treated = status.n_treated;
        in.n_born = status.n_born;
        in.hog = status.hog;
        for (int k = 0; k < _CONTENTION_COUNT; k++)
                in.contended |= status.contended[k];
        memcpy(in.pressure, status.pressure, sizeof(in.pressure));
        (void)pace_next(&m->pace, &in, base_interval(m), m->policy.thresholds.interval_max);
        manager_listen(m);
}

static int manager_on_timer(sd_event_source *source, uint64_t at, void *userdata) {
        Manager *m = userdata;

        manager_tick(m);
        manager_choose_pace(m);
        return manager_plan(m, at);
}

int manager_arm_timer(Manager *m) {
        usec_t next = usec_now(CLOCK_MONOTONIC) + base_interval(m);

        m->pace = (Pace){.interval = base_interval(m), .reason = PACE_STARTING};
        m->timer = sd_event_source_disable_unref(m->timer);
        return sd_event_add_time(m->event, &m->timer, CLOCK_MONOTONIC, m->ticks ? next : 0,
                                 accuracy(m), manager_on_timer, m);
}

void manager_tick_in(Manager *m, usec_t delay) {
        usec_t wanted = usec_now(CLOCK_MONOTONIC) + delay;
        uint64_t planned;

        if (sd_event_source_get_time(m->timer, &planned) < 0 || planned <= wanted)
                return;
        (void)sd_event_source_set_time(m->timer, wanted);
        (void)sd_event_source_set_time_accuracy(m->timer, 1);
}

void manager_tick_soon(Manager *m) {
        manager_tick_in(m, 0);
}

void manager_wake(Manager *m) {
        usec_t now = usec_now(CLOCK_MONOTONIC), due = m->looked_at + base_interval(m);

        if (!is_stretched(m))
                return;
        pace_wake(&m->pace, base_interval(m), PACE_WOKEN);
        manager_listen(m);
        manager_tick_in(m, due > now ? due - now : 0);
}

void manager_note_watched(Manager *m) {
        usec_t now = usec_now(CLOCK_MONOTONIC);

        m->watched_at = now;
        if (!is_stretched(m))
                return;
        pace_wake(&m->pace, base_interval(m), PACE_WATCHED);
        manager_listen(m);
        /* Figures are never older than the interval that policy names. */
        if (now < m->looked_at + base_interval(m)) {
                manager_tick_in(m, m->looked_at + base_interval(m) - now);
                return;
        }
        manager_tick(m);
        manager_choose_pace(m);
        (void)manager_plan(m, now);
}

void manager_free_triggers(Manager *m) {
        for (size_t i = 0; i < ELEMENTSOF(m->trigger_sources); i++)
                m->trigger_sources[i] = sd_event_source_disable_unref(m->trigger_sources[i]);
        psi_triggers_close(&m->triggers);
}

static int manager_on_pressure(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Manager *m = userdata;

        if (revents & (EPOLLERR | EPOLLHUP)) {
                snprintf(m->triggers_reason, sizeof(m->triggers_reason),
                         "the kernel ended a trigger");
                manager_free_triggers(m);
        }
        manager_wake(m);
        return 0;
}

void manager_setup_triggers(Manager *m) {
        Error e = ERROR_INIT;
        int r;

        r = psi_triggers_open(m->root_fd, TRIGGER_STALL, TRIGGER_WINDOW, &m->triggers, &e);
        for (size_t i = 0; i < ELEMENTSOF(m->trigger_sources) && r >= 0; i++) {
                r = sd_event_add_io(m->event, &m->trigger_sources[i], m->triggers.fds[i], EPOLLPRI,
                                    manager_on_pressure, m);
                if (r >= 0)
                        r = sd_event_source_set_enabled(m->trigger_sources[i], SD_EVENT_OFF);
        }
        if (r >= 0)
                return;
        manager_free_triggers(m);
        snprintf(m->triggers_reason, sizeof(m->triggers_reason), "%s",
                 e.text[0] ? e.text : strerror(-r));
        journal_log(LOG_INFO, "no pressure triggers: %s; it looks every %" PRIu64 " s at least",
                    m->triggers_reason, PACE_BLIND_MAX / USEC_PER_SEC);
}

void manager_read_usage(UsageCounters *ret) {
        struct rusage u = {};

        (void)getrusage(RUSAGE_SELF, &u);
        *ret = (UsageCounters){
                .at = usec_now(CLOCK_MONOTONIC),
                .wakeups = (uint64_t)u.ru_nvcsw,
                .cpu = (usec_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC +
                       (usec_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec),
        };
}

/* ---- the watchdog ---- */

static int manager_feed(Manager *m, usec_t now) {
        int r;

        (void)sd_notify(0, "WATCHDOG=1");
        m->fed_at = now;
        r = sd_event_source_set_time(m->watchdog_source, now + watchdog_period(&m->watchdog));
        return r < 0 ? r : sd_event_source_set_enabled(m->watchdog_source, SD_EVENT_ONESHOT);
}

/* A look that succeeded is as good a sign of life as the timer below, and costs no wake-up. */
void manager_note_look(Manager *m) {
        UsageCounters counters;

        manager_read_usage(&counters);
        usage_note(&m->usage, &counters);
        watchdog_note_good(&m->watchdog, counters.at);
        if (m->watchdog_source && counters.at >= m->fed_at + watchdog_period(&m->watchdog) / 2)
                (void)manager_feed(m, counters.at);
}

static int manager_on_watchdog(sd_event_source *source, uint64_t at, void *userdata) {
        Manager *m = userdata;
        usec_t now = usec_now(CLOCK_MONOTONIC);
        bool alive = watchdog_is_alive(&m->watchdog, MAX(m->pace.interval, base_interval(m)), now);
        int r;

        if (!alive && !m->watchdog_starved)
                journal_log(LOG_ERR,
                            "no look at the processes has succeeded for %" PRIu64
                            " s: the service manager is not told any more that all is well",
                            (now - m->watchdog.good) / USEC_PER_SEC);
        m->watchdog_starved = !alive;
        if (alive)
                return manager_feed(m, now);
        r = sd_event_source_set_time(source, now + watchdog_period(&m->watchdog));
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int manager_setup_watchdog(Manager *m) {
        usec_t limit = 0, now = usec_now(CLOCK_MONOTONIC);
        int r;

        r = sd_watchdog_enabled(/* unset_environment= */ 0, &limit);
        if (r <= 0)
                return r;
        watchdog_init(&m->watchdog, limit, now);
        return sd_event_add_time(m->event, &m->watchdog_source, CLOCK_MONOTONIC,
                                 now + watchdog_period(&m->watchdog),
                                 watchdog_period(&m->watchdog) / 4, manager_on_watchdog, m);
}
