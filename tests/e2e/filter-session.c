/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flood as an administrator meets it, by aikmctl alone: a filter is attached, watched in shadow,
 * let loose for a time beside people who work, and taken off; with a model of the test's own, and
 * with the shipped one. filter-session AIKMD AIKMCTL OBJECT-FOLDER MODEL-FOLDER
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "tests/bus/fixture.h"
#include "tests/harness/filter-loads.h"
#include "tests/harness/packets.h"
#include "util/macro.h"

static FilterNet net;
static FilterLoads loads;
static const char *aikmctl, *objects;
static char filter_dir[96];
static int sender = -1;

/* Runs aikmctl and gives its output back; the status has to be that. */
static void ctl(const Fixture *f, int status, char *output, size_t size, const char *arguments) {
        char command[1024];
        size_t n = 0;
        FILE *p;
        int r;

        assert_int_equal(setenv("AIKM_BUS_ADDRESS", f->address, 1), 0);
        snprintf(command, sizeof(command), "%s %s 2>&1", aikmctl, arguments);
        p = popen(command, "re");
        assert_non_null(p);
        while (n + 1 < size && !feof(p) && !ferror(p))
                n += fread(output + n, 1, size - 1 - n, p);
        output[n] = '\0';
        r = pclose(p);
        if (r != status << 8)
                fail_msg("aikmctl %s: status %d: %s", arguments, r >> 8, output);
}

static void run(const Fixture *f, const char *arguments, const char *says) {
        char output[4096];

        ctl(f, 0, output, sizeof(output), arguments);
        if (!strstr(output, says))
                fail_msg("aikmctl %s says: %s", arguments, output);
}

typedef struct Saying {
        const Fixture *f;
        const char *arguments, *says;
} Saying;

static bool is_said(void *userdata) {
        const Saying *s = userdata;
        char output[4096];

        ctl(s->f, 0, output, sizeof(output), s->arguments);
        return strstr(output, s->says) != NULL;
}

static void run_until(const Fixture *f, const char *arguments, const char *says) {
        if (!fixture_wait(is_said, &(Saying){.f = f, .arguments = arguments, .says = says}))
                run(f, arguments, says);
}

static uint64_t number_of(const Fixture *f, const char *arguments, const char *key) {
        struct json_object *o, *row, *v = NULL;
        char output[16384];
        uint64_t n;

        ctl(f, 0, output, sizeof(output), arguments);
        o = json_tokener_parse(output);
        if (!o)
                fail_msg("aikmctl %s: no JSON: %s", arguments, output);
        row = json_object_is_type(o, json_type_array) ? json_object_array_get_idx(o, 0) : o;
        n = row && json_object_object_get_ex(row, key, &v) ? json_object_get_uint64(v) : 0;
        json_object_put(o);
        return n;
}

static uint64_t of_source(const Fixture *f, const char *source, const char *key) {
        char arguments[128];

        snprintf(arguments, sizeof(arguments), "filter explain %s --json", source);
        return number_of(f, arguments, key);
}

static uint64_t of_filter(const Fixture *f, const char *key) {
        return number_of(f, "filter status --json", key);
}

typedef struct Least {
        const Fixture *f;
        const char *key;
        uint64_t n;
} Least;

static bool has_least(void *userdata) {
        const Least *l = userdata;

        return of_filter(l->f, l->key) >= l->n;
}

static void wait_for(const Fixture *f, const char *key, uint64_t n) {
        if (!fixture_wait(has_least, &(Least){.f = f, .key = key, .n = n}))
                fail_msg("%s is %llu, not %llu", key, (unsigned long long)of_filter(f, key),
                         (unsigned long long)n);
}

static int setup(void **state) {
        char from[512], to[512];
        Fixture *f;

        assert_int_equal(fixture_setup(state), 0);
        f = *state;
        f->filter_dir = filter_dir;
        snprintf(to, sizeof(to), "%s/state", f->dir);
        assert_int_equal(mkdir(to, 0700), 0);
        snprintf(to, sizeof(to), "%s/state/filters", f->dir);
        assert_int_equal(mkdir(to, 0700), 0);
        snprintf(from, sizeof(from), "%s/filter-syn-flood.bpf.o", objects);
        snprintf(to, sizeof(to), "%s/state/filters/syn.bpf.o", f->dir);
        assert_int_equal(symlink(from, to), 0);
        snprintf(from, sizeof(from), "%s/filter-always-1.bpf.o", objects);
        snprintf(to, sizeof(to), "%s/state/filters/all.bpf.o", f->dir);
        assert_int_equal(symlink(from, to), 0);
        fixture_write_file(f, "state/filters/syn.json",
                           "{\"classes\": [\"benign\", \"syn flood\"]}");
        fixture_start_daemon(f, "observe");
        assert_int_equal(filter_loads_serve(&loads, &net), 0);
        return 0;
}

static int teardown(void **state) {
        filter_loads_done(&loads);
        return fixture_teardown(state);
}

static void tell(const Fixture *f) {
        static const char *const sources[] = {FLOOD_SOURCE, BENIGN_SOURCE};

        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                printf("%s %s: %llu packets, %llu malicious, %llu dropped\n",
                       i ? "benign" : "flood", sources[i],
                       (unsigned long long)of_source(f, sources[i], "packets"),
                       (unsigned long long)of_source(f, sources[i], "malicious"),
                       (unsigned long long)of_source(f, sources[i], "dropped"));
}

/* In shadow the flood comes through, and all of it is counted. */
static void watch(const Fixture *f) {
        run(f, "filter attach f0 --model syn", "drops nothing until");
        assert_int_equal(filter_loads_flood(&loads, sender), 0);
        wait_for(f, "malicious", 5000);
        assert_int_equal(of_filter(f, "dropped"), 0);
        run(f, "filter top", FLOOD_SOURCE);
        run_until(f, "filter explain " FLOOD_SOURCE, "malicious, class 1 syn flood, passed");
        run(f, "ledger", "filter     - f0");
}

/* A model that would drop everybody is stopped, whatever the lease says. */
static void trip(const Fixture *f) {
        run(f, "filter attach f0 --model all", "");
        run(f, "filter status", "enforce, ");
        for (unsigned source = 10; source < 50; source++) {
                Frame frame = frame_datagram(source);

                for (int i = 0; i < 16; i++)
                        assert_int_equal(send(sender, frame.bytes, frame.size, 0), frame.size);
                usleep(1000);
        }
        wait_for(f, "trips", 1);
        run_until(f, "filter status", "shadow: kill switch");
        run(f, "filter attach f0 --model syn", "");
}

static void enforce(const Fixture *f) {
        int lost;

        run(f, "filter mode enforce f0 --for 60s", "for 1min");
        wait_for(f, "dropped", 5000);
        assert_int_equal(filter_loads_work(&loads), 0);
        lost = filter_loads_wait(&loads);
        tell(f);
        assert_int_equal(lost, 0);
        assert_true(of_source(f, FLOOD_SOURCE, "dropped") > 5000);
        assert_true(of_source(f, BENIGN_SOURCE, "packets") > PAGES * 5 + KEYS);
        assert_int_equal(of_source(f, BENIGN_SOURCE, "malicious"), 0);
        assert_int_equal(of_filter(f, "trips"), 0);
        run(f, "filter status", "enforce, ");
}

/* A lease ends by itself, and so does this session. */
static void end(const Fixture *f) {
        uint64_t dropped, malicious;

        run(f, "filter mode enforce f0 --for 2s --kill-share 1", "for 2.0s");
        run_until(f, "filter status", "shadow");
        dropped = of_filter(f, "dropped");
        malicious = of_filter(f, "malicious");
        wait_for(f, "malicious", malicious + 2000);
        assert_int_equal(of_filter(f, "dropped"), dropped);
        filter_loads_end_flood(&loads);
        run(f, "filter detach f0", "No filter is on f0 any more.");
        run(f, "filter status", "No interface has a filter.");
        run(f, "ledger", "Nothing is changed now.");
        assert_true(filter_net_run(&net, false, "ip link show f0 | grep -q xdp") != 0);
}

static void test_session(void **state) {
        const Fixture *f = *state;

        watch(f);
        enforce(f);
        trip(f);
        end(f);
}

static bool is_in_flood(void *userdata) {
        const Fixture *f = userdata;

        return of_source(f, FLOOD_SOURCE, "packets") > 20000;
}

/* People's packets it may take for malicious: one of a hundred. */
static void check_benign(const Fixture *f) {
        uint64_t packets = of_source(f, BENIGN_SOURCE, "packets");

        assert_true(packets > PAGES * 5 + KEYS);
        assert_true(of_source(f, BENIGN_SOURCE, "malicious") <= packets / 100);
}

/* Nobody names a model: the one that comes with aikmd tells the flood from people who work. */
static void test_shipped_model(void **state) {
        Fixture *f = *state;

        run(f, "filter attach f0", "drops nothing until");
        run(f, "filter status", "default-filter");
        assert_int_equal(filter_loads_work(&loads), 0);
        assert_int_equal(filter_loads_wait(&loads), 0);
        tell(f);
        check_benign(f);
        assert_int_equal(filter_loads_flood(&loads, sender), 0);
        wait_for(f, "malicious", 1000);
        if (!fixture_wait(is_in_flood, f))
                fail_msg("no flood");
        assert_true(of_source(f, FLOOD_SOURCE, "malicious") >
                    of_source(f, FLOOD_SOURCE, "packets") / 100 * 95);
        assert_int_equal(of_filter(f, "dropped"), 0);
        run(f, "filter mode enforce f0 --for 60s", "for 1min");
        wait_for(f, "dropped", 5000);
        assert_int_equal(filter_loads_work(&loads), 0);
        assert_int_equal(filter_loads_wait(&loads), 0);
        tell(f);
        check_benign(f);
        filter_loads_end_flood(&loads);
        run(f, "filter detach f0", "No filter is on f0 any more.");
}

static int run_all(int socket) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_session, setup, teardown),
                cmocka_unit_test_setup_teardown(test_shipped_model, setup, teardown),
        };

        sender = socket;
        snprintf(filter_dir, sizeof(filter_dir), "%s/aikmd", net.bpffs);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char *argv[]) {
        if (argc != 5) {
                fprintf(stderr, "usage: filter-session AIKMD AIKMCTL OBJECT-FOLDER MODEL-FOLDER\n");
                return 2;
        }
        fixture_aikmd = argv[1];
        aikmctl = argv[2];
        objects = argv[3];
        if (setenv("AIKM_FILTER_MODEL_DIR", argv[4], 1) < 0)
                return 1;
        return filter_net_main(&net, run_all);
}
