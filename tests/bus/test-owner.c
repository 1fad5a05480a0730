/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users may do with processes of their own, and what they see of others': test-owner AIKMD
 * FAKE-POLKIT. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/bus/polkit.h"
#include "tests/harness/workers.h"

static void end(pid_t pid) {
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Keeps privileges enough to become somebody else's, and to have a child that is. */
static void changeling_on_signal(int signo) {
        if (signo == SIGUSR2) {
                if (setresuid(SOMEBODY, (uid_t)-1, (uid_t)-1) < 0)
                        _exit(1);
                return;
        }
        if (fork() == 0) {
                if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0)
                        _exit(1);
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        pause();
        }
}

/* A process whose real user is uid; changeling: see above. */
static pid_t start_process(uid_t uid, bool changeling) {
        pid_t parent = getpid(), pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        (void)signal(SIGUSR1, changeling_on_signal);
        (void)signal(SIGUSR2, changeling_on_signal);
        if (setresuid(uid, changeling ? 0 : uid, changeling ? 0 : uid) < 0)
                _exit(1);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        /* Whoever drops privileges cannot be looked into, until it runs another program. */
        if (!changeling)
                (void)execlp("sleep", "sleep", "600", (char *)NULL);
        for (;;)
                pause();
}

typedef struct Seen {
        sd_bus *bus;
        pid_t pid;
        uid_t uid;
} Seen;

static bool has_key(sd_bus_message *dict, const char *key) {
        bool found = false;
        const char *name;

        while (sd_bus_message_enter_container(dict, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(dict, "s", &name) > 0);
                found |= streq(name, key);
                assert_true(sd_bus_message_skip(dict, "v") >= 0);
                assert_true(sd_bus_message_exit_container(dict) >= 0);
        }
        return found;
}

static bool explains(sd_bus *bus, pid_t pid, const char *key) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = fixture_call(bus, NULL, PROCESSES, "Explain", "u", (uint32_t)pid);

        assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
        return has_key(reply, key);
}

static bool has_feature(sd_bus *bus, pid_t pid, const char *feature) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = fixture_call(bus, NULL, PROCESSES, "Explain", "u", (uint32_t)pid);
        bool found = false;
        const char *name;
        double value;

        fixture_seek(reply, "Features", "a{sd}");
        assert_true(sd_bus_message_enter_container(reply, 'a', "{sd}") > 0);
        while (sd_bus_message_read(reply, "{sd}", &name, &value) > 0)
                found |= streq(name, feature);
        return found;
}

/* As the last tick saw it. */
static bool is_seen(void *userdata) {
        const Seen *s = userdata;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        uint32_t uid;

        if (sd_bus_call_method(s->bus, "org.aikm1", "/org/aikm1", PROCESSES, "Explain", NULL,
                               &reply, "u", (uint32_t)s->pid) < 0)
                return false;
        fixture_seek(reply, "Uid", "u");
        assert_true(sd_bus_message_read(reply, "u", &uid) > 0);
        return uid == s->uid && explains(s->bus, s->pid, "Exe");
}

static void wait_seen(const Fixture *f, pid_t pid, uid_t uid) {
        assert_true(fixture_wait(is_seen, &(Seen){.bus = f->bus, .pid = pid, .uid = uid}));
}

/* Whether the list that bus gets shows the key of pid. */
static bool lists(sd_bus *bus, pid_t pid, const char *key) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *list = fixture_call(bus, NULL, PROCESSES, "List", "");
        const char *name;
        uint32_t number;
        bool found;

        assert_true(sd_bus_message_enter_container(list, 'a', "a{sv}") > 0);
        while (sd_bus_message_enter_container(list, 'a', "{sv}") > 0) {
                /* Pid is the first. */
                assert_true(sd_bus_message_read(list, "{sv}", &name, "u", &number) > 0);
                assert_string_equal(name, "Pid");
                found = has_key(list, key);
                if (number == (uint32_t)pid)
                        return found;
                assert_true(sd_bus_message_exit_container(list) >= 0);
        }
        fail_msg("process %d is not listed", pid);
        return false;
}

static void test_hidden(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *owner = fixture_connect_as(*state, NOBODY);
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *other = fixture_connect_as(*state, SOMEBODY);
        pid_t own = start_process(NOBODY, /* changeling= */ false);
        pid_t guarded = start_process(NOBODY, /* changeling= */ true);
        Fixture *f = *state;
        bool io;

        polkit_set(f, "yes");
        wait_seen(f, own, NOBODY);
        wait_seen(f, guarded, NOBODY);
        assert_true(explains(f->bus, own, "Exe"));
        assert_true(explains(owner, own, "Exe"));
        assert_false(explains(other, own, "Exe"));
        /* Its user may not look into it either: its rights are more than that user's. */
        assert_false(explains(owner, guarded, "Exe"));
        assert_false(has_feature(owner, guarded, "rchar"));

        assert_true(has_feature(f->bus, own, "rchar"));
        assert_true(has_feature(owner, own, "rchar"));
        assert_true(has_feature(other, own, "cpu"));
        for (size_t i = 0; i < 3; i++) {
                static const char *const hidden[] = {"rchar", "write", "syscalls_fast"};

                assert_false(has_feature(other, own, hidden[i]));
        }

        io = lists(f->bus, own, "IoBytes");
        assert_int_equal(lists(owner, own, "IoBytes"), io);
        assert_int_equal(explains(owner, own, "IoBytes"), io);
        assert_false(lists(owner, guarded, "IoBytes"));
        assert_false(lists(owner, getpid(), "IoBytes"));
        assert_false(lists(other, own, "IoBytes"));
        assert_false(explains(other, own, "IoBytes"));
        assert_true(lists(other, own, "Cpu"));
        end(own);
        end(guarded);
}

/* The action that polkit is asked about. */
static void expect_action(const Fixture *f, const char *action) {
        PolkitAsked asked;

        polkit_get(f, &asked);
        assert_string_equal(asked.action, action);
}

static void test_actions(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        pid_t own = start_process(NOBODY, /* changeling= */ false);
        Fixture *f = *state;

        wait_seen(f, own, NOBODY);
        polkit_set(f, "no");
        fixture_call(bus, ACCESS_DENIED, LEDGER, "Rollback", "st", "pid", (uint64_t)own);
        expect_action(f, "org.aikm1.rollback-own");
        fixture_call(bus, ACCESS_DENIED, LEDGER, "Rollback", "st", "pid", (uint64_t)getpid());
        expect_action(f, "org.aikm1.rollback");
        fixture_call(bus, ACCESS_DENIED, LEDGER, "Rollback", "st", "all", UINT64_C(0));
        expect_action(f, "org.aikm1.rollback");
        /* Not the process 1 that its lower half would name. */
        fixture_call(bus, ACCESS_DENIED, LEDGER, "Rollback", "st", "pid",
                     (UINT64_C(1) << 32) + (uint64_t)own);
        expect_action(f, "org.aikm1.rollback");
        fixture_call(bus, ACCESS_DENIED, LEDGER, "Rollback", "st", "action", UINT64_C(1));
        expect_action(f, "org.aikm1.rollback");
        fixture_call(bus, ACCESS_DENIED, MANAGER, "Trial", "us", (uint32_t)own, "advise");
        expect_action(f, "org.aikm1.trial-own");
        fixture_call(bus, ACCESS_DENIED, MANAGER, "Trial", "us", (uint32_t)getpid(), "advise");
        expect_action(f, "org.aikm1.trial");
        end(own);
}

static bool trial_is_over(void *userdata) {
        const Fixture *f = userdata;

        return fixture_status_u32(f->bus, "TrialRoot") == 0;
}

/* A tree is one's own as long as nobody else has a process in it. */
static void test_trial(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        pid_t own = start_process(NOBODY, /* changeling= */ true);
        Fixture *f = *state;

        wait_seen(f, own, NOBODY);
        polkit_set(f, "yes");
        sd_bus_message_unref(
                fixture_call(bus, NULL, MANAGER, "Trial", "us", (uint32_t)own, "advise"));
        expect_action(f, "org.aikm1.trial-own");
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), own);
        /* Still there some ticks later */
        usleep(500000);
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), own);
        assert_int_equal(kill(own, SIGUSR1), 0);
        assert_true(fixture_wait(trial_is_over, f));
        sd_bus_message_unref(fixture_call(bus, NULL, MANAGER, "Trial", "us", 0, ""));
        polkit_set(f, "no");
        fixture_call(bus, ACCESS_DENIED, MANAGER, "Trial", "us", (uint32_t)own, "advise");
        expect_action(f, "org.aikm1.trial");
        end(own);
}

/* Nobody can keep an administrator from a trial by having one. */
static void test_trial_gives_way(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        pid_t own = start_process(NOBODY, /* changeling= */ false), root = start_process(0, false);
        Fixture *f = *state;

        wait_seen(f, own, NOBODY);
        wait_seen(f, root, 0);
        polkit_set(f, "yes");
        sd_bus_message_unref(
                fixture_call(bus, NULL, MANAGER, "Trial", "us", (uint32_t)own, "advise"));
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, MANAGER, "Trial", "us", (uint32_t)root, "advise"));
        assert_int_equal(fixture_status_u32(f->bus, "TrialRoot"), root);
        fixture_call(bus, "org.aikm1.Error.TrialBusy", MANAGER, "Trial", "us", (uint32_t)own,
                     "advise");
        fixture_call(bus, "org.aikm1.Error.TrialBusy", MANAGER, "Trial", "us", 0, "");
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "Trial", "us", 0, ""));
        end(own);
        end(root);
}

/* What was one's own when the question began need not be when it is answered. */
static void test_changed_meanwhile(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        pid_t own = start_process(NOBODY, /* changeling= */ true);
        Fixture *f = *state;
        Call c;

        wait_seen(f, own, NOBODY);
        polkit_set(f, "hold");
        call_start(&c, bus, /* interactive= */ true, LEDGER, "Rollback", "st", "pid",
                   (uint64_t)own);
        polkit_wait_held(f, 1);
        expect_action(f, "org.aikm1.rollback-own");
        assert_int_equal(kill(own, SIGUSR2), 0);
        wait_seen(f, own, SOMEBODY);
        assert_int_equal(polkit_release(f, "yes"), 1);
        call_finish(&c, bus, ACCESS_DENIED);
        call_done(&c);
        end(own);
}

static bool is_treated(void *userdata) {
        const Seen *s = userdata;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = fixture_call(s->bus, NULL, PROCESSES, "Explain", "u",
                                             (uint32_t)s->pid);
        int treated;

        fixture_seek(reply, "Treated", "b");
        assert_true(sd_bus_message_read(reply, "b", &treated) > 0);
        return treated;
}

/* Two hogs of the user's, one of root's, and a server of root's that waits for them. */
static void test_rollback(void **state) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect_as(*state, NOBODY);
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        pid_t hogs[3], server, client;
        Fixture *f = *state;
        uint32_t restored;

        for (size_t i = 0; i < ELEMENTSOF(hogs); i++) {
                assert_int_equal(setresuid(i < 2 ? NOBODY : 0, 0, 0), 0);
                hogs[i] = worker_hog(1);
                assert_true(hogs[i] > 0);
        }
        assert_int_equal(setresuid(0, 0, 0), 0);
        server = worker_server(300, 2000, &client);
        assert_true(server > 0);
        polkit_set(f, "yes");
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "enforce"));
        for (size_t i = 0; i < ELEMENTSOF(hogs); i++) {
                wait_seen(f, hogs[i], i < 2 ? NOBODY : 0);
                assert_true(fixture_wait(is_treated, &(Seen){.bus = f->bus, .pid = hogs[i]}));
        }

        reply = fixture_call(bus, NULL, LEDGER, "Rollback", "st", "pid", (uint64_t)hogs[0]);
        expect_action(f, "org.aikm1.rollback-own");
        fixture_seek(reply, "Restored", "u");
        assert_true(sd_bus_message_read(reply, "u", &restored) > 0);
        assert_true(restored > 0);
        assert_false(is_treated(&(Seen){.bus = f->bus, .pid = hogs[0]}));
        assert_true(log_has(f, "Rolled back: what pid, number "));

        polkit_set(f, "no");
        fixture_call(bus, ACCESS_DENIED, LEDGER, "Rollback", "st", "pid", (uint64_t)hogs[2]);
        expect_action(f, "org.aikm1.rollback");
        sd_bus_message_unref(fixture_call(f->bus, NULL, POLICY, "Reset", ""));
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, LEDGER, "Rollback", "st", "all", UINT64_C(0)));
        for (size_t i = 0; i < ELEMENTSOF(hogs); i++)
                worker_stop(hogs[i]);
        worker_stop(server);
        worker_stop(client);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hidden),
                cmocka_unit_test(test_actions),
                cmocka_unit_test(test_trial),
                cmocka_unit_test(test_trial_gives_way),
                cmocka_unit_test(test_changed_meanwhile),
                cmocka_unit_test(test_rollback),
        };

        if (argc != 3) {
                fprintf(stderr, "usage: test-owner AIKMD FAKE-POLKIT\n");
                return 2;
        }
        if (geteuid() != 0) {
                puts("needs root: it calls as other users");
                return 77;
        }
        fixture_aikmd = argv[1];
        polkit_program = argv[2];
        return cmocka_run_group_tests(tests, polkit_setup, polkit_teardown);
}
