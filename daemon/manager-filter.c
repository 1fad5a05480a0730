/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/manager-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>

#include "daemon/bus.h"
#include "daemon/model-store.h"
#include "util/io.h"

/* Ends of leases, kill switches and interfaces that come and go are seen this soon. The kernel
 * itself acts on the first two at once. */
#define CHECK_INTERVAL USEC_PER_SEC
#define CHECK_ACCURACY (250 * USEC_PER_MSEC)
/* Whether somebody else's program is still there shows only after ours was loaded, which costs. */
#define RETRY_BUSY (30 * USEC_PER_SEC)

uint64_t filter_now(void) {
        return usec_now(CLOCK_BOOTTIME) * NSEC_PER_USEC;
}

/* The environment's is for running from the build folder. */
static const char *shipped_dir(void) {
        const char *dir = getenv("AIKM_FILTER_MODEL_DIR");

        return dir && dir[0] ? dir : AIKM_LIB_DIR "/filters";
}

FilterFolders manager_filter_folders(const Manager *m) {
        return (FilterFolders){.shipped = shipped_dir(), .state = m->options->state_dir};
}

static bool policy_allows(const Manager *m) {
        return m->policy.mode == MODE_ENFORCE;
}

static JournalFields fields_of(const FilterEntry *entry) {
        return (JournalFields){.interface = entry->interface, .model = entry->model.name};
}

/* --- the ledger ------------------------------------------------------------------------------ */

static int note_begin(Manager *m, const char *interface, const char *pin_dir, const char *why,
                      uint64_t *ret_id, Error *e) {
        char path[sizeof(((FilterEntry *)0)->pin_dir)], reason[LEDGER_VALUE_MAX];
        char old[] = FILTER_VALUE_NONE, new[] = FILTER_VALUE_ATTACHED;
        LedgerEntry entry = {.path = path, .old_value = old, .new_value = new, .why = reason};
        int r;

        (void)snprintf(path, sizeof(path), "%s", pin_dir + 1);
        (void)snprintf(reason, sizeof(reason), "%s", why);
        (void)snprintf(entry.comm, sizeof(entry.comm), "%s", interface);
        (void)snprintf(entry.actuator, sizeof(entry.actuator), "%s", actuator_filter.name);
        r = ledger_begin(m->ledger, &entry, 1);
        if (r < 0)
                return error_set(e, r, "the ledger cannot be written, so nothing is attached: %s",
                                 strerror(-r));
        *ret_id = entry.id;
        return 0;
}

static const LedgerEntry *find_record(const Manager *m, const char *pin_dir) {
        for (size_t i = 0; i < ledger_count(m->ledger, /* all= */ false); i++) {
                const LedgerEntry *entry = ledger_get(m->ledger, i, /* all= */ false);

                if (streq(entry->actuator, actuator_filter.name) && entry->path &&
                    streq(entry->path, pin_dir + 1))
                        return entry;
        }
        return NULL;
}

/* A record of the end that cannot be written only means that a later start looks again. */
static void note_end(Manager *m, const FilterEntry *entry, LedgerState state) {
        (void)ledger_end(m->ledger, entry->ledger_id, state);
        bus_emit_ledger_changes(m->bus);
}

/* --- one filter ------------------------------------------------------------------------------ */

static int no_filter(const char *interface, Error *e) {
        return error_set(e, -ENXIO, "no filter is attached to %.15s", interface);
}

static void take_samples(Manager *m, FilterEntry *entry) {
        Error e = ERROR_INIT;

        if (filter_entry_listen(entry, m->event, &e) < 0)
                journal_log(LOG_WARNING, "%s, going on without samples", e.text);
}

static int attach(Manager *m, const char *interface, const FilterFile *model, bool generic,
                  const char *why, FilterEntry **ret, Error *e) {
        unsigned index = if_nametoindex(interface);
        char pin_dir[sizeof((*ret)->pin_dir)];
        FilterEntry *entry;
        JournalFields f;
        uint64_t id = 0;
        int r;

        if (index == 0)
                return error_set(e, -ENODEV, "there is no network interface %.15s", interface);
        r = io_mkdir_p(m->filters.pin_root, 0700);
        if (r < 0)
                return error_set(
                        e, r, "cannot make %s, where filters are pinned: %s; it must be on a bpffs",
                        m->filters.pin_root, strerror(-r));
        filters_pin_dir(&m->filters, index, pin_dir, sizeof(pin_dir));
        r = note_begin(m, interface, pin_dir, why, &id, e);
        if (r < 0)
                return r;
        r = filters_attach(&m->filters, interface, index, model, generic, &entry, e);
        if (r < 0) {
                (void)ledger_end(m->ledger, id, LEDGER_UNDONE);
                return r;
        }
        entry->ledger_id = id;
        take_samples(m, entry);
        f = fields_of(entry);
        journal_note(LOG_NOTICE, MESSAGE_FILTER_ATTACHED, &f,
                     "Filter %s attached to %s, in shadow: %s", entry->model.name, interface, why);
        bus_emit_ledger_changes(m->bus);
        bus_emit_filter_changed(m->bus, interface, "attached");
        *ret = entry;
        return 0;
}

/* Forgets it, whoever has detached it. */
static void forget(Manager *m, FilterEntry *entry, const char *why) {
        char interface[FILTER_INTERFACE_MAX];
        JournalFields f = fields_of(entry);

        memcpy(interface, entry->interface, sizeof(interface));
        journal_note(LOG_NOTICE, MESSAGE_FILTER_DETACHED, &f, "Filter %s detached from %s: %s",
                     entry->model.name, interface, why);
        filters_drop(&m->filters, entry);
        bus_emit_filter_changed(m->bus, interface, "detached");
}

static int detach(Manager *m, FilterEntry *entry, const char *why, Error *e) {
        int r = filter_detach(entry->filter, e);

        if (r < 0)
                return r;
        note_end(m, entry, LEDGER_RESTORED);
        forget(m, entry, why);
        return 0;
}

static void tell_model(Manager *m, const FilterEntry *entry, const char *why) {
        JournalFields f = fields_of(entry);

        journal_note(LOG_NOTICE, MESSAGE_FILTER_ATTACHED, &f,
                     "The filter on %s has model %s now: %s", entry->interface, entry->model.name,
                     why);
        bus_emit_filter_changed(m->bus, entry->interface, "model");
}

static void tell_mode(Manager *m, FilterEntry *entry, const FilterStatus *s, uint64_t now) {
        JournalFields f = fields_of(entry);

        if (s->enforcing == entry->enforcing)
                return;
        entry->enforcing = s->enforcing;
        if (!s->enforcing)
                journal_note(LOG_NOTICE, MESSAGE_FILTER_SHADOW, &f,
                             "The filter on %s drops nothing any more", entry->interface);
        else if (entry->lease_ns > now)
                journal_note(LOG_NOTICE, MESSAGE_FILTER_ENFORCING, &f,
                             "The filter on %s drops malicious packets, for %" PRIu64 " s",
                             entry->interface,
                             (entry->lease_ns - now + NSEC_PER_SEC / 2) / NSEC_PER_SEC);
        else
                journal_note(LOG_NOTICE, MESSAGE_FILTER_ENFORCING, &f,
                             "The filter on %s drops malicious packets, as policy says",
                             entry->interface);
        bus_emit_filter_changed(m->bus, entry->interface, s->enforcing ? "enforce" : "shadow");
}

/* What nearly cut a machine off takes more than the passing of time to be tried again. */
static void note_trip(Manager *m, FilterEntry *entry, const FilterStatus *s) {
        JournalFields f = fields_of(entry);

        entry->trips = s->trips;
        entry->suspended = true;
        filter_entry_end_lease(entry);
        /* It tripped while the time was being set anew. */
        if (s->tripped_ns == 0)
                filter_set_enforce(entry->filter, 0);
        journal_note(LOG_WARNING, MESSAGE_FILTER_TRIPPED, &f,
                     "The filter on %s would have dropped more than %u of 1000 packets and drops "
                     "nothing now",
                     entry->interface, s->kill_permille);
        bus_emit_filter_tripped(m->bus, entry->interface, s->trips);
}

/* Whether it was another time. */
static bool renew(Manager *m, FilterEntry *entry, const FilterStatus *s, uint64_t now) {
        uint64_t until = filter_entry_until(entry, policy_allows(m), now);
        uint64_t has = s->enforce_until_ns > now ? s->enforce_until_ns : 0;

        bool set = (until == 0) != (has == 0) || until < has ||
                   until > has + FILTER_POLICY_LEASE_NS / 2;

        /* Setting the time clears a kill switch that has tripped: not unless it is to enforce. */
        if (s->tripped_ns > 0 ? until == 0 : !set)
                return false;
        filter_entry_enforce(entry, policy_allows(m), now);
        return true;
}

/* udev names interfaces after they have appeared. False: it is in our namespace no more. */
static bool follow_name(FilterEntry *entry) {
        char name[IF_NAMESIZE];

        if (!if_indextoname(entry->index, name))
                return errno != ENXIO;
        if (filter_interface_is_valid(name))
                memcpy(entry->interface, name, sizeof(entry->interface));
        return true;
}

/* False: it is gone. */
static bool check(Manager *m, FilterEntry *entry) {
        uint64_t now = filter_now();
        FilterStatus s;

        /* Not to know is no reason to act. */
        if (filter_get_status(entry->filter, now, &s, /* e= */ NULL) < 0)
                return true;
        if (!s.attached) {
                (void)filter_clear(entry->pin_dir, /* e= */ NULL);
                note_end(m, entry, LEDGER_GONE);
                forget(m, entry, "the interface is gone, or somebody else detached it");
                return false;
        }
        if (!follow_name(entry))
                return detach(m, entry, "the interface went to another network namespace",
                              /* e= */ NULL) < 0;
        if (s.trips != entry->trips)
                note_trip(m, entry, &s);
        if (entry->lease_ns <= now)
                filter_entry_end_lease(entry);
        if (!renew(m, entry, &s, now) ||
            filter_get_status(entry->filter, now, &s, /* e= */ NULL) >= 0)
                tell_mode(m, entry, &s, now);
        return true;
}

/* --- what policy wants ----------------------------------------------------------------------- */

static int configure(Manager *m, FilterEntry *entry, const FilterSetting *s, Error *e) {
        FilterFolders in = manager_filter_folders(m);
        _cleanup_(filter_file_done)
        FilterFile model = FILTER_FILE_INIT;
        int r;

        entry->by_policy = true;
        entry->policy_enforces = s->mode == FILTER_MODE_ENFORCE;
        r = filter_file_read(&in, s->model, &model, e);
        if (r >= 0 && model.identity != entry->model.identity) {
                r = filter_entry_swap(entry, &model, e);
                if (r >= 0)
                        tell_model(m, entry, "policy wants it");
        }
        if (r >= 0)
                r = filter_entry_configure(entry, s, e);
        return r;
}

static int attach_wanted(Manager *m, const FilterSetting *s, Error *e) {
        FilterFolders in = manager_filter_folders(m);
        _cleanup_(filter_file_done)
        FilterFile model = FILTER_FILE_INIT;
        FilterEntry *entry;
        int r;

        r = filter_file_read(&in, s->model, &model, e);
        if (r >= 0)
                r = attach(m, s->interface, &model, s->generic, "policy wants it", &entry, e);
        return r < 0 ? r : configure(m, entry, s, e);
}

/* What fails is told once, and again when it fails in another way. */
static void note_failure(Manager *m, FilterWant *want, const FilterSetting *s, int r,
                         const Error *e) {
        if (r < 0 && r != want->error)
                journal_note(r == -ENODEV ? LOG_INFO : LOG_WARNING, MESSAGE_FILTER_FAILED,
                             &(JournalFields){.interface = s->interface, .model = s->model},
                             "The filter on %s is not as policy wants it: %s", s->interface,
                             e->text[0] ? e->text : strerror(-r));
        want->error = r < 0 ? r : 0;
        want->retry = r == -EBUSY ? usec_now(CLOCK_BOOTTIME) + RETRY_BUSY : 0;
}

/* What was wrong with a model is not put right by trying again. */
static bool is_worth_a_try(const FilterWant *want, const char *interface) {
        switch (want->error) {
        case 0:
                return true;
        case -ENODEV:
                return if_nametoindex(interface) > 0;
        case -EBUSY:
                return usec_now(CLOCK_BOOTTIME) >= want->retry;
        default:
                return false;
        }
}

static void want_filters(Manager *m, bool reload) {
        for (size_t i = 0; i < m->n_filter_wants; i++) {
                const FilterSetting *s = &m->policy.filters[i];
                FilterWant *want = &m->filter_wants[i];
                FilterEntry *entry = filters_find(&m->filters, s->interface);
                Error e = ERROR_INIT;

                if (s->mode == FILTER_MODE_OFF || want->declined || (entry && !reload))
                        continue;
                if (!entry && !is_worth_a_try(want, s->interface))
                        continue;
                note_failure(m, want, s,
                             entry ? configure(m, entry, s, &e) : attach_wanted(m, s, &e), &e);
        }
}

static void decline(Manager *m, const char *interface) {
        for (size_t i = 0; i < m->n_filter_wants; i++)
                if (streq(m->policy.filters[i].interface, interface))
                        m->filter_wants[i].declined = true;
}

static int on_filter_timer(sd_event_source *source, uint64_t at, void *userdata);

/* Nothing to look after: no wake-up. */
static void arm_timer(Manager *m) {
        bool needed = m->filters.n > 0;
        int r;

        for (size_t i = 0; i < m->n_filter_wants; i++)
                needed |= m->policy.filters[i].mode != FILTER_MODE_OFF &&
                          !m->filter_wants[i].declined;
        m->filter_timer = sd_event_source_disable_unref(m->filter_timer);
        if (!needed)
                return;
        r = sd_event_add_time_relative(m->event, &m->filter_timer, CLOCK_MONOTONIC, CHECK_INTERVAL,
                                       CHECK_ACCURACY, on_filter_timer, m);
        if (r < 0)
                journal_log(LOG_ERR, "cannot set the filters' timer: %s", strerror(-r));
}

void manager_check_filters(Manager *m) {
        for (size_t i = m->filters.n; i > 0; i--)
                (void)check(m, m->filters.entries[i - 1]);
}

/* Those that policy brought and wants no more. */
static void detach_unwanted(Manager *m) {
        for (size_t i = m->filters.n; i > 0; i--) {
                FilterEntry *entry = m->filters.entries[i - 1];
                const FilterSetting *s = filter_setting_find(m->policy.filters, m->policy.n_filters,
                                                             entry->interface);
                Error e = ERROR_INIT;

                if (!entry->by_policy || (s && s->mode != FILTER_MODE_OFF))
                        continue;
                if (detach(m, entry, "policy wants it no more", &e) < 0)
                        journal_log(LOG_ERR, "%s", e.text);
        }
}

static int on_filter_timer(sd_event_source *source, uint64_t at, void *userdata) {
        Manager *m = userdata;

        manager_check_filters(m);
        detach_unwanted(m);
        want_filters(m, /* reload= */ false);
        arm_timer(m);
        return 0;
}

/* Anew: nothing that was asked for since counts. */
static void apply_policy(Manager *m) {
        free(m->filter_wants);
        m->n_filter_wants = 0;
        m->filter_wants = calloc(m->policy.n_filters + 1, sizeof(*m->filter_wants));
        if (!m->filter_wants) {
                journal_log(LOG_ERR, "cannot look after filters: out of memory");
                return;
        }
        m->n_filter_wants = m->policy.n_filters;
        detach_unwanted(m);
        want_filters(m, /* reload= */ true);
}

void manager_apply_filters(Manager *m, bool reload) {
        /* What tripped before is no reason not to do as the files say now. */
        if (reload) {
                manager_check_filters(m);
                for (size_t i = 0; i < m->filters.n; i++)
                        m->filters.entries[i]->suspended = false;
                apply_policy(m);
        }
        manager_check_filters(m);
        arm_timer(m);
}

/* --- start and stop -------------------------------------------------------------------------- */

/* What is left of policy's own is no lease of anybody's: policy gives it anew, or does not. */
static void drop_policys_lease(Manager *m, FilterEntry *entry) {
        const FilterSetting *s = filter_setting_find(m->policy.filters, m->policy.n_filters,
                                                     entry->interface);

        if (s && s->mode == FILTER_MODE_ENFORCE &&
            entry->lease_ns <= filter_now() + FILTER_POLICY_LEASE_NS)
                entry->lease_ns = 0;
}

/* One that an earlier run left. 0 or -errno. */
static int adopt(Manager *m, const char *pin_dir, Error *e) {
        FilterFolders in = manager_filter_folders(m);
        const LedgerEntry *record;
        FilterEntry *entry;
        JournalFields f;
        int r;

        r = filters_adopt(&m->filters, pin_dir, &in, &entry, e);
        if (r < 0)
                return r;
        record = find_record(m, pin_dir);
        if (record)
                entry->ledger_id = record->id;
        else
                r = note_begin(m, entry->interface, pin_dir, "an earlier run left it",
                               &entry->ledger_id, e);
        if (r < 0) {
                filters_drop(&m->filters, entry);
                return r;
        }
        take_samples(m, entry);
        drop_policys_lease(m, entry);
        f = fields_of(entry);
        journal_note(LOG_NOTICE, MESSAGE_FILTER_ATTACHED, &f,
                     "The filter that an earlier run left on %s is taken over", entry->interface);
        return 0;
}

typedef struct Meeting {
        Manager *manager;
        bool keep;
} Meeting;

/* The interface of one that is not taken over may be out of sight: the ledger has the name that it
 * had. */
static void meet_pin(const char *pin_dir, void *userdata) {
        const Meeting *meeting = userdata;
        const LedgerEntry *record = find_record(meeting->manager, pin_dir);
        const char *interface = record && record->comm[0] ? record->comm
                                                          : strrchr(pin_dir, '/') + 1;
        Error e = ERROR_INIT, failure = ERROR_INIT;

        if (meeting->keep && adopt(meeting->manager, pin_dir, &e) >= 0)
                return;
        if (filter_clear(pin_dir, &failure) < 0) {
                journal_log(LOG_ERR, "the filter that an earlier run left on %s: %s", interface,
                            failure.text);
                return;
        }
        journal_note(LOG_NOTICE, MESSAGE_FILTER_DETACHED, &(JournalFields){.interface = interface},
                     "The filter that an earlier run left on %s is detached: %s", interface,
                     e.text[0]       ? e.text
                     : meeting->keep ? "it cannot be taken over"
                                     : "policy keeps none");
}

void manager_start_filters(Manager *m) {
        filters_init(&m->filters, m->options->filter_dir);
        filters_each_pin(m->filters.pin_root, meet_pin,
                         &(Meeting){.manager = m, .keep = m->policy.keep_filters});
        /* Entries without a filter, or whose filter was just detached. */
        for (size_t i = ledger_count(m->ledger, /* all= */ false); i > 0; i--) {
                const LedgerEntry *entry = ledger_get(m->ledger, i - 1, /* all= */ false);
                bool adopted = false;

                if (!streq(entry->actuator, actuator_filter.name))
                        continue;
                for (size_t k = 0; k < m->filters.n; k++)
                        adopted |= m->filters.entries[k]->ledger_id == entry->id;
                if (!adopted)
                        (void)executor_restore(m->executor, RESTORE_ACTION, entry->action,
                                               /* ret= */ NULL);
        }
        apply_policy(m);
        manager_apply_filters(m, /* reload= */ false);
}

void manager_stop_filters(Manager *m) {
        m->filter_timer = sd_event_source_disable_unref(m->filter_timer);
        if (m->filters.n > 0 && m->policy.keep_filters)
                journal_log(LOG_NOTICE,
                            "policy keeps %zu filters attached; aikmd --restore "
                            "detaches them",
                            m->filters.n);
        for (size_t i = m->filters.n; i > 0 && !m->policy.keep_filters; i--) {
                Error e = ERROR_INIT;

                if (detach(m, m->filters.entries[i - 1], "aikmd stops", &e) < 0)
                        journal_log(LOG_ERR, "%s", e.text);
        }
}

void manager_forget_filters(Manager *m) {
        for (size_t i = m->filters.n; i > 0; i--) {
                FilterEntry *entry = m->filters.entries[i - 1];

                if (find_record(m, entry->pin_dir))
                        continue;
                decline(m, entry->interface);
                forget(m, entry, "rolled back");
        }
}

void manager_end_filter_leases(Manager *m) {
        for (size_t i = 0; i < m->filters.n; i++)
                filter_entry_end_lease(m->filters.entries[i]);
}

/* --- requests -------------------------------------------------------------------------------- */

int manager_attach_filter(Manager *m, const char *interface, const FilterFile *model,
                          const char *who, Error *e) {
        FilterEntry *entry = filters_find(&m->filters, interface);
        const FilterSetting standard = filter_setting_default();
        int r;

        if (!entry) {
                r = attach(m, interface, model, /* generic= */ false, who, &entry, e);
                if (r >= 0)
                        r = filter_entry_configure(entry, &standard, e);
                arm_timer(m);
                return r;
        }
        if (entry->model.identity == model->identity)
                return error_set(e, -EEXIST, "%.15s has a filter of that model", interface);
        r = filter_entry_swap(entry, model, e);
        if (r < 0)
                return r;
        tell_model(m, entry, who);
        return 0;
}

int manager_detach_filter(Manager *m, const char *interface, Error *e) {
        FilterEntry *entry = filters_find(&m->filters, interface);
        int r;

        if (!entry)
                return no_filter(interface, e);
        r = detach(m, entry, "on request", e);
        if (r >= 0)
                decline(m, interface);
        arm_timer(m);
        return r;
}

int manager_set_filter_mode(Manager *m, const char *interface, FilterMode mode, usec_t duration,
                            Error *e) {
        FilterEntry *entry = filters_find(&m->filters, interface);
        uint64_t now = filter_now();

        if (!entry)
                return no_filter(interface, e);
        if (mode == FILTER_MODE_ENFORCE && (duration == 0 || duration > FILTER_LEASE_MAX))
                return error_set(e, -EINVAL,
                                 "a filter enforces for a time: more than none, at most 24 hours");
        if (mode == FILTER_MODE_OFF || (mode == FILTER_MODE_SHADOW && duration > 0))
                return error_set(e, -EINVAL,
                                 "shadow, without a time, and enforce, for a time, are accepted");
        /* What tripped before this is not to end it. */
        if (!check(m, entry))
                return no_filter(interface, e);
        if (mode == FILTER_MODE_ENFORCE)
                entry->lease_ns = now + duration * NSEC_PER_USEC;
        else
                filter_entry_end_lease(entry);
        entry->suspended = mode == FILTER_MODE_SHADOW;
        filter_entry_enforce(entry, policy_allows(m), now);
        if (!check(m, entry))
                return no_filter(interface, e);
        return 0;
}

int manager_set_filter_kill_switch(Manager *m, const char *interface, double share,
                                   uint64_t packets_min, Error *e) {
        FilterEntry *entry = filters_find(&m->filters, interface);

        if (!entry)
                return no_filter(interface, e);
        if (!(share >= 0.001 && share <= 1) || packets_min == 0)
                return error_set(e, -EINVAL,
                                 "a share from 0.001 to 1, of at least one packet, is accepted");
        /* What is said now is not for a lease that is over. */
        if (!check(m, entry))
                return no_filter(interface, e);
        return filter_set_kill_switch(entry->filter, (uint32_t)(share * 1000 + 0.5), packets_min);
}
