/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "util/io.h"

int proc_stat_read(int root_fd, pid_t pid, ProcStat *ret) {
        char path[64], text[1024];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "proc/%d/stat", pid);
        n = io_read_at(root_fd, path, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        return proc_stat_parse(text, ret);
}

int proc_list(int root_fd, const char *path, pid_t **ret, size_t *ret_n) {
        _cleanup_free_
        pid_t *list = NULL;
        size_t n = 0, allocated = 0;
        _cleanup_closedir_ DIR *dir = NULL;
        int r;

        r = io_open_dir_at(root_fd, path, &dir);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        for (struct dirent *d; (d = readdir(dir));) {
                uint64_t number;

                if (parse_u64(d->d_name, 1, INT32_MAX, &number) < 0)
                        continue;
                if (n == allocated) {
                        pid_t *p = reallocarray(list, allocated * 2 + 16, sizeof(pid_t));

                        if (!p)
                                return -ENOMEM;
                        list = p;
                        allocated = allocated * 2 + 16;
                }
                list[n++] = (pid_t)number;
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int proc_list_threads(int root_fd, pid_t pid, pid_t **ret, size_t *ret_n) {
        char path[64];

        (void)snprintf(path, sizeof(path), "proc/%d/task", pid);
        return proc_list(root_fd, path, ret, ret_n);
}

int identity_open(int root_fd, pid_t pid, uint64_t start, int *ret_fd) {
        _cleanup_close_
        int fd = -EBADF;
        ProcStat s;
        int r;

        fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0)
                return errno == EINVAL ? -ESRCH : -errno; /* EINVAL: a thread's number by now */
        r = proc_stat_read(root_fd, pid, &s);
        if (r < 0)
                return r;
        if (s.start != start)
                return -ESRCH;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int identity_check(int pidfd) {
        return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 ? -errno : 0;
}
