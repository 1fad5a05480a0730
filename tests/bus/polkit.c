/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bus/polkit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "util/io.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define FAKE "org.aikm1.FakePolkit"

const char *polkit_program;

static pid_t polkit; /* 0: it does not run */

static bool polkit_is_there(void *userdata) {
        const Fixture *f = userdata;

        return sd_bus_call_method(f->bus, POLKIT, "/fake", FAKE, "Set", NULL, NULL, "s", "no") >= 0;
}

void polkit_start(Fixture *f) {
        polkit = fixture_spawn(f, (const char *const[]){polkit_program, NULL});
        assert_true(fixture_wait(polkit_is_there, f));
}

void polkit_stop(void) {
        assert_int_equal(kill(polkit, SIGKILL), 0);
        assert_int_equal(waitpid(polkit, NULL, 0), polkit);
        polkit = 0;
}

int polkit_setup(void **state) {
        int r = fixture_setup(state);

        if (r == 0)
                fixture_start_daemon(*state, "observe");
        if (r == 0)
                polkit_start(*state);
        return r;
}

int polkit_teardown(void **state) {
        if (polkit > 0)
                polkit_stop();
        return fixture_teardown(state);
}

void polkit_set(const Fixture *f, const char *mode) {
        assert_true(sd_bus_call_method(f->bus, POLKIT, "/fake", FAKE, "Set", NULL, NULL, "s",
                                       mode) >= 0);
}

uint32_t polkit_release(const Fixture *f, const char *mode) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        uint32_t n;

        assert_true(sd_bus_call_method(f->bus, POLKIT, "/fake", FAKE, "Release", NULL, &reply, "s",
                                       mode) >= 0);
        assert_true(sd_bus_message_read(reply, "u", &n) > 0);
        return n;
}

void polkit_get(const Fixture *f, PolkitAsked *ret) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        const char *action, *subject, *details;

        assert_true(sd_bus_call_method(f->bus, POLKIT, "/fake", FAKE, "Get", NULL, &reply, "") >=
                    0);
        assert_true(sd_bus_message_read(reply, "uuussus", &ret->questions, &ret->withdrawn,
                                        &ret->held, &action, &subject, &ret->flags, &details) > 0);
        snprintf(ret->action, sizeof(ret->action), "%s", action);
        snprintf(ret->subject, sizeof(ret->subject), "%s", subject);
        snprintf(ret->details, sizeof(ret->details), "%s", details);
}

typedef struct Wait {
        const Fixture *f;
        uint32_t n;
} Wait;

static bool is_held(void *userdata) {
        const Wait *w = userdata;
        PolkitAsked asked;

        polkit_get(w->f, &asked);
        return asked.held == w->n;
}

void polkit_wait_held(const Fixture *f, uint32_t n) {
        assert_true(fixture_wait(is_held, &(Wait){.f = f, .n = n}));
}

static int call_on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Call *c = userdata;

        c->n_replies++;
        sd_bus_message_unref(c->reply);
        c->reply = sd_bus_message_ref(reply);
        return 0;
}

void call_start(Call *c, sd_bus *bus, bool interactive, const char *interface, const char *method,
                const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *request = NULL;
        va_list ap;

        *c = (Call){};
        assert_true(sd_bus_message_new_method_call(bus, &request, "org.aikm1", "/org/aikm1",
                                                   interface, method) >= 0);
        assert_true(sd_bus_message_set_allow_interactive_authorization(request, interactive) >= 0);
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(request, types, ap) >= 0);
        va_end(ap);
        assert_true(sd_bus_call_async(bus, &c->slot, request, call_on_reply, c, UINT64_MAX) >= 0);
        assert_true(sd_bus_flush(bus) >= 0);
}

void call_process(sd_bus *bus) {
        int r;

        while ((r = sd_bus_process(bus, NULL)) > 0)
                ;
        assert_true(r >= 0);
}

void call_finish(Call *c, sd_bus *bus, const char *error) {
        const sd_bus_error *e;

        while (c->n_replies == 0) {
                call_process(bus);
                if (c->n_replies == 0)
                        assert_true(sd_bus_wait(bus, UINT64_MAX) >= 0);
        }
        e = sd_bus_message_get_error(c->reply);
        if (error) {
                assert_non_null(e);
                assert_string_equal(e->name, error);
                assert_true(e->message && e->message[0]);
        } else if (e)
                fail_msg("%s: %s", e->name, e->message);
}

void call_done(Call *c) {
        assert_true(c->n_replies <= 1);
        c->slot = sd_bus_slot_unref(c->slot);
        c->reply = sd_bus_message_unref(c->reply);
}

typedef struct LogText {
        const Fixture *f;
        const char *text;
} LogText;

static bool log_has_text(void *userdata) {
        _cleanup_free_
        char *log = NULL;
        const LogText *t = userdata;
        char path[96];
        size_t size;

        snprintf(path, sizeof(path), "%s/log", t->f->dir);
        assert_int_equal(io_read_all_at(AT_FDCWD, path, 16 << 20, &log, &size), 0);
        return strstr(log, t->text);
}

bool log_has(const Fixture *f, const char *text) {
        return fixture_wait(log_has_text, &(LogText){.f = f, .text = text});
}
