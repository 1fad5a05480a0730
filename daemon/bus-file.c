/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

int bus_read_sealed(int fd, const char *what, size_t max, char **ret, size_t *ret_size, Error *e) {
        _cleanup_free_
        char *data = NULL;
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;
        size_t size;
        ssize_t n;

        if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return error_set(e, -EINVAL,
                                 "%s: not a memory file sealed against writing, growing and "
                                 "shrinking",
                                 what);
        if ((uint64_t)st.st_size > max)
                return error_set(e, -EINVAL, "%s: larger than %zu bytes", what, max);
        size = (size_t)st.st_size;
        data = malloc(size + 1);
        if (!data)
                return error_set(e, -ENOMEM, "out of memory");
        n = pread(fd, data, size, 0);
        if (n < 0 || (size_t)n != size)
                return error_set(e, -EINVAL, "%s: cannot be read: %s", what,
                                 n < 0 ? strerror(errno) : "too short");
        data[size] = '\0';
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}
