/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The kernel tells when processes begin to stall for CPU, I/O or memory: a PSI trigger for each, so
 * that nobody has to look again and again. A window that is a multiple of 2 s needs no privilege
 * since Linux 6.4, nor in Debian 12's 6.1; in older kernels every trigger needs
 * CAP_SYS_RESOURCE.
 */

#include "collectors/sample.h"
#include "util/error.h"

typedef struct PsiTriggers {
        int fds[_PSI_COUNT]; /* -EBADF: not open */
} PsiTriggers;

#define PSI_TRIGGERS_INIT ((PsiTriggers){{-EBADF, -EBADF, -EBADF}})

/*
 * All or none: something stalls ("some") for at least stall within window. Relative to root_fd,
 * where nothing but procfs is written to. Returns 0; -EOPNOTSUPP where the kernel offers no PSI, or
 * -errno, with *e set.
 */
int psi_triggers_open(int root_fd, usec_t stall, usec_t window, PsiTriggers *ret, Error *e);
void psi_triggers_close(PsiTriggers *t);

/*
 * The descriptors poll as POLLPRI, once per window in which it happened. Takes what waits, so that
 * a poll that begins now hears of what comes. Returns 1 where something did, 0, or -EIO where the
 * trigger works no more.
 */
int psi_trigger_take(int fd);
