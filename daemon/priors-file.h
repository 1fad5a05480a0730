/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What was learned of programs, from one run of the daemon to the next: the file "priors" in the
 * state directory. "AIKMPRI1", a header with its size and check sum, then the entries as they are
 * in memory, their times counted from when it was written.
 */

#include "policy/prior.h"
#include "util/error.h"

#define PRIORS_FILE "priors"
/* A file that was refused is kept under this name. */
#define PRIORS_FILE_BAD "priors.bad"

/*
 * at: CLOCK_BOOTTIME, realtime: CLOCK_REALTIME, both now. Returns 1 with new memory in
 * *ret_entries, 0 where there is no such file, or -errno with *e set: -EBADMSG torn or damaged,
 * -EPROTO of another kind or version, -EFBIG too big. A clock that was set back counts as no time
 * passed.
 */
int priors_file_load(int dir_fd, int64_t at, usec_t realtime, PriorEntry **ret_entries,
                     size_t *ret_n, Error *e);

/* Replaces the file as a whole, without waiting for a disk: what a power failure tears is found out
 * by its check sum. Returns 0 or -errno. */
int priors_file_save(int dir_fd, const PriorTable *t, int64_t at, usec_t realtime);
