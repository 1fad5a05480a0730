/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/polkit-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <systemd/sd-login.h>

#define AGENT "/usr/bin/pkttyagent"
#define READY_FD 3 /* in the agent */
#define READY_TIMEOUT_MSEC 10000

/* The terminal is its stdin and stdout, wherever ours go. */
_Noreturn static void agent_exec(pid_t parent, int ready) {
        int terminal;

        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        terminal = open("/dev/tty", O_RDWR);
        if (terminal < 0 || dup2(terminal, STDIN_FILENO) < 0 || dup2(terminal, STDOUT_FILENO) < 0 ||
            dup2(terminal, STDERR_FILENO) < 0)
                _exit(EXIT_FAILURE);
        if (ready == READY_FD ? fcntl(ready, F_SETFD, 0) < 0 : dup2(ready, READY_FD) < 0)
                _exit(EXIT_FAILURE);
        if (terminal > READY_FD)
                close(terminal);
        /* A desktop's agent goes before. Without a session there is none, and polkit 122 overlooks
         * one that would only be a fallback for it. */
        execl(AGENT, "pkttyagent", "--notify-fd", "3",
              sd_pid_get_session(0, NULL) >= 0 ? "--fallback" : NULL, (char *)NULL);
        _exit(EXIT_FAILURE);
}

void polkit_agent_start(Context *c) {
        _cleanup_close_
        int ours = -EBADF, theirs = -EBADF;
        struct pollfd end = {.events = POLLHUP};
        pid_t parent = getpid(), pid;
        int fds[2];

        if (c->polkit_agent != 0 || !c->ask_password || c->host || c->machine || geteuid() == 0 ||
            !isatty(STDIN_FILENO) || access(AGENT, X_OK) < 0)
                return;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        ours = fds[0];
        theirs = fds[1];
        fflush(NULL);
        pid = fork();
        if (pid < 0)
                return;
        if (pid == 0)
                agent_exec(parent, theirs);
        c->polkit_agent = pid;
        close(TAKE_FD(theirs));
        /* It closes the pipe when it is registered, and by ending. */
        end.fd = ours;
        while (poll(&end, 1, READY_TIMEOUT_MSEC) < 0 && errno == EINTR)
                ;
}

void polkit_agent_stop(Context *c) {
        if (c->polkit_agent <= 0)
                return;
        /* It may be stopped at the terminal. */
        (void)kill(c->polkit_agent, SIGTERM);
        (void)kill(c->polkit_agent, SIGCONT);
        while (waitpid(c->polkit_agent, NULL, 0) < 0 && errno == EINTR)
                ;
        c->polkit_agent = 0;
}
