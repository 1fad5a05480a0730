/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A helper program run as the calling user in a session of its own: no new privileges, no socket
 * but local ones, no core file, dead with aikmctl. Signals that end aikmctl end it first.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "util/error.h"
#include "util/time.h"

typedef struct Child {
        pid_t pid;   /* also its session and process group; 0: none */
        bool paused; /* by child_pause() */
} Child;

typedef struct ChildOptions {
        bool idle;     /* lowest priority for CPU and storage */
        int stdout_fd; /* -EBADF: ours */
} ChildOptions;

/* From here on SIGINT, SIGTERM and SIGHUP wait for child_wait(), so that what was begun is cleared
 * away. */
void child_hold_signals(void);
/* They are as before again. */
void child_release_signals(void);

/* Returns 0 or -errno with *e set. */
int child_start(const char *const *argv, const ChildOptions *o, Child *ret, Error *e);

/* Waits for at most timeout. Returns 0 where it goes on, 1 where it has ended with *ret_status as
 * of waitpid(2), -EINTR where a signal wants an end: it is dead then. */
int child_wait(Child *c, usec_t timeout, int *ret_status);
/* Returns 0, or -EINTR where a signal wants an end. */
int child_sleep(usec_t time);
void child_pause(Child *c, bool pause);
/* Ends it, gently and then not. */
void child_end(Child *c);
