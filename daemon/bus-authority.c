/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-authority.h"

#include <errno.h>
#include <stdarg.h>

#include "daemon/bus-polkit.h"
#include "daemon/bus-watch.h"

/*
 * A request waits twice at most: for the bus to say who sent it, which takes one round trip, and
 * for polkit, which may take minutes. The bounds of the first wait are above what one user of the
 * system bus can fill (256 connections), so that root gets through; those of the second never
 * concern root.
 */
#define PER_CLIENT_MAX 8
#define WAITING_MAX 4096
#define ASKED_PER_USER_MAX 16
#define ASKED_MAX 256
#define ARGUMENTS_MAX 8192 /* bytes of one request; none needs more */
/* Answers that the bus has not taken yet: whoever asks on is told so, in few bytes. */
#define UNSENT_MAX 256

#define MAY_READ_FOR (30 * USEC_PER_SEC)

typedef struct Request Request;

struct Request {
        Authority *authority;
        Request *previous, *next;
        const BusMethod *method;
        sd_bus_message *message;
        Caller caller;
        CallerQuery *query; /* until it is known who the caller is */
        BusWatch *watch;    /* while polkit is asked */
        PolkitCheck *check;
        bool own; /* polkit is asked whether one may act on what is one's own */
};

struct Authority {
        Manager *manager;
        sd_bus *bus;
        CallerCache *callers;
        Request *requests;
        uint64_t n_questions;
};

static Request *request_free(Request *q) {
        if (!q)
                return NULL;
        if (q->previous)
                q->previous->next = q->next;
        else if (q->authority->requests == q)
                q->authority->requests = q->next;
        if (q->next)
                q->next->previous = q->previous;
        caller_query_free(q->query);
        bus_watch_free(q->watch);
        polkit_check_free(q->check);
        sd_bus_message_unref(q->message);
        free(q);
        return NULL;
}
DEFINE_CLEANUP(Request *, request_free);

static Request *request_new(Authority *a, const BusMethod *method, sd_bus_message *message) {
        Request *q = calloc(1, sizeof(*q));

        if (!q)
                return NULL;
        q->authority = a;
        q->method = method;
        q->message = sd_bus_message_ref(message);
        q->next = a->requests;
        if (q->next)
                q->next->previous = q;
        a->requests = q;
        return q;
}

int authority_new(Manager *m, sd_bus *bus, Authority **ret) {
        _cleanup_(authority_freep)
        Authority *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->manager = m;
        a->bus = bus;
        r = caller_cache_new(bus, m->root_fd, &a->callers);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

Authority *authority_free(Authority *a) {
        if (!a)
                return NULL;
        while (a->requests)
                request_free(a->requests);
        caller_cache_free(a->callers);
        free(a);
        return NULL;
}

/* Written by strangers, shown on terminals. */
static void make_printable(char *text) {
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < ' ' || *p == 127)
                        *p = '?';
}

static void request_describe(Request *q, BusDetails *ret) {
        *ret = (BusDetails){};
        if (q->method->describe) {
                (void)sd_bus_message_rewind(q->message, true);
                q->method->describe(q->message, ret);
        }
        (void)sd_bus_message_rewind(q->message, true);
}

static bool request_is_own(Request *q) {
        bool own;

        if (!q->method->is_own)
                return false;
        (void)sd_bus_message_rewind(q->message, true);
        own = q->method->is_own(q->authority->manager, q->message, &q->caller);
        (void)sd_bus_message_rewind(q->message, true);
        return own;
}

/* What was asked for and by whom, in fields and in words. */
typedef struct Told {
        JournalFields fields;
        char uid[16];
        char who[64];
        char about[600];
} Told;

static void request_tell(Request *q, Told *ret) {
        const Caller *c = &q->caller;
        size_t length = 0;
        BusDetails d;

        ret->fields = (JournalFields){.verb = q->method->action,
                                      .caller_uid = ret->uid,
                                      .caller_pid = c->pid,
                                      .caller_comm = c->comm};
        snprintf(ret->uid, sizeof(ret->uid), "%u", c->uid);
        if (c->pid > 0)
                snprintf(ret->who, sizeof(ret->who), "uid %u (%s[%d])", c->uid, c->comm, c->pid);
        else
                snprintf(ret->who, sizeof(ret->who), "uid %u", c->uid);
        ret->about[0] = '\0';
        request_describe(q, &d);
        for (size_t i = 0; i < ELEMENTSOF(d.key) && d.key[i]; i++) {
                make_printable(d.value[i]);
                length += (size_t)snprintf(ret->about + length, sizeof(ret->about) - length,
                                           "%s%s %s", i > 0 ? ", " : ": ", d.key[i], d.value[i]);
        }
}

static void note_admitted(Request *q) {
        const char *id = q->own ? MESSAGE_OWN_REQUEST_ADMITTED : MESSAGE_REQUEST_ADMITTED;
        Told told;

        request_tell(q, &told);
        journal_note(LOG_NOTICE, id, &told.fields, "%s%s, on request of %s", q->method->done,
                     told.about, told.who);
}

static void note_refused(Request *q, const char *why) {
        Told told;

        request_tell(q, &told);
        journal_note(LOG_NOTICE, MESSAGE_REQUEST_REFUSED, &told.fields,
                     "Refused %s%s, on request of %s: %s", q->method->action, told.about, told.who,
                     why);
}

/* Ends the request, and tells where it is known who it is. */
_printf_(3, 4) static void request_refuse(Request *q, const char *name, const char *format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (q->caller.name[0])
                note_refused(q, text);
        (void)sd_bus_reply_method_errorf(q->message, name, "%s", text);
        request_free(q);
}

/* Does it and ends the request. The handler has replied where it succeeds. */
static void request_run(Request *q) {
        _cleanup_(sd_bus_error_free)
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        (void)sd_bus_message_rewind(q->message, true);
        r = q->method->handler(q->message, q->authority->manager, &q->caller, &error);
        if (r < 0 && sd_bus_error_is_set(&error))
                (void)sd_bus_reply_method_error(q->message, &error);
        else if (r < 0)
                (void)sd_bus_reply_method_errno(q->message, r, NULL);
        else if (q->method->done)
                note_admitted(q);
        request_free(q);
}

static void request_allow(Request *q) {
        Caller *known;

        if (!q->method->done) {
                known = caller_find(q->authority->callers, q->caller.name);
                if (known)
                        known->may_read_until = usec_now(CLOCK_MONOTONIC) + MAY_READ_FOR;
        }
        /* Minutes may have passed: the number may be another's by now. */
        if (q->own && !request_is_own(q)) {
                request_refuse(q, SD_BUS_ERROR_ACCESS_DENIED,
                               "not everything that this is about is yours any more");
                return;
        }
        q->caller.own_only = q->own;
        request_run(q);
}

static void request_on_answer(PolkitAnswer answer, const char *why, void *userdata) {
        Request *q = userdata;
        const char *action = q->own ? q->method->own_action : q->method->action;

        switch (answer) {
        case POLKIT_YES:
                request_allow(q);
                break;
        case POLKIT_NO:
                request_refuse(q, SD_BUS_ERROR_ACCESS_DENIED,
                               "polkit does not allow it (" ACTION_PREFIX "%s)", action);
                break;
        case POLKIT_CHALLENGE:
                request_refuse(q, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                               "polkit wants authentication for it (" ACTION_PREFIX
                               "%s), and nobody could be asked",
                               action);
                break;
        case POLKIT_ABSENT:
                /* The default of org.aikm1.read without polkit, too. */
                if (!q->method->done)
                        request_allow(q);
                else
                        request_refuse(q, SD_BUS_ERROR_ACCESS_DENIED,
                                       "without polkit only root may do that (%s)", why);
                break;
        case POLKIT_FAILED:
                request_refuse(q, SD_BUS_ERROR_ACCESS_DENIED, "polkit could not be asked: %s", why);
                break;
        }
}

static void request_on_left(void *userdata) {
        request_free(userdata);
}

static bool holds_files(const Request *q) {
        return strchr(sd_bus_message_get_signature(q->message, /* complete= */ true), 'h');
}

static bool polkit_is_busy(const Request *q) {
        size_t of_user = 0, all = 0;

        for (const Request *i = q->authority->requests; i; i = i->next) {
                /* One bundle of files for each user. */
                if (i->check && i->caller.uid == q->caller.uid && holds_files(i) && holds_files(q))
                        return true;
                all += i->check != NULL;
                of_user += i->check && i->caller.uid == q->caller.uid;
        }
        return of_user >= ASKED_PER_USER_MAX || all >= ASKED_MAX;
}

static void request_ask_polkit(Request *q) {
        Authority *a = q->authority;
        PolkitQuestion question = {.sender = q->caller.name};
        char action[64];
        BusDetails details;
        int r;

        if (polkit_is_busy(q)) {
                request_refuse(q, SD_BUS_ERROR_LIMITS_EXCEEDED,
                               "too many requests wait for authentication");
                return;
        }
        q->own = request_is_own(q);
        snprintf(action, sizeof(action), ACTION_PREFIX "%s",
                 q->own ? q->method->own_action : q->method->action);
        request_describe(q, &details);
        question.action = action;
        for (size_t i = 0; i < ELEMENTSOF(details.key) && details.key[i]; i++) {
                question.details[i].key = details.key[i];
                question.details[i].value = details.value[i];
        }
        question.interactive = sd_bus_message_get_allow_interactive_authorization(q->message) > 0;
        question.id = ++a->n_questions;
        r = bus_watch_new(a->bus, q->caller.name, request_on_left, q, &q->watch);
        if (r >= 0)
                r = polkit_check_new(a->bus, &question, request_on_answer, q, &q->check);
        if (r < 0)
                request_refuse(q, SD_BUS_ERROR_ACCESS_DENIED, "polkit could not be asked: %s",
                               strerror(-r));
}

static void request_decide(Request *q, const Caller *caller) {
        q->caller = *caller;
        if (caller->uid == 0 ||
            (!q->method->done && usec_now(CLOCK_MONOTONIC) < caller->may_read_until))
                request_run(q);
        else
                request_ask_polkit(q);
}

static void request_on_caller(const Caller *caller, void *userdata) {
        Request *q = userdata;

        q->query = caller_query_free(q->query);
        if (caller)
                request_decide(q, caller);
        else
                request_refuse(q, SD_BUS_ERROR_ACCESS_DENIED, "the bus does not say who you are");
}

/* All signatures of ours are made of these. */
static int measure_arguments(sd_bus_message *m, size_t *size) {
        const char *contents, *text;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0 && *size <= ARGUMENTS_MAX) {
                if (type == 'a') {
                        r = sd_bus_message_enter_container(m, 'a', "(ss)");
                        if (r < 0)
                                return r;
                        while (*size <= ARGUMENTS_MAX &&
                               (r = sd_bus_message_enter_container(m, 'r', "ss")) > 0) {
                                r = measure_arguments(m, size);
                                if (r >= 0)
                                        r = sd_bus_message_exit_container(m);
                                if (r < 0)
                                        return r;
                        }
                        break;
                }
                *size += 16;
                r = type == 's' ? sd_bus_message_read(m, "s", &text) : sd_bus_message_skip(m, NULL);
                if (r < 0)
                        return r;
                *size += type == 's' ? strlen(text) : 0;
        }
        return r;
}

static int check_bounds(const Authority *a, const char *sender, sd_bus_message *request,
                        sd_bus_error *error) {
        size_t of_client = 0, waiting = 0, size = 0;
        uint64_t unsent = 0;
        int r;

        r = measure_arguments(request, &size);
        (void)sd_bus_message_rewind(request, true);
        if (r < 0)
                return r;
        if (size > ARGUMENTS_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "the arguments are larger than %d bytes", ARGUMENTS_MAX);
        for (const Request *q = a->requests; q; q = q->next) {
                waiting++;
                of_client += streq(sd_bus_message_get_sender(q->message), sender);
        }
        (void)sd_bus_get_n_queued_write(a->bus, &unsent);
        if (of_client >= PER_CLIENT_MAX || waiting >= WAITING_MAX || unsent >= UNSENT_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "too many requests wait for an answer");
        return 0;
}

int authority_request(Authority *a, const BusMethod *method, sd_bus_message *request,
                      sd_bus_error *error) {
        _cleanup_(request_freep)
        Request *q = NULL;
        const char *sender = sd_bus_message_get_sender(request);
        const Caller *caller;
        int r;

        if (!sender)
                return -EACCES;
        r = check_bounds(a, sender, request, error);
        if (r < 0)
                return r;
        q = request_new(a, method, request);
        if (!q)
                return -ENOMEM;
        caller = caller_find(a->callers, sender);
        if (caller) {
                request_decide(TAKE_PTR(q), caller);
                return 1;
        }
        r = caller_ask(a->callers, sender, request_on_caller, q, &q->query);
        if (r < 0)
                return r;
        TAKE_PTR(q);
        return 1;
}
