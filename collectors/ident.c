/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "collectors/build-id.h"
#include "collectors/cgroup-tree.h"
#include "util/io.h"

static void read_exe(int root_fd, pid_t pid, char *ret, size_t size) {
        static const char deleted[] = " (deleted)";
        char path[64], target[4096];
        size_t length, n = sizeof(deleted) - 1;
        ssize_t k;

        (void)snprintf(path, sizeof(path), "proc/%d/exe", pid);
        k = readlinkat(root_fd, path, target, sizeof(target));
        if (k <= 0 || (size_t)k == sizeof(target))
                return;
        length = (size_t)k;
        if (length > n && memcmp(target + length - n, deleted, n) == 0)
                length -= n;
        if (length >= size)
                return;
        memcpy(ret, target, length);
        ret[length] = '\0';
}

int ident_read(int root_fd, const CgroupTree *tree, BuildIdCache *builds, pid_t pid, Ident *ret) {
        _cleanup_free_
        char *text = NULL;
        char path[64];
        Ident ident = {};
        size_t size;
        int r;

        (void)snprintf(path, sizeof(path), "proc/%d", pid);
        if (faccessat(root_fd, path, F_OK, /* flags= */ 0) < 0)
                return -ESRCH;
        read_exe(root_fd, pid, ident.exe, sizeof(ident.exe));
        if (builds && ident.exe[0])
                build_id_read(builds, root_fd, pid, &ident.build);
        (void)snprintf(path, sizeof(path), "proc/%d/cgroup", pid);
        r = io_read_all_at(root_fd, path, /* limit= */ 65536, &text, &size);
        if (r == -ESRCH)
                return r;
        if (r == -ENOMEM)
                return r;
        if (r >= 0)
                ident_parse_cgroup(text, &ident);
        if (tree)
                (void)cgroup_tree_get_cpu_length(tree, ident.cgroup, &ident.group_length);
        *ret = ident;
        return 0;
}
