/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Where the daemon's messages go: journald's socket, and stderr where that is not the journal
 * itself, or where journald does not listen. Never blocks for journald, and follows it as it comes
 * and goes.
 */

#include <stddef.h>

/* The fields of one message in journald's native protocol. What does not fit is left out. */
typedef struct JournalPayload {
        char data[12 * 1024];
        size_t n;
} JournalPayload;

/* name: capitals, digits, underscores. value: any text, cut where it is longer than 600 bytes. */
void journal_payload_add(JournalPayload *p, const char *name, const char *value);

/* Who tells: SYSLOG_IDENTIFIER, and what lines on stderr begin with. "aikmd" where it is not
 * changed. */
extern const char *journal_identifier;

/* socket: of journald. Looks whether stderr is a stream of the journal. Call once. */
void journal_sink_init(const char *socket);

/* p holds all fields, text and priority are what stderr gets. */
void journal_sink_send(int priority, const char *text, const JournalPayload *p);
