/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_TEST_BENCH_H
#define AIKM_TEST_BENCH_H

#include <linux/types.h>

#define BENCH_PACKETS 4096 /* a power of two */
#define BENCH_HEADERS 56   /* Ethernet, IPv4, TCP */

struct bench_headers {
	__u8 bytes[BENCH_HEADERS];
};

#define BENCH_WINDOW 160 /* packets on the way; a veth's queue has room for 256 */
#define BENCH_TELL 16 /* the receiver says every so many packets how far it is: less to and fro */

/* The sender's, the receiver's, and what the one reads and the other writes: pairs of cache lines
 * apart. */
struct bench_flow {
	__u64 sent;
	__u32 interface; /* to send out of */
	__u32 pad[29];
	__u64 mine;
	__u64 pad2[15];
	__u64 judged;
	__u64 pad3[15];
};

#endif
