/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One question to polkit, asked without waiting. */

#include <systemd/sd-bus.h>

#include "util/macro.h"

typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_NO,
        POLKIT_CHALLENGE, /* yes, if the caller would prove who it is */
        POLKIT_ABSENT,    /* there is no polkit on this bus */
        POLKIT_FAILED,    /* no answer in time, or one that is not understood */
} PolkitAnswer;

#define POLKIT_DETAILS_MAX 2

typedef struct PolkitQuestion {
        const char *sender; /* unique name of who asks us */
        const char *action;
        struct {
                const char *key; /* NULL: no more */
                const char *value;
        } details[POLKIT_DETAILS_MAX];
        bool interactive; /* a person may be asked, which takes minutes */
        uint64_t id;      /* unique on this connection */
} PolkitQuestion;

typedef struct PolkitCheck PolkitCheck;

/* why: in words, for POLKIT_ABSENT and POLKIT_FAILED. May free the check. */
typedef void (*polkit_callback_t)(PolkitAnswer answer, const char *why, void *userdata);

/* What question points at is copied. 0 or -errno. */
int polkit_check_new(sd_bus *bus, const PolkitQuestion *question, polkit_callback_t callback,
                     void *userdata, PolkitCheck **ret);
/* Withdraws a question that is still open. */
PolkitCheck *polkit_check_free(PolkitCheck *c);
DEFINE_CLEANUP(PolkitCheck *, polkit_check_free);
