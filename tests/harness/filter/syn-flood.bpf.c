/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic filter around a tree that knows one thing: a source that sends little but SYNs, and
 * many. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct syn_flood_scratch {
	__u32 unused;
};

static __always_inline long syn_flood_run(const __u32 *raw, struct syn_flood_scratch *scratch,
					  __s32 *outputs)
{
	long class = 0;

	if (raw[0] > 0)
		if (raw[1] > 100)
			if (raw[2] > 200)
				class = 1;
	outputs[0] = (__s32) class;
	return class;
}

#define FILTER_FIELDS(X) X(TCP_SYN) X(SOURCE_SYNS) X(SOURCE_SYN_SHARE)
#define FILTER_OUTPUTS 1
#define FILTER_SCRATCH struct syn_flood_scratch
#define FILTER_RUN syn_flood_run
#include "collectors/bpf/filter-shell.h"
