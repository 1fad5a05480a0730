/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A private message bus of type system, open to every user, and an aikmd on it that may act below
 * the test's own process only. Failures end the test by cmocka's assertions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

typedef struct Fixture {
        char dir[64]; /* bus.conf, bus (socket), run/ (runtime), conf/ (configuration), log, rec */
        char address[96];
        bool record;            /* the daemon records to rec */
        const char *model;      /* as --model; NULL: rules */
        const char *filter_dir; /* as --filter-dir; NULL: not given */
        pid_t bus_pid, daemon_pid;
        sd_bus *bus; /* the test's own connection, as root */
} Fixture;

/* The path of the daemon under test; main() sets it. */
extern const char *fixture_aikmd;

/* cmocka's setup and teardown: *state is a Fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_start_bus(Fixture *f);
void fixture_stop_bus(Fixture *f);
/* Another connection; the caller closes it. */
sd_bus *fixture_connect(const Fixture *f);
/* The same as another user, in the eyes of the bus. */
sd_bus *fixture_connect_as(const Fixture *f, uid_t uid);

/* Starts a program that dies with the test, with AIKM_BUS_ADDRESS; its output goes to the log. */
pid_t fixture_spawn(const Fixture *f, const char *const *args);

/* Starts the daemon and waits until it has its name. mode: as --set, so that files do not matter;
 * NULL: the files'. */
void fixture_start_daemon(Fixture *f, const char *mode);
/* Sends the signal, waits, and returns the wait status. */
int fixture_stop_daemon(Fixture *f, int signal);
/* Runs aikmd with other options (NULL-terminated) until it ends; output gets stdout and stderr.
 * Returns the exit status, or -1. */
int fixture_run(const Fixture *f, const char *const *args, char *output, size_t size);

void fixture_write_file(const Fixture *f, const char *name, const char *text);

/* Calls a method of /org/aikm1. error: the name of the error that is expected, NULL: success. */
sd_bus_message *fixture_call(sd_bus *bus, const char *error, const char *interface,
                             const char *method, const char *types, ...);

/* Leaves a reply of type a{sv} before the value of key, which is of that type. */
void fixture_seek(sd_bus_message *reply, const char *key, const char *type);
/* Values of GetStatus. */
uint32_t fixture_status_u32(sd_bus *bus, const char *key);
uint64_t fixture_status_u64(sd_bus *bus, const char *key);
void fixture_status_string(sd_bus *bus, const char *key, char *value, size_t size);

/* Polls for at most 20 s until check returns true. */
bool fixture_wait(bool (*check)(void *userdata), void *userdata);
