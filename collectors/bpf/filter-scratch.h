/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_FILTER_SCRATCH_H
#define AIKM_BPF_FILTER_SCRATCH_H

/* What one packet's way through the filter needs besides the stack; of a size that depends on the
 * model, whose FILTER_… macros (filter-shell.h) have to be there. */

#include "collectors/bpf/filter-fields.h"
#include "collectors/bpf/filter-track.h"
#include "models/packet-fields.h"

enum {
#define X(id) FILTER_INDEX_##id,
	FILTER_FIELDS(X)
#undef X
		FILTER_FIELD_COUNT
};

_Static_assert(FILTER_FIELD_COUNT <= FILTER_FIELDS_MAX, "fields of a model");

/* What one packet needs, of each CPU: softirqs do not interrupt each other. Not shared with another
 * program, and read by nobody but tests. */
struct filter_scratch {
	struct filter_packet packet;
	struct filter_flow_key flow_key;
	struct filter_prefix prefix;
	__u32 raw[FILTER_FIELD_COUNT];
	__s32 outputs[FILTER_OUTPUTS];
	struct filter_host_view view;
	__u32 meter_packets; /* not yet summed up for the kill switch */
	__u32 meter_malicious;
	__u64 now_ns;
	__u32 frame_length;
	__u32 interface;
	__u32 reason;  /* enum filter_reason */
	__u32 verdict; /* enum filter_verdict */
	__u32 class;
	__u32 dropped;
	FILTER_SCRATCH model;
};

#endif
