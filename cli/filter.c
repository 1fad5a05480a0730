/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "cli/format.h"
#include "cli/model.h"
#include "cli/verbs.h"
#include "util/io.h"

#define LINES 20
#define KILL_MIN UINT64_C(256) /* where aikmd does not say which it has */
#define LEASE_MAX (24 * 3600 * USEC_PER_SEC)

enum {
        OPTION_MODEL,
        OPTION_FOR,
        OPTION_KILL_SHARE,
        OPTION_LINES,
        OPTION_INTERFACE,
        _OPTION_COUNT,
};

static const Option options[] = {
        [OPTION_MODEL] = {'m', "model", "NAME|FILE", "that judges; root may name an object file"},
        [OPTION_FOR] = {0, "for", "TIME", "how long it may drop packets: 90s, 15m, 2h"},
        [OPTION_KILL_SHARE] = {0, "kill-share", "SHARE", "drop nothing if it would be more: 0.5"},
        [OPTION_LINES] = {'n', "lines", "N", "at most so many sources"},
        [OPTION_INTERFACE] = {'i', "interface", "IFACE", "where several have a filter: which one"},
        [_OPTION_COUNT] = {0},
};

static int not_understood(Error *e, const char *method, int r) {
        error_set(e, r, "the answer of aikmd to %s is not understood: %s", method, strerror(-r));
        return CLI_FAILURE;
}

int filter_call(Context *c, const char *method, bool rows, json_object **ret, Error *e,
                const char *types, ...) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        va_list ap;
        int r;

        r = client_begin(c, &m, e, AIKM_BUS_FILTER, method);
        if (r != CLI_OK)
                return r;
        va_start(ap, types);
        r = types[0] ? sd_bus_message_appendv(m, types, ap) : 0;
        va_end(ap);
        if (r < 0) {
                error_set(e, r, "%s cannot be asked for: %s", method, strerror(-r));
                return CLI_FAILURE;
        }
        r = client_send(c, m, &reply, e);
        if (r != CLI_OK || !ret)
                return r;
        r = rows ? json_read_rows(reply, ret) : json_read_dict(reply, ret);
        return r < 0 ? not_understood(e, method, r) : CLI_OK;
}

/* What aikmd says of the filter on an interface; NULL: nothing. It belongs to *ret_rows. */
static const json_object *find_row(Context *c, const char *interface, json_object **ret_rows) {
        Error e = ERROR_INIT;

        if (filter_call(c, "List", /* rows= */ true, ret_rows, &e, "") != CLI_OK)
                return NULL;
        for (size_t i = 0; i < json_object_array_length(*ret_rows); i++) {
                const json_object *row = json_object_array_get_idx(*ret_rows, i);

                if (streq(json_str(row, "interface") ?: "", interface))
                        return row;
        }
        return NULL;
}

/* The interface that is named, or the only one with a filter. Returns an exit status. */
static int interface_or_only(Context *c, const char *named, char *ret, size_t size) {
        _cleanup_json_ json_object *rows = NULL;
        Error e = ERROR_INIT;
        const char *only;
        int r;

        if (named) {
                if (!named[0] || strlen(named) >= size) {
                        fail("%s: not the name of a network interface", named);
                        return CLI_USAGE;
                }
                snprintf(ret, size, "%s", named);
                return CLI_OK;
        }
        r = filter_call(c, "List", /* rows= */ true, &rows, &e, "");
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (json_object_array_length(rows) == 0)
                return fail("no interface has a filter; aikmctl filter attach IFACE attaches one");
        only = json_str(json_object_array_get_idx(rows, 0), "interface");
        if (json_object_array_length(rows) > 1 || !only) {
                fail("several interfaces have a filter: name one; aikmctl filter status lists "
                     "them");
                return CLI_USAGE;
        }
        snprintf(ret, size, "%s", only);
        return CLI_OK;
}

/* "15m", "90s", "1h": a whole number and a unit. */
static int parse_duration(const char *text, uint64_t *ret) {
        static const struct {
                const char *suffix;
                usec_t usec;
        } units[] = {
                {"s", USEC_PER_SEC},
                {"m", 60 * USEC_PER_SEC},
                {"min", 60 * USEC_PER_SEC},
                {"h", 3600 * USEC_PER_SEC},
        };
        size_t digits = strspn(text, "0123456789");
        char number[16];
        uint64_t n;

        if (digits == 0 || digits >= sizeof(number))
                return -EINVAL;
        memcpy(number, text, digits);
        number[digits] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(text + digits, units[i].suffix)) {
                        if (parse_u64(number, 1, LEASE_MAX / units[i].usec, &n) < 0)
                                return -ERANGE;
                        *ret = n * units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

/* One fact as JSON, or a sentence. */
_printf_(4, 5) static int answer(Context *c, const char *interface, json_object *fact,
                                 const char *format, ...) {
        va_list ap;

        if (c->json) {
                _cleanup_json_ json_object *o = json_object_new_object();

                if (!o || json_set(o, "interface", json_object_new_string(interface)) < 0 ||
                    json_set(o, "result", fact) < 0)
                        return fail("out of memory");
                return json_print(o);
        }
        json_object_put(fact);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        return CLI_OK;
}

/* --- attach, detach -------------------------------------------------------------------------- */

/* How much of "NAME.bpf.o" is the name. */
static size_t object_stem(const char *path) {
        size_t n = strlen(path);

        return n > 6 && streq(path + n - 6, ".bpf.o") ? n - 6 : n;
}

/* FILE.bpf.o and beside it FILE.json; without the latter an empty file goes. */
static int open_sheet(const char *path, Error *e) {
        _cleanup_free_
        char *name = NULL, *data = NULL;
        size_t size = 0;
        int r;

        if (asprintf(&name, "%.*s.json", (int)object_stem(path), path) < 0)
                return error_set(e, -ENOMEM, "out of memory");
        if (access(name, F_OK) >= 0) {
                r = model_read_file(AT_FDCWD, name, &data, &size, e);
                if (r < 0)
                        return r;
        }
        r = model_sealed_file(data ?: "", size);
        return r < 0 ? error_set(e, r, "cannot make a memory file: %s", strerror(-r)) : r;
}

static int attach_file(Context *c, const char *interface, const char *path, Error *e) {
        _cleanup_close_
        int object_fd = -EBADF, sheet_fd = -EBADF;
        _cleanup_free_
        char *data = NULL;
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        char model[256];
        size_t size;
        int r;

        if (c->host || c->machine) {
                error_set(e, -EINVAL,
                          "a filter's object has to lie on the machine that it is for: "
                          "run aikmctl there");
                return CLI_USAGE;
        }
        r = model_read_file(AT_FDCWD, path, &data, &size, e);
        if (r < 0)
                return CLI_FAILURE;
        object_fd = model_sealed_file(data, size);
        if (object_fd < 0) {
                error_set(e, object_fd, "cannot make a memory file: %s", strerror(-object_fd));
                return CLI_FAILURE;
        }
        sheet_fd = open_sheet(path, e);
        if (sheet_fd < 0)
                return CLI_FAILURE;
        snprintf(model, sizeof(model), "%.*s", (int)object_stem(name), name);
        return filter_call(c, "AttachObject", false, NULL, e, "sshh", interface, model, object_fd,
                           sheet_fd);
}

static int attach(Context *c, const Args *args) {
        const char *model = args->value[OPTION_MODEL], *interface = args->positional[1];
        _cleanup_json_ json_object *rows = NULL;
        const json_object *row;
        Error e = ERROR_INIT;
        int r;

        if (model && !model[0]) {
                fail("--model: the name of a filter's model or of a file is accepted, and it is "
                     "empty");
                return CLI_USAGE;
        }
        r = model && (strchr(model, '/') || object_stem(model) < strlen(model))
                    ? attach_file(c, interface, model, &e)
                    : filter_call(c, "Attach", false, NULL, &e, "ss", interface, model ?: "");
        if (r != CLI_OK)
                return client_fail(r, &e);
        /* In place of one that drops it drops, too. */
        row = find_row(c, interface, &rows);
        if (row && streq(json_str(row, "mode") ?: "", "enforce"))
                return answer(c, interface, json_object_new_string("attached"),
                              "The filter on %s has that model now. It goes on dropping what it "
                              "takes for malicious; aikmctl filter mode shadow %s ends that.\n",
                              interface, interface);
        return answer(c, interface, json_object_new_string("attached"),
                      "The filter is on %s. It judges and counts, and drops nothing until "
                      "aikmctl filter mode enforce %s --for TIME.\n",
                      interface, interface);
}

static int detach(Context *c, const Args *args) {
        const char *interface = args->positional[1];
        Error e = ERROR_INIT;
        int r = filter_call(c, "Detach", false, NULL, &e, "s", interface);

        if (r != CLI_OK)
                return client_fail(r, &e);
        return answer(c, interface, json_object_new_string("detached"),
                      "No filter is on %s any more.\n", interface);
}

/* --- mode, allow ----------------------------------------------------------------------------- */

/* The argument at i, or --interface; both may not differ. */
static int choose_interface(Context *c, const Args *args, size_t i, char *ret, size_t size) {
        const char *named = args->value[OPTION_INTERFACE];

        if (args->n_positional > i && named) {
                fail("the interface is named twice: %s and %s", args->positional[i], named);
                return CLI_USAGE;
        }
        return interface_or_only(c, args->n_positional > i ? args->positional[i] : named, ret,
                                 size);
}

/* Of how many packets it is a share stays as it is. */
static int set_kill_share(Context *c, const char *interface, double share, Error *e) {
        _cleanup_json_ json_object *rows = NULL;
        const json_object *row = find_row(c, interface, &rows);
        uint64_t packets_min;

        if (!row || !json_u64(row, "kill_min", &packets_min))
                packets_min = KILL_MIN;
        return filter_call(c, "SetKillSwitch", false, NULL, e, "sdt", interface, share,
                           packets_min);
}

static int set_mode(Context *c, const Args *args) {
        const char *mode = args->positional[1], *time = args->value[OPTION_FOR],
                   *share = args->value[OPTION_KILL_SHARE];
        bool enforce = streq(mode, "enforce");
        char interface[64], text[FORMAT_MAX];
        Error e = ERROR_INIT;
        uint64_t duration = 0;
        double part = 0;
        int r;

        if (!enforce && !streq(mode, "shadow")) {
                fail("filter mode %s: not one of shadow, enforce", mode);
                return CLI_USAGE;
        }
        if (enforce && !time) {
                fail("filter mode enforce needs --for TIME: what drops packets ends by itself");
                return CLI_USAGE;
        }
        if (!enforce && time) {
                fail("filter mode shadow takes no --for: it needs no end");
                return CLI_USAGE;
        }
        if (time && parse_duration(time, &duration) < 0) {
                fail("--for %s: a time such as 90s, 15m or 2h, at most 24h, is accepted", time);
                return CLI_USAGE;
        }
        if (share && (!enforce || parse_double(share, 0.001, 1, &part) < 0)) {
                fail("--kill-share %s: %s", share,
                     enforce ? "a number from 0.001 to 1 is accepted" : "shadow drops nothing");
                return CLI_USAGE;
        }
        r = choose_interface(c, args, 2, interface, sizeof(interface));
        if (r != CLI_OK)
                return r;
        if (share)
                r = set_kill_share(c, interface, part, &e);
        if (r == CLI_OK)
                r = filter_call(c, "SetMode", false, NULL, &e, "sst", interface, mode, duration);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (enforce)
                return answer(c, interface, json_object_new_string(mode),
                              "The filter on %s drops what it takes for malicious, for %s.\n",
                              interface, format_duration(text, duration));
        return answer(c, interface, json_object_new_string(mode),
                      "The filter on %s drops nothing.\n", interface);
}

static int list_allowed(Context *c, const char *interface) {
        _cleanup_message_ sd_bus_message *m = NULL;
        _cleanup_json_ json_object *list = json_object_new_array();
        Error e = ERROR_INIT;
        const char *prefix;
        int r;

        r = client_call(c, &m, &e, AIKM_BUS_FILTER, "ListAllowed", "s", interface);
        if (r != CLI_OK)
                return client_fail(r, &e);
        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r > 0 && (r = sd_bus_message_read(m, "s", &prefix)) > 0) {
                if (!c->json)
                        puts(prefix);
                else if (!list || json_object_array_add(list, json_object_new_string(prefix)) < 0)
                        return fail("out of memory");
        }
        if (r < 0)
                return fail("the answer of aikmd to ListAllowed is not understood: %s",
                            strerror(-r));
        return c->json ? json_print(list) : CLI_OK;
}

static int change_allowed(Context *c, bool add, const char *interface, const char *prefix) {
        _cleanup_message_ sd_bus_message *m = NULL;
        Error e = ERROR_INIT;
        int changed, r;

        r = client_call(c, &m, &e, AIKM_BUS_FILTER, add ? "AddAllowed" : "RemoveAllowed", "ss",
                        interface, prefix);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (sd_bus_message_read(m, "b", &changed) < 0)
                return fail("the answer of aikmd is not understood");
        if (!add && !changed)
                return fail("%s is not on the allow-list of %s; aikmctl filter allow list shows it",
                            prefix, interface);
        return answer(c, interface, json_object_new_boolean(changed),
                      "%s is %s the allow-list of %s%s.\n", prefix, add ? "on" : "no more on",
                      interface, changed ? "" : " already");
}

static int allow(Context *c, const Args *args) {
        const char *what = args->positional[1];
        bool list = streq(what, "list"), add = streq(what, "add");
        char interface[64];
        int r;

        if (!list && !add && !streq(what, "del")) {
                fail("filter allow %s: not one of add, del, list", what);
                return CLI_USAGE;
        }
        if (!list && args->n_positional < 3) {
                fail("filter allow %s needs a prefix, such as 192.0.2.0/24", what);
                return CLI_USAGE;
        }
        if (list && args->n_positional > 3) {
                fail("filter allow list takes one interface, and %s is too much",
                     args->positional[3]);
                return CLI_USAGE;
        }
        r = choose_interface(c, args, list ? 2 : 3, interface, sizeof(interface));
        if (r != CLI_OK)
                return r;
        return list ? list_allowed(c, interface)
                    : change_allowed(c, add, interface, args->positional[2]);
}

/* --- looking --------------------------------------------------------------------------------- */

static int status(Context *c, const Args *args) {
        return filter_show_status(c);
}

static int top(Context *c, const Args *args) {
        char interface[64];
        uint64_t lines = LINES;
        int r;

        if (args->value[OPTION_LINES] &&
            parse_u64(args->value[OPTION_LINES], 1, 1000, &lines) < 0) {
                fail("--lines %s: a number from 1 to 1000 is accepted", args->value[OPTION_LINES]);
                return CLI_USAGE;
        }
        r = choose_interface(c, args, 1, interface, sizeof(interface));
        return r != CLI_OK ? r : filter_show_top(c, interface, (uint32_t)lines);
}

static int explain(Context *c, const Args *args) {
        char interface[64];
        int r = choose_interface(c, args, 2, interface, sizeof(interface));

        return r != CLI_OK ? r : filter_show_source(c, interface, args->positional[1]);
}

#define BIT(option) (1U << OPTION_##option)

static const struct {
        const char *name, *wants;
        size_t min, max; /* arguments behind it */
        int (*run)(Context *c, const Args *args);
        unsigned options; /* a bit each that it takes */
} actions[] = {
        {"status", "no argument", 0, 0, status, 0},
        {"attach", "IFACE", 1, 1, attach, BIT(MODEL)},
        {"detach", "IFACE", 1, 1, detach, 0},
        {"top", "[IFACE]", 0, 1, top, BIT(LINES) | BIT(INTERFACE)},
        {"mode", "shadow|enforce [IFACE]", 1, 2, set_mode,
         BIT(FOR) | BIT(KILL_SHARE) | BIT(INTERFACE)},
        {"allow", "add PREFIX, del PREFIX or list, and [IFACE]", 1, 3, allow, BIT(INTERFACE)},
        {"explain", "ADDRESS [IFACE]", 1, 2, explain, BIT(INTERFACE)},
};

static int run(Context *c, int argc, char **argv) {
        const char *what;
        Args args;
        size_t n;
        int r;

        if (!args_begin(c, &verb_spec_filter, argc, argv, &args, &r))
                return r;
        what = args.n_positional > 0 ? args.positional[0] : "status";
        n = args.n_positional > 0 ? args.n_positional - 1 : 0;
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                if (!streq(what, actions[i].name))
                        continue;
                if (n < actions[i].min || n > actions[i].max) {
                        fail("filter %s takes %s", what, actions[i].wants);
                        return CLI_USAGE;
                }
                for (size_t k = 0; k < _OPTION_COUNT; k++)
                        if (args.value[k] && !(actions[i].options & 1U << k)) {
                                fail("filter %s takes no --%s", what, options[k].name);
                                return CLI_USAGE;
                        }
                return actions[i].run(c, &args);
        }
        fail("filter %s: not one of status, attach, detach, top, mode, allow, explain", what);
        return CLI_USAGE;
}

const Verb verb_spec_filter = {
        .name = "filter",
        .args = "[status|attach IFACE|detach IFACE|top [IFACE]|mode shadow|enforce [IFACE]|allow "
                "add|del|list [PREFIX] [IFACE]|explain ADDRESS [IFACE]]",
        .summary = "Judges the packets that come in, in the kernel.",
        .options = options,
        .max_args = 4,
        .run = run,
        .details =
                "A filter begins in shadow: it judges and counts, and drops nothing. It may drop "
                "for\na time (mode enforce --for), or where policy says so. IFACE may be left "
                "out where\none interface alone has a filter.",
};
