/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "util/io.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "util/macro.h"

int io_root_open(void) {
        const char *root = secure_getenv("AIKM_ROOT");
        int fd;

        fd = open(root && root[0] ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Reads until EOF or until the buffer is full; sysfs and procfs may hand out less than asked for.
 */
static ssize_t read_full(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n < size) {
                ssize_t k = read(fd, buffer + n, size - n);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        return (ssize_t)n;
}

static int write_full(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t k = write(fd, p, size);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += k;
                size -= (size_t)k;
        }
        return 0;
}

ssize_t io_read_at(int dir_fd, const char *path, char *buffer, size_t size) {
        _cleanup_close_
        int fd = -EBADF;
        ssize_t n;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        n = read_full(fd, buffer, size);
        if (n < 0)
                return n;
        if ((size_t)n == size)
                return -EFBIG;
        buffer[n] = '\0';
        return n;
}

int io_read_all_at(int dir_fd, const char *path, size_t limit, char **ret_data, size_t *ret_size) {
        _cleanup_close_
        int fd = -EBADF;
        _cleanup_free_
        char *data = NULL;
        size_t allocated = 4096, size = 0;
        struct stat st;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
                return -EFBIG;
        if (S_ISREG(st.st_mode) && st.st_size > 0)
                allocated = (size_t)st.st_size + 2;

        for (;;) {
                char *p = realloc(data, allocated);
                ssize_t n;

                if (!p)
                        return -ENOMEM;
                data = p;
                n = read_full(fd, data + size, allocated - size - 1);
                if (n < 0)
                        return (int)n;
                size += (size_t)n;
                if (size > limit)
                        return -EFBIG;
                if (size < allocated - 1)
                        break;
                allocated *= 2;
        }
        data[size] = '\0';
        *ret_data = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int io_write_at(int dir_fd, const char *path, const char *text) {
        _cleanup_close_
        int fd = -EBADF;
        size_t size = strlen(text);
        ssize_t n;

        fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        n = write(fd, text, size);
        if (n < 0)
                return -errno;
        return (size_t)n == size ? 0 : -EIO;
}

int io_open_below(int dir_fd, const char *path, int flags) {
        _cleanup_close_
        int fd = -EBADF;
        struct stat st;

        for (const char *p = path;;) {
                size_t n = strcspn(p, "/");
                bool last = p[n] == '\0';
                char name[NAME_MAX + 1];
                int next;

                if (n == 0 || n > NAME_MAX || (n <= 2 && memcmp(p, "..", n) == 0))
                        return -EINVAL;
                memcpy(name, p, n);
                name[n] = '\0';
                next = openat(fd < 0 ? dir_fd : fd, name,
                              (last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return -errno;
                closep(&fd);
                fd = next;
                if (last)
                        break;
                p += n + 1;
        }
        /* O_PATH opens a link itself. */
        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISLNK(st.st_mode) ? -ELOOP : TAKE_FD(fd);
}

int io_open_dir_at(int dir_fd, const char *path, DIR **ret) {
        _cleanup_close_
        int fd = -EBADF;
        DIR *dir;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        (void)TAKE_FD(fd);
        *ret = dir;
        return 0;
}

static int replace(int dir_fd, const char *path, const void *data, size_t size, mode_t mode,
                   bool durable) {
        _cleanup_close_
        int fd = -EBADF;
        char temporary[4096];
        int r;

        r = snprintf(temporary, sizeof(temporary), "%s.%d~", path, getpid());
        if (r < 0 || (size_t)r >= sizeof(temporary))
                return -ENAMETOOLONG;
        fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        r = write_full(fd, data, size);
        if (r >= 0 && durable && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(dir_fd, temporary, 0);
        return r;
}

int io_replace_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode) {
        return replace(dir_fd, path, data, size, mode, /* durable= */ true);
}

int io_replace_lazily_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode) {
        return replace(dir_fd, path, data, size, mode, /* durable= */ false);
}

int io_mkdir_p(const char *path, mode_t mode) {
        char part[4096];
        size_t n = strlen(path);

        if (n == 0 || n >= sizeof(part))
                return n == 0 ? -EINVAL : -ENAMETOOLONG;
        memcpy(part, path, n + 1);
        for (char *p = part + 1;; p++) {
                bool end = *p == '\0';
                struct stat st;

                if (*p != '/' && !end)
                        continue;
                *p = '\0';
                if (mkdir(part, mode) < 0) {
                        if (errno != EEXIST)
                                return -errno;
                        if (stat(part, &st) < 0)
                                return -errno;
                        if (!S_ISDIR(st.st_mode))
                                return -ENOTDIR;
                }
                if (end)
                        return 0;
                *p = '/';
        }
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;

        if (!text[0])
                return -EINVAL;
        for (const char *p = text; *p; p++) {
                if (*p < '0' || *p > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(v, 10, &v) ||
                    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
                        return -ERANGE;
        }
        if (v < min || v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret) {
        bool negative = text[0] == '-';
        uint64_t magnitude;
        int64_t v;
        int r;

        r = parse_u64(text + negative, 0, (uint64_t)INT64_MAX, &magnitude);
        if (r < 0)
                return r;
        v = negative ? -(int64_t)magnitude : (int64_t)magnitude;
        if (v < min || v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_double(const char *text, double min, double max, double *ret) {
        char *end;
        double v;

        if (!text[0] || !strchr("+-.0123456789", text[0]))
                return -EINVAL;
        v = strtod(text, &end);
        if (*end || !isfinite(v))
                return -EINVAL;
        if (v < min || v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}
