/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A disposable child process for code that is not trusted to fail well: no privileges, no network,
 * bounded memory and time, only the descriptors named, dead with its parent. Anything but a clean
 * report of success is failure.
 */

#include <stddef.h>

#include "util/error.h"

#define WORKER_REPORT_MAX 256

/* Runs in the child. Returns 0 or -errno. report_fd: for worker_report(). */
typedef int (*worker_function_t)(int report_fd, void *userdata);

/* Runs in the parent for each report. */
typedef void (*worker_on_report_t)(const void *report, size_t size, void *userdata);

typedef struct WorkerOptions {
        const int *fds; /* stay open in the child */
        size_t n_fds;
        unsigned cpu_seconds;
        size_t memory;                /* bytes beyond what the program itself maps */
        worker_on_report_t on_report; /* may be NULL */
        void *userdata;               /* of on_report */
} WorkerOptions;

/* Returns 0, what the function returned, or -EPROTO where the child ended in any other way; *e then
 * says how, with the last line that it wrote. */
int worker_run(worker_function_t function, void *userdata, const WorkerOptions *o, Error *e);

/* In the child: hands at most WORKER_REPORT_MAX bytes to the parent. */
void worker_report(int report_fd, const void *report, size_t size);
