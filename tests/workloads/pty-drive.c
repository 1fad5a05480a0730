/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pty-drive [--keys FILE] [--seed N] -- COMMAND…: runs a command on a terminal of its own and types
 * at it as a person would, through the phases of phase.h: uneven gaps within words, pauses between
 * them, never more than GAP_MAX_MS of them; in "rush" in a hurry, in "trickle" a key now and then,
 * in "pause" nobody is there. The phases begin when the command's first output has come to rest.
 * Without --keys nothing is typed. What the command writes is read and thrown away. Ends with the
 * command, or hangs up on it when it is told to end itself.
 *
 * The key file is typed over and over, line by line, with \r \e \t \xHH \\ and:
 *   @pause MS          about that long
 *   @hold N MS KEYS    a key held down: KEYS N times, MS apart
 * Anything else is typed without its line break.
 */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "phase.h"

#define GAP_MAX_MS 2400
#define SETTLE_MS 700
#define SETTLE_MAX_MS 15000

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
        stopped = 1;
}

static uint64_t random_state = 1;
static PhaseClock phases;

/* Log-normal around median, as gaps between keys are. */
static int about(double median_ms, double spread) {
        double normal = sqrt(-2 * log(1 - random_unit(&random_state))) *
                        cos(2 * M_PI * random_unit(&random_state));

        return (int)fmin(median_ms * exp(spread * normal), GAP_MAX_MS);
}

static int64_t now_ms(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits and reads what the command writes. Returns false when it is over. */
static bool wait_ms(int fd, int ms) {
        int64_t end = now_ms() + ms;

        for (;;) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                int64_t left = end - now_ms();
                char buffer[65536];

                if (stopped)
                        return false;
                if (poll(&p, 1, left > 0 ? (int)left : 0) < 0)
                        return false;
                if (p.revents && read(fd, buffer, sizeof(buffer)) <= 0 && errno != EAGAIN)
                        return false;
                if (left <= 0)
                        return true;
        }
}

/* Waits until the command's output has paused for a moment. */
static bool settle(int fd) {
        int64_t end = now_ms() + SETTLE_MAX_MS;

        while (now_ms() < end) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                int n = poll(&p, 1, SETTLE_MS);

                if (n == 0)
                        break;
                if (n < 0 || !wait_ms(fd, 20))
                        return false;
        }
        phase_clock_begin(&phases);
        return true;
}

/* The gap between two keys; in a pause all of it. */
static bool gap(int fd, int ms) {
        double left;
        const Phase *p = phase_clock_now(&phases, &left);

        if (phase_is(p, "rush"))
                ms /= 3;
        else if (phase_is(p, "trickle"))
                ms = ms < 700 ? about(1300, 0.3) : ms;
        if (!wait_ms(fd, ms < GAP_MAX_MS ? ms : GAP_MAX_MS))
                return false;
        while (p = phase_clock_now(&phases, &left), phase_is(p, "pause"))
                if (!wait_ms(fd, (int)(left * 1000) + 1))
                        return false;
        return true;
}

/* Decodes one key of text; returns the rest. */
static const char *take_key(const char *text, char *ret) {
        if (*text != '\\') {
                *ret = *text;
                return text + 1;
        }
        switch (text[1]) {
        case 'r':
                *ret = '\r';
                return text + 2;
        case 'e':
                *ret = '\033';
                return text + 2;
        case 't':
                *ret = '\t';
                return text + 2;
        case 'x': {
                char hex[3] = {text[2], text[2] ? text[3] : '\0', '\0'};

                *ret = (char)strtol(hex, NULL, 16);
                return text + 2 + strlen(hex);
        }
        default:
                *ret = text[1];
                return text + (text[1] ? 2 : 1);
        }
}

static bool send_key(int fd, char key) {
        return write(fd, &key, 1) == 1;
}

static bool type_line(int fd, const char *text) {
        while (*text) {
                char key;

                text = take_key(text, &key);
                if (!send_key(fd, key))
                        return false;
                /* An escape sequence is one key. */
                while (key == '\033' && (*text == '[' || *text == 'O')) {
                        do {
                                text = take_key(text, &key);
                                if (!send_key(fd, key))
                                        return false;
                        } while (*text && (key == '[' || key == 'O' || (key >= '0' && key <= ';')));
                }
                if (!gap(fd, key == ' ' || key == '\r' ? about(280, 0.6) : about(130, 0.5)))
                        return false;
        }
        return true;
}

static bool hold(int fd, const char *arguments) {
        char *rest;
        long n = strtol(arguments, &rest, 10), ms = strtol(rest, &rest, 10);
        const char *keys = rest + strspn(rest, " ");

        for (long i = 0; i < n; i++) {
                for (const char *p = keys; *p;) {
                        char key;

                        p = take_key(p, &key);
                        if (!send_key(fd, key))
                                return false;
                }
                if (!gap(fd, (int)ms))
                        return false;
        }
        return true;
}

static void type_file(int fd, const char *path) {
        FILE *f = fopen(path, "re");
        char *line = NULL;
        size_t size = 0;
        bool more = true;

        if (!f) {
                perror(path);
                return;
        }
        while (more) {
                rewind(f);
                while (more && getline(&line, &size, f) > 0) {
                        line[strcspn(line, "\n")] = '\0';
                        if (strncmp(line, "@pause ", 7) == 0)
                                more = gap(fd, about((double)strtol(line + 7, NULL, 10), 0.4));
                        else if (strncmp(line, "@hold ", 6) == 0)
                                more = hold(fd, line + 6);
                        else
                                more = type_line(fd, line);
                        /* Reading what came, and now and then a thought. */
                        more = more && gap(fd, random_unit(&random_state) < 0.12 ? about(1800, 0.4)
                                                                                 : about(350, 0.6));
                }
        }
        free(line);
        fclose(f);
}

int main(int argc, char *argv[]) {
        const char *keys = NULL;
        struct winsize size = {.ws_row = 40, .ws_col = 120};
        int fd, i = 1;
        pid_t pid;

        for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
                if (strcmp(argv[i], "--keys") == 0)
                        keys = argv[i + 1];
                else if (strcmp(argv[i], "--seed") == 0)
                        random_state = strtoull(argv[i + 1], NULL, 10);
                else
                        break;
        }
        if (i + 1 >= argc || strcmp(argv[i], "--") != 0 || !phase_clock_read(&phases)) {
                fputs("usage: pty-drive [--keys FILE] [--seed N] -- COMMAND…\n", stderr);
                return EXIT_FAILURE;
        }
        sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
        pid = forkpty(&fd, NULL, NULL, &size);
        if (pid < 0) {
                perror("forkpty");
                return EXIT_FAILURE;
        }
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                setenv("TERM", "xterm-256color", 1);
                execvp(argv[i + 1], argv + i + 1);
                perror(argv[i + 1]);
                _exit(127);
        }
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (settle(fd) && keys)
                type_file(fd, keys);
        while (wait_ms(fd, 1000))
                ;
        close(fd);
        for (int n = 0; n < 20 && waitpid(pid, NULL, WNOHANG) == 0; n++)
                usleep(50000);
        kill(pid, SIGKILL);
        return EXIT_SUCCESS;
}
