/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Text of /proc/PID/stat to struct (proc_pid_stat(5)). Pure. */

#include <stdint.h>

#include "util/macro.h"

typedef struct ProcStat {
        int32_t pid;
        char comm[16]; /* may hold blanks and parentheses */
        char state;
        int32_t ppid;
        int32_t sid;
        int32_t tty;    /* device number, 0: none */
        uint32_t flags; /* PF_* */
        uint64_t min_flt, maj_flt;
        uint64_t cpu_ticks;       /* utime + stime */
        uint64_t system_ticks;    /* stime */
        uint64_t child_cpu_ticks; /* cutime + cstime */
        int32_t nice;
        uint32_t n_threads;
        uint64_t start; /* clock ticks since boot */
        int64_t rss_pages;
        uint32_t policy; /* SCHED_* */
} ProcStat;

/* Returns 0, or -EBADMSG where the text is cut or malformed. */
int proc_stat_parse(const char *text, ProcStat *ret);
