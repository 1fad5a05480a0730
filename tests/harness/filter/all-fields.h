/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_TEST_ALL_FIELDS_H
#define AIKM_TEST_ALL_FIELDS_H

/*
 * A model that asks for every field and whose class depends on each bit of them: a wrong field
 * gives a wrong verdict. For the BPF program and, with the same bits, for the test that holds it
 * against its twin.
 */

#include <linux/types.h>

#include "models/packet-fields.h"

#define ALL_FIELDS_OUTPUTS 2

struct all_fields_scratch {
	__u32 unused;
};

static inline __attribute__((always_inline)) long
all_fields_run(const __u32 *raw, struct all_fields_scratch *scratch, __s32 *outputs)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	for (int i = 0; i < PACKET_FIELD_COUNT; i++) {
		hash = (hash ^ raw[i]) * 0x100000001b3ULL;
		hash ^= hash >> 29;
	}
	outputs[0] = (__s32)(hash >> 32);
	outputs[1] = (__s32)(hash & 0x7fffffff);
	return (long)(hash >> 61);
}

#endif
