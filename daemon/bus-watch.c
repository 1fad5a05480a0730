/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-watch.h"

#include <errno.h>

#define DBUS_NAME "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"

struct BusWatch {
        char name[64];
        bus_watch_callback_t callback;
        void *userdata;
        sd_bus_slot *match;
        sd_bus_slot *check;
};

static int watch_on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        BusWatch *w = userdata;

        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) >= 0 &&
            !new_owner[0] && streq(name, w->name))
                w->callback(w->userdata);
        return 0;
}

static int watch_on_checked(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusWatch *w = userdata;
        int there;

        w->check = sd_bus_slot_unref(w->check);
        if (sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_read(reply, "b", &there) < 0 || !there)
                w->callback(w->userdata);
        return 0;
}

int bus_watch_new(sd_bus *bus, const char *name, bus_watch_callback_t callback, void *userdata,
                  BusWatch **ret) {
        _cleanup_(bus_watch_freep)
        BusWatch *w = NULL;
        char match[256];
        int r;

        if (strlen(name) >= sizeof(w->name))
                return -ENAMETOOLONG;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->callback = callback;
        w->userdata = userdata;
        snprintf(w->name, sizeof(w->name), "%s", name);
        snprintf(match, sizeof(match),
                 "type='signal',sender='" DBUS_NAME "',path='" DBUS_PATH "',interface='" DBUS_NAME
                 "',member='NameOwnerChanged',arg0='%s'",
                 name);
        r = sd_bus_add_match_async(bus, &w->match, match, watch_on_owner_changed,
                                   /* install_callback= */ NULL, w);
        if (r < 0)
                return r;
        /* It may have left before the match was there. The bus answers in order, so whoever is
         * there now will be heard leaving. */
        r = sd_bus_call_method_async(bus, &w->check, DBUS_NAME, DBUS_PATH, DBUS_NAME,
                                     "NameHasOwner", watch_on_checked, w, "s", name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

BusWatch *bus_watch_free(BusWatch *w) {
        if (!w)
                return NULL;
        sd_bus_slot_unref(w->match);
        sd_bus_slot_unref(w->check);
        free(w);
        return NULL;
}

const char *bus_watch_name(const BusWatch *w) {
        return w->name;
}
