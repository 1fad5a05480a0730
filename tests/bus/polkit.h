/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A daemon on a private bus with a polkit that the test plays, and calls that do not wait. */

#include "tests/bus/fixture.h"
#include "util/macro.h"

#define MANAGER "org.aikm1.Manager"
#define PROCESSES "org.aikm1.Processes"
#define POLICY "org.aikm1.Policy"
#define LEDGER "org.aikm1.Ledger"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define AUTHENTICATION_REQUIRED "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
#define LIMITS_EXCEEDED "org.freedesktop.DBus.Error.LimitsExceeded"
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define NOBODY 65534
#define SOMEBODY 1 /* the bus refuses users that nobody has heard of */

/* The program; main() sets it. */
extern const char *polkit_program;

/* cmocka's setup and teardown: a daemon that observes, and polkit. */
int polkit_setup(void **state);
int polkit_teardown(void **state);

void polkit_start(Fixture *f);
void polkit_stop(void);
/* yes, no, challenge or hold, from now on. */
void polkit_set(const Fixture *f, const char *mode);
/* Answers what is held; returns how many. */
uint32_t polkit_release(const Fixture *f, const char *mode);

typedef struct PolkitAsked {
        uint32_t questions, withdrawn, held, flags;
        char action[128], subject[128], details[512];
} PolkitAsked;

void polkit_get(const Fixture *f, PolkitAsked *ret);
/* Waits until so many are held. */
void polkit_wait_held(const Fixture *f, uint32_t n);

/* A call under way. */
typedef struct Call {
        sd_bus_slot *slot;
        sd_bus_message *reply;
        unsigned int n_replies;
} Call;

/* Waits for answers as long as need be: the test's own time limit ends what hangs. */
void call_start(Call *c, sd_bus *bus, bool interactive, const char *interface, const char *method,
                const char *types, ...);
/* Until it is answered; error: the name of the error that is expected, NULL: success. */
void call_finish(Call *c, sd_bus *bus, const char *error);
/* Takes in what is there. */
void call_process(sd_bus *bus);
void call_done(Call *c);

/* Whether the daemon's log has the text, now or soon. */
bool log_has(const Fixture *f, const char *text);
