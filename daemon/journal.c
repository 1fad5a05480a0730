/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "daemon/journal-sink.h"
#include "daemon/ratelimit.h"

#define TEXT_MAX 632
#define INTERVAL (60 * USEC_PER_SEC)
#define OTHERS_BURST 10 /* of each format without an entry below */

/* One kind of message. Those of the table have an id, those found as they come a format. */
typedef struct Kind {
        const void *key;  /* the id or the format; compared as a pointer where it is a format */
        const char *name; /* AIKM_KIND; NULL: found as it came */
        RateLimit limit;
        char last[120]; /* the last message that was suppressed, cut */
} Kind;

#define ALWAYS(id, name) \
        { id, name, {.interval = INTERVAL}, "" }
#define LIMITED(id, name, n) \
        { id, name, {.interval = INTERVAL, .burst = n}, "" }

static Kind table[] = {
        ALWAYS(MESSAGE_STARTED, "started"),
        ALWAYS(MESSAGE_STOPPED, "stopped"),
        ALWAYS(MESSAGE_CONFIG_REFUSED, "config-refused"),
        ALWAYS(MESSAGE_MODEL_REFUSED, "model-refused"),
        ALWAYS(MESSAGE_MODEL_CHANGED, "model-changed"),
        ALWAYS(MESSAGE_RESTORED_AFTER_CRASH, "restored-after-crash"),
        ALWAYS(MESSAGE_SUPPRESSED, "suppressed"),
        LIMITED(MESSAGE_FILTER_ATTACHED, "filter-attached", 20),
        LIMITED(MESSAGE_FILTER_DETACHED, "filter-detached", 20),
        LIMITED(MESSAGE_FILTER_ENFORCING, "filter-enforcing", 20),
        LIMITED(MESSAGE_FILTER_SHADOW, "filter-shadow", 20),
        LIMITED(MESSAGE_FILTER_TRIPPED, "filter-tripped", 20),
        LIMITED(MESSAGE_FILTER_FAILED, "filter-failed", 20),
        LIMITED(MESSAGE_DEMOTED, "demoted", 30),
        LIMITED(MESSAGE_PUT_BACK, "put-back", 30),
        LIMITED(MESSAGE_HANDS_OFF, "hands-off", 20),
        LIMITED(MESSAGE_IMPACT, "impact", 20),
        LIMITED(MESSAGE_IMPACT_UNDONE, "impact-undone", 20),
        LIMITED(MESSAGE_KNOB_CHANGED, "knob-changed", 20),
        LIMITED(MESSAGE_KNOB_PUT_BACK, "knob-put-back", 20),
        LIMITED(MESSAGE_KNOB_HANDS_OFF, "knob-hands-off", 20),
        LIMITED(MESSAGE_UNIT_DEMOTED, "unit-demoted", 20),
        LIMITED(MESSAGE_UNIT_PUT_BACK, "unit-put-back", 20),
        LIMITED(MESSAGE_UNIT_HANDS_OFF, "unit-hands-off", 20),
        LIMITED(MESSAGE_CHANGE_FAILED, "change-failed", 10),
        LIMITED(MESSAGE_EVENTS_LOST, "events-lost", 5),
        LIMITED(MESSAGE_FEED_LOST, "feed-lost", 5),
        ALWAYS(MESSAGE_DATASET_STARTED, "dataset-started"),
        ALWAYS(MESSAGE_DATASET_STOPPED, "dataset-stopped"),
        LIMITED(MESSAGE_DATASET_BROKEN, "dataset-broken", 5),
        LIMITED(MESSAGE_DATASET_HELD_UP, "dataset-held-up", 5),
        LIMITED(MESSAGE_DATASET_RESUMED, "dataset-resumed", 5),
        LIMITED(MESSAGE_COLLECTOR_FALLBACK, "collector-fallback", 5),
        /* What strangers can cause at will is limited apart from what administrators do. */
        ALWAYS(MESSAGE_REQUEST_ADMITTED, "request-admitted"),
        LIMITED(MESSAGE_OWN_REQUEST_ADMITTED, "own-request-admitted", 10),
        LIMITED(MESSAGE_REQUEST_REFUSED, "request-refused", 6),
        LIMITED(MESSAGE_TRIAL_BEGUN, "trial-begun", 10),
        LIMITED(MESSAGE_TRIAL_ENDED, "trial-ended", 10),
};

/* The rest, by format; where they do not suffice the one that began first is given up. */
static Kind others[32];

void journal_init_at(const char *socket) {
        memset(others, 0, sizeof(others));
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                table[i].limit.n_passed = table[i].limit.n_suppressed = 0;
                table[i].last[0] = '\0';
        }
        journal_sink_init(socket);
}

void journal_init(void) {
        journal_init_at("/run/systemd/journal/socket");
}

void journal_init_as(const char *identifier) {
        journal_identifier = identifier;
        journal_init();
}

static void add_number(JournalPayload *p, const char *name, uint64_t v) {
        char text[24];

        if (v == 0)
                return;
        snprintf(text, sizeof(text), "%" PRIu64, v);
        journal_payload_add(p, name, text);
}

static void add_pid(JournalPayload *p, const char *name, pid_t v) {
        add_number(p, name, v > 0 ? (uint64_t)v : 0);
}

static void add_string(JournalPayload *p, const char *name, const char *value) {
        if (value && value[0])
                journal_payload_add(p, name, value);
}

/* clang-format off */
#define ADD_FIELD(type, member, name, meaning) \
        _Generic(f->member, pid_t: add_pid, uint64_t: add_number, const char *: add_string)(p, name, f->member);
/* clang-format on */

static void add_fields(JournalPayload *p, const JournalFields *f) {
        JOURNAL_FIELDS(ADD_FIELD)
}

static void send(int priority, const char *message_id, const JournalFields *fields,
                 const char *text) {
        JournalPayload p;

        p.n = 0;
        journal_payload_add(&p, "MESSAGE", text);
        journal_payload_add(&p, "PRIORITY",
                            (const char[]){(char)('0' + CLAMP(priority, LOG_EMERG, LOG_DEBUG)), 0});
        add_string(&p, "MESSAGE_ID", message_id);
        journal_payload_add(&p, "SYSLOG_IDENTIFIER", journal_identifier);
        if (fields)
                add_fields(&p, fields);
        journal_sink_send(priority, text, &p);
}

static void tell_suppressed(Kind *k, usec_t now) {
        unsigned int n = ratelimit_take_suppressed(&k->limit, now);
        char text[TEXT_MAX];

        if (n == 0)
                return;
        snprintf(text, sizeof(text), "… and %u more suppressed such as \"%s\"", n, k->last);
        send(LOG_NOTICE, MESSAGE_SUPPRESSED,
             &(JournalFields){.kind = k->name ?: "other", .suppressed = n}, text);
}

static Kind *find_kind(const char *message_id, const char *format) {
        const void *key = message_id ?: format;
        Kind *oldest = &others[0];

        for (size_t i = 0; message_id && i < ELEMENTSOF(table); i++)
                if (streq(table[i].key, message_id))
                        return &table[i];
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                Kind *k = &others[i];

                if (k->key == key)
                        return k;
                if (!k->key) {
                        oldest = k;
                        break;
                }
                if (k->limit.begin < oldest->limit.begin)
                        oldest = k;
        }
        tell_suppressed(oldest, USEC_INFINITY);
        *oldest = (Kind)LIMITED(key, NULL, OTHERS_BURST);
        return oldest;
}

_printf_(4, 0) static void note(int priority, const char *message_id, const JournalFields *fields,
                                const char *format, va_list ap) {
        usec_t now = usec_now(CLOCK_MONOTONIC);
        Kind *k = find_kind(message_id, format);
        char text[TEXT_MAX];

        vsnprintf(text, sizeof(text), format, ap);
        tell_suppressed(k, now);
        if (ratelimit_pass(&k->limit, now))
                send(priority, message_id, fields, text);
        else
                snprintf(k->last, sizeof(k->last), "%.119s", text);
}

void journal_log(int priority, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        note(priority, /* message_id= */ NULL, /* fields= */ NULL, format, ap);
        va_end(ap);
}

void journal_note(int priority, const char *message_id, const JournalFields *fields,
                  const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        note(priority, message_id, fields, format, ap);
        va_end(ap);
}

static void flush_until(usec_t now) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                tell_suppressed(&table[i], now);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                tell_suppressed(&others[i], now);
}

void journal_flush(void) {
        flush_until(usec_now(CLOCK_MONOTONIC));
}

void journal_done(void) {
        flush_until(USEC_INFINITY);
}
