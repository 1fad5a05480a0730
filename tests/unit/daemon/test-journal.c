/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages as journald's socket and stderr get them: a socket and a file of the test's own. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/journal-sink.h"
#include "daemon/journal.h"

static char dir[] = "/tmp/aikm-journal.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int journald = -EBADF, err = -EBADF, real_stderr = -EBADF;
static char datagram[16 * 1024];

static void listen_there(void) {
        journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(journald >= 0);
        assert_int_equal(bind(journald, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* file: whether its socket stays behind, as that of a journald that was killed. */
static void stop_listening(bool file) {
        closep(&journald);
        journald = -EBADF;
        if (!file)
                (void)unlink(address.sun_path);
}

static int start(void **state) {
        FILE *f = tmpfile();

        assert_non_null(f);
        real_stderr = dup(STDERR_FILENO);
        err = dup(fileno(f));
        assert_true(fclose(f) == 0 && err >= 0 && real_stderr >= 0);
        assert_true(dup2(err, STDERR_FILENO) >= 0);
        unsetenv("JOURNAL_STREAM");
        listen_there();
        journal_init_at(address.sun_path);
        return 0;
}

static int stop(void **state) {
        stop_listening(false);
        assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
        closep(&real_stderr);
        closep(&err);
        return 0;
}

/* What stderr became is the journal's stream from now on. */
static void make_stderr_a_stream(void) {
        char text[64];
        struct stat st;

        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", text, 1), 0);
        journal_init_at(address.sun_path);
}

/* The next message, as a string; "" for none. */
static const char *receive(void) {
        ssize_t n = recv(journald, datagram, sizeof(datagram) - 1, 0);

        datagram[n > 0 ? n : 0] = '\0';
        return datagram;
}

/* How many there are. After each one sent: a socket's queue is short. */
static size_t receive_all(void) {
        size_t n = 0;

        while (receive()[0])
                n++;
        return n;
}

/* All of stderr since the last time. */
static const char *read_stderr(void) {
        static char text[64 * 1024];
        ssize_t n = pread(err, text, sizeof(text) - 1, 0);

        assert_true(n >= 0);
        text[n] = '\0';
        assert_int_equal(ftruncate(err, 0), 0);
        assert_true(lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
        return text;
}

static void assert_has(const char *text, const char *part) {
        if (!strstr(text, part))
                print_error("\"%s\" is not in:\n%s\n", part, text);
        assert_non_null(strstr(text, part));
}

static void test_fields(void **state) {
        const JournalFields f = {.pid = 4242,
                                 .comm = "stress",
                                 .load_class = "batch",
                                 .confidence = "0.97",
                                 .unit = "hog.service",
                                 .old_value = "nice=0",
                                 .new_value = "nice=19",
                                 .action = 7,
                                 .victim = 77,
                                 .victim_comm = ""};

        journal_note(LOG_INFO, MESSAGE_DEMOTED, &f, "Demoted %s[%d]", f.comm, f.pid);
        assert_string_equal(receive(), "MESSAGE=Demoted stress[4242]\nPRIORITY=6\n"
                                       "MESSAGE_ID=" MESSAGE_DEMOTED "\nSYSLOG_IDENTIFIER=aikmd\n"
                                       "AIKM_PID=4242\nAIKM_COMM=stress\nAIKM_CLASS=batch\n"
                                       "AIKM_CONFIDENCE=0.97\nAIKM_UNIT=hog.service\n"
                                       "AIKM_OLD=nice=0\nAIKM_NEW=nice=19\nAIKM_ACTION=7\n"
                                       "AIKM_VICTIM=77\n");
        assert_string_equal(receive(), "");
        /* stderr is somebody's terminal here. */
        assert_string_equal(read_stderr(), "aikmd: Demoted stress[4242]\n");
}

/* A name with newlines must not become fields of its own. */
static void test_newline(void **state) {
        static const char expected[] = "AIKM_COMM\n\x0e\0\0\0\0\0\0\0evil\nPRIORITY=\n";
        bool found = false;
        ssize_t n;

        journal_note(LOG_INFO, MESSAGE_DEMOTED, &(JournalFields){.comm = "evil\nPRIORITY="},
                     "one line");
        n = recv(journald, datagram, sizeof(datagram), 0);
        assert_true(n > 0);
        for (size_t i = 0; i + sizeof(expected) - 1 <= (size_t)n; i++)
                found |= memcmp(datagram + i, expected, sizeof(expected) - 1) == 0;
        assert_true(found);
}

static void test_long_values(void **state) {
        JournalPayload p = {0};
        char text[4096];

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        journal_note(LOG_INFO, MESSAGE_DEMOTED, &(JournalFields){.comm = text, .path = text}, "%s",
                     text);
        assert_has(receive(), "\nAIKM_PATH=xxx");
        assert_int_equal(datagram[strlen(datagram) - 1], '\n');
        /* More than fits is left out whole. */
        for (int i = 0; i < 100; i++)
                journal_payload_add(&p, "FIELD", text);
        assert_true(p.n > sizeof(p.data) - 700 && p.n <= sizeof(p.data));
        assert_int_equal(p.data[p.n - 1], '\n');
}

/* Priorities in words where nobody else can tell them. */
static void test_stderr_words(void **state) {
        stop_listening(false);
        journal_log(LOG_ERR, "bad");
        journal_log(LOG_WARNING, "so so");
        journal_log(LOG_NOTICE, "good");
        assert_string_equal(read_stderr(),
                            "aikmd: error: bad\naikmd: warning: so so\naikmd: good\n");
}

static void test_stream(void **state) {
        make_stderr_a_stream();
        journal_log(LOG_ERR, "by the socket");
        assert_has(receive(), "MESSAGE=by the socket\nPRIORITY=3\n");
        assert_string_equal(read_stderr(), "");
        /* Without the socket the stream takes it, with the priority as sd-daemon(3) has it. */
        stop_listening(false);
        journal_log(LOG_ERR, "by the stream");
        journal_log(LOG_DEBUG, "this too");
        assert_string_equal(read_stderr(), "<3>by the stream\n<7>this too\n");
}

/* journald ends, with and without its socket's file, and is started anew. */
static void test_comes_and_goes(void **state) {
        make_stderr_a_stream();
        for (int file = 0; file < 2; file++) {
                stop_listening(file);
                journal_log(LOG_INFO, "nobody listens");
                assert_string_equal(read_stderr(), "<6>nobody listens\n");
                (void)unlink(address.sun_path);
                listen_there();
                journal_log(LOG_INFO, "somebody listens");
                assert_has(receive(), "MESSAGE=somebody listens\n");
                assert_string_equal(read_stderr(), "");
        }
}

/* A journald that hangs costs messages, never the daemon's time; how many is told afterwards. */
static void test_hangs(void **state) {
        unsigned int lost = 0;
        int ends[2];

        /* Both ways are full: the stream by a pipe that nobody empties. */
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        while (write(ends[1], dir, sizeof(dir)) > 0)
                ;
        assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
        make_stderr_a_stream();
        for (int i = 0; i < 4096; i++) /* longer than any queue */
                journal_note(LOG_INFO, MESSAGE_STARTED, NULL, "message %d", i);
        while (strncmp(receive(), "MESSAGE=message ", 16) == 0)
                lost++;
        lost = 4096 - lost;
        assert_true(lost > 0);
        journal_note(LOG_INFO, MESSAGE_STARTED, NULL, "again");
        assert_has(receive(), "MESSAGE=again\n");
        assert_has(receive(), " messages were lost");
        assert_int_equal(strtoul(datagram + strlen("MESSAGE="), NULL, 10), lost);
        assert_true(dup2(err, STDERR_FILENO) >= 0);
        close(ends[0]);
        close(ends[1]);
}

static void test_storm(void **state) {
        size_t n = 0, refused = 0;

        for (int i = 0; i < 1000; i++) {
                journal_note(LOG_INFO, MESSAGE_DEMOTED, &(JournalFields){.pid = i + 1},
                             "Demoted %d", i);
                n += receive_all();
        }
        assert_in_range(n, 1, 60);
        /* Another kind is not affected, and what matters is never suppressed. */
        journal_note(LOG_INFO, MESSAGE_PUT_BACK, NULL, "Put back");
        assert_has(receive(), "MESSAGE=Put back\n");
        for (int i = 0; i < 100; i++) {
                journal_note(LOG_ERR, MESSAGE_CONFIG_REFUSED, NULL, "refused %d", i);
                refused += receive_all();
        }
        assert_int_equal(refused, 100);
        /* The minute still runs. */
        journal_flush();
        assert_string_equal(receive(), "");
        journal_done();
        assert_has(receive(), "MESSAGE_ID=" MESSAGE_SUPPRESSED "\n");
        assert_has(datagram, "such as \"Demoted 999\"");
        assert_has(datagram, "\nAIKM_KIND=demoted\n");
        assert_int_equal(strtoul(strstr(datagram, "AIKM_SUPPRESSED=") + 16, NULL, 10), 1000 - n);
        journal_done();
        assert_string_equal(receive(), "");
}

/* Messages without an id are told apart by their formats, more of them than are remembered, too. */
static void test_formats(void **state) {
        static char formats[200][16];
        size_t n = 0;

        for (int i = 0; i < 100; i++) {
                journal_log(LOG_INFO, "first %d", i);
                journal_log(LOG_INFO, "second %d", i);
                n += receive_all();
        }
        assert_in_range(n, 2, 40);
        n = 0;
        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                snprintf(formats[i], sizeof(formats[i]), "format %zu", i);
/* A format that the compiler cannot see is the test's purpose. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
                journal_log(LOG_INFO, formats[i]);
#pragma GCC diagnostic pop
                n += receive_all();
        }
        journal_done();
        /* Each format once, and the two summaries: nothing is forgotten where room is made. */
        assert_int_equal(n + receive_all(), ELEMENTSOF(formats) + 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_fields, start, stop),
                cmocka_unit_test_setup_teardown(test_newline, start, stop),
                cmocka_unit_test_setup_teardown(test_long_values, start, stop),
                cmocka_unit_test_setup_teardown(test_stderr_words, start, stop),
                cmocka_unit_test_setup_teardown(test_stream, start, stop),
                cmocka_unit_test_setup_teardown(test_comes_and_goes, start, stop),
                cmocka_unit_test_setup_teardown(test_hangs, start, stop),
                cmocka_unit_test_setup_teardown(test_storm, start, stop),
                cmocka_unit_test_setup_teardown(test_formats, start, stop),
        };
        int r;

        if (!mkdtemp(dir))
                return 1;
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void)rmdir(dir);
        return r;
}
