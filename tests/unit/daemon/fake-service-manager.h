/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A service manager's private socket, served by a child process: it knows one unit, writes drop-ins
 * as systemd does, counts what it is asked, and can misbehave. */

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

typedef enum FakeMode {
        FAKE_GOOD,
        FAKE_SILENT,     /* takes the connection, and nothing more */
        FAKE_DUMB,       /* authenticates, and does not answer */
        FAKE_GARBAGE,    /* no D-Bus at all */
        FAKE_REJECTS,    /* in authentication */
        FAKE_HANGS_UP,   /* when asked */
        FAKE_DEAF,       /* hangs up when a property is to be set */
        FAKE_MUTE,       /* sets it, and hangs up */
        FAKE_WRONG_TYPE, /* a string for a weight, a number for a state */
        FAKE_OUT_OF_RANGE,
        FAKE_HUGE,    /* an answer of megabytes */
        FAKE_CHATTER, /* signals without end, and no answer */
        FAKE_NO_JOB,  /* does not tell that the job has ended */
        FAKE_JOB_FAILS,
} FakeMode;

/* In memory that both processes share. */
typedef struct FakeState {
        FakeMode mode;
        char unit[128]; /* the only one that it knows */
        uint64_t cpu_weight, io_weight;
        unsigned n_connections, n_sets, n_scopes;
        char taken[128]; /* a scope's name that is taken */
        int runtime;     /* of the last SetUnitProperties */
        char scope[128], slice[128], description[128];
        uint32_t scope_pid;
} FakeState;

typedef struct FakeManager {
        FakeState *state;
        pid_t pid;
        char control[512]; /* folder of its drop-ins */
        char socket[512];
} FakeManager;

/* folder: "…/run/systemd", which exists; control: "system.control" or "user.control". */
void fake_manager_start(FakeManager *f, const char *folder, const char *control);
/* The socket's file stays, as after a crash. */
void fake_manager_kill(FakeManager *f);
void fake_manager_restart(FakeManager *f);
void fake_manager_done(FakeManager *f);
