/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikmctl top on a pseudo-terminal: keys, questions, resizing, and the terminal given back. */
#include "fixture.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include "util/macro.h"
#include "util/time.h"

enum { ROWS = 24, COLUMNS = 80, PATIENCE_MS = 20000 };

/* What a VT52 shows: the smallest terminal on which a full screen works, so that the screen's
 * content can be asserted and not the bytes that ncurses chose. */
typedef struct Vt52 {
        char cells[ROWS][COLUMNS + 1];
        int y, x;
        unsigned char pending[3]; /* an escape sequence so far */
        size_t n_pending;
} Vt52;

typedef struct Session {
        Fixture fixture;
        int master;
        pid_t pid;
        struct termios before;
        Vt52 vt;
        char bytes[256 * 1024]; /* all that was written */
        size_t n_bytes;
} Session;

static Session session;

static void vt_clear(Vt52 *vt, bool whole_screen) {
        memset(vt->cells[vt->y] + vt->x, ' ', (size_t)(COLUMNS - vt->x));
        for (int y = vt->y + 1; whole_screen && y < ROWS; y++)
                memset(vt->cells[y], ' ', COLUMNS);
}

static void vt_line_feed(Vt52 *vt) {
        if (vt->y < ROWS - 1)
                vt->y++;
        else {
                memmove(vt->cells[0], vt->cells[1], sizeof(vt->cells) - sizeof(vt->cells[0]));
                memset(vt->cells[ROWS - 1], ' ', COLUMNS);
        }
}

static void vt_escape(Vt52 *vt) {
        switch (vt->pending[0]) {
        case 'A':
                vt->y = MAX(vt->y - 1, 0);
                break;
        case 'B':
                vt->y = MIN(vt->y + 1, ROWS - 1);
                break;
        case 'C':
                vt->x = MIN(vt->x + 1, COLUMNS - 1);
                break;
        case 'D':
                vt->x = MAX(vt->x - 1, 0);
                break;
        case 'H':
                vt->y = vt->x = 0;
                break;
        case 'I':
                if (vt->y > 0)
                        vt->y--;
                break;
        case 'J':
                vt_clear(vt, true);
                break;
        case 'K':
                vt_clear(vt, false);
                break;
        case 'Y':
                vt->y = CLAMP(vt->pending[1] - 32, 0, ROWS - 1);
                vt->x = CLAMP(vt->pending[2] - 32, 0, COLUMNS - 1);
                break;
        }
}

static void vt_put(Vt52 *vt, unsigned char c) {
        if (vt->n_pending > 0) {
                size_t have = vt->n_pending++ - 1;

                vt->pending[have] = c;
                if (vt->pending[0] == 'Y' && have < 2)
                        return;
                vt_escape(vt);
                vt->n_pending = 0;
        } else if (c == 27)
                vt->n_pending = 1;
        else if (c == '\r')
                vt->x = 0;
        else if (c == '\n')
                vt_line_feed(vt);
        else if (c == '\b')
                vt->x = MAX(vt->x - 1, 0);
        else if (c == '\t')
                vt->x = MIN((vt->x / 8 + 1) * 8, COLUMNS - 1);
        else if (c >= ' ' && (c & 0xc0) != 0x80) {
                vt->cells[vt->y][vt->x] = (char)(c < 0x80 ? c : '?');
                vt->x = MIN(vt->x + 1, COLUMNS - 1);
        }
}

static bool shows(const Session *s, const char *text) {
        for (int y = 0; y < ROWS; y++)
                if (strstr(s->vt.cells[y], text))
                        return true;
        return false;
}

/* Takes what the program writes; false: it is silent, or has closed the terminal. */
static bool read_some(Session *s) {
        struct pollfd p = {.fd = s->master, .events = POLLIN};
        char *to = s->bytes + s->n_bytes;
        ssize_t n;

        if (poll(&p, 1, PATIENCE_MS) <= 0)
                return false;
        assert_true(sizeof(s->bytes) - s->n_bytes > 8192);
        n = read(s->master, to, 4096);
        if (n <= 0)
                return false;
        for (ssize_t i = 0; i < n; i++)
                vt_put(&s->vt, (unsigned char)to[i]);
        s->n_bytes += (size_t)n;
        s->bytes[s->n_bytes] = '\0';
        return true;
}

static bool read_until(Session *s, const char *text) {
        while (!shows(s, text))
                if (!read_some(s))
                        return false;
        return true;
}

static void expect(Session *s, const char *text) {
        if (read_until(s, text))
                return;
        print_error("\"%s\" does not appear; the screen is:\n", text);
        for (int y = 0; y < ROWS; y++)
                print_error("|%s|\n", s->vt.cells[y]);
        assert_true(false);
}

/* A screen may arrive in parts: wait for the one that holds, or does not hold, a text. */
static void expect_on_line(Session *s, int y, const char *text) {
        while (!strstr(s->vt.cells[y], text))
                assert_true(read_some(s));
}

static void expect_gone(Session *s, const char *text) {
        while (shows(s, text))
                assert_true(read_some(s));
}

static void type(Session *s, const char *keys) {
        assert_int_equal(write(s->master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static void start_top(Session *s, const char *term, char *const *argv) {
        struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
        int slave;

        s->n_bytes = 0;
        s->bytes[0] = '\0';
        s->vt = (Vt52){0};
        for (int y = 0; y < ROWS; y++)
                memset(s->vt.cells[y], ' ', COLUMNS);
        assert_int_equal(openpty(&s->master, &slave, NULL, NULL, &size), 0);
        assert_int_equal(tcgetattr(slave, &s->before), 0);
        s->pid = fork();
        assert_true(s->pid >= 0);
        if (s->pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(s->master);
                (void)setenv("TERM", term, 1);
                if (login_tty(slave) < 0)
                        _exit(126);
                execv(fixture_aikmctl, argv);
                _exit(127);
        }
        close(slave);
}

/* Waits for the end, asserts that the terminal's modes are as they were, and returns the status. */
static int finish_top(Session *s) {
        struct termios after;
        int status;

        /* Through the master, while nobody holds the other end any more. */
        while (read_some(s))
                ;
        assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
        assert_int_equal(tcgetattr(s->master, &after), 0);
        assert_int_equal(after.c_lflag, s->before.c_lflag);
        assert_int_equal(after.c_iflag, s->before.c_iflag);
        assert_int_equal(after.c_oflag, s->before.c_oflag);
        close(s->master);
        return status;
}

static char *plain[] = {(char *)"aikmctl", (char *)"top", NULL};

static int start(void **state) {
        fixture_start_fake(&session.fixture, NULL);
        return 0;
}

static int stop(void **state) {
        fixture_stop_fake(&session.fixture);
        return 0;
}

static void test_keys(void **state) {
        Session *s = &session;

        start_top(s, "vt52", plain);
        expect(s, "aikmd 9.9.9  mode observe");
        expect(s, "By cpu");
        expect(s, "4242 ");
        type(s, "N");
        expect(s, "By pid");
        type(s, "r");
        expect(s, "By pid, reversed");
        type(s, "W");
        expect(s, "By wait");
        /* The one that waits most stands first, below head and header. */
        expect_on_line(s, 5, "  77 ");
        type(s, "I");
        expect(s, "By io");
        type(s, "M");
        expect(s, "By memory");
        type(s, "C");
        expect(s, "By class");
        type(s, "P");
        expect(s, "By cpu");
        type(s, "a");
        expect(s, "evil\\n");
        type(s, "at");
        expect(s, "treated only");
        type(s, "t/RSYN\n");
        expect(s, "matching RSYN");
        expect_gone(s, "stress-ng");
        type(s, "\033");
        expect(s, "stress-ng");
        type(s, "h");
        expect(s, "reverse the order");
        type(s, "q");
        expect(s, "By cpu");
        type(s, "q");
        assert_int_equal(finish_top(s), 0);
}

static void test_explain_and_rollback(void **state) {
        Session *s = &session;

        start_top(s, "vt52", plain);
        expect(s, "4242 ");
        /* Nothing of the second row is changed, so there is nothing to ask. */
        type(s, "jb");
        expect(s, "Nothing of that process is changed");
        type(s, "ke");
        expect(s, "stress-ng (4242) computes in long bursts");
        type(s, "q");
        expect(s, "By cpu");
        type(s, "b");
        expect(s, "Put back what was changed of process 4242? y/n");
        type(s, "n");
        expect(s, "Nothing was done");
        type(s, "by");
        expect(s, "Process 4242: 2 restored, 1 left alone");
        type(s, "m");
        expect(s, "Change the mode to advise? y/n");
        type(s, "y");
        expect(s, "mode advise");
        type(s, "q");
        assert_int_equal(finish_top(s), 0);
}

static void test_resize(void **state) {
        struct winsize small = {.ws_row = 8, .ws_col = 40};
        Session *s = &session;

        start_top(s, "vt52", plain);
        expect(s, "WAIT%");
        expect(s, "VERDICT");
        assert_int_equal(ioctl(s->master, TIOCSWINSZ, &small), 0);
        /* The footer stands on the new last line, and what was below it is not of this screen. */
        for (int y = 8; y < ROWS; y++)
                memset(s->vt.cells[y], ' ', COLUMNS);
        expect_on_line(s, 7, "h help");
        type(s, "N");
        expect(s, "By pid");
        type(s, "q");
        assert_int_equal(finish_top(s), 0);
}

static void test_signals(void **state) {
        static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
        Session *s = &session;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int status;

                start_top(s, "xterm", plain);
                while (!strstr(s->bytes, "9.9.9"))
                        assert_true(read_some(s));
                assert_int_equal(kill(s->pid, signals[i]), 0);
                status = finish_top(s);
                assert_true(WIFSIGNALED(status));
                assert_int_equal(WTERMSIG(status), signals[i]);
                /* The alternate screen was left, the cursor shown. */
                assert_non_null(strstr(s->bytes, "\033[?1049h"));
                assert_non_null(strstr(s->bytes, "\033[?1049l"));
        }
}

static void test_daemon_gone(void **state) {
        Session *s = &session;

        start_top(s, "vt52", plain);
        expect(s, "By cpu");
        fixture_stop_fake(&s->fixture);
        expect(s, "aikmd is not running on");
        /* It comes back by itself. */
        fixture_start_fake(&s->fixture, NULL);
        expect(s, "By cpu");
        type(s, "q");
        assert_int_equal(finish_top(s), 0);
}

static void test_unknown_terminal(void **state) {
        Session *s = &session;
        int status;

        start_top(s, "no-such-terminal", plain);
        status = finish_top(s);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
        assert_non_null(strstr(s->bytes, "no-such-terminal"));
}

/* The screen of another host: its name in the head, its users as numbers; and its loss. */
static void test_remote(void **state) {
        char *there[] = {(char *)"aikmctl", (char *)"top", (char *)"--host=server", NULL};
        char *brief[] = {(char *)"aikmctl", (char *)"-H", (char *)"brief", (char *)"top", NULL};
        Session *s = &session;
        int status;

        if (!fixture_start_ssh(&s->fixture))
                skip();
        start_top(s, "vt52", there);
        expect(s, "aikmd 9.9.9 on server  mode observe");
        expect(s, "4242 0 ");
        type(s, "m");
        expect(s, "Change the mode to advise? y/n");
        type(s, "y");
        expect(s, "on server  mode advise");
        type(s, "q");
        assert_int_equal(finish_top(s), 0);

        start_top(s, "vt52", brief);
        expect(s, "on brief  mode");
        status = finish_top(s);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
        assert_non_null(strstr(s->bytes, "the connection to brief was lost"));
        fixture_stop_ssh(&s->fixture);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_keys, start, stop),
                cmocka_unit_test_setup_teardown(test_explain_and_rollback, start, stop),
                cmocka_unit_test_setup_teardown(test_resize, start, stop),
                cmocka_unit_test_setup_teardown(test_signals, start, stop),
                cmocka_unit_test_setup_teardown(test_daemon_gone, start, stop),
                cmocka_unit_test_setup_teardown(test_unknown_terminal, start, stop),
                cmocka_unit_test_setup_teardown(test_remote, start, stop),
        };
        int r;

        if (argc != 3)
                return 2;
        fixture_aikmctl = argv[1];
        fixture_fake = argv[2];
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("COLUMNS");
        unsetenv("LINES");
        if (!fixture_start(&session.fixture)) {
                puts("no dbus-daemon");
                return 77;
        }
        r = cmocka_run_group_tests(tests, NULL, NULL);
        fixture_stop(&session.fixture);
        return r;
}
