/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user without privilege may do to aikmd over the bus, run as such a user: bus-fuzz [CALLS]
 * [SEED]. Calls of every kind: good ones, wrong types, unknown members, huge arguments, callers
 * that vanish, floods. Fails where a change is allowed, a reading method is refused, or no answer
 * comes.
 */

#include <errno.h>
#include <systemd/sd-bus.h>

#include "util/io.h"
#include "util/macro.h"
#include "util/time.h"

#define NAME "org.aikm1"
#define PATH "/org/aikm1"
#define FILTER "org.aikm1.Filter"     /* on PATH "/filter" */
#define PATIENCE (300 * USEC_PER_SEC) /* where everything is emulated */
#define WINDOW 6 /* calls under way on one connection; fewer than the daemon's bound */

typedef struct Member {
        const char *interface, *member, *types;
        bool reads;
} Member;

static const Member members[] = {
        {"org.aikm1.Manager", "GetStatus", "", true},
        {"org.aikm1.Processes", "List", "", true},
        {"org.aikm1.Processes", "Explain", "u", true},
        {"org.aikm1.Policy", "Get", "", true},
        {"org.aikm1.Ledger", "List", "b", true},
        {"org.aikm1.Manager", "SetMode", "s", false},
        {"org.aikm1.Manager", "Reload", "", false},
        {"org.aikm1.Manager", "Trial", "us", false},
        {"org.aikm1.Policy", "Set", "a(ss)", false},
        {"org.aikm1.Policy", "Reset", "", false},
        {"org.aikm1.Ledger", "Rollback", "st", false},
        {FILTER, "List", "", true},
        {FILTER, "Top", "su", false},
        {FILTER, "Explain", "ss", false},
        {FILTER, "ListAllowed", "s", true},
        {FILTER, "Attach", "ss", false},
        {FILTER, "Detach", "s", false},
        {FILTER, "SetMode", "sst", false},
        {FILTER, "AddAllowed", "ss", false},
        {FILTER, "RemoveAllowed", "ss", false},
};

typedef struct Fuzz {
        sd_bus *bus;
        uint64_t random;
        size_t under_way, n_answers, n_refused, n_allowed;
        char failure[256];
} Fuzz;

static int connect_bus(sd_bus **ret) {
        _cleanup_(sd_bus_unrefp)
        sd_bus *bus = NULL;
        const char *address = getenv("AIKM_BUS_ADDRESS") ?: "unix:path=/run/dbus/system_bus_socket";
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}

/* xorshift64: the same calls for the same seed. */
static uint64_t next(Fuzz *f) {
        f->random ^= f->random << 13;
        f->random ^= f->random >> 7;
        f->random ^= f->random << 17;
        return f->random;
}

static const char *word(Fuzz *f) {
        static const char *const words[] = {
                "",    "enforce", "observe", "all",    "pid", "action",   "mode", "machine",
                "\n",  "%s%n",    "scope",   "tree:1", "-1",  "\xc3\xa4", "{}",   "unit:*",
                "uid", "../..",   "classes", "0x7f",   "1e9", "true",     "a b",  "interval",
        };

        return words[next(f) % ELEMENTSOF(words)];
}

static uint64_t number(Fuzz *f) {
        static const uint64_t numbers[] = {0, 1, 2, 1000, INT32_MAX, UINT32_MAX, UINT64_MAX};
        uint64_t i = next(f) % (ELEMENTSOF(numbers) + 1);

        return i < ELEMENTSOF(numbers) ? numbers[i] : next(f) % 5000;
}

static int append_arguments(Fuzz *f, sd_bus_message *m, const char *types) {
        int r = 0;

        if (streq(types, "a(ss)")) {
                r = sd_bus_message_open_container(m, 'a', "(ss)");
                for (uint64_t i = next(f) % 4; r >= 0 && i > 0; i--)
                        r = sd_bus_message_append(m, "(ss)", word(f), word(f));
                return r < 0 ? r : sd_bus_message_close_container(m);
        }
        for (const char *t = types; r >= 0 && *t; t++)
                switch (*t) {
                case 's':
                        r = sd_bus_message_append(m, "s", word(f));
                        break;
                case 'u':
                        r = sd_bus_message_append(m, "u", (uint32_t)number(f));
                        break;
                case 't':
                        r = sd_bus_message_append(m, "t", number(f));
                        break;
                case 'b':
                        r = sd_bus_message_append(m, "b", (int)(next(f) & 1));
                        break;
                case 'v':
                        r = sd_bus_message_append(m, "v", "s", word(f));
                        break;
                default:
                        r = -EINVAL;
                }
        return r;
}

/* Mostly as it should be; then with other types, another member, another object. */
static int make_call(Fuzz *f, const Member **ret_member, sd_bus_message **ret) {
        static const char *const types[] = {"",  "s",  "u",  "t",     "b",
                                            "v", "us", "st", "sssss", "uuuu"};
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        const Member *member = members + next(f) % ELEMENTSOF(members);
        uint64_t how = next(f) % 8;
        const char *path;
        int r;

        /* Each change is a question to polkit, which takes its time. */
        if (!member->reads && next(f) % 12 > 0)
                member = members + next(f) % 5;
        path = how == 0 ? PATH "/x" : streq(member->interface, FILTER) ? PATH "/filter" : PATH;
        r = sd_bus_message_new_method_call(f->bus, &m, NAME, path,
                                           how == 1 ? "org.aikm1.Nothing" : member->interface,
                                           how == 2 ? "Nothing" : member->member);
        if (r >= 0)
                r = append_arguments(f, m,
                                     how == 3 ? types[next(f) % ELEMENTSOF(types)] : member->types);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, next(f) & 1);
        if (r < 0)
                return r;
        *ret_member = how < 3 ? NULL : member;
        *ret = TAKE_PTR(m);
        return 0;
}

typedef struct Call {
        Fuzz *fuzz;
        const Member *member; /* NULL: none of ours */
} Call;

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Call *c = userdata;
        Fuzz *f = c->fuzz;

        f->under_way--;
        f->n_answers++;
        f->n_refused += e != NULL;
        f->n_allowed += !e;
        if (!e && (!c->member || (!c->member->reads && !streq(c->member->member, "Rollback"))))
                snprintf(f->failure, sizeof(f->failure), "%s was allowed",
                         c->member ? c->member->member : "what does not exist");
        if (e && (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
                  sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                  sd_bus_error_has_name(e, SD_BUS_ERROR_TIMEOUT)))
                snprintf(f->failure, sizeof(f->failure), "%s: %s",
                         c->member ? c->member->member : "?", e->name);
        free(c);
        return 0;
}

static int send_call(Fuzz *f, sd_bus_message *m, const Member *member) {
        Call *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Call){.fuzz = f, .member = member};
        r = sd_bus_call_async(f->bus, NULL, m, on_reply, c, PATIENCE);
        if (r < 0) {
                free(c);
                return r;
        }
        f->under_way++;
        return 0;
}

/* Until at most so many are under way. */
static int drain(Fuzz *f, size_t limit) {
        int r = 0;

        while (r >= 0 && f->under_way > limit && !f->failure[0]) {
                r = sd_bus_process(f->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(f->bus, PATIENCE);
        }
        return r;
}

static int run_calls(Fuzz *f, uint64_t n) {
        int r = 0;

        for (uint64_t i = 0; r >= 0 && i < n && !f->failure[0]; i++) {
                _cleanup_(sd_bus_message_unrefp)
                sd_bus_message *m = NULL;
                const Member *member;

                r = make_call(f, &member, &m);
                if (r >= 0)
                        r = send_call(f, m, member);
                if (r >= 0)
                        r = drain(f, WINDOW);
        }
        return r < 0 ? r : drain(f, 0);
}

/* Up to what the bus lets through, and beyond: then it ends the connection. */
static int run_big(Fuzz *f) {
        for (size_t size = 1 << 10; size <= 64 << 20; size <<= 2) {
                _cleanup_(sd_bus_error_free)
                sd_bus_error e = SD_BUS_ERROR_NULL;
                _cleanup_(sd_bus_flush_close_unrefp)
                sd_bus *bus = NULL;
                _cleanup_free_
                char *text = malloc(size + 1);
                int r;

                if (!text)
                        return -ENOMEM;
                memset(text, 'x', size);
                text[size] = '\0';
                r = connect_bus(&bus);
                if (r < 0)
                        return r;
                r = sd_bus_call_method(bus, NAME, PATH, "org.aikm1.Policy", "Set", &e, NULL,
                                       "a(ss)", 1, "scope", text);
                printf("an argument of %zu KiB: %s\n", size >> 10,
                       r >= 0   ? "taken"
                       : e.name ? e.name
                                : strerror(-r));
                if (r >= 0)
                        snprintf(f->failure, sizeof(f->failure), "a huge Set was allowed");
        }
        return 0;
}

/* Open, send, close. */
static int run_vanishing(Fuzz *f, size_t n) {
        sd_bus *own = f->bus;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = connect_bus(&f->bus);
                for (int k = 0; r >= 0 && k < 3; k++) {
                        _cleanup_(sd_bus_message_unrefp)
                        sd_bus_message *m = NULL;
                        const Member *member;

                        r = make_call(f, &member, &m);
                        if (r >= 0)
                                r = sd_bus_send(f->bus, m, NULL);
                }
                /* Some before the bus has even said hello, some after. */
                if (r >= 0 && i % 2)
                        r = sd_bus_flush(f->bus);
                f->bus = sd_bus_close_unref(f->bus);
        }
        f->bus = own;
        return r;
}

/* More questions at once than any client may have; then all of them are dropped. */
static int run_flood(void) {
        sd_bus *clients[40] = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(clients); i++) {
                r = connect_bus(&clients[i]);
                for (int k = 0; r >= 0 && k < 50; k++) {
                        _cleanup_(sd_bus_message_unrefp)
                        sd_bus_message *m = NULL;

                        r = sd_bus_message_new_method_call(clients[i], &m, NAME, PATH,
                                                           "org.aikm1.Manager", "Reload");
                        if (r >= 0)
                                r = sd_bus_message_set_allow_interactive_authorization(m, true);
                        if (r >= 0)
                                r = sd_bus_send(clients[i], m, NULL);
                }
                if (r >= 0)
                        r = sd_bus_flush(clients[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                sd_bus_close_unref(clients[i]);
        return r;
}

static int run(Fuzz *f, uint64_t calls) {
        int r;

        r = connect_bus(&f->bus);
        if (r >= 0)
                r = run_calls(f, calls);
        printf("%zu answers, %zu of them errors\n", f->n_answers, f->n_refused);
        if (r >= 0)
                r = run_big(f);
        if (r >= 0)
                r = run_vanishing(f, 300);
        if (r >= 0)
                r = run_flood();
        /* And it still answers. */
        if (r >= 0)
                r = run_calls(f, 50);
        f->bus = sd_bus_flush_close_unref(f->bus);
        return r;
}

int main(int argc, char *argv[]) {
        Fuzz f = {};
        uint64_t calls = 10000, seed = 1;
        int r;

        if (argc > 3 || (argc > 1 && parse_u64(argv[1], 1, 10000000, &calls) < 0) ||
            (argc > 2 && parse_u64(argv[2], 1, UINT64_MAX, &seed) < 0)) {
                fprintf(stderr, "usage: bus-fuzz [CALLS] [SEED]\n");
                return 2;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        f.random = seed;
        r = run(&f, calls);
        if (r < 0 && !f.failure[0])
                snprintf(f.failure, sizeof(f.failure), "%s", strerror(-r));
        if (f.failure[0]) {
                printf("bus-fuzz: %s\n", f.failure);
                return EXIT_FAILURE;
        }
        if (f.n_allowed == 0) {
                puts("bus-fuzz: nothing was allowed, not even looking");
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
