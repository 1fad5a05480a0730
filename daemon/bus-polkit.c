/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-polkit.h"

#include <errno.h>
#include <inttypes.h>

#include "util/time.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_USER_INTERACTION 1u

/* Somebody has to find and type a password. */
#define TIMEOUT_INTERACTIVE (300 * USEC_PER_SEC)
#define TIMEOUT (10 * USEC_PER_SEC)

struct PolkitCheck {
        sd_bus *bus;
        polkit_callback_t callback;
        void *userdata;
        sd_bus_slot *slot; /* NULL: answered */
        char id[32];
};

static void check_withdraw(PolkitCheck *c) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CancelCheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", c->id);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                (void)sd_bus_send(c->bus, m, NULL);
}

/* Nobody has the name, or what would have it cannot be started. */
static bool means_absent(const sd_bus_error *e) {
        static const char *const prefixes[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                "org.freedesktop.DBus.Error.Spawn.",
                "org.freedesktop.systemd1.",
        };

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(e->name, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;
        return false;
}

static PolkitAnswer parse_answer(sd_bus_message *reply, const char **ret_why) {
        int authorized, challenge;

        *ret_why = "";
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") > 0 &&
            sd_bus_message_read(reply, "bb", &authorized, &challenge) > 0)
                return authorized ? POLKIT_YES : challenge ? POLKIT_CHALLENGE : POLKIT_NO;
        *ret_why = "its answer is not understood";
        return POLKIT_FAILED;
}

static int check_on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        PolkitCheck *c = userdata;
        PolkitAnswer answer;
        const char *why;

        c->slot = sd_bus_slot_unref(c->slot);
        if (!e)
                answer = parse_answer(reply, &why);
        else {
                answer = means_absent(e) ? POLKIT_ABSENT : POLKIT_FAILED;
                why = e->message ?: e->name;
                /* After a time-out of ours it may still ask the person. */
                if (answer == POLKIT_FAILED)
                        check_withdraw(c);
        }
        c->callback(answer, why, c->userdata);
        return 0;
}

static int append_question(sd_bus_message *m, const PolkitQuestion *q, const char *id) {
        int r;

        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", q->sender,
                                  q->action);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && i < POLKIT_DETAILS_MAX && q->details[i].key; i++)
                r = sd_bus_message_append(m, "{ss}", q->details[i].key, q->details[i].value);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "us",
                                          q->interactive ? POLKIT_ALLOW_USER_INTERACTION : 0u, id);
        return r;
}

int polkit_check_new(sd_bus *bus, const PolkitQuestion *question, polkit_callback_t callback,
                     void *userdata, PolkitCheck **ret) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        _cleanup_(polkit_check_freep)
        PolkitCheck *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (PolkitCheck){.bus = bus, .callback = callback, .userdata = userdata};
        snprintf(c->id, sizeof(c->id), "aikmd-%" PRIu64, question->id);
        r = sd_bus_message_new_method_call(bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r >= 0)
                r = append_question(m, question, c->id);
        if (r >= 0)
                r = sd_bus_call_async(bus, &c->slot, m, check_on_reply, c,
                                      question->interactive ? TIMEOUT_INTERACTIVE : TIMEOUT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

PolkitCheck *polkit_check_free(PolkitCheck *c) {
        if (!c)
                return NULL;
        if (c->slot) {
                sd_bus_slot_unref(c->slot);
                check_withdraw(c);
        }
        free(c);
        return NULL;
}
