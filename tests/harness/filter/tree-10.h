/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_TEST_TREE_10_H
#define AIKM_TEST_TREE_10_H

/* A full tree of depth 10, 1,023 nodes, over twelve fields of headers, source windows and flows;
 * for the BPF program and for the same model in user space. */

#include <linux/types.h>

#define TREE_10_FIELDS(X)                                                                          \
	X(IP_LENGTH)                                                                               \
	X(PAYLOAD_LENGTH)                                                                          \
	X(LOW_PORT)                                                                                \
	X(TCP_FLAGS)                                                                               \
	X(TCP_WINDOW)                                                                              \
	X(SOURCE_PACKETS_LOG2)                                                                     \
	X(SOURCE_BYTES_LOG2)                                                                       \
	X(SOURCE_SYNS)                                                                             \
	X(SOURCE_PORTS)                                                                            \
	X(FLOW_PACKETS)                                                                            \
	X(FLOW_DURATION_LOG2)                                                                      \
	X(FLOW_GAP_LOG2)
#define TREE_10_OUTPUTS 1

struct tree_10_scratch {
	__u32 unused;
};

/* Node i asks one of the twelve fields; thresholds lie where the fields do. */
static const __u32 tree_10_scale[12] = {1500, 1460, 1024, 32, 65535, 256,
					511,  64,   64,	  64, 511,   511};

#define TREE_FIELD(i) (((i)*7 + (i) / 12) % 12)
#define TREE_CUT(i) (((i)*2654435761U >> 16) % tree_10_scale[TREE_FIELD(i)])
#define TREE_YES(i) (raw[TREE_FIELD(i)] <= TREE_CUT(i))
#define TREE_0(i) return ((i)*40503U >> 9) & 1;
#define TREE_1(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_0(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_0(2 * (i) + 1)                                                                \
	}
#define TREE_2(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_1(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_1(2 * (i) + 1)                                                                \
	}
#define TREE_3(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_2(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_2(2 * (i) + 1)                                                                \
	}
#define TREE_4(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_3(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_3(2 * (i) + 1)                                                                \
	}
#define TREE_5(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_4(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_4(2 * (i) + 1)                                                                \
	}
#define TREE_6(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_5(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_5(2 * (i) + 1)                                                                \
	}
#define TREE_7(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_6(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_6(2 * (i) + 1)                                                                \
	}
#define TREE_8(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_7(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_7(2 * (i) + 1)                                                                \
	}
#define TREE_9(i)                                                                                  \
	if (TREE_YES(i)) {                                                                         \
		TREE_8(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_8(2 * (i) + 1)                                                                \
	}
#define TREE_10(i)                                                                                 \
	if (TREE_YES(i)) {                                                                         \
		TREE_9(2 * (i))                                                                    \
	} else {                                                                                   \
		TREE_9(2 * (i) + 1)                                                                \
	}

static __attribute__((noinline)) long tree_10_walk(const __u32 *raw)
{
	TREE_10(1U)
}

static inline __attribute__((always_inline)) long
tree_10_run(const __u32 *raw, struct tree_10_scratch *scratch, __s32 *outputs)
{
	long class = tree_10_walk(raw);

	outputs[0] = (__s32) class;
	return class;
}

#endif
