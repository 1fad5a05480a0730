/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/psi-trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/vfs.h>

#include "collectors/machine.h"

static int trigger_fail(int r, const char *path, Error *e) {
        switch (r) {
        case -ENOENT:
                return error_set(e, -EOPNOTSUPP, "there is no /%s: the kernel has no PSI", path);
        case -EPERM:
        case -EACCES:
                return error_set(e, r,
                                 "/%s: %s (older kernels give triggers to CAP_SYS_RESOURCE alone)",
                                 path, strerror(-r));
        default:
                return error_set(e, r, "/%s: %s", path, strerror(-r));
        }
}

static int trigger_open(int root_fd, const char *path, const char *text, int *ret, Error *e) {
        _cleanup_close_
        int fd = openat(root_fd, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        struct statfs fs;

        if (fd < 0)
                return trigger_fail(-errno, path, e);
        /* A copy of the file would be written over. */
        if (fstatfs(fd, &fs) < 0)
                return trigger_fail(-errno, path, e);
        if (fs.f_type != PROC_SUPER_MAGIC)
                return error_set(e, -EOPNOTSUPP, "/%s is no file of the kernel", path);
        /* With the NUL: the kernel overwrites the last byte with one. */
        if (write(fd, text, strlen(text) + 1) < 0)
                return trigger_fail(-errno, path, e);
        *ret = TAKE_FD(fd);
        return 0;
}

int psi_triggers_open(int root_fd, usec_t stall, usec_t window, PsiTriggers *ret, Error *e) {
        PsiTriggers t = PSI_TRIGGERS_INIT;
        char text[64];
        int r;

        (void)snprintf(text, sizeof(text), "some %" PRIu64 " %" PRIu64, stall, window);
        for (size_t i = 0; i < ELEMENTSOF(t.fds); i++) {
                r = trigger_open(root_fd, machine_pressure_paths[i], text, &t.fds[i], e);
                if (r < 0) {
                        psi_triggers_close(&t);
                        return r;
                }
        }
        *ret = t;
        return 0;
}

void psi_triggers_close(PsiTriggers *t) {
        for (size_t i = 0; i < ELEMENTSOF(t->fds); i++)
                closep(&t->fds[i]);
        *t = PSI_TRIGGERS_INIT;
}

int psi_trigger_take(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLPRI};

        if (poll(&p, 1, /* timeout= */ 0) < 0)
                return -errno;
        if (p.revents & (POLLERR | POLLNVAL | POLLHUP))
                return -EIO;
        return (p.revents & POLLPRI) != 0;
}
