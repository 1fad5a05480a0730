/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/client.h"

#include <errno.h>
#include <stdarg.h>
#include <systemd/sd-bus.h>

#include "cli/polkit-agent.h"
#include "cli/remote.h"
#include "util/time.h"

#define CALL_TIMEOUT (25 * USEC_PER_SEC)
#define PASSWORD_TIMEOUT (330 * USEC_PER_SEC) /* the daemon waits for five minutes */
#define QUIET_FOR (1 * USEC_PER_SEC)          /* so long a wait needs no word */

const char *client_where(const Context *c) {
        const char *address = secure_getenv("AIKM_BUS_ADDRESS"), *name = remote_name(c);

        if (name)
                return name;
        return address && address[0] ? address : "the system bus";
}

static int not_running(const Context *c, Error *e, const char *why) {
        const char *option = remote_option(c);

        error_set(e, -ENOTCONN,
                  "aikmd is not running on %s (%s): start it with systemctl %s%s%s%sstart aikmd",
                  client_where(c), why, option ?: "", option ? " " : "",
                  option ? remote_name(c) : "", option ? " " : "");
        return CLI_NOT_RUNNING;
}

int client_open(Context *c, Error *e) {
        const char *address = secure_getenv("AIKM_BUS_ADDRESS");
        int r;

        if (c->bus)
                return CLI_OK;
        if (remote_option(c))
                return remote_open(c, e);
        if (address && address[0]) {
                _cleanup_(sd_bus_unrefp)
                sd_bus *bus = NULL;

                r = sd_bus_new(&bus);
                if (r >= 0)
                        r = sd_bus_set_address(bus, address);
                if (r < 0) {
                        error_set(e, r, "AIKM_BUS_ADDRESS: %s is no D-Bus address: %s", address,
                                  strerror(-r));
                        return CLI_FAILURE;
                }
                r = sd_bus_set_bus_client(bus, 1);
                if (r >= 0)
                        r = sd_bus_start(bus);
                if (r >= 0)
                        c->bus = TAKE_PTR(bus);
        } else
                r = sd_bus_open_system(&c->bus);
        return r < 0 ? not_running(c, e, strerror(-r)) : CLI_OK;
}

/* Whether it is the connection itself that failed. */
static bool is_lost(const sd_bus_error *error, int r) {
        /* sd-bus gives a connection that is gone a name of its own making, too. */
        static const char *const names[] = {
                SD_BUS_ERROR_DISCONNECTED, "System.Error.ENOTCONN", "System.Error.ECONNRESET",
                "System.Error.ESHUTDOWN",  "System.Error.EPIPE",
        };

        for (size_t i = 0; error->name && i < ELEMENTSOF(names); i++)
                if (sd_bus_error_has_name(error, names[i]))
                        return true;
        if (error->name)
                return false;
        return r == -ECONNREFUSED || r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE ||
               r == -ENOENT || r == -EPERM || r == -ESHUTDOWN;
}

/* Bus errors in words. */
static int explain_error(const Context *c, const sd_bus_error *error, int r, Error *e) {
        static const char *const absent[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                SD_BUS_ERROR_DISCONNECTED,
                SD_BUS_ERROR_NO_SERVER,
        };
        const char *text = error->message ? error->message : strerror(r < 0 ? -r : EIO);

        /* Behind a bridge it is the way that is gone, whatever the daemon does. */
        if (remote_option(c) && (is_lost(error, r) || (c->bus && sd_bus_is_open(c->bus) <= 0))) {
                error_set(e, r, "the connection to %s was lost: %s", client_where(c), text);
                return CLI_FAILURE;
        }
        for (size_t i = 0; i < ELEMENTSOF(absent); i++)
                if (sd_bus_error_has_name(error, absent[i]))
                        return not_running(c, e, "nobody owns the name " AIKM_BUS_NAME);
        if (error->name && (strncmp(error->name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0 ||
                            strncmp(error->name, "org.freedesktop.systemd1.", 25) == 0))
                return not_running(c, e, text);
        if (is_lost(error, r))
                return not_running(c, e, text);
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
                error_set(e, r, "refused: %s; run it as root, with sudo aikmctl …", text);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                error_set(e, r,
                          "refused: %s; run it as root, with sudo aikmctl …, or on a terminal%s",
                          text, c->ask_password ? "" : " without --no-ask-password");
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
                 sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
                error_set(e, r, "aikmd does not answer: %s", text);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD) ||
                 sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE))
                error_set(e, r, "the running aikmd is of another version: %s", text);
        else
                error_set(e, r, "%s", text);
        return CLI_FAILURE;
}

typedef struct Wait {
        sd_bus_message *reply;
        bool done;
} Wait;

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Wait *w = userdata;

        w->reply = sd_bus_message_ref(m);
        w->done = true;
        return 1;
}

/* Calls and tells on the terminal how long it has waited; for answers that may take seconds. */
static int call_with_progress(Context *c, sd_bus_message *m, usec_t timeout, sd_bus_error *error,
                              sd_bus_message **ret) {
        _cleanup_(sd_bus_slot_unrefp)
        sd_bus_slot *slot = NULL;
        usec_t begin = usec_now(CLOCK_MONOTONIC);
        bool told = false;
        Wait w = {0};
        int r;

        r = sd_bus_call_async(c->bus, &slot, m, on_reply, &w, timeout);
        while (r >= 0 && !w.done) {
                usec_t waited = usec_now(CLOCK_MONOTONIC) - begin;

                r = sd_bus_process(c->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(c->bus, QUIET_FOR);
                if (!w.done && waited >= QUIET_FOR) {
                        fprintf(stderr, "\rwaiting for aikmd to answer %s … %" PRIu64 " s",
                                sd_bus_message_get_member(m), waited / USEC_PER_SEC);
                        told = true;
                }
        }
        if (told)
                fputs("\r\033[K", stderr);
        if (r >= 0 && sd_bus_message_is_method_error(w.reply, NULL)) {
                r = sd_bus_error_copy(error, sd_bus_message_get_error(w.reply));
                w.reply = sd_bus_message_unref(w.reply);
                return r < 0 ? r : -EIO;
        }
        if (r < 0) {
                sd_bus_message_unref(w.reply);
                return r;
        }
        *ret = w.reply;
        return 0;
}

int client_begin(Context *c, sd_bus_message **ret, Error *e, const char *interface,
                 const char *method) {
        const char *path = streq(interface, AIKM_BUS_FILTER) ? AIKM_BUS_FILTER_PATH : AIKM_BUS_PATH;
        int r;

        r = client_open(c, e);
        if (r != CLI_OK)
                return r;
        r = sd_bus_message_new_method_call(c->bus, ret, AIKM_BUS_NAME, path, interface, method);
        return r < 0 ? explain_error(c, &SD_BUS_ERROR_NULL, r, e) : CLI_OK;
}

static bool changes_something(sd_bus_message *m) {
        static const char *const reading[] = {"GetStatus", "List", "Explain",    "Get",
                                              "Info",      "Top",  "ListAllowed"};

        for (size_t i = 0; i < ELEMENTSOF(reading); i++)
                if (streq(sd_bus_message_get_member(m), reading[i]))
                        return false;
        return true;
}

int client_send(Context *c, sd_bus_message *m, sd_bus_message **ret, Error *e) {
        _cleanup_(sd_bus_error_free)
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        usec_t timeout = CALL_TIMEOUT;
        int r;

        /* Looking is no reason to start a daemon that somebody has stopped. */
        r = changes_something(m) ? 0 : sd_bus_message_set_auto_start(m, false);
        if (r >= 0 && c->ask_password && changes_something(m)) {
                polkit_agent_start(c);
                timeout = PASSWORD_TIMEOUT;
                r = sd_bus_message_set_allow_interactive_authorization(m, true);
        }
        if (r < 0)
                return explain_error(c, &SD_BUS_ERROR_NULL, r, e);
        /* An agent has the terminal for itself. */
        r = c->progress && c->polkit_agent == 0 ? call_with_progress(c, m, timeout, &error, &reply)
                                                : sd_bus_call(c->bus, m, timeout, &error, &reply);
        if (r < 0)
                return explain_error(c, &error, r, e);
        if (ret)
                *ret = TAKE_PTR(reply);
        return CLI_OK;
}

int client_call(Context *c, sd_bus_message **ret, Error *e, const char *interface,
                const char *method, const char *types, ...) {
        _cleanup_message_ sd_bus_message *m = NULL;
        va_list ap;
        int r;

        r = client_begin(c, &m, e, interface, method);
        if (r != CLI_OK)
                return r;
        if (types[0]) {
                va_start(ap, types);
                r = sd_bus_message_appendv(m, types, ap);
                va_end(ap);
                if (r < 0)
                        return explain_error(c, &SD_BUS_ERROR_NULL, r, e);
        }
        return client_send(c, m, ret, e);
}

static int not_understood(Error *e, const char *method, int r) {
        error_set(e, r, "the answer of aikmd to %s is not understood: %s", method, strerror(-r));
        return CLI_FAILURE;
}

static int finish(int status, sd_bus_message *m, bool rows, const char *method, json_object **ret,
                  Error *e) {
        int r;

        if (status != CLI_OK)
                return status;
        r = rows ? json_read_rows(m, ret) : json_read_dict(m, ret);
        return r < 0 ? not_understood(e, method, r) : CLI_OK;
}

int client_get_status(Context *c, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int s = client_call(c, &m, e, AIKM_BUS_MANAGER, "GetStatus", "");

        return finish(s, m, /* rows= */ false, "GetStatus", ret, e);
}

int client_get_processes(Context *c, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int s = client_call(c, &m, e, AIKM_BUS_PROCESSES, "List", "");

        return finish(s, m, /* rows= */ true, "List", ret, e);
}

int client_get_explanation(Context *c, uint32_t pid, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int s = client_call(c, &m, e, AIKM_BUS_PROCESSES, "Explain", "u", pid);

        return finish(s, m, /* rows= */ false, "Explain", ret, e);
}

int client_get_ledger(Context *c, bool all, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int s = client_call(c, &m, e, AIKM_BUS_LEDGER, "List", "b", (int)all);

        return finish(s, m, /* rows= */ true, "List", ret, e);
}

int client_get_impact(Context *c, uint32_t id, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int s = client_call(c, &m, e, AIKM_BUS_LEDGER, "ListImpact", "u", id);

        return finish(s, m, /* rows= */ true, "ListImpact", ret, e);
}

int client_get_priors(Context *c, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int s = client_call(c, &m, e, AIKM_BUS_PRIORS, "List", "");

        return finish(s, m, /* rows= */ true, "List", ret, e);
}

int client_forget_priors(Context *c, const char *exe, uint32_t *ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = client_call(c, &m, e, AIKM_BUS_PRIORS, "Forget", "s", exe);
        if (r != CLI_OK)
                return r;
        r = sd_bus_message_read(m, "u", ret);
        return r < 0 ? not_understood(e, "Forget", r) : CLI_OK;
}

int client_set_mode(Context *c, const char *mode, Error *e) {
        return client_call(c, NULL, e, AIKM_BUS_MANAGER, "SetMode", "s", mode);
}

int client_get_policy(Context *c, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        json_object *policy;
        const char *text;
        int r;

        r = client_call(c, &m, e, AIKM_BUS_POLICY, "Get", "");
        if (r != CLI_OK)
                return r;
        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return not_understood(e, "Get", r);
        policy = json_tokener_parse(text);
        if (!policy)
                return not_understood(e, "Get", -EBADMSG);
        *ret = policy;
        return CLI_OK;
}

int client_rollback(Context *c, const char *what, uint64_t number, json_object **ret, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int s = client_call(c, &m, e, AIKM_BUS_LEDGER, "Rollback", "st", what, number);

        return finish(s, m, /* rows= */ false, "Rollback", ret, e);
}

int client_fail(int status, const Error *e) {
        if (status != CLI_OK)
                fail("%s", e->text);
        return status;
}
