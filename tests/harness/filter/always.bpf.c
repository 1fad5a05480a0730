/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic filter around a model that says ALWAYS, three times over: in its class and both
 * outputs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct always_scratch {
	__u32 unused;
};

static __always_inline long always_run(const __u32 *raw, struct always_scratch *scratch,
				       __s32 *outputs)
{
	outputs[0] = ALWAYS;
	outputs[1] = ALWAYS;
	return ALWAYS;
}

#define FILTER_FIELDS(X) X(TCP_SYN) X(SOURCE_PACKETS)
#define FILTER_OUTPUTS 2
#define FILTER_SCRATCH struct always_scratch
#define FILTER_RUN always_run
#include "collectors/bpf/filter-shell.h"
