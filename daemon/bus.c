/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus.h"

#include <errno.h>

#include "daemon/bus-authority.h"
#include "daemon/bus-ledger.h"
#include "daemon/bus-watch.h"

#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define CALL_TIMEOUT (10 * USEC_PER_SEC)
#define RETRY_MIN USEC_PER_SEC
#define RETRY_MAX (60 * USEC_PER_SEC)

struct Bus {
        Manager *manager;
        sd_bus *bus;
        sd_bus_slot *name_slot; /* a request for the name under way */
        sd_event_source *retry;
        usec_t retry_delay;
        Authority *authority;
        BusWatch *owner; /* the trial's caller; NULL: none */
        LedgerWatch ledger;
};

static int bus_connect(Bus *b);

static void bus_disconnect(Bus *b) {
        b->name_slot = sd_bus_slot_unref(b->name_slot);
        bus_trial_clear_owner(b);
        b->authority = authority_free(b->authority);
        b->bus = sd_bus_close_unref(b->bus);
}

static int bus_on_retry(sd_event_source *source, uint64_t at, void *userdata);

static void bus_retry_later(Bus *b) {
        int r;

        b->retry = sd_event_source_disable_unref(b->retry);
        r = sd_event_add_time_relative(b->manager->event, &b->retry, CLOCK_MONOTONIC,
                                       b->retry_delay, 0, bus_on_retry, b);
        if (r < 0)
                journal_log(LOG_ERR, "cannot plan to connect to the bus again: %s", strerror(-r));
        b->retry_delay = MIN(b->retry_delay * 2, RETRY_MAX);
}

static int bus_on_name(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);

        b->name_slot = sd_bus_slot_unref(b->name_slot);
        if (e) {
                journal_log(LOG_WARNING, "cannot take the name " BUS_NAME " again: %s", e->message);
                bus_retry_later(b);
                return 0;
        }
        b->retry_delay = RETRY_MIN;
        journal_log(LOG_INFO, "connected to the bus again");
        return 0;
}

/* The connection is made anew, and nothing in the tick waits for it. */
static int bus_on_retry(sd_event_source *source, uint64_t at, void *userdata) {
        Bus *b = userdata;
        int r;

        bus_disconnect(b);
        r = bus_connect(b);
        if (r >= 0)
                r = sd_bus_request_name_async(b->bus, &b->name_slot, BUS_NAME, /* flags= */ 0,
                                              bus_on_name, b);
        if (r < 0)
                bus_retry_later(b);
        return 0;
}

static int bus_on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;

        journal_log(LOG_WARNING, "the connection to the bus is lost, trying again");
        /* A caller that cannot be seen any more has left. */
        if (b->owner) {
                bus_trial_clear_owner(b);
                manager_set_trial(b->manager, 0, MODE_OBSERVE, /* uid= */ 0);
        }
        bus_retry_later(b);
        return 0;
}

static int bus_add_objects(Bus *b) {
        const struct {
                const char *interface;
                const sd_bus_vtable *vtable;
                const char *path; /* NULL: BUS_PATH */
        } interfaces[] = {
                {BUS_NAME ".Manager", bus_manager_vtable},
                {BUS_NAME ".Processes", bus_processes_vtable},
                {BUS_NAME ".Policy", bus_policy_vtable},
                {BUS_NAME ".Ledger", bus_ledger_vtable},
                {BUS_NAME ".Models", bus_models_vtable},
                {BUS_NAME ".Priors", bus_priors_vtable},
                {BUS_NAME ".Filter", bus_filter_vtable, BUS_FILTER_PATH},
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(interfaces); i++) {
                r = sd_bus_add_object_vtable(
                        b->bus, /* slot= */ NULL, interfaces[i].path ?: BUS_PATH,
                        interfaces[i].interface, interfaces[i].vtable, b->manager);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int bus_connect(Bus *b) {
        const char *address = b->manager->options->bus_address ?: SYSTEM_BUS_ADDRESS;
        int r;

        r = sd_bus_new(&b->bus);
        if (r >= 0)
                r = sd_bus_set_address(b->bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(b->bus, true);
        /* Models.Install takes some. Whoever sends some unasked has them closed with its request,
         * and how many requests wait is bounded. */
        if (r >= 0)
                r = sd_bus_negotiate_fds(b->bus, true);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(b->bus, CALL_TIMEOUT);
        if (r >= 0)
                r = authority_new(b->manager, b->bus, &b->authority);
        if (r >= 0)
                r = bus_add_objects(b);
        if (r >= 0)
                r = sd_bus_match_signal(b->bus, /* ret_slot= */ NULL, "org.freedesktop.DBus.Local",
                                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Disconnected", bus_on_disconnected, b);
        if (r >= 0)
                r = sd_bus_start(b->bus);
        if (r >= 0)
                r = sd_bus_attach_event(b->bus, b->manager->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                bus_disconnect(b);
        return r;
}

int bus_new(Manager *m, Bus **ret, Error *e) {
        const char *address = m->options->bus_address ?: SYSTEM_BUS_ADDRESS;
        _cleanup_(bus_freep)
        Bus *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return error_set(e, -ENOMEM, "out of memory");
        b->manager = m;
        b->retry_delay = RETRY_MIN;
        r = bus_connect(b);
        if (r < 0)
                return error_set(e, r, "cannot connect to the bus at %s: %s", address,
                                 strerror(-r));
        /* Before the first tick there is nothing that waiting could hold up. */
        r = sd_bus_request_name(b->bus, BUS_NAME, /* flags= */ 0);
        if (r == -EEXIST)
                return error_set(e, r, "the name " BUS_NAME " is taken: another aikmd is running");
        if (r < 0)
                return error_set(e, r, "cannot take the name " BUS_NAME " on the bus at %s: %s",
                                 address, strerror(-r));
        *ret = TAKE_PTR(b);
        return 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        sd_event_source_disable_unref(b->retry);
        sd_bus_slot_unref(b->name_slot);
        bus_trial_clear_owner(b);
        authority_free(b->authority);
        ledger_watch_done(&b->ledger);
        sd_bus_flush_close_unref(b->bus);
        free(b);
        return NULL;
}

Bus *bus_of(const Manager *m) {
        return m->bus;
}

static bool bus_is_ready(const Bus *b) {
        return b && b->bus && sd_bus_is_ready(b->bus) > 0;
}

void bus_emit_ticked(Bus *b) {
        PipelineStatus status;

        if (!bus_is_ready(b))
                return;
        pipeline_get_status(b->manager->pipeline, &status);
        (void)sd_bus_emit_signal(b->bus, BUS_PATH, BUS_NAME ".Manager", "Ticked", "tuu",
                                 (uint64_t)status.at, (uint32_t)status.n_procs,
                                 (uint32_t)status.n_treated);
}

void bus_emit_mode(Bus *b) {
        if (bus_is_ready(b))
                (void)sd_bus_emit_properties_changed(b->bus, BUS_PATH, BUS_NAME ".Manager", "Mode",
                                                     NULL);
}

static void emit_changed(uint64_t action, LedgerState state, void *userdata) {
        Bus *b = userdata;

        (void)sd_bus_emit_signal(b->bus, BUS_PATH, BUS_NAME ".Ledger", "Changed", "ts", action,
                                 ledger_state_to_string(state));
}

void bus_emit_ledger_changes(Bus *b) {
        if (bus_is_ready(b))
                (void)ledger_watch_update(&b->ledger, b->manager->ledger, emit_changed, b);
}

void bus_emit_filter_changed(Bus *b, const char *interface, const char *what) {
        if (bus_is_ready(b))
                (void)sd_bus_emit_signal(b->bus, BUS_FILTER_PATH, BUS_NAME ".Filter", "Changed",
                                         "ss", interface, what);
}

void bus_emit_filter_tripped(Bus *b, const char *interface, uint64_t trips) {
        if (bus_is_ready(b))
                (void)sd_bus_emit_signal(b->bus, BUS_FILTER_PATH, BUS_NAME ".Filter", "Tripped",
                                         "st", interface, trips);
}

int bus_on_method(sd_bus_message *request, void *userdata, sd_bus_error *error) {
        const BusMethod *method = bus_method_find(sd_bus_message_get_interface(request),
                                                  sd_bus_message_get_member(request));
        Manager *m = userdata;

        if (!method || !m->bus)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        "this method is open to nobody");
        return authority_request(m->bus->authority, method, request, error);
}

bool bus_trial_is_owner(const Bus *b, sd_bus_message *request) {
        return !b->owner || streq(bus_watch_name(b->owner), sd_bus_message_get_sender(request));
}

void bus_trial_clear_owner(Bus *b) {
        if (b)
                b->owner = bus_watch_free(b->owner);
}

static void bus_on_owner_left(void *userdata) {
        Bus *b = userdata;

        journal_log(LOG_INFO, "the trial's caller %s has left the bus", bus_watch_name(b->owner));
        bus_trial_clear_owner(b);
        manager_set_trial(b->manager, 0, MODE_OBSERVE, /* uid= */ 0);
}

int bus_trial_set_owner(Bus *b, sd_bus_message *request) {
        const char *sender = sd_bus_message_get_sender(request);

        if (b->owner && streq(bus_watch_name(b->owner), sender))
                return 0;
        bus_trial_clear_owner(b);
        return bus_watch_new(b->bus, sender, bus_on_owner_left, b, &b->owner);
}
