/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A private message bus with fake-aikmd on it, and aikmctl run against it. All of it ends with the
 * test. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <sys/types.h>

typedef struct Fixture {
        char dir[64];
        char address[96]; /* of the bus */
        char path[2048];  /* PATH as it was before fixture_start_ssh() */
        pid_t bus, fake;
} Fixture;

typedef struct Output {
        int status; /* exit status; 128 + signal */
        char out[64 * 1024], err[8 * 1024];
} Output;

/* Programs under test, from the command line. */
extern const char *fixture_aikmctl, *fixture_fake;

/* Starts the bus; false where there is no dbus-daemon. */
bool fixture_start(Fixture *f);
void fixture_start_fake(Fixture *f, const char *option);
void fixture_stop_fake(Fixture *f);
void fixture_stop(Fixture *f);

/*
 * An ssh of the test's own, first in PATH, and AIKM_BUS_ADDRESS unset: whatever the host, the bus
 * behind it is the fixture's. Its arguments are appended to DIR/ssh-args, a line a run. Hosts that
 * fail: unreachable, nobridge, nobus, killed, brief (loses the connection after half a second).
 * False where systemd-stdio-bridge is not installed.
 */
bool fixture_start_ssh(Fixture *f);
void fixture_stop_ssh(Fixture *f);

/* Runs aikmctl with the words of a line (blank-separated), stdout and stderr caught. */
void fixture_run(const Fixture *f, const char *line, Output *ret);

/* The same; the test fails where it ends with another status. */
void fixture_expect(const Fixture *f, const char *line, int status, Output *ret);

/* part is somewhere in text. */
void assert_says(const char *text, const char *part);

/* Splits line in place into at most n - 1 words, NULL behind them. */
void fixture_words(char *line, char **ret_words, size_t n);
