/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Whole-file reads and writes below a root directory, and strict number parsing.
 *
 * Every reader of /proc, /sys and /etc takes a root descriptor, so that tests and AIKM_ROOT can put
 * a fake tree in its place. Paths are relative to it and carry no leading slash ("proc/1/stat").
 */

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"
#include "util/macro.h"

/* Opens $AIKM_ROOT, or "/" where it is unset or empty, as an O_PATH directory. Returns the
 * descriptor or -errno. */
int io_root_open(void);

/* Reads at most size - 1 bytes of a file and ends them with NUL. Returns the length without NUL, or
 * -errno; -EFBIG where it does not fit. */
ssize_t io_read_at(int dir_fd, const char *path, char *buffer, size_t size);

/* Reads a whole file of at most limit bytes into new memory, NUL behind it. Returns 0, or -errno
 * (-EFBIG above the limit). */
int io_read_all_at(int dir_fd, const char *path, size_t limit, char **ret_data, size_t *ret_size);

/* Writes text in one write(2), as sysfs wants it; never creates the file. Returns 0 or -errno. */
int io_write_at(int dir_fd, const char *path, const char *text);

/* Opens a path of plain names below dir_fd, following no link anywhere in it: for folders that a
 * user owns. (openat2(2) cannot be had under RestrictSUIDSGID=.) flags as open(2); O_CLOEXEC is
 * added. Returns the descriptor or -errno. */
int io_open_below(int dir_fd, const char *path, int flags);

/* Opens a folder for readdir(3). Returns 0 or -errno. */
int io_open_dir_at(int dir_fd, const char *path, DIR **ret);

static inline void closedirp(DIR **d) {
        if (*d)
                (void)closedir(*d);
}

#define _cleanup_closedir_ _cleanup_(closedirp)

/* Replaces a file atomically: temporary name, fsync, rename. Returns 0 or -errno. */
int io_replace_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode);

/* The same without fsync, which may wait for seconds on a busy disk: after a power failure the file
 * may be torn, so whoever reads it must be able to tell. */
int io_replace_lazily_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode);

/* mkdir -p. Returns 0 or -errno. */
int io_mkdir_p(const char *path, mode_t mode);

/* Strict decimal numbers: no blanks, no rest, in [min, max]. Returns 0, -EINVAL or -ERANGE. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);
int parse_double(const char *text, double min, double max, double *ret);
