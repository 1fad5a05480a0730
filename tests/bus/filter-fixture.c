/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/bus/filter-fixture.h"

#include "collectors/filter.h"
#include "tests/harness/packets.h"
#include "util/time.h"

FilterNet net;
const char *objects;
char filter_dir[96];
static int sender = -1;

int filter_fixture_main(int argc, char *argv[], int (*run)(int sender)) {
        if (argc != 3) {
                fprintf(stderr, "usage: %s AIKMD OBJECT-FOLDER\n", argv[0]);
                return 2;
        }
        fixture_aikmd = argv[1];
        objects = argv[2];
        return filter_net_main(&net, run);
}

void filter_fixture_begin(int socket) {
        sender = socket;
        snprintf(filter_dir, sizeof(filter_dir), "%s/aikmd", net.bpffs);
}

void run_here(const char *command) {
        assert_int_equal(filter_net_run(&net, false, command), 0);
}

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

int setup(void **state) {
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

int teardown(void **state) {
        char command[160];
        int r = fixture_teardown(state);

        /* What a test that failed has left. */
        snprintf(command, sizeof(command), "rm -rf %s", filter_dir);
        (void)filter_net_run(&net, false, command);
        (void)filter_net_run(&net, false, "ip link set f0 xdp off");
        return r;
}

void restart(Fixture *f, int signal, const char *mode) {
        (void)fixture_stop_daemon(f, signal);
        fixture_start_daemon(f, mode);
}

void policy(const Fixture *f, const char *filter) {
        char text[1024];

        snprintf(text, sizeof(text), "{\"filter\": %s}", filter);
        fixture_write_file(f, "conf/policy.d/filter.json", text);
}

void reload(const Fixture *f) {
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "Reload", ""));
}

bool log_says(const Fixture *f, const char *text) {
        char command[256];

        snprintf(command, sizeof(command), "grep -qF '%s' %s/log", text, f->dir);
        return system(command) == 0;
}

/* --- what it says ---------------------------------------------------------------------------- */

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

Row only(const Fixture *f) {
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

bool is_as_wanted(void *userdata) {
        const Wanted *w = userdata;
        Row row = only(w->f);

        return w->mode ? row.there && streq(row.mode, w->mode) && row.tripped == w->tripped
                       : !row.there;
}

void wait_mode(const Fixture *f, const char *mode) {
        assert_true(fixture_wait(is_as_wanted, &(Wanted){.f = f, .mode = mode}));
}

void call(const Fixture *f, const char *error, const char *method, const char *a, const char *b) {
        sd_bus_message_unref(b ? fixture_call(f->bus, error, FILTER, method, "ss", a, b)
                               : fixture_call(f->bus, error, FILTER, method, "s", a));
}

void set_mode(const Fixture *f, const char *error, const char *mode, uint64_t duration) {
        sd_bus_message_unref(
                fixture_call(f->bus, error, FILTER, "SetMode", "sst", "f0", mode, duration));
}

uint32_t in_force(const Fixture *f) {
        return fixture_status_u32(f->bus, "LedgerActive");
}

bool is_pinned(void) {
        _cleanup_(filter_freep)
        Filter *filter = NULL;
        char path[128];

        snprintf(path, sizeof(path), "%s/if%u", filter_dir, net.interface);
        return filter_adopt(path, &filter, NULL) >= 0;
}

bool is_attached(void) {
        return filter_net_run(&net, false, "ip link show f0 | grep -q xdp") == 0;
}

/* --- packets --------------------------------------------------------------------------------- */

void send_frames(unsigned source, size_t n) {
        Frame frame = frame_datagram(source);

        for (size_t i = 0; i < n; i++) {
                assert_int_equal(send(sender, frame.bytes, frame.size, 0), frame.size);
                if (i % 32 == 31)
                        usleep(1000);
        }
}

void send_spread(size_t n) {
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

Row judge(const Fixture *f, unsigned source, size_t n) {
        Count c = {.f = f, .packets = only(f).packets + n};

        send_frames(source, n);
        assert_true(fixture_wait(has_packets, &c));
        return only(f);
}
