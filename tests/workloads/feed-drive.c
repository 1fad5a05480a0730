/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed-drive [--bytes N] FILE                  writes FILE to standard output, again and again
 * feed-drive [--seed N] --jobs [PHASE=]FILE… -- COMMAND…   hands jobs to a command
 *
 * Feeds a program that works for as long as there is something to do, through the phases of
 * phase.h: in "pause" nothing comes, and what waits for work sleeps. The first form is the left
 * side of a pipe, at most N bytes a second. The second runs a command, writes one line of the
 * phase's FILE (without PHASE=: of every other phase's) to it at a time, and waits for a line of
 * answer before the next, so that no work piles up; in "trickle" it lets a second pass between two.
 * The first answer begins the phases; each phase that begins is noted, since
 * a job may last beyond the one that it was handed out in.
 */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "phase.h"

#define LISTS_MAX 4
#define LINES_MAX 256

typedef struct JobList {
        char phase[16]; /* "": every other */
        char *lines[LINES_MAX];
        size_t n, next;
} JobList;

static PhaseClock phases;
static uint64_t random_state = 1;
static JobList lists[LISTS_MAX];
static size_t n_lists;

static void sleep_for(double seconds) {
        nanosleep(&(struct timespec){.tv_sec = (time_t)seconds,
                                     .tv_nsec = (long)(fmod(seconds, 1) * 1e9)},
                  NULL);
}

/* The phase, once there is one in which somebody asks. */
static const Phase *wait_pause(void) {
        static const Phase *last;
        double left;
        const Phase *p;

        for (;;) {
                p = phase_clock_now(&phases, &left);
                if (p != last && phases.zero > 0)
                        phase_note(p);
                last = p;
                if (!phase_is(p, "pause"))
                        return p;
                sleep_for(left);
        }
}

static bool write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n <= 0)
                        return false;
                data += n;
                size -= (size_t)n;
        }
        return true;
}

static int pump(const char *path, double bytes_per_second) {
        static char buffer[32768];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        /* Twenty portions a second: a slow stream is no series of silences. */
        size_t portion = bytes_per_second > 0
                                 ? (size_t)fmin(bytes_per_second / 20 + 1, sizeof(buffer))
                                 : sizeof(buffer);
        ssize_t n = 1;

        if (fd < 0) {
                perror(path);
                return EXIT_FAILURE;
        }
        while (n >= 0) {
                wait_pause();
                n = read(fd, buffer, portion);
                if (n == 0 && lseek(fd, 0, SEEK_SET) < 0)
                        break;
                if (n > 0 && !write_all(STDOUT_FILENO, buffer, (size_t)n))
                        break;
                phase_clock_begin(&phases);
                if (n > 0 && bytes_per_second > 0)
                        sleep_for((double)n / bytes_per_second);
        }
        close(fd);
        return EXIT_SUCCESS;
}

static bool read_jobs(const char *argument) {
        JobList *list = &lists[n_lists];
        const char *path = strchr(argument, '=');
        char *line = NULL;
        size_t size = 0;
        FILE *f;

        if (n_lists == LISTS_MAX)
                return false;
        if (path)
                snprintf(list->phase, sizeof(list->phase), "%.*s", (int)(path - argument),
                         argument);
        f = fopen(path ? path + 1 : argument, "re");
        if (!f) {
                perror(path ? path + 1 : argument);
                return false;
        }
        while (list->n < LINES_MAX && getline(&line, &size, f) > 0)
                if (!(list->lines[list->n++] = strdup(line)))
                        abort();
        free(line);
        fclose(f);
        n_lists++;
        return list->n > 0;
}

static const char *next_job(const Phase *phase) {
        JobList *found = NULL;

        for (size_t i = 0; i < n_lists; i++)
                if (phase_is(phase, lists[i].phase) || (!found && lists[i].phase[0] == '\0'))
                        found = &lists[i];
        if (!found)
                found = &lists[0];
        return found->lines[found->next++ % found->n];
}

/* Reads until a line has come. Returns false at the end of the command. */
static bool wait_answer(int fd) {
        char buffer[65536];
        ssize_t n;

        do {
                n = read(fd, buffer, sizeof(buffer));
                if (n <= 0)
                        return false;
        } while (!memchr(buffer, '\n', (size_t)n));
        /* The rest of an answer that has more lines than one. */
        for (struct pollfd p = {.fd = fd, .events = POLLIN}; poll(&p, 1, 5) > 0;)
                if (read(fd, buffer, sizeof(buffer)) <= 0)
                        return false;
        return true;
}

static int run_jobs(char *command[]) {
        int in[2], out[2];
        pid_t pid;

        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
                perror("feed-drive");
                return EXIT_FAILURE;
        }
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                dup2(in[0], STDIN_FILENO);
                dup2(out[1], STDOUT_FILENO);
                execvp(command[0], command);
                perror(command[0]);
                _exit(127);
        }
        close(in[0]);
        close(out[1]);
        for (;;) {
                const Phase *phase = wait_pause();
                const char *job = next_job(phase);

                if (!write_all(in[1], job, strlen(job)) || !wait_answer(out[0]))
                        break;
                phase_clock_begin(&phases);
                if (phase_is(phase, "trickle"))
                        sleep_for(0.5 + random_unit(&random_state));
        }
        fprintf(stderr, "feed-drive: %s has ended\n", command[0]);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        double bytes = 0;
        int i = 1;
        bool good = phase_clock_read(&phases);

        for (; good && i + 1 < argc && strncmp(argv[i], "--", 2) == 0 && argv[i][2]; i += 2) {
                if (strcmp(argv[i], "--bytes") == 0)
                        bytes = strtod(argv[i + 1], NULL);
                else if (strcmp(argv[i], "--seed") == 0)
                        random_state = strtoull(argv[i + 1], NULL, 10);
                else if (strcmp(argv[i], "--jobs") == 0)
                        good = read_jobs(argv[i + 1]);
                else
                        good = false;
        }
        if (good && n_lists > 0 && i + 1 < argc && strcmp(argv[i], "--") == 0)
                return run_jobs(argv + i + 1);
        if (good && n_lists == 0 && i + 1 == argc)
                return pump(argv[i], bytes);
        fputs("usage: feed-drive [--bytes N] FILE\n"
              "       feed-drive [--seed N] --jobs [PHASE=]FILE… -- COMMAND…\n",
              stderr);
        return EXIT_FAILURE;
}
