/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Text of /proc/PID/io to struct. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

typedef struct ProcIo {
        bool has_chars; /* rchar, wchar, syscr, syscw are known */
        bool has_block; /* read_bytes, write_bytes are known */
        uint64_t rchar, wchar, syscr, syscw;
        uint64_t read_bytes, write_bytes;
} ProcIo;

/* Returns 0, or -EBADMSG where neither group is whole. */
int proc_io_parse(const char *text, ProcIo *ret);
