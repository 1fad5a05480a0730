/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bus/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/macro.h"
#include "util/time.h"

#define PATIENCE (20 * USEC_PER_SEC)
#define PAUSE (20 * USEC_PER_MSEC)

const char *fixture_aikmd;

static const char bus_conf[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig><type>system</type><listen>%s</listen><auth>EXTERNAL</auth>\n"
        "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\n"
        "<allow send_destination=\"*\" eavesdrop=\"true\"/><allow send_type=\"*\"/>\n"
        "<allow receive_type=\"*\"/><allow eavesdrop=\"true\"/></policy></busconfig>\n";

bool fixture_wait(bool (*check)(void *userdata), void *userdata) {
        usec_t end = usec_now(CLOCK_MONOTONIC) + PATIENCE;

        do {
                if (check(userdata))
                        return true;
                usleep(PAUSE);
        } while (usec_now(CLOCK_MONOTONIC) < end);
        return false;
}

/* A child that dies with the test; its output goes to the descriptor. */
static pid_t spawn(const Fixture *f, const char *const *args, int output) {
        pid_t parent = getpid(), pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(127);
        (void)dup2(output, STDOUT_FILENO);
        (void)dup2(output, STDERR_FILENO);
        (void)setenv("AIKM_BUS_ADDRESS", f->address, 1);
        execvp(args[0], (char *const *)args);
        _exit(127);
}

static int open_log(const Fixture *f) {
        char path[96];
        int fd;

        snprintf(path, sizeof(path), "%s/log", f->dir);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        return fd;
}

static int try_connect(const Fixture *f, sd_bus **ret) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, f->address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &(const char *){NULL});
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

sd_bus *fixture_connect(const Fixture *f) {
        sd_bus *bus = NULL;

        assert_int_equal(try_connect(f, &bus), 0);
        return bus;
}

static bool bus_is_up(void *userdata) {
        Fixture *f = userdata;

        return try_connect(f, &f->bus) >= 0;
}

pid_t fixture_spawn(const Fixture *f, const char *const *args) {
        _cleanup_close_
        int log = open_log(f);

        return spawn(f, args, log);
}

sd_bus *fixture_connect_as(const Fixture *f, uid_t uid) {
        sd_bus *bus = NULL;
        int r;

        assert_int_equal(seteuid(uid), 0);
        r = try_connect(f, &bus);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(r, 0);
        return bus;
}

void fixture_start_bus(Fixture *f) {
        char config[128];
        _cleanup_close_
        int log = open_log(f);

        snprintf(config, sizeof(config), "--config-file=%s/bus.conf", f->dir);
        f->bus_pid = spawn(f,
                           (const char *const[]){"dbus-daemon", config, "--nofork", "--nopidfile",
                                                 "--nosyslog", NULL},
                           log);
        assert_true(fixture_wait(bus_is_up, f));
}

void fixture_stop_bus(Fixture *f) {
        f->bus = sd_bus_flush_close_unref(f->bus);
        if (f->bus_pid > 0) {
                (void)kill(f->bus_pid, SIGTERM);
                (void)waitpid(f->bus_pid, NULL, 0);
        }
        f->bus_pid = 0;
}

void fixture_write_file(const Fixture *f, const char *name, const char *text) {
        char path[256];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", f->dir, name);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void make_folder(const Fixture *f, const char *name) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", f->dir, name);
        assert_int_equal(mkdir(path, 0755), 0);
}

int fixture_setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        char text[sizeof(bus_conf) + sizeof(f->address)];

        assert_non_null(f);
        snprintf(f->dir, sizeof(f->dir), "/tmp/aikmd-bus.XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        /* Other users have to reach the socket. */
        assert_int_equal(chmod(f->dir, 0755), 0);
        snprintf(f->address, sizeof(f->address), "unix:path=%s/bus", f->dir);
        snprintf(text, sizeof(text), bus_conf, f->address);
        fixture_write_file(f, "bus.conf", text);
        make_folder(f, "conf");
        make_folder(f, "conf/policy.d");
        fixture_start_bus(f);
        *state = f;
        return 0;
}

int fixture_teardown(void **state) {
        Fixture *f = *state;
        char command[96];

        if (f->daemon_pid > 0)
                (void)fixture_stop_daemon(f, SIGTERM);
        fixture_stop_bus(f);
        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        (void)!system(command);
        free(f);
        return 0;
}

static bool daemon_has_name(void *userdata) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        Fixture *f = userdata;
        int there = 0;

        /* One that ended by itself will never have it. */
        assert_int_equal(waitpid(f->daemon_pid, NULL, WNOHANG), 0);
        if (sd_bus_call_method(f->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
                               "org.aikm1") < 0 ||
            sd_bus_message_read(reply, "b", &there) < 0 || !there)
                return false;
        reply = sd_bus_message_unref(reply);
        return fixture_status_u64(f->bus, "Ticks") > 1;
}

void fixture_start_daemon(Fixture *f, const char *mode) {
        char runtime[96], state[96], config[96], scope[64], mode_option[64], record[96], model[64];
        char pins[128];
        const char *args[] = {fixture_aikmd,
                              runtime,
                              state,
                              config,
                              "--interval=100ms",
                              "--set",
                              "interval_max=100ms",
                              model,
                              "--cgroup-name=aikmd-test-bus",
                              "--set",
                              scope,
                              "--set",
                              "thresholds.contention_after=100ms",
                              "--set",
                              "thresholds.dwell=100ms",
                              "--set",
                              "thresholds.delay_share=0.01",
                              "--set",
                              "thresholds.busy_share=0.5",
                              "--set",
                              "thresholds.confidence=0.5",
                              NULL,
                              NULL,
                              NULL,
                              NULL};
        size_t n = ELEMENTSOF(args) - 4;
        _cleanup_close_
        int log = open_log(f);

        snprintf(runtime, sizeof(runtime), "--runtime-dir=%s/run", f->dir);
        snprintf(state, sizeof(state), "--state-dir=%s/state", f->dir);
        snprintf(config, sizeof(config), "--config-dir=%s/conf", f->dir);
        snprintf(scope, sizeof(scope), "scope=tree:%d", getpid());
        snprintf(model, sizeof(model), "--model=%s", f->model ?: "rules");
        snprintf(mode_option, sizeof(mode_option), "--mode=%s", mode ?: "");
        snprintf(record, sizeof(record), "--record=%s/rec", f->dir);
        if (mode)
                args[n++] = mode_option;
        if (f->record)
                args[n++] = record;
        if (f->filter_dir) {
                snprintf(pins, sizeof(pins), "--filter-dir=%s", f->filter_dir);
                args[n++] = pins;
        }
        f->daemon_pid = spawn(f, args, log);
        assert_true(fixture_wait(daemon_has_name, f));
}

int fixture_stop_daemon(Fixture *f, int signal) {
        int status = -1;

        assert_int_equal(kill(f->daemon_pid, signal), 0);
        assert_int_equal(waitpid(f->daemon_pid, &status, 0), f->daemon_pid);
        f->daemon_pid = 0;
        return status;
}

int fixture_run(const Fixture *f, const char *const *args, char *output, size_t size) {
        _cleanup_close_
        int in = -EBADF, out = -EBADF;
        const char *all[16] = {fixture_aikmd};
        size_t n = 1, length = 0;
        int fds[2], status;
        ssize_t k;
        pid_t pid;

        while (*args && n < ELEMENTSOF(all) - 1)
                all[n++] = *args++;
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        in = fds[0];
        out = fds[1];
        pid = spawn(f, all, out);
        close(TAKE_FD(out));
        while (length + 1 < size && (k = read(in, output + length, size - 1 - length)) > 0)
                length += (size_t)k;
        output[length] = '\0';
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

sd_bus_message *fixture_call(sd_bus *bus, const char *error, const char *interface,
                             const char *method, const char *types, ...) {
        _cleanup_(sd_bus_error_free)
        sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *request = NULL;
        sd_bus_message *reply = NULL;
        va_list ap;
        int r;

        assert_true(sd_bus_message_new_method_call(bus, &request, "org.aikm1",
                                                   streq(interface, "org.aikm1.Filter")
                                                           ? "/org/aikm1/filter"
                                                           : "/org/aikm1",
                                                   interface, method) >= 0);
        va_start(ap, types);
        assert_true(sd_bus_message_appendv(request, types, ap) >= 0);
        va_end(ap);
        r = sd_bus_call(bus, request, 0, &e, &reply);
        if (error) {
                assert_true(r < 0);
                assert_string_equal(e.name, error);
                assert_true(e.message && e.message[0]);
                return NULL;
        }
        if (r < 0)
                fail_msg("%s.%s: %s: %s", interface, method, e.name, e.message);
        return reply;
}

void fixture_seek(sd_bus_message *reply, const char *key, const char *type) {
        const char *name;

        assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                assert_true(sd_bus_message_read(reply, "s", &name) > 0);
                if (streq(name, key)) {
                        assert_true(sd_bus_message_enter_container(reply, 'v', type) > 0);
                        return;
                }
                assert_true(sd_bus_message_skip(reply, "v") >= 0);
                assert_true(sd_bus_message_exit_container(reply) >= 0);
        }
        fail_msg("no %s in the reply", key);
}

static sd_bus_message *status_seek(sd_bus *bus, const char *key, const char *type) {
        sd_bus_message *reply = fixture_call(bus, NULL, "org.aikm1.Manager", "GetStatus", "");

        fixture_seek(reply, key, type);
        return reply;
}

uint32_t fixture_status_u32(sd_bus *bus, const char *key) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = status_seek(bus, key, "u");
        uint32_t value;

        assert_true(sd_bus_message_read(reply, "u", &value) > 0);
        return value;
}

uint64_t fixture_status_u64(sd_bus *bus, const char *key) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = status_seek(bus, key, "t");
        uint64_t value;

        assert_true(sd_bus_message_read(reply, "t", &value) > 0);
        return value;
}

void fixture_status_string(sd_bus *bus, const char *key, char *value, size_t size) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = status_seek(bus, key, "s");
        const char *text;

        assert_true(sd_bus_message_read(reply, "s", &text) > 0);
        snprintf(value, size, "%s", text);
}
