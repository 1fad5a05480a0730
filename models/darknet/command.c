/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "models/darknet/command.h"

#include "util/io.h"

/* No network that the importer takes has more than this in weights. */
#define MEMORY_FILE_MAX ((off_t)256 * 1024 * 1024)

int command_finish(const char *verb, int r, const Error *e) {
        if (r >= 0)
                return EXIT_SUCCESS;
        fprintf(stderr, "aikm-darknet %s: %s\n", verb, e && e->text[0] ? e->text : strerror(-r));
        return EXIT_FAILURE;
}

int command_usage(const char *verb, const char *format, ...) {
        va_list ap;

        fprintf(stderr, "aikm-darknet %s: ", verb);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fprintf(stderr, "\nTry 'aikm-darknet --help'.\n");
        return 2;
}

int command_number(const char *verb, const char *name, const char *text, uint64_t min, uint64_t max,
                   uint64_t *ret) {
        if (parse_u64(text, min, max, ret) >= 0)
                return 0;
        command_usage(verb, "%s: '%s' is not a whole number from %llu to %llu", name, text,
                      (unsigned long long)min, (unsigned long long)max);
        return -EINVAL;
}

int memory_file_new(const char *name, const void *data, size_t size,
                    char ret_path[MEMORY_FILE_PATH_MAX]) {
        _cleanup_close_
        int fd = memfd_create(name, MFD_CLOEXEC);
        const char *p = data;

        if (fd < 0 || fchmod(fd, 0666) < 0)
                return -errno;
        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                p += n;
                size -= (size_t)n;
        }
        snprintf(ret_path, MEMORY_FILE_PATH_MAX, "/proc/self/fd/%d", fd);
        return TAKE_FD(fd);
}

int memory_file_read(int fd, char **ret, size_t *ret_size) {
        _cleanup_free_
        char *data = NULL;
        struct stat st;
        size_t size, done = 0;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > MEMORY_FILE_MAX)
                return -EFBIG;
        size = (size_t)st.st_size;
        data = malloc(size + 1);
        if (!data)
                return -ENOMEM;
        while (done < size) {
                ssize_t n = pread(fd, data + done, size - done, (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t)n;
        }
        data[size] = '\0';
        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}
