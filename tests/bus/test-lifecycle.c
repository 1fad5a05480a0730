/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon does over its life, on processes of the test's own: demotes and puts back, on
 * request, at the end of a trial, at stop and after SIGKILL; keeps the last good policy; survives
 * its bus. test-lifecycle AIKMD. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/bus/fixture.h"
#include "tests/harness/workers.h"
#include "util/attrs.h"
#include "util/macro.h"

#define MANAGER "org.aikm1.Manager"
#define POLICY "org.aikm1.Policy"
#define LEDGER "org.aikm1.Ledger"
#define CONFIGURATION "org.aikm1.Error.Configuration"
#define SNAPSHOT_SIZE 16384
#define N_HOGS 3

/* Hogs and a server whose requests they delay, in the test's own session. */
typedef struct Scene {
        pid_t hogs[N_HOGS], server, client;
        char before[SNAPSHOT_SIZE];
} Scene;

static void snapshot(const Scene *s, char *text) {
        text[0] = '\0';
        for (size_t i = 0; i < N_HOGS; i++)
                assert_int_equal(attrs_snapshot(s->hogs[i], text, SNAPSHOT_SIZE), 0);
        assert_int_equal(attrs_snapshot(s->server, text, SNAPSHOT_SIZE), 0);
}

static bool unchanged(void *userdata) {
        _cleanup_free_
        char *now = malloc(SNAPSHOT_SIZE);
        const Scene *s = userdata;

        assert_non_null(now);
        snapshot(s, now);
        return streq(now, s->before);
}

static void scene_start(Scene *s) {
        for (size_t i = 0; i < N_HOGS; i++) {
                s->hogs[i] = worker_hog(2);
                assert_true(s->hogs[i] > 0);
        }
        s->server = worker_server(300, 2000, &s->client);
        assert_true(s->server > 0);
        /* Until every thread has begun */
        do {
                snapshot(s, s->before);
                usleep(200000);
        } while (!unchanged(s));
}

static void scene_stop(Scene *s) {
        for (size_t i = 0; i < N_HOGS; i++)
                worker_stop(s->hogs[i]);
        worker_stop(s->client);
        worker_stop(s->server);
}

static bool any_demoted(void *userdata) {
        const Scene *s = userdata;

        for (size_t i = 0; i < N_HOGS; i++)
                if (getpriority(PRIO_PROCESS, (id_t)s->hogs[i]) > 0)
                        return true;
        return false;
}

static void assert_unchanged(const Scene *s) {
        _cleanup_free_
        char *now = malloc(SNAPSHOT_SIZE);

        assert_non_null(now);
        snapshot(s, now);
        assert_string_equal(now, s->before);
}

static void assert_nothing_left(const Fixture *f) {
        char runtime[96], output[512];

        snprintf(runtime, sizeof(runtime), "--runtime-dir=%s/run", f->dir);
        assert_int_equal(fixture_run(f, (const char *const[]){"--restore", runtime, NULL}, output,
                                     sizeof(output)),
                         0);
        assert_string_equal(output, "Nothing to put back.\n");
}

static void assert_clean_stop(Fixture *f) {
        int status = fixture_stop_daemon(f, SIGTERM);

        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_nothing_left(f);
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *counts = userdata;
        const char *state;
        uint64_t action;

        assert_true(sd_bus_message_read(m, "ts", &action, &state) > 0);
        assert_true(action > 0);
        if (streq(state, "active"))
                counts[0]++;
        else if (streq(state, "restored"))
                counts[1]++;
        return 0;
}

static void test_enforce_and_rollback(void **state) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        Fixture *f = *state;
        unsigned changed[2] = {};
        uint32_t restored;
        Scene s;

        scene_start(&s);
        /* Before the daemon is there, so that nothing is missed */
        assert_true(sd_bus_match_signal(f->bus, NULL, NULL, "/org/aikm1", LEDGER, "Changed",
                                        on_changed, changed) >= 0);
        fixture_start_daemon(f, "enforce");
        sd_bus_message_unref(fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1,
                                          "thresholds.cool_down", "60min"));
        assert_true(fixture_wait(any_demoted, &s));
        assert_true(fixture_status_u32(f->bus, "Treated") > 0);
        assert_true(fixture_status_u32(f->bus, "LedgerActive") > 0);

        reply = fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0));
        fixture_seek(reply, "Restored", "u");
        assert_true(sd_bus_message_read(reply, "u", &restored) > 0);
        assert_true(restored > 0);
        assert_unchanged(&s);
        assert_int_equal(fixture_status_u32(f->bus, "LedgerActive"), 0);
        while (sd_bus_process(f->bus, NULL) > 0)
                continue;
        assert_true(changed[0] > 0);
        assert_int_equal(changed[1], changed[0]);

        assert_clean_stop(f);
        assert_unchanged(&s);
        scene_stop(&s);
}

static void test_mode_releases(void **state) {
        Fixture *f = *state;
        Scene s;

        scene_start(&s);
        fixture_start_daemon(f, "enforce");
        assert_true(fixture_wait(any_demoted, &s));
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "observe"));
        assert_true(fixture_wait(unchanged, &s));
        assert_int_equal(fixture_status_u32(f->bus, "Treated"), 0);
        assert_clean_stop(f);
        scene_stop(&s);
}

static void test_stop_restores(void **state) {
        Fixture *f = *state;
        Scene s;

        scene_start(&s);
        fixture_start_daemon(f, "enforce");
        assert_true(fixture_wait(any_demoted, &s));
        assert_clean_stop(f);
        assert_unchanged(&s);
        scene_stop(&s);
}

static void test_start_after_kill_restores(void **state) {
        Fixture *f = *state;
        Scene s;

        scene_start(&s);
        fixture_start_daemon(f, "enforce");
        assert_true(fixture_wait(any_demoted, &s));
        assert_true(WIFSIGNALED(fixture_stop_daemon(f, SIGKILL)));
        assert_true(any_demoted(&s));
        fixture_start_daemon(f, "observe");
        assert_unchanged(&s);
        assert_clean_stop(f);
        scene_stop(&s);
}

static bool trial_is_over(void *userdata) {
        Fixture *f = userdata;

        return fixture_status_u32(f->bus, "TrialRoot") == 0;
}

/* The machine is observed; only the tree of the trial is touched, and only while its caller is
 * there. */
static void test_trial_ends_with_its_caller(void **state) {
        Fixture *f = *state;
        sd_bus *caller;
        Scene s;

        scene_start(&s);
        fixture_start_daemon(f, "observe");
        caller = fixture_connect(f);
        sd_bus_message_unref(
                fixture_call(caller, NULL, MANAGER, "Trial", "us", (uint32_t)getpid(), "enforce"));
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), getpid());
        assert_true(fixture_wait(any_demoted, &s));
        /* It is the caller's. */
        fixture_call(f->bus, "org.aikm1.Error.TrialBusy", MANAGER, "Trial", "us", 0, "");
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), getpid());

        sd_bus_flush_close_unref(caller);
        assert_true(fixture_wait(trial_is_over, f));
        assert_unchanged(&s);
        assert_int_equal(fixture_status_u32(f->bus, "LedgerActive"), 0);
        usleep(500000);
        assert_unchanged(&s);

        /* And by request; then it is put back before the call returns. */
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, MANAGER, "Trial", "us", (uint32_t)getpid(), "enforce"));
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), getpid());
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "Trial", "us", 0, ""));
        assert_unchanged(&s);
        assert_clean_stop(f);
        scene_stop(&s);
}

/* Nor does it outlive the process that it began at, whose number may be given to another. */
static void test_trial_ends_with_its_root(void **state) {
        Fixture *f = *state;
        pid_t root = worker_hog(1);

        assert_true(root > 0);
        fixture_start_daemon(f, "observe");
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, MANAGER, "Trial", "us", (uint32_t)root, "enforce"));
        usleep(300000);
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), root);
        worker_stop(root);
        assert_true(fixture_wait(trial_is_over, f));
        /* The next one is free to begin. */
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, MANAGER, "Trial", "us", (uint32_t)getpid(), "observe"));
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), getpid());
        assert_clean_stop(f);
}

/* Whatever came from outside while it was recorded, deciding again gives the same decisions. */
static void test_recording_replays(void **state) {
        char replay[96], output[65536];
        unsigned long long n_decisions;
        const char *last;
        Fixture *f = *state;
        Scene s;

        scene_start(&s);
        f->record = true;
        fixture_start_daemon(f, "observe");
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, MANAGER, "Trial", "us", (uint32_t)getpid(), "enforce"));
        assert_true(fixture_wait(any_demoted, &s));
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "Trial", "us", 0, ""));
        sd_bus_message_unref(fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1,
                                          "thresholds.cool_down", "0s"));
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "enforce"));
        assert_true(fixture_wait(any_demoted, &s));
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        assert_true(fixture_wait(any_demoted, &s));
        assert_clean_stop(f);
        assert_unchanged(&s);
        scene_stop(&s);

        snprintf(replay, sizeof(replay), "--replay=%s/rec", f->dir);
        assert_int_equal(fixture_run(f,
                                     (const char *const[]){replay, "--config-dir=/nonexistent",
                                                           "--model=rules", NULL},
                                     output, sizeof(output)),
                         0);
        last = strstr(output, " samples, ");
        assert_non_null(last);
        assert_int_equal(sscanf(last, " samples, %llu decisions, 0 different", &n_decisions), 1);
        assert_true(n_decisions >= 3);
}

static bool policy_refused(void *userdata) {
        Fixture *f = userdata;
        char error[512];

        fixture_status_string(f->bus, "PolicyError", error, sizeof(error));
        return error[0] && strstr(error, "50-broken.json");
}

static bool policy_accepted(void *userdata) {
        return !policy_refused(userdata);
}

static void test_broken_drop_in_keeps_the_policy(void **state) {
        Fixture *f = *state;
        char mode[32];

        fixture_write_file(f, "conf/aikmd.json", "{\"mode\": \"advise\"}\n");
        fixture_start_daemon(f, NULL);
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "advise");

        fixture_write_file(f, "conf/aikmd.json", "{\"mode\": \"enforce\"}\n");
        fixture_write_file(f, "conf/policy.d/50-broken.json", "{\"rules\": [\n");
        assert_int_equal(kill(f->daemon_pid, SIGHUP), 0);
        assert_true(fixture_wait(policy_refused, f));
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "advise");
        fixture_call(f->bus, CONFIGURATION, MANAGER, "Reload", "");
        fixture_call(f->bus, CONFIGURATION, POLICY, "Reset", "");
        /* Runtime settings work nevertheless, on the last good policy. */
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1, "interval", "300ms"));
        assert_int_equal(fixture_status_u64(f->bus, "IntervalUSec"), 300000);

        fixture_write_file(f, "conf/aikmd.json", "{\"mode\": \"observe\"}\n");
        fixture_write_file(f, "conf/policy.d/50-broken.json", "{}\n");
        assert_int_equal(kill(f->daemon_pid, SIGHUP), 0);
        assert_true(fixture_wait(policy_accepted, f));
        fixture_status_string(f->bus, "Mode", mode, sizeof(mode));
        assert_string_equal(mode, "observe");
        assert_int_equal(fixture_status_u64(f->bus, "IntervalUSec"), 300000);
        assert_clean_stop(f);
}

static void test_second_daemon_is_refused(void **state) {
        Fixture *f = *state;
        char same[96], other[96], output[2048];

        fixture_start_daemon(f, "observe");
        snprintf(same, sizeof(same), "--runtime-dir=%s/run", f->dir);
        snprintf(other, sizeof(other), "--runtime-dir=%s/run2", f->dir);
        assert_int_equal(fixture_run(f, (const char *const[]){"--no-bus", same, NULL}, output,
                                     sizeof(output)),
                         1);
        assert_non_null(strstr(output, "error: "));
        assert_int_equal(fixture_run(f, (const char *const[]){"--restore", same, NULL}, output,
                                     sizeof(output)),
                         1);
        assert_int_equal(fixture_run(f,
                                     (const char *const[]){other, "--config-dir=/nonexistent",
                                                           "--model=rules", NULL},
                                     output, sizeof(output)),
                         1);
        assert_non_null(strstr(output, "the name org.aikm1 is taken"));
        assert_clean_stop(f);
        fixture_stop_bus(f);
        assert_int_equal(fixture_run(f,
                                     (const char *const[]){other, "--config-dir=/nonexistent",
                                                           "--model=rules", NULL},
                                     output, sizeof(output)),
                         1);
        assert_non_null(strstr(output, "cannot"));
        assert_non_null(strstr(output, f->address));
        fixture_start_bus(f);
}

static bool answers(void *userdata) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        Fixture *f = userdata;

        return sd_bus_call_method(f->bus, "org.aikm1", "/org/aikm1", MANAGER, "GetStatus", NULL,
                                  &reply, "") >= 0;
}

/* The bus goes and comes; the daemon lives on, ends the trial whose caller it cannot see any more,
 * and takes its name again. */
static void test_bus_comes_back(void **state) {
        Fixture *f = *state;
        uint64_t ticks;
        Scene s;

        scene_start(&s);
        fixture_start_daemon(f, "observe");
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, MANAGER, "Trial", "us", (uint32_t)getpid(), "enforce"));
        assert_true(fixture_wait(any_demoted, &s));
        ticks = fixture_status_u64(f->bus, "Ticks");
        fixture_stop_bus(f);
        assert_true(fixture_wait(unchanged, &s));
        fixture_start_bus(f);
        assert_true(fixture_wait(answers, f));
        assert_true(fixture_status_u64(f->bus, "Ticks") > ticks);
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), 0);
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "advise"));
        assert_clean_stop(f);
        scene_stop(&s);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_enforce_and_rollback, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_mode_releases, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_stop_restores, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_start_after_kill_restores, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_trial_ends_with_its_caller, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_trial_ends_with_its_root, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_recording_replays, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_broken_drop_in_keeps_the_policy, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_second_daemon_is_refused, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_bus_comes_back, fixture_setup,
                                                fixture_teardown),
        };

        if (argc != 2) {
                fprintf(stderr, "usage: test-lifecycle AIKMD\n");
                return 2;
        }
        if (geteuid() != 0) {
                puts("needs root: the daemon writes to processes of any user");
                return 77;
        }
        fixture_aikmd = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
