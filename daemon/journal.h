/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the daemon tells: to the journal with a MESSAGE_ID and AIKM_* fields where journald's socket
 * is there, and as one readable line on stderr wherever stderr is not the journal itself. Only the
 * daemon's outermost layer calls this. systemd/aikmd.catalog has an entry for each MESSAGE_ID.
 */

#include <sys/types.h>
#include <syslog.h>

#include <stdint.h>

#include "util/macro.h"

#define MESSAGE_STARTED "9a2884458fc742439ea69c92c47aff8d"
#define MESSAGE_STOPPED "d452d49d882b4c53a513c38ab9f995ee"
#define MESSAGE_DEMOTED "323a7b67cef54f1bad61defa26ced983"
#define MESSAGE_PUT_BACK "26f0ab1a54dc46cc8d7606e0792fcb23"
#define MESSAGE_HANDS_OFF "9c52b9626fa1466ebba88cebf3b16d58"
#define MESSAGE_KNOB_CHANGED "c311e5449214425a9a287cf4865826c4"
#define MESSAGE_KNOB_PUT_BACK "943dfc89e0d3470cb7615f8445c420d8"
#define MESSAGE_MODEL_REFUSED "47ba3a65fc274c8788fc4f606a143cf4"
#define MESSAGE_CONFIG_REFUSED "a5e8d8df9f514a58aa77e4f4391f3afe"
#define MESSAGE_EVENTS_LOST "cf26f06b13b24f8c97d200b762cf28a0"
#define MESSAGE_RESTORED_AFTER_CRASH "b010112ba5d543f185fdade6ce6e3cf2"
#define MESSAGE_COLLECTOR_FALLBACK "3235a132d2134d90993cf60c46783f58"
#define MESSAGE_TRIAL_BEGUN "cc1c2beb91034cfdb5208343b8cfccd2"
#define MESSAGE_TRIAL_ENDED "db123645c6814fb79ea5dee75f3d0b54"

/* The AIKM_* fields of a message; what is zero or NULL is left out. */
typedef struct JournalFields {
        pid_t pid;
        const char *comm;
        const char *load_class;
        const char *confidence; /* as text, "0.97" */
        const char *verdict;
        const char *path;
        const char *old_value;
        const char *new_value;
        uint64_t action;
        pid_t victim;
        const char *victim_comm;
        const char *model;
} JournalFields;

/* Finds out where messages go. Call once, before the first message. */
void journal_init(void);

/* priority: LOG_ERR and so on. A message without an id, for what is not an event of note. */
_printf_(2, 3) void journal_log(int priority, const char *format, ...);

/* fields may be NULL. */
_printf_(4, 5) void journal_note(int priority, const char *message_id, const JournalFields *fields,
                                 const char *format, ...);
