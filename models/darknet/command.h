/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the verbs share: messages, option values, memory files for the worker. */

#include <stdint.h>

#include "util/error.h"

/* Prints "aikm-darknet VERB: text" where r is an error, e's text or else strerror; returns the exit
 * status. */
int command_finish(const char *verb, int r, const Error *e);

/* A wrong command line: prints the text and where help is; returns the exit status. */
_printf_(2, 3) int command_usage(const char *verb, const char *format, ...);

/* A whole number for option `name`; on failure prints and returns -EINVAL. */
int command_number(const char *verb, const char *name, const char *text, uint64_t min, uint64_t max,
                   uint64_t *ret);

#define MEMORY_FILE_PATH_MAX 32

/* An anonymous file with this content that the worker, who may open nothing else, opens by the path
 * /proc/self/fd/N. Returns the descriptor or -errno. */
int memory_file_new(const char *name, const void *data, size_t size,
                    char ret_path[MEMORY_FILE_PATH_MAX]);

/* Reads it whole. Returns 0 or -errno. */
int memory_file_read(int fd, char **ret, size_t *ret_size);
