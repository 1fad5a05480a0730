/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/cgroup-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "util/io.h"

#define MOUNTINFO_MAX ((size_t)4 * 1024 * 1024)

int cgroup_tree_open(int root_fd, CgroupTree *t) {
        _cleanup_free_
        char *text = NULL;
        size_t size;
        int r;

        *t = CGROUP_TREE_INIT;
        r = io_read_all_at(root_fd, "proc/self/mountinfo", MOUNTINFO_MAX, &text, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (int h = 0; h < _CGROUP_HIERARCHY_COUNT; h++) {
                char point[sizeof(t->root[h])];

                if (cgroup_parse_mount(text, (CgroupHierarchy)h, t->root[h], point, sizeof(point)) <
                    0)
                        continue;
                if (streq(t->root[h], "/"))
                        t->root[h][0] = '\0';
                t->fd[h] = openat(root_fd, point + strspn(point, "/"),
                                  O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (t->fd[h] < 0)
                        t->fd[h] = -EBADF;
        }
        return 0;
}

void cgroup_tree_done(CgroupTree *t) {
        for (int h = 0; h < _CGROUP_HIERARCHY_COUNT; h++)
                closep(&t->fd[h]);
        *t = CGROUP_TREE_INIT;
}

/* The group's directory relative to the mount point, "." for the mount point itself. */
static int relative_path(const CgroupTree *t, CgroupHierarchy h, CgroupPath path, char *ret,
                         size_t size) {
        size_t n = strlen(t->root[h]);

        if (t->fd[h] < 0 || !path.start)
                return -ENOENT;
        if (path.length < n || memcmp(path.start, t->root[h], n) != 0 ||
            (path.length > n && path.start[n] != '/'))
                return -ENOENT; /* outside of what is mounted here */
        path.start += n;
        path.length -= n;
        for (; path.length > 0 && *path.start == '/'; path.length--)
                path.start++;
        if (path.length == 0) {
                path.start = ".";
                path.length = 1;
        }
        if (path.length >= size || (path.length >= 2 && memcmp(path.start, "..", 2) == 0))
                return -ENOENT; /* outside of our cgroup namespace */
        memcpy(ret, path.start, path.length);
        ret[path.length] = '\0';
        return 0;
}

static int group_id(int fd, const char *path, uint64_t *ret) {
        struct stat st;

        if (fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                return -ENOENT;
        *ret = st.st_ino;
        return 0;
}

int cgroup_tree_get_id(const CgroupTree *t, const char *text, uint64_t *ret) {
        CgroupPath paths[_CGROUP_HIERARCHY_COUNT];
        char path[4096];
        int r;

        cgroup_parse_paths(text, paths);
        r = relative_path(t, CGROUP_V2, paths[CGROUP_V2], path, sizeof(path));
        return r < 0 ? r : group_id(t->fd[CGROUP_V2], path, ret);
}

/* In v2 a group has cpu.weight where its parent gives it the controller; else an ancestor counts.
 */
static int nearest_with_cpu(const CgroupTree *t, char *path, uint64_t *ret) {
        while (!streq(path, ".")) {
                char file[4096 + sizeof("/cpu.weight")];
                char *slash;

                (void)snprintf(file, sizeof(file), "%s/cpu.weight", path);
                if (faccessat(t->fd[CGROUP_V2], file, F_OK, /* flags= */ 0) >= 0) {
                        int r = group_id(t->fd[CGROUP_V2], path, ret);

                        return r < 0 ? r : 1;
                }
                slash = strrchr(path, '/');
                if (slash)
                        *slash = '\0';
                else
                        memcpy(path, ".", 2);
        }
        /* A mount that shows a group below the root cannot tell what is above. */
        return t->root[CGROUP_V2][0] ? -ENOENT : 0;
}

int cgroup_tree_get_cpu_id(const CgroupTree *t, const char *text, uint64_t *ret) {
        CgroupPath paths[_CGROUP_HIERARCHY_COUNT];
        char path[4096];
        int r;

        cgroup_parse_paths(text, paths);
        if (paths[CGROUP_V1_CPU].start) {
                if (paths[CGROUP_V1_CPU].length == 1)
                        return 0;
                r = relative_path(t, CGROUP_V1_CPU, paths[CGROUP_V1_CPU], path, sizeof(path));
                if (r >= 0)
                        r = group_id(t->fd[CGROUP_V1_CPU], path, ret);
                return r < 0 ? r : 1;
        }
        r = relative_path(t, CGROUP_V2, paths[CGROUP_V2], path, sizeof(path));
        return r < 0 ? r : nearest_with_cpu(t, path, ret);
}

int cgroup_tree_get_cpu_length(const CgroupTree *t, const char *cgroup, uint16_t *ret) {
        CgroupPath whole = {cgroup, strlen(cgroup)};
        char path[4096];
        uint64_t id;
        int r;

        if (cgroup[0] != '/' || t->fd[CGROUP_V1_CPU] >= 0 || t->root[CGROUP_V2][0])
                return -ENOENT;
        r = relative_path(t, CGROUP_V2, whole, path, sizeof(path));
        if (r >= 0)
                r = nearest_with_cpu(t, path, &id);
        if (r < 0)
                return r;
        *ret = r == 0 ? 1 : (uint16_t)(1 + strlen(path));
        return 0;
}
