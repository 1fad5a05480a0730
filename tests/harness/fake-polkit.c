/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for polkit on a private bus ($AIKM_BUS_ADDRESS): answers CheckAuthorization as it was told
 * last, and tells what it was asked. On /fake, interface org.aikm1.FakePolkit:
 *   Set(s)       yes, no, challenge, or hold: answers nothing until Release
 *   Release(s)   answers what is held; returns how many (u)
 *   Get()        questions u, withdrawn u, held u; of the last question: action s, subject s,
 *                flags u, details s ("key=value key=value")
 */

#include <errno.h>
#include <systemd/sd-bus.h>

#include "util/macro.h"

#define HELD_MAX 512

typedef struct Held {
        sd_bus_message *request;
        char id[64];
} Held;

typedef struct Fake {
        char mode[16];
        uint32_t n_questions, n_withdrawn, flags;
        size_t n_held;
        Held held[HELD_MAX];
        char action[128], subject[128], details[512];
} Fake;

static int answer(sd_bus_message *request, const char *mode) {
        return sd_bus_reply_method_return(request, "(bba{ss})", streq(mode, "yes"),
                                          streq(mode, "challenge"), 0);
}

static int read_question(Fake *f, sd_bus_message *m, const char **ret_id) {
        const char *kind, *key, *value, *action;
        size_t length = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'r', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &kind);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_read(m, "{sv}", &key, "s", &value);
        if (r > 0)
                snprintf(f->subject, sizeof(f->subject), "%s %s=%s", kind, key, value);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &action);
        if (r >= 0)
                snprintf(f->action, sizeof(f->action), "%s", action);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{ss}");
        f->details[0] = '\0';
        while (r >= 0 && (r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0)
                if (length < sizeof(f->details))
                        length += (size_t)snprintf(f->details + length, sizeof(f->details) - length,
                                                   "%s%s=%s", length > 0 ? " " : "", key, value);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_read(m, "us", &f->flags, ret_id);
}

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        const char *id;
        int r;

        r = read_question(f, m, &id);
        if (r < 0)
                return r;
        f->n_questions++;
        if (!streq(f->mode, "hold") || f->n_held == HELD_MAX)
                return answer(m, f->mode);
        f->held[f->n_held].request = sd_bus_message_ref(m);
        snprintf(f->held[f->n_held++].id, sizeof(f->held->id), "%s", id);
        return 1;
}

/* As polkit: whoever asked gets an error for an answer. */
static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        for (size_t i = 0; i < f->n_held; i++) {
                if (!streq(f->held[i].id, id))
                        continue;
                f->n_withdrawn++;
                (void)sd_bus_reply_method_errorf(f->held[i].request,
                                                 "org.freedesktop.PolicyKit1.Error.Cancelled",
                                                 "withdrawn");
                sd_bus_message_unref(f->held[i].request);
                f->held[i] = f->held[--f->n_held];
                break;
        }
        return sd_bus_reply_method_return(m, NULL);
}

static int method_set(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        const char *mode;
        int r;

        r = sd_bus_message_read(m, "s", &mode);
        if (r < 0)
                return r;
        snprintf(f->mode, sizeof(f->mode), "%s", mode);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *f = userdata;
        uint32_t n = (uint32_t)f->n_held;
        const char *mode;
        int r;

        r = sd_bus_message_read(m, "s", &mode);
        if (r < 0)
                return r;
        while (f->n_held > 0) {
                f->n_held--;
                (void)answer(f->held[f->n_held].request, mode);
                sd_bus_message_unref(f->held[f->n_held].request);
        }
        return sd_bus_reply_method_return(m, "u", n);
}

static int method_get(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Fake *f = userdata;

        return sd_bus_reply_method_return(m, "uuussus", f->n_questions, f->n_withdrawn,
                                          (uint32_t)f->n_held, f->action, f->subject, f->flags,
                                          f->details);
}

static const sd_bus_vtable polkit_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", method_check,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelCheckAuthorization", "s", "", method_cancel,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable fake_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Set", "s", "", method_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Release", "s", "u", method_release, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Get", "", "uuussus", method_get, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int fake_run(Fake *f, sd_bus *bus) {
        int r;

        r = sd_bus_set_address(bus, getenv("AIKM_BUS_ADDRESS") ?: "");
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                             "org.freedesktop.PolicyKit1.Authority", polkit_vtable,
                                             f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/fake", "org.aikm1.FakePolkit",
                                             fake_vtable, f);
        if (r >= 0)
                r = sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return r;
}

int main(void) {
        _cleanup_(sd_bus_unrefp)
        sd_bus *bus = NULL;
        Fake *f = calloc(1, sizeof(*f));
        int r;

        if (!f || sd_bus_new(&bus) < 0)
                return EXIT_FAILURE;
        snprintf(f->mode, sizeof(f->mode), "no");
        r = fake_run(f, bus);
        fprintf(stderr, "fake-polkit: %s\n", strerror(-r));
        free(f);
        return EXIT_FAILURE;
}
