/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What /proc/PID/status knows beyond stat. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "util/macro.h"

typedef struct ProcStatus {
        bool has_uid;
        bool has_switches;
        bool has_cpus;
        bool has_rss_anon;
        uint32_t uid;            /* real */
        uint64_t nvcsw, nivcsw;  /* of this thread alone */
        uint64_t cpus;           /* CPUs 0..63 that it may run on */
        uint64_t rss_anon_bytes; /* unknown of what has no memory: kernel threads, zombies */
} ProcStatus;

/* What is missing or malformed stays unknown. */
void proc_status_parse(const char *text, ProcStatus *ret);
