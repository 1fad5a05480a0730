/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the daemon tells: to the journal with a MESSAGE_ID and AIKM_* fields where journald's socket
 * is there, and as one readable line on stderr wherever stderr is not the journal itself. Storms
 * are cut: each kind of message has a burst per minute. Only the daemon's outermost layer calls
 * this. systemd/aikmd.catalog has an entry for each MESSAGE_ID.
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
#define MESSAGE_MODEL_CHANGED "525c9aa805bd433f85101a9119c06d95"
#define MESSAGE_CONFIG_REFUSED "a5e8d8df9f514a58aa77e4f4391f3afe"
#define MESSAGE_EVENTS_LOST "cf26f06b13b24f8c97d200b762cf28a0"
#define MESSAGE_RESTORED_AFTER_CRASH "b010112ba5d543f185fdade6ce6e3cf2"
#define MESSAGE_COLLECTOR_FALLBACK "3235a132d2134d90993cf60c46783f58"
#define MESSAGE_UNIT_DEMOTED "066b06425e924a648ef325aaf178467d"
#define MESSAGE_UNIT_PUT_BACK "8e7182e678314f5bbd029fa86690c576"
#define MESSAGE_UNIT_HANDS_OFF "31fd4646d2a64bbeb3fb3b4a6b5842b8"
#define MESSAGE_TRIAL_BEGUN "cc1c2beb91034cfdb5208343b8cfccd2"
#define MESSAGE_TRIAL_ENDED "db123645c6814fb79ea5dee75f3d0b54"
#define MESSAGE_CHANGE_FAILED "869dc1cc19684a7d9edd40189afd6b9c"
#define MESSAGE_KNOB_HANDS_OFF "adfed2874a1049dabac578ecf5f6f442"
#define MESSAGE_REQUEST_ADMITTED "24bf93e3510f42868ea22428b7ef6ba6"
#define MESSAGE_OWN_REQUEST_ADMITTED "2648c130931a4f0cb4ec43338625b314"
#define MESSAGE_REQUEST_REFUSED "5c3624a09eb54e5d93fb9f51d0f24654"
#define MESSAGE_FEED_LOST "2b2c9b12eba746ae8bad5407152625e7"
#define MESSAGE_DATASET_STARTED "a0f16fafe4254ef2905ac2f09e84ee1b"
#define MESSAGE_DATASET_STOPPED "6b1d78ae0b3746aea33cd20f1324ec6e"
#define MESSAGE_DATASET_BROKEN "d7a54723d82c4b5693268859776a3f7b"
#define MESSAGE_DATASET_HELD_UP "90a2eb7819844a11a52341b92394ff8c"
#define MESSAGE_DATASET_RESUMED "9d3a62669f634b25a6261b77255a781f"
#define MESSAGE_IMPACT "5f1c2ce4d43e4e0a8e7bb34f8e7a9d16"
#define MESSAGE_IMPACT_UNDONE "b3a06a0f7d5a4d5c9d3f4c1e62f08a57"
#define MESSAGE_FILTER_ATTACHED "e0a3e0b36a484ca78e0461856e3d3444"
#define MESSAGE_FILTER_DETACHED "3e4c7717f3364ed5a0ce3630b5df845d"
#define MESSAGE_FILTER_ENFORCING "7859b19997ce488cb66a2b84a1e15530"
#define MESSAGE_FILTER_SHADOW "fd7dc328de6e4259adb0c98f72242569"
#define MESSAGE_FILTER_TRIPPED "a2d06889217c4f9bb27399868258dc6b"
#define MESSAGE_FILTER_FAILED "6fed0e9c76b04e2ab915b87327ea9684"
#define MESSAGE_SUPPRESSED "fd0c324c7a76494ea2c4d3a40138565f"

/* The fields of a message: type and name of the member, name in the journal, meaning. aikmd(8)
 * lists the same; a check compares them. */
#define JOURNAL_FIELDS(X)                                                                         \
        X(pid_t, pid, "AIKM_PID", "The process that was judged, changed or rolled back.")         \
        X(const char *, comm, "AIKM_COMM", "Its name.")                                           \
        X(const char *, load_class, "AIKM_CLASS", "The class of load that was predicted for it.") \
        X(const char *, confidence, "AIKM_CONFIDENCE",                                            \
          "How sure it is of that class, and of those dealt with alike, 0 to 1.")                 \
        X(const char *, verdict, "AIKM_VERDICT", "What the policy made of it, and why.")          \
        X(const char *, path, "AIKM_PATH", "What was written: a file, or a scheduling call.")     \
        X(const char *, unit, "AIKM_UNIT", "The systemd unit whose property was changed.")        \
        X(const char *, old_value, "AIKM_OLD", "The value before.")                               \
        X(const char *, new_value, "AIKM_NEW", "The value since.")                                \
        X(uint64_t, action, "AIKM_ACTION", "The number of the action in the ledger.")             \
        X(pid_t, victim, "AIKM_VICTIM", "The protected process that waited.")                     \
        X(const char *, victim_comm, "AIKM_VICTIM_COMM", "Its name.")                             \
        X(const char *, model, "AIKM_MODEL", "The model that predicted.")                         \
        X(const char *, verb, "AIKM_VERB", "What was asked for over the bus.")                    \
        X(const char *, caller_uid, "AIKM_CALLER_UID", "The user who asked.")                     \
        X(pid_t, caller_pid, "AIKM_CALLER_PID", "The process that asked.")                        \
        X(const char *, caller_comm, "AIKM_CALLER_COMM", "Its name.")                             \
        X(uint64_t, impact_id, "AIKM_IMPACT_ID", "The episode, as aikmctl impact numbers them.")  \
        X(const char *, impact_verdict, "AIKM_IMPACT_VERDICT", "What it came to.")                \
        X(const char *, impact_before, "AIKM_IMPACT_BEFORE",                                      \
          "The victim's group's wait per wake-up before, in microseconds.")                       \
        X(const char *, impact_during, "AIKM_IMPACT_DURING",                                      \
          "The same while others were demoted.")                                                  \
        X(uint64_t, impact_wakeups, "AIKM_IMPACT_WAKEUPS", "Wake-ups of the group in that time.") \
        X(const char *, impact_cost, "AIKM_IMPACT_COST", "What those who were demoted lost.")     \
        X(const char *, interface, "AIKM_INTERFACE",                                              \
          "The network interface that a traffic filter is on.")                                   \
        X(const char *, kind, "AIKM_KIND", "Which kind of message was suppressed.")               \
        X(uint64_t, suppressed, "AIKM_SUPPRESSED", "How many messages of that kind were.")

/* What is zero, NULL or "" is left out. */
typedef struct JournalFields {
#define JOURNAL_FIELD_MEMBER(type, member, name, meaning) type member;
        JOURNAL_FIELDS(JOURNAL_FIELD_MEMBER)
#undef JOURNAL_FIELD_MEMBER
} JournalFields;

/*
 * Prepares for messages. Call once, before the first. journal_init_as(): for another program than
 * aikmd. journal_init_at(): with another socket than
 * journald's, for tests.
 */
void journal_init(void);
void journal_init_as(const char *identifier);
void journal_init_at(const char *socket);

/*
 * Both send a message, unless so many of its kind were sent within a minute that this one is
 * suppressed: what a message with an id may do is in journal.c's table, one without is limited by
 * its format. What tells of start, stop, a refused configuration or a restored crash is never
 * suppressed. How many were is told when the minute is over, by the next message or by
 * journal_flush().
 *
 * priority: LOG_ERR and so on. journal_log(): a message without an id, for what is no event of
 * note. fields may be NULL.
 */
_printf_(2, 3) void journal_log(int priority, const char *format, ...);
_printf_(4, 5) void journal_note(int priority, const char *message_id, const JournalFields *fields,
                                 const char *format, ...);

/* Tells what was suppressed in minutes that are over; cheap, for every tick. */
void journal_flush(void);

/* Tells all that was suppressed; before the end. */
void journal_done(void);
