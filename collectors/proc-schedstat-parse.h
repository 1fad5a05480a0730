/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Text of /proc/PID/task/TID/schedstat to struct: one thread's. Pure. */

#include <stdint.h>

#include "util/macro.h"

typedef struct ProcSchedstat {
        uint64_t exec_ns;
        uint64_t delay_ns;
        uint64_t timeslices;
} ProcSchedstat;

/* Returns 0 or -EBADMSG. */
int proc_schedstat_parse(const char *text, ProcSchedstat *ret);
