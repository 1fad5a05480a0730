/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Files that come with a request. */

#include <stddef.h>

#include "util/error.h"

/* Reads a memory file that nobody can change any more: reading it neither waits nor surprises.
 * Anything else (a folder, a pipe, a device, a file on a file system that hangs) has no such seals
 * and is refused. ret: to be freed, NUL behind it. Returns 0, -EINVAL or -ENOMEM with *e set. */
int bus_read_sealed(int fd, const char *what, size_t max, char **ret, size_t *ret_size, Error *e);
