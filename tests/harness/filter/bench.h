/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_TEST_BENCH_H
#define AIKM_TEST_BENCH_H

#include <linux/types.h>

#define BENCH_PACKETS 4096 /* a power of two */
#define BENCH_HEADERS 56   /* Ethernet, IPv4, TCP */

struct bench_headers {
	__u8 bytes[BENCH_HEADERS];
};

#endif
