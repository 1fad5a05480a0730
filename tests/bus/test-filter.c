/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * org.aikm1.Filter on interfaces of the test's own: attached on request and by policy, enforcing
 * for a time, tripped, rolled back, kept and taken over, gone with its interface. test-filter AIKMD
 * OBJECT-FOLDER
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "collectors/filter.h"
#include "tests/bus/fixture.h"
#include "tests/harness/filter-net.h"
#include "tests/harness/filter-subject.h"
#include "tests/harness/packets.h"
#include "util/time.h"

#define FILTER "org.aikm1.Filter"
#define MANAGER "org.aikm1.Manager"
#define POLICY "org.aikm1.Policy"
#define LEDGER "org.aikm1.Ledger"
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define NO_SUCH_FILTER "org.aikm1.Error.NoSuchFilter"
#define NO_SUCH_INTERFACE "org.aikm1.Error.NoSuchInterface"
#define NO_SUCH_MODEL "org.aikm1.Error.NoSuchModel"
#define MODEL_REFUSED "org.aikm1.Error.ModelRefused"
#define INTERFACE_BUSY "org.aikm1.Error.InterfaceBusy"
#define LEASE UINT64_C(600000000)

static FilterNet net;
static const char *objects;
static char filter_dir[96];
static int sender = -1;

/* --- the daemon, its models and its files ---------------------------------------------------- */

static void add_model(const Fixture *f, const char *object, const char *name, const char *sheet) {
        char from[PATH_MAX], to[PATH_MAX], file[128];

        snprintf(from, sizeof(from), "%s/filter-%s.bpf.o", objects, object);
        snprintf(to, sizeof(to), "%s/state/filters/%s.bpf.o", f->dir, name);
        assert_int_equal(symlink(from, to), 0);
        snprintf(file, sizeof(file), "state/filters/%s.json", name);
        if (sheet)
                fixture_write_file(f, file, sheet);
}

static int setup(void **state) {
        char path[128];
        Fixture *f;

        assert_int_equal(fixture_setup(state), 0);
        f = *state;
        f->filter_dir = filter_dir;
        snprintf(path, sizeof(path), "%s/state", f->dir);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/state/filters", f->dir);
        assert_int_equal(mkdir(path, 0700), 0);
        add_model(f, "always-0", "never", NULL);
        add_model(f, "always-1", "all", "{\"classes\": [\"benign\", \"flood\"]}");
        add_model(f, "syn-flood", "syn", NULL);
        fixture_write_file(f, "state/filters/broken.bpf.o", "\177ELF and no more");
        fixture_start_daemon(f, "observe");
        return 0;
}

static int teardown(void **state) {
        char command[160];
        int r = fixture_teardown(state);

        /* What a test that failed has left. */
        snprintf(command, sizeof(command), "rm -rf %s", filter_dir);
        (void)filter_net_run(&net, false, command);
        (void)filter_net_run(&net, false, "ip link set f0 xdp off");
        return r;
}

static void restart(Fixture *f, int signal, const char *mode) {
        (void)fixture_stop_daemon(f, signal);
        fixture_start_daemon(f, mode);
}

static void policy(const Fixture *f, const char *filter) {
        char text[1024];

        snprintf(text, sizeof(text), "{\"filter\": %s}", filter);
        fixture_write_file(f, "conf/policy.d/filter.json", text);
}

static void reload(const Fixture *f) {
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "Reload", ""));
}

static bool log_says(const Fixture *f, const char *text) {
        char command[256];

        snprintf(command, sizeof(command), "grep -qF '%s' %s/log", text, f->dir);
        return system(command) == 0;
}

/* --- what it says ---------------------------------------------------------------------------- */

typedef struct Row {
        bool there;
        char model[64], mode[16], path[16];
        uint64_t packets, malicious, dropped, allowed, trips, lease, kill_min;
        double kill_share;
        int by_policy, tripped, suspended;
} Row;

static void read_value(sd_bus_message *m, const char *key, Row *row) {
        const struct {
                const char *key;
                uint64_t *to;
        } numbers[] = {
                {"Packets", &row->packets},  {"Malicious", &row->malicious},
                {"Dropped", &row->dropped},  {"Allowed", &row->allowed},
                {"Trips", &row->trips},      {"LeaseUSec", &row->lease},
                {"KillMin", &row->kill_min},
        };
        const struct {
                const char *key;
                char *to;
                size_t size;
        } texts[] = {
                {"Model", row->model, sizeof(row->model)},
                {"Mode", row->mode, sizeof(row->mode)},
                {"Path", row->path, sizeof(row->path)},
        };
        const struct {
                const char *key;
                int *to;
        } flags[] = {
                {"ByPolicy", &row->by_policy},
                {"Tripped", &row->tripped},
                {"Suspended", &row->suspended},
        };
        const char *text;

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(key, numbers[i].key)) {
                        assert_true(sd_bus_message_read(m, "v", "t", numbers[i].to) > 0);
                        return;
                }
        for (size_t i = 0; i < ELEMENTSOF(flags); i++)
                if (streq(key, flags[i].key)) {
                        assert_true(sd_bus_message_read(m, "v", "b", flags[i].to) > 0);
                        return;
                }
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(key, texts[i].key)) {
                        assert_true(sd_bus_message_read(m, "v", "s", &text) > 0);
                        snprintf(texts[i].to, texts[i].size, "%s", text);
                        return;
                }
        if (streq(key, "KillShare"))
                assert_true(sd_bus_message_read(m, "v", "d", &row->kill_share) > 0);
        else
                assert_true(sd_bus_message_skip(m, "v") >= 0);
}

/* The only filter; nothing where there is none. */
static Row only(const Fixture *f) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = fixture_call(f->bus, NULL, FILTER, "List", "");
        Row row = {};

        assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
        while (sd_bus_message_enter_container(m, 'a', "{sv}") > 0) {
                assert_false(row.there);
                row.there = true;
                while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                        const char *key;

                        assert_true(sd_bus_message_read(m, "s", &key) > 0);
                        read_value(m, key, &row);
                        assert_true(sd_bus_message_exit_container(m) >= 0);
                }
                assert_true(sd_bus_message_exit_container(m) >= 0);
        }
        return row;
}

typedef struct Wanted {
        const Fixture *f;
        const char *mode; /* NULL: no filter */
        int tripped;
} Wanted;

static bool is_as_wanted(void *userdata) {
        const Wanted *w = userdata;
        Row row = only(w->f);

        return w->mode ? row.there && streq(row.mode, w->mode) && row.tripped == w->tripped
                       : !row.there;
}

static void wait_mode(const Fixture *f, const char *mode) {
        assert_true(fixture_wait(is_as_wanted, &(Wanted){.f = f, .mode = mode}));
}

static void call(const Fixture *f, const char *error, const char *method, const char *a,
                 const char *b) {
        sd_bus_message_unref(b ? fixture_call(f->bus, error, FILTER, method, "ss", a, b)
                               : fixture_call(f->bus, error, FILTER, method, "s", a));
}

static void set_mode(const Fixture *f, const char *error, const char *mode, uint64_t duration) {
        sd_bus_message_unref(
                fixture_call(f->bus, error, FILTER, "SetMode", "sst", "f0", mode, duration));
}

/* How many entries of the ledger are in force. */
static uint32_t in_force(const Fixture *f) {
        return fixture_status_u32(f->bus, "LedgerActive");
}

/* Whether the kernel has a filter of ours on f0, whatever the daemon says. */
static bool is_pinned(void) {
        _cleanup_(filter_freep)
        Filter *filter = NULL;
        char path[128];

        snprintf(path, sizeof(path), "%s/if%u", filter_dir, net.interface);
        return filter_adopt(path, &filter, NULL) >= 0;
}

static bool is_attached(void) {
        return filter_net_run(&net, false, "ip link show f0 | grep -q xdp") == 0;
}

/* --- packets --------------------------------------------------------------------------------- */

static void send_frames(unsigned source, size_t n) {
        Frame frame = frame_datagram(source);

        for (size_t i = 0; i < n; i++) {
                assert_int_equal(send(sender, frame.bytes, frame.size, 0), frame.size);
                if (i % 32 == 31)
                        usleep(1000);
        }
}

/* What is wrong about one source is no reason for the kill switch: n of each of 40. */
static void send_spread(size_t n) {
        for (unsigned source = 10; source < 50; source++)
                send_frames(source, n);
}

typedef struct Count {
        const Fixture *f;
        uint64_t packets;
} Count;

static bool has_packets(void *userdata) {
        const Count *c = userdata;

        return only(c->f).packets >= c->packets;
}

/* Returns what the filter says after they have come in. */
static Row judge(const Fixture *f, unsigned source, size_t n) {
        Count c = {.f = f, .packets = only(f).packets + n};

        send_frames(source, n);
        assert_true(fixture_wait(has_packets, &c));
        return only(f);
}

/* --- on request ------------------------------------------------------------------------------ */

static void test_nothing_unasked(void **state) {
        const Fixture *f = *state;

        assert_false(only(f).there);
        assert_false(is_attached());
        assert_true(access(filter_dir, F_OK) < 0);
        assert_int_equal(fixture_status_u32(f->bus, "Filters"), 0);
}

static void test_attach_and_detach(void **state) {
        const Fixture *f = *state;
        Row row;

        call(f, NULL, "Attach", "f0", "all");
        row = only(f);
        assert_string_equal(row.model, "all");
        assert_string_equal(row.mode, "shadow");
        assert_string_equal(row.path, "native");
        assert_false(row.by_policy);
        assert_true(is_attached() && is_pinned());
        assert_int_equal(in_force(f), 1);
        assert_int_equal(fixture_status_u32(f->bus, "Filters"), 1);
        /* Judged and passed. */
        row = judge(f, 7, 64);
        assert_int_equal(row.malicious, 64);
        assert_int_equal(row.dropped, 0);
        /* Another model, the same counters. */
        call(f, INTERFACE_BUSY, "Attach", "f0", "all");
        call(f, NULL, "Attach", "f0", "never");
        row = judge(f, 7, 10);
        assert_string_equal(row.model, "never");
        assert_int_equal(row.packets, 74);
        assert_int_equal(row.malicious, 64);
        call(f, NULL, "Detach", "f0", NULL);
        assert_false(only(f).there || is_attached() || is_pinned());
        assert_int_equal(in_force(f), 0);
        call(f, NO_SUCH_FILTER, "Detach", "f0", NULL);
}

static const char *long_text(void) {
        static char text[1002] = "x";

        for (size_t i = 1; i + 2 < sizeof(text); i += 2)
                memcpy(text + i, "\xc3\xa4", 3);
        return text;
}

/* The complaint names what was given. */
static void refuse(const Fixture *f, const char *method, const char *interface, const char *says) {
        _cleanup_(sd_bus_error_free)
        sd_bus_error e = SD_BUS_ERROR_NULL;

        assert_true(sd_bus_call_method(f->bus, "org.aikm1", "/org/aikm1/filter", FILTER, method, &e,
                                       NULL, "ss", interface, "all") < 0);
        assert_string_equal(e.name, INVALID_ARGS);
        assert_non_null(strstr(e.message, says));
}

static void test_refusals(void **state) {
        const Fixture *f = *state;
        Subject foreign;
        Error e = ERROR_INIT;
        Filter *other = NULL;

        call(f, NO_SUCH_INTERFACE, "Attach", "nowhere", "all");
        call(f, NO_SUCH_MODEL, "Attach", "f0", "three");
        call(f, NO_SUCH_MODEL, "Attach", "f0", "");
        call(f, NO_SUCH_MODEL, "Attach", "f0", "/nowhere/x.bpf.o");
        call(f, MODEL_REFUSED, "Attach", "f0", "../filters/all");
        call(f, MODEL_REFUSED, "Attach", "f0", "broken");
        set_mode(f, NO_SUCH_FILTER, "enforce", LEASE);
        call(f, INVALID_ARGS, "Attach", "", "all");
        refuse(f, "Attach", "a/b", "\"a/b\" is not the name of a network interface");
        /* Texts are cut, and not through a character: the bus would take that for a broken one. */
        call(f, INVALID_ARGS, "Detach", "12345678901234\xc3\xa4", NULL);
        call(f, INVALID_ARGS, "AddAllowed", "f0", long_text());
        call(f, MODEL_REFUSED, "Attach", "f0", long_text());
        call(f, MODEL_REFUSED, "Attach", "f0", long_text() + 1);
        call(f, NO_SUCH_FILTER, "ListAllowed", "f0", NULL);
        call(f, NO_SUCH_FILTER, "Explain", "f0", "192.0.2.1");
        call(f, INVALID_ARGS, "Explain", "f0", "192.0.2.0/24");
        call(f, INVALID_ARGS, "AddAllowed", "f0", "192.0.2.1/24");
        assert_false(only(f).there || is_attached());
        assert_int_equal(in_force(f), 0);

        call(f, NULL, "Attach", "f0", "all");
        set_mode(f, INVALID_ARGS, "observe", 0);
        set_mode(f, INVALID_ARGS, "off", 0);
        set_mode(f, INVALID_ARGS, "enforce", 0);
        set_mode(f, INVALID_ARGS, "enforce", 24 * 3600 * USEC_PER_SEC + 1);
        set_mode(f, INVALID_ARGS, "shadow", 1);
        assert_string_equal(only(f).mode, "shadow");
        call(f, NULL, "Detach", "f0", NULL);

        /* Somebody else's program is left alone. */
        assert_int_equal(subject_load(objects, "always-0", 9, &foreign), 0);
        assert_int_equal(filter_attach(net.interface, &foreign.model, NULL, &other, &e), 0);
        call(f, INTERFACE_BUSY, "Attach", "f0", "all");
        assert_true(is_attached());
        assert_int_equal(in_force(f), 0);
        filter_free(other);
        subject_done(&foreign);
        assert_false(is_attached());
}

static void test_lease(void **state) {
        const Fixture *f = *state;
        Row row;

        call(f, NULL, "Attach", "f0", "all");
        /* So few that the kill switch has nothing to say. */
        set_mode(f, NULL, "enforce", 2 * USEC_PER_SEC);
        row = judge(f, 7, 50);
        assert_string_equal(row.mode, "enforce");
        assert_true(row.lease > 0 && row.lease <= 2 * USEC_PER_SEC);
        assert_int_equal(row.dropped, 50);
        assert_int_equal(fixture_status_u32(f->bus, "FiltersEnforcing"), 1);
        wait_mode(f, "shadow");
        row = judge(f, 7, 50);
        assert_int_equal(row.malicious, 100);
        assert_int_equal(row.dropped, 50);
        assert_int_equal(row.lease, 0);
        /* Ended before its time. */
        set_mode(f, NULL, "enforce", LEASE);
        assert_string_equal(only(f).mode, "enforce");
        set_mode(f, NULL, "shadow", 0);
        assert_int_equal(judge(f, 7, 50).dropped, 50);
        /* Whoever sets the daemon to observe wants nothing to be done any more. */
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "enforce"));
        set_mode(f, NULL, "enforce", LEASE);
        assert_int_equal(judge(f, 7, 10).dropped, 60);
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "observe"));
        assert_int_equal(judge(f, 7, 10).dropped, 60);
}

static void test_allow_list(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        const char *prefix;
        int changed;
        Row row;

        call(f, NULL, "Attach", "f0", "all");
        set_mode(f, NULL, "enforce", LEASE);
        m = fixture_call(f->bus, NULL, FILTER, "AddAllowed", "ss", "f0", "192.0.2.7");
        assert_true(sd_bus_message_read(m, "b", &changed) > 0 && changed);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "AddAllowed", "ss", "f0", "192.0.2.7");
        assert_true(sd_bus_message_read(m, "b", &changed) > 0 && !changed);
        (void)judge(f, 7, 30);
        row = judge(f, 8, 20);
        assert_int_equal(row.allowed, 30);
        assert_int_equal(row.dropped, 20);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "ListAllowed", "s", "f0");
        assert_true(sd_bus_message_enter_container(m, 'a', "s") > 0);
        assert_true(sd_bus_message_read(m, "s", &prefix) > 0);
        assert_string_equal(prefix, "192.0.2.7");
        assert_int_equal(sd_bus_message_read(m, "s", &prefix), 0);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "RemoveAllowed", "ss", "f0", "192.0.2.7/32");
        assert_true(sd_bus_message_read(m, "b", &changed) > 0 && changed);
        assert_int_equal(judge(f, 7, 10).dropped, 30);
}

static bool has_sample(void *userdata) {
        const Fixture *f = userdata;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = fixture_call(f->bus, NULL, FILTER, "List", "");
        uint64_t n = 0;

        assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
        fixture_seek(m, "Samples", "t");
        assert_true(sd_bus_message_read(m, "t", &n) > 0);
        return n > 0;
}

static void explained_as(const Fixture *f, const char *source, const char *key, const char *value) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = fixture_call(f->bus, NULL, FILTER, "Explain", "ss", "f0", source);
        const char *text;

        fixture_seek(m, key, "s");
        assert_true(sd_bus_message_read(m, "s", &text) > 0);
        assert_string_equal(text, value);
}

static void test_explain(void **state) {
        Fixture *f = *state;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        const char *name;
        uint64_t n;
        double value;
        int known;

        call(f, NULL, "Attach", "f0", "all");
        (void)judge(f, 7, 20);
        (void)judge(f, 8, 30);
        assert_true(fixture_wait(has_sample, f));
        explained_as(f, "192.0.2.7", "Class", "1 flood");
        explained_as(f, "192.0.2.7", "SampleVerdict", "malicious");
        explained_as(f, "192.0.2.7", "SampleDestination", "192.0.2.1");
        m = fixture_call(f->bus, NULL, FILTER, "Explain", "ss", "f0", "192.0.2.7");
        fixture_seek(m, "SampleFields", "a{sd}");
        assert_true(sd_bus_message_enter_container(m, 'a', "{sd}") > 0);
        assert_true(sd_bus_message_read(m, "{sd}", &name, &value) > 0);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "Explain", "ss", "f0", "192.0.2.99");
        fixture_seek(m, "Known", "b");
        assert_true(sd_bus_message_read(m, "b", &known) > 0 && !known);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "Top", "su", "f0", 1);
        assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
        fixture_seek(m, "Packets", "t");
        assert_true(sd_bus_message_read(m, "t", &n) > 0);
        assert_int_equal(n, 30);
}

static int sealed(const char *data, size_t size) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
        return fd;
}

static void test_object(void **state) {
        const Fixture *f = *state;
        _cleanup_close_
        int object = -EBADF, sheet = -EBADF, wrong = -EBADF;
        Subject s;

        assert_int_equal(subject_load(objects, "always-1", 9, &s), 0);
        object = sealed(s.object, s.size);
        sheet = sealed("", 0);
        wrong = sealed("{\"malicious\": [99]}", 19);
        sd_bus_message_unref(fixture_call(f->bus, MODEL_REFUSED, FILTER, "AttachObject", "sshh",
                                          "f0", "mine", object, wrong));
        sd_bus_message_unref(fixture_call(f->bus, MODEL_REFUSED, FILTER, "AttachObject", "sshh",
                                          "f0", "mine", sheet, sheet));
        sd_bus_message_unref(fixture_call(f->bus, MODEL_REFUSED, FILTER, "AttachObject", "sshh",
                                          "f0", "mine", STDIN_FILENO, sheet));
        assert_false(only(f).there);
        sd_bus_message_unref(fixture_call(f->bus, NULL, FILTER, "AttachObject", "sshh", "f0",
                                          "mine", object, sheet));
        assert_string_equal(only(f).model, "mine");
        subject_done(&s);
}

/* --- kill switch, signals -------------------------------------------------------------------- */

typedef struct Heard {
        char changes[512]; /* "attached enforce …" */
        uint64_t trips;
} Heard;

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface, *what;
        Heard *h = userdata;
        size_t n = strlen(h->changes);

        assert_true(sd_bus_message_read(m, "ss", &interface, &what) > 0);
        assert_string_equal(interface, "f0");
        snprintf(h->changes + n, sizeof(h->changes) - n, "%s%s", n ? " " : "", what);
        return 0;
}

static int on_tripped(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface;
        Heard *h = userdata;

        assert_true(sd_bus_message_read(m, "st", &interface, &h->trips) > 0);
        return 0;
}

static sd_bus *listen_to(const Fixture *f, Heard *h) {
        sd_bus *bus = fixture_connect(f);

        assert_true(sd_bus_match_signal(bus, NULL, "org.aikm1", "/org/aikm1/filter", FILTER,
                                        "Changed", on_changed, h) >= 0);
        assert_true(sd_bus_match_signal(bus, NULL, "org.aikm1", "/org/aikm1/filter", FILTER,
                                        "Tripped", on_tripped, h) >= 0);
        return bus;
}

static void take_in(sd_bus *bus) {
        /* Signals before the answer are here with it. */
        assert_true(sd_bus_call_method(bus, "org.aikm1", "/org/aikm1", "org.freedesktop.DBus.Peer",
                                       "Ping", NULL, NULL, NULL) >= 0);
        while (sd_bus_process(bus, NULL) > 0)
                ;
}

static void test_kill_switch(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = NULL;
        Heard heard = {};
        Row row;

        bus = listen_to(f, &heard);
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"all\", \"mode\": "
                  "\"enforce\","
                  " \"kill_share\": 0.5, \"kill_min\": 100}]}");
        restart(*state, SIGTERM, "enforce");
        wait_mode(f, "enforce");
        send_spread(10);
        assert_true(fixture_wait(is_as_wanted, &(Wanted){.f = f, .mode = "shadow", .tripped = 1}));
        row = only(f);
        assert_true(row.dropped >= 50 && row.dropped < 400);
        /* Told within a second, and policy does not let it drop again. */
        for (int i = 0; i < 100 && heard.trips == 0; i++) {
                usleep(50000);
                take_in(bus);
        }
        assert_int_equal(heard.trips, 1);
        row = only(f);
        assert_true(row.suspended && row.tripped);
        assert_int_equal(row.trips, 1);
        /* Nor does a daemon that comes back. */
        policy(f, "{\"on_stop\": \"keep\", \"interfaces\": [{\"interface\": \"f0\", \"model\": "
                  "\"all\","
                  " \"mode\": \"enforce\", \"kill_share\": 0.5, \"kill_min\": 100}]}");
        restart(*state, SIGKILL, "enforce");
        row = only(f);
        assert_true(row.there && row.suspended && row.tripped);
        assert_string_equal(row.mode, "shadow");
        /* Somebody who reads the configuration again means it. */
        reload(f);
        wait_mode(f, "enforce");
        assert_int_equal(only(f).suspended, false);
}

static void set_kill_switch(const Fixture *f, const char *error, double share, uint64_t n) {
        sd_bus_message_unref(
                fixture_call(f->bus, error, FILTER, "SetKillSwitch", "sdt", "f0", share, n));
}

static void test_kill_switch_on_request(void **state) {
        const Fixture *f = *state;

        set_kill_switch(f, NO_SUCH_FILTER, 1, 1);
        call(f, NULL, "Attach", "f0", "all");
        set_kill_switch(f, INVALID_ARGS, 0, 1);
        set_kill_switch(f, INVALID_ARGS, 1.1, 1);
        set_kill_switch(f, INVALID_ARGS, 0.5, 0);
        set_kill_switch(f, NULL, 1, 1);
        set_mode(f, NULL, "enforce", LEASE);
        assert_int_equal(judge(f, 7, 300).dropped, 300);
        assert_string_equal(only(f).mode, "enforce");
        set_kill_switch(f, NULL, 0.25, 100);
        send_spread(10);
        assert_true(fixture_wait(is_as_wanted, &(Wanted){.f = f, .mode = "shadow", .tripped = 1}));
        /* The lease is over with that; another one begins where somebody says so. */
        assert_int_equal(only(f).lease, 0);
        set_mode(f, NULL, "enforce", LEASE);
        assert_string_equal(only(f).mode, "enforce");
        assert_false(only(f).tripped);
}

static bool has_standard_switch(void *userdata) {
        Row row = only(userdata);

        return row.kill_share == 0.5 && row.kill_min == 256;
}

/* What is said for one lease is not for the next, however the first ends. */
static void test_kill_switch_is_the_leases(void **state) {
        Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        assert_true(has_standard_switch(f));
        for (int i = 0; i < 2; i++) {
                set_kill_switch(f, NULL, 1, 7);
                set_mode(f, NULL, "enforce", i == 0 ? LEASE : 1000000);
                assert_true(only(f).kill_share == 1 && only(f).kill_min == 7);
                if (i == 0)
                        set_mode(f, NULL, "shadow", 0);
                assert_true(fixture_wait(has_standard_switch, f));
        }
        /* Said while it runs, too. */
        set_mode(f, NULL, "enforce", LEASE);
        set_kill_switch(f, NULL, 1, 7);
        assert_true(only(f).kill_share == 1);
        set_mode(f, NULL, "shadow", 0);
        assert_true(has_standard_switch(f));
}

static void test_signals(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = NULL;
        Heard heard = {};

        bus = listen_to(f, &heard);
        call(f, NULL, "Attach", "f0", "all");
        call(f, NULL, "Attach", "f0", "never");
        set_mode(f, NULL, "enforce", LEASE);
        set_mode(f, NULL, "enforce", LEASE / 2);
        set_mode(f, NULL, "shadow", 0);
        call(f, NULL, "Detach", "f0", NULL);
        take_in(bus);
        assert_string_equal(heard.changes, "attached model enforce shadow detached");
}

/* --- policy ---------------------------------------------------------------------------------- */

static void test_policy(void **state) {
        const Fixture *f = *state;
        Row row;

        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"all\", \"mode\": "
                  "\"enforce\","
                  " \"allow\": [\"192.0.2.9\"]}]}");
        reload(f);
        row = only(f);
        assert_true(row.there && row.by_policy);
        /* While the daemon observes it never enforces. */
        assert_string_equal(row.mode, "shadow");
        assert_int_equal(judge(f, 7, 10).dropped, 0);
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "enforce"));
        assert_string_equal(only(f).mode, "enforce");
        assert_int_equal(judge(f, 7, 10).dropped, 10);
        assert_int_equal(judge(f, 9, 10).allowed, 10);
        /* Somebody's word counts more, until the files are read again. */
        set_mode(f, NULL, "shadow", 0);
        assert_int_equal(judge(f, 7, 10).dropped, 10);
        reload(f);
        assert_string_equal(only(f).mode, "enforce");
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "observe"));
        assert_string_equal(only(f).mode, "shadow");
        call(f, NULL, "Detach", "f0", NULL);
        usleep(1500000);
        assert_false(only(f).there);
        reload(f);
        (void)judge(f, 7, 10);
        /* A file that is wrong changes nothing. */
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"mode\": \"loud\"}]}");
        sd_bus_message_unref(
                fixture_call(f->bus, "org.aikm1.Error.Configuration", MANAGER, "Reload", ""));
        assert_string_equal(only(f).model, "all");
        /* Another model takes the old one's place. */
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"never\"}]}");
        reload(f);
        row = only(f);
        assert_string_equal(row.model, "never");
        assert_int_equal(row.packets, 10);
        assert_true(log_says(f, "The filter on f0 has model never now: policy wants it"));
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"mode\": \"off\"}]}");
        reload(f);
        assert_false(only(f).there || is_attached());
        assert_int_equal(in_force(f), 0);
}

static void test_requested_is_left_alone(void **state) {
        const Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        policy(f, "{\"interfaces\": []}");
        reload(f);
        assert_true(only(f).there);
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1, "interval", "200ms"));
        assert_true(only(f).there);
}

/* An interface that comes later, is renamed, and goes. */
static void test_interfaces_come_and_go(void **state) {
        const Fixture *f = *state;

        policy(f, "{\"interfaces\": [{\"interface\": \"late0\", \"model\": \"all\"}]}");
        reload(f);
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
        assert_int_equal(filter_net_run(&net, false, "ip link add late0 type veth peer name late1"),
                         0);
        wait_mode(f, "shadow");
        assert_int_equal(in_force(f), 1);
        /* Under another name policy does not want it. */
        assert_int_equal(filter_net_run(&net, false, "ip link set late0 name later0"), 0);
        wait_mode(f, NULL);
        assert_int_equal(filter_net_run(&net, false, "ip link set later0 name late0"), 0);
        wait_mode(f, "shadow");
        assert_int_equal(filter_net_run(&net, false, "ip link del late0"), 0);
        wait_mode(f, NULL);
        assert_int_equal(in_force(f), 0);
        assert_int_equal(filter_net_run(&net, false, "ip link add late0 type veth peer name late1"),
                         0);
        wait_mode(f, "shadow");
        assert_int_equal(filter_net_run(&net, false, "ip link del late0"), 0);
}

static void run_here(const char *command) {
        assert_int_equal(filter_net_run(&net, false, command), 0);
}

/* Scripts do not wait for the daemon's next look. */
static void test_interface_replaced(void **state) {
        const Fixture *f = *state;

        run_here("ip link add late0 type veth peer name late1");
        call(f, NULL, "Attach", "late0", "all");
        run_here("ip link del late0 && ip link add late0 type veth peer name late1");
        assert_false(only(f).there);
        call(f, NULL, "Attach", "late0", "all");
        run_here("ip link show late0 | grep -q xdp");
        run_here("ip link del late0 && ip link add late0 type veth peer name late1");
        call(f, NULL, "Attach", "late0", "never");
        run_here("ip link show late0 | grep -q xdp");
        run_here("ip link set late0 name later0");
        call(f, NO_SUCH_FILTER, "AddAllowed", "late0", "192.0.2.1");
        call(f, NULL, "AddAllowed", "later0", "192.0.2.1");
        run_here("ip link del later0");
        call(f, NO_SUCH_FILTER, "AddAllowed", "later0", "192.0.2.2");
        assert_int_equal(in_force(f), 0);
}

/* What a container takes along is no interface of ours any more: nothing of ours judges there. */
static void test_other_namespace(void **state) {
        const Fixture *f = *state;
        char command[96];

        assert_int_equal(filter_net_run(&net, false, "ip link add late0 type veth peer name late1"),
                         0);
        call(f, NULL, "Attach", "late0", "all");
        snprintf(command, sizeof(command), "ip link set late0 netns %d", net.peer);
        assert_int_equal(filter_net_run(&net, false, command), 0);
        wait_mode(f, NULL);
        assert_int_equal(in_force(f), 0);
        assert_int_equal(filter_net_run(&net, true, "! ip link show late0 | grep -q xdp"), 0);
        /* The name is free for another one. */
        assert_int_equal(filter_net_run(&net, false, "ip link add late0 type veth peer name late2"),
                         0);
        call(f, NULL, "Attach", "late0", "all");
        assert_int_equal(filter_net_run(&net, false, "ip link del late0; ip link del late1"), 0);
        wait_mode(f, NULL);
}

static void test_taken_off_by_somebody_else(void **state) {
        _cleanup_(filter_freep)
        Filter *filter = NULL;
        const Fixture *f = *state;
        char path[128];

        call(f, NULL, "Attach", "f0", "all");
        snprintf(path, sizeof(path), "%s/if%u", filter_dir, net.interface);
        assert_int_equal(filter_adopt(path, &filter, NULL), 0);
        assert_int_equal(filter_detach(filter, NULL), 0);
        wait_mode(f, NULL);
        assert_int_equal(in_force(f), 0);
        call(f, NULL, "Attach", "f0", "all");
}

/* --- rollback, stop, crash ------------------------------------------------------------------- */

static void test_rollback(void **state) {
        const Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        assert_false(only(f).there || is_attached() || is_pinned());
        assert_int_equal(in_force(f), 0);
        /* What policy brought is not brought again. */
        policy(f, "{\"interfaces\": [{\"interface\": \"f0\", \"model\": \"all\"}]}");
        reload(f);
        assert_true(only(f).there);
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        usleep(1500000);
        assert_false(only(f).there || is_attached());
}

static void test_stop_detaches(void **state) {
        Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        assert_false(is_attached() || is_pinned());
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
}

static void test_crash_detaches(void **state) {
        Fixture *f = *state;

        call(f, NULL, "Attach", "f0", "all");
        (void)fixture_stop_daemon(f, SIGKILL);
        assert_true(is_attached() && is_pinned());
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there || is_attached() || is_pinned());
        assert_int_equal(in_force(f), 0);
}

static void test_keep(void **state) {
        Fixture *f = *state;
        Row row;

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        call(f, NULL, "AddAllowed", "f0", "192.0.2.9");
        set_mode(f, NULL, "enforce", LEASE);
        assert_int_equal(judge(f, 7, 20).dropped, 20);
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        assert_true(is_attached() && is_pinned());
        /* It goes on, and the next daemon knows what it did meanwhile. */
        send_frames(7, 32);
        usleep(100000);
        fixture_start_daemon(f, "observe");
        row = only(f);
        assert_true(row.there);
        assert_string_equal(row.model, "all");
        assert_string_equal(row.mode, "enforce");
        assert_true(row.lease > 0 && row.lease < LEASE);
        assert_int_equal(row.dropped, 52);
        assert_int_equal(judge(f, 9, 5).allowed, 5);
        assert_int_equal(in_force(f), 1);
        /* After a crash as well. */
        restart(f, SIGKILL, "observe");
        assert_int_equal(judge(f, 7, 8).dropped, 60);
        assert_int_equal(in_force(f), 1);
        call(f, NULL, "Detach", "f0", NULL);
        assert_false(is_attached() || is_pinned());
}

/* The kernel ends a lease, whoever is there to see it. */
static void test_lease_without_daemon(void **state) {
        Fixture *f = *state;
        Row row;

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        set_mode(f, NULL, "enforce", 2 * USEC_PER_SEC);
        assert_int_equal(judge(f, 7, 20).dropped, 20);
        (void)fixture_stop_daemon(f, SIGKILL);
        usleep(2100000);
        send_frames(7, 32);
        usleep(100000);
        fixture_start_daemon(f, "observe");
        row = only(f);
        assert_string_equal(row.mode, "shadow");
        assert_int_equal(row.lease, 0);
        assert_int_equal(row.malicious, 52);
        assert_int_equal(row.dropped, 20);
}

/* An interface that goes while nobody looks takes its filter along. */
static void test_gone_while_down(void **state) {
        Fixture *f = *state;
        char command[160];

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        assert_int_equal(filter_net_run(&net, false, "ip link add late0 type veth peer name late1"),
                         0);
        call(f, NULL, "Attach", "late0", "all");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        assert_int_equal(filter_net_run(&net, false, "ip link del late0"), 0);
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
        snprintf(command, sizeof(command), "! ls %s | grep .", filter_dir);
        assert_int_equal(filter_net_run(&net, false, command), 0);
}

/* One that moved while nobody looked is none of ours, even where its new number is that of another
 * interface here; and it is told by the name that it had. */
static void test_moved_while_down(void **state) {
        Fixture *f = *state;
        char command[192];

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        run_here("ip link add late0 index 300 type veth peer name late1");
        call(f, NULL, "Attach", "late0", "all");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        /* 300 is taken there; what it gets instead is given to another one here. */
        assert_int_equal(
                filter_net_run(&net, true, "ip link add taken index 300 type veth peer name t1"),
                0);
        snprintf(command, sizeof(command),
                 "ip link set late0 netns %d && "
                 "n=$(nsenter -t %d -n ip -o link show late0 | cut -d: -f1) && "
                 "{ ip -o link | grep -q \"^$n: \" || "
                 "ip link add same index $n type veth peer name same1; }",
                 net.peer, net.peer);
        run_here(command);
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
        assert_int_equal(in_force(f), 0);
        assert_int_equal(filter_net_run(&net, true, "! ip link show late0 | grep -q xdp"), 0);
        assert_true(log_says(f, "The filter that an earlier run left on late0 is detached"));
        assert_int_equal(filter_net_run(&net, true, "ip link del late0; ip link del taken"), 0);
        run_here("ip link del same 2>/dev/null; true");
}

/* What policy enforced does not go on in a daemon that observes. */
static void test_keep_and_observe(void **state) {
        Fixture *f = *state;

        policy(f, "{\"on_stop\": \"keep\", \"interfaces\": [{\"interface\": \"f0\", \"model\": "
                  "\"all\","
                  " \"mode\": \"enforce\"}]}");
        restart(f, SIGTERM, "enforce");
        assert_int_equal(judge(f, 7, 20).dropped, 20);
        restart(f, SIGTERM, "observe");
        assert_string_equal(only(f).mode, "shadow");
        assert_int_equal(judge(f, 7, 20).dropped, 20);
}

static bool says(const Fixture *f, const char *option, const char *part) {
        char runtime[96], config[96], pins[128], output[1024];

        snprintf(runtime, sizeof(runtime), "--runtime-dir=%s/run", f->dir);
        snprintf(config, sizeof(config), "--config-dir=%s/conf", f->dir);
        snprintf(pins, sizeof(pins), "--filter-dir=%s", filter_dir);
        (void)fixture_run(f, (const char *const[]){runtime, config, pins, option, NULL}, output,
                          sizeof(output));
        if (!strstr(output, part))
                print_message("%s", output);
        return strstr(output, part) != NULL;
}

/* Without a daemon: by hand everything goes, after a failure what policy keeps stays. */
static void test_restore(void **state) {
        Fixture *f = *state;

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        (void)fixture_stop_daemon(f, SIGKILL);
        (void)setenv("SERVICE_RESULT", "signal", 1);
        assert_true(says(f, "--restore=after-failure", "Nothing to put back."));
        assert_true(is_attached());
        assert_true(says(f, "--restore", "1 put back"));
        assert_false(is_attached() || is_pinned());
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);

        policy(f, "{}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        (void)fixture_stop_daemon(f, SIGKILL);
        assert_true(says(f, "--restore=after-failure", "1 put back"));
        assert_false(is_attached());
        (void)unsetenv("SERVICE_RESULT");
        fixture_start_daemon(f, "observe");
}

/* Nor does that need the ledger. */
static void test_restore_without_ledger(void **state) {
        Fixture *f = *state;
        char command[128];

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        snprintf(command, sizeof(command), "rm -rf %s/run", f->dir);
        assert_int_equal(filter_net_run(&net, false, command), 0);
        (void)setenv("SERVICE_RESULT", "signal", 1);
        assert_true(says(f, "--restore=after-failure", "Nothing to put back."));
        (void)unsetenv("SERVICE_RESULT");
        assert_true(is_attached() && is_pinned());
        assert_true(
                says(f, "--restore", "Traffic filters that the ledger did not know: 1 detached"));
        assert_false(is_attached() || is_pinned());
        assert_true(says(f, "--restore", "Nothing to put back."));
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there);
}

/* Somebody cleaned the runtime directory; the filter is still ours. */
static void test_lost_ledger(void **state) {
        Fixture *f = *state;
        char command[128];

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        snprintf(command, sizeof(command), "rm -rf %s/run", f->dir);
        assert_int_equal(filter_net_run(&net, false, command), 0);
        fixture_start_daemon(f, "observe");
        assert_true(only(f).there);
        assert_int_equal(in_force(f), 1);
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        assert_int_equal(filter_net_run(&net, false, command), 0);
        policy(f, "{}");
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there || is_attached() || is_pinned());
}

/* What is in pieces is cleared, not adopted. */
static void test_broken_pins(void **state) {
        Fixture *f = *state;
        char path[128];

        policy(f, "{\"on_stop\": \"keep\"}");
        reload(f);
        call(f, NULL, "Attach", "f0", "all");
        assert_int_equal(fixture_stop_daemon(f, SIGTERM), 0);
        snprintf(path, sizeof(path), "%s/if%u/flows", filter_dir, net.interface);
        assert_int_equal(unlink(path), 0);
        fixture_start_daemon(f, "observe");
        assert_false(only(f).there || is_attached());
        assert_int_equal(in_force(f), 0);
        call(f, NULL, "Attach", "f0", "all");
}

/* --- who may --------------------------------------------------------------------------------- */

/* Without polkit root alone changes anything, and everybody sees how much there is. */
static void test_others(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *nobody = fixture_connect_as(f, 65534);

        call(f, NULL, "Attach", "f0", "all");
        sd_bus_message_unref(fixture_call(nobody, NULL, FILTER, "List", ""));
        sd_bus_message_unref(fixture_call(nobody, NULL, FILTER, "ListAllowed", "s", "f0"));
        /* As with a packet socket: whose packets come in is not for everybody. */
        sd_bus_message_unref(fixture_call(nobody, ACCESS_DENIED, FILTER, "Top", "su", "f0", 5));
        sd_bus_message_unref(
                fixture_call(nobody, ACCESS_DENIED, FILTER, "Explain", "ss", "f0", "192.0.2.1"));
        sd_bus_message_unref(
                fixture_call(nobody, ACCESS_DENIED, FILTER, "Attach", "ss", "f0", "never"));
        sd_bus_message_unref(fixture_call(nobody, ACCESS_DENIED, FILTER, "Detach", "s", "f0"));
        sd_bus_message_unref(fixture_call(nobody, ACCESS_DENIED, FILTER, "SetMode", "sst", "f0",
                                          "enforce", LEASE));
        sd_bus_message_unref(
                fixture_call(nobody, ACCESS_DENIED, FILTER, "AddAllowed", "ss", "f0", "::/0"));
        assert_string_equal(only(f).mode, "shadow");
        assert_string_equal(only(f).model, "all");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int run(int socket) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing_unasked),
                TEST(test_attach_and_detach),
                TEST(test_refusals),
                TEST(test_lease),
                TEST(test_allow_list),
                TEST(test_explain),
                TEST(test_object),
                TEST(test_kill_switch),
                TEST(test_kill_switch_on_request),
                TEST(test_kill_switch_is_the_leases),
                TEST(test_signals),
                TEST(test_policy),
                TEST(test_requested_is_left_alone),
                TEST(test_interfaces_come_and_go),
                TEST(test_interface_replaced),
                TEST(test_other_namespace),
                TEST(test_taken_off_by_somebody_else),
                TEST(test_rollback),
                TEST(test_stop_detaches),
                TEST(test_crash_detaches),
                TEST(test_keep),
                TEST(test_keep_and_observe),
                TEST(test_lease_without_daemon),
                TEST(test_gone_while_down),
                TEST(test_moved_while_down),
                TEST(test_restore),
                TEST(test_restore_without_ledger),
                TEST(test_lost_ledger),
                TEST(test_broken_pins),
                TEST(test_others),
        };

        sender = socket;
        snprintf(filter_dir, sizeof(filter_dir), "%s/aikmd", net.bpffs);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char *argv[]) {
        if (argc != 3) {
                fprintf(stderr, "usage: test-filter AIKMD OBJECT-FOLDER\n");
                return 2;
        }
        fixture_aikmd = argv[1];
        objects = argv[2];
        return filter_net_main(&net, run);
}
