/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/journal-sink.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>

#include "util/macro.h"

const char *journal_identifier = "aikmd";

#define VALUE_MAX ((size_t)600)

/*
 * sd_journal_sendv() cannot be used: where nobody listens it loses the message and returns success,
 * and where journald hangs it blocks, and the daemon with it. The protocol is a stable interface
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram, a field a line, binary where a value has
 * newlines.
 */
static int fd = -EBADF;
static struct sockaddr_un address;
static bool stderr_is_journal;
static unsigned int n_lost; /* since journald took the last one */

/* JOURNAL_STREAM holds device and inode of the stream that the service manager made stderr. */
static bool is_journal_stream(void) {
        const char *text = getenv("JOURNAL_STREAM");
        char own[64];
        struct stat st;

        if (!text || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return streq(text, own);
}

void journal_sink_init(const char *socket_path) {
        closep(&fd);
        /* Without the descriptor everything goes to stderr. */
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        address = (struct sockaddr_un){.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
        stderr_is_journal = is_journal_stream();
        n_lost = 0;
        /* A reader of stderr that goes away must not take the daemon with it. */
        (void)signal(SIGPIPE, SIG_IGN);
}

static void payload_append(JournalPayload *p, const void *data, size_t n) {
        memcpy(p->data + p->n, data, n);
        p->n += n;
}

void journal_payload_add(JournalPayload *p, const char *name, const char *value) {
        size_t n_name = strlen(name), n = strnlen(value, VALUE_MAX);
        unsigned char size[8];

        if (n_name + n + sizeof(size) + 2 > sizeof(p->data) - p->n)
                return;
        payload_append(p, name, n_name);
        if (memchr(value, '\n', n)) {
                for (size_t i = 0; i < sizeof(size); i++)
                        size[i] = (unsigned char)((uint64_t)n >> (8 * i));
                payload_append(p, "\n", 1);
                payload_append(p, size, sizeof(size));
        } else
                payload_append(p, "=", 1);
        payload_append(p, value, n);
        payload_append(p, "\n", 1);
}

/* The path is looked up each time, so a journald that was started anew is found. */
static int send_native(const void *data, size_t n) {
        if (fd < 0)
                return fd;
        return sendto(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
                      sizeof(address)) < 0
                       ? -errno
                       : 0;
}

/* False: it is a stream that nobody reads. */
static bool write_stderr(int priority, const char *text) {
        static const char *const words[] = {"", "", "", "error: ", "warning: "};
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

        if (!stderr_is_journal) {
                fprintf(stderr, "%s: %s%s\n", journal_identifier,
                        priority >= 0 && priority < (int)ELEMENTSOF(words) ? words[priority] : "",
                        text);
                return true;
        }
        if (poll(&p, 1, 0) <= 0 || p.revents != POLLOUT)
                return false;
        /* The name is the stream's; the priority is told as sd-daemon(3) has it. */
        return fprintf(stderr, "<%d>%s\n", priority, text) > 0;
}

static void tell_lost(void) {
        JournalPayload p = {0};
        char text[128];

        snprintf(text, sizeof(text), "%u messages were lost: the journal did not listen", n_lost);
        journal_payload_add(&p, "MESSAGE", text);
        journal_payload_add(&p, "PRIORITY", "4"); /* LOG_WARNING */
        journal_payload_add(&p, "SYSLOG_IDENTIFIER", journal_identifier);
        if (send_native(p.data, p.n) >= 0)
                n_lost = 0;
}

void journal_sink_send(int priority, const char *text, const JournalPayload *p) {
        bool sent = send_native(p->data, p->n) >= 0;

        if (sent && n_lost > 0)
                tell_lost();
        if (!(sent && stderr_is_journal) && !write_stderr(priority, text) && !sent)
                n_lost++;
}
