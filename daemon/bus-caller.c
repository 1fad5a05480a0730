/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-caller.h"

#include <errno.h>

#include "util/io.h"

#define DBUS_NAME "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"

/* The bus never gives a unique name to a second client, so what was learnt stays true, and whoever
 * was dropped here is asked for again. */
#define CALLERS_MAX 64

struct CallerCache {
        sd_bus *bus;
        int root_fd;
        uint64_t clock;
        size_t n;
        Caller callers[CALLERS_MAX];
        uint64_t used[CALLERS_MAX]; /* clock of the last use */
};

struct CallerQuery {
        CallerCache *cache;
        caller_callback_t callback;
        void *userdata;
        sd_bus_slot *slot;
        char name[64];
};

int caller_cache_new(sd_bus *bus, int root_fd, CallerCache **ret) {
        CallerCache *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->bus = bus;
        c->root_fd = root_fd;
        *ret = c;
        return 0;
}

CallerCache *caller_cache_free(CallerCache *c) {
        free(c);
        return NULL;
}

Caller *caller_find(CallerCache *c, const char *name) {
        for (size_t i = 0; i < c->n; i++)
                if (streq(c->callers[i].name, name)) {
                        c->used[i] = ++c->clock;
                        return c->callers + i;
                }
        return NULL;
}

/* In the place of the one that was used longest ago. */
static const Caller *cache_put(CallerCache *c, const Caller *caller) {
        size_t place = 0;

        if (c->n < CALLERS_MAX)
                place = c->n++;
        else
                for (size_t i = 1; i < CALLERS_MAX; i++)
                        if (c->used[i] < c->used[place])
                                place = i;
        c->callers[place] = *caller;
        c->used[place] = ++c->clock;
        return c->callers + place;
}

/* Best effort: the client may have ended, and names of processes hold any bytes. */
static void read_comm(int root_fd, pid_t pid, char *ret, size_t size) {
        char path[64], text[64];

        if (pid <= 0)
                return;
        snprintf(path, sizeof(path), "proc/%d/comm", pid);
        if (io_read_at(root_fd, path, text, sizeof(text)) < 0)
                return;
        text[strcspn(text, "\n")] = '\0';
        for (char *p = text; *p; p++)
                if (*p < ' ' || *p > '~')
                        *p = '?';
        snprintf(ret, size, "%.*s", (int)size - 1, text);
}

static int read_credentials(sd_bus_message *reply, uid_t *ret_uid, pid_t *ret_pid) {
        bool has_uid = false;
        const char *key;
        uint32_t number;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r >= 0 && (streq(key, "UnixUserID") || streq(key, "ProcessID"))) {
                        r = sd_bus_message_read(reply, "v", "u", &number);
                        if (r >= 0 && key[0] == 'U') {
                                *ret_uid = number;
                                has_uid = true;
                        } else if (r >= 0 && number <= INT32_MAX)
                                *ret_pid = (pid_t)number;
                } else if (r >= 0)
                        r = sd_bus_message_skip(reply, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r < 0 ? r : has_uid ? 0 : -ENODATA;
}

static int query_on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        CallerQuery *q = userdata;
        Caller caller = {};

        q->slot = sd_bus_slot_unref(q->slot);
        if (sd_bus_message_is_method_error(reply, NULL) ||
            read_credentials(reply, &caller.uid, &caller.pid) < 0) {
                q->callback(NULL, q->userdata);
                return 0;
        }
        memcpy(caller.name, q->name, sizeof(caller.name));
        read_comm(q->cache->root_fd, caller.pid, caller.comm, sizeof(caller.comm));
        q->callback(caller_find(q->cache, q->name) ?: cache_put(q->cache, &caller), q->userdata);
        return 0;
}

int caller_ask(CallerCache *c, const char *name, caller_callback_t callback, void *userdata,
               CallerQuery **ret) {
        CallerQuery *q;
        int r;

        if (strlen(name) >= sizeof(q->name))
                return -ENAMETOOLONG;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->cache = c;
        q->callback = callback;
        q->userdata = userdata;
        snprintf(q->name, sizeof(q->name), "%s", name);
        r = sd_bus_call_method_async(c->bus, &q->slot, DBUS_NAME, DBUS_PATH, DBUS_NAME,
                                     "GetConnectionCredentials", query_on_reply, q, "s", name);
        if (r < 0) {
                free(q);
                return r;
        }
        *ret = q;
        return 0;
}

CallerQuery *caller_query_free(CallerQuery *q) {
        if (!q)
                return NULL;
        sd_bus_slot_unref(q->slot);
        free(q);
        return NULL;
}
