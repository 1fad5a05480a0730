/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What every BPF collector asks before and while it loads: may and can BPF be used here, and what
 * did libbpf say when it failed.
 */

#include "util/error.h"

/*
 * The ids that BPF programs see are those of the initial pid namespace, and CO-RE needs the
 * kernel's BTF. Returns 0, or -EOPNOTSUPP with *e set where one of the two is missing.
 */
int bpf_support_check(Error *e);

/* From here on libbpf's first warning is kept instead of printed. Process-wide, as libbpf's log is:
 * not reentrant. */
void bpf_support_capture(void);

/*
 * Ends the capture. r: what libbpf returned. Where it is a failure, *e gets `what`, the cause in
 * words and libbpf's warning. Gives the memory that loading took (the kernel's BTF) back to the
 * system. Returns r, -EPERM for a missing right, -EOPNOTSUPP for a missing kernel feature.
 */
int bpf_support_finish(int r, const char *what, Error *e);
