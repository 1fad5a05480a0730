/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "fake-service-manager.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "util/macro.h"

#define NAME "org.freedesktop.systemd1"
#define JOB "/org/freedesktop/systemd1/job/7"

static int get(FakeState *s, sd_bus_message *m) {
        const char *interface, *property;
        char *unit = NULL;
        uint64_t value;
        int r;

        r = sd_bus_message_read(m, "ss", &interface, &property);
        if (r < 0)
                return r;
        r = sd_bus_path_decode(sd_bus_message_get_path(m), "/org/freedesktop/systemd1/unit", &unit);
        if (r <= 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_OBJECT, "no unit's path");
        if (streq(property, "LoadState")) {
                bool known = streq(unit, s->unit);

                free(unit);
                if (s->mode == FAKE_WRONG_TYPE)
                        return sd_bus_reply_method_return(m, "v", "u", 1);
                return sd_bus_reply_method_return(m, "v", "s", known ? "loaded" : "not-found");
        }
        free(unit);
        value = streq(property, "CPUWeight") ? s->cpu_weight : s->io_weight;
        if (s->mode == FAKE_OUT_OF_RANGE)
                value = 10001;
        return sd_bus_reply_method_return(m, "v", "t", value);
}

static void write_drop_in(const FakeManager *f, const char *unit, const char *property,
                          uint64_t value) {
        char path[1024], text[32] = "";
        FILE *file;

        (void)mkdir(f->control, 0755);
        (void)snprintf(path, sizeof(path), "%s/%s.d", f->control, unit);
        (void)mkdir(path, 0755);
        (void)snprintf(path, sizeof(path), "%s/%s.d/50-%s.conf", f->control, unit, property);
        if (value != UINT64_MAX)
                (void)snprintf(text, sizeof(text), "%" PRIu64, value);
        file = fopen(path, "we");
        assert(file);
        (void)fprintf(file,
                      "# This is a drop-in unit file extension, created via \"systemctl "
                      "set-property\"\n# or an equivalent operation. Do not edit.\n[Service]\n"
                      "%s=%s\n",
                      property, value == 0 ? "idle" : text);
        (void)fclose(file);
}

static int set(const FakeManager *f, sd_bus_message *m) {
        FakeState *s = f->state;
        const char *unit, *property;
        uint64_t value;
        int r, runtime;

        r = sd_bus_message_read(m, "sba(sv)", &unit, &runtime, 1, &property, "t", &value);
        if (r < 0)
                return r;
        if (!streq(unit, s->unit))
                return sd_bus_reply_method_errorf(m, NAME ".NoSuchUnit", "Unit not found.");
        if (s->mode == FAKE_DEAF)
                return -ECONNRESET;
        s->n_sets++;
        s->runtime = runtime;
        *(streq(property, "CPUWeight") ? &s->cpu_weight : &s->io_weight) = value;
        write_drop_in(f, unit, property, value);
        if (s->mode == FAKE_MUTE)
                return -ECONNRESET;
        return sd_bus_reply_method_return(m, "");
}

static int start(FakeState *s, sd_bus_message *m) {
        const char *name, *mode, *description, *slice, *collect;
        uint32_t pid;
        int r;

        r = sd_bus_message_read(m, "ssa(sv)", &name, &mode, 4, NULL, "s", &description, NULL, "s",
                                &slice, NULL, "au", 1, &pid, NULL, "s", &collect);
        if (r < 0)
                return r;
        if (streq(name, s->taken))
                return sd_bus_reply_method_errorf(m, NAME ".UnitExists", "Unit exists.");
        s->n_scopes++;
        s->scope_pid = pid;
        (void)snprintf(s->scope, sizeof(s->scope), "%s", name);
        (void)snprintf(s->slice, sizeof(s->slice), "%s", slice);
        (void)snprintf(s->description, sizeof(s->description), "%s", description);
        r = sd_bus_reply_method_return(m, "o", JOB);
        if (r < 0 || s->mode == FAKE_NO_JOB)
                return r;
        /* Somebody else's job ends first. */
        (void)sd_bus_emit_signal(sd_bus_message_get_bus(m), "/org/freedesktop/systemd1",
                                 NAME ".Manager", "JobRemoved", "uoss", 6,
                                 "/org/freedesktop/systemd1/job/6", "a.service", "failed");
        return sd_bus_emit_signal(sd_bus_message_get_bus(m), "/org/freedesktop/systemd1",
                                  NAME ".Manager", "JobRemoved", "uoss", 7, JOB, name,
                                  s->mode == FAKE_JOB_FAILS ? "failed" : "done");
}

static int answer_huge(sd_bus_message *m) {
        sd_bus_message *reply = NULL;
        void *p;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append_array_space(reply, 'y', 8 << 20, &p);
        if (r >= 0) {
                memset(p, 0, 8 << 20);
                r = sd_bus_send(NULL, reply, NULL);
        }
        sd_bus_message_unref(reply);
        return r;
}

static int chatter(sd_bus *bus) {
        char text[1024];

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        for (;;) {
                int r = sd_bus_emit_signal(bus, "/a", "a.b", "C", "s", text);

                if (r < 0)
                        return r;
                r = sd_bus_flush(bus);
                if (r < 0)
                        return r;
        }
}

static int answer(const FakeManager *f, sd_bus_message *m) {
        switch (f->state->mode) {
        case FAKE_DUMB:
                return 0;
        case FAKE_HANGS_UP:
                return -ECONNRESET;
        case FAKE_HUGE:
                return answer_huge(m);
        case FAKE_CHATTER:
                return chatter(sd_bus_message_get_bus(m));
        default:
                break;
        }
        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Get"))
                return get(f->state, m);
        if (sd_bus_message_is_method_call(m, NAME ".Manager", "SetUnitProperties"))
                return set(f, m);
        if (sd_bus_message_is_method_call(m, NAME ".Manager", "StartTransientUnit"))
                return start(f->state, m);
        return 0;
}

static void converse(const FakeManager *f, int fd) {
        sd_bus *bus = NULL;
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_bus_set_server(bus, 1, id);
        if (r >= 0)
                r = sd_bus_start(bus);
        while (r >= 0) {
                sd_bus_message *m = NULL;

                r = sd_bus_process(bus, &m);
                if (r > 0 && m)
                        r = answer(f, m);
                else if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                sd_bus_message_unref(m);
        }
        sd_bus_close_unref(bus);
}

_Noreturn static void serve(const FakeManager *f, int listener) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGPIPE, SIG_IGN);
        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                const char *text = NULL;

                if (fd < 0)
                        _exit(1);
                f->state->n_connections++;
                switch (f->state->mode) {
                case FAKE_SILENT:
                        continue; /* with the descriptor left open */
                case FAKE_GARBAGE:
                        text = "\xff\xfeHTTP/1.1 400 Bad Request\r\n\r\n\r\n";
                        break;
                case FAKE_REJECTS:
                        text = "REJECTED\r\nREJECTED\r\n";
                        break;
                default:
                        converse(f, fd);
                        continue;
                }
                (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
        }
}

void fake_manager_restart(FakeManager *f) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd;

        (void)unlink(f->socket);
        assert(strlen(f->socket) < sizeof(address.sun_path));
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", f->socket);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(fd >= 0);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                abort();
        f->pid = fork();
        assert(f->pid >= 0);
        if (f->pid == 0)
                serve(f, fd);
        close(fd);
}

void fake_manager_start(FakeManager *f, const char *folder, const char *control) {
        f->state = mmap(NULL, sizeof(*f->state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
        assert(f->state != MAP_FAILED);
        *f->state = (FakeState){
                .unit = "hogs.service", .cpu_weight = UINT64_MAX, .io_weight = UINT64_MAX};
        (void)snprintf(f->control, sizeof(f->control), "%s/%s", folder, control);
        (void)snprintf(f->socket, sizeof(f->socket), "%s/private", folder);
        fake_manager_restart(f);
}

void fake_manager_kill(FakeManager *f) {
        if (f->pid <= 0)
                return;
        (void)kill(f->pid, SIGKILL);
        (void)waitpid(f->pid, NULL, 0);
        f->pid = 0;
}

void fake_manager_done(FakeManager *f) {
        fake_manager_kill(f);
        if (f->state)
                (void)munmap(f->state, sizeof(*f->state));
        f->state = NULL;
}
