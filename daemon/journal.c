/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define FIELDS_MAX 18
#define FIELD_SIZE 640

static bool to_journal;
static bool to_stderr = true;

/* Whether stderr is already a stream of the journal: JOURNAL_STREAM holds its device and inode. */
static bool stderr_is_journal(void) {
        const char *text = getenv("JOURNAL_STREAM");
        char own[64];
        struct stat st;

        if (!text || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return streq(text, own);
}

void journal_init(void) {
        /* sd_journal_sendv() succeeds where nobody listens, so the socket is looked for first. */
        to_journal = access("/run/systemd/journal/socket", W_OK) == 0;
        to_stderr = !to_journal || !stderr_is_journal();
}

typedef struct Message {
        char text[FIELDS_MAX][FIELD_SIZE];
        struct iovec iov[FIELDS_MAX];
        int n;
} Message;

_printf_(2, 0) static void message_add_va(Message *m, const char *format, va_list ap) {
        int r;

        if (m->n >= FIELDS_MAX)
                return;
        r = vsnprintf(m->text[m->n], FIELD_SIZE, format, ap);
        if (r < 0)
                return;
        m->iov[m->n].iov_base = m->text[m->n];
        m->iov[m->n].iov_len = (size_t)r < FIELD_SIZE ? (size_t)r : FIELD_SIZE - 1;
        m->n++;
}

_printf_(2, 3) static void message_add(Message *m, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        message_add_va(m, format, ap);
        va_end(ap);
}

static void message_add_string(Message *m, const char *name, const char *value) {
        if (value && value[0])
                message_add(m, "%s=%s", name, value);
}

static void message_add_fields(Message *m, const JournalFields *f) {
        if (f->pid > 0)
                message_add(m, "AIKM_PID=%d", f->pid);
        message_add_string(m, "AIKM_COMM", f->comm);
        message_add_string(m, "AIKM_CLASS", f->load_class);
        message_add_string(m, "AIKM_CONFIDENCE", f->confidence);
        message_add_string(m, "AIKM_VERDICT", f->verdict);
        message_add_string(m, "AIKM_PATH", f->path);
        message_add_string(m, "AIKM_OLD", f->old_value);
        message_add_string(m, "AIKM_NEW", f->new_value);
        if (f->action > 0)
                message_add(m, "AIKM_ACTION=%" PRIu64, f->action);
        if (f->victim > 0)
                message_add(m, "AIKM_VICTIM=%d", f->victim);
        message_add_string(m, "AIKM_VICTIM_COMM", f->victim_comm);
        message_add_string(m, "AIKM_MODEL", f->model);
}

_printf_(4, 0) static void send(int priority, const char *message_id, const JournalFields *fields,
                                const char *format, va_list ap) {
        static const char *const words[] = {"", "", "", "error: ", "warning: "};
        char text[FIELD_SIZE - sizeof("MESSAGE=")];
        Message m;

        vsnprintf(text, sizeof(text), format, ap);
        if (to_stderr)
                fprintf(stderr, "aikmd: %s%s\n",
                        priority >= 0 && priority < (int)ELEMENTSOF(words) ? words[priority] : "",
                        text);
        if (!to_journal)
                return;
        m.n = 0;
        message_add(&m, "MESSAGE=%s", text);
        message_add(&m, "PRIORITY=%d", priority);
        message_add_string(&m, "MESSAGE_ID", message_id);
        message_add(&m, "SYSLOG_IDENTIFIER=aikmd");
        if (fields)
                message_add_fields(&m, fields);
        (void)sd_journal_sendv(m.iov, m.n);
}

void journal_log(int priority, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        send(priority, /* message_id= */ NULL, /* fields= */ NULL, format, ap);
        va_end(ap);
}

void journal_note(int priority, const char *message_id, const JournalFields *fields,
                  const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        send(priority, message_id, fields, format, ap);
        va_end(ap);
}
